/*
 * Random numbers for RNDR, from the host's.
 */
#ifndef LULL_A64_RANDOM_H
#define LULL_A64_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

/* False: the host has none to give just now. Any thread. */
bool a64_random(uint64_t *value);

#endif
