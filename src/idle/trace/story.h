/*
 * What a trace tells: per vCPU, the periods in which its guest had nothing to
 * do, what ended each and how long the guest then ran; and what was measured
 * meanwhile. Replay starts from the former and is compared with the latter.
 */
#ifndef IDLE_TRACE_STORY_H
#define IDLE_TRACE_STORY_H

#include "file.h"

enum period_kind {
    PERIOD_IDLE,    /* the guest waited */
    PERIOD_PENDING, /* a WFI that found something pending: no wait */
    PERIOD_HELD,    /* the monitor's own wait: held, or off */
};

enum period_end {
    END_DEADLINE,
    END_KICK,  /* an interrupt */
    END_OTHER, /* stop, pause, work: none of the guest's business */
    END_NONE,  /* the recording ended first */
};

/* One period. Where the policy did not wait but returned, one period stands
 * for all its WFIs up to the event that the guest waited for. */
struct period {
    enum period_kind kind;
    enum period_end end;
    uint64_t entered_ns;
    uint64_t deadline_ns; /* IDLE_NO_DEADLINE for none */
    uint64_t arrived_ns;  /* when what ended it came about */
    uint64_t left_ns;     /* and when the vCPU went on */
};

/* A growing list of numbers, sorted when percentiles are asked for. */
struct sample {
    uint64_t *values;
    size_t count, room;
    bool sorted;
};

bool sample_add(struct sample *s, uint64_t value);
/* The value that `permille` of them do not exceed; 0 when there are none. */
uint64_t sample_at(struct sample *s, unsigned permille);
void sample_free(struct sample *s);

struct story_vcpu {
    struct period *periods;
    size_t count, room;
    uint64_t margin_ns[IDLE_HIST_BUCKETS]; /* at the beginning; or 0 */
};

/* What was measured. Of one vCPU, or of all. */
struct measured {
    uint64_t length_ns; /* of the recording; times vCPUs, for all */
    uint64_t waits, passes, early;
    uint64_t sleeps;   /* waits of the host: each is a wake-up */
    uint64_t guest_ns; /* neither waiting nor held */
    uint64_t residency_ns[IDLE_STATES];
    uint64_t entries[IDLE_STATES];
    uint64_t wakes[IDLE_WAKE_BACKSTOP + 1]; /* by cause */
    uint64_t reasons[16];                   /* of the kicks that woke */
    uint64_t kicks, kicks_parked, kicks_guest;
    uint64_t lost;
    uint64_t cpu_ns;
    bool cpu_known; /* measured at both ends */
    struct sample late, kick, idle;
};

/* How the host's sleeps were, by how long they were to be. */
enum { SEEN_LENGTHS = 5 };

struct seen {
    struct sample length[SEEN_LENGTHS], late[SEEN_LENGTHS];
    struct sample kick_length[SEEN_LENGTHS], kick[SEEN_LENGTHS];
    struct sample round; /* of the idle loop, where the policy returned */
};

struct story {
    const struct trace *trace;
    struct seen seen;
    struct story_vcpu vcpu[TRACE_VCPUS_MAX];
    struct measured measured[TRACE_VCPUS_MAX];
};

/* False: no memory. To be freed in either case. */
bool story_tell(const struct trace *trace, struct story *story);
void story_free(struct story *story);
/* The sum over all vCPUs; false: no memory. The caller frees its samples. */
bool story_sum(const struct story *story, struct measured *sum);
void measured_free(struct measured *m);

#endif
