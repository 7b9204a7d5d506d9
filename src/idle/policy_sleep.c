/*
 * `sleep`: after 15 s, sleep `us` on every WFI, whatever it waits for, and let
 * nothing cut that short. The first work-around for a WFI that returned at
 * once: every interrupt is late by up to `us`, and an idle vCPU wakes
 * thousands of times a second.
 */
#include "governor.h"

#define GRACE_NS 15000000000ULL

static struct gov_step sleep_select(struct gov *g, uint64_t now,
                                    uint64_t deadline)
{
    if (now - g->born_ns < GRACE_NS)
        return (struct gov_step){GOV_RETURN, now};
    return gov_sleep(now, g->policy.sleep_us * 1000ULL);
}

static const char *const sleep_keys[] = {"us", NULL};

const struct gov_policy policy_sleep = {
    .name = "sleep", .keys = sleep_keys, .select = sleep_select};
