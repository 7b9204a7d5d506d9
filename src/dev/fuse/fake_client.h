/*
 * For tests: what a guest's kernel says to the server, well or badly.
 */
#ifndef LULL_DEV_FUSE_FAKE_CLIENT_H
#define LULL_DEV_FUSE_FAKE_CLIENT_H

#include <check.h>
#include <string.h>

#include "lull/bytes.h"
#include "lull/share.h"
#include "proto.h"

enum { ROOM = 1 << 16 };

/* A request under way: its bytes, then the answer. */
struct client {
    struct lull_share *share;
    uint8_t bytes[1 << 16];
    size_t len;
    uint8_t answer[ROOM];
    uint32_t written;
    uint8_t *body; /* of the answer, behind its header */
    enum lull_share_result result;
};

static struct client client;

static inline void begin_request(uint32_t opcode, uint64_t nodeid)
{
    memset(client.bytes, 0, FUSE_IN_HEADER);
    put_le32(client.bytes + 4, opcode);
    put_le64(client.bytes + 8, 0x1234);
    put_le64(client.bytes + 16, nodeid);
    client.len = FUSE_IN_HEADER;
}

static inline void add32(uint32_t value)
{
    put_le32(client.bytes + client.len, value);
    client.len += 4;
}

static inline void add64(uint64_t value)
{
    put_le64(client.bytes + client.len, value);
    client.len += 8;
}

static inline void add_bytes(const void *bytes, size_t len)
{
    memcpy(client.bytes + client.len, bytes, len);
    client.len += len;
}

static inline void add_name(const char *name)
{
    add_bytes(name, strlen(name) + 1);
}

/* `len` bytes in spans of `span`; what is over goes into the last one. */
static inline unsigned put_spans(struct iovec *to, uint8_t *bytes, size_t len,
                                 size_t span)
{
    unsigned count = 0;

    while (len != 0) {
        bool last = len < span || count == LULL_SHARE_SPANS_MAX - 1;
        size_t part = last ? len : span;

        to[count++] = (struct iovec){bytes, part};
        bytes += part;
        len -= part;
    }
    return count;
}

/* As it is, with `room` bytes for the answer. */
static inline int send_raw(uint32_t room, uint32_t span)
{
    static struct lull_share_message message;

    message.outs = put_spans(message.out, client.bytes, client.len, span);
    message.ins = put_spans(message.in, client.answer, room, span);
    client.result = lull_share_serve(client.share, &message, &client.written);
    client.body = client.answer + FUSE_OUT_HEADER;
    if (client.result != LULL_SHARE_ANSWERED)
        return -1;
    ck_assert_uint_le(client.written, room);
    ck_assert_uint_eq(get_le32(client.answer), client.written);
    ck_assert_uint_eq(get_le64(client.answer + 8), 0x1234);
    return -(int)get_le32(client.answer + 4);
}

/* The answer's error, 0 for none. */
static inline int send_request(void)
{
    put_le32(client.bytes, (uint32_t)client.len);
    return send_raw(ROOM, 4096);
}

static inline int init(uint32_t major, uint32_t minor)
{
    begin_request(FUSE_INIT, 0);
    add32(major);
    add32(minor);
    add32(1 << 17);
    add32(~0U);
    return send_request();
}

static inline int named(uint32_t opcode, uint64_t dir, const char *name)
{
    begin_request(opcode, dir);
    add_name(name);
    return send_request();
}

/* The node's number; the answer is an entry. */
static inline uint64_t entry_node(void)
{
    return get_le64(client.body);
}

static inline uint32_t entry_mode(void)
{
    return get_le32(client.body + 40 + 60);
}

static inline uint64_t look_up(uint64_t dir, const char *name)
{
    ck_assert_int_eq(named(FUSE_LOOKUP, dir, name), 0);
    return entry_node();
}

static inline int open_node(uint32_t opcode, uint64_t node, uint32_t flags,
                            uint64_t *fh)
{
    int error;

    begin_request(opcode, node);
    add32(flags);
    add32(0);
    error = send_request();
    *fh = get_le64(client.body);
    return error;
}

static inline int create(uint64_t dir, const char *name, uint32_t flags,
                         uint32_t mode)
{
    begin_request(FUSE_CREATE, dir);
    add32(flags);
    add32(mode);
    add32(0);
    add32(0);
    add_name(name);
    return send_request();
}

static inline uint64_t created_handle(void)
{
    return get_le64(client.body + FUSE_ENTRY_OUT);
}

static inline int read_at(uint32_t opcode, uint64_t node, uint64_t fh,
                          uint64_t offset, uint32_t size)
{
    begin_request(opcode, node);
    add64(fh);
    add64(offset);
    add32(size);
    add32(0);
    add64(0);
    add64(0);
    return send_request();
}

static inline int write_at(uint64_t node, uint64_t fh, uint64_t offset,
                           const char *text, uint32_t write_flags,
                           uint32_t flags)
{
    begin_request(FUSE_WRITE, node);
    add64(fh);
    add64(offset);
    add32((uint32_t)strlen(text));
    add32(write_flags);
    add64(0);
    add32(flags);
    add32(0);
    add_bytes(text, strlen(text));
    return send_request();
}

static inline int release(uint64_t node, uint64_t fh)
{
    begin_request(FUSE_RELEASE, node);
    add64(fh);
    add64(0);
    add64(0);
    return send_request();
}

static inline int forget(uint64_t node, uint64_t lookups)
{
    begin_request(FUSE_FORGET, node);
    add64(lookups);
    return send_request();
}

static inline int get_attr(uint64_t node)
{
    begin_request(FUSE_GETATTR, node);
    add64(0);
    add64(0);
    return send_request();
}

static inline uint32_t attr_mode(void)
{
    return get_le32(client.body + 16 + 60);
}

static inline uint64_t attr_size(void)
{
    return get_le64(client.body + 16 + 8);
}

static inline int set_attr(uint64_t node, uint32_t valid, uint64_t fh,
                           uint64_t size, uint32_t mode)
{
    begin_request(FUSE_SETATTR, node);
    memset(client.bytes + client.len, 0, 88);
    put_le32(client.bytes + client.len, valid);
    put_le64(client.bytes + client.len + 8, fh);
    put_le64(client.bytes + client.len + 16, size);
    put_le32(client.bytes + client.len + 68, mode);
    put_le32(client.bytes + client.len + 76, 4321);
    put_le32(client.bytes + client.len + 80, 4321);
    client.len += 88;
    return send_request();
}

static inline int rename2(uint64_t dir, const char *from, uint64_t to_dir,
                          const char *to, uint32_t flags)
{
    begin_request(FUSE_RENAME2, dir);
    add64(to_dir);
    add64(flags);
    add_name(from);
    add_name(to);
    return send_request();
}

#endif
