/*
 * The socket device between a driver and a host that are both the test's: the
 * host's programs are the far ends of socket pairs, and the loop turns when
 * the test says so.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fake_transport.h"
#include "lull/loop.h"
#include "lull/vsock.h"
#include "vsock_stream.h"

enum {
    RX = 0,
    TX = 1,
    EVENT = 2,
    HEADER = 44,
    CID = 7,
    HOST = 2,
    GUEST_PORT = 1234,
    HOST_PORT = 5000,
    ROOM = 4096, /* the guest's buffer, as it says */

    REQUEST = 1,
    RESPONSE = 2,
    RST = 3,
    SHUTDOWN = 4,
    RW = 5,
    CREDIT_UPDATE = 6,
    CREDIT_REQUEST = 7,

    RX_DATA = 0x40000, /* in RAM: a page a buffer */
    TX_DATA = 0x80000,
    WATCHES = 600,
};

/* ---- the loop ------------------------------------------------------------
 */

struct lull_watch {
    bool used;
    int fd;
    unsigned events;
    void (*ready)(void *opaque, unsigned events);
    void *opaque;
};

static struct lull_watch watches[WATCHES];
static void (*posted)(void *opaque);
static void *posted_to;

bool lull_loop_post(struct lull_loop *loop, void (*work)(void *opaque),
                    void *opaque)
{
    ck_assert(posted == NULL);
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
    ck_assert(watch->used);
    watch->events = events;
}

void lull_watch_free(struct lull_watch *watch)
{
    if (watch != NULL)
        watch->used = false;
}

static unsigned watch_count(void)
{
    unsigned count = 0;

    for (unsigned i = 0; i < WATCHES; i++)
        count += watches[i].used;
    return count;
}

static bool ready(struct lull_watch *w)
{
    struct pollfd fd = {
        .fd = w->fd,
        .events = (short)((w->events & LULL_LOOP_READ ? POLLIN : 0) |
                          (w->events & LULL_LOOP_WRITE ? POLLOUT : 0))};
    unsigned events;

    if (!w->used || w->events == 0 || poll(&fd, 1, 0) <= 0)
        return false;
    events = (fd.revents & POLLIN ? LULL_LOOP_READ : 0U) |
             (fd.revents & POLLOUT ? LULL_LOOP_WRITE : 0U) |
             (fd.revents & POLLHUP ? LULL_LOOP_HANGUP : 0U);
    w->ready(w->opaque, events);
    return true;
}

/* Until nothing is to be done: an idle device has to come to rest. */
static void settle(void)
{
    for (unsigned rounds = 0; rounds < 1000; rounds++) {
        bool any = posted != NULL;

        if (any) {
            void (*work)(void *) = posted;

            posted = NULL;
            work(posted_to);
        }
        for (unsigned i = 0; i < WATCHES; i++)
            any |= ready(&watches[i]);
        if (!any)
            return;
    }
    ck_abort_msg("it does not come to rest");
}

/* ---- the host ------------------------------------------------------------
 */

static struct lull_vsock_user user;
static uint64_t asked_token;
static uint32_t asked_port;
static unsigned asked;
static int far = -1; /* the host's program */

static bool host_connect(void *host_, uint32_t port, uint64_t token)
{
    asked_port = port;
    asked_token = token;
    asked++;
    return port >= HOST_PORT;
}

static void host_attach(void *host_, const struct lull_vsock_user *attached)
{
    user = attached != NULL ? *attached : (struct lull_vsock_user){0};
}

static const struct lull_vsock_host host = {host_connect, host_attach, NULL};

/* Our end of a new pair; the other one is `far`. */
static int new_pair(void)
{
    int pair[2];

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    fcntl(pair[0], F_SETFL, O_NONBLOCK);
    fcntl(pair[1], F_SETFL, O_NONBLOCK);
    if (far >= 0)
        close(far);
    far = pair[1];
    return pair[0];
}

static void close_far(void)
{
    close(far);
    far = -1;
}

static void far_says(const char *text)
{
    ck_assert_int_eq(write(far, text, strlen(text)), (ssize_t)strlen(text));
}

static void far_hears(const char *text)
{
    char heard[256] = {0};

    ck_assert_int_eq(read(far, heard, sizeof(heard)), (ssize_t)strlen(text));
    ck_assert_str_eq(heard, text);
}

