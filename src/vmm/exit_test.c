/*
 * Exits: what each class does to the guest's registers, the devices and the
 * machine. The vCPU, the interrupt controller and the VM are fakes that
 * remember; the bus, PSCI and the decoding are the real ones.
 */
#include "machine.h"

#include <stdarg.h>
#include <string.h>

#include "syndrome.h"
#include "test_main.h"

#define PC 0x40080000ULL
#define ESR_IL (1ULL << 25)

/* ---- the fakes
 * --------------------------------------------------------------- */

static struct lull_vm vm;
static struct vcpu *vcpu;
static hv_vcpu_exit_t record;
static uint64_t regs[HV_REG_CPSR + 1];
static uint64_t sys_regs[0x10000];

static struct {
    bool waits;
    uint64_t wait_ticks;
    enum lull_vm_end end;
    char end_text[256];
    unsigned resets;
    uint16_t gic_reg;
    uint64_t gic_value;
    unsigned gic_reads, gic_writes;
    bool gic_refuses;
    uint64_t mmio_offset, mmio_value, mmio_answer;
    unsigned mmio_width, mmio_reads, mmio_writes;
} seen;

uint64_t vcpu_reg(struct vcpu *v, hv_reg_t reg)
{
    return regs[reg];
}

void vcpu_set_reg(struct vcpu *v, hv_reg_t reg, uint64_t value)
{
    regs[reg] = value;
}

uint64_t vcpu_sys_reg(struct vcpu *v, hv_sys_reg_t reg)
{
    return sys_regs[reg];
}

void vcpu_set_sys_reg(struct vcpu *v, hv_sys_reg_t reg, uint64_t value)
{
    sys_regs[reg] = value;
}

uint64_t vcpu_counter(const struct vcpu *v)
{
    return 123456789;
}

void vcpu_wait_for_interrupt(struct vcpu *v, uint64_t ticks)
{
    seen.waits = true;
    seen.wait_ticks = ticks;
}

void vm_end(struct lull_vm *machine, enum lull_vm_end reason,
            const char *format, ...)
{
    va_list args;

    seen.end = reason;
    va_start(args, format);
    vsnprintf(seen.end_text, sizeof(seen.end_text), format, args);
    va_end(args);
}

void vm_guest_reset(struct lull_vm *machine)
{
    seen.resets++;
}

bool gic_sysreg_read(struct gic *gic, unsigned cpu, uint16_t reg,
                     uint64_t *value)
{
    seen.gic_reads++;
    seen.gic_reg = reg;
    *value = 0x1b;
    return !seen.gic_refuses;
}

bool gic_sysreg_write(struct gic *gic, unsigned cpu, uint16_t reg,
                      uint64_t value)
{
    seen.gic_writes++;
    seen.gic_reg = reg;
    seen.gic_value = value;
    return !seen.gic_refuses;
}

static uint64_t device_read(void *dev, uint64_t offset, unsigned width)
{
    seen.mmio_reads++;
    seen.mmio_offset = offset;
    seen.mmio_width = width;
    return seen.mmio_answer;
}

static void device_write(void *dev, uint64_t offset, unsigned width,
                         uint64_t value)
{
    seen.mmio_writes++;
    seen.mmio_offset = offset;
    seen.mmio_width = width;
    seen.mmio_value = value;
}

static const struct lull_mmio device = {"device",    0x9000000,    0x1000,
                                        device_read, device_write, NULL};

static enum psci_power power_of(void *opaque, unsigned cpu)
{
    return PSCI_ON;
}

static void setup(void)
{
    unsigned i;

    memset(&vm, 0, sizeof(vm));
    memset(&seen, 0, sizeof(seen));
    memset(sys_regs, 0, sizeof(sys_regs));
    vcpu = &vm.vcpu[0];
    vcpu->vm = &vm;
    vcpu->exit = &record;
    vcpu->hv_exists = true;
    vm.mpidr[0] = 1ULL << 31;
    vm.psci =
        (struct psci_machine){.cpus = 1, .mpidr = vm.mpidr, .power = power_of};
    ck_assert(bus_add(&vm.bus, &device));
    for (i = 0; i < 31; i++)
        regs[i] = 0x1111111111111111ULL * (i % 15 + 1);
    regs[HV_REG_PC] = PC;
    regs[HV_REG_CPSR] = 0x60000005; /* EL1h, Z and C */
    sys_regs[HV_SYS_REG_VBAR_EL1] = 0xffff000000080000ULL;
}

