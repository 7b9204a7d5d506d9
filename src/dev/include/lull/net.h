/*
 * Ethernet frames between a network device and a network of the host's.
 *
 * Everything here happens on the loop's thread, without the device's lock.
 */
#ifndef LULL_NET_H
#define LULL_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Without a checksum of the frame: two addresses, a type, 1500 bytes, and
 * room for a VLAN tag. */
enum { LULL_FRAME_BYTES_MAX = 1518 };
/* A TCP segment that nobody has cut yet: what fits into an IP packet. */
enum { LULL_SEGMENT_BYTES_MAX = 14 + 65535 };

/* The device's end. */
struct lull_net_user {
    /* False: the guest has no buffers. The host keeps the frame, or drops it,
     * and gives nothing more until the device calls `resume`. */
    bool (*receive)(void *opaque, const uint8_t *frame, size_t len);
    /* The cable was pulled, or is there again; it is there at first. */
    void (*link)(void *opaque, bool up);
    void *opaque;
};

/* The host's end. */
struct lull_net {
    /* A frame from the guest, at most LULL_FRAME_BYTES_MAX long, or where the
     * network takes segments LULL_SEGMENT_BYTES_MAX; it may be answered before
     * this returns. */
    void (*send)(void *host, const uint8_t *frame, size_t len);
    /* That was the last one for now. */
    void (*sent)(void *host);
    /* The guest has buffers again. */
    void (*resume)(void *host);
    /* One device, before the loop runs; NULL when the device goes away. */
    void (*attach)(void *host, const struct lull_net_user *user);
    void *host;
    /* TCP segments need not be cut: they get where they go in this process. */
    bool takes_segments;
};

#endif
