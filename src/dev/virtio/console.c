/*
 * The console device (virtio 1.2, section 5.3), in two forms: one console,
 * whose size the guest can read, or channels that have names.
 *
 * A port is a pair of queues: buffers for what the host sends, and what the
 * guest says. A console is port 0, and all there is. Channels are the ports
 * from 1 on, and there is another pair of queues, of messages about them:
 * which there are, their names, and whether anybody is at either end. A port
 * remembers in a few bits which messages it owes the guest, so a guest without
 * buffers for them costs nothing.
 *
 * They are two devices, because drivers disagree on the order of columns and
 * rows in the message that tells a console's size where there are other ports.
 * Without, it is in the configuration space, where all agree.
 *
 * When the host does not keep up, a chain of the guest's output stays with us
 * half written; the ring fills, and the driver waits. When the guest has no
 * buffers, or nobody there has opened a port with a name, the host's bytes
 * stay with the host: a driver throws away what comes for a closed port.
 */
#include <stdlib.h>
#include <string.h>

#include "lull/bytes.h"
#include "virtio.h"

enum {
    CONTROL_RECEIVE = 2,
    CONTROL_TRANSMIT = 3,
    QUEUE_SIZE = 64,

    F_SIZE = 1 << 0,
    F_MULTIPORT = 1 << 1,
    F_EMERG_WRITE = 1 << 2,

    CONFIG_COLUMNS = 0,
    CONFIG_ROWS = 2,
    CONFIG_MAX_PORTS = 4,
    CONFIG_EMERG_WRITE = 8,
    CONFIG_BYTES = 12,

    /* A message: port, event, value; a name may follow. */
    MESSAGE_EVENT = 4,
    MESSAGE_VALUE = 6,
    MESSAGE_BYTES = 8,
    EVENT_DEVICE_READY = 0,
    EVENT_PORT_ADD = 1,
    EVENT_PORT_READY = 3,
    EVENT_PORT_OPEN = 6,
    EVENT_PORT_NAME = 7,
};

/* In the order in which a driver can make use of them. */
enum {
    OWES_ADD = 1,
    OWES_NAME = 2,
    OWES_OPEN = 4,
};

struct port {
    struct console *console;
    const char *name;                   /* NULL: the console */
    const struct lull_chardev *chardev; /* NULL: there is no such port */
    bool refused;             /* the host has bytes: it waits for resume */
    bool ready;               /* the driver knows the port */
    bool guest_has, host_has; /* it open */
    uint8_t owes;

    /* The chain that is being said, from `offset` of span `at` on. */
    bool saying;
    unsigned at;
    uint32_t offset;
    struct virtq_chain said;
    /* Bytes of the next chain that were said already, before a freeze. */
    uint64_t skip;
};

struct console {
    struct lull_virtio base; /* first: they are converted to each other */
    uint16_t columns, rows;
    unsigned count;
    struct port port[LULL_PORTS_MAX + 1];
};

static struct console *console_of(struct lull_virtio *dev)
{
    return (struct console *)dev;
}

static bool multiport(const struct console *c)
{
    return (c->base.driver_features & F_MULTIPORT) != 0;
}

/* ---- ports and their queues ----------------------------------------------
 */

static unsigned receive_queue(const struct port *p)
{
    unsigned number = (unsigned)(p - p->console->port);

    return number == 0 ? 0 : 2 * number + 2;
}

static unsigned transmit_queue(const struct port *p)
{
    return receive_queue(p) + 1;
}

/* NULL: no port's. */
static struct port *port_of(struct console *c, unsigned queue)
{
    unsigned number = queue < CONTROL_RECEIVE ? 0 : queue / 2 - 1;

    if (queue == CONTROL_RECEIVE || queue == CONTROL_TRANSMIT ||
        c->port[number].chardev == NULL)
        return NULL;
    return &c->port[number];
}

/* ---- what the guest says -------------------------------------------------
 */

