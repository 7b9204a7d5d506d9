/*
 * A few threads that do a disk's requests, one system call after another.
 */
#ifndef LULL_DEV_DISK_POOL_H
#define LULL_DEV_DISK_POOL_H

#include <stdbool.h>

#include "lull/disk.h"

struct disk_pool;

/* The image; a second descriptor for it past the page cache, or -1. The
 * owner closes them. */
struct disk_files {
    int fd, direct_fd;
};

/* NULL: no memory. */
struct disk_pool *disk_pool_new(const struct disk_files *files);
/* The first thread; false: errno. Later ones when there is work for them. */
bool disk_pool_start(struct disk_pool *pool);
/* As lull_disk.submit. */
void disk_pool_submit(struct disk_pool *pool, struct lull_disk_request *list);
/* With no request on its way. */
void disk_pool_free(struct disk_pool *pool);

/* Can go past the page cache. */
bool disk_aligned(const struct lull_disk_request *r);

#endif
