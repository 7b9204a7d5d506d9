/*
 * The PL061 GPIO controller, Arm's PrimeCell: eight lines that the guest
 * reads, drives, or takes interrupts from.
 *
 * Outputs lead nowhere. One input can be pulsed from the host: a key that is
 * pressed.
 */
#ifndef LULL_PL061_H
#define LULL_PL061_H

#include <stdbool.h>
#include <stdint.h>

#include "lull/irq.h"
#include "lull/loop.h"
#include "lull/mmio.h"
#include "lull/state.h"

struct lull_pl061;

struct lull_pl061_config {
    uint64_t gpa;
    struct lull_irq irq;
    struct lull_loop *loop; /* for the key's way up; NULL: it stays down */
};

/* NULL and errno set: no memory, or no descriptor for the key's timer. */
struct lull_pl061 *lull_pl061_new(const struct lull_pl061_config *config);
/* On the loop's thread, or when the loop does not run. */
void lull_pl061_free(struct lull_pl061 *gpio);
void lull_pl061_reset(struct lull_pl061 *gpio);
/* Save or load, while no vCPU runs. After a load that went bad the device is
 * good for nothing but a reset. */
void lull_pl061_state(struct lull_pl061 *gpio, struct lull_state *state);
const struct lull_mmio *lull_pl061_mmio(const struct lull_pl061 *gpio);

/* Raise an input (0 to 7) for a tenth of a second. False, and nothing
 * happens: the guest takes no interrupts from it. */
bool lull_pl061_press(struct lull_pl061 *gpio, unsigned line);

#endif
