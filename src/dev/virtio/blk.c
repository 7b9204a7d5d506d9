/*
 * The block device (virtio 1.2, section 5.2) with several queues.
 *
 * A request is taken apart once, when its chain is popped: header, data,
 * status byte, each wherever the driver's descriptors put it. A small read
 * that the host can answer from memory is answered at once, which spares two
 * threads a wake-up. What else passes the checks is handed to the disk, all
 * that one look at the queue found together; the disk does it on threads of
 * its own, and the answers are pushed from there.
 *
 * A queue that stops waits for what is on its way, because the driver may use
 * its memory for something else as soon as it reads the status as 0.
 */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "lull/bits.h"
#include "lull/bytes.h"
#include "lull/disk.h"
#include "virtio.h"

enum {
    QUEUE_SIZE = 128,

    /* Longer reads are copied on the disk's threads, while the vCPU goes on;
     * after so many short ones it goes on, too. */
    NOW_BYTES_MAX = 32 << 10,
    NOW_READS_MAX = 32,

    HEADER_BYTES = 16,
    SEGMENT_BYTES = 16, /* of a discard or write-zeroes */
    ID_BYTES = 20,

    T_IN = 0,
    T_OUT = 1,
    T_FLUSH = 4,
    T_GET_ID = 8,
    T_DISCARD = 11,
    T_WRITE_ZEROES = 13,

    SEGMENT_UNMAP = 1,

    S_OK = 0,
    S_IOERR = 1,
    S_UNSUPP = 2,
    /* ours: */
    S_PENDING = 256, /* the disk answers later */
    S_BAD,           /* a chain that cannot be a request */

    F_SEG_MAX = 1 << 2,
    F_RO = 1 << 5,
    F_BLK_SIZE = 1 << 6,
    F_FLUSH = 1 << 9,
    F_MQ = 1 << 12,
    F_DISCARD = 1 << 13,
    F_WRITE_ZEROES = 1 << 14,

    CONFIG_BYTES = 60,
    /* At most this much in one discard or write-zeroes: 1 GiB. */
    RANGE_SECTORS_MAX = 1 << 21,
};

struct blk_request {
    struct lull_disk_request disk; /* first: they are converted to each other */
    struct blk_queue *queue;
    struct blk_request *free;
    unsigned epoch;
    uint16_t head;
    uint8_t *status;
    uint32_t to_driver; /* bytes of data in its buffers when it went well */
    struct iovec vector[VIRTQ_SIZE_MAX];
};

/* All of it under the device's lock. */
struct blk_queue {
    struct blk *blk;
    unsigned number;
    unsigned epoch;      /* counts the times the queue stopped */
    unsigned on_the_way; /* with the disk */
    bool draining;
    pthread_cond_t drained;
    /* Those never used so far are not in the list: memory nobody touched. */
    struct blk_request *free;
    unsigned used;
    struct blk_request request[QUEUE_SIZE];
};

struct blk {
    struct lull_virtio base; /* first */
    const struct lull_disk *disk;
    uint8_t config[CONFIG_BYTES];
    char id[ID_BYTES];
    struct blk_queue queue[];
};

_Static_assert((int)LULL_BLK_QUEUES_MAX <= (int)VIRTIO_QUEUES_MAX,
               "the transport has as many");

static struct blk *blk_of(struct lull_virtio *dev)
{
    return (struct blk *)dev;
}

/* ---- taking a request apart ----------------------------------------------
 */

struct header {
    uint32_t type;
    uint64_t sector;
};

/* The first bytes of what the driver wrote; false when there are fewer. */
static bool gather(const struct virtq_chain *chain, uint8_t *to, size_t len)
{
    size_t done = 0;

    for (unsigned i = 0; i < chain->out && done < len; i++) {
        const struct virtq_span *span = &chain->span[i];
        size_t part = len - done < span->len ? len - done : span->len;

        memcpy(to + done, span->host, part);
        done += part;
    }
    return done == len;
}

static bool get_header(const struct virtq_chain *chain, struct header *header)
{
    uint8_t copy[HEADER_BYTES];

    if (!gather(chain, copy, sizeof(copy)))
        return false;
    header->type = get_le32(copy);
    header->sector = get_le64(copy + 8);
    return true;
}

/* The data as a vector: spans without their first `skip` bytes and without
 * the very last `drop` ones. */
