/*
 * Every floating-point instruction against MPFR, over operands that are the
 * corners of the formats: all pairs of them, triples for the fused ones, in
 * each rounding mode, with and without flush to zero and default NaN.
 *
 * usage: level1 [SINGLES PAIRS TRIPLES]
 *
 * Of the combinations for operations of one, two and three operands, one of so
 * many is tried, another in each mode (1: all of them). LEVEL1 in the
 * environment, the same three numbers, goes before the arguments.
 *
 * What is expected is worked out once for an operation (the addition of
 * doubles, say), and each of its forms (scalar, vectors of each width) is then
 * run from it. Results, the rest of the register, and FPSR must be right.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fp_model.h"
#include "level1_engine.h"

/* ---- operations and their forms ---- */

enum { MAX_FORMS = 8, MAX_OPERATIONS = 2048, MAX_OPERANDS = 3 };

enum file { VECTOR, GENERAL, FLAGS };

struct form {
    uint32_t word;
    unsigned lanes; /* of a vector; 1 for a scalar */
};

struct operation {
    const char *name;
    /* of the operands; NULL: integers of in_bytes */
    model_fmt format, to;
    unsigned in_bytes, out_bytes, operands;
    enum file in, out;
    bool accumulates; /* the first operand is in the destination */
    bool half;        /* FPCR.AHP matters */
    uint64_t (*expect)(struct model_env *e, const struct operation *op,
                       const uint64_t *a);
    /* for expect */
    uint64_t (*two)(struct model_env *e, model_fmt f, uint64_t a, uint64_t b);
    uint64_t (*one)(struct model_env *e, model_fmt f, uint64_t a);
    unsigned fbits, width;
    enum model_round round;
    bool by_fpcr; /* the rounding mode is FPCR's */
    bool is_unsigned, exact, swap, negate_addend, negate_product;
    unsigned forms;
    struct form form[MAX_FORMS];
};

static struct operation operations[MAX_OPERATIONS];
static unsigned operation_count;

/* Registers: V1, V2, V3 and X1 in, V0 and X0 out. */
enum { N = 1 << 5, M = 2 << 16, A = 3 << 10 };

static struct operation *operation(const char *name, model_fmt f,
                                   unsigned operands)
{
    struct operation *op = &operations[operation_count++];

    if (operation_count > MAX_OPERATIONS)
        abort();
    op->name = name;
    op->format = op->to = f;
    op->operands = operands;
    op->in_bytes = op->out_bytes = (f->exp_bits + f->frac_bits + 1) / 8;
    return op;
}

static void form(struct operation *op, uint32_t word, unsigned lanes)
{
    struct form *f = &op->form[op->forms++];

    if (op->forms > MAX_FORMS)
        abort();
    f->word = word | N;
    f->lanes = lanes;
}

static bool is_double(const struct operation *op)
{
    return op->format == &model_double;
}

/* The type field of a scalar; of a vector, the same bit. */
static uint32_t type(const struct operation *op)
{
    return is_double(op) ? 1u << 22 : 0;
}

/* Vector forms: as many lanes as fit 64 and 128 bits. */
static void vector_forms(struct operation *op, uint32_t word)
{
    if (!is_double(op))
        form(op, word, 2);
    form(op, word | type(op) | 1u << 30, is_double(op) ? 2 : 4);
}

static const model_fmt both[2] = {&model_single, &model_double};

/* ---- two operands ---- */

static uint64_t expect_two(struct model_env *e, const struct operation *op,
                           const uint64_t *a)
{
    return op->two(e, op->format, a[op->swap], a[!op->swap]);
}

typedef uint64_t two_model(struct model_env *e, model_fmt f, uint64_t a,
                           uint64_t b);

static struct operation *two(const char *name, model_fmt f, two_model *model)
{
    struct operation *op = operation(name, f, 2);

    op->two = model;
    op->expect = expect_two;
    return op;
}

