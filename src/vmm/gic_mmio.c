/*
 * The GIC's memory-mapped registers: the distributor's and, for each vCPU, a
 * redistributor's two frames.
 *
 * The arrays of one bit per interrupt lie at a stride of 0x80 in both, so one
 * pair of functions serves them all. Accesses are 32 bits wide, except that
 * priorities may be read and written by the byte and IROUTER and GICR_TYPER
 * by 64 bits; anything else reads as zero and writes nothing, as do reserved
 * registers and interrupts that do not exist.
 */
#include "gic_state.h"
#include "lull/bits.h"

enum {
    GICD_CTLR = 0x0000,
    GICD_TYPER = 0x0004,
    GICD_IIDR = 0x0008,
    GICD_IROUTER = 0x6000,

    GICR_CTLR = 0x0000,
    GICR_IIDR = 0x0004,
    GICR_TYPER = 0x0008,
    GICR_WAKER = 0x0014,
    GICR_SGI_FRAME = 0x10000,

    /* In the distributor and in the redistributor's second frame */
    GIC_BIT_ARRAYS = 0x0080,
    GIC_IPRIORITYR = 0x0400,
    GIC_IPRIORITYR_END = 0x0800,
    GIC_ICFGR = 0x0c00,
    GIC_ICFGR_END = 0x0d00,

    GIC_ID_REGISTERS = 0xffd0,

    CTLR_ENABLE_GROUP0 = 1 << 0,
    CTLR_ENABLE_GROUP1 = 1 << 1,
    CTLR_ARE = 1 << 4, /* affinity routing, always on */
    CTLR_DS = 1 << 6,  /* one security state */

    WAKER_PROCESSOR_SLEEP = 1 << 1,
    WAKER_CHILDREN_ASLEEP = 1 << 2,
};

/* Product 'L' of Arm's implementer code, which guests know for a GIC. */
#define GIC_IIDR 0x4c00043bU

/* offset / 0x80 of the arrays of one bit per interrupt */
enum bit_array {
    IGROUPR = 1,
    ISENABLER,
    ICENABLER,
    ISPENDR,
    ICPENDR,
    ISACTIVER,
    ICACTIVER,
};

static uint32_t read_bits(const struct gic_bank *bank, enum bit_array array)
{
    switch (array) {
    case IGROUPR:
        return bank->group;
    case ISENABLER:
    case ICENABLER:
        return bank->enabled;
    case ISPENDR:
    case ICPENDR:
        return gic_bank_pending(bank);
    case ISACTIVER:
    case ICACTIVER:
        return bank->active;
    }
    return 0;
}

static void write_bits(struct gic_bank *bank, enum bit_array array,
                       uint32_t value)
{
    switch (array) {
    case IGROUPR:
        bank->group = value;
        break;
    case ISENABLER:
        bank->enabled |= value;
        break;
    case ICENABLER:
        bank->enabled &= ~value;
        break;
    case ISPENDR:
        bank->latch |= value;
        break;
    case ICPENDR: /* a level-sensitive line that is high stays pending */
        bank->latch &= ~value;
        break;
    case ISACTIVER:
        bank->active |= value;
        break;
    case ICACTIVER:
        bank->active &= ~value;
        break;
    }
}

static uint32_t read_priorities(const struct gic_bank *bank, unsigned first,
                                unsigned count)
{
    uint32_t value = 0;

    for (unsigned i = 0; i < count; i++)
        value |= (uint32_t)bank->priority[first + i] << (8 * i);
    return value;
}

static void write_priorities(struct gic_bank *bank, unsigned first,
                             unsigned count, uint32_t value)
{
    for (unsigned i = 0; i < count; i++)
        bank->priority[first + i] = value >> (8 * i) & GIC_PRIORITY_MASK;
}

/* ICFGR has two bits for an interrupt; the upper one says edge. */
static uint32_t read_config(const struct gic_bank *bank, unsigned half)
{
    uint32_t value = 0;

    for (unsigned i = 0; i < 16; i++)
        value |= bit(bank->edge, 16 * half + i) << (2 * i + 1);
    return value;
}

static void write_config(struct gic_bank *bank, unsigned half, uint32_t value)
{
    for (unsigned i = 0; i < 16; i++) {
        uint32_t mask = 1U << (16 * half + i);

        if (bit(value, 2 * i + 1))
            bank->edge |= mask;
        else
            bank->edge &= ~mask;
    }
}

/*
 * The distributor has these registers for all shared banks, a redistributor
 * for its private one. A bank_at finds the bank; NULL means RAZ/WI.
 */
typedef struct gic_bank *bank_at(struct gic *gic, unsigned owner, unsigned n);

static struct gic_bank *shared_bank(struct gic *gic, unsigned unused,
                                    unsigned n)
{
    return n >= 1 && n < GIC_BANKS ? &gic->bank[n] : NULL;
}

static struct gic_bank *private_bank(struct gic *gic, unsigned cpu, unsigned n)
{
    return n == 0 ? &gic->cpu[cpu].private_bank : NULL;
}

