/*
 * Exceptions: where each goes, what it leaves in ESR, ELR, SPSR and FAR, and
 * the way back.
 */
#include "sys_fake.h"

#include <check.h>

enum { VBAR = 0x80000, IL = 1 << 25, NZCV_DAIF = 0xa0000240 };

/* what a register holds that nothing should write */
enum { UNTOUCHED = 0x5a5a };

static struct a64_cpu *at(unsigned el, unsigned spsel)
{
    struct a64_cpu *cpu = fake_cpu(el, spsel);

    cpu->sys.vbar_el1 = VBAR + 0x7ff; /* the low bits are not an address */
    cpu->sys.sctlr_el1 |= SCTLR_SPAN;
    cpu->sys.esr_el1 = cpu->sys.far_el1 = UNTOUCHED;
    return cpu;
}

/* ---- entry ---- */

struct from {
    unsigned el, spsel, vector;
};

static const struct from froms[] = {{0, 0, 0x400}, {1, 0, 0}, {1, 1, 0x200}};

START_TEST(entry_state)
{
    const struct from *from = &froms[_i];
    struct a64_cpu *cpu = at(from->el, from->spsel);
    uint32_t mode = from->el << 2 | from->spsel;

    a64_set_cpsr(cpu, NZCV_DAIF | mode);
    cpu->pc = 0x1234;
    ck_assert_int_eq(a64_exception(cpu, A64_EC_SVC, 0x77, 0), A64_REDIRECT);
    ck_assert_uint_eq(cpu->pc, VBAR + from->vector);
    ck_assert_uint_eq(cpu->sys.elr_el1, 0x1234);
    ck_assert_uint_eq(cpu->sys.spsr_el1, NZCV_DAIF | mode);
    ck_assert_uint_eq(cpu->sys.esr_el1, 0x15u << 26 | IL | 0x77);
    ck_assert_uint_eq(cpu->sys.far_el1, UNTOUCHED);
    ck_assert_uint_eq(a64_cpsr(cpu), 0xa00003c5);
    ck_assert_uint_eq(cpu->x[A64_SP], 0xe11);
    ck_assert_uint_eq(a64_sp(cpu, 0), 0xe10);
    ck_assert_uint_gt(fake.regime, 0);
}
END_TEST

START_TEST(entry_sets_pan_unless_span)
{
    struct a64_cpu *cpu = at(0, 0);

    a64_exception(cpu, A64_EC_SVC, 0, 0);
    ck_assert_uint_eq(cpu->pan, 0);

    cpu = at(0, 0);
    cpu->sys.sctlr_el1 &= ~(uint64_t)SCTLR_SPAN;
    a64_exception(cpu, A64_EC_SVC, 0, 0);
    ck_assert_uint_eq(cpu->pan, 1);

    cpu = at(0, 0); /* set before: stays, and is saved */
    a64_set_cpsr(cpu, 1u << 22);
    a64_exception(cpu, A64_EC_SVC, 0, 0);
    ck_assert_uint_eq(cpu->pan, 1);
    ck_assert_uint_eq(cpu->sys.spsr_el1, 1u << 22);
}
END_TEST

START_TEST(entry_clears_ss_and_il)
{
    struct a64_cpu *cpu = at(1, 1);

    a64_set_cpsr(cpu, 3u << 20 | 5);
    a64_exception(cpu, A64_EC_ILLEGAL, 0, 0);
    ck_assert_uint_eq(cpu->sys.spsr_el1, 3u << 20 | 5);
    ck_assert_uint_eq(cpu->il | cpu->ss, 0);
    ck_assert_uint_eq(cpu->sys.esr_el1, 0x0eu << 26 | IL);
}
END_TEST

struct class
{
    unsigned ec, same_el_ec;
    bool far;
};

static const struct class classes[] = {
    {0x00, 0x00, false}, {0x01, 0x01, false}, {0x07, 0x07, false},
    {0x0e, 0x0e, false}, {0x15, 0x15, false}, {0x18, 0x18, false},
    {0x20, 0x21, true},  {0x22, 0x22, true},  {0x24, 0x25, true},
    {0x26, 0x26, false}, {0x30, 0x31, false}, {0x32, 0x33, false},
    {0x34, 0x35, true},  {0x3c, 0x3c, false},
};

START_TEST(class_and_far)
{
    const struct class *class = &classes[_i];

    for (unsigned el = 0; el < 2; el++) {
        struct a64_cpu *cpu = at(el, el);
        unsigned ec = el ? class->same_el_ec : class->ec;

        a64_exception(cpu, class->ec, 0x1ffffff, 0xf00);
        ck_assert_uint_eq(cpu->sys.esr_el1, ec << 26 | IL | 0x1ffffff);
        ck_assert_uint_eq(cpu->sys.far_el1, class->far ? 0xf00 : UNTOUCHED);
    }
}
END_TEST

