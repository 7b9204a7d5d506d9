/*
 * The socket device: packets of any shape in rings that work, registers
 * written at random, and between them connections from the host, answers to
 * the guest's, and programs of the host's that talk, listen and vanish. They
 * are the far ends of socket pairs. The device comes to rest, holds no more
 * streams than it may, and can be reset.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fuzz_driver.h"

enum {
    RAM_BYTES = 32768,
    QUEUES = 3,
    PACKETS = 0x4000, /* a driver's, in good order */
    PACKET_BYTES = 0x100,
    BUFFERS = 0x6000, /* to receive in */
    CID = 3,
    FARS = 4,
    WATCHES = 64,
    TURNS = 200,
    STEPS = 400,
};

struct lull_watch {
    bool used;
    int fd;
    unsigned events;
    void (*ready)(void *opaque, unsigned events);
    void *opaque;
};

static uint8_t memory[RAM_BYTES] __attribute__((aligned(4096)));
static const struct lull_ram ram = {memory, 0x40000000, RAM_BYTES};
static struct lull_vsock_user user;
static uint64_t last_token;
static int far[FARS] = {-1, -1, -1, -1};
static struct lull_watch watches[WATCHES];
static void (*posted)(void *opaque);
static void *posted_to;

/* ---- the loop ------------------------------------------------------------ */

bool lull_loop_post(struct lull_loop *loop, void (*work)(void *opaque),
                    void *opaque)
{
    posted = work;
    posted_to = opaque;
    return true;
}

struct lull_watch *lull_loop_watch(struct lull_loop *loop, int fd,
                                   unsigned events,
                                   void (*ready)(void *opaque, unsigned events),
                                   void *opaque)
{
    for (unsigned i = 0; i < WATCHES; i++) {
        if (watches[i].used)
            continue;
        watches[i] = (struct lull_watch){true, fd, events, ready, opaque};
        return &watches[i];
    }
    return NULL;
}

void lull_watch_set(struct lull_watch *watch, unsigned events)
{
    watch->events = events;
}

void lull_watch_free(struct lull_watch *watch)
{
    if (watch != NULL)
        watch->used = false;
}

static bool call(struct lull_watch *w)
{
    bool in = w->events & LULL_LOOP_READ, out = w->events & LULL_LOOP_WRITE;
    struct pollfd fd = {w->fd, (short)((in ? POLLIN : 0) | (out ? POLLOUT : 0)),
                        0};

    if (!w->used || w->events == 0 || poll(&fd, 1, 0) <= 0)
        return false;
    w->ready(w->opaque, (fd.revents & POLLIN ? LULL_LOOP_READ : 0U) |
                            (fd.revents & POLLOUT ? LULL_LOOP_WRITE : 0U) |
                            (fd.revents & POLLHUP ? LULL_LOOP_HANGUP : 0U));
    return true;
}

/* True: there was something to do. */
static bool turn(void)
{
    void (*work)(void *) = posted;
    bool any = work != NULL;

    posted = NULL;
    if (any)
        work(posted_to);
    for (unsigned i = 0; i < WATCHES; i++)
        any |= call(&watches[i]);
    return any;
}

/* ---- the host ------------------------------------------------------------ */

static bool host_connect(void *host, uint32_t port, uint64_t token)
{
    last_token = token;
    return port % 8 != 0;
}

static void host_attach(void *host, const struct lull_vsock_user *attached)
{
    user = attached != NULL ? *attached : (struct lull_vsock_user){0};
}

static const struct lull_vsock_host host = {host_connect, host_attach, NULL};

static void close_far(unsigned i)
{
    if (far[i] >= 0)
        close(far[i]);
    far[i] = -1;
}

/* The device's end of a pair; the other one is number `i`. */
static int new_pair(unsigned i)
{
    int pair[2], bytes = 4096;

    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0)
        abort();
    setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
    fcntl(pair[0], F_SETFL, O_NONBLOCK);
    fcntl(pair[1], F_SETFL, O_NONBLOCK);
    close_far(i);
    far[i] = pair[1];
    return pair[0];
}

static void program(unsigned i, unsigned what)
{
    static char bytes[8192];
    ssize_t n = 0;

    if (far[i] < 0)
        return;
    if (what == 0)
        close_far(i);
    else if (what == 1)
        n = shutdown(far[i], SHUT_WR);
    else if (what == 2)
        n = read(far[i], bytes, sizeof(bytes));
    else
        n = write(far[i], bytes, what * 300);
    (void)n;
}

