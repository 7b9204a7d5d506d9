/*
 * The event loop's timers on macOS: a kqueue of its own for each, which is a
 * descriptor that polls readable while an event is in it.
 */
#include <fcntl.h>
#include <sys/event.h>
#include <sys/time.h>

#include "loop_host.h"

int loop_timer_open(void)
{
    int fd = kqueue();

    if (fd >= 0)
        fcntl(fd, F_SETFD, FD_CLOEXEC);
    return fd;
}

void loop_timer_arm(int fd, uint64_t delay_ns)
{
    struct kevent change;

    if (delay_ns == 0)
        EV_SET(&change, 1, EVFILT_TIMER, EV_DELETE, 0, 0, NULL);
    else
        EV_SET(&change, 1, EVFILT_TIMER, EV_ADD | EV_ONESHOT, NOTE_NSECONDS,
               (int64_t)delay_ns, NULL);
    /* Deleting a timer that is not armed fails, and need not succeed. */
    kevent(fd, &change, 1, NULL, 0, NULL);
}

bool loop_timer_ack(int fd)
{
    const struct timespec now = {0, 0};
    struct kevent event;

    return kevent(fd, NULL, 0, &event, 1, &now) == 1;
}
