/*
 * `lull stat`: what a VM does and what it costs.
 *
 * Counters are read twice, an interval apart; rates and CPU shares are the
 * difference. CPU is in percent of one core, from the accounts of the process
 * and its threads, and a wake-up is a voluntary context switch: a thread that
 * had gone to sleep.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "client.h"
#include "lull/vm.h"
#include "readings.h"

static const char help[] =
    "Usage: lull stat [NAME] [OPTION...]\n"
    "\n"
    "Shows what a VM does and what it costs, from its own counters. NAME may\n"
    "be left out when only one VM is running.\n"
    "\n"
    "  --interval SECONDS  measure rates over this long (1); 0: since start\n"
    "  --watch             again and again, until Ctrl-C or the VM's end\n"
    "  --json              one JSON object with every counter (with --watch:\n"
    "                      one a line)\n"
    "  --help              this text\n"
    "\n"
    "CPU is in percent of one core. A wake-up is a voluntary context switch.\n";

enum option_id { OPT_INTERVAL = 256, OPT_WATCH, OPT_JSON, OPT_HELP };

static const struct option options[] = {
    {"interval", required_argument, NULL, OPT_INTERVAL},
    {"watch", no_argument, NULL, OPT_WATCH},
    {"json", no_argument, NULL, OPT_JSON},
    {"help", no_argument, NULL, OPT_HELP},
    {NULL, 0, NULL, 0},
};

struct request {
    const char *name;
    double interval;
    bool watch, json, help;
};

/* An interval in which the guest was idle for at least this share of its time
 * shows what idleness costs; in any other its work is part of the figure. */
#define IDLE_PERCENT 99

/* ---- JSON
 * --------------------------------------------------------------------
 */

static json_t *states_json(const struct readings *r, size_t cpu)
{
    double percent[READING_STATES];
    json_t *json = json_object();

    readings_states(r, cpu, percent);
    for (int i = 0; i < READING_STATES; i++)
        json_object_set_new(json, reading_state_name((enum reading_state)i),
                            json_real(percent[i]));
    return json;
}

static json_t *wakes_json(const struct readings *r, size_t cpu)
{
    json_t *json = json_object();

    for (size_t i = 0; reading_wakes[i] != NULL; i++)
        json_object_set_new(json, reading_wakes[i],
                            json_real(readings_rate(
                                r, readings_cpu_change(r, cpu, "idle", "wakes",
                                                       reading_wakes[i]))));
    return json;
}

static const char *const histograms[] = {"timer_late", "timer_early",
                                         "kick_to_run", "idle_length"};

enum { HISTOGRAMS = sizeof(histograms) / sizeof(histograms[0]) };

/* Each as its count and percentiles, these as upper bounds in ns. */
static json_t *histograms_json(const struct readings *r, int cpu)
{
    json_t *json = json_object();

    for (int i = 0; i < HISTOGRAMS; i++) {
        double p50, p90, p99, count;

        count = readings_histogram(r, cpu, histograms[i], 0.5, &p50);
        readings_histogram(r, cpu, histograms[i], 0.9, &p90);
        readings_histogram(r, cpu, histograms[i], 0.99, &p99);
        json_object_set_new(json, histograms[i],
                            json_pack("{s:f,s:f,s:f,s:f}", "count", count,
                                      "p50_below_ns", p50, "p90_below_ns", p90,
                                      "p99_below_ns", p99));
    }
    return json;
}

static json_t *cpu_json(const struct readings *r, size_t cpu)
{
    return json_pack(
        "{s:f,s:f,s:f,s:f,s:f,s:o,s:o,s:o}", "cpu_percent",
        readings_percent(r, readings_cpu_change(r, cpu, "cpu_ns", NULL, NULL)),
        "wakeups_per_s",
        readings_rate(
            r, readings_cpu_change(r, cpu, "voluntary_switches", NULL, NULL)),
        "exits_per_s", readings_rate(r, readings_exits(r, cpu)), "wfi_per_s",
        readings_rate(r, readings_cpu_change(r, cpu, "exits", "wfi", NULL)),
        "kicks_per_s",
        readings_rate(r, readings_cpu_change(r, cpu, "idle", "kicks", NULL)),
        "states_percent", states_json(r, cpu), "wakes_per_s",
        wakes_json(r, cpu), "histograms", histograms_json(r, (int)cpu));
}

