/*
 * The system registers, one row each: ROW(name, op0, op1, CRn, CRm, op2, how).
 * sysreg.c includes this list several times, with ROW meaning something else
 * each time; `how` initialises struct row, which says what the words mean.
 *
 * A register that is not here does not exist for the guest, but for the ranges
 * that sysreg.c leaves to the VMM.
 */

/* debug [D19.3]; the processor has 6 breakpoints and 4 watchpoints, the API
 * keeps 16 of each */
#define ROW_BREAKPOINT(n, guest)                                               \
    ROW(DBGBVR##n, 2, 0, 0, n, 4, (guest) | API | TDA, STORE(dbgbvr[n]),       \
        .mask = ~3ULL, .changed = a64_debug_changed)                           \
    ROW(DBGBCR##n, 2, 0, 0, n, 5, (guest) | API | TDA, STORE(dbgbcr[n]),       \
        .mask = DBGBCR_MASK, .set = DBGBCR_BAS, .changed = a64_debug_changed,  \
        .refetch = true)
#define ROW_WATCHPOINT(n, guest)                                               \
    ROW(DBGWVR##n, 2, 0, 0, n, 6, (guest) | API | TDA, STORE(dbgwvr[n]),       \
        .mask = ~3ULL, .changed = a64_debug_changed)                           \
    ROW(DBGWCR##n, 2, 0, 0, n, 7, (guest) | API | TDA, STORE(dbgwcr[n]),       \
        .mask = DBGWCR_MASK, .changed = a64_debug_changed)
ROW_BREAKPOINT(0, RW1)
ROW_BREAKPOINT(1, RW1)
ROW_BREAKPOINT(2, RW1)
ROW_BREAKPOINT(3, RW1)
ROW_BREAKPOINT(4, RW1)
ROW_BREAKPOINT(5, RW1)
ROW_BREAKPOINT(6, 0)
ROW_BREAKPOINT(7, 0)
ROW_BREAKPOINT(8, 0)
ROW_BREAKPOINT(9, 0)
ROW_BREAKPOINT(10, 0)
ROW_BREAKPOINT(11, 0)
ROW_BREAKPOINT(12, 0)
ROW_BREAKPOINT(13, 0)
ROW_BREAKPOINT(14, 0)
ROW_BREAKPOINT(15, 0)
ROW_WATCHPOINT(0, RW1)
ROW_WATCHPOINT(1, RW1)
ROW_WATCHPOINT(2, RW1)
ROW_WATCHPOINT(3, RW1)
ROW_WATCHPOINT(4, 0)
ROW_WATCHPOINT(5, 0)
ROW_WATCHPOINT(6, 0)
ROW_WATCHPOINT(7, 0)
ROW_WATCHPOINT(8, 0)
ROW_WATCHPOINT(9, 0)
ROW_WATCHPOINT(10, 0)
ROW_WATCHPOINT(11, 0)
ROW_WATCHPOINT(12, 0)
ROW_WATCHPOINT(13, 0)
ROW_WATCHPOINT(14, 0)
ROW_WATCHPOINT(15, 0)
#undef ROW_BREAKPOINT
#undef ROW_WATCHPOINT
ROW(MDSCR_EL1, 2, 0, 0, 2, 2, RW1 | API | TDA, STORE(mdscr_el1),
    .mask = MDSCR_SS | MDSCR_TDCC | MDSCR_KDE | MDSCR_MDE,
    .changed = a64_debug_changed, .refetch = true)
/* the debug communication channel, with nobody at the other end */
ROW(MDCCINT_EL1, 2, 0, 0, 2, 0, RW1 | API, STORE(mdccint_el1),
    .mask = 3ULL << 29)
ROW(OSDTRRX_EL1, 2, 0, 0, 0, 2, RW1 | ZERO)
ROW(OSDTRTX_EL1, 2, 0, 0, 3, 2, RW1 | ZERO)
ROW(MDCCSR_EL0, 2, 3, 0, 1, 0, RO0 | RO1 | ZERO, .el0 = dcc_open)
ROW(DBGDTR_EL0, 2, 3, 0, 4, 0, RW0 | RW1 | ZERO, .el0 = dcc_open)
ROW(DBGDTRRX_EL0, 2, 3, 0, 5, 0, RW0 | RW1 | ZERO, .el0 = dcc_open)

