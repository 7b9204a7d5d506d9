/*
 * The GIC through its own interface only: windows, system registers, lines,
 * gic_lines and kicks.
 *
 * The scenarios name what a guest relies on. The last part lays random
 * accesses over everything and, after each, works out from the registers
 * alone what the architecture delivers: an oracle that knows nothing of the
 * cached decision inside.
 */
#include <check.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>

#include "gic.h"
#include "lull/bits.h"
#include "lull/state.h"

#define ICC(crn, crm, op2)                                                     \
    ((uint16_t)(3 << 14 | (crn) << 7 | (crm) << 3 | (op2)))
#define PMR ICC(4, 6, 0)
#define IAR0 ICC(12, 8, 0)
#define EOIR0 ICC(12, 8, 1)
#define HPPIR0 ICC(12, 8, 2)
#define BPR0 ICC(12, 8, 3)
#define AP0R0 ICC(12, 8, 4)
#define AP1R0 ICC(12, 9, 0)
#define DIR ICC(12, 11, 1)
#define RPR ICC(12, 11, 3)
#define SGI1R ICC(12, 11, 5)
#define ASGI1R ICC(12, 11, 6)
#define SGI0R ICC(12, 11, 7)
#define IAR1 ICC(12, 12, 0)
#define EOIR1 ICC(12, 12, 1)
#define HPPIR1 ICC(12, 12, 2)
#define BPR1 ICC(12, 12, 3)
#define CTLR ICC(12, 12, 4)
#define SRE ICC(12, 12, 5)
#define IGRPEN0 ICC(12, 12, 6)
#define IGRPEN1 ICC(12, 12, 7)

enum {
    CPUS = 4,
    SPURIOUS = 1023,
    GICD_CTLR = 0,
    IGROUPR = 0x80,
    ISENABLER = 0x100,
    ICENABLER = 0x180,
    ISPENDR = 0x200,
    ICPENDR = 0x280,
    ISACTIVER = 0x300,
    ICACTIVER = 0x380,
    IPRIORITYR = 0x400,
    ICFGR = 0xc00,
    IROUTER = 0x6000,
    SGI_FRAME = 0x10000,
};

static struct gic *gic;
static unsigned kicks[GIC_CPUS_MAX];

/* Four vCPUs in two clusters, so that every affinity field is looked at. */
static const uint64_t mpidr[CPUS] = {0x80000000, 0x80000001, 0x80000100,
                                     0x0300020104 | 0x80000000};

static void count_kick(void *opaque, unsigned cpu)
{
    ck_assert(gic_pending(gic, cpu));
    kicks[cpu]++;
}

/* --- speaking to it --------------------------------------------------- */

static uint64_t d_read(unsigned offset, unsigned width)
{
    const struct lull_mmio *m = gic_distributor(gic);

    return m->read(m->dev, offset, width);
}

static void d_write(unsigned offset, unsigned width, uint64_t value)
{
    const struct lull_mmio *m = gic_distributor(gic);

    m->write(m->dev, offset, width, value);
}

static uint64_t r_read(unsigned cpu, unsigned offset, unsigned width)
{
    const struct lull_mmio *m = gic_redistributors(gic);

    return m->read(m->dev, cpu * GIC_REDISTRIBUTOR_BYTES + offset, width);
}

static void r_write(unsigned cpu, unsigned offset, unsigned width,
                    uint64_t value)
{
    const struct lull_mmio *m = gic_redistributors(gic);

    m->write(m->dev, cpu * GIC_REDISTRIBUTOR_BYTES + offset, width, value);
}

static uint64_t get(unsigned cpu, uint16_t reg)
{
    uint64_t value = 0xdeadbeef;

    ck_assert(gic_sysreg_read(gic, cpu, reg, &value));
    return value;
}

static void set(unsigned cpu, uint16_t reg, uint64_t value)
{
    ck_assert(gic_sysreg_write(gic, cpu, reg, value));
}

/* One bit of an interrupt's property, wherever its register lives. */
static void set_bit(unsigned cpu, unsigned array, unsigned intid)
{
    unsigned at = array + intid / 32 * 4;
    uint64_t bit = 1ULL << intid % 32;

    if (intid < 32)
        r_write(cpu, SGI_FRAME + at, 4, bit);
    else
        d_write(at, 4, bit);
}

static bool get_bit(unsigned cpu, unsigned array, unsigned intid)
{
    unsigned at = array + intid / 32 * 4;
    uint64_t word = intid < 32 ? r_read(cpu, SGI_FRAME + at, 4) : d_read(at, 4);

    return bit(word, intid % 32);
}

static void set_group(unsigned cpu, unsigned intid, unsigned group)
{
    unsigned at = IGROUPR + intid / 32 * 4;
    uint64_t word = intid < 32 ? r_read(cpu, SGI_FRAME + at, 4) : d_read(at, 4);

    word = deposit(word, intid % 32, intid % 32, group);
    if (intid < 32)
        r_write(cpu, SGI_FRAME + at, 4, word);
    else
        d_write(at, 4, word);
}

static void set_priority(unsigned cpu, unsigned intid, unsigned priority)
{
    if (intid < 32)
        r_write(cpu, SGI_FRAME + IPRIORITYR + intid, 1, priority);
    else
        d_write(IPRIORITYR + intid, 1, priority);
}

static unsigned get_priority(unsigned cpu, unsigned intid)
{
    return (unsigned)(intid < 32
                          ? r_read(cpu, SGI_FRAME + IPRIORITYR + intid, 1)
                          : d_read(IPRIORITYR + intid, 1));
}

static void set_edge(unsigned cpu, unsigned intid, bool edge)
{
    unsigned at = ICFGR + intid / 16 * 4;
    unsigned n = 2 * (intid % 16) + 1;

    if (intid < 32)
        r_write(cpu, SGI_FRAME + at, 4,
                deposit(r_read(cpu, SGI_FRAME + at, 4), n, n, edge));
    else
        d_write(at, 4, deposit(d_read(at, 4), n, n, edge));
}

/* As Linux does: Group 1, priority 0xa0, enabled; SPIs to vCPU 0. */
static void enable(unsigned cpu, unsigned intid)
{
    set_group(cpu, intid, 1);
    set_priority(cpu, intid, 0xa0);
    set_bit(cpu, ISENABLER, intid);
}

static void start(unsigned cpus, const uint64_t *affinities)
{
    struct gic_config config = {
        .cpus = cpus, .mpidr = affinities, .kick = count_kick};

    gic = gic_new(&config);
    ck_assert_ptr_nonnull(gic);
    for (unsigned i = 0; i < GIC_CPUS_MAX; i++)
        kicks[i] = 0;
    d_write(GICD_CTLR, 4, 2);
    for (unsigned i = 0; i < cpus; i++) {
        r_write(i, 0x14, 4, 0);
        set(i, PMR, 0xf0);
        set(i, IGRPEN1, 1);
    }
}

