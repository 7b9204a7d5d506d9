/*
 * A vCPU's registers, read and written by its own thread between runs.
 */
#include "api.h"
#include "a64/sysreg.h"

#include <string.h>

/* ---- general registers -------------------------------------------------- */

static uint32_t as_written(const struct api_written *written, uint32_t engine)
{
    return engine == written->engine ? written->value : engine;
}

hv_return_t hv_vcpu_get_reg(hv_vcpu_t vcpu, hv_reg_t reg, uint64_t *value)
{
    struct api_vcpu *own;
    hv_return_t result = api_own_for(vcpu, value, &own);

    if (result != HV_SUCCESS)
        return result;
    switch (reg) {
    case HV_REG_PC:
        *value = own->cpu.pc;
        break;
    case HV_REG_FPCR:
        *value = as_written(&own->fpcr, own->cpu.fpcr);
        break;
    case HV_REG_FPSR:
        *value = as_written(&own->fpsr, a64_fpsr(&own->cpu));
        break;
    case HV_REG_CPSR:
        *value = a64_cpsr(&own->cpu);
        break;
    default:
        if (reg > HV_REG_X30)
            return HV_BAD_ARGUMENT;
        *value = own->cpu.x[reg];
    }
    return HV_SUCCESS;
}

hv_return_t hv_vcpu_set_reg(hv_vcpu_t vcpu, hv_reg_t reg, uint64_t value)
{
    struct api_vcpu *own;
    hv_return_t result = api_own(vcpu, &own);

    if (result != HV_SUCCESS)
        return result;
    switch (reg) {
    case HV_REG_PC:
        own->cpu.pc = value;
        break;
    case HV_REG_FPCR:
        a64_set_fpcr(&own->cpu, (uint32_t)value);
        own->fpcr = (struct api_written){(uint32_t)value, own->cpu.fpcr};
        break;
    case HV_REG_FPSR:
        a64_set_fpsr(&own->cpu, (uint32_t)value);
        own->fpsr = (struct api_written){(uint32_t)value, own->cpu.fpsr};
        break;
    case HV_REG_CPSR:
        a64_set_cpsr(&own->cpu, (uint32_t)value);
        break;
    default:
        if (reg > HV_REG_X30)
            return HV_BAD_ARGUMENT;
        own->cpu.x[reg] = value;
    }
    return HV_SUCCESS;
}

/* ---- vector registers --------------------------------------------------- */

hv_return_t hv_vcpu_get_simd_fp_reg(hv_vcpu_t vcpu, hv_simd_fp_reg_t reg,
                                    hv_simd_fp_uchar16_t *value)
{
    struct api_vcpu *own;
    hv_return_t result = api_own(vcpu, &own);

    if (result != HV_SUCCESS)
        return result;
    if (!value || reg > HV_SIMD_FP_REG_Q31)
        return HV_BAD_ARGUMENT;
    /* memcpy: bindings may hand in a vector that is not aligned */
    memcpy(value, &own->cpu.v[reg], sizeof(*value));
    return HV_SUCCESS;
}

hv_return_t hv_vcpu_set_simd_fp_reg(hv_vcpu_t vcpu, hv_simd_fp_reg_t reg,
                                    hv_simd_fp_uchar16_t value)
{
    struct api_vcpu *own;
    hv_return_t result = api_own(vcpu, &own);

    if (result != HV_SUCCESS)
        return result;
    if (reg > HV_SIMD_FP_REG_Q31)
        return HV_BAD_ARGUMENT;
    memcpy(&own->cpu.v[reg], &value, sizeof(value));
    return HV_SUCCESS;
}

/* ---- system registers --------------------------------------------------- */

/* For a register the engine refused: does this VM lack it, or is it none? */
static hv_return_t refused(hv_sys_reg_t reg)
{
    return a64_sysreg_known(reg) ? HV_UNSUPPORTED : HV_BAD_ARGUMENT;
}

hv_return_t hv_vcpu_get_sys_reg(hv_vcpu_t vcpu, hv_sys_reg_t reg,
                                uint64_t *value)
{
    struct api_vcpu *own;
    hv_return_t result = api_own_for(vcpu, value, &own);

    if (result != HV_SUCCESS)
        return result;
    return a64_sysreg_get(&own->cpu, reg, value) ? HV_SUCCESS : refused(reg);
}

hv_return_t hv_vcpu_set_sys_reg(hv_vcpu_t vcpu, hv_sys_reg_t reg,
                                uint64_t value)
{
    struct api_vcpu *own;
    hv_return_t result = api_own(vcpu, &own);

    if (result != HV_SUCCESS)
        return result;
    if (!a64_sysreg_set(&own->cpu, reg, value))
        return refused(reg);
    /* A VMM sets these, as a rule to what they were, where it puts another
     * state in the guest's place. When that is a snapshot it has written
     * memory, too, where nobody sees it: hold nothing from before. */
    if (reg == HV_SYS_REG_TTBR0_EL1 || reg == HV_SYS_REG_TTBR1_EL1) {
        a64_code_invalidate_all(&own->vm->a64);
        a64_broadcast_all(&own->vm->a64);
    }
    return HV_SUCCESS;
}

/* ---- stage 1 translation ------------------------------------------------ */

static bool is_tlbi(hv_tlbi_op_t op)
{
    switch (op) {
    case HV_TLBI_OP_RVAE1IS:
    case HV_TLBI_OP_RVAAE1IS:
    case HV_TLBI_OP_RVALE1IS:
    case HV_TLBI_OP_RVAALE1IS:
    case HV_TLBI_OP_VMALLE1IS:
    case HV_TLBI_OP_VAE1IS:
    case HV_TLBI_OP_ASIDE1IS:
    case HV_TLBI_OP_VAAE1IS:
    case HV_TLBI_OP_VALE1IS:
    case HV_TLBI_OP_VAALE1IS:
        return true;
    default:
        return false;
    }
}

/* Rare, and dropping too much is always right: so everything goes. */
hv_return_t hv_vcpu_invalidate_tlb(hv_vcpu_t vcpu, hv_tlbi_op_t op,
                                   uint64_t param)
{
    struct api_vcpu *own;
    hv_return_t result = api_own(vcpu, &own);

    if (result != HV_SUCCESS)
        return result;
    if (!is_tlbi(op))
        return HV_BAD_ARGUMENT;
    a64_broadcast_all(&own->vm->a64);
    return HV_SUCCESS;
}
