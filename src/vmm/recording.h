/*
 * Recording what the vCPUs do about their idleness (x-lull-trace).
 *
 * The rings are in a piece of shared memory that is handed to the client that
 * asks for a recording, and to one at a time: it takes the records out by
 * itself, so that no thread of the VM has more to do than to write them. The
 * VM opens no file and writes to none.
 *
 * All of it on the loop's thread.
 */
#ifndef LULL_VMM_RECORDING_H
#define LULL_VMM_RECORDING_H

#include <jansson.h>

#include "why.h"

struct lull_vm;

/* Who records: the address of something that lives as long as his connection,
 * and until then nobody else does. On success `*fd` is the memory's, to be
 * passed on and closed. NULL: see why. */
json_t *recording_start(struct lull_vm *vm, const void *who, int *fd,
                        struct why *why);
/* NULL: it is not `who` who records. */
json_t *recording_stop(struct lull_vm *vm, const void *who, struct why *why);
json_t *recording_status(struct lull_vm *vm);
/* His connection is gone; if he recorded, that is over. */
void recording_gone(struct lull_vm *vm, const void *who);
/* After the vCPUs. */
void recording_free(struct lull_vm *vm);

#endif
