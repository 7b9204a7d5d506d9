/*
 * Quantiles, spreads and histograms, with handed-in numbers.
 */
#include <check.h>
#include <math.h>
#include <stdlib.h>

#include "sample.h"

static struct samples of(const double *values, size_t count)
{
    struct samples samples = {0};

    for (size_t i = 0; i < count; i++)
        ck_assert(samples_add(&samples, values[i]));
    return samples;
}

START_TEST(nothing_has_no_median)
{
    struct samples none = {0};
    struct spread spread = samples_spread(&none);

    ck_assert(isnan(samples_quantile(&none, 0.5)));
    ck_assert(isnan(spread.median) && isnan(spread.min) && isnan(spread.max));
    ck_assert_uint_eq(spread.count, 0);
}
END_TEST

START_TEST(quantiles_lie_between_their_neighbours)
{
    static const double values[] = {5, 1, 4, 2, 3};
    struct samples samples = of(values, 5);

    ck_assert_double_eq(samples_quantile(&samples, 0), 1);
    ck_assert_double_eq(samples_quantile(&samples, 0.5), 3);
    ck_assert_double_eq(samples_quantile(&samples, 1), 5);
    ck_assert_double_eq_tol(samples_quantile(&samples, 0.9), 4.6, 1e-9);
    samples_add(&samples, 6);
    ck_assert_double_eq_tol(samples_quantile(&samples, 0.5), 3.5, 1e-9);
    samples_free(&samples);
    ck_assert_uint_eq(samples.count, 0);
}
END_TEST

START_TEST(what_was_not_measured_is_left_out)
{
    static const double values[] = {NAN, 7, INFINITY, -INFINITY};
    struct samples samples = of(values, 4);

    ck_assert_uint_eq(samples.count, 1);
    ck_assert_double_eq(samples_quantile(&samples, 0.99), 7);
    samples_free(&samples);
}
END_TEST

START_TEST(many_samples_and_two_lots_together)
{
    struct samples samples = {0}, more = {0};

    for (int i = 0; i < 1000; i++)
        samples_add(i % 2 ? &samples : &more, i);
    ck_assert(samples_append(&samples, &more));
    ck_assert_uint_eq(samples.count, 1000);
    ck_assert_double_eq(samples_quantile(&samples, 0.5), 499.5);
    samples_free(&samples);
    samples_free(&more);
}
END_TEST

START_TEST(buckets_hold_what_they_say)
{
    uint64_t buckets[SAMPLE_BUCKETS];
    static const double values[] = {0, 0.5, 1, 1000, 1e300};
    struct samples samples = of(values, 5);

    samples_histogram(&samples, buckets);
    ck_assert_uint_eq(buckets[0], 3);
    for (unsigned i = 1; i < SAMPLE_BUCKETS - 1; i++) {
        bool here = samples_bucket_start(i) <= 1000 &&
                    1000 < samples_bucket_start(i + 1);

        ck_assert_uint_eq(buckets[i], here);
    }
    ck_assert_uint_eq(buckets[SAMPLE_BUCKETS - 1], 1);
    samples_free(&samples);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sample");
    TCase *tcase = tcase_create("sample");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(tcase, nothing_has_no_median);
    tcase_add_test(tcase, quantiles_lie_between_their_neighbours);
    tcase_add_test(tcase, what_was_not_measured_is_left_out);
    tcase_add_test(tcase, many_samples_and_two_lots_together);
    tcase_add_test(tcase, buckets_hold_what_they_say);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
