/*
 * The stage 1 walk against tables built by hand: where it starts, every fault
 * and its level, the permission rules, access flag and dirty state.
 */
#include "mem_fake.h"

#include <pthread.h>

static struct a64_cpu *cpu;
static struct a64_walk walk;

static const uint64_t UPPER = 0xffff800012345000;
static const uint64_t LOWER = 0x0000400012345000;

static void setup(void)
{
    fake_start();
    cpu = fake_cpu(0);
}

static bool do_walk(uint64_t va, enum a64_access access)
{
    return a64_walk(cpu, va, access, A64_REGIME_EL1, &walk);
}

#define ck_fault(va, access, code)                                             \
    do {                                                                       \
        ck_assert(!do_walk(va, access));                                       \
        ck_assert_uint_eq(walk.fsc, code);                                     \
        ck_assert(!walk.stage2);                                               \
    } while (0)

/* ---- sizes and levels ---- */

START_TEST(mapping_sizes)
{
    static const unsigned level_shift[] = {0, 30, 21, 12};
    unsigned level = 1 + (unsigned)_i % 3;
    uint64_t va = _i < 3 ? LOWER : UPPER;

    fake_map(cpu, va, 0x80000000, level, KERNEL);
    ck_assert(do_walk(va + 0x678, A64_READ));
    ck_assert_uint_eq(walk.page_shift, level_shift[level]);
    ck_assert_uint_eq(walk.ipa,
                      0x80000000 | ((va + 0x678) & ones(level_shift[level])));
}
END_TEST

/* The output address's bits below a block's size are not part of it. */
START_TEST(block_address_bits)
{
    fake_map(cpu, 0x40000000, 0x80000000 | 0x1ff000, 2, KERNEL);
    ck_assert(do_walk(0x40001000, A64_READ));
    ck_assert_uint_eq(walk.ipa, 0x80001000);
}
END_TEST

START_TEST(translation_fault_level)
{
    unsigned level = (unsigned)_i;

    *fake_desc(cpu, LOWER, level) = DATA | D_TABLE | D_AF; /* not valid */
    ck_fault(LOWER, A64_READ, 0x04 + level);
}
END_TEST

START_TEST(no_block_at_level_0)
{
    *fake_desc(cpu, LOWER, 0) = DATA | D_VALID | KERNEL;
    ck_fault(LOWER, A64_READ, 0x04);
}
END_TEST

START_TEST(no_block_at_level_3)
{
    *fake_desc(cpu, LOWER, 3) = DATA | D_VALID | KERNEL;
    ck_fault(LOWER, A64_READ, 0x07);
}
END_TEST

/* Every TxSZ: the last page inside is found, the first outside is not. */
START_TEST(input_size)
{
    unsigned txsz = (unsigned)_i;
    uint64_t top = 1ULL << (64 - txsz);

    cpu->sys.tcr_el1 &= ~(63ULL | 63ULL << 16);
    cpu->sys.tcr_el1 |= txsz | txsz << 16;
    fake_map(cpu, top - 4096, DATA, 3, KERNEL);
    fake_map(cpu, -top, DATA + 4096, 3, KERNEL);
    ck_assert(do_walk(top - 1, A64_READ));
    ck_assert_uint_eq(walk.ipa, DATA + 4095);
    ck_assert(do_walk(-top, A64_READ));
    ck_assert_uint_eq(walk.ipa, DATA + 4096);
    ck_fault(top, A64_READ, 0x04);
    ck_fault(-top - 1, A64_READ, 0x04);
}
END_TEST

/* A starting table of less than a page sits at any multiple of its size. */
START_TEST(small_first_table)
{
    uint64_t table = fake_table();
    _Atomic uint64_t *entry = fake_ram(table + 0x40);

    cpu->sys.tcr_el1 = (cpu->sys.tcr_el1 & ~63ULL) | 31; /* 33 bits: 8 */
    cpu->sys.ttbr0_el1 = table + 0x40;
    entry[5] = 0x80000000 | D_VALID | KERNEL;
    ck_assert(do_walk(5ULL << 30, A64_READ));
    ck_assert_uint_eq(walk.ipa, 0x80000000);
}
END_TEST

