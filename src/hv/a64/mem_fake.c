/*
 * See mem_fake.h.
 */
#include "mem_fake.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

_Thread_local struct fake fake;
struct a64_vm fake_vm;

static uint8_t *ram, *others;
static uint64_t next_table;

/* ---- the rest of the engine ---- */

enum a64_next a64_exception(struct a64_cpu *cpu, unsigned ec, uint32_t iss,
                            uint64_t far)
{
    fake.exceptions++;
    fake.ec = ec;
    fake.iss = iss;
    fake.far = far;
    return A64_REDIRECT;
}

enum a64_next a64_exit_to_vmm(struct a64_cpu *cpu, unsigned ec, uint32_t iss,
                              uint64_t va, uint64_t ipa)
{
    fake.exits++;
    fake.exit_ec = ec;
    fake.exit_iss = iss;
    fake.exit_va = va;
    fake.exit_ipa = ipa;
    return A64_EXIT;
}

enum a64_next a64_undefined(struct a64_cpu *cpu)
{
    fake.undefined++;
    return A64_REDIRECT;
}

uint32_t a64_abort_iss(struct a64_cpu *cpu)
{
    return FAKE_ISS;
}

enum a64_next a64_watchpoint(struct a64_cpu *cpu, uint64_t va, unsigned size,
                             bool write, unsigned el)
{
    fake.watched++;
    fake.watch_va = va;
    fake.watch_size = size;
    fake.watch_write = write;
    return fake.watch_hits ? A64_REDIRECT : A64_NEXT;
}

/* Any pointer will do that is the page's own: its contents. */
struct a64_code_page *a64_code_page(struct a64_cpu *cpu, uint64_t ipa,
                                    const void *host)
{
    fake.pages_made++;
    if (fake.in_code_page)
        fake.in_code_page(cpu);
    return fake.no_code_memory ? NULL : (struct a64_code_page *)host;
}

void a64_code_invalidate(struct a64_vm *vm, uint64_t ipa, uint64_t len)
{
    fake.invalidated++;
    fake.invalid_ipa = ipa;
    fake.invalid_len = len;
}

void a64_code_invalidate_all(struct a64_vm *vm)
{
    fake.invalidated_all++;
}

/* ---- VM and vCPUs ---- */

static uint8_t *memory(size_t bytes)
{
    uint8_t *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    ck_assert_ptr_ne(p, MAP_FAILED);
    return p;
}

void fake_start(void)
{
    const uint32_t all = A64_S2_READ | A64_S2_WRITE | A64_S2_EXEC;

    memset(&fake, 0, sizeof(fake));
    memset(&fake_vm, 0, sizeof(fake_vm));
    ram = memory(RAM_BYTES);
    others = memory(3 << 16);
    next_table = RAM;
    fake_vm.stage2 = a64_stage2_new(A64_PA_BITS);
    ck_assert(a64_sync_init(&fake_vm));
    ck_assert_int_eq(a64_stage2_map(&fake_vm, ram, RAM, RAM_BYTES, all), 0);
    ck_assert_int_eq(a64_stage2_map(&fake_vm, others, READ_ONLY, 1 << 16,
                                    A64_S2_READ | A64_S2_EXEC),
                     0);
    ck_assert_int_eq(a64_stage2_map(&fake_vm, others + (1 << 16), NO_EXEC,
                                    1 << 16, A64_S2_READ | A64_S2_WRITE),
                     0);
    ck_assert_int_eq(a64_stage2_map(&fake_vm, others + (2 << 16), WRITE_ONLY,
                                    1 << 16, A64_S2_WRITE),
                     0);
}

void fake_stop(void)
{
    for (unsigned i = 0; i < A64_MAX_CPUS; i++) {
        struct a64_cpu *cpu = atomic_load(&fake_vm.cpu[i]);

        if (cpu != NULL)
            a64_guest_leave(cpu);
    }
    for (unsigned i = 0; i < A64_MAX_CPUS; i++)
        fake_cpu_free(atomic_load(&fake_vm.cpu[i]));
    a64_sync_free(&fake_vm);
    a64_stage2_free(fake_vm.stage2);
    munmap(ram, RAM_BYTES);
    munmap(others, 3 << 16);
}

struct a64_cpu *fake_cpu_with(unsigned id, uint64_t ttbr0, uint64_t ttbr1)
{
    struct a64_cpu *cpu = aligned_alloc(64, sizeof(*cpu));
    struct a64_code_page *code =
        aligned_alloc(_Alignof(struct a64_code_page), sizeof(*code));

