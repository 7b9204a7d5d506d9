/*
 * The governor, with time handed in: what each policy decides, what margins
 * and budget do over hours that pass in a millisecond, how a policy is
 * written, and when the fallback is taken.
 */
#include "governor.h"
#include "rung.h"
#include "testing/suite.h"

#include <stdlib.h>
#include <string.h>

#define US 1000ULL
#define MS 1000000ULL
#define SECOND 1000000000ULL

static const struct gov_host host = {
    .margin_cap_ns = 400 * US,
    .outlier_ns = 1 * MS,
    .guess_ns = 20 * US,
    .guess_divisor = 256,
    .guess_max_ns = 60 * US,
    .park_cost_ns = 20 * US,
    .wake_delay_ns = 25 * US,
};

static struct gov gov;
static uint64_t now_ns;

static void use(const char *text)
{
    struct idle_policy policy;
    char err[200];

    ck_assert_msg(idle_policy_parse(text, &policy, err, sizeof(err)), "%s",
                  err);
    now_ns = 1000 * SECOND;
    gov_init(&gov, &host, &policy, now_ns);
}

/* The same numbers in every run. */
static uint32_t random_below(uint32_t n)
{
    static uint64_t state = 1;

    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    return (uint32_t)(state >> 33) % n;
}

static struct gov_step select_at(uint64_t deadline)
{
    gov_begin(&gov, now_ns);
    return gov_select(&gov, now_ns, deadline);
}

/* Spin or poll for `ns`, so that the budget loses them. */
static void burn(uint64_t ns)
{
    struct gov_step step = {GOV_SPIN, now_ns + ns};

    gov_reflect(&gov, &step, now_ns, now_ns + ns, GOV_TIME);
    now_ns += ns;
}

/* One idle period whose sleeps are late as `late` says; returns how much of it
 * was spun, and leaves now_ns at its end. */
static uint64_t idle_until(uint64_t deadline, uint64_t (*late)(void))
{
    uint64_t began = now_ns, spun = 0;

    gov_begin(&gov, now_ns);
    while (now_ns < deadline) {
        struct gov_step step = gov_select(&gov, now_ns, deadline);
        uint64_t ended;

        ck_assert_uint_gt(step.until_ns, now_ns);
        ended = step.until_ns + (step.act == GOV_PARK ? late() : 0);
        if (step.act != GOV_PARK)
            spun += ended - now_ns;
        gov_reflect(&gov, &step, now_ns, ended, GOV_TIME);
        now_ns = ended;
    }
    gov_finish(&gov, now_ns - began, GOV_BY_DEADLINE);
    return spun;
}

static uint64_t late_30_to_80(void)
{
    return (30 + random_below(51)) * US;
}

static uint64_t late_nothing(void)
{
    return 0;
}

/* Margins. */

START_TEST(margin_rests_where_four_in_ten_are_late)
{
    unsigned late = 0, n = 20000;

    use("park");
    for (unsigned i = 0; i < n; i++)
        gov_learn_margin(&gov, 1 * MS, late_30_to_80());
    for (unsigned i = 0; i < n; i++) {
        uint64_t sample = late_30_to_80();

        late += sample > gov_margin(&gov, 1 * MS);
        gov_learn_margin(&gov, 1 * MS, sample);
    }
    ck_assert_uint_gt(late, n * 37 / 100);
    ck_assert_uint_lt(late, n * 43 / 100);
    ck_assert_uint_gt(gov_margin(&gov, 1 * MS), 55 * US);
    ck_assert_uint_lt(gov_margin(&gov, 1 * MS), 66 * US);
}
END_TEST

START_TEST(margin_comes_down_again)
{
    use("park");
    for (unsigned i = 0; i < 1000; i++)
        gov_learn_margin(&gov, 1 * MS, 200 * US);
    ck_assert_uint_gt(gov_margin(&gov, 1 * MS), 198 * US);
    for (unsigned i = 0; i < 1000; i++)
        gov_learn_margin(&gov, 1 * MS, 10 * US);
    ck_assert_uint_lt(gov_margin(&gov, 1 * MS), 13 * US);
    for (unsigned i = 0; i < 1000; i++)
        gov_learn_margin(&gov, 1 * MS, 0);
    ck_assert_uint_eq(gov_margin(&gov, 1 * MS), 0);
}
END_TEST

START_TEST(outliers_teach_nothing)
{
    uint64_t before;

    use("park");
    before = gov_margin(&gov, 1 * MS);
    for (unsigned i = 0; i < 1000; i++)
        gov_learn_margin(&gov, 1 * MS, host.outlier_ns + 1 + i * MS);
    ck_assert_uint_eq(gov_margin(&gov, 1 * MS), before);
}
END_TEST

START_TEST(margin_has_a_cap)
{
    use("park");
    for (unsigned i = 0; i < 10000; i++)
        gov_learn_margin(&gov, 1 * MS, 900 * US);
    ck_assert_uint_eq(gov_margin(&gov, 1 * MS), host.margin_cap_ns);
}
END_TEST

START_TEST(each_horizon_has_its_own_margin)
{
    uint64_t other;

    use("park");
    other = gov_margin(&gov, 100 * MS);
    for (unsigned i = 0; i < 1000; i++)
        gov_learn_margin(&gov, 100 * US, 300 * US);
    ck_assert_uint_eq(gov_margin(&gov, 100 * MS), other);
    ck_assert_uint_gt(gov_margin(&gov, 100 * US), 290 * US);
}
END_TEST

START_TEST(first_guess_grows_with_the_horizon)
{
    use("park");
    ck_assert_uint_ge(gov_margin(&gov, 50 * US), host.guess_ns);
    ck_assert_uint_gt(gov_margin(&gov, 4 * MS), gov_margin(&gov, 50 * US));
    ck_assert_uint_eq(gov_margin(&gov, UINT64_MAX), host.guess_max_ns);
}
END_TEST

