#include "host.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/utsname.h>
#include <unistd.h>

bool host_die_with_parent(pid_t parent)
{
    if (prctl(PR_SET_PDEATHSIG, SIGTERM) != 0)
        return false;
    errno = ESRCH;
    return getppid() == parent;
}

static void cpu_model(char *out, size_t bytes)
{
    FILE *file = fopen("/proc/cpuinfo", "re");
    char line[256];

    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        char *value = strstr(line, ": ");

        if (strncmp(line, "model name", 10) != 0 || value == NULL)
            continue;
        value[strcspn(value, "\n")] = '\0';
        snprintf(out, bytes, "%s, ", value + 2);
        break;
    }
    if (file != NULL)
        fclose(file);
}

void host_describe(char *out, size_t bytes)
{
    struct utsname name;
    char model[96] = "";

    cpu_model(model, sizeof(model));
    if (uname(&name) != 0)
        name = (struct utsname){0};
    snprintf(out, bytes, "%s%ld cores, %s %s %s", model,
             sysconf(_SC_NPROCESSORS_ONLN), name.sysname, name.release,
             name.machine);
}
