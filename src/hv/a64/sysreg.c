/*
 * System registers: one table, a row each (sysreg_rows.h), for the guest's MRS
 * and MSR and for the API's get and set [D19].
 *
 * The guest goes through permissions, traps and write masks; the API sees the
 * storage as it is, and what it writes reads back. A register that is neither
 * in the table nor left to the VMM is UNDEF.
 */
#include "pstate.h"
#include "random.h"
#include "sysreg.h"
#include "vtimer.h"

#include <string.h>

enum {
    /* who may read and write */
    R0 = 1 << 0,
    W0 = 1 << 1,
    R1 = 1 << 2,
    W1 = 1 << 3,
    RO0 = R0,
    RW0 = R0 | W0,
    RO1 = R1,
    WO1 = W1,
    RW1 = R1 | W1,
    /* who sees it besides the guest */
    API = 1 << 4,        /* hv_vcpu_get_sys_reg and set */
    API_ABSENT = 1 << 5, /* has a name there, but not on this kind of VM */
    /* what an allowed access meets */
    VMM = 1 << 6,  /* an exit */
    TDA = 1 << 7,  /* an exit while trap_debug_regs is set */
    FP = 1 << 8,   /* CPACR_EL1.FPEN */
    ZERO = 1 << 9, /* reads as zero, ignores writes */
};

struct row {
    const char *name;
    uint16_t how;
    bool refetch;    /* a write can change where the next instruction is */
    bool api_masked; /* the API too sees only .mask */
    uint16_t offset; /* of the storage in struct a64_cpu; 0: none */
    uint64_t mask;   /* bits the guest can write; 0: all */
    uint64_t set;    /* bits that are 1 whatever the guest writes */
    /* an EL0 access that is allowed as such is open just now; else it traps to
     * EL1. NULL: always */
    bool (*el0)(const struct a64_cpu *cpu);
    /* instead of storage */
    uint64_t (*read)(struct a64_cpu *cpu);
    void (*write)(struct a64_cpu *cpu, uint64_t value);
    /* the API's, where it is not the guest's way */
    uint64_t (*get)(struct a64_cpu *cpu);
    void (*put)(struct a64_cpu *cpu, uint64_t value);
    /* after a write */
    void (*changed)(struct a64_cpu *cpu);
    enum a64_next (*finish)(struct a64_cpu *cpu);
};

enum {
    CNTKCTL_EL0PCTEN = 1 << 0,
    CNTKCTL_EL0VCTEN = 1 << 1,
    CNTKCTL_EL0VTEN = 1 << 8,
    CNTKCTL_EL0PTEN = 1 << 9,
    ACTLR_ENTSO = 1 << 1,
    DBGBCR_MASK = 0x00ffe1e7,
    DBGBCR_BAS = 0x000001e0, /* without T32 there is no half instruction */
    DBGWCR_MASK = 0x1f1fffff,
    DCZID_DZP = 1 << 4,
    COUNTER_HZ = 24000000,
    EC_FP_ISS = 1 << 24 | 0xe << 20, /* CV, COND: every A64 instruction */
};

/* ---- EL0's gates ---- */

static bool ctr_open(const struct a64_cpu *cpu)
{
    return cpu->sys.sctlr_el1 & SCTLR_UCT;
}

static bool daif_open(const struct a64_cpu *cpu)
{
    return cpu->sys.sctlr_el1 & SCTLR_UMA;
}

static bool dcc_open(const struct a64_cpu *cpu)
{
    return !(cpu->sys.mdscr_el1 & MDSCR_TDCC);
}

static bool counter_open(const struct a64_cpu *cpu)
{
    return cpu->sys.cntkctl_el1 & (CNTKCTL_EL0PCTEN | CNTKCTL_EL0VCTEN);
}

static bool cntpct_open(const struct a64_cpu *cpu)
{
    return cpu->sys.cntkctl_el1 & CNTKCTL_EL0PCTEN;
}

static bool cntvct_open(const struct a64_cpu *cpu)
{
    return cpu->sys.cntkctl_el1 & CNTKCTL_EL0VCTEN;
}

static bool cntv_open(const struct a64_cpu *cpu)
{
    return cpu->sys.cntkctl_el1 & CNTKCTL_EL0VTEN;
}

static bool cntp_open(const struct a64_cpu *cpu)
{
    return cpu->sys.cntkctl_el1 & CNTKCTL_EL0PTEN;
}

