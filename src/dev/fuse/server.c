/*
 * A request comes in and an answer goes out: the one place where lengths of
 * the guest's are looked at. The head of the request is copied, so that the
 * guest cannot change what was checked; the data of reads and writes goes
 * between the host's file and guest memory directly.
 */
#include "server.h"

#include <errno.h>
#include <string.h>

#include "host.h"

enum {
    CHANGES = 1, /* nothing for a share that is read only */
    DIR_NODE = 2,
    ANY_NODE = 4,
};

struct operation {
    fuse_operation run;
    unsigned what;
};

/* ---- arguments and answers -----------------------------------------------
 */

const uint8_t *fuse_take(struct fuse_call *call, size_t size)
{
    static const uint8_t nothing[FUSE_ATTR];
    const uint8_t *at = call->in.at;

    if (call->in.bad || size > call->in.left) {
        call->in.bad = true;
        return nothing;
    }
    call->in.at += size;
    call->in.left -= size;
    return at;
}

const char *fuse_string(struct fuse_call *call)
{
    const char *at = (const char *)call->in.at;
    size_t len = strnlen(at, call->in.left);

    if (call->in.bad || len == call->in.left) {
        call->in.bad = true;
        return "";
    }
    fuse_take(call, len + 1);
    return at;
}

int fuse_name(struct fuse_call *call, const char **name)
{
    *name = fuse_string(call);
    if (strlen(*name) > NAME_BYTES)
        return ENAMETOOLONG;
    if (**name == '\0' || strchr(*name, '/') != NULL ||
        strcmp(*name, ".") == 0 || strcmp(*name, "..") == 0)
        return EINVAL;
    return 0;
}

int fuse_end(const struct fuse_call *call)
{
    return call->in.bad || call->in.left != 0 ? EINVAL : 0;
}

int fuse_last_name(struct fuse_call *call, const char **name)
{
    int error = fuse_name(call, name);

    return error != 0 ? error : fuse_end(call);
}

uint8_t *fuse_put(struct fuse_call *call, uint32_t size)
{
    uint8_t *at = call->reply + call->reply_len;

    memset(at, 0, size);
    call->reply_len += size;
    return at;
}

/* ---- spans ---------------------------------------------------------------
 */

static uint64_t sum(const struct iovec *vector, unsigned count)
{
    uint64_t bytes = 0;

    for (unsigned i = 0; i < count; i++)
        bytes += vector[i].iov_len;
    return bytes;
}

/* Bytes [skip, skip + size) of a vector, as another one. */
static struct iovec *part(struct lull_share *share, const struct iovec *from,
                          unsigned froms, uint64_t skip, uint64_t size,
                          unsigned *count)
{
    *count = 0;
    for (unsigned i = 0; i < froms && size != 0; i++) {
        uint64_t cut = skip < from[i].iov_len ? skip : from[i].iov_len;
        uint64_t len = from[i].iov_len - cut;

        skip -= cut;
        len = len < size ? len : size;
        size -= len;
        if (len != 0)
            share->vector[(*count)++] =
                (struct iovec){(uint8_t *)from[i].iov_base + cut, (size_t)len};
    }
    return share->vector;
}

struct iovec *fuse_data_in(struct lull_share *share, struct fuse_call *call,
                           uint64_t size, unsigned *count)
{
    return part(share, call->message->in, call->message->ins, FUSE_OUT_HEADER,
                size < call->room ? size : call->room, count);
}

/* Behind the arguments taken so far. */
struct iovec *fuse_data_out(struct lull_share *share, struct fuse_call *call,
                            uint64_t size, unsigned *count)
{
    return part(share, call->message->out, call->message->outs,
                (uint64_t)(call->in.at - share->request), size, count);
}

static void gather(const struct lull_share_message *m, uint8_t *to, size_t len)
{
    for (unsigned i = 0; i < m->outs && len != 0; i++) {
        size_t n = len < m->out[i].iov_len ? len : m->out[i].iov_len;

        memcpy(to, m->out[i].iov_base, n);
        to += n;
        len -= n;
    }
}

static void scatter(const struct lull_share_message *m, size_t skip,
                    const uint8_t *from, size_t len)
{
    for (unsigned i = 0; i < m->ins && len != 0; i++) {
        size_t cut = skip < m->in[i].iov_len ? skip : m->in[i].iov_len;
        size_t left = m->in[i].iov_len - cut;
        size_t n = len < left ? len : left;

        memcpy((uint8_t *)m->in[i].iov_base + cut, from, n);
        skip -= cut;
        from += n;
        len -= n;
    }
}

/* ---- the session ---------------------------------------------------------
 */

