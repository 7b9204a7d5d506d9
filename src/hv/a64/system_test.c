/*
 * System instructions: what each encoding does from EL0 and EL1, and how the
 * rest is refused. WFI and WFE are here too.
 */
#include "sys_fake.h"

#include <check.h>

enum { IL = 1 << 25, WFX_ISS = 0x1e00000, RT = 7 };

static const uint32_t wfe = 0xd503205f, wfi = 0xd503207f, sev = 0xd503209f,
                      sevl = 0xd50320bf;

/* Open every gate that EL1 has for EL0. */
static struct a64_cpu *open_cpu(unsigned el)
{
    struct a64_cpu *cpu = fake_cpu(el, el);

    cpu->sys.sctlr_el1 |=
        SCTLR_UMA | SCTLR_DZE | SCTLR_UCT | SCTLR_NTWI | SCTLR_NTWE | SCTLR_UCI;
    return cpu;
}

static struct a64_cpu *closed_cpu(unsigned el)
{
    struct a64_cpu *cpu = fake_cpu(el, el);

    cpu->sys.sctlr_el1 = 0;
    return cpu;
}

static void check_undefined(struct a64_cpu *cpu, uint32_t insn)
{
    uint64_t before = cpu->pc;

    ck_assert_int_eq(a64_system(cpu, insn), A64_REDIRECT);
    ck_assert_msg(cpu->sys.esr_el1 == IL, "%08x: ESR %lx", insn,
                  (unsigned long)cpu->sys.esr_el1);
    ck_assert_uint_eq(cpu->sys.elr_el1, before);
}

/* The ISS of EC 0x18, from an instruction's fields [D19.2.40]. */
static uint32_t iss_of(uint32_t insn)
{
    return (insn >> 19 & 3) << 20 | (insn >> 5 & 7) << 17 |
           (insn >> 16 & 7) << 14 | (insn >> 12 & 15) << 10 | (insn & 31) << 5 |
           (insn >> 8 & 15) << 1 | (insn >> 21 & 1);
}

static void check_trapped(struct a64_cpu *cpu, uint32_t insn)
{
    ck_assert_int_eq(a64_system(cpu, insn), A64_REDIRECT);
    ck_assert_uint_eq(cpu->sys.esr_el1, 0x18u << 26 | IL | iss_of(insn));
    ck_assert_uint_eq(cpu->sys.elr_el1, 0x1000);
}

/* ---- MSR immediate ---- */

static uint32_t msr_imm(unsigned op1, unsigned op2, unsigned imm)
{
    return insn_sys(0, op1, 4, imm, op2, 31);
}

START_TEST(daif_set_and_clear)
{
    struct a64_cpu *cpu = open_cpu((unsigned)_i);

    ck_assert_int_eq(a64_system(cpu, msr_imm(3, 6, 0xa)), A64_NEXT);
    ck_assert_uint_eq(cpu->daif, 0xa);
    ck_assert_int_eq(a64_system(cpu, msr_imm(3, 6, 0x3)), A64_NEXT);
    ck_assert_uint_eq(cpu->daif, 0xb);
    ck_assert_int_eq(a64_system(cpu, msr_imm(3, 7, 0x9)), A64_NEXT);
    ck_assert_uint_eq(cpu->daif, 0x2);
    ck_assert_uint_eq(cpu->pc, 0x1000);
}
END_TEST

START_TEST(daif_needs_uma_at_el0)
{
    check_trapped(closed_cpu(0), msr_imm(3, 6, 2));
    check_trapped(closed_cpu(0), msr_imm(3, 7, 2));
}
END_TEST

