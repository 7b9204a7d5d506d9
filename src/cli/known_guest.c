/*
 * A known guest is a folder of the cache with `kernel`, `initrd` and
 * guest.json, put there by scripts/guest. The disk beside it is the user's:
 * made once, never overwritten.
 */
#include "known_guest.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli.h"
#include "self.h"

/* Room for everything a guest will ever write; it takes what it writes. */
#define DISK_BYTES (8LL << 30)

static const char *const flavours[] = {"", "-cloud", "-standard", "-virt",
                                       "-lts"};
static const char *const fetched[] = {"debian", "alpine"};

/* $VARIABLE/lull, or below the home directory where it is not set. */
static bool own_folder(const char *variable, const char *below_home, char *out,
                       size_t bytes)
{
    const char *base = getenv(variable);
    const char *home = getenv("HOME");
    int len;

    if (base != NULL && base[0] == '/')
        len = snprintf(out, bytes, "%s/lull", base);
    else if (home != NULL)
        len = snprintf(out, bytes, "%s/%s/lull", home, below_home);
    else
        return false;
    return len > 0 && (size_t)len < bytes;
}

static bool in_folder(const char *folder, const char *file, char *out)
{
    int len = snprintf(out, PATH_MAX, "%s/%s", folder, file);

    return len > 0 && len < PATH_MAX && access(out, R_OK) == 0;
}

static void read_manifest(const char *folder, struct known_guest *guest)
{
    char path[PATH_MAX];
    const char *text;
    json_t *manifest;

    guest->append[0] = '\0';
    guest->reference = false;
    if (!in_folder(folder, "guest.json", path))
        return;
    manifest = json_load_file(path, 0, NULL);
    text = json_string_value(json_object_get(manifest, "append"));
    if (text != NULL)
        snprintf(guest->append, sizeof(guest->append), "%s", text);
    text = json_string_value(json_object_get(manifest, "distribution"));
    guest->reference = text != NULL && strcmp(text, "debian") == 0;
    json_decref(manifest);
}

static bool look_up(const char *name, struct known_guest *guest)
{
    char cache[PATH_MAX], folder[PATH_MAX];

    if (!own_folder("XDG_CACHE_HOME", ".cache", cache, sizeof(cache)))
        return false;
    for (size_t i = 0; i < sizeof(flavours) / sizeof(flavours[0]); i++) {
        if (snprintf(folder, sizeof(folder), "%s/guests/%s%s", cache, name,
                     flavours[i]) >= (int)sizeof(folder) ||
            !in_folder(folder, "kernel", guest->kernel) ||
            !in_folder(folder, "initrd", guest->initrd))
            continue;
        read_manifest(folder, guest);
        return true;
    }
    return false;
}

/* `lull guest fetch NAME`, by this program; it reports its own progress. */
static bool fetch(const char *name)
{
    char self[PATH_MAX];
    int status = -1;
    pid_t pid;

    if (!self_path(self, sizeof(self)))
        return false;
    pid = fork();
    if (pid == 0) {
        dup2(STDERR_FILENO, STDOUT_FILENO);
        execl(self, "lull", "guest", "fetch", name, (char *)NULL);
        _exit(127);
    }
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return status == 0;
}

static bool can_be_fetched(const char *name)
{
    for (size_t i = 0; i < sizeof(fetched) / sizeof(fetched[0]); i++)
        if (strcmp(name, fetched[i]) == 0)
            return true;
    return false;
}

bool known_guest_find(const char *name, struct known_guest *guest)
{
    if (name[0] == '\0' || strchr(name, '/') != NULL || name[0] == '.') {
        cli_fail("run",
                 "%s: no guest has such a name; a kernel of your own "
                 "is given by --kernel FILE",
                 name);
        return false;
    }
    if (look_up(name, guest))
        return true;
    if (!can_be_fetched(name)) {
        cli_fail("run",
                 "%s: no such guest is here; `lull guest list` shows those "
                 "that are, debian and alpine can be fetched",
                 name);
        return false;
    }
    if (fetch(name) && look_up(name, guest))
        return true;
    cli_fail("run", "%s: the guest could not be fetched", name);
    return false;
}

/* A folder and those above it. */
static bool make_folders(char *path)
{
    for (char *slash = path + 1; (slash = strchr(slash, '/')) != NULL;
         slash++) {
        *slash = '\0';
        if (mkdir(path, 0700) != 0 && errno != EEXIST)
            return false;
        *slash = '/';
    }
    return mkdir(path, 0700) == 0 || errno == EEXIST;
}

static bool make_disk(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool ok;

    if (fd < 0)
        return errno == EEXIST;
    ok = ftruncate(fd, DISK_BYTES) == 0;
    close(fd);
    if (ok)
        fprintf(stderr,
                "lull: %s: a new disk of %lld GiB that takes what is "
                "written\n",
                path, DISK_BYTES >> 30);
    else
        unlink(path);
    return ok;
}

bool known_guest_disk(const char *name, char *path, size_t path_bytes)
{
    char folder[PATH_MAX];

    if (!own_folder("XDG_DATA_HOME", ".local/share", folder, sizeof(folder)) ||
        snprintf(path, path_bytes, "%s/%s.img", folder, name) >=
            (int)path_bytes) {
        cli_fail("run", "no home directory for the guest's disk; give one by "
                        "--disk FILE");
        return false;
    }
    if (make_folders(folder) && make_disk(path))
        return true;
    cli_fail("run", "%s: %s; give another disk by --disk FILE", path,
             strerror(errno));
    return false;
}
