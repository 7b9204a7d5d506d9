/*
 * Softfloat's arithmetic: taking apart, rounding, NaNs, and the operations
 * whose results are rounded values or comparisons.
 */
#include "softfloat_core.h"

static unsigned leading_zeros(sf_u128 x)
{
    uint64_t high = (uint64_t)(x >> 64);

    return high ? (unsigned)__builtin_clzll(high)
                : 64 + (unsigned)__builtin_clzll((uint64_t)x);
}

void sf_normalise(struct sf_num *n)
{
    int up = (int)leading_zeros(n->sig) - (127 - SF_POINT);

    if (up >= 0)
        n->sig <<= up;
    else
        n->sig = sf_shift_right_jam(n->sig, (unsigned)-up);
    n->exp -= up;
}

struct sf_num sf_unpack(struct sf_env *env, struct sf_format f, uint64_t a)
{
    unsigned exp = (unsigned)(a >> f.frac_bits) & sf_exp_max(f);
    uint64_t frac = a & sf_frac_mask(f);
    struct sf_num n = {.sign = (a & sf_sign_bit(f)) != 0};

    /* Alternative half precision has neither infinities nor NaNs. */
    if (exp == sf_exp_max(f) && !(sf_is_half(f) && env->ahp)) {
        if (frac == 0)
            n.class = SF_IS_INF;
        else
            n.class = frac >> (f.frac_bits - 1) ? SF_IS_QNAN : SF_IS_SNAN;
        return n;
    }
    /* FZ does not concern half precision (FZ16 would, and is not shown). */
    if (exp == 0 && frac != 0 && env->fz && !sf_is_half(f)) {
        env->flags |= FPSR_IDC;
        frac = 0;
    }
    if (exp == 0 && frac == 0) {
        n.class = SF_IS_ZERO;
        return n;
    }
    n.class = SF_IS_FINITE;
    if (exp == 0)
        exp = 1;
    else
        frac |= 1ULL << f.frac_bits;
    n.exp = (int)exp - sf_bias(f);
    n.sig = (sf_u128)frac << (SF_POINT - f.frac_bits);
    sf_normalise(&n);
    return n;
}

bool sf_rounds_up(enum sf_round mode, bool sign, bool odd, sf_u128 rest,
                  sf_u128 half)
{
    switch (mode) {
    case SF_NEAREST:
        return rest > half || (rest == half && odd);
    case SF_AWAY:
        return rest >= half;
    case SF_UP:
        return rest != 0 && !sign;
    case SF_DOWN:
        return rest != 0 && sign;
    case SF_ZERO:
    case SF_ODD:
        break;
    }
    return false;
}

/* The value is too large for the format. */
static uint64_t overflow(struct sf_env *env, struct sf_format f, bool sign,
                         enum sf_round mode)
{
    env->flags |= FPSR_OFC | FPSR_IXC;
    /* Half a unit beyond the largest number is a matter of direction. */
    if (sf_rounds_up(mode, sign, true, 1, 1))
        return sf_inf(f, sign);
    return sf_inf(f, sign) - 1;
}

uint64_t sf_pack(struct sf_env *env, struct sf_format f, struct sf_num n,
                 enum sf_round mode)
{
    unsigned drop = SF_POINT - f.frac_bits;
    int exp = n.exp + sf_bias(f); /* biased; below 1 is subnormal */
    bool half_alt = sf_is_half(f) && env->ahp;

    /* Tininess is judged before rounding. */
    if (exp < 1) {
        if (env->fz && !sf_is_half(f)) {
            env->flags |= FPSR_UFC;
            return sf_zero(f, n.sign);
        }
        n.sig = sf_shift_right_jam(n.sig, (unsigned)(1 - exp));
        exp = 0;
    }

    sf_u128 rest = n.sig & (((sf_u128)1 << drop) - 1);
    uint64_t mant = (uint64_t)(n.sig >> drop);