START_TEST(a_kick_teaches_no_lateness)
{
    struct gov_step step;
    uint64_t before;

    use("park");
    before = gov_margin(&gov, 10 * MS);
    step = select_at(now_ns + 10 * MS);
    gov_reflect(&gov, &step, now_ns, step.until_ns + 300 * US, GOV_KICK);
    ck_assert_uint_eq(gov_margin(&gov, 10 * MS), before);
    gov_reflect(&gov, &step, now_ns, step.until_ns + 300 * US, GOV_TIME);
    ck_assert_uint_gt(gov_margin(&gov, 10 * MS), before);
}
END_TEST

START_TEST(buckets_are_powers_of_two)
{
    ck_assert_uint_eq(gov_bucket(0), 0);
    ck_assert_uint_eq(gov_bucket(1), 0);
    ck_assert_uint_eq(gov_bucket(2), 1);
    ck_assert_uint_eq(gov_bucket(1023), 9);
    ck_assert_uint_eq(gov_bucket(1024), 10);
    ck_assert_uint_eq(gov_bucket(UINT64_MAX), IDLE_HIST_BUCKETS - 1);
}
END_TEST

/* The budget. */

static const char *const shares[] = {"park,share=0", "park,share=0.1",
                                     "park,share=2", "park,share=5",
                                     "park,share=100"};

/* Random deadlines, polls and kicks for a minute of guest time: never more
 * spun than the share and the first filling. */
START_TEST(budget_is_never_exceeded)
{
    const char *text = shares[_i];
    struct idle_policy policy;
    uint64_t began, spun = 0;
    char err[200];

    use(text);
    idle_policy_parse(text, &policy, err, sizeof(err));
    policy.poll = true;
    gov_set_policy(&gov, &policy);
    began = now_ns;
    while (now_ns < began + 60 * SECOND) {
        uint64_t allowed,
            next = now_ns + random_below(3) * US + (1ULL << random_below(28));

        spun += idle_until(next, late_30_to_80);
        gov_finish(&gov, 1ULL << random_below(20), GOV_BY_KICK);
        allowed = (now_ns - began) / 1000 * policy.share_permille +
                  policy.share_permille;
        if (policy.share_permille)
            allowed += GOV_BUDGET_CAP_NS;
        ck_assert_uint_le(spun, allowed);
        ck_assert_uint_le(gov.tokens_ns, GOV_BUDGET_CAP_NS);
    }
    ck_assert_uint_eq(spun, gov.spent_ns);
    if (policy.share_permille)
        ck_assert_uint_gt(spun, 0);
}
END_TEST

START_TEST(budget_counts_slow_shares_exactly)
{
    use("park,share=0.1");
    burn(GOV_BUDGET_CAP_NS);
    /* A permille of 300 ns is 0.3 ns: three and a bit make a nanosecond. */
    for (unsigned i = 0; i < 1000; i++) {
        now_ns += 300;
        select_at(IDLE_NO_DEADLINE);
    }
    ck_assert_uint_ge(gov.tokens_ns, 300 + GOV_BUDGET_CAP_NS / 1000 - 1);
    ck_assert_uint_le(gov.tokens_ns, 300 + GOV_BUDGET_CAP_NS / 1000 + 1);
}
END_TEST

START_TEST(budget_charges_what_was_granted)
{
    struct gov_step step;

    use("park");
    step = (struct gov_step){GOV_SPIN, now_ns + 10 * US};
    /* Pre-empted while spinning: the rest of the 5 ms was not burnt. */
    gov_reflect(&gov, &step, now_ns, now_ns + 5 * MS, GOV_TIME);
    ck_assert_uint_eq(gov.spent_ns, 10 * US);
}
END_TEST

START_TEST(clock_that_goes_back_does_no_harm)
{
    use("park");
    burn(GOV_BUDGET_CAP_NS);
    now_ns -= SECOND;
    select_at(now_ns + 1 * MS);
    ck_assert_uint_lt(gov.tokens_ns, GOV_BUDGET_CAP_NS / 10);
}
END_TEST

/* What `park` decides. */

START_TEST(park_sleeps_for_ever_without_a_deadline)
{
    struct gov_step step;

    use("park");
    step = select_at(IDLE_NO_DEADLINE);
    ck_assert_int_eq(step.act, GOV_PARK);
    ck_assert_uint_eq(step.until_ns, IDLE_NO_DEADLINE);
}
END_TEST

START_TEST(park_wakes_a_margin_early_and_spins_the_rest)
{
    uint64_t deadline, margin;
    struct gov_step step;

    use("park");
    deadline = now_ns + 10 * MS;
    margin = gov_margin(&gov, 10 * MS);
    step = select_at(deadline);
    ck_assert_int_eq(step.act, GOV_PARK);
    ck_assert_uint_eq(step.until_ns, deadline - margin);

    now_ns = deadline - margin / 2;
    step = gov_select(&gov, now_ns, deadline);
    ck_assert_int_eq(step.act, GOV_SPIN);
    ck_assert_uint_eq(step.until_ns, deadline);
}
END_TEST

/* A rest of the margin and a sleep's cost is spun for; one more is slept. After
 * a sleep the line is at three sleeps' cost, if that is more. */
START_TEST(park_spins_when_a_sleep_would_not_pay)
{
    uint64_t margin, line = 60 * US;
    struct gov_step step;

    use("park");
    margin = gov_margin(&gov, 40 * US);
    ck_assert_uint_eq(margin, host.guess_ns + 32768 / host.guess_divisor);
    step = select_at(now_ns + margin + host.park_cost_ns);
    ck_assert_int_eq(step.act, GOV_SPIN);
    ck_assert_uint_eq(step.until_ns, now_ns + margin + host.park_cost_ns);
    step = select_at(now_ns + margin + host.park_cost_ns + 1);
    ck_assert_int_eq(step.act, GOV_PARK);
    ck_assert_uint_eq(step.until_ns, now_ns + host.park_cost_ns + 1);

    select_at(now_ns + 10 * MS);
    step = (struct gov_step){GOV_PARK, now_ns + 10 * MS};
    gov_reflect(&gov, &step, now_ns, now_ns, GOV_KICK);
    ck_assert_int_eq(gov_select(&gov, now_ns, now_ns + line).act, GOV_SPIN);
    ck_assert_int_eq(gov_select(&gov, now_ns, now_ns + line + 1).act, GOV_PARK);
}
END_TEST