/* ---- registers that are not storage ---- */

static uint64_t read_clidr(struct a64_cpu *cpu)
{
    return a64_clidr_el1();
}

static uint64_t read_ccsidr(struct a64_cpu *cpu)
{
    uint64_t csselr = cpu->sys.csselr_el1;

    return a64_ccsidr_el1((unsigned)bits(csselr, 3, 1) + 1, csselr & 1);
}

static uint64_t read_ctr(struct a64_cpu *cpu)
{
    return a64_ctr_el0();
}

/* DZP says what DC ZVA would meet at this EL. */
static uint64_t read_dczid(struct a64_cpu *cpu)
{
    bool denied = cpu->el == 0 && !(cpu->sys.sctlr_el1 & SCTLR_DZE);

    return a64_dczid_el0() | (denied ? DCZID_DZP : 0);
}

static uint64_t get_sp_el0(struct a64_cpu *cpu)
{
    return a64_sp(cpu, 0);
}

static void put_sp_el0(struct a64_cpu *cpu, uint64_t value)
{
    a64_set_sp(cpu, 0, value);
}

static uint64_t get_sp_el1(struct a64_cpu *cpu)
{
    return a64_sp(cpu, 1);
}

static void put_sp_el1(struct a64_cpu *cpu, uint64_t value)
{
    a64_set_sp(cpu, 1, value);
}

static uint64_t read_isr(struct a64_cpu *cpu)
{
    return (uint64_t)a64_lines(cpu) << PSTATE_DAIF_SHIFT;
}

static uint64_t read_currentel(struct a64_cpu *cpu)
{
    return (uint64_t)cpu->el << 2;
}

static uint64_t read_spsel(struct a64_cpu *cpu)
{
    return cpu->spsel;
}

static void write_spsel(struct a64_cpu *cpu, uint64_t value)
{
    a64_set_mode(cpu, 1, value & 1);
    a64_tlb_regime(cpu); /* another SP */
}

static uint64_t read_pan(struct a64_cpu *cpu)
{
    return (uint64_t)cpu->pan << PSTATE_PAN_SHIFT;
}

static void write_pan(struct a64_cpu *cpu, uint64_t value)
{
    cpu->pan = bit(value, PSTATE_PAN_SHIFT);
    a64_tlb_regime(cpu);
}

static uint64_t read_nzcv(struct a64_cpu *cpu)
{
    return a64_nzcv(cpu);
}

static void write_nzcv(struct a64_cpu *cpu, uint64_t value)
{
    a64_set_nzcv(cpu, (uint32_t)value);
}

static uint64_t read_daif(struct a64_cpu *cpu)
{
    return (uint64_t)cpu->daif << PSTATE_DAIF_SHIFT;
}

static void write_daif(struct a64_cpu *cpu, uint64_t value)
{
    cpu->daif = value >> PSTATE_DAIF_SHIFT & 0xf;
}

static uint64_t read_fpcr(struct a64_cpu *cpu)
{
    return cpu->fpcr;
}

static void write_fpcr(struct a64_cpu *cpu, uint64_t value)
{
    a64_set_fpcr(cpu, (uint32_t)value);
}

static uint64_t read_fpsr(struct a64_cpu *cpu)
{
    return a64_fpsr(cpu);
}

static void write_fpsr(struct a64_cpu *cpu, uint64_t value)
{
    a64_set_fpsr(cpu, (uint32_t)value);
}

/* NZCV tells whether there was one: 0000 yes, 0100 no. */
static uint64_t read_rndr(struct a64_cpu *cpu)
{
    uint64_t value = 0;
    bool ok = a64_random(&value);

    a64_set_nzcv(cpu, ok ? 0 : 1u << 30);
    return value;
}

static uint64_t read_cntfrq(struct a64_cpu *cpu)
{
    return COUNTER_HZ;
}

static uint64_t read_cntvct(struct a64_cpu *cpu)
{
    return a64_counter(cpu);
}

static uint64_t read_cntv_tval(struct a64_cpu *cpu)
{
    return a64_vtimer_tval(cpu);
}

static uint64_t read_cntv_ctl(struct a64_cpu *cpu)
{
    return a64_vtimer_ctl(cpu);
}

/* ---- the table ---- */

enum row_id {
    NO_ROW,
#define ROW(name, ...) ROW_##name,
#include "sysreg_rows.h"
#undef ROW
    NR_ROWS
};

