/*
 * What the self-checking bare-metal guests stand on: start, exceptions,
 * checks, PSCI, page tables, the interrupt controller.
 *
 * A guest is one C file with guest_main(), and assembly where it needs an
 * instruction at a known address. It runs on vCPU 0 at EL1 with the MMU off
 * and everything masked; it makes checks, each of which prints one line, and
 * returns. Then the totals are printed and the machine is switched off:
 *
 *     ok NAME
 *     not ok NAME: got X want Y
 *     12 passed, 1 failed
 *
 * It takes the number of vCPUs that it is given, 1 to CPUS_MAX, and leaves out
 * what needs more. One vCPU prints at a time, as a rule vCPU 0. run_guest.py
 * reads what is printed.
 */
#ifndef GUESTS_BARE_H
#define GUESTS_BARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "layout.h"

/* Ordinary RAM. */
#define REG64(address) (*(volatile uint64_t *)(uintptr_t)(address))
#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

#define READ(name)                                                             \
    ({                                                                         \
        uint64_t value_;                                                       \
        __asm__ volatile("mrs %0, " name : "=r"(value_)::"memory");            \
        value_;                                                                \
    })
#define WRITE(name, value)                                                     \
    __asm__ volatile("msr " name ", %0\n\tisb" ::"r"((uint64_t)(value))        \
                     : "memory")
#define ASM(text) __asm__ volatile(text ::: "memory")

/* Device registers: by the plain forms of load and store, which leave a
 * machine monitor in no doubt. The compiler would use others in a loop. */
#define MMIO(bits, type, suffix, width)                                        \
    static inline type mmio_read##bits(uint64_t address)                       \
    {                                                                          \
        type value;                                                            \
        __asm__ volatile("ldr" suffix " %" width "0, [%1]"                     \
                         : "=r"(value)                                         \
                         : "r"(address)                                        \
                         : "memory");                                          \
        return value;                                                          \
    }                                                                          \
    static inline void mmio_write##bits(uint64_t address, type value)          \
    {                                                                          \
        __asm__ volatile("str" suffix " %" width "0, [%1]" ::"r"(value),       \
                         "r"(address)                                          \
                         : "memory");                                          \
    }
MMIO(8, uint8_t, "b", "w")
MMIO(32, uint32_t, "", "w")
MMIO(64, uint64_t, "", "x")

static inline uint64_t address_of(const void *pointer)
{
    return (uint64_t)(uintptr_t)pointer;
}

/* ---- runtime.c: checks and printing -------------------------------------- */

void guest_main(void);

void print(const char *text);
void print_hex(uint64_t value);
void print_number(uint64_t value);

/* One line each; the return value is whether it passed. */
bool check(const char *name, bool passed);
bool check_eq(const char *name, uint64_t got, uint64_t want);
/* Part of a check that has several: only a failure prints, `part` behind the
 * name. */
bool part_eq(const char *name, const char *part, uint64_t got, uint64_t want);

/* For a guest that does not return from guest_main. */
void print_totals(void);

/* ---- runtime.c: exceptions ----------------------------------------------- */

/* As start.S stores it. */
struct trap {
    uint64_t x[31];
    uint64_t elr, spsr, esr, far;
    uint64_t vector; /* offset from VBAR_EL1 / 0x80 */
};

enum {
    VECTOR_EL1T = 0, /* synchronous; interrupts follow */
    VECTOR_EL1H = 4,
    VECTOR_EL0 = 8,
    VECTOR_KIND = 3, /* mask: 0 synchronous, 1 IRQ, 2 FIQ, 3 SError */
    VECTOR_IRQ = 1,
    VECTOR_FIQ = 2,
};

enum {
    MODE_EL0 = 0x3c0, /* SPSR_EL1: DAIF set */
    MODE_EL1T = 0x3c4,
    MODE_EL1H = 0x3c5,
    SPSR_D = 1 << 9,
    SPSR_I = 1 << 7,
    SPSR_F = 1 << 6,
    SPSR_IL = 1 << 20,
    SPSR_SS = 1 << 21,
    SPSR_PAN = 1 << 22,
};

/* ESR_EL1 of a 32-bit instruction. */
#define ESR(ec, iss) ((uint64_t)(ec) << 26 | 1u << 25 | (iss))

/* Code for enter(): ends with ret, or before that with an exception. */
struct entry {
    uint64_t pc, spsr, sp_el0, lr;
    uint64_t x[4];
};

/*
 * Run `code` in a mode with x0 and x1 until it raises a synchronous exception,
 * and say which. Code that returns shows as an SVC from `leave`: see
 * returned(). At EL0 with the MMU on, code runs at its user alias.
 */
struct trap run_at(uint64_t spsr, const void *code, uint64_t x0, uint64_t x1);
struct trap run_entry(const struct entry *entry);
bool returned(const struct trap *trap);
/* The exception is the one named, taken where it says. */
#define NO_FAR UINT64_MAX
bool check_trap(const char *name, const struct trap *trap, uint64_t vector,
                uint64_t esr, uint64_t elr, uint64_t far, uint64_t spsr);
