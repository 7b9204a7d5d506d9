/*
 * Conversions: between formats, between floating point and integers or fixed
 * point, and to whole numbers; scalar and vector.
 */
#include "fp_fast.h"

/* FCVTxS and FCVTxU name a direction; so do FRINTx. The values 0 to 3 are
 * those of RMode, and of the fields that encode the direction. */
static enum sf_round fpcr_mode(const struct a64_cpu *cpu)
{
    return cpu->fpcr >> 22 & 3;
}

/* ---- to a whole number, in integers -------------------------------------- */

/*
 * |a|, rounded to a whole number, for a value below 2^frac_bits.
 * This needs no host unit and no softfloat, which is what makes floor(),
 * rint() and lround() quick.
 */
static inline uint64_t whole(uint64_t a, unsigned exp_bits, unsigned frac_bits,
                             enum sf_round mode, bool *inexact)
{
    bool sign = a >> (exp_bits + frac_bits) & 1;
    int bias = (1 << (exp_bits - 1)) - 1;
    int exp = (int)(a >> frac_bits & ((1u << exp_bits) - 1)) - bias;
    uint64_t mant = (a & ((1ULL << frac_bits) - 1)) | 1ULL << frac_bits;
    uint64_t mag, rest, half;
    unsigned drop;

    if (exp < -1) {
        /* far below a half: only whether it is zero matters */
        mag = 0;
        half = 2;
        rest = (a & ((1ULL << (exp_bits + frac_bits)) - 1)) != 0;
    } else {
        drop = frac_bits - (unsigned)exp;
        mag = mant >> drop;
        rest = mant & ((1ULL << drop) - 1);
        half = 1ULL << drop >> 1;
    }
    *inexact = rest != 0;
    switch (mode) {
    case SF_NEAREST:
        return mag + (rest > half || (rest == half && (mag & 1)));
    case SF_AWAY:
        return mag + (rest >= half);
    case SF_UP:
        return mag + (rest && !sign);
    case SF_DOWN:
        return mag + (rest && sign);
    default:
        return mag;
    }
}

static inline unsigned exponent_f64(double a)
{
    return bits_of_f64(a) >> 52 & 0x7ff;
}

static inline unsigned exponent_f32(float a)
{
    return bits_of_f32(a) >> 23 & 0xff;
}

/* ---- FRINT --------------------------------------------------------------- */

