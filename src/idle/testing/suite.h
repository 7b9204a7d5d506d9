/*
 * The main function of the Check programs here: run one suite, say how many
 * failed. CK_FORK and CK_RUN_CASE work as Check documents them.
 */
#ifndef IDLE_SUITE_H
#define IDLE_SUITE_H

#include <check.h>

static inline int run_suite(Suite *suite)
{
    SRunner *runner = srunner_create(suite);
    int failed;

    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}

#endif
