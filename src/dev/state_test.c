/*
 * Saving and loading, device by device: what one saved, a fresh one that loads
 * it saves again, byte for byte, and goes on as the first would have; and no
 * part of a state is taken for a whole one.
 */
#include <stdlib.h>

#include "lull/pl011.h"
#include "lull/pl031.h"
#include "lull/pl061.h"
#include "virtio/fake_transport.h"
#include "virtio/virtio.h"

static struct fake_host host;

typedef void (*state_fn)(void *part, struct lull_state *state);

static struct lull_state save(void *part, state_fn fn)
{
    struct lull_state state = {0};

    fn(part, &state);
    ck_assert(!state.bad);
    return state;
}

static bool load_len(void *part, state_fn fn, const struct lull_state *saved,
                     size_t len)
{
    struct lull_state state = {
        .loading = true, .bytes = saved->bytes, .len = len};

    fn(part, &state);
    return lull_state_done(&state);
}

/* Into a fresh part, which must then save the same. */
static void load(void *part, state_fn fn, const struct lull_state *saved)
{
    struct lull_state again;

    ck_assert(load_len(part, fn, saved, saved->len));
    again = save(part, fn);
    ck_assert_uint_eq(again.len, saved->len);
    ck_assert_mem_eq(again.bytes, saved->bytes, saved->len);
    free(again.bytes);
}

/* Every prefix, and one byte too many. */
static void no_part_is_a_whole(void *part, state_fn fn,
                               struct lull_state *saved)
{
    uint8_t *more = calloc(1, saved->len + 1);

    for (size_t len = 0; len < saved->len; len++)
        ck_assert(!load_len(part, fn, saved, len));
    memcpy(more, saved->bytes, saved->len);
    free(saved->bytes);
    saved->bytes = more;
    ck_assert(!load_len(part, fn, saved, saved->len + 1));
    free(saved->bytes);
}

/* --- the PrimeCells --- */

static void mmio_set(const struct lull_mmio *m, unsigned offset, uint32_t value)
{
    m->write(m->dev, offset, 4, value);
}

static uint32_t mmio_get(const struct lull_mmio *m, unsigned offset)
{
    return (uint32_t)m->read(m->dev, offset, 4);
}

static void uart_state(void *part, struct lull_state *state)
{
    lull_pl011_state(part, state);
}

START_TEST(a_uart_keeps_what_was_typed)
{
    struct fake_line one = {0}, two = {0};
    struct lull_pl011 *uart, *fresh;
    const struct lull_mmio *m;
    struct lull_state saved;

    fake_host_init(&host);
    uart = lull_pl011_new(0x09000000, fake_irq(&one), &host.chardev);
    m = lull_pl011_mmio(uart);
    mmio_set(m, 0x2c, 0x70);  /* FIFOs on */
    mmio_set(m, 0x30, 0x301); /* on */
    mmio_set(m, 0x38, 0x50);  /* receive interrupts */
    ck_assert_uint_eq(fake_type(&host, "abc"), 3);
    ck_assert_uint_eq(mmio_get(m, 0), 'a');
    saved = save(uart, uart_state);
    fresh = lull_pl011_new(0x09000000, fake_irq(&two), &host.chardev);
    load(fresh, uart_state, &saved);
    m = lull_pl011_mmio(fresh);
    ck_assert_uint_eq(mmio_get(m, 0x38), 0x50);
    ck_assert_uint_eq(mmio_get(m, 0), 'b');
    ck_assert_uint_eq(mmio_get(m, 0), 'c');
    ck_assert_uint_eq(mmio_get(m, 0x18) & 0x10, 0x10); /* empty */
    no_part_is_a_whole(fresh, uart_state, &saved);
    lull_pl011_free(uart);
    lull_pl011_free(fresh);
}
END_TEST

/* It was full for the old host; the new one has room, and the guest is told. */
START_TEST(a_uart_finds_room_with_its_new_host)
{
    struct fake_line one = {0}, two = {0};
    struct lull_pl011 *uart, *fresh;
    struct lull_state saved;

    fake_host_init(&host);
    uart = lull_pl011_new(0x09000000, fake_irq(&one), &host.chardev);
    mmio_set(lull_pl011_mmio(uart), 0x38, 0x20); /* transmit interrupt */
    host.room = 1;
    mmio_set(lull_pl011_mmio(uart), 0, 'x');
    ck_assert(!one.level);
    saved = save(uart, uart_state);
    fake_host_init(&host);
    fresh = lull_pl011_new(0x09000000, fake_irq(&two), &host.chardev);
    ck_assert(load_len(fresh, uart_state, &saved, saved.len));
    ck_assert(two.level);
    ck_assert_uint_eq(mmio_get(lull_pl011_mmio(fresh), 0x18) & 0x20, 0);
    free(saved.bytes);
    lull_pl011_free(uart);
    lull_pl011_free(fresh);
}
END_TEST

static uint64_t wall_ns;

static uint64_t read_wall(void *opaque)
{
    return wall_ns;
}

