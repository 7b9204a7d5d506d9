/*
 * timer: the virtual timer, its interrupt, and waiting for it.
 *
 * Compare values in the past and the future, the sign of TVAL, masking and
 * ISTATUS; interrupts that arrive while the guest computes, in a loop without
 * an exit; WFI until the deadline; a thousand ticks of which none may be
 * lost; many settings of which only the last counts. That nothing is early is
 * checked; how late it is is printed, for it is the host's doing. All of it
 * on vCPU 0 and once more on the last one, while the others tick for
 * themselves.
 */
#include "bare.h"

enum { ENABLE = 1, IMASK = 2, ISTATUS = 4 };
#define NEVER 0x7fffffffffffffffull

static volatile uint32_t fired;
static volatile uint64_t fired_at, deadline, early, latest, total;

static uint64_t now(void)
{
    ASM("isb");
    return READ("cntvct_el0");
}

static void set_timer(uint64_t cval, uint64_t ctl)
{
    WRITE("cntv_cval_el0", cval);
    WRITE("cntv_ctl_el0", ctl);
}

static uint64_t ms(uint64_t count)
{
    return READ("cntfrq_el0") * count / 1000;
}

/* ---- registers ----------------------------------------------------------- */

static uint64_t status(void)
{
    ASM("isb");
    return READ("cntv_ctl_el0");
}

static void check_registers(void)
{
    uint64_t start = now(), later;
    int64_t left;

    check("CNTFRQ_EL0 says something", READ("cntfrq_el0") >= 1000000);
    do
        later = now();
    while (later == start);
    check("CNTVCT_EL0 counts upwards", later > start);
    set_timer(now() + ms(100000), ENABLE);
    check_eq("CVAL in the future", status(), ENABLE);
    set_timer(now() - 1, ENABLE | IMASK);
    check_eq("CVAL in the past, masked", status(), ENABLE | IMASK | ISTATUS);
    set_timer(0, ENABLE | IMASK);
    check_eq("CVAL 0", status(), ENABLE | IMASK | ISTATUS);
    set_timer(~0ull, ENABLE | IMASK);
    check_eq("CVAL at the end of time", status(), ENABLE | IMASK);
    WRITE("cntv_ctl_el0", 0);
    check_eq("off, no ISTATUS", status() & ENABLE, 0);
    WRITE("cntv_ctl_el0", ~0ull);
    check_eq("only ENABLE and IMASK are written", status() & ~4ull,
             ENABLE | IMASK);
    WRITE("cntv_ctl_el0", IMASK);
    start = now();
    WRITE("cntv_tval_el0", ms(1000));
    later = READ("cntv_cval_el0");
    check("TVAL sets CVAL",
          later >= start + ms(1000) && later <= now() + ms(1000));
    left = (int32_t)READ("cntv_tval_el0");
    check("TVAL counts down", left > 0 && (uint64_t)left <= ms(1000));
    WRITE("cntv_tval_el0", (uint32_t)-1000);
    check("a negative TVAL is in the past", READ("cntv_cval_el0") < now());
    left = (int32_t)READ("cntv_tval_el0");
    check("and reads as negative", left <= -1000);
    WRITE("cntv_ctl_el0", ENABLE | IMASK);
    check_eq("and is due", status(), ENABLE | IMASK | ISTATUS);
    WRITE("cntv_tval_el0", 0x7fffffff);
    check_eq("the longest TVAL is not", status(), ENABLE | IMASK);
    check("TVAL is 32 bits wide", READ("cntv_tval_el0") <= 0xffffffff);
    set_timer(NEVER, 0);
}

/* ISTATUS comes without anybody looking, and goes with CVAL. */
static void check_status(void)
{
    uint64_t due = now() + ms(2);
    bool seen;

    set_timer(due, ENABLE | IMASK);
    do
        seen = (status() & ISTATUS) != 0;
    while (!seen);
    check("ISTATUS is not early", now() >= due);
    WRITE("cntv_cval_el0", now() + ms(100000));
    check_eq("ISTATUS goes with CVAL", status(), ENABLE | IMASK);
    set_timer(NEVER, 0);
}

/* ---- interrupts ---------------------------------------------------------- */

