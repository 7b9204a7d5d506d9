/*
 * lull-idle traces: what each vCPU did about its idleness, record by record,
 * while it runs. docs/trace.md has the format in words.
 *
 * The caller gives a piece of memory, which another process may map as well:
 * the vCPUs write their records into rings there, and whoever reads takes them
 * out. Nobody waits for anybody: a record that finds its ring full is dropped
 * and counted, so that what a trace has is right up to the drop and right
 * after it. A vCPU without a trace pays for one load per hook.
 *
 * Each vCPU has two rings. Its own: everything its thread says, one producer.
 * And one for the kicks that other threads give it, many producers.
 */
#ifndef LULL_IDLE_TRACE_H
#define LULL_IDLE_TRACE_H

#include <lull/idle.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a record says. The numbers are the format's: never change one. */
enum idle_trace_kind {
    /* A wait began. value: its deadline; detail: 1 for a guest's WFI, 0 for
     * the caller's own wait (held, off). */
    IDLE_TRACE_WAIT = 1,
    /* The wait is in another state from now on. detail: enum idle_state;
     * value: until when, at the latest. */
    IDLE_TRACE_STATE = 2,
    /* The wait is over. detail: enum idle_wake; value: its deadline; reasons:
     * what was consumed. */
    IDLE_TRACE_WAKE = 3,
    /* A WAIT and its WAKE in one, since there was nothing to wait for:
     * something pending, a deadline past, a policy that returns. */
    IDLE_TRACE_PASS = 4,
    /* A reason was set that was not set before. reasons: which; detail: enum
     * idle_trace_found; who: the kicker. */
    IDLE_TRACE_KICK = 5,
    /* Another policy from now on. detail: its place among idle_policy_names;
     * reasons: 1 when it polls; value: share_permille | sleep_us << 32. */
    IDLE_TRACE_POLICY = 6,
    /* The rest is written by who records, not by the rings' producers. */
    IDLE_TRACE_CPU = 7,  /* value: CPU time of the vCPU's thread so far, ns */
    IDLE_TRACE_LOST = 8, /* value: records dropped; detail: 1 for kicks */
    /* What the vCPU had learned when the recording began. value: the margin,
     * ns; detail: for which power of two of the time to the deadline. */
    IDLE_TRACE_MARGIN = 9,
    IDLE_TRACE_END = 10, /* value: records before it | CRC-32 << 32 */
};

/* Where a kick found the vCPU. */
enum idle_trace_found {
    IDLE_TRACE_AWAKE,  /* in its loop, or polling: it will look */
    IDLE_TRACE_PARKED, /* asleep: the kicker woke it */
    IDLE_TRACE_GUEST,  /* in the guest: the kicker forced it out */
};

/* Who kicks: 0 and up are vCPUs. */
enum {
    IDLE_TRACE_WHO_OTHER = 0xffff,
    IDLE_TRACE_WHO_LOOP = 0xfffe, /* the monitor's own main loop */
};

/* 24 bytes, little-endian in a file. */
struct idle_trace_record {
    uint64_t time_ns; /* idle_now_ns */
    uint64_t value;
    uint16_t reasons;
    uint8_t kind;
    uint8_t detail;
    uint16_t vcpu;
    uint16_t who;
};

enum { IDLE_TRACE_OWN, IDLE_TRACE_KICKS, IDLE_TRACE_RINGS };

struct idle_trace;
struct idle_trace_vcpu;

/* How much memory the rings of so many vCPUs take; whole pages of 4 KiB. */
size_t idle_trace_bytes(unsigned vcpus);

/* Rings in `memory`, zeroed and aligned to 4 KiB, which stays the caller's.
 * NULL and ENOMEM. Free it only after every vCPU that it was given to. */
struct idle_trace *idle_trace_new(void *memory, unsigned vcpus);
void idle_trace_free(struct idle_trace *trace);

/* Throw away what the rings hold, count drops from zero. For the caller of
 * idle_set_trace, while no vCPU has the trace. */
void idle_trace_clear(struct idle_trace *trace);

/* From now on `iv` records as `vcpu` of `trace`, or not at all (NULL). At any
 * time, from any thread; a record under way may still be written. */
void idle_set_trace(struct idle_vcpu *iv, struct idle_trace *trace,
                    unsigned vcpu);

/* Who the calling thread is when it kicks: a vCPU's number, or a WHO above. */
void idle_trace_thread(unsigned who);

/*
 * The reader's side, one thread in any process; `memory` may be written by a
 * stranger, so nothing in it is believed. Copies at most `room` records of one
 * ring, the oldest first, and takes them out. -1: the ring is damaged.
 */
ptrdiff_t idle_trace_take(void *memory, unsigned vcpu, unsigned ring,
                          struct idle_trace_record *out, size_t room);
/* Records dropped so far. */
uint64_t idle_trace_dropped(const void *memory, unsigned vcpu, unsigned ring);

#ifdef __cplusplus
}
#endif

#endif