/* What was measured, under "interval" of the VM's own object. */
static json_t *interval_json(const struct readings *r)
{
    double cpu = readings_percent(r, readings_change(r, "process", "cpu_ns"));
    double idle = readings_idle_percent(r);
    json_t *cpus = json_array();

    for (size_t i = 0; i < readings_cpus(r); i++)
        json_array_append_new(cpus, cpu_json(r, i));
    return json_pack(
        "{s:f,s:f,s:f,s:o,s:f,s:o,s:o}", "seconds", r->seconds, "cpu_percent",
        cpu, "idle_percent", idle, "idle_cpu_percent",
        idle >= IDLE_PERCENT ? json_real(cpu) : json_null(), "wakeups_per_s",
        readings_rate(r, readings_change(r, "process", "voluntary_switches")),
        "cpus", cpus, "histograms", histograms_json(r, READINGS_ALL));
}

/* ---- the tables
 * --------------------------------------------------------------
 */

static void print_machine(const struct readings *r)
{
    const json_t *idle =
        json_object_get(json_object_get(r->after, "settings"), "idle");
    double idle_percent = readings_idle_percent(r);

    printf("%s: %s%s, up %.0f s, lull %s, pid %.0f\n",
           reading_text(r->after, "name"), reading_text(r->after, "status"),
           json_is_true(json_object_get(r->after, "panicked"))
               ? " (its kernel panicked)"
               : "",
           reading_number(r->after, "uptime_ns", NULL, NULL) / 1e9,
           reading_text(r->after, "version"),
           reading_number(r->after, "process", "pid", NULL));
    printf("program %s\n", reading_text(r->after, "program"));
    printf("idle policy %s (%s), gic %s, memory %.0f MiB, resident %.0f MiB\n",
           reading_text(r->after, "policy"), reading_text(idle, "source"),
           reading_text(r->after, "gic"),
           reading_number(r->after, "memory_bytes", NULL, NULL) / 1048576,
           reading_number(r->after, "process", "resident_bytes", NULL) /
               1048576);
    printf(
        "over %.1f s: CPU %.2f %%, %.1f wake-ups/s; the guest was idle for "
        "%.1f %%\n",
        r->seconds,
        readings_percent(r, readings_change(r, "process", "cpu_ns")),
        readings_rate(r, readings_change(r, "process", "voluntary_switches")),
        idle_percent);
}

static double rate(const struct readings *r, size_t cpu, const char *a,
                   const char *b)
{
    return readings_rate(r, readings_cpu_change(r, cpu, a, b, NULL));
}

static void print_cpus(const struct readings *r)
{
    printf("\n%4s %-8s %8s %8s %9s %9s %9s %9s %9s\n", "VCPU", "POWER", "CPU %",
           "WAKE/S", "EXITS/S", "WFI/S", "TIMER/S", "KICKS/S", "BACKSTOP");
    for (size_t i = 0; i < readings_cpus(r); i++)
        printf("%4zu %-8s %8.2f %8.1f %9.1f %9.1f %9.1f %9.1f %9.0f\n", i,
               reading_text(reading_cpu(r->after, i), "power"),
               readings_percent(
                   r, readings_cpu_change(r, i, "cpu_ns", NULL, NULL)),
               rate(r, i, "voluntary_switches", NULL),
               readings_rate(r, readings_exits(r, i)),
               rate(r, i, "exits", "wfi"), rate(r, i, "timer_raised", NULL),
               rate(r, i, "idle", "kicks"),
               reading_number(reading_cpu(r->after, i), "idle", "wakes",
                              "backstop"));
}

