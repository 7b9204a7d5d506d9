/*
 * One operation as x86-64 code: flags, arithmetic, branches, and the few
 * system ones that are plain loads. Memory is in x86_64_mem.c.
 */
#include "x86_64.h"

/* ---- jumps ---- */

static int32_t byte_offset(const struct region *r)
{
    return (int32_t)(r->first + r->index) * 4;
}

/* Go to a slot of the page when cc holds (always: cc < 0). */
static void go(struct region *r, int cc, int32_t slot)
{
    struct emit *e = &r->e;
    int item = x86_item_of(r, slot);
    uint8_t *skip;

    if (item < 0 || item > (int)r->index) {
        uint8_t *from = cc < 0 ? jmp(e) : jcc(e, (enum cc)cc);

        x86_jump_from(r, item < 0 ? TO_OP : TO_ITEM, from,
                      item < 0 ? slot : item);
        return;
    }
    /* backward: the budget */
    skip = cc < 0 ? NULL : jcc(e, (enum cc)(cc ^ 1));
    op_rm(e, false, 0x83, 5, RBX, AT(poll_left));
    emit8(e, 1);
    patch(e, jcc(e, CC_G), r->item[item].at);
    x86_jump_from(r, TO_OP, jmp(e), slot | 1 << 16);
    if (skip != NULL)
        patch(e, skip, e->at);
}

static void go_pc(struct region *r, int cc, int32_t offset)
{
    x86_jump_from(r, TO_PC, cc < 0 ? jmp(&r->e) : jcc(&r->e, (enum cc)cc),
                  offset);
}

/* RAX holds the address of the next instruction. */
void x86_leave_to_rax(struct region *r)
{
    op_rm(&r->e, true, 0x89, RAX, RBX, AT(pc));
    x86_write_back(r, true);
    x86_jump_from(r, TO_CHAIN, jmp(&r->e), 0);
}

/* ---- flags ---- */

/* Store what the host's flags and the result in `reg` say. */
static void store_flags(struct region *r, bool w, unsigned reg, enum flags kind,
                        bool logic)
{
    struct emit *e = &r->e;

    if (w)
        op_rm(e, true, 0x89, reg, RBX, AT(fn));
    else
        op_rm(e, false, 0x89, reg, RBX, AT(fn) + 4);
    op_rm(e, true, 0x89, reg, RBX, AT(fz));
    if (logic) {
        mov_m8i(e, RBX, AT(fc), 0);
        mov_m8i(e, RBX, AT(fv), 0);
    } else {
        setcc_m(e, kind == OF_SUB ? CC_AE : CC_B, RBX, AT(fc));
        setcc_m(e, CC_O, RBX, AT(fv));
    }
    r->flags = kind;
}

/* The host condition for a guest one: from the host's flags when they still
 * hold it, else computed from memory (RAX is used). */
static enum cc condition(struct region *r, unsigned cond)
{
    static const int8_t after_sub[14] = {CC_E,  CC_NE, CC_AE, CC_B, CC_S,
                                         CC_NS, CC_O,  CC_NO, CC_A, CC_BE,
                                         CC_GE, CC_L,  CC_G,  CC_LE};
    static const int8_t after_add[14] = {CC_E,  CC_NE, CC_B,  CC_AE, CC_S,
                                         CC_NS, CC_O,  CC_NO, -1,    -1,
                                         CC_GE, CC_L,  CC_G,  CC_LE};
    struct emit *e = &r->e;
    bool invert = cond & 1;

    if (r->flags == OF_SUB)
        return (enum cc)after_sub[cond];
    if (r->flags == OF_ADD && after_add[cond] >= 0)
        return (enum cc)after_add[cond];
    r->flags = IN_MEMORY; /* the host's are overwritten here */
    switch (cond >> 1) {
    case 0: /* Z */
        cmp_m64i8(e, RBX, AT(fz), 0);
        return invert ? CC_NE : CC_E;
    case 1: /* C */
        cmp_m8i(e, RBX, AT(fc), 0);
        return invert ? CC_E : CC_NE;
    case 2: /* N */
        cmp_m8i(e, RBX, AT(fn) + 7, 0);
        return invert ? CC_NS : CC_S;
    case 3: /* V */
        cmp_m8i(e, RBX, AT(fv), 0);
        return invert ? CC_E : CC_NE;
    case 4:                           /* C and not Z */
        cmp_m64i8(e, RBX, AT(fz), 1); /* borrows when Z */
        alu_rr(e, false, ALU_SBB, RAX, RAX);
        unary(e, false, UN_NOT, RAX);
        op_rm(e, false, 0x22, RAX, RBX, AT(fc)); /* and al, fc */
        return invert ? CC_E : CC_NE;
    case 5: /* N is V */
        op_rm(e, true, 0x8b, RAX, RBX, AT(fn));
        shift_ri(e, true, SH_SHR, RAX, 63);
        op_rm(e, false, 0x3a, RAX, RBX, AT(fv)); /* cmp al, fv */
        return invert ? CC_NE : CC_E;
    default: /* not Z and N is V */
        op_rm(e, true, 0x8b, RAX, RBX, AT(fn));
        shift_ri(e, true, SH_SHR, RAX, 63);
        op_rm(e, false, 0x32, RAX, RBX, AT(fv)); /* xor al, fv */
        cmp_m64i8(e, RBX, AT(fz), 1);
        emit8(e, 0x14); /* adc al, 0: one more when Z */
        emit8(e, 0);
        return invert ? CC_NE : CC_E;
    }
}

