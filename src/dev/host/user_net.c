/*
 * libslirp on our event loop.
 *
 * The library was made for a program that collects descriptors before each
 * poll and reports back after it. Here the two halves are cut apart: after
 * anything happened the collected set is laid over the loop's watches, and
 * when one of those is ready the whole set is looked at without waiting. An
 * unchanged set costs no system call.
 *
 * The library would like to be called every half second for as long as it has
 * any TCP socket, which includes a port that is forwarded and used by nobody,
 * and a login that nobody types into. Its slow timers are for retransmission
 * and for closing, so the timer runs only while a connection does either; what
 * each does is read from slirp_connection_info when it expires.
 *
 * The library acknowledges what the guest sent 2 ms later, which wakes an idle
 * guest a second time for every answer it gives. So after a batch from the
 * guest its clock is put ahead by those 2 ms, unless it is still ahead from
 * the last time: the acknowledgement goes out while the guest is awake, and a
 * stream is acknowledged as seldom as before. The clock never goes back.
 *
 * A guest without receive buffers stops everything: frames already made wait
 * in a list, and no socket is read until they are gone.
 */
#include <errno.h>
#include <poll.h>
#include <slirp/libslirp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lull/clock.h"
#include "lull/fail.h"
#include "lull/user_net.h"

enum {
    /* Until a late acknowledgement. Other times that the library asks for are
     * those of its slow timers. */
    ACK_MS = 2,
    SLOW_MS = 500,
    /* Until sockets of UDP are looked at, which it drops after minutes. */
    DATAGRAMS_MS = 30000,
    /* Frames kept for a slow guest: some TCP windows' worth. */
    BACKLOG_BYTES_MAX = 4 << 20,
};

#define MS_NS 1000000ULL

struct frame {
    struct frame *next;
    size_t len;
    uint8_t bytes[];
};

struct member {
    int fd;
    struct lull_watch *watch;
    bool wanted;
};

struct lull_user_net {
    struct lull_net net;
    struct lull_net_user user;
    struct lull_loop *loop;
    Slirp *slirp;

    /* What the library collected last, and the watches for it. */
    struct pollfd *set;
    unsigned set_count, set_room;
    struct member *member;
    unsigned member_count, member_room;

    struct lull_timer *timer;
    uint64_t due_ns;   /* of the timer; 0: not armed */
    bool expired;      /* just now */
    uint64_t clock_ns; /* what the library was told last */
    uint64_t ahead_ns; /* what is added to the time that it is told */

    struct frame *first, **last;
    size_t backlog_bytes;
};

static uint64_t now_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

/* ---- the set -------------------------------------------------------------
 */

static void turn(struct lull_user_net *n);

static void ready(void *opaque, unsigned events)
{
    turn(opaque);
}

/* The array with room for one more; NULL: it is as it was. */
static void *reserve(void *array, unsigned *room, unsigned count, size_t size)
{
    unsigned wanted = *room == 0 ? 16 : 2 * *room;
    void *larger;

    if (count < *room)
        return array;
    larger = realloc(array, wanted * size);
    if (larger != NULL)
        *room = wanted;
    return larger;
}

static struct member *member_of(struct lull_user_net *n, int fd)
{
    struct member *m;

    for (unsigned i = 0; i < n->member_count; i++)
        if (n->member[i].fd == fd)
            return &n->member[i];
    m = reserve(n->member, &n->member_room, n->member_count, sizeof(*m));
    if (m == NULL)
        return NULL;
    n->member = m;
    m += n->member_count;
    *m = (struct member){.fd = fd};
    m->watch = lull_loop_watch(n->loop, fd, 0, ready, n);
    if (m->watch == NULL)
        return NULL;
    n->member_count++;
    return m;
}

static int add_poll(int fd, int events, void *opaque)
{
    struct lull_user_net *n = opaque;
    struct member *m = member_of(n, fd);
    struct pollfd *set =
        reserve(n->set, &n->set_room, n->set_count, sizeof(*set));
    unsigned wanted = (events & SLIRP_POLL_IN ? LULL_LOOP_READ : 0U) |
                      (events & SLIRP_POLL_OUT ? LULL_LOOP_WRITE : 0U);

    if (set != NULL)
        n->set = set;
    /* Without memory the socket waits: -1 is "not looked at". */
    if (m == NULL || set == NULL)
        return -1;
    m->wanted = true;
    lull_watch_set(m->watch, wanted);
    n->set[n->set_count] = (struct pollfd){
        .fd = fd,
        .events = (short)((events & SLIRP_POLL_IN ? POLLIN : 0) |
                          (events & SLIRP_POLL_OUT ? POLLOUT : 0) |
                          (events & SLIRP_POLL_PRI ? POLLPRI : 0)),
    };
    return (int)n->set_count++;
}

