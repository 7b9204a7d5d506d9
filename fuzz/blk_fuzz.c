/*
 * The block device: requests of any shape in rings that work, and registers
 * written at random. What reaches the disk must lie within it, point into
 * guest memory, and be as long as it says; and the device can be reset.
 *
 * The disk answers on a thread of its own, as a real one does: a device that
 * is reset waits for it.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "fuzz_input.h"
#include "lull/bytes.h"
#include "lull/virtio.h"

enum {
    RAM_BYTES = 32768,
    DISK_BYTES = 8192,
    QUEUES = 3,
    QUEUE = 16,
    RINGS = 0x1000, /* of a queue: descriptors, and at */
    AVAIL = 0x400,
    USED = 0x800,
    FREE = QUEUES * RINGS, /* from here on: buffers */
    STATUS = 0x70,
    NOTIFY = 0x50,
};
#define RAM_GPA 0x40000000ULL

static uint8_t memory[RAM_BYTES] __attribute__((aligned(4096)));
static const struct lull_ram ram = {memory, RAM_GPA, RAM_BYTES};
static uint16_t available[QUEUES];

/* ---- the disk ------------------------------------------------------------
 */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t news = PTHREAD_COND_INITIALIZER;
static struct lull_disk_request *first;

static void check(const struct lull_disk_request *r)
{
    uint64_t sum = 0;

    if (r->offset_bytes > DISK_BYTES ||
        r->length_bytes > DISK_BYTES - r->offset_bytes)
        abort();
    for (int i = 0; i < r->vector_count; i++) {
        const uint8_t *bytes = r->vector[i].iov_base;

        if (bytes < memory || bytes + r->vector[i].iov_len > memory + RAM_BYTES)
            abort();
        if (r->op == LULL_DISK_READ)
            memset(r->vector[i].iov_base, 0xd1, r->vector[i].iov_len);
        sum += r->vector[i].iov_len;
    }
    if (r->op <= LULL_DISK_WRITE && sum != r->length_bytes)
        abort();
}

static void *work(void *opaque)
{
    for (;;) {
        struct lull_disk_request *r;

        pthread_mutex_lock(&lock);
        while (first == NULL)
            pthread_cond_wait(&news, &lock);
        r = first;
        first = r->next;
        pthread_mutex_unlock(&lock);
        check(r);
        r->error = r->offset_bytes == 512 ? EIO : 0;
        r->next = NULL;
        r->done(r);
    }
    return NULL;
}

/* What lies in the first sectors is in memory. */
static bool read_now(void *host, struct lull_disk_request *r)
{
    if (r->offset_bytes >= 2048)
        return false;
    check(r);
    r->error = r->offset_bytes == 512 ? EIO : 0;
    return true;
}

static void submit(void *host, struct lull_disk_request *list)
{
    struct lull_disk_request **last = &list->next;

    while (*last != NULL)
        last = &(*last)->next;
    pthread_mutex_lock(&lock);
    *last = first;
    first = list;
    pthread_cond_signal(&news);
    pthread_mutex_unlock(&lock);
}

/* ---- the driver ----------------------------------------------------------
 */

static void set(struct lull_virtio *dev, unsigned offset, uint32_t value)
{
    const struct lull_mmio *m = lull_virtio_mmio(dev);

    m->write(m->dev, offset, 4, value);
}

static void start_queue(struct lull_virtio *dev, unsigned n)
{
    uint32_t rings = (uint32_t)RAM_GPA + n * RINGS;

    set(dev, 0x30, n);
    set(dev, 0x38, QUEUE);
    set(dev, 0x80, rings);
    set(dev, 0x84, 0);
    set(dev, 0x90, rings + AVAIL);
    set(dev, 0x94, 0);
    set(dev, 0xa0, rings + USED);
    set(dev, 0xa4, 0);
    set(dev, 0x44, 1);
}

