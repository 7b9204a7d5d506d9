/*
 * The PL011 as a driver meets it: polled, by interrupt, pushed back.
 */
#include <check.h>
#include <stdlib.h>

#include "fake_host.h"
#include "lull/pl011.h"

enum {
    DR = 0x00,
    RSR = 0x04,
    FR = 0x18,
    ILPR = 0x20,
    IBRD = 0x24,
    FBRD = 0x28,
    LCR_H = 0x2c,
    CR = 0x30,
    IFLS = 0x34,
    IMSC = 0x38,
    RIS = 0x3c,
    MIS = 0x40,
    ICR = 0x44,
    DMACR = 0x48,
    RXFE = 1 << 4,
    TXFF = 1 << 5,
    RXFF = 1 << 6,
    TXFE = 1 << 7,
    RX = 1 << 4,
    TX = 1 << 5,
    RT = 1 << 6,
};

static struct fake_host host;
static struct fake_line line;
static struct lull_pl011 *uart;

static uint64_t get(unsigned offset)
{
    const struct lull_mmio *m = lull_pl011_mmio(uart);

    return m->read(m->dev, offset, 4);
}

static void set(unsigned offset, uint32_t value)
{
    const struct lull_mmio *m = lull_pl011_mmio(uart);

    m->write(m->dev, offset, 4, value);
}

static void setup(void)
{
    fake_host_init(&host);
    line = (struct fake_line){0};
    uart = lull_pl011_new(0x09000000, fake_irq(&line), &host.chardev);
    ck_assert_ptr_nonnull(uart);
}

static void teardown(void)
{
    lull_pl011_free(uart);
    ck_assert_ptr_null(host.user.receive);
}

/* As a driver leaves it: FIFOs on, both receive interrupts unmasked. */
static void listen(void)
{
    set(LCR_H, 0x70);
    set(CR, 0x301);
    set(IMSC, RX | RT);
}

static const struct {
    unsigned offset;
    uint32_t after_reset, written, reads;
} registers[] = {
    {DR, 0, 'x', 0},
    {RSR, 0, 0xff, 0},
    {FR, 0x97, 0xffff, 0x97},
    {ILPR, 0, 0xffffffff, 0xff},
    {IBRD, 0, 0xffffffff, 0xffff},
    {FBRD, 0, 0xffffffff, 0x3f},
    {LCR_H, 0, 0xffffffff, 0xff},
    {CR, 0x300, 0xffffffff, 0xffff},
    {IFLS, 0x12, 0xffffffff, 0x3f},
    {IMSC, 0, 0xffffffff, 0x7ff},
    {MIS, 0, 0xffffffff, 0},
    {DMACR, 0, 0xffffffff, 0x7},
    {0x08, 0, 0xffffffff, 0},
    {0x80, 0, 0xffffffff, 0},
    {0xfe0, 0x11, 0xffffffff, 0x11},
    {0xfe4, 0x10, 0, 0x10},
    {0xfe8, 0x34, 0, 0x34},
    {0xff0, 0x0d, 0, 0x0d},
    {0xff4, 0xf0, 0, 0xf0},
    {0xff8, 0x05, 0, 0x05},
    {0xffc, 0xb1, 0, 0xb1},
};

START_TEST(the_register_table)
{
    ck_assert_uint_eq(get(registers[_i].offset), registers[_i].after_reset);
    set(registers[_i].offset, registers[_i].written);
    if (registers[_i].offset != DR)
        ck_assert_uint_eq(get(registers[_i].offset), registers[_i].reads);
    lull_pl011_reset(uart);
    ck_assert_uint_eq(get(registers[_i].offset), registers[_i].after_reset);
    ck_assert(!line.level);
}
END_TEST

START_TEST(odd_accesses_are_nothing)
{
    const struct lull_mmio *m = lull_pl011_mmio(uart);

    m->write(m->dev, DR + 1, 1, 'x');
    m->write(m->dev, DR + 2, 2, 'x');
    ck_assert_uint_eq(host.out_len, 0);
    m->write(m->dev, DR, 1, 'a');
    m->write(m->dev, DR, 2, 'b');
    m->write(m->dev, DR, 8, 'c');
    ck_assert_uint_eq(host.out_len, 3);
    ck_assert_uint_eq(m->read(m->dev, FR + 1, 1), 0);
}
END_TEST

