/*
 * How many WFIs a second: what tracing and counting cost is measured on it.
 *
 * Without RELAY one vCPU executes WFI with nothing pending, which makes most
 * of the monitor's idle path where the policy returns at once. With RELAY two
 * vCPUs send each other an SGI and wait for the answer, which is the whole of
 * it: kick, wake, sleep. One line twenty times a second, until the VM is
 * stopped.
 */
#include "bare.h"

enum { TIMER = 27, TOKEN = 1, WINDOWS_PER_SECOND = 20 };

static uint32_t wait_interrupt(void)
{
    uint32_t intid;

    while ((intid = gic_acknowledge()) >= 1020)
        ASM("dsb sy\n\twfi");
    gic_end(intid);
    return intid;
}

#ifdef RELAY
static volatile uint32_t listening;

static void answer(uint64_t cpu)
{
    (void)cpu;
    gic_start_cpu();
    gic_enable(TOKEN);
    tell_word(&listening, 1);
    for (;;) {
        if (wait_interrupt() == TOKEN)
            gic_send_sgi(TOKEN, 1);
    }
}

static uint64_t window(uint64_t end)
{
    uint64_t count = 0;

    while (READ("cntvct_el0") < end) {
        gic_send_sgi(TOKEN, 2);
        while (wait_interrupt() != TOKEN)
            ;
        count++;
    }
    return count;
}
#else
/* The timer ends it where the policy does sleep. */
static uint64_t window(uint64_t end)
{
    uint64_t count = 0;

    WRITE("cntv_cval_el0", end);
    WRITE("cntv_ctl_el0", 1);
    while (READ("cntvct_el0") < end) {
        ASM("wfi");
        count++;
    }
    wait_interrupt();
    WRITE("cntv_ctl_el0", 0);
    return count;
}
#endif

void guest_main(void)
{
    uint64_t length = READ("cntfrq_el0") / WINDOWS_PER_SECOND;

    gic_start();
    gic_start_cpu();
    gic_enable(TIMER);
    gic_enable(TOKEN);
#ifdef RELAY
    start_cpu(1, answer);
    wait_word(&listening, 1);
#endif
    for (;;) {
        uint64_t count = window(READ("cntvct_el0") + length);

        print("rounds ");
        print_number(count);
        print("\n");
    }
}
