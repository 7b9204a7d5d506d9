/*
 * The Scalable Matrix Extension: the engine has none, so everything says so,
 * after the thread rule that all vCPU functions share.
 */
#include "api.h"

static hv_return_t no_sme(hv_vcpu_t vcpu)
{
    struct api_vcpu *own;
    hv_return_t result = api_own(vcpu, &own);

    return result ? result : HV_UNSUPPORTED;
}

hv_return_t hv_sme_config_get_max_svl_bytes(size_t *value)
{
    return value ? HV_UNSUPPORTED : HV_BAD_ARGUMENT;
}

hv_return_t hv_vcpu_get_sme_state(hv_vcpu_t vcpu,
                                  hv_vcpu_sme_state_t *sme_state)
{
    return no_sme(vcpu);
}

hv_return_t hv_vcpu_set_sme_state(hv_vcpu_t vcpu,
                                  const hv_vcpu_sme_state_t *sme_state)
{
    return no_sme(vcpu);
}

hv_return_t hv_vcpu_get_sme_z_reg(hv_vcpu_t vcpu, hv_sme_z_reg_t reg,
                                  uint8_t *value, size_t length)
{
    return no_sme(vcpu);
}

hv_return_t hv_vcpu_set_sme_z_reg(hv_vcpu_t vcpu, hv_sme_z_reg_t reg,
                                  const uint8_t *value, size_t length)
{
    return no_sme(vcpu);
}

hv_return_t hv_vcpu_get_sme_p_reg(hv_vcpu_t vcpu, hv_sme_p_reg_t reg,
                                  uint8_t *value, size_t length)
{
    return no_sme(vcpu);
}

hv_return_t hv_vcpu_set_sme_p_reg(hv_vcpu_t vcpu, hv_sme_p_reg_t reg,
                                  const uint8_t *value, size_t length)
{
    return no_sme(vcpu);
}

hv_return_t hv_vcpu_get_sme_za_reg(hv_vcpu_t vcpu, uint8_t *value,
                                   size_t length)
{
    return no_sme(vcpu);
}

hv_return_t hv_vcpu_set_sme_za_reg(hv_vcpu_t vcpu, const uint8_t *value,
                                   size_t length)
{
    return no_sme(vcpu);
}

hv_return_t hv_vcpu_get_sme_zt0_reg(hv_vcpu_t vcpu, hv_sme_zt0_uchar64_t *value)
{
    return no_sme(vcpu);
}

hv_return_t hv_vcpu_set_sme_zt0_reg(hv_vcpu_t vcpu,
                                    const hv_sme_zt0_uchar64_t *value)
{
    return no_sme(vcpu);
}
