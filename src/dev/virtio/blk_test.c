/*
 * The block device against a disk that does what it is told when the test
 * says so: what reaches the disk, what the driver is told, and what a hostile
 * driver gets.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "fake_transport.h"

enum {
    T_IN = 0,
    T_OUT = 1,
    T_FLUSH = 4,
    T_GET_ID = 8,
    T_DISCARD = 11,
    T_WRITE_ZEROES = 13,
    DISK_BYTES = 1 << 16,
    SECTORS = DISK_BYTES / 512,
    QUEUES = 3,
};

#define HEADER DATA
#define STATUS_AT (DATA + 0x800)
#define BUFFER (DATA + 0x1000)

/* ---- a disk that waits ---------------------------------------------------
 */

static uint8_t contents[DISK_BYTES];
static struct lull_disk_request *held[64];
static unsigned held_count, submits, discards;

static void fake_submit(void *host, struct lull_disk_request *r)
{
    submits++;
    for (; r != NULL; r = r->next) {
        ck_assert_uint_le(r->offset_bytes, DISK_BYTES);
        ck_assert_uint_le(r->length_bytes, DISK_BYTES - r->offset_bytes);
        ck_assert_uint_lt(held_count, 64);
        held[held_count++] = r;
    }
}

static void perform(const struct lull_disk_request *r)
{
    uint64_t at = r->offset_bytes;

    for (int i = 0; i < r->vector_count; i++) {
        const struct iovec *part = &r->vector[i];

        if (r->op == LULL_DISK_READ)
            memcpy(part->iov_base, contents + at, part->iov_len);
        else if (r->op == LULL_DISK_WRITE)
            memcpy(contents + at, part->iov_base, part->iov_len);
        at += part->iov_len;
    }
    if (r->op == LULL_DISK_ZERO)
        memset(contents + r->offset_bytes, 0, r->length_bytes);
    discards += r->op == LULL_DISK_DISCARD;
}

/* Answer the n-th of those held. */
static void finish(unsigned n, int error)
{
    struct lull_disk_request *r = held[n];

    memmove(held + n, held + n + 1, (held_count - n - 1) * sizeof(held[0]));
    held_count--;
    if (error == 0)
        perform(r);
    r->error = error;
    r->next = NULL;
    r->done(r);
}

/* All those held, at once. */
static void finish_all(void)
{
    unsigned count = held_count;

    for (unsigned i = 0; i < count; i++) {
        perform(held[i]);
        held[i]->error = 0;
        held[i]->next = i + 1 < count ? held[i + 1] : NULL;
    }
    held_count = 0;
    held[0]->done(held[0]);
}

/* A disk that has in memory what lies before this sector. */
static unsigned in_memory;

static bool fake_read_now(void *host, struct lull_disk_request *r)
{
    ck_assert_int_eq(r->op, LULL_DISK_READ);
    if (r->offset_bytes + r->length_bytes > 512ULL * in_memory)
        return false;
    r->error = r->offset_bytes == 0 ? EIO : 0;
    perform(r);
    return true;
}

static struct lull_disk disk = {.submit = fake_submit,
                                .size_bytes = DISK_BYTES};

static void setup(void)
{
    line = (struct fake_line){0};
    held_count = 0;
    submits = 0;
    discards = 0;
    in_memory = 0;
    disk.read_now = NULL;
    for (unsigned i = 0; i < DISK_BYTES; i++)
        contents[i] = (uint8_t)(i / 512 + i);
    disk.read_only = false;
    dev =
        lull_virtio_blk_new(3, &ram, fake_irq(&line), &disk, "serial", QUEUES);
    ck_assert_ptr_nonnull(dev);
    start_device(ALL_FEATURES, 1);
}

static void teardown(void)
{
    while (held_count != 0)
        finish(0, 0);
    lull_virtio_free(dev);
}

/* ---- a driver ------------------------------------------------------------
 */

