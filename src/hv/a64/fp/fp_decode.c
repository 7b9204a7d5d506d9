/*
 * Which function runs a data-processing FP, SIMD or crypto instruction: the
 * encoding classes of [C4.1.96]. The files that implement a class pick within
 * it. What the ID registers do not show (half-precision arithmetic, RDM, FCMA,
 * BF16, I8MM, SHA512, SM3 and so on) has no function.
 */
#include "fp_internal.h"

/* Vector and scalar by element: what opcode<15:12> means depends on U. */
static a64_fn *decode_element(uint32_t insn)
{
    unsigned size = insn >> 22 & 3, opcode = insn >> 12 & 15;
    bool u = insn >> 29 & 1, scalar = insn >> 28 & 1;
    bool sizes_1_2 = size == 1 || size == 2;

    switch (opcode) {
    case 1:
    case 5:
    case 9:
        return fp_decode_element(insn);
    case 3:
    case 7:
    case 11:
    case 12:
    case 13:
        return !u && sizes_1_2 ? simd_decode_saturating_element(insn) : NULL;
    }
    if (scalar)
        return NULL;
    switch (opcode) {
    case 0:
    case 4:
        return u && sizes_1_2 ? simd_decode_multiply_element(insn) : NULL;
    case 8:
        return !u && sizes_1_2 ? simd_decode_multiply_element(insn) : NULL;
    case 2:
    case 6:
    case 10:
        return sizes_1_2 ? simd_decode_long_element(insn) : NULL;
    case 14:
        return size == 2 ? simd_decode_dot(insn) : NULL;
    }
    return NULL;
}

static a64_fn *decode_three_same(uint32_t insn)
{
    if ((insn >> 14 & 3) == 3)
        return fp_decode_three_same(insn);
    return simd_decode_three_same(insn);
}

/* Scalar pairwise: ADDP of integers, else floating point. */
static a64_fn *decode_pairwise(uint32_t insn)
{
    if (insn >> 29 & 1)
        return fp_decode_pairwise(insn);
    if ((insn >> 22 & 3) == 3 && (insn >> 12 & 31) == 27)
        return simd_decode_scalar_addp(insn);
    return NULL;
}

/* 01U1 111x */
static a64_fn *decode_simd_scalar(uint32_t insn)
{
    bool plain = (insn >> 29 & 1) == 0 && (insn >> 22 & 3) == 0;

    if (insn >> 24 & 1) {
        if (!(insn >> 10 & 1))
            return decode_element(insn);
        if ((insn >> 23 & 1) || (insn >> 19 & 15) == 0)
            return NULL;
        return simd_decode_shift_immediate(insn);
    }
    if (!(insn >> 21 & 1)) {
        if ((insn >> 22 & 3) || (insn >> 15 & 1))
            return NULL;
        if (insn >> 10 & 1)
            return simd_decode_scalar_copy(insn);
        if (plain && (insn >> 10 & 3) == 0)
            return crypto_decode_sha_three(insn);
        return NULL;
    }
    if (insn >> 10 & 1)
        return decode_three_same(insn);
    if ((insn >> 10 & 3) == 0)
        return simd_decode_three_different(insn);
    switch (insn >> 17 & 15) {
    case 0:
        return simd_decode_two_misc(insn);
    case 4:
        return plain ? crypto_decode_sha_two(insn) : NULL;
    case 8:
        return decode_pairwise(insn);
    }
    return NULL;
}

/* 0QU0 1110, bit 21 clear: data movement, dot products */
static a64_fn *decode_simd_moves(uint32_t insn)
{
    bool u = insn >> 29 & 1, zero_size = (insn >> 22 & 3) == 0;

    if (insn >> 15 & 1) {
        if ((insn >> 10 & 31) == 5 && (insn >> 22 & 3) == 2)
            return simd_decode_dot(insn);
        return NULL;
    }
    if (insn >> 10 & 1)
        return zero_size ? simd_decode_copy(insn) : NULL;
    if (u)
        return zero_size ? simd_decode_extract(insn) : NULL;
    if (insn >> 11 & 1)
        return simd_decode_permute(insn);
    return zero_size ? simd_decode_table(insn) : NULL;
}

/* 0QU0 111x */
static a64_fn *decode_simd_vector(uint32_t insn)
{
    if (insn >> 24 & 1) {
        if (!(insn >> 10 & 1))
            return decode_element(insn);
        if (insn >> 23 & 1)
            return NULL;
        if ((insn >> 19 & 15) == 0)
            return simd_decode_immediate(insn);
        return simd_decode_shift_immediate(insn);
    }
    if (!(insn >> 21 & 1))
        return decode_simd_moves(insn);
    if (insn >> 10 & 1)
        return decode_three_same(insn);
    if ((insn >> 10 & 3) == 0)
        return simd_decode_three_different(insn);
    switch (insn >> 17 & 15) {
    case 0:
        return simd_decode_two_misc(insn);
    case 4:
        if ((insn >> 29 & 1) || !q_of(insn))
            return NULL;
        return crypto_decode_aes(insn);
    case 8:
        return simd_decode_across(insn);
    }
    return NULL;
}

a64_fn *a64_fp_decode(uint32_t insn)
{
    switch (insn >> 28) {
    case 0x0:
    case 0x2:
    case 0x4:
    case 0x6:
        return decode_simd_vector(insn);
    case 0x5:
    case 0x7:
        return decode_simd_scalar(insn);
    case 0x1:
    case 0x3:
    case 0x9:
    case 0xb:
        return fp_decode_scalar(insn);
    }
    return NULL;
}