static int op_init(struct lull_share *share, struct fuse_call *call)
{
    static const uint32_t wanted = FUSE_ASYNC_READ | FUSE_BIG_WRITES |
                                   FUSE_AUTO_INVAL_DATA | FUSE_DO_READDIRPLUS |
                                   FUSE_READDIRPLUS_AUTO |
                                   FUSE_PARALLEL_DIROPS | FUSE_MAX_PAGES;
    const uint8_t *in = fuse_take(call, FUSE_INIT_IN);
    uint32_t major = get_le32(in), minor = get_le32(in + 4);
    uint8_t *out;

    if (call->in.bad)
        return EINVAL;
    if (major < FUSE_MAJOR || (major == FUSE_MAJOR && minor < FUSE_MINOR))
        return EPROTO;
    lull_share_reset(share);
    out = fuse_put(call, FUSE_INIT_OUT);
    put_le32(out, FUSE_MAJOR);
    put_le32(out + 4, FUSE_MINOR);
    if (major > FUSE_MAJOR) /* it will ask again, in our version */
        return 0;
    put_le32(out + 8, get_le32(in + 8)); /* max_readahead, as it likes */
    put_le32(out + 12, get_le32(in + 12) & wanted);
    put_le32(out + 20, WRITE_BYTES_MAX);
    put_le32(out + 24, 1); /* time_gran: nanoseconds */
    put_le16(out + 28, WRITE_BYTES_MAX / 4096);
    share->started = true;
    return 0;
}

static int op_destroy(struct lull_share *share, struct fuse_call *call)
{
    lull_share_reset(share);
    return 0;
}

static void forget(struct lull_share *share, uint64_t id, uint64_t lookups)
{
    struct node *node = node_get(&share->nodes, id);

    if (node != NULL)
        node_forget(&share->nodes, node, lookups);
}

/* Nobody hears of what is wrong with these. */
static void op_forget(struct lull_share *share, struct fuse_call *call,
                      uint64_t nodeid)
{
    if (call->opcode == FUSE_FORGET) {
        forget(share, nodeid, get_le64(fuse_take(call, 8)));
    } else {
        fuse_take(call, 8); /* their number, which the length says, too */
        while (!call->in.bad && call->in.left >= 16) {
            const uint8_t *one = fuse_take(call, 16);

            forget(share, get_le64(one), get_le64(one + 8));
        }
    }
}

/* ---- all of it -----------------------------------------------------------
 */

static const struct operation operations[FUSE_OPCODES] = {
    [FUSE_LOOKUP] = {op_lookup, DIR_NODE},
    [FUSE_GETATTR] = {op_getattr, ANY_NODE},
    [FUSE_SETATTR] = {op_setattr, ANY_NODE | CHANGES},
    [FUSE_READLINK] = {op_readlink, ANY_NODE},
    [FUSE_SYMLINK] = {op_symlink, DIR_NODE | CHANGES},
    [FUSE_MKNOD] = {op_mknod, DIR_NODE | CHANGES},
    [FUSE_MKDIR] = {op_mkdir, DIR_NODE | CHANGES},
    [FUSE_UNLINK] = {op_unlink, DIR_NODE | CHANGES},
    [FUSE_RMDIR] = {op_unlink, DIR_NODE | CHANGES},
    [FUSE_RENAME] = {op_rename, DIR_NODE | CHANGES},
    [FUSE_LINK] = {op_link, DIR_NODE | CHANGES},
    [FUSE_OPEN] = {op_open, ANY_NODE},
    [FUSE_READ] = {op_read, ANY_NODE},
    [FUSE_WRITE] = {op_write, ANY_NODE | CHANGES},
    [FUSE_STATFS] = {op_statfs, ANY_NODE},
    [FUSE_RELEASE] = {op_release, ANY_NODE},
    [FUSE_FSYNC] = {op_fsync, ANY_NODE},
    [FUSE_INIT] = {op_init, 0},
    [FUSE_OPENDIR] = {op_opendir, DIR_NODE},
    [FUSE_READDIR] = {op_readdir, DIR_NODE},
    [FUSE_RELEASEDIR] = {op_release, DIR_NODE},
    [FUSE_FSYNCDIR] = {op_fsync, DIR_NODE},
    [FUSE_CREATE] = {op_create, DIR_NODE | CHANGES},
    [FUSE_DESTROY] = {op_destroy, 0},
    [FUSE_READDIRPLUS] = {op_readdir, DIR_NODE},
    [FUSE_RENAME2] = {op_rename, DIR_NODE | CHANGES},
    [FUSE_LSEEK] = {op_lseek, ANY_NODE},
    [FUSE_SYNCFS] = {op_syncfs, ANY_NODE},
};

/* ENOSYS is an answer that the guest remembers: no extended attributes, no
 * locks beside its own, no FLUSH when a file is closed. */
