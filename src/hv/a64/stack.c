/*
 * Instructions that can leave SP misaligned, as functions.
 *
 * SCTLR_EL1.SA makes every access by a misaligned SP fault. The fast paths do
 * not look: while SP is misaligned, the soft TLB's context is one that no entry
 * has, and every access takes the slow way, which does (a64_tlb_regime). So
 * whatever changes SP<3:0> must ask for that. What moves SP by a multiple of
 * 16, which is nearly all that programs do, does not come here.
 */
#include "code.h"

#include <string.h>

static uint64_t extended(uint64_t x, unsigned option)
{
    unsigned width = 8u << (option & 3);

    if (width == 64)
        return x;
    return option & 4 ? (uint64_t)sext(x, width) : x & ones(width);
}

static uint64_t arithmetic(uint64_t a, uint64_t b, bool subtract)
{
    return subtract ? a - b : a + b;
}

/* ADD, SUB (immediate, extended register) and AND, ORR, EOR (immediate) with
 * SP or WSP as destination. */
void a64_sp_write(struct a64_cpu *cpu, uint32_t insn)
{
    unsigned n = insn >> 5 & 31;
    uint64_t value, operand;

    if (bits(insn, 28, 23) == 0x24) { /* logical */
        operand = a64_bitmask[bits(insn, 22, 10)];
        value = bits(insn, 30, 29) == 0   ? cpu->x[n] & operand
                : bits(insn, 30, 29) == 1 ? cpu->x[n] | operand
                                          : cpu->x[n] ^ operand;
    } else {
        if (bits(insn, 28, 24) == 0x11)
            operand = bits(insn, 21, 10) << (bit(insn, 22) ? 12 : 0);
        else
            operand =
                extended(cpu->x[insn >> 16 & 31], (unsigned)bits(insn, 15, 13))
                << bits(insn, 12, 10);
        value =
            arithmetic(cpu->x[n == 31 ? A64_SP : n], operand, bit(insn, 30));
    }
    cpu->x[A64_SP] = bit(insn, 31) ? value : (uint32_t)value;
    a64_tlb_regime(cpu);
}

/* ---- loads and stores that write SP back --------------------------------- */

struct access {
    bool pair, vector, load, before; /* pre-index */
    unsigned bytes;                  /* of one register */
    unsigned extend;                 /* to 8 bytes or 4 by sign; 0: zeros */
    int64_t offset;
};

static struct access pair_of(uint32_t insn)
{
    unsigned opc = (unsigned)bits(insn, 31, 30);
    bool vector = bit(insn, 26);
    unsigned log = vector ? opc + 2 : opc == 2 ? 3 : 2;

    return (struct access){
        .pair = true,
        .vector = vector,
        .load = bit(insn, 22),
        .before = bit(insn, 24),
        .bytes = 1u << log,
        .extend = !vector && opc == 1 ? 8 : 0,
        .offset = sext(bits(insn, 21, 15), 7) * (1 << log),
    };
}

static struct access single_of(uint32_t insn)
{
    unsigned size = (unsigned)bits(insn, 31, 30);
    unsigned opc = (unsigned)bits(insn, 23, 22);
    bool vector = bit(insn, 26);

    return (struct access){
        .vector = vector,
        .load = vector ? opc & 1 : opc != 0,
        .before = bit(insn, 11),
        .bytes = vector && opc >= 2 ? 16 : 1u << size,
        .extend = vector || opc < 2 ? 0
                  : opc == 2        ? 8
                                    : 4,
        .offset = sext(bits(insn, 20, 12), 9),
    };
}

static void loaded(struct a64_cpu *cpu, const struct access *access, unsigned t,
                   const uint8_t *from)
{
    uint64_t value = 0;

    if (access->vector) {
        cpu->v[t] = (union a64_vreg){.d = {0}};
        memcpy(&cpu->v[t], from, access->bytes);
        return;
    }
    memcpy(&value, from, access->bytes);
    if (access->extend != 0)
        value = (uint64_t)sext(value, 8 * access->bytes);
    cpu->x[t == 31 ? A64_TRASH : t] =
        access->extend == 4 ? (uint32_t)value : value;
}

static const void *stored(const struct a64_cpu *cpu,
                          const struct access *access, unsigned t)
{
    return access->vector ? (const void *)&cpu->v[t] : &cpu->x[t];
}

/* LDR, STR, LDP and STP by SP, pre- and post-indexed. */
enum a64_next a64_sp_writeback(struct a64_cpu *cpu, uint32_t insn)
{
    struct access a = bits(insn, 29, 27) == 5 ? pair_of(insn) : single_of(insn);
    uint64_t next_sp = cpu->x[A64_SP] + (uint64_t)a.offset;
    uint64_t va = a.before ? next_sp : cpu->x[A64_SP];
    unsigned t = insn & 31, t2 = insn >> 10 & 31;
    unsigned all = a.pair ? 2 * a.bytes : a.bytes;
    uint8_t data[32] = {0};
    enum a64_next next;

    if (!a.load) {
        memcpy(data, stored(cpu, &a, t), a.bytes);
        if (a.pair)
            memcpy(data + a.bytes, stored(cpu, &a, t2), a.bytes);
    }
    next = a.load ? a64_load(cpu, va, all, data, A64_MEM_SP)
                  : a64_store(cpu, va, all, data, A64_MEM_SP);
    if (next != A64_NEXT)
        return next;
    cpu->x[A64_SP] = next_sp;
    a64_tlb_regime(cpu);
    if (a.load) {
        loaded(cpu, &a, t, data);
        if (a.pair)
            loaded(cpu, &a, t2, data + a.bytes);
    }
    return A64_NEXT;
}
