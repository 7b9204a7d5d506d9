/*
 * Where the claims come from: `ladder` and `sleep` from the documentation of
 * the work-around that they stand for, whose figures were another machine's;
 * `nodeadline`, `rate` and `score` from what they are defined to do; `park`
 * from us.
 *
 * Figures of two policies are compared within the noise of the run: a tenth,
 * or what either of them varied by between its own repeats if that is more.
 */
#include "claims.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lull/idle.h"
#include "plan.h"

const char *verdict_name(enum verdict verdict)
{
    static const char *const names[] = {"holds", "does not hold",
                                        "not measured"};

    return names[verdict];
}

struct checker {
    const struct report *report;
    size_t column; /* under examination */
    struct claim *claim;
    size_t claims;
};

/* A new claim about the column; its verdict is still open. NULL: no room. */
__attribute__((format(printf, 3, 4))) static struct claim *
claim(struct checker *c, const char *key, const char *format, ...)
{
    const struct column *column = &c->report->column[c->column];
    struct claim *made;
    va_list args;

    if (c->claims == CLAIMS_MAX)
        return NULL;
    made = &c->claim[c->claims++];
    *made = (struct claim){
        .key = key, .cpus = column->cpus, .verdict = CLAIM_UNKNOWN};
    snprintf(made->policy, sizeof(made->policy), "%s", column->policy);
    snprintf(made->measured, sizeof(made->measured), "-");
    va_start(args, format);
    vsnprintf(made->claimed, sizeof(made->claimed), format, args);
    va_end(args);
    return made;
}

__attribute__((format(printf, 3, 4))) static void
judge(struct claim *made, bool holds, const char *format, ...)
{
    va_list args;

    if (made == NULL)
        return;
    made->verdict = holds ? CLAIM_HOLDS : CLAIM_FAILS;
    va_start(args, format);
    vsnprintf(made->measured, sizeof(made->measured), format, args);
    va_end(args);
}

/* "0.26", or "0.26 (0.21 to 0.31)" of several runs. */
static const char *figures(char *out, size_t bytes, struct spread spread)
{
    if (spread.count > 1)
        snprintf(out, bytes, "%.3g (%.3g to %.3g)", spread.median, spread.min,
                 spread.max);
    else
        snprintf(out, bytes, "%.3g", spread.median);
    return out;
}

static struct spread spread(const struct checker *c, size_t column,
                            enum metric metric)
{
    return report_spread(c->report, column, metric);
}

/* ---- idle CPU, as documented
 * ------------------------------------------------------- */

static const struct {
    unsigned us;
    double low, high;
} idle_claims[] = {{50, 10, 15}, {100, 6, 7}, {200, 4, 5}};

/* What the ladder sleeps at most, for a column of it; 0: another policy. */
static unsigned ladder_us(const char *text)
{
    struct idle_policy policy;
    char err[256];

    if (!idle_policy_parse(text, &policy, err, sizeof(err)) ||
        strcmp(policy.name, "ladder") != 0)
        return 0;
    return policy.sleep_us;
}

static size_t find_ladder(const struct checker *c, unsigned us, unsigned cpus)
{
    size_t i = 0;

    while (i < c->report->columns &&
           (c->report->column[i].cpus != cpus ||
            ladder_us(c->report->column[i].policy) != us))
        i++;
    return i;
}

static void check_idle_cpu(struct checker *c)
{
    unsigned us = ladder_us(c->report->column[c->column].policy);
    struct spread idle = spread(c, c->column, METRIC_IDLE_CPU);
    char text[80];

    for (size_t i = 0; i < sizeof(idle_claims) / sizeof(idle_claims[0]); i++) {
        double low = idle_claims[i].low, high = idle_claims[i].high;
        struct claim *made;

        if (us != idle_claims[i].us)
            continue;
        made = claim(c, "idle_cpu", "idle CPU %.0f to %.0f %%", low, high);
        if (idle.count > 0)
            judge(made, idle.median >= low && idle.median <= high, "%s %%",
                  figures(text, sizeof(text), idle));
    }
}

/* What the three figures say of one another is the same on any machine. */
static void check_halving(struct checker *c)
{
    const struct column *column = &c->report->column[c->column];
    size_t half = find_ladder(c, 50, column->cpus);
    struct spread here, there;
    struct claim *made;

    if (ladder_us(column->policy) != 100 || half == c->report->columns)
        return;
    made = claim(c, "halving",
                 "twice the sleep, about half the idle CPU (1.4 to 2.5 times "
                 "less than us=50)");
    here = spread(c, c->column, METRIC_IDLE_CPU);
    there = spread(c, half, METRIC_IDLE_CPU);
    if (here.count > 0 && there.count > 0)
        judge(made,
              there.median / here.median >= 1.4 &&
                  there.median / here.median <= 2.5,
              "%.1f times less", there.median / here.median);
}

