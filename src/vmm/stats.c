/*
 * The counters of a running VM as one JSON object (x-lull-stats).
 *
 * Everything is read while it changes: each number is right, together they
 * are a moment's blur. Reading costs the loop's thread some microseconds and
 * the vCPUs nothing; nobody samples when nobody asks. What a rate is, and
 * over which time, is the asker's choice: he asks twice and subtracts.
 */
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "agent.h"
#include "control_server.h"
#include "host.h"
#include "lull/clock.h"
#include "lull/share.h"
#include "machine.h"
#include "slots.h"

static void set_count(json_t *object, const char *name, uint64_t value)
{
    json_object_set_new(object, name, json_integer((json_int_t)value));
}

static json_t *process_json(void)
{
    json_t *process = json_object();
    struct rusage usage = {0};

    getrusage(RUSAGE_SELF, &usage);
    set_count(process, "pid", (uint64_t)getpid());
    set_count(process, "cpu_ns", clock_ns(CLOCK_PROCESS_CPUTIME_ID));
    set_count(process, "voluntary_switches", (uint64_t)usage.ru_nvcsw);
    set_count(process, "involuntary_switches", (uint64_t)usage.ru_nivcsw);
    set_count(process, "resident_bytes", host_resident_bytes());
    return process;
}

/* What is in force of a setting: of the sandbox, what the host could do. */
static const char *setting_value(const struct lull_vm *vm,
                                 const struct lull_setting *setting)
{
    return strcmp(setting->name, "sandbox") == 0 ? vm->sandbox : setting->value;
}

/* What was given at the start; the policy may have been changed since. */
static json_t *settings_json(const struct lull_vm *vm, const char *policy)
{
    const struct lull_vm_config *config = &vm->config;
    json_t *settings = json_object();
    size_t i;

    for (i = 0; i < config->setting_count; i++)
        if (config->settings[i].value != NULL)
            json_object_set_new(
                settings, config->settings[i].name,
                json_pack("{s:s,s:s}", "value",
                          setting_value(vm, &config->settings[i]), "source",
                          config->settings[i].source));
    if (vm->idle.switched)
        json_object_set_new(
            settings, "idle",
            json_pack("{s:s,s:s}", "value", policy, "source", "lull idle"));
    for (i = 0; i < config->disk_count; i++) {
        struct lull_disk_io io = slots_disk_io(vm->slots, (unsigned)i);
        char name[32];

        snprintf(name, sizeof(name), "disk%zu-aio", i);
        json_object_set_new(
            settings, name,
            json_pack("{s:s,s:s}", "value", io.how, "source", io.why));
    }
    return settings;
}

/* ---- one vCPU
 * ------------------------------------------------------------------- */

static json_t *exits_json(const struct vcpu_counters *counters)
{
    json_t *exits = json_object();

#define COUNTER(name) set_count(exits, #name, counted(&counters->name));
    VCPU_COUNTERS(COUNTER)
#undef COUNTER
    return exits;
}

/* Only the buckets up to the last one in use. */
static json_t *histogram_json(const uint64_t *buckets)
{
    json_t *list = json_array();
    unsigned used = IDLE_HIST_BUCKETS, i;

    while (used > 0 && buckets[used - 1] == 0)
        used--;
    for (i = 0; i < used; i++)
        json_array_append_new(list, json_integer((json_int_t)buckets[i]));
    return list;
}

static json_t *idle_states_json(const struct idle_stats *stats)
{
    static const char *const names[IDLE_STATES] = {
        "pending", "poll", "spin", "park_deadline", "park", "sliced",
    };
    json_t *states = json_object();
    unsigned i;

    for (i = 0; i < IDLE_STATES; i++)
        json_object_set_new(
            states, names[i],
            json_pack("{s:I,s:I}", "entries", (json_int_t)stats->entries[i],
                      "residency_ns", (json_int_t)stats->residency_ns[i]));
    return states;
}

/* How often each way to sleep was gone over to. */
static json_t *rungs_json(const struct idle_stats *stats)
{
    json_t *rungs = json_object();
    unsigned i;

    for (i = 0; i < IDLE_RUNGS; i++)
        set_count(rungs, idle_rung_name((enum idle_rung)i),
                  stats->rung_entries[i]);
    return rungs;
}

