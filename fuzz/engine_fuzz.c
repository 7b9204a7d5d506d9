/*
 * Any words, in any state, at EL0 or EL1, interpreted or compiled: they may do
 * what they like to the guest and nothing to the host.
 *
 * Guest memory stands in the middle of address space that nobody may touch,
 * so that a stray access of compiled code, which the sanitizers do not see,
 * ends the process as well. What the guest raises, or what its monitor would
 * have to answer, is passed over, up to a limit; a program that never ends is
 * forced out by a second thread.
 *
 * Input: a byte of flags, eight that seed the registers, then the program's
 * words. They form a loop, so that they become hot and are compiled.
 */
#include <Hypervisor/Hypervisor.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#include "fuzz_input.h"
#include "lull/bytes.h"

enum {
    FLAG_EL1 = 1,
    FLAG_NATIVE = 2,
    FLAG_MMU_OFF = 4,
    FLAG_NO_FP = 8,
    FLAG_READ_ONLY = 16, /* the second half of the data, in stage 2 */
    FLAG_TRAP_DEBUG = 32,
    FLAG_FPCR = 64,

    PAGE = 0x4000, /* what stage 2 is mapped by */
    CODE = 0x40000000,
    DATA = CODE + PAGE,
    DATA_BYTES = 2 * PAGE,
    TABLES = DATA + DATA_BYTES,
    VECTORS = TABLES + 0x1000,
    RAM_BYTES = 4 * PAGE,

    MAX_WORDS = 256,
    ROUNDS = 50,       /* of the loop */
    HOT_ROUNDS = 6000, /* enough to be compiled */
    EXITS = 100,
    PATIENCE_MS = 10,
};
#define GUARD_BYTES (1ULL << 32)

static uint8_t *memory;
static hv_vcpu_t vcpu;
static hv_vcpu_exit_t *vexit;

static void must(hv_return_t result)
{
    if (result != HV_SUCCESS)
        abort();
}

/* ---- programs that do not end ---- */

/* Counts runs; odd while one is under way. Written by the vCPU's thread. */
static _Atomic unsigned running;

static void *watch(void *opaque)
{
    const struct timespec wait = {0, PATIENCE_MS * 1000000L};
    unsigned seen = 0;
    hv_vcpu_t all[1] = {0};

    for (;;) {
        unsigned now = atomic_load_explicit(&running, memory_order_acquire);

        if (now == seen && now % 2 != 0)
            hv_vcpus_exit(all, 1);
        seen = now;
        nanosleep(&wait, NULL);
    }
    return NULL;
}

/* ---- the machine ---- */