/* ---- arithmetic ---- */

/* rd = rn alu M, where M is a host register other than RAX that is not rn's
 * unless it may be. Returns the register that holds the result. */
static unsigned alu3(struct region *r, bool w, enum alu alu, unsigned d,
                     unsigned n, unsigned m)
{
    unsigned to = def(r, d, RAX);

    if (to == m)
        to = RAX;
    load_to(r, w, n, to);
    alu_rr(&r->e, w, alu, to, m);
    return to;
}

/* The second operand of the shifted forms, in a register that is not RAX. */
static unsigned shifted_operand(struct region *r, bool w, unsigned form,
                                const struct a64_op *op)
{
    static const enum shift kind[5] = {0, SH_SHL, SH_SHR, SH_SAR, SH_ROR};

    if (form == 0)
        return use(r, op->rm, RCX);
    load_to(r, w, op->rm, RCX);
    if (op->ra != 0)
        shift_ri(&r->e, w, kind[form], RCX, op->ra);
    return RCX;
}

/* The same for extended registers. */
static unsigned extended_operand(struct region *r, bool w,
                                 const struct a64_op *op)
{
    struct emit *e = &r->e;
    unsigned m = use(r, op->rm, RCX);

    switch (op->uimm) {
    case 0:
        op_rr8(e, false, 0x0fb6, RCX, m);
        break;
    case 1:
        op_rr(e, false, 0x0fb7, RCX, m);
        break;
    case 2:
        mov_rr(e, false, RCX, m);
        break;
    case 4:
        op_rr8(e, true, 0x0fbe, RCX, m);
        break;
    case 5:
        op_rr(e, true, 0x0fbf, RCX, m);
        break;
    case 6:
        op_rr(e, true, 0x63, RCX, m);
        break;
    default:
        mov_rr(e, true, RCX, m);
        break;
    }
    if (op->ra != 0)
        shift_ri(e, w, SH_SHL, RCX, op->ra);
    return RCX;
}

enum { FORM_EXTENDED = 4 };

static bool arith(struct region *r, const struct a64_op *op,
                  enum a64_opcode opcode, enum a64_opcode base, enum alu alu,
                  bool sets)
{
    unsigned which = (unsigned)(opcode - base);
    bool w = !(which & 1);
    unsigned m, to;

    m = which / 2 == FORM_EXTENDED ? extended_operand(r, w, op)
                                   : shifted_operand(r, w, which / 2, op);
    r->flags = IN_MEMORY;
    to = alu3(r, w, alu, op->rd, op->rn, m);
    keep(r, op->rd, to);
    if (sets)
        store_flags(r, w, to, alu == ALU_SUB ? OF_SUB : OF_ADD, false);
    return true;
}

static bool logic(struct region *r, const struct a64_op *op,
                  enum a64_opcode opcode, enum a64_opcode base, enum alu alu,
                  bool negate, bool sets)
{
    unsigned which = (unsigned)(opcode - base);
    bool w = !(which & 1);
    unsigned m = shifted_operand(r, w, which / 2, op), to;

    if (negate) {
        mov_rr(&r->e, w, RCX, m);
        unary(&r->e, w, UN_NOT, RCX);
        m = RCX;
    }
    r->flags = IN_MEMORY;
    to = alu3(r, w, alu, op->rd, op->rn, m);
    keep(r, op->rd, to);
    if (sets)
        store_flags(r, w, to, OF_ADD, true);
    return true;
}

static void immediate(struct region *r, bool w, enum alu alu,
                      const struct a64_op *op, int32_t imm, bool sets)
{
    unsigned to = def(r, op->rd, RAX);

    load_to(r, w, op->rn, to);
    r->flags = IN_MEMORY;
    alu_ri(&r->e, w, alu, to, imm);
    keep(r, op->rd, to);
    if (sets)
        store_flags(r, w, to, alu == ALU_SUB ? OF_SUB : OF_ADD, alu == ALU_AND);
}

