/*
 * hv_vcpu_run with guests of a few instructions: each way out and what the
 * exit record and PC then say, cancelling, interrupt lines, the virtual timer,
 * and the memory map while the guest runs.
 */
#include "api_guest.h"

#include "lull/hv_warm.h"
#include <mach/mach_time.h>

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum {
    RW = HV_MEMORY_READ | HV_MEMORY_WRITE,
    RX = HV_MEMORY_READ | HV_MEMORY_EXEC,
    RWX = RW | HV_MEMORY_EXEC,
    /* in the abort syndromes */
    ISV = 1 << 24,
    WNR = 1 << 6,
    TRANSLATION_L3 = 0x07,
    PERMISSION_L3 = 0x0f,
};

/* ---- instructions that exit --------------------------------------------- */

START_TEST(hvc_exits_behind_itself)
{
    struct guest g;

    guest_new(&g);
    guest_code(&g, MOVZ(0, 0x1234), HVC(0xabcd), ADD(0, 0, 1), HVC(0));
    ck_assert_uint_eq(guest_run(&g), EC_HVC);
    ck_assert_uint_eq(guest_iss(&g), 0xabcd);
    ck_assert_uint_eq(g.exit->exception.virtual_address, 0);
    ck_assert_uint_eq(g.exit->exception.physical_address, 0);
    ck_assert_uint_eq(guest_get(&g, HV_REG_PC), CODE + 8);
    ck_assert_uint_eq(guest_get(&g, HV_REG_X0), 0x1234);
    /* go on as a VMM does: a result in X0, PC left alone */
    guest_set(&g, HV_REG_X0, 77);
    ck_assert_uint_eq(guest_run(&g), EC_HVC);
    ck_assert_uint_eq(guest_get(&g, HV_REG_X0), 78);
    guest_end(&g);
}
END_TEST

START_TEST(smc_exits_at_itself)
{
    struct guest g;

    guest_new(&g);
    guest_code(&g, NOP, SMC(3));
    ck_assert_uint_eq(guest_run(&g), EC_SMC);
    ck_assert_uint_eq(guest_iss(&g), 3);
    ck_assert_uint_eq(guest_get(&g, HV_REG_PC), CODE + 4);
    /* unchanged, it is met again */
    ck_assert_uint_eq(guest_run(&g), EC_SMC);
    guest_end(&g);
}
END_TEST

START_TEST(wfi_exits_at_itself)
{
    struct guest g;

    guest_new(&g);
    guest_code(&g, NOP, WFI, HVC(0));
    ck_assert_uint_eq(guest_run(&g), EC_WFX);
    ck_assert_uint_eq(guest_iss(&g), 0x1e00000); /* CV, COND, TI = WFI */
    ck_assert_uint_eq(guest_get(&g, HV_REG_PC), CODE + 4);
    guest_set(&g, HV_REG_PC, CODE + 8);
    ck_assert_uint_eq(guest_run(&g), EC_HVC);
    guest_end(&g);
}
END_TEST

/*
 * Wakes from sleeps long enough that what runs is recorded and asked for ahead,
 * by the run itself and by the VMM: the guest computes what it always does. It
 * calls a function in another page, which is rewritten once in a while.
 */
START_TEST(wakes_are_recorded_unseen)
{
    const uint32_t call = CODE + 0x4000;
    const struct timespec pause = {.tv_nsec = 2500000};
    uint64_t expected = 0;
    struct guest g;

    guest_new(&g);
    guest_code(&g, WFI, (int)0x94000fff /* BL call */, B(-2));
    for (unsigned i = 0; i < 100; i++) {
        guest_set(&g, HV_REG_PC, CODE);
        if (i % 10 == 0) {
            guest_words(&g, call, (const uint32_t[]){ADD(0, 0, i), RET}, 8);
            /* as a debugger does it: decode everything anew */
            ck_ok(hv_vcpu_set_trap_debug_exceptions(g.vcpu, false));
        }
        ck_assert_uint_eq(guest_run(&g), EC_WFX);
        nanosleep(&pause, NULL);
        if (i % 3 == 0)
            ck_ok(lull_hv_vcpu_warm(g.vcpu));
        guest_set(&g, HV_REG_PC, CODE + 4);
        ck_assert_uint_eq(guest_run(&g), EC_WFX);
        expected += i - i % 10;
        ck_assert_uint_eq(guest_get(&g, HV_REG_X0), expected);
    }
    guest_end(&g);
}
END_TEST

START_TEST(wfe_does_not_exit)
{
    struct guest g;

    guest_new(&g);
    guest_code(&g, WFE, WFE, SEV, WFE, SEVL, WFE, HVC(0));
    ck_assert_uint_eq(guest_run(&g), EC_HVC);
    guest_end(&g);
}
END_TEST

START_TEST(trapped_registers_exit_at_themselves)
{
    static const struct {
        uint16_t reg;
        bool read;
        uint8_t rt;
    } traps[] = {
        {REG_ICC_SGI1R_EL1, false, 3},
        {REG_ICC_IAR1_EL1, true, 7},
        {HV_GIC_ICC_REG_PMR_EL1, false, ZR},
        {HV_GIC_ICC_REG_IGRPEN1_EL1, true, 30},
        {REG_CNTPCT_EL0, true, 1},
        {HV_SYS_REG_CNTP_CTL_EL0, false, 2},
        {REG_PMCR_EL0, true, 0},
        {REG_PMCR_EL0, false, 0},
        {REG_OSLAR_EL1, false, ZR},
        {REG_OSDLR_EL1, false, ZR},
        {REG_LORC_EL1, false, ZR},
    };
    struct guest g;

    guest_new(&g);
    for (size_t i = 0; i < sizeof(traps) / sizeof(traps[0]); i++) {
        uint32_t r = traps[i].reg, rt = traps[i].rt;
        uint32_t iss = (r >> 14 & 3) << 20 | (r & 7) << 17 |
                       (r >> 11 & 7) << 14 | (r >> 7 & 15) << 10 | rt << 5 |
                       (r >> 3 & 15) << 1 | traps[i].read;

        guest_code(&g, NOP, traps[i].read ? MRS(rt, r) : MSR(r, rt), HVC(0));
        /* mapped anew: decoded code does not watch what the host writes */
        ck_ok(hv_vm_unmap(RAM_BASE, RAM_SIZE));
        ck_ok(hv_vm_map(g.ram, RAM_BASE, RAM_SIZE, RWX));
        guest_set(&g, HV_REG_PC, CODE);
        ck_assert_uint_eq(guest_run(&g), EC_SYSREG);
        ck_assert_uint_eq(guest_iss(&g), iss);
        ck_assert_uint_eq(guest_get(&g, HV_REG_PC), CODE + 4);
        guest_set(&g, HV_REG_PC, CODE + 8);
        ck_assert_uint_eq(guest_run(&g), EC_HVC);
    }
    guest_end(&g);
}
END_TEST

