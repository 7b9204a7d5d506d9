/*
 * The rest of the engine, as the tests of exceptions, system registers, timer
 * and debug need it: a clock that stands still until told, a TLB that counts.
 */
#ifndef LULL_A64_SYS_FAKE_H
#define LULL_A64_SYS_FAKE_H

#include "cpu.h"
#include "pstate.h"
#include "sysreg.h"

struct fake {
    uint64_t now;           /* mach_absolute_time */
    unsigned control;       /* calls of a64_tlb_control */
    unsigned regime;        /* of a64_tlb_regime */
    unsigned left, entered; /* the guest */
    unsigned dsb;
    bool dsb_served; /* what a64_dsb says */
    /* the last SYS instruction that got through, and its operand */
    uint32_t sys_insn;
    uint64_t sys_value;
    enum { NO_SYS, SYS_TLBI, SYS_CACHE, SYS_AT } sys_kind;
};

extern struct fake fake;
extern struct a64_vm fake_vm;

/* A processor after power-on, at `el` with SPSel, DAIF clear, FP enabled, at
 * 0x1000, with X<n> = n + 0x100. */
struct a64_cpu *fake_cpu(unsigned el, unsigned spsel);

/* Instruction words. */
uint32_t insn_mrs(uint32_t reg, unsigned rt);
uint32_t insn_msr(uint32_t reg, unsigned rt);
uint32_t insn_sys(unsigned op0, unsigned op1, unsigned crn, unsigned crm,
                  unsigned op2, unsigned rt);

#endif
