/*
 * Trace files and what is made of them: a sound file is read as it was
 * written, an unsound one is refused whatever is wrong with it, periods are
 * what the records say, and a replay follows the policy's definition and gives
 * the same every time.
 */
#include "../testing/suite.h"
#include "export.h"
#include "replay.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define US 1000ULL
#define MS 1000000ULL
#define BEGIN 50000000000ULL /* the machine is 50 s old */

enum { ROOM = 1 << 16 };

/* A trace being written. */
static uint8_t bytes[ROOM];
static size_t used, count;
static struct trace trace;
static struct story story;
static char err[200];

static void begin(unsigned vcpus)
{
    struct trace_header header = {.vcpus = vcpus,
                                  .begin_ns = BEGIN,
                                  .born_ns = 0,
                                  .wall_ns = 7,
                                  .name = "vm",
                                  .policy = "halt",
                                  .version = "0.1.0"};

    trace_header_bytes(&header, bytes);
    used = TRACE_HEADER_BYTES;
    count = 0;
}

/* Times are since the beginning, deadlines too. */
static void add(unsigned vcpu, unsigned kind, uint64_t time, uint64_t value,
                unsigned detail, unsigned reasons)
{
    struct idle_trace_record record = {
        .time_ns = BEGIN + time,
        .value = value,
        .kind = (uint8_t)kind,
        .detail = (uint8_t)detail,
        .reasons = (uint16_t)reasons,
        .vcpu = (uint16_t)vcpu,
    };

    ck_assert_uint_lt(used, ROOM - TRACE_RECORD_BYTES);
    trace_record_bytes(&record, bytes + used);
    used += TRACE_RECORD_BYTES;
    count++;
}

static void end(uint64_t time)
{
    struct idle_trace_record record =
        trace_end(BEGIN + time, count, trace_crc(0, bytes, used));

    trace_record_bytes(&record, bytes + used);
    used += TRACE_RECORD_BYTES;
}

/* The checksum anew, after a change of the bytes. */
static void seal(void)
{
    struct idle_trace_record record;

    used -= TRACE_RECORD_BYTES;
    memcpy(&record.time_ns, bytes + used, 8);
    record = trace_end(record.time_ns, count, trace_crc(0, bytes, used));
    trace_record_bytes(&record, bytes + used);
    used += TRACE_RECORD_BYTES;
}

static void wait_until(unsigned vcpu, uint64_t time, uint64_t deadline,
                       uint64_t woke)
{
    add(vcpu, IDLE_TRACE_WAIT, time, BEGIN + deadline, 1, 0);
    add(vcpu, IDLE_TRACE_STATE, time, BEGIN + deadline,
        IDLE_STATE_PARK_DEADLINE, 0);
    add(vcpu, IDLE_TRACE_WAKE, woke, BEGIN + deadline, IDLE_WAKE_DEADLINE, 0);
}

static void parses(void)
{
    ck_assert_msg(trace_parse(bytes, used, &trace, err, sizeof(err)), "%s",
                  err);
}

static void refused(const char *words)
{
    ck_assert(!trace_parse(bytes, used, &trace, err, sizeof(err)));
    ck_assert_msg(strstr(err, words) != NULL, "%s", err);
}

static void told(void)
{
    parses();
    ck_assert(story_tell(&trace, &story));
}

static void forget(void)
{
    story_free(&story);
    trace_free(&trace);
}

/* 100 ticks of 10 ms, each served 40 us late and worked on for 100 us; and a
 * kick in the middle of every tenth. */
static void ticks(void)
{
    begin(1);
    add(0, IDLE_TRACE_CPU, 0, 1 * MS, 0, 0);
    for (uint64_t i = 0; i < 100; i++) {
        uint64_t start = i * 10 * MS + 140 * US, due = (i + 1) * 10 * MS;

        if (i == 0)
            start = 0;
        if (i % 10 == 5) {
            add(0, IDLE_TRACE_WAIT, start, BEGIN + due, 1, 0);
            add(0, IDLE_TRACE_STATE, start, BEGIN + due,
                IDLE_STATE_PARK_DEADLINE, 0);
            add(0, IDLE_TRACE_KICK, start + 5 * MS, 0, IDLE_TRACE_PARKED,
                IDLE_IRQ);
            add(0, IDLE_TRACE_WAKE, start + 5 * MS + 30 * US, BEGIN + due,
                IDLE_WAKE_KICK, IDLE_IRQ);
            start += 5 * MS + 60 * US;
        }
        wait_until(0, start, due, due + 40 * US);
    }
    add(0, IDLE_TRACE_CPU, 1001 * MS, 14 * MS, 0, 0);
    end(1001 * MS);
}

