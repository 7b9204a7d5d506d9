/*
 * For tests: a driver's way through the transport's registers, to one device
 * with queues in the fake driver's memory.
 */
#ifndef LULL_DEV_VIRTIO_FAKE_TRANSPORT_H
#define LULL_DEV_VIRTIO_FAKE_TRANSPORT_H

#include <check.h>

#include "../fake_host.h"
#include "fake_driver.h"
#include "lull/virtio.h"

enum {
    MAGIC = 0x000,
    VERSION = 0x004,
    DEVICE_ID = 0x008,
    DEVICE_FEATURES = 0x010,
    DEVICE_FEATURES_SEL = 0x014,
    DRIVER_FEATURES = 0x020,
    DRIVER_FEATURES_SEL = 0x024,
    QUEUE_SEL = 0x030,
    QUEUE_NUM_MAX = 0x034,
    QUEUE_NUM = 0x038,
    QUEUE_READY = 0x044,
    QUEUE_NOTIFY = 0x050,
    INTERRUPT_STATUS = 0x060,
    INTERRUPT_ACK = 0x064,
    CONFIG_GENERATION = 0x0fc,
    STATUS = 0x070,
    QUEUE_DESC = 0x080,
    QUEUE_DRIVER = 0x090,
    QUEUE_DEVICE = 0x0a0,
    CONFIG = 0x100,

    ACKNOWLEDGE = 1,
    DRIVER = 2,
    DRIVER_OK = 4,
    FEATURES_OK = 8,
    NEEDS_RESET = 64,

    SIZE = 16,
};

#define DATA (RAM_GPA + 0x40000)
#define INDIRECT_DESC (1ULL << 28)
#define EVENT_IDX (1ULL << 29)
#define VERSION_1 (1ULL << 32)
#define ALL_FEATURES (INDIRECT_DESC | EVENT_IDX | VERSION_1)

static struct lull_virtio *dev;
static struct fake_line line;
static struct driver_queue queue[8];

static inline uint32_t get(unsigned offset)
{
    const struct lull_mmio *m = lull_virtio_mmio(dev);

    return (uint32_t)m->read(m->dev, offset, 4);
}

static inline void set(unsigned offset, uint32_t value)
{
    const struct lull_mmio *m = lull_virtio_mmio(dev);

    m->write(m->dev, offset, 4, value);
}

static inline void set_address(unsigned offset, uint64_t gpa)
{
    set(offset, (uint32_t)gpa);
    set(offset + 4, (uint32_t)(gpa >> 32));
}

/* From a device that was reset. */
static inline void negotiate_on(uint64_t features)
{
    set(STATUS, ACKNOWLEDGE);
    set(STATUS, ACKNOWLEDGE | DRIVER);
    for (unsigned i = 0; i < 2; i++) {
        set(DRIVER_FEATURES_SEL, i);
        set(DRIVER_FEATURES, (uint32_t)(features >> (32 * i)));
    }
    set(STATUS, ACKNOWLEDGE | DRIVER | FEATURES_OK);
}

static inline void negotiate(uint64_t features)
{
    set(STATUS, 0);
    negotiate_on(features);
}

static inline void start_queue(unsigned n)
{
    queue[n] = driver_queue(SIZE, RAM_GPA + 0x10000ULL * (n + 1));
    set(QUEUE_SEL, n);
    set(QUEUE_NUM, SIZE);
    set_address(QUEUE_DESC, queue[n].desc);
    set_address(QUEUE_DRIVER, queue[n].avail);
    set_address(QUEUE_DEVICE, queue[n].used);
    set(QUEUE_READY, 1);
    ck_assert_uint_eq(get(QUEUE_READY), 1);
}

static inline void start_device(uint64_t features, unsigned queues)
{
    memset(ram_bytes, 0, sizeof(ram_bytes));
    negotiate(features);
    ck_assert_uint_eq(get(STATUS), ACKNOWLEDGE | DRIVER | FEATURES_OK);
    for (unsigned i = 0; i < queues; i++)
        start_queue(i);
    set(STATUS, ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK);
}

/* A buffer of one descriptor, by its number. */
static inline void offer(unsigned n, uint16_t desc, uint64_t gpa, uint32_t len,
                         uint16_t flags)
{
    put_desc(queue[n].desc, desc, gpa, len, flags, 0);
    make_available(&queue[n], desc);
}

#endif
