/*
 * `ladder`: sleep the longer, the more WFIs have come in a row; cut short by
 * nothing. What HVF_WFI_SLEEP=N selected in the work-around of that name, its
 * second version.
 *
 *   WFIs in a row    0-50   51-100   101-200   201-500   more
 *   sleep               0     10 %      25 %      50 %   100 % of `us`
 *
 * In a row: each at most 1 ms after the one before it was done with, and none
 * that found something pending. Nothing is counted in the first 15 s. The time
 * of the sleep itself is no part of the gap, or `us` above 1000 would reset
 * the row that it belongs to.
 *
 * Where it loses: the wake-ups never become fewer with idleness, and a guest
 * timer that comes every few milliseconds does not end the row, so that it
 * too is late by up to `us`.
 */
#include "governor.h"

#include <stdio.h>

#define GRACE_NS 15000000000ULL

enum { GAP_NS = 1000000 };

static const struct {
    unsigned above;
    unsigned percent;
} steps[] = {{500, 100}, {200, 50}, {100, 25}, {50, 10}};

static void ladder_reset(struct gov *g)
{
    g->state.ladder.row = 0;
}

static void ladder_begin(struct gov *g, uint64_t now)
{
    unsigned *row = &g->state.ladder.row;

    if (now - g->born_ns < GRACE_NS || now - g->left_ns > GAP_NS)
        *row = 0;
    else if (*row <= steps[0].above)
        ++*row;
}

static void ladder_pending(struct gov *g, uint64_t now)
{
    g->state.ladder.row = 0;
}

static struct gov_step ladder_select(struct gov *g, uint64_t now,
                                     uint64_t deadline)
{
    for (unsigned i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        if (g->state.ladder.row > steps[i].above)
            return gov_sleep(now,
                             g->policy.sleep_us * 10ULL * steps[i].percent);
    }
    return (struct gov_step){GOV_RETURN, now};
}

/* The wording is its author's documentation's. */
static void ladder_announce(const struct idle_policy *policy, bool sleeping,
                            char *out, size_t bytes)
{
    if (sleeping)
        snprintf(out, bytes,
                 "HVF: WFI sleep NOW ACTIVE (adaptive: %u -> %u \u03bcs)",
                 policy->sleep_us / 10, policy->sleep_us);
    else
        snprintf(out, bytes,
                 "HVF: WFI adaptive sleep: max %u \u03bcs (activates after "
                 "15s, requires sustained idle)",
                 policy->sleep_us);
}

static const char *const ladder_keys[] = {"us", NULL};

const struct gov_policy policy_ladder = {
    .name = "ladder",
    .keys = ladder_keys,
    .reset = ladder_reset,
    .begin = ladder_begin,
    .pending = ladder_pending,
    .select = ladder_select,
    .announce = ladder_announce,
};
