/*
 * Disks on macOS. F_FULLFSYNC is what fsync is elsewhere.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "disk_host.h"

int disk_open_direct(const char *path, bool read_only)
{
    int fd = open(path, (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC);

    if (fd >= 0 && fcntl(fd, F_NOCACHE, 1) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

int disk_sync(int fd)
{
    if (fcntl(fd, F_FULLFSYNC) == 0)
        return 0;
    /* Not every file system has it. */
    return fsync(fd) == 0 ? 0 : errno;
}

int disk_zero_range(int fd, uint64_t offset, uint64_t length, bool unmap)
{
    fpunchhole_t hole = {.fp_offset = (off_t)offset,
                         .fp_length = (off_t)length};

    if (!unmap)
        return EOPNOTSUPP;
    /* A hole needs the file system's alignment: EINVAL without. */
    if (fcntl(fd, F_PUNCHHOLE, &hole) == 0)
        return 0;
    return errno == EINVAL || errno == ENOTSUP ? EOPNOTSUPP : errno;
}

/* There is no way to ask. */
int64_t disk_read_now(int fd, const struct iovec *vector, int count,
                      uint64_t offset)
{
    return -1;
}

uint64_t disk_modified_ns(const struct stat *status)
{
    return (uint64_t)status->st_mtimespec.tv_sec * 1000000000 +
           (uint64_t)status->st_mtimespec.tv_nsec;
}
