/*
 * What the memory files (mmu.c, tlb.c, access.c, maint.c, sync.c) share: the
 * soft TLB's private state and the steps of a translation.
 *
 * Everything here belongs to the vCPU's own thread.
 */
#ifndef LULL_A64_MEM_H
#define LULL_A64_MEM_H

#include "cpu.h"
#include "stage2.h"

/* The physical address size that ID_AA64MMFR0_EL1.PARange promises. */
enum { A64_PA_BITS = 40 };

/* SCTLR_EL1 */
#define SCTLR_M (1ULL << 0)
#define SCTLR_A (1ULL << 1)
#define SCTLR_SA (1ULL << 3)
#define SCTLR_SA0 (1ULL << 4)
#define SCTLR_WXN (1ULL << 19)

/* TCR_EL1 */
#define TCR_A1 (1ULL << 22)
#define TCR_AS (1ULL << 36)
#define TCR_TBI0_BIT 37
#define TCR_HA (1ULL << 39)
#define TCR_HD (1ULL << 40)

/* Fault status codes, to which a level is added */
enum {
    FSC_ADDRESS_SIZE = 0x00,
    FSC_TRANSLATION = 0x04,
    FSC_ACCESS_FLAG = 0x08,
    FSC_PERMISSION = 0x0c,
    FSC_ALIGNMENT = 0x21, /* has no level */
};

/* Data abort ISS */
enum {
    ISS_WNR = 1 << 6,
    ISS_S1PTW = 1 << 7,
    ISS_CM = 1 << 8,
};

/*
 * Context numbers. Bits 1..0 are the regime; three regimes leave the value 3,
 * which no entry has, for "nothing hits". Bits 10..2 are a slot, bit 11 marks
 * an entry of Device memory: its accesses must be aligned, so only the slow
 * path, which looks, may use it.
 */
enum {
    CTX_NEVER = 3,
    CTX_SLOT_SHIFT = 2,
    CTX_SLOTS = 512,
    CTX_DEVICE = 1 << 11,
};

/* A run of guest RAM found in stage 2, kept until the next flush of all. */
struct a64_window {
    uint64_t ipa, size; /* size 0: none */
    uint8_t *host;
    uint32_t flags;
};

/* VA ranges, per half of the address space, that block entries came from. */
enum { TLB_BLOCKS = 8 };
struct a64_blocks {
    unsigned count;
    struct {
        uint64_t first, last;
    } range[TLB_BLOCKS];
};

struct a64_tlb_state {
    struct a64_window window;

    /* what a64_tlb_control last saw */
    uint64_t sctlr, tcr, mair;
    uint16_t asid;
    bool strict; /* every access goes through the slow path */
    bool tbi[2];

    /* Context slots. Slots are handed out upwards; forgetting one is enough
     * to drop all its entries, until they run out and the arrays are really
     * cleared. 0: none. */
    uint16_t next_slot;
    uint16_t global_slot; /* the upper half, while it has no nG page */
    bool upper_by_asid;
    uint16_t asid_of[CTX_SLOTS];
    uint64_t ctx[2][A64_REGIMES]; /* the real ones, also when strict */

    struct a64_blocks blocks[2];

    /* the IPA page behind each entry of cpu->fetch */
    uint32_t fetch_page[A64_FETCH_SIZE];
    uint64_t last_code_page; /* dropped, and nothing fetched since */

    /* sync.c */
    uint64_t all_seen;
    uint64_t served;               /* counts: who sees it move looks again */
    bool posted;                   /* since the last DSB */
    uint64_t cursor[A64_MAX_CPUS]; /* in the others' logs */

    uint16_t slot_of[1 << 16]; /* by ASID */
};

