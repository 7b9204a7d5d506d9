/*
 * A snapshot file, before there is a machine to restore from it: what `lull
 * run` was told when the machine was made.
 */
#ifndef LULL_SNAPSHOT_H
#define LULL_SNAPSHOT_H

#include <stddef.h>

struct lull_snapshot;

/* NULL: why the file is refused, one line naming it, in err. */
struct lull_snapshot *lull_snapshot_open(const char *path, char *err,
                                         size_t err_bytes);
/* After the machine that was restored from it, if there is one. */
void lull_snapshot_free(struct lull_snapshot *snapshot);

/* The options of `lull run`, each "name=value" or "name", without dashes. They
 * live as long as the snapshot. Untrusted, as all of the file. */
size_t lull_snapshot_arguments(const struct lull_snapshot *snapshot,
                               const char *const **arguments);

#endif
