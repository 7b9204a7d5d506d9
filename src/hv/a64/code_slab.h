/* Memory for code pages: code_slab.c. Any thread may call take and give. */
#ifndef LULL_A64_CODE_SLAB_H
#define LULL_A64_CODE_SLAB_H

#include "code.h"

struct a64_code_slab {
    pthread_mutex_t lock;          /* guards the chunks */
    struct a64_code_chunk *chunks; /* the newest first */
};

void a64_code_slab_init(struct a64_code_slab *slab);
/* No page of it may be in use. */
void a64_code_slab_free(struct a64_code_slab *slab);
/* A page with undefined contents; NULL: no memory. */
struct a64_code_page *a64_code_slab_take(struct a64_code_slab *slab);
void a64_code_slab_give(struct a64_code_slab *slab, struct a64_code_page *page);
/* How many there are, of 2 MiB each. */
size_t a64_code_slab_chunks(struct a64_code_slab *slab);

#endif
