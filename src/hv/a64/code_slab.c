/*
 * Where code pages live: chunks of 2 MiB, aligned, which the host may back
 * with one huge page each.
 *
 * An idle guest's tick runs some thousands of operations scattered over a
 * hundred code pages, four host pages each, after the host has done other
 * things for 100 ms. From the heap each of these host pages costs a walk of
 * cold page tables, twice over where the host is a virtual machine itself.
 *
 * A page given back is reused first. Chunks are kept until the VM ends: the
 * bound on decoded code (code.c) bounds them too.
 */
#include "code_slab.h"

#include <stdlib.h>
#include <sys/mman.h>

enum {
    CHUNK_BYTES = 2 << 20,
    PAGES_A_CHUNK = CHUNK_BYTES / sizeof(struct a64_code_page),
};

struct a64_code_chunk {
    struct a64_code_chunk *next;
    struct a64_code_page *page;
    size_t used; /* pages handed out since the chunk was made */
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

static bool add_chunk(struct a64_code_slab *slab)
{
    struct a64_code_chunk *chunk = malloc(sizeof(*chunk));

    if (chunk == NULL)
        return false;
    chunk->page = map_chunk();
    if (chunk->page == NULL) {
        free(chunk);
        return false;
    }
    chunk->used = 0;
    chunk->next = slab->chunks;
    slab->chunks = chunk;
    return true;
}

void a64_code_slab_init(struct a64_code_slab *slab)
{
    pthread_mutex_init(&slab->lock, NULL);
    slab->chunks = NULL;
    slab->spare = NULL;
}

void a64_code_slab_free(struct a64_code_slab *slab)
{
    while (slab->chunks != NULL) {
        struct a64_code_chunk *chunk = slab->chunks;

        slab->chunks = chunk->next;
        munmap(chunk->page, CHUNK_BYTES);
        free(chunk);
    }
    pthread_mutex_destroy(&slab->lock);
}

struct a64_code_page *a64_code_slab_take(struct a64_code_slab *slab)
{
    struct a64_code_page *page = NULL;

    pthread_mutex_lock(&slab->lock);
    if (slab->spare != NULL) {
        page = slab->spare;
        slab->spare = page->next;
    } else if ((slab->chunks != NULL && slab->chunks->used < PAGES_A_CHUNK) ||
               add_chunk(slab)) {
        page = &slab->chunks->page[slab->chunks->used++];
    }
    pthread_mutex_unlock(&slab->lock);
    return page;
}

void a64_code_slab_give(struct a64_code_slab *slab, struct a64_code_page *page)
{
    pthread_mutex_lock(&slab->lock);
    page->next = slab->spare;
    slab->spare = page;
    pthread_mutex_unlock(&slab->lock);
}
