/*
 * lull-idle: the idle governor. A vCPU that has nothing to do sleeps until
 * min(the guest timer's deadline, an interrupt, a kick), loses no wake-up, and
 * is on time. One header, no dependencies: any VMM can embed it.
 *
 * Life of a vCPU thread:
 *
 *     struct idle_vcpu *iv = idle_vcpu_new(&config);
 *     for (;;) {
 *         uint32_t why = idle_enter(iv);
 *         if (why == 0) {
 *             run the guest;                     // idle_kick forces an exit
 *             why = idle_leave(iv);
 *         }
 *         handle every reason in why;            // IRQ, STOP, WORK, ...
 *         if (the guest executed WFI and nothing is pending for it)
 *             idle_wait(iv, deadline_ns, wakeset);
 *     }
 *
 * Who may call: idle_kick and the readers from any thread; everything else
 * from the vCPU's own thread. Time is the host's monotonic clock in
 * nanoseconds, as idle_now_ns reads it.
 */
#ifndef LULL_IDLE_H
#define LULL_IDLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Reasons: bits 0..15 of the parking word. Set by anyone, cleared only by the
 * vCPU's thread. */
enum idle_reason {
    IDLE_IRQ = 1u << 0,   /* an interrupt line of this vCPU went up */
    IDLE_IPI = 1u << 1,   /* a software-generated interrupt */
    IDLE_STOP = 1u << 2,  /* leave the loop for good */
    IDLE_PAUSE = 1u << 3, /* park until IDLE_RESUME */
    IDLE_RESUME = 1u << 4,
    IDLE_WORK = 1u << 5,          /* the caller queued something to run here */
    IDLE_TIMER_CHANGED = 1u << 6, /* the deadline is no longer right */
    IDLE_ANY = 0xffffu,
};

/* What ended a wait. */
enum idle_wake {
    IDLE_WAKE_PENDING,  /* a reason was there before any sleep */
    IDLE_WAKE_DEADLINE, /* the deadline passed */
    IDLE_WAKE_KICK,     /* a reason in the wakeset arrived */
    IDLE_WAKE_EARLY,    /* the policy chose not to wait (spin) */
    /* The safety cap ended the sleep although a reason was set: a lost wake,
     * a bug, counted. A cap that passes with nothing to do is not returned. */
    IDLE_WAKE_BACKSTOP,
};

#define IDLE_NO_DEADLINE UINT64_MAX

struct idle_vcpu;

/*
 * How a policy is named and set: "park", "park,share=2", "ladder,us=50".
 */
struct idle_policy {
    char name[16];
    uint32_t share_permille; /* park: spin budget, default 20 (2 %) */
    bool poll;               /* park: poll for kicks too, default off */
    uint32_t sleep_us;       /* sleep, ladder: how long, default 100 */
};

/*
 * Parse `text` into *policy. On a bad value returns false and writes one line
 * into err that names what was wrong and lists what is valid.
 */
bool idle_policy_parse(const char *text, struct idle_policy *policy, char *err,
                       size_t err_bytes);
/* NULL-terminated, "park" first. */
const char *const *idle_policy_names(void);
/* The canonical text of a policy, as stat prints it. */
void idle_policy_format(const struct idle_policy *policy, char *out,
                        size_t out_bytes);
/*
 * The line a policy has for its user: when it is chosen, or (`sleeping`) when
 * it sleeps for the first time. False: it has none, and out is untouched.
 */
bool idle_policy_announce(const struct idle_policy *policy, bool sleeping,
                          char *out, size_t out_bytes);

struct idle_config {
    struct idle_policy policy;
    /* Force the vCPU out of the guest: called by idle_kick, on the kicker's
     * thread, when the vCPU is inside the guest. Must be sticky: it may come
     * before the guest runs or after it left. Sees what the vCPU's thread
     * stored before idle_enter. */
    void (*force_exit)(void *opaque);
    /* The policy in force has, for the first time, slept without listening.
     * On the vCPU's thread; may be NULL. */
    void (*first_sleep)(void *opaque);
    /* The guest will go on very soon: what is left of its wait will be spun
     * out. A chance to do what helps it start, for some microseconds. On the
     * vCPU's thread; may be NULL. */
    void (*warm)(void *opaque);
    void *opaque;
    /* Cap of one sleep; 0 means 60 s. It detects a lost wake, nothing waits
     * for it: a shorter one only makes an idle VM wake for nothing. */
    uint64_t backstop_ns;
    /* Tests: sleeps that return at once, how late the others return, and how
     * many rungs of the ladder, from the top, refuse to sleep at all; for how
     * long since idle_vcpu_new (0: for ever). */
    uint32_t fault_early_percent;
    uint64_t fault_late_ns;
    uint32_t fault_refused_rungs;
    uint64_t fault_for_ns;
    /* How soon a sleep that was given up is tried again; 0 means a minute. */
    uint64_t rung_retry_ns;
};

/* NULL and errno set on failure (ENOMEM, EMFILE; EINVAL for no force_exit or
 * a policy that is none). A policy without a name is the default one. Free only
 * after the vCPU's thread has ended and no thread can kick any more. */
