/*
 * Sleeping on Linux: a futex on the parking word itself. FUTEX_WAIT_BITSET
 * takes an absolute time of CLOCK_MONOTONIC, so a sleep that was interrupted
 * is resumed without arithmetic, and the kernel compares the word under its
 * own lock before it sleeps.
 */
#include "governor.h"
#include "park.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
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
    *park = (struct park){.queue = -1};
    return 0;
}

void park_fini(struct park *park)
{
}

void park_attach(struct park *park)
{
    /* 0 would mean the default again, 50 us. Nothing to do on failure: the
     * margins learn whatever lateness there is. */
    prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
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

/* The word is the whole state: a late wake finds nobody, or is a stray. */
void park_before(struct park *park)
{
}

void park_after(struct park *park, bool kicked)
{
}

enum park_end park_wait(struct park *park, idle_word *word, uint32_t expect,
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

void park_wake(struct park *park, idle_word *word)
{
    syscall(SYS_futex, word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1, NULL, NULL, 0);
}

void park_slice(uint64_t until_ns)
{
    struct timespec until = to_timespec(until_ns);

    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
}
