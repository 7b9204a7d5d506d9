/*
 * What is in a folder. The host's own cookies are the guest's offsets, so a
 * listing goes on where it stopped whatever was made or removed meanwhile.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "host.h"
#include "server.h"

/* An answer that is being made. */
struct listing {
    struct handle *handle;
    bool plus;      /* with each entry's attributes */
    bool root;      /* whose ".." is itself */
    uint32_t limit; /* bytes of it */
    uint32_t len;
};

int op_opendir(struct lull_share *share, struct fuse_call *call)
{
    struct handle *handle;
    uint64_t fh = 0;
    int fd, error;

    fuse_take(call, 8);
    error = fuse_end(call);
    if (error != 0)
        return error;
    fd = node_fd(&share->nodes, call->node);
    if (fd >= 0)
        fd = fuse_host_open(fd, ".", O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0)
        return errno;
    error = handle_new(share, call->node, fd, false, &fh);
    if (error != 0)
        return error;
    handle = &share->handle[fh];
    handle->dir = fdopendir(fd); /* which has the descriptor from here on */
    if (handle->dir == NULL) {
        error = errno;
        handle_close(share, handle);
        return error;
    }
    put_le64(fuse_put(call, FUSE_OPEN_OUT), fh);
    return 0;
}

static bool is_dots(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* False: it does not fit any more. */
static bool put_dirent(struct lull_share *share, struct listing *listing,
                       const struct dirent *entry, long next)
{
    const struct node *dir = listing->handle->node;
    uint32_t name_len = (uint32_t)strlen(entry->d_name);
    uint32_t head = listing->plus ? FUSE_ENTRY_OUT : 0;
    uint32_t size = head + ((FUSE_DIRENT + name_len + 7) & ~7U);
    uint8_t *at = share->listing + listing->len;
    uint64_t ino = entry->d_ino;

    if (size > listing->limit - listing->len)
        return false;
    memset(at, 0, size);
    /* What has gone meanwhile is listed without its attributes. */
    if (listing->plus && !is_dots(entry->d_name) &&
        put_entry(share, at, listing->handle->node, entry->d_name) != 0)
        memset(at, 0, head);
    if (listing->root && is_dots(entry->d_name))
        ino = dir->ino;
    at += head;
    put_le64(at, nodes_inode(&share->nodes, dir->dev, ino));
    put_le64(at + 8, (uint64_t)next);
    put_le32(at + 16, name_len);
    put_le32(at + 20, entry->d_type);
    memcpy(at + FUSE_DIRENT, entry->d_name, name_len);
    listing->len += size;
    return true;
}

static void seek_to(struct handle *handle, uint64_t offset)
{
    if (handle->at >= 0 && (uint64_t)handle->at == offset)
        return;
    if (offset == 0)
        rewinddir(handle->dir);
    else
        seekdir(handle->dir, (long)offset);
    handle->at = (long)offset;
}

static int list(struct lull_share *share, struct listing *listing)
{
    struct handle *handle = listing->handle;

    for (;;) {
        struct dirent *entry;
        long next;

        errno = 0;
        entry = readdir(handle->dir);
        if (entry == NULL)
            return listing->len == 0 ? errno : 0;
        next = telldir(handle->dir);
        if (!put_dirent(share, listing, entry, next)) {
            handle->at = -1; /* one too far */
            return listing->len == 0 ? EINVAL : 0;
        }
        handle->at = next;
    }
}

static void scatter_listing(struct lull_share *share, struct fuse_call *call,
                            uint32_t len)
{
    unsigned count;
    struct iovec *vector = fuse_data_in(share, call, len, &count);
    const uint8_t *from = share->listing;

    for (unsigned i = 0; i < count; i++) {
        memcpy(vector[i].iov_base, from, vector[i].iov_len);
        from += vector[i].iov_len;
    }
    call->data_len = len;
}

int op_readdir(struct lull_share *share, struct fuse_call *call)
{
    const uint8_t *in = fuse_take(call, 40);
    struct listing listing = {
        .plus = call->opcode == FUSE_READDIRPLUS,
        .root = call->node->id == FUSE_ROOT_ID,
        .limit = get_le32(in + 16),
    };
    int error = fuse_end(call);

    if (error != 0)
        return error;
    listing.handle = handle_get(share, call->node, get_le64(in));
    if (listing.handle == NULL || listing.handle->dir == NULL)
        return EBADF;
    if (listing.limit > call->room)
        listing.limit = call->room;
    if (listing.limit > LISTING_BYTES)
        listing.limit = LISTING_BYTES;
    seek_to(listing.handle, get_le64(in + 8));
    error = list(share, &listing);
    if (error == 0)
        scatter_listing(share, call, listing.len);
    return error;
}
