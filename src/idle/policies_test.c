/*
 * The policies that `park` is compared with, with time handed in: each held
 * against its definition, every threshold from both sides.
 */
#include "governor.h"
#include "testing/suite.h"

#include <string.h>

#define US 1000ULL
#define MS 1000000ULL
#define SECOND 1000000000ULL
#define BIRTH (1000 * SECOND)

static const struct gov_host host = {.guess_divisor = 1};

static struct gov gov;
static uint64_t now_ns;

static struct idle_policy parsed(const char *text)
{
    struct idle_policy policy;
    char err[200];

    ck_assert_msg(idle_policy_parse(text, &policy, err, sizeof(err)), "%s",
                  err);
    return policy;
}

static void use(const char *text)
{
    struct idle_policy policy = parsed(text);

    now_ns = BIRTH;
    gov_init(&gov, &host, &policy, now_ns);
}

/* A WFI now; its sleep, if any, takes exactly as long as asked. */
static struct gov_step wfi_until(uint64_t deadline)
{
    struct gov_step step;

    gov_begin(&gov, now_ns);
    step = gov_select(&gov, now_ns, deadline);
    if (step.act == GOV_SLEEP) {
        uint64_t began = now_ns;

        now_ns = step.until_ns;
        gov_reflect(&gov, &step, began, now_ns, GOV_TIME);
        gov_finish(&gov, now_ns - began, GOV_BY_OTHER);
    }
    return step;
}

static struct gov_step wfi(void)
{
    return wfi_until(now_ns + 10 * MS);
}

/* How long a WFI now sleeps. */
static uint64_t slept(void)
{
    uint64_t began = now_ns;
    struct gov_step step = wfi();

    ck_assert(step.act == GOV_RETURN || step.act == GOV_SLEEP);
    return step.act == GOV_SLEEP ? step.until_ns - began : 0;
}

static uint64_t slept_after(uint64_t gap)
{
    now_ns += gap;
    return slept();
}

static void pending(void)
{
    gov_begin(&gov, now_ns);
    gov_pending(&gov, now_ns);
}

/* pselect */

START_TEST(pselect_returns_under_2_ms)
{
    struct gov_step step;

    use("pselect");
    ck_assert_int_eq(wfi_until(now_ns + 2 * MS - 1).act, GOV_RETURN);
    step = wfi_until(now_ns + 2 * MS);
    ck_assert_int_eq(step.act, GOV_PARK);
    ck_assert_uint_eq(step.until_ns, now_ns + 2 * MS);
    step = wfi_until(IDLE_NO_DEADLINE);
    ck_assert_int_eq(step.act, GOV_PARK);
    ck_assert_uint_eq(step.until_ns, IDLE_NO_DEADLINE);
}
END_TEST

/* nodeadline */

START_TEST(nodeadline_forgets_the_deadline)
{
    struct gov_step step;

    use("nodeadline");
    step = wfi_until(now_ns + 1);
    ck_assert_int_eq(step.act, GOV_PARK);
    ck_assert_uint_eq(step.until_ns, IDLE_NO_DEADLINE);
}
END_TEST

/* haltpoll */

/* The window for which the next WFI polls; 0 for none. Leaves the period
 * unfinished, as far as learning goes. */
static uint64_t window(void)
{
    struct gov_step step;

    gov_begin(&gov, now_ns);
    step = gov_select(&gov, now_ns, now_ns + 10 * MS);
    if (step.act == GOV_PARK) {
        ck_assert_uint_eq(step.until_ns, now_ns + 10 * MS);
        return 0;
    }
    ck_assert_int_eq(step.act, GOV_POLL);
    /* Polling is done once, then it sleeps. */
    ck_assert_int_eq(gov_select(&gov, now_ns, now_ns + 10 * MS).act, GOV_PARK);
    return step.until_ns - now_ns;
}

START_TEST(haltpoll_grows_by_doubling_to_its_ceiling)
{
    static const uint64_t windows[] = {0,        10 * US,  20 * US,  40 * US,
                                       80 * US,  160 * US, 320 * US, 500 * US,
                                       500 * US, 500 * US};

    use("haltpoll");
    for (unsigned i = 0; i < sizeof(windows) / sizeof(windows[0]); i++) {
        ck_assert_uint_eq(window(), windows[i]);
        gov_finish(&gov, 499 * US, i % 2 ? GOV_BY_KICK : GOV_BY_DEADLINE);
    }
}
END_TEST

