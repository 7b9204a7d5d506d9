/*
 * What every policy shares: the spin budget, the learned margins, the storm
 * account, and the table of policies. See governor.h for how it is driven and
 * docs/idle.md for why it is this way.
 */
#include "governor.h"

#include <string.h>

const struct gov_policy *const gov_policies[] = {
    &policy_park,    &policy_halt, &policy_haltpoll,
    &policy_pselect, &policy_spin, &policy_nodeadline,
    &policy_sleep,   &policy_rate, &policy_ladder,
    &policy_score,   NULL,
};

const struct gov_policy *gov_policy_find(const char *name)
{
    for (const struct gov_policy *const *p = gov_policies; *p; p++) {
        if (strcmp((*p)->name, name) == 0)
            return *p;
    }
    return NULL;
}

static uint64_t min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

unsigned gov_bucket(uint64_t ns)
{
    unsigned log2 = ns ? 63 - (unsigned)__builtin_clzll(ns) : 0;

    return log2 < IDLE_HIST_BUCKETS ? log2 : IDLE_HIST_BUCKETS - 1;
}

/* Margins. */

uint64_t gov_margin(const struct gov *g, uint64_t horizon_ns)
{
    return g->margin_ns[gov_bucket(horizon_ns)];
}

void gov_learn_margin(struct gov *g, uint64_t horizon_ns, uint64_t late_ns)
{
    unsigned bucket = gov_bucket(horizon_ns);
    uint64_t *margin = &g->margin_ns[bucket];

    if (late_ns > g->host->outlier_ns)
        return;
    g->learned = bucket;
    if (late_ns > *margin)
        *margin = min_u64(*margin + GOV_MARGIN_UP_NS, g->host->margin_cap_ns);
    else
        *margin -= min_u64(*margin, GOV_MARGIN_DOWN_NS);
}

static void guess_margins(struct gov *g)
{
    const struct gov_host *host = g->host;

    for (unsigned i = 0; i < IDLE_HIST_BUCKETS; i++) {
        uint64_t guess = host->guess_ns + (1ULL << i) / host->guess_divisor;

        g->margin_ns[i] = min_u64(guess, host->guess_max_ns);
    }
}

/* The budget. */

static void refill(struct gov *g, uint64_t now)
{
    uint64_t elapsed = now > g->filled_ns ? now - g->filled_ns : 0;
    uint64_t credit;

    g->filled_ns = now;
    /* Even 0.1 % fills the budget in a thousand times its size. */
    elapsed = min_u64(elapsed, GOV_BUDGET_CAP_NS * 1000ULL);
    credit = elapsed * g->policy.share_permille + g->share_rest;
    g->share_rest = credit % 1000;
    g->tokens_ns = min_u64(g->tokens_ns + credit / 1000, GOV_BUDGET_CAP_NS);
}

uint64_t gov_afford(struct gov *g, uint64_t want_ns)
{
    if (want_ns <= g->tokens_ns)
        return want_ns;
    g->denied++;
    return g->tokens_ns;
}

/* Charged is what was granted at most: a spinner the host took off its CPU
 * did not burn the time it was away. */
static void charge(struct gov *g, const struct gov_step *step, uint64_t started,
                   uint64_t ended)
{
    uint64_t granted = step->until_ns > started ? step->until_ns - started : 0;
    uint64_t spun = min_u64(ended - started, granted);

    g->tokens_ns -= min_u64(g->tokens_ns, spun);
    g->spent_ns += spun;
}

/* Storms. */

static void drain_storm(struct gov *g, uint64_t now)
{
    uint64_t elapsed = now > g->storm_at_ns ? now - g->storm_at_ns : 0;
    uint64_t free_ns = elapsed / GOV_STORM_SHARE_DIV;

    g->storm_at_ns = now;
    g->storm_ns -= min_u64(g->storm_ns, free_ns);
    if (g->storm_ns == 0)
        g->storming = false;
}

static void count_wake(struct gov *g)
{
    /* No deeper than twice the limit: a storm of an hour is forgotten as
     * quickly as one of a second. */
    g->storm_ns =
        min_u64(g->storm_ns + g->host->park_cost_ns, 2ULL * GOV_STORM_LIMIT_NS);
    if (g->storm_ns <= GOV_STORM_LIMIT_NS || g->storming)
        return;
    g->storming = true;
    g->storms++;
}

/* Driving. */

void gov_init(struct gov *g, const struct gov_host *host,
              const struct idle_policy *policy, uint64_t now)
{
    *g = (struct gov){
        .host = host, .born_ns = now, .filled_ns = now, .storm_at_ns = now};
    guess_margins(g);
    gov_set_policy(g, policy);
}

void gov_set_policy(struct gov *g, const struct idle_policy *policy)
{
    g->policy = *policy;
    g->ops = gov_policy_find(policy->name);
    g->tokens_ns = policy->share_permille ? GOV_BUDGET_CAP_NS : 0;
    g->share_rest = 0;
    g->lengths = 0;
    if (g->ops->reset)
        g->ops->reset(g);
}

void gov_begin(struct gov *g, uint64_t now)
{
    g->began_ns = now;
    g->polled = g->slept = g->selected = false;
    drain_storm(g, now);
}

void gov_pending(struct gov *g, uint64_t now)
{
    if (g->ops->pending)
        g->ops->pending(g, now);
    g->left_ns = now;
}

struct gov_step gov_select(struct gov *g, uint64_t now, uint64_t deadline)
{
    refill(g, now);
    g->rest_ns = deadline - now;
    if (!g->selected && g->ops->begin)
        g->ops->begin(g, now);
    g->selected = true;
    g->left_ns = now;
    return g->ops->select(g, now, deadline);
}

void gov_reflect(struct gov *g, const struct gov_step *step, uint64_t started,
                 uint64_t ended, enum gov_end end)
{
    if (step->act == GOV_SPIN || step->act == GOV_POLL)
        charge(g, step, started, ended);
    g->left_ns = ended;
    if (step->act == GOV_PARK) {
        g->slept = true;
        count_wake(g);
        /* Filed under what the margin was looked up by: the time to the
         * deadline, not to the earlier wake. */
        if (end == GOV_TIME && ended >= step->until_ns)
            gov_learn_margin(g, g->rest_ns, ended - step->until_ns);
    }
    if (g->ops->reflect)
        g->ops->reflect(g, step, started, ended, end);
}

void gov_finish(struct gov *g, uint64_t length, enum gov_cause cause)
{
    if (g->ops->finish)
        g->ops->finish(g, length, cause);
}
