/*
 * ticker: a guest with a fast timer, for machine monitors to be measured with
 * (qemu/check ticks, qemu/check timer-state). vCPU 0 says TICKER, reads one
 * letter from the UART, says it back, and from then on:
 *
 *     s  ticks 100 times a second on a grid, in WFI between the ticks
 *     p  the same 1000 times a second, as a kernel with HZ=1000 does
 *     r  arms its timer 1 ms ahead each time it has fired, in WFI meanwhile
 *     c  computes without a single exit, and in each of 100 ticks a second
 *        computes for 5 ms with the interrupt taken and the timer not yet
 *        set anew
 *
 * Every second, in `c` every 20 ticks, it says how many there were and how late
 * they were. A tick that is missed altogether is skipped, and counts as late.
 */
#include "bare.h"

#define PL011_DR 0x09000000
#define PL011_FR 0x09000018
#define PL011_CR 0x09000030
#define FR_RXFE (1 << 4)

static uint64_t period, deadline, every;
static bool grid;

static void arm(uint64_t cval)
{
    deadline = cval;
    WRITE("cntv_cval_el0", cval);
    WRITE("cntv_ctl_el0", 1);
}

static uint64_t now(void)
{
    ASM("isb");
    return READ("cntvct_el0");
}

static void count_tick(uint64_t late)
{
    static uint64_t ticks, total, most;

    total += late;
    most = late > most ? late : most;
    if (++ticks % every != 0)
        return;
    print("ticks ");
    print_number(ticks);
    print(" late us: mean ");
    print_number(total * 1000000 / READ("cntfrq_el0") / every);
    print(" most ");
    print_number(most * 1000000 / READ("cntfrq_el0"));
    print("\n");
    total = most = 0;
}

static void set_next(uint64_t at)
{
    uint64_t next = at + period;

    if (grid) {
        next = deadline + period;
        while (next <= at)
            next += period;
    }
    arm(next);
}

/* Interrupts stay masked in PSTATE: WFI ends for a pending one all the same,
 * and it is then taken by asking for it. */
static void wait_for_ticks(void)
{
    arm(now() + period);
    for (;;) {
        ASM("dsb sy\n\twfi");
        uint32_t interrupt = gic_acknowledge();

        if (interrupt == SPURIOUS)
            continue;
        uint64_t at = now(), late = at - deadline;

        set_next(at);
        gic_end(interrupt);
        count_tick(late);
    }
}

static void on_tick(struct trap *trap __attribute__((unused)))
{
    uint32_t interrupt = gic_acknowledge();
    uint64_t at = now();

    if (interrupt == SPURIOUS)
        return;
    while (now() - at < READ("cntfrq_el0") / 200)
        ;
    count_tick(at - deadline);
    set_next(now());
    gic_end(interrupt);
}

static void compute(void)
{
    this_cpu()->irq = on_tick;
    arm(now() + period);
    ASM("msr daifclr, #2\n\tisb");
    for (;;)
        ASM("nop");
}

static uint32_t read_letter(void)
{
    while (mmio_read32(PL011_FR) & FR_RXFE)
        ASM("yield");
    return mmio_read32(PL011_DR) & 0xff;
}

void guest_main(void)
{
    char said[] = "letter x\n";
    uint32_t letter;

    mmio_write32(PL011_CR, 0x301);
    gic_start();
    gic_enable(TIMER_INTID);
    print("TICKER\n");
    letter = read_letter();
    said[7] = (char)letter;
    print(said);
    grid = letter == 's' || letter == 'p';
    every = letter == 's' || letter == 'c' ? 100 : 1000;
    period = READ("cntfrq_el0") / every;
    if (letter == 'c') {
        every = 20;
        compute();
    }
    wait_for_ticks();
}
