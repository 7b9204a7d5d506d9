/*
 * The transport's registers, and the entropy and console devices from a
 * driver's first look to its last buffer.
 */
#include <stdlib.h>

#include "fake_transport.h"

enum { RX = 0, TX = 1 };

static struct fake_host host;

static void setup_rng(void)
{
    line = (struct fake_line){0};
    dev = lull_virtio_rng_new(3, &ram, fake_irq(&line));
    ck_assert_ptr_nonnull(dev);
}

static void setup_console(void)
{
    line = (struct fake_line){0};
    fake_host_init(&host);
    dev = lull_virtio_console_new(0, &ram, fake_irq(&line), &host.chardev);
    ck_assert_ptr_nonnull(dev);
    start_device(ALL_FEATURES, 2);
}

static void teardown(void)
{
    lull_virtio_free(dev);
}

/* --- the transport ---------------------------------------------------- */

START_TEST(what_a_driver_sees_first)
{
    const struct lull_mmio *m = lull_virtio_mmio(dev);

    ck_assert_uint_eq(m->gpa, 0x0a000600);
    ck_assert_uint_eq(m->size_bytes, 0x200);
    ck_assert_uint_eq(get(MAGIC), 0x74726976);
    ck_assert_uint_eq(get(VERSION), 2);
    ck_assert_uint_eq(get(DEVICE_ID), 4);
    ck_assert_uint_eq(get(STATUS), 0);
    ck_assert_uint_eq(get(DEVICE_FEATURES), EVENT_IDX | INDIRECT_DESC);
    set(DEVICE_FEATURES_SEL, 1);
    ck_assert_uint_eq(get(DEVICE_FEATURES), 1);
    set(DEVICE_FEATURES_SEL, 2);
    ck_assert_uint_eq(get(DEVICE_FEATURES), 0);
    ck_assert_uint_gt(get(QUEUE_NUM_MAX), 0);
    set(QUEUE_SEL, 1); /* there is one queue */
    ck_assert_uint_eq(get(QUEUE_NUM_MAX), 0);
    ck_assert_uint_eq(get(0x0b0), 0xffffffff); /* no shared memory */
    ck_assert_uint_eq(get(0x0fc), 0);
    ck_assert_uint_eq(get(CONFIG), 0);
}
END_TEST

START_TEST(odd_accesses_are_nothing)
{
    const struct lull_mmio *m = lull_virtio_mmio(dev);

    ck_assert_uint_eq(m->read(m->dev, MAGIC, 1), 0);
    ck_assert_uint_eq(m->read(m->dev, MAGIC, 2), 0);
    ck_assert_uint_eq(m->read(m->dev, MAGIC, 8), 0);
    ck_assert_uint_eq(m->read(m->dev, MAGIC + 2, 4), 0);
    m->write(m->dev, STATUS, 1, 1);
    m->write(m->dev, STATUS, 8, 1);
    ck_assert_uint_eq(get(STATUS), 0);
    for (unsigned offset = 0; offset < 0x200; offset += 4) {
        get(offset);
        if (offset != STATUS)
            set(offset, 0xffffffff);
    }
    ck_assert_uint_eq(get(STATUS), 0);
}
END_TEST

START_TEST(features_that_were_not_offered)
{
    negotiate(VERSION_1 | 1ULL << 40);
    ck_assert_uint_eq(get(STATUS) & FEATURES_OK, 0);
    negotiate(EVENT_IDX); /* a driver of before 1.0 */
    ck_assert_uint_eq(get(STATUS) & FEATURES_OK, 0);
    set(STATUS, get(STATUS) | DRIVER_OK); /* and goes on all the same */
    ck_assert_uint_eq(get(STATUS) & DRIVER_OK, 0);
    negotiate(VERSION_1);
    ck_assert_uint_eq(get(STATUS) & FEATURES_OK, FEATURES_OK);
}
END_TEST

START_TEST(no_queue_before_features)
{
    queue[0] = driver_queue(SIZE, RAM_GPA);
    set(QUEUE_NUM, SIZE);
    set_address(QUEUE_DESC, queue[0].desc);
    set(QUEUE_READY, 1);
    ck_assert_uint_eq(get(QUEUE_READY), 0);
}
END_TEST

