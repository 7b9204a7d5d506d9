/*
 * Virtio 1.2 devices behind the memory-mapped transport, version 2.
 *
 * A machine has LULL_VIRTIO_SLOTS windows of 0x200 bytes, each with its own
 * interrupt line; a slot without a device needs nothing.
 */
#ifndef LULL_VIRTIO_H
#define LULL_VIRTIO_H

#include <stdbool.h>
#include <stdint.h>

#include "lull/chardev.h"
#include "lull/disk.h"
#include "lull/irq.h"
#include "lull/loop.h"
#include "lull/mmio.h"
#include "lull/net.h"
#include "lull/ram.h"

enum { LULL_VIRTIO_SLOTS = 32 };

#define LULL_VIRTIO_BYTES 0x200ULL
#define LULL_VIRTIO_GPA(slot) (0x0a000000ULL + LULL_VIRTIO_BYTES * (slot))
/* SPI number; the INTID is this plus 32. */
#define LULL_VIRTIO_SPI(slot) (16U + (slot))

struct lull_virtio;

struct lull_virtio_stats {
    uint64_t notifies;   /* QueueNotify writes */
    uint64_t interrupts; /* used buffer notifications sent */
    uint64_t broken;     /* rings that broke the rules: device needs reset */
};

/*
 * Devices. `ram` must outlive the device. NULL: no memory. The console's
 * chardev stays the caller's and must outlive the device.
 */
struct lull_virtio *lull_virtio_rng_new(unsigned slot,
                                        const struct lull_ram *ram,
                                        struct lull_irq irq);
struct lull_virtio *lull_virtio_console_new(unsigned slot,
                                            const struct lull_ram *ram,
                                            struct lull_irq irq,
                                            const struct lull_chardev *chardev);

/* The disk stays the caller's and must outlive the device. `id` is what the
 * guest sees as serial number, at most 20 bytes. */
struct lull_virtio *lull_virtio_blk_new(unsigned slot,
                                        const struct lull_ram *ram,
                                        struct lull_irq irq,
                                        const struct lull_disk *disk,
                                        const char *id);

/* The network stays the caller's and lives on `loop`; both outlive the
 * device. */
struct lull_virtio *lull_virtio_net_new(unsigned slot,
                                        const struct lull_ram *ram,
                                        struct lull_irq irq,
                                        const struct lull_net *net,
                                        struct lull_loop *loop);

/* For every kind of device. free: when no vCPU and no loop runs. */
void lull_virtio_free(struct lull_virtio *dev);
void lull_virtio_reset(struct lull_virtio *dev);
const struct lull_mmio *lull_virtio_mmio(const struct lull_virtio *dev);
struct lull_virtio_stats lull_virtio_stats(struct lull_virtio *dev);

#endif
