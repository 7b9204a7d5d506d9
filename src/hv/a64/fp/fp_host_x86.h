/*
 * x86-64: MXCSR. Its flags are IE DE ZE OE UE PE in bits 0 to 5; DE has no
 * counterpart (FPSR.IDC means a flushed input, and inputs are not flushed).
 */
#ifndef LULL_A64_FP_HOST_X86_H
#define LULL_A64_FP_HOST_X86_H

#include <immintrin.h>
#define FP_HOST_FAST 1

/* A function so marked may use __builtin_fma; call it only when
 * fp_host_has_fma says so. */
#define FP_HOST_FMA __attribute__((target("fma")))

static inline bool fp_host_has_fma(void)
{
    return __builtin_cpu_supports("fma");
}

FP_HOST_FMA static inline vf32 fp_host_fma_vf(vf32 n, vf32 m, vf32 a)
{
    return _mm_fmadd_ps(n, m, a);
}

FP_HOST_FMA static inline vf64 fp_host_fma_vg(vf64 n, vf64 m, vf64 a)
{
    return _mm_fmadd_pd(n, m, a);
}

/* No lane of a comparison's result is set. */
static inline bool fp_host_none(vu64 mask)
{
    return _mm_movemask_epi8((__m128i)mask) == 0;
}

/* All masked, no flags, subnormals kept. Modes 1 and 2 trade places: Arm's
 * order is nearest, up, down, zero. */
static inline uint32_t fp_host_control(unsigned rmode)
{
    return 0x1f80 | (rmode << 14 & 0x4000) | (rmode << 12 & 0x2000);
}

static inline uint32_t fp_host_flags(void)
{
    uint32_t csr = _mm_getcsr();

    return (csr & 1) | (csr >> 1 & 0x1e);
}

static inline void fp_host_clear_flags(void)
{
    _mm_setcsr(_mm_getcsr() & ~0x3fu);
}

static inline void fp_host_set_rounding(unsigned rmode)
{
    _mm_setcsr((_mm_getcsr() & 0x3f) | fp_host_control(rmode));
}

/* Take the unit over, flags clear; the result is what fp_host_end restores. */
static inline uint64_t fp_host_begin(unsigned rmode)
{
    uint32_t saved = _mm_getcsr();

    _mm_setcsr(fp_host_control(rmode));
    return saved;
}

static inline void fp_host_end(uint64_t saved)
{
    _mm_setcsr((uint32_t)saved);
}

#endif
