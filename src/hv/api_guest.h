/*
 * For the API's tests: a VM with one piece of RAM, and the few instructions
 * their guests are made of, as words.
 */
#ifndef LULL_HV_API_GUEST_H
#define LULL_HV_API_GUEST_H

#include <check.h>
#include <string.h>

#include <Hypervisor/Hypervisor.h>

#define ck_ok(call) ck_assert_int_eq(call, HV_SUCCESS)
#define ck_fails(call, code) ck_assert_int_eq(call, code)

/* ---- words -------------------------------------------------------------- */

enum {
    ZR = 31,
    NOP = (int)0xd503201f,
    WFE = (int)0xd503205f,
    WFI = (int)0xd503207f,
    SEV = (int)0xd503209f,
    SEVL = (int)0xd50320bf,
    ISB = (int)0xd5033fdf,
    DSB_ISH = (int)0xd5033b9f,
    ERET = (int)0xd69f03e0,
    RET = (int)0xd65f03c0,
    B_SELF = 0x14000000,
    TLBI_VMALLE1IS = (int)0xd508831f,
};

#define HVC(imm) (0xd4000002u | (uint32_t)(imm) << 5)
#define SMC(imm) (0xd4000003u | (uint32_t)(imm) << 5)
#define SVC(imm) (0xd4000001u | (uint32_t)(imm) << 5)
#define BRK(imm) (0xd4200000u | (uint32_t)(imm) << 5)
/* branch by `words` instructions */
#define B(words) (0x14000000u | ((uint32_t)(words)&0x3ffffffu))
#define CBNZ(rt, words) (0xb5000000u | ((uint32_t)(words)&0x7ffffu) << 5 | (rt))
#define MOVZ(rd, imm) (0xd2800000u | (uint32_t)(imm) << 5 | (rd))
#define ADD(rd, rn, imm)                                                       \
    (0x91000000u | (uint32_t)(imm) << 10 | (rn) << 5 | (rd))
#define SUB(rd, rn, imm)                                                       \
    (0xd1000000u | (uint32_t)(imm) << 10 | (rn) << 5 | (rd))
/* `reg` as hv_sys_reg_t encodes it */
#define MRS(rt, reg) (0xd5200000u | (uint32_t)(reg) << 5 | (rt))
#define MSR(reg, rt) (0xd5000000u | (uint32_t)(reg) << 5 | (rt))
#define MSR_DAIFCLR(imm) (0xd50340ffu | (uint32_t)(imm) << 8)
#define MSR_DAIFSET(imm) (0xd50340dfu | (uint32_t)(imm) << 8)
#define LDR(rt, rn) (0xf9400000u | (rn) << 5 | (rt))
#define STR(rt, rn) (0xf9000000u | (rn) << 5 | (rt))
/* LSE: rt = [rn]; [rn] += rs; acquire and release */
#define LDADDAL(rs, rt, rn) (0xf8e00000u | (rs) << 16 | (rn) << 5 | (rt))

/* Registers that hv_sys_reg_t has no name for. */
#define ENCODE(op0, op1, crn, crm, op2)                                        \
    ((op0) << 14 | (op1) << 11 | (crn) << 7 | (crm) << 3 | (op2))
enum {
    REG_OSLAR_EL1 = ENCODE(2, 0, 1, 0, 4),
    REG_OSDLR_EL1 = ENCODE(2, 0, 1, 3, 4),
    REG_ICC_IAR1_EL1 = ENCODE(3, 0, 12, 12, 0),
    REG_ICC_SGI1R_EL1 = ENCODE(3, 0, 12, 11, 5),
    REG_PMCR_EL0 = ENCODE(3, 3, 9, 12, 0),
    REG_LORC_EL1 = ENCODE(3, 0, 10, 4, 3),
    REG_CNTFRQ_EL0 = ENCODE(3, 3, 14, 0, 0),
    REG_CNTPCT_EL0 = ENCODE(3, 3, 14, 0, 1),
    REG_CNTVCT_EL0 = ENCODE(3, 3, 14, 0, 2),
    REG_CURRENTEL = ENCODE(3, 0, 4, 2, 2),
};

/* ---- the guest ---------------------------------------------------------- */

