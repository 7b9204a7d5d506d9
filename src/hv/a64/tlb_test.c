/*
 * The soft TLB: what is entered, under which context, and what drops it.
 */
#include "mem_fake.h"

static struct a64_cpu *cpu;

static const uint64_t UPPER = 0xffff800054321000; /* another place */
static const uint64_t LOWER = 0x0000400012345000;

static void setup(void)
{
    fake_start();
    cpu = fake_cpu(0);
}

static void set_asid(uint16_t asid)
{
    cpu->sys.ttbr0_el1 = bits(cpu->sys.ttbr0_el1, 47, 0) | (uint64_t)asid << 48;
    a64_tlb_control(cpu);
}

static void set_el(unsigned el, unsigned pan)
{
    cpu->el = (uint8_t)el;
    cpu->pan = (uint8_t)pan;
    a64_tlb_regime(cpu);
}

static void tlbi(uint32_t insn, uint64_t value)
{
    ck_assert_int_eq(a64_tlbi(cpu, insn, value), A64_NEXT);
}

/* The page at va is mapped to `ipa`, which reads `ipa` as a number. */
static void map_marked(uint64_t va, uint64_t ipa, uint64_t attributes)
{
    *(uint64_t *)fake_ram(ipa) = ipa;
    fake_map(cpu, va, ipa, 3, attributes);
}

/* ---- filling ---- */

START_TEST(fast_path_after_a_load)
{
    const struct a64_tlb_entry *e;

    map_marked(LOWER, DATA, USER);
    ck_assert(!fast_read(cpu, LOWER, 8));
    ck_assert_uint_eq(fake_get(cpu, LOWER), DATA);
    ck_assert(fast_read(cpu, LOWER, 8));
    ck_assert(fast_read(cpu, LOWER + 4088, 8));
    ck_assert(!fast_read(cpu, LOWER + 4089, 8));
    ck_assert(!fast_read(cpu, LOWER + 4096, 8));
    ck_assert(fast_write(cpu, LOWER, 8));
    e = &cpu->tlb[(LOWER >> 12) & (A64_TLB_SIZE - 1)];
    ck_assert_ptr_eq((void *)(uintptr_t)(LOWER + 40 + e->addend),
                     (uint8_t *)fake_ram(DATA) + 40);
}
END_TEST

START_TEST(no_fast_store_to_read_only)
{
    uint64_t value = 1;

    fake_map(cpu, LOWER, DATA, 3, USER | D_RO);
    fake_get(cpu, LOWER);
    ck_assert(fast_read(cpu, LOWER, 8) && !fast_write(cpu, LOWER, 8));
    ck_assert_int_eq(a64_store(cpu, LOWER, 8, &value, 0), A64_REDIRECT);
    ck_assert_uint_eq(fake.ec, A64_EC_DABT_LOWER);
    ck_assert_uint_eq(fake.iss, 0x4f);
    ck_assert_uint_eq(fake.far, LOWER);
    fake_map(cpu, UPPER, READ_ONLY, 3, KERNEL);
    fake_get(cpu, UPPER);
    ck_assert(fast_read(cpu, UPPER, 8) && !fast_write(cpu, UPPER, 8));
}
END_TEST

START_TEST(no_fast_store_to_clean)
{
    cpu->sys.tcr_el1 |= TCR_HA | TCR_HD;
    a64_tlb_control(cpu);
    fake_map(cpu, LOWER, DATA, 3, USER | D_RO | D_DBM);
    fake_get(cpu, LOWER);
    ck_assert(fast_read(cpu, LOWER, 8) && !fast_write(cpu, LOWER, 8));
    ck_assert(*fake_desc(cpu, LOWER, 3) & D_RO);
    fake_put(cpu, LOWER, 1);
    ck_assert(!(*fake_desc(cpu, LOWER, 3) & D_RO));
    ck_assert(fast_write(cpu, LOWER, 8));
}
END_TEST

/* Device memory is not for the fast path, but its translation is kept. */
START_TEST(device_memory)
{
    uint64_t n;

    map_marked(LOWER, DATA, D_DEVICE | D_AF);
    ck_assert_uint_eq(fake_get(cpu, LOWER), DATA);
    ck_assert(!fast_read(cpu, LOWER, 8) && !fast_write(cpu, LOWER, 8));
    n = fills(cpu);
    fake_put(cpu, LOWER, 7);
    ck_assert_uint_eq(fake_get(cpu, LOWER), 7);
    ck_assert_uint_eq(fills(cpu), n);
}
END_TEST

/* ---- contexts ---- */

