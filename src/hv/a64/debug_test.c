/*
 * Self-hosted debug: the single step state machine, breakpoints, watchpoints,
 * and who gets the exception.
 */
#include "sys_fake.h"

#include <check.h>

enum { IL = 1 << 25, D = 8, SPSR_SS = 1 << 21, SPSR_D = 1 << 9 };
enum { BAS_ALL = 0xf << 5, E = 1, EL1 = 1 << 1, EL0 = 1 << 2 };
enum { LOAD = 1 << 3, STORE = 2 << 3, W_ALL = 0xff << 5 };

static struct a64_cpu *armed(unsigned el, uint64_t mdscr)
{
    struct a64_cpu *cpu = fake_cpu(el, el);

    cpu->sys.mdscr_el1 = mdscr;
    a64_debug_changed(cpu);
    return cpu;
}

static void check_el1(const struct a64_cpu *cpu, unsigned ec, uint32_t iss)
{
    ck_assert_uint_eq(cpu->sys.esr_el1, ec << 26 | IL | iss);
    ck_assert_uint_eq(cpu->el, 1);
}

static void check_vmm(const struct a64_cpu *cpu, unsigned ec, uint32_t iss)
{
    ck_assert_uint_eq(cpu->exit.reason, 1);
    ck_assert_uint_eq(cpu->exit.syndrome, ec << 26 | IL | iss);
    ck_assert_uint_eq(cpu->sys.esr_el1, 0);
}

/* ---- when it costs something ---- */

START_TEST(off_by_default)
{
    struct a64_cpu *cpu = fake_cpu((unsigned)_i, (unsigned)_i);

    ck_assert(!cpu->debug_on);
    ck_assert(!cpu->watchpoints_on);
    ck_assert_int_eq(a64_watchpoint(cpu, 0x2000, 8, true, cpu->el), A64_NEXT);
}
END_TEST

/* Step and breakpoints, by EL, KDE, PSTATE.D and the VMM's trap. */
START_TEST(on_where_enabled)
{
    for (unsigned el = 0; el < 2; el++)
        for (unsigned kde = 0; kde < 2; kde++)
            for (unsigned d = 0; d < 2; d++)
                for (unsigned tde = 0; tde < 2; tde++) {
                    struct a64_cpu *cpu = fake_cpu(el, el);
                    bool expect = tde || el == 0 || (kde && !d);

                    cpu->trap_debug_exceptions = tde;
                    cpu->daif = d ? D : 0;
                    cpu->sys.dbgbcr[3] = _i ? E | EL0 : 0;
                    cpu->sys.mdscr_el1 =
                        (_i ? MDSCR_MDE : MDSCR_SS) | (kde ? MDSCR_KDE : 0);
                    a64_debug_changed(cpu);
                    ck_assert_int_eq(cpu->debug_on, expect);
                }
}
END_TEST

START_TEST(mde_alone_is_free)
{
    struct a64_cpu *cpu = armed(0, MDSCR_MDE);

    ck_assert(!cpu->debug_on);
    ck_assert(!cpu->watchpoints_on);
    cpu->sys.dbgbcr[6] = cpu->sys.dbgwcr[4] = E; /* beyond what there is */
    a64_debug_changed(cpu);
    ck_assert(!cpu->debug_on);
    ck_assert(!cpu->watchpoints_on);
}
END_TEST

START_TEST(follows_el)
{
    struct a64_cpu *cpu = armed(0, MDSCR_SS);

    ck_assert(cpu->debug_on);
    a64_svc(cpu, 0xd4000001);
    ck_assert(!cpu->debug_on);
    a64_eret(cpu, 0);
    ck_assert(cpu->debug_on);
}
END_TEST

/* ---- single step ---- */

static void step_over(struct a64_cpu *cpu)
{
    ck_assert_int_eq(a64_debug_before(cpu), A64_NEXT);
    cpu->pc += 4;
    ck_assert_int_eq(a64_debug_after(cpu), A64_NEXT);
}

/* A kernel steps user code: ERET with SPSR.SS, one instruction, exception. */
START_TEST(step_user_from_kernel)
{
    struct a64_cpu *cpu = armed(1, MDSCR_SS);

    ck_assert(!cpu->debug_on);
    cpu->sys.spsr_el1 = SPSR_SS;
    cpu->sys.elr_el1 = 0x4000;
    a64_eret(cpu, 0);
    ck_assert(cpu->debug_on);
    ck_assert_uint_eq(cpu->ss, 1);
    step_over(cpu);
    ck_assert_uint_eq(cpu->ss, 0);
    ck_assert_int_eq(a64_debug_before(cpu), A64_REDIRECT);
    check_el1(cpu, 0x32, 1 << 24 | 0x22);
    ck_assert_uint_eq(cpu->sys.elr_el1, 0x4004);
    ck_assert_uint_eq(cpu->sys.spsr_el1, 0);
    ck_assert(!cpu->debug_on);
}
END_TEST

