/*
 * The EL1 virtual timer [D12]: a 64-bit counter at 24 MHz, less an offset, and
 * one comparator. Nothing runs in the background: whether the condition is met
 * is computed when somebody asks.
 *
 * The comparison is of unsigned 64-bit numbers, as the architecture defines it:
 * a CVAL of all ones never comes, a CVAL in the past is met at once.
 */
#include <mach/mach_time.h>

#include "cpu.h"
#include "vtimer.h"

uint64_t a64_counter(const struct a64_cpu *cpu)
{
    return mach_absolute_time() - cpu->vtimer_offset;
}

static bool condition_met(const struct a64_cpu *cpu)
{
    return a64_counter(cpu) >= cpu->cntv_cval;
}

/* ISTATUS of a disabled timer is UNKNOWN: 0, and no clock is read. */
uint32_t a64_vtimer_ctl(const struct a64_cpu *cpu)
{
    if (!(cpu->cntv_ctl & CNTV_ENABLE) || !condition_met(cpu))
        return cpu->cntv_ctl;
    return cpu->cntv_ctl | CNTV_ISTATUS;
}

void a64_vtimer_set_ctl(struct a64_cpu *cpu, uint64_t value)
{
    cpu->cntv_ctl = (uint32_t)value & (CNTV_ENABLE | CNTV_IMASK);
    a64_vtimer_changed(cpu);
}

/* TVAL is a view of CVAL: a signed 32-bit distance from now. */
uint64_t a64_vtimer_tval(const struct a64_cpu *cpu)
{
    return (uint32_t)(cpu->cntv_cval - a64_counter(cpu));
}

void a64_vtimer_set_tval(struct a64_cpu *cpu, uint64_t value)
{
    cpu->cntv_cval = a64_counter(cpu) + (uint64_t)sext(value, 32);
    a64_vtimer_changed(cpu);
}

void a64_vtimer_changed(struct a64_cpu *cpu)
{
    cpu->vtimer_armed =
        (cpu->cntv_ctl & (CNTV_ENABLE | CNTV_IMASK)) == CNTV_ENABLE &&
        !cpu->vtimer_mask;
    if (cpu->vtimer_armed)
        a64_look(cpu);
}

bool a64_vtimer_due(const struct a64_cpu *cpu)
{
    return cpu->vtimer_armed && condition_met(cpu);
}