/* ---- the driver ---------------------------------------------------------- */

static void offer(struct fuzz_driver *driver, unsigned i)
{
    fuzz_put_descriptor(driver, 0, i, BUFFERS + PACKET_BYTES * i, PACKET_BYTES,
                        FUZZ_WRITE, 0);
    fuzz_make_available(driver, 0, i);
}

/* A packet that gets past the first checks. */
static void send_packet(struct fuzz_driver *driver, struct fuzz_input *in)
{
    unsigned what = (unsigned)fuzz_take(in, 1);
    unsigned ports = (unsigned)fuzz_take(in, 1), n = ports % FUZZ_QUEUE;
    uint8_t *h = memory + PACKETS + PACKET_BYTES * n;
    uint32_t len = what >> 4 == 5 ? (uint32_t)fuzz_take(in, 1) % 200 : 0;

    put_le64(h, CID);
    put_le64(h + 8, 2);
    put_le32(h + 16, ports >> 5);
    /* The first port of the host's own is known. */
    put_le32(h + 20, ports & 16 ? 0x40000001 + (ports & 3) : ports & 15);
    put_le32(h + 24, len);
    put_le16(h + 28, 1);
    put_le16(h + 30, what >> 4);
    put_le32(h + 32, what & 3);
    put_le32(h + 36, (uint32_t)fuzz_take(in, 2));
    put_le32(h + 40, what & 4 ? 0 : (uint32_t)fuzz_take(in, 2));
    fuzz_put_descriptor(driver, 1, n, PACKETS + PACKET_BYTES * n, 44 + len, 0,
                        0);
    fuzz_make_available(driver, 1, n);
}

/* ---- a run --------------------------------------------------------------- */

static void step(struct fuzz_driver *driver, struct fuzz_input *in)
{
    unsigned what = (unsigned)fuzz_take(in, 1), number = what >> 4;

    switch (what & 15) {
    case 0:
        fuzz_start(driver, 1);
        break;
    case 1:
        fuzz_read_register(driver, in, 1U << (number >> 2));
        break;
    case 2:
        fuzz_write_register(driver, in);
        break;
    case 3: /* headers, and everything else */
        fuzz_write_memory(driver, in);
        break;
    case 4:
        what = (unsigned)fuzz_take(in, 1);
        fuzz_take_descriptor(driver, in, (what >> 3) % QUEUES, what & 7);
        break;
    case 5:
        fuzz_make_available(driver, number % QUEUES,
                            (unsigned)fuzz_take(in, 1) % FUZZ_QUEUE);
        break;
    case 6:
        user.incoming(user.opaque, number, new_pair(number % FARS));
        break;
    case 7:
        user.connected(user.opaque, last_token,
                       number == 15 ? -1 : new_pair(number % FARS));
        break;
    case 8:
    case 9:
        program(number % FARS, (unsigned)fuzz_take(in, 1) % 16);
        break;
    case 10:
        turn();
        break;
    case 11:
    case 12:
        offer(driver, number);
        break;
    default:
        send_packet(driver, in);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, size};
    struct fuzz_driver driver = {
        .ram = &ram, .queues = QUEUES, .table_bytes = 0x1000};
    unsigned turns = 0;

    signal(SIGPIPE, SIG_IGN);
    memset(memory, 0, sizeof(memory));
    posted = NULL;
    last_token = 0;
    driver.dev =
        lull_virtio_vsock_new(0, &ram, (struct lull_irq){0}, CID, &host, NULL);
    fuzz_start(&driver, 1);
    for (unsigned i = 0; i < STEPS && in.left != 0; i++)
        step(&driver, &in);
    while (turn() && turns < TURNS)
        turns++;
    if (turns == TURNS) /* an idle device comes to rest */
        abort();
    if (!fuzz_reset(&driver))
        abort();
    turn();
    if (lull_virtio_vsock_stats(driver.dev).streams != 0)
        abort();
    lull_virtio_free(driver.dev);
    for (unsigned i = 0; i < FARS; i++)
        close_far(i);
    for (unsigned i = 0; i < WATCHES; i++)
        if (watches[i].used)
            abort();
    return 0;
}