static void on_timer(struct trap *trap)
{
    uint32_t intid = gic_acknowledge();
    uint64_t at = now();

    (void)trap;
    if (intid != TIMER_INTID)
        return;
    early += at < deadline;
    if (at > deadline) {
        total += at - deadline;
        latest = at - deadline > latest ? at - deadline : latest;
    }
    fired_at = at;
    fired++;
    set_timer(NEVER, 0);
    gic_end(intid);
}

static void arm(uint64_t cval)
{
    deadline = cval;
    set_timer(cval, ENABLE);
}

static void unmask(void)
{
    ASM("msr daifclr, #2\n\tisb");
}

static void mask(void)
{
    ASM("msr daifset, #2\n\tisb");
}

static void report(const char *what, uint32_t count)
{
    uint64_t hz = READ("cntfrq_el0");

    print("# late, ");
    print(what);
    print(": mean ");
    print_number(total * 1000000 / hz / (count ? count : 1));
    print(" us, most ");
    print_number(latest * 1000000 / hz);
    print(" us\n");
    latest = total = 0;
}

/* Straight on, without a system register, a store or a call: if the timer
 * gets through here it gets through everywhere. */
static uint64_t compute_until(volatile uint32_t *word, uint32_t value)
{
    uint64_t turns = 0;

    while (*word != value)
        turns++;
    return turns;
}

static void check_computing(void)
{
    uint32_t count = 50;

    fired = 0;
    unmask();
    for (uint32_t i = 0; i < count; i++) {
        arm(now() + ms(1));
        compute_until(&fired, i + 1);
    }
    mask();
    check_eq("50 interrupts while the guest computes", fired, count);
    check_eq("none early", early, 0);
    report("computing", count);
}

static void check_due_at_once(void)
{
    fired = 0;
    unmask();
    arm(now() - ms(1));
    compute_until(&fired, 1);
    arm(0);
    compute_until(&fired, 2);
    mask();
    check_eq("a deadline that is past comes at once", fired, 2);
    /* The line is up while interrupts are masked, and taken when they are
     * not. */
    arm(now());
    check("pending in the controller, masked in PSTATE",
          READ("isr_el1") & 0x80);
    check_eq("and not taken", fired, 2);
    unmask();
    mask();
    check_eq("until it may be", fired, 3);
    latest = total = 0;
}

static void check_masks(void)
{
    fired = 0;
    unmask();
    deadline = now();
    set_timer(deadline, ENABLE | IMASK);
    while (now() < deadline + ms(3))
        ;
    check_eq("IMASK holds it back", fired, 0);
    WRITE("cntv_ctl_el0", ENABLE);
    compute_until(&fired, 1);
    check_eq("and lets it go", fired, 1);
    gic_disable(TIMER_INTID);
    arm(now());
    while (now() < deadline + ms(3))
        ;
    check_eq("the controller holds it back", fired, 1);
    gic_enable(TIMER_INTID);
    compute_until(&fired, 2);
    check_eq("and lets it go, too", fired, 2);
    /* Level: withdrawn before it is taken, it is gone. */
    mask();
    arm(now());
    check("its line is up", READ("isr_el1") & 0x80);
    WRITE("cntv_ctl_el0", 0);
    check_eq("a withdrawn timer is not pending",
             gic_bit(GIC_ISPENDR, TIMER_INTID), 0);
    unmask();
    mask();
    check_eq("nor taken", fired, 2);
    latest = total = 0;
}

static void wait_for(uint32_t count)
{
    mask();
    while (fired != count) {
        ASM("dsb sy\n\twfi");
        unmask();
        mask();
    }
}

static void check_waiting(void)
{
    uint32_t count = 40;

    fired = 0;
    early = 0;
    for (uint32_t i = 0; i < count; i++) {
        arm(now() + ms(1) * (i % 5 + 1));
        wait_for(i + 1);
    }
    check_eq("WFI until the deadline, 40 times", fired, count);
    check_eq("never early", early, 0);
    report("waiting", count);
    for (uint32_t i = 0; i < 1000; i++) {
        arm(now() + i % 50);
        wait_for(count + i + 1);
    }
    check_eq("WFI when it is due just now, 1000 times", fired, count + 1000);
    check_eq("none of them early", early, 0);
    latest = total = 0;
}

