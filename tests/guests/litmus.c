/*
 * litmus: the order in which vCPUs see each other's accesses.
 *
 * A litmus test is a few instructions on two to four vCPUs and an outcome that
 * the memory model forbids [B2.3]. Each vCPU runs its part as a tight loop over
 * an array of cells, on all of which the test is made once; then the results
 * of a cell are put together and counted. The forbidden outcome must never be
 * among them.
 *
 * Three kinds. FORBIDDEN is that. ALLOWED has no barrier: what is weak about
 * the machine may be seen, and need not be. SWAPPED is a test of the tests: two
 * accesses are in the order that the barrier would forbid, so that the outcome
 * is there to be seen, and somewhere must be.
 *
 * How many times each test is made is read from the console, as a number and
 * a newline. With more vCPUs than a test needs, several groups make it.
 */
#include "bare.h"
#include "litmus.h"

enum kind { FORBIDDEN, ALLOWED, SWAPPED };

struct cell {
    volatile uint64_t x, pad_x[7], y, pad_y[7], z, pad_z[7];
};

_Static_assert(offsetof(struct cell, y) == LITMUS_Y &&
                   offsetof(struct cell, z) == LITMUS_Z &&
                   sizeof(struct cell) == LITMUS_CELL_BYTES,
               "litmus.S");

typedef void run_fn(struct cell *cell, uint64_t count, uint8_t *results);
extern run_fn isa1_data, isa1_dmb, isa1_rel, isa2_acq, isa2_addr, isa2_dmb,
    isa2_swapped, lb0_acq, lb0_data, lb0_dmb, lb0_dmbld, lb0_plain, lb0_rel,
    lb0_swapped, lb1_acq, lb1_data, lb1_dmb, lb1_dmbld, lb1_plain, lb1_rel,
    mp0_casl, mp0_dmb, mp0_dmbst, mp0_dsb, mp0_plain, mp0_stlr, mp0_stlxr,
    mp0_swapped, mp0_swpl, mp1_addr, mp1_casa, mp1_ctrlisb, mp1_dmb, mp1_dmbld,
    mp1_dsb, mp1_ldadda, mp1_ldapr, mp1_ldaprs, mp1_ldar, mp1_ldars, mp1_ldaxr,
    mp1_plain, mp1_swapped, r1_dmb, r1_plain, r1_rel, r1_swapped, read_write_x,
    read_xx, read_xx_swapped, rel_x, rel_y, rr_addr, rr_dmb, rr_ldapr, rr_ldar,
    rr_swapped, s0_dmb, s0_rel, s1_acq, s1_data, s1_dmb, s1_swapped, sb0_dmb,
    sb0_dsb, sb0_ldaddal, sb0_plain, sb0_rcpc, sb0_rel, sb0_stlxr, sb0_swapped,
    sb0_swpal, sb1_dmb, sb1_dsb, sb1_ldaddal, sb1_plain, sb1_rcpc, sb1_rel,
    sb1_stlxr, sb1_swapped, sb1_swpal, wrc1_data, wrc1_dmb, wrc1_rel,
    wrc1_swapped, write_read_x, write_x, write_x2, write_xx, write_y, ww0_dmb,
    ww0_rel, ww0_swapped, ww1_dmb, ww1_rel, ww1_swapped;

/*
 * An outcome in the low half: two bits for each register and each word left in
 * memory; which of them matter in the upper half. A is what vCPU t read first,
 * B what it read then.
 */
#define FIELD(at, value) ((3ull << (at) << 32) | (uint64_t)(value) << (at))
#define A(t, value) FIELD(4 * (t), value)
#define B(t, value) FIELD(4 * (t) + 2, value)
#define FINAL_X(value) FIELD(16, value)
#define FINAL_Y(value) FIELD(18, value)

enum { VCPUS = 4, FIELDS = 10 };

