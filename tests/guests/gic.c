/*
 * gic: the interrupt controller's registers and what they do to delivery.
 *
 * Most of it is done with interrupts masked in PSTATE and acknowledged by
 * hand, so that every step can be looked at: SGIs, enables, priorities, the
 * priority mask, groups and binary point, EOI modes, pending and active bits,
 * level and edge; Group 0 and FIQ. Then interrupts that interrupt handlers, and
 * the other vCPUs, to which SGIs and SPIs are sent.
 */
#include "bare.h"
#include "code.h"

enum { SPI = 40, OTHER_SPI = 70, LOW = 0xc0, MIDDLE = 0xa0, HIGH = 0x40 };
enum { IDLE_PRIORITY = 0xff, FLUSH = 15, ISR_I = 1 << 7, ISR_F = 1 << 6 };
#define PL011 0x09000000ull
enum { UART_IMSC = 0x38, UART_RIS = 0x3c, UART_ICR = 0x44, TX = 1 << 5 };

static unsigned cpus;

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
    for (uint64_t cpu = 0; cpu < cpus; cpu++)
        check_eq("GICR_TYPER: affinity, Last",
                 mmio_read64(GICR(cpu) + 8) & 0xffffffff00000010,
                 cpu << 32 | (cpu == cpus - 1 ? 0x10 : 0));
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

