/*
 * The soft TLB: contexts, filling, dropping. One vCPU's own, never touched by
 * another thread (sync.c says how others ask).
 *
 * Contexts. An entry's tag names its regime and a slot. The lower half of the
 * address space has a slot for each ASID in use, so a switch of address space
 * changes two words. The upper half, the kernel's, has a slot of its own
 * whatever the ASID, until a page there is not global; from then on it goes by
 * ASID too. Global pages in the lower half are entered once for each ASID
 * they are used under: nothing is lost by that but the sharing.
 *
 * Dropping an ASID, or everything, is forgetting slots: no tag names them any
 * more. When the slots run out the arrays are cleared and numbering starts
 * again. So a TLBI by ASID costs a few instructions, and one flush in some
 * hundreds the clearing of 40 KiB.
 *
 * Block mappings are entered page by page. A TLBI for any address in a block
 * must drop them all, so the ranges that blocks were seen in are remembered,
 * and a TLBI that hits one drops that half of the address space.
 *
 * A write of TTBR0 or TTBR1 drops nothing: as on hardware, entries belong to
 * an ASID, and software that gives one a new table invalidates it.
 */
#include "mem.h"

#include <stdlib.h>
#include <string.h>

/* VA<55:12>: what a TLBI names. The top byte is no part of it. */
#define VA_PAGE_MASK 0x00fffffffffff000ULL

static void count(_Atomic uint64_t *counter)
{
    /* only this thread writes it */
    uint64_t n = atomic_load_explicit(counter, memory_order_relaxed);

    atomic_store_explicit(counter, n + 1, memory_order_relaxed);
}

/* ---- contexts ---- */

static void forget_asids(struct a64_tlb_state *s)
{
    for (unsigned i = 1; i < s->next_slot; i++)
        s->slot_of[s->asid_of[i]] = 0;
}

static void clear_arrays(struct a64_cpu *cpu)
{
    memset(cpu->tlb, 0xff, sizeof(cpu->tlb));
    a64_fetch_drop_all(cpu);
}

/* Slots for the current ASID and the upper half, where they have none. */
static void take_slots(struct a64_cpu *cpu)
{
    struct a64_tlb_state *s = cpu->tlb_state;

    if (s->next_slot + 2 > CTX_SLOTS) {
        forget_asids(s);
        clear_arrays(cpu);
        s->global_slot = 0;
        s->next_slot = 1;
    }
    if (s->global_slot == 0) {
        /* filed under the current ASID: forget_asids then clears nothing that
         * is not cleared anyway */
        s->asid_of[s->next_slot] = s->asid;
        s->global_slot = s->next_slot++;
    }
    if (s->slot_of[s->asid] == 0) {
        s->asid_of[s->next_slot] = s->asid;
        s->slot_of[s->asid] = s->next_slot++;
    }
}

static void set_contexts(struct a64_cpu *cpu)
{
    struct a64_tlb_state *s = cpu->tlb_state;
    unsigned slot[2];

    take_slots(cpu);
    slot[0] = s->slot_of[s->asid];
    slot[1] = s->upper_by_asid ? slot[0] : s->global_slot;
    for (unsigned half = 0; half < 2; half++) {
        for (unsigned r = 0; r < A64_REGIMES; r++) {
            s->ctx[half][r] = slot[half] << CTX_SLOT_SHIFT | r;
            cpu->ctx_of[half][r] = s->strict ? CTX_NEVER : s->ctx[half][r];
        }
    }
    a64_tlb_regime(cpu);
}

/* While SP is misaligned and that matters, the fast paths hit nothing. */
static bool sp_is_bad(const struct a64_cpu *cpu)
{
    return (cpu->x[A64_SP] & 15) != 0 &&
           (cpu->sys.sctlr_el1 & (cpu->el ? SCTLR_SA : SCTLR_SA0)) != 0;
}

void a64_tlb_regime(struct a64_cpu *cpu)
{
    enum a64_regime regime = a64_regime(cpu);

    if (LULL_UNLIKELY(sp_is_bad(cpu))) {
        for (unsigned half = 0; half < 2; half++)
            cpu->ctx[half] = cpu->ctx_unpriv[half] = CTX_NEVER;
        return;
    }
    for (unsigned half = 0; half < 2; half++) {
        cpu->ctx[half] = cpu->ctx_of[half][regime];
        cpu->ctx_unpriv[half] = cpu->ctx_of[half][A64_REGIME_EL0];
    }
}

