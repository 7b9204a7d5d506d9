/*
 * A host, or a build, without io_uring.
 */
#include "disk_ring.h"

#include <stddef.h>

struct disk_ring *disk_ring_new(const struct disk_files *files,
                                struct disk_pool *pool, const char **why)
{
    *why = "not in this build of lull, which has no liburing";
    return NULL;
}

bool disk_ring_start(struct disk_ring *ring)
{
    return true;
}

void disk_ring_submit(struct disk_ring *ring, struct lull_disk_request *list)
{
}

void disk_ring_free(struct disk_ring *ring)
{
}
