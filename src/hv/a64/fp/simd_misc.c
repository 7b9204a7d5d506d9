/*
 * Advanced SIMD, two-register miscellaneous and across lanes, on integers:
 * reversals, counts, signs, comparisons with zero, pairwise widening,
 * narrowing, reductions.
 */
#include "fp_internal.h"

/* ---- lane by lane -------------------------------------------------------- */

/* x: the element */
#define UNARY(name, arr, T, expression)                                        \
    static void name##_##arr(struct a64_cpu *cpu, uint32_t insn)               \
    {                                                                          \
        const union vec *n = reg(cpu, rn_of(insn));                            \
        union vec r;                                                           \
                                                                               \
        for (unsigned i = 0; i < sizeof(r) / sizeof(r.arr[0]); i++) {          \
            T x = n->arr[i];                                                   \
                                                                               \
            r.arr[i] = (T)(expression);                                        \
        }                                                                      \
        put_q(cpu, insn, r);                                                   \
    }

/* Leading zeros within `width` bits */
static inline unsigned leading_zeros(uint32_t x, unsigned width)
{
    return x ? (unsigned)__builtin_clz(x) - (32 - width) : width;
}

UNARY(clz, b, uint8_t, leading_zeros(x, 8))
UNARY(clz, h, uint16_t, leading_zeros(x, 16))
UNARY(clz, s, uint32_t, leading_zeros(x, 32))

/* Bits after the first that equal it: leading zeros of the changes. */
UNARY(cls, b, uint8_t,
      leading_zeros((uint8_t)((int8_t)x ^ ((int8_t)x >> 1)), 8) - 1)
UNARY(cls, h, uint16_t,
      leading_zeros((uint16_t)((int16_t)x ^ ((int16_t)x >> 1)), 16) - 1)
UNARY(cls, s, uint32_t,
      leading_zeros((uint32_t)((int32_t)x ^ ((int32_t)x >> 1)), 32) - 1)

static void cnt_b(struct a64_cpu *cpu, uint32_t insn)
{
    union vec r = *reg(cpu, rn_of(insn));

    r.vb -= (r.vb >> 1) & 0x55;
    r.vb = (r.vb & 0x33) + ((r.vb >> 2) & 0x33);
    r.vb = (r.vb + (r.vb >> 4)) & 0x0f;
    put_q(cpu, insn, r);
}

static void rbit_b(struct a64_cpu *cpu, uint32_t insn)
{
    union vec r = *reg(cpu, rn_of(insn));

    r.vb = (r.vb >> 4) | (r.vb << 4);
    r.vb = ((r.vb >> 2) & 0x33) | ((r.vb & 0x33) << 2);
    r.vb = ((r.vb >> 1) & 0x55) | ((r.vb & 0x55) << 1);
    put_q(cpu, insn, r);
}

static void not_b(struct a64_cpu *cpu, uint32_t insn)
{
    union vec r = {.vd = ~reg(cpu, rn_of(insn))->vd};

    put_q(cpu, insn, r);
}

/* ---- reversals ----------------------------------------------------------- */

/* Lane i trades places with lane i ^ flip. */
#define REVERSE(name, arr, flip)                                               \
    static void name##_##arr(struct a64_cpu *cpu, uint32_t insn)               \
    {                                                                          \
        const union vec *n = reg(cpu, rn_of(insn));                            \
        union vec r;                                                           \
                                                                               \
        for (unsigned i = 0; i < sizeof(r) / sizeof(r.arr[0]); i++)            \
            r.arr[i] = n->arr[i ^ (flip)];                                     \
        put_q(cpu, insn, r);                                                   \
    }

REVERSE(rev64, b, 7)
REVERSE(rev64, h, 3)
REVERSE(rev64, s, 1)
REVERSE(rev32, b, 3)
REVERSE(rev32, h, 1)
REVERSE(rev16, b, 1)

/* ---- signs, comparisons with zero: with scalar forms of 64 bits ---------- */

#define WHOLE(name, w, expression)                                             \
    static void name##_##w(struct a64_cpu *cpu, uint32_t insn)                 \
    {                                                                          \
        union vec r;                                                           \
                                                                               \
        r.vs##w = reg(cpu, rn_of(insn))->vs##w;                                \
        r.vs##w = expression(r.v##w, r.vs##w);                                 \
        r.vd &= lanes(insn, 3);                                                \
        put_vec(cpu, rd_of(insn), r);                                          \
    }

/* u and s: the vector as unsigned and as signed numbers */
#define ABS(u, s)                                                              \
    ((__typeof__(s))(((u) ^ (__typeof__(u))((s) < 0)) -                        \
                     (__typeof__(u))((s) < 0)))
#define NEG(u, s) ((__typeof__(s))(-(u)))
#define GT0(u, s) ((s) > 0)
#define GE0(u, s) ((s) >= 0)
#define EQ0(u, s) ((s) == 0)
#define LE0(u, s) ((s) <= 0)
#define LT0(u, s) ((s) < 0)

