/*
 * Names of control sockets, and the way in for clients.
 *
 * Without XDG_RUNTIME_DIR the directory is in /tmp, where anybody could have
 * made it first: the server refuses one that is not ours (control.c), and a
 * client that finds none simply finds no VM.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lull/control.h"

bool lull_control_dir(char *out, size_t out_bytes)
{
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    int len;

    if (runtime != NULL && runtime[0] == '/')
        len = snprintf(out, out_bytes, "%s/lull", runtime);
    else
        len =
            snprintf(out, out_bytes, "/tmp/lull-%lu", (unsigned long)getuid());
    return len > 0 && (size_t)len < out_bytes;
}

bool lull_control_path(const char *name, char *out, size_t out_bytes)
{
    size_t room = sizeof(((struct sockaddr_un *)0)->sun_path);
    size_t used;
    int len;

    if (out_bytes > room)
        out_bytes = room;
    if (!lull_control_dir(out, out_bytes))
        return false;
    used = strlen(out);
    len =
        snprintf(out + used, out_bytes - used, "/%s" LULL_CONTROL_SUFFIX, name);
    return len > 0 && (size_t)len < out_bytes - used;
}

int lull_control_connect(const char *name, char *err, size_t err_bytes)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd, error;

    if (!lull_control_path(name, address.sun_path, sizeof(address.sun_path))) {
        snprintf(err, err_bytes,
                 "%s: the path of its control socket is too long; set a "
                 "shorter XDG_RUNTIME_DIR",
                 name);
        return -1;
    }
    fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (fd < 0) {
        snprintf(err, err_bytes, "no socket: %s", strerror(errno));
        return -1;
    }
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
        return fd;
    error = errno;
    close(fd);
    if (error == ENOENT || error == ECONNREFUSED || error == ENOTDIR)
        snprintf(err, err_bytes,
                 "no VM named %s is running; `lull list` shows those that "
                 "are",
                 name);
    else
        snprintf(err, err_bytes, "%s: %s", address.sun_path, strerror(error));
    return -1;
}