START_TEST(read_as_written)
{
    begin(2);
    /* Kicks come from another ring: later in the file than their time. */
    add(1, IDLE_TRACE_WAIT, 10, BEGIN + 500, 1, 0);
    add(1, IDLE_TRACE_WAKE, 30, BEGIN + 500, IDLE_WAKE_KICK, IDLE_IRQ);
    add(1, IDLE_TRACE_KICK, 20, 0, IDLE_TRACE_PARKED, IDLE_IRQ);
    add(0, IDLE_TRACE_PASS, 5, IDLE_NO_DEADLINE, IDLE_WAKE_PENDING, 0);
    end(100);
    parses();
    ck_assert_uint_eq(trace.count, 4);
    ck_assert_uint_eq(trace.header.vcpus, 2);
    ck_assert_uint_eq(trace.header.begin_ns, BEGIN);
    ck_assert_uint_eq(trace.header.wall_ns, 7);
    ck_assert_str_eq(trace.header.name, "vm");
    ck_assert_str_eq(trace.header.policy, "halt");
    ck_assert_str_eq(trace.header.version, "0.1.0");
    ck_assert_uint_eq(trace.end_ns, BEGIN + 100);
    ck_assert_uint_eq(trace.first[1], 1);
    ck_assert_uint_eq(trace.first[2], 4);
    ck_assert_uint_eq(trace.records[0].kind, IDLE_TRACE_PASS);
    ck_assert_uint_eq(trace.records[1].kind, IDLE_TRACE_WAIT);
    ck_assert_uint_eq(trace.records[2].kind, IDLE_TRACE_KICK);
    ck_assert_uint_eq(trace.records[3].kind, IDLE_TRACE_WAKE);
    ck_assert_uint_eq(trace.records[3].value, BEGIN + 500);
    trace_free(&trace);
}
END_TEST

START_TEST(the_checksum_is_the_common_one)
{
    ck_assert_uint_eq(trace_crc(0, "123456789", 9), 0xcbf43926);
    ck_assert_uint_eq(trace_crc(trace_crc(0, "1234", 4), "56789", 5),
                      0xcbf43926);
}
END_TEST

START_TEST(the_bytes_are_the_documents)
{
    static const uint8_t start[] = {'L', 'u', 'l', 'l', 'T', 'r', 'c', '\n',
                                    4,   3,   2,   1,   1,   0,   192, 0,
                                    24,  0,   3,   0,   0,   0,   0,   0};
    /* BEGIN is 0xba43b7400. */
    static const uint8_t record[] = {0x34, 0x86, 0x3b, 0xa4, 0x0b, 0, 0, 0,
                                     8,    7,    6,    5,    4,    3, 2, 1,
                                     2,    0,    5,    1,    2,    0, 0, 0};

    begin(3);
    add(2, IDLE_TRACE_KICK, 0x1234, 0x0102030405060708, IDLE_TRACE_PARKED,
        IDLE_IPI);
    ck_assert_mem_eq(bytes, start, sizeof(start));
    ck_assert_mem_eq(bytes + TRACE_HEADER_BYTES, record, sizeof(record));
}
END_TEST

START_TEST(every_cut_is_refused)
{
    size_t whole;

    ticks();
    whole = used;
    for (used = 0; used < whole; used += used < 300 ? 1 : 7)
        ck_assert(!trace_parse(bytes, used, &trace, err, sizeof(err)));
    used = whole - TRACE_RECORD_BYTES;
    refused("cut off");
    used = 100;
    refused("header");
    used = 0;
    refused("no trace");
}
END_TEST

START_TEST(every_flipped_bit_is_refused)
{
    ticks();
    for (size_t i = 0; i < used; i++) {
        bytes[i] ^= (uint8_t)(1u << i % 8);
        ck_assert(!trace_parse(bytes, used, &trace, err, sizeof(err)));
        bytes[i] ^= (uint8_t)(1u << i % 8);
    }
    parses();
    trace_free(&trace);
}
END_TEST

static void with_byte(size_t at, uint8_t value, const char *words)
{
    ticks();
    bytes[at] = value;
    seal();
    refused(words);
}

