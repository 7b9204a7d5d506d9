/*
 * Sleeping on Linux: a futex on the parking word itself. FUTEX_WAIT_BITSET
 * takes an absolute time of CLOCK_MONOTONIC, so a sleep that was interrupted
 * is resumed without arithmetic, and the kernel compares the word under its
 * own lock before it sleeps.
 *
 * The alarm, third rung of the ladder, shares nothing with that but the word: a
 * timerfd and an eventfd under poll(). An event that was written stays until it
 * is read, so one between the look at the word and the poll ends the poll.
 */
#include "governor.h"
#include "park.h"
#include "park_condvar.h"

#include <errno.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

/*
 * With the timer slack at 1 ns a sleep is late by the wake-up alone: 16 us
 * (50 us asleep) to 50 us (10 ms and more) at the median, 40 to 80 at the 90th
 * percentile, measured on a shared x86-64 virtual machine. What is later than
 * 1 ms was pre-empted.
 */
const struct gov_host park_host = {
    .margin_cap_ns = 400000,
    .outlier_ns = 1000000,
    .guess_ns = 20000,
    .guess_divisor = 256,
    .guess_max_ns = 60000,
    .park_cost_ns = 20000,
    .wake_delay_ns = 25000,
};

static struct timespec to_timespec(uint64_t ns)
{
    return (struct timespec){.tv_sec = (time_t)(ns / 1000000000),
                             .tv_nsec = (long)(ns % 1000000000)};
}

uint64_t park_clock_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

int park_init(struct park *park)
{
    *park = (struct park){.queue = -1, .event = -1, .timer = -1};
    pthread_mutex_init(&park->lock, NULL);
    park_condvar_init(&park->cond);
    return 0;
}

void park_fini(struct park *park)
{
    if (park->event >= 0)
        close(park->event);
    if (park->timer >= 0)
        close(park->timer);
    pthread_cond_destroy(&park->cond);
    pthread_mutex_destroy(&park->lock);
}

void park_punctual(void)
{
    /* 0 would mean the default again, 50 us. Nothing to do on failure: the
     * margins learn whatever lateness there is. */
    prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
}

void park_attach(struct park *park)
{
    park_punctual();
    if (pthread_getcpuclockid(pthread_self(), &park->cpu_clock) == 0)
        atomic_store_explicit(&park->attached, true, memory_order_release);
}

uint64_t park_cpu_ns(const struct park *park)
{
    struct timespec used;

    if (!atomic_load_explicit(&park->attached, memory_order_acquire) ||
        clock_gettime(park->cpu_clock, &used) != 0)
        return 0;
    return (uint64_t)used.tv_sec * 1000000000 + (uint64_t)used.tv_nsec;
}

/* The condition variable. */

void park_condvar_init(pthread_cond_t *cond)
{
    pthread_condattr_t attr;

    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &attr);
    pthread_condattr_destroy(&attr);
}

int park_condvar_until(pthread_cond_t *cond, pthread_mutex_t *lock,
                       uint64_t until_ns)
{
    struct timespec until = to_timespec(until_ns);

    return pthread_cond_timedwait(cond, lock, &until);
}

/* The alarm. */

/* Whoever wakes reads `rung` first and `event` then. */
static void make_alarm(struct park *park)
{
    if (park->timer < 0)
        park->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    if (atomic_load_explicit(&park->event, memory_order_relaxed) < 0)
        atomic_store_explicit(&park->event,
                              eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
                              memory_order_relaxed);
}

static enum park_end alarm_wait(struct park *park, idle_word *word,
                                uint32_t expect, uint64_t until_ns)
{
    const struct itimerspec alarm = {.it_value = to_timespec(until_ns)};
    int event = atomic_load_explicit(&park->event, memory_order_relaxed);
    struct pollfd fds[] = {{event, POLLIN, 0}, {park->timer, POLLIN, 0}};
    uint64_t times;

    if (event < 0 || park->timer < 0)
        return PARK_BROKEN; /* a negative one would be waited for for ever */
    if (word_look(word) != expect)
        return PARK_CHANGED;
    /* Setting it again forgets that it went off. */
    if (timerfd_settime(park->timer, TFD_TIMER_ABSTIME, &alarm, NULL) != 0)
        return PARK_BROKEN;
    if (poll(fds, 2, -1) < 0)
        return errno == EINTR ? PARK_WOKEN : PARK_BROKEN;
    if (fds[0].revents == 0)
        return PARK_TIME;
    return read(event, &times, sizeof(times)) == sizeof(times) ? PARK_WOKEN
                                                               : PARK_BROKEN;
}

static void alarm_wake(struct park *park)
{
    const uint64_t once = 1;

    /* It can fail only where two to the 64th wakes have not been read. */
    if (write(atomic_load_explicit(&park->event, memory_order_relaxed), &once,
              sizeof(once)) < 0)
        return;
}

/* The futex, and which of the three. */

void park_before(struct park *park, enum idle_rung rung)
{
    if (rung == IDLE_RUNG_ALARM)
        make_alarm(park);
    atomic_store_explicit(&park->rung, (int)rung, memory_order_release);
}

/* The word is the whole state: a late wake finds nobody, or is a stray. */
void park_after(struct park *park, bool kicked)
{
}

static enum park_end futex_wait(idle_word *word, uint32_t expect,
                                uint64_t until_ns)
{
    struct timespec until = to_timespec(until_ns);

    if (syscall(SYS_futex, word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, expect,
                &until, NULL, FUTEX_BITSET_MATCH_ANY) == 0)
        return PARK_WOKEN;
    switch (errno) {
    case ETIMEDOUT:
        return PARK_TIME;
    case EAGAIN:
        return PARK_CHANGED;
    case EINTR:
        return PARK_WOKEN;
    default:
        return PARK_BROKEN;
    }
}

enum park_end park_wait(struct park *park, idle_word *word, uint32_t expect,
                        uint64_t until_ns)
{
    switch (atomic_load_explicit(&park->rung, memory_order_relaxed)) {
    case IDLE_RUNG_CONDVAR:
        return park_condvar_wait(park, word, expect, until_ns);
    case IDLE_RUNG_ALARM:
        return alarm_wait(park, word, expect, until_ns);
    default:
        return futex_wait(word, expect, until_ns);
    }
}

void park_wake(struct park *park, idle_word *word)
{
    switch (atomic_load_explicit(&park->rung, memory_order_acquire)) {
    case IDLE_RUNG_CONDVAR:
        park_condvar_wake(park);
        break;
    case IDLE_RUNG_ALARM:
        alarm_wake(park);
        break;
    default:
        syscall(SYS_futex, word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1, NULL, NULL,
                0);
    }
}

void park_slice(uint64_t until_ns)
{
    struct timespec until = to_timespec(until_ns);

    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
}
