/*
 * What a file is: attributes, where a link points, the file system around it.
 *
 * An answer is valid for a tenth of a second, in which the guest need not ask
 * again. So it reads a file, or walks a tree, without a question for every
 * step, and sees what the host changed before anybody wonders.
 *
 * Owners are the host's, and stay: files belong to the host's user, so chown
 * is answered with success and changes nothing. Modes are changed through a
 * descriptor of the file, never by a name that somebody could replace by a
 * link meanwhile.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "host.h"
#include "server.h"

enum { VALID_NS = 100000000 };

/* A device's number is kept from the guest: there it would mean another. */
static void put_attr(struct lull_share *share, uint8_t *at,
                     const struct stat *status)
{
    struct timespec times[3];

    fuse_host_times(status, times);
    put_le64(at, nodes_inode(&share->nodes, status->st_dev, status->st_ino));
    put_le64(at + 8, (uint64_t)status->st_size);
    put_le64(at + 16, (uint64_t)status->st_blocks);
    for (unsigned i = 0; i < 3; i++) {
        put_le64(at + 24 + 8 * (size_t)i, (uint64_t)times[i].tv_sec);
        put_le32(at + 48 + 4 * (size_t)i, (uint32_t)times[i].tv_nsec);
    }
    put_le32(at + 60, (uint32_t)status->st_mode);
    put_le32(at + 64, (uint32_t)status->st_nlink);
    put_le32(at + 68, (uint32_t)status->st_uid);
    put_le32(at + 72, (uint32_t)status->st_gid);
    put_le32(at + 80, (uint32_t)status->st_blksize);
}

static void put_valid_attr(struct lull_share *share, struct fuse_call *call,
                           const struct stat *status)
{
    uint8_t *out = fuse_put(call, FUSE_ATTR_OUT);

    put_le32(out + 8, VALID_NS);
    put_attr(share, out + 16, status);
}

static int put_attr_out(struct lull_share *share, struct fuse_call *call)
{
    const struct handle *handle = handle_of(share, call->node, false);
    struct stat status;

    if (!node_status(&share->nodes, call->node, &status) &&
        (handle == NULL || fstat(handle->fd, &status) != 0))
        return errno;
    put_valid_attr(share, call, &status);
    return 0;
}

int put_entry(struct lull_share *share, uint8_t *at, struct node *dir,
              const char *name)
{
    int fd = node_fd(&share->nodes, dir);
    struct stat status;
    struct node *node;

    if (fd < 0 || fstatat(fd, name, &status, AT_SYMLINK_NOFOLLOW) != 0)
        return errno;
    node = node_look_up(&share->nodes, dir, name, &status);
    if (node == NULL)
        return errno;
    put_le64(at, node->id);
    put_le32(at + 32, VALID_NS); /* the name, and the attributes */
    put_le32(at + 36, VALID_NS);
    put_attr(share, at + 40, &status);
    return 0;
}

int op_lookup(struct lull_share *share, struct fuse_call *call)
{
    const char *name;
    int error = fuse_last_name(call, &name);

    if (error != 0)
        return error;
    return put_entry(share, fuse_put(call, FUSE_ENTRY_OUT), call->node, name);
}

int op_getattr(struct lull_share *share, struct fuse_call *call)
{
    const uint8_t *in = fuse_take(call, 16);
    const struct handle *handle;
    struct stat status;
    int error = fuse_end(call);

    if (error != 0)
        return error;
    if (!(get_le32(in) & FUSE_GETATTR_FH))
        return put_attr_out(share, call);
    handle = handle_get(share, call->node, get_le64(in + 8));
    if (handle == NULL)
        return EBADF;
    if (fstat(handle->fd, &status) != 0)
        return errno;
    put_valid_attr(share, call, &status);
    return 0;
}

/* ---- changes -------------------------------------------------------------
 */

/* The arguments of SETATTR. */
struct change {
    uint32_t valid, mode;
    uint64_t fh, size;
    struct timespec times[2];
};

/* A handle that will do for a change, or NULL. */
static struct handle *changeable(struct lull_share *share,
                                 const struct node *node,
                                 const struct change *change, bool writes)
{
    struct handle *handle = NULL;

    if (change->valid & FATTR_FH)
        handle = handle_get(share, node, change->fh);
    if (handle == NULL || (writes && !handle->writes))
        handle = handle_of(share, node, writes);
    return handle;
}

static int open_for_mode(struct lull_share *share, struct node *node)
{
    int fd;

    if (node->type == S_IFDIR) {
        fd = node_fd(&share->nodes, node);
        return fd < 0 ? -1 : fuse_host_open(fd, ".", O_RDONLY | O_DIRECTORY, 0);
    }
    fd = file_open(share, node, O_RDONLY);
    return fd < 0 && errno == EACCES ? file_open(share, node, O_WRONLY) : fd;
}

