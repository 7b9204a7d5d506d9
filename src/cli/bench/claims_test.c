/*
 * Claims, with handed-in figures on both sides of each edge.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "claims.h"

static struct report report;
static struct claim claims[CLAIMS_MAX];

static size_t column(const char *policy)
{
    struct column *more =
        realloc(report.column, (report.columns + 1) * sizeof(*report.column));

    ck_assert_ptr_nonnull(more);
    report.column = more;
    report.column[report.columns] = (struct column){.cpus = 4};
    snprintf(more[report.columns].policy, sizeof(more->policy), "%s", policy);
    return report.columns++;
}

static struct run *add_run(size_t of, enum outcome outcome)
{
    struct run run;

    run_init(&run, of, 0);
    run.outcome = outcome;
    ck_assert(report_add(&report, &run));
    return &report.run[report.runs - 1];
}

static void measured(size_t of, enum metric metric, double value)
{
    add_run(of, OUTCOME_OK)->value[metric] = value;
}

static const struct claim *find(const char *policy, const char *key)
{
    size_t count = claims_check(&report, claims);

    for (size_t i = 0; i < count; i++)
        if (strcmp(claims[i].policy, policy) == 0 &&
            strcmp(claims[i].key, key) == 0)
            return &claims[i];
    ck_abort_msg("no claim %s about %s", key, policy);
    return NULL;
}

static void verdict_is(const char *policy, const char *key,
                       enum verdict verdict)
{
    const struct claim *made = find(policy, key);

    ck_assert_msg(made->verdict == verdict, "%s %s: %s (%s)", policy, key,
                  verdict_name(made->verdict), made->measured);
}

static void teardown(void)
{
    report_free(&report);
}

START_TEST(idle_cpu_of_the_ladder)
{
    static const struct {
        const char *policy;
        double percent;
        enum verdict verdict;
    } cases[] = {
        {"ladder,us=50", 9.9, CLAIM_FAILS},
        {"ladder,us=50", 10, CLAIM_HOLDS},
        {"ladder,us=50", 15, CLAIM_HOLDS},
        {"ladder,us=50", 15.1, CLAIM_FAILS},
        {"ladder,us=100", 5.9, CLAIM_FAILS},
        {"ladder,us=100", 6.5, CLAIM_HOLDS},
        {"ladder,us=100", 22, CLAIM_FAILS},
        {"ladder,us=200", 3.9, CLAIM_FAILS},
        {"ladder,us=200", 4.5, CLAIM_HOLDS},
        {"ladder,us=200", 18, CLAIM_FAILS},
        {"ladder", 6.5, CLAIM_HOLDS}, /* us=100 is its default */
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        measured(column(cases[i].policy), METRIC_IDLE_CPU, cases[i].percent);
        verdict_is(cases[i].policy, "idle_cpu", cases[i].verdict);
        report_free(&report);
    }
    column("ladder,us=50");
    verdict_is("ladder,us=50", "idle_cpu", CLAIM_UNKNOWN);
}
END_TEST

START_TEST(twice_the_sleep_half_the_cost)
{
    size_t half = column("ladder,us=50"), whole = column("ladder,us=100");

    measured(half, METRIC_IDLE_CPU, 37);
    verdict_is("ladder,us=100", "halving", CLAIM_UNKNOWN);
    measured(whole, METRIC_IDLE_CPU, 22);
    verdict_is("ladder,us=100", "halving", CLAIM_HOLDS);
    measured(whole, METRIC_IDLE_CPU, 36);
    measured(whole, METRIC_IDLE_CPU, 36);
    verdict_is("ladder,us=100", "halving", CLAIM_FAILS);
}
END_TEST

static void moment(struct run *run, double at_s, double sleeps)
{
    run->moment =
        realloc(run->moment, (run->moments + 1) * sizeof(*run->moment));
    ck_assert_ptr_nonnull(run->moment);
    run->moment[run->moments++] =
        (struct moment){.at_s = at_s, .sleeps = sleeps};
}

START_TEST(grace_period)
{
    static const struct {
        double quiet_s, sleeps_s; /* last without, first with */
        enum verdict verdict;
    } cases[] = {
        {14.5, 15.0, CLAIM_HOLDS},  {14.8, 15.3, CLAIM_HOLDS},
        {13.5, 14.0, CLAIM_FAILS},  {1.0, 1.5, CLAIM_FAILS},
        {16.9, 17.4, CLAIM_HOLDS},  {17.5, 18.0, CLAIM_FAILS},
        {3.0, 16.0, CLAIM_UNKNOWN}, /* nobody looked in between */
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct run *run = add_run(column("sleep"), OUTCOME_OK);

        moment(run, cases[i].quiet_s, 0);
        moment(run, cases[i].sleeps_s, 5);
        verdict_is("sleep", "grace", cases[i].verdict);
        report_free(&report);
    }
    moment(add_run(column("sleep"), OUTCOME_OK), 18, 0);
    verdict_is("sleep", "grace", CLAIM_FAILS); /* it never began */
    report_free(&report);
    moment(add_run(column("rate"), OUTCOME_OK), 18, 0);
    verdict_is("rate", "grace", CLAIM_HOLDS); /* it need not */
}
END_TEST

static void notice(struct run *run, double at_s, const char *text)
{
    run->notice[run->notices].at_s = at_s;
    snprintf(run->notice[run->notices++].text, sizeof(run->notice[0].text),
             "%s", text);
}

#define CHOSEN                                                                 \
    "HVF: WFI adaptive sleep: max 50 \u03bcs (activates after 15s, requires "  \
    "sustained idle)"
#define ACTIVE "HVF: WFI sleep NOW ACTIVE (adaptive: 5 -> 50 \u03bcs)"

