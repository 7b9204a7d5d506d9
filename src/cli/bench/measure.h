/*
 * One run: boot the guest under a policy, and measure it.
 */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include "plan.h"

struct measure_config {
    const struct plan *plan;
    const struct report *report; /* for the progress */
    int stop_fd;                 /* readable: give up, OUTCOME_CUT */
};

/* Fill *run, which run_init made. However it ends, no guest is left. */
void measure_run(const struct measure_config *config, struct run *run);

#endif
