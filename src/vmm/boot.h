/*
 * The loader: kernel and initrd into guest memory, and where everything went.
 */
#ifndef LULL_VMM_BOOT_H
#define LULL_VMM_BOOT_H

#include <stdbool.h>
#include <stdint.h>

#include "lull/ram.h"
#include "why.h"

/* Room kept for the device tree; a raw image starts behind it. */
#define BOOT_DTB_BYTES 0x80000ULL

struct boot_files {
    const char *kernel;
    const char *initrd;    /* or NULL */
    unsigned granules_kib; /* page sizes the CPU has, or-ed: 4 | 16 | 64 */
};

struct boot_layout {
    uint64_t entry;
    uint64_t dtb;                /* BOOT_DTB_BYTES are free there */
    uint64_t initrd, initrd_end; /* equal when there is none */
};

/* Read the files and place them. False: *why says what is wrong; guest memory
 * may have been written to. */
bool boot_load(const struct boot_files *files, const struct lull_ram *ram,
               struct boot_layout *layout, struct why *why);

#endif
