/*
 * A vCPU at EL0 in a machine of two pages, for tests that run instructions.
 *
 * Guest virtual and physical addresses are the same. EL0 may do anything with
 * the first gigabyte; every exception it takes, the SVC behind a test too,
 * goes to a vector that is an HVC and so ends the run with ESR_EL1, ELR_EL1
 * and SPSR_EL1 telling about it. A failing call ends the test.
 */
#ifndef ORACLE_EL0_H
#define ORACLE_EL0_H

#include <Hypervisor/Hypervisor.h>

#include <stddef.h>
#include <stdint.h>

enum { EL0_CODE_BYTES = 0x4000 };

extern uint8_t *code, *data;
extern hv_vcpu_t vcpu;
extern hv_vcpu_exit_t *vexit;

void check_hv(hv_return_t ret, const char *what);
#define HV(call) check_hv(call, #call)

/* Make the VM and the vCPU, code at ORACLE_CODE and data at ORACLE_DATA. */
void el0_set_up(size_t data_bytes);
/* New code where old code ran. */
void el0_sync_code(void);

#endif
