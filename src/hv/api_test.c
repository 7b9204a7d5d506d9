/*
 * The API without a running guest: every function's results, errors and
 * thread rule.
 */
#include "api_guest.h"
#include "lull/hv_warm.h"

#include <mach/mach_time.h>
#include <os/object.h>

#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Something that is no object of the kind asked for. */
#define WRONG(type) ((type)(void *)wrong_object)
static uint64_t wrong_object[8] = {0x1234};

/* ---- the VM ------------------------------------------------------------- */

START_TEST(vm_is_one_per_process)
{
    ck_fails(hv_vm_destroy(), HV_NO_DEVICE);
    ck_ok(hv_vm_create(NULL));
    ck_fails(hv_vm_create(NULL), HV_BUSY);
    ck_ok(hv_vm_destroy());
    ck_fails(hv_vm_destroy(), HV_NO_DEVICE);
    for (int i = 0; i < 20; i++) {
        ck_ok(hv_vm_create(NULL));
        ck_ok(hv_vm_destroy());
    }
}
END_TEST

START_TEST(vm_stays_while_it_has_a_vcpu)
{
    hv_vcpu_exit_t *exit;
    hv_vcpu_t vcpu;

    ck_ok(hv_vm_create(NULL));
    ck_ok(hv_vcpu_create(&vcpu, &exit, NULL));
    ck_fails(hv_vm_destroy(), HV_BUSY);
    ck_ok(hv_vcpu_set_reg(vcpu, HV_REG_X0, 1)); /* nothing happened to it */
    ck_ok(hv_vcpu_destroy(vcpu));
    ck_ok(hv_vm_destroy());
}
END_TEST

START_TEST(vm_refuses_what_it_cannot_be)
{
    hv_vm_config_t config = hv_vm_config_create();
    hv_vcpu_config_t other = hv_vcpu_config_create();

    ck_ok(hv_vm_config_set_el2_enabled(config, true));
    ck_fails(hv_vm_create(config), HV_UNSUPPORTED);
    ck_fails(hv_vm_create((hv_vm_config_t)other), HV_BAD_ARGUMENT);
    ck_fails(hv_vm_create(WRONG(hv_vm_config_t)), HV_BAD_ARGUMENT);
    ck_fails(hv_vm_destroy(), HV_NO_DEVICE);
    os_release(config);
    os_release(other);
}
END_TEST

START_TEST(vm_count_needs_no_vm)
{
    uint32_t count = 0;

    ck_ok(hv_vm_get_max_vcpu_count(&count));
    ck_assert_uint_eq(count, 64);
    ck_fails(hv_vm_get_max_vcpu_count(NULL), HV_BAD_ARGUMENT);
}
END_TEST

START_TEST(nothing_works_without_a_vm)
{
    hv_vcpu_t vcpu = 0;
    hv_vcpu_exit_t *exit;
    uint64_t value;
    void *memory;

    ck_ok(hv_vm_allocate(&memory, 0x4000, HV_ALLOCATE_DEFAULT));
    ck_fails(hv_vm_map(memory, 0, 0x4000, HV_MEMORY_READ), HV_NO_DEVICE);
    ck_fails(hv_vm_unmap(0, 0x4000), HV_NO_DEVICE);
    ck_fails(hv_vm_protect(0, 0x4000, HV_MEMORY_READ), HV_NO_DEVICE);
    ck_fails(hv_vcpu_create(&vcpu, &exit, NULL), HV_NO_DEVICE);
    ck_fails(hv_vcpu_run(0), HV_NO_DEVICE);
    ck_fails(hv_vcpu_destroy(0), HV_NO_DEVICE);
    ck_fails(hv_vcpu_get_reg(0, HV_REG_X0, &value), HV_NO_DEVICE);
    ck_fails(hv_vcpus_exit(&vcpu, 1), HV_NO_DEVICE);
    ck_ok(hv_vm_deallocate(memory, 0x4000));
}
END_TEST

/* ---- configurations ----------------------------------------------------- */

START_TEST(vm_config_ipa_size)
{
    hv_vm_config_t config = hv_vm_config_create();
    uint32_t bits;

    ck_ok(hv_vm_config_get_default_ipa_size(&bits));
    ck_assert_uint_eq(bits, 36);
    ck_ok(hv_vm_config_get_ipa_size(config, &bits));
    ck_assert_uint_eq(bits, 36);
    ck_ok(hv_vm_config_get_max_ipa_size(&bits));
    ck_assert_uint_eq(bits, 40);
    for (uint32_t i = 0; i <= 40; i++) {
        ck_ok(hv_vm_config_set_ipa_size(config, i));
        ck_ok(hv_vm_config_get_ipa_size(config, &bits));
        ck_assert_uint_eq(bits, i);
    }
    ck_fails(hv_vm_config_set_ipa_size(config, 41), HV_UNSUPPORTED);
    ck_fails(hv_vm_config_set_ipa_size(config, UINT32_MAX), HV_UNSUPPORTED);
    ck_ok(hv_vm_config_get_ipa_size(config, &bits));
    ck_assert_uint_eq(bits, 40);

    ck_fails(hv_vm_config_get_default_ipa_size(NULL), HV_BAD_ARGUMENT);
    ck_fails(hv_vm_config_get_max_ipa_size(NULL), HV_BAD_ARGUMENT);
    ck_fails(hv_vm_config_get_ipa_size(config, NULL), HV_BAD_ARGUMENT);
    ck_fails(hv_vm_config_get_ipa_size(NULL, &bits), HV_BAD_ARGUMENT);
    ck_fails(hv_vm_config_set_ipa_size(NULL, 36), HV_BAD_ARGUMENT);
    ck_fails(hv_vm_config_set_ipa_size(WRONG(hv_vm_config_t), 36),
             HV_BAD_ARGUMENT);
    os_release(config);
}
END_TEST

START_TEST(vm_config_el2)
{
    hv_vm_config_t config = hv_vm_config_create();
    bool value = true;

    ck_ok(hv_vm_config_get_el2_supported(&value));
    ck_assert(!value);
    value = true;
    ck_ok(hv_vm_config_get_el2_enabled(config, &value));
    ck_assert(!value);
    ck_ok(hv_vm_config_set_el2_enabled(config, true));
    ck_ok(hv_vm_config_get_el2_enabled(config, &value));
    ck_assert(value);
    ck_fails(hv_vm_config_get_el2_supported(NULL), HV_BAD_ARGUMENT);
    ck_fails(hv_vm_config_get_el2_enabled(NULL, &value), HV_BAD_ARGUMENT);
    ck_fails(hv_vm_config_get_el2_enabled(config, NULL), HV_BAD_ARGUMENT);
    ck_fails(hv_vm_config_set_el2_enabled(NULL, false), HV_BAD_ARGUMENT);
    os_release(config);
}
END_TEST

START_TEST(vm_config_granule)
{
    hv_vm_config_t config = hv_vm_config_create();
    hv_ipa_granule_t granule = 99;

    ck_ok(hv_vm_config_get_default_ipa_granule(&granule));
    ck_assert_uint_eq(granule, HV_IPA_GRANULE_4KB);
    granule = 99;
    ck_ok(hv_vm_config_get_ipa_granule(config, &granule));
    ck_assert_uint_eq(granule, HV_IPA_GRANULE_4KB);
    ck_ok(hv_vm_config_set_ipa_granule(config, HV_IPA_GRANULE_16KB));
    ck_ok(hv_vm_config_get_ipa_granule(config, &granule));
    ck_assert_uint_eq(granule, HV_IPA_GRANULE_16KB);
    ck_fails(hv_vm_config_set_ipa_granule(config, 2), HV_BAD_ARGUMENT);
    ck_fails(hv_vm_config_set_ipa_granule(NULL, 0), HV_BAD_ARGUMENT);
    ck_fails(hv_vm_config_get_ipa_granule(config, NULL), HV_BAD_ARGUMENT);
    ck_fails(hv_vm_config_get_ipa_granule(NULL, &granule), HV_BAD_ARGUMENT);
    ck_fails(hv_vm_config_get_default_ipa_granule(NULL), HV_BAD_ARGUMENT);
    os_release(config);
}
END_TEST

/* Every function that takes an object, with one of another kind and with
 * none. The wrong one is big enough to be read. */
START_TEST(objects_are_told_apart)
{
    hv_vm_config_t vm = hv_vm_config_create();
    hv_vcpu_config_t cpu = hv_vcpu_config_create();
    hv_vm_config_t not_vm[] = {NULL, WRONG(hv_vm_config_t),
                               (hv_vm_config_t)cpu};
    hv_vcpu_config_t not_cpu[] = {NULL, WRONG(hv_vcpu_config_t),
                                  (hv_vcpu_config_t)vm};
    hv_gic_config_t not_gic[] = {NULL, WRONG(hv_gic_config_t),
                                 (hv_gic_config_t)vm};
    hv_ipa_granule_t granule;
    uint64_t values[8];
    uint32_t bits;
    bool flag;

    for (int i = 0; i < 3; i++) {
        hv_vm_config_t v = not_vm[i];
        hv_gic_config_t g = not_gic[i];

        ck_fails(hv_vm_config_get_ipa_size(v, &bits), HV_BAD_ARGUMENT);
        ck_fails(hv_vm_config_set_ipa_size(v, 36), HV_BAD_ARGUMENT);
        ck_fails(hv_vm_config_get_el2_enabled(v, &flag), HV_BAD_ARGUMENT);
        ck_fails(hv_vm_config_set_el2_enabled(v, false), HV_BAD_ARGUMENT);
        ck_fails(hv_vm_config_get_ipa_granule(v, &granule), HV_BAD_ARGUMENT);
        ck_fails(hv_vm_config_set_ipa_granule(v, 0), HV_BAD_ARGUMENT);
        ck_fails(hv_vcpu_config_get_feature_reg(not_cpu[i], 0, values),
                 HV_BAD_ARGUMENT);
        ck_fails(
            hv_vcpu_config_get_ccsidr_el1_sys_reg_values(not_cpu[i], 0, values),
            HV_BAD_ARGUMENT);
        ck_fails(hv_gic_config_set_distributor_base(g, 0x10000),
                 HV_BAD_ARGUMENT);
        ck_fails(hv_gic_config_set_redistributor_base(g, 0x10000),
                 HV_BAD_ARGUMENT);
        ck_fails(hv_gic_config_set_msi_region_base(g, 0x10000),
                 HV_BAD_ARGUMENT);
        ck_fails(hv_gic_config_set_msi_interrupt_range(g, 32, 1),
                 HV_BAD_ARGUMENT);
    }
    os_release(vm);
    os_release(cpu);
}
END_TEST