/* Unmasking lets a pending interrupt in before the next instruction. */
START_TEST(unmask_takes_interrupt)
{
    struct a64_cpu *cpu = open_cpu(1);

    cpu->daif = 0xf;
    cpu->irq_line = true;
    ck_assert_int_eq(a64_system(cpu, msr_imm(3, 7, 1)), A64_NEXT);
    ck_assert_int_eq(a64_system(cpu, msr_imm(3, 7, 2)), A64_REDIRECT);
    ck_assert_uint_eq(cpu->pc, 0x280);
    ck_assert_uint_eq(cpu->sys.elr_el1, 0x1004);

    cpu = open_cpu(1);
    cpu->daif = 0xf;
    cpu->irq_line = true;
    ck_assert_int_eq(a64_system(cpu, insn_msr(A64_SYSREG(3, 3, 4, 2, 1), 31)),
                     A64_REDIRECT);
    ck_assert_uint_eq(cpu->sys.elr_el1, 0x1004);
    ck_assert_uint_eq(cpu->sys.spsr_el1, 5);
}
END_TEST

/* Clearing D where KDE and SS wait for it starts stepping at once. */
START_TEST(unmask_debug)
{
    struct a64_cpu *cpu = open_cpu(1);

    cpu->daif = 0xf;
    cpu->sys.mdscr_el1 = MDSCR_SS | MDSCR_KDE;
    a64_debug_changed(cpu);
    ck_assert(!cpu->debug_on);
    ck_assert_int_eq(a64_system(cpu, msr_imm(3, 7, 8)), A64_REDIRECT);
    ck_assert(cpu->debug_on);
    ck_assert_uint_eq(cpu->pc, 0x1004);
}
END_TEST

START_TEST(pan_and_spsel)
{
    struct a64_cpu *cpu = open_cpu(1);

    ck_assert_int_eq(a64_system(cpu, msr_imm(0, 4, 1)), A64_NEXT);
    ck_assert_uint_eq(cpu->pan, 1);
    ck_assert_uint_eq(fake.regime, 1);
    ck_assert_int_eq(a64_system(cpu, msr_imm(0, 4, 0)), A64_NEXT);
    ck_assert_uint_eq(cpu->pan, 0);
    ck_assert_int_eq(a64_system(cpu, msr_imm(0, 5, 0)), A64_NEXT);
    ck_assert_uint_eq(cpu->x[A64_SP], 0xe10);
    ck_assert_int_eq(a64_system(cpu, msr_imm(0, 5, 1)), A64_NEXT);
    ck_assert_uint_eq(cpu->x[A64_SP], 0xe11);
    check_undefined(open_cpu(0), msr_imm(0, 4, 1));
    check_undefined(open_cpu(0), msr_imm(0, 5, 1));
}
END_TEST

/* Every op1:op2 but the four is UNDEF, and so is any of them with Rt. */
START_TEST(msr_imm_rest)
{
    unsigned op1 = (unsigned)_i >> 3, op2 = _i & 7;
    bool known = (op1 == 0 && (op2 == 4 || op2 == 5)) ||
                 (op1 == 3 && (op2 == 6 || op2 == 7));

    if (known)
        check_undefined(open_cpu(1), msr_imm(op1, op2, 0) & ~1u);
    else
        check_undefined(open_cpu(1), msr_imm(op1, op2, 0));
}
END_TEST

/* ---- hints and barriers ---- */

START_TEST(hints_are_nops)
{
    struct a64_cpu *cpu = open_cpu(0);

    for (unsigned n = 0; n < 128; n++)
        if (n < 2 || n > 5)
            ck_assert_int_eq(
                a64_system(cpu, insn_sys(0, 3, 2, n >> 3, n & 7, 31)),
                A64_NEXT);
    ck_assert_uint_eq(cpu->pc, 0x1000);
}
END_TEST