static int run(struct lull_share *share, struct fuse_call *call,
               uint64_t nodeid)
{
    const struct operation *op =
        call->opcode < FUSE_OPCODES ? &operations[call->opcode] : NULL;

    if (op == NULL || op->run == NULL)
        return ENOSYS;
    if (call->opcode != FUSE_WRITE && call->len > REQUEST_BYTES)
        return ENAMETOOLONG;
    if (!share->started && call->opcode != FUSE_INIT)
        return EIO;
    if ((op->what & CHANGES) && share->read_only)
        return EROFS;
    if (op->what & (ANY_NODE | DIR_NODE)) {
        call->node = node_get(&share->nodes, nodeid);
        if (call->node == NULL)
            return ESTALE;
        if ((op->what & DIR_NODE) && call->node->type != S_IFDIR)
            return ENOTDIR;
    }
    return op->run(share, call);
}

static void add(_Atomic uint64_t *counter, uint64_t n)
{
    atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

static uint32_t answer(struct lull_share *share, struct fuse_call *call,
                       int error)
{
    uint8_t header[FUSE_OUT_HEADER];
    uint32_t len = FUSE_OUT_HEADER;

    if (error == 0 && call->reply_len > call->room)
        error = EMSGSIZE;
    if (error == 0) {
        scatter(call->message, FUSE_OUT_HEADER, call->reply, call->reply_len);
        len += call->reply_len + call->data_len;
    } else {
        add(&share->counters.errors, 1);
    }
    put_le32(header, len);
    put_le32(header + 4, (uint32_t)-fuse_host_errno(error));
    put_le64(header + 8, call->unique);
    scatter(call->message, 0, header, sizeof(header));
    return len;
}

/* What a request has to be for anything to be said about it. */
static bool begin(struct lull_share *share, struct lull_share_message *message)
{
    uint64_t there = sum(message->out, message->outs);
    uint64_t room = sum(message->in, message->ins);
    struct fuse_call *call = &share->call;
    uint32_t copied =
        there < REQUEST_BYTES ? (uint32_t)there : (uint32_t)REQUEST_BYTES;

    call->node = NULL;
    call->message = message;
    call->reply_len = 0;
    call->data_len = 0;
    if (there < FUSE_IN_HEADER)
        return false;
    gather(message, share->request, copied);
    call->len = get_le32(share->request);
    call->opcode = get_le32(share->request + 4);
    call->unique = get_le64(share->request + 8);
    if (call->len < FUSE_IN_HEADER || call->len > there)
        return false;
    call->in = (struct fuse_in){
        .at = share->request + FUSE_IN_HEADER,
        .left = (call->len < copied ? call->len : copied) - FUSE_IN_HEADER,
    };
    if (call->opcode == FUSE_FORGET || call->opcode == FUSE_BATCH_FORGET)
        return true;
    if (room < FUSE_OUT_HEADER)
        return false;
    room -= FUSE_OUT_HEADER;
    call->room = room < UINT32_MAX / 2 ? (uint32_t)room : UINT32_MAX / 2;
    return true;
}

enum lull_share_result lull_share_serve(struct lull_share *share,
                                        struct lull_share_message *message,
                                        uint32_t *written)
{
    struct fuse_call *call = &share->call;
    struct share_counters *counters = &share->counters;
    uint64_t nodeid;

    *written = 0;
    if (!begin(share, message))
        return LULL_SHARE_BROKEN;
    nodeid = get_le64(share->request + 16);
    add(&counters->requests, 1);
    if (call->opcode == FUSE_FORGET || call->opcode == FUSE_BATCH_FORGET)
        op_forget(share, call, nodeid);
    else
        *written = answer(share, call, run(share, call, nodeid));
    atomic_store_explicit(&counters->nodes, share->nodes.count,
                          memory_order_relaxed);
    atomic_store_explicit(&counters->open, share->handles_open,
                          memory_order_relaxed);
    return *written != 0 ? LULL_SHARE_ANSWERED : LULL_SHARE_SILENT;
}

void lull_share_reset(struct lull_share *share)
{
    for (unsigned i = 0; i < share->handles; i++)
        if (share->handle[i].node != NULL)
            handle_close(share, &share->handle[i]);
    nodes_clear(&share->nodes);
    share->started = false;
}

static uint64_t load(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit((_Atomic uint64_t *)counter,
                                memory_order_relaxed);
}

struct lull_share_stats lull_share_stats(const struct lull_share *share)
{
    const struct share_counters *counters = &share->counters;

    return (struct lull_share_stats){
        .requests = load(&counters->requests),
        .errors = load(&counters->errors),
        .read_bytes = load(&counters->read_bytes),
        .written_bytes = load(&counters->written_bytes),
        .nodes = load(&counters->nodes),
        .open = load(&counters->open),
    };
}
