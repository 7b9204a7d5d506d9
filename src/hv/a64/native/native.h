/*
 * The second tier: hot regions of decoded operations as host code.
 *
 * A region is a run of operations in one code page, entered at its first. The
 * interpreter enters it through A64_OP_NATIVE, whose handler replaces the
 * first operation's; the operations themselves stay as they are, for the
 * interpreter to go on from wherever the region is left.
 *
 * What is hot is found by sampling: when the interpreter's budget of taken
 * branches runs out, the target it has reached is a fair draw, and costs the
 * loop nothing.
 *
 * One file per host architecture implements this; native_none.c is for hosts
 * that have no compiler and makes every call do nothing.
 */
#ifndef LULL_A64_NATIVE_H
#define LULL_A64_NATIVE_H

#include "../code.h"

/* What a region returns when it is not the next operation to interpret. */
#define A64_NATIVE_JUMP ((struct a64_op *)1) /* go to cpu->pc */
#define A64_NATIVE_EXIT ((struct a64_op *)2) /* cpu->exit is filled in */
/* With this bit: the operation itself, even where a region begins there. */
#define A64_NATIVE_ITSELF 4

typedef struct a64_op *a64_native_fn(struct a64_cpu *cpu);

/* Of a code page: what was compiled, and how often each slot was drawn. */
struct a64_native {
    a64_native_fn *entry[A64_PAGE_OPS];
    uint16_t opcode[A64_PAGE_OPS]; /* what A64_OP_NATIVE stands in front of */
    _Atomic uint8_t heat[A64_PAGE_OPS];
    unsigned regions; /* compiled; under the lock of the host's memory */
};

/* Host memory for code; false: there is none, run without. */
bool a64_native_init(struct a64_vm *vm);
void a64_native_free(struct a64_vm *vm);
/* A page that no vCPU is in, nor will be, goes: with it its `native`. */
void a64_native_drop(struct a64_code_page *page);
/* Host memory that regions take now. */
size_t a64_native_bytes(void);

/* The interpreter drew `op` of the page it is in. */
void a64_native_sample(struct a64_cpu *cpu, struct a64_op *op);

#endif