static void setup(void)
{
    start(CPUS, mpidr);
}

static void teardown(void)
{
    gic_free(gic);
}

/* --- lines ------------------------------------------------------------ */

START_TEST(a_level_holds_until_the_line_falls)
{
    enable(0, 40);
    gic_set_spi(gic, 40, true);
    ck_assert(gic_pending(gic, 0));
    ck_assert_uint_eq(kicks[0], 1);
    ck_assert_uint_eq(get(0, HPPIR1), 40);
    ck_assert_uint_eq(get(0, IAR1), 40);
    ck_assert(!gic_pending(gic, 0));
    ck_assert(get_bit(0, ISACTIVER, 40));
    ck_assert(get_bit(0, ISPENDR, 40)); /* active and pending: line is high */
    set(0, EOIR1, 40);
    ck_assert(gic_pending(gic, 0)); /* still high: taken again */
    ck_assert_uint_eq(get(0, IAR1), 40);
    gic_set_spi(gic, 40, false);
    set(0, EOIR1, 40);
    ck_assert(!gic_pending(gic, 0));
    ck_assert_uint_eq(get(0, IAR1), SPURIOUS);
}
END_TEST

/* The line is up at once, and who it interrupts learns of it later. */
START_TEST(a_line_that_is_set_quietly)
{
    uint64_t whom;

    enable(0, 40);
    whom = gic_irq_line_quietly(gic, 40, true);
    ck_assert(gic_pending(gic, 0));
    ck_assert_uint_eq(whom, 1);
    ck_assert_uint_eq(kicks[0], 0);
    gic_irq_wake(gic, whom);
    ck_assert_uint_eq(kicks[0], 1);
    ck_assert_uint_eq(gic_irq_line_quietly(gic, 40, false), 0);
    ck_assert(!gic_pending(gic, 0));
}
END_TEST

START_TEST(a_level_that_falls_before_it_is_taken_is_gone)
{
    enable(0, 40);
    gic_set_spi(gic, 40, true);
    gic_set_spi(gic, 40, false);
    ck_assert(!gic_pending(gic, 0));
    ck_assert_uint_eq(get(0, IAR1), SPURIOUS);
}
END_TEST

START_TEST(an_edge_is_remembered_once)
{
    enable(0, 40);
    set_edge(0, 40, true);
    gic_set_spi(gic, 40, true);
    gic_set_spi(gic, 40, false);
    ck_assert(gic_pending(gic, 0));
    gic_set_spi(gic, 40, true); /* a second edge before the first is taken */
    ck_assert_uint_eq(get(0, IAR1), 40);
    set(0, EOIR1, 40);
    ck_assert(!gic_pending(gic, 0)); /* the line is high, but no new edge */
}
END_TEST

START_TEST(an_edge_while_active_pends_again)
{
    enable(0, 40);
    set_edge(0, 40, true);
    gic_set_spi(gic, 40, true);
    ck_assert_uint_eq(get(0, IAR1), 40);
    gic_set_spi(gic, 40, false);
    gic_set_spi(gic, 40, true);
    ck_assert(!gic_pending(gic, 0));
    ck_assert(get_bit(0, ISPENDR, 40));
    set(0, EOIR1, 40);
    ck_assert_uint_eq(get(0, IAR1), 40);
    set(0, EOIR1, 40);
    ck_assert_uint_eq(get(0, IAR1), SPURIOUS);
}
END_TEST

START_TEST(the_same_level_again_does_nothing)
{
    enable(0, 40);
    gic_set_spi(gic, 40, true);
    gic_set_spi(gic, 40, true);
    ck_assert_uint_eq(kicks[0], 1);
}
END_TEST

START_TEST(a_ppi_is_its_vcpus_own)
{
    enable(1, 27);
    enable(2, 27);
    gic_set_ppi(gic, 1, 27, true);
    ck_assert_uint_eq(kicks[1], 0); /* who drives it is the vCPU itself */
    ck_assert(gic_pending(gic, 1));
    ck_assert(!gic_pending(gic, 2));
    ck_assert_uint_eq(get(2, IAR1), SPURIOUS);
    ck_assert_uint_eq(get(1, IAR1), 27);
}
END_TEST

START_TEST(lines_that_do_not_exist_are_ignored)
{
    gic_set_spi(gic, 0, true);
    gic_set_spi(gic, 31, true);
    gic_set_spi(gic, GIC_INTIDS, true);
    gic_set_spi(gic, ~0U, true);
    gic_set_ppi(gic, CPUS, 27, true);
    gic_set_ppi(gic, 0, 15, true);
    gic_set_ppi(gic, 0, 32, true);
    for (unsigned i = 0; i < CPUS; i++)
        ck_assert_uint_eq(r_read(i, SGI_FRAME + ISPENDR, 4), 0);
    gic_irq_line(gic, 40, true);
    ck_assert(get_bit(0, ISPENDR, 40));
}
END_TEST

/* --- what masks an interrupt ------------------------------------------ */

START_TEST(every_mask_masks)
{
    enable(0, 40);
    gic_set_spi(gic, 40, true);
    ck_assert(gic_pending(gic, 0));

    d_write(ICENABLER + 4, 4, 1 << 8);
    ck_assert(!gic_pending(gic, 0));
    set_bit(0, ISENABLER, 40);
    ck_assert(gic_pending(gic, 0));

    d_write(GICD_CTLR, 4, 0);
    ck_assert(!gic_pending(gic, 0));
    d_write(GICD_CTLR, 4, 2);
    ck_assert(gic_pending(gic, 0));

    set(0, IGRPEN1, 0);
    ck_assert(!gic_pending(gic, 0));
    ck_assert_uint_eq(get(0, HPPIR1), SPURIOUS);
    set(0, IGRPEN1, 1);
    ck_assert(gic_pending(gic, 0));

    set(0, PMR, 0xa0); /* an equal priority is masked */
    ck_assert(!gic_pending(gic, 0));
    ck_assert_uint_eq(get(0, HPPIR1), 40); /* though pending */
    ck_assert_uint_eq(get(0, IAR1), SPURIOUS);
    set(0, PMR, 0xa8);
    ck_assert(gic_pending(gic, 0));
}
END_TEST

START_TEST(disabled_while_pending_then_enabled)
{
    enable(0, 40);
    d_write(ICENABLER + 4, 4, 1 << 8);
    gic_set_spi(gic, 40, true);
    ck_assert_uint_eq(kicks[0], 0);
    ck_assert(get_bit(0, ISPENDR, 40));
    set_bit(0, ISENABLER, 40);
    ck_assert_uint_eq(kicks[0], 1);
}
END_TEST

START_TEST(disabled_while_active_ends_as_usual)
{
    enable(0, 40);
    gic_set_spi(gic, 40, true);
    ck_assert_uint_eq(get(0, IAR1), 40);
    d_write(ICENABLER + 4, 4, 1 << 8);
    set(0, EOIR1, 40);
    ck_assert(!get_bit(0, ISACTIVER, 40));
    ck_assert_uint_eq(get(0, RPR), 0xff);
    ck_assert(!gic_pending(gic, 0));
}
END_TEST

