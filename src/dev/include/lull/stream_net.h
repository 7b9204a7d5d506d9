/*
 * A network that another process is: frames over a Unix stream socket, each
 * behind its length in four bytes, the most significant first, in both
 * directions. gvproxy, passt and QEMU's `-netdev stream` speak it.
 *
 *   unix:PATH
 *
 * That process listens at PATH before the machine starts. When it goes, or
 * says what is no frame, the guest's link goes down and frames are lost; the
 * connector of the socket device (vsock.h), started for this one path, is
 * asked again and again until somebody listens there, and the link is up.
 */
#ifndef LULL_STREAM_NET_H
#define LULL_STREAM_NET_H

#include <stddef.h>

#include "lull/loop.h"
#include "lull/net.h"
#include "lull/vsock.h"

struct lull_stream_net;

/* Is it such a network? */
bool lull_stream_net_is(const char *spec);
/* The one socket that the connector is to know. False: a path too long or
 * empty, with one line for the user in `error`. */
bool lull_stream_net_parse(const char *spec, struct lull_vsock_spec *sockets,
                           char *error, size_t error_bytes);
/*
 * Connect, while the process still may; `connector_fd`, the caller's, is for
 * later, or -1: then a link that is down stays down. NULL on failure, with one
 * line for the user in `error`.
 */
struct lull_stream_net *
lull_stream_net_new(struct lull_loop *loop,
                    const struct lull_vsock_spec *sockets, int connector_fd,
                    char *error, size_t error_bytes);
/* On the loop's thread, or when the loop does not run. */
void lull_stream_net_free(struct lull_stream_net *net);
const struct lull_net *lull_stream_net_net(const struct lull_stream_net *net);

#endif
