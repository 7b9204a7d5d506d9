/*
 * Types of the VM-wide functions.
 */
#ifndef LULL_HV_VM_TYPES_H
#define LULL_HV_VM_TYPES_H

#include <Hypervisor/hv_base.h>

/* What a VM is to be like; see hv_vm_config.h. */
typedef struct hv_vm_config_s *hv_vm_config_t;

/* How hv_vm_allocate obtains memory; there is one way. */
typedef uint64_t hv_allocate_flags_t;

enum { HV_ALLOCATE_DEFAULT = 0 };

/* The unit of guest physical addresses and sizes in hv_vm_map and others. */
typedef uint32_t hv_ipa_granule_t;

enum { HV_IPA_GRANULE_4KB = 0, HV_IPA_GRANULE_16KB = 1 };

HV_STATIC_ASSERT_(sizeof(hv_ipa_t) == 8, "addresses are 64 bits");
HV_STATIC_ASSERT_(sizeof(hv_memory_flags_t) == 8, "flags are 64 bits");
HV_STATIC_ASSERT_(sizeof(hv_allocate_flags_t) == 8, "flags are 64 bits");
HV_STATIC_ASSERT_(sizeof(hv_ipa_granule_t) == 4, "granules are 32 bits");

#endif
