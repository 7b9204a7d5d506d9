/*
 * arm64: FPCR and FPSR, whose fields are the guest's own. Only the rounding
 * mode is taken over from the guest: FZ and DN stay clear, so that both hosts
 * run the same code.
 */
#ifndef LULL_A64_FP_HOST_ARM64_H
#define LULL_A64_FP_HOST_ARM64_H

#include <arm_neon.h>

#define FP_HOST_FAST 1
#define FP_HOST_FMA

static inline bool fp_host_has_fma(void)
{
    return true;
}

static inline vf32 fp_host_fma_vf(vf32 n, vf32 m, vf32 a)
{
    return (vf32)vfmaq_f32((float32x4_t)a, (float32x4_t)n, (float32x4_t)m);
}

static inline vf64 fp_host_fma_vg(vf64 n, vf64 m, vf64 a)
{
    return (vf64)vfmaq_f64((float64x2_t)a, (float64x2_t)n, (float64x2_t)m);
}

/* No lane of a comparison's result is set. */
static inline bool fp_host_none(vu64 mask)
{
    return (mask[0] | mask[1]) == 0;
}

static inline uint64_t fp_host_read_fpsr(void)
{
    uint64_t value;

    __asm__ volatile("mrs %0, fpsr" : "=r"(value) : : "memory");
    return value;
}

static inline void fp_host_write_fpsr(uint64_t value)
{
    __asm__ volatile("msr fpsr, %0" : : "r"(value) : "memory");
}

static inline void fp_host_write_fpcr(uint64_t value)
{
    __asm__ volatile("msr fpcr, %0" : : "r"(value) : "memory");
}

static inline uint32_t fp_host_flags(void)
{
    return (uint32_t)fp_host_read_fpsr() & 0x1f;
}

static inline void fp_host_clear_flags(void)
{
    fp_host_write_fpsr(0);
}

static inline void fp_host_set_rounding(unsigned rmode)
{
    fp_host_write_fpcr((uint64_t)rmode << 22);
}

static inline uint64_t fp_host_begin(unsigned rmode)
{
    uint64_t fpcr;

    __asm__ volatile("mrs %0, fpcr" : "=r"(fpcr) : : "memory");
    uint64_t saved = fpcr << 32 | (uint32_t)fp_host_read_fpsr();

    fp_host_clear_flags();
    fp_host_set_rounding(rmode);
    return saved;
}

static inline void fp_host_end(uint64_t saved)
{
    fp_host_write_fpcr(saved >> 32);
    fp_host_write_fpsr((uint32_t)saved);
}

#endif
