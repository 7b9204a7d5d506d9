/*
 * The vCPU's loop against a framework made for it: `guest` is called in place
 * of running a guest and says how the run ended. The governor is the real one.
 *
 * What is checked is what a guest could notice: the interrupt line at each
 * run, the timer's interrupt and its mask, waits that end when they should
 * and not before, a held vCPU that does not run, a clock that stands still.
 */
#include <errno.h>
#include <mach/mach_time.h>
#include <semaphore.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>

#include "machine.h"
#include "test_main.h"

enum { WFI = 100 }; /* an exit that the fake exit_handle takes for a WFI */

/* ---- the fake framework
 * -------------------------------------------------------- */

static struct lull_vm vm;
static struct vcpu *vcpu;
static int (*guest)(unsigned run);

static struct {
    hv_vcpu_exit_t exit;
    uint64_t regs[HV_REG_CPSR + 1];
    uint64_t sys_regs[0x10000];
    hv_simd_fp_uchar16_t vectors[32];
    uint64_t offset;
    bool masked, pending;
    _Atomic bool canceled;
    _Atomic unsigned created, destroyed, runs;
    hv_return_t run_status;
} hv;

static struct {
    _Atomic bool ppi, enabled, spi;
    _Atomic unsigned raised, lowered;
} irq;

static _Atomic int end_reason;
static sem_t ran;

static uint64_t now_ticks(void)
{
    return mach_absolute_time();
}

uint64_t mach_absolute_time(void)
{
    return idle_now_ns() * 24 / 1000;
}

kern_return_t mach_timebase_info(mach_timebase_info_t info)
{
    *info = (struct mach_timebase_info){125, 3};
    return KERN_SUCCESS;
}

hv_return_t hv_vcpu_create(hv_vcpu_t *id, hv_vcpu_exit_t **exit,
                           hv_vcpu_config_t config)
{
    memset(hv.regs, 0, sizeof(hv.regs));
    memset(hv.sys_regs, 0, sizeof(hv.sys_regs));
    memset(hv.vectors, 0, sizeof(hv.vectors));
    hv.offset = 0;
    hv.masked = hv.pending = false;
    *id = 7;
    *exit = &hv.exit;
    atomic_fetch_add(&hv.created, 1);
    return HV_SUCCESS;
}

hv_return_t hv_vcpu_destroy(hv_vcpu_t id)
{
    atomic_fetch_add(&hv.destroyed, 1);
    return HV_SUCCESS;
}

hv_return_t hv_vcpu_run(hv_vcpu_t id)
{
    unsigned run = atomic_fetch_add(&hv.runs, 1);
    int reason = guest(run);

    hv.pending = false;
    if (hv.run_status != HV_SUCCESS)
        return hv.run_status;
    hv.exit.exception.syndrome = 0;
    if (reason == WFI) {
        hv.exit.exception.syndrome = WFI;
        reason = HV_EXIT_REASON_EXCEPTION;
    }
    if (reason == HV_EXIT_REASON_VTIMER_ACTIVATED)
        hv.masked = true;
    hv.exit.reason = (hv_exit_reason_t)reason;
    return HV_SUCCESS;
}

hv_return_t hv_vcpus_exit(hv_vcpu_t *ids, uint32_t count)
{
    if (count == 1 && ids[0] == 7)
        atomic_store(&hv.canceled, true);
    return HV_SUCCESS;
}

hv_return_t hv_vcpu_get_reg(hv_vcpu_t id, hv_reg_t reg, uint64_t *value)
{
    *value = hv.regs[reg];
    return HV_SUCCESS;
}

hv_return_t hv_vcpu_set_reg(hv_vcpu_t id, hv_reg_t reg, uint64_t value)
{
    hv.regs[reg] = value;
    return HV_SUCCESS;
}

hv_return_t hv_vcpu_get_simd_fp_reg(hv_vcpu_t id, hv_simd_fp_reg_t reg,
                                    hv_simd_fp_uchar16_t *value)
{
    *value = hv.vectors[reg];
    return HV_SUCCESS;
}

