/*
 * The stage 1 walk of the EL1&0 regime [D8]: 4 KiB granule, 48-bit addresses,
 * hardware management of the access flag and the dirty state.
 *
 * A TCR_EL1.TGn that asks for another granule behaves as 4 KiB: the ID
 * registers offer no other. Nothing is cached here but where the last
 * descriptor was found (the stage 2 window).
 */
#include "mem.h"

#include <string.h>

enum {
    DESC_VALID = 1 << 0,
    DESC_TABLE = 1 << 1, /* at level 3: a page */
    DESC_AP1 = 1 << 6,   /* EL0 has access */
    DESC_AP2 = 1 << 7,   /* read-only */
    DESC_AF = 1 << 10,
    DESC_NG = 1 << 11,
};
#define DESC_DBM (1ULL << 51)
#define DESC_PXN (1ULL << 53)
#define DESC_UXN (1ULL << 54)
#define TABLE_PXN (1ULL << 59)
#define TABLE_UXN (1ULL << 60)
#define TABLE_AP0 (1ULL << 61) /* no access from EL0 below */
#define TABLE_AP1 (1ULL << 62) /* read-only below */
#define DESC_ADDRESS 0x0000fffffffff000ULL

/* A walk in progress. */
struct walker {
    struct a64_cpu *cpu;
    struct a64_walk *walk;
    uint64_t va;
    enum a64_access access;
    enum a64_regime regime;
    unsigned oa_bits; /* output address size */
    unsigned va_bits; /* input address size */
    uint64_t ttbr;
};

enum outcome { DONE, FAULT, RETRY };

static enum outcome fault(struct a64_walk *walk, unsigned fsc, unsigned level)
{
    walk->fsc = (uint8_t)(fsc + level);
    return FAULT;
}

/* ---- where to start [D8.2] ---- */

static unsigned output_bits(uint64_t tcr)
{
    static const uint8_t ips_bits[8] = {32, 36, 40, 42, 44, 48, 48, 48};
    unsigned n = ips_bits[bits(tcr, 34, 32)];

    return n < A64_PA_BITS ? n : A64_PA_BITS;
}

static unsigned input_bits(unsigned txsz)
{
    if (txsz < 16)
        return 48;
    return txsz > 39 ? 25 : 64 - txsz;
}

/* Choose TTBR0 or TTBR1; false when va lies in neither or it is disabled. */
static bool begin(struct walker *w)
{
    const struct a64_sys *sys = &w->cpu->sys;
    uint64_t tcr = sys->tcr_el1;
    unsigned upper = bit(w->va, 55);
    bool tbi = bit(tcr, TCR_TBI0_BIT + upper);
    bool epd = bit(tcr, upper ? 23 : 7);
    bool e0pd = bit(tcr, 55 + upper);
    int64_t top;

    w->va_bits =
        input_bits((unsigned)bits(tcr, upper ? 21 : 5, upper ? 16 : 0));
    w->oa_bits = output_bits(tcr);
    w->ttbr = upper ? sys->ttbr1_el1 : sys->ttbr0_el1;
    /* What is above the input size must repeat bit 55; with TBI, only up to
     * there. */
    top = sext(w->va, tbi ? 56 : 64) >> w->va_bits;
    if (top != -(int64_t)upper)
        return false;
    return !epd && !(e0pd && w->regime == A64_REGIME_EL0);
}

/* Stage 1 disabled: a flat map, Device-nGnRnE for data [D8.2.10]. */
static enum outcome flat(struct walker *w)
{
    unsigned upper = bit(w->va, 55);
    bool tbi = bit(w->cpu->sys.tcr_el1, TCR_TBI0_BIT + upper);
    uint64_t pa = tbi ? bits(w->va, 55, 0) : w->va;
    struct a64_walk *walk = w->walk;

    if (pa >> A64_PA_BITS)
        return fault(walk, FSC_ADDRESS_SIZE, 0);
    walk->ipa = pa;
    walk->read = walk->write = walk->exec = true;
    walk->dirty = walk->global = true;
    walk->device = true;
    walk->sh = 2;
    walk->page_shift = 12;
    return DONE;
}

/* ---- descriptors ---- */

/* Stage 2 for the walk itself; NULL, and the fault described, when it has no
 * such memory. */
static _Atomic uint64_t *descriptor_at(struct walker *w, uint64_t ipa,
                                       uint32_t need)
{
    const struct a64_window *ram = a64_window(w->cpu, ipa);

    if (LULL_LIKELY(ram != NULL && (ram->flags & need) == need))
        return (_Atomic uint64_t *)(void *)(ram->host + (ipa - ram->ipa));
    w->walk->stage2 = true;
    w->walk->stage2_ipa = ipa;
    fault(w->walk, ram == NULL ? FSC_TRANSLATION : FSC_PERMISSION, 3);
    return NULL;
}

