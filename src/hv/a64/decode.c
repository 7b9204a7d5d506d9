/*
 * The decoder: an instruction word becomes an operation and its operands. It
 * follows the manual's top-level table [C4.1]; what it does not recognise is
 * UNDEF. Called once per instruction and page, so it is written to be read,
 * not to be fast.
 */
#include "code.h"
#include "sysreg.h"

uint64_t a64_bitmask[1 << 13];

/* Register 31 where it means zero (reads need nothing), and where it is SP. */
static uint8_t dest(unsigned r)
{
    return r == 31 ? A64_TRASH : (uint8_t)r;
}

static uint8_t or_sp(unsigned r)
{
    return r == 31 ? A64_SP : (uint8_t)r;
}

static unsigned rd_of(uint32_t insn)
{
    return insn & 31;
}

static unsigned rn_of(uint32_t insn)
{
    return insn >> 5 & 31;
}

static unsigned rm_of(uint32_t insn)
{
    return insn >> 16 & 31;
}

static unsigned ra_of(uint32_t insn)
{
    return insn >> 10 & 31;
}

/* _X when sf is set, else the _W that follows it in the list. */
static enum a64_opcode xw(enum a64_opcode x, bool sf)
{
    return sf ? x : x + 1;
}

static void set_regs(struct a64_op *op, unsigned d, unsigned n, unsigned m)
{
    op->rd = (uint8_t)d;
    op->rn = (uint8_t)n;
    op->rm = (uint8_t)m;
    op->ra = 0;
    op->imm = 0;
}

static enum a64_opcode trap_fn(a64_trap_fn *fn, uint32_t insn,
                               struct a64_op *op)
{
    if (fn == NULL)
        return A64_OP_UNDEF;
    op->insn = insn;
    op->imm = a64_fn_offset((const void *)fn);
    return A64_OP_TRAP_FN;
}

static enum a64_opcode plain_fn(a64_fn *fn, uint32_t insn, struct a64_op *op)
{
    if (fn == NULL)
        return A64_OP_UNDEF;
    op->insn = insn;
    op->imm = a64_fn_offset((const void *)fn);
    return A64_OP_FN;
}

/* ---- logical immediates ---- */

/* DecodeBitMasks [shared/functions]: an element of 2..64 bits holding a run of
 * ones, rotated, repeated. 0 when reserved. */
static uint64_t expand_bitmask(unsigned n, unsigned immr, unsigned imms)
{
    unsigned combined = n << 6 | (~imms & 63);
    unsigned len, esize, s, r;
    uint64_t elem;

    if (combined < 2)
        return 0;
    len = 31 - (unsigned)__builtin_clz(combined);
    esize = 1u << len;
    s = imms & (esize - 1);
    r = immr & (esize - 1);
    if (s == esize - 1)
        return 0;
    elem = ones(s + 1);
    if (r != 0)
        elem = (elem >> r | elem << (esize - r)) & ones(esize);
    for (; esize < 64; esize *= 2)
        elem |= elem << esize;
    return elem;
}

void a64_decode_init(void)
{
    for (unsigned i = 0; i < 1 << 13; i++)
        a64_bitmask[i] = expand_bitmask(i >> 12, i >> 6 & 63, i & 63);
}

/* ---- data processing, immediate [C4.1.86] ---- */

static enum a64_opcode decode_addsub_imm(uint32_t insn, struct a64_op *op)
{
    bool sf = bit(insn, 31), sub = bit(insn, 30), s = bit(insn, 29);
    int32_t imm = (int32_t)bits(insn, 21, 10);

    if (bit(insn, 22))
        imm <<= 12;
    set_regs(op, rd_of(insn), or_sp(rn_of(insn)), 0);
    op->imm = imm;
    if (!s) {
        op->rd = or_sp(rd_of(insn));
        if (op->rd == A64_SP && (!sf || op->rn != A64_SP || imm & 15))
            return plain_fn(a64_sp_write, insn, op);
        op->imm = sub ? -imm : imm;
        return imm == 0 ? xw(A64_OP_MOV_X, sf) : xw(A64_OP_ADDI_X, sf);
    }
    op->rd = dest(op->rd);
    if (!sub)
        return xw(A64_OP_ADDSI_X, sf);
    return xw(op->rd == A64_TRASH ? A64_OP_CMPI_X : A64_OP_SUBSI_X, sf);
}

