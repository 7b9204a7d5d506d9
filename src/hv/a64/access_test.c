/*
 * Accesses off the fast path: across pages, unaligned, to MMIO, by name of
 * the faults they raise; fetches; and the instructions that maintain caches or
 * ask for a translation.
 */
#include "mem_fake.h"

#include <Hypervisor/hv_vcpu_types.h>
#include <string.h>

static struct a64_cpu *cpu;

static const uint64_t UPPER = 0xffff800054321000;
static const uint64_t LOWER = 0x0000400012345000;

/* Instruction words, all with registers 0 */
enum {
    LDR_X = 0xf9400000u,
    LDP_X = 0xa9400000u,
    LDP_W = 0x29400000u,
    LDP_Q = 0xad400000u,
    LDP_S = 0x2d400000u,
    LDPSW = 0x69400000u,
    LD1_16B = 0x4c407000u, /* LD1 {v.16b} */
    LD4_4S = 0x4c400800u,
    LD1_B0 = 0x0d400000u, /* lane of 1 byte */
    LD2_H0 = 0x0d604000u,
    LD3_S0 = 0x0d40a000u,
    LD4_D0 = 0x0d60a400u,
    LD1R_8H = 0x4d40c400u,
    LDADD_X = 0xf8200000u,
    SWP_W = 0xb8208000u,
    CAS_X = 0xc8a07c00u,
    CASP_X = 0x48207c00u,
    STXR_X = 0xc8007c00u,
    STXP_X = 0xc8200000u,
};

static void setup(void)
{
    fake_start();
    cpu = fake_cpu(0);
    fake_insn(cpu, LDR_X);
}

static void set_el(unsigned el)
{
    cpu->el = (uint8_t)el;
    a64_tlb_regime(cpu);
}

#define ck_fault(call, code, address)                                          \
    do {                                                                       \
        unsigned before = fake.exceptions;                                     \
        ck_assert_int_eq(call, A64_REDIRECT);                                  \
        ck_assert_uint_eq(fake.exceptions, before + 1);                        \
        ck_assert_uint_eq(fake.ec, A64_EC_DABT_LOWER);                         \
        ck_assert_uint_eq(fake.iss, code);                                     \
        ck_assert_uint_eq(fake.far, address);                                  \
    } while (0)

#define ck_exit(call, code, va, ipa)                                           \
    do {                                                                       \
        unsigned before = fake.exits;                                          \
        ck_assert_int_eq(call, A64_EXIT);                                      \
        ck_assert_uint_eq(fake.exits, before + 1);                             \
        ck_assert_uint_eq(fake.exit_iss, code);                                \
        ck_assert_uint_eq(fake.exit_va, va);                                   \
        ck_assert_uint_eq(fake.exit_ipa, ipa);                                 \
    } while (0)

/* ---- loads and stores ---- */

/* Every size at every place around a page's end, the second page elsewhere. */
START_TEST(all_sizes_and_offsets)
{
    static const unsigned sizes[] = {1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64};
    unsigned size = sizes[_i];
    uint8_t in[64], out[65], want[8192];
    uint8_t *first = fake_ram(DATA), *second = fake_ram(DATA + 0x8000);

    fake_map(cpu, LOWER, DATA, 3, KERNEL);
    fake_map(cpu, LOWER + 4096, DATA + 0x8000, 3, KERNEL);
    for (unsigned i = 0; i < 64; i++)
        in[i] = (uint8_t)(i + 1);
    for (unsigned at = 4096 - 70; at < 4096 + 6; at++) {
        memset(first, 0, 4096);
        memset(second, 0, 4096);
        memset(want, 0, sizeof(want));
        memcpy(want + at, in, size);
        ck_assert_int_eq(a64_store(cpu, LOWER + at, size, in, 0), A64_NEXT);
        ck_assert_mem_eq(first, want, 4096);
        ck_assert_mem_eq(second, want + 4096, 4096);
        memset(out, 0xee, sizeof(out));
        ck_assert_int_eq(a64_load(cpu, LOWER + at, size, out, 0), A64_NEXT);
        ck_assert_mem_eq(out, in, size);
        ck_assert_uint_eq(out[size], 0xee);
    }
}
END_TEST

