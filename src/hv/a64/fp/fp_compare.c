/*
 * Floating-point comparisons: into NZCV, conditionally, and into masks.
 */
#include "fp_fast.h"

/* ---- FCMP, FCMPE, FCCMP, FCCMPE ------------------------------------------ */

/* [C6] FPCompare: less 1000, equal 0110, greater 0010, unordered 0011 */
static void set_relation(struct a64_cpu *cpu, enum sf_relation relation)
{
    cpu->fn = (uint64_t)(relation == SF_LESS) << 63;
    cpu->fz = relation != SF_EQUAL;
    cpu->fc = relation != SF_LESS;
    cpu->fv = relation == SF_UNORDERED;
}

FP_COLD static void compare_slow(struct a64_cpu *cpu, struct sf_format f,
                                 uint64_t a, uint64_t b, bool signal)
{
    struct sf_env env = fp_env(cpu);

    set_relation(cpu, sf_compare(&env, f, a, b, signal));
    cpu->fpsr |= env.flags;
}

/* The host's quiet comparison raises invalid operation for signalling NaNs
 * itself. */
#define COMPARE_TYPE(type, suffix, format)                                     \
    static inline void compare_##suffix(struct a64_cpu *cpu, type a, type b,   \
                                        bool signal)                           \
    {                                                                          \
        if (!fp_reads_##suffix(cpu, a) || !fp_reads_##suffix(cpu, b) ||        \
            LULL_UNLIKELY(__builtin_isunordered(a, b)))                        \
            return compare_slow(cpu, format, bits_of_##suffix(a),              \
                                bits_of_##suffix(b), signal);                  \
        cpu->fn = (uint64_t)__builtin_isless(a, b) << 63;                      \
        cpu->fz = a != b;                                                      \
        cpu->fc = !__builtin_isless(a, b);                                     \
        cpu->fv = 0;                                                           \
    }

COMPARE_TYPE(float, f32, SF_SINGLE)
COMPARE_TYPE(double, f64, SF_DOUBLE)

#define FCMP_TYPE(type, arr, suffix, w)                                        \
    static void fcmp_##w(struct a64_cpu *cpu, uint32_t insn)                   \
    {                                                                          \
        compare_##suffix(cpu, reg(cpu, rn_of(insn))->arr[0],                   \
                         reg(cpu, rm_of(insn))->arr[0], false);                \
    }                                                                          \
    static void fcmpe_##w(struct a64_cpu *cpu, uint32_t insn)                  \
    {                                                                          \
        compare_##suffix(cpu, reg(cpu, rn_of(insn))->arr[0],                   \
                         reg(cpu, rm_of(insn))->arr[0], true);                 \
    }                                                                          \
    static void fcmp_zero_##w(struct a64_cpu *cpu, uint32_t insn)              \
    {                                                                          \
        compare_##suffix(cpu, reg(cpu, rn_of(insn))->arr[0], 0, false);        \
    }                                                                          \
    static void fcmpe_zero_##w(struct a64_cpu *cpu, uint32_t insn)             \
    {                                                                          \
        compare_##suffix(cpu, reg(cpu, rn_of(insn))->arr[0], 0, true);         \
    }                                                                          \
    static void fccmp_##w(struct a64_cpu *cpu, uint32_t insn)                  \
    {                                                                          \
        if (fp_condition(cpu, insn >> 12 & 15))                                \
            compare_##suffix(cpu, reg(cpu, rn_of(insn))->arr[0],               \
                             reg(cpu, rm_of(insn))->arr[0], insn >> 4 & 1);    \
        else                                                                   \
            a64_set_nzcv(cpu, insn << 28);                                     \
    }

FCMP_TYPE(float, f, f32, s)
FCMP_TYPE(double, g, f64, d)

a64_fn *fp_decode_compare(uint32_t insn)
{
    bool is_double = insn >> 22 & 1;

    if ((insn >> 10 & 3) == 1)
        return is_double ? fccmp_d : fccmp_s;
    switch (insn >> 14 & 3 ? 32 : insn & 31) {
    case 0x00:
        return is_double ? fcmp_d : fcmp_s;
    case 0x08:
        return is_double ? fcmp_zero_d : fcmp_zero_s;
    case 0x10:
        return is_double ? fcmpe_d : fcmpe_s;
    case 0x18:
        return is_double ? fcmpe_zero_d : fcmpe_zero_s;
    }
    return NULL;
}

/* ---- into masks ---------------------------------------------------------- */

enum test { TEST_EQ, TEST_GE, TEST_GT, TEST_LE, TEST_LT };

static bool holds(enum test test, enum sf_relation r)
{
    switch (test) {
    case TEST_EQ:
        return r == SF_EQUAL;
    case TEST_GE:
        return r == SF_GREATER || r == SF_EQUAL;
    case TEST_GT:
        return r == SF_GREATER;
    case TEST_LE:
        return r == SF_LESS || r == SF_EQUAL;
    case TEST_LT:
        break;
    }
    return r == SF_LESS;
}

/* Equality lets quiet NaNs pass, the others do not. */
FP_COLD static union vec mask_slow_s(struct a64_cpu *cpu, union vec a,
                                     union vec b, enum test test)
{
    struct sf_env env = fp_env(cpu);

    for (unsigned i = 0; i < 4; i++) {
        enum sf_relation r =
            sf_compare(&env, SF_SINGLE, a.s[i], b.s[i], test != TEST_EQ);

        a.s[i] = holds(test, r) ? UINT32_MAX : 0;
    }
    cpu->fpsr |= env.flags;
    return a;
}

