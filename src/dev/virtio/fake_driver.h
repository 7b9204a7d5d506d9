/*
 * For tests: guest memory, and a driver's side of a split virtqueue in it.
 * It can do things right, and can be made to do them wrong.
 */
#ifndef LULL_DEV_VIRTIO_FAKE_DRIVER_H
#define LULL_DEV_VIRTIO_FAKE_DRIVER_H

#include <string.h>

#include "lull/bytes.h"
#include "lull/ram.h"

#define RAM_GPA 0x40000000ULL
#define RAM_BYTES (1ULL << 20)

enum {
    NEXT = 1,
    WRITE = 2,
    INDIRECT = 4,
};

static uint8_t ram_bytes[RAM_BYTES] __attribute__((aligned(4096)));
static const struct lull_ram ram = {ram_bytes, RAM_GPA, RAM_BYTES};

struct driver_queue {
    uint16_t size;
    uint64_t desc, avail, used; /* guest physical */
    uint16_t next_avail, seen_used;
};

static inline uint8_t *at(uint64_t gpa)
{
    return ram_bytes + (gpa - RAM_GPA);
}

/* A page for each table, from `gpa` on. */
static inline struct driver_queue driver_queue(uint16_t size, uint64_t gpa)
{
    return (struct driver_queue){size, gpa, gpa + 0x1000, gpa + 0x2000, 0, 0};
}

static inline void put_desc(uint64_t table, unsigned n, uint64_t gpa,
                            uint32_t len, uint16_t flags, uint16_t next)
{
    uint8_t *d = at(table + 16ULL * n);

    put_le64(d, gpa);
    put_le32(d + 8, len);
    put_le16(d + 12, flags);
    put_le16(d + 14, next);
}

static inline void make_available(struct driver_queue *q, uint16_t head)
{
    put_le16(at(q->avail + 4 + 2ULL * (q->next_avail % q->size)), head);
    /* A device may have a thread that looks. */
    __atomic_store_n((uint16_t *)(void *)at(q->avail + 2), ++q->next_avail,
                     __ATOMIC_RELEASE);
}

static inline uint16_t used_index(const struct driver_queue *q)
{
    return get_le16(at(q->used + 2));
}

/* The next used entry; false when there is none. */
static inline bool take_used(struct driver_queue *q, uint32_t *id,
                             uint32_t *len)
{
    uint8_t *entry = at(q->used + 4 + 8ULL * (q->seen_used % q->size));

    if (used_index(q) == q->seen_used)
        return false;
    *id = get_le32(entry);
    *len = get_le32(entry + 4);
    q->seen_used++;
    return true;
}

static inline uint16_t avail_event_of(const struct driver_queue *q)
{
    return get_le16(at(q->used + 4 + 8ULL * q->size));
}

static inline void set_used_event(const struct driver_queue *q, uint16_t value)
{
    put_le16(at(q->avail + 4 + 2ULL * q->size), value);
}

#endif
