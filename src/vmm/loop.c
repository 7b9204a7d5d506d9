/*
 * The event loop: poll(2) over the watched descriptors and a pipe that other
 * threads write to when the loop has to look again.
 *
 * The loop holds the mutex except while it sleeps in poll and while it calls
 * out. `polling` says that it may be asleep, `woken` that a byte is already
 * under way; so a change made while the loop is busy costs no system call,
 * and a change made while it sleeps costs one.
 *
 * poll reports a hang-up even for a descriptor watched for nothing, so a
 * watch without events is left out of the set: asleep means asleep.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "loop_host.h"
#include "lull/loop.h"

struct lull_watch {
    struct lull_loop *loop;
    struct lull_watch *next;
    int fd;
    unsigned events;
    bool dead; /* freed by its owner; reaped when the loop is between calls */
    void (*ready)(void *opaque, unsigned events);
    void *opaque;
};

struct lull_timer {
    struct lull_watch *watch;
    int fd;
    void (*expired)(void *opaque);
    void *opaque;
};

struct post {
    struct post *next;
    void (*work)(void *opaque);
    void *opaque;
};

struct lull_loop {
    pthread_mutex_t lock;
    struct lull_watch *watches;
    unsigned watch_count; /* dead ones included */
    struct post *posts;
    struct post **last_post;
    bool quit;
    bool polling;
    bool woken;
    int wake[2]; /* a pipe */

    /* The loop's thread only: the set poll looks at. [0] is the pipe. */
    struct pollfd *set;
    struct lull_watch **set_watches;
    unsigned set_capacity;
};

static bool make_pipe(int fd[2])
{
    if (pipe(fd) != 0)
        return false;
    for (int i = 0; i < 2; i++) {
        fcntl(fd[i], F_SETFD, FD_CLOEXEC);
        fcntl(fd[i], F_SETFL, O_NONBLOCK);
    }
    return true;
}

static bool reserve(struct lull_loop *loop, unsigned count)
{
    unsigned capacity = 2 * count;
    struct lull_watch **watches;
    struct pollfd *set;

    if (count <= loop->set_capacity)
        return true;
    set = realloc(loop->set, capacity * sizeof(*set));
    if (set != NULL)
        loop->set = set;
    watches =
        realloc(loop->set_watches, capacity * sizeof(struct lull_watch *));
    if (watches != NULL)
        loop->set_watches = watches;
    if (set == NULL || watches == NULL)
        return false;
    loop->set_capacity = capacity;
    return true;
}

struct lull_loop *lull_loop_new(void)
{
    struct lull_loop *loop = calloc(1, sizeof(*loop));

    if (loop == NULL)
        return NULL;
    if (!reserve(loop, 8) || !make_pipe(loop->wake)) {
        free(loop->set);
        free(loop->set_watches);
        free(loop);
        return NULL;
    }
    loop->last_post = &loop->posts;
    pthread_mutex_init(&loop->lock, NULL);
    return loop;
}

void lull_loop_free(struct lull_loop *loop)
{
    if (loop == NULL)
        return;
    for (struct lull_watch *w = loop->watches, *next; w != NULL; w = next) {
        next = w->next;
        free(w);
    }
    for (struct post *p = loop->posts, *next; p != NULL; p = next) {
        next = p->next;
        free(p);
    }
    close(loop->wake[0]);
    close(loop->wake[1]);
    pthread_mutex_destroy(&loop->lock);
    free(loop->set);
    free(loop->set_watches);
    free(loop);
}

/* Leave the lock; wake the loop when it may sleep on what was changed. */
static void unlock_and_wake(struct lull_loop *loop)
{
    bool wake = loop->polling && !loop->woken;

    if (wake)
        loop->woken = true;
    pthread_mutex_unlock(&loop->lock);
    /* A pipe without room for the byte is a loop that will wake anyway. */
    while (wake && write(loop->wake[1], "", 1) < 0 && errno == EINTR)
        ;
}

struct lull_watch *lull_loop_watch(struct lull_loop *loop, int fd,
                                   unsigned events,
                                   void (*ready)(void *opaque, unsigned events),
                                   void *opaque)
{
    struct lull_watch *watch = calloc(1, sizeof(*watch));

    if (watch == NULL)
        return NULL;
    watch->loop = loop;
    watch->fd = fd;
    watch->events = events;
    watch->ready = ready;
    watch->opaque = opaque;
    pthread_mutex_lock(&loop->lock);
    watch->next = loop->watches;
    loop->watches = watch;
    loop->watch_count++;
    unlock_and_wake(loop);
    return watch;
}

void lull_watch_set(struct lull_watch *watch, unsigned events)
{
    struct lull_loop *loop = watch->loop;

    pthread_mutex_lock(&loop->lock);
    if (watch->events == events) {
        pthread_mutex_unlock(&loop->lock);
        return;
    }
    watch->events = events;
    unlock_and_wake(loop);
}

void lull_watch_free(struct lull_watch *watch)
{
    struct lull_loop *loop;

    if (watch == NULL)
        return;
    loop = watch->loop;
    pthread_mutex_lock(&loop->lock);
    watch->dead = true;
    unlock_and_wake(loop);
}

