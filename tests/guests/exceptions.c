/*
 * exceptions: what every instruction that must not work does at EL0 and EL1,
 * by vector, ESR_EL1, ELR_EL1, SPSR_EL1 and FAR_EL1.
 *
 * Undefined instructions, SVC, BRK, HVC and SMC with nothing behind them;
 * instruction and data aborts of every kind and level; PC and SP alignment;
 * FP access; illegal returns; EL0 and the registers SCTLR_EL1 and CNTKCTL_EL1
 * keep from it; single step, breakpoints and watchpoints.
 *
 * All of it on vCPU 0, and once more on the last one.
 *
 * [D1.10], [D13.2.37] in the Arm Architecture Reference Manual.
 */
#include "bare.h"
#include "code.h"

/* Where entered code finds itself. */
static uint64_t at(uint64_t mode, const char *code)
{
    bool user = (mode & 0xf) == 0;

    return address_of(code) + (user && paging_is_on ? USER_ALIAS : 0);
}

static uint64_t vector_from(uint64_t mode)
{
    return (mode & 0xf) == 0   ? VECTOR_EL0
           : (mode & 0xf) == 4 ? VECTOR_EL1T
                               : VECTOR_EL1H;
}

/* Code whose first instruction raises an exception that returns to it. */
static void raises(const char *name, uint64_t mode, const char *code,
                   uint64_t x0, uint64_t esr, uint64_t far)
{
    struct trap trap = run_at(mode, code, x0, 0x11);

    check_trap(name, &trap, vector_from(mode), esr, at(mode, code), far, mode);
}

static void runs(const char *name, uint64_t mode, const char *code, uint64_t x0)
{
    struct trap trap = run_at(mode, code, x0, 0x11);

    check_returned(name, &trap);
}

/* ---- instructions -------------------------------------------------------- */

static void check_calls(uint64_t mode, const char *svc, const char *brk)
{
    struct trap trap = run_at(mode, c_svc, 0, 0);

    check_trap(svc, &trap, vector_from(mode), ESR(EC_SVC, 0x1234),
               at(mode, c_svc) + 4, NO_FAR, mode);
    raises(brk, mode, c_brk, 0, ESR(EC_BRK, 0x321), NO_FAR);
}

static void check_flags_kept(void)
{
    uint64_t mode = MODE_EL1H | 0xa0000000;
    struct trap trap = run_at(mode, c_brk, 0x1111, 0x2222);

    check_trap("SPSR has the flags of its moment", &trap, VECTOR_EL1H,
               ESR(EC_BRK, 0x321), address_of(c_brk), NO_FAR, mode);
    check("registers are as they were",
          trap.x[0] == 0x1111 && trap.x[1] == 0x2222 && trap.x[2] == 0);
}

static void check_undefined(void)
{
    static const struct {
        const char *name;
        const char *code;
        bool el0, el1;
    } cases[] = {
        {"UDF", c_udf, true, true},
        {"0xffffffff", c_ones, true, true},
        {"unallocated system instruction", c_hole_sys, true, true},
        {"ADD extended by 5", c_hole_add, true, true},
        {"FMOV of type 2", c_hole_fp, true, true},
        {"SVE, which is not here", c_sve, true, true},
        {"HLT", c_hlt, true, true},
        {"DCPS1", c_dcps1, true, true},
        {"MRS HCR_EL2", c_el2_reg, true, true},
        {"MSR MIDR_EL1", c_ro_reg, true, true},
        {"a register nobody has implemented", c_impl_reg, true, true},
        {"HVC at EL0", c_hvc, true, false},
        {"SMC at EL0", c_smc, true, false},
        {"ERET at EL0", c_eret, true, false},
        {"MSR VBAR_EL1 at EL0", c_msr_vbar, true, false},
        {"MRS CurrentEL at EL0", c_mrs_currentel, true, false},
        {"MRS SCTLR_EL1 at EL0", c_mrs_sctlr, true, false},
        {"MRS MIDR_EL1 at EL0", c_mrs_midr, true, false},
        {"TLBI at EL0", c_tlbi, true, false},
        {"MSR SPSel at EL0", c_msr_spsel, true, false},
        {"MSR PAN at EL0", c_msr_pan, true, false},
        {"MSR TPIDRRO_EL0 at EL0", c_msr_tpidrro, true, false},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        if (cases[i].el0)
            raises(cases[i].name, MODE_EL0, cases[i].code, 0,
                   ESR(EC_UNKNOWN, 0), NO_FAR);
        if (cases[i].el1)
            raises(cases[i].name, MODE_EL1H, cases[i].code, 0,
                   ESR(EC_UNKNOWN, 0), NO_FAR);
    }
    runs("MRS TPIDR_EL0 at EL0", MODE_EL0, c_mrs_tpidr, 0);
}

static void check_hypercalls(void)
{
    check_eq("HVC, unknown function", (uint64_t)hvc(0x8400ffff, 1, 2, 3),
             (uint64_t)-1);
    check_eq("SMC, unknown function", (uint64_t)smc(0x8400ffff, 1, 2, 3),
             (uint64_t)-1);
    check_eq("HVC, unknown service", (uint64_t)hvc(0xc6000001, 1, 2, 3),
             (uint64_t)-1);
    check_eq("SMC, unknown service", (uint64_t)smc(0xc6000001, 1, 2, 3),
             (uint64_t)-1);
}

/* ---- aborts -------------------------------------------------------------- */

static uint64_t data_esr(uint64_t mode, uint32_t iss)
{
    return ESR((mode & 0xf) == 0 ? EC_DABT_LOWER : EC_DABT, iss);
}