START_TEST(registers_that_do_not_trap)
{
    struct guest g;
    uint64_t before, after;

    guest_new(&g);
    guest_set_sys(&g, HV_SYS_REG_MIDR_EL1, 0x410fd070);
    guest_set_sys(&g, HV_SYS_REG_MPIDR_EL1, 0x80000003);
    guest_set_sys(&g, HV_SYS_REG_ID_AA64PFR0_EL1, 0x01000011);
    ck_ok(hv_vcpu_set_vtimer_offset(g.vcpu, 1000000));
    guest_code(&g, MRS(0, HV_SYS_REG_MIDR_EL1), MRS(1, HV_SYS_REG_MPIDR_EL1),
               MRS(2, HV_SYS_REG_ID_AA64PFR0_EL1), MRS(3, REG_CNTFRQ_EL0),
               MRS(4, REG_CNTVCT_EL0), MRS(5, REG_CURRENTEL),
               MSR(HV_SYS_REG_TPIDR_EL1, 1), MRS(6, HV_SYS_REG_CNTV_CTL_EL0),
               HVC(0));
    before = mach_absolute_time() - 1000000;
    ck_assert_uint_eq(guest_run(&g), EC_HVC);
    after = mach_absolute_time() - 1000000;
    ck_assert_uint_eq(guest_get(&g, HV_REG_X0), 0x410fd070);
    ck_assert_uint_eq(guest_get(&g, HV_REG_X1), 0x80000003);
    ck_assert_uint_eq(guest_get(&g, HV_REG_X2), 0x01000011);
    ck_assert_uint_eq(guest_get(&g, HV_REG_X3), 24000000);
    ck_assert_uint_ge(guest_get(&g, HV_REG_X4), before);
    ck_assert_uint_le(guest_get(&g, HV_REG_X4), after);
    ck_assert_uint_eq(guest_get(&g, HV_REG_X5), 1 << 2);
    ck_assert_uint_eq(guest_get_sys(&g, HV_SYS_REG_TPIDR_EL1), 0x80000003);
    guest_end(&g);
}
END_TEST

/* A fresh vCPU is at EL0 and address 0, where nothing is. */
START_TEST(first_run_of_an_untouched_vcpu)
{
    hv_vcpu_exit_t *exit;
    hv_vcpu_t vcpu;
    uint64_t value;

    ck_ok(hv_vm_create(NULL));
    ck_ok(hv_vcpu_create(&vcpu, &exit, NULL));
    ck_ok(hv_vcpu_run(vcpu));
    ck_assert_uint_eq(exit->reason, HV_EXIT_REASON_EXCEPTION);
    ck_assert_uint_eq(exit->exception.syndrome >> 26, EC_IABT);
    ck_assert_uint_eq(exit->exception.physical_address, 0);
    ck_ok(hv_vcpu_get_exec_time(vcpu, &value));
    ck_ok(hv_vcpu_destroy(vcpu));
    ck_ok(hv_vm_destroy());
}
END_TEST

START_TEST(exec_time_grows)
{
    struct guest g;
    uint64_t first, second, start, total;

    guest_new(&g);
    /* 1000 rounds of two instructions: more than a tick */
    guest_code(&g, MOVZ(0, 1000), SUB(0, 0, 1), CBNZ(0, -1), HVC(0), B(-4));
    start = mach_absolute_time();
    guest_run(&g);
    ck_ok(hv_vcpu_get_exec_time(g.vcpu, &first));
    guest_run(&g);
    ck_ok(hv_vcpu_get_exec_time(g.vcpu, &second));
    total = mach_absolute_time() - start;
    ck_assert_uint_gt(first, 0);
    ck_assert_uint_gt(second, first);
    ck_assert_uint_le(second, total);
    guest_end(&g);
}
END_TEST

/* ---- aborts ------------------------------------------------------------- */

/* Loads and stores of one register, without writeback, Xn = X1. */
static const struct {
    uint32_t word; /* Rt = 0, Rn = 0 */
    uint8_t sas, sse, sf, store, ordered;
} single[] = {
    {0x39400000, 0, 0, 0, 0, 0}, /* ldrb w */
    {0x79400000, 1, 0, 0, 0, 0}, /* ldrh w */
    {0xb9400000, 2, 0, 0, 0, 0}, /* ldr w */
    {0xf9400000, 3, 0, 1, 0, 0}, /* ldr x */
    {0x39800000, 0, 1, 1, 0, 0}, /* ldrsb x */
    {0x39c00000, 0, 1, 0, 0, 0}, /* ldrsb w */
    {0x79800000, 1, 1, 1, 0, 0}, /* ldrsh x */
    {0x79c00000, 1, 1, 0, 0, 0}, /* ldrsh w */
    {0xb9800000, 2, 1, 1, 0, 0}, /* ldrsw x */
    {0x39000000, 0, 0, 0, 1, 0}, /* strb w */
    {0x79000000, 1, 0, 0, 1, 0}, /* strh w */
    {0xb9000000, 2, 0, 0, 1, 0}, /* str w */
    {0xf9000000, 3, 0, 1, 1, 0}, /* str x */
    {0xb8400000, 2, 0, 0, 0, 0}, /* ldur w */
    {0xf8000000, 3, 0, 1, 1, 0}, /* stur x */
    {0x08dffc00, 0, 0, 0, 0, 1}, /* ldarb */
    {0x88dffc00, 2, 0, 0, 0, 1}, /* ldar w */
    {0xc8dffc00, 3, 0, 1, 0, 1}, /* ldar x */
    {0x889ffc00, 2, 0, 0, 1, 1}, /* stlr w */
    {0xc89ffc00, 3, 0, 1, 1, 1}, /* stlr x */
};

START_TEST(mmio_says_all_that_emulation_needs)
{
    static const uint8_t rts[] = {0, 5, 30, ZR};
    uint32_t code[sizeof(single) / sizeof(single[0])];
    struct guest g;

    guest_new(&g);
    for (size_t i = 0; i < sizeof(single) / sizeof(single[0]); i++)
        code[i] = single[i].word | 1 << 5 | rts[i % 4];
    guest_words(&g, CODE, code, sizeof(code));
    guest_set(&g, HV_REG_X1, HOLE + 0x128);
    for (size_t i = 0; i < sizeof(single) / sizeof(single[0]); i++) {
        uint32_t iss =
            ISV | (uint32_t)single[i].sas << 22 |
            (uint32_t)single[i].sse << 21 | (uint32_t)rts[i % 4] << 16 |
            (uint32_t)single[i].sf << 15 | (uint32_t)single[i].ordered << 14 |
            (single[i].store ? WNR : 0) | TRANSLATION_L3;

        ck_assert_uint_eq(guest_run(&g), EC_DABT);
        ck_assert_uint_eq(guest_iss(&g), iss);
        ck_assert_uint_eq(g.exit->exception.virtual_address, HOLE + 0x128);
        ck_assert_uint_eq(g.exit->exception.physical_address, HOLE + 0x128);
        ck_assert_uint_eq(guest_get(&g, HV_REG_PC), CODE + 4 * i);
        guest_set(&g, HV_REG_PC, CODE + 4 * (i + 1));
    }
    guest_end(&g);
}
END_TEST

START_TEST(mmio_of_other_forms_has_no_isv)
{
    static const uint32_t words[] = {
        0xa9000820, /* stp x0, x2, [x1] */
        0xa9400820, /* ldp x0, x2, [x1] */
        0xf8408420, /* ldr x0, [x1], #8 */
        0xf8008c20, /* str x0, [x1, #8]! */
        0xc85f7c20, /* ldxr x0, [x1] */
        0xf8220020, /* ldadd x2, x0, [x1] */
    };
    struct guest g;

    guest_new(&g);
    guest_words(&g, CODE, words, sizeof(words));
    guest_set(&g, HV_REG_X1, HOLE + 0x140);
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        ck_assert_uint_eq(guest_run(&g), EC_DABT);
        ck_assert_uint_eq(guest_iss(&g) & (ISV | 0x3f), TRANSLATION_L3);
        ck_assert_uint_eq(guest_get(&g, HV_REG_PC), CODE + 4 * i);
        /* writeback has not happened: it can be done again */
        ck_assert_uint_eq(guest_get(&g, HV_REG_X1), HOLE + 0x140);
        guest_set(&g, HV_REG_PC, CODE + 4 * (i + 1));
    }
    guest_end(&g);
}
END_TEST

