/*
 * The PL031 real-time clock, Arm's PrimeCell: seconds since 1970 in a
 * register, and an alarm.
 */
#ifndef LULL_PL031_H
#define LULL_PL031_H

#include <stdint.h>

#include "lull/irq.h"
#include "lull/loop.h"
#include "lull/mmio.h"
#include "lull/state.h"

struct lull_pl031;

struct lull_pl031_config {
    uint64_t gpa;
    struct lull_irq irq;
    struct lull_loop *loop; /* NULL: the alarm never rings */
    /* Wall-clock time; NULL: the host's. */
    uint64_t (*now_ns)(void *opaque);
    void *opaque;
};

/* NULL and errno set: no memory, or no descriptor for the alarm. */
struct lull_pl031 *lull_pl031_new(const struct lull_pl031_config *config);
/* On the loop's thread, or when the loop does not run. */
void lull_pl031_free(struct lull_pl031 *rtc);
void lull_pl031_reset(struct lull_pl031 *rtc);
/* Save or load, while no vCPU runs. After a load that went bad the device is
 * good for nothing but a reset. */
void lull_pl031_state(struct lull_pl031 *rtc, struct lull_state *state);
const struct lull_mmio *lull_pl031_mmio(const struct lull_pl031 *rtc);

#endif
