/*
 * The file system device on its queues: requests of a driver's answered by its
 * thread, what a stopped queue waits for, and what a hostile driver gets. What
 * requests mean is tested beside the server.
 */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "fake_transport.h"

enum {
    HIPRIO = 0,
    REQUESTS = 1,
    IN_HEADER = 40,
    OUT_HEADER = 16,
    OP_FORGET = 2,
    OP_GETATTR = 3,
    OP_INIT = 26,
};

#define REQUEST DATA
#define ANSWER (DATA + 0x2000)

static char dir[64];
static struct lull_share *share;

static void setup(void)
{
    char spec[96], error[256];

    strcpy(dir, "/tmp/fs_test.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(spec, sizeof(spec), "%s:work", dir);
    line = (struct fake_line){0};
    share = lull_share_new(spec, 64, error, sizeof(error));
    ck_assert_msg(share != NULL, "%s", error);
    dev = lull_virtio_fs_new(19, &ram, fake_irq(&line), share);
    ck_assert_ptr_nonnull(dev);
    ck_assert(lull_virtio_fs_start(dev));
    start_device(ALL_FEATURES, 2);
}

static void teardown(void)
{
    lull_virtio_free(dev);
    lull_share_free(share);
    rmdir(dir);
}

/* The device's thread has to look away first. */
static void restart(void)
{
    set(STATUS, 0);
    start_device(ALL_FEATURES, 2);
}

/* ---- a driver ------------------------------------------------------------
 */

static void put_request(uint32_t opcode, uint64_t node, uint32_t len)
{
    memset(at(REQUEST), 0, 256);
    put_le32(at(REQUEST), len);
    put_le32(at(REQUEST + 4), opcode);
    put_le64(at(REQUEST + 8), 77);
    put_le64(at(REQUEST + 16), node);
}

/* The used ring belongs to the device's thread: its index says when the rest
 * can be read. */
static bool wait_used(unsigned n, uint32_t *len)
{
    const uint16_t *index = (const void *)at(queue[n].used + 2);
    struct timespec pause = {.tv_nsec = 100000};
    uint32_t id;

    for (unsigned i = 0; i < 100000; i++) {
        if (__atomic_load_n(index, __ATOMIC_ACQUIRE) != queue[n].seen_used)
            return take_used(&queue[n], &id, len);
        nanosleep(&pause, NULL);
    }
    return false;
}

static void send(unsigned n, uint32_t request_len, uint32_t room)
{
    put_desc(queue[n].desc, 0, REQUEST, request_len, room != 0 ? NEXT : 0, 1);
    put_desc(queue[n].desc, 1, ANSWER, room, WRITE, 0);
    make_available(&queue[n], 0);
    set(QUEUE_NOTIFY, n);
}

static uint32_t ask(unsigned n, uint32_t request_len, uint32_t room)
{
    uint32_t len = 0;

    send(n, request_len, room);
    ck_assert(wait_used(n, &len));
    return len;
}

static void begin_session(void)
{
    put_request(OP_INIT, 0, IN_HEADER + 16);
    put_le32(at(REQUEST + IN_HEADER), 7);
    put_le32(at(REQUEST + IN_HEADER + 4), 38);
    ck_assert_uint_eq(ask(REQUESTS, IN_HEADER + 16, 256), OUT_HEADER + 64);
    ck_assert_uint_eq(get_le32(at(ANSWER + 4)), 0);
}

static int get_attr(void)
{
    put_request(OP_GETATTR, 1, IN_HEADER + 16);
    ask(REQUESTS, IN_HEADER + 16, 256);
    return -(int)get_le32(at(ANSWER + 4));
}

/* ---- the tests -----------------------------------------------------------
 */

START_TEST(what_the_driver_learns)
{
    char tag[37] = {0};

    ck_assert_uint_eq(get(DEVICE_ID), 26);
    for (unsigned i = 0; i < 9; i++)
        put_le32(tag + 4 * (size_t)i, get(CONFIG + 4 * i));
    ck_assert_str_eq(tag, "work");
    ck_assert_uint_eq(get(CONFIG + 36), 1);
    ck_assert_uint_eq(get(CONFIG + 40), 0);
    set(QUEUE_SEL, REQUESTS);
    ck_assert_uint_eq(get(QUEUE_NUM_MAX), 256);
}
END_TEST

START_TEST(requests_on_both_queues)
{
    begin_session();
    ck_assert_int_eq(get_attr(), 0);
    ck_assert_uint_eq(get_le64(at(ANSWER + 8)), 77);
    ck_assert(line.level);
    put_request(OP_FORGET, 1, IN_HEADER + 8);
    ck_assert_uint_eq(ask(HIPRIO, IN_HEADER + 8, 0), 0);
    ck_assert_uint_eq(lull_share_stats(share).requests, 3);
}
END_TEST

START_TEST(a_reset_ends_the_session)
{
    struct stat status;

    begin_session();
    put_request(35, 1, IN_HEADER + 16 + 2); /* create "a" */
    put_le32(at(REQUEST + IN_HEADER), 2);
    put_le32(at(REQUEST + IN_HEADER + 4), 0600);
    *at(REQUEST + IN_HEADER + 16) = 'a';
    ask(REQUESTS, IN_HEADER + 18, 256);
    ck_assert_uint_eq(lull_share_stats(share).open, 1);
    restart();
    ck_assert_int_eq(get_attr(), 5); /* EIO: no session */
    ck_assert_uint_eq(lull_share_stats(share).open, 0);
    begin_session();
    ck_assert_int_eq(get_attr(), 0);
    ck_assert_int_eq(chdir(dir), 0);
    ck_assert_int_eq(stat("a", &status), 0);
    unlink("a");
}
END_TEST

/* While the thread works, the driver stops the queue: afterwards its memory is
 * its own, so nothing may change there. */
START_TEST(a_queue_that_stops_is_silent)
{
    for (unsigned round = 0; round < 300; round++) {
        restart();
        put_request(OP_INIT, 0, IN_HEADER + 16);
        put_le32(at(REQUEST + IN_HEADER), 7);
        put_le32(at(REQUEST + IN_HEADER + 4), 38);
        send(REQUESTS, IN_HEADER + 16, 256);
        set(STATUS, 0);
        memset(ram_bytes, 0x5a, sizeof(ram_bytes));
        sched_yield();
        for (unsigned i = 0; i < 256; i++)
            ck_assert_uint_eq(*at(ANSWER + i), 0x5a);
    }
}
END_TEST

static void breaks(uint32_t len, uint32_t says, uint32_t room)
{
    struct timespec pause = {.tv_nsec = 100000};

    restart();
    put_request(OP_INIT, 0, says);
    send(REQUESTS, len, room);
    for (unsigned i = 0; i < 100000 && !(get(STATUS) & NEEDS_RESET); i++)
        nanosleep(&pause, NULL);
    ck_assert(get(STATUS) & NEEDS_RESET);
}

START_TEST(what_is_no_request)
{
    breaks(39, 39, 256);
    breaks(56, 57, 256);
    breaks(56, 3, 256);
    breaks(56, 56, 15);
    breaks(56, 56, 0);
    ck_assert_uint_eq(lull_virtio_stats(dev).broken, 5);
    restart();
    begin_session();
}
END_TEST

/* Sleeping costs nothing: no switch but of our own sleep. ThreadSanitizer has a
 * thread that wakes ten times a second. */
#ifdef __SANITIZE_THREAD__
enum { OTHER_SWITCHES = 10 };
#else
enum { OTHER_SWITCHES = 0 };
#endif

START_TEST(idle_is_idle)
{
    struct timespec pause = {.tv_nsec = 200000000};
    struct rusage before, after;

    begin_session();
    nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    getrusage(RUSAGE_SELF, &before);
    nanosleep(&pause, NULL);
    getrusage(RUSAGE_SELF, &after);
    ck_assert_int_le(after.ru_nvcsw - before.ru_nvcsw, 1 + OTHER_SWITCHES);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        what_the_driver_learns,   requests_on_both_queues,
        a_reset_ends_the_session, a_queue_that_stops_is_silent,
        what_is_no_request,       idle_is_idle,
    };
    Suite *suite = suite_create("fs");
    TCase *tc = tcase_create("fs");
    SRunner *runner;
    int failed;

    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, teardown);
    for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
        tcase_add_test(tc, tests[i]);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
