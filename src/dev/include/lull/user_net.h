/*
 * A network that needs no rights on the host: libslirp answers the guest's
 * ARP, DHCP and DNS, and turns its connections into sockets of this process.
 *
 *   user[,forward=tcp|udp:[HOST]:PORT-[GUEST]:PORT]...
 *
 * The guest is 10.0.2.15, the gateway (this host) 10.0.2.2, the name server
 * 10.0.2.3. A forward listens on HOST (127.0.0.1) and connects to GUEST
 * (10.0.2.15). By IPv6 the guest makes itself an address in fec0::/64, where
 * the gateway is fec0::2 and the name server fec0::3; forwards are IPv4's.
 */
#ifndef LULL_USER_NET_H
#define LULL_USER_NET_H

#include <stddef.h>

#include "lull/loop.h"
#include "lull/net.h"

struct lull_user_net;

/* NULL on failure, with one line for the user in `error`: also when this
 * program was built without libslirp. */
struct lull_user_net *lull_user_net_new(struct lull_loop *loop,
                                        const char *spec, char *error,
                                        size_t error_bytes);
/* On the loop's thread, or when the loop does not run. */
void lull_user_net_free(struct lull_user_net *net);
const struct lull_net *lull_user_net_net(const struct lull_user_net *net);

#endif
