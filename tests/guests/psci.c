/*
 * psci: turning vCPUs on and off, by HVC and by SMC; and the machine, over
 * and out.
 *
 * Versions and features, good and bad arguments, a vCPU that is on already,
 * goes off and comes back, what state it starts in, CPU_SUSPEND, unknown
 * functions. Then it waits for a byte from run_reset.py: r resets the machine,
 * o switches it off, by HVC; R and O by SMC. After a reset the guest must find
 * itself as loaded, which the first checks are about.
 */
#include "bare.h"

enum {
    SUCCESS = 0,
    NOT_SUPPORTED = -1,
    INVALID_PARAMETERS = -2,
    ALREADY_ON = -4,
    INVALID_ADDRESS = -9,
    ON = 0,
    OFF = 1,
    PSCI_MIGRATE_INFO_TYPE = 0x84000006,
    PSCI_FEATURES = 0x8400000a,
    SMCCC_VERSION = 0x80000000,
    SMCCC_ARCH_FEATURES = 0x80000001,
    PSCI_SYSTEM_RESET2 = 0x84000012,
    PSCI_CPU_ON_32 = 0x84000003,
    PSCI_CPU_SUSPEND_32 = 0x84000001,
    PSCI_AFFINITY_INFO_32 = 0x84000004,
};
#define PSCI_CPU_SUSPEND 0xc4000001u
#define NOWHERE 0x123456780000ull

typedef int64_t (*conduit)(uint64_t function, uint64_t a, uint64_t b,
                           uint64_t c);

static volatile uint32_t loaded = 0x10ad, cleared;
static volatile uint32_t starts[CPUS_MAX], leave_now;
static volatile struct {
    uint64_t daif, current_el, sctlr, mpidr, context;
} seen;

static bool is(const char *name, int64_t got, int64_t want)
{
    return check_eq(name, (uint64_t)got, (uint64_t)want);
}

static void check_loaded(void)
{
    check_eq("data is as loaded", loaded, 0x10ad);
    check_eq("and the rest is clear", cleared, 0);
    loaded = 0xbad;
    cleared = 0xbad;
    check_eq("at EL1", READ("currentel"), 4);
    check_eq("interrupts are masked", READ("daif"), 0x3c0);
    check_eq("the MMU is off", READ("sctlr_el1") & SCTLR_M, 0);
    check_eq("this is vCPU 0", READ("mpidr_el1") & 0xff00ffffff, 0);
    for (uint64_t cpu = 1; cpu < cpu_count(); cpu++)
        is("the others are off", hvc(PSCI_AFFINITY_INFO, cpu, 0, 0), OFF);
}

static void check_functions(conduit call)
{
    static const uint32_t functions[] = {
        PSCI_VERSION,           PSCI_CPU_SUSPEND_32, PSCI_CPU_SUSPEND,
        PSCI_CPU_OFF,           PSCI_CPU_ON_32,      PSCI_CPU_ON,
        PSCI_AFFINITY_INFO_32,  PSCI_AFFINITY_INFO,  PSCI_SYSTEM_OFF,
        PSCI_MIGRATE_INFO_TYPE, PSCI_SYSTEM_RESET,   PSCI_FEATURES,
    };
    unsigned missing = 0;

    check("VERSION is 1.1 or later", call(PSCI_VERSION, 0, 0, 0) >= 0x10001);
    for (size_t i = 0; i < COUNT_OF(functions); i++)
        missing += call(PSCI_FEATURES, functions[i], 0, 0) < 0;
    check_eq("FEATURES has all of them", missing, 0);
    is("FEATURES: no such function", call(PSCI_FEATURES, 0x8400001e, 0, 0),
       NOT_SUPPORTED);
    is("no Trusted OS to migrate", call(PSCI_MIGRATE_INFO_TYPE, 0, 0, 0), 2);
    is("an unknown function", call(0x8400001e, 0, 0, 0), NOT_SUPPORTED);
    is("an unknown 64-bit function", call(0xc400001e, 0, 0, 0), NOT_SUPPORTED);
    is("a 64-bit form that is not", call(0xc4000000, 0, 0, 0), NOT_SUPPORTED);
    if (call(PSCI_FEATURES, SMCCC_VERSION, 0, 0) >= 0)
        check("SMCCC is 1.1 or later", call(SMCCC_VERSION, 0, 0, 0) >= 0x10001);
}