static const struct litmus {
    enum kind kind;
    const char *name;
    unsigned vcpus;
    run_fn *run[VCPUS];
    uint64_t outcome;
} tests[] = {
    {FORBIDDEN, "MP dmb dmb", 2, {mp0_dmb, mp1_dmb}, A(1, 1) | B(1, 0)},
    {FORBIDDEN, "MP dmbst dmbld", 2, {mp0_dmbst, mp1_dmbld}, A(1, 1) | B(1, 0)},
    {FORBIDDEN, "MP dsb dsb", 2, {mp0_dsb, mp1_dsb}, A(1, 1) | B(1, 0)},
    {FORBIDDEN, "MP stlr ldar", 2, {mp0_stlr, mp1_ldar}, A(1, 1) | B(1, 0)},
    {FORBIDDEN, "MP stlr ldapr", 2, {mp0_stlr, mp1_ldapr}, A(1, 1) | B(1, 0)},
    {FORBIDDEN, "MP stlr addr", 2, {mp0_stlr, mp1_addr}, A(1, 1) | B(1, 0)},
    {FORBIDDEN, "MP dmb addr", 2, {mp0_dmb, mp1_addr}, A(1, 1) | B(1, 0)},
    {FORBIDDEN, "MP dmb ctrlisb", 2, {mp0_dmb, mp1_ctrlisb}, A(1, 1) | B(1, 0)},
    {FORBIDDEN, "MP stlxr ldaxr", 2, {mp0_stlxr, mp1_ldaxr}, A(1, 1) | B(1, 0)},
    {FORBIDDEN, "MP swpl ldadda", 2, {mp0_swpl, mp1_ldadda}, A(1, 1) | B(1, 0)},
    {FORBIDDEN, "MP casl casa", 2, {mp0_casl, mp1_casa}, A(1, 1) | B(1, 0)},
    {ALLOWED, "MP plain", 2, {mp0_plain, mp1_plain}, A(1, 1) | B(1, 0)},
    {SWAPPED,
     "MP reader swapped",
     2,
     {mp0_dmb, mp1_swapped},
     A(1, 1) | B(1, 0)},
    {SWAPPED,
     "MP writer swapped",
     2,
     {mp0_swapped, mp1_dmb},
     A(1, 1) | B(1, 0)},
    {FORBIDDEN, "SB dmb dmb", 2, {sb0_dmb, sb1_dmb}, A(0, 0) | A(1, 0)},
    {FORBIDDEN, "SB dsb dsb", 2, {sb0_dsb, sb1_dsb}, A(0, 0) | A(1, 0)},
    {FORBIDDEN, "SB rel rel", 2, {sb0_rel, sb1_rel}, A(0, 0) | A(1, 0)},
    {FORBIDDEN, "SB swpal swpal", 2, {sb0_swpal, sb1_swpal}, A(0, 0) | A(1, 0)},
    {FORBIDDEN,
     "SB ldaddal ldaddal",
     2,
     {sb0_ldaddal, sb1_ldaddal},
     A(0, 0) | A(1, 0)},
    {FORBIDDEN, "SB stlxr stlxr", 2, {sb0_stlxr, sb1_stlxr}, A(0, 0) | A(1, 0)},
    {FORBIDDEN, "SB dmb rel", 2, {sb0_dmb, sb1_rel}, A(0, 0) | A(1, 0)},
    {ALLOWED, "SB rcpc rcpc", 2, {sb0_rcpc, sb1_rcpc}, A(0, 0) | A(1, 0)},
    {ALLOWED, "SB plain", 2, {sb0_plain, sb1_plain}, A(0, 0) | A(1, 0)},
    {SWAPPED, "SB swapped", 2, {sb0_swapped, sb1_dmb}, A(0, 0) | A(1, 0)},
    {FORBIDDEN, "LB dmb dmb", 2, {lb0_dmb, lb1_dmb}, A(0, 1) | A(1, 1)},
    {FORBIDDEN, "LB dmbld dmbld", 2, {lb0_dmbld, lb1_dmbld}, A(0, 1) | A(1, 1)},
    {FORBIDDEN, "LB acq acq", 2, {lb0_acq, lb1_acq}, A(0, 1) | A(1, 1)},
    {FORBIDDEN, "LB rel rel", 2, {lb0_rel, lb1_rel}, A(0, 1) | A(1, 1)},
    {FORBIDDEN, "LB acq rel", 2, {lb0_acq, lb1_rel}, A(0, 1) | A(1, 1)},
    {FORBIDDEN, "LB data data", 2, {lb0_data, lb1_data}, A(0, 1) | A(1, 1)},
    {ALLOWED, "LB plain", 2, {lb0_plain, lb1_plain}, A(0, 1) | A(1, 1)},
    {SWAPPED, "LB swapped", 2, {lb0_swapped, lb1_dmb}, A(0, 1) | A(1, 1)},
    {FORBIDDEN, "R dmb dmb", 2, {mp0_dmb, r1_dmb}, A(1, 0) | FINAL_Y(2)},
    {FORBIDDEN, "R rel rel", 2, {mp0_stlr, r1_rel}, A(1, 0) | FINAL_Y(2)},
    {ALLOWED, "R plain", 2, {mp0_plain, r1_plain}, A(1, 0) | FINAL_Y(2)},
    {SWAPPED, "R swapped", 2, {mp0_dmb, r1_swapped}, A(1, 0) | FINAL_Y(2)},
    {FORBIDDEN, "S dmb dmb", 2, {s0_dmb, s1_dmb}, A(1, 1) | FINAL_X(2)},
    {FORBIDDEN, "S rel acq", 2, {s0_rel, s1_acq}, A(1, 1) | FINAL_X(2)},
    {FORBIDDEN, "S rel data", 2, {s0_rel, s1_data}, A(1, 1) | FINAL_X(2)},
    {SWAPPED, "S swapped", 2, {s0_dmb, s1_swapped}, A(1, 1) | FINAL_X(2)},
    {FORBIDDEN, "2+2W dmb dmb", 2, {ww0_dmb, ww1_dmb}, FINAL_X(1) | FINAL_Y(1)},
    {FORBIDDEN, "2+2W rel rel", 2, {ww0_rel, ww1_rel}, FINAL_X(1) | FINAL_Y(1)},
    {SWAPPED,
     "2+2W swapped",
     2,
     {ww0_swapped, ww1_swapped},
     FINAL_X(1) | FINAL_Y(1)},
    {FORBIDDEN, "CoRR", 2, {write_x, read_xx}, A(1, 1) | B(1, 0)},
    {SWAPPED, "CoRR swapped", 2, {write_x, read_xx_swapped}, A(1, 1) | B(1, 0)},
    {FORBIDDEN, "CoWR", 2, {write_read_x, write_x2}, A(0, 0)},
    {FORBIDDEN, "CoRW", 2, {read_write_x, write_x2}, A(0, 2) | FINAL_X(2)},
    {FORBIDDEN, "CoWW", 2, {write_xx, read_xx}, A(1, 2) | B(1, 1)},
    {FORBIDDEN,
     "WRC dmb dmb",
     3,
     {write_x, wrc1_dmb, mp1_dmb},
     A(1, 1) | A(2, 1) | B(2, 0)},
    {FORBIDDEN,
     "WRC data addr",
     3,
     {write_x, wrc1_data, mp1_addr},
     A(1, 1) | A(2, 1) | B(2, 0)},
    {FORBIDDEN,
     "WRC rel acq",
     3,
     {write_x, wrc1_rel, mp1_ldar},
     A(1, 1) | A(2, 1) | B(2, 0)},
    {SWAPPED,
     "WRC swapped",
     3,
     {write_x, wrc1_swapped, mp1_dmb},
     A(1, 1) | A(2, 1) | B(2, 0)},
    {FORBIDDEN,
     "ISA2 dmb dmb dmb",
     3,
     {mp0_dmb, isa1_dmb, isa2_dmb},
     A(1, 1) | A(2, 1) | B(2, 0)},
    {FORBIDDEN,
     "ISA2 dmb data addr",
     3,
     {mp0_dmb, isa1_data, isa2_addr},
     A(1, 1) | A(2, 1) | B(2, 0)},
    {FORBIDDEN,
     "ISA2 rel rel acq",
     3,
     {mp0_stlr, isa1_rel, isa2_acq},
     A(1, 1) | A(2, 1) | B(2, 0)},
    {SWAPPED,
     "ISA2 swapped",
     3,
     {mp0_dmb, isa1_dmb, isa2_swapped},
     A(1, 1) | A(2, 1) | B(2, 0)},
    {FORBIDDEN,
     "RWC dmb dmb",
     3,
     {write_x, rr_dmb, sb1_dmb},
     A(1, 1) | B(1, 0) | A(2, 0)},
    {FORBIDDEN,
     "RWC ldar rel",
     3,
     {rel_x, rr_ldar, sb1_rel},
     A(1, 1) | B(1, 0) | A(2, 0)},
    {SWAPPED,
     "RWC swapped",
     3,
     {write_x, rr_swapped, sb1_swapped},
     A(1, 1) | B(1, 0) | A(2, 0)},
    {FORBIDDEN,
     "IRIW dmb dmb",
     4,
     {write_x, write_y, rr_dmb, mp1_dmb},
     A(2, 1) | B(2, 0) | A(3, 1) | B(3, 0)},
    {FORBIDDEN,
     "IRIW ldar ldar",
     4,
     {rel_x, rel_y, rr_ldar, mp1_ldars},
     A(2, 1) | B(2, 0) | A(3, 1) | B(3, 0)},
    {FORBIDDEN,
     "IRIW ldapr ldapr",
     4,
     {rel_x, rel_y, rr_ldapr, mp1_ldaprs},
     A(2, 1) | B(2, 0) | A(3, 1) | B(3, 0)},
    {FORBIDDEN,
     "IRIW addr addr",
     4,
     {write_x, write_y, rr_addr, mp1_addr},
     A(2, 1) | B(2, 0) | A(3, 1) | B(3, 0)},
    {SWAPPED,
     "IRIW swapped",
     4,
     {write_x, write_y, rr_swapped, mp1_swapped},
     A(2, 1) | B(2, 0) | A(3, 1) | B(3, 0)},
    {FORBIDDEN,
     "CoRR2",
     4,
     {write_x, write_x2, read_xx, read_xx},
     A(2, 1) | B(2, 2) | A(3, 2) | B(3, 1)},
};