/* ---- a thousand ticks ---------------------------------------------------- */

static uint64_t period, turns;

/* As an operating system ticks: from the last deadline, not from now. */
static void on_tick(struct trap *trap)
{
    uint32_t intid = gic_acknowledge();

    (void)trap;
    if (intid != TIMER_INTID)
        return;
    early += now() < deadline;
    deadline += period;
    WRITE("cntv_cval_el0", deadline);
    fired++;
    gic_end(intid);
}

static void check_ticks(bool waiting)
{
    uint64_t start;

    this_cpu()->irq = on_tick;
    period = ms(1) / 4;
    fired = 0;
    early = 0;
    start = now();
    arm(start + period);
    unmask();
    while (fired < 1000) {
        if (waiting)
            ASM("wfi");
        turns++;
    }
    mask();
    set_timer(NEVER, 0);
    check(waiting ? "1000 ticks, waiting" : "1000 ticks, computing",
          fired >= 1000 && deadline == start + (fired + 1) * period);
    check_eq("no tick early", early, 0);
    check("and they took their time", now() - start >= 1000 * period);
    this_cpu()->irq = on_timer;
}

/* Only the last of many settings counts. */
static void check_rearming(void)
{
    fired = 0;
    early = 0;
    unmask();
    for (uint32_t i = 0; i < 20000; i++)
        arm(now() + ms(10000) + i);
    check_eq("20000 settings, none due", fired, 0);
    arm(now() + ms(1));
    compute_until(&fired, 1);
    check_eq("the last one is", fired, 1);
    check_eq("and not early", early, 0);
    mask();
    arm(now() + ms(5000));
    arm(now() + ms(1));
    wait_for(2);
    check_eq("made sooner", fired, 2);
    arm(now());
    arm(now() + ms(2));
    wait_for(3);
    check_eq("made later", early, 0);
    latest = total = 0;
}

/* ---- corners ------------------------------------------------------------- */

static void check_tval_corners(void)
{
    static const struct {
        const char *name;
        uint32_t tval;
        bool due;
    } cases[] = {
        {"TVAL 0 is due", 0, true},
        {"TVAL -1 is due", 0xffffffff, true},
        {"the longest TVAL is not due", 0x7fffffff, false},
    };
    uint64_t cval;

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        set_timer(0, ENABLE | IMASK);
        WRITE("cntv_tval_el0", cases[i].tval);
        check_eq(cases[i].name, status(),
                 ENABLE | IMASK | (cases[i].due ? ISTATUS : 0));
    }
    cval = now();
    WRITE("cntv_tval_el0", 0x80000000);
    check("TVAL's sign bit is the sign",
          READ("cntv_cval_el0") + (1ull << 31) >= cval &&
              READ("cntv_cval_el0") + (1ull << 31) <= now());
    /* A write of TVAL takes 32 bits, whatever is above them. */
    cval = now();
    WRITE("cntv_tval_el0", 0xdeadbeef00000000ull + ms(1000));
    check("TVAL's upper half does not count",
          READ("cntv_cval_el0") >= cval + ms(1000) &&
              READ("cntv_cval_el0") <= now() + ms(1000));
    /* TVAL reads the low 32 bits of a difference of 64. */
    set_timer(now() + (5ull << 32), ENABLE | IMASK);
    check("TVAL wraps: far away reads as something else",
          (int32_t)READ("cntv_tval_el0") <= 0);
    check_eq("but is not due", status(), ENABLE | IMASK);
    set_timer(NEVER, 0);
}

