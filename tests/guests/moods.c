/*
 * moods: a guest that behaves as it is told, for `lull doctor` to be judged by
 * (tests/doctor.py). vCPU 0 says MOODS, reads one letter from the UART, says
 * it back, and from then on is in that mood:
 *
 *     b  busy: computes
 *     y  idles, but by YIELD instead of WFI
 *     w  waits: both vCPUs tick 10 times a second in between WFIs
 *     t  timer storm: as w, 20000 times a second, one vCPU
 *     k  kick storm: two vCPUs send each other SGIs in between WFIs
 *     s  kick storm: one vCPU sends itself SGIs
 *     u  answers each byte on the UART, waiting in WFI
 *     n  ticks 10 times a second, and never starts vCPU 1
 *     p  WFI with an interrupt pending that is never taken
 */
#include "bare.h"

enum { SGI = 1 };

#define PL011_DR 0x09000000
#define PL011_FR 0x09000018
#define PL011_CR 0x09000030
#define PL011_IMSC 0x09000038
#define FR_RXFE (1 << 4)
/* What arrived: at the trigger level, and below it after a while */
#define IMSC_RX (1 << 4 | 1 << 6)

static uint64_t ticks_per_second;

static void set_timer(void)
{
    WRITE("cntv_tval_el0", READ("cntfrq_el0") / ticks_per_second);
    WRITE("cntv_ctl_el0", 1);
}

/* Interrupts stay masked in PSTATE: WFI ends for a pending one all the same,
 * and it is then taken by asking for it. */
static uint32_t wait(void)
{
    uint32_t interrupt;

    ASM("dsb sy\n\twfi");
    interrupt = gic_acknowledge();
    if (interrupt != SPURIOUS)
        gic_end(interrupt);
    return interrupt;
}

static void tick(uint64_t cpu)
{
    if (cpu != 0)
        gic_start_cpu();
    gic_enable(TIMER_INTID);
    set_timer();
    for (;;)
        if (wait() == TIMER_INTID)
            set_timer();
}

/* To the other vCPU, at each SGI from there. */
static void answer(uint64_t to)
{
    for (;;)
        if (wait() == SGI)
            gic_send_sgi(SGI, 1u << to);
}

static void serve(uint64_t cpu __attribute__((unused)))
{
    gic_start_cpu();
    gic_enable(SGI);
    gic_send_sgi(SGI, 1);
    answer(0);
}

static void listen(void)
{
    mmio_write32(PL011_CR, 0x301);
    mmio_write32(PL011_IMSC, IMSC_RX);
    mmio_write64(GICD_IROUTER(UART_INTID), 0);
    gic_enable(UART_INTID);
    for (;;) {
        ASM("dsb sy\n\twfi");
        uint32_t interrupt = gic_acknowledge();

        while (!(mmio_read32(PL011_FR) & FR_RXFE))
            mmio_read32(PL011_DR);
        if (interrupt != SPURIOUS)
            gic_end(interrupt);
    }
}

static void leave_pending(void)
{
    gic_enable(SGI);
    gic_send_sgi(SGI, 1);
    for (;;)
        ASM("wfi");
}

static void compute(void)
{
    uint64_t x = 1;

    for (;;)
        __asm__ volatile("mul %0, %0, %1" : "+r"(x) : "r"(x | 1));
}

static uint32_t read_letter(void)
{
    while (mmio_read32(PL011_FR) & FR_RXFE)
        ASM("yield");
    return mmio_read32(PL011_DR) & 0xff;
}

void guest_main(void)
{
    char said[] = "mood x\n";

    mmio_write32(PL011_CR, 0x301);
    print("MOODS\n");
    said[5] = (char)read_letter();
    print(said);
    gic_start();
    ticks_per_second = said[5] == 't' ? 20000 : 10;
    switch (said[5]) {
    case 'b':
        compute();
        break;
    case 'y':
        for (;;)
            ASM("yield");
    case 'w':
        start_cpu(1, tick);
        tick(0);
        break;
    case 't':
    case 'n':
        tick(0);
        break;
    case 'k':
        gic_enable(SGI);
        start_cpu(1, serve);
        answer(1);
        break;
    case 's':
        gic_enable(SGI);
        gic_send_sgi(SGI, 1);
        answer(0);
        break;
    case 'u':
        listen();
        break;
    case 'p':
        leave_pending();
        break;
    default:
        print("no such mood\n");
    }
}