static uint32_t banked_read(struct gic *gic, bank_at *at, unsigned owner,
                            unsigned offset, unsigned width)
{
    struct gic_bank *bank;

    if (offset >= GIC_IPRIORITYR && offset < GIC_IPRIORITYR_END) {
        bank = at(gic, owner, (offset - GIC_IPRIORITYR) / 32);
        if (bank == NULL || (width != 1 && width != 4))
            return 0;
        return read_priorities(bank, offset % 32, width);
    }
    if (width != 4)
        return 0;
    if (offset >= GIC_BIT_ARRAYS && offset < GIC_IPRIORITYR) {
        bank = at(gic, owner, offset % 0x80 / 4);
        return bank == NULL ? 0 : read_bits(bank, offset / 0x80);
    }
    if (offset >= GIC_ICFGR && offset < GIC_ICFGR_END) {
        bank = at(gic, owner, (offset - GIC_ICFGR) / 8);
        return bank == NULL ? 0 : read_config(bank, offset / 4 % 2);
    }
    return 0;
}

static void banked_write(struct gic *gic, bank_at *at, unsigned owner,
                         unsigned offset, unsigned width, uint32_t value)
{
    struct gic_bank *bank;

    if (offset >= GIC_IPRIORITYR && offset < GIC_IPRIORITYR_END) {
        bank = at(gic, owner, (offset - GIC_IPRIORITYR) / 32);
        if (bank != NULL && (width == 1 || width == 4))
            write_priorities(bank, offset % 32, width, value);
        return;
    }
    if (width != 4)
        return;
    if (offset >= GIC_BIT_ARRAYS && offset < GIC_IPRIORITYR) {
        bank = at(gic, owner, offset % 0x80 / 4);
        if (bank != NULL)
            write_bits(bank, offset / 0x80, value);
    } else if (offset >= GIC_ICFGR && offset < GIC_ICFGR_END) {
        unsigned half = offset / 4 % 2;

        bank = at(gic, owner, (offset - GIC_ICFGR) / 8);
        /* SGIs are edge-triggered and cannot be anything else. */
        if (bank != NULL && !(at == private_bank && half == 0))
            write_config(bank, half, value);
    }
}

/* PIDR4-7, PIDR0-3 and CIDR0-3, from 0xffd0 on; PIDR2 says GICv3. */
static uint32_t read_id(unsigned offset)
{
    static const uint8_t id[] = {0x44, 0, 0,    0,    0x92, 0xb4,
                                 0x3b, 0, 0x0d, 0xf0, 0x05, 0xb1};

    return id[(offset - GIC_ID_REGISTERS) / 4];
}

/*
 * ITLinesNumber, IDbits = 10 bits, A3V, RSS. MBIS, LPIS and SecurityExtn are
 * zero, and so is No1N: one-of-N routing is accepted.
 */
static uint32_t distributor_typer(void)
{
    return (GIC_BANKS - 1) | 9U << 19 | 1U << 24 | 1U << 26;
}

static uint32_t distributor_ctlr(const struct gic *gic)
{
    return CTLR_ARE | CTLR_DS |
           (gic->group_enabled[0] ? CTLR_ENABLE_GROUP0 : 0) |
           (gic->group_enabled[1] ? CTLR_ENABLE_GROUP1 : 0);
}

static bool is_router(uint64_t offset)
{
    return offset >= GICD_IROUTER + 8 * GIC_SPI_BASE &&
           offset < GICD_IROUTER + 8 * GIC_INTIDS;
}

static uint64_t read_router(const struct gic *gic, unsigned offset,
                            unsigned width)
{
    unsigned intid = (offset - GICD_IROUTER) / 8;
    uint64_t router = gic->bank[intid / 32].router[intid % 32];

    if (width == 8)
        return router;
    return width == 4 ? (uint32_t)(router >> (8 * (offset % 8))) : 0;
}

void gic_route(struct gic *gic, unsigned intid, uint64_t value)
{
    struct gic_bank *bank = &gic->bank[intid / 32];

    /* Aff3, IRM, Aff2-0 */
    value &= 0xff80ffffffULL;
    bank->router[intid % 32] = value;
    if (bit(value, 31))
        bank->target[intid % 32] = GIC_TARGET_ANY;
    else
        bank->target[intid % 32] = gic_find_cpu(
            gic, (uint32_t)(bits(value, 39, 32) << 24 | bits(value, 23, 0)));
}

static void write_router(struct gic *gic, unsigned offset, unsigned width,
                         uint64_t value)
{
    unsigned intid = (offset - GICD_IROUTER) / 8;
    uint64_t router = gic->bank[intid / 32].router[intid % 32];

    if (width == 4)
        value = offset % 8 == 0 ? deposit(router, 31, 0, value)
                                : deposit(router, 63, 32, value);
    else if (width != 8)
        return;
    gic_route(gic, intid, value);
}

