/*
 * Guest memory: what may be mapped, and memory to map. The map itself is
 * a64/stage2.c's; here are the rules of its callers.
 */
#include "api.h"
#include "a64/stage2.h"
#include "lull/bits.h"
#include "lull/checked.h"

#include <sys/mman.h>
#include <unistd.h>

/* Host addresses may be finer than the granule; see docs/hv.md. */
enum { HOST_ALIGNMENT = 0x1000 };

#define ALL_FLAGS (HV_MEMORY_READ | HV_MEMORY_WRITE | HV_MEMORY_EXEC)

static bool range_ok(const struct api_vm *vm, hv_ipa_t ipa, uint64_t size)
{
    return size != 0 && ((ipa | size) & (vm->granule - 1)) == 0 &&
           range_within(ipa, size, 0, 1ULL << vm->ipa_bits);
}

static bool host_ok(const void *addr, uint64_t size)
{
    uint64_t start = (uintptr_t)addr, end;

    return addr && (start & (HOST_ALIGNMENT - 1)) == 0 &&
           add_ok(start, size, &end);
}

hv_return_t hv_vm_map(void *addr, hv_ipa_t ipa, size_t size,
                      hv_memory_flags_t flags)
{
    struct api_vm *vm = api_vm_enter();
    hv_return_t result = HV_BAD_ARGUMENT;

    if (!vm)
        return HV_NO_DEVICE;
    if (range_ok(vm, ipa, size) && host_ok(addr, size) && !(flags & ~ALL_FLAGS))
        result = a64_stage2_map(&vm->a64, addr, ipa, size, (uint32_t)flags);
    api_vm_leave();
    return result;
}

hv_return_t hv_vm_unmap(hv_ipa_t ipa, size_t size)
{
    struct api_vm *vm = api_vm_enter();
    hv_return_t result = HV_BAD_ARGUMENT;

    if (!vm)
        return HV_NO_DEVICE;
    if (range_ok(vm, ipa, size))
        result = a64_stage2_unmap(&vm->a64, ipa, size);
    api_vm_leave();
    return result;
}

hv_return_t hv_vm_protect(hv_ipa_t ipa, size_t size, hv_memory_flags_t flags)
{
    struct api_vm *vm = api_vm_enter();
    hv_return_t result = HV_BAD_ARGUMENT;

    if (!vm)
        return HV_NO_DEVICE;
    if (range_ok(vm, ipa, size) && !(flags & ~ALL_FLAGS))
        result = a64_stage2_protect(&vm->a64, ipa, size, (uint32_t)flags);
    api_vm_leave();
    return result;
}

/* Whole host pages, and few enough that the end of them is an address. */
static bool pages_ok(size_t size)
{
    return size != 0 && size <= PTRDIFF_MAX &&
           (size & ((size_t)getpagesize() - 1)) == 0;
}

hv_return_t hv_vm_allocate(void **uvap, size_t size, hv_allocate_flags_t flags)
{
    void *memory;

    if (!uvap || !pages_ok(size) || flags != HV_ALLOCATE_DEFAULT)
        return HV_BAD_ARGUMENT;
    /* MAP_NORESERVE: a guest is given more than it touches. No advice about
     * huge pages: they would make an idle guest's memory resident. */
    memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        return HV_NO_RESOURCES;
    *uvap = memory;
    return HV_SUCCESS;
}

hv_return_t hv_vm_deallocate(void *uva, size_t size)
{
    if (!uva || !pages_ok(size) || munmap(uva, size) != 0)
        return HV_BAD_ARGUMENT;
    return HV_SUCCESS;
}
