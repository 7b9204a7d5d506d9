/*
 * What the files of the x86-64 compiler share: the region being compiled, and
 * where its guest registers are.
 */
#ifndef LULL_A64_X86_64_H
#define LULL_A64_X86_64_H

#include "emit.h"
#include "native.h"

enum { MAX_OPS = 128, MAX_JUMPS = 4 * MAX_OPS };

#define AT(field) ((int32_t)offsetof(struct a64_cpu, field))
#define AT_X(r) (AT(x) + 8 * (int32_t)(r))
#define AT_V(n) (AT(v) + 16 * (int32_t)(n))

/* Which operation set the host's flags, and so what they mean. */
enum flags { IN_MEMORY, OF_SUB, OF_ADD };

enum jump_kind {
    TO_ITEM,   /* within the region */
    TO_OP,     /* leave, to an operation of the page */
    TO_ITSELF, /* leave, the interpreter has to do this one */
    TO_PC,     /* leave, to a byte offset from the page's address */
    TO_SLOW,   /* the stub of a memory access */
    TO_LEAVE,  /* the epilogue; RAX is set */
    TO_CHAIN,  /* another region, for the address in RAX */
};

struct jump {
    enum jump_kind kind;
    uint8_t *from;
    int32_t where;
};

struct item {
    const struct a64_op *op;
    enum a64_opcode opcode;
    uint8_t *at; /* its code, once emitted */
    bool target;
};

/* A memory access that has a stub. */
struct slow {
    uint8_t *join;
    unsigned index, bytes, flags;
    enum a64_opcode load; /* how to finish, for loads */
    bool store, pair, vector;
};

struct region {
    struct emit e;
    struct a64_code_page *page;
    unsigned first, count;
    struct item item[MAX_OPS];
    int8_t host[A64_NR_X]; /* host register of a guest register, or -1 */
    bool dirty[A64_NR_X];
    enum flags flags;
    unsigned index; /* the item being emitted */
    struct jump jump[MAX_JUMPS];
    unsigned jumps;
    struct slow slow[MAX_OPS];
    unsigned slows;
    bool loops;
};

/* Host registers for guest ones; the first five survive a call. RAX, RCX and
 * RDX are for the operation at hand, RBX is the vCPU. */
static const uint8_t x86_pool[] = {R12, R13, R14, R15, RBP, RSI,
                                   RDI, R8,  R9,  R10, R11};
enum { POOL = sizeof(x86_pool), POOL_SAVED = 5 };

/* ---- guest registers: moves only, the host's flags stay ---- */

/* A host register that holds the guest's: its own, or `scratch`, loaded. */
static inline unsigned use(struct region *r, unsigned guest, unsigned scratch)
{
    if (r->host[guest] >= 0)
        return (unsigned)r->host[guest];
    if (guest == A64_ZR)
        mov_ri(&r->e, scratch, 0);
    else
        op_rm(&r->e, true, 0x8b, scratch, RBX, AT_X(guest));
    return scratch;
}

/* The value in `reg`, exactly there. */
static inline void load_to(struct region *r, bool w, unsigned guest,
                           unsigned reg)
{
    if (r->host[guest] >= 0)
        mov_rr(&r->e, w, reg, (unsigned)r->host[guest]);
    else if (guest == A64_ZR)
        mov_ri(&r->e, reg, 0);
    else
        op_rm(&r->e, w, 0x8b, reg, RBX, AT_X(guest));
}

/* Where to compute a guest register's new value. */
static inline unsigned def(struct region *r, unsigned guest, unsigned scratch)
{
    return r->host[guest] >= 0 ? (unsigned)r->host[guest] : scratch;
}

/* The value is in `reg`: it becomes the guest register's. */
static inline void set(struct region *r, unsigned guest, unsigned reg)
{
    if (r->host[guest] >= 0)
        mov_rr(&r->e, true, (unsigned)r->host[guest], reg);
    else if (guest != A64_TRASH)
        op_rm(&r->e, true, 0x89, reg, RBX, AT_X(guest));
}

/* The same where it may be there already. */
static inline void keep(struct region *r, unsigned d, unsigned reg)
{
    if (d != A64_TRASH && !(r->host[d] == (int)reg))
        set(r, d, reg);
}

static inline bool x86_within(enum a64_opcode opcode, enum a64_opcode first,
                              unsigned n)
{
    return opcode >= first && opcode < first + n;
}

/* The region's item for a slot of the page, or -1. */
static inline int x86_item_of(const struct region *r, int32_t slot)
{
    int32_t i = slot - (int32_t)r->first;

    return i >= 0 && i < (int32_t)r->count ? i : -1;
}

/* ---- native_x86_64.c ---- */

/* A jump to be resolved when the region is complete. */
void x86_jump_from(struct region *r, enum jump_kind kind, uint8_t *from,
                   int32_t where);
/* Written registers to the vCPU, and the vCPU's to registers: all, or those
 * that a call destroys. */
void x86_write_back(struct region *r, bool all);
void x86_reload(struct region *r, bool all);

/* ---- x86_64_ops.c ---- */

/* The slot of the operation being emitted. */
static inline int32_t x86_slot(const struct region *r)
{
    return (int32_t)(r->first + r->index);
}

/* Leave to the interpreter, which traps, unless FP is enabled. */
void x86_need_fp(struct region *r);

/* The item at r->index. False: the interpreter has to do this one. */
bool x86_emit_op(struct region *r, const struct a64_op *op,
                 enum a64_opcode opcode);
/* reg = the page's virtual address plus offset; RDX is used. */
void x86_page_plus(struct region *r, unsigned reg, int64_t offset);
/* Leave; RAX holds the address of the next instruction. */
void x86_leave_to_rax(struct region *r);

/* ---- x86_64_mem.c ---- */

/* False: not a load or store that is compiled. */
bool x86_emit_memory(struct region *r, const struct a64_op *op,
                     enum a64_opcode opcode);
/* A full barrier: a locked operation on the stack. */
void x86_barrier(struct region *r);
/* The stub for what misses the TLB; RAX is the address. */
void x86_slow_path(struct region *r, struct slow *slow);

#endif