static void start(struct lull_virtio *dev)
{
    static const uint32_t writes[][2] = {
        {STATUS, 0}, {STATUS, 3}, {0x24, 0},    {0x20, 3U << 28},
        {0x24, 1},   {0x20, 1},   {STATUS, 11},
    };

    memset(memory, 0, FREE);
    for (size_t i = 0; i < sizeof(writes) / sizeof(writes[0]); i++)
        set(dev, writes[i][0], writes[i][1]);
    for (unsigned n = 0; n < QUEUES; n++) {
        available[n] = 0;
        start_queue(dev, n);
    }
    set(dev, STATUS, 15);
}

/* Lengths and addresses near those that make sense. */
static void put_descriptor(struct fuzz_input *in)
{
    unsigned which = (unsigned)fuzz_take(in, 1);
    uint8_t *d = memory + which / 64 % QUEUES * RINGS + 16 * (which % QUEUE);
    uint64_t gpa = RAM_GPA + FREE + fuzz_take(in, 2) % (RAM_BYTES - FREE);
    static const uint32_t lengths[] = {1, 16, 20, 32, 512, 513, 1024};
    unsigned what = (unsigned)fuzz_take(in, 1);

    put_le64(d, gpa);
    put_le32(d + 8,
             what >> 3 < 7 ? lengths[what >> 3] : (uint32_t)fuzz_take(in, 2));
    put_le16(d + 12, what & 7);
    put_le16(d + 14, fuzz_take(in, 1) % QUEUE);
}

static void put_header(struct fuzz_input *in)
{
    uint8_t *to = memory + FREE + fuzz_take(in, 2) % (RAM_BYTES - FREE - 16);

    put_le32(to, (uint32_t)fuzz_take(in, 1) & 15);
    put_le64(to + 8,
             fuzz_take(in, 1) & 1 ? fuzz_take(in, 8) : fuzz_take(in, 1) & 31);
}

static void make_available(struct lull_virtio *dev, struct fuzz_input *in)
{
    unsigned which = (unsigned)fuzz_take(in, 1), n = which / 64 % QUEUES;
    uint8_t *ring = memory + n * RINGS + AVAIL;

    put_le16(ring + 4 + 2 * (available[n] % QUEUE), which % QUEUE);
    put_le16(ring + 2, ++available[n]);
    set(dev, NOTIFY, n);
}

static void step(struct lull_virtio *dev, struct fuzz_input *in)
{
    const struct lull_mmio *m = lull_virtio_mmio(dev);
    unsigned what = (unsigned)fuzz_take(in, 1);

    switch (what & 15) {
    case 0:
        start(dev);
        break;
    case 1:
        m->read(m->dev, fuzz_take(in, 1) * 2, 1U << (what >> 6));
        break;
    case 2:
        set(dev, fuzz_take(in, 1) * 2 & ~3U, (uint32_t)fuzz_take(in, 1));
        break;
    case 3:
        set(dev, 0x100 + (fuzz_take(in, 1) & ~3U), (uint32_t)fuzz_take(in, 4));
        break;
    case 4: /* anywhere, rings included */
        put_le64(memory + fuzz_take(in, 2) % (RAM_BYTES - 8), fuzz_take(in, 8));
        break;
    case 5:
    case 6:
    case 7:
        put_header(in);
        break;
    case 8:
    case 9:
    case 10:
    case 11:
        put_descriptor(in);
        break;
    default:
        make_available(dev, in);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool worker;
    struct fuzz_input in = {data, size};
    struct lull_disk disk = {
        .submit = submit, .read_now = read_now, .size_bytes = DISK_BYTES};
    struct lull_virtio *dev;
    pthread_t thread;

    if (!worker && pthread_create(&thread, NULL, work, NULL) != 0)
        abort();
    worker = true;
    disk.read_only = fuzz_take(&in, 1) == 0;
    memset(memory, 0, sizeof(memory));
    dev = lull_virtio_blk_new(0, &ram, (struct lull_irq){0}, &disk, "fuzz",
                              QUEUES);
    start(dev);
    while (in.left != 0)
        step(dev, &in);
    set(dev, STATUS, 0);
    if (lull_virtio_mmio(dev)->read(dev, STATUS, 4) != 0)
        abort();
    lull_virtio_free(dev);
    return 0;
}
