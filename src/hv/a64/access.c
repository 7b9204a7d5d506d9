/*
 * Data accesses and instruction fetches off the fast path: misses, accesses
 * that cross a page or must be aligned, MMIO, watchpoints; and the faults
 * they raise [D8.9].
 */
#include "code.h"
#include "mem.h"
#include "pstate.h"

#include <string.h>

#include <Hypervisor/hv_vcpu_types.h>

/* ---- the instruction behind an access (rare: alignment and aborts) ---- */

static uint32_t current_insn(const struct a64_cpu *cpu)
{
    const struct a64_code_page *page =
        (const struct a64_code_page *)(const void *)cpu->page_ops;

    return __atomic_load_n(&page->source[cpu->pc >> 2 & (A64_PAGE_OPS - 1)],
                           __ATOMIC_RELAXED);
}

/* log2 of an element of a SIMD load or store of single structures. */
static unsigned structure_scale(uint32_t insn)
{
    unsigned opcode = (unsigned)bits(insn, 15, 14), size;

    size = (unsigned)bits(insn, 11, 10);
    switch (opcode) {
    case 2:
        return size & 1 ? 3 : 2;
    case 3: /* load and replicate */
        return size;
    default:
        return opcode;
    }
}

/*
 * What each part of the access is aligned to where alignment is checked: the
 * register for a pair, the element for a SIMD structure, else the whole.
 */
static unsigned element_bytes(const struct a64_cpu *cpu, unsigned size)
{
    uint32_t insn = current_insn(cpu);

    if (bits(insn, 29, 27) == 5) { /* LDP, STP and the like */
        if (bit(insn, 26))
            return 4u << bits(insn, 31, 30);
        return bit(insn, 31) ? 8 : 4;
    }
    if (bits(insn, 29, 24) == 0x0c)
        return 1u << bits(insn, 11, 10);
    if (bits(insn, 29, 24) == 0x0d)
        return 1u << structure_scale(insn);
    return size;
}

static bool misaligned(const struct a64_cpu *cpu,
                       const struct a64_mem_access *access)
{
    if (LULL_LIKELY((access->va & (access->size - 1)) == 0) ||
        access->maintenance)
        return false;
    return (access->va & (element_bytes(cpu, access->size) - 1)) != 0;
}

static bool unfit_for_device(const struct a64_cpu *cpu,
                             const struct a64_mem_access *access)
{
    return access->zeroing || misaligned(cpu, access);
}

/* An atomic that reads before it writes (LSE, CAS, CASP), not STXR. */
static bool reads_and_writes(uint32_t insn)
{
    if (bits(insn, 29, 24) == 0x38)
        return bit(insn, 21) && bits(insn, 11, 10) == 0;
    if (bits(insn, 29, 24) == 0x08 && bit(insn, 21))
        return bit(insn, 23) || !bit(insn, 31);
    return false;
}

/* ---- faults ---- */

static uint32_t data_iss(const struct a64_mem_access *access, unsigned fsc,
                         bool write)
{
    if (access->maintenance)
        return fsc | ISS_WNR | ISS_CM;
    return fsc | (write ? ISS_WNR : 0);
}

static enum a64_next data_fault(struct a64_cpu *cpu,
                                const struct a64_mem_access *access,
                                uint64_t at, unsigned fsc, bool write)
{
    return a64_exception(cpu, A64_EC_DABT_LOWER, data_iss(access, fsc, write),
                         at);
}

static enum a64_next alignment_fault(struct a64_cpu *cpu,
                                     const struct a64_mem_access *access)
{
    bool write =
        access->kind == A64_WRITE && !reads_and_writes(current_insn(cpu));

    return data_fault(cpu, access, access->va, FSC_ALIGNMENT, write);
}

/* The VMM's: MMIO, or memory it withholds. */
static enum a64_next stage2_abort(struct a64_cpu *cpu,
                                  const struct a64_mem_access *access,
                                  uint64_t at, uint64_t ipa, unsigned fsc,
                                  bool write)
{
    uint32_t iss = data_iss(access, fsc + 3, write);

    if (!access->maintenance && !access->part && !access->zeroing)
        iss |= a64_abort_iss(cpu);
    return a64_exit_to_vmm(cpu, A64_EC_DABT_LOWER, iss, at, ipa);
}