#define ROUND_TYPE(type, suffix, format, exp_bits, frac_bits)                  \
    FP_COLD static type round_slow_##suffix(struct a64_cpu *cpu, type a,       \
                                            enum sf_round mode, bool exact)    \
    {                                                                          \
        struct sf_env env = fp_env(cpu);                                       \
        uint64_t r =                                                           \
            sf_round_int(&env, format, bits_of_##suffix(a), mode, exact);      \
                                                                               \
        cpu->fpsr |= env.flags;                                                \
        return suffix##_of_bits(r);                                            \
    }                                                                          \
    static inline type round_##suffix(struct a64_cpu *cpu, type a,             \
                                      enum sf_round mode, bool exact)          \
    {                                                                          \
        uint64_t sign = bits_of_##suffix(a) & 1ULL << (exp_bits + frac_bits);  \
        unsigned bias = (1u << (exp_bits - 1)) - 1;                            \
        uint64_t mag;                                                          \
        bool inexact;                                                          \
                                                                               \
        if (!fp_reads_##suffix(cpu, a) ||                                      \
            exponent_##suffix(a) >= bias + frac_bits)                          \
            return round_slow_##suffix(cpu, a, mode, exact);                   \
        mag = whole(bits_of_##suffix(a), exp_bits, frac_bits, mode, &inexact); \
        if (inexact && exact)                                                  \
            cpu->fpsr |= FPSR_IXC;                                             \
        return suffix##_of_bits(bits_of_##suffix((type)(int64_t)mag) | sign);  \
    }

/* A whole number up to 2^frac_bits is exact in the format. */
ROUND_TYPE(float, f32, SF_SINGLE, 8, 23)
ROUND_TYPE(double, f64, SF_DOUBLE, 11, 52)

/* Scalar: 001rrr, where rrr is N P M Z A - X I */
#define FRINT_TYPE(arr, suffix, w, size)                                       \
    static void frint_##w(struct a64_cpu *cpu, uint32_t insn)                  \
    {                                                                          \
        put_##suffix(cpu, rd_of(insn),                                         \
                     round_##suffix(cpu, reg(cpu, rn_of(insn))->arr[0],        \
                                    insn >> 15 & 7, false));                   \
    }                                                                          \
    static void frinti_##w(struct a64_cpu *cpu, uint32_t insn)                 \
    {                                                                          \
        put_##suffix(cpu, rd_of(insn),                                         \
                     round_##suffix(cpu, reg(cpu, rn_of(insn))->arr[0],        \
                                    fpcr_mode(cpu), false));                   \
    }                                                                          \
    static void frintx_##w(struct a64_cpu *cpu, uint32_t insn)                 \
    {                                                                          \
        put_##suffix(cpu, rd_of(insn),                                         \
                     round_##suffix(cpu, reg(cpu, rn_of(insn))->arr[0],        \
                                    fpcr_mode(cpu), true));                    \
    }                                                                          \
    static void frint_v##w(struct a64_cpu *cpu, uint32_t insn)                 \
    {                                                                          \
        union vec a = *reg(cpu, rn_of(insn));                                  \
        bool u = insn >> 29 & 1, m = insn >> 12 & 1;                           \
        enum sf_round mode = (insn >> 11 & 2) | (insn >> 23 & 1);              \
                                                                               \
        if (u)                                                                 \
            mode = m ? fpcr_mode(cpu) : SF_AWAY;                               \
        for (unsigned i = 0; i < (8u << q_of(insn)) >> size; i++)              \
            a.arr[i] = round_##suffix(cpu, a.arr[i], mode,                     \
                                      u && m && !(insn >> 23 & 1));            \
        put_q(cpu, insn, a);                                                   \
    }

FRINT_TYPE(f, f32, s, 2)
FRINT_TYPE(g, f64, d, 3)

/* ---- to integers --------------------------------------------------------- */

#define TO_FIXED_TYPE(type, suffix, format)                                    \
    FP_COLD static uint64_t to_fixed_##suffix(                                 \
        struct a64_cpu *cpu, type a, unsigned fbits, bool is_unsigned,         \
        unsigned width, enum sf_round mode)                                    \
    {                                                                          \
        struct sf_env env = fp_env(cpu);                                       \
        uint64_t r = sf_to_fixed(&env, format, bits_of_##suffix(a), fbits,     \
                                 is_unsigned, width, mode);                    \
                                                                               \
        cpu->fpsr |= env.flags;                                                \
        return r;                                                              \
    }

TO_FIXED_TYPE(float, f32, SF_SINGLE)
TO_FIXED_TYPE(double, f64, SF_DOUBLE)

