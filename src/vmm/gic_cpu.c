/*
 * The GIC's CPU interface: the ICC_*_EL1 system registers of one vCPU, with
 * acknowledge, priority drop and deactivation, and SGIs.
 *
 * One security state, seen from EL1: no register is shifted or hidden, Group
 * 0 and Group 1 differ only in their registers. Five priority bits, so one
 * word of active priorities for each group.
 */
#include "gic_state.h"
#include "lull/bits.h"

#define ICC(crn, crm, op2) (3 << 14 | (crn) << 7 | (crm) << 3 | (op2))

enum icc_register {
    ICC_PMR = ICC(4, 6, 0),
    ICC_IAR0 = ICC(12, 8, 0),
    ICC_EOIR0 = ICC(12, 8, 1),
    ICC_HPPIR0 = ICC(12, 8, 2),
    ICC_BPR0 = ICC(12, 8, 3),
    ICC_AP0R0 = ICC(12, 8, 4),
    ICC_AP1R0 = ICC(12, 9, 0),
    ICC_DIR = ICC(12, 11, 1),
    ICC_RPR = ICC(12, 11, 3),
    ICC_SGI1R = ICC(12, 11, 5),
    ICC_ASGI1R = ICC(12, 11, 6),
    ICC_SGI0R = ICC(12, 11, 7),
    ICC_IAR1 = ICC(12, 12, 0),
    ICC_EOIR1 = ICC(12, 12, 1),
    ICC_HPPIR1 = ICC(12, 12, 2),
    ICC_BPR1 = ICC(12, 12, 3),
    ICC_CTLR = ICC(12, 12, 4),
    ICC_SRE = ICC(12, 12, 5),
    ICC_IGRPEN0 = ICC(12, 12, 6),
    ICC_IGRPEN1 = ICC(12, 12, 7),
};

enum {
    CTLR_CBPR = 1 << 0,
    CTLR_EOIMODE = 1 << 1,
    CTLR_PRIBITS = (GIC_PRIORITY_BITS - 1) << 8,
    CTLR_A3V = 1 << 15, /* SGIs can name any Aff3 */
    CTLR_RSS = 1 << 18, /* and any Aff0 */
    SRE_ALWAYS = 7,     /* system registers only, no bypass */
};

static unsigned group_of(struct gic *gic, unsigned cpu, unsigned intid)
{
    return bit(gic_bank_of(gic, cpu, intid)->group, intid % 32);
}

/* The bit of ICC_APnR0 that stands for a group priority. */
static uint32_t priority_bit(uint8_t group_priority)
{
    return 1U << (group_priority >> (8 - GIC_PRIORITY_BITS));
}

static uint64_t acknowledge(struct gic *gic, unsigned cpu, unsigned group)
{
    struct gic_cpu *c = &gic->cpu[cpu];
    struct gic_bank *bank;
    unsigned intid = c->best;

    if (!gic_best_is_signalled(gic, cpu) || group_of(gic, cpu, intid) != group)
        return GIC_SPURIOUS;
    bank = gic_bank_of(gic, cpu, intid);
    bank->active |= 1U << intid % 32;
    bank->latch &= ~(1U << intid % 32);
    c->active_priorities[group] |=
        priority_bit(gic_group_priority(c, group, c->best_priority));
    return intid;
}

static uint64_t highest_pending(struct gic *gic, unsigned cpu, unsigned group)
{
    unsigned intid = gic->cpu[cpu].best;

    if (intid == GIC_SPURIOUS || group_of(gic, cpu, intid) != group)
        return GIC_SPURIOUS;
    return intid;
}

/* A shared interrupt that is pending again may go to another vCPU by now. */
static gic_cpuset deactivate(struct gic *gic, unsigned cpu, unsigned intid)
{
    gic_bank_of(gic, cpu, intid)->active &= ~(1U << intid % 32);
    return intid < GIC_SPI_BASE ? 0 : gic_update_spi(gic, intid);
}

