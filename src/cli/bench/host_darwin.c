#include "host.h"

#include <stdio.h>
#include <sys/sysctl.h>
#include <sys/utsname.h>
#include <unistd.h>

/* Nothing on macOS asks for that. The bench ends its guests on every signal
 * that it can see. */
bool host_die_with_parent(pid_t parent)
{
    (void)parent;
    return true;
}

void host_describe(char *out, size_t bytes)
{
    struct utsname name;
    char model[96] = "unknown processor";
    size_t room = sizeof(model);

    sysctlbyname("machdep.cpu.brand_string", model, &room, NULL, 0);
    if (uname(&name) != 0)
        name = (struct utsname){0};
    snprintf(out, bytes, "%s, %ld cores, %s %s %s", model,
             sysconf(_SC_NPROCESSORS_ONLN), name.sysname, name.release,
             name.machine);
}
