/*
 * Numbers out of the JSON that a VM answers, and what two readings make.
 */
#include "readings.h"

#include <math.h>
#include <string.h>

enum { BUCKETS = 64 };

const char *const reading_wakes[] = {
    "irq",  "ipi",    "timer",         "stop",  "pause",    "resume",
    "work", "eagain", "timer_changed", "stray", "backstop", NULL};

double reading_number(const json_t *json, const char *a, const char *b,
                      const char *c)
{
    json = json_object_get(json, a);
    if (b != NULL)
        json = json_object_get(json, b);
    if (c != NULL)
        json = json_object_get(json, c);
    return (double)json_integer_value(json);
}

const char *reading_text(const json_t *json, const char *key)
{
    const char *value = json_string_value(json_object_get(json, key));

    return value == NULL ? "" : value;
}

const json_t *reading_cpu(const json_t *stats, size_t index)
{
    return json_array_get(json_object_get(stats, "cpus"), index);
}

void readings_time(struct readings *r)
{
    r->seconds = r->before != NULL
                     ? readings_change(r, "now_ns", NULL) / 1e9
                     : reading_number(r->after, "uptime_ns", NULL, NULL) / 1e9;
}

void readings_drop(struct readings *r)
{
    json_decref(r->before);
    json_decref(r->after);
    r->before = r->after = NULL;
}

size_t readings_cpus(const struct readings *r)
{
    return json_array_size(json_object_get(r->after, "cpus"));
}

double readings_change(const struct readings *r, const char *a, const char *b)
{
    return reading_number(r->after, a, b, NULL) -
           reading_number(r->before, a, b, NULL);
}

double readings_cpu_change(const struct readings *r, size_t cpu, const char *a,
                           const char *b, const char *c)
{
    return reading_number(reading_cpu(r->after, cpu), a, b, c) -
           reading_number(reading_cpu(r->before, cpu), a, b, c);
}

double reading_exits(const json_t *cpu)
{
    json_t *all = json_object_get(cpu, "exits"), *value;
    const char *class;
    double sum = 0;

    json_object_foreach(all, class, value) sum +=
        (double)json_integer_value(value);
    return sum;
}

double readings_exits(const struct readings *r, size_t cpu)
{
    return reading_exits(reading_cpu(r->after, cpu)) -
           reading_exits(reading_cpu(r->before, cpu));
}

double readings_percent(const struct readings *r, double cpu_ns)
{
    return r->seconds > 0 ? cpu_ns / 1e7 / r->seconds : 0;
}

double readings_rate(const struct readings *r, double events)
{
    return r->seconds > 0 ? events / r->seconds : 0;
}

/* ---- where the time went
 * -----------------------------------------------------
 */

static const char *const state_names[READING_STATES] = {
    [READING_RUN] = "run",   [READING_POLL] = "poll",
    [READING_SPIN] = "spin", [READING_PARK_DEADLINE] = "park_deadline",
    [READING_PARK] = "park", [READING_SLICED] = "sliced",
};

const char *reading_state_name(enum reading_state state)
{
    return state_names[state];
}

static double residency(const struct readings *r, size_t cpu,
                        enum reading_state state)
{
    const json_t *after = json_object_get(reading_cpu(r->after, cpu), "idle");
    const json_t *before = json_object_get(reading_cpu(r->before, cpu), "idle");

    return reading_number(after, "states", state_names[state], "residency_ns") -
           reading_number(before, "states", state_names[state], "residency_ns");
}

void readings_states(const struct readings *r, size_t cpu,
                     double percent[READING_STATES])
{
    double all = r->seconds * 1e9, awake, asleep = 0, slept[READING_STATES];
    double used = readings_cpu_change(r, cpu, "cpu_ns", NULL, NULL);

    memset(percent, 0, READING_STATES * sizeof(percent[0]));
    if (all <= 0)
        return;
    used = fmin(used, all);
    /* Spinning and polling is CPU time, but not the guest's. */
    percent[READING_POLL] =
        100 * fmin(residency(r, cpu, READING_POLL), used) / all;
    percent[READING_SPIN] =
        100 * fmin(residency(r, cpu, READING_SPIN), used) / all;
    awake = fmax(0, 100 * used / all - percent[READING_POLL] -
                        percent[READING_SPIN]);
    percent[READING_RUN] = awake;
    for (int i = READING_PARK_DEADLINE; i < READING_STATES; i++)
        asleep += slept[i] = residency(r, cpu, (enum reading_state)i);
    for (int i = READING_PARK_DEADLINE; i < READING_STATES; i++)
        percent[i] =
            asleep > 0 ? 100 * (1 - used / all) * slept[i] / asleep : 0;
    if (asleep <= 0)
        percent[READING_PARK] = 100 * (1 - used / all);
}

double readings_idle_percent(const struct readings *r)
{
    size_t cpus = readings_cpus(r);
    double sum = 0, percent[READING_STATES];

    for (size_t i = 0; i < cpus; i++) {
        readings_states(r, i, percent);
        sum += 100 - percent[READING_RUN];
    }
    return cpus != 0 ? sum / (double)cpus : 0;
}

/* ---- histograms
 * --------------------------------------------------------------
 */

static double add_buckets(const json_t *cpu, const char *name, double sign,
                          double buckets[BUCKETS])
{
    const json_t *list = json_object_get(json_object_get(cpu, "idle"), name);
    double sum = 0;

    for (size_t i = 0; i < json_array_size(list) && i < BUCKETS; i++) {
        double n = (double)json_integer_value(json_array_get(list, i));

        buckets[i] += sign * n;
        sum += sign * n;
    }
    return sum;
}

double readings_histogram(const struct readings *r, int cpu, const char *name,
                          double share, double *below_ns)
{
    double buckets[BUCKETS] = {0}, sum = 0, passed = 0;
    size_t first = cpu < 0 ? 0 : (size_t)cpu;
    size_t end = cpu < 0 ? readings_cpus(r) : first + 1;

    for (size_t i = first; i < end; i++) {
        sum += add_buckets(reading_cpu(r->after, i), name, 1, buckets);
        sum += add_buckets(reading_cpu(r->before, i), name, -1, buckets);
    }
    *below_ns = 0;
    for (int i = 0; sum > 0 && i < BUCKETS; i++) {
        passed += buckets[i];
        if (passed >= share * sum) {
            *below_ns = ldexp(1, i + 1);
            break;
        }
    }
    return sum;
}