START_TEST(pmr_has_five_bits)
{
    set(0, PMR, 0xff);
    ck_assert_uint_eq(get(0, PMR), 0xf8);
    set(0, PMR, 0x07);
    ck_assert_uint_eq(get(0, PMR), 0);
}
END_TEST

/* --- priorities ------------------------------------------------------- */

START_TEST(the_highest_priority_first_then_the_lowest_intid)
{
    static const unsigned order[] = {50, 27, 40, 41, 33};

    enable(0, 33);
    enable(0, 41);
    enable(0, 40);
    enable(0, 50);
    enable(0, 27);
    set_priority(0, 33, 0xb0);
    set_priority(0, 50, 0x20);
    for (unsigned i = 33; i <= 50; i++)
        gic_set_spi(gic, i, true);
    gic_set_ppi(gic, 0, 27, true);
    ck_assert_uint_eq(kicks[0], 1); /* asserted once, whatever follows */
    for (unsigned i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
        ck_assert_uint_eq(get(0, IAR1), order[i]);
        if (order[i] == 27)
            gic_set_ppi(gic, 0, 27, false);
        else
            gic_set_spi(gic, order[i], false);
        set(0, EOIR1, order[i]);
    }
    ck_assert_uint_eq(get(0, IAR1), SPURIOUS);
}
END_TEST

START_TEST(a_higher_group_priority_preempts)
{
    enable(0, 40);
    enable(0, 41);
    set_priority(0, 41, 0x98);
    gic_set_spi(gic, 40, true);
    ck_assert_uint_eq(get(0, IAR1), 40);
    ck_assert_uint_eq(get(0, RPR), 0xa0);
    gic_set_spi(gic, 41, true);
    ck_assert(gic_pending(gic, 0));
    ck_assert_uint_eq(kicks[0], 2);
    ck_assert_uint_eq(get(0, IAR1), 41);
    ck_assert_uint_eq(get(0, RPR), 0x98);
    ck_assert_uint_eq(get(0, AP1R0), 1U << 19 | 1U << 20);
    gic_set_spi(gic, 41, false);
    set(0, EOIR1, 41);
    ck_assert_uint_eq(get(0, RPR), 0xa0);
    gic_set_spi(gic, 40, false);
    set(0, EOIR1, 40);
    ck_assert_uint_eq(get(0, RPR), 0xff);
    ck_assert_uint_eq(get(0, AP1R0), 0);
}
END_TEST

START_TEST(the_binary_point_says_what_preempts)
{
    enable(0, 40);
    enable(0, 41);
    set_priority(0, 41, 0x98);
    set(0, BPR1, 6); /* <7:6> is the group priority: both are 0x80 */
    gic_set_spi(gic, 40, true);
    ck_assert_uint_eq(get(0, IAR1), 40);
    ck_assert_uint_eq(get(0, RPR), 0x80);
    gic_set_spi(gic, 41, true);
    ck_assert(!gic_pending(gic, 0));
    ck_assert_uint_eq(get(0, HPPIR1), 41);
    set(0, EOIR1, 40);
    ck_assert_uint_eq(get(0, IAR1), 41); /* within a group, by priority */
}
END_TEST

START_TEST(binary_points_have_a_minimum)
{
    set(0, BPR0, 0);
    set(0, BPR1, 0);
    ck_assert_uint_eq(get(0, BPR0), 2);
    ck_assert_uint_eq(get(0, BPR1), 3);
    set(0, BPR0, 5);
    set(0, CTLR, 1); /* CBPR: Group 1 follows BPR0 */
    ck_assert_uint_eq(get(0, BPR1), 6);
    set(0, BPR1, 3);
    ck_assert_uint_eq(get(0, BPR1), 6);
    set(0, BPR0, 7);
    ck_assert_uint_eq(get(0, BPR1), 7);
    set(0, CTLR, 0);
    ck_assert_uint_eq(get(0, BPR1), 3);
}
END_TEST

START_TEST(priorities_by_byte_and_by_word)
{
    d_write(IPRIORITYR + 40, 4, 0xff7f3f1f);
    ck_assert_uint_eq(d_read(IPRIORITYR + 40, 4), 0xf8783818);
    ck_assert_uint_eq(d_read(IPRIORITYR + 41, 1), 0x38);
    d_write(IPRIORITYR + 42, 1, 0xc7);
    ck_assert_uint_eq(d_read(IPRIORITYR + 40, 4), 0xf8c03818);
    /* by the half-word and by the double word: not at all */
    d_write(IPRIORITYR + 40, 2, 0);
    d_write(IPRIORITYR + 40, 8, 0);
    ck_assert_uint_eq(d_read(IPRIORITYR + 40, 4), 0xf8c03818);
    ck_assert_uint_eq(d_read(IPRIORITYR + 40, 2), 0);
    r_write(2, SGI_FRAME + IPRIORITYR + 27, 1, 0x48);
    ck_assert_uint_eq(r_read(2, SGI_FRAME + IPRIORITYR + 24, 4), 0x48000000);
    ck_assert_uint_eq(r_read(1, SGI_FRAME + IPRIORITYR + 24, 4), 0);
}
END_TEST

START_TEST(a_priority_changes_under_a_pending_interrupt)
{
    enable(0, 40);
    set(0, PMR, 0x80);
    gic_set_spi(gic, 40, true);
    ck_assert(!gic_pending(gic, 0));
    set_priority(0, 40, 0x40);
    ck_assert(gic_pending(gic, 0));
    ck_assert_uint_eq(kicks[0], 1);
}
END_TEST

/* --- end of interrupt ------------------------------------------------- */

START_TEST(eoimode_1_drops_then_deactivates)
{
    set(0, CTLR, 2);
    enable(0, 40);
    enable(0, 41);
    gic_set_spi(gic, 40, true);
    ck_assert_uint_eq(get(0, IAR1), 40);
    gic_set_spi(gic, 41, true);
    ck_assert(!gic_pending(gic, 0)); /* equal priority runs */
    set(0, EOIR1, 40);
    ck_assert_uint_eq(get(0, RPR), 0xff);
    ck_assert(get_bit(0, ISACTIVER, 40)); /* dropped, and still active */
    ck_assert_uint_eq(get(0, IAR1), 41);  /* 40 is not taken twice */
    gic_set_spi(gic, 41, false);
    set(0, EOIR1, 41);
    set(0, DIR, 41);
    ck_assert(!gic_pending(gic, 0));
    set(0, DIR, 40);
    ck_assert(!get_bit(0, ISACTIVER, 40));
    ck_assert(gic_pending(gic, 0)); /* its line is still high */
}
END_TEST