START_TEST(a_queue_outside_of_memory_needs_a_reset)
{
    negotiate(VERSION_1);
    set(QUEUE_NUM, SIZE);
    set_address(QUEUE_DESC, 0xfffffffffffff000);
    set(QUEUE_READY, 1);
    ck_assert_uint_eq(get(QUEUE_READY), 0);
    ck_assert_uint_eq(get(STATUS) & NEEDS_RESET, NEEDS_RESET);
    ck_assert_uint_eq(lull_virtio_stats(dev).broken, 1);
    set(STATUS, get(STATUS) | DRIVER_OK);
    set(QUEUE_NOTIFY, 0);
    set(STATUS, 0);
    ck_assert_uint_eq(get(STATUS), 0);
}
END_TEST

START_TEST(a_queue_larger_than_offered)
{
    negotiate(VERSION_1);
    set(QUEUE_NUM, 0x10000 + SIZE);
    set_address(QUEUE_DESC, RAM_GPA);
    set_address(QUEUE_DRIVER, RAM_GPA + 0x1000);
    set_address(QUEUE_DEVICE, RAM_GPA + 0x2000);
    set(QUEUE_READY, 1);
    ck_assert_uint_eq(get(QUEUE_READY), 0);
}
END_TEST

/* --- entropy ---------------------------------------------------------- */

static unsigned nonzero(uint64_t gpa, unsigned len)
{
    unsigned count = 0;

    for (unsigned i = 0; i < len; i++)
        count += *at(gpa + i) != 0;
    return count;
}

START_TEST(entropy)
{
    uint32_t id, len;

    start_device(ALL_FEATURES, 1);
    put_desc(queue[0].desc, 0, DATA, 300, WRITE | NEXT, 1);
    put_desc(queue[0].desc, 1, DATA + 0x1000, 20, WRITE, 0);
    make_available(&queue[0], 0);
    set(QUEUE_NOTIFY, 0);
    ck_assert(take_used(&queue[0], &id, &len));
    ck_assert_uint_eq(id, 0);
    ck_assert_uint_eq(len, 320);
    ck_assert_uint_gt(nonzero(DATA, 300), 250);
    ck_assert_uint_gt(nonzero(DATA + 0x1000, 20), 10);
    ck_assert_uint_eq(nonzero(DATA + 300, 0x1000 - 300), 0);
    ck_assert(line.level);
    ck_assert_uint_eq(get(INTERRUPT_STATUS), 1);
    set(INTERRUPT_ACK, 1);
    ck_assert(!line.level);
    ck_assert_uint_eq(lull_virtio_stats(dev).interrupts, 1);
}
END_TEST

START_TEST(a_huge_request_is_answered_in_part)
{
    uint32_t id, len;

    start_device(ALL_FEATURES, 1);
    offer(0, 0, DATA, 0x80000, WRITE);
    set(QUEUE_NOTIFY, 0);
    ck_assert(take_used(&queue[0], &id, &len));
    ck_assert_uint_gt(len, 0);
    ck_assert_uint_le(len, 4096);
}
END_TEST

START_TEST(a_request_for_nothing_is_answered)
{
    uint32_t id, len;

    start_device(ALL_FEATURES, 1);
    offer(0, 0, DATA, 16, 0); /* nothing to write to */
    set(QUEUE_NOTIFY, 0);
    ck_assert(take_used(&queue[0], &id, &len));
    ck_assert_uint_eq(len, 0);
}
END_TEST

START_TEST(what_waits_at_driver_ok_is_answered)
{
    uint32_t id, len;

    memset(ram_bytes, 0, sizeof(ram_bytes));
    negotiate(ALL_FEATURES);
    start_queue(0);
    offer(0, 0, DATA, 16, WRITE);
    set(QUEUE_NOTIFY, 0); /* too early */
    ck_assert(!take_used(&queue[0], &id, &len));
    set(STATUS, get(STATUS) | DRIVER_OK);
    ck_assert(take_used(&queue[0], &id, &len));
}
END_TEST

