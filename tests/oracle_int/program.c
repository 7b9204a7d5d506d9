/*
 * Random programs: kinds of instruction, words of a kind, and starting states
 * in which loads, stores and branches go where they should.
 *
 * Every access to memory is aimed: the base register's starting value is made
 * such that base and offset meet a chosen address. That works as long as no
 * earlier word of the program may have written the base, so the generator
 * keeps the set of registers that may have been (`written`), and those whose
 * starting value is taken (`pinned`).
 */
#include "program.h"

#include <stdlib.h>
#include <string.h>

#include "../oracle_fp/oracle_case.h"
#include "words.h"

const char *const group_names[GROUPS] = {"integer",       "branch", "memory",
                                         "vector memory", "atomic", "fp",
                                         "simd",          "system"};

/* ---- what kind of word ---- */

static int matches(uint32_t word, uint32_t mask, uint32_t value)
{
    return (word & mask) == value;
}

static int is_ldst(uint32_t word)
{
    return matches(word, 0x0a000000, 0x08000000);
}

static int is_literal(uint32_t word)
{
    return matches(word, 0x3b000000, 0x18000000);
}

static int is_exclusive_space(uint32_t word)
{
    return matches(word, 0x3f000000, 0x08000000);
}

/* LSE, LDAPR */
static int is_lse(uint32_t word)
{
    return matches(word, 0x3f200c00, 0x38200000);
}

static int is_load_exclusive(uint32_t word)
{
    return matches(word, 0x3fc00000, 0x08400000) &&
           (!(word >> 21 & 1) || word >> 31);
}

static int is_store_exclusive(uint32_t word)
{
    return matches(word, 0x3fc00000, 0x08000000) &&
           (!(word >> 21 & 1) || word >> 31);
}

static int is_prefetch(uint32_t word)
{
    return matches(word, 0xff000000, 0xd8000000) ||
           matches(word, 0xffc00000, 0xf9800000) ||
           matches(word, 0xffe00c00, 0xf8a00800) ||
           matches(word, 0xffe00c00, 0xf8800000);
}

/* DC and IC by address: the address is in Rt */
static int is_cache_op(uint32_t word)
{
    return matches(word, 0xfffff000, 0xd50b7000);
}

static int is_indirect_branch(uint32_t word)
{
    return matches(word, 0xff9ffc1f, 0xd61f0000) && (word >> 21 & 3) != 3;
}

static int is_direct_branch(uint32_t word)
{
    return matches(word, 0x7c000000, 0x14000000) || /* B, BL */
           matches(word, 0x7c000000, 0x34000000) || /* CB, TB */
           matches(word, 0xff000010, 0x54000000);
}

int is_branch(uint32_t word)
{
    return is_direct_branch(word) || is_indirect_branch(word);
}

static int64_t signed_field(uint32_t word, unsigned hi, unsigned lo)
{
    return (int64_t)((uint64_t)word << (63 - hi)) >> (63 - hi + lo);
}

uint64_t branch_target(const struct oracle_case *c, unsigned at)
{
    uint32_t word = c->word[at];
    uint64_t here = ORACLE_SLOT + 4 * at;
    unsigned n = field(word, 9, 5);

    if (is_indirect_branch(word))
        return n == 31 ? 0 : c->x[n];
    if (matches(word, 0x7c000000, 0x14000000))
        return here + 4 * (uint64_t)signed_field(word, 25, 0);
    if (matches(word, 0x7e000000, 0x36000000))
        return here + 4 * (uint64_t)signed_field(word, 18, 5);
    return here + 4 * (uint64_t)signed_field(word, 23, 5);
}

int is_memory_access(uint32_t word)
{
    return is_ldst(word) && !is_literal(word) && !is_prefetch(word);
}