static void teardown(void)
{
}

static void exits(uint64_t syndrome, uint64_t ipa)
{
    record.reason = HV_EXIT_REASON_EXCEPTION;
    record.exception.syndrome = syndrome;
    record.exception.physical_address = ipa;
    record.exception.virtual_address = 0xffff800009000000ULL + (ipa & 0xfff);
    exit_handle(vcpu);
}

static uint64_t counters_sum(void)
{
    uint64_t sum = 0;

#define COUNTER(name) sum += counted(&vcpu->counters.name);
    VCPU_COUNTERS(COUNTER)
#undef COUNTER
    return sum;
}

/* ---- WFI and WFE
 * --------------------------------------------------------------- */

#define WFX(ti) (1ULL << 26 | ESR_IL | (ti))

START_TEST(wfi_waits_behind_itself)
{
    exits(WFX(0), 0);
    ck_assert(seen.waits);
    ck_assert_uint_eq(seen.wait_ticks, UINT64_MAX);
    ck_assert_uint_eq(regs[HV_REG_PC], PC + 4);
    ck_assert_uint_eq(counted(&vcpu->counters.wfi), 1);
}
END_TEST

START_TEST(wfit_waits_until_its_operand)
{
    regs[HV_REG_X7] = 0x123456;
    exits(WFX(2) | 7 << 5 | 1 << 2, 0);
    ck_assert(seen.waits);
    ck_assert_uint_eq(seen.wait_ticks, 0x123456);
    /* through the zero register: a time long past */
    exits(WFX(2) | 31 << 5 | 1 << 2, 0);
    ck_assert_uint_eq(seen.wait_ticks, 0);
    /* register not named: no limit */
    exits(WFX(2) | 7 << 5, 0);
    ck_assert_uint_eq(seen.wait_ticks, UINT64_MAX);
}
END_TEST

START_TEST(wfe_goes_on)
{
    exits(WFX(1), 0);
    exits(WFX(3) | 1 << 2, 0);
    ck_assert(!seen.waits);
    ck_assert_uint_eq(regs[HV_REG_PC], PC + 8);
    ck_assert_uint_eq(counted(&vcpu->counters.wfe), 2);
}
END_TEST

/* ---- calls
 * ----------------------------------------------------------------------- */

#define HVC (0x16ULL << 26 | ESR_IL)
#define SMC (0x17ULL << 26 | ESR_IL)

START_TEST(hvc_answers_in_x0_and_leaves_pc)
{
    regs[HV_REG_X0] = PSCI_VERSION;
    exits(HVC, 0);
    ck_assert_uint_eq(regs[HV_REG_X0], 0x10001);
    ck_assert_uint_eq(regs[HV_REG_PC], PC);
}
END_TEST

START_TEST(smc_answers_in_x0_and_moves_pc)
{
    regs[HV_REG_X0] = 0xffffffff;
    exits(SMC, 0);
    ck_assert_uint_eq(regs[HV_REG_X0], UINT64_MAX); /* NOT_SUPPORTED */
    ck_assert_uint_eq(regs[HV_REG_PC], PC + 4);
}
END_TEST

START_TEST(suspend_waits)
{
    regs[HV_REG_X0] = PSCI_CPU_SUSPEND;
    regs[HV_REG_X1] = 0;
    exits(HVC, 0);
    ck_assert(seen.waits);
    ck_assert_uint_eq(regs[HV_REG_X0], 0);
}
END_TEST

START_TEST(off_calls_turn_the_vcpu_off)
{
    atomic_store(&vcpu->power, PSCI_ON);
    regs[HV_REG_X0] = PSCI_CPU_OFF;
    exits(HVC, 0);
    ck_assert_int_eq(atomic_load(&vcpu->power), PSCI_OFF);
    ck_assert_int_eq(seen.end, LULL_END_NONE);

    atomic_store(&vcpu->power, PSCI_ON);
    regs[HV_REG_X0] = PSCI_SYSTEM_OFF;
    exits(HVC, 0);
    ck_assert_int_eq(atomic_load(&vcpu->power), PSCI_OFF);
    ck_assert_int_eq(seen.end, LULL_END_POWEROFF);
    ck_assert_str_eq(seen.end_text, "");

    atomic_store(&vcpu->power, PSCI_ON);
    regs[HV_REG_X0] = PSCI_SYSTEM_RESET;
    exits(HVC, 0);
    ck_assert_int_eq(atomic_load(&vcpu->power), PSCI_OFF);
    ck_assert_uint_eq(seen.resets, 1);
}
END_TEST

