/*
 * `rate`: after 10 s, and once there were more than 500 WFIs in each of three
 * seconds running, sleep 100 us on every WFI, cut short by nothing; until a
 * second with 500 or fewer. The attempt between `sleep` and `ladder`.
 *
 * Seconds are counted from the first WFI after a second without any.
 */
#include "governor.h"

#define GRACE_NS 10000000000ULL
#define SECOND_NS 1000000000ULL

enum { HOT = 500, SECONDS = 3, SLEEP_NS = 100000 };

static void rate_reset(struct gov *g)
{
    g->state.rate.second_ns = 0;
    g->state.rate.wfis = 0;
    g->state.rate.hot_seconds = 0;
}

static void rate_begin(struct gov *g, uint64_t now)
{
    struct gov_rate *rate = &g->state.rate;
    uint64_t elapsed = now - rate->second_ns;

    if (elapsed >= 2 * SECOND_NS) {
        /* A whole second without a WFI ends the row, as a quiet one does. */
        rate->hot_seconds = 0;
        rate->wfis = 0;
        rate->second_ns = now;
    } else if (elapsed >= SECOND_NS) {
        rate->hot_seconds = rate->wfis > HOT ? rate->hot_seconds + 1 : 0;
        rate->wfis = 0;
        rate->second_ns += SECOND_NS;
    }
    rate->wfis++;
}

static struct gov_step rate_select(struct gov *g, uint64_t now,
                                   uint64_t deadline)
{
    if (now - g->born_ns < GRACE_NS || g->state.rate.hot_seconds < SECONDS)
        return (struct gov_step){GOV_RETURN, now};
    return gov_sleep(now, SLEEP_NS);
}

const struct gov_policy policy_rate = {
    .name = "rate",
    .reset = rate_reset,
    .begin = rate_begin,
    .select = rate_select,
};