enum group group_of(uint32_t word)
{
    if (is_branch(word) || matches(word, 0xff000000, 0xd4000000))
        return GROUP_BRANCH;
    if (matches(word, 0xff000000, 0xd5000000) ||
        matches(word, 0xfe000000, 0xd6000000))
        return GROUP_SYSTEM;
    if (is_ldst(word)) {
        if (word >> 26 & 1)
            return GROUP_VECTOR_MEMORY;
        return is_exclusive_space(word) || is_lse(word) ? GROUP_ATOMIC
                                                        : GROUP_MEMORY;
    }
    if (matches(word, 0x0e000000, 0x0e000000))
        return matches(word, 0x50000000, 0x10000000) ? GROUP_FP : GROUP_SIMD;
    return GROUP_INTEGER;
}

/* ---- words left out ---- */

enum {
    SYSREG_NZCV = 0xd51b4200, /* the MSR's words, register 0 */
    SYSREG_FPCR = 0xd51b4400,
    SYSREG_FPSR = 0xd51b4420,
    SYSREG_TPIDR = 0xd51bd040,
    READ = 1 << 21, /* MRS */
    MRS_DCZID = 0xd53b00e0,
    MSR_DAIFSET = 0xd50340df,
    DC_ZVA = 0xd50b7420,
};

/* What the system space offers a program at EL0, register fields 0. */
static const uint32_t system_words[] = {
    SYSREG_NZCV,  SYSREG_NZCV | READ,
    SYSREG_FPCR,  SYSREG_FPCR | READ,
    SYSREG_FPSR,  SYSREG_FPSR | READ,
    SYSREG_TPIDR, SYSREG_TPIDR | READ,
    MRS_DCZID,    DC_ZVA,
    MSR_DAIFSET,  0xd50340ff, /* MSR DAIFCLR */
    0xd50b7520,               /* IC IVAU */
    0xd50b7a20,               /* DC CVAC */
    0xd50b7b20,               /* DC CVAU */
    0xd50b7e20,               /* DC CIVAC */
    0xd503201f,               /* NOP */
    0xd503203f,               /* YIELD */
    0xd503221f,               /* ESB, a NOP without RAS */
    0xd503229f,               /* CSDB */
    0xd503209f,               /* SEV */
    0xd50320bf,               /* SEVL */
    0xd503305f,               /* CLREX */
    0xd5033f9f,               /* DSB SY */
    0xd5033abf,               /* DMB ISHST */
    0xd5033bbf,               /* DMB ISH */
    0xd5033fdf,               /* ISB */
    0xd538c000,               /* MRS VBAR_EL1 */
    0xd518d080,               /* MSR TPIDR_EL1 */
    0xd69f03e0,               /* ERET */
};

static int takes_register(uint32_t system_word)
{
    return (system_word & 31) == 0 && system_word != 0xd69f03e0;
}

static int is_listed_system_word(uint32_t word)
{
    for (unsigned i = 0; i < sizeof(system_words) / sizeof(uint32_t); i++) {
        uint32_t listed = system_words[i];

        if (word == listed ||
            (takes_register(listed) && (word & ~31u) == listed))
            return 1;
    }
    return 0;
}

/* Forms whose result the architecture leaves open. */
static int unpredictable(uint32_t word)
{
    unsigned t = field(word, 4, 0), n = field(word, 9, 5);
    unsigned t2 = field(word, 14, 10), s = field(word, 20, 16);
    int vector = word >> 26 & 1;

    if (!is_ldst(word) || is_literal(word))
        return 0;
    if (matches(word, 0x3a000000, 0x28000000)) { /* pairs */
        if ((word >> 22 & 1) && t == t2)
            return 1;
        return (word >> 23 & 1) && !vector && n != 31 && (t == n || t2 == n);
    }
    if (matches(word, 0x3b200400, 0x38000400)) /* pre- and post-indexed */
        return !vector && n != 31 && t == n;
    if (is_load_exclusive(word))
        return (word >> 21 & 1) && t == t2;
    if (is_store_exclusive(word))
        return s == t || (s == n && n != 31) || ((word >> 21 & 1) && s == t2);
    /* CAS and LSE: nothing forbids the status to be the base, but where the
     * access then faults, what it is stays open */
    if (is_lse(word) || is_exclusive_space(word))
        return n != 31 && (t == n || s == n);
    return 0;
}

