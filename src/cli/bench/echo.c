#include "echo.h"

#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { PATIENCE_S = 10 };

static struct sockaddr_in loopback(unsigned port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)port),
        .sin_addr = {htonl(INADDR_LOOPBACK)},
    };
}

unsigned echo_free_port(void)
{
    struct sockaddr_in address = loopback(0);
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    unsigned port = 0;

    if (fd < 0)
        return 0;
    if (bind(fd, (struct sockaddr *)&address, len) == 0 &&
        getsockname(fd, (struct sockaddr *)&address, &len) == 0)
        port = ntohs(address.sin_port);
    close(fd);
    return port;
}

int echo_connect(unsigned port, char *err, size_t err_bytes)
{
    struct sockaddr_in address = loopback(port);
    struct timeval patience = {.tv_sec = PATIENCE_S};
    int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;

    if (fd >= 0) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
        if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
            return fd;
    }
    snprintf(err, err_bytes, "the forwarded port %u: %s", port,
             strerror(errno));
    if (fd >= 0)
        close(fd);
    return -1;
}

bool echo_byte(int fd, double *counter, char *err, size_t err_bytes)
{
    char text[32];
    size_t len = 0;

    if (send(fd, "k", 1, MSG_NOSIGNAL) == 1) {
        while (len < sizeof(text) - 1) {
            ssize_t n = recv(fd, text + len, sizeof(text) - 1 - len, 0);

            if (n < 0 && errno == EINTR)
                continue;
            if (n <= 0)
                break;
            len += (size_t)n;
            text[len] = '\0';
            if (text[len - 1] != '\n')
                continue;
            *counter = strtod(text, NULL);
            return isfinite(*counter) && *counter >= 0;
        }
    }
    snprintf(err, err_bytes, "no answer over TCP: %s", strerror(errno));
    return false;
}
