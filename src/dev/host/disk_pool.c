/*
 * Requests done with ordinary system calls, by a list and a few threads.
 *
 * A thread is added when a request finds all of them busy; an idle one sleeps
 * on a condition without a timeout. So a guest that waits for each request
 * costs one thread, and a guest that asks for many at once gets four.
 *
 * What is aligned goes past the page cache where there is a descriptor for it;
 * what is not, or what the file system refuses to do there, goes through it:
 * the host keeps the two coherent.
 */
#include "disk_pool.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "disk_host.h"

enum { WORKERS_MAX = 4, ZEROS_BYTES = 64 << 10 };

struct disk_pool {
    struct disk_files files;
    pthread_mutex_t lock;
    pthread_cond_t news; /* a request, or the end */
    struct lull_disk_request *first, **last;
    pthread_t worker[WORKERS_MAX];
    unsigned workers, idle, waiting; /* waiting: requests in the list */
    bool quit;
};

/* ---- one request ---------------------------------------------------------
 */

static ssize_t transfer(int fd, const struct lull_disk_request *r,
                        const struct iovec *vector, int count, uint64_t at)
{
    ssize_t n;

    do
        n = r->op == LULL_DISK_READ ? preadv(fd, vector, count, (off_t)at)
                                    : pwritev(fd, vector, count, (off_t)at);
    while (n < 0 && errno == EINTR);
    return n;
}

/* Past the first n bytes. */
static void advance(struct iovec **vector, int *count, size_t n)
{
    while (*count > 0 && n >= (*vector)->iov_len) {
        n -= (*vector)->iov_len;
        ++*vector;
        --*count;
    }
    if (n != 0) {
        (*vector)->iov_base = (uint8_t *)(*vector)->iov_base + n;
        (*vector)->iov_len -= n;
    }
}

bool disk_aligned(const struct lull_disk_request *r)
{
    for (int i = 0; i < r->vector_count; i++)
        if ((uintptr_t)r->vector[i].iov_base % DIRECT_ALIGNMENT != 0 ||
            r->vector[i].iov_len % DIRECT_ALIGNMENT != 0)
            return false;
    return true;
}

/* A short transfer is continued; a file that became shorter is an error. */
static int read_or_write(const struct disk_files *file,
                         const struct lull_disk_request *r)
{
    struct iovec *vector = r->vector;
    int count = r->vector_count;
    uint64_t done = 0;
    int fd =
        file->direct_fd >= 0 && disk_aligned(r) ? file->direct_fd : file->fd;

    while (done < r->length_bytes) {
        ssize_t n = transfer(fd, r, vector, count, r->offset_bytes + done);

        if (n < 0 && errno == EINVAL && fd != file->fd) {
            fd = file->fd;
            continue;
        }
        if (n <= 0)
            return n < 0 ? errno : EIO;
        done += (uint64_t)n;
        advance(&vector, &count, (size_t)n);
        fd = fd == file->direct_fd && n % DIRECT_ALIGNMENT == 0 ? fd : file->fd;
    }
    return 0;
}

static int write_zeros(const struct disk_files *file,
                       const struct lull_disk_request *r)
{
    static const uint8_t zeros[ZEROS_BYTES];
    uint64_t done = 0;

    while (done < r->length_bytes) {
        uint64_t left = r->length_bytes - done;
        ssize_t n = pwrite(file->fd, zeros,
                           left < ZEROS_BYTES ? (size_t)left : ZEROS_BYTES,
                           (off_t)(r->offset_bytes + done));

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? errno : EIO;
        done += (uint64_t)n;
    }
    return 0;
}

static int zero(const struct disk_files *file,
                const struct lull_disk_request *r)
{
    int error =
        disk_zero_range(file->fd, r->offset_bytes, r->length_bytes, r->unmap);

    return error == EOPNOTSUPP ? write_zeros(file, r) : error;
}

/* A wish: where the host cannot fulfil it, the old contents stay. */
static int discard(const struct disk_files *file,
                   const struct lull_disk_request *r)
{
    int error =
        disk_zero_range(file->fd, r->offset_bytes, r->length_bytes, true);

    return error == EOPNOTSUPP ? 0 : error;
}

static int perform(const struct disk_files *file,
                   const struct lull_disk_request *r)
{
    switch (r->op) {
    case LULL_DISK_READ:
    case LULL_DISK_WRITE:
        return read_or_write(file, r);
    case LULL_DISK_FLUSH:
        return disk_sync(file->fd);
    case LULL_DISK_DISCARD:
        return discard(file, r);
    case LULL_DISK_ZERO:
        return zero(file, r);
    }
    return EINVAL;
}

/* ---- the threads ---------------------------------------------------------
 */

static struct lull_disk_request *take(struct disk_pool *pool)
{
    struct lull_disk_request *r = pool->first;

    pool->first = r->next;
    if (pool->first == NULL)
        pool->last = &pool->first;
    pool->waiting--;
    return r;
}

static void *work(void *opaque)
{
    struct disk_pool *pool = opaque;

    pthread_mutex_lock(&pool->lock);
    for (;;) {
        struct lull_disk_request *r;

        while (pool->first == NULL && !pool->quit) {
            pool->idle++;
            pthread_cond_wait(&pool->news, &pool->lock);
            pool->idle--;
        }
        if (pool->first == NULL)
            break;
        r = take(pool);
        pthread_mutex_unlock(&pool->lock);
        r->error = perform(&pool->files, r);
        r->next = NULL;
        r->done(r);
        pthread_mutex_lock(&pool->lock);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

static bool add_worker(struct disk_pool *pool)
{
    int error = pthread_create(&pool->worker[pool->workers], NULL, work, pool);

    if (error != 0) {
        errno = error;
        return false;
    }
    pool->workers++;
    return true;
}

bool disk_pool_start(struct disk_pool *pool)
{
    return add_worker(pool);
}

/* A thread that was signalled counts as idle until it runs: so there may be
 * more requests than idle threads. */
void disk_pool_submit(struct disk_pool *pool, struct lull_disk_request *list)
{
    pthread_mutex_lock(&pool->lock);
    *pool->last = list;
    for (; list != NULL; list = list->next) {
        pool->last = &list->next;
        pool->waiting++;
        if (pool->waiting > pool->idle && pool->workers < WORKERS_MAX)
            add_worker(pool); /* if not, those that exist will come to it */
        pthread_cond_signal(&pool->news);
    }
    pthread_mutex_unlock(&pool->lock);
}

struct disk_pool *disk_pool_new(const struct disk_files *files)
{
    struct disk_pool *pool = calloc(1, sizeof(*pool));

    if (pool == NULL)
        return NULL;
    pool->files = *files;
    pool->last = &pool->first;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->news, NULL);
    return pool;
}

void disk_pool_free(struct disk_pool *pool)
{
    if (pool == NULL)
        return;
    pthread_mutex_lock(&pool->lock);
    pool->quit = true;
    pthread_cond_broadcast(&pool->news);
    pthread_mutex_unlock(&pool->lock);
    for (unsigned i = 0; i < pool->workers; i++)
        pthread_join(pool->worker[i], NULL);
    pthread_cond_destroy(&pool->news);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}