START_TEST(contiguous_hint_changes_nothing)
{
    fake_map(cpu, LOWER, DATA, 3, KERNEL | D_CONTIGUOUS);
    ck_assert(do_walk(LOWER, A64_READ));
    ck_assert_uint_eq(walk.ipa, DATA);
    ck_assert_uint_eq(walk.page_shift, 12);
}
END_TEST

/* ---- which half, and whether at all ---- */

START_TEST(table_disabled)
{
    fake_map(cpu, LOWER, DATA, 3, KERNEL);
    fake_map(cpu, UPPER, DATA, 3, KERNEL);
    cpu->sys.tcr_el1 |= 1 << 7; /* EPD0 */
    ck_fault(LOWER, A64_READ, 0x04);
    ck_assert(do_walk(UPPER, A64_READ));
    cpu->sys.tcr_el1 ^= 1 << 7 | 1 << 23; /* EPD1 */
    ck_assert(do_walk(LOWER, A64_READ));
    ck_fault(UPPER, A64_READ, 0x04);
}
END_TEST

START_TEST(e0pd)
{
    fake_map(cpu, LOWER, DATA, 3, USER);
    fake_map(cpu, UPPER, DATA, 3, USER);
    cpu->sys.tcr_el1 |= 1ULL << 56; /* E0PD1 */
    ck_assert(a64_walk(cpu, LOWER, A64_READ, A64_REGIME_EL0, &walk));
    ck_assert(!a64_walk(cpu, UPPER, A64_READ, A64_REGIME_EL0, &walk));
    ck_assert_uint_eq(walk.fsc, 0x04);
    ck_assert(do_walk(UPPER, A64_READ));
    cpu->sys.tcr_el1 ^= 3ULL << 55; /* E0PD0 */
    ck_assert(!a64_walk(cpu, LOWER, A64_READ, A64_REGIME_EL0, &walk));
    ck_assert(a64_walk(cpu, UPPER, A64_READ, A64_REGIME_EL0, &walk));
}
END_TEST

START_TEST(top_byte)
{
    uint64_t tag = 0x5aULL << 56, all = 0xffULL << 56;

    fake_map(cpu, LOWER, DATA, 3, KERNEL);
    fake_map(cpu, UPPER, DATA + 4096, 3, KERNEL);
    ck_fault(LOWER | tag, A64_READ, 0x04);
    ck_fault((UPPER & ~all) | tag, A64_READ, 0x04);
    cpu->sys.tcr_el1 |= 1ULL << 37; /* TBI0 */
    ck_assert(do_walk(LOWER | tag, A64_READ));
    ck_assert_uint_eq(walk.ipa, DATA);
    ck_fault((UPPER & ~all) | tag, A64_READ, 0x04);
    cpu->sys.tcr_el1 ^= 3ULL << 37; /* TBI1 */
    ck_fault(LOWER | tag, A64_READ, 0x04);
    ck_assert(do_walk((UPPER & ~all) | tag, A64_READ));
    ck_assert_uint_eq(walk.ipa, DATA + 4096);
    /* bits 55..48 still count */
    ck_fault(UPPER & ~(1ULL << 50), A64_READ, 0x04);
}
END_TEST

/* ---- address size ---- */

START_TEST(address_size_of_leaf)
{
    unsigned level = 1 + (unsigned)_i;

    cpu->sys.tcr_el1 &= ~(7ULL << 32); /* IPS: 32 bits */
    fake_map(cpu, LOWER, 1ULL << 32, level, KERNEL);
    ck_fault(LOWER, A64_READ, 0x00 + level);
    cpu->sys.tcr_el1 |= 1ULL << 32; /* 36 bits */
    ck_assert(do_walk(LOWER, A64_READ));
}
END_TEST

START_TEST(address_size_of_table)
{
    unsigned level = (unsigned)_i;

    cpu->sys.tcr_el1 &= ~(7ULL << 32);
    *fake_desc(cpu, LOWER, level) = 1ULL << 33 | D_VALID | D_TABLE;
    ck_fault(LOWER, A64_READ, 0x00 + level);
}
END_TEST

START_TEST(address_size_of_ttbr)
{
    cpu->sys.tcr_el1 &= ~(7ULL << 32);
    cpu->sys.ttbr0_el1 = 1ULL << 34;
    ck_fault(LOWER, A64_READ, 0x00);
}
END_TEST