START_TEST(eoimode_0_ignores_dir)
{
    enable(0, 40);
    gic_set_spi(gic, 40, true);
    ck_assert_uint_eq(get(0, IAR1), 40);
    set(0, DIR, 40);
    ck_assert(get_bit(0, ISACTIVER, 40));
}
END_TEST

START_TEST(ends_that_make_no_sense_change_nothing)
{
    enable(0, 40);
    gic_set_spi(gic, 40, true);
    ck_assert_uint_eq(get(0, IAR1), 40);
    set(0, EOIR1, SPURIOUS);
    set(0, EOIR1, 1020);
    set(0, EOIR1, 8192);
    set(0, EOIR1, 0xffffff);
    set(0, EOIR0, 40); /* the other group is not running */
    ck_assert_uint_eq(get(0, RPR), 0xa0);
    ck_assert(get_bit(0, ISACTIVER, 40));
    gic_set_spi(gic, 40, false);
    set(0, EOIR1, 40);
    set(0, EOIR1, 40); /* nothing runs any more */
    ck_assert_uint_eq(get(0, RPR), 0xff);
}
END_TEST

START_TEST(another_vcpu_deactivates_and_the_target_is_kicked)
{
    set(0, CTLR, 2);
    set(1, CTLR, 2);
    enable(0, 40);
    gic_set_spi(gic, 40, true);
    ck_assert_uint_eq(get(0, IAR1), 40);
    set(0, EOIR1, 40);
    ck_assert(!gic_pending(gic, 0));
    ck_assert_uint_eq(kicks[0], 1);
    set(1, DIR, 40);
    ck_assert(gic_pending(gic, 0));
    ck_assert_uint_eq(kicks[0], 2);
}
END_TEST

/* --- pending and active, written -------------------------------------- */

START_TEST(pending_bits_can_be_written)
{
    enable(0, 40);
    set_bit(0, ISPENDR, 40);
    ck_assert(gic_pending(gic, 0));
    set_bit(0, ICPENDR, 40);
    ck_assert(!gic_pending(gic, 0));
    set_bit(0, ISPENDR, 40);
    ck_assert_uint_eq(get(0, IAR1), 40); /* taking it clears it, level or not */
    set(0, EOIR1, 40);
    ck_assert(!gic_pending(gic, 0));
}
END_TEST

START_TEST(a_high_level_cannot_be_cleared)
{
    enable(0, 40);
    gic_set_spi(gic, 40, true);
    set_bit(0, ICPENDR, 40);
    ck_assert(gic_pending(gic, 0));
    set_bit(0, ISPENDR, 40);
    gic_set_spi(gic, 40, false);
    ck_assert(gic_pending(gic, 0)); /* the written bit stays */
    set_bit(0, ICPENDR, 40);
    ck_assert(!gic_pending(gic, 0));
}
END_TEST

START_TEST(active_bits_can_be_written)
{
    enable(0, 40);
    gic_set_spi(gic, 40, true);
    set_bit(0, ISACTIVER, 40);
    ck_assert(!gic_pending(gic, 0));
    ck_assert_uint_eq(get(0, RPR), 0xff);
    set_bit(0, ICACTIVER, 40);
    ck_assert(gic_pending(gic, 0));
}
END_TEST

START_TEST(the_trigger_changes_under_a_high_line)
{
    enable(0, 40);
    set_edge(0, 40, true);
    gic_set_spi(gic, 40, true);
    set_bit(0, ICPENDR, 40);
    ck_assert(!gic_pending(gic, 0));
    set_edge(0, 40, false);
    ck_assert(gic_pending(gic, 0));
}
END_TEST

START_TEST(sgis_are_edges_for_good)
{
    r_write(0, SGI_FRAME + ICFGR, 4, 0);
    ck_assert_uint_eq(r_read(0, SGI_FRAME + ICFGR, 4), 0xaaaaaaaa);
    r_write(0, SGI_FRAME + ICFGR + 4, 4, 0xffffffff);
    ck_assert_uint_eq(r_read(0, SGI_FRAME + ICFGR + 4, 4), 0xaaaaaaaa);
    d_write(ICFGR, 4, 0xffffffff); /* private ones are not the distributor's */
    ck_assert_uint_eq(d_read(ICFGR, 4), 0);
}
END_TEST

/* --- SGIs ------------------------------------------------------------- */

static void enable_sgi(unsigned intid)
{
    for (unsigned i = 0; i < CPUS; i++)
        enable(i, intid);
}

START_TEST(an_sgi_goes_to_its_list)
{
    enable_sgi(5);
    set(0, SGI1R, 5ULL << 24 | 0x2); /* Aff 0.0.0.1 */
    ck_assert(!gic_pending(gic, 0));
    ck_assert(gic_pending(gic, 1));
    ck_assert(!gic_pending(gic, 2));
    set(0, SGI1R, 5ULL << 24 | 1ULL << 16 | 0x3); /* 0.0.1.0 and 0.0.1.1 */
    ck_assert(gic_pending(gic, 2));
    set(0, SGI1R, 5ULL << 24 | 1ULL << 16 | 2ULL << 32 | 3ULL << 48 | 0x10);
    ck_assert(gic_pending(gic, 3)); /* 3.2.1.4 */
    ck_assert_uint_eq(kicks[0] + kicks[1] + kicks[2] + kicks[3], 3);
    ck_assert_uint_eq(get(1, IAR1), 5);
    set(1, EOIR1, 5);
    ck_assert(!gic_pending(gic, 1));
}
END_TEST

START_TEST(an_sgi_to_all_but_the_sender)
{
    enable_sgi(3);
    set(2, SGI1R, 3ULL << 24 | 1ULL << 40 | 0xffff);
    for (unsigned i = 0; i < CPUS; i++)
        ck_assert_int_eq(gic_pending(gic, i), i != 2);
}
END_TEST

START_TEST(an_sgi_to_oneself_kicks_nobody)
{
    enable_sgi(3);
    set(0, SGI1R, 3ULL << 24 | 1);
    ck_assert(gic_pending(gic, 0));
    ck_assert_uint_eq(kicks[0], 0);
}
END_TEST

START_TEST(sgis_in_a_wrong_group_are_dropped)
{
    enable_sgi(3);
    set(0, SGI0R, 3ULL << 24 | 2);  /* for Group 0; it is in Group 1 */
    set(0, ASGI1R, 3ULL << 24 | 2); /* for a security state we lack */
    ck_assert(!get_bit(1, ISPENDR, 3));
    set_group(1, 3, 0);
    set(0, SGI1R, 3ULL << 24 | 2);
    ck_assert(!get_bit(1, ISPENDR, 3));
    set(0, SGI0R, 3ULL << 24 | 2);
    ck_assert(get_bit(1, ISPENDR, 3));
}
END_TEST

