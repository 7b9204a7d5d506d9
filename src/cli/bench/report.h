/*
 * The three forms of a report. All say the same, from the same figures; all
 * can be written of a report that is not complete, and say that it is not.
 * False: writing failed, errno says why.
 */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include <stdio.h>

#include "claims.h"

bool report_table(const struct report *report, FILE *to);
bool report_json(const struct report *report, FILE *to);
bool report_html(const struct report *report, FILE *to);

#endif
