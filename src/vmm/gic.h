/*
 * The interrupt controller: a GICv3 with one security state and affinity
 * routing, as a Linux guest or a bare-metal program sees it.
 *
 * The distributor and the redistributors are MMIO windows; the CPU interface
 * is the ICC_*_EL1 system registers, which trap to us. Interrupts come in by
 * level (gic_set_spi, gic_set_ppi) or from the guest itself (SGIs, pending
 * bits). What goes out is two lines per vCPU, IRQ for Group 1 and FIQ for
 * Group 0, and a kick when one of them rises. Nothing here waits, polls or
 * keeps time.
 *
 * Every function may be called from any thread, except gic_new, gic_free and
 * gic_reset (no vCPU running).
 */
#ifndef LULL_VMM_GIC_H
#define LULL_VMM_GIC_H

#include <stdbool.h>
#include <stdint.h>

#include "lull/mmio.h"

#define GIC_DISTRIBUTOR_GPA 0x08000000ULL
#define GIC_DISTRIBUTOR_BYTES 0x10000ULL
#define GIC_REDISTRIBUTOR_GPA 0x080a0000ULL
#define GIC_REDISTRIBUTOR_BYTES 0x20000ULL /* for each vCPU */

enum {
    GIC_CPUS_MAX = 64,
    GIC_PPI_BASE = 16,
    GIC_SPI_BASE = 32,
    GIC_INTIDS = 288, /* 0-31 per vCPU, 32-287 shared */
};

struct gic;

struct gic_config {
    unsigned cpus;         /* 1 .. GIC_CPUS_MAX */
    const uint64_t *mpidr; /* one MPIDR_EL1 per vCPU; copied */
    /*
     * vCPU `cpu` has an interrupt to take: a line of gic_lines(cpu) rose.
     * Called without the GIC's lock held, on whatever thread caused it; not
     * called when the vCPU itself did by a system register access, for it
     * looks at gic_lines before it enters the guest again.
     */
    void (*kick)(void *opaque, unsigned cpu);
    void *opaque;
};

/* NULL and errno set: ENOMEM, or EINVAL for a vCPU count out of range or two
 * vCPUs with one affinity. */
struct gic *gic_new(const struct gic_config *config);
void gic_free(struct gic *gic);

/* The state after power-on; input lines keep their level. */
void gic_reset(struct gic *gic);

/* Save, or load into one with as many vCPUs, while none runs. Nobody is
 * kicked. After a load that went bad it is good for a reset only. */
struct lull_state;
void gic_state(struct gic *gic, struct lull_state *state);

/* The windows live as long as the GIC. */
const struct lull_mmio *gic_distributor(const struct gic *gic);
const struct lull_mmio *gic_redistributors(const struct gic *gic);

/* Drive an input line. An interrupt that does not exist is ignored. A PPI is
 * for the vCPU's own thread to drive: it looks before it runs the guest or
 * waits, so nobody is kicked. */
void gic_set_spi(struct gic *gic, unsigned intid, bool level);
void gic_set_ppi(struct gic *gic, unsigned cpu, unsigned intid, bool level);

/* gic_set_spi in the shape of lull_irq's function: opaque is the GIC, line
 * the INTID. */
void gic_irq_line(void *gic, unsigned line, bool level);
/* And of its other two. */
uint64_t gic_irq_line_quietly(void *gic, unsigned line, bool level);
void gic_irq_wake(void *gic, uint64_t whom);

/*
 * The lines to this vCPU that are asserted, never both: one is signalled for
 * the interrupt of the highest priority. One atomic load with acquire order:
 * an asserted line means that the interrupt's cause is visible too.
 */
enum { GIC_LINE_IRQ = 1 << 0, GIC_LINE_FIQ = 1 << 1 };
unsigned gic_lines(const struct gic *gic, unsigned cpu);

/* Any of them. */
static inline bool gic_pending(const struct gic *gic, unsigned cpu)
{
    return gic_lines(gic, cpu) != 0;
}

/*
 * A trapped access to a CPU interface register by vCPU `cpu`. `reg` is the
 * framework's encoding: op0<<14 | op1<<11 | CRn<<7 | CRm<<3 | op2. False: not
 * a register of this GIC, or not accessible in that direction; the guest
 * gets an undefined instruction.
 */
bool gic_sysreg_read(struct gic *gic, unsigned cpu, uint16_t reg,
                     uint64_t *value);
bool gic_sysreg_write(struct gic *gic, unsigned cpu, uint16_t reg,
                      uint64_t value);

#endif
