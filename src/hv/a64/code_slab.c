/*
 * Where code pages live: chunks of 2 MiB, aligned, which the host may back
 * with one huge page each.
 *
 * An idle guest's tick runs some thousands of operations scattered over a
 * hundred code pages, four host pages each, after the host has done other
 * things for 100 ms. From the heap each of these host pages costs a walk of
 * cold page tables, twice over where the host is a virtual machine itself.
 *
 * Pages come from the newest chunk that has room, so that those in use lie
 * together, and a chunk without any is given back to the host. One is kept,
 * for whoever takes a page and gives it back in turns.
 */
#include "code_slab.h"

#include <stdlib.h>
#include <sys/mman.h>

enum { CHUNK_BYTES = 2 << 20 };

struct a64_code_chunk {
    struct a64_code_chunk *next;
    struct a64_code_page *spare; /* given back, linked by `next` */
    size_t made;                 /* pages handed out since it was mapped */
    size_t used;                 /* pages that are out */
    struct a64_code_page page[];
};

enum {
    PAGES_A_CHUNK = (CHUNK_BYTES - sizeof(struct a64_code_chunk)) /
                    sizeof(struct a64_code_page),
};

/* An aligned chunk, cut out of twice as much address space. */
static void *map_chunk(void)
{
    const size_t twice = 2 * CHUNK_BYTES;
    uint8_t *at = mmap(NULL, twice, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    size_t before;

    if (at == MAP_FAILED)
        return NULL;
    before = -(uintptr_t)at & (CHUNK_BYTES - 1);
    if (before != 0)
        munmap(at, before);
    munmap(at + before + CHUNK_BYTES, CHUNK_BYTES - before);
#ifdef MADV_HUGEPAGE
    /* a hint: without huge pages everything works as well, but slower */
    (void)madvise(at + before, CHUNK_BYTES, MADV_HUGEPAGE);
#endif
    return at + before;
}

static struct a64_code_chunk *add_chunk(struct a64_code_slab *slab)
{
    struct a64_code_chunk *chunk = map_chunk();

    if (chunk == NULL)
        return NULL;
    chunk->spare = NULL;
    chunk->made = chunk->used = 0;
    chunk->next = slab->chunks;
    slab->chunks = chunk;
    return chunk;
}

static struct a64_code_chunk *chunk_of(const struct a64_code_page *page)
{
    return (struct a64_code_chunk *)((uintptr_t)page &
                                     ~(uintptr_t)(CHUNK_BYTES - 1));
}

static void drop_chunk(struct a64_code_slab *slab, struct a64_code_chunk *chunk)
{
    struct a64_code_chunk **link = &slab->chunks;

    while (*link != chunk)
        link = &(*link)->next;
    *link = chunk->next;
    munmap(chunk, CHUNK_BYTES);
}

void a64_code_slab_init(struct a64_code_slab *slab)
{
    pthread_mutex_init(&slab->lock, NULL);
    slab->chunks = NULL;
}

void a64_code_slab_free(struct a64_code_slab *slab)
{
    while (slab->chunks != NULL) {
        struct a64_code_chunk *chunk = slab->chunks;

        slab->chunks = chunk->next;
        munmap(chunk, CHUNK_BYTES);
    }
    pthread_mutex_destroy(&slab->lock);
}

/* From a chunk that has room. */
static struct a64_code_page *take_from(struct a64_code_chunk *chunk)
{
    struct a64_code_page *page = chunk->spare;

    if (page != NULL)
        chunk->spare = page->next;
    else
        page = &chunk->page[chunk->made++];
    chunk->used++;
    return page;
}

struct a64_code_page *a64_code_slab_take(struct a64_code_slab *slab)
{
    struct a64_code_page *page = NULL;
    struct a64_code_chunk *chunk;

    pthread_mutex_lock(&slab->lock);
    chunk = slab->chunks;
    while (chunk != NULL && chunk->used == PAGES_A_CHUNK)
        chunk = chunk->next;
    if (chunk == NULL)
        chunk = add_chunk(slab);
    if (chunk != NULL)
        page = take_from(chunk);
    pthread_mutex_unlock(&slab->lock);
    return page;
}

void a64_code_slab_give(struct a64_code_slab *slab, struct a64_code_page *page)
{
    struct a64_code_chunk *chunk = chunk_of(page);

    pthread_mutex_lock(&slab->lock);
    page->next = chunk->spare;
    chunk->spare = page;
    chunk->used--;
    if (chunk->used == 0 && slab->chunks->next != NULL)
        drop_chunk(slab, chunk);
    pthread_mutex_unlock(&slab->lock);
}

size_t a64_code_slab_chunks(struct a64_code_slab *slab)
{
    size_t count = 0;

    pthread_mutex_lock(&slab->lock);
    for (struct a64_code_chunk *c = slab->chunks; c != NULL; c = c->next)
        count++;
    pthread_mutex_unlock(&slab->lock);
    return count;
}
