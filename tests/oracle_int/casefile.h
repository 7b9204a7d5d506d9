/*
 * A case and its outcome as a text file: lines of NAME VALUE in hexadecimal,
 * "#" begins a comment. What is not named is zero (sp: ORACLE_BORDER), and
 * after "then", unchanged. Names: word (one a line, in order), x0 to x30, sp,
 * nzcv, fpcr, fpsr, v0 to v31 (32 digits, the high end first), mem ADDRESS
 * BYTE...; after "then" also pc and fault.
 */
#ifndef ORACLE_CASEFILE_H
#define ORACLE_CASEFILE_H

#include "case.h"

/* 0, or -1 with errno. */
int casefile_write(const char *path, const struct oracle_case *in,
                   const struct oracle_case *out);
/* 0, or -1 with a message on standard error. */
int casefile_read(const char *path, struct oracle_case *in,
                  struct oracle_case *out);

#endif