static bool far_has_ended(void)
{
    char byte;

    return read(far, &byte, 1) == 0;
}

/* ---- the driver ----------------------------------------------------------
 */

struct packet {
    uint64_t src_cid, dst_cid;
    uint32_t src_port, dst_port, len;
    uint16_t type, op;
    uint32_t flags, buf_alloc, fwd_cnt;
    char data[64];
};

static uint32_t guest_port, host_port, room, took;
static uint16_t next_tx;

static void offer_rx(unsigned i)
{
    offer(RX, (uint16_t)i, RAM_GPA + RX_DATA + 0x1000ULL * i, 0x1000, WRITE);
}

static void offer_all_rx(void)
{
    for (unsigned i = 0; i < SIZE; i++)
        offer_rx(i);
    set(QUEUE_NOTIFY, RX);
}

static void setup(void)
{
    signal(SIGPIPE, SIG_IGN);
    line = (struct fake_line){0};
    posted = NULL;
    asked = 0;
    guest_port = GUEST_PORT;
    host_port = HOST_PORT;
    room = ROOM;
    took = 0;
    next_tx = 0;
    memset(watches, 0, sizeof(watches));
    dev = lull_virtio_vsock_new(30, &ram, fake_irq(&line), CID, &host, NULL);
    ck_assert_ptr_nonnull(dev);
    start_device(ALL_FEATURES | 1, 3);
    offer_all_rx();
    if (posted != NULL)
        settle();
}

static void teardown(void)
{
    lull_virtio_free(dev);
    ck_assert(user.incoming == NULL);
    ck_assert_uint_eq(watch_count(), 0);
    if (far >= 0)
        close_far();
}

/* What the device sent next, whose buffer it gets again; false: nothing. */
static bool receive(struct packet *p)
{
    uint32_t id, len;
    uint8_t *at_;

    if (!take_used(&queue[RX], &id, &len))
        return false;
    at_ = at(RAM_GPA + RX_DATA + 0x1000ULL * id);
    *p = (struct packet){get_le64(at_),
                         get_le64(at_ + 8),
                         get_le32(at_ + 16),
                         get_le32(at_ + 20),
                         get_le32(at_ + 24),
                         get_le16(at_ + 28),
                         get_le16(at_ + 30),
                         get_le32(at_ + 32),
                         get_le32(at_ + 36),
                         get_le32(at_ + 40),
                         {0}};
    ck_assert_uint_eq(len, HEADER + p->len);
    memcpy(p->data, at_ + HEADER, p->len < 63 ? p->len : 63);
    offer_rx(id);
    return true;
}

static struct packet expect(uint16_t op)
{
    struct packet p = {0};

    ck_assert_msg(receive(&p), "no packet, not even of kind %u", op);
    ck_assert_uint_eq(p.op, op);
    ck_assert_uint_eq(p.src_cid, HOST);
    ck_assert_uint_eq(p.dst_cid, CID);
    ck_assert_uint_eq(p.src_port, host_port);
    ck_assert_uint_eq(p.dst_port, guest_port);
    return p;
}

static void expect_nothing(void)
{
    struct packet p;

    ck_assert(!receive(&p));
}

static void put_packet(const struct packet *p, uint32_t len)
{
    uint64_t gpa = RAM_GPA + TX_DATA;
    uint8_t *to = at(gpa);

    put_le64(to, p->src_cid);
    put_le64(to + 8, p->dst_cid);
    put_le32(to + 16, p->src_port);
    put_le32(to + 20, p->dst_port);
    put_le32(to + 24, p->len);
    put_le16(to + 28, p->type);
    put_le16(to + 30, p->op);
    put_le32(to + 32, p->flags);
    put_le32(to + 36, p->buf_alloc);
    put_le32(to + 40, p->fwd_cnt);
    offer(TX, next_tx++ % SIZE, gpa, len, 0);
    set(QUEUE_NOTIFY, TX);
    if (posted != NULL)
        settle();
}

static struct packet packet(uint16_t op)
{
    return (struct packet){.src_cid = CID,
                           .dst_cid = HOST,
                           .src_port = guest_port,
                           .dst_port = host_port,
                           .type = 1,
                           .op = op,
                           .buf_alloc = room,
                           .fwd_cnt = took};
}