START_TEST(asids_keep_apart)
{
    map_marked(LOWER, DATA, USER);
    set_asid(1);
    fake_get(cpu, LOWER);
    set_asid(2);
    ck_assert(!fast_read(cpu, LOWER, 8));
    set_asid(1);
    ck_assert(fast_read(cpu, LOWER, 8));
}
END_TEST

START_TEST(asid_switch_keeps_entries)
{
    uint64_t kernel = UPPER;

    map_marked(LOWER, DATA, USER);
    map_marked(kernel, DATA + 4096, KERNEL);
    set_asid(1);
    fake_get(cpu, LOWER);
    fake_get(cpu, kernel);
    set_asid(2);
    ck_assert(fast_read(cpu, kernel, 8));
    set_asid(1);
    ck_assert(fast_read(cpu, LOWER, 8));
    ck_assert(fast_read(cpu, kernel, 8));
}
END_TEST

/* A new table under an old ASID is software's to invalidate. */
START_TEST(entries_belong_to_the_asid)
{
    map_marked(LOWER, DATA, USER);
    set_asid(3);
    ck_assert_uint_eq(fake_get(cpu, LOWER), DATA);
    cpu->sys.ttbr0_el1 = fake_table();
    map_marked(LOWER, DATA + 4096, USER);
    set_asid(4);
    ck_assert_uint_eq(fake_get(cpu, LOWER), DATA + 4096);
    set_asid(3);
    tlbi(TLBI_ASIDE1, 3ULL << 48);
    ck_assert_uint_eq(fake_get(cpu, LOWER), DATA + 4096);
}
END_TEST

START_TEST(asid_from_ttbr1)
{
    map_marked(LOWER, DATA, USER);
    cpu->sys.tcr_el1 |= TCR_A1;
    cpu->sys.ttbr1_el1 |= 5ULL << 48;
    a64_tlb_control(cpu);
    fake_get(cpu, LOWER);
    set_asid(9);
    ck_assert(fast_read(cpu, LOWER, 8));
    cpu->sys.ttbr1_el1 ^= 3ULL << 48;
    a64_tlb_control(cpu);
    ck_assert(!fast_read(cpu, LOWER, 8));
}
END_TEST

START_TEST(asid_width)
{
    bool wide = _i;

    if (!wide)
        cpu->sys.tcr_el1 &= ~TCR_AS;
    map_marked(LOWER, DATA, USER);
    set_asid(0x101);
    fake_get(cpu, LOWER);
    set_asid(0x201);
    ck_assert(fast_read(cpu, LOWER, 8) == !wide);
    set_asid(0x101);
    ck_assert(fast_read(cpu, LOWER, 8));
    tlbi(TLBI_ASIDE1, 0x201ULL << 48);
    ck_assert(fast_read(cpu, LOWER, 8) == wide);
}
END_TEST

START_TEST(upper_half_not_global)
{
    map_marked(UPPER, DATA, KERNEL);
    map_marked(UPPER + 4096, DATA + 4096, KERNEL | D_NG);
    set_asid(1);
    fake_get(cpu, UPPER + 4096);
    fake_get(cpu, UPPER);
    ck_assert(fast_read(cpu, UPPER, 8) && fast_read(cpu, UPPER + 4096, 8));
    set_asid(2);
    ck_assert(!fast_read(cpu, UPPER + 4096, 8));
    set_asid(1);
    ck_assert(fast_read(cpu, UPPER + 4096, 8));
    tlbi(TLBI_ASIDE1, 1ULL << 48);
    ck_assert(!fast_read(cpu, UPPER + 4096, 8));
}
END_TEST

START_TEST(regimes_keep_apart)
{
    uint64_t value;

    map_marked(UPPER, DATA, KERNEL);
    map_marked(LOWER + 4096, DATA + 4096, USER);
    fake_get(cpu, UPPER);
    fake_get(cpu, LOWER + 4096);
    set_el(0, 0);
    ck_assert(!fast_read(cpu, UPPER, 8));
    ck_assert_int_eq(a64_load(cpu, UPPER, 8, &value, 0), A64_REDIRECT);
    ck_assert_uint_eq(fake.iss, 0x0f);
    ck_assert_uint_eq(fake_get(cpu, LOWER + 4096), DATA + 4096);
    set_el(1, 1); /* PAN */
    ck_assert(!fast_read(cpu, LOWER + 4096, 8));
    ck_assert_int_eq(a64_load(cpu, LOWER + 4096, 8, &value, 0), A64_REDIRECT);
    ck_assert_uint_eq(fake.iss, 0x0f);
    /* LDTR is not concerned */
    ck_assert_int_eq(a64_load(cpu, LOWER + 4096, 8, &value, A64_MEM_UNPRIV),
                     A64_NEXT);
    ck_assert_int_eq(a64_load(cpu, UPPER, 8, &value, A64_MEM_UNPRIV),
                     A64_REDIRECT);
    ck_assert_uint_eq(cpu->ctx_unpriv[0], cpu->ctx_of[0][A64_REGIME_EL0]);
    set_el(1, 0);
    ck_assert_uint_eq(fake_get(cpu, UPPER), DATA);
}
END_TEST

