#include "result.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const struct metric_info metric_info[METRICS] = {
    [METRIC_BOOT_WALL] = {"boot_wall_s", "boot s",
                          "process start to the first line of the guest's "
                          "init"},
    [METRIC_BOOT_CPU] = {"boot_cpu_s", "boot CPU s",
                         "CPU time of the process up to there"},
    [METRIC_IDLE_CPU] = {"idle_cpu_percent", "idle CPU %",
                         "CPU time of the process while the guest has nothing "
                         "to do, in percent of one core"},
    [METRIC_WAKEUPS] = {"wakeups_per_s", "wake-ups/s",
                        "voluntary context switches of all threads, idle"},
    [METRIC_WFI] = {"wfi_per_s", "WFIs/s", "WFI exits of all vCPUs, idle"},
    [METRIC_LATE_P50] = {"late_p50_us", "late p50",
                         "how late a real-time thread's sleep of 1 to 8 ms "
                         "ends, by the guest's clock, us"},
    [METRIC_LATE_P90] = {"late_p90_us", "p90", "the same, us"},
    [METRIC_LATE_P99] = {"late_p99_us", "p99", "the same, us"},
    [METRIC_HOST_LATE_P50] = {"host_late_p50_us", "wake p50",
                              "how late the vCPU's thread was back from its "
                              "sleep, by the monitor's counters, us"},
    [METRIC_KICK_P50] = {"kick_p50_us", "kick p50",
                         "a byte written to the console until a program in "
                         "the guest has it, us"},
    [METRIC_KICK_P99] = {"kick_p99_us", "p99", "the same, us"},
    [METRIC_ECHO_P50] = {"echo_p50_us", "echo p50",
                         "the same byte until its answer is read on the host, "
                         "us"},
    [METRIC_ECHO_MAX] = {"echo_max_us", "echo worst", "the worst of those, us"},
    [METRIC_NET_P50] = {"net_p50_us", "net p50",
                        "a byte over TCP until a program in the guest has it, "
                        "us"},
    [METRIC_NET_P99] = {"net_p99_us", "p99", "the same, us"},
    [METRIC_NET_ECHO_MAX] = {"net_echo_max_us", "net worst",
                             "the same byte until its answer is read on the "
                             "host: the worst, us"},
    [METRIC_COMPUTE] = {"compute_s", "compute s",
                        "a fixed piece of integer work on one vCPU, the "
                        "others idle"},
    [METRIC_HANDOFF] = {"handoff_us", "handoff us",
                        "a token handed to a thread on another vCPU and "
                        "back"},
};

bool metric_needs_net(enum metric metric)
{
    return metric >= METRIC_NET_P50 && metric <= METRIC_NET_ECHO_MAX;
}

const char *const residency_names[RESIDENCIES] = {
    "pending", "poll",   "spin",    "park_deadline",
    "park",    "sliced", "running", "waiting",
};

const char *outcome_name(enum outcome outcome)
{
    static const char *const names[] = {"ok", "stuck", "failed", "interrupted"};

    return names[outcome];
}

void run_init(struct run *run, size_t column, unsigned round)
{
    *run = (struct run){.column = column, .round = round, .load = NAN};
    for (unsigned i = 0; i < METRICS; i++)
        run->value[i] = NAN;
}

static void run_free(struct run *run)
{
    samples_free(&run->late_ns);
    samples_free(&run->kick_ns);
    samples_free(&run->net_ns);
    free(run->moment);
}

bool report_add(struct report *report, struct run *run)
{
    struct run *more =
        realloc(report->run, (report->runs + 1) * sizeof(*report->run));

    if (more == NULL) {
        run_free(run);
        return false;
    }
    report->run = more;
    report->run[report->runs++] = *run;
    return true;
}

void report_free(struct report *report)
{
    for (size_t i = 0; i < report->runs; i++)
        run_free(&report->run[i]);
    free(report->run);
    free(report->column);
    *report = (struct report){0};
}

