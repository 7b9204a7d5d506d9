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
#include <stdint.h>

struct lull_irq {
    void (*set)(void *opaque, unsigned line, bool level);
    void *opaque;
    unsigned line;
    /* Either may be NULL, then both are. As `set`, but nobody is woken for it
     * before `wake` is given the result, which can be put off and or-ed with
     * others: whoever holds a lock that the woken wants first lets go of it. */
    uint64_t (*set_quietly)(void *opaque, unsigned line, bool level);
    void (*wake)(void *opaque, uint64_t whom);
};

/* Drive the line. A line without a function is not connected. */
static inline void lull_irq_set(const struct lull_irq *irq, bool level)
{
    if (irq->set != NULL)
        irq->set(irq->opaque, irq->line, level);
}

/* What is to be handed to lull_irq_wake. */
static inline uint64_t lull_irq_set_quietly(const struct lull_irq *irq,
                                            bool level)
{
    if (irq->set_quietly != NULL)
        return irq->set_quietly(irq->opaque, irq->line, level);
    lull_irq_set(irq, level);
    return 0;
}

static inline void lull_irq_wake(const struct lull_irq *irq, uint64_t whom)
{
    if (whom != 0)
        irq->wake(irq->opaque, whom);
}

#endif
