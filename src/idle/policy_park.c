/*
 * `park`: sleep until a margin before the deadline, spin the rest.
 *
 * The host's sleep is late by an amount that is stable for a given length of
 * sleep: its own wake-up, some 20 to 80 us. Waking that much earlier and
 * watching the clock for the remainder makes the guest's timer exact for about
 * the price of one more sleep. The remainder is paid from a budget that fills
 * at `share` of the time, so the spinning of an idle vCPU cannot cost more
 * than that whatever the guest does; when the budget is empty the vCPU sleeps
 * to the deadline itself and is late, which is what `halt` always does.
 *
 * A wake that comes far too early (a sleep whose lateness is a share of its
 * length, as on macOS) leaves a rest that is a shorter sleep of its own: the
 * same rule, asked again, parks once more with that length's smaller margin.
 *
 * Where it loses: a guest whose deadlines are a few tens of microseconds away
 * is spun for until the budget is gone and late afterwards; and a host that is
 * short of CPUs delays the spin as it delays everything.
 */
#include "governor.h"

/* Windows worth trying; beyond 200 us a poll costs ten sleeps. */
static const uint64_t poll_windows_ns[] = {10000, 20000, 50000, 100000, 200000};

/*
 * What polling for `window` would have been worth over the last idle periods,
 * in ns of CPU saved: each kick it would have caught saves a sleep and the
 * kick's delay, each period costs the time polled. Periods that a deadline
 * ended are in the list as endless ones: polling before them is pure cost.
 */
static int64_t worth(const struct gov *g, uint64_t window)
{
    uint64_t saved = g->host->park_cost_ns + g->host->wake_delay_ns;
    unsigned n = g->lengths < GOV_LENGTHS ? g->lengths : GOV_LENGTHS;
    int64_t sum = 0;

    for (unsigned i = 0; i < n; i++) {
        uint64_t length = g->lengths_ns[i];

        sum -= (int64_t)(length < window ? length : window);
        if (length <= window)
            sum += (int64_t)saved;
    }
    return sum;
}

static uint64_t best_window(const struct gov *g)
{
    uint64_t best_ns = 0;
    int64_t best = 0;

    for (unsigned i = 0; i < sizeof(poll_windows_ns) / sizeof(uint64_t); i++) {
        int64_t value = worth(g, poll_windows_ns[i]);

        if (value > best) {
            best = value;
            best_ns = poll_windows_ns[i];
        }
    }
    return best_ns;
}

static bool poll_first(struct gov *g, uint64_t now, uint64_t due,
                       struct gov_step *step)
{
    uint64_t window;

    if (!g->policy.poll || g->polled || g->storming)
        return false;
    g->polled = true;
    window = gov_afford(g, best_window(g));
    if (window > due - now)
        window = due - now;
    if (window == 0)
        return false;
    *step = (struct gov_step){GOV_POLL, now + window};
    return true;
}

/*
 * How short a rest is not worth a sleep. Before the first sleep: one that
 * would be spun for nearly as long as the sleep costs. After it, having woken
 * early: three sleeps' worth, because another sleep is another chance to be
 * late.
 */
static uint64_t short_rest(const struct gov *g, uint64_t margin)
{
    uint64_t near = margin + g->host->park_cost_ns;
    uint64_t again = 3 * g->host->park_cost_ns;

    return g->slept && near < again ? again : near;
}

static struct gov_step park_select(struct gov *g, uint64_t now,
                                   uint64_t deadline)
{
    struct gov_step step = {GOV_PARK, deadline};
    uint64_t rest, margin;

    if (g->storming && deadline < g->began_ns + GOV_STORM_QUANTUM_NS)
        step.until_ns = g->began_ns + GOV_STORM_QUANTUM_NS;
    if (poll_first(g, now, step.until_ns, &step))
        return step;
    if (step.until_ns == IDLE_NO_DEADLINE || g->storming)
        return step;

    rest = deadline - now;
    margin = gov_margin(g, rest);
    if (rest > short_rest(g, margin))
        step.until_ns = deadline - gov_afford(g, margin);
    else if (gov_afford(g, rest) == rest)
        step.act = GOV_SPIN;
    return step;
}

static void park_finish(struct gov *g, uint64_t length, enum gov_cause cause)
{
    if (cause == GOV_BY_OTHER)
        return;
    g->lengths_ns[g->lengths % GOV_LENGTHS] =
        cause == GOV_BY_KICK ? length : UINT64_MAX;
    /* Wrap without forgetting that the list is full. */
    if (++g->lengths == 2 * GOV_LENGTHS)
        g->lengths = GOV_LENGTHS;
}

static const char *const park_keys[] = {"share", "poll", NULL};

const struct gov_policy policy_park = {
    .name = "park",
    .keys = park_keys,
    .select = park_select,
    .finish = park_finish,
};
