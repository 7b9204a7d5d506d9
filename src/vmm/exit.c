/*
 * Exits: one handler per exception class, found by table.
 *
 * The framework leaves PC at the instruction that trapped, except for HVC,
 * which has completed. So a handler that did the instruction's work moves PC
 * on, one that injected an exception has set PC, and HVC's leaves it.
 *
 * What a guest does wrong is its own: an access to nowhere is an external
 * abort and an unknown system register an undefined instruction, as on a real
 * machine. Only what leaves us without an answer ends the VM: an MMIO access
 * in a form that hardware does not describe, and code that is not in memory.
 */
#include "machine.h"

#include <inttypes.h>
#include <mach/mach_time.h>
#include <sched.h>

#include "lull/bits.h"
#include "lull/mmio.h"
#include "syndrome.h"

/* ---- the guest's registers --------------------------------------------------
 */

/* Register 31 is the zero register in every syndrome; as an hv_reg_t, it would
 * be PC. */
static uint64_t get_rt(struct vcpu *vcpu, unsigned rt)
{
    return rt == 31 ? 0 : vcpu_reg(vcpu, (hv_reg_t)(HV_REG_X0 + rt));
}

static void set_rt(struct vcpu *vcpu, unsigned rt, uint64_t value)
{
    if (rt != 31)
        vcpu_set_reg(vcpu, (hv_reg_t)(HV_REG_X0 + rt), value);
}

static void next_instruction(struct vcpu *vcpu)
{
    vcpu_set_reg(vcpu, HV_REG_PC, vcpu_reg(vcpu, HV_REG_PC) + 4);
}

/* ---- exceptions to EL1 ------------------------------------------------------
 */

enum {
    PSTATE_MODE = 0x1f, /* M[4:0]; 0 is EL0t, 4 EL1t, 5 EL1h */
    PSTATE_EL1H = 5,
    PSTATE_DAIF = 0x3c0,
    PSTATE_BTYPE = 0xc00,
    PSTATE_SSBS = 1 << 12,
    PSTATE_IL = 1 << 20,
    PSTATE_SS = 1 << 21,
    PSTATE_PAN = 1 << 22,
    PSTATE_UAO = 1 << 23,
};

#define SCTLR_SPAN (1ULL << 23)
#define SCTLR_DSSBS (1ULL << 44)

#define ESR_IL (1ULL << 25)
#define ESR_UNDEFINED ESR_IL
/* Synchronous external abort, not on a translation. */
#define DFSC_EXTERNAL 0x10

static uint64_t pstate_in_handler(uint64_t cpsr, uint64_t sctlr)
{
    uint64_t cleared = PSTATE_MODE | PSTATE_BTYPE | PSTATE_SSBS | PSTATE_IL |
                       PSTATE_SS | PSTATE_UAO;
    uint64_t pstate = (cpsr & ~cleared) | PSTATE_EL1H | PSTATE_DAIF;

    if (!(sctlr & SCTLR_SPAN))
        pstate |= PSTATE_PAN;
    if (sctlr & SCTLR_DSSBS)
        pstate |= PSTATE_SSBS;
    return pstate;
}

/* Take a synchronous exception to EL1 from the instruction at PC. */
static void inject(struct vcpu *vcpu, uint64_t esr)
{
    uint64_t cpsr = vcpu_reg(vcpu, HV_REG_CPSR);
    uint64_t sctlr = vcpu_sys_reg(vcpu, HV_SYS_REG_SCTLR_EL1);
    uint64_t vector = vcpu_sys_reg(vcpu, HV_SYS_REG_VBAR_EL1);

    if ((cpsr & 0xc) == 0)
        vector += 0x400; /* from EL0 */
    else if (cpsr & 1)
        vector += 0x200; /* from EL1 with its own stack pointer */
    vcpu_set_sys_reg(vcpu, HV_SYS_REG_ELR_EL1, vcpu_reg(vcpu, HV_REG_PC));
    vcpu_set_sys_reg(vcpu, HV_SYS_REG_SPSR_EL1, cpsr);
    vcpu_set_sys_reg(vcpu, HV_SYS_REG_ESR_EL1, esr);
    vcpu_set_reg(vcpu, HV_REG_CPSR, pstate_in_handler(cpsr, sctlr));
    vcpu_set_reg(vcpu, HV_REG_PC, vector);
}

