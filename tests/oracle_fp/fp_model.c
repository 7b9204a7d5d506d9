/*
 * Arm's floating point on MPFR. The names in brackets are the pseudocode's.
 */
#include "fp_model.h"

#include <mpfr.h>
#include <stdlib.h>

const struct model_format model_half = {5, 10}, model_single = {8, 23},
                          model_double = {11, 52};

enum kind { ZERO, FINITE, INFINITE, QUIET, SIGNALLING };

/* An operand as [FPUnpack] gives it; `value` for zero, finite, infinite. */
struct operand {
    enum kind kind;
    bool negative;
    uint64_t bits;
    mpfr_ptr value;
};

static mpfr_t scratch[3], result, wide;

void model_init(void)
{
    for (unsigned i = 0; i < 3; i++)
        mpfr_init2(scratch[i], 64);
    mpfr_init2(result, 64);
    mpfr_init2(wide, 256);
}

/* ---- formats ---- */

static uint64_t sign_bit(model_fmt f)
{
    return 1ULL << (f->exp_bits + f->frac_bits);
}

static uint64_t exp_mask(model_fmt f)
{
    return ((1ULL << f->exp_bits) - 1) << f->frac_bits;
}

static uint64_t frac_mask(model_fmt f)
{
    return (1ULL << f->frac_bits) - 1;
}

static int bias(model_fmt f)
{
    return (1 << (f->exp_bits - 1)) - 1;
}

static uint64_t all_ones(model_fmt f)
{
    return sign_bit(f) | (sign_bit(f) - 1);
}

static uint64_t default_nan(model_fmt f)
{
    return exp_mask(f) | 1ULL << (f->frac_bits - 1);
}

static uint64_t infinity(model_fmt f, bool negative)
{
    return exp_mask(f) | (negative ? sign_bit(f) : 0);
}

static uint64_t zero(model_fmt f, bool negative)
{
    return negative ? sign_bit(f) : 0;
}

static mpfr_rnd_t rounding(enum model_round round)
{
    static const mpfr_rnd_t names[] = {MPFR_RNDN, MPFR_RNDU, MPFR_RNDD,
                                       MPFR_RNDZ, MPFR_RNDN, MPFR_RNDZ};

    return names[round];
}

/* [FPUnpack]. FZ does not touch half precision: FZ16 does, which is not
 * promised. */
static struct operand unpack(struct model_env *e, model_fmt f, uint64_t a,
                             unsigned slot)
{
    struct operand o = {.negative = a & sign_bit(f), .bits = a};
    uint64_t frac = a & frac_mask(f), exp = (a & exp_mask(f)) >> f->frac_bits;
    bool top = exp == exp_mask(f) >> f->frac_bits;

    o.value = scratch[slot];
    if (top && !(f == &model_half && e->ahp)) {
        o.kind = frac == 0                        ? INFINITE
                 : frac >> (f->frac_bits - 1) & 1 ? QUIET
                                                  : SIGNALLING;
        mpfr_set_inf(o.value, o.negative ? -1 : 1);
        return o;
    }
    if (exp == 0 && frac != 0 && e->fz && f != &model_half) {
        e->flags |= FLAG_ID;
        o.bits &= sign_bit(f);
        frac = 0;
    }
    o.kind = exp == 0 && frac == 0 ? ZERO : FINITE;
    if (exp != 0)
        frac |= 1ULL << f->frac_bits;
    mpfr_set_uj_2exp(o.value, frac,
                     (exp ? (int)exp : 1) - bias(f) - (int)f->frac_bits,
                     MPFR_RNDN);
    if (o.negative)
        mpfr_neg(o.value, o.value, MPFR_RNDN);
    return o;
}