static uint64_t insn_esr(uint64_t mode, uint32_t iss)
{
    return ESR((mode & 0xf) == 0 ? EC_IABT_LOWER : EC_IABT, iss);
}

/* A read, a write and a fetch of an address that none may use. */
static void all_fault(const char *name, uint64_t va, uint32_t fsc)
{
    static const uint64_t modes[] = {MODE_EL0, MODE_EL1H};

    for (size_t i = 0; i < COUNT_OF(modes); i++) {
        uint64_t mode = modes[i];
        struct trap trap;

        raises(name, mode, c_ldr, va, data_esr(mode, fsc), va);
        raises(name, mode, c_str, va, data_esr(mode, fsc | WNR), va);
        trap = run_at(mode, c_br, va, 0);
        check_trap(name, &trap, vector_from(mode), insn_esr(mode, fsc), va, va,
                   mode);
    }
}

/* One address for each level at which a walk can end. */
#define HOLE_L0 0x700000000000ull
#define HOLE_L1 (WINDOW + 0x40000000)
#define HOLE_L2 (WINDOW + 0x200000)
#define HOLE_L3 (WINDOW + 0x3000)

static void check_translation(void)
{
    map_page(WINDOW, SCRATCH, PTE_SHARED); /* makes the tables */
    all_fault("translation fault, level 0", HOLE_L0, TRANSLATION | 0);
    all_fault("translation fault, level 1", HOLE_L1, TRANSLATION | 1);
    all_fault("translation fault, level 2", HOLE_L2, TRANSLATION | 2);
    all_fault("translation fault, level 3", HOLE_L3, TRANSLATION | 3);
    all_fault("translation fault, TTBR1", 0xffff000000001000ull,
              TRANSLATION | 0);
    all_fault("translation fault, between the halves", 0x0001000000000000ull,
              TRANSLATION | 0);
    all_fault("translation fault, between the halves", 0xfffe000000000000ull,
              TRANSLATION | 0);
    *pte(HOLE_L3, 3) = SCRATCH | PTE_SHARED | PTE_BLOCK;
    tlbi_all();
    all_fault("translation fault, a block at level 3", HOLE_L3,
              TRANSLATION | 3);
    set_pte(pte(HOLE_L3, 3), 0);
    set_pte(pte(HOLE_L0, 0), SCRATCH | PTE_BLOCK);
    all_fault("translation fault, a block at level 0", HOLE_L0,
              TRANSLATION | 0);
    set_pte(pte(HOLE_L0, 0), 0);
    WRITE("tcr_el1", TCR_BASE | TCR_EPD1);
    all_fault("translation fault, EPD1", 0xffff000000000000ull,
              TRANSLATION | 0);
    WRITE("tcr_el1", TCR_BASE);
}

static void check_access_flag(void)
{
    set_pte(pte(HOLE_L3, 3), SCRATCH | ((PTE_SHARED | PTE_PAGE) & ~PTE_AF));
    all_fault("access flag fault, level 3", HOLE_L3, ACCESS_FLAG | 3);
    set_pte(pte(HOLE_L3, 3), 0);
    set_pte(pte(HOLE_L2, 2), SCRATCH | ((PTE_SHARED | PTE_BLOCK) & ~PTE_AF));
    all_fault("access flag fault, level 2", HOLE_L2, ACCESS_FLAG | 2);
    set_pte(pte(HOLE_L2, 2), 0);
}

/* 40 bits of address are configured: bit 41 of an output is one too many. */
static void check_address_size(void)
{
    uint64_t far_away = 1ull << 41;

    set_pte(pte(HOLE_L3, 3), far_away | PTE_SHARED | PTE_PAGE);
    all_fault("address size fault, level 3", HOLE_L3, ADDRESS_SIZE | 3);
    set_pte(pte(HOLE_L3, 3), 0);
    set_pte(pte(HOLE_L2, 2), far_away | PTE_SHARED | PTE_BLOCK);
    all_fault("address size fault, level 2", HOLE_L2, ADDRESS_SIZE | 2);
    set_pte(pte(HOLE_L2, 2), far_away | PTE_PAGE);
    all_fault("address size fault, table at level 2", HOLE_L2,
              ADDRESS_SIZE | 2);
    set_pte(pte(HOLE_L2, 2), 0);
    set_pte(pte(HOLE_L0, 0), far_away | PTE_PAGE);
    all_fault("address size fault, table at level 0", HOLE_L0,
              ADDRESS_SIZE | 0);
    set_pte(pte(HOLE_L0, 0), 0);
    WRITE("ttbr1_el1", far_away | ttbr1_root);
    tlbi_all();
    all_fault("address size fault, TTBR1", 0xffff000000000000ull,
              ADDRESS_SIZE | 0);
    WRITE("ttbr1_el1", ttbr1_root);
    tlbi_all();
}

