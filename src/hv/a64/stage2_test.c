/*
 * Stage 2 as hv_vm_map, unmap and protect define it.
 */
#include "mem_fake.h"

#include <arm64/hv/hv_kern_types.h>
#include <stdlib.h>

enum { RWX = 7 };
#define PAGE 4096ULL
#define BASE 0x80000000ULL

static uint8_t *host;
static uint8_t *other;

static void setup(void)
{
    fake_start();
    host = aligned_alloc(PAGE, 64 * PAGE);
    other = aligned_alloc(PAGE, 64 * PAGE);
}

static void teardown(void)
{
    fake_stop();
    free(host);
    free(other);
}

static int map(void *at, uint64_t ipa, uint64_t size)
{
    return a64_stage2_map(&fake_vm, at, ipa, size, RWX);
}

static int unmap(uint64_t ipa, uint64_t size)
{
    return a64_stage2_unmap(&fake_vm, ipa, size);
}

/* The pages from BASE on, as a word: each a letter for what is there. */
static const char *picture(unsigned pages)
{
    static char text[65];
    struct a64_s2_span span;

    for (uint64_t i = 0; i < pages; i++) {
        uint64_t ipa = BASE + i * PAGE;

        if (!a64_stage2_find(fake_vm.stage2, ipa + 1, &span))
            text[i] = '.';
        else if (span.host == host + i * PAGE + 1)
            text[i] = span.flags == RWX ? 'h' : 'p';
        else
            text[i] = span.host == other + i * PAGE + 1 ? 'o' : '?';
    }
    text[pages] = '\0';
    return text;
}

START_TEST(arguments)
{
    uint64_t end = 1ULL << A64_PA_BITS;

    ck_assert_int_eq(map(host, BASE, 0), HV_BAD_ARGUMENT);
    ck_assert_int_eq(map(host, BASE + 1, PAGE), HV_BAD_ARGUMENT);
    ck_assert_int_eq(map(host, BASE, PAGE + 1), HV_BAD_ARGUMENT);
    ck_assert_int_eq(map(host + 1, BASE, PAGE), HV_BAD_ARGUMENT);
    ck_assert_int_eq(map(NULL, BASE, PAGE), HV_BAD_ARGUMENT);
    ck_assert_int_eq(map(host, end, PAGE), HV_BAD_ARGUMENT);
    ck_assert_int_eq(map(host, end - PAGE, 2 * PAGE), HV_BAD_ARGUMENT);
    ck_assert_int_eq(map(host, -PAGE, PAGE), HV_BAD_ARGUMENT);
    ck_assert_int_eq(map(host, PAGE, -PAGE), HV_BAD_ARGUMENT);
    ck_assert_int_eq(a64_stage2_map(&fake_vm, host, BASE, PAGE, 8),
                     HV_BAD_ARGUMENT);
    ck_assert_int_eq(unmap(BASE, 0), HV_BAD_ARGUMENT);
    ck_assert_int_eq(unmap(BASE + 1, PAGE), HV_BAD_ARGUMENT);
    ck_assert_int_eq(unmap(end, PAGE), HV_BAD_ARGUMENT);
    ck_assert_int_eq(a64_stage2_protect(&fake_vm, BASE, 0, 1), HV_BAD_ARGUMENT);
    ck_assert_int_eq(a64_stage2_protect(&fake_vm, end, PAGE, 1),
                     HV_BAD_ARGUMENT);
    ck_assert_int_eq(map(host, end - PAGE, PAGE), HV_SUCCESS);
    ck_assert_int_eq(map(host, 0, PAGE), HV_SUCCESS);
}
END_TEST

START_TEST(map_over_live)
{
    ck_assert_int_eq(map(host + 2 * PAGE, BASE + 2 * PAGE, 4 * PAGE),
                     HV_SUCCESS);
    /* same, inside, over either end, all round */
    ck_assert_int_eq(map(host + 2 * PAGE, BASE + 2 * PAGE, 4 * PAGE), HV_ERROR);
    ck_assert_int_eq(map(other + 3 * PAGE, BASE + 3 * PAGE, PAGE), HV_ERROR);
    ck_assert_int_eq(map(other, BASE, 3 * PAGE), HV_ERROR);
    ck_assert_int_eq(map(other + 5 * PAGE, BASE + 5 * PAGE, 4 * PAGE),
                     HV_ERROR);
    ck_assert_int_eq(map(other, BASE, 9 * PAGE), HV_ERROR);
    ck_assert_str_eq(picture(8), "..hhhh..");
}
END_TEST

