/* Unix sockets that the host's programs connect to. */
#ifndef LULL_DEV_UNIX_SOCKET_H
#define LULL_DEV_UNIX_SOCKET_H

#include <stdbool.h>

/*
 * Listen at `path`, for its owner alone (mode 0600), without blocking. A
 * socket that nobody listens on any more is replaced. -1 and errno on failure.
 */
int unix_socket_listen(const char *path, int backlog);

/* Connect to `path`; -1 and errno. It may wait while the listener's backlog is
 * full, `patience_ms` at most. The descriptor then does not block. */
int unix_socket_connect(const char *path, unsigned patience_ms);

#endif
