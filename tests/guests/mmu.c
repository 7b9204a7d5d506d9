/*
 * mmu: stage 1 translation and what may be cached of it.
 *
 * Every TLBI form makes a changed descriptor seen; ASIDs keep their mappings
 * apart and can be used again; blocks and contiguous pages; access flag and
 * dirty state by hardware; PAN, WXN, E0PD; AT and PAR_EL1; the two halves;
 * code that changes; accesses across pages; exclusives. Then, where there are
 * more vCPUs, they use a page, or run code, that vCPU 0 takes away or rewrites.
 */
#include "bare.h"
#include "code.h"

#define PAGE_A SCRATCH
#define PAGE_B (SCRATCH + 0x1000)
#define BLOCK_A (SCRATCH + 0x200000)
#define BLOCK_B (SCRATCH + 0x400000)
enum { VALUE_A = 0xaaaa1111, VALUE_B = 0xbbbb2222, POISON = 0xdead };

#define CODE_RET 0xd65f03c0u
#define CODE_NOP 0xd503201fu
#define CODE_MOVZ_W0(value) (0x52800000u | (uint32_t)(value) << 5)

/* ---- TLBI ---------------------------------------------------------------- */

#define TLBI(name, operation, operand)                                         \
    static void tlbi_##name(uint64_t va, uint64_t asid)                        \
    {                                                                          \
        uint64_t page = va << 8 >> 20;                                         \
        (void)page, (void)asid;                                                \
        __asm__ volatile("dsb ishst\n\ttlbi " operation                        \
                         "\n\tdsb ish\n\tisb" ::"r"(operand)                   \
                         : "memory");                                          \
    }

TLBI(vae1, "vae1, %0", page | asid << 48)
TLBI(vale1, "vale1, %0", page | asid << 48)
TLBI(vaae1, "vaae1, %0", page)
TLBI(vaale1, "vaale1, %0", page)
TLBI(aside1, "aside1, %0", asid << 48)
TLBI(vmalle1, "vmalle1", page)
TLBI(vae1is, "vae1is, %0", page | asid << 48)
TLBI(vale1is, "vale1is, %0", page | asid << 48)
TLBI(vaae1is, "vaae1is, %0", page)
TLBI(vaale1is, "vaale1is, %0", page)
TLBI(aside1is, "aside1is, %0", asid << 48)
TLBI(vmalle1is, "vmalle1is", page)

static const struct {
    const char *name;
    void (*tlbi)(uint64_t va, uint64_t asid);
} tlbis[] = {
    {"TLBI VAE1", tlbi_vae1},         {"TLBI VALE1", tlbi_vale1},
    {"TLBI VAAE1", tlbi_vaae1},       {"TLBI VAALE1", tlbi_vaale1},
    {"TLBI ASIDE1", tlbi_aside1},     {"TLBI VMALLE1", tlbi_vmalle1},
    {"TLBI VAE1IS", tlbi_vae1is},     {"TLBI VALE1IS", tlbi_vale1is},
    {"TLBI VAAE1IS", tlbi_vaae1is},   {"TLBI VAALE1IS", tlbi_vaale1is},
    {"TLBI ASIDE1IS", tlbi_aside1is}, {"TLBI VMALLE1IS", tlbi_vmalle1is},
};

static void set_asid(uint64_t root, uint64_t asid)
{
    WRITE("ttbr0_el1", root | asid << 48);
}

/* Break before make, as the architecture wants it. */
static void remap(uint64_t va, uint64_t pa, uint64_t attributes, uint64_t asid,
                  void (*tlbi)(uint64_t va, uint64_t asid))
{
    *pte(va, 3) = 0;
    tlbi(va, asid);
    *pte(va, 3) = pa | attributes | PTE_PAGE;
    ASM("dsb ishst\n\tisb");
}

static void check_tlbi(void)
{
    uint64_t va = WINDOW + 0x7000;

    REG64(PAGE_A) = VALUE_A;
    REG64(PAGE_B) = VALUE_B;
    set_asid(ttbr0_root, 5);
    for (size_t i = 0; i < COUNT_OF(tlbis); i++) {
        uint64_t attributes = PTE_SHARED | PTE_NG;
        struct trap trap;
        bool good;

        map_page(va, PAGE_A, attributes);
        good = part_eq(tlbis[i].name, "before", REG64(va), VALUE_A);
        trap = run_at(MODE_EL0, c_ldr, va, 0);
        good &= part_eq(tlbis[i].name, "EL0 before", trap.x[0], VALUE_A);
        *pte(va, 3) = 0;
        tlbis[i].tlbi(va, 5);
        trap = run_at(MODE_EL0, c_ldr, va, 0);
        good &= part_eq(tlbis[i].name, "EL0 unmapped", trap.esr,
                        ESR(EC_DABT_LOWER, TRANSLATION | 3));
        trap = run_at(MODE_EL1H, c_ldr, va, 0);
        good &= part_eq(tlbis[i].name, "EL1 unmapped", trap.esr,
                        ESR(EC_DABT, TRANSLATION | 3));
        remap(va, PAGE_B, attributes, 5, tlbis[i].tlbi);
        good &= part_eq(tlbis[i].name, "after", REG64(va), VALUE_B);
        trap = run_at(MODE_EL0, c_ldr, va, 0);
        good &= part_eq(tlbis[i].name, "EL0 after", trap.x[0], VALUE_B);
        check(tlbis[i].name, good);
    }
    set_pte(pte(va, 3), 0);
    set_asid(ttbr0_root, 0);
}

/* Taking away a permission needs a TLBI as well, and gets it. */
static void check_downgrade(void)
{
    uint64_t va = WINDOW + 0x7000;
    struct trap trap;

    map_page(va, PAGE_A, PTE_SHARED);
    REG64(va) = VALUE_A;
    *pte(va, 3) |= PTE_RO;
    tlbi_va(va);
    trap = run_at(MODE_EL1H, c_str, va, 0);
    check_eq("written, then made read-only", trap.esr,
             ESR(EC_DABT, PERMISSION | 3 | WNR));
    *pte(va, 3) &= ~PTE_RO;
    tlbi_va(va);
    REG64(va) = VALUE_B;
    check_eq("and writable again", REG64(PAGE_A), VALUE_B);
    set_pte(pte(va, 3), 0);
}

/* ---- ASIDs --------------------------------------------------------------- */

enum { SPACES = 24 };

/* A root that shares everything with the first but the window. */
static uint64_t new_space(uint64_t va, uint64_t pa)
{
    uint64_t *root = new_page(), first = ttbr0_root;

    for (unsigned i = 0; i < 512; i++)
        root[i] = ((uint64_t *)ttbr0_root)[i];
    root[va >> 39 & 511] = 0;
    ttbr0_root = address_of(root);
    *pte(va, 3) = pa | PTE_SHARED | PTE_NG | PTE_PAGE;
    ttbr0_root = first;
    return address_of(root);
}