START_TEST(sgis_pend_while_disabled)
{
    enable_sgi(3);
    r_write(1, SGI_FRAME + ICENABLER, 4, 1 << 3);
    set(0, SGI1R, 3ULL << 24 | 2);
    ck_assert(!gic_pending(gic, 1));
    set_bit(1, ISENABLER, 3);
    ck_assert_uint_eq(get(1, IAR1), 3);
}
END_TEST

/* --- routing ---------------------------------------------------------- */

START_TEST(an_spi_follows_its_route)
{
    enable(0, 40);
    gic_set_spi(gic, 40, true);
    ck_assert(gic_pending(gic, 0));
    d_write(IROUTER + 8 * 40, 8, 0x100);
    ck_assert(!gic_pending(gic, 0));
    ck_assert(gic_pending(gic, 2));
    ck_assert_uint_eq(kicks[2], 1);
    /* in two halves */
    d_write(IROUTER + 8 * 40, 4, 0x00020104);
    ck_assert(!gic_pending(gic, 2));
    d_write(IROUTER + 8 * 40 + 4, 4, 0xffffff03);
    ck_assert(gic_pending(gic, 3));
    ck_assert_uint_eq(d_read(IROUTER + 8 * 40, 8), 0x0300020104);
    ck_assert_uint_eq(d_read(IROUTER + 8 * 40, 4), 0x00020104);
    ck_assert_uint_eq(d_read(IROUTER + 8 * 40 + 4, 4), 3);
    d_write(IROUTER + 8 * 40, 8, 0x7f); /* nobody */
    for (unsigned i = 0; i < CPUS; i++)
        ck_assert(!gic_pending(gic, i));
}
END_TEST

START_TEST(one_of_n_goes_to_one_that_listens)
{
    enable(0, 40);
    d_write(IROUTER + 8 * 40, 8, 1ULL << 31);
    gic_set_spi(gic, 40, true);
    ck_assert(gic_pending(gic, 0));
    ck_assert(!gic_pending(gic, 1));
    set(0, IGRPEN1, 0);
    ck_assert(!gic_pending(gic, 0));
    ck_assert(gic_pending(gic, 1));
    ck_assert_uint_eq(kicks[1], 1);
    ck_assert_uint_eq(get(1, IAR1), 40);
    gic_set_spi(gic, 40, false);
    set(1, EOIR1, 40);
    for (unsigned i = 0; i < CPUS; i++)
        set(i, IGRPEN1, 0);
    gic_set_spi(gic, 40, true);
    for (unsigned i = 0; i < CPUS; i++)
        ck_assert(!gic_pending(gic, i));
}
END_TEST

START_TEST(moved_while_active_it_goes_to_the_new_target)
{
    enable(0, 40);
    gic_set_spi(gic, 40, true);
    ck_assert_uint_eq(get(0, IAR1), 40);
    d_write(IROUTER + 8 * 40, 8, 1);
    ck_assert(!gic_pending(gic, 1));
    set(0, EOIR1, 40);
    ck_assert(!gic_pending(gic, 0));
    ck_assert(gic_pending(gic, 1));
    ck_assert_uint_eq(kicks[1], 1);
}
END_TEST

/* --- Group 0 ---------------------------------------------------------- */

START_TEST(group_0_has_its_own_registers_and_line)
{
    enable(0, 40);
    set_group(0, 40, 0);
    d_write(GICD_CTLR, 4, 3);
    set(0, IGRPEN0, 1);
    gic_set_spi(gic, 40, true);
    ck_assert_uint_eq(gic_lines(gic, 0), GIC_LINE_FIQ);
    ck_assert_uint_eq(kicks[0], 1);
    ck_assert_uint_eq(get(0, HPPIR0), 40);
    ck_assert_uint_eq(get(0, HPPIR1), SPURIOUS);
    ck_assert_uint_eq(get(0, IAR1), SPURIOUS);
    ck_assert_uint_eq(get(0, IAR0), 40);
    ck_assert_uint_eq(gic_lines(gic, 0), 0);
    ck_assert_uint_eq(get(0, AP0R0), 1U << 20);
    ck_assert_uint_eq(get(0, AP1R0), 0);
    set(0, EOIR1, 40);
    ck_assert_uint_eq(get(0, RPR), 0xa0);
    gic_set_spi(gic, 40, false);
    set(0, EOIR0, 40);
    ck_assert_uint_eq(get(0, RPR), 0xff);
}
END_TEST

/* One line at a time, for what is most important; each change is a kick. */
START_TEST(fiq_and_irq_take_turns)
{
    enable(0, 40);
    enable(0, 41);
    set_group(0, 40, 0);
    set_priority(0, 40, 0x40);
    d_write(GICD_CTLR, 4, 3);
    set(0, IGRPEN0, 1);
    gic_set_spi(gic, 41, true);
    ck_assert_uint_eq(gic_lines(gic, 0), GIC_LINE_IRQ);
    gic_set_spi(gic, 40, true);
    ck_assert_uint_eq(gic_lines(gic, 0), GIC_LINE_FIQ);
    ck_assert_uint_eq(kicks[0], 2);
    ck_assert_uint_eq(get(0, IAR1), SPURIOUS);
    set_priority(0, 40, 0xc0);
    ck_assert_uint_eq(gic_lines(gic, 0), GIC_LINE_IRQ);
    ck_assert_uint_eq(get(0, IAR0), SPURIOUS);
    ck_assert_uint_eq(get(0, IAR1), 41);
    ck_assert_uint_eq(gic_lines(gic, 0), 0);
}
END_TEST

START_TEST(a_disabled_group_0_does_not_hide_group_1)
{
    enable(0, 40);
    enable(0, 41);
    set_group(0, 40, 0);
    set_priority(0, 40, 0);
    gic_set_spi(gic, 40, true);
    gic_set_spi(gic, 41, true);
    ck_assert_uint_eq(get(0, IAR1), 41);
}
END_TEST

/* --- identity and the rest -------------------------------------------- */

START_TEST(it_says_what_it_is)
{
    uint64_t typer = d_read(4, 4);

    ck_assert_uint_eq(d_read(0, 4), 0x52); /* DS, ARE, Group 1 on */
    ck_assert_uint_eq((bits(typer, 4, 0) + 1) * 32, GIC_INTIDS);
    ck_assert_uint_eq(bits(typer, 23, 19) + 1, 10);
    ck_assert_uint_eq(bits(d_read(8, 4), 11, 0), 0x43b);
    ck_assert_uint_eq(bits(d_read(0xffe8, 4), 7, 4), 3); /* PIDR2: GICv3 */
    for (unsigned i = 0; i < CPUS; i++) {
        uint64_t affinity =
            bits(mpidr[i], 39, 32) << 24 | bits(mpidr[i], 23, 0);
        uint64_t r = r_read(i, 8, 8);

        ck_assert_uint_eq(bits(r, 63, 32), affinity);
        ck_assert_uint_eq(bits(r, 23, 8), i);
        ck_assert_uint_eq(bit(r, 4), i == CPUS - 1);
        ck_assert_uint_eq(r_read(i, 8, 4), (uint32_t)r);
        ck_assert_uint_eq(r_read(i, 12, 4), r >> 32);
        ck_assert_uint_eq(bits(r_read(i, 0xffe8, 4), 7, 4), 3);
    }
    ck_assert_uint_eq(get(0, SRE), 7);
    set(0, SRE, 0);
    ck_assert_uint_eq(get(0, SRE), 7);
    ck_assert_uint_eq(bits(get(0, CTLR), 10, 8) + 1, 5);
}
END_TEST