static void put_header(uint32_t type, uint64_t sector)
{
    memset(at(HEADER), 0, 16);
    put_le32(at(HEADER), type);
    put_le64(at(HEADER + 8), sector);
    *at(STATUS_AT) = 0xff;
}

/* A read of 512 bytes in a queue of its own, with a buffer for each; the
 * doorbell is the caller's. */
static void offer_read(unsigned n, uint16_t d, uint64_t sector)
{
    uint64_t own = DATA + 0x10000 * n + 0x1000ULL * d;

    put_le32(at(own), T_IN);
    put_le64(at(own + 8), sector);
    *at(own + 0x20) = 0xff;
    put_desc(queue[n].desc, d, own, 16, NEXT, (uint16_t)(d + 1));
    put_desc(queue[n].desc, d + 1U, own + 0x200, 512, WRITE | NEXT,
             (uint16_t)(d + 2));
    put_desc(queue[n].desc, d + 2U, own + 0x20, 1, WRITE, 0);
    make_available(&queue[n], d);
}

static void expect_read(unsigned n, uint16_t d, uint64_t sector)
{
    uint64_t own = DATA + 0x10000 * n + 0x1000ULL * d;
    uint32_t id, len;

    ck_assert(take_used(&queue[n], &id, &len));
    ck_assert_uint_eq(id, d);
    ck_assert_uint_eq(len, 513);
    ck_assert_uint_eq(*at(own + 0x20), 0);
    ck_assert_mem_eq(at(own + 0x200), contents + 512 * sector, 512);
}

/* Header, a buffer of `len` bytes (0: none), status: descriptors from `d`. */
static void request(uint16_t d, uint32_t type, uint64_t sector, uint32_t len,
                    uint16_t flags)
{
    put_header(type, sector);
    put_desc(queue[0].desc, d, HEADER, 16, NEXT, (uint16_t)(d + 1));
    put_desc(queue[0].desc, d + 1U, BUFFER, len, flags | NEXT,
             (uint16_t)(d + 2));
    put_desc(queue[0].desc, d + 2U, STATUS_AT, 1, WRITE, 0);
    make_available(&queue[0], d);
    set(QUEUE_NOTIFY, 0);
}

/* The used length of a request that must be done; its status is in memory. */
static uint32_t used(void)
{
    uint32_t id, len;

    ck_assert(take_used(&queue[0], &id, &len));
    return len;
}

static void expect_status(uint8_t status)
{
    used();
    ck_assert_uint_eq(held_count, 0);
    ck_assert_uint_eq(*at(STATUS_AT), status);
}

/* ---- the tests -----------------------------------------------------------
 */

START_TEST(what_the_driver_learns)
{
    const struct lull_mmio *m = lull_virtio_mmio(dev);

    ck_assert_uint_eq(get(DEVICE_ID), 2);
    ck_assert_uint_eq(get(CONFIG), SECTORS);
    ck_assert_uint_eq(get(CONFIG + 4), 0);
    ck_assert_uint_eq(get(CONFIG + 20), 512);
    ck_assert_uint_eq(m->read(m->dev, CONFIG + 34, 2), QUEUES);
    ck_assert_uint_eq(m->read(m->dev, CONFIG + 56, 1), 1);
    ck_assert_uint_eq(get(CONFIG + 60), 0);
    ck_assert_uint_eq(get(CONFIG + 0xfc), 0);
}
END_TEST

START_TEST(a_read_is_answered_when_it_is_done)
{
    uint32_t id, len;

    request(0, T_IN, 3, 1024, WRITE);
    ck_assert(!take_used(&queue[0], &id, &len));
    ck_assert_uint_eq(*at(STATUS_AT), 0xff);
    ck_assert(!line.level);
    finish(0, 0);
    ck_assert_uint_eq(used(), 1025);
    ck_assert_uint_eq(*at(STATUS_AT), 0);
    ck_assert_mem_eq(at(BUFFER), contents + 3 * 512, 1024);
    ck_assert(line.level);
}
END_TEST

