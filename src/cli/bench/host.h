/*
 * What a benchmark asks of the host; one file a platform.
 */
#ifndef BENCH_HOST_H
#define BENCH_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* In a child: end when the parent does, however that ends. False and errno
 * where it has ended already; a host that cannot do this says true. */
bool host_die_with_parent(pid_t parent);

/* "Intel Xeon, 2 cores, Linux 6.1.0": for the head of a report. */
void host_describe(char *out, size_t bytes);

#endif
