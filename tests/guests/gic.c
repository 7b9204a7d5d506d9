/*
 * gic: the interrupt controller's registers and what they do to delivery.
 *
 * Most of it is done with interrupts masked in PSTATE and acknowledged by
 * hand, so that every step can be looked at: SGIs, enables, priorities, the
 * priority mask, groups and binary point, EOI modes, pending and active bits,
 * level and edge. Then interrupts that interrupt handlers, and three more
 * vCPUs to which SGIs and SPIs are sent.
 */
#include "bare.h"

enum { SPI = 40, OTHER_SPI = 70, LOW = 0xc0, MIDDLE = 0xa0, HIGH = 0x40 };
enum { IDLE_PRIORITY = 0xff, FLUSH = 15 };
#define PL011 0x09000000ull
enum { UART_IMSC = 0x38, UART_RIS = 0x3c, UART_ICR = 0x44, TX = 1 << 5 };

static uint32_t acknowledge_now(void)
{
    ASM("dsb sy\n\tisb");
    return gic_acknowledge();
}

static uint64_t running(void)
{
    return READ(ICC_RPR);
}

static void pend_self(unsigned sgi)
{
    gic_send_sgi(sgi, 1);
}

/* Take and end whatever there is. */
static void drain(void)
{
    uint32_t intid;

    while ((intid = acknowledge_now()) < 1020)
        gic_end(intid);
}

/* ---- one vCPU, by hand --------------------------------------------------- */

static void check_identity(void)
{
    uint32_t typer = mmio_read32(GICD + 4);

    check_eq("GICD_PIDR2: a GICv3", mmio_read32(GICD + 0xffe8) >> 4 & 15, 3);
    check_eq("GICR_PIDR2: too", mmio_read32(GICR(0) + 0xffe8) >> 4 & 15, 3);
    check("GICD_TYPER has the SPIs", ((typer & 31) + 1) * 32 > OTHER_SPI);
    check_eq("GICD_CTLR: affinity routing, group 1", mmio_read32(GICD) & 0x12,
             0x12);
    for (uint64_t cpu = 0; cpu < 4; cpu++)
        check_eq("GICR_TYPER: affinity, Last",
                 mmio_read64(GICR(cpu) + 8) & 0xffffffff00000010,
                 cpu << 32 | (cpu == 3 ? 0x10 : 0));
    check_eq("ICC_SRE_EL1.SRE", READ(ICC_SRE) & 1, 1);
    check_eq("ICC_CTLR_EL1: five bits of priority at least",
             (READ(ICC_CTLR) >> 8 & 7) >= 4, 1);
    check_eq("nothing runs", running(), IDLE_PRIORITY);
    check_eq("nothing is there", acknowledge_now(), SPURIOUS);
    check_eq("nothing is pending", READ(ICC_HPPIR1), SPURIOUS);
    mmio_write32(GICD + GIC_IPRIORITYR + SPI, 0x12345678);
    check_eq("priorities by the word",
             mmio_read32(GICD + GIC_IPRIORITYR + SPI) & 0xf8f8f8f8,
             0x12345678 & 0xf8f8f8f8);
    check_eq("and by the byte",
             mmio_read8(GICD + GIC_IPRIORITYR + SPI + 2) & 0xf8, 0x34 & 0xf8);
    mmio_write32(GICD + GIC_IPRIORITYR + SPI, 0xa0a0a0a0);
    mmio_write32(GICD + GIC_ISENABLER, ~0u);
    check_eq("SGIs are not the distributor's",
             mmio_read32(GICD + GIC_ISENABLER), 0);
}

