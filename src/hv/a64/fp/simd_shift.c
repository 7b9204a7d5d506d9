/*
 * Advanced SIMD shifts: by a register, by an immediate, with rounding,
 * saturation, accumulation, insertion, widening and narrowing.
 */
#include "fp_internal.h"

/* ---- one element --------------------------------------------------------- */

/* x >> n with the last bit shifted out added back when rounding; n is 0..64,
 * x is sign-extended to 64 bits. */
static inline int64_t right_signed(int64_t x, unsigned n, bool round)
{
    if (n == 0)
        return x;
    if (n > 63)
        return round ? 0 : x >> 63;
    return (x >> n) + (round ? x >> (n - 1) & 1 : 0);
}

static inline uint64_t right_unsigned(uint64_t x, unsigned n, bool round)
{
    if (n == 0)
        return x;
    if (n > 63)
        return round && n == 64 ? x >> 63 : 0;
    return (x >> n) + (round ? x >> (n - 1) & 1 : 0);
}

/* Left, to the nearest number of `width` bits; n is below width or more. */
static inline int64_t left_signed(int64_t x, unsigned n, unsigned width,
                                  bool *saturated)
{
    int64_t max = INT64_MAX >> (64 - width);
    int64_t r;

    if (x == 0)
        return 0;
    if (n < width) {
        r = (int64_t)((uint64_t)x << n);
        if (r >> n == x && r <= max && r >= -max - 1)
            return r;
    }
    *saturated = true;
    return x < 0 ? -max - 1 : max;
}

static inline uint64_t left_unsigned(uint64_t x, unsigned n, unsigned width,
                                     bool *saturated)
{
    uint64_t max = UINT64_MAX >> (64 - width);

    if (x == 0)
        return 0;
    if (n < width && x <= max >> n)
        return x << n;
    *saturated = true;
    return max;
}

/* ---- by register --------------------------------------------------------- */

/* shift: the low byte of the element, negative for right shifts */
static inline int64_t shift_signed(int64_t x, int8_t shift, unsigned width,
                                   bool round, bool saturate, bool *saturated)
{
    if (shift < 0)
        return right_signed(x, (unsigned)-shift, round);
    if (saturate)
        return left_signed(x, (unsigned)shift, width, saturated);
    return shift >= (int)width ? 0 : (int64_t)((uint64_t)x << shift);
}

static inline uint64_t shift_unsigned(uint64_t x, int8_t shift, unsigned width,
                                      bool round, bool saturate,
                                      bool *saturated)
{
    if (shift < 0)
        return right_unsigned(x, (unsigned)-shift, round);
    if (saturate)
        return left_unsigned(x, (unsigned)shift, width, saturated);
    return shift >= (int)width ? 0 : x << shift;
}

#define BY_REGISTER(name, arr, marr, size, sign, round, saturate)              \
    static void name##_##marr(struct a64_cpu *cpu, uint32_t insn)              \
    {                                                                          \
        vu64 mask = lanes(insn, size);                                         \
        union vec r = {.vd = reg(cpu, rn_of(insn))->vd & mask};                \
        union vec m = {.vd = reg(cpu, rm_of(insn))->vd & mask};                \
        bool saturated = false;                                                \
                                                                               \
        for (unsigned i = 0; i < sizeof(r) / sizeof(r.arr[0]); i++)            \
            r.arr[i] = shift_##sign(r.arr[i], (int8_t)m.marr[i], 8 << size,    \
                                    round, saturate, &saturated);              \
        raise_qc(cpu, saturated);                                              \
        put_vec(cpu, rd_of(insn), r);                                          \
    }