bool lull_loop_post(struct lull_loop *loop, void (*work)(void *opaque),
                    void *opaque)
{
    struct post *post = malloc(sizeof(*post));

    if (post == NULL)
        return false;
    *post = (struct post){.work = work, .opaque = opaque};
    pthread_mutex_lock(&loop->lock);
    *loop->last_post = post;
    loop->last_post = &post->next;
    unlock_and_wake(loop);
    return true;
}

void lull_loop_quit(struct lull_loop *loop)
{
    pthread_mutex_lock(&loop->lock);
    loop->quit = true;
    unlock_and_wake(loop);
}

static void reap(struct lull_loop *loop)
{
    for (struct lull_watch **link = &loop->watches; *link != NULL;) {
        struct lull_watch *watch = *link;

        if (!watch->dead) {
            link = &watch->next;
            continue;
        }
        *link = watch->next;
        loop->watch_count--;
        free(watch);
    }
}

static short poll_events(unsigned events)
{
    return (short)((events & LULL_LOOP_READ ? POLLIN : 0) |
                   (events & LULL_LOOP_WRITE ? POLLOUT : 0));
}

static unsigned loop_events(short revents)
{
    return (revents & POLLIN ? LULL_LOOP_READ : 0U) |
           (revents & POLLOUT ? LULL_LOOP_WRITE : 0U) |
           (revents & (POLLHUP | POLLERR | POLLNVAL) ? LULL_LOOP_HANGUP : 0U);
}

/* How many descriptors the next poll looks at. */
static unsigned build_set(struct lull_loop *loop)
{
    unsigned count = 0;

    reap(loop);
    /* Out of memory: go on with the watches that fit. */
    reserve(loop, loop->watch_count + 1);
    loop->set[count++] = (struct pollfd){.fd = loop->wake[0], .events = POLLIN};
    for (struct lull_watch *w = loop->watches; w != NULL; w = w->next) {
        if (w->events == 0 || count == loop->set_capacity)
            continue;
        loop->set_watches[count] = w;
        loop->set[count++] =
            (struct pollfd){.fd = w->fd, .events = poll_events(w->events)};
    }
    return count;
}

static void drain_wake(struct lull_loop *loop)
{
    char bytes[16];

    /* Seldom more than one is there: not asked again in vain. */
    while (read(loop->wake[0], bytes, sizeof(bytes)) == sizeof(bytes))
        ;
}

static void run_posts(struct lull_loop *loop)
{
    struct post *post = loop->posts;

    loop->posts = NULL;
    loop->last_post = &loop->posts;
    while (post != NULL) {
        struct post *next = post->next;

        pthread_mutex_unlock(&loop->lock);
        post->work(post->opaque);
        free(post);
        pthread_mutex_lock(&loop->lock);
        post = next;
    }
}

static void dispatch(struct lull_loop *loop, unsigned count)
{
    for (unsigned i = 1; i < count; i++) {
        struct lull_watch *watch = loop->set_watches[i];
        unsigned happened = loop_events(loop->set[i].revents);

        /* An earlier call may have freed the watch or changed its mind. */
        happened &= watch->events | LULL_LOOP_HANGUP;
        if (happened == 0 || watch->events == 0 || watch->dead)
            continue;
        pthread_mutex_unlock(&loop->lock);
        watch->ready(watch->opaque, happened);
        pthread_mutex_lock(&loop->lock);
    }
}

void lull_loop_run(struct lull_loop *loop)
{
    pthread_mutex_lock(&loop->lock);
    while (!loop->quit) {
        unsigned count = build_set(loop);
        int timeout = loop->posts != NULL ? 0 : -1;
        int ready;

        loop->polling = true;
        pthread_mutex_unlock(&loop->lock);
        ready = poll(loop->set, count, timeout);
        pthread_mutex_lock(&loop->lock);
        loop->polling = false;
        loop->woken = false;
        /* Also a byte that was still on its way the last time round. */
        if (ready > 0 && loop->set[0].revents != 0)
            drain_wake(loop);
        run_posts(loop);
        if (ready > 0)
            dispatch(loop, count);
    }
    loop->quit = false;
    pthread_mutex_unlock(&loop->lock);
}

static void timer_ready(void *opaque, unsigned events)
{
    struct lull_timer *timer = opaque;

    if (loop_timer_ack(timer->fd))
        timer->expired(timer->opaque);
}

struct lull_timer *lull_timer_new(struct lull_loop *loop,
                                  void (*expired)(void *opaque), void *opaque)
{
    struct lull_timer *timer = calloc(1, sizeof(*timer));

    if (timer == NULL)
        return NULL;
    timer->expired = expired;
    timer->opaque = opaque;
    timer->fd = loop_timer_open();
    if (timer->fd >= 0)
        timer->watch = lull_loop_watch(loop, timer->fd, LULL_LOOP_READ,
                                       timer_ready, timer);
    if (timer->watch == NULL) {
        int error = errno;

        if (timer->fd >= 0)
            close(timer->fd);
        free(timer);
        errno = error;
        return NULL;
    }
    return timer;
}

void lull_timer_set(struct lull_timer *timer, uint64_t delay_ns)
{
    loop_timer_arm(timer->fd, delay_ns);
}

void lull_timer_free(struct lull_timer *timer)
{
    if (timer == NULL)
        return;
    lull_watch_free(timer->watch);
    close(timer->fd);
    free(timer);
}