START_TEST(barriers)
{
    struct a64_cpu *cpu = open_cpu(0);
    char monitor;

    cpu->excl_host = &monitor;
    ck_assert_int_eq(a64_system(cpu, insn_sys(0, 3, 3, 15, 2, 31)), A64_NEXT);
    ck_assert_ptr_null(cpu->excl_host);
    ck_assert_int_eq(a64_system(cpu, insn_sys(0, 3, 3, 11, 4, 31)), A64_NEXT);
    ck_assert_uint_eq(fake.dsb, 1);
    ck_assert_int_eq(a64_system(cpu, insn_sys(0, 3, 3, 11, 5, 31)), A64_NEXT);
    ck_assert_uint_eq(cpu->pc, 0x1000);
    fake.dsb_served = true; /* the code may be another now */
    ck_assert_int_eq(a64_system(cpu, insn_sys(0, 3, 3, 11, 4, 31)),
                     A64_REDIRECT);
    ck_assert_uint_eq(cpu->pc, 0x1004);
    ck_assert_int_eq(a64_system(cpu, insn_sys(0, 3, 3, 15, 6, 31)),
                     A64_REDIRECT);
    ck_assert_uint_eq(cpu->pc, 0x1008);
}
END_TEST

START_TEST(barriers_rest)
{
    static const unsigned none[] = {0, 1, 3, 7};

    check_undefined(open_cpu(1), insn_sys(0, 3, 3, 0, none[_i], 31));
}
END_TEST

/* op0 = 0 elsewhere: WFET, WFIT and nothing. */
START_TEST(op0_rest)
{
    for (unsigned crn = 0; crn < 16; crn++)
        for (unsigned op1 = 0; op1 < 8; op1++) {
            if (crn == 4 || (op1 == 3 && (crn == 2 || crn == 3)))
                continue;
            check_undefined(open_cpu(1), insn_sys(0, op1, crn, 0, 0, 31));
        }
    check_undefined(open_cpu(1), insn_sys(0, 3, 2, 0, 0, 30));
    check_undefined(open_cpu(1), insn_sys(0, 3, 2, 0, 0, 31) | 1 << 21);
}
END_TEST

/* ---- SYS ---- */

static const struct {
    unsigned op1, crn, crm, op2;
    int kind;
    uint64_t gate; /* of EL0, in SCTLR_EL1; 0: UNDEF there */
} ops[] = {
    {0, 7, 1, 0, SYS_CACHE, 0},          /* IC IALLUIS */
    {0, 7, 5, 0, SYS_CACHE, 0},          /* IC IALLU */
    {3, 7, 5, 1, SYS_CACHE, SCTLR_UCI},  /* IC IVAU */
    {0, 7, 6, 1, SYS_CACHE, 0},          /* DC IVAC */
    {0, 7, 6, 2, SYS_CACHE, 0},          /* DC ISW */
    {0, 7, 10, 2, SYS_CACHE, 0},         /* DC CSW */
    {0, 7, 14, 2, SYS_CACHE, 0},         /* DC CISW */
    {3, 7, 4, 1, SYS_CACHE, SCTLR_DZE},  /* DC ZVA */
    {3, 7, 10, 1, SYS_CACHE, SCTLR_UCI}, /* DC CVAC */
    {3, 7, 11, 1, SYS_CACHE, SCTLR_UCI}, /* DC CVAU */
    {3, 7, 14, 1, SYS_CACHE, SCTLR_UCI}, /* DC CIVAC */
    {0, 7, 8, 0, SYS_AT, 0},             /* AT S1E1R */
    {0, 7, 8, 1, SYS_AT, 0},             /* AT S1E1W */
    {0, 7, 8, 2, SYS_AT, 0},             /* AT S1E0R */
    {0, 7, 8, 3, SYS_AT, 0},             /* AT S1E0W */
    {0, 8, 3, 0, SYS_TLBI, 0},           /* TLBI VMALLE1IS */
    {0, 8, 3, 1, SYS_TLBI, 0},           /* VAE1IS */
    {0, 8, 3, 2, SYS_TLBI, 0},           /* ASIDE1IS */
    {0, 8, 3, 3, SYS_TLBI, 0},           /* VAAE1IS */
    {0, 8, 3, 5, SYS_TLBI, 0},           /* VALE1IS */
    {0, 8, 3, 7, SYS_TLBI, 0},           /* VAALE1IS */
    {0, 8, 7, 0, SYS_TLBI, 0},           /* the same, this vCPU only */
    {0, 8, 7, 1, SYS_TLBI, 0},
    {0, 8, 7, 2, SYS_TLBI, 0},
    {0, 8, 7, 3, SYS_TLBI, 0},
    {0, 8, 7, 5, SYS_TLBI, 0},
    {0, 8, 7, 7, SYS_TLBI, 0},
};

