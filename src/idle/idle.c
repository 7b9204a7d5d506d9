/*
 * The idle governor's life: enter and leave the guest, wait, kick. The word
 * (word.h) makes it safe, the governor (governor.h) makes it good, the
 * platform (park.h) sleeps; here they meet.
 */
#include "governor.h"
#include "hook.h"
#include "park.h"
#include "relax.h"
#include "rung.h"
#include "stats.h"
#include "trace.h"
#include "word.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Two lines of most CPUs, one of Apple's. */
enum { CACHE_LINE = 128 };

#define DEFAULT_BACKSTOP_NS 60000000000ULL
/* How long a kicker may take from its first step to its second, on a host that
 * is short of CPUs. */
#define OWED_WAKE_NS 500000000ULL
/* How often it is looked whether the second step found nobody asleep. */
#define OWED_LOOK_NS 1000000ULL
/* A wake that took no longer was made, all of it, when it was over. */
#define PROMPT_NS 1000000ULL

struct idle_vcpu {
    /* What everyone writes. */
    alignas(CACHE_LINE) idle_word word;
    counter kicked_ns; /* when the first bit was set on an idle vCPU */
    counter woke_ns;   /* when the last wake began that was made promptly */

    /* What kickers count. */
    alignas(CACHE_LINE) counter kicks;
    counter kicks_coalesced, wake_syscalls, forced_exits;

    /* What is written once. */
    alignas(CACHE_LINE) void (*force_exit)(void *opaque);
    void *opaque;
    uint64_t backstop_ns;
    uint32_t fault_early_percent;
    uint64_t fault_late_ns;
    uint32_t fault_refused_rungs;
    uint64_t fault_end_ns;
    trace_slot trace; /* NULL while nobody records */

    /* The policy to be adopted at the next CONFIG. */
    pthread_mutex_t policy_lock;
    struct idle_policy next_policy;

    /* The vCPU thread's own. */
    alignas(CACHE_LINE) struct park park;
    struct gov gov;
    struct rung rung;
    uint32_t random; /* for the faults */
    void (*first_sleep)(void *opaque);
    void (*warm)(void *opaque);
    uint64_t wakes_before; /* wakes_made when this park began */
    bool slept;            /* without listening, under this policy */
    bool wfi;              /* this wait is a guest's, not the caller's own */
    bool lost; /* this wait was ended by the backstop, a reason being set */
    uint64_t published; /* changes of the ladder that readers know of */
    struct counters stats;
};

uint64_t idle_now_ns(void)
{
    return park_clock_ns();
}

/* Making one. */

static bool valid(const struct idle_config *config, struct idle_policy *policy)
{
    char err[1];

    *policy = config->policy;
    if (policy->name[0] == '\0')
        idle_policy_parse("park", policy, err, sizeof(err));
    return config->force_exit && gov_policy_find(policy->name);
}

struct idle_vcpu *idle_vcpu_new(const struct idle_config *config)
{
    struct idle_policy policy;
    struct idle_vcpu *iv;

    if (!valid(config, &policy)) {
        errno = EINVAL;
        return NULL;
    }
    iv = aligned_alloc(CACHE_LINE, sizeof(*iv));
    if (!iv)
        return NULL;
    memset(iv, 0, sizeof(*iv));
    iv->force_exit = config->force_exit;
    iv->first_sleep = config->first_sleep;
    iv->warm = config->warm;
    iv->opaque = config->opaque;
    iv->backstop_ns =
        config->backstop_ns ? config->backstop_ns : DEFAULT_BACKSTOP_NS;
    iv->fault_early_percent = config->fault_early_percent;
    iv->fault_late_ns = config->fault_late_ns;
    iv->fault_refused_rungs = config->fault_refused_rungs;
    iv->fault_end_ns = config->fault_for_ns
                           ? idle_now_ns() + config->fault_for_ns
                           : UINT64_MAX;
    rung_init(&iv->rung, config->rung_retry_ns);
    errno = park_init(&iv->park);
    if (errno != 0) {
        free(iv);
        return NULL;
    }
    pthread_mutex_init(&iv->policy_lock, NULL);
    gov_init(&iv->gov, &park_host, &policy, idle_now_ns());
    for (unsigned i = 0; i < IDLE_HIST_BUCKETS; i++)
        count_set(COUNTER(&iv->stats, margin_ns) + i, iv->gov.margin_ns[i]);
    return iv;
}