struct idle_vcpu *idle_vcpu_new(const struct idle_config *config);
void idle_vcpu_free(struct idle_vcpu *iv);

/* Bind to the calling thread: removes its timer slack (Linux), raises its QoS
 * class (macOS). Call once, first thing on the vCPU's thread. */
void idle_vcpu_attach(struct idle_vcpu *iv);

/*
 * About to run the guest. 0: run it, a kick from now on forces an exit.
 * Otherwise: do not run, the reasons (consumed) are returned.
 */
uint32_t idle_enter(struct idle_vcpu *iv);
/* Back from the guest: the reasons that arrived (consumed). */
uint32_t idle_leave(struct idle_vcpu *iv);

/*
 * Nothing to do until `deadline_ns` (absolute; IDLE_NO_DEADLINE for none) or
 * until a reason in `wakeset` arrives. Reasons outside the wakeset latch. On
 * return *got holds the consumed reasons (those of the wakeset). A wakeset
 * without IDLE_IRQ is not the guest's WFI but the caller's own wait (held,
 * off): the policy has no say in it.
 */
enum idle_wake idle_wait(struct idle_vcpu *iv, uint64_t deadline_ns,
                         uint32_t wakeset, uint32_t *got);

/* The guest executed WFI and something was pending already, so there will be
 * no idle_wait: the policy may want to know. */
void idle_pending(struct idle_vcpu *iv);

/* Set a reason and see to it that the vCPU notices. Publish what the reason
 * is about first, with any stores; the vCPU sees them. */
void idle_kick(struct idle_vcpu *iv, enum idle_reason reason);

/* Tests: wake the sleeper for no reason. Any thread. */
void idle_stray(struct idle_vcpu *iv);

/* The policy in force may be changed while the vCPU runs, from any thread. */
void idle_set_policy(struct idle_vcpu *iv, const struct idle_policy *policy);

uint64_t idle_now_ns(void);

/* Idle states of section 3.2 of the design: where the time went. */
enum idle_state {
    IDLE_STATE_PENDING,       /* I0: no idle, something was pending */
    IDLE_STATE_POLL,          /* I1: polled for a kick */
    IDLE_STATE_SPIN,          /* I2: spun the last microseconds to a deadline */
    IDLE_STATE_PARK_DEADLINE, /* I3 */
    IDLE_STATE_PARK,          /* I4 */
    IDLE_STATE_SLICED,        /* I5: slept without listening */
    IDLE_STATES
};

/* How a vCPU sleeps: the best way, and what is fallen back to when that turns
 * out not to work (docs/idle.md, the ladder). */
enum idle_rung {
    IDLE_RUNG_WORD, /* on the parking word: futex, kqueue */
    IDLE_RUNG_CONDVAR,
    IDLE_RUNG_ALARM,
    IDLE_RUNG_SLICES,
    IDLE_RUNG_YIELD,
    IDLE_RUNGS
};
/* "word", "condvar", "alarm", "slices", "yield". */
const char *idle_rung_name(enum idle_rung rung);

enum { IDLE_HIST_BUCKETS = 40 };

/* A copy of the counters: each is exact, together they are a moment's blur. */
struct idle_stats {
    uint64_t entries[IDLE_STATES];
    uint64_t residency_ns[IDLE_STATES];
    uint64_t wakes_irq, wakes_ipi, wakes_timer, wakes_stop, wakes_pause,
        wakes_work, wakes_stray, wakes_eagain, wakes_backstop;
    uint64_t kicks, kicks_coalesced, wake_syscalls, forced_exits;
    uint64_t poll_hits, poll_misses, poll_ns;
    uint64_t budget_spent_ns, budget_denied;
    /* log2 buckets: bucket i counts values in [2^i, 2^(i+1)) ns, 0 in 0 */
    uint64_t timer_late[IDLE_HIST_BUCKETS];
    uint64_t timer_early[IDLE_HIST_BUCKETS];
    uint64_t kick_to_run[IDLE_HIST_BUCKETS];
    uint64_t idle_length[IDLE_HIST_BUCKETS];
    uint64_t margin_ns[IDLE_HIST_BUCKETS]; /* learned, by log2 horizon */
    uint64_t wakes_resume, wakes_timer_changed;
    uint64_t storms;       /* times the guest's wakes had to be spaced out */
    uint64_t sliced;       /* 1 while on a fallback that hears no kick */
    uint64_t rung;         /* enum idle_rung */
    uint64_t rung_changes; /* to fallbacks and back */
    uint64_t rung_entries[IDLE_RUNGS]; /* the same by rung */
    uint64_t oversleeps; /* 32 sleeps in a row, most more than 5 ms late */
    uint64_t cpu_ns;     /* CPU time of the attached thread */
    uint64_t faults_early, faults_late, faults_refused; /* made on request */
};
void idle_stats_read(const struct idle_vcpu *iv, struct idle_stats *out);

#ifdef __cplusplus
}
#endif

#endif
