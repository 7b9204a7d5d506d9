/*
 * A disk as a device sees it: a size, and requests that are done elsewhere.
 */
#ifndef LULL_DISK_H
#define LULL_DISK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

enum { LULL_SECTOR_BYTES = 512 };

enum lull_disk_op {
    LULL_DISK_READ,
    LULL_DISK_WRITE,
    LULL_DISK_FLUSH,   /* what was done before is on stable storage */
    LULL_DISK_DISCARD, /* the contents matter no more */
    LULL_DISK_ZERO,
};

/*
 * The caller's until `done`, apart from `next` and `error`, and the disk has
 * checked nothing: the range lies within the disk, and `length` is the sum of
 * the vector for reads and writes, which have one.
 */
struct lull_disk_request {
    enum lull_disk_op op;
    bool unmap; /* zeros may be a hole */
    uint64_t offset_bytes, length_bytes;
    struct iovec *vector; /* the disk may change it */
    int vector_count;
    int error; /* the disk's answer: 0 or an errno */
    /* On a thread of the disk's, never from within submit: a list of those
     * done together, linked by `next`, which have this function in common.
     * Afterwards the disk has forgotten them. */
    void (*done)(struct lull_disk_request *list);
    struct lull_disk_request *next;
};

struct lull_disk {
    /* A list, linked by `next`. Any thread may call, with its own locks held.
     * Requests are done in any order, several at once. */
    void (*submit)(void *host, struct lull_disk_request *list);
    /* Do a read here and now if that takes no waiting. False: nothing but its
     * buffers was touched, submit it. NULL: never. Any thread. */
    bool (*read_now)(void *host, struct lull_disk_request *request);
    void *host;
    uint64_t size_bytes; /* whole sectors */
    bool read_only;
};

#endif
