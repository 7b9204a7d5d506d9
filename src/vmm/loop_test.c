/*
 * The event loop: what it calls, when it stops calling, and that it sleeps.
 */
#include <check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "lull/loop.h"

static struct lull_loop *loop;
static int pipe_fd[2];
static struct lull_watch *watch, *other_watch;
static unsigned calls;

static void setup(void)
{
    loop = lull_loop_new();
    ck_assert_ptr_nonnull(loop);
    ck_assert_int_eq(pipe(pipe_fd), 0);
    calls = 0;
}

static void teardown(void)
{
    lull_loop_free(loop);
    close(pipe_fd[0]);
    close(pipe_fd[1]);
}

static void quit(void *opaque)
{
    lull_loop_quit(loop);
}

static void quit_ready(void *opaque, unsigned events)
{
    lull_loop_quit(loop);
}

static void *run(void *opaque)
{
    lull_loop_run(loop);
    return NULL;
}

START_TEST(quit_before_run_counts)
{
    lull_loop_quit(loop);
    lull_loop_run(loop);
}
END_TEST

static void note_thread(void *opaque)
{
    *(pthread_t *)opaque = pthread_self();
}

START_TEST(posts_run_in_order_on_the_loops_thread)
{
    pthread_t thread, ran_on = pthread_self();

    pthread_create(&thread, NULL, run, NULL);
    ck_assert(lull_loop_post(loop, note_thread, &ran_on));
    ck_assert(lull_loop_post(loop, quit, NULL));
    pthread_join(thread, NULL);
    ck_assert(pthread_equal(ran_on, thread));
}
END_TEST

static void post_again(void *opaque)
{
    if (++calls < 3)
        lull_loop_post(loop, post_again, NULL);
    else
        lull_loop_quit(loop);
}

START_TEST(a_post_may_post)
{
    lull_loop_post(loop, post_again, NULL);
    lull_loop_run(loop);
    ck_assert_uint_eq(calls, 3);
}
END_TEST

static void read_byte(void *opaque, unsigned events)
{
    char byte;

    ck_assert_uint_eq(events, LULL_LOOP_READ);
    ck_assert_int_eq(read(pipe_fd[0], &byte, 1), 1);
    if (++calls == 3)
        lull_loop_quit(loop);
}

START_TEST(a_watch_is_called_while_ready)
{
    ck_assert_int_eq(write(pipe_fd[1], "abc", 3), 3);
    watch = lull_loop_watch(loop, pipe_fd[0], LULL_LOOP_READ, read_byte, NULL);
    lull_loop_run(loop);
    ck_assert_uint_eq(calls, 3);
    lull_watch_free(watch);
}
END_TEST

START_TEST(a_watch_added_while_the_loop_sleeps)
{
    pthread_t thread;

    pthread_create(&thread, NULL, run, NULL);
    usleep(10000);
    watch =
        lull_loop_watch(loop, pipe_fd[1], LULL_LOOP_WRITE, quit_ready, NULL);
    pthread_join(thread, NULL);
    lull_watch_free(watch);
}
END_TEST

START_TEST(a_sleeping_watch_is_woken)
{
    pthread_t thread;

    watch = lull_loop_watch(loop, pipe_fd[1], 0, quit_ready, NULL);
    pthread_create(&thread, NULL, run, NULL);
    usleep(10000);
    lull_watch_set(watch, LULL_LOOP_WRITE);
    pthread_join(thread, NULL);
    lull_watch_free(watch);
}
END_TEST

static void hung_up(void *opaque, unsigned events)
{
    ck_assert_uint_eq(events, LULL_LOOP_HANGUP);
    calls++;
    lull_watch_set(watch, 0);
    lull_loop_post(loop, quit, NULL);
}

START_TEST(a_hang_up_is_told_and_then_sleeps)
{
    watch = lull_loop_watch(loop, pipe_fd[0], LULL_LOOP_READ, hung_up, NULL);
    close(pipe_fd[1]);
    pipe_fd[1] = dup(pipe_fd[0]); /* for teardown */
    lull_loop_run(loop);
    ck_assert_uint_eq(calls, 1);
    lull_watch_free(watch);
}
END_TEST

/* Both descriptors are ready; whoever is first frees the other. */
static void free_other(void *opaque, unsigned events)
{
    struct lull_watch **other = opaque;

    calls++;
    lull_watch_free(*other);
    lull_loop_post(loop, quit, NULL);
}

START_TEST(a_freed_watch_is_not_called_again)
{
    watch = lull_loop_watch(loop, pipe_fd[1], LULL_LOOP_WRITE, free_other,
                            &other_watch);
    other_watch =
        lull_loop_watch(loop, pipe_fd[1], LULL_LOOP_WRITE, free_other, &watch);
    lull_loop_post(loop, quit, NULL);
    lull_loop_run(loop);
    ck_assert_uint_eq(calls, 1);
}
END_TEST

static void free_self(void *opaque, unsigned events)
{
    calls++;
    lull_watch_free(watch);
    lull_loop_post(loop, quit, NULL);
}

START_TEST(a_watch_may_free_itself)
{
    watch = lull_loop_watch(loop, pipe_fd[1], LULL_LOOP_WRITE, free_self, NULL);
    lull_loop_run(loop);
    ck_assert_uint_eq(calls, 1);
}
END_TEST