hv_return_t hv_vcpu_set_simd_fp_reg(hv_vcpu_t id, hv_simd_fp_reg_t reg,
                                    hv_simd_fp_uchar16_t value)
{
    hv.vectors[reg] = value;
    return HV_SUCCESS;
}

/* CNTV_CTL_EL0 as it was written: no live ISTATUS, which nobody promises. */
hv_return_t hv_vcpu_get_sys_reg(hv_vcpu_t id, hv_sys_reg_t reg, uint64_t *value)
{
    *value = hv.sys_regs[reg];
    return HV_SUCCESS;
}

hv_return_t hv_vcpu_set_sys_reg(hv_vcpu_t id, hv_sys_reg_t reg, uint64_t value)
{
    hv.sys_regs[reg] = value;
    return HV_SUCCESS;
}

hv_return_t hv_vcpu_set_pending_interrupt(hv_vcpu_t id,
                                          hv_interrupt_type_t type,
                                          bool pending)
{
    if (type == HV_INTERRUPT_TYPE_IRQ)
        hv.pending = pending;
    return HV_SUCCESS;
}

hv_return_t hv_vcpu_set_vtimer_mask(hv_vcpu_t id, bool masked)
{
    hv.masked = masked;
    return HV_SUCCESS;
}

hv_return_t hv_vcpu_set_vtimer_offset(hv_vcpu_t id, uint64_t offset)
{
    hv.offset = offset;
    return HV_SUCCESS;
}

/* ---- the fake interrupt controller, exits and VM
 * ---------------------------------- */

void gic_set_ppi(struct gic *gic, unsigned cpu, unsigned intid, bool level)
{
    ck_assert_uint_eq(intid, 27);
    if (atomic_exchange(&irq.ppi, level) != level)
        atomic_fetch_add(level ? &irq.raised : &irq.lowered, 1);
}

bool fault_wfi(struct lull_vm *machine, unsigned cpu)
{
    return false;
}

bool fault_races(const struct lull_vm *machine)
{
    return false;
}

void fault_timer(struct lull_vm *machine, unsigned cpu, uint64_t fires_ns)
{
}

unsigned gic_lines(const struct gic *gic, unsigned cpu)
{
    bool irq_line = atomic_load(&irq.spi) ||
                    (atomic_load(&irq.ppi) && atomic_load(&irq.enabled));

    return irq_line ? GIC_LINE_IRQ : 0;
}

void exit_handle(struct vcpu *v)
{
    if (v->exit->exception.syndrome == WFI)
        vcpu_wait_for_interrupt(v, v->wait_ticks);
}

void vm_end(struct lull_vm *machine, enum lull_vm_end reason,
            const char *format, ...)
{
    int none = LULL_END_NONE;

    atomic_compare_exchange_strong(&end_reason, &none, (int)reason);
}

/* ---- starting and stopping
 * ----------------------------------------------------------- */

/* A vCPU that is on pending, or off, with this guest in it. */
static void start(int (*run)(unsigned run), enum psci_power power)
{
    struct why why;

    guest = run;
    vcpu->entry = 0x40080000;
    vcpu->context = 0x40000000;
    atomic_store(&vcpu->power, power);
    ck_assert(vcpu_start(vcpu, &why));
}

static void stop(void)
{
    atomic_store(&vm.phase, VM_STOP);
    vcpu_join(vcpu);
}

static void set_irq(bool level)
{
    atomic_store(&irq.spi, level);
    if (level)
        vcpu_kick_irq(&vm, 0);
}