START_TEST(what_is_wrong_is_said)
{
    with_byte(0, 'l', "no trace");
    with_byte(8, 1, "byte order");
    with_byte(12, 2, "version 2");
    with_byte(14, 0, "header is damaged");
    with_byte(16, 25, "header is damaged");
    with_byte(18, 0, "header is damaged");
    with_byte(18, 65, "header is damaged");
    with_byte(19, 255, "header is damaged");
    with_byte(20, 1, "header is damaged");
    with_byte(48, '\n', "header is damaged");
    with_byte(60, 'x', "header is damaged");
    with_byte(TRACE_HEADER_BYTES + 18, 0, "record makes no sense");
    with_byte(TRACE_HEADER_BYTES + 18, 10, "record makes no sense");
    with_byte(TRACE_HEADER_BYTES + 18, 255, "record makes no sense");
    with_byte(TRACE_HEADER_BYTES + 19, 200, "record makes no sense");
    with_byte(TRACE_HEADER_BYTES + 20, 1, "record makes no sense");
    with_byte(TRACE_HEADER_BYTES + 7, 9, "record makes no sense");
    with_byte(31, 255, "times make no sense");
    begin(1);
    end(2 * TRACE_SECONDS_MAX * 1000000000);
    refused("times make no sense");
}
END_TEST

/* Sealed again after damage, a file may pass; then everything made of it must
 * at least end, and touch nothing that is not its. */
static void survive(void)
{
    struct idle_policy policy;
    struct measured sum = {0};
    struct replayed r;
    FILE *null = fopen("/dev/null", "w");

    ck_assert_ptr_nonnull(null);
    ck_assert(story_tell(&trace, &story));
    ck_assert(story_sum(&story, &sum));
    ck_assert(trace_export(&trace, null));
    for (const char *const *name = idle_policy_names(); *name; name++) {
        ck_assert(idle_policy_parse(*name, &policy, err, sizeof(err)));
        ck_assert(replay(&story, &policy, &costs_default, &r));
        replayed_free(&r);
    }
    fclose(null);
    measured_free(&sum);
    forget();
}

START_TEST(mutated_files_are_survived)
{
    unsigned seed = 12345, accepted = 0;

    for (unsigned round = 0; round < 400; round++) {
        ticks();
        for (unsigned n = 0; n < 1 + round % 8; n++) {
            size_t at;

            seed = seed * 1664525 + 1013904223;
            at = TRACE_HEADER_BYTES + seed % (used - TRACE_HEADER_BYTES - 24);
            seed = seed * 1664525 + 1013904223;
            bytes[at] = (uint8_t)(seed >> 24);
        }
        seal();
        if (trace_parse(bytes, used, &trace, err, sizeof(err))) {
            accepted++;
            survive();
        }
    }
    ck_assert_uint_gt(accepted, 20);
}
END_TEST

/* ---- periods */

static void period_is(size_t i, enum period_kind kind, enum period_end how,
                      uint64_t entered, uint64_t arrived, uint64_t left)
{
    const struct period *p = &story.vcpu[0].periods[i];

    ck_assert_uint_lt(i, story.vcpu[0].count);
    ck_assert_int_eq(p->kind, kind);
    ck_assert_int_eq(p->end, how);
    ck_assert_uint_eq(p->entered_ns, BEGIN + entered);
    ck_assert_uint_eq(p->arrived_ns, BEGIN + arrived);
    ck_assert_uint_eq(p->left_ns, BEGIN + left);
}

