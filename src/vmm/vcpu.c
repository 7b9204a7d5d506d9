/*
 * A vCPU: its thread, its loop, its virtual timer.
 *
 * The framework's vCPU exists while PSCI says the vCPU is on: powering on
 * makes a new one, in its architectural reset state, powering off destroys it.
 * So CPU_ON, CPU_OFF and a machine reset need no list of registers to clear.
 *
 * Kicks (idle.h) are hints to look. What there is to see is in vm->phase,
 * vcpu->power, vm->vtimer_offset and the GIC; the reasons that idle_enter,
 * idle_leave and idle_wait return are therefore not looked at. A kick that
 * comes after we looked forces an exit, or ends the wait, so nothing is
 * missed.
 *
 * The timer. While the guest runs, the framework watches CNTV and exits
 * VTIMER_ACTIVATED; while it waits, the governor sleeps until the same moment.
 * Either way PPI 27 goes up in the GIC and the framework's vtimer is masked:
 * in the second case by us, which saves the exit that would only tell us what
 * we know. The line comes down, and the mask off, at the first exit on which
 * the guest has re-armed or silenced its timer. That is at its EOI at the
 * latest, which traps to us.
 */
#include "machine.h"

#include <errno.h>
#include <inttypes.h>
#include <mach/mach_time.h>
#include <string.h>

#include "host.h"
#include "lull/bits.h"
#ifdef LULL_HV_WARM
#include "lull/hv_warm.h"
#endif

/* CNTV_CTL_EL0: ENABLE without IMASK, the timer may assert its line. */
#define CNTV_ENABLE_IMASK 3
#define CNTV_ENABLED 1

/* EL1h with D, A, I and F masked: what the boot protocol and PSCI ask for. */
#define CPSR_AT_ENTRY 0x3c5

/* ---- registers -------------------------------------------------------------
 */

static void must(struct vcpu *vcpu, hv_return_t status, const char *what)
{
    if (LULL_UNLIKELY(status != HV_SUCCESS))
        vm_end(vcpu->vm, LULL_END_HOST_ERROR,
               "vCPU %u: the hypervisor refused %s (%#x)", vcpu->index, what,
               (unsigned)status);
}

uint64_t vcpu_reg(struct vcpu *vcpu, hv_reg_t reg)
{
    uint64_t value = 0;

    must(vcpu, hv_vcpu_get_reg(vcpu->hv, reg, &value), "a register");
    return value;
}

void vcpu_set_reg(struct vcpu *vcpu, hv_reg_t reg, uint64_t value)
{
    must(vcpu, hv_vcpu_set_reg(vcpu->hv, reg, value), "a register");
}

uint64_t vcpu_sys_reg(struct vcpu *vcpu, hv_sys_reg_t reg)
{
    uint64_t value = 0;

    must(vcpu, hv_vcpu_get_sys_reg(vcpu->hv, reg, &value), "a system register");
    return value;
}

void vcpu_set_sys_reg(struct vcpu *vcpu, hv_sys_reg_t reg, uint64_t value)
{
    must(vcpu, hv_vcpu_set_sys_reg(vcpu->hv, reg, value), "a system register");
}

uint64_t vcpu_counter(const struct vcpu *vcpu)
{
    return mach_absolute_time() - vcpu->offset_in_use;
}

/* ---- power -----------------------------------------------------------------
 */

static void vcpu_power_off(struct vcpu *vcpu)
{
    if (!vcpu->hv_exists)
        return;
    vcpu->hv_exists = false;
    vcpu->exit = NULL;
    hv_vcpu_destroy(vcpu->hv);
    gic_set_ppi(vcpu->vm->gic, vcpu->index, MACHINE_VTIMER_PPI, false);
}

/*
 * Our CPU interface is that of a GICv3 with system registers, which the
 * framework cannot know. MPIDR first: it names the vCPU.
 */
static void vcpu_identify(struct vcpu *vcpu)
{
    uint64_t pfr0;

    vcpu_set_sys_reg(vcpu, HV_SYS_REG_MPIDR_EL1, vcpu->mpidr);
    pfr0 = vcpu_sys_reg(vcpu, HV_SYS_REG_ID_AA64PFR0_EL1);
    vcpu_set_sys_reg(vcpu, HV_SYS_REG_ID_AA64PFR0_EL1,
                     deposit(pfr0, 27, 24, 1));
}

