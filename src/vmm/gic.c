/*
 * What the interrupt controller delivers: the highest priority pending
 * interrupt of each vCPU, whether it may interrupt what runs there, and the
 * line and the kick that come of it.
 *
 * The decision is made when something changes, never when somebody looks:
 * gic_lines is a load. A change of one interrupt costs a walk over nine
 * words for the vCPU it goes to, and over the bits set in them, which are
 * one or two.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gic_state.h"
#include "lull/bits.h"

void gic_lock(struct gic *gic)
{
    pthread_mutex_lock(&gic->lock);
}

static void kick_all(struct gic *gic, gic_cpuset kicks)
{
    while (kicks != 0) {
        unsigned cpu = (unsigned)__builtin_ctzll(kicks);

        kicks &= kicks - 1;
        gic->kick(gic->opaque, cpu);
    }
}

void gic_unlock(struct gic *gic, gic_cpuset kicks)
{
    pthread_mutex_unlock(&gic->lock);
    kick_all(gic, kicks);
}

uint8_t gic_find_cpu(const struct gic *gic, uint32_t affinity)
{
    for (unsigned i = 0; i < gic->cpus; i++) {
        if (gic->cpu[i].affinity == affinity)
            return (uint8_t)i;
    }
    return GIC_TARGET_NONE;
}

/*
 * A one-of-N interrupt may go to any vCPU that takes its group; ours go to
 * the first such, so that an interrupt has one home and idle vCPUs sleep on.
 */
bool gic_choose_any(struct gic *gic)
{
    bool changed = false;

    for (unsigned group = 0; group < 2; group++) {
        uint8_t chosen = GIC_TARGET_NONE;

        for (unsigned i = 0; i < gic->cpus; i++) {
            if (gic->cpu[i].group_enabled[group]) {
                chosen = (uint8_t)i;
                break;
            }
        }
        changed |= gic->any[group] != chosen;
        gic->any[group] = chosen;
    }
    return changed;
}

/*
 * BPR0 = n splits a priority into <7:n+1> and the rest; BPR1 = n into <7:n>.
 * With CBPR, Group 1 uses BPR0's split.
 */
uint8_t gic_group_priority(const struct gic_cpu *cpu, unsigned group,
                           uint8_t priority)
{
    unsigned low =
        group == 0 || cpu->common_bpr ? cpu->bpr[0] + 1U : cpu->bpr[1];

    return priority & (uint8_t)(0xffU << low);
}

uint8_t gic_running_priority(const struct gic_cpu *cpu)
{
    uint32_t active = cpu->active_priorities[0] | cpu->active_priorities[1];

    if (active == 0)
        return GIC_PRIORITY_IDLE;
    return (uint8_t)((unsigned)__builtin_ctz(active)
                     << (8 - GIC_PRIORITY_BITS));
}

/* The candidates of one bank against the best so far. */
static void consider(const struct gic *gic, const struct gic_bank *bank,
                     unsigned first, struct gic_cpu *cpu, uint32_t groups[2])
{
    uint32_t candidates =
        gic_bank_pending(bank) & bank->enabled & ~bank->active &
        ((~bank->group & groups[0]) | (bank->group & groups[1]));

    while (candidates != 0) {
        unsigned n = (unsigned)__builtin_ctz(candidates);

        candidates &= candidates - 1;
        if (first != 0 &&
            gic_target_of(gic, bank, n) != (unsigned)(cpu - gic->cpu))
            continue;
        /* Among equals the lowest INTID wins: it was met first. */
        if (cpu->best == GIC_SPURIOUS ||
            bank->priority[n] < cpu->best_priority) {
            cpu->best = (uint16_t)(first + n);
            cpu->best_priority = bank->priority[n];
        }
    }
}

static void find_best(struct gic *gic, struct gic_cpu *cpu)
{
    uint32_t groups[2];

    for (unsigned g = 0; g < 2; g++)
        groups[g] = gic->group_enabled[g] && cpu->group_enabled[g] ? ~0U : 0;
    cpu->best = GIC_SPURIOUS;
    cpu->best_priority = GIC_PRIORITY_IDLE;
    if ((groups[0] | groups[1]) == 0)
        return;
    consider(gic, &cpu->private_bank, 0, cpu, groups);
    for (unsigned i = 1; i < GIC_BANKS; i++)
        consider(gic, &gic->bank[i], i * 32, cpu, groups);
}

static unsigned best_group(struct gic *gic, unsigned cpu)
{
    unsigned intid = gic->cpu[cpu].best;

    return bit(gic_bank_of(gic, cpu, intid)->group, intid % 32);
}

bool gic_best_is_signalled(struct gic *gic, unsigned cpu)
{
    const struct gic_cpu *c = &gic->cpu[cpu];

    if (c->best == GIC_SPURIOUS || c->best_priority >= c->pmr)
        return false;
    return gic_group_priority(c, best_group(gic, cpu), c->best_priority) <
           gic_running_priority(c);
}

gic_cpuset gic_update(struct gic *gic, unsigned cpu)
{
    struct gic_cpu *c = &gic->cpu[cpu];
    unsigned char was = atomic_load_explicit(&c->lines, memory_order_relaxed);
    unsigned char lines = 0;

    find_best(gic, c);
    if (gic_best_is_signalled(gic, cpu))
        lines = best_group(gic, cpu) ? GIC_LINE_IRQ : GIC_LINE_FIQ;
    if (lines == was)
        return 0;
    /* Pairs with gic_lines: what raised the line is visible behind it. */
    atomic_store_explicit(&c->lines, lines, memory_order_release);
    return lines ? (gic_cpuset)1 << cpu : 0;
}

