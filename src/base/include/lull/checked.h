/*
 * Arithmetic that says when it does not fit. Sizes and addresses that come
 * from a guest, a file or an option go through here.
 */
#ifndef LULL_CHECKED_H
#define LULL_CHECKED_H

#include <stdbool.h>
#include <stdint.h>

/* True and *sum set when a + b does not wrap. */
static inline bool add_ok(uint64_t a, uint64_t b, uint64_t *sum)
{
    return !__builtin_add_overflow(a, b, sum);
}

static inline bool mul_ok(uint64_t a, uint64_t b, uint64_t *product)
{
    return !__builtin_mul_overflow(a, b, product);
}

/* True when [start, start + len) lies within [base, base + size). */
static inline bool range_within(uint64_t start, uint64_t len, uint64_t base,
                                uint64_t size)
{
    return start >= base && start - base <= size &&
           len <= size - (start - base);
}

#endif