bool vcpu_make(struct vcpu *vcpu)
{
    hv_vcpu_exit_t *exit = NULL;
    hv_return_t status;

    vcpu_power_off(vcpu);
    status = hv_vcpu_create(&vcpu->hv, &exit, NULL);
    if (status != HV_SUCCESS) {
        must(vcpu, status, "to make a vCPU");
        return false;
    }
    vcpu->exit = exit;
    vcpu->hv_exists = true;
    atomic_store_explicit(&vcpu->hv_id, (uint32_t)vcpu->hv,
                          memory_order_relaxed);
    vcpu->waiting = false;
    vcpu->timer_line = false;
    vcpu->offset_in_use = 0; /* the framework's default */
    vcpu_identify(vcpu);
    return true;
}

static void vcpu_power_on(struct vcpu *vcpu)
{
    if (!vcpu_make(vcpu)) {
        atomic_store(&vcpu->power, PSCI_OFF);
        return;
    }
    vcpu_set_reg(vcpu, HV_REG_CPSR, CPSR_AT_ENTRY);
    vcpu_set_reg(vcpu, HV_REG_PC, vcpu->entry);
    vcpu_set_reg(vcpu, HV_REG_X0, vcpu->context);
    atomic_store_explicit(&vcpu->power, PSCI_ON, memory_order_release);
}

void vcpu_force_exit(void *opaque)
{
    struct vcpu *vcpu = opaque;
    hv_vcpu_t id = atomic_load_explicit(&vcpu->hv_id, memory_order_relaxed);

    hv_vcpus_exit(&id, 1);
}

/* Apple's framework has no such thing, and runs no guest in software. */
void vcpu_warm(void *opaque)
{
#ifdef LULL_HV_WARM
    struct vcpu *vcpu = opaque;

    (void)lull_hv_vcpu_warm(vcpu->hv); /* refuses where nothing is to be done */
#else
    (void)opaque;
#endif
}

void vcpu_kick_irq(void *opaque, unsigned cpu)
{
    struct lull_vm *vm = opaque;

    idle_kick(vm->vcpu[cpu].idle, IDLE_IRQ);
}

/* ---- the virtual timer ------------------------------------------------------
 */

/* By the comparison that defines it: whether the framework keeps ISTATUS
 * alive for a reader on the host is nothing it promises. */
static bool vcpu_timer_fires(struct vcpu *vcpu)
{
    uint64_t ctl = vcpu_sys_reg(vcpu, HV_SYS_REG_CNTV_CTL_EL0);

    if ((ctl & CNTV_ENABLE_IMASK) != CNTV_ENABLED)
        return false;
    return vcpu_counter(vcpu) >= vcpu_sys_reg(vcpu, HV_SYS_REG_CNTV_CVAL_EL0);
}

static void vcpu_timer_line(struct vcpu *vcpu, bool up)
{
    if (up)
        count(&vcpu->counters.timer_raised);
    vcpu->timer_line = up;
    must(vcpu, hv_vcpu_set_vtimer_mask(vcpu->hv, up), "the timer's mask");
    gic_set_ppi(vcpu->vm->gic, vcpu->index, MACHINE_VTIMER_PPI, up);
}

/* After an exit: has the guest dealt with the timer that we raised? */
static void vcpu_timer_check(struct vcpu *vcpu)
{
    if (vcpu->timer_line && !vcpu_timer_fires(vcpu))
        vcpu_timer_line(vcpu, false);
}

/* A pause stops the guest's time: everybody's offset grows by its length. */
static void vcpu_follow_time(struct vcpu *vcpu)
{
    uint64_t offset =
        atomic_load_explicit(&vcpu->vm->vtimer_offset, memory_order_acquire);

    if (LULL_LIKELY(offset == vcpu->offset_in_use))
        return;
    must(vcpu, hv_vcpu_set_vtimer_offset(vcpu->hv, offset),
         "the timer's offset");
    vcpu->offset_in_use = offset;
}