/* WnR: an atomic whose read would fail alike reports the read. */
static bool blames_write(struct a64_cpu *cpu,
                         const struct a64_mem_access *access, uint64_t at)
{
    struct a64_walk walk;
    const struct a64_window *ram;

    if (access->kind != A64_WRITE)
        return false;
    if (access->maintenance || !reads_and_writes(current_insn(cpu)))
        return true;
    if (!a64_walk(cpu, at, A64_READ, access->regime, &walk))
        return false;
    ram = a64_window(cpu, walk.ipa);
    return ram != NULL && (ram->flags & A64_S2_READ);
}

enum a64_next a64_walk_failed(struct a64_cpu *cpu,
                              const struct a64_mem_access *access, uint64_t at,
                              const struct a64_walk *walk)
{
    bool write = blames_write(cpu, access, at);

    if (walk->stage2)
        return a64_exit_to_vmm(cpu, A64_EC_DABT_LOWER,
                               data_iss(access, walk->fsc, write) | ISS_S1PTW,
                               at, walk->stage2_ipa);
    return data_fault(cpu, access, at, walk->fsc, write);
}

/* ---- translation ---- */

/* Not in the TLB, or not for this. */
static enum a64_next miss(struct a64_cpu *cpu,
                          const struct a64_mem_access *access, uint64_t at,
                          uint8_t **host)
{
    const struct a64_window *ram;
    struct a64_walk walk;
    uint64_t key;

    if (!a64_walk(cpu, at, access->kind, access->regime, &walk))
        return a64_walk_failed(cpu, access, at, &walk);
    if (walk.device && unfit_for_device(cpu, access))
        return alignment_fault(cpu, access);
    ram = a64_window(cpu, walk.ipa);
    if (ram == NULL)
        return stage2_abort(cpu, access, at, walk.ipa, FSC_TRANSLATION,
                            blames_write(cpu, access, at));
    if (~ram->flags & access->need)
        return stage2_abort(cpu, access, at, walk.ipa, FSC_PERMISSION,
                            blames_write(cpu, access, at));
    *host = ram->host + (walk.ipa - ram->ipa);
    if (a64_tlb_key(cpu, at, &key))
        a64_tlb_fill(cpu, key, access->regime, &walk, ram);
    return A64_NEXT;
}

enum a64_next a64_translate(struct a64_cpu *cpu,
                            const struct a64_mem_access *access, uint64_t at,
                            uint8_t **host)
{
    const struct a64_tlb_entry *e;
    uint64_t key, tag, want;

    if (!a64_tlb_key(cpu, at, &key))
        return miss(cpu, access, at, host);
    e = &cpu->tlb[(key >> 12) & (A64_TLB_SIZE - 1)];
    tag = access->kind == A64_WRITE ? e->wtag : e->rtag;
    want =
        (key & ~0xfffULL) | cpu->tlb_state->ctx[bit(key, 55)][access->regime];
    if (tag != want) {
        if (tag != (want | CTX_DEVICE))
            return miss(cpu, access, at, host);
        if (unfit_for_device(cpu, access))
            return alignment_fault(cpu, access);
    }
    *host = (uint8_t *)(uintptr_t)(key + e->addend);
    return A64_NEXT;
}

/* ---- loads and stores ---- */

/* A flag beside A64_MEM_...: what is written may first be read. */
enum { MEM_EXCHANGES = 1 << 8 };

static enum a64_next watch(struct a64_cpu *cpu,
                           const struct a64_mem_access *access)
{
    bool write = access->kind == A64_WRITE;
    unsigned el = access->regime == A64_REGIME_EL0 ? 0 : 1;
    enum a64_next next =
        a64_watchpoint(cpu, access->va, access->size, write, el);

    if (next == A64_NEXT && write && reads_and_writes(current_insn(cpu)))
        return a64_watchpoint(cpu, access->va, access->size, false, el);
    return next;
}

/* What is checked before the address is looked at. */
static enum a64_next check(struct a64_cpu *cpu,
                           const struct a64_mem_access *access, unsigned flags)
{
    uint64_t sctlr = cpu->sys.sctlr_el1;

    if ((flags & A64_MEM_SP) && (cpu->x[A64_SP] & 15) &&
        (sctlr & (cpu->el ? SCTLR_SA : SCTLR_SA0)))
        return a64_exception(cpu, A64_EC_SP_ALIGN, 0, 0);
    if ((flags & A64_MEM_ALIGNED) && (access->va & (access->size - 1)))
        return alignment_fault(cpu, access);
    if ((sctlr & SCTLR_A) && misaligned(cpu, access))
        return alignment_fault(cpu, access);
    return A64_NEXT;
}