/* ---- system registers
 * -------------------------------------------------------------- */

static uint64_t msr(uint16_t reg, unsigned rt, bool read)
{
    return 0x18ULL << 26 | ESR_IL | bits(reg, 15, 14) << 20 |
           bits(reg, 2, 0) << 17 | bits(reg, 13, 11) << 14 |
           bits(reg, 10, 7) << 10 | (uint64_t)rt << 5 | bits(reg, 6, 3) << 1 |
           read;
}

START_TEST(icc_registers_go_to_the_gic)
{
    const uint16_t iar1 = SYSREG(3, 0, 12, 12, 0);
    const uint16_t sgi1r = SYSREG(3, 0, 12, 11, 5);
    const uint16_t pmr = SYSREG(3, 0, 4, 6, 0);

    exits(msr(iar1, 3, true), 0);
    ck_assert_uint_eq(seen.gic_reg, iar1);
    ck_assert_uint_eq(regs[HV_REG_X3], 0x1b);
    ck_assert_uint_eq(regs[HV_REG_PC], PC + 4);
    exits(msr(sgi1r, 4, false), 0);
    ck_assert_uint_eq(seen.gic_reg, sgi1r);
    ck_assert_uint_eq(seen.gic_value, 0x5555555555555555);
    exits(msr(pmr, 31, false), 0);
    ck_assert_uint_eq(seen.gic_reg, pmr);
    ck_assert_uint_eq(seen.gic_value, 0);
    ck_assert_uint_eq(counted(&vcpu->counters.gic_sysreg), 3);
}
END_TEST

START_TEST(a_read_into_the_zero_register_is_dropped)
{
    exits(msr(SYSREG(3, 0, 12, 12, 0), 31, true), 0);
    ck_assert_uint_eq(regs[HV_REG_PC], PC + 4); /* 31 would be PC */
}
END_TEST

static void undefined(uint64_t syndrome)
{
    regs[HV_REG_PC] = PC;
    regs[HV_REG_CPSR] = 0x60000005;
    exits(syndrome, 0);
    ck_assert_uint_eq(regs[HV_REG_PC], 0xffff000000080200ULL);
    ck_assert_uint_eq(sys_regs[HV_SYS_REG_ELR_EL1], PC);
    ck_assert_uint_eq(sys_regs[HV_SYS_REG_ESR_EL1], ESR_IL);
    ck_assert_uint_eq(sys_regs[HV_SYS_REG_SPSR_EL1], 0x60000005);
}

START_TEST(what_the_gic_refuses_is_undefined)
{
    seen.gic_refuses = true;
    undefined(msr(SYSREG(3, 0, 12, 12, 0), 3, true));
    ck_assert_uint_eq(regs[HV_REG_X3], 0x4444444444444444);
    undefined(msr(SYSREG(3, 0, 12, 12, 1), 3, false));
    ck_assert_uint_eq(counted(&vcpu->counters.undefined_sysregs), 2);
}
END_TEST

START_TEST(registers_that_linux_touches_at_boot)
{
    static const struct {
        uint16_t reg;
        bool may_write;
    } zero[] = {
        {SYSREG(2, 0, 1, 0, 4), true},  /* OSLAR_EL1 */
        {SYSREG(2, 0, 1, 3, 4), true},  /* OSDLR_EL1 */
        {SYSREG(3, 0, 10, 4, 3), true}, /* LORC_EL1 */
        {SYSREG(3, 3, 14, 2, 1), true}, /* CNTP_CTL_EL0 */
        {SYSREG(2, 0, 1, 1, 4), false}, /* OSLSR_EL1 */
        {SYSREG(3, 0, 0, 6, 2), false}, /* ID_AA64ISAR2_EL1 */
        {SYSREG(3, 0, 0, 1, 0), false}, /* ID_PFR0_EL1 */
        {SYSREG(3, 0, 0, 7, 7), false},
    };
    size_t i;

    for (i = 0; i < COUNT_OF(zero); i++) {
        regs[HV_REG_PC] = PC;
        regs[HV_REG_X5] = 99;
        exits(msr(zero[i].reg, 5, true), 0);
        ck_assert_uint_eq(regs[HV_REG_X5], 0);
        ck_assert_uint_eq(regs[HV_REG_PC], PC + 4);
        if (zero[i].may_write) {
            exits(msr(zero[i].reg, 5, false), 0);
            ck_assert_uint_eq(regs[HV_REG_PC], PC + 8);
        } else {
            undefined(msr(zero[i].reg, 5, false));
        }
    }
    ck_assert_uint_eq(seen.gic_reads + seen.gic_writes, 0);
}
END_TEST

