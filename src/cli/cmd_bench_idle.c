/*
 * `lull bench idle`: its options. The work is that of bench/.
 */
#include <stdlib.h>
#include <string.h>

#include "bench/files.h"
#include "bench/idle.h"
#include "cli.h"
#include "cmd_bench.h"
#include "lull/vm.h"

static const char help[] =
    "Usage: lull bench idle [OPTION...]\n"
    "\n"
    "Boots a guest once per idle policy and number of vCPUs, and measures: "
    "its\n"
    "boot, what it costs while idle, how late its timers and kicks are, and\n"
    "what a busy guest loses. Says which claims about the policies hold.\n"
    "\n"
    "  --policies LIST   which, with their settings: park,ladder,us=50,halt\n"
    "                    (all ten; ladder with 50, 100 and 200)\n"
    "  --cpus LIST       numbers of vCPUs: 1,4 (4)\n"
    "  --seconds N       length of the idle measurement, 1 to 3600 (30)\n"
    "  --repeat N        runs of each, taking turns, 1 to 100 (3)\n"
    "  --guest NAME      a guest of `lull guest list` (debian-cloud)\n"
    "  --kernel FILE, --initrd FILE\n"
    "                    or a guest of your own; the initrd has to run\n"
    "                    `lullbench agent`\n"
    "  --net             give the guest a network, and measure TCP as well\n"
    "  --json FILE       the figures as JSON; - is standard output\n"
    "  --html FILE       a report with charts, in one file\n"
    "  --help            this text\n"
    "\n"
    "Ctrl-C ends it with reports of what there is. Exit codes: 0 measured (a\n"
    "stuck guest is a result), 130 after Ctrl-C, 1 a bad option, or a guest\n"
    "that could not be measured.\n";

enum option_id {
    OPT_POLICIES = 256,
    OPT_CPUS,
    OPT_SECONDS,
    OPT_REPEAT,
    OPT_GUEST,
    OPT_KERNEL,
    OPT_INITRD,
    OPT_NET,
    OPT_JSON,
    OPT_HTML,
    OPT_HELP,
};

static const struct option options[] = {
    {"policies", required_argument, NULL, OPT_POLICIES},
    {"cpus", required_argument, NULL, OPT_CPUS},
    {"seconds", required_argument, NULL, OPT_SECONDS},
    {"repeat", required_argument, NULL, OPT_REPEAT},
    {"guest", required_argument, NULL, OPT_GUEST},
    {"kernel", required_argument, NULL, OPT_KERNEL},
    {"initrd", required_argument, NULL, OPT_INITRD},
    {"net", no_argument, NULL, OPT_NET},
    {"json", required_argument, NULL, OPT_JSON},
    {"html", required_argument, NULL, OPT_HTML},
    {"help", no_argument, NULL, OPT_HELP},
    {NULL, 0, NULL, 0},
};

struct idle_options {
    struct bench_idle_config config;
    const char *guest;
    bool help;
};

static int bad(const char *option, const char *value, const char *why)
{
    return cli_fail("bench", "%s %s: %s", option, value, why);
}

static int set_number(struct plan *plan, int option, const char *value)
{
    uint64_t number;

    if (option == OPT_SECONDS) {
        if (cli_seconds(value, 3600, &plan->seconds) && plan->seconds >= 1)
            return CLI_OK;
        return bad("--seconds", value, "give 1 to 3600");
    }
    if (!cli_number(value, 1, 100, &number))
        return bad("--repeat", value, "give 1 to 100");
    plan->repeat = (unsigned)number;
    return CLI_OK;
}

static int set_list(struct plan *plan, int option, const char *value)
{
    char err[LULL_ERROR_BYTES];

    if (option == OPT_CPUS)
        return plan_parse_cpus(value, plan, err, sizeof(err))
                   ? CLI_OK
                   : bad("--cpus", value, err);
    return plan_parse_policies(value, plan, err, sizeof(err))
               ? CLI_OK
               : bad("--policies", value, err);
}

static int set_option(struct idle_options *o, int option, const char *value)
{
    switch (option) {
    case OPT_POLICIES:
    case OPT_CPUS:
        return set_list(&o->config.plan, option, value);
    case OPT_SECONDS:
    case OPT_REPEAT:
        return set_number(&o->config.plan, option, value);
    case OPT_GUEST:
        o->guest = value;
        return CLI_OK;
    case OPT_KERNEL:
        o->config.plan.kernel = value;
        return CLI_OK;
    case OPT_INITRD:
        o->config.plan.initrd = value;
        return CLI_OK;
    case OPT_NET:
        o->config.plan.net = true;
        return CLI_OK;
    case OPT_JSON:
        o->config.json = value;
        return CLI_OK;
    case OPT_HTML:
        o->config.html = value;
        return CLI_OK;
    case OPT_HELP:
        o->help = true;
        return CLI_OK;
    default:
        return CLI_ERROR;
    }
}

static int parse(struct idle_options *o, int argc, char **argv)
{
    char err[LULL_ERROR_BYTES];
    int option;

    o->config.plan.repeat = 3;
    o->config.plan.seconds = 30;
    plan_parse_cpus("4", &o->config.plan, err, sizeof(err));
    plan_parse_policies(plan_all_policies, &o->config.plan, err, sizeof(err));
    while ((option = cli_option("bench", argc, argv, options)) != -1)
        if (option == '?' || set_option(o, option, optarg) != CLI_OK)
            return CLI_ERROR;
    if (optind < argc)
        return bad(argv[optind], "",
                   "not an option; see `lull bench idle "
                   "--help`");
    if ((o->config.plan.kernel == NULL) != (o->config.plan.initrd == NULL))
        return cli_fail("bench", "give both --kernel and --initrd, or neither");
    if (o->guest != NULL && o->config.plan.kernel != NULL)
        return cli_fail("bench", "give --guest, or --kernel and --initrd");
    return CLI_OK;
}

static int with_files(struct idle_options *o)
{
    struct plan *plan = &o->config.plan;
    char err[LULL_ERROR_BYTES], *kernel = NULL, *initrd = NULL;
    int status = CLI_OK;

    if (plan->kernel == NULL) {
        if (!files_of_guest(o->guest != NULL ? o->guest : "debian-cloud",
                            &kernel, &initrd, err, sizeof(err)))
            status = cli_fail("bench", "%s", err);
        plan->kernel = kernel;
        plan->initrd = initrd;
    }
    if (status == CLI_OK && (!files_readable(plan->kernel, err, sizeof(err)) ||
                             !files_readable(plan->initrd, err, sizeof(err))))
        status = cli_fail("bench", "%s", err);
    if (status == CLI_OK)
        status = bench_idle(&o->config);
    free(kernel);
    free(initrd);
    return status;
}

int cmd_bench_idle(int argc, char **argv)
{
    static struct idle_options o;

    if (parse(&o, argc, argv) != CLI_OK)
        return CLI_ERROR;
    return o.help ? cli_help(help) : with_files(&o);
}