void a64_tlb_flush(struct a64_cpu *cpu)
{
    struct a64_tlb_state *s = cpu->tlb_state;

    forget_asids(s);
    s->global_slot = 0;
    s->blocks[0].count = s->blocks[1].count = 0;
    set_contexts(cpu);
    count(&cpu->tlb_flushes);
}

void a64_tlb_control(struct a64_cpu *cpu)
{
    struct a64_tlb_state *s = cpu->tlb_state;
    const struct a64_sys *sys = &cpu->sys;
    uint64_t tcr = sys->tcr_el1;
    uint64_t ttbr = tcr & TCR_A1 ? sys->ttbr1_el1 : sys->ttbr0_el1;
    uint16_t asid = (uint16_t)bits(ttbr, tcr & TCR_AS ? 63 : 55, 48);
    bool strict = (sys->sctlr_el1 & SCTLR_A) || cpu->watchpoints_on;
    uint64_t sctlr_changed = s->sctlr ^ sys->sctlr_el1;
    bool flush = (sctlr_changed & (SCTLR_M | SCTLR_WXN)) || tcr != s->tcr ||
                 sys->mair_el1 != s->mair;

    if (!flush && asid == s->asid && strict == s->strict) {
        if (sctlr_changed & (SCTLR_SA | SCTLR_SA0)) {
            s->sctlr = sys->sctlr_el1;
            a64_tlb_regime(cpu);
        }
        return;
    }
    s->sctlr = sys->sctlr_el1;
    s->tcr = tcr;
    s->mair = sys->mair_el1;
    s->asid = asid;
    s->strict = strict;
    s->tbi[0] = bit(tcr, TCR_TBI0_BIT);
    s->tbi[1] = bit(tcr, TCR_TBI0_BIT + 1);
    if (sctlr_changed & SCTLR_M)
        s->upper_by_asid = false;
    if (flush)
        a64_tlb_flush(cpu);
    else
        set_contexts(cpu);
}

bool a64_tlb_init(struct a64_cpu *cpu)
{
    struct a64_tlb_state *s = calloc(1, sizeof(*s));

    if (s == NULL)
        return false;
    cpu->tlb_state = s;
    clear_arrays(cpu);
    s->next_slot = 1;
    s->sctlr = ~cpu->sys.sctlr_el1; /* so that control sees a change */
    a64_tlb_control(cpu);
    a64_sync_attach(cpu);
    return true;
}

void a64_tlb_free(struct a64_cpu *cpu)
{
    if (cpu->tlb_state == NULL)
        return;
    a64_sync_detach(cpu);
    free(cpu->tlb_state);
    cpu->tlb_state = NULL;
}

/* ---- blocks ---- */

static bool in_blocks(const struct a64_blocks *b, uint64_t va)
{
    for (unsigned i = 0; i < b->count; i++) {
        if (va >= b->range[i].first && va <= b->range[i].last)
            return true;
    }
    return false;
}

/* Remember [first, last]; when there is no room, one range for all. */
static void note_block(struct a64_blocks *b, uint64_t first, uint64_t last)
{
    for (unsigned i = 0; i < b->count; i++) {
        if (first >= b->range[i].first && last <= b->range[i].last)
            return;
        if (first == b->range[i].last + 1) {
            b->range[i].last = last;
            return;
        }
    }
    if (b->count == TLB_BLOCKS) {
        for (unsigned i = 0; i < b->count; i++) {
            if (b->range[i].first < first)
                first = b->range[i].first;
            if (b->range[i].last > last)
                last = b->range[i].last;
        }
        b->count = 0;
    }
    b->range[b->count].first = first;
    b->range[b->count].last = last;
    b->count++;
}

/* ---- filling ---- */

const struct a64_window *a64_window_find(struct a64_cpu *cpu, uint64_t ipa)
{
    struct a64_window *w = &cpu->tlb_state->window;
    struct a64_s2_span span;

    if (!a64_stage2_find(cpu->vm->stage2, ipa, &span))
        return NULL;
    w->ipa = ipa - span.before_bytes;
    w->size = span.before_bytes + span.left_bytes;
    w->host = span.host - span.before_bytes;
    w->flags = span.flags;
    return w;
}

/* What a new entry asks of the contexts before it can be tagged. */
static void note_mapping(struct a64_cpu *cpu, uint64_t key,
                         const struct a64_walk *walk)
{
    struct a64_tlb_state *s = cpu->tlb_state;
    unsigned upper = bit(key, 55);

    if (upper && !walk->global && !s->upper_by_asid) {
        s->upper_by_asid = true;
        a64_tlb_flush(cpu);
    }
    if (walk->page_shift > 12) {
        uint64_t in_page = ones(walk->page_shift);
        uint64_t va = key & VA_PAGE_MASK;

        note_block(&s->blocks[upper], va & ~in_page, va | in_page);
    }
}

