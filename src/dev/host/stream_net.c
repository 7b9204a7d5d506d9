/*
 * A network over a Unix stream: cutting the stream into frames, and finding
 * the other side again when it has gone.
 *
 * A guest without receive buffers leaves the stream unread, and the other side
 * waits, as the protocol has no other way. Another side that does not read
 * loses frames once OUT_BYTES wait for it: the loop never waits.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "connector.h"
#include "lull/bytes.h"
#include "lull/stream_net.h"
#include "unix_socket.h"

enum {
    LENGTH_BYTES = 4,
    FRAME_BYTES_MIN = 14, /* two addresses and a type */
    IN_BYTES = 64 << 10,
    OUT_BYTES = 256 << 10,
    PATIENCE_MS = 1000,
};

/* Between two attempts: twice as long each time. */
#define RETRY_FIRST_NS 100000000ULL
#define RETRY_LAST_NS 8000000000ULL

static const char prefix[] = "unix:";

struct lull_stream_net {
    struct lull_net net;
    struct lull_net_user user; /* receive is NULL: nobody attached */
    struct lull_loop *loop;
    int fd; /* -1: the link is down */
    struct lull_watch *watch;
    bool stalled; /* the guest has no buffers */

    int connector_fd; /* -1: none, or it died */
    struct lull_watch *answers;
    struct lull_timer *retry;
    uint64_t retry_ns;

    size_t in_len, out_len;
    uint8_t in[IN_BYTES];   /* from the beginning of a frame on */
    uint8_t out[OUT_BYTES]; /* what the other side has not taken */
};

/* ---- the link ------------------------------------------------------------ */

static void tell_link(const struct lull_stream_net *n)
{
    if (n->user.link != NULL)
        n->user.link(n->user.opaque, n->fd >= 0);
}

static void wait_for_more(struct lull_stream_net *n)
{
    if (n->fd >= 0)
        lull_watch_set(n->watch, (n->stalled ? 0U : LULL_LOOP_READ) |
                                     (n->out_len ? LULL_LOOP_WRITE : 0U));
}

static void try_again(struct lull_stream_net *n)
{
    if (n->connector_fd < 0)
        return;
    lull_timer_set(n->retry, n->retry_ns);
    n->retry_ns *= 2;
    if (n->retry_ns > RETRY_LAST_NS)
        n->retry_ns = RETRY_LAST_NS;
}

static void lose(struct lull_stream_net *n)
{
    lull_watch_free(n->watch);
    close(n->fd);
    n->watch = NULL;
    n->fd = -1;
    n->in_len = n->out_len = 0;
    n->stalled = false;
    n->retry_ns = RETRY_FIRST_NS;
    tell_link(n);
    try_again(n);
}

/* ---- to the guest -------------------------------------------------------- */

/* How many bytes of whole frames it took; SIZE_MAX: that is no frame. */
static size_t deliver(struct lull_stream_net *n)
{
    size_t at = 0;

    while (!n->stalled && n->in_len - at >= LENGTH_BYTES) {
        const uint8_t *frame = n->in + at + LENGTH_BYTES;
        uint32_t len = get_be32(n->in + at);

        if (len < FRAME_BYTES_MIN || len > LULL_FRAME_BYTES_MAX)
            return SIZE_MAX;
        if (n->in_len - at - LENGTH_BYTES < len)
            break;
        if (n->user.receive != NULL &&
            !n->user.receive(n->user.opaque, frame, len))
            n->stalled = true;
        else
            at += LENGTH_BYTES + len;
    }
    return at;
}

static bool deliver_all(struct lull_stream_net *n)
{
    size_t done = deliver(n);

    if (done == SIZE_MAX)
        return false;
    n->in_len -= done;
    memmove(n->in, n->in + done, n->in_len);
    return true;
}

/* There is always room: a frame is shorter than the buffer, and while the
 * guest has none for it nothing is read. */
static bool take_in(struct lull_stream_net *n)
{
    ssize_t got = read(n->fd, n->in + n->in_len, IN_BYTES - n->in_len);

    if (got < 0)
        return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
    n->in_len += (size_t)got;
    return got > 0 && deliver_all(n);
}

/* ---- from the guest ------------------------------------------------------ */

static bool put_out(struct lull_stream_net *n)
{
    size_t done = 0;

    while (done < n->out_len) {
        ssize_t put = write(n->fd, n->out + done, n->out_len - done);

        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0 && errno != EAGAIN && errno != EWOULDBLOCK)
            return false;
        if (put < 0)
            break;
        done += (size_t)put;
    }
    n->out_len -= done;
    memmove(n->out, n->out + done, n->out_len);
    return true;
}

static void net_send(void *host, const uint8_t *frame, size_t len)
{
    struct lull_stream_net *n = host;

    if (n->fd < 0 || len < FRAME_BYTES_MIN ||
        len + LENGTH_BYTES > OUT_BYTES - n->out_len)
        return; /* lost, as in any network */
    put_be32(n->out + n->out_len, (uint32_t)len);
    memcpy(n->out + n->out_len + LENGTH_BYTES, frame, len);
    n->out_len += LENGTH_BYTES + len;
}