/* What cannot be spun to the end is not begun. */
START_TEST(park_spins_all_or_nothing)
{
    struct gov_step step;

    use("park");
    burn(GOV_BUDGET_CAP_NS - 15 * US);
    gov.filled_ns = now_ns;
    step = select_at(now_ns + 15 * US);
    ck_assert_int_eq(step.act, GOV_SPIN);
    step = select_at(now_ns + 15 * US + 1);
    ck_assert_int_eq(step.act, GOV_PARK);
    ck_assert_uint_eq(step.until_ns, now_ns + 15 * US + 1);
    ck_assert_uint_eq(gov.denied, 1);
}
END_TEST

/* 3 us a step at the 0.6 quantile, and an outlier from its first nanosecond. */
START_TEST(margin_moves_by_these_steps)
{
    uint64_t margin;

    use("park");
    margin = gov_margin(&gov, 1 * MS);
    gov_learn_margin(&gov, 1 * MS, margin + 1);
    ck_assert_uint_eq(gov_margin(&gov, 1 * MS), margin + 1800);
    gov_learn_margin(&gov, 1 * MS, margin + 1800);
    ck_assert_uint_eq(gov_margin(&gov, 1 * MS), margin + 600);
    gov_learn_margin(&gov, 1 * MS, host.outlier_ns);
    ck_assert_uint_eq(gov_margin(&gov, 1 * MS), margin + 2400);
    gov_learn_margin(&gov, 1 * MS, host.outlier_ns + 1);
    ck_assert_uint_eq(gov_margin(&gov, 1 * MS), margin + 2400);
}
END_TEST

START_TEST(park_without_budget_is_plain)
{
    struct gov_step step;

    use("park,share=0");
    step = select_at(now_ns + 10 * MS);
    ck_assert_int_eq(step.act, GOV_PARK);
    ck_assert_uint_eq(step.until_ns, now_ns + 10 * MS);
    step = select_at(now_ns + 15 * US);
    ck_assert_int_eq(step.act, GOV_PARK);
    ck_assert_uint_eq(step.until_ns, now_ns + 15 * US);
    ck_assert_uint_eq(gov.denied, 2);
}
END_TEST

START_TEST(park_with_little_budget_takes_what_there_is)
{
    struct gov_step step;

    use("park");
    burn(GOV_BUDGET_CAP_NS - 5 * US);
    gov.filled_ns = now_ns; /* nothing refilled meanwhile */
    step = select_at(now_ns + 10 * MS);
    ck_assert_uint_eq(step.until_ns, now_ns + 10 * MS - 5 * US);
    ck_assert_uint_eq(gov.denied, 1);
}
END_TEST

/* A sleep that ends far too early is followed by a shorter sleep, not by a
 * long spin. */
START_TEST(park_sleeps_again_when_much_is_left)
{
    uint64_t deadline, spun;
    struct gov_step step;

    use("park");
    for (unsigned i = 0; i < 1000; i++)
        gov_learn_margin(&gov, 10 * MS, 400 * US);
    deadline = now_ns + 10 * MS;
    step = select_at(deadline);
    now_ns = step.until_ns;
    ck_assert_uint_gt(deadline - now_ns, 390 * US);
    step = gov_select(&gov, now_ns, deadline);
    ck_assert_int_eq(step.act, GOV_PARK);
    spun = idle_until(deadline, late_nothing);
    ck_assert_uint_le(spun, 60 * US);
}
END_TEST

/* A host whose sleep is late by an eighth of its length, as macOS is without
 * our precautions: on time all the same, at a few sleeps and little spinning.
 */
static uint64_t eighth_late;

static uint64_t late_an_eighth(void)
{
    return eighth_late;
}

START_TEST(park_copes_with_lateness_that_grows_with_the_sleep)
{
    static const struct gov_host slow = {1100 * US, 2200 * US, 15 * US, 1024,
                                         40 * US,   20 * US,   25 * US};
    uint64_t late_sum = 0;

    use("park");
    gov.host = &slow;
    for (unsigned i = 0; i < 4000; i++) {
        uint64_t deadline = now_ns + 4 * MS;

        gov_begin(&gov, now_ns);
        while (now_ns < deadline) {
            struct gov_step step = gov_select(&gov, now_ns, deadline);
            uint64_t ended = step.until_ns;

            eighth_late = (ended - now_ns) / 8 + 10 * US;
            ended += step.act == GOV_PARK ? late_an_eighth() : 0;
            gov_reflect(&gov, &step, now_ns, ended, GOV_TIME);
            now_ns = ended;
        }
        if (i >= 2000)
            late_sum += now_ns - deadline;
    }
    ck_assert_uint_lt(late_sum / 2000, 10 * US);
}
END_TEST

START_TEST(park_is_on_time_six_times_in_ten)
{
    unsigned late = 0;

    use("park");
    for (unsigned i = 0; i < 4000; i++) {
        uint64_t deadline = now_ns + 4 * MS;

        idle_until(deadline, late_30_to_80);
        if (i >= 2000)
            late += now_ns > deadline;
    }
    ck_assert_uint_lt(late, 900);
    ck_assert_uint_gt(late, 700);
    ck_assert_uint_eq(gov.denied, 0);
}
END_TEST

/* Polling. */

static void many_kicks_after(uint64_t length)
{
    for (unsigned i = 0; i < GOV_LENGTHS; i++)
        gov_finish(&gov, length, GOV_BY_KICK);
}