/* An access under way, as faults must describe it. */
struct a64_mem_access {
    uint64_t va;
    unsigned size;
    enum a64_access kind;
    enum a64_regime regime;
    uint32_t need;    /* of stage 2: A64_S2_... */
    bool maintenance; /* DC and IC by address: CM is set, nothing moves */
    bool part;        /* one of two pages: not for the VMM to emulate */
    bool zeroing;     /* DC ZVA: not to Device memory */
};

/* ---- stage 2, through the window (tlb.c) ---- */

const struct a64_window *a64_window_find(struct a64_cpu *cpu, uint64_t ipa);

/* The run of RAM that holds ipa, or NULL. */
static inline const struct a64_window *a64_window(struct a64_cpu *cpu,
                                                  uint64_t ipa)
{
    const struct a64_window *w = &cpu->tlb_state->window;

    if (LULL_LIKELY(ipa - w->ipa < w->size))
        return w;
    return a64_window_find(cpu, ipa);
}

/* ---- tlb.c ---- */

static inline enum a64_regime a64_regime(const struct a64_cpu *cpu)
{
    if (cpu->el == 0)
        return A64_REGIME_EL0;
    return cpu->pan ? A64_REGIME_EL1_PAN : A64_REGIME_EL1;
}

/*
 * The address an entry for va is filed under; false when va has no entry. That
 * is va itself unless bit 63 and bit 55 differ: ctx[] goes by the one, the
 * translation by the other, so a top byte that is ignored is straightened.
 */
static inline bool a64_tlb_key(const struct a64_cpu *cpu, uint64_t va,
                               uint64_t *key)
{
    unsigned upper = bit(va, 55);

    *key = va;
    if (LULL_LIKELY(bit(va, 63) == upper))
        return true;
    *key = (uint64_t)sext(va, 56);
    return cpu->tlb_state->tbi[upper];
}

/* Enter a translation that found RAM; true when it may be used. */
void a64_tlb_fill(struct a64_cpu *cpu, uint64_t key, enum a64_regime regime,
                  const struct a64_walk *walk, const struct a64_window *ram);
void a64_fetch_fill(struct a64_cpu *cpu, uint64_t key,
                    const struct a64_walk *walk, struct a64_code_page *page);

/* This vCPU's entries. `page` is VA<55:12>; the top byte does not matter. */
void a64_tlb_drop_page(struct a64_cpu *cpu, uint64_t page);
void a64_tlb_drop_asid(struct a64_cpu *cpu, uint16_t asid);
/* Fetch entries of a guest physical page, of all of them. */
void a64_fetch_drop_page(struct a64_cpu *cpu, uint64_t ipa);
void a64_fetch_drop_all(struct a64_cpu *cpu);

/* ---- access.c ---- */

/*
 * The host address of the byte at `at`, within a page, that `access` covers.
 * Otherwise an exception was raised or the VMM is needed.
 */
enum a64_next a64_translate(struct a64_cpu *cpu,
                            const struct a64_mem_access *access, uint64_t at,
                            uint8_t **host);
/* Raise what a failed walk for `access` asks for, at address `at`. */
enum a64_next a64_walk_failed(struct a64_cpu *cpu,
                              const struct a64_mem_access *access, uint64_t at,
                              const struct a64_walk *walk);

/* DC ZVA: clear the 64 bytes around va. */
enum a64_next a64_zero(struct a64_cpu *cpu, uint64_t va);

/* ---- sync.c ---- */

/* A record of maint.c's for the other vCPUs; carried by the next DSB. */
void a64_post(struct a64_cpu *cpu, uint64_t record);
/* A new vCPU has nothing to catch up with. */
void a64_sync_attach(struct a64_cpu *cpu);
/* Take the vCPU out of the VM; afterwards nobody holds on to it. */
void a64_sync_detach(struct a64_cpu *cpu);

/* ---- maint.c ---- */

/* The record that drops everything; sync.c's when it has lost some. */
#define A64_RECORD_ALL UINT64_MAX
/* Do to the own TLB what a record says. */
void a64_record_apply(struct a64_cpu *cpu, uint64_t record);

#endif
