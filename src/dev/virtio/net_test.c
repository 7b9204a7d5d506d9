/*
 * The network device between a driver and a host that are both the test's,
 * and a loop that turns when the test says so.
 */
#include <stdlib.h>

#include "fake_transport.h"
#include "lull/loop.h"

enum {
    RX = 0,
    TX = 1,
    HEADER = 12,
    CSUM = 1 << 0,
    GUEST_CSUM = 1 << 1,
    MAC = 1 << 5,
    TSO4 = 1 << 11,
};

/* ---- the loop ------------------------------------------------------------
 */

static void (*posted)(void *opaque);
static void *posted_to;
static unsigned posts;

bool lull_loop_post(struct lull_loop *loop, void (*work)(void *opaque),
                    void *opaque)
{
    ck_assert(posted == NULL); /* once is enough */
    posted = work;
    posted_to = opaque;
    posts++;
    return true;
}

static void turn(void)
{
    void (*work)(void *) = posted;

    ck_assert(work != NULL);
    posted = NULL;
    work(posted_to);
}

/* ---- the host ------------------------------------------------------------
 */

static struct lull_net_user user;
static uint8_t sent[LULL_SEGMENT_BYTES_MAX];
static size_t sent_len;
static unsigned sends, batches, resumes;

static void fake_send(void *host_, const uint8_t *frame, size_t len)
{
    memcpy(sent, frame, len);
    sent_len = len;
    sends++;
}

static void fake_sent(void *host_)
{
    batches++;
}

static void fake_net_resume(void *host_)
{
    resumes++;
}

static void fake_net_attach(void *host_, const struct lull_net_user *attached)
{
    user = attached != NULL ? *attached : (struct lull_net_user){0};
}

static const struct lull_net net = {fake_send,       fake_sent, fake_net_resume,
                                    fake_net_attach, NULL,      false};

static void setup(void)
{
    line = (struct fake_line){0};
    posted = NULL;
    posts = sends = batches = resumes = 0;
    dev = lull_virtio_net_new(2, &ram, fake_irq(&line), &net, NULL);
    ck_assert_ptr_nonnull(dev);
    start_device(ALL_FEATURES | CSUM | GUEST_CSUM | MAC, 2);
    if (posted != NULL)
        turn();
    posts = 0;
}

static void teardown(void)
{
    lull_virtio_free(dev);
    ck_assert(user.receive == NULL);
}

/* Header and frame in one buffer; the device is notified. */
static void send_frame(uint16_t desc, size_t len)
{
    offer(TX, desc, DATA, (uint32_t)(HEADER + len), 0);
    set(QUEUE_NOTIFY, TX);
}

static uint8_t *frame_at(size_t i)
{
    return at(DATA + HEADER + i);
}

/* ---- the tests -----------------------------------------------------------
 */

START_TEST(its_address)
{
    ck_assert_uint_eq(get(DEVICE_ID), 1);
    ck_assert_uint_eq(get(CONFIG), 0x12005452);
    ck_assert_uint_eq(get(CONFIG + 4), 0x15634); /* and its link is up */
    ck_assert_uint_eq(get(CONFIG + 8), 0);
}
END_TEST

START_TEST(the_link_goes_down_and_up)
{
    uint32_t generation = get(CONFIG_GENERATION);

    user.link(user.opaque, false);
    ck_assert_uint_eq(get(CONFIG + 4), 0x5634);
    ck_assert_uint_ne(get(CONFIG_GENERATION), generation);
    ck_assert_uint_eq(get(INTERRUPT_STATUS), 2);
    set(INTERRUPT_ACK, 2);
    user.link(user.opaque, true);
    ck_assert_uint_eq(get(CONFIG + 4), 0x15634);
    ck_assert(line.level);
}
END_TEST

