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

#include "fuzz_driver.h"

enum {
    RAM_BYTES = 32768,
    DISK_BYTES = 8192,
    QUEUES = 3,
    TABLE_BYTES = 0x1000,
    FREE = QUEUES * TABLE_BYTES, /* from here on: buffers */
};

static uint8_t memory[RAM_BYTES] __attribute__((aligned(4096)));
static const struct lull_ram ram = {memory, 0x40000000, RAM_BYTES};

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

/* Lengths and addresses near those that make sense. */
static void put_descriptor(struct fuzz_driver *driver, struct fuzz_input *in)
{
    unsigned which = (unsigned)fuzz_take(in, 1);
    uint32_t at = FREE + (uint32_t)fuzz_take(in, 2) % (RAM_BYTES - FREE);
    static const uint32_t lengths[] = {1, 16, 20, 32, 512, 513, 1024};
    unsigned what = (unsigned)fuzz_take(in, 1);
    uint32_t len =
        what >> 3 < 7 ? lengths[what >> 3] : (uint32_t)fuzz_take(in, 2);

    fuzz_put_descriptor(driver, which / 64 % QUEUES, which % FUZZ_QUEUE, at,
                        len, what & 7, (unsigned)fuzz_take(in, 1) % FUZZ_QUEUE);
}

static void put_header(struct fuzz_input *in)
{
    uint8_t *to = memory + FREE + fuzz_take(in, 2) % (RAM_BYTES - FREE - 16);

    put_le32(to, (uint32_t)fuzz_take(in, 1) & 15);
    put_le64(to + 8,
             fuzz_take(in, 1) & 1 ? fuzz_take(in, 8) : fuzz_take(in, 1) & 31);
}

static void step(struct fuzz_driver *driver, struct fuzz_input *in)
{
    unsigned what = (unsigned)fuzz_take(in, 1), offset;

    switch (what & 15) {
    case 0:
        fuzz_start(driver, 0);
        break;
    case 1:
        fuzz_read_register(driver, in, 1U << (what >> 6));
        break;
    case 2:
        fuzz_write_register(driver, in);
        break;
    case 3:
        offset = 0x100 + ((unsigned)fuzz_take(in, 1) & ~3U);
        fuzz_set(driver, offset, (uint32_t)fuzz_take(in, 4));
        break;
    case 4:
        fuzz_write_memory(driver, in);
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
        put_descriptor(driver, in);
        break;
    default:
        what = (unsigned)fuzz_take(in, 1);
        fuzz_make_available(driver, what / 64 % QUEUES, what % FUZZ_QUEUE);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool worker;
    struct fuzz_input in = {data, size};
    struct lull_disk disk = {
        .submit = submit, .read_now = read_now, .size_bytes = DISK_BYTES};
    struct fuzz_driver driver = {
        .ram = &ram, .queues = QUEUES, .table_bytes = TABLE_BYTES};
    pthread_t thread;

    if (!worker && pthread_create(&thread, NULL, work, NULL) != 0)
        abort();
    worker = true;
    disk.read_only = fuzz_take(&in, 1) == 0;
    memset(memory, 0, sizeof(memory));
    driver.dev = lull_virtio_blk_new(0, &ram, (struct lull_irq){0}, &disk,
                                     "fuzz", QUEUES);
    fuzz_start(&driver, 0);
    while (in.left != 0)
        step(&driver, &in);
    if (!fuzz_reset(&driver))
        abort();
    lull_virtio_free(driver.dev);
    return 0;
}
