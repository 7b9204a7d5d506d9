/*
 * smp: vCPUs that share memory, wake each other and wait for each other.
 *
 * A token goes round by SGI and WFI 20000 times; events by SEV and WFE; a
 * timer and an SGI that come at the same moment. Locks that wait with WFE,
 * counters by every kind of atomic operation, with exact totals; floating
 * point on all of them at once. litmus.c is about the order of accesses.
 *
 * Most of it does not fail but hang when a wake-up is lost: then the runner
 * ends it.
 */
#include "bare.h"

enum { TOKEN = 1, OTHER = 2 };
static unsigned cpus;

/* ---- all do one thing ---------------------------------------------------- */

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
    wait_word(&done, cpus);
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
static volatile uint32_t hops[CPUS_MAX], strays;

/* Interrupts are masked: WFI ends all the same. */
static void pass_token(uint64_t cpu)
{
    while (hops[cpu] < HOPS / cpus) {
        strays += wait_interrupt() != TOKEN;
        hops[cpu]++;
        if (cpu != cpus - 1 || hops[cpu] < HOPS / cpus)
            gic_send_sgi(TOKEN, 1u << (cpu + 1) % cpus);
    }
}

static uint64_t sum_of(const volatile uint32_t counts[CPUS_MAX])
{
    uint64_t sum = 0;

    for (unsigned cpu = 0; cpu < cpus; cpu++)
        sum += counts[cpu];
    return sum;
}

/* The first one starts with the token, and the last one keeps it. */
static void check_token(void)
{
    gic_send_sgi(TOKEN, 1);
    run_all(pass_token);
    check_eq("a token, 20000 hops by SGI and WFI", sum_of(hops), HOPS);
    check_eq("and nothing else came", strays, 0);
}

static volatile uint32_t got[CPUS_MAX];

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
            gic_send_sgi(TOKEN, 1u << 1 % cpus);
        while (got[cpu] < turn) {
            ASM("dsb sy\n\twfi");
            ASM("msr daifclr, #2\n\tisb\n\tmsr daifset, #2");
        }
        if (cpu != 0)
            gic_send_sgi(TOKEN, 1u << (cpu + 1) % cpus);
    }
    this_cpu()->irq = NULL;
}

static volatile uint32_t event_word;

/* Each waits for its number and says the next one. */
static void pass_event(uint64_t cpu)
{
    for (uint32_t turn = 0; turn < TURNS; turn++) {
        wait_word(&event_word, cpus * turn + (uint32_t)cpu);
        tell_word(&event_word, cpus * turn + (uint32_t)cpu + 1);
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
    check_eq("2000 rounds by handlers", sum_of(got), TURNS * cpus);
    run_all(pass_event);
    check_eq("2000 rounds by SEV and WFE", event_word, TURNS * cpus);
    if (cpus == 1)
        return;
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
             ADDS / 4 * cpus);
    check_eq("one at a time", overlaps, 0);
    run_all(count_exclusive);
    check_eq("LDXR and STXR", count.exclusive, ADDS * cpus);
    run_all(count_pair);
    check("LDXP and STXP",
          count.pair[0] == ADDS * cpus && count.pair[1] == 3 * ADDS * cpus);
    check_eq("never torn", overlaps, 0);
    run_all(count_lse);
    check_eq("STADD", count.ldadd, ADDS * cpus);
    check_eq("LDADDAL", count.acquire, ADDS * cpus);
    check_eq("STADD of a word", count.small, ADDS * cpus);
    check_eq("STADDB", count.byte, (uint8_t)(ADDS * cpus));
    check_eq("CASAL", count.cas, ADDS * cpus);
    run_all(count_swp);
    check_eq("a lock by SWPA", count.swp, ADDS / 4 * cpus);
    check_eq("LDSETAL and LDCLRAL, each its own bit", overlaps, 0);
}

/* ---- floating point ------------------------------------------------------ */

enum { DIVISIONS = 3000 };
static volatile uint32_t wrong_results, wrong_flags;

#define FP ".arch_extension fp\n\t"

static uint64_t divide(uint64_t a, uint64_t b)
{
    uint64_t result;

    __asm__ volatile(FP "fmov d0, %1\n\tfmov d1, %2\n\tfdiv d2, d0, d1\n\t"
                        "fmov %0, d2"
                     : "=r"(result)
                     : "r"(a), "r"(b)
                     : "memory");
    return result;
}

