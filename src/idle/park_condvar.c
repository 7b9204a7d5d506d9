/*
 * Lock, look at the word again, wait; who wakes takes the lock in between. So
 * a kick before the look changes the word and is seen, and one after it finds
 * the sleeper waiting already: the lock is held from the look to the wait.
 */
#include "park_condvar.h"

#include <errno.h>

enum park_end park_condvar_wait(struct park *park, idle_word *word,
                                uint32_t expect, uint64_t until_ns)
{
    int error;

    pthread_mutex_lock(&park->lock);
    if (word_look(word) != expect) {
        pthread_mutex_unlock(&park->lock);
        return PARK_CHANGED;
    }
    error = park_condvar_until(&park->cond, &park->lock, until_ns);
    pthread_mutex_unlock(&park->lock);
    if (error == 0)
        return PARK_WOKEN;
    return error == ETIMEDOUT ? PARK_TIME : PARK_BROKEN;
}

void park_condvar_wake(struct park *park)
{
    pthread_mutex_lock(&park->lock);
    pthread_mutex_unlock(&park->lock);
    pthread_cond_signal(&park->cond);
}
