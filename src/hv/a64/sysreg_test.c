/*
 * System registers: who may touch which, what a refusal looks like, what a
 * write does besides storing, and the API's view.
 */
#include "sys_fake.h"

#include <check.h>
#include <string.h>

#define REG A64_SYSREG
enum { RT = 7, IL = 1 << 25 };

/* A processor with the gates that EL1 has for EL0 all open or all closed. */
static struct a64_cpu *gated_cpu(unsigned el, bool open)
{
    struct a64_cpu *cpu = fake_cpu(el, el);

    cpu->sys.sctlr_el1 = open ? SCTLR_UCT | SCTLR_UMA | SCTLR_DZE : 0;
    cpu->sys.cntkctl_el1 = open ? 0x303 : 0;
    cpu->sys.mdscr_el1 = open ? 0 : MDSCR_TDCC;
    return cpu;
}

/* ---- access, all of it ---- */

/*
 * What MRS and MSR meet: '.' done, 'u' UNDEF, 't' trap to EL1, 'v' exit to the
 * VMM. Six letters: EL1 reads, EL1 writes, EL0 reads, EL0 writes with the
 * gates open, then closed. Registers that are not here are "uuuuuu".
 */
struct expectation {
    uint16_t reg;
    const char *access;
};

static const struct expectation expected[] = {
    /* debug */
    {REG(2, 0, 0, 2, 2), "..uuuu"}, /* MDSCR */
    {REG(2, 0, 0, 2, 0), "..uuuu"}, /* MDCCINT */
    {REG(2, 0, 0, 0, 2), "..uuuu"}, /* OSDTRRX */
    {REG(2, 0, 0, 3, 2), "..uuuu"}, /* OSDTRTX */
    {REG(2, 3, 0, 1, 0), ".u.utu"}, /* MDCCSR */
    {REG(2, 3, 0, 4, 0), "....tt"}, /* DBGDTR */
    {REG(2, 3, 0, 5, 0), "....tt"}, /* DBGDTRRX, TX */
    /* identification */
    {REG(3, 0, 0, 0, 0), ".uuuuu"}, /* MIDR */
    {REG(3, 0, 0, 0, 5), ".uuuuu"}, /* MPIDR */
    {REG(3, 0, 0, 0, 6), ".uuuuu"}, /* REVIDR */
    {REG(3, 1, 0, 0, 0), ".uuuuu"}, /* CCSIDR */
    {REG(3, 1, 0, 0, 1), ".uuuuu"}, /* CLIDR */
    {REG(3, 1, 0, 0, 7), ".uuuuu"}, /* AIDR */
    {REG(3, 2, 0, 0, 0), "..uuuu"}, /* CSSELR */
    {REG(3, 3, 0, 0, 1), ".u.utu"}, /* CTR */
    {REG(3, 3, 0, 0, 7), ".u.u.u"}, /* DCZID */
    /* control and memory */
    {REG(3, 0, 1, 0, 0), "..uuuu"},  /* SCTLR */
    {REG(3, 0, 1, 0, 1), "..uuuu"},  /* ACTLR */
    {REG(3, 0, 1, 0, 2), "..uuuu"},  /* CPACR */
    {REG(3, 0, 2, 0, 0), "..uuuu"},  /* TTBR0 */
    {REG(3, 0, 2, 0, 1), "..uuuu"},  /* TTBR1 */
    {REG(3, 0, 2, 0, 2), "..uuuu"},  /* TCR */
    {REG(3, 0, 10, 2, 0), "..uuuu"}, /* MAIR */
    {REG(3, 0, 10, 3, 0), "..uuuu"}, /* AMAIR */
    {REG(3, 0, 13, 0, 1), "..uuuu"}, /* CONTEXTIDR */
    {REG(3, 0, 7, 4, 0), "..uuuu"},  /* PAR */
    /* exceptions and PSTATE */
    {REG(3, 0, 4, 0, 0), "..uuuu"},  /* SPSR */
    {REG(3, 0, 4, 0, 1), "..uuuu"},  /* ELR */
    {REG(3, 0, 4, 1, 0), "..uuuu"},  /* SP_EL0 */
    {REG(3, 0, 4, 2, 0), "..uuuu"},  /* SPSel */
    {REG(3, 0, 4, 2, 2), ".uuuuu"},  /* CurrentEL */
    {REG(3, 0, 4, 2, 3), "..uuuu"},  /* PAN */
    {REG(3, 0, 5, 1, 0), "..uuuu"},  /* AFSR0 */
    {REG(3, 0, 5, 1, 1), "..uuuu"},  /* AFSR1 */
    {REG(3, 0, 5, 2, 0), "..uuuu"},  /* ESR */
    {REG(3, 0, 6, 0, 0), "..uuuu"},  /* FAR */
    {REG(3, 0, 12, 0, 0), "..uuuu"}, /* VBAR */
    {REG(3, 0, 12, 1, 0), ".uuuuu"}, /* ISR */
    {REG(3, 3, 4, 2, 0), "......"},  /* NZCV */
    {REG(3, 3, 4, 2, 1), "....tt"},  /* DAIF */
    {REG(3, 3, 4, 4, 0), "......"},  /* FPCR */
    {REG(3, 3, 4, 4, 1), "......"},  /* FPSR */
    /* software's */
    {REG(3, 0, 13, 0, 4), "..uuuu"}, /* TPIDR_EL1 */
    {REG(3, 3, 13, 0, 2), "......"}, /* TPIDR_EL0 */
    {REG(3, 3, 13, 0, 3), "...u.u"}, /* TPIDRRO */
    {REG(3, 3, 2, 4, 0), ".u.u.u"},  /* RNDR */
    {REG(3, 3, 2, 4, 1), ".u.u.u"},  /* RNDRRS */
    /* timer */
    {REG(3, 0, 14, 1, 0), "..uuuu"}, /* CNTKCTL */
    {REG(3, 3, 14, 0, 0), ".u.utu"}, /* CNTFRQ */
    {REG(3, 3, 14, 0, 1), "vuvutu"}, /* CNTPCT */
    {REG(3, 3, 14, 0, 2), ".u.utu"}, /* CNTVCT */
    {REG(3, 3, 14, 2, 0), "vvvvtt"}, /* CNTP_TVAL */
    {REG(3, 3, 14, 2, 1), "vvvvtt"}, /* CNTP_CTL */
    {REG(3, 3, 14, 2, 2), "vvvvtt"}, /* CNTP_CVAL */
    {REG(3, 3, 14, 3, 0), "....tt"}, /* CNTV_TVAL */
    {REG(3, 3, 14, 3, 1), "....tt"}, /* CNTV_CTL */
    {REG(3, 3, 14, 3, 2), "....tt"}, /* CNTV_CVAL */
    /* the interrupt controller */
    {REG(3, 0, 4, 6, 0), "vvuuuu"},  /* PMR */
    {REG(3, 0, 12, 8, 0), "vuuuuu"}, /* IAR0 */
    {REG(3, 0, 12, 8, 1), "uvuuuu"}, /* EOIR0 */
    {REG(3, 0, 12, 8, 2), "vuuuuu"}, /* HPPIR0 */
    {REG(3, 0, 12, 8, 3), "vvuuuu"}, /* BPR0 */
    {REG(3, 0, 12, 8, 4), "vvuuuu"}, /* AP0R0..3 */
    {REG(3, 0, 12, 8, 5), "vvuuuu"},
    {REG(3, 0, 12, 8, 6), "vvuuuu"},
    {REG(3, 0, 12, 8, 7), "vvuuuu"},
    {REG(3, 0, 12, 9, 0), "vvuuuu"}, /* AP1R0..3 */
    {REG(3, 0, 12, 9, 1), "vvuuuu"},
    {REG(3, 0, 12, 9, 2), "vvuuuu"},
    {REG(3, 0, 12, 9, 3), "vvuuuu"},
    {REG(3, 0, 12, 11, 1), "uvuuuu"}, /* DIR */
    {REG(3, 0, 12, 11, 3), "vuuuuu"}, /* RPR */
    {REG(3, 0, 12, 11, 5), "uvuuuu"}, /* SGI1R */
    {REG(3, 0, 12, 11, 6), "uvuuuu"}, /* ASGI1R */
    {REG(3, 0, 12, 11, 7), "uvuuuu"}, /* SGI0R */
    {REG(3, 0, 12, 12, 0), "vuuuuu"}, /* IAR1 */
    {REG(3, 0, 12, 12, 1), "uvuuuu"}, /* EOIR1 */
    {REG(3, 0, 12, 12, 2), "vuuuuu"}, /* HPPIR1 */
    {REG(3, 0, 12, 12, 3), "vvuuuu"}, /* BPR1 */
    {REG(3, 0, 12, 12, 4), "vvuuuu"}, /* CTLR */
    {REG(3, 0, 12, 12, 5), "vvuuuu"}, /* SRE */
    {REG(3, 0, 12, 12, 6), "vvuuuu"}, /* IGRPEN0 */
    {REG(3, 0, 12, 12, 7), "vvuuuu"}, /* IGRPEN1 */
};

