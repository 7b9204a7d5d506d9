/*
 * Advanced SIMD data movement: copies between lanes and registers, permutes,
 * table lookup, immediates.
 */
#include "fp_internal.h"

/* ---- DUP, INS, SMOV, UMOV ------------------------------------------------ */

/* imm5: the lowest one gives the size, what is above it the index. */
static inline unsigned index_of(uint32_t insn, unsigned size)
{
    return insn >> (17 + size) & (15 >> size);
}

#define COPY(arr, w, size, T)                                                  \
    static inline void fill_##w(struct a64_cpu *cpu, uint32_t insn, T x)       \
    {                                                                          \
        union vec r;                                                           \
                                                                               \
        for (unsigned i = 0; i < sizeof(r) / sizeof(r.arr[0]); i++)            \
            r.arr[i] = x;                                                      \
        r.vd &= lanes(insn, size);                                             \
        put_vec(cpu, rd_of(insn), r);                                          \
    }                                                                          \
    static void dup_element_##w(struct a64_cpu *cpu, uint32_t insn)            \
    {                                                                          \
        fill_##w(cpu, insn, reg(cpu, rn_of(insn))->arr[index_of(insn, size)]); \
    }                                                                          \
    static void dup_general_##w(struct a64_cpu *cpu, uint32_t insn)            \
    {                                                                          \
        fill_##w(cpu, insn, (T)cpu->x[rn_of(insn)]);                           \
    }                                                                          \
    static void ins_general_##w(struct a64_cpu *cpu, uint32_t insn)            \
    {                                                                          \
        reg(cpu, rd_of(insn))->arr[index_of(insn, size)] =                     \
            (T)cpu->x[rn_of(insn)];                                            \
    }                                                                          \
    static void ins_element_##w(struct a64_cpu *cpu, uint32_t insn)            \
    {                                                                          \
        unsigned from = insn >> (11 + size) & (15 >> size);                    \
                                                                               \
        reg(cpu, rd_of(insn))->arr[index_of(insn, size)] =                     \
            reg(cpu, rn_of(insn))->arr[from];                                  \
    }                                                                          \
    static void umov_##w(struct a64_cpu *cpu, uint32_t insn)                   \
    {                                                                          \
        put_x(cpu, rd_of(insn),                                                \
              reg(cpu, rn_of(insn))->arr[index_of(insn, size)]);               \
    }

COPY(b, b, 0, uint8_t)
COPY(h, h, 1, uint16_t)
COPY(s, s, 2, uint32_t)
COPY(d, d, 3, uint64_t)

/* To W (T is uint32_t) or X */
#define SIGNED_MOVE(name, arr, size, T)                                        \
    static void name(struct a64_cpu *cpu, uint32_t insn)                       \
    {                                                                          \
        int64_t x = reg(cpu, rn_of(insn))->arr[index_of(insn, size)];          \
                                                                               \
        put_x(cpu, rd_of(insn), (T)x);                                         \
    }

SIGNED_MOVE(smov_w_b, sb, 0, uint32_t)
SIGNED_MOVE(smov_w_h, sh, 1, uint32_t)
SIGNED_MOVE(smov_x_b, sb, 0, uint64_t)
SIGNED_MOVE(smov_x_h, sh, 1, uint64_t)
SIGNED_MOVE(smov_x_s, ss, 2, uint64_t)

static a64_fn *decode_signed_move(uint32_t insn, unsigned size)
{
    static a64_fn *const table[2][4] = {
        {smov_w_b, smov_w_h},
        {smov_x_b, smov_x_h, smov_x_s},
    };

    return table[q_of(insn)][size];
}

a64_fn *simd_decode_copy(uint32_t insn)
{
    static a64_fn *const dup_element[4] = BHSD(dup_element);
    static a64_fn *const dup_general[4] = BHSD(dup_general);
    static a64_fn *const ins_element[4] = BHSD(ins_element);
    static a64_fn *const ins_general[4] = BHSD(ins_general);
    static a64_fn *const umov[4] = BHSD(umov);
    unsigned q = q_of(insn), size;

    if ((insn >> 16 & 15) == 0)
        return NULL;
    size = (unsigned)__builtin_ctz(insn >> 16 & 15);
    if (insn >> 29 & 1)
        return q ? ins_element[size] : NULL;
    switch (insn >> 11 & 15) {
    case 0:
        return size < 3 || q ? dup_element[size] : NULL;
    case 1:
        return size < 3 || q ? dup_general[size] : NULL;
    case 3:
        return q ? ins_general[size] : NULL;
    case 5:
        return decode_signed_move(insn, size);
    case 7:
        return q == (size == 3) ? umov[size] : NULL;
    }
    return NULL;
}

/* DUP, one lane */
a64_fn *simd_decode_scalar_copy(uint32_t insn)
{
    static a64_fn *const table[4] = BHSD(dup_element);

    if ((insn >> 29 & 1) || (insn >> 11 & 15) || (insn >> 16 & 15) == 0)
        return NULL;
    return table[__builtin_ctz(insn >> 16 & 15)];
}

