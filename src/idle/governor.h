/*
 * The governor: what a vCPU with nothing to do should do next. Plain numbers
 * in, plain numbers out; no clock, no thread, no atomics. All times are
 * nanoseconds of one monotonic clock that the caller reads.
 *
 * One idle period runs like this:
 *
 *     gov_begin(g, now);            // or gov_pending: nothing to wait for
 *     while (nothing ended it) {
 *         step = gov_select(g, now, deadline);
 *         do it, at most until step.until_ns;
 *         gov_reflect(g, &step, started, ended, end);
 *     }
 *     gov_finish(g, length, cause);
 *
 * A policy is one short file (policy_park.c is the one that thinks) and one
 * row of the table in governor.c.
 */
#ifndef IDLE_GOVERNOR_H
#define IDLE_GOVERNOR_H

#include <lull/idle.h>

enum gov_act {
    GOV_RETURN, /* do not wait at all */
    GOV_POLL,   /* watch the word, hoping for a kick */
    GOV_SPIN,   /* watch the word until a deadline that is close */
    GOV_PARK,   /* sleep */
    GOV_SLEEP,  /* sleep until then, kicked or not; then end the wait */
};

struct gov_step {
    enum gov_act act;
    uint64_t until_ns; /* IDLE_NO_DEADLINE: until a kick */
};

/* How a step ended. */
enum gov_end {
    GOV_TIME, /* its time came */
    GOV_KICK, /* a reason, or another cause to look again, came first */
};

/* How an idle period ended, as far as it teaches anything. */
enum gov_cause {
    GOV_BY_DEADLINE,
    GOV_BY_KICK,  /* the guest's own wake: an interrupt */
    GOV_BY_OTHER, /* stop, pause, work: says nothing about the guest */
};

/* How the host's sleep behaves; each platform file states its own. */
struct gov_host {
    uint64_t margin_cap_ns; /* no learned margin beyond this */
    uint64_t outlier_ns;    /* later than this is pre-emption, not lateness */
    uint64_t guess_ns;      /* first margin: guess + horizon / divisor, */
    uint64_t guess_divisor;
    uint64_t guess_max_ns;  /* at most this */
    uint64_t park_cost_ns;  /* CPU time one sleep and wake costs */
    uint64_t wake_delay_ns; /* from a kick to the sleeper running */
};

enum {
    /* What the budget holds when full: some 30 deadlines' worth of spinning,
     * so that a burst is served, and still 2 ms of CPU at the very most. */
    GOV_BUDGET_CAP_NS = 2000000,
    /* The tracked quantile: up by k*q when late, down by k*(1-q) when not,
     * with k = 3 us and q = 0.6. It rests where four wakes in ten are late, by
     * a little: the median one is on time, which is what a guest sees. With
     * 0.9 an idle Debian guest cost a quarter more, in spinning and in sleeps
     * that ended so early that a second one was worth it. */
    GOV_MARGIN_UP_NS = 1800,
    GOV_MARGIN_DOWN_NS = 1200,
    /* A storm: wakes cost more than a quarter of a core, and 5 ms on top of
     * that. Timer wakes are then at least a quantum apart. */
    GOV_STORM_SHARE_DIV = 4,
    GOV_STORM_LIMIT_NS = 5000000,
    GOV_STORM_QUANTUM_NS = 200000,
    GOV_LENGTHS = 16,
};

/* What each policy remembers; only its own file looks inside. */
struct gov_haltpoll {
    uint64_t window_ns;
};
struct gov_rate {
    uint64_t second_ns; /* when the second being counted began */
    unsigned wfis, hot_seconds;
};
struct gov_ladder {
    unsigned row;
};
struct gov_score {
    unsigned points;
    uint64_t idle_since_ns;
};

struct gov_policy;

struct gov {
    const struct gov_host *host;
    const struct gov_policy *ops;
    struct idle_policy policy;
    uint64_t born_ns; /* gov_init: the machine's start, near enough */

    /* The spin budget: what may still be spun, and when it was last filled. */
    uint64_t tokens_ns;
    uint64_t filled_ns;
    uint64_t spent_ns;
    uint64_t denied;
    uint64_t share_rest; /* thousandths of a nanosecond not yet credited */

    /* How early to wake, per log2 of the horizon. */
    uint64_t margin_ns[IDLE_HIST_BUCKETS];
    unsigned learned; /* the bucket that moved last */

    /* CPU time that wakes cost beyond their share, and since when. */
    uint64_t storm_ns;
    uint64_t storm_at_ns;
    uint64_t storms;
    bool storming;

    /* This idle period. */
    uint64_t began_ns;
    uint64_t rest_ns; /* to the deadline, when last asked */
    bool polled, slept, selected;
    uint64_t left_ns; /* when the last WFI was done with */

    /* The last idle lengths; UINT64_MAX for one that a deadline ended. */
    uint64_t lengths_ns[GOV_LENGTHS];
    unsigned lengths;

    union {
        struct gov_haltpoll haltpoll;
        struct gov_rate rate;
        struct gov_ladder ladder;
        struct gov_score score;
    } state;
};

/* One policy: a name, the keys its text may have, and what it decides.
 * Callbacks but select may be NULL. */
struct gov_policy {
    const char *name;
    const char *const *keys; /* NULL-terminated, or NULL */
    void (*reset)(struct gov *g);
    /* A WFI with nothing pending, before the first select for it. */
    void (*begin)(struct gov *g, uint64_t now);
    /* A WFI that found something pending. */
    void (*pending)(struct gov *g, uint64_t now);
    struct gov_step (*select)(struct gov *g, uint64_t now, uint64_t deadline);
    void (*reflect)(struct gov *g, const struct gov_step *step,
                    uint64_t started, uint64_t ended, enum gov_end end);
    void (*finish)(struct gov *g, uint64_t length, enum gov_cause cause);
    /* The line for its user when it is chosen, or first sleeps. */
    void (*announce)(const struct idle_policy *policy, bool sleeping, char *out,
                     size_t bytes);
};

extern const struct gov_policy policy_park, policy_halt, policy_haltpoll,
    policy_pselect, policy_spin, policy_nodeadline, policy_sleep, policy_rate,
    policy_ladder, policy_score;
/* All of them, NULL-terminated, the default first. */
extern const struct gov_policy *const gov_policies[];
/* NULL when there is none of that name. */
const struct gov_policy *gov_policy_find(const char *name);

void gov_init(struct gov *g, const struct gov_host *host,
              const struct idle_policy *policy, uint64_t now);
/* What was learned about the host stays. */
void gov_set_policy(struct gov *g, const struct idle_policy *policy);

void gov_begin(struct gov *g, uint64_t now);
void gov_pending(struct gov *g, uint64_t now);
struct gov_step gov_select(struct gov *g, uint64_t now, uint64_t deadline);
void gov_reflect(struct gov *g, const struct gov_step *step, uint64_t started,
                 uint64_t ended, enum gov_end end);
void gov_finish(struct gov *g, uint64_t length, enum gov_cause cause);

/* What policies share. */
unsigned gov_bucket(uint64_t ns); /* floor(log2 ns), 0 for 0 */
uint64_t gov_margin(const struct gov *g, uint64_t horizon_ns);
void gov_learn_margin(struct gov *g, uint64_t horizon_ns, uint64_t late_ns);
/* How much of `want_ns` may be spun now; counts a denial when not all. */
uint64_t gov_afford(struct gov *g, uint64_t want_ns);
static inline struct gov_step gov_sleep(uint64_t now, uint64_t ns)
{
    return (struct gov_step){GOV_SLEEP, now + ns};
}

#endif