/* identification */
ROW(MIDR_EL1, 3, 0, 0, 0, 0, RO1 | API, STORE(midr_el1))
ROW(MPIDR_EL1, 3, 0, 0, 0, 5, RO1 | API, STORE(mpidr_el1))
ROW(REVIDR_EL1, 3, 0, 0, 0, 6, RO1 | ZERO)
ROW(ID_AA64PFR0_EL1, 3, 0, 0, 4, 0, RO1 | API, STORE(id_aa64pfr0_el1))
ROW(ID_AA64PFR1_EL1, 3, 0, 0, 4, 1, RO1 | API, STORE(id_aa64pfr1_el1))
ROW(ID_AA64PFR2_EL1, 3, 0, 0, 4, 2, RO1 | API, STORE(id_aa64pfr2_el1))
ROW(ID_AA64ZFR0_EL1, 3, 0, 0, 4, 4, RO1 | API, STORE(id_aa64zfr0_el1))
ROW(ID_AA64SMFR0_EL1, 3, 0, 0, 4, 5, RO1 | API_ABSENT | ZERO)
ROW(ID_AA64DFR0_EL1, 3, 0, 0, 5, 0, RO1 | API, STORE(id_aa64dfr0_el1))
ROW(ID_AA64DFR1_EL1, 3, 0, 0, 5, 1, RO1 | API, STORE(id_aa64dfr1_el1))
ROW(ID_AA64ISAR0_EL1, 3, 0, 0, 6, 0, RO1 | API, STORE(id_aa64isar0_el1))
ROW(ID_AA64ISAR1_EL1, 3, 0, 0, 6, 1, RO1 | API, STORE(id_aa64isar1_el1))
ROW(ID_AA64ISAR2_EL1, 3, 0, 0, 6, 2, RO1 | API, STORE(id_aa64isar2_el1))
ROW(ID_AA64MMFR0_EL1, 3, 0, 0, 7, 0, RO1 | API, STORE(id_aa64mmfr0_el1))
ROW(ID_AA64MMFR1_EL1, 3, 0, 0, 7, 1, RO1 | API, STORE(id_aa64mmfr1_el1))
ROW(ID_AA64MMFR2_EL1, 3, 0, 0, 7, 2, RO1 | API, STORE(id_aa64mmfr2_el1))
ROW(ID_AA64MMFR3_EL1, 3, 0, 0, 7, 3, RO1 | API, STORE(id_aa64mmfr3_el1))
ROW(ID_AA64MMFR4_EL1, 3, 0, 0, 7, 4, RO1 | API, STORE(id_aa64mmfr4_el1))
ROW(AIDR_EL1, 3, 1, 0, 0, 7, RO1 | ZERO)
ROW(CLIDR_EL1, 3, 1, 0, 0, 1, RO1, .read = read_clidr)
ROW(CCSIDR_EL1, 3, 1, 0, 0, 0, RO1, .read = read_ccsidr)
ROW(CSSELR_EL1, 3, 2, 0, 0, 0, RW1 | API, STORE(csselr_el1), .mask = 0xf)
ROW(CTR_EL0, 3, 3, 0, 0, 1, RO0 | RO1, .read = read_ctr, .el0 = ctr_open)
ROW(DCZID_EL0, 3, 3, 0, 0, 7, RO0 | RO1, .read = read_dczid)

/* control */
ROW(SCTLR_EL1, 3, 0, 1, 0, 0, RW1 | API, STORE(sctlr_el1),
    .mask = ~(uint64_t)(SCTLR_EE | SCTLR_E0E), .changed = a64_tlb_control,
    .refetch = true)
ROW(ACTLR_EL1, 3, 0, 1, 0, 1, RW1 | API, STORE(actlr_el1), .mask = ACTLR_ENTSO,
    .api_masked = true)
ROW(CPACR_EL1, 3, 0, 1, 0, 2, RW1 | API, STORE(cpacr_el1), .mask = CPACR_FPEN,
    .changed = a64_mode_changed)
ROW(SMPRI_EL1, 3, 0, 1, 2, 4, API_ABSENT)
ROW(SMCR_EL1, 3, 0, 1, 2, 6, API_ABSENT)
ROW(TTBR0_EL1, 3, 0, 2, 0, 0, RW1 | API, STORE(ttbr0_el1),
    .changed = a64_tlb_control, .refetch = true)