static void check_permission(void)
{
    uint64_t page = WINDOW + 0x4000, level3 = PERMISSION | 3;

    map_page(page, SCRATCH, PTE_KERNEL);
    raises("EL0 reads a kernel page", MODE_EL0, c_ldr, page,
           data_esr(MODE_EL0, level3), page);
    raises("EL0 writes a kernel page", MODE_EL0, c_strb, page + 1,
           data_esr(MODE_EL0, level3 | WNR), page + 1);
    raises("EL1 reads it as EL0", MODE_EL1H, c_ldtr, page,
           data_esr(MODE_EL1H, level3), page);
    runs("EL1 reads it", MODE_EL1H, c_ldr, page);
    map_page(page, SCRATCH, PTE_SHARED | PTE_RO);
    raises("EL0 writes a read-only page", MODE_EL0, c_str, page,
           data_esr(MODE_EL0, level3 | WNR), page);
    raises("EL1 writes a read-only page", MODE_EL1H, c_str, page,
           data_esr(MODE_EL1H, level3 | WNR), page);
    raises("LDADD to a read-only page", MODE_EL1H, c_ldadd, page,
           data_esr(MODE_EL1H, level3 | WNR), page);
    raises("CAS to a read-only page", MODE_EL0, c_cas, page,
           data_esr(MODE_EL0, level3 | WNR), page);
    raises("DC ZVA of a read-only page", MODE_EL0, c_zva, page,
           data_esr(MODE_EL0, level3 | WNR), page);
    runs("EL0 reads it", MODE_EL0, c_ldrh, page);
    runs("LDXR of a read-only page", MODE_EL0, c_ldxr, page);
    set_pte(pte(HOLE_L2, 2), SCRATCH | PTE_KERNEL | PTE_BLOCK);
    raises("EL0 reads a kernel block", MODE_EL0, c_ldr, HOLE_L2,
           data_esr(MODE_EL0, PERMISSION | 2), HOLE_L2);
    set_pte(pte(HOLE_L2, 2), 0);
    map_page(page, 0, 0);
    set_pte(pte(page, 3), 0);
}

static void check_fetch_permission(void)
{
    uint64_t page = WINDOW + 0x4000;
    uint32_t *code = (uint32_t *)SCRATCH;
    struct trap trap;

    code[0] = 0xd503201f; /* nop; ret */
    code[1] = 0xd65f03c0;
    sync_code(code, 8);
    map_page(page, SCRATCH, PTE_SHARED & ~PTE_PXN);
    trap = run_at(MODE_EL0, c_br, page, 0);
    check_trap("UXN", &trap, VECTOR_EL0, ESR(EC_IABT_LOWER, PERMISSION | 3),
               page, page, MODE_EL0);
    trap = run_at(MODE_EL1H, c_br, page, 0);
    check_trap("a page EL0 may write is PXN", &trap, VECTOR_EL1H,
               ESR(EC_IABT, PERMISSION | 3), page, page, MODE_EL1H);
    map_page(page, SCRATCH, PTE_KERNEL & ~PTE_UXN);
    trap = run_at(MODE_EL1H, c_br, page, 0);
    check_trap("PXN", &trap, VECTOR_EL1H, ESR(EC_IABT, PERMISSION | 3), page,
               page, MODE_EL1H);
    runs("a kernel page without UXN runs at EL0", MODE_EL0, c_br, page);
    map_page(page, SCRATCH, PTE_KERNEL & ~PTE_PXN);
    runs("a kernel page without PXN runs at EL1", MODE_EL1H, c_br, page);
    set_pte(pte(page, 3), 0);
}

/* An access that leaves its page faults on the page it may not use. */
static void check_crossing(void)
{
    uint64_t page = WINDOW + 0x10000, next = page + 0x1000;
    struct trap trap;

    map_page(page, SCRATCH, PTE_SHARED);
    raises("LDR across the last page", MODE_EL0, c_ldr, next - 3,
           data_esr(MODE_EL0, TRANSLATION | 3), next);
    raises("STR across the last page", MODE_EL1H, c_str, next - 3,
           data_esr(MODE_EL1H, TRANSLATION | 3 | WNR), next);
    raises("LDP across the last page", MODE_EL0, c_ldp, next - 8,
           data_esr(MODE_EL0, TRANSLATION | 3), next);
    raises("LDR across the first page", MODE_EL0, c_ldr, page - 1,
           data_esr(MODE_EL0, TRANSLATION | 3), page - 1);
    *(volatile uint64_t *)(SCRATCH + 0xff8) = 0x5555;
    trap = run_at(MODE_EL1H, c_str, next - 4, ~0ull);
    (void)trap;
    check_eq("a store that faults stores nothing",
             *(volatile uint64_t *)(SCRATCH + 0xff8), 0x5555);
    trap = run_at(MODE_EL0, c_ldr_pre, next - 8, 0);
    check_eq("a load that faults leaves its base alone", trap.x[0], next - 8);
    check_eq("and its target", trap.x[1], 0);
    set_pte(pte(page, 3), 0);
}

static void check_cache_ops(void)
{
    raises("DC CIVAC, no translation", MODE_EL0, c_civac, HOLE_L3,
           data_esr(MODE_EL0, TRANSLATION | 3 | WNR | CM), HOLE_L3);
    raises("DC CVAU, no translation", MODE_EL1H, c_cvau, HOLE_L2,
           data_esr(MODE_EL1H, TRANSLATION | 2 | WNR | CM), HOLE_L2);
    raises("DC ZVA, no translation", MODE_EL1H, c_zva, HOLE_L1 + 8,
           data_esr(MODE_EL1H, TRANSLATION | 1 | WNR), HOLE_L1 + 8);
    runs("PRFM faults nowhere", MODE_EL0, c_prfm, HOLE_L0);
}

