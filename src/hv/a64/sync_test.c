/*
 * Broadcasts, one step at a time and under stress.
 *
 * The stress: vCPU threads share page tables, read through their TLBs, and
 * take turns to move a page: write its contents elsewhere, change the
 * descriptor, TLBI, DSB, then spoil the old copy. Whoever reads a spoilt page
 * used a translation after the DSB that ended it. Contents are plain memory,
 * so ThreadSanitizer checks the ordering as well. One more thread takes memory
 * away through stage 2, another destroys and makes vCPUs.
 */
#include "mem_fake.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

static const uint64_t LOWER = 0x0000400012345000;

static void tlbi(struct a64_cpu *cpu, uint32_t insn, uint64_t value)
{
    ck_assert_int_eq(a64_tlbi(cpu, insn, value), A64_NEXT);
}

/* ---- steps ---- */

static struct a64_cpu *one, *two;

static void setup(void)
{
    fake_start();
    one = fake_cpu(0);
    two = fake_cpu_with(1, one->sys.ttbr0_el1, one->sys.ttbr1_el1);
    a64_guest_enter(one);
    for (uint64_t i = 0; i < 600; i++)
        fake_map(one, LOWER + i * 4096, DATA + i * 4096, 3, USER);
}

static uint32_t asked(struct a64_cpu *cpu)
{
    return atomic_load(&cpu->req) & A64_REQ_SYNC;
}

/* A vCPU outside is not waited for; it catches up as it comes in. */
START_TEST(outside)
{
    a64_guest_enter(two);
    fake_get(two, LOWER);
    fake_get(two, LOWER + 4096);
    a64_guest_leave(two);
    tlbi(one, TLBI_VAE1IS, TLBI_VA(LOWER, 0));
    ck_assert(!a64_dsb(one));
    ck_assert_uint_eq(asked(two), 0);
    ck_assert(fast_read(two, LOWER, 8));
    a64_guest_enter(two);
    ck_assert(!fast_read(two, LOWER, 8));
    ck_assert(fast_read(two, LOWER + 4096, 8));
}
END_TEST

START_TEST(local_forms_stay_local)
{
    a64_guest_enter(two);
    fake_get(two, LOWER);
    a64_guest_leave(two);
    tlbi(one, TLBI_VAE1, TLBI_VA(LOWER, 0));
    tlbi(one, TLBI_VMALLE1, 0);
    a64_dsb(one);
    a64_guest_enter(two);
    ck_assert(fast_read(two, LOWER, 8));
}
END_TEST

struct waiter {
    pthread_t thread;
    struct a64_cpu *cpu;
    _Atomic bool done;
};

static void *wait_dsb(void *arg)
{
    struct waiter *w = arg;

    tlbi(w->cpu, TLBI_VAE1IS, TLBI_VA(LOWER, 0));
    a64_dsb(w->cpu);
    atomic_store(&w->done, true);
    return NULL;
}

START_TEST(inside)
{
    struct waiter w = {.cpu = one};

    a64_guest_enter(two);
    fake_get(two, LOWER);
    pthread_create(&w.thread, NULL, wait_dsb, &w);
    while (!asked(two))
        sched_yield();
    ck_assert(!atomic_load(&w.done));
    if (_i)
        a64_sync_serve(two);
    else
        a64_guest_leave(two);
    pthread_join(w.thread, NULL);
    if (_i) {
        ck_assert_uint_eq(asked(two), 0);
        ck_assert(!fast_read(two, LOWER, 8));
    }
}
END_TEST

static pthread_barrier_t both;

/* A DSB beside the other's; whoever is through first runs on and polls. */
static void *wait_for_both(void *arg)
{
    struct waiter *w = arg;
    struct waiter *other = w->cpu == one ? w + 1 : w - 1;

    for (unsigned round = 0; round < 2000; round++) {
        fake_get(w->cpu, LOWER);
        pthread_barrier_wait(&both);
        atomic_store(&w->done, false);
        pthread_barrier_wait(&both);
        tlbi(w->cpu, TLBI_VAE1IS, TLBI_VA(LOWER, 0));
        a64_dsb(w->cpu);
        atomic_store(&w->done, true);
        while (!atomic_load(&other->done)) {
            if (asked(w->cpu))
                a64_sync_serve(w->cpu);
            sched_yield();
        }
        ck_assert(!fast_read(w->cpu, LOWER, 8));
    }
    return NULL;
}