static enum a64_opcode decode_logic_imm(uint32_t insn, struct a64_op *op)
{
    static const enum a64_opcode small[4] = {A64_OP_ANDI_X, A64_OP_ORRI_X,
                                             A64_OP_EORI_X, A64_OP_ANDSI_X};
    static const enum a64_opcode table[4] = {A64_OP_ANDT_X, A64_OP_ORRT_X,
                                             A64_OP_EORT_X, A64_OP_ANDST_X};
    bool sf = bit(insn, 31);
    unsigned opc = (unsigned)bits(insn, 30, 29);
    uint64_t mask = a64_bitmask[bits(insn, 22, 10)];

    if (mask == 0 || (!sf && bit(insn, 22)))
        return A64_OP_UNDEF;
    if (opc != 3 && rd_of(insn) == 31)
        return plain_fn(a64_sp_write, insn, op);
    set_regs(op, opc == 3 ? dest(rd_of(insn)) : or_sp(rd_of(insn)), rn_of(insn),
             0);
    op->imm = (int32_t)mask;
    if (!sf || (uint64_t)(int64_t)op->imm == mask)
        return xw(small[opc], sf);
    op->imm = (int32_t)bits(insn, 22, 10);
    return table[opc];
}

static enum a64_opcode decode_move_wide(uint32_t insn, struct a64_op *op)
{
    bool sf = bit(insn, 31);
    unsigned opc = (unsigned)bits(insn, 30, 29);
    unsigned shift = 16 * (unsigned)bits(insn, 22, 21);
    uint64_t imm = bits(insn, 20, 5), value;

    if (opc == 1 || (!sf && shift >= 32))
        return A64_OP_UNDEF;
    set_regs(op, dest(rd_of(insn)), 0, 0);
    op->imm = (int32_t)imm;
    op->ra = (uint8_t)shift;
    if (opc == 3)
        return xw(A64_OP_MOVK_X, sf);
    value = imm << shift;
    if (opc == 0)
        value = ~value;
    if (!sf)
        value = (uint32_t)value;
    if ((uint64_t)(int64_t)(int32_t)value == value) {
        op->imm = (int32_t)value;
        return A64_OP_MOVI;
    }
    if ((uint32_t)value == value) {
        op->imm = (int32_t)value;
        return A64_OP_MOVU;
    }
    return opc == 0 ? A64_OP_MOVN_SH : A64_OP_MOVZ_SH;
}

static enum a64_opcode decode_bitfield(uint32_t insn, struct a64_op *op)
{
    bool sf = bit(insn, 31);
    unsigned opc = (unsigned)bits(insn, 30, 29), size = sf ? 64 : 32;
    unsigned immr = (unsigned)bits(insn, 21, 16);
    unsigned imms = (unsigned)bits(insn, 15, 10);
    unsigned up, down;

    if (opc == 3 || bit(insn, 22) != sf || immr >= size || imms >= size)
        return A64_OP_UNDEF;
    set_regs(op, dest(rd_of(insn)), rn_of(insn), 0);
    if (opc == 1) {
        /* BFI when the field moves up, BFXIL when it moves down */
        bool insert = imms < immr;

        op->ra = (uint8_t)(insert ? size - immr : immr);
        op->imm = (int32_t)(insert ? imms + 1 : imms - immr + 1);
        return xw(insert ? A64_OP_BFI_X : A64_OP_BFXIL_X, sf);
    }
    /* Every UBFM and SBFM is a shift up, then down. */
    up = size - 1 - imms;
    down = imms >= immr ? up + immr : up + immr - size;
    op->ra = (uint8_t)up;
    op->imm = (int32_t)down;
    if (up == 0) {
        op->ra = (uint8_t)down;
        return xw(opc == 2 ? A64_OP_LSRI_X : A64_OP_ASRI_X, sf);
    }
    if (opc == 2 && down == 0)
        return xw(A64_OP_LSLI_X, sf);
    return xw(opc == 2 ? A64_OP_UBFM_X : A64_OP_SBFM_X, sf);
}

static enum a64_opcode decode_extract(uint32_t insn, struct a64_op *op)
{
    bool sf = bit(insn, 31);

    if (bits(insn, 30, 29) != 0 || bit(insn, 22) != sf || bit(insn, 21) ||
        (!sf && bit(insn, 15)))
        return A64_OP_UNDEF;
    set_regs(op, dest(rd_of(insn)), rn_of(insn), rm_of(insn));
    op->ra = (uint8_t)bits(insn, 15, 10);
    return xw(A64_OP_EXTR_X, sf);
}

static enum a64_opcode decode_data_imm(uint32_t insn, struct a64_op *op)
{
    int64_t imm;