START_TEST(control_changes_flush)
{
    map_marked(LOWER, DATA, USER);
    fake_get(cpu, LOWER);
    switch (_i) {
    case 0:
        cpu->sys.sctlr_el1 |= SCTLR_WXN;
        break;
    case 1:
        cpu->sys.sctlr_el1 &= ~SCTLR_M;
        break;
    case 2:
        cpu->sys.mair_el1 = 0;
        break;
    default:
        cpu->sys.tcr_el1 |= TCR_HA;
        break;
    }
    a64_tlb_control(cpu);
    ck_assert(!fast_read(cpu, LOWER, 8));
}
END_TEST

/* Some thousand address spaces come and go: slots are used again, and nobody
 * finds another's entries. */
START_TEST(many_asids)
{
    uint64_t tables[8];

    for (uint64_t i = 0; i < 8; i++) {
        tables[i] = cpu->sys.ttbr0_el1 = fake_table();
        map_marked(LOWER, DATA + i * 4096, USER);
    }
    map_marked(UPPER + 0x1000, DATA + 0x10000, KERNEL);
    for (uint64_t asid = 1; asid < 5000; asid++) {
        cpu->sys.ttbr0_el1 = tables[asid % 8];
        set_asid((uint16_t)asid);
        ck_assert_uint_eq(fake_get(cpu, LOWER), DATA + asid % 8 * 4096);
        ck_assert_uint_eq(fake_get(cpu, UPPER + 0x1000), DATA + 0x10000);
        if (asid % 3 == 0) {
            tlbi(TLBI_ASIDE1, asid << 48);
            ck_assert(!fast_read(cpu, LOWER, 8));
        }
    }
}
END_TEST

/* Flush after flush, with what was entered before still in the arrays: none of
 * it comes back when its context number does. */
START_TEST(many_flushes)
{
    const uint64_t places = 600;

    for (uint64_t i = 0; i < places; i++)
        map_marked(LOWER + i * 4096, DATA + i * 4096, USER);
    for (uint64_t round = 0; round < 2000; round++) {
        for (uint64_t i = 0; i < places; i++)
            ck_assert(!fast_read(cpu, LOWER + i * 4096, 8));
        fake_get(cpu, LOWER + round % places * 4096);
        tlbi(round % 2 ? TLBI_VMALLE1 : TLBI_VMALLE1IS, 0);
    }
}
END_TEST

/* ---- TLBI ---- */

static const struct {
    uint32_t insn;
    bool by_va, by_asid;
} forms[] = {
    {TLBI_VMALLE1, false, false}, {TLBI_VAE1, true, true},
    {TLBI_ASIDE1, false, true},   {TLBI_VAAE1, true, false},
    {TLBI_VALE1, true, true},     {TLBI_VAALE1, true, false},
};

/* After each form, local (even) and Inner Shareable (odd): gone is what the
 * operand names; what is far from it stays, unless it is the form for all. */
START_TEST(tlbi_forms)
{
    unsigned f = (unsigned)_i / 2;
    uint32_t insn = forms[f].insn & ~(_i % 2 ? 4u << 8 : 0);
    uint64_t far = LOWER + 0x9000, kernel = UPPER;
    uint64_t operand = 0;

    set_asid(7);
    map_marked(LOWER, DATA, USER);
    map_marked(far, DATA + 0x9000, USER);
    map_marked(kernel, DATA + 0x1000, KERNEL);
    fake_get(cpu, LOWER);
    fake_get(cpu, far);
    fake_get(cpu, kernel);
    map_marked(LOWER, DATA + 0x2000, USER);
    if (forms[f].by_va)
        operand |= bits(LOWER, 55, 12);
    if (forms[f].by_asid)
        operand |= 7ULL << 48;
    tlbi(insn, operand);
    ck_assert_uint_eq(fake_get(cpu, LOWER), DATA + 0x2000);
    ck_assert(fast_read(cpu, far, 8) == forms[f].by_va);
    ck_assert(fast_read(cpu, kernel, 8) == (f != 0));
}
END_TEST

