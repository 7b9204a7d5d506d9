/*
 * Faults on request: their text, and the thread that makes those which come
 * from outside a vCPU. Those of the sleep itself are the idle governor's.
 *
 * Rates are per vCPU. Events come at even distances; that they hit every
 * moment of a vCPU's life is due to the guest, whose times have no relation to
 * ours.
 */
#include "fault.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lull/bits.h"
#include "machine.h"

static const struct fault {
    const char *name;
    const char *unit;
    size_t offset;
    uint32_t most;
} all[] = {
    {"wfi", "percent of WFIs", offsetof(struct lull_faults, wfi_percent), 100},
    {"stray", "per second", offsetof(struct lull_faults, stray_hz), 100000},
    {"cancel", "per second", offsetof(struct lull_faults, cancel_hz), 100000},
    {"eintr", "per second", offsetof(struct lull_faults, eintr_hz), 100000},
    {"early", "percent of sleeps", offsetof(struct lull_faults, early_percent),
     100},
    {"late", "microseconds", offsetof(struct lull_faults, late_us), 1000000},
};

enum { FAULTS = sizeof(all) / sizeof(all[0]) };

static const struct fault *find(const char *name, size_t length)
{
    for (unsigned i = 0; i < FAULTS; i++)
        if (strlen(all[i].name) == length &&
            strncmp(all[i].name, name, length) == 0)
            return &all[i];
    return NULL;
}

static bool unknown(const char *text, char *err, size_t bytes)
{
    size_t used =
        (size_t)snprintf(err, bytes, "no fault \"%.40s\": valid are", text);

    for (unsigned i = 0; i < FAULTS && used < bytes; i++)
        used += (size_t)snprintf(err + used, bytes - used, "%s %s=N (%s)",
                                 i ? "," : "", all[i].name, all[i].unit);
    return false;
}

/* One "name=rate"; *text moves behind it. */
static bool read_fault(const char **text, struct lull_faults *faults, char *err,
                       size_t bytes)
{
    const struct fault *fault = find(*text, strcspn(*text, "=,"));
    const char *value = *text + strcspn(*text, "=,");
    char *end;
    unsigned long rate;

    if (fault == NULL)
        return unknown(*text, err, bytes);
    errno = 0;
    rate = value[0] == '=' && value[1] >= '0' && value[1] <= '9'
               ? strtoul(value + 1, &end, 10)
               : ULONG_MAX;
    if (rate > fault->most || errno != 0 || (*end != '\0' && *end != ',')) {
        snprintf(err, bytes, "fault %s: give %s=N, N %s, 0 to %u", fault->name,
                 fault->name, fault->unit, fault->most);
        return false;
    }
    memcpy((char *)faults + fault->offset, &(uint32_t){(uint32_t)rate},
           sizeof(uint32_t));
    *text = *end == ',' ? end + 1 : NULL;
    return true;
}

bool lull_faults_parse(const char *text, struct lull_faults *faults, char *err,
                       size_t err_bytes)
{
    struct lull_faults read = {0};

    while (text != NULL)
        if (!read_fault(&text, &read, err, err_bytes))
            return false;
    *faults = read;
    return true;
}

/* ---- the WFI that ends by itself --------------------------------------------
 */

bool fault_wfi(struct lull_vm *vm, unsigned cpu)
{
    uint32_t percent = vm->config.faults.wfi_percent;
    uint64_t *state = &vm->fault.random[cpu];

    if (LULL_LIKELY(percent == 0))
        return false;
    *state = *state * 6364136223846793005ULL + 1442695040888963407ULL;
    if ((*state >> 33) % 100 >= percent)
        return false;
    atomic_fetch_add_explicit(&vm->fault.wfis, 1, memory_order_relaxed);
    return true;
}

/* ---- what comes from outside ------------------------------------------------
 */

static void stray(struct vcpu *vcpu)
{
    idle_stray(vcpu->idle);
}

static void cancel(struct vcpu *vcpu)
{
    vcpu_force_exit(vcpu);
}

static void interrupt(struct vcpu *vcpu)
{
    pthread_kill(vcpu->thread, SIGUSR2);
}

struct source {
    uint64_t period_ns; /* 0: never */
    uint64_t next_ns;
    void (*make)(struct vcpu *vcpu);
    _Atomic uint64_t *made;
};

static void fire(struct lull_vm *vm, struct source *source, uint64_t now)
{
    for (unsigned i = 0; i < vm->config.cpus; i++)
        source->make(&vm->vcpu[i]);
    atomic_fetch_add_explicit(source->made, vm->config.cpus,
                              memory_order_relaxed);
    source->next_ns += source->period_ns;
    /* What a busy host missed is not made up for in a burst. */
    if (source->next_ns < now)
        source->next_ns = now;
}

static void sleep_until(uint64_t ns)
{
    uint64_t now = idle_now_ns(), rest = ns > now ? ns - now : 0;
    struct timespec left = {.tv_sec = (time_t)(rest / 1000000000),
                            .tv_nsec = (long)(rest % 1000000000)};

    nanosleep(&left, NULL);
}

static void *fault_thread(void *opaque)
{
    struct lull_vm *vm = opaque;
    const struct lull_faults *faults = &vm->config.faults;
    const struct {
        uint32_t hz;
        void (*make)(struct vcpu *vcpu);
        _Atomic uint64_t *made;
    } rates[] = {{faults->stray_hz, stray, &vm->fault.strays},
                 {faults->cancel_hz, cancel, &vm->fault.cancels},
                 {faults->eintr_hz, interrupt, &vm->fault.signals}};
    struct source sources[3] = {0};
    uint64_t now = idle_now_ns();

    for (unsigned i = 0; i < 3; i++)
        if (rates[i].hz != 0)
            sources[i] = (struct source){1000000000ULL / rates[i].hz, now,
                                         rates[i].make, rates[i].made};
    while (!atomic_load(&vm->fault.stop)) {
        uint64_t next = now + 100000000; /* to see the stop */

        for (unsigned i = 0; i < 3; i++) {
            if (sources[i].period_ns == 0)
                continue;
            if (sources[i].next_ns <= now)
                fire(vm, &sources[i], now);
            if (sources[i].next_ns < next)
                next = sources[i].next_ns;
        }
        sleep_until(next);
        now = idle_now_ns();
    }
    return NULL;
}

static void ignore_signal(int number)
{
}

bool faults_start(struct lull_vm *vm, struct why *why)
{
    const struct lull_faults *faults = &vm->config.faults;
    /* No SA_RESTART: calls are to be interrupted. */
    struct sigaction action = {.sa_handler = ignore_signal};
    int error;

    if (faults->stray_hz + faults->cancel_hz + faults->eintr_hz == 0)
        return true;
    sigemptyset(&action.sa_mask);
    sigaction(SIGUSR2, &action, NULL);
    error = pthread_create(&vm->fault.thread, NULL, fault_thread, vm);
    if (error != 0)
        return because(why, "no thread for the faults: %s", strerror(error));
    vm->fault.started = true;
    return true;
}

void faults_stop(struct lull_vm *vm)
{
    if (!vm->fault.started)
        return;
    atomic_store(&vm->fault.stop, true);
    pthread_join(vm->fault.thread, NULL);
    vm->fault.started = false;
}
