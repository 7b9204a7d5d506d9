/*
 * Which threads are vCPUs, where nobody says so. QEMU names them "CPU 0/TCG"
 * if it is told to name threads (-name NAME,debug-threads=on), Lull "vcpu-0".
 * A QEMU that does not makes its threads in a known order: main, RCU, I/O
 * threads, vCPUs, and workers as they are needed.
 */
#include "doctor.h"

#include <stdio.h>
#include <string.h>

static bool named_vcpu(struct doctor_thread *thread)
{
    unsigned vcpu;
    char slash;

    if ((sscanf(thread->name, "CPU %u%c", &vcpu, &slash) != 2 ||
         slash != '/') &&
        sscanf(thread->name, "vcpu-%u", &vcpu) != 1)
        return false;
    thread->told_by = "its name";
    thread->role = DOCTOR_VCPU;
    thread->vcpu = vcpu;
    return true;
}

/* No vCPU ever waits in poll, and every I/O thread and monitor does. */
static bool polls(const struct doctor_thread *thread)
{
    return thread->in_poll > 0;
}

static void guess_by_order(struct doctor_observation *seen)
{
    unsigned cpus = seen->cpus != 0 ? seen->cpus : 1, vcpu = 0;
    bool rcu_passed = false;

    for (size_t i = 0; i < seen->thread_count && vcpu < cpus; i++) {
        struct doctor_thread *thread = &seen->thread[i];

        if (thread->role == DOCTOR_MAIN)
            continue;
        if (!rcu_passed) {
            rcu_passed = true;
            continue;
        }
        if (polls(thread))
            continue;
        thread->role = DOCTOR_VCPU;
        thread->vcpu = vcpu++;
        thread->told_by = "the order of threads";
    }
}

void doctor_guess_roles(struct doctor_observation *seen)
{
    bool named = false;

    for (size_t i = 0; i < seen->thread_count; i++)
        named |= named_vcpu(&seen->thread[i]);
    if (!named && seen->kind == DOCTOR_QEMU)
        guess_by_order(seen);
}