static void net_sent(void *host)
{
    struct lull_stream_net *n = host;

    if (n->fd >= 0 && !put_out(n))
        lose(n);
    wait_for_more(n);
}

static void net_resume(void *host)
{
    struct lull_stream_net *n = host;

    n->stalled = false;
    if (n->fd >= 0 && !deliver_all(n))
        lose(n);
    wait_for_more(n);
}

static void net_attach(void *host, const struct lull_net_user *user)
{
    struct lull_stream_net *n = host;

    n->user = user != NULL ? *user : (struct lull_net_user){0};
}

static void ready(void *opaque, unsigned events)
{
    struct lull_stream_net *n = opaque;
    bool alive = true;

    if (events & LULL_LOOP_WRITE)
        alive = put_out(n);
    if (alive && (events & (LULL_LOOP_READ | LULL_LOOP_HANGUP)))
        alive = n->stalled || take_in(n);
    /* A hang-up behind what a stalled guest has not taken: it is lost. */
    if (n->stalled && (events & LULL_LOOP_HANGUP))
        alive = false;
    if (!alive)
        lose(n);
    wait_for_more(n);
}

/* ---- finding it again ---------------------------------------------------- */

static bool adopt(struct lull_stream_net *n, int fd)
{
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    n->watch = lull_loop_watch(n->loop, fd, LULL_LOOP_READ, ready, n);
    if (n->watch == NULL)
        return false;
    n->fd = fd;
    return true;
}

static void retry(void *opaque)
{
    struct lull_stream_net *n = opaque;
    struct connector_message message = {.port = 0};

    if (n->fd < 0 && n->connector_fd >= 0 &&
        !connector_send(n->connector_fd, &message, -1))
        try_again(n);
}

static void connector_died(struct lull_stream_net *n)
{
    fprintf(stderr, "lull: --net unix: the connector ended: a link that is "
                    "down stays down\n");
    lull_watch_free(n->answers);
    n->answers = NULL;
    n->connector_fd = -1;
}

static void answered(void *opaque, unsigned events)
{
    struct lull_stream_net *n = opaque;
    struct connector_message message;
    int fd, got = connector_receive(n->connector_fd, &message, &fd);

    if (got < 0)
        connector_died(n);
    if (got <= 0)
        return;
    if (fd >= 0 && n->fd < 0 && adopt(n, fd)) {
        tell_link(n);
        return;
    }
    if (fd >= 0)
        close(fd);
    if (n->fd < 0)
        try_again(n);
}

/* ---- its life ------------------------------------------------------------ */

bool lull_stream_net_is(const char *spec)
{
    return strncmp(spec, prefix, sizeof(prefix) - 1) == 0;
}

bool lull_stream_net_parse(const char *spec, struct lull_vsock_spec *sockets,
                           char *error, size_t error_bytes)
{
    const char *path = spec + sizeof(prefix) - 1;

    *sockets = (struct lull_vsock_spec){.to_host_count = 1};
    if (path[0] != '\0' && strlen(path) < LULL_VSOCK_PATH_BYTES) {
        memcpy(sockets->to_host[0].path, path, strlen(path) + 1);
        return true;
    }
    snprintf(error, error_bytes,
             "--net %s: give the path of a Unix socket, at most %d bytes long",
             spec, LULL_VSOCK_PATH_BYTES - 1);
    return false;
}

static bool start(struct lull_stream_net *n, const char *path)
{
    int fd = unix_socket_connect(path, PATIENCE_MS);

    n->retry = lull_timer_new(n->loop, retry, n);
    if (fd < 0 || n->retry == NULL)
        return false;
    if (!adopt(n, fd)) {
        close(fd);
        return false;
    }
    if (n->connector_fd < 0)
        return true;
    fcntl(n->connector_fd, F_SETFL, O_NONBLOCK);
    n->answers =
        lull_loop_watch(n->loop, n->connector_fd, LULL_LOOP_READ, answered, n);
    return n->answers != NULL;
}

struct lull_stream_net *
lull_stream_net_new(struct lull_loop *loop,
                    const struct lull_vsock_spec *sockets, int connector_fd,
                    char *error, size_t error_bytes)
{
    const char *path = sockets->to_host[0].path;
    struct lull_stream_net *n = calloc(1, sizeof(*n));

    if (n == NULL) {
        snprintf(error, error_bytes, "--net unix:%s: no memory", path);
        return NULL;
    }
    signal(SIGPIPE, SIG_IGN); /* it is an error of write's instead */
    n->net = (struct lull_net){net_send,   net_sent, net_resume,
                               net_attach, n,        .takes_segments = false};
    n->loop = loop;
    n->fd = -1;
    n->connector_fd = connector_fd;
    if (start(n, path))
        return n;
    snprintf(error, error_bytes,
             "--net unix:%s: %s; whoever serves it has to listen there first",
             path, strerror(errno));
    lull_stream_net_free(n);
    return NULL;
}

void lull_stream_net_free(struct lull_stream_net *n)
{
    if (n == NULL)
        return;
    lull_watch_free(n->watch);
    lull_watch_free(n->answers);
    lull_timer_free(n->retry);
    if (n->fd >= 0)
        close(n->fd);
    free(n);
}

const struct lull_net *lull_stream_net_net(const struct lull_stream_net *n)
{
    return &n->net;
}