START_TEST(tlbi_another)
{
    set_asid(7);
    map_marked(LOWER, DATA, USER);
    fake_get(cpu, LOWER);
    tlbi(TLBI_ASIDE1, 8ULL << 48);
    ck_assert(fast_read(cpu, LOWER, 8));
    tlbi(TLBI_VAE1, TLBI_VA(LOWER + 4096, 7));
    ck_assert(fast_read(cpu, LOWER, 8));
    /* the same place in the array, another page */
    tlbi(TLBI_VAE1, TLBI_VA(LOWER + A64_TLB_SIZE * 4096ULL, 7));
    ck_assert(fast_read(cpu, LOWER, 8));
}
END_TEST

/* A global page in the lower half goes whatever the ASID says. */
START_TEST(tlbi_global_in_lower_half)
{
    set_asid(7);
    map_marked(LOWER, DATA, KERNEL);
    fake_get(cpu, LOWER);
    tlbi(TLBI_VAE1, TLBI_VA(LOWER, 8));
    ck_assert(!fast_read(cpu, LOWER, 8));
}
END_TEST

START_TEST(tlbi_ignores_top_byte)
{
    uint64_t tagged = LOWER | 0x5aULL << 56;

    cpu->sys.tcr_el1 |= 1ULL << 37;
    a64_tlb_control(cpu);
    map_marked(LOWER, DATA, USER);
    fake_get(cpu, tagged);
    ck_assert(fast_read(cpu, tagged, 8));
    tlbi(TLBI_VAE1, TLBI_VA(LOWER, 0));
    ck_assert(!fast_read(cpu, tagged, 8));
}
END_TEST

START_TEST(tlbi_of_a_block)
{
    uint64_t block = _i ? 0xffff800040000000 : 0x40000000;

    *(uint64_t *)fake_ram(DATA) = 1;
    fake_map(cpu, block, DATA, 2, KERNEL);
    ck_assert_uint_eq(fake_get(cpu, block), 1);
    fake_get(cpu, block + 0x5000);
    fake_get(cpu, block + 0x1ff000);
    tlbi(TLBI_VAAE1, TLBI_VA(block + 0x200000, 0));
    ck_assert(fast_read(cpu, block, 8));
    tlbi(TLBI_VAAE1, TLBI_VA(block - 0x1000, 0));
    ck_assert(fast_read(cpu, block, 8));
    tlbi(TLBI_VAAE1, TLBI_VA(block + 0x7000, 0));
    ck_assert(!fast_read(cpu, block, 8));
    ck_assert(!fast_read(cpu, block + 0x5000, 8));
    ck_assert(!fast_read(cpu, block + 0x1ff000, 8));
}
END_TEST

/* More blocks than ranges, upwards and downwards: none is forgotten. */
START_TEST(tlbi_of_many_blocks)
{
    const uint64_t stride = 0x10001000; /* no neighbours, no collisions */
    const uint64_t n = 40;

    for (uint64_t i = 1; i <= n; i++) {
        uint64_t va = stride * (_i ? n + 1 - i : i);

        fake_map(cpu, va & ~0x1fffffULL, DATA, 2, KERNEL);
        fake_get(cpu, va);
    }
    tlbi(TLBI_VAE1, TLBI_VA((stride * (_i ? n : 1)) | 0x1ff000, 0));
    for (uint64_t i = 1; i <= n; i++) {
        uint64_t va = i * stride;

        ck_assert(!fast_read(cpu, va, 8));
        fake_get(cpu, va);
        ck_assert(fast_read(cpu, va, 8));
        tlbi(TLBI_VAE1, TLBI_VA((va & ~0x1fffffULL) + 0x1ff000, 0));
        ck_assert(!fast_read(cpu, va, 8));
    }
}
END_TEST

/* A 1 GiB block, entered through its first and last page. */
START_TEST(tlbi_of_a_large_block)
{
    fake_map(cpu, 0x40000000, 0x40000000, 1, KERNEL);
    fake_get(cpu, 0x40000000);
    fake_get(cpu, 0x41ffe000);
    tlbi(TLBI_VAE1, TLBI_VA(0x7fff0000, 0));
    ck_assert(!fast_read(cpu, 0x40000000, 8));
    ck_assert(!fast_read(cpu, 0x41ffe000, 8));
}
END_TEST

