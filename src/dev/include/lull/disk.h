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
 * The caller's until `done`, apart from `next`, and the disk has checked
 * nothing: the range lies within the disk, and `length` is the sum of the
 * vector for reads and writes, which have one.
 */
struct lull_disk_request {
    enum lull_disk_op op;
    bool unmap; /* zeros may be a hole */
    uint64_t offset_bytes, length_bytes;
    struct iovec *vector; /* the disk may change it */
    int vector_count;
    /* On a thread of the disk's, never from within submit; error is 0 or an
     * errno. Afterwards the disk has forgotten the request. */
    void (*done)(struct lull_disk_request *request, int error);
    struct lull_disk_request *next; /* for the disk */
};

struct lull_disk {
    /* Any thread may call, with its own locks held. Requests are done in any
     * order, several at once. */
    void (*submit)(void *host, struct lull_disk_request *request);
    void *host;
    uint64_t size_bytes; /* whole sectors */
    bool read_only;
};

#endif