/* Two vCPUs in a DSB answer each other: neither polls before it is through. */
START_TEST(two_dsbs)
{
    struct waiter w[2] = {{.cpu = one}, {.cpu = two}};

    pthread_barrier_init(&both, NULL, 2);
    a64_guest_enter(two);
    for (unsigned i = 0; i < 2; i++)
        pthread_create(&w[i].thread, NULL, wait_for_both, &w[i]);
    for (unsigned i = 0; i < 2; i++)
        pthread_join(w[i].thread, NULL);
    pthread_barrier_destroy(&both);
}
END_TEST

static void *drop_all(void *arg)
{
    struct waiter *w = arg;

    a64_broadcast_all(&fake_vm);
    atomic_store(&w->done, true);
    return NULL;
}

/* Leaving a code page is not something a DSB can do on the way. */
START_TEST(dsb_does_not_answer_for_code)
{
    struct waiter all = {0}, dsb = {.cpu = one};

    a64_guest_enter(two);
    pthread_create(&all.thread, NULL, drop_all, &all);
    while (!asked(one) || !asked(two))
        sched_yield();
    a64_sync_serve(two);
    pthread_create(&dsb.thread, NULL, wait_dsb, &dsb);
    while (!asked(two))
        sched_yield();
    a64_sync_serve(two);
    pthread_join(dsb.thread, NULL);
    for (unsigned i = 0; i < 1000; i++) {
        ck_assert(!atomic_load(&all.done));
        sched_yield();
    }
    a64_sync_serve(one);
    pthread_join(all.thread, NULL);
}
END_TEST

static void *destroy(void *arg)
{
    struct waiter *w = arg;

    fake_cpu_free(w->cpu);
    atomic_store(&w->done, true);
    return NULL;
}

/* Whoever is in the guest may be looking at the vCPU that goes: it is waited
 * for. */
START_TEST(destruction_waits)
{
    struct waiter w = {.cpu = two};

    pthread_create(&w.thread, NULL, destroy, &w);
    while (!asked(one))
        sched_yield();
    ck_assert_ptr_null(atomic_load(&fake_vm.cpu[1]));
    for (unsigned i = 0; i < 1000; i++) {
        ck_assert(!atomic_load(&w.done));
        sched_yield();
    }
    a64_sync_serve(one);
    pthread_join(w.thread, NULL);
}
END_TEST

/* As many as a log holds are done one by one; of more, all is dropped. */
START_TEST(many_records)
{
    uint64_t n = _i ? 500 : 200;
    uint64_t far = LOWER + 599 * 4096ULL;

    a64_guest_enter(two);
    for (uint64_t i = 0; i < n; i++)
        fake_get(two, LOWER + i * 4096);
    fake_get(two, far);
    a64_guest_leave(two);
    for (uint64_t i = 0; i < n; i++)
        tlbi(one, TLBI_VAE1IS, TLBI_VA(LOWER + i * 4096, 0));
    a64_dsb(one);
    a64_guest_enter(two);
    for (uint64_t i = 0; i < n; i++)
        ck_assert(!fast_read(two, LOWER + i * 4096, 8));
    ck_assert(fast_read(two, far, 8) == !_i);
}
END_TEST

START_TEST(code_records)
{
    struct a64_code_page *page;
    struct a64_fetch_entry *e =
        &two->fetch[(LOWER >> 12) & (A64_FETCH_SIZE - 1)];

    fake_map(one, LOWER, DATA, 3, KERNEL);
    two->pc = LOWER;
    a64_guest_enter(two);
    ck_assert_int_eq(a64_fetch(two, &page), A64_NEXT);
    fake_get(two, LOWER);
    a64_guest_leave(two);
    for (uint64_t i = 0; i < 64; i++)
        a64_cache_op(one, IC_IVAU, LOWER + 64 * i);
    a64_dsb(one);
    ck_assert(e->tag == (LOWER | two->ctx[0]));
    a64_guest_enter(two);
    ck_assert(e->tag != (LOWER | two->ctx[0]));
    ck_assert(fast_read(two, LOWER, 8));
}
END_TEST

/* ---- stress ---- */

