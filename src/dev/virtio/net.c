/*
 * The network device (virtio 1.2, section 5.1) with one pair of queues.
 *
 * The host's network lives on the loop's thread, so a notification only asks
 * the loop to look, once however many come before it does. While the loop
 * takes frames the driver is not told to notify.
 *
 * Checksums are ours to compute in both directions: a guest's processor has
 * better things to do. Nor does it cut what TCP sends into frames where the
 * network takes it in one piece: libslirp, whose packets go nowhere but into
 * its own TCP. What comes in is in frames always.
 */
#include <stdlib.h>
#include <string.h>

#include "lull/bytes.h"
#include "lull/loop.h"
#include "virtio.h"

enum {
    RECEIVE = 0,
    TRANSMIT = 1,
    QUEUE_SIZE = 256,
    BATCH = 64, /* frames before others on the loop have their turn */

    HEADER_BYTES = 12,
    HEADER_FLAGS = 0,
    HEADER_GSO_TYPE = 1,
    HEADER_CSUM_START = 6,
    HEADER_CSUM_OFFSET = 8,
    HEADER_NUM_BUFFERS = 10,
    NEEDS_CSUM = 1,
    DATA_VALID = 2,
    GSO_TCPV4 = 1,
    GSO_TCPV6 = 4,

    F_CSUM = 1 << 0,
    F_GUEST_CSUM = 1 << 1,
    F_MAC = 1 << 5,
    F_HOST_TSO4 = 1 << 11,
    F_HOST_TSO6 = 1 << 12,
    F_STATUS = 1 << 16,
    MAC_BYTES = 6,
    LINK_UP = 1, /* the status, behind the address */
};

struct net {
    struct lull_virtio base; /* first: they are converted to each other */
    struct virtio_type type; /* what is offered depends on the network */
    const struct lull_net *net;
    struct lull_loop *loop;
    bool posted;  /* the loop was asked to look */
    bool starved; /* the host has frames: it waits for resume */
    bool link_down;
    uint8_t packet[HEADER_BYTES + LULL_SEGMENT_BYTES_MAX]; /* loop's thread */
};

/* Locally administered; one guest a network, so one address will do. */
static const uint8_t mac[MAC_BYTES] = {0x52, 0x54, 0x00, 0x12, 0x34, 0x56};

static struct net *net_of(struct lull_virtio *dev)
{
    return (struct net *)dev;
}

/* ---- from the guest ------------------------------------------------------
 */

/* The chain's bytes; 0 when there are too many of them. */
static size_t gather(const struct virtq_chain *chain, uint8_t *to, size_t most)
{
    size_t done = 0;

    for (unsigned i = 0; i < chain->out; i++) {
        const struct virtq_span *span = &chain->span[i];

        if (span->len > most - done)
            return 0;
        memcpy(to + done, span->host, span->len);
        done += span->len;
    }
    return done;
}

/* The one's complement sum of section 5.1.6.2: the field at `offset` holds
 * that of the pseudo header already. */
static bool complete_checksum(uint8_t *frame, size_t len, unsigned start,
                              unsigned offset)
{
    uint32_t sum = 0;

    if (start + offset + 2 > len)
        return false;
    for (size_t i = start; i + 1 < len; i += 2)
        sum += (uint32_t)frame[i] << 8 | frame[i + 1];
    if ((len - start) % 2 != 0)
        sum += (uint32_t)frame[len - 1] << 8;
    sum = (sum & 0xffff) + (sum >> 16);
    sum = ~((sum & 0xffff) + (sum >> 16)) & 0xffff;
    if (sum == 0) /* which in UDP would say that there is none */
        sum = 0xffff;
    frame[start + offset] = (uint8_t)(sum >> 8);
    frame[start + offset + 1] = (uint8_t)sum;
    return true;
}

static bool is_segment(uint8_t gso_type, uint64_t features)
{
    return (gso_type == GSO_TCPV4 && (features & F_HOST_TSO4)) ||
           (gso_type == GSO_TCPV6 && (features & F_HOST_TSO6));
}

/* A frame as it goes on a wire, or a segment in one piece where the driver may
 * send that; or nothing: then it is lost there. */
static bool finish_frame(uint8_t *packet, size_t len, uint64_t features)
{
    uint8_t gso_type = packet[HEADER_GSO_TYPE];

    if (len <= HEADER_BYTES)
        return false;
    if (!is_segment(gso_type, features) &&
        (gso_type != 0 || len > HEADER_BYTES + LULL_FRAME_BYTES_MAX))
        return false;
    return !(packet[HEADER_FLAGS] & NEEDS_CSUM) ||
           complete_checksum(packet + HEADER_BYTES, len - HEADER_BYTES,
                             get_le16(packet + HEADER_CSUM_START),
                             get_le16(packet + HEADER_CSUM_OFFSET));
}

/* Under the lock, which is left for the host. False: no frame waits. */
static bool transmit_one(struct net *n)
{
    struct lull_virtio *dev = &n->base;
    uint64_t features = dev->driver_features;
    size_t len;

    if (!virtio_pop(dev, TRANSMIT))
        return false;
    len = gather(&dev->chain, n->packet, sizeof(n->packet));
    virtio_push(dev, TRANSMIT, dev->chain.head, 0);
    virtio_unlock(dev);
    if (finish_frame(n->packet, len, features))
        n->net->send(n->net->host, n->packet + HEADER_BYTES,
                     len - HEADER_BYTES);
    virtio_lock(dev);
    return true;
}

