/*
 * Starting states, weighted towards what goes wrong: NaNs of both kinds,
 * infinities, zeros, subnormals, the edges of the formats, halfway cases,
 * exponents whose sum or difference meets an edge.
 */
#include "oracle_case.h"

/* An exponent field of `bits` bits. */
static uint64_t exponent(uint64_t *rng, unsigned bits)
{
    uint64_t r = oracle_random(rng), max = (1u << bits) - 1, bias = max / 2;
    /* half the bias: products and squares of these reach the edges */
    const uint64_t centres[8] = {0,    1,        bias / 2,     bias,
                                 bias, bias + 8, bias * 3 / 2, max - 1};
    int64_t e = (int64_t)centres[r & 7];

    switch (r >> 3 & 7) {
    case 0:
        return (r >> 8) & max;
    case 1:
    case 2:
        e += (int64_t)(r >> 8 & 127) - 64;
        break;
    case 3:
    case 4:
        e += (int64_t)(r >> 8 & 7) - 3;
        break;
    default:
        break;
    }
    if (e < 0)
        e = 0;
    return e > (int64_t)max ? max : (uint64_t)e;
}

/* A fraction of `bits` bits. */
static uint64_t fraction(uint64_t *rng, unsigned bits)
{
    uint64_t r = oracle_random(rng), all = (1ULL << bits) - 1;
    unsigned n = (r >> 8) % bits;

    switch (r & 15) {
    case 0:
    case 1:
        return 0;
    case 2:
        return all;
    case 3:
        return 1ULL << n;
    case 4:
        return all >> n;
    case 5:
        return all & ~(all >> n);
    case 6:
        return 1ULL << (bits - 1);
    case 7:
        return (1ULL << (bits - 1)) + 1;
    case 8:
        return r >> 20 & 7;
    case 9:
        return all - (r >> 20 & 7);
    case 10: /* few significant bits: exact and halfway results */
        return oracle_random(rng) & all & ~(all >> 6);
    case 11:
        return oracle_random(rng) & all & ~(all >> 12);
    default:
        return oracle_random(rng) & all;
    }
}

/* Exponents of a wider format at which a narrower one begins or ends. */
static uint64_t narrower_edge(uint64_t r, unsigned exp_bits)
{
    static const int16_t edges[8] = {-150, -127, -126, 127, -25, -15, -14, 15};
    int64_t bias = (1 << (exp_bits - 1)) - 1;
    int64_t e = bias + edges[exp_bits == 11 ? r & 7 : (r & 3) + 4];

    return (uint64_t)(e + (int64_t)(r >> 3 & 1));
}

/* What the rules single out, and neighbours whose products, quotients and sums
 * meet the edge of the subnormals. */
static uint64_t special(uint64_t *rng, unsigned exp_bits, unsigned frac_bits,
                        unsigned mood)
{
    uint64_t r = oracle_random(rng), max = (1ULL << exp_bits) - 1;
    uint64_t all = (1ULL << frac_bits) - 1, bias = max / 2;
    uint64_t sign = (r & 1) << (exp_bits + frac_bits);
    uint64_t f = fraction(rng, frac_bits);

    switch (r >> 1 & (mood == 9 ? 7 : 15)) {
    case 0:
    case 1:
        return sign; /* zero */
    case 2:
        return sign | max << frac_bits; /* infinity */
    case 3:                             /* quiet */
        return sign | max << frac_bits | 1ULL << (frac_bits - 1) | f;
    case 4: /* signalling */
        f &= all >> 1;
        return sign | max << frac_bits | (f ? f : 1);
    case 5:
        return sign | f; /* subnormal */
    case 6:
        return sign | all; /* the largest of them */
    case 7:
        return sign | 1ULL << frac_bits; /* smallest normal */
    case 8:
        return sign | 1ULL << frac_bits | f;
    case 9:
        return sign | (max - 1) << frac_bits | f; /* largest */
    case 10:
        return sign | (bias << frac_bits); /* one */
    case 11:
        return sign | ((bias << frac_bits) - 1); /* just below */
    case 12:
        return sign | ((bias << frac_bits) + 1); /* just above */
    case 13:
        return sign | (bias - (r >> 8 & 1)) << frac_bits | f;
    case 14:
        return sign | narrower_edge(r >> 8, exp_bits) << frac_bits | f;
    default: /* near the ends of the integers */
        bias += (r >> 8 & 1) ? 31 : (r >> 9 & 1) ? 63 : 15;
        return sign | ((bias + (r >> 10 & 3) - 2) & max) << frac_bits | f;
    }
}

