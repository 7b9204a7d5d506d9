/*
 * The guest's half of guest_vsock.py, which compiles it and adds it to the
 * guest's initramfs.
 *
 *   vsock connect CID PORT      standard input to there, from there to
 *                               standard output, each until it ends
 *   vsock listen PORT           the same for the first who connects
 *   vsock echo PORT             answer everybody with what they say
 *   vsock many CID PORT COUNT   so many connections at once; each says its
 *                               number and has to hear it back, in brackets
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/vm_sockets.h> /* which needs what stands above */

enum { CHUNK = 65536, MANY_MAX = 1000 };

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static struct sockaddr_vm address(unsigned cid, const char *port)
{
    return (struct sockaddr_vm){.svm_family = AF_VSOCK,
                                .svm_cid = cid,
                                .svm_port = (unsigned)strtoul(port, NULL, 10)};
}

static int vsock(void)
{
    int fd = socket(AF_VSOCK, SOCK_STREAM, 0);

    if (fd < 0)
        die("socket");
    return fd;
}

static int join(const char *cid, const char *port)
{
    struct sockaddr_vm to = address((unsigned)strtoul(cid, NULL, 10), port);
    int fd = vsock();

    if (connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0)
        die("connect");
    return fd;
}

static int listen_on(const char *port)
{
    struct sockaddr_vm at = address(VMADDR_CID_ANY, port);
    int fd = vsock();

    if (bind(fd, (struct sockaddr *)&at, sizeof(at)) != 0 ||
        listen(fd, 128) != 0)
        die("listen");
    printf("listening\n");
    fflush(stdout);
    return fd;
}

static void put(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, bytes, len);

        if (n < 0)
            die("write");
        bytes += n;
        len -= (size_t)n;
    }
}

/* One direction, when there is something. False: it has ended. */
static int carry(int from, int to)
{
    static char bytes[CHUNK];
    ssize_t n = read(from, bytes, sizeof(bytes));

    if (n < 0)
        die("read");
    put(to, bytes, (size_t)n);
    return n > 0;
}

static void bridge(int fd)
{
    struct pollfd ends[] = {{.fd = 0, .events = POLLIN},
                            {.fd = fd, .events = POLLIN}};

    while (ends[0].fd >= 0 || ends[1].fd >= 0) {
        if (poll(ends, 2, -1) < 0)
            die("poll");
        if (ends[0].revents != 0 && !carry(0, fd)) {
            shutdown(fd, SHUT_WR);
            ends[0].fd = -1;
        }
        if (ends[1].revents != 0 && !carry(fd, 1))
            ends[1].fd = -1;
    }
}

static void echo(int listener)
{
    signal(SIGCHLD, SIG_IGN);
    for (;;) {
        int fd = accept(listener, NULL, NULL);

        if (fd < 0)
            die("accept");
        if (fork() == 0) {
            while (carry(fd, fd))
                ;
            exit(0);
        }
        close(fd);
    }
}

static void many(const char *cid, const char *port, int count)
{
    static int fd[MANY_MAX];
    char said[32], heard[64];

    for (int i = 0; i < count && i < MANY_MAX; i++)
        fd[i] = join(cid, port);
    for (int i = 0; i < count; i++) {
        put(fd[i], said, (size_t)snprintf(said, sizeof(said), "%d", i));
        shutdown(fd[i], SHUT_WR);
    }
    for (int i = 0; i < count; i++) {
        size_t len = 0;
        ssize_t n;

        while ((n = read(fd[i], heard + len, sizeof(heard) - 1 - len)) > 0)
            len += (size_t)n;
        heard[len] = '\0';
        snprintf(said, sizeof(said), "[%d]", i);
        if (strcmp(said, heard) != 0) {
            printf("connection %d heard '%s'\n", i, heard);
            exit(1);
        }
        close(fd[i]);
    }
    printf("%d answers\n", count);
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";

    signal(SIGPIPE, SIG_IGN);
    if (argc == 4 && strcmp(what, "connect") == 0)
        bridge(join(argv[2], argv[3]));
    else if (argc == 3 && strcmp(what, "listen") == 0)
        bridge(accept(listen_on(argv[2]), NULL, NULL));
    else if (argc == 3 && strcmp(what, "echo") == 0)
        echo(listen_on(argv[2]));
    else if (argc == 5 && strcmp(what, "many") == 0)
        many(argv[2], argv[3], atoi(argv[4]));
    else
        return 2;
    return 0;
}
