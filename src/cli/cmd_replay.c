/*
 * `lull replay`: what each idle policy would have made of a recording.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "cmd_trace.h"
#include "lull/vm.h"
#include "trace/replay.h"

static const char help[] =
    "Usage: lull replay FILE [--idle POLICY[,key=value...]]... [--costs "
    "COSTS]\n"
    "                   [--age SECONDS] [--json]\n"
    "\n"
    "Runs a recording of `lull trace record` under idle policies: when timers\n"
    "were due, when others kicked, and how long the guest ran is as recorded;\n"
    "what the vCPU does in between is the policy's. The same recording gives\n"
    "the same figures every time.\n"
    "\n"
    "  --idle POLICY   this one; may be given several times (all ten)\n"
    "  --costs COSTS   what a sleep costs and how late it ends: `recorded`,\n"
    "                  which is as the recording itself shows it; `built-in`;\n"
    "                  or a file, of `lull bench wake --json` or `lull trace\n"
    "                  stat --json` (recorded where it has enough, built-in)\n"
    "  --age SECONDS   as if the VM had been started so long before the\n"
    "                  recording: some policies do nothing at first\n"
    "  --json          as JSON\n";

enum { POLICIES_MAX = 32 };

enum option_id { OPT_IDLE = 256, OPT_COSTS, OPT_AGE, OPT_JSON, OPT_HELP };

static const struct option options[] = {
    {"idle", required_argument, NULL, OPT_IDLE},
    {"costs", required_argument, NULL, OPT_COSTS},
    {"age", required_argument, NULL, OPT_AGE},
    {"json", no_argument, NULL, OPT_JSON},
    {"help", no_argument, NULL, OPT_HELP},
    {NULL, 0, NULL, 0},
};

struct arguments {
    struct idle_policy policies[POLICIES_MAX];
    unsigned count;
    struct costs costs;
    const char *costs_from; /* a file, or a word; NULL: what there is */
    double age;             /* below 0: as recorded */
    bool json;
};

/* ---- costs, from `lull bench wake --json` or `lull trace stat --json` */

static uint64_t ns_of(const json_t *row, const char *key)
{
    double value = json_number_value(json_object_get(row, key));

    return value >= 0 && value < 1e9 ? (uint64_t)llround(value * 1e3) : 0;
}

static bool is(const json_t *row, const char *key, const char *value)
{
    const char *text = json_string_value(json_object_get(row, key));

    return text != NULL && strcmp(text, value) == 0;
}

/* The CPU time of one sleep: as it is, or its share of the time one takes. */
static void add_row(struct costs *costs, const json_t *json)
{
    json_int_t length = json_integer_value(json_object_get(json, "length_ns"));
    double percent = json_number_value(json_object_get(json, "cpu_percent"));
    struct cost_row row = {.length_ns = length > 0 ? (uint64_t)length : 0,
                           .p10_ns = ns_of(json, "p10_us"),
                           .p50_ns = ns_of(json, "p50_us"),
                           .p90_ns = ns_of(json, "p90_us"),
                           .p99_ns = ns_of(json, "p99_us")};

    /* How fast the fastest are, `bench wake` does not say. */
    if (json_object_get(json, "p10_us") == NULL)
        row.p10_ns = row.p50_ns * 6 / 10;
    row.cpu_ns = ns_of(json, "cpu_us");
    if (percent > 0 && percent <= 100)
        row.cpu_ns = (uint64_t)llround(percent / 100 *
                                       (double)(row.length_ns + row.p50_ns));
    if (is(json, "kind", "deadline") && is(json, "how", "halt") &&
        costs->sleeps < COST_ROWS_MAX)
        costs->sleep[costs->sleeps++] = row;
    if (is(json, "kind", "kick") && is(json, "how", "park") &&
        costs->kicks < COST_ROWS_MAX)
        costs->kick[costs->kicks++] = row;
}

static bool read_costs(const char *path, struct costs *costs)
{
    struct costs read = {.wfi_ns = costs_default.wfi_ns};
    char err[LULL_ERROR_BYTES];
    json_error_t error;
    json_t *json = json_load_file(path, 0, &error), *row;
    const json_t *table = json_object_get(json, "costs"), *wfi;
    size_t i;

    if (json == NULL) {
        cli_fail("replay", "--costs %s: %s", path, error.text);
        return false;
    }
    /* Of a recording; then what its vCPUs had learned is of that host too. */
    read.recorded = table != NULL;
    if (table == NULL)
        table = json;
    wfi = json_object_get(table, "wfi_ns");
    json_array_foreach(json_object_get(table, "rows"), i, row)
        add_row(&read, row);
    if (wfi != NULL)
        read.wfi_ns = (uint64_t)json_integer_value(wfi);
    json_decref(json);
    if (!costs_check(&read, err, sizeof(err))) {
        cli_fail("replay",
                 "--costs %s: %s; give what `lull bench wake --json` or `lull "
                 "trace stat --json` printed",
                 path, err);
        return false;
    }
    *costs = read;
    return true;
}

