/*
 * What differs between hosts: opening below a folder, and some calls that not
 * each of them has. One file per platform.
 *
 * Everything takes the descriptor of a folder and one name in it, which has no
 * slash and is neither "." nor ".." unless said otherwise: so no call can lead
 * out of the folder. -1: errno.
 */
#ifndef LULL_DEV_FUSE_HOST_H
#define LULL_DEV_FUSE_HOST_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/uio.h>

/* Open for contents, never through a symbolic link. `name` may be "." */
int fuse_host_open(int dir, const char *name, int flags, mode_t mode);
/* A descriptor that only stands for what is there, of whatever kind. Nothing
 * happens to it: no device is opened, no reader of a pipe wakes. */
int fuse_host_handle(int dir, const char *name);
/* The shared folder itself, by a path of the user's. */
int fuse_host_root(const char *path);

/* At the end of the file, wherever that is by now. */
ssize_t fuse_host_append(int fd, const struct iovec *vector, int count);
/* FUSE_RENAME_* as flags. */
int fuse_host_rename(int from_dir, const char *from, int to_dir, const char *to,
                     unsigned flags);
/* A pipe or a socket's name: `mode` has the type. */
int fuse_host_mknod(int dir, const char *name, mode_t mode);
/* To stable storage, attributes too unless `data_only`. */
int fuse_host_sync(int fd, bool data_only);
/* Where data or a hole begins, as Linux numbers them. */
enum { FUSE_SEEK_DATA = 3, FUSE_SEEK_HOLE = 4 };
off_t fuse_host_seek(int fd, off_t offset, unsigned whence);
/* All of the file system that the folder is on. */
int fuse_host_sync_all(int fd);
/* Access, modification, change. */
void fuse_host_times(const struct stat *status, struct timespec times[3]);
/* A host's errno as Linux numbers them. */
int fuse_host_errno(int error);

#endif