static void check_alignment(void)
{
    uint64_t page = WINDOW + 0x14000, device = WINDOW + 0x15000;
    struct trap trap;

    map_page(page, SCRATCH, PTE_SHARED);
    map_page(device, SCRATCH, PTE_SHARED | PTE_DEVICE);
    runs("unaligned LDR", MODE_EL0, c_ldr, page + 1);
    raises("unaligned LDXR", MODE_EL0, c_ldxr, page + 4,
           data_esr(MODE_EL0, ALIGNMENT), page + 4);
    raises("unaligned LDXP", MODE_EL1H, c_ldxp, page + 8,
           data_esr(MODE_EL1H, ALIGNMENT), page + 8);
    raises("unaligned LDAR", MODE_EL0, c_ldar, page + 2,
           data_esr(MODE_EL0, ALIGNMENT), page + 2);
    raises("unaligned STLR", MODE_EL1H, c_stlr, page + 1,
           data_esr(MODE_EL1H, ALIGNMENT | WNR), page + 1);
    raises("unaligned LDADD", MODE_EL0, c_ldadd, page + 4,
           data_esr(MODE_EL0, ALIGNMENT), page + 4); /* a read would, too */
    raises("unaligned, Device", MODE_EL1H, c_ldr, device + 4,
           data_esr(MODE_EL1H, ALIGNMENT), device + 4);
    raises("unaligned store, Device", MODE_EL0, c_str, device + 1,
           data_esr(MODE_EL0, ALIGNMENT | WNR), device + 1);
    raises("DC ZVA, Device", MODE_EL1H, c_zva, device,
           data_esr(MODE_EL1H, ALIGNMENT | WNR), device);
    runs("aligned, Device", MODE_EL0, c_ldr, device + 8);
    WRITE("sctlr_el1", SCTLR_BASE | SCTLR_M | SCTLR_A);
    raises("unaligned, SCTLR.A", MODE_EL0, c_ldr, page + 1,
           data_esr(MODE_EL0, ALIGNMENT), page + 1);
    raises("unaligned halfword, SCTLR.A", MODE_EL1H, c_ldrh, page + 1,
           data_esr(MODE_EL1H, ALIGNMENT), page + 1);
    raises("unaligned pair, SCTLR.A", MODE_EL1H, c_ldp, page + 4,
           data_esr(MODE_EL1H, ALIGNMENT), page + 4);
    raises("alignment comes before translation", MODE_EL0, c_ldr, HOLE_L3 + 1,
           data_esr(MODE_EL0, ALIGNMENT), HOLE_L3 + 1);
    runs("a byte is aligned", MODE_EL0, c_ldrb, page + 1);
    WRITE("sctlr_el1", SCTLR_BASE | SCTLR_M);
    runs("unaligned again", MODE_EL0, c_ldr, page + 1);
    trap = run_at(MODE_EL0, c_br, at(MODE_EL0, c_ret) + 2, 0);
    check_trap("PC alignment at EL0", &trap, VECTOR_EL0, ESR(EC_PC, 0),
               at(MODE_EL0, c_ret) + 2, at(MODE_EL0, c_ret) + 2, MODE_EL0);
    trap = run_at(MODE_EL1H, c_br, address_of(c_ret) + 1, 0);
    check_trap("PC alignment at EL1", &trap, VECTOR_EL1H, ESR(EC_PC, 0),
               address_of(c_ret) + 1, address_of(c_ret) + 1, MODE_EL1H);
}

static void check_stack_alignment(void)
{
    uint64_t stack = USER_STACK_TOP - 64;
    struct entry entry = {
        .pc = at(MODE_EL0, c_ldr_sp),
        .spsr = MODE_EL0,
        .sp_el0 = stack + 8,
        .lr = at(MODE_EL0, c_svc),
    };
    struct trap trap = run_entry(&entry);

    check_trap("SP alignment at EL0", &trap, VECTOR_EL0, ESR(EC_SP, 0),
               entry.pc, NO_FAR, MODE_EL0);
    entry.pc = address_of(c_stp_sp);
    entry.spsr = MODE_EL1T;
    trap = run_entry(&entry);
    check_trap("SP alignment at EL1t", &trap, VECTOR_EL1T, ESR(EC_SP, 0),
               entry.pc, NO_FAR, MODE_EL1T);
    WRITE("sctlr_el1", (SCTLR_BASE | SCTLR_M) & ~SCTLR_SA0);
    entry.pc = at(MODE_EL0, c_ldr_sp);
    entry.spsr = MODE_EL0;
    trap = run_entry(&entry);
    check_trap("no SP alignment without SA0", &trap, VECTOR_EL0,
               ESR(EC_SVC, 0x1234), at(MODE_EL0, c_svc) + 4, NO_FAR, MODE_EL0);
    WRITE("sctlr_el1", SCTLR_BASE | SCTLR_M);
}

/* Run `code` with SP at `sp`, on a page that was in use a moment ago. */
static struct trap run_on_stack(uint64_t mode, const char *code, uint64_t sp,
                                uint64_t x0, uint64_t x1)
{
    struct entry entry = {
        .pc = at(mode, c_ldr_sp),
        .spsr = mode,
        .sp_el0 = sp & ~15ull,
        .lr = at(mode, c_svc),
    };

    run_entry(&entry);
    entry.pc = at(mode, code);
    entry.sp_el0 = sp;
    entry.x[0] = x0;
    entry.x[1] = x1;
    return run_entry(&entry);
}

static bool came_back(const struct trap *trap)
{
    return trap->esr == ESR(EC_SVC, 0x1234);
}

/* The same where the page was used before: nothing is overlooked because the
 * translation is known. */
