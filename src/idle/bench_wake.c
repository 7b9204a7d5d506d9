/*
 * bench-wake: what a sleep costs here, and what each policy makes of it.
 *
 *   - the round trip of two threads that wake each other (the floor of a kick)
 *   - how late a deadline is met, per policy and length, and the CPU it took
 *   - how long a kick takes to run the sleeper, per gap between kicks
 *
 * Judge by the median and by ratios within one run: the tail is the host's.
 * usage: bench-wake [deadlines per row]
 */
#include <lull/idle.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { DEFAULT_SAMPLES = 300, ROUND_TRIPS = 5000 };

static void no_guest(void *opaque)
{
}

static struct idle_vcpu *vcpu(const char *policy)
{
    struct idle_config config = {.force_exit = no_guest};
    struct idle_vcpu *iv = NULL;
    char err[200] = "out of memory";

    if (idle_policy_parse(policy, &config.policy, err, sizeof(err)))
        iv = idle_vcpu_new(&config);
    if (!iv) {
        fprintf(stderr, "bench-wake: %s\n", err);
        exit(1);
    }
    return iv;
}

static int by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static double us(const int64_t *sorted, unsigned n, unsigned percent)
{
    return (double)sorted[(uint64_t)(n - 1) * percent / 100] / 1000;
}

static uint64_t cpu_ns(const struct idle_vcpu *iv)
{
    struct idle_stats stats;

    idle_stats_read(iv, &stats);
    return stats.cpu_ns;
}

/* Two threads that wake each other in turn. */

static struct idle_vcpu *ping, *pong;

static void *pong_main(void *unused)
{
    uint32_t got = 0;

    idle_vcpu_attach(pong);
    while (!(got & IDLE_STOP)) {
        idle_wait(pong, IDLE_NO_DEADLINE, IDLE_ANY, &got);
        idle_kick(ping, IDLE_IRQ);
    }
    return NULL;
}

static void bench_round_trip(void)
{
    pthread_t thread;
    uint64_t began;
    uint32_t got;

    ping = vcpu("halt");
    pong = vcpu("halt");
    idle_vcpu_attach(ping);
    pthread_create(&thread, NULL, pong_main, NULL);
    began = idle_now_ns();
    for (unsigned i = 0; i < ROUND_TRIPS; i++) {
        idle_kick(pong, IDLE_IRQ);
        idle_wait(ping, IDLE_NO_DEADLINE, IDLE_ANY, &got);
    }
    printf("park/unpark round trip, two wakes: %.1f us\n",
           (double)(idle_now_ns() - began) / ROUND_TRIPS / 1000);
    idle_kick(pong, IDLE_STOP);
    pthread_join(thread, NULL);
    idle_vcpu_free(ping);
    idle_vcpu_free(pong);
}

/* Deadlines. */

struct row {
    const char *policy;
    uint64_t horizon_ns;
    unsigned samples;
    int64_t *late;
};

static void *deadlines_main(void *arg)
{
    struct row *row = arg;
    struct idle_vcpu *iv = vcpu(row->policy);
    uint64_t began, cpu;
    uint32_t got;

    idle_vcpu_attach(iv);
    began = idle_now_ns();
    cpu = cpu_ns(iv);
    for (unsigned i = 0; i < row->samples; i++) {
        uint64_t deadline = idle_now_ns() + row->horizon_ns;

        idle_wait(iv, deadline, IDLE_ANY, &got);
        row->late[i] = (int64_t)(idle_now_ns() - deadline);
    }
    cpu = cpu_ns(iv) - cpu;
    qsort(row->late, row->samples, sizeof(int64_t), by_size);
    printf("%-16s %7.2f ms  %8.2f %8.2f %8.2f   %5.2f %%\n", row->policy,
           (double)row->horizon_ns / 1e6, us(row->late, row->samples, 50),
           us(row->late, row->samples, 90), us(row->late, row->samples, 99),
           (double)cpu * 100 / (double)(idle_now_ns() - began));
    idle_vcpu_free(iv);
    return NULL;
}

static void bench_deadlines(unsigned samples, int64_t *space)
{
    static const char *const policies[] = {"halt", "park", "park,share=0",
                                           "park,share=5"};
    static const uint64_t horizons_ns[] = {100000, 1000000, 4000000, 10000000};

    printf("\nlateness of a deadline, us\n%-16s %10s  %8s %8s %8s   %s\n",
           "policy", "length", "p50", "p90", "p99", "CPU");
    for (unsigned h = 0; h < 4; h++) {
        for (unsigned p = 0; p < 4; p++) {
            struct row row = {policies[p], horizons_ns[h], samples, space};
            pthread_t thread;

            /* A thread each: attaching changes the thread. */
            pthread_create(&thread, NULL, deadlines_main, &row);
            pthread_join(thread, NULL);
        }
    }
}

/* Kicks. */

static _Atomic uint64_t kicked_ns;
static struct row kicks;

static void *kicked_main(void *iv)
{
    uint32_t got;

    idle_vcpu_attach(iv);
    for (unsigned i = 0; i < kicks.samples; i++) {
        idle_wait(iv, IDLE_NO_DEADLINE, IDLE_ANY, &got);
        kicks.late[i] = (int64_t)(idle_now_ns() - atomic_load(&kicked_ns));
        atomic_store(&kicked_ns, 0);
    }
    return NULL;
}

static void bench_kicks(unsigned samples, int64_t *space)
{
    static const uint64_t gaps_ns[] = {100000, 2000000, 20000000};
    static const char *const policies[] = {"park", "park,poll,share=100"};

    printf("\nfrom a kick to the sleeper running, us\n");
    for (unsigned row = 0; row < 6; row++) {
        uint64_t gap = gaps_ns[row / 2];
        const struct timespec nap = {0, (long)gap};
        struct idle_vcpu *iv = vcpu(policies[row % 2]);
        pthread_t thread;

        kicks = (struct row){policies[row % 2], gap, samples, space};
        if (gap > 10000000 && samples > 100)
            kicks.samples = 100;
        pthread_create(&thread, NULL, kicked_main, iv);
        for (unsigned i = 0; i < kicks.samples; i++) {
            nanosleep(&nap, NULL);
            while (atomic_load(&kicked_ns) != 0)
                nanosleep(&nap, NULL);
            atomic_store(&kicked_ns, idle_now_ns());
            idle_kick(iv, IDLE_IRQ);
        }
        pthread_join(thread, NULL);
        qsort(space, kicks.samples, sizeof(int64_t), by_size);
        printf("%-20s every %5.1f ms  %8.2f %8.2f %8.2f\n", kicks.policy,
               (double)gap / 1e6, us(space, kicks.samples, 50),
               us(space, kicks.samples, 90), us(space, kicks.samples, 99));
        idle_vcpu_free(iv);
    }
}

int main(int argc, char **argv)
{
    unsigned samples =
        argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : DEFAULT_SAMPLES;
    int64_t *space = samples ? calloc(samples, sizeof(int64_t)) : NULL;

    if (!space) {
        fprintf(stderr, "usage: bench-wake [deadlines per row]\n");
        return 1;
    }
    bench_round_trip();
    bench_deadlines(samples, space);
    bench_kicks(samples, space);
    free(space);
    return 0;
}