/* An exact number of the format to its bits. */
static uint64_t pack(model_fmt f, mpfr_ptr x)
{
    uint64_t sign = mpfr_signbit(x) ? sign_bit(f) : 0, significand;
    mpfr_exp_t exp;

    if (mpfr_inf_p(x))
        return sign | exp_mask(f);
    if (mpfr_zero_p(x))
        return sign;
    exp = mpfr_get_exp(x) - 1 + bias(f); /* MPFR: 0.1xxx times 2^exp */
    mpfr_abs(wide, x, MPFR_RNDN);
    if (exp < 1)
        exp = 1;
    mpfr_mul_2si(wide, wide, (long)f->frac_bits + bias(f) - exp, MPFR_RNDN);
    significand = mpfr_get_uj(wide, MPFR_RNDN);
    if (significand >> f->frac_bits == 0)
        return sign | significand;
    return sign | (uint64_t)exp << f->frac_bits | (significand & frac_mask(f));
}

/* ---- rounding [FPRound] ---- */

static void set_precision(model_fmt f)
{
    mpfr_set_prec(result, f->frac_bits + 1);
}

/* The magnitude was below the smallest normal number before rounding. */
static bool was_tiny(model_fmt f, int ternary)
{
    int order;

    mpfr_set_si_2exp(wide, 1, 1 - bias(f), MPFR_RNDN);
    order = mpfr_cmpabs(result, wide);
    if (order != 0)
        return order < 0;
    /* rounded away from zero, up to that number? */
    return mpfr_signbit(result) ? ternary < 0 : ternary > 0;
}

static void fit_exponent(model_fmt f, enum model_round round, int *ternary)
{
    const mpfr_exp_t low = mpfr_get_emin(), high = mpfr_get_emax();

    mpfr_set_emin(2 - bias(f) - (int)f->frac_bits);
    mpfr_set_emax(bias(f) + 1);
    *ternary = mpfr_check_range(result, *ternary, rounding(round));
    *ternary = mpfr_subnormalize(result, *ternary, rounding(round));
    mpfr_set_emin(low);
    mpfr_set_emax(high);
}

/* The alternative half precision has one more exponent instead of infinity,
 * and no overflow but an invalid operation. */
static uint64_t round_alternative(struct model_env *e, model_fmt f, int ternary)
{
    if (mpfr_get_exp(result) - 1 > bias(f) + 1) {
        e->flags |= FLAG_IO;
        return zero(f, mpfr_signbit(result)) | (sign_bit(f) - 1);
    }
    if (ternary)
        e->flags |= FLAG_IX;
    return pack(f, result);
}

/*
 * `result` holds the exact value rounded to the format's precision, with an
 * unbounded exponent, and `ternary` says which way. Make it a number of the
 * format, with its flags.
 */
static uint64_t round_to(struct model_env *e, model_fmt f, int ternary)
{
    bool negative = mpfr_signbit(result), tiny, overflow;
    uint64_t bits;

    if (mpfr_zero_p(result) && ternary == 0)
        return zero(f, negative);
    tiny = was_tiny(f, ternary);
    if (tiny && e->fz && f != &model_half) {
        e->flags |= FLAG_UF;
        return zero(f, negative);
    }
    overflow = mpfr_get_exp(result) - 1 > bias(f);
    if (overflow && f == &model_half && e->ahp)
        return round_alternative(e, f, ternary);
    fit_exponent(f, e->round, &ternary);
    bits = pack(f, result);
    if (e->round == ROUND_ODD && ternary)
        bits |= 1;
    if (ternary)
        e->flags |= FLAG_IX | (tiny ? FLAG_UF : overflow ? FLAG_OF : 0);
    return bits;
}

/* ---- NaNs ---- */

static bool is_nan(const struct operand *o)
{
    return o->kind >= QUIET;
}

/* [FPProcessNaN] */
static uint64_t process_nan(struct model_env *e, model_fmt f,
                            const struct operand *o)
{
    if (o->kind == SIGNALLING)
        e->flags |= FLAG_IO;
    return e->dn ? default_nan(f) : o->bits | 1ULL << (f->frac_bits - 1);
}

/* [FPProcessNaNs], [FPProcessNaNs3]: true when there is one. */
static bool process_nans(struct model_env *e, model_fmt f, unsigned count,
                         const struct operand *const *o, uint64_t *out)
{
    for (unsigned kind = SIGNALLING; kind >= QUIET; kind--)
        for (unsigned i = 0; i < count; i++)
            if (o[i]->kind == kind) {
                *out = process_nan(e, f, o[i]);
                return true;
            }
    return false;
}

