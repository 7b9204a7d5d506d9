/*
 * The governor's promises, one vCPU at a time: what enters, what waits, what
 * wakes it, what latches. The hooks put a kick at an exact place between the
 * vCPU's steps, so that each window of the protocol is tried every time and
 * not once in a million. Linked twice: with this platform's sleep and with
 * macOS's over testing/darwin.
 */
#include "hook.h"
#include "testing/suite.h"

#include <errno.h>
#include <lull/idle.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MS 1000000ULL

static struct idle_vcpu *iv;
static atomic_uint exits;

/* What the hook does: at the n-th passing of `at`, call `act`. */
static struct {
    enum idle_hook at;
    unsigned countdown;
    void (*act)(void);
    bool result;
} plan;

/* Set when the vCPU is about to sleep. */
static atomic_bool parking;

bool idle_test_hook(enum idle_hook at)
{
    if (at == IDLE_HOOK_PARK_SET)
        atomic_store(&parking, true);
    if (!plan.act || at != plan.at || --plan.countdown > 0)
        return false;
    /* Once: what it does may pass here again. */
    void (*act)(void) = plan.act;
    plan.act = NULL;
    act();
    return plan.result;
}

static void at(enum idle_hook hook, unsigned nth, void (*act)(void))
{
    plan.at = hook;
    plan.countdown = nth;
    plan.result = false;
    plan.act = act;
}

static void force_exit(void *opaque)
{
    ck_assert_ptr_eq(opaque, &exits);
    atomic_fetch_add(&exits, 1);
}

static void use(const char *policy)
{
    struct idle_config config = {
        .force_exit = force_exit, .opaque = &exits, .backstop_ns = 100 * MS};
    char err[200];

    ck_assert(idle_policy_parse(policy, &config.policy, err, sizeof(err)));
    iv = idle_vcpu_new(&config);
    ck_assert_ptr_nonnull(iv);
    idle_vcpu_attach(iv);
}

static void setup(void)
{
    memset(&plan, 0, sizeof(plan));
    atomic_store(&exits, 0);
    use("park");
}

static void teardown(void)
{
    idle_vcpu_free(iv);
}

static struct idle_stats stats(void)
{
    struct idle_stats s;

    idle_stats_read(iv, &s);
    return s;
}

static uint64_t sum(const uint64_t *hist)
{
    uint64_t n = 0;

    for (unsigned i = 0; i < IDLE_HIST_BUCKETS; i++)
        n += hist[i];
    return n;
}

static enum idle_wake wait_for(uint64_t ns, uint32_t wakeset, uint32_t *got)
{
    uint64_t deadline =
        ns == IDLE_NO_DEADLINE ? IDLE_NO_DEADLINE : idle_now_ns() + ns;

    *got = 0xdead0000;
    return idle_wait(iv, deadline, wakeset, got);
}

/* A thread that does `act` while the vCPU sleeps: a little after it set
 * PARKED, or after a while when it sleeps without (in slices). */
static void *later_main(void *act)
{
    const struct timespec a_little = {0, 2 * MS};

    for (unsigned i = 0; i < 50 && !atomic_load(&parking); i++)
        nanosleep(&a_little, NULL);
    nanosleep(&a_little, NULL);
    ((void (*)(void))(uintptr_t)act)();
    return NULL;
}

static pthread_t later(void (*act)(void))
{
    pthread_t thread;

    atomic_store(&parking, false);
    ck_assert_int_eq(
        pthread_create(&thread, NULL, later_main, (void *)(uintptr_t)act), 0);
    return thread;
}

static void kick_irq(void)
{
    idle_kick(iv, IDLE_IRQ);
}

static void kick_stop(void)
{
    idle_kick(iv, IDLE_STOP);
}

static void kick_resume(void)
{
    idle_kick(iv, IDLE_RESUME);
}

static void kick_all(void)
{
    for (unsigned bit = 0; bit < 16; bit++)
        idle_kick(iv, (enum idle_reason)(1u << bit));
}

static void stray(void)
{
    idle_stray(iv);
}

/* Making one. */

START_TEST(new_refuses_nonsense)
{
    struct idle_config config = {.policy.name = "nonsense",
                                 .force_exit = force_exit};

    ck_assert_ptr_null(idle_vcpu_new(&config));
    ck_assert_int_eq(errno, EINVAL);
    config = (struct idle_config){.policy.name = "park"};
    ck_assert_ptr_null(idle_vcpu_new(&config));
    ck_assert_int_eq(errno, EINVAL);
    idle_vcpu_free(NULL);
}
END_TEST

START_TEST(new_without_a_policy_parks)
{
    struct idle_config config = {.force_exit = force_exit, .opaque = &exits};
    struct idle_vcpu *plain = idle_vcpu_new(&config);
    uint32_t got;

    ck_assert_ptr_nonnull(plain);
    ck_assert_int_eq(idle_wait(plain, idle_now_ns() + MS, IDLE_ANY, &got),
                     IDLE_WAKE_DEADLINE);
    idle_vcpu_free(plain);
}
END_TEST

/* The guest. */

