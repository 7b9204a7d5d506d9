/*
 * A byte channel between a device (a UART, a virtio console) and the host (a
 * terminal, a pipe, a socket).
 *
 * Both directions push back: the host says when it has enough, the device
 * takes what it has room for. Nobody blocks.
 */
#ifndef LULL_CHARDEV_H
#define LULL_CHARDEV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The device's end. Called on the loop's thread, no lock of the host's held. */
struct lull_chardev_user {
    /* Bytes from the host: returns how many were taken. After fewer than
     * `len`, nothing comes until the device calls `resume`. */
    size_t (*receive)(void *opaque, const uint8_t *bytes, size_t len);
    /* There is room again after `room` had returned 0. */
    void (*drained)(void *opaque);
    void *opaque;
    /* Somebody is at the host's end from now on, or nobody is; also once when
     * the device is attached. NULL: it is all the same to the device. */
    void (*peer)(void *opaque, bool there);
};

/* The host's end. Any thread may call, also with the device's lock held. */
struct lull_chardev {
    /*
     * Take bytes for the host: returns how many were taken, at least what
     * `room` promised. It takes more than that, for guests that do not look
     * at flow control, but not without bound: what is not taken is lost.
     */
    size_t (*write)(void *host, const uint8_t *bytes, size_t len);
    /* How many bytes are welcome now; after 0, `drained` will be called. */
    size_t (*room)(void *host);
    /* The device has room to receive again. Cheap when it never stopped. */
    void (*resume)(void *host);
    /* One device, before the loop runs; NULL when the device goes away. */
    void (*attach)(void *host, const struct lull_chardev_user *user);
    void *host;
};

#endif
