/*
 * Lists of policies and vCPUs, and the order of the runs.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "plan.h"

static char err[512];

static bool policies(const char *text, struct plan *plan)
{
    return plan_parse_policies(text, plan, err, sizeof(err));
}

START_TEST(a_setting_belongs_to_the_policy_before_it)
{
    struct plan plan = {0};

    ck_assert(
        policies("park,share=5,poll,halt,ladder,us=50,ladder,us=200", &plan));
    ck_assert_uint_eq(plan.policies, 4);
    ck_assert_str_eq(plan.policy[0], "park,share=5,poll");
    ck_assert_str_eq(plan.policy[1], "halt");
    ck_assert_str_eq(plan.policy[2], "ladder,us=50");
    ck_assert_str_eq(plan.policy[3], "ladder,us=200");
    ck_assert(policies("spin", &plan));
    ck_assert_uint_eq(plan.policies, 1);
}
END_TEST

START_TEST(all_of_them_parse)
{
    struct plan plan = {0};

    ck_assert_msg(policies(plan_all_policies, &plan), "%s", err);
    ck_assert_uint_eq(plan.policies, 12);
}
END_TEST

START_TEST(bad_policies)
{
    static const char *const bad[] = {
        "",
        "nap",
        "park,",
        ",park",
        "park,nap",
        "park,share=x",
        "us=50,ladder",
        "park,park",
        "park,,halt",
        "halt,us=3",
        "ladder,ladder,us=100",
    };
    struct plan plan = {0};
    char many[] = "park,poll,poll,poll,poll,poll,poll,poll,poll,poll,poll,"
                  "poll,poll,poll,poll,poll,poll";

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        err[0] = '\0';
        ck_assert_msg(!policies(bad[i], &plan), "%s", bad[i]);
        ck_assert_str_ne(err, "");
    }
    ck_assert(!policies(many, &plan));
    memset(many, 'x', sizeof(many) - 1);
    ck_assert(!policies(many, &plan));
}
END_TEST

START_TEST(numbers_of_vcpus)
{
    static const char *const bad[] = {"",
                                      "0",
                                      "65",
                                      "1,",
                                      ",1",
                                      "1,x",
                                      "1.5",
                                      "1,2,3,4,5,6,7,8,9",
                                      "99999999999999999999"};
    struct plan plan = {0};

    ck_assert(plan_parse_cpus("1,4,64", &plan, err, sizeof(err)));
    ck_assert_uint_eq(plan.cpu_counts, 3);
    ck_assert_uint_eq(plan.cpus[2], 64);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ck_assert_msg(!plan_parse_cpus(bad[i], &plan, err, sizeof(err)), "%s",
                      bad[i]);
}
END_TEST

/* Each column once a round, and no round begins as the one before. */
START_TEST(runs_take_turns)
{
    struct plan plan = {.repeat = 3, .seconds = 30};
    struct report report = {0};
    unsigned seen[6][3] = {{0}}, round;

    ck_assert(policies("park,halt,spin", &plan));
    ck_assert(plan_parse_cpus("1,4", &plan, err, sizeof(err)));
    ck_assert(plan_columns(&plan, &report));
    ck_assert_uint_eq(report.columns, 6);
    ck_assert_uint_eq(report.planned, 18);
    for (size_t n = 0; n < report.planned; n++) {
        size_t column = plan_column(&report, n, &round);

        seen[column][round]++;
        ck_assert_uint_eq(round, n / 6);
    }
    for (int i = 0; i < 18; i++)
        ck_assert_uint_eq(seen[i / 3][i % 3], 1);
    ck_assert_uint_ne(plan_column(&report, 0, &round),
                      plan_column(&report, 6, &round));
    report_free(&report);
}
END_TEST

START_TEST(grace_is_by_the_name_alone)
{
    ck_assert_double_eq(plan_grace_s("ladder,us=50"), 15);
    ck_assert_double_eq(plan_grace_s("sleep"), 15);
    ck_assert_double_eq(plan_grace_s("rate"), 10);
    ck_assert_double_eq(plan_grace_s("park"), 0);
    ck_assert_double_eq(plan_settled_s("halt"), 0);
    ck_assert_double_ge(plan_settled_s("ladder"), 15);
    ck_assert_double_eq(plan_quiet_s("halt", 3), 3);
    ck_assert_double_le(plan_quiet_s("halt", 300), 10);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("plan");
    TCase *tcase = tcase_create("plan");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(tcase, a_setting_belongs_to_the_policy_before_it);
    tcase_add_test(tcase, all_of_them_parse);
    tcase_add_test(tcase, bad_policies);
    tcase_add_test(tcase, numbers_of_vcpus);
    tcase_add_test(tcase, runs_take_turns);
    tcase_add_test(tcase, grace_is_by_the_name_alone);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
