/*
 * What `lull top` shows: the running VMs, read again and again (vms.c), as
 * lines of text (view.c), which are printed, or kept on a terminal
 * (screen_*.c).
 */
#ifndef LULL_TOP_H
#define LULL_TOP_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "../readings.h"

struct client;

/* ---- vms.c ------------------------------------------------------------------
 */

/* A VM, with the last two readings of its counters. */
struct top_vm {
    char name[80];
    struct client *client; /* NULL: it has not answered */
    struct readings r;     /* before is NULL until the second reading */
    bool here;             /* seen in this refresh */
    char trouble[80];      /* why there are no counters, or "" */
};

enum top_sort { TOP_BY_CPU, TOP_BY_NAME, TOP_BY_WAKES, TOP_BY_LATENESS };

struct top_vms {
    struct top_vm **vm; /* sorted */
    size_t count;
    enum top_sort sort;
};

/*
 * Read all VMs anew: those that have ended are dropped, new ones taken in.
 * Blocks for at most a second for each VM that does not answer.
 */
void top_refresh(struct top_vms *vms);
/* By what vms->sort says. Pure. */
void top_sort(struct top_vms *vms);
void top_drop(struct top_vms *vms);

double top_cpu_percent(const struct top_vm *vm);
double top_wakes_per_s(const struct top_vm *vm);
/* Lateness of timers, p99, as an upper bound in ns; 0 if there were none. */
double top_late_ns(const struct top_vm *vm);

/* ---- view.c: pure -----------------------------------------------------------
 */

enum top_style { TOP_PLAIN, TOP_TITLE, TOP_HEADER, TOP_VM };

enum { TOP_LINE_BYTES = 512, TOP_WIDTH_MIN = 60 };

struct top_line {
    enum top_style style;
    char text[TOP_LINE_BYTES];
};

struct top_view {
    struct top_line *line;
    size_t count, room;
};

/* The table: a title, a header, a line a VM and one a vCPU, none longer than
 * `width` (which counts as TOP_WIDTH_MIN if it is less). */
void top_build(struct top_view *view, const struct top_vms *vms, unsigned width,
               bool vcpus);
void top_view_free(struct top_view *view);
/* A vCPU's time as `width` characters, with a NUL. */
void top_bar(const double percent[READING_STATES], unsigned width, char *out);
/* The same figures, for programs. */
json_t *top_json(const struct top_vms *vms);

/* ---- screen_curses.c, screen_none.c ----------------------------------------
 */

/* Show them on this terminal until q is pressed. False and one line in err. */
bool top_screen(struct top_vms *vms, double interval, char *err,
                size_t err_bytes);

#endif
