/*
 * macOS: the dynamic linker knows the path that was started, which may lead
 * through links.
 */
#include "self.h"

#include <limits.h>
#include <mach-o/dyld.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

bool self_path(char *out, size_t out_bytes)
{
    char started[PATH_MAX], *path;
    uint32_t started_bytes = sizeof(started);
    bool fits;

    if (_NSGetExecutablePath(started, &started_bytes) != 0)
        return false;
    path = realpath(started, NULL);
    if (path == NULL)
        return false;
    fits = strlen(path) < out_bytes;
    if (fits)
        strcpy(out, path);
    free(path);
    return fits;
}
