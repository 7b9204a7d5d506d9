/*
 * The socket device (virtio 1.2, section 5.10): streams between programs in
 * the guest and Unix sockets of the host's.
 *
 * Three queues: packets to the guest, packets from it, and events, of which
 * there is one: that all streams are gone, after a snapshot. A packet is a
 * header of 44 bytes and perhaps data. All streams live on the loop's thread; a
 * notification only asks the loop to look. Data goes between the socket and
 * guest memory without a copy of ours, unless the host's program does not keep
 * up.
 *
 * What a hostile guest can make us hold is bounded: so many streams, a buffer
 * each, and so many refusals that it has not fetched; with those it is not
 * listened to until it has. Nothing is held for packets to the guest: a stream
 * remembers what it owes in a few bits, and data stays in the socket.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lull/bytes.h"
#include "lull/loop.h"
#include "lull/vsock.h"
#include "virtio.h"
#include "vsock_stream.h"

enum {
    RECEIVE = 0,
    TRANSMIT = 1,
    EVENTS = 2,
    QUEUE_SIZE = 256,
    BATCH = 64, /* packets before others on the loop have their turn */

    STREAMS_MAX = 512,
    REFUSALS_MAX = 128,
    PACKET_DATA_MAX = 64 * 1024,
    VECTOR_MAX = 64,

    F_STREAM = 1 << 0,
    EVENT_BYTES = 4,
    EVENT_TRANSPORT_RESET = 0,
    HOST_CID = 2,
    TYPE_STREAM = 1,
    FIRST_HOST_PORT = 0x40000000, /* of connections that the host begins */

    HEADER_BYTES = 44,
    HEADER_SRC_CID = 0,
    HEADER_DST_CID = 8,
    HEADER_SRC_PORT = 16,
    HEADER_DST_PORT = 20,
    HEADER_LEN = 24,
    HEADER_TYPE = 28,
    HEADER_OP = 30,
    HEADER_FLAGS = 32,
    HEADER_BUF_ALLOC = 36,
    HEADER_FWD_CNT = 40,

    OP_REQUEST = 1,
    OP_RESPONSE = 2,
    OP_RST = 3,
    OP_SHUTDOWN = 4,
    OP_RW = 5,
    OP_CREDIT_UPDATE = 6,
    OP_CREDIT_REQUEST = 7,
};

struct header {
    uint64_t src_cid, dst_cid;
    uint32_t src_port, dst_port, len;
    uint16_t type, op;
    uint32_t flags, buf_alloc, fwd_cnt;
};

struct vsock {
    struct lull_virtio base; /* first: they are converted to each other */
    uint32_t guest_cid;
    const struct lull_vsock_host *host;
    struct lull_loop *loop;

    /* Under the lock. */
    bool posted;  /* the loop was asked to look */
    bool starved; /* something waits for buffers of the guest's */
    bool over;    /* the driver reset the device: its streams are to go */
    bool forgot;  /* restored: the guest's streams were another process's */
    struct vsock_stream *streams;
    uint64_t last_token;
    uint32_t next_port;
    struct header refusal[REFUSALS_MAX];
    unsigned refusals;
    /* A chain of the guest's that was taken and not used yet. */
    bool holding;
    struct virtq_chain held;
    struct lull_vsock_stats stats;
};

static struct vsock *vsock_of(struct lull_virtio *dev)
{
    return (struct vsock *)dev;
}

/* ---- packets to the guest ------------------------------------------------ */

/* A chain to put a packet in, v->held. False: the guest has none, and what
 * could not be sent is looked at again when it has. */
static bool hold(struct vsock *v)
{
    struct lull_virtio *dev = &v->base;
    const struct virtq_chain *chain = &dev->chain;
    uint64_t room = 0;

    if (v->holding && virtio_running(dev))
        return true;
    if (v->over || !virtio_pop(dev, RECEIVE)) {
        v->starved = true;
        return false;
    }
    for (unsigned i = 0; i < chain->in; i++)
        room += chain->span[chain->out + i].len;
    if (room < HEADER_BYTES) {
        virtio_break(dev);
        return false;
    }
    v->held.head = chain->head;
    v->held.in = chain->in;
    memcpy(v->held.span, chain->span + chain->out,
           chain->in * sizeof(chain->span[0]));
    v->holding = true;
    return true;
}