/* ---- the grace period, and the two lines
 * -------------------------------------------------- */

/* The last moment without a sleep and the first one with, of one run. */
static bool first_sleep(const struct run *run, double *after_s, double *by_s)
{
    *after_s = 0;
    for (size_t i = 0; i < run->moments; i++) {
        *by_s = run->moment[i].at_s;
        if (run->moment[i].sleeps > 0)
            return true;
        *after_s = *by_s;
    }
    return false;
}

/*
 * Seen every half second, and the vCPUs are a little older than the machine;
 * so the first sleep may be seen that much early or late. Where nobody looked
 * between well before the time and after it, the run says nothing.
 */
static void check_grace_of(const struct run *run, double grace_s, bool punctual,
                           struct claim *made)
{
    double after_s = 0, by_s = 0;

    if (!first_sleep(run, &after_s, &by_s)) {
        if (after_s > grace_s + 2)
            judge(made, !punctual, "no sleep seen in %.1f s", after_s);
        return;
    }
    if (by_s >= grace_s - 0.2 && after_s < grace_s - 2)
        return;
    judge(made, by_s >= grace_s - 0.2 && (!punctual || after_s <= grace_s + 2),
          "first sleep between %.1f and %.1f s", after_s, by_s);
}

static void check_grace(struct checker *c)
{
    const char *policy = c->report->column[c->column].policy;
    double grace_s = plan_grace_s(policy);
    bool punctual =
        strncmp(policy, "ladder", 6) == 0 || strncmp(policy, "sleep", 5) == 0;
    struct claim *made;

    if (grace_s == 0)
        return;
    made = claim(c, "grace",
                 punctual ? "no sleep in the first %.0f s, sleeps from then on"
                          : "no sleep in the first %.0f s",
                 grace_s);
    for (size_t i = 0; i < c->report->runs; i++) {
        const struct run *run = &c->report->run[i];

        if (run->column != c->column || run->outcome != OUTCOME_OK)
            continue;
        check_grace_of(run, grace_s, punctual, made);
        if (made != NULL && made->verdict == CLAIM_FAILS)
            return;
    }
}

static size_t lines_that(const struct run *run, const char *text, double *at_s)
{
    size_t count = 0;

    for (size_t i = 0; i < run->notices; i++) {
        if (strcmp(run->notice[i].text, text) != 0)
            continue;
        *at_s = run->notice[i].at_s;
        count++;
    }
    return count;
}

/* The two lines, word for word, once each, the second after the grace. */
static void check_messages(struct checker *c)
{
    unsigned us = ladder_us(c->report->column[c->column].policy);
    char chosen[160], active[160];
    struct claim *made;

    if (us == 0)
        return;
    snprintf(chosen, sizeof(chosen),
             "HVF: WFI adaptive sleep: max %u \u03bcs (activates after 15s, "
             "requires sustained idle)",
             us);
    snprintf(active, sizeof(active),
             "HVF: WFI sleep NOW ACTIVE (adaptive: %u -> %u \u03bcs)", us / 10,
             us);
    made = claim(c, "messages",
                 "says \"%.36s ...\" when chosen and \"%.26s ...\" when it "
                 "sleeps, once each",
                 chosen, active);
    for (size_t i = 0; i < c->report->runs; i++) {
        const struct run *run = &c->report->run[i];
        double first_s = 0, second_s = 0;
        size_t first, second;

        if (run->column != c->column || run->outcome != OUTCOME_OK)
            continue;
        first = lines_that(run, chosen, &first_s);
        second = lines_that(run, active, &second_s);
        judge(made, first == 1 && second == 1 && second_s >= 14.8,
              "said %zu and %zu times, after %.1f and %.1f s", first, second,
              fmax(first_s, 0), second_s);
        if (made != NULL && made->verdict == CLAIM_FAILS)
            return;
    }
}

/* ---- nodeadline
 * ------------------------------------------------------------------- */

static void check_hang(struct checker *c)
{
    const char *policy = c->report->column[c->column].policy;
    const struct run *stuck, *went_well;
    size_t hung, well;
    struct claim *made;

    if (strcmp(policy, "nodeadline") != 0)
        return;
    made = claim(c, "hang", "a guest that waits for its timer hangs");
    hung = report_outcomes(c->report, c->column, OUTCOME_STUCK, &stuck);
    well = report_outcomes(c->report, c->column, OUTCOME_OK, &went_well);
    if (hung + well > 0)
        judge(made, well == 0, "stuck in %zu of %zu runs; %s", hung,
              hung + well, stuck != NULL ? stuck->reason : "it got by");
}

