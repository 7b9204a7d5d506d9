/*
 * Exception syndromes taken apart: ESR_EL2 as the framework hands it over.
 */
#ifndef LULL_VMM_SYNDROME_H
#define LULL_VMM_SYNDROME_H

#include <stdbool.h>
#include <stdint.h>

#include "lull/bits.h"

/* Exception classes, bits 31:26. */
enum {
    EC_WFX = 0x01,
    EC_HVC = 0x16,
    EC_SMC = 0x17,
    EC_SYSREG = 0x18,
    EC_INSN_ABORT = 0x20,
    EC_DATA_ABORT = 0x24,
    EC_COUNT = 64,
};

static inline unsigned syndrome_class(uint64_t syndrome)
{
    return (unsigned)bits(syndrome, 31, 26);
}

/* EC_WFX: which instruction, and the operand of the timed forms. */
enum wfx_kind { WFX_WFI, WFX_WFE, WFX_WFIT, WFX_WFET };

struct wfx {
    enum wfx_kind kind;
    bool has_limit; /* the timed form, and its register is named */
    unsigned limit_reg;
};

static inline struct wfx syndrome_wfx(uint64_t syndrome)
{
    struct wfx wfx = {(enum wfx_kind)bits(syndrome, 1, 0), false, 0};

    wfx.has_limit = wfx.kind >= WFX_WFIT && bit(syndrome, 2);
    wfx.limit_reg = (unsigned)bits(syndrome, 9, 5);
    return wfx;
}

/* EC_SYSREG: the register in the encoding of hv_sys_reg_t. */
struct sysreg_access {
    uint16_t reg;
    uint8_t rt; /* 31: the zero register */
    bool read;
};

#define SYSREG(op0, op1, crn, crm, op2)                                        \
    ((uint16_t)((op0) << 14 | (op1) << 11 | (crn) << 7 | (crm) << 3 | (op2)))

static inline struct sysreg_access syndrome_sysreg(uint64_t syndrome)
{
    return (struct sysreg_access){
        .reg = SYSREG(bits(syndrome, 21, 20), bits(syndrome, 16, 14),
                      bits(syndrome, 13, 10), bits(syndrome, 4, 1),
                      bits(syndrome, 19, 17)),
        .rt = (uint8_t)bits(syndrome, 9, 5),
        .read = bit(syndrome, 0),
    };
}

/* EC_DATA_ABORT: the access, where the hardware decoded it (valid). */
struct data_abort {
    bool valid; /* ISV: the fields up to write are there */
    bool write;
    bool sign_extend;
    bool wide;  /* Rt is an X register */
    uint8_t rt; /* 31: the zero register */
    uint8_t width_bytes;
    bool cache_op;   /* a cache maintenance instruction */
    bool page_table; /* the access was the translation's own */
};

static inline struct data_abort syndrome_data_abort(uint64_t syndrome)
{
    return (struct data_abort){
        .valid = bit(syndrome, 24),
        .write = bit(syndrome, 6),
        .sign_extend = bit(syndrome, 21),
        .wide = bit(syndrome, 15),
        .rt = (uint8_t)bits(syndrome, 20, 16),
        .width_bytes = (uint8_t)(1U << bits(syndrome, 23, 22)),
        .cache_op = bit(syndrome, 8),
        .page_table = bit(syndrome, 7),
    };
}

/* What a load of this form leaves in its register. */
static inline uint64_t data_abort_extend(const struct data_abort *abort,
                                         uint64_t value)
{
    unsigned width = abort->width_bytes * 8U;

    value &= ones(width);
    if (abort->sign_extend)
        value = (uint64_t)sext(value, width);
    return abort->wide ? value : (uint32_t)value;
}

#endif
