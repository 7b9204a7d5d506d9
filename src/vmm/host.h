/*
 * What differs between hosts: threads' names, numbers and accounts. One file
 * per platform, the same functions in each.
 */
#ifndef LULL_VMM_HOST_H
#define LULL_VMM_HOST_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Name the calling thread `what-index`. */
void host_thread_name(const char *what, unsigned index);
/* The host's number for the calling thread; 0 when it has none. */
int64_t host_thread_id(void);

/* CPU time of a live thread of this process, ns. */
uint64_t host_thread_cpu_ns(pthread_t thread);
/* Voluntary context switches of a live thread: it slept, and was woken. False
 * when the host does not tell. */
bool host_thread_switches(int64_t thread_id, uint64_t *voluntary);
/* Memory whose contents matter no more, for the host to have: whole pages of
 * the host's. */
void host_memory_give(void *pages, uint64_t bytes);
/* Memory of this process in RAM now; 0 when the host does not tell. */
uint64_t host_resident_bytes(void);

/* Path of the program that runs, "" when the host does not tell. */
void host_program(char *out, size_t out_bytes);
/* Memory without a name to share with another process, all zero: a descriptor,
 * or -1 and errno. Whoever has it cannot change its size. */
int host_shared_memory(size_t bytes);
/* What is in it is not needed any more: zero again, where the host can. */
void host_forget_memory(int fd, size_t bytes);

/* Which pages of private memory without a file were ever touched: the others
 * are zero, and to look would make them real. -1: this host does not tell. */
enum { HOST_TOUCHED_PAGE = 4096, HOST_TOUCHED_MAX = 512 };
int host_touched_open(void);
/* `at` a page's beginning, at most HOST_TOUCHED_MAX pages. */
bool host_touched(int fd, const void *at, size_t pages, bool *touched);

/* A descriptor that becomes readable when the host's wall clock jumps: somebody
 * set it, or the host slept. -1: this host does not tell. */
int host_clock_open(void);
/* It was readable: did the clock jump? And watch on. */
bool host_clock_jumped(int fd);

#endif
