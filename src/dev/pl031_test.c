/*
 * The PL031 with a clock in our hand: years pass in a microsecond.
 */
#include <check.h>
#include <stdlib.h>

#include "fake_host.h"
#include "lull/pl031.h"

enum {
    DR = 0x00,
    MR = 0x04,
    LR = 0x08,
    CR = 0x0c,
    IMSC = 0x10,
    RIS = 0x14,
    MIS = 0x18,
    ICR = 0x1c,
};

#define SECOND 1000000000ULL

static uint64_t now;
static struct fake_line line;
static struct lull_pl031 *rtc;
static struct lull_loop *loop;

static uint64_t read_now(void *opaque)
{
    return now;
}

static uint64_t get(unsigned offset)
{
    const struct lull_mmio *m = lull_pl031_mmio(rtc);

    return m->read(m->dev, offset, 4);
}

static void set(unsigned offset, uint32_t value)
{
    const struct lull_mmio *m = lull_pl031_mmio(rtc);

    m->write(m->dev, offset, 4, value);
}

static void start(struct lull_loop *on, uint64_t (*clock)(void *))
{
    struct lull_pl031_config config = {
        .gpa = 0x09010000, .irq = fake_irq(&line), .loop = on, .now_ns = clock};

    line = (struct fake_line){0};
    now = 1000 * SECOND + SECOND / 2;
    rtc = lull_pl031_new(&config);
    ck_assert_ptr_nonnull(rtc);
}

static void setup(void)
{
    start(NULL, read_now);
}

static void teardown(void)
{
    lull_pl031_free(rtc);
}

START_TEST(it_counts_seconds)
{
    ck_assert_uint_eq(get(DR), 1000);
    now += SECOND / 2;
    ck_assert_uint_eq(get(DR), 1001);
    set(LR, 5);
    ck_assert_uint_eq(get(DR), 5);
    ck_assert_uint_eq(get(LR), 5);
    now += 10 * SECOND;
    ck_assert_uint_eq(get(DR), 15);
    lull_pl031_reset(rtc); /* the time survives */
    ck_assert_uint_eq(get(DR), 15);
    ck_assert_uint_eq(get(CR), 1);
    set(CR, 0);
    ck_assert_uint_eq(get(CR), 1);
}
END_TEST

START_TEST(the_alarm)
{
    set(MR, 1003);
    ck_assert_uint_eq(get(MR), 1003);
    set(IMSC, 1);
    now = 1002 * SECOND + SECOND - 1;
    ck_assert_uint_eq(get(RIS), 0);
    now++;
    ck_assert_uint_eq(get(RIS), 1);
    ck_assert(line.level);
    ck_assert_uint_eq(get(MIS), 1);
    set(ICR, 1);
    ck_assert(!line.level);
    now += 100 * SECOND;
    ck_assert_uint_eq(get(RIS), 0); /* once */
}
END_TEST

START_TEST(a_masked_alarm_is_remembered)
{
    set(MR, 1003);
    now += 10 * SECOND;
    ck_assert_uint_eq(get(RIS), 1);
    ck_assert_uint_eq(get(MIS), 0);
    ck_assert(!line.level);
    set(IMSC, 1);
    ck_assert(line.level);
    set(IMSC, 0);
    ck_assert(!line.level);
}
END_TEST

START_TEST(a_match_in_the_past_is_136_years_away)
{
    set(IMSC, 1);
    set(MR, 999);
    now += 1000 * SECOND;
    ck_assert_uint_eq(get(RIS), 0);
    now += SECOND << 32;
    ck_assert_uint_eq(get(RIS), 1);
}
END_TEST

START_TEST(a_match_of_now_is_due)
{
    set(IMSC, 1);
    set(MR, 1000);
    ck_assert(line.level);
}
END_TEST

START_TEST(loading_moves_the_alarm)
{
    set(IMSC, 1);
    set(MR, 2000);
    set(LR, 1999);
    ck_assert_uint_eq(get(RIS), 0);
    now += SECOND / 2;
    ck_assert_uint_eq(get(RIS), 1);
}
END_TEST

START_TEST(identity_and_reserved)
{
    static const uint8_t id[8] = {0x31, 0x10, 0x04, 0, 0x0d, 0xf0, 5, 0xb1};

    for (unsigned i = 0; i < 8; i++)
        ck_assert_uint_eq(get(0xfe0 + 4 * i), id[i]);
    set(0x20, ~0U);
    ck_assert_uint_eq(get(0x20), 0);
    ck_assert_uint_eq(get(0x800), 0);
    ck_assert_uint_eq(get(2), 0);
}
END_TEST

/* With the host's clock and a loop, the alarm rings by itself. */
static void end_loop(void *opaque, unsigned number, bool level)
{
    if (level)
        lull_loop_quit(loop);
}

START_TEST(the_loop_rings_the_alarm)
{
    struct lull_pl031_config config = {.irq = {.set = end_loop}};

    loop = lull_loop_new();
    config.loop = loop;
    lull_pl031_free(rtc);
    rtc = lull_pl031_new(&config);
    set(IMSC, 1);
    set(MR, (uint32_t)get(DR) + 1);
    lull_loop_run(loop);
    ck_assert_uint_eq(get(RIS), 1);
    lull_pl031_free(rtc);
    lull_loop_free(loop);
    start(NULL, NULL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("pl031");
    TCase *tc = tcase_create("pl031");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, it_counts_seconds);
    tcase_add_test(tc, the_alarm);
    tcase_add_test(tc, a_masked_alarm_is_remembered);
    tcase_add_test(tc, a_match_in_the_past_is_136_years_away);
    tcase_add_test(tc, a_match_of_now_is_due);
    tcase_add_test(tc, loading_moves_the_alarm);
    tcase_add_test(tc, identity_and_reserved);
    tcase_add_test(tc, the_loop_rings_the_alarm);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