/* ---- one batch ----------------------------------------------------------- */

enum { CELLS = 4096, BLOCK = 64, SPINS = 20000, OUTCOMES = 128 };
#define GROUP_BYTES (SCRATCH_BYTES / (CPUS_MAX / 2))

/* A group's cells, and behind them the results of each of its vCPUs */
struct arena {
    struct cell cell[CELLS];
    uint8_t result[VCPUS][CELLS];
};

_Static_assert(sizeof(struct arena) <= GROUP_BYTES, "");

static struct {
    volatile uint32_t arrived;
} groups[CPUS_MAX] __attribute__((aligned(64)));

static struct outcome {
    uint32_t key, count;
} seen[CPUS_MAX][OUTCOMES];

static const struct litmus *volatile test;
static volatile uint64_t batches;

static struct arena *arena_of(unsigned group)
{
    return (struct arena *)(SCRATCH + group * GROUP_BYTES);
}

/*
 * All of a group are here, and go on at the same moment if they can. A WFE lets
 * another of them run on this very processor, and then they run one after the
 * other, which tests nothing: so that comes late.
 */
static void meet(unsigned group)
{
    volatile uint32_t *arrived = &groups[group].arrived;
    uint32_t n = test->vcpus;
    uint32_t all = __atomic_fetch_add(arrived, 1, __ATOMIC_ACQ_REL) / n + 1;
    unsigned spins = 0;

    ASM("dsb ish\n\tsev");
    while (__atomic_load_n(arrived, __ATOMIC_ACQUIRE) < n * all)
        if (++spins > SPINS)
            ASM("wfe");
}