static void add_two_operands(void)
{
    /* words with U, opcode and the upper bit of size; 0: no such form */
    static const struct {
        const char *name;
        two_model *model;
        uint32_t scalar, simd_scalar, vector;
    } rows[] = {
        {"fmul", model_mul, 0x1e200800, 0, 0x2e20dc00},
        {"fdiv", model_div, 0x1e201800, 0, 0x2e20fc00},
        {"fadd", model_add, 0x1e202800, 0, 0x0e20d400},
        {"fsub", model_sub, 0x1e203800, 0, 0x0ea0d400},
        {"fmax", model_max, 0x1e204800, 0, 0x0e20f400},
        {"fmin", model_min, 0x1e205800, 0, 0x0ea0f400},
        {"fmaxnm", model_maxnm, 0x1e206800, 0, 0x0e20c400},
        {"fminnm", model_minnm, 0x1e207800, 0, 0x0ea0c400},
        {"fnmul", model_nmul, 0x1e208800, 0, 0},
        {"fmulx", model_mulx, 0, 0x5e20dc00, 0x0e20dc00},
        {"frecps", model_recps, 0, 0x5e20fc00, 0x0e20fc00},
        {"frsqrts", model_rsqrts, 0, 0x5ea0fc00, 0x0ea0fc00},
        {"fabd", model_abd, 0, 0x7ea0d400, 0x2ea0d400},
        {"fcmeq", model_cmeq, 0, 0x5e20e400, 0x0e20e400},
        {"fcmge", model_cmge, 0, 0x7e20e400, 0x2e20e400},
        {"fcmgt", model_cmgt, 0, 0x7ea0e400, 0x2ea0e400},
        {"facge", model_acge, 0, 0x7e20ec00, 0x2e20ec00},
        {"facgt", model_acgt, 0, 0x7ea0ec00, 0x2ea0ec00},
    };

    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        for (unsigned d = 0; d < 2; d++) {
            struct operation *op = two(rows[i].name, both[d], rows[i].model);

            if (rows[i].scalar)
                form(op, rows[i].scalar | M | type(op), 1);
            if (rows[i].simd_scalar)
                form(op, rows[i].simd_scalar | M | type(op), 1);
            if (rows[i].vector)
                vector_forms(op, rows[i].vector | M);
        }
}

/* FMUL and FMULX by element 0. */
static void add_by_element(void)
{
    for (unsigned d = 0; d < 2; d++) {
        struct operation *op = two("fmul element", both[d], model_mul);

        form(op, 0x5f809000 | M | type(op), 1);
        op = two("fmulx element", both[d], model_mulx);
        form(op, 0x7f809000 | M | type(op), 1);
    }
}

static void add_compares(void)
{
    static const struct {
        const char *name;
        two_model *model;
        uint32_t word;
    } rows[] = {{"fcmp", model_cmp, 0x1e202000},
                {"fcmpe", model_cmpe, 0x1e202010}};

    for (unsigned i = 0; i < 2; i++)
        for (unsigned d = 0; d < 2; d++) {
            struct operation *op = two(rows[i].name, both[d], rows[i].model);

            form(op, rows[i].word | M | type(op), 1);
            /* FCCMP, FCCMPE with a condition that holds (AL) */
            form(op, 0x1e20e400 | (rows[i].word & 0x10) | M | type(op), 1);
            op->out = FLAGS;
        }
}

/* Comparisons with zero. */
static uint64_t expect_zero(struct model_env *e, const struct operation *op,
                            const uint64_t *a)
{
    return op->swap ? op->two(e, op->format, 0, a[0])
                    : op->two(e, op->format, a[0], 0);
}

static void add_zero_compares(void)
{
    static const struct {
        const char *name;
        two_model *model;
        bool swap;
        uint32_t scalar, simd_scalar, vector;
    } rows[] = {
        {"fcmp zero", model_cmp, false, 0x1e202008, 0, 0},
        {"fcmpe zero", model_cmpe, false, 0x1e202018, 0, 0},
        {"fcmgt zero", model_cmgt, false, 0, 0x5ea0c800, 0x0ea0c800},
        {"fcmeq zero", model_cmeq, false, 0, 0x5ea0d800, 0x0ea0d800},
        {"fcmlt zero", model_cmgt, true, 0, 0x5ea0e800, 0x0ea0e800},
        {"fcmge zero", model_cmge, false, 0, 0x7ea0c800, 0x2ea0c800},
        {"fcmle zero", model_cmge, true, 0, 0x7ea0d800, 0x2ea0d800},
    };

    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        for (unsigned d = 0; d < 2; d++) {
            struct operation *op = operation(rows[i].name, both[d], 1);

            op->expect = expect_zero;
            op->two = rows[i].model;
            op->swap = rows[i].swap;
            if (rows[i].scalar) {
                form(op, rows[i].scalar | type(op), 1);
                op->out = FLAGS;
            } else {
                form(op, rows[i].simd_scalar | type(op), 1);
                vector_forms(op, rows[i].vector);
            }
        }
}