static void mask_immediate(struct region *r, enum alu alu,
                           const struct a64_op *op, bool sets)
{
    unsigned to;

    mov_ri(&r->e, RCX, a64_bitmask[op->uimm]);
    r->flags = IN_MEMORY;
    to = alu3(r, true, alu, op->rd, op->rn, RCX);
    keep(r, op->rd, to);
    if (sets)
        store_flags(r, true, to, OF_ADD, true);
}

/* Carry in: after CMP fc, 1 the host's carry is the complement of the guest's,
 * which is what SBB wants. */
static void with_carry(struct region *r, bool w, bool sub,
                       const struct a64_op *op, bool sets)
{
    struct emit *e = &r->e;
    unsigned m = use(r, op->rm, RCX);

    load_to(r, w, op->rn, RAX);
    cmp_m8i(e, RBX, AT(fc), 1);
    r->flags = IN_MEMORY;
    if (!sub)
        emit8(e, 0xf5); /* cmc */
    alu_rr(e, w, sub ? ALU_SBB : ALU_ADC, RAX, m);
    set(r, op->rd, RAX);
    if (sets)
        store_flags(r, w, RAX, sub ? OF_SUB : OF_ADD, false);
}

/* Shift up, then down: all bit field moves. */
static void field(struct region *r, bool w, const struct a64_op *op,
                  unsigned up, enum shift down_kind, unsigned down)
{
    unsigned to = def(r, op->rd, RAX);

    load_to(r, w, op->rn, to);
    if (up != 0)
        shift_ri(&r->e, w, SH_SHL, to, up);
    if (down != 0)
        shift_ri(&r->e, w, down_kind, to, down);
    keep(r, op->rd, to);
}

static void insert(struct region *r, bool w, const struct a64_op *op, bool up)
{
    unsigned size = w ? 64 : 32, width = op->uimm, lsb = op->ra;
    uint64_t mask = up ? ones(width) << lsb : ones(width);
    unsigned left = up ? size - width : size - width - lsb;
    unsigned right = up ? size - width - lsb : size - width;
    struct emit *e = &r->e;

    load_to(r, w, op->rn, RAX);
    if (left != 0)
        shift_ri(e, w, SH_SHL, RAX, left);
    if (right != 0)
        shift_ri(e, w, SH_SHR, RAX, right);
    load_to(r, w, op->rd == A64_TRASH ? A64_ZR : op->rd, RCX);
    mov_ri(e, RDX, w ? ~mask : (uint32_t)~mask);
    alu_rr(e, w, ALU_AND, RCX, RDX);
    alu_rr(e, w, ALU_OR, RCX, RAX);
    set(r, op->rd, RCX);
}

static void move_keep(struct region *r, bool w, const struct a64_op *op)
{
    struct emit *e = &r->e;

    load_to(r, w, op->rd == A64_TRASH ? A64_ZR : op->rd, RCX);
    mov_ri(e, RDX, ~(0xffffULL << op->ra));
    alu_rr(e, w, ALU_AND, RCX, RDX);
    mov_ri(e, RDX, (uint64_t)op->uimm << op->ra);
    alu_rr(e, w, ALU_OR, RCX, RDX);
    set(r, op->rd, RCX);
}

static void variable_shift(struct region *r, bool w, enum shift kind,
                           const struct a64_op *op)
{
    load_to(r, true, op->rm, RCX);
    load_to(r, w, op->rn, RAX);
    shift_cl(&r->e, w, kind, RAX);
    if (!w)
        mov_rr(&r->e, false, RAX, RAX); /* a count of 0 writes nothing */
    set(r, op->rd, RAX);
}

/* rd = ra +- rn * rm */
static void multiply(struct region *r, bool w, const struct a64_op *op,
                     bool add, bool sub)
{
    struct emit *e = &r->e;

    load_to(r, w, op->rn, RAX);
    op_rr(e, w, 0x0faf, RAX, use(r, op->rm, RCX));
    if (add)
        alu_rr(e, w, ALU_ADD, RAX, use(r, op->ra, RCX));
    if (sub) {
        load_to(r, w, op->ra, RCX);
        alu_rr(e, w, ALU_SUB, RCX, RAX);
        set(r, op->rd, RCX);
    } else {
        set(r, op->rd, RAX);
    }
}

