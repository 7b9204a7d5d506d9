/*
 * The framework's own GICv3.
 *
 * Our library does not have it yet: hv_gic_create refuses, so that a VM never
 * has one, and every other function here gives HV_UNSUPPORTED, or HV_NO_DEVICE
 * where there is no VM. A VMM has to bring its own controller.
 */
#ifndef LULL_HV_GIC_H
#define LULL_HV_GIC_H

#include <Hypervisor/hv_gic_config.h>
#include <Hypervisor/hv_gic_parameters.h>
#include <Hypervisor/hv_gic_state.h>
#include <Hypervisor/hv_gic_types.h>
#include <Hypervisor/hv_vcpu_types.h>

/*
 * Gives the VM the controller; after hv_vm_create, before the first vCPU. Any
 * thread. HV_NO_DEVICE: no VM. HV_BAD_ARGUMENT: the configuration has no
 * redistributor base. HV_UNSUPPORTED otherwise.
 */
OS_EXPORT hv_return_t hv_gic_create(hv_gic_config_t gic_config)
    API_AVAILABLE(macos(15.0));

/* Sets the level of a shared interrupt's line. Any thread. */
OS_EXPORT hv_return_t hv_gic_set_spi(uint32_t intid, bool level)
    API_AVAILABLE(macos(15.0));

/* Does what a device's write of `intid` to the MSI frame at `address` does.
 * Any thread. */
OS_EXPORT hv_return_t hv_gic_send_msi(hv_ipa_t address, uint32_t intid)
    API_AVAILABLE(macos(15.0));

/* A distributor register. Any thread. */
OS_EXPORT hv_return_t hv_gic_get_distributor_reg(hv_gic_distributor_reg_t reg,
                                                 uint64_t *value)
    API_AVAILABLE(macos(15.0));
OS_EXPORT hv_return_t hv_gic_set_distributor_reg(hv_gic_distributor_reg_t reg,
                                                 uint64_t value)
    API_AVAILABLE(macos(15.0));

/* Where a vCPU's redistributor is. Any thread. */
OS_EXPORT hv_return_t hv_gic_get_redistributor_base(
    hv_vcpu_t vcpu, hv_ipa_t *redistributor_base_address)
    API_AVAILABLE(macos(15.0));

/* A register of a vCPU's redistributor. Own thread. */
OS_EXPORT hv_return_t hv_gic_get_redistributor_reg(
    hv_vcpu_t vcpu, hv_gic_redistributor_reg_t reg, uint64_t *value)
    API_AVAILABLE(macos(15.0));
OS_EXPORT hv_return_t hv_gic_set_redistributor_reg(
    hv_vcpu_t vcpu, hv_gic_redistributor_reg_t reg, uint64_t value)
    API_AVAILABLE(macos(15.0));

/* A register of a vCPU's physical CPU interface. Own thread. */
OS_EXPORT hv_return_t hv_gic_get_icc_reg(hv_vcpu_t vcpu, hv_gic_icc_reg_t reg,
                                         uint64_t *value)
    API_AVAILABLE(macos(15.0));
OS_EXPORT hv_return_t hv_gic_set_icc_reg(hv_vcpu_t vcpu, hv_gic_icc_reg_t reg,
                                         uint64_t value)
    API_AVAILABLE(macos(15.0));

/* A register by which a guest at EL2 controls its guests' interface. Own
 * thread. */
OS_EXPORT hv_return_t hv_gic_get_ich_reg(hv_vcpu_t vcpu, hv_gic_ich_reg_t reg,
                                         uint64_t *value)
    API_AVAILABLE(macos(15.0));
OS_EXPORT hv_return_t hv_gic_set_ich_reg(hv_vcpu_t vcpu, hv_gic_ich_reg_t reg,
                                         uint64_t value)
    API_AVAILABLE(macos(15.0));

/* A register of the virtual CPU interface, with EL2. Own thread. */
OS_EXPORT hv_return_t hv_gic_get_icv_reg(hv_vcpu_t vcpu, hv_gic_icv_reg_t reg,
                                         uint64_t *value)
    API_AVAILABLE(macos(15.0));
OS_EXPORT hv_return_t hv_gic_set_icv_reg(hv_vcpu_t vcpu, hv_gic_icv_reg_t reg,
                                         uint64_t value)
    API_AVAILABLE(macos(15.0));

/* A register of the MSI frame. Any thread. */
OS_EXPORT hv_return_t hv_gic_get_msi_reg(hv_gic_msi_reg_t reg, uint64_t *value)
    API_AVAILABLE(macos(15.0));
OS_EXPORT hv_return_t hv_gic_set_msi_reg(hv_gic_msi_reg_t reg, uint64_t value)
    API_AVAILABLE(macos(15.0));

/* Puts a saved state back, before any vCPU runs. Any thread. */
OS_EXPORT hv_return_t hv_gic_set_state(const void *gic_state_data,
                                       size_t gic_state_size)
    API_AVAILABLE(macos(15.0));

/* Back to the state after hv_gic_create. Any thread. */
OS_EXPORT hv_return_t hv_gic_reset(void) API_AVAILABLE(macos(15.0));

#endif
