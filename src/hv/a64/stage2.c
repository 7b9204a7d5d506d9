/*
 * Stage 2 tables: sorted runs of guest physical pages, replaced whole.
 *
 * A table never changes once it is published, so a reader needs nothing but
 * the pointer. A writer builds the next table, publishes it, waits until no
 * vCPU can still be using the old one (a64_broadcast_all), and frees that.
 * Machines have a handful of runs, neighbours that continue each other are
 * joined, and vCPUs remember the run they hit last: lookup is not a cost.
 * What loses is a VMM that maps scattered single pages by the thousand: each
 * call copies the table.
 */
#include "stage2.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <arm64/hv/hv_kern_types.h>

#include "cpu.h"
#include "lull/checked.h"

_Static_assert((int)A64_S2_READ == (int)HV_MEMORY_READ, "same bits");
_Static_assert((int)A64_S2_WRITE == (int)HV_MEMORY_WRITE, "same bits");
_Static_assert((int)A64_S2_EXEC == (int)HV_MEMORY_EXEC, "same bits");

/* Finer than Apple's 16 KiB; whatever the host's page size is, as host memory
 * is only looked at, never mapped. */
enum { GRANULE = 4096, ALL_FLAGS = A64_S2_READ | A64_S2_WRITE | A64_S2_EXEC };

struct run {
    uint64_t start, end;
    uint8_t *host; /* of start */
    uint32_t flags;
};

struct table {
    size_t count;
    struct run run[];
};

struct a64_stage2 {
    pthread_mutex_t lock; /* writers */
    unsigned ipa_bits;
    _Atomic(struct table *) table;
};

struct a64_stage2 *a64_stage2_new(unsigned ipa_bits)
{
    struct a64_stage2 *s2 = calloc(1, sizeof(*s2));
    struct table *empty = calloc(1, sizeof(*empty));

    if (s2 == NULL || empty == NULL) {
        free(s2);
        free(empty);
        return NULL;
    }
    pthread_mutex_init(&s2->lock, NULL);
    s2->ipa_bits = ipa_bits;
    atomic_init(&s2->table, empty);
    return s2;
}

void a64_stage2_free(struct a64_stage2 *s2)
{
    if (s2 == NULL)
        return;
    free(atomic_load_explicit(&s2->table, memory_order_relaxed));
    pthread_mutex_destroy(&s2->lock);
    free(s2);
}

