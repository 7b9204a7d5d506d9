/*
 * What the files of the API share: the process's VM, the calling thread's
 * vCPU, and the objects that callers count references of.
 */
#ifndef LULL_HV_API_H
#define LULL_HV_API_H

#include <pthread.h>
#include <stdatomic.h>

#include <Hypervisor/Hypervisor.h>

#include "a64/cpu.h"

/* ---- objects (api_object.c) --------------------------------------------- */

/* Four letters each, so that another kind of object is told apart. */
enum api_kind {
    API_VM_CONFIG = 0x4d56464f,
    API_VCPU_CONFIG = 0x43504655,
    API_GIC_CONFIG = 0x47494346,
};

/* What every object begins with. */
struct api_object {
    enum api_kind kind;
    _Atomic unsigned references;
};

/* `size` zeroed bytes that begin with an object of one reference, or NULL. */
void *api_object_new(enum api_kind kind, size_t size);

static inline bool api_is(const void *object, enum api_kind kind)
{
    return object && ((const struct api_object *)object)->kind == kind;
}

/* ---- configurations (api_config.c) -------------------------------------- */

enum {
    API_DEFAULT_IPA_BITS = 36,
    API_MAX_IPA_BITS = 40,
};

struct hv_vm_config_s {
    struct api_object object;
    uint32_t ipa_bits;
    hv_ipa_granule_t granule;
    bool el2;
};

/* ---- the VM (api_vm.c) -------------------------------------------------- */

struct api_vm {
    struct a64_vm a64;
    unsigned ipa_bits;
    uint64_t granule; /* of hv_vm_map and its like, in bytes */
    unsigned vcpus;
};

/*
 * The VM, which neither ends nor loses a vCPU before api_vm_leave; NULL when
 * there is none, and then there is nothing to leave. `alone` keeps everybody
 * else out meanwhile. Not around hv_vcpu_run.
 */
struct api_vm *api_vm_enter(void);
struct api_vm *api_vm_enter_alone(void);
void api_vm_leave(void);
/* HV_SUCCESS where there is a VM, else HV_NO_DEVICE. */
hv_return_t api_vm_present(void);

/* ---- vCPUs (api_vcpu.c) ------------------------------------------------- */

/* A register as the VMM wrote it beside what the engine made of it; it reads
 * as written for as long as the engine's value stays. */
struct api_written {
    uint32_t value, engine;
};

struct api_vcpu {
    struct a64_cpu cpu;
    struct api_vm *vm;
    hv_vcpu_exit_t exit; /* what hv_vcpu_create's caller looks at */
    struct api_written fpcr, fpsr;
};

/* The calling thread's vCPU, if that is `id`; else the error to return. */
hv_return_t api_own(hv_vcpu_t id, struct api_vcpu **vcpu);
/* The same for something that is told to `out`, which must not be NULL. */
hv_return_t api_own_for(hv_vcpu_t id, const void *out, struct api_vcpu **vcpu);
/* After fork: the child's thread has no vCPU. */
void api_vcpu_forget(void);

#endif
