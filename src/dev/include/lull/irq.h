/*
 * An interrupt line: a function, a pointer and a number.
 *
 * A device drives a line level; what the level means (an SPI of a GIC, an
 * input of a test) is the owner's business. `set` may be called from any
 * thread and must not block for long; calling it with the level the line
 * already has is allowed and cheap.
 */
#ifndef LULL_IRQ_H
#define LULL_IRQ_H

#include <stdbool.h>
#include <stddef.h>

struct lull_irq {
    void (*set)(void *opaque, unsigned line, bool level);
    void *opaque;
    unsigned line;
};

/* Drive the line. A line without a function is not connected. */
static inline void lull_irq_set(const struct lull_irq *irq, bool level)
{
    if (irq->set != NULL)
        irq->set(irq->opaque, irq->line, level);
}

#endif