START_TEST(the_redistributor_wakes)
{
    r_write(1, 0x14, 4, 2);
    ck_assert_uint_eq(r_read(1, 0x14, 4), 6);
    r_write(1, 0x14, 4, 0);
    ck_assert_uint_eq(r_read(1, 0x14, 4), 0);
}
END_TEST

START_TEST(reserved_registers_are_zero_and_stay_so)
{
    static const unsigned distributor[] = {
        0xc,           0x10,   0x40,   0x48,   0x80,  0x100,
        0x400,         0x800,  0xd00,  0xe00,  0xf00, 0xf10,
        0x420 + 0x200, 0x6000, 0x60f8, 0x7000, 0xc000};
    static const unsigned redistributor[] = {
        0x0,     0x10,    0x40,    0x70,    0x78,    0x10084,
        0x10104, 0x10420, 0x10c08, 0x10d00, 0x10e00, 0x16000};

    for (unsigned i = 0; i < sizeof(distributor) / sizeof(int); i++) {
        d_write(distributor[i], 4, 0xffffffff);
        ck_assert_uint_eq(d_read(distributor[i], 4), 0);
    }
    for (unsigned i = 0; i < sizeof(redistributor) / sizeof(int); i++) {
        r_write(0, redistributor[i], 4, 0xffffffff);
        ck_assert_uint_eq(r_read(0, redistributor[i], 4), 0);
    }
    d_write(ISENABLER + 5, 4, ~0U); /* not aligned */
    ck_assert_uint_eq(d_read(ISENABLER + 4, 4), 0);
    ck_assert_uint_eq(d_read(GICD_CTLR, 8), 0);
    ck_assert_uint_eq(d_read(GICD_CTLR, 1), 0);
}
END_TEST

START_TEST(registers_that_do_not_exist_are_undefined)
{
    static const uint16_t none[] = {
        ICC(12, 8, 5),  ICC(12, 8, 6), ICC(12, 9, 1), ICC(12, 9, 3),
        ICC(12, 11, 0), ICC(12, 9, 5), ICC(4, 6, 1),  0,
        0xffff};
    static const uint16_t write_only[] = {EOIR0, EOIR1, DIR, SGI0R, SGI1R};
    static const uint16_t read_only[] = {IAR0, IAR1, HPPIR0, HPPIR1, RPR};
    uint64_t value;

    for (unsigned i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        ck_assert(!gic_sysreg_read(gic, 0, none[i], &value));
        ck_assert(!gic_sysreg_write(gic, 0, none[i], 0));
    }
    for (unsigned i = 0; i < 5; i++) {
        ck_assert(!gic_sysreg_read(gic, 0, write_only[i], &value));
        ck_assert(!gic_sysreg_write(gic, 0, read_only[i], 0));
    }
}
END_TEST

START_TEST(reset_forgets_all_but_the_lines)
{
    enable(0, 40);
    enable(0, 41);
    set_edge(0, 41, true);
    gic_set_spi(gic, 40, true);
    gic_set_spi(gic, 41, true);
    ck_assert_uint_eq(get(0, IAR1), 40);
    gic_reset(gic);
    ck_assert(!gic_pending(gic, 0));
    ck_assert_uint_eq(get(0, RPR), 0xff);
    ck_assert_uint_eq(get(0, PMR), 0);
    ck_assert_uint_eq(d_read(GICD_CTLR, 4), 0x50);
    ck_assert_uint_eq(r_read(0, 0x14, 4), 6);
    ck_assert_uint_eq(d_read(ISENABLER + 4, 4), 0);
    ck_assert_uint_eq(d_read(ISACTIVER + 4, 4), 0);
    /* both lines are high, and both are levels again */
    ck_assert_uint_eq(d_read(ISPENDR + 4, 4), 3 << 8);
    gic_set_spi(gic, 41, false);
    ck_assert_uint_eq(d_read(ISPENDR + 4, 4), 1 << 8);
}
END_TEST

START_TEST(nonsense_configurations_are_refused)
{
    uint64_t same[2] = {1, 1};
    struct gic_config config = {.cpus = 2, .mpidr = same, .kick = count_kick};

    ck_assert_ptr_null(gic_new(&config));
    config.cpus = 0;
    ck_assert_ptr_null(gic_new(&config));
    config.cpus = GIC_CPUS_MAX + 1;
    ck_assert_ptr_null(gic_new(&config));
}
END_TEST

START_TEST(sixty_four_vcpus)
{
    uint64_t many[GIC_CPUS_MAX];

    gic_free(gic);
    for (unsigned i = 0; i < GIC_CPUS_MAX; i++)
        many[i] = i; /* Aff0 up to 63: needs the range selector */
    start(GIC_CPUS_MAX, many);
    for (unsigned i = 0; i < GIC_CPUS_MAX; i++)
        enable(i, 1);
    set(0, SGI1R, 1ULL << 24 | 3ULL << 44 | 0x8000); /* RS 3: 48 .. 63 */
    ck_assert(gic_pending(gic, 63));
    ck_assert_uint_eq(kicks[63], 1);
    set(63, SGI1R, 1ULL << 24 | 1ULL << 40);
    for (unsigned i = 0; i < 63; i++)
        ck_assert_uint_eq(kicks[i], 1);
}
END_TEST

/* --- any sequence of accesses ----------------------------------------- */

static uint64_t random_state;

