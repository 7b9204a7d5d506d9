/*
 * smp: four vCPUs that share memory, wake each other and wait for each other.
 *
 * A token goes round by SGI and WFI 20000 times; events by SEV and WFE; a
 * timer and an SGI that come at the same moment. Locks that wait with WFE,
 * counters by every kind of atomic operation, with exact totals. The classic
 * litmus tests of the memory model: what it forbids must never be seen.
 *
 * Most of it does not fail but hang when a wake-up is lost: then the runner
 * ends it.
 */
#include "bare.h"

enum { CPUS = 4, TOKEN = 1, OTHER = 2 };

/* ---- all four do one thing ----------------------------------------------- */

static volatile uint32_t generation, done;
static void (*volatile job)(uint64_t cpu);

static void finished(void)
{
    __atomic_add_fetch(&done, 1, __ATOMIC_ACQ_REL);
    ASM("dsb ish\n\tsev");
}

static void worker(uint64_t cpu)
{
    gic_start_cpu();
    gic_enable(TOKEN);
    gic_enable(OTHER);
    finished();
    for (uint32_t round = 1;; round++) {
        wait_word(&generation, round);
        job(cpu);
        finished();
    }
}

static void run_all(void (*what)(uint64_t cpu))
{
    done = 0;
    job = what;
    tell_word(&generation, generation + 1);
    what(0);
    finished();
    wait_word(&done, CPUS);
}

/* ---- wake-ups ------------------------------------------------------------ */

static uint32_t wait_interrupt(void)
{
    uint32_t intid;

    while ((intid = gic_acknowledge()) >= 1020)
        ASM("dsb sy\n\twfi");
    gic_end(intid);
    return intid;
}

enum { HOPS = 20000 };
static volatile uint32_t hops[CPUS], strays;

/* Interrupts are masked: WFI ends all the same. */
static void pass_token(uint64_t cpu)
{
    while (hops[cpu] < HOPS / CPUS) {
        strays += wait_interrupt() != TOKEN;
        hops[cpu]++;
        if (cpu != CPUS - 1 || hops[cpu] < HOPS / CPUS)
            gic_send_sgi(TOKEN, 1u << (cpu + 1) % CPUS);
    }
}

/* The first one starts with the token, and the last one keeps it. */
static void check_token(void)
{
    gic_send_sgi(TOKEN, 1);
    run_all(pass_token);
    check_eq("a token, 20000 hops by SGI and WFI",
             hops[0] + hops[1] + hops[2] + hops[3], HOPS);
    check_eq("and nothing else came", strays, 0);
}

static volatile uint32_t got[CPUS];

static void on_token(struct trap *trap)
{
    uint32_t intid = gic_acknowledge();

    (void)trap;
    if (intid >= 1020)
        return;
    got[this_cpu()->number]++;
    gic_end(intid);
}

enum { TURNS = 2000 };

/* The same with handlers: look with interrupts masked, wait, let them in. */
static void pass_by_handler(uint64_t cpu)
{
    this_cpu()->irq = on_token;
    for (uint32_t turn = 1; turn <= TURNS; turn++) {
        if (cpu == 0)
            gic_send_sgi(TOKEN, 1u << 1);
        while (got[cpu] < turn) {
            ASM("dsb sy\n\twfi");
            ASM("msr daifclr, #2\n\tisb\n\tmsr daifset, #2");
        }
        if (cpu != 0)
            gic_send_sgi(TOKEN, 1u << (cpu + 1) % CPUS);
    }
    this_cpu()->irq = NULL;
}

static volatile uint32_t event_word;

/* Two by two: each waits for its number and says the next one. */
static void pass_event(uint64_t cpu)
{
    for (uint32_t turn = 0; turn < TURNS; turn++) {
        wait_word(&event_word, CPUS * turn + (uint32_t)cpu);
        tell_word(&event_word, CPUS * turn + (uint32_t)cpu + 1);
    }
}

