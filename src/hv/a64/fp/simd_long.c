/*
 * Advanced SIMD, three registers of different widths: long (both sources
 * narrow), wide (one is), and high-half narrowing; long multiplies by element.
 */
#include "fp_internal.h"

/*
 * Narrow sources come from the lower half, or with Q from the upper one. They
 * are copied out first, since the destination may be one of them. The result
 * has `count` lanes in member rarr, of type T.
 */
#define LONG(name, w, arr, rarr, T, expression)                                \
    static void name##_##w(struct a64_cpu *cpu, uint32_t insn)                 \
    {                                                                          \
        enum { COUNT = sizeof(union vec) / sizeof(T) };                        \
        const union vec *n = reg(cpu, rn_of(insn)),                            \
                        *m = reg(cpu, rm_of(insn));                            \
        const union vec *d = reg(cpu, rd_of(insn));                            \
        unsigned first = q_of(insn) * COUNT;                                   \
        union vec r;                                                           \
                                                                               \
        for (unsigned i = 0; i < COUNT; i++) {                                 \
            T x = (T)n->arr[first + i], y = (T)m->arr[first + i];              \
            T z = d->rarr[i];                                                  \
                                                                               \
            (void)z;                                                           \
            r.rarr[i] = expression;                                            \
        }                                                                      \
        put_vec(cpu, rd_of(insn), r);                                          \
    }

/* Sign extension happens in the cast to T, arithmetic is modulo 2^width. */
#define LONG_S(name, expression)                                               \
    LONG(name, sb, sb, h, uint16_t, expression)                                \
    LONG(name, sh, sh, s, uint32_t, expression)                                \
    LONG(name, ss, ss, d, uint64_t, expression)
#define LONG_U(name, expression)                                               \
    LONG(name, b, b, h, uint16_t, expression)                                  \
    LONG(name, h, h, s, uint32_t, expression)                                  \
    LONG(name, s, s, d, uint64_t, expression)
#define LONG_BOTH(name, expression)                                            \
    LONG_S(name, expression)                                                   \
    LONG_U(name, expression)

/* Unsigned even where T promotes to int */
#define PRODUCT (1u * x * y)

LONG_BOTH(addl, x + y)
LONG_BOTH(subl, x - y)
LONG_BOTH(mull, PRODUCT)
LONG_BOTH(mlal, z + PRODUCT)
LONG_BOTH(mlsl, z - PRODUCT)

/* Absolute differences compare as numbers, so they need the signedness. */
#define LONG_ABSOLUTE(w, rarr, T, S)                                           \
    LONG(abdl, w, w, rarr, T, (S)x > (S)y ? x - y : y - x)                     \
    LONG(abal, w, w, rarr, T, z + ((S)x > (S)y ? x - y : y - x))

LONG_ABSOLUTE(b, h, uint16_t, uint16_t)
LONG_ABSOLUTE(h, s, uint32_t, uint32_t)
LONG_ABSOLUTE(s, d, uint64_t, uint64_t)
LONG_ABSOLUTE(sb, h, uint16_t, int16_t)
LONG_ABSOLUTE(sh, s, uint32_t, int32_t)
LONG_ABSOLUTE(ss, d, uint64_t, int64_t)

/* ---- wide ---------------------------------------------------------------- */

#define WIDE(name, w, arr, rarr, T, op)                                        \
    static void name##_##w(struct a64_cpu *cpu, uint32_t insn)                 \
    {                                                                          \
        enum { COUNT = sizeof(union vec) / sizeof(T) };                        \
        const union vec *n = reg(cpu, rn_of(insn)),                            \
                        *m = reg(cpu, rm_of(insn));                            \
        unsigned first = q_of(insn) * COUNT;                                   \
        union vec r;                                                           \
                                                                               \
        for (unsigned i = 0; i < COUNT; i++)                                   \
            r.rarr[i] = n->rarr[i] op(T) m->arr[first + i];                    \
        put_vec(cpu, rd_of(insn), r);                                          \
    }

#define WIDE_BOTH(name, op)                                                    \
    WIDE(name, b, b, h, uint16_t, op)                                          \
    WIDE(name, h, h, s, uint32_t, op)                                          \
    WIDE(name, s, s, d, uint64_t, op)                                          \
    WIDE(name, sb, sb, h, uint16_t, op)                                        \
    WIDE(name, sh, sh, s, uint32_t, op)                                        \
    WIDE(name, ss, ss, d, uint64_t, op)

WIDE_BOTH(addw, +)
WIDE_BOTH(subw, -)

/* ---- high halves --------------------------------------------------------- */

