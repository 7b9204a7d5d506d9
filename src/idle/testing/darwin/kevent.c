/*
 * Tests only: as much of macOS's kqueue and mach time as park_darwin.c uses,
 * imitated on Linux so that its logic runs in our tests. One user event and
 * one timer per queue, under a mutex and a condition variable.
 *
 * What is imitated because it matters: a triggered user event stays until it
 * is received and then is clear; adding a timer again moves it and forgets
 * that it fired; a timer fires whether or not somebody waits; a timer without
 * NOTE_CRITICAL and a zero leeway is late by an eighth of its length, up to a
 * millisecond. What is not: the scheduler, the real latencies, and anything
 * that we do not know about the real thing.
 */
#include <errno.h>
#include <mach/mach.h>
#include <mach/mach_time.h>
#include <pthread.h>
#include <pthread/qos.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/event.h>
#include <sys/eventfd.h>
#include <time.h>

enum { QUEUES = 1024 };

struct queue {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool user_added, user_active;
    uint64_t user_ident;
    bool timer_set;
    uint64_t timer_ident;
    uint64_t timer_ticks; /* when it fires, lateness included */
};

static struct queue *queues[QUEUES];
static pthread_mutex_t queues_lock = PTHREAD_MUTEX_INITIALIZER;

/* Mach time: 24 MHz, so that a tick is no whole number of nanoseconds. */

static uint64_t monotonic_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

uint64_t mach_absolute_time(void)
{
    return (uint64_t)((unsigned __int128)monotonic_ns() * 3 / 125);
}

int mach_timebase_info(mach_timebase_info_data_t *info)
{
    *info = (mach_timebase_info_data_t){.numer = 125, .denom = 3};
    return KERN_SUCCESS;
}

/* The first nanosecond at which the clock shows this many ticks. */
static struct timespec ticks_timespec(uint64_t ticks)
{
    uint64_t ns = (uint64_t)(((unsigned __int128)ticks * 125 + 2) / 3);

    return (struct timespec){.tv_sec = (time_t)(ns / 1000000000),
                             .tv_nsec = (long)(ns % 1000000000)};
}

int mach_wait_until(uint64_t deadline_ticks)
{
    struct timespec until = ticks_timespec(deadline_ticks);

    return clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
}

/* Threads. */

int pthread_set_qos_class_self_np(qos_class_t qos, int relative)
{
    return 0;
}

int pthread_cond_timedwait_relative_np(pthread_cond_t *cond,
                                       pthread_mutex_t *lock,
                                       const struct timespec *left)
{
    uint64_t ns = monotonic_ns() + (uint64_t)left->tv_sec * 1000000000 +
                  (uint64_t)left->tv_nsec;
    const struct timespec until = {.tv_sec = (time_t)(ns / 1000000000),
                                   .tv_nsec = (long)(ns % 1000000000)};

    return pthread_cond_clockwait(cond, lock, CLOCK_MONOTONIC, &until);
}

uint32_t pthread_mach_thread_np(pthread_t thread)
{
    return 1;
}

int thread_info(uint32_t thread, int flavor, thread_info_t info,
                mach_msg_type_number_t *count)
{
    const thread_basic_info_data_t used = {{0, 1}, {0, 1}};

    memcpy(info, &used, sizeof(used));
    return KERN_SUCCESS;
}

/* Queues. The descriptor is only a number that close() accepts. */

static struct queue *queue_new(void)
{
    struct queue *q = calloc(1, sizeof(*q));
    pthread_condattr_t attr;

    pthread_mutex_init(&q->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&q->changed, &attr);
    pthread_condattr_destroy(&attr);
    return q;
}

