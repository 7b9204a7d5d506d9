/*
 * Advanced SIMD, saturating: SQADD and its kind, SQABS, SQNEG, narrowing, and
 * the doubling multiplies. FPSR.QC remembers any lane that saturated, so lanes
 * that are not there must not be looked at.
 */
#include "fp_internal.h"

__extension__ typedef __int128 wide;

/* To the nearest number of `width` bits. */
static inline int64_t clamp_signed(wide x, unsigned width, bool *saturated)
{
    wide max = ((wide)1 << (width - 1)) - 1, min = -max - 1;

    if (x > max || x < min) {
        *saturated = true;
        return (int64_t)(x > max ? max : min);
    }
    return (int64_t)x;
}

static inline uint64_t clamp_unsigned(wide x, unsigned width, bool *saturated)
{
    wide max = ((wide)1 << width) - 1;

    if (x > max || x < 0) {
        *saturated = true;
        return x > max ? (uint64_t)max : 0;
    }
    return (uint64_t)x;
}

/* Vector and scalar forms. The missing lanes are zero in every operand and
 * must not saturate from that. W holds the exact result. */
#define SATURATING(name, arr, marr, size, W, low, high, expression)            \
    static void name##_##arr(struct a64_cpu *cpu, uint32_t insn)               \
    {                                                                          \
        vu64 mask = lanes(insn, size);                                         \
        union vec n = {.vd = reg(cpu, rn_of(insn))->vd & mask};                \
        union vec m = {.vd = reg(cpu, rm_of(insn))->vd & mask};                \
        union vec d = {.vd = reg(cpu, rd_of(insn))->vd & mask}, r;             \
        unsigned saturated = 0;                                                \
                                                                               \
        for (unsigned i = 0; i < sizeof(r) / sizeof(r.arr[0]); i++) {          \
            W x = n.arr[i], y = m.marr[i], z = d.marr[i];                      \
            W exact = expression;                                              \
            W near = exact < (low) ? (low) : exact > (high) ? (high) : exact;  \
                                                                               \
            (void)x, (void)y, (void)z;                                         \
            saturated |= near != exact;                                        \
            r.arr[i] = near;                                                   \
        }                                                                      \
        raise_qc(cpu, saturated);                                              \
        put_vec(cpu, rd_of(insn), r);                                          \
    }

#define SATURATING_S(name, marr_prefix, expression)                            \
    SATURATING(name, sb, marr_prefix##b, 0, int16_t, INT8_MIN, INT8_MAX,       \
               expression)                                                     \
    SATURATING(name, sh, marr_prefix##h, 1, int32_t, INT16_MIN, INT16_MAX,     \
               expression)                                                     \
    SATURATING(name, ss, marr_prefix##s, 2, int64_t, INT32_MIN, INT32_MAX,     \
               expression)                                                     \
    SATURATING(name, sd, marr_prefix##d, 3, wide, INT64_MIN, INT64_MAX,        \
               expression)