void idle_vcpu_free(struct idle_vcpu *iv)
{
    if (!iv)
        return;
    park_fini(&iv->park);
    pthread_mutex_destroy(&iv->policy_lock);
    free(iv);
}

void idle_vcpu_attach(struct idle_vcpu *iv)
{
    park_attach(&iv->park);
}

/* A change of policy: CONFIG is set in the word, the vCPU fetches it. */

void idle_set_policy(struct idle_vcpu *iv, const struct idle_policy *policy)
{
    uint32_t old;

    if (!gov_policy_find(policy->name))
        return;
    pthread_mutex_lock(&iv->policy_lock);
    iv->next_policy = *policy;
    pthread_mutex_unlock(&iv->policy_lock);

    /* No guest is forced out for it: it matters at the next wait. */
    old = word_set(&iv->word, WORD_CONFIG);
    if ((old & WORD_PARKED) && !(old & WORD_CONFIG))
        park_wake(&iv->park, &iv->word);
}

static void note_policy(struct idle_vcpu *iv)
{
    struct idle_trace_vcpu *trace =
        atomic_load_explicit(&iv->trace, memory_order_acquire);

    if (trace)
        trace_policy(trace, idle_now_ns(), &iv->gov.policy);
}

static void adopt_policy(struct idle_vcpu *iv)
{
    pthread_mutex_lock(&iv->policy_lock);
    gov_set_policy(&iv->gov, &iv->next_policy);
    iv->slept = false;
    pthread_mutex_unlock(&iv->policy_lock);
    note_policy(iv);
}

/* The guest. */

uint32_t idle_leave(struct idle_vcpu *iv)
{
    uint32_t old = word_leave(&iv->word);

    if (old & WORD_CONFIG)
        adopt_policy(iv);
    return old & IDLE_ANY;
}

uint32_t idle_enter(struct idle_vcpu *iv)
{
    while (word_enter(&iv->word) & WORD_ASKED) {
        uint32_t why = idle_leave(iv);

        if (why)
            return why;
    }
    return 0;
}

/* The kick: publish, look, do the one thing the look calls for. */

/* The time of a reason's first setting, for whoever asks about delays. */
static void stamp(struct idle_vcpu *iv, enum idle_reason reason, uint32_t old)
{
    struct idle_trace_vcpu *trace =
        atomic_load_explicit(&iv->trace, memory_order_acquire);
    bool first = COUNTING && !(old & (WORD_ASKED | WORD_GUEST));
    uint64_t now;

    if (!first && !trace)
        return;
    now = idle_now_ns();
    if (first)
        count_set(&iv->kicked_ns, now);
    if (trace)
        trace_kick(trace, now, reason, old);
}

static void wake(struct idle_vcpu *iv)
{
    uint64_t began = idle_now_ns();

    park_wake(&iv->park, &iv->word);
    count_shared(&iv->wake_syscalls);
    if (idle_now_ns() - began < PROMPT_NS)
        count_set(&iv->woke_ns, began);
}

void idle_kick(struct idle_vcpu *iv, enum idle_reason reason)
{
    uint32_t old = word_set(&iv->word, reason);

    IDLE_HOOK(IDLE_HOOK_KICK_SET);
    count_shared(&iv->kicks);
    if (old & reason) {
        /* Who set this bit first owes the wake. Per bit: a reason that is
         * latched and not in the wakeset must not swallow another. */
        count_shared(&iv->kicks_coalesced);
        return;
    }
    stamp(iv, reason, old);
    if (old & WORD_PARKED) {
        IDLE_HOOK(IDLE_HOOK_KICK_WAKE);
        wake(iv);
        IDLE_HOOK(IDLE_HOOK_KICK_DONE);
    } else if (old & WORD_GUEST) {
        iv->force_exit(iv->opaque);
        count_shared(&iv->forced_exits);
    }
}

