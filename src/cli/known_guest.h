/*
 * Guests by name, as `lull guest fetch` keeps them: `lull run debian`.
 */
#ifndef LULL_CLI_KNOWN_GUEST_H
#define LULL_CLI_KNOWN_GUEST_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

struct known_guest {
    char kernel[PATH_MAX], initrd[PATH_MAX];
    char append[256]; /* what the guest's own manifest asks for */
    bool reference;   /* the guest of the project: its init takes lull.ssh */
};

/* Find `name`, "debian-cloud" or only "debian"; fetch it when it is not there
 * and can be fetched. False: one line was printed, for `lull run`. */
bool known_guest_find(const char *name, struct known_guest *guest);

/* The disk that `name` keeps its data on, made when it is not there: sparse,
 * in the user's data directory. False: one line was printed. */
bool known_guest_disk(const char *name, char *path, size_t path_bytes);

#endif
