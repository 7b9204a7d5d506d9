/*
 * `lull bench idle`: every run of a plan, and the reports of what came of it.
 */
#ifndef BENCH_IDLE_H
#define BENCH_IDLE_H

#include "plan.h"

struct bench_idle_config {
    struct plan plan;
    const char *json; /* a file, "-" for standard output; NULL: none */
    const char *html; /* a file; NULL: none */
};

/* An exit code of cli.h; errors have been reported. */
int bench_idle(const struct bench_idle_config *config);

#endif
