/*
 * System registers: what the table in sysreg.c offers beyond cpu.h.
 */
#ifndef LULL_A64_SYSREG_H
#define LULL_A64_SYSREG_H

#include "cpu.h"

/* Encoding of a register, as hv_sys_reg_t has it and as insn<20:5> spells it.
 */
#define A64_SYSREG(op0, op1, crn, crm, op2)                                    \
    ((op0) << 14 | (op1) << 11 | (crn) << 7 | (crm) << 3 | (op2))

static inline uint16_t a64_sysreg_of(uint32_t insn)
{
    return (uint16_t)(insn >> 5);
}

/* The function for a system instruction, for the decoder to ask once;
 * a64_system asks it every time. Never NULL: a64_undefined_fn for the rest. */
a64_trap_fn *a64_system_decode(uint32_t insn);
enum a64_next a64_undefined_fn(struct a64_cpu *cpu, uint32_t insn);

enum a64_next a64_mrs(struct a64_cpu *cpu, uint32_t insn);
enum a64_next a64_msr(struct a64_cpu *cpu, uint32_t insn);

/* Trap a system instruction: to EL1 (EC 0x18), or to the VMM. */
enum a64_next a64_trap_el1(struct a64_cpu *cpu, uint32_t insn);
enum a64_next a64_trap_vmm(struct a64_cpu *cpu, uint32_t insn);

/* PSTATE.DAIF has a new value: what was pending may be taken now. cpu->pc is
 * the instruction that changed it. */
enum a64_next a64_daif_changed(struct a64_cpu *cpu);

/* wait.c */
enum a64_next a64_sev(struct a64_cpu *cpu, uint32_t insn);
enum a64_next a64_sevl(struct a64_cpu *cpu, uint32_t insn);

/* The API has a name for this encoding, even if this kind of VM does not have
 * the register (EL2, SME, CNTP): a64_sysreg_get then says false. */
bool a64_sysreg_known(uint16_t reg);
/* CPSR names a mode that the guest can run in. */
bool a64_cpsr_runnable(const struct a64_cpu *cpu);

/* idregs.c: fixed identification, and the reset values of the rest. */
uint64_t a64_ctr_el0(void);
uint64_t a64_dczid_el0(void);
uint64_t a64_clidr_el1(void);
/* CCSIDR_EL1 of cache level 1..8; 0 where there is none. */
uint64_t a64_ccsidr_el1(unsigned level, bool instruction);
void a64_idregs_reset(struct a64_sys *sys);

#endif
