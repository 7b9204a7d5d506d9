/*
 * From an observation to a verdict: the rules, in one table, in the order in
 * which they are asked. The first that holds is the verdict.
 *
 * Wall time is no measure: on a busy host everything happens more slowly. So
 * what threads did is set against the CPU time it cost. A storm is work in
 * which a second of CPU goes to thousands of wake-ups; that ratio is the same
 * however little CPU there is to have. And a thread's load is its CPU time over
 * the time that was left to it when others did not have the CPU.
 */
#include "doctor.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/*
 * Below this, in percent of a core over all threads, nothing is hot. An idle
 * Linux guest is at 0.2 to 0.5 under Lull or QEMU, a guest with a 1000 Hz tick
 * at 2 to 6; a vCPU that does not sleep is at 100.
 */
#define HOT_PERCENT 10
/*
 * Wake-ups of vCPUs per second of the process's CPU time that make a storm. A
 * busy guest with a 1000 Hz tick has 1000, vCPUs that spin and fight for
 * QEMU's lock 300 to 1300; a guest that does nothing but wake up has 27000 and
 * more, as a wake-up costs at most 40 us (all measured, 2 slow cores).
 */
#define STORM_PER_CPU_S 4000
/* WFIs per second of CPU that no work explains, and how many there must be for
 * each event (timer, kick) that could end one: a WFI that waits needs one. */
#define SPIN_WFI_PER_CPU_S 4000
#define SPIN_WFI_PER_EVENT 4
/* Share of looks that must find a hot vCPU at a WFI: a guest that computes is
 * never seen there, one whose WFIs return nearly always, and Linux's idle loop
 * around the WFI is short beside the exit that a WFI is. */
#define SPIN_PC_PERCENT 15
enum { FEW_LOOKS = 5 };
/* A vCPU that is awake so much is not kept so by wake-ups alone, under HVF. */
#define AWAKE_PERCENT 66
/*
 * CPU time that a vCPU thread has used in its life if it never ran its guest:
 * measured 0.1 to 0.45 ms, for being made. What ran a guest used 0.97 ms and
 * more, Linux over 10 ms, and wakes now and then: more often than the thread of
 * one that is off does for the monitor's own purposes, in a window of seconds.
 */
#define NEVER_RAN_NS 700000
#define NEVER_RAN_WAKES 2
/* Accesses to the GIC that an interrupt takes: acknowledge, end, and send or
 * deactivate. What a vCPU sends itself shows in these alone, as nobody has to
 * be kicked for it. */
#define GIC_ACCESSES_PER_INTERRUPT 3
/* A thread is at fault if it takes at least this share of all that is used. */
#define MOST_PERCENT 50
/* Share of looks at a sleeping thread that must find a short timeout: kick
 * storms have none but for the guest's tick. Under load, QEMU's main loop is
 * half the time between a timer that has fired and one that is set. */
#define NEAR_PERCENT 25
/* QEMU's main loop takes part in a storm from this share of its wakes on. */
#define PART_PERCENT 25

/* ---- what the rules look at -------------------------------------------------
 */

struct sums {
    const struct doctor_observation *seen;
    double load;  /* percent of a core, all threads */
    double cpu_s; /* CPU seconds used in the window, all threads */
    const struct doctor_thread *hottest, *hot_vcpu, *main;
    double vcpu_load;
    bool counted; /* Lull: the counters are there */
    /* The vCPUs'; `own`: interrupts that took neither timer nor kick. */
    uint64_t wakes, wfis, pending, timers, kicks, strays, own;
};

double doctor_load_percent(const struct doctor_observation *seen,
                           const struct doctor_thread *thread)
{
    double ns = seen->seconds * 1e9 - (double)thread->delay_ns;

    /* The accounts are read one after the other: no more than all the time. */
    if (ns < (double)thread->run_ns)
        ns = (double)thread->run_ns;
    return ns > 0 ? 100 * (double)thread->run_ns / ns : 0;
}