static void check_stack_in_use(uint64_t mode, const char *name)
{
    static const struct {
        const char *name, *code;
    } forms[] = {
        {"LDR", c_ldr_sp},
        {"STP, pre-index", c_stp_sp},
        {"LDR, register", c_ldr_sp_x},
        {"LDP", c_ldp_sp},
        {"LDR Q", c_ldr_q_sp},
        {"LD1", c_ld1_sp},
        {"LDTR", c_ldtr_sp},
        {"LDAR", c_ldar_sp},
        {"LDXR", c_ldxr_sp},
        {"SWP", c_swp_sp},
        {"LDR, post-index", c_post_sp},
        {"STP by 16", c_pre_sp},
    };
    static const struct {
        const char *name, *code;
    } bends[] = {
        {"SUB of 8", c_sub_sp},
        {"ADD to WSP", c_add_w_sp},
        {"MOV", c_mov_sp},
        {"AND", c_and_sp},
        {"SUB, extended", c_ext_sp},
        {"STR back by 8", c_str_pre},
        {"LDRSW on by 4", c_ldr_post},
        {"STP back by 8", c_stp_pre},
        {"STR Q on by 8", c_str_q_post},
        {"LDP D back by 8", c_ldp_d_post},
        {"LD1 on by 8", c_ld1_post},
    };
    uint64_t stack = USER_STACK_TOP - 256;
    struct trap trap;

    WRITE("cpacr_el1", 3u << 20);
    print("# SP at ");
    print(name);
    print("\n");
    for (size_t i = 0; i < COUNT_OF(forms); i++) {
        trap = run_on_stack(mode, forms[i].code, stack, 0, 0);
        check(forms[i].name, came_back(&trap));
        trap = run_on_stack(mode, forms[i].code, stack + 8, 0, 0);
        check_trap(forms[i].name, &trap, vector_from(mode), ESR(EC_SP, 0),
                   at(mode, forms[i].code), NO_FAR, mode);
    }
    for (size_t i = 0; i < COUNT_OF(bends); i++) {
        /* the stack's address has no more than 32 bits for ADD to WSP */
        bool narrow = bends[i].code == c_add_w_sp;

        trap = run_on_stack(mode, bends[i].code, narrow ? 0x1000 : stack, 1,
                            stack + 4);
        check_trap(bends[i].name, &trap, vector_from(mode), ESR(EC_SP, 0),
                   at(mode, bends[i].code) + 4, NO_FAR, mode);
    }
    trap = run_on_stack(mode, c_sp_loop, stack, 20000, 0);
    check("a loop with SP aligned", came_back(&trap));
    trap = run_on_stack(mode, c_sp_loop, stack, 3, 16);
    check("by 16 a turn", came_back(&trap));
    trap = run_on_stack(mode, c_sp_loop, stack, 3, 8);
    check_trap("by 8 a turn", &trap, vector_from(mode), ESR(EC_SP, 0),
               at(mode, c_sp_loop_load), NO_FAR, mode);
    check_eq("the first turn", trap.x[0], 3);
    WRITE("sctlr_el1", (SCTLR_BASE | SCTLR_M) & ~(SCTLR_SA | SCTLR_SA0));
    trap = run_on_stack(mode, c_sp_loop, stack, 3, 8);
    check("by 8 a turn without the check", came_back(&trap));
    WRITE("sctlr_el1", SCTLR_BASE | SCTLR_M);
    WRITE("cpacr_el1", 0);
}

/* SP_EL0 has a name of its own only where it is not SP. */
static void check_sp_el0(void)
{
    raises("MRS SP_EL0 at EL1t", MODE_EL1T, c_mrs_sp_el0, 0, ESR(EC_UNKNOWN, 0),
           NO_FAR);
    raises("MSR SP_EL0 at EL1t", MODE_EL1T, c_msr_sp_el0, 0, ESR(EC_UNKNOWN, 0),
           NO_FAR);
    raises("MRS SP_EL0 at EL0", MODE_EL0, c_mrs_sp_el0, 0, ESR(EC_UNKNOWN, 0),
           NO_FAR);
    runs("MRS SP_EL0 at EL1h", MODE_EL1H, c_mrs_sp_el0, 0);
    runs("other registers at EL1t", MODE_EL1T, c_mrs_tpidr, 0);
}

static void check_mmu_off(void)
{
    runs("MMU off: aligned", MODE_EL0, c_ldr, SCRATCH + 8);
    raises("MMU off: memory is Device, unaligned", MODE_EL1H, c_ldr,
           SCRATCH + 1, data_esr(MODE_EL1H, ALIGNMENT), SCRATCH + 1);
    raises("MMU off: address size", MODE_EL1H, c_ldr, 1ull << 45,
           data_esr(MODE_EL1H, ADDRESS_SIZE | 0), 1ull << 45);
}

/* ---- traps --------------------------------------------------------------- */

static void check_fp(void)
{
    static const char *const codes[] = {c_fmov, c_ldr_q, c_simd, c_aese,
                                        c_mrs_fpcr};
    uint64_t page = WINDOW + 0x18000;

    map_page(page, SCRATCH, PTE_SHARED);
    for (size_t i = 0; i < COUNT_OF(codes); i++) {
        WRITE("cpacr_el1", 0);
        raises("FP off, EL0", MODE_EL0, codes[i], page, ESR(EC_FP, COND),
               NO_FAR);
        raises("FP off, EL1", MODE_EL1H, codes[i], page, ESR(EC_FP, COND),
               NO_FAR);
        WRITE("cpacr_el1", 1u << 20);
        raises("FP for EL1 alone, EL0", MODE_EL0, codes[i], page,
               ESR(EC_FP, COND), NO_FAR);
        runs("FP for EL1 alone, EL1", MODE_EL1H, codes[i], page);
        WRITE("cpacr_el1", 2u << 20);
        raises("CPACR 2 is off too", MODE_EL1H, codes[i], page,
               ESR(EC_FP, COND), NO_FAR);
        WRITE("cpacr_el1", 3u << 20);
        runs("FP on, EL0", MODE_EL0, codes[i], page);
    }
    raises("an undefined one is undefined first", MODE_EL0, c_hole_fp, 0,
           ESR(EC_UNKNOWN, 0), NO_FAR);
    WRITE("cpacr_el1", 0);
}