START_TEST(haltpoll_keeps_a_window_that_hits)
{
    use("haltpoll");
    gov_finish(&gov, 100 * US, GOV_BY_KICK);
    gov_finish(&gov, 100 * US, GOV_BY_KICK);
    ck_assert_uint_eq(window(), 20 * US);
    gov_finish(&gov, 20 * US, GOV_BY_KICK); /* at its edge: a hit */
    ck_assert_uint_eq(window(), 20 * US);
    gov_finish(&gov, 0, GOV_BY_KICK);
    ck_assert_uint_eq(window(), 20 * US);
    gov_finish(&gov, 20 * US + 1, GOV_BY_KICK); /* and just missed */
    ck_assert_uint_eq(window(), 40 * US);
}
END_TEST

START_TEST(haltpoll_is_neutral_at_the_ceiling)
{
    use("haltpoll");
    gov_finish(&gov, 500 * US, GOV_BY_KICK);
    ck_assert_uint_eq(window(), 0);
    gov_finish(&gov, 500 * US - 1, GOV_BY_KICK);
    ck_assert_uint_eq(window(), 10 * US);
    gov_finish(&gov, 500 * US, GOV_BY_KICK);
    ck_assert_uint_eq(window(), 10 * US);
}
END_TEST

START_TEST(haltpoll_shrinks_on_a_miss)
{
    static const uint64_t windows[] = {40 * US, 20 * US, 10 * US, 0, 0};

    use("haltpoll");
    for (unsigned i = 0; i < 3; i++)
        gov_finish(&gov, 300 * US, GOV_BY_KICK);
    for (unsigned i = 0; i < 5; i++) {
        ck_assert_uint_eq(window(), windows[i]);
        gov_finish(&gov, 500 * US + 1, GOV_BY_KICK);
    }
}
END_TEST

START_TEST(haltpoll_shrinks_for_what_is_no_interrupt)
{
    use("haltpoll");
    for (unsigned i = 0; i < 3; i++)
        gov_finish(&gov, 300 * US, GOV_BY_KICK);
    gov_finish(&gov, 1, GOV_BY_OTHER);
    ck_assert_uint_eq(window(), 20 * US);
}
END_TEST

/* No window between nothing and the start: 500 halves to 15.6, then to 0. */
START_TEST(haltpoll_has_no_tiny_window)
{
    uint64_t last = 0;

    use("haltpoll");
    for (unsigned i = 0; i < 20; i++)
        gov_finish(&gov, 499 * US + 999, GOV_BY_KICK);
    for (unsigned i = 0; i < 20; i++) {
        gov_finish(&gov, SECOND, GOV_BY_DEADLINE);
        if (window())
            last = window();
    }
    ck_assert_uint_eq(last, 15625);
    ck_assert_uint_eq(window(), 0);
}
END_TEST

START_TEST(haltpoll_stops_at_the_deadline)
{
    struct gov_step step;

    use("haltpoll");
    for (unsigned i = 0; i < 3; i++)
        gov_finish(&gov, 300 * US, GOV_BY_KICK);
    gov_begin(&gov, now_ns);
    step = gov_select(&gov, now_ns, now_ns + 7 * US);
    ck_assert_int_eq(step.act, GOV_POLL);
    ck_assert_uint_eq(step.until_ns, now_ns + 7 * US);
}
END_TEST

/* sleep */

START_TEST(sleep_begins_after_15_s)
{
    use("sleep");
    ck_assert_uint_eq(slept(), 0);
    now_ns = BIRTH + 15 * SECOND - 1;
    ck_assert_uint_eq(slept(), 0);
    now_ns = BIRTH + 15 * SECOND;
    ck_assert_uint_eq(slept(), 100 * US);
    /* Every one, whatever came before, and beyond its deadline. */
    ck_assert_uint_eq(slept_after(SECOND), 100 * US);
    pending();
    ck_assert_uint_eq(slept_after(0), 100 * US);
    ck_assert_int_eq(wfi_until(now_ns + 1).act, GOV_SLEEP);
}
END_TEST

START_TEST(sleep_takes_its_length)
{
    use("sleep,us=7");
    now_ns += 15 * SECOND;
    ck_assert_uint_eq(slept(), 7 * US);
}
END_TEST

