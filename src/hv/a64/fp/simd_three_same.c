/*
 * Advanced SIMD, three registers of the same type: integer arithmetic, logic,
 * comparison, pairwise; and the by-element forms of MUL, MLA and MLS.
 *
 * The loops have constant bounds and no side effects, so that the compiler
 * makes host vector instructions of them. Lanes beyond Q are computed too and
 * cleared at the end.
 */
#include "fp_internal.h"

/* name, expression of x, y and z (the old destination), lane array, type in
 * which the expression is evaluated */
#define LANES(name, arr, T, expression)                                        \
    static void name##_##arr(struct a64_cpu *cpu, uint32_t insn)               \
    {                                                                          \
        const union vec *n = reg(cpu, rn_of(insn)),                            \
                        *m = reg(cpu, rm_of(insn));                            \
        const union vec *d = reg(cpu, rd_of(insn));                            \
        union vec r;                                                           \
                                                                               \
        for (unsigned i = 0; i < sizeof(r) / sizeof(r.arr[0]); i++) {          \
            T x = n->arr[i], y = m->arr[i], z = d->arr[i];                     \
                                                                               \
            (void)z;                                                           \
            r.arr[i] = expression;                                             \
        }                                                                      \
        put_q(cpu, insn, r);                                                   \
    }

#define LANES_U(name, expression)                                              \
    LANES(name, b, uint16_t, expression)                                       \
    LANES(name, h, uint32_t, expression)                                       \
    LANES(name, s, uint64_t, expression)

#define LANES_S(name, expression)                                              \
    LANES(name, sb, int16_t, expression)                                       \
    LANES(name, sh, int32_t, expression)                                       \
    LANES(name, ss, int64_t, expression)

LANES_S(hadd, (x + y) >> 1)
LANES_U(hadd, (x + y) >> 1)
LANES_S(rhadd, (x + y + 1) >> 1)
LANES_U(rhadd, (x + y + 1) >> 1)
LANES_S(hsub, (x - y) >> 1)
LANES_U(hsub, (x - y) >> 1)

/* Same width: no need for a wider type, and better code without. */
#define LANES_SAME_U(name, expression)                                         \
    LANES(name, b, uint8_t, expression)                                        \
    LANES(name, h, uint16_t, expression)                                       \
    LANES(name, s, uint32_t, expression)

#define LANES_SAME_S(name, expression)                                         \
    LANES(name, sb, int8_t, expression)                                        \
    LANES(name, sh, int16_t, expression)                                       \
    LANES(name, ss, int32_t, expression)

LANES_SAME_S(max, x > y ? x : y)
LANES_SAME_U(max, x > y ? x : y)
LANES_SAME_S(min, x < y ? x : y)
LANES_SAME_U(min, x < y ? x : y)

