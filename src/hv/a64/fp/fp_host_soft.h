/*
 * Hosts whose floating-point unit we do not know: it is left alone.
 */
#ifndef LULL_A64_FP_HOST_SOFT_H
#define LULL_A64_FP_HOST_SOFT_H

#define FP_HOST_FAST 0
#define FP_HOST_FMA

static inline bool fp_host_has_fma(void)
{
    return false;
}

/* Never called: there is no fused multiply-add. */
static inline vf32 fp_host_fma_vf(vf32 n, vf32 m, vf32 a)
{
    return n * m + a;
}

static inline vf64 fp_host_fma_vg(vf64 n, vf64 m, vf64 a)
{
    return n * m + a;
}

static inline bool fp_host_none(vu64 mask)
{
    return (mask[0] | mask[1]) == 0;
}

static inline uint32_t fp_host_flags(void)
{
    return 0;
}

static inline void fp_host_clear_flags(void)
{
}

static inline void fp_host_set_rounding(unsigned rmode)
{
    (void)rmode;
}

static inline uint64_t fp_host_begin(unsigned rmode)
{
    (void)rmode;
    return 0;
}

static inline void fp_host_end(uint64_t saved)
{
    (void)saved;
}

#endif
