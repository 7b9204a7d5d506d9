/*
 * Types of the vCPU functions: registers, exits, interrupts.
 */
#ifndef LULL_HV_VCPU_TYPES_H
#define LULL_HV_VCPU_TYPES_H

#include <Hypervisor/hv_base.h>

/* A vCPU: a number from 0 to 63. */
typedef uint64_t hv_vcpu_t;

/* What a vCPU is to be like; see hv_vcpu_config.h. */
typedef struct hv_vcpu_config_s *hv_vcpu_config_t;

/* ---- exits -------------------------------------------------------------- */

typedef uint32_t hv_exit_reason_t;

enum {
    HV_EXIT_REASON_CANCELED = 0,         /* hv_vcpus_exit */
    HV_EXIT_REASON_EXCEPTION = 1,        /* a trap: see the record */
    HV_EXIT_REASON_VTIMER_ACTIVATED = 2, /* the timer, now masked */
    HV_EXIT_REASON_UNKNOWN = 3           /* our library never says so */
};

typedef uint64_t hv_exception_syndrome_t; /* as ESR_EL2 */
typedef uint64_t hv_exception_address_t;  /* as FAR_EL2 */

/* Of HV_EXIT_REASON_EXCEPTION. The addresses are those of a data or
 * instruction abort, exact to the byte, and 0 for other classes. */
typedef struct {
    hv_exception_syndrome_t syndrome;
    hv_exception_address_t virtual_address;
    hv_ipa_t physical_address;
} hv_vcpu_exit_exception_t;

/* Why hv_vcpu_run returned. Other reasons leave `exception` as it was. */
typedef struct {
    hv_exit_reason_t reason;
    hv_vcpu_exit_exception_t exception;
} hv_vcpu_exit_t;

HV_STATIC_ASSERT_(sizeof(hv_vcpu_exit_exception_t) == 24, "exit layout");
HV_STATIC_ASSERT_(sizeof(hv_vcpu_exit_t) == 32, "exit layout");
HV_STATIC_ASSERT_(offsetof(hv_vcpu_exit_t, exception) == 8, "exit layout");
HV_STATIC_ASSERT_(offsetof(hv_vcpu_exit_t, exception.physical_address) == 24,
                  "exit layout");

/* ---- general registers -------------------------------------------------- */

/* The stack pointers are system registers, SP_EL0 and SP_EL1. */
typedef uint32_t hv_reg_t;

enum {
    HV_REG_X0 = 0,
    HV_REG_X1 = 1,
    HV_REG_X2 = 2,
    HV_REG_X3 = 3,
    HV_REG_X4 = 4,
    HV_REG_X5 = 5,
    HV_REG_X6 = 6,
    HV_REG_X7 = 7,
    HV_REG_X8 = 8,
    HV_REG_X9 = 9,
    HV_REG_X10 = 10,
    HV_REG_X11 = 11,
    HV_REG_X12 = 12,
    HV_REG_X13 = 13,
    HV_REG_X14 = 14,
    HV_REG_X15 = 15,
    HV_REG_X16 = 16,
    HV_REG_X17 = 17,
    HV_REG_X18 = 18,
    HV_REG_X19 = 19,
    HV_REG_X20 = 20,
    HV_REG_X21 = 21,
    HV_REG_X22 = 22,
    HV_REG_X23 = 23,
    HV_REG_X24 = 24,
    HV_REG_X25 = 25,
    HV_REG_X26 = 26,
    HV_REG_X27 = 27,
    HV_REG_X28 = 28,
    HV_REG_X29 = 29,
    HV_REG_X30 = 30,
    HV_REG_FP = HV_REG_X29,
    HV_REG_LR = HV_REG_X30,
    HV_REG_PC = 31,
    HV_REG_FPCR = 32,
    HV_REG_FPSR = 33,
    HV_REG_CPSR = 34
};

/* ---- vector registers --------------------------------------------------- */

typedef uint32_t hv_simd_fp_reg_t;

