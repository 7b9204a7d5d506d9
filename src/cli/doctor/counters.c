/*
 * What Lull's own counters say of its vCPUs: x-lull-stats at both ends of the
 * window.
 */
#include "doctor.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "../readings.h"

/* Counters fit into a double's 53 bits. */
static uint64_t number(const json_t *json, const char *a, const char *b,
                       const char *c)
{
    return (uint64_t)reading_number(json, a, b, c);
}

static void copy(char *to, size_t bytes, const json_t *json, const char *key)
{
    snprintf(to, bytes, "%s", reading_text(json, key));
}

/* WFIs with something pending, or that a policy did not let wait. */
static uint64_t pendings(const json_t *cpu)
{
    return number(json_object_get(cpu, "idle"), "states", "pending", "entries");
}

static void count_vcpu(struct doctor_thread *thread, const json_t *before,
                       const json_t *after)
{
#define CHANGE(a, b, c) (number(after, a, b, c) - number(before, a, b, c))
    thread->role = DOCTOR_VCPU;
    thread->told_by = "Lull";
    thread->vcpu = (unsigned)number(after, "index", NULL, NULL);
    thread->counted = true;
    thread->off = strcmp(reading_text(after, "power"), "off") == 0;
    thread->ever_on = reading_exits(after) > 0;
    thread->wfis = CHANGE("exits", "wfi", NULL);
    thread->pending = pendings(after) - pendings(before);
    thread->timers = CHANGE("timer_raised", NULL, NULL);
    thread->kicks = CHANGE("idle", "kicks", NULL);
    thread->strays = CHANGE("idle", "wakes", "stray");
    thread->gic_accesses = CHANGE("exits", "gic_sysreg", NULL);
#undef CHANGE
}

static struct doctor_thread *thread_of(struct doctor_observation *seen,
                                       uint64_t id)
{
    for (size_t i = 0; i < seen->thread_count; i++)
        if ((uint64_t)seen->thread[i].id == id)
            return &seen->thread[i];
    return NULL;
}

static bool any_fault(const json_t *stats)
{
    return number(stats, "faults", "wfi", NULL) != 0;
}

void doctor_count(struct doctor_observation *seen, const json_t *before,
                  const json_t *after)
{
    json_t *cpus = json_object_get(after, "cpus"), *cpu;
    json_t *idle = json_object_get(json_object_get(after, "settings"), "idle");
    size_t i;

    copy(seen->version, sizeof(seen->version), after, "version");
    snprintf(seen->version_from, sizeof(seen->version_from), "Lull");
    copy(seen->status, sizeof(seen->status), after, "status");
    copy(seen->policy, sizeof(seen->policy), after, "policy");
    copy(seen->policy_from, sizeof(seen->policy_from), idle, "source");
    copy(seen->gic, sizeof(seen->gic), after, "gic");
    snprintf(seen->gic_from, sizeof(seen->gic_from), "Lull");
    seen->cpus = (unsigned)number(after, "vcpus", NULL, NULL);
    seen->faults = any_fault(after);
    json_array_foreach(cpus, i, cpu)
    {
        struct doctor_thread *thread =
            thread_of(seen, number(cpu, "thread_id", NULL, NULL));

        if (thread != NULL)
            count_vcpu(thread, reading_cpu(before, i), cpu);
    }
}
