/*
 * Unix sockets by path: listening so that only the owner can connect, and
 * connecting with patience.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "unix_socket.h"

static bool set_address(struct sockaddr_un *address, const char *path)
{
    memset(address, 0, sizeof(*address));
    address->sun_family = AF_UNIX;
    if (strlen(path) >= sizeof(address->sun_path)) {
        errno = ENAMETOOLONG;
        return false;
    }
    memcpy(address->sun_path, path, strlen(path) + 1);
    return true;
}

static int close_keeping_errno(int fd)
{
    int error = errno;

    close(fd);
    errno = error;
    return -1;
}

static int stream_socket(void)
{
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    if (fd >= 0)
        fcntl(fd, F_SETFD, FD_CLOEXEC);
    return fd;
}

/* A socket file whose owner died refuses connections: it may be replaced. */
static bool is_stale(const struct sockaddr_un *address)
{
    int fd = stream_socket();
    bool stale;

    if (fd < 0)
        return false;
    stale =
        connect(fd, (const struct sockaddr *)address, sizeof(*address)) != 0 &&
        errno == ECONNREFUSED;
    close(fd);
    return stale;
}

int unix_socket_listen(const char *path, int backlog)
{
    struct sockaddr_un address;
    int fd, failed;
    mode_t mask;

    if (!set_address(&address, path))
        return -1;
    fd = stream_socket();
    if (fd < 0)
        return -1;
    fcntl(fd, F_SETFL, O_NONBLOCK);
    mask = umask(0177); /* its owner's alone */
    failed = bind(fd, (struct sockaddr *)&address, sizeof(address));
    if (failed && errno == EADDRINUSE && is_stale(&address) &&
        unlink(path) == 0)
        failed = bind(fd, (struct sockaddr *)&address, sizeof(address));
    umask(mask);
    if (failed || listen(fd, backlog) != 0)
        return close_keeping_errno(fd);
    return fd;
}

int unix_socket_connect(const char *path, unsigned patience_ms)
{
    struct timeval patience = {.tv_sec = patience_ms / 1000,
                               .tv_usec =
                                   (suseconds_t)(patience_ms % 1000) * 1000};
    struct sockaddr_un address;
    int fd;

    if (!set_address(&address, path))
        return -1;
    fd = stream_socket();
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
        fcntl(fd, F_SETFL, O_NONBLOCK) != 0)
        return close_keeping_errno(fd);
    return fd;
}
