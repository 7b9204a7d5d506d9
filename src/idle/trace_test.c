/*
 * The trace's rings and hooks: what is recorded is what happened, in order; a
 * full ring drops and counts; several kickers at once lose and tear nothing;
 * a reader's memory that was scribbled over harms nobody.
 */
#include "hook.h"
#include "testing/suite.h"

#include <lull/idle_trace.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { VCPUS = 2, KICKERS = 4, ROOM = 1 << 17 };

static void *memory;
static struct idle_trace *trace;
static struct idle_vcpu *iv;
static struct idle_trace_record *got;

bool idle_test_hook(enum idle_hook at)
{
    return false;
}

static void no_guest(void *opaque)
{
}

static void setup(void)
{
    struct idle_config config = {.force_exit = no_guest};
    size_t bytes = idle_trace_bytes(VCPUS);

    ck_assert_uint_eq(bytes % 4096, 0);
    memory = aligned_alloc(4096, bytes);
    memset(memory, 0, bytes);
    trace = idle_trace_new(memory, VCPUS);
    iv = idle_vcpu_new(&config);
    got = calloc(ROOM, sizeof(*got));
    ck_assert(memory && trace && iv && got);
    idle_set_trace(iv, trace, 1);
}

static void teardown(void)
{
    idle_vcpu_free(iv);
    idle_trace_free(trace);
    free(memory);
    free(got);
}

static ptrdiff_t take(unsigned ring)
{
    return idle_trace_take(memory, 1, ring, got, ROOM);
}

static void is(const struct idle_trace_record *record, unsigned kind,
               unsigned detail, unsigned reasons)
{
    ck_assert_uint_eq(record->kind, kind);
    ck_assert_uint_eq(record->detail, detail);
    ck_assert_uint_eq(record->reasons, reasons);
    ck_assert_uint_eq(record->vcpu, 1);
}

START_TEST(a_wait_until_its_deadline)
{
    uint64_t before = idle_now_ns(), deadline = before + 3000000;
    uint32_t reasons;
    ptrdiff_t n;

    idle_wait(iv, deadline, IDLE_ANY, &reasons);
    n = take(IDLE_TRACE_OWN);
    ck_assert_int_ge(n, 3);
    is(&got[0], IDLE_TRACE_WAIT, 1, 0);
    ck_assert_uint_eq(got[0].value, deadline);
    ck_assert_uint_ge(got[0].time_ns, before);
    is(&got[1], IDLE_TRACE_STATE, IDLE_STATE_PARK_DEADLINE, 0);
    ck_assert_uint_le(got[1].value, deadline);
    is(&got[n - 1], IDLE_TRACE_WAKE, IDLE_WAKE_DEADLINE, 0);
    ck_assert_uint_eq(got[n - 1].value, deadline);
    ck_assert_uint_ge(got[n - 1].time_ns, deadline);
    for (ptrdiff_t i = 1; i < n; i++)
        ck_assert_uint_ge(got[i].time_ns, got[i - 1].time_ns);
    ck_assert_int_eq(take(IDLE_TRACE_OWN), 0);
}
END_TEST

START_TEST(a_wait_that_is_none)
{
    uint32_t reasons;

    idle_kick(iv, IDLE_IRQ);
    idle_wait(iv, IDLE_NO_DEADLINE, IDLE_ANY, &reasons);
    idle_wait(iv, idle_now_ns() - 1, IDLE_ANY, &reasons);
    idle_pending(iv);
    ck_assert_int_eq(take(IDLE_TRACE_OWN), 3);
    is(&got[0], IDLE_TRACE_PASS, IDLE_WAKE_PENDING, IDLE_IRQ);
    is(&got[1], IDLE_TRACE_PASS, IDLE_WAKE_DEADLINE, 0);
    is(&got[2], IDLE_TRACE_PASS, IDLE_WAKE_PENDING, 0);
}
END_TEST

