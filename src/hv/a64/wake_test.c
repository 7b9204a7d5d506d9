/*
 * What is recorded of a wake, when, and that asking for it ahead is harmless
 * whatever has become of it; with a clock that the test sets.
 */
#include "sys_fake.h"

#include <check.h>

enum { TICKS_PER_MS = 24 * 1000, WAKES = 32, RECORDED = 2 };

/* A code page. */
static _Alignas(4096) struct a64_op ops[A64_PAGE_OPS + 1];

static unsigned lines_in(const struct a64_wake_set *set)
{
    unsigned n = 0;

    for (unsigned i = 0; i < A64_WAKE_PAGES; i++)
        n += (unsigned)__builtin_popcountll(set->entry[i].lines);
    return n;
}

static bool has(const struct a64_wake_set *set, const void *where)
{
    uintptr_t at = (uintptr_t)where;

    for (unsigned i = 0; i < A64_WAKE_PAGES; i++)
        if (set->entry[i].page == at >> 12)
            return set->entry[i].lines >> (at >> 6 & 63) & 1;
    return false;
}

static const struct a64_wake_set *written(const struct a64_cpu *cpu)
{
    return &cpu->wake.set[!cpu->wake.playing];
}

static const struct a64_wake_set *complete(const struct a64_cpu *cpu)
{
    return &cpu->wake.set[cpu->wake.playing];
}

static void leave(struct a64_cpu *cpu)
{
    a64_wake_leave(cpu);
    cpu->left_ticks = fake.now;
}

static void enter(struct a64_cpu *cpu)
{
    cpu->entered_ticks = fake.now;
    a64_wake_enter(cpu);
}

static void sleep_ms(struct a64_cpu *cpu, unsigned ms)
{
    leave(cpu);
    fake.now += (uint64_t)ms * TICKS_PER_MS;
    enter(cpu);
}

/* In a page, from the slot that was jumped to, to a branch at `last`. */
static void run(struct a64_cpu *cpu, unsigned first, unsigned last)
{
    cpu->pc = first * 4;
    a64_wake_note(cpu, NULL);
    cpu->page_ops = ops;
    cpu->pc = 0;
    a64_wake_note(cpu, &ops[last]);
    cpu->page_ops = NULL;
}

static struct a64_cpu *recording_cpu(void)
{
    struct a64_cpu *cpu = fake_cpu(1, 1);

    fake.now = 1000 * TICKS_PER_MS;
    cpu->page_ops = NULL;
    sleep_ms(cpu, 100);
    ck_assert(cpu->recording);
    return cpu;
}

START_TEST(a_run_is_all_its_lines)
{
    struct a64_cpu *cpu = recording_cpu();

    run(cpu, 7, 17); /* four operations a line */
    ck_assert_uint_eq(lines_in(written(cpu)), 4);
    for (unsigned slot = 4; slot < 20; slot++)
        ck_assert(has(written(cpu), &ops[slot]));
    run(cpu, 12, 12); /* known already */
    ck_assert_uint_eq(lines_in(written(cpu)), 4);
    run(cpu, 1020, 1024); /* over the page's end */
    ck_assert_uint_eq(lines_in(written(cpu)), 6);
}
END_TEST

/* Branches within the page led from the one to the other: both ends count. */
START_TEST(what_is_no_run_is_its_ends)
{
    struct a64_cpu *cpu = recording_cpu();

    run(cpu, 800, 40);
    ck_assert_uint_eq(lines_in(written(cpu)), 2);
    ck_assert(has(written(cpu), &ops[800]) && has(written(cpu), &ops[40]));
    run(cpu, 100, 700);
    ck_assert_uint_eq(lines_in(written(cpu)), 4);
    ck_assert(has(written(cpu), &ops[100]) && has(written(cpu), &ops[700]));
}
END_TEST

/* Two wakes into one set, which is then the one to be asked for. */
START_TEST(the_first_wakes_of_some_dozens_are_recorded)
{
    struct a64_cpu *cpu = recording_cpu();

    for (unsigned i = 0; i < 2 * WAKES; i++) {
        ck_assert_int_eq(cpu->recording, i % WAKES < RECORDED);
        if (i < RECORDED)
            run(cpu, 100 * i, 100 * i);
        if (i == WAKES)
            run(cpu, 900, 900);
        if (i == RECORDED || i == WAKES) {
            ck_assert_uint_eq(lines_in(complete(cpu)), RECORDED);
            ck_assert(has(complete(cpu), &ops[100]));
        }
        sleep_ms(cpu, 100);
    }
    ck_assert_uint_eq(lines_in(complete(cpu)), 1);
    ck_assert(has(complete(cpu), &ops[900]));
}
END_TEST

START_TEST(a_short_absence_is_nothing)
{
    struct a64_cpu *cpu = recording_cpu();

    for (unsigned i = 0; i < 2 * WAKES; i++) {
        sleep_ms(cpu, 1);
        ck_assert(!cpu->recording);
        ck_assert(!cpu->wake.warmed);
    }
    sleep_ms(cpu, 2);
    ck_assert(cpu->recording && cpu->wake.warmed);
}
END_TEST

/* By the VMM ahead of the wake, and then not again. */
START_TEST(warmed_once_an_absence)
{
    struct a64_cpu *cpu = recording_cpu();

    leave(cpu);
    ck_assert(!cpu->recording && !cpu->wake.warmed);
    a64_wake_warm(cpu, fake.now);
    ck_assert(!cpu->wake.warmed);
    fake.now += 50 * TICKS_PER_MS;
    a64_wake_warm(cpu, fake.now);
    ck_assert(cpu->wake.warmed && !cpu->recording);
    enter(cpu);
    ck_assert(cpu->recording); /* it counts as a wake all the same */
}
END_TEST

/* More pages than there is room for; addresses of nothing at all. */
START_TEST(any_address_will_do)
{
    struct a64_cpu *cpu = recording_cpu();
    uint64_t random = 1;

    for (unsigned i = 0; i < 20 * A64_WAKE_PAGES; i++) {
        random = random * 6364136223846793005 + 1442695040888963407;
        cpu->page_ops = NULL;
        a64_wake_note(cpu, NULL);
        cpu->page_ops = (struct a64_op *)(uintptr_t)(random & ~15ULL);
        a64_wake_note(cpu, (struct a64_op *)(uintptr_t)(random >> 7 & ~15ULL));
    }
    for (unsigned i = 0; i < A64_WAKE_PAGES; i++)
        ck_assert_uint_ne(written(cpu)->entry[i].lines, 0);
    cpu->page_ops = NULL;
    for (unsigned i = 0; i < WAKES; i++)
        sleep_ms(cpu, 100);
    ck_assert_uint_ge(lines_in(complete(cpu)), A64_WAKE_PAGES);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("wake");
    TCase *tcase = tcase_create("wake");
    SRunner *runner = srunner_create(suite);
    int failed;

    suite_add_tcase(suite, tcase);
    tcase_add_test(tcase, a_run_is_all_its_lines);
    tcase_add_test(tcase, what_is_no_run_is_its_ends);
    tcase_add_test(tcase, the_first_wakes_of_some_dozens_are_recorded);
    tcase_add_test(tcase, a_short_absence_is_nothing);
    tcase_add_test(tcase, warmed_once_an_absence);
    tcase_add_test(tcase, any_address_will_do);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