#define TO_INT_TYPE(type, suffix, exp_bits, frac_bits)                         \
    /* towards zero: the host's truncation raises inexact itself */            \
    static inline uint64_t truncate_##suffix(struct a64_cpu *cpu, type a,      \
                                             bool is_unsigned, unsigned width) \
    {                                                                          \
        unsigned bias = (1u << (exp_bits - 1)) - 1;                            \
        unsigned exp = exponent_##suffix(a);                                   \
        bool sign = bits_of_##suffix(a) >> (exp_bits + frac_bits);             \
                                                                               \
        if (!fp_reads_##suffix(cpu, a))                                        \
            goto slow;                                                         \
        if (!is_unsigned && exp < bias + width - 1)                            \
            return width == 32 ? (uint32_t)(int32_t)a : (uint64_t)(int64_t)a;  \
        if (is_unsigned && !sign && exp < bias + (width == 32 ? 32 : 63))      \
            return (uint64_t)(int64_t)a;                                       \
    slow:                                                                      \
        return to_fixed_##suffix(cpu, a, 0, is_unsigned, width, SF_ZERO);      \
    }                                                                          \
    static inline uint64_t to_int_##suffix(struct a64_cpu *cpu, type a,        \
                                           bool is_unsigned, unsigned width,   \
                                           enum sf_round mode)                 \
    {                                                                          \
        unsigned bias = (1u << (exp_bits - 1)) - 1;                            \
        bool sign = bits_of_##suffix(a) >> (exp_bits + frac_bits), inexact;    \
        unsigned limit = frac_bits < width - 1 ? frac_bits : width - 2;        \
        uint64_t mag;                                                          \
                                                                               \
        if (!fp_reads_##suffix(cpu, a) ||                                      \
            exponent_##suffix(a) >= bias + limit || (is_unsigned && sign))     \
            return to_fixed_##suffix(cpu, a, 0, is_unsigned, width, mode);     \
        mag = whole(bits_of_##suffix(a), exp_bits, frac_bits, mode, &inexact); \
        if (inexact)                                                           \
            cpu->fpsr |= FPSR_IXC;                                             \
        return (sign ? -mag : mag) & ~0ULL >> (64 - width);                    \
    }

TO_INT_TYPE(float, f32, 8, 23)
TO_INT_TYPE(double, f64, 11, 52)

/* Scalar to general register: rmode, or opcode 10x: to nearest, ties away. */
#define FCVT_INT_TYPE(arr, suffix, w, x, width)                                \
    static void fcvt_##x##_##w(struct a64_cpu *cpu, uint32_t insn)             \
    {                                                                          \
        enum sf_round mode = insn >> 18 & 1 ? SF_AWAY : insn >> 19 & 3;        \
                                                                               \
        put_x(cpu, rd_of(insn),                                                \
              to_int_##suffix(cpu, reg(cpu, rn_of(insn))->arr[0],              \
                              insn >> 16 & 1, width, mode));                   \
    }                                                                          \
    static void fcvtzs_##x##_##w(struct a64_cpu *cpu, uint32_t insn)           \
    {                                                                          \
        put_x(cpu, rd_of(insn),                                                \
              truncate_##suffix(cpu, reg(cpu, rn_of(insn))->arr[0], false,     \
                                width));                                       \
    }                                                                          \
    static void fcvtzu_##x##_##w(struct a64_cpu *cpu, uint32_t insn)           \
    {                                                                          \
        put_x(cpu, rd_of(insn),                                                \
              truncate_##suffix(cpu, reg(cpu, rn_of(insn))->arr[0], true,      \
                                width));                                       \
    }                                                                          \
    static void fcvtz_fixed_##x##_##w(struct a64_cpu *cpu, uint32_t insn)      \
    {                                                                          \
        put_x(cpu, rd_of(insn),                                                \
              to_fixed_##suffix(cpu, reg(cpu, rn_of(insn))->arr[0],            \
                                64 - (insn >> 10 & 63), insn >> 16 & 1, width, \
                                SF_ZERO));                                     \
    }

FCVT_INT_TYPE(f, f32, s, w, 32)
FCVT_INT_TYPE(f, f32, s, x, 64)
FCVT_INT_TYPE(g, f64, d, w, 32)
FCVT_INT_TYPE(g, f64, d, x, 64)