static void check_asids(void)
{
    /* different ones that are alike in their low eight bits, too */
    static uint64_t root[SPACES], asid[SPACES];
    uint64_t va = WINDOW + 0x9000, first = ttbr0_root;
    unsigned wrong = 0;
    struct trap trap;

    for (unsigned i = 0; i < SPACES; i++) {
        uint64_t pa = PAGE_A + 0x1000 * i;

        REG64(pa) = 1000 + i;
        asid[i] = i % 2 ? 1 + i : 0x100 * i + 0x1001;
        root[i] = new_space(va, pa);
    }
    for (unsigned round = 0; round < 50; round++)
        for (unsigned i = 0; i < SPACES; i++) {
            unsigned n = (i * (round % 5 + 1)) % SPACES;

            set_asid(root[n], asid[n]);
            wrong += REG64(va) != 1000 + n;
        }
    check_eq("24 address spaces, no TLBI between them", wrong, 0);
    /* ASID 3 moves on to a new page; ASID 5 must not notice. */
    ttbr0_root = root[5];
    set_asid(root[5], 5);
    check_eq("before an ASID is used again", REG64(va), 1005);
    *pte(va, 3) = PAGE_A | PTE_SHARED | PTE_NG | PTE_PAGE;
    tlbi_aside1(va, 5);
    check_eq("an ASID used again", REG64(va), 1000);
    set_asid(root[7], asid[7]);
    check_eq("its neighbour", REG64(va), 1007);
    /* One that is not the current one. */
    ttbr0_root = root[9];
    *pte(va, 3) = PAGE_B | PTE_SHARED | PTE_NG | PTE_PAGE;
    tlbi_vae1is(va, asid[9]);
    set_asid(root[9], asid[9]);
    check_eq("TLBI of another ASID's page", REG64(va), 1001);
    trap = run_at(MODE_EL0, c_ldr, va, 0);
    check_eq("as EL0 sees it", trap.x[0], 1001);
    ttbr0_root = first;
    set_asid(first, 0);
    trap = run_at(MODE_EL1H, c_ldr, va, 0);
    check_eq("nothing is there in the first space", trap.esr & ~3ull,
             ESR(EC_DABT, TRANSLATION));
}

/* With TCR.A1 the ASID is TTBR1's. */
static void check_a1(void)
{
    uint64_t va = WINDOW + 0xa000;

    map_page(va, PAGE_A, PTE_SHARED | PTE_NG);
    REG64(PAGE_A) = VALUE_A;
    REG64(PAGE_B) = VALUE_B;
    WRITE("tcr_el1", TCR_BASE | 1 << 22);
    WRITE("ttbr1_el1", ttbr1_root | 33ull << 48);
    check_eq("A1: ASID 33", REG64(va), VALUE_A);
    remap(va, PAGE_B, PTE_SHARED | PTE_NG, 33, tlbi_aside1);
    check_eq("A1: ASID 33 anew", REG64(va), VALUE_B);
    WRITE("ttbr1_el1", ttbr1_root);
    WRITE("tcr_el1", TCR_BASE);
    set_pte(pte(va, 3), 0);
}

/* ---- sizes --------------------------------------------------------------- */

static void check_blocks(void)
{
    uint64_t va = WINDOW + 0x600000, giant = WINDOW + 0x80000000;
    unsigned wrong = 0;

    for (unsigned i = 0; i < 512; i++) {
        REG64(BLOCK_A + 0x1000 * i) = 0xa000 + i;
        REG64(BLOCK_B + 0x1000 * i) = 0xb000 + i;
    }
    set_pte(pte(va, 2), BLOCK_A | PTE_SHARED | PTE_BLOCK);
    for (unsigned i = 0; i < 512; i++)
        wrong += REG64(va + 0x1000 * i) != 0xa000 + i;
    check_eq("a block of 2 MiB", wrong, 0);
    *pte(va, 2) = 0;
    tlbi_vae1(va + 0x123000, 0);
    *pte(va, 2) = BLOCK_B | PTE_SHARED | PTE_BLOCK;
    ASM("dsb ish\n\tisb");
    for (unsigned i = 0; i < 512; i++)
        wrong += REG64(va + 0x1000 * i) != 0xb000 + i;
    check_eq("TLBI of one address drops the block", wrong, 0);
    set_pte(pte(giant, 1), 0x40000000 | PTE_SHARED | PTE_BLOCK);
    for (unsigned i = 0; i < 512; i++)
        wrong += REG64(giant + BLOCK_A - 0x40000000 + 0x1000 * i) != 0xa000 + i;
    check_eq("a block of 1 GiB", wrong, 0);
    /* A block becomes a table of pages in another order. */
    *pte(va, 2) = 0;
    tlbi_vae1(va, 0);
    for (unsigned i = 0; i < 512; i++)
        *pte(va + 0x1000 * i, 3) =
            (BLOCK_A + 0x1000 * (511 - i)) | PTE_SHARED | PTE_PAGE;
    ASM("dsb ish\n\tisb");
    for (unsigned i = 0; i < 512; i++)
        wrong += REG64(va + 0x1000 * i) != 0xa000 + 511 - i;
    check_eq("a block split into pages", wrong, 0);
    set_pte(pte(va, 2), 0);
    set_pte(pte(giant, 1), 0);
}

static void check_contiguous(void)
{
    uint64_t va = WINDOW + 0x800000;
    unsigned wrong = 0;

    for (unsigned i = 0; i < 16; i++)
        *pte(va + 0x1000 * i, 3) =
            (BLOCK_A + 0x1000 * i) | PTE_SHARED | PTE_PAGE | PTE_CONT;
    tlbi_all();
    for (unsigned i = 0; i < 16; i++)
        wrong += REG64(va + 0x1000 * i) != 0xa000 + i;
    check_eq("16 contiguous pages", wrong, 0);
    for (unsigned i = 0; i < 16; i++)
        *pte(va + 0x1000 * i, 3) = 0;
    for (unsigned i = 0; i < 16; i++)
        tlbi_vae1(va + 0x1000 * i, 0);
    for (unsigned i = 0; i < 16; i++)
        *pte(va + 0x1000 * i, 3) =
            (BLOCK_B + 0x1000 * i) | PTE_SHARED | PTE_PAGE | PTE_CONT;
    ASM("dsb ish\n\tisb");
    for (unsigned i = 0; i < 16; i++)
        wrong += REG64(va + 0x1000 * i) != 0xb000 + i;
    check_eq("and moved", wrong, 0);
    set_pte(pte(va, 2), 0);
}

/* ---- state by hardware --------------------------------------------------- */

