/*
 * vCPUs. Each belongs to the thread that created it, which alone may use it;
 * hv_vcpus_exit is the exception and may be called by any thread.
 */
#ifndef LULL_HV_VCPU_H
#define LULL_HV_VCPU_H

#include <Hypervisor/hv_vcpu_config.h>
#include <Hypervisor/hv_vcpu_types.h>

/*
 * Makes a vCPU that belongs to the calling thread, in its power-on state. It
 * gets the lowest free ID. The exit record is the library's, stays at its
 * address until the vCPU is destroyed, and is rewritten by each successful
 * hv_vcpu_run. NULL stands for the default configuration.
 * HV_NO_DEVICE: no VM. HV_BUSY: the thread has a vCPU. HV_NO_RESOURCES: all
 * IDs are taken, or no memory.
 */
OS_EXPORT hv_return_t hv_vcpu_create(hv_vcpu_t *vcpu, hv_vcpu_exit_t **exit,
                                     hv_vcpu_config_t config)
    API_AVAILABLE(macos(11.0));

/* Ends the vCPU; its thread may then create another. Own thread. */
OS_EXPORT hv_return_t hv_vcpu_destroy(hv_vcpu_t vcpu)
    API_AVAILABLE(macos(11.0));

/*
 * Runs the guest until it needs the VMM, and says why in the exit record.
 * The program counter is at the instruction that caused the exit, except for
 * HVC, where it is behind it. Pending IRQ and FIQ are cleared. Own thread.
 * HV_ILLEGAL_GUEST_STATE: CPSR does not name EL0 or EL1 in AArch64 state; the
 * guest did not run and nothing changed.
 */
OS_EXPORT hv_return_t hv_vcpu_run(hv_vcpu_t vcpu) API_AVAILABLE(macos(11.0));

/*
 * Makes each of the vCPUs leave the guest: its hv_vcpu_run returns with
 * HV_EXIT_REASON_CANCELED. One that is not running does so at its next
 * hv_vcpu_run, once, before any guest instruction. IDs without a vCPU are
 * passed over. Any thread.
 * HV_BAD_ARGUMENT: an ID of 64 or more; then none is asked to leave.
 * HV_NO_DEVICE: no VM.
 */
OS_EXPORT hv_return_t hv_vcpus_exit(hv_vcpu_t *vcpus, uint32_t vcpu_count)
    API_AVAILABLE(macos(11.0));

/* A general register, PC, CPSR, FPCR or FPSR; the last three have 32 bits.
 * Own thread. HV_BAD_ARGUMENT: not a register. */
OS_EXPORT hv_return_t hv_vcpu_get_reg(hv_vcpu_t vcpu, hv_reg_t reg,
                                      uint64_t *value)
    API_AVAILABLE(macos(11.0));

/* The same, written. Values are not checked: any 32-bit pattern of CPSR, FPCR
 * and FPSR reads back until the guest runs. Own thread. */
OS_EXPORT hv_return_t hv_vcpu_set_reg(hv_vcpu_t vcpu, hv_reg_t reg,
                                      uint64_t value)
    API_AVAILABLE(macos(11.0));

/* A vector register, lowest byte first. Own thread. HV_BAD_ARGUMENT: not a
 * register. */
OS_EXPORT hv_return_t hv_vcpu_get_simd_fp_reg(hv_vcpu_t vcpu,
                                              hv_simd_fp_reg_t reg,
                                              hv_simd_fp_uchar16_t *value)
    API_AVAILABLE(macos(11.0));

/* The same, written; the value travels by value. Own thread. */
OS_EXPORT hv_return_t hv_vcpu_set_simd_fp_reg(hv_vcpu_t vcpu,
                                              hv_simd_fp_reg_t reg,
                                              hv_simd_fp_uchar16_t value)
    API_AVAILABLE(macos(11.0));

