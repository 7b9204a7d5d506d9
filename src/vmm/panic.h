/*
 * A byte channel that listens in: it passes everything through and notices
 * when a Linux kernel says on its console that it panicked.
 */
#ifndef LULL_VMM_PANIC_H
#define LULL_VMM_PANIC_H

#include <stdbool.h>

#include "lull/chardev.h"

struct panic_watch;

/*
 * Between the device and `host`, which must outlive it. `panicked` is called
 * for the line that begins a panic, and again with dead set for the one that
 * says that the kernel has stopped for good (it does not when it is going to
 * reset). On whatever thread writes. NULL: no memory.
 */
struct panic_watch *panic_watch_new(const struct lull_chardev *host,
                                    void (*panicked)(void *opaque, bool dead),
                                    void *opaque);
void panic_watch_free(struct panic_watch *watch);
const struct lull_chardev *panic_watch_chardev(const struct panic_watch *w);

#endif
