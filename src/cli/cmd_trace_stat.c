/*
 * `lull trace stat`: a recording in numbers.
 */
#include <inttypes.h>
#include <stdio.h>

#include "cli.h"
#include "cmd_trace.h"
#include "lull/vm.h"
#include "trace/export.h"
#include "trace/replay.h"

static double us(uint64_t ns)
{
    return (double)ns / 1e3;
}

uint64_t trace_rate_milli(uint64_t count, uint64_t ns)
{
    return ns == 0 ? 0 : (uint64_t)((double)count * 1e12 / (double)ns + 0.5);
}

static double rate(uint64_t count, uint64_t ns)
{
    return (double)trace_rate_milli(count, ns) / 1e3;
}

static double percent(uint64_t part, uint64_t whole)
{
    return whole == 0 ? 0 : 100 * (double)part / (double)whole;
}

/* ---- JSON */

json_t *trace_percentiles(struct sample *sample)
{
    return json_pack("{s:I,s:f,s:f,s:f}", "count", (json_int_t)sample->count,
                     "p50_us", us(sample_at(sample, 500)), "p90_us",
                     us(sample_at(sample, 900)), "p99_us",
                     us(sample_at(sample, 990)));
}

/* log2 buckets as in idle.h, up to the last one in use. */
static unsigned buckets(const struct sample *sample, uint64_t *out)
{
    unsigned used = 0;

    for (unsigned i = 0; i < IDLE_HIST_BUCKETS; i++)
        out[i] = 0;
    for (size_t i = 0; i < sample->count; i++) {
        uint64_t value = sample->values[i];
        unsigned log2 = value ? 63 - (unsigned)__builtin_clzll(value) : 0;

        if (log2 >= IDLE_HIST_BUCKETS)
            log2 = IDLE_HIST_BUCKETS - 1;
        out[log2]++;
        used = log2 + 1 > used ? log2 + 1 : used;
    }
    return used;
}

static json_t *histogram(const struct sample *sample)
{
    uint64_t counts[IDLE_HIST_BUCKETS];
    unsigned used = buckets(sample, counts);
    json_t *list = json_array();

    for (unsigned i = 0; i < used; i++)
        json_array_append_new(list, json_integer((json_int_t)counts[i]));
    return list;
}

static void set_count(json_t *object, const char *name, uint64_t value)
{
    json_object_set_new(object, name, json_integer((json_int_t)value));
}

static json_t *states_json(const struct measured *m)
{
    json_t *states = json_object();

    for (unsigned i = 0; i < IDLE_STATES; i++)
        json_object_set_new(states, trace_state_name(i),
                            json_pack("{s:I,s:I}", "entries",
                                      (json_int_t)m->entries[i], "residency_ns",
                                      (json_int_t)m->residency_ns[i]));
    return states;
}

static json_t *wakes_json(const struct measured *m)
{
    json_t *wakes = json_object();

    for (unsigned i = 0; i <= IDLE_WAKE_BACKSTOP; i++)
        set_count(wakes, trace_wake_name(i), m->wakes[i]);
    return wakes;
}

static json_t *reasons_json(const struct measured *m)
{
    json_t *reasons = json_object();
    char name[64];

    for (unsigned i = 0; i < 16; i++) {
        if (m->reasons[i] == 0 && i > 6)
            continue;
        trace_reasons_text(1u << i, name, sizeof(name));
        set_count(reasons, name, m->reasons[i]);
    }
    return reasons;
}