/* ---- UZP, TRN, ZIP ------------------------------------------------------- */

/* Lanes of n and m are picked by the result's lane i; part is 0 for the "1"
 * forms and 1 for the "2" forms. */
#define PERMUTE(arr, size)                                                     \
    static inline void uzp_##arr(struct a64_cpu *cpu, uint32_t insn,           \
                                 unsigned part)                                \
    {                                                                          \
        const union vec n = *reg(cpu, rn_of(insn)),                            \
                        m = *reg(cpu, rm_of(insn));                            \
        unsigned half = (4u << q_of(insn)) >> size;                            \
        union vec r = {.vd = {0, 0}};                                          \
                                                                               \
        for (unsigned i = 0; i < half; i++) {                                  \
            r.arr[i] = n.arr[2 * i + part];                                    \
            r.arr[half + i] = m.arr[2 * i + part];                             \
        }                                                                      \
        put_vec(cpu, rd_of(insn), r);                                          \
    }                                                                          \
    static inline void trn_##arr(struct a64_cpu *cpu, uint32_t insn,           \
                                 unsigned part)                                \
    {                                                                          \
        const union vec n = *reg(cpu, rn_of(insn)),                            \
                        m = *reg(cpu, rm_of(insn));                            \
        union vec r;                                                           \
                                                                               \
        for (unsigned i = 0; i < sizeof(r) / sizeof(r.arr[0]); i += 2) {       \
            r.arr[i] = n.arr[i + part];                                        \
            r.arr[i + 1] = m.arr[i + part];                                    \
        }                                                                      \
        put_q(cpu, insn, r);                                                   \
    }                                                                          \
    static inline void zip_##arr(struct a64_cpu *cpu, uint32_t insn,           \
                                 unsigned part)                                \
    {                                                                          \
        const union vec n = *reg(cpu, rn_of(insn)),                            \
                        m = *reg(cpu, rm_of(insn));                            \
        unsigned half = (4u << q_of(insn)) >> size;                            \
        union vec r = {.vd = {0, 0}};                                          \
                                                                               \
        for (unsigned i = 0; i < half; i++) {                                  \
            r.arr[2 * i] = n.arr[part * half + i];                             \
            r.arr[2 * i + 1] = m.arr[part * half + i];                         \
        }                                                                      \
        put_vec(cpu, rd_of(insn), r);                                          \
    }                                                                          \
    static void uzp1_##arr(struct a64_cpu *cpu, uint32_t insn)                 \
    {                                                                          \
        uzp_##arr(cpu, insn, 0);                                               \
    }                                                                          \
    static void uzp2_##arr(struct a64_cpu *cpu, uint32_t insn)                 \
    {                                                                          \
        uzp_##arr(cpu, insn, 1);                                               \
    }                                                                          \
    static void trn1_##arr(struct a64_cpu *cpu, uint32_t insn)                 \
    {                                                                          \
        trn_##arr(cpu, insn, 0);                                               \
    }                                                                          \
    static void trn2_##arr(struct a64_cpu *cpu, uint32_t insn)                 \
    {                                                                          \
        trn_##arr(cpu, insn, 1);                                               \
    }                                                                          \
    static void zip1_##arr(struct a64_cpu *cpu, uint32_t insn)                 \
    {                                                                          \
        zip_##arr(cpu, insn, 0);                                               \
    }                                                                          \
    static void zip2_##arr(struct a64_cpu *cpu, uint32_t insn)                 \
    {                                                                          \
        zip_##arr(cpu, insn, 1);                                               \
    }

PERMUTE(b, 0)
PERMUTE(h, 1)
PERMUTE(s, 2)
PERMUTE(d, 3)

a64_fn *simd_decode_permute(uint32_t insn)
{
    static a64_fn *const table[8][4] = {
        [1] = BHSD(uzp1), [2] = BHSD(trn1), [3] = BHSD(zip1),
        [5] = BHSD(uzp2), [6] = BHSD(trn2), [7] = BHSD(zip2),
    };
    unsigned size = insn >> 22 & 3;

    return size == 3 && !q_of(insn) ? NULL : table[insn >> 12 & 7][size];
}

/* ---- EXT ----------------------------------------------------------------- */

static void ext_8(struct a64_cpu *cpu, uint32_t insn)
{
    uint64_t n = reg(cpu, rn_of(insn))->d[0], m = reg(cpu, rm_of(insn))->d[0];
    unsigned shift = (insn >> 11 & 7) * 8;

    put_d(cpu, rd_of(insn), n >> shift | m << 1 << (63 - shift));
}

static void ext_16(struct a64_cpu *cpu, uint32_t insn)
{
    union vec pair[2] = {*reg(cpu, rn_of(insn)), *reg(cpu, rm_of(insn))}, r;

    memcpy(&r, pair[0].b + (insn >> 11 & 15), sizeof(r));
    put_vec(cpu, rd_of(insn), r);
}

