/*
 * The parking protocol of src/idle (word.h, idle.c) and the vCPU loop that
 * uses it (src/vmm/vcpu.c), for SPIN. Names and order of steps are those of
 * the C code; each read-modify-write of the word is one step, each load one,
 * and the futex compares and falls asleep in one, as the kernel does.
 *
 * One scenario is compiled in at a time:
 *
 *   KICKS  two devices raise interrupts, wakes come for no reason, then stop
 *   HOLD   pause, resume, pause, resume, stop, while a device interrupts
 *   TIMER  the guest's deadline is changed while it may be parked, and passes
 *   PAIR   two vCPUs send each other interrupts and wait for them
 *   WORKS  a vCPU that is off is powered on by another; its policy changes
 *
 * Checked: nobody sleeps, or stays in the guest, with a reason to come out
 * that no kicker is about to deliver (lost, below); a held vCPU is out of the
 * guest; every run ends (no deadlock, no cycle), and so every stop is served.
 * There is no backstop here, and no timer but in TIMER: nothing rescues.
 *
 * Mutants break one rule each, and must be found: see run.
 *
 * What this cannot show: SPIN's memory is sequentially consistent. The orders
 * on arm64 are argued in word.h.
 */

#define IRQ 1
#define STOP 2
#define PAUSE 4
#define RESUME 8
#define WORK 16
#define TIMER_CHANGED 32
#define CONFIG 64
#define PARKED 128
#define GUEST 256

#define ANY 63
#define ASKED 127

#ifdef PAIR
#define VCPUS 2
#else
#define VCPUS 1
#endif

mtype = { RUNNING, HOLDING, STOPPING };

short word[VCPUS];
short wakeset[VCPUS]; /* what ends the sleep under way */
byte owed[VCPUS];     /* kickers that will deliver what they found due */
bool asleep[VCPUS], timed[VCPUS];
bool in_guest[VCPUS], cancel[VCPUS]; /* hv_vcpu_run; a request to leave it */
bool pending[VCPUS];                 /* the GIC's line */
bool off[VCPUS];
byte taken[VCPUS]; /* interrupts that the guest took, at most 3 */
bool ended[VCPUS];

mtype phase = RUNNING;
byte held;

bool armed, due, ticked; /* TIMER: the deadline exists, and has passed */

#define lost(v)                                                              \
    ((asleep[v] && (word[v] & (wakeset[v] | CONFIG)) && owed[v] == 0 &&       \
      !(timed[v] && due)) ||                                                  \
     (in_guest[v] && (word[v] & ANY) && owed[v] == 0 && !cancel[v]))

/* ---- the word --------------------------------------------------------------
 */

#ifdef COALESCE_ON_ANY
#define COALESCES(reason) ANY
#else
#define COALESCES(reason) (reason)
#endif

/* Who finds the vCPU parked or in the guest owes it something. */
inline note_owed(v, reason)
{
    if
    :: !(old & COALESCES(reason)) &&
       (old & PARKED || (old & GUEST && reason != CONFIG)) ->
        owed[v]++;
        owes = true
    :: else -> owes = false
    fi
}

inline set(v, reason)
{
#if defined(LOOK_THEN_PUBLISH)
    d_step { old = word[v]; note_owed(v, reason) }
    d_step { word[v] = word[v] | reason }
#elif defined(TORN_SET)
    d_step { old = word[v]; note_owed(v, reason) }
    d_step { word[v] = old | reason }
#else
    d_step { old = word[v]; word[v] = word[v] | reason; note_owed(v, reason) }
#endif
}

/* idle_kick, and idle_set_policy for CONFIG. Needs short old; bool owes. */
inline kick(v, reason)
{
    set(v, reason);
    if
    :: !owes
    :: owes && old & PARKED -> d_step { asleep[v] = false; owed[v]-- }
    :: owes && !(old & PARKED) -> d_step { cancel[v] = true; owed[v]-- }
    fi;
    d_step { old = 0; owes = false }
}

inline leave(v)
{
#ifdef LOAD_AND_STORE
    seen = word[v];
    word[v] = 0;
#else
    word[v] = 0;
#endif
    seen = 0
}

inline take(v, mask)
{
#ifdef LOAD_AND_STORE
    seen = word[v];
    word[v] = seen & ~(mask);
#else
    word[v] = word[v] & ~(mask);
#endif
    seen = 0
}

/* ---- waiting ---------------------------------------------------------------
 */

/* park_wait: asleep only if the word is what was looked at. */
inline futex_wait(v)
{
    d_step {
#ifdef NO_COMPARE
        asleep[v] = true
#else
        if
        :: word[v] == seen -> asleep[v] = true
        :: else
        fi
#endif
    }
    if
    :: !asleep[v]
    :: timed[v] && due -> asleep[v] = false
    fi
}

inline sleep_parked(v, mask)
{
    do
    :: timed[v] && due -> break
    :: else ->
        seen = word[v];
#ifdef CHECK_THEN_PARK
        /* The check was before PARKED was set; only later rounds look. */
        if
        :: again && seen & (mask | CONFIG) -> break
        :: else
        fi;
        again = true;
#else
        if
        :: seen & (mask | CONFIG) -> break
        :: else
        fi;
#endif
        futex_wait(v)
    od
}

inline park(v, mask)
{
#ifdef CHECK_THEN_PARK
    again = false;
    seen = word[v];
    word[v] = word[v] | PARKED;
#else
    d_step { seen = word[v]; word[v] = word[v] | PARKED }
#endif
    if
    :: seen & (mask | CONFIG)
    :: else -> sleep_parked(v, mask)
    fi;
    word[v] = word[v] & ~PARKED
}