/*
 * A system register. CNTV_CTL_EL0 reads with its status bit as of now. Own
 * thread.
 * HV_BAD_ARGUMENT: not one of hv_sys_reg_t. HV_UNSUPPORTED: one that needs
 * EL2, or the CNTP registers, which need the framework's interrupt
 * controller.
 */
OS_EXPORT hv_return_t hv_vcpu_get_sys_reg(hv_vcpu_t vcpu, hv_sys_reg_t reg,
                                          uint64_t *value)
    API_AVAILABLE(macos(11.0));

/* The same, written; identification registers too, which changes what the
 * guest reads and not what it can do. Own thread, same errors. */
OS_EXPORT hv_return_t hv_vcpu_set_sys_reg(hv_vcpu_t vcpu, hv_sys_reg_t reg,
                                          uint64_t value)
    API_AVAILABLE(macos(11.0));

/* Whether the line was raised since the last run. Own thread.
 * HV_BAD_ARGUMENT: not an interrupt type. */
OS_EXPORT hv_return_t hv_vcpu_get_pending_interrupt(hv_vcpu_t vcpu,
                                                    hv_interrupt_type_t type,
                                                    bool *pending)
    API_AVAILABLE(macos(11.0));

/* Raises or lowers the guest's IRQ or FIQ line for the next run, whose end
 * lowers both. Own thread. HV_BAD_ARGUMENT: not an interrupt type. */
OS_EXPORT hv_return_t hv_vcpu_set_pending_interrupt(hv_vcpu_t vcpu,
                                                    hv_interrupt_type_t type,
                                                    bool pending)
    API_AVAILABLE(macos(11.0));

/* Whether debug exceptions (BRK, breakpoint, watchpoint, step) exit instead
 * of going to the guest's EL1; at first false. Own thread. */
OS_EXPORT hv_return_t hv_vcpu_get_trap_debug_exceptions(hv_vcpu_t vcpu,
                                                        bool *value)
    API_AVAILABLE(macos(11.0));
OS_EXPORT hv_return_t hv_vcpu_set_trap_debug_exceptions(hv_vcpu_t vcpu,
                                                        bool value)
    API_AVAILABLE(macos(11.0));

/* Whether the guest's accesses to debug registers exit; at first false. Own
 * thread. */
OS_EXPORT hv_return_t hv_vcpu_get_trap_debug_reg_accesses(hv_vcpu_t vcpu,
                                                          bool *value)
    API_AVAILABLE(macos(11.0));
OS_EXPORT hv_return_t hv_vcpu_set_trap_debug_reg_accesses(hv_vcpu_t vcpu,
                                                          bool value)
    API_AVAILABLE(macos(11.0));

/* The time spent in hv_vcpu_run so far, in ticks of mach_absolute_time. Own
 * thread. */
OS_EXPORT hv_return_t hv_vcpu_get_exec_time(hv_vcpu_t vcpu, uint64_t *time)
    API_AVAILABLE(macos(11.0));

/*
 * Whether the virtual timer is kept from ending a run. At first false; the
 * exit HV_EXIT_REASON_VTIMER_ACTIVATED makes it true. It changes nothing that
 * the guest can read. Own thread.
 */
OS_EXPORT hv_return_t hv_vcpu_get_vtimer_mask(hv_vcpu_t vcpu,
                                              bool *vtimer_is_masked)
    API_AVAILABLE(macos(11.0));
OS_EXPORT hv_return_t hv_vcpu_set_vtimer_mask(hv_vcpu_t vcpu,
                                              bool vtimer_is_masked)
    API_AVAILABLE(macos(11.0));

/* CNTVCT_EL0 is mach_absolute_time less this, modulo 2^64; at first 0. Own
 * thread. */
OS_EXPORT hv_return_t hv_vcpu_get_vtimer_offset(hv_vcpu_t vcpu,
                                                uint64_t *vtimer_offset)
    API_AVAILABLE(macos(11.0));
OS_EXPORT hv_return_t hv_vcpu_set_vtimer_offset(hv_vcpu_t vcpu,
                                                uint64_t vtimer_offset)
    API_AVAILABLE(macos(11.0));