/* An IPS above what the processor has means what it has. */
START_TEST(address_size_is_capped)
{
    cpu->sys.tcr_el1 |= 7ULL << 32;
    fake_map(cpu, LOWER, 1ULL << 40, 3, KERNEL);
    ck_fault(LOWER, A64_READ, 0x03);
}
END_TEST

/* ---- permissions ---- */

/* [D8.4], by rows of the manual's tables: AP[2:1], then who may what. */
static const struct {
    const char *el1, *el0;
} data_access[4] = {{"rw", ""}, {"rw", "rw"}, {"r", ""}, {"r", "r"}};

static bool has(const char *s, char c)
{
    for (; *s; s++) {
        if (*s == c)
            return true;
    }
    return false;
}

/* AP, XNs and WXN of the page in bits of the loop number, tables' in others. */
START_TEST(permission_matrix)
{
    unsigned ap = _i & 3, ap_table = _i >> 2 & 3;
    bool uxn = _i & 16, pxn = _i & 32, wxn = _i & 64;
    bool uxn_table = _i & 128, pxn_table = _i & 256;
    /* APTable<0> takes EL0's access away, APTable<1> writing */
    unsigned sum = (ap & ~(ap_table & 1)) | (ap_table & 2);
    const char *el1 = data_access[sum].el1, *el0 = data_access[sum].el0;
    bool x1 = !(pxn | pxn_table | has(el0, 'w') | (wxn && has(el1, 'w')));
    bool x0 = !(uxn | uxn_table | (wxn && has(el0, 'w')));
    static const enum a64_regime regimes[] = {A64_REGIME_EL0, A64_REGIME_EL1,
                                              A64_REGIME_EL1_PAN};

    fake_map(cpu, LOWER, DATA, 3,
             KERNEL | (uint64_t)ap << 6 | (uxn ? D_UXN : 0) |
                 (pxn ? D_PXN : 0));
    *fake_desc(cpu, LOWER, 1) |= (uint64_t)ap_table << 61 |
                                 (uint64_t)uxn_table << 60 |
                                 (uint64_t)pxn_table << 59;
    if (wxn)
        cpu->sys.sctlr_el1 |= SCTLR_WXN;
    for (unsigned i = 0; i < 3; i++) {
        bool user = regimes[i] == A64_REGIME_EL0;
        const char *may = user ? el0 : el1;
        bool want[3] = {has(may, 'r'), has(may, 'w'), user ? x0 : x1};

        if (regimes[i] == A64_REGIME_EL1_PAN && *el0)
            want[A64_READ] = want[A64_WRITE] = false;
        for (enum a64_access a = A64_READ; a <= A64_EXEC; a++) {
            bool ok = a64_walk(cpu, LOWER, a, regimes[i], &walk);

            ck_assert_msg(ok == want[a], "regime %d access %d: %d", regimes[i],
                          a, ok);
            if (!ok)
                ck_assert_uint_eq(walk.fsc, 0x0f);
            else
                ck_assert(walk.read == want[0] && walk.write == want[1] &&
                          walk.exec == want[2]);
        }
    }
}
END_TEST

START_TEST(permission_fault_level)
{
    unsigned level = 1 + (unsigned)_i;

    fake_map(cpu, LOWER, 0x80000000, level, KERNEL | D_RO);
    ck_fault(LOWER, A64_WRITE, 0x0c + level);
}
END_TEST

/* ---- access flag and dirty state ---- */

START_TEST(access_flag_fault)
{
    unsigned level = 1 + (unsigned)_i;

    fake_map(cpu, LOWER, 0x80000000, level, D_NORMAL);
    ck_fault(LOWER, A64_READ, 0x08 + level);
    ck_assert(!(*fake_desc(cpu, LOWER, level) & D_AF));
}
END_TEST

START_TEST(access_flag_set)
{
    unsigned level = 1 + (unsigned)_i;

    cpu->sys.tcr_el1 |= TCR_HA;
    fake_map(cpu, LOWER, 0x80000000, level, D_NORMAL | D_RO);
    ck_fault(LOWER, A64_WRITE, 0x0c + level);
    ck_assert(!(*fake_desc(cpu, LOWER, level) & D_AF));
    ck_assert(do_walk(LOWER, A64_READ));
    ck_assert(*fake_desc(cpu, LOWER, level) & D_AF);
}
END_TEST