#define SATURATING_U(name, marr_prefix, expression)                            \
    SATURATING(name, b, marr_prefix##b, 0, int16_t, 0, UINT8_MAX, expression)  \
    SATURATING(name, h, marr_prefix##h, 1, int32_t, 0, UINT16_MAX, expression) \
    SATURATING(name, s, marr_prefix##s, 2, int64_t, 0, UINT32_MAX, expression) \
    SATURATING(name, d, marr_prefix##d, 3, wide, 0, (wide)UINT64_MAX,          \
               expression)

SATURATING_S(qadd, s, x + y)
SATURATING_U(qadd, , x + y)
SATURATING_S(qsub, s, x - y)
SATURATING_U(qsub, , x - y)
SATURATING_S(qabs, s, x < 0 ? -x : x)
SATURATING_S(qneg, s, -x)

/* High halves of doubled products: (2xy + round) >> width, without the bit
 * that doubling adds. */
SATURATING(qdmulh, sh, sh, 1, int32_t, INT16_MIN, INT16_MAX, (x * y) >> 15)
SATURATING(qdmulh, ss, ss, 2, int64_t, INT32_MIN, INT32_MAX, (x * y) >> 31)
SATURATING(qrdmulh, sh, sh, 1, int32_t, INT16_MIN, INT16_MAX,
           (x * y + (1 << 14)) >> 15)
SATURATING(qrdmulh, ss, ss, 2, int64_t, INT32_MIN, INT32_MAX,
           (x * y + (1 << 30)) >> 31)

/* SUQADD and USQADD accumulate the other signedness. */
#define ACCUMULATE(name, arr, oarr, size, W, low, high)                        \
    static void name##_##arr(struct a64_cpu *cpu, uint32_t insn)               \
    {                                                                          \
        vu64 mask = lanes(insn, size);                                         \
        union vec n = {.vd = reg(cpu, rn_of(insn))->vd & mask};                \
        union vec r = {.vd = reg(cpu, rd_of(insn))->vd & mask};                \
        unsigned saturated = 0;                                                \
                                                                               \
        for (unsigned i = 0; i < sizeof(r) / sizeof(r.arr[0]); i++) {          \
            W exact = (W)r.arr[i] + n.oarr[i];                                 \
            W near = exact < (low) ? (low) : exact > (high) ? (high) : exact;  \
                                                                               \
            saturated |= near != exact;                                        \
            r.arr[i] = near;                                                   \
        }                                                                      \
        raise_qc(cpu, saturated);                                              \
        put_vec(cpu, rd_of(insn), r);                                          \
    }

ACCUMULATE(suqadd, sb, b, 0, int16_t, INT8_MIN, INT8_MAX)
ACCUMULATE(suqadd, sh, h, 1, int32_t, INT16_MIN, INT16_MAX)
ACCUMULATE(suqadd, ss, s, 2, int64_t, INT32_MIN, INT32_MAX)
ACCUMULATE(suqadd, sd, d, 3, wide, INT64_MIN, INT64_MAX)
ACCUMULATE(usqadd, b, sb, 0, int16_t, 0, UINT8_MAX)
ACCUMULATE(usqadd, h, sh, 1, int32_t, 0, UINT16_MAX)
ACCUMULATE(usqadd, s, ss, 2, int64_t, 0, UINT32_MAX)
ACCUMULATE(usqadd, d, sd, 3, wide, 0, (wide)UINT64_MAX)

/* ---- high halves by element ---------------------------------------------- */

#define HIGH_ELEMENT(name, arr, size, W, low, high, shift, round)              \
    static void name##_e##arr(struct a64_cpu *cpu, uint32_t insn)              \
    {                                                                          \
        union vec r = {.vd = reg(cpu, rn_of(insn))->vd & lanes(insn, size)};   \
        W y = element_##arr(cpu, insn);                                        \
        unsigned saturated = 0;                                                \
                                                                               \
        for (unsigned i = 0; i < sizeof(r) / sizeof(r.arr[0]); i++) {          \
            W exact = (r.arr[i] * y + (round)) >> (shift);                     \
            W near = exact > (high) ? (high) : exact;                          \
                                                                               \
            saturated |= near != exact;                                        \
            r.arr[i] = near;                                                   \
        }                                                                      \
        raise_qc(cpu, saturated);                                              \
        put_vec(cpu, rd_of(insn), r);                                          \
    }

static int16_t element_sh(struct a64_cpu *cpu, uint32_t insn)
{
    return (int16_t)element_h(cpu, insn);
}

static int32_t element_ss(struct a64_cpu *cpu, uint32_t insn)
{
    return (int32_t)element_s(cpu, insn);
}

HIGH_ELEMENT(qdmulh, sh, 1, int32_t, INT16_MIN, INT16_MAX, 15, 0)
HIGH_ELEMENT(qdmulh, ss, 2, int64_t, INT32_MIN, INT32_MAX, 31, 0)
HIGH_ELEMENT(qrdmulh, sh, 1, int32_t, INT16_MIN, INT16_MAX, 15, 1 << 14)
HIGH_ELEMENT(qrdmulh, ss, 2, int64_t, INT32_MIN, INT32_MAX, 31, 1 << 30)

/* ---- doubling long multiplies -------------------------------------------- */

/* add: 0 SQDMULL, 1 SQDMLAL, -1 SQDMLSL. Product and sum saturate in turn. */
static inline int64_t double_long(int64_t d, int64_t n, int64_t m, int add,
                                  unsigned width, bool *saturated)
{
    int64_t product = clamp_signed((wide)n * m * 2, width, saturated);

    if (add == 0)
        return product;
    return clamp_signed((wide)d + (wide)product * add, width, saturated);
}

/* The scalar forms have one lane, the vector ones read the half that Q names.
 * In the scalar classes Q is set, but the half is the lower one. */
static inline bool upper_half(uint32_t insn)
{
    return q_of(insn) && !(insn >> 28 & 1);
}

static inline void long_h(struct a64_cpu *cpu, uint32_t insn, int add,
                          const int16_t *m, unsigned step)
{
    const int16_t *n = &reg(cpu, rn_of(insn))->sh[upper_half(insn) ? 4 : 0];
    const union vec *d = reg(cpu, rd_of(insn));
    union vec r = {.vd = {0, 0}};
    unsigned count = insn >> 28 & 1 ? 1 : 4;
    bool saturated = false;

    for (unsigned i = 0; i < count; i++)
        r.ss[i] = (int32_t)double_long(d->ss[i], n[i], m[i * step], add, 32,
                                       &saturated);
    raise_qc(cpu, saturated);
    put_vec(cpu, rd_of(insn), r);
}

static inline void long_s(struct a64_cpu *cpu, uint32_t insn, int add,
                          const int32_t *m, unsigned step)
{
    const int32_t *n = &reg(cpu, rn_of(insn))->ss[upper_half(insn) ? 2 : 0];
    const union vec *d = reg(cpu, rd_of(insn));
    union vec r = {.vd = {0, 0}};
    unsigned count = insn >> 28 & 1 ? 1 : 2;
    bool saturated = false;

    for (unsigned i = 0; i < count; i++)
        r.sd[i] = double_long(d->sd[i], n[i], m[i * step], add, 64, &saturated);
    raise_qc(cpu, saturated);
    put_vec(cpu, rd_of(insn), r);
}

#define DOUBLING_LONG(name, add)                                               \
    static void name##_h(struct a64_cpu *cpu, uint32_t insn)                   \
    {                                                                          \
        long_h(cpu, insn, add,                                                 \
               &reg(cpu, rm_of(insn))->sh[upper_half(insn) ? 4 : 0], 1);       \
    }                                                                          \
    static void name##_s(struct a64_cpu *cpu, uint32_t insn)                   \
    {                                                                          \
        long_s(cpu, insn, add,                                                 \
               &reg(cpu, rm_of(insn))->ss[upper_half(insn) ? 2 : 0], 1);       \
    }                                                                          \
    static void name##_eh(struct a64_cpu *cpu, uint32_t insn)                  \
    {                                                                          \
        int16_t m = element_sh(cpu, insn);                                     \
                                                                               \
        long_h(cpu, insn, add, &m, 0);                                         \
    }                                                                          \
    static void name##_es(struct a64_cpu *cpu, uint32_t insn)                  \
    {                                                                          \
        int32_t m = element_ss(cpu, insn);                                     \
                                                                               \
        long_s(cpu, insn, add, &m, 0);                                         \
    }

DOUBLING_LONG(sqdmull, 0)
DOUBLING_LONG(sqdmlal, 1)
DOUBLING_LONG(sqdmlsl, -1)

/* ---- narrowing ----------------------------------------------------------- */

/* To half the width: signed to signed, signed to unsigned, unsigned. */
#define NARROW(name, arr, size, width, clamp)                                  \
    static void name##_##size(struct a64_cpu *cpu, uint32_t insn)              \
    {                                                                          \
        const union vec *n = reg(cpu, rn_of(insn));                            \
        bool scalar = insn >> 28 & 1, saturated = false;                       \
        unsigned count = scalar ? 1 : 64 / width;                              \
        uint64_t r = 0;                                                        \
                                                                               \
        for (unsigned i = 0; i < count; i++)                                   \
            r |= ((uint64_t)clamp(n->arr[i], width, &saturated) &              \
                  ~0ULL >> (64 - width))                                       \
                 << (i * width);                                               \
        raise_qc(cpu, saturated);                                              \
        if (scalar)                                                            \
            put_d(cpu, rd_of(insn), r);                                        \
        else                                                                   \
            put_narrow(cpu, insn, r);                                          \
    }

#define NARROW_BHS(name, prefix, clamp)                                        \
    NARROW(name, prefix##h, b, 8, clamp)                                       \
    NARROW(name, prefix##s, h, 16, clamp)                                      \
    NARROW(name, prefix##d, s, 32, clamp)

NARROW_BHS(sqxtn, s, clamp_signed)
NARROW_BHS(sqxtun, s, clamp_unsigned)
NARROW_BHS(uqxtn, , clamp_unsigned)

/* ---- decoding ------------------------------------------------------------ */

static bool one_double(uint32_t insn)
{
    return (insn >> 22 & 3) == 3 && !(insn >> 28 & 1) && !q_of(insn);
}

/* Three same: opcodes 00001, 00101, 10110 */
a64_fn *simd_decode_saturating(uint32_t insn)
{
    static a64_fn *const add_sub[2][2][4] = {
        {BHSD_S(qadd), BHSD(qadd)},
        {BHSD_S(qsub), BHSD(qsub)},
    };
    static a64_fn *const high[2][4] = {
        {NULL, qdmulh_sh, qdmulh_ss},
        {NULL, qrdmulh_sh, qrdmulh_ss},
    };
    unsigned u = insn >> 29 & 1, size = insn >> 22 & 3;

    if (one_double(insn))
        return NULL;
    if (insn >> 15 & 1)
        return high[u][size];
    return add_sub[insn >> 13 & 1][u][size];
}

/* Two-register miscellaneous: opcodes 00011, 00111, 10010 (U), 10100 */
a64_fn *simd_decode_saturating_misc(uint32_t insn)
{
    static a64_fn *const accumulate[2][4] = {BHSD_S(suqadd), BHSD(usqadd)};
    static a64_fn *const sign[2][4] = {BHSD_S(qabs), BHSD_S(qneg)};
    static a64_fn *const narrow[2][4] = {BHS(sqxtn), BHS(uqxtn)};
    static a64_fn *const narrow_unsigned[4] = BHS(sqxtun);
    unsigned u = insn >> 29 & 1, size = insn >> 22 & 3;

    if (one_double(insn))
        return NULL;
    switch (insn >> 12 & 31) {
    case 0x03:
        return accumulate[u][size];
    case 0x07:
        return sign[u][size];
    case 0x12:
        return u ? narrow_unsigned[size] : NULL;
    case 0x14:
        return narrow[u][size];
    }
    return NULL;
}

/* Three different, opcodes 1001, 1011, 1101; sizes 1 and 2 */
a64_fn *simd_decode_doubling_long(uint32_t insn)
{
    unsigned size = insn >> 22 & 3;
    bool s = size == 2;

    if ((insn >> 29 & 1) || (size != 1 && size != 2))
        return NULL;
    switch (insn >> 12 & 15) {
    case 9:
        return s ? sqdmlal_s : sqdmlal_h;
    case 11:
        return s ? sqdmlsl_s : sqdmlsl_h;
    }
    return s ? sqdmull_s : sqdmull_h;
}

/* By element, opcodes 0011, 0111, 1011, 1100, 1101; sizes 1 and 2 */
a64_fn *simd_decode_saturating_element(uint32_t insn)
{
    bool s = insn >> 23 & 1;

    switch (insn >> 12 & 15) {
    case 3:
        return s ? sqdmlal_es : sqdmlal_eh;
    case 7:
        return s ? sqdmlsl_es : sqdmlsl_eh;
    case 11:
        return s ? sqdmull_es : sqdmull_eh;
    case 12:
        return s ? qdmulh_ess : qdmulh_esh;
    case 13:
        return s ? qrdmulh_ess : qrdmulh_esh;
    }
    return NULL;
}