/* ---- results */

/* In hundredths, so that no rounding of a host's printf is in the way. */
static void print_centi(int width, uint64_t centi)
{
    printf(" %*" PRIu64 ".%02" PRIu64, width - 3, centi / 100, centi % 100);
}

static void print_ms(struct sample *sample, unsigned permille)
{
    uint64_t us = (sample_at(sample, permille) + 500) / 1000;

    if (sample->count == 0)
        printf(" %10s", "-");
    else
        printf(" %6" PRIu64 ".%03" PRIu64, us / 1000, us % 1000);
}

static void print_heading(void)
{
    printf("%-18s %8s %11s  %32s  %21s\n", "", "", "", "timer late, ms     ",
           "kick to run, ms  ");
    printf("%-18s %8s %11s %10s %10s %10s %10s %10s\n", "policy", "CPU %",
           "wakes/s", "p50", "p90", "p99", "p50", "p99");
}

static uint64_t centi_percent(uint64_t part, uint64_t whole)
{
    return whole == 0 ? 0 : (uint64_t)((unsigned __int128)part * 10000 / whole);
}

static uint64_t centi_rate(uint64_t count, uint64_t ns)
{
    return ns == 0
               ? 0
               : (uint64_t)((unsigned __int128)count * 100000000000ULL / ns);
}

static void print_row(const char *name, bool cpu_known, uint64_t cpu_ns,
                      uint64_t sleeps, uint64_t length_ns, struct sample *late,
                      struct sample *kick)
{
    printf("%-18s", name);
    if (cpu_known)
        print_centi(8, centi_percent(cpu_ns, length_ns));
    else
        printf(" %8s", "-");
    print_centi(11, centi_rate(sleeps, length_ns));
    print_ms(late, 500);
    print_ms(late, 900);
    print_ms(late, 990);
    print_ms(kick, 500);
    print_ms(kick, 990);
}

static uint64_t cpu_ns(const struct replayed *r)
{
    return r->guest_ns + r->spin_ns + r->sleep_cpu_ns + r->return_ns;
}

static void print_replayed(const char *name, struct replayed *r)
{
    print_row(name, true, cpu_ns(r), r->sleeps, r->length_ns, &r->late,
              &r->kick);
    if (r->never != 0)
        printf("  %" PRIu64 " timers never served", r->never);
    putchar('\n');
}

static json_t *row_json(const char *name, uint64_t sleeps, uint64_t length_ns,
                        struct sample *late, struct sample *kick)
{
    return json_pack("{s:s,s:f,s:o,s:o}", "policy", name, "wakes_per_s",
                     (double)trace_rate_milli(sleeps, length_ns) / 1e3,
                     "timer_late", trace_percentiles(late), "kick_to_run",
                     trace_percentiles(kick));
}

static json_t *replayed_json(const char *name, struct replayed *r)
{
    json_t *row = row_json(name, r->sleeps, r->length_ns, &r->late, &r->kick);

    json_object_set_new(
        row, "cpu_percent",
        json_real((double)centi_percent(cpu_ns(r), r->length_ns) / 100));
    json_object_set_new(row, "guest_ns", json_integer((json_int_t)r->guest_ns));
    json_object_set_new(row, "spin_ns", json_integer((json_int_t)r->spin_ns));
    json_object_set_new(row, "sleep_cpu_ns",
                        json_integer((json_int_t)r->sleep_cpu_ns));
    json_object_set_new(row, "return_ns",
                        json_integer((json_int_t)r->return_ns));
    json_object_set_new(row, "never_served",
                        json_integer((json_int_t)r->never));
    return row;
}

/* What was measured while the recording was made. */
static json_t *recorded_json(const struct trace *trace, struct measured *m)
{
    uint64_t length = trace->end_ns - trace->header.begin_ns;
    json_t *row =
        row_json(trace->header.policy, m->sleeps, length, &m->late, &m->kick);

    json_object_set_new(
        row, "cpu_percent",
        m->cpu_known ? json_real((double)centi_percent(m->cpu_ns, length) / 100)
                     : json_null());
    json_object_set_new(row, "guest_ns", json_integer((json_int_t)m->guest_ns));
    json_object_set_new(row, "lost", json_integer((json_int_t)m->lost));
    return row;
}

static void print_recorded(const struct trace *trace, struct measured *m,
                           const struct arguments *args)
{
    char name[32];

    printf("%s: %u vCPUs, %.3f s, from %.1f s after its start\ncosts: %s\n\n",
           trace->header.name, trace->header.vcpus,
           (double)(trace->end_ns - trace->header.begin_ns) / 1e9,
           (double)(trace->header.begin_ns - trace->header.born_ns) / 1e9,
           args->costs_from);
    print_heading();
    snprintf(name, sizeof(name), "=%.30s", trace->header.policy);
    print_row(name, m->cpu_known, m->cpu_ns, m->sleeps,
              trace->end_ns - trace->header.begin_ns, &m->late, &m->kick);
    printf("  as recorded%s\n", m->lost ? ", records were lost" : "");
}