/* ID registers whose value is kept; CRm:op2 in op0 = 3, op1 = 0, CRn = 0. */
static bool is_known_id(unsigned crm, unsigned op2)
{
    switch (crm) {
    case 4: /* PFR0..2, ZFR0, SMFR0 */
        return op2 <= 2 || op2 == 4 || op2 == 5;
    case 5: /* DFR0, DFR1 */
        return op2 <= 1;
    case 6: /* ISAR0..2 */
        return op2 <= 2;
    case 7: /* MMFR0..4 */
        return op2 <= 4;
    default:
        return false;
    }
}

/* Whole ranges, by the table in the API's reference. */
static const char *range_access(uint16_t reg)
{
    unsigned op0 = reg >> 14, op1 = reg >> 11 & 7, crn = reg >> 7 & 15;
    unsigned crm = reg >> 3 & 15, op2 = reg & 7;

    if (op0 == 2 && op1 == 0 && crn == 0 && op2 >= 4)
        return crm < (op2 < 6 ? 6u : 4u) ? "..uuuu" : "uuuuuu";
    if (op0 == 2)
        return op1 == 0 ? "vvuuuu" : "uuuuuu";
    if (crn == 11 || crn == 15)
        return "vvuuuu"; /* implementation defined */
    if (op1 == 0 && crn == 0 && crm >= 1 && crm <= 3)
        return ".uuuuu"; /* AArch32's ID registers */
    if (op1 == 0 && crn == 0 && crm >= 4 && crm <= 7)
        return is_known_id(crm, op2) ? ".uuuuu" : "vuuuuu";
    if (op1 == 0 && crn == 10 && crm == 4)
        return "vvuuuu"; /* LOR */
    if ((op1 == 0 || op1 == 3) && crn == 9 && crm >= 12 && crm <= 14)
        return "vvuuuu"; /* PMU */
    if (op1 == 3 && crn == 14 && crm >= 8)
        return "vvuuuu"; /* PMU */
    return "uuuuuu";
}

