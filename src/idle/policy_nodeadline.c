/*
 * `nodeadline`: sleep until a kick and forget the timer. It is the first idea
 * for a repair, "mark the vCPU halted", without the second half. A guest that
 * waits for its timer hangs; kept to show that it does.
 */
#include "governor.h"

static struct gov_step nodeadline_select(struct gov *g, uint64_t now,
                                         uint64_t deadline)
{
    return (struct gov_step){GOV_PARK, IDLE_NO_DEADLINE};
}

const struct gov_policy policy_nodeadline = {.name = "nodeadline",
                                             .select = nodeadline_select};