static void set_vector(struct blk_request *r, const struct virtq_span *span,
                       unsigned count, uint32_t skip, uint32_t drop)
{
    r->disk.vector = r->vector;
    r->disk.vector_count = 0;
    r->disk.length_bytes = 0;
    for (unsigned i = 0; i < count; i++) {
        uint32_t cut = skip < span[i].len ? skip : span[i].len;
        uint32_t len = span[i].len - cut;

        skip -= cut;
        if (i == count - 1)
            len -= drop;
        if (len == 0)
            continue;
        r->vector[r->disk.vector_count++] =
            (struct iovec){span[i].host + cut, len};
        r->disk.length_bytes += len;
    }
}

static void set_data_out(struct blk_request *r, const struct virtq_chain *chain)
{
    set_vector(r, chain->span, chain->out, HEADER_BYTES, 0);
}

static void set_data_in(struct blk_request *r, const struct virtq_chain *chain)
{
    set_vector(r, chain->span + chain->out, chain->in, 0, 1);
}

/* The one place where a sector number becomes an offset. */
static bool set_range(struct blk_request *r, uint64_t sector, uint64_t length)
{
    uint64_t size = r->queue->blk->disk->size_bytes;

    if (length % LULL_SECTOR_BYTES != 0 || sector > size / LULL_SECTOR_BYTES ||
        length > size - sector * LULL_SECTOR_BYTES)
        return false;
    r->disk.offset_bytes = sector * LULL_SECTOR_BYTES;
    r->disk.length_bytes = length;
    return true;
}

static int read_or_write(struct blk_request *r, uint64_t sector,
                         enum lull_disk_op op)
{
    if (!set_range(r, sector, r->disk.length_bytes))
        return S_IOERR;
    r->disk.op = op;
    if (op == LULL_DISK_READ)
        r->to_driver = (uint32_t)r->disk.length_bytes;
    return r->disk.length_bytes == 0 ? S_OK : S_PENDING;
}

/* A discard or write-zeroes names its range in the data. */
static int range(struct blk_request *r, const struct virtq_chain *chain,
                 enum lull_disk_op op)
{
    uint8_t copy[HEADER_BYTES + SEGMENT_BYTES];
    uint32_t sectors, flags;

    if (r->disk.length_bytes != SEGMENT_BYTES ||
        !gather(chain, copy, sizeof(copy)))
        return S_IOERR;
    sectors = get_le32(copy + HEADER_BYTES + 8);
    flags = get_le32(copy + HEADER_BYTES + 12);
    if (flags & ~(op == LULL_DISK_ZERO ? (uint32_t)SEGMENT_UNMAP : 0U))
        return S_UNSUPP;
    if (sectors > RANGE_SECTORS_MAX ||
        !set_range(r, get_le64(copy + HEADER_BYTES),
                   (uint64_t)sectors * LULL_SECTOR_BYTES))
        return S_IOERR;
    r->disk.op = op;
    r->disk.unmap = (flags & SEGMENT_UNMAP) != 0;
    return sectors == 0 ? S_OK : S_PENDING;
}

static int get_id(struct blk_request *r)
{
    size_t done = 0;

    for (int i = 0; i < r->disk.vector_count && done < ID_BYTES; i++) {
        const struct iovec *part = &r->vector[i];
        size_t left = ID_BYTES - done;
        size_t len = left < part->iov_len ? left : part->iov_len;

        memcpy(part->iov_base, r->queue->blk->id + done, len);
        done += len;
    }
    r->to_driver = (uint32_t)done;
    return S_OK;
}

/* Fill in what the disk is to do, or say at once how it ends. */
static int understand(struct blk_request *r, const struct virtq_chain *chain,
                      const struct header *header)
{
    bool changes = header->type == T_OUT || header->type == T_DISCARD ||
                   header->type == T_WRITE_ZEROES;

    if (changes && r->queue->blk->disk->read_only)
        return S_IOERR;
    if (changes)
        set_data_out(r, chain);
    else
        set_data_in(r, chain);
    switch (header->type) {
    case T_IN:
        return read_or_write(r, header->sector, LULL_DISK_READ);
    case T_OUT:
        return read_or_write(r, header->sector, LULL_DISK_WRITE);
    case T_FLUSH:
        r->disk.op = LULL_DISK_FLUSH;
        r->disk.vector_count = 0;
        return S_PENDING;
    case T_GET_ID:
        return get_id(r);
    case T_DISCARD:
        return range(r, chain, LULL_DISK_DISCARD);
    case T_WRITE_ZEROES:
        return range(r, chain, LULL_DISK_ZERO);
    default:
        return S_UNSUPP;
    }
}

