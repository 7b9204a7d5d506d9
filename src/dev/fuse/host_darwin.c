/*
 * macOS: one name with O_NOFOLLOW below a descriptor. What stands for a file
 * without opening it for reading is a descriptor for events.
 */
#include "host.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "proto.h"

int fuse_host_open(int dir, const char *name, int flags, mode_t mode)
{
    return openat(dir, name,
                  flags | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, mode);
}

int fuse_host_handle(int dir, const char *name)
{
    return openat(dir, name, O_EVTONLY | O_SYMLINK | O_CLOEXEC | O_NONBLOCK);
}

int fuse_host_root(const char *path)
{
    return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

ssize_t fuse_host_append(int fd, const struct iovec *vector, int count)
{
    off_t end = lseek(fd, 0, SEEK_END);

    return end < 0 ? -1 : pwritev(fd, vector, count, end);
}

int fuse_host_rename(int from_dir, const char *from, int to_dir, const char *to,
                     unsigned flags)
{
    return renameatx_np(
        from_dir, from, to_dir, to,
        (flags & FUSE_RENAME_NOREPLACE ? (unsigned)RENAME_EXCL : 0U) |
            (flags & FUSE_RENAME_EXCHANGE ? (unsigned)RENAME_SWAP : 0U));
}

/* Only root may, and for no good here. */
int fuse_host_mknod(int dir, const char *name, mode_t mode)
{
    errno = EPERM;
    return -1;
}

int fuse_host_sync(int fd, bool data_only)
{
    return fcntl(fd, F_FULLFSYNC) != -1 ? 0 : fsync(fd);
}

off_t fuse_host_seek(int fd, off_t offset, unsigned whence)
{
    return lseek(fd, offset, whence == FUSE_SEEK_DATA ? SEEK_DATA : SEEK_HOLE);
}

/* There is no call for one file system. */
int fuse_host_sync_all(int fd)
{
    sync();
    return fsync(fd);
}

void fuse_host_times(const struct stat *status, struct timespec times[3])
{
    times[0] = status->st_atimespec;
    times[1] = status->st_mtimespec;
    times[2] = status->st_ctimespec;
}

/* The first 34 are everybody's, apart from EDEADLK. */
int fuse_host_errno(int error)
{
    static const struct {
        int host, linux_number;
    } others[] = {
        {EAGAIN, 11}, {ENAMETOOLONG, 36}, {ENOTEMPTY, 39}, {ELOOP, 40},
        {ENOSYS, 38}, {ENOTSUP, 95},      {EDQUOT, 122},   {ESTALE, 116},
        {EPROTO, 71}, {EOVERFLOW, 75},    {EDEADLK, 35},   {ETIMEDOUT, 110},
        {EILSEQ, 84},
    };

    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        if (error == others[i].host)
            return others[i].linux_number;
    return error <= ERANGE ? error : EIO;
}