START_TEST(the_physical_counter_is_the_guests)
{
    exits(msr(SYSREG(3, 3, 14, 0, 1), 5, true), 0);
    ck_assert_uint_eq(regs[HV_REG_X5], 123456789);
    undefined(msr(SYSREG(3, 3, 14, 0, 1), 5, false));
}
END_TEST

START_TEST(mdccint_is_the_frameworks)
{
    const uint16_t mdccint = SYSREG(2, 0, 0, 2, 0);

    regs[HV_REG_X1] = 0x60000000;
    exits(msr(mdccint, 1, false), 0);
    ck_assert_uint_eq(sys_regs[mdccint], 0x60000000);
    exits(msr(mdccint, 2, true), 0);
    ck_assert_uint_eq(regs[HV_REG_X2], 0x60000000);
}
END_TEST

START_TEST(unknown_registers_are_undefined)
{
    static const uint16_t unknown[] = {
        SYSREG(3, 3, 9, 12, 0), /* PMCR_EL0: there is no PMU */
        SYSREG(3, 3, 9, 14, 0), /* PMUSERENR_EL0 */
        SYSREG(3, 0, 12, 1, 1), /* DISR_EL1 */
        SYSREG(3, 1, 15, 2, 0), /* implementation defined */
        SYSREG(3, 4, 1, 1, 0),  /* HCR_EL2 */
    };
    size_t i;

    for (i = 0; i < COUNT_OF(unknown); i++) {
        undefined(msr(unknown[i], 3, true));
        undefined(msr(unknown[i], 3, false));
        ck_assert_uint_eq(atomic_load(&vcpu->counters.last_undefined),
                          unknown[i]);
    }
}
END_TEST

START_TEST(an_exception_knows_where_it_came_from)
{
    const uint64_t nowhere = msr(SYSREG(3, 1, 15, 2, 0), 3, true);

    regs[HV_REG_CPSR] = 0; /* EL0t */
    exits(nowhere, 0);
    ck_assert_uint_eq(regs[HV_REG_PC], 0xffff000000080400ULL);
    regs[HV_REG_PC] = PC;
    regs[HV_REG_CPSR] = 4; /* EL1t */
    exits(nowhere, 0);
    ck_assert_uint_eq(regs[HV_REG_PC], 0xffff000000080000ULL);
}
END_TEST

START_TEST(an_exception_masks_and_keeps_what_it_should)
{
    const uint64_t nowhere = msr(SYSREG(3, 1, 15, 2, 0), 3, true);

    /* N, V; UAO, SS, IL, SSBS, BTYPE set; PAN clear */
    regs[HV_REG_CPSR] = 0x90b01c05;
    sys_regs[HV_SYS_REG_SCTLR_EL1] = 1 << 23; /* SPAN: leave PAN */
    exits(nowhere, 0);
    ck_assert_uint_eq(regs[HV_REG_CPSR], 0x900003c5);
    ck_assert_uint_eq(sys_regs[HV_SYS_REG_SPSR_EL1], 0x90b01c05);
    regs[HV_REG_CPSR] = 5;
    sys_regs[HV_SYS_REG_SCTLR_EL1] = 1ULL << 44; /* DSSBS; not SPAN */
    exits(nowhere, 0);
    ck_assert_uint_eq(regs[HV_REG_CPSR], 0x004013c5);
}
END_TEST

/* ---- devices
 * ---------------------------------------------------------------------------
 */

struct abort_form {
    unsigned sas;
    bool sse;
    unsigned rt;
    bool sf, write;
};

static uint64_t abort_of(struct abort_form f)
{
    return 0x24ULL << 26 | ESR_IL | 1 << 24 | (uint64_t)f.sas << 22 |
           (uint64_t)f.sse << 21 | (uint64_t)f.rt << 16 | (uint64_t)f.sf << 15 |
           (uint64_t)f.write << 6 | 7;
}