START_TEST(objects_count_references)
{
    hv_vm_config_t config = hv_vm_config_create();
    uint32_t bits;

    ck_assert_ptr_eq(os_retain(config), config);
    os_release(config);
    ck_ok(hv_vm_config_get_ipa_size(config, &bits)); /* one is left */
    ck_ok(hv_vm_create(config));
    os_release(config); /* the VM has a copy */
    ck_ok(hv_vm_destroy());
    ck_assert_ptr_eq(os_retain(NULL), NULL);
    os_release(NULL);
}
END_TEST

START_TEST(vcpu_config_says_what_a_vcpu_has)
{
    static const struct {
        hv_feature_reg_t feature;
        hv_sys_reg_t reg;
    } same[] = {
        {HV_FEATURE_REG_ID_AA64DFR0_EL1, HV_SYS_REG_ID_AA64DFR0_EL1},
        {HV_FEATURE_REG_ID_AA64DFR1_EL1, HV_SYS_REG_ID_AA64DFR1_EL1},
        {HV_FEATURE_REG_ID_AA64ISAR0_EL1, HV_SYS_REG_ID_AA64ISAR0_EL1},
        {HV_FEATURE_REG_ID_AA64ISAR1_EL1, HV_SYS_REG_ID_AA64ISAR1_EL1},
        {HV_FEATURE_REG_ID_AA64ISAR2_EL1, HV_SYS_REG_ID_AA64ISAR2_EL1},
        {HV_FEATURE_REG_ID_AA64MMFR0_EL1, HV_SYS_REG_ID_AA64MMFR0_EL1},
        {HV_FEATURE_REG_ID_AA64MMFR1_EL1, HV_SYS_REG_ID_AA64MMFR1_EL1},
        {HV_FEATURE_REG_ID_AA64MMFR2_EL1, HV_SYS_REG_ID_AA64MMFR2_EL1},
        {HV_FEATURE_REG_ID_AA64MMFR3_EL1, HV_SYS_REG_ID_AA64MMFR3_EL1},
        {HV_FEATURE_REG_ID_AA64MMFR4_EL1, HV_SYS_REG_ID_AA64MMFR4_EL1},
        {HV_FEATURE_REG_ID_AA64PFR0_EL1, HV_SYS_REG_ID_AA64PFR0_EL1},
        {HV_FEATURE_REG_ID_AA64PFR1_EL1, HV_SYS_REG_ID_AA64PFR1_EL1},
        {HV_FEATURE_REG_ID_AA64PFR2_EL1, HV_SYS_REG_ID_AA64PFR2_EL1},
        {HV_FEATURE_REG_ID_AA64ZFR0_EL1, HV_SYS_REG_ID_AA64ZFR0_EL1},
    };
    hv_vcpu_config_t config = hv_vcpu_config_create();
    uint64_t feature, value;
    struct guest g;

    guest_new(&g);
    for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
        ck_ok(
            hv_vcpu_config_get_feature_reg(config, same[i].feature, &feature));
        ck_ok(hv_vcpu_get_sys_reg(g.vcpu, same[i].reg, &value));
        ck_assert_uint_eq(feature, value);
    }
    guest_end(&g);

    ck_ok(hv_vcpu_config_get_feature_reg(config, HV_FEATURE_REG_ID_AA64PFR0_EL1,
                                         &value));
    ck_assert_uint_eq(value & 0xff, 0x11); /* EL0, EL1, AArch64 only */
    ck_ok(
        hv_vcpu_config_get_feature_reg(config, HV_FEATURE_REG_CTR_EL0, &value));
    ck_assert_uint_ne(value, 0);
    ck_ok(hv_vcpu_config_get_feature_reg(
        config, HV_FEATURE_REG_ID_AA64SMFR0_EL1, &value));
    ck_assert_uint_eq(value, 0);

    ck_fails(hv_vcpu_config_get_feature_reg(config, 18, &value),
             HV_BAD_ARGUMENT);
    ck_fails(hv_vcpu_config_get_feature_reg(config, 0, NULL), HV_BAD_ARGUMENT);
    ck_fails(hv_vcpu_config_get_feature_reg(NULL, 0, &value), HV_BAD_ARGUMENT);
    os_release(config);
}
END_TEST

/* CLIDR_EL1.Ctype<n>: 0 none, 1 I, 2 D, 3 both, 4 unified. */
START_TEST(ccsidr_agrees_with_clidr)
{
    hv_vcpu_config_t config = hv_vcpu_config_create();
    uint64_t clidr, data[8], code[8];

    ck_ok(hv_vcpu_config_get_feature_reg(config, HV_FEATURE_REG_CLIDR_EL1,
                                         &clidr));
    ck_ok(hv_vcpu_config_get_ccsidr_el1_sys_reg_values(
        config, HV_CACHE_TYPE_DATA, data));
    ck_ok(hv_vcpu_config_get_ccsidr_el1_sys_reg_values(
        config, HV_CACHE_TYPE_INSTRUCTION, code));
    for (unsigned level = 0; level < 7; level++) {
        unsigned type = clidr >> 3 * level & 7;

        ck_assert_int_eq(data[level] != 0, type >= 2);
        ck_assert_int_eq(code[level] != 0, type == 1 || type == 3);
    }
    ck_assert_uint_eq(data[7], 0);
    ck_fails(hv_vcpu_config_get_ccsidr_el1_sys_reg_values(config, 2, data),
             HV_BAD_ARGUMENT);
    ck_fails(hv_vcpu_config_get_ccsidr_el1_sys_reg_values(
                 config, HV_CACHE_TYPE_DATA, NULL),
             HV_BAD_ARGUMENT);
    ck_fails(hv_vcpu_config_get_ccsidr_el1_sys_reg_values(
                 NULL, HV_CACHE_TYPE_DATA, data),
             HV_BAD_ARGUMENT);
    os_release(config);
}
END_TEST

/* ---- memory ------------------------------------------------------------- */

enum {
    RWX = HV_MEMORY_READ | HV_MEMORY_WRITE | HV_MEMORY_EXEC,
    K4 = 0x1000,
    K16 = 0x4000,
};

static uint8_t *host_memory(size_t size)
{
    void *memory;

    ck_ok(hv_vm_allocate(&memory, size, HV_ALLOCATE_DEFAULT));
    return memory;
}

static void vm_with(uint32_t ipa_bits, hv_ipa_granule_t granule)
{
    hv_vm_config_t config = hv_vm_config_create();

    ck_ok(hv_vm_config_set_ipa_size(config, ipa_bits));
    ck_ok(hv_vm_config_set_ipa_granule(config, granule));
    ck_ok(hv_vm_create(config));
    os_release(config);
}

START_TEST(map_keeps_to_the_granule)
{
    uint8_t *m = host_memory(4 * K16);

    vm_with(36, HV_IPA_GRANULE_16KB);
    ck_fails(hv_vm_map(m, K4, K16, RWX), HV_BAD_ARGUMENT);
    ck_fails(hv_vm_map(m, 0, K4, RWX), HV_BAD_ARGUMENT);
    ck_ok(hv_vm_map(m + K4, K16, K16, RWX)); /* host address: 4 KiB will do */
    ck_fails(hv_vm_unmap(K16, K4), HV_BAD_ARGUMENT);
    ck_fails(hv_vm_protect(K16 + K4, K16, RWX), HV_BAD_ARGUMENT);
    ck_ok(hv_vm_unmap(K16, K16));
    ck_ok(hv_vm_destroy());

    vm_with(36, HV_IPA_GRANULE_4KB);
    ck_ok(hv_vm_map(m, K4, K4, RWX));
    ck_ok(hv_vm_protect(K4, K4, HV_MEMORY_READ));
    ck_ok(hv_vm_unmap(K4, K4));
    ck_fails(hv_vm_map(m, 0x800, K4, RWX), HV_BAD_ARGUMENT);
    ck_fails(hv_vm_map(m, 0, 0x800, RWX), HV_BAD_ARGUMENT);
    ck_fails(hv_vm_map(m + 0x800, 0, K4, RWX), HV_BAD_ARGUMENT);
    ck_ok(hv_vm_destroy());
    ck_ok(hv_vm_deallocate(m, 4 * K16));
}
END_TEST

START_TEST(map_refuses_bad_arguments)
{
    uint8_t *m = host_memory(K16);
    uint64_t end = 1ULL << 36;

    ck_ok(hv_vm_create(NULL));
    ck_fails(hv_vm_map(NULL, 0, K16, RWX), HV_BAD_ARGUMENT);
    ck_fails(hv_vm_map(m, 0, 0, RWX), HV_BAD_ARGUMENT);
    ck_fails(hv_vm_map(m, 0, K16, 8), HV_BAD_ARGUMENT);
    ck_fails(hv_vm_map(m, 0, K16, 1ULL << 32), HV_BAD_ARGUMENT);
    ck_fails(hv_vm_map(m, end, K16, RWX), HV_BAD_ARGUMENT);
    ck_fails(hv_vm_map(m, end - K4, K16, RWX), HV_BAD_ARGUMENT);
    ck_fails(hv_vm_map(m, K16, UINT64_MAX - K4 + 1, RWX), HV_BAD_ARGUMENT);
    ck_fails(hv_vm_map((void *)-(uintptr_t)K4, 0, K16, RWX), HV_BAD_ARGUMENT);
    ck_ok(hv_vm_map(m, end - K16, K16, RWX));
    ck_fails(hv_vm_unmap(0, 0), HV_BAD_ARGUMENT);
    ck_fails(hv_vm_unmap(end, K16), HV_BAD_ARGUMENT);
    ck_fails(hv_vm_protect(0, 0, RWX), HV_BAD_ARGUMENT);
    ck_fails(hv_vm_protect(end - K16, K16, 8), HV_BAD_ARGUMENT);
    ck_fails(hv_vm_protect(end - K16, 2 * K16, RWX), HV_BAD_ARGUMENT);
    ck_ok(hv_vm_destroy());
    ck_ok(hv_vm_deallocate(m, K16));
}
END_TEST

