/*
 * The host's end of the TCP echo: bytes to a port of this host that is
 * forwarded into the guest, each answered with the guest's counter.
 */
#ifndef BENCH_ECHO_H
#define BENCH_ECHO_H

#include <stdbool.h>
#include <stddef.h>

/* A port of the loopback that nobody uses now; 0: none. */
unsigned echo_free_port(void);

/* Connect; -1 and one line in err. Calls on it block for at most 10 s. */
int echo_connect(unsigned port, char *err, size_t err_bytes);

/* One byte there, the guest's counter back. */
bool echo_byte(int fd, double *counter, char *err, size_t err_bytes);

#endif
