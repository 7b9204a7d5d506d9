/*
 * Does the guest get anywhere? Judged from what it does, not from how long it
 * has been: a slow guest on a busy host is not stuck, and one that stands
 * still need not be waited for.
 */
#ifndef BENCH_WATCH_H
#define BENCH_WATCH_H

#include "snapshot.h"

struct watch {
    const char *policy, *doing; /* for the reason: "while booting" */
    double begun_ns, limit_ns;  /* 0 limit: none */
    double changed_ns;          /* when a counter last moved */
    double begun_cpu_ns;        /* the vCPUs' CPU time, at the first look */
    double exits, console_bytes;
};

/* A timer that is late by so much will not be waited for; without a timer in
 * sight, so long without any exit is standing still. */
#define WATCH_OVERDUE_NS 3e9
#define WATCH_STILL_NS 10e9

/*
 * `limit_s` bounds a guest that does run, but in circles: in seconds of CPU
 * time that its vCPUs got, for on a busy host it is not the guest that is slow;
 * and in seconds of time where it hardly asks for any.
 */
void watch_begin(struct watch *watch, const char *policy, const char *doing,
                 double now_ns, double limit_s);

/* True: it is stuck, and the reason says why. */
bool watch_stuck(struct watch *watch, const struct snapshot *now, char *reason,
                 size_t reason_bytes);

#endif
