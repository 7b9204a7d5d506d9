/* The guests' stage 1 tables: 4 KiB granule, 48 bits, both halves. */
#include "bare.h"

enum { POOL_PAGES = 256, PAGE = 4096 };
#define RAM 0x40000000ull
#define RAM_BYTES 0x8000000ull
#define BLOCK 0x200000ull

static uint8_t pool[POOL_PAGES][PAGE] __attribute__((aligned(4096)));
static unsigned pool_used;
uint64_t ttbr0_root, ttbr1_root;
bool paging_is_on;

extern char _start[], text_end[], image_end[];

uint64_t *new_page(void)
{
    if (pool_used == POOL_PAGES) {
        print("not ok the guest's page pool is too small\n");
        for (;;)
            ASM("wfi");
    }
    return (uint64_t *)pool[pool_used++];
}

volatile uint64_t *pte(uint64_t va, unsigned level)
{
    uint64_t table = va >> 63 ? ttbr1_root : ttbr0_root;
    volatile uint64_t *slot;
    unsigned at = 0;

    for (;; at++) {
        slot = (volatile uint64_t *)(uintptr_t)table +
               (va >> (39 - 9 * at) & 0x1ff);
        if (at == level)
            return slot;
        if (!(*slot & PTE_VALID))
            *slot = address_of(new_page()) | PTE_TABLE | PTE_VALID;
        table = *slot & 0xfffffffff000ull;
    }
}

void tlbi_all(void)
{
    ASM("dsb ishst\n\ttlbi vmalle1is\n\tdsb ish\n\tisb");
}

void tlbi_va(uint64_t va)
{
    __asm__ volatile(
        "dsb ishst\n\ttlbi vaae1is, %0\n\tdsb ish\n\tisb" ::"r"(va << 8 >> 20)
        : "memory");
}

void set_pte(volatile uint64_t *slot, uint64_t value)
{
    *slot = value;
    tlbi_all();
}

void map_page(uint64_t va, uint64_t pa, uint64_t attributes)
{
    volatile uint64_t *slot = pte(va, 3);

    *slot = pa | attributes | PTE_PAGE;
    tlbi_va(va);
}

void sync_code(const void *code, size_t bytes)
{
    uint64_t at;

    for (at = address_of(code) & ~63ull; at < address_of(code) + bytes;
         at += 64)
        __asm__ volatile("dc cvau, %0" ::"r"(at) : "memory");
    ASM("dsb ish");
    for (at = address_of(code) & ~63ull; at < address_of(code) + bytes;
         at += 64)
        __asm__ volatile("ic ivau, %0" ::"r"(at) : "memory");
    ASM("dsb ish\n\tisb");
}

/* Code is read-only and executable, for EL1 where it is, for EL0 at the
 * alias; the alias shows the data too. */
static void map_image(void)
{
    uint64_t start = address_of(_start), end = address_of(image_end), va;

    for (va = start & ~(BLOCK - 1); va < end; va += PAGE) {
        volatile uint64_t *slot;

        if (va % BLOCK == 0)
            *pte(va, 2) = 0;
        slot = pte(va, 3);
        if (va >= start && va < address_of(text_end))
            *slot = va | PTE_PAGE | PTE_SH | PTE_AF | PTE_UXN | PTE_RO;
        else
            *slot = va | PTE_PAGE | PTE_KERNEL;
        if (va >= start)
            *pte(va + USER_ALIAS, 3) =
                va | PTE_PAGE | PTE_SH | PTE_AF | PTE_USER | PTE_RO | PTE_PXN;
    }
}

static void make_tables(void)
{
    uint64_t va;

    ttbr0_root = address_of(new_page());
    ttbr1_root = address_of(new_page());
    *pte(0, 1) = PTE_BLOCK | PTE_DEVICE | PTE_KERNEL;
    for (va = RAM; va < RAM + RAM_BYTES; va += BLOCK)
        *pte(va, 2) = va | PTE_BLOCK | PTE_KERNEL;
    map_image();
    for (va = USER_STACK_TOP - 4 * PAGE; va < USER_STACK_TOP; va += PAGE)
        *pte(va, 3) = address_of(new_page()) | PTE_SHARED | PTE_PAGE;
}

void paging_on_here(void)
{
    WRITE("mair_el1", 0x4404ffull);
    WRITE("tcr_el1", TCR_BASE);
    WRITE("ttbr0_el1", ttbr0_root);
    WRITE("ttbr1_el1", ttbr1_root);
    ASM("dsb sy\n\ttlbi vmalle1\n\tdsb sy\n\tisb");
    WRITE("sctlr_el1", SCTLR_BASE | SCTLR_M);
}

void paging_on(void)
{
    if (ttbr0_root == 0)
        make_tables();
    paging_on_here();
    paging_is_on = true;
}