START_TEST(poll_is_off_unless_asked_for)
{
    use("park");
    many_kicks_after(15 * US);
    ck_assert_int_eq(select_at(now_ns + 10 * MS).act, GOV_PARK);
}
END_TEST

START_TEST(poll_window_covers_the_kicks_seen)
{
    struct gov_step step;

    use("park,poll");
    ck_assert_int_eq(select_at(now_ns + 10 * MS).act, GOV_PARK);
    many_kicks_after(15 * US);
    step = select_at(now_ns + 10 * MS);
    ck_assert_int_eq(step.act, GOV_POLL);
    ck_assert_uint_eq(step.until_ns, now_ns + 20 * US);
    /* Once in an idle period. */
    now_ns = step.until_ns;
    ck_assert_int_eq(gov_select(&gov, now_ns, now_ns + 10 * MS).act, GOV_PARK);
}
END_TEST

START_TEST(poll_is_not_worth_it_for_late_kicks)
{
    use("park,poll");
    many_kicks_after(150 * US);
    ck_assert_int_eq(select_at(now_ns + 10 * MS).act, GOV_PARK);
}
END_TEST

START_TEST(poll_is_not_worth_it_when_timers_end_the_idle)
{
    use("park,poll");
    many_kicks_after(15 * US);
    for (unsigned i = 0; i < GOV_LENGTHS - 2; i++)
        gov_finish(&gov, 10 * MS, GOV_BY_DEADLINE);
    ck_assert_int_eq(select_at(now_ns + 10 * MS).act, GOV_PARK);
}
END_TEST

START_TEST(poll_learns_only_from_the_guest)
{
    use("park,poll");
    for (unsigned i = 0; i < GOV_LENGTHS; i++)
        gov_finish(&gov, 15 * US, GOV_BY_OTHER);
    ck_assert_int_eq(select_at(now_ns + 10 * MS).act, GOV_PARK);
}
END_TEST

START_TEST(poll_is_paid_from_the_budget)
{
    use("park,poll,share=0");
    many_kicks_after(15 * US);
    ck_assert_int_eq(select_at(now_ns + 10 * MS).act, GOV_PARK);
}
END_TEST

START_TEST(poll_ends_at_the_deadline)
{
    struct gov_step step;

    use("park,poll");
    many_kicks_after(15 * US);
    step = select_at(now_ns + 5 * US);
    ck_assert_uint_eq(step.until_ns, now_ns + 5 * US);
}
END_TEST

/* Storms. */

static struct gov_step storm(unsigned wakes, uint64_t apart)
{
    struct gov_step step = {GOV_PARK, 0};

    for (unsigned i = 0; i < wakes; i++) {
        gov_begin(&gov, now_ns);
        step = gov_select(&gov, now_ns, now_ns + apart);
        if (gov.storming)
            break;
        step = (struct gov_step){GOV_PARK, now_ns + apart};
        gov_reflect(&gov, &step, now_ns, step.until_ns, GOV_TIME);
        now_ns = step.until_ns;
    }
    return step;
}

START_TEST(storm_spaces_timers_out)
{
    struct gov_step step;

    use("park,share=0");
    step = storm(5000, 30 * US);
    ck_assert_uint_eq(gov.storms, 1);
    ck_assert_int_eq(step.act, GOV_PARK);
    ck_assert_uint_eq(step.until_ns, now_ns + GOV_STORM_QUANTUM_NS);
    /* Later deadlines and kicks are left alone. */
    step = gov_select(&gov, now_ns, now_ns + 10 * MS);
    ck_assert_uint_eq(step.until_ns, now_ns + 10 * MS);
    step = gov_select(&gov, now_ns, IDLE_NO_DEADLINE);
    ck_assert_uint_eq(step.until_ns, IDLE_NO_DEADLINE);
}
END_TEST

/* 5 ms on top of a quarter of the time: the wake that exceeds it, not the one
 * before. And over when all of it is paid off. */
START_TEST(storm_begins_and_ends_at_its_limit)
{
    struct gov_step step = {GOV_PARK, 0};
    unsigned wakes = GOV_STORM_LIMIT_NS / 20000;

    use("park,share=0");
    for (unsigned i = 0; i < wakes; i++)
        gov_reflect(&gov, &step, now_ns, now_ns, GOV_KICK);
    ck_assert(!gov.storming);
    gov_reflect(&gov, &step, now_ns, now_ns, GOV_KICK);
    ck_assert(gov.storming);
    ck_assert_uint_eq(gov.storms, 1);

    now_ns += (wakes + 1) * 20 * US * GOV_STORM_SHARE_DIV - 4;
    select_at(now_ns + 30 * US);
    ck_assert(gov.storming);
    now_ns += 4;
    select_at(now_ns + 30 * US);
    ck_assert(!gov.storming);
}
END_TEST

/* Under a storm the quantum is counted from the period's beginning, nothing is
 * polled for, and nothing spun. */
START_TEST(storm_stops_polling_and_spinning)
{
    struct gov_step step = {GOV_PARK, 0};

    use("park,poll");
    for (unsigned i = 0; i < 1000; i++)
        gov_reflect(&gov, &step, now_ns, now_ns, GOV_KICK);
    many_kicks_after(15 * US);
    ck_assert(gov.storming);
    step = select_at(now_ns + GOV_STORM_QUANTUM_NS);
    ck_assert_int_eq(step.act, GOV_PARK);
    ck_assert_uint_eq(step.until_ns, now_ns + GOV_STORM_QUANTUM_NS);
    step = gov_select(&gov, now_ns + 150 * US, now_ns + 160 * US);
    ck_assert_int_eq(step.act, GOV_PARK);
    ck_assert_uint_eq(step.until_ns, now_ns + GOV_STORM_QUANTUM_NS);
}
END_TEST

