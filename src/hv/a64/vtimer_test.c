/*
 * The virtual timer's arithmetic, with a clock that the test sets.
 */
#include "sys_fake.h"
#include "vtimer.h"

#include <check.h>

static struct a64_cpu *timer_at(uint64_t now, uint64_t cval, uint32_t ctl)
{
    struct a64_cpu *cpu = fake_cpu(1, 1);

    fake.now = now;
    cpu->cntv_cval = cval;
    a64_vtimer_set_ctl(cpu, ctl);
    return cpu;
}

START_TEST(counter_less_offset)
{
    struct a64_cpu *cpu = timer_at(1000, 0, 0);

    ck_assert_uint_eq(a64_counter(cpu), 1000);
    cpu->vtimer_offset = 400;
    ck_assert_uint_eq(a64_counter(cpu), 600);
    cpu->vtimer_offset = 1001; /* a guest restored ahead of the host's clock */
    ck_assert_uint_eq(a64_counter(cpu), UINT64_MAX);
}
END_TEST

/* Every state of CTL against a CVAL that is past, now, next, never. */
static const struct {
    uint64_t now, cval;
    bool met;
} moments[] = {
    {100, 0, true},           {100, 99, true},
    {100, 100, true},         {100, 101, false},
    {100, UINT64_MAX, false}, {UINT64_MAX, UINT64_MAX, true},
    {1ULL << 63, 1, true},    {1, 1ULL << 63, false},
};

START_TEST(istatus_and_due)
{
    for (uint32_t ctl = 0; ctl < 4; ctl++)
        for (unsigned mask = 0; mask < 2; mask++) {
            bool enabled = ctl & 1, met = moments[_i].met;
            struct a64_cpu *cpu =
                timer_at(moments[_i].now, moments[_i].cval, ctl);

            cpu->vtimer_mask = mask;
            a64_vtimer_changed(cpu);
            ck_assert_uint_eq(a64_vtimer_ctl(cpu),
                              ctl | (enabled && met ? 4 : 0));
            ck_assert_int_eq(a64_vtimer_due(cpu), ctl == 1 && !mask && met);
            ck_assert_int_eq(cpu->vtimer_armed, ctl == 1 && !mask);
        }
}
END_TEST

START_TEST(ctl_keeps_two_bits)
{
    struct a64_cpu *cpu = timer_at(0, 1, 0);

    a64_vtimer_set_ctl(cpu, UINT64_MAX);
    ck_assert_uint_eq(cpu->cntv_ctl, 3);
    ck_assert_uint_eq(a64_vtimer_ctl(cpu), 3);
}
END_TEST

static const struct {
    uint64_t now, tval, cval;
} tvals[] = {
    {1000, 0, 1000},
    {1000, 24, 1024},
    {1000, 0x7fffffff, 1000 + 0x7fffffffULL},
    {1000, 0xffffffff, 999},                  /* -1 */
    {1000, 0x80000000, 1000 - 0x80000000ULL}, /* the farthest past */
    {1000, 0xabcdef0000000018, 1024},         /* the upper half is not read */
    {UINT64_MAX, 1, 0},                       /* CVAL wraps */
};

START_TEST(tval_sets_cval)
{
    struct a64_cpu *cpu = timer_at(tvals[_i].now, 0, 0);

    a64_vtimer_set_tval(cpu, tvals[_i].tval);
    ck_assert_uint_eq(cpu->cntv_cval, tvals[_i].cval);
    ck_assert_uint_eq(a64_vtimer_tval(cpu), (uint32_t)tvals[_i].tval);
}
END_TEST

START_TEST(tval_counts_down_and_on)
{
    struct a64_cpu *cpu = timer_at(1000, 0, 1);

    a64_vtimer_set_tval(cpu, 10);
    fake.now += 9;
    ck_assert_uint_eq(a64_vtimer_tval(cpu), 1);
    ck_assert(!a64_vtimer_due(cpu));
    fake.now += 1;
    ck_assert_uint_eq(a64_vtimer_tval(cpu), 0);
    ck_assert(a64_vtimer_due(cpu));
    fake.now += 1;
    ck_assert_uint_eq(a64_vtimer_tval(cpu), 0xffffffff);
    fake.now += 1ULL << 32; /* a 32-bit view of a 64-bit distance */
    ck_assert_uint_eq(a64_vtimer_tval(cpu), 0xffffffff);
    ck_assert(a64_vtimer_due(cpu));
}
END_TEST

/* Arming asks the interpreter to look before the next instruction. */
START_TEST(arming_looks)
{
    struct a64_cpu *cpu = timer_at(1000, 0, 0);

    cpu->poll_left = 200;
    atomic_store(&cpu->req, 0);
    a64_vtimer_set_ctl(cpu, 3);
    ck_assert_uint_eq(cpu->poll_left, 200);
    a64_vtimer_set_ctl(cpu, 1);
    ck_assert_uint_eq(cpu->poll_left, 1);
    ck_assert_uint_eq(atomic_load(&cpu->req), A64_REQ_LOOK);
}
END_TEST

#define COUNT(array) (int)(sizeof(array) / sizeof((array)[0]))

int main(void)
{
    Suite *suite = suite_create("vtimer");
    TCase *tcase = tcase_create("vtimer");
    SRunner *runner = srunner_create(suite);
    int failed;

    suite_add_tcase(suite, tcase);
    tcase_add_test(tcase, counter_less_offset);
    tcase_add_loop_test(tcase, istatus_and_due, 0, COUNT(moments));
    tcase_add_test(tcase, ctl_keeps_two_bits);
    tcase_add_loop_test(tcase, tval_sets_cval, 0, COUNT(tvals));
    tcase_add_test(tcase, tval_counts_down_and_on);
    tcase_add_test(tcase, arming_looks);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