START_TEST(map_size_is_the_vms)
{
    uint8_t *m = host_memory(K16);

    vm_with(40, HV_IPA_GRANULE_4KB);
    ck_ok(hv_vm_map(m, (1ULL << 40) - K16, K16, RWX));
    ck_ok(hv_vm_destroy());
    vm_with(32, HV_IPA_GRANULE_4KB);
    ck_fails(hv_vm_map(m, 1ULL << 32, K16, RWX), HV_BAD_ARGUMENT);
    ck_ok(hv_vm_destroy());
    vm_with(0, HV_IPA_GRANULE_4KB); /* the default */
    ck_ok(hv_vm_map(m, (1ULL << 36) - K16, K16, RWX));
    ck_fails(hv_vm_map(m, 1ULL << 36, K16, RWX), HV_BAD_ARGUMENT);
    ck_ok(hv_vm_destroy());
    ck_ok(hv_vm_deallocate(m, K16));
}
END_TEST

START_TEST(map_never_replaces)
{
    uint8_t *m = host_memory(8 * K16);

    ck_ok(hv_vm_create(NULL));
    ck_ok(hv_vm_map(m, 0, 4 * K16, RWX)); /* IPA 0 is an address */
    ck_fails(hv_vm_map(m, 0, 4 * K16, RWX), HV_ERROR);
    ck_fails(hv_vm_map(m + 4 * K16, K16, K16, RWX), HV_ERROR);
    ck_fails(hv_vm_map(m + 4 * K16, 3 * K16, 2 * K16, RWX), HV_ERROR);
    /* nothing of the last one was mapped */
    ck_ok(hv_vm_map(m + 4 * K16, 4 * K16, K16, RWX));

    ck_ok(hv_vm_unmap(K16, K16));
    ck_fails(hv_vm_map(m, 0, 2 * K16, RWX), HV_ERROR);
    ck_ok(hv_vm_map(m + K16, K16, K16, RWX)); /* exactly the hole */
    /* the same memory twice */
    ck_ok(hv_vm_map(m, 16 * K16, K16, HV_MEMORY_READ));
    ck_ok(hv_vm_destroy());
    ck_ok(hv_vm_deallocate(m, 8 * K16));
}
END_TEST

START_TEST(unmap_is_page_wise)
{
    uint8_t *m = host_memory(8 * K16);

    ck_ok(hv_vm_create(NULL));
    ck_ok(hv_vm_unmap(0, 8 * K16)); /* never mapped */
    ck_ok(hv_vm_map(m, 0, 4 * K16, RWX));
    ck_ok(hv_vm_map(m + 4 * K16, 5 * K16, K16, RWX));
    ck_ok(hv_vm_unmap(K16, 8 * K16)); /* the end of one, a hole, another */
    ck_ok(hv_vm_unmap(K16, 8 * K16));
    ck_ok(hv_vm_map(m, K16, 8 * K16 - K16, RWX));
    ck_fails(hv_vm_map(m, 0, K16, RWX), HV_ERROR); /* the first page stayed */
    ck_ok(hv_vm_destroy());
    ck_ok(hv_vm_deallocate(m, 8 * K16));
}
END_TEST

START_TEST(protect_needs_every_page)
{
    uint8_t *m = host_memory(4 * K16);

    ck_ok(hv_vm_create(NULL));
    ck_fails(hv_vm_protect(0, K16, RWX), HV_ERROR);
    ck_ok(hv_vm_map(m, 0, K16, RWX));
    ck_ok(hv_vm_map(m + K16, 2 * K16, K16, RWX));
    ck_fails(hv_vm_protect(0, 3 * K16, HV_MEMORY_READ), HV_ERROR);
    ck_ok(hv_vm_protect(0, K16, HV_MEMORY_READ | HV_MEMORY_EXEC));
    ck_ok(hv_vm_protect(0, K16, 0));
    ck_ok(hv_vm_protect(0, K4, RWX));
    ck_ok(hv_vm_destroy());
    ck_ok(hv_vm_deallocate(m, 4 * K16));
}
END_TEST

START_TEST(allocate_gives_zeroed_pages)
{
    size_t page = (size_t)getpagesize();
    void *memory = NULL;
    uint8_t *bytes;

    ck_ok(hv_vm_allocate(&memory, 4 * page, HV_ALLOCATE_DEFAULT));
    ck_assert_uint_eq((uintptr_t)memory % page, 0);
    bytes = memory;
    for (size_t i = 0; i < 4 * page; i++)
        ck_assert_uint_eq(bytes[i], 0);
    bytes[4 * page - 1] = 1;
    ck_fails(hv_vm_deallocate(bytes + 1, page), HV_BAD_ARGUMENT);
    ck_fails(hv_vm_deallocate(bytes, page + 1), HV_BAD_ARGUMENT);
    ck_fails(hv_vm_deallocate(NULL, page), HV_BAD_ARGUMENT);
    ck_fails(hv_vm_deallocate(bytes, 0), HV_BAD_ARGUMENT);
    ck_ok(hv_vm_deallocate(memory, 4 * page));

    ck_fails(hv_vm_allocate(NULL, page, 0), HV_BAD_ARGUMENT);
    ck_fails(hv_vm_allocate(&memory, 0, 0), HV_BAD_ARGUMENT);
    ck_fails(hv_vm_allocate(&memory, page + 1, 0), HV_BAD_ARGUMENT);
    ck_fails(hv_vm_allocate(&memory, page, 1), HV_BAD_ARGUMENT);
    ck_fails(hv_vm_allocate(&memory, SIZE_MAX, 0), HV_BAD_ARGUMENT);
    ck_fails(hv_vm_allocate(&memory, SIZE_MAX - page + 1, 0), HV_BAD_ARGUMENT);
    ck_fails(hv_vm_allocate(&memory, (size_t)1 << 62, 0), HV_NO_RESOURCES);
}
END_TEST

/* ---- vCPUs and threads -------------------------------------------------- */

START_TEST(vcpu_is_one_per_thread)
{
    hv_vcpu_t vcpu = 99, other = 99;
    hv_vcpu_exit_t *exit = NULL, *other_exit = NULL;

    ck_ok(hv_vm_create(NULL));
    ck_fails(hv_vcpu_create(NULL, &exit, NULL), HV_BAD_ARGUMENT);
    ck_fails(hv_vcpu_create(&vcpu, NULL, NULL), HV_BAD_ARGUMENT);
    ck_fails(hv_vcpu_create(&vcpu, &exit, WRONG(hv_vcpu_config_t)),
             HV_BAD_ARGUMENT);
    ck_ok(hv_vcpu_create(&vcpu, &exit, NULL));
    ck_assert_uint_eq(vcpu, 0);
    ck_assert_ptr_nonnull(exit);
    ck_fails(hv_vcpu_create(&other, &other_exit, NULL), HV_BUSY);
    ck_assert_uint_eq(other, 99);
    ck_fails(hv_vcpu_run(1), HV_BAD_ARGUMENT);
    ck_ok(hv_vcpu_destroy(vcpu));
    ck_fails(hv_vcpu_destroy(vcpu), HV_BAD_ARGUMENT);
    ck_fails(hv_vcpu_run(vcpu), HV_BAD_ARGUMENT);
    ck_ok(hv_vcpu_create(&other, &other_exit, NULL));
    ck_assert_uint_eq(other, 0);
    ck_ok(hv_vcpu_destroy(other));
    ck_ok(hv_vm_destroy());
}
END_TEST

START_TEST(vcpu_accepts_a_configuration)
{
    hv_vcpu_config_t config = hv_vcpu_config_create();
    hv_vcpu_t vcpu;
    hv_vcpu_exit_t *exit;

    ck_ok(hv_vm_create(NULL));
    ck_ok(hv_vcpu_create(&vcpu, &exit, config));
    os_release(config);
    ck_ok(hv_vcpu_set_reg(vcpu, HV_REG_X0, 1));
    ck_ok(hv_vcpu_destroy(vcpu));
    ck_ok(hv_vm_destroy());
}
END_TEST

/* A thread that has a vCPU until it is told to give it up. */
struct holder {
    pthread_t thread;
    pthread_barrier_t created, done;
    hv_return_t result;
    hv_vcpu_t vcpu;
};

static void *hold(void *arg)
{
    struct holder *h = arg;
    hv_vcpu_exit_t *exit;

    h->result = hv_vcpu_create(&h->vcpu, &exit, NULL);
    pthread_barrier_wait(&h->created);
    pthread_barrier_wait(&h->done);
    if (h->result == HV_SUCCESS)
        ck_ok(hv_vcpu_destroy(h->vcpu));
    return NULL;
}

static void hold_start(struct holder *h)
{
    pthread_barrier_init(&h->created, NULL, 2);
    pthread_barrier_init(&h->done, NULL, 2);
    ck_assert_int_eq(pthread_create(&h->thread, NULL, hold, h), 0);
    pthread_barrier_wait(&h->created);
}

static void hold_end(struct holder *h)
{
    pthread_barrier_wait(&h->done);
    pthread_join(h->thread, NULL);
    pthread_barrier_destroy(&h->created);
    pthread_barrier_destroy(&h->done);
}