static const char *expected_access(uint16_t reg)
{
    for (unsigned i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
        if (expected[i].reg == reg)
            return expected[i].access;
    return range_access(reg);
}

/* ISS of EC 0x18 [D19.2.40]. */
static uint32_t iss_of(uint16_t reg, bool read)
{
    return (uint32_t)(reg >> 14) << 20 | (reg & 7u) << 17 |
           (reg >> 11 & 7u) << 14 | (reg >> 7 & 15u) << 10 | RT << 5 |
           (reg >> 3 & 15u) << 1 | read;
}

static char outcome(struct a64_cpu *cpu, uint16_t reg, bool write)
{
    uint32_t insn = write ? insn_msr(reg, RT) : insn_mrs(reg, RT);
    uint32_t esr;

    if (a64_system(cpu, insn) == A64_EXIT) {
        ck_assert_uint_eq(cpu->exit.syndrome,
                          0x18u << 26 | IL | iss_of(reg, !write));
        ck_assert_uint_eq(cpu->pc, 0x1000);
        return 'v';
    }
    if (cpu->pc == 0x1000 || cpu->pc == 0x1004)
        return '.';
    esr = (uint32_t)cpu->sys.esr_el1;
    if (esr == IL)
        return 'u';
    ck_assert_uint_eq(esr, 0x18u << 26 | IL | iss_of(reg, !write));
    return 't';
}

START_TEST(access_matrix)
{
    unsigned el = _i < 2;
    bool write = _i & 1, open = _i < 4;

    for (uint32_t reg = 0x8000; reg < 0x10000; reg++) {
        struct a64_cpu *cpu = gated_cpu(el, open);
        char want = expected_access((uint16_t)reg)[_i];
        char got = outcome(cpu, (uint16_t)reg, write);

        ck_assert_msg(got == want, "%s op %x.%x.%x.%x.%x at EL%u: %c, not %c",
                      write ? "MSR" : "MRS", reg >> 14, reg >> 11 & 7,
                      reg >> 7 & 15, reg >> 3 & 15, reg & 7, el, got, want);
        ck_assert_uint_eq(cpu->x[A64_ZR], 0);
    }
}
END_TEST

/* A discarded result must not reach the zero register. */
START_TEST(read_into_zr)
{
    struct a64_cpu *cpu = fake_cpu(1, 1);

    a64_system(cpu, insn_mrs(REG(3, 0, 0, 0, 0), 31)); /* MIDR */
    a64_system(cpu, insn_mrs(REG(3, 0, 0, 1, 0), 31)); /* ID_PFR0 */
    ck_assert_uint_eq(cpu->x[A64_ZR], 0);
}
END_TEST

/* FPCR and FPSR follow CPACR_EL1.FPEN. */
START_TEST(fp_registers_trap)
{
    for (unsigned el = 0; el < 2; el++) {
        struct a64_cpu *cpu = fake_cpu(el, el);

        cpu->sys.cpacr_el1 = 0;
        a64_mode_changed(cpu);
        ck_assert_int_eq(a64_system(cpu, insn_mrs(REG(3, 3, 4, 4, _i), RT)),
                         A64_REDIRECT);
        ck_assert_uint_eq(cpu->sys.esr_el1, 0x07u << 26 | IL | 0x1e00000);
    }
}
END_TEST

/* trap_debug_regs: MDSCR and the four kinds of DBG registers, nothing else. */
START_TEST(debug_registers_trap)
{
    for (uint32_t reg = 0x8000; reg < 0x10000; reg++) {
        bool dbg = (reg & 0xff84) == 0x8004;
        struct a64_cpu *cpu = gated_cpu(1, true);
        char want = expected_access((uint16_t)reg)[_i];

        cpu->trap_debug_regs = true;
        if (want == '.' && (dbg || reg == REG(2, 0, 0, 2, 2)))
            want = 'v';
        ck_assert_int_eq(outcome(cpu, (uint16_t)reg, _i), want);
    }
}
END_TEST

/*
 * What the decoder turns into a plain load or store must be one: the same
 * value, from the same EL on, with nothing else to do.
 */
START_TEST(plain_is_plain)
{
    unsigned plain = 0, offset, min_el;

    for (uint32_t reg = 0x8000; reg < 0x10000; reg++) {
        struct a64_cpu *cpu = gated_cpu(1, true);
        const char *access = expected_access((uint16_t)reg);
        uint64_t *word;

        if (a64_sysreg_plain(insn_mrs(reg, RT), false, &offset, &min_el)) {
            plain++;
            word = (uint64_t *)((char *)cpu + offset);
            *word = 0x123456789abcdef0 & ~0xfULL;
            ck_assert_int_eq(a64_system(cpu, insn_mrs(reg, RT)), A64_NEXT);
            ck_assert_uint_eq(cpu->x[RT], *word);
            ck_assert(min_el == 1 ? access[2] == 'u' : access[4] == '.');
        }
        if (a64_sysreg_plain(insn_msr(reg, RT), true, &offset, &min_el)) {
            plain++;
            cpu = gated_cpu(1, true);
            word = (uint64_t *)((char *)cpu + offset);
            cpu->x[RT] = UINT64_MAX;
            ck_assert_int_eq(a64_system(cpu, insn_msr(reg, RT)), A64_NEXT);
            ck_assert_uint_eq(*word, UINT64_MAX);
            ck_assert_uint_eq(fake.control + fake.regime, 0);
            ck_assert(min_el == 1 ? access[3] == 'u' : access[5] == '.');
        }
    }
    ck_assert_uint_gt(plain, 40);
}
END_TEST

START_TEST(plain_where_it_counts)
{
    static const uint16_t hot[] = {
        REG(3, 0, 4, 1, 0),  /* SP_EL0: Linux's current task */
        REG(3, 3, 13, 0, 2), /* TPIDR_EL0 */
        REG(3, 0, 13, 0, 4), /* TPIDR_EL1: per-CPU offset */
        REG(3, 0, 4, 0, 0),  /* SPSR */
        REG(3, 0, 4, 0, 1),  /* ELR */
    };
    unsigned offset, min_el;

    for (unsigned write = 0; write < 2; write++)
        ck_assert(a64_sysreg_plain(hot[_i] << 5 | 0xd5100000, write, &offset,
                                   &min_el));
}
END_TEST

/* ---- values ---- */

static uint64_t mrs(struct a64_cpu *cpu, uint16_t reg)
{
    ck_assert_int_eq(a64_system(cpu, insn_mrs(reg, RT)), A64_NEXT);
    return cpu->x[RT];
}

static enum a64_next msr(struct a64_cpu *cpu, uint16_t reg, uint64_t value)
{
    cpu->x[RT] = value;
    return a64_system(cpu, insn_msr(reg, RT));
}

START_TEST(pstate_registers)
{
    struct a64_cpu *cpu = gated_cpu(1, true);

    a64_set_cpsr(cpu, 0x90400145);
    ck_assert_uint_eq(mrs(cpu, REG(3, 0, 4, 2, 2)), 4);          /* CurrentEL */
    ck_assert_uint_eq(mrs(cpu, REG(3, 0, 4, 2, 0)), 1);          /* SPSel */
    ck_assert_uint_eq(mrs(cpu, REG(3, 0, 4, 2, 3)), 1 << 22);    /* PAN */
    ck_assert_uint_eq(mrs(cpu, REG(3, 3, 4, 2, 0)), 0x90000000); /* NZCV */
    ck_assert_uint_eq(mrs(cpu, REG(3, 3, 4, 2, 1)), 0x140);      /* DAIF */

    msr(cpu, REG(3, 3, 4, 2, 0), 0x6fffffff);
    msr(cpu, REG(3, 3, 4, 2, 1), ~0x100ULL);
    msr(cpu, REG(3, 0, 4, 2, 3), ~(1ULL << 22));
    msr(cpu, REG(3, 0, 4, 2, 0), ~1ULL);
    ck_assert_uint_eq(a64_cpsr(cpu), 0x600002c4);
    ck_assert_uint_eq(cpu->x[A64_SP], 0xe10);
}
END_TEST

START_TEST(isr_shows_lines)
{
    struct a64_cpu *cpu = fake_cpu(1, 1);

    cpu->daif = 15;
    cpu->irq_line = true;
    ck_assert_uint_eq(mrs(cpu, REG(3, 0, 12, 1, 0)), 1 << 7);
    cpu->fiq_line = cpu->serror_line = true;
    ck_assert_uint_eq(mrs(cpu, REG(3, 0, 12, 1, 0)), 7 << 6);
}
END_TEST

START_TEST(sp_el0_from_el1)
{
    struct a64_cpu *cpu = fake_cpu(1, 1);

    ck_assert_uint_eq(mrs(cpu, REG(3, 0, 4, 1, 0)), 0xe10);
    msr(cpu, REG(3, 0, 4, 1, 0), 0x1230);
    ck_assert_uint_eq(a64_sp(cpu, 0), 0x1230);
    ck_assert_uint_eq(cpu->x[A64_SP], 0xe11);
}
END_TEST

START_TEST(dczid_shows_dze)
{
    struct a64_cpu *cpu = gated_cpu(0, true);

    ck_assert_uint_eq(mrs(cpu, REG(3, 3, 0, 0, 7)), 4);
    cpu = gated_cpu(0, false);
    ck_assert_uint_eq(mrs(cpu, REG(3, 3, 0, 0, 7)), 0x14);
    cpu = gated_cpu(1, false);
    ck_assert_uint_eq(mrs(cpu, REG(3, 3, 0, 0, 7)), 4);
}
END_TEST

START_TEST(caches)
{
    static const uint64_t ccsidr[] = {
        255 << 13 | 3 << 3 | 2, 255 << 13 | 3 << 3 | 2, /* L1 D, I */
        1023 << 13 | 15 << 3 | 2, 0,                    /* L2 */
    };
    struct a64_cpu *cpu = fake_cpu(1, 1);

    ck_assert_uint_eq(mrs(cpu, REG(3, 3, 0, 0, 1)), 0x9444c004); /* CTR */
    ck_assert_uint_eq(mrs(cpu, REG(3, 1, 0, 0, 1)), 0x02000023); /* CLIDR */
    for (unsigned i = 0; i < 16; i++) {
        msr(cpu, REG(3, 2, 0, 0, 0), i);
        ck_assert_uint_eq(mrs(cpu, REG(3, 1, 0, 0, 0)), i < 4 ? ccsidr[i] : 0);
    }
}
END_TEST

START_TEST(random_numbers)
{
    struct a64_cpu *cpu = fake_cpu(0, 0);
    uint64_t first, last, differ = 0;

    a64_set_nzcv(cpu, 0xf0000000);
    first = mrs(cpu, REG(3, 3, 2, 4, 0));
    ck_assert_uint_eq(a64_nzcv(cpu), 0);
    for (unsigned i = 0; i < 100; i++) { /* across a refill of the pool */
        last = mrs(cpu, REG(3, 3, 2, 4, _i));
        ck_assert_uint_ne(last, first);
        differ |= last ^ first;
        first = last;
    }
    ck_assert_uint_eq(differ, UINT64_MAX); /* no bit is stuck */
}
END_TEST

START_TEST(counter)
{
    struct a64_cpu *cpu = gated_cpu(0, true);

    fake.now = 5000;
    cpu->vtimer_offset = 1000;
    ck_assert_uint_eq(mrs(cpu, REG(3, 3, 14, 0, 0)), 24000000);
    ck_assert_uint_eq(mrs(cpu, REG(3, 3, 14, 0, 2)), 4000);
    msr(cpu, REG(3, 3, 14, 3, 1), 1);
    msr(cpu, REG(3, 3, 14, 3, 2), 4001);
    ck_assert_uint_eq(mrs(cpu, REG(3, 3, 14, 3, 1)), 1);
    ck_assert_uint_eq(mrs(cpu, REG(3, 3, 14, 3, 0)), 1);
    fake.now++;
    ck_assert_uint_eq(mrs(cpu, REG(3, 3, 14, 3, 1)), 5);
    msr(cpu, REG(3, 3, 14, 3, 0), 10);
    ck_assert_uint_eq(mrs(cpu, REG(3, 3, 14, 3, 2)), 4011);
}
END_TEST

/* ---- side effects ---- */

/* Written bits, and that the TLB hears of it and the fetch is redone. */
static const struct {
    uint16_t reg;
    uint64_t kept;
    bool control;
    enum a64_next next;
} effects[] = {
    {REG(3, 0, 1, 0, 0), ~0x3000000ULL, true, A64_REDIRECT}, /* SCTLR */
    {REG(3, 0, 2, 0, 0), UINT64_MAX, true, A64_REDIRECT},    /* TTBR0 */
    {REG(3, 0, 2, 0, 1), UINT64_MAX, true, A64_REDIRECT},    /* TTBR1 */
    {REG(3, 0, 2, 0, 2), UINT64_MAX, true, A64_REDIRECT},    /* TCR */
    {REG(3, 0, 10, 2, 0), UINT64_MAX, true, A64_REDIRECT},   /* MAIR */
    {REG(3, 0, 1, 0, 1), 2, false, A64_NEXT},                /* ACTLR */
    {REG(3, 0, 1, 0, 2), 0x300000, false, A64_NEXT},         /* CPACR */
    {REG(3, 0, 13, 0, 1), UINT32_MAX, false, A64_NEXT},      /* CONTEXTIDR */
    {REG(3, 0, 14, 1, 0), 0x3ff, false, A64_NEXT},           /* CNTKCTL */
    {REG(3, 2, 0, 0, 0), 0xf, false, A64_NEXT},              /* CSSELR */
    {REG(2, 0, 0, 2, 2), 0xb001, false, A64_REDIRECT},       /* MDSCR */
    {REG(2, 0, 0, 5, 4), ~3ULL, false, A64_NEXT},            /* DBGBVR5 */
    {REG(2, 0, 0, 5, 5), 0xffe1e7, false, A64_REDIRECT},     /* DBGBCR5 */
    {REG(2, 0, 0, 3, 6), ~3ULL, false, A64_NEXT},            /* DBGWVR3 */
    {REG(2, 0, 0, 3, 7), 0x1f1fffff, false, A64_NEXT},       /* DBGWCR3 */
};

enum { NR_EFFECTS = sizeof(effects) / sizeof(effects[0]) };

START_TEST(write_effects)
{
    struct a64_cpu *cpu = fake_cpu(1, 1);

    ck_assert_int_eq(msr(cpu, effects[_i].reg, UINT64_MAX), effects[_i].next);
    ck_assert_uint_eq(cpu->pc, effects[_i].next == A64_NEXT ? 0x1000 : 0x1004);
    ck_assert_uint_eq(fake.control, effects[_i].control);
    ck_assert_uint_eq(mrs(cpu, effects[_i].reg), effects[_i].kept);
}
END_TEST

START_TEST(bas_is_res1)
{
    struct a64_cpu *cpu = fake_cpu(1, 1);

    msr(cpu, REG(2, 0, 0, 0, 5), 0);
    ck_assert_uint_eq(mrs(cpu, REG(2, 0, 0, 0, 5)), 0x1e0);
}
END_TEST

START_TEST(cpacr_switches_fp)
{
    struct a64_cpu *cpu = fake_cpu(1, 1);

    msr(cpu, REG(3, 0, 1, 0, 2), 0);
    ck_assert(!cpu->fp_on);
    msr(cpu, REG(3, 0, 1, 0, 2), 1 << 20);
    ck_assert(cpu->fp_on);
}
END_TEST

START_TEST(mdscr_arms)
{
    struct a64_cpu *cpu = fake_cpu(1, 1);

    msr(cpu, REG(2, 0, 0, 2, 2), MDSCR_SS | MDSCR_KDE);
    ck_assert(cpu->debug_on);
    msr(cpu, REG(2, 0, 0, 2, 2), 0);
    ck_assert(!cpu->debug_on);
    msr(cpu, REG(2, 0, 0, 2, 2), MDSCR_MDE);
    msr(cpu, REG(2, 0, 0, 0, 7), 1);
    ck_assert(cpu->watchpoints_on);
    msr(cpu, REG(2, 0, 0, 0, 7), 0);
    ck_assert(!cpu->watchpoints_on);
}
END_TEST

START_TEST(timer_writes_look)
{
    struct a64_cpu *cpu = fake_cpu(1, 1);

    cpu->poll_left = 100;
    msr(cpu, REG(3, 3, 14, 3, 2), 0);
    ck_assert_uint_eq(cpu->poll_left, 100);
    msr(cpu, REG(3, 3, 14, 3, 1), 1);
    ck_assert_uint_eq(cpu->poll_left, 1);
    ck_assert(cpu->vtimer_armed);
}
END_TEST

/* ---- the API ---- */

/* hv_sys_reg_t, as the API's reference lists it; the debug registers follow
 * from a formula. */
static const uint16_t api[] = {
    0x8010, 0x8012, 0xc000, 0xc005, 0xc020, 0xc021, 0xc022, 0xc024,
    0xc028, 0xc029, 0xc030, 0xc031, 0xc032, 0xc038, 0xc039, 0xc03a,
    0xc03b, 0xc03c, 0xc080, 0xc081, 0xc082, 0xc100, 0xc101, 0xc102,
    0xc108, 0xc109, 0xc10a, 0xc10b, 0xc110, 0xc111, 0xc112, 0xc113,
    0xc118, 0xc119, 0xc200, 0xc201, 0xc208, 0xc288, 0xc289, 0xc290,
    0xc300, 0xc3a0, 0xc510, 0xc518, 0xc600, 0xc681, 0xc684, 0xc687,
    0xc708, 0xd000, 0xde82, 0xde83, 0xde87, 0xdf19, 0xdf1a, 0xe208,
};

static const uint16_t absent[] = {
    /* SME */
    0xc025,
    0xc094,
    0xc096,
    0xde85,
    /* CNTP */
    0xdf10,
    0xdf11,
    0xdf12,
    /* EL2 */
    0xe000,
    0xe005,
    0xe019,
    0xe080,
    0xe088,
    0xe08a,
    0xe100,
    0xe101,
    0xe102,
    0xe108,
    0xe10a,
    0xe200,
    0xe201,
    0xe290,
    0xe300,
    0xe304,
    0xe510,
    0xe600,
    0xe682,
    0xe703,
    0xe708,
    0xe710,
    0xe711,
    0xe712,
    0xf208,
};

static bool listed(uint16_t reg, const uint16_t *list, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        if (list[i] == reg)
            return true;
    return false;
}

#define LISTED(reg, list) listed(reg, list, sizeof(list) / sizeof((list)[0]))

static bool is_api(uint16_t reg)
{
    return (reg & 0xff84) == 0x8004 || LISTED(reg, api);
}

START_TEST(api_knows_152)
{
    struct a64_cpu *cpu = fake_cpu(1, 1);
    unsigned known = 0;
    uint64_t value;

    for (uint32_t reg = 0; reg < 0x10000; reg++) {
        bool there = is_api((uint16_t)reg);
        bool named = there || LISTED((uint16_t)reg, absent);

        ck_assert_msg(a64_sysreg_known((uint16_t)reg) == named, "%04x", reg);
        ck_assert_msg(a64_sysreg_get(cpu, (uint16_t)reg, &value) == there,
                      "%04x", reg);
        ck_assert_msg(a64_sysreg_set(cpu, (uint16_t)reg, 0) == there, "%04x",
                      reg);
        known += named;
    }
    ck_assert_uint_eq(known, 152);
}
END_TEST

/* Each keeps any value, all at once: no two share storage. */
START_TEST(api_round_trip)
{
    struct a64_cpu *cpu = fake_cpu(1, 1);

    for (unsigned pass = 0; pass < 2; pass++) {
        for (uint32_t reg = 0; reg < 0x10000; reg++)
            if (is_api((uint16_t)reg))
                a64_sysreg_set(cpu, (uint16_t)reg,
                               reg * 0x9e3779b97f4a7c15 + pass);
        for (uint32_t reg = 0; reg < 0x10000; reg++) {
            uint64_t value, want = reg * 0x9e3779b97f4a7c15 + pass;

            if (!is_api((uint16_t)reg))
                continue;
            ck_assert(a64_sysreg_get(cpu, (uint16_t)reg, &value));
            if (reg == 0xc081)
                want &= 2; /* ACTLR has one bit */
            if (reg == 0xdf19)
                continue; /* CNTV_CTL: below */
            ck_assert_msg(value == want, "%04x", reg);
        }
    }
}
END_TEST

START_TEST(api_timer_is_live)
{
    struct a64_cpu *cpu = fake_cpu(1, 1);
    uint64_t ctl;

    fake.now = 100;
    a64_sysreg_set(cpu, 0xdf1a, 101);
    a64_sysreg_set(cpu, 0xdf19, 0xff);
    a64_sysreg_get(cpu, 0xdf19, &ctl);
    ck_assert_uint_eq(ctl, 3);
    a64_sysreg_set(cpu, 0xdf19, 1);
    ck_assert(cpu->vtimer_armed);
    ck_assert(!a64_vtimer_due(cpu));
    fake.now = 101;
    a64_sysreg_get(cpu, 0xdf19, &ctl);
    ck_assert_uint_eq(ctl, 5);
    ck_assert(a64_vtimer_due(cpu));
}
END_TEST

START_TEST(api_writes_act)
{
    struct a64_cpu *cpu = fake_cpu(1, 1);

    a64_sysreg_set(cpu, 0xc080, 1); /* SCTLR */
    ck_assert_uint_eq(fake.control, 1);
    a64_sysreg_set(cpu, 0xc082, 0); /* CPACR */
    ck_assert(!cpu->fp_on);
    cpu->trap_debug_exceptions = true;
    a64_sysreg_set(cpu, 0x8012, MDSCR_SS);
    ck_assert(cpu->debug_on);
    a64_sysreg_set(cpu, 0xc208, 0x10); /* SP_EL0 */
    a64_sysreg_set(cpu, 0xe208, 0x20); /* SP_EL1 */
    ck_assert_uint_eq(cpu->x[A64_SP], 0x20);
    ck_assert_uint_eq(a64_sp(cpu, 0), 0x10);
}
END_TEST

/* ---- identification and reset ---- */

static const struct {
    uint16_t reg;
    uint64_t value;
} at_reset[] = {
    {0xc000, 0x610f0000},         /* MIDR */
    {0xc005, 0x80000000},         /* MPIDR */
    {0xc020, 0x1100000000000011}, /* PFR0 */
    {0xc028, 0x10305006},         /* DFR0 */
    {0xc030, 0x1000100000211120}, /* ISAR0 */
    {0xc031, 0x00100000},         /* ISAR1 */
    {0xc038, 0x0f000022},         /* MMFR0 */
    {0xc039, 0x00100002},         /* MMFR1 */
    {0xc03a, 0x1000000000000000}, /* MMFR2 */
    {0xc080, 0x30100180},         /* SCTLR */
    {0xc3a0, 0x800},              /* PAR */
};

START_TEST(reset_values)
{
    struct a64_cpu *cpu = fake_cpu(1, 1);
    uint64_t value, want;

    for (uint32_t reg = 0; reg < 0x10000; reg++)
        a64_sysreg_set(cpu, (uint16_t)reg, UINT64_MAX);
    memset(cpu->v, 1, sizeof(cpu->v));
    a64_reset(cpu);
    for (uint32_t reg = 0; reg < 0x10000; reg++) {
        want = 0;
        for (unsigned i = 0; i < sizeof(at_reset) / sizeof(at_reset[0]); i++)
            if (at_reset[i].reg == reg)
                want = at_reset[i].value;
        if (a64_sysreg_get(cpu, (uint16_t)reg, &value))
            ck_assert_msg(value == want, "%04x: %lx", reg,
                          (unsigned long)value);
    }
    for (unsigned i = 0; i < A64_NR_X; i++)
        ck_assert_uint_eq(cpu->x[i], 0);
    ck_assert_uint_eq(cpu->v[31].d[1], 0);
    ck_assert_uint_eq(cpu->pc, 0);
    ck_assert_uint_eq(a64_cpsr(cpu), 0);
    ck_assert(!cpu->vtimer_armed);
    ck_assert(!cpu->fp_on);
    ck_assert(!cpu->debug_on);
}
END_TEST

/* hv_feature_reg_t names what an ID register starts with. */
START_TEST(feature_registers)
{
    static const uint16_t regs[18] = {
        0xc028,
        0xc029,
        0xc030,
        0xc031,
        0xc038,
        0xc039,
        0xc03a,
        0xc020,
        0xc021,
        REG(3, 3, 0, 0, 1),
        REG(3, 1, 0, 0, 1),
        REG(3, 3, 0, 0, 7),
        0xc025,
        0xc024,
        0xc032,
        0xc022,
        0xc03b,
        0xc03c,
    };
    struct a64_cpu *cpu = fake_cpu(1, 1);
    uint64_t value;

    ck_assert(a64_feature_reg((unsigned)_i, &value));
    ck_assert_uint_eq(value, mrs(cpu, regs[_i]));
    ck_assert(!a64_feature_reg(18, &value));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sysreg");
    TCase *access = tcase_create("access");
    TCase *values = tcase_create("values");
    TCase *effect = tcase_create("side effects");
    TCase *view = tcase_create("API");
    TCase *reset = tcase_create("reset");
    SRunner *runner = srunner_create(suite);
    int failed;

    suite_add_tcase(suite, access);
    tcase_set_timeout(access, 60);
    tcase_add_loop_test(access, access_matrix, 0, 6);
    tcase_add_test(access, read_into_zr);
    tcase_add_loop_test(access, fp_registers_trap, 0, 2);
    tcase_add_loop_test(access, debug_registers_trap, 0, 2);
    tcase_add_test(access, plain_is_plain);
    tcase_add_loop_test(access, plain_where_it_counts, 0, 5);
    suite_add_tcase(suite, values);
    tcase_add_test(values, pstate_registers);
    tcase_add_test(values, isr_shows_lines);
    tcase_add_test(values, sp_el0_from_el1);
    tcase_add_test(values, dczid_shows_dze);
    tcase_add_test(values, caches);
    tcase_add_loop_test(values, random_numbers, 0, 2);
    tcase_add_test(values, counter);
    suite_add_tcase(suite, effect);
    tcase_add_loop_test(effect, write_effects, 0, NR_EFFECTS);
    tcase_add_test(effect, bas_is_res1);
    tcase_add_test(effect, cpacr_switches_fp);
    tcase_add_test(effect, mdscr_arms);
    tcase_add_test(effect, timer_writes_look);
    suite_add_tcase(suite, view);
    tcase_add_test(view, api_knows_152);
    tcase_add_test(view, api_round_trip);
    tcase_add_test(view, api_timer_is_live);
    tcase_add_test(view, api_writes_act);
    suite_add_tcase(suite, reset);
    tcase_add_test(reset, reset_values);
    tcase_add_loop_test(reset, feature_registers, 0, 18);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