static void check_sgis(void)
{
    unsigned wrong = 0;

    for (unsigned sgi = 0; sgi < 16; sgi++) {
        gic_enable(sgi);
        pend_self(sgi);
        wrong += READ(ICC_HPPIR1) != sgi;
        wrong += !(READ("isr_el1") & 0x80);
        wrong += acknowledge_now() != sgi;
        wrong += acknowledge_now() != SPURIOUS;
        wrong += running() != MIDDLE;
        wrong += (READ("isr_el1") & 0x80) != 0;
        gic_end(sgi);
        wrong += running() != IDLE_PRIORITY;
    }
    check_eq("each SGI to itself", wrong, 0);
    for (unsigned sgi = 0; sgi < 8; sgi++) {
        gic_priority(sgi, (uint8_t)(0xf0 - 0x10 * sgi));
        pend_self(sgi);
    }
    for (unsigned sgi = 8; sgi-- > 0;) {
        wrong += acknowledge_now() != sgi;
        gic_end(sgi);
    }
    check_eq("the most important first", wrong, 0);
    for (unsigned sgi = 0; sgi < 8; sgi++)
        gic_priority(sgi, MIDDLE);
    for (unsigned sgi = 8; sgi-- > 0;)
        pend_self(sgi);
    for (unsigned sgi = 0; sgi < 8; sgi++) {
        wrong += acknowledge_now() != sgi;
        gic_end(sgi);
    }
    check_eq("the lowest number first among equals", wrong, 0);
    pend_self(1);
    pend_self(1);
    wrong += acknowledge_now() != 1;
    gic_end(1);
    check("sent twice, there once",
          wrong == 0 && acknowledge_now() == SPURIOUS);
    pend_self(1);
    acknowledge_now();
    pend_self(1);
    check_eq("sent while active: pending, too", gic_bit(GIC_ISPENDR, 1), 1);
    gic_end(1);
    check_eq("and there afterwards", acknowledge_now(), 1);
    gic_end(1);
    gic_send_sgi(1, 1 << 9);
    check_eq("to a vCPU that does not exist", acknowledge_now(), SPURIOUS);
}

static void check_enables(void)
{
    gic_disable(2);
    check_eq("disabled", gic_bit(GIC_ISENABLER, 2), 0);
    pend_self(2);
    check_eq("disabled: not there", acknowledge_now(), SPURIOUS);
    check_eq("disabled: pending", gic_bit(GIC_ISPENDR, 2), 1);
    gic_enable(2);
    check_eq("enabled", gic_bit(GIC_ICENABLER, 2), 1);
    check_eq("enabled: there", acknowledge_now(), 2);
    check_eq("taken: active", gic_bit(GIC_ISACTIVER, 2), 1);
    check_eq("taken: not pending", gic_bit(GIC_ISPENDR, 2), 0);
    gic_end(2);
    check_eq("ended: not active", gic_bit(GIC_ISACTIVER, 2), 0);
    pend_self(2);
    WRITE(ICC_IGRPEN1, 0);
    check_eq("ICC_IGRPEN1 off", READ("isr_el1") & 0x80, 0);
    WRITE(ICC_IGRPEN1, 1);
    check_eq("ICC_IGRPEN1 on", READ("isr_el1") & 0x80, 0x80);
    mmio_write32(GICD, 1 << 4);
    check_eq("GICD_CTLR group 1 off", acknowledge_now(), SPURIOUS);
    mmio_write32(GICD, 1 << 4 | 1 << 1);
    check_eq("GICD_CTLR group 1 on", acknowledge_now(), 2);
    gic_end(2);
}

static void check_priority_mask(void)
{
    pend_self(3);
    WRITE(ICC_PMR, MIDDLE);
    check_eq("PMR at its priority", acknowledge_now(), SPURIOUS);
    check_eq("hidden from the line", READ("isr_el1") & 0x80, 0);
    check_eq("not from HPPIR", READ(ICC_HPPIR1), 3);
    WRITE(ICC_PMR, 0);
    check_eq("PMR 0", acknowledge_now(), SPURIOUS);
    WRITE(ICC_PMR, MIDDLE + 8);
    check_eq("PMR reads back", READ(ICC_PMR), MIDDLE + 8);
    check_eq("PMR one step above", acknowledge_now(), 3);
    gic_end(3);
    WRITE(ICC_PMR, 0xff);
}

static void check_running_priority(void)
{
    gic_priority(5, HIGH);
    pend_self(3);
    check_eq("runs", acknowledge_now(), 3);
    pend_self(4);
    check_eq("an equal one waits", acknowledge_now(), SPURIOUS);
    pend_self(5);
    check_eq("a higher one does not", acknowledge_now(), 5);
    check_eq("the running priority is its", running(), HIGH);
    gic_end(5);
    check_eq("drops to the one below", running(), MIDDLE);
    check_eq("the equal one still waits", acknowledge_now(), SPURIOUS);
    gic_end(3);
    check_eq("until its turn", acknowledge_now(), 4);
    gic_end(4);
    check_eq("idle again", running(), IDLE_PRIORITY);
    gic_priority(5, MIDDLE);
}