#define HIGH(name, w, arr, T, width, op, round)                                \
    static void name##_##w(struct a64_cpu *cpu, uint32_t insn)                 \
    {                                                                          \
        const union vec *n = reg(cpu, rn_of(insn)),                            \
                        *m = reg(cpu, rm_of(insn));                            \
        uint64_t r = 0;                                                        \
                                                                               \
        for (unsigned i = 0; i < 64 / width; i++) {                            \
            T x = (T)(n->arr[i] op m->arr[i] + ((T)round << (width - 1)));     \
                                                                               \
            r |= (uint64_t)(x >> width) << (i * width);                        \
        }                                                                      \
        put_narrow(cpu, insn, r);                                              \
    }

#define HIGH_BHS(name, op, round)                                              \
    HIGH(name, b, h, uint16_t, 8, op, round)                                   \
    HIGH(name, h, s, uint32_t, 16, op, round)                                  \
    HIGH(name, s, d, uint64_t, 32, op, round)

HIGH_BHS(addhn, +, 0)
HIGH_BHS(raddhn, +, 1)
HIGH_BHS(subhn, -, 0)
HIGH_BHS(rsubhn, -, 1)

/* ---- by element ---------------------------------------------------------- */

#define ELEMENT(name, w, size, arr, rarr, T, S, expression)                    \
    static void name##_e##w(struct a64_cpu *cpu, uint32_t insn)                \
    {                                                                          \
        enum { COUNT = sizeof(union vec) / sizeof(T) };                        \
        const union vec *n = reg(cpu, rn_of(insn)),                            \
                        *d = reg(cpu, rd_of(insn));                            \
        T y = (T)(S)element_##size(cpu, insn);                                 \
        unsigned first = q_of(insn) * COUNT;                                   \
        union vec r;                                                           \
                                                                               \
        for (unsigned i = 0; i < COUNT; i++) {                                 \
            T x = (T)n->arr[first + i], z = d->rarr[i];                        \
                                                                               \
            (void)z;                                                           \
            r.rarr[i] = expression;                                            \
        }                                                                      \
        put_vec(cpu, rd_of(insn), r);                                          \
    }

#define ELEMENT_ALL(name, expression)                                          \
    ELEMENT(name, h, h, h, s, uint32_t, uint16_t, expression)                  \
    ELEMENT(name, s, s, s, d, uint64_t, uint32_t, expression)                  \
    ELEMENT(name, sh, h, sh, s, uint32_t, int16_t, expression)                 \
    ELEMENT(name, ss, s, ss, d, uint64_t, int32_t, expression)

ELEMENT_ALL(mull, x *y)
ELEMENT_ALL(mlal, z + x * y)
ELEMENT_ALL(mlsl, z - x * y)

/* ---- decoding ------------------------------------------------------------ */

a64_fn *simd_decode_three_different(uint32_t insn)
{
    static a64_fn *const table[2][16][4] = {
        {
            [0] = BHS_S(addl),
            [1] = BHS_S(addw),
            [2] = BHS_S(subl),
            [3] = BHS_S(subw),
            [4] = BHS(addhn),
            [5] = BHS_S(abal),
            [6] = BHS(subhn),
            [7] = BHS_S(abdl),
            [8] = BHS_S(mlal),
            [10] = BHS_S(mlsl),
            [12] = BHS_S(mull),
        },
        {
            [0] = BHS(addl),
            [1] = BHS(addw),
            [2] = BHS(subl),
            [3] = BHS(subw),
            [4] = BHS(raddhn),
            [5] = BHS(abal),
            [6] = BHS(rsubhn),
            [7] = BHS(abdl),
            [8] = BHS(mlal),
            [10] = BHS(mlsl),
            [12] = BHS(mull),
        },
    };
    unsigned u = insn >> 29 & 1, opcode = insn >> 12 & 15;

    switch (opcode) {
    case 9:
    case 11:
    case 13:
        return simd_decode_doubling_long(insn);
    case 14:
        return crypto_decode_pmull(insn);
    }
    return insn >> 28 & 1 ? NULL : table[u][opcode][insn >> 22 & 3];
}

/* opcodes 0010, 0110, 1010; sizes 1 and 2 */
a64_fn *simd_decode_long_element(uint32_t insn)
{
    static a64_fn *const table[3][2][2] = {
        {{mlal_esh, mlal_ess}, {mlal_eh, mlal_es}},
        {{mlsl_esh, mlsl_ess}, {mlsl_eh, mlsl_es}},
        {{mull_esh, mull_ess}, {mull_eh, mull_es}},
    };
    unsigned u = insn >> 29 & 1, s = insn >> 23 & 1;

    return table[insn >> 14 & 3][u][s];
}