START_TEST(waits_become_periods)
{
    begin(1);
    wait_until(0, 100, 1000, 1040);
    add(0, IDLE_TRACE_WAIT, 2000, BEGIN + 9000, 1, 0);
    add(0, IDLE_TRACE_KICK, 3000, 0, IDLE_TRACE_PARKED, IDLE_IRQ);
    add(0, IDLE_TRACE_WAKE, 3020, BEGIN + 9000, IDLE_WAKE_KICK, IDLE_IRQ);
    add(0, IDLE_TRACE_PASS, 4000, IDLE_NO_DEADLINE, IDLE_WAKE_PENDING, 0);
    add(0, IDLE_TRACE_WAIT, 5000, BEGIN + 9000, 1, 0);
    add(0, IDLE_TRACE_KICK, 5500, 0, IDLE_TRACE_PARKED, IDLE_PAUSE);
    add(0, IDLE_TRACE_WAKE, 5520, BEGIN + 9000, IDLE_WAKE_KICK, IDLE_PAUSE);
    add(0, IDLE_TRACE_WAIT, 5530, IDLE_NO_DEADLINE, 0, 0);
    add(0, IDLE_TRACE_WAKE, 7000, IDLE_NO_DEADLINE, IDLE_WAKE_KICK,
        IDLE_RESUME);
    add(0, IDLE_TRACE_WAIT, 7010, BEGIN + 9000, 1, 0);
    end(8000);
    told();
    ck_assert_uint_eq(story.vcpu[0].count, 6);
    period_is(0, PERIOD_IDLE, END_DEADLINE, 100, 1000, 1040);
    period_is(1, PERIOD_IDLE, END_KICK, 2000, 3000, 3020);
    period_is(2, PERIOD_PENDING, END_KICK, 4000, 4000, 4000);
    period_is(3, PERIOD_IDLE, END_OTHER, 5000, 5500, 5520);
    period_is(4, PERIOD_HELD, END_OTHER, 5530, 7000, 7000);
    period_is(5, PERIOD_IDLE, END_NONE, 7010, 8000, 8000);
    ck_assert_uint_eq(sample_at(&story.measured[0].late, 500), 40);
    ck_assert_uint_eq(story.measured[0].late.count, 1);
    /* The pause's wake is a kick too; the resume's is not of the guest. */
    ck_assert_uint_eq(story.measured[0].kick.count, 2);
    ck_assert_uint_eq(sample_at(&story.measured[0].kick, 1000), 20);
    forget();
}
END_TEST

START_TEST(returned_waits_are_one_period)
{
    begin(1);
    for (uint64_t t = 100; t < 1000; t += 100)
        add(0, IDLE_TRACE_PASS, t, BEGIN + 950, IDLE_WAKE_EARLY, 0);
    add(0, IDLE_TRACE_PASS, 1100, BEGIN + 5000, IDLE_WAKE_EARLY, 0);
    add(0, IDLE_TRACE_KICK, 1150, 0, IDLE_TRACE_GUEST, IDLE_IRQ);
    add(0, IDLE_TRACE_PASS, 1300, BEGIN + 5000, IDLE_WAKE_EARLY, 0);
    end(2000);
    told();
    ck_assert_uint_eq(story.vcpu[0].count, 3);
    period_is(0, PERIOD_IDLE, END_DEADLINE, 100, 950, 950);
    period_is(1, PERIOD_IDLE, END_KICK, 1100, 1150, 1150);
    period_is(2, PERIOD_IDLE, END_NONE, 1300, 2000, 2000);
    ck_assert_uint_eq(story.measured[0].early, 11);
    forget();
}
END_TEST

START_TEST(a_recording_begins_and_ends_anywhere)
{
    begin(1);
    add(0, IDLE_TRACE_STATE, 20, BEGIN + 40, IDLE_STATE_SPIN, 0);
    add(0, IDLE_TRACE_WAKE, 50, BEGIN + 40, IDLE_WAKE_DEADLINE, 0);
    add(0, IDLE_TRACE_WAIT, 100, BEGIN + 5000, 1, 0);
    add(0, IDLE_TRACE_STATE, 100, BEGIN + 5000, IDLE_STATE_PARK_DEADLINE, 0);
    end(1000);
    told();
    ck_assert_uint_eq(story.vcpu[0].count, 2);
    period_is(0, PERIOD_IDLE, END_DEADLINE, 0, 40, 50);
    period_is(1, PERIOD_IDLE, END_NONE, 100, 1000, 1000);
    ck_assert_uint_eq(story.measured[0].residency_ns[IDLE_STATE_SPIN], 30);
    ck_assert_uint_eq(story.measured[0].residency_ns[IDLE_STATE_PARK_DEADLINE],
                      900);
    ck_assert_uint_eq(story.measured[0].guest_ns, 50);
    forget();
}
END_TEST

START_TEST(what_was_measured)
{
    struct measured sum;

    ticks();
    told();
    ck_assert(story_sum(&story, &sum));
    ck_assert_uint_eq(sum.length_ns, 1001 * MS);
    ck_assert_uint_eq(sum.sleeps, 110);
    ck_assert_uint_eq(sum.waits, 110);
    ck_assert(sum.cpu_known);
    ck_assert_uint_eq(sum.cpu_ns, 13 * MS);
    ck_assert_uint_eq(sum.late.count, 100);
    ck_assert_uint_eq(sample_at(&sum.late, 990), 40 * US);
    ck_assert_uint_eq(sum.kick.count, 10);
    ck_assert_uint_eq(sample_at(&sum.kick, 500), 30 * US);
    ck_assert_uint_eq(sum.reasons[0], 10);
    ck_assert_uint_eq(sum.kicks_parked, 10);
    measured_free(&sum);
    forget();
}
END_TEST

