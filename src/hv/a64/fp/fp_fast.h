/*
 * Floating-point operations on the host's unit, checked, with softfloat behind
 * them.
 *
 * With FPCR.FZ clear the host's result and flags are Arm's, but for these:
 *  - a NaN result: which NaN, and its sign, differ between architectures;
 *  - a result equal to the smallest normal number: Arm judges tininess before
 *    rounding, so there may be an underflow that the host does not raise. (A
 *    subnormal result is tiny either way.)
 * Both are seen in the result, which is then computed again by softfloat; the
 * flags that the host raised on the way are among the right ones.
 *
 * With FZ set three more things are looked at: a subnormal operand, which Arm
 * reads as zero; a subnormal result, which Arm flushes; and inexact, which the
 * host raises where Arm flushes and raises underflow alone. That does no harm
 * once FPSR.IXC is set, and after any rounding it is.
 */
#ifndef LULL_A64_FP_FAST_H
#define LULL_A64_FP_FAST_H

#include "fp_internal.h"

static inline bool fp_flushes(const struct a64_cpu *cpu)
{
    return LULL_UNLIKELY(cpu->fpcr & FPCR_FZ);
}

/* Normal, zero, infinite or a NaN: one comparison, since zero wraps round. */
static inline bool fp_normal_f64(double a)
{
    return (bits_of_f64(a) << 1) - 1 >= (1ULL << 53) - 1;
}

static inline bool fp_normal_f32(float a)
{
    return (bits_of_f32(a) << 1) - 1 >= (1u << 24) - 1;
}

static inline bool fp_normal_vg(vf64 a)
{
    return fp_normal_f64(a[0]) && fp_normal_f64(a[1]);
}

static inline bool fp_normal_vf(vf32 a)
{
    return fp_host_none((vu64)(((vu32)a << 1) - 1 < (1u << 24) - 1));
}

/* NaN, or the smallest normal number */
static inline bool fp_doubtful_f64(double r)
{
    uint64_t twice = bits_of_f64(r) << 1;

    return LULL_UNLIKELY(twice > 0x7ffULL << 53 || twice == 1ULL << 53);
}

static inline bool fp_doubtful_f32(float r)
{
    uint32_t twice = bits_of_f32(r) << 1;

    return LULL_UNLIKELY(twice > 0xffu << 24 || twice == 1u << 24);
}

static inline bool fp_doubtful_vg(vf64 r)
{
    vs64 bad = r != r;

    /* SSE2 compares no 64-bit lanes, and a suspicion is good enough: the
     * upper word of the smallest normal number */
    bad |= (vs64)(((vs32)r & 0x7fffffff) ==
                  (vs32){-1, 0x00100000, -1, 0x00100000});
    return LULL_UNLIKELY(!fp_host_none((vu64)bad));
}

static inline bool fp_doubtful_vf(vf32 r)
{
    vs32 bad = r != r;

    bad |= ((vs32)r & 0x7fffffff) == 0x00800000;
    return LULL_UNLIKELY(!fp_host_none((vu64)bad));
}

/*
 * Of a scalar or a whole vector:
 * fp_reads: the host reads this operand as Arm does.
 * fp_rounds: the host may round.
 * fp_fine: the host's result needs no second look.
 */
#define FP_TESTS(type, suffix)                                                 \
    static inline bool fp_reads_##suffix(const struct a64_cpu *cpu, type a)    \
    {                                                                          \
        return FP_HOST_FAST && (!fp_flushes(cpu) || fp_normal_##suffix(a));    \
    }                                                                          \
    static inline bool fp_fine_##suffix(const struct a64_cpu *cpu, type r)     \
    {                                                                          \
        return !fp_doubtful_##suffix(r) &&                                     \
               (!fp_flushes(cpu) || fp_normal_##suffix(r));                    \
    }

FP_TESTS(float, f32)
FP_TESTS(double, f64)
FP_TESTS(vf32, vf)
FP_TESTS(vf64, vg)

static inline bool fp_rounds(const struct a64_cpu *cpu)
{
    return !fp_flushes(cpu) || (cpu->fpsr & FPSR_IXC);
}

/*
 * fp_try_X: the result when the host's will do. fp_X: the result in any case.
 * Hot instructions use the first and call a function of their own otherwise,
 * which saves them a stack frame.
 */
#define FP_BINARY_TYPE(name, op, type, suffix)                                 \
    static inline bool fp_try_##name##_##suffix(struct a64_cpu *cpu, type a,   \
                                                type b, type *r)               \
    {                                                                          \
        if (!fp_reads_##suffix(cpu, a) || !fp_reads_##suffix(cpu, b) ||        \
            !fp_rounds(cpu))                                                   \
            return false;                                                      \
        *r = a op b;                                                           \
        return fp_fine_##suffix(cpu, *r);                                      \
    }                                                                          \
    static inline type fp_##name##_##suffix(struct a64_cpu *cpu, type a,       \
                                            type b)                            \
    {                                                                          \
        type r;                                                                \
                                                                               \
        if (fp_try_##name##_##suffix(cpu, a, b, &r))                           \
            return r;                                                          \
        return fp_slow2_##suffix(cpu, sf_##name, a, b);                        \
    }

#define FP_BINARY(name, op)                                                    \
    FP_BINARY_TYPE(name, op, float, f32)                                       \
    FP_BINARY_TYPE(name, op, double, f64)

FP_BINARY(add, +)
FP_BINARY(sub, -)
FP_BINARY(mul, *)
FP_BINARY(div, /)

static inline double fp_nmul_f64(struct a64_cpu *cpu, double a, double b)
{
    return -fp_mul_f64(cpu, a, b);
}

static inline float fp_nmul_f32(struct a64_cpu *cpu, float a, float b)
{
    return -fp_mul_f32(cpu, a, b);
}

static inline double fp_abd_f64(struct a64_cpu *cpu, double a, double b)
{
    return __builtin_fabs(fp_sub_f64(cpu, a, b));
}

static inline float fp_abd_f32(struct a64_cpu *cpu, float a, float b)
{
    return __builtin_fabsf(fp_sub_f32(cpu, a, b));
}

/* Quiet comparisons: a signalling NaN raises invalid operation, as it must. */
#define FP_PICK_TYPE(name, better, worse, type, suffix)                        \
    static inline type fp_##name##_##suffix(struct a64_cpu *cpu, type a,       \
                                            type b)                            \
    {                                                                          \
        if (fp_reads_##suffix(cpu, a) && fp_reads_##suffix(cpu, b)) {          \
            if (better(a, b))                                                  \
                return a;                                                      \
            if (worse(a, b))                                                   \
                return b;                                                      \
        }                                                                      \
        return fp_slow2_##suffix(cpu, sf_##name, a, b);                        \
    }

