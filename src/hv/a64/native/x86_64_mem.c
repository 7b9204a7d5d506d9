/*
 * Loads and stores as x86-64 code: the soft TLB's fast path in line, and a stub
 * that calls tlb.c for the rest.
 */
#include "x86_64.h"

/* ---- memory ---- */

enum mode { MODE_I, MODE_R, MODE_RU, MODE_RS, MODE_PRE, MODE_POST };

/* RAX = the address. */
static void address(struct region *r, enum mode mode, const struct a64_op *op)
{
    struct emit *e = &r->e;

    switch (mode) {
    case MODE_R:
        load_to(r, true, op->rm, RAX);
        break;
    case MODE_RU:
        load_to(r, false, op->rm, RAX);
        break;
    case MODE_RS:
        op_rr(e, true, 0x63, RAX, use(r, op->rm, RAX));
        break;
    default:
        load_to(r, true, op->rn, RAX);
        if (mode != MODE_POST && op->imm != 0)
            alu_ri(e, true, ALU_ADD, RAX, op->imm);
        return;
    }
    if (op->ra != 0)
        shift_ri(e, true, SH_SHL, RAX, op->ra);
    alu_rr(e, true, ALU_ADD, RAX, use(r, op->rn, RCX));
}

/* RAX: address in, host address out; or off to the stub. */
static struct slow *probe(struct region *r, unsigned bytes, bool store,
                          const struct a64_op *op)
{
    struct emit *e = &r->e;
    struct slow *slow = &r->slow[r->slows++];
    int32_t tag = (int32_t)(store ? offsetof(struct a64_tlb_entry, wtag)
                                  : offsetof(struct a64_tlb_entry, rtag));

    mov_rr(e, true, RCX, RAX);
    shift_ri(e, true, SH_SHR, RCX, 63);
    op_rm(e, true, 0x8d, RDX, RAX, (int32_t)bytes - 1);
    alu_ri(e, true, ALU_AND, RDX, -4096);
    op_rx(e, true, 0x0b, RDX, RBX, RCX, 3, AT(ctx));
    mov_rr(e, false, RCX, RAX);
    shift_ri(e, false, SH_SHR, RCX, 7);
    alu_ri(e, false, ALU_AND, RCX, (A64_TLB_SIZE - 1) << 5);
    op_rx(e, true, 0x3b, RDX, RBX, RCX, 0, AT(tlb) + tag);
    *slow = (struct slow){
        .index = r->index,
        .bytes = bytes,
        .flags = op->rn == A64_SP ? A64_MEM_SP : 0,
        .store = store,
    };
    x86_jump_from(r, TO_SLOW, jcc(e, CC_NE), (int32_t)(r->slows - 1));
    op_rx(e, true, 0x03, RAX, RBX, RCX, 0,
          AT(tlb) + (int32_t)offsetof(struct a64_tlb_entry, addend));
    return slow;
}

static void write_base(struct region *r, enum mode mode,
                       const struct a64_op *op)
{
    if (mode != MODE_PRE && mode != MODE_POST)
        return;
    if (r->host[op->rn] >= 0) {
        alu_ri(&r->e, true, ALU_ADD, (unsigned)r->host[op->rn], op->imm);
    } else {
        op_rm(&r->e, true, 0x81, 0, RBX, AT_X(op->rn));
        emit32(&r->e, op->uimm);
    }
}

/* One load instruction of the family that starts at `family`. */
static void load_form(struct region *r, enum a64_opcode family, unsigned to,
                      unsigned base, int32_t disp)
{
    struct emit *e = &r->e;

    switch (family) {
    case A64_OP_LDRB_I:
        op_rm(e, false, 0x0fb6, to, base, disp);
        break;
    case A64_OP_LDRH_I:
        op_rm(e, false, 0x0fb7, to, base, disp);
        break;
    case A64_OP_LDR_W_I:
        op_rm(e, false, 0x8b, to, base, disp);
        break;
    case A64_OP_LDRSB_W_I:
        op_rm(e, false, 0x0fbe, to, base, disp);
        break;
    case A64_OP_LDRSB_X_I:
        op_rm(e, true, 0x0fbe, to, base, disp);
        break;
    case A64_OP_LDRSH_W_I:
        op_rm(e, false, 0x0fbf, to, base, disp);
        break;
    case A64_OP_LDRSH_X_I:
        op_rm(e, true, 0x0fbf, to, base, disp);
        break;
    case A64_OP_LDRSW_I:
        op_rm(e, true, 0x63, to, base, disp);
        break;
    default:
        op_rm(e, true, 0x8b, to, base, disp);
        break;
    }
}

