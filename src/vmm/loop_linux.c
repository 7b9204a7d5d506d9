/*
 * The event loop's timers on Linux: timerfd.
 */
#include <sys/timerfd.h>
#include <unistd.h>

#include "loop_host.h"

int loop_timer_open(void)
{
    return timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
}

void loop_timer_arm(int fd, uint64_t delay_ns)
{
    const uint64_t second = 1000000000;
    struct itimerspec when = {
        .it_value = {.tv_sec = (time_t)(delay_ns / second),
                     .tv_nsec = (long)(delay_ns % second)},
    };

    timerfd_settime(fd, 0, &when, NULL);
}

bool loop_timer_ack(int fd)
{
    uint64_t expirations;

    return read(fd, &expirations, sizeof(expirations)) ==
           (ssize_t)sizeof(expirations);
}