START_TEST(enter_and_leave_with_nothing_asked)
{
    ck_assert_uint_eq(idle_enter(iv), 0);
    ck_assert_uint_eq(idle_leave(iv), 0);
    ck_assert_uint_eq(atomic_load(&exits), 0);
}
END_TEST

START_TEST(enter_refuses_what_was_asked_before)
{
    idle_kick(iv, IDLE_IRQ);
    idle_kick(iv, IDLE_WORK);
    ck_assert_uint_eq(atomic_load(&exits), 0);
    ck_assert_uint_eq(idle_enter(iv), IDLE_IRQ | IDLE_WORK);
    /* Consumed. */
    ck_assert_uint_eq(idle_enter(iv), 0);
    ck_assert_uint_eq(idle_leave(iv), 0);
}
END_TEST

START_TEST(kick_forces_a_guest_out)
{
    ck_assert_uint_eq(idle_enter(iv), 0);
    idle_kick(iv, IDLE_IRQ);
    ck_assert_uint_eq(atomic_load(&exits), 1);
    ck_assert_uint_eq(idle_leave(iv), IDLE_IRQ);
    idle_kick(iv, IDLE_IRQ);
    ck_assert_uint_eq(atomic_load(&exits), 1);
    ck_assert_uint_eq(stats().forced_exits, 1);
}
END_TEST

START_TEST(kicks_coalesce_per_reason)
{
    ck_assert_uint_eq(idle_enter(iv), 0);
    idle_kick(iv, IDLE_IRQ);
    idle_kick(iv, IDLE_IRQ);
    idle_kick(iv, IDLE_IRQ);
    ck_assert_uint_eq(atomic_load(&exits), 1);
    /* Another reason forces its own exit: whoever set the first one may have
     * been meant for a wakeset that this one is not in. */
    idle_kick(iv, IDLE_STOP);
    ck_assert_uint_eq(atomic_load(&exits), 2);
    ck_assert_uint_eq(idle_leave(iv), IDLE_IRQ | IDLE_STOP);
    ck_assert_uint_eq(stats().kicks, 4);
    ck_assert_uint_eq(stats().kicks_coalesced, 2);
}
END_TEST

START_TEST(every_reason_arrives)
{
    ck_assert_uint_eq(idle_enter(iv), 0);
    kick_all();
    ck_assert_uint_eq(idle_leave(iv), IDLE_ANY);
    kick_all();
    ck_assert_uint_eq(idle_enter(iv), IDLE_ANY);
}
END_TEST

/* Waiting. */

START_TEST(wait_returns_what_is_pending)
{
    uint32_t got;

    idle_kick(iv, IDLE_IPI);
    ck_assert_int_eq(wait_for(IDLE_NO_DEADLINE, IDLE_ANY, &got),
                     IDLE_WAKE_PENDING);
    ck_assert_uint_eq(got, IDLE_IPI);
    ck_assert_uint_eq(stats().entries[IDLE_STATE_PENDING], 1);
    ck_assert_uint_eq(sum(stats().idle_length), 0);
}
END_TEST

START_TEST(wait_prefers_what_is_pending_to_the_deadline)
{
    uint32_t got;

    idle_kick(iv, IDLE_IRQ);
    ck_assert_int_eq(idle_wait(iv, 1, IDLE_ANY, &got), IDLE_WAKE_PENDING);
    ck_assert_uint_eq(got, IDLE_IRQ);
}
END_TEST

START_TEST(wait_does_not_sleep_past_a_deadline)
{
    uint32_t got = 7;

    ck_assert_int_eq(idle_wait(iv, idle_now_ns() - 1, IDLE_ANY, &got),
                     IDLE_WAKE_DEADLINE);
    ck_assert_uint_eq(got, 0);
    ck_assert_int_eq(idle_wait(iv, 0, IDLE_ANY, &got), IDLE_WAKE_DEADLINE);
    ck_assert_uint_eq(stats().entries[IDLE_STATE_PENDING], 2);
    ck_assert_uint_eq(stats().entries[IDLE_STATE_PARK_DEADLINE], 0);
    ck_assert_uint_eq(stats().entries[IDLE_STATE_SPIN], 0);
}
END_TEST

static const char *const sleeping[] = {"park", "park,share=0", "park,poll",
                                       "halt"};

START_TEST(wait_ends_at_the_deadline_and_not_before)
{
    uint32_t got;

    teardown();
    use(sleeping[_i]);
    for (unsigned i = 0; i < 50; i++) {
        uint64_t deadline = idle_now_ns() + (i % 5 + 1) * 700000;

        ck_assert_int_eq(idle_wait(iv, deadline, IDLE_ANY, &got),
                         IDLE_WAKE_DEADLINE);
        ck_assert_uint_ge(idle_now_ns(), deadline);
        ck_assert_uint_eq(got, 0);
    }
    ck_assert_uint_eq(stats().wakes_timer, 50);
    ck_assert_uint_eq(sum(stats().timer_late), 50);
    ck_assert_uint_eq(sum(stats().timer_early), 0);
    ck_assert_uint_eq(sum(stats().idle_length), 50);
    ck_assert_uint_eq(stats().wakes_stray, 0);
    ck_assert_uint_ge(stats().residency_ns[IDLE_STATE_PARK_DEADLINE], 50 * MS);
}
END_TEST