START_TEST(dirty_state)
{
    _Atomic uint64_t *desc = fake_desc(cpu, LOWER, 3);

    fake_map(cpu, LOWER, DATA, 3, KERNEL | D_RO | D_DBM);
    ck_fault(LOWER, A64_WRITE, 0x0f);
    cpu->sys.tcr_el1 |= TCR_HD; /* means nothing without HA */
    ck_fault(LOWER, A64_WRITE, 0x0f);
    cpu->sys.tcr_el1 |= TCR_HA;
    ck_assert(do_walk(LOWER, A64_READ));
    ck_assert(walk.write && !walk.dirty);
    ck_assert(*desc & D_RO);
    ck_assert(do_walk(LOWER, A64_WRITE));
    ck_assert(walk.write && walk.dirty);
    ck_assert(!(*desc & D_RO));
    ck_assert(do_walk(LOWER, A64_READ));
    ck_assert(walk.write && walk.dirty);
}
END_TEST

START_TEST(dirty_state_needs_permission)
{
    _Atomic uint64_t *desc = fake_desc(cpu, LOWER, 3);

    cpu->sys.tcr_el1 |= TCR_HA | TCR_HD;
    fake_map(cpu, LOWER, DATA, 3, KERNEL | D_RO | D_DBM);
    ck_assert(!a64_walk(cpu, LOWER, A64_WRITE, A64_REGIME_EL0, &walk));
    ck_assert(*desc & D_RO);
    *fake_desc(cpu, LOWER, 2) |= 1ULL << 62; /* APTable: read-only below */
    ck_fault(LOWER, A64_WRITE, 0x0f);
    ck_assert(*desc & D_RO);
}
END_TEST

#define SOFTWARE_BIT (1ULL << 55)

static struct {
    _Atomic uint64_t *desc;
    _Atomic bool stop;
    uint64_t flips;
} flipper;

static void *flip(void *arg)
{
    while (!atomic_load(&flipper.stop)) {
        atomic_fetch_xor(flipper.desc, SOFTWARE_BIT);
        flipper.flips++;
    }
    return NULL;
}

/* Another vCPU changes the descriptor all the time: neither its changes nor
 * the access flag may get lost. */
START_TEST(updates_are_atomic)
{
    _Atomic uint64_t *desc = fake_desc(cpu, LOWER, 3);
    pthread_t other;

    cpu->sys.tcr_el1 |= TCR_HA;
    fake_map(cpu, LOWER, DATA, 3, D_NORMAL);
    flipper.desc = desc;
    pthread_create(&other, NULL, flip, NULL);
    for (unsigned i = 0; i < 200000; i++) {
        atomic_fetch_and(desc, ~(uint64_t)D_AF);
        ck_assert(do_walk(LOWER, A64_READ));
        ck_assert(*desc & D_AF);
    }
    atomic_store(&flipper.stop, true);
    pthread_join(other, NULL);
    ck_assert_uint_eq(*desc & SOFTWARE_BIT,
                      flipper.flips % 2 ? SOFTWARE_BIT : 0);
}
END_TEST

/* ---- stage 2 under the walk ---- */

START_TEST(tables_in_nothing)
{
    unsigned level = (unsigned)_i;

    if (level == 0)
        cpu->sys.ttbr0_el1 = HOLE;
    else
        *fake_desc(cpu, LOWER, level - 1) = HOLE | D_VALID | D_TABLE;
    ck_assert(!do_walk(LOWER, A64_READ));
    ck_assert(walk.stage2);
    ck_assert_uint_eq(walk.fsc, 0x07);
    ck_assert_uint_eq(walk.stage2_ipa,
                      HOLE + 8 * bits(LOWER, 47 - 9 * level, 39 - 9 * level));
}
END_TEST

