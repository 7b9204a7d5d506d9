/*
 * The table of `lull top`. Columns have their width; what a wider terminal has
 * to spare goes to the bars.
 */
#include "top.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIGURES_WIDTH = 48, NAME_WIDTH_MAX = 20 };

/* By state: the guest runs; the governor polls, spins, sleeps until a deadline,
 * sleeps, sleeps in slices. */
static const char glyphs[READING_STATES + 1] = "#ps._z";

__attribute__((format(printf, 4, 5))) static void put(struct top_view *view,
                                                      enum top_style style,
                                                      unsigned width,
                                                      const char *format, ...)
{
    struct top_line *line;
    va_list args;

    if (view->count == view->room) {
        size_t room = view->room * 2 + 16;
        struct top_line *more = realloc(view->line, room * sizeof(*more));

        if (more == NULL)
            return;
        view->line = more;
        view->room = room;
    }
    line = &view->line[view->count++];
    line->style = style;
    va_start(args, format);
    vsnprintf(line->text, sizeof(line->text), format, args);
    va_end(args);
    if (width < sizeof(line->text))
        line->text[width] = '\0';
}

void top_bar(const double percent[READING_STATES], unsigned width, char *out)
{
    double sum = 0, total = 0;
    unsigned at = 0;

    for (int i = 0; i < READING_STATES; i++)
        total += percent[i];
    for (int i = 0; i < READING_STATES; i++) {
        unsigned end;

        sum += percent[i];
        end = total > 0 ? (unsigned)lround(sum / total * width) : 0;
        /* Whatever there is shows, if there is room. */
        if (end == at && percent[i] >= 1 && at < width)
            end = at + 1;
        for (; at < end && at < width; at++)
            out[at] = glyphs[i];
    }
    for (; at < width; at++)
        out[at] = ' ';
    out[width] = '\0';
}

/* Widths for names and bars, of what the figures leave. */
struct columns {
    unsigned width, name, bar;
};

static struct columns columns_for(unsigned width)
{
    struct columns c;

    if (width > TOP_LINE_BYTES - 1)
        width = TOP_LINE_BYTES - 1;
    c.width = width < TOP_WIDTH_MIN ? TOP_WIDTH_MIN : width;
    c.name = (c.width - FIGURES_WIDTH) / 2;
    if (c.name > NAME_WIDTH_MAX)
        c.name = NAME_WIDTH_MAX;
    c.bar = c.width - FIGURES_WIDTH - c.name - 1;
    return c;
}

static void put_title(struct top_view *view, const struct top_vms *vms,
                      const struct columns *c)
{
    static const char *const by[] = {
        [TOP_BY_CPU] = "CPU",
        [TOP_BY_NAME] = "name",
        [TOP_BY_WAKES] = "wake-ups",
        [TOP_BY_LATENESS] = "lateness",
    };
    double cpu = 0;
    size_t vcpus = 0;

    for (size_t i = 0; i < vms->count; i++) {
        cpu += top_cpu_percent(vms->vm[i]);
        vcpus += readings_cpus(&vms->vm[i]->r);
    }
    put(view, TOP_TITLE, c->width,
        "lull top: %zu VM%s, %zu vCPUs, CPU %.2f %%, by %s", vms->count,
        vms->count == 1 ? "" : "s", vcpus, cpu, by[vms->sort]);
    put(view, TOP_PLAIN, c->width,
        "# runs  p polls  s spins  . sleeps to a deadline  _ sleeps  z slices");
}

static void put_header(struct top_view *view, const struct columns *c)
{
    put(view, TOP_HEADER, c->width, "%-*.*s %-*.*s%7s%8s%8s%8s%8s%9s",
        (int)c->name, (int)c->name, "VM, VCPU", (int)c->bar, (int)c->bar,
        "STATE", "CPU%", "WAKE/S", "IRQ/S", "IPI/S", "TIMER/S", "LATE us");
}

/* Narrow as it has to be: five digits at most, then thousands. */
static const char *short_number(double value, char *out, size_t bytes)
{
    if (value < 99.95)
        snprintf(out, bytes, "%.1f", value);
    else if (value < 99999.5)
        snprintf(out, bytes, "%.0f", value);
    else
        snprintf(out, bytes, "%.0fk", value / 1000);
    return out;
}

static void put_figures(struct top_view *view, enum top_style style,
                        const struct columns *c, const char *name,
                        const char *bar, const double *value, double late_ns)
{
    char wakes[16], irq[16], ipi[16], timer[16], late[16] = "-";

    if (late_ns > 0)
        short_number(late_ns / 1e3, late, sizeof(late));
    put(view, style, c->width, "%-*.*s %-*.*s%7.2f%8s%8s%8s%8s%9s",
        (int)c->name, (int)c->name, name, (int)c->bar, (int)c->bar, bar,
        value[0], short_number(value[1], wakes, sizeof(wakes)),
        short_number(value[2], irq, sizeof(irq)),
        short_number(value[3], ipi, sizeof(ipi)),
        short_number(value[4], timer, sizeof(timer)), late);
}

static double wakes(const struct readings *r, size_t cpu, const char *reason)
{
    return readings_rate(r,
                         readings_cpu_change(r, cpu, "idle", "wakes", reason));
}

