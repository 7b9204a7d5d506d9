/*
 * The report as one HTML file: no script, nothing loaded from anywhere. Its
 * charts are chart.c's; this is the page around them.
 */
#include <math.h>
#include <string.h>

#include "chart.h"
#include "plan.h"
#include "report.h"

static const char style[] =
    ":root{color-scheme:light dark;--bg:#f6f7f8;--card:#fff;--ink:#1c2024;"
    "--soft:#60646c;--line:#e1e4e8;--ours:#0b7a57;--sleeps:#2562c4;"
    "--slices:#a75d00;--spins:#c4273a;--hangs:#77707f;--good:#0b7a57;"
    "--bad:#c4273a;--running:#c4273a;--pending:#8894a6;--poll:#d9b310;"
    "--spin:#e0762e;--park_deadline:#2f9e77;--park:#8fd0b5;--sliced:#c08a3e;"
    "--waiting:#c9ced6}"
    "@media(prefers-color-scheme:dark){:root{--bg:#121417;--card:#1b1e23;"
    "--ink:#e7e9ec;--soft:#9aa2ad;--line:#2e333b;--ours:#45d19f;"
    "--sleeps:#79aefc;--slices:#efae55;--spins:#ff7583;--hangs:#a9a3b3;"
    "--good:#45d19f;--bad:#ff7583;--running:#f0626f;--pending:#6d7889;"
    "--poll:#d8b73a;--spin:#e98a48;--park_deadline:#2f9e77;--park:#226350;"
    "--sliced:#b98b4e;--waiting:#474d57}}"
    "*{box-sizing:border-box}"
    "body{margin:0 auto;max-width:1240px;padding:28px 20px 60px;"
    "background:var(--bg);color:var(--ink);font:15px/1.5 system-ui,"
    "-apple-system,\"Segoe UI\",Roboto,\"DejaVu Sans\",sans-serif}"
    "h1{font-size:26px;margin:0 0 4px}h2{font-size:18px;margin:34px 0 6px}"
    "p{margin:6px 0 12px;max-width:76ch}.soft{color:var(--soft)}"
    ".card{background:var(--card);border:1px solid var(--line);"
    "border-radius:10px;padding:14px 16px}"
    ".cards{display:grid;gap:12px;grid-template-columns:repeat(auto-fit,"
    "minmax(200px,1fr));margin:18px 0}"
    ".cards b{display:block;font-size:24px;font-weight:650}"
    ".pair{display:grid;gap:14px;grid-template-columns:repeat(auto-fit,"
    "minmax(min(100%,480px),1fr))}"
    ".partial{border-color:var(--bad);color:var(--bad);margin:14px 0}"
    ".scroll{overflow-x:auto}"
    "table{border-collapse:collapse;width:100%;font-variant-numeric:"
    "tabular-nums}"
    "th,td{padding:5px 9px;border-bottom:1px solid var(--line);"
    "text-align:right;vertical-align:top;white-space:nowrap}"
    "th{font-weight:600;font-size:13px;color:var(--soft)}"
    "th:first-child,td:first-child,td.text,th.text{text-align:left}"
    "td.text{white-space:normal;min-width:220px}"
    "tr:last-child td{border-bottom:0}"
    "td.trouble{white-space:normal;text-align:left;max-width:900px}"
    "#figures td,#figures th{padding:5px 6px;font-size:13px}"
    "td small{display:block;color:var(--soft);font-size:11.5px}"
    "td.verdict{text-align:left}td.name{font-weight:600}td.wide{width:60%}td."
    "chart{padding:2px 6px}"
    ".ours{color:var(--ours)}.sleeps{color:var(--sleeps)}"
    ".slices{color:var(--slices)}.spins{color:var(--spins)}"
    ".hangs{color:var(--hangs)}"
    ".holds{color:var(--good);font-weight:600}.fails{color:var(--bad);"
    "font-weight:600}.unknown{color:var(--soft)}"
    "svg{display:block;font:12px system-ui,-apple-system,\"Segoe UI\",Roboto,"
    "\"DejaVu Sans\",sans-serif}"
    ".chart.wide{width:100%;height:auto}.chart.small{width:270px;height:78px}"
    ".chart.bar{width:100%;height:18px;min-width:260px;border-radius:3px}"
    ".frame{fill:none;stroke:var(--line)}.grid{stroke:var(--line);"
    "stroke-width:1}.base{stroke:var(--soft);stroke-width:1}"
    ".tick{fill:var(--soft);font-size:10.5px}.axis{fill:var(--soft)}"
    ".label{fill:currentColor;font-weight:600;font-size:11.5px;"
    "paint-order:stroke;stroke:var(--card);stroke-width:3px}"
    ".lead{stroke:var(--soft);stroke-width:.7}"
    ".dot circle{fill:currentColor;stroke:var(--card);stroke-width:1.5}"
    ".dot line{stroke:currentColor;stroke-width:1.2;opacity:.55}"
    ".front{fill:none;stroke:var(--ours);stroke-width:1.4;"
    "stroke-dasharray:5 4;opacity:.8}"
    ".fill{fill:currentColor;opacity:.75}.line{fill:none;"
    "stroke:currentColor;stroke-width:1.6}"
    ".mark{stroke:var(--ink);stroke-width:1;stroke-dasharray:2 2;opacity:.7}"
    ".key{display:inline-block;width:11px;height:11px;border-radius:2px;"
    "margin:0 5px 0 14px;vertical-align:-1px}";

