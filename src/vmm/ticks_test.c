/*
 * Ticks to nanoseconds: exact, rounded up, and right at the ends.
 */
#include "ticks.h"

#include <mach/mach_time.h>

#include "lull/idle.h"
#include "test_main.h"

/* Apple silicon's rate: 24 MHz, 125/3. */
static const struct ticks mhz24 = {125, 3, 0};

START_TEST(rounds_up_and_never_down)
{
    uint64_t i;

    ck_assert_uint_eq(ticks_to_ns(&mhz24, 0), 0);
    ck_assert_uint_eq(ticks_to_ns(&mhz24, 1), 42);
    ck_assert_uint_eq(ticks_to_ns(&mhz24, 2), 84);
    ck_assert_uint_eq(ticks_to_ns(&mhz24, 3), 125);
    ck_assert_uint_eq(ticks_to_ns(&mhz24, 24000000), 1000000000);
    for (i = 1; i < 1000; i++) {
        uint64_t ns = ticks_to_ns(&mhz24, i);

        ck_assert_uint_ge(ns * 3, i * 125);
        ck_assert_uint_lt((ns - 1) * 3, i * 125);
    }
}
END_TEST

START_TEST(does_not_lose_precision_over_years)
{
    /* 2^57 ticks are 190 years; multiplied by 125 they do not fit 64 bits. */
    ck_assert_uint_eq(ticks_to_ns(&mhz24, 1ULL << 57),
                      (uint64_t)(((unsigned __int128)1 << 57) * 125 / 3) + 1);
    ck_assert_uint_lt(ticks_to_ns(&mhz24, UINT64_MAX), IDLE_NO_DEADLINE);
}
END_TEST

START_TEST(respects_the_distance_of_the_zeros)
{
    const struct ticks later = {125, 3, 1000};
    const struct ticks earlier = {125, 3, -1000};
    const struct ticks end = {1, 1, INT64_MAX};

    ck_assert_uint_eq(ticks_to_ns(&later, 3), 1125);
    ck_assert_uint_eq(ticks_to_ns(&earlier, 24), 0);
    ck_assert_uint_eq(ticks_to_ns(&earlier, 48), 1000);
    ck_assert_uint_lt(ticks_to_ns(&end, UINT64_MAX), IDLE_NO_DEADLINE);
}
END_TEST

START_TEST(deadline_needs_an_enabled_unmasked_timer)
{
    ck_assert_uint_eq(ticks_deadline(&mhz24, 100, 0, 0, 50), IDLE_NO_DEADLINE);
    ck_assert_uint_eq(ticks_deadline(&mhz24, 100, 0, 3, 50), IDLE_NO_DEADLINE);
    ck_assert_uint_eq(ticks_deadline(&mhz24, 100, 0, 2, 50), IDLE_NO_DEADLINE);
    ck_assert_uint_eq(ticks_deadline(&mhz24, 240, 0, 5, 240), 10000);
    ck_assert_uint_eq(ticks_deadline(&mhz24, 240, 0, 1, 480), 20000);
}
END_TEST

START_TEST(deadline_follows_the_offset)
{
    /* The guest's counter is at 40, its timer set to 64: 24 ticks to go. */
    ck_assert_uint_eq(ticks_deadline(&mhz24, 240, 200, 1, 64), 11000);
    /* An offset beyond the host's count: the guest's counter is past 2^63. */
    ck_assert_uint_eq(ticks_deadline(&mhz24, 240, 480, 1, UINT64_MAX - 239),
                      10000);
    ck_assert_uint_eq(ticks_deadline(&mhz24, 240, 480, 1, UINT64_MAX - 215),
                      11000);
}
END_TEST

START_TEST(deadline_beyond_the_end_of_time_is_none)
{
    ck_assert_uint_eq(ticks_deadline(&mhz24, 240, 0, 1, UINT64_MAX), INT64_MAX);
    ck_assert_uint_eq(ticks_deadline(&mhz24, 240, 100, 1, UINT64_MAX),
                      IDLE_NO_DEADLINE);
}
END_TEST

/* The two clocks never drift and never disagree about the order of events:
 * a tick seen between two readings lies between them, or just behind. */
START_TEST(the_hosts_clocks_agree)
{
    struct ticks ticks;
    int i;

    ticks_init(&ticks);
    for (i = 0; i < 1000; i++) {
        uint64_t before = idle_now_ns();
        uint64_t ns = ticks_to_ns(&ticks, mach_absolute_time() + 1);

        ck_assert_uint_ge(ns, before);
    }
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        rounds_up_and_never_down,
        does_not_lose_precision_over_years,
        respects_the_distance_of_the_zeros,
        deadline_needs_an_enabled_unmasked_timer,
        deadline_follows_the_offset,
        deadline_beyond_the_end_of_time_is_none,
        the_hosts_clocks_agree,
    };

    return test_main("ticks", tests, COUNT_OF(tests));
}