/* The classes for "from a lower EL" become "from the current EL". */
static void inject_external_abort(struct vcpu *vcpu, bool write)
{
    uint64_t ec = EC_DATA_ABORT;

    if (vcpu_reg(vcpu, HV_REG_CPSR) & 0xc)
        ec++;
    vcpu_set_sys_reg(vcpu, HV_SYS_REG_FAR_EL1,
                     vcpu->exit->exception.virtual_address);
    inject(vcpu, ec << 26 | ESR_IL | (uint64_t)write << 6 | DFSC_EXTERNAL);
}

/* ---- WFI and WFE ------------------------------------------------------------
 */

static void exit_wfx(struct vcpu *vcpu)
{
    struct wfx wfx = syndrome_wfx(vcpu->exit->exception.syndrome);

    next_instruction(vcpu);
    if (wfx.kind == WFX_WFE || wfx.kind == WFX_WFET) {
        /* Somebody else holds the lock; give him the processor. */
        count(&vcpu->counters.wfe);
        sched_yield();
        return;
    }
    count(&vcpu->counters.wfi);
    vcpu_wait_for_interrupt(vcpu, wfx.has_limit ? get_rt(vcpu, wfx.limit_reg)
                                                : UINT64_MAX);
}

/* ---- PSCI -------------------------------------------------------------------
 */

static void vcpu_off(struct vcpu *vcpu)
{
    atomic_store_explicit(&vcpu->power, PSCI_OFF, memory_order_release);
}

static void service_call(struct vcpu *vcpu)
{
    uint64_t x[4], result;
    unsigned i;

    for (i = 0; i < 4; i++)
        x[i] = get_rt(vcpu, i);
    switch (psci_call(&vcpu->vm->psci, x, &result)) {
    case PSCI_WAIT:
        vcpu_wait_for_interrupt(vcpu, UINT64_MAX);
        set_rt(vcpu, 0, result);
        break;
    case PSCI_RETURN:
        set_rt(vcpu, 0, result);
        break;
    case PSCI_TURN_OFF:
        vcpu_off(vcpu);
        break;
    case PSCI_POWER_OFF:
        vcpu_off(vcpu);
        vm_end(vcpu->vm, LULL_END_POWEROFF, "%s", "");
        break;
    case PSCI_RESET:
        vcpu_off(vcpu);
        vm_guest_reset(vcpu->vm);
        break;
    }
}

static void exit_hvc(struct vcpu *vcpu)
{
    count(&vcpu->counters.hvc);
    service_call(vcpu);
}

static void exit_smc(struct vcpu *vcpu)
{
    count(&vcpu->counters.smc);
    next_instruction(vcpu);
    service_call(vcpu);
}

/* ---- system registers -------------------------------------------------------
 */

/*
 * Registers that trap, besides the interrupt controller's, and what a machine
 * without the feature behind them answers. Matched by (reg & mask) == value.
 */
enum sysreg_rule {
    RULE_ZERO,    /* reads as zero, writes ignored */
    RULE_ID,      /* reads as zero, may not be written */
    RULE_COUNTER, /* the guest's counter; may not be written */
    RULE_FORWARD, /* the framework keeps it and lets us at it */
};

