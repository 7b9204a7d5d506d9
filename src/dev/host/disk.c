/*
 * A file as a disk: a list of requests and a few threads that do them with
 * ordinary system calls.
 *
 * A thread is added when a request finds all of them busy; an idle one sleeps
 * on a condition without a timeout. So a guest that waits for each request
 * costs one thread, and a guest that asks for many at once gets four.
 *
 * With cache=none there are two descriptors. What is aligned goes past the
 * page cache; what is not, or what the file system refuses to do there, goes
 * through it: the host keeps the two coherent.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "disk_host.h"
#include "lull/disk_file.h"

enum {
    WORKERS_MAX = 4,
    DIRECT_ALIGNMENT = LULL_SECTOR_BYTES, /* less is never possible */
    ZEROS_BYTES = 64 << 10,
};

struct lull_disk_file {
    struct lull_disk disk;
    int fd, direct_fd; /* the second -1: none */

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

static bool aligned(const struct lull_disk_request *r)
{
    for (int i = 0; i < r->vector_count; i++)
        if ((uintptr_t)r->vector[i].iov_base % DIRECT_ALIGNMENT != 0 ||
            r->vector[i].iov_len % DIRECT_ALIGNMENT != 0)
            return false;
    return true;
}

/* A short transfer is continued; a file that became shorter is an error. */
static int read_or_write(const struct lull_disk_file *file,
                         const struct lull_disk_request *r)
{
    struct iovec *vector = r->vector;
    int count = r->vector_count;
    uint64_t done = 0;
    int fd = file->direct_fd >= 0 && aligned(r) ? file->direct_fd : file->fd;

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

static int write_zeros(const struct lull_disk_file *file,
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

static int zero(const struct lull_disk_file *file,
                const struct lull_disk_request *r)
{
    int error =
        disk_zero_range(file->fd, r->offset_bytes, r->length_bytes, r->unmap);

    return error == EOPNOTSUPP ? write_zeros(file, r) : error;
}

/* A wish: where the host cannot fulfil it, the old contents stay. */
static int discard(const struct lull_disk_file *file,
                   const struct lull_disk_request *r)
{
    int error =
        disk_zero_range(file->fd, r->offset_bytes, r->length_bytes, true);

    return error == EOPNOTSUPP ? 0 : error;
}

static int perform(const struct lull_disk_file *file,
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

static struct lull_disk_request *take(struct lull_disk_file *file)
{
    struct lull_disk_request *r = file->first;

    file->first = r->next;
    if (file->first == NULL)
        file->last = &file->first;
    file->waiting--;
    return r;
}

static void *work(void *opaque)
{
    struct lull_disk_file *file = opaque;

    pthread_mutex_lock(&file->lock);
    for (;;) {
        struct lull_disk_request *r;

        while (file->first == NULL && !file->quit) {
            file->idle++;
            pthread_cond_wait(&file->news, &file->lock);
            file->idle--;
        }
        if (file->first == NULL)
            break;
        r = take(file);
        pthread_mutex_unlock(&file->lock);
        r->done(r, perform(file, r));
        pthread_mutex_lock(&file->lock);
    }
    pthread_mutex_unlock(&file->lock);
    return NULL;
}

static bool add_worker(struct lull_disk_file *file)
{
    int error = pthread_create(&file->worker[file->workers], NULL, work, file);

    if (error != 0) {
        errno = error;
        return false;
    }
    file->workers++;
    return true;
}

bool lull_disk_file_start(struct lull_disk_file *file)
{
    return add_worker(file);
}

/* A thread that was signalled counts as idle until it runs: so there may be
 * more requests than idle threads. */
static void submit(void *host, struct lull_disk_request *r)
{
    struct lull_disk_file *file = host;

    pthread_mutex_lock(&file->lock);
    r->next = NULL;
    *file->last = r;
    file->last = &r->next;
    file->waiting++;
    if (file->waiting > file->idle && file->workers < WORKERS_MAX)
        add_worker(file); /* if not, those that exist will come to it */
    pthread_cond_signal(&file->news);
    pthread_mutex_unlock(&file->lock);
}

/* ---- opening -------------------------------------------------------------
 */

struct options {
    char *path;
    bool read_only, direct;
};

__attribute__((format(printf, 3, 4))) static bool
fail(char *error, size_t error_bytes, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(error, error_bytes, format, args);
    va_end(args);
    return false;
}

/* Options are taken off the end, so that a path may have commas. */
static void take_options(struct options *options)
{
    for (;;) {
        char *comma = strrchr(options->path, ',');

        if (comma == NULL)
            return;
        if (strcmp(comma, ",ro") == 0)
            options->read_only = true;
        else if (strcmp(comma, ",cache=none") == 0)
            options->direct = true;
        else if (strcmp(comma, ",cache=writeback") == 0)
            options->direct = false;
        else
            return;
        *comma = '\0';
    }
}

static bool check_size(struct lull_disk_file *file, const char *path,
                       char *error, size_t error_bytes)
{
    struct stat status;
    off_t size;

    if (fstat(file->fd, &status) != 0 ||
        !(S_ISREG(status.st_mode) || S_ISBLK(status.st_mode)))
        return fail(error, error_bytes,
                    "--disk %s: neither a file nor a block device", path);
    size = lseek(file->fd, 0, SEEK_END);
    if (size < LULL_SECTOR_BYTES || size % LULL_SECTOR_BYTES != 0)
        return fail(error, error_bytes,
                    "--disk %s: its size (%lld bytes) is not a whole number "
                    "of 512-byte sectors, or none; only raw images are read",
                    path, (long long)size);
    file->disk.size_bytes = (uint64_t)size;
    return true;
}

static bool open_file(struct lull_disk_file *file,
                      const struct options *options, char *error,
                      size_t error_bytes)
{
    const char *path = options->path;
    int mode = options->read_only ? O_RDONLY : O_RDWR;

    file->disk.read_only = options->read_only;
    file->fd = open(path, mode | O_CLOEXEC);
    if (file->fd < 0)
        return fail(error, error_bytes, "--disk %s: %s", path, strerror(errno));
    if (flock(file->fd, (options->read_only ? LOCK_SH : LOCK_EX) | LOCK_NB) !=
            0 &&
        errno == EWOULDBLOCK)
        return fail(error, error_bytes,
                    "--disk %s: in use by another machine; all may share it "
                    "with ,ro",
                    path);
    if (options->direct)
        file->direct_fd = disk_open_direct(path, options->read_only);
    return check_size(file, path, error, error_bytes);
}

static bool open_spec(struct lull_disk_file *file, const char *spec,
                      char *error, size_t error_bytes)
{
    struct options options = {.path = strdup(spec)};
    bool ok;

    if (options.path == NULL)
        return fail(error, error_bytes, "--disk: no memory");
    take_options(&options);
    ok = open_file(file, &options, error, error_bytes);
    free(options.path);
    return ok;
}

struct lull_disk_file *lull_disk_file_new(const char *spec, char *error,
                                          size_t error_bytes)
{
    struct lull_disk_file *file = calloc(1, sizeof(*file));

    if (file == NULL) {
        fail(error, error_bytes, "--disk: no memory");
        return NULL;
    }
    file->disk.submit = submit;
    file->disk.host = file;
    file->fd = -1;
    file->direct_fd = -1;
    file->last = &file->first;
    pthread_mutex_init(&file->lock, NULL);
    pthread_cond_init(&file->news, NULL);
    if (open_spec(file, spec, error, error_bytes))
        return file;
    lull_disk_file_free(file);
    return NULL;
}

void lull_disk_file_free(struct lull_disk_file *file)
{
    if (file == NULL)
        return;
    pthread_mutex_lock(&file->lock);
    file->quit = true;
    pthread_cond_broadcast(&file->news);
    pthread_mutex_unlock(&file->lock);
    for (unsigned i = 0; i < file->workers; i++)
        pthread_join(file->worker[i], NULL);
    if (file->direct_fd >= 0)
        close(file->direct_fd);
    if (file->fd >= 0)
        close(file->fd);
    pthread_cond_destroy(&file->news);
    pthread_mutex_destroy(&file->lock);
    free(file);
}

const struct lull_disk *lull_disk_file_disk(const struct lull_disk_file *file)
{
    return &file->disk;
}
