/*
 * The bus: which device answers at a guest physical address.
 */
#ifndef LULL_VMM_BUS_H
#define LULL_VMM_BUS_H

#include <stdbool.h>
#include <stdint.h>

#include "lull/mmio.h"

enum { BUS_WINDOWS_MAX = 64 };

/* Sorted by address, no two overlap. Built before the guest runs; after that
 * read by every vCPU thread without a lock. */
struct bus {
    const struct lull_mmio *window[BUS_WINDOWS_MAX];
    unsigned count;
};

/* Attach a window, which stays the caller's. False when it is empty, wraps,
 * overlaps another, or the bus is full. */
bool bus_add(struct bus *bus, const struct lull_mmio *window);

/* The window that holds all of [gpa, gpa + width_bytes), or NULL. */
const struct lull_mmio *bus_find(const struct bus *bus, uint64_t gpa,
                                 unsigned width_bytes);

#endif
