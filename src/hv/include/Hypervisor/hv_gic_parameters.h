/*
 * Sizes, alignments and numbers of the framework's interrupt controller. Any
 * thread; a VM need not exist. Bytes throughout.
 */
#ifndef LULL_HV_GIC_PARAMETERS_H
#define LULL_HV_GIC_PARAMETERS_H

#include <Hypervisor/hv_gic_types.h>

/* 64 KiB. */
OS_EXPORT hv_return_t hv_gic_get_distributor_size(size_t *distributor_size)
    API_AVAILABLE(macos(15.0));

/* 64 KiB. */
OS_EXPORT hv_return_t hv_gic_get_distributor_base_alignment(
    size_t *distributor_base_alignment) API_AVAILABLE(macos(15.0));

/* 32 MiB: room for 256 redistributors. */
OS_EXPORT hv_return_t hv_gic_get_redistributor_region_size(
    size_t *redistributor_region_size) API_AVAILABLE(macos(15.0));

/* 128 KiB: RD_base, then SGI_base. */
OS_EXPORT hv_return_t hv_gic_get_redistributor_size(size_t *redistributor_size)
    API_AVAILABLE(macos(15.0));

/* 64 KiB. */
OS_EXPORT hv_return_t hv_gic_get_redistributor_base_alignment(
    size_t *redistributor_base_alignment) API_AVAILABLE(macos(15.0));

/* 64 KiB. */
OS_EXPORT hv_return_t hv_gic_get_msi_region_size(size_t *msi_region_size)
    API_AVAILABLE(macos(15.0));

/* 64 KiB. */
OS_EXPORT hv_return_t hv_gic_get_msi_region_base_alignment(
    size_t *msi_region_base_alignment) API_AVAILABLE(macos(15.0));

/* The shared interrupts: 988, from number 32. */
OS_EXPORT hv_return_t hv_gic_get_spi_interrupt_range(uint32_t *spi_intid_base,
                                                     uint32_t *spi_intid_count)
    API_AVAILABLE(macos(15.0));

/* The number of an interrupt that has a name. HV_BAD_ARGUMENT: not a name. */
OS_EXPORT hv_return_t hv_gic_get_intid(hv_gic_intid_t interrupt,
                                       uint32_t *intid)
    API_AVAILABLE(macos(15.0));

#endif
