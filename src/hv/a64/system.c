/*
 * System instructions other than MRS and MSR of a register: MSR immediate,
 * hints, barriers, and the SYS space (TLBI, IC, DC, AT) with its EL0 rules
 * [C5.1].
 *
 * Decoding is apart from doing: a64_system_decode names the function, so that
 * the decoder can ask once per instruction.
 */
#include "pstate.h"
#include "sysreg.h"

#include <stdatomic.h>

/* insn<18:16>, <15:12>, <11:8>, <7:5> */
static unsigned op1_of(uint32_t insn)
{
    return (unsigned)bits(insn, 18, 16);
}

static unsigned crn_of(uint32_t insn)
{
    return (unsigned)bits(insn, 15, 12);
}

static unsigned crm_of(uint32_t insn)
{
    return (unsigned)bits(insn, 11, 8);
}

static unsigned op2_of(uint32_t insn)
{
    return (unsigned)bits(insn, 7, 5);
}

/* EC 0x18 describes the instruction by its own fields, in another order. */
static uint32_t trap_iss(uint32_t insn)
{
    uint32_t op0 = (uint32_t)bits(insn, 20, 19);
    uint32_t rt = insn & 31;

    return op0 << 20 | op2_of(insn) << 17 | op1_of(insn) << 14 |
           crn_of(insn) << 10 | rt << 5 | crm_of(insn) << 1 | bit(insn, 21);
}

enum a64_next a64_trap_el1(struct a64_cpu *cpu, uint32_t insn)
{
    return a64_exception(cpu, A64_EC_SYSREG, trap_iss(insn), 0);
}

enum a64_next a64_trap_vmm(struct a64_cpu *cpu, uint32_t insn)
{
    return a64_exit_to_vmm(cpu, A64_EC_SYSREG, trap_iss(insn), 0, 0);
}

enum a64_next a64_undefined_fn(struct a64_cpu *cpu, uint32_t insn)
{
    return a64_undefined(cpu);
}

static enum a64_next nop(struct a64_cpu *cpu, uint32_t insn)
{
    return A64_NEXT;
}

/* ---- MSR immediate ---- */

enum a64_next a64_daif_changed(struct a64_cpu *cpu)
{
    bool debug_was_on = cpu->debug_on;

    a64_debug_mode(cpu);
    if (LULL_LIKELY(!a64_interrupt_due(cpu) && cpu->debug_on == debug_was_on))
        return A64_NEXT;
    cpu->pc += 4;
    a64_take_interrupt(cpu);
    return A64_REDIRECT;
}

static bool daif_denied(const struct a64_cpu *cpu)
{
    return cpu->el == 0 && !(cpu->sys.sctlr_el1 & SCTLR_UMA);
}

static enum a64_next msr_daifset(struct a64_cpu *cpu, uint32_t insn)
{
    if (daif_denied(cpu))
        return a64_trap_el1(cpu, insn);
    cpu->daif |= crm_of(insn);
    return a64_daif_changed(cpu);
}

static enum a64_next msr_daifclr(struct a64_cpu *cpu, uint32_t insn)
{
    if (daif_denied(cpu))
        return a64_trap_el1(cpu, insn);
    cpu->daif &= ~crm_of(insn);
    return a64_daif_changed(cpu);
}

static enum a64_next msr_pan(struct a64_cpu *cpu, uint32_t insn)
{
    if (cpu->el == 0)
        return a64_undefined(cpu);
    cpu->pan = crm_of(insn) & 1;
    a64_tlb_regime(cpu);
    return A64_NEXT;
}

static enum a64_next msr_spsel(struct a64_cpu *cpu, uint32_t insn)
{
    if (cpu->el == 0)
        return a64_undefined(cpu);
    a64_set_mode(cpu, 1, crm_of(insn) & 1);
    a64_tlb_regime(cpu); /* another SP */
    return A64_NEXT;
}

static a64_trap_fn *decode_msr_immediate(uint32_t insn)
{
    switch (op1_of(insn) << 3 | op2_of(insn)) {
    case 0 << 3 | 4:
        return msr_pan;
    case 0 << 3 | 5:
        return msr_spsel;
    case 3 << 3 | 6:
        return msr_daifset;
    case 3 << 3 | 7:
        return msr_daifclr;
    default:
        /* CFINV, AXFLAG, UAO, DIT, SSBS, TCO, ALLINT: features not shown */
        return a64_undefined_fn;
    }
}

/* ---- hints and barriers ---- */

/* Every hint that is not named here is a NOP, by definition. */
static a64_trap_fn *decode_hint(uint32_t insn)
{
    switch (crm_of(insn) << 3 | op2_of(insn)) {
    case 2:
        return a64_wfe;
    case 3:
        return a64_wfi;
    case 4:
        return a64_sev;
    case 5:
        return a64_sevl;
    default:
        return nop;
    }
}

static enum a64_next clrex(struct a64_cpu *cpu, uint32_t insn)
{
    cpu->excl_host = NULL;
    return A64_NEXT;
}

static enum a64_next onward(struct a64_cpu *cpu)
{
    cpu->pc += 4;
    return A64_REDIRECT;
}

static enum a64_next dsb(struct a64_cpu *cpu, uint32_t insn)
{
    return a64_dsb(cpu) ? onward(cpu) : A64_NEXT;
}

static enum a64_next dmb(struct a64_cpu *cpu, uint32_t insn)
{
    atomic_thread_fence(memory_order_seq_cst);
    return A64_NEXT;
}