/* mood: how many of eight numbers are special; 9: all, and of the few kinds
 * whose meetings have rules of their own */
static uint64_t number(uint64_t *rng, unsigned exp_bits, unsigned frac_bits,
                       unsigned mood)
{
    uint64_t r = oracle_random(rng);
    uint64_t sign = (r & 1) << (exp_bits + frac_bits);

    if ((r >> 8 & 7) < mood)
        return special(rng, exp_bits, frac_bits, mood);
    return sign | exponent(rng, exp_bits) << frac_bits |
           fraction(rng, frac_bits);
}

/* Integers near the ends of every width, or anything. */
static uint64_t integer(uint64_t *rng)
{
    uint64_t r = oracle_random(rng), x = oracle_random(rng), y = 0;
    unsigned width = 8u << (r & 3);
    uint64_t all = ~0ULL >> (64 - width);

    if (r >> 2 & 1)
        return x;
    for (unsigned at = 0; at < 64; at += width) {
        uint64_t e = oracle_random(rng);
        uint64_t lane = e >> 16 & 7;

        switch (e & 7) {
        case 0:
            lane = -lane;
            break;
        case 1:
            break;
        case 2:
            lane += all >> 1;
            break;
        case 3:
            lane = (all >> 1) - lane;
            break;
        case 4:
            lane = 0;
            break;
        case 5:
            lane = 1ULL << ((e >> 24) % width);
            break;
        case 6: /* shift counts */
            lane = ((e >> 24) & 127) - 64;
            break;
        default:
            lane = x >> at;
        }
        y |= (lane & all) << at;
    }
    return y;
}

static uint64_t half_vector(uint64_t *rng, unsigned kind, unsigned mood)
{
    uint64_t r = 0;

    switch (kind) {
    case 0:
    case 1:
    case 2:
        return number(rng, 11, 52, mood);
    case 3:
    case 4:
    case 5:
        r = number(rng, 8, 23, mood);
        return r | number(rng, 8, 23, mood) << 32;
    case 6:
        for (unsigned i = 0; i < 4; i++)
            r |= number(rng, 5, 10, mood) << (16 * i);
        return r;
    default:
        return integer(rng);
    }
}

void oracle_start(struct oracle_state *state, uint64_t seed, uint32_t word,
                  uint32_t round)
{
    uint64_t rng = seed ^ (uint64_t)word << 32 ^ round;
    uint64_t r = oracle_random(&rng);
    /* most rounds keep to one kind, so that operands match */
    unsigned kind = r % 11, mood = r >> 8 & 1 ? 8 + (r >> 9 & 1) : r >> 9 & 7;

    for (unsigned i = 0; i < 32; i++) {
        unsigned k = kind < 8 ? kind : oracle_random(&rng) % 8;

        state->v[i][0] = half_vector(&rng, k, mood);
        state->v[i][1] = half_vector(&rng, k, mood);
        state->x[i] = integer(&rng);
    }
    state->x[31] = 0;
    r = oracle_random(&rng);
    state->fpcr = (r & 3) << 22;
    if ((r >> 2 & 7) < 3)
        state->fpcr |= r & 0x07000000; /* AHP, DN, FZ */
    state->fpsr = r >> 33 & 1 ? 0 : r >> 8 & 0x0800009f;
    state->nzcv = r & 0xf0000000;
    state->pad = 0;
}
