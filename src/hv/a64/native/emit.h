/*
 * An x86-64 assembler, as much of one as native_x86_64.c needs: instructions
 * on registers and on [base + disp32], written to a buffer with a bound.
 * Running out sets `full`, and nothing more is written; the caller looks once,
 * at the end.
 */
#ifndef LULL_A64_EMIT_H
#define LULL_A64_EMIT_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* clang-format off */
enum reg { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI,
           R8, R9, R10, R11, R12, R13, R14, R15 };

/* The operation field of the arithmetic group, of the shift group, and of the
 * group of one operand. */
enum alu { ALU_ADD, ALU_OR, ALU_ADC, ALU_SBB, ALU_AND, ALU_SUB, ALU_XOR,
           ALU_CMP };
enum shift { SH_ROL, SH_ROR, SH_RCL, SH_RCR, SH_SHL, SH_SHR, SH_SAR = 7 };
enum unary { UN_NOT = 2, UN_NEG, UN_MUL, UN_IMUL, UN_DIV, UN_IDIV };

/* Condition codes; the lowest bit inverts. */
enum cc { CC_O, CC_NO, CC_B, CC_AE, CC_E, CC_NE, CC_BE, CC_A,
          CC_S, CC_NS, CC_P, CC_NP, CC_L, CC_GE, CC_LE, CC_G };
/* clang-format on */

struct emit {
    uint8_t *start, *at, *end;
    bool full;
};

static inline void emit8(struct emit *e, unsigned byte)
{
    if (e->at >= e->end) {
        e->full = true;
        return;
    }
    *e->at++ = (uint8_t)byte;
}

static inline void emit32(struct emit *e, uint32_t value)
{
    if (e->end - e->at < 4) {
        e->full = true;
        return;
    }
    memcpy(e->at, &value, 4);
    e->at += 4;
}

static inline void emit64(struct emit *e, uint64_t value)
{
    emit32(e, (uint32_t)value);
    emit32(e, (uint32_t)(value >> 32));
}

/* REX prefix; `force` for the byte registers SPL..DIL. */
static inline void rex(struct emit *e, bool w, unsigned reg, unsigned index,
                       unsigned base, bool force)
{
    unsigned prefix = 0x40 | (unsigned)w << 3 | (reg >> 3) << 2 |
                      (index >> 3) << 1 | base >> 3;

    if (prefix != 0x40 || force)
        emit8(e, prefix);
}

/* Opcodes above 0xff have a 0x0f in front. */
static inline void opcode_bytes(struct emit *e, unsigned opcode)
{
    if (opcode > 0xff)
        emit8(e, opcode >> 8);
    emit8(e, opcode & 0xff);
}

/* opcode reg, rm: both registers */
static inline void op_rr(struct emit *e, bool w, unsigned opcode, unsigned reg,
                         unsigned rm)
{
    rex(e, w, reg, 0, rm, false);
    opcode_bytes(e, opcode);
    emit8(e, 0xc0 | (reg & 7) << 3 | (rm & 7));
}

/* The same where rm is a byte register. */
static inline void op_rr8(struct emit *e, bool w, unsigned opcode, unsigned reg,
                          unsigned rm)
{
    rex(e, w, reg, 0, rm, true);
    opcode_bytes(e, opcode);
    emit8(e, 0xc0 | (reg & 7) << 3 | (rm & 7));
}

/* opcode reg, [base + disp]; base is not RSP or R12. */
static inline void op_rm(struct emit *e, bool w, unsigned opcode, unsigned reg,
                         unsigned base, int32_t disp)
{
    rex(e, w, reg, 0, base, false);
    opcode_bytes(e, opcode);
    emit8(e, 0x80 | (reg & 7) << 3 | (base & 7));
    emit32(e, (uint32_t)disp);
}

/* opcode reg, [base + index * 2^scale + disp] */
static inline void op_rx(struct emit *e, bool w, unsigned opcode, unsigned reg,
                         unsigned base, unsigned index, unsigned scale,
                         int32_t disp)
{
    rex(e, w, reg, index, base, false);
    opcode_bytes(e, opcode);
    emit8(e, 0x84 | (reg & 7) << 3);
    emit8(e, scale << 6 | (index & 7) << 3 | (base & 7));
    emit32(e, (uint32_t)disp);
}

/* A 32-bit move clears the upper half, so it is one even onto itself. */
static inline void mov_rr(struct emit *e, bool w, unsigned to, unsigned from)
{
    if (to != from || !w)
        op_rr(e, w, 0x8b, to, from);
}

