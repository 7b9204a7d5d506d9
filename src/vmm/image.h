/*
 * Kernel files: what kind of file it is, and its bytes decompressed.
 *
 * Everything in a file is a claim until checked: sizes are compared with what
 * is there, decompression stops at a limit.
 */
#ifndef LULL_VMM_IMAGE_H
#define LULL_VMM_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "why.h"

enum image_kind {
    IMAGE_LINUX, /* arm64 Image: loaded at 2 MiB + text_offset */
    IMAGE_ELF,   /* ELF64 for AArch64: loaded at its physical addresses */
    IMAGE_RAW,   /* anything else: a program for address RAM + 512 KiB */
};

struct image {
    enum image_kind kind;
    uint8_t *bytes; /* malloc'ed; image_free */
    size_t len;
    /* IMAGE_LINUX, from its header */
    uint64_t text_offset;
    uint64_t memory_bytes; /* with what it needs behind the file's bytes */
    unsigned granule_kib;  /* 4, 16, 64; 0 when it does not say */
};

/*
 * Read the file at `path`, which `option` named; nothing larger than
 * limit_bytes, neither packed nor unpacked. False: *why says what is wrong
 * and nothing is held.
 */
bool image_read(const char *option, const char *path, uint64_t limit_bytes,
                struct image *image, struct why *why);

/* The same over bytes in memory, which it takes (malloc'ed). */
bool image_decode(const char *option, const char *path, uint8_t *bytes,
                  size_t len, uint64_t limit_bytes, struct image *image,
                  struct why *why);

void image_free(struct image *image);

/* All bytes of a file, pipe or device; freed by the caller. NULL: see why. */
uint8_t *file_read(const char *option, const char *path, uint64_t limit_bytes,
                   size_t *len, struct why *why);

#endif
