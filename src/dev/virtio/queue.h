/*
 * A split virtqueue (virtio 1.2, section 2.7) from the device's side, over
 * memory that the driver may change while we look.
 *
 * Every value of the guest's is read once, checked, and used from the copy; a
 * ring that breaks the rules is reported, never followed. The caller locks.
 */
#ifndef LULL_DEV_VIRTIO_QUEUE_H
#define LULL_DEV_VIRTIO_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

#include "lull/ram.h"
#include "lull/state.h"

enum { VIRTQ_SIZE_MAX = 256 };

struct virtqueue {
    /* As the driver set them; checked by virtq_start. */
    uint16_t size;
    uint64_t desc_gpa, avail_gpa, used_gpa;
    bool event_idx, indirect; /* negotiated */

    bool started;
    const struct lull_ram *ram;
    uint8_t *desc, *avail, *used;
    uint16_t next_avail; /* the next entry of the available ring to take */
    uint16_t next_used;
    uint16_t told_used; /* next_used when the driver was last interrupted */
};

/* A piece of guest memory, all of it RAM. */
struct virtq_span {
    uint8_t *host;
    uint32_t len;
};

/* A descriptor chain: `out` spans to read, then `in` spans to write. */
struct virtq_chain {
    uint16_t head;
    uint16_t out, in;
    struct virtq_span span[VIRTQ_SIZE_MAX];
};

enum virtq_result {
    VIRTQ_EMPTY,  /* and the driver will notify when it adds a chain */
    VIRTQ_CHAIN,  /* return it with virtq_push */
    VIRTQ_BROKEN, /* the driver broke the rules: the device needs a reset */
};

/* Begin, with empty rings. False: a size or an address that cannot be. */
bool virtq_start(struct virtqueue *queue, const struct lull_ram *ram);

enum virtq_result virtq_pop(struct virtqueue *queue, struct virtq_chain *chain);

/* The last chain popped is the next one again. */
void virtq_unpop(struct virtqueue *queue);

/* Save, or load and start: where the rings lie, and how far they are. */
void virtq_state(struct virtqueue *queue, const struct lull_ram *ram,
                 struct lull_state *state);

/* Return a chain into whose `in` spans `written` bytes were put. */
void virtq_push(struct virtqueue *queue, uint16_t head, uint32_t written);

/* Does the driver want an interrupt for what was pushed since the last one?
 * True counts as told. */
bool virtq_should_interrupt(struct virtqueue *queue);

#endif
