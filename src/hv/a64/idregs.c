/*
 * What the processor says it is: ID registers and cache geometry [D19.2].
 *
 * A field is set here only when the engine implements the feature, all of it.
 * The API may rewrite the ID registers of a vCPU; that changes what the guest
 * reads and nothing else.
 */
#include "sysreg.h"

/* `name` is for the reader */
#define FIELD(name, lo, value) ((uint64_t)(value) << (lo))

enum {
    LINE_BYTES_LOG2 = 6, /* all caches, and DC ZVA's block */
    LINE_WORDS_LOG2 = LINE_BYTES_LOG2 - 2,
};

/* AArch64 only, at EL0 and EL1; FP and Advanced SIMD without half precision
 * arithmetic. GIC stays 0: a VMM that has one for the guest sets it. CSV2 and
 * CSV3 hold because guest code never runs as host code out of order with its
 * permission checks. */
static const uint64_t pfr0 = FIELD(EL0, 0, 1) | FIELD(EL1, 4, 1) |
                             FIELD(CSV2, 56, 1) | FIELD(CSV3, 60, 1);

static const uint64_t isar0 = FIELD(AES_PMULL, 4, 2) | FIELD(SHA1, 8, 1) |
                              FIELD(SHA2_256, 12, 1) | FIELD(CRC32, 16, 1) |
                              FIELD(ATOMIC, 20, 2) | FIELD(DP, 44, 1) |
                              FIELD(RNDR, 60, 1);

static const uint64_t isar1 = FIELD(LRCPC, 20, 1);

/* 40 bits of physical address, 16 of ASID; TGRAN16 = 0 and TGRAN64 = 15 say
 * that these granules are not there, TGRAN4 = 0 that this one is */
static const uint64_t mmfr0 = FIELD(PARANGE, 0, 2) | FIELD(ASIDBITS, 4, 2) |
                              FIELD(TGRAN16, 20, 0) | FIELD(TGRAN64, 24, 15) |
                              FIELD(TGRAN4, 28, 0);

/* access flag and dirty state by hardware */
static const uint64_t mmfr1 = FIELD(HAFDBS, 0, 2) | FIELD(PAN, 20, 1);

static const uint64_t mmfr2 = FIELD(E0PD, 60, 1);

/* Armv8.0 debug; the numbers are one less than there are */
static const uint64_t dfr0 = FIELD(DEBUGVER, 0, 6) | FIELD(BRPS, 12, 6 - 1) |
                             FIELD(WRPS, 20, 4 - 1) |
                             FIELD(CTX_CMPS, 28, 2 - 1);

void a64_idregs_reset(struct a64_sys *sys)
{
    sys->midr_el1 = 0x610f0000; /* what Apple's framework shows, always */
    sys->mpidr_el1 = 0x80000000;
    sys->id_aa64pfr0_el1 = pfr0;
    sys->id_aa64isar0_el1 = isar0;
    sys->id_aa64isar1_el1 = isar1;
    sys->id_aa64mmfr0_el1 = mmfr0;
    sys->id_aa64mmfr1_el1 = mmfr1;
    sys->id_aa64mmfr2_el1 = mmfr2;
    sys->id_aa64dfr0_el1 = dfr0;
}

/*
 * Caches are physical and coherent, so cleaning to the point of unification
 * is not needed (IDC). The instruction cache is the decoded code, which does
 * not watch memory: DIC is 0, and the guest has to say IC IVAU.
 */
uint64_t a64_ctr_el0(void)
{
    return FIELD(IMINLINE, 0, LINE_WORDS_LOG2) | FIELD(L1IP_PIPT, 14, 3) |
           FIELD(DMINLINE, 16, LINE_WORDS_LOG2) |
           FIELD(ERG, 20, LINE_WORDS_LOG2) | FIELD(CWG, 24, LINE_WORDS_LOG2) |
           FIELD(IDC, 28, 1) | FIELD(DIC, 29, 0) | FIELD(RES1, 31, 1);
}

uint64_t a64_dczid_el0(void)
{
    return LINE_WORDS_LOG2;
}

/* Level 1 is split, level 2 unified and the point of coherence; unification
 * needs no cleaning at all. */
uint64_t a64_clidr_el1(void)
{
    return FIELD(CTYPE1, 0, 3) | FIELD(CTYPE2, 3, 4) | FIELD(LOC, 24, 2);
}

static uint64_t ccsidr(unsigned sets, unsigned ways)
{
    return FIELD(LINESIZE, 0, LINE_BYTES_LOG2 - 4) |
           FIELD(ASSOCIATIVITY, 3, ways - 1) | FIELD(NUMSETS, 13, sets - 1);
}

uint64_t a64_ccsidr_el1(unsigned level, bool instruction)
{
    if (level == 1)
        return ccsidr(256, 4); /* 64 KiB */
    if (level == 2 && !instruction)
        return ccsidr(1024, 16); /* 1 MiB */
    return 0;
}

/* In hv_feature_reg_t's order. What is not named reads 0. */
bool a64_feature_reg(unsigned feature_reg, uint64_t *value)
{
    const uint64_t values[18] = {
        [0] = dfr0,
        [2] = isar0,
        [3] = isar1,
        [4] = mmfr0,
        [5] = mmfr1,
        [6] = mmfr2,
        [7] = pfr0,
        [9] = a64_ctr_el0(),
        [10] = a64_clidr_el1(),
        [11] = a64_dczid_el0(),
    };

    if (feature_reg >= sizeof(values) / sizeof(values[0]))
        return false;
    *value = values[feature_reg];
    return true;
}