    switch (bits(insn, 25, 23)) {
    case 0:
    case 1:
        imm = sext(bits(insn, 23, 5) << 2 | bits(insn, 30, 29), 21);
        set_regs(op, dest(rd_of(insn)), 0, 0);
        op->imm = (int32_t)imm;
        return bit(insn, 31) ? A64_OP_ADRP : A64_OP_ADR;
    case 2:
        return decode_addsub_imm(insn, op);
    case 4:
        return decode_logic_imm(insn, op);
    case 5:
        return decode_move_wide(insn, op);
    case 6:
        return decode_bitfield(insn, op);
    case 7:
        return decode_extract(insn, op);
    default: /* 3: tags, MTE */
        return A64_OP_UNDEF;
    }
}

/* ---- data processing, register [C4.1.95] ---- */

/* The five forms of A64_ARITH and A64_LOGIC follow each other: none, LSL, LSR,
 * ASR, ROR (or extended), two widths each. */
static enum a64_opcode shifted(enum a64_opcode plain, unsigned type,
                               unsigned amount, bool sf)
{
    if (type == 0 && amount == 0)
        return xw(plain, sf);
    return xw(plain + 2 * (type + 1), sf);
}

static enum a64_opcode decode_logic_reg(uint32_t insn, struct a64_op *op)
{
    static const enum a64_opcode names[8] = {
        A64_OP_AND_X, A64_OP_BIC_X, A64_OP_ORR_X,  A64_OP_ORN_X,
        A64_OP_EOR_X, A64_OP_EON_X, A64_OP_ANDS_X, A64_OP_BICS_X};
    bool sf = bit(insn, 31);
    unsigned type = (unsigned)bits(insn, 23, 22);
    unsigned amount = (unsigned)bits(insn, 15, 10);
    unsigned which = (unsigned)bits(insn, 30, 29) << 1 | bit(insn, 21);

    if (!sf && amount >= 32)
        return A64_OP_UNDEF;
    set_regs(op, dest(rd_of(insn)), rn_of(insn), rm_of(insn));
    op->ra = (uint8_t)amount;
    if (which == 2 && op->rn == A64_ZR && type == 0 && amount == 0) {
        op->rn = op->rm;
        return xw(A64_OP_MOV_X, sf);
    }
    return shifted(names[which], type, amount, sf);
}

static const enum a64_opcode arith_names[4] = {A64_OP_ADD_X, A64_OP_ADDS_X,
                                               A64_OP_SUB_X, A64_OP_SUBS_X};

static enum a64_opcode decode_addsub_shifted(uint32_t insn, struct a64_op *op)
{
    bool sf = bit(insn, 31);
    unsigned type = (unsigned)bits(insn, 23, 22);
    unsigned amount = (unsigned)bits(insn, 15, 10);
    unsigned which = (unsigned)bits(insn, 30, 29);

    if (type == 3 || (!sf && amount >= 32))
        return A64_OP_UNDEF;
    set_regs(op, dest(rd_of(insn)), rn_of(insn), rm_of(insn));
    op->ra = (uint8_t)amount;
    if (which == 3 && op->rd == A64_TRASH && type == 0 && amount == 0)
        return xw(A64_OP_CMP_X, sf);
    return shifted(arith_names[which], type, amount, sf);
}

static enum a64_opcode decode_addsub_extended(uint32_t insn, struct a64_op *op)
{
    bool sf = bit(insn, 31);
    unsigned option = (unsigned)bits(insn, 15, 13);
    unsigned shift = (unsigned)bits(insn, 12, 10);
    unsigned which = (unsigned)bits(insn, 30, 29);

    if (bits(insn, 23, 22) != 0 || shift > 4)
        return A64_OP_UNDEF;
    if (!(which & 1) && rd_of(insn) == 31)
        return plain_fn(a64_sp_write, insn, op);
    set_regs(op, which & 1 ? dest(rd_of(insn)) : or_sp(rd_of(insn)),
             or_sp(rn_of(insn)), rm_of(insn));
    op->ra = (uint8_t)shift;
    op->imm = (int32_t)option;
    return xw(arith_names[which] + 8, sf);
}

static enum a64_opcode decode_addsub_carry(uint32_t insn, struct a64_op *op)
{
    static const enum a64_opcode names[4] = {A64_OP_ADC_X, A64_OP_ADCS_X,
                                             A64_OP_SBC_X, A64_OP_SBCS_X};

    if (bits(insn, 15, 10) != 0)
        return A64_OP_UNDEF; /* RMIF, SETF: FEAT_FlagM */
    set_regs(op, dest(rd_of(insn)), rn_of(insn), rm_of(insn));
    return xw(names[bits(insn, 30, 29)], bit(insn, 31));
}

static enum a64_opcode decode_cond_compare(uint32_t insn, struct a64_op *op)
{
    bool imm = bit(insn, 11), sub = bit(insn, 30);
    enum a64_opcode name = sub ? (imm ? A64_OP_CCMPI_X : A64_OP_CCMP_X)
                               : (imm ? A64_OP_CCMNI_X : A64_OP_CCMN_X);

