/*
 * Decoded code pages: the table by guest physical page, filling, invalidation,
 * and the bound on their memory.
 *
 * Locks: the cache's lock guards the table and the lists; a page's lock guards
 * writing its slots. Order: cache, then page.
 *
 * Life of a page. It is in the table while its code is current. Invalidation
 * (IC, or the VMM) moves a page of which some affected slot was decoded to the
 * retired list: a vCPU may still be running it, which the architecture allows
 * until that vCPU synchronises. Memory is given back when a bound is reached:
 * every vCPU is made to leave its code page (a broadcast, awaited), and only
 * then are the retired pages freed. There is a bound on all pages, at which
 * everything is taken out of the table first, and a lower one on those
 * retired, which are of use to nobody: a guest that has booted and sits idle
 * held 20 MiB of them. And once a guest has settled (settle.h), everything is
 * taken out as well.
 */
#include "code_slab.h"
#include "native/native.h"
#include "settle.h"

#include "lull/clock.h"

#include <stdlib.h>

enum {
    BUCKETS = 4096,
    /* Decoded code is held to this many pages: 3072 of 16.4 KiB are 50 MiB,
     * and the code of 12 MiB of guest text. A Debian boot touches a tenth. */
    MAX_PAGES = 3072,
    /* 4 MiB; a broadcast and cold TLBs are cheap beside decoding so many. */
    MAX_RETIRED = 256,
    /* How far a fill runs ahead. Cold code is mostly run once, so running on
     * past a call or branch costs more than it saves. */
    FILL_AHEAD = 64,
};

struct a64_code_cache {
    pthread_mutex_t lock;
    struct a64_code_page *bucket[BUCKETS];
    struct a64_code_page *retired;
    size_t pages; /* in the table and retired */
    size_t retired_pages;
    size_t made; /* ever */
    struct a64_settle settle;
    _Atomic uint64_t look_ns; /* when to ask settle next; any vCPU's to set */
    struct a64_code_slab slab;
};

void a64_fn_anchor(void)
{
}

static struct a64_code_page **bucket_of(struct a64_code_cache *cache,
                                        uint64_t ipa)
{
    return &cache->bucket[(ipa >> 12) % BUCKETS];
}

bool a64_code_init(struct a64_vm *vm)
{
    struct a64_code_cache *cache = calloc(1, sizeof(*cache));

    if (cache == NULL)
        return false;
    if (a64_handlers == NULL) {
        a64_decode_init();
        a64_interp_init();
    }
    pthread_mutex_init(&cache->lock, NULL);
    a64_code_slab_init(&cache->slab);
    vm->code = cache;
    a64_native_init(vm); /* without it the interpreter does everything */
    return true;
}

static void page_free(struct a64_code_cache *cache, struct a64_code_page *page)
{
    pthread_mutex_destroy(&page->lock);
    a64_native_drop(page);
    a64_code_slab_give(&cache->slab, page);
}

static void list_free(struct a64_code_cache *cache, struct a64_code_page *page)
{
    while (page != NULL) {
        struct a64_code_page *next = page->next;

        page_free(cache, page);
        page = next;
    }
}

void a64_code_free(struct a64_vm *vm)
{
    struct a64_code_cache *cache = vm->code;

    if (cache == NULL)
        return;
    for (size_t i = 0; i < BUCKETS; i++)
        list_free(cache, cache->bucket[i]);
    list_free(cache, cache->retired);
    a64_code_slab_free(&cache->slab);
    pthread_mutex_destroy(&cache->lock);
    free(cache);
    a64_native_free(vm);
    vm->code = NULL;
}

static struct a64_code_page *page_new(struct a64_code_cache *cache,
                                      uint64_t ipa, const void *host,
                                      enum a64_opcode initial)
{
    struct a64_code_page *page = a64_code_slab_take(&cache->slab);

    if (page == NULL)
        return NULL;
    for (unsigned i = 0; i < A64_PAGE_OPS; i++)
        page->op[i].handler = a64_handlers[initial];
    page->op[A64_PAGE_OPS].handler = a64_handlers[A64_OP_PAGE_END];
    page->source = host;
    page->ipa = ipa;
    page->next = NULL;
    page->native = NULL;
    pthread_mutex_init(&page->lock, NULL);
    return page;
}

