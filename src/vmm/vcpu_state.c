/*
 * A vCPU's state as bytes: what PSCI and the loop know of it, and the
 * registers of the framework's vCPU, which its own thread alone may touch.
 *
 * What is lost is what an exit from the guest may lose on any machine: the
 * exclusive monitor, WFE's event register, translations.
 */
#include "machine.h"

#include <string.h>

#include "lull/state.h"

/*
 * What tells one processor from another. The guest has built on it, so here it
 * must be the same.
 */
static const hv_sys_reg_t identity[] = {
    HV_SYS_REG_MIDR_EL1,         HV_SYS_REG_MPIDR_EL1,
    HV_SYS_REG_ID_AA64PFR0_EL1,  HV_SYS_REG_ID_AA64PFR1_EL1,
    HV_SYS_REG_ID_AA64DFR0_EL1,  HV_SYS_REG_ID_AA64DFR1_EL1,
    HV_SYS_REG_ID_AA64ISAR0_EL1, HV_SYS_REG_ID_AA64ISAR1_EL1,
    HV_SYS_REG_ID_AA64MMFR0_EL1, HV_SYS_REG_ID_AA64MMFR1_EL1,
    HV_SYS_REG_ID_AA64MMFR2_EL1,
};

#define DEBUG_REGS(n)                                                          \
    HV_SYS_REG_DBGBVR##n##_EL1, HV_SYS_REG_DBGBCR##n##_EL1,                    \
        HV_SYS_REG_DBGWVR##n##_EL1, HV_SYS_REG_DBGWCR##n##_EL1

/* In the order in which they are restored: a control before what it
 * controls has no effect until the vCPU runs. */
static const hv_sys_reg_t registers[] = {
    HV_SYS_REG_SCTLR_EL1,
    HV_SYS_REG_ACTLR_EL1,
    HV_SYS_REG_CPACR_EL1,
    HV_SYS_REG_TTBR0_EL1,
    HV_SYS_REG_TTBR1_EL1,
    HV_SYS_REG_TCR_EL1,
    HV_SYS_REG_MAIR_EL1,
    HV_SYS_REG_AMAIR_EL1,
    HV_SYS_REG_CONTEXTIDR_EL1,
    HV_SYS_REG_VBAR_EL1,
    HV_SYS_REG_SPSR_EL1,
    HV_SYS_REG_ELR_EL1,
    HV_SYS_REG_ESR_EL1,
    HV_SYS_REG_FAR_EL1,
    HV_SYS_REG_AFSR0_EL1,
    HV_SYS_REG_AFSR1_EL1,
    HV_SYS_REG_PAR_EL1,
    HV_SYS_REG_SP_EL0,
    HV_SYS_REG_SP_EL1,
    HV_SYS_REG_TPIDR_EL0,
    HV_SYS_REG_TPIDR_EL1,
    HV_SYS_REG_TPIDRRO_EL0,
    HV_SYS_REG_CSSELR_EL1,
    HV_SYS_REG_CNTKCTL_EL1,
    HV_SYS_REG_APIAKEYLO_EL1,
    HV_SYS_REG_APIAKEYHI_EL1,
    HV_SYS_REG_APIBKEYLO_EL1,
    HV_SYS_REG_APIBKEYHI_EL1,
    HV_SYS_REG_APDAKEYLO_EL1,
    HV_SYS_REG_APDAKEYHI_EL1,
    HV_SYS_REG_APDBKEYLO_EL1,
    HV_SYS_REG_APDBKEYHI_EL1,
    HV_SYS_REG_APGAKEYLO_EL1,
    HV_SYS_REG_APGAKEYHI_EL1,
    HV_SYS_REG_MDCCINT_EL1,
    HV_SYS_REG_MDSCR_EL1,
    DEBUG_REGS(0),
    DEBUG_REGS(1),
    DEBUG_REGS(2),
    DEBUG_REGS(3),
    DEBUG_REGS(4),
    DEBUG_REGS(5),
    DEBUG_REGS(6),
    DEBUG_REGS(7),
    DEBUG_REGS(8),
    DEBUG_REGS(9),
    DEBUG_REGS(10),
    DEBUG_REGS(11),
    DEBUG_REGS(12),
    DEBUG_REGS(13),
    DEBUG_REGS(14),
    DEBUG_REGS(15),
    HV_SYS_REG_CNTV_CTL_EL0,
    HV_SYS_REG_CNTV_CVAL_EL0,
};