    if (!bit(insn, 29) || bit(insn, 10) || bit(insn, 4))
        return A64_OP_UNDEF;
    set_regs(op, (unsigned)bits(insn, 3, 0), rn_of(insn), rm_of(insn));
    op->ra = (uint8_t)bits(insn, 15, 12);
    return xw(name, bit(insn, 31));
}

static enum a64_opcode decode_cond_select(uint32_t insn, struct a64_op *op)
{
    static const enum a64_opcode names[4] = {
        A64_OP_CSEL_X_EQ, A64_OP_CSINC_X_EQ, A64_OP_CSINV_X_EQ,
        A64_OP_CSNEG_X_EQ};
    bool sf = bit(insn, 31);
    unsigned cond = (unsigned)bits(insn, 15, 12);
    enum a64_opcode name = names[(unsigned)bit(insn, 30) << 1 | bit(insn, 10)];

    if (bit(insn, 29) || bit(insn, 11))
        return A64_OP_UNDEF;
    set_regs(op, dest(rd_of(insn)), rn_of(insn), rm_of(insn));
    if (cond >= 14) {
        /* AL and NV: always the first operand */
        return xw(A64_OP_MOV_X, sf);
    }
    return name + cond + (sf ? 0 : 14);
}

static enum a64_opcode decode_one_source(uint32_t insn, struct a64_op *op)
{
    bool sf = bit(insn, 31);

    set_regs(op, dest(rd_of(insn)), rn_of(insn), 0);
    if (bit(insn, 29) || rm_of(insn) != 0)
        return A64_OP_UNDEF; /* pointer authentication */
    switch (bits(insn, 15, 10)) {
    case 0:
        return xw(A64_OP_RBIT_X, sf);
    case 1:
        return xw(A64_OP_REV16_X, sf);
    case 2:
        return sf ? A64_OP_REV32_X : A64_OP_REV_W;
    case 3:
        return sf ? A64_OP_REV_X : A64_OP_UNDEF;
    case 4:
        return xw(A64_OP_CLZ_X, sf);
    case 5:
        return xw(A64_OP_CLS_X, sf);
    default:
        return A64_OP_UNDEF;
    }
}

static enum a64_opcode decode_two_source(uint32_t insn, struct a64_op *op)
{
    bool sf = bit(insn, 31);

    if (bit(insn, 29))
        return A64_OP_UNDEF;
    set_regs(op, dest(rd_of(insn)), rn_of(insn), rm_of(insn));
    switch (bits(insn, 15, 10)) {
    case 2:
        return xw(A64_OP_UDIV_X, sf);
    case 3:
        return xw(A64_OP_SDIV_X, sf);
    case 8:
        return xw(A64_OP_LSLV_X, sf);
    case 9:
        return xw(A64_OP_LSRV_X, sf);
    case 10:
        return xw(A64_OP_ASRV_X, sf);
    case 11:
        return xw(A64_OP_RORV_X, sf);
    default:
        return plain_fn(a64_integer_decode(insn), insn, op);
    }
}

static enum a64_opcode decode_three_source(uint32_t insn, struct a64_op *op)
{
    bool sf = bit(insn, 31), sub = bit(insn, 15);

    if (bits(insn, 30, 29) != 0)
        return A64_OP_UNDEF;
    set_regs(op, dest(rd_of(insn)), rn_of(insn), rm_of(insn));
    op->ra = (uint8_t)ra_of(insn);
    switch (bits(insn, 23, 21)) {
    case 0:
        if (!sub && op->ra == A64_ZR)
            return xw(A64_OP_MUL_X, sf);
        return xw(sub ? A64_OP_MSUB_X : A64_OP_MADD_X, sf);
    case 1:
        return !sf ? A64_OP_UNDEF : sub ? A64_OP_SMSUBL : A64_OP_SMADDL;
    case 2:
        return sf && !sub ? A64_OP_SMULH : A64_OP_UNDEF;
    case 5:
        return !sf ? A64_OP_UNDEF : sub ? A64_OP_UMSUBL : A64_OP_UMADDL;
    case 6:
        return sf && !sub ? A64_OP_UMULH : A64_OP_UNDEF;
    default:
        return A64_OP_UNDEF;
    }
}