START_TEST(tables_in_forbidden_memory)
{
    _Atomic uint64_t *desc = fake_ram(READ_ONLY);

    cpu->sys.tcr_el1 |= TCR_HA;
    desc[bits(LOWER, 20, 12)] = DATA | D_VALID | D_PAGE | D_NORMAL | D_AF;
    *fake_desc(cpu, LOWER, 2) = READ_ONLY | D_VALID | D_TABLE;
    ck_assert(do_walk(LOWER, A64_READ));
    /* but the access flag cannot be set there */
    desc[bits(LOWER, 20, 12)] &= ~(uint64_t)D_AF;
    ck_assert(!do_walk(LOWER, A64_READ));
    ck_assert(walk.stage2);
    ck_assert_uint_eq(walk.fsc, 0x0f);
    *fake_desc(cpu, LOWER, 2) = WRITE_ONLY | D_VALID | D_TABLE;
    ck_assert(!do_walk(LOWER, A64_READ));
    ck_assert(walk.stage2);
    ck_assert_uint_eq(walk.fsc, 0x0f);
}
END_TEST

/* ---- off ---- */

START_TEST(mmu_off)
{
    cpu->sys.sctlr_el1 = 0;
    ck_assert(do_walk(0x1234567, A64_WRITE));
    ck_assert_uint_eq(walk.ipa, 0x1234567);
    ck_assert(walk.device && walk.read && walk.write && walk.exec &&
              walk.dirty);
    ck_assert(do_walk((1ULL << 40) - 1, A64_READ));
    ck_fault(1ULL << 40, A64_READ, 0x00);
    ck_fault(0x5aULL << 56, A64_READ, 0x00);
    cpu->sys.tcr_el1 |= 1ULL << 37; /* TBI0 */
    ck_assert(do_walk(0x5aULL << 56 | 0x4000, A64_READ));
    ck_assert_uint_eq(walk.ipa, 0x4000);
}
END_TEST

START_TEST(attributes)
{
    fake_map(cpu, LOWER, DATA, 3, D_DEVICE | D_AF | D_NG);
    ck_assert(do_walk(LOWER, A64_READ));
    ck_assert(walk.device && !walk.global);
    ck_assert_uint_eq(walk.attr, 0x00);
    fake_map(cpu, LOWER, DATA, 3, D_NONCACHEABLE | D_AF | D_INNER);
    ck_assert(do_walk(LOWER, A64_READ));
    ck_assert(!walk.device && walk.global);
    ck_assert_uint_eq(walk.attr, 0x44);
    ck_assert_uint_eq(walk.sh, 3);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("mmu");
    TCase *tc = tcase_create("walk");

    tcase_add_checked_fixture(tc, setup, fake_stop);
    suite_add_tcase(suite, tc);
    tcase_add_loop_test(tc, mapping_sizes, 0, 6);
    tcase_add_test(tc, block_address_bits);
    tcase_add_loop_test(tc, translation_fault_level, 0, 4);
    tcase_add_test(tc, no_block_at_level_0);
    tcase_add_test(tc, no_block_at_level_3);
    tcase_add_loop_test(tc, input_size, 16, 40);
    tcase_add_test(tc, small_first_table);
    tcase_add_test(tc, contiguous_hint_changes_nothing);
    tcase_add_test(tc, table_disabled);
    tcase_add_test(tc, e0pd);
    tcase_add_test(tc, top_byte);
    tcase_add_loop_test(tc, address_size_of_leaf, 0, 3);
    tcase_add_loop_test(tc, address_size_of_table, 0, 3);
    tcase_add_test(tc, address_size_of_ttbr);
    tcase_add_test(tc, address_size_is_capped);
    tcase_add_loop_test(tc, permission_matrix, 0, 512);
    tcase_add_loop_test(tc, permission_fault_level, 0, 3);
    tcase_add_loop_test(tc, access_flag_fault, 0, 3);
    tcase_add_loop_test(tc, access_flag_set, 0, 3);
    tcase_add_test(tc, dirty_state);
    tcase_add_test(tc, dirty_state_needs_permission);
    tcase_add_test(tc, updates_are_atomic);
    tcase_add_loop_test(tc, tables_in_nothing, 0, 4);
    tcase_add_test(tc, tables_in_forbidden_memory);
    tcase_add_test(tc, mmu_off);
    tcase_add_test(tc, attributes);
    return fake_main(suite);
}