START_TEST(frames_go_out_in_one_turn)
{
    uint32_t id, len;

    memcpy(frame_at(0), "one frame of sixty bytes", 24);
    send_frame(0, 60);
    ck_assert_uint_eq(sends, 0);
    send_frame(1, 60);
    send_frame(2, 60);
    ck_assert_uint_eq(posts, 1);
    turn();
    ck_assert_uint_eq(sends, 3);
    ck_assert_uint_eq(batches, 1);
    ck_assert_uint_eq(sent_len, 60);
    ck_assert_mem_eq(sent, "one frame of sixty bytes", 24);
    for (unsigned i = 0; i < 3; i++) {
        ck_assert(take_used(&queue[TX], &id, &len));
        ck_assert_uint_eq(id, i);
    }
    ck_assert(line.level);
    ck_assert(posted == NULL);
}
END_TEST

/* A sum by hand: 0x1234 + 0x5678 + the seed 0x0001 = 0x68ad. */
START_TEST(a_checksum_is_completed)
{
    static const uint8_t bytes[] = {9, 9, 0x12, 0x34, 0x56, 0x78, 0, 1};

    memcpy(frame_at(0), bytes, sizeof(bytes));
    *at(DATA) = 1;
    put_le16(at(DATA + 6), 2);
    put_le16(at(DATA + 8), 4);
    send_frame(0, sizeof(bytes));
    turn();
    ck_assert_uint_eq(sent[6], 0x97);
    ck_assert_uint_eq(sent[7], 0x52);
    /* An odd byte counts as the upper half of a word: + 0x0300. */
    memcpy(frame_at(0), bytes, sizeof(bytes));
    *frame_at(8) = 3;
    send_frame(1, sizeof(bytes) + 1);
    turn();
    ck_assert_uint_eq(sent[6], 0x94);
    ck_assert_uint_eq(sent[7], 0x52);
}
END_TEST

START_TEST(frames_that_are_lost)
{
    uint32_t id, len;

    *at(DATA) = 1; /* a checksum outside of the frame */
    put_le16(at(DATA + 6), 50);
    put_le16(at(DATA + 8), 9);
    send_frame(0, 60);
    turn();
    put_le16(at(DATA + 6), 0xffff);
    put_le16(at(DATA + 8), 0xffff);
    send_frame(1, 60);
    turn();
    *at(DATA) = 0;
    *at(DATA + 1) = 1; /* a segment, which was not offered */
    send_frame(2, 60);
    turn();
    *at(DATA + 1) = 0;
    send_frame(3, LULL_FRAME_BYTES_MAX + 1);
    turn();
    send_frame(4, 0);
    turn();
    offer(TX, 5, DATA, 5, 0); /* half a header */
    set(QUEUE_NOTIFY, TX);
    turn();
    ck_assert_uint_eq(sends, 0);
    for (unsigned i = 0; i < 6; i++)
        ck_assert(take_used(&queue[TX], &id, &len));
    send_frame(6, LULL_FRAME_BYTES_MAX);
    turn();
    ck_assert_uint_eq(sends, 1);
}
END_TEST

/* One chain of many buffers, as a driver sends it. */
static void send_long(uint8_t gso_type, size_t bytes)
{
    unsigned last = (unsigned)((HEADER + bytes - 1) / 2048);

    memset(at(DATA), 0, HEADER);
    *at(DATA + 1) = gso_type;
    for (unsigned i = 0; i <= last; i++)
        put_desc(queue[TX].desc, (uint16_t)i, DATA,
                 i < last ? 2048 : (uint32_t)(HEADER + bytes - 2048U * i),
                 i < last ? NEXT : 0, (uint16_t)(i + 1));
    make_available(&queue[TX], 0);
    set(QUEUE_NOTIFY, TX);
    turn();
}