static void rtc_state(void *part, struct lull_state *state)
{
    lull_pl031_state(part, state);
}

/* Its time goes on while nothing runs, and an alarm in between rings. */
START_TEST(a_clock_that_was_away_is_right)
{
    struct fake_line one = {0}, two = {0};
    struct lull_pl031_config config = {.irq = fake_irq(&one),
                                       .now_ns = read_wall};
    struct lull_pl031 *rtc, *fresh;
    struct lull_state saved;

    wall_ns = 1000000000000;
    rtc = lull_pl031_new(&config);
    mmio_set(lull_pl031_mmio(rtc), 0x08, 500); /* set to 500 */
    mmio_set(lull_pl031_mmio(rtc), 0x04, 600); /* alarm at 600 */
    mmio_set(lull_pl031_mmio(rtc), 0x10, 1);
    saved = save(rtc, rtc_state);
    config.irq = fake_irq(&two);
    fresh = lull_pl031_new(&config);
    load(fresh, rtc_state, &saved);
    ck_assert(!two.level);
    wall_ns += 3600000000000; /* an hour */
    ck_assert(load_len(fresh, rtc_state, &saved, saved.len));
    ck_assert_uint_eq(mmio_get(lull_pl031_mmio(fresh), 0), 4100);
    ck_assert(two.level);
    no_part_is_a_whole(fresh, rtc_state, &saved);
    lull_pl031_free(rtc);
    lull_pl031_free(fresh);
}
END_TEST

static void gpio_state(void *part, struct lull_state *state)
{
    lull_pl061_state(part, state);
}

START_TEST(a_pressed_key_stays_pressed)
{
    struct fake_line one = {0}, two = {0};
    struct lull_pl061_config config = {.irq = fake_irq(&one)};
    struct lull_pl061 *gpio = lull_pl061_new(&config), *fresh;
    struct lull_state saved;

    mmio_set(lull_pl061_mmio(gpio), 0x40c, 8); /* rising */
    mmio_set(lull_pl061_mmio(gpio), 0x410, 8); /* enabled */
    ck_assert(lull_pl061_press(gpio, 3));
    ck_assert(one.level);
    saved = save(gpio, gpio_state);
    config.irq = fake_irq(&two);
    fresh = lull_pl061_new(&config);
    load(fresh, gpio_state, &saved);
    ck_assert(two.level);
    ck_assert_uint_eq(mmio_get(lull_pl061_mmio(fresh), 0x3fc), 8);
    no_part_is_a_whole(fresh, gpio_state, &saved);
    lull_pl061_free(gpio);
    lull_pl061_free(fresh);
}
END_TEST

/* --- virtio --- */

static void virtio_state(void *part, struct lull_state *state)
{
    lull_virtio_state(part, state);
}

/* The device goes, and `dev` is a fresh one with its state. */
static void replace(struct lull_virtio *fresh)
{
    struct lull_state saved;

    lull_virtio_freeze(dev);
    ck_assert_ptr_null(lull_virtio_unsaveable(dev));
    saved = save(dev, virtio_state);
    lull_virtio_free(dev);
    dev = fresh;
    lull_virtio_freeze(dev);
    load(dev, virtio_state, &saved);
    free(saved.bytes);
    lull_virtio_thaw(dev);
}

START_TEST(a_queue_goes_on_where_it_was)
{
    uint32_t id, len;

    dev = lull_virtio_rng_new(0, &ram, fake_irq(&line));
    start_device(ALL_FEATURES, 1);
    for (unsigned i = 0; i < 21; i++) { /* round the ring */
        if (i == 13)
            replace(lull_virtio_rng_new(0, &ram, fake_irq(&line)));
        offer(0, 3, DATA, 16, WRITE);
        set(QUEUE_NOTIFY, 0);
        ck_assert(take_used(&queue[0], &id, &len));
        ck_assert_uint_eq(id, 3);
        ck_assert_uint_eq(len, 16);
    }
    ck_assert_uint_eq(get(STATUS),
                      ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK);
    lull_virtio_free(dev);
}
END_TEST

/* While it is frozen a notification finds nothing; a thaw looks. */
START_TEST(a_frozen_device_touches_nothing)
{
    uint32_t id, len;

    dev = lull_virtio_rng_new(0, &ram, fake_irq(&line));
    start_device(ALL_FEATURES, 1);
    lull_virtio_freeze(dev);
    offer(0, 3, DATA, 16, WRITE);
    set(QUEUE_NOTIFY, 0);
    ck_assert(!take_used(&queue[0], &id, &len));
    replace(lull_virtio_rng_new(0, &ram, fake_irq(&line)));
    ck_assert(take_used(&queue[0], &id, &len));
    lull_virtio_free(dev);
}
END_TEST

static struct lull_virtio *console(void)
{
    fake_host_init(&host);
    return lull_virtio_console_new(0, &ram, fake_irq(&line), &host.chardev);
}