START_TEST(pending_step_has_no_isv)
{
    struct a64_cpu *cpu = armed(0, MDSCR_SS);

    ck_assert_int_eq(a64_debug_before(cpu), A64_REDIRECT);
    check_el1(cpu, 0x32, 0x22);
    ck_assert_uint_eq(cpu->sys.elr_el1, 0x1000);
}
END_TEST

START_TEST(step_reports_exclusive)
{
    struct a64_cpu *cpu = armed(0, MDSCR_SS);
    char monitor;

    cpu->ss = 1;
    ck_assert_int_eq(a64_debug_before(cpu), A64_NEXT);
    cpu->excl_host = &monitor;
    a64_debug_after(cpu);
    ck_assert_int_eq(a64_debug_before(cpu), A64_REDIRECT);
    check_el1(cpu, 0x32, 1 << 24 | 1 << 6 | 0x22);
}
END_TEST

/* SVC completes the step; a fault does not, so that its retry is stepped. */
START_TEST(step_and_exceptions)
{
    struct a64_cpu *cpu = armed(0, MDSCR_SS);

    cpu->ss = 1;
    ck_assert_int_eq(a64_debug_before(cpu), A64_NEXT);
    a64_svc(cpu, 0xd4000001);
    ck_assert_uint_eq(cpu->sys.spsr_el1 & SPSR_SS, 0);
    a64_eret(cpu, 0);
    ck_assert_int_eq(a64_debug_before(cpu), A64_REDIRECT);
    check_el1(cpu, 0x32, 0x22);

    cpu = armed(0, MDSCR_SS);
    cpu->ss = 1;
    ck_assert_int_eq(a64_debug_before(cpu), A64_NEXT);
    a64_exception(cpu, A64_EC_DABT_LOWER, 7, 0x5000);
    ck_assert_uint_eq(cpu->sys.spsr_el1 & SPSR_SS, SPSR_SS);
    a64_eret(cpu, 0);
    ck_assert_uint_eq(cpu->ss, 1);
    ck_assert_int_eq(a64_debug_before(cpu), A64_NEXT);
}
END_TEST

/* SPSR.SS counts only from where debug is off to where it is on [D2.12.4]. */
START_TEST(return_ss)
{
    for (unsigned to = 0; to < 2; to++)
        for (unsigned d_here = 0; d_here < 2; d_here++)
            for (unsigned d_there = 0; d_there < 2; d_there++) {
                struct a64_cpu *cpu = armed(1, MDSCR_SS | MDSCR_KDE);
                bool on_there = to == 0 || !d_there;

                cpu->daif = d_here ? D : 0;
                a64_debug_changed(cpu);
                cpu->sys.spsr_el1 =
                    SPSR_SS | (d_there ? SPSR_D : 0) | (to ? 5 : 0);
                a64_eret(cpu, 0);
                ck_assert_uint_eq(cpu->ss, d_here && on_there);
            }
}
END_TEST

START_TEST(return_ss_needs_mdscr)
{
    struct a64_cpu *cpu = armed(1, 0);

    cpu->sys.spsr_el1 = SPSR_SS;
    a64_eret(cpu, 0);
    ck_assert_uint_eq(cpu->ss, 0);
}
END_TEST

/* The VMM steps kernel code whatever PSTATE.D says, and re-arms CPSR.SS. */
START_TEST(vmm_steps)
{
    struct a64_cpu *cpu = fake_cpu(1, 1);

    cpu->trap_debug_exceptions = true;
    cpu->sys.mdscr_el1 = MDSCR_SS;
    a64_set_cpsr(cpu, SPSR_SS | 0x3c5);
    for (unsigned i = 0; i < 3; i++) {
        ck_assert(cpu->debug_on);
        step_over(cpu);
        ck_assert_int_eq(a64_debug_before(cpu), A64_EXIT);
        check_vmm(cpu, 0x32, 1 << 24 | 0x22);
        ck_assert_uint_eq(cpu->pc, 0x1000 + 4 * (i + 1));
        ck_assert_uint_eq(a64_cpsr(cpu), 0x3c5);
        a64_set_cpsr(cpu, a64_cpsr(cpu) | SPSR_SS);
    }
}
END_TEST