/* opcode 1101x: direction from opcode<0> and size<1>; 11100: ties away */
#define FCVT_VECTOR_TYPE(arr, iarr, suffix, w, size, width)                    \
    static void fcvt_v##w(struct a64_cpu *cpu, uint32_t insn)                  \
    {                                                                          \
        enum sf_round mode =                                                   \
            insn >> 14 & 1 ? SF_AWAY : (insn >> 11 & 2) | (insn >> 23 & 1);    \
        const union vec *a = reg(cpu, rn_of(insn));                            \
        union vec r = {.vd = {0, 0}};                                          \
                                                                               \
        for (unsigned i = 0; i < lane_count(insn, size); i++)                  \
            r.iarr[i] =                                                        \
                to_int_##suffix(cpu, a->arr[i], insn >> 29 & 1, width, mode);  \
        put_vec(cpu, rd_of(insn), r);                                          \
    }                                                                          \
    static void fcvtz_v##w(struct a64_cpu *cpu, uint32_t insn)                 \
    {                                                                          \
        const union vec *a = reg(cpu, rn_of(insn));                            \
        union vec r = {.vd = {0, 0}};                                          \
                                                                               \
        for (unsigned i = 0; i < lane_count(insn, size); i++)                  \
            r.iarr[i] =                                                        \
                truncate_##suffix(cpu, a->arr[i], insn >> 29 & 1, width);      \
        put_vec(cpu, rd_of(insn), r);                                          \
    }                                                                          \
    static void fcvtz_fixed_v##w(struct a64_cpu *cpu, uint32_t insn)           \
    {                                                                          \
        unsigned fbits = 2 * width - (insn >> 16 & 127);                       \
        const union vec *a = reg(cpu, rn_of(insn));                            \
        union vec r = {.vd = {0, 0}};                                          \
                                                                               \
        for (unsigned i = 0; i < lane_count(insn, size); i++)                  \
            r.iarr[i] = to_fixed_##suffix(cpu, a->arr[i], fbits,               \
                                          insn >> 29 & 1, width, SF_ZERO);     \
        put_vec(cpu, rd_of(insn), r);                                          \
    }

FCVT_VECTOR_TYPE(f, s, f32, s, 2, 32)
FCVT_VECTOR_TYPE(g, d, f64, d, 3, 64)

/* Signed, four lanes or two: one host instruction when all are in range. */
static void fcvtzs_fast_vs(struct a64_cpu *cpu, uint32_t insn)
{
    vu64 mask = lanes(insn, 2);
    vf32 a = (vf32)(reg(cpu, rn_of(insn))->vd & mask);
    vs32 large = ((vs32)a & INT32_MAX) >= 0x4f000000; /* 2^31, NaN too */

    if (!fp_reads_vf(cpu, a) || !fp_host_none((vu64)large)) {
        fcvtz_vs(cpu, insn);
        return;
    }
    reg(cpu, rd_of(insn))->vss = __builtin_convertvector(a, vs32);
}

/* ---- from integers ------------------------------------------------------- */

#define FROM_INT_TYPE(type, suffix, format, bias, frac_bits)                   \
    FP_COLD static type from_fixed_slow_##suffix(                              \
        struct a64_cpu *cpu, bool negative, uint64_t magnitude,                \
        unsigned fbits)                                                        \
    {                                                                          \
        struct sf_env env = fp_env(cpu);                                       \
        uint64_t r = sf_from_fixed(&env, format, negative, magnitude, fbits);  \
                                                                               \
        cpu->fpsr |= env.flags;                                                \
        return suffix##_of_bits(r);                                            \
    }                                                                          \
    static inline type from_signed_##suffix(struct a64_cpu *cpu, int64_t a)    \
    {                                                                          \
        if (!FP_HOST_FAST)                                                     \
            return from_fixed_slow_##suffix(                                   \
                cpu, a < 0, a < 0 ? -(uint64_t)a : (uint64_t)a, 0);            \
        return (type)a;                                                        \
    }                                                                          \
    static inline type from_unsigned_##suffix(struct a64_cpu *cpu, uint64_t a) \
    {                                                                          \
        type half;                                                             \
                                                                               \
        if (!FP_HOST_FAST)                                                     \
            return from_fixed_slow_##suffix(cpu, false, a, 0);                 \
        if ((int64_t)a >= 0)                                                   \
            return (type)(int64_t)a;                                           \
        /* half of it, with a sticky last bit, rounds as the whole does */     \
        half = (type)(int64_t)(a >> 1 | (a & 1));                              \
        return half + half;                                                    \
    }                                                                          \
    /* 2^-fbits is a normal number, so scaling is exact. */                    \
    static inline type scaled_##suffix(type a, unsigned fbits)                 \
    {                                                                          \
        uint64_t scale = (uint64_t)(bias - fbits) << frac_bits;                \
                                                                               \
        return a * suffix##_of_bits(scale);                                    \
    }                                                                          \
    static inline type from_fixed_##suffix(struct a64_cpu *cpu, int64_t a,     \
                                           bool is_unsigned, unsigned fbits)   \
    {                                                                          \
        if (!FP_HOST_FAST) {                                                   \
            bool negative = !is_unsigned && a < 0;                             \
                                                                               \
            return from_fixed_slow_##suffix(                                   \
                cpu, negative, negative ? -(uint64_t)a : (uint64_t)a, fbits);  \
        }                                                                      \
        return scaled_##suffix(is_unsigned                                     \
                                   ? from_unsigned_##suffix(cpu, (uint64_t)a)  \
                                   : from_signed_##suffix(cpu, a),             \
                               fbits);                                         \
    }