enum { NR_OPS = sizeof(ops) / sizeof(ops[0]) };

static uint32_t op_insn(int i)
{
    return insn_sys(1, ops[i].op1, ops[i].crn, ops[i].crm, ops[i].op2, RT);
}

static void check_done(struct a64_cpu *cpu, int i)
{
    uint32_t insn = op_insn(i);

    ck_assert_int_eq(a64_system(cpu, insn), A64_NEXT);
    ck_assert_int_eq(fake.sys_kind, ops[i].kind);
    ck_assert_uint_eq(fake.sys_insn, insn);
    ck_assert_uint_eq(fake.sys_value, 0x100 + RT);
}

START_TEST(sys_operations)
{
    struct a64_cpu *cpu = closed_cpu(1);

    check_done(cpu, _i);
    if (ops[_i].gate == 0) {
        check_undefined(open_cpu(0), op_insn(_i));
        return;
    }
    cpu = closed_cpu(0);
    cpu->sys.sctlr_el1 = ops[_i].gate;
    check_done(cpu, _i);
    cpu = open_cpu(0);
    cpu->sys.sctlr_el1 &= ~ops[_i].gate;
    check_trapped(cpu, op_insn(_i));
    ck_assert_int_eq(fake.sys_kind, NO_SYS);
}
END_TEST

/* The other encodings of the SYS space, and all of SYSL. */
START_TEST(sys_rest)
{
    for (uint32_t key = 0; key < 1 << 14; key++) {
        uint32_t insn = 0xd5080000 | key << 5 | RT;
        bool known = false;

        for (int i = 0; i < NR_OPS; i++)
            known |= op_insn(i) == insn;
        if (!known)
            check_undefined(open_cpu(1), insn);
        check_undefined(open_cpu(1), insn | 1 << 21);
    }
}
END_TEST

/* ---- waiting ---- */

START_TEST(wfi_exits)
{
    struct a64_cpu *cpu = open_cpu((unsigned)_i);

    ck_assert_int_eq(a64_system(cpu, wfi), A64_EXIT);
    ck_assert_uint_eq(cpu->exit.reason, 1);
    ck_assert_uint_eq(cpu->exit.syndrome, 0x01u << 26 | IL | WFX_ISS);
    ck_assert_uint_eq(cpu->pc, 0x1000);
}
END_TEST

/* A masked line is enough. */
START_TEST(wfi_with_pending_line)
{
    struct a64_cpu *cpu = closed_cpu(0);

    cpu->daif = 15;
    cpu->irq_line = _i == 0;
    cpu->fiq_line = _i == 1;
    cpu->serror_line = _i == 2;
    ck_assert_int_eq(a64_system(cpu, wfi), A64_NEXT);
}
END_TEST

START_TEST(el0_waits_trap)
{
    struct a64_cpu *cpu = open_cpu(0);

    cpu->sys.sctlr_el1 &= ~(uint64_t)SCTLR_NTWI;
    ck_assert_int_eq(a64_system(cpu, wfi), A64_REDIRECT);
    ck_assert_uint_eq(cpu->sys.esr_el1, 0x01u << 26 | IL | WFX_ISS);

    cpu = open_cpu(0);
    cpu->sys.sctlr_el1 &= ~(uint64_t)SCTLR_NTWE;
    ck_assert_int_eq(a64_system(cpu, wfe), A64_REDIRECT);
    ck_assert_uint_eq(cpu->sys.esr_el1, 0x01u << 26 | IL | WFX_ISS | 1);
    ck_assert_uint_eq(cpu->sys.elr_el1, 0x1000);

    cpu = closed_cpu(1); /* the traps are EL0's only */
    ck_assert_int_eq(a64_system(cpu, wfe), A64_NEXT);
    ck_assert_int_eq(a64_system(cpu, wfi), A64_EXIT);
}
END_TEST