static void put_vcpu(struct top_view *view, const struct top_vm *vm, size_t cpu,
                     const struct columns *c)
{
    const struct readings *r = &vm->r;
    const char *power = reading_text(reading_cpu(r->after, cpu), "power");
    double percent[READING_STATES], late;
    char name[32], bar[TOP_LINE_BYTES];
    double value[] = {
        readings_percent(r, readings_cpu_change(r, cpu, "cpu_ns", NULL, NULL)),
        readings_rate(
            r, readings_cpu_change(r, cpu, "voluntary_switches", NULL, NULL)),
        wakes(r, cpu, "irq"),
        wakes(r, cpu, "ipi"),
        wakes(r, cpu, "timer"),
    };

    snprintf(name, sizeof(name), "  %zu", cpu);
    readings_states(r, cpu, percent);
    if (strcmp(power, "on") == 0) {
        bar[0] = '[';
        top_bar(percent, c->bar - 2, bar + 1);
        snprintf(bar + c->bar - 1, sizeof(bar) - c->bar + 1, "]");
    } else {
        snprintf(bar, sizeof(bar), "%s", power);
    }
    readings_histogram(r, (int)cpu, "timer_late", 0.99, &late);
    put_figures(view, TOP_PLAIN, c, name, bar, value, late);
}

static void put_vm(struct top_view *view, const struct top_vm *vm,
                   const struct columns *c)
{
    const struct readings *r = &vm->r;
    double value[5] = {top_cpu_percent(vm), top_wakes_per_s(vm)};
    char state[96];

    if (vm->trouble[0] != '\0') {
        put(view, TOP_VM, c->width, "%-*.*s %s", (int)c->name, (int)c->name,
            vm->name, vm->trouble);
        return;
    }
    for (size_t i = 0; i < readings_cpus(r); i++) {
        value[2] += wakes(r, i, "irq");
        value[3] += wakes(r, i, "ipi");
        value[4] += wakes(r, i, "timer");
    }
    if (strcmp(reading_text(r->after, "status"), "running") == 0)
        snprintf(state, sizeof(state), "idle %.1f%%", readings_idle_percent(r));
    else
        snprintf(state, sizeof(state), "%s", reading_text(r->after, "status"));
    put_figures(view, TOP_VM, c, vm->name, state, value, top_late_ns(vm));
}

void top_build(struct top_view *view, const struct top_vms *vms, unsigned width,
               bool vcpus)
{
    struct columns c = columns_for(width);

    view->count = 0;
    put_title(view, vms, &c);
    put_header(view, &c);
    for (size_t i = 0; i < vms->count; i++) {
        put_vm(view, vms->vm[i], &c);
        for (size_t j = 0; vcpus && j < readings_cpus(&vms->vm[i]->r); j++)
            put_vcpu(view, vms->vm[i], j, &c);
    }
    if (vms->count == 0)
        put(view, TOP_PLAIN, c.width, "No VM is running.");
}

void top_view_free(struct top_view *view)
{
    free(view->line);
    *view = (struct top_view){0};
}

/* ---- JSON
 * --------------------------------------------------------------------
 */

static json_t *vcpu_json(const struct readings *r, size_t cpu)
{
    double percent[READING_STATES], late;
    json_t *states = json_object(), *by = json_object();

    readings_states(r, cpu, percent);
    for (int i = 0; i < READING_STATES; i++)
        json_object_set_new(states, reading_state_name((enum reading_state)i),
                            json_real(percent[i]));
    for (size_t i = 0; reading_wakes[i] != NULL; i++)
        json_object_set_new(by, reading_wakes[i],
                            json_real(wakes(r, cpu, reading_wakes[i])));
    readings_histogram(r, (int)cpu, "timer_late", 0.99, &late);
    return json_pack(
        "{s:s,s:f,s:f,s:o,s:o,s:f}", "power",
        reading_text(reading_cpu(r->after, cpu), "power"), "cpu_percent",
        readings_percent(r, readings_cpu_change(r, cpu, "cpu_ns", NULL, NULL)),
        "wakeups_per_s",
        readings_rate(
            r, readings_cpu_change(r, cpu, "voluntary_switches", NULL, NULL)),
        "states_percent", states, "wakes_per_s", by, "timer_late_p99_below_ns",
        late);
}

json_t *top_json(const struct top_vms *vms)
{
    json_t *list = json_array();

    for (size_t i = 0; i < vms->count; i++) {
        const struct top_vm *vm = vms->vm[i];
        json_t *cpus = json_array();

        for (size_t j = 0; j < readings_cpus(&vm->r); j++)
            json_array_append_new(cpus, vcpu_json(&vm->r, j));
        json_array_append_new(
            list,
            json_pack(
                "{s:s,s:s,s:f,s:f,s:f,s:f,s:f,s:o}", "name", vm->name, "status",
                vm->trouble[0] != '\0' ? vm->trouble
                                       : reading_text(vm->r.after, "status"),
                "seconds", vm->r.seconds, "cpu_percent", top_cpu_percent(vm),
                "idle_percent", readings_idle_percent(&vm->r), "wakeups_per_s",
                top_wakes_per_s(vm), "timer_late_p99_below_ns", top_late_ns(vm),
                "cpus", cpus));
    }
    return list;
}
