/*
 * `score`: the last form of the work-around behind `ladder`. Each WFI adds one
 * point, one that finds something pending takes 100, one that comes more than
 * 2 ms after the last takes 150; 0 to 500. While the score is above 200 the
 * vCPU counts as idle, and sleeps by how long it has been, cut short by
 * nothing:
 *
 *   idle for    5 s   10 s   20 s   30 s
 *   sleep     10 us     25     50    100
 *
 * The ends of that table are its author's; where 25 and 50 us begin is not
 * known to us, and set here so that each step is about twice the last. The
 * time idle is that since the score was last 200 or less: so a little work
 * does not end a long idleness, which is what a score is for.
 */
#include "governor.h"

enum {
    MOST = 500,
    IDLE_ABOVE = 200,
    WORK = 100,
    GAP = 150,
    GAP_NS = 2000000,
};

static const struct {
    uint64_t idle_ns;
    uint64_t sleep_ns;
} steps[] = {{30000000000ULL, 100000},
             {20000000000ULL, 50000},
             {10000000000ULL, 25000},
             {5000000000ULL, 10000}};

static void score_reset(struct gov *g)
{
    g->state.score.points = 0;
}

static void lose(struct gov *g, unsigned points)
{
    unsigned *score = &g->state.score.points;

    *score -= *score < points ? *score : points;
}

static void score_begin(struct gov *g, uint64_t now)
{
    struct gov_score *score = &g->state.score;

    if (now - g->left_ns > GAP_NS) {
        lose(g, GAP);
        return;
    }
    if (score->points == MOST)
        return;
    if (++score->points == IDLE_ABOVE + 1)
        score->idle_since_ns = now;
}

static void score_pending(struct gov *g, uint64_t now)
{
    lose(g, WORK);
}

static struct gov_step score_select(struct gov *g, uint64_t now,
                                    uint64_t deadline)
{
    const struct gov_score *score = &g->state.score;

    for (unsigned i = 0;
         score->points > IDLE_ABOVE && i < sizeof(steps) / sizeof(steps[0]);
         i++) {
        if (now - score->idle_since_ns >= steps[i].idle_ns)
            return gov_sleep(now, steps[i].sleep_ns);
    }
    return (struct gov_step){GOV_RETURN, now};
}

const struct gov_policy policy_score = {
    .name = "score",
    .reset = score_reset,
    .begin = score_begin,
    .pending = score_pending,
    .select = score_select,
};