/* Where the data of the held chain goes, at most `most` bytes of it. */
static int data_vector(const struct vsock *v, struct iovec *vector,
                       uint32_t most)
{
    uint32_t skip = HEADER_BYTES;
    int count = 0;

    for (unsigned i = 0; i < v->held.in && most != 0; i++) {
        const struct virtq_span *span = &v->held.span[i];
        uint32_t cut = skip < span->len ? skip : span->len;
        uint32_t part = span->len - cut < most ? span->len - cut : most;

        skip -= cut;
        if (part == 0)
            continue;
        if (count == VECTOR_MAX)
            break;
        vector[count++] = (struct iovec){span->host + cut, part};
        most -= part;
    }
    return count;
}

static void put_header(const struct vsock *v, const uint8_t *bytes)
{
    uint32_t done = 0;

    for (unsigned i = 0; i < v->held.in && done < HEADER_BYTES; i++) {
        const struct virtq_span *span = &v->held.span[i];
        uint32_t part =
            span->len < HEADER_BYTES - done ? span->len : HEADER_BYTES - done;

        memcpy(span->host, bytes + done, part);
        done += part;
    }
}

/* The held chain goes back with a packet in it, whose data is in place. */
static void send_held(struct vsock *v, const struct header *h)
{
    uint8_t bytes[HEADER_BYTES];

    put_le64(bytes + HEADER_SRC_CID, h->src_cid);
    put_le64(bytes + HEADER_DST_CID, h->dst_cid);
    put_le32(bytes + HEADER_SRC_PORT, h->src_port);
    put_le32(bytes + HEADER_DST_PORT, h->dst_port);
    put_le32(bytes + HEADER_LEN, h->len);
    put_le16(bytes + HEADER_TYPE, h->type);
    put_le16(bytes + HEADER_OP, h->op);
    put_le32(bytes + HEADER_FLAGS, h->flags);
    put_le32(bytes + HEADER_BUF_ALLOC, h->buf_alloc);
    put_le32(bytes + HEADER_FWD_CNT, h->fwd_cnt);
    put_header(v, bytes);
    virtio_push(&v->base, RECEIVE, v->held.head, HEADER_BYTES + h->len);
    v->holding = false;
}

static void send_packet(struct vsock *v, struct vsock_stream *s, uint16_t op,
                        uint32_t len)
{
    send_held(v, &(struct header){
                     .src_cid = HOST_CID,
                     .dst_cid = v->guest_cid,
                     .src_port = s->host_port,
                     .dst_port = s->guest_port,
                     .len = len,
                     .type = TYPE_STREAM,
                     .op = op,
                     .flags = op == OP_SHUTDOWN ? s->ended : 0,
                     .buf_alloc = VSOCK_BUFFER_BYTES,
                     .fwd_cnt = s->took,
                 });
    s->told_took = s->took;
    s->owes &= ~(unsigned)VSOCK_OWES_CREDIT;
}

/* What a stream owes, in this order; a reset is all that is left to say.
 * False: the guest has no buffers. */
static bool pay(struct vsock *v, struct vsock_stream *s)
{
    static const struct {
        unsigned owed;
        uint16_t op;
    } packets[] = {{VSOCK_OWES_RESET, OP_RST},
                   {VSOCK_OWES_REQUEST, OP_REQUEST},
                   {VSOCK_OWES_RESPONSE, OP_RESPONSE},
                   {VSOCK_OWES_SHUTDOWN, OP_SHUTDOWN},
                   {VSOCK_OWES_CREDIT, OP_CREDIT_UPDATE}};

    if (s->state == VSOCK_LINGERING || s->state == VSOCK_GONE)
        return true;
    for (size_t i = 0; i < sizeof(packets) / sizeof(*packets); i++) {
        if (!(s->owes & packets[i].owed))
            continue;
        if (!hold(v))
            return false;
        s->owes &= ~packets[i].owed;
        send_packet(v, s, packets[i].op, 0);
        if (packets[i].owed == VSOCK_OWES_RESET) {
            vsock_stream_forgotten(s);
            return true;
        }
    }
    return true;
}

