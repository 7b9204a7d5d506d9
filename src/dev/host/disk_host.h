/*
 * What disk.c needs of the host that hosts do differently. Errors are errnos.
 */
#ifndef LULL_DEV_DISK_HOST_H
#define LULL_DEV_DISK_HOST_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/uio.h>

enum { DIRECT_ALIGNMENT = 512 }; /* less is never possible */

/* A second descriptor for a file, past the page cache; -1: there is no such
 * thing here. */
int disk_open_direct(const char *path, bool read_only);
/* Everything written is on stable storage. */
int disk_sync(int fd);
/* When the file was last written to. */
uint64_t disk_modified_ns(const struct stat *status);
/* Zeros, without writing them; EOPNOTSUPP where that does not exist. With
 * `unmap` the space is given back. */
int disk_zero_range(int fd, uint64_t offset, uint64_t length, bool unmap);
/* How many bytes could be read without waiting for anything: from the page
 * cache. Fewer than asked for, or negative: do it elsewhere. */
int64_t disk_read_now(int fd, const struct iovec *vector, int count,
                      uint64_t offset);

#endif