/* Relaxed: wake_is_lost only needs to see an increment some time. */
static uint64_t wakes_made(struct idle_vcpu *iv)
{
    return atomic_load_explicit(&iv->wake_syscalls, memory_order_relaxed);
}

/* Watch the word until a time. The clock costs as much as a pause, so it is
 * read on every sixteenth look until the last 2 us, and on every look then. */
static enum gov_end watch(struct idle_vcpu *iv, uint64_t until, uint32_t mask)
{
    for (;;) {
        uint64_t now = idle_now_ns();
        unsigned looks;

        if (now >= until)
            return GOV_TIME;
        for (looks = until - now > 2000 ? 16 : 1; looks > 0; looks--) {
            if (word_look(&iv->word) & mask)
                return GOV_KICK;
            cpu_relax();
        }
    }
}

/* One sleep has ended: count what it was, and judge the primitive by it. */
static void note_sleep(struct idle_vcpu *iv, enum park_end end, bool asked,
                       uint64_t started, uint64_t until, uint64_t now)
{
    bool stray = end == PARK_WOKEN && !asked;

    if (stray)
        count_add(COUNTER(&iv->stats, wakes_stray), 1);
    if (end == PARK_CHANGED)
        count_add(COUNTER(&iv->stats, wakes_eagain), 1);
    if (end == PARK_BROKEN) {
        rung_fail(&iv->rung, now);
        return;
    }
    rung_watch(&iv->rung, stray, now - started, now);
    if (end == PARK_TIME &&
        rung_timed(&iv->rung, now > until ? now - until : 0, now))
        park_punctual();
}

/* The faults that were asked for. */

static bool refused(struct idle_vcpu *iv, uint64_t now)
{
    if (iv->rung.at >= iv->fault_refused_rungs || now >= iv->fault_end_ns)
        return false;
    count_add(COUNTER(&iv->stats, faults_refused), 1);
    return true;
}

static bool cut_short(struct idle_vcpu *iv, uint64_t now)
{
    if (iv->fault_early_percent == 0 || now >= iv->fault_end_ns)
        return false;
    iv->random = iv->random * 1664525 + 1013904223;
    if ((iv->random >> 16) % 100 >= iv->fault_early_percent)
        return false;
    count_add(COUNTER(&iv->stats, faults_early), 1);
    return true;
}

/* The platform's sleep, with those faults. */
static enum park_end sleep_once(struct idle_vcpu *iv, uint32_t seen,
                                uint64_t until, uint64_t now)
{
    enum park_end end;

    if (refused(iv, now))
        return PARK_BROKEN;
    if (cut_short(iv, now))
        return PARK_WOKEN;
    end = park_wait(&iv->park, &iv->word, seen, until);
    if (iv->fault_late_ns && now < iv->fault_end_ns) {
        count_add(COUNTER(&iv->stats, faults_late), 1);
        park_slice(idle_now_ns() + iv->fault_late_ns);
    }
    return end;
}

/*
 * The backstop ended a sleep and a bit is set. Its kicker may have come at that
 * very moment, and the wake be on its way, or have found nobody between that
 * sleep and this one. Lost is one that is not made; and one that was made, from
 * its beginning to its end, while the sleep lasted, and did not end it.
 */
static bool wake_is_lost(struct idle_vcpu *iv, uint64_t started, uint64_t ended)
{
    uint64_t woke = atomic_load_explicit(&iv->woke_ns, memory_order_relaxed);
    uint64_t now = idle_now_ns(), until = now + OWED_WAKE_NS;

    if (woke >= started && woke + PROMPT_NS < ended)
        return true;
    for (; now < until; now = idle_now_ns()) {
        if (wakes_made(iv) != iv->wakes_before)
            return false;
        if (park_wait(&iv->park, &iv->word, word_look(&iv->word),
                      now + OWED_LOOK_NS) != PARK_TIME)
            return false;
    }
    return true;
}

