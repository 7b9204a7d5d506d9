/*
 * The report as a table for a terminal: a row a column of the report, medians
 * with the range under them where there are several runs; then what was
 * claimed, beside what was measured.
 */
#include <math.h>
#include <string.h>

#include "report.h"

static const enum metric shown[] = {
    METRIC_BOOT_WALL,    METRIC_IDLE_CPU, METRIC_WAKEUPS,  METRIC_WFI,
    METRIC_LATE_P50,     METRIC_LATE_P90, METRIC_LATE_P99, METRIC_KICK_P50,
    METRIC_KICK_P99,     METRIC_ECHO_MAX, METRIC_NET_P50,  METRIC_NET_P99,
    METRIC_NET_ECHO_MAX, METRIC_COMPUTE,  METRIC_HANDOFF,
};

enum { SHOWN = sizeof(shown) / sizeof(shown[0]), WIDTH = 11 };

/* Three digits, and no exponent. */
static void figure(char *out, size_t bytes, double value)
{
    if (!isfinite(value))
        snprintf(out, bytes, "-");
    else
        snprintf(out, bytes, "%.*f",
                 value >= 99.95  ? 0
                 : value >= 9.95 ? 1
                                 : 2,
                 value);
}

static bool is_shown(const struct report *report, enum metric metric)
{
    return report->net || !metric_needs_net(metric);
}

static void print_head(const struct report *report, FILE *to)
{
    fprintf(to, "%-16s %5s", "policy", "vCPUs");
    for (unsigned i = 0; i < SHOWN; i++)
        if (is_shown(report, shown[i]))
            fprintf(to, " %*s", WIDTH, metric_info[shown[i]].title);
    fputc('\n', to);
}

static void print_medians(const struct report *report, size_t column, FILE *to)
{
    char text[32];

    fprintf(to, "%-16s %5u", report->column[column].policy,
            report->column[column].cpus);
    for (unsigned i = 0; i < SHOWN; i++) {
        if (!is_shown(report, shown[i]))
            continue;
        figure(text, sizeof(text),
               report_spread(report, column, shown[i]).median);
        fprintf(to, " %*s", WIDTH, text);
    }
    fputc('\n', to);
}

static void print_ranges(const struct report *report, size_t column, FILE *to)
{
    char low[32], high[32], both[72];

    fprintf(to, "%22s", "");
    for (unsigned i = 0; i < SHOWN; i++) {
        struct spread spread = report_spread(report, column, shown[i]);

        if (!is_shown(report, shown[i]))
            continue;
        figure(low, sizeof(low), spread.min);
        figure(high, sizeof(high), spread.max);
        snprintf(both, sizeof(both), "%s-%s", low, high);
        fprintf(to, " %*s", WIDTH, spread.count > 1 ? both : "");
    }
    fputc('\n', to);
}

static void print_column(const struct report *report, size_t column, FILE *to)
{
    static const enum outcome bad[] = {OUTCOME_STUCK, OUTCOME_FAILED,
                                       OUTCOME_CUT};
    const struct run *run;

    print_medians(report, column, to);
    if (report_outcomes(report, column, OUTCOME_OK, &run) > 1)
        print_ranges(report, column, to);
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        size_t count = report_outcomes(report, column, bad[i], &run);

        if (count > 0)
            fprintf(to, "  %s %zu of %zu: %s\n", outcome_name(bad[i]), count,
                    (size_t)report->repeat, run->reason);
    }
}

static void print_claims(const struct report *report, FILE *to)
{
    static struct claim claims[CLAIMS_MAX];
    size_t count = claims_check(report, claims);

    if (count > 0)
        fputs("\nclaimed, and measured:\n", to);
    for (size_t i = 0; i < count; i++)
        fprintf(to, "  %-13s %s, %u vCPU%s: %s\n%16s%s\n",
                verdict_name(claims[i].verdict), claims[i].policy,
                claims[i].cpus, claims[i].cpus == 1 ? "" : "s",
                claims[i].claimed, "", claims[i].measured);
}

bool report_table(const struct report *report, FILE *to)
{
    struct spread load = report_load(report);

    fprintf(to, "%s\n%s; idle for %g s, %u run%s each%s\n\n", report->host,
            report->guest, report->seconds, report->repeat,
            report->repeat == 1 ? "" : "s",
            report_complete(report) ? "" : "; PARTIAL: it was interrupted");
    if (load.count > 0)
        fprintf(to,
                "Load of the host, ours included: %.1f to %.1f. It is in every "
                "figure; judge by what ran beside it.\n\n",
                load.min, load.max);
    print_head(report, to);
    for (size_t i = 0; i < report->columns; i++)
        print_column(report, i, to);
    fputs("\nTimes without a unit are microseconds; CPU is in percent of one "
          "core.\n",
          to);
    print_claims(report, to);
    return fflush(to) == 0 && ferror(to) == 0;
}