enum {
    HV_SIMD_FP_REG_Q0 = 0,
    HV_SIMD_FP_REG_Q1 = 1,
    HV_SIMD_FP_REG_Q2 = 2,
    HV_SIMD_FP_REG_Q3 = 3,
    HV_SIMD_FP_REG_Q4 = 4,
    HV_SIMD_FP_REG_Q5 = 5,
    HV_SIMD_FP_REG_Q6 = 6,
    HV_SIMD_FP_REG_Q7 = 7,
    HV_SIMD_FP_REG_Q8 = 8,
    HV_SIMD_FP_REG_Q9 = 9,
    HV_SIMD_FP_REG_Q10 = 10,
    HV_SIMD_FP_REG_Q11 = 11,
    HV_SIMD_FP_REG_Q12 = 12,
    HV_SIMD_FP_REG_Q13 = 13,
    HV_SIMD_FP_REG_Q14 = 14,
    HV_SIMD_FP_REG_Q15 = 15,
    HV_SIMD_FP_REG_Q16 = 16,
    HV_SIMD_FP_REG_Q17 = 17,
    HV_SIMD_FP_REG_Q18 = 18,
    HV_SIMD_FP_REG_Q19 = 19,
    HV_SIMD_FP_REG_Q20 = 20,
    HV_SIMD_FP_REG_Q21 = 21,
    HV_SIMD_FP_REG_Q22 = 22,
    HV_SIMD_FP_REG_Q23 = 23,
    HV_SIMD_FP_REG_Q24 = 24,
    HV_SIMD_FP_REG_Q25 = 25,
    HV_SIMD_FP_REG_Q26 = 26,
    HV_SIMD_FP_REG_Q27 = 27,
    HV_SIMD_FP_REG_Q28 = 28,
    HV_SIMD_FP_REG_Q29 = 29,
    HV_SIMD_FP_REG_Q30 = 30,
    HV_SIMD_FP_REG_Q31 = 31,
};

/* The 16 bytes of a vector register; passed as the host passes vectors. */
typedef uint8_t hv_simd_fp_uchar16_t __attribute__((__vector_size__(16)));

HV_STATIC_ASSERT_(sizeof(hv_simd_fp_uchar16_t) == 16, "vector layout");

/* ---- the Scalable Matrix Extension -------------------------------------- */

/* PSTATE.SM and PSTATE.ZA. */
typedef struct {
    bool streaming_sve_mode_enabled;
    bool za_storage_enabled;
} hv_vcpu_sme_state_t;

HV_STATIC_ASSERT_(sizeof(hv_vcpu_sme_state_t) == 2, "SME state layout");

typedef uint32_t hv_sme_z_reg_t;

enum {
    HV_SME_Z_REG_0 = 0,
    HV_SME_Z_REG_1 = 1,
    HV_SME_Z_REG_2 = 2,
    HV_SME_Z_REG_3 = 3,
    HV_SME_Z_REG_4 = 4,
    HV_SME_Z_REG_5 = 5,
    HV_SME_Z_REG_6 = 6,
    HV_SME_Z_REG_7 = 7,
    HV_SME_Z_REG_8 = 8,
    HV_SME_Z_REG_9 = 9,
    HV_SME_Z_REG_10 = 10,
    HV_SME_Z_REG_11 = 11,
    HV_SME_Z_REG_12 = 12,
    HV_SME_Z_REG_13 = 13,
    HV_SME_Z_REG_14 = 14,
    HV_SME_Z_REG_15 = 15,
    HV_SME_Z_REG_16 = 16,
    HV_SME_Z_REG_17 = 17,
    HV_SME_Z_REG_18 = 18,
    HV_SME_Z_REG_19 = 19,
    HV_SME_Z_REG_20 = 20,
    HV_SME_Z_REG_21 = 21,
    HV_SME_Z_REG_22 = 22,
    HV_SME_Z_REG_23 = 23,
    HV_SME_Z_REG_24 = 24,
    HV_SME_Z_REG_25 = 25,
    HV_SME_Z_REG_26 = 26,
    HV_SME_Z_REG_27 = 27,
    HV_SME_Z_REG_28 = 28,
    HV_SME_Z_REG_29 = 29,
    HV_SME_Z_REG_30 = 30,
    HV_SME_Z_REG_31 = 31,
};

typedef uint32_t hv_sme_p_reg_t;