/* ---- fused ---- */

static uint64_t expect_fused(struct model_env *e, const struct operation *op,
                             const uint64_t *a)
{
    uint64_t sign = is_double(op) ? 1ULL << 63 : 1ULL << 31;

    return model_muladd(e, op->format, a[0] ^ (op->negate_addend ? sign : 0),
                        a[1] ^ (op->negate_product ? sign : 0), a[2]);
}

static void add_fused(void)
{
    static const struct {
        const char *name;
        bool negate_addend, negate_product;
        uint32_t scalar;
    } rows[] = {{"fmadd", false, false, 0x1f000000},
                {"fmsub", false, true, 0x1f008000},
                {"fnmadd", true, true, 0x1f200000},
                {"fnmsub", true, false, 0x1f208000}};

    for (unsigned i = 0; i < 6; i++)
        for (unsigned d = 0; d < 2; d++) {
            bool vector = i >= 4;
            struct operation *op = operation(
                vector ? (i == 4 ? "fmla" : "fmls") : rows[i].name, both[d], 3);

            op->expect = expect_fused;
            op->accumulates = vector;
            if (vector) {
                op->negate_product = i == 5;
                vector_forms(op, (i == 4 ? 0x0e20cc00 : 0x0ea0cc00) | M);
                form(op, (i == 4 ? 0x5f801000 : 0x5f805000) | M | type(op), 1);
            } else {
                op->negate_addend = rows[i].negate_addend;
                op->negate_product = rows[i].negate_product;
                form(op, rows[i].scalar | M | A | type(op), 1);
            }
        }
}

/* ---- one operand ---- */

static uint64_t expect_one(struct model_env *e, const struct operation *op,
                           const uint64_t *a)
{
    return op->one(e, op->format, a[0]);
}

static void add_one_operand(void)
{
    static const struct {
        const char *name;
        uint64_t (*model)(struct model_env *e, model_fmt f, uint64_t a);
        uint32_t scalar, simd_scalar, vector;
    } rows[] = {{"fsqrt", model_sqrt, 0x1e21c000, 0, 0x2ea1f800},
                {"frecpe", model_recpe, 0, 0x5ea1d800, 0x0ea1d800},
                {"frsqrte", model_rsqrte, 0, 0x7ea1d800, 0x2ea1d800},
                {"frecpx", model_recpx, 0, 0x5ea1f800, 0}};

    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        for (unsigned d = 0; d < 2; d++) {
            struct operation *op = operation(rows[i].name, both[d], 1);

            op->one = rows[i].model;
            op->expect = expect_one;
            if (rows[i].scalar)
                form(op, rows[i].scalar | type(op), 1);
            if (rows[i].simd_scalar)
                form(op, rows[i].simd_scalar | type(op), 1);
            if (rows[i].vector)
                vector_forms(op, rows[i].vector);
        }
}

/* URECPE, URSQRTE */
static uint64_t expect_integer_estimate(struct model_env *e,
                                        const struct operation *op,
                                        const uint64_t *a)
{
    (void)e;
    return op->is_unsigned ? model_urecpe((uint32_t)a[0])
                           : model_ursqrte((uint32_t)a[0]);
}

static void add_integer_estimates(void)
{
    for (unsigned u = 0; u < 2; u++) {
        struct operation *op =
            operation(u ? "urecpe" : "ursqrte", &model_single, 1);

        op->expect = expect_integer_estimate;
        op->is_unsigned = u;
        vector_forms(op, u ? 0x0ea1c800 : 0x2ea1c800);
    }
}

static uint64_t expect_round_int(struct model_env *e,
                                 const struct operation *op, const uint64_t *a)
{
    return model_round_int(e, op->format, a[0],
                           op->by_fpcr ? e->round : op->round, op->exact);
}

