/*
 * Sleeping on macOS: one kqueue per vCPU with a timer and a user event. Every
 * other timed wait of that system is late by an eighth of its length, up to a
 * millisecond; a kqueue timer may decline that with NOTE_CRITICAL and a leeway
 * of zero. An absolute time in mach ticks needs no arithmetic after a stray.
 *
 * A user event that is triggered stays so until somebody receives it, which
 * takes the place of the futex's compare: a kick between the look at the word
 * and the sleep ends the sleep at once.
 *
 * The price is a kick that comes too late. A kicker that saw PARKED triggers
 * the event, even if the vCPU has meanwhile found the bit by itself and gone
 * on; the next sleep would end at once, for nothing. So a wake that is known
 * to be owed and was not received is taken out before the next park. That is
 * safe only while PARKED is clear, and there it is done: a trigger meant for
 * the coming park cannot exist yet. One that comes later still is a stray.
 *
 * Of the ladder's rungs (rung.h) there is the condition variable; an alarm that
 * a kick can end would be a kqueue again, so that rung is refused.
 */
#include "governor.h"
#include "park.h"
#include "park_condvar.h"

#include <errno.h>
#include <mach/mach.h>
#include <mach/mach_time.h>
#include <pthread.h>
#include <pthread/qos.h>
#include <sys/event.h>
#include <unistd.h>

enum { TIMER_IDENT = 1, WAKE_IDENT = 2, EVENTS = 2 };

/*
 * Not measured by us. Without leeway what is left is the wake-up, 5 to 15 us
 * as published. Should the leeway be applied all the same, a sleep is late by
 * up to 1.02 ms: the cap covers that, and an outlier is what exceeds it twice.
 */
const struct gov_host park_host = {
    .margin_cap_ns = 1100000,
    .outlier_ns = 2200000,
    .guess_ns = 15000,
    .guess_divisor = 1024,
    .guess_max_ns = 40000,
    .park_cost_ns = 20000,
    .wake_delay_ns = 25000,
};

/* Ticks are 125/3 ns on Apple silicon: multiply first, in 128 bits. */
static uint64_t scale(uint64_t value, uint32_t by, uint32_t over, bool up)
{
    unsigned __int128 product = (unsigned __int128)value * by;

    return (uint64_t)((product + (up ? over - 1 : 0)) / over);
}

uint64_t park_clock_ns(void)
{
    mach_timebase_info_data_t base;

    mach_timebase_info(&base);
    return scale(mach_absolute_time(), base.numer, base.denom, false);
}

/* Rounded up, so that the clock has reached `ns` when the ticks have passed:
 * rounded down, every sleep would take two. */
static int64_t to_ticks(uint64_t ns)
{
    mach_timebase_info_data_t base;

    mach_timebase_info(&base);
    return (int64_t)scale(ns, base.denom, base.numer, true);
}

int park_init(struct park *park)
{
    struct kevent64_s wake;

    *park = (struct park){.queue = kqueue()};
    if (park->queue < 0)
        return errno;
    pthread_mutex_init(&park->lock, NULL);
    park_condvar_init(&park->cond);
    EV_SET64(&wake, WAKE_IDENT, EVFILT_USER, EV_ADD | EV_CLEAR, 0, 0, 0, 0, 0);
    if (kevent64(park->queue, &wake, 1, NULL, 0, 0, NULL) < 0) {
        int error = errno;

        park_fini(park);
        return error;
    }
    return 0;
}

void park_fini(struct park *park)
{
    close(park->queue);
    pthread_cond_destroy(&park->cond);
    pthread_mutex_destroy(&park->lock);
}

void park_punctual(void)
{
    /* A lower class would multiply every latency. */
    pthread_set_qos_class_self_np(QOS_CLASS_USER_INTERACTIVE, 0);
}

void park_attach(struct park *park)
{
    park_punctual();
    park->thread = pthread_mach_thread_np(pthread_self());
    atomic_store_explicit(&park->attached, true, memory_order_release);
}

static uint64_t to_ns(time_value_t t)
{
    return (uint64_t)t.seconds * 1000000000 + (uint64_t)t.microseconds * 1000;
}