static uint64_t less(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

static void add_vcpu(struct sums *sums, const struct doctor_thread *thread)
{
    const struct doctor_thread *hot = sums->hot_vcpu;

    sums->vcpu_load += doctor_load_percent(sums->seen, thread);
    if (hot == NULL || thread->run_ns > hot->run_ns)
        sums->hot_vcpu = thread;
    sums->counted |= thread->counted;
    sums->wakes += thread->wakes;
    sums->wfis += thread->wfis;
    sums->pending += thread->pending;
    sums->timers += thread->timers;
    sums->kicks += thread->kicks;
    sums->own += less(thread->gic_accesses / GIC_ACCESSES_PER_INTERRUPT,
                      thread->kicks + thread->timers);
    sums->strays += thread->strays;
}

static void add_up(const struct doctor_observation *seen, struct sums *sums)
{
    double hottest = -1;

    *sums = (struct sums){.seen = seen};
    for (size_t i = 0; i < seen->thread_count; i++) {
        const struct doctor_thread *thread = &seen->thread[i];
        double load = doctor_load_percent(seen, thread);

        sums->load += load;
        sums->cpu_s += (double)thread->run_ns / 1e9;
        if (load > hottest) {
            hottest = load;
            sums->hottest = thread;
        }
        if (thread->role == DOCTOR_MAIN)
            sums->main = thread;
        if (thread->role == DOCTOR_VCPU)
            add_vcpu(sums, thread);
    }
}

/* Per second of CPU time. */
static double per_cpu_s(const struct sums *sums, uint64_t events)
{
    return sums->cpu_s > 0 ? (double)events / sums->cpu_s : 0;
}

static double per_s(const struct sums *sums, uint64_t events)
{
    return sums->seen->seconds > 0 ? (double)events / sums->seen->seconds : 0;
}

__attribute__((format(printf, 2, 3))) static void
say(struct doctor_verdict *verdict, const char *format, ...)
{
    va_list args;

    if (verdict->evidence_lines == DOCTOR_LINES_MAX)
        return;
    va_start(args, format);
    vsnprintf(verdict->evidence[verdict->evidence_lines++], DOCTOR_TEXT_BYTES,
              format, args);
    va_end(args);
}

__attribute__((format(printf, 2, 3))) static void
advise(struct doctor_verdict *verdict, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(verdict->remedy, sizeof(verdict->remedy), format, args);
    va_end(args);
}

static void say_load(const struct sums *sums, const struct doctor_thread *of,
                     struct doctor_verdict *verdict)
{
    char who[32] = "";

    if (of->role == DOCTOR_VCPU)
        snprintf(who, sizeof(who), ", vCPU %u", of->vcpu);
    verdict->thread = of->id;
    say(verdict,
        "thread %" PRId64 " (%s%s) loads a core to %.0f %%, %.0f %% of "
        "all that the process uses",
        of->id, of->name, who, doctor_load_percent(sums->seen, of),
        sums->load > 0 ? 100 * doctor_load_percent(sums->seen, of) / sums->load
                       : 0);
}

/* ---- a vCPU that never ran
 * ---------------------------------------------------
 */

static bool never_ran(const struct doctor_observation *seen,
                      const struct doctor_thread *thread)
{
    if (thread->role != DOCTOR_VCPU)
        return false;
    if (thread->counted)
        return thread->off && !thread->ever_on;
    if (strcmp(seen->status, "prelaunch") == 0)
        return true;
    if (thread->pc_samples > 0)
        return thread->at_reset;
    return thread->life_ns < NEVER_RAN_NS && thread->wakes <= NEVER_RAN_WAKES;
}

static void say_never_ran(const struct doctor_thread *thread,
                          struct doctor_verdict *verdict)
{
    if (verdict->thread == 0)
        verdict->thread = thread->id;
    if (thread->counted)
        say(verdict, "vCPU %u is off, and was never switched on by PSCI CPU_ON",
            thread->vcpu);
    else
        say(verdict,
            "vCPU %u (thread %" PRId64 ") has used %.2f ms of CPU in its "
            "life%s",
            thread->vcpu, thread->id, (double)thread->life_ns / 1e6,
            thread->pc_samples > 0 && thread->at_reset
                ? ", and its registers are as reset left them"
                : ", and hardly wakes");
}

static bool never_started(const struct sums *sums,
                          struct doctor_verdict *verdict)
{
    const struct doctor_observation *seen = sums->seen;
    unsigned vcpus = 0, idle = 0;

    for (size_t i = 0; i < seen->thread_count; i++) {
        vcpus += seen->thread[i].role == DOCTOR_VCPU;
        if (!never_ran(seen, &seen->thread[i]))
            continue;
        idle++;
        say_never_ran(&seen->thread[i], verdict);
    }
    if (idle == 0)
        return false;
    if (idle == vcpus)
        advise(verdict, "%s",
               seen->held_at_start
                   ? "It was started with -S and waits for `cont` on its "
                     "monitor or QMP socket."
                   : "No vCPU runs: resume it, and look at why it was not "
                     "started.");
    else
        advise(verdict,
               "The guest has not switched on %u of its %u vCPUs: look for "
               "maxcpus= or nosmp on its command line and for CPU errors in "
               "its boot log, or order fewer vCPUs.",
               idle, vcpus);
    return true;
}

/* ---- cool
 * --------------------------------------------------------------------
 */

static bool cool(const struct sums *sums)
{
    return sums->load < HOT_PERCENT;
}

static bool cool_never_started(const struct sums *sums,
                               struct doctor_verdict *verdict)
{
    return cool(sums) && strcmp(sums->seen->status, "paused") != 0 &&
           never_started(sums, verdict);
}

static bool healthy(const struct sums *sums, struct doctor_verdict *verdict)
{
    if (!cool(sums))
        return false;
    say(verdict, "all threads together load a core to %.2f %%", sums->load);
    say(verdict, "the vCPUs wake up %.1f times a second",
        per_s(sums, sums->wakes));
    if (strcmp(sums->seen->status, "paused") == 0)
        say(verdict, "the VM is paused");
    return true;
}

/* ---- WFI that returns
 * --------------------------------------------------------
 */

static bool is_11_0(const char *version)
{
    return strncmp(version, "11.0", 4) == 0 &&
           (version[4] == '\0' || version[4] == '.' || version[4] == ' ' ||
            version[4] == '-');
}

/* The accelerator in which QEMU 11.0's WFI does not wait. */
static bool has_defect(const struct doctor_observation *seen)
{
    return seen->kind == DOCTOR_QEMU && strcmp(seen->accel, "hvf") == 0 &&
           is_11_0(seen->version);
}

static bool counted_wfis_return(const struct sums *sums,
                                struct doctor_verdict *verdict)
{
    const struct doctor_observation *seen = sums->seen;
    uint64_t events = sums->timers + sums->kicks;

    if (!sums->counted || per_cpu_s(sums, sums->wfis) < SPIN_WFI_PER_CPU_S ||
        sums->wfis < SPIN_WFI_PER_EVENT * events)
        return false;
    say_load(sums, sums->hot_vcpu, verdict);
    say(verdict,
        "%.0f WFIs a second, and %.0f events (timers, kicks) that could "
        "have ended one",
        per_s(sums, sums->wfis), per_s(sums, events));
    if (seen->faults)
        advise(verdict, "It runs with --fault, which makes WFIs return: leave "
                        "it out.");
    else if (sums->pending * 2 > sums->wfis &&
             strncmp(seen->policy, "spin", 4) != 0)
        advise(verdict, "An interrupt is pending that the guest does not take, "
                        "which ends each WFI as the architecture says. Look "
                        "for a driver that leaves its line up.");
    else
        advise(verdict,
               "The idle policy %s (from %s) lets WFI return: `lull idle %s "
               "park` switches it now, --idle park or no LULL_IDLE and no "
               "HVF_WFI_SLEEP at the next start.",
               seen->policy, seen->policy_from, seen->name);
    return true;
}

/*
 * HVF's vCPUs take QEMU's lock at every exit. Where WFI returns at once they
 * fight for it, and wake up often as well: up to 11000 times per second of CPU,
 * awake 80 to 90 % of the time. In a storm they are awake a third of it, and
 * wake 50000 times (all measured). TCG's vCPUs need no lock for a WFI.
 */
static bool sleeps_often(const struct sums *sums,
                         const struct doctor_thread *vcpu)
{
    bool fights = strcmp(sums->seen->accel, "hvf") == 0 &&
                  doctor_load_percent(sums->seen, vcpu) >= AWAKE_PERCENT;

    return per_cpu_s(sums, sums->wakes) >=
           (fights ? 4 * STORM_PER_CPU_S : STORM_PER_CPU_S);
}

/* QMP: the hot vCPU is mostly found at a WFI, so it is not waiting there. */
static bool seen_at_wfi(const struct sums *sums, struct doctor_verdict *verdict)
{
    const struct doctor_thread *vcpu = sums->hot_vcpu;

    if (vcpu == NULL || vcpu->pc_samples < FEW_LOOKS ||
        vcpu->pc_at_wfi * 100 < vcpu->pc_samples * SPIN_PC_PERCENT ||
        sleeps_often(sums, vcpu))
        return false;
    say_load(sums, vcpu, verdict);
    say(verdict,
        "%u of %u looks found its guest at a WFI, and it wakes up only %.0f "
        "times per second of CPU: it does not wait there",
        vcpu->pc_at_wfi, vcpu->pc_samples, per_cpu_s(sums, sums->wakes));
    return true;
}

static bool wfi_returns(const struct sums *sums, struct doctor_verdict *verdict)
{
    const struct doctor_observation *seen = sums->seen;

    if (cool(sums) || sums->hot_vcpu == NULL)
        return false;
    if (counted_wfis_return(sums, verdict))
        return true;
    if (seen_at_wfi(sums, verdict)) {
        if (has_defect(seen))
            say(verdict, "QEMU %s with HVF has that defect (its issue 3433)",
                seen->version);
        if (strcmp(seen->accel, "hvf") == 0)
            advise(verdict, "Take a QEMU with upstream's repair (commit "
                            "a86024eb2df5, after 11.0.0), or build one with "
                            "the series in qemu/ of Lull's sources.");
        else
            advise(verdict,
                   "WFI waits under %s, unless an interrupt is pending: look "
                   "for one that the guest leaves pending and never takes.",
                   seen->accel[0] != '\0' ? seen->accel : "other accelerators");
        return true;
    }
    /* By version alone: nothing contradicts it, for the vCPU does not sleep. */
    if (has_defect(seen) && sums->hot_vcpu->pc_samples < FEW_LOOKS &&
        per_cpu_s(sums, sums->wakes) < STORM_PER_CPU_S &&
        sums->vcpu_load * 100 >= sums->load * MOST_PERCENT) {
        say_load(sums, sums->hot_vcpu, verdict);
        say(verdict,
            "QEMU %s with HVF: there WFI returns at once (its issue 3433)",
            seen->version);
        say(verdict, "by version and load alone; --qmp SOCKET would show "
                     "whether the guest is at a WFI");
        advise(verdict, "Take a QEMU with upstream's repair (commit "
                        "a86024eb2df5, after 11.0.0), or build one with the "
                        "series in qemu/ of Lull's sources.");
        return true;
    }
    return false;
}

/* ---- storms
 * ------------------------------------------------------------------
 */

static void say_storm(const struct sums *sums, struct doctor_verdict *verdict)
{
    say_load(sums, sums->hot_vcpu, verdict);
    say(verdict,
        "the vCPUs wake up %.0f times a second, %.0f times per second of "
        "CPU",
        per_s(sums, sums->wakes), per_cpu_s(sums, sums->wakes));
}

static void advise_timer(struct doctor_verdict *verdict)
{
    advise(verdict,
           "The guest asks for all these timers: look for its busiest "
           "(/proc/interrupts, `perf stat -e timer:*` inside), a program that "
           "polls by short sleeps, or a kernel with a 1000 Hz tick and no "
           "NO_HZ.");
}

static void advise_kick(struct doctor_verdict *verdict)
{
    advise(verdict, "Interrupts from other vCPUs (/proc/interrupts in the "
                    "guest shows IPI lines that grow) or from a device whose "
                    "host side never rests (a flood on its console, network "
                    "or disk): find the sender and quieten it.");
}

static bool counted_storm(const struct sums *sums, uint64_t events,
                          const char *what, struct doctor_verdict *verdict)
{
    if (per_cpu_s(sums, events) < STORM_PER_CPU_S)
        return false;
    say_load(sums, sums->hot_vcpu, verdict);
    say(verdict, "%.0f %s a second, %.0f per second of CPU",
        per_s(sums, events), what, per_cpu_s(sums, events));
    return true;
}

enum cause { NO_STORM, TIMERS, KICKS };

/* A thread that takes part and sleeps with a short timeout of its own. */
static bool short_timeouts(const struct sums *sums,
                           struct doctor_verdict *verdict)
{
    const struct doctor_observation *seen = sums->seen;

    for (size_t i = 0; i < seen->thread_count; i++) {
        const struct doctor_thread *thread = &seen->thread[i];
        bool witness =
            thread->role == DOCTOR_MAIN ||
            (thread->role == DOCTOR_VCPU &&
             thread->wakes * 100 >= sums->hot_vcpu->wakes * PART_PERCENT);

        if (!witness || thread->asleep < FEW_LOOKS ||
            thread->near_timeout * 100 < thread->asleep * NEAR_PERCENT)
            continue;
        say(verdict,
            "thread %" PRId64 " (%s) sleeps with a timeout below 0.5 ms, in %u "
            "of %u looks",
            thread->id, thread->name, thread->near_timeout, thread->asleep);
        return true;
    }
    return false;
}

/*
 * QEMU's main loop takes part. When a vCPU sets a timer it hears of it by an
 * eventfd: a read of 8 bytes. Of a device it hears in other ways, and in
 * serving one it wakes itself up, by writes.
 */
static enum cause cause_by_main_loop(const struct doctor_thread *main,
                                     struct doctor_verdict *verdict)
{
    if (main->reads > 0 && main->writes * 10 < main->reads &&
        main->read_bytes == 8 * main->reads) {
        say(verdict, "the main loop takes part, and reads nothing but the "
                     "events by which timers are set");
        return TIMERS;
    }
    say(verdict, "the main loop takes part, and serves a device");
    return KICKS;
}

/* By waking up, or by reading if there is so much to do that it never sleeps.
 */
static bool takes_part(const struct sums *sums,
                       const struct doctor_thread *main)
{
    uint64_t events = main->wakes > main->reads ? main->wakes : main->reads;

    return events * 100 >= sums->hot_vcpu->wakes * PART_PERCENT;
}

static const struct doctor_thread *equal_sibling(const struct sums *sums)
{
    const struct doctor_observation *seen = sums->seen;

    for (size_t i = 0; i < seen->thread_count; i++)
        if (&seen->thread[i] != sums->hot_vcpu &&
            seen->thread[i].role == DOCTOR_VCPU &&
            seen->thread[i].wakes * 2 >= sums->hot_vcpu->wakes)
            return &seen->thread[i];
    return NULL;
}

/* From outside: timeouts are the best witness; then who else takes part, and
 * so could have done the kicking. */
static enum cause cause_from_outside(const struct sums *sums,
                                     struct doctor_verdict *verdict)
{
    const struct doctor_thread *main = sums->main, *sibling;

    if (short_timeouts(sums, verdict))
        return TIMERS;
    if (main != NULL && takes_part(sums, main))
        return cause_by_main_loop(main, verdict);
    sibling = equal_sibling(sums);
    if (sibling != NULL) {
        say(verdict,
            "vCPUs %u and %u wake up equally often, and the main loop takes "
            "no part",
            sums->hot_vcpu->vcpu, sibling->vcpu);
        return KICKS;
    }
    say(verdict, "no thread of the process wakes up as often and could have "
                 "kicked it: so it wakes by its own timer");
    return TIMERS;
}

static enum cause storm_cause(const struct sums *sums,
                              struct doctor_verdict *verdict)
{
    if (sums->hot_vcpu == NULL || cool(sums) || sums->counted ||
        per_cpu_s(sums, sums->wakes) < STORM_PER_CPU_S)
        return NO_STORM;
    say_storm(sums, verdict);
    return cause_from_outside(sums, verdict);
}

static bool timer_storm(const struct sums *sums, struct doctor_verdict *verdict)
{
    bool storm = false;

    if (sums->counted)
        storm = !cool(sums) &&
                sums->timers >= sums->kicks + sums->strays + sums->own &&
                counted_storm(sums, sums->timers, "timer interrupts", verdict);
    else
        storm = storm_cause(sums, verdict) == TIMERS;
    if (storm)
        advise_timer(verdict);
    return storm;
}

static bool kick_storm(const struct sums *sums, struct doctor_verdict *verdict)
{
    if (!sums->counted) {
        if (storm_cause(sums, verdict) != KICKS)
            return false;
        advise_kick(verdict);
        return true;
    }
    if (cool(sums) ||
        !counted_storm(sums, sums->kicks + sums->strays + sums->own, "kicks",
                       verdict))
        return false;
    if (sums->own > sums->kicks + sums->strays) {
        say(verdict, "most are interrupts that a vCPU sends itself");
        advise(verdict, "Software in the guest sends interrupts to its own "
                        "vCPU: /proc/interrupts there shows IPI lines that "
                        "grow.");
    } else if (sums->strays > sums->kicks) {
        say(verdict, "most are strays: wake-ups for no reason");
        advise(verdict, "Somebody wakes the vCPUs' threads without cause: "
                        "--fault, a debugger, or signals sent to the process.");
    } else {
        advise_kick(verdict);
    }
    return true;
}

/* ---- hot, and no storm
 * -------------------------------------------------------
 */

static bool not_a_vcpu(const struct sums *sums, struct doctor_verdict *verdict)
{
    double load;

    if (cool(sums) || sums->hottest == NULL ||
        sums->hottest->role == DOCTOR_VCPU)
        return false;
    load = doctor_load_percent(sums->seen, sums->hottest);
    if (load * 100 < sums->load * MOST_PERCENT && sums->hot_vcpu != NULL &&
        load < sums->vcpu_load)
        return false;
    say_load(sums, sums->hottest, verdict);
    say(verdict, "the vCPUs load %.1f %% of a core", sums->vcpu_load);
    if (sums->hottest->role == DOCTOR_MAIN)
        advise(verdict,
               "The main loop serves devices, consoles and the control "
               "socket: look for a client that never stops asking, a console "
               "that is flooded, a display or network back end. `strace -c -p "
               "%" PRId64 "` shows what it does.",
               sums->hottest->id);
    else
        advise(verdict,
               "It is an I/O, display or worker thread: `strace -c -p %" PRId64
               "` and its name say which.",
               sums->hottest->id);
    return true;
}

static bool guest_busy(const struct sums *sums, struct doctor_verdict *verdict)
{
    const struct doctor_thread *vcpu = sums->hot_vcpu;

    if (cool(sums) || vcpu == NULL)
        return false;
    say_load(sums, vcpu, verdict);
    if (sums->counted && sums->wfis == 0)
        say(verdict, "the guest executed no WFI that had to wait, in %.1f s",
            sums->seen->seconds);
    else if (sums->counted)
        say(verdict,
            "it does execute WFI, %.0f times per second of CPU, and waits "
            "there: the rest is work",
            per_cpu_s(sums, sums->wfis));
    else
        say(verdict,
            "it wakes up %.0f times per second of CPU: it hardly "
            "ever sleeps",
            per_cpu_s(sums, sums->wakes));
    if (vcpu->pc_samples >= FEW_LOOKS)
        say(verdict,
            "%u of %u looks found its guest at a WFI; the last at PC %#" PRIx64,
            vcpu->pc_at_wfi, vcpu->pc_samples, vcpu->pc);
    else if (!sums->counted)
        say(verdict, "--qmp SOCKET would show where the guest is");
    advise(verdict,
           "Look inside: `top` in the guest shows the program. If it is idle "
           "there, its idle loop spins: look for idle=poll or nohlt on its "
           "kernel command line, or an idle driver that polls.");
    return true;
}

/* Hot, but no thread of it is known to be a vCPU's. */
static bool no_vcpu(const struct sums *sums, struct doctor_verdict *verdict)
{
    say_load(sums, sums->hottest, verdict);
    say(verdict, "no thread of this process could be told to be a vCPU");
    advise(verdict, "Give --qmp SOCKET, or start QEMU with -name "
                    "NAME,debug-threads=on, so that vCPUs can be told.");
    return true;
}

/* ---- the table
 * ---------------------------------------------------------------
 */

/* In this order. WFI before storms: what spins may also tick. Storms before
 * "not a vCPU": QEMU's main loop, which serves them, can be the hotter. */
static const struct rule {
    enum doctor_finding finding;
    bool (*holds)(const struct sums *sums, struct doctor_verdict *verdict);
} rules[] = {
    {DOCTOR_NEVER_STARTED, cool_never_started},
    {DOCTOR_HEALTHY, healthy},
    {DOCTOR_WFI_RETURNS, wfi_returns},
    {DOCTOR_TIMER_STORM, timer_storm},
    {DOCTOR_KICK_STORM, kick_storm},
    {DOCTOR_NOT_A_VCPU, not_a_vcpu},
    {DOCTOR_GUEST_BUSY, guest_busy},
    {DOCTOR_NOT_A_VCPU, no_vcpu},
};

static const struct {
    const char *name;
    int code;
    const char *title;
} findings[DOCTOR_FINDINGS] = {
    [DOCTOR_HEALTHY] = {"healthy", 0, "Nothing is hot."},
    [DOCTOR_NEVER_STARTED] = {"vcpu-never-started", 10,
                              "A vCPU was never started."},
    [DOCTOR_GUEST_BUSY] = {"guest-busy", 11,
                           "The guest does not wait: it is busy, or its idle "
                           "loop spins."},
    [DOCTOR_WFI_RETURNS] = {"wfi-returns", 12,
                            "The guest waits by WFI, and WFI returns at once."},
    [DOCTOR_TIMER_STORM] = {"timer-storm", 13, "A storm of timers."},
    [DOCTOR_KICK_STORM] = {"kick-storm", 14, "A storm of kicks."},
    [DOCTOR_NOT_A_VCPU] = {"not-a-vcpu", 15, "The hot thread is not a vCPU."},
};

const char *doctor_finding_name(enum doctor_finding finding)
{
    return findings[finding].name;
}

int doctor_finding_code(enum doctor_finding finding)
{
    return findings[finding].code;
}

const char *doctor_finding_title(enum doctor_finding finding)
{
    return findings[finding].title;
}

void doctor_judge(const struct doctor_observation *seen,
                  struct doctor_verdict *verdict)
{
    struct sums sums;

    memset(verdict, 0, sizeof(*verdict));
    add_up(seen, &sums);
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        verdict->evidence_lines = 0;
        verdict->thread = 0;
        if (rules[i].holds(&sums, verdict)) {
            verdict->finding = rules[i].finding;
            break;
        }
    }
    doctor_note(seen, verdict);
}