START_TEST(mmio_is_completed_by_the_vmm)
{
    struct guest g;

    guest_new(&g);
    guest_set(&g, HV_REG_X1, HOLE);
    guest_code(&g, LDR(0, 1), ADD(0, 0, 1), STR(0, 1), HVC(0));
    ck_assert_uint_eq(guest_run(&g), EC_DABT);
    guest_set(&g, HV_REG_X0, 41);
    guest_set(&g, HV_REG_PC, CODE + 4);
    ck_assert_uint_eq(guest_run(&g), EC_DABT);
    ck_assert_uint_eq(guest_get(&g, HV_REG_X0), 42);
    guest_set(&g, HV_REG_PC, CODE + 12);
    ck_assert_uint_eq(guest_run(&g), EC_HVC);
    guest_end(&g);
}
END_TEST

START_TEST(faults_can_be_repaired)
{
    struct guest g;
    void *more;
    uint64_t *words;

    guest_new(&g);
    ck_ok(hv_vm_allocate(&more, 0x4000, HV_ALLOCATE_DEFAULT));
    words = more;
    words[0] = 5;
    guest_set(&g, HV_REG_X1, HOLE);
    guest_code(&g, LDR(0, 1), ADD(0, 0, 1), STR(0, 1), HVC(0));

    ck_assert_uint_eq(guest_run(&g), EC_DABT);
    ck_assert_uint_eq(guest_iss(&g) & 0x3f, TRANSLATION_L3);
    ck_ok(hv_vm_map(more, HOLE, 0x4000, HV_MEMORY_READ));

    ck_assert_uint_eq(guest_run(&g), EC_DABT); /* the load is done */
    ck_assert_uint_eq(guest_iss(&g) & 0x3f, PERMISSION_L3);
    ck_assert_uint_eq(guest_iss(&g) & WNR, WNR);
    ck_assert_uint_eq(guest_get(&g, HV_REG_PC), CODE + 8);
    ck_assert_uint_eq(words[0], 5);
    ck_ok(hv_vm_protect(HOLE, 0x4000, RW));

    ck_assert_uint_eq(guest_run(&g), EC_HVC);
    ck_assert_uint_eq(words[0], 6);
    guest_end(&g);
    ck_ok(hv_vm_deallocate(more, 0x4000));
}
END_TEST

START_TEST(permissions_are_what_the_map_says)
{
    struct guest g;

    guest_new(&g);
    guest_set(&g, HV_REG_X1, DATA);
    guest_code(&g, LDR(0, 1), STR(0, 1), HVC(0));
    guest_words(&g, DATA, (const uint32_t[]){HVC(9)}, 4);

    /* no access at all */
    ck_ok(hv_vm_protect(DATA, 0x4000, 0));
    ck_assert_uint_eq(guest_run(&g), EC_DABT);
    ck_assert_uint_eq(guest_iss(&g) & 0x7f, PERMISSION_L3);
    /* execution only: no reading */
    ck_ok(hv_vm_protect(DATA, 0x4000, HV_MEMORY_EXEC));
    ck_assert_uint_eq(guest_run(&g), EC_DABT);
    ck_assert_uint_eq(guest_iss(&g) & 0x7f, PERMISSION_L3);
    guest_set(&g, HV_REG_PC, DATA);
    ck_assert_uint_eq(guest_run(&g), EC_HVC);
    ck_assert_uint_eq(guest_iss(&g), 9);
    /* no execution */
    ck_ok(hv_vm_protect(DATA, 0x4000, RW));
    guest_set(&g, HV_REG_PC, DATA);
    ck_assert_uint_eq(guest_run(&g), EC_IABT);
    ck_assert_uint_eq(guest_iss(&g) & 0xbf, PERMISSION_L3);
    ck_assert_uint_eq(g.exit->exception.virtual_address, DATA);
    ck_assert_uint_eq(g.exit->exception.physical_address, DATA);
    ck_assert_uint_eq(guest_get(&g, HV_REG_PC), DATA);
    guest_set(&g, HV_REG_PC, CODE);
    ck_assert_uint_eq(guest_run(&g), EC_HVC);
    guest_end(&g);
}
END_TEST

START_TEST(fetching_from_nowhere_exits)
{
    struct guest g;

    guest_new(&g);
    guest_set(&g, HV_REG_PC, HOLE + 0x10);
    ck_assert_uint_eq(guest_run(&g), EC_IABT);
    ck_assert_uint_eq(guest_iss(&g) & 0xbf, TRANSLATION_L3);
    ck_assert_uint_eq(g.exit->exception.virtual_address, HOLE + 0x10);
    ck_assert_uint_eq(g.exit->exception.physical_address, HOLE + 0x10);
    ck_assert_uint_eq(guest_get(&g, HV_REG_PC), HOLE + 0x10);
    guest_end(&g);
}
END_TEST

START_TEST(addresses_above_the_ipa_size_exit)
{
    struct guest g;
    uint64_t ipa = 1ULL << 37; /* the VM has 36 bits, the processor 40 */

    guest_new(&g);
    guest_set(&g, HV_REG_X1, ipa + 8);
    guest_code(&g, LDR(0, 1));
    ck_assert_uint_eq(guest_run(&g), EC_DABT);
    ck_assert_uint_eq(guest_iss(&g) & 0x38, 0); /* size or translation */
    ck_assert_uint_eq(g.exit->exception.physical_address, ipa + 8);
    guest_end(&g);
}
END_TEST

/* Memory is shared both ways, at once, and may be mapped twice. */
START_TEST(memory_is_shared_with_the_host)
{
    struct guest g;
    uint64_t *data;

    guest_new(&g);
    data = (uint64_t *)(g.ram + (DATA - RAM_BASE));
    ck_ok(hv_vm_map(data, HOLE, 0x4000, RW));
    data[0] = 7;
    guest_set(&g, HV_REG_X1, DATA);
    guest_set(&g, HV_REG_X2, HOLE);
    guest_code(&g, LDR(0, 1), ADD(0, 0, 1), STR(0, 2), HVC(0), B(-4));
    guest_run(&g);
    ck_assert_uint_eq(data[0], 8);
    data[0] = 100;
    guest_run(&g);
    ck_assert_uint_eq(data[0], 101);
    guest_end(&g);
}
END_TEST

/* ---- cancelling --------------------------------------------------------- */

START_TEST(cancel_before_the_run_sticks)
{
    struct guest g;
    hv_vcpu_t twice[2];

    guest_new(&g);
    guest_code(&g, HVC(5), HVC(6));
    guest_run(&g);
    twice[0] = twice[1] = g.vcpu;
    ck_ok(hv_vcpus_exit(&g.vcpu, 1));
    ck_ok(hv_vcpus_exit(twice, 2));
    ck_ok(hv_vcpu_run(g.vcpu));
    ck_assert_uint_eq(g.exit->reason, HV_EXIT_REASON_CANCELED);
    /* not one instruction, and the last exception is still to be read */
    ck_assert_uint_eq(guest_get(&g, HV_REG_PC), CODE + 4);
    ck_assert_uint_eq(guest_iss(&g), 5);
    /* three requests cancelled one run */
    ck_assert_uint_eq(guest_run(&g), EC_HVC);
    ck_assert_uint_eq(guest_iss(&g), 6);
    guest_end(&g);
}
END_TEST

/* Kicks a vCPU, each time after it has said that it is about to run. */
struct kicker {
    hv_vcpu_t vcpu;
    _Atomic unsigned runs, kicks;
    unsigned total;
};