/* rate */

/* `n` WFIs spread over the second that begins now. */
static uint64_t second_of(unsigned n)
{
    uint64_t began = now_ns, sum = 0;

    for (unsigned i = 0; i < n; i++) {
        now_ns = began + i * (SECOND / n);
        sum += slept();
    }
    now_ns = began + SECOND;
    return sum;
}

START_TEST(rate_needs_three_seconds_over_500)
{
    use("rate");
    now_ns += 20 * SECOND;
    ck_assert_uint_eq(second_of(501), 0);
    ck_assert_uint_eq(second_of(501), 0);
    ck_assert_uint_eq(second_of(501), 0);
    ck_assert_uint_eq(second_of(501), 501 * 100 * US);
}
END_TEST

START_TEST(rate_of_500_is_not_enough)
{
    use("rate");
    now_ns += 20 * SECOND;
    for (unsigned i = 0; i < 10; i++)
        ck_assert_uint_eq(second_of(500), 0);
}
END_TEST

START_TEST(rate_seconds_must_be_in_a_row)
{
    use("rate");
    now_ns += 20 * SECOND;
    for (unsigned i = 0; i < 10; i++) {
        ck_assert_uint_eq(second_of(501), 0);
        ck_assert_uint_eq(second_of(501), 0);
        ck_assert_uint_eq(second_of(500), 0);
    }
}
END_TEST

START_TEST(rate_ends_with_a_quiet_second)
{
    use("rate");
    now_ns += 20 * SECOND;
    for (unsigned i = 0; i < 3; i++)
        second_of(501);
    /* It is quiet in hindsight. */
    ck_assert_uint_gt(second_of(500), 0);
    ck_assert_uint_eq(second_of(501), 0);
}
END_TEST

START_TEST(rate_ends_with_an_empty_second)
{
    use("rate");
    now_ns += 20 * SECOND;
    for (unsigned i = 0; i < 4; i++)
        second_of(501);
    now_ns += SECOND;
    ck_assert_uint_eq(slept(), 0);
}
END_TEST

/* A second is 1 s to the nanosecond; the next begins where it ends. */
START_TEST(rate_counts_by_the_second)
{
    use("rate");
    now_ns += 20 * SECOND;
    for (unsigned i = 0; i < 3; i++) {
        uint64_t began = now_ns;

        for (unsigned n = 0; n < 500; n++)
            ck_assert_uint_eq(slept(), 0);
        now_ns = began + SECOND - 1;
        ck_assert_uint_eq(slept(), 0); /* the one too many, just in time */
        now_ns = began + SECOND;
    }
    ck_assert_uint_eq(slept(), 100 * US);
    use("rate");
    now_ns += 20 * SECOND;
    for (unsigned i = 0; i < 3; i++) {
        for (unsigned n = 0; n < 500; n++)
            ck_assert_uint_eq(slept(), 0);
        now_ns += SECOND; /* the 501st is of the next */
    }
    ck_assert_uint_eq(slept(), 0);
}
END_TEST

/* The row survives a gap of less than two seconds, from its second's start. */
START_TEST(rate_row_ends_after_two_seconds)
{
    for (unsigned late = 0; late < 2; late++) {
        use("rate");
        now_ns += 20 * SECOND;
        for (unsigned i = 0; i < 3; i++)
            second_of(501);
        now_ns += SECOND - 1 + late;
        ck_assert_uint_eq(slept(), late ? 0 : 100 * US);
    }
}
END_TEST

START_TEST(rate_begins_after_10_s)
{
    use("rate");
    for (unsigned i = 0; i < 10; i++)
        ck_assert_uint_eq(second_of(501), 0);
    ck_assert_uint_eq(now_ns, BIRTH + 10 * SECOND);
    now_ns--;
    ck_assert_uint_eq(slept(), 0);
    now_ns = BIRTH + 10 * SECOND;
    ck_assert_uint_eq(slept(), 100 * US);
}
END_TEST

/* ladder */

/* The ladder after the grace, its row at `row`. */
static void ladder_at(unsigned row, const char *text)
{
    use(text);
    now_ns += 15 * SECOND;
    slept(); /* the first of a row: 0 before it */
    for (unsigned i = 0; i < row; i++)
        slept_after(US);
}

