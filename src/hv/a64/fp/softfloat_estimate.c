/*
 * The reciprocal and reciprocal square root estimates: nine-bit results that
 * the manual defines exactly, so that Newton steps agree everywhere.
 */
#include "softfloat_core.h"

/* RecipEstimate: a and the result are in 256..511, in units of 1/512, 1/256 */
static unsigned recip_estimate(unsigned a)
{
    unsigned b = (1u << 19) / (a * 2 + 1);

    return (b + 1) / 2;
}

/* RecipSqrtEstimate: a is in 128..511 */
static unsigned rsqrt_estimate(unsigned a)
{
    unsigned low = 511, high = 1024;

    a = a < 256 ? a * 2 + 1 : ((a >> 1 << 1) + 1) * 2;
    /* the largest b with a * b^2 < 2^28, by halving */
    while (high - low > 1) {
        unsigned b = (low + high) / 2;

        if ((uint64_t)a * b * b < 1u << 28)
            low = b;
        else
            high = b;
    }
    return (low + 1) / 2;
}

/* Infinity, or the largest number when rounding goes the other way. */
static uint64_t recip_overflow(struct sf_env *env, struct sf_format f,
                               bool sign)
{
    bool to_inf = env->mode == SF_NEAREST || (env->mode == SF_UP && !sign) ||
                  (env->mode == SF_DOWN && sign);

    env->flags |= FPSR_OFC | FPSR_IXC;
    return sf_inf(f, sign) - !to_inf;
}

uint64_t sf_recpe(struct sf_env *env, struct sf_format f, uint64_t a)
{
    struct sf_num n = sf_unpack(env, f, a);
    uint64_t frac;
    int exp;

    if (sf_is_nan(n))
        return sf_nan(env, f, n, a);
    if (n.class == SF_IS_INF)
        return sf_zero(f, n.sign);
    if (n.class == SF_IS_ZERO) {
        env->flags |= FPSR_DZC;
        return sf_inf(f, n.sign);
    }
    if (n.exp < -sf_bias(f) - 1)
        return recip_overflow(env, f, n.sign);
    if (env->fz && n.exp >= sf_bias(f) - 1) {
        env->flags |= FPSR_UFC;
        return sf_zero(f, n.sign);
    }
    exp = sf_bias(f) - 1 - n.exp;
    frac = recip_estimate((unsigned)(n.sig >> (SF_POINT - 8))) & 0xff;
    frac <<= f.frac_bits - 8;
    if (exp <= 0) {
        /* subnormal: the leading one moves into the fraction */
        frac = (frac | 1ULL << f.frac_bits) >> (1 - exp);
        exp = 0;
    }
    return sf_zero(f, n.sign) | (uint64_t)exp << f.frac_bits | frac;
}

uint64_t sf_rsqrte(struct sf_env *env, struct sf_format f, uint64_t a)
{
    struct sf_num n = sf_unpack(env, f, a);
    int exp;
    unsigned scaled;

    if (sf_is_nan(n))
        return sf_nan(env, f, n, a);
    if (n.class == SF_IS_ZERO) {
        env->flags |= FPSR_DZC;
        return sf_inf(f, n.sign);
    }
    if (n.sign)
        return sf_invalid(env, f);
    if (n.class == SF_IS_INF)
        return 0;
    /* value = scaled / 512 * 4^k, scaled / 512 in [0.25, 1) */
    exp = n.exp + sf_bias(f);
    scaled = (unsigned)(n.sig >> (SF_POINT - 8));
    if (exp & 1)
        scaled >>= 1;
    exp = (3 * sf_bias(f) - 1 - exp) / 2;
    return (uint64_t)exp << f.frac_bits |
           (uint64_t)(rsqrt_estimate(scaled) & 0xff) << (f.frac_bits - 8);
}

uint64_t sf_recpx(struct sf_env *env, struct sf_format f, uint64_t a)
{
    struct sf_num n = sf_unpack(env, f, a);
    uint64_t exp_field = (uint64_t)sf_exp_max(f) << f.frac_bits;

    if (sf_is_nan(n))
        return sf_nan(env, f, n, a);
    if ((a & exp_field) == 0)
        return sf_zero(f, n.sign) | (exp_field - (1ULL << f.frac_bits));
    return sf_zero(f, n.sign) | (~a & exp_field);
}

uint32_t sf_urecpe(uint32_t a)
{
    if (!(a >> 31))
        return UINT32_MAX;
    return recip_estimate(a >> 23) << 23;
}

uint32_t sf_ursqrte(uint32_t a)
{
    if (!(a >> 30))
        return UINT32_MAX;
    return rsqrt_estimate(a >> 23) << 23;
}