static void say(uint16_t op, uint32_t flags)
{
    struct packet p = packet(op);

    p.flags = flags;
    put_packet(&p, HEADER);
}

static void say_bytes(const char *bytes, uint32_t len)
{
    struct packet p = packet(RW);

    p.len = len;
    memcpy(at(RAM_GPA + TX_DATA + HEADER), bytes, len);
    put_packet(&p, HEADER + len);
}

/* Connected by the guest. */
static void come_up(void)
{
    say(REQUEST, 0);
    user.connected(user.opaque, asked_token, new_pair());
    settle();
    expect(RESPONSE);
}

static bool broken(void)
{
    return get(STATUS) & NEEDS_RESET;
}

static struct lull_vsock_stats stats(void)
{
    return lull_virtio_vsock_stats(dev);
}

/* ---- beginning -----------------------------------------------------------
 */

START_TEST(its_address)
{
    ck_assert_uint_eq(get(DEVICE_ID), 19);
    ck_assert_uint_eq(get(CONFIG), CID);
    ck_assert_uint_eq(get(CONFIG + 4), 0);
    ck_assert_uint_eq(get(CONFIG + 8), 0);
    ck_assert_uint_eq(get(CONFIG + 0xfc), 0);
}
END_TEST

START_TEST(the_guest_connects)
{
    struct packet p;

    say(REQUEST, 0);
    ck_assert_uint_eq(asked, 1);
    ck_assert_uint_eq(asked_port, HOST_PORT);
    expect_nothing();
    user.connected(user.opaque, asked_token, new_pair());
    p = expect(RESPONSE);
    ck_assert_uint_eq(p.type, 1);
    ck_assert_uint_eq(p.buf_alloc, VSOCK_BUFFER_BYTES);
    ck_assert_uint_eq(p.fwd_cnt, 0);
    ck_assert_uint_eq(stats().from_guest, 1);
    ck_assert(line.level);
}
END_TEST

START_TEST(nobody_listens)
{
    say(REQUEST, 0);
    user.connected(user.opaque, asked_token, -1);
    expect(RST);
    host_port = HOST_PORT - 1; /* nothing for that port */
    say(REQUEST, 0);
    expect(RST);
    ck_assert_uint_eq(stats().refused, 2);
    ck_assert_uint_eq(stats().streams, 0);
}
END_TEST

START_TEST(the_guest_thinks_better_of_it)
{
    int fd;

    say(REQUEST, 0);
    say(RST, 0);
    ck_assert_uint_eq(stats().streams, 0);
    fd = new_pair();
    user.connected(user.opaque, asked_token, fd);
    ck_assert(far_has_ended());
    expect_nothing();
}
END_TEST

static void come_in(void)
{
    struct packet p;

    user.incoming(user.opaque, GUEST_PORT, new_pair());
    ck_assert(receive(&p));
    ck_assert_uint_eq(p.op, REQUEST);
    ck_assert_uint_eq(p.dst_port, GUEST_PORT);
    host_port = p.src_port;
}

START_TEST(the_host_connects)
{
    come_in();
    far_says("early");
    settle();
    expect_nothing(); /* not before the guest has answered */
    say(RESPONSE, 0);
    ck_assert_str_eq(expect(RW).data, "early");
    say_bytes("hello", 5);
    far_hears("hello");
    ck_assert_uint_eq(stats().from_host, 1);
}
END_TEST

START_TEST(the_guest_refuses)
{
    come_in();
    say(RST, 0);
    ck_assert(far_has_ended());
    ck_assert_uint_eq(stats().streams, 0);
    ck_assert_uint_eq(stats().refused, 1);
}
END_TEST

/* What a client wrote before it went away arrives all the same. */
START_TEST(a_client_in_a_hurry)
{
    come_in();
    far_says("bye");
    close_far();
    settle();
    say(RESPONSE, 0);
    ck_assert_str_eq(expect(RW).data, "bye");
    ck_assert_uint_eq(expect(SHUTDOWN).flags & VSOCK_NO_SEND, VSOCK_NO_SEND);
}
END_TEST

START_TEST(two_of_the_hosts_have_ports_of_their_own)
{
    uint32_t first;

    come_in();
    first = host_port;
    come_in();
    ck_assert_uint_ne(host_port, first);
}
END_TEST