static uint64_t rnd(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static bool routed_to(unsigned intid, unsigned cpu)
{
    uint64_t router = d_read(IROUTER + 8 * intid, 8);
    unsigned group = get_bit(0, IGROUPR, intid);

    if (!bit(router, 31))
        return router == (mpidr[cpu] & 0xff00ffffff);
    for (unsigned i = 0; i < cpu; i++) {
        if (get(i, group ? IGRPEN1 : IGRPEN0))
            return false;
    }
    return get(cpu, group ? IGRPEN1 : IGRPEN0);
}

/* What the registers say is the highest priority pending interrupt. */
static unsigned expected_best(unsigned cpu)
{
    uint64_t ctlr = d_read(GICD_CTLR, 4);
    unsigned best = SPURIOUS, best_priority = 0x100;

    for (unsigned i = 0; i < GIC_INTIDS; i++) {
        bool group = get_bit(cpu, IGROUPR, i);

        if (!get_bit(cpu, ISPENDR, i) || !get_bit(cpu, ISENABLER, i) ||
            get_bit(cpu, ISACTIVER, i) || !bit(ctlr, group) ||
            !get(cpu, group ? IGRPEN1 : IGRPEN0) ||
            (i >= 32 && !routed_to(i, cpu)))
            continue;
        if (get_priority(cpu, i) < best_priority) {
            best = i;
            best_priority = get_priority(cpu, i);
        }
    }
    return best;
}

static unsigned expected_lines(unsigned cpu, unsigned best)
{
    unsigned priority, split, group;

    if (best == SPURIOUS)
        return 0;
    group = get_bit(cpu, IGROUPR, best);
    priority = get_priority(cpu, best);
    split = (unsigned)(group == 0 || bit(get(cpu, CTLR), 0) ? get(cpu, BPR0) + 1
                                                            : get(cpu, BPR1));
    if (priority >= get(cpu, PMR) ||
        (priority & (0xffU << split)) >= get(cpu, RPR))
        return 0;
    return group ? GIC_LINE_IRQ : GIC_LINE_FIQ;
}

static void check_against_registers(void)
{
    for (unsigned cpu = 0; cpu < CPUS; cpu++) {
        unsigned best = expected_best(cpu);

        ck_assert_uint_eq(gic_lines(gic, cpu), expected_lines(cpu, best));
        if (best == SPURIOUS)
            continue;
        ck_assert_uint_eq(
            get(cpu, get_bit(cpu, IGROUPR, best) ? HPPIR1 : HPPIR0), best);
    }
}

/* Registers that matter, and now and then any offset at all. */
static unsigned random_offset(void)
{
    static const unsigned arrays[] = {IGROUPR, ISENABLER, ICENABLER, ISPENDR,
                                      ICPENDR, ISACTIVER, ICACTIVER, ICFGR};

    switch (rnd() % 8) {
    case 0:
        return rnd() % 0x10000;
    case 1:
        return (unsigned)(IPRIORITYR + rnd() % GIC_INTIDS);
    case 2:
        return (unsigned)(IROUTER + rnd() % GIC_INTIDS * 8);
    case 3:
        return rnd() % 0x18;
    default:
        return arrays[rnd() % 8] + (rnd() % 4 ? 0 : rnd() % 10 * 4);
    }
}

static uint64_t random_value(void)
{
    switch (rnd() % 4) {
    case 0:
        return rnd();
    case 1:
        return 1ULL << rnd() % 64;
    case 2:
        return mpidr[rnd() % CPUS] & 0xff00ffffff;
    default:
        return rnd() % 2 ? ~0ULL : rnd() % 48;
    }
}

static uint16_t random_sysreg(void)
{
    static const uint16_t registers[] = {
        PMR,   IAR0, EOIR0, HPPIR0, BPR0, AP0R0, AP1R0,   DIR,     RPR,  SGI1R,
        SGI0R, IAR1, EOIR1, IAR1,   BPR1, CTLR,  IGRPEN0, IGRPEN1, IAR1, EOIR1};

    return rnd() % 32 ? registers[rnd() % 20] : (uint16_t)rnd();
}

static void random_step(void)
{
    unsigned width = 1U << rnd() % 4;
    unsigned cpu = rnd() % CPUS;
    unsigned offset = random_offset() % (0x10000 - 8);
    uint64_t value;

    if (rnd() % 4)
        width = 4;
    switch (rnd() % 8) {
    case 0:
        d_write(offset, width, random_value());
        break;
    case 1:
        r_write(cpu, offset + (rnd() % 4 ? SGI_FRAME : 0), width,
                random_value());
        break;
    case 2:
        d_read(offset, width);
        r_read(cpu, offset + SGI_FRAME, width);
        break;
    case 3:
        gic_set_spi(gic, rnd() % (GIC_INTIDS + 8), rnd() % 2);
        break;
    case 4:
        gic_set_ppi(gic, cpu, rnd() % 34, rnd() % 2);
        break;
    case 5:
        gic_sysreg_write(gic, cpu, random_sysreg(), random_value());
        break;
    default:
        gic_sysreg_read(gic, cpu, random_sysreg(), &value);
        break;
    }
}

/* Open everything, so that the steps have something to mask. */
static void open_all(void)
{
    d_write(GICD_CTLR, 4, 3);
    for (unsigned i = 0; i < CPUS; i++) {
        set(i, PMR, 0xf8);
        set(i, IGRPEN0, rnd() % 2);
        set(i, IGRPEN1, 1);
        r_write(i, SGI_FRAME + IGROUPR, 4, ~0U);
        r_write(i, SGI_FRAME + ISENABLER, 4, ~0U);
    }
    for (unsigned i = 1; i < GIC_INTIDS / 32; i++) {
        d_write(IGROUPR + 4 * i, 4, rnd() | rnd());
        d_write(ISENABLER + 4 * i, 4, rnd());
    }
}

START_TEST(any_sequence_delivers_what_the_registers_say)
{
    random_state = 0x9e3779b97f4a7c15ULL + (uint64_t)_i;
    for (unsigned round = 0; round < 6; round++) {
        gic_reset(gic);
        open_all();
        for (unsigned step = 0; step < 100; step++) {
            random_step();
            check_against_registers();
        }
    }
}
END_TEST

/* The GIC goes, and a fresh one with its state takes its place. */
static void replace(void)
{
    struct lull_state saved = {0}, again = {0};
    struct gic *old = gic;

    gic_state(old, &saved);
    start(CPUS, mpidr);
    saved.loading = true;
    gic_state(gic, &saved);
    ck_assert(lull_state_done(&saved));
    gic_state(gic, &again);
    ck_assert_uint_eq(again.len, saved.len);
    ck_assert_mem_eq(again.bytes, saved.bytes, saved.len);
    for (unsigned i = 0; i < CPUS; i++)
        ck_assert_uint_eq(gic_lines(gic, i), gic_lines(old, i));
    gic_free(old);
    free(saved.bytes);
    free(again.bytes);
}

START_TEST(a_loaded_one_delivers_what_the_saved_one_would)
{
    random_state = 0x5a7ed + (uint64_t)_i;
    open_all();
    for (unsigned step = 0; step < 200; step++) {
        random_step();
        replace();
        check_against_registers();
    }
}
END_TEST

/* Bytes that no GIC saved: refused, or as if a guest had written them. */
START_TEST(a_damaged_state_is_refused_or_harmless)
{
    struct lull_state saved = {0};

    random_state = 0xdead + (uint64_t)_i;
    open_all();
    gic_state(gic, &saved);
    saved.loading = true;
    for (unsigned i = 0; i < 300; i++) {
        size_t at = rnd() % saved.len;

        saved.bytes[at] = (uint8_t)rnd();
        saved.bad = false;
        saved.at = 0;
        gic_state(gic, &saved);
        if (lull_state_done(&saved))
            check_against_registers();
        else
            gic_reset(gic);
        random_step();
    }
    saved.bad = false;
    saved.at = 0;
    saved.len--;
    gic_state(gic, &saved);
    ck_assert(!lull_state_done(&saved));
    free(saved.bytes);
}
END_TEST

/* A guest that takes and ends every interrupt gets rid of all of them. */
START_TEST(a_pending_line_is_always_taken)
{
    random_state = 0xc0ffee + (uint64_t)_i;
    open_all();
    for (unsigned step = 0; step < 20000; step++) {
        unsigned cpu = rnd() % CPUS;
        unsigned lines;
        uint64_t intid;
        bool fiq;

        random_step();
        lines = gic_lines(gic, cpu);
        fiq = lines == GIC_LINE_FIQ;
        ck_assert_uint_eq(get(cpu, fiq ? IAR1 : IAR0), SPURIOUS);
        intid = get(cpu, fiq ? IAR0 : IAR1);
        ck_assert_int_eq(lines != 0, intid != SPURIOUS);
        if (lines == 0)
            continue;
        ck_assert_uint_lt(intid, GIC_INTIDS);
        ck_assert(get_bit(cpu, ISACTIVER, (unsigned)intid));
        if (rnd() % 2)
            set(cpu, fiq ? EOIR0 : EOIR1, intid);
    }
}
END_TEST

/* --- threads ---------------------------------------------------------- */

enum { PING_PONGS = 20000 };

static sem_t doorbell[2];

static void ring(void *opaque, unsigned cpu)
{
    if (cpu < 2)
        sem_post(&doorbell[cpu]);
}

/* Two vCPUs send each other an SGI in turn and sleep until kicked: a kick
 * that is missed is a hang, which the test's time-out reports. */
static void *vcpu(void *arg)
{
    unsigned me = (unsigned)(uintptr_t)arg;
    uint64_t to_other = 7ULL << 24 | (me == 0 ? 2 : 1);

    if (me == 0)
        set(0, SGI1R, to_other);
    for (unsigned i = 0; i < PING_PONGS; i++) {
        while (!gic_pending(gic, me))
            sem_wait(&doorbell[me]);
        ck_assert_uint_eq(get(me, IAR1), 7);
        set(me, SGI1R, to_other);
        set(me, EOIR1, 7);
    }
    return NULL;
}

START_TEST(no_kick_is_missed)
{
    struct gic_config config = {.cpus = CPUS, .mpidr = mpidr, .kick = ring};
    pthread_t thread[2];

    gic_free(gic);
    gic = gic_new(&config);
    d_write(GICD_CTLR, 4, 2);
    for (unsigned i = 0; i < 2; i++) {
        sem_init(&doorbell[i], 0, 0);
        set(i, PMR, 0xf0);
        set(i, IGRPEN1, 1);
        enable(i, 7);
    }
    for (uintptr_t i = 0; i < 2; i++)
        pthread_create(&thread[i], NULL, vcpu, (void *)i);
    for (unsigned i = 0; i < 2; i++)
        pthread_join(thread[i], NULL);
}
END_TEST

static Suite *gic_suite(void)
{
    Suite *suite = suite_create("gic");
    TCase *tc = tcase_create("scenarios");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, a_level_holds_until_the_line_falls);
    tcase_add_test(tc, a_line_that_is_set_quietly);
    tcase_add_test(tc, a_level_that_falls_before_it_is_taken_is_gone);
    tcase_add_test(tc, an_edge_is_remembered_once);
    tcase_add_test(tc, an_edge_while_active_pends_again);
    tcase_add_test(tc, the_same_level_again_does_nothing);
    tcase_add_test(tc, a_ppi_is_its_vcpus_own);
    tcase_add_test(tc, lines_that_do_not_exist_are_ignored);
    tcase_add_test(tc, every_mask_masks);
    tcase_add_test(tc, disabled_while_pending_then_enabled);
    tcase_add_test(tc, disabled_while_active_ends_as_usual);
    tcase_add_test(tc, pmr_has_five_bits);
    tcase_add_test(tc, the_highest_priority_first_then_the_lowest_intid);
    tcase_add_test(tc, a_higher_group_priority_preempts);
    tcase_add_test(tc, the_binary_point_says_what_preempts);
    tcase_add_test(tc, binary_points_have_a_minimum);
    tcase_add_test(tc, priorities_by_byte_and_by_word);
    tcase_add_test(tc, a_priority_changes_under_a_pending_interrupt);
    tcase_add_test(tc, eoimode_1_drops_then_deactivates);
    tcase_add_test(tc, eoimode_0_ignores_dir);
    tcase_add_test(tc, ends_that_make_no_sense_change_nothing);
    tcase_add_test(tc, another_vcpu_deactivates_and_the_target_is_kicked);
    tcase_add_test(tc, pending_bits_can_be_written);
    tcase_add_test(tc, a_high_level_cannot_be_cleared);
    tcase_add_test(tc, active_bits_can_be_written);
    tcase_add_test(tc, the_trigger_changes_under_a_high_line);
    tcase_add_test(tc, sgis_are_edges_for_good);
    tcase_add_test(tc, an_sgi_goes_to_its_list);
    tcase_add_test(tc, an_sgi_to_all_but_the_sender);
    tcase_add_test(tc, an_sgi_to_oneself_kicks_nobody);
    tcase_add_test(tc, sgis_in_a_wrong_group_are_dropped);
    tcase_add_test(tc, sgis_pend_while_disabled);
    tcase_add_test(tc, an_spi_follows_its_route);
    tcase_add_test(tc, one_of_n_goes_to_one_that_listens);
    tcase_add_test(tc, moved_while_active_it_goes_to_the_new_target);
    tcase_add_test(tc, group_0_has_its_own_registers_and_line);
    tcase_add_test(tc, fiq_and_irq_take_turns);
    tcase_add_test(tc, a_disabled_group_0_does_not_hide_group_1);
    tcase_add_test(tc, it_says_what_it_is);
    tcase_add_test(tc, the_redistributor_wakes);
    tcase_add_test(tc, reserved_registers_are_zero_and_stay_so);
    tcase_add_test(tc, registers_that_do_not_exist_are_undefined);
    tcase_add_test(tc, reset_forgets_all_but_the_lines);
    tcase_add_test(tc, nonsense_configurations_are_refused);
    tcase_add_test(tc, sixty_four_vcpus);
    suite_add_tcase(suite, tc);

    tc = tcase_create("random");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, any_sequence_delivers_what_the_registers_say, 0, 8);
    tcase_add_loop_test(tc, a_pending_line_is_always_taken, 0, 8);
    tcase_add_loop_test(tc, a_loaded_one_delivers_what_the_saved_one_would, 0,
                        4);
    tcase_add_loop_test(tc, a_damaged_state_is_refused_or_harmless, 0, 4);
    suite_add_tcase(suite, tc);

    tc = tcase_create("threads");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, no_kick_is_missed);
    suite_add_tcase(suite, tc);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(gic_suite());
    int failed;

    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