static void print_states(const struct readings *r)
{
    double percent[READING_STATES];

    printf("\n%% TIME  ");
    for (int i = 0; i < READING_STATES; i++)
        printf(" %11.11s", reading_state_name((enum reading_state)i));
    putchar('\n');
    for (size_t i = 0; i < readings_cpus(r); i++) {
        readings_states(r, i, percent);
        printf("%8zu", i);
        for (int j = 0; j < READING_STATES; j++)
            printf(" %11.2f", percent[j]);
        putchar('\n');
    }
}

/* Only the reasons that there were, on any vCPU. */
static void print_wakes(const struct readings *r)
{
    bool any[32] = {false};

    for (size_t j = 0; reading_wakes[j] != NULL; j++)
        for (size_t i = 0; i < readings_cpus(r); i++)
            any[j] |= readings_cpu_change(r, i, "idle", "wakes",
                                          reading_wakes[j]) > 0;
    printf("\nWAKES/S ");
    for (size_t j = 0; reading_wakes[j] != NULL; j++)
        if (any[j])
            printf(" %11.11s", reading_wakes[j]);
    putchar('\n');
    for (size_t i = 0; i < readings_cpus(r); i++) {
        printf("%8zu", i);
        for (size_t j = 0; reading_wakes[j] != NULL; j++)
            if (any[j])
                printf(" %11.1f", readings_rate(r, readings_cpu_change(
                                                       r, i, "idle", "wakes",
                                                       reading_wakes[j])));
        putchar('\n');
    }
}

static void print_histograms(const struct readings *r)
{
    printf("\nALL VCPUS, BELOW us %9s %12s %12s %12s\n", "COUNT", "P50", "P90",
           "P99");
    for (int i = 0; i < HISTOGRAMS; i++) {
        double p50, p90, p99, count;

        count = readings_histogram(r, READINGS_ALL, histograms[i], 0.5, &p50);
        if (count <= 0)
            continue;
        readings_histogram(r, READINGS_ALL, histograms[i], 0.9, &p90);
        readings_histogram(r, READINGS_ALL, histograms[i], 0.99, &p99);
        printf("%-19s %9.0f %12.1f %12.1f %12.1f\n", histograms[i], count,
               p50 / 1e3, p90 / 1e3, p99 / 1e3);
    }
}

/* A counter of every vCPU added up, since the start. */
static double total(const struct readings *r, const char *a, const char *b)
{
    double sum = 0;

    for (size_t i = 0; i < readings_cpus(r); i++)
        sum += reading_number(reading_cpu(r->after, i), a, b, NULL);
    return sum;
}

static void print_totals(const struct readings *r)
{
    static const char *const idle[] = {
        "kicks",       "kicks_coalesced", "wake_syscalls",   "forced_exits",
        "poll_hits",   "poll_misses",     "budget_spent_ns", "budget_denied",
        "storms",      "sliced",          "rung_changes",    "faults_early",
        "faults_late", "faults_refused",  "oversleeps"};
    json_t *exits = json_object_get(reading_cpu(r->after, 0), "exits"), *value;
    const char *class;

    printf("\nexits since the start:");
    json_object_foreach(exits, class, value) if (total(r, "exits", class) > 0)
        printf(" %s %.0f", class, total(r, "exits", class));
    printf("\ngovernor since the start:");
    for (size_t i = 0; i < sizeof(idle) / sizeof(idle[0]); i++)
        if (total(r, "idle", idle[i]) > 0)
            printf(" %s %.0f", idle[i], total(r, "idle", idle[i]));
    printf("\nrung of each vCPU's sleep:");
    for (size_t i = 0; i < readings_cpus(r); i++)
        printf(" %s",
               reading_text(json_object_get(reading_cpu(r->after, i), "idle"),
                            "rung"));
    putchar('\n');
}