bool check_returned(const char *name, const struct trap *trap);

struct cpu {
    struct trap trap;
    uint64_t rescue_sp; /* not 0: an exception ends enter() */
    uint64_t number;
    uint64_t handler_pan; /* PSTATE.PAN when `trap` was taken */
    /* IRQ and FIQ vectors; NULL: such an interrupt is a failure */
    void (*irq)(struct trap *trap);
    void (*fiq)(struct trap *trap);
    /* synchronous exceptions outside of enter(); NULL: a failure too */
    void (*sync)(struct trap *trap);
    void (*main)(uint64_t cpu); /* a secondary's */
};

_Static_assert(sizeof(struct trap) == FRAME_BYTES, "start.S");
_Static_assert(sizeof(struct cpu) <= CPU_BYTES, "start.S");

struct cpu *this_cpu(void);

/* ---- runtime.c: PSCI ----------------------------------------------------- */

enum {
    PSCI_VERSION = 0x84000000,
    PSCI_CPU_OFF = 0x84000002,
    PSCI_SYSTEM_OFF = 0x84000008,
    PSCI_SYSTEM_RESET = 0x84000009,
};
#define PSCI_CPU_ON 0xc4000003u
#define PSCI_AFFINITY_INFO 0xc4000004u

int64_t hvc(uint64_t function, uint64_t a, uint64_t b, uint64_t c);
int64_t smc(uint64_t function, uint64_t a, uint64_t b, uint64_t c);

extern char secondary_start[];
/* How many vCPUs there are. */
unsigned cpu_count(void);
/* vCPU `number` runs main(number), with interrupts masked and the MMU as
 * vCPU 0 has it; PSCI's answer. When main returns the vCPU goes off. */
int64_t start_cpu(uint64_t number, void (*main)(uint64_t cpu));
/* The same, and wait for the end of it. vCPU 0 runs it here. */
void run_on(uint64_t number, void (*main)(uint64_t cpu));
void spin_until(volatile uint32_t *word, uint32_t value);

/* The same without keeping a processor busy; the other side says it by
 * tell_word. */
static inline void wait_word(volatile uint32_t *word, uint32_t value)
{
    while (__atomic_load_n(word, __ATOMIC_ACQUIRE) != value)
        ASM("wfe");
}

static inline void tell_word(volatile uint32_t *word, uint32_t value)
{
    __atomic_store_n(word, value, __ATOMIC_RELEASE);
    ASM("dsb ish\n\tsev");
}

/* The vCPU is off, as PSCI sees it. */
void wait_off(uint64_t number);

/* ---- paging.c ------------------------------------------------------------ */

/* Descriptor bits of stage 1 [D8.3] */
#define PTE_VALID (1ull << 0)
#define PTE_TABLE (1ull << 1) /* at levels 0-2; of a page, at level 3 */
#define PTE_PAGE (PTE_VALID | PTE_TABLE)
#define PTE_BLOCK PTE_VALID
#define PTE_DEVICE (1ull << 2) /* AttrIndx 1 */
#define PTE_USER (1ull << 6)   /* AP[1] */
#define PTE_RO (1ull << 7)     /* AP[2] */
#define PTE_SH (3ull << 8)
#define PTE_AF (1ull << 10)
#define PTE_NG (1ull << 11)
#define PTE_DBM (1ull << 51)
#define PTE_CONT (1ull << 52)
#define PTE_PXN (1ull << 53)
#define PTE_UXN (1ull << 54)
/* Kernel data, and data that EL0 shares; neither to be executed. */
#define PTE_KERNEL (PTE_SH | PTE_AF | PTE_PXN | PTE_UXN)
#define PTE_SHARED (PTE_KERNEL | PTE_USER)

/* Virtual addresses with nothing behind them, for a test's own mappings */
#define WINDOW 0x8000000000ull
/* Where EL0 finds the image: read-only and executable */
#define USER_ALIAS 0x1000000000ull
/* and for a stack */
#define USER_STACK_TOP 0x1800010000ull
/* RAM (there are 128 MiB) that nothing else uses, 2 MiB aligned */
#define SCRATCH 0x42000000ull
#define SCRATCH_BYTES 0x1000000ull

/* TCR_EL1 in force: 48 bits on both sides, 40 bits of output */
#define TCR_BASE                                                               \
    (16ull | 16ull << 16 | 1ull << 8 | 1ull << 10 | 3ull << 12 | 1ull << 24 |  \
     1ull << 26 | 3ull << 28 | 2ull << 30 | 2ull << 32 | 1ull << 36)
#define TCR_EPD0 (1ull << 7)
#define TCR_EPD1 (1ull << 23)
#define TCR_HA (1ull << 39)
#define TCR_HD (1ull << 40)
#define TCR_E0PD0 (1ull << 55)
#define TCR_E0PD1 (1ull << 56)

