/*
 * What a platform provides: a clock, a sleep on the parking word, a wake. One
 * file per platform implements it (park_linux.c, park_darwin.c); all calls but
 * park_wake, park_clock_ns and park_cpu_ns are the vCPU thread's own.
 *
 * There is more than one way to sleep, a rung of the ladder each (rung.h). The
 * vCPU chooses before it parks; who wakes reads the choice after it has seen
 * PARKED. It may by then be a later park's choice: then the vCPU has been awake
 * since, has seen the bit or will, and the wake is a stray.
 *
 * A sleep may end early for no reason at all; the caller looks at the word and
 * the clock and sleeps again. It must not start, or must end at once, when the
 * word no longer has the expected value or a wake came since park_before.
 */
#ifndef IDLE_PARK_H
#define IDLE_PARK_H

#include "word.h"

#include <lull/idle.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

struct gov_host;

enum park_end {
    PARK_WOKEN,   /* a wake, or a stray one, or a signal */
    PARK_TIME,    /* the time asked for has come */
    PARK_CHANGED, /* the word had changed before the sleep began */
    PARK_BROKEN,  /* this primitive does not work here */
};

struct park {
    _Atomic int rung; /* enum idle_rung; by the vCPU's thread, PARKED clear */
    pthread_mutex_t lock;
    pthread_cond_t cond;
    _Atomic int event;   /* Linux: made for the alarm's first use, or -1 */
    int timer;           /* Linux: the same */
    clockid_t cpu_clock; /* Linux: of the vCPU's thread */
    uint32_t thread;     /* Darwin: its port */
    _Atomic bool attached;
    int queue;  /* Darwin: the kqueue, unused on Linux */
    bool woken; /* Darwin: a wake was received during this park */
    bool owed;  /* Darwin: a wake for a park that is over may still come */
};

/* 0 or an errno value. */
int park_init(struct park *park);
void park_fini(struct park *park);

/* Make the calling thread one that wakes on time. */
void park_punctual(void);
/* The same, and its CPU time can be asked for. */
void park_attach(struct park *park);

/* Around each park, PARKED clear in both. The park is to sleep on `rung`, one
 * above IDLE_RUNG_SLICES. `kicked`: somebody set a bit while PARKED was set,
 * and so owed a wake. */
void park_before(struct park *park, enum idle_rung rung);
void park_after(struct park *park, bool kicked);

/* Sleep until `until_ns` while *word == expect. */
enum park_end park_wait(struct park *park, idle_word *word, uint32_t expect,
                        uint64_t until_ns);
/* Any thread. */
void park_wake(struct park *park, idle_word *word);

/* A sleep nothing can end but time: the fallback's slices. */
void park_slice(uint64_t until_ns);

uint64_t park_clock_ns(void);
/* CPU time the attached thread has used; 0 when there is none. Any thread. */
uint64_t park_cpu_ns(const struct park *park);

/* How late this platform's sleep is, for the governor. */
extern const struct gov_host park_host;

#endif
