/*
 * The process's VM: when it exists, and who may be using it while it ends.
 *
 * One lock, the gate, says whether there is a VM and which vCPUs it has. Who
 * changes that, and fork, holds it for writing; who uses the VM without being
 * one of its vCPUs holds it for reading. A vCPU's own thread needs no lock,
 * because only that thread ends it, and the VM cannot end before. In
 * particular hv_vcpu_run does not hold the gate.
 */
#include "api.h"
#include "a64/stage2.h"

#include <stdlib.h>

static pthread_rwlock_t gate = PTHREAD_RWLOCK_INITIALIZER;
static struct api_vm *the_vm;
static pthread_once_t once = PTHREAD_ONCE_INIT;

struct api_vm *api_vm_enter(void)
{
    pthread_rwlock_rdlock(&gate);
    if (!the_vm)
        pthread_rwlock_unlock(&gate);
    return the_vm;
}

struct api_vm *api_vm_enter_alone(void)
{
    pthread_rwlock_wrlock(&gate);
    if (!the_vm)
        pthread_rwlock_unlock(&gate);
    return the_vm;
}

void api_vm_leave(void)
{
    pthread_rwlock_unlock(&gate);
}

hv_return_t api_vm_present(void)
{
    if (!api_vm_enter())
        return HV_NO_DEVICE;
    api_vm_leave();
    return HV_SUCCESS;
}

/* ---- fork --------------------------------------------------------------- */

/* The child has no VM. The memory of its parent's stays behind in the child:
 * the threads that used it are gone, and most children exec at once. */
static void fork_prepare(void)
{
    pthread_rwlock_wrlock(&gate);
}

static void fork_parent(void)
{
    pthread_rwlock_unlock(&gate);
}

static void fork_child(void)
{
    pthread_rwlock_init(&gate, NULL);
    the_vm = NULL;
    api_vcpu_forget();
}

static void init_process(void)
{
    pthread_atfork(fork_prepare, fork_parent, fork_child);
}

/* ---- the VM's life ------------------------------------------------------ */

static void vm_free(struct api_vm *vm)
{
    a64_code_free(&vm->a64);
    a64_sync_free(&vm->a64);
    a64_stage2_free(vm->a64.stage2);
    free(vm);
}

static struct api_vm *vm_new(unsigned ipa_bits, hv_ipa_granule_t granule)
{
    struct api_vm *vm = calloc(1, sizeof(*vm));

    if (!vm)
        return NULL;
    vm->ipa_bits = ipa_bits;
    vm->granule = granule == HV_IPA_GRANULE_16KB ? 0x4000 : 0x1000;
    vm->a64.stage2 = a64_stage2_new(ipa_bits);
    if (vm->a64.stage2 && a64_sync_init(&vm->a64) && a64_code_init(&vm->a64))
        return vm;
    vm_free(vm);
    return NULL;
}

hv_return_t hv_vm_get_max_vcpu_count(uint32_t *max_vcpu_count)
{
    if (!max_vcpu_count)
        return HV_BAD_ARGUMENT;
    *max_vcpu_count = A64_MAX_CPUS;
    return HV_SUCCESS;
}

hv_return_t hv_vm_create(hv_vm_config_t config)
{
    unsigned ipa_bits = API_DEFAULT_IPA_BITS;
    hv_ipa_granule_t granule = HV_IPA_GRANULE_4KB;
    hv_return_t result = HV_BUSY;

    if (config) {
        if (!api_is(config, API_VM_CONFIG))
            return HV_BAD_ARGUMENT;
        if (config->el2)
            return HV_UNSUPPORTED;
        if (config->ipa_bits)
            ipa_bits = config->ipa_bits;
        granule = config->granule;
    }
    pthread_once(&once, init_process);
    pthread_rwlock_wrlock(&gate);
    if (!the_vm) {
        the_vm = vm_new(ipa_bits, granule);
        result = the_vm ? HV_SUCCESS : HV_NO_RESOURCES;
    }
    pthread_rwlock_unlock(&gate);
    return result;
}

hv_return_t hv_vm_destroy(void)
{
    struct api_vm *vm = api_vm_enter_alone();
    hv_return_t result = HV_BUSY;

    if (!vm)
        return HV_NO_DEVICE;
    if (vm->vcpus == 0) {
        vm_free(vm);
        the_vm = NULL;
        result = HV_SUCCESS;
    }
    api_vm_leave();
    return result;
}