START_TEST(the_two_lines)
{
    size_t ladder = column("ladder,us=50");
    struct run *run = add_run(ladder, OUTCOME_OK);

    verdict_is("ladder,us=50", "messages", CLAIM_FAILS); /* it said nothing */
    notice(run, 0, CHOSEN);
    verdict_is("ladder,us=50", "messages", CLAIM_FAILS);
    notice(run, 15.1, ACTIVE);
    verdict_is("ladder,us=50", "messages", CLAIM_HOLDS);
    run->notice[1].at_s = 12; /* too early */
    verdict_is("ladder,us=50", "messages", CLAIM_FAILS);
    run->notice[1].at_s = 15.1;
    notice(run, 16, ACTIVE); /* twice */
    verdict_is("ladder,us=50", "messages", CLAIM_FAILS);
    run->notices = 1;
    notice(run, 15.1, "HVF: WFI sleep NOW ACTIVE (adaptive: 10 -> 100 us)");
    verdict_is("ladder,us=50", "messages", CLAIM_FAILS); /* other words */
}
END_TEST

START_TEST(a_hang_that_is_expected)
{
    size_t nodeadline = column("nodeadline");
    struct run *run;

    verdict_is("nodeadline", "hang", CLAIM_UNKNOWN);
    run = add_run(nodeadline, OUTCOME_STUCK);
    snprintf(run->reason, sizeof(run->reason), "vCPU 2 sleeps");
    verdict_is("nodeadline", "hang", CLAIM_HOLDS);
    ck_assert_ptr_nonnull(
        strstr(find("nodeadline", "hang")->measured, "vCPU 2 sleeps"));
    add_run(nodeadline, OUTCOME_OK);
    verdict_is("nodeadline", "hang", CLAIM_FAILS);
}
END_TEST

START_TEST(park_against_the_others)
{
    size_t park = column("park"), halt = column("halt"), spin = column("spin");
    size_t stuck = column("nodeadline");

    measured(park, METRIC_IDLE_CPU, 0.21);
    verdict_is("park", "lowest_idle", CLAIM_UNKNOWN);
    measured(halt, METRIC_IDLE_CPU, 0.20);
    verdict_is("park", "lowest_idle", CLAIM_HOLDS); /* within a tenth */
    /* A guest that stands still is no competitor. */
    add_run(stuck, OUTCOME_STUCK)->value[METRIC_IDLE_CPU] = 0.01;
    verdict_is("park", "lowest_idle", CLAIM_HOLDS);
    measured(spin, METRIC_IDLE_CPU, 0.1);
    verdict_is("park", "lowest_idle", CLAIM_FAILS);
    measured(park, METRIC_LATE_P50, 10);
    measured(halt, METRIC_LATE_P50, 30.1);
    verdict_is("park", "late", CLAIM_HOLDS);
    measured(halt, METRIC_LATE_P50, 29);
    verdict_is("park", "late", CLAIM_FAILS);
    measured(park, METRIC_BOOT_WALL, 1.02);
    verdict_is("park", "boot", CLAIM_UNKNOWN);
    measured(spin, METRIC_BOOT_WALL, 1.0);
    verdict_is("park", "boot", CLAIM_HOLDS);
    measured(park, METRIC_BOOT_WALL, 1.06);
    verdict_is("park", "boot", CLAIM_FAILS);
    measured(park, METRIC_KICK_P50, 100);
    measured(halt, METRIC_KICK_P50, 92);
    verdict_is("park", "kick", CLAIM_HOLDS); /* within the noise */
    measured(halt, METRIC_KICK_P50, 60);
    measured(halt, METRIC_KICK_P50, 60);
    verdict_is("park", "kick", CLAIM_FAILS);
}
END_TEST

/* One bad key in one run is one too many. */
START_TEST(the_worst_of_the_keystrokes)
{
    size_t park = column("park");

    measured(park, METRIC_IDLE_CPU, 0.21);
    verdict_is("park", "keystroke", CLAIM_UNKNOWN);
    measured(park, METRIC_ECHO_MAX, 1500);
    verdict_is("park", "keystroke", CLAIM_HOLDS);
    measured(park, METRIC_ECHO_MAX, 20100);
    measured(park, METRIC_ECHO_MAX, 900);
    verdict_is("park", "keystroke", CLAIM_FAILS);
    measured(park, METRIC_NET_ECHO_MAX, 2500);
    verdict_is("park", "net_keystroke", CLAIM_HOLDS);
}
END_TEST

/* The reference of a busy guest's loss is park, with as many vCPUs. */
START_TEST(losses)
{
    size_t spin = column("spin"), park = column("park");

    measured(spin, METRIC_COMPUTE, 4);
    measured(park, METRIC_COMPUTE, 1);
    ck_assert_double_eq_tol(report_loss(&report, spin, METRIC_COMPUTE), 75,
                            1e-9);
    ck_assert_double_eq_tol(report_loss(&report, park, METRIC_COMPUTE), 0,
                            1e-9);
    report.column[park].cpus = 1;
    ck_assert_uint_eq(report_reference(&report, spin), spin);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("claims");
    TCase *tcase = tcase_create("claims");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tcase, NULL, teardown);
    tcase_add_test(tcase, idle_cpu_of_the_ladder);
    tcase_add_test(tcase, twice_the_sleep_half_the_cost);
    tcase_add_test(tcase, grace_period);
    tcase_add_test(tcase, the_two_lines);
    tcase_add_test(tcase, a_hang_that_is_expected);
    tcase_add_test(tcase, park_against_the_others);
    tcase_add_test(tcase, the_worst_of_the_keystrokes);
    tcase_add_test(tcase, losses);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