    if (exp == 0 && rest != 0)
        env->flags |= FPSR_UFC;
    if (sf_rounds_up(mode, n.sign, mant & 1, rest, (sf_u128)1 << (drop - 1)))
        mant++;
    if (exp == 0 && mant >> f.frac_bits)
        exp = 1;
    if (mant >> (f.frac_bits + 1)) {
        mant >>= 1;
        exp++;
    }
    if (mode == SF_ODD && rest != 0)
        mant |= 1;
    if (half_alt && exp > (int)sf_exp_max(f)) {
        env->flags |= FPSR_IOC;
        return sf_zero(f, n.sign) | (sf_sign_bit(f) - 1);
    }
    if (!half_alt && exp >= (int)sf_exp_max(f))
        return overflow(env, f, n.sign, mode);
    if (rest != 0)
        env->flags |= FPSR_IXC;
    return sf_zero(f, n.sign) | (uint64_t)exp << f.frac_bits |
           (mant & sf_frac_mask(f));
}

/* ---- NaNs ---------------------------------------------------------------- */

uint64_t sf_nan(struct sf_env *env, struct sf_format f, struct sf_num n,
                uint64_t a)
{
    if (n.class == SF_IS_SNAN)
        env->flags |= FPSR_IOC;
    return env->dn ? sf_default_nan(f) : a | 1ULL << (f.frac_bits - 1);
}

bool sf_nans(struct sf_env *env, struct sf_format f, struct sf_num a,
             uint64_t a_bits, struct sf_num b, uint64_t b_bits,
             uint64_t *result)
{
    /* Signalling ones first, then by position. */
    if (a.class == SF_IS_SNAN)
        *result = sf_nan(env, f, a, a_bits);
    else if (b.class == SF_IS_SNAN)
        *result = sf_nan(env, f, b, b_bits);
    else if (a.class == SF_IS_QNAN)
        *result = sf_nan(env, f, a, a_bits);
    else if (b.class == SF_IS_QNAN)
        *result = sf_nan(env, f, b, b_bits);
    else
        return false;
    return true;
}

/* ---- add, multiply, fused ------------------------------------------------ */

struct sf_num sf_add_num(struct sf_num a, struct sf_num b)
{
    if (a.exp < b.exp || (a.exp == b.exp && a.sig < b.sig)) {
        struct sf_num t = a;

        a = b;
        b = t;
    }
    b.sig = sf_shift_right_jam(b.sig, (unsigned)(a.exp - b.exp));
    if (a.sign == b.sign)
        a.sig += b.sig; /* below 2^128 */
    else
        a.sig -= b.sig;
    if (a.sig == 0)
        a.class = SF_IS_ZERO;
    else
        sf_normalise(&a);
    return a;
}

struct sf_num sf_mul_num(struct sf_num a, struct sf_num b)
{
    /* Both significands have 53 bits, so nothing is lost here. */
    sf_u128 product = (a.sig >> 63) * (b.sig >> 63);
    struct sf_num n = {
        .class = SF_IS_FINITE,
        .sign = a.sign != b.sign,
        .exp = a.exp + b.exp,
        .sig = product,
    };

    sf_normalise(&n);
    return n;
}

static uint64_t exact_zero(const struct sf_env *env, struct sf_format f)
{
    return sf_zero(f, env->mode == SF_DOWN);
}

/* a + b without NaNs; bits are for operands that are their own sum. */
static uint64_t sum(struct sf_env *env, struct sf_format f, struct sf_num a,
                    struct sf_num b)
{
    if (a.class == SF_IS_INF && b.class == SF_IS_INF && a.sign != b.sign)
        return sf_invalid(env, f);
    if (a.class == SF_IS_INF || b.class == SF_IS_INF)
        return sf_inf(f, a.class == SF_IS_INF ? a.sign : b.sign);
    if (a.class == SF_IS_ZERO && b.class == SF_IS_ZERO)
        return a.sign == b.sign ? sf_zero(f, a.sign) : exact_zero(env, f);
    if (a.class == SF_IS_ZERO)
        return sf_pack(env, f, b, env->mode);
    if (b.class == SF_IS_ZERO)
        return sf_pack(env, f, a, env->mode);
    a = sf_add_num(a, b);
    if (a.class == SF_IS_ZERO)
        return exact_zero(env, f);
    return sf_pack(env, f, a, env->mode);
}

