/*
 * One instruction to try: what both sides start from, and what they end with.
 * The host test writes cases to a file, the runner (an arm64 program under
 * qemu-aarch64) replaces each by its outcome.
 */
#ifndef ORACLE_CASE_H
#define ORACLE_CASE_H

#include <stdint.h>

enum {
    ORACLE_CODE = 0x20000000,     /* page of code */
    ORACLE_SLOT = 0x20000800,     /* the instruction under test */
    ORACLE_LITERALS = 0x20000c00, /* 256 bytes that LDR (literal) reads */
    ORACLE_STATE = 0x30000000,    /* struct oracle_case while it runs */
    ORACLE_DATA = 0x10000000,     /* its memory: one page that it may touch */
    ORACLE_DATA_BYTES = 4096,
};

struct oracle_case {
    uint64_t x[31];    /* 0 */
    uint64_t sp;       /* 248 */
    uint64_t nzcv;     /* 256 */
    uint64_t pc;       /* 264: where it went on, out only */
    uint64_t fault;    /* 272: 0, or 1 for any fault, 2 for UNDEF */
    uint32_t insn;     /* 280 */
    uint32_t kind;     /* 284: the generator's class, for messages */
    uint8_t v[32][16]; /* 288 */
    uint8_t data[ORACLE_DATA_BYTES];
};

static inline uint8_t oracle_literal(unsigned i)
{
    return (uint8_t)(i * 37 ^ i >> 3);
}

#endif
