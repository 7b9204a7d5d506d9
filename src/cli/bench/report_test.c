/*
 * The three forms of a report, of figures made up here: nothing that a guest
 * may have said becomes markup, and nothing unmeasured a coordinate.
 *
 * `report_test --write FILE` writes the HTML, for tests that look at it in a
 * browser.
 */
#include <check.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "chart.h"
#include "plan.h"
#include "report.h"

#define HOSTILE "</td><script>alert('1')</script>&amp;\"\xff\x01<b>"

/* ---- a report
 * ------------------------------------------------------------------ */

/* What a policy costs and how late it is, roughly as it was once measured. */
static const struct {
    const char *policy;
    unsigned cpus;
    double cpu, late_us, kick_us;
    unsigned state;
} made_up[] = {
    {"park", 4, 0.26, 55, 150, 3},
    {"halt", 4, 0.25, 96, 148, 3},
    {"haltpoll", 4, 0.27, 95, 140, 3},
    {"pselect", 4, 0.29, 90, 155, 3},
    {"spin", 4, 195, 40, 60, 7},
    {"nodeadline", 4, 0.01, NAN, NAN, 4},
    {"sleep", 4, 22, 140, 260, 5},
    {"rate", 4, 21.5, 138, 255, 5},
    {"ladder,us=50", 4, 37, 100, 190, 5},
    {"ladder,us=100", 4, 22, 120, 240, 5},
    {"ladder,us=200", 4, 18, 190, 330, 5},
    {"score", 4, 21, 139, 250, 5},
    {"park,share=10,poll", 4, 0.27, 50, 151, 3},
    {"park", 1, 0.08, 50, 140, 3},
    {"halt", 1, 0.08, 91, 139, 3},
};

enum {
    MADE_UP = sizeof(made_up) / sizeof(made_up[0]),
    TWO_ROUNDS = 2 * MADE_UP
};

/* Check's assertions are for tests only, and this is used outside of them. */
static void must(bool good)
{
    if (!good)
        abort();
}

static void fill_samples(struct samples *samples, double median_us)
{
    for (int i = 0; i < 300; i++)
        samples_add(samples,
                    1000 * median_us * exp(((i * 7919) % 300 - 150) / 120.0));
}

static void fill_moments(struct run *run, double grace_s, double cpu)
{
    run->moment = calloc(36, sizeof(*run->moment));
    must(NULL != run->moment);
    for (int i = 0; i < 36; i++) {
        bool asleep = i >= 2 * grace_s;

        run->moment[run->moments++] = (struct moment){
            .at_s = 0.5 + i / 2.0,
            .cpu_percent = i == 0   ? NAN
                           : asleep ? cpu
                                    : 190 + i % 5,
            .sleeps = asleep ? 9000 * i : 0,
        };
    }
}

static void fill_run(struct run *run, size_t i, unsigned round)
{
    double wobble = 1 + 0.06 * round;

    run->load = 0.5 + round;
    run->value[METRIC_BOOT_WALL] = 0.9 * wobble;
    run->value[METRIC_BOOT_CPU] = 0.8;
    run->value[METRIC_IDLE_CPU] = made_up[i].cpu * wobble;
    run->value[METRIC_WAKEUPS] = 9;
    run->value[METRIC_WFI] = 8;
    run->value[METRIC_LATE_P50] = made_up[i].late_us * wobble;
    run->value[METRIC_LATE_P90] = made_up[i].late_us * 3;
    run->value[METRIC_LATE_P99] = made_up[i].late_us * 20;
    run->value[METRIC_KICK_P50] = made_up[i].kick_us * wobble;
    run->value[METRIC_KICK_P99] = made_up[i].kick_us * 9;
    run->value[METRIC_COMPUTE] = 1.5;
    run->value[METRIC_HANDOFF] = 150;
    run->residency[made_up[i].state] = 0.99;
    run->residency[RESIDENCY_RUNNING] = 0.01;
    run->idle_length[20] = 5;
    run->idle_length[28] = 9;
    if (made_up[i].late_us > 0) {
        fill_samples(&run->late_ns, made_up[i].late_us);
        fill_samples(&run->kick_ns, made_up[i].kick_us);
    }
    if (plan_grace_s(made_up[i].policy) > 0)
        fill_moments(run, plan_grace_s(made_up[i].policy), made_up[i].cpu);
}

static struct report make_report(unsigned repeat)
{
    struct report report = {.columns = MADE_UP,
                            .repeat = repeat,
                            .planned = TWO_ROUNDS,
                            .seconds = 30};

    snprintf(report.host, sizeof(report.host), "A processor <of> 2 cores");
    snprintf(report.guest, sizeof(report.guest), "/a&b/kernel, /a&b/initrd");
    snprintf(report.version, sizeof(report.version), "1.2.3");
    snprintf(report.started, sizeof(report.started), "2026-01-02 03:04");
    report.column = calloc(MADE_UP, sizeof(*report.column));
    must(NULL != report.column);
    for (size_t i = 0; i < MADE_UP; i++) {
        snprintf(report.column[i].policy, sizeof(report.column[i].policy), "%s",
                 made_up[i].policy);
        report.column[i].cpus = made_up[i].cpus;
    }
    for (unsigned n = 0; n < repeat * MADE_UP; n++) {
        struct run run;

        run_init(&run, n % MADE_UP, n / MADE_UP);
        fill_run(&run, n % MADE_UP, n / MADE_UP);
        if (!(made_up[n % MADE_UP].late_us > 0)) {
            run.outcome = OUTCOME_STUCK;
            snprintf(run.reason, sizeof(run.reason), "%s", HOSTILE);
        }
        run.notices = 1;
        snprintf(run.notice[0].text, sizeof(run.notice[0].text), "%s", HOSTILE);
        must(report_add(&report, &run));
    }
    return report;
}