START_TEST(crossing_into_a_fault)
{
    uint64_t value = 0x1122334455667788;

    fake_map(cpu, LOWER, DATA, 3, KERNEL);
    ck_fault(a64_store(cpu, LOWER + 4092, 8, &value, 0), 0x47, LOWER + 4096);
    ck_assert_uint_eq(*(uint32_t *)fake_ram(DATA + 4092), 0);
    ck_fault(a64_load(cpu, LOWER + 4092, 8, &value, 0), 0x07, LOWER + 4096);
    ck_assert_uint_eq(value, 0x1122334455667788);
    fake_map(cpu, LOWER + 4096, DATA + 4096, 3, KERNEL | D_RO);
    ck_fault(a64_store(cpu, LOWER + 4092, 8, &value, 0), 0x4f, LOWER + 4096);
    ck_assert_uint_eq(*(uint32_t *)fake_ram(DATA + 4092), 0);
}
END_TEST

START_TEST(mmio)
{
    uint64_t value = 0;

    fake_map(cpu, LOWER, HOLE, 3, D_DEVICE | D_AF);
    ck_exit(a64_load(cpu, LOWER + 4, 4, &value, 0), FAKE_ISS | 0x07, LOWER + 4,
            HOLE + 4);
    ck_exit(a64_store(cpu, LOWER + 8, 4, &value, 0), FAKE_ISS | 0x47, LOWER + 8,
            HOLE + 8);
    fake_map(cpu, UPPER, READ_ONLY, 3, KERNEL);
    ck_exit(a64_store(cpu, UPPER, 8, &value, 0), FAKE_ISS | 0x4f, UPPER,
            READ_ONLY);
    fake_map(cpu, UPPER + 4096, WRITE_ONLY, 3, KERNEL);
    ck_exit(a64_load(cpu, UPPER + 4096, 8, &value, 0), FAKE_ISS | 0x0f,
            UPPER + 4096, WRITE_ONLY);
    fake_put(cpu, UPPER + 4096, 1);
    ck_assert(!fast_read(cpu, UPPER + 4096, 8));
    /* stage 1 speaks first */
    fake_map(cpu, LOWER + 4096, HOLE, 3, D_DEVICE | D_AF | D_RO);
    ck_fault(a64_store(cpu, LOWER + 4096, 4, &value, 0), 0x4f, LOWER + 4096);
}
END_TEST

/* Half of it is RAM: nothing the VMM could emulate, so no syndrome. */
START_TEST(mmio_across_pages)
{
    uint64_t value = 1;

    fake_map(cpu, LOWER, DATA, 3, KERNEL);
    fake_map(cpu, LOWER + 4096, HOLE, 3, KERNEL);
    ck_exit(a64_store(cpu, LOWER + 4092, 8, &value, 0), 0x47, LOWER + 4096,
            HOLE);
    ck_assert_uint_eq(*(uint32_t *)fake_ram(DATA + 4092), 0);
}
END_TEST

START_TEST(walk_into_a_hole)
{
    uint64_t value;

    *fake_desc(cpu, LOWER, 2) = HOLE | D_VALID | D_TABLE;
    ck_exit(a64_load(cpu, LOWER, 8, &value, 0), 0x87, LOWER,
            HOLE + 8 * bits(LOWER, 20, 12));
}
END_TEST

/* ---- alignment ---- */

static const struct {
    uint32_t insn;
    unsigned size, element;
} aligned_forms[] = {
    {LDR_X, 8, 8},   {LDP_X, 16, 8}, {LDP_W, 8, 4},    {LDP_Q, 32, 16},
    {LDP_S, 8, 4},   {LDPSW, 8, 4},  {LD1_16B, 16, 1}, {LD4_4S, 64, 4},
    {LD1_B0, 1, 1},  {LD2_H0, 4, 2}, {LD3_S0, 12, 4},  {LD4_D0, 32, 8},
    {LD1R_8H, 2, 2},
};

