/*
 * WFI, WFE and their counterparts SEV and SEVL [D1.6].
 *
 * WFI is for the VMM, which knows how to wait: it becomes an exit unless an
 * interrupt is pending already.
 *
 * WFE is how a guest spins politely: on a lock, on another vCPU's answer. It
 * does not exit. The event it waits for is a store by another vCPU, which an
 * interpreter cannot notice, so it returns early (as the architecture allows)
 * and the guest looks for itself. What matters is that the vCPU waited for gets
 * a core to run on when there are more vCPUs than cores, and that a short wait
 * stays short: hence the three steps below.
 */
#include "pstate.h"
#include "sysreg.h"

#include <mach/mach_time.h>
#include <sched.h>
#include <time.h>

enum {
    TI_WFI = 0,
    TI_WFE = 1,
    ISS_CV_COND = 1 << 24 | 0xe << 20, /* what every A64 instruction has */
};

/*
 * A pass of Linux's wait loop around WFE is some 30 ns here. First spin for
 * about half a microsecond, since most locks are held for less; then offer the
 * core, which costs about as much, for some 50 us; then sleep as long as the
 * event stream of real machines does (100 us), so that the host's scheduler
 * moves a preempted lock holder to this core.
 */
enum {
    SPINS_PER_YIELD = 16,
    YIELDS_BEFORE_SLEEP = 64,
    SLEEP_NS = 50 * 1000,      /* and as much again of the host's timer slack */
    SLEEP_TICKS = 24 * 200,    /* 200 us: surely over by then */
    SAME_WAIT_TICKS = 24 * 20, /* 20 us: a longer gap starts another wait */
};

/* Others' invalidations do not wait for a vCPU that is away; so it comes back
 * to another TLB and other code, behind the instruction. */
static void give_way(struct a64_cpu *cpu, bool sleep)
{
    const struct timespec pause = {.tv_nsec = SLEEP_NS};

    a64_guest_leave(cpu);
    if (sleep)
        nanosleep(&pause, NULL); /* a signal may shorten it: fine */
    else
        sched_yield();
    a64_guest_enter(cpu);
    cpu->pc += 4;
}

/* Nothing that has to happen on time would be late for a sleep. */
static bool may_sleep(const struct a64_cpu *cpu, uint64_t now)
{
    uint64_t counter = now - cpu->vtimer_offset;

    if (atomic_load_explicit(&cpu->req, memory_order_relaxed) != 0)
        return false;
    return !cpu->vtimer_armed ||
           (cpu->cntv_cval > counter && cpu->cntv_cval - counter > SLEEP_TICKS);
}

static enum a64_next relax(struct a64_cpu *cpu)
{
    uint64_t now;

    if (++cpu->wfe_count % SPINS_PER_YIELD != 0)
        return A64_NEXT;
    now = mach_absolute_time();
    if (now - cpu->wfe_ticks > SAME_WAIT_TICKS)
        cpu->wfe_count = SPINS_PER_YIELD;
    give_way(cpu, cpu->wfe_count > SPINS_PER_YIELD * YIELDS_BEFORE_SLEEP &&
                      may_sleep(cpu, now));
    cpu->wfe_ticks = mach_absolute_time();
    return A64_REDIRECT;
}

enum a64_next a64_wfe(struct a64_cpu *cpu, uint32_t insn)
{
    uint64_t sent =
        atomic_load_explicit(&cpu->vm->sev_count, memory_order_acquire);

    if (cpu->event || sent != cpu->sev_seen) {
        cpu->event = false;
        cpu->sev_seen = sent;
        return A64_NEXT;
    }
    if (cpu->el == 0 && !(cpu->sys.sctlr_el1 & SCTLR_NTWE))
        return a64_exception(cpu, A64_EC_WFX, ISS_CV_COND | TI_WFE, 0);
    return relax(cpu);
}

enum a64_next a64_wfi(struct a64_cpu *cpu, uint32_t insn)
{
    if (a64_lines(cpu))
        return A64_NEXT;
    if (cpu->el == 0 && !(cpu->sys.sctlr_el1 & SCTLR_NTWI))
        return a64_exception(cpu, A64_EC_WFX, ISS_CV_COND | TI_WFI, 0);
    return a64_exit_to_vmm(cpu, A64_EC_WFX, ISS_CV_COND | TI_WFI, 0, 0);
}

/* Every event register at once: a number they all compare with. */
enum a64_next a64_sev(struct a64_cpu *cpu, uint32_t insn)
{
    atomic_fetch_add_explicit(&cpu->vm->sev_count, 1, memory_order_seq_cst);
    return A64_NEXT;
}

enum a64_next a64_sevl(struct a64_cpu *cpu, uint32_t insn)
{
    cpu->event = true;
    return A64_NEXT;
}
