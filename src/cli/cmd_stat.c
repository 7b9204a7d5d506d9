/*
 * `lull stat`: what a VM does and what it costs.
 *
 * Counters are read twice, an interval apart; rates and CPU shares are the
 * difference. CPU is in percent of one core, from the accounts of the process
 * and its threads, and a wake-up is a voluntary context switch: a thread that
 * had gone to sleep.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli.h"
#include "client.h"
#include "lull/vm.h"

static const char help[] =
    "Usage: lull stat [NAME] [OPTION...]\n"
    "\n"
    "Shows what a VM does and what it costs, from its own counters. NAME may\n"
    "be left out when only one VM is running.\n"
    "\n"
    "  --interval SECONDS  measure rates over this long (1); 0: since start\n"
    "  --json              one JSON object with every counter\n"
    "  --help              this text\n"
    "\n"
    "CPU is in percent of one core. A wake-up is a voluntary context switch.\n";

enum option_id { OPT_INTERVAL = 256, OPT_JSON, OPT_HELP };

static const struct option options[] = {
    {"interval", required_argument, NULL, OPT_INTERVAL},
    {"json", no_argument, NULL, OPT_JSON},
    {"help", no_argument, NULL, OPT_HELP},
    {NULL, 0, NULL, 0},
};

/* ---- reading
 * -------------------------------------------------------------------- */

/* The number at a path of object keys, 0 where there is none; NULL ends it. */
static double number(const json_t *json, const char *a, const char *b,
                     const char *c)
{
    json = json_object_get(json, a);
    if (b != NULL)
        json = json_object_get(json, b);
    if (c != NULL)
        json = json_object_get(json, c);
    return (double)json_integer_value(json);
}

static const char *text(const json_t *json, const char *key)
{
    const char *value = json_string_value(json_object_get(json, key));

    return value == NULL ? "" : value;
}

static const json_t *cpu(const json_t *stats, size_t index)
{
    return json_array_get(json_object_get(stats, "cpus"), index);
}

static double exits(const json_t *of)
{
    const json_t *value;
    const char *key;
    double sum = 0;

    json_object_foreach(json_object_get((json_t *)(uintptr_t)of, "exits"), key,
                        value) sum += (double)json_integer_value(value);
    return sum;
}

/* ---- two readings, and what they make
 * --------------------------------------------- */

/* `before` is NULL when the interval is the VM's life. */
struct readings {
    json_t *before, *after;
    double seconds;
};

static double change(const struct readings *r, const char *a, const char *b)
{
    return number(r->after, a, b, NULL) - number(r->before, a, b, NULL);
}

static double cpu_change(const struct readings *r, size_t index, const char *a,
                         const char *b, const char *c)
{
    return number(cpu(r->after, index), a, b, c) -
           number(cpu(r->before, index), a, b, c);
}

static double exits_change(const struct readings *r, size_t index)
{
    return exits(cpu(r->after, index)) -
           (r->before == NULL ? 0 : exits(cpu(r->before, index)));
}

static double percent(const struct readings *r, double cpu_ns)
{
    return r->seconds > 0 ? cpu_ns / 1e7 / r->seconds : 0;
}

static double rate(const struct readings *r, double events)
{
    return r->seconds > 0 ? events / r->seconds : 0;
}

static json_t *cpus_json(const struct readings *r)
{
    size_t count = json_array_size(json_object_get(r->after, "cpus")), i;
    json_t *list = json_array();

    for (i = 0; i < count; i++)
        json_array_append_new(
            list,
            json_pack(
                "{s:f,s:f,s:f,s:f}", "cpu_percent",
                percent(r, cpu_change(r, i, "cpu_ns", NULL, NULL)),
                "wakeups_per_s",
                rate(r, cpu_change(r, i, "voluntary_switches", NULL, NULL)),
                "exits_per_s", rate(r, exits_change(r, i)), "wfi_per_s",
                rate(r, cpu_change(r, i, "exits", "wfi", NULL))));
    return list;
}

/* What was measured, under "interval" of the VM's own object. */
static json_t *interval_json(const struct readings *r)
{
    return json_pack("{s:f,s:f,s:f,s:o}", "seconds", r->seconds, "cpu_percent",
                     percent(r, change(r, "process", "cpu_ns")),
                     "wakeups_per_s",
                     rate(r, change(r, "process", "voluntary_switches")),
                     "cpus", cpus_json(r));
}

/* ---- the table
 * ----------------------------------------------------------------------- */

static void print_machine(const struct readings *r)
{
    const json_t *idle =
        json_object_get(json_object_get(r->after, "settings"), "idle");

    printf("%s: %s%s, up %.0f s, lull %s, pid %.0f\n", text(r->after, "name"),
           text(r->after, "status"),
           json_is_true(json_object_get(r->after, "panicked"))
               ? " (its kernel panicked)"
               : "",
           number(r->after, "uptime_ns", NULL, NULL) / 1e9,
           text(r->after, "version"), number(r->after, "process", "pid", NULL));
    printf("idle policy %s (%s), gic %s, memory %.0f MiB, resident %.0f MiB\n",
           text(r->after, "policy"), text(idle, "source"),
           text(r->after, "gic"),
           number(r->after, "memory_bytes", NULL, NULL) / 1048576,
           number(r->after, "process", "resident_bytes", NULL) / 1048576);
    printf("over %.1f s: CPU %.2f %%, %.1f wake-ups/s\n\n", r->seconds,
           percent(r, change(r, "process", "cpu_ns")),
           rate(r, change(r, "process", "voluntary_switches")));
}