static void multiply_long(struct region *r, const struct a64_op *op, bool sign,
                          bool sub)
{
    struct emit *e = &r->e;

    if (sign) {
        op_rr(e, true, 0x63, RAX, use(r, op->rn, RAX));
        op_rr(e, true, 0x63, RCX, use(r, op->rm, RCX));
    } else {
        load_to(r, false, op->rn, RAX);
        load_to(r, false, op->rm, RCX);
    }
    op_rr(e, true, 0x0faf, RAX, RCX);
    load_to(r, true, op->ra, RCX);
    alu_rr(e, true, sub ? ALU_SUB : ALU_ADD, RCX, RAX);
    set(r, op->rd, RCX);
}

static void multiply_high(struct region *r, const struct a64_op *op, bool sign)
{
    load_to(r, true, op->rn, RAX);
    unary(&r->e, true, sign ? UN_IMUL : UN_MUL, use(r, op->rm, RCX));
    set(r, op->rd, RDX);
}

/* By zero is 0; the lowest number by -1 is itself, where the host traps. */
static void divide(struct region *r, bool w, const struct a64_op *op, bool sign)
{
    struct emit *e = &r->e;
    uint8_t *zero, *minus = NULL, *done = NULL;

    load_to(r, w, op->rm, RCX);
    mov_ri(e, RAX, 0);
    op_rr(e, w, 0x85, RCX, RCX);
    zero = jcc(e, CC_E);
    load_to(r, w, op->rn, RAX);
    if (sign) {
        alu_ri(e, w, ALU_CMP, RCX, -1);
        minus = jcc(e, CC_E);
        if (w)
            emit8(e, 0x48);
        emit8(e, 0x99); /* cdq, cqo */
        unary(e, w, UN_IDIV, RCX);
        done = jmp(e);
        patch(e, minus, e->at);
        unary(e, w, UN_NEG, RAX);
        patch(e, done, e->at);
    } else {
        mov_ri(e, RDX, 0);
        unary(e, w, UN_DIV, RCX);
    }
    patch(e, zero, e->at);
    set(r, op->rd, RAX);
}

static void count_zeros(struct region *r, bool w, const struct a64_op *op)
{
    struct emit *e = &r->e;

    mov_ri(e, RAX, w ? 127 : 63);
    op_rr(e, w, 0x0fbd, RDX, use(r, op->rn, RCX)); /* bsr */
    op_rr(e, w, 0x0f44, RDX, RAX);                 /* cmovz */
    alu_ri(e, w, ALU_XOR, RDX, w ? 63 : 31);
    set(r, op->rd, RDX);
}

static void reverse(struct region *r, bool w, const struct a64_op *op)
{
    load_to(r, w, op->rn, RAX);
    rex(&r->e, w, 0, 0, RAX, false);
    emit8(&r->e, 0x0f);
    emit8(&r->e, 0xc8 | RAX);
    set(r, op->rd, RAX);
}

static void extract(struct region *r, bool w, const struct a64_op *op)
{
    unsigned n = use(r, op->rn, RCX);

    load_to(r, w, op->rm, RAX);
    if (op->ra != 0) {
        op_rr(&r->e, w, 0x0fac, n, RAX); /* shrd */
        emit8(&r->e, op->ra);
    }
    set(r, op->rd, RAX);
}

/* Moves, LEA and NOT only until the CMOV: the host's flags may be in use. */
static void select_op(struct region *r, bool w, unsigned kind, unsigned cond,
                      const struct a64_op *op)
{
    struct emit *e = &r->e;
    enum cc cc = condition(r, cond);

    load_to(r, w, op->rm, RCX);
    if (kind >= 2)
        unary(e, w, UN_NOT, RCX);
    if (kind == 1 || kind == 3)
        op_rm(e, w, 0x8d, RCX, RCX, 1); /* lea: +1 */
    op_rr(e, w, 0x0f40 | cc, RCX, use(r, op->rn, RAX));
    set(r, op->rd, RCX);
}

static void conditional_compare(struct region *r, bool w, bool sub, bool imm,
                                const struct a64_op *op)
{
    struct emit *e = &r->e;
    uint8_t *otherwise = NULL, *done = NULL;
    unsigned nzcv = op->rd;

    if (op->ra < 14)
        otherwise = jcc(e, condition(r, op->ra) ^ 1);
    load_to(r, w, op->rn, RAX);
    if (imm)
        alu_ri(e, w, sub ? ALU_SUB : ALU_ADD, RAX, op->rm);
    else
        alu_rr(e, w, sub ? ALU_SUB : ALU_ADD, RAX, use(r, op->rm, RCX));
    store_flags(r, w, RAX, sub ? OF_SUB : OF_ADD, false);
    if (otherwise != NULL) {
        done = jmp(e);
        patch(e, otherwise, e->at);
        mov_mi(e, false, RBX, AT(fn) + 4, nzcv & 8 ? (int32_t)0x80000000 : 0);
        mov_mi(e, true, RBX, AT(fz), nzcv & 4 ? 0 : 1);
        mov_m8i(e, RBX, AT(fc), nzcv >> 1 & 1);
        mov_m8i(e, RBX, AT(fv), nzcv & 1);
        patch(e, done, e->at);
    }
    r->flags = IN_MEMORY;
}