a64_fn *simd_decode_extract(uint32_t insn)
{
    if (q_of(insn))
        return ext_16;
    return insn >> 14 & 1 ? NULL : ext_8;
}

/* ---- TBL, TBX ------------------------------------------------------------ */

/* `miss` holds what an index beyond the table leaves. */
static inline void lookup(struct a64_cpu *cpu, uint32_t insn, union vec miss)
{
    unsigned count = (insn >> 13 & 3) + 1;
    union vec index = *reg(cpu, rm_of(insn)), table[4];

    for (unsigned i = 0; i < count; i++)
        table[i] = *reg(cpu, (rn_of(insn) + i) & 31);
    for (unsigned i = 0; i < 16; i++)
        if (index.b[i] < 16 * count)
            miss.b[i] = table[index.b[i] / 16].b[index.b[i] % 16];
    put_q(cpu, insn, miss);
}

static void tbl(struct a64_cpu *cpu, uint32_t insn)
{
    lookup(cpu, insn, (union vec){.vd = {0, 0}});
}

static void tbx(struct a64_cpu *cpu, uint32_t insn)
{
    lookup(cpu, insn, *reg(cpu, rd_of(insn)));
}

a64_fn *simd_decode_table(uint32_t insn)
{
    return insn >> 12 & 1 ? tbx : tbl;
}

/* ---- immediates ---------------------------------------------------------- */

static inline unsigned imm8_of(uint32_t insn)
{
    return (insn >> 11 & 0xe0) | (insn >> 5 & 31);
}

/* AdvSIMDExpandImm for cmode below 1110: 64 bits */
static inline uint64_t shifted_imm(uint32_t insn)
{
    uint64_t imm = imm8_of(insn);
    unsigned cmode = insn >> 12 & 15;

    if (cmode < 8) /* 32-bit lanes, 0 to 24 */
        return (imm << (cmode >> 1) * 8) * 0x0000000100000001ULL;
    if (cmode < 12) /* 16-bit lanes, 0 or 8 */
        return (imm << (cmode >> 1 & 1) * 8) * 0x0001000100010001ULL;
    /* 32-bit lanes, ones shifted in: 8 or 16 */
    if (cmode & 1)
        return (imm << 16 | 0xffff) * 0x0000000100000001ULL;
    return (imm << 8 | 0xff) * 0x0000000100000001ULL;
}

static inline void put_imm(struct a64_cpu *cpu, uint32_t insn, uint64_t imm)
{
    reg(cpu, rd_of(insn))->vd = (vu64){imm, imm} & q_mask[q_of(insn)];
}

static void movi(struct a64_cpu *cpu, uint32_t insn)
{
    put_imm(cpu, insn, shifted_imm(insn));
}

static void mvni(struct a64_cpu *cpu, uint32_t insn)
{
    put_imm(cpu, insn, ~shifted_imm(insn));
}

static void movi_b(struct a64_cpu *cpu, uint32_t insn)
{
    put_imm(cpu, insn, imm8_of(insn) * 0x0101010101010101ULL);
}

/* Each bit becomes a byte. */
static void movi_d(struct a64_cpu *cpu, uint32_t insn)
{
    uint64_t imm = 0;

    for (unsigned i = 0; i < 8; i++)
        if (imm8_of(insn) >> i & 1)
            imm |= 0xffULL << (8 * i);
    put_imm(cpu, insn, imm);
}

static void fmov_vs(struct a64_cpu *cpu, uint32_t insn)
{
    put_imm(cpu, insn, fp_expand_imm32(imm8_of(insn)) * 0x0000000100000001ULL);
}

static void fmov_vd(struct a64_cpu *cpu, uint32_t insn)
{
    put_imm(cpu, insn, fp_expand_imm64(imm8_of(insn)));
}

static void orr_imm(struct a64_cpu *cpu, uint32_t insn)
{
    uint64_t imm = shifted_imm(insn);
    union vec r = *reg(cpu, rd_of(insn));

    r.vd |= (vu64){imm, imm};
    put_q(cpu, insn, r);
}

static void bic_imm(struct a64_cpu *cpu, uint32_t insn)
{
    uint64_t imm = ~shifted_imm(insn);
    union vec r = *reg(cpu, rd_of(insn));

    r.vd &= (vu64){imm, imm};
    put_q(cpu, insn, r);
}

a64_fn *simd_decode_immediate(uint32_t insn)
{
    unsigned cmode = insn >> 12 & 15;
    bool op = insn >> 29 & 1;

    if (insn >> 11 & 1)
        return NULL; /* half precision */
    switch (cmode) {
    case 14:
        return op ? movi_d : movi_b;
    case 15:
        if (op)
            return q_of(insn) ? fmov_vd : NULL;
        return fmov_vs;
    }
    if (cmode < 12 && (cmode & 1))
        return op ? bic_imm : orr_imm;
    return op ? mvni : movi;
}
