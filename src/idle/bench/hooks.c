/*
 * What the trace's hooks add to a WFI and to a kick, in nanoseconds: the same
 * calls with and without a trace, the fastest of many short runs each, so that
 * what the host takes away is not in it. bench/trace-cost reads it.
 */
#include <lull/idle_trace.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RUNS = 1000, CALLS = 1000 };

static struct idle_vcpu *iv;
static struct idle_trace_record taken[1 << 12];
static void *memory;

static void no_guest(void *opaque)
{
}

/* Nothing pending, and a policy that returns at once. */
static void wfi(void)
{
    uint32_t got;

    idle_wait(iv, IDLE_NO_DEADLINE, IDLE_ANY, &got);
}

static void kick(void)
{
    uint32_t got;

    idle_kick(iv, IDLE_IRQ);
    idle_wait(iv, IDLE_NO_DEADLINE, IDLE_ANY, &got);
}

static double fastest(void (*call)(void))
{
    uint64_t best = UINT64_MAX;

    for (unsigned run = 0; run < RUNS; run++) {
        uint64_t began = idle_now_ns(), took;

        for (unsigned i = 0; i < CALLS; i++)
            call();
        took = idle_now_ns() - began;
        best = took < best ? took : best;
        for (unsigned ring = 0; ring < IDLE_TRACE_RINGS; ring++)
            idle_trace_take(memory, 0, ring, taken,
                            sizeof(taken) / sizeof(taken[0]));
    }
    return (double)best / CALLS;
}

int main(void)
{
    struct idle_config config = {.force_exit = no_guest};
    size_t bytes = idle_trace_bytes(1);
    struct idle_trace *trace;
    double off[2], on[2];
    char err[200];

    idle_policy_parse("spin", &config.policy, err, sizeof(err));
    iv = idle_vcpu_new(&config);
    memory = aligned_alloc(4096, bytes);
    if (!iv || !memory)
        return 1;
    memset(memory, 0, bytes);
    trace = idle_trace_new(memory, 1);
    if (!trace)
        return 1;
    off[0] = fastest(wfi);
    off[1] = fastest(kick);
    idle_set_trace(iv, trace, 0);
    on[0] = fastest(wfi);
    on[1] = fastest(kick);
    printf("{\"wfi_ns\": %.2f, \"wfi_traced_ns\": %.2f, \"kick_ns\": %.2f, "
           "\"kick_traced_ns\": %.2f}\n",
           off[0], on[0], off[1], on[1]);
    idle_vcpu_free(iv);
    idle_trace_free(trace);
    free(memory);
    return 0;
}
