/*
 * For promises.py: what the engine makes of instruction words.
 *
 * usage: encodings id        prints the ID registers as a guest at EL1 reads
 *                            them: NAME VALUE, in hexadecimal
 *        encodings kinds     prints words of every kind of instruction that
 *                            the decoder knows (program.h), in hexadecimal
 *        encodings words     reads words in hexadecimal, prints for each
 *                            0 UNDEF, 1 executes, 2 the VMM's to answer
 *
 * System instructions are run at EL1, each on a new vCPU with the MMU off,
 * since what they are is found out late; of all others the decoder is asked.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <Hypervisor/Hypervisor.h>

#include "code.h"
#include "el0.h"
#include "program.h"
#include "sysreg.h"

enum {
    RAM = 0x40000000,
    RAM_BYTES = 0x8000,
    VECTORS = RAM + 0x1000,
    AT = RAM + 0x2000,
    DATA = RAM + 0x4000,
    HVC0 = 0xd4000002,     /* in the vectors */
    HVC1 = HVC0 | 1u << 5, /* behind the word */
    CPSR_EL1H = 0x3c5,
};

enum verdict { UNDEF, EXECUTES, VMMS };

static uint8_t *ram;

static void put_word(uint64_t at, uint32_t word)
{
    memcpy(ram + (at - RAM), &word, 4);
}

static void map_ram(void)
{
    HV(hv_vm_map(ram, RAM, RAM_BYTES,
                 HV_MEMORY_READ | HV_MEMORY_WRITE | HV_MEMORY_EXEC));
}

static void set_up(void)
{
    HV(hv_vm_create(NULL));
    ram = mmap(NULL, RAM_BYTES, PROT_READ | PROT_WRITE,
               MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (ram == MAP_FAILED) {
        perror("mmap");
        exit(1);
    }
    for (unsigned i = 0; i < 16; i++)
        put_word(VECTORS + 0x80 * i, HVC0);
    map_ram();
}

/* Run the word at EL1, X0 = x0 before; *result is X0 after. */
static enum verdict run(uint32_t word, uint64_t x0, uint64_t *result)
{
    uint64_t syndrome, esr = 0;
    enum verdict verdict = EXECUTES;
    hv_vcpu_exit_t *out;
    hv_vcpu_t cpu;

    put_word(AT, word);
    put_word(AT + 4, HVC1);
    HV(hv_vm_unmap(RAM, RAM_BYTES)); /* the host's way of an IC */
    map_ram();
    HV(hv_vcpu_create(&cpu, &out, NULL));
    HV(hv_vcpu_set_sys_reg(cpu, HV_SYS_REG_VBAR_EL1, VECTORS));
    HV(hv_vcpu_set_sys_reg(cpu, HV_SYS_REG_CPACR_EL1, 3 << 20));
    HV(hv_vcpu_set_reg(cpu, HV_REG_CPSR, CPSR_EL1H));
    HV(hv_vcpu_set_reg(cpu, HV_REG_PC, AT));
    HV(hv_vcpu_set_reg(cpu, HV_REG_X0, x0));
    HV(hv_vcpu_run(cpu));
    syndrome = out->exception.syndrome;
    if (out->reason == HV_EXIT_REASON_EXCEPTION && syndrome >> 26 == 0x18) {
        verdict = VMMS;
    } else if (out->reason == HV_EXIT_REASON_EXCEPTION &&
               syndrome >> 26 == 0x16 && (syndrome & 0xffff) == 0) {
        HV(hv_vcpu_get_sys_reg(cpu, HV_SYS_REG_ESR_EL1, &esr));
        verdict = esr >> 26 == 0 ? UNDEF : EXECUTES;
    }
    HV(hv_vcpu_get_reg(cpu, HV_REG_X0, result));
    HV(hv_vcpu_destroy(cpu));
    return verdict;
}

static enum verdict judge(uint32_t word)
{
    struct a64_op op = {0};
    uint64_t ignored;

    if (word >> 24 == 0xd5) {
        /* an address for the instructions that want one, else zero */
        int is_sys = (word >> 19 & 3) == 1;

        return run(word, is_sys ? DATA : 0, &ignored);
    }
    return a64_decode(word, (AT & 0xfff) / 4, &op) == A64_OP_UNDEF ? UNDEF
                                                                   : EXECUTES;
}

static void print_id_registers(void)
{
    /* op1 0, CRn 0, CRm 4 to 7, all op2: those with a name, and no others */
    static const char *const names[4][8] = {
        {"ID_AA64PFR0",
         "ID_AA64PFR1", [4] = "ID_AA64ZFR0", [5] = "ID_AA64SMFR0"},
        {"ID_AA64DFR0", "ID_AA64DFR1"},
        {"ID_AA64ISAR0", "ID_AA64ISAR1", "ID_AA64ISAR2"},
        {"ID_AA64MMFR0", "ID_AA64MMFR1", "ID_AA64MMFR2"},
    };

    for (unsigned crm = 0; crm < 4; crm++)
        for (unsigned op2 = 0; op2 < 8; op2++) {
            uint32_t mrs = 0xd5380400 | crm << 8 | op2 << 5;
            uint64_t value = 0;
            enum verdict verdict = run(mrs, 0, &value);

            if (names[crm][op2] == NULL)
                continue;
            if (verdict == VMMS) /* as `lull run` answers */
                value = 0;
            printf("%s %" PRIx64 "\n", names[crm][op2], value);
        }
}

static void print_kinds(void)
{
    kinds_find();
    for (unsigned i = 0; i < kinds_count(); i++) {
        const struct kind *k = kind_at(i);

        if (k->group == GROUP_SYSTEM)
            continue;
        for (unsigned n = 0; n < k->samples; n++)
            printf("%" PRIx32 "\n", k->sample[n]);
    }
}

int main(int argc, char **argv)
{
    uint32_t word;

    set_up();
    if (argc == 2 && strcmp(argv[1], "id") == 0) {
        print_id_registers();
    } else if (argc == 2 && strcmp(argv[1], "kinds") == 0) {
        print_kinds();
    } else if (argc == 2 && strcmp(argv[1], "words") == 0) {
        while (scanf("%" SCNx32, &word) == 1)
            puts((const char *[]){"0", "1", "2"}[judge(word)]);
    } else {
        fprintf(stderr, "usage: encodings id|kinds|words\n");
        return 1;
    }
    HV(hv_vm_destroy());
    return 0;
}
