/*
 * Driving a policy through the periods of a story.
 *
 * The guest's part is taken from the recording: when its timers were due, when
 * others kicked it, and how long it ran between two waits. So demand is the
 * same for every policy, and arrives at the recorded times. A vCPU that is
 * behind (its policy slept too long, or spun in the guest's way) finds what
 * has arrived meanwhile pending, one after the other.
 *
 * The monitor's part follows idle_wait in ../idle.c step by step: begin, then
 * select, do, reflect until something ends it, then finish.
 */
#include "replay.h"

#include "../governor.h"
#include "../park.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct costs costs_default = {
    .sleep = {{100000, 13000, 22000, 28000, 60000, 14000},
              {1000000, 18000, 30000, 45000, 120000, 15500},
              {4000000, 23000, 38000, 60000, 200000, 18500},
              {10000000, 24000, 40000, 80000, 300000, 20500},
              {100000000, 30000, 50000, 120000, 500000, 36000}},
    .sleeps = 5,
    .kick = {{100000, 11000, 19000, 29000, 90000, 0},
             {2000000, 17000, 29000, 46000, 150000, 0},
             {20000000, 22000, 37000, 100000, 300000, 0}},
    .kicks = 3,
    .wfi_ns = 1100,
};

/* A guest that comes back to WFI at once is in it often: past so many rounds
 * they are counted off by the dozen, up to what comes next. */
enum { ROUNDS_EXACT = 4096, ROUNDS_AT_ONCE = 64 };

struct sim {
    struct gov gov;
    const struct costs *costs;
    struct replayed *out;
    const struct period *periods;
    size_t count;
    size_t *next_kick; /* per period: the first from it on that a kick ended */
    uint64_t now, end_ns;
    uint64_t woke_ns; /* the vCPU was last idle until then */
    uint64_t random;
    bool failed;
};

/* ---- the table */

static int by_length(const void *a, const void *b)
{
    uint64_t x = ((const struct cost_row *)a)->length_ns;
    uint64_t y = ((const struct cost_row *)b)->length_ns;

    return (x > y) - (x < y);
}

static bool rows_ok(struct cost_row *rows, unsigned count)
{
    if (count == 0)
        return false;
    qsort(rows, count, sizeof(*rows), by_length);
    for (unsigned i = 0; i < count; i++) {
        const struct cost_row *r = &rows[i];

        if (r->p10_ns > r->p50_ns || r->p50_ns > r->p90_ns ||
            r->p90_ns > r->p99_ns || r->p99_ns > 60000000000ULL ||
            r->cpu_ns > 60000000000ULL || r->length_ns > 3600000000000ULL ||
            (i > 0 && r->length_ns == rows[i - 1].length_ns))
            return false;
    }
    return true;
}

bool costs_check(struct costs *costs, char *err, size_t err_bytes)
{
    if (!rows_ok(costs->sleep, costs->sleeps))
        snprintf(err, err_bytes, "the rows of sleeps make no sense");
    else if (!rows_ok(costs->kick, costs->kicks))
        snprintf(err, err_bytes, "the rows of kicks make no sense");
    else if (costs->wfi_ns < 10 || costs->wfi_ns > 1000000)
        snprintf(err, err_bytes, "a WFI that costs %llu ns makes no sense",
                 (unsigned long long)costs->wfi_ns);
    else
        return true;
    return false;
}

/* A row of what was seen of one length; false when that is too little. */
static bool seen_row(struct sample *length, struct sample *late, size_t least,
                     struct cost_row *row)
{
    *row = (struct cost_row){
        .length_ns = sample_at(length, 500),
        .p10_ns = sample_at(late, 100),
        .p50_ns = sample_at(late, 500),
        .p90_ns = sample_at(late, 900),
        .p99_ns = sample_at(late, 990),
    };
    return late->count >= least;
}