START_TEST(holes)
{
    ck_assert_int_eq(map(host, BASE, 8 * PAGE), HV_SUCCESS);
    ck_assert_int_eq(unmap(BASE + 3 * PAGE, 2 * PAGE), HV_SUCCESS);
    ck_assert_str_eq(picture(8), "hhh..hhh");
    ck_assert_int_eq(map(other + 2 * PAGE, BASE + 2 * PAGE, 3 * PAGE),
                     HV_ERROR);
    ck_assert_int_eq(map(other + 3 * PAGE, BASE + 3 * PAGE, 2 * PAGE),
                     HV_SUCCESS);
    ck_assert_str_eq(picture(8), "hhhoohhh");
}
END_TEST

START_TEST(unmap_is_idempotent)
{
    ck_assert_int_eq(unmap(BASE, 8 * PAGE), HV_SUCCESS);
    ck_assert_int_eq(map(host + PAGE, BASE + PAGE, 2 * PAGE), HV_SUCCESS);
    ck_assert_int_eq(map(host + 4 * PAGE, BASE + 4 * PAGE, 2 * PAGE),
                     HV_SUCCESS);
    ck_assert_str_eq(picture(8), ".hh.hh..");
    ck_assert_int_eq(unmap(BASE + 2 * PAGE, 3 * PAGE), HV_SUCCESS);
    ck_assert_str_eq(picture(8), ".h...h..");
    ck_assert_int_eq(unmap(BASE + 2 * PAGE, 3 * PAGE), HV_SUCCESS);
    ck_assert_int_eq(unmap(BASE, 8 * PAGE), HV_SUCCESS);
    ck_assert_str_eq(picture(8), "........");
}
END_TEST

START_TEST(unmap_drops_code)
{
    ck_assert_int_eq(map(host, BASE, 2 * PAGE), HV_SUCCESS);
    ck_assert_int_eq(unmap(BASE + PAGE, PAGE), HV_SUCCESS);
    ck_assert_uint_eq(fake.invalidated, 1);
    ck_assert_uint_eq(fake.invalid_ipa, BASE + PAGE);
    ck_assert_uint_eq(fake.invalid_len, PAGE);
}
END_TEST

START_TEST(protect)
{
    struct a64_s2_span span;

    ck_assert_int_eq(map(host, BASE, 8 * PAGE), HV_SUCCESS);
    ck_assert_int_eq(
        a64_stage2_protect(&fake_vm, BASE + 2 * PAGE, 3 * PAGE, A64_S2_READ),
        HV_SUCCESS);
    ck_assert_str_eq(picture(8), "hhppphhh");
    ck_assert(a64_stage2_find(fake_vm.stage2, BASE + 3 * PAGE, &span));
    ck_assert_uint_eq(span.flags, A64_S2_READ);
    ck_assert_uint_eq(span.before_bytes, PAGE);
    ck_assert_uint_eq(span.left_bytes, 2 * PAGE);
    /* across a border, and over the whole: all are one again */
    ck_assert_int_eq(a64_stage2_protect(&fake_vm, BASE + 4 * PAGE, 2 * PAGE, 0),
                     HV_SUCCESS);
    ck_assert_str_eq(picture(8), "hhpppphh");
    ck_assert_int_eq(a64_stage2_protect(&fake_vm, BASE, 8 * PAGE, RWX),
                     HV_SUCCESS);
    ck_assert_str_eq(picture(8), "hhhhhhhh");
    ck_assert(a64_stage2_find(fake_vm.stage2, BASE + 3 * PAGE, &span));
    ck_assert_uint_eq(span.before_bytes, 3 * PAGE);
    ck_assert_uint_eq(span.left_bytes, 5 * PAGE);
}
END_TEST

