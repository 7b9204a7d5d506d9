/*
 * The process that connects to Unix sockets for a contained machine.
 *
 * Nothing in Linux keeps a process to certain sockets by name: Landlock does
 * not look at connect(2), and a seccomp filter cannot read the address. So
 * the machine gives the call up, and asks this process, which knows the
 * sockets' names from the command line and takes no other. A guest that takes
 * its machine over gains the sockets it could reach before.
 *
 * It is made by two forks, so that nobody has to wait for it, and ends when
 * its machine does. It serves one request at a time: a listener that does not
 * accept holds up the same guest's other connections, for a while.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "connector.h"
#include "lull/vsock.h"
#include "unix_socket.h"

enum {
    PATIENCE_MS = 1000, /* with a full backlog */
    FDS_MAX = 1024,     /* at start-up there are a handful */
};

/* ---- messages ----------------------------------------------------------- */

union control {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(sizeof(int))];
};

int connector_send(int fd, const struct connector_message *message, int passed)
{
    struct connector_message copy = *message;
    struct iovec bytes = {&copy, sizeof(copy)};
    union control control = {.bytes = {0}};
    struct msghdr header = {.msg_iov = &bytes, .msg_iovlen = 1};
    ssize_t sent;

    if (passed >= 0) {
        struct cmsghdr *c = &control.header;

        header.msg_control = control.bytes;
        header.msg_controllen = sizeof(control.bytes);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(c), &passed, sizeof(int));
    }
    do
        sent = sendmsg(fd, &header, 0);
    while (sent < 0 && errno == EINTR);
    return sent == (ssize_t)sizeof(copy);
}

int connector_receive(int fd, struct connector_message *message, int *passed)
{
    struct iovec bytes = {message, sizeof(*message)};
    union control control = {.bytes = {0}};
    struct msghdr header = {.msg_iov = &bytes,
                            .msg_iovlen = 1,
                            .msg_control = control.bytes,
                            .msg_controllen = sizeof(control.bytes)};
    struct cmsghdr *c;
    ssize_t got;

    *passed = -1;
    do
        got = recvmsg(fd, &header, 0);
    while (got < 0 && errno == EINTR);
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return 0;
    c = got > 0 ? CMSG_FIRSTHDR(&header) : NULL;
    if (c != NULL && c->cmsg_level == SOL_SOCKET &&
        c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(sizeof(int)))
        memcpy(passed, CMSG_DATA(c), sizeof(int));
    return got == (ssize_t)sizeof(*message) ? 1 : -1;
}

/* ---- the process -------------------------------------------------------- */

/* The socket for a port, or -1. */
static int connect_port(const struct lull_vsock_spec *spec, uint32_t port)
{
    char path[LULL_VSOCK_PATH_BYTES + sizeof("/4294967295")];

    for (unsigned i = 0; i < spec->to_host_count; i++)
        if (spec->to_host[i].port == port)
            return unix_socket_connect(spec->to_host[i].path, PATIENCE_MS);
    if (spec->dir[0] == '\0')
        return -1;
    snprintf(path, sizeof(path), "%s/%u", spec->dir, port);
    return unix_socket_connect(path, PATIENCE_MS);
}

static void serve(int fd, const struct lull_vsock_spec *spec)
{
    struct connector_message message;
    int passed;

    while (connector_receive(fd, &message, &passed) > 0) {
        int made = connect_port(spec, message.port);

        if (passed >= 0) /* nobody asked for that */
            close(passed);
        message.connected = made >= 0;
        if (!connector_send(fd, &message, made))
            return;
        if (made >= 0)
            close(made);
    }
}

/* Only its own end stays open: it must not hold what the machine gives up. */
static void become_connector(int fd, const struct lull_vsock_spec *spec,
                             bool (*contain)(void *opaque), void *opaque)
{
    static const int theirs[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP};

    /* Keys on the terminal are for the machine, which ends us. */
    for (size_t i = 0; i < sizeof(theirs) / sizeof(*theirs); i++)
        signal(theirs[i], SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    for (int other = 0; other < FDS_MAX; other++)
        if (other != fd)
            close(other);
    if (contain(opaque))
        serve(fd, spec);
    _exit(0);
}

static bool fork_twice(int pair[2], const struct lull_vsock_spec *spec,
                       bool (*contain)(void *opaque), void *opaque)
{
    pid_t child = fork();
    int status;

    if (child == 0) {
        pid_t grandchild = fork();

        if (grandchild == 0)
            become_connector(pair[1], spec, contain, opaque);
        _exit(grandchild < 0);
    }
    if (child < 0)
        return false;
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return false;
    errno = EAGAIN;
    return status == 0;
}

int lull_connector_start(const struct lull_vsock_spec *spec,
                         bool (*contain)(void *opaque), void *opaque)
{
    int pair[2];
    bool forked;

    errno = 0;
    if (spec->to_host_count == 0 && spec->dir[0] == '\0')
        return -1;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0)
        return -1;
    forked = fork_twice(pair, spec, contain, opaque);
    close(pair[1]);
    if (forked)
        return pair[0];
    close(pair[0]);
    return -1;
}
