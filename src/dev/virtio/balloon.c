/*
 * The memory balloon (virtio 1.2, section 5.5): memory that the guest does not
 * need goes back to the host, in two ways. Free page reporting: the guest
 * names what it has free, by itself, in large pieces, and may use it again
 * without asking. The balloon: the host sets a target, and the guest takes
 * that many pages out of its own use.
 *
 * Either way the host may drop a page's contents; touched again, it is zeros.
 * A guest that lies loses its own data.
 *
 * Queues are numbered as far as they are offered: reporting is the third.
 */
#include <stdlib.h>

#include "lull/bytes.h"
#include "virtio.h"

enum {
    INFLATE = 0,
    DEFLATE = 1,
    REPORTING = 2,
    F_DEFLATE_ON_OOM = 1 << 2,
    F_REPORTING = 1 << 5,
    CONFIG_NUM_PAGES = 0,
    CONFIG_ACTUAL = 4,
    CONFIG_BYTES = 8,
    PAGE_SHIFT = 12, /* of the device, whatever pages the guest has */
    /* Page numbers in one buffer: it is worked off on a vCPU's thread. Linux
     * sends 256. */
    NUMBERS_MAX = 1 << 16,
};

struct balloon {
    struct lull_virtio base; /* first: they are converted to each other */
    struct lull_memory_host memory;
    uint32_t target, actual; /* pages; the guest writes the second */
    uint64_t inflated_bytes, reported_bytes;
};

static struct balloon *balloon_of(struct lull_virtio *dev)
{
    return (struct balloon *)dev;
}

/* ---- inflating ---- */

/* Pages that follow each other go back in one call. */
struct run {
    uint64_t first, count; /* page numbers */
};

static bool give_run(struct balloon *b, const struct run *run)
{
    uint64_t bytes = run->count << PAGE_SHIFT;
    void *host = lull_ram_at(b->base.ram, run->first << PAGE_SHIFT, bytes);

    if (run->count == 0)
        return true;
    if (host == NULL)
        return false;
    b->memory.give(b->memory.opaque, host, bytes);
    b->inflated_bytes += bytes;
    return true;
}

static bool add_page(struct balloon *b, struct run *run, uint32_t number)
{
    if (run->count != 0 && number == run->first + run->count) {
        run->count++;
        return true;
    }
    if (!give_run(b, run))
        return false;
    *run = (struct run){number, 1};
    return true;
}

/* The page numbers in a chain, each read once. False: too many of them, or
 * one that is no RAM. */
static bool inflate(struct balloon *b, const struct virtq_chain *chain)
{
    struct run run = {0};
    uint32_t numbers = 0;

    for (unsigned i = 0; i < chain->out; i++) {
        const struct virtq_span *span = &chain->span[i];

        if (span->len % 4 != 0 || span->len / 4 > NUMBERS_MAX - numbers)
            return false;
        numbers += span->len / 4;
        for (uint32_t at = 0; at < span->len; at += 4)
            if (!add_page(b, &run, get_le32(span->host + at)))
                return false;
    }
    return give_run(b, &run);
}

/* ---- the queues ---- */

static void report(struct balloon *b, const struct virtq_chain *chain)
{
    for (unsigned i = 0; i < chain->in; i++) {
        const struct virtq_span *span = &chain->span[chain->out + i];

        b->memory.give(b->memory.opaque, span->host, span->len);
        b->reported_bytes += span->len;
    }
}

/* Deflating asks for nothing: the pages are there when they are touched. */
static void balloon_notify(struct lull_virtio *dev, unsigned queue)
{
    struct balloon *b = balloon_of(dev);

    while (virtio_pop(dev, queue)) {
        if (queue == INFLATE && !inflate(b, &dev->chain)) {
            virtio_break(dev);
            return;
        }
        if (queue == REPORTING)
            report(b, &dev->chain);
        virtio_push(dev, queue, dev->chain.head, 0);
    }
    virtio_interrupt(dev, queue);
}

/* ---- configuration ---- */

static uint32_t config_read(struct lull_virtio *dev, unsigned offset,
                            unsigned width)
{
    const struct balloon *b = balloon_of(dev);
    uint8_t config[CONFIG_BYTES];
    uint32_t value = 0;

    if (offset + width > CONFIG_BYTES)
        return 0;
    put_le32(config + CONFIG_NUM_PAGES, b->target);
    put_le32(config + CONFIG_ACTUAL, b->actual);
    for (unsigned i = 0; i < width; i++)
        value |= (uint32_t)config[offset + i] << (8 * i);
    return value;
}

static void config_write(struct lull_virtio *dev, unsigned offset,
                         unsigned width, uint32_t value)
{
    if (offset == CONFIG_ACTUAL && width == 4)
        balloon_of(dev)->actual = value;
}

/* A guest that starts anew has all its memory. */
static void stopped(struct lull_virtio *dev, unsigned queue)
{
    if (queue == INFLATE)
        balloon_of(dev)->actual = 0;
}

static void balloon_state(struct lull_virtio *dev, struct lull_state *state)
{
    struct balloon *b = balloon_of(dev);

    lull_state_u32(state, &b->target);
    lull_state_u32(state, &b->actual);
    lull_state_u64(state, &b->inflated_bytes);
    lull_state_u64(state, &b->reported_bytes);
}

static const struct virtio_type balloon_type = {
    .name = "virtio-balloon",
    .id = 5,
    .features = F_DEFLATE_ON_OOM | F_REPORTING,
    .queues = REPORTING + 1,
    .queue_size = 64,
    .notify = balloon_notify,
    .config_read = config_read,
    .config_write = config_write,
    .stopped = stopped,
    .state = balloon_state,
};

struct lull_virtio *
lull_virtio_balloon_new(unsigned slot, const struct lull_ram *ram,
                        struct lull_irq irq,
                        const struct lull_memory_host *memory)
{
    struct balloon *b = calloc(1, sizeof(*b));

    if (b == NULL)
        return NULL;
    b->memory = *memory;
    virtio_init(&b->base, &balloon_type, slot, ram, irq);
    return &b->base;
}

void lull_virtio_balloon_set(struct lull_virtio *dev, uint64_t bytes)
{
    virtio_lock(dev);
    balloon_of(dev)->target = (uint32_t)(bytes >> PAGE_SHIFT);
    virtio_config_changed(dev);
    virtio_unlock(dev);
}

struct lull_balloon_stats lull_virtio_balloon_stats(struct lull_virtio *dev)
{
    const struct balloon *b = balloon_of(dev);
    struct lull_balloon_stats stats;

    virtio_lock(dev);
    stats = (struct lull_balloon_stats){
        .driver = virtio_running(dev),
        .target_bytes = (uint64_t)b->target << PAGE_SHIFT,
        .actual_bytes = (uint64_t)b->actual << PAGE_SHIFT,
        .inflated_bytes = b->inflated_bytes,
        .reported_bytes = b->reported_bytes,
    };
    virtio_unlock(dev);
    return stats;
}
