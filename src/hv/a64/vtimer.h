/*
 * The virtual timer's registers, for the register table.
 */
#ifndef LULL_A64_VTIMER_H
#define LULL_A64_VTIMER_H

#include <stdint.h>

struct a64_cpu;

enum { CNTV_ENABLE = 1, CNTV_IMASK = 2, CNTV_ISTATUS = 4 };

void a64_vtimer_set_ctl(struct a64_cpu *cpu, uint64_t value);
uint64_t a64_vtimer_tval(const struct a64_cpu *cpu);
void a64_vtimer_set_tval(struct a64_cpu *cpu, uint64_t value);

#endif
