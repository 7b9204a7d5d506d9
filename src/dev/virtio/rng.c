/*
 * The entropy device (virtio 1.2, section 5.4): one queue; whatever buffer
 * the driver puts there comes back filled with random bytes of the host's.
 *
 * The model for the next device: a table, what happens on a notification, a
 * constructor.
 */
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "virtio.h"

enum {
    REQUESTS = 0,
    ENTROPY_CHUNK = 256, /* getentropy gives no more at once */
    /* A request is answered on the vCPU's thread, so its size is bounded; the
     * driver asks again. */
    REQUEST_BYTES_MAX = 4096,
};

/* How many bytes came; fewer than asked for only if the host has none. */
static uint32_t fill(uint8_t *to, uint32_t len)
{
    uint32_t done = 0;

    while (done < len) {
        uint32_t chunk =
            len - done < ENTROPY_CHUNK ? len - done : ENTROPY_CHUNK;

        if (getentropy(to + done, chunk) != 0)
            break;
        done += chunk;
    }
    return done;
}

static uint32_t answer(const struct virtq_chain *chain)
{
    uint32_t written = 0;

    for (unsigned i = 0; i < chain->in && written < REQUEST_BYTES_MAX; i++) {
        const struct virtq_span *span = &chain->span[chain->out + i];
        uint32_t left = REQUEST_BYTES_MAX - written;

        written += fill(span->host, span->len < left ? span->len : left);
    }
    return written;
}

static void rng_notify(struct lull_virtio *dev, unsigned queue)
{
    while (virtio_pop(dev, queue))
        virtio_push(dev, queue, dev->chain.head, answer(&dev->chain));
    virtio_interrupt(dev, queue);
}

static const struct virtio_type rng_type = {
    .name = "virtio-rng",
    .id = 4,
    .queues = REQUESTS + 1,
    .queue_size = 64,
    .notify = rng_notify,
    .state = virtio_stateless,
};

struct lull_virtio *lull_virtio_rng_new(unsigned slot,
                                        const struct lull_ram *ram,
                                        struct lull_irq irq)
{
    struct lull_virtio *dev = calloc(1, sizeof(*dev));

    if (dev != NULL)
        virtio_init(dev, &rng_type, slot, ram, irq);
    return dev;
}