static void check_binary_point(void)
{
    gic_priority(6, MIDDLE + 8);
    WRITE(ICC_BPR1, 5);
    check_eq("BPR1 reads back", READ(ICC_BPR1), 5);
    pend_self(6);
    check_eq("three bits of group priority: taken", acknowledge_now(), 6);
    check_eq("that is what runs", running(), MIDDLE);
    pend_self(7);
    check_eq("one of the same group waits", acknowledge_now(), SPURIOUS);
    gic_end(6);
    check_eq("for the end", acknowledge_now(), 7);
    gic_end(7);
    WRITE(ICC_BPR1, 0);
    pend_self(6);
    check_eq("the least BPR1 there is: taken", acknowledge_now(), 6);
    pend_self(7);
    check_eq("then every bit counts", acknowledge_now(), 7);
    gic_end(7);
    gic_end(6);
    gic_priority(6, MIDDLE);
}

static void check_eoi_mode(void)
{
    WRITE(ICC_CTLR, 1 << 1);
    check_eq("EOImode reads back", READ(ICC_CTLR) >> 1 & 1, 1);
    pend_self(8);
    check_eq("EOImode 1: taken", acknowledge_now(), 8);
    gic_end(8);
    check_eq("EOImode 1: the priority drops", running(), IDLE_PRIORITY);
    check_eq("EOImode 1: still active", gic_bit(GIC_ISACTIVER, 8), 1);
    pend_self(8);
    check_eq("EOImode 1: not a second time", acknowledge_now(), SPURIOUS);
    pend_self(9);
    check_eq("EOImode 1: others are free to come", acknowledge_now(), 9);
    gic_end(9);
    WRITE(ICC_DIR, 9);
    WRITE(ICC_DIR, 8);
    check_eq("DIR deactivates", gic_bit(GIC_ISACTIVER, 8), 0);
    check_eq("after DIR it comes again", acknowledge_now(), 8);
    gic_end(8);
    WRITE(ICC_DIR, 8);
    WRITE(ICC_CTLR, 0);
    pend_self(8);
    acknowledge_now();
    gic_end(8);
    check_eq("EOImode 0: one step", gic_bit(GIC_ISACTIVER, 8), 0);
}

static void check_pending_and_active(unsigned intid, const char *pending,
                                     const char *active)
{
    bool good = true;

    gic_enable(intid);
    gic_set_bit(GIC_ISPENDR, intid);
    good &= part_eq(pending, "set", gic_bit(GIC_ICPENDR, intid), 1);
    gic_set_bit(GIC_ICPENDR, intid);
    good &= part_eq(pending, "cleared", acknowledge_now(), SPURIOUS);
    gic_set_bit(GIC_ISPENDR, intid);
    good &= part_eq(pending, "there", acknowledge_now(), intid);
    gic_end(intid);
    check(pending, good && acknowledge_now() == SPURIOUS);
    gic_set_bit(GIC_ISACTIVER, intid);
    gic_set_bit(GIC_ISPENDR, intid);
    good = part_eq(active, "set", acknowledge_now(), SPURIOUS);
    good &= part_eq(active, "read", gic_bit(GIC_ICACTIVER, intid), 1);
    good &= part_eq(active, "no line", READ("isr_el1") & 0x80, 0);
    gic_set_bit(GIC_ICACTIVER, intid);
    good &= part_eq(active, "cleared", acknowledge_now(), intid);
    gic_end(intid);
    check(active, good);
    gic_disable(intid);
}

/* The UART's transmitter has something to say whenever it has sent. */
static void check_level(void)
{
    uint32_t intid;
    bool pending;

    print("# the UART sent this\n");
    check("the UART's transmit interrupt", mmio_read32(PL011 + UART_RIS) & TX);
    gic_enable(UART_INTID);
    check_eq("level: its line is low", acknowledge_now(), SPURIOUS);
    mmio_write32(PL011 + UART_IMSC, TX);
    check_eq("level: high", acknowledge_now(), UART_INTID);
    check_eq("level: active and pending", gic_bit(GIC_ISPENDR, UART_INTID), 1);
    check_eq("level: once at a time", acknowledge_now(), SPURIOUS);
    gic_end(UART_INTID);
    check_eq("level: again while it is high", acknowledge_now(), UART_INTID);
    gic_end(UART_INTID);
    gic_set_bit(GIC_ICPENDR, UART_INTID);
    check_eq("level: cannot be cleared away", gic_bit(GIC_ISPENDR, UART_INTID),
             1);
    /* Not a word in between: it would be sent. */
    mmio_write32(PL011 + UART_ICR, TX);
    intid = acknowledge_now();
    pending = gic_bit(GIC_ISPENDR, UART_INTID);
    mmio_write32(PL011 + UART_IMSC, 0);
    check_eq("level: low again", intid, SPURIOUS);
    check("level: not pending", !pending);
    gic_disable(UART_INTID);
}

