/*
 * Where the framework's interrupt controller is to be. Any thread; a VM need
 * not exist.
 *
 * The setters give HV_BAD_ARGUMENT for a base that is not aligned as
 * hv_gic_parameters.h asks, or whose region would wrap round, and for a range
 * that is not one of shared interrupts; the configuration is then unchanged.
 */
#ifndef LULL_HV_GIC_CONFIG_H
#define LULL_HV_GIC_CONFIG_H

#include <Hypervisor/hv_gic_types.h>

/* An empty configuration, to be given to os_release; NULL when there is no
 * memory. */
OS_EXPORT hv_gic_config_t hv_gic_config_create(void) API_AVAILABLE(macos(15.0));

/* The distributor's first address. */
OS_EXPORT hv_return_t hv_gic_config_set_distributor_base(
    hv_gic_config_t config, hv_ipa_t distributor_base_address)
    API_AVAILABLE(macos(15.0));

/* The first address of the region of all redistributors. */
OS_EXPORT hv_return_t hv_gic_config_set_redistributor_base(
    hv_gic_config_t config, hv_ipa_t redistributor_base_address)
    API_AVAILABLE(macos(15.0));

/* The MSI frame's first address. */
OS_EXPORT hv_return_t hv_gic_config_set_msi_region_base(
    hv_gic_config_t config, hv_ipa_t msi_region_base_address)
    API_AVAILABLE(macos(15.0));

/* The shared interrupts that messages raise. */
OS_EXPORT hv_return_t hv_gic_config_set_msi_interrupt_range(
    hv_gic_config_t config, uint32_t msi_intid_base, uint32_t msi_intid_count)
    API_AVAILABLE(macos(15.0));

#endif