START_TEST(tlbi_unknown_forms)
{
    static const uint32_t none[] = {
        FAKE_SYS(0, 8, 7, 4), FAKE_SYS(0, 8, 7, 6), FAKE_SYS(0, 8, 1, 0),
        FAKE_SYS(0, 8, 6, 1), FAKE_SYS(4, 8, 7, 0), FAKE_SYS(0, 9, 7, 0),
    };

    ck_assert_int_eq(a64_tlbi(cpu, none[_i], 0), A64_REDIRECT);
    ck_assert_uint_eq(fake.undefined, 1);
}
END_TEST

/* ---- top byte and bit 63 ---- */

/* Where bit 63 and bit 55 differ, the fast path would take the other half's
 * context: it must never hit, and the right page must be found. */
START_TEST(tag_with_other_sign)
{
    uint64_t low = LOWER | 0x80ULL << 56;
    uint64_t high = UPPER & ~(0x80ULL << 56);
    uint64_t n;

    cpu->sys.tcr_el1 |= 3ULL << 37;
    a64_tlb_control(cpu);
    map_marked(LOWER, DATA, USER);
    map_marked(UPPER, DATA + 4096, KERNEL);
    ck_assert_uint_eq(fake_get(cpu, low), DATA);
    ck_assert(!fast_read(cpu, low, 8));
    ck_assert_uint_eq(fake_get(cpu, high), DATA + 4096);
    ck_assert(!fast_read(cpu, high, 8));
    n = fills(cpu);
    fake_get(cpu, high);
    ck_assert_uint_eq(fills(cpu), n);
}
END_TEST

/* Without TBI such an address is no address. */
START_TEST(other_sign_without_tbi)
{
    uint64_t value;

    map_marked(LOWER, DATA, USER);
    fake_get(cpu, LOWER);
    ck_assert_int_eq(a64_load(cpu, LOWER | 0x80ULL << 56, 8, &value, 0),
                     A64_REDIRECT);
    ck_assert_uint_eq(fake.iss, 0x04);
}
END_TEST

/* ---- looking at every access ---- */

START_TEST(strict_hides_the_fast_path)
{
    map_marked(LOWER, DATA, USER);
    fake_get(cpu, LOWER);
    if (_i)
        cpu->watchpoints_on = true;
    else
        cpu->sys.sctlr_el1 |= SCTLR_A;
    a64_tlb_control(cpu);
    ck_assert(!fast_read(cpu, LOWER, 8));
    ck_assert(!fast_write(cpu, LOWER, 8));
    ck_assert_uint_eq(cpu->ctx[0], cpu->ctx_unpriv[0]);
    ck_assert_uint_eq(fake_get(cpu, LOWER), DATA);
    ck_assert(!fast_read(cpu, LOWER, 8));
    ck_assert_uint_eq(fills(cpu), 1);
    cpu->watchpoints_on = false;
    cpu->sys.sctlr_el1 &= ~SCTLR_A;
    a64_tlb_control(cpu);
    ck_assert(fast_read(cpu, LOWER, 8));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tlb");
    TCase *tc = tcase_create("tlb");

    tcase_add_checked_fixture(tc, setup, fake_stop);
    suite_add_tcase(suite, tc);
    tcase_add_test(tc, fast_path_after_a_load);
    tcase_add_test(tc, no_fast_store_to_read_only);
    tcase_add_test(tc, no_fast_store_to_clean);
    tcase_add_test(tc, device_memory);
    tcase_add_test(tc, asids_keep_apart);
    tcase_add_test(tc, asid_switch_keeps_entries);
    tcase_add_test(tc, entries_belong_to_the_asid);
    tcase_add_test(tc, asid_from_ttbr1);
    tcase_add_loop_test(tc, asid_width, 0, 2);
    tcase_add_test(tc, upper_half_not_global);
    tcase_add_test(tc, regimes_keep_apart);
    tcase_add_loop_test(tc, control_changes_flush, 0, 4);
    tcase_add_test(tc, many_asids);
    tcase_add_test(tc, many_flushes);
    tcase_add_loop_test(tc, tlbi_forms, 0, 12);
    tcase_add_test(tc, tlbi_another);
    tcase_add_test(tc, tlbi_global_in_lower_half);
    tcase_add_test(tc, tlbi_ignores_top_byte);
    tcase_add_loop_test(tc, tlbi_of_a_block, 0, 2);
    tcase_add_loop_test(tc, tlbi_of_many_blocks, 0, 2);
    tcase_add_test(tc, tlbi_of_a_large_block);
    tcase_add_loop_test(tc, tlbi_unknown_forms, 0, 6);
    tcase_add_test(tc, tag_with_other_sign);
    tcase_add_test(tc, other_sign_without_tbi);
    tcase_add_loop_test(tc, strict_hides_the_fast_path, 0, 2);
    return fake_main(suite);
}