enum {
    RAM_BASE = 0x40000000,
    RAM_SIZE = 0x40000,
    /* in RAM */
    CODE = RAM_BASE,
    VECTORS = RAM_BASE + 0x8000,
    DATA = RAM_BASE + 0x10000,
    /* nothing is there */
    HOLE = 0x09000000,

    CPSR_EL1H = 0x3c5, /* interrupts masked */
};

struct guest {
    uint8_t *ram;
    hv_vcpu_t vcpu;
    hv_vcpu_exit_t *exit;
};

static inline void guest_words(struct guest *g, uint64_t ipa,
                               const uint32_t *words, size_t bytes)
{
    memcpy(g->ram + (ipa - RAM_BASE), words, bytes);
}

/* Puts the words, all int or uint32_t, at CODE. */
#define guest_code(g, ...)                                                     \
    guest_words(g, CODE, (const uint32_t[]){__VA_ARGS__},                      \
                sizeof((const uint32_t[]){__VA_ARGS__}))

static inline void guest_vm(struct guest *g)
{
    void *ram;

    ck_ok(hv_vm_create(NULL));
    ck_ok(hv_vm_allocate(&ram, RAM_SIZE, HV_ALLOCATE_DEFAULT));
    ck_ok(hv_vm_map(ram, RAM_BASE, RAM_SIZE,
                    HV_MEMORY_READ | HV_MEMORY_WRITE | HV_MEMORY_EXEC));
    g->ram = ram;
}

/* A vCPU of the calling thread, about to run CODE at EL1 with the MMU off. */
static inline void guest_vcpu(struct guest *g)
{
    ck_ok(hv_vcpu_create(&g->vcpu, &g->exit, NULL));
    ck_ok(hv_vcpu_set_reg(g->vcpu, HV_REG_PC, CODE));
    ck_ok(hv_vcpu_set_reg(g->vcpu, HV_REG_CPSR, CPSR_EL1H));
    ck_ok(hv_vcpu_set_sys_reg(g->vcpu, HV_SYS_REG_VBAR_EL1, VECTORS));
}

static inline void guest_new(struct guest *g)
{
    guest_vm(g);
    guest_vcpu(g);
}

static inline void guest_vm_end(struct guest *g)
{
    ck_ok(hv_vm_destroy());
    ck_ok(hv_vm_deallocate(g->ram, RAM_SIZE));
}

static inline void guest_end(struct guest *g)
{
    ck_ok(hv_vcpu_destroy(g->vcpu));
    guest_vm_end(g);
}

static inline void guest_set(struct guest *g, hv_reg_t reg, uint64_t value)
{
    ck_ok(hv_vcpu_set_reg(g->vcpu, reg, value));
}

static inline uint64_t guest_get(struct guest *g, hv_reg_t reg)
{
    uint64_t value;

    ck_ok(hv_vcpu_get_reg(g->vcpu, reg, &value));
    return value;
}

static inline void guest_set_sys(struct guest *g, hv_sys_reg_t reg,
                                 uint64_t value)
{
    ck_ok(hv_vcpu_set_sys_reg(g->vcpu, reg, value));
}

static inline uint64_t guest_get_sys(struct guest *g, hv_sys_reg_t reg)
{
    uint64_t value;

    ck_ok(hv_vcpu_get_sys_reg(g->vcpu, reg, &value));
    return value;
}

/* Runs once; the exit has to be an exception, whose class is returned. */
static inline unsigned guest_run(struct guest *g)
{
    ck_ok(hv_vcpu_run(g->vcpu));
    ck_assert_uint_eq(g->exit->reason, HV_EXIT_REASON_EXCEPTION);
    return (unsigned)(g->exit->exception.syndrome >> 26);
}

/* ISS: what is below the class and IL, which must be set. */
static inline uint32_t guest_iss(const struct guest *g)
{
    ck_assert_uint_eq(g->exit->exception.syndrome >> 25 & 1, 1);
    return (uint32_t)g->exit->exception.syndrome & 0x1ffffff;
}

enum {
    EC_WFX = 0x01,
    EC_HVC = 0x16,
    EC_SMC = 0x17,
    EC_SYSREG = 0x18,
    EC_IABT = 0x20,
    EC_DABT = 0x24,
    EC_BREAKPOINT = 0x30,
    EC_STEP = 0x32,
    EC_WATCHPOINT = 0x34,
    EC_BRK = 0x3c,
};

#endif
