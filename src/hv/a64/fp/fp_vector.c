/*
 * Vector floating-point arithmetic, and its scalar forms in the Advanced SIMD
 * encodings: three same, by element, pairwise, across lanes, estimates.
 */
#include "fp_fast.h"

/* ---- hot: whole vectors on the host's unit ------------------------------- */

/* The second operand of a by-element form, copied to all lanes. */
static inline vf32 splat_s(struct a64_cpu *cpu, uint32_t insn)
{
    float x = f32_of_bits(element_s(cpu, insn));

    return (vf32){x, x, x, x};
}

static inline vf64 splat_d(struct a64_cpu *cpu, uint32_t insn)
{
    double x = reg(cpu, rm_of(insn))->g[insn >> 11 & 1];

    return (vf64){x, x};
}

/* Lanes that are not there divide by one. */
static inline vf32 pad_divisor_s(vf32 b, vu64 mask)
{
    return (vf32)((vu32)b | ((vu32)~mask & 0x3f800000));
}

static inline vf64 pad_divisor_d(vf64 b, vu64 mask)
{
    return (vf64)((vu64)b | (~mask & 0x3ff0000000000000));
}

#define no_pad_s(b, mask) (b)
#define no_pad_d(b, mask) (b)

/* When a whole vector has a doubtful lane, each lane goes its own way. */
#define WHOLE_TYPE(name, op, pad, type, varr, arr, suffix, w, size)            \
    FP_COLD static void name##_##w##_slow(struct a64_cpu *cpu, uint32_t insn,  \
                                          type b)                              \
    {                                                                          \
        vu64 mask = lanes(insn, size);                                         \
        union vec r = {.vd = reg(cpu, rn_of(insn))->vd & mask};                \
                                                                               \
        for (unsigned i = 0; i < sizeof(r) / sizeof(r.arr[0]); i++)            \
            r.arr[i] = fp_##name##_##suffix(cpu, r.arr[i], b[i]);              \
        r.vd &= mask;                                                          \
        put_vec(cpu, rd_of(insn), r);                                          \
    }                                                                          \
    static inline void name##_##w##_with(struct a64_cpu *cpu, uint32_t insn,   \
                                         type b)                               \
    {                                                                          \
        vu64 mask = lanes(insn, size);                                         \
        type a = (type)(reg(cpu, rn_of(insn))->vd & mask);                     \
                                                                               \
        b = pad((type)((vu64)b & mask), mask);                                 \
        if (fp_reads_##varr(cpu, a) && fp_reads_##varr(cpu, b) &&              \
            fp_rounds(cpu)) {                                                  \
            type r = a op b;                                                   \
                                                                               \
            if (fp_fine_##varr(cpu, r)) {                                      \
                reg(cpu, rd_of(insn))->vd = (vu64)r & mask;                    \
                return;                                                        \
            }                                                                  \
        }                                                                      \
        name##_##w##_slow(cpu, insn, b);                                       \
    }                                                                          \
    static void name##_v##w(struct a64_cpu *cpu, uint32_t insn)                \
    {                                                                          \
        name##_##w##_with(cpu, insn, reg(cpu, rm_of(insn))->varr);             \
    }

