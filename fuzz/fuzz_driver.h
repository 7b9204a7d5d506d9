/*
 * A virtio device's driver for targets that fuzz devices: negotiation, queues
 * whose tables are where they belong, and the steps that every such target
 * has: descriptors, registers and guest memory as the input says.
 *
 * Bytes are taken from the input one statement at a time: the order in which a
 * compiler evaluates arguments is its own, and a corpus is for all of them.
 */
#ifndef LULL_FUZZ_DRIVER_H
#define LULL_FUZZ_DRIVER_H

#include "fuzz_input.h"
#include "lull/bytes.h"
#include "lull/ram.h"
#include "lull/virtio.h"

enum {
    FUZZ_STATUS = 0x70,
    FUZZ_NEXT = 1, /* descriptor flags */
    FUZZ_WRITE = 2,
    FUZZ_QUEUE = 16, /* descriptors of a queue */
    FUZZ_QUEUES_MAX = 3,
};

struct fuzz_driver {
    struct lull_virtio *dev;
    const struct lull_ram *ram;
    unsigned queues;
    /* Of a queue: descriptors, after a quarter the available ring, after a half
     * the used ring. Queue 0's are the first in RAM; buffers follow the last
     * one's. */
    uint32_t table_bytes;
    uint16_t available[FUZZ_QUEUES_MAX];
};

static inline uint8_t *fuzz_table(const struct fuzz_driver *driver, unsigned n)
{
    return driver->ram->host + (size_t)n * driver->table_bytes;
}

static inline uint8_t *fuzz_available(const struct fuzz_driver *driver,
                                      unsigned n)
{
    return fuzz_table(driver, n) + driver->table_bytes / 4;
}

static inline uint8_t *fuzz_used(const struct fuzz_driver *driver, unsigned n)
{
    return fuzz_table(driver, n) + driver->table_bytes / 2;
}

static inline void fuzz_set(struct fuzz_driver *driver, unsigned offset,
                            uint32_t value)
{
    const struct lull_mmio *m = lull_virtio_mmio(driver->dev);

    m->write(m->dev, offset, 4, value);
}

static inline uint32_t fuzz_status(struct fuzz_driver *driver)
{
    const struct lull_mmio *m = lull_virtio_mmio(driver->dev);

    return (uint32_t)m->read(m->dev, FUZZ_STATUS, 4);
}

static inline void fuzz_set_address(struct fuzz_driver *driver, unsigned offset,
                                    uint64_t gpa)
{
    fuzz_set(driver, offset, (uint32_t)gpa);
    fuzz_set(driver, offset + 4, (uint32_t)(gpa >> 32));
}

static inline void fuzz_start_queue(struct fuzz_driver *driver, unsigned n)
{
    uint64_t table = driver->ram->gpa + (uint64_t)n * driver->table_bytes;

    fuzz_set(driver, 0x30, n);
    fuzz_set(driver, 0x38, FUZZ_QUEUE);
    fuzz_set_address(driver, 0x80, table);
    fuzz_set_address(driver, 0x90, table + driver->table_bytes / 4);
    fuzz_set_address(driver, 0xa0, table + driver->table_bytes / 2);
    fuzz_set(driver, 0x44, 1);
    driver->available[n] = 0;
}

/* From reset to DRIVER_OK, with empty tables, the device's own features as
 * asked for, and indirect descriptors and event indices. */
static inline void fuzz_start(struct fuzz_driver *driver, uint32_t features)
{
    fuzz_set(driver, FUZZ_STATUS, 0);
    memset(driver->ram->host, 0, (size_t)driver->queues * driver->table_bytes);
    fuzz_set(driver, FUZZ_STATUS, 3);
    fuzz_set(driver, 0x24, 0);
    fuzz_set(driver, 0x20, features | 3U << 28);
    fuzz_set(driver, 0x24, 1);
    fuzz_set(driver, 0x20, 1);
    fuzz_set(driver, FUZZ_STATUS, 11);
    for (unsigned n = 0; n < driver->queues; n++)
        fuzz_start_queue(driver, n);
    fuzz_set(driver, FUZZ_STATUS, 15);
}

/* `at` counts from the start of RAM. */
static inline void fuzz_put_descriptor(struct fuzz_driver *driver, unsigned n,
                                       unsigned i, uint32_t at, uint32_t len,
                                       unsigned flags, unsigned next)
{
    uint8_t *d = fuzz_table(driver, n) + 16 * (size_t)i;

    put_le64(d, driver->ram->gpa + at);
    put_le32(d + 8, len);
    put_le16(d + 12, (uint16_t)flags);
    put_le16(d + 14, (uint16_t)next);
}

/* Release: a device may look from a thread of its own. */
static inline void fuzz_make_available(struct fuzz_driver *driver, unsigned n,
                                       unsigned head)
{
    uint8_t *ring = fuzz_available(driver, n);

    put_le16(ring + 4 + 2 * (size_t)(driver->available[n] % FUZZ_QUEUE),
             (uint16_t)head);
    __atomic_store_n((uint16_t *)(void *)(ring + 2), ++driver->available[n],
                     __ATOMIC_RELEASE);
    fuzz_set(driver, 0x50, n);
}

/* As the input says, but pointing to RAM beyond the tables; also just behind
 * the queue's own, where an indirect table could be. */
static inline void fuzz_take_descriptor(struct fuzz_driver *driver,
                                        struct fuzz_input *in, unsigned n,
                                        unsigned flags)
{
    uint32_t tables = driver->queues * driver->table_bytes;
    unsigned i = (unsigned)fuzz_take(in, 1) % (2 * FUZZ_QUEUE);
    uint32_t at = (uint32_t)fuzz_take(in, 2);
    uint32_t len = (uint32_t)fuzz_take(in, 2) & 0x7ff;
    unsigned next = (unsigned)fuzz_take(in, 1) % FUZZ_QUEUE;

    at = tables + at % ((uint32_t)driver->ram->size_bytes - tables);
    fuzz_put_descriptor(driver, n, i, at, len, flags, next);
}

static inline void fuzz_read_register(struct fuzz_driver *driver,
                                      struct fuzz_input *in, unsigned width)
{
    const struct lull_mmio *m = lull_virtio_mmio(driver->dev);

    m->read(m->dev, fuzz_take(in, 1) * 2, width);
}

static inline void fuzz_write_register(struct fuzz_driver *driver,
                                       struct fuzz_input *in)
{
    unsigned offset = (unsigned)fuzz_take(in, 1) * 2 & ~3U;

    fuzz_set(driver, offset, (uint32_t)fuzz_take(in, 1));
}

/* Eight bytes anywhere, tables included. */
static inline void fuzz_write_memory(struct fuzz_driver *driver,
                                     struct fuzz_input *in)
{
    size_t at = fuzz_take(in, 2) % (driver->ram->size_bytes - 8);

    put_le64(driver->ram->host + at, fuzz_take(in, 8));
}

/* Reset must always work. */
static inline bool fuzz_reset(struct fuzz_driver *driver)
{
    fuzz_set(driver, FUZZ_STATUS, 0);
    return fuzz_status(driver) == 0;
}

#endif
