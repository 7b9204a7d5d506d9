/*
 * Stage 2: guest physical (IPA) to host addresses, page-wise, as hv_vm_map,
 * unmap and protect define it (hypervisor-api.md, 4.8).
 *
 * Readers are vCPU threads in the guest (TLB fills and page table walks);
 * they take no lock. Writers publish a new table and then call
 * a64_broadcast_all, after which nobody in the guest uses the old one.
 */
#ifndef LULL_A64_STAGE2_H
#define LULL_A64_STAGE2_H

#include <stdbool.h>
#include <stdint.h>

struct a64_vm;
struct a64_stage2;

enum { A64_S2_READ = 1, A64_S2_WRITE = 2, A64_S2_EXEC = 4 };

struct a64_s2_span {
    uint8_t *host;         /* of the IPA asked for */
    uint64_t left_bytes;   /* contiguous from there, same permissions */
    uint64_t before_bytes; /* contiguous up to there */
    uint32_t flags;        /* A64_S2_... */
};

struct a64_stage2 *a64_stage2_new(unsigned ipa_bits);
void a64_stage2_free(struct a64_stage2 *s2);

/* Own vCPU thread in the guest, or any thread while no writer runs. False:
 * nothing is mapped there. */
bool a64_stage2_find(const struct a64_stage2 *s2, uint64_t ipa,
                     struct a64_s2_span *span);

/* HV_... codes. Any thread; writers exclude each other. */
int a64_stage2_map(struct a64_vm *vm, void *host, uint64_t ipa, uint64_t size,
                   uint32_t flags);
int a64_stage2_unmap(struct a64_vm *vm, uint64_t ipa, uint64_t size);
int a64_stage2_protect(struct a64_vm *vm, uint64_t ipa, uint64_t size,
                       uint32_t flags);

#endif
