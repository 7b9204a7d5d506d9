#include "watch.h"

#include <stdio.h>

void watch_begin(struct watch *watch, const char *policy, const char *doing,
                 double now_ns, double limit_s)
{
    *watch = (struct watch){
        .policy = policy,
        .doing = doing,
        .begun_ns = now_ns,
        .limit_ns = limit_s * 1e9,
        .changed_ns = now_ns,
        .begun_cpu_ns = -1,
        .exits = -1,
        .console_bytes = -1,
    };
}

static void note_changes(struct watch *watch, const struct snapshot *now)
{
    if (now->exits == watch->exits &&
        now->console_bytes == watch->console_bytes)
        return;
    watch->exits = now->exits;
    watch->console_bytes = now->console_bytes;
    watch->changed_ns = now->now_ns;
}

static bool in_circles(struct watch *watch, const struct snapshot *now)
{
    double doing_ns = now->now_ns - watch->begun_ns, cpu_ns;

    if (watch->begun_cpu_ns < 0)
        watch->begun_cpu_ns = now->vcpu_cpu_ns;
    cpu_ns = now->vcpu_cpu_ns - watch->begun_cpu_ns;
    return watch->limit_ns > 0 && doing_ns > watch->limit_ns &&
           (cpu_ns > watch->limit_ns || cpu_ns < doing_ns / 20);
}

bool watch_stuck(struct watch *watch, const struct snapshot *now, char *reason,
                 size_t reason_bytes)
{
    double still_ns, doing_ns = now->now_ns - watch->begun_ns;
    bool circles = in_circles(watch, now);

    note_changes(watch, now);
    still_ns = now->now_ns - watch->changed_ns;
    if (now->overdue_ns > WATCH_OVERDUE_NS)
        snprintf(reason, reason_bytes,
                 "%s: vCPU %u sleeps in WFI, its guest's timer was due %.1f s "
                 "ago and nothing else will wake it: the policy %s does not "
                 "wake for it",
                 watch->doing, now->overdue_vcpu, now->overdue_ns / 1e9,
                 watch->policy);
    else if (still_ns > WATCH_STILL_NS)
        snprintf(reason, reason_bytes,
                 "%s: no vCPU has left the guest for %.0f s", watch->doing,
                 still_ns / 1e9);
    else if (circles)
        snprintf(reason, reason_bytes,
                 "%s: the guest runs (%.0f exits), but in %.0f s it did not "
                 "get there",
                 watch->doing, now->exits, doing_ns / 1e9);
    else
        return false;
    return true;
}
