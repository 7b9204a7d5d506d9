/*
 * What `lull bench idle` has measured: runs, and columns of them. A column is
 * a policy on a number of vCPUs; each of its runs booted the guest once.
 * Everything a report says is computed from this, whoever writes it.
 */
#ifndef BENCH_RESULT_H
#define BENCH_RESULT_H

#include "sample.h"

/* Figures of a run. Their order is that of every table. */
enum metric {
    METRIC_BOOT_WALL,
    METRIC_BOOT_CPU,
    METRIC_IDLE_CPU,
    METRIC_WAKEUPS,
    METRIC_WFI,
    METRIC_LATE_P50,
    METRIC_LATE_P90,
    METRIC_LATE_P99,
    METRIC_HOST_LATE_P50,
    METRIC_KICK_P50,
    METRIC_KICK_P99,
    METRIC_ECHO_P50,
    METRIC_ECHO_MAX,
    METRIC_NET_P50,
    METRIC_NET_P99,
    METRIC_NET_ECHO_MAX,
    METRIC_COMPUTE,
    METRIC_HANDOFF,
    METRICS
};

struct metric_info {
    const char *key;   /* in JSON */
    const char *title; /* in a table's head, with the unit: "CPU %" */
    const char *says;  /* what it is, a sentence's worth */
};
extern const struct metric_info metric_info[METRICS];
/* Measured over TCP. */
bool metric_needs_net(enum metric metric);

enum outcome {
    OUTCOME_OK,
    OUTCOME_STUCK,  /* the guest stood still; reason says why */
    OUTCOME_FAILED, /* it could not be measured; reason says why */
    OUTCOME_CUT,    /* Ctrl-C */
};
const char *outcome_name(enum outcome outcome);

/* Where the vCPUs' time went while idle: the governor's states, and the rest.
 */
enum {
    RESIDENCY_RUNNING = 6, /* in the guest, or in the monitor for it */
    RESIDENCY_WAITING,     /* neither: no host CPU was free for it */
    RESIDENCIES,
    IDLE_LENGTHS = 40, /* log2 buckets, as idle_stats has them */
    NOTICES_MAX = 8,
};
extern const char *const residency_names[RESIDENCIES];

/* The machine's life before the measurement, a moment of it. */
struct moment {
    double at_s;        /* since the machine's start */
    double cpu_percent; /* since the moment before */
    double wfi_per_s;
    double sleeps; /* entries of the state `sliced` so far, all vCPUs */
};

/* A line that the monitor had for its user. */
struct notice {
    double at_s;
    char text[160];
};

struct run {
    size_t column;
    unsigned round; /* from 0 */
    enum outcome outcome;
    char reason[320];
    double value[METRICS]; /* NAN: not measured */
    double load;           /* the host's load average as it ended, or NAN */
    struct samples late_ns, kick_ns, net_ns;
    double idle_length[IDLE_LENGTHS];
    double residency[RESIDENCIES]; /* shares, sum 1; all 0: not measured */
    struct moment *moment;
    size_t moments;
    struct notice notice[NOTICES_MAX];
    size_t notices;
};

struct column {
    char policy[64]; /* as it was asked for: "ladder,us=50" */
    unsigned cpus;
};

struct report {
    struct column *column;
    size_t columns;
    struct run *run;
    size_t runs, planned;
    unsigned repeat;
    double seconds;
    bool net;
    char version[32], started[32], host[160], guest[512];
};

/* An empty run of a column: all figures NAN. */
void run_init(struct run *run, size_t column, unsigned round);
/* Takes over what the run points to. False: no memory; the run is freed. */
bool report_add(struct report *report, struct run *run);
void report_free(struct report *report);

/* Every run that was planned has been made. */
bool report_complete(const struct report *report);

/* The host's load average over the runs: others' work, which is in every
 * figure. Count 0: unknown. */
struct spread report_load(const struct report *report);

/* A figure of a column over its runs. What a guest that stands still costs is
 * no figure of an idle guest: stuck runs have no part in it. */
struct spread report_spread(const struct report *report, size_t column,
                            enum metric metric);
/* Samples of all runs of a column together; `which` picks them. */
enum sample_kind { SAMPLES_LATE, SAMPLES_KICK, SAMPLES_NET };
struct samples report_samples(const struct report *report, size_t column,
                              enum sample_kind which);
/* Mean share of each state, over the runs that have it; false: none has. */
bool report_residency(const struct report *report, size_t column,
                      double share[RESIDENCIES]);
/* Idle periods by length, all runs together. */
void report_idle_lengths(const struct report *report, size_t column,
                         double buckets[IDLE_LENGTHS]);

/* Runs of a column that ended so, and the first of them, or NULL. */
size_t report_outcomes(const struct report *report, size_t column,
                       enum outcome outcome, const struct run **first);

/* The column of a policy with these vCPUs; `columns` when there is none. */
size_t report_find(const struct report *report, const char *policy,
                   unsigned cpus);
/* What work is compared with: park, else spin, else the first column, of as
 * many vCPUs. */
size_t report_reference(const struct report *report, size_t column);
/* Throughput lost against the reference, in percent; NAN when unknown. */
double report_loss(const struct report *report, size_t column,
                   enum metric metric);

#endif