START_TEST(storm_passes)
{
    struct gov_step step = {GOV_PARK, 0};

    use("park");
    storm(5000, 30 * US);
    ck_assert(gov.storming);
    /* However long it lasted. */
    for (unsigned i = 0; i < 1000000; i++)
        gov_reflect(&gov, &step, now_ns, now_ns, GOV_KICK);
    now_ns += 100 * MS;
    select_at(now_ns + 30 * US);
    ck_assert(!gov.storming);
}
END_TEST

START_TEST(a_thousand_hertz_is_no_storm)
{
    use("park");
    storm(100000, 1 * MS);
    ck_assert_uint_eq(gov.storms, 0);
}
END_TEST

/* The other policies. */

START_TEST(halt_sleeps_to_the_deadline)
{
    struct gov_step step;

    use("halt");
    step = select_at(now_ns + 7 * US);
    ck_assert_int_eq(step.act, GOV_PARK);
    ck_assert_uint_eq(step.until_ns, now_ns + 7 * US);
    step = select_at(IDLE_NO_DEADLINE);
    ck_assert_int_eq(step.act, GOV_PARK);
    ck_assert_uint_eq(step.until_ns, IDLE_NO_DEADLINE);
}
END_TEST

START_TEST(spin_returns)
{
    use("spin");
    ck_assert_int_eq(select_at(now_ns + 10 * MS).act, GOV_RETURN);
    ck_assert_int_eq(select_at(IDLE_NO_DEADLINE).act, GOV_RETURN);
}
END_TEST

START_TEST(a_new_policy_keeps_the_margins)
{
    struct idle_policy halt, park;
    char err[200];

    use("park");
    for (unsigned i = 0; i < 200; i++)
        gov_learn_margin(&gov, 1 * MS, 300 * US);
    idle_policy_parse("halt", &halt, err, sizeof(err));
    idle_policy_parse("park,share=0", &park, err, sizeof(err));
    gov_set_policy(&gov, &halt);
    ck_assert_uint_eq(select_at(now_ns + MS).until_ns, now_ns + MS);
    gov_set_policy(&gov, &park);
    ck_assert_uint_gt(gov_margin(&gov, 1 * MS), 250 * US);
    ck_assert_uint_eq(gov.tokens_ns, 0);
}
END_TEST

/* Text. */

static const struct {
    const char *text;
    const char *canonical;
} good[] = {
    {"park", "park,share=2"},
    {"park,share=0", "park,share=0"},
    {"park,share=2.5", "park,share=2.5"},
    {"park,share=0.1,poll", "park,share=0.1,poll"},
    {"park,poll=on", "park,share=2,poll"},
    {"park,poll,poll=off", "park,share=2"},
    {"park,share=100", "park,share=100"},
    {"park,share=005", "park,share=5"},
    {"park,share=0.0", "park,share=0"},
    {"park,share=100.0", "park,share=100"},
    {"halt", "halt"},
    {"haltpoll", "haltpoll"},
    {"pselect", "pselect"},
    {"spin", "spin"},
    {"nodeadline", "nodeadline"},
    {"rate", "rate"},
    {"score", "score"},
    {"sleep", "sleep,us=100"},
    {"sleep,us=1", "sleep,us=1"},
    {"ladder", "ladder,us=100"},
    {"ladder,us=1000000", "ladder,us=1000000"},
    {"ladder,us=0050", "ladder,us=50"},
    {"ladder,us=1,us=2", "ladder,us=2"},
};

START_TEST(parse_and_format)
{
    struct idle_policy policy, again;
    char err[200] = "", out[64];

    ck_assert_msg(idle_policy_parse(good[_i].text, &policy, err, sizeof(err)),
                  "%s", err);
    idle_policy_format(&policy, out, sizeof(out));
    ck_assert_str_eq(out, good[_i].canonical);
    ck_assert(idle_policy_parse(out, &again, err, sizeof(err)));
    ck_assert_uint_eq(again.share_permille, policy.share_permille);
    ck_assert_int_eq(again.poll, policy.poll);
    ck_assert_uint_eq(again.sleep_us, policy.sleep_us);
}
END_TEST

/* Every message names what was wrong and what would be right. */
static const struct {
    const char *text;
    const char *says[4];
} bad[] = {
    {"", {"\"\"", "park", "halt", "spin"}},
    {"foo", {"\"foo\"", "park", "halt", "spin"}},
    {"Park", {"\"Park\"", "park"}},
    {"parkk", {"\"parkk\"", "park"}},
    {",share=2", {"\"\"", "park"}},
    {"park,", {"\"\"", "share", "poll"}},
    {"park,shares=2", {"\"shares\"", "share", "poll"}},
    {"park,share", {"share", "percentage"}},
    {"park,share=", {"share", "percentage"}},
    {"park,share=-1", {"\"-1\"", "percentage from 0 to 100"}},
    {"park,share=101", {"\"101\"", "percentage"}},
    {"park,share=100.1", {"\"100.1\"", "percentage"}},
    {"park,share=2.55", {"\"2.55\"", "percentage"}},
    {"park,share=2.", {"\"2.\"", "percentage"}},
    {"park,share=99999999999999999999", {"percentage"}},
    {"park,poll=maybe", {"\"maybe\"", "on or off"}},
    {"park,poll=", {"poll", "on or off"}},
    {"halt,share=2", {"halt", "\"share\""}},
    {"spin,", {"spin", "no keys"}},
    {"haltpoll,us=5", {"haltpoll", "no keys", "\"us\""}},
    {"pselect,poll", {"pselect", "no keys"}},
    {"nodeadline,x=1", {"nodeadline", "no keys"}},
    {"rate,us=100", {"rate", "no keys"}},
    {"score,us=100", {"score", "no keys"}},
    {"sleep,share=2", {"sleep", "\"share\"", "us"}},
    {"ladder,poll", {"ladder", "\"poll\"", "us"}},
    {"ladder,us", {"\"\"", "microseconds from 1 to 1000000"}},
    {"ladder,us=", {"\"\"", "microseconds from 1 to 1000000"}},
    {"ladder,us=0", {"\"0\"", "microseconds from 1 to 1000000"}},
    {"sleep,us=1000001", {"\"1000001\"", "microseconds from 1 to 1000000"}},
    {"sleep,us=-1", {"\"-1\"", "microseconds"}},
    {"sleep,us=+1", {"\"+1\"", "microseconds"}},
    {"sleep,us=1.5", {"\"1.5\"", "microseconds"}},
    {"sleep,us= 5", {"\" 5\"", "microseconds"}},
    {"sleep,us=5us", {"\"5us\"", "microseconds"}},
    {"sleep,us=0x10", {"\"0x10\"", "microseconds"}},
    {"sleep,us=99999999999999999999", {"microseconds"}},
    {"park,poll=ON", {"\"ON\"", "on or off"}},
    {"park,share=+2", {"\"+2\"", "percentage"}},
    {"park,share=2%", {"\"2%\"", "percentage"}},
    {"park,share=.5", {"\".5\"", "percentage"}},
    {"park ", {"\"park \"", "unknown", "score"}},
    {"nap",
     {"park, halt, haltpoll, pselect", "spin, nodeadline", "sleep, rate",
      "ladder, score"}},
    {"park,share=2,share=2,share=2,share=2,share=2,share=2,share=2,share=2,x",
     {"unknown", "park"}},
};