#define BY_REGISTER_BHSD(name, prefix, sign, round, saturate)                  \
    BY_REGISTER(name, prefix##b, b, 0, sign, round, saturate)                  \
    BY_REGISTER(name, prefix##h, h, 1, sign, round, saturate)                  \
    BY_REGISTER(name, prefix##s, s, 2, sign, round, saturate)                  \
    BY_REGISTER(name, prefix##d, d, 3, sign, round, saturate)

BY_REGISTER_BHSD(sshl, s, signed, false, false)
BY_REGISTER_BHSD(ushl, , unsigned, false, false)
BY_REGISTER_BHSD(srshl, s, signed, true, false)
BY_REGISTER_BHSD(urshl, , unsigned, true, false)
BY_REGISTER_BHSD(sqshl, s, signed, false, true)
BY_REGISTER_BHSD(uqshl, , unsigned, false, true)
BY_REGISTER_BHSD(sqrshl, s, signed, true, true)
BY_REGISTER_BHSD(uqrshl, , unsigned, true, true)

/* ---- by immediate: whole vectors ----------------------------------------- */

/* immh:immb is 2 * width - n for right shifts, width + n for left ones. */
static inline unsigned immediate(uint32_t insn)
{
    return insn >> 16 & 127;
}

/*
 * The compiler's vector shifts want counts below the width. A right shift by
 * the whole width is one by n - 1 and then one more; rounding adds the bit
 * that the last step drops.
 */
#define RIGHT(name, w, prefix, width, extra)                                   \
    static inline union vec name##_of_##w(struct a64_cpu *cpu, uint32_t insn)  \
    {                                                                          \
        union vec r = *reg(cpu, rn_of(insn));                                  \
                                                                               \
        r.v##prefix##w >>= 2 * width - 1 - immediate(insn);                    \
        r.v##prefix##w = (r.v##prefix##w >> 1) + (extra);                      \
        return r;                                                              \
    }                                                                          \
    static void name##_##w(struct a64_cpu *cpu, uint32_t insn)                 \
    {                                                                          \
        union vec r = name##_of_##w(cpu, insn);                                \
                                                                               \
        r.vd &= lanes(insn, 3);                                                \
        put_vec(cpu, rd_of(insn), r);                                          \
    }                                                                          \
    static void name##a_##w(struct a64_cpu *cpu, uint32_t insn)                \
    {                                                                          \
        union vec r = name##_of_##w(cpu, insn);                                \
                                                                               \
        r.v##w += reg(cpu, rd_of(insn))->v##w;                                 \
        r.vd &= lanes(insn, 3);                                                \
        put_vec(cpu, rd_of(insn), r);                                          \
    }

#define RIGHT_BHSD(name, prefix, round)                                        \
    RIGHT(name, b, prefix, 8, r.v##prefix##b &round)                           \
    RIGHT(name, h, prefix, 16, r.v##prefix##h &round)                          \
    RIGHT(name, s, prefix, 32, r.v##prefix##s &round)                          \
    RIGHT(name, d, prefix, 64, r.v##prefix##d &round)

RIGHT_BHSD(sshr, s, 0)
RIGHT_BHSD(ushr, , 0)
RIGHT_BHSD(srshr, s, 1)
RIGHT_BHSD(urshr, , 1)

#define LEFT(w, T, width)                                                      \
    static void shl_##w(struct a64_cpu *cpu, uint32_t insn)                    \
    {                                                                          \
        union vec r = *reg(cpu, rn_of(insn));                                  \
                                                                               \
        r.v##w <<= immediate(insn) - width;                                    \
        r.vd &= lanes(insn, 3);                                                \
        put_vec(cpu, rd_of(insn), r);                                          \
    }                                                                          \
    static void sli_##w(struct a64_cpu *cpu, uint32_t insn)                    \
    {                                                                          \
        union vec r = *reg(cpu, rn_of(insn));                                  \
        unsigned n = immediate(insn) - width;                                  \
        T keep = (T)(((T)1 << n) - 1);                                         \
                                                                               \
        r.v##w = (r.v##w << n) | (reg(cpu, rd_of(insn))->v##w & keep);         \
        r.vd &= lanes(insn, 3);                                                \
        put_vec(cpu, rd_of(insn), r);                                          \
    }                                                                          \
    static void sri_##w(struct a64_cpu *cpu, uint32_t insn)                    \
    {                                                                          \
        union vec r = *reg(cpu, rn_of(insn));                                  \
        unsigned less = 2 * width - 1 - immediate(insn);                       \
        T keep = (T) ~((T)((T)-1 >> less) >> 1);                               \
                                                                               \
        r.v##w = (r.v##w >> less >> 1) | (reg(cpu, rd_of(insn))->v##w & keep); \
        r.vd &= lanes(insn, 3);                                                \
        put_vec(cpu, rd_of(insn), r);                                          \
    }

LEFT(b, uint8_t, 8)
LEFT(h, uint16_t, 16)
LEFT(s, uint32_t, 32)
LEFT(d, uint64_t, 64)

/* ---- by immediate: saturating left --------------------------------------- */

/* SQSHLU: a signed element to an unsigned one. */
static inline uint64_t left_to_unsigned(int64_t x, unsigned n, unsigned width,
                                        bool *saturated)
{
    if (x < 0) {
        *saturated = true;
        return 0;
    }
    return left_unsigned((uint64_t)x, n, width, saturated);
}

#define LEFT_SATURATING(name, arr, w, size, left)                              \
    static void name##_##w(struct a64_cpu *cpu, uint32_t insn)                 \
    {                                                                          \
        union vec r = {.vd = reg(cpu, rn_of(insn))->vd & lanes(insn, size)};   \
        unsigned n = immediate(insn) - (8 << size);                            \
        bool saturated = false;                                                \
                                                                               \
        for (unsigned i = 0; i < sizeof(r) / sizeof(r.arr[0]); i++)            \
            r.arr[i] = left(r.arr[i], n, 8 << size, &saturated);               \
        raise_qc(cpu, saturated);                                              \
        put_vec(cpu, rd_of(insn), r);                                          \
    }

#define LEFT_SATURATING_BHSD(name, prefix, left)                               \
    LEFT_SATURATING(name, prefix##b, b, 0, left)                               \
    LEFT_SATURATING(name, prefix##h, h, 1, left)                               \
    LEFT_SATURATING(name, prefix##s, s, 2, left)                               \
    LEFT_SATURATING(name, prefix##d, d, 3, left)

LEFT_SATURATING_BHSD(sqshl_i, s, left_signed)
LEFT_SATURATING_BHSD(uqshl_i, , left_unsigned)
LEFT_SATURATING_BHSD(sqshlu_i, s, left_to_unsigned)

/* ---- by immediate: narrowing --------------------------------------------- */

static inline int64_t clamp(int64_t x, int64_t low, int64_t high,
                            bool *saturated)
{
    if (x >= low && x <= high)
        return x;
    *saturated = true;
    return x < low ? low : high;
}

static inline uint64_t clamp_high(uint64_t x, uint64_t high, bool *saturated)
{
    if (x <= high)
        return x;
    *saturated = true;
    return high;
}

/* The shift is 1..width, width being that of the result. */
#define NARROW(name, arr, T, w, width, result)                                 \
    static void name##_##w(struct a64_cpu *cpu, uint32_t insn)                 \
    {                                                                          \
        const union vec *a = reg(cpu, rn_of(insn));                            \
        bool scalar = insn >> 28 & 1, saturated = false;                       \
        unsigned n = 2 * width - immediate(insn);                              \
        uint64_t max = ~0ULL >> (64 - width), r = 0;                           \
                                                                               \
        for (unsigned i = 0; i < (scalar ? 1 : 64 / width); i++) {             \
            T x = a->arr[i];                                                   \
                                                                               \
            r |= ((uint64_t)(result)&max) << (i * width);                      \
        }                                                                      \
        raise_qc(cpu, saturated);                                              \
        if (scalar)                                                            \
            put_d(cpu, rd_of(insn), r);                                        \
        else                                                                   \
            put_narrow(cpu, insn, r);                                          \
    }

#define NARROW_S(name, result)                                                 \
    NARROW(name, sh, int64_t, b, 8, result)                                    \
    NARROW(name, ss, int64_t, h, 16, result)                                   \
    NARROW(name, sd, int64_t, s, 32, result)

#define NARROW_U(name, result)                                                 \
    NARROW(name, h, uint64_t, b, 8, result)                                    \
    NARROW(name, s, uint64_t, h, 16, result)                                   \
    NARROW(name, d, uint64_t, s, 32, result)

#define TO_SIGNED(round)                                                       \
    clamp(right_signed(x, n, round), -(int64_t)(max >> 1) - 1,                 \
          (int64_t)(max >> 1), &saturated)
#define TO_UNSIGNED(round)                                                     \
    clamp(right_signed(x, n, round), 0, (int64_t)max, &saturated)

NARROW_U(shrn, right_unsigned(x, n, false))
NARROW_U(rshrn, right_unsigned(x, n, true))
NARROW_S(sqshrn, TO_SIGNED(false))
NARROW_S(sqrshrn, TO_SIGNED(true))
NARROW_S(sqshrun, TO_UNSIGNED(false))
NARROW_S(sqrshrun, TO_UNSIGNED(true))
NARROW_U(uqshrn, clamp_high(right_unsigned(x, n, false), max, &saturated))
NARROW_U(uqrshrn, clamp_high(right_unsigned(x, n, true), max, &saturated))

/* ---- by immediate: widening ---------------------------------------------- */

#define WIDEN(name, arr, rarr, T, w, width)                                    \
    static void name##_##w(struct a64_cpu *cpu, uint32_t insn)                 \
    {                                                                          \
        const union vec a = *reg(cpu, rn_of(insn));                            \
        unsigned n = immediate(insn) - width, count = 64 / width;              \
        unsigned first = q_of(insn) * count;                                   \
        union vec r;                                                           \
                                                                               \
        for (unsigned i = 0; i < count; i++)                                   \
            r.rarr[i] = (T)a.arr[first + i] << n;                              \
        put_vec(cpu, rd_of(insn), r);                                          \
    }

WIDEN(sshll, sb, h, uint16_t, b, 8)
WIDEN(sshll, sh, s, uint32_t, h, 16)
WIDEN(sshll, ss, d, uint64_t, s, 32)
WIDEN(ushll, b, h, uint16_t, b, 8)
WIDEN(ushll, h, s, uint32_t, h, 16)
WIDEN(ushll, s, d, uint64_t, s, 32)

/* ---- decoding ------------------------------------------------------------ */

/* Three same, opcodes 010rs: rounding, saturating */
a64_fn *simd_decode_shift_register(uint32_t insn)
{
    static a64_fn *const table[2][4][4] = {
        {BHSD(sshl), BHSD(sqshl), BHSD(srshl), BHSD(sqrshl)},
        {BHSD(ushl), BHSD(uqshl), BHSD(urshl), BHSD(uqrshl)},
    };
    unsigned u = insn >> 29 & 1, kind = insn >> 11 & 3;
    unsigned size = insn >> 22 & 3;
    bool scalar = insn >> 28 & 1;

    if (scalar && !(kind & 1) && size != 3)
        return NULL;
    if (!scalar && size == 3 && !q_of(insn))
        return NULL;
    return table[u][kind][size];
}

/* By immediate; immh is not zero and gives the element size. */
a64_fn *simd_decode_shift_immediate(uint32_t insn)
{
    static a64_fn *const same[2][8][4] = {
        {BHSD(sshr),
         BHSD(sshra),
         BHSD(srshr),
         BHSD(srshra),
         {NULL},
         BHSD(shl),
         {NULL},
         BHSD(sqshl_i)},
        {BHSD(ushr), BHSD(ushra), BHSD(urshr), BHSD(urshra), BHSD(sri),
         BHSD(sli), BHSD(sqshlu_i), BHSD(uqshl_i)},
    };
    static a64_fn *const narrow[2][4][4] = {
        {BHS(shrn), BHS(rshrn), BHS(sqshrn), BHS(sqrshrn)},
        {BHS(sqshrun), BHS(sqrshrun), BHS(uqshrn), BHS(uqrshrn)},
    };
    static a64_fn *const widen[2][4] = {BHS(sshll), BHS(ushll)};
    unsigned u = insn >> 29 & 1, opcode = insn >> 11 & 31;
    unsigned size = 31 - (unsigned)__builtin_clz(insn >> 19 & 15);
    bool scalar = insn >> 28 & 1;

    if (opcode < 16 && !(opcode & 1)) {
        if (scalar ? size != 3 && opcode < 12 : size == 3 && !q_of(insn))
            return NULL;
        return same[u][opcode >> 1][size];
    }
    if (opcode >= 16 && opcode < 20) {
        if (scalar && !u && opcode < 18)
            return NULL;
        return narrow[u][opcode - 16][size];
    }
    if (opcode == 20)
        return scalar ? NULL : widen[u][size];
    if (opcode == 28 || opcode == 31)
        return fp_decode_fixed_shift(insn);
    return NULL;
}
