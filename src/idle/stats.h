/*
 * The counters behind idle_stats_read: one relaxed atomic per field of struct
 * idle_stats, which is the only list of them. Written by the vCPU's thread
 * alone, so an increment is a load and a store; read by anyone at any time.
 * What kickers count is apart (idle.c), on a cache line of theirs.
 */
#ifndef IDLE_STATS_H
#define IDLE_STATS_H

#include <lull/idle.h>

#include <stdatomic.h>

enum { STATS = sizeof(struct idle_stats) / sizeof(uint64_t) };

_Static_assert(STATS * sizeof(uint64_t) == sizeof(struct idle_stats),
               "every field of idle_stats is made of uint64_t");

typedef _Atomic uint64_t counter;

struct counters {
    counter value[STATS];
};

/* The counter behind a field; for an array, its first. */
#define COUNTER(c, field)                                                      \
    (&(c)->value[offsetof(struct idle_stats, field) / sizeof(uint64_t)])

/* Off only to measure what counting costs: bench/trace-cost. */
#ifdef LULL_NO_COUNTERS
#define COUNTING 0
#else
#define COUNTING 1
#endif

static inline void count_set(counter *c, uint64_t value)
{
    if (COUNTING)
        atomic_store_explicit(c, value, memory_order_relaxed);
}

static inline void count_add(counter *c, uint64_t n)
{
    count_set(c, atomic_load_explicit(c, memory_order_relaxed) + n);
}

/* What several threads count. */
static inline void count_shared(counter *c)
{
    if (COUNTING)
        atomic_fetch_add_explicit(c, 1, memory_order_relaxed);
}

#endif
