/*
 * `lull ssh`: log in to a guest through the port that `lull run` forwards to
 * its port 22. Finds that port, and becomes ssh.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "client.h"
#include "lull/vm.h"

static const char help[] =
    "Usage: lull ssh NAME [--user USER] [COMMAND...]\n"
    "\n"
    "Logs in to the guest of the VM, or runs COMMAND there, by ssh(1), "
    "through\n"
    "the port that --net user,forward=tcp:HOST:PORT-:22 forwards.\n"
    "\n"
    "  --user USER  who to be there (root)\n"
    "\n"
    "Exit codes: ssh's; 1 no such VM, or none of its ports is ssh's.\n";

/* "tcp:HOST:PORT-[GUEST]:22" somewhere in `net`: the host's side of it. */
static bool forward_to_ssh(const char *net, char *host, size_t host_bytes,
                           char *port, size_t port_bytes)
{
    static const char start[] = "forward=tcp:";
    const char *at = net;

    while ((at = strstr(at, start)) != NULL) {
        size_t len = strcspn(at, ",");
        const char *dash = memchr(at, '-', len), *colon;

        at += sizeof(start) - 1;
        len -= sizeof(start) - 1;
        if (dash == NULL || len < 3 || memcmp(at + len - 3, ":22", 3) != 0)
            continue;
        colon = memchr(at, ':', (size_t)(dash - at));
        if (colon == NULL)
            continue;
        snprintf(host, host_bytes, "%.*s", (int)(colon - at), at);
        snprintf(port, port_bytes, "%.*s", (int)(dash - colon - 1), colon + 1);
        return true;
    }
    return false;
}

static bool find_port(const char *name, char *host, size_t host_bytes,
                      char *port, size_t port_bytes)
{
    char net[4096], err[LULL_ERROR_BYTES];

    if (!client_setting(name, "net", net, sizeof(net), err, sizeof(err))) {
        cli_fail("ssh", "%s", err);
        return false;
    }
    if (forward_to_ssh(net, host, host_bytes, port, port_bytes))
        return true;
    cli_fail("ssh",
             "%s: no port of this machine leads to the guest's port 22; "
             "run it with --net user,forward=tcp:127.0.0.1:2222-:22",
             name);
    return false;
}

/*
 * ssh's words, then the command's. NULL: no memory.
 *
 * The connection ends at a port of this machine that belongs to the VM we have
 * just spoken to, so there is nobody to mistake for it; and a guest that runs
 * from memory has a new host key after every start. So none is remembered.
 */
static char **words(const char *user, const char *host, const char *port,
                    int count, char **command)
{
    static char target[256];
    static const char *const fixed[] = {
        "ssh",
        "-o",
        "StrictHostKeyChecking=no",
        "-o",
        "UserKnownHostsFile=/dev/null",
        "-o",
        "LogLevel=ERROR",
        "-p",
    };
    const size_t n = sizeof(fixed) / sizeof(fixed[0]);
    char **list = calloc(n + 3 + (size_t)count, sizeof(*list));

    if (list == NULL)
        return NULL;
    for (size_t i = 0; i < n; i++)
        list[i] = (char *)(uintptr_t)fixed[i];
    snprintf(target, sizeof(target), "%s@%s", user,
             host[0] != '\0' && strcmp(host, "0.0.0.0") != 0 ? host
                                                             : "127.0.0.1");
    list[n] = (char *)(uintptr_t)port;
    list[n + 1] = target;
    memcpy(list + n + 2, command, (size_t)count * sizeof(*list));
    return list;
}

int cmd_ssh(int argc, char **argv)
{
    const char *user = "root";
    char host[128], port[16];
    char **list;
    int at = 1;

    /* by hand: what stands behind the name is the guest's business */
    if (argc > 1 && strcmp(argv[1], "--help") == 0)
        return cli_help(help);
    if (argc < 2 || argv[1][0] == '-')
        return cli_fail("ssh", "give the name of one VM; `lull list` shows "
                               "those that are running");
    at = 2;
    if (at + 1 < argc && strcmp(argv[at], "--user") == 0) {
        user = argv[at + 1];
        at += 2;
    }
    if (user[0] == '-' || strchr(user, '@') != NULL)
        return cli_fail("ssh", "--user %s: no name of a user", user);
    if (!find_port(argv[1], host, sizeof(host), port, sizeof(port)))
        return CLI_ERROR;
    list = words(user, host, port, argc - at, argv + at);
    if (list == NULL)
        return cli_fail("ssh", "no memory");
    execvp("ssh", list);
    free(list);
    return cli_fail("ssh", "cannot start ssh: %s", strerror(errno));
}
