/*
 * Any sequence of accesses and lines against the GIC. The lines to a vCPU and
 * what its acknowledges return must agree at every step: IRQ is Group 1's, FIQ
 * Group 0's.
 */
#include <stdlib.h>

#include "fuzz_input.h"
#include "gic.h"

enum { CPUS = 3, IAR0 = 0xc640, IAR1 = 0xc660, SPURIOUS = 1023 };

static struct gic *gic;

static void kick(void *opaque, unsigned cpu)
{
    if (!gic_pending(gic, cpu))
        abort();
}

static void mmio(const struct lull_mmio *window, struct fuzz_input *in)
{
    uint64_t offset = fuzz_take(in, 3) % window->size_bytes;
    unsigned what = (unsigned)fuzz_take(in, 1);
    unsigned width = 1U << (what & 3);

    if (offset + width > window->size_bytes)
        return;
    if (what & 4)
        window->read(window->dev, offset, width);
    else
        window->write(window->dev, offset, width, fuzz_take(in, width));
}

static void acknowledge(unsigned cpu, bool fiq)
{
    unsigned line = fiq ? GIC_LINE_FIQ : GIC_LINE_IRQ;
    bool pending = (gic_lines(gic, cpu) & line) != 0;
    uint64_t intid;

    if (!gic_sysreg_read(gic, cpu, fiq ? IAR0 : IAR1, &intid) ||
        pending != (intid != SPURIOUS) || (pending && intid >= GIC_INTIDS))
        abort();
}

static void step(struct fuzz_input *in)
{
    unsigned what = (unsigned)fuzz_take(in, 1);
    unsigned cpu = (what >> 4) % CPUS;
    uint64_t value;

    switch (what & 7) {
    case 0:
        mmio(gic_distributor(gic), in);
        break;
    case 1:
        mmio(gic_redistributors(gic), in);
        break;
    case 2:
        value = fuzz_take(in, 2);
        gic_set_spi(gic, value & 0x1ff, value >> 15);
        break;
    case 3:
        value = fuzz_take(in, 1);
        gic_set_ppi(gic, cpu, value & 0x3f, value >> 7);
        break;
    case 4: /* near the registers that exist */
        value = fuzz_take(in, 1);
        gic_sysreg_write(gic, cpu, 0xc600 | (uint16_t)value, fuzz_take(in, 8));
        break;
    case 5:
        gic_sysreg_read(gic, cpu, (uint16_t)fuzz_take(in, 2), &value);
        break;
    case 6: /* ICC_PMR_EL1 */
        gic_sysreg_write(gic, cpu, 0xc230, fuzz_take(in, 1));
        break;
    default:
        acknowledge(cpu, what & 8);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint64_t mpidr[CPUS] = {0, 1, 0x100};
    struct gic_config config = {.cpus = CPUS, .mpidr = mpidr, .kick = kick};
    struct fuzz_input in = {data, size};

    if (gic == NULL)
        gic = gic_new(&config);
    for (unsigned i = 0; i < GIC_INTIDS; i++)
        gic_set_spi(gic, i, false);
    gic_reset(gic);
    while (in.left != 0)
        step(&in);
    return 0;
}