/* ---- replay */

/* A host whose sleeps are exactly 50 us late and cost 10 us, and whose kicks
 * take 20 us. */
static const struct costs exact = {
    .sleep = {{MS, 50 * US, 50 * US, 50 * US, 50 * US, 10 * US}},
    .sleeps = 1,
    .kick = {{MS, 20 * US, 20 * US, 20 * US, 20 * US, 0}},
    .kicks = 1,
    .wfi_ns = US,
};

static struct replayed under(const char *text, const struct costs *costs)
{
    struct idle_policy policy;
    struct replayed r;

    ck_assert_msg(idle_policy_parse(text, &policy, err, sizeof(err)), "%s",
                  err);
    ck_assert(replay(&story, &policy, costs, &r));
    return r;
}

START_TEST(halt_is_late_by_the_hosts_sleep)
{
    struct replayed r;

    ticks();
    told();
    r = under("halt", &exact);
    ck_assert_uint_eq(r.sleeps, 110);
    ck_assert_uint_eq(r.sleep_cpu_ns, 1100 * US);
    ck_assert_uint_eq(r.late.count, 100);
    /* A distribution begins a sixth below its first point. */
    ck_assert_uint_ge(sample_at(&r.late, 0), 41 * US);
    ck_assert_uint_le(sample_at(&r.late, 1000), 50 * US);
    ck_assert_uint_eq(r.kick.count, 10);
    ck_assert_uint_le(sample_at(&r.kick, 1000), 20 * US);
    ck_assert_uint_eq(r.guest_ns, 9900 * US + 300 * US + (1 * MS - 40 * US));
    ck_assert_uint_eq(r.spin_ns + r.return_ns, 0);
    ck_assert_uint_eq(r.never, 0);
    replayed_free(&r);
    forget();
}
END_TEST

START_TEST(a_recording_knows_its_own_host)
{
    struct measured sum;
    struct costs costs;
    struct replayed r;

    ticks();
    told();
    ck_assert(story_sum(&story, &sum));
    ck_assert(costs_of(&story, &sum, &costs));
    ck_assert_uint_eq(costs.sleeps, 2);
    for (unsigned i = 0; i < 2; i++) {
        ck_assert_uint_eq(costs.sleep[i].p10_ns, 40 * US);
        ck_assert_uint_eq(costs.sleep[i].p99_ns, 40 * US);
        /* 13 ms, of which the guest ran all but this. */
        ck_assert_uint_eq(costs.sleep[i].cpu_ns,
                          (13 * MS - sum.guest_ns) / 110);
    }
    ck_assert_uint_eq(costs.kicks, 1);
    ck_assert_uint_eq(costs.kick[0].p50_ns, 30 * US);
    ck_assert_uint_eq(costs.wfi_ns, costs_default.wfi_ns);
    r = under("halt", &costs);
    ck_assert_uint_eq(r.sleeps, sum.sleeps);
    ck_assert_uint_le(sample_at(&r.late, 1000), 40 * US);
    replayed_free(&r);
    sum.cpu_known = false;
    ck_assert(!costs_of(&story, &sum, &costs));
    measured_free(&sum);
    forget();
}
END_TEST

START_TEST(park_is_on_time_and_spins)
{
    struct replayed r;

    ticks();
    told();
    r = under("park", &exact);
    ck_assert_uint_eq(r.late.count, 100);
    ck_assert_uint_lt(sample_at(&r.late, 500), 5 * US);
    ck_assert_uint_gt(r.spin_ns, 0);
    ck_assert_uint_lt(r.spin_ns, 1001 * MS / 50 + 2 * MS);
    replayed_free(&r);
    forget();
}
END_TEST

START_TEST(spin_costs_all_of_it)
{
    struct replayed r;

    ticks();
    told();
    r = under("spin", &exact);
    ck_assert_uint_eq(r.sleeps, 0);
    ck_assert_uint_eq(r.late.count, 100);
    ck_assert_uint_le(sample_at(&r.late, 1000), 1 * US);
    /* From the first WFI to the end, whatever is not the guest's. */
    ck_assert_uint_ge(r.return_ns + r.guest_ns, 1001 * MS - 110 * US);
    ck_assert_uint_le(r.return_ns + r.guest_ns, 1001 * MS + 10 * MS);
    replayed_free(&r);
    forget();
}
END_TEST

