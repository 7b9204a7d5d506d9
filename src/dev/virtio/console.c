/*
 * The console device (virtio 1.2, section 5.3) with one port: a queue of
 * buffers for what the host sends, a queue of what the guest says, and a
 * register for a guest that has nothing else yet.
 *
 * When the host does not keep up, a chain of the guest's output stays with us
 * half written; the ring fills, and the driver waits. When the guest has no
 * buffers, the host's bytes stay with the host.
 */
#include <stdlib.h>
#include <string.h>

#include "virtio.h"

enum {
    RECEIVE = 0,
    TRANSMIT = 1,
    F_EMERG_WRITE = 1 << 2,
    CONFIG_MAX_PORTS = 4,
    CONFIG_EMERG_WRITE = 8,
};

struct console {
    struct lull_virtio base; /* first: they are converted to each other */
    const struct lull_chardev *chardev;
    bool refused; /* the host has bytes: it waits for resume */

    /* The chain that is being said, from `offset` of span `at` on. */
    bool saying;
    unsigned at;
    uint32_t offset;
    struct virtq_chain said;
    /* Bytes of the next chain that were said already, before a freeze. */
    uint64_t skip;
};

static struct console *console_of(struct lull_virtio *dev)
{
    return (struct console *)dev;
}

/* Say as much of the chain as the host has room for. True: all of it. */
static bool say(struct console *c)
{
    const struct lull_chardev *chardev = c->chardev;

    while (c->at < c->said.out) {
        const struct virtq_span *span = &c->said.span[c->at];
        size_t left = span->len - c->offset;
        size_t room = chardev->room(chardev->host);

        if (room == 0)
            return false;
        if (left > room)
            left = room;
        c->offset += (uint32_t)chardev->write(chardev->host,
                                              span->host + c->offset, left);
        if (c->offset == span->len) {
            c->at++;
            c->offset = 0;
        }
    }
    return true;
}

/* A chain from its beginning, or from where a freeze interrupted it. */
static void begin(struct console *c)
{
    c->said = c->base.chain;
    c->saying = true;
    c->at = 0;
    c->offset = 0;
    while (c->skip != 0 && c->at < c->said.out) {
        uint32_t len = c->said.span[c->at].len;

        if (c->skip < len) {
            c->offset = (uint32_t)c->skip;
            break;
        }
        c->skip -= len;
        c->at++;
    }
    c->skip = 0;
}

static void transmit(struct console *c)
{
    struct lull_virtio *dev = &c->base;

    while (c->saying || virtio_pop(dev, TRANSMIT)) {
        if (!c->saying)
            begin(c);
        if (!say(c))
            break;
        c->saying = false;
        virtio_push(dev, TRANSMIT, c->said.head, 0);
    }
    virtio_interrupt(dev, TRANSMIT);
}

static void console_notify(struct lull_virtio *dev, unsigned queue)
{
    struct console *c = console_of(dev);

    if (queue == TRANSMIT) {
        transmit(c);
    } else if (c->refused) {
        c->refused = false;
        c->chardev->resume(c->chardev->host);
    }
}

/* Into the buffers of one chain; how many bytes fitted. */
static size_t fill(const struct virtq_chain *chain, const uint8_t *bytes,
                   size_t len)
{
    size_t done = 0;

    for (unsigned i = 0; i < chain->in && done < len; i++) {
        const struct virtq_span *span = &chain->span[chain->out + i];
        size_t part = len - done < span->len ? len - done : span->len;

        memcpy(span->host, bytes + done, part);
        done += part;
    }
    return done;
}

static size_t receive(void *opaque, const uint8_t *bytes, size_t len)
{
    struct console *c = opaque;
    struct lull_virtio *dev = &c->base;
    size_t done = 0;

    virtio_lock(dev);
    while (done < len && virtio_pop(dev, RECEIVE)) {
        size_t part = fill(&dev->chain, bytes + done, len - done);

        virtio_push(dev, RECEIVE, dev->chain.head, (uint32_t)part);
        done += part;
    }
    c->refused = done < len;
    virtio_interrupt(dev, RECEIVE);
    virtio_unlock(dev);
    return done;
}

static void drained(void *opaque)
{
    struct console *c = opaque;

    virtio_lock(&c->base);
    if (virtio_running(&c->base))
        transmit(c);
    virtio_unlock(&c->base);
}

static uint32_t config_read(struct lull_virtio *dev, unsigned offset,
                            unsigned width)
{
    /* cols and rows are not offered */
    return offset == CONFIG_MAX_PORTS && width == 4 ? 1 : 0;
}

static void config_write(struct lull_virtio *dev, unsigned offset,
                         unsigned width, uint32_t value)
{
    const struct lull_chardev *chardev = console_of(dev)->chardev;
    uint8_t byte = (uint8_t)value;

    if (offset == CONFIG_EMERG_WRITE)
        chardev->write(chardev->host, &byte, 1);
}

static void console_stopped(struct lull_virtio *dev, unsigned queue)
{
    if (queue == TRANSMIT) {
        console_of(dev)->saying = false;
        console_of(dev)->skip = 0;
    }
}

static void console_freeze(struct lull_virtio *dev)
{
    struct console *c = console_of(dev);

    if (!c->saying)
        return;
    c->skip = c->offset;
    for (unsigned i = 0; i < c->at; i++)
        c->skip += c->said.span[i].len;
    c->saying = false;
    virtio_unpop(dev, TRANSMIT);
}

static void console_state(struct lull_virtio *dev, struct lull_state *state)
{
    lull_state_u64(state, &console_of(dev)->skip);
}

static void console_destroy(struct lull_virtio *dev)
{
    const struct lull_chardev *chardev = console_of(dev)->chardev;

    chardev->attach(chardev->host, NULL);
}

static const struct virtio_type console_type = {
    .name = "virtio-console",
    .id = 3,
    .features = F_EMERG_WRITE,
    .queues = 2,
    .queue_size = 64,
    .notify = console_notify,
    .config_read = config_read,
    .config_write = config_write,
    .stopped = console_stopped,
    .freeze = console_freeze,
    .state = console_state,
    .destroy = console_destroy,
};

struct lull_virtio *lull_virtio_console_new(unsigned slot,
                                            const struct lull_ram *ram,
                                            struct lull_irq irq,
                                            const struct lull_chardev *chardev)
{
    struct console *c = calloc(1, sizeof(*c));
    struct lull_chardev_user user = {receive, drained, c};

    if (c == NULL)
        return NULL;
    c->chardev = chardev;
    virtio_init(&c->base, &console_type, slot, ram, irq);
    chardev->attach(chardev->host, &user);
    return &c->base;
}
