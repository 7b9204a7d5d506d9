/*
 * Maintenance instructions: TLBI, IC, DC and AT [C5.3 - C5.5].
 *
 * Guest memory is coherent and data caches do not exist, so DC by address only
 * checks its translation, and by set and way does nothing. Decoded code is the
 * instruction cache: IC drops it.
 *
 * A TLBI or IC is done to this vCPU at once, and to the others, where it has
 * to be, through a record that sync.c carries: what in bits 63..60, and below
 * it VA<55:12>, an ASID or the number of a guest physical page.
 */
#include "mem.h"

enum { DROP_PAGE = 1, DROP_ASID = 2, DROP_CODE = 3, RECORD_SHIFT = 60 };
#define RECORD(what, operand) ((uint64_t)(what) << RECORD_SHIFT | (operand))

/* op1:CRn:CRm:op2 of a SYS instruction, insn<18:5> */
#define SYS_OP(op1, crn, crm, op2)                                             \
    ((op1) << 11 | (crn) << 7 | (crm) << 3 | (op2))

static unsigned sys_op(uint32_t insn)
{
    return (unsigned)bits(insn, 18, 5);
}

/* ---- TLBI ---- */

void a64_record_apply(struct a64_cpu *cpu, uint64_t record)
{
    switch (record >> RECORD_SHIFT) {
    case DROP_PAGE:
        a64_tlb_drop_page(cpu, bits(record, 43, 0));
        break;
    case DROP_ASID:
        a64_tlb_drop_asid(cpu, (uint16_t)record);
        break;
    case DROP_CODE:
        a64_fetch_drop_page(cpu, bits(record, 43, 0) << 12);
        break;
    default: /* A64_RECORD_ALL */
        a64_tlb_flush(cpu);
        break;
    }
}

/* The record for a TLBI's op2; 0 where there is no such instruction. */
static uint64_t tlbi_record(struct a64_cpu *cpu, unsigned op2, uint64_t value)
{
    uint16_t asid = (uint16_t)bits(value, 63, 48);

    switch (op2) {
    case 0: /* VMALLE1 */
        return A64_RECORD_ALL;
    case 1: /* VAE1, VAAE1, VALE1, VAALE1 */
    case 3:
    case 5:
    case 7:
        return RECORD(DROP_PAGE, bits(value, 43, 0));
    case 2: /* ASIDE1 */
        if (!(cpu->sys.tcr_el1 & TCR_AS))
            asid &= 0xff;
        return RECORD(DROP_ASID, asid);
    default:
        return 0;
    }
}

enum a64_next a64_tlbi(struct a64_cpu *cpu, uint32_t insn, uint64_t value)
{
    unsigned crm = (unsigned)bits(insn, 11, 8);
    uint64_t record = tlbi_record(cpu, (unsigned)bits(insn, 7, 5), value);

    if (bits(insn, 18, 12) != 8 || record == 0 || (crm != 3 && crm != 7))
        return a64_undefined(cpu);
    a64_record_apply(cpu, record);
    if (crm == 3)
        a64_post(cpu, record);
    return A64_NEXT;
}

/* ---- IC and DC ---- */

static struct a64_mem_access maintenance(const struct a64_cpu *cpu, uint64_t va,
                                         enum a64_access kind)
{
    return (struct a64_mem_access){
        .va = va,
        .size = 1,
        .kind = kind,
        /* PSTATE.PAN does not concern cache maintenance */
        .regime = cpu->el ? A64_REGIME_EL1 : A64_REGIME_EL0,
        .need = kind == A64_READ ? A64_S2_READ : A64_S2_WRITE,
        .maintenance = true,
    };
}

static enum a64_next ic_ivau(struct a64_cpu *cpu, uint64_t va)
{
    struct a64_mem_access access = maintenance(cpu, va, A64_READ);
    struct a64_walk walk;

    if (!a64_walk(cpu, va, A64_READ, access.regime, &walk))
        return a64_walk_failed(cpu, &access, va, &walk);
    a64_code_invalidate(cpu->vm, walk.ipa & ~63ULL, 64);
    a64_fetch_drop_page(cpu, walk.ipa);
    /* For every vCPU: decoded code is common, and a page of it that is no
     * longer valid must not stay in use anywhere. */
    a64_post(cpu, RECORD(DROP_CODE, walk.ipa >> 12));
    return A64_NEXT;
}

/* Dropping the translations too is the short way to drop all code. */
static enum a64_next ic_all(struct a64_cpu *cpu)
{
    a64_code_invalidate_all(cpu->vm);
    a64_fetch_drop_all(cpu);
    a64_post(cpu, A64_RECORD_ALL);
    return A64_NEXT;
}

