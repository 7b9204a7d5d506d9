#include "sample.h"

#include <math.h>
#include <stdlib.h>

bool samples_add(struct samples *samples, double value)
{
    if (!isfinite(value))
        return true;
    if (samples->count == samples->room) {
        size_t room = samples->room * 2 + 64;
        double *more = realloc(samples->value, room * sizeof(*more));

        if (more == NULL)
            return false;
        samples->value = more;
        samples->room = room;
    }
    samples->value[samples->count++] = value;
    return true;
}

bool samples_append(struct samples *samples, const struct samples *more)
{
    for (size_t i = 0; i < more->count; i++)
        if (!samples_add(samples, more->value[i]))
            return false;
    return true;
}

void samples_free(struct samples *samples)
{
    free(samples->value);
    *samples = (struct samples){0};
}

static int compare(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;

    return left < right ? -1 : left > right;
}

double samples_quantile(struct samples *samples, double q)
{
    double at, below;
    size_t i;

    if (samples->count == 0)
        return NAN;
    qsort(samples->value, samples->count, sizeof(double), compare);
    at = q * (double)(samples->count - 1);
    i = (size_t)at;
    if (i + 1 >= samples->count)
        return samples->value[samples->count - 1];
    below = samples->value[i];
    return below + (at - (double)i) * (samples->value[i + 1] - below);
}

struct spread samples_spread(struct samples *samples)
{
    return (struct spread){
        .median = samples_quantile(samples, 0.5),
        .min = samples_quantile(samples, 0),
        .max = samples_quantile(samples, 1),
        .count = samples->count,
    };
}

double samples_bucket_start(unsigned i)
{
    return exp2(i / 4.0);
}

void samples_histogram(const struct samples *samples,
                       uint64_t buckets[SAMPLE_BUCKETS])
{
    for (unsigned i = 0; i < SAMPLE_BUCKETS; i++)
        buckets[i] = 0;
    for (size_t i = 0; i < samples->count; i++) {
        double value = samples->value[i];
        double at = value > 1 ? floor(4 * log2(value)) : 0;

        buckets[at < SAMPLE_BUCKETS ? (unsigned)at : SAMPLE_BUCKETS - 1]++;
    }
}