/* Header in three pieces, data behind it in the same descriptor. */
START_TEST(the_driver_cuts_where_it_likes)
{
    put_header(T_OUT, SECTORS - 1);
    memset(at(HEADER + 16), 0x5a, 512);
    put_desc(queue[0].desc, 0, HEADER, 3, NEXT, 1);
    put_desc(queue[0].desc, 1, HEADER + 3, 9, NEXT, 2);
    put_desc(queue[0].desc, 2, HEADER + 12, 504, NEXT, 3);
    put_desc(queue[0].desc, 3, HEADER + 516, 12, NEXT, 4);
    put_desc(queue[0].desc, 4, STATUS_AT, 1, WRITE, 0);
    make_available(&queue[0], 0);
    set(QUEUE_NOTIFY, 0);
    ck_assert_uint_eq(held_count, 1);
    finish(0, 0);
    ck_assert_uint_eq(used(), 1);
    ck_assert_uint_eq(*at(STATUS_AT), 0);
    ck_assert_mem_eq(contents + DISK_BYTES - 512, at(HEADER + 16), 512);
}
END_TEST

START_TEST(the_status_behind_the_data)
{
    put_header(T_IN, 1);
    put_desc(queue[0].desc, 0, HEADER, 16, NEXT, 1);
    put_desc(queue[0].desc, 1, BUFFER, 513, WRITE, 0);
    make_available(&queue[0], 0);
    *at(BUFFER + 512) = 0xff;
    set(QUEUE_NOTIFY, 0);
    finish(0, 0);
    ck_assert_uint_eq(used(), 513);
    ck_assert_mem_eq(at(BUFFER), contents + 512, 512);
    ck_assert_uint_eq(*at(BUFFER + 512), 0);
}
END_TEST

START_TEST(answers_in_any_order)
{
    uint32_t id, len;

    request(0, T_IN, 0, 512, WRITE);
    request(4, T_IN, 1, 512, WRITE);
    ck_assert_uint_eq(held_count, 2);
    finish(1, 0);
    ck_assert(take_used(&queue[0], &id, &len));
    ck_assert_uint_eq(id, 4);
    finish(0, 0);
    ck_assert(take_used(&queue[0], &id, &len));
    ck_assert_uint_eq(id, 0);
}
END_TEST

START_TEST(what_is_out_of_range)
{
    request(0, T_IN, SECTORS, 512, WRITE);
    expect_status(1);
    request(0, T_IN, SECTORS - 1, 1024, WRITE);
    expect_status(1);
    request(0, T_OUT, UINT64_MAX, 512, 0);
    expect_status(1);
    request(0, T_OUT, 1ULL << 55, 512, 0); /* its offset wraps to 0 */
    expect_status(1);
    request(0, T_IN, 0, 100, WRITE); /* no whole sectors */
    expect_status(1);
    request(0, T_IN, SECTORS, 0, WRITE); /* nothing, at the very end */
    expect_status(0);
    request(0, 77, 0, 512, WRITE);
    expect_status(2);
}
END_TEST

START_TEST(the_host_fails)
{
    static const int errors[] = {EIO, ENOSPC, EFAULT};

    for (unsigned i = 0; i < 3; i++) {
        request(0, T_IN, 0, 512, WRITE);
        finish(0, errors[i]);
        ck_assert_uint_eq(used(), 1);
        ck_assert_uint_eq(*at(STATUS_AT), 1);
    }
    request(0, T_FLUSH, 0, 0, 0);
    ck_assert_int_eq(held[0]->op, LULL_DISK_FLUSH);
    finish(0, EIO);
    expect_status(1);
}
END_TEST

static void put_segment(uint64_t sector, uint32_t sectors, uint32_t flags)
{
    put_le64(at(BUFFER), sector);
    put_le32(at(BUFFER + 8), sectors);
    put_le32(at(BUFFER + 12), flags);
}