/* Half of it was said to the old host, and not a byte is said twice. */
START_TEST(a_console_goes_on_within_a_line)
{
    char said[64] = "";

    dev = console();
    start_device(ALL_FEATURES, 2);
    host.room = 5;
    host.slack = 0;
    memcpy(at(DATA), "hello, ", 7);
    memcpy(at(DATA + 64), "world", 5);
    put_desc(queue[1].desc, 0, DATA, 7, NEXT, 1);
    put_desc(queue[1].desc, 1, DATA + 64, 5, 0, 0);
    make_available(&queue[1], 0);
    set(QUEUE_NOTIFY, 1);
    memcpy(said, host.out, host.out_len);
    ck_assert_str_eq(said, "hello");
    lull_virtio_freeze(dev);
    lull_virtio_thaw(dev); /* and here: nothing changes by that */
    ck_assert_uint_eq(host.out_len, 5);
    replace(console());
    memcpy(said + strlen(said), host.out, host.out_len);
    ck_assert_str_eq(said, "hello, world");
    ck_assert_uint_eq(used_index(&queue[1]), 1);
    lull_virtio_free(dev);
}
END_TEST

static void give(void *opaque, void *at_host, uint64_t bytes)
{
}

START_TEST(a_balloon_keeps_its_target)
{
    static const struct lull_memory_host memory = {give, NULL};

    dev = lull_virtio_balloon_new(0, &ram, fake_irq(&line), &memory);
    start_device(ALL_FEATURES, 1);
    lull_virtio_balloon_set(dev, 40 << 12);
    set(CONFIG + 4, 30);
    replace(lull_virtio_balloon_new(0, &ram, fake_irq(&line), &memory));
    ck_assert_uint_eq(get(CONFIG), 40);
    ck_assert_uint_eq(get(CONFIG + 4), 30);
    ck_assert_uint_eq(lull_virtio_balloon_stats(dev).target_bytes, 40 << 12);
    lull_virtio_free(dev);
}
END_TEST

/* --- what no device has saved --- */

static struct lull_state saved_rng(void)
{
    struct lull_state saved;

    dev = lull_virtio_rng_new(0, &ram, fake_irq(&line));
    start_device(ALL_FEATURES, 1);
    saved = save(dev, virtio_state);
    lull_virtio_free(dev);
    dev = lull_virtio_rng_new(0, &ram, fake_irq(&line));
    return saved;
}

START_TEST(no_part_of_a_virtio_device)
{
    struct lull_state saved = saved_rng();

    no_part_is_a_whole(dev, virtio_state, &saved);
    lull_virtio_free(dev);
}
END_TEST

START_TEST(another_type_is_refused)
{
    struct lull_state saved = saved_rng();

    lull_virtio_free(dev);
    dev = console();
    ck_assert(!load_len(dev, virtio_state, &saved, saved.len));
    free(saved.bytes);
    lull_virtio_free(dev);
}
END_TEST

/* Offsets in the state of a device with one queue: behind type and number of
 * queues. */
enum {
    AT_STATUS = 16,
    AT_FEATURES = AT_STATUS + 2 + 16,
    AT_SIZE = AT_FEATURES + 8,
    AT_DESC = AT_SIZE + 2,
    AT_STARTED = AT_DESC + 24 + 2,
};

START_TEST(what_a_driver_cannot_have_done_is_refused)
{
    static const struct {
        size_t at;
        uint8_t value;
    } changes[] = {
        {AT_STATUS, DRIVER_OK},  /* without FEATURES_OK */
        {AT_STATUS, 0},          /* a queue, and no driver */
        {AT_FEATURES + 7, 0x80}, /* what was not offered */
        {AT_SIZE + 1, 0x80},     /* more than the largest queue */
        {AT_SIZE, 3},            /* no power of two */
        {AT_DESC + 7, 1},        /* outside memory */
        {AT_DESC, 1},            /* not aligned */
        {AT_STARTED, 2},         /* no bool */
    };

    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        struct lull_state saved = saved_rng();

        ck_assert(load_len(dev, virtio_state, &saved, saved.len));
        saved.bytes[changes[i].at] = changes[i].value;
        ck_assert(!load_len(dev, virtio_state, &saved, saved.len));
        lull_virtio_reset(dev); /* which it is good for */
        lull_virtio_free(dev);
        free(saved.bytes);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("state");
    TCase *tc = tcase_create("state");
    SRunner *runner;
    int failed;

    tcase_add_test(tc, a_uart_keeps_what_was_typed);
    tcase_add_test(tc, a_uart_finds_room_with_its_new_host);
    tcase_add_test(tc, a_clock_that_was_away_is_right);
    tcase_add_test(tc, a_pressed_key_stays_pressed);
    tcase_add_test(tc, a_queue_goes_on_where_it_was);
    tcase_add_test(tc, a_frozen_device_touches_nothing);
    tcase_add_test(tc, a_console_goes_on_within_a_line);
    tcase_add_test(tc, a_balloon_keeps_its_target);
    tcase_add_test(tc, no_part_of_a_virtio_device);
    tcase_add_test(tc, another_type_is_refused);
    tcase_add_test(tc, what_a_driver_cannot_have_done_is_refused);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
