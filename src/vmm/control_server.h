/*
 * The control socket's server side: QMP for one VM, on the loop's thread.
 */
#ifndef LULL_VMM_CONTROL_SERVER_H
#define LULL_VMM_CONTROL_SERVER_H

#include <jansson.h>
#include <stdbool.h>

#include "why.h"

struct control;
struct lull_vm;

/* Listen. NULL: see why; nothing is left behind. */
struct control *control_new(struct lull_vm *vm, struct why *why);
/* Close all connections, remove the socket. */
void control_free(struct control *control);

/* Tell every client; `data` is consumed and may be NULL. On the loop's
 * thread; with control NULL nothing happens. */
void control_event(struct control *control, const char *event, json_t *data);

/* stats.c: everything x-lull-stats answers. */
json_t *stats_json(struct lull_vm *vm);

#endif
