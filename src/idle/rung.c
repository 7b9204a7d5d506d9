/*
 * When to stop trusting a sleep, and when to try it again.
 */
#include "rung.h"

enum {
    WINDOW = 64,
    SHORT_SLEEP_NS = 20000,
    TIMED_WINDOW = 32,
    LATE_NS = 5000000,
    LEAST_SLICE_NS = 200000,
    MOST_SLICE_NS = 20000000,
};

#define FIRST_RETRY_NS 60000000000ULL
/* However often it failed: once in sixty times the first, an hour. */
#define LAST_RETRY_FACTOR 60

void rung_init(struct rung *r, uint64_t first_retry_ns)
{
    *r = (struct rung){.first_retry_ns =
                           first_retry_ns ? first_retry_ns : FIRST_RETRY_NS};
}

static void new_windows(struct rung *r)
{
    r->waits = r->strays = 0;
    r->slept_ns = 0;
    r->timed = r->late = 0;
    r->mended = false;
    r->came_late = false;
}

static void step_to(struct rung *r, enum idle_rung rung)
{
    new_windows(r);
    r->at = rung;
    r->changes++;
    r->entries[rung]++;
}

/* From the top it is a new distrust, and a longer one than the last. */
static void distrust(struct rung *r, uint64_t now)
{
    if (r->at == IDLE_RUNG_WORD) {
        if (r->retry_ns == 0)
            r->retry_ns = r->first_retry_ns;
        else if (r->retry_ns < r->first_retry_ns * LAST_RETRY_FACTOR)
            r->retry_ns *= 2;
    }
    r->retry_at_ns = now + r->retry_ns;
}

void rung_fail(struct rung *r, uint64_t now)
{
    if (r->pinned || r->at == IDLE_RUNG_YIELD)
        return;
    distrust(r, now);
    step_to(r, r->at + 1);
}

/* A sleep that mostly returns by itself and at once is a spin in disguise. */
void rung_watch(struct rung *r, bool stray, uint64_t slept_ns, uint64_t now)
{
    r->waits++;
    r->strays += stray;
    r->slept_ns += slept_ns;
    if (r->waits < WINDOW)
        return;
    if (r->strays > WINDOW / 2 && r->slept_ns < WINDOW * SHORT_SLEEP_NS) {
        rung_fail(r, now);
        return;
    }
    r->waits = r->strays = 0;
    r->slept_ns = 0;
    if (r->at == IDLE_RUNG_WORD && now - r->top_since_ns >= r->retry_ns)
        r->retry_ns = 0;
}

static void leave_for_lateness(struct rung *r, uint64_t now)
{
    if (r->at == IDLE_RUNG_WORD) {
        rung_fail(r, now);
        r->came_late = true;
        return;
    }
    r->late_again_ns = now + r->retry_ns;
    if (r->came_late && !r->pinned) {
        step_to(r, IDLE_RUNG_WORD);
        r->top_since_ns = now;
    }
}

bool rung_timed(struct rung *r, uint64_t late_ns, uint64_t now)
{
    bool first = !r->mended;

    if (now < r->late_again_ns)
        return false;
    r->timed++;
    r->late += late_ns > LATE_NS;
    if (r->timed < TIMED_WINDOW)
        return false;
    /* The median is beyond the limit when more than half of them are. */
    if (r->late <= TIMED_WINDOW / 2) {
        r->timed = r->late = 0;
        r->mended = false;
        return false;
    }
    r->timed = r->late = 0;
    r->oversleeps++;
    if (first)
        r->mended = true;
    else
        leave_for_lateness(r, now);
    return first;
}

enum idle_rung rung_now(struct rung *r, uint64_t now)
{
    if (r->at != IDLE_RUNG_WORD && !r->pinned && now >= r->retry_at_ns) {
        step_to(r, IDLE_RUNG_WORD);
        r->top_since_ns = now;
    }
    return r->at;
}

/* Eight are enough to forget one that a page fault or an interrupt fell into,
 * and few enough to follow the host. */
void rung_slice_cost(struct rung *r, uint64_t cpu_ns)
{
    if (r->slice_cost_ns == 0)
        r->slice_cost_ns = cpu_ns;
    else
        r->slice_cost_ns = (7 * r->slice_cost_ns + cpu_ns) / 8;
}

uint64_t rung_slice_ns(const struct rung *r, uint64_t park_cost_ns,
                       uint32_t share_permille)
{
    uint64_t cost = r->slice_cost_ns ? r->slice_cost_ns : park_cost_ns;
    /* A share of nothing cannot pay for looking; 2 % is the default's. */
    uint64_t slice = cost * 1000 / (share_permille ? share_permille : 20);

    if (slice > MOST_SLICE_NS)
        return MOST_SLICE_NS;
    return slice > LEAST_SLICE_NS ? slice : LEAST_SLICE_NS;
}