START_TEST(fp_follows_el)
{
    /* FPEN: traps both, traps EL0, as 0, traps nothing... */
    static const bool on[4][2] = {
        {false, false}, {false, true}, {false, false}, {true, true}};
    struct a64_cpu *cpu = at(0, 0);

    cpu->sys.cpacr_el1 = (uint64_t)_i << 20;
    a64_mode_changed(cpu);
    ck_assert_int_eq(cpu->fp_on, on[_i][0]);
    a64_exception(cpu, A64_EC_SVC, 0, 0);
    ck_assert_int_eq(cpu->fp_on, on[_i][1]);
    a64_eret(cpu, 0);
    ck_assert_int_eq(cpu->el, 0);
    ck_assert_int_eq(cpu->fp_on, on[_i][0]);
}
END_TEST

START_TEST(undefined_counts)
{
    struct a64_cpu *cpu = at(0, 0);

    ck_assert_int_eq(a64_undefined(cpu), A64_REDIRECT);
    ck_assert_int_eq(a64_undefined(cpu), A64_REDIRECT);
    ck_assert_uint_eq(atomic_load(&cpu->undefined_count), 2);
    ck_assert_uint_eq(cpu->sys.esr_el1, IL);
    ck_assert_uint_eq(cpu->sys.elr_el1, VBAR + 0x400);
}
END_TEST

/* ---- instructions that ask for one ---- */

START_TEST(svc)
{
    struct a64_cpu *cpu = at(0, 0);

    ck_assert_int_eq(a64_svc(cpu, 0xd4000001 | 0xabcd << 5), A64_REDIRECT);
    ck_assert_uint_eq(cpu->sys.elr_el1, 0x1004);
    ck_assert_uint_eq(cpu->sys.esr_el1, 0x15u << 26 | IL | 0xabcd);
    ck_assert_uint_eq(cpu->pc, VBAR + 0x400);
}
END_TEST

static void check_exit(const struct a64_cpu *cpu, unsigned ec, uint32_t iss)
{
    ck_assert_uint_eq(cpu->exit.reason, 1);
    ck_assert_uint_eq(cpu->exit.syndrome, ec << 26 | IL | iss);
    ck_assert_uint_eq(cpu->exit.va, 0);
    ck_assert_uint_eq(cpu->exit.ipa, 0);
    ck_assert_uint_eq(cpu->sys.esr_el1, UNTOUCHED);
}

START_TEST(hvc_and_smc)
{
    struct a64_cpu *cpu = at(1, 1);

    ck_assert_int_eq(a64_hvc(cpu, 0xd4000002 | 0x1234 << 5), A64_EXIT);
    ck_assert_uint_eq(cpu->pc, 0x1004);
    check_exit(cpu, 0x16, 0x1234);

    cpu = at(1, 1);
    ck_assert_int_eq(a64_smc(cpu, 0xd4000003 | 0x1234 << 5), A64_EXIT);
    ck_assert_uint_eq(cpu->pc, 0x1000);
    check_exit(cpu, 0x17, 0x1234);
}
END_TEST

START_TEST(not_from_el0)
{
    a64_trap_fn *const fns[] = {a64_hvc, a64_smc, a64_eret};
    struct a64_cpu *cpu = at(0, 0);

    ck_assert_int_eq(fns[_i](cpu, 0), A64_REDIRECT);
    ck_assert_uint_eq(cpu->sys.esr_el1, IL);
    ck_assert_uint_eq(cpu->sys.elr_el1, 0x1000);
}
END_TEST

START_TEST(brk)
{
    struct a64_cpu *cpu = at(1, 1);

    ck_assert_int_eq(a64_brk(cpu, 0xd4200000 | 0x800 << 5), A64_REDIRECT);
    ck_assert_uint_eq(cpu->sys.esr_el1, 0x3cu << 26 | IL | 0x800);
    ck_assert_uint_eq(cpu->sys.elr_el1, 0x1000);

    cpu = at(1, 1);
    cpu->trap_debug_exceptions = true;
    ck_assert_int_eq(a64_brk(cpu, 0xd4200000 | 0x800 << 5), A64_EXIT);
    ck_assert_uint_eq(cpu->pc, 0x1000);
    check_exit(cpu, 0x3c, 0x800);
}
END_TEST

/* ---- interrupts ---- */