START_TEST(protect_unmapped)
{
    ck_assert_int_eq(map(host, BASE, 2 * PAGE), HV_SUCCESS);
    ck_assert_int_eq(a64_stage2_protect(&fake_vm, BASE, 3 * PAGE, 1), HV_ERROR);
    ck_assert_int_eq(a64_stage2_protect(&fake_vm, BASE + 4 * PAGE, PAGE, 1),
                     HV_ERROR);
    ck_assert_str_eq(picture(4), "hh..");
}
END_TEST

/* What a vCPU holds of the old map is gone when the call returns. */
START_TEST(vcpus_let_go)
{
    struct a64_cpu *cpu = fake_cpu(0);
    uint64_t value = 0;

    cpu->sys.sctlr_el1 = 0;
    a64_tlb_control(cpu);
    ck_assert_int_eq(map(host, BASE, 2 * PAGE), HV_SUCCESS);
    a64_guest_enter(cpu);
    fake_put(cpu, BASE + 8, 1);
    cpu->excl_host = host;
    a64_guest_leave(cpu);
    ck_assert_int_eq(a64_stage2_protect(&fake_vm, BASE, 2 * PAGE, A64_S2_READ),
                     HV_SUCCESS);
    a64_guest_enter(cpu);
    ck_assert_ptr_null(cpu->excl_host);
    ck_assert_uint_eq(fake_get(cpu, BASE + 8), 1);
    ck_assert_int_eq(a64_store(cpu, BASE + 8, 8, &value, 0), A64_EXIT);
    ck_assert_uint_eq(fake.exit_iss & 0x3f, 0x0f);
    a64_guest_leave(cpu);
    ck_assert_int_eq(unmap(BASE, PAGE), HV_SUCCESS);
    a64_guest_enter(cpu);
    ck_assert_int_eq(a64_load(cpu, BASE + 8, 8, &value, 0), A64_EXIT);
    ck_assert_uint_eq(fake.exit_iss & 0x3f, 0x07);
    ck_assert_uint_eq(fake.exit_ipa, BASE + 8);
    a64_guest_leave(cpu);
}
END_TEST

/* Against an array of pages, at random. */
START_TEST(as_pages)
{
    enum { PAGES = 16, ROUNDS = 20000 };
    char want[PAGES + 1];

    srand(1);
    for (unsigned i = 0; i < PAGES; i++)
        want[i] = '.';
    want[PAGES] = '\0';
    for (unsigned round = 0; round < ROUNDS; round++) {
        uint64_t first = (unsigned)rand() % PAGES;
        uint64_t n = 1 + (unsigned)rand() % (PAGES - first);
        uint64_t ipa = BASE + first * PAGE;
        bool live = false, all = true;
        int result;

        for (uint64_t i = first; i < first + n; i++) {
            live |= want[i] != '.';
            all &= want[i] == 'h' || want[i] == 'p';
        }
        switch (rand() % 4) {
        case 0:
            result = map(host + first * PAGE, ipa, n * PAGE);
            ck_assert_int_eq(result, live ? HV_ERROR : HV_SUCCESS);
            for (uint64_t i = first; i < first + n && !live; i++)
                want[i] = 'h';
            break;
        case 1:
            ck_assert_int_eq(unmap(ipa, n * PAGE), HV_SUCCESS);
            for (uint64_t i = first; i < first + n; i++)
                want[i] = '.';
            break;
        default:
            result = a64_stage2_protect(&fake_vm, ipa, n * PAGE,
                                        round % 2 ? RWX : A64_S2_READ);
            ck_assert_int_eq(result, all ? HV_SUCCESS : HV_ERROR);
            for (uint64_t i = first; i < first + n && all; i++)
                want[i] = round % 2 ? 'h' : 'p';
            break;
        }
        ck_assert_str_eq(picture(PAGES), want);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("stage2");
    TCase *tc = tcase_create("map");

    tcase_add_checked_fixture(tc, setup, teardown);
    suite_add_tcase(suite, tc);
    tcase_add_test(tc, arguments);
    tcase_add_test(tc, map_over_live);
    tcase_add_test(tc, holes);
    tcase_add_test(tc, unmap_is_idempotent);
    tcase_add_test(tc, unmap_drops_code);
    tcase_add_test(tc, protect);
    tcase_add_test(tc, protect_unmapped);
    tcase_add_test(tc, vcpus_let_go);
    tcase_add_test(tc, as_pages);
    return fake_main(suite);
}