static void general(struct vcpu *vcpu, hv_reg_t reg, struct lull_state *state)
{
    uint64_t value = state->loading ? 0 : vcpu_reg(vcpu, reg);

    lull_state_u64(state, &value);
    if (state->loading && !state->bad)
        vcpu_set_reg(vcpu, reg, value);
}

static void system_reg(struct vcpu *vcpu, hv_sys_reg_t reg,
                       struct lull_state *state)
{
    uint64_t value = state->loading ? 0 : vcpu_sys_reg(vcpu, reg);

    lull_state_u64(state, &value);
    if (state->loading && !state->bad)
        vcpu_set_sys_reg(vcpu, reg, value);
}

static void vector(struct vcpu *vcpu, hv_simd_fp_reg_t reg,
                   struct lull_state *state)
{
    hv_simd_fp_uchar16_t value = {0};

    if (!state->loading &&
        hv_vcpu_get_simd_fp_reg(vcpu->hv, reg, &value) != HV_SUCCESS)
        state->bad = true;
    lull_state_raw(state, &value, sizeof(value));
    if (state->loading && !state->bad &&
        hv_vcpu_set_simd_fp_reg(vcpu->hv, reg, value) != HV_SUCCESS)
        state->bad = true;
}

/* CPSR first: it says which stack pointer is which. */
static void registers_state(struct vcpu *vcpu, struct lull_state *state)
{
    size_t i;

    for (i = 0; i < sizeof(identity) / sizeof(identity[0]); i++)
        lull_state_same(state, vcpu_sys_reg(vcpu, identity[i]));
    general(vcpu, HV_REG_CPSR, state);
    for (i = 0; i < sizeof(registers) / sizeof(registers[0]); i++)
        system_reg(vcpu, registers[i], state);
    for (i = 0; i <= HV_REG_X30; i++)
        general(vcpu, (hv_reg_t)i, state);
    general(vcpu, HV_REG_PC, state);
    for (i = 0; i <= HV_SIMD_FP_REG_Q31; i++)
        vector(vcpu, (hv_simd_fp_reg_t)i, state);
    general(vcpu, HV_REG_FPCR, state);
    general(vcpu, HV_REG_FPSR, state);
}

/* PPI 27 is the GIC's to restore; here, that we raised it. */
static void loop_state(struct vcpu *vcpu, struct lull_state *state)
{
    lull_state_bool(state, &vcpu->waiting);
    lull_state_u64(state, &vcpu->wait_ticks);
    lull_state_bool(state, &vcpu->timer_line);
    if (state->loading && !state->bad &&
        hv_vcpu_set_vtimer_mask(vcpu->hv, vcpu->timer_line) != HV_SUCCESS)
        state->bad = true;
}

static void power_state(struct vcpu *vcpu, enum psci_power *power,
                        struct lull_state *state)
{
    uint8_t byte = (uint8_t)*power;

    lull_state_u8(state, &byte);
    lull_state_u64(state, &vcpu->entry);
    lull_state_u64(state, &vcpu->context);
    lull_state_check(state, byte <= PSCI_ON_PENDING);
    *power = state->bad ? PSCI_OFF : (enum psci_power)byte;
}

void vcpu_save(struct vcpu *vcpu, struct lull_state *state)
{
    enum psci_power power =
        atomic_load_explicit(&vcpu->power, memory_order_acquire);

    power_state(vcpu, &power, state);
    if (power != PSCI_ON)
        return;
    registers_state(vcpu, state);
    loop_state(vcpu, state);
}

bool vcpu_load(struct vcpu *vcpu, struct lull_state *state)
{
    enum psci_power power = PSCI_OFF;

    power_state(vcpu, &power, state);
    if (power == PSCI_ON) {
        if (!vcpu_make(vcpu))
            return false;
        registers_state(vcpu, state);
        loop_state(vcpu, state);
    }
    if (!lull_state_done(state))
        power = PSCI_OFF; /* it must not run with half of its registers */
    atomic_store_explicit(&vcpu->power, power, memory_order_release);
    return lull_state_done(state);
}