START_TEST(without_a_driver_nobody_is_there)
{
    set(STATUS, 0);
    user.incoming(user.opaque, GUEST_PORT, new_pair());
    ck_assert(far_has_ended());
    ck_assert_uint_eq(stats().streams, 0);
}
END_TEST

/* ---- data and credit -----------------------------------------------------
 */

START_TEST(bytes_both_ways)
{
    come_up();
    say_bytes("to the host", 11);
    far_hears("to the host");
    far_says("to the guest");
    settle();
    ck_assert_str_eq(expect(RW).data, "to the guest");
    say(CREDIT_REQUEST, 0);
    ck_assert_uint_eq(expect(CREDIT_UPDATE).fwd_cnt, 11);
    ck_assert_uint_eq(stats().to_host_bytes, 11);
    ck_assert_uint_eq(stats().to_guest_bytes, 12);
}
END_TEST

START_TEST(no_more_than_the_guest_has_room_for)
{
    room = 3;
    come_up();
    far_says("abcdefg");
    settle();
    ck_assert_str_eq(expect(RW).data, "abc");
    expect_nothing();
    took = 2;
    say(CREDIT_UPDATE, 0);
    settle();
    ck_assert_str_eq(expect(RW).data, "de");
    expect_nothing();
}
END_TEST

START_TEST(lies_about_credit)
{
    come_up();
    took = 1; /* more than it was ever sent */
    say(CREDIT_UPDATE, 0);
    far_says("x");
    settle();
    expect_nothing();
    took = 0x80000000;
    room = 0xffffffff;
    say(CREDIT_UPDATE, 0);
    settle();
    ck_assert_str_eq(expect(RW).data, "x"); /* its own buffers, no more */
    room = 0;
    took = 0;
    say(CREDIT_UPDATE, 0);
    far_says("y");
    settle();
    expect_nothing();
    ck_assert(!broken());
}
END_TEST

static uint8_t pattern(size_t i)
{
    return (uint8_t)(i * 7 + i / 256);
}

/* As much of a pattern as the device takes; how much it was. */
static uint32_t say_pattern(uint32_t total)
{
    static char bytes[4096];
    uint32_t sent = 0;

    while (sent < total && stats().streams == 1) {
        for (size_t i = 0; i < sizeof(bytes); i++)
            bytes[i] = (char)pattern(sent + i);
        say_bytes(bytes, sizeof(bytes));
        sent += sizeof(bytes);
    }
    return sent;
}

static void far_hears_pattern(uint32_t total)
{
    uint8_t bytes[1000];
    size_t done = 0;

    while (done < total) {
        ssize_t n = read(far, bytes, sizeof(bytes));

        if (n < 0) {
            ck_assert_int_eq(errno, EAGAIN);
            settle();
            continue;
        }
        ck_assert_int_gt(n, 0);
        for (ssize_t i = 0; i < n; i++)
            ck_assert_uint_eq(bytes[i], pattern(done + (size_t)i));
        done += (size_t)n;
    }
}

static void make_narrow(int fd)
{
    int bytes = 4096;

    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
}

/* As come_up, to a program whose socket takes little. */
static void come_up_narrow(void)
{
    int fd = new_pair();

    make_narrow(fd);
    say(REQUEST, 0);
    user.connected(user.opaque, asked_token, fd);
    expect(RESPONSE);
}

START_TEST(a_host_that_does_not_read)
{
    uint32_t told, sent;
    struct packet p;

    come_up_narrow();
    sent = say_pattern(VSOCK_BUFFER_BYTES);
    say(CREDIT_REQUEST, 0);
    told = expect(CREDIT_UPDATE).fwd_cnt;
    ck_assert_uint_lt(told, sent); /* not all has gone */
    far_hears_pattern(sent);
    settle();
    p = expect(CREDIT_UPDATE); /* by itself: the guest may be waiting */
    ck_assert_uint_gt(p.fwd_cnt, told);
    sent = VSOCK_BUFFER_BYTES;
    say(CREDIT_REQUEST, 0);
    do
        ck_assert(receive(&p));
    while (p.fwd_cnt != sent);
}
END_TEST

START_TEST(more_than_it_was_allowed)
{
    come_up_narrow();
    ck_assert_uint_ge(say_pattern(VSOCK_BUFFER_BYTES * 4), VSOCK_BUFFER_BYTES);
    expect(RST);
    ck_assert_uint_eq(stats().streams, 0);
    ck_assert(!broken());
}
END_TEST