START_TEST(vcpu_ids_are_the_lowest_free)
{
    static struct holder h[65];

    ck_ok(hv_vm_create(NULL));
    for (unsigned i = 0; i < 64; i++) {
        hold_start(&h[i]);
        ck_ok(h[i].result);
        ck_assert_uint_eq(h[i].vcpu, i);
    }
    hold_start(&h[64]);
    ck_fails(h[64].result, HV_NO_RESOURCES);
    hold_end(&h[64]);
    hold_end(&h[40]);
    hold_end(&h[7]);
    hold_start(&h[7]);
    ck_assert_uint_eq(h[7].vcpu, 7);
    hold_start(&h[40]);
    ck_assert_uint_eq(h[40].vcpu, 40);
    for (unsigned i = 0; i < 64; i++)
        hold_end(&h[i]);
    ck_ok(hv_vm_destroy());
}
END_TEST

/* Every function that takes a vCPU, with arguments that would do, on a vCPU
 * that is not the calling thread's. The SME and GIC ones too: the thread comes
 * before the lack of support. */
static void all_fail(hv_vcpu_t v, hv_return_t code)
{
    hv_simd_fp_uchar16_t q = {0};
    hv_sme_zt0_uchar64_t zt0 = {0};
    hv_vcpu_sme_state_t sme = {false, false};
    uint8_t bytes[16] = {0};
    uint64_t value = 0;
    bool flag = false;

    ck_fails(hv_vcpu_destroy(v), code);
    ck_fails(hv_vcpu_run(v), code);
    ck_fails(lull_hv_vcpu_warm(v), code);
    ck_fails(hv_vcpu_get_reg(v, HV_REG_X0, &value), code);
    ck_fails(hv_vcpu_set_reg(v, HV_REG_X0, 0), code);
    ck_fails(hv_vcpu_get_simd_fp_reg(v, HV_SIMD_FP_REG_Q0, &q), code);
    ck_fails(hv_vcpu_set_simd_fp_reg(v, HV_SIMD_FP_REG_Q0, q), code);
    ck_fails(hv_vcpu_get_sys_reg(v, HV_SYS_REG_MIDR_EL1, &value), code);
    ck_fails(hv_vcpu_set_sys_reg(v, HV_SYS_REG_MIDR_EL1, 0), code);
    ck_fails(hv_vcpu_get_pending_interrupt(v, HV_INTERRUPT_TYPE_IRQ, &flag),
             code);
    ck_fails(hv_vcpu_set_pending_interrupt(v, HV_INTERRUPT_TYPE_IRQ, true),
             code);
    ck_fails(hv_vcpu_get_trap_debug_exceptions(v, &flag), code);
    ck_fails(hv_vcpu_set_trap_debug_exceptions(v, true), code);
    ck_fails(hv_vcpu_get_trap_debug_reg_accesses(v, &flag), code);
    ck_fails(hv_vcpu_set_trap_debug_reg_accesses(v, true), code);
    ck_fails(hv_vcpu_get_exec_time(v, &value), code);
    ck_fails(hv_vcpu_get_vtimer_mask(v, &flag), code);
    ck_fails(hv_vcpu_set_vtimer_mask(v, true), code);
    ck_fails(hv_vcpu_get_vtimer_offset(v, &value), code);
    ck_fails(hv_vcpu_set_vtimer_offset(v, 1), code);
    ck_fails(hv_vcpu_get_serror(v, &flag), code);
    ck_fails(hv_vcpu_set_serror(v, true), code);
    ck_fails(hv_vcpu_get_wait_for_interrupt_time(v, &value), code);
    ck_fails(hv_vcpu_invalidate_tlb(v, HV_TLBI_OP_VMALLE1IS, 0), code);

    ck_fails(hv_vcpu_get_sme_state(v, &sme), code);
    ck_fails(hv_vcpu_set_sme_state(v, &sme), code);
    ck_fails(hv_vcpu_get_sme_z_reg(v, HV_SME_Z_REG_0, bytes, 16), code);
    ck_fails(hv_vcpu_set_sme_z_reg(v, HV_SME_Z_REG_0, bytes, 16), code);
    ck_fails(hv_vcpu_get_sme_p_reg(v, HV_SME_P_REG_0, bytes, 2), code);
    ck_fails(hv_vcpu_set_sme_p_reg(v, HV_SME_P_REG_0, bytes, 2), code);
    ck_fails(hv_vcpu_get_sme_za_reg(v, bytes, 16), code);
    ck_fails(hv_vcpu_set_sme_za_reg(v, bytes, 16), code);
    ck_fails(hv_vcpu_get_sme_zt0_reg(v, &zt0), code);
    ck_fails(hv_vcpu_set_sme_zt0_reg(v, &zt0), code);

    ck_fails(hv_gic_get_redistributor_reg(
                 v, HV_GIC_REDISTRIBUTOR_REG_GICR_TYPER, &value),
             code);
    ck_fails(
        hv_gic_set_redistributor_reg(v, HV_GIC_REDISTRIBUTOR_REG_GICR_TYPER, 0),
        code);
    ck_fails(hv_gic_get_icc_reg(v, HV_GIC_ICC_REG_PMR_EL1, &value), code);
    ck_fails(hv_gic_set_icc_reg(v, HV_GIC_ICC_REG_PMR_EL1, 0), code);
    ck_fails(hv_gic_get_ich_reg(v, HV_GIC_ICH_REG_HCR_EL2, &value), code);
    ck_fails(hv_gic_set_ich_reg(v, HV_GIC_ICH_REG_HCR_EL2, 0), code);
    ck_fails(hv_gic_get_icv_reg(v, HV_GIC_ICV_REG_PMR_EL1, &value), code);
    ck_fails(hv_gic_set_icv_reg(v, HV_GIC_ICV_REG_PMR_EL1, 0), code);
}

static void *leave_behind(void *arg)
{
    hv_vcpu_exit_t *exit;

    ck_ok(hv_vcpu_create(arg, &exit, NULL));
    return NULL;
}

/* A thread that ends without destroying its vCPU leaves it, and the VM. In a
 * child, which takes both with it. */
static int child_that_leaves_a_vcpu_behind(void)
{
    hv_vcpu_t left = 99, own;
    hv_vcpu_exit_t *exit;
    pthread_t thread;

    if (hv_vm_create(NULL) != HV_SUCCESS)
        return 1;
    if (pthread_create(&thread, NULL, leave_behind, &left) != 0)
        return 2;
    pthread_join(thread, NULL);
    if (left != 0)
        return 3;
    if (hv_vcpu_destroy(left) != HV_BAD_ARGUMENT)
        return 4;
    if (hv_vm_destroy() != HV_BUSY)
        return 5;
    if (hv_vcpus_exit(&left, 1) != HV_SUCCESS)
        return 6;
    if (hv_vcpu_create(&own, &exit, NULL) != HV_SUCCESS || own != 1)
        return 7;
    return hv_vcpu_destroy(own) == HV_SUCCESS ? 0 : 8;
}

/* hv_vm_create and hv_vcpu_create when the host has no more memory. */
static int child_without_memory(void)
{
    struct rlimit none = {1 << 20, 1 << 20};
    hv_vcpu_exit_t *exit;
    hv_vcpu_t vcpu;
    void *memory;

    if (hv_vm_create(NULL) != HV_SUCCESS)
        return 1;
    if (setrlimit(RLIMIT_AS, &none) != 0)
        return 2;
    while (malloc(1 << 12) != NULL)
        ;
    if (hv_vcpu_create(&vcpu, &exit, NULL) != HV_NO_RESOURCES)
        return 3;
    if (hv_vm_allocate(&memory, 1 << 20, 0) != HV_NO_RESOURCES)
        return 4;
    if (hv_vm_destroy() != HV_SUCCESS)
        return 5;
    while (malloc(1 << 8) != NULL)
        ;
    return hv_vm_create(NULL) == HV_NO_RESOURCES ? 0 : 6;
}

static int exit_code_of(int (*child)(void))
{
    int status;
    pid_t pid = fork();

    if (pid == 0)
        _exit(child());
    ck_assert_int_gt(pid, 0);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFEXITED(status));
    return WEXITSTATUS(status);
}

START_TEST(a_vcpu_outlives_its_thread)
{
    ck_assert_int_eq(exit_code_of(child_that_leaves_a_vcpu_behind), 0);
}
END_TEST

START_TEST(memory_may_run_out)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return; /* sanitizers end the process where malloc would return NULL */
#endif
    if (getenv("MESON_EXE_WRAPPER") != NULL)
        return; /* an emulator would be short of memory, and not survive it */
    ck_assert_int_eq(exit_code_of(child_without_memory), 0);
}
END_TEST

START_TEST(vcpu_belongs_to_its_thread)
{
    struct holder h;
    struct guest g;

    all_fail(0, HV_NO_DEVICE);
    guest_new(&g); /* also when this thread has another vCPU */
    hold_start(&h);
    ck_ok(h.result);
    all_fail(h.vcpu, HV_BAD_ARGUMENT);
    all_fail(63, HV_BAD_ARGUMENT);
    all_fail(UINT64_MAX, HV_BAD_ARGUMENT);
    hold_end(&h);
    guest_end(&g);
}
END_TEST

START_TEST(what_needs_a_result_refuses_null)
{
    struct guest g;
    hv_vcpu_t v;

    guest_new(&g);
    v = g.vcpu;
    ck_fails(hv_vcpu_get_reg(v, HV_REG_X0, NULL), HV_BAD_ARGUMENT);
    ck_fails(hv_vcpu_get_simd_fp_reg(v, 0, NULL), HV_BAD_ARGUMENT);
    ck_fails(hv_vcpu_get_sys_reg(v, HV_SYS_REG_MIDR_EL1, NULL),
             HV_BAD_ARGUMENT);
    ck_fails(hv_vcpu_get_pending_interrupt(v, 0, NULL), HV_BAD_ARGUMENT);
    ck_fails(hv_vcpu_get_trap_debug_exceptions(v, NULL), HV_BAD_ARGUMENT);
    ck_fails(hv_vcpu_get_trap_debug_reg_accesses(v, NULL), HV_BAD_ARGUMENT);
    ck_fails(hv_vcpu_get_exec_time(v, NULL), HV_BAD_ARGUMENT);
    ck_fails(hv_vcpu_get_vtimer_mask(v, NULL), HV_BAD_ARGUMENT);
    ck_fails(hv_vcpu_get_vtimer_offset(v, NULL), HV_BAD_ARGUMENT);
    ck_fails(hv_vcpu_get_serror(v, NULL), HV_BAD_ARGUMENT);
    guest_end(&g);
}
END_TEST