#define FP_PICK(name, better, worse)                                           \
    FP_PICK_TYPE(name, better, worse, float, f32)                              \
    FP_PICK_TYPE(name, better, worse, double, f64)

FP_PICK(max, __builtin_isgreater, __builtin_isless)
FP_PICK(min, __builtin_isless, __builtin_isgreater)
FP_PICK(maxnm, __builtin_isgreater, __builtin_isless)
FP_PICK(minnm, __builtin_isless, __builtin_isgreater)

#define FP_SLOW_BINARY(name)                                                   \
    static inline double fp_##name##_f64(struct a64_cpu *cpu, double a,        \
                                         double b)                             \
    {                                                                          \
        return fp_slow2_f64(cpu, sf_##name, a, b);                             \
    }                                                                          \
    static inline float fp_##name##_f32(struct a64_cpu *cpu, float a, float b) \
    {                                                                          \
        return fp_slow2_f32(cpu, sf_##name, a, b);                             \
    }

/* FMULX cannot try the host first: infinity times zero is valid here. */
FP_SLOW_BINARY(mulx)
FP_SLOW_BINARY(recps)
FP_SLOW_BINARY(rsqrts)

static inline double fp_sqrt_f64(struct a64_cpu *cpu, double a)
{
    if (fp_reads_f64(cpu, a)) {
        double r = __builtin_sqrt(a);

        if (!fp_doubtful_f64(r))
            return r;
    }
    return fp_slow1_f64(cpu, sf_sqrt, a);
}

static inline float fp_sqrt_f32(struct a64_cpu *cpu, float a)
{
    if (fp_reads_f32(cpu, a)) {
        float r = __builtin_sqrtf(a);

        if (!fp_doubtful_f32(r))
            return r;
    }
    return fp_slow1_f32(cpu, sf_sqrt, a);
}

/*
 * Fused multiply-add without a fused multiply-add in the host is softfloat's;
 * fp_host_has_fma picks at decode. (The builtin would call the C library
 * where FP_HOST_FAST is 0.)
 */
#if FP_HOST_FAST
#define FP_FMA(n, m, a) __builtin_fma(n, m, a)
#define FP_FMAF(n, m, a) __builtin_fmaf(n, m, a)
#else
#define FP_FMA(n, m, a) ((void)(n), (void)(m), (a))
#define FP_FMAF(n, m, a) ((void)(n), (void)(m), (a))
#endif

#define FP_MULADD_TYPE(type, suffix, fma)                                      \
    FP_HOST_FMA static inline bool fp_try_muladd_##suffix(                     \
        struct a64_cpu *cpu, type a, type n, type m, type *r)                  \
    {                                                                          \
        if (!fp_reads_##suffix(cpu, a) || !fp_reads_##suffix(cpu, n) ||        \
            !fp_reads_##suffix(cpu, m) || !fp_rounds(cpu))                     \
            return false;                                                      \
        *r = fma(n, m, a);                                                     \
        return fp_fine_##suffix(cpu, *r);                                      \
    }                                                                          \
    FP_HOST_FMA static inline type fp_muladd_##suffix(struct a64_cpu *cpu,     \
                                                      type a, type n, type m)  \
    {                                                                          \
        type r;                                                                \
                                                                               \
        if (fp_try_muladd_##suffix(cpu, a, n, m, &r))                          \
            return r;                                                          \
        return fp_slow_muladd_##suffix(cpu, a, n, m);                          \
    }

FP_MULADD_TYPE(float, f32, FP_FMAF)
FP_MULADD_TYPE(double, f64, FP_FMA)

#endif
