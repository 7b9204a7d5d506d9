/*
 * For tests of devices: a host that takes as much as it is told to, and an
 * interrupt line that remembers.
 */
#ifndef LULL_DEV_FAKE_HOST_H
#define LULL_DEV_FAKE_HOST_H

#include <stdbool.h>
#include <string.h>

#include "lull/chardev.h"
#include "lull/irq.h"

enum { FAKE_SLACK = 4 }; /* taken beyond the room promised */

struct fake_host {
    struct lull_chardev chardev;
    struct lull_chardev_user user;
    uint8_t out[1 << 16];
    size_t out_len;
    size_t room;
    size_t slack;
    unsigned resumes;
};

static inline size_t fake_write(void *opaque, const uint8_t *bytes, size_t len)
{
    struct fake_host *host = opaque;
    size_t most = host->room + host->slack;
    size_t taken = len < most ? len : most;

    memcpy(host->out + host->out_len, bytes, taken);
    host->out_len += taken;
    host->slack -= taken > host->room ? taken - host->room : 0;
    host->room -= taken < host->room ? taken : host->room;
    return taken;
}

static inline size_t fake_room(void *opaque)
{
    return ((struct fake_host *)opaque)->room;
}

static inline void fake_resume(void *opaque)
{
    ((struct fake_host *)opaque)->resumes++;
}

static inline void fake_attach(void *opaque,
                               const struct lull_chardev_user *user)
{
    struct fake_host *host = opaque;

    if (user != NULL)
        host->user = *user;
    else
        memset(&host->user, 0, sizeof(host->user));
}

static inline void fake_host_init(struct fake_host *host)
{
    *host = (struct fake_host){
        .chardev = {fake_write, fake_room, fake_resume, fake_attach, host},
        .room = 4096,
        .slack = FAKE_SLACK,
    };
}

static inline size_t fake_type(struct fake_host *host, const char *text)
{
    return host->user.receive(host->user.opaque, (const uint8_t *)text,
                              strlen(text));
}

struct fake_line {
    bool level;
    unsigned rises;
};

static inline void fake_set(void *opaque, unsigned line, bool level)
{
    struct fake_line *fake = opaque;

    fake->rises += level && !fake->level;
    fake->level = level;
}

static inline struct lull_irq fake_irq(struct fake_line *line)
{
    return (struct lull_irq){.set = fake_set, .opaque = line};
}

#endif