/*
 * Sleep until a time or a bit of `mask`. Strays are absorbed here: to hand one
 * to the guest would cost more than to look again. No sleep is longer than the
 * backstop; if that ends one and a bit is set, nobody has woken us for it.
 */
static enum gov_end sleep_parked(struct idle_vcpu *iv, uint64_t until,
                                 uint64_t now, uint32_t mask)
{
    enum idle_rung rung = iv->rung.at;

    /* Not to be trusted any more: the governor is asked again. */
    while (now < until && iv->rung.at == rung) {
        uint64_t cap = now + iv->backstop_ns;
        uint64_t end_ns = cap < until ? cap : until;
        uint32_t seen = word_look(&iv->word);
        uint64_t started = now;
        enum park_end end;
        bool asked;

        if (seen & mask)
            return GOV_KICK;
        end = IDLE_HOOK(IDLE_HOOK_SLEEP) ? PARK_WOKEN
                                         : sleep_once(iv, seen, end_ns, now);
        IDLE_HOOK(IDLE_HOOK_SLEPT);
        now = idle_now_ns();
        asked = word_look(&iv->word) & mask;
        note_sleep(iv, end, asked, started, end_ns, now);
        if (end == PARK_TIME && asked && cap < until)
            iv->lost = wake_is_lost(iv, started, end_ns);
    }
    return word_look(&iv->word) & mask ? GOV_KICK : GOV_TIME;
}

static uint64_t thread_cpu_ns(void)
{
    struct timespec used;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return (uint64_t)used.tv_sec * 1000000000ULL + (uint64_t)used.tv_nsec;
}

/* The ladder's last rungs: nothing wakes them, so they look. */
static enum gov_end sleep_sliced(struct idle_vcpu *iv, uint64_t until,
                                 uint64_t now, uint32_t mask)
{
    uint64_t used_ns = thread_cpu_ns();

    while (now < until) {
        uint64_t slice = rung_slice_ns(&iv->rung, park_host.park_cost_ns,
                                       iv->gov.policy.share_permille);
        uint64_t started = now, before_ns = used_ns;
        uint64_t end_ns = until - now < slice ? until : now + slice;

        if (word_look(&iv->word) & mask)
            return GOV_KICK;
        if (rung_now(&iv->rung, now) < IDLE_RUNG_SLICES)
            break; /* time to try a better one */
        if (iv->rung.at == IDLE_RUNG_YIELD) {
            sched_yield();
            now = idle_now_ns();
            continue;
        }
        if (!refused(iv, now))
            park_slice(end_ns);
        now = idle_now_ns();
        used_ns = thread_cpu_ns();
        rung_slice_cost(&iv->rung, used_ns - before_ns);
        rung_watch(&iv->rung, now < end_ns, now - started, now);
    }
    return GOV_TIME;
}

/* Deaf to kicks: what the policies that ask for it were. Bits latch. */
static enum gov_end sleep_deaf(struct idle_vcpu *iv, uint64_t until)
{
    if (iv->first_sleep && !iv->slept)
        iv->first_sleep(iv->opaque);
    iv->slept = true;
    while (idle_now_ns() < until)
        park_slice(until);
    return GOV_TIME;
}

static enum gov_end park(struct idle_vcpu *iv, uint64_t until, uint64_t now,
                         uint32_t mask)
{
    enum gov_end end = GOV_KICK;
    uint32_t first, last;

    park_before(&iv->park, iv->rung.at);
    iv->wakes_before = wakes_made(iv);
    first = word_park(&iv->word);
    IDLE_HOOK(IDLE_HOOK_PARK_SET);
    if (!(first & mask))
        end = sleep_parked(iv, until, now, mask);
    last = word_unpark(&iv->word);
    IDLE_HOOK(IDLE_HOOK_UNPARKED);
    park_after(&iv->park, (last & ~first & WORD_ASKED) != 0);
    return end;
}