/* Say as much of the chain as the host has room for. True: all of it. */
static bool say(struct port *p)
{
    const struct lull_chardev *chardev = p->chardev;

    while (p->at < p->said.out) {
        const struct virtq_span *span = &p->said.span[p->at];
        size_t left = span->len - p->offset;
        size_t room = chardev->room(chardev->host);

        if (room == 0)
            return false;
        if (left > room)
            left = room;
        p->offset += (uint32_t)chardev->write(chardev->host,
                                              span->host + p->offset, left);
        if (p->offset == span->len) {
            p->at++;
            p->offset = 0;
        }
    }
    return true;
}

/* A chain from its beginning, or from where a freeze interrupted it. */
static void begin(struct port *p)
{
    p->said = p->console->base.chain;
    p->saying = true;
    p->at = 0;
    p->offset = 0;
    while (p->skip != 0 && p->at < p->said.out) {
        uint32_t len = p->said.span[p->at].len;

        if (p->skip < len) {
            p->offset = (uint32_t)p->skip;
            break;
        }
        p->skip -= len;
        p->at++;
    }
    p->skip = 0;
}

static void transmit(struct port *p)
{
    struct lull_virtio *dev = &p->console->base;
    unsigned queue = transmit_queue(p);

    while (p->saying || virtio_pop(dev, queue)) {
        if (!p->saying)
            begin(p);
        if (!say(p))
            break;
        p->saying = false;
        virtio_push(dev, queue, p->said.head, 0);
    }
    virtio_interrupt(dev, queue);
}

static void drained(void *opaque)
{
    struct port *p = opaque;
    struct lull_virtio *dev = &p->console->base;

    virtio_lock(dev);
    if (virtio_running(dev))
        transmit(p);
    virtio_unlock(dev);
}

/* ---- what the host says --------------------------------------------------
 */

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
    struct port *p = opaque;
    struct lull_virtio *dev = &p->console->base;
    unsigned queue = receive_queue(p);
    size_t done = 0;

    virtio_lock(dev);
    while (done < len && (p->name == NULL || p->guest_has) &&
           virtio_pop(dev, queue)) {
        size_t part = fill(&dev->chain, bytes + done, len - done);

        virtio_push(dev, queue, dev->chain.head, (uint32_t)part);
        done += part;
    }
    p->refused = done < len;
    virtio_interrupt(dev, queue);
    virtio_unlock(dev);
    return done;
}

static void resume(struct port *p)
{
    if (!p->refused)
        return;
    p->refused = false;
    p->chardev->resume(p->chardev->host);
}

/* ---- messages about ports ------------------------------------------------
 */

/* `extra` follows the message. False: the guest has no buffers for it. */
static bool send_message(struct port *p, uint16_t event, uint16_t value,
                         const void *extra, size_t extra_bytes)
{
    struct lull_virtio *dev = &p->console->base;
    uint8_t bytes[MESSAGE_BYTES + LULL_PORT_NAME_MAX];
    size_t len = MESSAGE_BYTES + extra_bytes;

    if (!virtio_pop(dev, CONTROL_RECEIVE))
        return false;
    put_le32(bytes, (uint32_t)(p - p->console->port));
    put_le16(bytes + MESSAGE_EVENT, event);
    put_le16(bytes + MESSAGE_VALUE, value);
    memcpy(bytes + MESSAGE_BYTES, extra, extra_bytes);
    if (fill(&dev->chain, bytes, len) < len) {
        virtio_break(dev);
        return false;
    }
    virtio_push(dev, CONTROL_RECEIVE, dev->chain.head, (uint32_t)len);
    return true;
}

static bool send_owed(struct port *p, unsigned owed)
{
    switch (owed) {
    case OWES_ADD:
        return send_message(p, EVENT_PORT_ADD, 1, "", 0);
    case OWES_NAME:
        return send_message(p, EVENT_PORT_NAME, 1, p->name, strlen(p->name));
    default:
        return send_message(p, EVENT_PORT_OPEN, p->host_has, "", 0);
    }
}

static void pay(struct console *c)
{
    for (unsigned i = 0; multiport(c) && i < c->count; i++) {
        struct port *p = &c->port[i];

        for (unsigned owed = OWES_ADD; owed <= OWES_OPEN; owed *= 2) {
            if (!(p->owes & owed))
                continue;
            if (!send_owed(p, owed))
                return;
            p->owes &= (uint8_t)~owed;
        }
    }
}