enum {
    CPUS = 4,
    PAGES = 64, /* virtual, each moved by the vCPU of its number mod CPUS */
    SPARE = 4,  /* physical ones a vCPU moves pages to and from */
    WORDS = 3,  /* looked at in each */
    LENT = 0x60000000, /* what stage 2 gives and takes */
};

#define SPOILT UINT64_MAX

static struct {
    unsigned moves;
    uint64_t ttbr0, ttbr1;
    _Atomic bool stop;
    _Atomic uint64_t bad, reads, lent_reads;
    uint8_t *lent[2];
} stress;

static uint64_t virtual_page(unsigned i)
{
    /* some share a place in the TLB */
    return LOWER + (uint64_t)(i % 48) * 4096 +
           (i / 48) * 4096ULL * A64_TLB_SIZE;
}

static uint64_t physical_page(unsigned i)
{
    return DATA + (uint64_t)i * 4096;
}

/* What page i holds: its number in every word, whatever copy. */
static void fill(uint8_t *host, uint64_t value)
{
    uint64_t *words = (uint64_t *)(void *)host;

    for (unsigned i = 0; i < WORDS; i++)
        words[i] = value;
}

/* One guest load, as the interpreter does it. */
static void look(struct a64_cpu *cpu, unsigned i)
{
    uint64_t va = virtual_page(i) + 8ULL * (i % WORDS);
    uint64_t value, word;

    if (fast_read(cpu, va, 8)) {
        const struct a64_tlb_entry *e =
            &cpu->tlb[(va >> 12) & (A64_TLB_SIZE - 1)];

        sched_yield(); /* between compare and access */
        word = *(const uint64_t *)(uintptr_t)(va + e->addend);
    } else {
        ck_assert_int_eq(a64_load(cpu, va, 8, &value, 0), A64_NEXT);
        word = value;
    }
    if (word != i)
        atomic_fetch_add(&stress.bad, 1);
    atomic_fetch_add(&stress.reads, 1);
}

/* Memory that stage 2 may or may not have at the moment. */
static void look_at_lent(struct a64_cpu *cpu)
{
    uint64_t value = 0;
    enum a64_next next;

    cpu->sys.sctlr_el1 &= ~SCTLR_M;
    a64_tlb_control(cpu);
    next = a64_load(cpu, LENT, 8, &value, 0);
    if (next == A64_NEXT) {
        if (value == SPOILT)
            atomic_fetch_add(&stress.bad, 1);
        atomic_fetch_add(&stress.lent_reads, 1);
    }
    cpu->sys.sctlr_el1 |= SCTLR_M;
    a64_tlb_control(cpu);
}

/* Move page i to a spare page; the old one is the spare then. */
static uint64_t move(struct a64_cpu *cpu, unsigned i, uint64_t spare)
{
    _Atomic uint64_t *desc = fake_desc(cpu, virtual_page(i), 3);
    uint64_t old = *desc & 0x0000fffffffff000ULL;

    fill(fake_ram(spare), i);
    fake_map(cpu, virtual_page(i), spare, 3, USER);
    tlbi(cpu, TLBI_VAE1IS, TLBI_VA(virtual_page(i), 0));
    a64_dsb(cpu);
    fill(fake_ram(old), SPOILT);
    return old;
}

static void poll(struct a64_cpu *cpu)
{
    if (atomic_load_explicit(&cpu->req, memory_order_acquire) & A64_REQ_SYNC)
        a64_sync_serve(cpu);
}

static void *run_cpu(void *arg)
{
    unsigned id = (unsigned)(uintptr_t)arg;
    struct a64_cpu *cpu = atomic_load(&fake_vm.cpu[id]);
    uint64_t spare[SPARE];
    unsigned seed = id + 1;

    for (unsigned i = 0; i < SPARE; i++)
        spare[i] = physical_page(PAGES + id * SPARE + i);
    a64_guest_enter(cpu);
    for (unsigned n = 0; n < stress.moves; n++) {
        unsigned page = (unsigned)rand_r(&seed) % (PAGES / CPUS) * CPUS + id;
        unsigned s = (unsigned)rand_r(&seed) % SPARE;

        for (unsigned k = (unsigned)rand_r(&seed) % 16; k > 0; k--) {
            look(cpu, (unsigned)rand_r(&seed) % PAGES);
            poll(cpu);
        }
        spare[s] = move(cpu, page, spare[s]);
        switch (rand_r(&seed) % 16) {
        case 0:
            look_at_lent(cpu);
            break;
        case 1:
        case 2:
            a64_guest_leave(cpu);
            sched_yield();
            a64_guest_enter(cpu);
            break;
        default:
            break;
        }
    }
    a64_guest_leave(cpu);
    return NULL;
}