/* Data, as far as guest and host have some and room for it. */
static void pump(struct vsock *v, struct vsock_stream *s)
{
    struct iovec vector[VECTOR_MAX];

    for (unsigned i = 0; i < BATCH && s->state == VSOCK_UP; i++) {
        uint32_t most = vsock_credit(s), len;
        int count;

        if (most == 0 || s->ended & VSOCK_NO_SEND ||
            s->guest_ended & VSOCK_NO_RECEIVE)
            return;
        s->starved = !hold(v);
        if (s->starved)
            return;
        count = data_vector(v, vector,
                            most < PACKET_DATA_MAX ? most : PACKET_DATA_MAX);
        if (count == 0) { /* room for a header and nothing else */
            virtio_break(&v->base);
            s->starved = true;
            return;
        }
        len = vsock_stream_read(s, vector, count);
        if (len == 0)
            return;
        v->stats.to_guest_bytes += len;
        send_packet(v, s, OP_RW, len);
    }
}

/* After anything happened to a stream. */
static void settle(struct vsock *v, struct vsock_stream *s)
{
    if (!pay(v, s))
        s->starved = true;
    vsock_stream_watch(s);
}

/* A packet that belongs to no stream; the guest is told so. */
static void refuse(struct vsock *v, const struct header *h)
{
    v->stats.refused += h->op == OP_REQUEST;
    if (h->op == OP_RST || v->refusals == REFUSALS_MAX)
        return;
    v->refusal[v->refusals++] = (struct header){
        .src_cid = h->dst_cid,
        .dst_cid = v->guest_cid,
        .src_port = h->dst_port,
        .dst_port = h->src_port,
        .type = h->type,
        .op = OP_RST,
    };
}

static void send_refusals(struct vsock *v)
{
    unsigned sent = 0;

    while (sent < v->refusals && hold(v))
        send_held(v, &v->refusal[sent++]);
    v->refusals -= sent;
    memmove(v->refusal, v->refusal + sent, v->refusals * sizeof(v->refusal[0]));
}

/* ---- streams ------------------------------------------------------------- */

static void stream_ready(void *opaque, unsigned events);

static struct vsock_stream *find(const struct vsock *v, uint32_t guest_port,
                                 uint32_t host_port)
{
    struct vsock_stream *s = v->streams;

    while (s != NULL &&
           (s->guest_port != guest_port || s->host_port != host_port ||
            s->state == VSOCK_LINGERING || s->state == VSOCK_GONE))
        s = s->next;
    return s;
}

/* NULL: there are too many. */
static struct vsock_stream *add_stream(struct vsock *v, uint32_t guest_port,
                                       uint32_t host_port)
{
    struct vsock_stream *s =
        v->stats.streams < STREAMS_MAX ? calloc(1, sizeof(*s)) : NULL;

    if (s == NULL)
        return NULL;
    s->device = v;
    s->token = ++v->last_token;
    s->guest_port = guest_port;
    s->host_port = host_port;
    s->fd = -1;
    s->next = v->streams;
    v->streams = s;
    v->stats.streams++;
    return s;
}

/* False: no memory; the descriptor is the caller's then. */
static bool give_fd(struct vsock *v, struct vsock_stream *s, int fd)
{
    s->watch = lull_loop_watch(v->loop, fd, 0, stream_ready, s);
    if (s->watch != NULL)
        s->fd = fd;
    return s->watch != NULL;
}

/* The end without manners: the guest is told when it can be. */
static void reset_stream(struct vsock_stream *s)
{
    vsock_stream_close(s);
    s->state = VSOCK_RESETTING;
    s->owes = VSOCK_OWES_RESET;
}

static void reap(struct vsock *v)
{
    for (struct vsock_stream **link = &v->streams; *link != NULL;) {
        struct vsock_stream *s = *link;

        if (s->state != VSOCK_GONE) {
            link = &s->next;
            continue;
        }
        *link = s->next;
        v->stats.streams--;
        free(s);
    }
}

static void drop_streams(struct vsock *v)
{
    for (struct vsock_stream *s = v->streams; s != NULL; s = s->next) {
        vsock_stream_close(s);
        s->state = VSOCK_GONE;
    }
    reap(v);
    v->refusals = 0;
    v->over = false;
}

/* ---- packets from the guest ---------------------------------------------- */

