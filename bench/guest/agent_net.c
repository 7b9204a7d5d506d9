/*
 * The agent's network: eth0 with the address that the user network gives, and
 * a TCP port. No program of the guest is needed for it.
 */
#include "bench.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static void set_address(struct ifreq *request, const char *text)
{
    struct sockaddr_in address = {.sin_family = AF_INET};

    inet_pton(AF_INET, text, &address.sin_addr);
    memcpy(&request->ifr_addr, &address, sizeof(address));
}

static int interface_up(int fd)
{
    struct ifreq request = {.ifr_name = "eth0"};

    set_address(&request, "10.0.2.15");
    if (ioctl(fd, SIOCSIFADDR, &request) != 0)
        return -1;
    set_address(&request, "255.255.255.0");
    if (ioctl(fd, SIOCSIFNETMASK, &request) != 0)
        return -1;
    request.ifr_flags = IFF_UP | IFF_RUNNING;
    return ioctl(fd, SIOCSIFFLAGS, &request);
}

int agent_listen(unsigned port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (interface_up(fd) == 0 &&
        bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
        listen(fd, 1) == 0)
        return fd;
    close(fd);
    return -1;
}

int agent_accept(int fd)
{
    int client = accept(fd, NULL, NULL), on = 1;

    if (client >= 0)
        setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return client;
}