START_TEST(nodeadline_serves_timers_at_the_next_kick)
{
    struct replayed r;

    ticks();
    told();
    r = under("nodeadline", &exact);
    /* The last kick is in the 96th tick. */
    ck_assert_uint_eq(r.never, 5);
    ck_assert_uint_gt(sample_at(&r.late, 500), 10 * MS);
    ck_assert_uint_le(r.sleeps, 10);
    replayed_free(&r);
    forget();
}
END_TEST

START_TEST(the_grace_of_a_policy_is_counted_from_the_start)
{
    struct replayed young, old;

    ticks();
    told();
    old = under("sleep,us=100", &exact);
    ck_assert_uint_gt(old.sleeps, 5000);
    ck_assert_uint_le(sample_at(&old.late, 1000), 151 * US);
    trace.header.born_ns = BEGIN - 1 * MS;
    young = under("sleep,us=100", &exact);
    ck_assert_uint_eq(young.sleeps, 0);
    replayed_free(&young);
    replayed_free(&old);
    forget();
}
END_TEST

static bool same(const struct sample *a, const struct sample *b)
{
    return a->count == b->count &&
           (a->count == 0 ||
            memcmp(a->values, b->values, a->count * sizeof(uint64_t)) == 0);
}

START_TEST(the_same_every_time)
{
    ticks();
    told();
    for (const char *const *name = idle_policy_names(); *name; name++) {
        struct replayed a = under(*name, &costs_default);
        struct replayed b = under(*name, &costs_default);

        ck_assert_uint_eq(a.guest_ns, b.guest_ns);
        ck_assert_uint_eq(a.spin_ns, b.spin_ns);
        ck_assert_uint_eq(a.sleep_cpu_ns, b.sleep_cpu_ns);
        ck_assert_uint_eq(a.return_ns, b.return_ns);
        ck_assert_uint_eq(a.sleeps, b.sleeps);
        ck_assert(same(&a.late, &b.late));
        ck_assert(same(&a.kick, &b.kick));
        replayed_free(&a);
        replayed_free(&b);
    }
    forget();
}
END_TEST

START_TEST(tables_that_make_no_sense)
{
    struct costs costs = costs_default;

    ck_assert(costs_check(&costs, err, sizeof(err)));
    costs.sleep[1].p90_ns = 1;
    ck_assert(!costs_check(&costs, err, sizeof(err)));
    costs = costs_default;
    costs.kicks = 0;
    ck_assert(!costs_check(&costs, err, sizeof(err)));
    costs = costs_default;
    costs.wfi_ns = 0;
    ck_assert(!costs_check(&costs, err, sizeof(err)));
    costs = costs_default;
    costs.sleep[0].length_ns = costs.sleep[1].length_ns;
    ck_assert(!costs_check(&costs, err, sizeof(err)));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("trace-tools");
    TCase *tc = tcase_create("tools");

    tcase_set_timeout(tc, 100);
    tcase_add_test(tc, read_as_written);
    tcase_add_test(tc, the_checksum_is_the_common_one);
    tcase_add_test(tc, the_bytes_are_the_documents);
    tcase_add_test(tc, every_cut_is_refused);
    tcase_add_test(tc, every_flipped_bit_is_refused);
    tcase_add_test(tc, what_is_wrong_is_said);
    tcase_add_test(tc, mutated_files_are_survived);
    tcase_add_test(tc, waits_become_periods);
    tcase_add_test(tc, returned_waits_are_one_period);
    tcase_add_test(tc, a_recording_begins_and_ends_anywhere);
    tcase_add_test(tc, what_was_measured);
    tcase_add_test(tc, halt_is_late_by_the_hosts_sleep);
    tcase_add_test(tc, a_recording_knows_its_own_host);
    tcase_add_test(tc, park_is_on_time_and_spins);
    tcase_add_test(tc, spin_costs_all_of_it);
    tcase_add_test(tc, nodeadline_serves_timers_at_the_next_kick);
    tcase_add_test(tc, the_grace_of_a_policy_is_counted_from_the_start);
    tcase_add_test(tc, the_same_every_time);
    tcase_add_test(tc, tables_that_make_no_sense);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
