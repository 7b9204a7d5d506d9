/*
 * SHA1 and SHA256: four rounds, or four words of the schedule, an instruction.
 * [FIPS 180-4]
 */
#include "fp_internal.h"

static inline uint32_t rol(uint32_t x, unsigned n)
{
    return x << n | x >> (32 - n);
}

static inline uint32_t ror(uint32_t x, unsigned n)
{
    return x >> n | x << (32 - n);
}

static inline uint32_t choose(uint32_t x, uint32_t y, uint32_t z)
{
    return ((y ^ z) & x) ^ z;
}

static inline uint32_t majority(uint32_t x, uint32_t y, uint32_t z)
{
    return (x & y) | ((x | y) & z);
}

static inline uint32_t parity(uint32_t x, uint32_t y, uint32_t z)
{
    return x ^ y ^ z;
}

/* ---- SHA1 ---------------------------------------------------------------- */

/* Vd holds a to d, the lowest word of Vn is e, Vm the scheduled words with
 * their constants. */
#define SHA1_ROUNDS(name, f)                                                   \
    static void name(struct a64_cpu *cpu, uint32_t insn)                       \
    {                                                                          \
        union vec x = *reg(cpu, rd_of(insn));                                  \
        uint32_t e = reg(cpu, rn_of(insn))->s[0], next;                        \
        union vec w = *reg(cpu, rm_of(insn));                                  \
                                                                               \
        for (unsigned i = 0; i < 4; i++) {                                     \
            next = e + rol(x.s[0], 5) + f(x.s[1], x.s[2], x.s[3]) + w.s[i];    \
            e = x.s[3];                                                        \
            x.s[3] = x.s[2];                                                   \
            x.s[2] = rol(x.s[1], 30);                                          \
            x.s[1] = x.s[0];                                                   \
            x.s[0] = next;                                                     \
        }                                                                      \
        put_vec(cpu, rd_of(insn), x);                                          \
    }

SHA1_ROUNDS(sha1c, choose)
SHA1_ROUNDS(sha1p, parity)
SHA1_ROUNDS(sha1m, majority)

static void sha1h(struct a64_cpu *cpu, uint32_t insn)
{
    put_s(cpu, rd_of(insn), rol(reg(cpu, rn_of(insn))->s[0], 30));
}

static void sha1su0(struct a64_cpu *cpu, uint32_t insn)
{
    vu64 d = reg(cpu, rd_of(insn))->vd, n = reg(cpu, rn_of(insn))->vd;
    vu64 middle = {d[1], n[0]};

    reg(cpu, rd_of(insn))->vd = d ^ middle ^ reg(cpu, rm_of(insn))->vd;
}

static void sha1su1(struct a64_cpu *cpu, uint32_t insn)
{
    vu32 d = reg(cpu, rd_of(insn))->vs, n = reg(cpu, rn_of(insn))->vs;
    vu32 t = d ^ (vu32) { n[1], n[2], n[3], 0 };
    vu32 r = (t << 1) | (t >> 31);

    r[3] ^= rol(t[0], 2);
    reg(cpu, rd_of(insn))->vs = r;
}

/* ---- SHA256 -------------------------------------------------------------- */

/* a to d in x, e to h in y */
static void sha256_rounds(union vec *x, union vec *y, union vec w)
{
    for (unsigned i = 0; i < 4; i++) {
        uint32_t a = x->s[0], e = y->s[0];
        uint32_t sum1 = ror(e, 6) ^ ror(e, 11) ^ ror(e, 25);
        uint32_t sum0 = ror(a, 2) ^ ror(a, 13) ^ ror(a, 22);
        uint32_t t1 = y->s[3] + sum1 + choose(e, y->s[1], y->s[2]) + w.s[i];
        uint32_t t2 = sum0 + majority(a, x->s[1], x->s[2]);

        *y = (union vec){.s = {x->s[3] + t1, e, y->s[1], y->s[2]}};
        *x = (union vec){.s = {t1 + t2, a, x->s[1], x->s[2]}};
    }
}

static void sha256h(struct a64_cpu *cpu, uint32_t insn)
{
    union vec x = *reg(cpu, rd_of(insn)), y = *reg(cpu, rn_of(insn));

    sha256_rounds(&x, &y, *reg(cpu, rm_of(insn)));
    put_vec(cpu, rd_of(insn), x);
}

static void sha256h2(struct a64_cpu *cpu, uint32_t insn)
{
    union vec x = *reg(cpu, rn_of(insn)), y = *reg(cpu, rd_of(insn));

    sha256_rounds(&x, &y, *reg(cpu, rm_of(insn)));
    put_vec(cpu, rd_of(insn), y);
}

static void sha256su0(struct a64_cpu *cpu, uint32_t insn)
{
    union vec r = *reg(cpu, rd_of(insn));
    uint32_t t[4] = {r.s[1], r.s[2], r.s[3], reg(cpu, rn_of(insn))->s[0]};

    for (unsigned i = 0; i < 4; i++)
        r.s[i] += ror(t[i], 7) ^ ror(t[i], 18) ^ (t[i] >> 3);
    put_vec(cpu, rd_of(insn), r);
}

static void sha256su1(struct a64_cpu *cpu, uint32_t insn)
{
    union vec r = *reg(cpu, rd_of(insn));
    const union vec n = *reg(cpu, rn_of(insn)), m = *reg(cpu, rm_of(insn));
    uint32_t t[4] = {n.s[1], n.s[2], n.s[3], m.s[0]};

    for (unsigned i = 0; i < 4; i++) {
        uint32_t x = i < 2 ? m.s[2 + i] : r.s[i - 2];

        r.s[i] += t[i] + (ror(x, 17) ^ ror(x, 19) ^ (x >> 10));
    }
    put_vec(cpu, rd_of(insn), r);
}

/* ---- decoding ------------------------------------------------------------ */

a64_fn *crypto_decode_sha_three(uint32_t insn)
{
    static a64_fn *const table[8] = {
        sha1c, sha1p, sha1m, sha1su0, sha256h, sha256h2, sha256su1, NULL,
    };

    return table[insn >> 12 & 7];
}

a64_fn *crypto_decode_sha_two(uint32_t insn)
{
    static a64_fn *const table[3] = {sha1h, sha1su1, sha256su0};
    unsigned opcode = insn >> 12 & 31;

    return opcode < 3 ? table[opcode] : NULL;
}
