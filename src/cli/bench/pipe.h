/*
 * A pipe that no child inherits. Without pipe2, which not every host has; the
 * bench has one thread, so nobody forks in between.
 */
#ifndef BENCH_PIPE_H
#define BENCH_PIPE_H

#include <stdbool.h>

/* False and errno; `nonblocking` is for both ends. */
bool pipe_open(int ends[2], bool nonblocking);

#endif
