/*
 * `lull bench wake`: what a sleep costs on this host.
 */
#include <jansson.h>
#include <signal.h>
#include <stdio.h>

#include "bench/wake.h"
#include "cli.h"
#include "cmd_bench.h"

static const char help[] =
    "Usage: lull bench wake [--samples N] [--json]\n"
    "\n"
    "Measures what a sleep costs on this host: two threads that wake each\n"
    "other, how late sleeps end by primitive and by idle policy, and how long\n"
    "a kick takes. Figures of an idle guest are to be read against these.\n"
    "\n"
    "  --samples N   sleeps per row, 10 to 100000 (300: about 40 s)\n"
    "  --json        as JSON, once all is measured\n"
    "\n"
    "Ctrl-C ends it after the row under way; what was measured is valid.\n";

enum option_id { OPT_SAMPLES = 256, OPT_JSON, OPT_HELP };

static const struct option options[] = {
    {"samples", required_argument, NULL, OPT_SAMPLES},
    {"json", no_argument, NULL, OPT_JSON},
    {"help", no_argument, NULL, OPT_HELP},
    {NULL, 0, NULL, 0},
};

static const char *const kinds[] = {
    [WAKE_ROUND_TRIP] = "round trip",
    [WAKE_DEADLINE] = "deadline",
    [WAKE_KICK] = "kick",
};

static volatile sig_atomic_t interrupted;

static void on_interrupt(int number)
{
    interrupted = 1;
}

static bool print_row(void *opaque, const struct wake_row *row)
{
    printf("%-11s %-20s %8.1f  %9.2f %9.2f %9.2f", kinds[row->kind], row->how,
           (double)row->length_ns / 1e6, row->p50_us, row->p90_us, row->p99_us);
    if (row->kind == WAKE_DEADLINE)
        printf("  %6.2f", row->cpu_percent);
    putchar('\n');
    fflush(stdout);
    return !interrupted;
}

static bool add_row(void *rows, const struct wake_row *row)
{
    json_t *object =
        json_pack("{s:s,s:s,s:I,s:f,s:f,s:f}", "kind", kinds[row->kind], "how",
                  row->how, "length_ns", (json_int_t)row->length_ns, "p50_us",
                  row->p50_us, "p90_us", row->p90_us, "p99_us", row->p99_us);

    if (row->kind == WAKE_DEADLINE)
        json_object_set_new(object, "cpu_percent", json_real(row->cpu_percent));
    json_array_append_new(rows, object);
    return !interrupted;
}

static int print_json(unsigned samples, json_t *rows)
{
    json_t *report = json_pack("{s:i,s:b,s:O}", "samples", (int)samples,
                               "complete", !interrupted, "rows", rows);

    json_dumpf(report, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(report);
    return fflush(stdout) == 0 ? CLI_OK : CLI_ERROR;
}

static int wake(unsigned samples, bool json)
{
    json_t *rows = json_array();
    int status = CLI_OK;
    const char *err;

    signal(SIGINT, on_interrupt);
    if (!json)
        printf("%-11s %-20s %8s  %9s %9s %9s  %6s\n", "", "how", "ms", "p50 us",
               "p90 us", "p99 us", "CPU %");
    if (!bench_wake(samples, json ? add_row : print_row, rows, &err))
        status = cli_fail("bench", "%s", err);
    else if (json)
        status = print_json(samples, rows);
    json_decref(rows);
    return interrupted && status == CLI_OK ? CLI_SIGNAL + SIGINT : status;
}

int cmd_bench_wake(int argc, char **argv)
{
    uint64_t samples = 300;
    bool json = false;
    int option;

    while ((option = cli_option("bench", argc, argv, options)) != -1) {
        if (option == '?')
            return CLI_ERROR;
        if (option == OPT_HELP)
            return cli_help(help);
        if (option == OPT_JSON)
            json = true;
        else if (!cli_number(optarg, 10, 100000, &samples))
            return cli_fail("bench", "--samples %s: give 10 to 100000", optarg);
    }
    if (optind != argc)
        return cli_fail("bench",
                        "%s: not an option; see `lull bench wake "
                        "--help`",
                        argv[optind]);
    return wake((unsigned)samples, json);
}
