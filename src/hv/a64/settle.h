/*
 * When a guest has settled: it idles, and most of the code that was decoded
 * for it is that of its boot, or of work long done.
 *
 * Dropping all of it then costs some milliseconds, once, for decoding again
 * what the guest still runs. What is left is a tenth of the memory, and it lies
 * together: an idle guest's wake-ups touch fewer host pages.
 *
 * Time is cut into windows. One is quiet when the process hardly used the CPU
 * in it and little was decoded. After the first quiet window the code is
 * dropped; the next quiet one tells how much such a guest needs; and it is
 * dropped again only when it has grown to several times that.
 *
 * Numbers in, a verdict out; the caller has the lock that guards the structure.
 */
#ifndef LULL_A64_SETTLE_H
#define LULL_A64_SETTLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define A64_SETTLE_WINDOW_NS 30000000000ULL

struct a64_settle {
    uint64_t since_ns, cpu_ns; /* of the window's begin */
    size_t made;
    size_t kept;  /* pages that a settled guest had; 0: not known */
    bool dropped; /* and not yet known what is kept */
};

struct a64_settle_seen {
    uint64_t now_ns; /* a monotonic clock */
    uint64_t cpu_ns; /* of the whole process, since its start */
    size_t made;     /* pages made since the start */
    size_t pages;    /* pages there are */
};

/* Called when a window may be over. True: drop all code now. */
bool a64_settle_due(struct a64_settle *settle,
                    const struct a64_settle_seen *seen);

#endif
