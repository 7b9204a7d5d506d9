/*
 * Readings of x-lull-stats, what two of them say, and when a guest counts as
 * stuck; all with handed-in numbers.
 */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lull/idle.h"
#include "watch.h"

#define SECOND 1000000000.0

static const char answer[] =
    "{\"now_ns\": 50000000000, \"uptime_ns\": 20000000000,"
    " \"process\": {\"cpu_ns\": 1500, \"voluntary_switches\": 7},"
    " \"counter\": {\"zero_ns\": 30000000000, \"hz\": 24000000},"
    " \"devices\": {\"uart\": {\"tx_bytes\": 11}},"
    " \"cpus\": [{\"cpu_ns\": 100, \"in_wfi\": true,"
    "   \"wfi_deadline_ns\": 46000000000,"
    "   \"exits\": {\"wfi\": 5, \"hvc\": 2},"
    "   \"idle\": {\"states\": {\"park\": {\"entries\": 3,"
    "     \"residency_ns\": 9}}, \"timer_late\": [1, 2]}},"
    "  {\"cpu_ns\": 200, \"in_wfi\": true, \"wfi_deadline_ns\": 45000000000,"
    "   \"exits\": {\"wfi\": 6}}]}";

static struct snapshot reading(const char *text)
{
    json_t *json = json_loads(text, 0, NULL);
    struct snapshot snapshot;

    ck_assert_ptr_nonnull(json);
    ck_assert(snapshot_read(json, &snapshot));
    json_decref(json);
    return snapshot;
}

START_TEST(an_answer_is_added_up)
{
    struct snapshot at = reading(answer);

    ck_assert_uint_eq(at.vcpus, 2);
    ck_assert_uint_eq(at.in_wfi, 2);
    ck_assert_double_eq(at.wfi, 11);
    ck_assert_double_eq(at.exits, 13);
    ck_assert_double_eq(at.vcpu_cpu_ns, 300);
    ck_assert_double_eq(at.console_bytes, 11);
    ck_assert_double_eq(at.entries[IDLE_STATE_PARK], 3);
    ck_assert_double_eq(at.late[1], 2);
    ck_assert_double_eq(at.counter_hz, 24e6);
    ck_assert_uint_eq(at.overdue_vcpu, 1);
    ck_assert_double_eq(at.overdue_ns, 5 * SECOND);
}
END_TEST

START_TEST(nonsense_is_refused)
{
    static const char *const bad[] = {"{}", "[]", "{\"now_ns\": 1}",
                                      "{\"now_ns\": \"x\", \"cpus\": [1]}"};
    struct snapshot snapshot;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        json_t *json = json_loads(bad[i], 0, NULL);

        ck_assert(!snapshot_read(json, &snapshot));
        json_decref(json);
    }
    ck_assert(!snapshot_read(NULL, &snapshot));
}
END_TEST

START_TEST(rates_of_two_readings)
{
    struct snapshot a = {.now_ns = SECOND, .cpu_ns = 0};
    struct snapshot b = {.now_ns = 3 * SECOND, .cpu_ns = SECOND};

    ck_assert_double_eq_tol(snapshot_cpu_percent(&a, &b), 50, 1e-9);
    ck_assert_double_eq_tol(snapshot_rate(&a, &b, 10), 5, 1e-9);
    ck_assert(isnan(snapshot_rate(&a, &a, 10)));
}
END_TEST

/* A sleep under way is in no counter yet, and is a sleep all the same. */
START_TEST(shares_sum_up_to_one)
{
    struct snapshot a = {.now_ns = 0, .vcpus = 2};
    struct snapshot b = {
        .now_ns = 10 * SECOND, .vcpus = 2, .vcpu_cpu_ns = 2 * SECOND};
    double share[RESIDENCIES], sum = 0;

    b.residency_ns[IDLE_STATE_PARK_DEADLINE] = 6 * SECOND;
    b.residency_ns[IDLE_STATE_SPIN] = 1 * SECOND;
    snapshot_residency(&a, &b, share);
    for (int i = 0; i < RESIDENCIES; i++)
        sum += share[i];
    ck_assert_double_eq_tol(sum, 1, 1e-9);
    ck_assert_double_eq_tol(share[RESIDENCY_RUNNING], 0.05, 1e-9);
    ck_assert_double_eq_tol(share[IDLE_STATE_SPIN], 0.05, 1e-9);
    ck_assert_double_eq_tol(share[IDLE_STATE_PARK_DEADLINE], 0.9, 1e-9);
    /* Never slept: the rest is time without a host CPU. */
    b.residency_ns[IDLE_STATE_PARK_DEADLINE] = 0;
    snapshot_residency(&a, &b, share);
    ck_assert_double_eq_tol(share[RESIDENCY_WAITING], 0.9, 1e-9);
    /* Asleep from before the first reading until after the second. */
    b.in_wfi = 2;
    snapshot_residency(&a, &b, share);
    ck_assert_double_eq_tol(share[IDLE_STATE_PARK], 0.9, 1e-9);
}
END_TEST