static uint64_t invalid(struct model_env *e, model_fmt f)
{
    e->flags |= FLAG_IO;
    return default_nan(f);
}

/* ---- two operands ---- */

struct pair {
    struct operand a, b;
};

static bool unpack_pair(struct model_env *e, model_fmt f, uint64_t a,
                        uint64_t b, struct pair *p, uint64_t *nan)
{
    p->a = unpack(e, f, a, 0);
    p->b = unpack(e, f, b, 1);
    return process_nans(e, f, 2, (const struct operand *[]){&p->a, &p->b}, nan);
}

static uint64_t add_sub(struct model_env *e, model_fmt f, uint64_t a,
                        uint64_t b, bool sub)
{
    struct pair p;
    uint64_t nan;

    if (unpack_pair(e, f, a, b, &p, &nan))
        return nan;
    if (p.a.kind == INFINITE && p.b.kind == INFINITE &&
        (p.a.negative != p.b.negative) != sub)
        return invalid(e, f);
    if (p.a.kind == INFINITE || p.b.kind == INFINITE)
        return infinity(f, p.a.kind == INFINITE ? p.a.negative
                                                : p.b.negative != sub);
    set_precision(f);
    return round_to(
        e, f,
        sub ? mpfr_sub(result, p.a.value, p.b.value, rounding(e->round))
            : mpfr_add(result, p.a.value, p.b.value, rounding(e->round)));
}

uint64_t model_add(struct model_env *e, model_fmt f, uint64_t a, uint64_t b)
{
    return add_sub(e, f, a, b, false);
}

uint64_t model_sub(struct model_env *e, model_fmt f, uint64_t a, uint64_t b)
{
    return add_sub(e, f, a, b, true);
}

/* The magnitude of the difference, NaNs' included [FPAbs of FPSub]. */
uint64_t model_abd(struct model_env *e, model_fmt f, uint64_t a, uint64_t b)
{
    return model_sub(e, f, a, b) & ~sign_bit(f);
}

static uint64_t multiply(struct model_env *e, model_fmt f, uint64_t a,
                         uint64_t b, bool extended)
{
    bool negative, has_infinity;
    struct pair p;
    uint64_t nan;

    if (unpack_pair(e, f, a, b, &p, &nan))
        return nan;
    negative = p.a.negative != p.b.negative;
    has_infinity = p.a.kind == INFINITE || p.b.kind == INFINITE;
    if (has_infinity && (p.a.kind == ZERO || p.b.kind == ZERO)) {
        if (!extended)
            return invalid(e, f);
        /* two */
        return zero(f, negative) | (uint64_t)(bias(f) + 1) << f->frac_bits;
    }
    if (has_infinity)
        return infinity(f, negative);
    set_precision(f);
    return round_to(e, f,
                    mpfr_mul(result, p.a.value, p.b.value, rounding(e->round)));
}

uint64_t model_mul(struct model_env *e, model_fmt f, uint64_t a, uint64_t b)
{
    return multiply(e, f, a, b, false);
}

uint64_t model_nmul(struct model_env *e, model_fmt f, uint64_t a, uint64_t b)
{
    return multiply(e, f, a, b, false) ^ sign_bit(f);
}

uint64_t model_mulx(struct model_env *e, model_fmt f, uint64_t a, uint64_t b)
{
    return multiply(e, f, a, b, true);
}

uint64_t model_div(struct model_env *e, model_fmt f, uint64_t a, uint64_t b)
{
    bool negative;
    struct pair p;
    uint64_t nan;

    if (unpack_pair(e, f, a, b, &p, &nan))
        return nan;
    negative = p.a.negative != p.b.negative;
    if (p.a.kind == p.b.kind && p.a.kind != FINITE)
        return invalid(e, f);
    if (p.a.kind == INFINITE || p.b.kind == ZERO) {
        if (p.a.kind != INFINITE)
            e->flags |= FLAG_DZ;
        return infinity(f, negative);
    }
    if (p.a.kind == ZERO || p.b.kind == INFINITE)
        return zero(f, negative);
    set_precision(f);
    return round_to(e, f,
                    mpfr_div(result, p.a.value, p.b.value, rounding(e->round)));
}

