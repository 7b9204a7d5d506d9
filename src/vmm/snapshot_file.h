/*
 * The bytes of a snapshot file: a header, then sections, each with its length
 * and checksums, the last one saying how many there were. docs/snapshot.md
 * describes them; what is in the sections is snapshot.c's.
 *
 * A file is read as untrusted input: a length is checked before it is
 * believed, and what was read before its checksum.
 *
 * Any one thread at a time.
 */
#ifndef LULL_VMM_SNAPSHOT_FILE_H
#define LULL_VMM_SNAPSHOT_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "why.h"

enum { SNAPSHOT_VERSION = 1 };

enum snapshot_type {
    SNAPSHOT_CONFIG = 1, /* how `lull run` was called */
    SNAPSHOT_MACHINE,    /* what kind of machine, and its time */
    SNAPSHOT_VCPU,       /* number: which one */
    SNAPSHOT_GIC,
    SNAPSHOT_UART,
    SNAPSHOT_RTC,
    SNAPSHOT_GPIO,
    SNAPSHOT_VIRTIO, /* number: the slot */
    SNAPSHOT_RAM,    /* number: the first page of 4 KiB */
    SNAPSHOT_END,    /* number: how many sections came before */
};

enum {
    SNAPSHOT_PAGE_BYTES = 4096,
    SNAPSHOT_RAM_BYTES_MAX = 1 << 20,   /* in one section */
    SNAPSHOT_STATE_BYTES_MAX = 1 << 20, /* in any other */
    SNAPSHOT_HEADER_BYTES = 16,
    SNAPSHOT_SECTION_BYTES = 24,
    SNAPSHOT_BATCH = 64,
};

/* ---- writing ---------------------------------------------------------------
 */

struct snapshot_writer {
    int fd; /* the caller's */
    uint32_t sections;
    uint64_t bytes; /* written so far */
    /* Sections gathered for one system call: heads here, contents where they
     * are. */
    unsigned batch;
    uint64_t batch_bytes;
    uint8_t heads[SNAPSHOT_BATCH][SNAPSHOT_SECTION_BYTES];
    struct iovec vector[2 * SNAPSHOT_BATCH];
};

/* The header. False, here and below: why the file could not be written. */
bool snapshot_write_begin(struct snapshot_writer *writer, int fd,
                          struct why *why);
/* `bytes` must stay as they are until the next flush. */
bool snapshot_write(struct snapshot_writer *writer, enum snapshot_type type,
                    uint32_t number, const void *bytes, size_t len,
                    struct why *why);
bool snapshot_write_flush(struct snapshot_writer *writer, struct why *why);
/* The last section, and a flush. */
bool snapshot_write_end(struct snapshot_writer *writer, struct why *why);

/* ---- reading ---------------------------------------------------------------
 */

struct snapshot_section {
    enum snapshot_type type;
    uint32_t number;
    uint32_t len;
    uint32_t crc; /* of the contents */
};

struct snapshot_reader {
    int fd; /* the caller's */
    uint32_t sections;
    uint64_t bytes; /* read so far */
};

/* The header. False, here and below: why the file is refused. */
bool snapshot_read_begin(struct snapshot_reader *reader, int fd,
                         struct why *why);
/* The next section's head. The contents are to be read before the next one.
 * After SNAPSHOT_END there is nothing more, which has been checked. */
bool snapshot_read_head(struct snapshot_reader *reader,
                        struct snapshot_section *section, struct why *why);
/* All of the contents, into room for section->len bytes. */
bool snapshot_read_contents(struct snapshot_reader *reader,
                            const struct snapshot_section *section, void *to,
                            struct why *why);

#endif
