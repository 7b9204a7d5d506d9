/*
 * From records to periods. The records of a vCPU come in the order of time,
 * its own and its kicks mixed. A recording may begin and end anywhere, and
 * may lack records (LOST), so nothing is taken for granted: a WAKE without a
 * WAIT began before the recording, a WAIT without a WAKE lasts to its end.
 */
#include "story.h"

#include <stdlib.h>
#include <string.h>

/* ---- samples */

bool sample_add(struct sample *s, uint64_t value)
{
    if (s->count == s->room) {
        size_t room = s->room ? s->room * 2 : 256;
        uint64_t *values = realloc(s->values, room * sizeof(*values));

        if (!values)
            return false;
        s->values = values;
        s->room = room;
    }
    s->values[s->count++] = value;
    s->sorted = false;
    return true;
}

static int by_size(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

uint64_t sample_at(struct sample *s, unsigned permille)
{
    if (s->count == 0)
        return 0;
    if (!s->sorted)
        qsort(s->values, s->count, sizeof(*s->values), by_size);
    s->sorted = true;
    return s->values[(s->count - 1) * permille / 1000];
}

void sample_free(struct sample *s)
{
    free(s->values);
    *s = (struct sample){0};
}

/* ---- one vCPU */

struct walk {
    const struct trace *trace;
    struct story_vcpu *out;
    struct measured *m;
    bool failed; /* no memory */

    bool open;   /* the guest is idle */
    bool asleep; /* in a wait, or held; else between two WFIs, or running */
    bool held;
    bool known; /* whether it is asleep or not: not before the first record */
    struct period now;
    uint64_t returned_ns; /* the last WFI that was not waited for */
    uint64_t ran_from_ns; /* the guest runs since */
    /* When each reason was first set in this period; 0: it was not. */
    uint64_t kicked_ns[16];
    uint8_t state; /* the wait is in, since and until */
    uint64_t state_ns, until_ns;
    struct seen *seen;
    uint64_t cpu_first_ns;
    bool cpu_seen;
};

static void close_period(struct walk *w, enum period_end end, uint64_t arrived,
                         uint64_t left)
{
    struct story_vcpu *out = w->out;

    w->now.end = end;
    w->now.arrived_ns = arrived;
    w->now.left_ns = left;
    w->open = false;
    if (out->count == out->room) {
        size_t room = out->room ? out->room * 2 : 256;
        struct period *periods = realloc(out->periods, room * sizeof(*periods));

        if (!periods) {
            w->failed = true;
            return;
        }
        out->periods = periods;
        out->room = room;
    }
    out->periods[out->count++] = w->now;
}

static void open_period(struct walk *w, enum period_kind kind, uint64_t time,
                        uint64_t deadline)
{
    w->now = (struct period){
        .kind = kind, .entered_ns = time, .deadline_ns = deadline};
    w->open = true;
    memset(w->kicked_ns, 0, sizeof(w->kicked_ns));
}

/* The first of these reasons to be set in this period; 0: none. */
static uint64_t first_kick(const struct walk *w, uint32_t reasons)
{
    uint64_t first = 0;

    for (unsigned i = 0; i < 16; i++) {
        uint64_t at = reasons >> i & 1 ? w->kicked_ns[i] : 0;

        if (at != 0 && (first == 0 || at < first))
            first = at;
    }
    return first;
}

static uint64_t later(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/*
 * The guest, idle but not waited for, comes to its next WFI: did something
 * come in between? Its timer did if it is set anew after its time was up.
 */
static void close_returned(struct walk *w, uint64_t time, uint64_t deadline)
{
    uint64_t kick = first_kick(w, IDLE_IRQ | IDLE_IPI);

    if (w->now.deadline_ns <= time && w->now.deadline_ns != deadline)
        close_period(w, END_DEADLINE, w->now.deadline_ns,
                     later(w->now.deadline_ns, w->returned_ns));
    else if (kick != 0)
        close_period(w, END_KICK, kick, later(kick, w->returned_ns));
}

static void sleeps(struct walk *w, uint64_t time)
{
    w->asleep = true;
    if (w->known)
        w->m->guest_ns += time - w->ran_from_ns;
    w->known = true;
}

static void runs(struct walk *w, uint64_t time)
{
    w->asleep = false;
    w->known = true;
    w->ran_from_ns = time;
}

static unsigned seen_bin(uint64_t ns)
{
    static const uint64_t below[] = {300000, 2000000, 6000000, 30000000};
    unsigned i = 0;

    while (i < SEEN_LENGTHS - 1 && ns >= below[i])
        i++;
    return i;
}

/* A sleep that its time ended says how late this host's sleeps end. */
static void see_sleep(struct walk *w, uint64_t time)
{
    bool slept =
        w->state == IDLE_STATE_PARK_DEADLINE || w->state == IDLE_STATE_SLICED;
    unsigned bin;

    if (!slept || time < w->until_ns || w->until_ns < w->state_ns)
        return;
    bin = seen_bin(w->until_ns - w->state_ns);
    w->failed |=
        !sample_add(&w->seen->length[bin], w->until_ns - w->state_ns) ||
        !sample_add(&w->seen->late[bin], time - w->until_ns);
}

static void see_kick(struct walk *w, uint64_t kick, uint64_t time)
{
    unsigned bin = seen_bin(kick - w->now.entered_ns);

    w->failed |=
        !sample_add(&w->seen->kick_length[bin], kick - w->now.entered_ns) ||
        !sample_add(&w->seen->kick[bin], time - kick);
}

static void end_state(struct walk *w, uint64_t time)
{
    see_sleep(w, time);
    if (w->state < IDLE_STATES)
        w->m->residency_ns[w->state] += time - w->state_ns;
    w->state = IDLE_STATES;
}

static void on_wait(struct walk *w, const struct idle_trace_record *r)
{
    sleeps(w, r->time_ns);
    w->m->waits++;
    w->held = r->detail == 0;
    if (w->open && !w->held)
        close_returned(w, r->time_ns, r->value);
    else if (w->open)
        close_period(w, END_OTHER, r->time_ns, r->time_ns);
    if (w->open)
        w->now.deadline_ns = r->value;
    else
        open_period(w, w->held ? PERIOD_HELD : PERIOD_IDLE, r->time_ns,
                    r->value);
}

static void on_state(struct walk *w, const struct idle_trace_record *r)
{
    end_state(w, r->time_ns);
    w->m->entries[r->detail]++;
    w->state = r->detail;
    w->state_ns = r->time_ns;
    w->until_ns = r->value;
    if (r->detail >= IDLE_STATE_PARK_DEADLINE)
        w->m->sleeps++;
}

/* A wait that began before the recording did. */
static void begun_before(struct walk *w, const struct idle_trace_record *r)
{
    uint64_t begin = w->trace->header.begin_ns;

    open_period(w, PERIOD_IDLE, begin, r->value);
    w->held = false;
    w->asleep = true;
    w->m->sleeps++;
}

static void woken_by_kick(struct walk *w, const struct idle_trace_record *r)
{
    uint32_t mine = r->reasons & (IDLE_IRQ | IDLE_IPI);
    uint64_t kick = first_kick(w, mine ? mine : r->reasons);

    for (unsigned i = 0; i < 16; i++)
        w->m->reasons[i] += r->reasons >> i & 1;
    /* Its record may be lost, or its kicker later than the wake. */
    if (kick == 0)
        kick = r->time_ns;
    else if (!w->held) {
        w->failed |= !sample_add(&w->m->kick, r->time_ns - kick);
        see_kick(w, kick, r->time_ns);
    }
    close_period(w, mine ? END_KICK : END_OTHER, kick, r->time_ns);
}

static void on_wake(struct walk *w, const struct idle_trace_record *r)
{
    if (!w->asleep)
        begun_before(w, r);
    end_state(w, r->time_ns);
    runs(w, r->time_ns);
    w->m->wakes[r->detail]++;
    w->failed |= !sample_add(
        &w->m->idle, r->time_ns - later(w->now.entered_ns, w->returned_ns));
    if (r->detail == IDLE_WAKE_EARLY) {
        w->m->early++;
        w->returned_ns = r->time_ns;
    } else if (r->detail == IDLE_WAKE_DEADLINE) {
        uint64_t due = r->value < r->time_ns ? r->value : r->time_ns;

        if (!w->held)
            w->failed |= !sample_add(&w->m->late, r->time_ns - due);
        close_period(w, END_DEADLINE, later(due, w->now.entered_ns),
                     r->time_ns);
    } else {
        woken_by_kick(w, r);
    }
}

static void on_pass(struct walk *w, const struct idle_trace_record *r)
{
    uint64_t time = r->time_ns, kick;

    w->m->passes++;
    w->m->entries[IDLE_STATE_PENDING]++;
    if (!w->known)
        runs(w, time);
    if (r->detail == IDLE_WAKE_EARLY) {
        w->m->early++;
        if (w->open)
            close_returned(w, time, r->value);
        if (w->open)
            w->failed |= !sample_add(&w->seen->round, time - w->returned_ns);
        else
            open_period(w, PERIOD_IDLE, time, r->value);
        w->now.deadline_ns = r->value;
        w->returned_ns = time;
        return;
    }
    if (!w->open) {
        open_period(w, PERIOD_PENDING, time, r->value);
        close_period(w, END_KICK, time, time);
        return;
    }
    kick = first_kick(w, IDLE_IRQ | IDLE_IPI);
    if (w->now.deadline_ns <= time)
        close_period(w, END_DEADLINE,
                     later(w->now.deadline_ns, w->now.entered_ns), time);
    else
        close_period(w, END_KICK, kick ? kick : time, time);
}

static void on_kick(struct walk *w, const struct idle_trace_record *r)
{
    w->m->kicks++;
    w->m->kicks_parked += r->detail == IDLE_TRACE_PARKED;
    w->m->kicks_guest += r->detail == IDLE_TRACE_GUEST;
    for (unsigned i = 0; i < 16; i++) {
        if (r->reasons >> i & 1 && w->kicked_ns[i] == 0)
            w->kicked_ns[i] = r->time_ns;
    }
}

static void on_cpu(struct walk *w, const struct idle_trace_record *r)
{
    if (!w->cpu_seen)
        w->cpu_first_ns = r->value;
    else if (r->value >= w->cpu_first_ns) {
        w->m->cpu_ns = r->value - w->cpu_first_ns;
        w->m->cpu_known = true;
    }
    w->cpu_seen = true;
}

static void walk_record(struct walk *w, const struct idle_trace_record *r)
{
    switch (r->kind) {
    case IDLE_TRACE_WAIT:
        on_wait(w, r);
        break;
    case IDLE_TRACE_STATE:
        on_state(w, r);
        break;
    case IDLE_TRACE_WAKE:
        on_wake(w, r);
        break;
    case IDLE_TRACE_PASS:
        on_pass(w, r);
        break;
    case IDLE_TRACE_KICK:
        on_kick(w, r);
        break;
    case IDLE_TRACE_CPU:
        on_cpu(w, r);
        break;
    case IDLE_TRACE_MARGIN:
        w->out->margin_ns[r->detail] = r->value;
        break;
    case IDLE_TRACE_LOST:
        w->m->lost += r->value;
        break;
    default:
        break;
    }
}

static bool walk(const struct trace *trace, unsigned vcpu, struct story *story)
{
    struct walk w = {.trace = trace,
                     .out = &story->vcpu[vcpu],
                     .m = &story->measured[vcpu],
                     .seen = &story->seen,
                     .state = IDLE_STATES,
                     .returned_ns = trace->header.begin_ns};

    w.m->length_ns = trace->end_ns - trace->header.begin_ns;
    for (size_t i = trace->first[vcpu]; i < trace->first[vcpu + 1]; i++)
        walk_record(&w, &trace->records[i]);
    /* Cut short by the recording's end, it says nothing about the host. */
    w.until_ns = UINT64_MAX;
    end_state(&w, trace->end_ns);
    if (w.known && !w.asleep)
        w.m->guest_ns += trace->end_ns - w.ran_from_ns;
    if (w.open)
        close_period(&w, END_NONE, trace->end_ns, trace->end_ns);
    return !w.failed;
}

/* ---- all of it */

bool story_tell(const struct trace *trace, struct story *story)
{
    memset(story, 0, sizeof(*story));
    story->trace = trace;
    for (unsigned i = 0; i < trace->header.vcpus; i++) {
        if (!walk(trace, i, story))
            return false;
    }
    return true;
}

void measured_free(struct measured *m)
{
    sample_free(&m->late);
    sample_free(&m->kick);
    sample_free(&m->idle);
}

void story_free(struct story *story)
{
    for (unsigned i = 0; i < TRACE_VCPUS_MAX; i++) {
        free(story->vcpu[i].periods);
        measured_free(&story->measured[i]);
    }
    for (unsigned i = 0; i < SEEN_LENGTHS; i++) {
        sample_free(&story->seen.length[i]);
        sample_free(&story->seen.late[i]);
        sample_free(&story->seen.kick_length[i]);
        sample_free(&story->seen.kick[i]);
    }
    sample_free(&story->seen.round);
}

static bool add_all(struct sample *to, const struct sample *from)
{
    for (size_t i = 0; i < from->count; i++) {
        if (!sample_add(to, from->values[i]))
            return false;
    }
    return true;
}

static bool add_measured(struct measured *sum, const struct measured *m)
{
    sum->length_ns += m->length_ns;
    sum->waits += m->waits;
    sum->passes += m->passes;
    sum->early += m->early;
    sum->sleeps += m->sleeps;
    sum->guest_ns += m->guest_ns;
    sum->kicks += m->kicks;
    sum->kicks_parked += m->kicks_parked;
    sum->kicks_guest += m->kicks_guest;
    sum->lost += m->lost;
    sum->cpu_ns += m->cpu_ns;
    sum->cpu_known = sum->cpu_known && m->cpu_known;
    for (unsigned i = 0; i < IDLE_STATES; i++) {
        sum->residency_ns[i] += m->residency_ns[i];
        sum->entries[i] += m->entries[i];
    }
    for (unsigned i = 0; i <= IDLE_WAKE_BACKSTOP; i++)
        sum->wakes[i] += m->wakes[i];
    for (unsigned i = 0; i < 16; i++)
        sum->reasons[i] += m->reasons[i];
    return add_all(&sum->late, &m->late) && add_all(&sum->kick, &m->kick) &&
           add_all(&sum->idle, &m->idle);
}

bool story_sum(const struct story *story, struct measured *sum)
{
    *sum = (struct measured){.cpu_known = true};
    for (unsigned i = 0; i < story->trace->header.vcpus; i++) {
        if (!add_measured(sum, &story->measured[i]))
            return false;
    }
    return true;
}
