/*
 * The GIC's state and the few functions its three files share: gic.c decides
 * what is delivered, gic_mmio.c and gic_cpu.c are the registers around it.
 *
 * Interrupts are kept in banks of 32, one bit each in a word per property, so
 * that the question "what is pending, enabled, not active and of a group that
 * is on?" is three operations for 32 interrupts. Bank 0 (SGIs and PPIs)
 * exists once per vCPU; the others are shared.
 *
 * One mutex guards everything except gic_cpu.lines, which is written under it
 * and read without.
 */
#ifndef LULL_VMM_GIC_STATE_H
#define LULL_VMM_GIC_STATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "gic.h"

enum {
    GIC_BANKS = GIC_INTIDS / 32,
    GIC_PRIORITY_BITS = 5,
    GIC_PRIORITY_MASK = 0xf8, /* the implemented bits, at the top */
    GIC_PRIORITY_IDLE = 0xff,
    GIC_SPURIOUS = 1023,
    GIC_TARGET_NONE = 0xff, /* IROUTER names no vCPU that exists */
    GIC_TARGET_ANY = 0xfe,  /* IROUTER.IRM: one of N */
    GIC_BPR0_MIN = 2,       /* all five bits are group priority */
    GIC_BPR1_MIN = 3,
};

struct gic_bank {
    uint32_t group; /* 1: Group 1 */
    uint32_t enabled;
    uint32_t line;  /* the input's level */
    uint32_t latch; /* pending by an edge, an SGI or a written pending bit */
    uint32_t active;
    uint32_t edge; /* 1: edge-triggered */
    uint8_t priority[32];
    uint8_t target[32];  /* shared banks: vCPU, or GIC_TARGET_* */
    uint64_t router[32]; /* shared banks: IROUTER as written */
};

struct gic_cpu {
    _Alignas(64) atomic_uchar lines; /* GIC_LINE_*, to the vCPU */
    /* GICR_WAKER.ProcessorSleep. The guest reads it back; delivery goes on,
     * as if every interrupt's wake request were answered at once. */
    bool asleep;
    bool eoi_mode;         /* ICC_CTLR_EL1.EOImode: drop only */
    bool common_bpr;       /* ICC_CTLR_EL1.CBPR */
    bool group_enabled[2]; /* ICC_IGRPENn_EL1 */
    uint8_t pmr;
    uint8_t bpr[2];
    uint8_t best_priority; /* of `best` */
    uint16_t best;         /* highest priority pending, or GIC_SPURIOUS */
    uint32_t active_priorities[2]; /* ICC_APnR0_EL1 */
    uint32_t affinity;             /* Aff3.Aff2.Aff1.Aff0 */
    struct gic_bank private_bank;
};

struct gic {
    pthread_mutex_t lock;
    unsigned cpus;
    bool group_enabled[2]; /* GICD_CTLR.EnableGrpn */
    uint8_t any[2];        /* who takes one-of-N interrupts of each group */
    struct gic_bank bank[GIC_BANKS]; /* [0] is not used */
    void (*kick)(void *opaque, unsigned cpu);
    void *opaque;
    struct lull_mmio distributor;
    struct lull_mmio redistributors;
    struct gic_cpu cpu[];
};

/* vCPUs, one bit each. */
typedef uint64_t gic_cpuset;

/* The bank of an interrupt as vCPU `cpu` sees it; intid < GIC_INTIDS. */
static inline struct gic_bank *gic_bank_of(struct gic *gic, unsigned cpu,
                                           unsigned intid)
{
    return intid < GIC_SPI_BASE ? &gic->cpu[cpu].private_bank
                                : &gic->bank[intid / 32];
}

/* A level-sensitive interrupt is pending for as long as its line is high. */
static inline uint32_t gic_bank_pending(const struct gic_bank *bank)
{
    return bank->latch | (bank->line & ~bank->edge);
}

/* GIC_TARGET_NONE when no vCPU has this affinity. */
uint8_t gic_find_cpu(const struct gic *gic, uint32_t affinity);

/* IROUTER as the guest wrote it: kept, and the target worked out. */
void gic_route(struct gic *gic, unsigned intid, uint64_t router);

/* The vCPU that a shared interrupt goes to now, or GIC_TARGET_NONE. */
static inline uint8_t gic_target_of(const struct gic *gic,
                                    const struct gic_bank *bank, unsigned n)
{
    if (bank->target[n] == GIC_TARGET_ANY)
        return gic->any[bank->group >> n & 1];
    return bank->target[n];
}

/* Recompute who takes one-of-N interrupts. True when that changed. */
bool gic_choose_any(struct gic *gic);

/* Group priority: the part of a priority that decides preemption. */
uint8_t gic_group_priority(const struct gic_cpu *cpu, unsigned group,
                           uint8_t priority);
uint8_t gic_running_priority(const struct gic_cpu *cpu);

/* Would `best` be taken now, given the mask and the running priority? */
bool gic_best_is_signalled(struct gic *gic, unsigned cpu);

/*
 * Recompute what is delivered after a change, under the lock. The answer is
 * the set of vCPUs to which a line rose; hand it to gic_unlock.
 */
gic_cpuset gic_update(struct gic *gic, unsigned cpu);
gic_cpuset gic_update_all(struct gic *gic);
/* After a change of one shared interrupt. */
gic_cpuset gic_update_spi(struct gic *gic, unsigned intid);

void gic_lock(struct gic *gic);
/* Release the lock, then kick. */
void gic_unlock(struct gic *gic, gic_cpuset kicks);

/* gic_mmio.c */
void gic_mmio_init(struct gic *gic);

#endif