/* HVC leaves with the step done. */
START_TEST(vmm_steps_hvc)
{
    struct a64_cpu *cpu = fake_cpu(1, 1);

    cpu->trap_debug_exceptions = true;
    cpu->sys.mdscr_el1 = MDSCR_SS;
    a64_set_cpsr(cpu, SPSR_SS | 0x3c5);
    ck_assert_int_eq(a64_debug_before(cpu), A64_NEXT);
    ck_assert_int_eq(a64_hvc(cpu, 0xd4000002), A64_EXIT);
    ck_assert_int_eq(a64_debug_before(cpu), A64_EXIT);
    check_vmm(cpu, 0x32, 0x22);
    ck_assert_uint_eq(cpu->pc, 0x1004);
}
END_TEST

/* ---- breakpoints ---- */

/* Breakpoint n at 0x1000 with `control`; does it hit there, at `el`? */
static bool hits(struct a64_cpu *cpu, unsigned n, uint64_t control)
{
    cpu->sys.dbgbvr[n] = 0x1000;
    cpu->sys.dbgbcr[n] = control;
    cpu->sys.mdscr_el1 = MDSCR_MDE | MDSCR_KDE;
    a64_debug_changed(cpu);
    return cpu->debug_on && a64_debug_before(cpu) != A64_NEXT;
}

START_TEST(breakpoint_modes)
{
    static const struct {
        uint64_t control;
        bool el0, el1;
    } cases[] = {
        {E | BAS_ALL | EL0, true, false},
        {E | BAS_ALL | EL1, false, true},
        {E | BAS_ALL | EL0 | EL1, true, true},
        {E | BAS_ALL, false, false},
        {BAS_ALL | EL0 | EL1, false, false},
        {E | BAS_ALL | EL0 | EL1 | 1 << 14, true, true},   /* Non-secure */
        {E | BAS_ALL | EL0 | EL1 | 2 << 14, false, false}, /* Secure */
        {E | BAS_ALL | 3 << 14 | 1 << 13, false, false},   /* EL2 */
        {E | BAS_ALL | EL0 | EL1 | 4 << 20, false, false}, /* mismatch */
    };

    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        ck_assert_int_eq(hits(fake_cpu(0, 0), 0, cases[i].control),
                         cases[i].el0);
        ck_assert_int_eq(hits(fake_cpu(1, 1), 5, cases[i].control),
                         cases[i].el1);
    }
}
END_TEST

START_TEST(breakpoint_exception)
{
    struct a64_cpu *cpu = fake_cpu((unsigned)_i, (unsigned)_i);

    ck_assert(hits(cpu, 2, E | BAS_ALL | EL0 | EL1));
    check_el1(cpu, _i ? 0x31 : 0x30, 0x22);
    ck_assert_uint_eq(cpu->sys.elr_el1, 0x1000);
    ck_assert_uint_eq(cpu->sys.far_el1, 0);
}
END_TEST

START_TEST(breakpoint_to_vmm)
{
    struct a64_cpu *cpu = fake_cpu(1, 1);

    cpu->trap_debug_exceptions = true;
    cpu->daif = 15;
    ck_assert(hits(cpu, 0, E | BAS_ALL | EL1));
    check_vmm(cpu, 0x30, 0x22);
    ck_assert_uint_eq(cpu->pc, 0x1000);
}
END_TEST

START_TEST(breakpoint_address)
{
    struct a64_cpu *cpu = fake_cpu(1, 1);

    cpu->pc = 0x1004;
    ck_assert(!hits(cpu, 0, E | BAS_ALL | EL1));
    cpu->pc = 0xffff000000001000; /* bit 48 counts */
    ck_assert(!hits(cpu, 0, E | BAS_ALL | EL1));
    cpu->pc = 0x1000;
    cpu->sys.mdscr_el1 = 0;
    ck_assert(hits(cpu, 0, E | BAS_ALL | EL1));
}
END_TEST

