/*
 * Contents: handles, reads and writes.
 *
 * A file is opened by its place, and kept only if it is the file that the
 * guest means and a regular one. The guest's own kernel does the waiting and
 * locking that pipes, sockets and devices are about, so these are never opened
 * here.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

#include "host.h"
#include "server.h"

/* ---- handles -------------------------------------------------------------
 */

static bool more_handles(struct lull_share *share)
{
    unsigned count = share->handles == 0 ? 64 : 2 * share->handles;
    struct handle *more;

    if (count > share->handles_max)
        count = share->handles_max;
    if (count == share->handles)
        return false;
    more = realloc(share->handle, count * sizeof(*more));
    if (more == NULL)
        return false;
    share->handle = more;
    for (unsigned i = share->handles; i < count; i++)
        more[i] = (struct handle){
            .fd = -1, .next_free = i + 1 < count ? i + 1 : HANDLE_NONE};
    share->free_handle = share->handles;
    share->handles = count;
    return true;
}

int handle_new(struct lull_share *share, struct node *node, int fd, bool writes,
               uint64_t *fh)
{
    struct handle *handle;

    if (share->free_handle == HANDLE_NONE && !more_handles(share)) {
        close(fd);
        return EMFILE;
    }
    *fh = share->free_handle;
    handle = &share->handle[*fh];
    share->free_handle = handle->next_free;
    *handle = (struct handle){.fd = fd, .writes = writes, .node = node};
    node_hold(node);
    share->handles_open++;
    return 0;
}

struct handle *handle_get(const struct lull_share *share,
                          const struct node *node, uint64_t fh)
{
    if (fh >= share->handles || share->handle[fh].node != node)
        return NULL;
    return &share->handle[fh];
}

struct handle *handle_of(const struct lull_share *share,
                         const struct node *node, bool writes)
{
    /* Only a node with dependants can have one. */
    for (unsigned i = 0; node->dependants != 0 && i < share->handles; i++)
        if (share->handle[i].node == node &&
            (!writes || share->handle[i].writes))
            return &share->handle[i];
    return NULL;
}

void handle_close(struct lull_share *share, struct handle *handle)
{
    struct node *node = handle->node;

    if (handle->dir != NULL)
        closedir(handle->dir);
    else
        close(handle->fd);
    *handle = (struct handle){.fd = -1, .next_free = share->free_handle};
    share->free_handle = (unsigned)(handle - share->handle);
    share->handles_open--;
    node_release(&share->nodes, node);
}

/* ---- opening -------------------------------------------------------------
 */

int file_open(struct lull_share *share, struct node *node, int flags)
{
    struct stat status;
    const char *name;
    int dir, fd;

    if (node->type != S_IFREG) {
        errno = node->type == S_IFDIR ? EISDIR : EOPNOTSUPP;
        return -1;
    }
    dir = node_place(&share->nodes, node, &name);
    if (dir < 0)
        return -1;
    fd = fuse_host_open(dir, name, flags, 0);
    if (fd < 0 || (fstat(fd, &status) == 0 && node_is(node, &status)))
        return fd;
    close(fd);
    errno = ESTALE;
    return -1;
}

/* The host's flags. What appends does so write by write, because a page that
 * the guest writes back goes where it belongs. */
static int host_flags(uint32_t flags)
{
    int mode = (flags & FUSE_O_ACCMODE) == FUSE_O_WRONLY ? O_WRONLY
               : (flags & FUSE_O_ACCMODE) == FUSE_O_RDWR ? O_RDWR
                                                         : O_RDONLY;

    if ((flags & FUSE_O_SYNC) == FUSE_O_SYNC)
        mode |= O_SYNC;
    else if (flags & FUSE_O_DSYNC)
        mode |= O_DSYNC;
    return mode;
}

static int put_handle(struct lull_share *share, struct fuse_call *call,
                      struct node *node, int fd, int flags)
{
    uint64_t fh = 0;
    int error =
        handle_new(share, node, fd, (flags & O_ACCMODE) != O_RDONLY, &fh);

    if (error == 0)
        put_le64(fuse_put(call, FUSE_OPEN_OUT), fh);
    return error;
}

int op_open(struct lull_share *share, struct fuse_call *call)
{
    const uint8_t *in = fuse_take(call, 8);
    uint32_t wanted = get_le32(in);
    int flags = host_flags(wanted);
    int fd, error = fuse_end(call);

    if (error != 0)
        return error;
    if (share->read_only &&
        ((flags & O_ACCMODE) != O_RDONLY || (wanted & FUSE_O_TRUNC)))
        return EROFS;
    fd = file_open(share, call->node, flags);
    if (fd < 0)
        return errno;
    if ((wanted & FUSE_O_TRUNC) && ftruncate(fd, 0) != 0) {
        error = errno;
        close(fd);
        return error;
    }
    return put_handle(share, call, call->node, fd, flags);
}

/* A new file's descriptor. The guest's umask was applied there, so ours shall
 * take nothing away. */
static int make_file(int dir, const char *name, int flags, mode_t mode)
{
    int fd = fuse_host_open(dir, name, flags | O_CREAT | O_EXCL, mode);
    struct stat status;

    if (fd >= 0 && fstat(fd, &status) == 0 && (status.st_mode & 07777) != mode)
        (void)fchmod(fd, mode); /* else it has the mode that umask leaves */
    return fd;
}

