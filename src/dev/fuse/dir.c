/*
 * Names: making, linking, renaming and removing them. Each is one call of the
 * host's, on descriptors of the folders concerned and single names, so that it
 * happens in those folders or not at all, whoever renames what meanwhile.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "host.h"
#include "server.h"

/* A guest makes no program that runs as the host's user for anyone. */
mode_t mode_allowed(mode_t type, uint32_t mode)
{
    return (mode_t)mode & (type == S_IFDIR ? 07777 : 01777);
}

static int entry_for(struct lull_share *share, struct fuse_call *call,
                     const char *name)
{
    return put_entry(share, fuse_put(call, FUSE_ENTRY_OUT), call->node, name);
}

static int make_special(int dir, const char *name, mode_t type, mode_t mode)
{
    int fd;

    switch (type) {
    case S_IFIFO:
    case S_IFSOCK:
        return fuse_host_mknod(dir, name, type | mode);
    case S_IFREG:
        fd = fuse_host_open(dir, name, O_WRONLY | O_CREAT | O_EXCL, mode);
        if (fd < 0)
            return -1;
        (void)fchmod(fd, mode);
        close(fd);
        return 0;
    default: /* no devices */
        errno = EPERM;
        return -1;
    }
}

int op_mknod(struct lull_share *share, struct fuse_call *call)
{
    const uint8_t *in = fuse_take(call, 16);
    mode_t type = (mode_t)get_le32(in) & S_IFMT;
    const char *name;
    int dir, error = fuse_last_name(call, &name);

    if (error != 0)
        return error;
    dir = node_fd(&share->nodes, call->node);
    if (dir < 0 ||
        make_special(dir, name, type, mode_allowed(type, get_le32(in))) != 0)
        return errno;
    return entry_for(share, call, name);
}

/* The guest's umask was applied already; ours takes nothing away. */
static void settle_mode(int dir, const char *name, mode_t mode)
{
    struct stat status;
    int fd;

    if (fstatat(dir, name, &status, AT_SYMLINK_NOFOLLOW) != 0 ||
        (status.st_mode & 0777) == (mode & 0777))
        return;
    fd = fuse_host_open(dir, name, O_RDONLY | O_DIRECTORY, 0);
    if (fd >= 0) {
        (void)fchmod(fd, mode); /* else it has what umask left */
        close(fd);
    }
}

int op_mkdir(struct lull_share *share, struct fuse_call *call)
{
    const uint8_t *in = fuse_take(call, 8);
    mode_t mode = mode_allowed(S_IFDIR, get_le32(in));
    const char *name;
    int dir, error = fuse_last_name(call, &name);

    if (error != 0)
        return error;
    dir = node_fd(&share->nodes, call->node);
    if (dir < 0 || mkdirat(dir, name, mode) != 0)
        return errno;
    settle_mode(dir, name, mode);
    return entry_for(share, call, name);
}

/* Where it points is the guest's business: only its kernel follows it. */
int op_symlink(struct lull_share *share, struct fuse_call *call)
{
    const char *name, *target;
    int dir, error = fuse_name(call, &name);

    target = fuse_string(call);
    if (error == 0)
        error = fuse_end(call);
    if (error != 0)
        return error;
    dir = node_fd(&share->nodes, call->node);
    if (dir < 0 || symlinkat(target, dir, name) != 0)
        return errno;
    return entry_for(share, call, name);
}

int op_link(struct lull_share *share, struct fuse_call *call)
{
    struct node *node = node_get(&share->nodes, get_le64(fuse_take(call, 8)));
    const char *name, *old_name;
    int dir, old_dir, error = fuse_last_name(call, &name);

    if (error != 0)
        return error;
    if (node == NULL)
        return ESTALE;
    dir = node_fd(&share->nodes, call->node);
    if (dir < 0)
        return errno;
    node_pin(&share->nodes, call->node);
    old_dir = node_place(&share->nodes, node, &old_name);
    if (old_dir < 0 || linkat(old_dir, old_name, dir, name, 0) != 0)
        error = errno;
    node_unpin(&share->nodes, call->node);
    return error != 0 ? error : entry_for(share, call, name);
}

/* A file that the guest has in mind lives on for it, as its descriptor. */
int op_unlink(struct lull_share *share, struct fuse_call *call)
{
    int flags = call->opcode == FUSE_RMDIR ? AT_REMOVEDIR : 0;
    const char *name;
    struct node *node;
    int dir, error = fuse_last_name(call, &name);

    if (error != 0)
        return error;
    node = node_known(&share->nodes, call->node, name);
    if (node != NULL)
        node_keep(&share->nodes, node);
    dir = node_fd(&share->nodes, call->node);
    if (dir < 0 || unlinkat(dir, name, flags) != 0)
        return errno;
    if (node != NULL)
        node_gone(&share->nodes, node, call->node, name);
    return 0;
}

/* ---- renaming ------------------------------------------------------------
 */

struct renaming {
    struct node *from_dir, *to_dir;
    const char *from, *to;
    unsigned flags;
    struct node *moved, *over; /* those the guest knows, or NULL */
};

static int get_renaming(struct lull_share *share, struct fuse_call *call,
                        struct renaming *r)
{
    const uint8_t *in = fuse_take(call, call->opcode == FUSE_RENAME ? 8 : 16);
    int error;

    r->from_dir = call->node;
    r->to_dir = node_get(&share->nodes, get_le64(in));
    r->flags = call->opcode == FUSE_RENAME ? 0 : get_le32(in + 8);
    error = fuse_name(call, &r->from);
    if (error == 0)
        error = fuse_last_name(call, &r->to);
    if (error != 0)
        return error;
    if (r->to_dir == NULL)
        return ESTALE;
    if (r->to_dir->type != S_IFDIR)
        return ENOTDIR;
    return r->flags & ~(unsigned)(FUSE_RENAME_NOREPLACE | FUSE_RENAME_EXCHANGE)
               ? EINVAL
               : 0;
}

static int rename_on_host(struct nodes *nodes, const struct renaming *r)
{
    int from = node_fd(nodes, r->from_dir), to, error = 0;

    if (from < 0)
        return errno;
    node_pin(nodes, r->from_dir);
    to = node_fd(nodes, r->to_dir);
    if (to < 0 || fuse_host_rename(from, r->from, to, r->to, r->flags) != 0)
        error = errno;
    node_unpin(nodes, r->from_dir);
    return error;
}

int op_rename(struct lull_share *share, struct fuse_call *call)
{
    struct nodes *nodes = &share->nodes;
    struct renaming r;
    int error = get_renaming(share, call, &r);

    if (error != 0)
        return error;
    r.moved = node_known(nodes, r.from_dir, r.from);
    r.over = node_known(nodes, r.to_dir, r.to);
    if (r.over != NULL)
        node_keep(nodes, r.over);
    error = rename_on_host(nodes, &r);
    /* Two links to one file: then nothing happened. */
    if (error != 0 || (r.moved != NULL && r.moved == r.over))
        return error;
    if (r.over != NULL && (r.flags & FUSE_RENAME_EXCHANGE))
        node_moved(nodes, r.over, r.from_dir, r.from);
    else if (r.over != NULL)
        node_gone(nodes, r.over, r.to_dir, r.to);
    if (r.moved != NULL)
        node_moved(nodes, r.moved, r.to_dir, r.to);
    return 0;
}