/* `ns` is the recording's length. */
static json_t *measured_json(struct measured *m, uint64_t ns)
{
    json_t *json = json_object();

    set_count(json, "waits", m->waits);
    set_count(json, "passes", m->passes);
    set_count(json, "early", m->early);
    set_count(json, "sleeps", m->sleeps);
    json_object_set_new(json, "wakes_per_s", json_real(rate(m->sleeps, ns)));
    json_object_set_new(json, "cpu_percent",
                        m->cpu_known ? json_real(percent(m->cpu_ns, ns))
                                     : json_null());
    set_count(json, "guest_ns", m->guest_ns);
    json_object_set_new(json, "states", states_json(m));
    json_object_set_new(json, "wakes", wakes_json(m));
    json_object_set_new(json, "wake_reasons", reasons_json(m));
    set_count(json, "kicks", m->kicks);
    set_count(json, "kicks_parked", m->kicks_parked);
    set_count(json, "kicks_guest", m->kicks_guest);
    set_count(json, "lost", m->lost);
    json_object_set_new(json, "timer_late", trace_percentiles(&m->late));
    json_object_set_new(json, "kick_to_run", trace_percentiles(&m->kick));
    json_object_set_new(json, "idle_length", trace_percentiles(&m->idle));
    json_object_set_new(json, "timer_late_log2", histogram(&m->late));
    json_object_set_new(json, "kick_to_run_log2", histogram(&m->kick));
    json_object_set_new(json, "idle_length_log2", histogram(&m->idle));
    return json;
}

static void add_rows(json_t *rows, const char *kind, const char *how,
                     const struct cost_row *row, unsigned count)
{
    for (; count > 0; count--, row++) {
        json_t *json =
            json_pack("{s:s,s:s,s:I,s:f,s:f,s:f,s:f}", "kind", kind, "how", how,
                      "length_ns", (json_int_t)row->length_ns, "p10_us",
                      us(row->p10_ns), "p50_us", us(row->p50_ns), "p90_us",
                      us(row->p90_ns), "p99_us", us(row->p99_ns));

        if (row->cpu_ns != 0)
            json_object_set_new(json, "cpu_us", json_real(us(row->cpu_ns)));
        json_array_append_new(rows, json);
    }
}

/* A table of costs as `lull replay --costs` reads it. */
static json_t *costs_json(const struct costs *costs)
{
    json_t *rows = json_array();

    add_rows(rows, "deadline", "halt", costs->sleep, costs->sleeps);
    add_rows(rows, "kick", "park", costs->kick, costs->kicks);
    return json_pack("{s:I,s:o}", "wfi_ns", (json_int_t)costs->wfi_ns, "rows",
                     rows);
}