static void check_access_flag(void)
{
    uint64_t va = WINDOW + 0xc000, block = WINDOW + 0xa00000;

    WRITE("tcr_el1", TCR_BASE | TCR_HA);
    map_page(va, PAGE_A, PTE_SHARED & ~PTE_AF);
    check_eq("HA: not accessed yet", *pte(va, 3) & PTE_AF, 0);
    (void)REG64(va);
    check_eq("HA: read", *pte(va, 3) & PTE_AF, PTE_AF);
    map_page(va, PAGE_A, PTE_SHARED & ~PTE_AF);
    run_at(MODE_EL0, c_str, va, VALUE_A);
    check_eq("HA: written at EL0", *pte(va, 3) & PTE_AF, PTE_AF);
    *pte(va, 3) &= ~PTE_AF;
    tlbi_va(va);
    (void)REG64(va);
    check_eq("HA: cleared and read again", *pte(va, 3) & PTE_AF, PTE_AF);
    set_pte(pte(block, 2), BLOCK_A | ((PTE_SHARED | PTE_BLOCK) & ~PTE_AF));
    (void)REG64(block + 0x5000);
    check_eq("HA: a block", *pte(block, 2) & PTE_AF, PTE_AF);
    set_pte(pte(block, 2), 0);
    WRITE("tcr_el1", TCR_BASE);
    tlbi_all();
}

static void check_dirty(void)
{
    uint64_t va = WINDOW + 0xc000, clean = PTE_SHARED | PTE_RO | PTE_DBM;
    struct trap trap;

    WRITE("tcr_el1", TCR_BASE | TCR_HA | TCR_HD);
    map_page(va, PAGE_A, clean);
    (void)REG64(va);
    check_eq("HD: read, still clean", *pte(va, 3) & PTE_RO, PTE_RO);
    REG64(va) = 77;
    check_eq("HD: written, dirty", *pte(va, 3) & PTE_RO, 0);
    check_eq("HD: and stored", REG64(PAGE_A), 77);
    map_page(va, PAGE_A, clean & ~PTE_AF);
    trap = run_at(MODE_EL0, c_ldadd, va, 1);
    check("HD: LDADD at EL0", returned(&trap) || trap.esr == ESR(0, 0));
    trap = run_at(MODE_EL0, c_strb, va, 1);
    check_returned("HD: written at EL0", &trap);
    check_eq("HD: accessed and dirty", *pte(va, 3) & (PTE_RO | PTE_AF), PTE_AF);
    *pte(va, 3) |= PTE_RO;
    tlbi_va(va);
    REG64(va) = 78;
    check_eq("HD: cleaned and dirty again", *pte(va, 3) & PTE_RO, 0);
    map_page(va, PAGE_A, clean & ~PTE_DBM);
    trap = run_at(MODE_EL1H, c_str, va, 1);
    check_eq("HD: without DBM it is read-only", trap.esr,
             ESR(EC_DABT, PERMISSION | 3 | WNR));
    WRITE("tcr_el1", TCR_BASE | TCR_HA);
    map_page(va, PAGE_A, clean);
    trap = run_at(MODE_EL1H, c_str, va, 1);
    check_eq("DBM without HD is read-only", trap.esr,
             ESR(EC_DABT, PERMISSION | 3 | WNR));
    WRITE("tcr_el1", TCR_BASE);
    set_pte(pte(va, 3), 0);
}

/* ---- permissions --------------------------------------------------------- */

static void check_pan(void)
{
    uint64_t user = WINDOW + 0xd000, kernel = WINDOW + 0xe000;
    uint64_t mode = MODE_EL1H | SPSR_PAN;
    struct trap trap;

    map_page(user, PAGE_A, PTE_SHARED);
    map_page(kernel, PAGE_A, PTE_KERNEL);
    REG64(PAGE_A) = VALUE_A;
    check_eq("no PAN: a user page", REG64(user), VALUE_A);
    trap = run_at(mode, c_ldr, user, 0);
    check_trap("PAN: a user page", &trap, VECTOR_EL1H,
               ESR(EC_DABT, PERMISSION | 3), address_of(c_ldr), user, mode);
    trap = run_at(mode, c_str, user, 0);
    check_eq("PAN: a store", trap.esr, ESR(EC_DABT, PERMISSION | 3 | WNR));
    trap = run_at(mode, c_ldtr, user, 0);
    check_returned("PAN: LDTR is for that", &trap);
    trap = run_at(mode, c_ldr, kernel, 0);
    check_returned("PAN: a kernel page", &trap);
    trap = run_at(MODE_EL0 | SPSR_PAN, c_ldr, user, 0);
    check_returned("PAN: EL0 itself", &trap);
    trap = run_at(MODE_EL1H, c_pan_ldr, user, 0);
    check_trap("MSR PAN, #1", &trap, VECTOR_EL1H, ESR(EC_DABT, PERMISSION | 3),
               address_of(c_pan_ldr_insn), user, mode);
    check_eq("no PAN again", REG64(user), VALUE_A);
    set_pte(pte(user, 3), 0);
    set_pte(pte(kernel, 3), 0);
}

/* With SCTLR_EL1.SPAN clear, an exception to EL1 sets PSTATE.PAN; and the
 * exceptions that the machine raises itself do, too. */
static void check_span(void)
{
    static const struct {
        const char *name;
        uint64_t mode;
        const char *code;
    } cases[] = {
        {"SVC at EL0", MODE_EL0, c_svc},
        {"UDF at EL0", MODE_EL0, c_udf},
        {"SVC at EL1", MODE_EL1H, c_svc},
        {"no such ICC register", MODE_EL1H, c_mrs_ap1r1},
        {"nothing at the address", MODE_EL1H, c_ldr},
    };

    map_page(WINDOW + 0xd000, 0x0b000000, PTE_KERNEL | PTE_DEVICE);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        bool good = true;

        for (unsigned span = 0; span < 2; span++) {
            WRITE("sctlr_el1",
                  (SCTLR_BASE & ~SCTLR_SPAN) | SCTLR_M | span * SCTLR_SPAN);
            for (unsigned pan = 0; pan < 2; pan++) {
                uint64_t spsr = cases[i].mode | pan * SPSR_PAN;
                struct trap trap =
                    run_at(spsr, cases[i].code, WINDOW + 0xd000, 0);

                good &= part_eq(cases[i].name, "SPSR_EL1.PAN", trap.spsr, spsr);
                good &= part_eq(cases[i].name, "PSTATE.PAN in the handler",
                                this_cpu()->handler_pan,
                                pan || !span ? SPSR_PAN : 0);
            }
        }
        check(cases[i].name, good);
    }
    WRITE("sctlr_el1", SCTLR_BASE | SCTLR_M);
    set_pte(pte(WINDOW + 0xd000, 3), 0);
}

static void check_wxn(void)
{
    uint64_t va = WINDOW + 0xd000;
    uint32_t *code = (uint32_t *)PAGE_A;
    struct trap trap;

    code[0] = CODE_NOP;
    code[1] = CODE_RET;
    sync_code(code, 8);
    map_page(va, PAGE_A, PTE_KERNEL & ~PTE_PXN);
    trap = run_at(MODE_EL1H, c_br, va, 0);
    check_returned("writable code without WXN", &trap);
    WRITE("sctlr_el1", SCTLR_BASE | SCTLR_M | SCTLR_WXN);
    tlbi_all();
    trap = run_at(MODE_EL1H, c_br, va, 0);
    check_trap("WXN at EL1", &trap, VECTOR_EL1H, ESR(EC_IABT, PERMISSION | 3),
               va, va, MODE_EL1H);
    map_page(va, PAGE_A, (PTE_KERNEL & ~PTE_PXN) | PTE_RO);
    trap = run_at(MODE_EL1H, c_br, va, 0);
    check_returned("WXN: read-only code", &trap);
    map_page(va, PAGE_A, PTE_SHARED & ~PTE_UXN);
    trap = run_at(MODE_EL0, c_br, va, 0);
    check_eq("WXN at EL0", trap.esr, ESR(EC_IABT_LOWER, PERMISSION | 3));
    WRITE("sctlr_el1", SCTLR_BASE | SCTLR_M);
    tlbi_all();
    trap = run_at(MODE_EL0, c_br, va, 0);
    check_returned("EL0 without WXN", &trap);
    set_pte(pte(va, 3), 0);
}