START_TEST(a_broken_ring_needs_a_reset)
{
    uint32_t id, len;

    start_device(ALL_FEATURES, 1);
    offer(0, 0, DATA, 16, WRITE);
    offer(0, 1, RAM_GPA - 1, 16, WRITE);
    offer(0, 2, DATA, 16, WRITE);
    set(QUEUE_NOTIFY, 0);
    ck_assert(take_used(&queue[0], &id, &len)); /* the good one before */
    ck_assert(!take_used(&queue[0], &id, &len));
    ck_assert_uint_eq(get(STATUS) & NEEDS_RESET, NEEDS_RESET);
    ck_assert_uint_eq(get(INTERRUPT_STATUS), 3); /* used, configuration */
    ck_assert_uint_eq(lull_virtio_stats(dev).broken, 1);
    set(QUEUE_NOTIFY, 0); /* silence */
    ck_assert_uint_eq(lull_virtio_stats(dev).broken, 1);
    start_device(ALL_FEATURES, 1); /* and all is well again */
    ck_assert(!line.level);
    offer(0, 0, DATA, 16, WRITE);
    set(QUEUE_NOTIFY, 0);
    ck_assert(take_used(&queue[0], &id, &len));
}
END_TEST

START_TEST(a_stopped_queue_is_left_alone)
{
    uint32_t id, len;

    start_device(ALL_FEATURES, 1);
    set(QUEUE_SEL, 0);
    set(QUEUE_READY, 0);
    ck_assert_uint_eq(get(QUEUE_READY), 0);
    offer(0, 0, DATA, 16, WRITE);
    set(QUEUE_NOTIFY, 0);
    ck_assert(!take_used(&queue[0], &id, &len));
}
END_TEST

START_TEST(a_running_queue_cannot_be_moved)
{
    uint32_t id, len;

    start_device(ALL_FEATURES, 1);
    set_address(QUEUE_DESC, 0);
    set(QUEUE_NUM, 1);
    offer(0, 9, DATA, 16, WRITE);
    set(QUEUE_NOTIFY, 0);
    ck_assert(take_used(&queue[0], &id, &len));
    ck_assert_uint_eq(id, 9);
}
END_TEST

START_TEST(queues_that_do_not_exist)
{
    start_device(ALL_FEATURES, 1);
    set(QUEUE_NOTIFY, 1);
    set(QUEUE_NOTIFY, 0xffffffff);
    set(QUEUE_SEL, 0xffffffff);
    set(QUEUE_READY, 1);
    ck_assert_uint_eq(get(QUEUE_READY), 0);
    ck_assert_uint_eq(get(STATUS) & NEEDS_RESET, 0);
}
END_TEST

/* --- the console's size ----------------------------------------------- */

START_TEST(a_size)
{
    set(DEVICE_FEATURES_SEL, 0);
    ck_assert_uint_eq(get(DEVICE_FEATURES) & 3, 1); /* and no ports */
    start_device(ALL_FEATURES | 1, 2);
    ck_assert_uint_eq(get(CONFIG), 0);
    set(INTERRUPT_ACK, 3);
    lull_virtio_console_resize(dev, 132, 50);
    ck_assert_uint_eq(get(CONFIG), 50 << 16 | 132);
    ck_assert_uint_eq(get(INTERRUPT_STATUS), 2);
    ck_assert_uint_eq(get(CONFIG + 4), 1);
    set(INTERRUPT_ACK, 3);
    lull_virtio_console_resize(dev, 132, 50); /* which is no news */
    ck_assert_uint_eq(get(INTERRUPT_STATUS), 0);
}
END_TEST

/* --- channels --------------------------------------------------------- */

enum {
    CONTROL_RX = 2,
    CONTROL_TX = 3,
    A_RX = 4,
    A_TX = 5,
    B_RX = 6,
    CHANNEL_QUEUES = 8,
    MULTIPORT = 2,

