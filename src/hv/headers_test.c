/*
 * The public headers' widths, layouts and values, checked by the compiler
 * alone; headers_test.sh compiles this file in several languages. Values that
 * a slip in the generating macros would shift are checked at both ends.
 */
#include <Hypervisor/Hypervisor.h>
#include <arm64/hv/hv_kern_types.h>
#include <mach/error.h>
#include <mach/mach_error.h>
#include <mach/mach_time.h>
#include <os/object.h>

#ifdef __cplusplus
#define CHECK(condition) static_assert(condition, #condition)
#else
#define CHECK(condition) _Static_assert(condition, #condition)
#endif

/* results */
CHECK(HV_SUCCESS == 0);
CHECK((int)HV_ERROR == -85377023);
CHECK((int)HV_BUSY == -85377022);
CHECK((int)HV_BAD_ARGUMENT == -85377021);
CHECK((int)HV_ILLEGAL_GUEST_STATE == -85377020);
CHECK((int)HV_NO_RESOURCES == -85377019);
CHECK((int)HV_NO_DEVICE == -85377018);
CHECK((int)HV_DENIED == -85377017);
CHECK((int)HV_EXISTS == -85377016);
CHECK((int)HV_UNSUPPORTED == -85377009);
CHECK(HV_ERROR < 0);
CHECK(err_get_system(HV_BUSY) == 0x3e);
CHECK(err_get_sub(HV_BUSY) == 0xba5);
CHECK(err_get_code(HV_BUSY) == 2);

/* widths */
CHECK(sizeof(hv_return_t) == 4);
CHECK(sizeof(hv_vcpu_t) == 8);
CHECK(sizeof(hv_ipa_t) == 8);
CHECK(sizeof(hv_memory_flags_t) == 8);
CHECK(sizeof(hv_allocate_flags_t) == 8);
CHECK(sizeof(hv_exception_syndrome_t) == 8);
CHECK(sizeof(hv_exception_address_t) == 8);
CHECK(sizeof(hv_sys_reg_t) == 2);
CHECK(sizeof(hv_gic_intid_t) == 2);
CHECK(sizeof(hv_gic_distributor_reg_t) == 2);
CHECK(sizeof(hv_gic_icc_reg_t) == 2);
CHECK(sizeof(hv_gic_ich_reg_t) == 2);
CHECK(sizeof(hv_gic_icv_reg_t) == 2);
CHECK(sizeof(hv_gic_msi_reg_t) == 2);
CHECK(sizeof(hv_tlbi_op_t) == 2);
CHECK(sizeof(hv_exit_reason_t) == 4);
CHECK(sizeof(hv_reg_t) == 4);
CHECK(sizeof(hv_simd_fp_reg_t) == 4);
CHECK(sizeof(hv_sme_z_reg_t) == 4);
CHECK(sizeof(hv_sme_p_reg_t) == 4);
CHECK(sizeof(hv_interrupt_type_t) == 4);
CHECK(sizeof(hv_cache_type_t) == 4);
CHECK(sizeof(hv_feature_reg_t) == 4);
CHECK(sizeof(hv_ipa_granule_t) == 4);
CHECK(sizeof(hv_gic_redistributor_reg_t) == 4);
CHECK(sizeof(hv_vm_config_t) == sizeof(void *));

/* layouts */
CHECK(sizeof(hv_vcpu_exit_t) == 32);
CHECK(sizeof(hv_vcpu_exit_exception_t) == 24);
CHECK(offsetof(hv_vcpu_exit_t, reason) == 0);
CHECK(offsetof(hv_vcpu_exit_t, exception) == 8);
CHECK(offsetof(hv_vcpu_exit_exception_t, syndrome) == 0);
CHECK(offsetof(hv_vcpu_exit_exception_t, virtual_address) == 8);
CHECK(offsetof(hv_vcpu_exit_exception_t, physical_address) == 16);
CHECK(sizeof(hv_simd_fp_uchar16_t) == 16);
CHECK(sizeof(hv_sme_zt0_uchar64_t) == 64);
CHECK(sizeof(hv_vcpu_sme_state_t) == 2);
#ifdef __cplusplus
CHECK(alignof(hv_simd_fp_uchar16_t) == 16);
#else
CHECK(_Alignof(hv_simd_fp_uchar16_t) == 16);
#endif

/* registers and small enumerations */
CHECK(HV_REG_X0 == 0 && HV_REG_X28 == 28);
CHECK(HV_REG_FP == 29 && HV_REG_LR == 30);
CHECK(HV_REG_PC == 31 && HV_REG_FPCR == 32);
CHECK(HV_REG_FPSR == 33 && HV_REG_CPSR == 34);
CHECK(HV_SIMD_FP_REG_Q0 == 0 && HV_SIMD_FP_REG_Q31 == 31);
CHECK(HV_SME_Z_REG_31 == 31 && HV_SME_P_REG_15 == 15);
CHECK(HV_EXIT_REASON_CANCELED == 0 && HV_EXIT_REASON_EXCEPTION == 1);
CHECK(HV_EXIT_REASON_VTIMER_ACTIVATED == 2 && HV_EXIT_REASON_UNKNOWN == 3);
CHECK(HV_INTERRUPT_TYPE_IRQ == 0 && HV_INTERRUPT_TYPE_FIQ == 1);
CHECK(HV_CACHE_TYPE_DATA == 0 && HV_CACHE_TYPE_INSTRUCTION == 1);
CHECK(HV_MEMORY_READ == 1 && HV_MEMORY_WRITE == 2 && HV_MEMORY_EXEC == 4);
CHECK(HV_ALLOCATE_DEFAULT == 0);
CHECK(HV_IPA_GRANULE_4KB == 0 && HV_IPA_GRANULE_16KB == 1);
CHECK(HV_FEATURE_REG_ID_AA64DFR0_EL1 == 0);
CHECK(HV_FEATURE_REG_ID_AA64PFR1_EL1 == 8);
CHECK(HV_FEATURE_REG_ID_AA64MMFR4_EL1 == 17);
CHECK(HV_TLBI_OP_RVAE1IS == 0x11 && HV_TLBI_OP_VAALE1IS == 0x1f);

