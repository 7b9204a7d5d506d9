/*
 * Softfloat's conversions: between formats, to and from fixed point, and to a
 * whole number in the same format.
 */
#include "softfloat_core.h"

/* A NaN's payload keeps its top bits; the result is quiet. */
static uint64_t convert_nan(struct sf_format to, struct sf_format from,
                            bool sign, uint64_t a)
{
    uint64_t frac = a & sf_frac_mask(from);

    if (to.frac_bits > from.frac_bits)
        frac <<= to.frac_bits - from.frac_bits;
    else
        frac >>= from.frac_bits - to.frac_bits;
    return sf_zero(to, sign) | sf_default_nan(to) | frac;
}

static uint64_t convert(struct sf_env *env, struct sf_format to,
                        struct sf_format from, uint64_t a, enum sf_round mode)
{
    struct sf_num n = sf_unpack(env, from, a);
    bool to_alt = sf_is_half(to) && env->ahp;

    if (sf_is_nan(n)) {
        if (n.class == SF_IS_SNAN || to_alt)
            env->flags |= FPSR_IOC;
        if (to_alt)
            return sf_zero(to, n.sign);
        if (env->dn)
            return sf_default_nan(to);
        return convert_nan(to, from, n.sign, a);
    }
    if (n.class == SF_IS_INF && to_alt) {
        env->flags |= FPSR_IOC;
        return sf_zero(to, n.sign) | (sf_sign_bit(to) - 1);
    }
    if (n.class == SF_IS_INF)
        return sf_inf(to, n.sign);
    if (n.class == SF_IS_ZERO)
        return sf_zero(to, n.sign);
    return sf_pack(env, to, n, mode);
}

uint64_t sf_convert(struct sf_env *env, struct sf_format to,
                    struct sf_format from, uint64_t a)
{
    return convert(env, to, from, a, env->mode);
}

/*
 * |n| * 2^scale as a whole number, rounded; *rest tells what was dropped. The
 * value must be below 2^65.
 */
static sf_u128 whole(struct sf_num n, int scale, enum sf_round mode,
                     sf_u128 *rest)
{
    int exp = n.exp + scale;
    /* below 2^-2 only "not zero" matters, and it keeps the shifts in range */
    unsigned drop = exp < -1 ? 128 : (unsigned)(SF_POINT - exp);
    sf_u128 mag;

    if (drop == 128) {
        mag = 0;
        *rest = 1;
        return sf_rounds_up(mode, n.sign, false, 1, 2);
    }
    mag = drop > 127 ? 0 : n.sig >> drop;
    *rest = drop > 127 ? n.sig : n.sig & (((sf_u128)1 << drop) - 1);
    return mag +
           sf_rounds_up(mode, n.sign, mag & 1, *rest, (sf_u128)1 << (drop - 1));
}

/* The integer nearest to a value out of range. */
static uint64_t saturated(bool sign, bool is_unsigned, unsigned width)
{
    uint64_t all = ~0ULL >> (64 - width);

    if (is_unsigned)
        return sign ? 0 : all;
    return sign ? all ^ all >> 1 : all >> 1;
}

uint64_t sf_to_fixed(struct sf_env *env, struct sf_format f, uint64_t a,
                     unsigned fbits, bool is_unsigned, unsigned width,
                     enum sf_round mode)
{
    struct sf_num n = sf_unpack(env, f, a);
    uint64_t all = ~0ULL >> (64 - width);
    sf_u128 mag, limit, rest;

    if (n.class == SF_IS_ZERO)
        return 0;
    if (sf_is_nan(n)) {
        env->flags |= FPSR_IOC;
        return 0;
    }
    if (n.class == SF_IS_INF || n.exp + (int)fbits > 64) {
        env->flags |= FPSR_IOC;
        return saturated(n.sign, is_unsigned, width);
    }
    mag = whole(n, (int)fbits, mode, &rest);
    if (is_unsigned)
        limit = n.sign ? 0 : all;
    else
        limit = (all >> 1) + n.sign;
    if (mag > limit) {
        env->flags |= FPSR_IOC;
        return saturated(n.sign, is_unsigned, width);
    }
    if (rest != 0)
        env->flags |= FPSR_IXC;
    return (n.sign ? -(uint64_t)mag : (uint64_t)mag) & all;
}

uint64_t sf_from_fixed(struct sf_env *env, struct sf_format f, bool negative,
                       uint64_t magnitude, unsigned fbits)
{
    struct sf_num n = {
        .class = SF_IS_FINITE,
        .sign = negative,
        .exp = SF_POINT - (int)fbits,
        .sig = magnitude,
    };

    if (magnitude == 0)
        return 0;
    sf_normalise(&n);
    return sf_pack(env, f, n, env->mode);
}

uint64_t sf_round_int(struct sf_env *env, struct sf_format f, uint64_t a,
                      enum sf_round mode, bool exact)
{
    struct sf_num n = sf_unpack(env, f, a);
    sf_u128 rest;

    if (sf_is_nan(n))
        return sf_nan(env, f, n, a);
    if (n.class == SF_IS_ZERO)
        return sf_zero(f, n.sign);
    if (n.class == SF_IS_INF || n.exp >= f.frac_bits)
        return a;
    n.sig = whole(n, 0, mode, &rest);
    if (rest != 0 && exact)
        env->flags |= FPSR_IXC;
    if (n.sig == 0)
        return sf_zero(f, n.sign);
    n.exp = SF_POINT;
    sf_normalise(&n);
    return sf_pack(env, f, n, mode);
}