/* ---- one operation ---- */

void x86_page_plus(struct region *r, unsigned reg, int64_t offset)
{
    op_rm(&r->e, true, 0x8b, reg, RBX, AT(page_va));
    mov_ri(&r->e, RDX, (uint64_t)offset);
    alu_rr(&r->e, true, ALU_ADD, reg, RDX);
}

static void link_register(struct region *r)
{
    x86_page_plus(r, RCX, byte_offset(r) + 4);
    set(r, 30, RCX);
}

/* CBZ, CBNZ, TBZ, TBNZ: the condition, from the register. */
static enum cc test_zero(struct region *r, bool w, const struct a64_op *op)
{
    unsigned reg = use(r, op->rd, RAX);

    op_rr(&r->e, w, 0x85, reg, reg);
    return CC_E;
}

static enum cc test_bit(struct region *r, const struct a64_op *op)
{
    unsigned reg = use(r, op->rd, RAX);

    rex(&r->e, true, 0, 0, reg, false);
    emit8(&r->e, 0x0f); /* bt reg, imm */
    emit8(&r->e, 0xba);
    emit8(&r->e, 0xc0 | 4 << 3 | (reg & 7));
    emit8(&r->e, op->ra);
    return CC_AE; /* clear */
}

static bool emit_branch(struct region *r, const struct a64_op *op,
                        enum a64_opcode opcode)
{
    int32_t near = x86_slot(r) + op->imm, far = byte_offset(r) + op->imm;

    switch (opcode) {
    case A64_OP_B_N:
        go(r, -1, near);
        return true;
    case A64_OP_BL_N:
        link_register(r);
        x86_jump_from(r, TO_OP, jmp(&r->e), near);
        return true;
    case A64_OP_B:
        go_pc(r, -1, far);
        return true;
    case A64_OP_BL:
        link_register(r);
        go_pc(r, -1, far);
        return true;
    case A64_OP_BLR:
        load_to(r, true, op->rn, RAX);
        link_register(r);
        x86_leave_to_rax(r);
        return true;
    case A64_OP_BR:
    case A64_OP_RET:
        load_to(r, true, op->rn, RAX);
        x86_leave_to_rax(r);
        return true;
    case A64_OP_BCOND:
        go_pc(r, (int)condition(r, op->ra), far);
        return true;
    case A64_OP_CBZ_XN:
    case A64_OP_CBZ_WN:
        go(r, (int)test_zero(r, opcode == A64_OP_CBZ_XN, op), near);
        return true;
    case A64_OP_CBNZ_XN:
    case A64_OP_CBNZ_WN:
        go(r, test_zero(r, opcode == A64_OP_CBNZ_XN, op) ^ 1, near);
        return true;
    case A64_OP_TBZ_N:
        go(r, (int)test_bit(r, op), near);
        return true;
    case A64_OP_TBNZ_N:
        go(r, test_bit(r, op) ^ 1, near);
        return true;
    case A64_OP_CBZ_X:
    case A64_OP_CBZ_W:
        go_pc(r, (int)test_zero(r, opcode == A64_OP_CBZ_X, op), far);
        return true;
    case A64_OP_CBNZ_X:
    case A64_OP_CBNZ_W:
        go_pc(r, test_zero(r, opcode == A64_OP_CBNZ_X, op) ^ 1, far);
        return true;
    case A64_OP_TBZ:
        go_pc(r, (int)test_bit(r, op), far);
        return true;
    case A64_OP_TBNZ:
        go_pc(r, test_bit(r, op) ^ 1, far);
        return true;
    default:
        return false;
    }
}

static bool emit_conditional(struct region *r, const struct a64_op *op,
                             enum a64_opcode opcode)
{
    unsigned which;

    if (x86_within(opcode, A64_OP_BC_EQ, 14)) {
        enum cc cc = condition(r, (unsigned)(opcode - A64_OP_BC_EQ));

        go(r, (int)cc, x86_slot(r) + op->imm);
        return true;
    }
    if (!x86_within(opcode, A64_OP_CSEL_X_EQ, 8 * 14))
        return false;
    which = (unsigned)(opcode - A64_OP_CSEL_X_EQ);
    select_op(r, !(which / 14 & 1), which / 28, which % 14, op);
    return true;
}

