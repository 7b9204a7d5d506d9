/*
 * The report as JSON, "schema": 1. What was not measured is null. Samples are
 * in it, so that others can draw what we did not.
 */
#include <jansson.h>
#include <math.h>
#include <string.h>

#include "report.h"

enum { SCHEMA = 1 };

static json_t *real(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

/* A guest's bytes may be in it: what is no UTF-8 becomes question marks. */
static json_t *text(const char *bytes)
{
    json_t *string = json_string(bytes);
    char copy[512];

    if (string != NULL)
        return string;
    snprintf(copy, sizeof(copy), "%s", bytes);
    for (char *c = copy; *c != '\0'; c++)
        if (*c & 0x80)
            *c = '?';
    return json_string(copy);
}

static json_t *list(const double *values, size_t count)
{
    json_t *array = json_array();

    for (size_t i = 0; i < count; i++)
        json_array_append_new(array, real(values[i]));
    return array;
}

static json_t *residency(const double share[RESIDENCIES])
{
    json_t *object = json_object();

    for (unsigned i = 0; i < RESIDENCIES; i++)
        json_object_set_new(object, residency_names[i], real(share[i]));
    return object;
}

static json_t *moments(const struct run *run)
{
    json_t *array = json_array();

    for (size_t i = 0; i < run->moments; i++)
        json_array_append_new(
            array, json_pack("{s:f,s:o,s:o,s:f}", "at_s", run->moment[i].at_s,
                             "cpu_percent", real(run->moment[i].cpu_percent),
                             "wfi_per_s", real(run->moment[i].wfi_per_s),
                             "sleeps", run->moment[i].sleeps));
    return array;
}

static json_t *notices(const struct run *run)
{
    json_t *array = json_array();

    for (size_t i = 0; i < run->notices; i++)
        json_array_append_new(array, json_pack("{s:f,s:o}", "at_s",
                                               run->notice[i].at_s, "text",
                                               text(run->notice[i].text)));
    return array;
}

static json_t *one_run(const struct report *report, const struct run *run)
{
    const struct column *column = &report->column[run->column];
    json_t *object = json_object(), *figures = json_object();

    for (unsigned i = 0; i < METRICS; i++)
        json_object_set_new(figures, metric_info[i].key, real(run->value[i]));
    json_object_set_new(object, "policy", json_string(column->policy));
    json_object_set_new(object, "cpus", json_integer(column->cpus));
    json_object_set_new(object, "round", json_integer(run->round));
    json_object_set_new(object, "outcome",
                        json_string(outcome_name(run->outcome)));
    json_object_set_new(object, "reason", text(run->reason));
    json_object_set_new(object, "load", real(run->load));
    json_object_set_new(object, "figures", figures);
    json_object_set_new(object, "residency", residency(run->residency));
    json_object_set_new(object, "idle_length_log2_ns",
                        list(run->idle_length, IDLE_LENGTHS));
    json_object_set_new(object, "late_ns",
                        list(run->late_ns.value, run->late_ns.count));
    json_object_set_new(object, "kick_ns",
                        list(run->kick_ns.value, run->kick_ns.count));
    json_object_set_new(object, "net_ns",
                        list(run->net_ns.value, run->net_ns.count));
    json_object_set_new(object, "moments", moments(run));
    json_object_set_new(object, "notices", notices(run));
    return object;
}

static json_t *one_column(const struct report *report, size_t column)
{
    json_t *object = json_object(), *figures = json_object();
    const struct run *first;

    for (unsigned i = 0; i < METRICS; i++) {
        struct spread spread = report_spread(report, column, i);

        json_object_set_new(figures, metric_info[i].key,
                            json_pack("{s:o,s:o,s:o,s:I}", "median",
                                      real(spread.median), "min",
                                      real(spread.min), "max", real(spread.max),
                                      "runs", (json_int_t)spread.count));
    }
    json_object_set_new(object, "policy",
                        json_string(report->column[column].policy));
    json_object_set_new(object, "cpus",
                        json_integer(report->column[column].cpus));
    for (int i = OUTCOME_OK; i <= OUTCOME_CUT; i++)
        json_object_set_new(object, outcome_name(i),
                            json_integer((json_int_t)report_outcomes(
                                report, column, i, &first)));
    json_object_set_new(object, "compute_loss_percent",
                        real(report_loss(report, column, METRIC_COMPUTE)));
    json_object_set_new(object, "handoff_loss_percent",
                        real(report_loss(report, column, METRIC_HANDOFF)));
    json_object_set_new(object, "figures", figures);
    return object;
}

static json_t *all_claims(const struct report *report)
{
    static struct claim claims[CLAIMS_MAX];
    size_t count = claims_check(report, claims);
    json_t *array = json_array();

    for (size_t i = 0; i < count; i++)
        json_array_append_new(
            array,
            json_pack("{s:s,s:s,s:i,s:o,s:o,s:s}", "key", claims[i].key,
                      "policy", claims[i].policy, "cpus", (int)claims[i].cpus,
                      "claimed", text(claims[i].claimed), "measured",
                      text(claims[i].measured), "verdict",
                      verdict_name(claims[i].verdict)));
    return array;
}

static json_t *whole(const struct report *report)
{
    json_t *object = json_object(), *runs = json_array(),
           *columns = json_array();

    for (size_t i = 0; i < report->runs; i++)
        json_array_append_new(runs, one_run(report, &report->run[i]));
    for (size_t i = 0; i < report->columns; i++)
        json_array_append_new(columns, one_column(report, i));
    json_object_set_new(object, "bench", json_string("idle"));
    json_object_set_new(object, "schema", json_integer(SCHEMA));
    json_object_set_new(object, "lull", json_string(report->version));
    json_object_set_new(object, "started", json_string(report->started));
    json_object_set_new(object, "host", text(report->host));
    json_object_set_new(object, "guest", text(report->guest));
    json_object_set_new(object, "seconds", real(report->seconds));
    json_object_set_new(object, "repeat", json_integer(report->repeat));
    json_object_set_new(object, "planned_runs",
                        json_integer((json_int_t)report->planned));
    json_object_set_new(object, "complete",
                        json_boolean(report_complete(report)));
    json_object_set_new(object, "policies", columns);
    json_object_set_new(object, "claims", all_claims(report));
    json_object_set_new(object, "runs", runs);
    return object;
}

bool report_json(const struct report *report, FILE *to)
{
    json_t *object = whole(report);
    bool written =
        json_dumpf(object, to, JSON_INDENT(2) | JSON_REAL_PRECISION(9)) == 0;

    json_decref(object);
    fputc('\n', to);
    return fflush(to) == 0 && written && ferror(to) == 0;
}