/*
 * The running priority drops whatever INTID is named, as long as one is: it
 * is the guest's duty to end interrupts in the reverse order. An end for the
 * group that is not running changes nothing.
 */
static gic_cpuset end(struct gic *gic, unsigned cpu, unsigned group,
                      uint64_t value)
{
    struct gic_cpu *c = &gic->cpu[cpu];
    uint64_t intid = bits(value, 23, 0);
    uint32_t *mine = &c->active_priorities[group];
    uint32_t highest = c->active_priorities[0] | c->active_priorities[1];

    highest &= ~highest + 1; /* its lowest bit set */
    if (intid >= GIC_INTIDS || (*mine & highest) == 0)
        return 0;
    *mine &= ~highest;
    return c->eoi_mode ? 0 : deactivate(gic, cpu, (unsigned)intid);
}

static gic_cpuset end_activity(struct gic *gic, unsigned cpu, uint64_t value)
{
    uint64_t intid = bits(value, 23, 0);

    if (!gic->cpu[cpu].eoi_mode || intid >= GIC_INTIDS)
        return 0;
    return deactivate(gic, cpu, (unsigned)intid);
}

static uint64_t read_bpr1(const struct gic_cpu *cpu)
{
    if (!cpu->common_bpr)
        return cpu->bpr[1];
    return cpu->bpr[0] < 7 ? cpu->bpr[0] + 1U : 7;
}

static void write_bpr(struct gic_cpu *cpu, unsigned group, uint64_t value)
{
    uint8_t least = group == 0 ? GIC_BPR0_MIN : GIC_BPR1_MIN;
    uint8_t split = value & 7;

    if (group == 1 && cpu->common_bpr)
        return;
    cpu->bpr[group] = split < least ? least : split;
}

static uint64_t read_ctlr(const struct gic_cpu *cpu)
{
    return CTLR_PRIBITS | CTLR_A3V | CTLR_RSS |
           (cpu->common_bpr ? CTLR_CBPR : 0) |
           (cpu->eoi_mode ? CTLR_EOIMODE : 0);
}

static gic_cpuset enable_group(struct gic *gic, unsigned cpu, unsigned group,
                               bool on)
{
    gic->cpu[cpu].group_enabled[group] = on;
    return gic_choose_any(gic) ? gic_update_all(gic) : gic_update(gic, cpu);
}

/* An SGI reaches a vCPU only in the group the register speaks for. */
static gic_cpuset pend_sgi(struct gic *gic, unsigned cpu, unsigned intid,
                           unsigned group)
{
    struct gic_bank *bank = &gic->cpu[cpu].private_bank;

    if (bit(bank->group, intid) != group)
        return 0;
    bank->latch |= 1U << intid;
    return gic_update(gic, cpu);
}

/*
 * SGI1R and SGI0R: either all vCPUs but the sender, or the sixteen with one
 * Aff3.Aff2.Aff1 whose Aff0 starts at 16 * RS.
 */
static gic_cpuset send_sgi(struct gic *gic, unsigned sender, unsigned group,
                           uint64_t value)
{
    unsigned intid = (unsigned)bits(value, 27, 24);
    uint32_t base =
        (uint32_t)(bits(value, 55, 48) << 24 | bits(value, 39, 32) << 16 |
                   bits(value, 23, 16) << 8 | bits(value, 47, 44) << 4);
    uint32_t list = (uint32_t)bits(value, 15, 0);
    bool all_but_self = bit(value, 40);
    gic_cpuset kicks = 0;

    for (unsigned i = 0; i < gic->cpus; i++) {
        uint32_t affinity = gic->cpu[i].affinity;

        if (all_but_self
                ? i != sender
                : (affinity & ~15U) == base && bit(list, affinity & 15))
            kicks |= pend_sgi(gic, i, intid, group);
    }
    return kicks;
}

