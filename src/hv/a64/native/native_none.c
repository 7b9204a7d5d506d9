/*
 * Hosts without a compiler of their own: the interpreter does everything.
 */
#include "native.h"

bool a64_native_init(struct a64_vm *vm)
{
    return false;
}

void a64_native_free(struct a64_vm *vm)
{
}

void a64_native_drop(struct a64_code_page *page)
{
}

size_t a64_native_bytes(void)
{
    return 0;
}

void a64_native_sample(struct a64_cpu *cpu, struct a64_op *op)
{
}