/* The answer is in X0; nothing else of the caller's is touched. */
static void check_registers_kept(void)
{
    uint64_t changed, sp_change;

    __asm__ volatile("mov x9, sp\n\t"
                     "mov x19, #19\n\t"
                     "mov x20, #20\n\t"
                     "mov x28, #28\n\t"
                     "mov w0, #0x84000000\n\t"
                     "hvc #0\n\t"
                     "mov x10, sp\n\t"
                     "sub %1, x10, x9\n\t"
                     "sub x19, x19, #19\n\t"
                     "sub x20, x20, #20\n\t"
                     "sub x28, x28, #28\n\t"
                     "orr %0, x19, x20\n\t"
                     "orr %0, %0, x28"
                     : "=&r"(changed), "=&r"(sp_change)
                     :
                     : "x0", "x1", "x2", "x3", "x9", "x10", "x19", "x20", "x28",
                       "memory");
    check_eq("registers are kept over a call", changed | sp_change, 0);
}

static void check_bad_arguments(conduit call)
{
    uint64_t entry = address_of(secondary_start);

    is("CPU_ON: no such vCPU", call(PSCI_CPU_ON, 77, entry, 0),
       INVALID_PARAMETERS);
    is("CPU_ON: another cluster", call(PSCI_CPU_ON, 0x10001, entry, 0),
       INVALID_PARAMETERS);
    is("CPU_ON: Aff3", call(PSCI_CPU_ON, 1ull << 32 | 1, entry, 0),
       INVALID_PARAMETERS);
    is("CPU_ON: a bit that is no affinity",
       call(PSCI_CPU_ON, 1ull << 31, entry, 0), INVALID_PARAMETERS);
    is("CPU_ON: one more than there are",
       call(PSCI_CPU_ON, cpu_count(), entry, 0), INVALID_PARAMETERS);
    is("CPU_ON: itself", call(PSCI_CPU_ON, 0, entry, 0), ALREADY_ON);
    is("CPU_ON, 32 bits: no such vCPU", call(PSCI_CPU_ON_32, 77, entry, 0),
       INVALID_PARAMETERS);
    is("CPU_ON, 32 bits: itself", call(PSCI_CPU_ON_32, 0, entry, 0),
       ALREADY_ON);
    is("AFFINITY_INFO: a bit that is no affinity",
       call(PSCI_AFFINITY_INFO, 1ull << 31, 0, 0), INVALID_PARAMETERS);
    is("AFFINITY_INFO: another cluster", call(PSCI_AFFINITY_INFO, 0x100, 1, 0),
       INVALID_PARAMETERS);
    is("AFFINITY_INFO: level 4 as 64 bits",
       call(PSCI_AFFINITY_INFO, 0, 1ull << 32, 0), INVALID_PARAMETERS);
    is("SYSTEM_RESET2: no such type", call(PSCI_SYSTEM_RESET2, 1, 0, 0),
       INVALID_PARAMETERS);
    is("SYSTEM_RESET2: a vendor's type",
       call(PSCI_SYSTEM_RESET2, 0x80000001, 0, 0), NOT_SUPPORTED);
    is("FEATURES of no function at all", call(PSCI_FEATURES, 0, 0, 0),
       NOT_SUPPORTED);
    is("FEATURES of a 64-bit form that is not",
       call(PSCI_FEATURES, 0xc4000000, 0, 0), NOT_SUPPORTED);
    is("SMCCC_ARCH_FEATURES of a work-around",
       call(SMCCC_ARCH_FEATURES, 0x80008000, 0, 0), NOT_SUPPORTED);
    is("AFFINITY_INFO: no such vCPU", call(PSCI_AFFINITY_INFO, 77, 0, 0),
       INVALID_PARAMETERS);
    is("AFFINITY_INFO: no such level", call(PSCI_AFFINITY_INFO, 0, 4, 0),
       INVALID_PARAMETERS);
    is("AFFINITY_INFO: itself", call(PSCI_AFFINITY_INFO, 0, 0, 0), ON);
    is("AFFINITY_INFO: all of the cluster", call(PSCI_AFFINITY_INFO, 0, 1, 0),
       ON);
    is("a 32-bit call has 32-bit arguments",
       call(PSCI_AFFINITY_INFO_32, 0xabcd00000000, 0, 0), ON);
}

/* Where there is no memory to start from. Not an error that PSCI demands. */
static void check_bad_entry(void)
{
    if (cpu_count() < 2)
        return;
    is("CPU_ON: no such address", hvc(PSCI_CPU_ON, 1, NOWHERE, 0),
       INVALID_ADDRESS);
    is("and it stays off", hvc(PSCI_AFFINITY_INFO, 1, 0, 0), OFF);
}

static void note_state(uint64_t cpu)
{
    seen.daif = READ("daif");
    seen.current_el = READ("currentel");
    seen.sctlr = READ("sctlr_el1");
    seen.mpidr = READ("mpidr_el1") & 0xff00ffffff;
    seen.context = cpu;
    __atomic_add_fetch(&starts[cpu], 1, __ATOMIC_RELEASE);
    while (!leave_now)
        ASM("yield");
    WRITE("tpidr_el0", 0x1234);
    hvc(PSCI_CPU_OFF, 0, 0, 0);
}

