/*
 * Containment: once a machine is built, its process keeps what running it
 * takes and gives up the rest for good, so that a guest that breaks out of a
 * device's code finds neither files nor programs.
 *
 * One file per platform. On Linux a Landlock ruleset says which names can
 * still be opened, a seccomp filter which system calls can still be made, and
 * no privilege comes back through exec. What is open already stays usable.
 */
#ifndef LULL_VMM_SANDBOX_H
#define LULL_VMM_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>

#include "why.h"

enum sandbox_rights {
    SANDBOX_READ = 1,   /* a file's contents, a directory's names */
    SANDBOX_WRITE = 2,  /* a file's contents */
    SANDBOX_REMOVE = 4, /* names in a directory, of files and sockets */
    SANDBOX_MAKE = 8,   /* names in a directory, all kinds but devices */
};

/* A name, and for a directory everything below it. */
struct sandbox_rule {
    const char *path;
    unsigned rights;
};

/* The calls that shared folders take; the names are rules' business. */
enum sandbox_shares {
    SANDBOX_NO_SHARES,
    SANDBOX_READ_SHARES,
    SANDBOX_WRITE_SHARES,
};

struct sandbox_config {
    const struct sandbox_rule *rules;
    size_t rule_count;
    bool network; /* user networking: TCP and UDP sockets */
    /* Rings that exist; what they may do is their maker's to restrict. */
    bool io_uring;
    /* New Unix sockets, connected to whoever listens: nothing can tell them
     * apart by name. */
    bool unix_sockets;
    enum sandbox_shares shares;
};

/*
 * Contain the calling thread and all it makes from here on; the seccomp filter
 * covers threads that exist already, Landlock does not, so call it before
 * there are any. A rule's path that does not exist is no error, and gives
 * nothing. What this host's kernel cannot do is left out, and `in_force` names
 * what was done: "landlock,seccomp", "seccomp", or "none".
 * False: something that should work did not, and `why` says what.
 */
bool sandbox_enter(const struct sandbox_config *config, const char **in_force,
                   struct why *why);

#endif
