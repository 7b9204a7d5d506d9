/*
 * Arm's floating point, worked out with MPFR: the independent answer that the
 * engine's is compared with.
 *
 * MPFR does the arithmetic and the rounding; what Arm adds to IEEE 754 (NaNs,
 * flush to zero, tininess before rounding, estimates) is written here from the
 * definitions in DDI 0487, shared/functions/float. Values are in the low bits
 * of a uint64_t.
 */
#ifndef LULL_TESTS_FP_MODEL_H
#define LULL_TESTS_FP_MODEL_H

#include <stdbool.h>
#include <stdint.h>

enum {
    FLAG_IO = 1 << 0,
    FLAG_DZ = 1 << 1,
    FLAG_OF = 1 << 2,
    FLAG_UF = 1 << 3,
    FLAG_IX = 1 << 4,
    FLAG_ID = 1 << 7,
};

/* The first four as in FPCR.RMode. */
enum model_round {
    ROUND_NEAREST,
    ROUND_UP,
    ROUND_DOWN,
    ROUND_ZERO,
    ROUND_AWAY, /* nearest, ties away; to integers only */
    ROUND_ODD,  /* FCVTXN only */
};

struct model_format {
    unsigned exp_bits, frac_bits;
};

extern const struct model_format model_half, model_single, model_double;

struct model_env {
    enum model_round round;
    bool fz, dn, ahp;
    unsigned flags; /* gathered */
};

typedef const struct model_format *model_fmt;

void model_init(void);

uint64_t model_add(struct model_env *e, model_fmt f, uint64_t a, uint64_t b);
uint64_t model_sub(struct model_env *e, model_fmt f, uint64_t a, uint64_t b);
uint64_t model_mul(struct model_env *e, model_fmt f, uint64_t a, uint64_t b);
uint64_t model_nmul(struct model_env *e, model_fmt f, uint64_t a, uint64_t b);
uint64_t model_div(struct model_env *e, model_fmt f, uint64_t a, uint64_t b);
uint64_t model_mulx(struct model_env *e, model_fmt f, uint64_t a, uint64_t b);
uint64_t model_abd(struct model_env *e, model_fmt f, uint64_t a, uint64_t b);
uint64_t model_max(struct model_env *e, model_fmt f, uint64_t a, uint64_t b);
uint64_t model_min(struct model_env *e, model_fmt f, uint64_t a, uint64_t b);
uint64_t model_maxnm(struct model_env *e, model_fmt f, uint64_t a, uint64_t b);
uint64_t model_minnm(struct model_env *e, model_fmt f, uint64_t a, uint64_t b);
uint64_t model_recps(struct model_env *e, model_fmt f, uint64_t a, uint64_t b);
uint64_t model_rsqrts(struct model_env *e, model_fmt f, uint64_t a, uint64_t b);
/* NZCV in bits 31 to 28 */
uint64_t model_cmp(struct model_env *e, model_fmt f, uint64_t a, uint64_t b);
uint64_t model_cmpe(struct model_env *e, model_fmt f, uint64_t a, uint64_t b);
/* all ones or zero */
uint64_t model_cmeq(struct model_env *e, model_fmt f, uint64_t a, uint64_t b);
uint64_t model_cmge(struct model_env *e, model_fmt f, uint64_t a, uint64_t b);
uint64_t model_cmgt(struct model_env *e, model_fmt f, uint64_t a, uint64_t b);
uint64_t model_acge(struct model_env *e, model_fmt f, uint64_t a, uint64_t b);
uint64_t model_acgt(struct model_env *e, model_fmt f, uint64_t a, uint64_t b);

uint64_t model_sqrt(struct model_env *e, model_fmt f, uint64_t a);
uint64_t model_recpe(struct model_env *e, model_fmt f, uint64_t a);
uint64_t model_rsqrte(struct model_env *e, model_fmt f, uint64_t a);
uint64_t model_recpx(struct model_env *e, model_fmt f, uint64_t a);

/* Of an unsigned fixed-point number below one, top bit first [Unsigned
 * RecipEstimate, UnsignedRSqrtEstimate]. */
uint32_t model_urecpe(uint32_t a);
uint32_t model_ursqrte(uint32_t a);

/* addend + n * m */
uint64_t model_muladd(struct model_env *e, model_fmt f, uint64_t addend,
                      uint64_t n, uint64_t m);

uint64_t model_convert(struct model_env *e, model_fmt to, model_fmt from,
                       uint64_t a);
uint64_t model_round_int(struct model_env *e, model_fmt f, uint64_t a,
                         enum model_round round, bool exact);
/* a * 2^fbits */
uint64_t model_to_fixed(struct model_env *e, model_fmt f, uint64_t a,
                        unsigned fbits, bool is_unsigned, unsigned width,
                        enum model_round round);
/* An integer of `width` bits, / 2^fbits. */
uint64_t model_from_fixed(struct model_env *e, model_fmt f, uint64_t a,
                          unsigned fbits, bool is_unsigned, unsigned width);

#endif
