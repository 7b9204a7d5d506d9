/*
 * Reads by io_uring: one thread hands the kernel all that is asked for, and
 * collects what is done.
 *
 * The thread sleeps on an eventfd, which the kernel signals for an answer, and
 * a submitter for a request that finds the thread asleep. It does not sleep in
 * io_uring_enter, where new requests could not reach it but through the ring,
 * and where the host counts its sleep as waiting for a disk.
 *
 * What can be done through the ring is settled before the process is contained:
 * reads of the image, through descriptors that the ring holds, and not one
 * thing else. The ring opens no file for whoever takes the process over, though
 * a seccomp filter cannot see into it.
 *
 * An answer that is not simply good (an error, fewer bytes, an alignment that
 * the file system does not take) is not for this file to deal with: the request
 * is done again by ordinary calls, and ends as they end.
 */
#include "disk_ring.h"

#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    IN_FLIGHT_MAX =
        128,      /* a power of two; half of what answers have room for */
    BUFFERED = 0, /* the ring's numbers of the descriptors */
    DIRECT = 1,
    RETRY_US = 1000,
};

struct disk_ring {
    struct io_uring uring; /* the thread's, once there is one */
    struct disk_pool *pool;
    bool has_direct;
    int event_fd;
    unsigned in_flight;             /* the thread's; prepared ones included */
    struct lull_disk_request *todo; /* the thread's; no room in the ring yet */

    pthread_mutex_t lock;
    struct lull_disk_request *first, **last;
    bool asleep; /* or about to be: wants a signal for a request */
    bool quit;
    bool started;
    pthread_t thread;
};

/* ---- the thread ----------------------------------------------------------
 */

static void prepare(struct disk_ring *ring, struct lull_disk_request *r)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&ring->uring);
    int fd = ring->has_direct && disk_aligned(r) ? DIRECT : BUFFERED;

    io_uring_prep_readv(sqe, fd, r->vector, (unsigned)r->vector_count,
                        r->offset_bytes);
    io_uring_sqe_set_flags(sqe, IOSQE_FIXED_FILE);
    io_uring_sqe_set_data(sqe, r);
    ring->in_flight++;
}

/* As many as there is room for. Short of memory, the kernel may take none now,
 * and have no answer to send a signal for either. */
static void hand_over(struct disk_ring *ring)
{
    while (ring->todo != NULL && ring->in_flight < IN_FLIGHT_MAX) {
        struct lull_disk_request *r = ring->todo;

        ring->todo = r->next;
        prepare(ring, r);
    }
    while (io_uring_sq_ready(&ring->uring) != 0 &&
           io_uring_submit(&ring->uring) < 0)
        usleep(RETRY_US);
}

static void take_new(struct disk_ring *ring)
{
    struct lull_disk_request **end = &ring->todo;

    while (*end != NULL)
        end = &(*end)->next;
    pthread_mutex_lock(&ring->lock);
    *end = ring->first;
    ring->first = NULL;
    ring->last = &ring->first;
    pthread_mutex_unlock(&ring->lock);
}

/* Pass on all answers that are there. False: none was. */
static bool collect(struct disk_ring *ring)
{
    struct lull_disk_request *good = NULL, *again = NULL;
    struct io_uring_cqe *cqe;
    unsigned head, count = 0;

    io_uring_for_each_cqe(&ring->uring, head, cqe)
    {
        struct lull_disk_request *r = io_uring_cqe_get_data(cqe);
        bool well = cqe->res >= 0 && (uint64_t)cqe->res == r->length_bytes;
        struct lull_disk_request **list = well ? &good : &again;

        r->error = 0;
        r->next = *list;
        *list = r;
        count++;
    }
    io_uring_cq_advance(&ring->uring, count);
    ring->in_flight -= count;
    if (good != NULL)
        good->done(good);
    if (again != NULL)
        disk_pool_submit(ring->pool, again);
    return count != 0;
}

/* Until there is an answer or a request. False: the end. */
static bool sleep_until_news(struct disk_ring *ring)
{
    uint64_t count;
    bool quit;

    pthread_mutex_lock(&ring->lock);
    ring->asleep = ring->first == NULL && !ring->quit;
    quit = ring->quit;
    if (ring->asleep) {
        pthread_mutex_unlock(&ring->lock);
        while (read(ring->event_fd, &count, sizeof(count)) < 0 &&
               errno == EINTR)
            ;
        pthread_mutex_lock(&ring->lock);
        ring->asleep = false;
    }
    pthread_mutex_unlock(&ring->lock);
    return !quit;
}

static void *work(void *opaque)
{
    struct disk_ring *ring = opaque;

    do {
        take_new(ring);
        hand_over(ring);
    } while (collect(ring) || sleep_until_news(ring));
    return NULL;
}