inline idle_wait(v, mask)
{
    wakeset[v] = mask;
    do
    :: word[v] & (mask) -> break
    :: else ->
        if
        :: timed[v] && due -> break
        :: else
        fi;
        if
        :: word[v] & CONFIG -> take(v, CONFIG)
        :: else
        fi;
        park(v, mask)
    od;
    take(v, mask);
    d_step { wakeset[v] = 0; seen = 0 }
}

/* ---- the vCPU's thread -----------------------------------------------------
 */

inline hold(v)
{
    held++;
    do
    :: phase == HOLDING -> idle_wait(v, STOP | RESUME)
    :: else -> break
    od;
    held--
}

inline timer_raised(v)
{
    ticked = true;
    pending[v] = true
}

/* One wait of a guest in WFI: vcpu_wait. */
inline wait(v)
{
    if
    :: pending[v] -> waiting = false
    :: else ->
        /* A line that is up already has no deadline: it came. */
        timed[v] = armed && !ticked;
        idle_wait(v, ANY);
        timed[v] = false;
        if
        :: armed && due && !ticked -> d_step { timer_raised(v) }
        :: else
        fi
    fi
}

/* hv_vcpu_run: takes what was pending before, else waits, or computes until it
 * is forced out or its timer passes. */
inline run_guest(v)
{
#ifdef CANCEL_NOT_STICKY
    cancel[v] = false;
#endif
    if
    :: cancel[v] -> skip
    :: !cancel[v] && pending[v] ->
        d_step {
            pending[v] = false;
            if
            :: taken[v] < 3 -> taken[v]++
            :: else
            fi
        }
    :: !cancel[v] && !pending[v] -> waiting = true
#ifndef PAIR
    :: !cancel[v] && !pending[v] ->
        if
        :: cancel[v]
        :: armed && due && !ticked -> d_step { timer_raised(v) }
        fi
#endif
    fi;
    /* The request is used up by leaving, whatever caused that. */
    d_step { in_guest[v] = false; cancel[v] = false }
}

inline enter(v)
{
    d_step { seen = word[v]; word[v] = word[v] | GUEST }
    if
    :: seen & ASKED -> leave(v)
    :: else ->
        d_step { seen = 0; in_guest[v] = true }
        run_guest(v);
        leave(v)
    fi
}


proctype vcpu(byte v)
{
    short seen;
    bool waiting;
#ifdef CHECK_THEN_PARK
    bool again;
#endif
#ifdef PAIR
    short old;
    bool owes;
    byte sent, peer = 1 - v;
#endif

    do
#ifdef PAIR
    /* The guest's own program: two messages, each answered by the other's. */
    :: sent < 2 && taken[v] >= sent && !waiting ->
        sent++;
        pending[peer] = true;
        kick(peer, IRQ)
    :: taken[v] > 0 && sent == 2 -> break
    :: !(sent < 2 && taken[v] >= sent && !waiting) &&
       !(taken[v] > 0 && sent == 2) ->
        if
        :: waiting -> wait(v)
        :: else -> enter(v)
        fi
#else
    :: phase == STOPPING -> break
    :: phase == HOLDING -> hold(v)
    :: phase == RUNNING ->
        if
        :: off[v] -> idle_wait(v, STOP | PAUSE | WORK)
        :: else ->
            if
            :: waiting -> wait(v)
            :: else -> enter(v)
            fi
        fi
#endif
    od;
    ended[v] = true
}

/* ---- the others ------------------------------------------------------------
 */

proctype device(byte v; byte times)
{
    short old;
    bool owes;

    do
    :: times > 0 ->
        times--;
        pending[v] = true;
        kick(v, IRQ)
    :: else -> break
    od
}

inline stop()
{
    phase = STOPPING;
    kick(0, STOP)
}

proctype stopper()
{
    short old;
    bool owes;

    stop()
}

/* A signal, a late wake: the sleep ends and nobody asked. */
proctype strays(byte times)
{
    do
    :: times > 0 && asleep[0] -> d_step { times--; asleep[0] = false }
    :: ended[0] -> break
    od
}

proctype pauser(byte times)
{
    short old;
    bool owes;

    do
    :: times > 0 ->
        times--;
        phase = HOLDING;
        kick(0, PAUSE);
        held == 1;
        assert(!in_guest[0]);
        phase = RUNNING;
        kick(0, RESUME)
    :: else -> break
    od;
    stop()
}

/* The deadline comes into being while the vCPU may be parked without one. */
proctype changer()
{
    short old;
    bool owes;

    armed = true;
#ifndef TIMER_NOT_KICKED
    kick(0, TIMER_CHANGED);
#endif
    taken[0] > 0;
    stop()
}

proctype clock()
{
    armed;
    due = true
}

proctype powers_on()
{
    short old;
    bool owes;

    off[0] = false;
    kick(0, WORK)
}

proctype configures()
{
    short old;
    bool owes;

    kick(0, CONFIG)
}

proctype stops_when_it_ran()
{
    short old;
    bool owes;

    taken[0] > 0;
    stop()
}

/* Looks once, at any moment whatever. */
proctype monitor()
{
    assert(!lost(0) && !lost(VCPUS - 1))
}

init
{
    atomic {
#ifdef KICKS
        run device(0, 2);
        run device(0, 2);
        run strays(1);
        run stopper();
#endif
#ifdef HOLD
        run device(0, 1);
        run pauser(2);
#endif
#ifdef TIMER
        run changer();
        run clock();
#endif
#ifdef WORKS
        off[0] = true;
        run powers_on();
        run configures();
        run device(0, 1);
        run stops_when_it_ran();
#endif
#ifdef PAIR
        run vcpu(1);
#endif
        run vcpu(0);
        run monitor()
    }
}
