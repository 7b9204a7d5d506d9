/*
 * The framework's interrupt controller: its numbers and its configuration are
 * here, the controller is not. hv_gic_create refuses, and so no VM has one.
 */
#include "api.h"
#include "lull/checked.h"

enum {
    FRAME_BYTES = 0x10000,
    ALIGNMENT = FRAME_BYTES,
    REDISTRIBUTOR_BYTES = 2 * FRAME_BYTES, /* RD_base, SGI_base */
    REGION_BYTES = 256 * REDISTRIBUTOR_BYTES,
    SPI_BASE = 32,
    SPI_COUNT = 988,
};

/* ---- configuration ------------------------------------------------------ */

/* Of what is set, only what hv_gic_create looks at is kept; the rest is
 * checked. */
struct hv_gic_config_s {
    struct api_object object;
    bool has_redistributors;
};

hv_gic_config_t hv_gic_config_create(void)
{
    return api_object_new(API_GIC_CONFIG, sizeof(struct hv_gic_config_s));
}

static bool region_ok(hv_gic_config_t config, hv_ipa_t base, uint64_t size)
{
    uint64_t end;

    return api_is(config, API_GIC_CONFIG) && base % ALIGNMENT == 0 &&
           add_ok(base, size, &end);
}

hv_return_t
hv_gic_config_set_distributor_base(hv_gic_config_t config,
                                   hv_ipa_t distributor_base_address)
{
    if (!region_ok(config, distributor_base_address, FRAME_BYTES))
        return HV_BAD_ARGUMENT;
    return HV_SUCCESS;
}

hv_return_t
hv_gic_config_set_redistributor_base(hv_gic_config_t config,
                                     hv_ipa_t redistributor_base_address)
{
    if (!region_ok(config, redistributor_base_address, REGION_BYTES))
        return HV_BAD_ARGUMENT;
    config->has_redistributors = true;
    return HV_SUCCESS;
}

hv_return_t hv_gic_config_set_msi_region_base(hv_gic_config_t config,
                                              hv_ipa_t msi_region_base_address)
{
    if (!region_ok(config, msi_region_base_address, FRAME_BYTES))
        return HV_BAD_ARGUMENT;
    return HV_SUCCESS;
}

hv_return_t hv_gic_config_set_msi_interrupt_range(hv_gic_config_t config,
                                                  uint32_t msi_intid_base,
                                                  uint32_t msi_intid_count)
{
    if (!api_is(config, API_GIC_CONFIG) || msi_intid_count == 0 ||
        !range_within(msi_intid_base, msi_intid_count, SPI_BASE, SPI_COUNT))
        return HV_BAD_ARGUMENT;
    return HV_SUCCESS;
}

/* ---- parameters --------------------------------------------------------- */

static hv_return_t report(size_t *where, size_t value)
{
    if (!where)
        return HV_BAD_ARGUMENT;
    *where = value;
    return HV_SUCCESS;
}

hv_return_t hv_gic_get_distributor_size(size_t *distributor_size)
{
    return report(distributor_size, FRAME_BYTES);
}

hv_return_t
hv_gic_get_distributor_base_alignment(size_t *distributor_base_alignment)
{
    return report(distributor_base_alignment, ALIGNMENT);
}

hv_return_t
hv_gic_get_redistributor_region_size(size_t *redistributor_region_size)
{
    return report(redistributor_region_size, REGION_BYTES);
}

hv_return_t hv_gic_get_redistributor_size(size_t *redistributor_size)
{
    return report(redistributor_size, REDISTRIBUTOR_BYTES);
}

hv_return_t
hv_gic_get_redistributor_base_alignment(size_t *redistributor_base_alignment)
{
    return report(redistributor_base_alignment, ALIGNMENT);
}

hv_return_t hv_gic_get_msi_region_size(size_t *msi_region_size)
{
    return report(msi_region_size, FRAME_BYTES);
}

hv_return_t
hv_gic_get_msi_region_base_alignment(size_t *msi_region_base_alignment)
{
    return report(msi_region_base_alignment, ALIGNMENT);
}

hv_return_t hv_gic_get_spi_interrupt_range(uint32_t *spi_intid_base,
                                           uint32_t *spi_intid_count)
{
    if (!spi_intid_base || !spi_intid_count)
        return HV_BAD_ARGUMENT;
    *spi_intid_base = SPI_BASE;
    *spi_intid_count = SPI_COUNT;
    return HV_SUCCESS;
}

