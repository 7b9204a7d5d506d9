/*
 * Trace events: one JSON object a line. Times are in microseconds from the
 * recording's beginning, to the nanosecond.
 */
#include "export.h"

#include <inttypes.h>
#include <string.h>

/* ---- names */

const char *trace_state_name(unsigned state)
{
    static const char *const names[IDLE_STATES] = {
        "pending", "poll", "spin", "park_deadline", "park", "sliced"};

    return state < IDLE_STATES ? names[state] : "?";
}

const char *trace_wake_name(unsigned wake)
{
    static const char *const names[] = {"pending", "deadline", "kick", "early",
                                        "backstop"};

    return wake <= IDLE_WAKE_BACKSTOP ? names[wake] : "?";
}

void trace_reasons_text(uint32_t reasons, char *out, size_t bytes)
{
    static const char *const names[] = {
        "irq", "ipi", "stop", "pause", "resume", "work", "timer_changed"};
    size_t used = 0;

    snprintf(out, bytes, "-");
    for (unsigned i = 0; i < 16 && used < bytes; i++) {
        if (!(reasons >> i & 1))
            continue;
        if (i < sizeof(names) / sizeof(names[0]))
            used += (size_t)snprintf(out + used, bytes - used, "%s%s",
                                     used ? "+" : "", names[i]);
        else
            used += (size_t)snprintf(out + used, bytes - used, "%sbit%u",
                                     used ? "+" : "", i);
    }
}

void trace_policy_text(const struct idle_trace_record *record, char *out,
                       size_t bytes)
{
    struct idle_policy policy = {
        .share_permille = (uint32_t)record->value,
        .sleep_us = (uint32_t)(record->value >> 32),
        .poll = record->reasons & 1,
    };

    snprintf(policy.name, sizeof(policy.name), "%s",
             idle_policy_names()[record->detail]);
    idle_policy_format(&policy, out, bytes);
}

void trace_who_text(unsigned who, char *out, size_t bytes)
{
    if (who == IDLE_TRACE_WHO_LOOP)
        snprintf(out, bytes, "main loop");
    else if (who < TRACE_VCPUS_MAX)
        snprintf(out, bytes, "vcpu %u", who);
    else
        snprintf(out, bytes, "other");
}

/* ---- events */

enum { PID = 1, TRACK_LOOP = 1001, TRACK_OTHER = 1002 };

struct export
{
    const struct trace *trace;
    FILE *out;
    bool begun;
    uint64_t flows;
    /* This vCPU. */
    unsigned track;
    bool running, waiting;
    uint64_t since_ns;
    unsigned state;
    uint64_t flow; /* to be ended where it wakes; 0: none */
};

static unsigned track_of(unsigned who)
{
    if (who == IDLE_TRACE_WHO_LOOP)
        return TRACK_LOOP;
    return who < TRACE_VCPUS_MAX ? who + 1 : TRACK_OTHER;
}

static void begin(struct export *e, const char *phase, unsigned track)
{
    fprintf(e->out, "%s\n{\"ph\":\"%s\",\"pid\":%d,\"tid\":%u",
            e->begun ? "," : "", phase, PID, track);
    e->begun = true;
}

static void at(struct export *e, const char *key, uint64_t ns)
{
    fprintf(e->out, ",\"%s\":%" PRIu64 ".%03" PRIu64, key, ns / 1000,
            ns % 1000);
}

static void text(struct export *e, const char *string)
{
    fputc('"', e->out);
    for (; *string; string++) {
        if (*string == '"' || *string == '\\')
            fputc('\\', e->out);
        fputc(*string, e->out);
    }
    fputc('"', e->out);
}

static void named(struct export *e, const char *kind, unsigned track,
                  const char *name)
{
    begin(e, "M", track);
    fprintf(e->out, ",\"name\":\"%s\",\"args\":{\"name\":", kind);
    text(e, name);
    fputs("}}", e->out);
}

static void slice(struct export *e, const char *name, uint64_t from,
                  uint64_t until)
{
    begin(e, "X", e->track);
    fprintf(e->out, ",\"name\":\"%s\",\"cat\":\"idle\"", name);
    at(e, "ts", from - e->trace->header.begin_ns);
    at(e, "dur", until - from);
    fputc('}', e->out);
}

static void instant(struct export *e, const char *name, uint64_t time)
{
    begin(e, "i", e->track);
    fprintf(e->out, ",\"s\":\"t\",\"cat\":\"idle\",\"name\":");
    text(e, name);
    at(e, "ts", time - e->trace->header.begin_ns);
    fputc('}', e->out);
}

