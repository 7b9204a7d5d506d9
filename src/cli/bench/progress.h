/*
 * What the user sees while it is measured, on standard error: on a terminal
 * one line that changes, elsewhere a line a run.
 */
#ifndef BENCH_PROGRESS_H
#define BENCH_PROGRESS_H

#include "result.h"

/* Before the first run: what is coming, and about how long it takes. */
void progress_plan(const struct report *report, double seconds);
/* Run `number` (from 0) is at `phase`: "booting". */
void progress_phase(const struct report *report, const struct run *run,
                    const char *phase);
/* It is over; its main figures, or why not. */
void progress_done(const struct report *report, const struct run *run);
/* A line of its own. */
void progress_say(const char *text);

#endif