#define WHOLE(name, op, pad)                                                   \
    WHOLE_TYPE(name, op, pad##_s, vf32, vf, f, f32, s, 2)                      \
    WHOLE_TYPE(name, op, pad##_d, vf64, vg, g, f64, d, 3)

WHOLE(add, +, no_pad)
WHOLE(sub, -, no_pad)
WHOLE(mul, *, no_pad)
WHOLE(div, /, pad_divisor)

static void mul_es(struct a64_cpu *cpu, uint32_t insn)
{
    mul_s_with(cpu, insn, splat_s(cpu, insn));
}

static void mul_ed(struct a64_cpu *cpu, uint32_t insn)
{
    mul_d_with(cpu, insn, splat_d(cpu, insn));
}

/* ---- fused multiply-add -------------------------------------------------- */

/* sign: - for FMLS, which negates the first factor */
#define FUSED_TYPE(name, sign, type, varr, arr, suffix, w, size)               \
    FP_COLD static void name##_##w##_slow(struct a64_cpu *cpu, uint32_t insn,  \
                                          type b)                              \
    {                                                                          \
        vu64 mask = lanes(insn, size);                                         \
        type a = (type)(reg(cpu, rn_of(insn))->vd & mask);                     \
        union vec d = {.vd = reg(cpu, rd_of(insn))->vd & mask};                \
                                                                               \
        b = (type)((vu64)b & mask);                                            \
        for (unsigned i = 0; i < sizeof(d) / sizeof(d.arr[0]); i++)            \
            d.arr[i] =                                                         \
                fp_slow_muladd_##suffix(cpu, d.arr[i], sign a[i], b[i]);       \
        d.vd &= mask;                                                          \
        put_vec(cpu, rd_of(insn), d);                                          \
    }                                                                          \
    FP_HOST_FMA static inline void name##_##w##_with(struct a64_cpu *cpu,      \
                                                     uint32_t insn, type b)    \
    {                                                                          \
        vu64 mask = lanes(insn, size);                                         \
        type a = (type)(reg(cpu, rn_of(insn))->vd & mask);                     \
        type d = (type)(reg(cpu, rd_of(insn))->vd & mask);                     \
        type m = (type)((vu64)b & mask);                                       \
                                                                               \
        if (fp_reads_##varr(cpu, a) && fp_reads_##varr(cpu, d) &&              \
            fp_reads_##varr(cpu, m) && fp_rounds(cpu)) {                       \
            d = fp_host_fma_##varr(sign a, m, d);                              \
            if (fp_fine_##varr(cpu, d)) {                                      \
                reg(cpu, rd_of(insn))->vd = (vu64)d & mask;                    \
                return;                                                        \
            }                                                                  \
        }                                                                      \
        name##_##w##_slow(cpu, insn, b);                                       \
    }                                                                          \
    FP_HOST_FMA static void name##_v##w##_host(struct a64_cpu *cpu,            \
                                               uint32_t insn)                  \
    {                                                                          \
        name##_##w##_with(cpu, insn, reg(cpu, rm_of(insn))->varr);             \
    }                                                                          \
    FP_HOST_FMA static void name##_e##w##_host(struct a64_cpu *cpu,            \
                                               uint32_t insn)                  \
    {                                                                          \
        name##_##w##_with(cpu, insn, splat_##w(cpu, insn));                    \
    }                                                                          \
    static void name##_v##w##_soft(struct a64_cpu *cpu, uint32_t insn)         \
    {                                                                          \
        name##_##w##_slow(cpu, insn, reg(cpu, rm_of(insn))->varr);             \
    }                                                                          \
    static void name##_e##w##_soft(struct a64_cpu *cpu, uint32_t insn)         \
    {                                                                          \
        name##_##w##_slow(cpu, insn, splat_##w(cpu, insn));                    \
    }

FUSED_TYPE(mla, , vf32, vf, f, f32, s, 2)
FUSED_TYPE(mla, , vf64, vg, g, f64, d, 3)
FUSED_TYPE(mls, -, vf32, vf, f, f32, s, 2)
FUSED_TYPE(mls, -, vf64, vg, g, f64, d, 3)

/* ---- lane by lane -------------------------------------------------------- */

#define EACH_TYPE(name, arr, suffix, w, size)                                  \
    static void name##_v##w(struct a64_cpu *cpu, uint32_t insn)                \
    {                                                                          \
        const union vec *a = reg(cpu, rn_of(insn)),                            \
                        *b = reg(cpu, rm_of(insn));                            \
        union vec r = {.vd = {0, 0}};                                          \
                                                                               \
        for (unsigned i = 0; i < lane_count(insn, size); i++)                  \
            r.arr[i] = fp_##name##_##suffix(cpu, a->arr[i], b->arr[i]);        \
        put_vec(cpu, rd_of(insn), r);                                          \
    }

