/*
 * Charts as inline SVG. They use the classes and colours of the page that they
 * stand in (html.c), and no script. Whatever is not a finite number is left
 * out; every coordinate written is finite.
 */
#ifndef BENCH_CHART_H
#define BENCH_CHART_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Text into HTML: markup escaped, what is no UTF-8 replaced. */
void html_text(FILE *to, const char *text);

/* A point with its range, on two logarithmic axes. */
struct chart_point {
    const char *name;
    const char *class; /* colours it */
    double x, x_min, x_max, y, y_min, y_max;
};

/* The points, their names, and the front: what no other point beats in both.
 * Nothing is drawn for fewer than one point. */
void chart_front(FILE *to, const struct chart_point *points, size_t count,
                 const char *x_title, const char *y_title);

/* A bar of shares that sum up to 1, from left to right. */
void chart_shares(FILE *to, const char *const *names, const double *shares,
                  size_t count);

/* A logarithmic axis, the same for several charts, in decades: 10^low ... */
struct chart_axis {
    double low, high;
    /* How a power of ten is written, e.g. of ns: "1 us"; NULL: the number. */
    const char *(*name)(int decade);
};

/* A distribution: bucket i from start(i) to start(i + 1); marks at the given
 * values, e.g. of p50 and p99. */
void chart_histogram(FILE *to, const struct chart_axis *axis,
                     const double *buckets, size_t count,
                     double (*start)(unsigned i), const double *marks,
                     size_t mark_count, const char *class);

/* y over seconds as a line, from 0; a mark at `mark_x` when above 0. */
struct chart_xy {
    double x, y;
};
void chart_line(FILE *to, const struct chart_xy *points, size_t count,
                double x_max, double y_max, double mark_x, const char *class);

#endif
