/*
 * Disks on Linux.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "disk_host.h"

int disk_open_direct(const char *path, bool read_only)
{
    return open(path, (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_DIRECT);
}

int disk_sync(int fd)
{
    return fdatasync(fd) == 0 ? 0 : errno;
}

int disk_zero_range(int fd, uint64_t offset, uint64_t length, bool unmap)
{
    int how = unmap ? FALLOC_FL_PUNCH_HOLE : FALLOC_FL_ZERO_RANGE;

    while (fallocate(fd, how | FALLOC_FL_KEEP_SIZE, (off_t)offset,
                     (off_t)length) != 0)
        if (errno != EINTR)
            return errno == ENOSYS ? EOPNOTSUPP : errno;
    return 0;
}

int64_t disk_read_now(int fd, const struct iovec *vector, int count,
                      uint64_t offset)
{
    return preadv2(fd, vector, count, (off_t)offset, RWF_NOWAIT);
}

uint64_t disk_modified_ns(const struct stat *status)
{
    return (uint64_t)status->st_mtim.tv_sec * 1000000000 +
           (uint64_t)status->st_mtim.tv_nsec;
}