static json_t *wakes_json(const struct idle_stats *stats)
{
    json_t *wakes = json_object();

    set_count(wakes, "irq", stats->wakes_irq);
    set_count(wakes, "ipi", stats->wakes_ipi);
    set_count(wakes, "timer", stats->wakes_timer);
    set_count(wakes, "stop", stats->wakes_stop);
    set_count(wakes, "pause", stats->wakes_pause);
    set_count(wakes, "resume", stats->wakes_resume);
    set_count(wakes, "work", stats->wakes_work);
    set_count(wakes, "timer_changed", stats->wakes_timer_changed);
    set_count(wakes, "stray", stats->wakes_stray);
    set_count(wakes, "eagain", stats->wakes_eagain);
    set_count(wakes, "backstop", stats->wakes_backstop);
    return wakes;
}

static json_t *idle_json(const struct idle_vcpu *idle)
{
    struct idle_stats stats;
    json_t *json = json_object();

    idle_stats_read(idle, &stats);
    json_object_set_new(json, "states", idle_states_json(&stats));
    json_object_set_new(json, "wakes", wakes_json(&stats));
    set_count(json, "kicks", stats.kicks);
    set_count(json, "kicks_coalesced", stats.kicks_coalesced);
    set_count(json, "wake_syscalls", stats.wake_syscalls);
    set_count(json, "forced_exits", stats.forced_exits);
    set_count(json, "poll_hits", stats.poll_hits);
    set_count(json, "poll_misses", stats.poll_misses);
    set_count(json, "poll_ns", stats.poll_ns);
    set_count(json, "budget_spent_ns", stats.budget_spent_ns);
    set_count(json, "budget_denied", stats.budget_denied);
    json_object_set_new(json, "timer_late", histogram_json(stats.timer_late));
    json_object_set_new(json, "timer_early", histogram_json(stats.timer_early));
    json_object_set_new(json, "kick_to_run", histogram_json(stats.kick_to_run));
    json_object_set_new(json, "idle_length", histogram_json(stats.idle_length));
    json_object_set_new(json, "margin_ns", histogram_json(stats.margin_ns));
    set_count(json, "storms", stats.storms);
    set_count(json, "sliced", stats.sliced);
    json_object_set_new(
        json, "rung", json_string(idle_rung_name((enum idle_rung)stats.rung)));
    set_count(json, "rung_changes", stats.rung_changes);
    set_count(json, "cpu_ns", stats.cpu_ns);
    json_object_set_new(json, "rung_entries", rungs_json(&stats));
    set_count(json, "oversleeps", stats.oversleeps);
    set_count(json, "faults_early", stats.faults_early);
    set_count(json, "faults_late", stats.faults_late);
    set_count(json, "faults_refused", stats.faults_refused);
    return json;
}

static const char *power_name(enum psci_power power)
{
    return power == PSCI_ON ? "on" : power == PSCI_OFF ? "off" : "starting";
}

/* In WFI: until when, by the guest's own timer. What has passed by more than
 * the host's lateness is a timer that nobody waits for. */
static void wfi_json(struct vcpu *vcpu, json_t *json)
{
    uint64_t deadline =
        atomic_load_explicit(&vcpu->wfi_deadline_ns, memory_order_relaxed);

    json_object_set_new(json, "in_wfi", json_boolean(deadline != 0));
    if (deadline != 0 && deadline != IDLE_NO_DEADLINE)
        set_count(json, "wfi_deadline_ns", deadline);
}

static json_t *vcpu_json(struct vcpu *vcpu)
{
    json_t *json = json_object();
    int64_t thread_id = atomic_load(&vcpu->thread_id);
    uint64_t switches = 0;

    set_count(json, "index", vcpu->index);
    json_object_set_new(json, "power",
                        json_string(power_name(atomic_load(&vcpu->power))));
    set_count(json, "thread_id", (uint64_t)thread_id);
    wfi_json(vcpu, json);
    set_count(json, "cpu_ns",
              vcpu->started ? host_thread_cpu_ns(vcpu->thread) : 0);
    if (vcpu->started && host_thread_switches(thread_id, &switches))
        set_count(json, "voluntary_switches", switches);
    json_object_set_new(json, "exits", exits_json(&vcpu->counters));
    set_count(json, "timer_raised", counted(&vcpu->counters.timer_raised));
    set_count(json, "undefined_sysregs",
              counted(&vcpu->counters.undefined_sysregs));
    set_count(json, "last_undefined_sysreg",
              atomic_load_explicit(&vcpu->counters.last_undefined,
                                   memory_order_relaxed));
    json_object_set_new(json, "idle", idle_json(vcpu->idle));
    return json;
}

