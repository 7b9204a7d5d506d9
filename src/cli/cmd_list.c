/*
 * `lull list`: the VMs that are running.
 */
#include <stdio.h>

#include "cli.h"
#include "client.h"
#include "lull/vm.h"

static const char help[] =
    "Usage: lull list [--json]\n"
    "\n"
    "Shows the VMs of this user that are running: name, state, vCPUs, memory,\n"
    "time since the start, process.\n"
    "\n"
    "  --json  one JSON array of objects instead of a table\n";

enum option_id { OPT_JSON = 256, OPT_HELP };

static const struct option options[] = {
    {"json", no_argument, NULL, OPT_JSON},
    {"help", no_argument, NULL, OPT_HELP},
    {NULL, 0, NULL, 0},
};

static json_int_t integer(const json_t *stats, const char *name)
{
    return json_integer_value(json_object_get(stats, name));
}

static json_t *describe(const char *name)
{
    char err[LULL_ERROR_BYTES];
    struct client *client = client_open(name, err, sizeof(err));
    json_t *stats, *line;

    if (client == NULL)
        return NULL;
    stats = client_ask(client, "x-lull-stats", err, sizeof(err));
    client_close(client);
    if (stats == NULL)
        return NULL;
    line = json_pack("{s:s,s:O*,s:I,s:I,s:I,s:I}", "name", name, "status",
                     json_object_get(stats, "status"), "vcpus",
                     integer(stats, "vcpus"), "memory_bytes",
                     integer(stats, "memory_bytes"), "uptime_ns",
                     integer(stats, "uptime_ns"), "pid",
                     integer(json_object_get(stats, "process"), "pid"));
    json_decref(stats);
    return line;
}

static json_t *collect(void)
{
    char **names = client_names();
    json_t *list = json_array();
    size_t i;

    for (i = 0; names != NULL && names[i] != NULL; i++) {
        json_t *line = describe(names[i]);

        if (line != NULL) /* it may have ended just now */
            json_array_append_new(list, line);
    }
    client_free_names(names);
    return list;
}

static void print_table(const json_t *list)
{
    const json_t *line;
    size_t i;

    if (json_array_size(list) == 0) {
        puts("No VM is running.");
        return;
    }
    printf("%-20s %-8s %5s %8s %10s %8s\n", "NAME", "STATE", "VCPUS", "MEMORY",
           "UPTIME", "PID");
    json_array_foreach(list, i, line)
    {
        printf("%-20s %-8s %5lld %7lldM %9llds %8lld\n",
               json_string_value(json_object_get(line, "name")),
               json_string_value(json_object_get(line, "status")),
               (long long)integer(line, "vcpus"),
               (long long)integer(line, "memory_bytes") >> 20,
               (long long)integer(line, "uptime_ns") / 1000000000,
               (long long)integer(line, "pid"));
    }
}

int cmd_list(int argc, char **argv)
{
    bool json = false;
    json_t *list;
    int option;

    while ((option = cli_option("list", argc, argv, options)) != -1) {
        if (option == '?')
            return CLI_ERROR;
        if (option == OPT_HELP)
            return cli_help(help);
        json = true;
    }
    if (optind < argc)
        return cli_fail("list", "%s: not an option; see `lull list --help`",
                        argv[optind]);
    list = collect();
    if (json) {
        json_dumpf(list, stdout, JSON_INDENT(2));
        putchar('\n');
    } else {
        print_table(list);
    }
    json_decref(list);
    return fflush(stdout) == 0 ? CLI_OK : CLI_ERROR;
}
