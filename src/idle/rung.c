/*
 * When to stop trusting the platform's sleep, and when to try it again.
 */
#include "rung.h"

enum { WINDOW = 64, SHORT_SLEEP_NS = 20000, LEAST_SLICE_NS = 200000 };

#define FIRST_RETRY_NS 60000000000ULL
#define LAST_RETRY_NS 3600000000000ULL

void rung_fail(struct rung *r, uint64_t now)
{
    r->waits = r->strays = 0;
    r->slept_ns = 0;
    if (r->sliced)
        return;
    if (r->retry_ns == 0)
        r->retry_ns = FIRST_RETRY_NS;
    else if (r->retry_ns < LAST_RETRY_NS)
        r->retry_ns *= 2;
    r->retry_at_ns = now + r->retry_ns;
    r->sliced = true;
    r->changes++;
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
}

bool rung_sliced(struct rung *r, uint64_t now)
{
    if (r->sliced && now >= r->retry_at_ns) {
        r->sliced = false;
        r->changes++;
    }
    return r->sliced;
}

uint64_t rung_slice_ns(uint64_t park_cost_ns, uint32_t share_permille)
{
    /* A share of nothing cannot pay for looking; 2 % is the default's. */
    uint64_t slice =
        park_cost_ns * 1000 / (share_permille ? share_permille : 20);

    return slice > LEAST_SLICE_NS ? slice : LEAST_SLICE_NS;
}