/* Device memory (even) and SCTLR_EL1.A (odd): to the element, not the whole. */
START_TEST(alignment_to_the_element)
{
    unsigned size = aligned_forms[_i / 2].size;
    unsigned element = aligned_forms[_i / 2].element;
    uint8_t out[64];

    fake_insn(cpu, aligned_forms[_i / 2].insn);
    fake_map(cpu, LOWER, DATA, 3, _i % 2 ? KERNEL : D_DEVICE | D_AF);
    cpu->sys.sctlr_el1 |= _i % 2 ? SCTLR_A : 0;
    a64_tlb_control(cpu);
    for (unsigned round = 0; round < 2; round++) { /* miss, then hit */
        for (uint64_t at = LOWER + 64; at < LOWER + 128; at++) {
            if (at % element == 0)
                ck_assert_int_eq(a64_load(cpu, at, size, out, 0), A64_NEXT);
            else
                ck_fault(a64_load(cpu, at, size, out, 0), 0x21, at);
        }
    }
}
END_TEST

START_TEST(alignment_when_asked)
{
    uint64_t value[2] = {0};
    void *host;

    fake_map(cpu, LOWER, DATA, 3, KERNEL);
    ck_assert_int_eq(a64_load(cpu, LOWER + 1, 8, value, 0), A64_NEXT);
    ck_fault(a64_load(cpu, LOWER + 4, 8, value, A64_MEM_ALIGNED), 0x21,
             LOWER + 4);
    ck_fault(a64_store(cpu, LOWER + 1, 2, value, A64_MEM_ALIGNED), 0x61,
             LOWER + 1);
    ck_fault(a64_host(cpu, LOWER + 8, 16, A64_READ, 0, &host), 0x21, LOWER + 8);
    fake_insn(cpu, STXR_X);
    ck_fault(a64_host(cpu, LOWER + 4, 8, A64_WRITE, 0, &host), 0x61, LOWER + 4);
    ck_assert_int_eq(a64_host(cpu, LOWER + 16, 16, A64_WRITE, 0, &host),
                     A64_NEXT);
    ck_assert_ptr_eq(host, fake_ram(DATA + 16));
}
END_TEST

START_TEST(stack_alignment)
{
    unsigned el = (unsigned)_i;
    uint64_t value;

    fake_map(cpu, LOWER, DATA, 3, USER);
    set_el(el);
    cpu->x[A64_SP] = LOWER + 8;
    ck_assert_int_eq(a64_load(cpu, LOWER + 8, 8, &value, A64_MEM_SP), A64_NEXT);
    cpu->sys.sctlr_el1 |= el ? SCTLR_SA0 : SCTLR_SA; /* the other's */
    ck_assert_int_eq(a64_load(cpu, LOWER + 8, 8, &value, A64_MEM_SP), A64_NEXT);
    cpu->sys.sctlr_el1 |= SCTLR_SA | SCTLR_SA0;
    ck_assert_int_eq(a64_load(cpu, LOWER + 8, 8, &value, 0), A64_NEXT);
    ck_assert_int_eq(a64_load(cpu, LOWER + 8, 8, &value, A64_MEM_SP),
                     A64_REDIRECT);
    ck_assert_uint_eq(fake.ec, A64_EC_SP_ALIGN);
    cpu->x[A64_SP] = LOWER + 16;
    ck_assert_int_eq(a64_load(cpu, LOWER + 8, 8, &value, A64_MEM_SP), A64_NEXT);
}
END_TEST

/* With the MMU off everything is Device, and RAM is still found quickly. */
START_TEST(mmu_off)
{
    uint64_t value = 5, n;

    cpu->sys.sctlr_el1 = 0;
    a64_tlb_control(cpu);
    fake_put(cpu, DATA + 8, 5);
    n = fills(cpu);
    ck_assert_uint_eq(fake_get(cpu, DATA + 8), 5);
    ck_assert_uint_eq(fills(cpu), n);
    ck_fault(a64_load(cpu, DATA + 4, 8, &value, 0), 0x21, DATA + 4);
    ck_fault(a64_load(cpu, 1ULL << 41, 8, &value, 0), 0x00, 1ULL << 41);
    ck_exit(a64_store(cpu, HOLE, 4, &value, 0), FAKE_ISS | 0x47, HOLE, HOLE);
}
END_TEST

/* ---- atomics ---- */

static const struct {
    uint32_t insn;
    bool reads;
} exchanges[] = {
    {LDADD_X, true}, {SWP_W, true},   {CAS_X, true},
    {CASP_X, true},  {STXR_X, false}, {STXP_X, false},
};