ROW(TTBR1_EL1, 3, 0, 2, 0, 1, RW1 | API, STORE(ttbr1_el1),
    .changed = a64_tlb_control, .refetch = true)
ROW(TCR_EL1, 3, 0, 2, 0, 2, RW1 | API, STORE(tcr_el1),
    .changed = a64_tlb_control, .refetch = true)
ROW(MAIR_EL1, 3, 0, 10, 2, 0, RW1 | API, STORE(mair_el1),
    .changed = a64_tlb_control, .refetch = true)
ROW(AMAIR_EL1, 3, 0, 10, 3, 0, RW1 | API, STORE(amair_el1))
ROW(CONTEXTIDR_EL1, 3, 0, 13, 0, 1, RW1 | API, STORE(contextidr_el1),
    .mask = UINT32_MAX)

/* pointer authentication keys: the API keeps them, the guest has no PAuth */
ROW(APIAKEYLO_EL1, 3, 0, 2, 1, 0, API, STORE(apkey[0]))
ROW(APIAKEYHI_EL1, 3, 0, 2, 1, 1, API, STORE(apkey[1]))
ROW(APIBKEYLO_EL1, 3, 0, 2, 1, 2, API, STORE(apkey[2]))
ROW(APIBKEYHI_EL1, 3, 0, 2, 1, 3, API, STORE(apkey[3]))
ROW(APDAKEYLO_EL1, 3, 0, 2, 2, 0, API, STORE(apkey[4]))
ROW(APDAKEYHI_EL1, 3, 0, 2, 2, 1, API, STORE(apkey[5]))
ROW(APDBKEYLO_EL1, 3, 0, 2, 2, 2, API, STORE(apkey[6]))
ROW(APDBKEYHI_EL1, 3, 0, 2, 2, 3, API, STORE(apkey[7]))
ROW(APGAKEYLO_EL1, 3, 0, 2, 3, 0, API, STORE(apkey[8]))
ROW(APGAKEYHI_EL1, 3, 0, 2, 3, 1, API, STORE(apkey[9]))

/* exceptions */
ROW(SPSR_EL1, 3, 0, 4, 0, 0, RW1 | API, STORE(spsr_el1))
ROW(ELR_EL1, 3, 0, 4, 0, 1, RW1 | API, STORE(elr_el1))
/* Kernels keep a pointer in SP_EL0 and read it all the time, running on
 * SP_EL1; so it is plain storage for the guest there. With SPSel = 0 it is SP
 * itself, and the access UNDEF: see permitted(). */
ROW(SP_EL0, 3, 0, 4, 1, 0, RW1 | API,
    .offset = offsetof(struct a64_cpu, sp_el[0]), .get = get_sp_el0,
    .put = put_sp_el0)
ROW(SP_EL1, 3, 4, 4, 1, 0, API, .get = get_sp_el1, .put = put_sp_el1)
ROW(AFSR0_EL1, 3, 0, 5, 1, 0, RW1 | API, STORE(afsr0_el1))
ROW(AFSR1_EL1, 3, 0, 5, 1, 1, RW1 | API, STORE(afsr1_el1))
ROW(ESR_EL1, 3, 0, 5, 2, 0, RW1 | API, STORE(esr_el1))
ROW(FAR_EL1, 3, 0, 6, 0, 0, RW1 | API, STORE(far_el1))
ROW(PAR_EL1, 3, 0, 7, 4, 0, RW1 | API, STORE(par_el1))
ROW(VBAR_EL1, 3, 0, 12, 0, 0, RW1 | API, STORE(vbar_el1))
ROW(ISR_EL1, 3, 0, 12, 1, 0, RO1, .read = read_isr)

/* PSTATE */
ROW(CURRENTEL, 3, 0, 4, 2, 2, RO1, .read = read_currentel)
ROW(SPSEL, 3, 0, 4, 2, 0, RW1, .read = read_spsel, .write = write_spsel)
ROW(PAN, 3, 0, 4, 2, 3, RW1, .read = read_pan, .write = write_pan)
ROW(NZCV, 3, 3, 4, 2, 0, RW0 | RW1, .read = read_nzcv, .write = write_nzcv)
ROW(DAIF, 3, 3, 4, 2, 1, RW0 | RW1, .el0 = daif_open, .read = read_daif,
    .write = write_daif, .finish = a64_daif_changed)