START_TEST(output_goes_at_once)
{
    set(DR, 'h');
    set(DR, 'i');
    ck_assert_mem_eq(host.out, "hi", 2);
    ck_assert_uint_eq(get(FR) & (TXFE | TXFF), TXFE);
    ck_assert_uint_eq(lull_pl011_stats(uart).tx_bytes, 2);
}
END_TEST

START_TEST(the_transmit_interrupt)
{
    ck_assert_uint_eq(get(RIS), 0);
    set(IMSC, TX);
    ck_assert(!line.level); /* nothing was sent: nothing has drained */
    set(DR, 'x');
    ck_assert(line.level);
    ck_assert_uint_eq(get(MIS), TX);
    set(ICR, TX);
    ck_assert(!line.level);
    set(DR, 'y');
    ck_assert(line.level);
    set(IMSC, 0);
    ck_assert(!line.level);
    ck_assert_uint_eq(get(RIS), TX);
}
END_TEST

START_TEST(a_slow_host_fills_the_fifo)
{
    set(IMSC, TX);
    host.room = 2;
    set(DR, 'a');
    ck_assert(line.level);
    set(DR, 'b');
    ck_assert(!line.level);
    ck_assert_uint_eq(get(FR) & (TXFE | TXFF), TXFF);
    host.room = 100;
    host.user.drained(host.user.opaque);
    ck_assert(line.level);
    ck_assert_uint_eq(get(FR) & (TXFE | TXFF), TXFE);
    ck_assert_mem_eq(host.out, "ab", 2);
    /* Drained again, unasked: not an interrupt. */
    set(ICR, TX);
    host.user.drained(host.user.opaque);
    ck_assert(!line.level);
}
END_TEST

START_TEST(a_guest_that_ignores_txff_loses_bytes_in_the_end)
{
    host.room = 1;
    for (unsigned i = 0; i < 1 + FAKE_SLACK; i++)
        set(DR, 'x');
    ck_assert_uint_eq(lull_pl011_stats(uart).tx_lost_bytes, 0);
    set(DR, 'x');
    ck_assert_uint_eq(lull_pl011_stats(uart).tx_lost_bytes, 1);
    ck_assert_uint_eq(host.out_len, 1 + FAKE_SLACK);
}
END_TEST

START_TEST(input_by_interrupt)
{
    listen();
    ck_assert_uint_eq(fake_type(&host, "ok"), 2);
    ck_assert(line.level);
    ck_assert_uint_eq(get(MIS), RT); /* below the trigger level */
    ck_assert_uint_eq(get(DR), 'o');
    ck_assert(line.level);
    ck_assert_uint_eq(get(DR), 'k');
    ck_assert(!line.level);
    ck_assert_uint_eq(get(FR) & RXFE, RXFE);
    ck_assert_uint_eq(get(DR), 0);
    ck_assert_uint_eq(lull_pl011_stats(uart).rx_bytes, 2);
}
END_TEST

START_TEST(the_trigger_levels)
{
    static const unsigned levels[] = {4, 8, 16, 24, 28};

    for (unsigned i = 0; i < 5; i++) {
        listen();
        set(IFLS, i << 3);
        for (unsigned n = 1; n < levels[i]; n++)
            fake_type(&host, "x");
        ck_assert_uint_eq(get(RIS) & RX, 0);
        fake_type(&host, "x");
        ck_assert_uint_eq(get(RIS) & RX, RX);
        get(DR);
        ck_assert_uint_eq(get(RIS) & (RX | RT), RT);
        lull_pl011_reset(uart);
    }
}
END_TEST

START_TEST(a_full_fifo_refuses_and_asks_again_when_empty)
{
    char text[41];

    memset(text, 'x', 40);
    text[40] = '\0';
    listen();
    ck_assert_uint_eq(fake_type(&host, text), 32);
    ck_assert_uint_eq(get(FR) & RXFF, RXFF);
    for (unsigned i = 0; i < 31; i++)
        get(DR);
    ck_assert_uint_eq(host.resumes, 0);
    get(DR);
    ck_assert_uint_eq(host.resumes, 1);
    ck_assert_uint_eq(fake_type(&host, "y"), 1);
    ck_assert_uint_eq(get(DR), 'y');
    ck_assert_uint_eq(host.resumes, 1); /* nothing was refused */
}
END_TEST