static void setup(void)
{
    struct idle_config config = {.policy = {.name = "park"},
                                 .force_exit = vcpu_force_exit};

    memset(&vm, 0, sizeof(vm));
    memset(&hv, 0, sizeof(hv));
    memset(&irq, 0, sizeof(irq));
    irq.enabled = true;
    atomic_store(&end_reason, LULL_END_NONE);
    sem_init(&ran, 0, 0);
    vcpu = &vm.vcpu[0];
    vcpu->vm = &vm;
    vcpu->mpidr = 0x80000103;
    vcpu->wait_ticks = UINT64_MAX;
    vm.config.cpus = 1;
    pthread_mutex_init(&vm.lock, NULL);
    pthread_cond_init(&vm.held_changed, NULL);
    ticks_init(&vm.ticks);
    config.opaque = vcpu;
    vcpu->idle = idle_vcpu_new(&config);
    ck_assert_ptr_nonnull(vcpu->idle);
}

static void teardown(void)
{
    idle_vcpu_free(vcpu->idle);
    sem_destroy(&ran);
}

/* How often it waited; finding something pending is no wait. */
static uint64_t idle_entries(void)
{
    struct idle_stats stats;
    uint64_t sum = 0;
    unsigned i;

    idle_stats_read(vcpu->idle, &stats);
    for (i = IDLE_STATE_PENDING + 1; i < IDLE_STATES; i++)
        sum += stats.entries[i];
    return sum;
}

/* Run until it is forced out, as a guest that computes. */
static int compute(void)
{
    while (!atomic_exchange(&hv.canceled, false))
        sched_yield();
    return HV_EXIT_REASON_CANCELED;
}

/* ---- power
 * -----------------------------------------------------------------------------
 */

static int first_run_then_compute(unsigned run)
{
    if (run == 0)
        sem_post(&ran);
    return compute();
}

START_TEST(starts_as_the_boot_protocol_says)
{
    atomic_store(&vm.vtimer_offset, 4711);
    start(first_run_then_compute, PSCI_ON_PENDING);
    sem_wait(&ran);
    ck_assert_uint_eq(hv.regs[HV_REG_PC], 0x40080000);
    ck_assert_uint_eq(hv.regs[HV_REG_X0], 0x40000000);
    ck_assert_uint_eq(hv.regs[HV_REG_CPSR], 0x3c5);
    ck_assert_uint_eq(hv.sys_regs[HV_SYS_REG_MPIDR_EL1], 0x80000103);
    ck_assert_uint_eq(hv.sys_regs[HV_SYS_REG_ID_AA64PFR0_EL1] >> 24 & 15, 1);
    ck_assert_uint_eq(hv.offset, 4711);
    ck_assert_int_eq(atomic_load(&vcpu->power), PSCI_ON);
    stop();
    ck_assert_uint_eq(hv.created, 1);
    ck_assert_uint_eq(hv.destroyed, 1);
}
END_TEST

/* Turns itself off on the first run. */
static int off_then_compute(unsigned run)
{
    if (run > 0)
        return first_run_then_compute(0);
    hv.regs[HV_REG_X0] = 0xbad;
    atomic_store(&vcpu->power, PSCI_OFF);
    return HV_EXIT_REASON_CANCELED;
}

START_TEST(off_and_on_again_is_a_new_vcpu)
{
    start(off_then_compute, PSCI_ON_PENDING);
    while (atomic_load(&hv.destroyed) == 0)
        sched_yield();
    ck_assert_uint_eq(hv.runs, 1);
    vcpu->context = 0x1234;
    atomic_store(&vcpu->power, PSCI_ON_PENDING);
    idle_kick(vcpu->idle, IDLE_WORK);
    sem_wait(&ran);
    ck_assert_uint_eq(hv.regs[HV_REG_X0], 0x1234);
    ck_assert_uint_eq(hv.created, 2);
    stop();
}
END_TEST

START_TEST(off_sleeps_whatever_the_lines_do)
{
    start(first_run_then_compute, PSCI_OFF);
    set_irq(true);
    set_irq(true);
    stop();
    ck_assert_uint_eq(hv.created, 0);
    ck_assert_uint_eq(hv.runs, 0);
}
END_TEST