START_TEST(vcpus_exit_checks_before_it_acts)
{
    struct guest g;
    hv_vcpu_t list[] = {0, 64, 0};

    guest_new(&g);
    guest_code(&g, HVC(1));
    ck_ok(hv_vcpus_exit(NULL, 0));
    ck_ok(hv_vcpus_exit(list, 0));
    ck_fails(hv_vcpus_exit(NULL, 1), HV_BAD_ARGUMENT);
    ck_fails(hv_vcpus_exit(list, 2), HV_BAD_ARGUMENT);
    list[1] = UINT64_MAX;
    ck_fails(hv_vcpus_exit(list, 3), HV_BAD_ARGUMENT);
    list[1] = 63; /* an ID without a vCPU */
    ck_ok(hv_vcpus_exit(list + 1, 1));
    /* none of these asked vCPU 0 to leave */
    ck_assert_uint_eq(guest_run(&g), EC_HVC);
    guest_end(&g);
}
END_TEST

/* ---- registers ---------------------------------------------------------- */

START_TEST(registers_start_as_documented)
{
    static const struct {
        hv_sys_reg_t reg;
        uint64_t value;
    } start[] = {
        {HV_SYS_REG_MIDR_EL1, 0x610f0000}, {HV_SYS_REG_MPIDR_EL1, 0x80000000},
        {HV_SYS_REG_PAR_EL1, 0x800},       {HV_SYS_REG_VBAR_EL1, 0},
        {HV_SYS_REG_TTBR0_EL1, 0},         {HV_SYS_REG_TCR_EL1, 0},
        {HV_SYS_REG_CPACR_EL1, 0},         {HV_SYS_REG_CNTV_CTL_EL0, 0},
        {HV_SYS_REG_CNTV_CVAL_EL0, 0},     {HV_SYS_REG_SP_EL1, 0},
        {HV_SYS_REG_MDSCR_EL1, 0},         {HV_SYS_REG_ACTLR_EL1, 0},
    };
    hv_simd_fp_uchar16_t q, zero = {0};
    hv_vcpu_exit_t *exit;
    hv_vcpu_t v;
    uint64_t value;
    bool flag;

    ck_ok(hv_vm_create(NULL));
    ck_ok(hv_vcpu_create(&v, &exit, NULL));
    for (hv_reg_t reg = HV_REG_X0; reg <= HV_REG_FPSR; reg++) {
        ck_ok(hv_vcpu_get_reg(v, reg, &value));
        ck_assert_uint_eq(value, 0);
    }
    ck_ok(hv_vcpu_get_reg(v, HV_REG_CPSR, &value));
    ck_assert_uint_eq(value & 0x1f, 0); /* EL0t */
    for (hv_simd_fp_reg_t reg = 0; reg < 32; reg++) {
        ck_ok(hv_vcpu_get_simd_fp_reg(v, reg, &q));
        ck_assert_mem_eq(&q, &zero, 16);
    }
    for (size_t i = 0; i < sizeof(start) / sizeof(start[0]); i++) {
        ck_ok(hv_vcpu_get_sys_reg(v, start[i].reg, &value));
        ck_assert_uint_eq(value, start[i].value);
    }
    ck_ok(hv_vcpu_get_sys_reg(v, HV_SYS_REG_SCTLR_EL1, &value));
    ck_assert_uint_eq(value & 0x1005, 0); /* MMU and caches off */
    ck_ok(hv_vcpu_get_exec_time(v, &value));
    ck_assert_uint_eq(value, 0);
    ck_ok(hv_vcpu_get_vtimer_offset(v, &value));
    ck_assert_uint_eq(value, 0);
    ck_ok(hv_vcpu_get_vtimer_mask(v, &flag));
    ck_assert(!flag);
    ck_ok(hv_vcpu_destroy(v));
    ck_ok(hv_vm_destroy());
}
END_TEST

/* A vCPU that takes an ID over inherits nothing from its last owner. */
START_TEST(registers_start_anew)
{
    struct guest g;
    uint64_t value;
    bool flag;

    guest_new(&g);
    guest_set(&g, HV_REG_X5, 1);
    guest_set(&g, HV_REG_FPCR, 0xdeadbeef);
    ck_ok(hv_vcpu_set_vtimer_mask(g.vcpu, true));
    ck_ok(hv_vcpu_set_serror(g.vcpu, true));
    ck_ok(hv_vcpus_exit(&g.vcpu, 1));
    ck_ok(hv_vcpu_destroy(g.vcpu));
    guest_vcpu(&g);
    ck_assert_uint_eq(g.vcpu, 0);
    ck_assert_uint_eq(guest_get(&g, HV_REG_X5), 0);
    ck_assert_uint_eq(guest_get(&g, HV_REG_FPCR), 0);
    ck_ok(hv_vcpu_get_vtimer_mask(g.vcpu, &flag));
    ck_assert(!flag);
    ck_ok(hv_vcpu_get_serror(g.vcpu, &flag));
    ck_assert(!flag);
    ck_ok(hv_vcpu_get_exec_time(g.vcpu, &value));
    ck_assert_uint_eq(value, 0);
    guest_code(&g, HVC(0));
    ck_assert_uint_eq(guest_run(&g), EC_HVC); /* not CANCELED */
    guest_end(&g);
}
END_TEST

START_TEST(general_registers_hold_64_bits)
{
    struct guest g;

    guest_new(&g);
    for (hv_reg_t reg = HV_REG_X0; reg <= HV_REG_PC; reg++)
        guest_set(&g, reg, 0xfedcba9876543210 ^ reg);
    for (hv_reg_t reg = HV_REG_X0; reg <= HV_REG_PC; reg++)
        ck_assert_uint_eq(guest_get(&g, reg), 0xfedcba9876543210 ^ reg);
    ck_assert_uint_eq(guest_get(&g, HV_REG_FP), guest_get(&g, HV_REG_X29));
    guest_end(&g);
}
END_TEST

START_TEST(status_registers_read_back_as_written)
{
    static const hv_reg_t regs[] = {HV_REG_FPCR, HV_REG_FPSR, HV_REG_CPSR};
    static const uint32_t patterns[] = {
        0xdeadbeef, 0xffffffff, 0, 0x3c5, 0x55555555, 0xaaaaaaaa,
    };
    struct guest g;

    guest_new(&g);
    for (size_t p = 0; p < sizeof(patterns) / sizeof(patterns[0]); p++) {
        for (int i = 0; i < 3; i++)
            guest_set(&g, regs[i], 0x1234567800000000 | patterns[p]);
        for (int i = 0; i < 3; i++)
            ck_assert_uint_eq(guest_get(&g, regs[i]), patterns[p]);
    }
    guest_end(&g);
}
END_TEST

START_TEST(registers_have_an_end)
{
    hv_simd_fp_uchar16_t q = {0};
    struct guest g;
    uint64_t value;

    guest_new(&g);
    ck_fails(hv_vcpu_get_reg(g.vcpu, 35, &value), HV_BAD_ARGUMENT);
    ck_fails(hv_vcpu_set_reg(g.vcpu, 35, 0), HV_BAD_ARGUMENT);
    ck_fails(hv_vcpu_get_reg(g.vcpu, UINT32_MAX, &value), HV_BAD_ARGUMENT);
    ck_fails(hv_vcpu_set_reg(g.vcpu, UINT32_MAX, 0), HV_BAD_ARGUMENT);
    ck_fails(hv_vcpu_get_simd_fp_reg(g.vcpu, 32, &q), HV_BAD_ARGUMENT);
    ck_fails(hv_vcpu_set_simd_fp_reg(g.vcpu, 32, q), HV_BAD_ARGUMENT);
    ck_fails(hv_vcpu_get_sys_reg(g.vcpu, 0, &value), HV_BAD_ARGUMENT);
    ck_fails(hv_vcpu_set_sys_reg(g.vcpu, 0xffff, 0), HV_BAD_ARGUMENT);
    ck_fails(hv_vcpu_get_sys_reg(g.vcpu, REG_CNTVCT_EL0, &value),
             HV_BAD_ARGUMENT);
    ck_fails(hv_vcpu_set_sys_reg(g.vcpu, REG_OSLAR_EL1, 0), HV_BAD_ARGUMENT);
    guest_end(&g);
}
END_TEST

START_TEST(vector_registers_hold_16_bytes)
{
    struct guest g;

    guest_new(&g);
    for (hv_simd_fp_reg_t reg = 0; reg < 32; reg++) {
        hv_simd_fp_uchar16_t q;

        for (int i = 0; i < 16; i++)
            q[i] = (uint8_t)(16 * reg + i);
        ck_ok(hv_vcpu_set_simd_fp_reg(g.vcpu, reg, q));
    }
    for (hv_simd_fp_reg_t reg = 0; reg < 32; reg++) {
        hv_simd_fp_uchar16_t q;

        ck_ok(hv_vcpu_get_simd_fp_reg(g.vcpu, reg, &q));
        for (int i = 0; i < 16; i++)
            ck_assert_uint_eq(q[i], (uint8_t)(16 * reg + i));
    }
    guest_end(&g);
}
END_TEST

