/*
 * PSCI: every function, every argument it must refuse.
 */
#include "psci.h"

#include <string.h>

#include "test_main.h"

enum { CPUS = 18 };

#define ENTRY 0x40080000ULL

/* vCPU 17 is the second of the second group of sixteen. */
static uint64_t mpidr[CPUS];
static enum psci_power power[CPUS];
static struct {
    unsigned cpu, count;
    uint64_t entry, context;
} started;

static enum psci_power power_of(void *opaque, unsigned cpu)
{
    return power[cpu];
}

static bool turn_on(void *opaque, unsigned cpu, uint64_t entry,
                    uint64_t context)
{
    if (power[cpu] != PSCI_OFF)
        return false;
    power[cpu] = PSCI_ON_PENDING;
    started.cpu = cpu;
    started.entry = entry;
    started.context = context;
    started.count++;
    return true;
}

static bool entry_ok(void *opaque, uint64_t entry)
{
    return entry >= 0x40000000 && entry < 0x50000000 && (entry & 3) == 0;
}

static const struct psci_machine the_machine = {CPUS,    mpidr,    power_of,
                                                turn_on, entry_ok, NULL};

/* One vCPU on, the others off. */
static void machine(void)
{
    unsigned i;

    memset(&started, 0, sizeof(started));
    for (i = 0; i < CPUS; i++) {
        mpidr[i] = 1ULL << 31 | (i / 16) << 8 | i % 16;
        power[i] = i == 0 ? PSCI_ON : PSCI_OFF;
    }
}

static int64_t call_action(enum psci_action expected, uint32_t id, uint64_t a,
                           uint64_t b, uint64_t c)
{
    uint64_t x[4] = {id, a, b, c}, result = 0x5555;

    ck_assert_int_eq(psci_call(&the_machine, x, &result), expected);
    return (int64_t)result;
}

static int64_t call(uint32_t id, uint64_t a, uint64_t b, uint64_t c)
{
    return call_action(PSCI_RETURN, id, a, b, c);
}

START_TEST(says_what_it_is)
{
    machine();
    ck_assert_int_eq(call(PSCI_VERSION, 0, 0, 0), 0x10001);
    ck_assert_int_eq(call(SMCCC_VERSION, 0, 0, 0), 0x10001);
    ck_assert_int_eq(call(PSCI_MIGRATE_INFO_TYPE, 0, 0, 0), 2);
}
END_TEST

START_TEST(features_are_what_is_answered)
{
    static const uint32_t supported[] = {
        PSCI_VERSION,
        PSCI_CPU_SUSPEND,
        PSCI_CPU_SUSPEND | PSCI_64,
        PSCI_CPU_OFF,
        PSCI_CPU_ON,
        PSCI_CPU_ON | PSCI_64,
        PSCI_SYSTEM_OFF,
        PSCI_AFFINITY_INFO,
        PSCI_AFFINITY_INFO | PSCI_64,
        PSCI_FEATURES,
        PSCI_SYSTEM_RESET,
        PSCI_SYSTEM_RESET2,
        SMCCC_VERSION,
        PSCI_SYSTEM_RESET2 | PSCI_64,
        PSCI_MIGRATE_INFO_TYPE,
    };
    size_t i;

    machine();
    for (i = 0; i < COUNT_OF(supported); i++)
        ck_assert_msg(call(PSCI_FEATURES, supported[i], 0, 0) == 0, "%#x",
                      supported[i]);
    ck_assert_int_eq(call(PSCI_FEATURES, 0x8400000e, 0, 0),
                     PSCI_NOT_SUPPORTED); /* SYSTEM_SUSPEND */
    ck_assert_int_eq(call(PSCI_FEATURES, PSCI_CPU_OFF | PSCI_64, 0, 0),
                     PSCI_NOT_SUPPORTED);
    ck_assert_int_eq(call(SMCCC_ARCH_FEATURES, SMCCC_VERSION, 0, 0), 0);
    ck_assert_int_eq(call(SMCCC_ARCH_FEATURES, 0x80008000, 0, 0),
                     PSCI_NOT_SUPPORTED);
    ck_assert_int_eq(call(SMCCC_ARCH_FEATURES, PSCI_VERSION, 0, 0),
                     PSCI_NOT_SUPPORTED);
}
END_TEST

