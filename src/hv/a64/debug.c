/*
 * Self-hosted debug [D2]: single step, hardware breakpoints, watchpoints.
 *
 * The interpreter pays nothing while nothing is armed: debug_on and
 * watchpoints_on are recomputed when a register or the mode changes, and only
 * then does it come here around every instruction, or MEM before every access.
 *
 * Who gets the exception: guest EL1, or the VMM when it asked for that with
 * trap_debug_exceptions. The VMM is above both levels, so PSTATE.D and KDE do
 * not hide anything from it.
 */
#include "pstate.h"

enum {
    NR_BREAKPOINTS = 6,
    NR_WATCHPOINTS = 4,
    FIRST_CONTEXT = 4, /* breakpoints from here on can compare CONTEXTIDR */
    FSC_DEBUG = 0x22,
    ISS_STEP_ISV = 1 << 24,
    ISS_STEP_EX = 1 << 6,
    ISS_WNR = 1 << 6,
    CONTROL_ENABLE = 1 << 0,
};

/* Breakpoint types, BT and WT */
enum {
    ADDRESS_UNLINKED = 0,
    ADDRESS_LINKED = 1,
    CONTEXT_UNLINKED = 2,
    CONTEXT_LINKED = 3,
};

/* cpu->step: how the instruction before this one was run */
enum {
    STEP_RUNNING = 1, /* a64_debug_before let it through as the one step */
    STEP_DONE = 2,    /* and it completed */
    STEP_OPEN = 4,    /* the exclusive monitor was open before it */
    STEP_EX = 8,      /* and it was a load-exclusive */
};

/* Debug exceptions are taken from this EL with this PSTATE.D. */
static bool enabled_from(const struct a64_cpu *cpu, unsigned el, bool masked)
{
    if (cpu->trap_debug_exceptions || el == 0)
        return true;
    return cpu->sys.mdscr_el1 & MDSCR_KDE && !masked;
}

static bool enabled(const struct a64_cpu *cpu)
{
    return enabled_from(cpu, cpu->el, cpu->daif & DAIF_D);
}

static bool any_enabled(const uint64_t *control, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        if (control[i] & CONTROL_ENABLE)
            return true;
    return false;
}

void a64_debug_changed(struct a64_cpu *cpu)
{
    uint64_t mdscr = cpu->sys.mdscr_el1;
    bool points = mdscr & MDSCR_MDE;
    bool watch = points && any_enabled(cpu->sys.dbgwcr, NR_WATCHPOINTS);
    bool look = mdscr & MDSCR_SS ||
                (points && any_enabled(cpu->sys.dbgbcr, NR_BREAKPOINTS));

    cpu->debug_on = look && enabled(cpu);
    if (watch != cpu->watchpoints_on) {
        cpu->watchpoints_on = watch;
        a64_tlb_control(cpu);
    }
}

static enum a64_next raise(struct a64_cpu *cpu, unsigned ec, uint32_t iss,
                           uint64_t va)
{
    if (cpu->trap_debug_exceptions)
        return a64_exit_to_vmm(cpu, ec, iss, va, 0);
    return a64_exception(cpu, ec, iss, va);
}

/* ---- what a breakpoint or watchpoint matches ---- */

/* HMC, SSC and PMC or PAC, in the same places of both kinds of control word:
 * bits 13, 15:14, 2:1. There is only Non-secure EL0 and EL1 here. */
static bool mode_matches(uint64_t control, unsigned el)
{
    enum { SSC_SECURE = 2, SSC_EL2 = 3 };
    unsigned ssc = (unsigned)bits(control, 15, 14);

    if (ssc == SSC_SECURE || ssc == SSC_EL2)
        return false;
    return bit(control, el ? 1 : 2);
}

static bool context_matches(const struct a64_cpu *cpu, unsigned n)
{
    return (uint32_t)cpu->sys.contextidr_el1 == (uint32_t)cpu->sys.dbgbvr[n];
}

/* The breakpoint that `control` links to agrees. One that is not able to, or
 * not set up for it, matches nothing. */
static bool link_matches(const struct a64_cpu *cpu, uint64_t control)
{
    unsigned n = (unsigned)bits(control, 19, 16);
    uint64_t linked;

    if (n < FIRST_CONTEXT || n >= NR_BREAKPOINTS)
        return false;
    linked = cpu->sys.dbgbcr[n];
    return linked & CONTROL_ENABLE && bits(linked, 23, 20) == CONTEXT_LINKED &&
           context_matches(cpu, n);
}

/* Addresses compare up to bit 48, above which they are its copies. */
static bool same_address(uint64_t a, uint64_t b, unsigned low)
{
    return bits(a ^ b, 48, low) == 0;
}

