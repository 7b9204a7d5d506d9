/*
 * What a VM's counters (x-lull-stats) say, read twice: `stat` and `top` show
 * the difference.
 */
#ifndef LULL_CLI_READINGS_H
#define LULL_CLI_READINGS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* The number at a path of object keys, 0 where there is none; NULL ends it. */
double reading_number(const json_t *json, const char *a, const char *b,
                      const char *c);
/* The text under a key, "" where there is none. */
const char *reading_text(const json_t *json, const char *key);
/* One vCPU of a reading. */
const json_t *reading_cpu(const json_t *stats, size_t index);
/* All exits of such a vCPU. */
double reading_exits(const json_t *cpu);

/* Two readings and the time between; `before` is NULL when the interval is
 * the VM's life so far. */
struct readings {
    json_t *before, *after;
    double seconds;
};

/* Sets `seconds` from the two readings. */
void readings_time(struct readings *r);
void readings_drop(struct readings *r);

size_t readings_cpus(const struct readings *r);
double readings_change(const struct readings *r, const char *a, const char *b);
double readings_cpu_change(const struct readings *r, size_t cpu, const char *a,
                           const char *b, const char *c);
/* All exits of a vCPU. */
double readings_exits(const struct readings *r, size_t cpu);
/* Percent of a core, from nanoseconds of CPU time; events a second. */
double readings_percent(const struct readings *r, double cpu_ns);
double readings_rate(const struct readings *r, double events);

/*
 * Where a vCPU's time went, in percent: READING_RUN is its thread's CPU time
 * outside of spins and polls. A sleep is accounted when it ends, so the time
 * without CPU is divided by what has been accounted in the interval, and where
 * nothing was it is sleep. A host that is short of CPUs is seen as sleep too.
 */
enum reading_state {
    READING_RUN,
    READING_POLL,
    READING_SPIN,
    READING_PARK_DEADLINE,
    READING_PARK,
    READING_SLICED,
    READING_STATES
};
const char *reading_state_name(enum reading_state state);
void readings_states(const struct readings *r, size_t cpu,
                     double percent[READING_STATES]);
/* The guest's share of idleness over all vCPUs, percent. */
double readings_idle_percent(const struct readings *r);

/* Names of wakes' reasons, NULL-terminated: keys under "idle", "wakes". */
extern const char *const reading_wakes[];

/*
 * A log2 histogram of nanoseconds of a vCPU, or of all (READINGS_ALL): how many
 * were counted, and below what `share` of them were, as the bucket's upper
 * bound; 0 where nothing was.
 */
enum { READINGS_ALL = -1 };
double readings_histogram(const struct readings *r, int cpu, const char *name,
                          double share, double *below_ns);

#endif