FROM_INT_TYPE(float, f32, SF_SINGLE, 127, 23)
FROM_INT_TYPE(double, f64, SF_DOUBLE, 1023, 52)

#define CVTF_TYPE(suffix, w)                                                   \
    static void scvtf_##w##_x(struct a64_cpu *cpu, uint32_t insn)              \
    {                                                                          \
        put_##suffix(cpu, rd_of(insn),                                         \
                     from_signed_##suffix(cpu, (int64_t)cpu->x[rn_of(insn)])); \
    }                                                                          \
    static void scvtf_##w##_w(struct a64_cpu *cpu, uint32_t insn)              \
    {                                                                          \
        put_##suffix(cpu, rd_of(insn),                                         \
                     from_signed_##suffix(cpu, (int32_t)cpu->x[rn_of(insn)])); \
    }                                                                          \
    static void ucvtf_##w##_x(struct a64_cpu *cpu, uint32_t insn)              \
    {                                                                          \
        put_##suffix(cpu, rd_of(insn),                                         \
                     from_unsigned_##suffix(cpu, cpu->x[rn_of(insn)]));        \
    }                                                                          \
    static void ucvtf_##w##_w(struct a64_cpu *cpu, uint32_t insn)              \
    {                                                                          \
        put_##suffix(                                                          \
            cpu, rd_of(insn),                                                  \
            from_signed_##suffix(cpu, (uint32_t)cpu->x[rn_of(insn)]));         \
    }                                                                          \
    static void cvtf_fixed_##w##_x(struct a64_cpu *cpu, uint32_t insn)         \
    {                                                                          \
        put_##suffix(cpu, rd_of(insn),                                         \
                     from_fixed_##suffix(cpu, (int64_t)cpu->x[rn_of(insn)],    \
                                         insn >> 16 & 1,                       \
                                         64 - (insn >> 10 & 63)));             \
    }                                                                          \
    static void cvtf_fixed_##w##_w(struct a64_cpu *cpu, uint32_t insn)         \
    {                                                                          \
        uint64_t x = cpu->x[rn_of(insn)];                                      \
        bool is_unsigned = insn >> 16 & 1;                                     \
        int64_t a = is_unsigned ? (int64_t)(uint32_t)x : (int32_t)x;           \
                                                                               \
        put_##suffix(                                                          \
            cpu, rd_of(insn),                                                  \
            from_fixed_##suffix(cpu, a, is_unsigned, 64 - (insn >> 10 & 63))); \
    }

CVTF_TYPE(f32, s)
CVTF_TYPE(f64, d)

#define CVTF_VECTOR_TYPE(arr, sarr, uarr, suffix, w, size, width)              \
    static void cvtf_v##w(struct a64_cpu *cpu, uint32_t insn)                  \
    {                                                                          \
        const union vec *a = reg(cpu, rn_of(insn));                            \
        union vec r = {.vd = {0, 0}};                                          \
                                                                               \
        for (unsigned i = 0; i < lane_count(insn, size); i++)                  \
            r.arr[i] = insn >> 29 & 1                                          \
                           ? from_unsigned_##suffix(cpu, a->uarr[i])           \
                           : from_signed_##suffix(cpu, a->sarr[i]);            \
        put_vec(cpu, rd_of(insn), r);                                          \
    }                                                                          \
    static void cvtf_fixed_v##w(struct a64_cpu *cpu, uint32_t insn)            \
    {                                                                          \
        unsigned fbits = 2 * width - (insn >> 16 & 127);                       \
        bool u = insn >> 29 & 1;                                               \
        const union vec *a = reg(cpu, rn_of(insn));                            \
        union vec r = {.vd = {0, 0}};                                          \
                                                                               \
        for (unsigned i = 0; i < lane_count(insn, size); i++)                  \
            r.arr[i] = from_fixed_##suffix(                                    \
                cpu, u ? (int64_t)a->uarr[i] : (int64_t)a->sarr[i], u, fbits); \
        put_vec(cpu, rd_of(insn), r);                                          \
    }

