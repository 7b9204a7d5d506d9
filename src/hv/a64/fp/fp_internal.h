/*
 * What the files of this folder share: fields of the instruction word, the
 * vector registers as vectors, and the decoders of the encoding classes.
 *
 * Every instruction is a function of (cpu, insn) that takes its own fields out
 * of the word. A vector function works on all 128 bits and then clears the
 * upper half when Q is 0; one that can raise something (a flag, QC) must not
 * see the lanes that are not there, and masks its inputs too.
 */
#ifndef LULL_A64_FP_INTERNAL_H
#define LULL_A64_FP_INTERNAL_H

#include <string.h>

#include "cpu.h"
#include "fp_host.h"
#include "softfloat.h"
#include "vector.h"

#define FPCR_FZ (1u << 24)

/* What fast paths leave through; kept out of their way. */
#define FP_COLD __attribute__((noinline, cold))

/* ---- fields -------------------------------------------------------------- */

static inline unsigned rd_of(uint32_t insn)
{
    return insn & 31;
}

static inline unsigned rn_of(uint32_t insn)
{
    return insn >> 5 & 31;
}

static inline unsigned ra_of(uint32_t insn)
{
    return insn >> 10 & 31;
}

static inline unsigned rm_of(uint32_t insn)
{
    return insn >> 16 & 31;
}

static inline unsigned q_of(uint32_t insn)
{
    return insn >> 30 & 1;
}

/* ---- general registers --------------------------------------------------- */

/* A W result must already be zero-extended. */
static inline void put_x(struct a64_cpu *cpu, unsigned n, uint64_t value)
{
    cpu->x[n == A64_ZR ? A64_TRASH : n] = value;
}

/* ---- vector registers ---------------------------------------------------- */

union vec {
    vu8 vb;
    vu16 vh;
    vu32 vs;
    vu64 vd;
    vs8 vsb;
    vs16 vsh;
    vs32 vss;
    vs64 vsd;
    vf32 vf;
    vf64 vg;
    uint8_t b[16];
    uint16_t h[8];
    uint32_t s[4];
    uint64_t d[2];
    int8_t sb[16];
    int16_t sh[8];
    int32_t ss[4];
    int64_t sd[2];
    float f[4];
    double g[2];
} __attribute__((may_alias));

static inline union vec *reg(struct a64_cpu *cpu, unsigned n)
{
    return (union vec *)&cpu->v[n];
}

/* All of the register, or its lower half: indexed by Q. */
static const vu64 q_mask[2] = {{~0ULL, 0}, {~0ULL, ~0ULL}};

static inline void put_vec(struct a64_cpu *cpu, unsigned n, union vec r)
{
    reg(cpu, n)->vd = r.vd;
}

static inline void put_q(struct a64_cpu *cpu, uint32_t insn, union vec r)
{
    reg(cpu, rd_of(insn))->vd = r.vd & q_mask[q_of(insn)];
}

/* A scalar result: one store of 16 bytes, so that later loads of any size are
 * forwarded from it. */
static inline void put_d(struct a64_cpu *cpu, unsigned n, uint64_t value)
{
    reg(cpu, n)->vd = (vu64){value, 0};
}

static inline void put_s(struct a64_cpu *cpu, unsigned n, uint32_t value)
{
    reg(cpu, n)->vs = (vu32){value, 0, 0, 0};
}

static inline void put_f64(struct a64_cpu *cpu, unsigned n, double value)
{
    reg(cpu, n)->vg = (vf64){value, 0};
}

static inline void put_f32(struct a64_cpu *cpu, unsigned n, float value)
{
    reg(cpu, n)->vf = (vf32){value, 0, 0, 0};
}

/* The result of an instruction that narrows: "2" forms (Q) keep the lower
 * half and write the upper one. */
static inline void put_narrow(struct a64_cpu *cpu, uint32_t insn, uint64_t r)
{
    union vec *d = reg(cpu, rd_of(insn));

    d->vd = q_of(insn) ? (vu64){d->d[0], r} : (vu64){r, 0};
}

