/*
 * Exceptions: into EL1 by its vector table, back by ERET, out to the VMM
 * [D1.3].
 *
 * A system call is one SVC and one ERET, so both touch only what they change:
 * the stack pointer when it is another one, fp_on, the TLB's context, and
 * nothing at all for debugging unless MDSCR_EL1 asks.
 *
 * The processor above EL1 is the VMM. What the architecture routes to EL2 ends
 * the run with ESR_EL2's layout in cpu->exit, and the VMM decides.
 */
#include "pstate.h"

enum {
    HV_EXIT_EXCEPTION = 1, /* HV_EXIT_REASON_EXCEPTION */
    ESR_EC_SHIFT = 26,
    ESR_IL = 1 << 25, /* a 32-bit instruction: every one of A64 */
    EC_SERROR = 0x2f,
};

/* Offsets in a quarter of the vector table. */
enum {
    VECTOR_SYNC = 0,
    VECTOR_IRQ = 0x80,
    VECTOR_FIQ = 0x100,
    VECTOR_SERROR = 0x180
};

static uint32_t esr(unsigned ec, uint32_t iss)
{
    return (uint32_t)ec << ESR_EC_SHIFT | ESR_IL | iss;
}

static enum a64_next enter_el1(struct a64_cpu *cpu, unsigned vector)
{
    struct a64_sys *sys = &cpu->sys;

    if (cpu->el == 0)
        vector += 0x400;
    else if (cpu->spsel)
        vector += 0x200;
    sys->spsr_el1 = a64_pstate(cpu);
    sys->elr_el1 = cpu->pc;

    a64_set_mode(cpu, 1, 1);
    cpu->daif = DAIF_D | DAIF_A | DAIF_I | DAIF_F;
    cpu->ss = 0;
    cpu->il = 0;
    cpu->cpsr_rest = 0;
    if (!(sys->sctlr_el1 & SCTLR_SPAN))
        cpu->pan = 1;
    cpu->fp_on = a64_fp_allowed(cpu);
    a64_debug_mode(cpu);
    a64_tlb_regime(cpu);
    cpu->pc = (sys->vbar_el1 & ~0x7ffULL) + vector;
    return A64_REDIRECT;
}

/* The classes that come in a pair, lower EL and same EL. */
static bool has_same_el_class(unsigned ec)
{
    return ec == A64_EC_IABT_LOWER || ec == A64_EC_DABT_LOWER ||
           ec == A64_EC_BREAK_LOWER || ec == A64_EC_STEP_LOWER ||
           ec == A64_EC_WATCH_LOWER;
}

enum a64_next a64_exception(struct a64_cpu *cpu, unsigned ec, uint32_t iss,
                            uint64_t far)
{
    switch (ec) {
    case A64_EC_IABT_LOWER:
    case A64_EC_DABT_LOWER:
    case A64_EC_WATCH_LOWER:
    case A64_EC_PC_ALIGN:
        cpu->sys.far_el1 = far;
        break;
    default:
        break;
    }
    if (cpu->el != 0 && has_same_el_class(ec))
        ec++;
    cpu->sys.esr_el1 = esr(ec, iss);
    return enter_el1(cpu, VECTOR_SYNC);
}

enum a64_next a64_undefined(struct a64_cpu *cpu)
{
    uint64_t n =
        atomic_load_explicit(&cpu->undefined_count, memory_order_relaxed);

    atomic_store_explicit(&cpu->undefined_count, n + 1, memory_order_relaxed);
    return a64_exception(cpu, A64_EC_UNKNOWN, 0, 0);
}

/* The architecture leaves the order open. */
enum a64_next a64_take_interrupt(struct a64_cpu *cpu)
{
    unsigned due = a64_lines(cpu) & ~(unsigned)cpu->daif;

    if (due & DAIF_F)
        return enter_el1(cpu, VECTOR_FIQ);
    if (due & DAIF_I)
        return enter_el1(cpu, VECTOR_IRQ);
    if (due & DAIF_A) {
        cpu->serror_line = false;
        cpu->sys.esr_el1 = esr(EC_SERROR, 0);
        return enter_el1(cpu, VECTOR_SERROR);
    }
    return A64_NEXT;
}

enum a64_next a64_exit_to_vmm(struct a64_cpu *cpu, unsigned ec, uint32_t iss,
                              uint64_t va, uint64_t ipa)
{
    cpu->exit = (struct a64_exit){
        .reason = HV_EXIT_EXCEPTION,
        .syndrome = esr(ec, iss),
        .va = va,
        .ipa = ipa,
    };
    return A64_EXIT;
}

/* ---- return ---- */

enum a64_next a64_eret(struct a64_cpu *cpu, uint32_t insn)
{
    uint64_t spsr = cpu->sys.spsr_el1;

    if (cpu->el == 0)
        return a64_undefined(cpu);

    cpu->ss = a64_debug_return_ss(cpu, spsr);
    if (LULL_LIKELY(a64_mode_legal(spsr))) {
        a64_set_mode(cpu, spsr >> 2 & 1, spsr & 1);
        cpu->il = bit(spsr, PSTATE_IL_SHIFT);
    } else {
        /* EL and SP stay; the next instruction finds out */
        cpu->il = 1;
    }
    a64_set_nzcv(cpu, (uint32_t)spsr);
    cpu->daif = spsr >> PSTATE_DAIF_SHIFT & 0xf;
    cpu->pan = bit(spsr, PSTATE_PAN_SHIFT);
    cpu->cpsr_rest = 0;

    cpu->pc = a64_branch_target(cpu, cpu->sys.elr_el1);
    cpu->excl_host = NULL;
    cpu->event = true;
    cpu->fp_on = a64_fp_allowed(cpu);
    a64_debug_mode(cpu);
    a64_tlb_regime(cpu);
    if (LULL_UNLIKELY(a64_interrupt_due(cpu)))
        return a64_take_interrupt(cpu);
    return A64_REDIRECT;
}

/* ---- instructions that raise one on purpose ---- */

static uint32_t imm16(uint32_t insn)
{
    return (uint32_t)bits(insn, 20, 5);
}

enum a64_next a64_svc(struct a64_cpu *cpu, uint32_t insn)
{
    cpu->pc += 4;
    a64_step_advance(cpu);
    return a64_exception(cpu, A64_EC_SVC, imm16(insn), 0);
}

enum a64_next a64_hvc(struct a64_cpu *cpu, uint32_t insn)
{
    if (cpu->el == 0)
        return a64_undefined(cpu);
    cpu->pc += 4;
    a64_step_advance(cpu);
    return a64_exit_to_vmm(cpu, A64_EC_HVC, imm16(insn), 0, 0);
}

/* Trapped, as HCR_EL2.TSC does it: the VMM steps over it, or not. */
enum a64_next a64_smc(struct a64_cpu *cpu, uint32_t insn)
{
    if (cpu->el == 0)
        return a64_undefined(cpu);
    return a64_exit_to_vmm(cpu, A64_EC_SMC, imm16(insn), 0, 0);
}

enum a64_next a64_brk(struct a64_cpu *cpu, uint32_t insn)
{
    if (cpu->trap_debug_exceptions)
        return a64_exit_to_vmm(cpu, A64_EC_BRK, imm16(insn), 0, 0);
    return a64_exception(cpu, A64_EC_BRK, imm16(insn), 0);
}