/* What nobody can change. */
static void check_fixed_registers(void)
{
    uint32_t cfg = mmio_read32(GICR_SGI(0) + GIC_ICFGR);

    mmio_write32(GICR_SGI(0) + GIC_ICFGR, 0);
    check_eq("SGIs are edge-triggered", cfg, 0xaaaaaaaa);
    check_eq("and stay so", mmio_read32(GICR_SGI(0) + GIC_ICFGR), cfg);
    mmio_write32(GICD + GIC_IPRIORITYR, ~0u);
    check_eq("SGIs' priorities are not the distributor's",
             mmio_read32(GICD + GIC_IPRIORITYR), 0);
    mmio_write32(GICD + 4, ~0u);
    check("GICD_TYPER is read-only", mmio_read32(GICD + 4) != ~0u);
    WRITE(ICC_PMR, 0x9f);
    check_eq("PMR has five bits", READ(ICC_PMR), 0x98);
    WRITE(ICC_PMR, 0xff);
    check_eq("all of them", READ(ICC_PMR), 0xf8);
    WRITE(ICC_SRE, 0);
    check_eq("SRE cannot be turned off", READ(ICC_SRE) & 1, 1);
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

/* Two active at once: what EOIR and DIR each undo. */
static void check_eoi_order(void)
{
    gic_priority(5, HIGH);
    WRITE(ICC_CTLR, 1 << 1);
    pend_self(3);
    acknowledge_now();
    pend_self(5);
    check_eq("EOImode 1: nested", acknowledge_now(), 5);
    gic_end(5);
    check_eq("EOImode 1: drops to the one below", running(), MIDDLE);
    WRITE(ICC_DIR, 3);
    check_eq("EOImode 1: DIR before EOIR deactivates",
             gic_bit(GIC_ISACTIVER, 3), 0);
    check_eq("EOImode 1: and leaves the priority", running(), MIDDLE);
    gic_end(3);
    check_eq("EOImode 1: for EOIR", running(), IDLE_PRIORITY);
    check_eq("EOImode 1: the other is active still", gic_bit(GIC_ISACTIVER, 5),
             1);
    WRITE(ICC_DIR, 5);
    WRITE(ICC_CTLR, 0);
    pend_self(3);
    acknowledge_now();
    WRITE(ICC_DIR, 3); /* ignored */
    check_eq("EOImode 0: DIR does nothing", gic_bit(GIC_ISACTIVER, 3), 1);
    gic_end(SPURIOUS);
    check_eq("EOIR of 1023 ends nothing", running(), MIDDLE);
    gic_end(3);
    check_eq("EOImode 0: both at once",
             running() | gic_bit(GIC_ISACTIVER, 3) << 8, IDLE_PRIORITY);
    gic_priority(5, MIDDLE);
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

/* A level that falls while its interrupt is active does not come again; one
 * written pending does. */
static void check_level_while_active(void)
{
    uint32_t again;

    print("# and this\n");
    gic_enable(UART_INTID);
    mmio_write32(PL011 + UART_IMSC, TX);
    acknowledge_now();
    mmio_write32(PL011 + UART_ICR, TX);
    gic_end(UART_INTID);
    again = acknowledge_now();
    mmio_write32(PL011 + UART_IMSC, 0);
    check_eq("level: fell while active, gone", again, SPURIOUS);
    gic_set_bit(GIC_ISPENDR, UART_INTID);
    check_eq("level: written pending, there", acknowledge_now(), UART_INTID);
    gic_set_bit(GIC_ISPENDR, UART_INTID);
    gic_end(UART_INTID);
    check_eq("level: written pending while active, there again",
             acknowledge_now(), UART_INTID);
    gic_end(UART_INTID);
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

/* ---- Group 0 ------------------------------------------------------------- */

enum { SECRET = 11, PLAIN = 12 };

static void set_group(unsigned sgi, unsigned group)
{
    uint32_t groups = mmio_read32(GICR_SGI(0) + GIC_IGROUPR);

    mmio_write32(GICR_SGI(0) + GIC_IGROUPR,
                 (groups & ~(1u << sgi)) | group << sgi);
}

static uint64_t lines(void)
{
    ASM("dsb sy\n\tisb");
    return READ("isr_el1") & (ISR_I | ISR_F);
}

static void check_group_0(void)
{
    gic_enable(SECRET);
    gic_enable(PLAIN);
    set_group(SECRET, 0);
    check_eq("Group 0: IGROUPR reads back", gic_bit(GIC_IGROUPR, SECRET), 0);
    WRITE(ICC_SGI0R, (uint64_t)SECRET << 24 | 1);
    check_eq("Group 0: off in the distributor", lines(), 0);
    mmio_write32(GICD, 1u << 4 | 3);
    check_eq("Group 0: off at the vCPU", lines(), 0);
    WRITE(ICC_IGRPEN0, 1);
    check_eq("Group 0: ISR_EL1 says FIQ", lines(), ISR_F);
    check_eq("Group 0: HPPIR1 does not see it", READ(ICC_HPPIR1), SPURIOUS);
    check_eq("Group 0: HPPIR0 does", READ(ICC_HPPIR0), SECRET);
    check_eq("Group 0: IAR1 does not take it", acknowledge_now(), SPURIOUS);
    check_eq("Group 0: IAR0 does", READ(ICC_IAR0), SECRET);
    check_eq("Group 0: its priority runs", running(), MIDDLE);
    check_eq("Group 0: ICC_AP0R0", READ(ICC_AP0R0), 1u << (MIDDLE >> 3));
    check_eq("Group 0: not ICC_AP1R0", READ(ICC_AP1R0), 0);
    WRITE(ICC_EOIR0, SECRET);
    check_eq("Group 0: ended by EOIR0", running(), IDLE_PRIORITY);
    WRITE(ICC_SGI0R, (uint64_t)PLAIN << 24 | 1);
    check_eq("SGI0R does not send a Group 1 SGI", gic_bit(GIC_ISPENDR, PLAIN),
             0);
    pend_self(SECRET);
    check_eq("SGI1R does not send a Group 0 SGI", gic_bit(GIC_ISPENDR, SECRET),
             0);
}

static volatile uint32_t fiqs, fiq_vector, fiq_intid;

static void on_fiq(struct trap *trap)
{
    fiq_intid = (uint32_t)READ(ICC_IAR0);
    fiq_vector = (uint32_t)trap->vector;
    fiqs++;
    WRITE(ICC_EOIR0, fiq_intid);
}

static volatile uint32_t order[4], orders;

static void on_irq_with_fiq(struct trap *trap)
{
    uint32_t intid = gic_acknowledge();

    (void)trap;
    order[orders++ % 4] = intid;
    gic_set_bit(GIC_ISPENDR, SECRET);
    ASM("msr daifclr, #1\n\tisb\n\tmsr daifset, #1");
    order[orders++ % 4] = 100 + fiqs;
    gic_end(intid);
}

static void check_fiq(void)
{
    struct trap trap;

    this_cpu()->fiq = on_fiq;
    gic_set_bit(GIC_ISPENDR, SECRET);
    ASM("msr daifclr, #2\n\tisb\n\tmsr daifset, #2\n\tisb");
    check_eq("PSTATE.I has no say in an FIQ", fiqs, 0);
    ASM("msr daifclr, #1\n\tisb\n\tmsr daifset, #1\n\tisb");
    check_eq("an FIQ is taken", fiqs, 1);
    check_eq("by the FIQ vector", fiq_vector, VECTOR_EL1H + VECTOR_FIQ);
    check_eq("and was that one", fiq_intid, SECRET);
    gic_set_bit(GIC_ISPENDR, SECRET);
    trap = run_at(MODE_EL0 & ~SPSR_F, c_ret, 0, 0);
    check_returned("an FIQ at EL0", &trap);
    check_eq("comes there", fiqs, 2);
    check_eq("by the vector for EL0", fiq_vector, VECTOR_EL0 + VECTOR_FIQ);
    gic_set_bit(GIC_ISPENDR, SECRET);
    ASM("dsb sy\n\twfi"); /* masked: ends all the same */
    check_eq("WFI ends for an FIQ", lines(), ISR_F);
    ASM("msr daifclr, #1\n\tisb\n\tmsr daifset, #1\n\tisb");
    check_eq("which is then taken", fiqs, 3);
    /* The more important of the two has the line. */
    gic_priority(SECRET, LOW);
    gic_set_bit(GIC_ISPENDR, SECRET);
    check_eq("Group 0 alone: FIQ", lines(), ISR_F);
    pend_self(PLAIN);
    check_eq("Group 1 above it: IRQ", lines(), ISR_I);
    check_eq("IAR0 does not take the one below", READ(ICC_IAR0), SPURIOUS);
    check_eq("IAR1 takes it", acknowledge_now(), PLAIN);
    check_eq("the one below waits", lines(), 0);
    gic_end(PLAIN);
    check_eq("for its end", lines(), ISR_F);
    gic_set_bit(GIC_ICPENDR, SECRET);
    gic_priority(SECRET, HIGH);
    this_cpu()->irq = on_irq_with_fiq;
    pend_self(PLAIN);
    ASM("msr daifclr, #2\n\tisb\n\tmsr daifset, #2\n\tisb");
    check("an FIQ interrupts an IRQ's handler",
          orders == 2 && order[0] == PLAIN && order[1] == 104);
    this_cpu()->irq = NULL;
    this_cpu()->fiq = NULL;
    gic_priority(SECRET, MIDDLE);
}

/* CBPR: Group 1 is split as Group 0 is. */
static void check_common_binary_point(void)
{
    WRITE(ICC_BPR0, 4);
    WRITE(ICC_BPR1, 3);
    WRITE(ICC_CTLR, 1);
    check_eq("CBPR: BPR1 reads as BPR0 + 1", READ(ICC_BPR1), 5);
    WRITE(ICC_BPR1, 7);
    gic_priority(6, MIDDLE + 8);
    pend_self(6);
    check_eq("CBPR: taken", acknowledge_now(), 6);
    check_eq("CBPR: the group's priority runs", running(), MIDDLE);
    pend_self(7);
    check_eq("CBPR: one of the same group waits", acknowledge_now(), SPURIOUS);
    gic_end(6);
    check_eq("CBPR: until the end", acknowledge_now(), 7);
    gic_end(7);
    WRITE(ICC_CTLR, 0);
    check_eq("without CBPR, BPR1 is what it was", READ(ICC_BPR1), 3);
    WRITE(ICC_BPR0, 0);
    gic_priority(6, MIDDLE);
    WRITE(ICC_IGRPEN0, 0);
    mmio_write32(GICD, 1u << 4 | 1u << 1);
    set_group(SECRET, 1);
}

/* ---- more vCPUs ---------------------------------------------------------- */

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
    for (unsigned cpu = 1; cpu < cpus; cpu++)
        spin_until(&taken[cpu][FLUSH], rounds);
}

/* Who has taken an interrupt since the last time: 4 bits for each vCPU. */
static uint64_t who(unsigned intid)
{
    uint64_t result = 0;

    flush();
    for (unsigned cpu = 0; cpu < cpus; cpu++) {
        result |= (uint64_t)taken[cpu][intid] << 4 * cpu;
        taken[cpu][intid] = 0;
    }
    return result;
}

/* What who() answers when each vCPU of a mask has taken one. */
static uint64_t each(uint64_t mask)
{
    uint64_t result = 0;

    for (unsigned cpu = 0; cpu < cpus; cpu++)
        result |= (mask >> cpu & 1) << 4 * cpu;
    return result;
}

static void check_sgi_targets(void)
{
    uint64_t last = cpus - 1, all = (1u << cpus) - 1, others = all & ~1ull;

    for (uint64_t cpu = 1; cpu < cpus; cpu++) {
        gic_send_sgi(1, 1u << cpu);
        check_eq("an SGI to one vCPU", who(1), each(1u << cpu));
    }
    gic_send_sgi(2, 1 << 1 | 1u << last);
    check_eq("an SGI to a list", who(2), each(1 << 1 | 1u << last));
    gic_send_sgi(3, SGI_ALL_BUT_SELF);
    check_eq("an SGI to all others", who(3), each(others));
    check_eq("is not for the sender", acknowledge_now(), SPURIOUS);
    gic_send_sgi(4, all);
    check_eq("an SGI to everybody", who(4), each(others));
    check_eq("is for the sender too", acknowledge_now(), 4);
    gic_end(4);
    gic_send_sgi(5, SGI_ALL_BUT_SELF | all);
    check_eq("the list does not count then", who(5), each(others));
    check_eq("not even for the sender", acknowledge_now(), SPURIOUS);
    gic_send_sgi(6, 1ull << 32 | all); /* Aff2 = 1 */
    gic_send_sgi(6, 1ull << 16 | all); /* Aff1 = 1 */
    gic_send_sgi(6, 1ull << 44 | all); /* Aff0 from 16 on */
    check_eq("another cluster", who(6), 0);
    gic_send_sgi(6, 0);
    check_eq("an empty list", who(6), 0);
}

static void pend_spi(uint64_t router)
{
    mmio_write64(GICD_IROUTER(OTHER_SPI), router);
    gic_set_bit(GIC_ISPENDR, OTHER_SPI);
}

static void check_routing(void)
{
    uint64_t takers, last = cpus - 1;

    mmio_write32(GICD + GIC_ICFGR + OTHER_SPI / 16 * 4,
                 2u << OTHER_SPI % 16 * 2);
    gic_enable(OTHER_SPI);
    for (unsigned cpu = 1; cpu < cpus; cpu++) {
        pend_spi(cpu);
        spin_until(&taken[cpu][OTHER_SPI], 1);
        check_eq("an SPI goes to the vCPU it is routed to", who(OTHER_SPI),
                 each(1u << cpu));
        check_eq("IROUTER reads back", mmio_read64(GICD_IROUTER(OTHER_SPI)),
                 cpu);
    }
    pend_spi(0);
    check_eq("an SPI to vCPU 0", acknowledge_now(), OTHER_SPI);
    gic_end(OTHER_SPI);
    /* Pending here, not taken, and then routed away. */
    pend_spi(0);
    check_eq("pending for vCPU 0", READ(ICC_HPPIR1), OTHER_SPI);
    mmio_write64(GICD_IROUTER(OTHER_SPI), last);
    spin_until(&taken[last][OTHER_SPI], 1);
    check_eq("taken by the last vCPU", who(OTHER_SPI), each(1u << last));
    check_eq("gone from vCPU 0", acknowledge_now(), SPURIOUS);
    pend_spi(99);
    check_eq("routed to nobody", who(OTHER_SPI), 0);
    mmio_write64(GICD_IROUTER(OTHER_SPI), 1);
    spin_until(&taken[1][OTHER_SPI], 1);
    check_eq("and to somebody after all", who(OTHER_SPI), 0x10);
    /* Active on the one, pending and routed to the other: it waits for the
     * end. */
    pend_spi(0);
    check_eq("taken here", acknowledge_now(), OTHER_SPI);
    pend_spi(last);
    check_eq("active here, it does not start elsewhere", who(OTHER_SPI), 0);
    gic_end(OTHER_SPI);
    spin_until(&taken[last][OTHER_SPI], 1);
    check_eq("ended here, it does", who(OTHER_SPI), each(1u << last));
    pend_spi(1ull << 31);
    takers = acknowledge_now() == OTHER_SPI;
    if (takers)
        gic_end(OTHER_SPI);
    while (takers == 0)
        takers = who(OTHER_SPI);
    takers += who(OTHER_SPI);
    check("one of N is one", takers != 0 && (takers & (takers - 1)) == 0 &&
                                 (takers & 0x1111111111111111) == takers);
    gic_disable(OTHER_SPI);
}

/* Interrupts that arrive one on another's heels: none is lost, none is made
 * up. Each is sent when the one before has been taken. */
static void check_many(void)
{
    enum { COUNT = 5000 };
    uint32_t sent[CPUS_MAX] = {0}, total = 0;

    for (uint32_t i = 0; i < COUNT; i++) {
        unsigned cpu = 1 + i % (cpus - 1);

        gic_send_sgi(7, 1u << cpu);
        spin_until(&taken[cpu][7], ++sent[cpu]);
    }
    flush();
    for (unsigned cpu = 1; cpu < cpus; cpu++)
        total += taken[cpu][7];
    check_eq("5000 SGIs, each taken once", total, COUNT);
}

void guest_main(void)
{
    cpus = cpu_count();
    paging_on();
    gic_start();
    check_identity();
    check_fixed_registers();
    check_sgis();
    check_enables();
    check_priority_mask();
    check_running_priority();
    check_binary_point();
    check_eoi_mode();
    check_eoi_order();
    check_pending_and_active(SPI, "SPI: pending bits", "SPI: active bits");
    check_pending_and_active(20, "PPI: pending bits", "PPI: active bits");
    check_pending_and_active(10, "SGI: pending bits", "SGI: active bits");
    check_level();
    check_level_while_active();
    check_edge();
    check_nesting();
    check_group_0();
    check_fiq();
    check_common_binary_point();
    drain();
    if (cpus == 1)
        return;
    for (uint64_t cpu = 1; cpu < cpus; cpu++)
        start_cpu(cpu, listen);
    spin_until(&ready, cpus - 1);
    gic_enable(10);
    check_sgi_targets();
    check_routing();
    check_many();
}