/* What any VM has, and QEMU synchronises: read, written, read back. */
START_TEST(system_registers_read_back)
{
    static const hv_sys_reg_t regs[] = {
        HV_SYS_REG_MIDR_EL1,         HV_SYS_REG_MPIDR_EL1,
        HV_SYS_REG_ID_AA64PFR0_EL1,  HV_SYS_REG_ID_AA64PFR1_EL1,
        HV_SYS_REG_ID_AA64PFR2_EL1,  HV_SYS_REG_ID_AA64ZFR0_EL1,
        HV_SYS_REG_ID_AA64DFR0_EL1,  HV_SYS_REG_ID_AA64DFR1_EL1,
        HV_SYS_REG_ID_AA64ISAR0_EL1, HV_SYS_REG_ID_AA64ISAR1_EL1,
        HV_SYS_REG_ID_AA64ISAR2_EL1, HV_SYS_REG_ID_AA64MMFR0_EL1,
        HV_SYS_REG_ID_AA64MMFR1_EL1, HV_SYS_REG_ID_AA64MMFR2_EL1,
        HV_SYS_REG_ID_AA64MMFR3_EL1, HV_SYS_REG_ID_AA64MMFR4_EL1,
        HV_SYS_REG_SCTLR_EL1,        HV_SYS_REG_CPACR_EL1,
        HV_SYS_REG_TTBR0_EL1,        HV_SYS_REG_TTBR1_EL1,
        HV_SYS_REG_TCR_EL1,          HV_SYS_REG_APIAKEYLO_EL1,
        HV_SYS_REG_APIAKEYHI_EL1,    HV_SYS_REG_APIBKEYLO_EL1,
        HV_SYS_REG_APIBKEYHI_EL1,    HV_SYS_REG_APDAKEYLO_EL1,
        HV_SYS_REG_APDAKEYHI_EL1,    HV_SYS_REG_APDBKEYLO_EL1,
        HV_SYS_REG_APDBKEYHI_EL1,    HV_SYS_REG_APGAKEYLO_EL1,
        HV_SYS_REG_APGAKEYHI_EL1,    HV_SYS_REG_SPSR_EL1,
        HV_SYS_REG_ELR_EL1,          HV_SYS_REG_SP_EL0,
        HV_SYS_REG_AFSR0_EL1,        HV_SYS_REG_AFSR1_EL1,
        HV_SYS_REG_ESR_EL1,          HV_SYS_REG_FAR_EL1,
        HV_SYS_REG_PAR_EL1,          HV_SYS_REG_MAIR_EL1,
        HV_SYS_REG_AMAIR_EL1,        HV_SYS_REG_VBAR_EL1,
        HV_SYS_REG_CONTEXTIDR_EL1,   HV_SYS_REG_TPIDR_EL1,
        HV_SYS_REG_SCXTNUM_EL1,      HV_SYS_REG_CNTKCTL_EL1,
        HV_SYS_REG_CSSELR_EL1,       HV_SYS_REG_TPIDR_EL0,
        HV_SYS_REG_TPIDRRO_EL0,      HV_SYS_REG_SCXTNUM_EL0,
        HV_SYS_REG_CNTV_CVAL_EL0,    HV_SYS_REG_SP_EL1,
        HV_SYS_REG_MDCCINT_EL1,      HV_SYS_REG_MDSCR_EL1,
    };
    size_t count = sizeof(regs) / sizeof(regs[0]);
    struct guest g;

    guest_new(&g);
    /* few enough bits that every register has them, different for each */
    for (size_t i = 0; i < count; i++)
        guest_set_sys(&g, regs[i], i);
    for (size_t i = 0; i < count; i++)
        ck_assert_uint_eq(guest_get_sys(&g, regs[i]), i);
    for (unsigned n = 0; n < 16; n++)
        for (unsigned kind = 0; kind < 4; kind++)
            guest_set_sys(&g, (hv_sys_reg_t)(0x8004 + 8 * n + kind),
                          16 * n + 4 * kind);
    for (unsigned n = 0; n < 16; n++)
        for (unsigned kind = 0; kind < 4; kind++)
            ck_assert_uint_eq(
                guest_get_sys(&g, (hv_sys_reg_t)(0x8004 + 8 * n + kind)),
                16 * n + 4 * kind);
    guest_end(&g);
}
END_TEST

START_TEST(system_registers_of_other_vms)
{
    static const hv_sys_reg_t regs[] = {
        HV_SYS_REG_VPIDR_EL2,     HV_SYS_REG_VMPIDR_EL2,
        HV_SYS_REG_MDCR_EL2,      HV_SYS_REG_SCTLR_EL2,
        HV_SYS_REG_HCR_EL2,       HV_SYS_REG_CPTR_EL2,
        HV_SYS_REG_TTBR0_EL2,     HV_SYS_REG_TTBR1_EL2,
        HV_SYS_REG_TCR_EL2,       HV_SYS_REG_VTTBR_EL2,
        HV_SYS_REG_VTCR_EL2,      HV_SYS_REG_SPSR_EL2,
        HV_SYS_REG_ELR_EL2,       HV_SYS_REG_ESR_EL2,
        HV_SYS_REG_FAR_EL2,       HV_SYS_REG_HPFAR_EL2,
        HV_SYS_REG_MAIR_EL2,      HV_SYS_REG_VBAR_EL2,
        HV_SYS_REG_TPIDR_EL2,     HV_SYS_REG_CNTVOFF_EL2,
        HV_SYS_REG_CNTHCTL_EL2,   HV_SYS_REG_CNTHP_TVAL_EL2,
        HV_SYS_REG_CNTHP_CTL_EL2, HV_SYS_REG_CNTHP_CVAL_EL2,
        HV_SYS_REG_SP_EL2,        HV_SYS_REG_CNTP_TVAL_EL0,
        HV_SYS_REG_CNTP_CTL_EL0,  HV_SYS_REG_CNTP_CVAL_EL0,
        HV_SYS_REG_SMPRI_EL1,     HV_SYS_REG_SMCR_EL1,
        HV_SYS_REG_TPIDR2_EL0,    HV_SYS_REG_ID_AA64SMFR0_EL1,
    };
    struct guest g;
    uint64_t value;

    guest_new(&g);
    for (size_t i = 0; i < sizeof(regs) / sizeof(regs[0]); i++) {
        ck_fails(hv_vcpu_get_sys_reg(g.vcpu, regs[i], &value), HV_UNSUPPORTED);
        ck_fails(hv_vcpu_set_sys_reg(g.vcpu, regs[i], 0), HV_UNSUPPORTED);
    }
    guest_end(&g);
}
END_TEST

START_TEST(stack_pointers_follow_cpsr)
{
    struct guest g;

    guest_new(&g);
    guest_set_sys(&g, HV_SYS_REG_SP_EL0, 0x1000);
    guest_set_sys(&g, HV_SYS_REG_SP_EL1, 0x2000);
    guest_set(&g, HV_REG_CPSR, 0x3c4); /* EL1t: SP_EL0 is the current one */
    ck_assert_uint_eq(guest_get_sys(&g, HV_SYS_REG_SP_EL0), 0x1000);
    ck_assert_uint_eq(guest_get_sys(&g, HV_SYS_REG_SP_EL1), 0x2000);
    guest_set_sys(&g, HV_SYS_REG_SP_EL0, 0x3000);
    guest_set(&g, HV_REG_CPSR, CPSR_EL1H);
    ck_assert_uint_eq(guest_get_sys(&g, HV_SYS_REG_SP_EL0), 0x3000);
    ck_assert_uint_eq(guest_get_sys(&g, HV_SYS_REG_SP_EL1), 0x2000);
    guest_end(&g);
}
END_TEST

/* ---- lines, timer, switches --------------------------------------------- */

START_TEST(pending_interrupts_are_two_lines)
{
    struct guest g;
    bool irq = true, fiq = true;

    guest_new(&g);
    ck_ok(hv_vcpu_get_pending_interrupt(g.vcpu, HV_INTERRUPT_TYPE_IRQ, &irq));
    ck_ok(hv_vcpu_get_pending_interrupt(g.vcpu, HV_INTERRUPT_TYPE_FIQ, &fiq));
    ck_assert(!irq && !fiq);
    ck_ok(hv_vcpu_set_pending_interrupt(g.vcpu, HV_INTERRUPT_TYPE_FIQ, true));
    ck_ok(hv_vcpu_get_pending_interrupt(g.vcpu, HV_INTERRUPT_TYPE_IRQ, &irq));
    ck_ok(hv_vcpu_get_pending_interrupt(g.vcpu, HV_INTERRUPT_TYPE_FIQ, &fiq));
    ck_assert(!irq && fiq);
    ck_ok(hv_vcpu_set_pending_interrupt(g.vcpu, HV_INTERRUPT_TYPE_IRQ, true));
    ck_ok(hv_vcpu_set_pending_interrupt(g.vcpu, HV_INTERRUPT_TYPE_FIQ, false));
    ck_ok(hv_vcpu_get_pending_interrupt(g.vcpu, HV_INTERRUPT_TYPE_IRQ, &irq));
    ck_ok(hv_vcpu_get_pending_interrupt(g.vcpu, HV_INTERRUPT_TYPE_FIQ, &fiq));
    ck_assert(irq && !fiq);
    ck_fails(hv_vcpu_set_pending_interrupt(g.vcpu, 2, true), HV_BAD_ARGUMENT);
    ck_fails(hv_vcpu_get_pending_interrupt(g.vcpu, 2, &irq), HV_BAD_ARGUMENT);
    guest_end(&g);
}
END_TEST

