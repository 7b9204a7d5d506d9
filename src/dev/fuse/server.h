/*
 * The FUSE server of a share: what its files have in common. server.c takes a
 * request apart and answers it, and each operation is a function here that
 * reads arguments and writes an answer:
 *
 *   attr.c  what a file is: attributes, links' targets, the file system
 *   file.c  contents
 *   dir.c   names
 *   list.c  what is in a folder
 *
 * One request at a time, so that nothing here locks.
 */
#ifndef LULL_DEV_FUSE_SERVER_H
#define LULL_DEV_FUSE_SERVER_H

#include <dirent.h>
#include <stdatomic.h>

#include "lull/bytes.h"
#include "lull/share.h"
#include "node.h"
#include "proto.h"

enum {
    /* The longest request but for a write's data: two names of a link. */
    REQUEST_BYTES = 8192,
    REPLY_BYTES = 4096 + 64, /* a link's target is the longest */
    LISTING_BYTES = 1 << 16,
    WRITE_BYTES_MAX = 1 << 20,
    NAME_BYTES = 255,
    HANDLES_MAX = 1 << 14,
    HANDLE_NONE = HANDLES_MAX, /* no free one */
};

/* Something the guest has open. */
struct handle {
    int fd;   /* -1: a free place */
    DIR *dir; /* a folder's, which then has the descriptor */
    long at;  /* where the next entry comes from; -1: ask */
    bool writes;
    struct node *node;
    unsigned next_free;
};

/* Arguments, from front to back. What is not there reads as zeros, and
 * fuse_end tells. */
struct fuse_in {
    const uint8_t *at;
    size_t left;
    bool bad;
};

/* One request. */
struct fuse_call {
    uint32_t opcode;
    uint64_t unique;
    struct node *node; /* the one it is about; NULL: the opcode has none */
    struct fuse_in in;
    struct lull_share_message *message; /* for the data of reads and writes */
    uint32_t len;                       /* of the request; all of it is there */
    uint32_t room;                      /* for an answer, without its header */
    uint8_t reply[REPLY_BYTES];
    uint32_t reply_len;
    uint32_t data_len; /* put behind the header already */
};

/* Written by the server, read by anybody; relaxed. */
struct share_counters {
    _Atomic uint64_t requests, errors, read_bytes, written_bytes, nodes, open;
};

struct lull_share {
    char *dir, *tag;
    bool read_only;
    bool started; /* INIT was answered */
    struct nodes nodes;
    struct handle *handle;
    unsigned handles, handles_max, free_handle;
    unsigned handles_open;
    struct share_counters counters;
    struct fuse_call call;
    uint8_t request[REQUEST_BYTES];
    uint8_t listing[LISTING_BYTES];
    struct iovec vector[LULL_SHARE_SPANS_MAX];
};

/* 0 or an errno. */
typedef int (*fuse_operation)(struct lull_share *share, struct fuse_call *call);

/* ---- server.c ----
 */

/* The next `size` bytes of arguments. */
const uint8_t *fuse_take(struct fuse_call *call, size_t size);
/* A string; valid as long as the call. */
const char *fuse_string(struct fuse_call *call);
/* A name that can be one in a folder: 0, or what is wrong with it. */
int fuse_name(struct fuse_call *call, const char **name);
/* 0, or EINVAL: arguments were missing, or too many. */
int fuse_end(const struct fuse_call *call);
/* fuse_name of a name behind which there is nothing. */
int fuse_last_name(struct fuse_call *call, const char **name);
/* `size` bytes of the answer, zeros so far; there is always room in the
 * buffer, and an answer that the driver has no room for becomes an error. */
uint8_t *fuse_put(struct fuse_call *call, uint32_t size);
/* Where at most `size` bytes of data of a read's answer go, and where those of
 * a write are; good until the next call of either. */
struct iovec *fuse_data_in(struct lull_share *share, struct fuse_call *call,
                           uint64_t size, unsigned *count);
struct iovec *fuse_data_out(struct lull_share *share, struct fuse_call *call,
                            uint64_t size, unsigned *count);

/* ---- handles, in file.c ----
 */

/* A new handle on `fd`, whose number is *fh; on failure `fd` is closed. */
int handle_new(struct lull_share *share, struct node *node, int fd, bool writes,
               uint64_t *fh);
/* NULL: no such handle, or not this node's. */
struct handle *handle_get(const struct lull_share *share,
                          const struct node *node, uint64_t fh);
/* One that is open on the node, for writing if that is asked; or NULL. */
struct handle *handle_of(const struct lull_share *share,
                         const struct node *node, bool writes);
void handle_close(struct lull_share *share, struct handle *handle);

/* ---- attr.c ----
 */

/* Look `name` up in `dir` and put what is there, a fuse_entry_out. */
int put_entry(struct lull_share *share, uint8_t *at, struct node *dir,
              const char *name);
int op_lookup(struct lull_share *share, struct fuse_call *call);
int op_getattr(struct lull_share *share, struct fuse_call *call);
int op_setattr(struct lull_share *share, struct fuse_call *call);
int op_readlink(struct lull_share *share, struct fuse_call *call);
int op_statfs(struct lull_share *share, struct fuse_call *call);
int op_syncfs(struct lull_share *share, struct fuse_call *call);

/* ---- file.c ----
 */

/* Open a regular file's contents; -1: errno. */
int file_open(struct lull_share *share, struct node *node, int flags);
int op_open(struct lull_share *share, struct fuse_call *call);
int op_create(struct lull_share *share, struct fuse_call *call);
int op_read(struct lull_share *share, struct fuse_call *call);
int op_write(struct lull_share *share, struct fuse_call *call);
int op_release(struct lull_share *share, struct fuse_call *call);
int op_fsync(struct lull_share *share, struct fuse_call *call);
int op_lseek(struct lull_share *share, struct fuse_call *call);

/* ---- dir.c ----
 */

/* The mode that a new file gets of the one asked for. */
mode_t mode_allowed(mode_t type, uint32_t mode);
int op_mknod(struct lull_share *share, struct fuse_call *call);
int op_mkdir(struct lull_share *share, struct fuse_call *call);
int op_symlink(struct lull_share *share, struct fuse_call *call);
int op_link(struct lull_share *share, struct fuse_call *call);
int op_unlink(struct lull_share *share, struct fuse_call *call);
int op_rename(struct lull_share *share, struct fuse_call *call);

/* ---- list.c ----
 */

int op_opendir(struct lull_share *share, struct fuse_call *call);
int op_readdir(struct lull_share *share, struct fuse_call *call);

#endif
