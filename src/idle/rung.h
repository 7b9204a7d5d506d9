/*
 * The fallback when the platform's sleep cannot be trusted: sleep in slices
 * and look at the word between them. It costs a wake per slice and a slice of
 * delay, and depends on nothing but nanosleep. Plain numbers, no clock.
 *
 * Taken when the sleep is refused outright, when it keeps returning at once,
 * or when it missed a wake (the backstop found a reason set). The sleep is
 * tried again after a minute, and after ever longer when it fails again.
 */
#ifndef IDLE_RUNG_H
#define IDLE_RUNG_H

#include <stdbool.h>
#include <stdint.h>

struct rung {
    bool sliced;
    uint64_t retry_at_ns; /* when to trust the sleep again */
    uint64_t retry_ns;    /* how long the next distrust lasts */
    uint64_t changes;
    /* The window of waits under watch. */
    unsigned waits, strays;
    uint64_t slept_ns;
};

/* One sleep ended; `stray`: before its time and for no reason. */
void rung_watch(struct rung *r, bool stray, uint64_t slept_ns, uint64_t now);
void rung_fail(struct rung *r, uint64_t now);
/* Whether to sleep in slices now. */
bool rung_sliced(struct rung *r, uint64_t now);
/* As short as `share` of a core pays for, and 200 us at the least. */
uint64_t rung_slice_ns(uint64_t park_cost_ns, uint32_t share_permille);

#endif