ROW(FPCR, 3, 3, 4, 4, 0, RW0 | RW1 | FP, .read = read_fpcr, .write = write_fpcr)
ROW(FPSR, 3, 3, 4, 4, 1, RW0 | RW1 | FP, .read = read_fpsr, .write = write_fpsr)

/* software's own words */
ROW(TPIDR_EL1, 3, 0, 13, 0, 4, RW1 | API, STORE(tpidr_el1))
ROW(TPIDR_EL0, 3, 3, 13, 0, 2, RW0 | RW1 | API, STORE(tpidr_el0))
ROW(TPIDRRO_EL0, 3, 3, 13, 0, 3, RO0 | RW1 | API, STORE(tpidrro_el0))
ROW(TPIDR2_EL0, 3, 3, 13, 0, 5, API_ABSENT)
ROW(SCXTNUM_EL1, 3, 0, 13, 0, 7, API, STORE(scxtnum_el1))
ROW(SCXTNUM_EL0, 3, 3, 13, 0, 7, API, STORE(scxtnum_el0))

/* random numbers */
ROW(RNDR, 3, 3, 2, 4, 0, RO0 | RO1, .read = read_rndr)
ROW(RNDRRS, 3, 3, 2, 4, 1, RO0 | RO1, .read = read_rndr)

/* timer; the physical one is the VMM's */
ROW(CNTKCTL_EL1, 3, 0, 14, 1, 0, RW1 | API, STORE(cntkctl_el1), .mask = 0x3ff)
ROW(CNTFRQ_EL0, 3, 3, 14, 0, 0, RO0 | RO1, .el0 = counter_open,
    .read = read_cntfrq)
ROW(CNTPCT_EL0, 3, 3, 14, 0, 1, RO0 | RO1 | VMM, .el0 = cntpct_open)
ROW(CNTVCT_EL0, 3, 3, 14, 0, 2, RO0 | RO1, .el0 = cntvct_open,
    .read = read_cntvct)
ROW(CNTP_TVAL_EL0, 3, 3, 14, 2, 0, RW0 | RW1 | VMM | API_ABSENT,
    .el0 = cntp_open)
ROW(CNTP_CTL_EL0, 3, 3, 14, 2, 1, RW0 | RW1 | VMM | API_ABSENT,
    .el0 = cntp_open)
ROW(CNTP_CVAL_EL0, 3, 3, 14, 2, 2, RW0 | RW1 | VMM | API_ABSENT,
    .el0 = cntp_open)
ROW(CNTV_TVAL_EL0, 3, 3, 14, 3, 0, RW0 | RW1, .el0 = cntv_open,
    .read = read_cntv_tval, .write = a64_vtimer_set_tval)
ROW(CNTV_CTL_EL0, 3, 3, 14, 3, 1, RW0 | RW1 | API, .el0 = cntv_open,
    .read = read_cntv_ctl, .write = a64_vtimer_set_ctl)
ROW(CNTV_CVAL_EL0, 3, 3, 14, 3, 2, RW0 | RW1 | API, .el0 = cntv_open,
    .offset = offsetof(struct a64_cpu, cntv_cval),
    .changed = a64_vtimer_changed)