static void expired(void *opaque)
{
    calls++;
    if (opaque != NULL)
        lull_loop_quit(loop);
}

START_TEST(a_timer_expires_once)
{
    struct lull_timer *once = lull_timer_new(loop, expired, NULL);
    struct lull_timer *end = lull_timer_new(loop, expired, loop);

    lull_timer_set(once, 1000000);
    lull_timer_set(end, 30000000);
    lull_loop_run(loop);
    ck_assert_uint_eq(calls, 2);
    lull_timer_free(once);
    lull_timer_free(end);
}
END_TEST

START_TEST(a_timer_is_disarmed_and_moved)
{
    struct lull_timer *never = lull_timer_new(loop, expired, NULL);
    struct lull_timer *end = lull_timer_new(loop, expired, loop);

    lull_timer_set(never, 1000000);
    lull_timer_set(never, 0);
    lull_timer_set(end, 1000000000000);
    lull_timer_set(end, 20000000);
    lull_loop_run(loop);
    ck_assert_uint_eq(calls, 1);
    lull_timer_free(never);
    lull_timer_free(end);
}
END_TEST

static long switches[2];

static void note_switches(void *opaque)
{
    struct rusage usage;

    getrusage(RUSAGE_THREAD, &usage);
    *(long *)opaque = usage.ru_nvcsw;
}

static void never(void *opaque, unsigned events)
{
    ck_abort_msg("a watch without events was called");
}

/*
 * Watched for nothing, hung up, readable; a timer unarmed. The thread gives
 * up the CPU once, to sleep, and the rest is what our own posts cost.
 */
START_TEST(an_idle_loop_sleeps)
{
    struct lull_timer *timer = lull_timer_new(loop, expired, NULL);
    struct lull_watch *asleep;
    pthread_t thread;

    ck_assert_int_eq(write(pipe_fd[1], "x", 1), 1);
    close(pipe_fd[1]);
    pipe_fd[1] = dup(pipe_fd[0]);
    asleep = lull_loop_watch(loop, pipe_fd[0], 0, never, NULL);
    pthread_create(&thread, NULL, run, NULL);
    lull_loop_post(loop, note_switches, &switches[0]);
    usleep(300000);
    lull_loop_post(loop, note_switches, &switches[1]);
    lull_loop_post(loop, quit, NULL);
    pthread_join(thread, NULL);
    ck_assert_int_le(switches[1] - switches[0], 3);
    lull_timer_free(timer);
    lull_watch_free(asleep);
}
END_TEST

#define THREADS 4UL
#define POSTS 5000UL

static atomic_uint posted;

static void count_post(void *opaque)
{
    calls++;
    if (calls == THREADS * POSTS)
        lull_loop_quit(loop);
}

static void *post_many(void *opaque)
{
    struct lull_watch *mine = lull_loop_watch(loop, pipe_fd[0], 0, never, NULL);

    for (unsigned i = 0; i < POSTS; i++) {
        ck_assert(lull_loop_post(loop, count_post, NULL));
        lull_watch_set(mine, i % 2 ? LULL_LOOP_READ : 0); /* never ready */
    }
    lull_watch_free(mine);
    return NULL;
}

/* A wake-up that is lost is a hang, which the time-out reports. */
START_TEST(no_post_is_lost)
{
    pthread_t thread[THREADS];

    for (unsigned i = 0; i < THREADS; i++)
        pthread_create(&thread[i], NULL, post_many, NULL);
    lull_loop_run(loop);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    ck_assert_uint_eq(calls, THREADS * POSTS);
}
END_TEST

static void count_slow(void *opaque)
{
    atomic_fetch_add(&posted, 1);
}

static void *post_slowly(void *opaque)
{
    for (unsigned i = 0; i < 2000; i++) {
        unsigned before = atomic_load(&posted);

        lull_loop_post(loop, count_slow, NULL);
        while (atomic_load(&posted) == before)
            sched_yield();
    }
    lull_loop_quit(loop);
    return NULL;
}

/* Each post meets the loop on its way to sleep. */
START_TEST(no_wake_is_lost)
{
    pthread_t thread;

    pthread_create(&thread, NULL, post_slowly, NULL);
    lull_loop_run(loop);
    pthread_join(thread, NULL);
    ck_assert_uint_eq(atomic_load(&posted), 2000);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("loop");
    TCase *tc = tcase_create("loop");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, quit_before_run_counts);
    tcase_add_test(tc, posts_run_in_order_on_the_loops_thread);
    tcase_add_test(tc, a_post_may_post);
    tcase_add_test(tc, a_watch_is_called_while_ready);
    tcase_add_test(tc, a_watch_added_while_the_loop_sleeps);
    tcase_add_test(tc, a_sleeping_watch_is_woken);
    tcase_add_test(tc, a_hang_up_is_told_and_then_sleeps);
    tcase_add_test(tc, a_freed_watch_is_not_called_again);
    tcase_add_test(tc, a_watch_may_free_itself);
    tcase_add_test(tc, a_timer_expires_once);
    tcase_add_test(tc, a_timer_is_disarmed_and_moved);
    tcase_add_test(tc, an_idle_loop_sleeps);
    tcase_add_test(tc, no_post_is_lost);
    tcase_add_test(tc, no_wake_is_lost);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
