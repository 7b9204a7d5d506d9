/*
 * VM and vCPU configurations, and what they can be asked without a VM.
 */
#include "api.h"
#include "a64/sysreg.h"

struct hv_vcpu_config_s {
    struct api_object object;
};

/* ---- VM ----------------------------------------------------------------- */

hv_vm_config_t hv_vm_config_create(void)
{
    hv_vm_config_t config =
        api_object_new(API_VM_CONFIG, sizeof(struct hv_vm_config_s));

    if (config) {
        config->ipa_bits = API_DEFAULT_IPA_BITS;
        config->granule = HV_IPA_GRANULE_4KB;
    }
    return config;
}

hv_return_t hv_vm_config_get_max_ipa_size(uint32_t *ipa_bit_length)
{
    if (!ipa_bit_length)
        return HV_BAD_ARGUMENT;
    *ipa_bit_length = API_MAX_IPA_BITS;
    return HV_SUCCESS;
}

hv_return_t hv_vm_config_get_default_ipa_size(uint32_t *ipa_bit_length)
{
    if (!ipa_bit_length)
        return HV_BAD_ARGUMENT;
    *ipa_bit_length = API_DEFAULT_IPA_BITS;
    return HV_SUCCESS;
}

hv_return_t hv_vm_config_set_ipa_size(hv_vm_config_t config,
                                      uint32_t ipa_bit_length)
{
    if (!api_is(config, API_VM_CONFIG))
        return HV_BAD_ARGUMENT;
    if (ipa_bit_length > API_MAX_IPA_BITS)
        return HV_UNSUPPORTED;
    config->ipa_bits = ipa_bit_length;
    return HV_SUCCESS;
}

hv_return_t hv_vm_config_get_ipa_size(hv_vm_config_t config,
                                      uint32_t *ipa_bit_length)
{
    if (!api_is(config, API_VM_CONFIG) || !ipa_bit_length)
        return HV_BAD_ARGUMENT;
    *ipa_bit_length = config->ipa_bits;
    return HV_SUCCESS;
}

hv_return_t hv_vm_config_get_el2_supported(bool *el2_supported)
{
    if (!el2_supported)
        return HV_BAD_ARGUMENT;
    *el2_supported = false;
    return HV_SUCCESS;
}

hv_return_t hv_vm_config_get_el2_enabled(hv_vm_config_t config,
                                         bool *el2_enabled)
{
    if (!api_is(config, API_VM_CONFIG) || !el2_enabled)
        return HV_BAD_ARGUMENT;
    *el2_enabled = config->el2;
    return HV_SUCCESS;
}

hv_return_t hv_vm_config_set_el2_enabled(hv_vm_config_t config,
                                         bool el2_enabled)
{
    if (!api_is(config, API_VM_CONFIG))
        return HV_BAD_ARGUMENT;
    config->el2 = el2_enabled;
    return HV_SUCCESS;
}

/*
 * 4 KiB, not Apple silicon's 16: VMMs round to the host's page size, which is
 * 4 KiB on the usual Linux host, and map ROMs and device windows in those.
 */
hv_return_t hv_vm_config_get_default_ipa_granule(hv_ipa_granule_t *granule)
{
    if (!granule)
        return HV_BAD_ARGUMENT;
    *granule = HV_IPA_GRANULE_4KB;
    return HV_SUCCESS;
}

hv_return_t hv_vm_config_get_ipa_granule(hv_vm_config_t config,
                                         hv_ipa_granule_t *granule)
{
    if (!api_is(config, API_VM_CONFIG) || !granule)
        return HV_BAD_ARGUMENT;
    *granule = config->granule;
    return HV_SUCCESS;
}

hv_return_t hv_vm_config_set_ipa_granule(hv_vm_config_t config,
                                         hv_ipa_granule_t granule)
{
    if (!api_is(config, API_VM_CONFIG) || granule > HV_IPA_GRANULE_16KB)
        return HV_BAD_ARGUMENT;
    config->granule = granule;
    return HV_SUCCESS;
}

/* ---- vCPU --------------------------------------------------------------- */

hv_vcpu_config_t hv_vcpu_config_create(void)
{
    return api_object_new(API_VCPU_CONFIG, sizeof(struct hv_vcpu_config_s));
}

hv_return_t hv_vcpu_config_get_feature_reg(hv_vcpu_config_t config,
                                           hv_feature_reg_t feature_reg,
                                           uint64_t *value)
{
    if (!api_is(config, API_VCPU_CONFIG) || !value)
        return HV_BAD_ARGUMENT;
    return a64_feature_reg(feature_reg, value) ? HV_SUCCESS : HV_BAD_ARGUMENT;
}

hv_return_t hv_vcpu_config_get_ccsidr_el1_sys_reg_values(
    hv_vcpu_config_t config, hv_cache_type_t cache_type, uint64_t values[8])
{
    if (!api_is(config, API_VCPU_CONFIG) || !values)
        return HV_BAD_ARGUMENT;
    if (cache_type > HV_CACHE_TYPE_INSTRUCTION)
        return HV_BAD_ARGUMENT;
    for (unsigned level = 1; level <= 8; level++)
        values[level - 1] =
            a64_ccsidr_el1(level, cache_type == HV_CACHE_TYPE_INSTRUCTION);
    return HV_SUCCESS;
}