START_TEST(discard_and_zeros)
{
    put_segment(2, 3, 0);
    request(0, T_DISCARD, 0, 16, 0);
    finish(0, 0);
    expect_status(0);
    ck_assert_uint_eq(discards, 1);
    put_segment(2, 3, 1);
    request(0, T_WRITE_ZEROES, 0, 16, 0);
    ck_assert(held[0]->unmap);
    finish(0, 0);
    expect_status(0);
    ck_assert_uint_eq(contents[2 * 512 + 7], 0);
    ck_assert_uint_ne(contents[5 * 512 + 7], 0);
    request(0, T_DISCARD, 0, 16, 0); /* unmap is no flag of a discard */
    expect_status(2);
    put_segment(SECTORS - 1, 2, 0);
    request(0, T_DISCARD, 0, 16, 0);
    expect_status(1);
    put_segment(0, UINT32_MAX, 0);
    request(0, T_WRITE_ZEROES, 0, 16, 0);
    expect_status(1);
    put_segment(0, 1, 0);
    request(0, T_DISCARD, 0, 32, 0); /* one segment was offered */
    expect_status(1);
}
END_TEST

START_TEST(its_name)
{
    request(0, T_GET_ID, 0, 20, WRITE);
    ck_assert_uint_eq(used(), 21);
    ck_assert_str_eq((const char *)at(BUFFER), "serial");
}
END_TEST

START_TEST(a_read_only_disk)
{
    lull_virtio_free(dev);
    disk.read_only = true;
    dev =
        lull_virtio_blk_new(3, &ram, fake_irq(&line), &disk, "serial", QUEUES);
    ck_assert_uint_eq(get(DEVICE_FEATURES) & 1 << 5, 1 << 5);
    start_device(ALL_FEATURES, 1);
    put_segment(0, 1, 0);
    request(0, T_OUT, 0, 512, 0);
    expect_status(1);
    request(0, T_DISCARD, 0, 16, 0);
    expect_status(1);
    request(0, T_WRITE_ZEROES, 0, 16, 0);
    expect_status(1);
    request(0, T_IN, 0, 512, WRITE);
    finish(0, 0);
    expect_status(0);
}
END_TEST

static void expect_broken(void)
{
    ck_assert_uint_eq(get(STATUS) & NEEDS_RESET, NEEDS_RESET);
    ck_assert_uint_eq(lull_virtio_stats(dev).broken, 1);
    ck_assert_uint_eq(held_count, 0);
}

START_TEST(no_room_for_a_status)
{
    put_header(T_FLUSH, 0);
    offer(0, 0, HEADER, 16, 0);
    set(QUEUE_NOTIFY, 0);
    expect_broken();
}
END_TEST

START_TEST(half_a_header)
{
    put_desc(queue[0].desc, 0, HEADER, 15, NEXT, 1);
    put_desc(queue[0].desc, 1, STATUS_AT, 1, WRITE, 0);
    make_available(&queue[0], 0);
    set(QUEUE_NOTIFY, 0);
    expect_broken();
}
END_TEST

START_TEST(nothing_at_all)
{
    offer(0, 0, HEADER, 0, 0);
    set(QUEUE_NOTIFY, 0);
    expect_broken();
}
END_TEST

/* A driver that offers the same chains again before they are done: what is
 * with the disk stays bounded, and all is answered in the end. */
START_TEST(more_than_the_queue_holds)
{
    uint32_t id, len;
    unsigned answers = 0;

    for (unsigned i = 0; i < 40; i++)
        request((uint16_t)(i % 5 * 3), T_IN, i, 512, WRITE);
    while (held_count != 0)
        finish(held_count / 2, 0);
    ck_assert_uint_eq(used_index(&queue[0]), 40);
    queue[0].seen_used = 40 - SIZE; /* older entries were overwritten */
    while (take_used(&queue[0], &id, &len))
        answers++;
    ck_assert_uint_eq(answers, SIZE);
}
END_TEST