static void print_settings(const struct readings *r)
{
    json_t *settings = json_object_get(r->after, "settings"), *setting;
    const char *name;

    printf("settings:");
    json_object_foreach(settings, name, setting)
        printf(" %s=%s (%s)", name, reading_text(setting, "value"),
               reading_text(setting, "source"));
    putchar('\n');
}

static int print(struct readings *r, const struct request *request)
{
    if (request->json) {
        json_object_set_new(r->after, "interval", interval_json(r));
        json_dumpf(r->after, stdout,
                   request->watch ? JSON_COMPACT : JSON_INDENT(2));
        putchar('\n');
    } else {
        if (request->watch && isatty(1))
            fputs("\033[H\033[J", stdout);
        print_machine(r);
        print_cpus(r);
        print_states(r);
        print_wakes(r);
        print_histograms(r);
        print_totals(r);
        print_settings(r);
    }
    return fflush(stdout) == 0 ? CLI_OK : CLI_ERROR;
}

/* ---- the command
 * -------------------------------------------------------------
 */

/* The last reading, if there is one, is the next one's first. */
static bool take(struct client *client, double interval, struct readings *r,
                 char *err, size_t err_bytes)
{
    json_decref(r->before);
    r->before = r->after;
    r->after = NULL;
    if (interval > 0) {
        if (r->before == NULL)
            r->before = client_ask(client, "x-lull-stats", err, err_bytes);
        if (r->before == NULL)
            return false;
        cli_sleep(interval);
    }
    r->after = client_ask(client, "x-lull-stats", err, err_bytes);
    if (r->after == NULL)
        return false;
    readings_time(r);
    return true;
}

static int stat_vm(const char *name, const struct request *request)
{
    char err[LULL_ERROR_BYTES];
    struct client *client = client_open(name, err, sizeof(err));
    struct readings r = {0};
    int status;

    if (client == NULL)
        return cli_fail("stat", "%s", err);
    do {
        if (take(client, request->interval, &r, err, sizeof(err)))
            status = print(&r, request);
        else
            status = cli_fail("stat", "%s", err);
    } while (request->watch && status == CLI_OK);
    readings_drop(&r);
    client_close(client);
    return status;
}

/* Without a name: the one VM there is. */
static int stat_only(const struct request *request)
{
    char **names = client_names();
    int status;

    if (names == NULL || names[0] == NULL)
        status = cli_fail("stat", "no VM is running");
    else if (names[1] != NULL)
        status = cli_fail("stat", "several VMs are running; give the name of "
                                  "one, `lull list` shows them");
    else
        status = stat_vm(names[0], request);
    client_free_names(names);
    return status;
}

static int set(struct request *request, int option, const char *value)
{
    switch (option) {
    case OPT_INTERVAL:
        if (!cli_seconds(value, 86400, &request->interval))
            return cli_fail("stat", "--interval %s: give seconds, 0 to 86400",
                            value);
        return CLI_OK;
    case OPT_WATCH:
        request->watch = true;
        return CLI_OK;
    case OPT_JSON:
        request->json = true;
        return CLI_OK;
    case OPT_HELP:
        request->help = true;
        return CLI_OK;
    default:
        return CLI_ERROR;
    }
}

int cmd_stat(int argc, char **argv)
{
    struct request request = {.interval = 1};
    int option;

    while ((option = cli_option("stat", argc, argv, options)) != -1)
        if (set(&request, option, optarg) != CLI_OK)
            return CLI_ERROR;
    if (request.help)
        return cli_help(help);
    if (argc - optind > 1)
        return cli_fail("stat", "%s: give one name only", argv[optind + 1]);
    if (request.watch && request.interval <= 0)
        return cli_fail("stat", "--watch needs an --interval over 0");
    if (optind == argc)
        return stat_only(&request);
    return stat_vm(argv[optind], &request);
}