static void open_for_guest(struct vsock *v, const struct header *h)
{
    struct vsock_stream *s = add_stream(v, h->src_port, h->dst_port);

    if (s == NULL || !v->host->connect(v->host->host, h->dst_port, s->token)) {
        if (s != NULL)
            s->state = VSOCK_GONE;
        refuse(v, h);
        return;
    }
    s->state = VSOCK_CONNECTING;
    s->guest_buffer = h->buf_alloc;
    s->guest_took = h->fwd_cnt;
}

/* The data of dev->chain, behind the header. */
static int chain_vector(const struct virtq_chain *chain, struct iovec *vector,
                        uint32_t len)
{
    uint32_t skip = HEADER_BYTES;
    int count = 0;

    for (unsigned i = 0; i < chain->out && len != 0; i++) {
        const struct virtq_span *span = &chain->span[i];
        uint32_t cut = skip < span->len ? skip : span->len;
        uint32_t part = span->len - cut < len ? span->len - cut : len;

        skip -= cut;
        if (part != 0)
            vector[count++] = (struct iovec){span->host + cut, part};
        len -= part;
    }
    return count;
}

static bool take_data(struct vsock *v, struct vsock_stream *s, uint32_t len)
{
    struct iovec vector[VIRTQ_SIZE_MAX];
    int count = chain_vector(&v->base.chain, vector, len);

    if (s->state != VSOCK_UP || s->guest_ended & VSOCK_NO_SEND)
        return false;
    v->stats.to_host_bytes += len;
    return vsock_stream_take(s, vector, count, len);
}

/* False: the guest broke the rules of this stream. */
static bool stream_packet(struct vsock *v, struct vsock_stream *s,
                          const struct header *h)
{
    switch (h->op) {
    case OP_RESPONSE:
        if (s->state != VSOCK_REQUESTED)
            return false;
        s->state = VSOCK_UP;
        return true;
    case OP_RST:
        v->stats.refused += s->state == VSOCK_REQUESTED;
        vsock_stream_forgotten(s);
        return true;
    case OP_SHUTDOWN:
        if (s->state != VSOCK_UP)
            return false;
        vsock_stream_shutdown(s, h->flags);
        return true;
    case OP_RW:
        return take_data(v, s, h->len);
    case OP_CREDIT_UPDATE:
        return true;
    case OP_CREDIT_REQUEST:
        s->owes |= VSOCK_OWES_CREDIT;
        return true;
    default:
        return false;
    }
}

static void take_packet(struct vsock *v, const struct header *h)
{
    struct vsock_stream *s;

    if (h->src_cid != v->guest_cid) /* nobody to answer */
        return;
    if (h->dst_cid != HOST_CID || h->type != TYPE_STREAM) {
        refuse(v, h);
        return;
    }
    s = find(v, h->src_port, h->dst_port);
    if (s == NULL && h->op == OP_REQUEST) {
        open_for_guest(v, h);
        return;
    }
    if (s == NULL) {
        refuse(v, h);
        return;
    }
    if (s->state == VSOCK_RESETTING && h->op != OP_RST)
        return;
    s->guest_buffer = h->buf_alloc;
    s->guest_took = h->fwd_cnt;
    if (!stream_packet(v, s, h))
        reset_stream(s);
    settle(v, s);
}

static bool get_header(const struct virtq_chain *chain, struct header *h)
{
    uint8_t bytes[HEADER_BYTES];
    uint64_t total = 0;

    for (unsigned i = 0; i < chain->out; i++) {
        const struct virtq_span *span = &chain->span[i];

        if (total < HEADER_BYTES)
            memcpy(bytes + total, span->host,
                   span->len < HEADER_BYTES - total ? span->len
                                                    : HEADER_BYTES - total);
        total += span->len;
    }
    if (total < HEADER_BYTES)
        return false;
    *h = (struct header){
        .src_cid = get_le64(bytes + HEADER_SRC_CID),
        .dst_cid = get_le64(bytes + HEADER_DST_CID),
        .src_port = get_le32(bytes + HEADER_SRC_PORT),
        .dst_port = get_le32(bytes + HEADER_DST_PORT),
        .len = get_le32(bytes + HEADER_LEN),
        .type = get_le16(bytes + HEADER_TYPE),
        .op = get_le16(bytes + HEADER_OP),
        .flags = get_le32(bytes + HEADER_FLAGS),
        .buf_alloc = get_le32(bytes + HEADER_BUF_ALLOC),
        .fwd_cnt = get_le32(bytes + HEADER_FWD_CNT),
    };
    return h->len <= total - HEADER_BYTES && h->len <= PACKET_DATA_MAX;
}

