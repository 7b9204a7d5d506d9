/*
 * The list of operations that the interpreter has a handler for. One list: the
 * decoder's names, the interpreter's labels and a compiler's cases all come
 * from here.
 *
 * Suffixes: X and W for 64 and 32 bits; I immediate, T bit mask from the table
 * of logical immediates; LSL, LSR, ASR, ROR a shifted second operand; E an
 * extended one. A branch whose target lies in the same page ends in N.
 */
#ifndef LULL_A64_OPS_H
#define LULL_A64_OPS_H

/* Tables, not code. */
/* clang-format off */
#define A64_XW(_, n) _(n##_X) _(n##_W)

/* condition codes with a handler of their own; AL and NV decode to plain ops */
#define A64_CONDS(_, n) \
    _(n, EQ) _(n, NE) _(n, CS) _(n, CC) _(n, MI) _(n, PL) _(n, VS) \
    _(n, VC) _(n, HI) _(n, LS) _(n, GE) _(n, LT) _(n, GT) _(n, LE)

#define A64_ARITH(_, n) \
    A64_XW(_, n) A64_XW(_, n##_LSL) A64_XW(_, n##_LSR) A64_XW(_, n##_ASR) \
    A64_XW(_, n##_E)
#define A64_LOGIC(_, n) \
    A64_XW(_, n) A64_XW(_, n##_LSL) A64_XW(_, n##_LSR) A64_XW(_, n##_ASR) \
    A64_XW(_, n##_ROR)

/* address modes: I base + immediate, R base + register << ra, RU and RS with
 * a 32-bit register zero- or sign-extended, PRE and POST with writeback */
#define A64_MODES(_, n) \
    _(n##_I) _(n##_R) _(n##_RU) _(n##_RS) _(n##_PRE) _(n##_POST)
#define A64_PAIRS(_, n) _(n##_I) _(n##_PRE) _(n##_POST)

/* the interpreter's own, functions, system */
#define A64_OPS_SYSTEM(_) \
    _(DECODE) _(NATIVE) _(PAGE_END) _(STEP_END) _(UNDEF) \
    _(FN) _(TRAP_FN) _(FP_FN) _(FP_TRAP_FN) \
    _(NOP) _(DMB) _(DSB) _(CLREX) _(DC_ZVA) \
    _(MRS_EL0) _(MRS_EL1) _(MSR_EL0) _(MSR_EL1) _(MRS_NZCV) _(MSR_NZCV)

#define A64_OPS_IMMEDIATE(_) \
    _(MOVI) _(MOVU) _(MOVZ_SH) _(MOVN_SH) _(MOVK_X) _(MOVK_W) \
    _(ADR) _(ADRP) \
    A64_XW(_, ADDI) A64_XW(_, ADDSI) A64_XW(_, SUBSI) A64_XW(_, CMPI) \
    A64_XW(_, ANDI) A64_XW(_, ORRI) A64_XW(_, EORI) A64_XW(_, ANDSI) \
    _(ANDT_X) _(ORRT_X) _(EORT_X) _(ANDST_X)

#define A64_OPS_REGISTER(_) \
    A64_XW(_, MOV) \
    A64_ARITH(_, ADD) A64_ARITH(_, SUB) A64_ARITH(_, ADDS) \
    A64_ARITH(_, SUBS) A64_XW(_, CMP) \
    A64_LOGIC(_, AND) A64_LOGIC(_, ORR) A64_LOGIC(_, EOR) \
    A64_LOGIC(_, BIC) A64_LOGIC(_, ORN) A64_LOGIC(_, EON) \
    A64_LOGIC(_, ANDS) A64_LOGIC(_, BICS) \
    A64_XW(_, ADC) A64_XW(_, SBC) A64_XW(_, ADCS) A64_XW(_, SBCS) \
    A64_XW(_, LSLI) A64_XW(_, LSRI) A64_XW(_, ASRI) \
    A64_XW(_, UBFM) A64_XW(_, SBFM) A64_XW(_, BFI) A64_XW(_, BFXIL) \
    A64_XW(_, EXTR) \
    A64_XW(_, LSLV) A64_XW(_, LSRV) A64_XW(_, ASRV) A64_XW(_, RORV) \
    A64_XW(_, MUL) A64_XW(_, MADD) A64_XW(_, MSUB) \
    _(SMADDL) _(UMADDL) _(SMSUBL) _(UMSUBL) _(SMULH) _(UMULH) \
    A64_XW(_, UDIV) A64_XW(_, SDIV) \
    A64_XW(_, RBIT) A64_XW(_, REV16) _(REV32_X) A64_XW(_, REV) \
    A64_XW(_, CLZ) A64_XW(_, CLS) \
    A64_XW(_, CCMP) A64_XW(_, CCMPI) A64_XW(_, CCMN) A64_XW(_, CCMNI)

#define A64_OPS_BRANCH(_) \
    _(B_N) _(B) _(BL_N) _(BL) _(BR) _(BLR) _(RET) \
    _(BCOND) _(CBZ_X) _(CBZ_W) _(CBNZ_X) _(CBNZ_W) _(TBZ) _(TBNZ) \
    _(CBZ_XN) _(CBZ_WN) _(CBNZ_XN) _(CBNZ_WN) _(TBZ_N) _(TBNZ_N)

#define A64_OPS_MEMORY(_) \
    A64_MODES(_, LDRB) A64_MODES(_, LDRH) A64_MODES(_, LDR_W) \
    A64_MODES(_, LDR_X) A64_MODES(_, LDRSB_W) A64_MODES(_, LDRSB_X) \
    A64_MODES(_, LDRSH_W) A64_MODES(_, LDRSH_X) A64_MODES(_, LDRSW) \
    A64_MODES(_, STRB) A64_MODES(_, STRH) A64_MODES(_, STR_W) \
    A64_MODES(_, STR_X) \
    A64_MODES(_, LDR_VB) A64_MODES(_, LDR_VH) A64_MODES(_, LDR_VS) \
    A64_MODES(_, LDR_VD) A64_MODES(_, LDR_VQ) \
    A64_MODES(_, STR_VB) A64_MODES(_, STR_VH) A64_MODES(_, STR_VS) \
    A64_MODES(_, STR_VD) A64_MODES(_, STR_VQ) \
    A64_PAIRS(_, LDP_W) A64_PAIRS(_, LDP_X) A64_PAIRS(_, LDPSW) \
    A64_PAIRS(_, STP_W) A64_PAIRS(_, STP_X) \
    A64_PAIRS(_, LDP_VS) A64_PAIRS(_, LDP_VD) A64_PAIRS(_, LDP_VQ) \
    A64_PAIRS(_, STP_VS) A64_PAIRS(_, STP_VD) A64_PAIRS(_, STP_VQ) \
    _(LDL_W) _(LDL_X) _(LDL_SW) _(LDL_VS) _(LDL_VD) _(LDL_VQ) \
    _(LDTRB) _(LDTRH) _(LDTR_W) _(LDTR_X) \
    _(STTRB) _(STTRH) _(STTR_W) _(STTR_X) \
    _(LDARB) _(LDARH) _(LDAR_W) _(LDAR_X) \
    _(STLRB) _(STLRH) _(STLR_W) _(STLR_X)

/* BC branches in its page; the selects exist in two widths */
#define A64_OPS_CONDITIONAL(_) \
    A64_CONDS(_, BC) \
    A64_CONDS(_, CSEL_X) A64_CONDS(_, CSEL_W) \
    A64_CONDS(_, CSINC_X) A64_CONDS(_, CSINC_W) \
    A64_CONDS(_, CSINV_X) A64_CONDS(_, CSINV_W) \
    A64_CONDS(_, CSNEG_X) A64_CONDS(_, CSNEG_W)

/* one(NAME) for each plain operation, two(NAME, COND) for each conditional */
#define A64_OPS(one, two) \
    A64_OPS_SYSTEM(one) A64_OPS_IMMEDIATE(one) A64_OPS_REGISTER(one) \
    A64_OPS_BRANCH(one) A64_OPS_MEMORY(one) A64_OPS_CONDITIONAL(two)
/* clang-format on */

/* The names as an enumeration: A64_OP_ADD_X, A64_OP_BC_EQ and so on. */
#define A64_OP_NAME(n) A64_OP_##n,
#define A64_OP_NAME_COND(n, c) A64_OP_##n##_##c,
enum a64_opcode { A64_OPS(A64_OP_NAME, A64_OP_NAME_COND) A64_OPCODES };

#endif