/* Each answer goes to the queue that asked; what comes together is told of
 * once. */
START_TEST(several_queues)
{
    start_device(ALL_FEATURES, QUEUES);
    for (unsigned n = 0; n < QUEUES; n++) {
        offer_read(n, 0, n);
        offer_read(n, 4, 10 + n);
        set(QUEUE_NOTIFY, n);
    }
    set(QUEUE_NOTIFY, QUEUES);
    ck_assert_uint_eq(submits, QUEUES);
    ck_assert_uint_eq(held_count, 2 * QUEUES);
    finish_all();
    ck_assert_uint_eq(lull_virtio_stats(dev).interrupts, QUEUES);
    ck_assert_uint_eq(lull_virtio_stats(dev).chains, 2 * QUEUES);
    for (unsigned n = 0; n < QUEUES; n++) {
        expect_read(n, 0, n);
        expect_read(n, 4, 10 + n);
    }
}
END_TEST

/* One queue stops, and waits for its own requests only. */
START_TEST(a_queue_stops_alone)
{
    start_device(ALL_FEATURES, 2);
    offer_read(0, 0, 5);
    offer_read(1, 0, 6);
    set(QUEUE_NOTIFY, 0);
    set(QUEUE_NOTIFY, 1);
    finish(1, 0);
    set(QUEUE_SEL, 1);
    set(QUEUE_READY, 0);
    ck_assert_uint_eq(held_count, 1);
    finish(0, 0);
    expect_read(0, 0, 5);
}
END_TEST

START_TEST(what_the_host_has_in_memory)
{
    uint32_t id, len;

    disk.read_now = fake_read_now;
    in_memory = 3;
    offer_read(0, 0, 2);
    offer_read(0, 4, 3);
    set(QUEUE_NOTIFY, 0);
    ck_assert_uint_eq(held_count, 1);
    expect_read(0, 0, 2);
    ck_assert(line.level);
    finish(0, 0);
    expect_read(0, 4, 3);
    offer_read(0, 0, 0);
    set(QUEUE_NOTIFY, 0);
    ck_assert_uint_eq(held_count, 0);
    ck_assert(take_used(&queue[0], &id, &len));
    ck_assert_uint_eq(len, 1);
    ck_assert_uint_eq(*at(DATA + 0x20), 1);
}
END_TEST

static unsigned woken;

static uint64_t set_quietly(void *opaque, unsigned number, bool level)
{
    fake_set(opaque, number, level);
    return level;
}

/* What a driver does first: it would wait for the device's lock. */
static void wake(void *opaque, uint64_t whom)
{
    woken += (unsigned)whom;
    ck_assert_uint_eq(get(INTERRUPT_STATUS), 1);
    set(INTERRUPT_ACK, 1);
}

START_TEST(woken_without_the_lock)
{
    struct lull_irq irq = fake_irq(&line);

    irq.set_quietly = set_quietly;
    irq.wake = wake;
    lull_virtio_free(dev);
    dev = lull_virtio_blk_new(3, &ram, irq, &disk, "serial", QUEUES);
    start_device(ALL_FEATURES & ~EVENT_IDX, 1);
    woken = 0;
    offer_read(0, 0, 2);
    set(QUEUE_NOTIFY, 0);
    finish(0, 0);
    ck_assert_uint_eq(woken, 1);
    ck_assert(!line.level);
    expect_read(0, 0, 2);
    request(8, 77, 0, 512, WRITE);
    ck_assert_uint_eq(woken, 2);
}
END_TEST

static void *finish_late(void *opaque)
{
    usleep(20000);
    finish(0, 0);
    return NULL;
}

/* The reset returns only when the disk has let go of the buffers, and the
 * old answer is not pushed anywhere. */