static int get_revents(int index, void *opaque)
{
    const struct lull_user_net *n = opaque;
    int happened;

    if (index < 0 || (unsigned)index >= n->set_count)
        return 0;
    happened = n->set[index].revents;
    return (happened & POLLIN ? SLIRP_POLL_IN : 0) |
           (happened & POLLOUT ? SLIRP_POLL_OUT : 0) |
           (happened & POLLPRI ? SLIRP_POLL_PRI : 0) |
           (happened & (POLLERR | POLLNVAL) ? SLIRP_POLL_ERR : 0) |
           (happened & POLLHUP ? SLIRP_POLL_HUP : 0);
}

static void drop_unwanted(struct lull_user_net *n)
{
    for (unsigned i = 0; i < n->member_count;) {
        struct member *m = &n->member[i];

        if (m->wanted) {
            m->wanted = false;
            i++;
            continue;
        }
        lull_watch_free(m->watch);
        *m = n->member[--n->member_count];
    }
}

/* ---- time ----------------------------------------------------------------
 */

/* "TCP[ESTABLISHED]", descriptor, two addresses with ports, and how much the
 * guest's end and the host's have not taken; anything else counts as busy. */
static bool tcp_is_quiet(const char *line, size_t len)
{
    static const char quiet[] = "TCP[ESTABLISHED] ";

    if (len > 0 && line[len - 1] == '\r')
        len--;
    return len > sizeof(quiet) + 2 &&
           strncmp(line, quiet, sizeof(quiet) - 1) == 0 &&
           line[len - 1] == '0' && line[len - 2] == ' ';
}

/* When the library has to be called though nothing happens; 0: not at all. */
static uint32_t slow_timer_ms(struct lull_user_net *n)
{
    char *text = slirp_connection_info(n->slirp), *line = text;
    uint32_t wait_ms = 0;

    if (text == NULL)
        return SLOW_MS;
    while (line != NULL && wait_ms != SLOW_MS) {
        size_t len = strcspn(line += strspn(line, " "), "\n");

        if (strncmp(line, "UDP[", 4) == 0 || strncmp(line, "ICMP[", 5) == 0)
            wait_ms = line[4] == 'H' ? wait_ms : DATAGRAMS_MS;
        else if (strncmp(line, "TCP[", 4) == 0 && line[4] != 'H' &&
                 !tcp_is_quiet(line, len))
            wait_ms = SLOW_MS;
        line = line[len] != '\0' ? line + len + 1 : NULL;
    }
    free(text);
    return wait_ms;
}

/* Armed too early is harmless; armed again each time would cost a system call
 * a frame. Whatever happens is followed by one expiry, which looks whether
 * there has to be another. */
static void arm(struct lull_user_net *n, uint32_t timeout_ms)
{
    uint64_t now = now_ns();

    if (timeout_ms > ACK_MS)
        timeout_ms = n->expired ? slow_timer_ms(n) : SLOW_MS;
    n->expired = false;
    if (timeout_ms == 0)
        return;
    if (n->due_ns == 0 || n->due_ns > now + timeout_ms * MS_NS) {
        n->due_ns = now + timeout_ms * MS_NS;
        lull_timer_set(n->timer, timeout_ms * MS_NS);
    }
}

static void expired(void *opaque)
{
    struct lull_user_net *n = opaque;

    n->due_ns = 0;
    n->expired = true;
    turn(n);
}

/* ---- turning -------------------------------------------------------------
 */

static void sleep_all(struct lull_user_net *n)
{
    for (unsigned i = 0; i < n->member_count; i++)
        lull_watch_set(n->member[i].watch, 0);
}

/* The set anew; how long the library would wait at most. */
static uint32_t fill(struct lull_user_net *n)
{
    uint32_t timeout_ms = UINT32_MAX;

    n->set_count = 0;
    slirp_pollfds_fill(n->slirp, &timeout_ms, add_poll, n);
    drop_unwanted(n);
    return timeout_ms;
}

/* Have the loop wait for what the library waits for. */
static void collect(struct lull_user_net *n)
{
    if (n->first != NULL)
        sleep_all(n);
    else
        arm(n, fill(n));
}

static void turn(struct lull_user_net *n)
{
    int result;

    if (n->first != NULL)
        return;
    do
        result = poll(n->set, n->set_count, 0);
    while (result < 0 && errno == EINTR);
    slirp_pollfds_poll(n->slirp, result < 0, get_revents, n);
    collect(n);
}

/* ---- what the library calls ----------------------------------------------
 */

static bool give(const struct lull_user_net *n, const uint8_t *frame,
                 size_t len)
{
    return n->user.receive == NULL ||
           n->user.receive(n->user.opaque, frame, len);
}