static bool emit_families(struct region *r, const struct a64_op *op,
                          enum a64_opcode opcode)
{
    static const struct {
        enum a64_opcode first;
        uint8_t alu;
        bool logic, negate, sets;
    } families[] = {{A64_OP_ADD_X, ALU_ADD, false, false, false},
                    {A64_OP_SUB_X, ALU_SUB, false, false, false},
                    {A64_OP_ADDS_X, ALU_ADD, false, false, true},
                    {A64_OP_SUBS_X, ALU_SUB, false, false, true},
                    {A64_OP_AND_X, ALU_AND, true, false, false},
                    {A64_OP_ORR_X, ALU_OR, true, false, false},
                    {A64_OP_EOR_X, ALU_XOR, true, false, false},
                    {A64_OP_BIC_X, ALU_AND, true, true, false},
                    {A64_OP_ORN_X, ALU_OR, true, true, false},
                    {A64_OP_EON_X, ALU_XOR, true, true, false},
                    {A64_OP_ANDS_X, ALU_AND, true, false, true},
                    {A64_OP_BICS_X, ALU_AND, true, true, true}};

    for (unsigned i = 0; i < sizeof(families) / sizeof(families[0]); i++)
        if (x86_within(opcode, families[i].first, 10))
            return families[i].logic
                       ? logic(r, op, opcode, families[i].first,
                               families[i].alu, families[i].negate,
                               families[i].sets)
                       : arith(r, op, opcode, families[i].first,
                               families[i].alu, families[i].sets);
    return false;
}

static bool emit_immediate(struct region *r, const struct a64_op *op,
                           enum a64_opcode opcode)
{
    struct emit *e = &r->e;

    switch (opcode) {
    case A64_OP_MOVI:
        mov_ri(e, RAX, (uint64_t)(int64_t)op->imm);
        break;
    case A64_OP_MOVU:
        mov_ri(e, RAX, op->uimm);
        break;
    case A64_OP_MOVZ_SH:
        mov_ri(e, RAX, (uint64_t)op->uimm << op->ra);
        break;
    case A64_OP_MOVN_SH:
        mov_ri(e, RAX, ~((uint64_t)op->uimm << op->ra));
        break;
    case A64_OP_ADR:
        x86_page_plus(r, RAX, (int64_t)byte_offset(r) + op->imm);
        break;
    case A64_OP_ADRP:
        x86_page_plus(r, RAX, (int64_t)op->imm * 4096);
        break;
    case A64_OP_MOVK_X:
    case A64_OP_MOVK_W:
        move_keep(r, opcode == A64_OP_MOVK_X, op);
        return true;
    case A64_OP_ADDI_X:
    case A64_OP_ADDI_W:
        immediate(r, opcode == A64_OP_ADDI_X, ALU_ADD, op, op->imm, false);
        return true;
    case A64_OP_ADDSI_X:
    case A64_OP_ADDSI_W:
        immediate(r, opcode == A64_OP_ADDSI_X, ALU_ADD, op, op->imm, true);
        return true;
    case A64_OP_SUBSI_X:
    case A64_OP_SUBSI_W:
        immediate(r, opcode == A64_OP_SUBSI_X, ALU_SUB, op, op->imm, true);
        return true;
    case A64_OP_CMPI_X:
    case A64_OP_CMPI_W: {
        bool w = opcode == A64_OP_CMPI_X;

        load_to(r, w, op->rn, RAX);
        alu_ri(e, w, ALU_SUB, RAX, op->imm);
        store_flags(r, w, RAX, OF_SUB, false);
        return true;
    }
    case A64_OP_ANDI_X:
    case A64_OP_ANDI_W:
        immediate(r, opcode == A64_OP_ANDI_X, ALU_AND, op, op->imm, false);
        return true;
    case A64_OP_ORRI_X:
    case A64_OP_ORRI_W:
        immediate(r, opcode == A64_OP_ORRI_X, ALU_OR, op, op->imm, false);
        return true;
    case A64_OP_EORI_X:
    case A64_OP_EORI_W:
        immediate(r, opcode == A64_OP_EORI_X, ALU_XOR, op, op->imm, false);
        return true;
    case A64_OP_ANDSI_X:
    case A64_OP_ANDSI_W:
        immediate(r, opcode == A64_OP_ANDSI_X, ALU_AND, op, op->imm, true);
        return true;
    case A64_OP_ANDT_X:
        mask_immediate(r, ALU_AND, op, false);
        return true;
    case A64_OP_ORRT_X:
        mask_immediate(r, ALU_OR, op, false);
        return true;
    case A64_OP_EORT_X:
        mask_immediate(r, ALU_XOR, op, false);
        return true;
    case A64_OP_ANDST_X:
        mask_immediate(r, ALU_AND, op, true);
        return true;
    default:
        return false;
    }
    set(r, op->rd, RAX);
    return true;
}