START_TEST(kicks_by_who_and_where)
{
    idle_kick(iv, IDLE_IRQ);
    idle_kick(iv, IDLE_IRQ); /* not the first setting: no record */
    idle_trace_thread(7);
    idle_kick(iv, IDLE_WORK);
    ck_assert_uint_eq(idle_leave(iv), IDLE_IRQ | IDLE_WORK);
    ck_assert_uint_eq(idle_enter(iv), 0);
    idle_kick(iv, IDLE_IRQ);
    idle_trace_thread(IDLE_TRACE_WHO_OTHER);
    ck_assert_int_eq(take(IDLE_TRACE_KICKS), 3);
    is(&got[0], IDLE_TRACE_KICK, IDLE_TRACE_AWAKE, IDLE_IRQ);
    ck_assert_uint_eq(got[0].who, IDLE_TRACE_WHO_OTHER);
    is(&got[1], IDLE_TRACE_KICK, IDLE_TRACE_AWAKE, IDLE_WORK);
    ck_assert_uint_eq(got[1].who, 7);
    is(&got[2], IDLE_TRACE_KICK, IDLE_TRACE_GUEST, IDLE_IRQ);
}
END_TEST

START_TEST(a_change_of_policy)
{
    struct idle_policy policy;
    char err[200];

    ck_assert(idle_policy_parse("ladder,us=50", &policy, err, sizeof(err)));
    idle_set_policy(iv, &policy);
    idle_leave(iv);
    ck_assert_int_eq(take(IDLE_TRACE_OWN), 1);
    is(&got[0], IDLE_TRACE_POLICY, 8, 0);
    ck_assert_str_eq(idle_policy_names()[8], "ladder");
    ck_assert_uint_eq(got[0].value, 20 | 50ULL << 32);
}
END_TEST

START_TEST(off_means_off)
{
    idle_set_trace(iv, NULL, 0);
    idle_kick(iv, IDLE_IRQ);
    idle_pending(iv);
    ck_assert_int_eq(take(IDLE_TRACE_OWN), 0);
    ck_assert_int_eq(take(IDLE_TRACE_KICKS), 0);
}
END_TEST

START_TEST(a_full_ring_drops_the_newest)
{
    ptrdiff_t held;

    for (unsigned i = 0; i < 100000; i++)
        idle_pending(iv);
    held = take(IDLE_TRACE_OWN);
    ck_assert_int_gt(held, 0);
    ck_assert_uint_eq(idle_trace_dropped(memory, 1, IDLE_TRACE_OWN),
                      100000 - (uint64_t)held);
    idle_pending(iv);
    ck_assert_int_eq(take(IDLE_TRACE_OWN), 1);

    for (unsigned i = 0; i < 100000; i++) {
        idle_kick(iv, IDLE_IRQ);
        idle_leave(iv);
    }
    held = take(IDLE_TRACE_KICKS);
    ck_assert_uint_eq(idle_trace_dropped(memory, 1, IDLE_TRACE_KICKS),
                      100000 - (uint64_t)held);
    idle_kick(iv, IDLE_IRQ);
    ck_assert_int_eq(take(IDLE_TRACE_KICKS), 1);

    idle_pending(iv);
    idle_trace_clear(trace);
    ck_assert_int_eq(take(IDLE_TRACE_OWN), 0);
    ck_assert_uint_eq(idle_trace_dropped(memory, 1, IDLE_TRACE_OWN), 0);
    idle_pending(iv);
    ck_assert_int_eq(take(IDLE_TRACE_OWN), 1);
}
END_TEST

/* Each kicker's times only grow, so a torn or doubled record shows. */
static void *kicker(void *opaque)
{
    idle_trace_thread((unsigned)(uintptr_t)opaque);
    for (unsigned i = 0; i < 20000; i++)
        idle_kick(iv, (enum idle_reason)(1u << ((unsigned)(uintptr_t)opaque)));
    return NULL;
}