/* What a table allows, its pages cannot give back. */
static void check_table_permissions(void)
{
    enum { PXN = 59, UXN = 60, AP0 = 61, AP1 = 62 };
    static const struct {
        const char *name;
        unsigned bit;
        uint64_t mode;
        const char *code;
        uint64_t esr; /* 0: it is allowed */
    } cases[] = {
        {"APTable<0>, EL0 reads", AP0, MODE_EL0, c_ldr,
         ESR(EC_DABT_LOWER, PERMISSION | 3)},
        {"APTable<0>, EL1 writes", AP0, MODE_EL1H, c_str, 0},
        {"APTable<1>, EL0 reads", AP1, MODE_EL0, c_ldr, 0},
        {"APTable<1>, EL0 writes", AP1, MODE_EL0, c_str,
         ESR(EC_DABT_LOWER, PERMISSION | 3 | WNR)},
        {"APTable<1>, EL1 writes", AP1, MODE_EL1H, c_str,
         ESR(EC_DABT, PERMISSION | 3 | WNR)},
        {"UXNTable, EL0 runs", UXN, MODE_EL0, c_br,
         ESR(EC_IABT_LOWER, PERMISSION | 3)},
        {"PXNTable, EL0 runs", PXN, MODE_EL0, c_br, 0},
    };
    uint64_t va = WINDOW + 0xc00000;
    volatile uint64_t *table;

    ((uint32_t *)PAGE_A)[0] = CODE_NOP;
    ((uint32_t *)PAGE_A)[1] = CODE_RET;
    sync_code((void *)PAGE_A, 8);
    map_page(va, PAGE_A, PTE_SHARED & ~PTE_UXN);
    table = pte(va, 2);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct trap trap;

        ((uint32_t *)PAGE_A)[0] = CODE_NOP;
        ((uint32_t *)PAGE_A)[1] = CODE_RET;
        sync_code((void *)PAGE_A, 8);
        *table |= 1ull << cases[i].bit;
        tlbi_all();
        trap = run_at(cases[i].mode, cases[i].code, va, 0);
        *table &= ~(1ull << cases[i].bit);
        tlbi_all();
        if (cases[i].esr == 0)
            check_returned(cases[i].name, &trap);
        else
            check_eq(cases[i].name, trap.esr, cases[i].esr);
        trap = run_at(cases[i].mode, cases[i].code, va, 0);
        check_returned("without it", &trap);
    }
    set_pte(table, 0);
}

/* TBI0: the top byte of an address is the program's own. */
static void check_tags(void)
{
    uint64_t va = WINDOW + 0xd000, tag = 0xa5ull << 56;
    uint64_t tagged = va | tag;
    struct trap trap;

    map_page(va, PAGE_A, PTE_SHARED & ~PTE_UXN);
    ((uint32_t *)PAGE_A)[0] = CODE_NOP;
    ((uint32_t *)PAGE_A)[1] = 0xd4000001; /* svc #0 */
    sync_code((void *)PAGE_A, 8);
    trap = run_at(MODE_EL0, c_ldr, tagged, 0);
    check_eq("a tag without TBI", trap.esr,
             ESR(EC_DABT_LOWER, TRANSLATION | 0));
    WRITE("tcr_el1", TCR_BASE | 1ull << 37);
    trap = run_at(MODE_EL0, c_ldr, tagged, 0);
    check_eq("a tag with TBI0", trap.x[0], REG64(va));
    trap = run_at(MODE_EL1H, c_str, tagged + 8, 0x77);
    check_eq("a store with a tag", REG64(PAGE_A + 8), 0x77);
    trap = run_at(MODE_EL0, c_br, tagged, 0);
    check_trap("a branch drops the tag", &trap, VECTOR_EL0, ESR(EC_SVC, 0),
               va + 8, NO_FAR, MODE_EL0);
    trap = run_at(MODE_EL0, c_ldr, 0xffff800000000000 | tag, 0);
    check_eq("the upper half has no tags", trap.esr & ~3ull,
             ESR(EC_DABT_LOWER, TRANSLATION | 0));
    *pte(va, 3) = 0;
    tlbi_vae1(tagged, 0);
    trap = run_at(MODE_EL0, c_ldr, tagged, 0);
    check_eq("TLBI by an address with a tag", trap.esr,
             ESR(EC_DABT_LOWER, TRANSLATION | 3));
    WRITE("tcr_el1", TCR_BASE);
}

/* Another root and another size at once: with the MMU off in between. */
static void set_lower_half(uint64_t root, uint64_t tcr)
{
    WRITE("sctlr_el1", SCTLR_BASE);
    WRITE("ttbr0_el1", root);
    WRITE("tcr_el1", tcr);
    ASM("tlbi vmalle1\n\tdsb ish\n\tisb");
    WRITE("sctlr_el1", SCTLR_BASE | SCTLR_M);
}

/* 39 bits instead of 48: the walk starts at level 1. */
static void check_address_bits(void)
{
    uint64_t low = address_of(new_page());
    uint64_t level1 = *pte(0, 0) & 0xfffffffff000;
    struct trap trap;

    REG64(low) = VALUE_A;
    set_lower_half(level1, (TCR_BASE & ~0x3full) | 25);
    check_eq("39 bits: a walk from level 1", REG64(low), VALUE_A);
    trap = run_at(MODE_EL1H, c_ldr, 1ull << 39, 0);
    check_eq("39 bits: one address too many", trap.esr,
             ESR(EC_DABT, TRANSLATION | 0));
    trap = run_at(MODE_EL1H, c_ldr, (1ull << 39) - 8, 0);
    check_eq("39 bits: the last address, nothing there", trap.esr,
             ESR(EC_DABT, TRANSLATION | 1));
    set_lower_half(ttbr0_root, TCR_BASE);
    check_eq("48 bits again", REG64(low), VALUE_A);
}

#define HIGH 0xffff800000005000ull