START_TEST(a_reset_waits_for_the_disk)
{
    pthread_t thread;

    request(0, T_IN, 0, 512, WRITE);
    ck_assert_int_eq(pthread_create(&thread, NULL, finish_late, NULL), 0);
    set(STATUS, 0);
    ck_assert_uint_eq(held_count, 0);
    pthread_join(thread, NULL);
    ck_assert_uint_eq(used_index(&queue[0]), 0);
    ck_assert_uint_eq(*at(STATUS_AT), 0xff);
    start_device(ALL_FEATURES, 1);
    request(0, T_IN, 0, 512, WRITE);
    finish(0, 0);
    expect_status(0);
}
END_TEST

static void *reset_late(void *opaque)
{
    set(STATUS, 0);
    return NULL;
}

/* While one vCPU's reset waits for the disk, another starts the device anew
 * and asks it for something: that is answered, too. */
START_TEST(a_reset_that_is_overtaken)
{
    pthread_t thread;

    request(0, T_IN, 0, 512, WRITE);
    ck_assert_int_eq(pthread_create(&thread, NULL, reset_late, NULL), 0);
    while (get(STATUS) != 0)
        usleep(100);
    memset(at(RAM_GPA), 0, RAM_BYTES);
    negotiate_on(ALL_FEATURES);
    start_queue(0);
    set(STATUS, ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK);
    offer_read(0, 4, 7);
    finish(0, 0);
    pthread_join(thread, NULL);
    set(QUEUE_NOTIFY, 0);
    ck_assert_uint_eq(held_count, 1);
    finish(0, 0);
    expect_read(0, 4, 7);
}
END_TEST

/* A freeze waits for what is on its way, on another thread. */
static void *freeze(void *opaque)
{
    lull_virtio_freeze(dev);
    return NULL;
}

START_TEST(a_frozen_disk_has_nothing_on_its_way)
{
    struct lull_state state = {0};
    pthread_t thread;

    request(0, T_OUT, 4, 512, 0);
    ck_assert_uint_eq(held_count, 1);
    ck_assert_int_eq(pthread_create(&thread, NULL, freeze, NULL), 0);
    finish(0, 0);
    pthread_join(thread, NULL);
    ck_assert_uint_eq(used_index(&queue[0]), 1);
    request(3, T_OUT, 5, 512, 0);
    ck_assert_uint_eq(held_count, 0);
    lull_virtio_state(dev, &state);
    ck_assert(!state.bad);
    state.loading = true; /* into a disk of another size */
    disk.size_bytes /= 2;
    lull_virtio_state(dev, &state);
    disk.size_bytes *= 2;
    ck_assert(!lull_state_done(&state));
    free(state.bytes);
    lull_virtio_thaw(dev);
    ck_assert_uint_eq(held_count, 1);
    finish(0, 0);
    ck_assert_uint_eq(used_index(&queue[0]), 2);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("blk");
    TCase *tc = tcase_create("blk");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, what_the_driver_learns);
    tcase_add_test(tc, a_read_is_answered_when_it_is_done);
    tcase_add_test(tc, the_driver_cuts_where_it_likes);
    tcase_add_test(tc, the_status_behind_the_data);
    tcase_add_test(tc, answers_in_any_order);
    tcase_add_test(tc, what_is_out_of_range);
    tcase_add_test(tc, the_host_fails);
    tcase_add_test(tc, discard_and_zeros);
    tcase_add_test(tc, its_name);
    tcase_add_test(tc, a_read_only_disk);
    tcase_add_test(tc, no_room_for_a_status);
    tcase_add_test(tc, half_a_header);
    tcase_add_test(tc, nothing_at_all);
    tcase_add_test(tc, more_than_the_queue_holds);
    tcase_add_test(tc, several_queues);
    tcase_add_test(tc, woken_without_the_lock);
    tcase_add_test(tc, a_queue_stops_alone);
    tcase_add_test(tc, what_the_host_has_in_memory);
    tcase_add_test(tc, a_reset_waits_for_the_disk);
    tcase_add_test(tc, a_reset_that_is_overtaken);
    tcase_add_test(tc, a_frozen_disk_has_nothing_on_its_way);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