START_TEST(wait_ends_at_a_kick)
{
    pthread_t thread = later(kick_irq);
    uint32_t got;

    ck_assert_int_eq(wait_for(IDLE_NO_DEADLINE, IDLE_ANY, &got),
                     IDLE_WAKE_KICK);
    ck_assert_uint_eq(got, IDLE_IRQ);
    pthread_join(thread, NULL);
    ck_assert_uint_eq(stats().wakes_irq, 1);
    ck_assert_uint_eq(stats().wake_syscalls, 1);
    ck_assert_uint_eq(stats().entries[IDLE_STATE_PARK], 1);
    ck_assert_uint_eq(sum(stats().kick_to_run), 1);
    ck_assert_uint_eq(stats().wakes_backstop, 0);
    ck_assert_uint_eq(atomic_load(&exits), 0);
}
END_TEST

START_TEST(spin_policy_does_not_wait)
{
    uint32_t got;

    teardown();
    use("spin");
    ck_assert_int_eq(wait_for(IDLE_NO_DEADLINE, IDLE_ANY, &got),
                     IDLE_WAKE_EARLY);
    ck_assert_uint_eq(got, 0);
    ck_assert_int_eq(wait_for(1000 * MS, IDLE_ANY, &got), IDLE_WAKE_EARLY);
    ck_assert_uint_eq(sum(stats().timer_early), 1);
    idle_kick(iv, IDLE_IRQ);
    ck_assert_int_eq(wait_for(1000 * MS, IDLE_ANY, &got), IDLE_WAKE_PENDING);
    ck_assert_int_eq(idle_wait(iv, 1, IDLE_ANY, &got), IDLE_WAKE_DEADLINE);
}
END_TEST

/* Reasons outside the wakeset latch. */

START_TEST(paused_vcpu_latches_interrupts)
{
    const uint32_t paused = IDLE_STOP | IDLE_RESUME | IDLE_WORK;
    pthread_t thread;
    uint32_t got;

    idle_kick(iv, IDLE_IRQ);
    idle_kick(iv, IDLE_IPI);
    thread = later(kick_resume);
    ck_assert_int_eq(wait_for(IDLE_NO_DEADLINE, paused, &got), IDLE_WAKE_KICK);
    ck_assert_uint_eq(got, IDLE_RESUME);
    pthread_join(thread, NULL);
    ck_assert_uint_eq(idle_enter(iv), IDLE_IRQ | IDLE_IPI);
}
END_TEST

START_TEST(latched_reasons_survive_a_deadline)
{
    uint32_t got;

    idle_kick(iv, IDLE_IRQ);
    ck_assert_int_eq(wait_for(2 * MS, IDLE_STOP, &got), IDLE_WAKE_DEADLINE);
    ck_assert_uint_eq(got, 0);
    ck_assert_int_eq(wait_for(2 * MS, IDLE_ANY, &got), IDLE_WAKE_PENDING);
    ck_assert_uint_eq(got, IDLE_IRQ);
}
END_TEST

/* The interrupt that arrives during the pause wakes nobody for long, and the
 * STOP behind it must not be taken for the same kick. */
static void kick_irq_then_stop(void)
{
    idle_kick(iv, IDLE_IRQ);
    idle_kick(iv, IDLE_STOP);
}

START_TEST(stop_is_not_swallowed_by_a_latched_interrupt)
{
    pthread_t thread = later(kick_irq_then_stop);
    uint32_t got;

    ck_assert_int_eq(wait_for(IDLE_NO_DEADLINE, IDLE_STOP | IDLE_RESUME, &got),
                     IDLE_WAKE_KICK);
    ck_assert_uint_eq(got, IDLE_STOP);
    pthread_join(thread, NULL);
    ck_assert_uint_eq(stats().kicks_coalesced, 0);
    ck_assert_uint_eq(idle_leave(iv), IDLE_IRQ);
}
END_TEST

/* The windows: a kick at each place on the vCPU's way into and out of sleep. */

static const enum idle_hook windows[] = {IDLE_HOOK_PARK_SET, IDLE_HOOK_SLEEP,
                                         IDLE_HOOK_SLEPT};

START_TEST(a_kick_in_any_window_is_seen)
{
    uint32_t got;

    at(windows[_i], 1, kick_irq);
    /* Should it be lost, the deadline and not the test's patience ends it. */
    ck_assert_int_eq(wait_for(50 * MS, IDLE_ANY, &got), IDLE_WAKE_KICK);
    ck_assert_uint_eq(got, IDLE_IRQ);
    ck_assert_uint_eq(stats().wakes_backstop, 0);
}
END_TEST

START_TEST(a_kick_after_the_sleep_is_not_lost)
{
    uint32_t got;

    teardown();
    use("halt");
    at(IDLE_HOOK_UNPARKED, 1, kick_irq);
    /* Past the deadline, but the reason is there and goes first. */
    ck_assert_int_eq(wait_for(2 * MS, IDLE_ANY, &got), IDLE_WAKE_KICK);
    ck_assert_uint_eq(got, IDLE_IRQ);
}
END_TEST

/* The kicker's window: it saw PARKED and is slow to wake; the vCPU goes on by
 * itself, and the late wake falls on a later wait. */

