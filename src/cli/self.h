/*
 * The running program's own file.
 */
#ifndef LULL_CLI_SELF_H
#define LULL_CLI_SELF_H

#include <stdbool.h>
#include <stddef.h>

/* Its path, without symbolic links; false where the host does not say. */
bool self_path(char *out, size_t out_bytes);

#endif