START_TEST(a_refused_run_ends_the_vm)
{
    hv.run_status = HV_ERROR;
    start(first_run_then_compute, PSCI_ON_PENDING);
    sem_wait(&ran);
    vcpu_force_exit(vcpu);
    while (atomic_load(&end_reason) == LULL_END_NONE) {
        vcpu_force_exit(vcpu);
        sched_yield();
    }
    ck_assert_int_eq(atomic_load(&end_reason), LULL_END_HOST_ERROR);
    atomic_store(&vm.phase, VM_STOP);
    while (atomic_load(&hv.destroyed) == 0) {
        vcpu_force_exit(vcpu);
        sched_yield();
    }
    stop();
}
END_TEST

/* ---- interrupts
 * ------------------------------------------------------------------------- */

static bool line_seen[8];

static int note_line(unsigned run)
{
    if (run < COUNT_OF(line_seen))
        line_seen[run] = hv.pending;
    if (run == 4)
        sem_post(&ran);
    return run < 4 ? HV_EXIT_REASON_CANCELED : compute();
}

START_TEST(the_line_is_raised_before_every_run)
{
    unsigned i;

    atomic_store(&irq.spi, true);
    start(note_line, PSCI_ON_PENDING);
    sem_wait(&ran);
    stop();
    for (i = 0; i < 5; i++)
        ck_assert(line_seen[i]);
}
END_TEST

START_TEST(no_line_without_an_interrupt)
{
    start(note_line, PSCI_ON_PENDING);
    sem_wait(&ran);
    stop();
    ck_assert(!line_seen[0] && !line_seen[4]);
}
END_TEST

static int compute_until_line(unsigned run)
{
    if (run == 0)
        sem_post(&ran);
    if (hv.pending)
        sem_post(&ran);
    return compute();
}

START_TEST(a_kick_forces_the_guest_out_and_the_line_up)
{
    start(compute_until_line, PSCI_ON_PENDING);
    sem_wait(&ran);
    set_irq(true);
    sem_wait(&ran);
    stop();
    ck_assert_uint_ge(hv.runs, 2);
}
END_TEST

/* ---- the timer
 * ----------------------------------------------------------------------------
 */

/* Timer fires while the guest computes; it acknowledges on the third run and
 * re-arms on the fourth. */
static struct {
    bool masked, ppi;
} timer_seen[8];

static int timer_in_guest(unsigned run)
{
    if (run < COUNT_OF(timer_seen)) {
        timer_seen[run].masked = hv.masked;
        timer_seen[run].ppi = atomic_load(&irq.ppi);
    }
    switch (run) {
    case 0:
        hv.sys_regs[HV_SYS_REG_CNTV_CTL_EL0] = 1;
        hv.sys_regs[HV_SYS_REG_CNTV_CVAL_EL0] = 0;
        return HV_EXIT_REASON_VTIMER_ACTIVATED;
    case 1:
        return HV_EXIT_REASON_CANCELED;
    case 2:
        hv.sys_regs[HV_SYS_REG_CNTV_CVAL_EL0] = UINT64_MAX;
        return HV_EXIT_REASON_CANCELED;
    case 3:
        hv.sys_regs[HV_SYS_REG_CNTV_CVAL_EL0] = 0;
        return HV_EXIT_REASON_VTIMER_ACTIVATED;
    case 4:
        hv.sys_regs[HV_SYS_REG_CNTV_CTL_EL0] = 3; /* masked by the guest */
        return HV_EXIT_REASON_CANCELED;
    case 5:
        sem_post(&ran);
        break;
    }
    return compute();
}

START_TEST(the_timers_line_follows_the_timer)
{
    static const bool up[] = {false, true, true, false, true, false};
    unsigned i;

    start(timer_in_guest, PSCI_ON_PENDING);
    sem_wait(&ran);
    stop();
    for (i = 0; i < COUNT_OF(up); i++) {
        ck_assert_msg(timer_seen[i].ppi == up[i], "line at run %u", i);
        ck_assert_msg(timer_seen[i].masked == up[i], "mask at run %u", i);
    }
    ck_assert_uint_eq(counted(&vcpu->counters.vtimer), 2);
}
END_TEST