/* ---- park, our own
 * ---------------------------------------------------------------- */

/* How much more than `b` `a` may be and still be the same. */
static double noise(struct spread a, struct spread b)
{
    double mine = (a.max - a.min) / a.median, its = (b.max - b.min) / b.median;

    return fmax(0.1, fmax(mine, its));
}

static void check_lowest(struct checker *c, unsigned cpus)
{
    struct spread park = spread(c, c->column, METRIC_IDLE_CPU), lowest = park;
    size_t halt = report_find(c->report, "halt", cpus), best = c->column;
    struct claim *made = claim(c, "lowest_idle",
                               "the lowest idle CPU of all policies that run "
                               "the guest, within the noise of halt");
    char mine[80], least[80];
    double margin;

    if (halt == c->report->columns || park.count == 0 ||
        spread(c, halt, METRIC_IDLE_CPU).count == 0)
        return;
    margin = noise(park, spread(c, halt, METRIC_IDLE_CPU));
    for (size_t i = 0; i < c->report->columns; i++) {
        struct spread idle = spread(c, i, METRIC_IDLE_CPU);

        if (c->report->column[i].cpus != cpus || idle.count == 0 ||
            idle.median >= lowest.median)
            continue;
        lowest = idle;
        best = i;
    }
    judge(made, park.median <= lowest.median * (1 + margin),
          "%s %%; the lowest is %s with %s %%",
          figures(mine, sizeof(mine), park), c->report->column[best].policy,
          figures(least, sizeof(least), lowest));
}

/* The median of a figure against another policy's: at most `factor` times. */
static const struct comparison {
    const char *key, *with;
    enum metric metric;
    double factor;
    bool within_noise;
    const char *claimed;
} comparisons[] = {
    {"late", "halt", METRIC_LATE_P50, 1.0 / 3, false,
     "timer lateness in the guest, p50: at most a third of halt's, us"},
    {"host_late", "halt", METRIC_HOST_LATE_P50, 1.0 / 3, false,
     "lateness of the vCPU's wake, p50: at most a third of halt's, us"},
    {"kick", "halt", METRIC_KICK_P50, 1, true,
     "a kick gets there no later than with halt, p50, us"},
    {"boot", "spin", METRIC_BOOT_WALL, 1.03, false,
     "boots in at most 1.03 times spin's time, s"},
};

static void compare(struct checker *c, unsigned cpus,
                    const struct comparison *how)
{
    size_t other = report_find(c->report, how->with, cpus);
    struct claim *made = claim(c, how->key, "%s", how->claimed);
    char text[2][80];
    struct spread mine, its;
    double bound = how->factor;

    if (other == c->report->columns)
        return;
    mine = spread(c, c->column, how->metric);
    its = spread(c, other, how->metric);
    if (mine.count == 0 || its.count == 0)
        return;
    if (how->within_noise)
        bound += noise(mine, its);
    judge(made, mine.median <= its.median * bound,
          "%s where %s has %s: %.3g times",
          figures(text[0], sizeof(text[0]), mine), how->with,
          figures(text[1], sizeof(text[1]), its), mine.median / its.median);
}

/* Of 1000, at as many seconds as that takes; no run may have a worse one. */
static void check_keystrokes(struct checker *c, enum metric metric,
                             const char *key, const char *what)
{
    struct spread worst = spread(c, c->column, metric);
    struct claim *made;
    char text[80];

    if (worst.count == 0 && metric_needs_net(metric))
        return;
    made = claim(c, key,
                 "the worst of the bytes to %s and back, as of keys that are "
                 "typed: under 20 ms, us",
                 what);
    if (worst.count > 0)
        judge(made, worst.max < 20000, "%s",
              figures(text, sizeof(text), worst));
}

static void check_park(struct checker *c)
{
    const struct column *column = &c->report->column[c->column];

    if (strncmp(column->policy, "park", 4) != 0)
        return;
    check_lowest(c, column->cpus);
    for (size_t i = 0; i < sizeof(comparisons) / sizeof(comparisons[0]); i++)
        compare(c, column->cpus, &comparisons[i]);
    check_keystrokes(c, METRIC_ECHO_MAX, "keystroke", "the console");
    check_keystrokes(c, METRIC_NET_ECHO_MAX, "net_keystroke", "a TCP port");
}

/* ---- all of them
 * ------------------------------------------------------------------ */

size_t claims_check(const struct report *report,
                    struct claim claims[CLAIMS_MAX])
{
    struct checker c = {.report = report, .claim = claims};

    for (c.column = 0; c.column < report->columns; c.column++) {
        check_park(&c);
        check_hang(&c);
        check_idle_cpu(&c);
        check_halving(&c);
        check_grace(&c);
        check_messages(&c);
    }
    return c.claims;
}
