/*
 * The running VMs, by their sockets. A client stays connected to each, so that
 * a refresh costs a VM one answer. A VM may end at any moment, or be stopped
 * and not answer: neither ends the view.
 */
#include "top.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../client.h"

enum { PATIENCE_S = 1, ERR_BYTES = 256 };

static void forget(struct top_vm *vm)
{
    readings_drop(&vm->r);
    if (vm->client != NULL)
        client_close(vm->client);
    free(vm);
}

static struct top_vm *find(struct top_vms *vms, const char *name)
{
    for (size_t i = 0; i < vms->count; i++)
        if (strcmp(vms->vm[i]->name, name) == 0)
            return vms->vm[i];
    return NULL;
}

static struct top_vm *add(struct top_vms *vms, const char *name)
{
    /* An array of pointers, which are what is to be sorted. */
    struct top_vm **more =
        realloc((void *)vms->vm,
                (vms->count + 1) *
                    sizeof(*more)); /* NOLINT(bugprone-sizeof-expression) */
    struct top_vm *vm;

    if (more == NULL)
        return NULL;
    vms->vm = more;
    vm = calloc(1, sizeof(*vm));
    if (vm == NULL)
        return NULL;
    snprintf(vm->name, sizeof(vm->name), "%s", name);
    vms->vm[vms->count++] = vm;
    return vm;
}

/* No answer, or none that can be waited for: start over next time. */
static void lose(struct top_vm *vm)
{
    if (vm->client != NULL)
        client_close(vm->client);
    vm->client = NULL;
    readings_drop(&vm->r);
    snprintf(vm->trouble, sizeof(vm->trouble), "does not answer");
}

/* False: it has ended, or its socket is nobody's. */
static bool read_vm(struct top_vm *vm)
{
    char err[ERR_BYTES];
    json_t *stats;

    if (vm->client == NULL) {
        vm->client = client_open_for(vm->name, PATIENCE_S, err, sizeof(err));
        if (vm->client == NULL) {
            lose(vm);
            return strstr(err, "does not answer") != NULL;
        }
    }
    stats = client_ask(vm->client, "x-lull-stats", err, sizeof(err));
    if (stats == NULL) {
        lose(vm);
        return strstr(err, "does not answer") != NULL;
    }
    vm->trouble[0] = '\0';
    json_decref(vm->r.before);
    vm->r.before = vm->r.after;
    vm->r.after = stats;
    readings_time(&vm->r);
    return true;
}

static void drop_those_gone(struct top_vms *vms)
{
    size_t kept = 0;

    for (size_t i = 0; i < vms->count; i++)
        if (vms->vm[i]->here)
            vms->vm[kept++] = vms->vm[i];
        else
            forget(vms->vm[i]);
    vms->count = kept;
}

void top_refresh(struct top_vms *vms)
{
    char **names = client_sockets();

    for (size_t i = 0; i < vms->count; i++)
        vms->vm[i]->here = false;
    for (size_t i = 0; names != NULL && names[i] != NULL; i++) {
        struct top_vm *vm = find(vms, names[i]);

        if (vm == NULL)
            vm = add(vms, names[i]);
        if (vm != NULL)
            vm->here = read_vm(vm);
    }
    client_free_names(names);
    drop_those_gone(vms);
    top_sort(vms);
}

void top_drop(struct top_vms *vms)
{
    for (size_t i = 0; i < vms->count; i++)
        forget(vms->vm[i]);
    free(vms->vm);
    vms->vm = NULL;
    vms->count = 0;
}

/* ---- order
 * -------------------------------------------------------------------
 */

double top_cpu_percent(const struct top_vm *vm)
{
    return readings_percent(&vm->r,
                            readings_change(&vm->r, "process", "cpu_ns"));
}

double top_wakes_per_s(const struct top_vm *vm)
{
    return readings_rate(
        &vm->r, readings_change(&vm->r, "process", "voluntary_switches"));
}

double top_late_ns(const struct top_vm *vm)
{
    double below;

    readings_histogram(&vm->r, READINGS_ALL, "timer_late", 0.99, &below);
    return below;
}

static int descending(double a, double b)
{
    return a < b ? 1 : a > b ? -1 : 0;
}

static int compare(const void *a, const void *b, void *opaque)
{
    const struct top_vms *vms = opaque;
    const struct top_vm *one = *(struct top_vm *const *)a;
    const struct top_vm *two = *(struct top_vm *const *)b;
    int order = 0;

    switch (vms->sort) {
    case TOP_BY_CPU:
        order = descending(top_cpu_percent(one), top_cpu_percent(two));
        break;
    case TOP_BY_WAKES:
        order = descending(top_wakes_per_s(one), top_wakes_per_s(two));
        break;
    case TOP_BY_LATENESS:
        order = descending(top_late_ns(one), top_late_ns(two));
        break;
    case TOP_BY_NAME:
        break;
    }
    return order != 0 ? order : strcmp(one->name, two->name);
}

/* Few, and nearly in order: by insertion. qsort_r is not the same everywhere.
 */
void top_sort(struct top_vms *vms)
{
    for (size_t i = 1; i < vms->count; i++) {
        struct top_vm *vm = vms->vm[i];
        size_t j = i;

        for (; j > 0 && compare(&vms->vm[j - 1], &vm, vms) > 0; j--)
            vms->vm[j] = vms->vm[j - 1];
        vms->vm[j] = vm;
    }
}