static uint64_t armed_for, woke_at;

static int wfi_until_timer(unsigned run)
{
    if (run == 0) {
        armed_for = now_ticks() - hv.offset + 24000; /* a millisecond */
        hv.sys_regs[HV_SYS_REG_CNTV_CTL_EL0] = 1;
        hv.sys_regs[HV_SYS_REG_CNTV_CVAL_EL0] = armed_for;
        return WFI;
    }
    if (run == 1) {
        woke_at = now_ticks() - hv.offset;
        line_seen[0] = hv.pending;
        timer_seen[0].masked = hv.masked;
        hv.sys_regs[HV_SYS_REG_CNTV_CTL_EL0] = 0;
        sem_post(&ran);
        return HV_EXIT_REASON_CANCELED;
    }
    return compute();
}

START_TEST(wfi_sleeps_until_the_timer_and_spares_an_exit)
{
    atomic_store(&vm.vtimer_offset, now_ticks() - 1000);
    start(wfi_until_timer, PSCI_ON_PENDING);
    sem_wait(&ran);
    stop();
    ck_assert_uint_ge(woke_at, armed_for);
    ck_assert(line_seen[0]);
    ck_assert(timer_seen[0].masked);
    ck_assert_uint_eq(counted(&vcpu->counters.vtimer), 0);
    ck_assert_uint_eq(irq.raised, 1);
    ck_assert_uint_eq(irq.lowered, 1);
}
END_TEST

START_TEST(a_timer_nobody_listens_to_wakes_nobody)
{
    atomic_store(&irq.enabled, false);
    start(wfi_until_timer, PSCI_ON_PENDING);
    while (atomic_load(&irq.raised) == 0)
        sched_yield();
    /* Now it waits without a deadline, and once: no spinning. */
    nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    ck_assert_uint_eq(hv.runs, 1);
    ck_assert_uint_le(idle_entries(), 4);
    set_irq(true);
    sem_wait(&ran);
    stop();
}
END_TEST

static int wfi_once(unsigned run)
{
    if (run == 0)
        return WFI;
    sem_post(&ran);
    return compute();
}

START_TEST(wfi_with_an_interrupt_pending_does_not_sleep)
{
    atomic_store(&irq.spi, true);
    start(wfi_once, PSCI_ON_PENDING);
    sem_wait(&ran);
    stop();
    ck_assert_uint_eq(idle_entries(), 0);
}
END_TEST

START_TEST(wfi_is_ended_by_an_interrupt)
{
    start(wfi_once, PSCI_ON_PENDING);
    while (idle_entries() == 0 && atomic_load(&hv.runs) < 1)
        sched_yield();
    set_irq(true);
    sem_wait(&ran);
    stop();
}
END_TEST

START_TEST(wfit_is_ended_by_its_limit)
{
    vcpu->wait_ticks = now_ticks() + 24000;
    start(wfi_once, PSCI_ON_PENDING);
    sem_wait(&ran);
    ck_assert_uint_ge(now_ticks(), vcpu->wait_ticks);
    stop();
}
END_TEST

/* ---- holding
 * -------------------------------------------------------------------------------
 */

static void hold(void)
{
    atomic_store(&vm.phase, VM_HOLD);
    idle_kick(vcpu->idle, IDLE_PAUSE);
    pthread_mutex_lock(&vm.lock);
    while (vm.held < 1)
        pthread_cond_wait(&vm.held_changed, &vm.lock);
    pthread_mutex_unlock(&vm.lock);
}

static void let_go(void)
{
    atomic_store(&vm.phase, VM_RUN);
    idle_kick(vcpu->idle, IDLE_RESUME);
}