/* ---- words
 * -------------------------------------------------------------------- */

/* What a policy does about WFI, as its colour says it. */
static const char *family(const char *policy)
{
    static const struct {
        const char *name, *class;
    } families[] = {
        {"park", "ours"},      {"halt", "sleeps"}, {"haltpoll", "sleeps"},
        {"pselect", "sleeps"}, {"spin", "spins"},  {"nodeadline", "hangs"},
        {"sleep", "slices"},   {"rate", "slices"}, {"ladder", "slices"},
        {"score", "slices"},
    };
    size_t len = strcspn(policy, ",");

    for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++)
        if (strlen(families[i].name) == len &&
            strncmp(families[i].name, policy, len) == 0)
            return families[i].class;
    return "sleeps";
}

static void figure(FILE *to, double value)
{
    if (!isfinite(value))
        fputs("&ndash;", to);
    else
        fprintf(to, "%.*f", value >= 99.95 ? 0 : value >= 9.95 ? 1 : 2, value);
}

static void name_cell(FILE *to, const struct report *report, size_t column)
{
    fprintf(to, "<tr><td class=\"name %s\">",
            family(report->column[column].policy));
    html_text(to, report->column[column].policy);
    fprintf(to, "<small>%u vCPU%s</small></td>", report->column[column].cpus,
            report->column[column].cpus == 1 ? "" : "s");
}

/* ---- the head
 * ------------------------------------------------------------------ */

static void begin_page(FILE *to, const struct report *report)
{
    struct spread load = report_load(report);

    fprintf(to,
            "<!DOCTYPE html>\n<html lang=en><head><meta charset=utf-8>"
            "<meta name=viewport content=\"width=device-width\">"
            "<meta http-equiv=Content-Security-Policy content=\"default-src "
            "'none'; style-src 'unsafe-inline'\">"
            "<title>lull bench idle</title><style>%s</style></head><body>\n"
            "<h1>What an idle guest costs</h1><p class=soft>",
            style);
    html_text(to, report->host);
    fputs("<br>", to);
    html_text(to, report->guest);
    fprintf(to, "<br>lull %s, ", report->version);
    html_text(to, report->started);
    fprintf(to, "; idle for %g s, %u run%s of each policy, taking turns",
            report->seconds, report->repeat, report->repeat == 1 ? "" : "s");
    if (load.count > 0)
        fprintf(to, "; load of the host %.1f to %.1f", load.min, load.max);
    fputs("</p>\n", to);
    if (!report_complete(report))
        fprintf(to,
                "<p class=\"card partial\" id=partial><b>Partial:</b> it was "
                "interrupted after %zu of %zu runs. What is here was measured."
                "</p>\n",
                report->runs, report->planned);
}

static void headline(FILE *to, const char *title, double value,
                     const char *unit, const char *note)
{
    fputs("<div class=card><span class=soft>", to);
    html_text(to, title);
    fputs("</span><b>", to);
    figure(to, value);
    fprintf(to, " %s</b><span class=soft>", unit);
    html_text(to, note);
    fputs("</span></div>\n", to);
}