int kqueue(void)
{
    int fd = eventfd(0, EFD_CLOEXEC);

    if (fd < 0 || fd >= QUEUES)
        return -1;
    pthread_mutex_lock(&queues_lock);
    if (!queues[fd])
        queues[fd] = queue_new();
    /* The number of a queue that was closed starts anew. */
    queues[fd]->user_added = queues[fd]->user_active = false;
    queues[fd]->timer_set = false;
    pthread_mutex_unlock(&queues_lock);
    return fd;
}

static struct queue *queue_of(int kq)
{
    struct queue *q;

    pthread_mutex_lock(&queues_lock);
    q = kq >= 0 && kq < QUEUES ? queues[kq] : NULL;
    pthread_mutex_unlock(&queues_lock);
    return q;
}

static uint64_t lateness(const struct kevent64_s *timer, uint64_t ticks)
{
    const uint64_t most = 24000;
    uint64_t now = mach_absolute_time();
    uint64_t late = ticks > now ? (ticks - now) / 8 : 0;

    if ((timer->fflags & NOTE_CRITICAL) && (timer->fflags & NOTE_LEEWAY) &&
        timer->ext[1] == 0)
        return 0;
    return late < most ? late : most;
}

/* 0 or an errno value. */
static int change(struct queue *q, const struct kevent64_s *c)
{
    const uint32_t absolute = NOTE_ABSOLUTE | NOTE_MACHTIME;

    if (c->filter == EVFILT_USER && (c->flags & EV_ADD)) {
        q->user_added = true;
        q->user_ident = c->ident;
    } else if (c->filter == EVFILT_USER) {
        if (!q->user_added || q->user_ident != c->ident)
            return ENOENT;
        q->user_active |= (c->fflags & NOTE_TRIGGER) != 0;
    } else if (c->filter == EVFILT_TIMER && (c->flags & EV_ADD) &&
               (c->fflags & absolute) == absolute) {
        q->timer_set = true;
        q->timer_ident = c->ident;
        q->timer_ticks = (uint64_t)c->data + lateness(c, (uint64_t)c->data);
    } else {
        return EINVAL;
    }
    pthread_cond_broadcast(&q->changed);
    return 0;
}

static int collect(struct queue *q, struct kevent64_s *events, int room)
{
    int n = 0;

    if (q->user_active && n < room) {
        q->user_active = false;
        EV_SET64(&events[n++], q->user_ident, EVFILT_USER, EV_CLEAR, 0, 0, 0, 0,
                 0);
    }
    if (q->timer_set && n < room && mach_absolute_time() >= q->timer_ticks) {
        q->timer_set = false;
        EV_SET64(&events[n++], q->timer_ident, EVFILT_TIMER, EV_ONESHOT, 0, 1,
                 0, 0, 0);
    }
    return n;
}

static int wait_events(struct queue *q, struct kevent64_s *events, int room,
                       const struct timespec *timeout)
{
    int n;

    while ((n = collect(q, events, room)) == 0 && !timeout) {
        struct timespec until = ticks_timespec(q->timer_ticks);

        if (q->timer_set)
            pthread_cond_timedwait(&q->changed, &q->lock, &until);
        else
            pthread_cond_wait(&q->changed, &q->lock);
    }
    return n;
}

int kevent64(int kq, const struct kevent64_s *changes, int n_changes,
             struct kevent64_s *events, int n_events, unsigned int flags,
             const struct timespec *timeout)
{
    struct queue *q = queue_of(kq);
    int n = 0;

    if (!q) {
        errno = EBADF;
        return -1;
    }
    pthread_mutex_lock(&q->lock);
    for (int i = 0; i < n_changes && n == 0; i++) {
        int error = change(q, &changes[i]);

        if (error == 0)
            continue;
        if (n_events == 0) {
            errno = error;
            n = -1;
        } else {
            events[n] = changes[i];
            events[n].flags = EV_ERROR;
            events[n++].data = error;
        }
    }
    if (n == 0 && n_events > 0)
        n = wait_events(q, events, n_events, timeout);
    pthread_mutex_unlock(&q->lock);
    return n;
}
