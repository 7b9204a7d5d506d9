/*
 * The two sides that a case is run on: this engine, at EL0 of a VM, and the
 * reference, a process of qemu-aarch64. And what is the same.
 */
#ifndef ORACLE_SIDES_H
#define ORACLE_SIDES_H

#include <stdio.h>

#include "case.h"

enum { SIDES_BATCH = 1024 };

/* A wrong engine, to try the test itself: where a word matches, `flip` is
 * applied to it on this side. All zero: none. */
struct mutant {
    uint32_t mask, value, flip;
};
extern struct mutant mutant;

/* This side; exits on failure. Replaces the case by its outcome. */
void here_set_up(void);
void here_run(struct oracle_case *c);
void here_tear_down(void);

/* The reference. 0, or 77 where qemu-aarch64 is not installed; exits on any
 * other failure. */
int reference_start(const char *runner);
/* Replace the first `count` cases of the array by their outcomes. */
void reference_run(uint32_t count);
extern struct oracle_case *reference_cases; /* SIDES_BATCH of them */
void reference_stop(void);
/* One case: a copy of `in` with the reference's outcome. */
struct oracle_case reference_one(const struct oracle_case *in);

int outcomes_equal(const struct oracle_case *ref,
                   const struct oracle_case *our);
/* The engine took a word as UNDEF that the reference knows: a feature that is
 * not promised. Whether it is promised, promises.py says. */
int is_beyond_promise(const struct oracle_case *ref,
                      const struct oracle_case *our);
void report_difference(FILE *out, const struct oracle_case *in,
                       const struct oracle_case *ref,
                       const struct oracle_case *our);

#endif