enum {
    HV_SME_P_REG_0 = 0,
    HV_SME_P_REG_1 = 1,
    HV_SME_P_REG_2 = 2,
    HV_SME_P_REG_3 = 3,
    HV_SME_P_REG_4 = 4,
    HV_SME_P_REG_5 = 5,
    HV_SME_P_REG_6 = 6,
    HV_SME_P_REG_7 = 7,
    HV_SME_P_REG_8 = 8,
    HV_SME_P_REG_9 = 9,
    HV_SME_P_REG_10 = 10,
    HV_SME_P_REG_11 = 11,
    HV_SME_P_REG_12 = 12,
    HV_SME_P_REG_13 = 13,
    HV_SME_P_REG_14 = 14,
    HV_SME_P_REG_15 = 15,
};

/* The 64 bytes of ZT0; never passed by value. */
typedef uint8_t hv_sme_zt0_uchar64_t __attribute__((__vector_size__(64)));

HV_STATIC_ASSERT_(sizeof(hv_sme_zt0_uchar64_t) == 64, "vector layout");

/* ---- interrupts, caches, features --------------------------------------- */

typedef uint32_t hv_interrupt_type_t;

enum { HV_INTERRUPT_TYPE_IRQ = 0, HV_INTERRUPT_TYPE_FIQ = 1 };

typedef uint32_t hv_cache_type_t;

enum {
    HV_CACHE_TYPE_DATA = 0, /* or unified */
    HV_CACHE_TYPE_INSTRUCTION = 1
};

typedef uint32_t hv_feature_reg_t;

enum {
    HV_FEATURE_REG_ID_AA64DFR0_EL1 = 0,
    HV_FEATURE_REG_ID_AA64DFR1_EL1 = 1,
    HV_FEATURE_REG_ID_AA64ISAR0_EL1 = 2,
    HV_FEATURE_REG_ID_AA64ISAR1_EL1 = 3,
    HV_FEATURE_REG_ID_AA64MMFR0_EL1 = 4,
    HV_FEATURE_REG_ID_AA64MMFR1_EL1 = 5,
    HV_FEATURE_REG_ID_AA64MMFR2_EL1 = 6,
    HV_FEATURE_REG_ID_AA64PFR0_EL1 = 7,
    HV_FEATURE_REG_ID_AA64PFR1_EL1 = 8,
    HV_FEATURE_REG_CTR_EL0 = 9,
    HV_FEATURE_REG_CLIDR_EL1 = 10,
    HV_FEATURE_REG_DCZID_EL0 = 11,
    HV_FEATURE_REG_ID_AA64SMFR0_EL1 = 12,
    HV_FEATURE_REG_ID_AA64ZFR0_EL1 = 13,
#if HV_API_VERSION >= 270000
    HV_FEATURE_REG_ID_AA64ISAR2_EL1 = 14,
    HV_FEATURE_REG_ID_AA64PFR2_EL1 = 15,
    HV_FEATURE_REG_ID_AA64MMFR3_EL1 = 16,
    HV_FEATURE_REG_ID_AA64MMFR4_EL1 = 17,
#endif
};

/* ---- system registers --------------------------------------------------- */

/* op0 << 14 | op1 << 11 | CRn << 7 | CRm << 3 | op2 */
typedef uint16_t hv_sys_reg_t;

#define HV_SYS_REG_DBG_(n)                                                     \
    HV_SYS_REG_DBGBVR##n##_EL1 = 0x8004 + 8 * n,                               \
    HV_SYS_REG_DBGBCR##n##_EL1 = 0x8005 + 8 * n,                               \
    HV_SYS_REG_DBGWVR##n##_EL1 = 0x8006 + 8 * n,                               \
    HV_SYS_REG_DBGWCR##n##_EL1 = 0x8007 + 8 * n