#define WHOLE_BHSD(name, expression)                                           \
    WHOLE(name, b, expression)                                                 \
    WHOLE(name, h, expression)                                                 \
    WHOLE(name, s, expression)                                                 \
    WHOLE(name, d, expression)

WHOLE_BHSD(abs, ABS)
WHOLE_BHSD(neg, NEG)
WHOLE_BHSD(cmgt0, GT0)
WHOLE_BHSD(cmge0, GE0)
WHOLE_BHSD(cmeq0, EQ0)
WHOLE_BHSD(cmle0, LE0)
WHOLE_BHSD(cmlt0, LT0)

/* ---- pairwise widening --------------------------------------------------- */

#define PAIR_LONG(w, arr, rarr)                                                \
    static inline union vec pair_sums_##w(struct a64_cpu *cpu, uint32_t insn)  \
    {                                                                          \
        const union vec *n = reg(cpu, rn_of(insn));                            \
        union vec r;                                                           \
                                                                               \
        for (unsigned i = 0; i < sizeof(r) / sizeof(r.rarr[0]); i++)           \
            r.rarr[i] = (__typeof__(r.rarr[0]))n->arr[2 * i] +                 \
                        (__typeof__(r.rarr[0]))n->arr[2 * i + 1];              \
        return r;                                                              \
    }                                                                          \
    static void addlp_##w(struct a64_cpu *cpu, uint32_t insn)                  \
    {                                                                          \
        put_q(cpu, insn, pair_sums_##w(cpu, insn));                            \
    }                                                                          \
    static void adalp_##w(struct a64_cpu *cpu, uint32_t insn)                  \
    {                                                                          \
        union vec r = pair_sums_##w(cpu, insn);                                \
                                                                               \
        r.v##rarr += reg(cpu, rd_of(insn))->v##rarr;                           \
        put_q(cpu, insn, r);                                                   \
    }

PAIR_LONG(b, b, h)
PAIR_LONG(h, h, s)
PAIR_LONG(s, s, d)
PAIR_LONG(sb, sb, h)
PAIR_LONG(sh, sh, s)
PAIR_LONG(ss, ss, d)

/* ---- narrowing and widening ---------------------------------------------- */

#define EXTRACT(w, arr, rarr, T)                                               \
    static void xtn_##w(struct a64_cpu *cpu, uint32_t insn)                    \
    {                                                                          \
        const union vec *n = reg(cpu, rn_of(insn));                            \
        union vec r;                                                           \
                                                                               \
        for (unsigned i = 0; i < 8 / sizeof(T); i++)                           \
            r.rarr[i] = (T)n->arr[i];                                          \
        put_narrow(cpu, insn, r.d[0]);                                         \
    }

EXTRACT(b, h, b, uint8_t)
EXTRACT(h, s, h, uint16_t)
EXTRACT(s, d, s, uint32_t)

/* SHLL shifts by the element's width. */
#define SHIFT_LONG(w, arr, rarr, T, width)                                     \
    static void shll_##w(struct a64_cpu *cpu, uint32_t insn)                   \
    {                                                                          \
        const union vec *n = reg(cpu, rn_of(insn));                            \
        unsigned first = q_of(insn) * (64 / width);                            \
        union vec r;                                                           \
                                                                               \
        for (unsigned i = 0; i < 64 / width; i++)                              \
            r.rarr[i] = (T)((T)n->arr[first + i] << width);                    \
        put_vec(cpu, rd_of(insn), r);                                          \
    }

SHIFT_LONG(b, b, h, uint16_t, 8)
SHIFT_LONG(h, h, s, uint32_t, 16)
SHIFT_LONG(s, s, d, uint64_t, 32)

/* ---- across lanes -------------------------------------------------------- */

#define ACROSS(name, w, T, start, expression)                                  \
    static void name##_##w(struct a64_cpu *cpu, uint32_t insn)                 \
    {                                                                          \
        const union vec *n = reg(cpu, rn_of(insn));                            \
        unsigned count = (8u << q_of(insn)) / sizeof(n->w[0]);                 \
        T x = start;                                                           \
                                                                               \
        for (unsigned i = 0; i < count; i++) {                                 \
            T y = n->w[i];                                                     \
                                                                               \
            x = expression;                                                    \
        }                                                                      \
        put_d(cpu, rd_of(insn), x);                                            \
    }

#define MAX (x > y ? x : y)
#define MIN (x < y ? x : y)

/* The result is zero-extended. */
ACROSS(addv, b, uint8_t, 0, x + y)
ACROSS(addv, h, uint16_t, 0, x + y)
ACROSS(addv, s, uint32_t, 0, x + y)
ACROSS(maxv, b, uint8_t, 0, MAX)
ACROSS(maxv, h, uint16_t, 0, MAX)
ACROSS(maxv, s, uint32_t, 0, MAX)
ACROSS(minv, b, uint8_t, UINT8_MAX, MIN)
ACROSS(minv, h, uint16_t, UINT16_MAX, MIN)
ACROSS(minv, s, uint32_t, UINT32_MAX, MIN)
ACROSS(addlv, b, uint16_t, 0, x + y)
ACROSS(addlv, h, uint32_t, 0, x + y)
ACROSS(addlv, s, uint64_t, 0, x + y)

#define ACROSS_S(name, w, T, U, start, expression)                             \
    static void name##_##w(struct a64_cpu *cpu, uint32_t insn)                 \
    {                                                                          \
        const union vec *n = reg(cpu, rn_of(insn));                            \
        unsigned count = (8u << q_of(insn)) / sizeof(n->w[0]);                 \
        T x = start;                                                           \
                                                                               \
        for (unsigned i = 0; i < count; i++) {                                 \
            T y = n->w[i];                                                     \
                                                                               \
            x = (T)(expression);                                               \
        }                                                                      \
        put_d(cpu, rd_of(insn), (U)x);                                         \
    }

ACROSS_S(maxv, sb, int8_t, uint8_t, INT8_MIN, MAX)
ACROSS_S(maxv, sh, int16_t, uint16_t, INT16_MIN, MAX)
ACROSS_S(maxv, ss, int32_t, uint32_t, INT32_MIN, MAX)
ACROSS_S(minv, sb, int8_t, uint8_t, INT8_MAX, MIN)
ACROSS_S(minv, sh, int16_t, uint16_t, INT16_MAX, MIN)
ACROSS_S(minv, ss, int32_t, uint32_t, INT32_MAX, MIN)
ACROSS_S(addlv, sb, int16_t, uint16_t, 0, x + y)
ACROSS_S(addlv, sh, int32_t, uint32_t, 0, x + y)
ACROSS_S(addlv, ss, int64_t, uint64_t, 0, x + y)

/* ---- decoding ------------------------------------------------------------ */

static a64_fn *const two_misc[2][20][4] = {
    {
        [0x00] = BHS(rev64),
        [0x01] = {rev16_b},
        [0x02] = BHS_S(addlp),
        [0x04] = BHS(cls),
        [0x05] = {cnt_b},
        [0x06] = BHS_S(adalp),
        [0x08] = BHSD(cmgt0),
        [0x09] = BHSD(cmeq0),
        [0x0a] = BHSD(cmlt0),
        [0x0b] = BHSD(abs),
        [0x12] = BHS(xtn),
    },
    {
        [0x00] = {rev32_b, rev32_h},
        [0x02] = BHS(addlp),
        [0x04] = BHS(clz),
        [0x05] = {not_b, rbit_b},
        [0x06] = BHS(adalp),
        [0x08] = BHSD(cmge0),
        [0x09] = BHSD(cmle0),
        [0x0b] = BHSD(neg),
        [0x13] = BHS(shll),
    },
};

a64_fn *simd_decode_two_misc(uint32_t insn)
{
    unsigned u = insn >> 29 & 1, opcode = insn >> 12 & 31;
    unsigned size = insn >> 22 & 3;
    bool scalar = insn >> 28 & 1;

    switch (opcode) {
    case 0x03:
    case 0x07:
    case 0x14:
        return simd_decode_saturating_misc(insn);
    case 0x12:
        if (u)
            return simd_decode_saturating_misc(insn);
        break;
    case 0x0c:
    case 0x0d:
    case 0x0e:
    case 0x0f:
    case 0x1f:
        return size >> 1 ? fp_decode_two_misc(insn) : NULL;
    case 0x1c:
    case 0x1d:
        if (size >> 1)
            return fp_decode_two_misc(insn);
        return fp_decode_two_misc_convert(insn);
    }
    if (opcode >= 0x14)
        return fp_decode_two_misc_convert(insn);
    if (scalar && !(opcode >= 8 && opcode < 12 && size == 3))
        return NULL;
    if (size == 3 && !scalar && !q_of(insn))
        return NULL;
    return two_misc[u][opcode][size];
}

a64_fn *simd_decode_across(uint32_t insn)
{
    static a64_fn *const table[4][2][4] = {
        {BHS_S(addlv), BHS(addlv)},
        {BHS_S(maxv), BHS(maxv)},
        {BHS_S(minv), BHS(minv)},
        {BHS(addv), {NULL}},
    };
    unsigned u = insn >> 29 & 1, size = insn >> 22 & 3, kind;

    switch (insn >> 12 & 31) {
    case 0x03:
        kind = 0;
        break;
    case 0x0a:
        kind = 1;
        break;
    case 0x1a:
        kind = 2;
        break;
    case 0x1b:
        kind = 3;
        break;
    case 0x0c:
    case 0x0f:
        return u ? fp_decode_across(insn) : NULL; /* else half precision */
    default:
        return NULL;
    }
    if (size == 2 && !q_of(insn))
        return NULL;
    return table[kind][u][size];
}
