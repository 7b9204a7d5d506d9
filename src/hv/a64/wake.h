/*
 * Which decoded operations the guest runs when it goes on after a WFI, and how
 * they are fetched into the caches ahead of it: wake.c. Own thread only.
 */
#ifndef LULL_A64_WAKE_H
#define LULL_A64_WAKE_H

#include <stdbool.h>
#include <stdint.h>

struct a64_cpu;
struct a64_op;

/* Host pages that a wake's operations may lie in; more are left out. */
enum { A64_WAKE_PAGES = 512 };

/* Cache lines, by host page: a hash table. Page 0: the entry is free. */
struct a64_wake_set {
    struct {
        uintptr_t page;
        uint64_t lines;
    } entry[A64_WAKE_PAGES];
};

struct a64_wake {
    struct a64_wake_set set[2];
    uint32_t playing; /* which of the two is complete; the other is written */
    uint32_t count;   /* wakes from long sleeps */
    uint32_t slot;    /* where the last jump led to, in cpu->page_ops */
    bool warmed;      /* since the guest was left */
};

/* The guest is left by a WFI, and goes on behind one. */
void a64_wake_leave(struct a64_cpu *cpu);
void a64_wake_enter(struct a64_cpu *cpu);
/* It soon will: what it is likely to run is wanted in the caches. No guest
 * state changes, and nothing but time is lost when it does not. */
void a64_wake_warm(struct a64_cpu *cpu, uint64_t now_ticks);
/* While cpu->recording: the guest jumps from `last` to cpu->pc. `last` is an
 * operation of cpu->page_ops if that is set. */
void a64_wake_note(struct a64_cpu *cpu, const struct a64_op *last);

#endif