enum {
    HV_SYS_REG_DBG_(0),
    HV_SYS_REG_DBG_(1),
    HV_SYS_REG_DBG_(2),
    HV_SYS_REG_DBG_(3),
    HV_SYS_REG_DBG_(4),
    HV_SYS_REG_DBG_(5),
    HV_SYS_REG_DBG_(6),
    HV_SYS_REG_DBG_(7),
    HV_SYS_REG_DBG_(8),
    HV_SYS_REG_DBG_(9),
    HV_SYS_REG_DBG_(10),
    HV_SYS_REG_DBG_(11),
    HV_SYS_REG_DBG_(12),
    HV_SYS_REG_DBG_(13),
    HV_SYS_REG_DBG_(14),
    HV_SYS_REG_DBG_(15),
    HV_SYS_REG_MDCCINT_EL1 = 0x8010,
    HV_SYS_REG_MDSCR_EL1 = 0x8012,
    HV_SYS_REG_MIDR_EL1 = 0xc000,
    HV_SYS_REG_MPIDR_EL1 = 0xc005,
    HV_SYS_REG_ID_AA64PFR0_EL1 = 0xc020,
    HV_SYS_REG_ID_AA64PFR1_EL1 = 0xc021,
    HV_SYS_REG_ID_AA64ZFR0_EL1 = 0xc024,
    HV_SYS_REG_ID_AA64SMFR0_EL1 = 0xc025,
    HV_SYS_REG_ID_AA64DFR0_EL1 = 0xc028,
    HV_SYS_REG_ID_AA64DFR1_EL1 = 0xc029,
    HV_SYS_REG_ID_AA64ISAR0_EL1 = 0xc030,
    HV_SYS_REG_ID_AA64ISAR1_EL1 = 0xc031,
    HV_SYS_REG_ID_AA64MMFR0_EL1 = 0xc038,
    HV_SYS_REG_ID_AA64MMFR1_EL1 = 0xc039,
    HV_SYS_REG_ID_AA64MMFR2_EL1 = 0xc03a,
    HV_SYS_REG_SCTLR_EL1 = 0xc080,
    HV_SYS_REG_ACTLR_EL1 = 0xc081,
    HV_SYS_REG_CPACR_EL1 = 0xc082,
    HV_SYS_REG_SMPRI_EL1 = 0xc094,
    HV_SYS_REG_SMCR_EL1 = 0xc096,
    HV_SYS_REG_TTBR0_EL1 = 0xc100,
    HV_SYS_REG_TTBR1_EL1 = 0xc101,
    HV_SYS_REG_TCR_EL1 = 0xc102,
    HV_SYS_REG_APIAKEYLO_EL1 = 0xc108,
    HV_SYS_REG_APIAKEYHI_EL1 = 0xc109,
    HV_SYS_REG_APIBKEYLO_EL1 = 0xc10a,
    HV_SYS_REG_APIBKEYHI_EL1 = 0xc10b,
    HV_SYS_REG_APDAKEYLO_EL1 = 0xc110,
    HV_SYS_REG_APDAKEYHI_EL1 = 0xc111,
    HV_SYS_REG_APDBKEYLO_EL1 = 0xc112,
    HV_SYS_REG_APDBKEYHI_EL1 = 0xc113,
    HV_SYS_REG_APGAKEYLO_EL1 = 0xc118,
    HV_SYS_REG_APGAKEYHI_EL1 = 0xc119,
    HV_SYS_REG_SPSR_EL1 = 0xc200,
    HV_SYS_REG_ELR_EL1 = 0xc201,
    HV_SYS_REG_SP_EL0 = 0xc208,
    HV_SYS_REG_AFSR0_EL1 = 0xc288,
    HV_SYS_REG_AFSR1_EL1 = 0xc289,
    HV_SYS_REG_ESR_EL1 = 0xc290,
    HV_SYS_REG_FAR_EL1 = 0xc300,
    HV_SYS_REG_PAR_EL1 = 0xc3a0,
    HV_SYS_REG_MAIR_EL1 = 0xc510,
    HV_SYS_REG_AMAIR_EL1 = 0xc518,
    HV_SYS_REG_VBAR_EL1 = 0xc600,
    HV_SYS_REG_CONTEXTIDR_EL1 = 0xc681,
    HV_SYS_REG_TPIDR_EL1 = 0xc684,
    HV_SYS_REG_SCXTNUM_EL1 = 0xc687,
    HV_SYS_REG_CNTKCTL_EL1 = 0xc708,
    HV_SYS_REG_CSSELR_EL1 = 0xd000,
    HV_SYS_REG_TPIDR_EL0 = 0xde82,
    HV_SYS_REG_TPIDRRO_EL0 = 0xde83,
    HV_SYS_REG_TPIDR2_EL0 = 0xde85,
    HV_SYS_REG_SCXTNUM_EL0 = 0xde87,
    HV_SYS_REG_CNTP_TVAL_EL0 = 0xdf10,
    HV_SYS_REG_CNTP_CTL_EL0 = 0xdf11,
    HV_SYS_REG_CNTP_CVAL_EL0 = 0xdf12,
    HV_SYS_REG_CNTV_CTL_EL0 = 0xdf19,
    HV_SYS_REG_CNTV_CVAL_EL0 = 0xdf1a,
    HV_SYS_REG_VPIDR_EL2 = 0xe000,
    HV_SYS_REG_VMPIDR_EL2 = 0xe005,
    HV_SYS_REG_MDCR_EL2 = 0xe019,
    HV_SYS_REG_SCTLR_EL2 = 0xe080,
    HV_SYS_REG_HCR_EL2 = 0xe088,
    HV_SYS_REG_CPTR_EL2 = 0xe08a,
    HV_SYS_REG_TTBR0_EL2 = 0xe100,
    HV_SYS_REG_TTBR1_EL2 = 0xe101,
    HV_SYS_REG_TCR_EL2 = 0xe102,
    HV_SYS_REG_VTTBR_EL2 = 0xe108,
    HV_SYS_REG_VTCR_EL2 = 0xe10a,
    HV_SYS_REG_SPSR_EL2 = 0xe200,
    HV_SYS_REG_ELR_EL2 = 0xe201,
    HV_SYS_REG_SP_EL1 = 0xe208,
    HV_SYS_REG_ESR_EL2 = 0xe290,
    HV_SYS_REG_FAR_EL2 = 0xe300,
    HV_SYS_REG_HPFAR_EL2 = 0xe304,
    HV_SYS_REG_MAIR_EL2 = 0xe510,
    HV_SYS_REG_VBAR_EL2 = 0xe600,
    HV_SYS_REG_TPIDR_EL2 = 0xe682,
    HV_SYS_REG_CNTVOFF_EL2 = 0xe703,
    HV_SYS_REG_CNTHCTL_EL2 = 0xe708,
    HV_SYS_REG_CNTHP_TVAL_EL2 = 0xe710,
    HV_SYS_REG_CNTHP_CTL_EL2 = 0xe711,
    HV_SYS_REG_CNTHP_CVAL_EL2 = 0xe712,
    HV_SYS_REG_SP_EL2 = 0xf208,
#if HV_API_VERSION >= 270000
    HV_SYS_REG_ID_AA64PFR2_EL1 = 0xc022,
    HV_SYS_REG_ID_AA64ISAR2_EL1 = 0xc032,
    HV_SYS_REG_ID_AA64MMFR3_EL1 = 0xc03b,
    HV_SYS_REG_ID_AA64MMFR4_EL1 = 0xc03c,
#endif
};

