/*
 * Entering and leaving the guest, and the look between blocks of code: cancel
 * requests, invalidations posted by other vCPUs, the virtual timer, interrupt
 * lines. In that order: a cancel must not wait behind anything.
 */
#include "code.h"

#include <Hypervisor/hv_vcpu_types.h>

/*
 * What the guest does after a WFI it does briefly and seldom, and the host has
 * done other things meanwhile. Compiled regions lie scattered over megabytes,
 * each on a host page that was not looked at since; the operations are there
 * anyway, and their handlers are few. So for so many taken branches the guest
 * is interpreted: twice what a packet and its answer take.
 */
enum { COLD_BRANCHES = 8192 };

static enum a64_next leave(struct a64_cpu *cpu, uint32_t reason)
{
    cpu->exit.reason = reason;
    return A64_EXIT;
}

enum a64_next a64_poll(struct a64_cpu *cpu)
{
    uint32_t req = atomic_load_explicit(&cpu->req, memory_order_acquire);
    enum a64_next next = A64_NEXT;

    cpu->poll_left = A64_POLL_BRANCHES;
    cpu->cold -= cpu->cold < A64_POLL_BRANCHES ? cpu->cold : A64_POLL_BRANCHES;
    if (cpu->cold == 0)
        cpu->recording = false; /* compiled code jumps unseen */
    if (LULL_UNLIKELY(req != 0)) {
        /* what is cleared here is what is looked at: a cancel that came
         * after the load above must not be lost */
        req = atomic_fetch_and_explicit(
            &cpu->req, ~(uint32_t)(A64_REQ_CANCEL | A64_REQ_LOOK),
            memory_order_acquire);
        if (req & A64_REQ_CANCEL)
            return leave(cpu, HV_EXIT_REASON_CANCELED);
        if (req & A64_REQ_SYNC) {
            a64_sync_serve(cpu);
            next = A64_REDIRECT; /* the code page may be gone */
        }
    }
    if (cpu->vtimer_armed && a64_vtimer_due(cpu)) {
        cpu->vtimer_mask = true;
        cpu->vtimer_armed = false;
        return leave(cpu, HV_EXIT_REASON_VTIMER_ACTIVATED);
    }
    if (LULL_UNLIKELY(cpu->irq_line | cpu->fiq_line | cpu->serror_line) &&
        a64_take_interrupt(cpu) == A64_REDIRECT)
        return A64_REDIRECT;
    return next;
}

static bool left_by_wfi(const struct a64_cpu *cpu)
{
    return cpu->exit.reason == HV_EXIT_REASON_EXCEPTION &&
           cpu->exit.syndrome >> 26 == A64_EC_WFX;
}

void a64_run(struct a64_cpu *cpu)
{
    bool woke = left_by_wfi(cpu);

    if (woke) {
        cpu->cold = COLD_BRANCHES;
        a64_wake_enter(cpu);
    }
    /* The VMM may have changed any register and any mapping. */
    cpu->excl_host = NULL;
    cpu->page_ops = NULL;
    cpu->native_draws = 0;
    a64_guest_enter(cpu);
    if (woke)
        a64_code_settle(cpu, cpu->entered_ticks * 125 / 3);
    a64_fp_enter(cpu);
    a64_interp(cpu);
    a64_fp_leave(cpu);
    a64_guest_leave(cpu);
    if (left_by_wfi(cpu))
        a64_wake_leave(cpu);
}
