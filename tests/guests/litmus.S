/*
 * What the vCPUs of a litmus test do, each as a loop over many cells:
 *
 *     void name(struct cell *cell, uint64_t count, uint8_t *results)
 *
 * In a cell, x is at x0, y at x3 and z at x4, a cache line each; x5 is 1, x6
 * is 2. What was read is in x8 and x9, two bits each of a result.
 */
#include "litmus.h"

    .arch   armv8.3-a

    .macro  loop name:req, text:req
    .globl  \name
    .balign 64
\name:
    mov     x5, #1
    mov     x6, #2
1:  mov     x8, #0
    mov     x9, #0
    add     x3, x0, #LITMUS_Y
    add     x4, x0, #LITMUS_Z
    \text
    orr     w8, w8, w9, lsl #2
    strb    w8, [x2], #1
    add     x0, x0, #LITMUS_CELL_BYTES
    subs    x1, x1, #1
    b.ne    1b
    ret
    .endm

    /* Store x5 by a pair of exclusives, the store with release. */
    .macro  store_exclusive base:req
2:  ldxr    x10, [\base]
    stlxr   w11, x5, [\base]
    cbnz    w11, 2b
    .endm

    /* x10 = 1, but only once x8 is known. */
    .macro  one_from_x8
    eor     x10, x8, x8
    orr     x10, x10, #1
    .endm

    .text

    /* Message passing: x is the message, y says that it is there. */
    loop mp0_plain, "str x5, [x0]; str x5, [x3]"
    loop mp0_dmb, "str x5, [x0]; dmb ish; str x5, [x3]"
    loop mp0_dmbst, "str x5, [x0]; dmb ishst; str x5, [x3]"
    loop mp0_dsb, "str x5, [x0]; dsb sy; str x5, [x3]"
    loop mp0_stlr, "str x5, [x0]; stlr x5, [x3]"
    loop mp0_stlxr, "str x5, [x0]; store_exclusive x3"
    loop mp0_swpl, "str x5, [x0]; swpl x5, x10, [x3]"
    loop mp0_casl, "str x5, [x0]; mov x10, #0; casl x10, x5, [x3]"
    loop mp0_swapped, "str x5, [x3]; str x5, [x0]"
    loop mp1_plain, "ldr x8, [x3]; ldr x9, [x0]"
    loop mp1_dmb, "ldr x8, [x3]; dmb ish; ldr x9, [x0]"
    loop mp1_dmbld, "ldr x8, [x3]; dmb ishld; ldr x9, [x0]"
    loop mp1_dsb, "ldr x8, [x3]; dsb sy; ldr x9, [x0]"
    loop mp1_ldar, "ldar x8, [x3]; ldr x9, [x0]"
    loop mp1_ldapr, "ldapr x8, [x3]; ldr x9, [x0]"
    loop mp1_addr, "ldr x8, [x3]; eor x10, x8, x8; ldr x9, [x0, x10]"
    loop mp1_ctrlisb, "ldr x8, [x3]; cbz x8, 2f; 2: isb; ldr x9, [x0]"
    loop mp1_ldaxr, "ldaxr x8, [x3]; ldr x9, [x0]; clrex"
    loop mp1_ldadda, "ldadda xzr, x8, [x3]; ldr x9, [x0]"
    loop mp1_casa, "mov x8, #9; casa x8, x5, [x3]; ldr x9, [x0]"
    loop mp1_swapped, "ldr x9, [x0]; ldr x8, [x3]"

    /* Store buffering: each says that it is here, then looks for the other. */
    loop sb0_plain, "str x5, [x0]; ldr x8, [x3]"
    loop sb0_dmb, "str x5, [x0]; dmb ish; ldr x8, [x3]"
    loop sb0_dsb, "str x5, [x0]; dsb sy; ldr x8, [x3]"
    loop sb0_rel, "stlr x5, [x0]; ldar x8, [x3]"
    loop sb0_rcpc, "stlr x5, [x0]; ldapr x8, [x3]"
    loop sb0_swpal, "swpal x5, x10, [x0]; ldar x8, [x3]"
    loop sb0_ldaddal, "ldaddal x5, x10, [x0]; ldar x8, [x3]"
    loop sb0_stlxr, "store_exclusive x0; ldar x8, [x3]"
    loop sb0_swapped, "ldr x8, [x3]; str x5, [x0]"
    loop sb1_plain, "str x5, [x3]; ldr x8, [x0]"
    loop sb1_dmb, "str x5, [x3]; dmb ish; ldr x8, [x0]"
    loop sb1_dsb, "str x5, [x3]; dsb sy; ldr x8, [x0]"
    loop sb1_rel, "stlr x5, [x3]; ldar x8, [x0]"
    loop sb1_rcpc, "stlr x5, [x3]; ldapr x8, [x0]"
    loop sb1_swpal, "swpal x5, x10, [x3]; ldar x8, [x0]"
    loop sb1_ldaddal, "ldaddal x5, x10, [x3]; ldar x8, [x0]"
    loop sb1_stlxr, "store_exclusive x3; ldar x8, [x0]"
    loop sb1_swapped, "ldr x8, [x0]; str x5, [x3]"

    /* Load buffering: each takes the other's word, then leaves its own. */
    loop lb0_plain, "ldr x8, [x0]; str x5, [x3]"
    loop lb0_dmb, "ldr x8, [x0]; dmb ish; str x5, [x3]"
    loop lb0_dmbld, "ldr x8, [x0]; dmb ishld; str x5, [x3]"
    loop lb0_acq, "ldar x8, [x0]; str x5, [x3]"
    loop lb0_rel, "ldr x8, [x0]; stlr x5, [x3]"
    loop lb0_data, "ldr x8, [x0]; one_from_x8; str x10, [x3]"
    loop lb0_swapped, "str x5, [x3]; ldr x8, [x0]"
    loop lb1_plain, "ldr x8, [x3]; str x5, [x0]"
    loop lb1_dmb, "ldr x8, [x3]; dmb ish; str x5, [x0]"
    loop lb1_dmbld, "ldr x8, [x3]; dmb ishld; str x5, [x0]"
    loop lb1_acq, "ldar x8, [x3]; str x5, [x0]"
    loop lb1_rel, "ldr x8, [x3]; stlr x5, [x0]"
    loop lb1_data, "ldr x8, [x3]; one_from_x8; str x10, [x0]"

    /* R, S and 2+2W: what is left in memory counts, too. */
    loop r1_plain, "str x6, [x3]; ldr x8, [x0]"
    loop r1_dmb, "str x6, [x3]; dmb ish; ldr x8, [x0]"
    loop r1_rel, "stlr x6, [x3]; ldar x8, [x0]"
    loop r1_swapped, "ldr x8, [x0]; str x6, [x3]"
    loop s0_dmb, "str x6, [x0]; dmb ish; str x5, [x3]"
    loop s0_rel, "str x6, [x0]; stlr x5, [x3]"
    loop s1_dmb, "ldr x8, [x3]; dmb ish; str x5, [x0]"
    loop s1_acq, "ldar x8, [x3]; str x5, [x0]"
    loop s1_data, "ldr x8, [x3]; one_from_x8; str x10, [x0]"
    loop s1_swapped, "str x5, [x0]; ldr x8, [x3]"
    loop ww0_dmb, "str x5, [x0]; dmb ish; str x6, [x3]"
    loop ww0_rel, "str x5, [x0]; stlr x6, [x3]"
    loop ww1_dmb, "str x5, [x3]; dmb ish; str x6, [x0]"
    loop ww1_rel, "str x5, [x3]; stlr x6, [x0]"
    loop ww0_swapped, "str x6, [x3]; str x5, [x0]"
    loop ww1_swapped, "str x6, [x0]; str x5, [x3]"

    /* Coherence: one word. */
    loop write_x, "str x5, [x0]"
    loop write_x2, "str x6, [x0]"
    loop write_y, "str x5, [x3]"
    loop rel_x, "stlr x5, [x0]"
    loop rel_y, "stlr x5, [x3]"
    loop read_xx, "ldr x8, [x0]; ldr x9, [x0]"
    loop read_xx_swapped, "ldr x9, [x0]; ldr x8, [x0]"
    loop write_read_x, "str x5, [x0]; ldr x8, [x0]"
    loop read_write_x, "ldr x8, [x0]; str x5, [x0]"
    loop write_xx, "str x5, [x0]; str x6, [x0]"

    /* Three vCPUs: what one has seen, and passes on. */
    loop wrc1_dmb, "ldr x8, [x0]; dmb ish; str x5, [x3]"
    loop wrc1_data, "ldr x8, [x0]; one_from_x8; str x10, [x3]"
    loop wrc1_rel, "ldar x8, [x0]; stlr x5, [x3]"
    loop wrc1_swapped, "str x5, [x3]; ldr x8, [x0]"
    loop isa1_dmb, "ldr x8, [x3]; dmb ish; str x5, [x4]"
    loop isa1_data, "ldr x8, [x3]; one_from_x8; str x10, [x4]"
    loop isa1_rel, "ldar x8, [x3]; stlr x5, [x4]"
    loop isa2_dmb, "ldr x8, [x4]; dmb ish; ldr x9, [x0]"
    loop isa2_addr, "ldr x8, [x4]; eor x10, x8, x8; ldr x9, [x0, x10]"
    loop isa2_acq, "ldar x8, [x4]; ldr x9, [x0]"
    loop isa2_swapped, "ldr x9, [x0]; ldr x8, [x4]"

    /* Readers of x, then y; mp1_... are those of y, then x. */
    loop rr_dmb, "ldr x8, [x0]; dmb ish; ldr x9, [x3]"
    loop rr_ldar, "ldar x8, [x0]; ldar x9, [x3]"
    loop rr_ldapr, "ldapr x8, [x0]; ldapr x9, [x3]"
    loop rr_addr, "ldr x8, [x0]; eor x10, x8, x8; ldr x9, [x3, x10]"
    loop rr_swapped, "ldr x9, [x3]; ldr x8, [x0]"
    loop mp1_ldars, "ldar x8, [x3]; ldar x9, [x0]"
    loop mp1_ldaprs, "ldapr x8, [x3]; ldapr x9, [x0]"
