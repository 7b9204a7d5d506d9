/*
 * Decoded code: pages of operations, how they are made and found.
 *
 * A page is made when a vCPU first fetches from a guest physical page, and
 * filled as instructions are first reached: every slot starts as
 * A64_OP_DECODE, whose handler decodes from there to the next unconditional
 * branch. A slot is written once in a page's life, under the page's lock,
 * handler last with release; so a thread that sees the handler (acquire) sees
 * the operands, and no thread ever runs an operation half rewritten.
 *
 * Changed code therefore gets a new page: invalidation takes the old one out
 * of the table (code.c) and its memory is freed once no vCPU can be in it.
 */
#ifndef LULL_A64_CODE_H
#define LULL_A64_CODE_H

#include <pthread.h>

#include "cpu.h"
#include "ops.h"

struct a64_code_page {
    /* The last is A64_OP_PAGE_END. Four share a line of the host's cache. */
    _Alignas(64) struct a64_op op[A64_PAGE_OPS + 1];
    const uint32_t *source; /* the guest page on the host */
    uint64_t ipa;
    struct a64_code_page *next; /* in its bucket, or in the retired list */
    pthread_mutex_t lock;       /* held while slots are written */
    struct a64_native *native;  /* compiled regions, or NULL: native.h */
};

/* interp.c: the handler of each operation, indexed by enum a64_opcode. */
extern const void *const *a64_handlers;
/* Run from cpu->pc until the guest has to be left. */
void a64_interp(struct a64_cpu *cpu);
/* Fill a64_handlers; once, before the first page is made. */
void a64_interp_init(void);

/* decode.c: write the operands of `insn` at slot `index`; the result is the
 * operation's name. */
enum a64_opcode a64_decode(uint32_t insn, unsigned index, struct a64_op *op);
/* False behind B, RET and the like, where the next slot may not be code. */
bool a64_falls_through(enum a64_opcode opcode);
/* The masks that logical immediates name, indexed by N:immr:imms; 0 where the
 * encoding is reserved. */
extern uint64_t a64_bitmask[1 << 13];
void a64_decode_init(void);

/* Functions are named in 32 bits, by their distance from this one. */
void a64_fn_anchor(void);

static inline int32_t a64_fn_offset(const void *fn)
{
    return (int32_t)((intptr_t)fn - (intptr_t)a64_fn_anchor);
}

static inline void *a64_fn_at(int32_t offset)
{
    return (void *)((intptr_t)a64_fn_anchor + offset);
}

/* code.c: decode from slot `index` on. */
void a64_code_fill(struct a64_cpu *cpu, struct a64_code_page *page,
                   unsigned index);
/* What decoded and compiled code takes now, for tests: pages, the chunks of
 * 2 MiB that they are in, and bytes of host code. */
struct a64_code_usage {
    size_t pages, chunks, native_bytes;
};

struct a64_code_usage a64_code_usage(struct a64_vm *vm);
/* A page of the vCPU's own in which only slot `index` is real: what single
 * stepping runs. NULL: no memory. */
struct a64_code_page *a64_code_step(struct a64_cpu *cpu,
                                    const struct a64_code_page *page,
                                    unsigned index);

/* ldst.c: loads and stores that are functions; NULL when unallocated. */
a64_trap_fn *a64_ldst_decode(uint32_t insn);
/* stack.c: what can leave SP misaligned. */
void a64_sp_write(struct a64_cpu *cpu, uint32_t insn);
enum a64_next a64_sp_writeback(struct a64_cpu *cpu, uint32_t insn);
/* integer.c: CRC32 and friends; NULL when unallocated. */
a64_fn *a64_integer_decode(uint32_t insn);

#endif
