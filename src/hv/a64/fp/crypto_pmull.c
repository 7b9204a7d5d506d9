/*
 * PMULL: polynomial (carry-less) multiplication, of bytes to halfwords and of
 * doublewords to 128 bits.
 */
#include "fp_internal.h"

static void pmull_b(struct a64_cpu *cpu, uint32_t insn)
{
    unsigned first = q_of(insn) * 8;
    const union vec *n = reg(cpu, rn_of(insn)), *m = reg(cpu, rm_of(insn));
    union vec r = {.vd = {0, 0}};
    vu16 x, y;

    for (unsigned i = 0; i < 8; i++) {
        x[i] = n->b[first + i];
        y[i] = m->b[first + i];
    }
    for (unsigned i = 0; i < 8; i++) {
        r.vh ^= x & (vu16)((y & 1) != 0);
        x += x;
        y >>= 1;
    }
    put_vec(cpu, rd_of(insn), r);
}

static void pmull_d(struct a64_cpu *cpu, uint32_t insn)
{
    uint64_t n = reg(cpu, rn_of(insn))->d[q_of(insn)];
    uint64_t m = reg(cpu, rm_of(insn))->d[q_of(insn)];
    union vec r = {.vd = {0, 0}};

    for (unsigned i = 0; i < 64; i++) {
        uint64_t take = -(m >> i & 1);

        r.d[0] ^= (n << i) & take;
        r.d[1] ^= (n >> 1 >> (63 - i)) & take;
    }
    put_vec(cpu, rd_of(insn), r);
}

#if defined(__x86_64__) && !defined(A64_FP_SOFT)
#include <immintrin.h>

__attribute__((target("pclmul"))) static void pmull_d_clmul(struct a64_cpu *cpu,
                                                            uint32_t insn)
{
    __m128i n = (__m128i)reg(cpu, rn_of(insn))->vd;
    __m128i m = (__m128i)reg(cpu, rm_of(insn))->vd;

    reg(cpu, rd_of(insn))->vd =
        (vu64)(q_of(insn) ? _mm_clmulepi64_si128(n, m, 0x11)
                          : _mm_clmulepi64_si128(n, m, 0x00));
}

static a64_fn *doubleword(void)
{
    return __builtin_cpu_supports("pclmul") ? pmull_d_clmul : pmull_d;
}
#else
static a64_fn *doubleword(void)
{
    return pmull_d;
}
#endif

/* Three different, opcode 1110 */
a64_fn *crypto_decode_pmull(uint32_t insn)
{
    unsigned size = insn >> 22 & 3;

    if ((insn >> 29 & 1) || (insn >> 28 & 1))
        return NULL;
    if (size == 0)
        return pmull_b;
    return size == 3 ? doubleword() : NULL;
}
