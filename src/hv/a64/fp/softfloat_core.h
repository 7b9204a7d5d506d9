/*
 * Inside softfloat: numbers taken apart, and the one place that rounds.
 */
#ifndef LULL_A64_SOFTFLOAT_CORE_H
#define LULL_A64_SOFTFLOAT_CORE_H

#include "softfloat.h"

__extension__ typedef unsigned __int128 sf_u128;

enum sf_class { SF_IS_ZERO, SF_IS_FINITE, SF_IS_INF, SF_IS_QNAN, SF_IS_SNAN };

/*
 * A finite non-zero number is sig * 2^(exp - SF_POINT) with the top one of sig
 * at bit SF_POINT. A product of two doubles is exact in that; wider results
 * keep what was shifted out as a one in bit 0 (sticky), which is far below
 * every rounding position.
 */
enum { SF_POINT = 126 };

struct sf_num {
    enum sf_class class;
    bool sign;
    int exp;
    sf_u128 sig;
};

static inline uint64_t sf_sign_bit(struct sf_format f)
{
    return 1ULL << (f.exp_bits + f.frac_bits);
}

static inline uint64_t sf_frac_mask(struct sf_format f)
{
    return (1ULL << f.frac_bits) - 1;
}

static inline unsigned sf_exp_max(struct sf_format f)
{
    return (1u << f.exp_bits) - 1;
}

static inline int sf_bias(struct sf_format f)
{
    return (1 << (f.exp_bits - 1)) - 1;
}

static inline bool sf_is_half(struct sf_format f)
{
    return f.exp_bits == 5;
}

static inline bool sf_is_nan(struct sf_num n)
{
    return n.class == SF_IS_QNAN || n.class == SF_IS_SNAN;
}

static inline uint64_t sf_zero(struct sf_format f, bool sign)
{
    return sign ? sf_sign_bit(f) : 0;
}

static inline uint64_t sf_inf(struct sf_format f, bool sign)
{
    return sf_zero(f, sign) | (uint64_t)sf_exp_max(f) << f.frac_bits;
}

static inline uint64_t sf_default_nan(struct sf_format f)
{
    return sf_inf(f, false) | 1ULL << (f.frac_bits - 1);
}

/* Invalid operation: raise it, answer with the default NaN. */
static inline uint64_t sf_invalid(struct sf_env *env, struct sf_format f)
{
    env->flags |= FPSR_IOC;
    return sf_default_nan(f);
}

static inline sf_u128 sf_shift_right_jam(sf_u128 x, unsigned n)
{
    if (n == 0)
        return x;
    if (n > 127)
        return x != 0;
    return x >> n | ((x << (128 - n)) != 0);
}

/* FPUnpack: flushes a subnormal input when FPCR.FZ says so. */
struct sf_num sf_unpack(struct sf_env *env, struct sf_format f, uint64_t a);
/* Bring the top one of a non-zero sig to bit SF_POINT. */
void sf_normalise(struct sf_num *n);
/* FPRound of a finite non-zero number. */
uint64_t sf_pack(struct sf_env *env, struct sf_format f, struct sf_num n,
                 enum sf_round mode);
/* FPProcessNaN: quieten, or the default NaN. */
uint64_t sf_nan(struct sf_env *env, struct sf_format f, struct sf_num n,
                uint64_t a);
/* FPProcessNaNs: true when either operand is a NaN; *result is the answer. */
bool sf_nans(struct sf_env *env, struct sf_format f, struct sf_num a,
             uint64_t a_bits, struct sf_num b, uint64_t b_bits,
             uint64_t *result);
/* Does rounding `mode` go up from a value whose last kept bit is `odd`, when
 * what follows it is `rest` and half a unit is `half`? */
bool sf_rounds_up(enum sf_round mode, bool sign, bool odd, sf_u128 rest,
                  sf_u128 half);

/* Both finite and non-zero. The sum may be zero: then its sign is nobody's. */
struct sf_num sf_add_num(struct sf_num a, struct sf_num b);
struct sf_num sf_mul_num(struct sf_num a, struct sf_num b);

#endif