/* WnR is clear where reading alone would have failed alike. */
START_TEST(atomics_and_wnr)
{
    bool reads = exchanges[_i].reads;
    void *host;

    fake_insn(cpu, exchanges[_i].insn);
    ck_fault(a64_host(cpu, LOWER, 16, A64_WRITE, 0, &host), reads ? 0x04 : 0x44,
             LOWER);
    ck_fault(a64_host(cpu, LOWER + 2, 4, A64_WRITE, 0, &host),
             reads ? 0x21 : 0x61, LOWER + 2);
    fake_map(cpu, LOWER, DATA, 3, KERNEL | D_RO);
    ck_fault(a64_host(cpu, LOWER, 16, A64_WRITE, 0, &host), 0x4f, LOWER);
    fake_map(cpu, LOWER, HOLE, 3, KERNEL);
    ck_exit(a64_host(cpu, LOWER, 16, A64_WRITE, 0, &host),
            FAKE_ISS | (reads ? 0x07 : 0x47), LOWER, HOLE);
    fake_map(cpu, LOWER, READ_ONLY, 3, KERNEL);
    ck_exit(a64_host(cpu, LOWER, 16, A64_WRITE, 0, &host), FAKE_ISS | 0x4f,
            LOWER, READ_ONLY);
    fake_map(cpu, LOWER, WRITE_ONLY, 3, KERNEL);
    ck_exit(a64_host(cpu, LOWER, 16, A64_WRITE, 0, &host),
            FAKE_ISS | (reads ? 0x0f : 0x4f), LOWER, WRITE_ONLY);
}
END_TEST

/* ---- watchpoints ---- */

START_TEST(watchpoints)
{
    uint64_t value = 1;
    void *host;

    fake_map(cpu, LOWER, DATA, 3, KERNEL);
    cpu->watchpoints_on = true;
    a64_tlb_control(cpu);
    fake_get(cpu, LOWER + 8);
    ck_assert_uint_eq(fake.watched, 1);
    ck_assert(!fake.watch_write);
    ck_assert_uint_eq(fake.watch_va, LOWER + 8);
    ck_assert_uint_eq(fake.watch_size, 8);
    /* memory faults come first */
    ck_assert_int_eq(a64_load(cpu, UPPER, 8, &value, 0), A64_REDIRECT);
    ck_assert_uint_eq(fake.watched, 1);
    fake.watch_hits = true;
    ck_assert_int_eq(a64_store(cpu, LOWER, 8, &value, 0), A64_REDIRECT);
    ck_assert(fake.watch_write);
    ck_assert_uint_eq(*(uint64_t *)fake_ram(DATA), 0);
    /* an atomic is a load as well */
    fake.watch_hits = false;
    fake.watched = 0;
    fake_insn(cpu, LDADD_X);
    ck_assert_int_eq(a64_host(cpu, LOWER, 8, A64_WRITE, 0, &host), A64_NEXT);
    ck_assert_uint_eq(fake.watched, 2);
}
END_TEST

/* ---- fetch ---- */

static enum a64_next fetch(uint64_t pc, struct a64_code_page **page)
{
    cpu->pc = pc;
    return a64_fetch(cpu, page);
}

static bool fast_fetch(uint64_t pc)
{
    return cpu->fetch[(pc >> 12) & (A64_FETCH_SIZE - 1)].tag ==
           ((pc & ~0xfffULL) | cpu->ctx[pc >> 63]);
}

START_TEST(fetch_finds_the_page)
{
    struct a64_code_page *page;

    fake_map(cpu, UPPER, DATA, 3, KERNEL);
    ck_assert_int_eq(fetch(UPPER + 0x40, &page), A64_NEXT);
    ck_assert_ptr_eq(page, fake_ram(DATA));
    ck_assert(fast_fetch(UPPER + 0x40));
    ck_assert_ptr_eq(cpu->fetch[(UPPER >> 12) & (A64_FETCH_SIZE - 1)].page,
                     page);
    ck_assert(!fast_fetch(UPPER + 0x1000));
    set_el(0);
    ck_assert(!fast_fetch(UPPER));
}
END_TEST

