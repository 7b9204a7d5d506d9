/*
 * What a VM is to be like, said before it is made. Any thread; a VM need not
 * exist. An object must not be changed from two threads at once.
 */
#ifndef LULL_HV_VM_CONFIG_H
#define LULL_HV_VM_CONFIG_H

#include <Hypervisor/hv_vm_types.h>

/* A configuration with every default, to be given to os_release; NULL when
 * there is no memory. */
OS_EXPORT hv_vm_config_t hv_vm_config_create(void) API_AVAILABLE(macos(13.0));

/* The largest guest physical address size, in bits: 40. */
OS_EXPORT hv_return_t hv_vm_config_get_max_ipa_size(uint32_t *ipa_bit_length)
    API_AVAILABLE(macos(13.0));

/* The size of a VM that asks for none, in bits: 36. */
OS_EXPORT hv_return_t hv_vm_config_get_default_ipa_size(
    uint32_t *ipa_bit_length) API_AVAILABLE(macos(13.0));

/*
 * The size of the guest physical address space, in bits. 0 asks for the
 * default.
 * HV_UNSUPPORTED: more than the largest; the configuration is unchanged.
 */
OS_EXPORT hv_return_t hv_vm_config_set_ipa_size(hv_vm_config_t config,
                                                uint32_t ipa_bit_length)
    API_AVAILABLE(macos(13.0));

/* The size as it was set. */
OS_EXPORT hv_return_t hv_vm_config_get_ipa_size(hv_vm_config_t config,
                                                uint32_t *ipa_bit_length)
    API_AVAILABLE(macos(13.0));

/* Whether a guest can have EL2: false. */
OS_EXPORT hv_return_t hv_vm_config_get_el2_supported(bool *el2_supported)
    API_AVAILABLE(macos(15.0));

/* Whether the guest is to have EL2, as it was set; at first false. */
OS_EXPORT hv_return_t hv_vm_config_get_el2_enabled(hv_vm_config_t config,
                                                   bool *el2_enabled)
    API_AVAILABLE(macos(15.0));

/* Asks for EL2. It is hv_vm_create that refuses. */
OS_EXPORT hv_return_t hv_vm_config_set_el2_enabled(hv_vm_config_t config,
                                                   bool el2_enabled)
    API_AVAILABLE(macos(15.0));

/* The granule of a VM that asks for none: 4 KiB. */
OS_EXPORT hv_return_t hv_vm_config_get_default_ipa_granule(
    hv_ipa_granule_t *granule) API_AVAILABLE(macos(26.0));

/* The granule as it was set. */
OS_EXPORT hv_return_t hv_vm_config_get_ipa_granule(hv_vm_config_t config,
                                                   hv_ipa_granule_t *granule)
    API_AVAILABLE(macos(26.0));

/* The unit in which guest memory is mapped. HV_BAD_ARGUMENT: not a granule. */
OS_EXPORT hv_return_t hv_vm_config_set_ipa_granule(hv_vm_config_t config,
                                                   hv_ipa_granule_t granule)
    API_AVAILABLE(macos(26.0));

#endif