static bool breakpoint_matches(const struct a64_cpu *cpu, unsigned n)
{
    uint64_t control = cpu->sys.dbgbcr[n];

    if (!(control & CONTROL_ENABLE) || !mode_matches(control, cpu->el))
        return false;
    switch (bits(control, 23, 20)) {
    case ADDRESS_UNLINKED:
        return same_address(cpu->pc, cpu->sys.dbgbvr[n], 2);
    case ADDRESS_LINKED:
        return same_address(cpu->pc, cpu->sys.dbgbvr[n], 2) &&
               link_matches(cpu, control);
    case CONTEXT_UNLINKED:
        return n >= FIRST_CONTEXT && context_matches(cpu, n);
    default:
        return false;
    }
}

/*
 * One byte of an access against watchpoint n. BAS picks bytes of a doubleword
 * (of a word, when WVR names an odd word); MASK widens the block to 2^MASK
 * bytes, and then BAS has to be all ones.
 */
static bool byte_matches(const struct a64_cpu *cpu, unsigned n, uint64_t va)
{
    uint64_t control = cpu->sys.dbgwcr[n], wvr = cpu->sys.dbgwvr[n];
    unsigned mask = (unsigned)bits(control, 28, 24);
    unsigned bas = (unsigned)bits(control, 12, 5);
    unsigned low = bit(wvr, 2) ? 2 : 3;

    if (mask != 0)
        return mask >= 3 && bas == 0xff && same_address(va, wvr, mask);
    return bit(bas, (unsigned)(va & ones(low))) && same_address(va, wvr, low);
}

static bool watchpoint_applies(const struct a64_cpu *cpu, unsigned n,
                               bool write, unsigned el)
{
    uint64_t control = cpu->sys.dbgwcr[n];

    return control & CONTROL_ENABLE && bit(control, write ? 4 : 3) &&
           mode_matches(control, el) &&
           (!bit(control, 20) || link_matches(cpu, control));
}

enum a64_next a64_watchpoint(struct a64_cpu *cpu, uint64_t va, unsigned size,
                             bool write, unsigned el)
{
    if (!cpu->watchpoints_on || !enabled(cpu))
        return A64_NEXT;
    for (unsigned n = 0; n < NR_WATCHPOINTS; n++) {
        if (!watchpoint_applies(cpu, n, write, el))
            continue;
        for (unsigned i = 0; i < size; i++)
            if (byte_matches(cpu, n, va + i))
                return raise(cpu, A64_EC_WATCH_LOWER,
                             FSC_DEBUG | (write ? ISS_WNR : 0), va + i);
    }
    return A64_NEXT;
}

/* ---- single step ---- */

/*
 * The state machine [D2.12]: MDSCR_EL1.SS arms it where debug exceptions are
 * enabled. PSTATE.SS set: one instruction may run, and clears it. PSTATE.SS
 * clear: the exception is due before the next instruction.
 */
static bool stepping(const struct a64_cpu *cpu)
{
    return cpu->sys.mdscr_el1 & MDSCR_SS && enabled(cpu);
}

static enum a64_next step_exception(struct a64_cpu *cpu)
{
    uint32_t iss = FSC_DEBUG;

    if (cpu->step & STEP_DONE)
        iss |= ISS_STEP_ISV | (cpu->step & STEP_EX ? ISS_STEP_EX : 0);
    cpu->step = 0;
    return raise(cpu, A64_EC_STEP_LOWER, iss, 0);
}

enum a64_next a64_debug_before(struct a64_cpu *cpu)
{
    bool step = stepping(cpu);

    if (step && !cpu->ss)
        return step_exception(cpu);
    cpu->step = 0;
    if (cpu->sys.mdscr_el1 & MDSCR_MDE && enabled(cpu))
        for (unsigned n = 0; n < NR_BREAKPOINTS; n++)
            if (breakpoint_matches(cpu, n))
                return raise(cpu, A64_EC_BREAK_LOWER, FSC_DEBUG, 0);
    if (step)
        cpu->step = STEP_RUNNING | (cpu->excl_host ? 0 : STEP_OPEN);
    return A64_NEXT;
}

/* A load-exclusive is recognised by the monitor that it armed. */
enum a64_next a64_debug_after(struct a64_cpu *cpu)
{
    if (!(cpu->step & STEP_RUNNING))
        return A64_NEXT;
    cpu->ss = 0;
    cpu->step =
        STEP_DONE | (cpu->step & STEP_OPEN && cpu->excl_host ? STEP_EX : 0);
    return A64_NEXT;
}

/* The step's permission travels in SPSR.SS, and only into a mode that is
 * stepped from one that is not. */
unsigned a64_debug_return_ss(const struct a64_cpu *cpu, uint64_t spsr)
{
    unsigned to = a64_mode_legal(spsr) ? (unsigned)(spsr >> 2 & 1) : cpu->el;
    bool masked = bit(spsr, PSTATE_DAIF_SHIFT + 3);

    if (!(cpu->sys.mdscr_el1 & MDSCR_SS) || enabled(cpu) ||
        !enabled_from(cpu, to, masked))
        return 0;
    return bit(spsr, PSTATE_SS_SHIFT);
}
