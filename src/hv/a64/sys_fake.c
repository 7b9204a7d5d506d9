/*
 * See sys_fake.h.
 */
#include "sys_fake.h"

#include <mach/mach_time.h>
#include <string.h>

struct fake fake;
struct a64_vm fake_vm;
static struct a64_cpu the_cpu;

uint64_t mach_absolute_time(void)
{
    return fake.now;
}

void a64_tlb_control(struct a64_cpu *cpu)
{
    fake.control++;
}

void a64_tlb_regime(struct a64_cpu *cpu)
{
    fake.regime++;
}

void a64_guest_enter(struct a64_cpu *cpu)
{
    fake.entered++;
}

void a64_guest_leave(struct a64_cpu *cpu)
{
    fake.left++;
}

bool a64_dsb(struct a64_cpu *cpu)
{
    fake.dsb++;
    return fake.dsb_served;
}

static enum a64_next sys_done(int kind, uint32_t insn, uint64_t value)
{
    fake.sys_kind = kind;
    fake.sys_insn = insn;
    fake.sys_value = value;
    return A64_NEXT;
}

enum a64_next a64_tlbi(struct a64_cpu *cpu, uint32_t insn, uint64_t value)
{
    return sys_done(SYS_TLBI, insn, value);
}

enum a64_next a64_cache_op(struct a64_cpu *cpu, uint32_t insn, uint64_t value)
{
    return sys_done(SYS_CACHE, insn, value);
}

enum a64_next a64_at(struct a64_cpu *cpu, uint32_t insn, uint64_t value)
{
    return sys_done(SYS_AT, insn, value);
}

uint32_t a64_fpsr(struct a64_cpu *cpu)
{
    return cpu->fpsr;
}

void a64_set_fpsr(struct a64_cpu *cpu, uint32_t value)
{
    cpu->fpsr = value;
}

void a64_set_fpcr(struct a64_cpu *cpu, uint32_t value)
{
    cpu->fpcr = value;
}

struct a64_cpu *fake_cpu(unsigned el, unsigned spsel)
{
    struct a64_cpu *cpu = &the_cpu;

    memset(cpu, 0, sizeof(*cpu));
    memset(&fake, 0, sizeof(fake));
    memset(&fake_vm, 0, sizeof(fake_vm));
    cpu->vm = &fake_vm;
    a64_reset(cpu);
    cpu->sys.cpacr_el1 = CPACR_FPEN;
    a64_set_sp(cpu, 0, 0xe10);
    a64_set_sp(cpu, 1, 0xe11);
    a64_set_cpsr(cpu, el << 2 | spsel);
    for (unsigned i = 0; i < 31; i++)
        cpu->x[i] = i + 0x100;
    cpu->pc = 0x1000;
    memset(&fake, 0, sizeof(fake));
    return cpu;
}

uint32_t insn_mrs(uint32_t reg, unsigned rt)
{
    return 0xd5200000 | reg << 5 | rt;
}

uint32_t insn_msr(uint32_t reg, unsigned rt)
{
    return 0xd5000000 | reg << 5 | rt;
}

uint32_t insn_sys(unsigned op0, unsigned op1, unsigned crn, unsigned crm,
                  unsigned op2, unsigned rt)
{
    return 0xd5000000 | (uint32_t)A64_SYSREG(op0, op1, crn, crm, op2) << 5 | rt;
}