/* Vector registers stay in the vCPU. A whole one goes through XMM0. */
static void vector_load(struct region *r, unsigned n, unsigned bytes,
                        unsigned base, int32_t disp)
{
    struct emit *e = &r->e;

    if (bytes == 16) {
        op_rm(e, false, 0x0f10, 0, base, disp); /* movups */
        op_rm(e, false, 0x0f11, 0, RBX, AT_V(n));
        return;
    }
    if (bytes <= 2)
        op_rm(e, false, bytes == 1 ? 0x0fb6 : 0x0fb7, RCX, base, disp);
    else
        op_rm(e, bytes == 8, 0x8b, RCX, base, disp);
    op_rm(e, true, 0x89, RCX, RBX, AT_V(n));
    mov_mi(e, true, RBX, AT_V(n) + 8, 0);
}

static void vector_store(struct region *r, unsigned n, unsigned bytes,
                         unsigned base, int32_t disp)
{
    struct emit *e = &r->e;

    if (bytes == 16) {
        op_rm(e, false, 0x0f10, 0, RBX, AT_V(n));
        op_rm(e, false, 0x0f11, 0, base, disp);
        return;
    }
    op_rm(e, true, 0x8b, RCX, RBX, AT_V(n));
    if (bytes == 2)
        emit8(e, 0x66);
    op_rm(e, bytes == 8, bytes == 1 ? 0x88 : 0x89, RCX, base, disp);
}

static void finish_load(struct region *r, const struct slow *slow,
                        const struct a64_op *op, unsigned base, int32_t disp)
{
    unsigned bytes = slow->pair ? slow->bytes / 2 : slow->bytes, to;

    if (slow->vector) {
        vector_load(r, op->rd, bytes, base, disp);
        if (slow->pair)
            vector_load(r, op->ra, bytes, base, disp + (int32_t)bytes);
        return;
    }
    to = def(r, op->rd, RCX);
    load_form(r, slow->load, to, base, disp);
    keep(r, op->rd, to);
    if (slow->pair) {
        to = def(r, op->ra, RCX);
        load_form(r, slow->load, to, base, disp + (int32_t)bytes);
        keep(r, op->ra, to);
    }
}

static void load(struct region *r, const struct a64_op *op,
                 enum a64_opcode family, enum mode mode, unsigned bytes,
                 bool pair)
{
    struct slow *slow;

    r->flags = IN_MEMORY;
    address(r, mode, op);
    slow = probe(r, pair ? 2 * bytes : bytes, false, op);
    slow->load = family;
    slow->pair = pair;
    finish_load(r, slow, op, RAX, 0);
    slow->join = r->e.at;
    write_base(r, mode, op);
}

static void store_form(struct region *r, unsigned guest, unsigned bytes,
                       unsigned base, int32_t disp)
{
    struct emit *e = &r->e;
    unsigned from = use(r, guest, RCX);

    switch (bytes) {
    case 1:
        mov_rr(e, false, RCX, from); /* CL has no twin without a prefix */
        op_rm(e, false, 0x88, RCX, base, disp);
        break;
    case 2:
        emit8(e, 0x66);
        op_rm(e, false, 0x89, from, base, disp);
        break;
    default:
        op_rm(e, bytes == 8, 0x89, from, base, disp);
        break;
    }
}

static void finish_store(struct region *r, const struct slow *slow,
                         const struct a64_op *op, unsigned base, int32_t disp)
{
    unsigned bytes = slow->pair ? slow->bytes / 2 : slow->bytes;

    if (slow->vector) {
        vector_store(r, op->rd, bytes, base, disp);
        if (slow->pair)
            vector_store(r, op->ra, bytes, base, disp + (int32_t)bytes);
        return;
    }
    store_form(r, op->rd, bytes, base, disp);
    if (slow->pair)
        store_form(r, op->ra, bytes, base, disp + (int32_t)bytes);
}