static void add_round_int(void)
{
    static const struct {
        const char *name;
        enum model_round round;
        bool by_fpcr, exact;
        uint32_t scalar, vector;
    } rows[] = {{"frintn", ROUND_NEAREST, false, false, 0x1e244000, 0x0e218800},
                {"frintp", ROUND_UP, false, false, 0x1e24c000, 0x0ea18800},
                {"frintm", ROUND_DOWN, false, false, 0x1e254000, 0x0e219800},
                {"frintz", ROUND_ZERO, false, false, 0x1e25c000, 0x0ea19800},
                {"frinta", ROUND_AWAY, false, false, 0x1e264000, 0x2e218800},
                {"frintx", ROUND_NEAREST, true, true, 0x1e274000, 0x2e219800},
                {"frinti", ROUND_NEAREST, true, false, 0x1e27c000, 0x2ea19800}};

    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        for (unsigned d = 0; d < 2; d++) {
            struct operation *op = operation(rows[i].name, both[d], 1);

            op->expect = expect_round_int;
            op->round = rows[i].round;
            op->by_fpcr = rows[i].by_fpcr;
            op->exact = rows[i].exact;
            form(op, rows[i].scalar | type(op), 1);
            vector_forms(op, rows[i].vector);
        }
}

/* ---- between formats ---- */

static uint64_t expect_convert(struct model_env *e, const struct operation *op,
                               const uint64_t *a)
{
    struct model_env own = *e;
    uint64_t r;

    if (op->round == ROUND_ODD)
        own.round = ROUND_ODD;
    r = model_convert(&own, op->to, op->format, a[0]);
    e->flags = own.flags;
    return r;
}

static struct operation *convert(const char *name, model_fmt to, model_fmt from)
{
    struct operation *op = operation(name, from, 1);

    op->to = to;
    op->out_bytes = (to->exp_bits + to->frac_bits + 1) / 8;
    op->expect = expect_convert;
    op->half = to == &model_half || from == &model_half;
    return op;
}

static void add_convert(void)
{
    struct operation *op;

    op = convert("fcvt d, s", &model_double, &model_single);
    form(op, 0x1e22c000, 1);
    form(op, 0x0e617800, 2); /* FCVTL */
    op = convert("fcvt h, s", &model_half, &model_single);
    form(op, 0x1e23c000, 1);
    form(op, 0x0e216800, 4); /* FCVTN */
    op = convert("fcvt s, d", &model_single, &model_double);
    form(op, 0x1e624000, 1);
    form(op, 0x0e616800, 2);
    op = convert("fcvt h, d", &model_half, &model_double);
    form(op, 0x1e63c000, 1);
    op = convert("fcvt s, h", &model_single, &model_half);
    form(op, 0x1ee24000, 1);
    form(op, 0x0e217800, 4);
    op = convert("fcvt d, h", &model_double, &model_half);
    form(op, 0x1ee2c000, 1);
    op = convert("fcvtxn", &model_single, &model_double);
    op->round = ROUND_ODD;
    form(op, 0x7e616800, 1);
    form(op, 0x2e616800, 2);
}

/* ---- integers and fixed point ---- */

static uint64_t expect_to_fixed(struct model_env *e, const struct operation *op,
                                const uint64_t *a)
{
    return model_to_fixed(e, op->format, a[0], op->fbits, op->is_unsigned,
                          op->width, op->round);
}

static struct operation *to_fixed(const char *name, model_fmt f, unsigned width,
                                  unsigned fbits, bool is_unsigned,
                                  enum model_round round, enum file out)
{
    struct operation *op = operation(name, f, 1);

    op->expect = expect_to_fixed;
    op->width = width;
    op->out_bytes = width / 8;
    op->fbits = fbits;
    op->is_unsigned = is_unsigned;
    op->round = round;
    op->out = out;
    return op;
}