/* The sign decides between zeros. */
static bool is_greater(const struct operand *a, const struct operand *b)
{
    if (a->kind == ZERO && b->kind == ZERO)
        return !a->negative && b->negative;
    return mpfr_greater_p(a->value, b->value);
}

static uint64_t pick(struct model_env *e, model_fmt f, uint64_t a, uint64_t b,
                     bool max)
{
    struct pair p;
    uint64_t nan;

    if (unpack_pair(e, f, a, b, &p, &nan))
        return nan;
    return is_greater(&p.a, &p.b) == max ? p.a.bits : p.b.bits;
}

uint64_t model_max(struct model_env *e, model_fmt f, uint64_t a, uint64_t b)
{
    return pick(e, f, a, b, true);
}

uint64_t model_min(struct model_env *e, model_fmt f, uint64_t a, uint64_t b)
{
    return pick(e, f, a, b, false);
}

/* A quiet NaN beside anything else loses [FPMaxNum], [FPMinNum]. */
static uint64_t pick_number(struct model_env *e, model_fmt f, uint64_t a,
                            uint64_t b, bool max)
{
    unsigned flags = e->flags;
    bool a_quiet = unpack(e, f, a, 0).kind == QUIET;
    bool b_quiet = unpack(e, f, b, 1).kind == QUIET;

    e->flags = flags; /* the operands are looked at once more */
    if (a_quiet && !b_quiet)
        a = infinity(f, max);
    if (b_quiet && !a_quiet)
        b = infinity(f, max);
    return pick(e, f, a, b, max);
}

uint64_t model_maxnm(struct model_env *e, model_fmt f, uint64_t a, uint64_t b)
{
    return pick_number(e, f, a, b, true);
}

uint64_t model_minnm(struct model_env *e, model_fmt f, uint64_t a, uint64_t b)
{
    return pick_number(e, f, a, b, false);
}

/* ---- steps: 2 - a * b and (3 - a * b) / 2, fused ---- */

static uint64_t step(struct model_env *e, model_fmt f, uint64_t a, uint64_t b,
                     unsigned from, unsigned halve)
{
    struct pair p;
    uint64_t nan;
    int ternary;

    if (unpack_pair(e, f, a ^ sign_bit(f), b, &p, &nan))
        return nan;
    if ((p.a.kind == INFINITE && p.b.kind == ZERO) ||
        (p.a.kind == ZERO && p.b.kind == INFINITE)) {
        mpfr_set_ui(result, from, MPFR_RNDN);
        mpfr_div_2ui(result, result, halve, MPFR_RNDN);
        return pack(f, result);
    }
    if (p.a.kind == INFINITE || p.b.kind == INFINITE)
        return infinity(f, p.a.negative != p.b.negative);
    mpfr_set_ui(scratch[2], from, MPFR_RNDN);
    set_precision(f);
    ternary =
        mpfr_fma(result, p.a.value, p.b.value, scratch[2], rounding(e->round));
    mpfr_div_2ui(result, result, halve, MPFR_RNDN);
    return round_to(e, f, ternary);
}

uint64_t model_recps(struct model_env *e, model_fmt f, uint64_t a, uint64_t b)
{
    return step(e, f, a, b, 2, 0);
}

uint64_t model_rsqrts(struct model_env *e, model_fmt f, uint64_t a, uint64_t b)
{
    return step(e, f, a, b, 3, 1);
}

/* ---- comparing ---- */

enum relation { LESS, EQUAL, GREATER, UNORDERED };

static enum relation compare(struct model_env *e, model_fmt f, uint64_t a,
                             uint64_t b, bool signal)
{
    struct operand x = unpack(e, f, a, 0), y = unpack(e, f, b, 1);
    int order;

    if (is_nan(&x) || is_nan(&y)) {
        if (signal || x.kind == SIGNALLING || y.kind == SIGNALLING)
            e->flags |= FLAG_IO;
        return UNORDERED;
    }
    order = mpfr_cmp(x.value, y.value);
    return order < 0 ? LESS : order > 0 ? GREATER : EQUAL;
}

