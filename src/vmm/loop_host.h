/*
 * What the event loop needs of the host beyond poll(2): a one-shot timer as a
 * descriptor, armed by one system call from any thread. One file for each
 * platform.
 */
#ifndef LULL_VMM_LOOP_HOST_H
#define LULL_VMM_LOOP_HOST_H

#include <stdbool.h>
#include <stdint.h>

/* A descriptor that polls readable once the timer expired; -1 and errno. */
int loop_timer_open(void);
/* Expire delay_ns from now, once; 0 disarms. */
void loop_timer_arm(int fd, uint64_t delay_ns);
/* Make it unreadable again. False: it had not expired after all. */
bool loop_timer_ack(int fd);

#endif
