/*
 * Measuring what a sleep costs: see wake.h. Every row has threads of its own,
 * because attaching a vCPU changes its thread.
 *
 * Judge by the median and by ratios within one run: the tail is the host's.
 */
#include "wake.h"

#include <lull/idle.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/select.h>
#include <time.h>

enum { ROUND_TRIPS_PER_SAMPLE = 10 };

struct run {
    unsigned samples;
    int64_t *ns; /* room for `samples` */
    struct wake_row row;
    const char *err;
};

static void no_guest(void *opaque)
{
}

static struct idle_vcpu *vcpu(const char *policy)
{
    struct idle_config config = {.force_exit = no_guest};
    char err[200];

    if (!idle_policy_parse(policy, &config.policy, err, sizeof(err)))
        return NULL;
    return idle_vcpu_new(&config);
}

static int by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static double percentile_us(const struct run *run, unsigned percent)
{
    uint64_t at = (uint64_t)(run->samples - 1) * percent / 100;

    return (double)run->ns[at] / 1000;
}

static void summarise(struct run *run)
{
    qsort(run->ns, run->samples, sizeof(int64_t), by_size);
    run->row.p50_us = percentile_us(run, 50);
    run->row.p90_us = percentile_us(run, 90);
    run->row.p99_us = percentile_us(run, 99);
}

static bool in_thread(struct run *run, void *(*main)(void *))
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, main, run) != 0) {
        run->err = "no thread";
        return false;
    }
    pthread_join(thread, NULL);
    return run->err == NULL;
}

/* Two threads that wake each other in turn. */

struct pair {
    struct idle_vcpu *ping, *pong;
};

static void *pong_main(void *opaque)
{
    struct pair *pair = opaque;
    uint32_t got = 0;

    idle_vcpu_attach(pair->pong);
    while (!(got & IDLE_STOP)) {
        idle_wait(pair->pong, IDLE_NO_DEADLINE, IDLE_ANY, &got);
        idle_kick(pair->ping, IDLE_IRQ);
    }
    return NULL;
}

static void ping(struct run *run, const struct pair *pair)
{
    uint32_t got;

    for (unsigned i = 0; i < run->samples; i++) {
        uint64_t began = idle_now_ns();

        for (unsigned j = 0; j < ROUND_TRIPS_PER_SAMPLE; j++) {
            idle_kick(pair->pong, IDLE_IRQ);
            idle_wait(pair->ping, IDLE_NO_DEADLINE, IDLE_ANY, &got);
        }
        run->ns[i] =
            (int64_t)((idle_now_ns() - began) / ROUND_TRIPS_PER_SAMPLE);
    }
}

static void *ping_main(void *opaque)
{
    struct run *run = opaque;
    struct pair pair = {vcpu("halt"), vcpu("halt")};
    pthread_t thread;

    if (!pair.ping || !pair.pong ||
        pthread_create(&thread, NULL, pong_main, &pair) != 0) {
        run->err = "no memory, or no thread";
    } else {
        idle_vcpu_attach(pair.ping);
        ping(run, &pair);
        idle_kick(pair.pong, IDLE_STOP);
        pthread_join(thread, NULL);
    }
    idle_vcpu_free(pair.ping);
    idle_vcpu_free(pair.pong);
    return NULL;
}

/* Deadlines: the host's own ways to sleep, as programs use them, and ours. */

static struct timespec timespec_of(uint64_t ns)
{
    return (struct timespec){.tv_sec = (time_t)(ns / 1000000000),
                             .tv_nsec = (long)(ns % 1000000000)};
}

static void by_nanosleep(uint64_t ns)
{
    struct timespec rest = timespec_of(ns);

    nanosleep(&rest, NULL);
}

static void by_select(uint64_t ns)
{
    struct timespec rest = timespec_of(ns);

    pselect(0, NULL, NULL, NULL, &rest, NULL);
}

static void by_condvar(uint64_t ns)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static pthread_cond_t never = PTHREAD_COND_INITIALIZER;
    struct timespec now, until;

    clock_gettime(CLOCK_REALTIME, &now);
    until = timespec_of((uint64_t)now.tv_sec * 1000000000 +
                        (uint64_t)now.tv_nsec + ns);
    pthread_mutex_lock(&lock);
    pthread_cond_timedwait(&never, &lock, &until);
    pthread_mutex_unlock(&lock);
}

static const struct primitive {
    const char *name;
    void (*sleep)(uint64_t ns);
} primitives[] = {
    {"nanosleep", by_nanosleep},
    {"pselect", by_select},
    {"condvar", by_condvar},
};

enum { PRIMITIVES = sizeof(primitives) / sizeof(primitives[0]) };

static uint64_t thread_cpu_ns(void)
{
    struct timespec used;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return (uint64_t)used.tv_sec * 1000000000 + (uint64_t)used.tv_nsec;
}

/* NULL: `iv` waits by its policy. */
static void sleep_often(struct run *run, void (*sleep)(uint64_t ns),
                        struct idle_vcpu *iv)
{
    uint64_t began = idle_now_ns(), cpu = thread_cpu_ns();

