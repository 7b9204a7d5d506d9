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

/* The thread that makes stray wakes, cancels and signals, where any is asked
 * for. From the start of the vCPUs' threads to before their end. */
bool faults_start(struct lull_vm *vm, struct why *why);
void faults_stop(struct lull_vm *vm);

/* A WFI of this vCPU's guest: is it one that ends by itself? Own thread. */
bool fault_wfi(struct lull_vm *vm, unsigned cpu);

#endif