/* SBO fields of the exclusives and ordered accesses: 11111 or the result is
 * CONSTRAINED UNPREDICTABLE. */
static int sbo_missing(uint32_t word)
{
    if (!is_exclusive_space(word))
        return 0;
    if (word >> 23 & 1)
        return !(word >> 21 & 1) &&
               (field(word, 20, 16) != 31 || field(word, 14, 10) != 31);
    if (!(word >> 21 & 1) && field(word, 14, 10) != 31)
        return 1;
    return is_load_exclusive(word) && field(word, 20, 16) != 31;
}

/* CASP of X30 and the zero register: qemu 7.2 stores the second half to SP. */
static int reference_is_wrong(uint32_t word)
{
    return matches(word, 0xbfa07c00, 0x08207c00) && field(word, 20, 16) == 30;
}

int word_is_fair(uint32_t word)
{
    if (reference_is_wrong(word))
        return 0;
    if (matches(word, 0xff000000, 0xd5000000) || word == 0xd69f03e0)
        return is_listed_system_word(word);
    if (matches(word, 0xff000000, 0xd4000000)) /* BRK, HVC, SMC; not SVC */
        return field(word, 4, 0) != 1 || field(word, 23, 21) != 0;
    if (matches(word, 0xfe000000, 0xd6000000))
        return is_indirect_branch(word);
    return !unpredictable(word) && !sbo_missing(word);
}

/* ---- kinds ---- */

enum { MAX_KINDS = 2048, TABLE = 8192 };

static struct kind kinds[MAX_KINDS];
static unsigned kinds_found;
static short kind_table[TABLE]; /* index + 1 */

static const char *const opcode_names[] = {
#define NAME(n) #n,
#define NAME_COND(n, c) #n "_" #c,
    A64_OPS(NAME, NAME_COND)
#undef NAME
#undef NAME_COND
};

const char *opcode_name(enum a64_opcode opcode)
{
    return opcode_names[opcode];
}

const char *opcode_absence(enum a64_opcode opcode)
{
    switch (opcode) {
    case A64_OP_DECODE:
    case A64_OP_NATIVE:
    case A64_OP_PAGE_END:
    case A64_OP_STEP_END:
        return "the interpreter's own, no instruction";
    case A64_OP_UNDEF:
        return "not a kind; met in damaged words";
    default:
        return NULL;
    }
}

unsigned kinds_count(void)
{
    return kinds_found;
}

struct kind *kind_at(unsigned i)
{
    return &kinds[i];
}

static struct kind *kind_named(enum a64_opcode opcode, const void *fn, int add)
{
    uint64_t h = ((uint64_t)opcode << 48 ^ (uintptr_t)fn) * 0x9e3779b97f4a7c15;
    unsigned at = (unsigned)(h >> 51) % TABLE;
    struct kind *k;

    for (; kind_table[at] != 0; at = (at + 1) % TABLE) {
        k = &kinds[kind_table[at] - 1];
        if (k->opcode == opcode && k->fn == fn)
            return k;
    }
    if (!add)
        return NULL;
    if (kinds_found == MAX_KINDS)
        abort();
    k = &kinds[kinds_found++];
    k->opcode = opcode;
    k->fn = fn;
    kind_table[at] = (short)kinds_found;
    return k;
}

static struct kind *kind_for(uint32_t word, int add)
{
    struct a64_op op = {0};
    enum a64_opcode name =
        a64_decode(word, (ORACLE_SLOT - ORACLE_CODE) / 4, &op);
    const void *fn = NULL;

