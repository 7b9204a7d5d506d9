/*
 * The trace hooks: what idle.c calls where something happens. Each is one
 * load and a branch while there is no trace.
 */
#ifndef IDLE_TRACE_H
#define IDLE_TRACE_H

#include <lull/idle_trace.h>

#include <stdatomic.h>

/* Written at start and stop of a recording by any thread, with release: who
 * loads it with acquire sees the rings behind it made. */
typedef _Atomic(struct idle_trace_vcpu *) trace_slot;

/* The vCPU's own ring: its thread only. */
void trace_own(struct idle_trace_vcpu *t, enum idle_trace_kind kind,
               uint64_t time_ns, uint64_t value, unsigned detail,
               uint32_t reasons);
/* The ring of its kicks: any thread. `word` is what the kicker found. */
void trace_kick(struct idle_trace_vcpu *t, uint64_t time_ns, uint32_t reason,
                uint32_t word);
void trace_policy(struct idle_trace_vcpu *t, uint64_t time_ns,
                  const struct idle_policy *policy);

#define TRACE_OWN(slot, ...)                                                   \
    do {                                                                       \
        struct idle_trace_vcpu *trace_ =                                       \
            atomic_load_explicit(slot, memory_order_acquire);                  \
        if (__builtin_expect(trace_ != NULL, 0))                               \
            trace_own(trace_, __VA_ARGS__);                                    \
    } while (0)

struct idle_trace_vcpu *trace_vcpu(struct idle_trace *trace, unsigned vcpu);

#endif