/* System registers act at once here, so all that is left to synchronise is
 * the fetch: find the code at the next address anew. */
static enum a64_next isb(struct a64_cpu *cpu, uint32_t insn)
{
    return onward(cpu);
}

static a64_trap_fn *decode_barrier(uint32_t insn)
{
    switch (op2_of(insn)) {
    case 2:
        return clrex;
    case 4:
        return dsb;
    case 5:
        return dmb;
    case 6:
        return isb;
    default: /* DSB nXS, TCOMMIT, SB: features not shown */
        return a64_undefined_fn;
    }
}

/* ---- SYS ---- */

static enum a64_next tlbi(struct a64_cpu *cpu, uint32_t insn)
{
    if (cpu->el == 0)
        return a64_undefined(cpu);
    return a64_tlbi(cpu, insn, cpu->x[insn & 31]);
}

static enum a64_next at(struct a64_cpu *cpu, uint32_t insn)
{
    if (cpu->el == 0)
        return a64_undefined(cpu);
    return a64_at(cpu, insn, cpu->x[insn & 31]);
}

static enum a64_next cache_el1(struct a64_cpu *cpu, uint32_t insn)
{
    if (cpu->el == 0)
        return a64_undefined(cpu);
    return a64_cache_op(cpu, insn, cpu->x[insn & 31]);
}

static enum a64_next cache_user(struct a64_cpu *cpu, uint32_t insn)
{
    if (cpu->el == 0 && !(cpu->sys.sctlr_el1 & SCTLR_UCI))
        return a64_trap_el1(cpu, insn);
    return a64_cache_op(cpu, insn, cpu->x[insn & 31]);
}

static enum a64_next dc_zva(struct a64_cpu *cpu, uint32_t insn)
{
    if (cpu->el == 0 && !(cpu->sys.sctlr_el1 & SCTLR_DZE))
        return a64_trap_el1(cpu, insn);
    return a64_cache_op(cpu, insn, cpu->x[insn & 31]);
}

#define SYS_OP(op1, crm, op2) ((op1) << 7 | (crm) << 3 | (op2))

/* CRn = 7: IC, DC, AT. Without PAN2, DPB, MTE and the prediction restriction
 * instructions, whose features are not shown. */
static a64_trap_fn *decode_cache_op(uint32_t insn)
{
    switch (SYS_OP(op1_of(insn), crm_of(insn), op2_of(insn))) {
    case SYS_OP(0, 1, 0):  /* IC IALLUIS */
    case SYS_OP(0, 5, 0):  /* IC IALLU */
    case SYS_OP(0, 6, 1):  /* DC IVAC */
    case SYS_OP(0, 6, 2):  /* DC ISW */
    case SYS_OP(0, 10, 2): /* DC CSW */
    case SYS_OP(0, 14, 2): /* DC CISW */
        return cache_el1;
    case SYS_OP(0, 8, 0): /* AT S1E1R */
    case SYS_OP(0, 8, 1): /* AT S1E1W */
    case SYS_OP(0, 8, 2): /* AT S1E0R */
    case SYS_OP(0, 8, 3): /* AT S1E0W */
        return at;
    case SYS_OP(3, 4, 1):
        return dc_zva;
    case SYS_OP(3, 5, 1):  /* IC IVAU */
    case SYS_OP(3, 10, 1): /* DC CVAC */
    case SYS_OP(3, 11, 1): /* DC CVAU */
    case SYS_OP(3, 14, 1): /* DC CIVAC */
        return cache_user;
    default:
        return a64_undefined_fn;
    }
}

/* CRn = 8: the TLBI operations of Armv8.0, local and inner shareable. */
static a64_trap_fn *decode_tlbi(uint32_t insn)
{
    unsigned crm = crm_of(insn), op2 = op2_of(insn);

    if (op1_of(insn) != 0 || (crm != 3 && crm != 7) || op2 == 4 || op2 == 6)
        return a64_undefined_fn;
    return tlbi;
}

static a64_trap_fn *decode_sys(uint32_t insn)
{
    if (bit(insn, 21)) /* SYSL: nothing is there */
        return a64_undefined_fn;
    switch (crn_of(insn)) {
    case 7:
        return decode_cache_op(insn);
    case 8:
        return decode_tlbi(insn);
    default:
        return a64_undefined_fn;
    }
}

/* ---- all of it ---- */

/* op0 = 0: no register operand, Rt must be 31 and L clear. */
static a64_trap_fn *decode_op0(uint32_t insn)
{
    if ((insn & 31) != 31 || bit(insn, 21))
        return a64_undefined_fn;
    if (crn_of(insn) == 4)
        return decode_msr_immediate(insn);
    if (op1_of(insn) != 3)
        return a64_undefined_fn;
    if (crn_of(insn) == 2)
        return decode_hint(insn);
    if (crn_of(insn) == 3)
        return decode_barrier(insn);
    return a64_undefined_fn; /* WFET and WFIT live at CRn = 1 */
}

a64_trap_fn *a64_system_decode(uint32_t insn)
{
    switch (bits(insn, 20, 19)) {
    case 0:
        return decode_op0(insn);
    case 1:
        return decode_sys(insn);
    default:
        return bit(insn, 21) ? a64_mrs : a64_msr;
    }
}

enum a64_next a64_system(struct a64_cpu *cpu, uint32_t insn)
{
    return a64_system_decode(insn)(cpu, insn);
}
