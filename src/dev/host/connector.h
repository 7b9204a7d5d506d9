/* What the connector and its machine say to each other: messages of one size,
 * each written whole, over a pair of stream sockets. */
#ifndef LULL_DEV_CONNECTOR_H
#define LULL_DEV_CONNECTOR_H

#include <stdint.h>

/* There: please connect to that port. Back: done, with the descriptor beside
 * it when there is one. */
struct connector_message {
    uint64_t token;
    uint32_t port;
    uint32_t connected; /* back: 1 or 0 */
};

/* Send one, with a descriptor or -1. False: the other side is gone, or does
 * not keep up. */
int connector_send(int fd, const struct connector_message *message, int passed);
/* Receive one. 1: there it is; 0: nothing yet; -1: the other side is gone.
 * `*passed` is the caller's, or -1. */
int connector_receive(int fd, struct connector_message *message, int *passed);

#endif