static void port_ready(struct port *p)
{
    p->ready = true;
    p->owes |= OWES_NAME | (p->host_has ? OWES_OPEN : 0);
}

/* False: about a port that does not exist. A driver that cannot use the
 * device, or a port, says so with the value 0. */
static bool take_message(struct console *c, uint32_t number, uint16_t event,
                         bool value)
{
    struct port *p = number < c->count ? &c->port[number] : NULL;

    if (event == EVENT_DEVICE_READY) {
        for (unsigned i = 0; value && i < c->count; i++)
            c->port[i].owes = c->port[i].chardev != NULL ? OWES_ADD : 0;
        return true;
    }
    if (p == NULL || p->chardev == NULL)
        return false;
    if (event == EVENT_PORT_READY && value)
        port_ready(p);
    if (event == EVENT_PORT_OPEN) {
        p->guest_has = value;
        if (value)
            resume(p);
    }
    return true;
}

static void take_messages(struct console *c)
{
    struct lull_virtio *dev = &c->base;

    while (multiport(c) && virtio_pop(dev, CONTROL_TRANSMIT)) {
        const struct virtq_chain *chain = &dev->chain;
        uint8_t bytes[MESSAGE_BYTES];

        if (chain->out == 0 || chain->span[0].len < sizeof(bytes)) {
            virtio_break(dev);
            return;
        }
        memcpy(bytes, chain->span[0].host, sizeof(bytes));
        if (!take_message(c, get_le32(bytes), get_le16(bytes + MESSAGE_EVENT),
                          get_le16(bytes + MESSAGE_VALUE) != 0)) {
            virtio_break(dev);
            return;
        }
        virtio_push(dev, CONTROL_TRANSMIT, chain->head, 0);
    }
    virtio_interrupt(dev, CONTROL_TRANSMIT);
}

static void tell(struct console *c)
{
    pay(c);
    if (multiport(c))
        virtio_interrupt(&c->base, CONTROL_RECEIVE);
}

/* Somebody came to the host's end of a port, or left it. */
static void peer(void *opaque, bool there)
{
    struct port *p = opaque;
    struct console *c = p->console;

    virtio_lock(&c->base);
    p->host_has = there;
    if (p->ready)
        p->owes |= OWES_OPEN;
    tell(c);
    virtio_unlock(&c->base);
}

void lull_virtio_console_resize(struct lull_virtio *dev, uint16_t columns,
                                uint16_t rows)
{
    struct console *c = console_of(dev);

    virtio_lock(dev);
    if (c->columns != columns || c->rows != rows) {
        c->columns = columns;
        c->rows = rows;
        virtio_config_changed(dev);
    }
    virtio_unlock(dev);
}

/* ---- the device ----------------------------------------------------------
 */

static void console_notify(struct lull_virtio *dev, unsigned queue)
{
    struct console *c = console_of(dev);
    struct port *p = port_of(c, queue);

    if (queue == CONTROL_TRANSMIT)
        take_messages(c);
    if (queue == CONTROL_TRANSMIT || queue == CONTROL_RECEIVE)
        tell(c);
    else if (p != NULL && queue == receive_queue(p))
        resume(p);
    else if (p != NULL)
        transmit(p);
}

static uint32_t config_read(struct lull_virtio *dev, unsigned offset,
                            unsigned width)
{
    const struct console *c = console_of(dev);
    uint8_t bytes[CONFIG_BYTES] = {0};
    uint32_t value = 0;

    put_le16(bytes + CONFIG_COLUMNS, c->columns);
    put_le16(bytes + CONFIG_ROWS, c->rows);
    put_le32(bytes + CONFIG_MAX_PORTS, c->count);
    for (unsigned i = 0; i < width && offset + i < sizeof(bytes); i++)
        value |= (uint32_t)bytes[offset + i] << (8 * i);
    return value;
}

static void config_write(struct lull_virtio *dev, unsigned offset,
                         unsigned width, uint32_t value)
{
    const struct lull_chardev *chardev = console_of(dev)->port[0].chardev;
    uint8_t byte = (uint8_t)value;

    if (offset == CONFIG_EMERG_WRITE && chardev != NULL)
        chardev->write(chardev->host, &byte, 1);
}