START_TEST(parse_errors_help)
{
    struct idle_policy policy = {.name = "untouched"};
    char err[200] = "";

    ck_assert(!idle_policy_parse(bad[_i].text, &policy, err, sizeof(err)));
    for (unsigned i = 0; i < 4 && bad[_i].says[i]; i++)
        ck_assert_msg(strstr(err, bad[_i].says[i]), "%s: \"%s\" lacks \"%s\"",
                      bad[_i].text, err, bad[_i].says[i]);
    ck_assert_ptr_null(strchr(err, '\n'));
    ck_assert_str_eq(policy.name, "untouched");
}
END_TEST

START_TEST(short_buffers_are_respected)
{
    struct idle_policy policy;
    char err[8], out[8];

    memset(err, 'x', sizeof(err));
    ck_assert(!idle_policy_parse("nonsense", &policy, err, 5));
    ck_assert_uint_lt(strlen(err), 5);
    ck_assert_int_eq(err[5], 'x');

    ck_assert(idle_policy_parse("park,poll", &policy, err, sizeof(err)));
    memset(out, 'x', sizeof(out));
    idle_policy_format(&policy, out, 7);
    ck_assert_str_eq(out, "park,s");
    ck_assert_int_eq(out[7], 'x');
}
END_TEST

START_TEST(names_are_the_table)
{
    const char *const *names = idle_policy_names();
    unsigned n = 0;

    for (; gov_policies[n]; n++)
        ck_assert_str_eq(names[n], gov_policies[n]->name);
    ck_assert_ptr_null(names[n]);
    ck_assert_str_eq(names[0], "park");
}
END_TEST

/* The fallback. */

static struct rung rung;

static void new_rung(void)
{
    rung_init(&rung, 0);
    now_ns = 1000 * SECOND;
}

/* `n` sleeps of `slept` each, all of them strays. */
static void strays(unsigned n, uint64_t slept)
{
    while (n-- > 0) {
        now_ns += slept;
        rung_watch(&rung, true, slept, now_ns);
    }
}

/* `n` sleeps for a time, late by so much; the last one's advice. */
static bool timed(unsigned n, uint64_t late)
{
    bool advice = false;

    while (n-- > 0) {
        now_ns += 10 * MS + late;
        rung_watch(&rung, false, 10 * MS + late, now_ns);
        advice = rung_timed(&rung, late, now_ns);
    }
    return advice;
}

START_TEST(rung_leaves_a_sleep_that_returns_at_once)
{
    new_rung();
    strays(63, 1 * US);
    ck_assert_int_eq(rung_now(&rung, now_ns), IDLE_RUNG_WORD);
    strays(1, 1 * US);
    ck_assert_int_eq(rung_now(&rung, now_ns), IDLE_RUNG_CONDVAR);
    ck_assert_uint_eq(rung.changes, 1);
    ck_assert_uint_eq(rung.entries[IDLE_RUNG_CONDVAR], 1);
}
END_TEST

/* More than half of 64, and under 20 us at the mean: both sides of both. */
START_TEST(rung_keeps_a_sleep_that_is_disturbed)
{
    new_rung();
    for (unsigned i = 0; i < 64 * 16; i++)
        rung_watch(&rung, i % 2 == 0, 1 * US, ++now_ns);
    strays(64 * 16, 20 * US);
    ck_assert_int_eq(rung_now(&rung, now_ns), IDLE_RUNG_WORD);

    for (unsigned i = 0; i < 64; i++)
        rung_watch(&rung, i % 2 == 0 || i == 1, 1 * US, ++now_ns);
    ck_assert_int_eq(rung_now(&rung, now_ns), IDLE_RUNG_CONDVAR);
    new_rung();
    strays(63, 20 * US);
    strays(1, 20 * US - 1);
    ck_assert_int_eq(rung_now(&rung, now_ns), IDLE_RUNG_CONDVAR);
}
END_TEST

START_TEST(rung_by_rung_to_the_last)
{
    new_rung();
    for (unsigned i = IDLE_RUNG_CONDVAR; i < IDLE_RUNGS; i++) {
        strays(64, 1 * US);
        ck_assert_int_eq(rung_now(&rung, now_ns), i);
        ck_assert_uint_eq(rung.entries[i], 1);
        ck_assert_uint_eq(rung.changes, i);
    }
    /* There is nothing below. */
    strays(640, 1 * US);
    rung_fail(&rung, now_ns);
    ck_assert_int_eq(rung_now(&rung, now_ns), IDLE_RUNG_YIELD);
    ck_assert_uint_eq(rung.changes, IDLE_RUNG_YIELD);
}
END_TEST