static bool emit_register(struct region *r, const struct a64_op *op,
                          enum a64_opcode opcode)
{
    /* of the operations with two widths, the _X name; _W follows it */
    static const enum a64_opcode both[] = {
        A64_OP_MOV_X,   A64_OP_CMP_X,  A64_OP_ADC_X,   A64_OP_SBC_X,
        A64_OP_ADCS_X,  A64_OP_SBCS_X, A64_OP_LSLI_X,  A64_OP_LSRI_X,
        A64_OP_ASRI_X,  A64_OP_UBFM_X, A64_OP_SBFM_X,  A64_OP_BFI_X,
        A64_OP_BFXIL_X, A64_OP_EXTR_X, A64_OP_LSLV_X,  A64_OP_LSRV_X,
        A64_OP_ASRV_X,  A64_OP_RORV_X, A64_OP_MUL_X,   A64_OP_MADD_X,
        A64_OP_MSUB_X,  A64_OP_UDIV_X, A64_OP_SDIV_X,  A64_OP_REV_X,
        A64_OP_CLZ_X,   A64_OP_CCMP_X, A64_OP_CCMPI_X, A64_OP_CCMN_X,
        A64_OP_CCMNI_X};
    enum a64_opcode x = opcode;
    bool w = true;

    for (unsigned i = 0; i < sizeof(both) / sizeof(both[0]); i++)
        if (opcode == both[i] + 1) {
            x = both[i];
            w = false;
        }
    switch (x) {
    case A64_OP_MOV_X:
        load_to(r, w, op->rn, RAX);
        set(r, op->rd, RAX);
        break;
    case A64_OP_CMP_X:
        load_to(r, w, op->rn, RAX);
        alu_rr(&r->e, w, ALU_SUB, RAX, use(r, op->rm, RCX));
        store_flags(r, w, RAX, OF_SUB, false);
        break;
    case A64_OP_ADC_X:
    case A64_OP_ADCS_X:
        with_carry(r, w, false, op, x == A64_OP_ADCS_X);
        break;
    case A64_OP_SBC_X:
    case A64_OP_SBCS_X:
        with_carry(r, w, true, op, x == A64_OP_SBCS_X);
        break;
    case A64_OP_LSLI_X:
        field(r, w, op, op->ra, SH_SHR, 0);
        break;
    case A64_OP_LSRI_X:
        field(r, w, op, 0, SH_SHR, op->ra);
        break;
    case A64_OP_ASRI_X:
        field(r, w, op, 0, SH_SAR, op->ra);
        break;
    case A64_OP_UBFM_X:
        field(r, w, op, op->ra, SH_SHR, op->uimm);
        break;
    case A64_OP_SBFM_X:
        field(r, w, op, op->ra, SH_SAR, op->uimm);
        break;
    case A64_OP_BFI_X:
        insert(r, w, op, true);
        break;
    case A64_OP_BFXIL_X:
        insert(r, w, op, false);
        break;
    case A64_OP_EXTR_X:
        extract(r, w, op);
        break;
    case A64_OP_LSLV_X:
        variable_shift(r, w, SH_SHL, op);
        break;
    case A64_OP_LSRV_X:
        variable_shift(r, w, SH_SHR, op);
        break;
    case A64_OP_ASRV_X:
        variable_shift(r, w, SH_SAR, op);
        break;
    case A64_OP_RORV_X:
        variable_shift(r, w, SH_ROR, op);
        break;
    case A64_OP_MUL_X:
        multiply(r, w, op, false, false);
        break;
    case A64_OP_MADD_X:
        multiply(r, w, op, true, false);
        break;
    case A64_OP_MSUB_X:
        multiply(r, w, op, false, true);
        break;
    case A64_OP_SMADDL:
    case A64_OP_SMSUBL:
        multiply_long(r, op, true, x == A64_OP_SMSUBL);
        break;
    case A64_OP_UMADDL:
    case A64_OP_UMSUBL:
        multiply_long(r, op, false, x == A64_OP_UMSUBL);
        break;
    case A64_OP_SMULH:
    case A64_OP_UMULH:
        multiply_high(r, op, x == A64_OP_SMULH);
        break;
    case A64_OP_UDIV_X:
    case A64_OP_SDIV_X:
        divide(r, w, op, x == A64_OP_SDIV_X);
        break;
    case A64_OP_REV_X:
        reverse(r, w, op);
        break;
    case A64_OP_CLZ_X:
        count_zeros(r, w, op);
        break;
    case A64_OP_CCMP_X:
    case A64_OP_CCMPI_X:
        conditional_compare(r, w, true, x == A64_OP_CCMPI_X, op);
        break;
    case A64_OP_CCMN_X:
    case A64_OP_CCMNI_X:
        conditional_compare(r, w, false, x == A64_OP_CCMNI_X, op);
        break;
    default:
        return false;
    }
    return true;
}

