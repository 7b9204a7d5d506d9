/*
 * A disk's reads by io_uring, where the host has it.
 */
#ifndef LULL_DEV_DISK_RING_H
#define LULL_DEV_DISK_RING_H

#include <stdbool.h>

#include "disk_pool.h"
#include "lull/disk.h"

struct disk_ring;

/* What does not go well in the ring is done again by `pool`, which outlives
 * it. Before the process is contained. NULL: `why` says in a few words what
 * is missing. */
struct disk_ring *disk_ring_new(const struct disk_files *files,
                                struct disk_pool *pool, const char **why);
/* Its thread begins. False: errno. */
bool disk_ring_start(struct disk_ring *ring);
/* As lull_disk.submit, reads only. */
void disk_ring_submit(struct disk_ring *ring, struct lull_disk_request *list);
/* With no request on its way. */
void disk_ring_free(struct disk_ring *ring);

#endif
