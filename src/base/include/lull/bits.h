/*
 * Bit fields, as the Arm manual writes them: bits(x, hi, lo).
 */
#ifndef LULL_BITS_H
#define LULL_BITS_H

#include <stdbool.h>
#include <stdint.h>

#define LULL_LIKELY(x) __builtin_expect(!!(x), 1)
#define LULL_UNLIKELY(x) __builtin_expect(!!(x), 0)

/* x<hi:lo>, hi - lo at most 62 */
static inline uint64_t bits(uint64_t x, unsigned hi, unsigned lo)
{
    return (x >> lo) & ((1ULL << (hi - lo + 1)) - 1);
}

static inline unsigned bit(uint64_t x, unsigned n)
{
    return (unsigned)(x >> n) & 1;
}

/* The low `width` bits of x (1..64), sign-extended. */
static inline int64_t sext(uint64_t x, unsigned width)
{
    unsigned shift = 64 - width;

    return (int64_t)(x << shift) >> shift;
}

/* n ones from bit 0; n is 0..64. */
static inline uint64_t ones(unsigned n)
{
    return n >= 64 ? ~0ULL : (1ULL << n) - 1;
}

/* x with x<hi:lo> replaced by the low bits of v. */
static inline uint64_t deposit(uint64_t x, unsigned hi, unsigned lo, uint64_t v)
{
    uint64_t mask = ones(hi - lo + 1) << lo;

    return (x & ~mask) | ((v << lo) & mask);
}

static inline bool is_pow2(uint64_t x)
{
    return x != 0 && (x & (x - 1)) == 0;
}

/* Round up or down to a power of two; rounding up may wrap to 0. */
static inline uint64_t align_up(uint64_t x, uint64_t to)
{
    return (x + to - 1) & ~(to - 1);
}

static inline uint64_t align_down(uint64_t x, uint64_t to)
{
    return x & ~(to - 1);
}

#endif
