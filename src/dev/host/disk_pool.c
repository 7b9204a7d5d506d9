/*
 * Requests done with ordinary system calls, by a list and a few threads.
 *
 * A thread is added when a request finds all of them busy; an idle one sleeps
 * on a condition without a timeout, and the last that fell asleep is the first
 * to be called. So a guest that waits for each request keeps one thread warm,
 * and a guest that asks for many at once gets four.
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

/* Under the pool's lock. */
struct worker {
    struct disk_pool *pool;
    pthread_t thread;
    pthread_cond_t news; /* it was called */
    bool called;
    struct worker *below; /* in the stack of those that sleep */
};

struct disk_pool {
    struct disk_files files;
    pthread_mutex_t lock;
    struct lull_disk_request *first, **last;
    struct worker worker[WORKERS_MAX];
    unsigned workers;
    struct worker *asleep; /* not called yet */
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
    return r;
}

static void sleep_until_called(struct worker *worker)
{
    struct disk_pool *pool = worker->pool;

    worker->called = false;
    worker->below = pool->asleep;
    pool->asleep = worker;
    while (!worker->called)
        pthread_cond_wait(&worker->news, &pool->lock);
}

static void *work(void *opaque)
{
    struct worker *worker = opaque;
    struct disk_pool *pool = worker->pool;

    pthread_mutex_lock(&pool->lock);
    for (;;) {
        struct lull_disk_request *r;

        while (pool->first == NULL && !pool->quit)
            sleep_until_called(worker);
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
    struct worker *worker = &pool->worker[pool->workers];
    int error;

    worker->pool = pool;
    pthread_cond_init(&worker->news, NULL);
    error = pthread_create(&worker->thread, NULL, work, worker);
    if (error != 0) {
        pthread_cond_destroy(&worker->news);
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

/* One more is to look at the list: who sleeps, and is to be signalled; NULL
 * where a new one began. If neither can be, those that exist will come to it.
 */
static struct worker *call(struct disk_pool *pool)
{
    struct worker *worker = pool->asleep;

    if (worker != NULL) {
        pool->asleep = worker->below;
        worker->called = true;
    } else if (pool->workers < WORKERS_MAX) {
        add_worker(pool);
    }
    return worker;
}

/* They are signalled when they can have the lock. */
void disk_pool_submit(struct disk_pool *pool, struct lull_disk_request *list)
{
    struct worker *called[WORKERS_MAX];
    unsigned count = 0;

    pthread_mutex_lock(&pool->lock);
    *pool->last = list;
    for (; list != NULL; list = list->next) {
        struct worker *worker = call(pool);

        pool->last = &list->next;
        if (worker != NULL)
            called[count++] = worker;
    }
    pthread_mutex_unlock(&pool->lock);
    while (count != 0)
        pthread_cond_signal(&called[--count]->news);
}

struct disk_pool *disk_pool_new(const struct disk_files *files)
{
    struct disk_pool *pool = calloc(1, sizeof(*pool));

    if (pool == NULL)
        return NULL;
    pool->files = *files;
    pool->last = &pool->first;
    pthread_mutex_init(&pool->lock, NULL);
    return pool;
}

void disk_pool_free(struct disk_pool *pool)
{
    if (pool == NULL)
        return;
    pthread_mutex_lock(&pool->lock);
    pool->quit = true;
    for (struct worker *w = pool->asleep; w != NULL; w = w->below) {
        w->called = true;
        pthread_cond_signal(&w->news);
    }
    pthread_mutex_unlock(&pool->lock);
    for (unsigned i = 0; i < pool->workers; i++) {
        pthread_join(pool->worker[i].thread, NULL);
        pthread_cond_destroy(&pool->worker[i].news);
    }
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}