static uint64_t late_wake_deadline;

static void wait_meanwhile(void)
{
    uint32_t got;

    /* We are the kicker between its look and its wake: the vCPU, which here
     * is the same thread, finishes its wait and begins the next one. */
    ck_assert_uint_eq(idle_leave(iv), IDLE_IRQ);
    late_wake_deadline = idle_now_ns() + 3 * MS;
    ck_assert_int_eq(idle_wait(iv, late_wake_deadline, IDLE_ANY, &got),
                     IDLE_WAKE_DEADLINE);
    ck_assert_uint_ge(idle_now_ns(), late_wake_deadline);
}

static void kick_with_a_late_wake(void)
{
    at(IDLE_HOOK_KICK_WAKE, 1, wait_meanwhile);
    idle_kick(iv, IDLE_IRQ);
}

START_TEST(a_late_wake_ends_no_later_wait)
{
    uint64_t deadline;
    uint32_t got;

    at(IDLE_HOOK_SLEEP, 1, kick_with_a_late_wake);
    deadline = idle_now_ns() + 20 * MS;
    ck_assert_int_eq(idle_wait(iv, deadline, IDLE_ANY, &got),
                     IDLE_WAKE_DEADLINE);
    ck_assert_uint_ge(idle_now_ns(), deadline);
    ck_assert_int_eq(wait_for(3 * MS, IDLE_ANY, &got), IDLE_WAKE_DEADLINE);
}
END_TEST

/* The wake of a kick that the vCPU noticed by itself is known to come; once it
 * is there it does not disturb the next sleep. */
START_TEST(an_owed_wake_is_consumed)
{
    uint32_t got;

    at(IDLE_HOOK_PARK_SET, 1, kick_irq);
    ck_assert_int_eq(wait_for(50 * MS, IDLE_ANY, &got), IDLE_WAKE_KICK);
    ck_assert_int_eq(wait_for(5 * MS, IDLE_ANY, &got), IDLE_WAKE_DEADLINE);
    ck_assert_uint_eq(stats().wakes_stray, 0);
}
END_TEST

START_TEST(strays_are_absorbed_and_counted)
{
    pthread_t thread = later(stray);
    uint64_t deadline = idle_now_ns() + 300 * MS;
    uint32_t got;

    ck_assert_int_eq(idle_wait(iv, deadline, IDLE_ANY, &got),
                     IDLE_WAKE_DEADLINE);
    ck_assert_uint_ge(idle_now_ns(), deadline);
    pthread_join(thread, NULL);
    ck_assert_uint_eq(stats().wakes_stray, 1);
}
END_TEST

/* The backstop. */

START_TEST(backstop_with_nothing_to_do_is_not_told)
{
    pthread_t thread;
    uint32_t got;

    teardown();
    struct idle_config config = {
        .force_exit = force_exit, .opaque = &exits, .backstop_ns = 1 * MS};
    iv = idle_vcpu_new(&config);
    thread = later(kick_irq);
    ck_assert_int_eq(wait_for(IDLE_NO_DEADLINE, IDLE_ANY, &got),
                     IDLE_WAKE_KICK);
    pthread_join(thread, NULL);
    ck_assert_uint_eq(stats().wakes_backstop, 0);
    ck_assert_uint_eq(stats().entries[IDLE_STATE_PARK], 1);
}
END_TEST

/* The parking word. */
static _Atomic uint32_t *word_of(struct idle_vcpu *vcpu)
{
    return (_Atomic uint32_t *)(void *)vcpu; /* its first member */
}

static void set_without_wake(void)
{
    atomic_fetch_or(word_of(iv), IDLE_IRQ);
}

/* The kicker has set its bit as the backstop fires, and wakes a little later:
 * late is not lost. */
static void *wakes_late(void *unused)
{
    while (atomic_load(&parking)) {
        const struct timespec a_little = {0, 1 * MS};

        nanosleep(&a_little, NULL);
        if (atomic_load(word_of(iv)) & IDLE_IRQ)
            idle_stray(iv);
    }
    return NULL;
}

START_TEST(backstop_waits_for_a_late_wake)
{
    pthread_t thread;
    uint32_t got;

    teardown();
    struct idle_config config = {
        .force_exit = force_exit, .opaque = &exits, .backstop_ns = 1 * MS};
    iv = idle_vcpu_new(&config);
    at(IDLE_HOOK_SLEPT, 1, set_without_wake);
    atomic_store(&parking, true);
    pthread_create(&thread, NULL, wakes_late, NULL);
    ck_assert_int_eq(wait_for(IDLE_NO_DEADLINE, IDLE_ANY, &got),
                     IDLE_WAKE_KICK);
    atomic_store(&parking, false);
    pthread_join(thread, NULL);
    ck_assert_uint_eq(stats().wakes_backstop, 0);
}
END_TEST

/* The wake comes after the backstop has ended the sleep and before it is known
 * whether one is owed: it finds nobody, and is no less of a wake. */