/* Absolute differences fit the unsigned lane, whatever the inputs were. */
#define ABSOLUTE(arr, uarr, T, U)                                              \
    static inline union vec difference_##arr(struct a64_cpu *cpu,              \
                                             uint32_t insn)                    \
    {                                                                          \
        const union vec *n = reg(cpu, rn_of(insn)),                            \
                        *m = reg(cpu, rm_of(insn));                            \
        union vec r;                                                           \
                                                                               \
        for (unsigned i = 0; i < sizeof(r) / sizeof(r.arr[0]); i++) {          \
            T x = n->arr[i], y = m->arr[i];                                    \
                                                                               \
            r.uarr[i] = x > y ? (U)((U)x - (U)y) : (U)((U)y - (U)x);           \
        }                                                                      \
        return r;                                                              \
    }                                                                          \
    static void abd_##arr(struct a64_cpu *cpu, uint32_t insn)                  \
    {                                                                          \
        put_q(cpu, insn, difference_##arr(cpu, insn));                         \
    }                                                                          \
    static void aba_##arr(struct a64_cpu *cpu, uint32_t insn)                  \
    {                                                                          \
        union vec r = difference_##arr(cpu, insn);                             \
                                                                               \
        r.v##uarr += reg(cpu, rd_of(insn))->v##uarr;                           \
        put_q(cpu, insn, r);                                                   \
    }

ABSOLUTE(b, b, uint8_t, uint8_t)
ABSOLUTE(h, h, uint16_t, uint16_t)
ABSOLUTE(s, s, uint32_t, uint32_t)
ABSOLUTE(sb, b, int8_t, uint8_t)
ABSOLUTE(sh, h, int16_t, uint16_t)
ABSOLUTE(ss, s, int32_t, uint32_t)

/* ---- whole vectors ------------------------------------------------------- */

/* r: the result's member; expression of n, m, d: the registers */
#define WHOLE(name, member, expression)                                        \
    static void name(struct a64_cpu *cpu, uint32_t insn)                       \
    {                                                                          \
        const union vec *n = reg(cpu, rn_of(insn)),                            \
                        *m = reg(cpu, rm_of(insn));                            \
        const union vec *d = reg(cpu, rd_of(insn));                            \
        union vec r;                                                           \
                                                                               \
        (void)d;                                                               \
        r.member = expression;                                                 \
        put_q(cpu, insn, r);                                                   \
    }

WHOLE(and_, vd, n->vd & m->vd)
WHOLE(bic_, vd, n->vd & ~m->vd)
WHOLE(orr_, vd, n->vd | m->vd)
WHOLE(orn_, vd, n->vd | ~m->vd)
WHOLE(eor_, vd, n->vd ^ m->vd)
WHOLE(bsl_, vd, (n->vd & d->vd) | (m->vd & ~d->vd))
WHOLE(bit_, vd, (n->vd & m->vd) | (d->vd & ~m->vd))
WHOLE(bif_, vd, (d->vd & m->vd) | (n->vd & ~m->vd))

/* These have scalar forms, of 64 bits. */
#define WHOLE_SCALAR(name, member, expression)                                 \
    static void name(struct a64_cpu *cpu, uint32_t insn)                       \
    {                                                                          \
        const union vec *n = reg(cpu, rn_of(insn)),                            \
                        *m = reg(cpu, rm_of(insn));                            \
        union vec r;                                                           \
                                                                               \
        r.member = expression;                                                 \
        r.vd &= lanes(insn, 3);                                                \
        put_vec(cpu, rd_of(insn), r);                                          \
    }

#define WHOLE_BHSD(name, op)                                                   \
    WHOLE(name##_b, vb, n->vb op m->vb)                                        \
    WHOLE(name##_h, vh, n->vh op m->vh)                                        \
    WHOLE(name##_s, vs, n->vs op m->vs)                                        \
    WHOLE_SCALAR(name##_d, vd, n->vd op m->vd)

WHOLE_BHSD(add, +)
WHOLE_BHSD(sub, -)

WHOLE(mul_b, vb, n->vb * m->vb)
WHOLE(mul_h, vh, n->vh * m->vh)
WHOLE(mul_s, vs, n->vs * m->vs)
WHOLE(mla_b, vb, d->vb + n->vb * m->vb)
WHOLE(mla_h, vh, d->vh + n->vh * m->vh)
WHOLE(mla_s, vs, d->vs + n->vs * m->vs)
WHOLE(mls_b, vb, d->vb - n->vb * m->vb)
WHOLE(mls_h, vh, d->vh - n->vh * m->vh)
WHOLE(mls_s, vs, d->vs - n->vs * m->vs)

#define COMPARE(name, prefix, op)                                              \
    WHOLE(name##_b, vsb, n->v##prefix##b op m->v##prefix##b)                   \
    WHOLE(name##_h, vsh, n->v##prefix##h op m->v##prefix##h)                   \
    WHOLE(name##_s, vss, n->v##prefix##s op m->v##prefix##s)                   \
    WHOLE_SCALAR(name##_d, vsd, n->v##prefix##d op m->v##prefix##d)

COMPARE(cmgt, s, >)
COMPARE(cmge, s, >=)
COMPARE(cmhi, , >)
COMPARE(cmhs, , >=)
COMPARE(cmeq, , ==)

WHOLE(cmtst_b, vsb, (n->vb & m->vb) != 0)
WHOLE(cmtst_h, vsh, (n->vh & m->vh) != 0)
WHOLE(cmtst_s, vss, (n->vs & m->vs) != 0)
WHOLE_SCALAR(cmtst_d, vsd, (n->vd & m->vd) != 0)

/* Polynomials over GF(2): bytes, low halves of the products. */
static void pmul_b(struct a64_cpu *cpu, uint32_t insn)
{
    vu8 x = reg(cpu, rn_of(insn))->vb, y = reg(cpu, rm_of(insn))->vb;
    union vec r = {.vd = {0, 0}};

    for (unsigned i = 0; i < 8; i++) {
        r.vb ^= x & (vu8)((y & 1) != 0);
        x += x;
        y >>= 1;
    }
    put_q(cpu, insn, r);
}

/* ---- by element ---------------------------------------------------------- */

typedef uint16_t lane_h;
typedef uint32_t lane_s;

#define BY_ELEMENT(name, w, expression)                                        \
    static void name##_e##w(struct a64_cpu *cpu, uint32_t insn)                \
    {                                                                          \
        const union vec *n = reg(cpu, rn_of(insn)),                            \
                        *d = reg(cpu, rd_of(insn));                            \
        lane_##w m = element_##w(cpu, insn);                                   \
        union vec r;                                                           \
                                                                               \
        (void)d;                                                               \
        r.v##w = expression;                                                   \
        put_q(cpu, insn, r);                                                   \
    }

BY_ELEMENT(mul, h, n->vh *m)
BY_ELEMENT(mul, s, n->vs *m)
BY_ELEMENT(mla, h, d->vh + n->vh * m)
BY_ELEMENT(mla, s, d->vs + n->vs * m)
BY_ELEMENT(mls, h, d->vh - n->vh * m)
BY_ELEMENT(mls, s, d->vs - n->vs * m)

/* ---- dot products -------------------------------------------------------- */

#define DOT(name, arr, sarr)                                                   \
    static inline void name##_with(struct a64_cpu *cpu, uint32_t insn,         \
                                   const union vec *m)                         \
    {                                                                          \
        const union vec *n = reg(cpu, rn_of(insn));                            \
        union vec r = *reg(cpu, rd_of(insn));                                  \
                                                                               \
        for (unsigned i = 0; i < 16; i++)                                      \
            r.s[i / 4] += (uint32_t)(n->arr[i] * m->arr[i]);                   \
        put_q(cpu, insn, r);                                                   \
    }                                                                          \
    static void name(struct a64_cpu *cpu, uint32_t insn)                       \
    {                                                                          \
        name##_with(cpu, insn, reg(cpu, rm_of(insn)));                         \
    }                                                                          \
    static void name##_element(struct a64_cpu *cpu, uint32_t insn)             \
    {                                                                          \
        uint32_t e = element_s(cpu, insn);                                     \
        union vec m = {.vs = {e, e, e, e}};                                    \
                                                                               \
        name##_with(cpu, insn, &m);                                            \
    }

DOT(udot, b, s)
DOT(sdot, sb, ss)

a64_fn *simd_decode_dot(uint32_t insn)
{
    bool u = insn >> 29 & 1;

    if (insn >> 24 & 1)
        return u ? udot_element : sdot_element;
    return u ? udot : sdot;
}

/* ---- pairwise ------------------------------------------------------------ */

/* Neighbours of the first operand, then those of the second. */
#define PAIRS(name, arr, T, expression)                                        \
    static void name##_##arr(struct a64_cpu *cpu, uint32_t insn)               \
    {                                                                          \
        const union vec *n = reg(cpu, rn_of(insn)),                            \
                        *m = reg(cpu, rm_of(insn));                            \
        unsigned half = (unsigned)(4 << q_of(insn)) / (unsigned)sizeof(T);     \
        union vec r = {.vd = {0, 0}};                                          \
                                                                               \
        for (unsigned i = 0; i < half; i++) {                                  \
            T x = n->arr[2 * i], y = n->arr[2 * i + 1];                        \
                                                                               \
            r.arr[i] = expression;                                             \
            x = m->arr[2 * i], y = m->arr[2 * i + 1];                          \
            r.arr[half + i] = expression;                                      \
        }                                                                      \
        put_vec(cpu, rd_of(insn), r);                                          \
    }

#define PAIRS_U(name, expression)                                              \
    PAIRS(name, b, uint8_t, expression)                                        \
    PAIRS(name, h, uint16_t, expression)                                       \
    PAIRS(name, s, uint32_t, expression)

#define PAIRS_S(name, expression)                                              \
    PAIRS(name, sb, int8_t, expression)                                        \
    PAIRS(name, sh, int16_t, expression)                                       \
    PAIRS(name, ss, int32_t, expression)

PAIRS_S(maxp, x > y ? x : y)
PAIRS_U(maxp, x > y ? x : y)
PAIRS_S(minp, x < y ? x : y)
PAIRS_U(minp, x < y ? x : y)
PAIRS_U(addp, x + y)
PAIRS(addp, d, uint64_t, x + y)

/* Scalar pairwise: the one of integers */
static void addp_scalar(struct a64_cpu *cpu, uint32_t insn)
{
    const uint64_t *n = reg(cpu, rn_of(insn))->d;

    put_d(cpu, rd_of(insn), n[0] + n[1]);
}

a64_fn *simd_decode_scalar_addp(uint32_t insn)
{
    return addp_scalar;
}

/* ---- decoding ------------------------------------------------------------ */

/* By U, opcode and size; what is missing is in simd_saturate.c, simd_shift.c */
static a64_fn *const three_same[2][24][4] = {
    {
        [0x00] = BHS_S(hadd),
        [0x02] = BHS_S(rhadd),
        [0x03] = {and_, bic_, orr_, orn_},
        [0x04] = BHS_S(hsub),
        [0x06] = BHSD(cmgt),
        [0x07] = BHSD(cmge),
        [0x0c] = BHS_S(max),
        [0x0d] = BHS_S(min),
        [0x0e] = BHS_S(abd),
        [0x0f] = BHS_S(aba),
        [0x10] = BHSD(add),
        [0x11] = BHSD(cmtst),
        [0x12] = BHS(mla),
        [0x13] = BHS(mul),
        [0x14] = BHS_S(maxp),
        [0x15] = BHS_S(minp),
        [0x17] = BHSD(addp),
    },
    {
        [0x00] = BHS(hadd),
        [0x02] = BHS(rhadd),
        [0x03] = {eor_, bsl_, bit_, bif_},
        [0x04] = BHS(hsub),
        [0x06] = BHSD(cmhi),
        [0x07] = BHSD(cmhs),
        [0x0c] = BHS(max),
        [0x0d] = BHS(min),
        [0x0e] = BHS(abd),
        [0x0f] = BHS(aba),
        [0x10] = BHSD(sub),
        [0x11] = BHSD(cmeq),
        [0x12] = BHS(mls),
        [0x13] = {pmul_b},
        [0x14] = BHS(maxp),
        [0x15] = BHS(minp),
    },
};

/* The scalar forms of these are of 64 bits only. */
static bool has_scalar(unsigned opcode)
{
    return opcode == 0x06 || opcode == 0x07 || opcode == 0x10 || opcode == 0x11;
}

/* opcode below 11000 */
a64_fn *simd_decode_three_same(uint32_t insn)
{
    unsigned u = insn >> 29 & 1, opcode = insn >> 11 & 31;
    unsigned size = insn >> 22 & 3;
    bool scalar = insn >> 28 & 1;

    switch (opcode) {
    case 0x01:
    case 0x05:
    case 0x16:
        return simd_decode_saturating(insn);
    case 0x08:
    case 0x09:
    case 0x0a:
    case 0x0b:
        return simd_decode_shift_register(insn);
    }
    if (scalar && !(has_scalar(opcode) && size == 3))
        return NULL;
    if (opcode != 3 && size == 3 && !scalar && !q_of(insn))
        return NULL;
    return three_same[u][opcode][size];
}

/* U, opcode: 1000 MUL, U 0000 MLA, U 0100 MLS; sizes 1 and 2 */
a64_fn *simd_decode_multiply_element(uint32_t insn)
{
    bool s = insn >> 23 & 1;

    switch (insn >> 12 & 15) {
    case 0:
        return s ? mla_es : mla_eh;
    case 4:
        return s ? mls_es : mls_eh;
    }
    return s ? mul_es : mul_eh;
}
