/*
 * x-lull-trace: the memory for the rings, and who has it.
 *
 * The memory is made at the first recording and kept, mapped, as long as the
 * VM lives: a vCPU or a kicker may be in the middle of a record when a
 * recording ends, and so needs no waiting for. Between recordings its pages
 * are given back. It is sealed against a change of its size, so that nobody
 * who was handed it can make a vCPU fault.
 */
#include "recording.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "host.h"
#include "lull/idle_trace.h"
#include "machine.h"

static bool make(struct lull_vm *vm, struct why *why)
{
    size_t bytes = idle_trace_bytes(vm->config.cpus);
    int fd = host_shared_memory(bytes);
    void *memory;

    if (fd < 0)
        return because(why, "no shared memory for the trace: %s",
                       strerror(errno));
    memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory != MAP_FAILED)
        vm->trace.rings = idle_trace_new(memory, vm->config.cpus);
    if (vm->trace.rings == NULL) {
        because(why, "no memory for the trace: %s", strerror(errno));
        if (memory != MAP_FAILED)
            munmap(memory, bytes);
        close(fd);
        return false;
    }
    vm->trace.fd = fd;
    vm->trace.memory = memory;
    return true;
}

static void record(struct lull_vm *vm, bool on)
{
    unsigned i;

    vm->trace.recording = on;
    for (i = 0; i < vm->config.cpus; i++)
        idle_set_trace(vm->vcpu[i].idle, on ? vm->trace.rings : NULL, i);
}

/* What the governors have learned, vCPU by vCPU. */
static json_t *margins(struct lull_vm *vm)
{
    json_t *all = json_array();
    struct idle_stats stats;
    unsigned i, j;

    for (i = 0; i < vm->config.cpus; i++) {
        json_t *list = json_array();

        idle_stats_read(vm->vcpu[i].idle, &stats);
        for (j = 0; j < IDLE_HIST_BUCKETS; j++)
            json_array_append_new(list,
                                  json_integer((json_int_t)stats.margin_ns[j]));
        json_array_append_new(all, list);
    }
    return all;
}

/* What a trace file's header says, and the threads' CPU time now. */
static json_t *describe(struct lull_vm *vm)
{
    json_t *cpus = json_array();
    char policy[64];
    unsigned i;

    idle_policy_format(&vm->config.idle, policy, sizeof(policy));
    for (i = 0; i < vm->config.cpus; i++) {
        struct vcpu *vcpu = &vm->vcpu[i];
        uint64_t cpu_ns = vcpu->started ? host_thread_cpu_ns(vcpu->thread) : 0;

        json_array_append_new(cpus, json_integer((json_int_t)cpu_ns));
    }
    return json_pack("{s:b,s:I,s:I,s:I,s:s,s:s,s:s,s:o,s:o}", "recording",
                     vm->trace.recording, "now_ns", (json_int_t)idle_now_ns(),
                     "started_ns", (json_int_t)vm->started_ns, "bytes",
                     (json_int_t)idle_trace_bytes(vm->config.cpus), "name",
                     vm->config.name, "policy", policy, "version", LULL_VERSION,
                     "cpu_ns", cpus, "margin_ns", margins(vm));
}

json_t *recording_start(struct lull_vm *vm, const void *who, int *fd,
                        struct why *why)
{
    if (vm->trace.who != NULL && vm->trace.who != who) {
        because(why, "this VM is being recorded already");
        return NULL;
    }
    if (vm->trace.rings == NULL && !make(vm, why))
        return NULL;
    *fd = dup(vm->trace.fd);
    if (*fd < 0) {
        because(why, "the trace's memory: %s", strerror(errno));
        return NULL;
    }
    vm->trace.who = who;
    record(vm, false);
    idle_trace_clear(vm->trace.rings);
    record(vm, true);
    return describe(vm);
}

json_t *recording_stop(struct lull_vm *vm, const void *who, struct why *why)
{
    if (vm->trace.who != who) {
        because(why, "it is not you who records this VM");
        return NULL;
    }
    record(vm, false);
    return describe(vm);
}

json_t *recording_status(struct lull_vm *vm)
{
    return describe(vm);
}

/* The pages go back only now: after a stop the client still reads them. */
void recording_gone(struct lull_vm *vm, const void *who)
{
    if (vm->trace.who != who)
        return;
    record(vm, false);
    vm->trace.who = NULL;
    host_forget_memory(vm->trace.fd, idle_trace_bytes(vm->config.cpus));
}

void recording_free(struct lull_vm *vm)
{
    if (vm->trace.rings == NULL)
        return;
    idle_trace_free(vm->trace.rings);
    munmap(vm->trace.memory, idle_trace_bytes(vm->config.cpus));
    close(vm->trace.fd);
}
