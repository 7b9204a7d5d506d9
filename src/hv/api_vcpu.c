/*
 * vCPUs: whose they are, their run, the ways to make them leave it, and the
 * lines and switches that a run obeys.
 */
#include "api.h"
#include "lull/hv_warm.h"
#include "a64/sysreg.h"

#include <mach/mach_time.h>

#include <stdlib.h>
#include <string.h>

/* The vCPU that this thread created. */
static _Thread_local struct api_vcpu *self;

hv_return_t api_own(hv_vcpu_t id, struct api_vcpu **vcpu)
{
    hv_return_t absent;

    if (self && self->cpu.id == id) {
        *vcpu = self;
        return HV_SUCCESS;
    }
    absent = api_vm_present();
    return absent ? absent : HV_BAD_ARGUMENT;
}

hv_return_t api_own_for(hv_vcpu_t id, const void *out, struct api_vcpu **vcpu)
{
    hv_return_t result = api_own(id, vcpu);

    return result == HV_SUCCESS && !out ? HV_BAD_ARGUMENT : result;
}

void api_vcpu_forget(void)
{
    self = NULL;
}

/* ---- creation and destruction ------------------------------------------- */

static unsigned lowest_free(struct api_vm *vm)
{
    unsigned id = 0;

    while (id < A64_MAX_CPUS &&
           atomic_load_explicit(&vm->a64.cpu[id], memory_order_relaxed))
        id++;
    return id;
}

static void vcpu_free(struct api_vcpu *vcpu)
{
    a64_code_step_free(&vcpu->cpu);
    a64_tlb_free(&vcpu->cpu);
    free(vcpu);
}

static struct api_vcpu *vcpu_new(struct api_vm *vm, unsigned id)
{
    struct api_vcpu *vcpu =
        aligned_alloc(_Alignof(struct api_vcpu), sizeof(*vcpu));

    if (!vcpu)
        return NULL;
    memset(vcpu, 0, sizeof(*vcpu));
    vcpu->vm = vm;
    vcpu->cpu.vm = &vm->a64;
    vcpu->cpu.id = id;
    if (!a64_tlb_init(&vcpu->cpu)) {
        free(vcpu);
        return NULL;
    }
    a64_reset(&vcpu->cpu);
    return vcpu;
}

static hv_return_t create(struct api_vm *vm)
{
    unsigned id = lowest_free(vm);
    struct api_vcpu *vcpu;

    if (self)
        return HV_BUSY;
    if (id == A64_MAX_CPUS)
        return HV_NO_RESOURCES;
    vcpu = vcpu_new(vm, id);
    if (!vcpu)
        return HV_NO_RESOURCES;
    /* release: who finds the vCPU finds it initialised */
    atomic_store_explicit(&vm->a64.cpu[id], &vcpu->cpu, memory_order_release);
    vm->vcpus++;
    self = vcpu;
    return HV_SUCCESS;
}

hv_return_t hv_vcpu_create(hv_vcpu_t *vcpu, hv_vcpu_exit_t **exit,
                           hv_vcpu_config_t config)
{
    struct api_vm *vm;
    hv_return_t result;

    if (!vcpu || !exit || (config && !api_is(config, API_VCPU_CONFIG)))
        return HV_BAD_ARGUMENT;
    vm = api_vm_enter_alone();
    if (!vm)
        return HV_NO_DEVICE;
    result = create(vm);
    api_vm_leave();
    if (result == HV_SUCCESS) {
        *vcpu = self->cpu.id;
        *exit = &self->exit;
    }
    return result;
}

hv_return_t hv_vcpu_destroy(hv_vcpu_t vcpu)
{
    struct api_vcpu *own;
    hv_return_t result = api_own(vcpu, &own);
    struct api_vm *vm;

    if (result != HV_SUCCESS)
        return result;
    /* Alone: no hv_vcpus_exit is about to set a bit in it. vCPUs that are in
     * the guest and broadcast are kept off by a64_tlb_free. */
    vm = api_vm_enter_alone();
    atomic_store_explicit(&vm->a64.cpu[vcpu], NULL, memory_order_seq_cst);
    vcpu_free(own);
    vm->vcpus--;
    api_vm_leave();
    self = NULL;
    return HV_SUCCESS;
}

/* ---- the run ------------------------------------------------------------ */

