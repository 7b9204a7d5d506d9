/*
 * A clock of the host's as one number.
 */
#ifndef LULL_CLOCK_H
#define LULL_CLOCK_H

#include <stdint.h>
#include <time.h>

/* For a clock that is there: CLOCK_MONOTONIC, CLOCK_REALTIME, that of CPU time
 * used. */
static inline uint64_t clock_ns(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

#endif
