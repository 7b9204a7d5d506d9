/*
 * An instruction in a loop of a guest at EL0, long enough to be compiled where
 * there is a compiler (LULL_NATIVE=0 keeps to the interpreter).
 */
#include "level1_engine.h"

#include <string.h>

#include "../oracle_int/case.h"
#include "../oracle_int/el0.h"

_Static_assert(sizeof(struct engine_run) == 96, "the loop's stride");

void engine_start(void)
{
    el0_set_up(ENGINE_BATCH * sizeof(struct engine_run));
}

bool engine_run(uint32_t word, uint32_t fpcr, struct engine_run *runs,
                unsigned count)
{
    const uint32_t loop[] = {
        0xad400680, /* ldp q0, q1, [x20] */
        0xad410e82, /* ldp q2, q3, [x20, #32] */
        0xa9450e82, /* ldp x2, x3, [x20, #80] */
        0xd51b4422, /* msr fpsr, x2 */
        0xd51b4203, /* msr nzcv, x3 */
        0xa9440680, /* ldp x0, x1, [x20, #64] */
        word,       /* the instruction */
        0x3d800280, /* str q0, [x20] */
        0xf9002280, /* str x0, [x20, #64] */
        0xd53b4422, /* mrs x2, fpsr */
        0xd53b4203, /* mrs x3, nzcv */
        0xa9050e82, /* stp x2, x3, [x20, #80] */
        0x91018294, /* add x20, x20, #96 */
        0xf10006b5, /* subs x21, x21, #1 */
        0x54fffe41, /* b.ne loop */
        0xd4000001, /* svc #0 */
    };
    uint64_t esr;

    memcpy(code, loop, sizeof(loop));
    el0_sync_code();
    memcpy(data, runs, count * sizeof(*runs));
    HV(hv_vcpu_set_reg(vcpu, HV_REG_X20, ORACLE_DATA));
    HV(hv_vcpu_set_reg(vcpu, HV_REG_X21, count));
    HV(hv_vcpu_set_reg(vcpu, HV_REG_FPCR, fpcr));
    HV(hv_vcpu_set_reg(vcpu, HV_REG_CPSR, 0));
    HV(hv_vcpu_set_reg(vcpu, HV_REG_PC, ORACLE_CODE));
    HV(hv_vcpu_run(vcpu));
    memcpy(runs, data, count * sizeof(*runs));
    HV(hv_vcpu_get_sys_reg(vcpu, HV_SYS_REG_ESR_EL1, &esr));
    return esr >> 26 == 0x15;
}
