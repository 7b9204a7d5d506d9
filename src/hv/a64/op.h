/*
 * The decoded operation: what the decoder writes, the interpreter runs, and a
 * later compiler will read.
 *
 * A guest code page is an array of 1024 of these, one per instruction, plus
 * one sentinel. Register operands are indices into a64_cpu.x, where register
 * 31 has been resolved: A64_ZR reads as zero, A64_SP is the stack pointer,
 * A64_TRASH takes the result nobody wants.
 */
#ifndef LULL_A64_OP_H
#define LULL_A64_OP_H

#include <stdint.h>

struct a64_cpu;

/* Where to go on after something that the fast path does not do itself. */
enum a64_next {
    A64_NEXT = 0, /* the instruction is complete: go on behind it */
    A64_REDIRECT, /* cpu->pc says where: a branch, an exception, a retry */
    A64_EXIT,     /* cpu->exit is filled in: leave the guest */
};

/*
 * An instruction as a C function, for everything that has no handler in the
 * interpreter's loop. `insn` is the instruction word. A plain function cannot
 * fault and does not look at cpu->pc.
 */
typedef void a64_fn(struct a64_cpu *cpu, uint32_t insn);
/* The same where it can fault or branch; cpu->pc is the instruction's own
 * address at entry, and must be set when the result is not A64_NEXT. */
typedef enum a64_next a64_trap_fn(struct a64_cpu *cpu, uint32_t insn);

struct a64_op {
    const void *handler; /* label in interp.c; stored last, with release */
    union {
        struct {
            uint8_t rd, rn, rm, ra;
        };
        uint32_t insn;
    };
    union {
        int32_t imm;
        uint32_t uimm;
    };
};

_Static_assert(sizeof(struct a64_op) == 16, "four operations a cache line");

enum { A64_PAGE_OPS = 1024 };

#endif