/* ISS of a trapped MRS (read) or MSR. */
static uint32_t sys_iss(unsigned op0, unsigned op1, unsigned crn, unsigned crm,
                        unsigned op2, unsigned rt, unsigned read)
{
    return op0 << 20 | op2 << 17 | op1 << 14 | crn << 10 | rt << 5 | crm << 1 |
           read;
}

static void check_sctlr_traps(void)
{
    uint64_t page = WINDOW + 0x18000, on = SCTLR_BASE | SCTLR_M;
    const struct {
        const char *name, *code;
        uint64_t bit;
        uint32_t esr_ec, iss;
    } cases[] = {
        {"UCT: CTR_EL0", c_mrs_ctr, SCTLR_UCT, EC_SYSREG,
         sys_iss(3, 3, 0, 0, 1, 3, 1)},
        {"UCI: DC CIVAC", c_civac, SCTLR_UCI, EC_SYSREG,
         sys_iss(1, 3, 7, 14, 1, 0, 0)},
        {"UCI: DC CVAU", c_cvau, SCTLR_UCI, EC_SYSREG,
         sys_iss(1, 3, 7, 11, 1, 0, 0)},
        {"UCI: IC IVAU", c_ivau, SCTLR_UCI, EC_SYSREG,
         sys_iss(1, 3, 7, 5, 1, 0, 0)},
        {"DZE: DC ZVA", c_zva, SCTLR_DZE, EC_SYSREG,
         sys_iss(1, 3, 7, 4, 1, 0, 0)},
        {"UMA: MRS DAIF", c_mrs_daif, SCTLR_UMA, EC_SYSREG,
         sys_iss(3, 3, 4, 2, 1, 7, 1)},
        {"UMA: MSR DAIF", c_msr_daif, SCTLR_UMA, EC_SYSREG,
         sys_iss(3, 3, 4, 2, 1, 7, 0)},
        {"UMA: MSR DAIFSet", c_msr_daifset, SCTLR_UMA, EC_SYSREG,
         sys_iss(0, 3, 4, 2, 6, 31, 0)},
        {"nTWI: WFI", c_wfi, SCTLR_NTWI, EC_WFX, COND},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        WRITE("sctlr_el1", on & ~cases[i].bit);
        raises(cases[i].name, MODE_EL0, cases[i].code, page,
               ESR(cases[i].esr_ec, cases[i].iss), NO_FAR);
        if (cases[i].code != c_wfi)
            runs(cases[i].name, MODE_EL1H, cases[i].code, page);
        WRITE("sctlr_el1", on);
        if (cases[i].code != c_wfi)
            runs(cases[i].name, MODE_EL0, cases[i].code, page);
    }
}

static void check_wfe_trap(void)
{
    struct trap trap;

    WRITE("sctlr_el1", (SCTLR_BASE | SCTLR_M) & ~SCTLR_NTWE);
    trap = run_at(MODE_EL0, c_wfe, 0, 0);
    check_trap("nTWE: WFE", &trap, VECTOR_EL0, ESR(EC_WFX, COND | 1),
               at(MODE_EL0, c_wfe_waits), NO_FAR, MODE_EL0);
    WRITE("sctlr_el1", SCTLR_BASE | SCTLR_M);
}

static void check_dczid(void)
{
    struct trap trap = run_at(MODE_EL0, c_mrs_dczid, 0, 0);

    check_eq("DCZID_EL0.DZP while DZE is set", trap.x[3] >> 4 & 1, 0);
    WRITE("sctlr_el1", (SCTLR_BASE | SCTLR_M) & ~SCTLR_DZE);
    trap = run_at(MODE_EL0, c_mrs_dczid, 0, 0);
    check_eq("DCZID_EL0.DZP at EL0 without DZE", trap.x[3] >> 4 & 1, 1);
    WRITE("sctlr_el1", SCTLR_BASE | SCTLR_M);
}

static void check_counter_traps(void)
{
    enum { PCTEN = 1, VCTEN = 2, VTEN = 1 << 8 };

    WRITE("cntkctl_el1", 0);
    raises("EL0VCTEN clear: CNTVCT_EL0", MODE_EL0, c_mrs_cntvct, 0,
           ESR(EC_SYSREG, sys_iss(3, 3, 14, 0, 2, 4, 1)), NO_FAR);
    raises("neither counter: CNTFRQ_EL0", MODE_EL0, c_mrs_cntfrq, 0,
           ESR(EC_SYSREG, sys_iss(3, 3, 14, 0, 0, 4, 1)), NO_FAR);
    raises("EL0VTEN clear: CNTV_CTL_EL0", MODE_EL0, c_mrs_cntv_ctl, 0,
           ESR(EC_SYSREG, sys_iss(3, 3, 14, 3, 1, 5, 1)), NO_FAR);
    raises("EL0VTEN clear: CNTV_CVAL_EL0", MODE_EL0, c_msr_cntv_cval, 0,
           ESR(EC_SYSREG, sys_iss(3, 3, 14, 3, 2, 6, 0)), NO_FAR);
    WRITE("cntkctl_el1", PCTEN);
    runs("one of them: CNTFRQ_EL0", MODE_EL0, c_mrs_cntfrq, 0);
    raises("the other one: CNTVCT_EL0", MODE_EL0, c_mrs_cntvct, 0,
           ESR(EC_SYSREG, sys_iss(3, 3, 14, 0, 2, 4, 1)), NO_FAR);
    WRITE("cntkctl_el1", VCTEN | VTEN);
    runs("EL0VCTEN: CNTVCT_EL0", MODE_EL0, c_mrs_cntvct, 0);
    runs("EL0VTEN: CNTV_CTL_EL0", MODE_EL0, c_mrs_cntv_ctl, 0);
    WRITE("cntkctl_el1", 0);
}

