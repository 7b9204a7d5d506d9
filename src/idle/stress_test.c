/*
 * The governor under fire: one vCPU thread that enters, waits and pauses,
 * producers that publish and kick, and faults inside the protocol's windows.
 *
 * What must hold: whatever was published before a kick is seen by the vCPU
 * that acts on the bit; everything raised is seen soon after the last kick,
 * with nobody left to rescue it (each round ends in a quiet tail); RESUME and
 * STOP arrive; and no sleep is ended by the backstop with a reason set, since
 * that is how a lost wake looks from inside.
 *
 * What the faults are good for is known from the mutants (testing/mutants.sh):
 * strays and a second producer rescue lost wakes, so there are cases without;
 * and without pauses in the windows most mutants survive for minutes.
 *
 * IDLE_STRESS_MS sets how long each case lasts.
 */
#include "hook.h"
#include "relax.h"
#include "testing/suite.h"

#include <lull/idle.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define US 1000ULL
#define MS 1000000ULL

enum { PRODUCERS_MAX = 4, DEFAULT_CASE_MS = 800 };

/* Far above any pre-emption between a kicker's bit and its wake, which would
 * look like a lost wake; a lost wake still shows many times in a second. */
#define BACKSTOP_NS (400 * MS)
#define WATCHDOG_NS (2000 * MS)

static const struct stress {
    const char *name;
    unsigned producers;
    bool pauses;  /* in the windows of both sides */
    bool at_once; /* sleeps that return without sleeping */
    bool strays;  /* wakes and signals for no reason */
    const char *policy;
    enum idle_rung rung;
} cases[] = {
    {"one producer", 1, false, false, false, "park", IDLE_RUNG_WORD},
    {"one producer, pauses", 1, true, false, false, "halt", IDLE_RUNG_WORD},
    {"one producer, pauses, polling", 1, true, false, false,
     "park,poll,share=50", IDLE_RUNG_WORD},
    {"four producers", 4, false, false, false, "park", IDLE_RUNG_WORD},
    {"four producers, pauses", 4, true, false, false, "park", IDLE_RUNG_WORD},
    {"four producers, pauses, strays", 4, true, true, true, "park",
     IDLE_RUNG_WORD},
    {"condvar, one producer, pauses", 1, true, false, false, "park",
     IDLE_RUNG_CONDVAR},
    {"condvar, four producers, pauses", 4, true, false, false, "park",
     IDLE_RUNG_CONDVAR},
    {"condvar, four producers, pauses, strays", 4, true, true, true, "park",
     IDLE_RUNG_CONDVAR},
#ifndef TESTING_DARWIN /* which has no alarm */
    {"alarm, one producer, pauses", 1, true, false, false, "park",
     IDLE_RUNG_ALARM},
    {"alarm, four producers, pauses", 4, true, false, false, "park",
     IDLE_RUNG_ALARM},
    {"alarm, four producers, pauses, strays", 4, true, true, true, "park",
     IDLE_RUNG_ALARM},
#endif
};

static const struct stress *now_testing;
static struct idle_vcpu *iv;

/* One producer's: a letter in plain memory, under a reason bit of its own, and
 * a count under the reason that all share. */
static struct producer {
    uint64_t letter; /* plain: the kick orders it */
    uint64_t sent;   /* the producer's own */
    _Atomic uint64_t acked;
    _Atomic uint64_t raised; /* relaxed: the kick orders it */
    _Atomic uint64_t seen;
    uint32_t bit;
} producers[PRODUCERS_MAX];

static _Atomic uint64_t work_queued, work_done;
static atomic_bool stopped, paused, forced, no_deadlines, finishing;
static _Atomic(const char *) failure;

static void broken(const char *what)
{
    const char *none = NULL;

    atomic_compare_exchange_strong(&failure, &none, what);
}

static uint32_t random_below(uint32_t n)
{
    static _Thread_local uint64_t state;
    static _Atomic uint64_t threads = 1;

    if (state == 0)
        state = atomic_fetch_add(&threads, 1) * 0x9e3779b97f4a7c15ULL;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 32) % n;
}

static void nap(uint64_t ns)
{
    const struct timespec t = {0, (long)ns};

    nanosleep(&t, NULL);
}

/* A pause of any kind: nothing, a few instructions, a yield, a sleep. */
static void some_pause(void)
{
    switch (random_below(8)) {
    case 0:
        for (uint32_t i = random_below(2000); i > 0; i--)
            cpu_relax();
        return;
    case 1:
        sched_yield();
        return;
    case 2:
        nap(random_below(100) * US);
        return;
    default:
        return;
    }
}

bool idle_test_hook(enum idle_hook at)
{
    if (now_testing->pauses)
        some_pause();
    /* In the mutants' own windows always: they are theirs to be caught in. */
    if (at == IDLE_HOOK_MUTANT && now_testing->pauses)
        nap(random_below(50) * US);
    return at == IDLE_HOOK_SLEEP && now_testing->at_once &&
           random_below(4) == 0;
}