bool costs_of(struct story *story, const struct measured *sum,
              struct costs *costs)
{
    /* The guest's time and the spun are wall time, and may have been the
     * host's in part; a sleep is two switches even so, at 1 us. */
    enum { CPU_LEAST_NS = 2000 };
    enum { SLEEPS_LEAST = 10, KICKS_LEAST = 5, ALL_LEAST = 30 };
    struct seen *seen = &story->seen;
    uint64_t spun =
        sum->residency_ns[IDLE_STATE_SPIN] + sum->residency_ns[IDLE_STATE_POLL];
    uint64_t other = sum->guest_ns + spun;
    uint64_t sleep = sum->cpu_ns > other ? sum->cpu_ns - other : 0;
    uint64_t each = sum->sleeps == 0 ? 0 : sleep / sum->sleeps;
    char err[100];

    *costs = (struct costs){.wfi_ns = costs_default.wfi_ns, .recorded = true};
    if (!sum->cpu_known || sum->lost != 0 || sum->sleeps < ALL_LEAST)
        return false;
    for (unsigned i = 0; i < SEEN_LENGTHS; i++) {
        struct cost_row *row = &costs->sleep[costs->sleeps];

        row->cpu_ns = 0;
        if (seen_row(&seen->length[i], &seen->late[i], SLEEPS_LEAST, row)) {
            row->cpu_ns = each > CPU_LEAST_NS ? each : CPU_LEAST_NS;
            costs->sleeps++;
        }
        row = &costs->kick[costs->kicks];
        if (seen_row(&seen->kick_length[i], &seen->kick[i], KICKS_LEAST, row))
            costs->kicks++;
    }
    if (costs->kicks == 0) {
        memcpy(costs->kick, costs_default.kick, sizeof(costs->kick));
        costs->kicks = costs_default.kicks;
    }
    if (seen->round.count >= ALL_LEAST)
        costs->wfi_ns = sample_at(&seen->round, 500);
    return costs_check(costs, err, sizeof(err));
}

/* a, moved towards b by num/den of the way; all below 2^42. */
static uint64_t between(uint64_t a, uint64_t b, uint64_t num, uint64_t den)
{
    uint64_t part = num * 1024 / den; /* den below 2^42 */

    return b >= a ? a + (b - a) * part / 1024 : a - (a - b) * part / 1024;
}

static struct cost_row row_for(const struct cost_row *rows, unsigned count,
                               uint64_t length)
{
    struct cost_row row = rows[count - 1];
    unsigned i = 0;

    while (i < count && rows[i].length_ns < length)
        i++;
    if (i == 0 || i == count)
        return rows[i == 0 ? 0 : count - 1];
    const struct cost_row *a = &rows[i - 1], *b = &rows[i];
    uint64_t num = length - a->length_ns, den = b->length_ns - a->length_ns;

    row.p10_ns = between(a->p10_ns, b->p10_ns, num, den);
    row.p50_ns = between(a->p50_ns, b->p50_ns, num, den);
    row.p90_ns = between(a->p90_ns, b->p90_ns, num, den);
    row.p99_ns = between(a->p99_ns, b->p99_ns, num, den);
    row.cpu_ns = between(a->cpu_ns, b->cpu_ns, num, den);
    return row;
}

/* One of a thousand, from a sequence that is the same every time. */
static unsigned draw(struct sim *s)
{
    s->random = s->random * 6364136223846793005ULL + 1442695040888963407ULL;
    return (unsigned)((s->random >> 33) % 1000);
}

static uint64_t draw_late(struct sim *s, const struct cost_row *row)
{
    unsigned at = draw(s);

    if (at < 100)
        return between(row->p10_ns * 5 / 6, row->p10_ns, at, 100);
    if (at < 500)
        return between(row->p10_ns, row->p50_ns, at - 100, 400);
    if (at < 900)
        return between(row->p50_ns, row->p90_ns, at - 500, 400);
    return between(row->p90_ns, row->p99_ns, at - 900, 100);
}

/* ---- what the vCPU was late for */

static void note(struct sim *s, const struct period *p, uint64_t served)
{
    struct sample *sample = p->end == END_DEADLINE ? &s->out->late
                            : p->end == END_KICK   ? &s->out->kick
                                                   : NULL;

    if (sample != NULL && p->arrived_ns <= served)
        s->failed |= !sample_add(sample, served - p->arrived_ns);
}

/* When the next kick comes, and what it is about. */
static uint64_t kick_ns(const struct sim *s, size_t i)
{
    size_t j = s->next_kick[i];

    return j < s->count ? s->periods[j].arrived_ns : IDLE_NO_DEADLINE;
}

