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
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

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
    {"refuse", "ways to sleep", offsetof(struct lull_faults, refused_rungs), 4},
    {"race", "percent of timers", offsetof(struct lull_faults, race_percent),
     100},
    {"stop", "per second", offsetof(struct lull_faults, stop_hz), 50},
    {"freeze", "per second", offsetof(struct lull_faults, freeze_hz), 20},
    {"for", "seconds, 0 without end", offsetof(struct lull_faults, seconds),
     3600},
    {"retry", "milliseconds until a better sleep is tried, 0 for the default",
     offsetof(struct lull_faults, retry_ms), 3600000},
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

static bool over(const struct lull_vm *vm, uint64_t now)
{
    return now >= vm->fault.end_ns;
}

/* ---- the WFI that ends by itself --------------------------------------------
 */

bool fault_wfi(struct lull_vm *vm, unsigned cpu)
{
    uint32_t percent = vm->config.faults.wfi_percent;
    uint64_t *state = &vm->fault.random[cpu];

    if (LULL_LIKELY(percent == 0) || over(vm, idle_now_ns()))
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

/* One of them at a time, in turn. */
static void stop_one(struct lull_vm *vm)
{
    uint64_t stops = counted(&vm->fault.stops);

    pthread_kill(vm->vcpu[stops % vm->config.cpus].thread, SIGURG);
    count(&vm->fault.stops);
}

/* By a child, since nobody can continue himself. */
static void freeze(struct lull_vm *vm)
{
    char name[] = "sh", option[] = "-c", path[] = "PATH=/usr/bin:/bin";
    char script[] = "kill -STOP $PPID; sleep 0.02; kill -CONT $PPID";
    char *const argv[] = {name, option, script, NULL};
    char *const environment[] = {path, NULL};
    pid_t child;
    int error = posix_spawn(&child, "/bin/sh", NULL, NULL, argv, environment);

    if (error != 0) {
        vm_end(vm, LULL_END_HOST_ERROR,
               "--fault freeze: cannot run /bin/sh: %s; give --sandbox off",
               strerror(error));
        return;
    }
    while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
        continue;
    count(&vm->fault.freezes);
}

struct source {
    uint64_t period_ns; /* 0: never */
    uint64_t next_ns;
    void (*make)(struct vcpu *vcpu); /* to each vCPU; counted in `made` */
    _Atomic uint64_t *made;
    void (*make_one)(struct lull_vm *vm); /* or to the machine */
};

static void fire(struct lull_vm *vm, struct source *source, uint64_t now)
{
    if (source->make_one != NULL) {
        source->make_one(vm);
    } else {
        for (unsigned i = 0; i < vm->config.cpus; i++)
            source->make(&vm->vcpu[i]);
        atomic_fetch_add_explicit(source->made, vm->config.cpus,
                                  memory_order_relaxed);
    }
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

static uint64_t period(uint32_t hz)
{
    return hz == 0 ? 0 : 1000000000ULL / hz;
}

enum { SOURCES = 5 };

static void *fault_thread(void *opaque)
{
    struct lull_vm *vm = opaque;
    const struct lull_faults *faults = &vm->config.faults;
    uint64_t now = idle_now_ns();
    struct source sources[SOURCES] = {
        {period(faults->stray_hz), now, stray, &vm->fault.strays, NULL},
        {period(faults->cancel_hz), now, cancel, &vm->fault.cancels, NULL},
        {period(faults->eintr_hz), now, interrupt, &vm->fault.signals, NULL},
        {period(faults->stop_hz), now, NULL, NULL, stop_one},
        {period(faults->freeze_hz), now, NULL, NULL, freeze}};

    while (!atomic_load(&vm->fault.stop) && !over(vm, now)) {
        uint64_t next = now + 100000000; /* to see the stop */

        for (unsigned i = 0; i < SOURCES; i++) {
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

/* ---- the cancel that races the timer ----------------------------------------
 */

bool fault_races(const struct lull_vm *vm)
{
    return vm->config.faults.race_percent != 0;
}

void fault_timer(struct lull_vm *vm, unsigned cpu, uint64_t fires_ns)
{
    atomic_store_explicit(&vm->fault.fires_ns[cpu], fires_ns,
                          memory_order_relaxed);
}

enum {
    RACE_LOOK_NS = 300000, /* sleep that long when no timer is near */
    RACE_NEAR_NS = 400000, /* spin from there on */
    RACE_SPREAD_NS = 20000,
};

/* The vCPU whose timer fires next, of those that have not been done. */
static unsigned next_timer(struct lull_vm *vm, const uint64_t *done_ns,
                           uint64_t *fires_ns)
{
    unsigned cpu = 0;

    *fires_ns = UINT64_MAX;
    for (unsigned i = 0; i < vm->config.cpus; i++) {
        uint64_t fires =
            atomic_load_explicit(&vm->fault.fires_ns[i], memory_order_relaxed);

        if (fires != done_ns[i] && fires < *fires_ns) {
            *fires_ns = fires;
            cpu = i;
        }
    }
    return cpu;
}

/* Ten microseconds before the timer to ten after it, evenly. */
static void *race_thread(void *opaque)
{
    struct lull_vm *vm = opaque;
    uint64_t done_ns[LULL_CPUS_MAX] = {0}, random = 1;

    while (!atomic_load(&vm->fault.stop) && !over(vm, idle_now_ns())) {
        uint64_t fires_ns, now = idle_now_ns();
        unsigned cpu = next_timer(vm, done_ns, &fires_ns);

        if (fires_ns > now + RACE_NEAR_NS) {
            sleep_until(now + RACE_LOOK_NS);
            continue;
        }
        done_ns[cpu] = fires_ns;
        random = random * 6364136223846793005ULL + 1442695040888963407ULL;
        if ((random >> 33) % 100 >= vm->config.faults.race_percent)
            continue;
        fires_ns += (random >> 40) % RACE_SPREAD_NS - RACE_SPREAD_NS / 2;
        while (idle_now_ns() < fires_ns)
            continue;
        vcpu_force_exit(&vm->vcpu[cpu]);
        count(&vm->fault.races);
    }
    return NULL;
}

/* ---- starting and ending ----------------------------------------------------
 */

static void ignore_signal(int number)
{
}

/* The thread stands still wherever it was, in the guest, in a lock, about to
 * sleep. Poll is one of the calls that a handler may make. */
static void stand_still(int number)
{
    int error = errno;

    poll(NULL, 0, 10);
    errno = error;
}

static void on_signal(int number, void (*handler)(int number))
{
    /* No SA_RESTART: calls are to be interrupted. */
    struct sigaction action = {.sa_handler = handler};

    sigemptyset(&action.sa_mask);
    sigaction(number, &action, NULL);
}

void faults_init(struct lull_vm *vm)
{
    uint32_t seconds = vm->config.faults.seconds;

    vm->fault.end_ns =
        seconds ? idle_now_ns() + seconds * 1000000000ULL : UINT64_MAX;
}

bool faults_start(struct lull_vm *vm, struct why *why)
{
    const struct lull_faults *faults = &vm->config.faults;
    int error = 0;

    if (faults->race_percent != 0) {
        error = pthread_create(&vm->fault.racer, NULL, race_thread, vm);
        vm->fault.racing = error == 0;
    }
    if (error == 0 && (faults->stray_hz | faults->cancel_hz | faults->eintr_hz |
                       faults->stop_hz | faults->freeze_hz) != 0) {
        on_signal(SIGUSR2, ignore_signal);
        on_signal(SIGURG, stand_still);
        error = pthread_create(&vm->fault.thread, NULL, fault_thread, vm);
        vm->fault.started = error == 0;
    }
    if (error != 0)
        return because(why, "no thread for the faults: %s", strerror(error));
    return true;
}

void faults_stop(struct lull_vm *vm)
{
    atomic_store(&vm->fault.stop, true);
    if (vm->fault.started)
        pthread_join(vm->fault.thread, NULL);
    if (vm->fault.racing)
        pthread_join(vm->fault.racer, NULL);
    vm->fault.started = vm->fault.racing = false;
}