/* Each cell is cleared by another vCPU each time, so that its line is now
 * here, now there. */
static void clear(struct arena *arena, unsigned me, uint64_t batch)
{
    for (unsigned i = 0; i < CELLS; i += BLOCK)
        if ((i / BLOCK + batch) % test->vcpus == me)
            for (unsigned k = i; k < i + BLOCK; k++) {
                struct cell *cell = &arena->cell[k];

                cell->x = cell->y = cell->z = 0;
            }
}

static uint32_t key_of(const struct arena *arena, unsigned i)
{
    uint64_t key = arena->cell[i].x << 16 | arena->cell[i].y << 18;

    for (unsigned t = 0; t < test->vcpus; t++)
        key |= (uint64_t)arena->result[t][i] << 4 * t;
    return (uint32_t)(key & test->outcome >> 32);
}

static void note(struct outcome table[OUTCOMES], uint32_t key, uint32_t count)
{
    unsigned slot = key * 0x9e3779b1u >> 25;

    while (table[slot].count != 0 && table[slot].key != key)
        slot = (slot + 1) % OUTCOMES;
    table[slot].key = key;
    table[slot].count += count;
}

static void tally(const struct arena *arena, unsigned me, uint64_t cpu)
{
    unsigned share = CELLS / test->vcpus;
    unsigned end = me + 1 == test->vcpus ? CELLS : (me + 1) * share;

    for (unsigned i = me * share; i < end; i++)
        note(seen[cpu], key_of(arena, i), 1);
}

/* Nobody starts at quite the same moment each time. */
static void stagger(uint32_t *random)
{
    *random = *random * 1664525 + 1013904223;
    for (volatile uint32_t i = *random >> 28; i != 0; i--)
        ;
}

static void take_part(uint64_t cpu)
{
    unsigned group = (unsigned)cpu / test->vcpus;
    unsigned me = (unsigned)cpu % test->vcpus;
    struct arena *arena = arena_of(group);
    uint32_t random = (uint32_t)cpu + 1;

    for (uint64_t batch = 0; batch < batches; batch++) {
        clear(arena, me, batch);
        /* in step: they meet again after a few cells */
        for (unsigned i = 0; i < CELLS; i += BLOCK) {
            meet(group);
            stagger(&random);
            test->run[me](&arena->cell[i], BLOCK, &arena->result[me][i]);
        }
        meet(group);
        tally(arena, me, cpu);
        meet(group);
    }
}

