/*
 * PSTATE inside the engine: the few steps that exception entry, ERET, MSR and
 * the API share. The fields live apart in struct a64_cpu (flags, DAIF, EL, ...)
 * and are put together only when somebody looks.
 */
#ifndef LULL_A64_PSTATE_H
#define LULL_A64_PSTATE_H

#include "cpu.h"

/* The SPSR_EL1 and CPSR layout, AArch64 form. */
enum {
    PSTATE_M = 0x1f, /* mode: M<4> AArch32, M<3:2> EL, M<0> SP */
    PSTATE_EL0T = 0x0,
    PSTATE_EL1T = 0x4,
    PSTATE_EL1H = 0x5,
    PSTATE_DAIF_SHIFT = 6,
    PSTATE_IL_SHIFT = 20,
    PSTATE_SS_SHIFT = 21,
    PSTATE_PAN_SHIFT = 22,
};

/* cpu->daif */
enum { DAIF_F = 1, DAIF_I = 2, DAIF_A = 4, DAIF_D = 8 };

enum {
    CPACR_FPEN_EL1 = 1 << 20, /* FPEN<0>: EL1 at least */
    CPACR_FPEN = 3 << 20,     /* both bits: EL0 too */
    MDSCR_SS = 1 << 0,
    MDSCR_TDCC = 1 << 12,
    MDSCR_KDE = 1 << 13,
    MDSCR_MDE = 1 << 15,
    SCTLR_UMA = 1 << 9,
    SCTLR_DZE = 1 << 14,
    SCTLR_UCT = 1 << 15,
    SCTLR_NTWI = 1 << 16,
    SCTLR_NTWE = 1 << 18,
    SCTLR_SPAN = 1 << 23,
    SCTLR_E0E = 1 << 24,
    SCTLR_EE = 1 << 25,
    SCTLR_UCI = 1 << 26,
};

/* What SPSR_EL1 receives: the fields this processor has, nothing else. */
static inline uint32_t a64_pstate(const struct a64_cpu *cpu)
{
    return a64_nzcv(cpu) | (uint32_t)cpu->pan << PSTATE_PAN_SHIFT |
           (uint32_t)cpu->ss << PSTATE_SS_SHIFT |
           (uint32_t)cpu->il << PSTATE_IL_SHIFT |
           (uint32_t)cpu->daif << PSTATE_DAIF_SHIFT | (uint32_t)cpu->el << 2 |
           (uint32_t)(cpu->el & cpu->spsel);
}

/* SPSR names a mode that EL1 can return to. */
static inline bool a64_mode_legal(uint64_t spsr)
{
    uint64_t mode = spsr & PSTATE_M;

    return mode == PSTATE_EL0T || mode == PSTATE_EL1T || mode == PSTATE_EL1H;
}

/* Go to (el, spsel), and swap the stack pointers if that means another. At
 * EL0 spsel is 0. */
static inline void a64_set_mode(struct a64_cpu *cpu, unsigned el,
                                unsigned spsel)
{
    unsigned old = cpu->el & cpu->spsel, now = el & spsel;

    cpu->el = (uint8_t)el;
    cpu->spsel = (uint8_t)now;
    if (old != now) {
        cpu->sp_el[old] = cpu->x[A64_SP];
        cpu->x[A64_SP] = cpu->sp_el[now];
    }
}

static inline bool a64_fp_allowed(const struct a64_cpu *cpu)
{
    uint64_t need = cpu->el ? CPACR_FPEN_EL1 : CPACR_FPEN;

    return (cpu->sys.cpacr_el1 & need) == need;
}

/* PSTATE.EL or D changed: is the slow look at each instruction needed? Almost
 * always the answer is no, and costs one load. */
static inline void a64_debug_mode(struct a64_cpu *cpu)
{
    if (LULL_UNLIKELY(cpu->sys.mdscr_el1 & (MDSCR_SS | MDSCR_MDE)))
        a64_debug_changed(cpu);
}

/* Asserted lines in the layout of cpu->daif. */
static inline unsigned a64_lines(const struct a64_cpu *cpu)
{
    return (cpu->serror_line ? DAIF_A : 0u) | (cpu->irq_line ? DAIF_I : 0u) |
           (cpu->fiq_line ? DAIF_F : 0u);
}

static inline bool a64_interrupt_due(const struct a64_cpu *cpu)
{
    return (a64_lines(cpu) & ~(unsigned)cpu->daif) != 0;
}

/* An address tag (TCR_EL1.TBI0, TBI1) does not reach the PC: the top byte is
 * then a copy of bit 55. */
static inline uint64_t a64_branch_target(const struct a64_cpu *cpu, uint64_t va)
{
    enum { TBI0 = 37 };
    uint64_t plain = (uint64_t)sext(va, 56);

    if (LULL_LIKELY(plain == va))
        return va;
    return bit(cpu->sys.tcr_el1, TBI0 + bit(va, 55)) ? plain : va;
}

/* SS advances with an instruction that leaves on purpose (SVC, HVC): the
 * step is done when the handler returns behind it. */
static inline void a64_step_advance(struct a64_cpu *cpu)
{
    if (LULL_UNLIKELY(cpu->sys.mdscr_el1 & MDSCR_SS))
        cpu->ss = 0;
}

/* debug.c: PSTATE.SS after an ERET with this SPSR. */
unsigned a64_debug_return_ss(const struct a64_cpu *cpu, uint64_t spsr);

#endif
