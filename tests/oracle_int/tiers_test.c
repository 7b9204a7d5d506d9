/*
 * The compiled tier against the interpreter.
 *
 * Random programs, each a loop that runs long enough to be compiled, with
 * branches inside, loads and stores to RAM and to unmapped addresses (which
 * this program answers, as a VMM does), and instructions that only the
 * interpreter has. Every program runs in a process with the compiler and in
 * one without (LULL_NATIVE=0); what is left in registers, flags and memory
 * must be the same, and so must every exit on the way.
 *
 * TIERS_PROGRAMS sets how many (default 2000), TIERS_SEED the seed. Where there
 * is no compiler for the host, both are the interpreter, and pass.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "case.h"
#include "el0.h"
#include "program.h"
#include "words.h"

enum {
    CODE = ORACLE_CODE,
    DATA = ORACLE_DATA,
    DATA_BYTES = 0x8000,
    NOWHERE = 0x08000000,
    ROUNDS = 2000,
    MAX_WORDS = 60,
    PROGRAMS = 2000,
};

/* Registers with a meaning; the rest is the program's. */
enum { R_NOWHERE = 24, R_DATA = 25, R_INDEX = 26, R_BASE = 27, R_COUNT = 28 };

struct result {
    uint64_t x[31], sp, nzcv, elr, esr, exits, exit_hash;
    uint64_t data_hash, v_hash;
    uint64_t off_esr, off_elr;    /* of a second run, with FP disabled */
    uint32_t word[MAX_WORDS + 4]; /* what ran */
    uint64_t words;
};

/* ---- programs ---- */

/* Whether the word may write one of the registers that have a meaning. */
static int spoils(uint32_t insn)
{
    unsigned fields[] = {field(insn, 4, 0), field(insn, 14, 10),
                         field(insn, 20, 16)};

    /* what is not a load or store writes one register; FCMP none */
    unsigned count = (insn & 0x0a000000) == 0x08000000   ? 3
                     : (insn & 0xff20fc07) == 0x1e202000 ? 0
                                                         : 1;

    /* the third only as an index, and as the status of an exclusive */
    for (unsigned i = 0; i < count; i++)
        if (fields[i] >= R_NOWHERE && fields[i] <= R_COUNT &&
            !(i == 2 && fields[i] == R_INDEX))
            return 1;
    return 0;
}

static unsigned next_kind; /* of program.h's */

static int is_memory(enum access access)
{
    return access != NONE && access != BRANCH && access != LITERAL;
}

/* Made to access the data, and not too far from the base. */
static uint32_t aim(uint32_t insn)
{
    insn = (insn & ~(31u << 5)) | R_BASE << 5;
    if ((insn & 0x3b200c00) == 0x38200800) /* register offset */
        insn = (insn & ~(31u << 16)) | R_INDEX << 16;
    if ((insn & 0x3b000000) == 0x39000000) /* unsigned offset */
        insn &= ~(0xff0u << 10);
    if ((insn & 0xbe800000) == 0x0c800000) /* structures, post-indexed */
        insn |= 31u << 16;
    return insn;
}

/* No branch, nothing of the system, no literal. */
static int belongs_in_loop(const struct kind *k)
{
    return k->samples != 0 && k->group != GROUP_BRANCH &&
           k->group != GROUP_SYSTEM &&
           (k->sample[0] & 0x3b000000) != 0x18000000;
}

/* A word of the next such kind, in the order of program.h. */
static uint32_t kind_word(void)
{
    for (unsigned tries = 0; tries < 10000; tries++) {
        const struct kind *k = kind_at(next_kind % kinds_count());
        uint32_t insn;

        if (!belongs_in_loop(k)) {
            next_kind++;
            continue;
        }
        insn = word_of(k);
        if (is_memory_access(insn) && kind_of(aim(insn)) == k)
            insn = aim(insn);  /* else it is a kind that has SP as its base */
        if (tries % 100 == 99) /* few words, all of which spoil something */
            next_kind++;
        if (spoils(insn) || !word_is_fair(insn) || kind_of(insn) != k)
            continue;
        next_kind++;
        return insn;
    }
    abort();
}