START_TEST(unknown_functions_are_not_supported)
{
    static const uint32_t unknown[] = {
        0,          0x84000005, 0x84000007, 0x8400000b, 0x8400000f, 0x84000013,
        0x84000050, 0x8600ff01, 0xc4000000, 0xc4000008, 0xffffffff, 0x04000000,
    };
    size_t i;

    machine();
    for (i = 0; i < COUNT_OF(unknown); i++)
        ck_assert_msg(call(unknown[i], 0, 0, 0) == PSCI_NOT_SUPPORTED, "%#x",
                      unknown[i]);
}
END_TEST

START_TEST(cpu_on_starts_a_cpu)
{
    machine();
    ck_assert_int_eq(call(PSCI_CPU_ON | PSCI_64, 0x101, ENTRY, 0x123456789),
                     PSCI_SUCCESS);
    ck_assert_uint_eq(started.cpu, 17);
    ck_assert_uint_eq(started.entry, ENTRY);
    ck_assert_uint_eq(started.context, 0x123456789);
    ck_assert_int_eq(power[17], PSCI_ON_PENDING);
}
END_TEST

START_TEST(a_32_bit_call_sees_32_bits)
{
    machine();
    ck_assert_int_eq(call(PSCI_CPU_ON, 0xffffffff00000001, ENTRY | 1ULL << 40,
                          0xffffffff00000005),
                     PSCI_SUCCESS);
    ck_assert_uint_eq(started.cpu, 1);
    ck_assert_uint_eq(started.entry, ENTRY);
    ck_assert_uint_eq(started.context, 5);
}
END_TEST

START_TEST(cpu_on_refuses)
{
    machine();
    power[3] = PSCI_ON_PENDING;
    ck_assert_int_eq(call(PSCI_CPU_ON | PSCI_64, 0, ENTRY, 0), PSCI_ALREADY_ON);
    ck_assert_int_eq(call(PSCI_CPU_ON | PSCI_64, 3, ENTRY, 0),
                     PSCI_ERROR_ON_PENDING);
    ck_assert_int_eq(call(PSCI_CPU_ON | PSCI_64, 16, ENTRY, 0),
                     PSCI_INVALID_PARAMETERS);
    ck_assert_int_eq(call(PSCI_CPU_ON | PSCI_64, 0x102, ENTRY, 0),
                     PSCI_INVALID_PARAMETERS);
    /* bits that no affinity has: 31 is set in MPIDR_EL1, not in a name */
    ck_assert_int_eq(call(PSCI_CPU_ON | PSCI_64, 1ULL << 31 | 1, ENTRY, 0),
                     PSCI_INVALID_PARAMETERS);
    ck_assert_int_eq(call(PSCI_CPU_ON | PSCI_64, 1ULL << 40 | 1, ENTRY, 0),
                     PSCI_INVALID_PARAMETERS);
    ck_assert_int_eq(call(PSCI_CPU_ON | PSCI_64, 1, 0x1000, 0),
                     PSCI_INVALID_ADDRESS);
    ck_assert_int_eq(call(PSCI_CPU_ON | PSCI_64, 1, ENTRY + 2, 0),
                     PSCI_INVALID_ADDRESS);
    ck_assert_uint_eq(started.count, 0);
}
END_TEST

START_TEST(affinity_info_of_one_cpu)
{
    machine();
    power[17] = PSCI_ON_PENDING;
    ck_assert_int_eq(call(PSCI_AFFINITY_INFO, 0, 0, 0), PSCI_ON);
    ck_assert_int_eq(call(PSCI_AFFINITY_INFO, 1, 0, 0), PSCI_OFF);
    ck_assert_int_eq(call(PSCI_AFFINITY_INFO | PSCI_64, 0x101, 0, 0),
                     PSCI_ON_PENDING);
    ck_assert_int_eq(call(PSCI_AFFINITY_INFO, 16, 0, 0),
                     PSCI_INVALID_PARAMETERS);
    ck_assert_int_eq(call(PSCI_AFFINITY_INFO | PSCI_64, 1ULL << 31, 0, 0),
                     PSCI_INVALID_PARAMETERS);
    ck_assert_int_eq(call(PSCI_AFFINITY_INFO, 0, 4, 0),
                     PSCI_INVALID_PARAMETERS);
}
END_TEST