int op_create(struct lull_share *share, struct fuse_call *call)
{
    const uint8_t *in = fuse_take(call, 16);
    uint32_t wanted = get_le32(in);
    mode_t mode = mode_allowed(S_IFREG, get_le32(in + 4));
    int flags = host_flags(wanted), dir, fd;
    const char *name;
    struct node *node;
    uint8_t *entry;
    int error = fuse_last_name(call, &name);

    if (error != 0)
        return error;
    dir = node_fd(&share->nodes, call->node);
    if (dir < 0)
        return errno;
    fd = make_file(dir, name, flags, mode);
    if (fd < 0 && (errno != EEXIST || (wanted & FUSE_O_EXCL)))
        return errno;
    entry = fuse_put(call, FUSE_ENTRY_OUT);
    error = put_entry(share, entry, call->node, name);
    if (error != 0) {
        if (fd >= 0)
            close(fd);
        return error;
    }
    node = node_get(&share->nodes, get_le64(entry));
    if (fd < 0) /* it was there */
        fd = file_open(share, node, flags);
    error = fd < 0 ? errno : 0;
    if (error == 0 && (wanted & FUSE_O_TRUNC) && ftruncate(fd, 0) != 0) {
        error = errno;
        close(fd);
    }
    if (error == 0)
        error = put_handle(share, call, node, fd, flags);
    if (error != 0) /* the guest will not know of it */
        node_forget(&share->nodes, node, 1);
    return error;
}

/* ---- contents ------------------------------------------------------------
 */

int op_read(struct lull_share *share, struct fuse_call *call)
{
    const uint8_t *in = fuse_take(call, 40);
    const struct handle *handle;
    uint64_t offset = get_le64(in + 8);
    struct iovec *vector;
    unsigned count;
    ssize_t n;
    int error = fuse_end(call);

    if (error != 0)
        return error;
    handle = handle_get(share, call->node, get_le64(in));
    if (handle == NULL || handle->dir != NULL)
        return EBADF;
    if (offset > INT64_MAX)
        return EINVAL;
    vector = fuse_data_in(share, call, get_le32(in + 16), &count);
    do
        n = preadv(handle->fd, vector, (int)count, (off_t)offset);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return errno;
    call->data_len = (uint32_t)n;
    atomic_fetch_add_explicit(&share->counters.read_bytes, (uint64_t)n,
                              memory_order_relaxed);
    return 0;
}

/* The length was said twice; what is there was counted. */
static bool get_write(struct fuse_call *call, const uint8_t **in)
{
    *in = fuse_take(call, 40);
    return !call->in.bad && get_le32(*in + 16) == call->len - 80 &&
           get_le32(*in + 16) <= WRITE_BYTES_MAX;
}

int op_write(struct lull_share *share, struct fuse_call *call)
{
    const uint8_t *in;
    const struct handle *handle;
    struct iovec *vector;
    unsigned count;
    uint64_t offset;
    bool append;
    ssize_t n;

    if (!get_write(call, &in))
        return EINVAL;
    handle = handle_get(share, call->node, get_le64(in));
    if (handle == NULL || !handle->writes)
        return EBADF;
    offset = get_le64(in + 8);
    if (offset > INT64_MAX)
        return EFBIG;
    append = (get_le32(in + 32) & FUSE_O_APPEND) &&
             !(get_le32(in + 20) & FUSE_WRITE_CACHE);
    vector = fuse_data_out(share, call, get_le32(in + 16), &count);
    do
        n = append ? fuse_host_append(handle->fd, vector, (int)count)
                   : pwritev(handle->fd, vector, (int)count, (off_t)offset);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return errno;
    put_le32(fuse_put(call, 8), (uint32_t)n);
    atomic_fetch_add_explicit(&share->counters.written_bytes, (uint64_t)n,
                              memory_order_relaxed);
    return 0;
}

/* Of folders, too. */
int op_release(struct lull_share *share, struct fuse_call *call)
{
    const uint8_t *in = fuse_take(call, 24);
    struct handle *handle;
    int error = fuse_end(call);

    if (error != 0)
        return error;
    handle = handle_get(share, call->node, get_le64(in));
    if (handle == NULL)
        return EBADF;
    handle_close(share, handle);
    return 0;
}

int op_fsync(struct lull_share *share, struct fuse_call *call)
{
    const uint8_t *in = fuse_take(call, 16);
    const struct handle *handle;
    int error = fuse_end(call);

    if (error != 0)
        return error;
    handle = handle_get(share, call->node, get_le64(in));
    if (handle == NULL)
        return EBADF;
    return fuse_host_sync(handle->fd, get_le32(in + 8) & FUSE_FSYNC_DATA) == 0
               ? 0
               : errno;
}

int op_lseek(struct lull_share *share, struct fuse_call *call)
{
    const uint8_t *in = fuse_take(call, 24);
    uint64_t offset = get_le64(in + 8);
    uint32_t whence = get_le32(in + 16);
    const struct handle *handle;
    off_t at;
    int error = fuse_end(call);

    if (error != 0)
        return error;
    handle = handle_get(share, call->node, get_le64(in));
    if (handle == NULL || handle->dir != NULL)
        return EBADF;
    if (offset > INT64_MAX ||
        (whence != FUSE_SEEK_DATA && whence != FUSE_SEEK_HOLE))
        return EINVAL;
    at = fuse_host_seek(handle->fd, (off_t)offset, whence);
    if (at < 0)
        return errno;
    put_le64(fuse_put(call, 8), (uint64_t)at);
    return 0;
}
