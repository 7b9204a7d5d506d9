/*
 * idle4: a bare-metal guest of four vCPUs that mostly sleep. What make demo
 * shows where no Linux can be fetched, and a test of PSCI, GICv3, the virtual
 * timer, SGIs, the UART's interrupt and WFI working together.
 *
 * vCPU 0 starts the others and prints the reference guest's marker once all
 * are there. Then each vCPU sets its virtual timer twice a second and at each
 * tick sends an SGI to the next one. Any byte on the UART ends it: once every
 * vCPU has seen both, idle4 prints the least that any has and powers off.
 */
#include <stdint.h>

/* More of them for a guest that is to be woken often. */
#ifndef TICKS
#define TICKS 2
#endif

enum { VCPUS = 4, SGI = 1, TIMER = 27, UART = 33, TICKS_PER_SECOND = TICKS };

#define REG32(address) (*(volatile uint32_t *)(uintptr_t)(address))
#define REG64(address) (*(volatile uint64_t *)(uintptr_t)(address))

#define GICD 0x08000000ul
#define GICD_CTLR REG32(GICD)
#define GICD_ISENABLER1 REG32(GICD + 0x104)
#define GICD_IGROUPR1 REG32(GICD + 0x84)
#define GICD_IROUTER(n) REG64(GICD + 0x6000 + 8 * (n))
/* A redistributor is two frames of 64 KiB: control, then SGIs and PPIs. */
#define GICR(cpu) (0x080a0000ul + (cpu)*0x20000ul)
#define GICR_WAKER(cpu) REG32(GICR(cpu) + 0x14)
#define GICR_IGROUPR0(cpu) REG32(GICR(cpu) + 0x10080)
#define GICR_ISENABLER0(cpu) REG32(GICR(cpu) + 0x10100)

#define PL011 0x09000000ul
#define PL011_DR REG32(PL011)
#define PL011_CR REG32(PL011 + 0x30)
#define PL011_IMSC REG32(PL011 + 0x38)

#define READ(name)                                                             \
    ({                                                                         \
        uint64_t value_;                                                       \
        __asm__ volatile("mrs %0, " name : "=r"(value_)::"memory");            \
        value_;                                                                \
    })
#define WRITE(name, value)                                                     \
    __asm__ volatile("msr " name ", %0\n\tisb" ::"r"((uint64_t)(value))        \
                     : "memory")

#define ICC_PMR "s3_0_c4_c6_0"
#define ICC_IAR1 "s3_0_c12_c12_0"
#define ICC_EOIR1 "s3_0_c12_c12_1"
#define ICC_SGI1R "s3_0_c12_c11_5"
#define ICC_SRE "s3_0_c12_c12_5"
#define ICC_IGRPEN1 "s3_0_c12_c12_7"

void guest_main(uint64_t cpu);
void secondary_start(void);

static volatile uint32_t online, ticks[VCPUS], messages[VCPUS], ending;

static uint64_t psci(uint32_t call, uint64_t a, uint64_t b, uint64_t c)
{
    register uint64_t x0 __asm__("x0") = call;
    register uint64_t x1 __asm__("x1") = a;
    register uint64_t x2 __asm__("x2") = b;
    register uint64_t x3 __asm__("x3") = c;

    __asm__ volatile("hvc #0"
                     : "+r"(x0)
                     : "r"(x1), "r"(x2), "r"(x3)
                     : "memory");
    return x0;
}

static void print(const char *text)
{
    while (*text)
        PL011_DR = (uint8_t)*text++;
}

static void print_number(uint64_t value)
{
    if (value >= 10)
        print_number(value / 10);
    PL011_DR = (uint32_t)('0' + value % 10);
}

static void set_timer(void)
{
    WRITE("cntv_tval_el0", READ("cntfrq_el0") / TICKS_PER_SECOND);
    WRITE("cntv_ctl_el0", 1);
}

static void start_interrupts(uint64_t cpu)
{
    GICR_WAKER(cpu) &= ~2u;
    while (GICR_WAKER(cpu) & 4)
        ;
    GICR_IGROUPR0(cpu) = ~0u;
    GICR_ISENABLER0(cpu) = 1u << SGI | 1u << TIMER;
    WRITE(ICC_SRE, READ(ICC_SRE) | 1);
    WRITE(ICC_PMR, 0xff);
    WRITE(ICC_IGRPEN1, 1);
    set_timer();
}

static void start_machine(void)
{
    GICD_CTLR = 1u << 4 | 1u << 1; /* affinity routing, group 1 */
    GICD_IGROUPR1 |= 1u << (UART - 32);
    GICD_IROUTER(UART) = 0;
    GICD_ISENABLER1 = 1u << (UART - 32);
    PL011_CR = 0x301;               /* on, both ways */
    PL011_IMSC = 1u << 4 | 1u << 6; /* something arrived */
    for (uint64_t cpu = 1; cpu < VCPUS; cpu++) {
        uint64_t entry = (uint64_t)(uintptr_t)secondary_start;
        if (psci(0xc4000003, cpu, entry, cpu) != 0)
            print("idle4: CPU_ON failed\n");
    }
}

static void send_sgi(uint64_t to)
{
    WRITE(ICC_SGI1R, (uint64_t)SGI << 24 | 1u << to);
}

static void power_off(void)
{
    uint32_t least = ~0u;

    for (int cpu = 0; cpu < VCPUS; cpu++) {
        least = ticks[cpu] < least ? ticks[cpu] : least;
        least = messages[cpu] < least ? messages[cpu] : least;
    }
    if (least == 0)
        return;
    print("idle4: every vCPU saw at least ");
    print_number(least);
    print(" ticks and SGIs\n");
    psci(0x84000008, 0, 0, 0);
}

static void announce(void)
{
    uint64_t count = READ("cntvct_el0"), hz = READ("cntfrq_el0");

    print("LULL-GUEST-READY nproc=");
    print_number(online);
    print(" uptime=");
    print_number(count / hz);
    print(".");
    print_number(count % hz * 10 / hz);
    print("\n");
}

static void handle(uint64_t cpu, uint32_t interrupt)
{
    switch (interrupt) {
    case TIMER:
        ticks[cpu]++;
        set_timer();
        send_sgi((cpu + 1) % VCPUS);
        if (cpu == 0 && ending)
            power_off();
        break;
    case SGI:
        messages[cpu]++;
        break;
    case UART:
        (void)PL011_DR;
        ending = 1;
        break;
    }
}

/* Interrupts stay masked in PSTATE: WFI ends for a pending one all the same,
 * and it is then taken by asking for it. */
void guest_main(uint64_t cpu)
{
    int announced = cpu != 0;

    start_interrupts(cpu);
    if (cpu == 0)
        start_machine();
    __atomic_add_fetch(&online, 1, __ATOMIC_SEQ_CST);
    if (cpu != 0)
        send_sgi(0); /* it sleeps until it is told */
    for (;;) {
        if (!announced && online == VCPUS) {
            announce();
            announced = 1;
        }
        __asm__ volatile("dsb sy\n\twfi" ::: "memory");
        uint32_t interrupt = (uint32_t)READ(ICC_IAR1);
        if (interrupt < 1020) {
            handle(cpu, interrupt);
            WRITE(ICC_EOIR1, interrupt);
        }
    }
}