START_TEST(fetch_faults)
{
    struct a64_code_page *page;

    ck_assert_int_eq(fetch(UPPER + 2, &page), A64_REDIRECT);
    ck_assert_uint_eq(fake.ec, A64_EC_PC_ALIGN);
    ck_assert_uint_eq(fake.far, UPPER + 2);
    ck_assert_int_eq(fetch(UPPER + 4, &page), A64_REDIRECT);
    ck_assert_uint_eq(fake.ec, A64_EC_IABT_LOWER);
    ck_assert_uint_eq(fake.iss, 0x04);
    ck_assert_uint_eq(fake.far, UPPER + 4);
    fake_map(cpu, UPPER, DATA, 3, KERNEL | D_PXN);
    ck_assert_int_eq(fetch(UPPER, &page), A64_REDIRECT);
    ck_assert_uint_eq(fake.iss, 0x0f);
    fake_map(cpu, UPPER, NO_EXEC, 3, KERNEL);
    ck_assert_int_eq(fetch(UPPER + 8, &page), A64_EXIT);
    ck_assert_uint_eq(fake.exit_ec, A64_EC_IABT_LOWER);
    ck_assert_uint_eq(fake.exit_iss, 0x0f);
    ck_assert_uint_eq(fake.exit_ipa, NO_EXEC + 8);
    fake_map(cpu, UPPER, HOLE, 3, KERNEL);
    ck_assert_int_eq(fetch(UPPER, &page), A64_EXIT);
    ck_assert_uint_eq(fake.exit_iss, 0x07);
    *fake_desc(cpu, UPPER, 2) = HOLE | D_VALID | D_TABLE;
    ck_assert_int_eq(fetch(UPPER, &page), A64_EXIT);
    ck_assert_uint_eq(fake.exit_iss, 0x87);
    ck_assert_uint_eq(fake.exit_va, UPPER);
}
END_TEST

START_TEST(fetch_without_memory)
{
    struct a64_code_page *page;

    fake_map(cpu, UPPER, DATA, 3, KERNEL);
    fake.no_code_memory = true;
    ck_assert_int_eq(fetch(UPPER, &page), A64_EXIT);
    ck_assert_uint_eq(cpu->exit.reason, HV_EXIT_REASON_UNKNOWN);
    ck_assert(!fast_fetch(UPPER));
}
END_TEST

static void serve(struct a64_cpu *self)
{
    a64_broadcast_all(self->vm);
    a64_sync_serve(self);
}

/* What was translated before a wait inside a64_code_page is not entered. */
START_TEST(fetch_starts_again)
{
    struct a64_code_page *page;

    fake_map(cpu, UPPER, DATA, 3, KERNEL);
    fake.in_code_page = serve;
    ck_assert_int_eq(fetch(UPPER, &page), A64_REDIRECT);
    ck_assert_uint_eq(cpu->pc, UPPER);
    ck_assert(!fast_fetch(UPPER));
    fake.in_code_page = NULL;
    ck_assert_int_eq(fetch(UPPER, &page), A64_NEXT);
}
END_TEST

START_TEST(fetch_entries_are_dropped)
{
    static const uint32_t insns[] = {
        TLBI_VMALLE1, TLBI_VAE1,  TLBI_ASIDE1, TLBI_VAALE1,
        IC_IALLU,     IC_IALLUIS, IC_IVAU,
    };
    struct a64_code_page *page;
    uint64_t other = LOWER + 4096;
    bool ic = _i >= 4;

    fake_map(cpu, LOWER, DATA, 3, KERNEL | D_NG);
    fake_map(cpu, other, DATA + 4096, 3, KERNEL | D_NG);
    ck_assert_int_eq(fetch(LOWER, &page), A64_NEXT);
    ck_assert_int_eq(fetch(other, &page), A64_NEXT);
    if (ic)
        ck_assert_int_eq(a64_cache_op(cpu, insns[_i], LOWER + 0x123), A64_NEXT);
    else
        ck_assert_int_eq(
            a64_tlbi(cpu, insns[_i], _i == 2 ? 0 : TLBI_VA(LOWER, 0)),
            A64_NEXT);
    ck_assert(!fast_fetch(LOWER));
    ck_assert(fast_fetch(other) == (_i == 1 || _i == 3 || _i == 6));
}
END_TEST