#define STORE(field) .offset = offsetof(struct a64_cpu, sys.field)

static const struct row rows[] = {
#define ROW(id, op0, op1, crn, crm, op2, ...)                                  \
    [ROW_##id] = {.name = #id, .how = __VA_ARGS__},
#include "sysreg_rows.h"
#undef ROW
};

/* op0 of a register is 2 or 3, so 15 bits of encoding find the row. Sparse,
 * but the lines in use are few. */
static const uint8_t row_of[1 << 15] = {
#define ROW(id, op0, op1, crn, crm, op2, ...)                                  \
    [A64_SYSREG(op0, op1, crn, crm, op2) & 0x7fff] = ROW_##id,
#include "sysreg_rows.h"
#undef ROW
};

_Static_assert(NR_ROWS <= UINT8_MAX, "row_of holds bytes");

static const struct row *find(uint16_t reg)
{
    unsigned id = row_of[reg & 0x7fff];

    return id != NO_ROW && reg & 0x8000 ? &rows[id] : NULL;
}

static uint64_t *storage(struct a64_cpu *cpu, const struct row *row)
{
    return (uint64_t *)((char *)cpu + row->offset);
}

/* ---- registers without a row ---- */

#define OP0(reg) ((reg) >> 14)
#define OP1(reg) ((reg) >> 11 & 7)
#define CRN(reg) ((reg) >> 7 & 15)
#define CRM(reg) ((reg) >> 3 & 15)

/* The ID registers of AArch32, which is not there, read as zero; Apple's
 * framework passes on those of AArch64 that it does not know. */
static bool is_id_space(uint16_t reg)
{
    return OP0(reg) == 3 && OP1(reg) == 0 && CRN(reg) == 0 && CRM(reg) >= 1 &&
           CRM(reg) <= 7;
}

static bool is_aarch32_id(uint16_t reg)
{
    return is_id_space(reg) && CRM(reg) <= 3;
}

static bool is_pmu(uint16_t reg)
{
    if (OP0(reg) != 3)
        return false;
    if (CRN(reg) == 9)
        return (OP1(reg) == 0 || OP1(reg) == 3) && CRM(reg) >= 12 &&
               CRM(reg) <= 14;
    return CRN(reg) == 14 && OP1(reg) == 3 && CRM(reg) >= 8;
}

static bool is_vmms(uint16_t reg, bool write)
{
    bool other_debug = OP0(reg) == 2 && OP1(reg) == 0;
    bool limited_ordering =
        OP0(reg) == 3 && OP1(reg) == 0 && CRN(reg) == 10 && CRM(reg) == 4;
    bool implementation_defined =
        OP0(reg) == 3 && (CRN(reg) == 11 || CRN(reg) == 15);

    return other_debug || limited_ordering || implementation_defined ||
           is_pmu(reg) || (is_id_space(reg) && !write);
}

static enum a64_next no_row(struct a64_cpu *cpu, uint32_t insn, bool write)
{
    uint16_t reg = a64_sysreg_of(insn);

    if (cpu->el == 0 || !is_vmms(reg, write))
        return a64_undefined(cpu);
    if (!write && is_aarch32_id(reg)) {
        cpu->x[(insn & 31) == 31 ? A64_TRASH : insn & 31] = 0;
        return A64_NEXT;
    }
    return a64_trap_vmm(cpu, insn);
}

/* ---- MRS and MSR ---- */

/* True when the access may go on; else *next is what happens instead. */
static bool permitted(struct a64_cpu *cpu, const struct row *row, uint32_t insn,
                      bool write, enum a64_next *next)
{
    unsigned need = (write ? W0 : R0) << (cpu->el ? 2 : 0);

    if (LULL_UNLIKELY(!(row->how & need) ||
                      (row == &rows[ROW_SP_EL0] && !cpu->spsel))) {
        *next = a64_undefined(cpu);
        return false;
    }
    if (cpu->el == 0 && row->el0 && !row->el0(cpu)) {
        *next = a64_trap_el1(cpu, insn);
        return false;
    }
    if (LULL_LIKELY(!(row->how & (VMM | TDA | FP))))
        return true;
    if (row->how & VMM || (row->how & TDA && cpu->trap_debug_regs)) {
        *next = a64_trap_vmm(cpu, insn);
        return false;
    }
    if (row->how & FP && !cpu->fp_on) {
        *next = a64_exception(cpu, A64_EC_FP, EC_FP_ISS, 0);
        return false;
    }
    return true;
}

enum a64_next a64_mrs(struct a64_cpu *cpu, uint32_t insn)
{
    const struct row *row = find(a64_sysreg_of(insn));
    unsigned rt = insn & 31;
    enum a64_next next;
    uint64_t value = 0;

    if (LULL_UNLIKELY(row == NULL))
        return no_row(cpu, insn, false);
    if (!permitted(cpu, row, insn, false, &next))
        return next;
    if (row->read)
        value = row->read(cpu);
    else if (row->offset)
        value = *storage(cpu, row);
    cpu->x[rt == 31 ? A64_TRASH : rt] = value;
    return A64_NEXT;
}

enum a64_next a64_msr(struct a64_cpu *cpu, uint32_t insn)
{
    const struct row *row = find(a64_sysreg_of(insn));
    uint64_t value = cpu->x[insn & 31];
    enum a64_next next;

    if (LULL_UNLIKELY(row == NULL))
        return no_row(cpu, insn, true);
    if (!permitted(cpu, row, insn, true, &next))
        return next;
    if (row->write)
        row->write(cpu, value);
    else if (row->offset)
        *storage(cpu, row) = (row->mask ? value & row->mask : value) | row->set;
    if (row->changed)
        row->changed(cpu);
    if (row->finish)
        return row->finish(cpu);
    if (!row->refetch)
        return A64_NEXT;
    cpu->pc += 4;
    return A64_REDIRECT;
}

bool a64_sysreg_plain(uint32_t insn, bool write, unsigned *offset,
                      unsigned *min_el)
{
    const struct row *row = find(a64_sysreg_of(insn));
    unsigned at_el0 = write ? W0 : R0, at_el1 = write ? W1 : R1;

    if (row == NULL || row->offset == 0 || row->el0 ||
        row->how & (VMM | TDA | FP) || !(row->how & at_el1))
        return false;
    if (write && (row->mask || row->set || row->changed || row->refetch))
        return false;
    *offset = row->offset;
    *min_el = row->how & at_el0 ? 0 : 1;
    return true;
}

/* ---- the API's view ---- */

bool a64_sysreg_known(uint16_t reg)
{
    const struct row *row = find(reg);

    return row && row->how & (API | API_ABSENT);
}

bool a64_sysreg_get(struct a64_cpu *cpu, uint16_t reg, uint64_t *value)
{
    const struct row *row = find(reg);

    if (row == NULL || !(row->how & API))
        return false;
    if (row->get)
        *value = row->get(cpu);
    else if (row->read)
        *value = row->read(cpu);
    else
        *value = *storage(cpu, row);
    return true;
}

bool a64_sysreg_set(struct a64_cpu *cpu, uint16_t reg, uint64_t value)
{
    const struct row *row = find(reg);

    if (row == NULL || !(row->how & API))
        return false;
    if (row->put)
        row->put(cpu, value);
    else if (row->write)
        row->write(cpu, value);
    else
        *storage(cpu, row) = row->api_masked ? value & row->mask : value;
    if (row->changed)
        row->changed(cpu);
    return true;
}

/* ---- power on ---- */

/*
 * What hv_vcpu_create hands out: everything zero, EL0t, but for the registers
 * below. The TLB, the VM and the API's own fields are not touched.
 */
void a64_reset(struct a64_cpu *cpu)
{
    memset(cpu->x, 0, sizeof(cpu->x));
    memset(cpu->v, 0, sizeof(cpu->v));
    memset(&cpu->sys, 0, sizeof(cpu->sys));
    memset(cpu->sp_el, 0, sizeof(cpu->sp_el));
    cpu->pc = 0;
    cpu->el = cpu->spsel = 0;
    cpu->excl_host = NULL;
    cpu->event = false;
    cpu->cntv_cval = 0;
    cpu->cntv_ctl = 0;
    cpu->step = 0;
    a64_idregs_reset(&cpu->sys);
    cpu->sys.sctlr_el1 = 0x30100180;
    cpu->sys.par_el1 = 0x800;
    a64_set_fpcr(cpu, 0);
    a64_set_fpsr(cpu, 0);
    a64_set_cpsr(cpu, 0);
    a64_vtimer_changed(cpu);
    a64_tlb_control(cpu);
}