static void *kick(void *arg)
{
    struct kicker *k = arg;

    for (unsigned i = 0; i < k->total; i++) {
        while (atomic_load(&k->runs) <= i)
            sched_yield();
        /* at the entry, early in the run, well inside */
        for (unsigned wait = i % 3 * 200; wait; wait--)
            atomic_load(&k->runs);
        ck_ok(hv_vcpus_exit(&k->vcpu, 1));
        atomic_fetch_add(&k->kicks, 1);
    }
    return NULL;
}

/* A guest that never ends leaves exactly as often as it is asked to: a lost
 * request would hang here, an invented one would end a run early. */
START_TEST(cancel_during_the_run_is_neither_lost_nor_doubled)
{
    struct kicker k = {.total = 1000};
    pthread_t thread;
    struct guest g;

    guest_new(&g);
    guest_code(&g, ADD(0, 0, 1), B(-1));
    k.vcpu = g.vcpu;
    ck_assert_int_eq(pthread_create(&thread, NULL, kick, &k), 0);
    for (unsigned i = 0; i < k.total; i++) {
        if (i % 2) /* own requests must not wash the other's away */
            ck_ok(hv_vcpu_set_pending_interrupt(g.vcpu, HV_INTERRUPT_TYPE_IRQ,
                                                true));
        atomic_fetch_add(&k.runs, 1);
        ck_ok(hv_vcpu_run(g.vcpu));
        ck_assert_uint_eq(g.exit->reason, HV_EXIT_REASON_CANCELED);
        /* the kick has been made: it was this run's */
        while (atomic_load(&k.kicks) <= i)
            sched_yield();
    }
    pthread_join(thread, NULL);
    guest_end(&g);
}
END_TEST

START_TEST(cancel_names_one_vcpu)
{
    struct guest g;
    hv_vcpu_t other = 1;

    guest_new(&g);
    guest_code(&g, HVC(0));
    ck_ok(hv_vcpus_exit(&other, 1));
    ck_assert_uint_eq(guest_run(&g), EC_HVC);
    guest_end(&g);
}
END_TEST

/* ---- interrupts --------------------------------------------------------- */

static bool pending(struct guest *g, hv_interrupt_type_t type)
{
    bool value;

    ck_ok(hv_vcpu_get_pending_interrupt(g->vcpu, type, &value));
    return value;
}

static void raise_line(struct guest *g, hv_interrupt_type_t type)
{
    ck_ok(hv_vcpu_set_pending_interrupt(g->vcpu, type, true));
}

enum {
    IRQ_VECTOR = VECTORS + 0x280,
    FIQ_VECTOR = VECTORS + 0x300,
    SERROR_VECTOR = VECTORS + 0x380,
    SYNC_VECTOR = VECTORS + 0x200
};

START_TEST(pending_interrupts_are_taken_and_cleared)
{
    static const struct {
        hv_interrupt_type_t type;
        uint32_t vector;
    } lines[] = {
        {HV_INTERRUPT_TYPE_IRQ, IRQ_VECTOR},
        {HV_INTERRUPT_TYPE_FIQ, FIQ_VECTOR},
    };
    struct guest g;

    guest_new(&g);
    guest_code(&g, NOP, NOP, HVC(1));
    for (int i = 0; i < 2; i++)
        guest_words(&g, lines[i].vector, (const uint32_t[]){HVC(2)}, 4);
    for (int i = 0; i < 2; i++) {
        guest_set(&g, HV_REG_PC, CODE);
        guest_set(&g, HV_REG_CPSR, 0x005); /* EL1h, nothing masked */
        raise_line(&g, lines[i].type);
        ck_assert_uint_eq(guest_run(&g), EC_HVC);
        ck_assert_uint_eq(guest_iss(&g), 2);
        ck_assert_uint_eq(guest_get(&g, HV_REG_PC), lines[i].vector + 4);
        /* before the first instruction */
        ck_assert_uint_eq(guest_get_sys(&g, HV_SYS_REG_ELR_EL1), CODE);
        ck_assert_uint_eq(guest_get_sys(&g, HV_SYS_REG_SPSR_EL1), 0x005);
        /* all masked; PAN too, as SCTLR_EL1.SPAN is clear */
        ck_assert_uint_eq(guest_get(&g, HV_REG_CPSR), CPSR_EL1H | 1 << 22);
        ck_assert(!pending(&g, lines[i].type));
    }
    guest_end(&g);
}
END_TEST

START_TEST(masked_interrupts_wait_within_the_run)
{
    struct guest g;

    guest_new(&g);
    guest_words(&g, IRQ_VECTOR, (const uint32_t[]){HVC(2)}, 4);
    guest_code(&g, NOP, HVC(1), NOP, MSR_DAIFCLR(2), NOP, HVC(3));
    raise_line(&g, HV_INTERRUPT_TYPE_IRQ);
    ck_assert_uint_eq(guest_run(&g), EC_HVC);
    ck_assert_uint_eq(guest_iss(&g), 1);
    ck_assert(!pending(&g, HV_INTERRUPT_TYPE_IRQ)); /* lost with the run */

    raise_line(&g, HV_INTERRUPT_TYPE_IRQ);
    ck_assert_uint_eq(guest_run(&g), EC_HVC);
    ck_assert_uint_eq(guest_iss(&g), 2);
    ck_assert_uint_eq(guest_get_sys(&g, HV_SYS_REG_ELR_EL1), CODE + 16);

    /* and not raised again: straight through */
    guest_set(&g, HV_REG_PC, CODE + 8);
    guest_set(&g, HV_REG_CPSR, CPSR_EL1H);
    ck_assert_uint_eq(guest_run(&g), EC_HVC);
    ck_assert_uint_eq(guest_iss(&g), 3);
    guest_end(&g);
}
END_TEST

/* The line is a level: it is taken again after each ERET, until the run ends.
 */
START_TEST(pending_interrupts_are_levels)
{
    struct guest g;

    guest_new(&g);
    guest_code(&g, ADD(1, 1, 1), B(-1));
    guest_words(&g, IRQ_VECTOR,
                (const uint32_t[]){SUB(0, 0, 1), CBNZ(0, 2), HVC(2), ERET}, 16);
    guest_set(&g, HV_REG_X0, 50);
    guest_set(&g, HV_REG_CPSR, 0x005);
    raise_line(&g, HV_INTERRUPT_TYPE_IRQ);
    ck_assert_uint_eq(guest_run(&g), EC_HVC);
    ck_assert_uint_eq(guest_get(&g, HV_REG_X0), 0);
    ck_assert_uint_eq(guest_get(&g, HV_REG_X1), 0); /* never got that far */
    guest_end(&g);
}
END_TEST

START_TEST(every_exit_clears_pending_interrupts)
{
    struct guest g;

    guest_new(&g);
    guest_code(&g, HVC(0));
    raise_line(&g, HV_INTERRUPT_TYPE_IRQ);
    raise_line(&g, HV_INTERRUPT_TYPE_FIQ);
    ck_ok(hv_vcpus_exit(&g.vcpu, 1));
    ck_ok(hv_vcpu_run(g.vcpu));
    ck_assert_uint_eq(g.exit->reason, HV_EXIT_REASON_CANCELED);
    ck_assert(!pending(&g, HV_INTERRUPT_TYPE_IRQ));
    ck_assert(!pending(&g, HV_INTERRUPT_TYPE_FIQ));

    raise_line(&g, HV_INTERRUPT_TYPE_IRQ);
    guest_set_sys(&g, HV_SYS_REG_CNTV_CTL_EL0, 1);
    ck_ok(hv_vcpu_run(g.vcpu));
    ck_assert_uint_eq(g.exit->reason, HV_EXIT_REASON_VTIMER_ACTIVATED);
    ck_assert(!pending(&g, HV_INTERRUPT_TYPE_IRQ));
    guest_end(&g);
}
END_TEST