static enum gov_cause kick_cause(const struct sim *s, size_t i)
{
    size_t j = s->next_kick[i];

    return j < s->count && s->periods[j].end == END_KICK ? GOV_BY_KICK
                                                         : GOV_BY_OTHER;
}

/* ---- one step of a wait */

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static enum gov_end watch(struct sim *s, uint64_t until, uint64_t kick)
{
    uint64_t ended = earlier(earlier(until, kick), s->end_ns);

    if (ended < s->now)
        ended = s->now;
    s->out->spin_ns += ended - s->now;
    s->now = ended;
    return kick <= ended ? GOV_KICK : GOV_TIME;
}

/* Asleep until a time or a kick; `kick` is NO_DEADLINE for the deaf. */
static enum gov_end sleep(struct sim *s, uint64_t until, uint64_t kick)
{
    uint64_t came = earlier(until, kick);
    bool kicked = kick <= until && kick != IDLE_NO_DEADLINE;
    struct cost_row row;
    uint64_t length;

    if (came >= s->end_ns) {
        s->now = s->end_ns;
        return GOV_TIME;
    }
    length = came > s->now ? came - s->now : 0;
    row = row_for(s->costs->sleep, s->costs->sleeps, length);
    s->out->sleep_cpu_ns += row.cpu_ns;
    s->out->sleeps++;
    if (kicked)
        row = row_for(s->costs->kick, s->costs->kicks, length);
    s->now += length + draw_late(s, &row);
    return kick <= s->now ? GOV_KICK : GOV_TIME;
}

static void take_step(struct sim *s, const struct gov_step *step, uint64_t kick)
{
    uint64_t started = s->now;
    enum gov_end end;

    if (step->act == GOV_POLL || step->act == GOV_SPIN)
        end = watch(s, step->until_ns, kick);
    else if (step->act == GOV_SLEEP)
        end = sleep(s, step->until_ns, IDLE_NO_DEADLINE);
    else
        end = sleep(s, step->until_ns, kick);
    gov_reflect(&s->gov, step, started, s->now, end);
}

/* ---- one WFI: what idle_wait does */

static enum idle_wake simulate_wait(struct sim *s, size_t i)
{
    uint64_t deadline = s->periods[i].deadline_ns, kick = kick_ns(s, i);
    uint64_t began = s->now;
    bool waited = false, enough = false;
    enum idle_wake why = IDLE_WAKE_KICK;
    enum gov_cause cause = GOV_BY_OTHER;

    gov_begin(&s->gov, began);
    while (s->now < kick && s->now < s->end_ns) {
        struct gov_step step;

        if (s->now >= deadline || enough) {
            why = s->now < deadline ? IDLE_WAKE_EARLY : IDLE_WAKE_DEADLINE;
            break;
        }
        step = gov_select(&s->gov, s->now, deadline);
        if (step.act == GOV_RETURN) {
            why = IDLE_WAKE_EARLY;
            break;
        }
        take_step(s, &step, kick);
        waited = true;
        enough = step.act == GOV_SLEEP;
    }
    if (why == IDLE_WAKE_DEADLINE)
        cause = GOV_BY_DEADLINE;
    else if (why == IDLE_WAKE_KICK)
        cause = kick_cause(s, i);
    if (waited)
        gov_finish(&s->gov, s->now - began, cause);
    else if (why != IDLE_WAKE_EARLY)
        gov_pending(&s->gov, s->now);
    return why;
}

/* Round the guest's idle loop, and again when nothing can have happened. */
static void go_round(struct sim *s, uint64_t next, uint64_t rounds)
{
    uint64_t wfi = s->costs->wfi_ns;
    uint64_t most = rounds > ROUNDS_EXACT ? ROUNDS_AT_ONCE : 1;
    uint64_t need = next > s->now ? (next - s->now + wfi - 1) / wfi : 1;
    uint64_t took = (need < most ? need : most) * wfi;

    s->now += took;
    s->out->return_ns += took;
}

