/*
 * The host's side of the socket device: Unix sockets that listen for programs
 * of the host's, and the line to the connector, which reaches those that
 * listen for the guest.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "connector.h"
#include "lull/vsock.h"
#include "unix_socket.h"

enum {
    BACKLOG = 128,
    AT_ONCE = 16, /* connections before others on the loop have their turn */
};

struct listener {
    struct lull_vsock_unix *sockets;
    uint32_t port;
    const char *path;
    int fd;
    struct lull_watch *watch;
};

struct lull_vsock_unix {
    struct lull_vsock_host host;
    const struct lull_vsock_spec *spec;
    struct lull_vsock_user user; /* incoming is NULL: nobody attached */
    struct listener listener[LULL_VSOCK_RULES_MAX];
    unsigned listeners;
    int connector_fd; /* -1: none, or it died */
    struct lull_watch *connector_watch;
};

static void set_flags(int fd)
{
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    fcntl(fd, F_SETFL, O_NONBLOCK);
}

/* ---- from the host ------------------------------------------------------- */

static void listener_ready(void *opaque, unsigned events)
{
    struct listener *l = opaque;
    const struct lull_vsock_user *user = &l->sockets->user;

    for (unsigned i = 0; i < AT_ONCE; i++) {
        int fd = accept(l->fd, NULL, NULL);

        if (fd < 0)
            return;
        set_flags(fd);
        if (user->incoming != NULL)
            user->incoming(user->opaque, l->port, fd);
        else
            close(fd);
    }
}

static bool listen_on(struct lull_vsock_unix *s, struct lull_loop *loop,
                      const struct lull_vsock_rule *rule)
{
    struct listener *l = &s->listener[s->listeners];

    *l = (struct listener){.sockets = s, .port = rule->port};
    l->fd = unix_socket_listen(rule->path, BACKLOG);
    if (l->fd < 0)
        return false;
    l->path = rule->path;
    s->listeners++;
    l->watch = lull_loop_watch(loop, l->fd, LULL_LOOP_READ, listener_ready, l);
    return l->watch != NULL;
}

/* ---- to the host --------------------------------------------------------- */

static bool has_port(const struct lull_vsock_spec *spec, uint32_t port)
{
    for (unsigned i = 0; i < spec->to_host_count; i++)
        if (spec->to_host[i].port == port)
            return true;
    return spec->dir[0] != '\0';
}

static bool host_connect(void *host, uint32_t port, uint64_t token)
{
    const struct lull_vsock_unix *s = host;
    struct connector_message message = {.token = token, .port = port};

    return s->connector_fd >= 0 && has_port(s->spec, port) &&
           connector_send(s->connector_fd, &message, -1);
}

static void connector_ready(void *opaque, unsigned events)
{
    struct lull_vsock_unix *s = opaque;
    struct connector_message message;
    int fd, got = 1;

    for (unsigned i = 0; i < AT_ONCE && got > 0; i++) {
        got = connector_receive(s->connector_fd, &message, &fd);
        if (got > 0 && fd >= 0)
            set_flags(fd);
        if (got > 0 && s->user.connected != NULL)
            s->user.connected(s->user.opaque, message.token, fd);
        else if (fd >= 0)
            close(fd);
    }
    if (got >= 0)
        return;
    fprintf(stderr, "lull: --vsock: the connector ended: the guest reaches "
                    "the host's sockets no more\n");
    lull_watch_free(s->connector_watch);
    s->connector_watch = NULL;
    s->connector_fd = -1;
}

/* ---- the rest ------------------------------------------------------------ */

static void host_attach(void *host, const struct lull_vsock_user *user)
{
    struct lull_vsock_unix *s = host;

    s->user = user != NULL ? *user : (struct lull_vsock_user){0};
}

static bool watch_connector(struct lull_vsock_unix *s, struct lull_loop *loop)
{
    if (s->connector_fd < 0)
        return true;
    set_flags(s->connector_fd);
    s->connector_watch = lull_loop_watch(loop, s->connector_fd, LULL_LOOP_READ,
                                         connector_ready, s);
    return s->connector_watch != NULL;
}

struct lull_vsock_unix *lull_vsock_unix_new(struct lull_loop *loop,
                                            const struct lull_vsock_spec *spec,
                                            int connector_fd, char *error,
                                            size_t error_bytes)
{
    struct lull_vsock_unix *s = calloc(1, sizeof(*s));
    const char *path = NULL;
    bool ok = s != NULL;

    if (s != NULL) {
        s->host = (struct lull_vsock_host){host_connect, host_attach, s};
        s->spec = spec;
        s->connector_fd = connector_fd;
        ok = watch_connector(s, loop);
    }
    for (unsigned i = 0; ok && i < spec->to_guest_count; i++) {
        path = spec->to_guest[i].path;
        ok = listen_on(s, loop, &spec->to_guest[i]);
    }
    if (ok)
        return s;
    snprintf(error, error_bytes, "--vsock%s%s: %s", path != NULL ? ": " : "",
             path != NULL ? path : "", strerror(errno));
    lull_vsock_unix_free(s);
    return NULL;
}

void lull_vsock_unix_free(struct lull_vsock_unix *s)
{
    if (s == NULL)
        return;
    for (unsigned i = 0; i < s->listeners; i++) {
        lull_watch_free(s->listener[i].watch);
        close(s->listener[i].fd);
        unlink(s->listener[i].path);
    }
    lull_watch_free(s->connector_watch);
    free(s);
}

const struct lull_vsock_host *
lull_vsock_unix_host(const struct lull_vsock_unix *s)
{
    return &s->host;
}