START_TEST(without_fifos_one_byte)
{
    set(IMSC, RX);
    ck_assert_uint_eq(fake_type(&host, "ab"), 1);
    ck_assert(line.level);
    ck_assert_uint_eq(get(FR) & (RXFF | RXFE), RXFF);
    ck_assert_uint_eq(get(DR), 'a');
    ck_assert(!line.level);
}
END_TEST

START_TEST(nothing_is_taken_before_the_guest_listens)
{
    ck_assert_uint_eq(fake_type(&host, "early"), 0);
    /* a driver that starts, as Linux does: the masks for a moment with the
     * UART off; on; the FIFO drained; the masks for good */
    set(LCR_H, 0x70);
    set(CR, 0x300);
    set(IMSC, RX | RT);
    set(IMSC, 0);
    set(CR, 0x301);
    get(FR);
    ck_assert_uint_eq(host.resumes, 0);
    set(IMSC, RX | RT);
    ck_assert_uint_eq(host.resumes, 1);
    ck_assert_uint_eq(fake_type(&host, "early"), 5);
    /* and when it stops */
    set(IMSC, 0);
    ck_assert_uint_eq(fake_type(&host, "late"), 0);
}
END_TEST

START_TEST(a_guest_that_polls_listens)
{
    ck_assert_uint_eq(fake_type(&host, "a"), 0);
    for (unsigned i = 0; i < 100 && host.resumes == 0; i++)
        ck_assert_uint_eq(get(FR) & RXFE, RXFE);
    ck_assert_uint_eq(host.resumes, 1);
    ck_assert_uint_eq(fake_type(&host, "a"), 1);
    ck_assert_uint_eq(get(DR), 'a');
    /* having read one, it wants the next */
    ck_assert_uint_eq(fake_type(&host, "b"), 1);
}
END_TEST

START_TEST(a_guest_that_prints_does_not_listen)
{
    fake_type(&host, "a");
    for (unsigned i = 0; i < 200; i++) {
        get(FR);
        set(DR, 'x');
        get(FR);
    }
    ck_assert_uint_eq(host.resumes, 0);
}
END_TEST

START_TEST(a_cleared_receive_timeout_returns_with_the_next_byte)
{
    listen();
    fake_type(&host, "a");
    set(ICR, RT);
    ck_assert(!line.level);
    fake_type(&host, "b");
    ck_assert(line.level);
}
END_TEST

START_TEST(loopback_stays_inside)
{
    listen();
    set(CR, 0x381);
    set(DR, 'x');
    ck_assert_uint_eq(host.out_len, 0);
    ck_assert(line.level);
    ck_assert_uint_eq(get(DR), 'x');
    for (unsigned i = 0; i < 33; i++)
        set(DR, 'x');
    ck_assert_uint_eq(get(RIS) & 1 << 10, 1 << 10); /* overrun */
}
END_TEST

START_TEST(switching_the_fifos_empties_them)
{
    listen();
    fake_type(&host, "abc");
    set(LCR_H, 0x60);
    ck_assert_uint_eq(get(FR) & RXFE, RXFE);
    ck_assert(!line.level);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("pl011");
    TCase *tc = tcase_create("pl011");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, the_register_table, 0,
                        sizeof(registers) / sizeof(registers[0]));
    tcase_add_test(tc, odd_accesses_are_nothing);
    tcase_add_test(tc, output_goes_at_once);
    tcase_add_test(tc, the_transmit_interrupt);
    tcase_add_test(tc, a_slow_host_fills_the_fifo);
    tcase_add_test(tc, a_guest_that_ignores_txff_loses_bytes_in_the_end);
    tcase_add_test(tc, input_by_interrupt);
    tcase_add_test(tc, the_trigger_levels);
    tcase_add_test(tc, a_full_fifo_refuses_and_asks_again_when_empty);
    tcase_add_test(tc, without_fifos_one_byte);
    tcase_add_test(tc, nothing_is_taken_before_the_guest_listens);
    tcase_add_test(tc, a_guest_that_polls_listens);
    tcase_add_test(tc, a_guest_that_prints_does_not_listen);
    tcase_add_test(tc, a_cleared_receive_timeout_returns_with_the_next_byte);
    tcase_add_test(tc, loopback_stays_inside);
    tcase_add_test(tc, switching_the_fifos_empties_them);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
