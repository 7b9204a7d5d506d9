/*
 * A sleep that works wherever threads do: a mutex and a condition variable
 * beside the parking word. The second rung of the ladder (rung.h).
 */
#ifndef IDLE_PARK_CONDVAR_H
#define IDLE_PARK_CONDVAR_H

#include "park.h"

enum park_end park_condvar_wait(struct park *park, idle_word *word,
                                uint32_t expect, uint64_t until_ns);
void park_condvar_wake(struct park *park);

/* The platform's: what its condition variables can do about time. */
void park_condvar_init(pthread_cond_t *cond);
int park_condvar_until(pthread_cond_t *cond, pthread_mutex_t *lock,
                       uint64_t until_ns);

#endif
