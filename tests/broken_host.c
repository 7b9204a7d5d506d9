/*
 * To be preloaded: a host whose disk takes writes and fails to keep them, and
 * whose kernel lets nobody have io_uring.
 */
#include <errno.h>
#include <unistd.h>

struct io_uring;
struct io_uring_params;

/* liburing's, whose header need not be here. */
int io_uring_queue_init_params(unsigned entries, struct io_uring *ring,
                               struct io_uring_params *params);

int io_uring_queue_init_params(unsigned entries, struct io_uring *ring,
                               struct io_uring_params *params)
{
    return -EPERM;
}

int fdatasync(int fd)
{
    errno = EIO;
    return -1;
}
