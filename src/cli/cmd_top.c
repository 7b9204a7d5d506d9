/*
 * `lull top`: all running VMs and their vCPUs, live.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "lull/vm.h"
#include "top/top.h"

static const char help[] =
    "Usage: lull top [OPTION...]\n"
    "\n"
    "Shows all running VMs and their vCPUs, live: where their time goes, what\n"
    "wakes them, their CPU, how late their timers are. q quits. Without a\n"
    "terminal it prints one table, as with --once.\n"
    "\n"
    "  --interval SECONDS  between two looks (1)\n"
    "  --once              print one table, measured over the interval\n"
    "  --batch             print a table each interval, until Ctrl-C\n"
    "  --sort KEY          cpu, name, wakes or late (cpu)\n"
    "  --json              --once, as one JSON array\n"
    "  --help              this text\n"
    "\n"
    "Keys: c n w l sort by CPU, name, wake-ups, lateness; v hides and shows\n"
    "vCPUs; arrows and page keys scroll.\n";

enum option_id {
    OPT_INTERVAL = 256,
    OPT_ONCE,
    OPT_BATCH,
    OPT_SORT,
    OPT_JSON,
    OPT_HELP
};

static const struct option options[] = {
    {"interval", required_argument, NULL, OPT_INTERVAL},
    {"once", no_argument, NULL, OPT_ONCE},
    {"batch", no_argument, NULL, OPT_BATCH},
    {"sort", required_argument, NULL, OPT_SORT},
    {"json", no_argument, NULL, OPT_JSON},
    {"help", no_argument, NULL, OPT_HELP},
    {NULL, 0, NULL, 0},
};

struct request {
    double interval;
    enum top_sort sort;
    bool once, batch, json, help;
};

static int set_sort(struct request *request, const char *value)
{
    static const char *const names[] = {"cpu", "name", "wakes", "late"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(value, names[i]) == 0) {
            request->sort = (enum top_sort)i;
            return CLI_OK;
        }
    return cli_fail("top", "--sort %s: give cpu, name, wakes or late", value);
}

static int set(struct request *request, int option, const char *value)
{
    switch (option) {
    case OPT_INTERVAL:
        if (!cli_seconds(value, 3600, &request->interval) ||
            request->interval < 0.1)
            return cli_fail("top", "--interval %s: give seconds, 0.1 to 3600",
                            value);
        return CLI_OK;
    case OPT_ONCE:
        request->once = true;
        return CLI_OK;
    case OPT_BATCH:
        request->batch = true;
        return CLI_OK;
    case OPT_SORT:
        return set_sort(request, value);
    case OPT_JSON:
        request->once = request->json = true;
        return CLI_OK;
    case OPT_HELP:
        request->help = true;
        return CLI_OK;
    default:
        return CLI_ERROR;
    }
}

static unsigned terminal_width(void)
{
    struct winsize size;

    if (ioctl(1, TIOCGWINSZ, &size) == 0 && size.ws_col != 0)
        return size.ws_col;
    return 80;
}

static int print(const struct top_vms *vms, bool json)
{
    struct top_view view = {0};
    json_t *list;

    if (json) {
        list = top_json(vms);
        json_dumpf(list, stdout, JSON_INDENT(2));
        putchar('\n');
        json_decref(list);
    } else {
        top_build(&view, vms, terminal_width(), true);
        for (size_t i = 0; i < view.count; i++)
            puts(view.line[i].text);
        top_view_free(&view);
    }
    return fflush(stdout) == 0 ? CLI_OK : CLI_ERROR;
}

static int print_tables(struct top_vms *vms, const struct request *request)
{
    int status;

    top_refresh(vms);
    do {
        cli_sleep(request->interval);
        top_refresh(vms);
        status = print(vms, request->json);
        if (request->batch)
            putchar('\n');
    } while (request->batch && status == CLI_OK);
    return status;
}

int cmd_top(int argc, char **argv)
{
    struct request request = {.interval = 1};
    struct top_vms vms = {0};
    char err[LULL_ERROR_BYTES];
    int option, status = CLI_OK;

    while ((option = cli_option("top", argc, argv, options)) != -1)
        if (set(&request, option, optarg) != CLI_OK)
            return CLI_ERROR;
    if (request.help)
        return cli_help(help);
    if (optind < argc)
        return cli_fail("top", "%s: not an option; see `lull top --help`",
                        argv[optind]);
    vms.sort = request.sort;
    if (request.once || request.batch || !isatty(0) || !isatty(1))
        status = print_tables(&vms, &request);
    else if (!top_screen(&vms, request.interval, err, sizeof(err)))
        status = cli_fail("top", "%s", err);
    top_drop(&vms);
    return status;
}
