/*
 * What a virtio device implements, and what the transport gives it.
 *
 * A device is a const table of functions and, if it has state, a structure
 * that begins with struct lull_virtio. rng.c is the smallest one: start there.
 *
 * Every function of the table is called with the device's lock held, on vCPU
 * threads; what comes from the host side takes the lock with virtio_lock.
 */
#ifndef LULL_DEV_VIRTIO_H
#define LULL_DEV_VIRTIO_H

#include <pthread.h>

#include "lull/virtio.h"
#include "queue.h"

/* Those of the device with all the ports there can be. */
enum { VIRTIO_QUEUES_MAX = 2 * (LULL_PORTS_MAX + 2) };

#define VIRTIO_F_INDIRECT_DESC (1ULL << 28)
#define VIRTIO_F_EVENT_IDX (1ULL << 29)
#define VIRTIO_F_VERSION_1 (1ULL << 32)

struct virtio_type {
    const char *name;
    uint32_t id;         /* of the device type: virtio 1.2, section 5 */
    uint64_t features;   /* beside those of the transport */
    unsigned queues;     /* 0: the device said in struct lull_virtio */
    uint16_t queue_size; /* at most; a power of two */
    /* The driver notified a queue, or everything may be looked at anew. */
    void (*notify)(struct lull_virtio *dev, unsigned queue);
    /* The rest may be NULL. Configuration space: width 1, 2 or 4. */
    uint32_t (*config_read)(struct lull_virtio *dev, unsigned offset,
                            unsigned width);
    void (*config_write)(struct lull_virtio *dev, unsigned offset,
                         unsigned width, uint32_t value);
    /* A queue stopped, by a reset or by the driver: its chains are gone. */
    void (*stopped)(struct lull_virtio *dev, unsigned queue);
    /*
     * To be saved a device must have `state`: its own fields, behind the
     * transport's. `freeze` waits for what is on its way, and takes back
     * (virtio_unpop) what is half done and can be begun anew; afterwards
     * virtio_pop finds nothing until a thaw notifies every queue. `unsaveable`
     * is asked then: why it cannot be saved now, or NULL.
     */
    void (*freeze)(struct lull_virtio *dev);
    const char *(*unsaveable)(struct lull_virtio *dev);
    void (*state)(struct lull_virtio *dev, struct lull_state *state);
    /* Without the lock, before the memory is released. */
    void (*destroy)(struct lull_virtio *dev);
};

struct lull_virtio {
    const struct virtio_type *type;
    struct lull_mmio mmio;
    struct lull_irq irq;
    const struct lull_ram *ram;
    pthread_mutex_t lock;

    uint64_t to_wake; /* by interrupts, when the lock is left */
    unsigned queues;
    bool frozen; /* see lull_virtio_freeze */
    uint8_t status;
    uint8_t interrupt_status;
    uint32_t config_generation;
    uint32_t features_select, driver_features_select, queue_select;
    uint64_t driver_features; /* accepted once FEATURES_OK is set */
    struct virtqueue queue[VIRTIO_QUEUES_MAX];
    struct virtq_chain chain; /* for the device's use, under the lock */
    struct lull_virtio_stats stats;
};

/* Set up `dev`, the head of a device's zeroed structure. */
void virtio_init(struct lull_virtio *dev, const struct virtio_type *type,
                 unsigned slot, const struct lull_ram *ram,
                 struct lull_irq irq);

/* Whom interrupts woke meanwhile, unlock wakes: not sooner, when the first
 * thing they did would be to wait for the lock. */
void virtio_lock(struct lull_virtio *dev);
void virtio_unlock(struct lull_virtio *dev);
/* pthread_cond_wait with the lock. */
void virtio_wait(struct lull_virtio *dev, pthread_cond_t *until);

/* The driver is up and the device is not broken. */
bool virtio_running(const struct lull_virtio *dev);

/* The next chain of a queue into dev->chain. False: none, or the ring was
 * broken and the device now says that it needs a reset. */
bool virtio_pop(struct lull_virtio *dev, unsigned queue);
/* Put the last chain popped back: the next pop finds it again. */
void virtio_unpop(struct lull_virtio *dev, unsigned queue);
/* Return dev->chain's or another head. */
void virtio_push(struct lull_virtio *dev, unsigned queue, uint16_t head,
                 uint32_t written);
/* The driver broke the rules: the device says that it needs a reset. */
void virtio_break(struct lull_virtio *dev);
/* The configuration space reads differently from now on. */
void virtio_config_changed(struct lull_virtio *dev);
/* The `state` of a device that has nothing of its own. */
void virtio_stateless(struct lull_virtio *dev, struct lull_state *state);
/* After the last push of a batch: interrupt the driver if it wants that. */
void virtio_interrupt(struct lull_virtio *dev, unsigned queue);

#endif