START_TEST(affinity_info_of_groups)
{
    machine();
    /* group 0 holds the boot vCPU, group 1 none that is on */
    ck_assert_int_eq(call(PSCI_AFFINITY_INFO, 0x0ff, 1, 0), PSCI_ON);
    ck_assert_int_eq(call(PSCI_AFFINITY_INFO, 0x100, 1, 0), PSCI_OFF);
    power[16] = PSCI_ON_PENDING;
    ck_assert_int_eq(call(PSCI_AFFINITY_INFO, 0x100, 1, 0), PSCI_ON_PENDING);
    power[17] = PSCI_ON;
    ck_assert_int_eq(call(PSCI_AFFINITY_INFO, 0x100, 1, 0), PSCI_ON);
    ck_assert_int_eq(call(PSCI_AFFINITY_INFO, 0x200, 1, 0),
                     PSCI_INVALID_PARAMETERS);
    ck_assert_int_eq(call(PSCI_AFFINITY_INFO, 0xffff, 2, 0), PSCI_ON);
    ck_assert_int_eq(call(PSCI_AFFINITY_INFO, 0x10000, 2, 0),
                     PSCI_INVALID_PARAMETERS);
    ck_assert_int_eq(call(PSCI_AFFINITY_INFO, 0xffffff, 3, 0), PSCI_ON);
}
END_TEST

START_TEST(suspend_waits)
{
    machine();
    ck_assert_int_eq(call_action(PSCI_WAIT, PSCI_CPU_SUSPEND, 0, 0, 0),
                     PSCI_SUCCESS);
    /* standby: the entry point is not looked at */
    ck_assert_int_eq(
        call_action(PSCI_WAIT, PSCI_CPU_SUSPEND | PSCI_64, 0x0100ffff, 1, 0),
        PSCI_SUCCESS);
    ck_assert_int_eq(call_action(PSCI_WAIT, PSCI_CPU_SUSPEND | PSCI_64,
                                 0x00010000, ENTRY, 0),
                     PSCI_SUCCESS);
}
END_TEST

START_TEST(suspend_refuses)
{
    static const uint32_t reserved[] = {0x00020000, 0x00800000, 0x04000000,
                                        0x80000000};
    size_t i;

    machine();
    for (i = 0; i < COUNT_OF(reserved); i++)
        ck_assert_int_eq(call(PSCI_CPU_SUSPEND, reserved[i], ENTRY, 0),
                         PSCI_INVALID_PARAMETERS);
    ck_assert_int_eq(call(PSCI_CPU_SUSPEND, 0x00010000, 0x1000, 0),
                     PSCI_INVALID_ADDRESS);
}
END_TEST

START_TEST(ends_and_resets)
{
    machine();
    call_action(PSCI_TURN_OFF, PSCI_CPU_OFF, 0, 0, 0);
    call_action(PSCI_POWER_OFF, PSCI_SYSTEM_OFF, 0, 0, 0);
    call_action(PSCI_RESET, PSCI_SYSTEM_RESET, 0, 0, 0);
    call_action(PSCI_RESET, PSCI_SYSTEM_RESET2, 0, 0, 0);
    call_action(PSCI_RESET, PSCI_SYSTEM_RESET2 | PSCI_64, 0, 1, 0);
    ck_assert_int_eq(call(PSCI_SYSTEM_RESET2, 1, 0, 0),
                     PSCI_INVALID_PARAMETERS);
    ck_assert_int_eq(call(PSCI_SYSTEM_RESET2, 0x80000000, 0, 0),
                     PSCI_NOT_SUPPORTED);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        says_what_it_is,
        features_are_what_is_answered,
        unknown_functions_are_not_supported,
        cpu_on_starts_a_cpu,
        a_32_bit_call_sees_32_bits,
        cpu_on_refuses,
        affinity_info_of_one_cpu,
        affinity_info_of_groups,
        suspend_waits,
        suspend_refuses,
        ends_and_resets,
    };

    return test_main("psci", tests, COUNT_OF(tests));
}