static enum idle_state step_state(struct idle_vcpu *iv,
                                  const struct gov_step *step, uint64_t now)
{
    if (step->act == GOV_POLL)
        return IDLE_STATE_POLL;
    if (step->act == GOV_SPIN)
        return IDLE_STATE_SPIN;
    if (step->act == GOV_SLEEP)
        return IDLE_STATE_SLICED;
    if (rung_now(&iv->rung, now) >= IDLE_RUNG_SLICES)
        return IDLE_STATE_SLICED;
    return step->until_ns == IDLE_NO_DEADLINE ? IDLE_STATE_PARK
                                              : IDLE_STATE_PARK_DEADLINE;
}

static void note_poll(struct idle_vcpu *iv, enum gov_end end, uint64_t ns)
{
    count_add(end == GOV_KICK ? COUNTER(&iv->stats, poll_hits)
                              : COUNTER(&iv->stats, poll_misses),
              1);
    count_add(COUNTER(&iv->stats, poll_ns), ns);
}

/* Do what the governor chose and tell it how that went. Returns the time. */
static uint64_t take_step(struct idle_vcpu *iv, const struct gov_step *step,
                          uint64_t now, uint32_t mask)
{
    enum idle_state state = step_state(iv, step, now);
    uint64_t until = step->until_ns, ended;
    enum gov_end end;

    TRACE_OWN(&iv->trace, IDLE_TRACE_STATE, now, until, state, 0);
    if (state == IDLE_STATE_SPIN && iv->wfi && iv->warm)
        iv->warm(iv->opaque);
    if (state == IDLE_STATE_POLL || state == IDLE_STATE_SPIN)
        end = watch(iv, until, mask);
    else if (step->act == GOV_SLEEP)
        end = sleep_deaf(iv, until);
    else if (state == IDLE_STATE_SLICED)
        end = sleep_sliced(iv, until, now, mask);
    else
        end = park(iv, until, now, mask);
    ended = idle_now_ns();

    count_add(COUNTER(&iv->stats, entries) + state, 1);
    count_add(COUNTER(&iv->stats, residency_ns) + state, ended - now);
    if (state == IDLE_STATE_POLL)
        note_poll(iv, end, ended - now);
    /* A slice's lateness says nothing about the sleep it stands in for. */
    if (iv->wfi && (state != IDLE_STATE_SLICED || step->act == GOV_SLEEP))
        gov_reflect(&iv->gov, step, now, ended, end);
    return ended;
}

static void note_reasons(struct idle_vcpu *iv, uint32_t got)
{
    struct counters *stats = &iv->stats;

    count_add(COUNTER(stats, wakes_irq), (got & IDLE_IRQ) != 0);
    count_add(COUNTER(stats, wakes_ipi), (got & IDLE_IPI) != 0);
    count_add(COUNTER(stats, wakes_stop), (got & IDLE_STOP) != 0);
    count_add(COUNTER(stats, wakes_pause), (got & IDLE_PAUSE) != 0);
    count_add(COUNTER(stats, wakes_resume), (got & IDLE_RESUME) != 0);
    count_add(COUNTER(stats, wakes_work), (got & IDLE_WORK) != 0);
    count_add(COUNTER(stats, wakes_timer_changed),
              (got & IDLE_TIMER_CHANGED) != 0);
}

static void note_kick(struct idle_vcpu *iv, uint64_t began, uint64_t now)
{
    uint64_t kicked =
        atomic_load_explicit(&iv->kicked_ns, memory_order_relaxed);

    /* A stamp from before this wait is not of the kick that ended it. */
    if (kicked >= began && kicked <= now)
        count_add(COUNTER(&iv->stats, kick_to_run) + gov_bucket(now - kicked),
                  1);
}

