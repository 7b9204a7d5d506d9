/*
 * What two readings of a VM's counters make: rates, where the time went,
 * percentiles. The readings are handed in.
 */
#include "readings.h"

#include <check.h>
#include <stdlib.h>

/* One second apart. */
static struct readings r;

static json_t *cpu(double cpu_ms, double spin_ms, double park_ms,
                   double deadline_ms)
{
#define STATE(ms) "residency_ns", (json_int_t)((ms)*1e6)
    return json_pack(
        "{s:I,s:{s:i,s:i},s:{s:{s:{s:I},s:{s:I},s:{s:I}},s:[i,i,i]}}", "cpu_ns",
        (json_int_t)(cpu_ms * 1e6), "exits", "wfi", 3, "hvc", 4, "idle",
        "states", "spin", STATE(spin_ms), "park", STATE(park_ms),
        "park_deadline", STATE(deadline_ms), "timer_late", 0, 0, 0);
#undef STATE
}

static json_t *reading(json_int_t now_s, json_t *one)
{
    return json_pack("{s:I,s:I,s:[o]}", "now_ns", now_s * 1000000000,
                     "uptime_ns", now_s * 1000000000, "cpus", one);
}

static void read_twice(json_t *before, json_t *after)
{
    r.before = reading(10, before);
    r.after = reading(11, after);
    readings_time(&r);
}

#define IS(a, b) ck_assert_double_eq_tol(a, b, 0.001)

START_TEST(time_without_cpu_is_divided_by_what_was_accounted)
{
    double percent[READING_STATES];

    read_twice(cpu(0, 0, 0, 0), cpu(100, 20, 300, 100));
    readings_states(&r, 0, percent);
    IS(percent[READING_RUN], 8);
    IS(percent[READING_SPIN], 2);
    IS(percent[READING_PARK], 90 * 0.75);
    IS(percent[READING_PARK_DEADLINE], 90 * 0.25);
    IS(readings_idle_percent(&r), 92);
    readings_drop(&r);
}
END_TEST

START_TEST(a_sleep_that_goes_on_is_sleep)
{
    double percent[READING_STATES];

    read_twice(cpu(5, 1, 1, 1), cpu(5, 1, 1, 1));
    readings_states(&r, 0, percent);
    IS(percent[READING_PARK], 100);
    IS(percent[READING_RUN], 0);
    readings_drop(&r);
}
END_TEST

START_TEST(never_over_100_nor_below_0)
{
    double percent[READING_STATES];

    /* A sleep longer than the interval has ended in it; and accounts that are
     * read a moment later than the clock. */
    read_twice(cpu(0, 0, 0, 0), cpu(10, 0, 5000, 0));
    readings_states(&r, 0, percent);
    IS(percent[READING_PARK], 99);
    readings_drop(&r);
    read_twice(cpu(0, 0, 0, 0), cpu(1001, 1500, 0, 0));
    readings_states(&r, 0, percent);
    IS(percent[READING_RUN], 0);
    IS(percent[READING_SPIN], 100);
    IS(percent[READING_PARK], 0);
    readings_drop(&r);
}
END_TEST

START_TEST(rates)
{
    read_twice(cpu(0, 0, 0, 0), cpu(500, 0, 0, 0));
    IS(readings_percent(&r, readings_cpu_change(&r, 0, "cpu_ns", NULL, NULL)),
       50);
    IS(readings_exits(&r, 0), 0);
    json_decref(r.before);
    r.before = NULL;
    readings_time(&r); /* since the start: 11 s */
    IS(readings_rate(&r, readings_exits(&r, 0)), 7.0 / 11);
    readings_drop(&r);
}
END_TEST

static void histogram(json_t *reading_, int a, int b, int c)
{
    json_t *idle =
        json_object_get((json_t *)(uintptr_t)reading_cpu(reading_, 0), "idle");

    json_object_set_new(idle, "timer_late", json_pack("[i,i,i]", a, b, c));
}

START_TEST(percentiles)
{
    double below;

    read_twice(cpu(0, 0, 0, 0), cpu(0, 0, 0, 0));
    IS(readings_histogram(&r, 0, "timer_late", 0.5, &below), 0);
    IS(below, 0);
    histogram(r.before, 1, 1, 1);
    histogram(r.after, 6, 5, 2);
    IS(readings_histogram(&r, READINGS_ALL, "timer_late", 0.5, &below), 10);
    IS(below, 2);
    readings_histogram(&r, 0, "timer_late", 0.51, &below);
    IS(below, 4);
    readings_histogram(&r, 0, "timer_late", 0.9, &below);
    IS(below, 4);
    readings_histogram(&r, 0, "timer_late", 0.99, &below);
    IS(below, 8);
    IS(readings_histogram(&r, 0, "no such", 0.5, &below), 0);
    readings_drop(&r);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("readings");
    SRunner *runner = srunner_create(suite);
    TCase *all = tcase_create("all");
    int failed;

    tcase_add_test(all, time_without_cpu_is_divided_by_what_was_accounted);
    tcase_add_test(all, a_sleep_that_goes_on_is_sleep);
    tcase_add_test(all, never_over_100_nor_below_0);
    tcase_add_test(all, rates);
    tcase_add_test(all, percentiles);
    suite_add_tcase(suite, all);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