static volatile uint32_t round_number, timers, messages;

/* vCPU 0 waits for its timer and for an SGI, which come at much the same
 * time and in either order. */
static void collide(uint64_t cpu)
{
    for (uint32_t round = 1; round <= TURNS; round++) {
        if (cpu == 1) {
            wait_word(&round_number, round);
            for (volatile uint32_t i = 0; i < round % 64; i++)
                ;
            gic_send_sgi(OTHER, 1);
        }
        if (cpu != 0)
            continue;
        WRITE("cntv_tval_el0", round * 7 % 500);
        WRITE("cntv_ctl_el0", 1);
        tell_word(&round_number, round);
        while (timers < round || messages < round) {
            uint32_t intid = gic_acknowledge();

            if (intid == TIMER_INTID) {
                timers++;
                WRITE("cntv_ctl_el0", 0);
            } else if (intid == OTHER) {
                messages++;
            } else {
                ASM("dsb sy\n\twfi");
                continue;
            }
            gic_end(intid);
        }
    }
}

static void check_wakeups(void)
{
    run_all(pass_by_handler);
    check("2000 rounds by handlers", got[0] == TURNS && got[1] == TURNS &&
                                         got[2] == TURNS && got[3] == TURNS);
    run_all(pass_event);
    check_eq("8000 events by SEV and WFE", event_word, TURNS * CPUS);
    gic_enable(TIMER_INTID);
    run_all(collide);
    check("a timer and an SGI at once, 2000 times",
          timers == TURNS && messages == TURNS);
}

/* ---- locks and counters -------------------------------------------------- */

enum { ADDS = 30000 };
static volatile uint32_t lock;
static volatile uint64_t inside, overlaps;
static struct {
    volatile uint64_t locked, exclusive, ldadd, cas, swp, acquire;
    volatile uint64_t pair[2] __attribute__((aligned(16)));
    volatile uint32_t bits, small;
    volatile uint8_t byte;
} count __attribute__((aligned(64)));

/* The wait of Linux's spin locks: an exclusive load watches the lock, and the
 * store that frees it ends the WFE; no SEV. */
static void take(volatile uint32_t *word)
{
    uint32_t seen, status;

    __asm__ volatile("   sevl\n"
                     "1: wfe\n"
                     "2: ldaxr %w0, [%2]\n"
                     "   cbnz %w0, 1b\n"
                     "   stxr %w1, %w3, [%2]\n"
                     "   cbnz %w1, 2b\n"
                     : "=&r"(seen), "=&r"(status)
                     : "r"(word), "r"(1)
                     : "memory");
}

static void release(volatile uint32_t *word, bool sev)
{
    __atomic_store_n(word, 0, __ATOMIC_RELEASE);
    if (sev)
        ASM("dsb ish\n\tsev");
}

static void count_locked(uint64_t cpu)
{
    for (unsigned i = 0; i < ADDS / 4; i++) {
        take(&lock);
        overlaps += ++inside != 1;
        count.locked++;
        inside--;
        release(&lock, cpu % 2);
    }
}

static void count_exclusive(uint64_t cpu)
{
    (void)cpu;
    for (unsigned i = 0; i < ADDS; i++) {
        uint64_t value;
        uint32_t status;

        __asm__ volatile("1: ldxr %0, [%2]\n\tadd %0, %0, #1\n\t"
                         "stxr %w1, %0, [%2]\n\tcbnz %w1, 1b"
                         : "=&r"(value), "=&r"(status)
                         : "r"(&count.exclusive)
                         : "memory");
    }
}

/* 128 bits at once: both halves count, and must not come apart. */
static void count_pair(uint64_t cpu)
{
    (void)cpu;
    for (unsigned i = 0; i < ADDS; i++) {
        uint64_t low, high;
        uint32_t status;

        __asm__ volatile("1: ldxp %0, %1, [%3]\n\tadd %0, %0, #1\n\t"
                         "add %1, %1, #3\n\tstxp %w2, %0, %1, [%3]\n\t"
                         "cbnz %w2, 1b"
                         : "=&r"(low), "=&r"(high), "=&r"(status)
                         : "r"(count.pair)
                         : "memory");
        overlaps += high != 3 * low;
    }
}

