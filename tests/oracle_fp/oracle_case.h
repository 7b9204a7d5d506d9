/*
 * Shared by both sides of the differential test: what a test case starts from
 * and ends in, and how its start is made from a number. Both sides make it
 * themselves, so only words and results travel.
 */
#ifndef LULL_TESTS_ORACLE_CASE_H
#define LULL_TESTS_ORACLE_CASE_H

#include <stdint.h>

struct oracle_state {
    uint64_t v[32][2];
    uint64_t x[32]; /* 31 reads as zero */
    uint64_t fpcr, fpsr, nzcv;
    uint64_t pad; /* keeps the size a multiple of 16 */
};

/* What is sent: this, then `words` instruction words. */
struct oracle_request {
    uint32_t words, rounds;
    uint64_t seed;
};

/* splitmix64: a good enough generator of one line */
static inline uint64_t oracle_random(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

/* The start of round `round` of word `word`. */
void oracle_start(struct oracle_state *state, uint64_t seed, uint32_t word,
                  uint32_t round);

#endif
