/*
 * PSCI 1.1 (Arm DEN0022) and the little of the SMC calling convention (DEN0028)
 * that discovers it: how a guest turns vCPUs on and off, and the machine off.
 *
 * This part only reads arguments and decides. What it decides about other
 * vCPUs it does through struct psci_machine; what concerns the caller comes
 * back as an action, for the vCPU's own loop to carry out.
 */
#ifndef LULL_VMM_PSCI_H
#define LULL_VMM_PSCI_H

#include <stdbool.h>
#include <stdint.h>

enum psci_power {
    PSCI_ON = 0, /* the values AFFINITY_INFO answers with */
    PSCI_OFF = 1,
    PSCI_ON_PENDING = 2,
};

enum {
    PSCI_SUCCESS = 0,
    PSCI_NOT_SUPPORTED = -1,
    PSCI_INVALID_PARAMETERS = -2,
    PSCI_DENIED = -3,
    PSCI_ALREADY_ON = -4,
    PSCI_ERROR_ON_PENDING = -5,
    PSCI_INTERNAL_FAILURE = -6,
    PSCI_INVALID_ADDRESS = -9,
};

/* Function identifiers; the 64-bit forms have PSCI_64 set. */
#define PSCI_64 0x40000000U
enum psci_function {
    SMCCC_VERSION = 0x80000000,
    SMCCC_ARCH_FEATURES = 0x80000001,
    PSCI_VERSION = 0x84000000,
    PSCI_CPU_SUSPEND = 0x84000001,
    PSCI_CPU_OFF = 0x84000002,
    PSCI_CPU_ON = 0x84000003,
    PSCI_AFFINITY_INFO = 0x84000004,
    PSCI_MIGRATE_INFO_TYPE = 0x84000006,
    PSCI_SYSTEM_OFF = 0x84000008,
    PSCI_SYSTEM_RESET = 0x84000009,
    PSCI_FEATURES = 0x8400000a,
    PSCI_SYSTEM_RESET2 = 0x84000012,
};

enum psci_action {
    PSCI_RETURN,    /* put *result into X0 and carry on */
    PSCI_WAIT,      /* the same, after waiting as WFI does */
    PSCI_TURN_OFF,  /* this vCPU stops; the call does not return */
    PSCI_POWER_OFF, /* the machine stops */
    PSCI_RESET,     /* the machine starts over */
};

struct psci_machine {
    unsigned cpus;
    const uint64_t *mpidr; /* one per vCPU, as the guest reads it */
    enum psci_power (*power)(void *opaque, unsigned cpu);
    /* From off to on pending, to start at `entry` with X0 = context: false
     * when the vCPU was not off (somebody else was faster). */
    bool (*turn_on)(void *opaque, unsigned cpu, uint64_t entry,
                    uint64_t context);
    /* Can a vCPU start executing there? */
    bool (*entry_ok)(void *opaque, uint64_t entry);
    void *opaque;
};

/* The call with X0..X3 in x. For PSCI_RETURN and PSCI_WAIT *result is what
 * the guest finds in X0. */
enum psci_action psci_call(const struct psci_machine *machine,
                           const uint64_t x[4], uint64_t *result);

#endif
