/*
 * A file as a disk: what the user may say about it, and who does the requests.
 *
 * With cache=none there are two descriptors, one of them past the page cache.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "disk_host.h"
#include "disk_pool.h"
#include "disk_ring.h"
#include "lull/disk_file.h"
#include "lull/fail.h"

struct lull_disk_file {
    struct lull_disk disk;
    struct disk_files files;
    struct disk_pool *pool;
    struct disk_ring *ring; /* NULL: none */
    char why[80];           /* there is a ring, or there is none */
};

/* What else there is the kernel would give to a thread of its own, to begin it
 * or, direct writes, to end it: ours are faster then. */
static bool for_ring(const struct lull_disk_file *file,
                     const struct lull_disk_request *r)
{
    return file->ring != NULL && r->op == LULL_DISK_READ;
}

static void submit(void *host, struct lull_disk_request *list)
{
    const struct lull_disk_file *file = host;
    struct lull_disk_request *ring = NULL, **ring_last = &ring;
    struct lull_disk_request *pool = NULL, **pool_last = &pool;

    for (; list != NULL; list = list->next) {
        struct lull_disk_request ***last =
            for_ring(file, list) ? &ring_last : &pool_last;

        **last = list;
        *last = &list->next;
    }
    *ring_last = NULL;
    *pool_last = NULL;
    if (ring != NULL)
        disk_ring_submit(file->ring, ring);
    if (pool != NULL)
        disk_pool_submit(file->pool, pool);
}

/* Without page cache there is always something to wait for. */
static bool read_now(void *host, struct lull_disk_request *r)
{
    const struct lull_disk_file *file = host;

    r->error = 0;
    return file->files.direct_fd < 0 &&
           disk_read_now(file->files.fd, r->vector, r->vector_count,
                         r->offset_bytes) == (int64_t)r->length_bytes;
}

bool lull_disk_file_start(struct lull_disk_file *file)
{
    return disk_pool_start(file->pool) &&
           (file->ring == NULL || disk_ring_start(file->ring));
}

/* ---- opening -------------------------------------------------------------
 */

enum aio { AIO_ANY, AIO_RING, AIO_THREADS };

struct options {
    char *path;
    bool read_only, direct;
    enum aio aio;
};

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
        else if (strcmp(comma, ",aio=io_uring") == 0)
            options->aio = AIO_RING;
        else if (strcmp(comma, ",aio=threads") == 0)
            options->aio = AIO_THREADS;
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

    if (fstat(file->files.fd, &status) != 0 ||
        !(S_ISREG(status.st_mode) || S_ISBLK(status.st_mode)))
        return fail(error, error_bytes,
                    "--disk %s: neither a file nor a block device", path);
    size = lseek(file->files.fd, 0, SEEK_END);
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
    file->files.fd = open(path, mode | O_CLOEXEC);
    if (file->files.fd < 0)
        return fail(error, error_bytes, "--disk %s: %s", path, strerror(errno));
    if (flock(file->files.fd,
              (options->read_only ? LOCK_SH : LOCK_EX) | LOCK_NB) != 0 &&
        errno == EWOULDBLOCK)
        return fail(error, error_bytes,
                    "--disk %s: in use by another machine; all may share it "
                    "with ,ro",
                    path);
    if (options->direct)
        file->files.direct_fd = disk_open_direct(path, options->read_only);
    return check_size(file, path, error, error_bytes);
}

static bool make_workers(struct lull_disk_file *file,
                         const struct options *options, char *error,
                         size_t error_bytes)
{
    const char *why = options->aio == AIO_ANY ? "default" : "--disk";
    const char *refused = NULL;

    file->pool = disk_pool_new(&file->files);
    if (file->pool == NULL)
        return fail(error, error_bytes, "--disk: no memory");
    if (options->aio != AIO_THREADS)
        file->ring = disk_ring_new(&file->files, file->pool, &refused);
    if (refused != NULL && options->aio == AIO_RING)
        return fail(error, error_bytes,
                    "--disk %s: aio=io_uring: %s; without it, lull uses "
                    "threads",
                    options->path, refused);
    snprintf(file->why, sizeof(file->why), "%s%s",
             refused != NULL ? "no io_uring: " : "",
             refused != NULL ? refused : why);
    return true;
}

static bool open_spec(struct lull_disk_file *file, const char *spec,
                      char *error, size_t error_bytes)
{
    struct options options = {.path = strdup(spec)};
    bool ok;

    if (options.path == NULL)
        return fail(error, error_bytes, "--disk: no memory");
    take_options(&options);
    ok = open_file(file, &options, error, error_bytes) &&
         make_workers(file, &options, error, error_bytes);
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
    file->disk.read_now = read_now;
    file->disk.host = file;
    file->files = (struct disk_files){-1, -1};
    if (open_spec(file, spec, error, error_bytes))
        return file;
    lull_disk_file_free(file);
    return NULL;
}

void lull_disk_file_free(struct lull_disk_file *file)
{
    if (file == NULL)
        return;
    disk_ring_free(file->ring);
    disk_pool_free(file->pool);
    if (file->files.direct_fd >= 0)
        close(file->files.direct_fd);
    if (file->files.fd >= 0)
        close(file->files.fd);
    free(file);
}

int lull_disk_file_sync(const struct lull_disk_file *file)
{
    return file->disk.read_only ? 0 : disk_sync(file->files.fd);
}

uint64_t lull_disk_file_modified_ns(const struct lull_disk_file *file)
{
    struct stat status;

    if (fstat(file->files.fd, &status) != 0 || !S_ISREG(status.st_mode))
        return 0;
    return disk_modified_ns(&status);
}

const struct lull_disk *lull_disk_file_disk(const struct lull_disk_file *file)
{
    return &file->disk;
}

struct lull_disk_io lull_disk_file_io(const struct lull_disk_file *file)
{
    return (struct lull_disk_io){file->ring != NULL ? "io_uring" : "threads",
                                 file->why};
}