static void print_json(struct story *story, struct measured *sum)
{
    struct costs costs;
    const struct trace *trace = story->trace;
    uint64_t ns = trace->end_ns - trace->header.begin_ns;
    json_t *vcpus = json_array(), *json;

    for (unsigned i = 0; i < trace->header.vcpus; i++)
        json_array_append_new(vcpus, measured_json(&story->measured[i], ns));
    json = json_pack(
        "{s:s,s:s,s:s,s:I,s:I,s:I,s:I,s:o,s:o}", "name", trace->header.name,
        "policy", trace->header.policy, "version", trace->header.version,
        "length_ns", (json_int_t)ns, "age_ns",
        (json_int_t)(trace->header.begin_ns - trace->header.born_ns), "wall_ns",
        (json_int_t)trace->header.wall_ns, "records", (json_int_t)trace->count,
        "all", measured_json(sum, ns), "vcpus", vcpus);
    if (costs_of(story, sum, &costs))
        json_object_set_new(json, "costs", costs_json(&costs));
    json_dumpf(json, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(json);
}

/* ---- for people */

static void print_row(const char *name, const struct measured *m, uint64_t ns,
                      uint64_t whole)
{
    uint64_t parked = m->residency_ns[IDLE_STATE_PARK] +
                      m->residency_ns[IDLE_STATE_PARK_DEADLINE];

    printf("%-6s", name);
    if (m->cpu_known)
        printf(" %6.2f", percent(m->cpu_ns, ns));
    else
        printf(" %6s", "-");
    printf(" %8.1f %9.1f %9.1f  %6.2f %6.2f %6.2f %6.2f %6.2f\n",
           rate(m->sleeps, ns), rate(m->waits + m->passes, ns),
           rate(m->kicks, ns), percent(m->guest_ns, whole),
           percent(m->residency_ns[IDLE_STATE_POLL], whole),
           percent(m->residency_ns[IDLE_STATE_SPIN], whole),
           percent(parked, whole),
           percent(m->residency_ns[IDLE_STATE_SLICED], whole));
}

static void print_late(const char *name, struct sample *sample)
{
    if (sample->count != 0)
        printf("%-14s %9zu %12.1f %12.1f %12.1f\n", name, sample->count,
               us(sample_at(sample, 500)), us(sample_at(sample, 900)),
               us(sample_at(sample, 990)));
}

static void print_histogram(const char *name, const struct sample *sample)
{
    uint64_t counts[IDLE_HIST_BUCKETS], most = 1;
    unsigned used = buckets(sample, counts), first = 0;

    while (first < used && counts[first] == 0)
        first++;
    if (first == used)
        return;
    for (unsigned i = first; i < used; i++)
        most = counts[i] > most ? counts[i] : most;
    printf("\n%s\n", name);
    for (unsigned i = first; i < used; i++) {
        printf("%14.3f us  %8" PRIu64 " ", us(1ULL << i), counts[i]);
        for (uint64_t bar = counts[i] * 40 / most; bar > 0; bar--)
            putchar('#');
        putchar('\n');
    }
}

static void print_wakes(const struct measured *m)
{
    char name[64];

    printf("\nwaits ended by:");
    for (unsigned i = 0; i <= IDLE_WAKE_BACKSTOP; i++)
        printf(" %s %" PRIu64, trace_wake_name(i), m->wakes[i]);
    printf("\nkicks that woke:");
    for (unsigned i = 0; i < 16; i++) {
        trace_reasons_text(1u << i, name, sizeof(name));
        if (m->reasons[i] != 0)
            printf(" %s %" PRIu64, name, m->reasons[i]);
    }
    printf("\nkicks: %" PRIu64 ", %" PRIu64 " to a sleeping vCPU, %" PRIu64
           " to one in the guest\n",
           m->kicks, m->kicks_parked, m->kicks_guest);
    if (m->lost != 0)
        printf("lost records: %" PRIu64 "; figures are too low\n", m->lost);
}

static void print_text(struct story *story, struct measured *sum)
{
    const struct trace *trace = story->trace;
    uint64_t ns = trace->end_ns - trace->header.begin_ns;
    char name[16];

    printf("%s: %u vCPUs, %.3f s, from %.1f s after its start, policy %s, %zu "
           "records\n\n",
           trace->header.name, trace->header.vcpus, (double)ns / 1e9,
           (double)(trace->header.begin_ns - trace->header.born_ns) / 1e9,
           trace->header.policy, trace->count);
    printf("%-6s %6s %8s %9s %9s  %6s %6s %6s %6s %6s\n", "", "CPU %",
           "wakes/s", "WFIs/s", "kicks/s", "guest", "poll", "spin", "park",
           "slice");
    for (unsigned i = 0; i < trace->header.vcpus; i++) {
        snprintf(name, sizeof(name), "vcpu%u", i);
        print_row(name, &story->measured[i], ns, ns);
    }
    print_row("all", sum, ns, sum->length_ns);
    printf("\n%-14s %9s %12s %12s %12s\n", "us", "count", "p50", "p90", "p99");
    print_late("timer late", &sum->late);
    print_late("kick to run", &sum->kick);
    print_late("idle length", &sum->idle);
    print_wakes(sum);
    print_histogram("timer late, from", &sum->late);
    print_histogram("kick to run, from", &sum->kick);
    print_histogram("idle length, from", &sum->idle);
}

int trace_stat(const char *path, bool json)
{
    char err[LULL_ERROR_BYTES];
    struct story story;
    struct measured sum = {0};
    struct trace trace;
    bool ok;

    if (!trace_load(path, &trace, err, sizeof(err)))
        return cli_fail("trace", "%s", err);
    ok = story_tell(&trace, &story) && story_sum(&story, &sum);
    if (ok && json)
        print_json(&story, &sum);
    else if (ok)
        print_text(&story, &sum);
    measured_free(&sum);
    story_free(&story);
    trace_free(&trace);
    if (!ok)
        return cli_fail("trace", "%s: no memory", path);
    return fflush(stdout) == 0 ? CLI_OK : CLI_ERROR;
}