/* Under the lock. */
static bool read_register(struct gic *gic, unsigned cpu, uint16_t reg,
                          uint64_t *value)
{
    const struct gic_cpu *c = &gic->cpu[cpu];

    switch (reg) {
    case ICC_IAR0:
    case ICC_IAR1:
        *value = acknowledge(gic, cpu, reg == ICC_IAR1);
        break;
    case ICC_HPPIR0:
    case ICC_HPPIR1:
        *value = highest_pending(gic, cpu, reg == ICC_HPPIR1);
        break;
    case ICC_PMR:
        *value = c->pmr;
        break;
    case ICC_RPR:
        *value = gic_running_priority(c);
        break;
    case ICC_BPR0:
        *value = c->bpr[0];
        break;
    case ICC_BPR1:
        *value = read_bpr1(c);
        break;
    case ICC_AP0R0:
    case ICC_AP1R0:
        *value = c->active_priorities[reg == ICC_AP1R0];
        break;
    case ICC_CTLR:
        *value = read_ctlr(c);
        break;
    case ICC_SRE:
        *value = SRE_ALWAYS;
        break;
    case ICC_IGRPEN0:
    case ICC_IGRPEN1:
        *value = c->group_enabled[reg == ICC_IGRPEN1];
        break;
    default:
        return false;
    }
    return true;
}

/* Under the lock; adds to the vCPUs to which a line rose elsewhere. */
static bool write_register(struct gic *gic, unsigned cpu, uint16_t reg,
                           uint64_t value, gic_cpuset *kicks)
{
    struct gic_cpu *c = &gic->cpu[cpu];

    switch (reg) {
    case ICC_EOIR0:
    case ICC_EOIR1:
        *kicks = end(gic, cpu, reg == ICC_EOIR1, value);
        break;
    case ICC_DIR:
        *kicks = end_activity(gic, cpu, value);
        break;
    case ICC_PMR:
        c->pmr = value & GIC_PRIORITY_MASK;
        break;
    case ICC_BPR0:
    case ICC_BPR1:
        write_bpr(c, reg == ICC_BPR1, value);
        break;
    case ICC_AP0R0:
    case ICC_AP1R0:
        c->active_priorities[reg == ICC_AP1R0] = (uint32_t)value;
        break;
    case ICC_CTLR:
        c->common_bpr = (value & CTLR_CBPR) != 0;
        c->eoi_mode = (value & CTLR_EOIMODE) != 0;
        break;
    case ICC_IGRPEN0:
    case ICC_IGRPEN1:
        *kicks = enable_group(gic, cpu, reg == ICC_IGRPEN1, value & 1);
        break;
    case ICC_SGI0R:
    case ICC_SGI1R:
        *kicks = send_sgi(gic, cpu, reg == ICC_SGI1R, value);
        break;
    case ICC_SRE:    /* read-only ones */
    case ICC_ASGI1R: /* SGIs for another security state: there is none */
        break;
    default:
        return false;
    }
    return true;
}

/* A vCPU that changed its own line looks at it before it runs again. */
static gic_cpuset others(gic_cpuset kicks, unsigned cpu)
{
    return kicks & ~((gic_cpuset)1 << cpu);
}

bool gic_sysreg_read(struct gic *gic, unsigned cpu, uint16_t reg,
                     uint64_t *value)
{
    bool known;

    gic_lock(gic);
    known = read_register(gic, cpu, reg, value);
    /* An acknowledge is the one read that changes something. */
    gic_unlock(gic, others(gic_update(gic, cpu), cpu));
    return known;
}

bool gic_sysreg_write(struct gic *gic, unsigned cpu, uint16_t reg,
                      uint64_t value)
{
    gic_cpuset kicks = 0;
    bool known;

    gic_lock(gic);
    known = write_register(gic, cpu, reg, value, &kicks);
    kicks |= gic_update(gic, cpu);
    gic_unlock(gic, others(kicks, cpu));
    return known;
}