START_TEST(wfi_with_a_line_up_goes_on)
{
    struct guest g;

    guest_new(&g);
    guest_code(&g, WFI, HVC(1)); /* masked, so not taken either */
    raise_line(&g, HV_INTERRUPT_TYPE_IRQ);
    ck_assert_uint_eq(guest_run(&g), EC_HVC);
    guest_end(&g);
}
END_TEST

START_TEST(serror_waits_until_it_is_taken)
{
    struct guest g;
    bool waits;

    guest_new(&g);
    guest_code(&g, HVC(1), MSR_DAIFCLR(4), NOP, HVC(3));
    guest_words(&g, SERROR_VECTOR, (const uint32_t[]){HVC(2)}, 4);
    ck_ok(hv_vcpu_set_serror(g.vcpu, true));
    ck_assert_uint_eq(guest_run(&g), EC_HVC);
    ck_assert_uint_eq(guest_iss(&g), 1);
    ck_ok(hv_vcpu_get_serror(g.vcpu, &waits));
    ck_assert(waits); /* unlike IRQ and FIQ */
    ck_assert_uint_eq(guest_run(&g), EC_HVC);
    ck_assert_uint_eq(guest_iss(&g), 2);
    ck_assert_uint_eq(guest_get_sys(&g, HV_SYS_REG_ESR_EL1) >> 26, 0x2f);
    ck_ok(hv_vcpu_get_serror(g.vcpu, &waits));
    ck_assert(!waits);
    guest_end(&g);
}
END_TEST

/* ---- the virtual timer -------------------------------------------------- */

static bool masked(struct guest *g)
{
    bool value;

    ck_ok(hv_vcpu_get_vtimer_mask(g->vcpu, &value));
    return value;
}

START_TEST(timer_that_is_due_exits_once)
{
    struct guest g;

    guest_new(&g);
    guest_code(&g, HVC(0), HVC(1), HVC(2));
    guest_run(&g); /* leaves an exception behind */
    guest_set_sys(&g, HV_SYS_REG_CNTV_CTL_EL0, 1);
    ck_ok(hv_vcpu_run(g.vcpu));
    ck_assert_uint_eq(g.exit->reason, HV_EXIT_REASON_VTIMER_ACTIVATED);
    ck_assert_uint_eq(guest_get(&g, HV_REG_PC), CODE + 4);
    ck_assert(masked(&g));
    ck_assert_uint_eq(guest_get_sys(&g, HV_SYS_REG_CNTV_CTL_EL0), 5);
    /* masked: no more, though the line is still up */
    ck_assert_uint_eq(guest_run(&g), EC_HVC);
    /* unmasked with the line still up: again at once */
    ck_ok(hv_vcpu_set_vtimer_mask(g.vcpu, false));
    ck_ok(hv_vcpu_run(g.vcpu));
    ck_assert_uint_eq(g.exit->reason, HV_EXIT_REASON_VTIMER_ACTIVATED);
    /* the guest's IMASK: unmasked, but the line is down */
    guest_set_sys(&g, HV_SYS_REG_CNTV_CTL_EL0, 3);
    ck_ok(hv_vcpu_set_vtimer_mask(g.vcpu, false));
    ck_assert_uint_eq(guest_run(&g), EC_HVC);
    ck_assert(!masked(&g));
    guest_end(&g);
}
END_TEST

/* The guest computes and never looks: it is made to leave, whatever PSTATE
 * says, and not before its time. */
START_TEST(timer_interrupts_a_computing_guest)
{
    struct guest g;
    uint64_t due;

    guest_new(&g);
    guest_code(&g, ADD(0, 0, 1), B(-1));
    for (int i = 0; i < 20; i++) {
        due = mach_absolute_time() + 24 * 100 * (1 + i); /* 0.1 to 2 ms */
        guest_set_sys(&g, HV_SYS_REG_CNTV_CVAL_EL0, due);
        guest_set_sys(&g, HV_SYS_REG_CNTV_CTL_EL0, 1);
        ck_ok(hv_vcpu_set_vtimer_mask(g.vcpu, false));
        ck_ok(hv_vcpu_run(g.vcpu));
        ck_assert_uint_ge(mach_absolute_time(), due);
        ck_assert_uint_eq(g.exit->reason, HV_EXIT_REASON_VTIMER_ACTIVATED);
        ck_assert(masked(&g));
    }
    ck_assert_uint_gt(guest_get(&g, HV_REG_X0), 0);
    guest_end(&g);
}
END_TEST

/* The same armed by the guest itself, by TVAL, with an offset. */
START_TEST(timer_armed_by_the_guest)
{
    const uint16_t tval = ENCODE(3, 3, 14, 3, 0);
    struct guest g;

    guest_new(&g);
    ck_ok(hv_vcpu_set_vtimer_offset(g.vcpu, mach_absolute_time()));
    guest_code(&g, MOVZ(0, 2400), MSR(tval, 0), MOVZ(0, 1),
               MSR(HV_SYS_REG_CNTV_CTL_EL0, 0), B_SELF);
    ck_ok(hv_vcpu_run(g.vcpu));
    ck_assert_uint_eq(g.exit->reason, HV_EXIT_REASON_VTIMER_ACTIVATED);
    ck_assert_uint_eq(guest_get(&g, HV_REG_PC), CODE + 16);
    guest_end(&g);
}
END_TEST

/* Row 7 of what is not confirmed. */
/* The VMM moves the guest's clock between runs, both ways. */
START_TEST(timer_follows_its_offset)
{
    uint64_t hour = 24000000ULL * 3600, now = mach_absolute_time();
    struct guest g;

    guest_new(&g);
    guest_code(&g, HVC(0), B(-1));
    guest_set_sys(&g, HV_SYS_REG_CNTV_CVAL_EL0, 10 * hour);
    guest_set_sys(&g, HV_SYS_REG_CNTV_CTL_EL0, 1);
    /* the guest's clock stands at one hour: not due */
    ck_ok(hv_vcpu_set_vtimer_offset(g.vcpu, now - hour));
    ck_assert_uint_eq(guest_run(&g), EC_HVC);
    /* at eleven: due at once */
    ck_ok(hv_vcpu_set_vtimer_offset(g.vcpu, now - 11 * hour));
    ck_ok(hv_vcpu_run(g.vcpu));
    ck_assert_uint_eq(g.exit->reason, HV_EXIT_REASON_VTIMER_ACTIVATED);
    /* back at one, and unmasked: the line is down, nothing is reported */
    ck_ok(hv_vcpu_set_vtimer_offset(g.vcpu, now - hour));
    ck_ok(hv_vcpu_set_vtimer_mask(g.vcpu, false));
    ck_assert_uint_eq(guest_get_sys(&g, HV_SYS_REG_CNTV_CTL_EL0), 1);
    ck_assert_uint_eq(guest_run(&g), EC_HVC);
    /* at eleven, still masked from the last time: silent */
    ck_ok(hv_vcpu_set_vtimer_mask(g.vcpu, true));
    ck_ok(hv_vcpu_set_vtimer_offset(g.vcpu, now - 11 * hour));
    ck_assert_uint_eq(guest_run(&g), EC_HVC);
    guest_end(&g);
}
END_TEST

/*
 * A request to leave and the timer come at the same moment, in either order.
 * Each must be reported once: the one by the run that it ends, the other by
 * that run or the next.
 */