/* Leaves the flags alone. */
static inline void mov_ri(struct emit *e, unsigned to, uint64_t value)
{
    bool sign = (uint64_t)(int64_t)(int32_t)value == value;

    if (value <= UINT32_MAX) {
        rex(e, false, 0, 0, to, false);
        emit8(e, 0xb8 | (to & 7));
        emit32(e, (uint32_t)value);
    } else if (sign) {
        rex(e, true, 0, 0, to, false);
        emit8(e, 0xc7);
        emit8(e, 0xc0 | (to & 7));
        emit32(e, (uint32_t)value);
    } else {
        rex(e, true, 0, 0, to, false);
        emit8(e, 0xb8 | (to & 7));
        emit64(e, value);
    }
}

static inline void alu_rr(struct emit *e, bool w, enum alu alu, unsigned to,
                          unsigned from)
{
    op_rr(e, w, (unsigned)alu << 3 | 3, to, from);
}

static inline void alu_ri(struct emit *e, bool w, enum alu alu, unsigned to,
                          int32_t imm)
{
    rex(e, w, 0, 0, to, false);
    emit8(e, 0x81);
    emit8(e, 0xc0 | (unsigned)alu << 3 | (to & 7));
    emit32(e, (uint32_t)imm);
}

static inline void shift_ri(struct emit *e, bool w, enum shift kind,
                            unsigned reg, unsigned amount)
{
    rex(e, w, 0, 0, reg, false);
    emit8(e, 0xc1);
    emit8(e, 0xc0 | (unsigned)kind << 3 | (reg & 7));
    emit8(e, amount);
}

/* By CL. */
static inline void shift_cl(struct emit *e, bool w, enum shift kind,
                            unsigned reg)
{
    rex(e, w, 0, 0, reg, false);
    emit8(e, 0xd3);
    emit8(e, 0xc0 | (unsigned)kind << 3 | (reg & 7));
}

static inline void unary(struct emit *e, bool w, enum unary which, unsigned reg)
{
    rex(e, w, 0, 0, reg, false);
    emit8(e, 0xf7);
    emit8(e, 0xc0 | (unsigned)which << 3 | (reg & 7));
}

/* setcc byte [base + disp] */
static inline void setcc_m(struct emit *e, enum cc cc, unsigned base,
                           int32_t disp)
{
    op_rm(e, false, 0x0f90 | cc, 0, base, disp);
}

/* mov dword or qword [base + disp], imm32 (sign-extended) */
static inline void mov_mi(struct emit *e, bool w, unsigned base, int32_t disp,
                          int32_t imm)
{
    op_rm(e, w, 0xc7, 0, base, disp);
    emit32(e, (uint32_t)imm);
}

/* mov byte [base + disp], imm */
static inline void mov_m8i(struct emit *e, unsigned base, int32_t disp,
                           unsigned imm)
{
    op_rm(e, false, 0xc6, 0, base, disp);
    emit8(e, imm);
}

/* cmp byte [base + disp], imm; cmp qword [base + disp], imm */
static inline void cmp_m8i(struct emit *e, unsigned base, int32_t disp,
                           unsigned imm)
{
    op_rm(e, false, 0x80, 7, base, disp);
    emit8(e, imm);
}

static inline void cmp_m64i8(struct emit *e, unsigned base, int32_t disp,
                             unsigned imm)
{
    op_rm(e, true, 0x83, 7, base, disp);
    emit8(e, imm);
}

/* Jumps of 32 bits, to be patched: the result is where the jump ends. */
static inline uint8_t *jcc(struct emit *e, enum cc cc)
{
    emit8(e, 0x0f);
    emit8(e, 0x80 | cc);
    emit32(e, 0);
    return e->at;
}

static inline uint8_t *jmp(struct emit *e)
{
    emit8(e, 0xe9);
    emit32(e, 0);
    return e->at;
}

/* Make the jump that ended at `from` go to `to`. */
static inline void patch(const struct emit *e, uint8_t *from, const uint8_t *to)
{
    int32_t distance = (int32_t)(to - from);

    if (!e->full)
        memcpy(from - 4, &distance, 4);
}

static inline void push(struct emit *e, unsigned reg)
{
    rex(e, false, 0, 0, reg, false);
    emit8(e, 0x50 | (reg & 7));
}

static inline void pop(struct emit *e, unsigned reg)
{
    rex(e, false, 0, 0, reg, false);
    emit8(e, 0x58 | (reg & 7));
}

#endif
