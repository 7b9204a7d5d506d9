/*
 * Guest memory through a checked accessor.
 *
 * Guest memory is one span of host memory at one guest physical address.
 * vCPU threads write to it at any time: copy out once, check the copy, use
 * the copy. Every function is safe from any thread and never faults,
 * whatever the guest asked for.
 */
#ifndef LULL_RAM_H
#define LULL_RAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "lull/checked.h"

struct lull_ram {
    uint8_t *host; /* owned by the VM */
    uint64_t gpa;
    uint64_t size_bytes;
};

/* Host address of [gpa, gpa + len), or NULL when it is not all guest RAM. */
static inline void *lull_ram_at(const struct lull_ram *ram, uint64_t gpa,
                                uint64_t len)
{
    if (!range_within(gpa, len, ram->gpa, ram->size_bytes))
        return NULL;
    return ram->host + (gpa - ram->gpa);
}

/* Copy out of or into guest RAM; false, and nothing copied, when outside. */
static inline bool lull_ram_read(const struct lull_ram *ram, uint64_t gpa,
                                 void *to, size_t len)
{
    const void *from = lull_ram_at(ram, gpa, len);

    if (from == NULL)
        return false;
    memcpy(to, from, len);
    return true;
}

static inline bool lull_ram_write(const struct lull_ram *ram, uint64_t gpa,
                                  const void *from, size_t len)
{
    void *to = lull_ram_at(ram, gpa, len);

    if (to == NULL)
        return false;
    memcpy(to, from, len);
    return true;
}

#endif