START_TEST(timer_and_cancel_at_once)
{
    struct kicker k = {.total = 1000};
    unsigned timers = 0, cancels = 0;
    pthread_t thread;
    struct guest g;

    guest_new(&g);
    guest_code(&g, ADD(0, 0, 1), B(-1));
    k.vcpu = g.vcpu;
    ck_assert_int_eq(pthread_create(&thread, NULL, kick, &k), 0);
    for (unsigned i = 0; i < k.total; i++) {
        unsigned timer = 0, cancel = 0;

        guest_set_sys(&g, HV_SYS_REG_CNTV_CVAL_EL0,
                      mach_absolute_time() + i % 7 * 40);
        guest_set_sys(&g, HV_SYS_REG_CNTV_CTL_EL0, 1);
        ck_ok(hv_vcpu_set_vtimer_mask(g.vcpu, false));
        atomic_fetch_add(&k.runs, 1);
        while (timer + cancel < 2) {
            ck_ok(hv_vcpu_run(g.vcpu));
            timer += g.exit->reason == HV_EXIT_REASON_VTIMER_ACTIVATED;
            cancel += g.exit->reason == HV_EXIT_REASON_CANCELED;
        }
        ck_assert_uint_eq(timer, 1);
        ck_assert_uint_eq(cancel, 1);
        while (atomic_load(&k.kicks) <= i)
            sched_yield();
        guest_set_sys(&g, HV_SYS_REG_CNTV_CTL_EL0, 0);
        timers += timer;
        cancels += cancel;
    }
    pthread_join(thread, NULL);
    ck_assert_uint_eq(timers, k.total);
    ck_assert_uint_eq(cancels, k.total);
    guest_end(&g);
}
END_TEST

START_TEST(wfi_with_the_timer_masked_exits)
{
    struct guest g;

    guest_new(&g);
    guest_code(&g, WFI);
    guest_set_sys(&g, HV_SYS_REG_CNTV_CTL_EL0, 1);
    ck_ok(hv_vcpu_set_vtimer_mask(g.vcpu, true));
    ck_assert_uint_eq(guest_run(&g), EC_WFX);
    guest_end(&g);
}
END_TEST

/* ---- debug -------------------------------------------------------------- */

START_TEST(brk_exits_only_when_trapped)
{
    struct guest g;

    guest_new(&g);
    guest_code(&g, NOP, BRK(0x77));
    guest_words(&g, SYNC_VECTOR, (const uint32_t[]){HVC(1)}, 4);
    ck_ok(hv_vcpu_set_trap_debug_exceptions(g.vcpu, true));
    ck_assert_uint_eq(guest_run(&g), EC_BRK);
    ck_assert_uint_eq(guest_iss(&g), 0x77);
    ck_assert_uint_eq(guest_get(&g, HV_REG_PC), CODE + 4);
    ck_ok(hv_vcpu_set_trap_debug_exceptions(g.vcpu, false));
    ck_assert_uint_eq(guest_run(&g), EC_HVC);
    ck_assert_uint_eq(guest_get_sys(&g, HV_SYS_REG_ESR_EL1) >> 26, EC_BRK);
    guest_end(&g);
}
END_TEST

/* QEMU writes BRK over code that has run, sets the trap (again), and puts the
 * code back the same way. */
START_TEST(brk_written_by_the_host_is_met)
{
    struct guest g;

    guest_new(&g);
    guest_code(&g, NOP, NOP, HVC(0));
    for (int i = 0; i < 2; i++) {
        guest_set(&g, HV_REG_PC, CODE);
        ck_assert_uint_eq(guest_run(&g), EC_HVC);

        guest_code(&g, NOP, BRK(0), HVC(0));
        ck_ok(hv_vcpu_set_trap_debug_exceptions(g.vcpu, true));
        guest_set(&g, HV_REG_PC, CODE);
        ck_assert_uint_eq(guest_run(&g), EC_BRK);
        ck_assert_uint_eq(guest_get(&g, HV_REG_PC), CODE + 4);

        guest_code(&g, NOP, NOP, HVC(0));
        ck_ok(hv_vcpu_set_trap_debug_exceptions(g.vcpu, false));
        ck_assert_uint_eq(guest_run(&g), EC_HVC);
    }
    guest_end(&g);
}
END_TEST

/* QEMU loads a snapshot: memory from the host, then the registers. */
START_TEST(code_of_a_loaded_snapshot_is_met)
{
    static const hv_sys_reg_t bases[] = {HV_SYS_REG_TTBR0_EL1,
                                         HV_SYS_REG_TTBR1_EL1};
    struct guest g;

    guest_new(&g);
    guest_code(&g, MOVZ(0, 1), HVC(0));
    ck_assert_uint_eq(guest_run(&g), EC_HVC);
    ck_assert_uint_eq(guest_get(&g, HV_REG_X0), 1);

    guest_code(&g, MOVZ(0, 2), HVC(0));
    guest_set_sys(&g, bases[_i], guest_get_sys(&g, bases[_i]));
    guest_set(&g, HV_REG_PC, CODE);
    ck_assert_uint_eq(guest_run(&g), EC_HVC);
    ck_assert_uint_eq(guest_get(&g, HV_REG_X0), 2);
    guest_end(&g);
}
END_TEST

START_TEST(debug_registers_exit_only_when_trapped)
{
    struct guest g;

    guest_new(&g);
    guest_code(&g, MRS(0, HV_SYS_REG_MDSCR_EL1), MRS(0, HV_SYS_REG_DBGBVR0_EL1),
               HVC(0));
    ck_ok(hv_vcpu_set_trap_debug_reg_accesses(g.vcpu, true));
    ck_assert_uint_eq(guest_run(&g), EC_SYSREG);
    guest_set(&g, HV_REG_PC, CODE + 4);
    ck_assert_uint_eq(guest_run(&g), EC_SYSREG);
    ck_ok(hv_vcpu_set_trap_debug_reg_accesses(g.vcpu, false));
    guest_set(&g, HV_REG_PC, CODE);
    ck_assert_uint_eq(guest_run(&g), EC_HVC);
    guest_end(&g);
}
END_TEST

/* As QEMU's stub for gdb does it. */
START_TEST(vmm_steps_the_guest)
{
    struct guest g;

    guest_new(&g);
    guest_code(&g, MOVZ(0, 1), ADD(0, 0, 1), B(2), NOP, ADD(0, 0, 1), HVC(0));
    ck_ok(hv_vcpu_set_trap_debug_exceptions(g.vcpu, true));
    guest_set_sys(&g, HV_SYS_REG_MDSCR_EL1, 1);
    for (int i = 0; i < 4; i++) {
        static const uint32_t next[] = {4, 8, 16, 20};

        /* D clear, SS set */
        guest_set(&g, HV_REG_CPSR, (CPSR_EL1H & ~0x200u) | 1 << 21);
        ck_assert_uint_eq(guest_run(&g), EC_STEP);
        ck_assert_uint_eq(guest_get(&g, HV_REG_PC), CODE + next[i]);
    }
    ck_assert_uint_eq(guest_get(&g, HV_REG_X0), 3);
    guest_end(&g);
}
END_TEST