START_TEST(backstop_knows_a_wake_that_found_nobody)
{
    uint32_t got;

    teardown();
    struct idle_config config = {
        .force_exit = force_exit, .opaque = &exits, .backstop_ns = 1 * MS};
    iv = idle_vcpu_new(&config);
    at(IDLE_HOOK_SLEPT, 1, kick_irq);
    ck_assert_int_eq(wait_for(IDLE_NO_DEADLINE, IDLE_ANY, &got),
                     IDLE_WAKE_KICK);
    ck_assert_uint_eq(got, IDLE_IRQ);
    ck_assert_uint_eq(stats().wake_syscalls, 1);
    ck_assert_uint_eq(stats().wakes_backstop, 0);
}
END_TEST

/* A bit that nobody wakes for: set behind PARKED's back, as a broken kick
 * would, by claiming that the sleep already compared. */
START_TEST(backstop_finds_a_lost_wake)
{
    pthread_t thread = later(set_without_wake);
    uint32_t got;

    ck_assert_int_eq(wait_for(IDLE_NO_DEADLINE, IDLE_ANY, &got),
                     IDLE_WAKE_BACKSTOP);
    ck_assert_uint_eq(got, IDLE_IRQ);
    pthread_join(thread, NULL);
    ck_assert_uint_eq(stats().wakes_backstop, 1);
    /* One strike: another sleep from now on, and kicks still arrive. */
    ck_assert_uint_eq(stats().rung, IDLE_RUNG_CONDVAR);
    thread = later(kick_stop);
    ck_assert_int_eq(wait_for(IDLE_NO_DEADLINE, IDLE_ANY, &got),
                     IDLE_WAKE_KICK);
    ck_assert_uint_eq(got, IDLE_STOP);
    pthread_join(thread, NULL);
    ck_assert_int_eq(wait_for(3 * MS, IDLE_ANY, &got), IDLE_WAKE_DEADLINE);
    ck_assert_uint_eq(stats().wakes_backstop, 1);
}
END_TEST

/* A sleep that always returns at once: found out, and still on time. */
static void return_at_once(void)
{
    at(IDLE_HOOK_SLEEP, 1, return_at_once);
    plan.result = true;
}

START_TEST(broken_sleep_is_left_for_slices)
{
    uint64_t deadline = idle_now_ns() + 30 * MS;
    uint32_t got;

    return_at_once();
    ck_assert_int_eq(idle_wait(iv, deadline, IDLE_ANY, &got),
                     IDLE_WAKE_DEADLINE);
    ck_assert_uint_ge(idle_now_ns(), deadline);
    ck_assert_uint_eq(stats().sliced, 1);
    ck_assert_uint_eq(stats().rung, IDLE_RUNG_SLICES);
    ck_assert_uint_eq(stats().rung_changes, 3);
    ck_assert_uint_eq(stats().entries[IDLE_STATE_SLICED], 1);
}
END_TEST

/* After a minute it is tried again; and trusted, when it is sound by then. */
START_TEST(a_sound_sleep_is_taken_back)
{
    uint32_t got;

    return_at_once();
    wait_for(30 * MS, IDLE_ANY, &got);
    ck_assert_uint_eq(stats().sliced, 1);
    plan.act = NULL;
    wait_for(3 * MS, IDLE_ANY, &got);
    ck_assert_uint_eq(stats().entries[IDLE_STATE_SLICED], 2);

    idle_test_age(iv, 61000 * MS);
    ck_assert_int_eq(wait_for(3 * MS, IDLE_ANY, &got), IDLE_WAKE_DEADLINE);
    ck_assert_uint_eq(stats().entries[IDLE_STATE_SLICED], 2);
    ck_assert_uint_eq(stats().sliced, 0);
    ck_assert_uint_eq(stats().rung, IDLE_RUNG_WORD);
    ck_assert_uint_eq(stats().rung_changes, 4);
    ck_assert_uint_eq(stats().rung_entries[IDLE_RUNG_WORD], 1);
}
END_TEST

/* Each rung: what it is named, that it is on time, and that it hears a kick. */

static void refuse(unsigned rungs, uint64_t for_ns)
{
    struct idle_config config = {.force_exit = force_exit,
                                 .opaque = &exits,
                                 .fault_refused_rungs = rungs,
                                 .fault_for_ns = for_ns};

    teardown();
    iv = idle_vcpu_new(&config);
    ck_assert_ptr_nonnull(iv);
}

static const char *const rung_names[IDLE_RUNGS] = {"word", "condvar", "alarm",
                                                   "slices", "yield"};

START_TEST(a_refused_sleep_is_replaced)
{
    uint64_t deadline;
    pthread_t thread;
    uint32_t got;

    refuse((unsigned)_i, 0);
    deadline = idle_now_ns() + 30 * MS;
    ck_assert_int_eq(idle_wait(iv, deadline, IDLE_ANY, &got),
                     IDLE_WAKE_DEADLINE);
    ck_assert_uint_ge(idle_now_ns(), deadline);
    ck_assert_uint_ge(stats().rung, (unsigned)_i);
    for (unsigned i = 0; i < 3; i++) {
        thread = later(kick_stop);
        /* What hears no kick passes no hook either. */
        if (stats().sliced)
            atomic_store(&parking, true);
        ck_assert_int_eq(wait_for(IDLE_NO_DEADLINE, IDLE_ANY, &got),
                         IDLE_WAKE_KICK);
        ck_assert_uint_eq(got, IDLE_STOP);
        pthread_join(thread, NULL);
        ck_assert_int_eq(wait_for(3 * MS, IDLE_ANY, &got), IDLE_WAKE_DEADLINE);
    }
    ck_assert_uint_eq(stats().wakes_backstop, 0);
    ck_assert_uint_ge(stats().faults_refused, (unsigned)_i);
    ck_assert_str_eq(idle_rung_name((enum idle_rung)_i), rung_names[_i]);
}
END_TEST

