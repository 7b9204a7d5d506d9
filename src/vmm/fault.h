/*
 * Faults on request: a machine that misbehaves as real hosts have been seen
 * to, so that tests can show that its guests stay right and cheap.
 */
#ifndef LULL_VMM_FAULT_H
#define LULL_VMM_FAULT_H

#include <stdbool.h>
#include <stdint.h>

#include "lull/vm.h"
#include "why.h"

struct lull_vm;

/* Before the vCPUs' threads: how long the faults last. */
void faults_init(struct lull_vm *vm);
/* The threads that make stray wakes, cancels, signals and stops, where any
 * is asked for. From the start of the vCPUs' threads to before their end. */
bool faults_start(struct lull_vm *vm, struct why *why);
void faults_stop(struct lull_vm *vm);

/* A WFI of this vCPU's guest: is it one that ends by itself? Own thread. */
bool fault_wfi(struct lull_vm *vm, unsigned cpu);

/* This vCPU is about to run its guest, whose timer fires then. Own thread; only
 * where fault_races says so. */
void fault_timer(struct lull_vm *vm, unsigned cpu, uint64_t fires_ns);
bool fault_races(const struct lull_vm *vm);

#endif
