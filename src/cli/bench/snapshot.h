/*
 * A reading of x-lull-stats as plain numbers, all vCPUs added up; and what the
 * difference of two readings says.
 */
#ifndef BENCH_SNAPSHOT_H
#define BENCH_SNAPSHOT_H

#include <jansson.h>

#include "result.h"

enum { SNAPSHOT_STATES = RESIDENCY_RUNNING };

struct snapshot {
    double now_ns, uptime_ns;
    double cpu_ns, switches; /* of the process */
    double vcpu_cpu_ns;      /* of the vCPUs' threads */
    double wfi, exits, console_bytes;
    double entries[SNAPSHOT_STATES], residency_ns[SNAPSHOT_STATES];
    double idle_length[IDLE_LENGTHS], late[IDLE_LENGTHS], early[IDLE_LENGTHS];
    unsigned vcpus, in_wfi;
    /* A vCPU that waits in WFI although its timer is long due, the one that is
     * overdue most; 0: none. */
    double overdue_ns;
    unsigned overdue_vcpu;
    /* The guest's counter: host time of its zero, and its rate. */
    double counter_zero_ns, counter_hz;
};

/* False: the answer is not what x-lull-stats gives. */
bool snapshot_read(const json_t *stats, struct snapshot *out);

/* CPU in percent of one core, and a rate a second, between two readings. */
double snapshot_cpu_percent(const struct snapshot *before,
                            const struct snapshot *after);
double snapshot_rate(const struct snapshot *before,
                     const struct snapshot *after, double events);

/* Shares of the vCPUs' time between two readings, sum 1. */
void snapshot_residency(const struct snapshot *before,
                        const struct snapshot *after,
                        double share[RESIDENCIES]);

/* Median lateness of the monitor's own sleeps between two readings, ns: early
 * ones count as 0. NAN: it did not sleep. */
double snapshot_late_p50(const struct snapshot *before,
                         const struct snapshot *after);

#endif
