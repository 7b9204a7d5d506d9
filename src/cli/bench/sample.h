/*
 * Samples and what is said of them: quantiles, ranges, histograms by powers of
 * two. Not thread-safe.
 */
#ifndef BENCH_SAMPLE_H
#define BENCH_SAMPLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct samples {
    double *value;
    size_t count, room;
};

/* False: no memory. What is not a finite number is left out. */
bool samples_add(struct samples *samples, double value);
bool samples_append(struct samples *samples, const struct samples *more);
void samples_free(struct samples *samples);

/*
 * The value that a share `q` (0 to 1) of the samples does not exceed, between
 * two neighbours in proportion; NAN when there are none. Sorts the samples.
 */
double samples_quantile(struct samples *samples, double q);

/* Median and range of figures from several runs; count 0: all NAN. */
struct spread {
    double median, min, max;
    size_t count;
};
struct spread samples_spread(struct samples *samples);

/*
 * Buckets are quarters of powers of two: bucket i counts values from
 * 2^(i/4) up to 2^((i+1)/4), the first also everything below, the last also
 * everything above.
 */
enum { SAMPLE_BUCKETS = 120 };
void samples_histogram(const struct samples *samples,
                       uint64_t buckets[SAMPLE_BUCKETS]);
/* Where bucket i begins. */
double samples_bucket_start(unsigned i);

#endif
