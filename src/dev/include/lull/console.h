/*
 * Host back ends for a byte channel: where a guest's console goes.
 *
 *   stdio       standard input and output. A terminal is put into raw mode
 *               and Ctrl-A becomes the escape key: Ctrl-A x ends the VM,
 *               Ctrl-A h says so, Ctrl-A Ctrl-A is a Ctrl-A for the guest.
 *               Pipes and files pass every byte as it is.
 *   none        output is thrown away, no input
 *   file:PATH   output to a file, truncated first; no input
 *   unix:PATH   a socket to connect to; one client at a time. What was said
 *               with nobody there (the last 64 KiB) is told to the next one.
 *
 * What is written after silence goes to a terminal, a pipe or a socket at once.
 * What follows gathers, for an eighth of a millisecond (a whole one where much
 * comes, or in a file), and is written by the loop's thread: a line costs two
 * system calls, not eighty. A host that stops reading stops the guest's output,
 * nothing else; a host that went away makes it disappear. The end of the input
 * ends the watching of it.
 *
 * The terminal is restored by lull_console_free, at exit(), and before the
 * process dies of a signal that nobody else handles (SIGHUP, SIGINT, SIGQUIT,
 * SIGTERM, SIGABRT, SIGSEGV, SIGBUS, SIGILL, SIGFPE); it follows SIGTSTP and
 * SIGCONT. SIGKILL cannot be followed. SIGPIPE is ignored from the first
 * console on.
 */
#ifndef LULL_CONSOLE_H
#define LULL_CONSOLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lull/chardev.h"
#include "lull/loop.h"

struct lull_console;

struct lull_console_config {
    struct lull_loop *loop;
    /* Ctrl-A x was typed; on the loop's thread. NULL: it does nothing. */
    void (*quit)(void *opaque);
    /* A clock that never goes back; any thread. NULL: the host's. */
    uint64_t (*now_ns)(void *opaque);
    void *opaque;
};

struct lull_console_stats {
    uint64_t out_bytes;
    uint64_t out_writes; /* system calls they took */
    uint64_t in_bytes;
    uint64_t lost_bytes; /* output nobody could take, type-ahead overrun */
};

/* NULL on failure, with one line for the user in `error`. */
struct lull_console *lull_console_new(const struct lull_console_config *config,
                                      const char *spec, char *error,
                                      size_t error_bytes);

/* The same over descriptors that stay the caller's; -1 for none. */
struct lull_console *
lull_console_new_fds(const struct lull_console_config *config, int in_fd,
                     int out_fd);

/*
 * Write out what is buffered (waiting while the host takes it, giving up
 * after a second in which it takes nothing), restore the terminal, free. On
 * the loop's thread, or when the loop does not run.
 */
void lull_console_free(struct lull_console *console);

const struct lull_chardev *
lull_console_chardev(const struct lull_console *console);
struct lull_console_stats lull_console_stats(struct lull_console *console);

/* Give the terminal back as it was found; async-signal-safe, idempotent. */
void lull_console_restore_terminal(void);

#endif