/* op0 << 14 | op1 << 11 | CRn << 7 | CRm << 3 | op2 */
#define ENCODE(op0, op1, crn, crm, op2)                                        \
    ((op0) << 14 | (op1) << 11 | (crn) << 7 | (crm) << 3 | (op2))
CHECK(HV_SYS_REG_DBGBVR0_EL1 == ENCODE(2, 0, 0, 0, 4));
CHECK(HV_SYS_REG_DBGBCR1_EL1 == ENCODE(2, 0, 0, 1, 5));
CHECK(HV_SYS_REG_DBGWVR8_EL1 == ENCODE(2, 0, 0, 8, 6));
CHECK(HV_SYS_REG_DBGWCR15_EL1 == ENCODE(2, 0, 0, 15, 7));
CHECK(HV_SYS_REG_MDSCR_EL1 == ENCODE(2, 0, 0, 2, 2));
CHECK(HV_SYS_REG_MIDR_EL1 == ENCODE(3, 0, 0, 0, 0));
CHECK(HV_SYS_REG_MPIDR_EL1 == ENCODE(3, 0, 0, 0, 5));
CHECK(HV_SYS_REG_SCTLR_EL1 == ENCODE(3, 0, 1, 0, 0));
CHECK(HV_SYS_REG_APGAKEYHI_EL1 == ENCODE(3, 0, 2, 3, 1));
CHECK(HV_SYS_REG_VBAR_EL1 == ENCODE(3, 0, 12, 0, 0));
CHECK(HV_SYS_REG_CNTV_CTL_EL0 == ENCODE(3, 3, 14, 3, 1));
CHECK(HV_SYS_REG_SP_EL1 == ENCODE(3, 4, 4, 1, 0));
CHECK(HV_SYS_REG_SP_EL2 == ENCODE(3, 6, 4, 1, 0));

/* the interrupt controller */
#define GICD(reg) HV_GIC_DISTRIBUTOR_REG_GICD_##reg
CHECK(GICD(CTLR) == 0 && GICD(TYPER) == 4 && GICD(PIDR2) == 0xffe8);
CHECK(GICD(IGROUPR0) == 0x80 && GICD(IGROUPR31) == 0xfc);
CHECK(GICD(ISENABLER10) == 0x128 && GICD(ICENABLER31) == 0x1fc);
CHECK(GICD(ISPENDR9) == 0x224 && GICD(ICPENDR31) == 0x2fc);
CHECK(GICD(ISACTIVER0) == 0x300 && GICD(ICACTIVER31) == 0x3fc);
CHECK(GICD(IPRIORITYR0) == 0x400 && GICD(IPRIORITYR9) == 0x424);
CHECK(GICD(IPRIORITYR69) == 0x514 && GICD(IPRIORITYR70) == 0x518);
CHECK(GICD(IPRIORITYR100) == 0x590 && GICD(IPRIORITYR199) == 0x71c);
CHECK(GICD(IPRIORITYR200) == 0x720 && GICD(IPRIORITYR254) == 0x7f8);
CHECK(GICD(ICFGR0) == 0xc00 && GICD(ICFGR63) == 0xcfc);
CHECK(GICD(IROUTER32) == 0x6100 && GICD(IROUTER39) == 0x6138);
CHECK(GICD(IROUTER40) == 0x6140 && GICD(IROUTER99) == 0x6318);
CHECK(GICD(IROUTER100) == 0x6320 && GICD(IROUTER999) == 0x7f38);
CHECK(GICD(IROUTER1000) == 0x7f40 && GICD(IROUTER1019) == 0x7fd8);
CHECK(HV_GIC_REDISTRIBUTOR_REG_GICR_TYPER == 8);
CHECK(HV_GIC_REDISTRIBUTOR_REG_GICR_IPRIORITYR7 == 0x1041c);
CHECK(HV_GIC_REDISTRIBUTOR_REG_GICR_ICFGR1 == 0x10c04);
CHECK(HV_GIC_INT_PERFORMANCE_MONITOR == 23);
CHECK(HV_GIC_INT_EL1_VIRTUAL_TIMER == 27);
CHECK(HV_GIC_INT_EL1_PHYSICAL_TIMER == 30);
CHECK(HV_GIC_REG_GICM_TYPER == 8 && HV_GIC_REG_GICM_SET_SPI_NSR == 0x40);
CHECK(HV_GIC_ICC_REG_PMR_EL1 == ENCODE(3, 0, 4, 6, 0));
CHECK(HV_GIC_ICC_REG_SRE_EL2 == ENCODE(3, 4, 12, 9, 5));
CHECK(HV_GIC_ICV_REG_IGRPEN1_EL1 == ENCODE(3, 0, 12, 12, 7));
CHECK(HV_GIC_ICH_REG_LR15_EL2 == ENCODE(3, 4, 12, 13, 7));

/* An availability check is an expression, and true. */
#ifdef __cplusplus
extern "C"
#endif
    int
    headers_test_is_available(void);
int headers_test_is_available(void)
{
    if (__builtin_available(macOS 15.2, *))
        return 1;
    return 0;
}