static struct a64_mem_access begin(const struct a64_cpu *cpu, uint64_t va,
                                   unsigned size, enum a64_access kind,
                                   unsigned flags)
{
    return (struct a64_mem_access){
        .va = va,
        .size = size,
        .kind = kind,
        .regime = flags & A64_MEM_UNPRIV ? A64_REGIME_EL0 : a64_regime(cpu),
        .need = kind == A64_READ        ? A64_S2_READ
                : flags & MEM_EXCHANGES ? A64_S2_READ | A64_S2_WRITE
                                        : A64_S2_WRITE,
    };
}

/*
 * Everything up to the access itself. first[0] and first[1] are the host
 * addresses of its parts, the first of *split bytes; the second is not set
 * when the access stays in its page.
 */
static enum a64_next locate(struct a64_cpu *cpu, uint64_t va, unsigned size,
                            enum a64_access kind, unsigned flags,
                            uint8_t *part[2], unsigned *split)
{
    struct a64_mem_access access = begin(cpu, va, size, kind, flags);
    unsigned in_page = 4096 - (unsigned)(va & 4095);
    enum a64_next next = check(cpu, &access, flags);

    if (next != A64_NEXT)
        return next;
    *split = size <= in_page ? size : in_page;
    access.part = *split != size;
    next = a64_translate(cpu, &access, va, &part[0]);
    if (next != A64_NEXT)
        return next;
    if (access.part) {
        next = a64_translate(cpu, &access, va + in_page, &part[1]);
        if (next != A64_NEXT)
            return next;
    }
    if (LULL_UNLIKELY(cpu->watchpoints_on))
        return watch(cpu, &access);
    return A64_NEXT;
}

/* In the largest units that size and address are multiples of, so that every
 * aligned part of the access is one host access. */
#define COPY_UNITS(type)                                                       \
    for (unsigned i = 0; i < size; i += sizeof(type)) {                        \
        type v = __atomic_load_n((const type *)(from + i), __ATOMIC_RELAXED);  \
        __atomic_store_n((type *)(to + i), v, __ATOMIC_RELAXED);               \
    }

/* `from` or `to` is guest memory, the other is the caller's and as aligned as
 * the size asks for. */
static void copy_aligned(uint8_t *to, const uint8_t *from, unsigned size,
                         unsigned unit)
{
    switch (unit) {
    case 8:
        COPY_UNITS(uint64_t)
        break;
    case 4:
        COPY_UNITS(uint32_t)
        break;
    case 2:
        COPY_UNITS(uint16_t)
        break;
    default:
        COPY_UNITS(uint8_t)
        break;
    }
}

static unsigned unit_of(const uint8_t *guest, unsigned size)
{
    uintptr_t all = (uintptr_t)guest | size | 8;

    return (unsigned)(all & -all);
}

static void copy_out(uint8_t *to, const uint8_t *guest, unsigned size)
{
    uint64_t buffer[8];

    copy_aligned((uint8_t *)buffer, guest, size, unit_of(guest, size));
    memcpy(to, buffer, size);
}

static void copy_in(uint8_t *guest, const uint8_t *from, unsigned size)
{
    uint64_t buffer[8];

    memcpy(buffer, from, size);
    copy_aligned(guest, (const uint8_t *)buffer, size, unit_of(guest, size));
}

enum a64_next a64_load(struct a64_cpu *cpu, uint64_t va, unsigned size,
                       void *out, unsigned flags)
{
    uint8_t *part[2] = {NULL};
    unsigned split = 0;
    enum a64_next next = locate(cpu, va, size, A64_READ, flags, part, &split);

    if (next != A64_NEXT)
        return next;
    copy_out(out, part[0], split);
    if (split != size)
        copy_out((uint8_t *)out + split, part[1], size - split);
    return A64_NEXT;
}

enum a64_next a64_store(struct a64_cpu *cpu, uint64_t va, unsigned size,
                        const void *in, unsigned flags)
{
    uint8_t *part[2] = {NULL};
    unsigned split = 0;
    enum a64_next next = locate(cpu, va, size, A64_WRITE, flags, part, &split);

    if (next != A64_NEXT)
        return next;
    copy_in(part[0], in, split);
    if (split != size)
        copy_in(part[1], (const uint8_t *)in + split, size - split);
    return A64_NEXT;
}