    /* of messages */
    DEVICE_READY = 0,
    PORT_ADD = 1,
    PORT_READY = 3,
    PORT_OPEN = 6,
    PORT_NAME = 7,
    NOTES = 0xa0000, /* in RAM, behind the queues */
};

#define CHANNEL_DATA (RAM_GPA + 0xc0000)

static struct fake_host other;
static unsigned noted;

static void offer_messages(void)
{
    for (uint16_t i = 0; i < SIZE; i++)
        offer(CONTROL_RX, i, RAM_GPA + NOTES + 128ULL * i, 128, WRITE);
    set(QUEUE_NOTIFY, CONTROL_RX);
}

static void setup_channels(void)
{
    line = (struct fake_line){0};
    fake_host_init(&host);
    fake_host_init(&other);
    noted = 0;
    dev = lull_virtio_ports_new(
        0, &ram, fake_irq(&line),
        (struct lull_port[]){{"a", &host.chardev},
                             {"org.example.b", &other.chardev}},
        2);
    ck_assert_ptr_nonnull(dev);
    start_device(ALL_FEATURES | MULTIPORT, CHANNEL_QUEUES);
    offer_messages();
}

static void note(uint32_t port, uint16_t event, uint16_t value)
{
    uint64_t gpa = CHANNEL_DATA + 16ULL * noted;

    put_le32(at(gpa), port);
    put_le16(at(gpa + 4), event);
    put_le16(at(gpa + 6), value);
    offer(CONTROL_TX, (uint16_t)(noted++ % SIZE), gpa, 8, 0);
    set(QUEUE_NOTIFY, CONTROL_TX);
}

/* The next message is this one, and its name as well. */
static void noted_is(uint32_t port, uint16_t event, uint16_t value,
                     const char *name)
{
    uint32_t id, len;
    uint8_t *bytes;

    ck_assert(take_used(&queue[CONTROL_RX], &id, &len));
    bytes = at(RAM_GPA + NOTES + 128ULL * id);
    ck_assert_uint_eq(get_le32(bytes), port);
    ck_assert_uint_eq(get_le16(bytes + 4), event);
    ck_assert_uint_eq(get_le16(bytes + 6), value);
    ck_assert_uint_eq(len, 8 + strlen(name));
    ck_assert_mem_eq(bytes + 8, name, strlen(name));
}

static void no_note(void)
{
    uint32_t id, len;

    ck_assert(!take_used(&queue[CONTROL_RX], &id, &len));
}

static void introduce(void)
{
    note(0, DEVICE_READY, 1);
    noted_is(1, PORT_ADD, 1, "");
    noted_is(2, PORT_ADD, 1, "");
    note(1, PORT_READY, 1);
    noted_is(1, PORT_NAME, 1, "a");
    note(2, PORT_READY, 1);
    noted_is(2, PORT_NAME, 1, "org.example.b");
    no_note();
}

START_TEST(channels_introduce_themselves)
{
    ck_assert_uint_eq(get(CONFIG + 4), 3);
    introduce();
    host.user.peer(host.user.opaque, true);
    noted_is(1, PORT_OPEN, 1, "");
    host.user.peer(host.user.opaque, false);
    noted_is(1, PORT_OPEN, 0, "");
    ck_assert(line.level);
    other.user.peer(other.user.opaque, true);
    note(2, PORT_READY, 1); /* again: it has forgotten */
    noted_is(2, PORT_OPEN, 1, "");
    noted_is(2, PORT_NAME, 1, "org.example.b");
    noted_is(2, PORT_OPEN, 1, "");
}
END_TEST

START_TEST(channels_are_apart)
{
    uint32_t id, len;

    introduce();
    memcpy(at(CHANNEL_DATA + 0x1000), "hello", 5);
    offer(A_TX, 0, CHANNEL_DATA + 0x1000, 5, 0);
    set(QUEUE_NOTIFY, A_TX);
    ck_assert_uint_eq(host.out_len, 5);
    ck_assert_uint_eq(other.out_len, 0);
    note(2, PORT_OPEN, 1);
    offer(B_RX, 0, CHANNEL_DATA + 0x2000, 100, WRITE);
    ck_assert_uint_eq(fake_type(&other, "for b"), 5);
    ck_assert(take_used(&queue[B_RX], &id, &len));
    ck_assert_uint_eq(len, 5);
    ck_assert_mem_eq(at(CHANNEL_DATA + 0x2000), "for b", 5);
    ck_assert(!take_used(&queue[A_RX], &id, &len));
}
END_TEST

