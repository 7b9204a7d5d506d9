/*
 * CPSR and the stack pointers as the API sees them, and what follows from a
 * change of mode.
 */
#include "pstate.h"
#include "sysreg.h"

/*
 * The API may write any 32 bits into CPSR and reads back what it wrote, but
 * only part of them means something here. cpsr_rest holds the difference, so
 * that the parts the guest changes later still show through. An exception or
 * an ERET ends its life: from there on PSTATE is the guest's own.
 */
uint32_t a64_cpsr(const struct a64_cpu *cpu)
{
    return a64_pstate(cpu) ^ cpu->cpsr_rest;
}

void a64_set_cpsr(struct a64_cpu *cpu, uint32_t cpsr)
{
    unsigned el = (cpsr & PSTATE_M) >> 2 ? 1 : 0;

    a64_set_nzcv(cpu, cpsr);
    cpu->pan = bit(cpsr, PSTATE_PAN_SHIFT);
    cpu->ss = bit(cpsr, PSTATE_SS_SHIFT);
    cpu->il = bit(cpsr, PSTATE_IL_SHIFT);
    cpu->daif = cpsr >> PSTATE_DAIF_SHIFT & 0xf;
    a64_set_mode(cpu, el, cpsr & 1);
    cpu->cpsr_rest = a64_pstate(cpu) ^ cpsr;
    a64_mode_changed(cpu);
}

bool a64_cpsr_runnable(const struct a64_cpu *cpu)
{
    return a64_mode_legal(a64_cpsr(cpu));
}

uint64_t a64_sp(const struct a64_cpu *cpu, unsigned el)
{
    return el == (unsigned)(cpu->el & cpu->spsel) ? cpu->x[A64_SP]
                                                  : cpu->sp_el[el];
}

void a64_set_sp(struct a64_cpu *cpu, unsigned el, uint64_t value)
{
    if (el == (unsigned)(cpu->el & cpu->spsel))
        cpu->x[A64_SP] = value;
    else
        cpu->sp_el[el] = value;
    a64_tlb_regime(cpu);
}

void a64_mode_changed(struct a64_cpu *cpu)
{
    cpu->fp_on = a64_fp_allowed(cpu);
    a64_debug_changed(cpu);
    a64_tlb_regime(cpu);
}