static void store(struct region *r, const struct a64_op *op, enum mode mode,
                  unsigned bytes, bool pair)
{
    struct slow *slow;

    r->flags = IN_MEMORY;
    address(r, mode, op);
    slow = probe(r, pair ? 2 * bytes : bytes, true, op);
    slow->pair = pair;
    finish_store(r, slow, op, RAX, 0);
    slow->join = r->e.at;
    write_base(r, mode, op);
}

/* The stub: RAX is the address. */
void x86_slow_path(struct region *r, struct slow *slow)
{
    const struct a64_op *op = r->item[slow->index].op;
    struct emit *e = &r->e;
    uintptr_t fn = slow->store ? (uintptr_t)a64_store : (uintptr_t)a64_load;

    x86_write_back(r, true);
    if (slow->store)
        finish_store(r, slow, op, RBX, AT(native_buf));
    op_rm(e, true, 0x8b, RDX, RBX, AT(page_va));
    alu_ri(e, true, ALU_ADD, RDX, (int32_t)(r->first + slow->index) * 4);
    op_rm(e, true, 0x89, RDX, RBX, AT(pc));
    mov_rr(e, true, RSI, RAX);
    mov_rr(e, true, RDI, RBX);
    mov_ri(e, RDX, slow->bytes);
    op_rm(e, true, 0x8d, RCX, RBX, AT(native_buf));
    mov_ri(e, R8, slow->flags);
    mov_ri(e, RAX, fn);
    emit8(e, 0xff); /* call rax */
    emit8(e, 0xd0);
    mov_rr(e, false, RAX, RAX);
    op_rr(e, false, 0x85, RAX, RAX);
    /* A64_REDIRECT and A64_EXIT are A64_NATIVE_JUMP and _EXIT */
    x86_jump_from(r, TO_LEAVE, jcc(e, CC_NE), 0);
    x86_reload(r, false);
    if (!slow->store)
        finish_load(r, slow, op, RBX, AT(native_buf));
    patch(e, jmp(e), slow->join);
}

_Static_assert((int)A64_REDIRECT == 1 && (int)A64_EXIT == 2,
               "the slow path passes them on");

static void vector_access(struct region *r, const struct a64_op *op,
                          enum mode mode, unsigned bytes, bool is_store,
                          bool pair)
{
    struct slow *slow;

    x86_need_fp(r);
    address(r, mode, op);
    slow = probe(r, pair ? 2 * bytes : bytes, is_store, op);
    slow->pair = pair;
    slow->vector = true;
    if (is_store)
        finish_store(r, slow, op, RAX, 0);
    else
        finish_load(r, slow, op, RAX, 0);
    slow->join = r->e.at;
    write_base(r, mode, op);
}

static bool emit_vector(struct region *r, const struct a64_op *op,
                        enum a64_opcode opcode)
{
    static const enum mode pair_mode[3] = {MODE_I, MODE_PRE, MODE_POST};
    unsigned which;

    /* five sizes of six modes, loads then stores */
    if (x86_within(opcode, A64_OP_LDR_VB_I, 60)) {
        which = (unsigned)(opcode - A64_OP_LDR_VB_I);
        vector_access(r, op, (enum mode)(which % 6), 1u << which / 6 % 5,
                      which >= 30, false);
        return true;
    }
    /* three sizes of three modes */
    if (x86_within(opcode, A64_OP_LDP_VS_I, 18)) {
        which = (unsigned)(opcode - A64_OP_LDP_VS_I);
        vector_access(r, op, pair_mode[which % 3], 4u << which / 3 % 3,
                      which >= 9, true);
        return true;
    }
    return false;
}

void x86_barrier(struct region *r)
{
    static const uint8_t lock_or_rsp[] = {0xf0, 0x83, 0x0c, 0x24, 0};

    for (unsigned i = 0; i < sizeof(lock_or_rsp); i++)
        emit8(&r->e, lock_or_rsp[i]);
    r->flags = IN_MEMORY;
}