uint64_t sf_add(struct sf_env *env, struct sf_format f, uint64_t a, uint64_t b)
{
    struct sf_num x = sf_unpack(env, f, a), y = sf_unpack(env, f, b);
    uint64_t result;

    if (sf_nans(env, f, x, a, y, b, &result))
        return result;
    return sum(env, f, x, y);
}

uint64_t sf_sub(struct sf_env *env, struct sf_format f, uint64_t a, uint64_t b)
{
    struct sf_num x = sf_unpack(env, f, a), y = sf_unpack(env, f, b);
    uint64_t result;

    if (sf_nans(env, f, x, a, y, b, &result))
        return result;
    y.sign = !y.sign;
    return sum(env, f, x, y);
}

/* The product's class and sign; true when infinity meets zero. */
static bool product_class(struct sf_num a, struct sf_num b, struct sf_num *p)
{
    bool inf = a.class == SF_IS_INF || b.class == SF_IS_INF;
    bool zero = a.class == SF_IS_ZERO || b.class == SF_IS_ZERO;

    if (!inf && !zero) {
        *p = sf_mul_num(a, b);
        return false;
    }
    *p = (struct sf_num){
        .class = inf ? SF_IS_INF : SF_IS_ZERO,
        .sign = a.sign != b.sign,
    };
    return inf && zero;
}

static uint64_t pack_any(struct sf_env *env, struct sf_format f,
                         struct sf_num n)
{
    if (n.class == SF_IS_INF)
        return sf_inf(f, n.sign);
    if (n.class == SF_IS_ZERO)
        return sf_zero(f, n.sign);
    return sf_pack(env, f, n, env->mode);
}

uint64_t sf_mul(struct sf_env *env, struct sf_format f, uint64_t a, uint64_t b)
{
    struct sf_num x = sf_unpack(env, f, a), y = sf_unpack(env, f, b), p;
    uint64_t result;

    if (sf_nans(env, f, x, a, y, b, &result))
        return result;
    if (product_class(x, y, &p))
        return sf_invalid(env, f);
    return pack_any(env, f, p);
}

/* 2.0 and 1.5, what the step instructions and FMULX make of inf * 0. */
static uint64_t two(struct sf_format f, bool sign)
{
    return sf_zero(f, sign) | (uint64_t)(sf_bias(f) + 1) << f.frac_bits;
}

static uint64_t one_and_a_half(struct sf_format f)
{
    return (uint64_t)sf_bias(f) << f.frac_bits | 1ULL << (f.frac_bits - 1);
}

uint64_t sf_mulx(struct sf_env *env, struct sf_format f, uint64_t a, uint64_t b)
{
    struct sf_num x = sf_unpack(env, f, a), y = sf_unpack(env, f, b), p;
    uint64_t result;

    if (sf_nans(env, f, x, a, y, b, &result))
        return result;
    if (product_class(x, y, &p))
        return two(f, p.sign);
    return pack_any(env, f, p);
}

uint64_t sf_muladd(struct sf_env *env, struct sf_format f, uint64_t addend,
                   uint64_t n, uint64_t m)
{
    struct sf_num a = sf_unpack(env, f, addend);
    struct sf_num x = sf_unpack(env, f, n), y = sf_unpack(env, f, m), p;
    uint64_t result;
    bool inf_zero;

    if (a.class == SF_IS_SNAN)
        return sf_nan(env, f, a, addend);
    if (x.class == SF_IS_SNAN || y.class == SF_IS_SNAN) {
        sf_nans(env, f, x, n, y, m, &result);
        return result;
    }
    inf_zero = !sf_is_nan(x) && !sf_is_nan(y) && product_class(x, y, &p);
    if (inf_zero)
        return sf_invalid(env, f); /* even when the addend is a quiet NaN */
    if (a.class == SF_IS_QNAN)
        return sf_nan(env, f, a, addend);
    if (sf_nans(env, f, x, n, y, m, &result))
        return result;
    return sum(env, f, a, p);
}