/* An IC finds what was fetched since the IC before it. */
START_TEST(fetch_between_invalidations)
{
    struct a64_code_page *page;

    fake_map(cpu, LOWER, DATA, 3, KERNEL);
    for (unsigned i = 0; i < 3; i++) {
        ck_assert_int_eq(fetch(LOWER, &page), A64_NEXT);
        ck_assert(fast_fetch(LOWER));
        ck_assert_int_eq(a64_cache_op(cpu, IC_IVAU, LOWER), A64_NEXT);
        ck_assert(!fast_fetch(LOWER));
    }
}
END_TEST

/* While every access is looked at, fetches miss the fast path and are found
 * all the same. */
START_TEST(fetch_when_strict)
{
    struct a64_code_page *page;

    fake_map(cpu, UPPER, DATA, 3, KERNEL);
    cpu->watchpoints_on = true;
    a64_tlb_control(cpu);
    for (unsigned i = 0; i < 3; i++)
        ck_assert_int_eq(fetch(UPPER, &page), A64_NEXT);
    ck_assert_ptr_eq(page, fake_ram(DATA));
    ck_assert_uint_eq(fake.pages_made, 1);
    ck_assert(!fast_fetch(UPPER));
}
END_TEST

/* ---- IC and DC ---- */

START_TEST(ic_by_address)
{
    fake_map(cpu, LOWER, DATA, 3, KERNEL);
    ck_assert_int_eq(a64_cache_op(cpu, IC_IVAU, LOWER + 0x7f), A64_NEXT);
    ck_assert_uint_eq(fake.invalidated, 1);
    ck_assert_uint_eq(fake.invalid_ipa, DATA + 0x40);
    ck_assert_uint_eq(fake.invalid_len, 64);
    ck_fault(a64_cache_op(cpu, IC_IVAU, UPPER), 0x144, UPPER);
    ck_assert_int_eq(a64_cache_op(cpu, IC_IALLU, 0), A64_NEXT);
    ck_assert_int_eq(a64_cache_op(cpu, IC_IALLUIS, 0), A64_NEXT);
    ck_assert_uint_eq(fake.invalidated_all, 2);
}
END_TEST

static const struct {
    uint32_t insn;
    bool writes;
} dc_forms[] = {
    {FAKE_SYS(0, 7, 6, 1), true},   /* IVAC */
    {FAKE_SYS(3, 7, 10, 1), false}, /* CVAC */
    {FAKE_SYS(3, 7, 11, 1), false}, /* CVAU */
    {FAKE_SYS(3, 7, 14, 1), false}, /* CIVAC */
};

START_TEST(dc_permissions)
{
    uint32_t insn = dc_forms[_i].insn;
    bool writes = dc_forms[_i].writes;

    ck_fault(a64_cache_op(cpu, insn, LOWER + 3), 0x144, LOWER + 3);
    fake_map(cpu, LOWER, DATA, 3, USER | D_RO);
    cpu->pan = 1; /* does not concern it */
    a64_tlb_regime(cpu);
    for (unsigned round = 0; round < 2; round++) { /* miss, then hit */
        if (writes)
            ck_fault(a64_cache_op(cpu, insn, LOWER + 3), 0x14f, LOWER + 3);
        else
            ck_assert_int_eq(a64_cache_op(cpu, insn, LOWER + 3), A64_NEXT);
    }
    set_el(0);
    fake_map(cpu, UPPER, DATA, 3, KERNEL);
    ck_fault(a64_cache_op(cpu, insn, UPPER), 0x14f, UPPER);
    fake_map(cpu, LOWER + 4096, HOLE, 3, USER);
    ck_exit(a64_cache_op(cpu, insn, LOWER + 4096), 0x147, LOWER + 4096, HOLE);
    ck_assert_uint_eq(*(uint64_t *)fake_ram(DATA), 0);
}
END_TEST