START_TEST(a_fault_that_is_over_is_recovered_from)
{
    uint32_t got;

    refuse(2, 1 * MS);
    wait_for(3 * MS, IDLE_ANY, &got);
    ck_assert_uint_ge(stats().rung, IDLE_RUNG_ALARM);
    idle_test_age(iv, 61000 * MS);
    wait_for(3 * MS, IDLE_ANY, &got);
    ck_assert_uint_eq(stats().rung, IDLE_RUNG_WORD);
    ck_assert_uint_eq(stats().rung_entries[IDLE_RUNG_WORD], 1);
    ck_assert_uint_eq(stats().sliced, 0);
}
END_TEST

/* Late by more than 5 ms, always: found out after two windows of 32. */
START_TEST(a_sleep_that_is_late_is_left)
{
    struct idle_config config = {
        .force_exit = force_exit, .opaque = &exits, .fault_late_ns = 6 * MS};
    unsigned waits = 0;
    uint32_t got;

    teardown();
    iv = idle_vcpu_new(&config);
    ck_assert_ptr_nonnull(iv);
    while (stats().rung == IDLE_RUNG_WORD) {
        ck_assert_uint_lt(waits++, 1000);
        ck_assert_int_eq(wait_for(1 * MS, IDLE_ANY, &got), IDLE_WAKE_DEADLINE);
    }
    ck_assert_uint_ge(waits, 64);
    ck_assert_uint_eq(stats().oversleeps, 2);
    ck_assert_uint_eq(stats().rung_entries[IDLE_RUNG_CONDVAR], 1);
}
END_TEST

/* The windows of the protocol once more, on the other sleeps: a kick between
 * PARKED and the sleep, and one that comes too late for its park. */
START_TEST(no_rung_loses_a_kick_in_the_window)
{
    uint32_t got;

    idle_test_pin(iv, (enum idle_rung)_i);
    for (unsigned i = 0; i < 3; i++) {
        at(IDLE_HOOK_PARK_SET, 1, kick_stop);
        ck_assert_int_eq(wait_for(IDLE_NO_DEADLINE, IDLE_ANY, &got),
                         IDLE_WAKE_KICK);
        ck_assert_uint_eq(got, IDLE_STOP);
        /* Its wake may be left over: that is a stray, not the time. */
        ck_assert_int_eq(wait_for(2 * MS, IDLE_ANY, &got), IDLE_WAKE_DEADLINE);
    }
    ck_assert_uint_eq(stats().rung_changes, 0);
}
END_TEST

/* A policy set while running. */

static void set_spin(void)
{
    struct idle_policy spin;
    char err[200];

    idle_policy_parse("spin", &spin, err, sizeof(err));
    idle_set_policy(iv, &spin);
}

START_TEST(a_new_policy_reaches_a_sleeper)
{
    pthread_t thread = later(set_spin);
    uint32_t got;

    ck_assert_int_eq(wait_for(IDLE_NO_DEADLINE, IDLE_ANY, &got),
                     IDLE_WAKE_EARLY);
    ck_assert_uint_eq(got, 0);
    pthread_join(thread, NULL);
    ck_assert_int_eq(wait_for(IDLE_NO_DEADLINE, IDLE_ANY, &got),
                     IDLE_WAKE_EARLY);
    ck_assert_uint_eq(idle_enter(iv), 0);
    ck_assert_uint_eq(idle_leave(iv), 0);
}
END_TEST

START_TEST(a_new_policy_is_no_reason)
{
    uint32_t got;

    set_spin();
    ck_assert_uint_eq(idle_enter(iv), 0);
    ck_assert_uint_eq(atomic_load(&exits), 0);
    ck_assert_uint_eq(idle_leave(iv), 0);
    ck_assert_int_eq(wait_for(1000 * MS, IDLE_ANY, &got), IDLE_WAKE_EARLY);

    struct idle_policy halt = {.name = "halt"};
    ck_assert_uint_eq(idle_enter(iv), 0);
    idle_set_policy(iv, &halt);
    ck_assert_uint_eq(atomic_load(&exits), 0);
    ck_assert_uint_eq(idle_leave(iv), 0);
    ck_assert_int_eq(wait_for(2 * MS, IDLE_ANY, &got), IDLE_WAKE_DEADLINE);
}
END_TEST

START_TEST(an_unknown_policy_is_not_taken)
{
    struct idle_policy nonsense = {.name = "nonsense"};
    uint32_t got;

    idle_set_policy(iv, &nonsense);
    ck_assert_int_eq(wait_for(2 * MS, IDLE_ANY, &got), IDLE_WAKE_DEADLINE);
}
END_TEST