/* base + (-n) * m, halved at the end when asked: the two Newton steps. */
static uint64_t step(struct sf_env *env, struct sf_format f, uint64_t n,
                     uint64_t m, uint64_t base, bool halve)
{
    struct sf_num x, y, p, sum_num;
    uint64_t result;

    n ^= sf_sign_bit(f);
    x = sf_unpack(env, f, n);
    y = sf_unpack(env, f, m);
    if (sf_nans(env, f, x, n, y, m, &result))
        return result;
    if (product_class(x, y, &p))
        return halve ? one_and_a_half(f) : two(f, false);
    if (p.class == SF_IS_INF)
        return sf_inf(f, p.sign);
    sum_num = sf_unpack(env, f, base);
    if (p.class == SF_IS_FINITE)
        sum_num = sf_add_num(sum_num, p);
    if (sum_num.class == SF_IS_ZERO)
        return exact_zero(env, f);
    sum_num.exp -= halve;
    return sf_pack(env, f, sum_num, env->mode);
}

uint64_t sf_recps(struct sf_env *env, struct sf_format f, uint64_t a,
                  uint64_t b)
{
    return step(env, f, a, b, two(f, false), false);
}

uint64_t sf_rsqrts(struct sf_env *env, struct sf_format f, uint64_t a,
                   uint64_t b)
{
    uint64_t three = two(f, false) | 1ULL << (f.frac_bits - 1);

    return step(env, f, a, b, three, true);
}

/* ---- divide, square root ------------------------------------------------- */

uint64_t sf_div(struct sf_env *env, struct sf_format f, uint64_t a, uint64_t b)
{
    struct sf_num x = sf_unpack(env, f, a), y = sf_unpack(env, f, b);
    bool sign = x.sign != y.sign;
    uint64_t result;

    if (sf_nans(env, f, x, a, y, b, &result))
        return result;
    if (x.class == y.class && x.class != SF_IS_FINITE)
        return sf_invalid(env, f); /* inf / inf, 0 / 0 */
    if (x.class == SF_IS_INF || y.class == SF_IS_ZERO) {
        if (x.class != SF_IS_INF)
            env->flags |= FPSR_DZC;
        return sf_inf(f, sign);
    }
    if (x.class == SF_IS_ZERO || y.class == SF_IS_INF)
        return sf_zero(f, sign);

    /* 64-bit significands; the quotient is between 2^62 and 2^64 */
    uint64_t num = (uint64_t)(x.sig >> 63), den = (uint64_t)(y.sig >> 63);
    sf_u128 wide = (sf_u128)num << 63;
    struct sf_num n = {
        .class = SF_IS_FINITE,
        .sign = sign,
        .exp = x.exp - y.exp,
        .sig = (wide / den) << 63 | (wide % den != 0),
    };

    sf_normalise(&n);
    return sf_pack(env, f, n, env->mode);
}

/* floor(sqrt(x)), with *exact told. */
static uint64_t square_root(sf_u128 x, bool *exact)
{
    uint64_t root = 0;

    for (int i = 63; i >= 0; i--) {
        uint64_t next = root | 1ULL << i;

        if ((sf_u128)next * next <= x)
            root = next;
    }
    *exact = (sf_u128)root * root == x;
    return root;
}

uint64_t sf_sqrt(struct sf_env *env, struct sf_format f, uint64_t a)
{
    struct sf_num n = sf_unpack(env, f, a);
    bool exact;

    if (sf_is_nan(n))
        return sf_nan(env, f, n, a);
    if (n.class == SF_IS_ZERO)
        return sf_zero(f, n.sign);
    if (n.sign)
        return sf_invalid(env, f);
    if (n.class == SF_IS_INF)
        return sf_inf(f, false);
    if (n.exp & 1) {
        n.sig <<= 1;
        n.exp--;
    }
    n.exp /= 2;
    n.sig = (sf_u128)square_root(n.sig, &exact) << 63;
    n.sig |= !exact;
    return sf_pack(env, f, n, env->mode);
}