/* ---- everybody ----------------------------------------------------------- */

static volatile uint32_t generation, done;
static unsigned cpus;

static bool has_part(uint64_t cpu)
{
    return cpu < cpus / test->vcpus * test->vcpus;
}

static void worker(uint64_t cpu)
{
    for (uint32_t round = 1;; round++) {
        wait_word(&generation, round);
        if (has_part(cpu))
            take_part(cpu);
        __atomic_add_fetch(&done, 1, __ATOMIC_ACQ_REL);
        ASM("dsb ish\n\tsev");
    }
}

static void run(const struct litmus *which, uint64_t count)
{
    for (unsigned i = 0; i < CPUS_MAX; i++) {
        groups[i].arrived = 0;
        for (unsigned k = 0; k < OUTCOMES; k++)
            seen[i][k] = (struct outcome){0, 0};
    }
    test = which;
    batches = count;
    done = 0;
    tell_word(&generation, generation + 1);
    if (has_part(0))
        take_part(0);
    wait_word(&done, cpus - 1);
    for (unsigned i = 1; i < cpus; i++)
        for (unsigned k = 0; k < OUTCOMES; k++)
            if (seen[i][k].count != 0)
                note(seen[0], seen[i][k].key, seen[i][k].count);
}

/* ---- what came of it ----------------------------------------------------- */

static void print_outcome(const struct litmus *which, uint32_t key)
{
    for (unsigned field = 0; field < FIELDS; field++)
        if (which->outcome >> 32 >> 2 * field & 3)
            print_number(key >> 2 * field & 3);
}

/* "# NAME: RUNS runs: 00 17 01 4 11 0", the outcome that counts marked. */
static uint64_t report(const struct litmus *which)
{
    uint32_t bad = (uint32_t)which->outcome;
    uint64_t runs = 0, times = 0;

    for (unsigned k = 0; k < OUTCOMES; k++)
        runs += seen[0][k].count;
    print("# ");
    print(which->name);
    print(": ");
    print_number(runs);
    print(" runs:");
    for (unsigned k = 0; k < OUTCOMES; k++) {
        if (seen[0][k].count == 0)
            continue;
        print(seen[0][k].key == bad ? " *" : " ");
        print_outcome(which, seen[0][k].key);
        print(" ");
        print_number(seen[0][k].count);
        if (seen[0][k].key == bad)
            times = seen[0][k].count;
    }
    print("\n");
    return times;
}

static uint64_t receive_number(void)
{
    uint64_t number = 0;

    for (;;) {
        uint32_t c;

        while (mmio_read32(0x09000018) & 1 << 4) /* receive FIFO empty */
            ASM("wfe");
        c = mmio_read32(0x09000000) & 0xff;
        if (c < '0' || c > '9')
            return number;
        number = 10 * number + c - '0';
    }
}

/* Make a test `count` batches long in all, whatever the number of groups; how
 * often the outcome was seen. */
static uint64_t make(const struct litmus *which, uint64_t count)
{
    run(which, (count - 1) / (cpus / which->vcpus) + 1);
    return report(which);
}

/* On a busy host it takes a while until two vCPUs run at the same time. */
static bool seen_at_last(void)
{
    uint64_t start = READ("cntvct_el0"), times = 0;

    while (times == 0 && READ("cntvct_el0") - start < 60 * READ("cntfrq_el0"))
        for (size_t i = 0; i < COUNT_OF(tests) && times == 0; i++)
            if (tests[i].kind == SWAPPED && tests[i].vcpus <= cpus)
                times = make(&tests[i], 16);
    return times != 0;
}

void guest_main(void)
{
    uint64_t count, swapped = 0;

    cpus = cpu_count();
    print("# how many runs?\n");
    count = receive_number() / CELLS + 1;
    paging_on();
    for (uint64_t cpu = 1; cpu < cpus; cpu++)
        start_cpu(cpu, worker);
    for (size_t i = 0; i < COUNT_OF(tests); i++) {
        uint64_t times;

        if (tests[i].vcpus > cpus)
            continue;
        times = make(&tests[i], count);
        if (tests[i].kind == FORBIDDEN)
            check_eq(tests[i].name, times, 0);
        else if (tests[i].kind == SWAPPED)
            swapped += times;
    }
    if (cpus > 1)
        check("what is forbidden would be seen",
              swapped != 0 || seen_at_last());
    else
        check("one vCPU has nobody to see", true);
}