static void check_edge(void)
{
    mmio_write32(GICD + GIC_ICFGR + SPI / 16 * 4, 2u << SPI % 16 * 2);
    check_eq("ICFGR reads back",
             mmio_read32(GICD + GIC_ICFGR + SPI / 16 * 4) >> SPI % 16 * 2 & 3,
             2);
    mmio_write64(GICD_IROUTER(SPI), 0);
    gic_enable(SPI);
    gic_set_bit(GIC_ISPENDR, SPI);
    check_eq("edge: there", acknowledge_now(), SPI);
    gic_set_bit(GIC_ISPENDR, SPI);
    check_eq("edge: pending behind the active one", gic_bit(GIC_ISPENDR, SPI),
             1);
    gic_end(SPI);
    check_eq("edge: there a second time", acknowledge_now(), SPI);
    gic_end(SPI);
    check_eq("edge: not a third time", acknowledge_now(), SPURIOUS);
    gic_disable(SPI);
}

/* ---- handlers that are interrupted --------------------------------------- */

static char story[16];
static unsigned told;

static void on_nested(struct trap *trap)
{
    uint32_t intid = gic_acknowledge();

    (void)trap;
    if (intid >= 1020)
        return;
    story[told++] = (char)('a' + intid);
    if (intid == 0) {
        pend_self(1); /* as important: has to wait */
        pend_self(2); /* more important */
    } else if (intid == 2) {
        pend_self(3); /* the most important one */
    }
    ASM("msr daifclr, #2\n\tisb\n\tmsr daifset, #2\n\tisb");
    story[told++] = (char)('A' + intid);
    gic_end(intid);
}

static bool same(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return *a == *b;
}

static void check_nesting(void)
{
    gic_priority(0, LOW);
    gic_priority(1, LOW);
    gic_priority(2, MIDDLE);
    gic_priority(3, HIGH);
    this_cpu()->irq = on_nested;
    pend_self(0);
    ASM("msr daifclr, #2\n\tisb\n\tmsr daifset, #2\n\tisb");
    if (!check("handlers are interrupted by more important ones alone",
               same(story, "acdDCAbB"))) {
        print("# ");
        print(story);
        print("\n");
    }
    for (unsigned sgi = 0; sgi < 4; sgi++)
        gic_priority(sgi, MIDDLE);
    this_cpu()->irq = NULL;
}

/* ---- four vCPUs ---------------------------------------------------------- */

static volatile uint32_t taken[CPUS_MAX][128], ready;

static void on_count(struct trap *trap)
{
    uint32_t intid = gic_acknowledge();

    (void)trap;
    if (intid >= 1020)
        return;
    taken[this_cpu()->number][intid]++;
    gic_end(intid);
}

static void listen(uint64_t number)
{
    gic_start_cpu();
    for (unsigned sgi = 0; sgi < 16; sgi++)
        gic_enable(sgi);
    this_cpu()->irq = on_count;
    __atomic_add_fetch(&ready, 1, __ATOMIC_RELEASE);
    ASM("msr daifclr, #2");
    for (;;)
        ASM("wfi");
    (void)number;
}

/* Every vCPU has taken what was sent to it before. */
static void flush(void)
{
    static uint32_t rounds;

    rounds++;
    gic_send_sgi(FLUSH, SGI_ALL_BUT_SELF);
    for (unsigned cpu = 1; cpu < 4; cpu++)
        spin_until(&taken[cpu][FLUSH], rounds);
}

/* Who has taken an interrupt since the last time: 4 bits for each vCPU. */
static uint64_t who(unsigned intid)
{
    uint64_t result = 0;

    flush();
    for (unsigned cpu = 0; cpu < 4; cpu++) {
        result |= (uint64_t)taken[cpu][intid] << 4 * cpu;
        taken[cpu][intid] = 0;
    }
    return result;
}