/* ---- on the loop's thread ------------------------------------------------ */

static void look(void *opaque);

/* Out of memory: the next notification tries again. */
static void ask_to_look(struct vsock *v)
{
    if (!v->posted)
        v->posted = lull_loop_post(v->loop, look, v);
}

static void leave(struct vsock *v)
{
    reap(v);
    virtio_interrupt(&v->base, RECEIVE);
    virtio_interrupt(&v->base, TRANSMIT);
    virtio_interrupt(&v->base, EVENTS);
    virtio_unlock(&v->base);
}

/* The guest has buffers again. */
static void feed(struct vsock *v)
{
    v->starved = false;
    send_refusals(v);
    for (struct vsock_stream *s = v->streams; s != NULL; s = s->next) {
        s->starved = false;
        settle(v, s);
    }
}

/* One packet of the guest's; false: none, or none that we have room for. To
 * send something takes another chain, so this one's head is kept. */
static bool take_one(struct vsock *v)
{
    struct lull_virtio *dev = &v->base;
    struct header h;
    uint16_t head;

    if (v->refusals == REFUSALS_MAX || !virtio_pop(dev, TRANSMIT))
        return false;
    head = dev->chain.head;
    if (!get_header(&dev->chain, &h)) {
        virtio_break(dev);
        return false;
    }
    take_packet(v, &h);
    virtio_push(dev, TRANSMIT, head, 0);
    return true;
}

static void send_event(struct vsock *v)
{
    struct lull_virtio *dev = &v->base;
    const struct virtq_span *span = &dev->chain.span[0];

    if (!virtio_pop(dev, EVENTS))
        return;
    if (dev->chain.out != 0 || dev->chain.in == 0 || span->len < EVENT_BYTES) {
        virtio_break(dev);
        return;
    }
    put_le32(span->host, EVENT_TRANSPORT_RESET);
    virtio_push(dev, EVENTS, dev->chain.head, EVENT_BYTES);
    v->forgot = false;
}

static void look(void *opaque)
{
    struct vsock *v = opaque;
    unsigned count = 0;

    virtio_lock(&v->base);
    v->posted = false;
    if (v->over)
        drop_streams(v);
    if (v->forgot)
        send_event(v);
    if (v->starved)
        feed(v);
    while (count < BATCH && take_one(v))
        count++;
    send_refusals(v);
    if (count == BATCH)
        ask_to_look(v);
    leave(v);
}

static void stream_ready(void *opaque, unsigned events)
{
    struct vsock_stream *s = opaque;
    struct vsock *v = s->device;

    virtio_lock(&v->base);
    if (!v->over && s->state != VSOCK_GONE) {
        if (events & LULL_LOOP_WRITE || s->pending_len != 0)
            vsock_stream_flush(s);
        if (events & LULL_LOOP_HANGUP && s->ended & VSOCK_NO_SEND)
            vsock_stream_hangup(s);
        if (pay(v, s))
            pump(v, s);
        settle(v, s);
    }
    leave(v);
}

static void connected(void *opaque, uint64_t token, int fd)
{
    struct vsock *v = opaque;
    struct vsock_stream *s;

    virtio_lock(&v->base);
    s = v->streams;
    while (s != NULL && (s->token != token || s->state != VSOCK_CONNECTING))
        s = s->next;
    if (s != NULL && fd >= 0 && give_fd(v, s, fd)) {
        s->state = VSOCK_UP;
        s->owes |= VSOCK_OWES_RESPONSE;
        v->stats.from_guest++;
        fd = -1;
    } else if (s != NULL) {
        v->stats.refused++;
        reset_stream(s);
    }
    if (s != NULL)
        settle(v, s);
    leave(v);
    if (fd >= 0)
        close(fd);
}

/* A port of ours for a connection to the guest's; there are more of them than
 * streams. */
static uint32_t free_port(struct vsock *v, uint32_t guest_port)
{
    do
        v->next_port =
            v->next_port < UINT32_MAX - 1 ? v->next_port + 1 : FIRST_HOST_PORT;
    while (find(v, guest_port, v->next_port) != NULL);
    return v->next_port;
}

