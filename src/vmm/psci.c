/*
 * PSCI calls, one function each, found by a table that also answers
 * PSCI_FEATURES: what is in the table is supported, with nothing to keep in
 * step by hand.
 *
 * CPU_SUSPEND to a power-down state is answered as a standby: the
 * specification lets an implementation choose a shallower state, and the
 * guest's idle then costs one park instead of a vCPU's rebirth.
 */
#include "psci.h"

#include <stddef.h>

#include "lull/bits.h"

/* What the affinity fields of MPIDR_EL1 may hold: Aff3, and Aff2..Aff0. */
#define AFFINITY_MASK 0xff00ffffffULL

struct call {
    const struct psci_machine *machine;
    uint64_t arg[3];
    uint64_t result;
};

static enum psci_action answer(struct call *call, int64_t value)
{
    call->result = (uint64_t)value;
    return PSCI_RETURN;
}

static enum psci_action smccc_version(struct call *call)
{
    return answer(call, 0x10001);
}

static enum psci_action psci_version(struct call *call)
{
    return answer(call, 0x10001);
}

static enum psci_action cpu_suspend(struct call *call)
{
    uint64_t state = call->arg[0];

    /* The original format: state ID, type in bit 16, level in 25:24. */
    if (state & ~0x0301ffffULL)
        return answer(call, PSCI_INVALID_PARAMETERS);
    if (bit(state, 16) &&
        !call->machine->entry_ok(call->machine->opaque, call->arg[1]))
        return answer(call, PSCI_INVALID_ADDRESS);
    answer(call, PSCI_SUCCESS);
    return PSCI_WAIT;
}

static enum psci_action cpu_off(struct call *call)
{
    return PSCI_TURN_OFF;
}

static unsigned cpu_with(const struct psci_machine *machine, uint64_t mpidr)
{
    unsigned cpu;

    for (cpu = 0; cpu < machine->cpus; cpu++)
        if ((machine->mpidr[cpu] & AFFINITY_MASK) == mpidr)
            break;
    return cpu;
}

static enum psci_action cpu_on(struct call *call)
{
    const struct psci_machine *machine = call->machine;
    unsigned cpu = cpu_with(machine, call->arg[0]);

    if (cpu == machine->cpus)
        return answer(call, PSCI_INVALID_PARAMETERS);
    if (!machine->entry_ok(machine->opaque, call->arg[1]))
        return answer(call, PSCI_INVALID_ADDRESS);
    if (machine->turn_on(machine->opaque, cpu, call->arg[1], call->arg[2]))
        return answer(call, PSCI_SUCCESS);
    if (machine->power(machine->opaque, cpu) == PSCI_ON_PENDING)
        return answer(call, PSCI_ERROR_ON_PENDING);
    return answer(call, PSCI_ALREADY_ON);
}

/* On if any vCPU of the group is, on pending if any is and none is on. */
static enum psci_action affinity_info(struct call *call)
{
    static const uint64_t below[] = {0, 0xff, 0xffff, 0xffffff};
    const struct psci_machine *machine = call->machine;
    uint64_t level = call->arg[1];
    bool found = false, pending = false;
    uint64_t mask;
    unsigned cpu;

    if (level > 3 || (call->arg[0] & ~AFFINITY_MASK))
        return answer(call, PSCI_INVALID_PARAMETERS);
    mask = AFFINITY_MASK & ~below[level];
    for (cpu = 0; cpu < machine->cpus; cpu++) {
        enum psci_power power;

        if ((machine->mpidr[cpu] & mask) != (call->arg[0] & mask))
            continue;
        found = true;
        power = machine->power(machine->opaque, cpu);
        if (power == PSCI_ON)
            return answer(call, PSCI_ON);
        pending |= power == PSCI_ON_PENDING;
    }
    if (!found)
        return answer(call, PSCI_INVALID_PARAMETERS);
    return answer(call, pending ? PSCI_ON_PENDING : PSCI_OFF);
}

/* 2: there is no Trusted OS, so nothing to migrate. */
static enum psci_action migrate_info_type(struct call *call)
{
    return answer(call, 2);
}

static enum psci_action system_off(struct call *call)
{
    return PSCI_POWER_OFF;
}

static enum psci_action system_reset(struct call *call)
{
    return PSCI_RESET;
}

/* Type 0 is the architectural warm reset, bit 31 marks vendors' own. */
static enum psci_action system_reset2(struct call *call)
{
    uint64_t type = call->arg[0] & 0xffffffff;

    if (type != 0)
        return answer(call, bit(type, 31) ? PSCI_NOT_SUPPORTED
                                          : PSCI_INVALID_PARAMETERS);
    return PSCI_RESET;
}

static enum psci_action psci_features(struct call *call);
static enum psci_action arch_features(struct call *call);

static const struct function {
    uint32_t id;
    bool wide; /* has a 64-bit form too */
    bool arch; /* of the calling convention, not of PSCI */
    enum psci_action (*call)(struct call *call);
} functions[] = {
    {SMCCC_VERSION, false, true, smccc_version},
    {SMCCC_ARCH_FEATURES, false, true, arch_features},
    {PSCI_VERSION, false, false, psci_version},
    {PSCI_CPU_SUSPEND, true, false, cpu_suspend},
    {PSCI_CPU_OFF, false, false, cpu_off},
    {PSCI_CPU_ON, true, false, cpu_on},
    {PSCI_AFFINITY_INFO, true, false, affinity_info},
    {PSCI_MIGRATE_INFO_TYPE, false, false, migrate_info_type},
    {PSCI_SYSTEM_OFF, false, false, system_off},
    {PSCI_SYSTEM_RESET, false, false, system_reset},
    {PSCI_FEATURES, false, false, psci_features},
    {PSCI_SYSTEM_RESET2, true, false, system_reset2},
};

static const struct function *function_of(uint32_t id)
{
    size_t i;

    for (i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
        const struct function *function = &functions[i];

        if (function->id == id ||
            (function->wide && (function->id | PSCI_64) == id))
            return function;
    }
    return NULL;
}

/* Flags of CPU_SUSPEND are 0 as well: original format, no OS-initiated mode.
 * SMCCC_VERSION may be asked for here, that is how it is found. */
static enum psci_action psci_features(struct call *call)
{
    const struct function *function = function_of((uint32_t)call->arg[0]);

    if (function == NULL || function->id == SMCCC_ARCH_FEATURES)
        return answer(call, PSCI_NOT_SUPPORTED);
    return answer(call, PSCI_SUCCESS);
}

static enum psci_action arch_features(struct call *call)
{
    const struct function *function = function_of((uint32_t)call->arg[0]);

    if (function == NULL || !function->arch)
        return answer(call, PSCI_NOT_SUPPORTED);
    return answer(call, PSCI_SUCCESS);
}

enum psci_action psci_call(const struct psci_machine *machine,
                           const uint64_t x[4], uint64_t *result)
{
    const struct function *function = function_of((uint32_t)x[0]);
    bool wide = bit(x[0], 30);
    struct call call = {.machine = machine};
    enum psci_action action;
    unsigned i;

    if (function == NULL) {
        *result = (uint64_t)(int64_t)PSCI_NOT_SUPPORTED;
        return PSCI_RETURN;
    }
    /* A 32-bit call sees W registers only. */
    for (i = 0; i < 3; i++)
        call.arg[i] = wide ? x[i + 1] : (uint32_t)x[i + 1];
    action = function->call(&call);
    *result = call.result;
    return action;
}
