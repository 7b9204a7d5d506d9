/*
 * What a sleep costs on this host, and what each policy makes of it: the
 * floors that any figure of an idle guest is to be read against.
 */
#ifndef IDLE_BENCH_WAKE_H
#define IDLE_BENCH_WAKE_H

#include <stdbool.h>
#include <stdint.h>

enum wake_kind {
    WAKE_ROUND_TRIP, /* two threads that wake each other: two wakes */
    WAKE_DEADLINE,   /* how late a sleep of length_ns ends */
    WAKE_KICK,       /* from a kick to the sleeper running, every length_ns */
};

struct wake_row {
    enum wake_kind kind;
    const char *how; /* a primitive of the host, or an idle policy */
    uint64_t length_ns;
    double p50_us, p90_us, p99_us;
    double cpu_percent; /* of one core, WAKE_DEADLINE only */
};

/* Called with each row as it is measured; false ends the benchmark. */
typedef bool wake_report(void *opaque, const struct wake_row *row);

/* `samples` sleeps per row. False and one line in *err: it could not be. */
bool bench_wake(unsigned samples, wake_report *report, void *opaque,
                const char **err);

#endif