/* What a writer writes, to be freed. */
static char *text_of(const struct report *report,
                     bool (*writer)(const struct report *report, FILE *to))
{
    char *text = NULL;
    size_t bytes;
    FILE *to = open_memstream(&text, &bytes);

    ck_assert_ptr_nonnull(to);
    ck_assert(writer(report, to));
    fclose(to);
    return text;
}

/* ---- tests
 * --------------------------------------------------------------------- */

static void no_such(const char *text, const char *what)
{
    ck_assert_msg(strstr(text, what) == NULL, "%s in it", what);
}

START_TEST(text_becomes_no_markup)
{
    char *text = NULL;
    size_t bytes;
    FILE *to = open_memstream(&text, &bytes);

    html_text(to, "a<b>&\"' \u03bc\xc3(\xe2\x82\xff\n\x7f");
    fclose(to);
    ck_assert_str_eq(text, "a&lt;b&gt;&amp;&quot;&#39; \u03bc?(????\?");
    free(text);
}
END_TEST

START_TEST(html_is_safe_and_self_contained)
{
    struct report report = make_report(2);
    char *text = text_of(&report, report_html);

    no_such(text, "<script");
    no_such(text, "</td><b>");
    no_such(text, "\xff");
    no_such(text, "http://");
    no_such(text, "https://");
    no_such(text, "src=");
    no_such(text, "href=");
    no_such(text, "url(");
    no_such(text, "nan");
    no_such(text, "\"inf");
    no_such(text, "PARTIAL");
    no_such(text, "id=partial");
    ck_assert_ptr_nonnull(strstr(text, "A processor &lt;of&gt;"));
    ck_assert_ptr_nonnull(strstr(text, "ladder,us=200"));
    ck_assert_ptr_nonnull(strstr(text, "load of the host 0.5 to 1.5"));
    ck_assert_ptr_nonnull(strstr(text, "<svg"));
    free(text);
    report_free(&report);
}
END_TEST

START_TEST(partial_reports_say_so)
{
    struct report report = make_report(1);
    char *html = text_of(&report, report_html);
    char *table = text_of(&report, report_table);
    char *json = text_of(&report, report_json);

    ck_assert(!report_complete(&report));
    ck_assert_ptr_nonnull(strstr(html, "id=partial"));
    ck_assert_ptr_nonnull(strstr(table, "PARTIAL"));
    ck_assert_ptr_nonnull(strstr(json, "\"complete\": false"));
    free(html);
    free(table);
    free(json);
    report_free(&report);
}
END_TEST

/* Ctrl-C in the first run: nothing was measured at all. */
START_TEST(a_report_of_nothing)
{
    struct report report = make_report(0);
    bool (*const writers[])(const struct report *report, FILE *to) = {
        report_html, report_table, report_json};
    struct run run;

    for (int i = 0; i < 3; i++)
        free(text_of(&report, writers[i]));
    run_init(&run, 0, 0);
    run.outcome = OUTCOME_CUT;
    ck_assert(report_add(&report, &run));
    for (int i = 0; i < 3; i++) {
        char *text = text_of(&report, writers[i]);

        ck_assert_ptr_nonnull(strstr(text, "interrupted"));
        no_such(text, "nan");
        free(text);
    }
    report_free(&report);
}
END_TEST

static double median(const json_t *report, size_t policy, const char *key)
{
    const json_t *of =
        json_array_get(json_object_get(report, "policies"), policy);

    return json_number_value(json_object_get(
        json_object_get(json_object_get(of, "figures"), key), "median"));
}

START_TEST(json_has_the_figures)
{
    struct report report = make_report(2);
    char *text = text_of(&report, report_json);
    json_t *json = json_loads(text, 0, NULL);
    const json_t *run;

    ck_assert_ptr_nonnull(json);
    ck_assert_int_eq(json_integer_value(json_object_get(json, "schema")), 1);
    ck_assert(json_is_true(json_object_get(json, "complete")));
    ck_assert_uint_eq(json_array_size(json_object_get(json, "policies")),
                      MADE_UP);
    ck_assert_uint_eq(json_array_size(json_object_get(json, "runs")),
                      TWO_ROUNDS);
    ck_assert_double_eq_tol(median(json, 0, "idle_cpu_percent"), 0.26 * 1.03,
                            1e-9);
    /* A guest that stands still has no figures. */
    ck_assert(json_is_null(json_object_get(
        json_object_get(
            json_object_get(
                json_array_get(json_object_get(json, "policies"), 5),
                "figures"),
            "idle_cpu_percent"),
        "median")));
    run = json_array_get(json_object_get(json, "runs"), 0);
    ck_assert_uint_eq(json_array_size(json_object_get(run, "late_ns")), 300);
    json_decref(json);
    free(text);
    report_free(&report);
}
END_TEST

static int write_html(const char *path)
{
    struct report report = make_report(2);
    FILE *to = fopen(path, "w");
    bool written = to != NULL && report_html(&report, to);

    report_free(&report);
    return to != NULL && fclose(to) == 0 && written ? EXIT_SUCCESS
                                                    : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    Suite *suite = suite_create("report");
    TCase *tcase = tcase_create("report");
    SRunner *runner;
    int failed;

    if (argc == 3 && strcmp(argv[1], "--write") == 0)
        return write_html(argv[2]);
    runner = srunner_create(suite);
    tcase_add_test(tcase, text_becomes_no_markup);
    tcase_add_test(tcase, html_is_safe_and_self_contained);
    tcase_add_test(tcase, partial_reports_say_so);
    tcase_add_test(tcase, a_report_of_nothing);
    tcase_add_test(tcase, json_has_the_figures);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