static const struct sysreg_entry {
    uint16_t mask, value;
    enum sysreg_rule rule;
} sysregs[] = {
    /* OS lock, OS double lock, power control: Linux unlocks them at boot.
     * OSLSR_EL1 reading zero says that there is no OS lock. */
    {0xffff, SYSREG(2, 0, 1, 0, 4), RULE_ZERO},    /* OSLAR_EL1 */
    {0xffff, SYSREG(2, 0, 1, 1, 4), RULE_ID},      /* OSLSR_EL1 */
    {0xffff, SYSREG(2, 0, 1, 3, 4), RULE_ZERO},    /* OSDLR_EL1 */
    {0xffff, SYSREG(2, 0, 1, 4, 4), RULE_ZERO},    /* DBGPRCR_EL1 */
    {0xffff, SYSREG(2, 0, 0, 2, 0), RULE_FORWARD}, /* MDCCINT_EL1 */
    /* Limited ordering regions: there are none. */
    {0xfff8, SYSREG(3, 0, 10, 4, 0), RULE_ZERO}, /* LORSA .. LORID */
    /* The space of identification registers beyond those the framework
     * knows: reserved ones read as zero. */
    {0xff80, SYSREG(3, 0, 0, 0, 0), RULE_ID},
    /* The physical counter is the virtual one: the guest has no other. */
    {0xffff, SYSREG(3, 3, 14, 0, 1), RULE_COUNTER}, /* CNTPCT_EL0 */
    {0xffff, SYSREG(3, 3, 14, 0, 5), RULE_COUNTER}, /* CNTPCTSS_EL0 */
    /* The physical timer never fires; guests switch it off at boot. */
    {0xfff8, SYSREG(3, 3, 14, 2, 0), RULE_ZERO}, /* CNTP_* */
};

static const struct sysreg_entry *sysreg_lookup(uint16_t reg)
{
    size_t i;

    for (i = 0; i < sizeof(sysregs) / sizeof(sysregs[0]); i++)
        if ((reg & sysregs[i].mask) == sysregs[i].value)
            return &sysregs[i];
    return NULL;
}

static bool sysreg_read(struct vcpu *vcpu, uint16_t reg, uint64_t *value)
{
    const struct sysreg_entry *entry = sysreg_lookup(reg);

    if (entry == NULL)
        return false;
    *value = 0;
    if (entry->rule == RULE_COUNTER)
        *value = vcpu_counter(vcpu);
    else if (entry->rule == RULE_FORWARD)
        *value = vcpu_sys_reg(vcpu, (hv_sys_reg_t)reg);
    return true;
}

static bool sysreg_write(struct vcpu *vcpu, uint16_t reg, uint64_t value)
{
    const struct sysreg_entry *entry = sysreg_lookup(reg);

    if (entry == NULL || entry->rule == RULE_ID || entry->rule == RULE_COUNTER)
        return false;
    if (entry->rule == RULE_FORWARD)
        vcpu_set_sys_reg(vcpu, (hv_sys_reg_t)reg, value);
    return true;
}

/* ICC_*_EL1: CRn 12 with CRm 8 to 12, and the priority mask. */
static bool is_gic_sysreg(uint16_t reg)
{
    return reg == SYSREG(3, 0, 4, 6, 0) ||
           ((reg & 0xff80) == SYSREG(3, 0, 12, 0, 0) && bits(reg, 6, 3) >= 8);
}

static bool sysreg_do(struct vcpu *vcpu, const struct sysreg_access *access)
{
    struct gic *gic = vcpu->vm->gic;
    bool icc = is_gic_sysreg(access->reg);
    uint64_t value;

    count(icc ? &vcpu->counters.gic_sysreg : &vcpu->counters.sysreg);
    if (!access->read) {
        value = get_rt(vcpu, access->rt);
        return icc ? gic_sysreg_write(gic, vcpu->index, access->reg, value)
                   : sysreg_write(vcpu, access->reg, value);
    }
    if (icc ? !gic_sysreg_read(gic, vcpu->index, access->reg, &value)
            : !sysreg_read(vcpu, access->reg, &value))
        return false;
    set_rt(vcpu, access->rt, value);
    return true;
}

