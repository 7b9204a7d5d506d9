/*
 * `haltpoll`: KVM's halt polling. Before each sleep, watch for a wake-up for a
 * window that learns: from nothing to 10 us, doubling up to 500 us (KVM's
 * ceiling on arm64) while idle periods are short, halved when they turn out
 * longer than the ceiling or were ended by something that is no interrupt.
 *
 * KVM also gives up polling when another task wants the core. A process cannot
 * see that, so on a busy host this polls longer than KVM would.
 *
 * Where it loses: nothing bounds the sum. A guest that is woken a little more
 * often than the ceiling keeps the core at 100 %.
 */
#include "governor.h"

enum { GROW_START_NS = 10000, CEILING_NS = 500000 };

static void haltpoll_reset(struct gov *g)
{
    g->state.haltpoll.window_ns = 0;
}

static struct gov_step haltpoll_select(struct gov *g, uint64_t now,
                                       uint64_t deadline)
{
    uint64_t window = g->state.haltpoll.window_ns;

    if (g->polled || window == 0)
        return (struct gov_step){GOV_PARK, deadline};
    g->polled = true;
    if (window > deadline - now)
        window = deadline - now;
    return (struct gov_step){GOV_POLL, now + window};
}

static uint64_t grow(uint64_t window)
{
    window *= 2;
    if (window < GROW_START_NS)
        window = GROW_START_NS;
    return window < CEILING_NS ? window : CEILING_NS;
}

/* What would be under the start is nothing: no window of a few ns. */
static uint64_t shrink(uint64_t window)
{
    window /= 2;
    return window < GROW_START_NS ? 0 : window;
}

static void haltpoll_finish(struct gov *g, uint64_t length,
                            enum gov_cause cause)
{
    uint64_t *window = &g->state.haltpoll.window_ns;

    if (cause == GOV_BY_OTHER || length > CEILING_NS)
        *window = shrink(*window);
    else if (length > *window && length < CEILING_NS)
        *window = grow(*window);
}

const struct gov_policy policy_haltpoll = {
    .name = "haltpoll",
    .reset = haltpoll_reset,
    .select = haltpoll_select,
    .finish = haltpoll_finish,
};
