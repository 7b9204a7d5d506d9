/*
 * The idle policy of a machine: one for all its vCPUs, changed while they run,
 * and the lines that a policy has for its user.
 */
#include "machine.h"

#include <stdio.h>

/* Each line once in a machine's life, however often the policy changes. */
static void announce(struct lull_vm *vm, bool sleeping)
{
    bool *told = sleeping ? &vm->idle.told_sleeping : &vm->idle.told_chosen;
    char text[128], line[LULL_VM_NAME_MAX + 160];

    if (*told || vm->config.notice == NULL ||
        !idle_policy_announce(&vm->config.idle, sleeping, text, sizeof(text)))
        return;
    *told = true;
    snprintf(line, sizeof(line), "%s: %s", vm->config.name, text);
    vm->config.notice(vm->config.opaque, line);
}

void policy_chosen(struct lull_vm *vm)
{
    announce(vm, false);
}

void policy_slept(void *opaque)
{
    struct vcpu *vcpu = opaque;

    /* Printing is for the loop's thread: this one runs a guest. */
    if (!atomic_exchange(&vcpu->vm->idle.slept, true))
        vm_news(vcpu->vm);
}

void policy_news(struct lull_vm *vm)
{
    if (atomic_exchange(&vm->idle.slept, false))
        announce(vm, true);
}

void policy_set(struct lull_vm *vm, const struct idle_policy *policy)
{
    unsigned i;

    vm->config.idle = *policy;
    vm->idle.switched = true;
    for (i = 0; i < vm->config.cpus; i++)
        idle_set_policy(vm->vcpu[i].idle, policy);
    announce(vm, false);
}