hv_return_t hv_gic_get_intid(hv_gic_intid_t interrupt, uint32_t *intid)
{
    if (!intid)
        return HV_BAD_ARGUMENT;
    switch (interrupt) {
    case HV_GIC_INT_PERFORMANCE_MONITOR:
    case HV_GIC_INT_MAINTENANCE:
    case HV_GIC_INT_EL2_PHYSICAL_TIMER:
    case HV_GIC_INT_EL1_VIRTUAL_TIMER:
    case HV_GIC_INT_EL1_PHYSICAL_TIMER:
        *intid = interrupt;
        return HV_SUCCESS;
    default:
        return HV_BAD_ARGUMENT;
    }
}

/* ---- the controller that is not there ----------------------------------- */

hv_return_t hv_gic_create(hv_gic_config_t gic_config)
{
    hv_return_t absent = api_vm_present();

    if (absent)
        return absent;
    if (!api_is(gic_config, API_GIC_CONFIG) || !gic_config->has_redistributors)
        return HV_BAD_ARGUMENT;
    return HV_UNSUPPORTED;
}

static hv_return_t no_gic(void)
{
    hv_return_t absent = api_vm_present();

    return absent ? absent : HV_UNSUPPORTED;
}

static hv_return_t no_gic_on(hv_vcpu_t vcpu)
{
    struct api_vcpu *own;
    hv_return_t result = api_own(vcpu, &own);

    return result ? result : HV_UNSUPPORTED;
}

hv_return_t hv_gic_set_spi(uint32_t intid, bool level)
{
    return no_gic();
}

hv_return_t hv_gic_send_msi(hv_ipa_t address, uint32_t intid)
{
    return no_gic();
}

hv_return_t hv_gic_get_distributor_reg(hv_gic_distributor_reg_t reg,
                                       uint64_t *value)
{
    return no_gic();
}

hv_return_t hv_gic_set_distributor_reg(hv_gic_distributor_reg_t reg,
                                       uint64_t value)
{
    return no_gic();
}

hv_return_t hv_gic_get_redistributor_base(hv_vcpu_t vcpu,
                                          hv_ipa_t *redistributor_base_address)
{
    return no_gic();
}

hv_return_t hv_gic_get_redistributor_reg(hv_vcpu_t vcpu,
                                         hv_gic_redistributor_reg_t reg,
                                         uint64_t *value)
{
    return no_gic_on(vcpu);
}

hv_return_t hv_gic_set_redistributor_reg(hv_vcpu_t vcpu,
                                         hv_gic_redistributor_reg_t reg,
                                         uint64_t value)
{
    return no_gic_on(vcpu);
}

hv_return_t hv_gic_get_icc_reg(hv_vcpu_t vcpu, hv_gic_icc_reg_t reg,
                               uint64_t *value)
{
    return no_gic_on(vcpu);
}

hv_return_t hv_gic_set_icc_reg(hv_vcpu_t vcpu, hv_gic_icc_reg_t reg,
                               uint64_t value)
{
    return no_gic_on(vcpu);
}

hv_return_t hv_gic_get_ich_reg(hv_vcpu_t vcpu, hv_gic_ich_reg_t reg,
                               uint64_t *value)
{
    return no_gic_on(vcpu);
}

hv_return_t hv_gic_set_ich_reg(hv_vcpu_t vcpu, hv_gic_ich_reg_t reg,
                               uint64_t value)
{
    return no_gic_on(vcpu);
}

hv_return_t hv_gic_get_icv_reg(hv_vcpu_t vcpu, hv_gic_icv_reg_t reg,
                               uint64_t *value)
{
    return no_gic_on(vcpu);
}

hv_return_t hv_gic_set_icv_reg(hv_vcpu_t vcpu, hv_gic_icv_reg_t reg,
                               uint64_t value)
{
    return no_gic_on(vcpu);
}

hv_return_t hv_gic_get_msi_reg(hv_gic_msi_reg_t reg, uint64_t *value)
{
    return no_gic();
}

hv_return_t hv_gic_set_msi_reg(hv_gic_msi_reg_t reg, uint64_t value)
{
    return no_gic();
}

hv_return_t hv_gic_set_state(const void *gic_state_data, size_t gic_state_size)
{
    return no_gic();
}

hv_return_t hv_gic_reset(void)
{
    return no_gic();
}

/* No state object was ever made, so none can be right. */
hv_gic_state_t hv_gic_state_create(void)
{
    return NULL;
}

hv_return_t hv_gic_state_get_size(hv_gic_state_t state, size_t *gic_state_size)
{
    return HV_BAD_ARGUMENT;
}

hv_return_t hv_gic_state_get_data(hv_gic_state_t state, void *gic_state_data)
{
    return HV_BAD_ARGUMENT;
}
