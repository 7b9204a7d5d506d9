/*
 * The parts of `lull trace`, and what `lull replay` shares with them.
 */
#ifndef LULL_CLI_CMD_TRACE_H
#define LULL_CLI_CMD_TRACE_H

#include <jansson.h>
#include <stdint.h>

#include "trace/replay.h"

/* Record the VM `name` into `path` (NULL: NAME.trace) for so many seconds (0:
 * until Ctrl-C or the VM's end). An exit code. */
int trace_record(const char *name, const char *path, double seconds);

/* `lull trace stat`. An exit code. */
int trace_stat(const char *path, bool json);

/* "p50_us", "p90_us", "p99_us" and "count". */
json_t *trace_percentiles(struct sample *sample);
/* A table of costs as `--costs` reads it. */
json_t *trace_costs(const struct costs *costs);
/* A number of events in so many ns, as thousandths a second. */
uint64_t trace_rate_milli(uint64_t count, uint64_t ns);

#endif