static void print_cpus(const struct readings *r)
{
    size_t count = json_array_size(json_object_get(r->after, "cpus")), i;

    printf("%4s %-8s %8s %8s %9s %9s %9s %9s %9s\n", "VCPU", "POWER", "CPU %",
           "WAKE/S", "EXITS/S", "WFI/S", "TIMER/S", "KICKS/S", "BACKSTOP");
    for (i = 0; i < count; i++)
        printf("%4zu %-8s %8.2f %8.1f %9.1f %9.1f %9.1f %9.1f %9.0f\n", i,
               text(cpu(r->after, i), "power"),
               percent(r, cpu_change(r, i, "cpu_ns", NULL, NULL)),
               rate(r, cpu_change(r, i, "voluntary_switches", NULL, NULL)),
               rate(r, exits_change(r, i)),
               rate(r, cpu_change(r, i, "exits", "wfi", NULL)),
               rate(r, cpu_change(r, i, "timer_raised", NULL, NULL)),
               rate(r, cpu_change(r, i, "idle", "kicks", NULL)),
               number(cpu(r->after, i), "idle", "wakes", "backstop"));
}

/* Exits by class, summed over the vCPUs, since the start. */
static void print_exits(const struct readings *r)
{
    size_t count = json_array_size(json_object_get(r->after, "cpus")), i;
    const json_t *first = json_object_get(cpu(r->after, 0), "exits"), *value;
    const char *class;

    printf("\nexits since the start:");
    json_object_foreach((json_t *)(uintptr_t)first, class, value)
    {
        double sum = 0;

        for (i = 0; i < count; i++)
            sum += number(cpu(r->after, i), "exits", class, NULL);
        if (sum > 0)
            printf(" %s %.0f", class, sum);
    }
    putchar('\n');
}

static int print(struct readings *r, bool json)
{
    if (json) {
        json_object_set_new(r->after, "interval", interval_json(r));
        json_dumpf(r->after, stdout, JSON_INDENT(2));
        putchar('\n');
    } else {
        print_machine(r);
        print_cpus(r);
        print_exits(r);
    }
    return fflush(stdout) == 0 ? CLI_OK : CLI_ERROR;
}

/* ---- the command
 * --------------------------------------------------------------------- */

static void sleep_seconds(double seconds)
{
    struct timespec left = {.tv_sec = (time_t)seconds};

    left.tv_nsec = (long)((seconds - (double)left.tv_sec) * 1e9);
    while (nanosleep(&left, &left) != 0)
        ;
}

static bool take(struct client *client, double interval, struct readings *r,
                 char *err, size_t err_bytes)
{
    r->before = r->after = NULL;
    if (interval > 0) {
        r->before = client_ask(client, "x-lull-stats", err, err_bytes);
        if (r->before == NULL)
            return false;
        sleep_seconds(interval);
    }
    r->after = client_ask(client, "x-lull-stats", err, err_bytes);
    if (r->after == NULL)
        return false;
    r->seconds = interval > 0 ? change(r, "now_ns", NULL) / 1e9
                              : number(r->after, "uptime_ns", NULL, NULL) / 1e9;
    return true;
}

static int stat_vm(const char *name, double interval, bool json)
{
    char err[LULL_ERROR_BYTES];
    struct client *client = client_open(name, err, sizeof(err));
    struct readings r;
    int status;

    if (client == NULL)
        return cli_fail("stat", "%s", err);
    if (take(client, interval, &r, err, sizeof(err)))
        status = print(&r, json);
    else
        status = cli_fail("stat", "%s", err);
    json_decref(r.before);
    json_decref(r.after);
    client_close(client);
    return status;
}

/* Without a name: the one VM there is. */
static int stat_only(double interval, bool json)
{
    char **names = client_names();
    int status;

    if (names == NULL || names[0] == NULL)
        status = cli_fail("stat", "no VM is running");
    else if (names[1] != NULL)
        status = cli_fail("stat", "several VMs are running; give the name of "
                                  "one, `lull list` shows them");
    else
        status = stat_vm(names[0], interval, json);
    client_free_names(names);
    return status;
}

int cmd_stat(int argc, char **argv)
{
    double interval = 1;
    bool json = false;
    int option;

    while ((option = cli_option("stat", argc, argv, options)) != -1) {
        if (option == '?')
            return CLI_ERROR;
        if (option == OPT_HELP)
            return cli_help(help);
        if (option == OPT_JSON)
            json = true;
        else if (!cli_seconds(optarg, 86400, &interval))
            return cli_fail("stat", "--interval %s: give seconds, 0 to 86400",
                            optarg);
    }
    if (argc - optind > 1)
        return cli_fail("stat", "%s: give one name only", argv[optind + 1]);
    if (optind == argc)
        return stat_only(interval, json);
    return stat_vm(argv[optind], interval, json);
}