static uint32_t program_word(unsigned left)
{
    if (rng() % 2)
        return kind_word();
    for (;;) {
        const struct class *c = &classes[rng() % CLASSES];
        uint32_t insn = random_word(c);

        if (c->access == LITERAL || (insn & 0xfc000000) == 0x94000000)
            continue;
        if (c->access == BRANCH) {
            unsigned words = 1 + (unsigned)(rng() % (left < 6 ? left : 6));

            if (c->value == 0x14000000)
                insn = (insn & ~7u) | words;
            else
                insn = (insn & ~(7u << 5)) | words << 5;
        }
        if (is_memory(c->access)) {
            unsigned base = rng() % 64 == 0 ? R_NOWHERE : R_BASE;

            insn = (insn & ~(31u << 5)) | base << 5;
            if (c->access == BASE_REG)
                insn = (insn & ~(31u << 16)) | R_INDEX << 16;
            if (base == R_NOWHERE && c->access != BASE_IMM12)
                continue; /* only what a VMM can answer, mostly */
        }
        if (!spoils(insn))
            return insn;
    }
}

/* Programs that went wrong once. */
static const struct {
    unsigned words;
    uint32_t word[8];
} kept[] = {
    /* adds, csel hi, csel ge: a condition that had to be worked out anew left
     * the host's flags to the next one, as if they still were the addition's */
    {6,
     {0xab170045, 0x9a9781a6, 0x9a86a1d4, 0x8b1400e7, 0xcac73442, 0x8b0202f7}},
};

enum { KEPT = sizeof(kept) / sizeof(kept[0]) };

/* The loop: the random part, restore the base, count, again; then an SVC. */
static unsigned write_program(unsigned long number)
{
    unsigned words = 4 + (unsigned)(rng() % MAX_WORDS), at = 0;
    uint32_t out[MAX_WORDS + 16];

    if (number < KEPT) {
        words = kept[number].words;
        memcpy(out, kept[number].word, 4 * words);
        at = words;
    }
    while (at < words) {
        out[at] = program_word(words - at);
        at++;
    }
    out[at++] = 0xaa1903fb;                           /* mov x27, x25 */
    out[at++] = 0x9100033f;                           /* mov sp, x25 */
    out[at++] = 0xf100079c;                           /* subs x28, x28, #1 */
    out[at] = 0x54000001 | ((0 - at) & 0x7ffff) << 5; /* b.ne to the start */
    at++;
    out[at++] = 0xd4000001; /* svc #0 */
    memcpy(code, out, at * 4);
    return words;
}

static uint64_t hash(uint64_t h, uint64_t value)
{
    return (h ^ value) * 0x9e3779b97f4a7c15 + (h >> 29);
}

static void set_registers(void)
{
    for (unsigned i = 0; i < 31; i++)
        HV(hv_vcpu_set_reg(vcpu, HV_REG_X0 + i, random_value()));
    HV(hv_vcpu_set_reg(vcpu, HV_REG_X0 + R_NOWHERE, NOWHERE));
    HV(hv_vcpu_set_reg(vcpu, HV_REG_X0 + R_DATA, DATA + DATA_BYTES / 2));
    HV(hv_vcpu_set_reg(vcpu, HV_REG_X0 + R_BASE, DATA + DATA_BYTES / 2));
    HV(hv_vcpu_set_reg(vcpu, HV_REG_X0 + R_INDEX, rng() % 64));
    HV(hv_vcpu_set_reg(vcpu, HV_REG_X0 + R_COUNT, ROUNDS));
    HV(hv_vcpu_set_sys_reg(vcpu, HV_SYS_REG_SP_EL0, DATA + DATA_BYTES / 2));
    HV(hv_vcpu_set_reg(vcpu, HV_REG_CPSR, (rng() & 15) << 28));
    HV(hv_vcpu_set_reg(vcpu, HV_REG_PC, CODE));
    HV(hv_vcpu_set_reg(vcpu, HV_REG_FPCR, rng() % 2 ? 0 : rng() & 0x07c00000));
    HV(hv_vcpu_set_reg(vcpu, HV_REG_FPSR, 0));
    for (unsigned i = 0; i < 32; i++) {
        uint64_t pair[2] = {rng(), random_value()};
        hv_simd_fp_uchar16_t q;

        memcpy(&q, pair, sizeof(q));
        HV(hv_vcpu_set_simd_fp_reg(vcpu, HV_SIMD_FP_REG_Q0 + i, q));
    }
    for (unsigned i = 0; i < DATA_BYTES; i += 8) {
        uint64_t value = rng();

        memcpy(data + i, &value, 8);
    }
}