/* The lower half is where EL0's code is: it cannot even fetch. */
static void check_e0pd0(uint64_t va)
{
    uint64_t code = address_of(c_ldr) + USER_ALIAS;
    struct trap trap;

    WRITE("tcr_el1", TCR_BASE | TCR_E0PD0);
    trap = run_at(MODE_EL0, c_ldr, va, 0);
    check_trap("E0PD0 at EL0, a fetch", &trap, VECTOR_EL0,
               ESR(EC_IABT_LOWER, TRANSLATION | 0), code, code, MODE_EL0);
    trap = run_at(MODE_EL1H, c_ldr, va, 0);
    check_returned("E0PD0 at EL1", &trap);
    trap = run_at(MODE_EL1H, c_ldtr, va, 0);
    check_trap("E0PD0 at EL1, LDTR", &trap, VECTOR_EL1H,
               ESR(EC_DABT, TRANSLATION | 0), address_of(c_ldtr), va,
               MODE_EL1H);
    trap = run_at(MODE_EL1H, c_ldtr, HIGH, 0);
    check_returned("E0PD0, LDTR of the upper half", &trap);
    WRITE("tcr_el1", TCR_BASE);
    trap = run_at(MODE_EL0, c_ldr, va, 0);
    check_returned("E0PD0 off again", &trap);
}

static void check_e0pd(void)
{
    uint64_t va = WINDOW + 0xd000;
    struct trap trap;

    map_page(va, PAGE_A, PTE_SHARED);
    map_page(HIGH, PAGE_B, PTE_SHARED);
    REG64(PAGE_B) = VALUE_B;
    trap = run_at(MODE_EL0, c_ldr, HIGH, 0);
    check_eq("EL0 reads the upper half", trap.x[0], VALUE_B);
    WRITE("tcr_el1", TCR_BASE | TCR_E0PD1);
    trap = run_at(MODE_EL0, c_ldr, HIGH, 0);
    check_trap("E0PD1 at EL0", &trap, VECTOR_EL0,
               ESR(EC_DABT_LOWER, TRANSLATION | 0),
               address_of(c_ldr) + USER_ALIAS, HIGH, MODE_EL0);
    check_eq("E0PD1 at EL1", REG64(HIGH), VALUE_B);
    trap = run_at(MODE_EL0, c_ldr, va, 0);
    check_returned("E0PD1, the lower half", &trap);
    trap = run_at(MODE_EL0, c_br, HIGH, 0);
    check_eq("E0PD1, a fetch", trap.esr, ESR(EC_IABT_LOWER, TRANSLATION | 0));
    WRITE("tcr_el1", TCR_BASE);
    trap = run_at(MODE_EL0, c_ldr, HIGH, 0);
    check_returned("E0PD1 off again", &trap);
    check_e0pd0(va);
    set_pte(pte(va, 3), 0);
}

static void check_halves(void)
{
    uint64_t low = WINDOW + 0xd000, other = address_of(new_page());
    uint64_t first = ttbr1_root;

    map_page(low, PAGE_A, PTE_KERNEL);
    map_page(HIGH, PAGE_B, PTE_KERNEL);
    REG64(low) = 1;
    REG64(HIGH) = 2;
    check("the halves are apart", REG64(PAGE_A) == 1 && REG64(PAGE_B) == 2);
    ttbr1_root = other;
    map_page(HIGH, PAGE_A, PTE_KERNEL);
    WRITE("ttbr1_el1", other);
    ASM("tlbi vmalle1\n\tdsb ish\n\tisb");
    check_eq("another TTBR1", REG64(HIGH), 1);
    ttbr1_root = first;
    WRITE("ttbr1_el1", first);
    ASM("tlbi vmalle1\n\tdsb ish\n\tisb");
    check_eq("and back", REG64(HIGH), 2);
    set_pte(pte(low, 3), 0);
}

/* ---- AT ------------------------------------------------------------------ */