static void add_to_integer(void)
{
    static const struct {
        const char *name;
        enum model_round round;
        uint32_t general, vector;
    } rows[] = {{"fcvtn", ROUND_NEAREST, 0x1e200000, 0x0e21a800},
                {"fcvtp", ROUND_UP, 0x1e280000, 0x0ea1a800},
                {"fcvtm", ROUND_DOWN, 0x1e300000, 0x0e21b800},
                {"fcvtz", ROUND_ZERO, 0x1e380000, 0x0ea1b800},
                {"fcvta", ROUND_AWAY, 0x1e240000, 0x0e21c800}};

    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        for (unsigned k = 0; k < 4; k++) {
            bool u = k & 1, d = k >> 1;
            struct operation *op;

            for (unsigned sf = 0; sf < 2; sf++) {
                op = to_fixed(rows[i].name, both[d], sf ? 64 : 32, 0, u,
                              rows[i].round, GENERAL);
                form(op,
                     rows[i].general | (uint32_t)sf << 31 | (uint32_t)u << 16 |
                         type(op),
                     1);
            }
            op = to_fixed(rows[i].name, both[d], d ? 64 : 32, 0, u,
                          rows[i].round, VECTOR);
            form(op, rows[i].vector | 0x50000000 | (uint32_t)u << 29 | type(op),
                 1);
            vector_forms(op, rows[i].vector | (uint32_t)u << 29);
        }
}

static uint64_t expect_from_fixed(struct model_env *e,
                                  const struct operation *op, const uint64_t *a)
{
    return model_from_fixed(e, op->to, a[0], op->fbits, op->is_unsigned,
                            op->width);
}

static struct operation *from_fixed(const char *name, model_fmt to,
                                    unsigned width, unsigned fbits,
                                    bool is_unsigned, enum file in)
{
    struct operation *op = operation(name, to, 1);

    op->expect = expect_from_fixed;
    op->format = NULL;
    op->in_bytes = width / 8;
    op->width = width;
    op->fbits = fbits;
    op->is_unsigned = is_unsigned;
    op->in = in;
    return op;
}

static void add_from_integer(void)
{
    for (unsigned k = 0; k < 4; k++) {
        bool u = k & 1, d = k >> 1;
        uint32_t t = (uint32_t)d << 22;
        struct operation *op;

        for (unsigned sf = 0; sf < 2; sf++) {
            op = from_fixed("cvtf", both[d], sf ? 64 : 32, 0, u, GENERAL);
            form(op, 0x1e220000 | (uint32_t)u << 16 | (uint32_t)sf << 31 | t,
                 1);
        }
        op = from_fixed("cvtf", both[d], d ? 64 : 32, 0, u, VECTOR);
        form(op, 0x5e21d800 | (uint32_t)u << 29 | t, 1);
        form(op, 0x4e21d800 | (uint32_t)u << 29 | t, d ? 2 : 4);
    }
}

/* Fixed point: every position of the point. */
static void add_fixed_point(bool u, bool d, bool sf)
{
    uint32_t bits = (uint32_t)u << 16 | (uint32_t)sf << 31 | (uint32_t)d << 22;

    for (unsigned fbits = 1; fbits <= (sf ? 64 : 32); fbits++) {
        struct operation *op = to_fixed("fcvtz fixed", both[d], sf ? 64 : 32,
                                        fbits, u, ROUND_ZERO, GENERAL);

        form(op, 0x1e180000 | bits | (64 - fbits) << 10, 1);
        op = from_fixed("cvtf fixed", both[d], sf ? 64 : 32, fbits, u, GENERAL);
        form(op, 0x1e020000 | bits | (64 - fbits) << 10, 1);
    }
}

static void add_vector_fixed_point(bool u, bool d)
{
    unsigned width = d ? 64 : 32;

    for (unsigned fbits = 1; fbits <= width; fbits++) {
        uint32_t bits = (uint32_t)u << 29 | (2 * width - fbits) << 16;
        struct operation *op = to_fixed("fcvtz fixed", both[d], width, fbits, u,
                                        ROUND_ZERO, VECTOR);

        form(op, 0x5f00fc00 | bits, 1);
        form(op, 0x4f00fc00 | bits, d ? 2 : 4);
        op = from_fixed("cvtf fixed", both[d], width, fbits, u, VECTOR);
        form(op, 0x5f00e400 | bits, 1);
        form(op, 0x4f00e400 | bits, d ? 2 : 4);
    }
}

static void add_operations(void)
{
    add_two_operands();
    add_by_element();
    add_compares();
    add_zero_compares();
    add_fused();
    add_one_operand();
    add_integer_estimates();
    add_round_int();
    add_convert();
    add_to_integer();
    add_from_integer();
    for (unsigned k = 0; k < 8; k++)
        add_fixed_point(k & 1, k >> 1 & 1, k >> 2);
    for (unsigned k = 0; k < 4; k++)
        add_vector_fixed_point(k & 1, k >> 1);
}