static int count_runs(unsigned run)
{
    sem_post(&ran);
    return compute();
}

START_TEST(a_held_vcpu_does_not_run)
{
    unsigned i, runs;

    start(count_runs, PSCI_ON_PENDING);
    for (i = 0; i < 200; i++) {
        sem_wait(&ran);
        hold();
        runs = atomic_load(&hv.runs);
        set_irq(true); /* latches, and does not wake it */
        set_irq(false);
        ck_assert_uint_eq(atomic_load(&hv.runs), runs);
        let_go();
    }
    stop();
}
END_TEST

START_TEST(a_waiting_vcpu_can_be_held_and_waits_on)
{
    start(wfi_once, PSCI_ON_PENDING);
    hold();
    let_go();
    hold();
    ck_assert_uint_le(hv.runs, 1);
    let_go();
    set_irq(true);
    sem_wait(&ran);
    stop();
}
END_TEST

START_TEST(an_off_vcpu_can_be_held)
{
    start(count_runs, PSCI_OFF);
    hold();
    let_go();
    hold();
    let_go();
    stop();
    ck_assert_uint_eq(hv.runs, 0);
}
END_TEST

START_TEST(a_held_vcpu_can_be_stopped)
{
    start(count_runs, PSCI_ON_PENDING);
    sem_wait(&ran);
    hold();
    stop();
    ck_assert_uint_eq(hv.destroyed, 1);
}
END_TEST

static uint64_t counter_at[2];

static int note_counter(unsigned run)
{
    if (run < 2)
        counter_at[run] = now_ticks() - hv.offset;
    sem_post(&ran);
    return compute();
}

/* As vm_resume does it: the time away goes into the offset. */
START_TEST(time_stands_still_while_held)
{
    uint64_t away, since;

    start(note_counter, PSCI_ON_PENDING);
    sem_wait(&ran);
    hold();
    since = now_ticks();
    nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
    away = now_ticks() - since;
    atomic_store(&vm.vtimer_offset, away);
    let_go();
    sem_wait(&ran);
    stop();
    ck_assert_uint_ge(counter_at[1], counter_at[0]);
    ck_assert_uint_eq(hv.offset, away);
}
END_TEST

/* ---- saving and loading
 * -------------------------------------------------------------------------
 */

/* As snapshot_save.c asks for it, of a vCPU that is held. */
static struct lull_state saved(void)
{
    struct lull_state state = {0};

    atomic_store(&vcpu->save_to, &state);
    idle_kick(vcpu->idle, IDLE_WORK);
    pthread_mutex_lock(&vm.lock);
    while (atomic_load(&vcpu->save_to) != NULL)
        pthread_cond_wait(&vm.held_changed, &vm.lock);
    pthread_mutex_unlock(&vm.lock);
    ck_assert(!state.bad);
    return state;
}

/* Every register another value, and then no run until it is held. */
static int fill_registers(unsigned run)
{
    if (run == 0) {
        for (unsigned i = 0; i <= HV_REG_CPSR; i++)
            hv.regs[i] = 0x100 + i;
        for (unsigned i = 0; i < 32; i++)
            memset(&hv.vectors[i], 0x80 + (int)i, sizeof(hv.vectors[i]));
        hv.sys_regs[HV_SYS_REG_TTBR0_EL1] = 0x7777;
        hv.sys_regs[HV_SYS_REG_SP_EL0] = 0x8888;
        hv.sys_regs[HV_SYS_REG_CNTV_CVAL_EL0] = 0x9999;
    }
    return first_run_then_compute(run);
}

static uint64_t registers_sum(void)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i <= HV_REG_CPSR; i++)
        sum = sum * 31 + hv.regs[i];
    for (unsigned i = 0; i < 0x10000; i++)
        sum = sum * 31 + hv.sys_regs[i];
    for (unsigned i = 0; i < sizeof(hv.vectors); i++)
        sum = sum * 31 + ((const uint8_t *)hv.vectors)[i];
    return sum;
}