static enum a64_opcode decode_data_reg(uint32_t insn, struct a64_op *op)
{
    if (!bit(insn, 28)) {
        if (!bit(insn, 24))
            return decode_logic_reg(insn, op);
        return bit(insn, 21) ? decode_addsub_extended(insn, op)
                             : decode_addsub_shifted(insn, op);
    }
    if (bit(insn, 24))
        return decode_three_source(insn, op);
    switch (bits(insn, 23, 21)) {
    case 0:
        return decode_addsub_carry(insn, op);
    case 2:
        return decode_cond_compare(insn, op);
    case 4:
        return decode_cond_select(insn, op);
    case 6:
        return bit(insn, 30) ? decode_one_source(insn, op)
                             : decode_two_source(insn, op);
    default:
        return A64_OP_UNDEF;
    }
}

/* ---- branches, exceptions, system [C4.1.87] ---- */

/*
 * A branch's operand: within the page the distance in operations, so that
 * following it is one addition; else the distance in bytes. `near` and `far`
 * are the two names.
 */
static enum a64_opcode branch(int64_t offset, unsigned index, struct a64_op *op,
                              enum a64_opcode near, enum a64_opcode far)
{
    int64_t target = (int64_t)index + offset / 4;

    if (target >= 0 && target < A64_PAGE_OPS) {
        op->imm = (int32_t)(offset / 4);
        return near;
    }
    op->imm = (int32_t)offset;
    return far;
}

static enum a64_opcode decode_cond_branch(uint32_t insn, unsigned index,
                                          struct a64_op *op)
{
    int64_t offset = sext(bits(insn, 23, 5), 19) * 4;
    unsigned cond = insn & 15;

    if (bit(insn, 24) || bit(insn, 4))
        return A64_OP_UNDEF;
    set_regs(op, 0, 0, 0);
    if (cond >= 14)
        return branch(offset, index, op, A64_OP_B_N, A64_OP_B);
    op->ra = (uint8_t)cond;
    return branch(offset, index, op, A64_OP_BC_EQ + cond, A64_OP_BCOND);
}

static enum a64_opcode decode_exception(uint32_t insn, struct a64_op *op)
{
    switch (bits(insn, 23, 21) << 5 | bits(insn, 4, 0)) {
    case 0 << 5 | 1:
        return trap_fn(a64_svc, insn, op);
    case 0 << 5 | 2:
        return trap_fn(a64_hvc, insn, op);
    case 0 << 5 | 3:
        return trap_fn(a64_smc, insn, op);
    case 1 << 5 | 0:
        return trap_fn(a64_brk, insn, op);
    default: /* HLT and DCPSn are for a debugger we do not have */
        return A64_OP_UNDEF;
    }
}

static enum a64_opcode decode_branch_reg(uint32_t insn, struct a64_op *op)
{
    set_regs(op, 0, rn_of(insn), 0);
    if (insn == 0xd69f03e0)
        return trap_fn(a64_eret, insn, op);
    switch (insn & 0xfffffc1f) {
    case 0xd61f0000:
        return A64_OP_BR;
    case 0xd63f0000:
        return A64_OP_BLR;
    case 0xd65f0000:
        return A64_OP_RET;
    default:
        return A64_OP_UNDEF;
    }
}

static enum a64_opcode decode_hint(uint32_t insn, struct a64_op *op)
{
    switch (bits(insn, 11, 5)) {
    case 2:
        return trap_fn(a64_wfe, insn, op);
    case 3:
        return trap_fn(a64_wfi, insn, op);
    case 4:
    case 5:
        return trap_fn(a64_system_decode(insn), insn, op); /* SEV, SEVL */
    default:
        return A64_OP_NOP;
    }
}

static enum a64_opcode decode_system(uint32_t insn, struct a64_op *op)
{
    bool read = bit(insn, 21);
    unsigned offset, min_el;

    set_regs(op, read ? dest(rd_of(insn)) : rd_of(insn), 0, 0);
    if ((insn & 0xfffff01f) == 0xd503201f)
        return decode_hint(insn, op);
    if ((insn & 0xfffff0ff) == 0xd50330bf)
        return A64_OP_DMB;
    if ((insn & 0xfffff0ff) == 0xd503309f)
        return A64_OP_DSB;
    if ((insn & 0xfffff0ff) == 0xd503305f)
        return A64_OP_CLREX;
    if ((insn & 0xffffffe0) == 0xd50b7420)
        return A64_OP_DC_ZVA;
    if ((insn & 0xffffffe0) == 0xd53b4200)
        return A64_OP_MRS_NZCV;
    if ((insn & 0xffffffe0) == 0xd51b4200)
        return A64_OP_MSR_NZCV;
    if (bit(insn, 20) && a64_sysreg_plain(insn, !read, &offset, &min_el)) {
        op->imm = (int32_t)offset;
        if (min_el == 0)
            return read ? A64_OP_MRS_EL0 : A64_OP_MSR_EL0;
        /* the slow way remains, for the UNDEF at EL0 */
        return read ? A64_OP_MRS_EL1 : A64_OP_MSR_EL1;
    }
    return trap_fn(a64_system_decode(insn), insn, op);
}

