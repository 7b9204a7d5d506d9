/*
 * The binary that runs: what it says of itself in its own bytes, and whether
 * it is the one that the shell would start. Nothing is executed for it: the
 * process may be another user's, and its program anything.
 */
#include "doctor.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Made when needed, so that our own binary does not contain it. */
static void qemu_says(char *out, size_t bytes)
{
    snprintf(out, bytes, "%s %s %s ", "QEMU", "emulator", "version");
}

static const char *find(const char *bytes, size_t size, const char *text)
{
    return memmem(bytes, size, text, strlen(text));
}

/* The version stands in the text that --version prints, up to a newline. */
static void read_version(struct doctor_observation *seen, const char *at,
                         const char *end)
{
    size_t len = 0;

    while (at + len < end && at[len] >= ' ' && at[len] < 127)
        len++;
    snprintf(seen->version, sizeof(seen->version), "%.*s", (int)len, at);
    snprintf(seen->version_from, sizeof(seen->version_from), "its binary");
}

static void read_bytes(struct doctor_observation *seen, const char *bytes,
                       size_t size)
{
    char says[32];
    const char *at;

    qemu_says(says, sizeof(says));
    at = find(bytes, size, says);
    if (at != NULL) {
        seen->kind = DOCTOR_QEMU;
        read_version(seen, at + strlen(says), bytes + size);
    }
    for (unsigned i = 0; i < DOCTOR_VARIABLES; i++)
        seen->variable[i].read =
            find(bytes, size, seen->variable[i].name) != NULL ? DOCTOR_YES
                                                              : DOCTOR_NO;
}

void doctor_read_binary(struct doctor_observation *seen, const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat file;
    void *bytes;

    if (fd < 0)
        return;
    if (fstat(fd, &file) == 0 && file.st_size > 0) {
        bytes = mmap(NULL, (size_t)file.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (bytes != MAP_FAILED) {
            read_bytes(seen, bytes, (size_t)file.st_size);
            munmap(bytes, (size_t)file.st_size);
        }
    }
    close(fd);
}

bool doctor_find_on_path(const char *name, char *out, size_t out_bytes)
{
    const char *path = getenv("PATH");

    while (path != NULL && *path != '\0') {
        size_t len = strcspn(path, ":");
        int used = len == 0 ? snprintf(out, out_bytes, "./%s", name)
                            : snprintf(out, out_bytes, "%.*s/%s", (int)len,
                                       path, name);

        if (used > 0 && (size_t)used < out_bytes && access(out, X_OK) == 0)
            return true;
        path += len;
        path += *path == ':';
    }
    out[0] = '\0';
    return false;
}

void doctor_variables(struct doctor_observation *seen)
{
    static const char *const names[DOCTOR_VARIABLES] = {"HVF_WFI_SLEEP",
                                                        "LULL_IDLE"};

    for (unsigned i = 0; i < DOCTOR_VARIABLES; i++) {
        struct doctor_variable *variable = &seen->variable[i];
        const char *value = getenv(names[i]);

        variable->name = names[i];
        variable->in_shell = value != NULL;
        if (value != NULL)
            snprintf(variable->shell, sizeof(variable->shell), "%s", value);
    }
}