static void reserve(void)
{
    uint8_t *all = mmap(NULL, 2 * GUARD_BYTES, PROT_NONE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    pthread_t thread;

    if (all == MAP_FAILED ||
        mprotect(all + GUARD_BYTES, RAM_BYTES, PROT_READ | PROT_WRITE) != 0 ||
        pthread_create(&thread, NULL, watch, NULL) != 0)
        abort();
    pthread_detach(thread);
    memory = all + GUARD_BYTES;
}

static void map_memory(unsigned flags)
{
    const hv_memory_flags_t all =
        HV_MEMORY_READ | HV_MEMORY_WRITE | HV_MEMORY_EXEC;

    must(hv_vm_map(memory, CODE, RAM_BYTES, all));
    if (flags & FLAG_READ_ONLY)
        must(hv_vm_protect(DATA + PAGE, PAGE, HV_MEMORY_READ));
}

/*
 * Tables: a level 1 block for everything in the second GiB, open to EL0 or to
 * EL1, which may not execute what EL0 can write. Vectors: HVC, which exits.
 */
static void fill_memory(struct fuzz_input *in, unsigned flags)
{
    uint8_t *tables = memory + (TABLES - CODE), *code = memory;
    unsigned words = 0;

    memset(memory, 0, RAM_BYTES);
    for (unsigned i = 0; i < DATA_BYTES; i += 8)
        put_le64(memory + PAGE + i, i * 0x9e3779b97f4a7c15ULL);
    put_le64(tables + 8,
             CODE | (flags & FLAG_EL1 ? 0x701 : 0x741)); /* AF, shared */
    for (unsigned i = 0; i < 16; i++)
        put_le32(memory + (VECTORS - CODE) + 0x80 * i, 0xd4000002);
    while (in->left >= 4 && words < MAX_WORDS)
        put_le32(code + 4 * words++, (uint32_t)fuzz_take(in, 4));
    /* subs x28, x28, #1; b.ne to the start; wfi */
    put_le32(code + 4 * words, 0xf100079c);
    put_le32(code + 4 * words + 4, 0x54000001 | ((0 - (words + 1)) & 0x7ffff)
                                                    << 5);
    put_le32(code + 4 * words + 8, 0xd503207f);
}

static uint64_t mix(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

/* Mostly what can be an address: in memory, about its ends, in no memory. */
static uint64_t value(uint64_t *state)
{
    uint64_t r = mix(state);

    switch (r >> 60) {
    case 0:
        return r & 0xff;
    case 1:
        return 0 - (r & 0xffff);
    case 2:
        return r;
    case 3:
        return CODE + RAM_BYTES - (r & 63);
    case 4:
        return CODE - (r & 63);
    case 5:
        return 0x08000000 + (r & 0xffff);
    case 6:
        return TABLES + (r & 0xfff);
    case 7:
        return DATA + PAGE - 32 + (r & 63);
    default:
        return DATA + (r & (DATA_BYTES - 1) & ~(r >> 57 & 7));
    }
}

static void set_system(unsigned flags)
{
    const uint64_t tcr = 25 | 1ULL << 8 | 1ULL << 10 | 1ULL << 23 | 2ULL << 32;
    uint64_t sctlr = 0x30d00800 | 1 << 28; /* MSR and MRS: UCI, UCT, DZE... */

    if (!(flags & FLAG_MMU_OFF))
        sctlr |= 1;
    must(hv_vcpu_set_sys_reg(vcpu, HV_SYS_REG_TTBR0_EL1, TABLES));
    must(hv_vcpu_set_sys_reg(vcpu, HV_SYS_REG_TTBR1_EL1, TABLES));
    must(hv_vcpu_set_sys_reg(vcpu, HV_SYS_REG_TCR_EL1, tcr));
    must(hv_vcpu_set_sys_reg(vcpu, HV_SYS_REG_MAIR_EL1, 0xff));
    must(hv_vcpu_set_sys_reg(vcpu, HV_SYS_REG_VBAR_EL1, VECTORS));
    must(hv_vcpu_set_sys_reg(vcpu, HV_SYS_REG_CPACR_EL1,
                             flags & FLAG_NO_FP ? 0 : 3 << 20));
    must(hv_vcpu_set_sys_reg(vcpu, HV_SYS_REG_SCTLR_EL1, sctlr));
    must(hv_vcpu_set_trap_debug_exceptions(vcpu, flags & FLAG_TRAP_DEBUG));
}

static void set_registers(unsigned flags, uint64_t seed)
{
    for (unsigned i = 0; i < 31; i++)
        must(hv_vcpu_set_reg(vcpu, HV_REG_X0 + i, value(&seed)));
    must(hv_vcpu_set_reg(vcpu, HV_REG_X28,
                         flags & FLAG_NATIVE ? HOT_ROUNDS : ROUNDS));
    must(hv_vcpu_set_sys_reg(vcpu, HV_SYS_REG_SP_EL0, DATA + 0x1000));
    must(hv_vcpu_set_sys_reg(vcpu, HV_SYS_REG_SP_EL1, value(&seed)));
    for (unsigned i = 0; i < 32; i++) {
        uint64_t pair[2] = {mix(&seed), value(&seed)};
        hv_simd_fp_uchar16_t q;

        memcpy(&q, pair, sizeof(q));
        must(hv_vcpu_set_simd_fp_reg(vcpu, HV_SIMD_FP_REG_Q0 + i, q));
    }
    must(hv_vcpu_set_reg(vcpu, HV_REG_FPCR,
                         flags & FLAG_FPCR ? mix(&seed) & 0x07f79f00 : 0));
    must(hv_vcpu_set_reg(vcpu, HV_REG_CPSR,
                         (flags & FLAG_EL1 ? 0x3c5 : 0) | (mix(&seed) & 15)
                                                              << 28));
    must(hv_vcpu_set_reg(vcpu, HV_REG_PC, CODE));
}

/* ---- running ---- */

static uint64_t system_register(hv_sys_reg_t reg)
{
    uint64_t got;

    must(hv_vcpu_get_sys_reg(vcpu, reg, &got));
    return got;
}

/* The HVC of a vector: back behind what was raised. Else an exit of the
 * program's own: behind it. */
static void pass_over(void)
{
    uint64_t pc, spsr = system_register(HV_SYS_REG_SPSR_EL1);

    must(hv_vcpu_get_reg(vcpu, HV_REG_PC, &pc));
    if (pc - VECTORS < 0x800 && spsr % 16 <= 5) {
        pc = system_register(HV_SYS_REG_ELR_EL1);
        must(hv_vcpu_set_reg(vcpu, HV_REG_CPSR, spsr));
    }
    must(hv_vcpu_set_reg(vcpu, HV_REG_PC, pc + 4));
}

/* An abort goes to the monitor only where stage 2 says so. */
static void check_exit(void)
{
    unsigned class = vexit->exception.syndrome >> 26;
    uint64_t ipa = vexit->exception.physical_address;

    if ((class == 0x20 || class == 0x24) && ipa - CODE < RAM_BYTES &&
        !(ipa - DATA - PAGE < PAGE))
        abort();
}

static void run(void)
{
    for (unsigned exits = 0; exits < EXITS; exits++) {
        hv_return_t result;

        atomic_fetch_add_explicit(&running, 1, memory_order_release);
        result = hv_vcpu_run(vcpu);
        atomic_fetch_add_explicit(&running, 1, memory_order_release);
        if (result == HV_ILLEGAL_GUEST_STATE)
            return;
        must(result);
        if (vexit->reason == HV_EXIT_REASON_CANCELED)
            return;
        if (vexit->reason == HV_EXIT_REASON_EXCEPTION) {
            check_exit();
            pass_over();
        } else if (vexit->reason != HV_EXIT_REASON_VTIMER_ACTIVATED) {
            abort();
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, size};
    unsigned flags = (unsigned)fuzz_take(&in, 1);
    uint64_t seed = fuzz_take(&in, 8);

    if (memory == NULL)
        reserve();
    setenv("LULL_NATIVE", flags & FLAG_NATIVE ? "1" : "0", 1);
    must(hv_vm_create(NULL));
    fill_memory(&in, flags);
    map_memory(flags);
    must(hv_vcpu_create(&vcpu, &vexit, NULL));
    set_system(flags);
    set_registers(flags, seed);
    run();
    must(hv_vcpu_destroy(vcpu));
    must(hv_vm_destroy());
    return 0;
}
