#include "pipe.h"

#include <fcntl.h>
#include <unistd.h>

static bool set_up(int fd, bool nonblocking)
{
    return fcntl(fd, F_SETFD, FD_CLOEXEC) == 0 &&
           (!nonblocking || fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
}

bool pipe_open(int ends[2], bool nonblocking)
{
    if (pipe(ends) != 0)
        return false;
    if (set_up(ends[0], nonblocking) && set_up(ends[1], nonblocking))
        return true;
    close(ends[0]);
    close(ends[1]);
    return false;
}