/* Idle until what ended this period has come, and the vCPU knows. */
static void idle(struct sim *s, size_t i)
{
    const struct period *p = &s->periods[i];
    uint64_t next = earlier(earlier(p->arrived_ns, kick_ns(s, i)), s->end_ns);

    if (p->arrived_ns <= s->now) {
        /* Not late for what came while the guest ran: that interrupts it. */
        if (p->arrived_ns < s->woke_ns)
            note(s, p, s->woke_ns);
        gov_pending(&s->gov, s->now);
        return;
    }
    for (uint64_t rounds = 0; s->now < s->end_ns; rounds++) {
        if (simulate_wait(s, i) != IDLE_WAKE_EARLY)
            break;
        go_round(s, next, rounds);
        if (s->now >= next) {
            gov_pending(&s->gov, s->now);
            break;
        }
    }
    s->woke_ns = s->now;
    if (s->now < s->end_ns)
        note(s, p, s->now);
    else if (p->end == END_DEADLINE)
        s->out->never++;
}

/* The monitor's own wait is the same under every policy. */
static void held(struct sim *s, const struct period *p)
{
    if (s->now >= p->left_ns)
        return;
    s->out->sleep_cpu_ns +=
        row_for(s->costs->sleep, s->costs->sleeps, p->left_ns - s->now).cpu_ns;
    s->out->sleeps++;
    s->now = s->woke_ns = p->left_ns;
}

static void run(struct sim *s)
{
    uint64_t left = s->periods[0].entered_ns;

    s->now = s->woke_ns = left;
    for (size_t i = 0; i < s->count; i++) {
        const struct period *p = &s->periods[i];
        uint64_t ran = p->entered_ns > left ? p->entered_ns - left : 0;

        left = p->left_ns;
        s->now += ran;
        s->out->guest_ns += ran;
        if (s->now >= s->end_ns) {
            /* It fell behind for good. */
            s->out->never += p->end == END_DEADLINE;
            continue;
        }
        if (p->kind == PERIOD_HELD)
            held(s, p);
        else if (p->kind == PERIOD_PENDING)
            gov_pending(&s->gov, s->now);
        else
            idle(s, i);
    }
    if (left < s->end_ns)
        s->out->guest_ns += s->end_ns - left;
}

static bool find_kicks(struct sim *s)
{
    size_t next = s->count;

    s->next_kick = calloc(s->count + 1, sizeof(*s->next_kick));
    if (!s->next_kick)
        return false;
    for (size_t i = s->count; i-- > 0;) {
        const struct period *p = &s->periods[i];

        if (p->kind == PERIOD_IDLE &&
            (p->end == END_KICK || p->end == END_OTHER))
            next = i;
        s->next_kick[i] = next;
    }
    return true;
}

/* Margins take minutes to learn; on the same host they need not be again. */
static void start_learned(struct gov *g, const struct story_vcpu *vcpu)
{
    for (unsigned i = 0; i < IDLE_HIST_BUCKETS; i++) {
        uint64_t margin = vcpu->margin_ns[i];

        if (margin != 0)
            g->margin_ns[i] = earlier(margin, g->host->margin_cap_ns);
    }
}

static bool replay_vcpu(const struct story *story, unsigned vcpu,
                        const struct idle_policy *policy,
                        const struct costs *costs, struct replayed *out)
{
    struct sim s = {
        .costs = costs,
        .out = out,
        .periods = story->vcpu[vcpu].periods,
        .count = story->vcpu[vcpu].count,
        .end_ns = story->trace->end_ns,
        .random = vcpu,
    };

    if (s.count == 0)
        return true;
    if (!find_kicks(&s))
        return false;
    gov_init(&s.gov, &park_host, policy, story->trace->header.born_ns);
    if (costs->recorded)
        start_learned(&s.gov, &story->vcpu[vcpu]);
    run(&s);
    free(s.next_kick);
    return !s.failed;
}

bool replay(const struct story *story, const struct idle_policy *policy,
            const struct costs *costs, struct replayed *out)
{
    const struct trace *trace = story->trace;

    *out =
        (struct replayed){.length_ns = trace->end_ns - trace->header.begin_ns};
    for (unsigned i = 0; i < trace->header.vcpus; i++) {
        if (!replay_vcpu(story, i, policy, costs, out))
            return false;
    }
    return true;
}

void replayed_free(struct replayed *r)
{
    sample_free(&r->late);
    sample_free(&r->kick);
}