/* The vCPU. */

static void force_exit(void *opaque)
{
    atomic_store(&forced, true);
}

static void run_guest(void)
{
    bool endless = random_below(8) == 0;
    uint32_t looks = random_below(64);

    while (!atomic_exchange(&forced, false) && (endless || looks-- > 0)) {
        if (endless)
            nap(20 * US);
        cpu_relax();
    }
}

static void open_letter(struct producer *p)
{
    uint64_t acked = atomic_load_explicit(&p->acked, memory_order_relaxed);

    if (p->letter != acked + 1)
        broken("a letter was not there when its bit was");
    atomic_store_explicit(&p->acked, p->letter, memory_order_release);
}

static void serve(uint32_t got)
{
    for (unsigned i = 0; i < PRODUCERS_MAX; i++) {
        struct producer *p = &producers[i];

        if (got & p->bit)
            open_letter(p);
        if (got & IDLE_IRQ)
            atomic_store(&p->seen, atomic_load_explicit(&p->raised,
                                                        memory_order_relaxed));
    }
    if (got & IDLE_WORK)
        atomic_store(&work_done,
                     atomic_load_explicit(&work_queued, memory_order_relaxed));
    if (got & IDLE_STOP)
        atomic_store(&stopped, true);
}

static void pause_vcpu(void)
{
    const uint32_t wakeset = IDLE_STOP | IDLE_RESUME | IDLE_WORK;
    uint32_t got = 0;

    atomic_store(&paused, true);
    while (!(got & (IDLE_STOP | IDLE_RESUME))) {
        idle_wait(iv, IDLE_NO_DEADLINE, wakeset, &got);
        if (got & ~wakeset)
            broken("a reason outside the wakeset was taken");
        serve(got);
    }
    atomic_store(&paused, false);
}

static uint64_t some_deadline(void)
{
    if (atomic_load_explicit(&no_deadlines, memory_order_relaxed))
        return IDLE_NO_DEADLINE;
    return idle_now_ns() + random_below(1000) * US;
}

static void *vcpu_main(void *unused)
{
    idle_vcpu_attach(iv);
    while (!atomic_load(&stopped)) {
        uint32_t got = idle_enter(iv);

        if (got == 0) {
            run_guest();
            got = idle_leave(iv);
        }
        serve(got);
        if (got & IDLE_PAUSE)
            pause_vcpu();
        if (atomic_load(&stopped) || random_below(4) == 0)
            continue;
        idle_wait(iv, some_deadline(), IDLE_ANY, &got);
        serve(got);
        if (got & IDLE_PAUSE)
            pause_vcpu();
    }
    return NULL;
}

/* Who kicks. */

static void send_letter(struct producer *p)
{
    if (atomic_load_explicit(&p->acked, memory_order_acquire) != p->sent)
        return;
    p->letter = ++p->sent;
    idle_kick(iv, (enum idle_reason)p->bit);
}

static void raise_irq(struct producer *p)
{
    atomic_fetch_add_explicit(&p->raised, 1, memory_order_relaxed);
    idle_kick(iv, IDLE_IRQ);
}

static void *producer_main(void *arg)
{
    struct producer *p = arg;

    for (uint32_t n = 1 + random_below(20); n > 0; n--) {
        if (random_below(2))
            send_letter(p);
        else
            raise_irq(p);
        if (random_below(2))
            nap(random_below(200) * US);
    }
    return NULL;
}

static void *stray_main(void *vcpu)
{
    while (!atomic_load(&finishing)) {
        idle_stray(iv);
        if (random_below(4) == 0)
            pthread_kill(*(pthread_t *)vcpu, SIGUSR1);
        nap(random_below(300) * US);
    }
    return NULL;
}

static void ignore_signal(int number)
{
}

/* The conductor. */

static bool all_seen(void)
{
    for (unsigned i = 0; i < PRODUCERS_MAX; i++) {
        if (atomic_load(&producers[i].acked) != producers[i].sent ||
            atomic_load(&producers[i].seen) !=
                atomic_load(&producers[i].raised))
            return false;
    }
    return atomic_load(&work_done) == atomic_load(&work_queued);
}

static bool is_paused(void)
{
    return atomic_load(&paused);
}

static bool is_stopped(void)
{
    return atomic_load(&stopped);
}

/* Wait for it, kicking nobody. */
static void expect_soon(bool (*condition)(void), const char *otherwise)
{
    uint64_t deadline = idle_now_ns() + WATCHDOG_NS;

    while (!condition() && !atomic_load(&failure)) {
        if (idle_now_ns() > deadline)
            broken(otherwise);
        nap(100 * US);
    }
}