static const uint64_t relation_nzcv[] = {
    [LESS] = 8ULL << 28,
    [EQUAL] = 6ULL << 28,
    [GREATER] = 2ULL << 28,
    [UNORDERED] = 3ULL << 28,
};

uint64_t model_cmp(struct model_env *e, model_fmt f, uint64_t a, uint64_t b)
{
    return relation_nzcv[compare(e, f, a, b, false)];
}

uint64_t model_cmpe(struct model_env *e, model_fmt f, uint64_t a, uint64_t b)
{
    return relation_nzcv[compare(e, f, a, b, true)];
}

uint64_t model_cmeq(struct model_env *e, model_fmt f, uint64_t a, uint64_t b)
{
    return compare(e, f, a, b, false) == EQUAL ? all_ones(f) : 0;
}

uint64_t model_cmge(struct model_env *e, model_fmt f, uint64_t a, uint64_t b)
{
    enum relation r = compare(e, f, a, b, true);

    return r == EQUAL || r == GREATER ? all_ones(f) : 0;
}

uint64_t model_cmgt(struct model_env *e, model_fmt f, uint64_t a, uint64_t b)
{
    return compare(e, f, a, b, true) == GREATER ? all_ones(f) : 0;
}

uint64_t model_acge(struct model_env *e, model_fmt f, uint64_t a, uint64_t b)
{
    return model_cmge(e, f, a & ~sign_bit(f), b & ~sign_bit(f));
}

uint64_t model_acgt(struct model_env *e, model_fmt f, uint64_t a, uint64_t b)
{
    return model_cmgt(e, f, a & ~sign_bit(f), b & ~sign_bit(f));
}

/* ---- one operand ---- */

uint64_t model_sqrt(struct model_env *e, model_fmt f, uint64_t a)
{
    struct operand o = unpack(e, f, a, 0);

    if (is_nan(&o))
        return process_nan(e, f, &o);
    if (o.kind == ZERO)
        return zero(f, o.negative);
    if (o.negative)
        return invalid(e, f);
    if (o.kind == INFINITE)
        return o.bits;
    set_precision(f);
    return round_to(e, f, mpfr_sqrt(result, o.value, rounding(e->round)));
}

/* The fraction, 1.0 to 2.0, of an estimate with 8 bits behind the point. */
static uint64_t from_estimate(model_fmt f, bool negative, double estimate,
                              long exp)
{
    mpfr_set_prec(result, 64);
    mpfr_set_d(result, negative ? -estimate : estimate, MPFR_RNDN);
    mpfr_mul_2si(result, result, exp, MPFR_RNDN);
    return pack(f, result);
}

/*
 * [RecipEstimate] as the manual gives it in real numbers: the operand, 0.5 to
 * 1.0, is cut to 8 fraction bits and taken as the middle of its interval; the
 * reciprocal of that, rounded to 8 bits behind the point.
 */
static double estimate_reciprocal(double a)
{
    double middle = ((int)(a * 512.0) + 0.5) / 512.0;

    return (int)(256.0 / middle + 0.5) / 256.0;
}

/* Into 0.5 to 1.0 (times 2^exp, even where asked). */
static double normalise(mpfr_ptr x, bool even, long *exp)
{
    double m = mpfr_get_d_2exp(exp, x, MPFR_RNDZ);

    if (m < 0)
        m = -m;
    if (even && (*exp & 1)) {
        m /= 2;
        ++*exp;
    }
    return m;
}

uint64_t model_recpe(struct model_env *e, model_fmt f, uint64_t a)
{
    struct operand o = unpack(e, f, a, 0);
    bool to_infinity;
    double m;
    long exp;

    if (is_nan(&o))
        return process_nan(e, f, &o);
    if (o.kind == INFINITE)
        return zero(f, o.negative);
    if (o.kind == ZERO) {
        e->flags |= FLAG_DZ;
        return infinity(f, o.negative);
    }
    m = normalise(o.value, false, &exp);
    if (exp <= -bias(f) - 1) { /* below 2^-128, 2^-1024 */
        e->flags |= FLAG_OF | FLAG_IX;
        to_infinity = e->round == ROUND_NEAREST ||
                      e->round == (o.negative ? ROUND_DOWN : ROUND_UP);
        return infinity(f, o.negative) - !to_infinity;
    }
    if (e->fz && exp >= bias(f)) { /* from 2^126, 2^1022 on */
        e->flags |= FLAG_UF;
        return zero(f, o.negative);
    }
    return from_estimate(f, o.negative, estimate_reciprocal(m), -exp);
}