uint64_t park_cpu_ns(const struct park *park)
{
    thread_basic_info_data_t info;
    mach_msg_type_number_t count = THREAD_BASIC_INFO_COUNT;

    if (!atomic_load_explicit(&park->attached, memory_order_acquire) ||
        thread_info(park->thread, THREAD_BASIC_INFO, (thread_info_t)&info,
                    &count) != KERN_SUCCESS)
        return 0;
    return to_ns(info.user_time) + to_ns(info.system_time);
}

/* That system has no condition variable on another clock than the wall's, so
 * the time left is what is waited for. */

void park_condvar_init(pthread_cond_t *cond)
{
    pthread_cond_init(cond, NULL);
}

int park_condvar_until(pthread_cond_t *cond, pthread_mutex_t *lock,
                       uint64_t until_ns)
{
    uint64_t now = park_clock_ns(), rest = until_ns > now ? until_ns - now : 0;
    struct timespec left = {.tv_sec = (time_t)(rest / 1000000000),
                            .tv_nsec = (long)(rest % 1000000000)};

    return pthread_cond_timedwait_relative_np(cond, lock, &left);
}

void park_before(struct park *park, enum idle_rung rung)
{
    struct kevent64_s events[EVENTS];
    const struct timespec at_once = {0, 0};

    atomic_store_explicit(&park->rung, (int)rung, memory_order_release);
    park->woken = false;
    if (!park->owed || rung != IDLE_RUNG_WORD)
        return;
    park->owed = false;
    kevent64(park->queue, NULL, 0, events, EVENTS, 0, &at_once);
}

void park_after(struct park *park, bool kicked)
{
    if (kicked && !park->woken &&
        atomic_load_explicit(&park->rung, memory_order_relaxed) ==
            IDLE_RUNG_WORD)
        park->owed = true;
}

static enum park_end kqueue_wait(struct park *park, idle_word *word,
                                 uint32_t expect, uint64_t until_ns)
{
    struct kevent64_s timer, events[EVENTS];
    enum park_end end = PARK_TIME;
    int n;

    /* Not needed to be safe; it saves a system call that would return. */
    if (word_look(word) != expect)
        return PARK_CHANGED;
    /* Adding it again moves a timer that an earlier sleep left behind. */
    EV_SET64(&timer, TIMER_IDENT, EVFILT_TIMER, EV_ADD | EV_ONESHOT,
             NOTE_ABSOLUTE | NOTE_MACHTIME | NOTE_CRITICAL | NOTE_LEEWAY,
             to_ticks(until_ns), 0, 0, 0);
    n = kevent64(park->queue, &timer, 1, events, EVENTS, 0, NULL);
    if (n < 0)
        return errno == EINTR ? PARK_WOKEN : PARK_BROKEN;
    for (int i = 0; i < n; i++) {
        if (events[i].flags & EV_ERROR)
            return PARK_BROKEN;
        if (events[i].filter == EVFILT_USER) {
            park->woken = true;
            end = PARK_WOKEN;
        }
    }
    return end;
}

enum park_end park_wait(struct park *park, idle_word *word, uint32_t expect,
                        uint64_t until_ns)
{
    switch (atomic_load_explicit(&park->rung, memory_order_relaxed)) {
    case IDLE_RUNG_CONDVAR:
        return park_condvar_wait(park, word, expect, until_ns);
    case IDLE_RUNG_ALARM:
        return PARK_BROKEN;
    default:
        return kqueue_wait(park, word, expect, until_ns);
    }
}

void park_wake(struct park *park, idle_word *word)
{
    struct kevent64_s wake;

    if (atomic_load_explicit(&park->rung, memory_order_acquire) ==
        IDLE_RUNG_CONDVAR) {
        park_condvar_wake(park);
        return;
    }
    EV_SET64(&wake, WAKE_IDENT, EVFILT_USER, 0, NOTE_TRIGGER, 0, 0, 0, 0);
    kevent64(park->queue, &wake, 1, NULL, 0, 0, NULL);
}

void park_slice(uint64_t until_ns)
{
    mach_wait_until((uint64_t)to_ticks(until_ns));
}
