/*
 * A recv from a Unix socket, and with it the descriptor that may come along
 * (SCM_RIGHTS, unix(7)).
 */
#ifndef LULL_PASSED_FD_H
#define LULL_PASSED_FD_H

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

/* As recv. A descriptor that comes replaces *fd, which is closed if it is one;
 * it is the caller's, and not for programs that it starts. */
static inline ssize_t recv_passed_fd(int socket, void *to, size_t room, int *fd)
{
    union {
        struct cmsghdr header; /* for its alignment */
        char room[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct iovec data = {to, room};
    struct msghdr message = {.msg_iov = &data,
                             .msg_iovlen = 1,
                             .msg_control = control.room,
                             .msg_controllen = sizeof(control.room)};
    ssize_t n = recvmsg(socket, &message, 0);

    if (n > 0 && message.msg_controllen >= CMSG_LEN(sizeof(int)) &&
        control.header.cmsg_level == SOL_SOCKET &&
        control.header.cmsg_type == SCM_RIGHTS) {
        if (*fd >= 0)
            close(*fd);
        memcpy(fd, CMSG_DATA(&control.header), sizeof(int));
        fcntl(*fd, F_SETFD, FD_CLOEXEC);
    }
    return n;
}

#endif