static double square_root(double a)
{
    mpfr_set_prec(result, 120);
    mpfr_set_d(result, a, MPFR_RNDN);
    mpfr_sqrt(result, result, MPFR_RNDN);
    return mpfr_get_d(result, MPFR_RNDN);
}

/* [RecipSqrtEstimate], operand 0.25 to 1.0: 9 bits kept below a half, 8 from
 * there on. */
static double estimate_reciprocal_root(double a)
{
    double steps = a < 0.5 ? 512.0 : 256.0;
    double middle = ((int)(a * steps) + 0.5) / steps;

    return (int)(256.0 / square_root(middle) + 0.5) / 256.0;
}

uint64_t model_rsqrte(struct model_env *e, model_fmt f, uint64_t a)
{
    struct operand o = unpack(e, f, a, 0);
    double m;
    long exp;

    if (is_nan(&o))
        return process_nan(e, f, &o);
    if (o.kind == ZERO) {
        e->flags |= FLAG_DZ;
        return infinity(f, o.negative);
    }
    if (o.negative)
        return invalid(e, f);
    if (o.kind == INFINITE)
        return 0;
    m = normalise(o.value, true, &exp);
    return from_estimate(f, false, estimate_reciprocal_root(m), -exp / 2);
}

uint32_t model_urecpe(uint32_t a)
{
    if (a < 0x80000000)
        return ~0u;
    return (uint32_t)(estimate_reciprocal(a / 4294967296.0) * 2147483648.0);
}

uint32_t model_ursqrte(uint32_t a)
{
    if (a < 0x40000000)
        return ~0u;
    return (uint32_t)(estimate_reciprocal_root(a / 4294967296.0) *
                      2147483648.0);
}

/* [FPRecpX]: the exponent's complement; the largest finite for zero. */
uint64_t model_recpx(struct model_env *e, model_fmt f, uint64_t a)
{
    struct operand o = unpack(e, f, a, 0);
    uint64_t exp = o.bits & exp_mask(f);

    if (is_nan(&o))
        return process_nan(e, f, &o);
    if (exp == 0)
        exp = exp_mask(f) - (1ULL << f->frac_bits);
    else
        exp ^= exp_mask(f);
    return zero(f, o.negative) | exp;
}

/* ---- fused ---- */

uint64_t model_muladd(struct model_env *e, model_fmt f, uint64_t addend,
                      uint64_t n, uint64_t m)
{
    struct operand a = unpack(e, f, addend, 2), x, y;
    bool invalid_product, negative;
    uint64_t nan;

    x = unpack(e, f, n, 0);
    y = unpack(e, f, m, 1);
    invalid_product = (x.kind == INFINITE && y.kind == ZERO) ||
                      (x.kind == ZERO && y.kind == INFINITE);
    if (a.kind == QUIET && invalid_product)
        return invalid(e, f);
    if (process_nans(e, f, 3, (const struct operand *[]){&a, &x, &y}, &nan))
        return nan;
    negative = x.negative != y.negative;
    if (invalid_product)
        return invalid(e, f);
    if (x.kind == INFINITE || y.kind == INFINITE) {
        if (a.kind == INFINITE && a.negative != negative)
            return invalid(e, f);
        return infinity(f, negative);
    }
    if (a.kind == INFINITE)
        return a.bits;
    set_precision(f);
    return round_to(
        e, f, mpfr_fma(result, x.value, y.value, a.value, rounding(e->round)));
}

/* ---- conversions ---- */

/* [FPConvertNaN]: the top of the fraction is kept. */
static uint64_t convert_nan(model_fmt to, model_fmt from, uint64_t a)
{
    uint64_t frac = a & frac_mask(from), sign = a & sign_bit(from);

    frac = to->frac_bits >= from->frac_bits
               ? frac << (to->frac_bits - from->frac_bits)
               : frac >> (from->frac_bits - to->frac_bits);
    return zero(to, sign) | default_nan(to) | frac;
}

