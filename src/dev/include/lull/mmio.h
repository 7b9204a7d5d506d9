/*
 * A device as the bus sees it: a window of guest physical addresses and two
 * functions.
 *
 * `read` and `write` are called on vCPU threads, possibly several at once: a
 * device locks for itself. `offset` is below `size_bytes` and the access does
 * not leave the window; `width_bytes` is 1, 2, 4 or 8 and `offset` need not be
 * aligned to it. A read returns the value zero-extended; bits above the width
 * are ignored. There is no way to fail: a device answers nonsense with zero
 * and ignores what it cannot use, as hardware does.
 */
#ifndef LULL_MMIO_H
#define LULL_MMIO_H

#include <stdint.h>

struct lull_mmio {
    const char *name; /* for errors, traces and the device tree */
    uint64_t gpa;
    uint64_t size_bytes;
    uint64_t (*read)(void *dev, uint64_t offset, unsigned width_bytes);
    void (*write)(void *dev, uint64_t offset, unsigned width_bytes,
                  uint64_t value);
    void *dev;
};

#endif