enum a64_next a64_zero(struct a64_cpu *cpu, uint64_t va)
{
    struct a64_mem_access access = begin(cpu, va, 64, A64_WRITE, 0);
    uint8_t *host = NULL;
    enum a64_next next;

    access.zeroing = true;
    next = a64_translate(cpu, &access, va, &host);
    if (next == A64_NEXT && LULL_UNLIKELY(cpu->watchpoints_on))
        next = a64_watchpoint(cpu, va & ~63ULL, 64, true, cpu->el);
    if (next == A64_NEXT) {
        /* set, as the result says: NOLINTNEXTLINE(*NonNullParamChecker) */
        memset((void *)((uintptr_t)host & ~(uintptr_t)63), 0, 64);
    }
    return next;
}

enum a64_next a64_host(struct a64_cpu *cpu, uint64_t va, unsigned size,
                       enum a64_access kind, unsigned flags, void **host)
{
    uint8_t *part[2] = {NULL};
    unsigned split = 0;
    /* aligned to its size, it cannot leave its page */
    enum a64_next next =
        locate(cpu, va, size, kind, flags | A64_MEM_ALIGNED | MEM_EXCHANGES,
               part, &split);

    if (next == A64_NEXT)
        *host = part[0];
    return next;
}

/* ---- fetch ---- */

static enum a64_next fetch_failed(struct a64_cpu *cpu,
                                  const struct a64_walk *walk)
{
    if (walk->stage2)
        return a64_exit_to_vmm(cpu, A64_EC_IABT_LOWER, walk->fsc | ISS_S1PTW,
                               cpu->pc, walk->stage2_ipa);
    return a64_exception(cpu, A64_EC_IABT_LOWER, walk->fsc, cpu->pc);
}

static enum a64_next fetch_miss(struct a64_cpu *cpu,
                                struct a64_code_page **page)
{
    const struct a64_window *ram;
    struct a64_walk walk;
    uint64_t ipa, key, served;

    if (!a64_walk(cpu, cpu->pc, A64_EXEC, a64_regime(cpu), &walk))
        return fetch_failed(cpu, &walk);
    ram = a64_window(cpu, walk.ipa);
    if (ram == NULL || !(ram->flags & A64_S2_EXEC))
        return a64_exit_to_vmm(
            cpu, A64_EC_IABT_LOWER,
            (ram == NULL ? FSC_TRANSLATION : FSC_PERMISSION) + 3, cpu->pc,
            walk.ipa);
    ipa = walk.ipa & ~0xfffULL;
    served = cpu->tlb_state->served;
    *page = a64_code_page(cpu, ipa, ram->host + (ipa - ram->ipa));
    if (*page == NULL) {
        cpu->exit.reason = HV_EXIT_REASON_UNKNOWN;
        return A64_EXIT;
    }
    /* Making room for the page can mean waiting, and serving others
     * meanwhile; then the translation is old. */
    if (served != cpu->tlb_state->served)
        return A64_REDIRECT;
    if (a64_tlb_key(cpu, cpu->pc, &key) && key == cpu->pc)
        a64_fetch_fill(cpu, key, &walk, *page);
    return A64_NEXT;
}

enum a64_next a64_fetch(struct a64_cpu *cpu, struct a64_code_page **page)
{
    const struct a64_fetch_entry *e =
        &cpu->fetch[(cpu->pc >> 12) & (A64_FETCH_SIZE - 1)];
    uint64_t page_va = cpu->pc & ~0xfffULL;
    uint64_t target = a64_branch_target(cpu, cpu->pc);

    if (LULL_UNLIKELY(target != cpu->pc)) { /* BR, BLR, RET with a tag */
        cpu->pc = target;
        return A64_REDIRECT;
    }
    if (cpu->pc & 3)
        return a64_exception(cpu, A64_EC_PC_ALIGN, 0, cpu->pc);
    /* While every access is looked at, the fast path hits nothing. */
    if (e->tag ==
        (page_va | cpu->tlb_state->ctx[bit(cpu->pc, 55)][a64_regime(cpu)])) {
        *page = e->page;
        return A64_NEXT;
    }
    return fetch_miss(cpu, page);
}