/* Without a driver nobody is there. */
static void incoming(void *opaque, uint32_t port, int fd)
{
    struct vsock *v = opaque;
    struct vsock_stream *s = NULL;

    virtio_lock(&v->base);
    if (virtio_running(&v->base) && !v->over)
        s = add_stream(v, port, free_port(v, port));
    if (s != NULL && give_fd(v, s, fd)) {
        s->state = VSOCK_REQUESTED;
        s->owes = VSOCK_OWES_REQUEST;
        v->stats.from_host++;
        settle(v, s);
        fd = -1;
    } else {
        v->stats.refused++;
        if (s != NULL)
            s->state = VSOCK_GONE;
    }
    leave(v);
    if (fd >= 0)
        close(fd);
}

/* ---- the device ---------------------------------------------------------- */

static void vsock_notify(struct lull_virtio *dev, unsigned queue)
{
    struct vsock *v = vsock_of(dev);

    if (queue == TRANSMIT || (queue == RECEIVE && v->starved) ||
        (queue == EVENTS && v->forgot))
        ask_to_look(v);
}

/* Its streams end with a queue; the loop's thread lets them go. */
static void vsock_stopped(struct lull_virtio *dev, unsigned queue)
{
    struct vsock *v = vsock_of(dev);

    if (queue == RECEIVE)
        v->holding = false;
    if (queue == EVENTS)
        v->forgot = false;
    if (queue == EVENTS || (v->streams == NULL && v->refusals == 0))
        return;
    v->over = true;
    ask_to_look(v);
}

static void vsock_freeze(struct lull_virtio *dev)
{
    struct vsock *v = vsock_of(dev);

    if (v->holding)
        virtio_unpop(dev, RECEIVE);
    v->holding = false;
}

/* A stream's other end is another process's: none is saved, and the guest
 * hears of that when it runs again. */
static void vsock_state(struct lull_virtio *dev, struct lull_state *state)
{
    struct vsock *v = vsock_of(dev);

    lull_state_same(state, v->guest_cid);
    if (state->loading)
        v->forgot = true;
}

static uint32_t config_read(struct lull_virtio *dev, unsigned offset,
                            unsigned width)
{
    uint8_t bytes[12] = {0}; /* guest_cid, and what a wide read may reach */
    uint32_t value = 0;

    put_le64(bytes, vsock_of(dev)->guest_cid);
    for (unsigned i = 0; i < width && offset + i < sizeof(bytes); i++)
        value |= (uint32_t)bytes[offset + i] << (8 * i);
    return value;
}

static void vsock_destroy(struct lull_virtio *dev)
{
    struct vsock *v = vsock_of(dev);

    v->host->attach(v->host->host, NULL);
    drop_streams(v);
}

static const struct virtio_type vsock_type = {
    .name = "virtio-vsock",
    .id = 19,
    .features = F_STREAM,
    .queues = EVENTS + 1,
    .queue_size = QUEUE_SIZE,
    .notify = vsock_notify,
    .config_read = config_read,
    .stopped = vsock_stopped,
    .freeze = vsock_freeze,
    .state = vsock_state,
    .destroy = vsock_destroy,
};

struct lull_virtio *lull_virtio_vsock_new(unsigned slot,
                                          const struct lull_ram *ram,
                                          struct lull_irq irq,
                                          uint32_t guest_cid,
                                          const struct lull_vsock_host *host,
                                          struct lull_loop *loop)
{
    struct vsock *v = calloc(1, sizeof(*v));
    struct lull_vsock_user user = {connected, incoming, v};

    if (v == NULL)
        return NULL;
    v->guest_cid = guest_cid;
    v->host = host;
    v->loop = loop;
    v->next_port = FIRST_HOST_PORT;
    virtio_init(&v->base, &vsock_type, slot, ram, irq);
    host->attach(host->host, &user);
    return &v->base;
}

struct lull_vsock_stats lull_virtio_vsock_stats(struct lull_virtio *dev)
{
    struct lull_vsock_stats stats;

    virtio_lock(dev);
    stats = vsock_of(dev)->stats;
    virtio_unlock(dev);
    return stats;
}