    if (name == A64_OP_UNDEF)
        return NULL;
    if (name == A64_OP_FN || name == A64_OP_TRAP_FN || name == A64_OP_FP_FN ||
        name == A64_OP_FP_TRAP_FN)
        fn = a64_fn_at(op.imm);
    return kind_named(name, fn, add);
}

struct kind *kind_of(uint32_t word)
{
    return kind_for(word, 0);
}

/* Keep a fair draw of the kind's words. */
static void kind_sample(uint32_t word, unsigned long *seen)
{
    struct kind *k = kind_for(word, 1);
    unsigned long n;

    if (k == NULL)
        return;
    k->group = group_of(word);
    if (!word_is_fair(word))
        return;
    n = seen[k - kinds]++;
    if (k->samples < KIND_SAMPLES)
        k->sample[k->samples++] = word;
    else if (rng() % (n + 1) < KIND_SAMPLES)
        k->sample[rng() % KIND_SAMPLES] = word;
}

/* Why a kind cannot be in a program. */
static const char *exclusion(const struct kind *k)
{
    if (k->samples || k->opcode != A64_OP_TRAP_FN)
        return NULL;
    if (k->group != GROUP_SYSTEM && k->group != GROUP_BRANCH)
        return NULL;
    return "SVC and WFI leave the program, WFE waits, the others are EL1's: "
           "TLBI, AT, IC and DC by set, MSR PAN and SPSel";
}

/* How many words to try with these bits 31 to 10: more where bits 9 to 0 say
 * what it is (branches, comparisons), or where there is one word alone
 * (ordered accesses, whose other fields should be ones). */
static unsigned draws(uint32_t word)
{
    if (matches(word, 0xfe000000, 0xd6000000) ||
        matches(word, 0xff000000, 0xd4000000) ||
        matches(word, 0xff000000, 0x54000000) ||
        matches(word, 0x7fe0fc00, 0x6b000000) ||
        matches(word, 0x5f20fc00, 0x1e202000))
        return 64;
    return is_exclusive_space(word) && !sbo_missing(word) ? 16 : 1;
}

static uint64_t low_bits(uint32_t word, unsigned draw)
{
    uint64_t bits = rng() & 0x3ff;

    if (draws(word) == 64)
        bits = (bits & 0x3e0) | (draw & 31);
    return bits;
}

/*
 * Every value of bits 31 to 10, the others random: all opcode fields but those
 * few in the register fields, which are tried as well. The system space is
 * left to its list: what else is there is for the tests of EL1.
 */
void kinds_find(void)
{
    unsigned long *seen = calloc(MAX_KINDS, sizeof(*seen));
    const uint64_t state = rng_state;

    if (seen == NULL)
        abort();
    a64_decode_init();
    rng_state = 1;
    for (uint32_t high = 0; high < 1u << 22; high++)
        for (unsigned i = 0, n = draws(high << 10); i < n; i++)
            kind_sample(high << 10 | (uint32_t)low_bits(high << 10, i), seen);
    for (unsigned i = 0; i < sizeof(system_words) / sizeof(uint32_t); i++)
        kind_sample(system_words[i] |
                        (takes_register(system_words[i]) ? rng() & 31 : 0),
                    seen);
    for (unsigned i = 0; i < kinds_found; i++)
        kinds[i].excluded = exclusion(&kinds[i]);
    free(seen);
    rng_state = state;
}

uint32_t word_of(const struct kind *k)
{
    uint32_t word = k->sample[rng() % k->samples];

    for (unsigned tries = 0; tries < 4; tries++) {
        uint32_t free =
            (31u | 31u << 5 | 31u << 16) | (rng() % 2 ? 31u << 10 : 0);
        uint32_t other = (word & ~free) | ((uint32_t)rng() & free);

        if (rng() % 8 == 0) /* register 31, and the same one twice */
            other |= 31u << (rng() % 2 ? 0 : 5);
        if (rng() % 8 == 0)
            other = (other & ~(31u << 16)) | (other & 31) << 16;
        if (word_is_fair(other) && kind_of(other) == k)
            return other;
    }
    return word;
}

