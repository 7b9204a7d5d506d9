/*
 * What another policy would have made of a recording. The policies are the
 * real ones (governor.h), with the time handed in; the host's part, how late a
 * sleep ends and what it costs, comes from a table. No clock, no chance: the
 * same story, policy and table give the same result, digit for digit.
 *
 * What it assumes, and where that fails, is in docs/trace.md.
 */
#ifndef IDLE_TRACE_REPLAY_H
#define IDLE_TRACE_REPLAY_H

#include "story.h"

enum { COST_ROWS_MAX = 16 };

/* How late something ends, as a distribution; and the CPU time it takes. */
struct cost_row {
    uint64_t length_ns; /* of the sleep, or between kicks */
    uint64_t p10_ns, p50_ns, p90_ns, p99_ns;
    uint64_t cpu_ns; /* sleeps only */
};

/* Both by length, growing, at least one row each. Between two rows what they
 * say is interpolated; before the first and after the last it is theirs. */
struct costs {
    struct cost_row sleep[COST_ROWS_MAX];
    struct cost_row kick[COST_ROWS_MAX];
    unsigned sleeps, kicks;
    uint64_t wfi_ns; /* one round of the guest's idle loop, WFI returning */
    bool recorded;   /* the recording's own: what it had learned applies */
};

/* Measured on a shared two-core virtual machine. */
extern const struct costs costs_default;

/* What the recording itself says of its host: of rows for which it has too few
 * sleeps there are none, and kicks and rounds that it has none of are the
 * built-in table's. False: it has no sleeps to go by, or no CPU times. */
bool costs_of(struct story *story, const struct measured *sum,
              struct costs *costs);

/* Sort the rows; false and one line in err when the table cannot be used. */
bool costs_check(struct costs *costs, char *err, size_t err_bytes);

struct replayed {
    uint64_t length_ns; /* of the recording */
    uint64_t guest_ns, spin_ns, sleep_cpu_ns, return_ns;
    uint64_t sleeps;
    uint64_t never; /* timers that were not served by the end */
    struct sample late, kick;
};

/* All vCPUs under one policy. False: no memory; out is to be freed anyway. */
bool replay(const struct story *story, const struct idle_policy *policy,
            const struct costs *costs, struct replayed *out);
void replayed_free(struct replayed *r);

#endif