/*
 * Each vCPU rounds in its own way, with a number of its own in a register that
 * nobody touches; interrupts, waits and traps are in between. 1/3 and -1/3
 * tell all four ways apart.
 */
static void divide_always(uint64_t cpu)
{
    static const uint64_t third[] = {0x3fd5555555555555, 0x3fd5555555555556,
                                     0x3fd5555555555555, 0x3fd5555555555555};
    static const uint64_t minus[] = {0xbfd5555555555555, 0xbfd5555555555555,
                                     0xbfd5555555555556, 0xbfd5555555555555};
    unsigned way = cpu % 4, wrong = 0, flags = 0;
    uint64_t kept;

    WRITE("cpacr_el1", 3 << 20);
    WRITE("fpcr", (uint64_t)way << 22);
    __asm__ volatile(FP "fmov v31.d[1], %0" ::"r"(cpu + 77));
    for (unsigned i = 0; i < DIVISIONS; i++) {
        WRITE("fpsr", 0);
        wrong += divide(0x3ff0000000000000, 0x4008000000000000) != third[way];
        flags += READ("fpsr") != 0x10; /* inexact */
        wrong += divide(0xbff0000000000000, 0x4008000000000000) != minus[way];
        WRITE("fpsr", 0);
        divide(0x3ff0000000000000, 0);
        if (i % 64 == 0) {
            gic_send_sgi(TOKEN, 1u << cpu);
            flags += wait_interrupt() != TOKEN;
        }
        if (i % 16 == 0)
            ASM("wfe");
        flags += READ("fpsr") != 2; /* division by zero */
    }
    __asm__ volatile(FP "fmov %0, v31.d[1]" : "=r"(kept));
    wrong += kept != cpu + 77;
    WRITE("cpacr_el1", 0);
    __atomic_add_fetch(&wrong_results, wrong, __ATOMIC_RELAXED);
    __atomic_add_fetch(&wrong_flags, flags, __ATOMIC_RELAXED);
}

static void check_fp(void)
{
    run_all(divide_always);
    check_eq("each vCPU rounds in its own way", wrong_results, 0);
    check_eq("and has its own flags", wrong_flags, 0);
}

/* ---- a line that everybody writes ---------------------------------------- */

/* Eight bytes side by side, each vCPU its own, by every size of store that
 * leaves the others alone: nobody's byte may be lost. */
static volatile uint64_t line[8] __attribute__((aligned(64)));
static volatile uint32_t lost;

static void share_line(uint64_t cpu)
{
    volatile uint8_t *mine = (volatile uint8_t *)line + cpu;
    uint32_t wrong = 0;

    for (unsigned i = 0; i < ADDS; i++) {
        *mine = (uint8_t)i;
        if (i % 3 == 0)
            __asm__ volatile(LSE "staddb %w0, [%1]" ::"r"(0), "r"(mine)
                             : "memory");
        if (i % 5 == 0) /* the whole word, by a value that changes nothing */
            __asm__ volatile(LSE "stadd %0, [%1]" ::"r"(0ull), "r"(line)
                             : "memory");
        if (i % 7 == 0) {
            uint64_t value;
            uint32_t status;

            __asm__ volatile("1: ldxr %0, [%2]\n\tstxr %w1, %0, [%2]\n\t"
                             "cbnz %w1, 1b"
                             : "=&r"(value), "=&r"(status)
                             : "r"(line)
                             : "memory");
        }
        wrong += *mine != (uint8_t)i;
    }
    __atomic_add_fetch(&lost, wrong, __ATOMIC_RELAXED);
}

static void check_line(void)
{
    run_all(share_line);
    check_eq("bytes side by side in one word", lost, 0);
}

void guest_main(void)
{
    cpus = cpu_count();
    paging_on();
    gic_start();
    gic_enable(TOKEN);
    gic_enable(OTHER);
    for (uint64_t cpu = 1; cpu < cpus; cpu++)
        start_cpu(cpu, worker);
    wait_word(&done, cpus - 1);
    check_token();
    check_wakeups();
    check_counters();
    check_line();
    check_fp();
}