/* Take a page out of the table; the caller has the lock. */
static void retire(struct a64_code_cache *cache, struct a64_code_page **link)
{
    struct a64_code_page *page = *link;

    *link = page->next;
    page->next = cache->retired;
    cache->retired = page;
    cache->retired_pages++;
}

/* The same with every page. */
static void retire_all(struct a64_code_cache *cache)
{
    for (size_t i = 0; i < BUCKETS; i++) {
        while (cache->bucket[i] != NULL)
            retire(cache, &cache->bucket[i]);
    }
}

/*
 * Free what is retired, and before that retire all if asked to. Runs on a
 * vCPU's thread that holds no page of its own; after the broadcast nobody else
 * does either.
 */
static void evict(struct a64_cpu *cpu, bool all)
{
    const uint32_t tlbi_vmalle1is = 0xd508831f;
    struct a64_code_cache *cache = cpu->vm->code;
    struct a64_code_page *doomed;

    pthread_mutex_lock(&cache->lock);
    if (all || cache->pages >= MAX_PAGES)
        retire_all(cache);
    doomed = cache->retired;
    cache->retired = NULL;
    cache->pages -= cache->retired_pages;
    cache->retired_pages = 0;
    pthread_mutex_unlock(&cache->lock);

    a64_tlbi(cpu, tlbi_vmalle1is, 0);
    a64_dsb(cpu);
    cpu->page_ops = NULL;
    list_free(cache, doomed);
}

static struct a64_code_page *find(struct a64_code_cache *cache, uint64_t ipa,
                                  const void *host)
{
    struct a64_code_page *page = *bucket_of(cache, ipa);

    while (page != NULL && (page->ipa != ipa || page->source != host))
        page = page->next;
    return page;
}

struct a64_code_page *a64_code_page(struct a64_cpu *cpu, uint64_t ipa,
                                    const void *host)
{
    struct a64_code_cache *cache = cpu->vm->code;
    struct a64_code_page *page;
    bool full;

    pthread_mutex_lock(&cache->lock);
    page = find(cache, ipa, host);
    full = cache->pages >= MAX_PAGES || cache->retired_pages >= MAX_RETIRED;
    pthread_mutex_unlock(&cache->lock);
    if (page != NULL)
        return page;
    if (full)
        evict(cpu, false);

    pthread_mutex_lock(&cache->lock);
    page = find(cache, ipa, host);
    if (page == NULL) {
        page = page_new(cache, ipa, host, A64_OP_DECODE);
        if (page != NULL) {
            struct a64_code_page **bucket = bucket_of(cache, ipa);

            page->next = *bucket;
            *bucket = page;
            cache->pages++;
            cache->made++;
        }
    }
    pthread_mutex_unlock(&cache->lock);
    return page;
}

void a64_code_settle(struct a64_cpu *cpu, uint64_t now_ns)
{
    struct a64_code_cache *cache = cpu->vm->code;
    struct a64_settle_seen seen = {.now_ns = now_ns};
    bool due;

    if (now_ns < atomic_load_explicit(&cache->look_ns, memory_order_relaxed))
        return;
    atomic_store_explicit(&cache->look_ns, now_ns + A64_SETTLE_WINDOW_NS,
                          memory_order_relaxed);
    seen.cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    pthread_mutex_lock(&cache->lock);
    seen.made = cache->made;
    seen.pages = cache->pages;
    due = a64_settle_due(&cache->settle, &seen);
    pthread_mutex_unlock(&cache->lock);
    if (due)
        evict(cpu, true);
}

struct a64_code_usage a64_code_usage(struct a64_vm *vm)
{
    struct a64_code_usage usage = {
        .chunks = a64_code_slab_chunks(&vm->code->slab),
        .native_bytes = a64_native_bytes(),
    };

    pthread_mutex_lock(&vm->code->lock);
    usage.pages = vm->code->pages;
    pthread_mutex_unlock(&vm->code->lock);
    return usage;
}

/* ---- filling ---- */