/*
 * The state of the Scalable Matrix Extension: PSTATE.SM and ZA, and the Z, P,
 * ZA and ZT0 registers; `length` is that of the register in bytes. Own thread.
 * HV_UNSUPPORTED: no SME, which is always so.
 */
OS_EXPORT hv_return_t hv_vcpu_get_sme_state(hv_vcpu_t vcpu,
                                            hv_vcpu_sme_state_t *sme_state)
    API_AVAILABLE(macos(15.2));
OS_EXPORT hv_return_t
hv_vcpu_set_sme_state(hv_vcpu_t vcpu, const hv_vcpu_sme_state_t *sme_state)
    API_AVAILABLE(macos(15.2));
OS_EXPORT hv_return_t hv_vcpu_get_sme_z_reg(hv_vcpu_t vcpu, hv_sme_z_reg_t reg,
                                            uint8_t *value, size_t length)
    API_AVAILABLE(macos(15.2));
OS_EXPORT hv_return_t hv_vcpu_set_sme_z_reg(hv_vcpu_t vcpu, hv_sme_z_reg_t reg,
                                            const uint8_t *value, size_t length)
    API_AVAILABLE(macos(15.2));
OS_EXPORT hv_return_t hv_vcpu_get_sme_p_reg(hv_vcpu_t vcpu, hv_sme_p_reg_t reg,
                                            uint8_t *value, size_t length)
    API_AVAILABLE(macos(15.2));
OS_EXPORT hv_return_t hv_vcpu_set_sme_p_reg(hv_vcpu_t vcpu, hv_sme_p_reg_t reg,
                                            const uint8_t *value, size_t length)
    API_AVAILABLE(macos(15.2));
OS_EXPORT hv_return_t hv_vcpu_get_sme_za_reg(hv_vcpu_t vcpu, uint8_t *value,
                                             size_t length)
    API_AVAILABLE(macos(15.2));
OS_EXPORT hv_return_t hv_vcpu_set_sme_za_reg(hv_vcpu_t vcpu,
                                             const uint8_t *value,
                                             size_t length)
    API_AVAILABLE(macos(15.2));
OS_EXPORT hv_return_t hv_vcpu_get_sme_zt0_reg(hv_vcpu_t vcpu,
                                              hv_sme_zt0_uchar64_t *value)
    API_AVAILABLE(macos(15.2));
OS_EXPORT hv_return_t hv_vcpu_set_sme_zt0_reg(hv_vcpu_t vcpu,
                                              const hv_sme_zt0_uchar64_t *value)
    API_AVAILABLE(macos(15.2));

#if HV_API_VERSION >= 270000

/* Whether an SError waits for the guest; it waits until the guest takes it,
 * over any number of runs. Own thread. */
OS_EXPORT hv_return_t hv_vcpu_get_serror(hv_vcpu_t vcpu, bool *pending)
    API_AVAILABLE(macos(27.0));
OS_EXPORT hv_return_t hv_vcpu_set_serror(hv_vcpu_t vcpu, bool pending)
    API_AVAILABLE(macos(27.0));

/* The time a guest's WFI took inside hv_vcpu_run. Own thread. HV_UNSUPPORTED:
 * the VM has not the framework's interrupt controller, so WFI exits. */
OS_EXPORT hv_return_t hv_vcpu_get_wait_for_interrupt_time(hv_vcpu_t vcpu,
                                                          uint64_t *time)
    API_AVAILABLE(macos(27.0));

/*
 * Does the TLBI that `op` names, with `param` as its operand register, for a
 * VMM that changed the guest's translation tables. Ours drops more than it is
 * asked to: everything, on every vCPU. Own thread. HV_BAD_ARGUMENT: not an
 * operation.
 */
OS_EXPORT hv_return_t hv_vcpu_invalidate_tlb(hv_vcpu_t vcpu, hv_tlbi_op_t op,
                                             uint64_t param)
    API_AVAILABLE(macos(27.0));

#endif

#endif