static const struct {
    unsigned row;
    uint64_t sleep_us;
} rungs[] = {{1, 0},    {50, 0},   {51, 10},  {100, 10},  {101, 25},
             {200, 25}, {201, 50}, {500, 50}, {501, 100}, {5000, 100}};

START_TEST(ladder_has_these_steps)
{
    ladder_at(rungs[_i].row - 1, "ladder");
    ck_assert_uint_eq(slept_after(US), rungs[_i].sleep_us * US);
}
END_TEST

START_TEST(ladder_scales_with_its_setting)
{
    static const uint64_t settings[] = {50, 200, 1, 1000000};
    static const char *const texts[] = {"ladder,us=50", "ladder,us=200",
                                        "ladder,us=1", "ladder,us=1000000"};

    ladder_at(rungs[_i].row - 1, texts[_i % 4]);
    ck_assert_uint_eq(slept_after(US),
                      rungs[_i].sleep_us * settings[_i % 4] * 10);
}
END_TEST

START_TEST(ladder_begins_after_15_s)
{
    uint64_t sum = 0;

    use("ladder");
    /* Thousands in a row before it count for nothing. */
    for (now_ns = BIRTH + 14 * SECOND; now_ns < BIRTH + 15 * SECOND;
         now_ns += 100 * US)
        sum += slept();
    ck_assert_uint_eq(sum, 0);
    now_ns = BIRTH + 15 * SECOND - 1;
    ck_assert_uint_eq(slept(), 0);
    for (unsigned i = 0; i < 50; i++)
        ck_assert_uint_eq(slept_after(1), 0);
    ck_assert_uint_eq(slept_after(1), 10 * US);
}
END_TEST

START_TEST(ladder_row_ends_with_a_gap_over_1_ms)
{
    ladder_at(1000, "ladder");
    ck_assert_uint_eq(slept_after(1 * MS), 100 * US);
    ck_assert_uint_eq(slept_after(1 * MS + 1), 0);
    for (unsigned i = 1; i <= 50; i++)
        ck_assert_uint_eq(slept_after(1 * MS), 0);
    ck_assert_uint_eq(slept_after(1 * MS), 10 * US);
}
END_TEST

START_TEST(ladder_row_ends_with_pending_work)
{
    ladder_at(1000, "ladder");
    pending();
    for (unsigned i = 1; i <= 50; i++)
        ck_assert_uint_eq(slept_after(US), 0);
    ck_assert_uint_eq(slept_after(US), 10 * US);
}
END_TEST

/* In the grace pending work and rows are the same: nothing. */
START_TEST(ladder_grace_ends_a_row)
{
    use("ladder,us=10");
    now_ns = BIRTH + 15 * SECOND - 60 * US;
    for (unsigned i = 0; i < 59; i++)
        ck_assert_uint_eq(slept_after(US), 0);
    now_ns = BIRTH + 15 * SECOND;
    for (unsigned i = 0; i < 50; i++)
        ck_assert_uint_eq(slept(), 0);
    ck_assert_uint_eq(slept(), 1 * US);
}
END_TEST

/* A sleep that a busy host stretched is no gap of the guest's. */
START_TEST(ladder_row_survives_its_own_sleep)
{
    struct gov_step step;
    uint64_t began;

    ladder_at(1000, "ladder");
    now_ns += US;
    began = now_ns;
    gov_begin(&gov, now_ns);
    step = gov_select(&gov, now_ns, now_ns + MS);
    now_ns = step.until_ns + 20 * MS;
    gov_reflect(&gov, &step, began, now_ns, GOV_TIME);
    ck_assert_uint_eq(slept_after(US), 100 * US);
}
END_TEST

START_TEST(ladder_says_its_two_lines)
{
    struct idle_policy policy = parsed("ladder,us=50");
    char line[128] = "";

    ck_assert(idle_policy_announce(&policy, false, line, sizeof(line)));
    ck_assert_str_eq(line, "HVF: WFI adaptive sleep: max 50 \u03bcs (activates "
                           "after 15s, requires sustained idle)");
    ck_assert(idle_policy_announce(&policy, true, line, sizeof(line)));
    ck_assert_str_eq(line,
                     "HVF: WFI sleep NOW ACTIVE (adaptive: 5 -> 50 \u03bcs)");
}
END_TEST