/*
 * The lanes an instruction works on, as a mask: by Q, or in the scalar classes
 * (bit 28, and there bit 30 is set) the lowest element of 8 << size bits.
 */
static inline vu64 lanes(uint32_t insn, unsigned size)
{
    static const vu64 mask[4][4] = {
        {{~0ULL, 0}, {~0ULL, ~0ULL}, {0, 0}, {0xff, 0}},
        {{~0ULL, 0}, {~0ULL, ~0ULL}, {0, 0}, {0xffff, 0}},
        {{~0ULL, 0}, {~0ULL, ~0ULL}, {0, 0}, {0xffffffff, 0}},
        {{~0ULL, 0}, {~0ULL, ~0ULL}, {0, 0}, {~0ULL, 0}},
    };

    return mask[size][q_of(insn) | (insn >> 27 & 2)];
}

/* How many of them. */
static inline unsigned lane_count(uint32_t insn, unsigned size)
{
    return insn >> 28 & 1 ? 1 : (8u << q_of(insn)) >> size;
}

/* The element that a by-element form names: an index of H and L, and for
 * halfwords M too, which leaves 16 registers for Rm. */
static inline uint32_t element_s(struct a64_cpu *cpu, uint32_t insn)
{
    return reg(cpu, rm_of(insn))->s[(insn >> 10 & 2) | (insn >> 21 & 1)];
}

static inline uint16_t element_h(struct a64_cpu *cpu, uint32_t insn)
{
    unsigned index = (insn >> 9 & 4) | (insn >> 20 & 2) | (insn >> 20 & 1);

    return reg(cpu, insn >> 16 & 15)->h[index];
}

static inline void raise_qc(struct a64_cpu *cpu, bool saturated)
{
    if (saturated)
        cpu->fpsr |= FPSR_QC;
}

/* ---- floating point as bits ---------------------------------------------- */

static inline uint64_t bits_of_f64(double x)
{
    uint64_t v;

    memcpy(&v, &x, sizeof(v));
    return v;
}

static inline uint32_t bits_of_f32(float x)
{
    uint32_t v;

    memcpy(&v, &x, sizeof(v));
    return v;
}

static inline double f64_of_bits(uint64_t v)
{
    double x;

    memcpy(&x, &v, sizeof(x));
    return x;
}

static inline float f32_of_bits(uint32_t v)
{
    float x;

    memcpy(&x, &v, sizeof(x));
    return x;
}

/* VFPExpandImm: sign, a few exponent bits, four fraction bits. */
static inline uint64_t fp_expand_imm64(unsigned imm8)
{
    uint64_t exp = imm8 >> 6 & 1 ? 0x3fc : 0x400;

    return (uint64_t)(imm8 >> 7) << 63 | (exp | (imm8 >> 4 & 3)) << 52 |
           (uint64_t)(imm8 & 15) << 48;
}

static inline uint32_t fp_expand_imm32(unsigned imm8)
{
    uint32_t exp = imm8 >> 6 & 1 ? 0x7c : 0x80;

    return (uint32_t)(imm8 >> 7) << 31 | (exp | (imm8 >> 4 & 3)) << 23 |
           (uint32_t)(imm8 & 15) << 19;
}

/* fp_scalar.c: does the condition code hold? */
bool fp_condition(const struct a64_cpu *cpu, unsigned cond);

/* ---- fp_slow.c: softfloat with this guest's FPCR, flags into FPSR -------- */

struct sf_env fp_env(const struct a64_cpu *cpu);