/* The line follows IMASK, ENABLE and CVAL, each by itself, back and forth. */
static void check_line_toggles(void)
{
    unsigned wrong = 0;

    for (unsigned i = 0; i < 500; i++) {
        set_timer(now() - 1, ENABLE);
        wrong += !gic_bit(GIC_ISPENDR, TIMER_INTID);
        WRITE("cntv_ctl_el0", ENABLE | IMASK);
        wrong += gic_bit(GIC_ISPENDR, TIMER_INTID);
        WRITE("cntv_ctl_el0", ENABLE);
        wrong += !gic_bit(GIC_ISPENDR, TIMER_INTID);
        WRITE("cntv_ctl_el0", 0);
        wrong += gic_bit(GIC_ISPENDR, TIMER_INTID);
        WRITE("cntv_ctl_el0", ENABLE);
        wrong += !gic_bit(GIC_ISPENDR, TIMER_INTID);
        WRITE("cntv_cval_el0", NEVER);
        wrong += gic_bit(GIC_ISPENDR, TIMER_INTID);
        WRITE("cntv_tval_el0", 0);
        wrong += !gic_bit(GIC_ISPENDR, TIMER_INTID);
        set_timer(NEVER, 0);
    }
    check_eq("the line goes up and down 3500 times", wrong, 0);
    /* Acknowledged, its line down and up again before the end: once more. */
    set_timer(0, ENABLE);
    check_eq("due", gic_acknowledge(), TIMER_INTID);
    WRITE("cntv_ctl_el0", ENABLE | IMASK);
    WRITE("cntv_ctl_el0", ENABLE);
    gic_end(TIMER_INTID);
    check_eq("due again after its end", gic_acknowledge(), TIMER_INTID);
    /* Ended while the line is up: it is there at once. */
    gic_end(TIMER_INTID);
    check_eq("and for as long as it is", gic_acknowledge(), TIMER_INTID);
    set_timer(NEVER, 0);
    gic_end(TIMER_INTID);
    check_eq("then not", gic_acknowledge(), SPURIOUS);
}

/* ---- the others ---------------------------------------------------------- */

static volatile uint32_t leave;
static volatile struct {
    uint64_t next, step;
    uint32_t ticks, early;
} ticker[CPUS_MAX];

static void on_other_tick(struct trap *trap)
{
    uint32_t intid = gic_acknowledge();
    uint64_t cpu = this_cpu()->number;

    (void)trap;
    if (intid != TIMER_INTID)
        return;
    ticker[cpu].early += now() < ticker[cpu].next;
    ticker[cpu].ticks++;
    ticker[cpu].next += ticker[cpu].step;
    WRITE("cntv_cval_el0", ticker[cpu].next);
    gic_end(intid);
}

/* Half of them wait, half of them compute. */
static void tick(uint64_t cpu)
{
    gic_start_cpu();
    gic_enable(TIMER_INTID);
    this_cpu()->irq = on_other_tick;
    ticker[cpu].step = ms(3) + cpu * 1000;
    ticker[cpu].next = now() + ticker[cpu].step;
    set_timer(ticker[cpu].next, ENABLE);
    while (!leave) {
        uint32_t before = ticker[cpu].ticks;

        unmask();
        if (cpu % 2)
            ASM("wfi");
        while (ticker[cpu].ticks == before)
            ;
        mask();
    }
    this_cpu()->irq = NULL;
    set_timer(NEVER, 0);
}

static void check_others(unsigned first, unsigned end)
{
    uint32_t early_ticks = 0;
    bool all = true;

    for (unsigned cpu = first; cpu < end; cpu++) {
        early_ticks += ticker[cpu].early;
        all &= ticker[cpu].ticks != 0;
    }
    check_eq("none of the others' ticks is early", early_ticks, 0);
    check("and all of them tick", all);
}

static void check_all(uint64_t cpu)
{
    if (cpu != 0)
        gic_start_cpu();
    this_cpu()->irq = on_timer;
    gic_enable(TIMER_INTID);
    check_registers();
    check_status();
    check_tval_corners();
    check_line_toggles();
    check_computing();
    check_due_at_once();
    check_masks();
    check_waiting();
    check_ticks(false);
    check_ticks(true);
    check_rearming();
    this_cpu()->irq = NULL;
}

void guest_main(void)
{
    unsigned last = cpu_count() - 1;

    paging_on();
    gic_start();
    for (unsigned cpu = 1; cpu < last; cpu++)
        start_cpu(cpu, tick);
    check_all(0);
    if (last == 0)
        return;
    print("# on the last vCPU\n");
    run_on(last, check_all);
    leave = 1;
    for (unsigned cpu = 1; cpu < last; cpu++)
        wait_off(cpu);
    if (last > 1)
        check_others(1, last);
}
