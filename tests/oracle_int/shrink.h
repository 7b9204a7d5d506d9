/*
 * A failing case made small, and kept as a file that is replayed ever after.
 */
#ifndef ORACLE_SHRINK_H
#define ORACLE_SHRINK_H

#include "case.h"

/* Make a failing case smaller while it fails: fewer words, simpler words,
 * registers and memory zero. Needs both sides running. */
void shrink(struct oracle_case *c);

/* Shrink a copy and write it to the folder ORACLE_KEEP. */
void shrink_and_keep(const struct oracle_case *failing);

#endif