/* ---- waiting ----------------------------------------------------------------
 */

void vcpu_wait_for_interrupt(struct vcpu *vcpu, uint64_t ticks)
{
    bool pending = gic_pending(vcpu->vm->gic, vcpu->index);

    vcpu->waiting = !pending && !fault_wfi(vcpu->vm, vcpu->index);
    vcpu->wait_ticks = ticks;
    if (pending)
        idle_pending(vcpu->idle);
}

/* When the wait must end for the virtual timer's sake, or the WFIT's. */
static uint64_t vcpu_deadline(struct vcpu *vcpu)
{
    const struct ticks *ticks = &vcpu->vm->ticks;
    uint64_t now = mach_absolute_time(), offset = vcpu->offset_in_use;
    uint64_t deadline = IDLE_NO_DEADLINE, limit = IDLE_NO_DEADLINE;

    /* A line already up wakes nobody: the guest has it disabled. */
    if (!vcpu->timer_line)
        deadline = ticks_deadline(ticks, now, offset,
                                  vcpu_sys_reg(vcpu, HV_SYS_REG_CNTV_CTL_EL0),
                                  vcpu_sys_reg(vcpu, HV_SYS_REG_CNTV_CVAL_EL0));
    if (vcpu->wait_ticks != UINT64_MAX)
        limit = ticks_deadline(ticks, now, offset, 1, vcpu->wait_ticks);
    return deadline < limit ? deadline : limit;
}

/* In WFI: one wait. It may end for other reasons than the guest's; then
 * vcpu->waiting stays set and the loop comes back. */
static void vcpu_wait(struct vcpu *vcpu)
{
    enum idle_wake wake;
    uint64_t deadline;
    uint32_t reasons;

    vcpu_follow_time(vcpu);
    if (gic_pending(vcpu->vm->gic, vcpu->index)) {
        vcpu->waiting = false;
        return;
    }
    deadline = vcpu_deadline(vcpu);
    atomic_store_explicit(&vcpu->wfi_deadline_ns, deadline,
                          memory_order_relaxed);
    wake = idle_wait(vcpu->idle, deadline, IDLE_ANY, &reasons);
    atomic_store_explicit(&vcpu->wfi_deadline_ns, 0, memory_order_relaxed);
    if (!vcpu->timer_line && vcpu_timer_fires(vcpu))
        vcpu_timer_line(vcpu, true);
    if (wake == IDLE_WAKE_EARLY || vcpu_counter(vcpu) >= vcpu->wait_ticks)
        vcpu->waiting = false;
}

/* While held: hand over the state, if the loop wants it. */
static void vcpu_hand_over(struct vcpu *vcpu)
{
    struct lull_vm *vm = vcpu->vm;
    struct lull_state *state =
        atomic_load_explicit(&vcpu->save_to, memory_order_acquire);

    if (state == NULL)
        return;
    vcpu_save(vcpu, state);
    pthread_mutex_lock(&vm->lock);
    atomic_store_explicit(&vcpu->save_to, NULL, memory_order_release);
    pthread_cond_broadcast(&vm->held_changed);
    pthread_mutex_unlock(&vm->lock);
}

/* While the VM is held: counted as such, out of the guest. */
static void vcpu_hold(struct vcpu *vcpu)
{
    struct lull_vm *vm = vcpu->vm;
    uint32_t reasons;

    pthread_mutex_lock(&vm->lock);
    vm->held++;
    pthread_cond_broadcast(&vm->held_changed);
    pthread_mutex_unlock(&vm->lock);
    while (atomic_load_explicit(&vm->phase, memory_order_acquire) == VM_HOLD) {
        vcpu_hand_over(vcpu);
        idle_wait(vcpu->idle, IDLE_NO_DEADLINE,
                  IDLE_STOP | IDLE_RESUME | IDLE_WORK, &reasons);
    }
    pthread_mutex_lock(&vm->lock);
    vm->held--;
    pthread_mutex_unlock(&vm->lock);
}

