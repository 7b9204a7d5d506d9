/*
 * A raw image, or a block device of the host's, as a disk.
 *
 *   FILE[,ro][,cache=writeback|none][,aio=io_uring|threads]
 *
 * ro: nobody writes, and several machines may share the file; otherwise the
 * file is locked, so that two machines cannot write to it. cache=none keeps
 * transfers out of the host's page cache where the file system can and the
 * guest's buffers are aligned; a flush is a flush in both modes.
 *
 * Requests are done by threads of the disk's own, at most four, made when
 * there is work for them and asleep when there is none. Where the host has
 * io_uring, one more passes to it what the kernel can do without a thread of
 * its own: reads. Without aio= that is tried,
 * and done without where it is refused; with it, it is done so or not at all.
 */
#ifndef LULL_DISK_FILE_H
#define LULL_DISK_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "lull/disk.h"

struct lull_disk_file;

/* NULL on failure, with one line for the user in `error`. Before the process
 * is contained. */
struct lull_disk_file *lull_disk_file_new(const char *spec, char *error,
                                          size_t error_bytes);
/* Once, before the first request: the disk's threads begin here, so that what
 * contains the process (Landlock) comes before them. False: errno. */
bool lull_disk_file_start(struct lull_disk_file *file);
/* With no request on its way. */
void lull_disk_file_free(struct lull_disk_file *file);
/* With no request on its way: what was written is on stable storage; 0 or an
 * errno. */
int lull_disk_file_sync(const struct lull_disk_file *file);
/* When the file was last written to, since 1970; 0: a block device, or the
 * host does not know. */
uint64_t lull_disk_file_modified_ns(const struct lull_disk_file *file);
const struct lull_disk *lull_disk_file_disk(const struct lull_disk_file *file);

/* "io_uring" or "threads", and who or what decided that. */
struct lull_disk_io {
    const char *how, *why;
};

struct lull_disk_io lull_disk_file_io(const struct lull_disk_file *file);

#endif