static atomic_bool done;

static void *vcpu(void *opaque)
{
    uint32_t reasons;

    while (!atomic_load(&done)) {
        if (idle_enter(iv) == 0)
            idle_leave(iv);
        idle_wait(iv, idle_now_ns() + 50000, IDLE_ANY, &reasons);
    }
    return NULL;
}

static void check_kicks(ptrdiff_t n, uint64_t *last, uint64_t *seen)
{
    ck_assert_int_ge(n, 0);
    for (ptrdiff_t i = 0; i < n; i++) {
        unsigned who = got[i].who;

        ck_assert_uint_lt(who, KICKERS);
        ck_assert_uint_eq(got[i].kind, IDLE_TRACE_KICK);
        ck_assert_uint_eq(got[i].reasons, 1u << who);
        ck_assert_uint_ge(got[i].time_ns, last[who]);
        last[who] = got[i].time_ns;
    }
    *seen += (uint64_t)n;
}

START_TEST(several_kickers_at_once)
{
    uint64_t last[KICKERS] = {0}, seen = 0, own_last = 0;
    struct idle_stats stats;
    pthread_t thread, threads[KICKERS];
    ptrdiff_t n;

    atomic_store(&done, false);
    pthread_create(&thread, NULL, vcpu, NULL);
    for (uintptr_t i = 0; i < KICKERS; i++)
        pthread_create(&threads[i], NULL, kicker, (void *)i);
    for (unsigned rounds = 0; rounds < 400; rounds++) {
        check_kicks(take(IDLE_TRACE_KICKS), last, &seen);
        n = take(IDLE_TRACE_OWN);
        ck_assert_int_ge(n, 0);
        for (ptrdiff_t i = 0; i < n; i++) {
            ck_assert_uint_ge(got[i].time_ns, own_last);
            own_last = got[i].time_ns;
        }
    }
    for (unsigned i = 0; i < KICKERS; i++)
        pthread_join(threads[i], NULL);
    atomic_store(&done, true);
    pthread_join(thread, NULL);
    check_kicks(take(IDLE_TRACE_KICKS), last, &seen);
    idle_stats_read(iv, &stats);
    ck_assert_uint_eq(seen + idle_trace_dropped(memory, 1, IDLE_TRACE_KICKS),
                      stats.kicks - stats.kicks_coalesced);
}
END_TEST

/* The reader's process may write anything: no crash, and no endless loop. */
START_TEST(scribbled_over)
{
    unsigned seed = 1;
    uint64_t *words = memory;
    size_t count = idle_trace_bytes(VCPUS) / sizeof(*words);

    for (unsigned i = 0; i < 200; i++) {
        for (size_t j = 0; j < 64; j++) {
            seed = seed * 1664525 + 1013904223;
            words[j] = i % 3 ? seed : UINT64_MAX - seed;
            words[(count / VCPUS + seed) % count] = seed;
        }
        memset((char *)memory + idle_trace_bytes(1), (int)i, 4096);
        memset((char *)memory + idle_trace_bytes(2) - (1 << 19) - 4096, (int)i,
               4096);
        idle_pending(iv);
        idle_kick(iv, IDLE_IRQ);
        idle_leave(iv);
        ck_assert_int_le(take(IDLE_TRACE_OWN), ROOM);
        ck_assert_int_le(take(IDLE_TRACE_KICKS), ROOM);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("trace");
    TCase *tc = tcase_create("rings");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 100);
    tcase_add_test(tc, a_wait_until_its_deadline);
    tcase_add_test(tc, a_wait_that_is_none);
    tcase_add_test(tc, kicks_by_who_and_where);
    tcase_add_test(tc, a_change_of_policy);
    tcase_add_test(tc, off_means_off);
    tcase_add_test(tc, a_full_ring_drops_the_newest);
    tcase_add_test(tc, several_kickers_at_once);
    tcase_add_test(tc, scribbled_over);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
