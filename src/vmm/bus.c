/*
 * The bus. A machine has some forty windows and a busy guest touches a few of
 * them a million times a second: a sorted array and a binary search are six
 * compares, and there is nothing to invalidate.
 */
#include "bus.h"

#include <stddef.h>

#include "lull/checked.h"

/* The number of windows that begin at or below gpa. */
static unsigned windows_up_to(const struct bus *bus, uint64_t gpa)
{
    unsigned low = 0, high = bus->count;

    while (low < high) {
        unsigned middle = low + (high - low) / 2;

        if (bus->window[middle]->gpa <= gpa)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool bus_add(struct bus *bus, const struct lull_mmio *window)
{
    unsigned at = windows_up_to(bus, window->gpa), i;
    uint64_t last;

    if (bus->count == BUS_WINDOWS_MAX || window->size_bytes == 0 ||
        !add_ok(window->gpa, window->size_bytes - 1, &last))
        return false;
    if (at > 0) {
        const struct lull_mmio *below = bus->window[at - 1];

        if (window->gpa - below->gpa < below->size_bytes)
            return false;
    }
    if (at < bus->count && bus->window[at]->gpa <= last)
        return false;
    for (i = bus->count++; i > at; i--)
        bus->window[i] = bus->window[i - 1];
    bus->window[at] = window;
    return true;
}

const struct lull_mmio *bus_find(const struct bus *bus, uint64_t gpa,
                                 unsigned width_bytes)
{
    unsigned below = windows_up_to(bus, gpa);
    const struct lull_mmio *window;

    if (below == 0)
        return NULL;
    window = bus->window[below - 1];
    if (!range_within(gpa, width_bytes, window->gpa, window->size_bytes))
        return NULL;
    return window;
}