/* True: on, and free to run. Waits while held or off. False: the VM stops. */
static bool vcpu_ready(struct vcpu *vcpu)
{
    struct lull_vm *vm = vcpu->vm;
    uint32_t reasons;

    for (;;) {
        int phase = atomic_load_explicit(&vm->phase, memory_order_acquire);
        enum psci_power power =
            atomic_load_explicit(&vcpu->power, memory_order_acquire);

        if (LULL_LIKELY(phase == VM_RUN && power == PSCI_ON))
            return true;
        if (phase == VM_STOP)
            return false;
        if (phase == VM_HOLD)
            vcpu_hold(vcpu);
        else if (power == PSCI_ON_PENDING)
            vcpu_power_on(vcpu);
        else {
            vcpu_power_off(vcpu);
            idle_wait(vcpu->idle, IDLE_NO_DEADLINE,
                      IDLE_STOP | IDLE_PAUSE | IDLE_WORK, &reasons);
        }
    }
}

/* The framework forgets the lines whenever it leaves the guest. */
static void vcpu_raise_line(struct vcpu *vcpu)
{
    unsigned lines = gic_lines(vcpu->vm->gic, vcpu->index);

    if (lines & GIC_LINE_IRQ)
        hv_vcpu_set_pending_interrupt(vcpu->hv, HV_INTERRUPT_TYPE_IRQ, true);
    if (lines & GIC_LINE_FIQ)
        hv_vcpu_set_pending_interrupt(vcpu->hv, HV_INTERRUPT_TYPE_FIQ, true);
}

/* ---- the loop ---------------------------------------------------------------
 */

static void vcpu_loop(struct vcpu *vcpu)
{
    struct gic *gic = vcpu->vm->gic;
    hv_return_t status;

    while (vcpu_ready(vcpu)) {
        if (vcpu->waiting) {
            vcpu_wait(vcpu);
            continue;
        }
        vcpu_follow_time(vcpu);
        if (idle_enter(vcpu->idle) != 0)
            continue;
        if (gic_pending(gic, vcpu->index))
            vcpu_raise_line(vcpu);
        if (LULL_UNLIKELY(fault_races(vcpu->vm)))
            fault_timer(vcpu->vm, vcpu->index, vcpu_deadline(vcpu));
        status = hv_vcpu_run(vcpu->hv);
        idle_leave(vcpu->idle);
        must(vcpu, status, "to run the guest");
        if (status != HV_SUCCESS)
            continue;
        vcpu_timer_check(vcpu);
        switch (vcpu->exit->reason) {
        case HV_EXIT_REASON_EXCEPTION:
            exit_handle(vcpu);
            break;
        case HV_EXIT_REASON_VTIMER_ACTIVATED:
            count(&vcpu->counters.vtimer);
            vcpu_timer_line(vcpu, true);
            break;
        case HV_EXIT_REASON_CANCELED:
            count(&vcpu->counters.canceled);
            break;
        default:
            count(&vcpu->counters.other);
            break;
        }
    }
}

static void *vcpu_thread(void *opaque)
{
    struct vcpu *vcpu = opaque;

    host_thread_name("vcpu", vcpu->index);
    atomic_store(&vcpu->thread_id, host_thread_id());
    idle_trace_thread(vcpu->index);
    idle_vcpu_attach(vcpu->idle);
    if (vcpu->load_from != NULL && !vcpu_load(vcpu, vcpu->load_from))
        vm_end(vcpu->vm, LULL_END_HOST_ERROR,
               "the snapshot's vCPU %u is damaged, or of another processor",
               vcpu->index);
    vcpu_loop(vcpu);
    vcpu_power_off(vcpu);
    return NULL;
}

bool vcpu_start(struct vcpu *vcpu, struct why *why)
{
    int error = pthread_create(&vcpu->thread, NULL, vcpu_thread, vcpu);

    if (error != 0)
        return because(why, "no thread for vCPU %u: %s", vcpu->index,
                       strerror(error));
    vcpu->started = true;
    return true;
}

void vcpu_join(struct vcpu *vcpu)
{
    if (!vcpu->started)
        return;
    idle_kick(vcpu->idle, IDLE_STOP);
    pthread_join(vcpu->thread, NULL);
    vcpu->started = false;
}