START_TEST(the_others_say_nothing)
{
    for (const struct gov_policy *const *p = gov_policies; *p; p++) {
        struct idle_policy policy = parsed((*p)->name);
        char line[128] = "untouched";

        if (strcmp((*p)->name, "ladder") == 0)
            continue;
        ck_assert(!idle_policy_announce(&policy, true, line, sizeof(line)));
        ck_assert(!idle_policy_announce(&policy, false, line, sizeof(line)));
        ck_assert_str_eq(line, "untouched");
    }
}
END_TEST

/* score */

/* The score after the first WFI, which comes after a gap, is 0; `n` more. */
static void score_at(unsigned points)
{
    use("score");
    slept();
    for (unsigned i = 0; i < points; i++)
        slept_after(US);
    ck_assert_uint_eq(gov.state.score.points, points < 500 ? points : 500);
}

/* Idle without a pause, until it has been so for `ns`. */
static void idle_for(uint64_t since, uint64_t ns)
{
    for (now_ns += MS; now_ns < since + ns; now_ns += MS)
        slept();
    now_ns = since + ns;
}

static const struct {
    uint64_t seconds;
    uint64_t sleep_us;
} scores[] = {{5, 10}, {10, 25}, {20, 50}, {30, 100}, {300, 100}};

START_TEST(score_sleeps_by_how_long_it_is_idle)
{
    uint64_t since, before = _i ? scores[_i - 1].sleep_us : 0;

    score_at(201);
    since = now_ns;
    idle_for(since, scores[_i].seconds * SECOND - 1);
    ck_assert_uint_eq(slept(), _i < 4 ? before * US : 100 * US);
    now_ns = since + scores[_i].seconds * SECOND;
    ck_assert_uint_eq(slept(), scores[_i].sleep_us * US);
}
END_TEST

START_TEST(score_is_capped)
{
    score_at(1000);
    ck_assert_uint_eq(gov.state.score.points, 500);
}
END_TEST

START_TEST(score_of_200_is_not_idle)
{
    score_at(500);
    idle_for(now_ns, 60 * SECOND);
    ck_assert_uint_gt(slept(), 0);
    for (unsigned i = 0; i < 3; i++)
        pending(); /* 500 - 300 = 200 */
    ck_assert_uint_eq(gov.state.score.points, 200);
    now_ns += 100 * US;
    gov_begin(&gov, now_ns);
    /* One point more makes 201: idle again, but only just. */
    ck_assert_uint_eq(slept(), 0);
    ck_assert_uint_eq(gov.state.score.points, 201);
}
END_TEST

START_TEST(score_outlives_a_little_work)
{
    score_at(500);
    idle_for(now_ns, 60 * SECOND);
    slept();
    pending();
    pending();
    ck_assert_uint_eq(gov.state.score.points, 300);
    ck_assert_uint_eq(slept_after(US), 100 * US);
}
END_TEST

START_TEST(score_loses_150_for_a_gap)
{
    score_at(500);
    slept_after(2 * MS);
    ck_assert_uint_eq(gov.state.score.points, 500);
    slept_after(2 * MS + 1);
    ck_assert_uint_eq(gov.state.score.points, 350);
    slept_after(2 * MS + 1);
    ck_assert_uint_eq(gov.state.score.points, 200);
    slept_after(2 * MS + 1);
    slept_after(2 * MS + 1);
    ck_assert_uint_eq(gov.state.score.points, 0);
}
END_TEST

/* Idle for a minute, and then at 200 exactly: not idle any more. */
START_TEST(score_of_200_does_not_sleep)
{
    score_at(500);
    idle_for(now_ns, 60 * SECOND);
    slept();
    ck_assert_uint_eq(slept_after(2 * MS + 1), 100 * US);
    ck_assert_uint_eq(slept_after(2 * MS + 1), 0);
    ck_assert_uint_eq(gov.state.score.points, 200);
}
END_TEST

/* The idleness begins anew when the score has been at 200: 5 s of it again. */
START_TEST(score_counts_idleness_from_above_200)
{
    uint64_t since;

    score_at(500);
    idle_for(now_ns, 60 * SECOND);
    for (unsigned i = 0; i < 3; i++)
        pending();
    ck_assert_uint_eq(slept_after(US), 0); /* 201 */
    since = now_ns;
    idle_for(since, 5 * SECOND - 1);
    ck_assert_uint_eq(slept(), 0);
    now_ns = since + 5 * SECOND;
    ck_assert_uint_eq(slept(), 10 * US);
}
END_TEST