/* LDAR and STLR. The host's loads acquire and its stores release; a barrier
 * behind the store keeps a later LDAR from passing it. What is not aligned is
 * the interpreter's. */
static bool emit_ordered(struct region *r, const struct a64_op *op,
                         enum a64_opcode opcode)
{
    static const enum a64_opcode form[4] = {A64_OP_LDRB_I, A64_OP_LDRH_I,
                                            A64_OP_LDR_W_I, A64_OP_LDR_X_I};
    bool is_store = x86_within(opcode, A64_OP_STLRB, 4);
    struct slow *slow;
    unsigned log;

    if (!is_store && !x86_within(opcode, A64_OP_LDARB, 4))
        return false;
    log = (unsigned)(opcode - (is_store ? A64_OP_STLRB : A64_OP_LDARB));
    r->flags = IN_MEMORY;
    load_to(r, true, op->rn, RAX);
    if (log != 0) {
        emit8(&r->e, 0xa8); /* test al, imm */
        emit8(&r->e, (1u << log) - 1);
        x86_jump_from(r, TO_ITSELF, jcc(&r->e, CC_NE), x86_slot(r));
    }
    slow = probe(r, 1u << log, is_store, op);
    slow->flags |= A64_MEM_ALIGNED;
    slow->load = form[log];
    if (is_store)
        finish_store(r, slow, op, RAX, 0);
    else
        finish_load(r, slow, op, RAX, 0);
    slow->join = r->e.at;
    if (is_store)
        x86_barrier(r);
    return true;
}

bool x86_emit_memory(struct region *r, const struct a64_op *op,
                     enum a64_opcode opcode)
{
    static const struct {
        enum a64_opcode first;
        uint8_t bytes;
        bool store;
    } singles[] = {{A64_OP_LDRB_I, 1, false},    {A64_OP_LDRH_I, 2, false},
                   {A64_OP_LDR_W_I, 4, false},   {A64_OP_LDR_X_I, 8, false},
                   {A64_OP_LDRSB_W_I, 1, false}, {A64_OP_LDRSB_X_I, 1, false},
                   {A64_OP_LDRSH_W_I, 2, false}, {A64_OP_LDRSH_X_I, 2, false},
                   {A64_OP_LDRSW_I, 4, false},   {A64_OP_STRB_I, 1, true},
                   {A64_OP_STRH_I, 2, true},     {A64_OP_STR_W_I, 4, true},
                   {A64_OP_STR_X_I, 8, true}};
    static const struct {
        enum a64_opcode first, form;
        uint8_t bytes;
        bool store;
    } pairs[] = {{A64_OP_LDP_W_I, A64_OP_LDR_W_I, 4, false},
                 {A64_OP_LDP_X_I, A64_OP_LDR_X_I, 8, false},
                 {A64_OP_LDPSW_I, A64_OP_LDRSW_I, 4, false},
                 {A64_OP_STP_W_I, A64_OP_STR_W_I, 4, true},
                 {A64_OP_STP_X_I, A64_OP_STR_X_I, 8, true}};
    static const enum mode pair_mode[3] = {MODE_I, MODE_PRE, MODE_POST};

    for (unsigned i = 0; i < sizeof(singles) / sizeof(singles[0]); i++)
        if (x86_within(opcode, singles[i].first, 6)) {
            enum mode mode = (enum mode)(opcode - singles[i].first);

            if (singles[i].store)
                store(r, op, mode, singles[i].bytes, false);
            else
                load(r, op, singles[i].first, mode, singles[i].bytes, false);
            return true;
        }
    for (unsigned i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
        if (x86_within(opcode, pairs[i].first, 3)) {
            enum mode mode = pair_mode[opcode - pairs[i].first];

            if (pairs[i].store)
                store(r, op, mode, pairs[i].bytes, true);
            else
                load(r, op, pairs[i].form, mode, pairs[i].bytes, true);
            return true;
        }
    return emit_vector(r, op, opcode) || emit_ordered(r, op, opcode);
}