/* A driver throws away what comes for a port that nobody has open. */
START_TEST(bytes_wait_until_somebody_is_there)
{
    introduce();
    offer(A_RX, 0, CHANNEL_DATA + 0x2000, 100, WRITE);
    ck_assert_uint_eq(fake_type(&host, "early"), 0);
    note(1, PORT_OPEN, 1);
    ck_assert_uint_eq(host.resumes, 1);
    ck_assert_uint_eq(fake_type(&host, "early"), 5);
    note(1, PORT_OPEN, 0);
    offer(A_RX, 1, CHANNEL_DATA + 0x3000, 100, WRITE);
    ck_assert_uint_eq(fake_type(&host, "late"), 0);
}
END_TEST

START_TEST(messages_wait_for_buffers)
{
    uint32_t id, len;

    set(STATUS, 0);
    start_device(ALL_FEATURES | MULTIPORT, CHANNEL_QUEUES);
    note(0, DEVICE_READY, 1);
    ck_assert(take_used(&queue[CONTROL_TX], &id, &len));
    no_note();
    offer_messages();
    noted_is(1, PORT_ADD, 1, "");
    noted_is(2, PORT_ADD, 1, "");
    no_note();
}
END_TEST

START_TEST(a_driver_that_wants_no_ports)
{
    set(STATUS, 0);
    start_device(ALL_FEATURES, CHANNEL_QUEUES);
    offer_messages();
    note(0, DEVICE_READY, 1);
    no_note();
    host.user.peer(host.user.opaque, true);
    ck_assert_uint_eq(lull_virtio_stats(dev).broken, 0);
}
END_TEST

START_TEST(a_new_driver_is_told_all_again)
{
    introduce();
    set(STATUS, 0);
    host.user.peer(host.user.opaque, true);
    start_device(ALL_FEATURES | MULTIPORT, CHANNEL_QUEUES);
    noted = 0;
    offer_messages();
    no_note();
    note(0, DEVICE_READY, 1);
    noted_is(1, PORT_ADD, 1, "");
    noted_is(2, PORT_ADD, 1, "");
    note(1, PORT_READY, 1);
    noted_is(1, PORT_NAME, 1, "a");
    noted_is(1, PORT_OPEN, 1, "");
}
END_TEST

START_TEST(messages_that_are_none)
{
    static const uint32_t ports[] = {0, 3, 0xffffffff};

    note(0xffffffff, DEVICE_READY, 0); /* how one gives up */
    note(1, 99, 1);
    ck_assert_uint_eq(lull_virtio_stats(dev).broken, 0);
    for (unsigned i = 0; i < 3; i++) {
        set(STATUS, 0);
        start_device(ALL_FEATURES | MULTIPORT, CHANNEL_QUEUES);
        noted = 0;
        note(ports[i], PORT_READY, 1);
        ck_assert_uint_eq(lull_virtio_stats(dev).broken, i + 1);
    }
    set(STATUS, 0);
    start_device(ALL_FEATURES | MULTIPORT, CHANNEL_QUEUES);
    offer(CONTROL_TX, 0, CHANNEL_DATA, 7, 0);
    set(QUEUE_NOTIFY, CONTROL_TX);
    ck_assert_uint_eq(lull_virtio_stats(dev).broken, 4);
    set(STATUS, 0);
    start_device(ALL_FEATURES | MULTIPORT, CHANNEL_QUEUES);
    offer(CONTROL_RX, 0, CHANNEL_DATA, 7, WRITE);
    noted = 1;
    note(0, DEVICE_READY, 1);
    ck_assert_uint_eq(lull_virtio_stats(dev).broken, 5);
}
END_TEST