START_TEST(interrupt_vectors)
{
    static const unsigned offset[] = {0x80, 0x100, 0x180};
    struct a64_cpu *cpu = at(1, 1);

    cpu->irq_line = _i == 0;
    cpu->fiq_line = _i == 1;
    cpu->serror_line = _i == 2;
    ck_assert_int_eq(a64_take_interrupt(cpu), A64_REDIRECT);
    ck_assert_uint_eq(cpu->pc, VBAR + 0x200 + offset[_i]);
    ck_assert_uint_eq(cpu->sys.elr_el1, 0x1000);
    ck_assert_uint_eq(cpu->sys.esr_el1, _i == 2 ? 0x2fu << 26 | IL : UNTOUCHED);
    /* lines are levels, an SError is used up */
    ck_assert_uint_eq(a64_lines(cpu), _i == 0 ? DAIF_I : _i == 1 ? DAIF_F : 0);
    ck_assert_int_eq(a64_take_interrupt(cpu), A64_NEXT);
}
END_TEST

START_TEST(interrupt_masks)
{
    struct a64_cpu *cpu = at(0, 0);

    for (unsigned daif = 0; daif < 16; daif++)
        for (unsigned lines = 0; lines < 8; lines++) {
            cpu = at(0, 0);
            a64_set_cpsr(cpu, daif << 6);
            cpu->fiq_line = lines & DAIF_F;
            cpu->irq_line = lines & DAIF_I;
            cpu->serror_line = lines & DAIF_A;
            ck_assert_int_eq(a64_take_interrupt(cpu),
                             lines & ~daif ? A64_REDIRECT : A64_NEXT);
        }
}
END_TEST

/* ---- return ---- */

START_TEST(eret_restores)
{
    struct a64_cpu *cpu = at(1, 1);
    uint32_t spsr =
        NZCV_DAIF | 1u << 22 | (froms[_i].el << 2) | froms[_i].spsel;
    char monitor;

    cpu->sys.spsr_el1 = spsr;
    cpu->sys.elr_el1 = 0x4444;
    cpu->excl_host = &monitor;
    ck_assert_int_eq(a64_eret(cpu, 0), A64_REDIRECT);
    ck_assert_uint_eq(cpu->pc, 0x4444);
    ck_assert_uint_eq(a64_cpsr(cpu), spsr);
    ck_assert_uint_eq(cpu->x[A64_SP], _i == 2 ? 0xe11 : 0xe10);
    ck_assert_ptr_null(cpu->excl_host);
    ck_assert(cpu->event);
}
END_TEST

/* All modes but three are illegal: EL and SP stay, the rest comes. */
START_TEST(eret_illegal)
{
    struct a64_cpu *cpu = at(1, 1);
    bool legal = _i == 0 || _i == 4 || _i == 5;

    cpu->sys.spsr_el1 = 0x600003c0u | 1u << 22 | (unsigned)_i;
    cpu->sys.elr_el1 = 0x4444;
    ck_assert_int_eq(a64_eret(cpu, 0), A64_REDIRECT);
    ck_assert_uint_eq(cpu->pc, 0x4444);
    ck_assert_uint_eq(cpu->il, !legal);
    ck_assert_uint_eq(a64_nzcv(cpu), 0x60000000);
    ck_assert_uint_eq(cpu->daif, 15);
    ck_assert_uint_eq(cpu->pan, 1);
    if (!legal)
        ck_assert_uint_eq(cpu->el << 2 | cpu->spsel, 5);
}
END_TEST

START_TEST(eret_brings_il_back)
{
    struct a64_cpu *cpu = at(1, 1);

    cpu->sys.spsr_el1 = 1u << 20;
    a64_eret(cpu, 0);
    ck_assert_uint_eq(cpu->il, 1);
    ck_assert_uint_eq(cpu->el, 0);
}
END_TEST

START_TEST(eret_into_interrupt)
{
    struct a64_cpu *cpu = at(1, 1);

    cpu->daif = 15;
    cpu->irq_line = true;
    cpu->sys.spsr_el1 = 0;
    cpu->sys.elr_el1 = 0x4444;
    ck_assert_int_eq(a64_eret(cpu, 0), A64_REDIRECT);
    ck_assert_uint_eq(cpu->pc, VBAR + 0x480);
    ck_assert_uint_eq(cpu->sys.elr_el1, 0x4444);
    ck_assert_uint_eq(cpu->sys.spsr_el1, 0);
}
END_TEST