static void headlines(FILE *to, const struct report *report,
                      const struct claim *claims, size_t claim_count)
{
    size_t holds = 0, judged = 0, park, spin;
    unsigned cpus = 0;

    for (size_t i = 0; i < report->columns; i++)
        if (report->column[i].cpus > cpus)
            cpus = report->column[i].cpus;
    park = report_find(report, "park", cpus);
    spin = report_find(report, "spin", cpus);
    for (size_t i = 0; i < claim_count; i++) {
        holds += claims[i].verdict == CLAIM_HOLDS;
        judged += claims[i].verdict != CLAIM_UNKNOWN;
    }
    fputs("<div class=cards>\n", to);
    if (park < report->columns) {
        headline(to, "Idle CPU, park",
                 report_spread(report, park, METRIC_IDLE_CPU).median, "%",
                 "of one core, the whole process");
        headline(to, "Wake-ups, park",
                 report_spread(report, park, METRIC_WAKEUPS).median, "/s",
                 "of all its threads");
    }
    if (spin < report->columns)
        headline(to, "Idle CPU, spin",
                 report_spread(report, spin, METRIC_IDLE_CPU).median, "%",
                 "what it is all about");
    if (judged > 0)
        fprintf(to,
                "<div class=card><span class=soft>Claims that hold</span>"
                "<b>%zu of %zu</b><span class=soft>see the table below</span>"
                "</div>\n",
                holds, judged);
    fputs("</div>\n", to);
}

/* ---- cost and delay
 * -------------------------------------------------------------- */

enum { POINTS_MAX = 64 };

static void front(FILE *to, const struct report *report, unsigned cpus,
                  enum metric delay, const char *y_title)
{
    struct chart_point points[POINTS_MAX];
    size_t count = 0;

    for (size_t i = 0; i < report->columns && count < POINTS_MAX; i++) {
        struct spread x = report_spread(report, i, METRIC_IDLE_CPU);
        struct spread y = report_spread(report, i, delay);

        if (report->column[i].cpus == cpus)
            points[count++] = (struct chart_point){
                .name = report->column[i].policy,
                .class = family(report->column[i].policy),
                .x = x.median,
                .x_min = x.min,
                .x_max = x.max,
                .y = y.median,
                .y_min = y.min,
                .y_max = y.max,
            };
    }
    fputs("<div class=card>", to);
    chart_front(to, points, count, "idle CPU, % of a core", y_title);
    fputs("</div>\n", to);
}

static void fronts(FILE *to, const struct report *report)
{
    fputs("<h2>Cost and delay</h2><p class=soft>Down and to the left is "
          "better. Both axes are logarithmic; the crosses are ranges over the "
          "runs, the dashed line joins what no other policy beats in both."
          "</p>\n",
          to);
    for (size_t i = 0; i < report->columns; i++) {
        unsigned cpus = report->column[i].cpus;

        if (i > 0 && report->column[i - 1].cpus == cpus)
            continue;
        fprintf(to, "<p><b>%u vCPU%s</b></p><div class=pair>\n", cpus,
                cpus == 1 ? "" : "s");
        front(to, report, cpus, METRIC_LATE_P50,
              "timer lateness in the guest, p50, us");
        front(to, report, cpus, METRIC_KICK_P50,
              "console byte to guest program, p50, us");
        fputs("</div>\n", to);
    }
}

/* ---- the table
 * ------------------------------------------------------------------- */

static bool has_metric(const struct report *report, enum metric metric)
{
    return report->net || !metric_needs_net(metric);
}

static void figure_cell(FILE *to, struct spread spread)
{
    fputs("<td>", to);
    figure(to, spread.median);
    if (spread.count > 1) {
        fputs("<small>", to);
        figure(to, spread.min);
        fputs(" &ndash; ", to);
        figure(to, spread.max);
        fputs("</small>", to);
    }
    fputs("</td>", to);
}

static void loss_cell(FILE *to, double percent)
{
    if (isfinite(percent))
        fprintf(to, "<td>%.0f %%</td>", percent);
    else
        fputs("<td>&ndash;</td>", to);
}

/* Why a policy has no figures, or fewer. */
static void trouble_row(FILE *to, const struct report *report, size_t column)
{
    static const enum outcome bad[] = {OUTCOME_STUCK, OUTCOME_FAILED,
                                       OUTCOME_CUT};
    const struct run *run;

    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        size_t count = report_outcomes(report, column, bad[i], &run);

        if (count == 0)
            continue;
        fprintf(
            to,
            "<tr><td></td><td class=trouble colspan=%d><b class=fails>%s</b> "
            "in %zu of %u: ",
            METRICS + 2, outcome_name(bad[i]), count, report->repeat);
        html_text(to, run->reason);
        fputs("</td></tr>\n", to);
    }
}