START_TEST(breakpoint_context)
{
    struct a64_cpu *cpu = fake_cpu(0, 0);

    /* unlinked context: only the last two can */
    cpu->sys.contextidr_el1 = 0x1000;
    ck_assert(hits(cpu, 4, E | EL0 | 2 << 20));
    ck_assert(!hits(fake_cpu(0, 0), 4, E | EL0 | 2 << 20));
    cpu = fake_cpu(0, 0);
    cpu->sys.contextidr_el1 = 0x1000;
    ck_assert(!hits(cpu, 3, E | EL0 | 2 << 20));

    /* an address linked to a context */
    for (unsigned good = 0; good < 2; good++) {
        cpu = fake_cpu(0, 0);
        cpu->sys.contextidr_el1 = 77;
        cpu->sys.dbgbvr[5] = good ? 77 : 78;
        cpu->sys.dbgbcr[5] = E | 3 << 20;
        ck_assert_int_eq(hits(cpu, 0, E | BAS_ALL | EL0 | 1 << 20 | 5 << 16),
                         good);
    }
    /* to one that is no linked context */
    cpu = fake_cpu(0, 0);
    ck_assert(!hits(cpu, 0, E | BAS_ALL | EL0 | 1 << 20 | 5 << 16));
    ck_assert(!hits(cpu, 0, E | BAS_ALL | EL0 | 1 << 20 | 15 << 16));
}
END_TEST

/* ---- watchpoints ---- */

static struct a64_cpu *watching(uint64_t address, uint64_t control)
{
    struct a64_cpu *cpu = fake_cpu(0, 0);

    cpu->sys.dbgwvr[1] = address;
    cpu->sys.dbgwcr[1] = control;
    cpu->sys.mdscr_el1 = MDSCR_MDE;
    a64_debug_changed(cpu);
    return cpu;
}

/* The first byte that is watched, or 0. */
static uint64_t watched(struct a64_cpu *cpu, uint64_t va, unsigned size,
                        bool write)
{
    cpu->sys.far_el1 = 0;
    if (a64_watchpoint(cpu, va, size, write, cpu->el) == A64_NEXT)
        return 0;
    a64_set_cpsr(cpu, 0);
    return cpu->sys.far_el1;
}

START_TEST(watch_bytes)
{
    /* bytes 2 and 3 of the doubleword at 0x2000 */
    struct a64_cpu *cpu = watching(0x2000, E | EL0 | LOAD | STORE | 0x0c << 5);

    ck_assert_uint_eq(watched(cpu, 0x2000, 2, true), 0);
    ck_assert_uint_eq(watched(cpu, 0x2004, 4, true), 0);
    ck_assert_uint_eq(watched(cpu, 0x2002, 1, true), 0x2002);
    ck_assert_uint_eq(watched(cpu, 0x2003, 1, true), 0x2003);
    ck_assert_uint_eq(watched(cpu, 0x2000, 8, true), 0x2002);
    ck_assert_uint_eq(watched(cpu, 0x1fff, 4, false), 0x2002);
    ck_assert_uint_eq(watched(cpu, 0x1fc0, 64, false), 0);
    ck_assert_uint_eq(watched(cpu, 0x1fc8, 64, false), 0x2002);
    ck_assert_uint_eq(watched(cpu, 0x200a, 1, true), 0);
}
END_TEST

START_TEST(watch_word)
{
    /* a word address: BAS counts from it */
    struct a64_cpu *cpu = watching(0x2004, E | EL0 | STORE | 0x01 << 5);

    ck_assert_uint_eq(watched(cpu, 0x2004, 1, true), 0x2004);
    ck_assert_uint_eq(watched(cpu, 0x2000, 4, true), 0);
    ck_assert_uint_eq(watched(cpu, 0x2005, 1, true), 0);
}
END_TEST

START_TEST(watch_mask)
{
    struct a64_cpu *cpu =
        watching(0x4000, E | EL0 | LOAD | W_ALL | 12ULL << 24);

    ck_assert_uint_eq(watched(cpu, 0x4000, 1, false), 0x4000);
    ck_assert_uint_eq(watched(cpu, 0x4fff, 1, false), 0x4fff);
    ck_assert_uint_eq(watched(cpu, 0x5000, 8, false), 0);
    ck_assert_uint_eq(watched(cpu, 0x3ffc, 8, false), 0x4000);
    cpu->sys.dbgwcr[1] &= ~(1ULL << 5); /* not every byte: reserved */
    ck_assert_uint_eq(watched(cpu, 0x4001, 1, false), 0);
}
END_TEST

