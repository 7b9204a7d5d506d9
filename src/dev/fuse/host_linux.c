/*
 * Linux: openat2 resolves one name with all that could lead elsewhere switched
 * off. Kernels before 5.6 do not have it; one name with O_NOFOLLOW is as
 * safe, only not twice over.
 */
#include "host.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "proto.h"

static int open_beneath(int dir, const char *name, int flags, mode_t mode)
{
    struct open_how how = {
        .flags = (uint64_t)(unsigned)flags,
        .mode = flags & O_CREAT ? mode : 0,
        .resolve =
            RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS,
    };
    int fd = (int)syscall(SYS_openat2, dir, name, &how, sizeof(how));

    if (fd < 0 && errno == ENOSYS)
        fd = openat(dir, name, flags, mode);
    return fd;
}

int fuse_host_open(int dir, const char *name, int flags, mode_t mode)
{
    return open_beneath(dir, name,
                        flags | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
                        mode);
}

int fuse_host_handle(int dir, const char *name)
{
    return open_beneath(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC, 0);
}

int fuse_host_root(const char *path)
{
    return open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

ssize_t fuse_host_append(int fd, const struct iovec *vector, int count)
{
    ssize_t n = pwritev2(fd, vector, count, 0, RWF_APPEND);
    off_t end;

    if (n >= 0 || (errno != EOPNOTSUPP && errno != ENOSYS))
        return n;
    /* Before 4.16. Somebody else may append at the same moment. */
    end = lseek(fd, 0, SEEK_END);
    return end < 0 ? -1 : pwritev(fd, vector, count, end);
}

int fuse_host_rename(int from_dir, const char *from, int to_dir, const char *to,
                     unsigned flags)
{
    return renameat2(from_dir, from, to_dir, to,
                     (flags & FUSE_RENAME_NOREPLACE ? RENAME_NOREPLACE : 0U) |
                         (flags & FUSE_RENAME_EXCHANGE ? RENAME_EXCHANGE : 0U));
}

int fuse_host_mknod(int dir, const char *name, mode_t mode)
{
    return mknodat(dir, name, mode, 0);
}

int fuse_host_sync(int fd, bool data_only)
{
    return data_only ? fdatasync(fd) : fsync(fd);
}

off_t fuse_host_seek(int fd, off_t offset, unsigned whence)
{
    return lseek(fd, offset, whence == FUSE_SEEK_DATA ? SEEK_DATA : SEEK_HOLE);
}

int fuse_host_sync_all(int fd)
{
    return syncfs(fd);
}

void fuse_host_times(const struct stat *status, struct timespec times[3])
{
    times[0] = status->st_atim;
    times[1] = status->st_mtim;
    times[2] = status->st_ctim;
}

int fuse_host_errno(int error)
{
    return error;
}