static enum a64_opcode decode_branch(uint32_t insn, unsigned index,
                                     struct a64_op *op)
{
    int64_t offset;
    bool nz = bit(insn, 24);

    switch (bits(insn, 30, 29)) {
    case 0:
        set_regs(op, 0, 0, 0);
        offset = sext(bits(insn, 25, 0), 26) * 4;
        return bit(insn, 31) ? branch(offset, index, op, A64_OP_BL_N, A64_OP_BL)
                             : branch(offset, index, op, A64_OP_B_N, A64_OP_B);
    case 1:
        set_regs(op, rd_of(insn), 0, 0);
        if (!bit(insn, 25)) {
            enum a64_opcode name =
                xw(nz ? A64_OP_CBNZ_X : A64_OP_CBZ_X, bit(insn, 31));

            offset = sext(bits(insn, 23, 5), 19) * 4;
            return branch(offset, index, op,
                          name + A64_OP_CBZ_XN - A64_OP_CBZ_X, name);
        }
        op->ra = (uint8_t)(bit(insn, 31) << 5 | bits(insn, 23, 19));
        offset = sext(bits(insn, 18, 5), 14) * 4;
        return nz ? branch(offset, index, op, A64_OP_TBNZ_N, A64_OP_TBNZ)
                  : branch(offset, index, op, A64_OP_TBZ_N, A64_OP_TBZ);
    case 2:
        if (!bit(insn, 31))
            return bits(insn, 25, 25) ? A64_OP_UNDEF
                                      : decode_cond_branch(insn, index, op);
        if (bit(insn, 25))
            return decode_branch_reg(insn, op);
        if (!bit(insn, 24))
            return decode_exception(insn, op);
        return bits(insn, 23, 22) == 0 ? decode_system(insn, op) : A64_OP_UNDEF;
    default:
        return A64_OP_UNDEF;
    }
}

/* ---- loads and stores [C4.1.94] ---- */

enum { MODE_I, MODE_R, MODE_RU, MODE_RS, MODE_PRE, MODE_POST };
#define NO_OP A64_OPCODES

/* The _I name for a single register, by size and opc; NO_OP: not one. */
static enum a64_opcode single_name(unsigned size, bool v, unsigned opc)
{
    static const enum a64_opcode general[4][4] = {
        {A64_OP_STRB_I, A64_OP_LDRB_I, A64_OP_LDRSB_X_I, A64_OP_LDRSB_W_I},
        {A64_OP_STRH_I, A64_OP_LDRH_I, A64_OP_LDRSH_X_I, A64_OP_LDRSH_W_I},
        {A64_OP_STR_W_I, A64_OP_LDR_W_I, A64_OP_LDRSW_I, NO_OP},
        {A64_OP_STR_X_I, A64_OP_LDR_X_I, NO_OP, NO_OP}};
    static const enum a64_opcode vector[4][4] = {
        {A64_OP_STR_VB_I, A64_OP_LDR_VB_I, A64_OP_STR_VQ_I, A64_OP_LDR_VQ_I},
        {A64_OP_STR_VH_I, A64_OP_LDR_VH_I, NO_OP, NO_OP},
        {A64_OP_STR_VS_I, A64_OP_LDR_VS_I, NO_OP, NO_OP},
        {A64_OP_STR_VD_I, A64_OP_LDR_VD_I, NO_OP, NO_OP}};

    return v ? vector[size][opc] : general[size][opc];
}

static bool is_prefetch(unsigned size, bool v, unsigned opc)
{
    return size == 3 && !v && opc == 2;
}

static void set_single(uint32_t insn, bool v, struct a64_op *op)
{
    unsigned t = rd_of(insn);
    bool load = bits(insn, 23, 22) != 0 && !(v && bits(insn, 23, 22) == 2);

    set_regs(op, v || !load ? t : dest(t), or_sp(rn_of(insn)), 0);
}

static enum a64_opcode decode_single_imm(uint32_t insn, struct a64_op *op)
{
    unsigned size = (unsigned)bits(insn, 31, 30);
    unsigned opc = (unsigned)bits(insn, 23, 22);
    bool v = bit(insn, 26);
    enum a64_opcode name = single_name(size, v, opc);
    unsigned scale = v && opc >= 2 ? 4 : size;

    if (is_prefetch(size, v, opc))
        return A64_OP_NOP;
    if (name == NO_OP)
        return A64_OP_UNDEF;
    set_single(insn, v, op);
    op->imm = (int32_t)(bits(insn, 21, 10) << scale);
    return name;
}

