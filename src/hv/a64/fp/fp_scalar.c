/*
 * Scalar floating-point data processing: one, two and three sources, select,
 * immediates, and moves between register files. [C4.1.96]
 */
#include "fp_fast.h"

/* ---- two sources --------------------------------------------------------- */

#define TWO_SOURCES_TYPE(name, type, arr, suffix, w)                           \
    static void f##name##_##w(struct a64_cpu *cpu, uint32_t insn)              \
    {                                                                          \
        type n = reg(cpu, rn_of(insn))->arr[0];                                \
        type m = reg(cpu, rm_of(insn))->arr[0];                                \
                                                                               \
        put_##suffix(cpu, rd_of(insn), fp_##name##_##suffix(cpu, n, m));       \
    }

#define TWO_SOURCES(name)                                                      \
    TWO_SOURCES_TYPE(name, float, f, f32, s)                                   \
    TWO_SOURCES_TYPE(name, double, g, f64, d)

TWO_SOURCES(max)
TWO_SOURCES(min)
TWO_SOURCES(maxnm)
TWO_SOURCES(minnm)
TWO_SOURCES(nmul)

#define HOT_TWO_SOURCES_TYPE(name, type, arr, suffix, w)                       \
    FP_COLD static void f##name##_##w##_slow(struct a64_cpu *cpu,              \
                                             uint32_t insn)                    \
    {                                                                          \
        type n = reg(cpu, rn_of(insn))->arr[0];                                \
        type m = reg(cpu, rm_of(insn))->arr[0];                                \
                                                                               \
        put_##suffix(cpu, rd_of(insn),                                         \
                     fp_slow2_##suffix(cpu, sf_##name, n, m));                 \
    }                                                                          \
    static void f##name##_##w(struct a64_cpu *cpu, uint32_t insn)              \
    {                                                                          \
        type n = reg(cpu, rn_of(insn))->arr[0];                                \
        type m = reg(cpu, rm_of(insn))->arr[0], r;                             \
                                                                               \
        if (fp_try_##name##_##suffix(cpu, n, m, &r))                           \
            put_##suffix(cpu, rd_of(insn), r);                                 \
        else                                                                   \
            f##name##_##w##_slow(cpu, insn);                                   \
    }

#define HOT_TWO_SOURCES(name)                                                  \
    HOT_TWO_SOURCES_TYPE(name, float, f, f32, s)                               \
    HOT_TWO_SOURCES_TYPE(name, double, g, f64, d)

HOT_TWO_SOURCES(add)
HOT_TWO_SOURCES(sub)
HOT_TWO_SOURCES(mul)
HOT_TWO_SOURCES(div)

static a64_fn *decode_two_sources(uint32_t insn, bool is_double)
{
    static a64_fn *const table[9][2] = {
        {fmul_s, fmul_d},     {fdiv_s, fdiv_d},     {fadd_s, fadd_d},
        {fsub_s, fsub_d},     {fmax_s, fmax_d},     {fmin_s, fmin_d},
        {fmaxnm_s, fmaxnm_d}, {fminnm_s, fminnm_d}, {fnmul_s, fnmul_d},
    };
    unsigned opcode = insn >> 12 & 15;

    return opcode < 9 ? table[opcode][is_double] : NULL;
}

/* ---- three sources: fused multiply-add ----------------------------------- */

#define THREE_SOURCES_TYPE(name, na, nn, type, arr, suffix, w)                 \
    FP_COLD static void name##_##w##_soft(struct a64_cpu *cpu, uint32_t insn)  \
    {                                                                          \
        type n = reg(cpu, rn_of(insn))->arr[0];                                \
        type m = reg(cpu, rm_of(insn))->arr[0];                                \
        type a = reg(cpu, ra_of(insn))->arr[0];                                \
                                                                               \
        put_##suffix(cpu, rd_of(insn),                                         \
                     fp_slow_muladd_##suffix(cpu, na a, nn n, m));             \
    }                                                                          \
    FP_HOST_FMA static void name##_##w##_host(struct a64_cpu *cpu,             \
                                              uint32_t insn)                   \
    {                                                                          \
        type n = reg(cpu, rn_of(insn))->arr[0];                                \
        type m = reg(cpu, rm_of(insn))->arr[0];                                \
        type a = reg(cpu, ra_of(insn))->arr[0], r;                             \
                                                                               \
        if (fp_try_muladd_##suffix(cpu, na a, nn n, m, &r))                    \
            put_##suffix(cpu, rd_of(insn), r);                                 \
        else                                                                   \
            name##_##w##_soft(cpu, insn);                                      \
    }

#define THREE_SOURCES(name, na, nn)                                            \
    THREE_SOURCES_TYPE(name, na, nn, float, f, f32, s)                         \
    THREE_SOURCES_TYPE(name, na, nn, double, g, f64, d)

THREE_SOURCES(fmadd, , )
THREE_SOURCES(fmsub, , -)
THREE_SOURCES(fnmadd, -, -)
THREE_SOURCES(fnmsub, -, )

static a64_fn *decode_three_sources(uint32_t insn, bool is_double)
{
    static a64_fn *const table[2][4][2] = {
        {{fmadd_s_soft, fmadd_d_soft},
         {fmsub_s_soft, fmsub_d_soft},
         {fnmadd_s_soft, fnmadd_d_soft},
         {fnmsub_s_soft, fnmsub_d_soft}},
        {{fmadd_s_host, fmadd_d_host},
         {fmsub_s_host, fmsub_d_host},
         {fnmadd_s_host, fnmadd_d_host},
         {fnmsub_s_host, fnmsub_d_host}},
    };
    unsigned kind = (insn >> 20 & 2) | (insn >> 15 & 1);

    return table[fp_host_has_fma()][kind][is_double];
}

/* ---- one source ---------------------------------------------------------- */

static void fmov_d(struct a64_cpu *cpu, uint32_t insn)
{
    put_d(cpu, rd_of(insn), reg(cpu, rn_of(insn))->d[0]);
}

static void fmov_s(struct a64_cpu *cpu, uint32_t insn)
{
    put_s(cpu, rd_of(insn), reg(cpu, rn_of(insn))->s[0]);
}

static void fabs_d(struct a64_cpu *cpu, uint32_t insn)
{
    put_d(cpu, rd_of(insn), reg(cpu, rn_of(insn))->d[0] & INT64_MAX);
}

static void fabs_s(struct a64_cpu *cpu, uint32_t insn)
{
    put_s(cpu, rd_of(insn), reg(cpu, rn_of(insn))->s[0] & INT32_MAX);
}

static void fneg_d(struct a64_cpu *cpu, uint32_t insn)
{
    put_d(cpu, rd_of(insn), reg(cpu, rn_of(insn))->d[0] ^ 1ULL << 63);
}

static void fneg_s(struct a64_cpu *cpu, uint32_t insn)
{
    put_s(cpu, rd_of(insn), reg(cpu, rn_of(insn))->s[0] ^ 1u << 31);
}

static void fsqrt_d(struct a64_cpu *cpu, uint32_t insn)
{
    put_f64(cpu, rd_of(insn), fp_sqrt_f64(cpu, reg(cpu, rn_of(insn))->g[0]));
}

static void fsqrt_s(struct a64_cpu *cpu, uint32_t insn)
{
    put_f32(cpu, rd_of(insn), fp_sqrt_f32(cpu, reg(cpu, rn_of(insn))->f[0]));
}

static a64_fn *decode_one_source(uint32_t insn, unsigned ptype)
{
    static a64_fn *const table[4][2] = {
        {fmov_s, fmov_d},
        {fabs_s, fabs_d},
        {fneg_s, fneg_d},
        {fsqrt_s, fsqrt_d},
    };
    unsigned opcode = insn >> 15 & 63;

    if (opcode >= 4)
        return fp_decode_one_source(insn);
    return ptype < 2 ? table[opcode][ptype] : NULL;
}

/* ---- select, immediate --------------------------------------------------- */

/* The condition code `cond` holds; 1110 and 1111 always do. */
bool fp_condition(const struct a64_cpu *cpu, unsigned cond)
{
    bool n = cpu->fn >> 63, z = cpu->fz == 0, c = cpu->fc, v = cpu->fv, r;

    switch (cond >> 1) {
    case 0:
        r = z;
        break;
    case 1:
        r = c;
        break;
    case 2:
        r = n;
        break;
    case 3:
        r = v;
        break;
    case 4:
        r = c && !z;
        break;
    case 5:
        r = n == v;
        break;
    case 6:
        r = n == v && !z;
        break;
    default:
        return true;
    }
    return r != (cond & 1);
}

static void fcsel_d(struct a64_cpu *cpu, uint32_t insn)
{
    bool holds = fp_condition(cpu, insn >> 12 & 15);

    put_d(cpu, rd_of(insn), reg(cpu, holds ? rn_of(insn) : rm_of(insn))->d[0]);
}

static void fcsel_s(struct a64_cpu *cpu, uint32_t insn)
{
    bool holds = fp_condition(cpu, insn >> 12 & 15);

    put_s(cpu, rd_of(insn), reg(cpu, holds ? rn_of(insn) : rm_of(insn))->s[0]);
}

static void fmov_imm_d(struct a64_cpu *cpu, uint32_t insn)
{
    put_d(cpu, rd_of(insn), fp_expand_imm64(insn >> 13 & 255));
}

static void fmov_imm_s(struct a64_cpu *cpu, uint32_t insn)
{
    put_s(cpu, rd_of(insn), fp_expand_imm32(insn >> 13 & 255));
}

/* ---- moves between register files ---------------------------------------- */

static void fmov_x_d(struct a64_cpu *cpu, uint32_t insn)
{
    put_x(cpu, rd_of(insn), reg(cpu, rn_of(insn))->d[0]);
}

static void fmov_w_s(struct a64_cpu *cpu, uint32_t insn)
{
    put_x(cpu, rd_of(insn), reg(cpu, rn_of(insn))->s[0]);
}

static void fmov_x_top(struct a64_cpu *cpu, uint32_t insn)
{
    put_x(cpu, rd_of(insn), reg(cpu, rn_of(insn))->d[1]);
}

static void fmov_d_x(struct a64_cpu *cpu, uint32_t insn)
{
    put_d(cpu, rd_of(insn), cpu->x[rn_of(insn)]);
}

static void fmov_s_w(struct a64_cpu *cpu, uint32_t insn)
{
    put_s(cpu, rd_of(insn), (uint32_t)cpu->x[rn_of(insn)]);
}

static void fmov_top_x(struct a64_cpu *cpu, uint32_t insn)
{
    reg(cpu, rd_of(insn))->d[1] = cpu->x[rn_of(insn)];
}

static a64_fn *decode_integer(uint32_t insn, unsigned ptype)
{
    unsigned sf = insn >> 31, rmode = insn >> 19 & 3, opcode = insn >> 16 & 7;
    bool to_fp = opcode & 1;

    if (opcode < 6)
        return fp_decode_convert(insn);
    if (sf == 0 && ptype == 0 && rmode == 0)
        return to_fp ? fmov_s_w : fmov_w_s;
    if (sf == 1 && ptype == 1 && rmode == 0)
        return to_fp ? fmov_d_x : fmov_x_d;
    if (sf == 1 && ptype == 2 && rmode == 1)
        return to_fp ? fmov_top_x : fmov_x_top;
    return NULL;
}

/* ---- the class ----------------------------------------------------------- */

a64_fn *fp_decode_scalar(uint32_t insn)
{
    unsigned ptype = insn >> 22 & 3;
    bool m = insn >> 31, s = insn >> 29 & 1;

    if (s)
        return NULL;
    if (insn >> 24 & 1)
        return !m && ptype < 2 ? decode_three_sources(insn, ptype) : NULL;
    if (!(insn >> 21 & 1))
        return fp_decode_convert(insn); /* fixed point */
    if ((insn >> 10 & 63) == 0)
        return decode_integer(insn, ptype);
    if (m)
        return NULL;
    if ((insn >> 10 & 31) == 16)
        return decode_one_source(insn, ptype);
    if (ptype > 1)
        return NULL;
    if ((insn >> 10 & 15) == 8)
        return fp_decode_compare(insn);
    if ((insn >> 10 & 7) == 4) {
        if (insn >> 5 & 31)
            return NULL;
        return ptype ? fmov_imm_d : fmov_imm_s;
    }
    switch (insn >> 10 & 3) {
    case 1:
        return fp_decode_compare(insn);
    case 2:
        return decode_two_sources(insn, ptype);
    case 3:
        return ptype ? fcsel_d : fcsel_s;
    }
    return NULL;
}