void a64_tlb_fill(struct a64_cpu *cpu, uint64_t key, enum a64_regime regime,
                  const struct a64_walk *walk, const struct a64_window *ram)
{
    struct a64_tlb_entry *e = &cpu->tlb[(key >> 12) & (A64_TLB_SIZE - 1)];
    uint64_t page = key & ~0xfffULL;
    uint64_t tag;

    note_mapping(cpu, key, walk);
    tag = page | cpu->tlb_state->ctx[bit(key, 55)][regime];
    if (walk->device)
        tag |= CTX_DEVICE;
    e->rtag = e->wtag = A64_TLB_INVALID;
    if (walk->read && (ram->flags & A64_S2_READ)) {
        e->rtag = tag;
        if (walk->write && walk->dirty && (ram->flags & A64_S2_WRITE))
            e->wtag = tag;
    }
    e->addend = (uint64_t)(uintptr_t)ram->host +
                ((walk->ipa & ~0xfffULL) - ram->ipa) - page;
    count(&cpu->tlb_fills);
}

void a64_fetch_fill(struct a64_cpu *cpu, uint64_t key,
                    const struct a64_walk *walk, struct a64_code_page *page)
{
    struct a64_tlb_state *s = cpu->tlb_state;
    unsigned index = (key >> 12) & (A64_FETCH_SIZE - 1);

    note_mapping(cpu, key, walk);
    cpu->fetch[index].tag =
        (key & ~0xfffULL) | s->ctx[bit(key, 55)][a64_regime(cpu)];
    cpu->fetch[index].page = page;
    s->fetch_page[index] = (uint32_t)(walk->ipa >> 12);
    s->last_code_page = UINT64_MAX;
}

/* ---- dropping ---- */

/* All of the lower half, or of the upper. */
static void drop_half(struct a64_cpu *cpu, unsigned upper)
{
    struct a64_tlb_state *s = cpu->tlb_state;

    if (upper && !s->upper_by_asid) {
        s->global_slot = 0;
        s->blocks[1].count = 0;
        set_contexts(cpu);
        count(&cpu->tlb_flushes);
    } else if (!s->upper_by_asid) {
        forget_asids(s);
        s->blocks[0].count = 0;
        set_contexts(cpu);
        count(&cpu->tlb_flushes);
    } else {
        a64_tlb_flush(cpu);
    }
}

/*
 * TLBI by address. Entries of every ASID go: there is one place in each array
 * where they can be, and a global page's entry may be under any ASID.
 */
void a64_tlb_drop_page(struct a64_cpu *cpu, uint64_t page)
{
    uint64_t va = page << 12 & VA_PAGE_MASK;
    unsigned upper = bit(va, 55);
    struct a64_tlb_entry *e = &cpu->tlb[page & (A64_TLB_SIZE - 1)];
    struct a64_fetch_entry *f = &cpu->fetch[page & (A64_FETCH_SIZE - 1)];

    if (LULL_UNLIKELY(in_blocks(&cpu->tlb_state->blocks[upper], va))) {
        drop_half(cpu, upper);
        return;
    }
    /* wtag is valid only together with rtag */
    if (((e->rtag ^ va) & VA_PAGE_MASK) == 0)
        e->rtag = e->wtag = A64_TLB_INVALID;
    if (((f->tag ^ va) & VA_PAGE_MASK) == 0)
        f->tag = A64_TLB_INVALID;
}

void a64_tlb_drop_asid(struct a64_cpu *cpu, uint16_t asid)
{
    struct a64_tlb_state *s = cpu->tlb_state;

    if (s->slot_of[asid] == 0)
        return;
    s->slot_of[asid] = 0;
    if (asid == s->asid)
        set_contexts(cpu);
}

void a64_fetch_drop_all(struct a64_cpu *cpu)
{
    memset(cpu->fetch, 0xff, sizeof(cpu->fetch));
}

void a64_fetch_drop_page(struct a64_cpu *cpu, uint64_t ipa)
{
    struct a64_tlb_state *s = cpu->tlb_state;
    uint32_t page = (uint32_t)(ipa >> 12);

    /* An IC for each line of a page is how software does it. */
    if (s->last_code_page == page)
        return;
    for (unsigned i = 0; i < A64_FETCH_SIZE; i++) {
        if (s->fetch_page[i] == page)
            cpu->fetch[i].tag = A64_TLB_INVALID;
    }
    s->last_code_page = page;
}
