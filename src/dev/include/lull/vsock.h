/*
 * Streams between programs in the guest and Unix sockets of the host's, by
 * the socket device's ports (virtio 1.2, section 5.10).
 *
 *   CID[,to-host=PORT:PATH][,to-guest=PORT:PATH][,dir=DIR]...
 *
 * CID is the guest's address. to-host: when the guest connects to port PORT
 * of the host (address 2), it is joined to the socket at PATH, on which a
 * program of the host's listens by then. dir: the same for every other port,
 * with DIR/PORT. to-guest: PATH is a socket of ours, for its owner alone; who
 * connects to it reaches the guest's port PORT. What the guest asks for and
 * nobody offers is refused.
 *
 * A running machine is contained and opens no sockets, so a process of its
 * own connects for it: lull_connector_start.
 */
#ifndef LULL_VSOCK_H
#define LULL_VSOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lull/loop.h"

enum {
    LULL_VSOCK_RULES_MAX = 16,
    LULL_VSOCK_PATH_BYTES = 104, /* as long as any host's sun_path */
    LULL_VSOCK_CID_MIN = 3,      /* those below have meanings */
};

struct lull_vsock_rule {
    uint32_t port;
    char path[LULL_VSOCK_PATH_BYTES];
};

struct lull_vsock_spec {
    uint32_t cid;
    struct lull_vsock_rule to_host[LULL_VSOCK_RULES_MAX];
    struct lull_vsock_rule to_guest[LULL_VSOCK_RULES_MAX];
    unsigned to_host_count, to_guest_count;
    char dir[LULL_VSOCK_PATH_BYTES]; /* "": none */
};

/* False, with one line for the user in `error`. */
bool lull_vsock_parse(const char *text, struct lull_vsock_spec *spec,
                      char *error, size_t error_bytes);

/* ---- between the device and the host ---- */

/* The device's end; on the loop's thread, without the device's lock. A
 * descriptor is the device's from here on, and does not block. */
struct lull_vsock_user {
    /* What came of `connect` with that token; -1: nobody is there. */
    void (*connected)(void *opaque, uint64_t token, int fd);
    /* A program of the host's wants the guest's port. */
    void (*incoming)(void *opaque, uint32_t port, int fd);
    void *opaque;
};

/* The host's end; on the loop's thread. */
struct lull_vsock_host {
    /* The guest wants the host's port: `connected` follows, later. False: it
     * does not, as there is nothing for that port. */
    bool (*connect)(void *host, uint32_t port, uint64_t token);
    /* One device, before the loop runs; NULL when the device goes away. */
    void (*attach)(void *host, const struct lull_vsock_user *user);
    void *host;
};

/* ---- the host's sockets ---- */

struct lull_vsock_unix;

/*
 * Listen on the to-guest sockets. `spec` stays the caller's and must outlive
 * this, and so does `connector_fd`: what lull_connector_start gave, or -1.
 * NULL on failure, with one line for the user in `error`.
 */
struct lull_vsock_unix *lull_vsock_unix_new(struct lull_loop *loop,
                                            const struct lull_vsock_spec *spec,
                                            int connector_fd, char *error,
                                            size_t error_bytes);
/* Takes the sockets' names away. On the loop's thread, or without one. */
void lull_vsock_unix_free(struct lull_vsock_unix *sockets);
const struct lull_vsock_host *
lull_vsock_unix_host(const struct lull_vsock_unix *sockets);

/* ---- the connector ---- */

/*
 * Make the process that connects to `spec`'s to-host sockets and to nothing
 * else; it ends when the descriptor that is returned is closed. Before the
 * caller has threads, or memory that should not be shared with a child.
 * `contain(opaque)` is called there, to give up what that work does not take;
 * false ends it. -1 and errno: no process; or 0 rules and no dir, errno 0.
 */
int lull_connector_start(const struct lull_vsock_spec *spec,
                         bool (*contain)(void *opaque), void *opaque);

#endif