/* ---- their way through the device ----------------------------------------
 */

static struct blk_request *request_new(struct blk_queue *q)
{
    struct blk_request *r = q->free;

    if (r != NULL)
        q->free = r->free;
    else if (q->used < QUEUE_SIZE)
        r = &q->request[q->used++];
    if (r != NULL)
        r->queue = q;
    return r;
}

static void request_free(struct blk_request *r)
{
    r->free = r->queue->free;
    r->queue->free = r;
}

static void answer(struct blk_request *r, int status)
{
    *r->status = (uint8_t)status;
    virtio_push(&r->queue->blk->base, r->queue->number, r->head,
                (status == S_OK ? r->to_driver : 0) + 1);
    request_free(r);
}

static void process(struct blk_queue *q);

static void one_done(struct blk_request *r)
{
    struct blk_queue *q = r->queue;

    q->on_the_way--;
    if (r->epoch == q->epoch)
        answer(r, r->disk.error == 0 ? S_OK : S_IOERR);
    else
        request_free(r);
    if (q->draining && q->on_the_way == 0)
        pthread_cond_broadcast(&q->drained);
}

/* All are answered before the driver is told. */
static void disk_done(struct lull_disk_request *list)
{
    struct blk *b = ((struct blk_request *)list)->queue->blk;
    unsigned met = 0;

    virtio_lock(&b->base);
    while (list != NULL) {
        struct blk_request *r = (struct blk_request *)list;

        list = list->next;
        met |= 1U << r->queue->number;
        one_done(r);
    }
    for (unsigned i = 0; met != 0; i++, met >>= 1)
        if (met & 1)
            process(&b->queue[i]);
    virtio_unlock(&b->base);
}

static int start(struct blk_request *r)
{
    const struct virtq_chain *chain = &r->queue->blk->base.chain;
    const struct virtq_span *last;
    struct header header;

    r->epoch = r->queue->epoch;
    r->head = chain->head;
    r->to_driver = 0;
    r->disk.done = disk_done;
    r->disk.unmap = false;
    if (chain->in == 0 || !get_header(chain, &header))
        return S_BAD;
    last = &chain->span[chain->out + chain->in - 1];
    r->status = last->host + last->len - 1;
    return understand(r, chain, &header);
}

static int read_now(struct blk_request *r)
{
    const struct lull_disk *disk = r->queue->blk->disk;

    if (disk->read_now == NULL || r->disk.op != LULL_DISK_READ ||
        r->disk.length_bytes > NOW_BYTES_MAX ||
        !disk->read_now(disk->host, &r->disk))
        return S_PENDING;
    return r->disk.error == 0 ? S_OK : S_IOERR;
}

/* Those for the disk, to be submitted together. */
struct batch {
    struct lull_disk_request *first, **last;
    unsigned reads_now;
};

/* A request that was taken apart: answered, or put with the others. */
static void carry_on(struct blk_request *r, int status, struct batch *batch)
{
    if (status == S_PENDING && batch->reads_now++ < NOW_READS_MAX)
        status = read_now(r);
    if (status != S_PENDING) {
        answer(r, status);
        return;
    }
    *batch->last = &r->disk;
    batch->last = &r->disk.next;
    r->queue->on_the_way++;
}

/* Take what is there, while there is room to remember it. */
static void process(struct blk_queue *q)
{
    struct lull_virtio *dev = &q->blk->base;
    const struct lull_disk *disk = q->blk->disk;
    struct batch batch = {.last = &batch.first};
    struct blk_request *r;

    while (!q->draining && (r = request_new(q)) != NULL) {
        int status;

        if (!virtio_pop(dev, q->number)) {
            request_free(r);
            break;
        }
        status = start(r);
        if (status != S_BAD) {
            carry_on(r, status, &batch);
        } else {
            request_free(r);
            virtio_break(dev);
        }
    }
    *batch.last = NULL;
    if (batch.first != NULL)
        disk->submit(disk->host, batch.first);
    virtio_interrupt(dev, q->number);
}

static void blk_notify(struct lull_virtio *dev, unsigned queue)
{
    process(&blk_of(dev)->queue[queue]);
}

static void wait_drained(struct blk_queue *q)
{
    q->draining = true;
    while (q->on_the_way != 0)
        virtio_wait(&q->blk->base, &q->drained);
    q->draining = false;
}

