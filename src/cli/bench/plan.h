/*
 * What is to be measured, and in which order: every column once a round, each
 * round beginning with another one, so that a host that changes its mind
 * favours nobody.
 */
#ifndef BENCH_PLAN_H
#define BENCH_PLAN_H

#include "result.h"

enum { PLAN_POLICIES_MAX = 32, PLAN_CPUS_MAX = 8 };

struct plan {
    char policy[PLAN_POLICIES_MAX][64];
    size_t policies;
    unsigned cpus[PLAN_CPUS_MAX];
    size_t cpu_counts;
    unsigned repeat;
    double seconds;
    bool net;
    const char *kernel, *initrd;
};

/* All ten, the ladder with 50, 100 and 200. */
extern const char plan_all_policies[];

/*
 * "park,halt,ladder,us=50,ladder,us=100": a word that is no policy's name is
 * a setting of the policy before it. False and one line in err.
 */
bool plan_parse_policies(const char *text, struct plan *plan, char *err,
                         size_t err_bytes);
/* "1,4": up to eight numbers of vCPUs, 1 to 64 each. */
bool plan_parse_cpus(const char *text, struct plan *plan, char *err,
                     size_t err_bytes);

/* The columns: policies of the first number of vCPUs, of the second, ... */
bool plan_columns(const struct plan *plan, struct report *report);
/* The column of the n-th run in all, and its round. */
size_t plan_column(const struct report *report, size_t n, unsigned *round);

/* Until when a policy is not what it is going to be, in seconds of the
 * machine's life; 0: it is from the start. */
double plan_settled_s(const char *policy);
/* How long a guest that has just come up is given to become idle. */
double plan_quiet_s(const char *policy, double seconds);
/* Up to which second the old policies are to leave WFI alone; 0: no such. */
double plan_grace_s(const char *policy);
/* About how long a run takes; a stuck one takes less. */
double plan_run_s(const char *policy, double seconds);

#endif
