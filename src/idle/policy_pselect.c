/*
 * `pselect`: sleep until the deadline or a kick, but return at once when less
 * than 2 ms remain. What QEMU did up to 10.2: a guest with a 1000 Hz tick
 * never sleeps.
 */
#include "governor.h"

enum { LEAST_NS = 2000000 };

static struct gov_step pselect_select(struct gov *g, uint64_t now,
                                      uint64_t deadline)
{
    if (deadline - now < LEAST_NS)
        return (struct gov_step){GOV_RETURN, now};
    return (struct gov_step){GOV_PARK, deadline};
}

const struct gov_policy policy_pselect = {.name = "pselect",
                                          .select = pselect_select};
