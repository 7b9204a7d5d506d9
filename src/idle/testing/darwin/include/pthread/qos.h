/*
 * Tests only: quality-of-service classes, and a thread's port, as macOS has
 * them.
 */
#ifndef TESTING_PTHREAD_QOS_H
#define TESTING_PTHREAD_QOS_H

#include <pthread.h>
#include <stdint.h>

typedef enum { QOS_CLASS_USER_INTERACTIVE = 0x21 } qos_class_t;

int pthread_set_qos_class_self_np(qos_class_t qos, int relative);
uint32_t pthread_mach_thread_np(pthread_t thread);

/* In that system's <pthread.h>. */
int pthread_cond_timedwait_relative_np(pthread_cond_t *cond,
                                       pthread_mutex_t *lock,
                                       const struct timespec *left);

#endif
