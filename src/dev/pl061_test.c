/*
 * The PL061: its registers, its interrupts, and a key that is pressed.
 */
#include <check.h>
#include <stdlib.h>

#include "fake_host.h"
#include "lull/pl061.h"

enum {
    ALL = 0x3fc, /* the data register, every line of it */
    DIR = 0x400,
    IS = 0x404,
    IBE = 0x408,
    IEV = 0x40c,
    IE = 0x410,
    RIS = 0x414,
    MIS = 0x418,
    IC = 0x41c,
    KEY = 3,
    KEY_BIT = 1 << KEY,
};

static struct fake_line line;
static struct lull_pl061 *gpio;
static struct lull_loop *loop;

static uint64_t get(unsigned offset)
{
    const struct lull_mmio *m = lull_pl061_mmio(gpio);

    return m->read(m->dev, offset, 4);
}

static void set(unsigned offset, uint32_t value)
{
    const struct lull_mmio *m = lull_pl061_mmio(gpio);

    m->write(m->dev, offset, 4, value);
}

static void setup(void)
{
    struct lull_pl061_config config = {.gpa = 0x09030000,
                                       .irq = fake_irq(&line)};

    line = (struct fake_line){0};
    loop = lull_loop_new();
    config.loop = loop;
    gpio = lull_pl061_new(&config);
    ck_assert_ptr_nonnull(gpio);
}

static void teardown(void)
{
    lull_pl061_free(gpio);
    lull_loop_free(loop);
}

START_TEST(who_it_is)
{
    static const uint8_t id[8] = {0x61, 0x10, 0x04, 0, 0x0d, 0xf0, 0x05, 0xb1};

    for (unsigned i = 0; i < 8; i++)
        ck_assert_uint_eq(get(0xfe0 + 4 * i), id[i]);
    ck_assert_uint_eq(get(DIR), 0);
    ck_assert_uint_eq(get(ALL + 2), 0);
}
END_TEST

START_TEST(the_address_is_a_mask)
{
    set(DIR, 0x0f);
    set(ALL, 0xff);
    ck_assert_uint_eq(get(ALL), 0x0f); /* the others are inputs */
    set(4 * 0x05, 0);
    ck_assert_uint_eq(get(ALL), 0x0a);
    ck_assert_uint_eq(get(4 * 0x03), 0x02);
    set(DIR, 0);
    ck_assert_uint_eq(get(ALL), 0);
}
END_TEST

START_TEST(nobody_listens)
{
    ck_assert(!lull_pl061_press(gpio, KEY));
    ck_assert_uint_eq(get(ALL), 0);
    set(IE, (uint8_t)~KEY_BIT);
    ck_assert(!lull_pl061_press(gpio, KEY));
    ck_assert(!line.level);
}
END_TEST

START_TEST(a_rising_edge)
{
    set(IEV, KEY_BIT);
    set(IE, KEY_BIT);
    ck_assert(lull_pl061_press(gpio, KEY));
    ck_assert_uint_eq(get(ALL), KEY_BIT);
    ck_assert_uint_eq(get(MIS), KEY_BIT);
    ck_assert(line.level);
    set(IC, KEY_BIT);
    ck_assert(!line.level);
    ck_assert_uint_eq(get(RIS), 0);
    lull_pl061_press(gpio, KEY); /* it is down already */
    ck_assert(!line.level);
}
END_TEST

START_TEST(a_falling_edge_only)
{
    set(IE, KEY_BIT);
    lull_pl061_press(gpio, KEY);
    ck_assert_uint_eq(get(RIS), 0);
}
END_TEST

START_TEST(a_level)
{
    set(IS, KEY_BIT);
    set(IEV, KEY_BIT);
    set(IE, KEY_BIT);
    ck_assert(!line.level);
    lull_pl061_press(gpio, KEY);
    ck_assert(line.level);
    set(IC, KEY_BIT); /* a level does not go away by being told to */
    ck_assert(line.level);
    set(IE, 0);
    ck_assert(!line.level);
    ck_assert_uint_eq(get(RIS), KEY_BIT);
}
END_TEST

static unsigned changes;

static void count_changes(void *opaque, unsigned number, bool level)
{
    if (level && ++changes == 2)
        lull_loop_quit(loop);
}

/* Down and up are two edges, and the loop brings the second. */
START_TEST(the_key_comes_up_again)
{
    struct lull_pl061_config config = {
        .gpa = 0x09030000, .irq = {.set = count_changes}, .loop = loop};

    lull_pl061_free(gpio);
    gpio = lull_pl061_new(&config);
    changes = 0;
    set(IBE, KEY_BIT);
    set(IE, KEY_BIT);
    ck_assert(lull_pl061_press(gpio, KEY));
    ck_assert_uint_eq(changes, 1);
    lull_loop_run(loop);
    ck_assert_uint_eq(get(ALL), 0);
    ck_assert_uint_eq(get(MIS), KEY_BIT);
}
END_TEST

START_TEST(a_reset_lets_go)
{
    set(IBE, KEY_BIT);
    set(IE, KEY_BIT);
    lull_pl061_press(gpio, KEY);
    lull_pl061_reset(gpio);
    ck_assert(!line.level);
    ck_assert_uint_eq(get(ALL), 0);
    ck_assert_uint_eq(get(RIS), 0);
    ck_assert_uint_eq(get(IE), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("pl061");
    TCase *tc = tcase_create("pl061");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, who_it_is);
    tcase_add_test(tc, the_address_is_a_mask);
    tcase_add_test(tc, nobody_listens);
    tcase_add_test(tc, a_rising_edge);
    tcase_add_test(tc, a_falling_edge_only);
    tcase_add_test(tc, a_level);
    tcase_add_test(tc, the_key_comes_up_again);
    tcase_add_test(tc, a_reset_lets_go);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