START_TEST(score_gains_one_and_loses_a_hundred)
{
    score_at(150);
    slept_after(US);
    ck_assert_uint_eq(gov.state.score.points, 151);
    pending();
    ck_assert_uint_eq(gov.state.score.points, 51);
}
END_TEST

START_TEST(score_does_not_go_below_nothing)
{
    score_at(99);
    pending();
    ck_assert_uint_eq(gov.state.score.points, 0);
}
END_TEST

/* Chosen anew, a policy starts from nothing; the machine's age stays. */
START_TEST(a_policy_starts_afresh)
{
    struct idle_policy ladder = parsed("ladder"), halt = parsed("halt");

    ladder_at(1000, "ladder");
    gov_set_policy(&gov, &halt);
    gov_set_policy(&gov, &ladder);
    for (unsigned i = 1; i <= 50; i++)
        ck_assert_uint_eq(slept_after(US), 0);
    ck_assert_uint_eq(slept_after(US), 10 * US);
}
END_TEST

static TCase *kept(void)
{
    TCase *tc = tcase_create("what others do");

    tcase_add_test(tc, pselect_returns_under_2_ms);
    tcase_add_test(tc, nodeadline_forgets_the_deadline);
    tcase_add_test(tc, haltpoll_grows_by_doubling_to_its_ceiling);
    tcase_add_test(tc, haltpoll_keeps_a_window_that_hits);
    tcase_add_test(tc, haltpoll_is_neutral_at_the_ceiling);
    tcase_add_test(tc, haltpoll_shrinks_on_a_miss);
    tcase_add_test(tc, haltpoll_shrinks_for_what_is_no_interrupt);
    tcase_add_test(tc, haltpoll_has_no_tiny_window);
    tcase_add_test(tc, haltpoll_stops_at_the_deadline);
    return tc;
}

static TCase *sleepers(void)
{
    TCase *tc = tcase_create("sleepers");

    tcase_add_test(tc, sleep_begins_after_15_s);
    tcase_add_test(tc, sleep_takes_its_length);
    tcase_add_test(tc, rate_needs_three_seconds_over_500);
    tcase_add_test(tc, rate_of_500_is_not_enough);
    tcase_add_test(tc, rate_seconds_must_be_in_a_row);
    tcase_add_test(tc, rate_ends_with_a_quiet_second);
    tcase_add_test(tc, rate_ends_with_an_empty_second);
    tcase_add_test(tc, rate_counts_by_the_second);
    tcase_add_test(tc, rate_row_ends_after_two_seconds);
    tcase_add_test(tc, rate_begins_after_10_s);
    tcase_add_loop_test(tc, ladder_has_these_steps, 0,
                        sizeof(rungs) / sizeof(rungs[0]));
    tcase_add_loop_test(tc, ladder_scales_with_its_setting, 0,
                        sizeof(rungs) / sizeof(rungs[0]));
    tcase_add_test(tc, ladder_begins_after_15_s);
    tcase_add_test(tc, ladder_row_ends_with_a_gap_over_1_ms);
    tcase_add_test(tc, ladder_row_ends_with_pending_work);
    tcase_add_test(tc, ladder_grace_ends_a_row);
    tcase_add_test(tc, ladder_row_survives_its_own_sleep);
    tcase_add_test(tc, ladder_says_its_two_lines);
    tcase_add_test(tc, the_others_say_nothing);
    tcase_add_loop_test(tc, score_sleeps_by_how_long_it_is_idle, 0,
                        sizeof(scores) / sizeof(scores[0]));
    tcase_add_test(tc, score_is_capped);
    tcase_add_test(tc, score_of_200_is_not_idle);
    tcase_add_test(tc, score_outlives_a_little_work);
    tcase_add_test(tc, score_loses_150_for_a_gap);
    tcase_add_test(tc, score_of_200_does_not_sleep);
    tcase_add_test(tc, score_counts_idleness_from_above_200);
    tcase_add_test(tc, score_gains_one_and_loses_a_hundred);
    tcase_add_test(tc, score_does_not_go_below_nothing);
    tcase_add_test(tc, a_policy_starts_afresh);
    return tc;
}

int main(void)
{
    Suite *suite = suite_create("policies");

    suite_add_tcase(suite, kept());
    suite_add_tcase(suite, sleepers());
    return run_suite(suite);
}