/* ---- illegal returns ----------------------------------------------------- */

/* A return that names no state there is goes to the address all the same,
 * stays at EL1, and the next instruction is the exception. */
static void check_illegal_return(const char *name, uint64_t spsr)
{
    struct trap trap = run_at(spsr, c_ret, 0, 0);

    /* NZCV and DAIF come from the SPSR even then; the mode does not. */
    check_trap(name, &trap, VECTOR_EL1H, ESR(EC_ILLEGAL, 0), address_of(c_ret),
               NO_FAR, (spsr & ~0x1full) | 5 | SPSR_IL);
}

static void check_illegal_returns(void)
{
    struct trap trap;

    check_illegal_return("illegal return to EL2", 0x3c9);
    check_illegal_return("illegal return to EL3, flags", 0x600003cd);
    check_illegal_return("illegal return to a reserved mode", 0x3c2);
    check_illegal_return("illegal return to EL0 with SP 1", 0x3c1);
    check_illegal_return("illegal return to AArch32", 0x1d3);
    trap = run_at(MODE_EL0 | SPSR_IL, c_ret, 0, 0);
    check_trap("PSTATE.IL at EL0", &trap, VECTOR_EL0, ESR(EC_ILLEGAL, 0),
               at(MODE_EL0, c_ret), NO_FAR, MODE_EL0 | SPSR_IL);
    runs("after which all is well", MODE_EL0, c_ret, 0);
}

/* ---- debug --------------------------------------------------------------- */

enum {
    MDSCR_SS = 1 << 0,
    MDSCR_KDE = 1 << 13,
    MDSCR_MDE = 1 << 15,
    STEP_ISV = 1 << 24,
    STEP_EX = 1 << 6,
    BCR_ON = 1 | 0xf << 5, /* enabled, all four bytes */
    BCR_EL1 = 1 << 1,
    BCR_EL0 = 2 << 1,
    WCR_LOAD = 1 << 3,
    WCR_STORE = 2 << 3,
};

static void check_step(void)
{
    uint64_t steps = at(MODE_EL0, c_steps), page = WINDOW + 0x18000;
    uint64_t armed = MODE_EL0 & ~SPSR_D;
    struct trap trap;

    WRITE("mdscr_el1", MDSCR_SS);
    trap = run_at(armed | SPSR_SS, c_steps, 0, 0);
    check_trap("step at EL0", &trap, VECTOR_EL0,
               ESR(EC_STEP_LOWER, DEBUG | STEP_ISV), steps + 4, NO_FAR, armed);
    check_eq("one instruction was run", trap.x[0], 1);
    trap = run_at(armed, c_steps, 0, 0);
    check_trap("step already taken", &trap, VECTOR_EL0,
               ESR(EC_STEP_LOWER, DEBUG), steps, NO_FAR, armed);
    trap = run_at(armed | SPSR_SS, c_step_ldxr, page, 0);
    check_trap("step of LDXR", &trap, VECTOR_EL0,
               ESR(EC_STEP_LOWER, DEBUG | STEP_ISV | STEP_EX),
               at(MODE_EL0, c_step_ldxr) + 4, NO_FAR, armed);
    trap = run_at(armed | SPSR_SS, c_udf, 0, 0);
    check_eq("an undefined instruction is not stepped over", trap.esr,
             ESR(EC_UNKNOWN, 0));
    trap = run_at(armed | SPSR_SS, c_svc, 0, 0);
    check_eq("nor is SVC", trap.esr, ESR(EC_SVC, 0x1234));
    trap = run_at(MODE_EL1H & ~SPSR_D, c_ret, 0, 0);
    check_returned("no step at EL1 without KDE", &trap);
    WRITE("mdscr_el1", MDSCR_SS | MDSCR_KDE);
    trap = run_at((MODE_EL1H & ~SPSR_D) | SPSR_SS, c_step_el1, 0, 0);
    check_trap("step at EL1", &trap, VECTOR_EL1H,
               ESR(EC_STEP, DEBUG | STEP_ISV), address_of(c_step_el1_next),
               NO_FAR, MODE_EL1H & ~SPSR_D);
    check_eq("one instruction at EL1", trap.x[0], 8);
    trap = run_at(MODE_EL1H, c_step_el1, 0, 0);
    check_returned("no step at EL1 with PSTATE.D", &trap);
    WRITE("mdscr_el1", 0);
}

