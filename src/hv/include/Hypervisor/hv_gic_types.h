/*
 * Types of the interrupt controller functions: which register is meant.
 */
#ifndef LULL_HV_GIC_TYPES_H
#define LULL_HV_GIC_TYPES_H

#include <Hypervisor/hv_base.h>

/* Where the controller is to be; see hv_gic_config.h. */
typedef struct hv_gic_config_s *hv_gic_config_t;

/* The controller's state to be saved; see hv_gic_state.h. */
typedef struct hv_gic_state_s *hv_gic_state_t;

/* Interrupts that have a fixed number. */
typedef uint16_t hv_gic_intid_t;

enum {
    HV_GIC_INT_PERFORMANCE_MONITOR = 23,
    HV_GIC_INT_MAINTENANCE = 25,        /* EL2 */
    HV_GIC_INT_EL2_PHYSICAL_TIMER = 26, /* EL2 */
    HV_GIC_INT_EL1_VIRTUAL_TIMER = 27,
    HV_GIC_INT_EL1_PHYSICAL_TIMER = 30
};

/* ---- distributor: byte offsets ------------------------------------------ */

typedef uint16_t hv_gic_distributor_reg_t;

/*
 * 1534 names: one for each element of each register array. The element's
 * number is written as its leading digits and its last one; no leading digit
 * is an empty argument.
 */
#define HV_GICD_(reg, base, n, bytes)                                          \
    HV_GIC_DISTRIBUTOR_REG_GICD_##reg##n = (base) + (n) * (bytes)