static bool is_empty(const struct a64_op *op)
{
    return __atomic_load_n(&op->handler, __ATOMIC_RELAXED) ==
           a64_handlers[A64_OP_DECODE];
}

static uint32_t source_word(const struct a64_code_page *page, unsigned index)
{
    return __atomic_load_n(&page->source[index], __ATOMIC_RELAXED);
}

static enum a64_opcode fill_one(struct a64_code_page *page, unsigned index,
                                const struct a64_code_page *source)
{
    struct a64_op op = {0};
    struct a64_op *slot = &page->op[index];
    enum a64_opcode name = a64_decode(source_word(source, index), index, &op);

    slot->insn = op.insn;
    slot->imm = op.imm;
    __atomic_store_n(&slot->handler, a64_handlers[name], __ATOMIC_RELEASE);
    return name;
}

void a64_code_fill(struct a64_cpu *cpu, struct a64_code_page *page,
                   unsigned index)
{
    unsigned end = index + FILL_AHEAD;

    pthread_mutex_lock(&page->lock);
    if (end > A64_PAGE_OPS)
        end = A64_PAGE_OPS;
    for (; index < end && is_empty(&page->op[index]); index++)
        if (!a64_falls_through(fill_one(page, index, page)))
            break;
    pthread_mutex_unlock(&page->lock);
}

struct a64_code_page *a64_code_step(struct a64_cpu *cpu,
                                    const struct a64_code_page *page,
                                    unsigned index)
{
    struct a64_code_page *step = cpu->step_page;

    if (step == NULL) {
        step =
            page_new(cpu->vm->code, page->ipa, page->source, A64_OP_STEP_END);
        if (step == NULL)
            return NULL;
        cpu->step_page = step;
    } else {
        /* only the slot of last time is not STEP_END */
        unsigned last = (unsigned)(step->ipa & 0xfff) >> 2;

        step->op[last].handler = a64_handlers[A64_OP_STEP_END];
    }
    step->source = page->source;
    step->ipa = page->ipa | index << 2;
    fill_one(step, index, page);
    return step;
}

void a64_code_step_free(struct a64_cpu *cpu)
{
    if (cpu->step_page != NULL)
        page_free(cpu->vm->code, cpu->step_page);
    cpu->step_page = NULL;
}

/* ---- invalidation ---- */

/* Whether any slot of [first, last] was decoded. Taking the page's lock makes
 * a fill that read the old words finish first, and so be seen. */
static bool was_decoded(struct a64_code_page *page, unsigned first,
                        unsigned last)
{
    bool decoded = false;

    pthread_mutex_lock(&page->lock);
    while (first <= last && !decoded)
        decoded = !is_empty(&page->op[first++]);
    pthread_mutex_unlock(&page->lock);
    return decoded;
}

static void invalidate_page(struct a64_code_cache *cache, uint64_t ipa,
                            unsigned first, unsigned last)
{
    struct a64_code_page **link = bucket_of(cache, ipa);

    while (*link != NULL) {
        struct a64_code_page *page = *link;

        if (page->ipa == ipa && was_decoded(page, first, last))
            retire(cache, link);
        else
            link = &page->next;
    }
}

void a64_code_invalidate(struct a64_vm *vm, uint64_t ipa, uint64_t len)
{
    struct a64_code_cache *cache = vm->code;
    uint64_t end = ipa + len;

    pthread_mutex_lock(&cache->lock);
    if (len >= (uint64_t)BUCKETS << 12) {
        /* more pages than the table has rows: walk the table instead */
        retire_all(cache);
    } else {
        while (ipa < end) {
            uint64_t page = ipa & ~0xfffULL;
            uint64_t last = end - page > 4096 ? 4095 : end - page - 1;

            invalidate_page(cache, page, (unsigned)(ipa - page) >> 2,
                            (unsigned)last >> 2);
            ipa = page + 4096;
        }
    }
    pthread_mutex_unlock(&cache->lock);
}

void a64_code_invalidate_all(struct a64_vm *vm)
{
    pthread_mutex_lock(&vm->code->lock);
    retire_all(vm->code);
    pthread_mutex_unlock(&vm->code->lock);
}