static void signal_thread(const struct disk_ring *ring)
{
    static const uint64_t one = 1;

    while (write(ring->event_fd, &one, sizeof(one)) < 0 && errno == EINTR)
        ;
}

void disk_ring_submit(struct disk_ring *ring, struct lull_disk_request *list)
{
    bool asleep;

    pthread_mutex_lock(&ring->lock);
    *ring->last = list;
    while (*ring->last != NULL)
        ring->last = &(*ring->last)->next;
    asleep = ring->asleep;
    ring->asleep = false;
    pthread_mutex_unlock(&ring->lock);
    if (asleep)
        signal_thread(ring);
}

bool disk_ring_start(struct disk_ring *ring)
{
    int error = pthread_create(&ring->thread, NULL, work, ring);

    ring->started = error == 0;
    errno = error;
    return ring->started;
}

/* ---- setting it up -------------------------------------------------------
 */

/* Off until `restrict_to_reads`. Without COOP_TASKRUN (before Linux 5.19)
 * answers interrupt the thread where they need not. */
static int set_up(struct io_uring *uring)
{
    struct io_uring_params params = {.flags = IORING_SETUP_R_DISABLED |
                                              IORING_SETUP_COOP_TASKRUN};
    int error = io_uring_queue_init_params(IN_FLIGHT_MAX, uring, &params);

    if (error != -EINVAL)
        return error;
    params = (struct io_uring_params){.flags = IORING_SETUP_R_DISABLED};
    return io_uring_queue_init_params(IN_FLIGHT_MAX, uring, &params);
}

/* Debian 12's library does not export its functions for these two. */
static int control(const struct io_uring *uring, unsigned what,
                   const void *with, unsigned count)
{
    return syscall(SYS_io_uring_register, uring->ring_fd, what, with, count) < 0
               ? -errno
               : 0;
}

static int restrict_to_reads(const struct io_uring *uring)
{
    static const struct io_uring_restriction only[] = {
        {.opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_READV},
        {.opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED,
         .sqe_flags = IOSQE_FIXED_FILE},
        {.opcode = IORING_RESTRICTION_SQE_FLAGS_REQUIRED,
         .sqe_flags = IOSQE_FIXED_FILE},
    };
    int error = control(uring, IORING_REGISTER_RESTRICTIONS, only,
                        sizeof(only) / sizeof(only[0]));

    return error < 0 ? error
                     : control(uring, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
}

/* The kernel closes the files of a ring that is gone a moment later. The image
 * is locked by the description that everybody else uses, so that this moment
 * would be one too long for whoever wants the image next. */
static int open_again(int fd)
{
    char path[40];

    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return open(path, (fcntl(fd, F_GETFL) & O_ACCMODE) | O_CLOEXEC);
}

static int equip(struct disk_ring *ring, const struct disk_files *files)
{
    int fds[] = {
        [BUFFERED] = open_again(files->fd), [DIRECT] = files->direct_fd};
    int error;

    if (fds[BUFFERED] < 0)
        return -errno;
    error =
        io_uring_register_files(&ring->uring, fds, ring->has_direct ? 2U : 1U);
    close(fds[BUFFERED]);
    if (error >= 0)
        error = io_uring_register_eventfd(&ring->uring, ring->event_fd);
    return error < 0 ? error : restrict_to_reads(&ring->uring);
}

static void discard_ring(struct disk_ring *ring)
{
    close(ring->event_fd);
    pthread_mutex_destroy(&ring->lock);
    free(ring);
}

struct disk_ring *disk_ring_new(const struct disk_files *files,
                                struct disk_pool *pool, const char **why)
{
    struct disk_ring *ring = calloc(1, sizeof(*ring));
    int error;

    if (ring == NULL) {
        *why = strerror(ENOMEM);
        return NULL;
    }
    ring->pool = pool;
    ring->has_direct = files->direct_fd >= 0;
    ring->last = &ring->first;
    pthread_mutex_init(&ring->lock, NULL);
    ring->event_fd = eventfd(0, EFD_CLOEXEC);
    error = ring->event_fd < 0 ? -errno : set_up(&ring->uring);
    if (error >= 0) {
        error = equip(ring, files);
        if (error >= 0)
            return ring;
        io_uring_queue_exit(&ring->uring);
    }
    *why = strerror(-error);
    discard_ring(ring);
    return NULL;
}

void disk_ring_free(struct disk_ring *ring)
{
    if (ring == NULL)
        return;
    if (ring->started) {
        pthread_mutex_lock(&ring->lock);
        ring->quit = true;
        pthread_mutex_unlock(&ring->lock);
        signal_thread(ring);
        pthread_join(ring->thread, NULL);
    }
    io_uring_queue_exit(&ring->uring);
    discard_ring(ring);
}