START_TEST(dc_zva)
{
    uint32_t insn = FAKE_SYS(3, 7, 4, 1);
    uint8_t *bytes = fake_ram(DATA);

    memset(bytes, 0xff, 4096);
    fake_map(cpu, LOWER, DATA, 3, KERNEL);
    ck_assert_int_eq(a64_cache_op(cpu, insn, LOWER + 0x7f), A64_NEXT);
    for (unsigned i = 0; i < 4096; i++)
        ck_assert_uint_eq(bytes[i], i / 64 == 1 ? 0 : 0xff);
    fake_map(cpu, UPPER, DATA, 3, KERNEL | D_RO);
    ck_fault(a64_cache_op(cpu, insn, UPPER), 0x4f, UPPER);
    fake_map(cpu, UPPER + 4096, DATA, 3, D_DEVICE | D_AF);
    fake_get(cpu, UPPER + 4096);
    for (unsigned round = 0; round < 2; round++) { /* hit, then miss */
        ck_fault(a64_cache_op(cpu, insn, UPPER + 4096), 0x61, UPPER + 4096);
        ck_assert_int_eq(a64_tlbi(cpu, TLBI_VMALLE1, 0), A64_NEXT);
    }
    ck_assert_uint_eq(bytes[0], 0xff);
    fake_map(cpu, LOWER, HOLE, 3, KERNEL);
    ck_assert_int_eq(a64_tlbi(cpu, TLBI_VMALLE1, 0), A64_NEXT);
    ck_exit(a64_cache_op(cpu, insn, LOWER), 0x47, LOWER, HOLE);
    cpu->pan = 1; /* a store like any other */
    a64_tlb_regime(cpu);
    fake_map(cpu, LOWER + 4096, DATA, 3, USER);
    ck_fault(a64_cache_op(cpu, insn, LOWER + 4096), 0x4f, LOWER + 4096);
}
END_TEST

START_TEST(dc_by_set_and_way)
{
    static const unsigned crm[] = {6, 10, 14};

    ck_assert_int_eq(a64_cache_op(cpu, FAKE_SYS(0, 7, crm[_i], 2), 0),
                     A64_NEXT);
}
END_TEST

START_TEST(unknown_cache_ops)
{
    static const uint32_t none[] = {
        FAKE_SYS(3, 7, 12, 1), /* CVAP */
        FAKE_SYS(3, 7, 13, 1), /* CVADP */
        FAKE_SYS(3, 7, 4, 3),  /* GVA */
        FAKE_SYS(0, 7, 2, 0),
    };

    ck_assert_int_eq(a64_cache_op(cpu, none[_i], LOWER), A64_REDIRECT);
    ck_assert_uint_eq(fake.undefined, 1);
}
END_TEST

/* ---- AT ---- */

enum { S1E1R, S1E1W, S1E0R, S1E0W, S1E1RP, S1E1WP };

static uint64_t at(unsigned op, uint64_t va)
{
    uint32_t insn =
        op < S1E1RP ? FAKE_SYS(0, 7, 8, op) : FAKE_SYS(0, 7, 9, op - S1E1RP);

    ck_assert_int_eq(a64_at(cpu, insn, va), A64_NEXT);
    return cpu->sys.par_el1;
}

#define PAR_FAULT(fsc) (0x801 | (fsc) << 1)

START_TEST(at_succeeds)
{
    fake_map(cpu, UPPER, DATA, 3, KERNEL);
    ck_assert_uint_eq(at(S1E1R, UPPER + 0x123), 0xffULL << 56 | DATA | 0x980);
    fake_map(cpu, LOWER, DATA, 3, D_DEVICE | D_AF);
    ck_assert_uint_eq(at(S1E1R, LOWER), DATA | 0x900);
    fake_map(cpu, LOWER, DATA, 3, D_NONCACHEABLE | D_AF);
    ck_assert_uint_eq(at(S1E1R, LOWER), 0x44ULL << 56 | DATA | 0x900);
    /* not even there: stage 1 only */
    fake_map(cpu, LOWER, HOLE, 3, KERNEL);
    ck_assert_uint_eq(at(S1E1W, LOWER), 0xffULL << 56 | HOLE | 0x980);
}
END_TEST

START_TEST(at_fails)
{
    ck_assert_uint_eq(at(S1E1R, LOWER), PAR_FAULT(0x04));
    fake_map(cpu, LOWER, 0x80000000, 2, KERNEL | D_RO);
    ck_assert_uint_eq(at(S1E1W, LOWER), PAR_FAULT(0x0e));
    ck_assert_uint_eq(at(S1E0R, LOWER), PAR_FAULT(0x0e));
    ck_assert(!(at(S1E1R, LOWER) & 1));
    fake_map(cpu, LOWER, 0x80000000, 1, KERNEL | D_RO);
    ck_assert_uint_eq(at(S1E1W, LOWER), PAR_FAULT(0x0d));
}
END_TEST