static void look(void *opaque);

/* Out of memory: the next notification tries again. */
static void ask_to_look(struct net *n)
{
    if (!n->posted)
        n->posted = lull_loop_post(n->loop, look, n);
}

/* On the loop's thread. */
static void look(void *opaque)
{
    struct net *n = opaque;
    struct lull_virtio *dev = &n->base;
    unsigned count = 0;
    bool resume;

    virtio_lock(dev);
    n->posted = false;
    while (count < BATCH && transmit_one(n))
        count++;
    virtio_interrupt(dev, TRANSMIT);
    if (count == BATCH)
        ask_to_look(n);
    resume = n->starved;
    n->starved = false;
    virtio_unlock(dev);
    if (count != 0)
        n->net->sent(n->net->host);
    if (resume)
        n->net->resume(n->net->host);
}

static void net_notify(struct lull_virtio *dev, unsigned queue)
{
    struct net *n = net_of(dev);

    if (queue == TRANSMIT || n->starved)
        ask_to_look(n);
}

/* ---- to the guest --------------------------------------------------------
 */

/* False: the buffers are too small. */
static bool scatter(const struct virtq_chain *chain, const uint8_t *from,
                    size_t len, size_t skip)
{
    size_t done = 0;

    for (unsigned i = 0; i < chain->in && done < len; i++) {
        const struct virtq_span *span = &chain->span[chain->out + i];
        size_t cut = skip < span->len ? skip : span->len;
        size_t part = span->len - cut;

        if (part > len - done)
            part = len - done;
        memcpy(span->host + cut, from + done, part);
        skip -= cut;
        done += part;
    }
    return done == len;
}

/* With a buffer that is too small the frame is lost, not the buffer. */
static uint32_t deliver(const struct net *n, const uint8_t *frame, size_t len)
{
    const struct virtq_chain *chain = &n->base.chain;
    uint8_t header[HEADER_BYTES] = {0};

    if (n->base.driver_features & F_GUEST_CSUM)
        header[HEADER_FLAGS] = DATA_VALID;
    put_le16(header + HEADER_NUM_BUFFERS, 1);
    if (!scatter(chain, header, sizeof(header), 0) ||
        !scatter(chain, frame, len, HEADER_BYTES))
        return 0;
    return (uint32_t)(HEADER_BYTES + len);
}

/* On the loop's thread. With no driver there, a frame is lost as in a cable
 * that is not plugged in. */
static bool receive(void *opaque, const uint8_t *frame, size_t len)
{
    struct net *n = opaque;
    struct lull_virtio *dev = &n->base;
    bool taken;

    virtio_lock(dev);
    taken = virtio_pop(dev, RECEIVE);
    if (taken) {
        virtio_push(dev, RECEIVE, dev->chain.head, deliver(n, frame, len));
        virtio_interrupt(dev, RECEIVE);
    } else if (virtio_running(dev) && dev->queue[RECEIVE].started) {
        n->starved = true;
    } else {
        taken = true;
    }
    virtio_unlock(dev);
    return taken;
}

/* On the loop's thread. */
static void set_link(void *opaque, bool up)
{
    struct net *n = opaque;

    virtio_lock(&n->base);
    n->link_down = !up;
    virtio_config_changed(&n->base);
    virtio_unlock(&n->base);
}

/* ---- the rest ------------------------------------------------------------
 */

/* What the host kept for this driver is not for the next. */
static void net_stopped(struct lull_virtio *dev, unsigned queue)
{
    struct net *n = net_of(dev);

    if (queue == RECEIVE && n->starved)
        ask_to_look(n);
}

static uint32_t config_read(struct lull_virtio *dev, unsigned offset,
                            unsigned width)
{
    uint8_t config[MAC_BYTES + 2];
    uint32_t value = 0;

    memcpy(config, mac, MAC_BYTES);
    put_le16(config + MAC_BYTES, net_of(dev)->link_down ? 0 : LINK_UP);
    for (unsigned i = 0; i < width && offset + i < sizeof(config); i++)
        value |= (uint32_t)config[offset + i] << (8 * i);
    return value;
}

static void net_destroy(struct lull_virtio *dev)
{
    const struct lull_net *net = net_of(dev)->net;

    net->attach(net->host, NULL);
}

static struct virtio_type net_type(bool takes_segments)
{
    return (struct virtio_type){
        .name = "virtio-net",
        .id = 1,
        .features = F_CSUM | F_GUEST_CSUM | F_MAC | F_STATUS |
                    (takes_segments ? F_HOST_TSO4 | F_HOST_TSO6 : 0),
        .queues = 2,
        .queue_size = QUEUE_SIZE,
        .notify = net_notify,
        .config_read = config_read,
        .stopped = net_stopped,
        .state = virtio_stateless,
        .destroy = net_destroy,
    };
}

struct lull_virtio *lull_virtio_net_new(unsigned slot,
                                        const struct lull_ram *ram,
                                        struct lull_irq irq,
                                        const struct lull_net *net,
                                        struct lull_loop *loop)
{
    struct net *n = calloc(1, sizeof(*n));
    struct lull_net_user user = {receive, set_link, n};

    if (n == NULL)
        return NULL;
    n->net = net;
    n->loop = loop;
    n->type = net_type(net->takes_segments);
    virtio_init(&n->base, &n->type, slot, ram, irq);
    net->attach(net->host, &user);
    return &n->base;
}
