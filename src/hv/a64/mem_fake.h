/*
 * What the tests of the memory files stand on: a VM with some guest RAM, page
 * tables to build in it, and the rest of the engine reduced to notes of what
 * it was asked to do. The notes are each thread's own.
 */
#ifndef LULL_A64_MEM_FAKE_H
#define LULL_A64_MEM_FAKE_H

#include <check.h>

#include "code.h"
#include "mem.h"

enum {
    RAM = 0x40000000, /* 32 MiB, all permissions */
    RAM_BYTES = 32 << 20,
    DATA = RAM + (16 << 20), /* no table is put from here on */
    READ_ONLY = 0x50000000,  /* 64 KiB each */
    NO_EXEC = 0x51000000,
    WRITE_ONLY = 0x52000000,
    HOLE = 0x60000000, /* nothing there */
};

/* Descriptor bits. */
enum {
    D_VALID = 1 << 0,
    D_TABLE = 1 << 1,
    D_PAGE = 1 << 1,
    D_DEVICE = 0 << 2, /* indices into fake_start's MAIR_EL1 */
    D_NORMAL = 1 << 2,
    D_NONCACHEABLE = 2 << 2,
    D_USER = 1 << 6,
    D_RO = 1 << 7,
    D_INNER = 3 << 8,
    D_AF = 1 << 10,
    D_NG = 1 << 11,
};
#define D_DBM (1ULL << 51)
#define D_CONTIGUOUS (1ULL << 52)
#define D_PXN (1ULL << 53)
#define D_UXN (1ULL << 54)

/* Kernel read-write data and user read-write pages, accessed before. */
#define KERNEL (D_NORMAL | D_INNER | D_AF)
#define USER (KERNEL | D_USER | D_NG)

struct fake {
    /* a64_exception */
    unsigned exceptions, ec;
    uint32_t iss;
    uint64_t far;
    /* a64_exit_to_vmm */
    unsigned exits, exit_ec;
    uint32_t exit_iss;
    uint64_t exit_va, exit_ipa;
    unsigned undefined;
    /* a64_watchpoint */
    unsigned watched;
    uint64_t watch_va;
    unsigned watch_size;
    bool watch_write, watch_hits;
    /* a64_code_page, a64_code_invalidate */
    unsigned pages_made, invalidated, invalidated_all;
    uint64_t invalid_ipa, invalid_len;
    bool no_code_memory;
    void (*in_code_page)(struct a64_cpu *cpu);
};

/* What a64_abort_iss says. */
enum { FAKE_ISS = 1 << 24 | 3 << 22 | 5 << 16 };

extern _Thread_local struct fake fake;
extern struct a64_vm fake_vm;

/* A VM with the memory above. */
void fake_start(void);
void fake_stop(void);
/* A vCPU at EL1, MMU on: 48-bit halves, tables empty, AS=1. */
struct a64_cpu *fake_cpu(unsigned id);
/* The same with these tables. */
struct a64_cpu *fake_cpu_with(unsigned id, uint64_t ttbr0, uint64_t ttbr1);
void fake_cpu_free(struct a64_cpu *cpu);
/* The instruction at cpu->pc, for what depends on it. */
void fake_insn(struct a64_cpu *cpu, uint32_t insn);

/* Host address of guest RAM. */
void *fake_ram(uint64_t ipa);
/* A cleared page for a table. */
uint64_t fake_table(void);
/* The descriptor for va at `level` below cpu's TTBR; tables are made on the
 * way there. */
_Atomic uint64_t *fake_desc(struct a64_cpu *cpu, uint64_t va, unsigned level);
void fake_map(struct a64_cpu *cpu, uint64_t va, uint64_t ipa, unsigned level,
              uint64_t attributes);

/* Accesses of 8 bytes that must work; what they found. */
uint64_t fake_get(struct a64_cpu *cpu, uint64_t va);
void fake_put(struct a64_cpu *cpu, uint64_t va, uint64_t value);
/* Whether the fast path of cpu.h would hit. */
bool fast_read(const struct a64_cpu *cpu, uint64_t va, unsigned size);
bool fast_write(const struct a64_cpu *cpu, uint64_t va, unsigned size);
uint64_t fills(struct a64_cpu *cpu);

/* SYS instructions as the manual names them: op1, CRn, CRm, op2. */
#define FAKE_SYS(op1, crn, crm, op2)                                           \
    (0xd5080000u | (op1) << 16 | (crn) << 12 | (crm) << 8 | (op2) << 5)
#define TLBI_VMALLE1 FAKE_SYS(0, 8, 7, 0)
#define TLBI_VAE1 FAKE_SYS(0, 8, 7, 1)
#define TLBI_ASIDE1 FAKE_SYS(0, 8, 7, 2)
#define TLBI_VAAE1 FAKE_SYS(0, 8, 7, 3)
#define TLBI_VALE1 FAKE_SYS(0, 8, 7, 5)
#define TLBI_VAALE1 FAKE_SYS(0, 8, 7, 7)
#define TLBI_VMALLE1IS FAKE_SYS(0, 8, 3, 0)
#define TLBI_VAE1IS FAKE_SYS(0, 8, 3, 1)
#define IC_IALLUIS FAKE_SYS(0, 7, 1, 0)
#define IC_IALLU FAKE_SYS(0, 7, 5, 0)
#define IC_IVAU FAKE_SYS(3, 7, 5, 1)

/* TLBI operand */
#define TLBI_VA(va, asid) (bits(va, 55, 12) | (uint64_t)(asid) << 48)

int fake_main(Suite *suite);

#endif