/* Refused, or a wake missed: at once, whatever was seen of it before. */
START_TEST(rung_fails_at_one_strike)
{
    new_rung();
    timed(1000, 50 * US);
    rung_fail(&rung, now_ns);
    ck_assert_int_eq(rung_now(&rung, now_ns), IDLE_RUNG_CONDVAR);
    /* And what was seen of one rung is not held against the next. */
    new_rung();
    strays(63, 1 * US);
    rung_fail(&rung, now_ns);
    strays(63, 1 * US);
    ck_assert_int_eq(rung_now(&rung, now_ns), IDLE_RUNG_CONDVAR);
}
END_TEST

START_TEST(rung_is_mended_before_it_is_left_for_lateness)
{
    new_rung();
    ck_assert(!timed(31, 6 * MS));
    ck_assert(timed(1, 6 * MS));
    ck_assert_int_eq(rung_now(&rung, now_ns), IDLE_RUNG_WORD);
    ck_assert(!timed(31, 6 * MS));
    ck_assert_int_eq(rung_now(&rung, now_ns), IDLE_RUNG_WORD);
    ck_assert(!timed(1, 6 * MS));
    ck_assert_int_eq(rung_now(&rung, now_ns), IDLE_RUNG_CONDVAR);
    ck_assert_uint_eq(rung.oversleeps, 2);
}
END_TEST

/* A host that is short of CPUs makes every sleep late: the best is kept. */
START_TEST(rung_does_not_fall_for_a_host_that_is_late)
{
    new_rung();
    timed(64, 6 * MS);
    ck_assert_int_eq(rung_now(&rung, now_ns), IDLE_RUNG_CONDVAR);
    ck_assert(timed(32, 6 * MS));
    timed(32, 6 * MS);
    ck_assert_int_eq(rung_now(&rung, now_ns), IDLE_RUNG_WORD);
    ck_assert_uint_eq(rung.changes, 2);
    /* For a minute, and again from then on. */
    timed(3000, 6 * MS);
    ck_assert_int_eq(rung_now(&rung, now_ns), IDLE_RUNG_WORD);
    now_ns += 60 * SECOND;
    timed(64, 6 * MS);
    ck_assert_int_eq(rung_now(&rung, now_ns), IDLE_RUNG_CONDVAR);
    /* Another reason to leave a rung is none to come back to the top. */
    new_rung();
    rung_fail(&rung, now_ns);
    timed(64, 6 * MS);
    ck_assert_int_eq(rung_now(&rung, now_ns), IDLE_RUNG_CONDVAR);
    ck_assert_uint_eq(rung.changes, 1);
}
END_TEST

START_TEST(rung_is_kept_when_mending_helped)
{
    new_rung();
    ck_assert(timed(32, 6 * MS));
    timed(32, 50 * US);
    /* It counts as the first time again. */
    ck_assert(timed(32, 6 * MS));
    ck_assert_int_eq(rung_now(&rung, now_ns), IDLE_RUNG_WORD);
}
END_TEST

/* The median over 32: more than half, and more than 5 ms. */
START_TEST(rung_judges_lateness_by_the_median)
{
    new_rung();
    timed(320, 5 * MS);
    for (unsigned i = 0; i < 320; i++)
        timed(1, i % 2 ? 500 * MS : 0);
    ck_assert_uint_eq(rung.oversleeps, 0);
    timed(15, 0);
    ck_assert(timed(17, 5 * MS + 1));
    ck_assert_uint_eq(rung.oversleeps, 1);
}
END_TEST

START_TEST(rung_tries_the_top_again_ever_later)
{
    uint64_t wait = 60 * SECOND;

    new_rung();
    for (unsigned i = 0; i < 10; i++) {
        rung_fail(&rung, now_ns);
        rung_fail(&rung, now_ns);
        ck_assert_int_eq(rung_now(&rung, now_ns + wait - 1), IDLE_RUNG_ALARM);
        ck_assert_int_eq(rung_now(&rung, now_ns + wait), IDLE_RUNG_WORD);
        ck_assert_uint_eq(rung.entries[IDLE_RUNG_WORD], i + 1);
        now_ns += wait;
        if (wait < 3600 * SECOND)
            wait *= 2;
    }
}
END_TEST

START_TEST(rung_forgives_what_held_for_as_long_as_the_distrust)
{
    new_rung();
    rung_fail(&rung, now_ns);
    now_ns += 60 * SECOND;
    rung_now(&rung, now_ns);
    rung_fail(&rung, now_ns);
    now_ns += 120 * SECOND;
    ck_assert_int_eq(rung_now(&rung, now_ns), IDLE_RUNG_WORD);
    /* Sound, but for less than two minutes: not forgiven. */
    timed(64, 0);
    rung_fail(&rung, now_ns);
    ck_assert_int_eq(rung_now(&rung, now_ns + 239 * SECOND), IDLE_RUNG_CONDVAR);
    now_ns += 240 * SECOND;
    ck_assert_int_eq(rung_now(&rung, now_ns), IDLE_RUNG_WORD);
    now_ns += 240 * SECOND;
    timed(64, 0);
    rung_fail(&rung, now_ns);
    now_ns += 60 * SECOND;
    ck_assert_int_eq(rung_now(&rung, now_ns), IDLE_RUNG_WORD);
}
END_TEST

START_TEST(rung_retry_can_be_shortened)
{
    rung_init(&rung, SECOND);
    rung_fail(&rung, now_ns);
    ck_assert_int_eq(rung_now(&rung, now_ns + SECOND - 1), IDLE_RUNG_CONDVAR);
    ck_assert_int_eq(rung_now(&rung, now_ns + SECOND), IDLE_RUNG_WORD);
}
END_TEST

