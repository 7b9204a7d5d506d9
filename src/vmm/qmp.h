/*
 * The commands of the control protocol: a message in, a message out. QMP's
 * names and forms; QEMU's documentation describes them.
 */
#ifndef LULL_VMM_QMP_H
#define LULL_VMM_QMP_H

#include <jansson.h>
#include <stdbool.h>

struct lull_vm;

/* What a client is told first. The caller frees the result, as of all here. */
json_t *qmp_greeting(void);

/* One client's connection. */
struct qmp_session {
    bool negotiated; /* qmp_capabilities was said; before, nothing is allowed */
    int given_fd;    /* the last one that came, not taken yet; -1: none */
    int pass_fd;     /* to go with the answer, and be closed then; -1: none */
};

/* The answer to one message. */
json_t *qmp_answer(struct lull_vm *vm, struct qmp_session *session,
                   const json_t *message);

/* An error for the command with this id (or NULL). */
__attribute__((format(printf, 3, 4))) json_t *
qmp_error(const json_t *id, const char *class, const char *format, ...);

/* An event; `data` stays the caller's and may be NULL. */
json_t *qmp_event(const char *event, json_t *data);

#endif
