/*
 * When code is dropped: handed-in time, on both sides of each edge.
 */
#include <check.h>
#include <stdlib.h>

#include "settle.h"

#define WINDOW A64_SETTLE_WINDOW_NS
#define QUIET_CPU (WINDOW / 20)

static struct a64_settle settle;
static struct a64_settle_seen seen;

/* A window in which so much CPU was used, and so many pages were made; of those
 * there were, some went. */
static bool window(uint64_t cpu_ns, size_t made)
{
    seen.now_ns += WINDOW;
    seen.cpu_ns += cpu_ns;
    seen.made += made;
    return a64_settle_due(&settle, &seen);
}

static void booted(size_t pages)
{
    settle = (struct a64_settle){0};
    seen = (struct a64_settle_seen){.now_ns = 12345, .cpu_ns = 700000000};
    seen.made = seen.pages = pages;
    ck_assert(!a64_settle_due(&settle, &seen));
}

START_TEST(after_a_quiet_window)
{
    booted(1500);
    seen.now_ns += WINDOW - 1;
    ck_assert(!a64_settle_due(&settle, &seen));
    seen.now_ns += 1;
    ck_assert(a64_settle_due(&settle, &seen));
}
END_TEST

START_TEST(not_after_a_busy_one)
{
    booted(1600);
    ck_assert(!window(QUIET_CPU + 1, 0));
    ck_assert(!window(0, 101)); /* of 1600 a sixteenth is 100 */
    ck_assert(window(QUIET_CPU, 100));
}
END_TEST

START_TEST(not_for_little)
{
    booted(255);
    ck_assert(!window(0, 0));
    seen.pages = 256;
    ck_assert(window(0, 1));
}
END_TEST

START_TEST(again_only_when_it_has_grown)
{
    booted(1500);
    ck_assert(window(0, 0));
    seen.pages = 150; /* what it goes on to run */
    ck_assert(!window(0, 150));
    ck_assert(!window(0, 0)); /* so much is kept */
    seen.pages = 4 * 150 + 255;
    ck_assert(!window(0, 705));
    ck_assert(!window(0, 0));
    seen.pages++;
    ck_assert(window(0, 1));
}
END_TEST

/* What is kept is learnt after each drop, and may be more. */
START_TEST(a_guest_that_runs_more)
{
    booted(1500);
    ck_assert(window(0, 0));
    seen.pages = 1400;
    ck_assert(!window(WINDOW, 1400));
    for (unsigned i = 0; i < 100; i++)
        ck_assert(!window(0, 0));
    ck_assert_uint_eq(settle.kept, 1400);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("settle");
    TCase *tc = tcase_create("settle");
    SRunner *runner;
    int failed;

    tcase_add_test(tc, after_a_quiet_window);
    tcase_add_test(tc, not_after_a_busy_one);
    tcase_add_test(tc, not_for_little);
    tcase_add_test(tc, again_only_when_it_has_grown);
    tcase_add_test(tc, a_guest_that_runs_more);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
