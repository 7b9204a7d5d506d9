/*
 * A vCPU at EL0 in a machine of two pages.
 */
#include "el0.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "case.h"

enum {
    TABLES = 0x40000000,
    VECTORS = 0x40001000,
};

uint8_t *code, *data;
hv_vcpu_t vcpu;
hv_vcpu_exit_t *vexit;

void check_hv(hv_return_t ret, const char *what)
{
    if (ret != HV_SUCCESS) {
        fprintf(stderr, "%s: %#x\n", what, (unsigned)ret);
        exit(1);
    }
}

static uint8_t *map(uint64_t ipa, size_t size)
{
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED) {
        perror("mmap");
        exit(1);
    }
    HV(hv_vm_map(p, ipa, size,
                 HV_MEMORY_READ | HV_MEMORY_WRITE | HV_MEMORY_EXEC));
    return p;
}

void el0_set_up(size_t data_bytes)
{
    const uint32_t hvc = 0xd4000002;
    /* a level 1 table of blocks, AF set: one for EL0 to do everything in, one
     * for EL1, which may not execute what EL0 can write */
    const uint64_t blocks[2] = {0 | 0x741, TABLES | 0x701};
    uint8_t *tables;

    HV(hv_vm_create(NULL));
    code = map(ORACLE_CODE, EL0_CODE_BYTES);
    data = map(ORACLE_DATA, data_bytes);
    tables = map(TABLES, 0x4000);
    memcpy(tables, blocks, sizeof(blocks));
    for (unsigned i = 0; i < 16; i++)
        memcpy(tables + VECTORS - TABLES + 0x80 * i, &hvc, 4);
    HV(hv_vcpu_create(&vcpu, &vexit, NULL));
    HV(hv_vcpu_set_sys_reg(vcpu, HV_SYS_REG_TTBR0_EL1, TABLES));
    /* T0SZ 25, write-back, no TTBR1, 40-bit addresses */
    HV(hv_vcpu_set_sys_reg(vcpu, HV_SYS_REG_TCR_EL1,
                           25 | 1ULL << 8 | 1ULL << 10 | 1ULL << 23 |
                               2ULL << 32));
    HV(hv_vcpu_set_sys_reg(vcpu, HV_SYS_REG_MAIR_EL1, 0xff));
    HV(hv_vcpu_set_sys_reg(vcpu, HV_SYS_REG_CPACR_EL1, 3 << 20));
    HV(hv_vcpu_set_sys_reg(vcpu, HV_SYS_REG_VBAR_EL1, VECTORS));
    HV(hv_vcpu_set_sys_reg(vcpu, HV_SYS_REG_SCTLR_EL1, 0x30d00801 | 1 << 28));
}

/* The host's way of an IC is to map the memory anew. */
void el0_sync_code(void)
{
    HV(hv_vm_unmap(ORACLE_CODE, EL0_CODE_BYTES));
    HV(hv_vm_map(code, ORACLE_CODE, EL0_CODE_BYTES,
                 HV_MEMORY_READ | HV_MEMORY_WRITE | HV_MEMORY_EXEC));
}
