/*
 * Instructions that raise exceptions, each at an address the checks know.
 * enter() runs them at EL0 and EL1; x0 and x1 are its arguments. They may
 * only refer to what x0 and x1 hold: EL0 runs them at another address.
 */
    .arch   armv8.2-a+crypto

    .macro  code name:req, text:vararg
    .globl  \name
    .balign 16
\name:
    \text
    ret
    .endm

    .text
    code c_ret, nop
    code c_svc, svc #0x1234
    code c_brk, brk #0x321
    code c_hvc, hvc #0
    code c_smc, smc #0
    code c_hlt, hlt #5
    code c_dcps1, dcps1 #0
    code c_udf, .inst 0x00000000
    code c_ones, .inst 0xffffffff
    /* op0 = 0 with nothing there; ADD (extended register) shifted by 5; FMOV
     * of a reserved type; PTRUE of SVE, which is not here */
    code c_hole_sys, .inst 0xd500501f
    code c_hole_add, .inst 0x8b2017e0
    code c_hole_fp, .inst 0x1ea04000
    code c_sve, .inst 0x2598e3e0
    code c_el2_reg, mrs x0, hcr_el2
    code c_ro_reg, .inst 0xd5180000
    code c_impl_reg, mrs x0, s3_0_c15_c2_0
    code c_eret, eret
    code c_msr_vbar, msr vbar_el1, x0
    code c_mrs_currentel, mrs x0, currentel
    code c_mrs_sctlr, mrs x0, sctlr_el1
    code c_tlbi, tlbi vmalle1
    code c_msr_spsel, msr spsel, #0
    code c_msr_pan, .inst 0xd500419f

    code c_ldr, ldr x0, [x0]
    code c_ldrb, ldrb w0, [x0]
    code c_ldrh, ldrh w0, [x0]
    code c_str, str x1, [x0]
    code c_strb, strb w1, [x0]
    code c_ldp, ldp x1, x2, [x0]
    code c_ldr_pre, ldr x1, [x0, #8]!
    code c_ldxr, ldxr x1, [x0]
    code c_ldxp, ldxp x1, x2, [x0]
    code c_ldar, ldar x1, [x0]
    code c_stlr, stlr x1, [x0]
    code c_ldadd, .inst 0xf8210002
    code c_cas, .inst 0xc8a17c02
    code c_ldtr, ldtr x1, [x0]
    code c_zva, dc zva, x0
    code c_civac, dc civac, x0
    code c_cvau, dc cvau, x0
    code c_ivau, ic ivau, x0
    code c_br, br x0
    code c_ldr_sp, ldr x1, [sp]
    code c_stp_sp, stp x1, x2, [sp, #-16]!
    code c_prfm, prfm pldl1keep, [x0]

    code c_fmov, fmov d0, x0
    code c_ldr_q, ldr q0, [x0]
    code c_simd, add v0.4s, v1.4s, v2.4s
    code c_aese, aese v0.16b, v1.16b
    code c_mrs_fpcr, mrs x0, fpcr

    code c_mrs_ctr, mrs x3, ctr_el0
    code c_mrs_dczid, mrs x3, dczid_el0
    code c_mrs_cntvct, mrs x4, cntvct_el0
    code c_mrs_cntfrq, mrs x4, cntfrq_el0
    code c_mrs_cntv_ctl, mrs x5, cntv_ctl_el0
    code c_msr_cntv_cval, msr cntv_cval_el0, x6
    code c_mrs_daif, mrs x7, daif
    code c_msr_daif, msr daif, x7
    code c_msr_daifset, msr daifset, #2
    code c_wfi, wfi
    code c_mrs_tpidr, mrs x0, tpidr_el0
    code c_msr_tpidrro, msr tpidrro_el0, x0
    code c_mrs_midr, mrs x0, midr_el1

    /* WFE only waits, and only then is trapped, when no event is kept. */
    .globl  c_wfe, c_wfe_waits
    .balign 16
c_wfe:
    sevl
    wfe
c_wfe_waits:
    wfe
    ret

    /* Three instructions to step over, and two to be stepped into. */
    .globl  c_steps, c_step_ldxr
    .balign 16
c_steps:
    add     x0, x0, #1
    add     x0, x0, #2
    add     x0, x0, #4
    ret
c_step_ldxr:
    ldxr    x1, [x0]
    ret

    /* Two instructions, a breakpoint on the second. */
    .globl  c_break, c_break_second
    .balign 16
c_break:
    add     x0, x0, #1
c_break_second:
    add     x0, x0, #2
    ret

    /* EL1: step with PSTATE.D clear from the second instruction on. */
    .globl  c_step_el1, c_step_el1_next
    .balign 16
c_step_el1:
    add     x0, x0, #8
c_step_el1_next:
    ret

    /* Read the word at x0 for as long as it is x1. */
    .globl  c_watch_word
    .balign 16
c_watch_word:
1:  ldr     x2, [x0]
    cmp     x2, x1
    b.eq    1b
    ret

    code c_mrs_sp_el0, mrs x0, sp_el0
    code c_msr_sp_el0, msr sp_el0, x0
    code c_sttr, sttr x1, [x0]
    code c_ldtrsb, ldtrsb x1, [x0]

    /* By SP: each may be entered with SP misaligned and its page in use. */
    code c_ldr_sp_x, ldr x2, [sp, xzr]
    code c_ldp_sp, ldp x2, x3, [sp]
    code c_ldr_q_sp, ldr q0, [sp]
    code c_ld1_sp, ld1 {v0.8b}, [sp]
    code c_ldtr_sp, ldtr x2, [sp]
    code c_ldar_sp, ldar x2, [sp]
    code c_ldxr_sp, ldxr x2, [sp]
    code c_swp_sp, swp x2, x3, [sp]
    code c_post_sp, ldr x2, [sp], #16
    code c_pre_sp, stp x2, x3, [sp, #-16]!

    /* SP moves by x1 before each of x0 loads. */
    .globl  c_sp_loop, c_sp_loop_load
    .balign 16
c_sp_loop:
1:  add     sp, sp, x1
c_sp_loop_load:
    ldr     x2, [sp]
    subs    x0, x0, #1
    b.ne    1b
    ret

    /* One instruction misaligns SP, the next one uses it. */
    .macro  bend name:req, text:vararg
    .globl  \name
    .balign 16
\name:
    \text
    ldr     x2, [sp]
    ret
    .endm
    bend c_sub_sp, sub sp, sp, #8
    bend c_add_w_sp, add wsp, wsp, #8
    bend c_mov_sp, mov sp, x1
    bend c_and_sp, and sp, x1, #0xffffffffffffffff << 2
    bend c_ext_sp, sub sp, sp, w0, sxtw #3
    bend c_str_pre, str x2, [sp, #-8]!
    bend c_ldr_post, ldrsw x3, [sp], #4
    bend c_stp_pre, stp w2, w3, [sp, #-8]!
    bend c_str_q_post, str q0, [sp], #8
    bend c_ldp_d_post, ldp d0, d1, [sp], #-8
    bend c_ld1_post, ld1 {v0.8b}, [sp], #8

    /* To the address in x1, with x0 and x30 as they are. */
    code c_br_watch, br x1
    code c_mrs_ap1r1, mrs x0, s3_0_c12_c9_1

    /* A load with PSTATE.PAN set, the result in x0. */
    .globl  c_pan_ldr, c_pan_ldr_insn
    .balign 16
c_pan_ldr:
    .inst   0xd500419f
c_pan_ldr_insn:
    ldr     x0, [x0]
    .inst   0xd500409f
    ret

    /* Copy 16 bytes from x0 to x1 by one load and one store. */
    .globl  c_copy_q
    .balign 16
c_copy_q:
    ldr     q0, [x0]
    str     q0, [x1]
    ret