CVTF_VECTOR_TYPE(f, ss, s, f32, s, 2, 32)
CVTF_VECTOR_TYPE(g, sd, d, f64, d, 3, 64)

static void scvtf_fast_vs(struct a64_cpu *cpu, uint32_t insn)
{
    vs32 a = (vs32)(reg(cpu, rn_of(insn))->vd & lanes(insn, 2));

    if (!FP_HOST_FAST)
        cvtf_vs(cpu, insn);
    else
        reg(cpu, rd_of(insn))->vf = __builtin_convertvector(a, vf32);
}

/* ---- between formats ----------------------------------------------------- */

static uint64_t convert(struct a64_cpu *cpu, struct sf_format to,
                        struct sf_format from, uint64_t a)
{
    struct sf_env env = fp_env(cpu);
    uint64_t r = sf_convert(&env, to, from, a);

    cpu->fpsr |= env.flags;
    return r;
}

static inline double widen(struct a64_cpu *cpu, float a)
{
    if (fp_reads_f32(cpu, a) && exponent_f32(a) != 0xff)
        return a;
    return f64_of_bits(convert(cpu, SF_DOUBLE, SF_SINGLE, bits_of_f32(a)));
}

static inline float narrow(struct a64_cpu *cpu, double a)
{
    if (fp_reads_f64(cpu, a) && fp_rounds(cpu)) {
        float r = (float)a;

        if (fp_fine_f32(cpu, r))
            return r;
    }
    return f32_of_bits(
        (uint32_t)convert(cpu, SF_SINGLE, SF_DOUBLE, bits_of_f64(a)));
}

static void fcvt_d_s(struct a64_cpu *cpu, uint32_t insn)
{
    put_f64(cpu, rd_of(insn), widen(cpu, reg(cpu, rn_of(insn))->f[0]));
}

static void fcvt_s_d(struct a64_cpu *cpu, uint32_t insn)
{
    put_f32(cpu, rd_of(insn), narrow(cpu, reg(cpu, rn_of(insn))->g[0]));
}

static void fcvt_h_s(struct a64_cpu *cpu, uint32_t insn)
{
    put_d(cpu, rd_of(insn),
          convert(cpu, SF_HALF, SF_SINGLE, reg(cpu, rn_of(insn))->s[0]));
}

static void fcvt_h_d(struct a64_cpu *cpu, uint32_t insn)
{
    put_d(cpu, rd_of(insn),
          convert(cpu, SF_HALF, SF_DOUBLE, reg(cpu, rn_of(insn))->d[0]));
}

static void fcvt_s_h(struct a64_cpu *cpu, uint32_t insn)
{
    put_d(cpu, rd_of(insn),
          convert(cpu, SF_SINGLE, SF_HALF, reg(cpu, rn_of(insn))->h[0]));
}

static void fcvt_d_h(struct a64_cpu *cpu, uint32_t insn)
{
    put_d(cpu, rd_of(insn),
          convert(cpu, SF_DOUBLE, SF_HALF, reg(cpu, rn_of(insn))->h[0]));
}

/* The "2" forms of FCVTL read the upper half. */
static void fcvtl_d_s(struct a64_cpu *cpu, uint32_t insn)
{
    const float *a = &reg(cpu, rn_of(insn))->f[2 * q_of(insn)];
    double low = widen(cpu, a[0]), high = widen(cpu, a[1]);

    reg(cpu, rd_of(insn))->vg = (vf64){low, high};
}

