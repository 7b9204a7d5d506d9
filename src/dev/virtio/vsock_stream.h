/*
 * One stream between a port of the guest's and a socket of the host's: what
 * each side has been told, what may be sent, and bytes on their way out.
 *
 * The device (vsock.c) turns packets into calls of these functions and what a
 * stream owes into packets. A stream knows no queue and no lock; all of it
 * happens on the loop's thread.
 */
#ifndef LULL_DEV_VIRTIO_VSOCK_STREAM_H
#define LULL_DEV_VIRTIO_VSOCK_STREAM_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "lull/loop.h"

enum {
    /* What we say we have room for. Allocated while the host's program does
     * not take what the guest sends, and never exceeded. */
    VSOCK_BUFFER_BYTES = 128 * 1024,
};

/* Flags of OP_SHUTDOWN [5.10.6.5] */
enum {
    VSOCK_NO_RECEIVE = 1,
    VSOCK_NO_SEND = 2,
    VSOCK_NEITHER = 3,
};

enum vsock_state {
    VSOCK_CONNECTING, /* the guest asked, the host has not answered */
    VSOCK_REQUESTED,  /* the host asked, the guest has not answered */
    VSOCK_UP,
    VSOCK_LINGERING, /* over for the guest; the host is still to get bytes */
    VSOCK_RESETTING, /* over for the host; the guest is still to be told */
    VSOCK_GONE,      /* to be freed */
};

/* Packets that a stream owes the guest, besides data. */
enum {
    VSOCK_OWES_REQUEST = 1,
    VSOCK_OWES_RESPONSE = 2,
    VSOCK_OWES_SHUTDOWN = 4,
    VSOCK_OWES_CREDIT = 8,
    VSOCK_OWES_RESET = 16,
};

struct vsock_stream {
    struct vsock_stream *next;
    void *device;
    uint64_t token;
    uint32_t guest_port, host_port;
    enum vsock_state state;
    unsigned owes;
    bool starved; /* the guest has no buffers: nothing is read meanwhile */
    int fd;
    struct lull_watch *watch;

    /* To the guest. Counters wrap, as in the packets. */
    uint32_t sent;                     /* bytes, ever */
    uint32_t guest_buffer, guest_took; /* its buf_alloc and fwd_cnt */
    uint8_t ended;                     /* flags we have, or owe */

    /* From the guest. */
    uint32_t took, told_took; /* our fwd_cnt: now, and in our last packet */
    uint8_t guest_ended;      /* its flags */
    bool write_shut;          /* the host's program was told */
    uint8_t *pending;         /* a ring, NULL while it is empty */
    uint32_t pending_head, pending_len;
};

/* How many bytes the guest says it has room for; whatever it says, it is only
 * its own buffers that are filled. */
uint32_t vsock_credit(const struct vsock_stream *s);

/* Bytes of the guest's, for the host: written, or kept. False: more than it
 * was allowed to send. */
bool vsock_stream_take(struct vsock_stream *s, const struct iovec *vector,
                       int count, uint32_t len);
/* The host's program has room again, or the guest has ended its side. */
void vsock_stream_flush(struct vsock_stream *s);
/* Into the guest's buffers, at most its credit: how many came. 0: none now,
 * or no more ever, which `ended` then says. */
uint32_t vsock_stream_read(struct vsock_stream *s, const struct iovec *vector,
                           int count);
/* The host's program went away altogether. */
void vsock_stream_hangup(struct vsock_stream *s);
/* Flags of the guest's. */
void vsock_stream_shutdown(struct vsock_stream *s, uint32_t flags);
/* The guest has forgotten the stream: what it sent still goes out. */
void vsock_stream_forgotten(struct vsock_stream *s);
/* Let go of the host's side. */
void vsock_stream_close(struct vsock_stream *s);
/* What to be woken for, as things are: after anything above. */
void vsock_stream_watch(struct vsock_stream *s);

#endif