static void publish_changes(struct idle_vcpu *iv)
{
    /* Seldom: most waits need not copy what has not changed. */
    if (iv->rung.changes + iv->rung.oversleeps == iv->published)
        return;
    iv->published = iv->rung.changes + iv->rung.oversleeps;
    count_set(COUNTER(&iv->stats, rung_changes), iv->rung.changes);
    count_set(COUNTER(&iv->stats, oversleeps), iv->rung.oversleeps);
    for (unsigned i = 0; i < IDLE_RUNGS; i++)
        count_set(COUNTER(&iv->stats, rung_entries) + i, iv->rung.entries[i]);
}

/* Copies of what the governor keeps in plain numbers, for readers elsewhere. */
static void publish(struct idle_vcpu *iv)
{
    const struct gov *gov = &iv->gov;

    count_set(COUNTER(&iv->stats, budget_spent_ns), gov->spent_ns);
    count_set(COUNTER(&iv->stats, budget_denied), gov->denied);
    count_set(COUNTER(&iv->stats, storms), gov->storms);
    count_set(COUNTER(&iv->stats, sliced), iv->rung.at >= IDLE_RUNG_SLICES);
    count_set(COUNTER(&iv->stats, rung), iv->rung.at);
    publish_changes(iv);
    count_set(COUNTER(&iv->stats, margin_ns) + gov->learned,
              gov->margin_ns[gov->learned]);
}

/* The vCPU was idle from `began` to `now`: learn from it, and count it. */
static void note_idle(struct idle_vcpu *iv, enum idle_wake why, uint32_t got,
                      uint64_t began, uint64_t now, uint64_t deadline)
{
    enum gov_cause cause = GOV_BY_OTHER;

    count_add(COUNTER(&iv->stats, idle_length) + gov_bucket(now - began), 1);
    if (why == IDLE_WAKE_DEADLINE) {
        cause = GOV_BY_DEADLINE;
        count_add(COUNTER(&iv->stats, wakes_timer), 1);
        count_add(COUNTER(&iv->stats, timer_late) + gov_bucket(now - deadline),
                  1);
    } else {
        if (got & (IDLE_IRQ | IDLE_IPI))
            cause = GOV_BY_KICK;
        note_reasons(iv, got);
        if (why != IDLE_WAKE_EARLY)
            note_kick(iv, began, now);
    }
    if (why == IDLE_WAKE_BACKSTOP) {
        count_add(COUNTER(&iv->stats, wakes_backstop), 1);
        rung_fail(&iv->rung, now);
    }
    if (iv->wfi)
        gov_finish(&iv->gov, now - began, cause);
    publish(iv);
}

/* Nothing was waited for: something was pending, or the policy said so. */
static void note_no_idle(struct idle_vcpu *iv, enum idle_wake why, uint64_t now,
                         uint64_t deadline)
{
    count_add(COUNTER(&iv->stats, entries) + IDLE_STATE_PENDING, 1);
    if (why != IDLE_WAKE_EARLY) {
        if (iv->wfi)
            gov_pending(&iv->gov, now);
    } else if (deadline != IDLE_NO_DEADLINE)
        count_add(COUNTER(&iv->stats, timer_early) + gov_bucket(deadline - now),
                  1);
}

/* What to do next: the policy decides for a guest's WFI, and for that only. */
static struct gov_step next_step(struct idle_vcpu *iv, uint64_t now,
                                 uint64_t deadline)
{
    if (word_look(&iv->word) & WORD_CONFIG) {
        word_take(&iv->word, WORD_CONFIG);
        adopt_policy(iv);
    }
    if (!iv->wfi)
        return (struct gov_step){GOV_PARK, deadline};
    return gov_select(&iv->gov, now, deadline);
}