START_TEST(slices_are_derived_from_the_share)
{
    rung_init(&rung, 0);
    ck_assert_uint_eq(rung_slice_ns(&rung, 20 * US, 20), 1 * MS);
    ck_assert_uint_eq(rung_slice_ns(&rung, 20 * US, 0), 1 * MS);
    ck_assert_uint_eq(rung_slice_ns(&rung, 20 * US, 1000), 200 * US);
    ck_assert_uint_eq(rung_slice_ns(&rung, 20 * US, 1), 20 * MS);
}
END_TEST

START_TEST(slices_follow_what_they_cost)
{
    rung_init(&rung, 0);
    rung_slice_cost(&rung, 40 * US);
    ck_assert_uint_eq(rung_slice_ns(&rung, 20 * US, 20), 2 * MS);
    rung_slice_cost(&rung, 120 * US);
    ck_assert_uint_eq(rung_slice_ns(&rung, 20 * US, 20), 2500 * US);
    for (int i = 0; i < 100; i++)
        rung_slice_cost(&rung, 10 * US);
    ck_assert_uint_le(rung_slice_ns(&rung, 20 * US, 20), 501 * US);
}
END_TEST

static TCase *margins(void)
{
    TCase *tc = tcase_create("margins");

    tcase_add_test(tc, margin_rests_where_four_in_ten_are_late);
    tcase_add_test(tc, margin_comes_down_again);
    tcase_add_test(tc, outliers_teach_nothing);
    tcase_add_test(tc, margin_has_a_cap);
    tcase_add_test(tc, margin_moves_by_these_steps);
    tcase_add_test(tc, each_horizon_has_its_own_margin);
    tcase_add_test(tc, first_guess_grows_with_the_horizon);
    tcase_add_test(tc, a_kick_teaches_no_lateness);
    tcase_add_test(tc, buckets_are_powers_of_two);
    return tc;
}

static TCase *budget(void)
{
    TCase *tc = tcase_create("budget");

    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, budget_is_never_exceeded, 0,
                        sizeof(shares) / sizeof(shares[0]));
    tcase_add_test(tc, budget_counts_slow_shares_exactly);
    tcase_add_test(tc, budget_charges_what_was_granted);
    tcase_add_test(tc, clock_that_goes_back_does_no_harm);
    return tc;
}

static TCase *park(void)
{
    TCase *tc = tcase_create("park");

    tcase_add_test(tc, park_sleeps_for_ever_without_a_deadline);
    tcase_add_test(tc, park_wakes_a_margin_early_and_spins_the_rest);
    tcase_add_test(tc, park_spins_when_a_sleep_would_not_pay);
    tcase_add_test(tc, park_spins_all_or_nothing);
    tcase_add_test(tc, park_without_budget_is_plain);
    tcase_add_test(tc, park_with_little_budget_takes_what_there_is);
    tcase_add_test(tc, park_sleeps_again_when_much_is_left);
    tcase_add_test(tc, park_copes_with_lateness_that_grows_with_the_sleep);
    tcase_add_test(tc, park_is_on_time_six_times_in_ten);
    tcase_add_test(tc, poll_is_off_unless_asked_for);
    tcase_add_test(tc, poll_window_covers_the_kicks_seen);
    tcase_add_test(tc, poll_is_not_worth_it_for_late_kicks);
    tcase_add_test(tc, poll_is_not_worth_it_when_timers_end_the_idle);
    tcase_add_test(tc, poll_learns_only_from_the_guest);
    tcase_add_test(tc, poll_is_paid_from_the_budget);
    tcase_add_test(tc, poll_ends_at_the_deadline);
    tcase_add_test(tc, storm_spaces_timers_out);
    tcase_add_test(tc, storm_begins_and_ends_at_its_limit);
    tcase_add_test(tc, storm_stops_polling_and_spinning);
    tcase_add_test(tc, storm_passes);
    tcase_add_test(tc, a_thousand_hertz_is_no_storm);
    return tc;
}

static TCase *others(void)
{
    TCase *tc = tcase_create("others");

    tcase_add_test(tc, halt_sleeps_to_the_deadline);
    tcase_add_test(tc, spin_returns);
    tcase_add_test(tc, a_new_policy_keeps_the_margins);
    return tc;
}

static TCase *ladder(void)
{
    TCase *tc = tcase_create("ladder");

    tcase_add_test(tc, rung_leaves_a_sleep_that_returns_at_once);
    tcase_add_test(tc, rung_keeps_a_sleep_that_is_disturbed);
    tcase_add_test(tc, rung_by_rung_to_the_last);
    tcase_add_test(tc, rung_fails_at_one_strike);
    tcase_add_test(tc, rung_is_mended_before_it_is_left_for_lateness);
    tcase_add_test(tc, rung_does_not_fall_for_a_host_that_is_late);
    tcase_add_test(tc, rung_is_kept_when_mending_helped);
    tcase_add_test(tc, rung_judges_lateness_by_the_median);
    tcase_add_test(tc, rung_tries_the_top_again_ever_later);
    tcase_add_test(tc, rung_forgives_what_held_for_as_long_as_the_distrust);
    tcase_add_test(tc, rung_retry_can_be_shortened);
    tcase_add_test(tc, slices_are_derived_from_the_share);
    tcase_add_test(tc, slices_follow_what_they_cost);
    return tc;
}

static TCase *text(void)
{
    TCase *tc = tcase_create("text");

    tcase_add_loop_test(tc, parse_and_format, 0,
                        sizeof(good) / sizeof(good[0]));
    tcase_add_loop_test(tc, parse_errors_help, 0, sizeof(bad) / sizeof(bad[0]));
    tcase_add_test(tc, short_buffers_are_respected);
    tcase_add_test(tc, names_are_the_table);
    return tc;
}

int main(void)
{
    Suite *suite = suite_create("governor");

    suite_add_tcase(suite, margins());
    suite_add_tcase(suite, budget());
    suite_add_tcase(suite, park());
    suite_add_tcase(suite, others());
    suite_add_tcase(suite, ladder());
    suite_add_tcase(suite, text());
    return run_suite(suite);
}