/* What the descriptor and the tables above it allow [D8.4]. */
static void permissions(const struct walker *w, uint64_t desc, uint64_t tables)
{
    struct a64_walk *walk = w->walk;
    uint64_t tcr = w->cpu->sys.tcr_el1;
    bool hd = (tcr & TCR_HA) && (tcr & TCR_HD);
    bool user = (desc & DESC_AP1) && !(tables & TABLE_AP0);
    bool may_dirty = hd && (desc & DESC_DBM);
    bool writable = (!(desc & DESC_AP2) || may_dirty) && !(tables & TABLE_AP1);

    if (w->regime == A64_REGIME_EL0) {
        walk->read = user;
        walk->write = user && writable;
        walk->exec = !(desc & DESC_UXN) && !(tables & TABLE_UXN);
    } else {
        walk->read = true;
        walk->write = writable;
        walk->exec =
            !(desc & DESC_PXN) && !(tables & TABLE_PXN) && !(user && writable);
    }
    if ((w->cpu->sys.sctlr_el1 & SCTLR_WXN) && walk->write)
        walk->exec = false;
    if (w->regime == A64_REGIME_EL1_PAN && user)
        walk->read = walk->write = false;
    walk->dirty = !(desc & DESC_AP2);
}

static void attributes(struct walker *w, uint64_t desc, unsigned shift)
{
    struct a64_walk *walk = w->walk;
    uint64_t mair = w->cpu->sys.mair_el1;

    walk->attr = (uint8_t)(mair >> (8 * bits(desc, 4, 2)));
    walk->device = (walk->attr & 0xf0) == 0;
    walk->sh = (uint8_t)bits(desc, 9, 8);
    walk->global = !(desc & DESC_NG);
    walk->page_shift = (uint8_t)shift;
}

static bool allowed(const struct a64_walk *walk, enum a64_access access)
{
    switch (access) {
    case A64_READ:
        return walk->read;
    case A64_WRITE:
        return walk->write;
    default:
        return walk->exec;
    }
}

/*
 * A block or page descriptor. The access flag and the dirty state are set by
 * compare and swap, so that a change by another vCPU in between is not lost:
 * then the walk starts again.
 */
static enum outcome leaf(struct walker *w, uint64_t desc, uint64_t desc_ipa,
                         unsigned level, uint64_t tables)
{
    unsigned shift = 39 - 9 * level;
    uint64_t page = desc & DESC_ADDRESS & ~ones(shift);
    uint64_t wanted = desc;
    _Atomic uint64_t *at;

    if (page >> w->oa_bits)
        return fault(w->walk, FSC_ADDRESS_SIZE, level);
    if (!(desc & DESC_AF)) {
        if (!(w->cpu->sys.tcr_el1 & TCR_HA))
            return fault(w->walk, FSC_ACCESS_FLAG, level);
        wanted |= DESC_AF;
    }
    permissions(w, desc, tables);
    attributes(w, desc, shift);
    w->walk->ipa = page | (w->va & ones(shift));
    if (!allowed(w->walk, w->access))
        return fault(w->walk, FSC_PERMISSION, level);
    if (w->access == A64_WRITE && !w->walk->dirty) {
        wanted &= ~(uint64_t)DESC_AP2;
        w->walk->dirty = true;
    }
    if (LULL_LIKELY(wanted == desc))
        return DONE;
    at = descriptor_at(w, desc_ipa, A64_S2_READ | A64_S2_WRITE);
    if (at == NULL)
        return FAULT;
    if (!atomic_compare_exchange_strong_explicit(
            at, &desc, wanted, memory_order_acq_rel, memory_order_relaxed))
        return RETRY;
    return DONE;
}

static enum outcome walk_tables(struct walker *w)
{
    unsigned level = 4 - (w->va_bits - 12 + 8) / 9;
    unsigned top = w->va_bits;
    /* a table smaller than a page is aligned to its size */
    uint64_t table = bits(w->ttbr, 47, 0) & ~ones(top - (39 - 9 * level) + 3);
    uint64_t tables = 0;

    if (table >> w->oa_bits)
        return fault(w->walk, FSC_ADDRESS_SIZE, 0);
    for (;; level++) {
        unsigned shift = 39 - 9 * level;
        uint64_t ipa = table + 8 * bits(w->va, top - 1, shift);
        _Atomic uint64_t *at = descriptor_at(w, ipa, A64_S2_READ);
        uint64_t desc;

        if (at == NULL)
            return FAULT;
        /* acquire: what the descriptor leads to was written before it */
        desc = atomic_load_explicit(at, memory_order_acquire);
        if (!(desc & DESC_VALID))
            return fault(w->walk, FSC_TRANSLATION, level);
        if (level == 3) {
            if (!(desc & DESC_TABLE))
                return fault(w->walk, FSC_TRANSLATION, level);
            return leaf(w, desc, ipa, level, tables);
        }
        if (!(desc & DESC_TABLE)) {
            if (level == 0)
                return fault(w->walk, FSC_TRANSLATION, level);
            return leaf(w, desc, ipa, level, tables);
        }
        table = desc & DESC_ADDRESS;
        if (table >> w->oa_bits)
            return fault(w->walk, FSC_ADDRESS_SIZE, level);
        tables |= desc;
        top = shift;
    }
}

bool a64_walk(struct a64_cpu *cpu, uint64_t va, enum a64_access access,
              enum a64_regime regime, struct a64_walk *walk)
{
    struct walker w = {
        .cpu = cpu,
        .walk = walk,
        .va = va,
        .access = access,
        .regime = regime,
    };
    enum outcome outcome;

    memset(walk, 0, sizeof(*walk));
    if (!(cpu->sys.sctlr_el1 & SCTLR_M))
        return flat(&w) == DONE;
    if (!begin(&w))
        return fault(walk, FSC_TRANSLATION, 0) == DONE;
    do
        outcome = walk_tables(&w);
    while (outcome == RETRY);
    return outcome == DONE;
}