START_TEST(channels_restored)
{
    struct lull_state state = {.loading = false};

    introduce();
    note(1, PORT_OPEN, 1);
    lull_virtio_freeze(dev);
    lull_virtio_state(dev, &state);
    state.loading = true;
    host.user.peer(host.user.opaque, true);
    lull_virtio_state(dev, &state);
    ck_assert(lull_state_done(&state));
    free(state.bytes);
    lull_virtio_thaw(dev);
    noted_is(1, PORT_OPEN, 1, "");
    noted_is(2, PORT_OPEN, 0, "");
    offer(A_RX, 0, CHANNEL_DATA + 0x2000, 100, WRITE);
    ck_assert_uint_eq(fake_type(&host, "on"), 2);
}
END_TEST

/* --- the console ------------------------------------------------------ */

START_TEST(the_guest_speaks)
{
    uint32_t id, len;

    memcpy(at(DATA), "hello world", 11);
    put_desc(queue[TX].desc, 0, DATA, 5, NEXT, 1);
    put_desc(queue[TX].desc, 1, DATA + 5, 6, 0, 0);
    make_available(&queue[TX], 0);
    set(QUEUE_NOTIFY, TX);
    ck_assert_uint_eq(host.out_len, 11);
    ck_assert_mem_eq(host.out, "hello world", 11);
    ck_assert(take_used(&queue[TX], &id, &len));
    ck_assert_uint_eq(len, 0);
    ck_assert(line.level);
}
END_TEST

START_TEST(the_host_is_slow)
{
    uint32_t id, len;

    memcpy(at(DATA), "0123456789", 10);
    host.room = 4;
    offer(TX, 0, DATA, 10, 0);
    offer(TX, 1, DATA, 2, 0);
    set(QUEUE_NOTIFY, TX);
    ck_assert_uint_eq(host.out_len, 4);
    ck_assert(!take_used(&queue[TX], &id, &len));
    ck_assert(!line.level);
    set(QUEUE_NOTIFY, TX); /* the driver asks again: nothing changes */
    ck_assert_uint_eq(host.out_len, 4);
    host.room = 100;
    host.user.drained(host.user.opaque);
    ck_assert_mem_eq(host.out, "012345678901", 12);
    ck_assert(take_used(&queue[TX], &id, &len));
    ck_assert(take_used(&queue[TX], &id, &len));
    ck_assert(line.level);
}
END_TEST

START_TEST(a_reset_forgets_what_was_half_said)
{
    uint32_t id, len;

    memcpy(at(DATA), "0123456789", 10);
    host.room = 4;
    offer(TX, 0, DATA, 10, 0);
    set(QUEUE_NOTIFY, TX);
    lull_virtio_reset(dev);
    host.room = 100;
    host.user.drained(host.user.opaque);
    ck_assert_uint_eq(host.out_len, 4);
    start_device(ALL_FEATURES, 2);
    ck_assert(!take_used(&queue[TX], &id, &len));
}
END_TEST

START_TEST(the_host_speaks)
{
    uint32_t id, len;

    offer(RX, 0, DATA, 4, WRITE);
    offer(RX, 1, DATA + 16, 100, WRITE);
    set(QUEUE_NOTIFY, RX);
    ck_assert_uint_eq(fake_type(&host, "hello"), 5);
    ck_assert(take_used(&queue[RX], &id, &len));
    ck_assert_uint_eq(len, 4);
    ck_assert(take_used(&queue[RX], &id, &len));
    ck_assert_uint_eq(len, 1);
    ck_assert_mem_eq(at(DATA), "hell", 4);
    ck_assert_mem_eq(at(DATA + 16), "o", 1);
    ck_assert(line.level);
    ck_assert_uint_eq(host.resumes, 0);
}
END_TEST

START_TEST(without_buffers_the_host_waits)
{
    ck_assert_uint_eq(fake_type(&host, "early"), 0);
    offer(RX, 0, DATA, 2, WRITE);
    set(QUEUE_NOTIFY, RX);
    ck_assert_uint_eq(host.resumes, 1);
    ck_assert_uint_eq(fake_type(&host, "early"), 2);
    ck_assert_uint_eq(avail_event_of(&queue[RX]), 1); /* asked to be told */
}
END_TEST