START_TEST(without_buffers_everything_waits_in_order)
{
    struct packet p;

    set(STATUS, 0);
    settle();
    start_device(ALL_FEATURES, 3);
    next_tx = 0;
    settle();
    say(REQUEST, 0);
    user.connected(user.opaque, asked_token, new_pair());
    far_says("data");
    shutdown(far, SHUT_WR);
    settle(); /* comes to rest: what cannot be sent is not read either */
    offer_rx(0);
    offer_rx(1);
    offer_rx(2);
    set(QUEUE_NOTIFY, RX);
    settle();
    ck_assert(receive(&p) && p.op == RESPONSE);
    ck_assert(receive(&p) && p.op == RW);
    ck_assert(receive(&p) && p.op == SHUTDOWN);
}
END_TEST

START_TEST(a_packet_in_pieces)
{
    come_up();
    put_packet(&(struct packet){.src_cid = 1}, HEADER); /* nobody's */
    memcpy(at(RAM_GPA + TX_DATA + 0x1000), "abcdef", 6);
    put_desc(queue[TX].desc, 8, RAM_GPA + TX_DATA, 20, NEXT, 9);
    put_desc(queue[TX].desc, 9, RAM_GPA + TX_DATA + 20, 24, NEXT, 10);
    put_desc(queue[TX].desc, 10, RAM_GPA + TX_DATA + 0x1000, 2, NEXT, 11);
    put_desc(queue[TX].desc, 11, RAM_GPA + TX_DATA + 0x1002, 4, 0, 0);
    put_le64(at(RAM_GPA + TX_DATA), CID);
    put_le64(at(RAM_GPA + TX_DATA + 8), HOST);
    put_le32(at(RAM_GPA + TX_DATA + 16), GUEST_PORT);
    put_le32(at(RAM_GPA + TX_DATA + 20), HOST_PORT);
    put_le32(at(RAM_GPA + TX_DATA + 24), 6);
    put_le16(at(RAM_GPA + TX_DATA + 28), 1);
    put_le16(at(RAM_GPA + TX_DATA + 30), RW);
    make_available(&queue[TX], 8);
    set(QUEUE_NOTIFY, TX);
    settle();
    far_hears("abcdef");
}
END_TEST

/* ---- ending --------------------------------------------------------------
 */

START_TEST(the_host_ends_its_half)
{
    come_up();
    far_says("last");
    shutdown(far, SHUT_WR);
    settle();
    ck_assert_str_eq(expect(RW).data, "last");
    ck_assert_uint_eq(expect(SHUTDOWN).flags, VSOCK_NO_SEND);
    say_bytes("answer", 6);
    far_hears("answer");
    say(SHUTDOWN, VSOCK_NEITHER);
    expect(RST);
    ck_assert(far_has_ended());
    ck_assert_uint_eq(stats().streams, 0);
}
END_TEST

START_TEST(the_guest_ends_its_half)
{
    come_up();
    say_bytes("question", 8);
    say(SHUTDOWN, VSOCK_NO_SEND);
    far_hears("question");
    ck_assert(far_has_ended());
    far_says("answer");
    settle();
    ck_assert_str_eq(expect(RW).data, "answer");
    say_bytes("more", 4); /* against its word */
    expect(RST);
}
END_TEST

START_TEST(the_host_goes_away)
{
    struct packet p;

    come_up();
    far_says("last");
    close_far();
    settle();
    ck_assert_str_eq(expect(RW).data, "last");
    do
        p = expect(SHUTDOWN);
    while (p.flags != VSOCK_NEITHER);
    say_bytes("too late", 8); /* on its way already: no offence */
    say(RST, 0);
    expect_nothing();
    ck_assert_uint_eq(stats().streams, 0);
}
END_TEST

START_TEST(the_host_goes_away_while_the_guest_sends)
{
    come_up_narrow();
    say_pattern(65536);
    close_far();
    settle();
    ck_assert_uint_eq(expect(SHUTDOWN).flags & VSOCK_NO_RECEIVE,
                      VSOCK_NO_RECEIVE);
    say(CREDIT_REQUEST, 0);
    settle();
}
END_TEST

