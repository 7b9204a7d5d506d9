/*
 * `lull guest`: fetch, list and find guests. The work is done by the program
 * scripts/guest, since apt and the unpacking of archives are a script's work;
 * this finds that program and becomes it.
 *
 * An installed lull has it in ../libexec/lull beside its bin folder; a lull
 * that was only built has it in the source tree it was built from.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int cmd_guest(int argc, char **argv);

/* Puts the path of the file named `rest`, taken from the folder of the running
 * program, into out. Empty where the system does not tell (no /proc). */
static void beside_program(char *out, size_t size, const char *rest)
{
    char self[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);

    out[0] = '\0';
    if (length <= 0)
        return;
    self[length] = '\0';
    char *slash = strrchr(self, '/');
    if (!slash)
        return;
    *slash = '\0';
    if ((size_t)snprintf(out, size, "%s/%s", self, rest) >= size)
        out[0] = '\0';
}

int cmd_guest(int argc, char **argv)
{
    char installed[PATH_MAX];
    beside_program(installed, sizeof(installed), "../libexec/lull/guest");
    const char *const places[] = {
        installed,
        LULL_SOURCE_DIR "/scripts/guest",
        LULL_LIBEXEC_DIR "/guest",
    };

    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        if (access(places[i], X_OK) != 0)
            continue;
        argv[0] = (char *)places[i];
        execv(places[i], argv);
        fprintf(stderr, "lull guest: cannot start %s: %s\n", places[i],
                strerror(errno));
        return 1;
    }
    fprintf(stderr, "lull guest: the program that fetches guests is not"
                    " installed\n");
    return 1;
}
