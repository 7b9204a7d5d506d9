/*
 * What a vCPU will be like: the identification registers it starts with. Any
 * thread; no VM is needed.
 */
#ifndef LULL_HV_VCPU_CONFIG_H
#define LULL_HV_VCPU_CONFIG_H

#include <Hypervisor/hv_vcpu_types.h>

/* The configuration, to be given to os_release; NULL when there is no memory.
 */
OS_EXPORT hv_vcpu_config_t hv_vcpu_config_create(void)
    API_AVAILABLE(macos(11.0));

/* The value a feature register will have in a new vCPU. HV_BAD_ARGUMENT: not
 * a feature register. */
OS_EXPORT hv_return_t hv_vcpu_config_get_feature_reg(
    hv_vcpu_config_t config, hv_feature_reg_t feature_reg, uint64_t *value)
    API_AVAILABLE(macos(11.0));

/*
 * CCSIDR_EL1 of the cache levels 1 to 8 of one type, in that order; 0 for a
 * level that has no such cache. HV_BAD_ARGUMENT: not a cache type.
 */
OS_EXPORT hv_return_t hv_vcpu_config_get_ccsidr_el1_sys_reg_values(
    hv_vcpu_config_t config, hv_cache_type_t cache_type, uint64_t values[8])
    API_AVAILABLE(macos(11.0));

#endif
