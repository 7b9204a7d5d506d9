/*
 * A folder of the host's that a guest sees: the host side of a virtio-fs
 * device. It answers FUSE requests, one at a time, by system calls below the
 * folder; nothing outside it can be named, whatever the guest asks for.
 *
 *   DIR:TAG[,ro]
 *
 * The guest sees owners and modes as they are on the host. What it does is
 * done as the host's user who runs the machine: files it makes are that user's,
 * and what that user may not do, the guest's root may not do either.
 */
#ifndef LULL_SHARE_H
#define LULL_SHARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

enum {
    LULL_SHARE_TAG_MAX = 36,    /* bytes; virtio 1.2, section 5.11.4 */
    LULL_SHARE_SPANS_MAX = 256, /* on either side of a message */
};

struct lull_share;

/* A request and where its answer goes. The server uses the spans up. */
struct lull_share_message {
    struct iovec out[LULL_SHARE_SPANS_MAX]; /* from the driver */
    struct iovec in[LULL_SHARE_SPANS_MAX];  /* to the driver */
    unsigned outs, ins;
};

struct lull_share_stats {
    uint64_t requests, errors; /* errors: answers that were one */
    uint64_t read_bytes, written_bytes;
    uint64_t nodes; /* files and folders the guest has in mind, now */
    uint64_t open;  /* those it has open */
};

/* How many descriptors this process can have for shares, after its limit was
 * raised as far as that goes. */
unsigned lull_share_descriptors(void);

/*
 * Open the folder; `descriptors` bounds what the share will open. NULL on
 * failure, with one line for the user in `error`.
 */
struct lull_share *lull_share_new(const char *spec, unsigned descriptors,
                                  char *error, size_t error_bytes);
/* NULL is nothing. */
void lull_share_free(struct lull_share *share);

const char *lull_share_dir(const struct lull_share *share);
const char *lull_share_tag(const struct lull_share *share);
bool lull_share_read_only(const struct lull_share *share);

enum lull_share_result {
    LULL_SHARE_ANSWERED,
    LULL_SHARE_SILENT, /* requests of this kind get no answer */
    LULL_SHARE_BROKEN, /* no request, or no room for an answer */
};

/*
 * Answer a request. Never two at once, nor beside lull_share_reset; the guest
 * may change its memory meanwhile. `written`: bytes of the answer.
 */
enum lull_share_result lull_share_serve(struct lull_share *share,
                                        struct lull_share_message *message,
                                        uint32_t *written);
/* The guest's driver is gone: forget what it had open. */
void lull_share_reset(struct lull_share *share);

/* Any thread, at any time. */
struct lull_share_stats lull_share_stats(const struct lull_share *share);

#endif
