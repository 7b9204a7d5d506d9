/*
 * The file system device (virtio 1.2, section 5.11): a share behind two
 * queues, one for what must not wait behind other requests, one for these.
 *
 * A thread of the device's own takes requests one by one, so that no vCPU
 * waits for the host's disk. It sleeps without a timeout when there are none;
 * while it works it looks at the queues itself, and the driver, by the event
 * index, need not notify.
 *
 * A queue that stops waits for the request that is being served: the driver
 * may use its memory for something else as soon as it reads the status as 0.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lull/bytes.h"
#include "virtio.h"

enum {
    HIPRIO = 0, /* queues */
    REQUESTS = 1,
    QUEUES = 2,
    QUEUE_SIZE = 256, /* a request of 1 MiB is 256 pages and some */
    CONFIG_BYTES = LULL_SHARE_TAG_MAX + 4,
};

_Static_assert((int)LULL_SHARE_SPANS_MAX >= (int)VIRTQ_SIZE_MAX,
               "a chain is a message");

struct fs {
    struct lull_virtio base; /* first */
    struct lull_share *share;
    uint8_t config[CONFIG_BYTES];

    pthread_t worker;
    bool started;        /* there is that thread */
    bool quit;           /* under the device's lock, as all that follows */
    bool serving;        /* without the lock; the share is the thread's then */
    unsigned draining;   /* vCPUs that wait for that to end */
    unsigned epoch;      /* counts the times a queue stopped */
    pthread_cond_t news; /* for the thread: look again */
    pthread_cond_t drained;
    struct lull_share_message message; /* the thread's */
};

static struct fs *fs_of(struct lull_virtio *dev)
{
    return (struct fs *)dev;
}

/* ---- the thread ----------------------------------------------------------
 */

static void set_spans(struct iovec *to, const struct virtq_span *from,
                      unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        to[i] = (struct iovec){from[i].host, from[i].len};
}

/* The chain that was popped; the lock is given up meanwhile. */
static void serve(struct fs *fs, unsigned queue)
{
    const struct virtq_chain *chain = &fs->base.chain;
    uint16_t head = chain->head;
    unsigned epoch = fs->epoch;
    enum lull_share_result result;
    uint32_t written;

    fs->message.outs = chain->out;
    fs->message.ins = chain->in;
    set_spans(fs->message.out, chain->span, chain->out);
    set_spans(fs->message.in, chain->span + chain->out, chain->in);
    fs->serving = true;
    virtio_unlock(&fs->base);
    result = lull_share_serve(fs->share, &fs->message, &written);
    virtio_lock(&fs->base);
    fs->serving = false;
    if (fs->draining != 0)
        pthread_cond_broadcast(&fs->drained);
    if (epoch != fs->epoch)
        return;
    if (result == LULL_SHARE_BROKEN) {
        virtio_break(&fs->base);
        return;
    }
    virtio_push(&fs->base, queue, head, written);
    virtio_interrupt(&fs->base, queue);
}

static void *work(void *opaque)
{
    struct fs *fs = opaque;

    virtio_lock(&fs->base);
    while (!fs->quit) {
        if (fs->draining == 0 && virtio_pop(&fs->base, HIPRIO))
            serve(fs, HIPRIO);
        else if (fs->draining == 0 && virtio_pop(&fs->base, REQUESTS))
            serve(fs, REQUESTS);
        else
            virtio_wait(&fs->base, &fs->news);
    }
    virtio_unlock(&fs->base);
    return NULL;
}

bool lull_virtio_fs_start(struct lull_virtio *dev)
{
    struct fs *fs = fs_of(dev);
    int error = pthread_create(&fs->worker, NULL, work, fs);

    fs->started = error == 0;
    errno = error;
    return fs->started;
}

/* ---- the device ----------------------------------------------------------
 */

static void fs_notify(struct lull_virtio *dev, unsigned queue)
{
    pthread_cond_signal(&fs_of(dev)->news);
}

/* Wait for the request that is being served. */
static void drain(struct lull_virtio *dev)
{
    struct fs *fs = fs_of(dev);

    fs->draining++;
    while (fs->serving)
        virtio_wait(dev, &fs->drained);
    fs->draining--;
}

static const char *unsaveable(struct lull_virtio *dev)
{
    return "a VM with a shared folder cannot be saved, as the files that its "
           "guest has open there are not part of it";
}

/* Both queues are one session: without either the driver has nothing open. */
static void fs_stopped(struct lull_virtio *dev, unsigned queue)
{
    struct fs *fs = fs_of(dev);

    fs->epoch++;
    drain(dev);
    lull_share_reset(fs->share);
    pthread_cond_signal(&fs->news);
}

static void fs_destroy(struct lull_virtio *dev)
{
    struct fs *fs = fs_of(dev);

    virtio_lock(dev);
    fs->quit = true;
    pthread_cond_signal(&fs->news);
    virtio_unlock(dev);
    if (fs->started)
        pthread_join(fs->worker, NULL);
    pthread_cond_destroy(&fs->news);
    pthread_cond_destroy(&fs->drained);
}

static uint32_t config_read(struct lull_virtio *dev, unsigned offset,
                            unsigned width)
{
    const uint8_t *config = fs_of(dev)->config;
    uint32_t value = 0;

    if (offset + width <= CONFIG_BYTES)
        for (unsigned i = 0; i < width; i++)
            value |= (uint32_t)config[offset + i] << (8 * i);
    return value;
}

static const struct virtio_type fs_type = {
    .name = "virtio-fs",
    .id = 26,
    .queues = QUEUES,
    .queue_size = QUEUE_SIZE,
    .notify = fs_notify,
    .config_read = config_read,
    .stopped = fs_stopped,
    .freeze = drain,
    .unsaveable = unsaveable,
    .state = virtio_stateless,
    .destroy = fs_destroy,
};

struct lull_virtio *lull_virtio_fs_new(unsigned slot,
                                       const struct lull_ram *ram,
                                       struct lull_irq irq,
                                       struct lull_share *share)
{
    struct fs *fs = calloc(1, sizeof(*fs));
    const char *tag = lull_share_tag(share);

    if (fs == NULL)
        return NULL;
    fs->share = share;
    memcpy(fs->config, tag, strnlen(tag, LULL_SHARE_TAG_MAX));
    put_le32(fs->config + LULL_SHARE_TAG_MAX, 1); /* request queues */
    pthread_cond_init(&fs->news, NULL);
    pthread_cond_init(&fs->drained, NULL);
    virtio_init(&fs->base, &fs_type, slot, ram, irq);
    return &fs->base;
}
