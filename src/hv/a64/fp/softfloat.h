/*
 * Floating point in integers: exact, slow, with Arm's results and flags.
 *
 * The fast paths use the host's FP unit and come here when the host's answer
 * could differ from Arm's: NaN results, results at the edge of the subnormal
 * range, flush-to-zero. Formats are binary16, 32 and 64 in the low bits of a
 * uint64_t. Names of the Arm pseudocode (FPAdd, FPMulAdd, ...) are given where
 * a function is one of them; [A1.5] and the shared/functions/float pages of
 * DDI 0487 define every detail.
 */
#ifndef LULL_A64_SOFTFLOAT_H
#define LULL_A64_SOFTFLOAT_H

#include <stdbool.h>
#include <stdint.h>

/* The cumulative bits of FPSR. */
enum {
    FPSR_IOC = 1u << 0, /* invalid operation */
    FPSR_DZC = 1u << 1, /* division by zero */
    FPSR_OFC = 1u << 2, /* overflow */
    FPSR_UFC = 1u << 3, /* underflow */
    FPSR_IXC = 1u << 4, /* inexact */
    FPSR_IDC = 1u << 7, /* input denormal flushed */
    FPSR_QC = 1u << 27, /* saturation, an integer matter */
};

/* The first four are FPCR.RMode's values. */
enum sf_round {
    SF_NEAREST,
    SF_UP,   /* towards plus infinity */
    SF_DOWN, /* towards minus infinity */
    SF_ZERO,
    SF_AWAY, /* nearest, ties away from zero */
    SF_ODD,  /* inexact results get an odd last bit */
};

struct sf_format {
    uint8_t exp_bits, frac_bits;
};

#define SF_HALF ((struct sf_format){5, 10})
#define SF_SINGLE ((struct sf_format){8, 23})
#define SF_DOUBLE ((struct sf_format){11, 52})

struct sf_env {
    enum sf_round mode;
    bool fz, dn, ahp; /* FPCR.FZ, DN, AHP */
    uint32_t flags;   /* FPSR bits, gathered */
};

/* One operand, two operands, fused: the shapes the fast paths fall back to. */
typedef uint64_t sf_op1(struct sf_env *env, struct sf_format f, uint64_t a);
typedef uint64_t sf_op2(struct sf_env *env, struct sf_format f, uint64_t a,
                        uint64_t b);

sf_op2 sf_add, sf_sub, sf_mul, sf_div;
sf_op2 sf_mulx; /* FPMulX: infinity times zero is two */
sf_op2 sf_max, sf_min, sf_maxnm, sf_minnm;
sf_op2 sf_recps, sf_rsqrts; /* FPRecipStepFused, FPRSqrtStepFused */
sf_op1 sf_sqrt;
sf_op1 sf_recpe, sf_rsqrte; /* FPRecipEstimate, FPRSqrtEstimate */
sf_op1 sf_recpx;

/* FPMulAdd: addend + n * m, rounded once. */
uint64_t sf_muladd(struct sf_env *env, struct sf_format f, uint64_t addend,
                   uint64_t n, uint64_t m);

enum sf_relation { SF_LESS, SF_EQUAL, SF_GREATER, SF_UNORDERED };

/* signal: quiet NaNs raise invalid operation too. */
enum sf_relation sf_compare(struct sf_env *env, struct sf_format f, uint64_t a,
                            uint64_t b, bool signal);

/* FPConvert, to another format. */
uint64_t sf_convert(struct sf_env *env, struct sf_format to,
                    struct sf_format from, uint64_t a);
/* FPToFixed: a * 2^fbits as an integer of `width` bits, saturating. */
uint64_t sf_to_fixed(struct sf_env *env, struct sf_format f, uint64_t a,
                     unsigned fbits, bool is_unsigned, unsigned width,
                     enum sf_round mode);
/* FixedToFP: (negative ? -magnitude : magnitude) / 2^fbits. */
uint64_t sf_from_fixed(struct sf_env *env, struct sf_format f, bool negative,
                       uint64_t magnitude, unsigned fbits);
/* FPRoundInt; exact: raise inexact when the value changes. */
uint64_t sf_round_int(struct sf_env *env, struct sf_format f, uint64_t a,
                      enum sf_round mode, bool exact);

/* UnsignedRecipEstimate and UnsignedRSqrtEstimate. */
uint32_t sf_urecpe(uint32_t a);
uint32_t sf_ursqrte(uint32_t a);

#endif
