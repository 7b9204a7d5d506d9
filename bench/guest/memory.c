/*
 * Memory: copying, walking a chain of pointers larger than any TLB, atomics.
 */
#include "bench.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { COPY = 8 << 20, CHAIN = 16 << 20 };

static char *copy_from, *copy_to;
static void **chain, **chain_at;
static _Atomic uint64_t counter;

static void memcpy_prepare(void)
{
    copy_from = malloc(COPY);
    copy_to = malloc(COPY);
    if (!copy_from || !copy_to)
        bench_die("memcpy8m");
    memset(copy_from, 1, COPY);
    memset(copy_to, 2, COPY);
}

static uint64_t memcpy_step(void)
{
    memcpy(copy_to, copy_from, COPY);
    bench_sink = (uint64_t)copy_to[4711];
    return COPY;
}

/* One cycle through all slots of the block, in a random order (Sattolo). */
static void chase_prepare(void)
{
    size_t count = CHAIN / sizeof(void *);
    uint64_t seed = 1;

    chain = malloc(CHAIN);
    if (!chain)
        bench_die("chase16m");
    for (size_t i = 0; i < count; i++)
        chain[i] = &chain[i];
    for (size_t i = count - 1; i > 0; i--) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        size_t j = (seed >> 33) % i;
        void *kept = chain[i];
        chain[i] = chain[j];
        chain[j] = kept;
    }
    chain_at = chain;
}

static uint64_t chase_step(void)
{
    void **at = chain_at;

    for (int i = 0; i < 100000; i++)
        at = *at;
    chain_at = at;
    bench_sink = (uint64_t)(uintptr_t)at;
    return 100000;
}

static uint64_t atomic_step(void)
{
    for (int i = 0; i < 100000; i++)
        atomic_fetch_add(&counter, 1);
    bench_sink = counter;
    return 100000;
}

const struct bench memory_benches[] = {
    {"memcpy8m", "MB/s", 1e6, memcpy_prepare, memcpy_step},
    {"chase16m", "Mload/s", 1e6, chase_prepare, chase_step},
    {"atomic", "Mop/s", 1e6, NULL, atomic_step},
    {0},
};
