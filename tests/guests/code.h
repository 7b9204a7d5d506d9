/* The instructions of code.S, and the numbers with which they fail [D13.2.37].
 */
#ifndef GUESTS_CODE_H
#define GUESTS_CODE_H

extern char c_ret[], c_svc[], c_brk[], c_hvc[], c_smc[], c_hlt[], c_dcps1[],
    c_udf[], c_ones[], c_hole_sys[], c_hole_add[], c_hole_fp[], c_sve[],
    c_el2_reg[], c_ro_reg[], c_impl_reg[], c_eret[], c_msr_vbar[],
    c_mrs_currentel[], c_mrs_sctlr[], c_tlbi[], c_msr_spsel[], c_msr_pan[],
    c_ldr[], c_ldrb[], c_ldrh[], c_str[], c_strb[], c_ldp[], c_ldr_pre[],
    c_ldxr[], c_ldxp[], c_ldar[], c_stlr[], c_ldadd[], c_cas[], c_ldtr[],
    c_zva[], c_civac[], c_cvau[], c_ivau[], c_br[], c_ldr_sp[], c_stp_sp[],
    c_prfm[], c_fmov[], c_ldr_q[], c_simd[], c_aese[], c_mrs_fpcr[],
    c_mrs_ctr[], c_mrs_dczid[], c_mrs_cntvct[], c_mrs_cntfrq[],
    c_mrs_cntv_ctl[], c_msr_cntv_cval[], c_mrs_daif[], c_msr_daif[],
    c_msr_daifset[], c_wfi[], c_mrs_tpidr[], c_msr_tpidrro[], c_mrs_midr[],
    c_wfe[], c_wfe_waits[], c_steps[], c_step_ldxr[], c_break[],
    c_break_second[], c_step_el1[], c_step_el1_next[], c_watch_word[],
    c_pan_ldr[], c_pan_ldr_insn[], c_copy_q[], c_br_watch[], c_mrs_ap1r1[],
    c_mrs_sp_el0[], c_msr_sp_el0[], c_sttr[], c_ldtrsb[], c_ldr_sp_x[],
    c_ldp_sp[], c_ldr_q_sp[], c_ld1_sp[], c_ldtr_sp[], c_ldar_sp[], c_ldxr_sp[],
    c_swp_sp[], c_post_sp[], c_pre_sp[], c_sp_loop[], c_sp_loop_load[],
    c_sub_sp[], c_add_w_sp[], c_mov_sp[], c_and_sp[], c_ext_sp[], c_str_pre[],
    c_ldr_post[], c_stp_pre[], c_str_q_post[], c_ldp_d_post[], c_ld1_post[];

enum {
    EC_UNKNOWN = 0x00,
    EC_WFX = 0x01,
    EC_FP = 0x07,
    EC_ILLEGAL = 0x0e,
    EC_SVC = 0x15,
    EC_SYSREG = 0x18,
    EC_IABT_LOWER = 0x20,
    EC_IABT = 0x21,
    EC_PC = 0x22,
    EC_DABT_LOWER = 0x24,
    EC_DABT = 0x25,
    EC_SP = 0x26,
    EC_BREAK_LOWER = 0x30,
    EC_BREAK = 0x31,
    EC_STEP_LOWER = 0x32,
    EC_STEP = 0x33,
    EC_WATCH_LOWER = 0x34,
    EC_WATCH = 0x35,
    EC_BRK = 0x3c,
};

enum {
    /* ISS of data aborts, and the fault status codes less their level */
    WNR = 1 << 6,
    CM = 1 << 8,
    ADDRESS_SIZE = 0x00,
    TRANSLATION = 0x04,
    ACCESS_FLAG = 0x08,
    PERMISSION = 0x0c,
    ALIGNMENT = 0x21,
    DEBUG = 0x22,
    COND = 0x1e << 20, /* ISS of WFx and FP: CV, and "always" */
};

#endif