static uint64_t sum_at_run;

static int note_registers(unsigned run)
{
    sum_at_run = registers_sum();
    return first_run_then_compute(0);
}

/* Begin from `state`, with nothing that was there before. */
static void start_from(struct lull_state *state, int (*run)(unsigned run))
{
    teardown();
    setup();
    state->loading = true;
    state->at = 0;
    vcpu->load_from = state;
    start(run, PSCI_OFF);
}

START_TEST(a_vcpu_goes_on_where_it_was_saved)
{
    struct lull_state state;
    uint64_t sum;

    start(fill_registers, PSCI_ON_PENDING);
    sem_wait(&ran);
    hold();
    state = saved();
    sum = registers_sum();
    stop();
    start_from(&state, note_registers);
    sem_wait(&ran);
    ck_assert_uint_eq(sum_at_run, sum);
    ck_assert_int_eq(atomic_load(&vcpu->power), PSCI_ON);
    stop();
    ck_assert_int_eq(end_reason, LULL_END_NONE);
    free(state.bytes);
}
END_TEST

START_TEST(a_waiting_vcpu_waits_on_when_restored)
{
    struct lull_state state;

    start(wfi_once, PSCI_ON_PENDING);
    while (atomic_load(&hv.runs) == 0)
        sched_yield();
    hold();
    state = saved();
    stop();
    start_from(&state, count_runs);
    hold();
    let_go();
    ck_assert_uint_eq(hv.runs, 0);
    set_irq(true);
    sem_wait(&ran);
    stop();
    free(state.bytes);
}
END_TEST

START_TEST(an_off_vcpu_stays_off_when_restored)
{
    struct lull_state state;

    start(count_runs, PSCI_OFF);
    hold();
    state = saved();
    stop();
    start_from(&state, count_runs);
    hold();
    let_go();
    stop();
    ck_assert_uint_eq(hv.created, 0);
    free(state.bytes);
}
END_TEST

/* Each prefix of a state, and one of another processor. */
START_TEST(half_a_vcpu_ends_the_vm)
{
    struct lull_state state, part;

    start(fill_registers, PSCI_ON_PENDING);
    sem_wait(&ran);
    hold();
    state = saved();
    stop();
    for (size_t len = 0; len < state.len; len += 7) {
        part = state;
        part.len = len;
        start_from(&part, count_runs);
        stop();
        ck_assert_int_eq(end_reason, LULL_END_HOST_ERROR);
    }
    state.bytes[17]++; /* the first of the identification registers */
    start_from(&state, count_runs);
    stop();
    ck_assert_int_eq(end_reason, LULL_END_HOST_ERROR);
    free(state.bytes);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        starts_as_the_boot_protocol_says,
        off_and_on_again_is_a_new_vcpu,
        off_sleeps_whatever_the_lines_do,
        a_refused_run_ends_the_vm,
        the_line_is_raised_before_every_run,
        no_line_without_an_interrupt,
        a_kick_forces_the_guest_out_and_the_line_up,
        the_timers_line_follows_the_timer,
        wfi_sleeps_until_the_timer_and_spares_an_exit,
        a_timer_nobody_listens_to_wakes_nobody,
        wfi_with_an_interrupt_pending_does_not_sleep,
        wfi_is_ended_by_an_interrupt,
        wfit_is_ended_by_its_limit,
        a_held_vcpu_does_not_run,
        a_waiting_vcpu_can_be_held_and_waits_on,
        an_off_vcpu_can_be_held,
        a_held_vcpu_can_be_stopped,
        time_stands_still_while_held,
        a_vcpu_goes_on_where_it_was_saved,
        a_waiting_vcpu_waits_on_when_restored,
        an_off_vcpu_stays_off_when_restored,
        half_a_vcpu_ends_the_vm,
    };

    return test_main_with("vcpu", tests, COUNT_OF(tests), setup, teardown);
}