#define AT_FUNCTION(name)                                                      \
    static uint64_t at_##name(uint64_t va)                                     \
    {                                                                          \
        __asm__ volatile("at " #name ", %0\n\tisb" ::"r"(va) : "memory");      \
        return READ("par_el1");                                                \
    }
AT_FUNCTION(s1e1r)
AT_FUNCTION(s1e1w)
AT_FUNCTION(s1e0r)
AT_FUNCTION(s1e0w)

/* PAR_EL1 of a translation: attributes, bit 11 RES1, NS, shareability. */
#define PAR(pa, attributes, sh)                                                \
    ((uint64_t)(attributes) << 56 | (pa) | 1u << 11 | (sh) << 7)
#define PAR_FAULT(fst) (1u << 11 | (uint64_t)(fst) << 1 | 1)
/* NS, bit 9, is unknown to a machine of one security state */
#define PAR_KNOWN (~(1ull << 9))

static void check_at(void)
{
    uint64_t va = WINDOW + 0xd000;

    map_page(va, PAGE_B, PTE_KERNEL | PTE_RO);
    check_eq("AT S1E1R", at_s1e1r(va + 0x123) & PAR_KNOWN,
             PAR(PAGE_B, 0xff, 3u));
    check_eq("AT S1E1W, read-only", at_s1e1w(va) & PAR_KNOWN,
             PAR_FAULT(PERMISSION | 3));
    check_eq("AT S1E0R, a kernel page", at_s1e0r(va) & PAR_KNOWN,
             PAR_FAULT(PERMISSION | 3));
    map_page(va, PAGE_A, PTE_SHARED);
    check_eq("AT S1E0W", at_s1e0w(va + 8) & PAR_KNOWN, PAR(PAGE_A, 0xff, 3u));
    map_page(va, PAGE_A, PTE_SHARED | PTE_DEVICE);
    check_eq("AT S1E1R, Device", at_s1e1r(va) & PAR_KNOWN,
             PAR(PAGE_A, 0x04, 2u));
    map_page(va, PAGE_A, PTE_SHARED & ~PTE_AF);
    check_eq("AT S1E1R, access flag", at_s1e1r(va) & PAR_KNOWN,
             PAR_FAULT(ACCESS_FLAG | 3));
    set_pte(pte(va, 3), 0);
    check_eq("AT S1E1R, nothing there", at_s1e1r(va) & PAR_KNOWN,
             PAR_FAULT(TRANSLATION | 3));
    check_eq("AT S1E0R, level 0", at_s1e0r(0x700000000000) & PAR_KNOWN,
             PAR_FAULT(TRANSLATION | 0));
    check_eq("AT raises nothing", READ("par_el1") & 1, 1);
}

/* ---- code and data ------------------------------------------------------- */

static void write_code(uint64_t at, uint32_t value)
{
    uint32_t *code = (uint32_t *)at;

    code[0] = CODE_MOVZ_W0(value);
    code[1] = CODE_RET;
    sync_code(code, 8);
}

static uint64_t call(uint64_t code)
{
    return ((uint64_t(*)(void))code)();
}

static void check_changed_code(void)
{
    uint64_t va = WINDOW + 0xd000, alias = WINDOW + 0xe000;
    unsigned wrong = 0;

    map_page(va, PAGE_A, PTE_KERNEL & ~PTE_PXN);
    map_page(alias, PAGE_A, PTE_KERNEL);
    for (uint32_t i = 0; i < 3000; i++) {
        write_code(va, i);
        wrong += call(va) != i;
    }
    check_eq("code that changes 3000 times", wrong, 0);
    for (uint32_t i = 0; i < 3000; i++) {
        write_code(alias + 8 * (i % 100), i);
        wrong += call(va + 8 * (i % 100)) != i;
    }
    check_eq("by another address", wrong, 0);
    write_code(va, 1);
    call(va);
    ((uint32_t *)alias)[0] = CODE_MOVZ_W0(2);
    ASM("dsb ish\n\tic iallu\n\tdsb ish\n\tisb");
    check_eq("IC IALLU", call(va), 2);
    ((uint32_t *)alias)[0] = CODE_MOVZ_W0(3);
    ASM("dsb ish\n\tic ialluis\n\tdsb ish\n\tisb");
    check_eq("IC IALLUIS", call(va), 3);
    /* The same address, another page behind it. */
    write_code(PAGE_B, 9);
    remap(va, PAGE_B, PTE_KERNEL & ~PTE_PXN, 0, tlbi_vae1);
    check_eq("another page of code", call(va), 9);
    set_pte(pte(va, 3), 0);
    set_pte(pte(alias, 3), 0);
}

static void check_crossing(void)
{
    /* neighbours in the one space, not in the other */
    uint64_t va = WINDOW + 0x20000, low = BLOCK_A, high = BLOCK_B;
    uint8_t *bytes = (uint8_t *)(va + 0xff0);
    unsigned wrong = 0;
    struct trap trap;

    map_page(va, low, PTE_SHARED);
    map_page(va + 0x1000, high, PTE_SHARED);
    for (unsigned i = 0; i < 32; i++)
        bytes[i] = (uint8_t)i;
    for (uint64_t at = 0; at <= 24; at++) {
        uint64_t want = 0x0706050403020100 + at * 0x0101010101010101;

        trap = run_at(MODE_EL0, c_ldr, va + 0xff0 + at, 0);
        wrong += trap.x[0] != want;
    }
    check_eq("loads across two pages", wrong, 0);
    for (uint64_t at = 1; at < 16; at++) {
        run_at(MODE_EL1H, c_str, va + 0xff0 + at, 0x1122334455667788);
        trap = run_at(MODE_EL0, c_ldr, va + 0xff0 + at, 0);
        wrong += trap.x[0] != 0x1122334455667788;
    }
    check_eq("stores across two pages", wrong, 0);
    for (unsigned i = 0; i < 32; i++)
        bytes[i] = (uint8_t)i;
    run_at(MODE_EL1H, c_str, va + 0xffd, 0x1122334455667788);
    check_eq("the part on the first page", REG64(low + 0xff8),
             0x6677880c0b0a0908);
    check_eq("the part on the second page", REG64(high), 0x1716151122334455);
    trap = run_at(MODE_EL0, c_ldp, va + 0xff9, 0);
    check("LDP across two pages",
          trap.x[1] == 0x556677880c0b0a09 && trap.x[2] == 0x1817161511223344);
    WRITE("cpacr_el1", 3 << 20);
    run_at(MODE_EL1H, c_copy_q, va + 0xff3, va + 0x100);
    for (unsigned i = 0; i < 16; i++)
        wrong += *(volatile uint8_t *)(va + 0x100 + i) != bytes[3 + i];
    check_eq("a vector across two pages", wrong, 0);
    WRITE("cpacr_el1", 0);
    set_pte(pte(va, 3), 0);
    set_pte(pte(va + 0x1000, 3), 0);
}

/* ---- exclusives ---------------------------------------------------------- */

static volatile uint64_t word[2] __attribute__((aligned(16)));

static uint64_t load_exclusive(void)
{
    uint64_t value;

    __asm__ volatile("ldxr %0, %1" : "=r"(value) : "Q"(word[0]) : "memory");
    return value;
}

static uint32_t store_exclusive(uint64_t value)
{
    uint32_t status;

    __asm__ volatile("stxr %w0, %2, %1"
                     : "=&r"(status), "=Q"(word[0])
                     : "r"(value)
                     : "memory");
    return status;
}

static void check_exclusives(void)
{
    uint64_t low, high;
    uint32_t status;

    ASM("clrex");
    word[0] = 5;
    check_eq("STXR without LDXR", store_exclusive(6), 1);
    check_eq("stores nothing", word[0], 5);
    load_exclusive();
    check_eq("STXR after LDXR", store_exclusive(7), 0);
    check_eq("stores", word[0], 7);
    check_eq("once", store_exclusive(8), 1);
    load_exclusive();
    ASM("clrex");
    check_eq("STXR after CLREX", store_exclusive(8), 1);
    load_exclusive();
    run_at(MODE_EL0, c_svc, 0, 0);
    check_eq("STXR after an exception return", store_exclusive(8), 1);
    word[1] = 70;
    /* Nothing in between: printing could lose the reservation. */
    __asm__ volatile("ldxp %0, %1, [%3]\n\tstxp %w2, %1, %0, [%3]"
                     : "=&r"(low), "=&r"(high), "=&r"(status)
                     : "r"(word)
                     : "memory");
    check("LDXP", low == 7 && high == 70);
    check("STXP", status == 0 && word[0] == 70 && word[1] == 7);
}

/* Exclusives in every size, at the end of a page and through two addresses of
 * one; a store by another way in between, which the pair must notice. */
static void check_exclusives_far(void)
{
    uint64_t va = WINDOW + 0x24000, alias = WINDOW + 0x28000;
    unsigned wrong = 0;

    map_page(va, PAGE_A, PTE_SHARED);
    map_page(va + 0x1000, PAGE_B, PTE_SHARED);
    map_page(alias, PAGE_A, PTE_SHARED);
#define ATOMIC_ADD(suffix, width, type)                                        \
    for (uint64_t at = 0x1000 - sizeof(type); at <= 0x1000;                    \
         at += sizeof(type)) {                                                 \
        type value;                                                            \
        uint32_t status;                                                       \
        *(volatile type *)(va + at) = 5;                                       \
        __asm__ volatile("1: ldaxr" suffix " %" width "0, [%2]\n\t"            \
                         "add %0, %0, #3\n\t"                                  \
                         "stlxr" suffix " %w1, %" width "0, [%2]\n\t"          \
                         "cbnz %w1, 1b"                                        \
                         : "=&r"(value), "=&r"(status)                         \
                         : "r"(va + at)                                        \
                         : "memory");                                          \
        wrong += *(volatile type *)(va + at) != 8;                             \
    }
    ATOMIC_ADD("b", "w", uint8_t)
    ATOMIC_ADD("h", "w", uint16_t)
    ATOMIC_ADD("", "w", uint32_t)
    ATOMIC_ADD("", "x", uint64_t)
    check_eq("exclusives beside a page's end", wrong, 0);
    for (unsigned same = 0; same < 2; same++) {
        uint64_t value, status = 7;

        REG64(va + 0x100) = 5;
        __asm__ volatile("ldxr %0, [%2]\n\t"
                         "str %3, [%4]\n\t"
                         "stxr %w1, %0, [%2]"
                         : "=&r"(value), "+&r"(status)
                         : "r"(va + 0x100), "r"(6ull),
                           "r"((same ? va : alias) + 0x100)
                         : "memory");
        /* A store of one's own may leave the monitor set; then it wins. */
        check(same ? "a store of its own between LDXR and STXR"
                   : "the same by another address",
              (uint32_t)status == 1 ? REG64(va + 0x100) == 6
                                    : REG64(va + 0x100) == 5);
    }
    for (uint64_t at = va; at <= va + 0x1000; at += 0x1000)
        set_pte(pte(at, 3), 0);
    set_pte(pte(alias, 3), 0);
}

/* ---- more vCPUs ---------------------------------------------------------- */

enum { ROUNDS = 1500, FEW_ROUNDS = 10, GOOD = 0x600d, OTHER_ASID = 9 };
#define SHARED_VA (WINDOW + 0x30000)
static unsigned cpus;
static volatile uint32_t stop, told;
static struct {
    volatile uint32_t faults, stale, heard, odd;
    volatile uint64_t calls;
} by[CPUS_MAX] __attribute__((aligned(64)));

static uint64_t started;

/* Go on with round i? Where the host has fewer processors than there are
 * vCPUs that spin, a round takes long: less of them then. */
static bool more(unsigned i)
{
    return i < FEW_ROUNDS || (i < ROUNDS && READ("cntvct_el0") - started <
                                                READ("cntfrq_el0") / 2);
}

static void start_others(void (*main)(uint64_t cpu))
{
    stop = told = 0;
    started = READ("cntvct_el0");
    for (unsigned cpu = 1; cpu < cpus; cpu++) {
        by[cpu].faults = by[cpu].stale = by[cpu].heard = by[cpu].odd = 0;
        by[cpu].calls = 0;
        start_cpu(cpu, main);
    }
}

static void stop_others(void)
{
    tell_word(&stop, 1);
    for (unsigned cpu = 1; cpu < cpus; cpu++)
        wait_off(cpu);
}

static uint32_t all_stale(void)
{
    uint32_t sum = 0;

    for (unsigned cpu = 1; cpu < cpus; cpu++)
        sum += by[cpu].stale;
    return sum;
}

/* Everybody has had a fault since `before`. */
static void wait_faults(const uint32_t before[CPUS_MAX])
{
    for (unsigned cpu = 1; cpu < cpus; cpu++)
        while (by[cpu].faults == before[cpu] && by[cpu].stale == 0)
            ASM("wfe");
}

static void note_faults(uint32_t before[CPUS_MAX])
{
    for (unsigned cpu = 1; cpu < cpus; cpu++)
        before[cpu] = by[cpu].faults;
}

/* Read the page for as long as it is there, at EL0 and EL1, under an ASID of
 * its own. It must never be seen after vCPU 0 took it away and gave it to
 * somebody else. */
static void use_page(uint64_t number)
{
    static const uint64_t modes[] = {MODE_EL0, MODE_EL1T, MODE_EL1H};

    set_asid(ttbr0_root, OTHER_ASID);
    for (unsigned i = 0; !stop; i++) {
        struct trap trap =
            run_at(modes[i % COUNT_OF(modes)], c_watch_word, SHARED_VA, GOOD);

        by[number].stale += returned(&trap);
        tell_word(&by[number].faults, by[number].faults + !returned(&trap));
    }
}

static void pause_a_little(void)
{
    for (volatile unsigned i = 0; i < 300; i++)
        ;
}

static void check_broadcast_tlbi(void)
{
    static void (*const ways[])(uint64_t, uint64_t) = {
        tlbi_vae1is, tlbi_vaae1is, tlbi_aside1is, tlbi_vmalle1is};
    uint32_t before[CPUS_MAX];

    REG64(PAGE_A) = GOOD;
    map_page(SHARED_VA, PAGE_A, PTE_SHARED | PTE_NG);
    start_others(use_page);
    for (unsigned i = 0; more(i); i++) {
        note_faults(before);
        pause_a_little();
        *pte(SHARED_VA, 3) = 0;
        ways[i % COUNT_OF(ways)](SHARED_VA, OTHER_ASID);
        REG64(PAGE_A) = POISON;
        wait_faults(before);
        REG64(PAGE_A) = GOOD;
        ASM("dsb ish");
        *pte(SHARED_VA, 3) = PAGE_A | PTE_SHARED | PTE_NG | PTE_PAGE;
        ASM("dsb ish");
    }
    *pte(SHARED_VA, 3) = 0;
    tlbi_all();
    stop_others();
    check_eq("a page taken away is not seen again", all_stale(), 0);
}

/* Wait in the page for a word to change; and a fault, when the page goes. */
static void run_in_page(uint64_t number)
{
    while (!stop) {
        struct trap trap =
            run_at(MODE_EL1H, c_br_watch, address_of((void *)&told), SHARED_VA);
        bool gone = trap.esr == ESR(EC_IABT, TRANSLATION | 3);

        by[number].stale += !gone;
        tell_word(&by[number].faults, by[number].faults + gone);
    }
}

static void check_code_taken_away(void)
{
    uint32_t before[CPUS_MAX], *code = (uint32_t *)PAGE_A;

    code[0] = 0xb9400001; /* ldr w1, [x0] */
    code[1] = 0x34ffffe1; /* cbz w1, .-4 */
    code[2] = CODE_RET;
    sync_code(code, 12);
    map_page(SHARED_VA, PAGE_A, (PTE_KERNEL & ~PTE_PXN) | PTE_RO);
    start_others(run_in_page);
    for (unsigned i = 0; more(i); i++) {
        note_faults(before);
        pause_a_little();
        *pte(SHARED_VA, 3) = 0;
        tlbi_vae1is(SHARED_VA, 0);
        told = 1; /* who is still there comes back */
        wait_faults(before);
        told = 0;
        ASM("dsb ish");
        *pte(SHARED_VA, 3) =
            PAGE_A | (PTE_KERNEL & ~PTE_PXN) | PTE_RO | PTE_PAGE;
        ASM("dsb ish");
    }
    *pte(SHARED_VA, 3) = 0;
    tlbi_vae1is(SHARED_VA, 0);
    stop_others();
    check_eq("code taken away is not run again", all_stale(), 0);
}

/* Wait until the code is said to be new, and for which round; 0: no more. */
static uint32_t wait_code(uint64_t number)
{
    while (told == by[number].heard && !stop)
        ASM("wfe");
    ASM("dmb ish\n\tisb");
    return stop ? 0 : told;
}

static void call_code(uint64_t number)
{
    uint32_t i;

    while ((i = wait_code(number)) != 0) {
        by[number].odd += call(SHARED_VA) != i;
        tell_word(&by[number].heard, i);
    }
}

static void tell_others(uint32_t i)
{
    tell_word(&told, i);
    for (unsigned cpu = 1; cpu < cpus; cpu++)
        wait_word(&by[cpu].heard, i);
}

static uint32_t all_odd(void)
{
    uint32_t sum = 0;

    for (unsigned cpu = 1; cpu < cpus; cpu++)
        sum += by[cpu].odd;
    return sum;
}

static void check_code_of_other_vcpus(void)
{
    map_page(SHARED_VA, PAGE_A, PTE_KERNEL & ~PTE_PXN);
    start_others(call_code);
    for (uint32_t i = 1; more(i); i++) {
        write_code(SHARED_VA, i);
        tell_others(i);
    }
    stop_others();
    check_eq("code changed for other vCPUs", all_odd(), 0);
    set_pte(pte(SHARED_VA, 3), 0);
}

/*
 * The same with code that is hot: a loop that adds a number LOOPS times, so
 * that an engine which compiles has compiled it when the number changes.
 */
enum { LOOPS = 3000 };

static void write_loop(uint64_t at, uint32_t addend)
{
    uint32_t *code = (uint32_t *)at;

    code[0] = CODE_MOVZ_W0(0);
    code[1] = 0x52800001 | LOOPS << 5;   /* movz w1, #LOOPS */
    code[2] = 0x11000000 | addend << 10; /* add w0, w0, #addend */
    code[3] = 0x71000421;                /* subs w1, w1, #1 */
    code[4] = 0x54ffffc1;                /* b.ne .-8 */
    code[5] = CODE_RET;
    sync_code(code, 24);
}

static void call_loop(uint64_t number)
{
    uint32_t i;

    while ((i = wait_code(number)) != 0) {
        by[number].odd += call(SHARED_VA) != i * LOOPS;
        tell_word(&by[number].heard, i);
    }
}

static void check_hot_code(void)
{
    unsigned wrong = 0;

    map_page(SHARED_VA, PAGE_A, PTE_KERNEL & ~PTE_PXN);
    for (uint32_t i = 1; i <= 300; i++) {
        write_loop(SHARED_VA, i);
        wrong += call(SHARED_VA) != i * LOOPS;
        wrong += call(SHARED_VA) != i * LOOPS;
    }
    check_eq("a hot loop changed 300 times", wrong, 0);
    set_pte(pte(SHARED_VA, 3), 0);
}

static void check_hot_code_of_other_vcpus(void)
{
    map_page(SHARED_VA, PAGE_A, PTE_KERNEL & ~PTE_PXN);
    start_others(call_loop);
    for (uint32_t i = 1; more(i); i++) {
        write_loop(SHARED_VA, i);
        tell_others(i);
    }
    stop_others();
    check_eq("a hot loop changed for other vCPUs", all_odd(), 0);
    set_pte(pte(SHARED_VA, 3), 0);
}

/* Call the code all the time: a branch or a nop, both are allowed to change
 * while they are run. */
static void call_always(uint64_t number)
{
    while (!stop) {
        uint64_t value;

        ASM("isb");
        value = call(SHARED_VA);
        by[number].odd += value != 1 && value != 2;
        __atomic_store_n(&by[number].heard, (uint32_t)value, __ATOMIC_RELEASE);
        by[number].calls++;
    }
}

static void check_code_being_run(void)
{
    uint32_t *code = (uint32_t *)SHARED_VA;
    unsigned late = 0;

    map_page(SHARED_VA, PAGE_A, PTE_KERNEL & ~PTE_PXN);
    code[0] = CODE_NOP;
    code[1] = CODE_MOVZ_W0(1);
    code[2] = CODE_RET;
    code[3] = CODE_MOVZ_W0(2);
    code[4] = CODE_RET;
    sync_code(code, 20);
    start_others(call_always);
    for (uint32_t i = 0; more(i); i++) {
        code[0] = i % 2 ? CODE_NOP : 0x14000003; /* b .+12 */
        sync_code(code, 4);
        for (unsigned cpu = 1; cpu < cpus; cpu++) {
            uint64_t before = by[cpu].calls;

            while (by[cpu].calls < before + 2)
                ASM("wfe");
            late += by[cpu].heard != (i % 2 ? 1 : 2);
        }
    }
    stop_others();
    check_eq("a branch patched while it runs: what it was or is", all_odd(), 0);
    check_eq("and what it is from then on", late, 0);
    set_pte(pte(SHARED_VA, 3), 0);
}

/* ---- access flag and dirty state, several vCPUs -------------------------- */

#define PTE_SOFTWARE (1ull << 55) /* the first of four bits for software */

static uint64_t swap_pte(volatile uint64_t *slot, uint64_t expected,
                         uint64_t value)
{
    __asm__ volatile(".arch_extension lse\n\tcasal %0, %1, [%2]"
                     : "+&r"(expected)
                     : "r"(value), "r"(slot)
                     : "memory");
    return expected;
}

static void write_always(uint64_t number)
{
    WRITE("tcr_el1", TCR_BASE | TCR_HA | TCR_HD);
    while (!stop)
        __atomic_add_fetch((uint64_t *)(SHARED_VA + 64 * number), 1,
                           __ATOMIC_RELAXED);
}

static uint64_t written(void)
{
    uint64_t sum = 0;

    for (unsigned cpu = 1; cpu < cpus; cpu++)
        sum += *(volatile uint64_t *)(PAGE_A + 64 * cpu);
    return sum;
}

/*
 * vCPU 0 cleans the page again and again, counting in the descriptor's bits
 * for software; the others dirty it. No count may be lost, and what was
 * written while the descriptor says "clean" is a write that nobody would
 * save.
 */
static void check_dirty_of_other_vcpus(void)
{
    uint64_t clean = PAGE_A | PTE_KERNEL | PTE_PAGE | PTE_RO | PTE_DBM;
    uint64_t count = 0, lost = 0, unsaved = 0, last;
    volatile uint64_t *slot;

    WRITE("tcr_el1", TCR_BASE | TCR_HA | TCR_HD);
    slot = pte(SHARED_VA, 3);
    set_pte(slot, clean & ~PTE_AF);
    start_others(write_always);
    last = written();
    for (unsigned i = 0; more(i); i++) {
        uint64_t old = *slot, now, seen;

        pause_a_little();
        do {
            seen = written();
            ASM("dmb ish");
            now = old;
            old = swap_pte(slot, now,
                           (clean & ~PTE_AF) | (count + 1) % 16 * PTE_SOFTWARE);
        } while (old != now);
        lost += (old / PTE_SOFTWARE & 15) != count % 16;
        unsaved += (old & PTE_RO) && seen != last;
        count++;
        tlbi_vaae1is(SHARED_VA, 0);
        last = written();
    }
    stop_others();
    check_eq("descriptors are updated atomically", lost, 0);
    check_eq("nothing is written to a clean page", unsaved, 0);
    check("and the page was written", written() != 0);
    WRITE("tcr_el1", TCR_BASE);
    set_pte(slot, 0);
}

void guest_main(void)
{
    paging_on();
    check_tlbi();
    check_downgrade();
    check_asids();
    check_a1();
    check_blocks();
    check_contiguous();
    check_access_flag();
    check_dirty();
    check_pan();
    check_span();
    check_wxn();
    check_e0pd();
    check_table_permissions();
    check_tags();
    check_address_bits();
    check_halves();
    check_at();
    check_changed_code();
    check_hot_code();
    check_crossing();
    check_exclusives();
    check_exclusives_far();
    cpus = cpu_count();
    if (cpus == 1)
        return;
    check_broadcast_tlbi();
    check_code_taken_away();
    check_code_of_other_vcpus();
    check_hot_code_of_other_vcpus();
    check_code_being_run();
    check_dirty_of_other_vcpus();
}