START_TEST(at_and_pan)
{
    fake_map(cpu, LOWER, DATA, 3, USER);
    ck_assert(!(at(S1E1RP, LOWER) & 1));
    cpu->pan = 1;
    ck_assert(!(at(S1E1R, LOWER) & 1));
    ck_assert(!(at(S1E1W, LOWER) & 1));
    ck_assert_uint_eq(at(S1E1RP, LOWER), PAR_FAULT(0x0f));
    ck_assert_uint_eq(at(S1E1WP, LOWER), PAR_FAULT(0x0f));
    ck_assert(!(at(S1E0W, LOWER) & 1));
}
END_TEST

START_TEST(at_leaves_the_dirty_state)
{
    cpu->sys.tcr_el1 |= TCR_HA | TCR_HD;
    fake_map(cpu, LOWER, DATA, 3, KERNEL | D_RO | D_DBM);
    ck_assert(!(at(S1E1W, LOWER) & 1));
    ck_assert(*fake_desc(cpu, LOWER, 3) & D_RO);
}
END_TEST

START_TEST(at_into_a_hole)
{
    *fake_desc(cpu, LOWER, 2) = HOLE | D_VALID | D_TABLE;
    ck_exit(a64_at(cpu, FAKE_SYS(0, 7, 8, 0), LOWER), 0x1c7, LOWER,
            HOLE + 8 * bits(LOWER, 20, 12));
    ck_assert_int_eq(a64_at(cpu, FAKE_SYS(4, 7, 8, 0), LOWER), A64_REDIRECT);
    ck_assert_uint_eq(fake.undefined, 1);
}
END_TEST

#define COUNT(array) (int)(sizeof(array) / sizeof((array)[0]))

int main(void)
{
    Suite *suite = suite_create("access");
    TCase *data = tcase_create("data");
    TCase *code = tcase_create("fetch");
    TCase *sys = tcase_create("maintenance");

    tcase_add_checked_fixture(data, setup, fake_stop);
    suite_add_tcase(suite, data);
    tcase_add_loop_test(data, all_sizes_and_offsets, 0, 12);
    tcase_add_test(data, crossing_into_a_fault);
    tcase_add_test(data, mmio);
    tcase_add_test(data, mmio_across_pages);
    tcase_add_test(data, walk_into_a_hole);
    tcase_add_loop_test(data, alignment_to_the_element, 0,
                        2 * COUNT(aligned_forms));
    tcase_add_test(data, alignment_when_asked);
    tcase_add_loop_test(data, stack_alignment, 0, 2);
    tcase_add_test(data, mmu_off);
    tcase_add_loop_test(data, atomics_and_wnr, 0, COUNT(exchanges));
    tcase_add_test(data, watchpoints);
    tcase_add_checked_fixture(code, setup, fake_stop);
    suite_add_tcase(suite, code);
    tcase_add_test(code, fetch_finds_the_page);
    tcase_add_test(code, fetch_faults);
    tcase_add_test(code, fetch_without_memory);
    tcase_add_test(code, fetch_starts_again);
    tcase_add_loop_test(code, fetch_entries_are_dropped, 0, 7);
    tcase_add_test(code, fetch_between_invalidations);
    tcase_add_test(code, fetch_when_strict);
    tcase_add_checked_fixture(sys, setup, fake_stop);
    suite_add_tcase(suite, sys);
    tcase_add_test(sys, ic_by_address);
    tcase_add_loop_test(sys, dc_permissions, 0, COUNT(dc_forms));
    tcase_add_test(sys, dc_zva);
    tcase_add_loop_test(sys, dc_by_set_and_way, 0, 3);
    tcase_add_loop_test(sys, unknown_cache_ops, 0, 4);
    tcase_add_test(sys, at_succeeds);
    tcase_add_test(sys, at_fails);
    tcase_add_test(sys, at_and_pan);
    tcase_add_test(sys, at_leaves_the_dirty_state);
    tcase_add_test(sys, at_into_a_hole);
    return fake_main(suite);
}
