/*
 * Random programs of a few instructions, and the list of everything that the
 * decoder can make of a word, so that nothing is left out.
 *
 * A kind is one operation of the engine: a name of op.h's list, or a function
 * behind FN and its like. Kinds are found by walking the encoding space; the
 * generator draws kinds, not words, so that a rare instruction is met as often
 * as a frequent one. Deterministic: all from rng_state of words.h.
 */
#ifndef ORACLE_PROGRAM_H
#define ORACLE_PROGRAM_H

#include "case.h"
#include "code.h"

enum group {
    GROUP_INTEGER,
    GROUP_BRANCH,
    GROUP_MEMORY, /* of general registers */
    GROUP_VECTOR_MEMORY,
    GROUP_ATOMIC, /* LSE, exclusives, ordered accesses */
    GROUP_FP,     /* scalar floating point */
    GROUP_SIMD,   /* Advanced SIMD and crypto */
    GROUP_SYSTEM,
    GROUPS,
};
extern const char *const group_names[GROUPS];

enum { KIND_SAMPLES = 48 };

struct kind {
    enum a64_opcode opcode;
    const void *fn; /* what FN, TRAP_FN, FP_FN and FP_TRAP_FN call */
    enum group group;
    const char *excluded; /* why it is never in a program, or NULL */
    unsigned samples;
    uint32_t sample[KIND_SAMPLES];
    unsigned long run; /* times compared, ended without a fault */
};

/* Find the kinds. Also from words that no walk finds (system registers). */
void kinds_find(void);
unsigned kinds_count(void);
struct kind *kind_at(unsigned i);
/* NULL for a word that is UNDEF. */
struct kind *kind_of(uint32_t word);
/* A word of a kind that has samples: one of these, its registers drawn anew
 * where it stays of the kind. */
uint32_t word_of(const struct kind *k);
const char *opcode_name(enum a64_opcode opcode);
/* Why no word of an operation of the list is a kind, or NULL: it must be. */
const char *opcode_absence(enum a64_opcode opcode);

/* May be part of a program: not a word that leaves it, and the architecture
 * says what it does. */
int word_is_fair(uint32_t word);
enum group group_of(uint32_t word);
int is_branch(uint32_t word);
/* Where the branch at place `at` goes, when its register is as at the start. */
uint64_t branch_target(const struct oracle_case *c, unsigned at);
/* Accesses memory through a base register. */
int is_memory_access(uint32_t word);

/* A program whose first word is of `first`; the others of any kind in
 * `groups` (a set, bit per group). */
void random_program(struct oracle_case *c, unsigned first, unsigned groups);

#endif