START_TEST(stores_reach_the_device_in_their_width)
{
    static const uint64_t expected[] = {0x88, 0x8888, 0x88888888,
                                        0x8888888888888888};
    unsigned sas;

    for (sas = 0; sas < 4; sas++) {
        exits(abort_of((struct abort_form){sas, false, 7, false, true}),
              0x9000018);
        ck_assert_uint_eq(seen.mmio_offset, 0x18);
        ck_assert_uint_eq(seen.mmio_width, 1U << sas);
        ck_assert_uint_eq(seen.mmio_value, expected[sas]);
    }
    ck_assert_uint_eq(regs[HV_REG_PC], PC + 16);
    exits(abort_of((struct abort_form){2, false, 31, false, true}), 0x9000000);
    ck_assert_uint_eq(seen.mmio_value, 0);
    ck_assert_uint_eq(counted(&vcpu->counters.mmio_write), 5);
}
END_TEST

START_TEST(loads_are_extended_as_the_instruction_says)
{
    static const struct {
        struct abort_form form;
        uint64_t answer, loaded;
    } loads[] = {
        {{0, false, 9, false, false}, 0xfedcba9876543281, 0x81},
        {{0, true, 9, false, false}, 0xfedcba9876543281, 0xffffff81},
        {{0, true, 9, true, false}, 0xfedcba9876543281, 0xffffffffffffff81},
        {{1, false, 9, false, false}, 0xfedcba9876548281, 0x8281},
        {{1, true, 9, true, false}, 0xfedcba9876548281, 0xffffffffffff8281},
        {{1, true, 9, true, false}, 0x7281, 0x7281},
        {{2, false, 9, false, false}, 0xfedcba9886548281, 0x86548281},
        {{2, true, 9, true, false}, 0xfedcba9886548281, 0xffffffff86548281},
        {{3, false, 9, true, false}, 0xfedcba9886548281, 0xfedcba9886548281},
    };
    size_t i;

    for (i = 0; i < COUNT_OF(loads); i++) {
        seen.mmio_answer = loads[i].answer;
        exits(abort_of(loads[i].form), 0x9000ff8);
        ck_assert_uint_eq(regs[HV_REG_X9], loads[i].loaded);
        ck_assert_uint_eq(seen.mmio_width, 1U << loads[i].form.sas);
    }
}
END_TEST

START_TEST(a_load_into_the_zero_register_happens)
{
    seen.mmio_answer = 0xdead;
    exits(abort_of((struct abort_form){2, false, 31, false, false}), 0x9000000);
    ck_assert_uint_eq(seen.mmio_reads, 1);
    ck_assert_uint_eq(regs[HV_REG_PC], PC + 4);
}
END_TEST

START_TEST(an_access_to_nowhere_is_an_external_abort)
{
    exits(abort_of((struct abort_form){2, false, 9, false, true}), 0x5000);
    ck_assert_uint_eq(sys_regs[HV_SYS_REG_ESR_EL1],
                      0x25ULL << 26 | ESR_IL | 1 << 6 | 0x10);
    ck_assert_uint_eq(sys_regs[HV_SYS_REG_FAR_EL1], 0xffff800009000000ULL);
    ck_assert_uint_eq(sys_regs[HV_SYS_REG_ELR_EL1], PC);
    ck_assert_uint_eq(regs[HV_REG_PC], 0xffff000000080200ULL);
    regs[HV_REG_CPSR] = 0; /* from EL0 the class is another */
    exits(abort_of((struct abort_form){2, false, 9, false, false}), 0x5000);
    ck_assert_uint_eq(sys_regs[HV_SYS_REG_ESR_EL1],
                      0x24ULL << 26 | ESR_IL | 0x10);
    ck_assert_uint_eq(counted(&vcpu->counters.unmapped), 2);
    ck_assert_int_eq(seen.end, LULL_END_NONE);
}
END_TEST

START_TEST(an_access_over_the_edge_of_a_device_is_to_nowhere)
{
    exits(abort_of((struct abort_form){3, false, 9, true, false}), 0x9000ffc);
    ck_assert_uint_eq(seen.mmio_reads, 0);
    ck_assert_uint_eq(counted(&vcpu->counters.unmapped), 1);
}
END_TEST