/* Answer an access to nowhere; false when there was no such exit. */
static int answer(struct result *r)
{
    uint64_t syndrome = vexit->exception.syndrome, pc, value = 0;
    unsigned rt = syndrome >> 16 & 31;

    if (vexit->reason != HV_EXIT_REASON_EXCEPTION || syndrome >> 26 != 0x24)
        return 0;
    HV(hv_vcpu_get_reg(vcpu, HV_REG_PC, &pc));
    if (syndrome >> 24 & 1 && rt != 31) {
        if (syndrome >> 6 & 1)
            HV(hv_vcpu_get_reg(vcpu, HV_REG_X0 + rt, &value));
        else
            HV(hv_vcpu_set_reg(vcpu, HV_REG_X0 + rt, r->exits * 0x1234567));
    }
    HV(hv_vcpu_set_reg(vcpu, HV_REG_PC, pc + 4));
    r->exits++;
    r->exit_hash = hash(r->exit_hash, syndrome);
    r->exit_hash = hash(r->exit_hash, pc);
    r->exit_hash = hash(r->exit_hash, vexit->exception.physical_address);
    r->exit_hash = hash(r->exit_hash, value);
    return 1;
}

static void run_once(struct result *r, uint64_t seed)
{
    memset(r, 0, sizeof(*r));
    rng_state = seed;
    set_registers();
    do
        HV(hv_vcpu_run(vcpu));
    while (answer(r));
    HV(hv_vcpu_get_sys_reg(vcpu, HV_SYS_REG_ELR_EL1, &r->elr));
    HV(hv_vcpu_get_sys_reg(vcpu, HV_SYS_REG_ESR_EL1, &r->esr));
}

/* What the random words raise at once (most of the unallocated ones) becomes a
 * NOP, mostly, so that the loop gets going; what they raise later stays. */
static void run_program(struct result *r, unsigned long number, uint64_t seed)
{
    const uint32_t nop = 0xd503201f;
    struct result off;
    uint64_t value;

    unsigned words;

    rng_state = seed;
    words = write_program(number);
    for (unsigned tries = 0; tries < 2 * MAX_WORDS; tries++) {
        uint64_t left;

        el0_sync_code();
        run_once(r, seed);
        HV(hv_vcpu_get_reg(vcpu, HV_REG_X0 + R_COUNT, &left));
        if (left < ROUNDS - 100 || r->esr >> 26 == 0x15 ||
            r->elr - CODE >= 4 * (MAX_WORDS + 16))
            break;
        memcpy(code + (r->elr - CODE), &nop, 4);
    }
    for (unsigned i = 0; i < 31; i++)
        HV(hv_vcpu_get_reg(vcpu, HV_REG_X0 + i, &r->x[i]));
    HV(hv_vcpu_get_sys_reg(vcpu, HV_SYS_REG_SP_EL0, &r->sp));
    HV(hv_vcpu_get_sys_reg(vcpu, HV_SYS_REG_SPSR_EL1, &r->nzcv));
    for (unsigned i = 0; i < 32; i++) {
        hv_simd_fp_uchar16_t q;
        uint64_t pair[2];

        HV(hv_vcpu_get_simd_fp_reg(vcpu, HV_SIMD_FP_REG_Q0 + i, &q));
        memcpy(pair, &q, sizeof(pair));
        r->v_hash = hash(hash(r->v_hash, pair[0]), pair[1]);
    }
    HV(hv_vcpu_get_reg(vcpu, HV_REG_FPSR, &value));
    r->v_hash = hash(r->v_hash, value);
    for (unsigned i = 0; i < DATA_BYTES; i += 8) {
        memcpy(&value, data + i, 8);
        r->data_hash = hash(r->data_hash, value);
    }
    r->words = words;
    memcpy(r->word, code, words * 4);
    /* What was compiled with FP enabled has to trap without. */
    HV(hv_vcpu_set_sys_reg(vcpu, HV_SYS_REG_CPACR_EL1, 0));
    run_once(&off, seed);
    HV(hv_vcpu_set_sys_reg(vcpu, HV_SYS_REG_CPACR_EL1, 3 << 20));
    r->off_esr = off.esr;
    r->off_elr = off.elr;
}

/* ---- two processes ---- */

static unsigned long setting(const char *name, unsigned long otherwise)
{
    const char *text = getenv(name);

    return text == NULL ? otherwise : strtoul(text, NULL, 0);
}