    for (unsigned i = 0; i < run->samples; i++) {
        uint64_t deadline = idle_now_ns() + run->row.length_ns;
        uint32_t got;

        if (sleep)
            sleep(run->row.length_ns);
        else
            idle_wait(iv, deadline, IDLE_ANY, &got);
        run->ns[i] = (int64_t)(idle_now_ns() - deadline);
    }
    run->row.cpu_percent =
        (double)(thread_cpu_ns() - cpu) * 100 / (double)(idle_now_ns() - began);
}

static void *primitive_main(void *opaque)
{
    struct run *run = opaque;

    for (unsigned i = 0; i < PRIMITIVES; i++)
        if (primitives[i].name == run->row.how)
            sleep_often(run, primitives[i].sleep, NULL);
    return NULL;
}

static void *policy_main(void *opaque)
{
    struct run *run = opaque;
    struct idle_vcpu *iv = vcpu(run->row.how);

    if (!iv) {
        run->err = "no memory";
        return NULL;
    }
    idle_vcpu_attach(iv);
    sleep_often(run, NULL, iv);
    idle_vcpu_free(iv);
    return NULL;
}

/* Kicks. */

struct kicked {
    struct run *run;
    struct idle_vcpu *iv;
    _Atomic uint64_t at_ns; /* of the kick under way; 0: none */
};

static void *kicked_main(void *opaque)
{
    struct kicked *kicked = opaque;
    uint32_t got;

    idle_vcpu_attach(kicked->iv);
    for (unsigned i = 0; i < kicked->run->samples; i++) {
        idle_wait(kicked->iv, IDLE_NO_DEADLINE, IDLE_ANY, &got);
        kicked->run->ns[i] =
            (int64_t)(idle_now_ns() - atomic_load(&kicked->at_ns));
        atomic_store(&kicked->at_ns, 0);
    }
    return NULL;
}

static void *kicker_main(void *opaque)
{
    struct run *run = opaque;
    struct kicked kicked = {.run = run, .iv = vcpu(run->row.how)};
    struct timespec gap = timespec_of(run->row.length_ns);
    pthread_t thread;

    if (!kicked.iv ||
        pthread_create(&thread, NULL, kicked_main, &kicked) != 0) {
        run->err = "no memory, or no thread";
        idle_vcpu_free(kicked.iv);
        return NULL;
    }
    for (unsigned i = 0; i < run->samples; i++) {
        do
            nanosleep(&gap, NULL);
        while (atomic_load(&kicked.at_ns) != 0);
        atomic_store(&kicked.at_ns, idle_now_ns());
        idle_kick(kicked.iv, IDLE_IRQ);
    }
    pthread_join(thread, NULL);
    idle_vcpu_free(kicked.iv);
    return NULL;
}

/* All of it. */

static bool measure(struct run *run, struct wake_row row, void *(*main)(void *),
                    wake_report *report, void *opaque)
{
    run->row = row;
    if (!in_thread(run, main))
        return false;
    summarise(run);
    return report(opaque, &run->row);
}

static bool all_deadlines(struct run *run, wake_report *report, void *opaque)
{
    static const char *const policies[] = {"halt", "park,share=0", "park",
                                           "park,share=5"};
    static const uint64_t lengths_ns[] = {100000, 1000000, 4000000, 10000000};

    for (unsigned l = 0; l < 4; l++) {
        struct wake_row row = {.kind = WAKE_DEADLINE,
                               .length_ns = lengths_ns[l]};

        for (unsigned i = 0; i < PRIMITIVES; i++) {
            row.how = primitives[i].name;
            if (!measure(run, row, primitive_main, report, opaque))
                return false;
        }
        for (unsigned i = 0; i < 4; i++) {
            row.how = policies[i];
            if (!measure(run, row, policy_main, report, opaque))
                return false;
        }
    }
    return true;
}

static bool all_kicks(struct run *run, wake_report *report, void *opaque)
{
    static const uint64_t gaps_ns[] = {100000, 2000000, 20000000};
    static const char *const policies[] = {"park", "park,poll,share=100"};

    for (unsigned i = 0; i < 6; i++) {
        struct wake_row row = {.kind = WAKE_KICK,
                               .how = policies[i % 2],
                               .length_ns = gaps_ns[i / 2]};

        if (!measure(run, row, kicker_main, report, opaque))
            return false;
    }
    return true;
}

bool bench_wake(unsigned samples, wake_report *report, void *opaque,
                const char **err)
{
    struct run run = {.samples = samples,
                      .ns = calloc(samples, sizeof(int64_t))};
    struct wake_row round_trip = {.kind = WAKE_ROUND_TRIP, .how = "halt"};

    if (!run.ns) {
        *err = "no memory";
        return false;
    }
    if (measure(&run, round_trip, ping_main, report, opaque) &&
        all_deadlines(&run, report, opaque))
        all_kicks(&run, report, opaque);
    free(run.ns);
    *err = run.err;
    return run.err == NULL;
}
