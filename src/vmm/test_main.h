/*
 * What each of this folder's test programs ends with: one suite, run, judged.
 */
#ifndef LULL_VMM_TEST_MAIN_H
#define LULL_VMM_TEST_MAIN_H

#include <check.h>
#include <stdlib.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* A suite of one case over these test functions, each between setup and
 * teardown. */
static inline int test_main_with(const char *name, const TTest *const *tests,
                                 size_t count, void (*setup)(void),
                                 void (*teardown)(void))
{
    Suite *suite = suite_create(name);
    TCase *tcase = tcase_create(name);
    SRunner *runner = srunner_create(suite);
    size_t i;
    int failed;

    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, teardown);
    for (i = 0; i < count; i++)
        tcase_add_test(tcase, tests[i]);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static inline int test_main(const char *name, const TTest *const *tests,
                            size_t count)
{
    return test_main_with(name, tests, count, NULL, NULL);
}

#endif