/* LDTR and STTR: the fast ones have handlers, the sign-extending are calls. */
static enum a64_opcode decode_unprivileged(uint32_t insn, struct a64_op *op)
{
    static const enum a64_opcode names[4][2] = {{A64_OP_STTRB, A64_OP_LDTRB},
                                                {A64_OP_STTRH, A64_OP_LDTRH},
                                                {A64_OP_STTR_W, A64_OP_LDTR_W},
                                                {A64_OP_STTR_X, A64_OP_LDTR_X}};
    unsigned opc = (unsigned)bits(insn, 23, 22);

    if (bit(insn, 26))
        return A64_OP_UNDEF;
    if (opc >= 2)
        return trap_fn(a64_ldst_decode(insn), insn, op);
    set_single(insn, false, op);
    op->imm = (int32_t)sext(bits(insn, 20, 12), 9);
    return names[bits(insn, 31, 30)][opc];
}

/* A write-back that can leave SP misaligned. */
static bool bends_sp(uint32_t insn, int32_t offset)
{
    return rn_of(insn) == 31 && (offset & 15) != 0;
}

static enum a64_opcode bending(bool v, uint32_t insn, struct a64_op *op)
{
    trap_fn(a64_sp_writeback, insn, op);
    return v ? A64_OP_FP_TRAP_FN : A64_OP_TRAP_FN;
}

/* LDUR, pre- and post-indexed, LDTR: a 9-bit signed offset. */
static enum a64_opcode decode_single_imm9(uint32_t insn, struct a64_op *op)
{
    unsigned size = (unsigned)bits(insn, 31, 30);
    unsigned opc = (unsigned)bits(insn, 23, 22);
    unsigned kind = (unsigned)bits(insn, 11, 10);
    bool v = bit(insn, 26);
    enum a64_opcode name = single_name(size, v, opc);

    if (kind == 2)
        return decode_unprivileged(insn, op);
    if (is_prefetch(size, v, opc))
        return kind == 0 ? A64_OP_NOP : A64_OP_UNDEF;
    if (name == NO_OP)
        return A64_OP_UNDEF;
    if (kind != 0 && bends_sp(insn, (int32_t)sext(bits(insn, 20, 12), 9)))
        return bending(v, insn, op);
    set_single(insn, v, op);
    op->imm = (int32_t)sext(bits(insn, 20, 12), 9);
    return name + (kind == 0 ? MODE_I : kind == 1 ? MODE_POST : MODE_PRE);
}

static enum a64_opcode decode_single_reg(uint32_t insn, struct a64_op *op)
{
    unsigned size = (unsigned)bits(insn, 31, 30);
    unsigned opc = (unsigned)bits(insn, 23, 22);
    unsigned option = (unsigned)bits(insn, 15, 13);
    bool v = bit(insn, 26);
    enum a64_opcode name = single_name(size, v, opc);
    unsigned scale = v && opc >= 2 ? 4 : size;

    if (!(option & 2))
        return A64_OP_UNDEF;
    if (is_prefetch(size, v, opc))
        return A64_OP_NOP;
    if (name == NO_OP)
        return A64_OP_UNDEF;
    set_single(insn, v, op);
    op->rm = (uint8_t)rm_of(insn);
    op->ra = (uint8_t)(bit(insn, 12) ? scale : 0);
    return name + (option == 2 ? MODE_RU : option == 6 ? MODE_RS : MODE_R);
}

static enum a64_opcode decode_pair(uint32_t insn, struct a64_op *op)
{
    static const enum a64_opcode general[4][2] = {
        {A64_OP_STP_W_I, A64_OP_LDP_W_I},
        {NO_OP, A64_OP_LDPSW_I},
        {A64_OP_STP_X_I, A64_OP_LDP_X_I},
        {NO_OP, NO_OP}};
    static const enum a64_opcode vector[4][2] = {
        {A64_OP_STP_VS_I, A64_OP_LDP_VS_I},
        {A64_OP_STP_VD_I, A64_OP_LDP_VD_I},
        {A64_OP_STP_VQ_I, A64_OP_LDP_VQ_I},
        {NO_OP, NO_OP}};
    unsigned opc = (unsigned)bits(insn, 31, 30);
    unsigned kind = (unsigned)bits(insn, 24, 23);
    bool v = bit(insn, 26), load = bit(insn, 22);
    enum a64_opcode name = v ? vector[opc][load] : general[opc][load];
    unsigned scale = v ? opc + 2 : opc == 2 ? 3 : 2;
    bool general_load = load && !v;