static void keep(struct lull_user_net *n, const void *bytes, size_t len)
{
    struct frame *frame = NULL;

    if (n->backlog_bytes + len <= BACKLOG_BYTES_MAX)
        frame = malloc(sizeof(*frame) + len);
    if (frame == NULL) /* lost, as in any network */
        return;
    frame->next = NULL;
    frame->len = len;
    memcpy(frame->bytes, bytes, len);
    *n->last = frame;
    n->last = &frame->next;
    n->backlog_bytes += len;
}

static ssize_t send_packet(const void *bytes, size_t len, void *opaque)
{
    struct lull_user_net *n = opaque;

    if (n->first != NULL || !give(n, bytes, len))
        keep(n, bytes, len);
    return (ssize_t)len;
}

/* The guest's mistakes are its own business. */
static void guest_error(const char *message, void *opaque)
{
}

static int64_t clock_get_ns(void *opaque)
{
    struct lull_user_net *n = opaque;
    uint64_t now = now_ns() + n->ahead_ns;

    if (now > n->clock_ns)
        n->clock_ns = now;
    return (int64_t)n->clock_ns;
}

static void *timer_new(SlirpTimerCb expire, void *expire_opaque, void *opaque)
{
    struct lull_user_net *n = opaque;

    return lull_timer_new(n->loop, expire, expire_opaque);
}

static void timer_free(void *timer, void *opaque)
{
    lull_timer_free(timer);
}

static void timer_mod(void *timer, int64_t expire_ms, void *opaque)
{
    int64_t delay = expire_ms * (int64_t)MS_NS - (int64_t)now_ns();

    lull_timer_set(timer, delay > 1 ? (uint64_t)delay : 1);
}

/* The set is collected after everything that happens: nothing to do. */
static void poll_fd(int fd, void *opaque)
{
}

static void notify(void *opaque)
{
}

static const SlirpCb callbacks = {
    .send_packet = send_packet,
    .guest_error = guest_error,
    .clock_get_ns = clock_get_ns,
    .timer_new = timer_new,
    .timer_free = timer_free,
    .timer_mod = timer_mod,
    .register_poll_fd = poll_fd,
    .unregister_poll_fd = poll_fd,
    .notify = notify,
};

/* ---- what the device calls -----------------------------------------------
 */

static void net_send(void *host, const uint8_t *frame, size_t len)
{
    struct lull_user_net *n = host;

    slirp_input(n->slirp, frame, (int)len);
}

/* What the guest sent may have been what the library waited for: an answer to
 * its ARP, behind which packets were queued. It sends them on only when it is
 * told that a poll is over; here is one in which nothing was ready. */
static void poll_nothing(struct lull_user_net *n)
{
    for (unsigned i = 0; i < n->set_count; i++)
        n->set[i].revents = 0;
    slirp_pollfds_poll(n->slirp, 0, get_revents, n);
}

static void net_sent(void *host)
{
    struct lull_user_net *n = host;

    if (n->first == NULL) {
        poll_nothing(n);
        if (fill(n) <= ACK_MS && n->clock_ns <= now_ns()) {
            n->ahead_ns = ACK_MS * MS_NS;
            poll_nothing(n);
            n->ahead_ns = 0;
        }
    }
    collect(n);
}

static void net_resume(void *host)
{
    struct lull_user_net *n = host;

    while (n->first != NULL) {
        struct frame *frame = n->first;

        if (!give(n, frame->bytes, frame->len))
            return;
        n->first = frame->next;
        if (n->first == NULL)
            n->last = &n->first;
        n->backlog_bytes -= frame->len;
        free(frame);
    }
    collect(n);
    turn(n);
}

static void net_attach(void *host, const struct lull_net_user *user)
{
    struct lull_user_net *n = host;

    n->user = user != NULL ? *user : (struct lull_net_user){0};
}

/* ---- options -------------------------------------------------------------
 */

struct forward {
    bool udp;
    struct in_addr host, guest;
    uint16_t host_port, guest_port;
};

/* "[ADDRESS]:PORT"; the text is cut up. */
static bool parse_end(char *text, struct in_addr *address, uint16_t *port)
{
    char *colon = strrchr(text, ':'), *end;
    unsigned long number;

    if (colon == NULL)
        return false;
    *colon = '\0';
    if (text[0] != '\0' && inet_pton(AF_INET, text, address) != 1)
        return false;
    number = strtoul(colon + 1, &end, 10);
    *port = (uint16_t)number;
    return colon[1] >= '1' && colon[1] <= '9' && *end == '\0' &&
           number <= 65535;
}