bool report_complete(const struct report *report)
{
    size_t done = 0;

    for (size_t i = 0; i < report->runs; i++)
        done += report->run[i].outcome != OUTCOME_CUT;
    return done == report->planned;
}

struct spread report_spread(const struct report *report, size_t column,
                            enum metric metric)
{
    struct samples values = {0};
    struct spread spread;

    for (size_t i = 0; i < report->runs; i++)
        if (report->run[i].column == column &&
            report->run[i].outcome != OUTCOME_STUCK)
            samples_add(&values, report->run[i].value[metric]);
    spread = samples_spread(&values);
    samples_free(&values);
    return spread;
}

struct spread report_load(const struct report *report)
{
    struct samples values = {0};
    struct spread spread;

    for (size_t i = 0; i < report->runs; i++)
        samples_add(&values, report->run[i].load);
    spread = samples_spread(&values);
    samples_free(&values);
    return spread;
}

struct samples report_samples(const struct report *report, size_t column,
                              enum sample_kind which)
{
    struct samples all = {0};

    for (size_t i = 0; i < report->runs; i++) {
        const struct run *run = &report->run[i];

        if (run->column == column)
            samples_append(&all, which == SAMPLES_LATE   ? &run->late_ns
                                 : which == SAMPLES_KICK ? &run->kick_ns
                                                         : &run->net_ns);
    }
    return all;
}

bool report_residency(const struct report *report, size_t column,
                      double share[RESIDENCIES])
{
    double total = 0;

    memset(share, 0, RESIDENCIES * sizeof(*share));
    for (size_t i = 0; i < report->runs; i++) {
        if (report->run[i].column != column)
            continue;
        for (unsigned state = 0; state < RESIDENCIES; state++) {
            share[state] += report->run[i].residency[state];
            total += report->run[i].residency[state];
        }
    }
    if (total <= 0)
        return false;
    for (unsigned state = 0; state < RESIDENCIES; state++)
        share[state] /= total;
    return true;
}

void report_idle_lengths(const struct report *report, size_t column,
                         double buckets[IDLE_LENGTHS])
{
    memset(buckets, 0, IDLE_LENGTHS * sizeof(*buckets));
    for (size_t i = 0; i < report->runs; i++)
        for (unsigned b = 0;
             report->run[i].column == column && b < IDLE_LENGTHS; b++)
            buckets[b] += report->run[i].idle_length[b];
}

size_t report_outcomes(const struct report *report, size_t column,
                       enum outcome outcome, const struct run **first)
{
    size_t count = 0;

    *first = NULL;
    for (size_t i = 0; i < report->runs; i++) {
        const struct run *run = &report->run[i];

        if (run->column != column || run->outcome != outcome)
            continue;
        if (count++ == 0)
            *first = run;
    }
    return count;
}

/* "ladder" matches "ladder,us=50"; "ladder,us=50" only itself. */
static bool is_policy(const char *policy, const char *wanted)
{
    size_t len = strlen(wanted);

    return strncmp(policy, wanted, len) == 0 &&
           (policy[len] == '\0' || policy[len] == ',');
}

size_t report_find(const struct report *report, const char *policy,
                   unsigned cpus)
{
    size_t i;

    for (i = 0; i < report->columns; i++)
        if (report->column[i].cpus == cpus &&
            is_policy(report->column[i].policy, policy))
            break;
    return i;
}

size_t report_reference(const struct report *report, size_t column)
{
    unsigned cpus = report->column[column].cpus;
    size_t found = report_find(report, "park", cpus);

    if (found == report->columns)
        found = report_find(report, "spin", cpus);
    for (size_t i = 0; found == report->columns && i < report->columns; i++)
        if (report->column[i].cpus == cpus)
            found = i;
    return found;
}

double report_loss(const struct report *report, size_t column,
                   enum metric metric)
{
    size_t reference = report_reference(report, column);
    double best, mine;

    best = report_spread(report, reference, metric).median;
    mine = report_spread(report, column, metric).median;
    return 100 * (1 - best / mine);
}