#undef HV_SYS_REG_DBG_

HV_STATIC_ASSERT_(sizeof(hv_reg_t) == 4, "register numbers are 32 bits");
HV_STATIC_ASSERT_(sizeof(hv_sys_reg_t) == 2, "encodings are 16 bits");
HV_STATIC_ASSERT_(HV_REG_PC == 31, "PC follows X30");
HV_STATIC_ASSERT_(HV_INTERRUPT_TYPE_FIQ == 1, "IRQ comes first");

#if HV_API_VERSION >= 270000

/* CRm << 3 | op2 of the TLBI instruction. */
typedef uint16_t hv_tlbi_op_t;

enum {
    HV_TLBI_OP_RVAE1IS = 0x11,
    HV_TLBI_OP_RVAAE1IS = 0x13,
    HV_TLBI_OP_RVALE1IS = 0x15,
    HV_TLBI_OP_RVAALE1IS = 0x17,
    HV_TLBI_OP_VMALLE1IS = 0x18,
    HV_TLBI_OP_VAE1IS = 0x19,
    HV_TLBI_OP_ASIDE1IS = 0x1a,
    HV_TLBI_OP_VAAE1IS = 0x1b,
    HV_TLBI_OP_VALE1IS = 0x1d,
    HV_TLBI_OP_VAALE1IS = 0x1f,
};

HV_STATIC_ASSERT_(sizeof(hv_tlbi_op_t) == 2, "operations are 16 bits");

#endif

#endif