/* ---- devices, and all of it
 * ------------------------------------------------------ */

/* Beside what every device has. */
static void shares_json(const struct lull_vm *vm, json_t *devices)
{
    for (unsigned i = 0; i < LULL_SHARES_MAX; i++) {
        const struct lull_share *share = slots_share(vm->slots, i);
        struct lull_share_stats stats;
        json_t *json;
        char name[16];

        if (share == NULL)
            continue;
        stats = lull_share_stats(share);
        snprintf(name, sizeof(name), "share%u", i);
        json = json_object_get(devices, name);
        set_count(json, "requests", stats.requests);
        set_count(json, "errors", stats.errors);
        set_count(json, "read_bytes", stats.read_bytes);
        set_count(json, "written_bytes", stats.written_bytes);
        set_count(json, "nodes", stats.nodes);
        set_count(json, "open", stats.open);
    }
}

static void virtio_json(const struct lull_vm *vm, json_t *devices)
{
    for (unsigned i = 0; i < LULL_VIRTIO_SLOTS; i++) {
        const char *name;
        struct lull_virtio *device = slots_device(vm->slots, i, &name);
        struct lull_virtio_stats stats;

        if (device == NULL)
            continue;
        stats = lull_virtio_stats(device);
        json_object_set_new(devices, name,
                            json_pack("{s:I,s:I,s:I,s:I}", "notifies",
                                      (json_int_t)stats.notifies, "chains",
                                      (json_int_t)stats.chains, "interrupts",
                                      (json_int_t)stats.interrupts, "broken",
                                      (json_int_t)stats.broken));
    }
}

static json_t *balloon_json(const struct lull_vm *vm)
{
    struct lull_balloon_stats stats =
        lull_virtio_balloon_stats(slots_balloon(vm->slots));

    return json_pack("{s:b,s:I,s:I,s:I,s:I}", "driver", stats.driver,
                     "target_bytes", (json_int_t)stats.target_bytes,
                     "actual_bytes", (json_int_t)stats.actual_bytes,
                     "inflated_bytes", (json_int_t)stats.inflated_bytes,
                     "reported_bytes", (json_int_t)stats.reported_bytes);
}

static json_t *vsock_json(const struct lull_vm *vm)
{
    struct lull_vsock_stats stats =
        lull_virtio_vsock_stats(slots_vsock(vm->slots));

    return json_pack(
        "{s:I,s:I,s:I,s:I,s:I,s:I}", "streams", (json_int_t)stats.streams,
        "from_guest", (json_int_t)stats.from_guest, "from_host",
        (json_int_t)stats.from_host, "refused", (json_int_t)stats.refused,
        "to_guest_bytes", (json_int_t)stats.to_guest_bytes, "to_host_bytes",
        (json_int_t)stats.to_host_bytes);
}

static json_t *ports_json(const struct lull_vm *vm)
{
    struct lull_console_stats stats;
    json_t *ports = json_object();
    const char *name, *where;

    for (unsigned i = 0;
         (name = slots_port(vm->slots, i, &where, &stats)) != NULL; i++)
        json_object_set_new(ports, name,
                            json_pack("{s:s,s:I,s:I,s:I}", "where", where,
                                      "out_bytes", (json_int_t)stats.out_bytes,
                                      "in_bytes", (json_int_t)stats.in_bytes,
                                      "lost_bytes",
                                      (json_int_t)stats.lost_bytes));
    return ports;
}

static json_t *agent_json(struct lull_vm *vm)
{
    struct agent_stats stats;

    if (slots_agent(vm->slots) == NULL)
        return json_null();
    stats = agent_stats(slots_agent(vm->slots));
    return json_pack("{s:I,s:I,s:I,s:s?}", "told", (json_int_t)stats.told,
                     "answers", (json_int_t)stats.answers, "refused",
                     (json_int_t)stats.refused, "refusal",
                     stats.refusal[0] != '\0' ? stats.refusal : NULL);
}

