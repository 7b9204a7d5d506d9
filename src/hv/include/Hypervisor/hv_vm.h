/*
 * The VM of this process and its memory map. A process has at most one.
 *
 * All functions may be called from any thread, the map's also while vCPUs run.
 */
#ifndef LULL_HV_VM_H
#define LULL_HV_VM_H

#include <Hypervisor/hv_vm_types.h>

/* The number of vCPUs a VM can have, 64. Needs no VM. */
OS_EXPORT hv_return_t hv_vm_get_max_vcpu_count(uint32_t *max_vcpu_count)
    API_AVAILABLE(macos(11.0));

/*
 * Makes the VM. NULL stands for a configuration with every default. The
 * configuration is copied.
 * HV_BUSY: there is one. HV_UNSUPPORTED: the configuration asks for EL2.
 * HV_NO_RESOURCES: no memory.
 */
OS_EXPORT hv_return_t hv_vm_create(hv_vm_config_t config)
    API_AVAILABLE(macos(11.0));

/*
 * Ends the VM and forgets its map. The host memory stays the caller's.
 * HV_NO_DEVICE: no VM. HV_BUSY: a vCPU still exists; nothing was done.
 */
OS_EXPORT hv_return_t hv_vm_destroy(void) API_AVAILABLE(macos(11.0));

/*
 * Shows [addr, addr + size) to the guest at [ipa, ipa + size). It must stay
 * readable and writable memory of this process until it is unmapped. `flags`
 * alone says what the guest may do with it.
 * HV_BAD_ARGUMENT: ipa or size not in units of the VM's granule, addr not in
 * units of 4 KiB, size 0, an unknown flag, or the end beyond the IPA size.
 * HV_ERROR: something is mapped in the range; nothing was changed.
 * HV_NO_DEVICE: no VM. HV_NO_RESOURCES: no memory for the tables.
 */
OS_EXPORT hv_return_t hv_vm_map(void *addr, hv_ipa_t ipa, size_t size,
                                hv_memory_flags_t flags)
    API_AVAILABLE(macos(11.0));

/*
 * Takes whatever is mapped in [ipa, ipa + size) away from the guest, page by
 * page; nothing there is fine too. When it returns, no vCPU uses the memory
 * any more.
 * HV_BAD_ARGUMENT as hv_vm_map. HV_NO_DEVICE: no VM.
 */
OS_EXPORT hv_return_t hv_vm_unmap(hv_ipa_t ipa, size_t size)
    API_AVAILABLE(macos(11.0));

/*
 * Changes what the guest may do with [ipa, ipa + size); in force for every
 * vCPU when it returns.
 * HV_ERROR: a page of it is not mapped; nothing was changed.
 * HV_BAD_ARGUMENT as hv_vm_map. HV_NO_DEVICE: no VM.
 */
OS_EXPORT hv_return_t hv_vm_protect(hv_ipa_t ipa, size_t size,
                                    hv_memory_flags_t flags)
    API_AVAILABLE(macos(11.0));

#endif