START_TEST(before_the_driver_the_host_waits)
{
    lull_virtio_reset(dev);
    ck_assert_uint_eq(fake_type(&host, "early"), 0);
    host.user.drained(host.user.opaque);
    start_device(ALL_FEATURES, 2);
    ck_assert_uint_eq(host.resumes, 1);
}
END_TEST

START_TEST(the_emergency_register)
{
    const struct lull_mmio *m = lull_virtio_mmio(dev);

    ck_assert_uint_eq(get(DEVICE_ID), 3);
    set(DEVICE_FEATURES_SEL, 0);
    ck_assert_uint_eq(get(DEVICE_FEATURES) & 4, 4);
    ck_assert_uint_eq(get(CONFIG + 4), 1); /* ports */
    lull_virtio_reset(dev); /* it works before there is a driver */
    set(CONFIG + 8, '!');
    m->write(m->dev, CONFIG + 8, 1, '?');
    ck_assert_mem_eq(host.out, "!?", 2);
}
END_TEST

START_TEST(buffers_the_wrong_way_round)
{
    uint32_t id, len;

    offer(TX, 0, DATA, 10, WRITE);
    set(QUEUE_NOTIFY, TX);
    ck_assert_uint_eq(host.out_len, 0);
    ck_assert(take_used(&queue[TX], &id, &len));
    offer(RX, 0, DATA, 10, 0);
    ck_assert_uint_eq(fake_type(&host, "x"), 0);
    ck_assert(take_used(&queue[RX], &id, &len));
    ck_assert_uint_eq(len, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("virtio");
    TCase *tc = tcase_create("entropy");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(tc, setup_rng, teardown);
    tcase_add_test(tc, what_a_driver_sees_first);
    tcase_add_test(tc, odd_accesses_are_nothing);
    tcase_add_test(tc, features_that_were_not_offered);
    tcase_add_test(tc, no_queue_before_features);
    tcase_add_test(tc, a_queue_outside_of_memory_needs_a_reset);
    tcase_add_test(tc, a_queue_larger_than_offered);
    tcase_add_test(tc, entropy);
    tcase_add_test(tc, a_huge_request_is_answered_in_part);
    tcase_add_test(tc, a_request_for_nothing_is_answered);
    tcase_add_test(tc, what_waits_at_driver_ok_is_answered);
    tcase_add_test(tc, a_broken_ring_needs_a_reset);
    tcase_add_test(tc, a_stopped_queue_is_left_alone);
    tcase_add_test(tc, a_running_queue_cannot_be_moved);
    tcase_add_test(tc, queues_that_do_not_exist);
    suite_add_tcase(suite, tc);

    tc = tcase_create("console");
    tcase_add_checked_fixture(tc, setup_console, teardown);
    tcase_add_test(tc, a_size);
    tcase_add_test(tc, the_guest_speaks);
    tcase_add_test(tc, the_host_is_slow);
    tcase_add_test(tc, a_reset_forgets_what_was_half_said);
    tcase_add_test(tc, the_host_speaks);
    tcase_add_test(tc, without_buffers_the_host_waits);
    tcase_add_test(tc, before_the_driver_the_host_waits);
    tcase_add_test(tc, the_emergency_register);
    tcase_add_test(tc, buffers_the_wrong_way_round);
    suite_add_tcase(suite, tc);

    tc = tcase_create("channels");
    tcase_add_checked_fixture(tc, setup_channels, teardown);
    tcase_add_test(tc, channels_introduce_themselves);
    tcase_add_test(tc, channels_are_apart);
    tcase_add_test(tc, bytes_wait_until_somebody_is_there);
    tcase_add_test(tc, messages_wait_for_buffers);
    tcase_add_test(tc, a_driver_that_wants_no_ports);
    tcase_add_test(tc, a_new_driver_is_told_all_again);
    tcase_add_test(tc, messages_that_are_none);
    tcase_add_test(tc, channels_restored);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
