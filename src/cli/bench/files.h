/*
 * The guest to measure: files of the cache that `lull guest fetch` fills, or
 * the user's own.
 */
#ifndef BENCH_FILES_H
#define BENCH_FILES_H

#include <stdbool.h>
#include <stddef.h>

/* The kernel and the full initrd of the cached guest `name`, to be freed.
 * False and one line in err: it is not there, and how to get it. */
bool files_of_guest(const char *name, char **kernel, char **initrd, char *err,
                    size_t err_bytes);

/* Can be read; else one line in err. */
bool files_readable(const char *path, char *err, size_t err_bytes);

#endif