/* In one piece to a network that takes it so, from a driver that may. */
START_TEST(segments)
{
    static struct lull_net takes_them;
    const size_t bytes = 8000;

    send_long(1, bytes);
    send_long(0, bytes);
    ck_assert_uint_eq(sends, 0);
    lull_virtio_free(dev);
    takes_them = net;
    takes_them.takes_segments = true;
    dev = lull_virtio_net_new(2, &ram, fake_irq(&line), &takes_them, NULL);
    start_device(ALL_FEATURES | CSUM | MAC | TSO4, 2);
    if (posted != NULL)
        turn();
    send_long(1, bytes);
    ck_assert_uint_eq(sends, 1);
    ck_assert_uint_eq(sent_len, bytes);
    send_long(0, bytes); /* which is no frame */
    send_long(4, bytes); /* IPv6 was not negotiated */
    send_long(0x81, bytes);
    ck_assert_uint_eq(sends, 1);
}
END_TEST

static bool arrives(const char *text)
{
    return user.receive(user.opaque, (const uint8_t *)text, strlen(text));
}

START_TEST(a_frame_comes_in)
{
    uint32_t id, len;

    put_desc(queue[RX].desc, 0, DATA, 10, WRITE | NEXT, 1);
    put_desc(queue[RX].desc, 1, DATA + 0x100, 1600, WRITE, 0);
    make_available(&queue[RX], 0);
    ck_assert(arrives("hello"));
    ck_assert(take_used(&queue[RX], &id, &len));
    ck_assert_uint_eq(len, HEADER + 5);
    ck_assert_uint_eq(*at(DATA), 2); /* its checksums are good */
    ck_assert_uint_eq(*at(DATA + 0x100), 1);
    ck_assert_mem_eq(at(DATA + 0x102), "hello", 5);
    ck_assert(line.level);
}
END_TEST

START_TEST(without_buffers_the_host_waits)
{
    uint32_t id, len;

    ck_assert(!arrives("hello"));
    offer(RX, 0, DATA, 1600, WRITE);
    set(QUEUE_NOTIFY, RX);
    ck_assert_uint_eq(resumes, 0); /* not on this thread */
    turn();
    ck_assert_uint_eq(resumes, 1);
    ck_assert(arrives("hello"));
    ck_assert(take_used(&queue[RX], &id, &len));
    set(QUEUE_NOTIFY, RX); /* nobody waits: nothing to do */
    ck_assert(posted == NULL);
}
END_TEST

START_TEST(a_buffer_too_small)
{
    uint32_t id, len;

    offer(RX, 0, DATA, 16, WRITE);
    ck_assert(arrives("hello"));
    ck_assert(take_used(&queue[RX], &id, &len));
    ck_assert_uint_eq(len, 0);
    ck_assert_uint_eq(lull_virtio_stats(dev).broken, 0);
}
END_TEST

START_TEST(without_a_driver_frames_are_lost)
{
    ck_assert(!arrives("hello"));
    set(STATUS, 0);
    turn(); /* the host was waiting, and is told */
    ck_assert_uint_eq(resumes, 1);
    ck_assert(arrives("hello"));
}
END_TEST

/* Five rings full at once, which no ring holds. */
START_TEST(a_guest_that_talks_without_end)
{
    for (unsigned round = 0; round < 5; round++)
        for (unsigned i = 0; i < SIZE; i++)
            make_available(&queue[TX], 0);
    put_desc(queue[TX].desc, 0, DATA, HEADER + 60, 0, 0);
    set(QUEUE_NOTIFY, TX);
    turn();
    ck_assert_uint_eq(get(STATUS) & NEEDS_RESET, NEEDS_RESET);
    ck_assert_uint_eq(sends, 0);
    ck_assert(posted == NULL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("net");
    TCase *tc = tcase_create("net");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, its_address);
    tcase_add_test(tc, the_link_goes_down_and_up);
    tcase_add_test(tc, frames_go_out_in_one_turn);
    tcase_add_test(tc, a_checksum_is_completed);
    tcase_add_test(tc, frames_that_are_lost);
    tcase_add_test(tc, segments);
    tcase_add_test(tc, a_frame_comes_in);
    tcase_add_test(tc, without_buffers_the_host_waits);
    tcase_add_test(tc, a_buffer_too_small);
    tcase_add_test(tc, without_a_driver_frames_are_lost);
    tcase_add_test(tc, a_guest_that_talks_without_end);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