static atomic_uint first_sleeps;

static void count_first_sleep(void *opaque)
{
    ck_assert_ptr_eq(opaque, &exits);
    atomic_fetch_add(&first_sleeps, 1);
    atomic_store(&parking, true); /* for `later` */
}

/* A vCPU old enough for its policy to sleep on every WFI. */
static void use_sleep(const char *policy)
{
    struct idle_config config = {.force_exit = force_exit,
                                 .first_sleep = count_first_sleep,
                                 .opaque = &exits};
    char err[200];

    teardown();
    atomic_store(&first_sleeps, 0);
    ck_assert(idle_policy_parse(policy, &config.policy, err, sizeof(err)));
    iv = idle_vcpu_new(&config);
    ck_assert_ptr_nonnull(iv);
    idle_vcpu_attach(iv);
    idle_test_age(iv, 15000 * MS);
}

/* Kicked in its first third it sleeps to its end; the kick is not lost. */
START_TEST(a_sleep_is_deaf_to_kicks)
{
    uint64_t began;
    uint32_t got;
    pthread_t kicker;

    use_sleep("sleep,us=400000");
    kicker = later(kick_irq);
    began = idle_now_ns();
    ck_assert_int_eq(wait_for(60000 * MS, IDLE_ANY, &got), IDLE_WAKE_KICK);
    ck_assert_uint_ge(idle_now_ns() - began, 400 * MS);
    ck_assert_uint_eq(got, IDLE_IRQ);
    pthread_join(kicker, NULL);
    ck_assert_uint_eq(stats().wake_syscalls, 0);
    ck_assert_uint_eq(stats().entries[IDLE_STATE_SLICED], 1);
}
END_TEST

START_TEST(a_sleep_ends_the_wait_early_or_late)
{
    uint32_t got;

    use_sleep("sleep,us=2000");
    ck_assert_int_eq(wait_for(60000 * MS, IDLE_ANY, &got), IDLE_WAKE_EARLY);
    ck_assert_int_eq(wait_for(1 * MS, IDLE_ANY, &got), IDLE_WAKE_DEADLINE);
    ck_assert_uint_eq(stats().wakes_timer, 1);
    ck_assert_uint_eq(sum(stats().timer_late), 1);
    ck_assert_uint_eq(atomic_load(&first_sleeps), 1);
}
END_TEST

/* Held, or off: the policy is for the guest's WFI only. */
START_TEST(a_wait_of_the_callers_own_ignores_the_policy)
{
    uint32_t got;

    teardown();
    use("spin");
    ck_assert_int_eq(wait_for(2 * MS, IDLE_STOP | IDLE_RESUME, &got),
                     IDLE_WAKE_DEADLINE);
    teardown();
    use("nodeadline");
    ck_assert_int_eq(wait_for(2 * MS, IDLE_STOP | IDLE_RESUME, &got),
                     IDLE_WAKE_DEADLINE);
}
END_TEST

START_TEST(nodeadline_hangs_until_a_kick)
{
    pthread_t kicker;
    uint64_t began;
    uint32_t got;

    teardown();
    use("nodeadline");
    kicker = later(kick_irq);
    began = idle_now_ns();
    ck_assert_int_eq(wait_for(1 * MS, IDLE_ANY, &got), IDLE_WAKE_KICK);
    ck_assert_uint_gt(idle_now_ns() - began, 1 * MS);
    pthread_join(kicker, NULL);
    ck_assert_uint_eq(stats().wakes_timer, 0);
}
END_TEST

START_TEST(pending_work_is_counted)
{
    idle_pending(iv);
    ck_assert_uint_eq(stats().entries[IDLE_STATE_PENDING], 1);
}
END_TEST

/* Polling catches a kick without a system call. */
START_TEST(poll_catches_kicks)
{
    uint32_t got;

    teardown();
    use("park,poll,share=100");
    /* Kicked by ourselves on the way to sleep: idle for microseconds. */
    for (unsigned i = 0; i < 16; i++) {
        at(IDLE_HOOK_PARK_SET, 1, kick_irq);
        ck_assert_int_eq(wait_for(50 * MS, IDLE_ANY, &got), IDLE_WAKE_KICK);
    }
    ck_assert_int_eq(wait_for(2 * MS, IDLE_ANY, &got), IDLE_WAKE_DEADLINE);
    ck_assert_uint_gt(stats().entries[IDLE_STATE_POLL], 0);
    ck_assert_uint_eq(stats().entries[IDLE_STATE_POLL],
                      stats().poll_hits + stats().poll_misses);
    ck_assert_uint_gt(stats().poll_ns, 0);
}
END_TEST

START_TEST(statistics_know_the_margins_and_the_thread)
{
    struct idle_stats s;
    uint32_t got;

    /* Too short to sleep for. */
    for (unsigned i = 0; i < 20; i++)
        wait_for(5000, IDLE_ANY, &got);
    s = stats();
    ck_assert_uint_gt(s.margin_ns[19], 0);
    ck_assert_uint_gt(s.margin_ns[30], 0);
    ck_assert_uint_gt(s.cpu_ns, 0);
    ck_assert_uint_gt(s.entries[IDLE_STATE_SPIN], 0);
    ck_assert_uint_gt(s.budget_spent_ns, 0);
}
END_TEST