START_TEST(switches_read_back)
{
    struct guest g;
    uint64_t value;
    bool flag = true;

    guest_new(&g);
    ck_ok(hv_vcpu_get_trap_debug_exceptions(g.vcpu, &flag));
    ck_assert(!flag);
    ck_ok(hv_vcpu_set_trap_debug_exceptions(g.vcpu, true));
    ck_ok(hv_vcpu_get_trap_debug_exceptions(g.vcpu, &flag));
    ck_assert(flag);
    ck_ok(hv_vcpu_get_trap_debug_reg_accesses(g.vcpu, &flag));
    ck_assert(!flag);
    ck_ok(hv_vcpu_set_trap_debug_reg_accesses(g.vcpu, true));
    ck_ok(hv_vcpu_get_trap_debug_reg_accesses(g.vcpu, &flag));
    ck_assert(flag);
    ck_ok(hv_vcpu_set_vtimer_mask(g.vcpu, true));
    ck_ok(hv_vcpu_get_vtimer_mask(g.vcpu, &flag));
    ck_assert(flag);
    ck_ok(hv_vcpu_set_vtimer_offset(g.vcpu, UINT64_MAX));
    ck_ok(hv_vcpu_get_vtimer_offset(g.vcpu, &value));
    ck_assert_uint_eq(value, UINT64_MAX);
    ck_ok(hv_vcpu_set_serror(g.vcpu, true));
    ck_ok(hv_vcpu_get_serror(g.vcpu, &flag));
    ck_assert(flag);
    ck_ok(hv_vcpu_set_serror(g.vcpu, false));
    ck_ok(hv_vcpu_get_serror(g.vcpu, &flag));
    ck_assert(!flag);
    ck_fails(hv_vcpu_get_wait_for_interrupt_time(g.vcpu, &value),
             HV_UNSUPPORTED);
    guest_end(&g);
}
END_TEST

/* CNTV_CTL_EL0: ENABLE, IMASK, ISTATUS */
START_TEST(timer_status_is_live)
{
    struct guest g;

    guest_new(&g);
    guest_set_sys(&g, HV_SYS_REG_CNTV_CVAL_EL0, UINT64_MAX);
    guest_set_sys(&g, HV_SYS_REG_CNTV_CTL_EL0, 1);
    ck_assert_uint_eq(guest_get_sys(&g, HV_SYS_REG_CNTV_CTL_EL0), 1);
    guest_set_sys(&g, HV_SYS_REG_CNTV_CVAL_EL0, 0);
    ck_assert_uint_eq(guest_get_sys(&g, HV_SYS_REG_CNTV_CTL_EL0), 5);
    ck_ok(hv_vcpu_set_vtimer_mask(g.vcpu, true)); /* is not IMASK */
    ck_assert_uint_eq(guest_get_sys(&g, HV_SYS_REG_CNTV_CTL_EL0), 5);
    /* the same comparator under an offset that puts it in the future */
    guest_set_sys(&g, HV_SYS_REG_CNTV_CVAL_EL0, 1ULL << 40);
    ck_ok(hv_vcpu_set_vtimer_offset(g.vcpu, mach_absolute_time()));
    ck_assert_uint_eq(guest_get_sys(&g, HV_SYS_REG_CNTV_CTL_EL0), 1);
    ck_ok(
        hv_vcpu_set_vtimer_offset(g.vcpu, mach_absolute_time() - (1ULL << 41)));
    ck_assert_uint_eq(guest_get_sys(&g, HV_SYS_REG_CNTV_CTL_EL0), 5);
    guest_end(&g);
}
END_TEST

START_TEST(invalidate_tlb_knows_its_operations)
{
    static const hv_tlbi_op_t ops[] = {
        HV_TLBI_OP_RVAE1IS,   HV_TLBI_OP_RVAAE1IS, HV_TLBI_OP_RVALE1IS,
        HV_TLBI_OP_VMALLE1IS, HV_TLBI_OP_VAE1IS,   HV_TLBI_OP_ASIDE1IS,
        HV_TLBI_OP_VAAE1IS,   HV_TLBI_OP_VALE1IS,  HV_TLBI_OP_VAALE1IS,
        HV_TLBI_OP_RVAALE1IS,
    };
    struct guest g;

    guest_new(&g);
    for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++)
        ck_ok(hv_vcpu_invalidate_tlb(g.vcpu, ops[i], 0x40000));
    ck_fails(hv_vcpu_invalidate_tlb(g.vcpu, 0x10, 0), HV_BAD_ARGUMENT);
    ck_fails(hv_vcpu_invalidate_tlb(g.vcpu, 0, 0), HV_BAD_ARGUMENT);
    guest_end(&g);
}
END_TEST

START_TEST(illegal_state_is_not_entered)
{
    static const uint32_t bad[] = {
        0x3c9 /* EL2h */,    0x3c8 /* EL2t */,
        0x3cd /* EL3h */,    0x3c1 /* EL0 with SP_EL1 */,
        0x1d3 /* AArch32 */,
    };
    struct guest g;
    bool pending;

    guest_new(&g);
    guest_code(&g, HVC(0));
    ck_ok(hv_vcpu_set_pending_interrupt(g.vcpu, HV_INTERRUPT_TYPE_IRQ, true));
    ck_ok(hv_vcpus_exit(&g.vcpu, 1));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        guest_set(&g, HV_REG_CPSR, bad[i]);
        ck_fails(hv_vcpu_run(g.vcpu), HV_ILLEGAL_GUEST_STATE);
        ck_assert_uint_eq(guest_get(&g, HV_REG_PC), CODE);
    }
    /* such a run reports nothing and clears nothing */
    ck_ok(
        hv_vcpu_get_pending_interrupt(g.vcpu, HV_INTERRUPT_TYPE_IRQ, &pending));
    ck_assert(pending);
    guest_set(&g, HV_REG_CPSR, CPSR_EL1H);
    ck_ok(hv_vcpu_run(g.vcpu));
    ck_assert_uint_eq(g.exit->reason, HV_EXIT_REASON_CANCELED);
    guest_end(&g);
}
END_TEST

/* ---- what is not supported ---------------------------------------------- */

START_TEST(sme_is_unsupported)
{
    hv_sme_zt0_uchar64_t zt0 = {0};
    hv_vcpu_sme_state_t sme = {false, false};
    uint8_t bytes[16] = {0};
    struct guest g;
    size_t size;

    ck_fails(hv_sme_config_get_max_svl_bytes(&size), HV_UNSUPPORTED);
    ck_fails(hv_sme_config_get_max_svl_bytes(NULL), HV_BAD_ARGUMENT);
    guest_new(&g);
    ck_fails(hv_vcpu_get_sme_state(g.vcpu, &sme), HV_UNSUPPORTED);
    ck_fails(hv_vcpu_set_sme_state(g.vcpu, &sme), HV_UNSUPPORTED);
    ck_fails(hv_vcpu_get_sme_z_reg(g.vcpu, 0, bytes, 16), HV_UNSUPPORTED);
    ck_fails(hv_vcpu_set_sme_z_reg(g.vcpu, 0, bytes, 16), HV_UNSUPPORTED);
    ck_fails(hv_vcpu_get_sme_p_reg(g.vcpu, 0, bytes, 2), HV_UNSUPPORTED);
    ck_fails(hv_vcpu_set_sme_p_reg(g.vcpu, 0, bytes, 2), HV_UNSUPPORTED);
    ck_fails(hv_vcpu_get_sme_za_reg(g.vcpu, bytes, 16), HV_UNSUPPORTED);
    ck_fails(hv_vcpu_set_sme_za_reg(g.vcpu, bytes, 16), HV_UNSUPPORTED);
    ck_fails(hv_vcpu_get_sme_zt0_reg(g.vcpu, &zt0), HV_UNSUPPORTED);
    ck_fails(hv_vcpu_set_sme_zt0_reg(g.vcpu, &zt0), HV_UNSUPPORTED);
    guest_end(&g);
}
END_TEST

START_TEST(gic_configuration_is_checked)
{
    hv_gic_config_t config = hv_gic_config_create();
    uint64_t top = 0 - (uint64_t)0x10000;

    ck_ok(hv_gic_config_set_distributor_base(config, 0x08000000));
    ck_fails(hv_gic_config_set_distributor_base(config, 0x08001000),
             HV_BAD_ARGUMENT);
    ck_fails(hv_gic_config_set_distributor_base(config, top), HV_BAD_ARGUMENT);
    ck_fails(hv_gic_config_set_distributor_base(NULL, 0), HV_BAD_ARGUMENT);
    ck_ok(hv_gic_config_set_redistributor_base(config, 0x080a0000));
    ck_fails(hv_gic_config_set_redistributor_base(config, 0x080a8000),
             HV_BAD_ARGUMENT);
    ck_fails(hv_gic_config_set_redistributor_base(config, top - 0x10000),
             HV_BAD_ARGUMENT);
    ck_ok(hv_gic_config_set_msi_region_base(config, 0x08020000));
    ck_fails(hv_gic_config_set_msi_region_base(config, 1), HV_BAD_ARGUMENT);
    ck_ok(hv_gic_config_set_msi_interrupt_range(config, 32, 988));
    ck_ok(hv_gic_config_set_msi_interrupt_range(config, 1019, 1));
    ck_fails(hv_gic_config_set_msi_interrupt_range(config, 31, 1),
             HV_BAD_ARGUMENT);
    ck_fails(hv_gic_config_set_msi_interrupt_range(config, 32, 989),
             HV_BAD_ARGUMENT);
    ck_fails(hv_gic_config_set_msi_interrupt_range(config, 32, 0),
             HV_BAD_ARGUMENT);
    ck_fails(
        hv_gic_config_set_msi_interrupt_range(config, UINT32_MAX, UINT32_MAX),
        HV_BAD_ARGUMENT);
    os_release(config);
}
END_TEST

