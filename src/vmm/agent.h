/*
 * The host's end of the port org.qemu.guest_agent.0, where a guest that has
 * QEMU's guest agent (a package of most distributions) listens for commands.
 * There is one that we have for it: set the time of day.
 *
 * Everything on the loop's thread, but for what the port calls.
 */
#ifndef LULL_VMM_AGENT_H
#define LULL_VMM_AGENT_H

#include <stdint.h>

#include "lull/chardev.h"
#include "lull/loop.h"

#define AGENT_PORT "org.qemu.guest_agent.0"

enum { AGENT_REFUSAL_BYTES = 128 };

struct agent;

/* `now_ns` is the wall clock; NULL: the host's. NULL: no memory. */
struct agent *agent_new(struct lull_loop *loop, uint64_t (*now_ns)(void));
void agent_free(struct agent *agent);
const struct lull_chardev *agent_chardev(const struct agent *agent);

/* The guest's time of day is wrong: tell it as soon as somebody listens. With
 * agent NULL nothing happens. */
void agent_set_time(struct agent *agent);

struct agent_stats {
    uint64_t told;                     /* commands that went to the guest */
    uint64_t answers;                  /* lines that came back for them */
    uint64_t refused;                  /* of these, errors */
    char refusal[AGENT_REFUSAL_BYTES]; /* what the last error said, or "" */
};

struct agent_stats agent_stats(struct agent *agent);

#endif