/* ---- building a program ---- */

struct builder {
    struct oracle_case *c;
    uint32_t written, pinned; /* sets of registers; bit 31 is SP */
    uint32_t reserved;        /* the last load exclusive, or 0 */
};

/* Which registers the word may write: too many is safe. */
static uint32_t may_write(uint32_t word)
{
    uint32_t set = 1u << field(word, 4, 0);

    if (is_ldst(word))
        set |= 1u << field(word, 14, 10) | 1u << field(word, 20, 16) |
               1u << field(word, 9, 5);
    if (is_exclusive_space(word)) /* pairs of CASP */
        set |= 1u << ((field(word, 20, 16) + 1) & 31);
    if (is_branch(word))
        set |= 1u << 30;
    return set;
}

static uint64_t *start_of(struct oracle_case *c, unsigned n)
{
    return n == 31 ? &c->sp : &c->x[n];
}

/* Give register n a starting value; false when it is too late for that. */
static int pin(struct builder *b, unsigned n, uint64_t value)
{
    uint64_t *at = start_of(b->c, n);
    uint32_t bit = 1u << n;

    if (b->written & bit)
        return 0;
    if (b->pinned & bit)
        return *at == value;
    *at = value;
    b->pinned |= bit;
    return 1;
}

/* What the word adds to its base; x is read for the register forms. */
static uint64_t offset_of(const struct oracle_case *c, uint32_t word)
{
    unsigned size = word >> 30, m = field(word, 20, 16);
    int vector = word >> 26 & 1;

    if (vector && (word >> 23 & 1))
        size = 4;
    if (matches(word, 0x3b000000, 0x39000000))
        return (uint64_t)field(word, 21, 10) << size;
    if (matches(word, 0x3b200c00, 0x38200800)) {
        uint64_t index = m == 31 ? 0 : c->x[m];
        unsigned option = field(word, 15, 13);

        if (option == 2)
            index = (uint32_t)index;
        if (option == 6)
            index = (uint64_t)(int32_t)index;
        return index << (word >> 12 & 1 ? size : 0);
    }
    if (matches(word, 0x3b200000, 0x38000000) && (word >> 10 & 3) != 1)
        return (uint64_t)signed_field(word, 20, 12);
    if (matches(word, 0x3a000000, 0x28000000) && (word >> 23 & 3) != 1) {
        unsigned scale = vector ? (word >> 30) + 2 : word >> 31 ? 3 : 2;

        return (uint64_t)signed_field(word, 21, 15) << scale;
    }
    return 0;
}

/* LD1 to LD4, ST1 to ST4, LDP and STP of vector registers */
static int is_several_vectors(uint32_t word)
{
    return matches(word, 0xbe000000, 0x0c000000) ||
           matches(word, 0x3e000000, 0x2c000000);
}

/*
 * An address in the window: near the border of the pages, aligned, any; or, one
 * in 64, where memory ends, in the middle of the access or before it. Not for
 * several vector registers: which of them are written before the fault, the
 * architecture leaves open.
 *
 * LDAR, STLR, exclusives and LSE are always aligned: without LSE2 an alignment
 * fault is due, and qemu 7.2 gives none. tests/guests/exceptions.c has these.
 */
static uint64_t target(uint32_t word)
{
    int ordered = is_lse(word) || is_exclusive_space(word);
    uint64_t at;

    if (!ordered && !is_several_vectors(word) && rng() % 64 == 0)
        return ORACLE_DATA + ORACLE_DATA_BYTES - rng() % 32;
    switch (rng() % 4) {
    case 0:
        at = ORACLE_BORDER - rng() % 72;
        break;
    case 1:
        at = ORACLE_WINDOW + 64 + 16 * (rng() % 240);
        break;
    case 2: /* small, so that programs meet their own stores */
        at = ORACLE_BORDER + 64 + rng() % 32;
        break;
    default:
        at = ORACLE_WINDOW + 64 + rng() % (ORACLE_WINDOW_BYTES - 192);
    }
    return ordered ? at & ~15ULL : at;
}

