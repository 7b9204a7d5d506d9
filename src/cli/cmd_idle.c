/*
 * `lull idle`: change the idle policy of a running VM.
 */
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "client.h"
#include "lull/vm.h"

static const char help[] =
    "Usage: lull idle NAME POLICY\n"
    "\n"
    "From now on the VM follows POLICY while its guest waits: park, halt,\n"
    "haltpoll, pselect, spin, nodeadline, sleep, rate, ladder or score, with\n"
    ",key=value settings; see lull-run(1). Prints the policy with its "
    "settings.\n";

enum option_id { OPT_HELP = 256 };

static const struct option options[] = {
    {"help", no_argument, NULL, OPT_HELP},
    {NULL, 0, NULL, 0},
};

static int switch_policy(const char *name, const char *policy)
{
    char err[LULL_ERROR_BYTES];
    struct client *client = client_open(name, err, sizeof(err));
    json_t *answer;

    if (client == NULL)
        return cli_fail("idle", "%s", err);
    answer =
        client_ask_with(client, "x-lull-idle",
                        json_pack("{s:s}", "policy", policy), err, sizeof(err));
    client_close(client);
    if (answer == NULL)
        return cli_fail("idle", "%s", err);
    puts(json_string_value(json_object_get(answer, "policy")));
    json_decref(answer);
    return fflush(stdout) == 0 ? CLI_OK : CLI_ERROR;
}

int cmd_idle(int argc, char **argv)
{
    struct idle_policy policy;
    char err[LULL_ERROR_BYTES];
    int option;

    while ((option = cli_option("idle", argc, argv, options)) != -1) {
        if (option == '?')
            return CLI_ERROR;
        return cli_help(help);
    }
    if (optind != argc - 2)
        return cli_fail("idle", "give the name of one VM and a policy; "
                                "`lull list` shows the VMs that are running");
    /* Before a VM is looked for: the text is wrong for any. */
    if (!idle_policy_parse(argv[optind + 1], &policy, err, sizeof(err)))
        return cli_fail("idle", "%s", err);
    return switch_policy(argv[optind], argv[optind + 1]);
}