static void table(FILE *to, const struct report *report)
{
    fputs("<h2>All figures</h2><p class=soft>Medians, and ranges where there "
          "are several runs. Latencies are in microseconds. Loss: of the "
          "throughput of a busy guest, against park.</p>"
          "<div class=\"card scroll\"><table id=figures><tr><th>policy</th>",
          to);
    for (unsigned i = 0; i < METRICS; i++)
        if (has_metric(report, i)) {
            fputs("<th title=\"", to);
            html_text(to, metric_info[i].says);
            fprintf(to, "\">%s</th>", metric_info[i].title);
        }
    fputs("<th>compute loss</th><th>handoff loss</th></tr>\n", to);
    for (size_t i = 0; i < report->columns; i++) {
        name_cell(to, report, i);
        for (unsigned m = 0; m < METRICS; m++)
            if (has_metric(report, m))
                figure_cell(to, report_spread(report, i, m));
        loss_cell(to, report_loss(report, i, METRIC_COMPUTE));
        loss_cell(to, report_loss(report, i, METRIC_HANDOFF));
        fputs("</tr>\n", to);
        trouble_row(to, report, i);
    }
    fputs("</table></div>\n", to);
}

/* ---- claims
 * --------------------------------------------------------------------- */

static void claims_table(FILE *to, const struct claim *claims, size_t count)
{
    static const char *const classes[] = {"holds", "fails", "unknown"};

    if (count == 0)
        return;
    fputs("<h2>Claimed, and measured</h2><p class=soft>The claims for ladder "
          "and sleep are their author's, made on another machine.</p>"
          "<div class=\"card scroll\"><table id=claims><tr><th>policy</th>"
          "<th class=text></th><th class=text>claimed</th>"
          "<th class=text>measured</th></tr>\n",
          to);
    for (size_t i = 0; i < count; i++) {
        fprintf(to, "<tr><td class=\"name %s\">", family(claims[i].policy));
        html_text(to, claims[i].policy);
        fprintf(to,
                "<small>%u vCPU%s</small></td><td class=\"verdict %s\">%s"
                "</td><td class=text>",
                claims[i].cpus, claims[i].cpus == 1 ? "" : "s",
                classes[claims[i].verdict], verdict_name(claims[i].verdict));
        html_text(to, claims[i].claimed);
        fputs("</td><td class=text>", to);
        html_text(to, claims[i].measured);
        fputs("</td></tr>\n", to);
    }
    fputs("</table></div>\n", to);
}

/* ---- idle states
 * ----------------------------------------------------------------- */

static void states(FILE *to, const struct report *report)
{
    double share[RESIDENCIES];

    fputs("<h2>Where the vCPUs&rsquo; time goes while idle</h2><p>", to);
    for (unsigned i = 0; i < RESIDENCIES; i++)
        fprintf(to, "<span class=key style=\"background:var(--%s)\"></span>%s",
                residency_names[i], residency_names[i]);
    fputs("</p><p class=soft>running: in the guest, or in the monitor for it. "
          "sliced: asleep without listening. waiting: no host CPU was free."
          "</p><style>",
          to);
    for (unsigned i = 0; i < RESIDENCIES; i++)
        fprintf(to, ".state.%s{fill:var(--%s)}", residency_names[i],
                residency_names[i]);
    fputs("</style><div class=\"card scroll\"><table id=residency>\n", to);
    for (size_t i = 0; i < report->columns; i++) {
        if (!report_residency(report, i, share))
            continue;
        name_cell(to, report, i);
        fputs("<td class=wide>", to);
        chart_shares(to, residency_names, share, RESIDENCIES);
        fprintf(to, "</td><td>%.2f %% running</td></tr>\n",
                100 * share[RESIDENCY_RUNNING]);
    }
    fputs("</table></div>\n", to);
}

/* ---- distributions
 * --------------------------------------------------------------- */

static const char *duration(int decade)
{
    static const char *const names[] = {
        "1 ns", "10 ns", "100 ns", "1 us", "10 us", "100 us",
        "1 ms", "10 ms", "0.1 s",  "1 s",  "10 s",  "100 s",
    };

    return decade >= 0 && decade < 12 ? names[decade] : "";
}

static double log2_start(unsigned i)
{
    return exp2(i);
}

static void samples_cell(FILE *to, const struct report *report, size_t column,
                         enum sample_kind which)
{
    static const struct chart_axis axis = {3, 8, duration};
    struct samples all = report_samples(report, column, which);
    uint64_t counts[SAMPLE_BUCKETS];
    double buckets[SAMPLE_BUCKETS], marks[2];

    fputs("<td class=chart>", to);
    if (all.count > 0) {
        samples_histogram(&all, counts);
        for (unsigned i = 0; i < SAMPLE_BUCKETS; i++)
            buckets[i] = (double)counts[i];
        marks[0] = samples_quantile(&all, 0.5);
        marks[1] = samples_quantile(&all, 0.99);
        chart_histogram(to, &axis, buckets, SAMPLE_BUCKETS,
                        samples_bucket_start, marks, 2,
                        family(report->column[column].policy));
    }
    fputs("</td>", to);
    samples_free(&all);
}