/* "tcp:[HOST]:PORT-[GUEST]:PORT" */
static bool parse_forward(char *text, struct forward *forward)
{
    char *dash = strchr(text, '-');

    forward->udp = strncmp(text, "udp:", 4) == 0;
    if (dash == NULL || (!forward->udp && strncmp(text, "tcp:", 4) != 0))
        return false;
    *dash = '\0';
    forward->host.s_addr = htonl(INADDR_LOOPBACK);
    forward->guest.s_addr = htonl(0x0a00020f);
    return parse_end(text + 4, &forward->host, &forward->host_port) &&
           parse_end(dash + 1, &forward->guest, &forward->guest_port);
}

static bool add_forward(struct lull_user_net *n, const char *text, char *error,
                        size_t error_bytes)
{
    char *copy = strdup(text);
    struct forward f;
    bool ok = copy != NULL && parse_forward(copy, &f);

    free(copy);
    if (!ok)
        return fail(error, error_bytes,
                    "--net forward=%s: give tcp or udp, "
                    "as in tcp:127.0.0.1:2222-:22",
                    text);
    if (slirp_add_hostfwd(n->slirp, f.udp, f.host, f.host_port, f.guest,
                          f.guest_port) != 0)
        return fail(error, error_bytes, "--net forward=%s: %s", text,
                    strerror(errno));
    return true;
}

static bool set_options(struct lull_user_net *n, char *options, char *error,
                        size_t error_bytes)
{
    char *save = NULL;
    char *word = strtok_r(options, ",", &save);

    if (word == NULL || strcmp(word, "user") != 0)
        return fail(error, error_bytes,
                    "--net %s: give user, unix:PATH or none",
                    word != NULL ? word : "");
    while ((word = strtok_r(NULL, ",", &save)) != NULL) {
        if (strncmp(word, "forward=", 8) != 0)
            return fail(error, error_bytes,
                        "--net user,%s: the one option is forward=", word);
        if (!add_forward(n, word + 8, error, error_bytes))
            return false;
    }
    return true;
}

/* ---- its life ------------------------------------------------------------
 */

static Slirp *slirp_start(struct lull_user_net *n)
{
    SlirpConfig config = {
        .version = 1,
        .in_enabled = true,
        .vnetwork.s_addr = htonl(0x0a000200),
        .vnetmask.s_addr = htonl(0xffffff00),
        .vhost.s_addr = htonl(0x0a000202),
        .vdhcp_start.s_addr = htonl(0x0a00020f),
        .vnameserver.s_addr = htonl(0x0a000203),
        .in6_enabled = true,
        .vprefix_addr6 = {{{0xfe, 0xc0}}},
        .vprefix_len = 64,
        .vhost6 = {{{0xfe, 0xc0, [15] = 2}}},
        .vnameserver6 = {{{0xfe, 0xc0, [15] = 3}}},
    };

    return slirp_new(&config, &callbacks, n);
}

static bool open_net(struct lull_user_net *n, const char *spec, char *error,
                     size_t error_bytes)
{
    char *options = strdup(spec);
    bool ok;

    n->timer = lull_timer_new(n->loop, expired, n);
    n->slirp = n->timer != NULL ? slirp_start(n) : NULL;
    if (n->slirp == NULL || options == NULL)
        ok = fail(error, error_bytes, "--net %s: no memory or descriptors",
                  spec);
    else
        ok = set_options(n, options, error, error_bytes);
    free(options);
    return ok;
}

struct lull_user_net *lull_user_net_new(struct lull_loop *loop,
                                        const char *spec, char *error,
                                        size_t error_bytes)
{
    struct lull_user_net *n = calloc(1, sizeof(*n));

    if (n == NULL) {
        fail(error, error_bytes, "--net: no memory");
        return NULL;
    }
    n->net = (struct lull_net){net_send,   net_sent, net_resume,
                               net_attach, n,        .takes_segments = true};
    n->loop = loop;
    n->last = &n->first;
    if (open_net(n, spec, error, error_bytes)) {
        collect(n);
        return n;
    }
    lull_user_net_free(n);
    return NULL;
}

void lull_user_net_free(struct lull_user_net *n)
{
    if (n == NULL)
        return;
    n->user = (struct lull_net_user){0};
    for (unsigned i = 0; i < n->member_count; i++)
        lull_watch_free(n->member[i].watch);
    if (n->slirp != NULL)
        slirp_cleanup(n->slirp);
    lull_timer_free(n->timer);
    while (n->first != NULL) {
        struct frame *frame = n->first;

        n->first = frame->next;
        free(frame);
    }
    free(n->member);
    free(n->set);
    free(n);
}

const struct lull_net *lull_user_net_net(const struct lull_user_net *n)
{
    return &n->net;
}