START_TEST(vmm_sets_break_and_watchpoints)
{
    struct guest g;

    guest_new(&g);
    guest_code(&g, NOP, NOP, STR(0, 1), HVC(0));
    guest_set(&g, HV_REG_X1, DATA);
    guest_set(&g, HV_REG_CPSR, CPSR_EL1H & ~0x200u);
    ck_ok(hv_vcpu_set_trap_debug_exceptions(g.vcpu, true));
    guest_set_sys(&g, HV_SYS_REG_MDSCR_EL1, 1 << 15 | 1 << 13); /* MDE, KDE */
    guest_set_sys(&g, HV_SYS_REG_DBGBVR0_EL1, CODE + 4);
    guest_set_sys(&g, HV_SYS_REG_DBGBCR0_EL1, 0x1e7); /* any EL */
    ck_assert_uint_eq(guest_run(&g), EC_BREAKPOINT);
    ck_assert_uint_eq(guest_get(&g, HV_REG_PC), CODE + 4);
    guest_set_sys(&g, HV_SYS_REG_DBGBCR0_EL1, 0);

    guest_set_sys(&g, HV_SYS_REG_DBGWVR0_EL1, DATA);
    guest_set_sys(&g, HV_SYS_REG_DBGWCR0_EL1, 0x1ff7); /* stores, 8 bytes */
    ck_assert_uint_eq(guest_run(&g), EC_WATCHPOINT);
    ck_assert_uint_eq(guest_get(&g, HV_REG_PC), CODE + 8);
    ck_assert_uint_eq(g.exit->exception.virtual_address, DATA);
    guest_set_sys(&g, HV_SYS_REG_DBGWCR0_EL1, 0);
    ck_assert_uint_eq(guest_run(&g), EC_HVC);
    guest_end(&g);
}
END_TEST

/* ---- several threads ---------------------------------------------------- */

/* A vCPU on a thread of its own, re-run until `stop`; data aborts are retried,
 * as a VMM does whose mapping is about to come back. */
struct runner {
    struct guest g;
    pthread_t thread;
    _Atomic bool ready, stop;
    _Atomic unsigned faults, permission_faults, odd_exits;
    uint64_t x0;
};

static void count_exit(struct runner *r)
{
    uint64_t syndrome = r->g.exit->exception.syndrome;

    if (r->g.exit->reason == HV_EXIT_REASON_CANCELED)
        return;
    if (r->g.exit->reason != HV_EXIT_REASON_EXCEPTION ||
        syndrome >> 26 != EC_DABT)
        atomic_fetch_add(&r->odd_exits, 1);
    else if ((syndrome & 0x3f) == PERMISSION_L3)
        atomic_fetch_add(&r->permission_faults, 1);
    else
        atomic_fetch_add(&r->faults, 1);
}

static void *runner_thread(void *arg)
{
    struct runner *r = arg;

    guest_vcpu(&r->g);
    guest_set(&r->g, HV_REG_X1, DATA);
    atomic_store(&r->ready, true);
    while (!atomic_load(&r->stop)) {
        ck_ok(hv_vcpu_run(r->g.vcpu));
        count_exit(r);
    }
    r->x0 = guest_get(&r->g, HV_REG_X0);
    ck_ok(hv_vcpu_destroy(r->g.vcpu));
    return NULL;
}

static void runner_start(struct runner *r, const struct guest *vm)
{
    r->g = *vm;
    ck_assert_int_eq(pthread_create(&r->thread, NULL, runner_thread, r), 0);
    while (!atomic_load(&r->ready))
        sched_yield();
}

static void runner_stop(struct runner *r)
{
    atomic_store(&r->stop, true);
    ck_ok(hv_vcpus_exit(&r->g.vcpu, 1));
    pthread_join(r->thread, NULL);
    ck_assert_uint_eq(atomic_load(&r->odd_exits), 0);
}

/* Until the guest has changed the word again. */
static uint64_t wait_change(_Atomic uint64_t *word, uint64_t from)
{
    uint64_t now;

    while ((now = atomic_load(word)) == from)
        sched_yield();
    return now;
}

/*
 * The guest counts in memory while its page is taken away, given back and
 * made read-only under it. It never loses a count, and never counts while it
 * may not.
 */
START_TEST(map_changes_under_a_running_guest)
{
    struct runner r = {0};
    struct guest vm;
    _Atomic uint64_t *word;
    uint64_t seen = 0;

    guest_vm(&vm);
    word = (_Atomic uint64_t *)(vm.ram + (DATA - RAM_BASE));
    guest_code(&vm, LDR(0, 1), ADD(0, 0, 1), STR(0, 1), B(-3));
    runner_start(&r, &vm);
    for (int i = 0; i < 100; i++) {
        seen = wait_change(word, seen);
        ck_ok(hv_vm_unmap(DATA, 0x4000));
        seen = atomic_load(word);
        sched_yield();
        ck_assert_uint_eq(atomic_load(word), seen);
        ck_ok(hv_vm_map((void *)word, DATA, 0x4000, RW));

        seen = wait_change(word, seen);
        ck_ok(hv_vm_protect(DATA, 0x4000, HV_MEMORY_READ));
        seen = atomic_load(word);
        sched_yield();
        ck_assert_uint_eq(atomic_load(word), seen);
        ck_ok(hv_vm_protect(DATA, 0x4000, RWX));
    }
    wait_change(word, seen);
    runner_stop(&r);
    /* between a load and its store, at most one ahead */
    ck_assert_uint_le(r.x0 - atomic_load(word), 1);
    ck_assert_uint_gt(atomic_load(&r.faults), 0);
    ck_assert_uint_gt(atomic_load(&r.permission_faults), 0);
    guest_vm_end(&vm);
}
END_TEST

START_TEST(vcpus_run_at_once)
{
    struct runner r[4] = {0};
    struct guest vm;
    _Atomic uint64_t *word;
    uint64_t sum = 0;

    guest_vm(&vm);
    word = (_Atomic uint64_t *)(vm.ram + (DATA - RAM_BASE));
    /* X0 counts what this vCPU added */
    guest_code(&vm, MOVZ(2, 1), LDADDAL(2, 3, 1), ADD(0, 0, 1), B(-2));
    for (int i = 0; i < 4; i++)
        runner_start(&r[i], &vm);
    while (atomic_load(word) < 100000)
        sched_yield();
    for (int i = 0; i < 4; i++)
        runner_stop(&r[i]);
    for (int i = 0; i < 4; i++)
        sum += r[i].x0;
    /* each may have been stopped between its addition and its count */
    ck_assert_uint_le(atomic_load(word) - sum, 4);
    guest_vm_end(&vm);
}
END_TEST

/* A thread whose vCPU comes and goes. */
struct comer {
    pthread_t thread;
    struct guest g;
    _Atomic bool stop;
    _Atomic unsigned lives;
};

static void *come_and_go(void *arg)
{
    struct comer *c = arg;

    while (!atomic_load(&c->stop)) {
        guest_vcpu(&c->g);
        guest_set(&c->g, HV_REG_X1, DATA);
        guest_set(&c->g, HV_REG_PC, CODE + 16);
        ck_ok(hv_vcpu_run(c->g.vcpu)); /* its HVC, or somebody's cancel */
        ck_ok(hv_vcpu_destroy(c->g.vcpu));
        atomic_fetch_add(&c->lives, 1);
    }
    return NULL;
}

/* One guest invalidates translations for all without pause, the map changes,
 * and every ID is kicked, while vCPUs are made and destroyed. */
START_TEST(vcpus_end_while_others_call_them)
{
    hv_vcpu_t everybody[64];
    struct comer c[2] = {0};
    struct runner r = {0};
    struct guest vm;
    void *more;

    for (unsigned i = 0; i < 64; i++)
        everybody[i] = i;
    guest_vm(&vm);
    ck_ok(hv_vm_allocate(&more, 0x4000, HV_ALLOCATE_DEFAULT));
    guest_code(&vm, TLBI_VMALLE1IS, DSB_ISH, ISB, B(-3), TLBI_VMALLE1IS,
               DSB_ISH, LDR(0, 1), HVC(0));
    runner_start(&r, &vm);
    for (int i = 0; i < 2; i++) {
        c[i].g = vm;
        ck_assert_int_eq(pthread_create(&c[i].thread, NULL, come_and_go, &c[i]),
                         0);
    }
    while (atomic_load(&c[0].lives) < 300 || atomic_load(&c[1].lives) < 300) {
        ck_ok(hv_vcpus_exit(everybody, 64));
        ck_ok(hv_vm_map(more, HOLE, 0x4000, RW));
        ck_ok(hv_vm_unmap(HOLE, 0x4000));
    }
    for (int i = 0; i < 2; i++) {
        atomic_store(&c[i].stop, true);
        pthread_join(c[i].thread, NULL);
    }
    runner_stop(&r);
    guest_vm_end(&vm);
    ck_ok(hv_vm_deallocate(more, 0x4000));
}
END_TEST