static void drain(struct blk_queue *q)
{
    q->epoch++;
    wait_drained(q);
}

/* Another vCPU may have started the queue anew while this one waited. */
static void blk_stopped(struct lull_virtio *dev, unsigned queue)
{
    struct blk_queue *q = &blk_of(dev)->queue[queue];

    if (q->on_the_way == 0) {
        q->epoch++;
        return;
    }
    drain(q);
    process(q);
}

/* Requests end as they would have: their answers are in the ring. */
static void blk_freeze(struct lull_virtio *dev)
{
    for (unsigned i = 0; i < dev->queues; i++)
        wait_drained(&blk_of(dev)->queue[i]);
}

/* The driver was told about a disk: it must be as large, and as writable. */
static void blk_state(struct lull_virtio *dev, struct lull_state *state)
{
    const struct lull_disk *disk = blk_of(dev)->disk;

    lull_state_same(state, disk->size_bytes);
    lull_state_same(state, disk->read_only);
}

static void blk_destroy(struct lull_virtio *dev)
{
    struct blk *b = blk_of(dev);

    for (unsigned i = 0; i < dev->queues; i++) {
        virtio_lock(dev);
        drain(&b->queue[i]);
        virtio_unlock(dev);
        pthread_cond_destroy(&b->queue[i].drained);
    }
}

static uint32_t config_read(struct lull_virtio *dev, unsigned offset,
                            unsigned width)
{
    const uint8_t *config = blk_of(dev)->config;
    uint32_t value = 0;

    if (offset + width <= CONFIG_BYTES)
        for (unsigned i = 0; i < width; i++)
            value |= (uint32_t)config[offset + i] << (8 * i);
    return value;
}

/* As section 5.2.4 lays it out; what stays 0 was not offered. */
static void set_config(struct blk *b)
{
    put_le64(b->config, b->disk->size_bytes / LULL_SECTOR_BYTES);
    put_le32(b->config + 12, QUEUE_SIZE - 2); /* seg_max */
    put_le32(b->config + 20, LULL_SECTOR_BYTES);
    put_le16(b->config + 34, (uint16_t)b->base.queues);
    put_le32(b->config + 36, RANGE_SECTORS_MAX); /* to discard */
    put_le32(b->config + 40, 1);                 /* in one segment */
    put_le32(b->config + 44, 8);                 /* aligned to 4 KiB */
    put_le32(b->config + 48, RANGE_SECTORS_MAX); /* to write zeroes to */
    put_le32(b->config + 52, 1);
    b->config[56] = 1; /* write_zeroes_may_unmap */
}

static const struct virtio_type blk_type = {
    .name = "virtio-blk",
    .id = 2,
    .features =
        F_SEG_MAX | F_BLK_SIZE | F_FLUSH | F_MQ | F_DISCARD | F_WRITE_ZEROES,
    .queue_size = QUEUE_SIZE,
    .notify = blk_notify,
    .config_read = config_read,
    .stopped = blk_stopped,
    .freeze = blk_freeze,
    .state = blk_state,
    .destroy = blk_destroy,
};

static const struct virtio_type blk_ro_type = {
    .name = "virtio-blk",
    .id = 2,
    .features = F_SEG_MAX | F_BLK_SIZE | F_RO | F_MQ,
    .queue_size = QUEUE_SIZE,
    .notify = blk_notify,
    .config_read = config_read,
    .stopped = blk_stopped,
    .freeze = blk_freeze,
    .state = blk_state,
    .destroy = blk_destroy,
};

struct lull_virtio *lull_virtio_blk_new(unsigned slot,
                                        const struct lull_ram *ram,
                                        struct lull_irq irq,
                                        const struct lull_disk *disk,
                                        const char *id, unsigned queues)
{
    struct blk *b = calloc(1, sizeof(*b) + queues * sizeof(b->queue[0]));

    if (b == NULL)
        return NULL;
    b->disk = disk;
    memcpy(b->id, id, strnlen(id, ID_BYTES));
    for (unsigned i = 0; i < queues; i++) {
        b->queue[i].blk = b;
        b->queue[i].number = i;
        pthread_cond_init(&b->queue[i].drained, NULL);
    }
    b->base.queues = queues;
    set_config(b);
    virtio_init(&b->base, disk->read_only ? &blk_ro_type : &blk_type, slot, ram,
                irq);
    return &b->base;
}