/*
 * One visit to the guest. Every run passes here and nowhere else, so this is
 * where a test that wants a run to end otherwise than the engine said (a
 * cancel nobody asked for, a WFI that returns by itself) is to be served.
 */
static void visit(struct a64_cpu *cpu)
{
    cpu->entered_ticks = mach_absolute_time();
    a64_run(cpu);
    cpu->left_ticks = mach_absolute_time();
    cpu->exec_ticks += cpu->left_ticks - cpu->entered_ticks;
}

hv_return_t hv_vcpu_run(hv_vcpu_t vcpu)
{
    struct api_vcpu *own;
    hv_return_t result = api_own(vcpu, &own);

    if (result != HV_SUCCESS)
        return result;
    if (!a64_cpsr_runnable(&own->cpu))
        return HV_ILLEGAL_GUEST_STATE;
    visit(&own->cpu);
    own->cpu.irq_line = false;
    own->cpu.fiq_line = false;
    own->exit.reason = own->cpu.exit.reason;
    if (own->cpu.exit.reason == HV_EXIT_REASON_EXCEPTION) {
        own->exit.exception.syndrome = own->cpu.exit.syndrome;
        own->exit.exception.virtual_address = own->cpu.exit.va;
        own->exit.exception.physical_address = own->cpu.exit.ipa;
    }
    return HV_SUCCESS;
}

hv_return_t lull_hv_vcpu_warm(hv_vcpu_t vcpu)
{
    struct api_vcpu *own;
    hv_return_t result = api_own(vcpu, &own);

    if (result != HV_SUCCESS)
        return result;
    a64_wake_warm(&own->cpu, mach_absolute_time());
    return HV_SUCCESS;
}

hv_return_t hv_vcpus_exit(hv_vcpu_t *vcpus, uint32_t vcpu_count)
{
    struct api_vm *vm;

    if (!vcpus && vcpu_count)
        return HV_BAD_ARGUMENT;
    for (uint32_t i = 0; i < vcpu_count; i++)
        if (vcpus[i] >= A64_MAX_CPUS)
            return HV_BAD_ARGUMENT;
    vm = api_vm_enter();
    if (!vm)
        return HV_NO_DEVICE;
    for (uint32_t i = 0; i < vcpu_count; i++) {
        struct a64_cpu *cpu =
            atomic_load_explicit(&vm->a64.cpu[vcpus[i]], memory_order_acquire);

        /* release: the run that reports it sees what its sender did before */
        if (cpu)
            atomic_fetch_or_explicit(&cpu->req, A64_REQ_CANCEL,
                                     memory_order_release);
    }
    api_vm_leave();
    return HV_SUCCESS;
}

hv_return_t hv_vcpu_get_exec_time(hv_vcpu_t vcpu, uint64_t *time)
{
    struct api_vcpu *own;
    hv_return_t result = api_own_for(vcpu, time, &own);

    if (result == HV_SUCCESS)
        *time = own->cpu.exec_ticks;
    return result;
}

/* ---- interrupts --------------------------------------------------------- */

static bool *line(struct a64_cpu *cpu, hv_interrupt_type_t type)
{
    switch (type) {
    case HV_INTERRUPT_TYPE_IRQ:
        return &cpu->irq_line;
    case HV_INTERRUPT_TYPE_FIQ:
        return &cpu->fiq_line;
    default:
        return NULL;
    }
}

hv_return_t hv_vcpu_get_pending_interrupt(hv_vcpu_t vcpu,
                                          hv_interrupt_type_t type,
                                          bool *pending)
{
    struct api_vcpu *own;
    hv_return_t result = api_own(vcpu, &own);

    if (result != HV_SUCCESS)
        return result;
    if (!pending || !line(&own->cpu, type))
        return HV_BAD_ARGUMENT;
    *pending = *line(&own->cpu, type);
    return HV_SUCCESS;
}

hv_return_t hv_vcpu_set_pending_interrupt(hv_vcpu_t vcpu,
                                          hv_interrupt_type_t type,
                                          bool pending)
{
    struct api_vcpu *own;
    hv_return_t result = api_own(vcpu, &own);

    if (result != HV_SUCCESS)
        return result;
    if (!line(&own->cpu, type))
        return HV_BAD_ARGUMENT;
    *line(&own->cpu, type) = pending;
    a64_look(&own->cpu);
    return HV_SUCCESS;
}

