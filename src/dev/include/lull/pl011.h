/*
 * The PL011 UART, Arm's PrimeCell: a serial port of 64 registers in 4 KiB.
 *
 * Baud rate, parity and modem lines are stored and have no effect. Output
 * goes to the chardev at once; input waits in a FIFO of 32.
 */
#ifndef LULL_PL011_H
#define LULL_PL011_H

#include <stdint.h>

#include "lull/chardev.h"
#include "lull/irq.h"
#include "lull/mmio.h"
#include "lull/state.h"

struct lull_pl011;

struct lull_pl011_stats {
    uint64_t tx_bytes;
    uint64_t rx_bytes;
    uint64_t tx_lost_bytes; /* written by a guest that ignored TXFF */
};

/* The chardev stays the caller's and must outlive the device. NULL: no
 * memory. */
struct lull_pl011 *lull_pl011_new(uint64_t gpa, struct lull_irq irq,
                                  const struct lull_chardev *chardev);
void lull_pl011_free(struct lull_pl011 *uart);
void lull_pl011_reset(struct lull_pl011 *uart);
/* Save or load, while no vCPU runs. After a load that went bad the device is
 * good for nothing but a reset. */
void lull_pl011_state(struct lull_pl011 *uart, struct lull_state *state);
const struct lull_mmio *lull_pl011_mmio(const struct lull_pl011 *uart);
struct lull_pl011_stats lull_pl011_stats(struct lull_pl011 *uart);

#endif