/* ---- signals, and the TLB from outside ------------------------------------
 */

static atomic_uint signals_seen;

static void on_signal(int number)
{
    (void)number;
    atomic_fetch_add(&signals_seen, 1);
}

struct sender {
    pthread_t to;
    hv_vcpu_t vcpu;
};

static void *send_signals(void *arg)
{
    struct sender *s = arg;

    for (unsigned i = 1; i <= 100; i++) {
        pthread_kill(s->to, SIGUSR1);
        while (atomic_load(&signals_seen) < i)
            sched_yield();
    }
    ck_ok(hv_vcpus_exit(&s->vcpu, 1));
    return NULL;
}

/* A signal's handler runs while the guest does, and ends no run. */
START_TEST(signals_do_not_end_a_run)
{
    struct sigaction action = {.sa_handler = on_signal};
    struct sender s = {.to = pthread_self()};
    pthread_t thread;
    struct guest g;

    guest_new(&g);
    guest_code(&g, ADD(0, 0, 1), B(-1));
    s.vcpu = g.vcpu;
    ck_assert_int_eq(sigaction(SIGUSR1, &action, NULL), 0);
    ck_assert_int_eq(pthread_create(&thread, NULL, send_signals, &s), 0);
    ck_ok(hv_vcpu_run(g.vcpu));
    ck_assert_uint_eq(g.exit->reason, HV_EXIT_REASON_CANCELED);
    ck_assert_uint_eq(atomic_load(&signals_seen), 100);
    pthread_join(thread, NULL);
    guest_end(&g);
}
END_TEST

/* The host changes a translation table, which the guest's TLB does not see
 * until hv_vcpu_invalidate_tlb, or until the table's base is set by the host.
 * 39 bits of address: tables at levels 1 to 3. */
START_TEST(host_drops_translations)
{
    enum { L1 = 0x20000, L2 = 0x21000, L3 = 0x22000 };
    const uint64_t table = 3, page = 3 | 1 << 10 | 3 << 8;
    uint64_t *at;
    struct guest g;

    guest_new(&g);
    at = (uint64_t *)g.ram;
    at[L1 / 8 + 1] = (RAM_BASE + L2) | table;
    at[L2 / 8] = (RAM_BASE + L3) | table;
    for (unsigned i = 0; i < 0x20; i++)
        at[L3 / 8 + i] = (RAM_BASE + i * 0x1000) | page;
    at[(DATA - RAM_BASE) / 8] = 1;
    at[(DATA - RAM_BASE + 0x1000) / 8] = 2;
    guest_set_sys(&g, HV_SYS_REG_MAIR_EL1, 0xff);
    guest_set_sys(&g, HV_SYS_REG_TCR_EL1, 25 | 1ULL << 32);
    guest_set_sys(&g, HV_SYS_REG_TTBR0_EL1, RAM_BASE + L1);
    guest_set_sys(&g, HV_SYS_REG_SCTLR_EL1, 0x30100180 | 1);
    guest_set(&g, HV_REG_X1, DATA);
    guest_code(&g, LDR(0, 1), HVC(0), B(-2));
    ck_assert_uint_eq(guest_run(&g), EC_HVC);
    ck_assert_uint_eq(guest_get(&g, HV_REG_X0), 1);
    at[L3 / 8 + 0x10] = (DATA + 0x1000) | page;
    if (_i == 0)
        ck_ok(hv_vcpu_invalidate_tlb(g.vcpu, HV_TLBI_OP_VAE1IS, DATA >> 12));
    else
        guest_set_sys(&g, HV_SYS_REG_TTBR0_EL1, RAM_BASE + L1);
    ck_assert_uint_eq(guest_run(&g), EC_HVC);
    ck_assert_uint_eq(guest_get(&g, HV_REG_X0), 2);
    guest_end(&g);
}
END_TEST

/* ---- suite -------------------------------------------------------------- */

int main(void)
{
    Suite *suite = suite_create("api_run");
    TCase *t = tcase_create("api_run");
    SRunner *runner;
    int failed;

    tcase_set_timeout(t, 120);
    tcase_add_test(t, hvc_exits_behind_itself);
    tcase_add_test(t, smc_exits_at_itself);
    tcase_add_test(t, wfi_exits_at_itself);
    tcase_add_test(t, wakes_are_recorded_unseen);
    tcase_add_test(t, wfe_does_not_exit);
    tcase_add_test(t, trapped_registers_exit_at_themselves);
    tcase_add_test(t, registers_that_do_not_trap);
    tcase_add_test(t, first_run_of_an_untouched_vcpu);
    tcase_add_test(t, exec_time_grows);
    tcase_add_test(t, mmio_says_all_that_emulation_needs);
    tcase_add_test(t, mmio_of_other_forms_has_no_isv);
    tcase_add_test(t, mmio_is_completed_by_the_vmm);
    tcase_add_test(t, faults_can_be_repaired);
    tcase_add_test(t, permissions_are_what_the_map_says);
    tcase_add_test(t, fetching_from_nowhere_exits);
    tcase_add_test(t, addresses_above_the_ipa_size_exit);
    tcase_add_test(t, memory_is_shared_with_the_host);
    tcase_add_test(t, cancel_before_the_run_sticks);
    tcase_add_test(t, cancel_during_the_run_is_neither_lost_nor_doubled);
    tcase_add_test(t, cancel_names_one_vcpu);
    tcase_add_test(t, pending_interrupts_are_taken_and_cleared);
    tcase_add_test(t, masked_interrupts_wait_within_the_run);
    tcase_add_test(t, pending_interrupts_are_levels);
    tcase_add_test(t, every_exit_clears_pending_interrupts);
    tcase_add_test(t, wfi_with_a_line_up_goes_on);
    tcase_add_test(t, serror_waits_until_it_is_taken);
    tcase_add_test(t, timer_that_is_due_exits_once);
    tcase_add_test(t, timer_interrupts_a_computing_guest);
    tcase_add_test(t, timer_armed_by_the_guest);
    tcase_add_test(t, timer_follows_its_offset);
    tcase_add_test(t, timer_and_cancel_at_once);
    tcase_add_test(t, wfi_with_the_timer_masked_exits);
    tcase_add_test(t, brk_exits_only_when_trapped);
    tcase_add_test(t, brk_written_by_the_host_is_met);
    tcase_add_loop_test(t, code_of_a_loaded_snapshot_is_met, 0, 2);
    tcase_add_test(t, debug_registers_exit_only_when_trapped);
    tcase_add_test(t, vmm_steps_the_guest);
    tcase_add_test(t, vmm_sets_break_and_watchpoints);
    tcase_add_test(t, map_changes_under_a_running_guest);
    tcase_add_test(t, vcpus_run_at_once);
    tcase_add_test(t, vcpus_end_while_others_call_them);
    tcase_add_test(t, signals_do_not_end_a_run);
    tcase_add_loop_test(t, host_drops_translations, 0, 2);
    suite_add_tcase(suite, t);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
