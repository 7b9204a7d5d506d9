/*
 * The network over a Unix socket: bytes of any kind from the other side, which
 * vanishes and returns, and a guest that sends and has buffers or has none.
 * What the guest gets is a frame, whole lengths in, whole lengths out.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../src/dev/host/connector.h"
#include "../src/dev/host/unix_socket.h"
#include "fuzz_input.h"
#include "lull/stream_net.h"

enum { WATCHES = 4 };

struct lull_watch {
    int fd;
    unsigned events;
    void (*ready)(void *opaque, unsigned events);
    void *opaque;
};

struct lull_timer {
    bool armed;
    void (*expired)(void *opaque);
    void *opaque;
};

static struct lull_watch watches[WATCHES]; /* ready is NULL: free */
static struct lull_timer timer;
static int far = -1, connector[2];
static bool has_buffers;

/* ---- the loop ------------------------------------------------------------ */

struct lull_watch *lull_loop_watch(struct lull_loop *loop, int fd,
                                   unsigned events,
                                   void (*ready)(void *opaque, unsigned events),
                                   void *opaque)
{
    for (unsigned i = 0; i < WATCHES; i++)
        if (watches[i].ready == NULL) {
            watches[i] = (struct lull_watch){fd, events, ready, opaque};
            return &watches[i];
        }
    abort(); /* one for the stream and one for the connector */
}

void lull_watch_set(struct lull_watch *watch, unsigned events)
{
    watch->events = events;
}

void lull_watch_free(struct lull_watch *watch)
{
    if (watch != NULL)
        watch->ready = NULL;
}

struct lull_timer *lull_timer_new(struct lull_loop *loop,
                                  void (*expired)(void *opaque), void *opaque)
{
    timer = (struct lull_timer){.expired = expired, .opaque = opaque};
    return &timer;
}

void lull_timer_set(struct lull_timer *t, uint64_t delay_ns)
{
    t->armed = delay_ns != 0;
}

void lull_timer_free(struct lull_timer *t)
{
}

static void turn(unsigned events)
{
    for (unsigned i = 0; i < WATCHES; i++) {
        struct lull_watch *w = &watches[i];

        if (w->ready != NULL && w->events != 0)
            w->ready(w->opaque, events & (w->events | LULL_LOOP_HANGUP));
    }
}

/* ---- guest and other side ------------------------------------------------ */

static bool guest_receive(void *opaque, const uint8_t *frame, size_t len)
{
    volatile uint8_t sum = 0;

    if (len < 14 || len > LULL_FRAME_BYTES_MAX)
        abort();
    for (size_t i = 0; i < len; i++)
        sum = (uint8_t)(sum + frame[i]);
    return has_buffers;
}

static void guest_link(void *opaque, bool up)
{
}

static void put(struct fuzz_input *in, size_t len)
{
    if (len > in->left)
        len = in->left;
    if (far >= 0 && send(far, in->bytes, len, MSG_DONTWAIT) < 0) {
        close(far);
        far = -1;
    }
    in->bytes += len;
    in->left -= len;
}

static void drain(void)
{
    char bytes[4096];

    while (far >= 0 && recv(far, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
        ;
}

/* The connector's answer, asked for or not. */
static void answer(bool connected)
{
    struct connector_message message = {.connected = connected};
    int pair[2] = {-1, -1}, passed;

    fcntl(connector[1], F_SETFL, O_NONBLOCK);
    while (connector_receive(connector[1], &message, &passed) > 0)
        ;
    message.connected = connected;
    if (connected && socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0)
        abort();
    connector_send(connector[1], &message, pair[0]);
    if (!connected)
        return;
    close(pair[0]);
    if (far >= 0)
        close(far);
    far = pair[1];
}

static void step(const struct lull_net *net, struct fuzz_input *in)
{
    static const uint8_t frame[LULL_FRAME_BYTES_MAX] = {1, 2, 3};
    unsigned what = (unsigned)fuzz_take(in, 1);

    switch (what & 7) {
    case 0:
        net->send(net->host, frame, 1 + what * 6 % sizeof(frame));
        break;
    case 1:
        net->sent(net->host);
        break;
    case 2:
        has_buffers = what >> 7;
        net->resume(net->host);
        break;
    case 3:
        turn(what >> 5);
        drain();
        break;
    case 4:
        answer(what >> 7);
        break;
    case 5:
        if (timer.armed) {
            timer.armed = false;
            timer.expired(timer.opaque);
        }
        break;
    default:
        put(in, 1 + (what >> 3));
        turn(LULL_LOOP_READ | (what & 1 ? LULL_LOOP_WRITE : 0U));
        break;
    }
}

/* ---- an input ------------------------------------------------------------ */

static struct lull_stream_net *open_net(void)
{
    struct lull_vsock_spec sockets;
    struct lull_stream_net *n;
    char spec[64], error[256];
    int listener;

    snprintf(spec, sizeof(spec), "unix:/tmp/lull-fuzz-%ld", (long)getpid());
    listener = unix_socket_listen(spec + 5, 1);
    if (listener < 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, connector) != 0 ||
        !lull_stream_net_parse(spec, &sockets, error, sizeof(error)))
        abort();
    n = lull_stream_net_new(NULL, &sockets, connector[0], error, sizeof(error));
    if (n == NULL)
        abort();
    far = accept(listener, NULL, NULL);
    close(listener);
    unlink(spec + 5);
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct lull_net_user guest = {guest_receive, guest_link, NULL};
    struct fuzz_input in = {data, size};
    struct lull_stream_net *n = open_net();
    const struct lull_net *net = lull_stream_net_net(n);

    has_buffers = true;
    net->attach(net->host, &guest);
    while (in.left != 0)
        step(net, &in);
    net->attach(net->host, NULL);
    lull_stream_net_free(n);
    close(connector[0]);
    close(connector[1]);
    if (far >= 0)
        close(far);
    far = -1;
    return 0;
}
