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
#include "lull/share.h"
#include "lull/state.h"
#include "lull/vsock.h"

enum { LULL_VIRTIO_SLOTS = 32 };

#define LULL_VIRTIO_BYTES 0x200ULL
#define LULL_VIRTIO_GPA(slot) (0x0a000000ULL + LULL_VIRTIO_BYTES * (slot))
/* SPI number; the INTID is this plus 32. */
#define LULL_VIRTIO_SPI(slot) (16U + (slot))

struct lull_virtio;

struct lull_virtio_stats {
    uint64_t notifies;   /* QueueNotify writes */
    uint64_t chains;     /* requests, packets, buffers taken */
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
/* The console's size has changed; 0 and 0: nobody knows it. Any thread. */
void lull_virtio_console_resize(struct lull_virtio *dev, uint16_t columns,
                                uint16_t rows);

enum { LULL_PORTS_MAX = 8, LULL_PORT_NAME_MAX = 63 };

/* A channel that the guest finds by its name. */
struct lull_port {
    const char *name; /* at most LULL_PORT_NAME_MAX bytes */
    const struct lull_chardev *chardev;
};

/* At most LULL_PORTS_MAX; names and chardevs stay the caller's and must
 * outlive the device. */
struct lull_virtio *lull_virtio_ports_new(unsigned slot,
                                          const struct lull_ram *ram,
                                          struct lull_irq irq,
                                          const struct lull_port *ports,
                                          unsigned count);

enum { LULL_BLK_QUEUES_MAX = 8 };

/* The disk stays the caller's and must outlive the device. `id` is what the
 * guest sees as serial number, at most 20 bytes. A vCPU each makes good use of
 * `queues`, 1 to LULL_BLK_QUEUES_MAX. */
struct lull_virtio *lull_virtio_blk_new(unsigned slot,
                                        const struct lull_ram *ram,
                                        struct lull_irq irq,
                                        const struct lull_disk *disk,
                                        const char *id, unsigned queues);

/* The network stays the caller's and lives on `loop`; both outlive the
 * device. */
struct lull_virtio *lull_virtio_net_new(unsigned slot,
                                        const struct lull_ram *ram,
                                        struct lull_irq irq,
                                        const struct lull_net *net,
                                        struct lull_loop *loop);

/* The share stays the caller's and must outlive the device. */
struct lull_virtio *lull_virtio_fs_new(unsigned slot,
                                       const struct lull_ram *ram,
                                       struct lull_irq irq,
                                       struct lull_share *share);
/* Once, before the driver comes: the thread that does the work begins here, so
 * that what contains the process comes before it. False: errno. */
bool lull_virtio_fs_start(struct lull_virtio *dev);

/* Where guest memory goes that the guest does not need: `at` points into the
 * RAM's host memory, and needs not be aligned. On vCPU threads, with the
 * device's lock held. Afterwards it may read as zeros, or as before. */
struct lull_memory_host {
    void (*give)(void *opaque, void *at, uint64_t bytes);
    void *opaque;
};

struct lull_balloon_stats {
    bool driver;             /* the guest has one */
    uint64_t target_bytes;   /* what it is asked to do without */
    uint64_t actual_bytes;   /* what it does without */
    uint64_t inflated_bytes; /* taken out of use, all in all */
    uint64_t reported_bytes; /* reported free, all in all */
};

struct lull_virtio *
lull_virtio_balloon_new(unsigned slot, const struct lull_ram *ram,
                        struct lull_irq irq,
                        const struct lull_memory_host *memory);
/* Ask the guest to do without so much, in whole pages of 4 KiB. Any thread. */
void lull_virtio_balloon_set(struct lull_virtio *dev, uint64_t bytes);
struct lull_balloon_stats lull_virtio_balloon_stats(struct lull_virtio *dev);

struct lull_vsock_stats {
    uint64_t streams;    /* now */
    uint64_t from_guest; /* connections that the guest began */
    uint64_t from_host;  /* those that the host began, answered or not */
    uint64_t refused;    /* of both: nobody there, or too many */
    uint64_t to_guest_bytes, to_host_bytes;
};

/* The host's sockets stay the caller's and live on `loop`; both outlive the
 * device. */
struct lull_virtio *lull_virtio_vsock_new(unsigned slot,
                                          const struct lull_ram *ram,
                                          struct lull_irq irq,
                                          uint32_t guest_cid,
                                          const struct lull_vsock_host *host,
                                          struct lull_loop *loop);
struct lull_vsock_stats lull_virtio_vsock_stats(struct lull_virtio *dev);

/* For every kind of device. free: when no vCPU and no loop runs. */
void lull_virtio_free(struct lull_virtio *dev);
void lull_virtio_reset(struct lull_virtio *dev);

/*
 * Between freeze and thaw no request is with the host and none is taken: guest
 * memory does not change by the device. On the loop's thread, while no vCPU
 * runs; the same for the state.
 */
void lull_virtio_freeze(struct lull_virtio *dev);
/* Also after a load: the device looks at everything anew. */
void lull_virtio_thaw(struct lull_virtio *dev);
/* Why a frozen device cannot be saved, for "NAME: ..."; NULL: it can. */
const char *lull_virtio_unsaveable(struct lull_virtio *dev);
/* Save, or load into one that has just been made, frozen, with guest memory
 * in place. After a load that went bad it is good for a reset only. */
void lull_virtio_state(struct lull_virtio *dev, struct lull_state *state);
/* Its type, of virtio 1.2, section 5. */
uint32_t lull_virtio_type(const struct lull_virtio *dev);

const struct lull_mmio *lull_virtio_mmio(const struct lull_virtio *dev);
struct lull_virtio_stats lull_virtio_stats(struct lull_virtio *dev);

#endif