FP_COLD static union vec mask_slow_d(struct a64_cpu *cpu, union vec a,
                                     union vec b, enum test test)
{
    struct sf_env env = fp_env(cpu);

    for (unsigned i = 0; i < 2; i++) {
        enum sf_relation r =
            sf_compare(&env, SF_DOUBLE, a.d[i], b.d[i], test != TEST_EQ);

        a.d[i] = holds(test, r) ? UINT64_MAX : 0;
    }
    cpu->fpsr |= env.flags;
    return a;
}

/* The host's <, <=, >, >= raise invalid operation for every NaN, == for
 * signalling ones: as Arm's do. */
#define MASK_TYPE(name, op, test, varr, vint, w, size, prepare)                \
    static inline void name##_##w##_with(struct a64_cpu *cpu, uint32_t insn,   \
                                         union vec b)                          \
    {                                                                          \
        vu64 mask = lanes(insn, size);                                         \
        union vec a = *reg(cpu, rn_of(insn)), r;                               \
                                                                               \
        a.vd &= mask;                                                          \
        b.vd &= mask;                                                          \
        prepare;                                                               \
        if (fp_reads_##varr(cpu, a.varr) && fp_reads_##varr(cpu, b.varr))      \
            r.vint = a.varr op b.varr;                                         \
        else                                                                   \
            r = mask_slow_##w(cpu, a, b, test);                                \
        r.vd &= mask;                                                          \
        put_vec(cpu, rd_of(insn), r);                                          \
    }

#define MASK(name, op, test)                                                   \
    MASK_TYPE(name, op, test, vf, vss, s, 2, (void)0)                          \
    MASK_TYPE(name, op, test, vg, vsd, d, 3, (void)0)

#define MASK_ABSOLUTE(name, op, test)                                          \
    MASK_TYPE(name, op, test, vf, vss, s, 2,                                   \
              (a.vs &= INT32_MAX, b.vs &= INT32_MAX))                          \
    MASK_TYPE(name, op, test, vg, vsd, d, 3,                                   \
              (a.vd &= INT64_MAX, b.vd &= INT64_MAX))

MASK(fcmeq, ==, TEST_EQ)
MASK(fcmge, >=, TEST_GE)
MASK(fcmgt, >, TEST_GT)
MASK(fcmle, <=, TEST_LE)
MASK(fcmlt, <, TEST_LT)
MASK_ABSOLUTE(facge, >=, TEST_GE)
MASK_ABSOLUTE(facgt, >, TEST_GT)

#define WITH_REGISTER(name, w)                                                 \
    static void name##_##w(struct a64_cpu *cpu, uint32_t insn)                 \
    {                                                                          \
        name##_##w##_with(cpu, insn, *reg(cpu, rm_of(insn)));                  \
    }

#define WITH_ZERO(name, w)                                                     \
    static void name##_zero_##w(struct a64_cpu *cpu, uint32_t insn)            \
    {                                                                          \
        name##_##w##_with(cpu, insn, (union vec){.vd = {0, 0}});               \
    }

WITH_REGISTER(fcmeq, s)
WITH_REGISTER(fcmeq, d)
WITH_REGISTER(fcmge, s)
WITH_REGISTER(fcmge, d)
WITH_REGISTER(fcmgt, s)
WITH_REGISTER(fcmgt, d)
WITH_REGISTER(facge, s)
WITH_REGISTER(facge, d)
WITH_REGISTER(facgt, s)
WITH_REGISTER(facgt, d)
WITH_ZERO(fcmeq, s)
WITH_ZERO(fcmeq, d)
WITH_ZERO(fcmge, s)
WITH_ZERO(fcmge, d)
WITH_ZERO(fcmgt, s)
WITH_ZERO(fcmgt, d)
WITH_ZERO(fcmle, s)
WITH_ZERO(fcmle, d)
WITH_ZERO(fcmlt, s)
WITH_ZERO(fcmlt, d)

/* U, size<1> and the low bits of the opcode pick one of each class. */
a64_fn *fp_decode_three_same_compare(uint32_t insn)
{
    bool d = insn >> 22 & 1;

    switch ((insn >> 27 & 4) | (insn >> 22 & 2) | (insn >> 11 & 1)) {
    case 0: /* 11100 */
        return d ? fcmeq_d : fcmeq_s;
    case 4:
        return d ? fcmge_d : fcmge_s;
    case 5: /* 11101 */
        return d ? facge_d : facge_s;
    case 6:
        return d ? fcmgt_d : fcmgt_s;
    case 7:
        return d ? facgt_d : facgt_s;
    }
    return NULL;
}

a64_fn *fp_decode_zero_compare(uint32_t insn)
{
    bool d = insn >> 22 & 1;

    switch ((insn >> 27 & 4) | (insn >> 12 & 3)) {
    case 0: /* 01100 */
        return d ? fcmgt_zero_d : fcmgt_zero_s;
    case 1: /* 01101 */
        return d ? fcmeq_zero_d : fcmeq_zero_s;
    case 2: /* 01110 */
        return d ? fcmlt_zero_d : fcmlt_zero_s;
    case 4:
        return d ? fcmge_zero_d : fcmge_zero_s;
    case 5:
        return d ? fcmle_zero_d : fcmle_zero_s;
    }
    return NULL;
}