static uint64_t distributor_read(void *dev, uint64_t offset, unsigned width)
{
    struct gic *gic = dev;
    unsigned reg = (unsigned)offset;
    uint64_t value = 0;

    if (offset % width != 0)
        return 0;
    gic_lock(gic);
    if (is_router(offset))
        value = read_router(gic, reg, width);
    else if (width == 4 && offset >= GIC_ID_REGISTERS)
        value = read_id(reg);
    else if (width == 4 && offset == GICD_CTLR)
        value = distributor_ctlr(gic);
    else if (width == 4 && offset == GICD_TYPER)
        value = distributor_typer();
    else if (width == 4 && offset == GICD_IIDR)
        value = GIC_IIDR;
    else
        value = banked_read(gic, shared_bank, 0, reg, width);
    gic_unlock(gic, 0);
    return value;
}

static void distributor_write(void *dev, uint64_t offset, unsigned width,
                              uint64_t value)
{
    struct gic *gic = dev;
    unsigned reg = (unsigned)offset;

    if (offset % width != 0)
        return;
    gic_lock(gic);
    if (is_router(offset)) {
        write_router(gic, reg, width, value);
    } else if (width == 4 && offset == GICD_CTLR) {
        gic->group_enabled[0] = (value & CTLR_ENABLE_GROUP0) != 0;
        gic->group_enabled[1] = (value & CTLR_ENABLE_GROUP1) != 0;
    } else {
        banked_write(gic, shared_bank, 0, reg, width, (uint32_t)value);
    }
    gic_unlock(gic, gic_update_all(gic));
}

/* Affinity, processor number, and Last in the region's last frame. */
static uint64_t redistributor_typer(const struct gic *gic, unsigned cpu)
{
    return (uint64_t)gic->cpu[cpu].affinity << 32 | (uint64_t)cpu << 8 |
           (cpu == gic->cpus - 1 ? 1U << 4 : 0);
}

static uint64_t control_frame_read(const struct gic *gic, unsigned cpu,
                                   unsigned reg, unsigned width)
{
    if (width == 8)
        return reg == GICR_TYPER ? redistributor_typer(gic, cpu) : 0;
    if (width != 4)
        return 0;
    if (reg >= GIC_ID_REGISTERS)
        return read_id(reg);
    switch (reg) {
    case GICR_IIDR:
        return GIC_IIDR;
    case GICR_TYPER:
        return (uint32_t)redistributor_typer(gic, cpu);
    case GICR_TYPER + 4:
        return redistributor_typer(gic, cpu) >> 32;
    case GICR_WAKER:
        return gic->cpu[cpu].asleep
                   ? WAKER_PROCESSOR_SLEEP | WAKER_CHILDREN_ASLEEP
                   : 0;
    default: /* GICR_CTLR too: no LPIs, nothing ever in progress */
        return 0;
    }
}

static uint64_t redistributor_read(void *dev, uint64_t offset, unsigned width)
{
    struct gic *gic = dev;
    unsigned cpu = (unsigned)(offset / GIC_REDISTRIBUTOR_BYTES);
    unsigned reg = (unsigned)(offset % GIC_REDISTRIBUTOR_BYTES);
    uint64_t value;

    if (offset % width != 0)
        return 0;
    gic_lock(gic);
    if (reg < GICR_SGI_FRAME)
        value = control_frame_read(gic, cpu, reg, width);
    else
        value =
            banked_read(gic, private_bank, cpu, reg - GICR_SGI_FRAME, width);
    gic_unlock(gic, 0);
    return value;
}

static void redistributor_write(void *dev, uint64_t offset, unsigned width,
                                uint64_t value)
{
    struct gic *gic = dev;
    unsigned cpu = (unsigned)(offset / GIC_REDISTRIBUTOR_BYTES);
    unsigned reg = (unsigned)(offset % GIC_REDISTRIBUTOR_BYTES);

    if (offset % width != 0)
        return;
    gic_lock(gic);
    if (reg >= GICR_SGI_FRAME)
        banked_write(gic, private_bank, cpu, reg - GICR_SGI_FRAME, width,
                     (uint32_t)value);
    else if (reg == GICR_WAKER && width == 4)
        gic->cpu[cpu].asleep = (value & WAKER_PROCESSOR_SLEEP) != 0;
    gic_unlock(gic, gic_update(gic, cpu));
}

void gic_mmio_init(struct gic *gic)
{
    gic->distributor = (struct lull_mmio){
        .name = "gic-distributor",
        .gpa = GIC_DISTRIBUTOR_GPA,
        .size_bytes = GIC_DISTRIBUTOR_BYTES,
        .read = distributor_read,
        .write = distributor_write,
        .dev = gic,
    };
    gic->redistributors = (struct lull_mmio){
        .name = "gic-redistributors",
        .gpa = GIC_REDISTRIBUTOR_GPA,
        .size_bytes = gic->cpus * GIC_REDISTRIBUTOR_BYTES,
        .read = redistributor_read,
        .write = redistributor_write,
        .dev = gic,
    };
}
