/*
 * Random valid instruction words, by class; the random numbers and register
 * values that go with them. Deterministic: all from rng_state.
 */
#ifndef ORACLE_WORDS_H
#define ORACLE_WORDS_H

#include <stdint.h>

enum access { NONE, BASE, BASE_IMM12, BASE_REG, PAIR, EXCL, BRANCH, LITERAL };

/* Fixed bits, and which bits are free. */
struct class
{
    const char *name;
    uint32_t value, free;
    enum access access;
};

enum { CLASSES = 35 };
extern const struct class classes[CLASSES];

extern uint64_t rng_state;
uint64_t rng(void);
/* Half the time something near an edge. */
uint64_t random_value(void);
/* insn<hi:lo> */
unsigned field(uint32_t insn, unsigned hi, unsigned lo);
/* A word of the class whose result the architecture defines; branches go two
 * words on. */
uint32_t random_word(const struct class *c);

#endif