gic_cpuset gic_update_all(struct gic *gic)
{
    gic_cpuset kicks = 0;

    for (unsigned i = 0; i < gic->cpus; i++)
        kicks |= gic_update(gic, i);
    return kicks;
}

gic_cpuset gic_update_spi(struct gic *gic, unsigned intid)
{
    uint8_t target = gic_target_of(gic, &gic->bank[intid / 32], intid % 32);

    return target == GIC_TARGET_NONE ? 0 : gic_update(gic, target);
}

unsigned gic_lines(const struct gic *gic, unsigned cpu)
{
    return atomic_load_explicit(&gic->cpu[cpu].lines, memory_order_acquire);
}

/* True when the change can matter to the delivery. */
static bool set_line(struct gic_bank *bank, unsigned n, bool level)
{
    uint32_t mask = 1U << n;

    if (((bank->line & mask) != 0) == level)
        return false;
    bank->line ^= mask;
    if ((bank->edge & mask) == 0)
        return true;
    if (level)
        bank->latch |= mask;
    return level;
}

static gic_cpuset set_spi(struct gic *gic, unsigned intid, bool level)
{
    gic_cpuset kicks = 0;

    if (intid < GIC_SPI_BASE || intid >= GIC_INTIDS)
        return 0;
    gic_lock(gic);
    if (set_line(&gic->bank[intid / 32], intid % 32, level))
        kicks = gic_update_spi(gic, intid);
    gic_unlock(gic, 0);
    return kicks;
}

void gic_set_spi(struct gic *gic, unsigned intid, bool level)
{
    kick_all(gic, set_spi(gic, intid, level));
}

void gic_set_ppi(struct gic *gic, unsigned cpu, unsigned intid, bool level)
{
    if (cpu >= gic->cpus || intid < GIC_PPI_BASE || intid >= GIC_SPI_BASE)
        return;
    gic_lock(gic);
    if (set_line(&gic->cpu[cpu].private_bank, intid, level))
        gic_update(gic, cpu);
    gic_unlock(gic, 0);
}

void gic_irq_line(void *gic, unsigned line, bool level)
{
    gic_set_spi(gic, line, level);
}

uint64_t gic_irq_line_quietly(void *gic, unsigned line, bool level)
{
    return set_spi(gic, line, level);
}

void gic_irq_wake(void *gic, uint64_t whom)
{
    kick_all(gic, whom);
}

static void reset_bank(struct gic_bank *bank, uint32_t edge, uint8_t target)
{
    uint32_t line = bank->line;

    memset(bank, 0, sizeof(*bank));
    bank->line = line;
    bank->edge = edge;
    memset(bank->target, target, sizeof(bank->target));
}

static void reset_cpu(struct gic_cpu *cpu)
{
    reset_bank(&cpu->private_bank, 0xffff, GIC_TARGET_NONE);
    cpu->asleep = true;
    cpu->eoi_mode = false;
    cpu->common_bpr = false;
    cpu->pmr = 0;
    cpu->bpr[0] = GIC_BPR0_MIN;
    cpu->bpr[1] = GIC_BPR1_MIN;
    for (unsigned g = 0; g < 2; g++) {
        cpu->group_enabled[g] = false;
        cpu->active_priorities[g] = 0;
    }
}

void gic_reset(struct gic *gic)
{
    gic_lock(gic);
    gic->group_enabled[0] = false;
    gic->group_enabled[1] = false;
    /* IROUTER resets to affinity 0.0.0.0. */
    for (unsigned i = 1; i < GIC_BANKS; i++)
        reset_bank(&gic->bank[i], 0, gic_find_cpu(gic, 0));
    for (unsigned i = 0; i < gic->cpus; i++)
        reset_cpu(&gic->cpu[i]);
    gic_choose_any(gic);
    /* Every group is off: lines can only fall. */
    gic_unlock(gic, gic_update_all(gic));
}

/* MPIDR_EL1 to the 32-bit form of GICR_TYPER. */
static uint32_t affinity_of(uint64_t mpidr)
{
    return (uint32_t)(bits(mpidr, 39, 32) << 24 | bits(mpidr, 23, 0));
}

struct gic *gic_new(const struct gic_config *config)
{
    struct gic *gic;
    size_t bytes;

    if (config->cpus == 0 || config->cpus > GIC_CPUS_MAX) {
        errno = EINVAL;
        return NULL;
    }
    bytes = sizeof(*gic) + config->cpus * sizeof(gic->cpu[0]);
    gic = aligned_alloc(_Alignof(struct gic),
                        align_up(bytes, _Alignof(struct gic)));
    if (gic == NULL)
        return NULL;
    memset(gic, 0, bytes);
    for (unsigned i = 0; i < config->cpus; i++) {
        uint32_t affinity = affinity_of(config->mpidr[i]);

        if (gic_find_cpu(gic, affinity) != GIC_TARGET_NONE) {
            free(gic);
            errno = EINVAL;
            return NULL;
        }
        gic->cpu[i].affinity = affinity;
        gic->cpus = i + 1;
    }
    pthread_mutex_init(&gic->lock, NULL);
    gic->kick = config->kick;
    gic->opaque = config->opaque;
    gic_mmio_init(gic);
    gic_reset(gic);
    return gic;
}

void gic_free(struct gic *gic)
{
    if (gic == NULL)
        return;
    pthread_mutex_destroy(&gic->lock);
    free(gic);
}

const struct lull_mmio *gic_distributor(const struct gic *gic)
{
    return &gic->distributor;
}

const struct lull_mmio *gic_redistributors(const struct gic *gic)
{
    return &gic->redistributors;
}
