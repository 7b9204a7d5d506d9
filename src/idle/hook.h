/*
 * Where the tests may step in: named points inside the protocol's windows. In
 * the library every hook is the constant false and leaves no code behind.
 */
#ifndef IDLE_HOOK_H
#define IDLE_HOOK_H

#include <lull/idle.h>

enum idle_hook {
    IDLE_HOOK_KICK_SET,  /* kicker: the bit is set, the duty not yet done */
    IDLE_HOOK_KICK_WAKE, /* kicker: about to wake a parked vCPU */
    IDLE_HOOK_KICK_DONE, /* kicker: the wake has been delivered */
    IDLE_HOOK_PARK_SET,  /* vCPU: PARKED is set, the word looked at */
    IDLE_HOOK_SLEEP,     /* vCPU: about to sleep; true: return at once */
    IDLE_HOOK_SLEPT,     /* vCPU: back from the sleep */
    IDLE_HOOK_UNPARKED,  /* vCPU: PARKED is cleared, nothing taken yet */
    IDLE_HOOK_MUTANT,    /* only in the mutants: the window they open */
};

#ifdef IDLE_TEST
bool idle_test_hook(enum idle_hook at);
/* Before its thread begins: sleep in this way and stay with it. */
void idle_test_pin(struct idle_vcpu *iv, enum idle_rung rung);
/* Make it older: for policies that do nothing at first, and for a sleep that
 * is not trusted for a while. */
void idle_test_age(struct idle_vcpu *iv, uint64_t ns);
#define IDLE_HOOK(at) idle_test_hook(at)
#else
#define IDLE_HOOK(at) false
#endif

#endif