/* The first run that ends above ipa; count when there is none. */
static size_t first_above(const struct table *table, uint64_t ipa)
{
    size_t low = 0, high = table->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (table->run[middle].end > ipa)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

bool a64_stage2_find(const struct a64_stage2 *s2, uint64_t ipa,
                     struct a64_s2_span *span)
{
    const struct table *table =
        atomic_load_explicit(&s2->table, memory_order_acquire);
    size_t i = first_above(table, ipa);
    const struct run *run = &table->run[i];

    if (i == table->count || ipa < run->start)
        return false;
    span->host = run->host + (ipa - run->start);
    span->before_bytes = ipa - run->start;
    span->left_bytes = run->end - ipa;
    span->flags = run->flags;
    return true;
}

/* ---- writers ---- */

static bool range_ok(const struct a64_stage2 *s2, uint64_t ipa, uint64_t size)
{
    return size != 0 && ((ipa | size) & (GRANULE - 1)) == 0 &&
           range_within(ipa, size, 0, 1ULL << s2->ipa_bits);
}

/* Pages of [start, end) that are mapped, in bytes. */
static uint64_t mapped_bytes(const struct table *table, uint64_t start,
                             uint64_t end)
{
    uint64_t sum = 0;

    for (size_t i = first_above(table, start);
         i < table->count && table->run[i].start < end; i++) {
        const struct run *run = &table->run[i];
        uint64_t from = run->start > start ? run->start : start;
        uint64_t to = run->end < end ? run->end : end;

        sum += to - from;
    }
    return sum;
}

/* Add the pages of `run` within [start, end) at the end of the table, joined
 * with the run before where it goes on. */
static void append(struct table *table, struct run run, uint64_t start,
                   uint64_t end)
{
    struct run *last = table->count ? &table->run[table->count - 1] : NULL;

    if (run.start < start) {
        run.host += start - run.start;
        run.start = start;
    }
    if (run.end > end)
        run.end = end;
    if (run.start >= run.end)
        return;
    if (last != NULL && last->end == run.start &&
        last->host + (last->end - last->start) == run.host &&
        last->flags == run.flags)
        last->end = run.end;
    else
        table->run[table->count++] = run;
}

/* Room for what one change can make of `old`: the hole it cuts into a run and
 * the run it puts there. */
static struct table *table_after(const struct table *old)
{
    struct table *table =
        malloc(sizeof(*table) + (old->count + 2) * sizeof(struct run));

    if (table != NULL)
        table->count = 0;
    return table;
}

/* Let readers have `table`; the old one is freed when they have left it. */
static void publish(struct a64_vm *vm, struct table *table)
{
    struct table *old = atomic_exchange_explicit(&vm->stage2->table, table,
                                                 memory_order_acq_rel);

    a64_broadcast_all(vm);
    free(old);
}

static int map_locked(struct a64_vm *vm, const struct run *new)
{
    const struct table *old = vm->stage2->table;
    size_t before = first_above(old, new->start);
    struct table *table;

    if (mapped_bytes(old, new->start, new->end) != 0)
        return HV_ERROR;
    table = table_after(old);
    if (table == NULL)
        return HV_NO_RESOURCES;
    for (size_t i = 0; i < before; i++)
        append(table, old->run[i], 0, UINT64_MAX);
    append(table, *new, 0, UINT64_MAX);
    for (size_t i = before; i < old->count; i++)
        append(table, old->run[i], 0, UINT64_MAX);
    publish(vm, table);
    return HV_SUCCESS;
}

static int unmap_locked(struct a64_vm *vm, uint64_t start, uint64_t end)
{
    const struct table *old = vm->stage2->table;
    struct table *table;

    if (mapped_bytes(old, start, end) == 0)
        return HV_SUCCESS;
    table = table_after(old);
    if (table == NULL)
        return HV_NO_RESOURCES;
    for (size_t i = 0; i < old->count; i++) {
        append(table, old->run[i], 0, start);
        append(table, old->run[i], end, UINT64_MAX);
    }
    publish(vm, table);
    /* Nobody can reach the pages now, so nobody decodes them again. */
    a64_code_invalidate(vm, start, end - start);
    return HV_SUCCESS;
}

static int protect_locked(struct a64_vm *vm, uint64_t start, uint64_t end,
                          uint32_t flags)
{
    const struct table *old = vm->stage2->table;
    struct table *table;

    if (mapped_bytes(old, start, end) != end - start)
        return HV_ERROR;
    /* each end of the range may cut a run in two */
    table = table_after(old);
    if (table == NULL)
        return HV_NO_RESOURCES;
    for (size_t i = 0; i < old->count; i++) {
        struct run changed = old->run[i];

        changed.flags = flags;
        append(table, old->run[i], 0, start);
        append(table, changed, start, end);
        append(table, old->run[i], end, UINT64_MAX);
    }
    publish(vm, table);
    return HV_SUCCESS;
}

int a64_stage2_map(struct a64_vm *vm, void *host, uint64_t ipa, uint64_t size,
                   uint32_t flags)
{
    struct a64_stage2 *s2 = vm->stage2;
    struct run run = {
        .start = ipa,
        .end = ipa + size,
        .host = host,
        .flags = flags,
    };
    uint64_t host_end;
    int result;

    if (!range_ok(s2, ipa, size) || (flags & ~(uint32_t)ALL_FLAGS) ||
        host == NULL || ((uintptr_t)host & (GRANULE - 1)) ||
        !add_ok((uintptr_t)host, size, &host_end))
        return HV_BAD_ARGUMENT;
    pthread_mutex_lock(&s2->lock);
    result = map_locked(vm, &run);
    pthread_mutex_unlock(&s2->lock);
    return result;
}

int a64_stage2_unmap(struct a64_vm *vm, uint64_t ipa, uint64_t size)
{
    struct a64_stage2 *s2 = vm->stage2;
    int result;

    if (!range_ok(s2, ipa, size))
        return HV_BAD_ARGUMENT;
    pthread_mutex_lock(&s2->lock);
    result = unmap_locked(vm, ipa, ipa + size);
    pthread_mutex_unlock(&s2->lock);
    return result;
}

int a64_stage2_protect(struct a64_vm *vm, uint64_t ipa, uint64_t size,
                       uint32_t flags)
{
    struct a64_stage2 *s2 = vm->stage2;
    int result;

    if (!range_ok(s2, ipa, size) || (flags & ~(uint32_t)ALL_FLAGS))
        return HV_BAD_ARGUMENT;
    pthread_mutex_lock(&s2->lock);
    result = protect_locked(vm, ipa, ipa + size, flags);
    pthread_mutex_unlock(&s2->lock);
    return result;
}