/* Select, wait, reflect, until something ends it. */
enum idle_wake idle_wait(struct idle_vcpu *iv, uint64_t deadline_ns,
                         uint32_t wakeset, uint32_t *got)
{
    uint64_t began = idle_now_ns(), now = began;
    enum idle_wake why = IDLE_WAKE_PENDING;
    bool waited = false, enough = false;

    iv->lost = false;
    iv->wfi = (wakeset & IDLE_IRQ) != 0;
    gov_begin(&iv->gov, now);
    while (!(word_look(&iv->word) & wakeset)) {
        struct gov_step step;

        if (now >= deadline_ns || enough) {
            why = enough && now < deadline_ns ? IDLE_WAKE_EARLY
                                              : IDLE_WAKE_DEADLINE;
            break;
        }
        step = next_step(iv, now, deadline_ns);
        if (step.act == GOV_RETURN) {
            why = IDLE_WAKE_EARLY;
            break;
        }
        if (!waited)
            TRACE_OWN(&iv->trace, IDLE_TRACE_WAIT, now, deadline_ns, iv->wfi,
                      0);
        now = take_step(iv, &step, now, wakeset | WORD_CONFIG);
        why = iv->lost ? IDLE_WAKE_BACKSTOP : IDLE_WAKE_KICK;
        waited = true;
        /* Such a sleep is all there is to the WFI, whatever is left. */
        enough = step.act == GOV_SLEEP;
    }

    *got = why == IDLE_WAKE_DEADLINE || why == IDLE_WAKE_EARLY
               ? 0
               : word_take(&iv->word, wakeset);
    TRACE_OWN(&iv->trace, waited ? IDLE_TRACE_WAKE : IDLE_TRACE_PASS, now,
              deadline_ns, why, *got);
    if (waited)
        note_idle(iv, why, *got, began, now, deadline_ns);
    else
        note_no_idle(iv, why, now, deadline_ns);
    return why;
}

void idle_pending(struct idle_vcpu *iv)
{
    uint64_t now = idle_now_ns();

    count_add(COUNTER(&iv->stats, entries) + IDLE_STATE_PENDING, 1);
    TRACE_OWN(&iv->trace, IDLE_TRACE_PASS, now, IDLE_NO_DEADLINE,
              IDLE_WAKE_PENDING, 0);
    gov_pending(&iv->gov, now);
}

void idle_stray(struct idle_vcpu *iv)
{
    park_wake(&iv->park, &iv->word);
}

/* Reading the counters. */

void idle_stats_read(const struct idle_vcpu *iv, struct idle_stats *out)
{
    uint64_t values[STATS];

    for (size_t i = 0; i < STATS; i++)
        values[i] =
            atomic_load_explicit(&iv->stats.value[i], memory_order_relaxed);
    memcpy(out, values, sizeof(*out));
    out->kicks = atomic_load_explicit(&iv->kicks, memory_order_relaxed);
    out->kicks_coalesced =
        atomic_load_explicit(&iv->kicks_coalesced, memory_order_relaxed);
    out->wake_syscalls =
        atomic_load_explicit(&iv->wake_syscalls, memory_order_relaxed);
    out->forced_exits =
        atomic_load_explicit(&iv->forced_exits, memory_order_relaxed);
    out->cpu_ns = park_cpu_ns(&iv->park);
}

void idle_set_trace(struct idle_vcpu *iv, struct idle_trace *trace,
                    unsigned vcpu)
{
    atomic_store_explicit(&iv->trace, trace ? trace_vcpu(trace, vcpu) : NULL,
                          memory_order_release);
}

const char *idle_rung_name(enum idle_rung rung)
{
    static const char *const names[IDLE_RUNGS] = {"word", "condvar", "alarm",
                                                  "slices", "yield"};

    return rung < IDLE_RUNGS ? names[rung] : "unknown";
}

#ifdef IDLE_TEST
void idle_test_pin(struct idle_vcpu *iv, enum idle_rung rung)
{
    iv->rung.at = rung;
    iv->rung.pinned = true;
}

void idle_test_age(struct idle_vcpu *iv, uint64_t ns)
{
    iv->gov.born_ns -= ns;
    iv->rung.retry_at_ns -= ns;
}
#endif