/* The guest has closed; what it said is not lost, and its port is free. */
START_TEST(what_was_said_before_closing_arrives)
{
    int first;

    come_up_narrow();
    say_pattern(65536);
    say(SHUTDOWN, VSOCK_NEITHER);
    expect(RST);
    ck_assert_uint_eq(stats().streams, 1);
    first = far;
    far = -1;
    come_up();
    close_far();
    far = first;
    far_hears_pattern(65536);
    settle();
    ck_assert(far_has_ended());
}
END_TEST

static void state_of(struct lull_state *state)
{
    lull_virtio_freeze(dev);
    lull_virtio_state(dev, state);
    ck_assert(!state->bad);
    lull_virtio_thaw(dev);
}

/* Saved in the middle of a stream, which goes on here; the guest that was
 * restored hears that it has none. */
START_TEST(a_snapshot)
{
    struct lull_state saved = {.loading = false};
    uint32_t id, len;

    come_up();
    far_says("x");
    settle();
    expect(RW); /* and a buffer is held for more */
    state_of(&saved);
    far_says("goes on");
    settle();
    ck_assert_str_eq(expect(RW).data, "goes on");
    offer(EVENT, 0, DATA, 4, WRITE);
    *at(DATA) = 9;
    set(QUEUE_NOTIFY, EVENT);
    ck_assert(!take_used(&queue[EVENT], &id, &len));
    saved.len = 0;
    state_of(&saved);
    saved.loading = true;
    state_of(&saved);
    ck_assert(lull_state_done(&saved));
    free(saved.bytes);
    settle();
    ck_assert(take_used(&queue[EVENT], &id, &len));
    ck_assert_uint_eq(len, 4);
    ck_assert_uint_eq(get_le32(at(DATA)), 0);
}
END_TEST

START_TEST(a_reset_of_the_guests)
{
    come_up();
    say(RST, 0);
    ck_assert(far_has_ended());
    expect_nothing();
    say(RST, 0); /* of nothing */
    expect_nothing();
}
END_TEST

START_TEST(the_driver_resets_the_device)
{
    come_up();
    set(STATUS, 0);
    settle();
    ck_assert(far_has_ended());
    ck_assert_uint_eq(stats().streams, 0);
    start_device(ALL_FEATURES, 3);
    next_tx = 0;
    offer_all_rx();
    come_up();
}
END_TEST

/* ---- a guest that means harm ---------------------------------------------
 */

START_TEST(packets_that_are_none)
{
    struct packet p = packet(REQUEST);

    put_packet(&p, HEADER - 1);
    ck_assert(broken());
}
END_TEST

START_TEST(a_length_beyond_the_packet)
{
    struct packet p;

    come_up();
    p = packet(RW);
    p.len = 5;
    put_packet(&p, HEADER + 4);
    ck_assert(broken());
    far_says("x");
    settle();
}
END_TEST

START_TEST(a_buffer_too_small_for_a_header)
{
    set(STATUS, 0);
    settle();
    start_device(ALL_FEATURES, 3);
    next_tx = 0;
    offer(RX, 0, RAM_GPA + RX_DATA, HEADER - 1, WRITE);
    say(RW, 0);
    ck_assert(broken());
}
END_TEST

START_TEST(a_buffer_without_room_for_data)
{
    struct packet p;

    set(STATUS, 0);
    settle();
    start_device(ALL_FEATURES, 3);
    next_tx = 0;
    offer(RX, 0, RAM_GPA + RX_DATA, HEADER, WRITE);
    offer(RX, 1, RAM_GPA + RX_DATA + 0x1000, HEADER, WRITE);
    say(REQUEST, 0);
    user.connected(user.opaque, asked_token, new_pair());
    ck_assert(receive(&p) && p.op == RESPONSE);
    far_says("x");
    settle();
    ck_assert(broken());
}
END_TEST

START_TEST(what_belongs_to_no_stream)
{
    struct packet p = packet(RW);

    say(RW, 0);
    expect(RST);
    p.type = 2; /* not offered */
    put_packet(&p, HEADER);
    ck_assert(receive(&p) && p.op == RST && p.type == 2);
    p = packet(REQUEST);
    p.dst_cid = 9;
    put_packet(&p, HEADER);
    ck_assert(receive(&p) && p.op == RST && p.src_cid == 9);
    p = packet(REQUEST);
    p.src_cid = 8; /* somebody else's name */
    put_packet(&p, HEADER);
    expect_nothing();
    ck_assert_uint_eq(asked, 0);
}
END_TEST