static void check_on_off(conduit call, unsigned round)
{
    uint64_t entry = address_of(secondary_start);

    for (uint64_t cpu = 1; cpu < cpu_count(); cpu++) {
        leave_now = 0;
        is("CPU_ON", start_cpu(cpu, note_state), SUCCESS);
        spin_until(&starts[cpu], round);
        check("it starts at EL1, masked, without the MMU",
              seen.daif == 0x3c0 && seen.current_el == 4 &&
                  !(seen.sctlr & SCTLR_M));
        check("as itself, with its context",
              seen.mpidr == cpu && seen.context == cpu);
        is("AFFINITY_INFO: on", call(PSCI_AFFINITY_INFO, cpu, 0, 0), ON);
        is("CPU_ON: already on", call(PSCI_CPU_ON, cpu, entry, cpu),
           ALREADY_ON);
        leave_now = 1;
        wait_off(cpu);
        is("AFFINITY_INFO: off again", call(PSCI_AFFINITY_INFO, cpu, 0, 0),
           OFF);
    }
}

static void come_and_go(uint64_t cpu)
{
    __atomic_add_fetch(&starts[cpu], 1, __ATOMIC_RELEASE);
    hvc(PSCI_CPU_OFF, 0, 0, 0);
}

static void check_many_times(void)
{
    uint32_t before = starts[1], wrong = 0;

    if (cpu_count() < 2)
        return;
    for (unsigned i = 0; i < 300; i++) {
        wrong += start_cpu(1, come_and_go) != SUCCESS;
        wait_off(1);
    }
    check_eq("on and off 300 times", starts[1] - before, 300);
    check_eq("each time without a word", wrong, 0);
}

/* ---- CPU_SUSPEND --------------------------------------------------------- */

static void arm_timer(void)
{
    WRITE("cntv_tval_el0", READ("cntfrq_el0") / 500);
    WRITE("cntv_ctl_el0", 1);
}

static void end_timer(void)
{
    WRITE("cntv_ctl_el0", 0);
    gic_end(gic_acknowledge());
}

static void check_suspend(conduit call)
{
    uint64_t due;

    arm_timer();
    due = READ("cntv_cval_el0");
    is("CPU_SUSPEND, standby", call(PSCI_CPU_SUSPEND, 0, 0, 0), SUCCESS);
    ASM("isb");
    check("until the timer's interrupt", READ("cntvct_el0") >= due);
    check_eq("which is left to take", READ(ICC_HPPIR1), TIMER_INTID);
    end_timer();
    arm_timer();
    gic_send_sgi(1, 1);
    is("CPU_SUSPEND with an interrupt there", call(PSCI_CPU_SUSPEND, 0, 0, 0),
       SUCCESS);
    ASM("isb");
    gic_end(gic_acknowledge());
    WRITE("cntv_ctl_el0", 0);
}

/* ---- the end ------------------------------------------------------------- */

static char receive(void)
{
    for (;;) {
        if (!(mmio_read32(0x09000018) & 1 << 4)) /* receive FIFO empty */
            return (char)mmio_read32(0x09000000);
        ASM("yield");
    }
}

/* The other vCPUs are on, in all states there are, when it happens. */
static void stay(uint64_t cpu)
{
    __atomic_add_fetch(&starts[cpu], 1, __ATOMIC_RELEASE);
    for (;;) {
        if (cpu == 1)
            ASM("wfi");
        else if (cpu == 2)
            ASM("wfe");
    }
}

static void end(void)
{
    uint32_t before[CPUS_MAX];

    for (uint64_t cpu = 1; cpu < cpu_count(); cpu++) {
        before[cpu] = starts[cpu];
        start_cpu(cpu, stay);
        spin_until(&starts[cpu], before[cpu] + 1);
    }
    print_totals();
    print("# what now?\n");
    switch (receive()) {
    case 'r':
        hvc(PSCI_SYSTEM_RESET, 0, 0, 0);
        break;
    case 'R':
        smc(PSCI_SYSTEM_RESET, 0, 0, 0);
        break;
    case 'o':
        hvc(PSCI_SYSTEM_OFF, 0, 0, 0);
        break;
    case 'O':
        smc(PSCI_SYSTEM_OFF, 0, 0, 0);
        break;
    }
    check("neither SYSTEM_RESET nor SYSTEM_OFF returns", false);
}

void guest_main(void)
{
    check_loaded();
    check_functions(hvc);
    check_functions(smc);
    check_registers_kept();
    check_bad_arguments(hvc);
    check_bad_arguments(smc);
    check_bad_entry();
    check_on_off(hvc, 1);
    check_on_off(smc, 2);
    check_many_times();
    gic_start();
    gic_enable(TIMER_INTID);
    gic_enable(1);
    check_suspend(hvc);
    check_suspend(smc);
    end();
}