/* ---- operands ---- */

struct values {
    unsigned count;
    uint64_t *v;
};

/* Exponents and fractions, each with each, both signs. */
static struct values products(model_fmt f, const unsigned *exps, unsigned ne,
                              const uint64_t *fracs, unsigned nf)
{
    struct values set = {0, malloc(2ul * ne * nf * sizeof(uint64_t))};

    if (set.v == NULL)
        abort();
    for (unsigned sign = 0; sign < 2; sign++)
        for (unsigned e = 0; e < ne; e++)
            for (unsigned i = 0; i < nf; i++)
                set.v[set.count++] = (uint64_t)sign
                                         << (f->exp_bits + f->frac_bits) |
                                     (uint64_t)exps[e] << f->frac_bits |
                                     (fracs[i] & ((1ULL << f->frac_bits) - 1));
    return set;
}

/*
 * For pairs and triples: both ends of the exponents, half way to them (where
 * products and quotients meet the ends), around one, and a fraction's length
 * away from one (where sums begin to lose bits).
 */
static struct values corners(model_fmt f)
{
    unsigned bias = (1u << (f->exp_bits - 1)) - 1, max = 2 * bias + 1;
    unsigned p = f->frac_bits;
    const unsigned exps[] = {
        0,        1,    2,        bias / 2, bias / 2 + 1, bias - p - 1,
        bias - 1, bias, bias + 1, bias + p, bias * 3 / 2, max - 1,
        max};
    uint64_t half = 1ULL << (p - 1), all = (1ULL << p) - 1;
    const uint64_t fracs[] = {0,
                              1,
                              half - 1,
                              half,
                              half + 1,
                              all - 1,
                              all,
                              0x2aaaaaaaaaaaaa,
                              0x9e3779b97f4a7c15};

    return products(f, exps, sizeof(exps) / sizeof(exps[0]), fracs,
                    sizeof(fracs) / sizeof(fracs[0]));
}

/* Whose meetings have rules of their own; all triples of these are tried. */
static struct values specials(model_fmt f)
{
    unsigned bias = (1u << (f->exp_bits - 1)) - 1, max = 2 * bias + 1;
    struct values set = {0, malloc(24 * sizeof(uint64_t))};
    uint64_t one = (uint64_t)bias << f->frac_bits;
    uint64_t infinity = (uint64_t)max << f->frac_bits;
    uint64_t quiet = 1ULL << (f->frac_bits - 1);
    const uint64_t magnitudes[] = {0,
                                   1,
                                   1ULL << f->frac_bits,
                                   one,
                                   infinity - 1,
                                   infinity,
                                   infinity | quiet | 5,
                                   infinity | 3};

    if (set.v == NULL)
        abort();
    for (unsigned i = 0; i < 16; i++)
        set.v[set.count++] = magnitudes[i / 2] |
                             (uint64_t)(i & 1) << (f->exp_bits + f->frac_bits);
    return set;
}

/* For operations of one operand: every exponent; of half precision, all.
 * `few` fractions for the many operations of fixed point. */
static struct values singles(model_fmt f, bool few)
{
    unsigned count = 1u << f->exp_bits, nf = 0;
    unsigned *exps = malloc(count * sizeof(*exps));
    uint64_t fracs[256], all = (1ULL << f->frac_bits) - 1;
    struct values set;

    if (exps == NULL)
        abort();
    for (unsigned i = 0; i < count; i++)
        exps[i] = i;
    if (f == &model_half) {
        set = (struct values){1u << 16, malloc(8u << 16)};
        if (set.v == NULL)
            abort();
        for (unsigned i = 0; i < 1u << 16; i++)
            set.v[i] = i;
        free(exps);
        return set;
    }
    for (unsigned i = 0; i < f->frac_bits; i += few ? 11 : 1) {
        fracs[nf++] = 1ULL << i;
        fracs[nf++] = all << i;
        fracs[nf++] = all >> i;
    }
    fracs[nf++] = 0;
    fracs[nf++] = (1ULL << (f->frac_bits - 1)) + 1;
    for (uint64_t i = 1; i < (few ? 4 : 16); i++)
        fracs[nf++] = i * 0x9e3779b97f4a7c15 >> 7;
    set = products(f, exps, count, fracs, nf);
    free(exps);
    return set;
}