#define LSE ".arch_extension lse\n\t"

static void count_lse(uint64_t cpu)
{
    (void)cpu;
    for (unsigned i = 0; i < ADDS; i++) {
        uint64_t old, want, one = 1;

        __asm__ volatile(LSE "stadd %0, [%1]" ::"r"(one), "r"(&count.ldadd)
                         : "memory");
        __asm__ volatile(LSE "ldaddal %1, %0, [%2]"
                         : "=&r"(old)
                         : "r"(one), "r"(&count.acquire)
                         : "memory");
        __asm__ volatile(LSE "staddb %w0, [%1]" ::"r"(1), "r"(&count.byte)
                         : "memory");
        __asm__ volatile(LSE "stadd %w0, [%1]" ::"r"(1), "r"(&count.small)
                         : "memory");
        do {
            want = old = count.cas;
            __asm__ volatile(LSE "casal %0, %1, [%2]"
                             : "+&r"(old)
                             : "r"(want + 1), "r"(&count.cas)
                             : "memory");
        } while (old != want);
    }
}

/* A lock by SWPA; and bits that each vCPU sets and clears for itself. */
static void count_swp(uint64_t cpu)
{
    uint32_t bit = 1u << cpu, old, mine = 0;

    for (unsigned i = 0; i < ADDS / 4; i++) {
        do
            __asm__ volatile(LSE "swpa %w1, %w0, [%2]"
                             : "=&r"(old)
                             : "r"(1), "r"(&lock)
                             : "memory");
        while (old != 0);
        count.swp++;
        release(&lock, false);
        __asm__ volatile(LSE "ldsetal %w1, %w0, [%2]"
                         : "=&r"(old)
                         : "r"(bit), "r"(&count.bits)
                         : "memory");
        mine += (old & bit) != 0;
        __asm__ volatile(LSE "ldclral %w1, %w0, [%2]"
                         : "=&r"(old)
                         : "r"(bit), "r"(&count.bits)
                         : "memory");
        mine += (old & bit) == 0;
    }
    __atomic_add_fetch(&overlaps, mine, __ATOMIC_RELAXED);
}

static void check_counters(void)
{
    run_all(count_locked);
    check_eq("a lock that waits with WFE: the count", count.locked,
             ADDS / 4 * CPUS);
    check_eq("one at a time", overlaps, 0);
    run_all(count_exclusive);
    check_eq("LDXR and STXR", count.exclusive, ADDS * CPUS);
    run_all(count_pair);
    check("LDXP and STXP",
          count.pair[0] == ADDS * CPUS && count.pair[1] == 3 * ADDS * CPUS);
    check_eq("never torn", overlaps, 0);
    run_all(count_lse);
    check_eq("STADD", count.ldadd, ADDS * CPUS);
    check_eq("LDADDAL", count.acquire, ADDS * CPUS);
    check_eq("STADD of a word", count.small, ADDS * CPUS);
    check_eq("STADDB", count.byte, (uint8_t)(ADDS * CPUS));
    check_eq("CASAL", count.cas, ADDS * CPUS);
    run_all(count_swp);
    check_eq("a lock by SWPA", count.swp, ADDS / 4 * CPUS);
    check_eq("LDSETAL and LDCLRAL, each its own bit", overlaps, 0);
}

/* ---- litmus tests -------------------------------------------------------- */

/*
 * Two vCPUs go through many cells; in each they store to and load from x and
 * y as the test says. A test is two pieces of assembly, with x in x0, y in
 * x1 and the results in x2 and x3.
 */
