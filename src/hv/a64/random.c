/*
 * Random numbers from the kernel's generator, fetched some at a time: a guest
 * kernel seeds itself from RNDR word by word, and a system call each would
 * cost more than the rest of the instruction a hundred times over.
 *
 * A word is handed out once and then wiped.
 */
#include "random.h"

#include <sys/random.h>

enum { WORDS = 32 }; /* 256 bytes: getentropy gives no more at once */

static _Thread_local uint64_t pool[WORDS];
static _Thread_local unsigned left;

bool a64_random(uint64_t *value)
{
    if (left == 0) {
        if (getentropy(pool, sizeof(pool)) != 0)
            return false;
        left = WORDS;
    }
    left--;
    *value = pool[left];
    pool[left] = 0;
    return true;
}