static void fcvtl_s_h(struct a64_cpu *cpu, uint32_t insn)
{
    const uint16_t *a = &reg(cpu, rn_of(insn))->h[4 * q_of(insn)];
    union vec r;

    for (unsigned i = 0; i < 4; i++)
        r.s[i] = (uint32_t)convert(cpu, SF_SINGLE, SF_HALF, a[i]);
    put_vec(cpu, rd_of(insn), r);
}

static void fcvtn_s_d(struct a64_cpu *cpu, uint32_t insn)
{
    const double *a = reg(cpu, rn_of(insn))->g;
    uint32_t low = bits_of_f32(narrow(cpu, a[0]));
    uint32_t high = bits_of_f32(narrow(cpu, a[1]));

    put_narrow(cpu, insn, (uint64_t)high << 32 | low);
}

static void fcvtn_h_s(struct a64_cpu *cpu, uint32_t insn)
{
    const uint32_t *a = reg(cpu, rn_of(insn))->s;
    uint64_t r = 0;

    for (unsigned i = 0; i < 4; i++)
        r |= convert(cpu, SF_HALF, SF_SINGLE, a[i]) << (16 * i);
    put_narrow(cpu, insn, r);
}

/* Round to odd, so that a second rounding does no harm. */
static uint32_t narrow_odd(struct a64_cpu *cpu, uint64_t a)
{
    struct sf_env env = fp_env(cpu);
    uint32_t r;

    env.mode = SF_ODD;
    r = (uint32_t)sf_convert(&env, SF_SINGLE, SF_DOUBLE, a);
    cpu->fpsr |= env.flags;
    return r;
}

static void fcvtxn(struct a64_cpu *cpu, uint32_t insn)
{
    const uint64_t *a = reg(cpu, rn_of(insn))->d;
    uint32_t low = narrow_odd(cpu, a[0]);

    if (insn >> 28 & 1)
        put_s(cpu, rd_of(insn), low);
    else
        put_narrow(cpu, insn, (uint64_t)narrow_odd(cpu, a[1]) << 32 | low);
}

/* ---- decoding ------------------------------------------------------------ */

/* FCVT and FRINT: scalar, one source, opcode 000100 and up */
a64_fn *fp_decode_one_source(uint32_t insn)
{
    unsigned opcode = insn >> 15 & 63, ptype = insn >> 22 & 3;

    switch (opcode << 4 | ptype) {
    case 0x43:
        return fcvt_s_h;
    case 0x41:
        return fcvt_s_d;
    case 0x53:
        return fcvt_d_h;
    case 0x50:
        return fcvt_d_s;
    case 0x70:
        return fcvt_h_s;
    case 0x71:
        return fcvt_h_d;
    }
    if (opcode < 8 || opcode > 15 || opcode == 13 || ptype > 1)
        return NULL;
    if (opcode == 14)
        return ptype ? frintx_d : frintx_s;
    if (opcode == 15)
        return ptype ? frinti_d : frinti_s;
    return ptype ? frint_d : frint_s;
}

static a64_fn *decode_fixed(uint32_t insn)
{
    bool x = insn >> 31, d = insn >> 22 & 1;

    if (insn >> 23 & 1)
        return NULL;
    if (!x && !(insn >> 15 & 1))
        return NULL;           /* more than 32 fraction bits */
    switch (insn >> 17 & 15) { /* rmode, opcode<2:1> */
    case 1:
        if (x)
            return d ? cvtf_fixed_d_x : cvtf_fixed_s_x;
        return d ? cvtf_fixed_d_w : cvtf_fixed_s_w;
    case 12:
        if (x)
            return d ? fcvtz_fixed_x_d : fcvtz_fixed_x_s;
        return d ? fcvtz_fixed_w_d : fcvtz_fixed_w_s;
    }
    return NULL;
}