double fp_slow1_f64(struct a64_cpu *cpu, sf_op1 *op, double a);
float fp_slow1_f32(struct a64_cpu *cpu, sf_op1 *op, float a);
double fp_slow2_f64(struct a64_cpu *cpu, sf_op2 *op, double a, double b);
float fp_slow2_f32(struct a64_cpu *cpu, sf_op2 *op, float a, float b);
double fp_slow_muladd_f64(struct a64_cpu *cpu, double a, double n, double m);
float fp_slow_muladd_f32(struct a64_cpu *cpu, float a, float n, float m);

/* ---- decoders of encoding classes ---------------------------------------- */

/* Rows of decoding tables, by size: the functions are named after the lane
 * arrays of union vec. */
#define BHS(name)                                                              \
    {                                                                          \
        name##_b, name##_h, name##_s                                           \
    }
#define BHSD(name)                                                             \
    {                                                                          \
        name##_b, name##_h, name##_s, name##_d                                 \
    }
#define BHS_S(name)                                                            \
    {                                                                          \
        name##_sb, name##_sh, name##_ss                                        \
    }
#define BHSD_S(name)                                                           \
    {                                                                          \
        name##_sb, name##_sh, name##_ss, name##_sd                             \
    }

/* Each takes a word already known to be of its class. Where one instruction
 * exists as a scalar and as a vector form, one function serves both. */
typedef a64_fn *fp_decoder(uint32_t insn);

fp_decoder fp_decode_scalar;             /* fp_scalar.c: all but SIMD */
fp_decoder fp_decode_convert;            /* fp_convert.c: integers */
fp_decoder fp_decode_one_source;         /* fp_convert.c: FCVT, FRINT */
fp_decoder fp_decode_two_misc_convert;   /* fp_convert.c */
fp_decoder fp_decode_fixed_shift;        /* fp_convert.c */
fp_decoder fp_decode_compare;            /* fp_compare.c: FCMP, FCCMP */
fp_decoder fp_decode_three_same_compare; /* fp_compare.c */
fp_decoder fp_decode_zero_compare;       /* fp_compare.c */
fp_decoder fp_decode_three_same;         /* fp_vector.c */
fp_decoder fp_decode_two_misc;           /* fp_vector.c */
fp_decoder fp_decode_pairwise;           /* fp_vector.c */
fp_decoder fp_decode_across;             /* fp_vector.c */
fp_decoder fp_decode_element;            /* fp_vector.c */

fp_decoder simd_decode_three_same;
fp_decoder simd_decode_multiply_element;   /* simd_three_same.c */
fp_decoder simd_decode_dot;                /* simd_three_same.c */
fp_decoder simd_decode_scalar_addp;        /* simd_three_same.c */
fp_decoder simd_decode_saturating;         /* simd_saturate.c */
fp_decoder simd_decode_saturating_misc;    /* simd_saturate.c */
fp_decoder simd_decode_saturating_element; /* simd_saturate.c */
fp_decoder simd_decode_doubling_long;      /* simd_saturate.c */
fp_decoder simd_decode_shift_register;     /* simd_shift.c */
fp_decoder simd_decode_shift_immediate;    /* simd_shift.c */
fp_decoder simd_decode_three_different;    /* simd_long.c */
fp_decoder simd_decode_long_element;       /* simd_long.c */
fp_decoder simd_decode_two_misc;           /* simd_misc.c */
fp_decoder simd_decode_across;             /* simd_misc.c */
fp_decoder simd_decode_copy;               /* simd_permute.c */
fp_decoder simd_decode_scalar_copy;        /* simd_permute.c */
fp_decoder simd_decode_permute;            /* simd_permute.c */
fp_decoder simd_decode_extract;            /* simd_permute.c */
fp_decoder simd_decode_table;              /* simd_permute.c */
fp_decoder simd_decode_immediate;          /* simd_permute.c */
fp_decoder crypto_decode_aes;              /* crypto_aes.c */
fp_decoder crypto_decode_sha_three;        /* crypto_sha.c */
fp_decoder crypto_decode_sha_two;          /* crypto_sha.c */
fp_decoder crypto_decode_pmull;            /* crypto_pmull.c */

#endif