START_TEST(gic_parameters_are_known)
{
    static const struct {
        hv_return_t (*get)(size_t *value);
        size_t value;
    } sizes[] = {
        {hv_gic_get_distributor_size, 0x10000},
        {hv_gic_get_distributor_base_alignment, 0x10000},
        {hv_gic_get_redistributor_region_size, 0x2000000},
        {hv_gic_get_redistributor_size, 0x20000},
        {hv_gic_get_redistributor_base_alignment, 0x10000},
        {hv_gic_get_msi_region_size, 0x10000},
        {hv_gic_get_msi_region_base_alignment, 0x10000},
    };
    static const hv_gic_intid_t intids[] = {23, 25, 26, 27, 30};
    uint32_t base, count, intid;
    size_t size;

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        ck_ok(sizes[i].get(&size));
        ck_assert_uint_eq(size, sizes[i].value);
        ck_fails(sizes[i].get(NULL), HV_BAD_ARGUMENT);
    }
    ck_ok(hv_gic_get_spi_interrupt_range(&base, &count));
    ck_assert_uint_eq(base, 32);
    ck_assert_uint_eq(count, 988);
    ck_fails(hv_gic_get_spi_interrupt_range(&base, NULL), HV_BAD_ARGUMENT);
    ck_fails(hv_gic_get_spi_interrupt_range(NULL, &count), HV_BAD_ARGUMENT);
    for (size_t i = 0; i < sizeof(intids) / sizeof(intids[0]); i++) {
        ck_ok(hv_gic_get_intid(intids[i], &intid));
        ck_assert_uint_eq(intid, intids[i]);
    }
    ck_fails(hv_gic_get_intid(24, &intid), HV_BAD_ARGUMENT);
    ck_fails(hv_gic_get_intid(27, NULL), HV_BAD_ARGUMENT);
}
END_TEST

static void gic_all_fail(hv_return_t code)
{
    uint64_t value;
    hv_ipa_t base;

    ck_fails(hv_gic_set_spi(32, true), code);
    ck_fails(hv_gic_send_msi(0x08020040, 64), code);
    ck_fails(hv_gic_get_distributor_reg(0, &value), code);
    ck_fails(hv_gic_set_distributor_reg(0, 0), code);
    ck_fails(hv_gic_get_redistributor_base(0, &base), code);
    ck_fails(hv_gic_get_msi_reg(HV_GIC_REG_GICM_TYPER, &value), code);
    ck_fails(hv_gic_set_msi_reg(HV_GIC_REG_GICM_TYPER, 0), code);
    ck_fails(hv_gic_set_state(&value, sizeof(value)), code);
    ck_fails(hv_gic_reset(), code);
}

START_TEST(gic_is_unsupported)
{
    hv_gic_config_t config = hv_gic_config_create();
    uint64_t value;
    struct guest g;
    size_t size;

    ck_fails(hv_gic_create(config), HV_NO_DEVICE);
    gic_all_fail(HV_NO_DEVICE);
    guest_new(&g);
    ck_fails(hv_gic_create(NULL), HV_BAD_ARGUMENT);
    ck_fails(hv_gic_create(config), HV_BAD_ARGUMENT); /* no redistributors */
    ck_ok(hv_gic_config_set_redistributor_base(config, 0x080a0000));
    ck_fails(hv_gic_create(config), HV_UNSUPPORTED);
    os_release(config);
    gic_all_fail(HV_UNSUPPORTED);
    ck_fails(hv_gic_get_redistributor_reg(
                 g.vcpu, HV_GIC_REDISTRIBUTOR_REG_GICR_TYPER, &value),
             HV_UNSUPPORTED);
    ck_fails(hv_gic_set_redistributor_reg(
                 g.vcpu, HV_GIC_REDISTRIBUTOR_REG_GICR_TYPER, 0),
             HV_UNSUPPORTED);
    ck_fails(hv_gic_get_icc_reg(g.vcpu, HV_GIC_ICC_REG_PMR_EL1, &value),
             HV_UNSUPPORTED);
    ck_fails(hv_gic_set_icc_reg(g.vcpu, HV_GIC_ICC_REG_PMR_EL1, 0),
             HV_UNSUPPORTED);
    ck_fails(hv_gic_get_ich_reg(g.vcpu, HV_GIC_ICH_REG_HCR_EL2, &value),
             HV_UNSUPPORTED);
    ck_fails(hv_gic_set_ich_reg(g.vcpu, HV_GIC_ICH_REG_HCR_EL2, 0),
             HV_UNSUPPORTED);
    ck_fails(hv_gic_get_icv_reg(g.vcpu, HV_GIC_ICV_REG_PMR_EL1, &value),
             HV_UNSUPPORTED);
    ck_fails(hv_gic_set_icv_reg(g.vcpu, HV_GIC_ICV_REG_PMR_EL1, 0),
             HV_UNSUPPORTED);
    ck_assert_ptr_null(hv_gic_state_create());
    ck_fails(hv_gic_state_get_size(NULL, &size), HV_BAD_ARGUMENT);
    ck_fails(hv_gic_state_get_data(NULL, &size), HV_BAD_ARGUMENT);
    guest_end(&g);
}
END_TEST

/* ---- time and fork ------------------------------------------------------ */

static uint64_t exact_ticks(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)(((unsigned __int128)t.tv_sec * 1000000000 +
                       (uint64_t)t.tv_nsec) *
                      3 / 125);
}

START_TEST(time_is_the_monotonic_clock_in_24_mhz)
{
    mach_timebase_info_data_t info;

    for (int i = 0; i < 100000; i++) {
        uint64_t before = exact_ticks();
        uint64_t now = mach_absolute_time();
        uint64_t after = exact_ticks();

        ck_assert_uint_le(before, now);
        ck_assert_uint_le(now, after);
    }
    ck_assert_int_eq(mach_timebase_info(&info), KERN_SUCCESS);
    ck_assert_uint_eq(info.numer, 125);
    ck_assert_uint_eq(info.denom, 3);
    ck_assert_int_ne(mach_timebase_info(NULL), KERN_SUCCESS);
}
END_TEST

/* In a child of fork; its exit code says which step failed. */
static int child_of_fork(hv_vcpu_t parents)
{
    hv_vcpu_exit_t *exit;
    hv_vcpu_t vcpu;

    if (hv_vcpu_run(parents) != HV_NO_DEVICE)
        return 1;
    if (hv_vm_destroy() != HV_NO_DEVICE)
        return 2;
    if (hv_vm_create(NULL) != HV_SUCCESS)
        return 3;
    if (hv_vcpu_create(&vcpu, &exit, NULL) != HV_SUCCESS || vcpu != 0)
        return 4;
    if (hv_vcpu_destroy(vcpu) != HV_SUCCESS)
        return 5;
    if (hv_vm_destroy() != HV_SUCCESS)
        return 6;
    return 0;
}

START_TEST(fork_leaves_the_vm_behind)
{
    struct holder h;
    struct guest g;
    int status;
    pid_t pid;

    guest_new(&g);
    hold_start(&h);
    pid = fork();
    if (pid == 0)
        _exit(child_of_fork(g.vcpu));
    ck_assert_int_gt(pid, 0);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), 0);
    /* the parent's is as it was */
    guest_code(&g, HVC(0));
    ck_assert_uint_eq(guest_run(&g), EC_HVC);
    hold_end(&h);
    guest_end(&g);
}
END_TEST

/* ---- suite -------------------------------------------------------------- */

int main(void)
{
    Suite *suite = suite_create("api");
    TCase *t = tcase_create("api");
    SRunner *runner;
    int failed;

    tcase_set_timeout(t, 60);
    tcase_add_test(t, vm_is_one_per_process);
    tcase_add_test(t, vm_stays_while_it_has_a_vcpu);
    tcase_add_test(t, vm_refuses_what_it_cannot_be);
    tcase_add_test(t, vm_count_needs_no_vm);
    tcase_add_test(t, nothing_works_without_a_vm);
    tcase_add_test(t, vm_config_ipa_size);
    tcase_add_test(t, vm_config_el2);
    tcase_add_test(t, vm_config_granule);
    tcase_add_test(t, objects_are_told_apart);
    tcase_add_test(t, objects_count_references);
    tcase_add_test(t, vcpu_config_says_what_a_vcpu_has);
    tcase_add_test(t, ccsidr_agrees_with_clidr);
    tcase_add_test(t, map_keeps_to_the_granule);
    tcase_add_test(t, map_refuses_bad_arguments);
    tcase_add_test(t, map_size_is_the_vms);
    tcase_add_test(t, map_never_replaces);
    tcase_add_test(t, unmap_is_page_wise);
    tcase_add_test(t, protect_needs_every_page);
    tcase_add_test(t, allocate_gives_zeroed_pages);
    tcase_add_test(t, vcpu_is_one_per_thread);
    tcase_add_test(t, vcpu_accepts_a_configuration);
    tcase_add_test(t, vcpu_ids_are_the_lowest_free);
    tcase_add_test(t, vcpu_belongs_to_its_thread);
    tcase_add_test(t, a_vcpu_outlives_its_thread);
    tcase_add_test(t, memory_may_run_out);
    tcase_add_test(t, what_needs_a_result_refuses_null);
    tcase_add_test(t, vcpus_exit_checks_before_it_acts);
    tcase_add_test(t, registers_start_as_documented);
    tcase_add_test(t, registers_start_anew);
    tcase_add_test(t, general_registers_hold_64_bits);
    tcase_add_test(t, status_registers_read_back_as_written);
    tcase_add_test(t, registers_have_an_end);
    tcase_add_test(t, vector_registers_hold_16_bytes);
    tcase_add_test(t, system_registers_read_back);
    tcase_add_test(t, system_registers_of_other_vms);
    tcase_add_test(t, stack_pointers_follow_cpsr);
    tcase_add_test(t, pending_interrupts_are_two_lines);
    tcase_add_test(t, switches_read_back);
    tcase_add_test(t, timer_status_is_live);
    tcase_add_test(t, invalidate_tlb_knows_its_operations);
    tcase_add_test(t, illegal_state_is_not_entered);
    tcase_add_test(t, sme_is_unsupported);
    tcase_add_test(t, gic_configuration_is_checked);
    tcase_add_test(t, gic_parameters_are_known);
    tcase_add_test(t, gic_is_unsupported);
    tcase_add_test(t, time_is_the_monotonic_clock_in_24_mhz);
    tcase_add_test(t, fork_leaves_the_vm_behind);
    suite_add_tcase(suite, t);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