/* Aim a load or store; false when the program so far forbids it. */
static int aim(struct builder *b, uint32_t word)
{
    unsigned n = field(word, 9, 5), m = field(word, 20, 16);
    int by_register = matches(word, 0x3b200c00, 0x38200800);
    uint64_t at = target(word), offset;

    if (by_register) {
        if (m == n && m != 31)
            return 0;
        if (m != 31 && (b->written >> m & 1))
            return 0;
        if (m != 31)
            b->pinned |= 1u << m; /* at whatever it is */
    }
    offset = offset_of(b->c, word);
    if (n == 31) {
        /* SP stays aligned, and is one value for the whole program */
        at &= ~15ULL;
        if (b->written >> 31 & 1)
            return 0;
        if (b->pinned >> 31 & 1)
            return b->c->sp + offset - ORACLE_WINDOW < ORACLE_WINDOW_BYTES - 64;
        if (offset & 15)
            at += offset & 15;
    }
    if (b->pinned >> n & 1 && !(b->written >> n & 1)) {
        at = *start_of(b->c, n) + offset;
        return at - ORACLE_WINDOW < ORACLE_WINDOW_BYTES - 64 &&
               (!(is_lse(word) || is_exclusive_space(word)) || at % 16 == 0);
    }
    return pin(b, n, at - offset);
}

/* A store exclusive mostly answers the load exclusive before it. */
static uint32_t pair_exclusive(struct builder *b, uint32_t word)
{
    uint32_t load = b->reserved;
    const uint32_t size_pair = 3u << 30 | 1u << 21;

    if (!is_store_exclusive(word) || load == 0)
        return word;
    word = (word & ~(size_pair | 31u << 5)) | (load & size_pair) |
           (load & 31u << 5);
    if (!(word >> 21 & 1))
        word |= 31u << 10;
    return word;
}

static uint32_t aim_branch(struct builder *b, uint32_t word, unsigned at,
                           unsigned words, int *ok)
{
    uint64_t here = ORACLE_SLOT + 4 * at;
    uint64_t to = here + 4 * (1 + rng() % (words + 1 - at));
    int64_t distance;
    struct a64_op op;
    enum a64_opcode name =
        a64_decode(word, (unsigned)(here - ORACLE_CODE) / 4, &op);
    int far = name == A64_OP_B || name == A64_OP_BL || name == A64_OP_BCOND ||
              (name >= A64_OP_CBZ_X && name <= A64_OP_TBNZ);

    if (far)
        to = ORACLE_FAR;
    else if (rng() % 8 == 0)
        to = ORACLE_BACK;
    if (is_indirect_branch(word)) {
        if (rng() % 4 == 0)
            to = ORACLE_FAR;
        *ok = field(word, 9, 5) != 31 && pin(b, field(word, 9, 5), to);
        return word;
    }
    distance = (int64_t)(to - here) / 4;
    if (matches(word, 0x7c000000, 0x14000000))
        return (word & 0xfc000000) | ((uint32_t)distance & 0x3ffffff);
    if (matches(word, 0x7e000000, 0x36000000))
        return (word & ~(0x3fffu << 5)) | ((uint32_t)distance & 0x3fff) << 5;
    return (word & ~(0x7ffffu << 5)) | ((uint32_t)distance & 0x7ffff) << 5;
}

