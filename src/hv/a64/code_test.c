/*
 * Decoded and compiled code that is dropped, in the whole engine: its memory
 * goes back to the host, and nobody who runs meanwhile notices.
 */
#include <mach/mach_time.h>

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "../api.h"
#include "../api_guest.h"
#include "code.h"
#include "settle.h"

enum {
    PAGES = 600, /* of code: five chunks and more */
    MORE = 0x50000000,
    MORE_BYTES = PAGES * 4096,
};

static struct guest g;
static uint32_t *more;
static uint64_t now_ns; /* what code is told: from the real time on */

static struct a64_cpu *cpu(void)
{
    struct api_vcpu *own;

    ck_ok(api_own(g.vcpu, &own));
    return &own->cpu;
}

static struct a64_code_usage usage(void)
{
    return a64_code_usage(cpu()->vm);
}

/* The guest comes back from a WFI, so much later. */
static void after(uint64_t wait_ns)
{
    now_ns += wait_ns;
    a64_guest_enter(cpu());
    cpu()->page_ops = NULL;
    a64_code_settle(cpu(), now_ns);
    a64_guest_leave(cpu());
}

/* A page after the other, each counts; the last ends the run. */
static void setup(void)
{
    void *memory;

    guest_new(&g);
    ck_ok(hv_vm_allocate(&memory, MORE_BYTES, HV_ALLOCATE_DEFAULT));
    more = memory;
    for (size_t i = 0; i < PAGES; i++) {
        more[1024 * i] = ADD(0, 0, 1);
        more[1024 * i + 1] = i + 1 < PAGES ? B(1023) : (uint32_t)WFI;
    }
    ck_ok(hv_vm_map(memory, MORE, MORE_BYTES, HV_MEMORY_READ | HV_MEMORY_EXEC));
    now_ns = mach_absolute_time() * 125 / 3;
    after(0);
}

static void teardown(void)
{
    ck_ok(hv_vcpu_destroy(g.vcpu));
    guest_vm_end(&g);
    ck_ok(hv_vm_deallocate(more, MORE_BYTES));
}

static void run_all_pages(void)
{
    guest_set(&g, HV_REG_PC, MORE);
    guest_set(&g, HV_REG_X0, 0);
    ck_assert_uint_eq(guest_run(&g), EC_WFX);
    ck_assert_uint_eq(guest_get(&g, HV_REG_X0), PAGES);
}

START_TEST(code_of_the_past_goes)
{
    run_all_pages();
    ck_assert_uint_ge(usage().pages, PAGES);
    ck_assert_uint_ge(usage().chunks, 5);
    after(A64_SETTLE_WINDOW_NS); /* much was made in it */
    after(A64_SETTLE_WINDOW_NS - 1);
    ck_assert_uint_ge(usage().pages, PAGES);
    after(1);
    ck_assert_uint_eq(usage().pages, 0);
    ck_assert_uint_eq(usage().chunks, 1);
    /* and is made anew; a guest that needs so much keeps it */
    run_all_pages();
    for (unsigned i = 0; i < 5; i++)
        after(A64_SETTLE_WINDOW_NS);
    ck_assert_uint_eq(usage().pages, PAGES);
}
END_TEST

/* ---- while another vCPU runs --------------------------------------------- */

static struct {
    pthread_t thread;
    struct guest guest;
    atomic_bool ready, stop;
    atomic_ulong rounds;
    uint64_t x1, x2;
} other;

static void *run_other(void *opaque)
{
    struct guest *o = &other.guest;

    guest_vcpu(o);
    atomic_store(&other.ready, true);
    while (!atomic_load(&other.stop)) {
        ck_ok(hv_vcpu_run(o->vcpu));
        atomic_fetch_add(&other.rounds, 1);
    }
    other.x1 = guest_get(o, HV_REG_X1);
    other.x2 = guest_get(o, HV_REG_X2);
    ck_ok(hv_vcpu_destroy(o->vcpu));
    return NULL;
}

/* Long enough in the guest for its loop to be compiled. */
static void let_it_run(void)
{
    unsigned long round = atomic_load(&other.rounds);
    uint64_t until = mach_absolute_time() + 24 * 2000;

    while (mach_absolute_time() < until)
        sched_yield();
    while (atomic_load(&other.rounds) == round) {
        ck_ok(hv_vcpus_exit(&other.guest.vcpu, 1));
        sched_yield();
    }
}

START_TEST(others_run_on)
{
    bool native = false;

    guest_code(&g, ADD(1, 1, 1), ADD(2, 2, 3), B(-2));
    other.guest = g;
    ck_assert_int_eq(pthread_create(&other.thread, NULL, run_other, NULL), 0);
    while (!atomic_load(&other.ready))
        sched_yield();
    for (unsigned i = 0; i < 50; i++) {
        run_all_pages();
        let_it_run();
        native |= usage().native_bytes > 0;
        after(A64_SETTLE_WINDOW_NS); /* much was made */
        after(A64_SETTLE_WINDOW_NS);
        ck_assert_uint_lt(usage().pages, 3);
        after(A64_SETTLE_WINDOW_NS); /* its page was made */
        after(A64_SETTLE_WINDOW_NS); /* and is what is kept */
    }
    atomic_store(&other.stop, true);
    ck_ok(hv_vcpus_exit(&other.guest.vcpu, 1));
    pthread_join(other.thread, NULL);
    /* it was stopped behind any of the three */
    ck_assert_uint_gt(other.x1, 50);
    ck_assert_uint_le(other.x1 * 3 - other.x2, 3);
    ck_assert(native == A64_HAS_NATIVE);
}
END_TEST

/* The host's memory for compiled code is empty when no page has any. */
START_TEST(compiled_code_goes_with_its_pages)
{
    guest_code(&g, ADD(1, 1, 1), SUB(3, 3, 1), CBNZ(3, -2), HVC(0));
    for (unsigned i = 0; i < 3; i++) {
        run_all_pages();
        guest_set(&g, HV_REG_PC, CODE);
        guest_set(&g, HV_REG_X3, 1000000);
        cpu()->cold = 0; /* as if it did not come from the WFI */
        ck_assert_uint_eq(guest_run(&g), EC_HVC);
        ck_assert_uint_eq(guest_get(&g, HV_REG_X1), 1000000 * (i + 1));
        ck_assert((usage().native_bytes > 0) == A64_HAS_NATIVE);
        for (unsigned k = 0; k < 3; k++)
            after(A64_SETTLE_WINDOW_NS);
        ck_assert_uint_eq(usage().native_bytes, 0);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("code");
    TCase *tc = tcase_create("code");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, code_of_the_past_goes);
    tcase_add_test(tc, others_run_on);
    tcase_add_test(tc, compiled_code_goes_with_its_pages);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