/* By address: translation and permission count, the data does not move. */
static enum a64_next dc_by_address(struct a64_cpu *cpu, uint64_t va,
                                   enum a64_access kind)
{
    const struct a64_tlb_entry *e = &cpu->tlb[(va >> 12) & (A64_TLB_SIZE - 1)];
    uint64_t want = (va & ~0xfffULL) | cpu->ctx[bit(va, 63)];
    struct a64_mem_access access;
    uint8_t *host;

    if (LULL_LIKELY((kind == A64_READ ? e->rtag : e->wtag) == want))
        return A64_NEXT;
    access = maintenance(cpu, va, kind);
    return a64_translate(cpu, &access, va, &host);
}

enum a64_next a64_cache_op(struct a64_cpu *cpu, uint32_t insn, uint64_t value)
{
    switch (sys_op(insn)) {
    case SYS_OP(0, 7, 1, 0): /* IC IALLUIS */
    case SYS_OP(0, 7, 5, 0): /* IC IALLU */
        return ic_all(cpu);
    case SYS_OP(3, 7, 5, 1): /* IC IVAU */
        return ic_ivau(cpu, value);
    case SYS_OP(0, 7, 6, 1): /* DC IVAC */
        return dc_by_address(cpu, value, A64_WRITE);
    case SYS_OP(3, 7, 10, 1): /* DC CVAC */
    case SYS_OP(3, 7, 11, 1): /* DC CVAU */
    case SYS_OP(3, 7, 14, 1): /* DC CIVAC */
        return dc_by_address(cpu, value, A64_READ);
    case SYS_OP(3, 7, 4, 1): /* DC ZVA */
        return a64_zero(cpu, value);
    case SYS_OP(0, 7, 6, 2):  /* DC ISW */
    case SYS_OP(0, 7, 10, 2): /* DC CSW */
    case SYS_OP(0, 7, 14, 2): /* DC CISW */
        return A64_NEXT;
    default:
        return a64_undefined(cpu);
    }
}

/* ---- AT ---- */

#define PAR_RES1 (1ULL << 11)

static uint64_t par_of(const struct a64_walk *walk)
{
    /* Device and Non-cacheable memory are Outer Shareable whatever the
     * descriptor says */
    unsigned sh = walk->device || walk->attr == 0x44 ? 2 : walk->sh;

    return (uint64_t)walk->attr << 56 | (walk->ipa & 0x0000fffffffff000ULL) |
           PAR_RES1 | (uint64_t)sh << 7;
}

static uint64_t par_fault(unsigned fsc)
{
    return PAR_RES1 | (uint64_t)fsc << 1 | 1;
}

/* The level a mapping of this size is found at. */
static unsigned level_of(unsigned page_shift)
{
    return (39 - page_shift) / 9;
}

enum a64_next a64_at(struct a64_cpu *cpu, uint32_t insn, uint64_t value)
{
    enum a64_regime regime = A64_REGIME_EL1;
    bool write = false;
    struct a64_walk walk;

    switch (sys_op(insn)) {
    case SYS_OP(0, 7, 9, 1): /* S1E1WP */
        write = true;
        /* fallthrough */
    case SYS_OP(0, 7, 9, 0): /* S1E1RP */
        regime = cpu->pan ? A64_REGIME_EL1_PAN : A64_REGIME_EL1;
        break;
    case SYS_OP(0, 7, 8, 1): /* S1E1W */
        write = true;
        break;
    case SYS_OP(0, 7, 8, 0): /* S1E1R */
        break;
    case SYS_OP(0, 7, 8, 3): /* S1E0W */
        write = true;
        /* fallthrough */
    case SYS_OP(0, 7, 8, 2): /* S1E0R */
        regime = A64_REGIME_EL0;
        break;
    default:
        return a64_undefined(cpu);
    }
    /* Asked as a read, so that the dirty state stays as it is. What cannot be
     * read cannot be written either. */
    if (a64_walk(cpu, value, A64_READ, regime, &walk)) {
        if (write && !walk.write)
            cpu->sys.par_el1 =
                par_fault(FSC_PERMISSION + level_of(walk.page_shift));
        else
            cpu->sys.par_el1 = par_of(&walk);
        return A64_NEXT;
    }
    if (walk.stage2)
        return a64_exit_to_vmm(cpu, A64_EC_DABT_LOWER,
                               walk.fsc | ISS_WNR | ISS_S1PTW | ISS_CM, value,
                               walk.stage2_ipa);
    cpu->sys.par_el1 = par_fault(walk.fsc);
    return A64_NEXT;
}