/* A vCPU that comes and goes, and only reads. */
static void *come_and_go(void *arg)
{
    unsigned seed = 99;

    while (!atomic_load(&stress.stop)) {
        struct a64_cpu *cpu = fake_cpu_with(CPUS, stress.ttbr0, stress.ttbr1);

        for (unsigned rounds = 0; rounds < 8; rounds++) {
            a64_guest_enter(cpu);
            for (unsigned k = 0; k < 20; k++) {
                look(cpu, (unsigned)rand_r(&seed) % PAGES);
                poll(cpu);
            }
            a64_guest_leave(cpu);
        }
        fake_cpu_free(cpu);
    }
    return NULL;
}

/* Gives one page or the other, and spoils the one it took back. */
static void *lend(void *arg)
{
    for (unsigned i = 0; !atomic_load(&stress.stop); i++) {
        uint8_t *host = stress.lent[i % 2];

        fill(host, 1);
        ck_assert_int_eq(
            a64_stage2_map(&fake_vm, host, LENT, 4096, A64_S2_READ), 0);
        sched_yield();
        ck_assert_int_eq(a64_stage2_unmap(&fake_vm, LENT, 4096), 0);
        fill(host, SPOILT);
    }
    return NULL;
}

START_TEST(pages_on_the_move)
{
    const char *scale = getenv("LULL_STRESS");
    pthread_t cpus[CPUS], others[2];
    struct a64_cpu *first;

    fake_start();
    memset(&stress, 0, sizeof(stress));
    stress.moves = 2000 * (scale ? (unsigned)atoi(scale) : 1);
    for (unsigned i = 0; i < 2; i++)
        stress.lent[i] = aligned_alloc(4096, 4096);
    first = fake_cpu(0);
    stress.ttbr0 = first->sys.ttbr0_el1;
    stress.ttbr1 = first->sys.ttbr1_el1;
    for (unsigned i = 0; i < PAGES; i++) {
        fill(fake_ram(physical_page(i)), i);
        fake_map(first, virtual_page(i), physical_page(i), 3, USER);
    }
    for (unsigned i = 1; i < CPUS; i++)
        fake_cpu_with(i, stress.ttbr0, stress.ttbr1);
    for (unsigned i = 0; i < CPUS; i++)
        pthread_create(&cpus[i], NULL, run_cpu, (void *)(uintptr_t)i);
    pthread_create(&others[0], NULL, come_and_go, NULL);
    pthread_create(&others[1], NULL, lend, NULL);
    for (unsigned i = 0; i < CPUS; i++)
        pthread_join(cpus[i], NULL);
    atomic_store(&stress.stop, true);
    for (unsigned i = 0; i < 2; i++)
        pthread_join(others[i], NULL);
    ck_assert_uint_eq(atomic_load(&stress.bad), 0);
    ck_assert_uint_gt(atomic_load(&stress.reads), stress.moves);
    ck_assert_uint_gt(atomic_load(&stress.lent_reads), 0);
    fake_stop();
    for (unsigned i = 0; i < 2; i++)
        free(stress.lent[i]);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sync");
    TCase *steps = tcase_create("steps");
    TCase *load = tcase_create("stress");

    tcase_add_checked_fixture(steps, setup, fake_stop);
    suite_add_tcase(suite, steps);
    tcase_add_test(steps, outside);
    tcase_add_test(steps, local_forms_stay_local);
    tcase_add_loop_test(steps, inside, 0, 2);
    tcase_add_test(steps, two_dsbs);
    tcase_add_test(steps, dsb_does_not_answer_for_code);
    tcase_add_test(steps, destruction_waits);
    tcase_add_loop_test(steps, many_records, 0, 2);
    tcase_add_test(steps, code_records);
    tcase_set_timeout(load, 300);
    suite_add_tcase(suite, load);
    tcase_add_test(load, pages_on_the_move);
    return fake_main(suite);
}