static void check_breakpoints(void)
{
    uint64_t second = at(MODE_EL0, c_break_second);
    struct trap trap;

    WRITE("mdscr_el1", MDSCR_MDE | MDSCR_KDE);
    WRITE("dbgbvr0_el1", second);
    WRITE("dbgbcr0_el1", BCR_ON | BCR_EL0);
    trap = run_at(MODE_EL0, c_break, 0, 0);
    check_trap("breakpoint at EL0", &trap, VECTOR_EL0,
               ESR(EC_BREAK_LOWER, DEBUG), second, NO_FAR, MODE_EL0);
    check_eq("what stands before it was run", trap.x[0], 1);
    WRITE("dbgbcr0_el1", BCR_ON | BCR_EL1);
    trap = run_at(MODE_EL0, c_break, 0, 0);
    check_returned("a breakpoint for EL1 alone", &trap);
    WRITE("dbgbvr5_el1", address_of(c_break_second));
    WRITE("dbgbcr5_el1", BCR_ON | BCR_EL1);
    trap = run_at(MODE_EL1H & ~SPSR_D, c_break, 0, 0);
    check_trap("the last breakpoint, at EL1", &trap, VECTOR_EL1H,
               ESR(EC_BREAK, DEBUG), address_of(c_break_second), NO_FAR,
               MODE_EL1H & ~SPSR_D);
    trap = run_at(MODE_EL1H, c_break, 0, 0);
    check_returned("no breakpoint with PSTATE.D", &trap);
    WRITE("mdscr_el1", 0);
    trap = run_at(MODE_EL1H & ~SPSR_D, c_break, 0, 0);
    check_returned("no breakpoint without MDE", &trap);
    WRITE("dbgbcr0_el1", 0);
    WRITE("dbgbcr5_el1", 0);
}

/* LDTR and STTR at EL1 are accesses of EL0's. */
static void check_unprivileged_watchpoints(uint64_t word)
{
    uint64_t el1 = MODE_EL1H & ~SPSR_D;

    WRITE("dbgwcr3_el1", 1 | 2 << 1 | WCR_LOAD | WCR_STORE | 0xff << 5);
    raises("EL0 is watched: LDTR", el1, c_ldtr, word, ESR(EC_WATCH, DEBUG),
           word);
    raises("EL0 is watched: STTR", el1, c_sttr, word,
           ESR(EC_WATCH, DEBUG | WNR), word);
    raises("EL0 is watched: LDTRSB", el1, c_ldtrsb, word, ESR(EC_WATCH, DEBUG),
           word);
    runs("EL0 is watched: LDR at EL1", el1, c_ldr, word);
    WRITE("dbgwcr3_el1", 1 | 1 << 1 | WCR_LOAD | WCR_STORE | 0xff << 5);
    runs("EL1 is watched: LDTR", el1, c_ldtr, word);
    runs("EL1 is watched: STTR", el1, c_sttr, word);
    raises("EL1 is watched: LDR", el1, c_ldr, word, ESR(EC_WATCH, DEBUG), word);
}

static void check_watchpoints(void)
{
    uint64_t page = WINDOW + 0x18000, word = page + 0x40;

    WRITE("mdscr_el1", MDSCR_MDE | MDSCR_KDE);
    WRITE("dbgwvr0_el1", word);
    /* bytes 2 and 3 of the doubleword, stores, EL0 and EL1 */
    WRITE("dbgwcr0_el1", 1 | 3 << 1 | WCR_STORE | 0xc << 5);
    raises("watchpoint at EL0", MODE_EL0, c_strb, word + 3,
           ESR(EC_WATCH_LOWER, DEBUG | WNR), word + 3);
    runs("a byte that is not watched", MODE_EL0, c_strb, word + 4);
    runs("a load, where stores are watched", MODE_EL0, c_ldrb, word + 2);
    raises("watchpoint at EL1", MODE_EL1H & ~SPSR_D, c_strb, word + 2,
           ESR(EC_WATCH, DEBUG | WNR), word + 2);
    runs("no watchpoint with PSTATE.D", MODE_EL1H, c_strb, word + 2);
    WRITE("dbgwcr0_el1", 0);
    WRITE("dbgwvr3_el1", word);
    WRITE("dbgwcr3_el1", 1 | 3 << 1 | WCR_LOAD | 0xff << 5);
    raises("the last watchpoint, loads", MODE_EL0, c_ldrh, word + 6,
           ESR(EC_WATCH_LOWER, DEBUG), word + 6);
    runs("a store, where loads are watched", MODE_EL0, c_str, word);
    check_unprivileged_watchpoints(word);
    WRITE("dbgwcr3_el1", 0);
    runs("none is on any more", MODE_EL0, c_str, word);
    WRITE("mdscr_el1", 0);
}

static void check_all(uint64_t cpu)
{
    if (cpu != 0) /* where the MMU is on already */
        WRITE("sctlr_el1", SCTLR_BASE);
    paging_is_on = false;
    check_calls(MODE_EL0, "SVC at EL0, MMU off", "BRK at EL0, MMU off");
    check_calls(MODE_EL1H, "SVC at EL1, MMU off", "BRK at EL1, MMU off");
    check_mmu_off();
    paging_on();
    check_calls(MODE_EL0, "SVC at EL0", "BRK at EL0");
    check_calls(MODE_EL1T, "SVC at EL1t", "BRK at EL1t");
    check_calls(MODE_EL1H, "SVC at EL1h", "BRK at EL1h");
    check_flags_kept();
    check_undefined();
    check_hypercalls();
    check_translation();
    check_access_flag();
    check_address_size();
    check_permission();
    check_fetch_permission();
    check_crossing();
    check_cache_ops();
    check_alignment();
    check_stack_alignment();
    check_stack_in_use(MODE_EL0, "EL0");
    check_stack_in_use(MODE_EL1T, "EL1t");
    check_sp_el0();
    check_fp();
    check_sctlr_traps();
    check_wfe_trap();
    check_dczid();
    check_counter_traps();
    check_illegal_returns();
    WRITE("oslar_el1", 0);
    WRITE("osdlr_el1", 0);
    check_step();
    check_breakpoints();
    check_watchpoints();
}

void guest_main(void)
{
    unsigned last = cpu_count() - 1;

    check_all(0);
    if (last == 0)
        return;
    print("# on the last vCPU\n");
    run_on(last, check_all);
}