static int prepare_system(struct builder *b, uint32_t word)
{
    unsigned t = field(word, 4, 0);
    uint64_t value = rng();

    if (is_cache_op(word))
        return t != 31 && pin(b, t, ORACLE_BORDER + rng() % 1024);
    /* the reserved bits are another matter */
    if ((word & ~31u) == SYSREG_FPCR)
        return t == 31 || pin(b, t, value & 0x07c00000);
    if ((word & ~31u) == SYSREG_FPSR)
        return t == 31 || pin(b, t, value & 0x0800009f);
    return 1;
}

/* Put a word at place `at`, made to fit; false when it does not. */
static int place(struct builder *b, uint32_t word, unsigned at, unsigned words)
{
    int ok = 1;

    word = pair_exclusive(b, word);
    if (is_literal(word))
        word =
            (word & ~(0x7ffffu << 5)) |
            ((ORACLE_LITERALS - ORACLE_SLOT) / 4 - at + (uint32_t)(rng() % 60))
                << 5;
    else if (is_memory_access(word))
        ok = word_is_fair(word) && aim(b, word);
    else if (is_branch(word))
        word = aim_branch(b, word, at, words, &ok);
    else if (matches(word, 0xff000000, 0xd5000000))
        ok = prepare_system(b, word);
    if (!ok)
        return 0;
    if (is_load_exclusive(word))
        b->reserved = word;
    else if (is_store_exclusive(word))
        b->reserved = 0;
    b->written |= may_write(word);
    b->c->word[at] = word;
    return 1;
}

static unsigned random_kind(unsigned groups)
{
    for (;;) {
        unsigned i = (unsigned)(rng() % kinds_found);

        if (kinds[i].samples && (groups >> kinds[i].group & 1))
            return i;
    }
}

/* A word of the last place, with a bit or two wrong: mostly UNDEF, and then
 * it has to be. */
static uint32_t damaged(uint32_t word)
{
    for (unsigned tries = 0; tries < 20; tries++) {
        uint32_t other = word ^ 1u << (rng() % 22 + 10);

        if (rng() % 2)
            other ^= 1u << (rng() % 32);
        if (word_is_fair(other) && !is_branch(other) && !is_ldst(other) &&
            !matches(other, 0xfc000000, 0xd4000000))
            return other;
    }
    return word;
}

static void random_state(struct oracle_case *c)
{
    struct oracle_state s;
    uint64_t value;

    oracle_start(&s, rng(), 0, 0);
    memset(c, 0, sizeof(*c));
    for (unsigned i = 0; i < 31; i++)
        c->x[i] = rng() % 2 ? s.x[i] : random_value();
    memcpy(c->v, s.v, sizeof(c->v));
    c->nzcv = s.nzcv;
    c->fpcr = s.fpcr;
    c->fpsr = s.fpsr;
    c->sp = ORACLE_BORDER + 16 * (rng() % 64);
    for (unsigned i = 0; i < ORACLE_WINDOW_BYTES; i += 8) {
        value = rng();
        memcpy(c->data + i, &value, 8);
    }
}

void random_program(struct oracle_case *c, unsigned first, unsigned groups)
{
    struct builder b = {.c = c};
    unsigned words = rng() % 3 ? 1 + (unsigned)(rng() % ORACLE_WORDS) : 1;

    random_state(c);
    c->words = words;
    for (unsigned at = 0; at < words; at++) {
        unsigned i = at == 0 ? first : random_kind(groups);
        uint32_t word = word_of(&kinds[i]);

        /* a load exclusive wants its store */
        if (at > 0 && b.reserved && rng() % 2) {
            word = 0x08007c00 | (uint32_t)(rng() & 0x001f801f);
            word = pair_exclusive(&b, word);
            if (!word_is_fair(word))
                word = 0xd503201f;
        }
        if (at == words - 1 && rng() % 16 == 0)
            word = damaged(word);
        if (!place(&b, word, at, words)) {
            /* too late for this one: another */
            if (at == 0) {
                random_program(c, first, groups);
                return;
            }
            at--;
        }
    }
}