START_TEST(a_form_without_description_ends_the_vm)
{
    atomic_store(&vcpu->power, PSCI_ON);
    exits(0x24ULL << 26 | ESR_IL | 7, 0x9000010);
    ck_assert_int_eq(seen.end, LULL_END_CRASH);
    ck_assert_ptr_nonnull(strstr(seen.end_text, "0x9000010"));
    ck_assert_ptr_nonnull(strstr(seen.end_text, "0x40080000"));
    ck_assert_int_eq(atomic_load(&vcpu->power), PSCI_OFF);
    ck_assert_uint_eq(seen.mmio_reads + seen.mmio_writes, 0);
}
END_TEST

START_TEST(cache_maintenance_of_a_device_is_skipped)
{
    exits(0x24ULL << 26 | ESR_IL | 1 << 8 | 1 << 6 | 7, 0x9000010);
    ck_assert_int_eq(seen.end, LULL_END_NONE);
    ck_assert_uint_eq(regs[HV_REG_PC], PC + 4);
    ck_assert_uint_eq(seen.mmio_writes, 0);
}
END_TEST

START_TEST(translation_tables_in_a_device_end_the_vm)
{
    exits(0x24ULL << 26 | ESR_IL | 1 << 7 | 7, 0x9000000);
    ck_assert_int_eq(seen.end, LULL_END_CRASH);
    ck_assert_ptr_nonnull(strstr(seen.end_text, "translation table"));
}
END_TEST

START_TEST(code_outside_memory_ends_the_vm)
{
    exits(0x20ULL << 26 | ESR_IL | 7, 0x200);
    ck_assert_int_eq(seen.end, LULL_END_CRASH);
    ck_assert_ptr_nonnull(strstr(seen.end_text, "0x200"));
}
END_TEST

START_TEST(every_other_class_ends_the_vm_and_says_which)
{
    static const unsigned known[] = {0x01, 0x16, 0x17, 0x18, 0x20, 0x24};
    unsigned ec, i, tried = 0;

    for (ec = 0; ec < EC_COUNT; ec++) {
        for (i = 0; i < COUNT_OF(known) && known[i] != ec; i++)
            ;
        if (i < COUNT_OF(known))
            continue;
        seen.end = LULL_END_NONE;
        exits((uint64_t)ec << 26 | ESR_IL, 0);
        ck_assert_int_eq(seen.end, LULL_END_CRASH);
        tried++;
    }
    ck_assert_uint_eq(counted(&vcpu->counters.other), tried);
}
END_TEST

/* No syndrome at all makes the handlers do anything undefined: run with the
 * sanitizers, this is the check of every index they form. */
START_TEST(any_syndrome_is_survived)
{
    uint64_t x = 88172645463325252ULL;
    unsigned i;

    for (i = 0; i < 200000; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        seen.gic_refuses = x >> 63;
        regs[HV_REG_X0] = x >> 3;
        exits(x & 0xffffffff, x >> 32 & 1 ? 0x9000000 + (x >> 52) : x >> 20);
    }
    ck_assert_uint_eq(counters_sum(), 200000);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        wfi_waits_behind_itself,
        wfit_waits_until_its_operand,
        wfe_goes_on,
        hvc_answers_in_x0_and_leaves_pc,
        smc_answers_in_x0_and_moves_pc,
        suspend_waits,
        off_calls_turn_the_vcpu_off,
        icc_registers_go_to_the_gic,
        a_read_into_the_zero_register_is_dropped,
        what_the_gic_refuses_is_undefined,
        registers_that_linux_touches_at_boot,
        the_physical_counter_is_the_guests,
        mdccint_is_the_frameworks,
        unknown_registers_are_undefined,
        an_exception_knows_where_it_came_from,
        an_exception_masks_and_keeps_what_it_should,
        stores_reach_the_device_in_their_width,
        loads_are_extended_as_the_instruction_says,
        a_load_into_the_zero_register_happens,
        an_access_to_nowhere_is_an_external_abort,
        an_access_over_the_edge_of_a_device_is_to_nowhere,
        a_form_without_description_ends_the_vm,
        cache_maintenance_of_a_device_is_skipped,
        translation_tables_in_a_device_end_the_vm,
        code_outside_memory_ends_the_vm,
        every_other_class_ends_the_vm_and_says_which,
        any_syndrome_is_survived,
    };

    return test_main_with("exit", tests, COUNT_OF(tests), setup, teardown);
}
