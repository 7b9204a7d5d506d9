/*
 * What the trace's hooks add to a WFI and to a kick, in nanoseconds. The same
 * round with and without a trace, in turns of half a millisecond; the median of
 * the differences, so that a busy host hurts both alike. And what the fastest
 * turn without took, to compare builds by. bench/trace-cost reads it.
 *
 * A thread takes the records out meanwhile, as a recorder does: that their
 * lines have been in another core's cache is most of what a record costs. And
 * between its waits the vCPU computes for as long as a guest's exit takes, for
 * the same lines come less often then.
 */
#include <lull/idle_trace.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    ROUNDS = 2000, /* a turn */
    TURNS = 2000,
    GUEST_STEPS = 450,
    DRAIN_NS = 1000000,
    TAKE = 1 << 13,
};

static struct idle_vcpu *iv;
static struct idle_trace *trace;
static void *memory;
static atomic_bool over;
static volatile uint64_t result;

static void no_guest(void *opaque)
{
}

static void *drain(void *opaque)
{
    const struct timespec pause = {.tv_nsec = DRAIN_NS};
    struct idle_trace_record taken[TAKE]; /* on no line of the vCPU's */

    while (!atomic_load(&over)) {
        for (unsigned ring = 0; ring < IDLE_TRACE_RINGS; ring++) {
            while (idle_trace_take(memory, 0, ring, taken, TAKE) > 0)
                ;
        }
        nanosleep(&pause, NULL);
    }
    return NULL;
}

static void run_guest(void)
{
    uint64_t value = result;

    idle_enter(iv);
    for (unsigned i = 0; i < GUEST_STEPS; i++)
        value = value * 3 + 1;
    result = value;
    idle_leave(iv);
}

/* Nothing pending, and a policy that returns at once. */
static void wfi(void)
{
    uint32_t got;

    run_guest();
    idle_wait(iv, IDLE_NO_DEADLINE, IDLE_ANY, &got);
}

static void kick(void)
{
    uint32_t got;

    run_guest();
    idle_kick(iv, IDLE_IRQ);
    idle_wait(iv, IDLE_NO_DEADLINE, IDLE_ANY, &got);
}

static double turn(void (*round)(void), bool traced)
{
    uint64_t began;

    idle_set_trace(iv, traced ? trace : NULL, 0);
    for (unsigned i = 0; i < ROUNDS / 20; i++)
        round();
    began = idle_now_ns();
    for (unsigned i = 0; i < ROUNDS; i++)
        round();
    return (double)(idle_now_ns() - began) / ROUNDS;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(double *values)
{
    qsort(values, TURNS, sizeof(values[0]), by_value);
    return values[TURNS / 2];
}

static void measure(const char *name, void (*round)(void), const char *end)
{
    static double added[TURNS];
    double plain = 1e9;

    for (unsigned i = 0; i < TURNS; i++) {
        bool first = i % 2;
        double a = turn(round, first), b = turn(round, !first);

        double on = first ? a : b, off = first ? b : a;

        added[i] = on - off;
        if (off < plain)
            plain = off;
    }
    printf("\"%s_ns\": %.2f, \"%s_trace_ns\": %.2f%s", name, plain, name,
           median(added), end);
}

int main(void)
{
    struct idle_config config = {.force_exit = no_guest};
    size_t bytes = idle_trace_bytes(1);
    pthread_t recorder;
    char err[200];

    idle_policy_parse("spin", &config.policy, err, sizeof(err));
    iv = idle_vcpu_new(&config);
    memory = aligned_alloc(4096, bytes);
    if (!iv || !memory)
        return 1;
    memset(memory, 0, bytes);
    trace = idle_trace_new(memory, 1);
    if (!trace || pthread_create(&recorder, NULL, drain, NULL) != 0)
        return 1;
    printf("{");
    measure("wfi", wfi, ", ");
    measure("kick", kick, "}\n");
    atomic_store(&over, true);
    pthread_join(recorder, NULL);
    idle_vcpu_free(iv);
    idle_trace_free(trace);
    free(memory);
    return 0;
}