static void lengths_cell(FILE *to, const struct report *report, size_t column)
{
    static const struct chart_axis axis = {3, 11, duration};
    double buckets[IDLE_LENGTHS];

    report_idle_lengths(report, column, buckets);
    fputs("<td class=chart>", to);
    chart_histogram(to, &axis, buckets, IDLE_LENGTHS, log2_start, NULL, 0,
                    family(report->column[column].policy));
    fputs("</td>", to);
}

static void distributions(FILE *to, const struct report *report)
{
    const struct run *run;

    fputs("<h2>Distributions</h2><p class=soft>One logarithmic axis a column "
          "of charts; dashed: median and 99th percentile. Each is as high as "
          "its own highest bar.</p><div class=\"card scroll\">"
          "<table id=histograms><tr><th>policy</th>"
          "<th class=text>timer lateness in the guest</th>"
          "<th class=text>console byte to guest program</th>",
          to);
    if (report->net)
        fputs("<th class=text>TCP byte to guest program</th>", to);
    fputs("<th class=text>length of idle periods</th></tr>\n", to);
    for (size_t i = 0; i < report->columns; i++) {
        if (report_outcomes(report, i, OUTCOME_OK, &run) == 0)
            continue;
        name_cell(to, report, i);
        samples_cell(to, report, i, SAMPLES_LATE);
        samples_cell(to, report, i, SAMPLES_KICK);
        if (report->net)
            samples_cell(to, report, i, SAMPLES_NET);
        lengths_cell(to, report, i);
        fputs("</tr>\n", to);
    }
    fputs("</table></div>\n", to);
}

/* ---- the first seconds
 * -------------------------------------------------------------- */

enum { MOMENTS_MAX = 256 };

static void life(FILE *to, const struct report *report, const struct run *run)
{
    const char *policy = report->column[run->column].policy;
    struct chart_xy points[MOMENTS_MAX];
    double x_max = 0, y_max = 0;
    size_t count = 0;

    for (size_t i = 0; i < run->moments && count < MOMENTS_MAX; i++) {
        points[count++] =
            (struct chart_xy){run->moment[i].at_s, run->moment[i].cpu_percent};
        x_max = fmax(x_max, run->moment[i].at_s);
        y_max = fmax(y_max, run->moment[i].cpu_percent);
    }
    fprintf(to, "<div class=card><b class=%s>", family(policy));
    html_text(to, policy);
    fprintf(to, "</b> <span class=soft>up to %.0f %% CPU</span>", y_max);
    chart_line(to, points, count, x_max, y_max, plan_grace_s(policy),
               family(policy));
    for (size_t i = 0; i < run->notices; i++) {
        fprintf(to,
                "<p class=soft><small>%.1f s: ", fmax(run->notice[i].at_s, 0));
        html_text(to, run->notice[i].text);
        fputs("</small></p>", to);
    }
    fputs("</div>\n", to);
}

static void lives(FILE *to, const struct report *report)
{
    bool begun = false;

    for (size_t i = 0; i < report->runs; i++) {
        const struct run *run = &report->run[i];

        if (run->round != 0 || run->moments == 0)
            continue;
        if (!begun)
            fputs("<h2>The first seconds</h2><p class=soft>CPU of policies "
                  "that leave WFI alone at first; dashed: when they may begin "
                  "to sleep. First run of each.</p><div class=cards "
                  "style=\"grid-template-columns:repeat(auto-fill,"
                  "minmax(306px,1fr))\">\n",
                  to);
        begun = true;
        life(to, report, run);
    }
    if (begun)
        fputs("</div>\n", to);
}

static void how(FILE *to, const struct report *report)
{
    fputs("<h2>How it was measured</h2><div class=card><table>", to);
    for (unsigned i = 0; i < METRICS; i++) {
        if (!has_metric(report, i))
            continue;
        fprintf(to, "<tr><td>%s</td><td class=text>", metric_info[i].key);
        html_text(to, metric_info[i].says);
        fputs("</td></tr>", to);
    }
    fputs("</table></div>\n", to);
}

bool report_html(const struct report *report, FILE *to)
{
    static struct claim claims[CLAIMS_MAX];
    size_t count = claims_check(report, claims);

    begin_page(to, report);
    headlines(to, report, claims, count);
    fronts(to, report);
    claims_table(to, claims, count);
    states(to, report);
    distributions(to, report);
    lives(to, report);
    table(to, report);
    how(to, report);
    fputs("</body></html>\n", to);
    return fflush(to) == 0 && ferror(to) == 0;
}
