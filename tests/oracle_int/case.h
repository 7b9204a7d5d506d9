/*
 * A program of a few instructions to try: what both sides start from, and what
 * they end with. The host test and the runner (an arm64 program under
 * qemu-aarch64) share an array of these; the runner replaces each by its
 * outcome.
 *
 * The program begins at ORACLE_SLOT, behind a CLREX. It ends at one of the
 * exits: the word behind its last, the one after that (where a branch goes
 * that must be told from no branch), a place before it, and one on another
 * page.
 */
#ifndef ORACLE_CASE_H
#define ORACLE_CASE_H

#include <stdint.h>

enum {
    ORACLE_WORDS = 16, /* the longest program */

    ORACLE_CODE = 0x20000000, /* two pages of code */
    ORACLE_CODE_BYTES = 8192,
    ORACLE_SLOT = 0x20000800,     /* the program under test */
    ORACLE_BACK = 0x200007e0,     /* the exit before it */
    ORACLE_FAR = 0x20001040,      /* the exit on the other page */
    ORACLE_LITERALS = 0x20000c00, /* 256 bytes that LDR (literal) reads */

    ORACLE_STUB = 0x20010000, /* the reference's, around the program */

    ORACLE_STATE = 0x30000000, /* struct oracle_case while it runs */
    ORACLE_DATA = 0x10000000,  /* three pages, and nothing behind them */
    ORACLE_DATA_BYTES = 12288,
    ORACLE_WINDOW = 0x10000800, /* what a program may touch: the middle of */
    ORACLE_WINDOW_BYTES = 4096, /* the first two, with their border */
    ORACLE_BORDER = 0x10001000,
    ORACLE_TAIL_BYTES = 64, /* of the third page, at its end: ones before */

    ORACLE_TPIDR = 0x1234567, /* TPIDR_EL0 at the start */
};

/* How a program stopped. */
enum oracle_fault {
    ORACLE_ENDED,
    ORACLE_ABORT,     /* SIGSEGV, SIGBUS; data and instruction aborts */
    ORACLE_UNDEFINED, /* SIGILL; UNDEF, or an access to a register it may not */
    ORACLE_BREAK,     /* SIGTRAP; BRK */
    ORACLE_LOST,      /* left the guest: never right */
};

/* stub.S knows the offsets. */
struct oracle_case {
    uint64_t x[31];                    /* 0 */
    uint64_t sp;                       /* 248 */
    uint64_t nzcv;                     /* 256 */
    uint64_t fpcr;                     /* 264 */
    uint64_t fpsr;                     /* 272 */
    uint64_t pc;                       /* 280: the exit, or what faulted; out */
    uint64_t fault;                    /* 288: enum oracle_fault; out */
    uint32_t word[ORACLE_WORDS];       /* 296 */
    uint32_t words;                    /* 360 */
    uint32_t pad;                      /* 364 */
    uint8_t v[32][16];                 /* 368 */
    uint8_t data[ORACLE_WINDOW_BYTES]; /* from ORACLE_WINDOW on */
};

static inline uint8_t oracle_literal(unsigned i)
{
    return (uint8_t)(i * 37 ^ i >> 3);
}

#endif