static atomic_uint warmed;

static void count_warm(void *opaque)
{
    ck_assert_ptr_eq(opaque, &exits);
    atomic_fetch_add(&warmed, 1);
}

/* Before each spin of a WFI, and at no other time. */
START_TEST(a_spin_is_a_chance_to_warm_up)
{
    struct idle_config config = {
        .force_exit = force_exit, .warm = count_warm, .opaque = &exits};
    uint32_t got;

    teardown();
    iv = idle_vcpu_new(&config);
    ck_assert_ptr_nonnull(iv);
    idle_vcpu_attach(iv);
    at(IDLE_HOOK_PARK_SET, 1, kick_irq);
    ck_assert_int_eq(wait_for(50 * MS, IDLE_ANY, &got), IDLE_WAKE_KICK);
    ck_assert_uint_eq(atomic_load(&warmed), 0);
    wait_for(5000, IDLE_ANY & ~IDLE_IRQ, &got); /* the caller's own */
    ck_assert_uint_eq(atomic_load(&warmed), 0);
    for (unsigned i = 0; i < 20; i++)
        wait_for(5000, IDLE_ANY, &got);
    ck_assert_uint_gt(atomic_load(&warmed), 0);
    ck_assert_uint_eq(atomic_load(&warmed), stats().entries[IDLE_STATE_SPIN]);
}
END_TEST

static void add_protocol(Suite *suite)
{
    TCase *tc = tcase_create("protocol");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, new_refuses_nonsense);
    tcase_add_test(tc, new_without_a_policy_parks);
    tcase_add_test(tc, enter_and_leave_with_nothing_asked);
    tcase_add_test(tc, enter_refuses_what_was_asked_before);
    tcase_add_test(tc, kick_forces_a_guest_out);
    tcase_add_test(tc, kicks_coalesce_per_reason);
    tcase_add_test(tc, every_reason_arrives);
    tcase_add_test(tc, paused_vcpu_latches_interrupts);
    tcase_add_test(tc, latched_reasons_survive_a_deadline);
    tcase_add_test(tc, stop_is_not_swallowed_by_a_latched_interrupt);
    tcase_add_loop_test(tc, a_kick_in_any_window_is_seen, 0,
                        sizeof(windows) / sizeof(windows[0]));
    tcase_add_test(tc, a_kick_after_the_sleep_is_not_lost);
    tcase_add_test(tc, a_late_wake_ends_no_later_wait);
    tcase_add_test(tc, an_owed_wake_is_consumed);
    suite_add_tcase(suite, tc);
}

static void add_waiting(Suite *suite)
{
    TCase *tc = tcase_create("waiting");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 30);
    tcase_add_test(tc, wait_returns_what_is_pending);
    tcase_add_test(tc, wait_prefers_what_is_pending_to_the_deadline);
    tcase_add_test(tc, wait_does_not_sleep_past_a_deadline);
    tcase_add_loop_test(tc, wait_ends_at_the_deadline_and_not_before, 0,
                        sizeof(sleeping) / sizeof(sleeping[0]));
    tcase_add_test(tc, wait_ends_at_a_kick);
    tcase_add_test(tc, spin_policy_does_not_wait);
    tcase_add_test(tc, strays_are_absorbed_and_counted);
    tcase_add_test(tc, backstop_with_nothing_to_do_is_not_told);
    tcase_add_test(tc, backstop_waits_for_a_late_wake);
    tcase_add_test(tc, backstop_knows_a_wake_that_found_nobody);
    tcase_add_test(tc, backstop_finds_a_lost_wake);
    tcase_add_test(tc, broken_sleep_is_left_for_slices);
    tcase_add_test(tc, a_sound_sleep_is_taken_back);
    tcase_add_loop_test(tc, a_refused_sleep_is_replaced, 0, IDLE_RUNGS);
    tcase_add_test(tc, a_fault_that_is_over_is_recovered_from);
    tcase_add_test(tc, a_sleep_that_is_late_is_left);
    tcase_add_loop_test(tc, no_rung_loses_a_kick_in_the_window, 0,
                        IDLE_RUNG_SLICES);
    tcase_add_test(tc, a_new_policy_reaches_a_sleeper);
    tcase_add_test(tc, a_new_policy_is_no_reason);
    tcase_add_test(tc, an_unknown_policy_is_not_taken);
    tcase_add_test(tc, a_sleep_is_deaf_to_kicks);
    tcase_add_test(tc, a_sleep_ends_the_wait_early_or_late);
    tcase_add_test(tc, a_wait_of_the_callers_own_ignores_the_policy);
    tcase_add_test(tc, nodeadline_hangs_until_a_kick);
    tcase_add_test(tc, pending_work_is_counted);
    tcase_add_test(tc, poll_catches_kicks);
    tcase_add_test(tc, a_spin_is_a_chance_to_warm_up);
    tcase_add_test(tc, statistics_know_the_margins_and_the_thread);
    suite_add_tcase(suite, tc);
}

int main(void)
{
    Suite *suite = suite_create("idle");

    add_protocol(suite);
    add_waiting(suite);
    return run_suite(suite);
}