#define EACH(name)                                                             \
    EACH_TYPE(name, f, f32, s, 2)                                              \
    EACH_TYPE(name, g, f64, d, 3)

EACH(mulx)
EACH(abd)
EACH(max)
EACH(min)
EACH(maxnm)
EACH(minnm)
EACH(recps)
EACH(rsqrts)

#define EACH_ELEMENT_TYPE(name, varr, arr, suffix, w, size)                    \
    static void name##_e##w(struct a64_cpu *cpu, uint32_t insn)                \
    {                                                                          \
        const union vec *a = reg(cpu, rn_of(insn));                            \
        union vec b = {.varr = splat_##w(cpu, insn)}, r = {.vd = {0, 0}};      \
                                                                               \
        for (unsigned i = 0; i < lane_count(insn, size); i++)                  \
            r.arr[i] = fp_##name##_##suffix(cpu, a->arr[i], b.arr[i]);         \
        put_vec(cpu, rd_of(insn), r);                                          \
    }

EACH_ELEMENT_TYPE(mulx, vf, f, f32, s, 2)
EACH_ELEMENT_TYPE(mulx, vg, g, f64, d, 3)

/* Neighbours of the second operand above those of the first. */
#define PAIRS_TYPE(name, arr, suffix, w, size)                                 \
    static void name##p_v##w(struct a64_cpu *cpu, uint32_t insn)               \
    {                                                                          \
        const union vec *a = reg(cpu, rn_of(insn)),                            \
                        *b = reg(cpu, rm_of(insn));                            \
        unsigned half = lane_count(insn, size) / 2;                            \
        union vec r = {.vd = {0, 0}};                                          \
                                                                               \
        for (unsigned i = 0; i < half; i++) {                                  \
            r.arr[i] =                                                         \
                fp_##name##_##suffix(cpu, a->arr[2 * i], a->arr[2 * i + 1]);   \
            r.arr[half + i] =                                                  \
                fp_##name##_##suffix(cpu, b->arr[2 * i], b->arr[2 * i + 1]);   \
        }                                                                      \
        put_vec(cpu, rd_of(insn), r);                                          \
    }                                                                          \
    static void name##p_p##w(struct a64_cpu *cpu, uint32_t insn)               \
    {                                                                          \
        const union vec *a = reg(cpu, rn_of(insn));                            \
                                                                               \
        put_##suffix(cpu, rd_of(insn),                                         \
                     fp_##name##_##suffix(cpu, a->arr[0], a->arr[1]));         \
    }

#define PAIRS(name)                                                            \
    PAIRS_TYPE(name, f, f32, s, 2)                                             \
    PAIRS_TYPE(name, g, f64, d, 3)

PAIRS(add)
PAIRS(max)
PAIRS(min)
PAIRS(maxnm)
PAIRS(minnm)

/* The manual reduces halves: it matters for NaNs. */
#define ACROSS(name)                                                           \
    static void name##v(struct a64_cpu *cpu, uint32_t insn)                    \
    {                                                                          \
        const union vec *a = reg(cpu, rn_of(insn));                            \
        float low = fp_##name##_f32(cpu, a->f[0], a->f[1]);                    \
        float high = fp_##name##_f32(cpu, a->f[2], a->f[3]);                   \
                                                                               \
        put_f32(cpu, rd_of(insn), fp_##name##_f32(cpu, low, high));            \
    }

ACROSS(max)
ACROSS(min)
ACROSS(maxnm)
ACROSS(minnm)

/* ---- one operand --------------------------------------------------------- */

static void abs_vs(struct a64_cpu *cpu, uint32_t insn)
{
    union vec a = *reg(cpu, rn_of(insn));

    a.vs &= INT32_MAX;
    put_q(cpu, insn, a);
}

static void abs_vd(struct a64_cpu *cpu, uint32_t insn)
{
    union vec a = *reg(cpu, rn_of(insn));

    a.vd &= INT64_MAX;
    put_q(cpu, insn, a);
}

static void neg_vs(struct a64_cpu *cpu, uint32_t insn)
{
    union vec a = *reg(cpu, rn_of(insn));

    a.vs ^= 1u << 31;
    put_q(cpu, insn, a);
}

static void neg_vd(struct a64_cpu *cpu, uint32_t insn)
{
    union vec a = *reg(cpu, rn_of(insn));

    a.vd ^= 1ull << 63;
    put_q(cpu, insn, a);
}

#define fp_recpe_f32(cpu, a) fp_slow1_f32(cpu, sf_recpe, a)
#define fp_recpe_f64(cpu, a) fp_slow1_f64(cpu, sf_recpe, a)
#define fp_rsqrte_f32(cpu, a) fp_slow1_f32(cpu, sf_rsqrte, a)
#define fp_rsqrte_f64(cpu, a) fp_slow1_f64(cpu, sf_rsqrte, a)
#define fp_recpx_f32(cpu, a) fp_slow1_f32(cpu, sf_recpx, a)
#define fp_recpx_f64(cpu, a) fp_slow1_f64(cpu, sf_recpx, a)

#define UNARY_TYPE(name, arr, suffix, w, size)                                 \
    static void name##_v##w(struct a64_cpu *cpu, uint32_t insn)                \
    {                                                                          \
        const union vec *a = reg(cpu, rn_of(insn));                            \
        union vec r = {.vd = {0, 0}};                                          \
                                                                               \
        for (unsigned i = 0; i < lane_count(insn, size); i++)                  \
            r.arr[i] = fp_##name##_##suffix(cpu, a->arr[i]);                   \
        put_vec(cpu, rd_of(insn), r);                                          \
    }

#define UNARY(name)                                                            \
    UNARY_TYPE(name, f, f32, s, 2)                                             \
    UNARY_TYPE(name, g, f64, d, 3)

UNARY(sqrt)
UNARY(recpe)
UNARY(rsqrte)
UNARY(recpx)

static void urecpe(struct a64_cpu *cpu, uint32_t insn)
{
    union vec a = *reg(cpu, rn_of(insn));

    for (unsigned i = 0; i < 4; i++)
        a.s[i] = sf_urecpe(a.s[i]);
    put_q(cpu, insn, a);
}

static void ursqrte(struct a64_cpu *cpu, uint32_t insn)
{
    union vec a = *reg(cpu, rn_of(insn));

    for (unsigned i = 0; i < 4; i++)
        a.s[i] = sf_ursqrte(a.s[i]);
    put_q(cpu, insn, a);
}

/* ---- decoding ------------------------------------------------------------ */

/* A vector of doubles needs all 128 bits. */
static bool one_double(uint32_t insn)
{
    return (insn >> 22 & 1) && !(insn >> 28 & 1) && !q_of(insn);
}

/* opcode 11xxx: U, size<1> and opcode<2:0> */
a64_fn *fp_decode_three_same(uint32_t insn)
{
    bool d = insn >> 22 & 1, scalar = insn >> 28 & 1;
    bool host = fp_host_has_fma();

    if (one_double(insn))
        return NULL;
    if ((insn >> 12 & 7) == 6) /* 1110x */
        return fp_decode_three_same_compare(insn);
    switch ((insn >> 25 & 16) | (insn >> 20 & 8) | (insn >> 11 & 7)) {
    case 003: /* those with a scalar form */
        return d ? mulx_vd : mulx_vs;
    case 007:
        return d ? recps_vd : recps_vs;
    case 017:
        return d ? rsqrts_vd : rsqrts_vs;
    case 032:
        return d ? abd_vd : abd_vs;
    }
    if (scalar)
        return NULL;
    switch ((insn >> 25 & 16) | (insn >> 20 & 8) | (insn >> 11 & 7)) {
    case 000:
        return d ? maxnm_vd : maxnm_vs;
    case 001:
        if (host)
            return d ? mla_vd_host : mla_vs_host;
        return d ? mla_vd_soft : mla_vs_soft;
    case 002:
        return d ? add_vd : add_vs;
    case 006:
        return d ? max_vd : max_vs;
    case 010:
        return d ? minnm_vd : minnm_vs;
    case 011:
        if (host)
            return d ? mls_vd_host : mls_vs_host;
        return d ? mls_vd_soft : mls_vs_soft;
    case 012:
        return d ? sub_vd : sub_vs;
    case 016:
        return d ? min_vd : min_vs;
    case 020:
        return d ? maxnmp_vd : maxnmp_vs;
    case 022:
        return d ? addp_vd : addp_vs;
    case 023:
        return d ? mul_vd : mul_vs;
    case 026:
        return d ? maxp_vd : maxp_vs;
    case 027:
        return d ? div_vd : div_vs;
    case 030:
        return d ? minnmp_vd : minnmp_vs;
    case 036:
        return d ? minp_vd : minp_vs;
    }
    return NULL;
}

/* Of two-register miscellaneous: opcodes 011xx, 11101 and 11111 of size 1x. */
a64_fn *fp_decode_two_misc(uint32_t insn)
{
    bool d = insn >> 22 & 1, scalar = insn >> 28 & 1, u = insn >> 29 & 1;
    unsigned opcode = insn >> 12 & 31;

    if (opcode == 28) { /* unsigned integers */
        if (scalar || d)
            return NULL;
        return u ? ursqrte : urecpe;
    }
    if (one_double(insn))
        return NULL;
    if (opcode >= 12 && opcode <= 14)
        return fp_decode_zero_compare(insn);
    if (opcode == 29 && u)
        return d ? rsqrte_vd : rsqrte_vs;
    if (opcode == 29)
        return d ? recpe_vd : recpe_vs;
    if (opcode == 31 && scalar && !u)
        return d ? recpx_vd : recpx_vs;
    if (scalar)
        return NULL;
    if (opcode == 15 && u)
        return d ? neg_vd : neg_vs;
    if (opcode == 15)
        return d ? abs_vd : abs_vs;
    if (opcode == 31 && u)
        return d ? sqrt_vd : sqrt_vs;
    return NULL;
}

a64_fn *fp_decode_pairwise(uint32_t insn)
{
    bool d = insn >> 22 & 1;

    switch ((insn >> 18 & 32) | (insn >> 12 & 31)) {
    case 0x0c:
        return d ? maxnmp_pd : maxnmp_ps;
    case 0x0d:
        return d ? addp_pd : addp_ps;
    case 0x0f:
        return d ? maxp_pd : maxp_ps;
    case 0x2c:
        return d ? minnmp_pd : minnmp_ps;
    case 0x2f:
        return d ? minp_pd : minp_ps;
    }
    return NULL;
}

a64_fn *fp_decode_across(uint32_t insn)
{
    bool smaller = insn >> 23 & 1;

    if ((insn >> 22 & 1) || !q_of(insn))
        return NULL;
    if ((insn >> 12 & 31) == 12)
        return smaller ? minnmv : maxnmv;
    return smaller ? minv : maxv;
}

/* opcodes 0001 FMLA, 0101 FMLS, 1001 FMUL or (U) FMULX; size 1x */
a64_fn *fp_decode_element(uint32_t insn)
{
    bool d = insn >> 22 & 1, u = insn >> 29 & 1, host = fp_host_has_fma();
    unsigned opcode = insn >> 12 & 15;

    if (!(insn >> 23 & 1) || one_double(insn))
        return NULL;
    if (d && (insn >> 21 & 1))
        return NULL;
    if (opcode == 9 && u)
        return d ? mulx_ed : mulx_es;
    if (opcode == 9)
        return d ? mul_ed : mul_es;
    if (u)
        return NULL;
    if (opcode == 1 && host)
        return d ? mla_ed_host : mla_es_host;
    if (opcode == 1)
        return d ? mla_ed_soft : mla_es_soft;
    if (host)
        return d ? mls_ed_host : mls_es_host;
    return d ? mls_ed_soft : mls_es_soft;
}
