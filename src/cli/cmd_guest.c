/*
 * `lull guest`: fetch, list and find guests. The work is done by the program
 * scripts/guest, since apt and the unpacking of archives are a script's work;
 * this finds that program and becomes it.
 *
 * Its options, messages and exit codes are the program's: man lull-guest.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "self.h"

/* Where it is, seen from the folder that lull is in: installed as bin/lull,
 * or built as BUILD/src/cli/lull with BUILD in the source tree. */
static const char *const places[] = {
    "../libexec/lull/guest",
    "../../../scripts/guest",
};

/* The folder of the running program, without a trailing slash. */
static bool own_folder(char *out, size_t size)
{
    char *slash;

    if (!self_path(out, size))
        return false;
    slash = strrchr(out, '/');
    if (slash == NULL)
        return false;
    *slash = '\0';
    return true;
}

int cmd_guest(int argc, char **argv)
{
    char folder[PATH_MAX], path[PATH_MAX + 32];
    char *chosen = getenv("LULL_GUEST_PROGRAM");

    if (chosen == NULL && own_folder(folder, sizeof(folder))) {
        for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
            snprintf(path, sizeof(path), "%s/%s", folder, places[i]);
            if (access(path, X_OK) == 0) {
                chosen = path;
                break;
            }
        }
    }
    if (chosen == NULL)
        return cli_fail("guest", "the program that fetches guests is not"
                                 " installed; LULL_GUEST_PROGRAM may name it");
    argv[0] = chosen;
    execv(chosen, argv);
    return cli_fail("guest", "cannot start %s: %s", chosen, strerror(errno));
}