/* An arrow's ends: "s" where it starts and "f" where it ends. */
static void arrow(struct export *e, const char *phase, unsigned track,
                  uint64_t flow, uint64_t time)
{
    begin(e, phase, track);
    fprintf(e->out, ",\"name\":\"kick\",\"cat\":\"kick\",\"id\":%" PRIu64,
            flow);
    if (phase[0] == 'f')
        fputs(",\"bp\":\"e\"", e->out);
    at(e, "ts", time - e->trace->header.begin_ns);
    fputc('}', e->out);
}

static void end_slice(struct export *e, uint64_t time)
{
    if (e->waiting)
        slice(e, trace_state_name(e->state), e->since_ns, time);
    else if (e->running)
        slice(e, "guest", e->since_ns, time);
    e->waiting = e->running = false;
}

static void on_kick(struct export *e, const struct idle_trace_record *r)
{
    unsigned own = e->track;
    char name[160], reasons[100];

    trace_reasons_text(r->reasons, reasons, sizeof(reasons));
    snprintf(name, sizeof(name), "kick %s", reasons);
    instant(e, name, r->time_ns);
    if (r->detail != IDLE_TRACE_PARKED || e->flow != 0)
        return;
    e->flow = ++e->flows;
    if (track_of(r->who) >= TRACK_LOOP) {
        /* These tracks have nothing else for the arrow to start from. */
        e->track = track_of(r->who);
        slice(e, "kick", r->time_ns, r->time_ns + 1);
        e->track = own;
    }
    arrow(e, "s", track_of(r->who), e->flow, r->time_ns);
}

static void on_wake(struct export *e, const struct idle_trace_record *r)
{
    end_slice(e, r->time_ns);
    e->running = true;
    e->since_ns = r->time_ns;
    if (e->flow != 0)
        arrow(e, "f", e->track, e->flow, r->time_ns);
    e->flow = 0;
}

static void on_record(struct export *e, const struct idle_trace_record *r)
{
    char name[100];

    switch (r->kind) {
    case IDLE_TRACE_WAIT:
        end_slice(e, r->time_ns);
        break;
    case IDLE_TRACE_STATE:
        end_slice(e, r->time_ns);
        e->waiting = true;
        e->state = r->detail;
        e->since_ns = r->time_ns;
        break;
    case IDLE_TRACE_WAKE:
        on_wake(e, r);
        break;
    case IDLE_TRACE_PASS:
        snprintf(name, sizeof(name), "wfi: %s", trace_wake_name(r->detail));
        instant(e, name, r->time_ns);
        break;
    case IDLE_TRACE_KICK:
        on_kick(e, r);
        break;
    case IDLE_TRACE_POLICY:
        memcpy(name, "policy ", 8);
        trace_policy_text(r, name + 7, sizeof(name) - 7);
        instant(e, name, r->time_ns);
        break;
    case IDLE_TRACE_LOST:
        snprintf(name, sizeof(name), "%" PRIu64 " records lost", r->value);
        instant(e, name, r->time_ns);
        break;
    default:
        break;
    }
}

static void export_vcpu(struct export *e, unsigned vcpu)
{
    const struct trace *trace = e->trace;
    char name[32];

    e->track = vcpu + 1;
    e->running = e->waiting = false;
    e->flow = 0;
    snprintf(name, sizeof(name), "vcpu %u", vcpu);
    named(e, "thread_name", e->track, name);
    for (size_t i = trace->first[vcpu]; i < trace->first[vcpu + 1]; i++)
        on_record(e, &trace->records[i]);
    end_slice(e, trace->end_ns);
    /* The recording ended before the wake: the arrow ends with it. */
    if (e->flow != 0)
        arrow(e, "f", e->track, e->flow, trace->end_ns);
}

bool trace_export(const struct trace *trace, FILE *out)
{
    struct export e = {.trace = trace, .out = out};

    fputs("{\"displayTimeUnit\":\"ns\",\"otherData\":{\"recorder\":", out);
    text(&e, trace->header.version);
    fputs(",\"policy\":", out);
    text(&e, trace->header.policy);
    fputs("},\"traceEvents\":[", out);
    named(&e, "process_name", 0, trace->header.name);
    named(&e, "thread_name", TRACK_LOOP, "main loop");
    named(&e, "thread_name", TRACK_OTHER, "other threads");
    for (unsigned i = 0; i < trace->header.vcpus; i++)
        export_vcpu(&e, i);
    fputs("\n]}\n", out);
    return fflush(out) == 0 && !ferror(out);
}
