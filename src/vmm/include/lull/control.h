/*
 * Where the control sockets of running VMs are: one Unix socket per VM,
 * DIR/NAME.sock, DIR being $XDG_RUNTIME_DIR/lull or /tmp/lull-UID. The
 * protocol is that of QEMU's QMP.
 */
#ifndef LULL_CONTROL_H
#define LULL_CONTROL_H

#include <stdbool.h>
#include <stddef.h>

#define LULL_CONTROL_SUFFIX ".sock"

/* The directory's path into out. False when it does not fit. */
bool lull_control_dir(char *out, size_t out_bytes);

/* Path of NAME's socket. False when it does not fit a socket address. */
bool lull_control_path(const char *name, char *out, size_t out_bytes);

/* Connect to the VM `name`: a blocking descriptor, or -1 and one line in err.
 * The descriptor is the caller's. */
int lull_control_connect(const char *name, char *err, size_t err_bytes);

#endif