#define SCTLR_M (1ull << 0)
#define SCTLR_A (1ull << 1)
#define SCTLR_C (1ull << 2)
#define SCTLR_SA (1ull << 3)
#define SCTLR_SA0 (1ull << 4)
#define SCTLR_UMA (1ull << 9)
#define SCTLR_I (1ull << 12)
#define SCTLR_DZE (1ull << 14)
#define SCTLR_UCT (1ull << 15)
#define SCTLR_NTWI (1ull << 16)
#define SCTLR_NTWE (1ull << 18)
#define SCTLR_WXN (1ull << 19)
#define SCTLR_SPAN (1ull << 23)
#define SCTLR_UCI (1ull << 26)
#define SCTLR_BASE                                                             \
    (SCTLR_SA | SCTLR_SA0 | SCTLR_UMA | SCTLR_I | SCTLR_C | SCTLR_DZE |        \
     SCTLR_UCT | SCTLR_NTWI | SCTLR_NTWE | SCTLR_SPAN | SCTLR_UCI |            \
     1ull << 8 | 1ull << 11 | 1ull << 20 | 1ull << 22 | 1ull << 28 |           \
     1ull << 29)

/* Make the tables (once) and turn the MMU on: RAM and devices where they are,
 * for EL1 alone, and the user alias. */
void paging_on(void);
extern bool paging_is_on;
/* On a secondary, with the tables that are there. */
void paging_on_here(void);
/* The descriptor of `va` at a level, with the tables above it made. */
volatile uint64_t *pte(uint64_t va, unsigned level);
/* Map one page in TTBR0's half or TTBR1's, and make it visible. */
void map_page(uint64_t va, uint64_t pa, uint64_t attributes);
/* Store a descriptor and make it visible; the old one is forgotten. */
void set_pte(volatile uint64_t *slot, uint64_t value);
/* A fresh zeroed page below the image's end. */
uint64_t *new_page(void);
extern uint64_t ttbr0_root, ttbr1_root;

void tlbi_all(void);       /* every vCPU */
void tlbi_va(uint64_t va); /* every vCPU, every ASID */
void sync_code(const void *code, size_t bytes);

/* ---- gicv3.c ------------------------------------------------------------- */

#define GICD 0x08000000ull
#define GICR(cpu) (0x080a0000ull + (cpu)*0x20000ull)
#define GICR_SGI(cpu) (GICR(cpu) + 0x10000)
/* Offsets in the distributor and in the redistributor's second frame */
enum {
    GIC_IGROUPR = 0x80,
    GIC_ISENABLER = 0x100,
    GIC_ICENABLER = 0x180,
    GIC_ISPENDR = 0x200,
    GIC_ICPENDR = 0x280,
    GIC_ISACTIVER = 0x300,
    GIC_ICACTIVER = 0x380,
    GIC_IPRIORITYR = 0x400,
    GIC_ICFGR = 0xc00,
};
#define GICD_IROUTER(n) (GICD + 0x6000 + 8 * (n))

#define ICC_PMR "s3_0_c4_c6_0"
#define ICC_IAR0 "s3_0_c12_c8_0"
#define ICC_EOIR0 "s3_0_c12_c8_1"
#define ICC_HPPIR0 "s3_0_c12_c8_2"
#define ICC_BPR0 "s3_0_c12_c8_3"
#define ICC_AP0R0 "s3_0_c12_c8_4"
#define ICC_AP1R0 "s3_0_c12_c9_0"
#define ICC_SGI0R "s3_0_c12_c11_7"
#define ICC_IGRPEN0 "s3_0_c12_c12_6"
#define ICC_DIR "s3_0_c12_c11_1"
#define ICC_RPR "s3_0_c12_c11_3"
#define ICC_SGI1R "s3_0_c12_c11_5"
#define ICC_IAR1 "s3_0_c12_c12_0"
#define ICC_EOIR1 "s3_0_c12_c12_1"
#define ICC_HPPIR1 "s3_0_c12_c12_2"
#define ICC_BPR1 "s3_0_c12_c12_3"
#define ICC_CTLR "s3_0_c12_c12_4"
#define ICC_SRE "s3_0_c12_c12_5"
#define ICC_IGRPEN1 "s3_0_c12_c12_7"

enum { SPURIOUS = 1023, TIMER_INTID = 27, UART_INTID = 33 };
#define SGI_ALL_BUT_SELF (1ull << 40)

/* The distributor, once; then this vCPU's redistributor and interface: all
 * SGIs and PPIs in group 1, off, priority 0xa0, every priority let through. */
void gic_start(void);
void gic_start_cpu(void);
void gic_enable(unsigned intid);
void gic_disable(unsigned intid);
void gic_priority(unsigned intid, uint8_t priority);
/* One of the arrays of one bit per interrupt, for this vCPU. */
bool gic_bit(unsigned array, unsigned intid);
void gic_set_bit(unsigned array, unsigned intid);
static inline uint32_t gic_acknowledge(void)
{
    return (uint32_t)READ(ICC_IAR1);
}
static inline void gic_end(uint32_t intid)
{
    WRITE(ICC_EOIR1, intid);
}
/* `list`: one bit for each vCPU. */
static inline void gic_send_sgi(unsigned sgi, uint64_t list)
{
    ASM("dsb ishst");
    WRITE(ICC_SGI1R, (uint64_t)sgi << 24 | list);
}

#endif