static a64_fn *decode_truncate(bool x, bool d, bool u)
{
    if (u && x)
        return d ? fcvtzu_x_d : fcvtzu_x_s;
    if (u)
        return d ? fcvtzu_w_d : fcvtzu_w_s;
    if (x)
        return d ? fcvtzs_x_d : fcvtzs_x_s;
    return d ? fcvtzs_w_d : fcvtzs_w_s;
}

static a64_fn *decode_from_integer(bool x, bool d, bool u)
{
    if (u && x)
        return d ? ucvtf_d_x : ucvtf_s_x;
    if (u)
        return d ? ucvtf_d_w : ucvtf_s_w;
    if (x)
        return d ? scvtf_d_x : scvtf_s_x;
    return d ? scvtf_d_w : scvtf_s_w;
}

/* Between floating point and general registers: opcodes 000 to 101 */
a64_fn *fp_decode_convert(uint32_t insn)
{
    bool x = insn >> 31, d = insn >> 22 & 1, u = insn >> 16 & 1;
    unsigned rmode = insn >> 19 & 3, opcode = insn >> 16 & 7;

    if (!(insn >> 21 & 1))
        return decode_fixed(insn);
    if (insn >> 23 & 1)
        return NULL;
    if (opcode >= 2 && rmode != 0)
        return NULL;
    if (opcode == 2 || opcode == 3)
        return decode_from_integer(x, d, u);
    if (opcode < 2 && rmode == SF_ZERO)
        return decode_truncate(x, d, u);
    if (x)
        return d ? fcvt_x_d : fcvt_x_s;
    return d ? fcvt_w_d : fcvt_w_s;
}

/* Widening and narrowing: opcodes 10110 and 10111, size 0x */
static a64_fn *decode_length(uint32_t insn, bool longer)
{
    bool d = insn >> 22 & 1, scalar = insn >> 28 & 1, u = insn >> 29 & 1;

    if (u)
        return !longer && d ? fcvtxn : NULL;
    if (scalar)
        return NULL;
    if (longer)
        return d ? fcvtl_d_s : fcvtl_s_h;
    return d ? fcvtn_s_d : fcvtn_h_s;
}

/* Of two-register miscellaneous: opcodes 10110 to 11101 */
a64_fn *fp_decode_two_misc_convert(uint32_t insn)
{
    bool d = insn >> 22 & 1, scalar = insn >> 28 & 1, u = insn >> 29 & 1;
    bool upper = insn >> 23 & 1;
    unsigned opcode = insn >> 12 & 31;

    if (opcode == 22 || opcode == 23)
        return upper ? NULL : decode_length(insn, opcode & 1);
    if (d && !scalar && !q_of(insn))
        return NULL;
    switch (opcode) {
    case 24: /* FRINTN, P; A */
        if (scalar || (u && upper))
            return NULL;
        return d ? frint_vd : frint_vs;
    case 25: /* FRINTM, Z; X, I */
        if (scalar)
            return NULL;
        return d ? frint_vd : frint_vs;
    case 27:
        if (upper && d)
            return fcvtz_vd;
        if (upper)
            return u || scalar ? fcvtz_vs : fcvtzs_fast_vs;
        return d ? fcvt_vd : fcvt_vs;
    case 26:
        return d ? fcvt_vd : fcvt_vs;
    case 28:
        if (upper)
            return NULL;
        return d ? fcvt_vd : fcvt_vs;
    case 29:
        if (upper)
            return NULL;
        if (d)
            return cvtf_vd;
        return u || scalar ? cvtf_vs : scvtf_fast_vs;
    }
    return NULL;
}

/* Shift by immediate, opcodes 11100 and 11111; immh is not zero */
a64_fn *fp_decode_fixed_shift(uint32_t insn)
{
    unsigned immh = insn >> 19 & 15;
    bool scalar = insn >> 28 & 1, d = immh >> 3;
    bool to_fixed = (insn >> 11 & 31) == 31;

    if (immh < 4 || (d && !scalar && !q_of(insn)))
        return NULL;
    if (to_fixed)
        return d ? fcvtz_fixed_vd : fcvtz_fixed_vs;
    return d ? cvtf_fixed_vd : cvtf_fixed_vs;
}
