/*
 * `halt`: sleep until the deadline or a kick, with no margin and no polling.
 * What a monitor does that simply blocks and arms a timer; every guest timer
 * is late by the host's wake-up.
 */
#include "governor.h"

static struct gov_step halt_select(struct gov *g, uint64_t now,
                                   uint64_t deadline)
{
    return (struct gov_step){GOV_PARK, deadline};
}

const struct gov_policy policy_halt = {.name = "halt", .select = halt_select};