/* With its event register set, WFE clears it and goes on: no trap. */
static bool event_pending(struct a64_cpu *cpu)
{
    uint64_t sctlr = cpu->sys.sctlr_el1;
    bool pending;

    cpu->sys.sctlr_el1 = 0;
    cpu->el = 0;
    pending = a64_system(cpu, wfe) == A64_NEXT;
    cpu->sys.sctlr_el1 = sctlr;
    cpu->el = 1;
    cpu->spsel = 1;
    return pending;
}

START_TEST(event_register)
{
    static struct a64_cpu other;
    struct a64_cpu *cpu = open_cpu(1);

    ck_assert(!event_pending(cpu));
    a64_system(cpu, sevl);
    ck_assert(event_pending(cpu));
    ck_assert(!event_pending(cpu));

    other.vm = &fake_vm; /* SEV reaches the sender too */
    a64_system(&other, sev);
    ck_assert(event_pending(cpu));
    ck_assert(!event_pending(cpu));
    a64_system(cpu, sev);
    a64_system(cpu, sev);
    ck_assert(event_pending(cpu));
    ck_assert(!event_pending(cpu));

    cpu->sys.spsr_el1 = 5;
    a64_eret(cpu, 0);
    ck_assert(event_pending(cpu));
}
END_TEST

/* WFE spins first; when it gives the core away, it does so outside the guest
 * and comes back behind the instruction. */
START_TEST(wfe_gives_way)
{
    struct a64_cpu *cpu = open_cpu(1);
    unsigned spins = 0;

    while (a64_system(cpu, wfe) == A64_NEXT) {
        ck_assert_uint_eq(cpu->pc, 0x1000);
        ck_assert_uint_lt(++spins, 1000);
    }
    ck_assert_uint_gt(spins, 1);
    ck_assert_uint_eq(fake.left, 1);
    ck_assert_uint_eq(fake.entered, 1);
    ck_assert_uint_eq(cpu->pc, 0x1004);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("system");
    TCase *msr = tcase_create("MSR immediate");
    TCase *hint = tcase_create("hints and barriers");
    TCase *sys = tcase_create("SYS");
    TCase *wait = tcase_create("waiting");
    SRunner *runner = srunner_create(suite);
    int failed;

    suite_add_tcase(suite, msr);
    tcase_add_loop_test(msr, daif_set_and_clear, 0, 2);
    tcase_add_test(msr, daif_needs_uma_at_el0);
    tcase_add_test(msr, unmask_takes_interrupt);
    tcase_add_test(msr, unmask_debug);
    tcase_add_test(msr, pan_and_spsel);
    tcase_add_loop_test(msr, msr_imm_rest, 0, 64);
    suite_add_tcase(suite, hint);
    tcase_add_test(hint, hints_are_nops);
    tcase_add_test(hint, barriers);
    tcase_add_loop_test(hint, barriers_rest, 0, 4);
    tcase_add_test(hint, op0_rest);
    suite_add_tcase(suite, sys);
    tcase_set_timeout(sys, 60);
    tcase_add_loop_test(sys, sys_operations, 0, NR_OPS);
    tcase_add_test(sys, sys_rest);
    suite_add_tcase(suite, wait);
    tcase_add_loop_test(wait, wfi_exits, 0, 2);
    tcase_add_loop_test(wait, wfi_with_pending_line, 0, 3);
    tcase_add_test(wait, el0_waits_trap);
    tcase_add_test(wait, event_register);
    tcase_add_test(wait, wfe_gives_way);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