static int set_mode(struct lull_share *share, struct node *node,
                    const struct change *change)
{
    const struct handle *handle = changeable(share, node, change, false);
    int fd = handle != NULL ? handle->fd : open_for_mode(share, node);
    int error = 0;

    if (fd < 0)
        return errno;
    if (fchmod(fd, mode_allowed(node->type, change->mode)) != 0)
        error = errno;
    if (handle == NULL)
        close(fd);
    return error;
}

static int set_size(struct lull_share *share, struct node *node,
                    const struct change *change)
{
    const struct handle *handle = changeable(share, node, change, true);
    int fd, error = 0;

    if (change->size > INT64_MAX)
        return EFBIG;
    fd = handle != NULL ? handle->fd : file_open(share, node, O_WRONLY);
    if (fd < 0)
        return errno;
    if (ftruncate(fd, (off_t)change->size) != 0)
        error = errno;
    if (handle == NULL)
        close(fd);
    return error;
}

static int set_times(struct lull_share *share, struct node *node,
                     const struct change *change)
{
    const struct handle *handle = changeable(share, node, change, false);
    const char *name = ".";
    int dir;

    if (handle != NULL)
        return futimens(handle->fd, change->times) == 0 ? 0 : errno;
    dir = node->id == FUSE_ROOT_ID ? node->fd
                                   : node_place(&share->nodes, node, &name);
    if (dir < 0)
        return errno;
    return utimensat(dir, name, change->times, AT_SYMLINK_NOFOLLOW) == 0
               ? 0
               : errno;
}

/* What the guest gives may not be one of the values that mean something else
 * here. */
static bool get_time(struct timespec *time, uint32_t valid, uint32_t set,
                     uint32_t now, const uint8_t *sec, const uint8_t *nsec)
{
    *time = (struct timespec){.tv_nsec = valid & set ? UTIME_NOW : UTIME_OMIT};
    if (!(valid & set) || (valid & now))
        return true;
    time->tv_sec = (time_t)get_le64(sec);
    time->tv_nsec = (long)get_le32(nsec);
    return time->tv_nsec < 1000000000;
}

static int get_change(struct fuse_call *call, struct change *change)
{
    const uint8_t *in = fuse_take(call, 88);
    bool ok;

    *change = (struct change){
        .valid = get_le32(in),
        .fh = get_le64(in + 8),
        .size = get_le64(in + 16),
        .mode = get_le32(in + 68),
    };
    ok = get_time(&change->times[0], change->valid, FATTR_ATIME,
                  FATTR_ATIME_NOW, in + 32, in + 56) &&
         get_time(&change->times[1], change->valid, FATTR_MTIME,
                  FATTR_MTIME_NOW, in + 40, in + 60);
    return ok ? fuse_end(call) : EINVAL;
}

int op_setattr(struct lull_share *share, struct fuse_call *call)
{
    struct change change;
    int error = get_change(call, &change);

    if (error == 0 && (change.valid & FATTR_MODE))
        error = set_mode(share, call->node, &change);
    if (error == 0 && (change.valid & FATTR_SIZE))
        error = set_size(share, call->node, &change);
    if (error == 0 && (change.valid & (FATTR_ATIME | FATTR_MTIME)))
        error = set_times(share, call->node, &change);
    return error != 0 ? error : put_attr_out(share, call);
}

/* ---- the rest ------------------------------------------------------------
 */

int op_readlink(struct lull_share *share, struct fuse_call *call)
{
    const char *name;
    int dir, error = fuse_end(call);
    ssize_t len;

    if (error != 0)
        return error;
    if (call->node->type != S_IFLNK)
        return EINVAL;
    dir = node_place(&share->nodes, call->node, &name);
    if (dir < 0)
        return errno;
    len = readlinkat(dir, name, (char *)call->reply, REPLY_BYTES);
    if (len < 0)
        return errno;
    if (len == REPLY_BYTES)
        return ENAMETOOLONG;
    call->reply_len = (uint32_t)len;
    return 0;
}

int op_statfs(struct lull_share *share, struct fuse_call *call)
{
    struct statvfs status;
    uint8_t *out;
    int error = fuse_end(call);

    if (error != 0)
        return error;
    if (fstatvfs(share->nodes.root.fd, &status) != 0)
        return errno;
    out = fuse_put(call, FUSE_STATFS_OUT);
    put_le64(out, status.f_blocks);
    put_le64(out + 8, status.f_bfree);
    put_le64(out + 16, status.f_bavail);
    put_le64(out + 24, status.f_files);
    put_le64(out + 32, status.f_ffree);
    put_le32(out + 40, (uint32_t)status.f_bsize);
    put_le32(out + 44, (uint32_t)status.f_namemax);
    put_le32(out + 48, (uint32_t)status.f_frsize);
    return 0;
}

/* The guest said sync: the host does. */
int op_syncfs(struct lull_share *share, struct fuse_call *call)
{
    int fd, error;

    fuse_take(call, 8);
    error = fuse_end(call);
    if (error != 0 || share->read_only)
        return error;
    fd = fuse_host_open(share->nodes.root.fd, ".", O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0)
        return errno;
    if (fuse_host_sync_all(fd) != 0)
        error = errno;
    close(fd);
    return error;
}