/* Integers: single bits, runs, and near them. */
static struct values integers(void)
{
    struct values set = {0, malloc(64 * 64 * 6 * sizeof(uint64_t))};

    if (set.v == NULL)
        abort();
    for (unsigned i = 0; i < 64; i++)
        for (unsigned k = 0; k <= i; k++) {
            uint64_t x = (1ULL << i) + (1ULL << k);

            for (unsigned d = 0; d < 3; d++) {
                set.v[set.count++] = x + d - 1;
                set.v[set.count++] = -(x + d - 1);
            }
        }
    return set;
}

static const struct values *values_for(const struct operation *op)
{
    static struct values sets[1 + 3 * 3];
    struct values *set;
    unsigned which = op->operands > 1 ? 2 : op->fbits > 0;

    if (op->format == NULL) {
        set = &sets[0];
        if (set->v == NULL)
            *set = integers();
        return set;
    }
    set = &sets[1 + 3 * which + (op->format == &model_single) +
                2 * (op->format == &model_double)];
    if (set->v == NULL)
        *set =
            which == 2 ? corners(op->format) : singles(op->format, which == 1);
    return set;
}

/* ---- running ---- */

enum { MODES = 16 };

struct batch {
    unsigned count;
    uint64_t in[ENGINE_BATCH][MAX_OPERANDS], out[ENGINE_BATCH];
    uint8_t flags[ENGINE_BATCH];
};

static unsigned long cases, instructions, differences;

/* Which registers an operand goes to. */
static void load_operands(const struct operation *op, const struct batch *b,
                          unsigned at, unsigned lanes, struct engine_run *r)
{
    static const unsigned fused[] = {3, 1, 2}, others[] = {1, 2, 3};
    const unsigned *v = op->operands == 3 ? fused : others;

    memset(r, 0, sizeof(*r));
    memset(r->v[0], 0xa5, sizeof(r->v[0]));
    memset(&r->x[0], 0xa5, sizeof(r->x[0]));
    /* inexact set or not: what the fast paths may do depends on it */
    r->fpsr = at / 16 & 1 ? FLAG_IX : 0;
    for (unsigned lane = 0; lane < lanes; lane++)
        for (unsigned i = 0; i < op->operands; i++) {
            unsigned reg = op->accumulates && i == 0 ? 0 : v[i];
            const uint64_t *value = &b->in[at + lane][i];

            if (op->in == GENERAL)
                r->x[1] = *value;
            else
                memcpy(r->v[reg] + lane * op->in_bytes, value, op->in_bytes);
        }
}

static void report(const struct operation *op, uint32_t word, uint32_t fpcr,
                   const struct batch *b, unsigned at, unsigned lanes,
                   const struct engine_run *r, uint64_t fpsr)
{
    uint64_t v[2];

    if (differences++ >= 30)
        return;
    memcpy(v, r->v[0], 16);
    printf("%s %08" PRIx32 ": fpcr %08" PRIx32 "\n", op->name, word, fpcr);
    for (unsigned i = 0; i < lanes; i++)
        printf("  %016" PRIx64 " %016" PRIx64 " %016" PRIx64
               " should be %016" PRIx64 ", flags %02x\n",
               b->in[at + i][0], b->in[at + i][1], b->in[at + i][2],
               b->out[at + i], b->flags[at + i]);
    printf("  is v0 %016" PRIx64 " %016" PRIx64 " x0 %016" PRIx64
           " nzcv %08" PRIx64 " fpsr %08" PRIx64 ", should be %08" PRIx64 "\n",
           v[1], v[0], r->x[0], r->nzcv, r->fpsr, fpsr);
}

/* Whether the register written is what it should be, all of it. */
static bool result_is_right(const struct operation *op, const struct batch *b,
                            unsigned at, unsigned lanes,
                            const struct engine_run *r)
{
    uint8_t want[16] = {0};

    switch (op->out) {
    case GENERAL:
        return r->x[0] == b->out[at];
    case FLAGS:
        return r->nzcv == b->out[at];
    default:
        for (unsigned i = 0; i < lanes; i++)
            memcpy(want + i * op->out_bytes, &b->out[at + i], op->out_bytes);
        return memcmp(want, r->v[0], 16) == 0;
    }
}