uint64_t model_convert(struct model_env *e, model_fmt to, model_fmt from,
                       uint64_t a)
{
    struct operand o = unpack(e, from, a, 0);
    bool alternative = to == &model_half && e->ahp;

    if (is_nan(&o)) {
        if (o.kind == SIGNALLING || alternative)
            e->flags |= FLAG_IO;
        if (alternative)
            return zero(to, o.negative);
        return e->dn ? default_nan(to) : convert_nan(to, from, a);
    }
    if (o.kind == INFINITE) {
        if (!alternative)
            return infinity(to, o.negative);
        e->flags |= FLAG_IO;
        return all_ones(to) & ~(o.negative ? 0 : sign_bit(to));
    }
    if (o.kind == ZERO)
        return zero(to, o.negative);
    set_precision(to);
    return round_to(e, to, mpfr_set(result, o.value, rounding(e->round)));
}

/* To an integer; the result says whether that changed it. */
static bool to_integer(mpfr_ptr x, enum model_round round)
{
    if (round == ROUND_AWAY)
        return mpfr_round(x, x) != 0;
    return mpfr_rint(x, x, rounding(round)) != 0;
}

uint64_t model_round_int(struct model_env *e, model_fmt f, uint64_t a,
                         enum model_round round, bool exact)
{
    struct operand o = unpack(e, f, a, 0);

    if (is_nan(&o))
        return process_nan(e, f, &o);
    if (o.kind != FINITE)
        return o.bits;
    if (to_integer(o.value, round) && exact)
        e->flags |= FLAG_IX;
    return pack(f, o.value);
}

/* The nearest end of the integer's range. */
static uint64_t saturated(bool negative, bool is_unsigned, unsigned width)
{
    uint64_t ones = ~0ULL >> (64 - width);

    if (is_unsigned)
        return negative ? 0 : ones;
    return negative ? 1ULL << (width - 1) : ones >> 1;
}

uint64_t model_to_fixed(struct model_env *e, model_fmt f, uint64_t a,
                        unsigned fbits, bool is_unsigned, unsigned width,
                        enum model_round round)
{
    struct operand o = unpack(e, f, a, 0);
    bool inexact;

    if (is_nan(&o)) {
        e->flags |= FLAG_IO;
        return 0;
    }
    if (o.kind == ZERO)
        return 0;
    if (o.kind == FINITE) {
        mpfr_mul_2ui(o.value, o.value, fbits, MPFR_RNDN);
        inexact = to_integer(o.value, round);
        mpfr_set_ui_2exp(wide, 1, is_unsigned ? width : width - 1, MPFR_RNDN);
        /* in [-2^(width - 1), 2^(width - 1)) or [0, 2^width) */
        if (mpfr_less_p(o.value, wide) &&
            (mpfr_sgn(o.value) >= 0 ||
             (!is_unsigned && mpfr_cmpabs(o.value, wide) <= 0))) {
            if (inexact)
                e->flags |= FLAG_IX;
            return (mpfr_sgn(o.value) < 0
                        ? (uint64_t)mpfr_get_sj(o.value, MPFR_RNDN)
                        : mpfr_get_uj(o.value, MPFR_RNDN)) &
                   ~0ULL >> (64 - width);
        }
    }
    e->flags |= FLAG_IO;
    return saturated(o.negative, is_unsigned, width);
}

uint64_t model_from_fixed(struct model_env *e, model_fmt f, uint64_t a,
                          unsigned fbits, bool is_unsigned, unsigned width)
{
    a &= ~0ULL >> (64 - width);
    if (a == 0)
        return 0;
    if (is_unsigned)
        mpfr_set_uj(wide, a, MPFR_RNDN);
    else
        mpfr_set_sj(wide, (int64_t)(a << (64 - width)) >> (64 - width),
                    MPFR_RNDN);
    mpfr_div_2ui(wide, wide, fbits, MPFR_RNDN);
    set_precision(f);
    return round_to(e, f, mpfr_set(result, wide, rounding(e->round)));
}