static void pause_first(void)
{
    idle_kick(iv, IDLE_PAUSE);
    expect_soon(is_paused, "PAUSE was lost");
}

static void then_resume(void)
{
    atomic_fetch_add_explicit(&work_queued, 1, memory_order_relaxed);
    idle_kick(iv, IDLE_WORK);
    if (random_below(2))
        nap(random_below(200) * US);
    idle_kick(iv, IDLE_RESUME);
}

/* Some kicks from everyone, then silence: whatever was raised must be seen. */
static void round_of_kicks(void)
{
    pthread_t threads[PRODUCERS_MAX];
    bool pausing = random_below(4) == 0;

    atomic_store(&no_deadlines, random_below(4) != 0);
    if (pausing)
        pause_first();
    for (unsigned i = 0; i < now_testing->producers; i++)
        pthread_create(&threads[i], NULL, producer_main, &producers[i]);
    for (unsigned i = 0; i < now_testing->producers; i++)
        pthread_join(threads[i], NULL);
    if (pausing)
        then_resume();
    expect_soon(all_seen, "a kick was lost");
}

/* Ends the vCPU's thread even if the protocol under test is broken: a stray
 * makes it look again. */
static void stop_vcpu(pthread_t vcpu)
{
    idle_kick(iv, IDLE_STOP);
    expect_soon(is_stopped, "STOP was lost");
    while (!atomic_load(&stopped)) {
        idle_kick(iv, IDLE_STOP);
        force_exit(NULL);
        idle_stray(iv);
        nap(1 * MS);
    }
    pthread_join(vcpu, NULL);
}

static void start(const struct stress *stress)
{
    struct idle_config config = {.force_exit = force_exit,
                                 .backstop_ns = BACKSTOP_NS};
    char err[200];

    now_testing = stress;
    atomic_store(&failure, NULL);
    for (unsigned i = 0; i < PRODUCERS_MAX; i++)
        producers[i] = (struct producer){.bit = 1u << (8 + i)};
    atomic_store(&work_queued, 0);
    atomic_store(&work_done, 0);
    atomic_store(&stopped, false);
    atomic_store(&paused, false);
    atomic_store(&forced, false);
    atomic_store(&finishing, false);
    ck_assert(
        idle_policy_parse(stress->policy, &config.policy, err, sizeof(err)));
    iv = idle_vcpu_new(&config);
    ck_assert_ptr_nonnull(iv);
    idle_test_pin(iv, stress->rung);
    signal(SIGUSR1, ignore_signal);
}

static uint64_t case_ns(void)
{
    const char *text = getenv("IDLE_STRESS_MS");
    long ms = text ? strtol(text, NULL, 10) : 0;

    return (ms > 0 ? (uint64_t)ms : DEFAULT_CASE_MS) * MS;
}

static void judge(const struct stress *stress, unsigned rounds)
{
    struct idle_stats s;

    idle_stats_read(iv, &s);
    printf("%s: %u rounds, %llu kicks, %llu wakes, %llu forced exits, "
           "%llu strays, %llu by the backstop\n",
           stress->name, rounds, (unsigned long long)s.kicks,
           (unsigned long long)s.wake_syscalls,
           (unsigned long long)s.forced_exits,
           (unsigned long long)s.wakes_stray,
           (unsigned long long)s.wakes_backstop);
    ck_assert_msg(!atomic_load(&failure), "%s", atomic_load(&failure));
    ck_assert_uint_eq(s.wakes_backstop, 0);
    ck_assert_uint_eq(s.rung, stress->rung);
    ck_assert_uint_eq(s.rung_changes, 0);
    ck_assert_uint_gt(s.wake_syscalls, 0);
    ck_assert_uint_gt(s.forced_exits, 0);
}

START_TEST(nothing_is_lost)
{
    const struct stress *stress = &cases[_i];
    uint64_t end = idle_now_ns() + case_ns();
    pthread_t vcpu, strays;
    unsigned rounds = 0;

    start(stress);
    ck_assert_int_eq(pthread_create(&vcpu, NULL, vcpu_main, NULL), 0);
    if (stress->strays)
        pthread_create(&strays, NULL, stray_main, &vcpu);
    while (idle_now_ns() < end && !atomic_load(&failure)) {
        round_of_kicks();
        rounds++;
    }
    atomic_store(&finishing, true);
    if (stress->strays)
        pthread_join(strays, NULL);
    stop_vcpu(vcpu);
    judge(stress, rounds);
    idle_vcpu_free(iv);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("stress");
    TCase *tc = tcase_create("stress");

    setvbuf(stdout, NULL, _IOLBF, 0);
    tcase_set_timeout(tc, 30 + (double)case_ns() / 1e9);
    tcase_add_loop_test(tc, nothing_is_lost, 0,
                        sizeof(cases) / sizeof(cases[0]));
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
