#include "snapshot.h"

#include <math.h>
#include <string.h>

#include "lull/idle.h"

_Static_assert((int)SNAPSHOT_STATES == (int)IDLE_STATES &&
                   (int)IDLE_LENGTHS == (int)IDLE_HIST_BUCKETS,
               "the governor's states and buckets");

static double number(const json_t *json, const char *a, const char *b)
{
    json = json_object_get(json, a);
    if (b != NULL)
        json = json_object_get(json, b);
    return json_number_value(json);
}

static void add_buckets(const json_t *list, double buckets[IDLE_LENGTHS])
{
    for (size_t i = 0; i < json_array_size(list) && i < IDLE_LENGTHS; i++)
        buckets[i] += json_number_value(json_array_get(list, i));
}

static double sum_of(json_t *object)
{
    const char *key;
    json_t *value;
    double sum = 0;

    json_object_foreach(object, key, value) sum += json_number_value(value);
    return sum;
}

static void add_idle(const json_t *idle, struct snapshot *out)
{
    const json_t *states = json_object_get(idle, "states");

    for (unsigned i = 0; i < SNAPSHOT_STATES; i++) {
        const json_t *state = json_object_get(states, residency_names[i]);

        out->entries[i] += number(state, "entries", NULL);
        out->residency_ns[i] += number(state, "residency_ns", NULL);
    }
    add_buckets(json_object_get(idle, "idle_length"), out->idle_length);
    add_buckets(json_object_get(idle, "timer_late"), out->late);
    add_buckets(json_object_get(idle, "timer_early"), out->early);
}

static void add_vcpu(const json_t *cpu, unsigned index, struct snapshot *out)
{
    const json_t *deadline = json_object_get(cpu, "wfi_deadline_ns");
    double overdue = out->now_ns - json_number_value(deadline);

    out->in_wfi += json_is_true(json_object_get(cpu, "in_wfi"));
    out->vcpu_cpu_ns += number(cpu, "cpu_ns", NULL);
    out->wfi += number(cpu, "exits", "wfi");
    out->exits += sum_of(json_object_get(cpu, "exits"));
    add_idle(json_object_get(cpu, "idle"), out);
    if (deadline != NULL && overdue > out->overdue_ns) {
        out->overdue_ns = overdue;
        out->overdue_vcpu = index;
    }
}

bool snapshot_read(const json_t *stats, struct snapshot *out)
{
    const json_t *cpus = json_object_get(stats, "cpus");

    *out = (struct snapshot){0};
    out->now_ns = number(stats, "now_ns", NULL);
    out->uptime_ns = number(stats, "uptime_ns", NULL);
    out->cpu_ns = number(stats, "process", "cpu_ns");
    out->switches = number(stats, "process", "voluntary_switches");
    out->console_bytes =
        number(json_object_get(stats, "devices"), "uart", "tx_bytes");
    out->counter_zero_ns = number(stats, "counter", "zero_ns");
    out->counter_hz = number(stats, "counter", "hz");
    out->vcpus = (unsigned)json_array_size(cpus);
    for (unsigned i = 0; i < out->vcpus; i++)
        add_vcpu(json_array_get(cpus, i), i, out);
    return out->now_ns > 0 && out->vcpus > 0 && out->counter_hz > 0;
}

double snapshot_rate(const struct snapshot *before,
                     const struct snapshot *after, double events)
{
    double ns = after->now_ns - before->now_ns;

    return ns > 0 ? events / ns * 1e9 : NAN;
}

double snapshot_cpu_percent(const struct snapshot *before,
                            const struct snapshot *after)
{
    return snapshot_rate(before, after, after->cpu_ns - before->cpu_ns) / 1e7;
}

/*
 * A state's time is added up when it is left. A sleep that goes on at the
 * second reading is not in it, and one that began before the first is in it
 * whole. So the rest, what is neither a state nor CPU time, is sleep as well,
 * of the kind that the vCPUs sleep; only where they did not sleep was there no
 * host CPU for them.
 */
static void share_rest(const struct snapshot *after, double rest,
                       double share[RESIDENCIES])
{
    double parked = share[IDLE_STATE_PARK_DEADLINE] + share[IDLE_STATE_PARK];
    double factor = fmax(parked + rest, 0) / parked;

    if (parked > 0) {
        share[IDLE_STATE_PARK_DEADLINE] *= factor;
        share[IDLE_STATE_PARK] *= factor;
    } else if (after->in_wfi == after->vcpus) {
        share[IDLE_STATE_PARK] = fmax(rest, 0);
    } else {
        share[RESIDENCY_WAITING] = fmax(rest, 0);
    }
}

void snapshot_residency(const struct snapshot *before,
                        const struct snapshot *after, double share[RESIDENCIES])
{
    double all = (after->now_ns - before->now_ns) * after->vcpus;
    double cpu = after->vcpu_cpu_ns - before->vcpu_cpu_ns;
    double on_cpu = 0, asleep = 0, sum = 0;

    memset(share, 0, RESIDENCIES * sizeof(*share));
    for (unsigned i = 0; i < SNAPSHOT_STATES; i++) {
        share[i] = (after->residency_ns[i] - before->residency_ns[i]) / all;
        if (i <= IDLE_STATE_SPIN)
            on_cpu += share[i];
        else
            asleep += share[i];
    }
    share[RESIDENCY_RUNNING] = fmax(cpu / all - on_cpu, 0);
    share_rest(after, 1 - share[RESIDENCY_RUNNING] - on_cpu - asleep, share);
    for (unsigned i = 0; i < RESIDENCIES; i++)
        sum += share[i];
    for (unsigned i = 0; i < RESIDENCIES; i++)
        share[i] /= sum;
}

double snapshot_late_p50(const struct snapshot *before,
                         const struct snapshot *after)
{
    double early = 0, total, seen, half;

    for (unsigned i = 0; i < IDLE_LENGTHS; i++)
        early += after->early[i] - before->early[i];
    total = early;
    for (unsigned i = 0; i < IDLE_LENGTHS; i++)
        total += after->late[i] - before->late[i];
    if (total <= 0)
        return NAN;
    half = total / 2;
    if (early >= half)
        return 0;
    seen = early;
    for (unsigned i = 0; i < IDLE_LENGTHS; i++) {
        double here = after->late[i] - before->late[i];

        /* Inside a bucket the logarithm is taken to be spread evenly. */
        if (seen + here >= half)
            return exp2(i + (half - seen) / here);
        seen += here;
    }
    return NAN;
}