    ck_assert_ptr_nonnull(cpu);
    ck_assert_ptr_nonnull(code);
    memset(code, 0, sizeof(*code));
    memset(cpu, 0, sizeof(*cpu));
    code->source = calloc(A64_PAGE_OPS, 4);
    cpu->page_ops = code->op;
    cpu->vm = &fake_vm;
    cpu->id = id;
    cpu->el = 1;
    ck_assert(a64_tlb_init(cpu));
    cpu->sys.sctlr_el1 = SCTLR_M;
    /* T0SZ = T1SZ = 16, TG1 = 4K, IPS = 40 bits, 16-bit ASIDs */
    cpu->sys.tcr_el1 = 16 | 16 << 16 | 2u << 30 | 2ULL << 32 | TCR_AS;
    cpu->sys.mair_el1 = 0x44ff00; /* nGnRnE, write-back, Non-cacheable */
    cpu->sys.ttbr0_el1 = ttbr0;
    cpu->sys.ttbr1_el1 = ttbr1;
    a64_tlb_control(cpu);
    atomic_store(&fake_vm.cpu[id], cpu);
    return cpu;
}

struct a64_cpu *fake_cpu(unsigned id)
{
    uint64_t lower = fake_table(), upper = fake_table();

    return fake_cpu_with(id, lower, upper);
}

void fake_cpu_free(struct a64_cpu *cpu)
{
    struct a64_code_page *code;

    if (cpu == NULL)
        return;
    code = (struct a64_code_page *)(void *)cpu->page_ops;
    a64_tlb_free(cpu);
    free((void *)code->source);
    free(code);
    free(cpu);
}

void fake_insn(struct a64_cpu *cpu, uint32_t insn)
{
    struct a64_code_page *code = (struct a64_code_page *)(void *)cpu->page_ops;

    ((uint32_t *)code->source)[cpu->pc >> 2 & (A64_PAGE_OPS - 1)] = insn;
}

/* ---- memory ---- */

void *fake_ram(uint64_t ipa)
{
    struct a64_s2_span span;

    ck_assert(a64_stage2_find(fake_vm.stage2, ipa, &span));
    return span.host;
}

uint64_t fake_table(void)
{
    uint64_t table = next_table;

    next_table += 4096;
    ck_assert_uint_lt(next_table, DATA);
    memset(fake_ram(table), 0, 4096);
    return table;
}

_Atomic uint64_t *fake_desc(struct a64_cpu *cpu, uint64_t va, unsigned level)
{
    unsigned upper = bit(va, 55);
    uint64_t table = upper ? cpu->sys.ttbr1_el1 : cpu->sys.ttbr0_el1;
    unsigned size =
        64 - (unsigned)bits(cpu->sys.tcr_el1, upper ? 21 : 5, upper ? 16 : 0);
    unsigned at = size > 39 ? 0 : size > 30 ? 1 : 2;
    unsigned top = size;

    table &= 0x0000fffffffff000ULL;
    for (;; at++) {
        unsigned shift = 39 - 9 * at;
        uint64_t where = table + 8 * bits(va, top - 1, shift);
        _Atomic uint64_t *desc = fake_ram(where);

        if (at >= level)
            return desc;
        if (!(*desc & D_VALID))
            *desc = fake_table() | D_VALID | D_TABLE;
        table = *desc & 0x0000fffffffff000ULL;
        top = shift;
    }
}

void fake_map(struct a64_cpu *cpu, uint64_t va, uint64_t ipa, unsigned level,
              uint64_t attributes)
{
    _Atomic uint64_t *desc = fake_desc(cpu, va, level);

    atomic_store_explicit(
        desc, ipa | attributes | D_VALID | (level == 3 ? D_PAGE : 0),
        memory_order_release);
}

uint64_t fake_get(struct a64_cpu *cpu, uint64_t va)
{
    uint64_t value;

    ck_assert_int_eq(a64_load(cpu, va, 8, &value, 0), A64_NEXT);
    return value;
}

void fake_put(struct a64_cpu *cpu, uint64_t va, uint64_t value)
{
    ck_assert_int_eq(a64_store(cpu, va, 8, &value, 0), A64_NEXT);
}

static uint64_t fast_tag(const struct a64_cpu *cpu, uint64_t va, unsigned size)
{
    return ((va + size - 1) & ~0xfffULL) | cpu->ctx[va >> 63];
}

bool fast_read(const struct a64_cpu *cpu, uint64_t va, unsigned size)
{
    return fast_tag(cpu, va, size) ==
           cpu->tlb[(va >> 12) & (A64_TLB_SIZE - 1)].rtag;
}

bool fast_write(const struct a64_cpu *cpu, uint64_t va, unsigned size)
{
    return fast_tag(cpu, va, size) ==
           cpu->tlb[(va >> 12) & (A64_TLB_SIZE - 1)].wtag;
}

uint64_t fills(struct a64_cpu *cpu)
{
    return atomic_load(&cpu->tlb_fills);
}

int fake_main(Suite *suite)
{
    SRunner *runner = srunner_create(suite);
    int failed;

    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
