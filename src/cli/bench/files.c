#include "files.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* As scripts/guestlib/cache.py has it: a relative XDG_CACHE_HOME is none. */
static bool cache_folder(char *out, size_t bytes)
{
    const char *base = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");

    if (base != NULL && base[0] == '/')
        return snprintf(out, bytes, "%s/lull/guests", base) < (int)bytes;
    return home != NULL &&
           snprintf(out, bytes, "%s/.cache/lull/guests", home) < (int)bytes;
}

bool files_readable(const char *path, char *err, size_t err_bytes)
{
    if (access(path, R_OK) == 0)
        return true;
    snprintf(err, err_bytes, "%s: %s", path, strerror(errno));
    return false;
}

bool files_of_guest(const char *name, char **kernel, char **initrd, char *err,
                    size_t err_bytes)
{
    char folder[PATH_MAX], path[PATH_MAX + 300];

    *kernel = *initrd = NULL;
    if (strchr(name, '/') != NULL || strlen(name) > 200 ||
        !cache_folder(folder, sizeof(folder))) {
        snprintf(err, err_bytes, "%s: no name of a guest", name);
        return false;
    }
    snprintf(path, sizeof(path), "%s/%s/initrd", folder, name);
    if (access(path, R_OK) != 0) {
        snprintf(err, err_bytes,
                 "no guest %s in %s: `lull guest fetch debian` makes "
                 "debian-cloud, or give --kernel and --initrd",
                 name, folder);
        return false;
    }
    *initrd = strdup(path);
    snprintf(path, sizeof(path), "%s/%s/kernel", folder, name);
    *kernel = strdup(path);
    if (*initrd == NULL || *kernel == NULL)
        snprintf(err, err_bytes, "no memory");
    return *initrd != NULL && *kernel != NULL;
}
