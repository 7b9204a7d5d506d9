/*
 * `lull pause`, `lull resume`, `lull stop`: one command each to a VM's control
 * socket.
 */
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "client.h"
#include "lull/vm.h"

static const char pause_help[] =
    "Usage: lull pause NAME\n"
    "\n"
    "Stops the guest of the VM and its time, until `lull resume NAME`.\n";

static const char resume_help[] =
    "Usage: lull resume NAME\n"
    "\n"
    "Lets a paused guest go on. Its clocks continue where they stood.\n";

static const char stop_help[] =
    "Usage: lull stop NAME [--timeout SECONDS]\n"
    "\n"
    "Presses the guest's power key, and ends the VM when the guest does not\n"
    "listen to it or has not powered off in time. `lull run` then exits with\n"
    "0.\n"
    "\n"
    "  --timeout SECONDS  how long to wait for the guest (10)\n";

enum option_id { OPT_TIMEOUT = 256, OPT_HELP };

static const struct option name_only[] = {
    {"help", no_argument, NULL, OPT_HELP},
    {NULL, 0, NULL, 0},
};

static const struct option stop_options[] = {
    {"timeout", required_argument, NULL, OPT_TIMEOUT},
    {"help", no_argument, NULL, OPT_HELP},
    {NULL, 0, NULL, 0},
};

struct request {
    const char *command; /* "pause" */
    const char *name;    /* of the VM */
    double timeout;
    bool help;
};

static int parse(struct request *request, int argc, char **argv,
                 const struct option *options)
{
    int option;

    while ((option = cli_option(request->command, argc, argv, options)) != -1) {
        if (option == '?')
            return -1;
        if (option == OPT_HELP)
            request->help = true;
        else if (!cli_seconds(optarg, 86400, &request->timeout)) {
            cli_fail(request->command, "--timeout %s: give seconds", optarg);
            return -1;
        }
    }
    if (request->help)
        return 0;
    if (optind != argc - 1) {
        cli_fail(request->command, "give the name of one VM; `lull list` "
                                   "shows those that are running");
        return -1;
    }
    request->name = argv[optind];
    return 0;
}

/* Open, ask, say what went wrong. */
static int ask(const struct request *request, const char *command)
{
    char err[LULL_ERROR_BYTES];
    struct client *client = client_open(request->name, err, sizeof(err));
    json_t *answer = NULL;

    if (client != NULL) {
        answer = client_ask(client, command, err, sizeof(err));
        client_close(client);
    }
    if (answer == NULL)
        return cli_fail(request->command, "%s", err);
    json_decref(answer);
    return CLI_OK;
}

static int simple(const char *name, const char *help, const char *qmp, int argc,
                  char **argv)
{
    struct request request = {.command = name};

    if (parse(&request, argc, argv, name_only) != 0)
        return CLI_ERROR;
    return request.help ? cli_help(help) : ask(&request, qmp);
}

int cmd_pause(int argc, char **argv)
{
    return simple("pause", pause_help, "stop", argc, argv);
}

int cmd_resume(int argc, char **argv)
{
    return simple("resume", resume_help, "cont", argc, argv);
}

/* The power key first: it is the guest's business how to end. */
static int stop(const struct request *request)
{
    char err[LULL_ERROR_BYTES];
    struct client *client = client_open(request->name, err, sizeof(err));
    json_t *answer;
    bool gone = false;

    if (client == NULL)
        return cli_fail("stop", "%s", err);
    answer = client_ask(client, "system_powerdown", err, sizeof(err));
    if (answer != NULL)
        gone = client_wait_closed(client, request->timeout);
    json_decref(answer);
    if (!gone) {
        answer = client_ask(client, "quit", err, sizeof(err));
        gone = answer != NULL && client_wait_closed(client, 10);
        if (answer != NULL && !gone)
            snprintf(err, sizeof(err), "%s: the VM does not end",
                     request->name);
        json_decref(answer);
    }
    client_close(client);
    return gone ? CLI_OK : cli_fail("stop", "%s", err);
}

int cmd_stop(int argc, char **argv)
{
    struct request request = {.command = "stop", .timeout = 10};

    if (parse(&request, argc, argv, stop_options) != 0)
        return CLI_ERROR;
    return request.help ? cli_help(stop_help) : stop(&request);
}