/* the interrupt controller's CPU interface: the VMM's */
ROW(ICC_PMR_EL1, 3, 0, 4, 6, 0, RW1 | VMM)
ROW(ICC_IAR0_EL1, 3, 0, 12, 8, 0, RO1 | VMM)
ROW(ICC_EOIR0_EL1, 3, 0, 12, 8, 1, WO1 | VMM)
ROW(ICC_HPPIR0_EL1, 3, 0, 12, 8, 2, RO1 | VMM)
ROW(ICC_BPR0_EL1, 3, 0, 12, 8, 3, RW1 | VMM)
ROW(ICC_AP0R0_EL1, 3, 0, 12, 8, 4, RW1 | VMM)
ROW(ICC_AP0R1_EL1, 3, 0, 12, 8, 5, RW1 | VMM)
ROW(ICC_AP0R2_EL1, 3, 0, 12, 8, 6, RW1 | VMM)
ROW(ICC_AP0R3_EL1, 3, 0, 12, 8, 7, RW1 | VMM)
ROW(ICC_AP1R0_EL1, 3, 0, 12, 9, 0, RW1 | VMM)
ROW(ICC_AP1R1_EL1, 3, 0, 12, 9, 1, RW1 | VMM)
ROW(ICC_AP1R2_EL1, 3, 0, 12, 9, 2, RW1 | VMM)
ROW(ICC_AP1R3_EL1, 3, 0, 12, 9, 3, RW1 | VMM)
ROW(ICC_DIR_EL1, 3, 0, 12, 11, 1, WO1 | VMM)
ROW(ICC_RPR_EL1, 3, 0, 12, 11, 3, RO1 | VMM)
ROW(ICC_SGI1R_EL1, 3, 0, 12, 11, 5, WO1 | VMM)
ROW(ICC_ASGI1R_EL1, 3, 0, 12, 11, 6, WO1 | VMM)
ROW(ICC_SGI0R_EL1, 3, 0, 12, 11, 7, WO1 | VMM)
ROW(ICC_IAR1_EL1, 3, 0, 12, 12, 0, RO1 | VMM)
ROW(ICC_EOIR1_EL1, 3, 0, 12, 12, 1, WO1 | VMM)
ROW(ICC_HPPIR1_EL1, 3, 0, 12, 12, 2, RO1 | VMM)
ROW(ICC_BPR1_EL1, 3, 0, 12, 12, 3, RW1 | VMM)
ROW(ICC_CTLR_EL1, 3, 0, 12, 12, 4, RW1 | VMM)
ROW(ICC_SRE_EL1, 3, 0, 12, 12, 5, RW1 | VMM)
ROW(ICC_IGRPEN0_EL1, 3, 0, 12, 12, 6, RW1 | VMM)
ROW(ICC_IGRPEN1_EL1, 3, 0, 12, 12, 7, RW1 | VMM)

/* EL2: named by the API, not there */
ROW(VPIDR_EL2, 3, 4, 0, 0, 0, API_ABSENT)
ROW(VMPIDR_EL2, 3, 4, 0, 0, 5, API_ABSENT)
ROW(MDCR_EL2, 3, 4, 0, 3, 1, API_ABSENT)
ROW(SCTLR_EL2, 3, 4, 1, 0, 0, API_ABSENT)
ROW(HCR_EL2, 3, 4, 1, 1, 0, API_ABSENT)
ROW(CPTR_EL2, 3, 4, 1, 1, 2, API_ABSENT)
ROW(TTBR0_EL2, 3, 4, 2, 0, 0, API_ABSENT)
ROW(TTBR1_EL2, 3, 4, 2, 0, 1, API_ABSENT)
ROW(TCR_EL2, 3, 4, 2, 0, 2, API_ABSENT)
ROW(VTTBR_EL2, 3, 4, 2, 1, 0, API_ABSENT)
ROW(VTCR_EL2, 3, 4, 2, 1, 2, API_ABSENT)
ROW(SPSR_EL2, 3, 4, 4, 0, 0, API_ABSENT)
ROW(ELR_EL2, 3, 4, 4, 0, 1, API_ABSENT)
ROW(ESR_EL2, 3, 4, 5, 2, 0, API_ABSENT)
ROW(FAR_EL2, 3, 4, 6, 0, 0, API_ABSENT)
ROW(HPFAR_EL2, 3, 4, 6, 0, 4, API_ABSENT)
ROW(MAIR_EL2, 3, 4, 10, 2, 0, API_ABSENT)
ROW(VBAR_EL2, 3, 4, 12, 0, 0, API_ABSENT)
ROW(TPIDR_EL2, 3, 4, 13, 0, 2, API_ABSENT)
ROW(CNTVOFF_EL2, 3, 4, 14, 0, 3, API_ABSENT)
ROW(CNTHCTL_EL2, 3, 4, 14, 1, 0, API_ABSENT)
ROW(CNTHP_TVAL_EL2, 3, 4, 14, 2, 0, API_ABSENT)
ROW(CNTHP_CTL_EL2, 3, 4, 14, 2, 1, API_ABSENT)
ROW(CNTHP_CVAL_EL2, 3, 4, 14, 2, 2, API_ABSENT)
ROW(SP_EL2, 3, 6, 4, 1, 0, API_ABSENT)