enum { CELLS = 10000, BATCHES = 10, SPINS = 20000 };
struct cell {
    volatile uint64_t x, pad_x[7], y, pad_y[7], r0, r1, pad_r[6];
};
#define cells ((struct cell *)SCRATCH)
_Static_assert(CELLS * sizeof(struct cell) <= SCRATCH_BYTES, "");

struct litmus {
    const char *name;
    void (*run[2])(struct cell *cell);
    bool (*forbidden)(const struct cell *cell);
    bool seen_is_fine; /* no test: prints how often it was seen */
};

#define PIECE(name, text, result)                                              \
    static void name(struct cell *cell)                                        \
    {                                                                          \
        register volatile uint64_t *x __asm__("x0") = &cell->x;                \
        register volatile uint64_t *y __asm__("x1") = &cell->y;                \
        register uint64_t r __asm__("x2") = 1;                                 \
        register uint64_t s __asm__("x3") = 1;                                 \
        __asm__ volatile(".arch_extension rcpc\n\t" LSE text                   \
                         : "+r"(r), "+r"(s)                                    \
                         : "r"(x), "r"(y)                                      \
                         : "memory");                                          \
        result;                                                                \
    }
#define BOTH (cell->r0 = r, cell->r1 = s)
#define FIRST (cell->r0 = r)
#define SECOND (cell->r1 = r)
#define NONE ((void)0)

/* Message passing: x is the message, y says that it is there. */
PIECE(mp_write_dmb, "str x2, [x0]\n\tdmb ishst\n\tstr x2, [x1]", NONE)
PIECE(mp_read_dmb, "ldr x2, [x1]\n\tdmb ishld\n\tldr x3, [x0]", BOTH)
PIECE(mp_write_rel, "str x2, [x0]\n\tstlr x2, [x1]", NONE)
PIECE(mp_read_acq, "ldar x2, [x1]\n\tldr x3, [x0]", BOTH)
PIECE(mp_read_rcpc, "ldapr x2, [x1]\n\tldr x3, [x0]", BOTH)
PIECE(mp_read_dep, "ldr x2, [x1]\n\teor x3, x2, x2\n\tldr x3, [x0, x3]", BOTH)
PIECE(mp_write_atomic, "str x2, [x0]\n\tswpl x2, x3, [x1]", NONE)
PIECE(mp_read_exclusive, "ldaxr x2, [x1]\n\tldr x3, [x0]\n\tclrex", BOTH)
/* Store buffering: each says it is here, then looks for the other. */
PIECE(sb0_plain, "str x2, [x0]\n\tldr x2, [x1]", FIRST)
PIECE(sb1_plain, "str x2, [x1]\n\tldr x2, [x0]", SECOND)
PIECE(sb0_dmb, "str x2, [x0]\n\tdmb ish\n\tldr x2, [x1]", FIRST)
PIECE(sb1_dmb, "str x2, [x1]\n\tdmb ish\n\tldr x2, [x0]", SECOND)
PIECE(sb0_dsb, "str x2, [x0]\n\tdsb sy\n\tldr x2, [x1]", FIRST)
PIECE(sb1_rel, "stlr x2, [x1]\n\tldar x2, [x0]", SECOND)
PIECE(sb0_rel, "stlr x2, [x0]\n\tldar x2, [x1]", FIRST)
PIECE(sb0_rel_big, "str x2, [x0]\n\tdmb sy\n\tldar x2, [x1]", FIRST)
/* Load buffering: each takes the other's word, then leaves its own. */
PIECE(lb0_dmb, "ldr x2, [x1]\n\tdmb ishld\n\tstr x3, [x0]", FIRST)
PIECE(lb1_dmb, "ldr x2, [x0]\n\tdmb ish\n\tstr x3, [x1]", SECOND)
PIECE(lb0_acq, "ldar x2, [x1]\n\tstr x3, [x0]", FIRST)
PIECE(lb1_rel, "ldr x2, [x0]\n\tstlr x3, [x1]", SECOND)
/* Coherence: one word seen twice does not go back. */
PIECE(co_write, "str x2, [x0]", NONE)
PIECE(co_read, "ldr x2, [x0]\n\tldr x3, [x0]", BOTH)