static void console_stopped(struct lull_virtio *dev, unsigned queue)
{
    struct console *c = console_of(dev);
    struct port *p = port_of(c, queue);

    if (p != NULL && queue == transmit_queue(p)) {
        p->saying = false;
        p->skip = 0;
    }
    if (p != NULL)
        return;
    /* Without messages a driver knows nothing of any port. */
    for (unsigned i = 0; i < c->count; i++) {
        c->port[i].ready = c->port[i].guest_has = false;
        c->port[i].owes = 0;
    }
}

static void console_freeze(struct lull_virtio *dev)
{
    struct console *c = console_of(dev);

    for (unsigned n = 0; n < c->count; n++) {
        struct port *p = &c->port[n];

        if (!p->saying)
            continue;
        p->skip = p->offset;
        for (unsigned i = 0; i < p->at; i++)
            p->skip += p->said.span[i].len;
        p->saying = false;
        virtio_unpop(dev, transmit_queue(p));
    }
}

/* Who is at the host's end may have changed. */
static void console_state(struct lull_virtio *dev, struct lull_state *state)
{
    struct console *c = console_of(dev);

    for (unsigned i = 0; i < c->count; i++) {
        struct port *p = &c->port[i];

        lull_state_same(state, p->chardev != NULL);
        lull_state_u64(state, &p->skip);
        lull_state_bool(state, &p->ready);
        lull_state_bool(state, &p->guest_has);
        lull_state_u8(state, &p->owes);
        if (state->loading && p->ready)
            p->owes |= OWES_OPEN;
    }
}

static void console_destroy(struct lull_virtio *dev)
{
    struct console *c = console_of(dev);

    for (unsigned i = 0; i < c->count; i++)
        if (c->port[i].chardev != NULL)
            c->port[i].chardev->attach(c->port[i].chardev->host, NULL);
}

#define CONSOLE_TYPE(its_name, its_features)                                   \
    {                                                                          \
        .name = (its_name), .id = 3, .features = (its_features),               \
        .queue_size = QUEUE_SIZE, .notify = console_notify,                    \
        .config_read = config_read, .config_write = config_write,              \
        .stopped = console_stopped, .freeze = console_freeze,                  \
        .state = console_state, .destroy = console_destroy,                    \
    }

static const struct virtio_type one_console =
    CONSOLE_TYPE("virtio-console", F_SIZE | F_EMERG_WRITE);
static const struct virtio_type channels =
    CONSOLE_TYPE("virtio-ports", F_MULTIPORT);

static void add_port(struct console *c, const char *name,
                     const struct lull_chardev *chardev)
{
    struct port *p = &c->port[c->count++];

    p->console = c;
    p->name = name;
    p->chardev = chardev;
}

static struct lull_virtio *start(struct console *c,
                                 const struct virtio_type *type, unsigned slot,
                                 const struct lull_ram *ram,
                                 struct lull_irq irq)
{
    virtio_init(&c->base, type, slot, ram, irq);
    for (unsigned i = 0; i < c->count; i++) {
        struct port *p = &c->port[i];
        struct lull_chardev_user user = {receive, drained, p, peer};

        if (p->chardev != NULL)
            p->chardev->attach(p->chardev->host, &user);
    }
    return &c->base;
}

struct lull_virtio *lull_virtio_console_new(unsigned slot,
                                            const struct lull_ram *ram,
                                            struct lull_irq irq,
                                            const struct lull_chardev *chardev)
{
    struct console *c = calloc(1, sizeof(*c));

    if (c == NULL)
        return NULL;
    add_port(c, NULL, chardev);
    c->base.queues = 2;
    return start(c, &one_console, slot, ram, irq);
}

struct lull_virtio *lull_virtio_ports_new(unsigned slot,
                                          const struct lull_ram *ram,
                                          struct lull_irq irq,
                                          const struct lull_port *ports,
                                          unsigned count)
{
    struct console *c = calloc(1, sizeof(*c));

    if (c == NULL)
        return NULL;
    add_port(c, NULL, NULL); /* a console, if there were one */
    for (unsigned i = 0; i < count; i++)
        add_port(c, ports[i].name, ports[i].chardev);
    c->base.queues = 2 * c->count + 2;
    return start(c, &channels, slot, ram, irq);
}