START_TEST(eret_drops_tags)
{
    static const struct {
        uint64_t tcr, elr, pc;
    } cases[] = {
        {0, 0x1200000000004440, 0x1200000000004440},
        {1ULL << 37, 0x1200000000004440, 0x4440},
        {1ULL << 38, 0x1200000000004440, 0x1200000000004440},
        {1ULL << 38, 0x12ff800000004440, 0xffff800000004440},
        {1ULL << 37, 0x12ff800000004440, 0x12ff800000004440},
    };
    struct a64_cpu *cpu = at(1, 1);

    cpu->sys.tcr_el1 = cases[_i].tcr;
    cpu->sys.elr_el1 = cases[_i].elr;
    a64_eret(cpu, 0);
    ck_assert_uint_eq(cpu->pc, cases[_i].pc);
}
END_TEST

/* ---- the API's CPSR and stack pointers ---- */

START_TEST(cpsr_reads_back)
{
    static const uint32_t patterns[] = {0,          0xdeadbeef, 0xffffffff,
                                        0x3c5,      0x12345678, 0x80000013,
                                        0x003c03c9, 0x5};
    struct a64_cpu *cpu = at(1, 1);
    uint32_t mode = patterns[_i] & 0x1f;

    a64_set_cpsr(cpu, patterns[_i]);
    ck_assert_uint_eq(a64_cpsr(cpu), patterns[_i]);
    ck_assert_int_eq(a64_cpsr_runnable(cpu),
                     mode == 0 || mode == 4 || mode == 5);
    /* what the guest changes shows, the rest stays as written */
    a64_set_nzcv(cpu, 0x50000000);
    ck_assert_uint_eq(a64_cpsr(cpu), (patterns[_i] & 0x0fffffff) | 0x50000000);
}
END_TEST

START_TEST(cpsr_rest_ends_with_an_exception)
{
    struct a64_cpu *cpu = at(0, 0);

    a64_set_cpsr(cpu, 0x0f000c00);
    a64_exception(cpu, A64_EC_SVC, 0, 0);
    ck_assert_uint_eq(cpu->sys.spsr_el1, 0);
    ck_assert_uint_eq(a64_cpsr(cpu), 0x3c5);
}
END_TEST

START_TEST(stack_pointers)
{
    struct a64_cpu *cpu = at(froms[_i].el, froms[_i].spsel);
    unsigned current = _i == 2;

    a64_set_sp(cpu, 0, 0x10);
    a64_set_sp(cpu, 1, 0x20);
    ck_assert_uint_eq(cpu->x[A64_SP], current ? 0x20 : 0x10);
    cpu->x[A64_SP] += 1;
    ck_assert_uint_eq(a64_sp(cpu, current), (current ? 0x20 : 0x10) + 1);
    a64_set_cpsr(cpu, current ? 0 : 5);
    ck_assert_uint_eq(cpu->x[A64_SP], current ? 0x10 : 0x20);
    ck_assert_uint_eq(a64_sp(cpu, current), (current ? 0x20 : 0x10) + 1);
}
END_TEST

#define COUNT(array) (int)(sizeof(array) / sizeof((array)[0]))

int main(void)
{
    Suite *suite = suite_create("exception");
    TCase *entry = tcase_create("entry");
    TCase *leave = tcase_create("return");
    TCase *view = tcase_create("API view");
    SRunner *runner = srunner_create(suite);
    int failed;

    suite_add_tcase(suite, entry);
    tcase_add_loop_test(entry, entry_state, 0, COUNT(froms));
    tcase_add_test(entry, entry_sets_pan_unless_span);
    tcase_add_test(entry, entry_clears_ss_and_il);
    tcase_add_loop_test(entry, class_and_far, 0, COUNT(classes));
    tcase_add_loop_test(entry, fp_follows_el, 0, 4);
    tcase_add_test(entry, undefined_counts);
    tcase_add_test(entry, svc);
    tcase_add_test(entry, hvc_and_smc);
    tcase_add_loop_test(entry, not_from_el0, 0, 3);
    tcase_add_test(entry, brk);
    tcase_add_loop_test(entry, interrupt_vectors, 0, 3);
    tcase_add_test(entry, interrupt_masks);
    suite_add_tcase(suite, leave);
    tcase_add_loop_test(leave, eret_restores, 0, COUNT(froms));
    tcase_add_loop_test(leave, eret_illegal, 0, 32);
    tcase_add_test(leave, eret_brings_il_back);
    tcase_add_test(leave, eret_into_interrupt);
    tcase_add_loop_test(leave, eret_drops_tags, 0, 5);
    suite_add_tcase(suite, view);
    tcase_add_loop_test(view, cpsr_reads_back, 0, 8);
    tcase_add_test(view, cpsr_rest_ends_with_an_exception);
    tcase_add_loop_test(view, stack_pointers, 0, COUNT(froms));

    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