static bool mp_forbidden(const struct cell *cell)
{
    return cell->r0 == 1 && cell->r1 == 0;
}

static bool sb_forbidden(const struct cell *cell)
{
    return cell->r0 == 0 && cell->r1 == 0;
}

static bool lb_forbidden(const struct cell *cell)
{
    return cell->r0 == 1 && cell->r1 == 1;
}

static const struct litmus tests[] = {
    {"MP, DMB and DMB", {mp_write_dmb, mp_read_dmb}, mp_forbidden, false},
    {"MP, release and acquire",
     {mp_write_rel, mp_read_acq},
     mp_forbidden,
     false},
    {"MP, release and LDAPR",
     {mp_write_rel, mp_read_rcpc},
     mp_forbidden,
     false},
    {"MP, release and dependency",
     {mp_write_rel, mp_read_dep},
     mp_forbidden,
     false},
    {"MP, SWPL and LDAXR",
     {mp_write_atomic, mp_read_exclusive},
     mp_forbidden,
     false},
    {"SB, DMB and DMB", {sb0_dmb, sb1_dmb}, sb_forbidden, false},
    {"SB, DSB and DMB", {sb0_dsb, sb1_dmb}, sb_forbidden, false},
    {"SB, release and acquire", {sb0_rel, sb1_rel}, sb_forbidden, false},
    {"SB, DMB and release", {sb0_rel_big, sb1_rel}, sb_forbidden, false},
    {"LB, DMB and DMB", {lb0_dmb, lb1_dmb}, lb_forbidden, false},
    {"LB, acquire and release", {lb0_acq, lb1_rel}, lb_forbidden, false},
    {"CoRR", {co_write, co_read}, mp_forbidden, false},
    {"SB, plain", {sb0_plain, sb1_plain}, sb_forbidden, true},
};

static const struct litmus *volatile current;
static volatile uint32_t arrived, forbidden;

/* Both are here, and go on at the same moment if they can: a WFE would let one
 * of them start when the other is half through. */
static void meet(void)
{
    uint32_t all = (__atomic_fetch_add(&arrived, 1, __ATOMIC_ACQ_REL) / 2 + 1);
    unsigned spins = 0;

    ASM("dsb ish\n\tsev");
    while (__atomic_load_n(&arrived, __ATOMIC_ACQUIRE) < 2 * all)
        if (++spins > SPINS)
            ASM("wfe");
}

static void litmus(uint64_t cpu)
{
    if (cpu > 1)
        return;
    for (unsigned batch = 0; batch < BATCHES; batch++) {
        for (unsigned i = (unsigned)cpu; i < CELLS; i += 2)
            cells[i].x = cells[i].y = 0;
        meet();
        for (unsigned i = 0; i < CELLS; i++)
            current->run[cpu](&cells[i]);
        meet();
        if (cpu == 0)
            for (unsigned i = 0; i < CELLS; i++)
                forbidden += current->forbidden(&cells[i]);
        meet();
    }
}

static void check_litmus(void)
{
    for (size_t i = 0; i < COUNT_OF(tests); i++) {
        forbidden = 0;
        current = &tests[i];
        run_all(litmus);
        if (!tests[i].seen_is_fine) {
            check_eq(tests[i].name, forbidden, 0);
            continue;
        }
        print("# ");
        print(tests[i].name);
        print(", which may be reordered: seen ");
        print_number(forbidden);
        print(" times in 100000\n");
    }
}

void guest_main(void)
{
    paging_on();
    gic_start();
    gic_enable(TOKEN);
    gic_enable(OTHER);
    for (uint64_t cpu = 1; cpu < CPUS; cpu++)
        start_cpu(cpu, worker);
    wait_word(&done, CPUS - 1);
    check_token();
    check_wakeups();
    check_counters();
    check_litmus();
}