static void run_form(const struct operation *op, const struct form *form,
                     uint32_t fpcr, const struct batch *b)
{
    static struct engine_run runs[ENGINE_BATCH];
    unsigned lanes = form->lanes, count = b->count / lanes;

    for (unsigned i = 0; i < count; i++)
        load_operands(op, b, i * lanes, lanes, &runs[i]);
    if (!engine_run(form->word, fpcr, runs, count)) {
        printf("%s %08" PRIx32 " is UNDEF\n", op->name, form->word);
        differences++;
        return;
    }
    for (unsigned i = 0; i < count; i++) {
        unsigned at = i * lanes;
        uint64_t fpsr = at / 16 & 1 ? FLAG_IX : 0;

        for (unsigned k = 0; k < lanes; k++)
            fpsr |= b->flags[at + k];
        if (!result_is_right(op, b, at, lanes, &runs[i]) ||
            runs[i].fpsr != fpsr)
            report(op, form->word, fpcr, b, at, lanes, &runs[i], fpsr);
    }
    instructions += count;
}

static void run_batch(const struct operation *op, uint32_t fpcr,
                      struct batch *b)
{
    struct model_env e = {.round = (enum model_round)(fpcr >> 22 & 3),
                          .fz = fpcr >> 24 & 1,
                          .dn = fpcr >> 25 & 1,
                          .ahp = fpcr >> 26 & 1};

    for (unsigned i = 0; i < b->count; i++) {
        e.flags = 0;
        b->out[i] = op->expect(&e, op, b->in[i]);
        b->flags[i] = (uint8_t)e.flags;
    }
    cases += b->count;
    for (unsigned i = 0; i < op->forms; i++)
        run_form(op, &op->form[i], fpcr, b);
    b->count = 0;
}

/* All combinations, or one of `stride`, from `start` on. */
static void run_mode(const struct operation *op, const struct values *set,
                     uint32_t fpcr, uint64_t stride, uint64_t start)
{
    static struct batch batch;
    uint64_t total = 1;

    for (unsigned i = 0; i < op->operands; i++)
        total *= set->count;
    for (uint64_t at = start % stride; at < total; at += stride) {
        uint64_t rest = at;

        for (unsigned i = 0; i < op->operands; i++, rest /= set->count)
            batch.in[batch.count][i] = set->v[rest % set->count];
        if (++batch.count == ENGINE_BATCH)
            run_batch(op, fpcr, &batch);
    }
    run_batch(op, fpcr, &batch);
}

/* Strides that have nothing in common with the sizes of the sets. */
static uint64_t odd_stride(uint64_t stride)
{
    if (stride == 0)
        return 1;
    while (stride > 1 && (stride % 2 == 0 || stride % 3 == 0 ||
                          stride % 13 == 0 || stride % 5 == 0))
        stride++;
    return stride;
}

static void run_operation(const struct operation *op, uint64_t stride,
                          unsigned start)
{
    /* rounding, FZ, DN, and AHP where there is a half */
    unsigned modes = op->half ? 2 * MODES : MODES;
    struct values few = {0, NULL};

    if (op->operands == 3)
        few = specials(op->format);
    for (uint32_t mode = 0; mode < modes; mode++) {
        run_mode(op, values_for(op), mode << 22, stride, mode * 5 + start);
        if (op->operands == 3)
            run_mode(op, &few, mode << 22, 1, 0);
    }
    free(few.v);
}

int main(int argc, char **argv)
{
    const char *wish = getenv("LEVEL1");
    uint64_t stride[MAX_OPERANDS] = {1, 1, 64};

    for (int i = 0; i < MAX_OPERANDS && i + 1 < argc; i++)
        stride[i] = strtoull(argv[i + 1], NULL, 0);
    if (wish != NULL && sscanf(wish, "%" SCNu64 " %" SCNu64 " %" SCNu64,
                               &stride[0], &stride[1], &stride[2]) != 3) {
        fprintf(stderr, "LEVEL1: three numbers, not \"%s\"\n", wish);
        return 1;
    }
    model_init();
    engine_start();
    add_operations();
    for (unsigned i = 0; i < operation_count; i++)
        run_operation(&operations[i],
                      odd_stride(stride[operations[i].operands - 1]), i);
    printf("%u operations, %lu cases, %lu instructions run, %lu differences\n",
           operation_count, cases, instructions, differences);
    return differences != 0;
}