/* ---- functions ---- */

void x86_need_fp(struct region *r)
{
    r->flags = IN_MEMORY;
    cmp_m8i(&r->e, RBX, AT(fp_on), 0);
    x86_jump_from(r, TO_ITSELF, jcc(&r->e, CC_E), x86_slot(r));
}

static void call(struct region *r, const struct a64_op *op)
{
    struct emit *e = &r->e;

    mov_rr(e, true, RDI, RBX);
    mov_ri(e, RSI, op->insn);
    mov_ri(e, RAX, (uintptr_t)a64_fn_at(op->imm));
    emit8(e, 0xff); /* call rax */
    emit8(e, 0xd0);
    r->flags = IN_MEMORY;
}

/* Whether an FP or SIMD instruction reads or writes general registers:
 * conversions and moves between the files [C4.1.96]. */
static bool uses_general(uint32_t insn)
{
    return (insn & 0x5f20fc00) == 0x1e200000 ||
           (insn & 0x5f200000) == 0x1e000000 ||
           (insn & 0x9fe08400) == 0x0e000400;
}

static bool plain_call(struct region *r, const struct a64_op *op, bool fp)
{
    bool general = !fp || uses_general(op->insn);

    if (fp)
        x86_need_fp(r);
    x86_write_back(r, general);
    call(r, op);
    x86_reload(r, general);
    return true;
}

/* Loads and stores that are functions. Others may change what the region
 * relies on: the EL, the code page. */
static bool trap_call(struct region *r, const struct a64_op *op, bool fp)
{
    struct emit *e = &r->e;

    if ((op->insn >> 25 & 5) != 4)
        return false;
    if (fp)
        x86_need_fp(r);
    x86_write_back(r, true);
    x86_page_plus(r, RAX, byte_offset(r));
    op_rm(e, true, 0x89, RAX, RBX, AT(pc));
    call(r, op);
    mov_rr(e, false, RAX, RAX);
    op_rr(e, false, 0x85, RAX, RAX);
    x86_jump_from(r, TO_LEAVE, jcc(e, CC_NE), 0);
    x86_reload(r, true);
    /* it may have asked for a look */
    op_rm(e, false, 0x83, 7, RBX, AT(poll_left));
    emit8(e, 1);
    x86_jump_from(r, TO_OP, jcc(e, CC_LE), x86_slot(r) + 1);
    return true;
}

static bool emit_function(struct region *r, const struct a64_op *op,
                          enum a64_opcode opcode)
{
    switch (opcode) {
    case A64_OP_FN:
    case A64_OP_FP_FN:
        return plain_call(r, op, opcode == A64_OP_FP_FN);
    case A64_OP_TRAP_FN:
    case A64_OP_FP_TRAP_FN:
        return trap_call(r, op, opcode == A64_OP_FP_TRAP_FN);
    default:
        return false;
    }
}

static bool emit_system(struct region *r, const struct a64_op *op,
                        enum a64_opcode opcode)
{
    struct emit *e = &r->e;

    switch (opcode) {
    case A64_OP_NOP:
        return true;
    case A64_OP_DMB:
        x86_barrier(r);
        return true;
    case A64_OP_MRS_EL1:
        cmp_m8i(e, RBX, AT(spsel), 0); /* as in interp.c */
        r->flags = IN_MEMORY;
        x86_jump_from(r, TO_ITSELF, jcc(e, CC_E), x86_slot(r));
        /* fallthrough */
    case A64_OP_MRS_EL0:
        op_rm(e, true, 0x8b, RAX, RBX, op->imm);
        set(r, op->rd, RAX);
        return true;
    default:
        return false;
    }
}

/* False: the interpreter has to do this one. */
bool x86_emit_op(struct region *r, const struct a64_op *op,
                 enum a64_opcode opcode)
{
    enum flags before = r->flags;

    /* Only what follows the setter directly may use the host's flags; those
     * that do so run before anything else touches them. */
    if (emit_conditional(r, op, opcode))
        return true;
    if (opcode != A64_OP_BCOND && !x86_within(opcode, A64_OP_CCMP_X, 8))
        r->flags = IN_MEMORY;
    if (emit_families(r, op, opcode) || emit_immediate(r, op, opcode) ||
        emit_register(r, op, opcode) || x86_emit_memory(r, op, opcode) ||
        emit_branch(r, op, opcode) || emit_system(r, op, opcode) ||
        emit_function(r, op, opcode))
        return true;
    r->flags = before;
    return false;
}