    if (name == NO_OP || (kind == 0 && !v && opc == 1))
        return A64_OP_UNDEF; /* there is no LDNPSW */
    op->rd = general_load ? dest(rd_of(insn)) : (uint8_t)rd_of(insn);
    op->rn = or_sp(rn_of(insn));
    op->rm = 0;
    op->ra = general_load ? dest(ra_of(insn)) : (uint8_t)ra_of(insn);
    op->imm = (int32_t)(sext(bits(insn, 21, 15), 7) * (1 << scale));
    if ((kind == 1 || kind == 3) && bends_sp(insn, op->imm))
        return bending(v, insn, op);
    return name + (kind == 3 ? 1 : kind == 1 ? 2 : 0);
}

static enum a64_opcode decode_literal(uint32_t insn, struct a64_op *op)
{
    static const enum a64_opcode general[4] = {A64_OP_LDL_W, A64_OP_LDL_X,
                                               A64_OP_LDL_SW, A64_OP_NOP};
    static const enum a64_opcode vector[4] = {A64_OP_LDL_VS, A64_OP_LDL_VD,
                                              A64_OP_LDL_VQ, A64_OP_UNDEF};
    unsigned opc = (unsigned)bits(insn, 31, 30);
    bool v = bit(insn, 26);

    set_regs(op, v ? rd_of(insn) : dest(rd_of(insn)), 0, 0);
    op->imm = (int32_t)(sext(bits(insn, 23, 5), 19) * 4);
    return v ? vector[opc] : general[opc];
}

/* LDAR, STLR and their LO twins; exclusives are calls. */
static enum a64_opcode decode_ordered(uint32_t insn, struct a64_op *op)
{
    bool load = bit(insn, 22);
    enum a64_opcode name = load ? A64_OP_LDARB : A64_OP_STLRB;

    if (bits(insn, 23, 23) && !bit(insn, 21)) {
        if (!bit(insn, 15))
            return A64_OP_UNDEF; /* LDLAR, STLLR: FEAT_LOR */
        set_regs(op, load ? dest(rd_of(insn)) : rd_of(insn), or_sp(rn_of(insn)),
                 0);
        return name + (unsigned)bits(insn, 31, 30);
    }
    return trap_fn(a64_ldst_decode(insn), insn, op);
}

static enum a64_opcode decode_ldst(uint32_t insn, struct a64_op *op)
{
    bool v = bit(insn, 26);
    enum a64_opcode name;

    switch (bits(insn, 29, 28)) {
    case 0:
        if (!v)
            return bit(insn, 24) ? A64_OP_UNDEF : decode_ordered(insn, op);
        name = trap_fn(a64_ldst_decode(insn), insn, op); /* LD1..ST4 */
        return name == A64_OP_TRAP_FN ? A64_OP_FP_TRAP_FN : name;
    case 1:
        if (bit(insn, 24))
            return A64_OP_UNDEF; /* LDAPUR: FEAT_LRCPC2; tags */
        return decode_literal(insn, op);
    case 2:
        return decode_pair(insn, op);
    default:
        if (bit(insn, 24))
            return decode_single_imm(insn, op);
        if (!bit(insn, 21))
            return decode_single_imm9(insn, op);
        if (bits(insn, 11, 10) == 2)
            return decode_single_reg(insn, op);
        if (bits(insn, 11, 10) == 0 && !v)
            return trap_fn(a64_ldst_decode(insn), insn, op); /* LSE */
        return A64_OP_UNDEF;
    }
}

/* ---- the top [C4.1] ---- */

static enum a64_opcode decode_fp(uint32_t insn, struct a64_op *op)
{
    enum a64_opcode name = plain_fn(a64_fp_decode(insn), insn, op);

    return name == A64_OP_FN ? A64_OP_FP_FN : name;
}

enum a64_opcode a64_decode(uint32_t insn, unsigned index, struct a64_op *op)
{
    enum a64_opcode name = A64_OP_UNDEF;

    switch (bits(insn, 28, 25)) {
    case 8:
    case 9:
        name = decode_data_imm(insn, op);
        break;
    case 10:
    case 11:
        name = decode_branch(insn, index, op);
        break;
    case 4:
    case 6:
    case 12:
    case 14:
        name = decode_ldst(insn, op);
        break;
    case 5:
    case 13:
        name = decode_data_reg(insn, op);
        break;
    case 7:
    case 15:
        name = decode_fp(insn, op);
        break;
    default:
        break;
    }
    if (name == A64_OP_UNDEF)
        op->insn = insn;
    return name;
}

bool a64_falls_through(enum a64_opcode opcode)
{
    switch (opcode) {
    case A64_OP_B:
    case A64_OP_B_N:
    case A64_OP_BR:
    case A64_OP_RET:
    case A64_OP_UNDEF:
        return false;
    default:
        return true;
    }
}
