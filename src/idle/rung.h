/*
 * The ladder of fallbacks for a sleep that is not to be trusted: which rung a
 * vCPU stands on. Numbers in, numbers out, like the governor.
 *
 *   word      the platform's own: a futex, a kqueue
 *   condvar   a mutex and a condition variable beside the same word
 *   alarm     a timer and an event as file descriptors (Linux)
 *   slices    short sleeps nobody can end, the word looked at between them
 *   yield     no sleep at all
 *
 * One rung down: at once when the sleep is refused, or misses a wake; after 64
 * waits when most return by themselves within 20 us at the mean; after 32
 * waits for a time when most are more than 5 ms late, the second time, for the
 * first is answered by making the thread punctual again. If the rung below is
 * as late, the host is short of CPUs and no sleep is to blame: back to the top,
 * and lateness is not looked at for as long as a distrust lasts. (Slices would
 * be as late, and dearer, on a host that has nothing to give.) The top is tried
 * again after a minute, and after twice as long each time that it fails; from
 * there whatever works is found by the same rules. A top that has held for as
 * long as it was distrusted is trusted as if nothing had been.
 */
#ifndef IDLE_RUNG_H
#define IDLE_RUNG_H

#include <lull/idle.h>

struct rung {
    enum idle_rung at;
    bool pinned; /* tests: stay */
    uint64_t first_retry_ns;
    uint64_t retry_at_ns;  /* when to try the top again */
    uint64_t retry_ns;     /* how long this distrust lasts; 0: none so far */
    uint64_t top_since_ns; /* when the top was tried last */
    uint64_t changes;
    uint64_t entries[IDLE_RUNGS];
    uint64_t oversleeps;
    uint64_t slice_cost_ns; /* 0: none was seen yet */
    /* The windows of waits under watch: all, and those for a time. */
    unsigned waits, strays;
    uint64_t slept_ns;
    unsigned timed, late;
    bool mended;
    bool came_late;         /* to this rung, because the top was late */
    uint64_t late_again_ns; /* until then lateness is the host's */
};

/* 0: a minute. */
void rung_init(struct rung *r, uint64_t first_retry_ns);
/* One sleep ended; `stray`: before its time and for no reason. */
void rung_watch(struct rung *r, bool stray, uint64_t slept_ns, uint64_t now);
/* One sleep ended because its time had come, that much ago. True: the thread
 * ought to be made punctual again. */
bool rung_timed(struct rung *r, uint64_t late_ns, uint64_t now);
/* It was refused, or missed a wake. */
void rung_fail(struct rung *r, uint64_t now);
/* The rung to sleep on now. */
enum idle_rung rung_now(struct rung *r, uint64_t now);
/* What a slice was seen to cost this thread; the average of some is kept. */
void rung_slice_cost(struct rung *r, uint64_t cpu_ns);
/* As short as `share` of a core pays for, from 200 us to 20 ms. `park_cost_ns`
 * is what one costs before any was seen. */
uint64_t rung_slice_ns(const struct rung *r, uint64_t park_cost_ns,
                       uint32_t share_permille);

#endif
