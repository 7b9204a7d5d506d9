/*
 * FPCR and FPSR, and the loan of the host's floating-point unit to the guest.
 *
 * While the guest runs (cpu->fp_live) the host's unit rounds as FPCR.RMode
 * says and gathers the guest's exceptions; FPSR is then cpu->fpsr together
 * with what the host has gathered.
 */
#include "fp_internal.h"

/* AHP, DN, FZ, RMode: trap enables are not implemented and read as zero. */
#define FPCR_BITS 0x07c00000u
#define FPSR_BITS                                                              \
    ((uint32_t)(FPSR_QC | FPSR_IDC | FPSR_IXC | FPSR_UFC | FPSR_OFC |          \
                FPSR_DZC | FPSR_IOC))

static unsigned rmode(const struct a64_cpu *cpu)
{
    return cpu->fpcr >> 22 & 3;
}

uint32_t a64_fpsr(struct a64_cpu *cpu)
{
    return cpu->fpsr | (cpu->fp_live ? fp_host_flags() : 0);
}

void a64_set_fpsr(struct a64_cpu *cpu, uint32_t value)
{
    cpu->fpsr = value & FPSR_BITS;
    if (cpu->fp_live)
        fp_host_clear_flags();
}

void a64_set_fpcr(struct a64_cpu *cpu, uint32_t value)
{
    cpu->fpcr = value & FPCR_BITS;
    if (cpu->fp_live)
        fp_host_set_rounding(rmode(cpu));
}

void a64_fp_enter(struct a64_cpu *cpu)
{
    cpu->fp_saved = fp_host_begin(rmode(cpu));
    cpu->fp_live = true;
}

void a64_fp_leave(struct a64_cpu *cpu)
{
    cpu->fpsr |= fp_host_flags();
    cpu->fp_live = false;
    fp_host_end(cpu->fp_saved);
}