static json_t *devices_json(struct lull_vm *vm)
{
    struct lull_pl011_stats uart = lull_pl011_stats(vm->uart);
    struct lull_console_stats console = lull_console_stats(vm->console);
    json_t *devices = json_object();

    json_object_set_new(devices, "uart",
                        json_pack("{s:I,s:I,s:I}", "tx_bytes",
                                  (json_int_t)uart.tx_bytes, "rx_bytes",
                                  (json_int_t)uart.rx_bytes, "tx_lost_bytes",
                                  (json_int_t)uart.tx_lost_bytes));
    json_object_set_new(devices, "console",
                        json_pack("{s:I,s:I,s:I,s:I}", "out_bytes",
                                  (json_int_t)console.out_bytes, "out_writes",
                                  (json_int_t)console.out_writes, "in_bytes",
                                  (json_int_t)console.in_bytes, "lost_bytes",
                                  (json_int_t)console.lost_bytes));
    virtio_json(vm, devices);
    shares_json(vm, devices);
    return devices;
}

/* What the guest reads as CNTVCT_EL0, in terms of now_ns: with it a time that
 * the guest tells can be compared with the host's. */
static json_t *counter_json(struct lull_vm *vm)
{
    uint64_t offset =
        atomic_load_explicit(&vm->vtimer_offset, memory_order_acquire);
    json_t *counter = json_object();

    set_count(counter, "zero_ns", ticks_to_ns(&vm->ticks, offset));
    set_count(counter, "hz", 1000000000ULL * vm->ticks.denom / vm->ticks.numer);
    return counter;
}

/* What --fault has made so far; the sleeps' are with the vCPUs. */
static json_t *faults_json(struct lull_vm *vm)
{
    json_t *faults = json_object();

    set_count(faults, "wfi", counted(&vm->fault.wfis));
    set_count(faults, "stray", counted(&vm->fault.strays));
    set_count(faults, "cancel", counted(&vm->fault.cancels));
    set_count(faults, "eintr", counted(&vm->fault.signals));
    set_count(faults, "race", counted(&vm->fault.races));
    set_count(faults, "stop", counted(&vm->fault.stops));
    set_count(faults, "freeze", counted(&vm->fault.freezes));
    return faults;
}

json_t *stats_json(struct lull_vm *vm)
{
    json_t *stats = json_object(), *cpus = json_array();
    uint64_t now = idle_now_ns();
    char policy[64], program[1024];
    unsigned i;

    idle_policy_format(&vm->config.idle, policy, sizeof(policy));
    json_object_set_new(stats, "name", json_string(vm->config.name));
    json_object_set_new(stats, "version", json_string(LULL_VERSION));
    host_program(program, sizeof(program));
    json_object_set_new(stats, "program", json_string(program));
    json_object_set_new(stats, "status",
                        json_string(vm->paused ? "paused" : "running"));
    json_object_set_new(stats, "panicked",
                        json_boolean(atomic_load(&vm->panicked)));
    set_count(stats, "now_ns", now);
    set_count(stats, "uptime_ns", now - vm->started_ns);
    json_object_set_new(stats, "gic", json_string("vmm"));
    json_object_set_new(stats, "policy", json_string(policy));
    json_object_set_new(stats, "counter", counter_json(vm));
    set_count(stats, "vcpus", vm->config.cpus);
    set_count(stats, "memory_bytes", vm->config.memory_bytes);
    set_count(stats, "resets", vm->resets);
    json_object_set_new(stats, "settings", settings_json(vm, policy));
    json_object_set_new(stats, "process", process_json());
    json_object_set_new(stats, "faults", faults_json(vm));
    for (i = 0; i < vm->config.cpus; i++)
        json_array_append_new(cpus, vcpu_json(&vm->vcpu[i]));
    json_object_set_new(stats, "cpus", cpus);
    json_object_set_new(stats, "devices", devices_json(vm));
    json_object_set_new(stats, "balloon", balloon_json(vm));
    json_object_set_new(stats, "ports", ports_json(vm));
    json_object_set_new(stats, "guest_agent", agent_json(vm));
    if (slots_vsock(vm->slots) != NULL)
        json_object_set_new(stats, "vsock", vsock_json(vm));
    return stats;
}