/* ---- order --------------------------------------------------------------- */

/* Neither is a NaN. */
static enum sf_relation order(struct sf_num a, struct sf_num b)
{
    bool less;

    if (a.class == SF_IS_ZERO && b.class == SF_IS_ZERO)
        return SF_EQUAL;
    if (a.class == SF_IS_ZERO)
        return b.sign ? SF_GREATER : SF_LESS;
    if (b.class == SF_IS_ZERO || a.sign != b.sign)
        return a.sign ? SF_LESS : SF_GREATER;
    if (a.class == SF_IS_INF || b.class == SF_IS_INF) {
        if (a.class == b.class)
            return SF_EQUAL;
        less = b.class == SF_IS_INF;
    } else if (a.exp != b.exp) {
        less = a.exp < b.exp;
    } else if (a.sig != b.sig) {
        less = a.sig < b.sig;
    } else {
        return SF_EQUAL;
    }
    return less != a.sign ? SF_LESS : SF_GREATER;
}

enum sf_relation sf_compare(struct sf_env *env, struct sf_format f, uint64_t a,
                            uint64_t b, bool signal)
{
    struct sf_num x = sf_unpack(env, f, a), y = sf_unpack(env, f, b);

    if (sf_is_nan(x) || sf_is_nan(y)) {
        if (signal || x.class == SF_IS_SNAN || y.class == SF_IS_SNAN)
            env->flags |= FPSR_IOC;
        return SF_UNORDERED;
    }
    return order(x, y);
}

/* The larger (or smaller) of two numbers; of zeros, by sign. */
static uint64_t pick(struct sf_env *env, struct sf_format f, uint64_t a,
                     uint64_t b, bool larger)
{
    struct sf_num x = sf_unpack(env, f, a), y = sf_unpack(env, f, b);
    uint64_t result;
    bool first;

    if (sf_nans(env, f, x, a, y, b, &result))
        return result;
    if (x.class == SF_IS_ZERO && y.class == SF_IS_ZERO)
        return sf_zero(f, larger ? x.sign && y.sign : x.sign || y.sign);
    first = order(x, y) == (larger ? SF_GREATER : SF_LESS);
    if ((first ? x : y).class == SF_IS_ZERO)
        return sf_zero(f, first ? x.sign : y.sign); /* it may be flushed */
    return first ? a : b;
}

uint64_t sf_max(struct sf_env *env, struct sf_format f, uint64_t a, uint64_t b)
{
    return pick(env, f, a, b, true);
}

uint64_t sf_min(struct sf_env *env, struct sf_format f, uint64_t a, uint64_t b)
{
    return pick(env, f, a, b, false);
}

static bool is_quiet_nan(struct sf_format f, uint64_t a)
{
    return (a & sf_default_nan(f)) == sf_default_nan(f);
}

/* FPMaxNum, FPMinNum: one quiet NaN loses against anything else. */
static uint64_t pick_number(struct sf_env *env, struct sf_format f, uint64_t a,
                            uint64_t b, bool larger)
{
    bool a_quiet = is_quiet_nan(f, a), b_quiet = is_quiet_nan(f, b);

    if (a_quiet && !b_quiet)
        a = sf_inf(f, larger);
    else if (b_quiet && !a_quiet)
        b = sf_inf(f, larger);
    return pick(env, f, a, b, larger);
}

uint64_t sf_maxnm(struct sf_env *env, struct sf_format f, uint64_t a,
                  uint64_t b)
{
    return pick_number(env, f, a, b, true);
}

uint64_t sf_minnm(struct sf_env *env, struct sf_format f, uint64_t a,
                  uint64_t b)
{
    return pick_number(env, f, a, b, false);
}