hv_return_t hv_vcpu_get_serror(hv_vcpu_t vcpu, bool *pending)
{
    struct api_vcpu *own;
    hv_return_t result = api_own_for(vcpu, pending, &own);

    if (result == HV_SUCCESS)
        *pending = own->cpu.serror_line;
    return result;
}

hv_return_t hv_vcpu_set_serror(hv_vcpu_t vcpu, bool pending)
{
    struct api_vcpu *own;
    hv_return_t result = api_own(vcpu, &own);

    if (result != HV_SUCCESS)
        return result;
    own->cpu.serror_line = pending;
    a64_look(&own->cpu);
    return HV_SUCCESS;
}

hv_return_t hv_vcpu_get_wait_for_interrupt_time(hv_vcpu_t vcpu, uint64_t *time)
{
    struct api_vcpu *own;
    hv_return_t result = api_own(vcpu, &own);

    return result ? result : HV_UNSUPPORTED;
}

/* ---- the virtual timer -------------------------------------------------- */

hv_return_t hv_vcpu_get_vtimer_mask(hv_vcpu_t vcpu, bool *vtimer_is_masked)
{
    struct api_vcpu *own;
    hv_return_t result = api_own_for(vcpu, vtimer_is_masked, &own);

    if (result == HV_SUCCESS)
        *vtimer_is_masked = own->cpu.vtimer_mask;
    return result;
}

hv_return_t hv_vcpu_set_vtimer_mask(hv_vcpu_t vcpu, bool vtimer_is_masked)
{
    struct api_vcpu *own;
    hv_return_t result = api_own(vcpu, &own);

    if (result != HV_SUCCESS)
        return result;
    own->cpu.vtimer_mask = vtimer_is_masked;
    a64_vtimer_changed(&own->cpu);
    return HV_SUCCESS;
}

hv_return_t hv_vcpu_get_vtimer_offset(hv_vcpu_t vcpu, uint64_t *vtimer_offset)
{
    struct api_vcpu *own;
    hv_return_t result = api_own_for(vcpu, vtimer_offset, &own);

    if (result == HV_SUCCESS)
        *vtimer_offset = own->cpu.vtimer_offset;
    return result;
}

hv_return_t hv_vcpu_set_vtimer_offset(hv_vcpu_t vcpu, uint64_t vtimer_offset)
{
    struct api_vcpu *own;
    hv_return_t result = api_own(vcpu, &own);

    if (result != HV_SUCCESS)
        return result;
    own->cpu.vtimer_offset = vtimer_offset;
    a64_vtimer_changed(&own->cpu);
    return HV_SUCCESS;
}

/* ---- debug traps -------------------------------------------------------- */

hv_return_t hv_vcpu_get_trap_debug_exceptions(hv_vcpu_t vcpu, bool *value)
{
    struct api_vcpu *own;
    hv_return_t result = api_own_for(vcpu, value, &own);

    if (result == HV_SUCCESS)
        *value = own->cpu.trap_debug_exceptions;
    return result;
}

hv_return_t hv_vcpu_set_trap_debug_exceptions(hv_vcpu_t vcpu, bool value)
{
    struct api_vcpu *own;
    hv_return_t result = api_own(vcpu, &own);

    if (result != HV_SUCCESS)
        return result;
    own->cpu.trap_debug_exceptions = value;
    a64_debug_changed(&own->cpu);
    /* Debuggers write BRK into guest memory from the host, where nobody sees
     * it, and then call this: decode everything anew. */
    a64_code_invalidate_all(&own->vm->a64);
    a64_broadcast_all(&own->vm->a64);
    return HV_SUCCESS;
}

hv_return_t hv_vcpu_get_trap_debug_reg_accesses(hv_vcpu_t vcpu, bool *value)
{
    struct api_vcpu *own;
    hv_return_t result = api_own_for(vcpu, value, &own);

    if (result == HV_SUCCESS)
        *value = own->cpu.trap_debug_regs;
    return result;
}

hv_return_t hv_vcpu_set_trap_debug_reg_accesses(hv_vcpu_t vcpu, bool value)
{
    struct api_vcpu *own;
    hv_return_t result = api_own(vcpu, &own);

    if (result != HV_SUCCESS)
        return result;
    own->cpu.trap_debug_regs = value;
    a64_debug_changed(&own->cpu);
    return HV_SUCCESS;
}
