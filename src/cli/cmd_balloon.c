/*
 * `lull balloon`: how much memory a running guest has, and giving it less or
 * more.
 */
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "client.h"
#include "lull/vm.h"

static const char help[] =
    "Usage: lull balloon NAME [SIZE] [--timeout SECONDS] [--json]\n"
    "\n"
    "With SIZE (512M, 1G, a number of MiB), asks the guest to do with so much\n"
    "memory; what it gives up goes back to the host. Prints what it has. A\n"
    "guest may be slow, or give less than was asked for.\n"
    "\n"
    "  --timeout SECONDS  how long to wait for the guest to get there (10)\n"
    "  --json             the figures as JSON, in bytes\n"
    "\n"
    "Exit codes: 0 the guest has what was asked for, 2 it does not yet, 1 no\n"
    "such VM, or a guest without a driver.\n";

enum option_id { OPT_TIMEOUT = 256, OPT_JSON, OPT_HELP };

static const struct option options[] = {
    {"timeout", required_argument, NULL, OPT_TIMEOUT},
    {"json", no_argument, NULL, OPT_JSON},
    {"help", no_argument, NULL, OPT_HELP},
    {NULL, 0, NULL, 0},
};

enum { NOT_YET = 2 };

struct request {
    const char *name;
    bool set, json, help;
    uint64_t bytes;
    double timeout;
};

static int parse(struct request *request, int argc, char **argv)
{
    int option;

    while ((option = cli_option("balloon", argc, argv, options)) != -1) {
        if (option == '?')
            return -1;
        if (option == OPT_HELP)
            request->help = true;
        else if (option == OPT_JSON)
            request->json = true;
        else if (!cli_seconds(optarg, 86400, &request->timeout)) {
            cli_fail("balloon", "--timeout %s: give seconds", optarg);
            return -1;
        }
    }
    if (request->help)
        return 0;
    if (optind != argc - 1 && optind != argc - 2) {
        cli_fail("balloon", "give the name of one VM, and a size or none; "
                            "`lull list` shows the VMs that are running");
        return -1;
    }
    request->name = argv[optind];
    request->set = optind == argc - 2;
    if (request->set && !cli_size(argv[optind + 1], &request->bytes)) {
        cli_fail("balloon", "%s: give a size like 512M or 1G",
                 argv[optind + 1]);
        return -1;
    }
    return 0;
}

/* What the guest has, or -1. */
static json_int_t actual(struct client *client, char *err, size_t err_bytes)
{
    json_t *answer = client_ask(client, "query-balloon", err, err_bytes);
    json_int_t bytes = -1;

    if (answer != NULL)
        bytes = json_integer_value(json_object_get(answer, "actual"));
    json_decref(answer);
    return bytes;
}

/* The guest's pages are 4 KiB: it cannot get nearer. */
static bool arrived(const struct request *request, json_int_t bytes)
{
    return !request->set || (uint64_t)bytes / 4096 == request->bytes / 4096;
}

static bool set(const struct request *request, struct client *client, char *err,
                size_t err_bytes)
{
    json_t *answer =
        client_ask_with(client, "balloon",
                        json_pack("{s:I}", "value", (json_int_t)request->bytes),
                        err, err_bytes);

    json_decref(answer);
    return answer != NULL;
}

static int show(const struct request *request, json_int_t bytes)
{
    if (request->json)
        printf("{\"actual_bytes\": %lld}\n", (long long)bytes);
    else
        printf("%s: %lld MiB\n", request->name, (long long)(bytes >> 20));
    if (fflush(stdout) != 0)
        return CLI_ERROR;
    return arrived(request, bytes) ? CLI_OK : NOT_YET;
}

static int balloon(const struct request *request)
{
    char err[LULL_ERROR_BYTES];
    struct client *client = client_open(request->name, err, sizeof(err));
    json_int_t bytes = -1;
    double left = request->timeout;

    if (client == NULL)
        return cli_fail("balloon", "%s", err);
    if (!request->set || set(request, client, err, sizeof(err))) {
        bytes = actual(client, err, sizeof(err));
        for (; bytes >= 0 && !arrived(request, bytes) && left > 0;
             left -= 0.1) {
            cli_sleep(0.1);
            bytes = actual(client, err, sizeof(err));
        }
    }
    client_close(client);
    return bytes < 0 ? cli_fail("balloon", "%s", err) : show(request, bytes);
}

int cmd_balloon(int argc, char **argv)
{
    struct request request = {.timeout = 10};

    if (parse(&request, argc, argv) != 0)
        return CLI_ERROR;
    return request.help ? cli_help(help) : balloon(&request);
}
