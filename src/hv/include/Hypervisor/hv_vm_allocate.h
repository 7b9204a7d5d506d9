/*
 * Memory fit to be shown to a guest. Any thread; no VM is needed.
 */
#ifndef LULL_HV_VM_ALLOCATE_H
#define LULL_HV_VM_ALLOCATE_H

#include <Hypervisor/hv_vm_types.h>

/*
 * `size` bytes of zeroed, readable and writable memory, page aligned, taken
 * from the host as they are touched. Not yet mapped in the guest.
 * HV_BAD_ARGUMENT: size 0, not in host pages or absurd, or an unknown flag.
 * HV_NO_RESOURCES: the host has no room.
 */
OS_EXPORT hv_return_t hv_vm_allocate(void **uvap, size_t size,
                                     hv_allocate_flags_t flags)
    API_AVAILABLE(macos(12.1));

/*
 * Gives memory of hv_vm_allocate back; it must not be mapped in the guest any
 * more. HV_BAD_ARGUMENT: not whole host pages.
 */
OS_EXPORT hv_return_t hv_vm_deallocate(void *uva, size_t size)
    API_AVAILABLE(macos(12.1));

#endif