/* In a child: run all programs, write the results to fd. */
static void child(int fd, const char *native, unsigned long programs,
                  unsigned long seed)
{
    setenv("LULL_NATIVE", native, 1);
    el0_set_up(DATA_BYTES);
    next_kind = (unsigned)seed * 97;
    for (unsigned long i = 0; i < programs; i++) {
        struct result r;

        run_program(&r, i, seed * 1000003 + i);
        if (write(fd, &r, sizeof(r)) != (ssize_t)sizeof(r))
            _exit(1);
    }
    _exit(0);
}

static FILE *start(const char *native, unsigned long programs,
                   unsigned long seed)
{
    int ends[2];

    if (pipe(ends) != 0) {
        perror("pipe");
        exit(1);
    }
    switch (fork()) {
    case -1:
        perror("fork");
        exit(1);
    case 0:
        close(ends[0]);
        child(ends[1], native, programs, seed);
    }
    close(ends[1]);
    return fdopen(ends[0], "rb");
}

static void report(unsigned long i, const struct result *a,
                   const struct result *b)
{
    printf("program %lu differs (interpreter, compiled)\n", i);
    for (unsigned k = 0; k < 31; k++)
        if (a->x[k] != b->x[k])
            printf("  x%u: %016llx %016llx\n", k, (unsigned long long)a->x[k],
                   (unsigned long long)b->x[k]);
    printf("  sp %llx %llx, spsr %llx %llx, elr %llx %llx, esr %llx %llx\n",
           (unsigned long long)a->sp, (unsigned long long)b->sp,
           (unsigned long long)a->nzcv, (unsigned long long)b->nzcv,
           (unsigned long long)a->elr, (unsigned long long)b->elr,
           (unsigned long long)a->esr, (unsigned long long)b->esr);
    printf("  exits %llu %llu (%s), memory %s\n", (unsigned long long)a->exits,
           (unsigned long long)b->exits,
           a->exit_hash == b->exit_hash ? "alike" : "different",
           a->data_hash == b->data_hash ? "alike" : "different");
    printf("  FP disabled: esr %llx %llx, elr %llx %llx\n",
           (unsigned long long)a->off_esr, (unsigned long long)b->off_esr,
           (unsigned long long)a->off_elr, (unsigned long long)b->off_elr);
    printf("  vector registers %s\n",
           a->v_hash == b->v_hash ? "alike" : "different");
    for (unsigned k = 0; k < a->words; k++)
        printf("%s%08x", k % 8 ? " " : "\n  ", a->word[k]);
    printf("\n");
}

/* Kinds of the programs that ran to their end. */
static void count_kinds(const struct result *r)
{
    for (unsigned i = 0; i < r->words; i++) {
        struct kind *k = kind_of(r->word[i]);

        if (k != NULL)
            k->run++;
    }
}

/* How many kinds there are in no program that ran to its end. */
static unsigned long report_coverage(void)
{
    unsigned long missing = 0, kinds = 0;

    for (unsigned i = 0; i < kinds_count(); i++) {
        const struct kind *k = kind_at(i);

        if (!belongs_in_loop(k))
            continue;
        kinds++;
        if (k->run == 0 && missing++ < 20)
            printf("never run: %s, for example %08x\n", opcode_name(k->opcode),
                   k->sample[0]);
    }
    printf("%lu kinds of instruction, %lu of them never run\n", kinds, missing);
    return missing;
}

int main(void)
{
    unsigned long programs = setting("TIERS_PROGRAMS", PROGRAMS);
    unsigned long seed = setting("TIERS_SEED", 1), passed = 0, failed = 0;
    unsigned long whole = 0, missing;
    FILE *interpreted, *compiled;

    kinds_find();
    interpreted = start("0", programs, seed);
    compiled = start("1", programs, seed);

    for (unsigned long i = 0; i < programs; i++) {
        struct result a, b;

        if (fread(&a, sizeof(a), 1, interpreted) != 1 ||
            fread(&b, sizeof(b), 1, compiled) != 1) {
            fprintf(stderr, "program %lu: a side ended early\n", i);
            return 1;
        }
        if (a.x[R_COUNT] == 0) {
            whole++;
            count_kinds(&a);
        }
        if (memcmp(&a, &b, sizeof(a)) == 0)
            passed++;
        else if (failed++ < 10)
            report(i, &a, &b);
    }
    while (wait(NULL) > 0)
        ;
    missing = report_coverage();
    printf("%lu programs ran to the end of their loop, the others to an "
           "exception\n",
           whole);
    printf("%lu passed, %lu failed\n", passed, failed + missing);
    return failed + missing != 0;
}