START_TEST(against_the_order)
{
    come_up();
    say(REQUEST, 0);
    expect(RST);
    come_up();
    say(RESPONSE, 0);
    expect(RST);
    come_up();
    say(99, 0);
    expect(RST);
    say(REQUEST, 0);
    say(RW, 0); /* before the answer */
    expect(RST);
    say(REQUEST, 0);
    say(SHUTDOWN, 3);
    expect(RST);
    ck_assert_uint_eq(stats().streams, 0);
    ck_assert(!broken());
}
END_TEST

START_TEST(too_many_streams)
{
    for (guest_port = 1; guest_port <= 512; guest_port++)
        say(REQUEST, 0);
    ck_assert_uint_eq(stats().streams, 512);
    expect_nothing();
    say(REQUEST, 0);
    expect(RST);
    user.incoming(user.opaque, GUEST_PORT, new_pair());
    ck_assert(far_has_ended());
    ck_assert_uint_eq(stats().streams, 512);
    ck_assert_uint_eq(stats().refused, 2);
}
END_TEST

/* It is not listened to until it takes the answers. */
START_TEST(refusals_that_nobody_fetches)
{
    uint32_t id, len;
    unsigned heard = 0;
    set(STATUS, 0);
    settle();
    start_device(ALL_FEATURES, 3);
    next_tx = 0;
    for (unsigned i = 0; i < 140; i++) {
        say(RW, 0);
        heard += take_used(&queue[TX], &id, &len);
        if (i % SIZE == SIZE - 1 && heard < i)
            break; /* its ring is full */
    }
    ck_assert_uint_eq(heard, 128);
    for (unsigned i = 0; i < 140; i++) {
        offer_rx(0);
        set(QUEUE_NOTIFY, RX);
        if (posted != NULL)
            settle();
        if (!take_used(&queue[RX], &id, &len))
            break;
        ck_assert_uint_eq(get_le16(at(RAM_GPA + RX_DATA + 30)), RST);
    }
    ck_assert(take_used(&queue[TX], &id, &len));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("vsock");
    TCase *tc = tcase_create("vsock");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, its_address);
    tcase_add_test(tc, the_guest_connects);
    tcase_add_test(tc, nobody_listens);
    tcase_add_test(tc, the_guest_thinks_better_of_it);
    tcase_add_test(tc, the_host_connects);
    tcase_add_test(tc, the_guest_refuses);
    tcase_add_test(tc, a_client_in_a_hurry);
    tcase_add_test(tc, two_of_the_hosts_have_ports_of_their_own);
    tcase_add_test(tc, without_a_driver_nobody_is_there);
    tcase_add_test(tc, bytes_both_ways);
    tcase_add_test(tc, no_more_than_the_guest_has_room_for);
    tcase_add_test(tc, lies_about_credit);
    tcase_add_test(tc, a_host_that_does_not_read);
    tcase_add_test(tc, more_than_it_was_allowed);
    tcase_add_test(tc, without_buffers_everything_waits_in_order);
    tcase_add_test(tc, a_packet_in_pieces);
    tcase_add_test(tc, the_host_ends_its_half);
    tcase_add_test(tc, the_guest_ends_its_half);
    tcase_add_test(tc, the_host_goes_away);
    tcase_add_test(tc, the_host_goes_away_while_the_guest_sends);
    tcase_add_test(tc, what_was_said_before_closing_arrives);
    tcase_add_test(tc, a_snapshot);
    tcase_add_test(tc, a_reset_of_the_guests);
    tcase_add_test(tc, the_driver_resets_the_device);
    tcase_add_test(tc, packets_that_are_none);
    tcase_add_test(tc, a_length_beyond_the_packet);
    tcase_add_test(tc, a_buffer_too_small_for_a_header);
    tcase_add_test(tc, a_buffer_without_room_for_data);
    tcase_add_test(tc, what_belongs_to_no_stream);
    tcase_add_test(tc, against_the_order);
    tcase_add_test(tc, too_many_streams);
    tcase_add_test(tc, refusals_that_nobody_fetches);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