static void check_sgi_targets(void)
{
    gic_send_sgi(1, 1 << 2);
    check_eq("an SGI to vCPU 2", who(1), 0x0100);
    gic_send_sgi(2, 1 << 1 | 1 << 3);
    check_eq("an SGI to two", who(2), 0x1010);
    gic_send_sgi(3, SGI_ALL_BUT_SELF);
    check_eq("an SGI to all others", who(3), 0x1110);
    check_eq("is not for the sender", acknowledge_now(), SPURIOUS);
    gic_send_sgi(4, 15);
    check_eq("an SGI to everybody", who(4), 0x1110);
    check_eq("is for the sender too", acknowledge_now(), 4);
    gic_end(4);
    gic_send_sgi(5, SGI_ALL_BUT_SELF | 15);
    check_eq("the list does not count then", who(5), 0x1110);
    check_eq("not even for the sender", acknowledge_now(), SPURIOUS);
    gic_send_sgi(6, 1ull << 32 | 15); /* Aff2 = 1 */
    check_eq("another cluster", who(6), 0);
}

static void pend_spi(uint64_t router)
{
    mmio_write64(GICD_IROUTER(OTHER_SPI), router);
    gic_set_bit(GIC_ISPENDR, OTHER_SPI);
}

static void check_routing(void)
{
    uint64_t takers;

    mmio_write32(GICD + GIC_ICFGR + OTHER_SPI / 16 * 4,
                 2u << OTHER_SPI % 16 * 2);
    gic_enable(OTHER_SPI);
    for (unsigned cpu = 1; cpu < 4; cpu++) {
        pend_spi(cpu);
        spin_until(&taken[cpu][OTHER_SPI], 1);
        check_eq("an SPI goes to the vCPU it is routed to", who(OTHER_SPI),
                 1ull << 4 * cpu);
        check_eq("IROUTER reads back", mmio_read64(GICD_IROUTER(OTHER_SPI)),
                 cpu);
    }
    pend_spi(0);
    check_eq("an SPI to vCPU 0", acknowledge_now(), OTHER_SPI);
    gic_end(OTHER_SPI);
    /* Pending here, not taken, and then routed away. */
    pend_spi(0);
    check_eq("pending for vCPU 0", READ(ICC_HPPIR1), OTHER_SPI);
    mmio_write64(GICD_IROUTER(OTHER_SPI), 2);
    spin_until(&taken[2][OTHER_SPI], 1);
    check_eq("taken by vCPU 2", who(OTHER_SPI), 0x100);
    check_eq("gone from vCPU 0", acknowledge_now(), SPURIOUS);
    pend_spi(99);
    check_eq("routed to nobody", who(OTHER_SPI), 0);
    mmio_write64(GICD_IROUTER(OTHER_SPI), 3);
    spin_until(&taken[3][OTHER_SPI], 1);
    check_eq("and to somebody after all", who(OTHER_SPI), 0x1000);
    pend_spi(1ull << 31);
    takers = acknowledge_now() == OTHER_SPI;
    if (takers)
        gic_end(OTHER_SPI);
    while (takers == 0)
        takers = who(OTHER_SPI);
    takers += who(OTHER_SPI);
    check("one of N is one",
          takers == 1 || takers == 0x10 || takers == 0x100 || takers == 0x1000);
    gic_disable(OTHER_SPI);
}

/* Interrupts that arrive one on another's heels: none is lost, none is made
 * up. Each is sent when the one before has been taken. */
static void check_many(void)
{
    enum { COUNT = 5000 };

    for (uint32_t i = 0; i < COUNT; i++) {
        unsigned cpu = 1 + i % 3;

        gic_send_sgi(7, 1u << cpu);
        spin_until(&taken[cpu][7], i / 3 + 1);
    }
    flush();
    check_eq("5000 SGIs, each taken once",
             taken[1][7] + taken[2][7] + taken[3][7], COUNT);
}

void guest_main(void)
{
    paging_on();
    gic_start();
    check_identity();
    check_sgis();
    check_enables();
    check_priority_mask();
    check_running_priority();
    check_binary_point();
    check_eoi_mode();
    check_pending_and_active(SPI, "SPI: pending bits", "SPI: active bits");
    check_pending_and_active(20, "PPI: pending bits", "PPI: active bits");
    check_pending_and_active(10, "SGI: pending bits", "SGI: active bits");
    check_level();
    check_edge();
    check_nesting();
    drain();
    for (uint64_t cpu = 1; cpu < 4; cpu++)
        start_cpu(cpu, listen);
    spin_until(&ready, 3);
    gic_enable(10);
    check_sgi_targets();
    check_routing();
    check_many();
}