START_TEST(median_of_the_wakes)
{
    struct snapshot a = {0}, b = {0};

    ck_assert(isnan(snapshot_late_p50(&a, &b)));
    b.late[10] = 4;
    ck_assert_double_eq_tol(snapshot_late_p50(&a, &b), exp2(10.5), 1e-9);
    b.early[3] = 2; /* a third of them is early */
    ck_assert_double_eq_tol(snapshot_late_p50(&a, &b), exp2(10.25), 1e-9);
    b.early[3] = 4;
    ck_assert_double_eq(snapshot_late_p50(&a, &b), 0);
    a = b;
    ck_assert(isnan(snapshot_late_p50(&a, &b)));
}
END_TEST

static struct watch begun(void)
{
    struct watch watch;

    watch_begin(&watch, "nodeadline", "while booting", 0, 60);
    return watch;
}

START_TEST(an_overdue_timer_is_the_reason)
{
    struct watch watch = begun();
    struct snapshot now = {.now_ns = SECOND, .exits = 10, .overdue_vcpu = 3};
    char reason[320] = "";

    now.overdue_ns = WATCH_OVERDUE_NS;
    ck_assert(!watch_stuck(&watch, &now, reason, sizeof(reason)));
    now.overdue_ns += 1;
    ck_assert(watch_stuck(&watch, &now, reason, sizeof(reason)));
    ck_assert_ptr_nonnull(strstr(reason, "vCPU 3"));
    ck_assert_ptr_nonnull(strstr(reason, "nodeadline"));
    ck_assert_ptr_nonnull(strstr(reason, "while booting"));
}
END_TEST

START_TEST(who_moves_is_not_stuck)
{
    struct watch watch = begun();
    struct snapshot now = {.exits = 10};
    char reason[320];

    for (now.now_ns = 0; now.now_ns <= 60 * SECOND; now.now_ns += SECOND) {
        now.exits++;
        ck_assert(!watch_stuck(&watch, &now, reason, sizeof(reason)));
    }
    /* Longer than anybody waits; but it has only now got some CPU time. */
    now.exits++;
    now.vcpu_cpu_ns = 10 * SECOND;
    ck_assert(!watch_stuck(&watch, &now, reason, sizeof(reason)));
    now.exits++;
    now.vcpu_cpu_ns = 60 * SECOND;
    ck_assert(!watch_stuck(&watch, &now, reason, sizeof(reason)));
    now.vcpu_cpu_ns += 1;
    ck_assert(watch_stuck(&watch, &now, reason, sizeof(reason)));
    ck_assert_ptr_nonnull(strstr(reason, "did not get there"));
    /* Or it hardly wants any: it ticks, and does nothing else. */
    now.exits++;
    now.vcpu_cpu_ns = 1 * SECOND;
    ck_assert(watch_stuck(&watch, &now, reason, sizeof(reason)));
    ck_assert_ptr_nonnull(strstr(reason, "did not get there"));
}
END_TEST

START_TEST(standing_still_is_stuck)
{
    struct watch watch = begun();
    struct snapshot now = {.now_ns = SECOND, .exits = 10};
    char reason[320];

    ck_assert(!watch_stuck(&watch, &now, reason, sizeof(reason)));
    now.now_ns += WATCH_STILL_NS;
    ck_assert(!watch_stuck(&watch, &now, reason, sizeof(reason)));
    now.console_bytes = 1; /* it said something: all begins anew */
    now.now_ns += 1;
    ck_assert(!watch_stuck(&watch, &now, reason, sizeof(reason)));
    now.now_ns += WATCH_STILL_NS + 1;
    ck_assert(watch_stuck(&watch, &now, reason, sizeof(reason)));
    ck_assert_ptr_nonnull(strstr(reason, "no vCPU has left the guest"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("watch");
    TCase *tcase = tcase_create("watch");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(tcase, an_answer_is_added_up);
    tcase_add_test(tcase, nonsense_is_refused);
    tcase_add_test(tcase, rates_of_two_readings);
    tcase_add_test(tcase, shares_sum_up_to_one);
    tcase_add_test(tcase, median_of_the_wakes);
    tcase_add_test(tcase, an_overdue_timer_is_the_reason);
    tcase_add_test(tcase, who_moves_is_not_stuck);
    tcase_add_test(tcase, standing_still_is_stuck);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