static void exit_sysreg(struct vcpu *vcpu)
{
    struct sysreg_access access =
        syndrome_sysreg(vcpu->exit->exception.syndrome);

    if (sysreg_do(vcpu, &access)) {
        next_instruction(vcpu);
        return;
    }
    count(&vcpu->counters.undefined_sysregs);
    atomic_store_explicit(&vcpu->counters.last_undefined, access.reg,
                          memory_order_relaxed);
    inject(vcpu, ESR_UNDEFINED);
}

/* ---- memory -----------------------------------------------------------------
 */

static void crash(struct vcpu *vcpu, const char *what)
{
    const hv_vcpu_exit_exception_t *exception = &vcpu->exit->exception;

    vm_end(vcpu->vm, LULL_END_CRASH,
           "the guest crashed: vCPU %u %s at address %#" PRIx64 " (pc %#" PRIx64
           ", va %#" PRIx64 ")",
           vcpu->index, what, exception->physical_address,
           vcpu_reg(vcpu, HV_REG_PC), exception->virtual_address);
    vcpu_off(vcpu);
}

static void mmio(struct vcpu *vcpu, const struct lull_mmio *window,
                 const struct data_abort *abort)
{
    uint64_t offset = vcpu->exit->exception.physical_address - window->gpa;

    if (abort->write) {
        count(&vcpu->counters.mmio_write);
        window->write(window->dev, offset, abort->width_bytes,
                      get_rt(vcpu, abort->rt) & ones(abort->width_bytes * 8U));
    } else {
        uint64_t value = window->read(window->dev, offset, abort->width_bytes);

        count(&vcpu->counters.mmio_read);
        set_rt(vcpu, abort->rt, data_abort_extend(abort, value));
    }
    next_instruction(vcpu);
}

static void exit_data_abort(struct vcpu *vcpu)
{
    const hv_vcpu_exit_exception_t *exception = &vcpu->exit->exception;
    struct data_abort abort = syndrome_data_abort(exception->syndrome);
    const struct lull_mmio *window;

    if (abort.page_table) {
        count(&vcpu->counters.unmapped);
        crash(vcpu, "has a translation table that is not in memory");
        return;
    }
    window = bus_find(&vcpu->vm->bus, exception->physical_address,
                      abort.valid ? abort.width_bytes : 1);
    if (window == NULL) {
        count(&vcpu->counters.unmapped);
        inject_external_abort(vcpu, abort.write);
    } else if (abort.valid) {
        mmio(vcpu, window, &abort);
    } else if (abort.cache_op) {
        count(&vcpu->counters.other);
        next_instruction(vcpu); /* a device has no cache to clean */
    } else {
        count(&vcpu->counters.other);
        crash(vcpu, "used an instruction that cannot access a device (a "
                    "pair, vector or atomic form)");
    }
}

static void exit_insn_abort(struct vcpu *vcpu)
{
    count(&vcpu->counters.unmapped);
    crash(vcpu, "executes what is not memory");
}

/* ---- the table --------------------------------------------------------------
 */

static void exit_unexpected(struct vcpu *vcpu)
{
    count(&vcpu->counters.other);
    vm_end(vcpu->vm, LULL_END_CRASH,
           "the guest crashed: vCPU %u took an exception that this machine "
           "does not know (syndrome %#" PRIx64 ", pc %#" PRIx64 ")",
           vcpu->index, vcpu->exit->exception.syndrome,
           vcpu_reg(vcpu, HV_REG_PC));
    vcpu_off(vcpu);
}

static void (*const handlers[EC_COUNT])(struct vcpu *vcpu) = {
    [EC_WFX] = exit_wfx,
    [EC_HVC] = exit_hvc,
    [EC_SMC] = exit_smc,
    [EC_SYSREG] = exit_sysreg,
    [EC_INSN_ABORT] = exit_insn_abort,
    [EC_DATA_ABORT] = exit_data_abort,
};

void exit_handle(struct vcpu *vcpu)
{
    unsigned ec = syndrome_class(vcpu->exit->exception.syndrome);

    if (LULL_LIKELY(handlers[ec] != NULL))
        handlers[ec](vcpu);
    else
        exit_unexpected(vcpu);
}