START_TEST(watch_direction_and_mode)
{
    struct a64_cpu *cpu = watching(0x2000, E | EL0 | LOAD | W_ALL);

    ck_assert_uint_eq(watched(cpu, 0x2000, 8, true), 0);
    ck_assert_uint_eq(watched(cpu, 0x2000, 8, false), 0x2000);
    cpu = watching(0x2000, E | EL0 | STORE | W_ALL);
    ck_assert_uint_eq(watched(cpu, 0x2000, 8, false), 0);
    ck_assert_uint_eq(watched(cpu, 0x2000, 8, true), 0x2000);
    cpu = watching(0x2000, E | EL1 | LOAD | STORE | W_ALL);
    ck_assert_uint_eq(watched(cpu, 0x2000, 8, true), 0);
    cpu = watching(0x2000, EL0 | LOAD | STORE | W_ALL);
    ck_assert_uint_eq(watched(cpu, 0x2000, 8, true), 0);
}
END_TEST

START_TEST(watch_exception)
{
    struct a64_cpu *cpu = watching(0x2000, E | EL0 | LOAD | STORE | W_ALL);

    ck_assert_int_eq(a64_watchpoint(cpu, 0x2000, 8, _i, cpu->el), A64_REDIRECT);
    check_el1(cpu, 0x34, 0x22 | (uint32_t)_i << 6);
    ck_assert_uint_eq(cpu->sys.elr_el1, 0x1000);

    cpu = watching(0x2000, E | EL0 | LOAD | STORE | W_ALL);
    cpu->trap_debug_exceptions = true;
    ck_assert_int_eq(a64_watchpoint(cpu, 0x2000, 8, _i, cpu->el), A64_EXIT);
    check_vmm(cpu, 0x34, 0x22 | (uint32_t)_i << 6);
    ck_assert_uint_eq(cpu->exit.va, 0x2000);
}
END_TEST

/* A linked watchpoint asks its context breakpoint. */
START_TEST(watch_linked)
{
    struct a64_cpu *cpu =
        watching(0x2000, E | EL0 | STORE | W_ALL | 1 << 20 | 4 << 16);

    ck_assert_uint_eq(watched(cpu, 0x2000, 8, true), 0);
    cpu->sys.dbgbcr[4] = E | 3 << 20;
    cpu->sys.dbgbvr[4] = cpu->sys.contextidr_el1 = 5;
    ck_assert_uint_eq(watched(cpu, 0x2000, 8, true), 0x2000);
}
END_TEST

/* The TLB has to know when every access needs a look, and when no more. */
START_TEST(watch_tells_the_tlb)
{
    struct a64_cpu *cpu = watching(0x2000, E | EL0 | STORE | W_ALL);

    ck_assert(cpu->watchpoints_on);
    ck_assert_uint_eq(fake.control, 1);
    a64_debug_changed(cpu);
    ck_assert_uint_eq(fake.control, 1);
    cpu->sys.dbgwcr[1] = 0;
    a64_debug_changed(cpu);
    ck_assert(!cpu->watchpoints_on);
    ck_assert_uint_eq(fake.control, 2);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("debug");
    TCase *on = tcase_create("enabling");
    TCase *step = tcase_create("step");
    TCase *points = tcase_create("breakpoints");
    TCase *watch = tcase_create("watchpoints");
    SRunner *runner = srunner_create(suite);
    int failed;

    suite_add_tcase(suite, on);
    tcase_add_loop_test(on, off_by_default, 0, 2);
    tcase_add_loop_test(on, on_where_enabled, 0, 2);
    tcase_add_test(on, mde_alone_is_free);
    tcase_add_test(on, follows_el);
    suite_add_tcase(suite, step);
    tcase_add_test(step, step_user_from_kernel);
    tcase_add_test(step, pending_step_has_no_isv);
    tcase_add_test(step, step_reports_exclusive);
    tcase_add_test(step, step_and_exceptions);
    tcase_add_test(step, return_ss);
    tcase_add_test(step, return_ss_needs_mdscr);
    tcase_add_test(step, vmm_steps);
    tcase_add_test(step, vmm_steps_hvc);
    suite_add_tcase(suite, points);
    tcase_add_test(points, breakpoint_modes);
    tcase_add_loop_test(points, breakpoint_exception, 0, 2);
    tcase_add_test(points, breakpoint_to_vmm);
    tcase_add_test(points, breakpoint_address);
    tcase_add_test(points, breakpoint_context);
    suite_add_tcase(suite, watch);
    tcase_add_test(watch, watch_bytes);
    tcase_add_test(watch, watch_word);
    tcase_add_test(watch, watch_mask);
    tcase_add_test(watch, watch_direction_and_mode);
    tcase_add_loop_test(watch, watch_exception, 0, 2);
    tcase_add_test(watch, watch_linked);
    tcase_add_test(watch, watch_tells_the_tlb);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
