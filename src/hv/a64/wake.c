/*
 * Warming up for a wake-up.
 *
 * What a guest does when its wait ends is much the same each time: ten
 * thousand instructions, whose operations lie on some two thousand cache lines
 * of a hundred code pages. After a tenth of a second of other work on the host
 * most of these have gone far down the memory hierarchy, and come back one by
 * one, as the interpreter gets to them. So a few wakes in some dozens are
 * recorded, at a jump's cost more for each jump, and before the others all
 * lines of the last recording are asked for at once: many misses overlap, and
 * while the governor waits out the rest of a deadline they cost nothing.
 *
 * A line is an address and never looked into. The page it was of may have been
 * given back meanwhile; asking for it then is of no use and does no harm.
 */
#include "cpu.h"

#include <string.h>

enum {
    RECORD_EVERY = 32, /* wakes */
    RECORD = 2,        /* of them, into the same set */
    /* After a shorter absence the caches are as they were: 2 ms. */
    LONG_TICKS = 24 * 2000,
    CACHE_LINE_SHIFT = 6,
    HOST_PAGE_SHIFT = 12,
    PROBES = 8,
    /* Longer straight code between two jumps was probably jumped about in. */
    MAX_RUN_BYTES = 1024,
};

static void add_line(struct a64_wake_set *set, uintptr_t at)
{
    uintptr_t page = at >> HOST_PAGE_SHIFT;
    unsigned i = (unsigned)(page * 0x9e3779b1) >> 16;

    for (unsigned n = 0; n < PROBES; n++, i++) {
        uintptr_t *there = &set->entry[i % A64_WAKE_PAGES].page;

        if (*there == 0)
            *there = page;
        if (*there == page) {
            set->entry[i % A64_WAKE_PAGES].lines |=
                1ULL << (at >> CACHE_LINE_SHIFT & 63);
            return;
        }
    }
}

void a64_wake_note(struct a64_cpu *cpu, const struct a64_op *last)
{
    struct a64_wake *wake = &cpu->wake;
    struct a64_wake_set *set = &wake->set[!wake->playing];
    uintptr_t to = (uintptr_t)last, from;

    if (cpu->page_ops != NULL) {
        from = (uintptr_t)&cpu->page_ops[wake->slot];
        if (to - from > MAX_RUN_BYTES) {
            add_line(set, to);
            to = from;
        }
        from &= ~(((uintptr_t)1 << CACHE_LINE_SHIFT) - 1);
        for (; from <= to; from += 1 << CACHE_LINE_SHIFT)
            add_line(set, from);
    }
    wake->slot = cpu->pc >> 2 & (A64_PAGE_OPS - 1);
}

static void fetch_all(const struct a64_wake_set *set)
{
    for (unsigned i = 0; i < A64_WAKE_PAGES; i++) {
        uintptr_t page = set->entry[i].page << HOST_PAGE_SHIFT;
        uint64_t left = set->entry[i].lines;

        for (; left != 0; left &= left - 1) {
            unsigned line = (unsigned)__builtin_ctzll(left);

            __builtin_prefetch((const void *)(page | line << CACHE_LINE_SHIFT));
        }
    }
}

void a64_wake_warm(struct a64_cpu *cpu, uint64_t now_ticks)
{
    struct a64_wake *wake = &cpu->wake;

    if (wake->warmed || now_ticks - cpu->left_ticks < LONG_TICKS)
        return;
    wake->warmed = true;
    fetch_all(&wake->set[wake->playing]);
}

void a64_wake_leave(struct a64_cpu *cpu)
{
    cpu->recording = false;
    cpu->wake.warmed = false;
}

void a64_wake_enter(struct a64_cpu *cpu)
{
    struct a64_wake *wake = &cpu->wake;
    unsigned phase;

    a64_wake_warm(cpu, cpu->entered_ticks);
    if (!wake->warmed)
        return;
    phase = wake->count++ % RECORD_EVERY;
    if (phase == 0)
        memset(&wake->set[!wake->playing], 0, sizeof(wake->set[0]));
    if (phase == RECORD)
        wake->playing = !wake->playing;
    cpu->recording = phase < RECORD;
}
