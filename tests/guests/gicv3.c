/* The guests' interrupt controller: enough of a GICv3 driver to test one. */
#include "bare.h"

void gic_start(void)
{
    mmio_write32(GICD, 1u << 4 | 1u << 1); /* affinity routing, group 1 */
    for (unsigned bank = 1; bank < 9; bank++) {
        mmio_write32(GICD + GIC_ICENABLER + 4 * bank, ~0u);
        mmio_write32(GICD + GIC_IGROUPR + 4 * bank, ~0u);
    }
    for (unsigned intid = 32; intid < 288; intid += 4)
        mmio_write32(GICD + GIC_IPRIORITYR + intid, 0xa0a0a0a0);
    gic_start_cpu();
}

void gic_start_cpu(void)
{
    uint64_t cpu = this_cpu()->number, frame = GICR_SGI(cpu);

    mmio_write32(GICR(cpu) + 0x14, mmio_read32(GICR(cpu) + 0x14) & ~2u);
    while (mmio_read32(GICR(cpu) + 0x14) & 4)
        ;
    mmio_write32(frame + GIC_ICENABLER, ~0u);
    mmio_write32(frame + GIC_IGROUPR, ~0u);
    for (unsigned intid = 0; intid < 32; intid += 4)
        mmio_write32(frame + GIC_IPRIORITYR + intid, 0xa0a0a0a0);
    /* As Linux does: QEMU's HVF accelerator asserts on a needless write. */
    if (!(READ(ICC_SRE) & 1))
        WRITE(ICC_SRE, READ(ICC_SRE) | 1);
    WRITE(ICC_CTLR, 0);
    WRITE(ICC_BPR1, 0);
    WRITE(ICC_PMR, 0xff);
    WRITE(ICC_IGRPEN1, 1);
}

/* Where this vCPU finds an array's bit or byte for an interrupt. */
static uint64_t frame_of(unsigned intid)
{
    return intid < 32 ? GICR_SGI(this_cpu()->number) : GICD;
}

void gic_set_bit(unsigned array, unsigned intid)
{
    mmio_write32(frame_of(intid) + array + intid / 32 * 4, 1u << intid % 32);
}

bool gic_bit(unsigned array, unsigned intid)
{
    uint32_t word = mmio_read32(frame_of(intid) + array + intid / 32 * 4);

    return word >> intid % 32 & 1;
}

void gic_enable(unsigned intid)
{
    gic_set_bit(GIC_ISENABLER, intid);
}

void gic_disable(unsigned intid)
{
    gic_set_bit(GIC_ICENABLER, intid);
}

void gic_priority(unsigned intid, uint8_t priority)
{
    mmio_write8(frame_of(intid) + GIC_IPRIORITYR + intid, priority);
}