#define HV_GICD_4X_(reg, base, h, b)                                           \
    HV_GICD_(reg, base, h##0, b), HV_GICD_(reg, base, h##1, b),                \
        HV_GICD_(reg, base, h##2, b), HV_GICD_(reg, base, h##3, b)
#define HV_GICD_10_(reg, base, h, b)                                           \
    HV_GICD_4X_(reg, base, h, b), HV_GICD_(reg, base, h##4, b),                \
        HV_GICD_(reg, base, h##5, b), HV_GICD_(reg, base, h##6, b),            \
        HV_GICD_(reg, base, h##7, b), HV_GICD_(reg, base, h##8, b),            \
        HV_GICD_(reg, base, h##9, b)
/* <h>00 to <h>99, h not empty */
#define HV_GICD_100_(reg, base, h, b)                                          \
    HV_GICD_10_(reg, base, h##0, b), HV_GICD_10_(reg, base, h##1, b),          \
        HV_GICD_10_(reg, base, h##2, b), HV_GICD_10_(reg, base, h##3, b),      \
        HV_GICD_10_(reg, base, h##4, b), HV_GICD_10_(reg, base, h##5, b),      \
        HV_GICD_10_(reg, base, h##6, b), HV_GICD_10_(reg, base, h##7, b),      \
        HV_GICD_10_(reg, base, h##8, b), HV_GICD_10_(reg, base, h##9, b)
/* 0 to 31, 63, 254 */
#define HV_GICD_32_(reg, base)                                                 \
    HV_GICD_10_(reg, base, , 4), HV_GICD_10_(reg, base, 1, 4),                 \
        HV_GICD_10_(reg, base, 2, 4), HV_GICD_(reg, base, 30, 4),              \
        HV_GICD_(reg, base, 31, 4)
#define HV_GICD_64_(reg, base)                                                 \
    HV_GICD_10_(reg, base, , 4), HV_GICD_10_(reg, base, 1, 4),                 \
        HV_GICD_10_(reg, base, 2, 4), HV_GICD_10_(reg, base, 3, 4),            \
        HV_GICD_10_(reg, base, 4, 4), HV_GICD_10_(reg, base, 5, 4),            \
        HV_GICD_4X_(reg, base, 6, 4)
#define HV_GICD_IPRIORITYR_(reg, base)                                         \
    HV_GICD_64_(reg, base), HV_GICD_(reg, base, 64, 4),                        \
        HV_GICD_(reg, base, 65, 4), HV_GICD_(reg, base, 66, 4),                \
        HV_GICD_(reg, base, 67, 4), HV_GICD_(reg, base, 68, 4),                \
        HV_GICD_(reg, base, 69, 4), HV_GICD_10_(reg, base, 7, 4),              \
        HV_GICD_10_(reg, base, 8, 4), HV_GICD_10_(reg, base, 9, 4),            \
        HV_GICD_100_(reg, base, 1, 4), HV_GICD_10_(reg, base, 20, 4),          \
        HV_GICD_10_(reg, base, 21, 4), HV_GICD_10_(reg, base, 22, 4),          \
        HV_GICD_10_(reg, base, 23, 4), HV_GICD_10_(reg, base, 24, 4),          \
        HV_GICD_4X_(reg, base, 25, 4), HV_GICD_(reg, base, 254, 4)
/* 32 to 1019: those of the shared interrupts */
#define HV_GICD_IROUTER_(reg, base)                                            \
    HV_GICD_(reg, base, 32, 8), HV_GICD_(reg, base, 33, 8),                    \
        HV_GICD_(reg, base, 34, 8), HV_GICD_(reg, base, 35, 8),                \
        HV_GICD_(reg, base, 36, 8), HV_GICD_(reg, base, 37, 8),                \
        HV_GICD_(reg, base, 38, 8), HV_GICD_(reg, base, 39, 8),                \
        HV_GICD_10_(reg, base, 4, 8), HV_GICD_10_(reg, base, 5, 8),            \
        HV_GICD_10_(reg, base, 6, 8), HV_GICD_10_(reg, base, 7, 8),            \
        HV_GICD_10_(reg, base, 8, 8), HV_GICD_10_(reg, base, 9, 8),            \
        HV_GICD_100_(reg, base, 1, 8), HV_GICD_100_(reg, base, 2, 8),          \
        HV_GICD_100_(reg, base, 3, 8), HV_GICD_100_(reg, base, 4, 8),          \
        HV_GICD_100_(reg, base, 5, 8), HV_GICD_100_(reg, base, 6, 8),          \
        HV_GICD_100_(reg, base, 7, 8), HV_GICD_100_(reg, base, 8, 8),          \
        HV_GICD_100_(reg, base, 9, 8), HV_GICD_10_(reg, base, 100, 8),         \
        HV_GICD_10_(reg, base, 101, 8)

enum {
    HV_GIC_DISTRIBUTOR_REG_GICD_CTLR = 0x0000,
    HV_GIC_DISTRIBUTOR_REG_GICD_TYPER = 0x0004,
    HV_GICD_32_(IGROUPR, 0x0080),
    HV_GICD_32_(ISENABLER, 0x0100),
    HV_GICD_32_(ICENABLER, 0x0180),
    HV_GICD_32_(ISPENDR, 0x0200),
    HV_GICD_32_(ICPENDR, 0x0280),
    HV_GICD_32_(ISACTIVER, 0x0300),
    HV_GICD_32_(ICACTIVER, 0x0380),
    HV_GICD_IPRIORITYR_(IPRIORITYR, 0x0400),
    HV_GICD_64_(ICFGR, 0x0c00),
    HV_GICD_IROUTER_(IROUTER, 0x6000),
    HV_GIC_DISTRIBUTOR_REG_GICD_PIDR2 = 0xffe8,
};

#undef HV_GICD_
#undef HV_GICD_4X_
#undef HV_GICD_10_
#undef HV_GICD_100_
#undef HV_GICD_32_
#undef HV_GICD_64_
#undef HV_GICD_IPRIORITYR_
#undef HV_GICD_IROUTER_

/* ---- redistributor: byte offsets from RD_base --------------------------- */

typedef uint32_t hv_gic_redistributor_reg_t;

enum {
    HV_GIC_REDISTRIBUTOR_REG_GICR_TYPER = 0x00008,
    HV_GIC_REDISTRIBUTOR_REG_GICR_PIDR2 = 0x0ffe8,
    HV_GIC_REDISTRIBUTOR_REG_GICR_IGROUPR0 = 0x10080,
    HV_GIC_REDISTRIBUTOR_REG_GICR_ISENABLER0 = 0x10100,
    HV_GIC_REDISTRIBUTOR_REG_GICR_ICENABLER0 = 0x10180,
    HV_GIC_REDISTRIBUTOR_REG_GICR_ISPENDR0 = 0x10200,
    HV_GIC_REDISTRIBUTOR_REG_GICR_ICPENDR0 = 0x10280,
    HV_GIC_REDISTRIBUTOR_REG_GICR_ISACTIVER0 = 0x10300,
    HV_GIC_REDISTRIBUTOR_REG_GICR_ICACTIVER0 = 0x10380,
    HV_GIC_REDISTRIBUTOR_REG_GICR_IPRIORITYR0 = 0x10400,
    HV_GIC_REDISTRIBUTOR_REG_GICR_IPRIORITYR1 = 0x10404,
    HV_GIC_REDISTRIBUTOR_REG_GICR_IPRIORITYR2 = 0x10408,
    HV_GIC_REDISTRIBUTOR_REG_GICR_IPRIORITYR3 = 0x1040c,
    HV_GIC_REDISTRIBUTOR_REG_GICR_IPRIORITYR4 = 0x10410,
    HV_GIC_REDISTRIBUTOR_REG_GICR_IPRIORITYR5 = 0x10414,
    HV_GIC_REDISTRIBUTOR_REG_GICR_IPRIORITYR6 = 0x10418,
    HV_GIC_REDISTRIBUTOR_REG_GICR_IPRIORITYR7 = 0x1041c,
    HV_GIC_REDISTRIBUTOR_REG_GICR_ICFGR0 = 0x10c00,
    HV_GIC_REDISTRIBUTOR_REG_GICR_ICFGR1 = 0x10c04,
};

/* ---- CPU interface: encodings as hv_sys_reg_t --------------------------- */

typedef uint16_t hv_gic_icc_reg_t;

enum {
    HV_GIC_ICC_REG_PMR_EL1 = 0xc230,
    HV_GIC_ICC_REG_BPR0_EL1 = 0xc643,
    HV_GIC_ICC_REG_AP0R0_EL1 = 0xc644,
    HV_GIC_ICC_REG_AP1R0_EL1 = 0xc648,
    HV_GIC_ICC_REG_RPR_EL1 = 0xc65b,
    HV_GIC_ICC_REG_BPR1_EL1 = 0xc663,
    HV_GIC_ICC_REG_CTLR_EL1 = 0xc664,
    HV_GIC_ICC_REG_SRE_EL1 = 0xc665,
    HV_GIC_ICC_REG_IGRPEN0_EL1 = 0xc666,
    HV_GIC_ICC_REG_IGRPEN1_EL1 = 0xc667,
    HV_GIC_ICC_REG_SRE_EL2 = 0xe64d,
};

typedef uint16_t hv_gic_icv_reg_t;

enum {
    HV_GIC_ICV_REG_PMR_EL1 = 0xc230,
    HV_GIC_ICV_REG_BPR0_EL1 = 0xc643,
    HV_GIC_ICV_REG_AP0R0_EL1 = 0xc644,
    HV_GIC_ICV_REG_AP1R0_EL1 = 0xc648,
    HV_GIC_ICV_REG_RPR_EL1 = 0xc65b,
    HV_GIC_ICV_REG_BPR1_EL1 = 0xc663,
    HV_GIC_ICV_REG_CTLR_EL1 = 0xc664,
    HV_GIC_ICV_REG_SRE_EL1 = 0xc665,
    HV_GIC_ICV_REG_IGRPEN0_EL1 = 0xc666,
    HV_GIC_ICV_REG_IGRPEN1_EL1 = 0xc667,
};

typedef uint16_t hv_gic_ich_reg_t;

enum {
    HV_GIC_ICH_REG_AP0R0_EL2 = 0xe640,
    HV_GIC_ICH_REG_AP1R0_EL2 = 0xe648,
    HV_GIC_ICH_REG_HCR_EL2 = 0xe658,
    HV_GIC_ICH_REG_VTR_EL2 = 0xe659,
    HV_GIC_ICH_REG_MISR_EL2 = 0xe65a,
    HV_GIC_ICH_REG_EISR_EL2 = 0xe65b,
    HV_GIC_ICH_REG_ELRSR_EL2 = 0xe65d,
    HV_GIC_ICH_REG_VMCR_EL2 = 0xe65f,
    HV_GIC_ICH_REG_LR0_EL2 = 0xe660,
    HV_GIC_ICH_REG_LR1_EL2 = 0xe661,
    HV_GIC_ICH_REG_LR2_EL2 = 0xe662,
    HV_GIC_ICH_REG_LR3_EL2 = 0xe663,
    HV_GIC_ICH_REG_LR4_EL2 = 0xe664,
    HV_GIC_ICH_REG_LR5_EL2 = 0xe665,
    HV_GIC_ICH_REG_LR6_EL2 = 0xe666,
    HV_GIC_ICH_REG_LR7_EL2 = 0xe667,
    HV_GIC_ICH_REG_LR8_EL2 = 0xe668,
    HV_GIC_ICH_REG_LR9_EL2 = 0xe669,
    HV_GIC_ICH_REG_LR10_EL2 = 0xe66a,
    HV_GIC_ICH_REG_LR11_EL2 = 0xe66b,
    HV_GIC_ICH_REG_LR12_EL2 = 0xe66c,
    HV_GIC_ICH_REG_LR13_EL2 = 0xe66d,
    HV_GIC_ICH_REG_LR14_EL2 = 0xe66e,
    HV_GIC_ICH_REG_LR15_EL2 = 0xe66f,
};

/* ---- MSI frame: byte offsets -------------------------------------------- */

typedef uint16_t hv_gic_msi_reg_t;

enum { HV_GIC_REG_GICM_TYPER = 0x08, HV_GIC_REG_GICM_SET_SPI_NSR = 0x40 };

HV_STATIC_ASSERT_(sizeof(hv_gic_distributor_reg_t) == 2, "offsets, 16 bits");
HV_STATIC_ASSERT_(sizeof(hv_gic_redistributor_reg_t) == 4, "offsets, 32 bits");
HV_STATIC_ASSERT_(sizeof(hv_gic_icc_reg_t) == 2, "encodings are 16 bits");

#endif