/* One policy after the other. False: no memory. */
static bool replay_all(const struct story *story, const struct arguments *args,
                       json_t *rows)
{
    for (unsigned i = 0; i < args->count; i++) {
        struct replayed result;
        char name[64];
        bool ok = replay(story, &args->policies[i], &args->costs, &result);

        idle_policy_format(&args->policies[i], name, sizeof(name));
        if (ok && args->json)
            json_array_append_new(rows, replayed_json(name, &result));
        else if (ok)
            print_replayed(name, &result);
        replayed_free(&result);
        fflush(stdout);
        if (!ok)
            return false;
    }
    return true;
}

/* The recording's own costs, where they are asked for and there are any. */
static bool choose_costs(struct story *story, const struct measured *sum,
                         struct arguments *args)
{
    struct costs own;
    bool any;

    if (args->costs_from != NULL && strcmp(args->costs_from, "recorded") != 0)
        return true;
    any = costs_of(story, sum, &own);
    if (!any && args->costs_from != NULL)
        return false;
    args->costs_from = any ? "recorded" : "built-in";
    if (any)
        args->costs = own;
    return true;
}

static bool run_story(const struct trace *trace, struct story *story,
                      struct measured *sum, const struct arguments *args)
{
    json_t *rows = json_array(), *json;
    bool ok;

    if (!args->json)
        print_recorded(trace, sum, args);
    ok = replay_all(story, args, rows);
    if (!args->json || !ok) {
        json_decref(rows);
        return ok;
    }
    json = json_pack("{s:s,s:i,s:I,s:s,s:o,s:o}", "name", trace->header.name,
                     "vcpus", (int)trace->header.vcpus, "length_ns",
                     (json_int_t)(trace->end_ns - trace->header.begin_ns),
                     "costs", args->costs_from, "recorded",
                     recorded_json(trace, sum), "replayed", rows);
    json_dumpf(json, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(json);
    return true;
}

static int replay_file(const char *path, struct arguments *args)
{
    char err[LULL_ERROR_BYTES];
    struct measured sum = {0};
    struct story story;
    struct trace trace;
    bool ok, costs = true;

    if (!trace_load(path, &trace, err, sizeof(err)))
        return cli_fail("replay", "%s", err);
    if (args->age >= 0) {
        uint64_t age = (uint64_t)(args->age * 1e9);

        trace.header.born_ns =
            trace.header.begin_ns > age ? trace.header.begin_ns - age : 0;
    }
    ok = story_tell(&trace, &story) && story_sum(&story, &sum);
    if (ok)
        costs = choose_costs(&story, &sum, args);
    ok = ok && (!costs || run_story(&trace, &story, &sum, args));
    measured_free(&sum);
    story_free(&story);
    trace_free(&trace);
    if (!ok)
        return cli_fail("replay", "%s: no memory", path);
    if (!costs)
        return cli_fail("replay",
                        "--costs recorded: %s has too few sleeps, or no CPU "
                        "times, or lost records",
                        path);
    return fflush(stdout) == 0 ? CLI_OK : CLI_ERROR;
}

/* ---- the command */

static bool add_policy(struct arguments *args, const char *text)
{
    char err[LULL_ERROR_BYTES];

    if (args->count == POLICIES_MAX) {
        cli_fail("replay", "--idle %s: at most %d policies", text,
                 POLICIES_MAX);
        return false;
    }
    if (idle_policy_parse(text, &args->policies[args->count], err,
                          sizeof(err))) {
        args->count++;
        return true;
    }
    cli_fail("replay", "--idle: %s", err);
    return false;
}

static bool read_option(int option, struct arguments *args)
{
    switch (option) {
    case OPT_IDLE:
        return add_policy(args, optarg);
    case OPT_COSTS:
        args->costs_from = optarg;
        return strcmp(optarg, "recorded") == 0 ||
               strcmp(optarg, "built-in") == 0 ||
               read_costs(optarg, &args->costs);
    case OPT_AGE:
        if (cli_seconds(optarg, 1e9, &args->age))
            return true;
        cli_fail("replay", "--age %s: give seconds", optarg);
        return false;
    default:
        args->json = true;
        return true;
    }
}

int cmd_replay(int argc, char **argv)
{
    struct arguments args = {.costs = costs_default, .age = -1};
    int option;

    while ((option = cli_option("replay", argc, argv, options)) != -1) {
        if (option == '?')
            return CLI_ERROR;
        if (option == OPT_HELP)
            return cli_help(help);
        if (!read_option(option, &args))
            return CLI_ERROR;
    }
    if (optind != argc - 1)
        return cli_fail("replay", "give one recording of `lull trace record`");
    if (args.count == 0) {
        for (const char *const *name = idle_policy_names(); *name; name++)
            add_policy(&args, *name);
    }
    return replay_file(argv[optind], &args);
}
