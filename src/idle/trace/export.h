/*
 * A trace as Chrome's trace-event JSON, which Perfetto and chrome://tracing
 * open: a track per vCPU with its idle states as slices, and an arrow from who
 * kicked to the vCPU that woke for it.
 */
#ifndef IDLE_TRACE_EXPORT_H
#define IDLE_TRACE_EXPORT_H

#include "file.h"

#include <stdio.h>

/* False: the file took not all of it. */
bool trace_export(const struct trace *trace, FILE *out);

/* Names as people read them; "?" for a number that has none. */
const char *trace_state_name(unsigned state);
const char *trace_wake_name(unsigned wake);
/* "irq", "irq+stop", "-": at most `bytes` with the zero. */
void trace_reasons_text(uint32_t reasons, char *out, size_t bytes);
/* The policy a POLICY record names, as text. */
void trace_policy_text(const struct idle_trace_record *record, char *out,
                       size_t bytes);
/* "vcpu 1", "main loop", "other" */
void trace_who_text(unsigned who, char *out, size_t bytes);

#endif
