/*
 * The machine's life: made, run, held, reset, ended.
 *
 * Holding (a pause, or a reset's first step) is a handshake: the phase says
 * VM_HOLD, every vCPU is kicked, comes out of the guest, counts itself and
 * parks. When all are counted, nobody touches guest state but the loop's
 * thread. vCPUs that are powered off take part like the others.
 *
 * What happens on other threads and concerns the whole machine (an end, a
 * guest's reset, a panic) is noted in an atomic, and a byte in a pipe makes
 * the loop look.
 */
#include "machine.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <mach/mach_time.h>
#include <os/object.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include "agent.h"
#include "control_server.h"
#include "fdt_build.h"
#include "host.h"
#include "lull/bits.h"
#include "lull/plain_name.h"
#include "panic.h"
#include "slots.h"
#include "recording.h"
#include "snapshot.h"

#define MIB ((uint64_t)1 << 20)

/* A bug detector, not a mechanism (idle.h): rare, so that parked vCPUs do not
 * wake for it. */
#define BACKSTOP_NS 10000000000ULL

/* ---- news from other threads ------------------------------------------------
 */

/* A full pipe already wakes the loop. */
void vm_news(struct lull_vm *vm)
{
    ssize_t written = write(vm->news_fd[1], "", 1);

    (void)written;
}

static bool vm_end_first(struct lull_vm *vm, enum lull_vm_end reason)
{
    int none = LULL_END_NONE;

    return atomic_compare_exchange_strong(&vm->end.reason, &none, reason);
}

void vm_end(struct lull_vm *vm, enum lull_vm_end reason, const char *format,
            ...)
{
    va_list args;

    if (!vm_end_first(vm, reason))
        return;
    va_start(args, format);
    vsnprintf(vm->end.text, sizeof(vm->end.text), format, args);
    va_end(args);
    vm_news(vm);
}

void lull_vm_interrupt(struct lull_vm *vm)
{
    if (vm_end_first(vm, LULL_END_SIGNAL))
        vm_news(vm);
}

void lull_vm_resized(struct lull_vm *vm)
{
    atomic_store(&vm->resized, true);
    vm_news(vm);
}

void vm_guest_reset(struct lull_vm *vm)
{
    if (vm->config.no_reboot) {
        vm_end(vm, LULL_END_RESET, "the guest reset (--no-reboot)");
        return;
    }
    atomic_store(&vm->reset_wanted, true);
    vm_news(vm);
}

static void vm_guest_panicked(void *opaque, bool dead)
{
    struct lull_vm *vm = opaque;

    if (!atomic_exchange(&vm->panicked, true)) {
        atomic_store(&vm->panic_seen, true);
        vm_news(vm);
    }
    if (dead && vm->config.no_reboot)
        vm_end(vm, LULL_END_CRASH, "the guest's kernel panicked");
}

static void console_quit(void *opaque)
{
    vm_end(opaque, LULL_END_QUIT, "%s", "");
}

static void tell_panic(struct lull_vm *vm)
{
    char line[LULL_VM_NAME_MAX + 64];

    if (!atomic_exchange(&vm->panic_seen, false))
        return;
    control_event(vm->control, "GUEST_PANICKED",
                  json_pack("{s:s}", "action", "run"));
    snprintf(line, sizeof(line), "%s: the guest's kernel panicked",
             vm->config.name);
    if (vm->config.notice != NULL)
        vm->config.notice(vm->config.opaque, line);
}

static void news_ready(void *opaque, unsigned events)
{
    struct lull_vm *vm = opaque;
    char bytes[64];

    while (read(vm->news_fd[0], bytes, sizeof(bytes)) > 0)
        ;
    tell_panic(vm);
    policy_news(vm);
    if (atomic_exchange(&vm->resized, false))
        slots_follow_terminal(vm->slots);
    if (atomic_load(&vm->end.reason) != LULL_END_NONE)
        lull_loop_quit(vm->loop);
    else if (vm->save == NULL && atomic_exchange(&vm->reset_wanted, false))
        vm_reset(vm, true);
}

/* ---- holding ----------------------------------------------------------------
 */

static void kick_all(struct lull_vm *vm, enum idle_reason reason)
{
    unsigned i;

    for (i = 0; i < vm->config.cpus; i++)
        idle_kick(vm->vcpu[i].idle, reason);
}

static void vm_set_phase(struct lull_vm *vm, enum vm_phase phase)
{
    atomic_store_explicit(&vm->phase, phase, memory_order_release);
}

static void wait_held(struct lull_vm *vm)
{
    pthread_mutex_lock(&vm->lock);
    while (vm->held < vm->config.cpus)
        pthread_cond_wait(&vm->held_changed, &vm->lock);
    pthread_mutex_unlock(&vm->lock);
}

static void vm_hold(struct lull_vm *vm)
{
    vm_set_phase(vm, VM_HOLD);
    kick_all(vm, IDLE_PAUSE);
    wait_held(vm);
}

static void vm_release(struct lull_vm *vm)
{
    vm_set_phase(vm, VM_RUN);
    kick_all(vm, IDLE_RESUME);
}

void vm_pause(struct lull_vm *vm)
{
    if (vm->paused)
        return;
    vm_hold(vm);
    vm->paused = true;
    vm->held_since = mach_absolute_time();
    control_event(vm->control, "STOP", NULL);
}

/* The guest's time stood still meanwhile: its counter has not moved. */
void vm_resume(struct lull_vm *vm)
{
    uint64_t away;

    if (!vm->paused)
        return;
    away = mach_absolute_time() - vm->held_since;
    atomic_store_explicit(&vm->vtimer_offset,
                          atomic_load(&vm->vtimer_offset) + away,
                          memory_order_release);
    vm->paused = false;
    vm_release(vm);
    agent_set_time(slots_agent(vm->slots));
    control_event(vm->control, "RESUME", NULL);
}

/* ---- guest memory and what is in it -----------------------------------------
 */

/* An idle guest's tick touches its memory here and there, cold: with huge
 * pages the host walks fewer levels of page tables, for 8 % less CPU an idle
 * guest, and some MiB more resident. A hint: it may be refused. */
static void prefer_huge_pages(void *memory, uint64_t size_bytes)
{
#ifdef MADV_HUGEPAGE
    (void)madvise(memory, size_bytes, MADV_HUGEPAGE);
#endif
}

static bool vm_memory_new(struct lull_vm *vm, struct why *why)
{
    uint64_t size = vm->config.memory_bytes;
    uint64_t pages = (uint64_t)sysconf(_SC_PHYS_PAGES);
    uint64_t host = pages * (uint64_t)sysconf(_SC_PAGESIZE);
    void *memory;

    if (size > host)
        return because(why,
                       "--memory: %" PRIu64 " MiB asked for, this host has "
                       "%" PRIu64 " MiB; give less",
                       size / MIB, host / MIB);
    memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        return because(why, "--memory: %" PRIu64 " MiB: %s", size / MIB,
                       strerror(errno));
    prefer_huge_pages(memory, size);
    vm->ram = (struct lull_ram){memory, MACHINE_RAM_GPA, size};
    return true;
}

/* All zero again, and given back to the host. */
static bool vm_memory_clear(struct lull_vm *vm)
{
    if (mmap(vm->ram.host, vm->ram.size_bytes, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1,
             0) == MAP_FAILED)
        return false;
    prefer_huge_pages(vm->ram.host, vm->ram.size_bytes);
    return true;
}

static bool vm_memory_map(struct lull_vm *vm, struct why *why)
{
    hv_return_t status =
        hv_vm_map(vm->ram.host, vm->ram.gpa, vm->ram.size_bytes,
                  HV_MEMORY_READ | HV_MEMORY_WRITE | HV_MEMORY_EXEC);

    if (status != HV_SUCCESS)
        return because(why, "the hypervisor refused the guest's memory (%#x)",
                       (unsigned)status);
    vm->ram_mapped = true;
    return true;
}

static void vm_memory_unmap(struct lull_vm *vm)
{
    if (vm->ram_mapped)
        hv_vm_unmap(vm->ram.gpa, vm->ram.size_bytes);
    vm->ram_mapped = false;
}

static bool vm_write_fdt(struct lull_vm *vm, const struct boot_layout *layout,
                         struct why *why)
{
    struct fdt_virtio windows[LULL_VIRTIO_SLOTS];
    struct fdt_machine machine = {
        .ram = &vm->ram,
        .cpus = vm->config.cpus,
        .mpidr = vm->mpidr,
        .bootargs = vm->config.append,
        .initrd = layout->initrd,
        .initrd_end = layout->initrd_end,
        .virtio = windows,
        .virtio_count = slots_windows(&vm->config, windows),
    };

    if (getentropy(&machine.kaslr_seed, sizeof(machine.kaslr_seed)) != 0 ||
        getentropy(machine.rng_seed, sizeof(machine.rng_seed)) != 0)
        return because(why, "no random numbers from the host: %s",
                       strerror(errno));
    return fdt_build(&machine,
                     lull_ram_at(&vm->ram, layout->dtb, BOOT_DTB_BYTES),
                     BOOT_DTB_BYTES, why);
}

static void vm_power_on_first(struct lull_vm *vm,
                              const struct boot_layout *layout)
{
    unsigned i;

    for (i = 0; i < vm->config.cpus; i++)
        atomic_store_explicit(&vm->vcpu[i].power, PSCI_OFF,
                              memory_order_relaxed);
    vm->vcpu[0].entry = layout->entry;
    vm->vcpu[0].context = layout->dtb;
    atomic_store_explicit(&vm->vcpu[0].power, PSCI_ON_PENDING,
                          memory_order_release);
}

/* Guest software as at power-on. No vCPU runs. */
static bool vm_load(struct lull_vm *vm, struct why *why)
{
    struct boot_files files = {vm->config.kernel, vm->config.initrd,
                               vm->granules_kib};
    struct boot_layout layout;

    if (!boot_load(&files, &vm->ram, &layout, why) ||
        !vm_write_fdt(vm, &layout, why))
        return false;
    vm_power_on_first(vm, &layout);
    return true;
}

/* ---- reset ------------------------------------------------------------------
 */

static void vm_reset_devices(struct lull_vm *vm)
{
    lull_pl011_reset(vm->uart);
    lull_pl031_reset(vm->rtc);
    lull_pl061_reset(vm->gpio);
    gic_reset(vm->gic);
}

/* The virtio devices first: no late transfer reaches the new guest. The
 * mapping is made anew so that the framework forgets the old code. */
static bool vm_reset_held(struct lull_vm *vm, struct why *why)
{
    slots_reset(vm->slots);
    vm_memory_unmap(vm);
    if (!vm_memory_clear(vm))
        return because(why, "the guest's memory: %s", strerror(errno));
    if (!vm_load(vm, why) || !vm_memory_map(vm, why))
        return false;
    vm_reset_devices(vm);
    return true;
}

void vm_reset(struct lull_vm *vm, bool by_guest)
{
    struct why why;

    if (!vm->paused)
        vm_hold(vm);
    if (!vm_reset_held(vm, &why)) {
        vm_end(vm, LULL_END_HOST_ERROR, "after the guest's reset: %s",
               why.text);
        return;
    }
    vm->resets++;
    vm->held_since = mach_absolute_time();
    atomic_store(&vm->vtimer_offset, vm->held_since);
    atomic_store(&vm->panicked, false);
    if (!vm->paused)
        vm_release(vm);
    control_event(
        vm->control, "RESET",
        json_pack("{s:b,s:s}", "guest", by_guest, "reason",
                  by_guest ? "guest-reset" : "host-qmp-system-reset"));
}

bool vm_power_key(struct lull_vm *vm)
{
    return lull_pl061_press(vm->gpio, FDT_POWER_KEY);
}

/* ---- PSCI's view of the machine ---------------------------------------------
 */

static enum psci_power psci_power_of(void *opaque, unsigned cpu)
{
    struct lull_vm *vm = opaque;

    return atomic_load_explicit(&vm->vcpu[cpu].power, memory_order_acquire);
}

static bool psci_turn_on(void *opaque, unsigned cpu, uint64_t entry,
                         uint64_t context)
{
    struct lull_vm *vm = opaque;
    struct vcpu *vcpu = &vm->vcpu[cpu];
    bool off;

    pthread_mutex_lock(&vm->lock);
    off = atomic_load_explicit(&vcpu->power, memory_order_acquire) == PSCI_OFF;
    if (off) {
        vcpu->entry = entry;
        vcpu->context = context;
        atomic_store_explicit(&vcpu->power, PSCI_ON_PENDING,
                              memory_order_release);
    }
    pthread_mutex_unlock(&vm->lock);
    if (off)
        idle_kick(vcpu->idle, IDLE_WORK);
    return off;
}

static bool psci_entry_ok(void *opaque, uint64_t entry)
{
    struct lull_vm *vm = opaque;

    return (entry & 3) == 0 && lull_ram_at(&vm->ram, entry, 4) != NULL;
}

/* ---- making the parts
 * -------------------------------------------------------- */

/* Aff0 counts to 16, as the GIC's target lists do, then Aff1. */
static void vm_number_cpus(struct lull_vm *vm)
{
    unsigned i;

    for (i = 0; i < vm->config.cpus; i++) {
        vm->mpidr[i] = 1ULL << 31 | (i / 16) << 8 | i % 16;
        vm->vcpu[i].vm = vm;
        vm->vcpu[i].index = i;
        vm->vcpu[i].mpidr = vm->mpidr[i];
        atomic_init(&vm->vcpu[i].power, PSCI_OFF);
    }
    vm->psci = (struct psci_machine){
        .cpus = vm->config.cpus,
        .mpidr = vm->mpidr,
        .power = psci_power_of,
        .turn_on = psci_turn_on,
        .entry_ok = psci_entry_ok,
        .opaque = vm,
    };
}

/* Which page sizes the CPU has, from ID_AA64MMFR0_EL1. */
static unsigned cpu_granules(void)
{
    hv_vcpu_config_t config = hv_vcpu_config_create();
    uint64_t mmfr0 = 0;
    unsigned granules = 0;

    if (config == NULL)
        return 4;
    if (hv_vcpu_config_get_feature_reg(config, HV_FEATURE_REG_ID_AA64MMFR0_EL1,
                                       &mmfr0) != HV_SUCCESS)
        mmfr0 = 0xf000000; /* 4 KiB alone */
    os_release(config);
    granules |= bits(mmfr0, 31, 28) != 15 ? 4 : 0;
    granules |= bits(mmfr0, 27, 24) != 15 ? 64 : 0;
    granules |= bits(mmfr0, 23, 20) != 0 ? 16 : 0;
    return granules;
}

/* Address bits that reach the end of RAM. */
static unsigned ipa_bits(const struct lull_vm *vm)
{
    uint64_t last = MACHINE_RAM_GPA + vm->config.memory_bytes - 1;

    return 64 - (unsigned)__builtin_clzll(last);
}

static hv_return_t hv_create_with_ipa(unsigned ipa)
{
    hv_vm_config_t config = hv_vm_config_create();
    hv_return_t status;

    if (config == NULL)
        return HV_NO_RESOURCES;
    status = hv_vm_config_set_ipa_size(config, ipa);
    if (status == HV_SUCCESS)
        status = hv_vm_create(config);
    os_release(config);
    return status;
}

static bool vm_hv_new(struct lull_vm *vm, struct why *why)
{
    uint32_t usual = 36;
    hv_return_t status;

    hv_vm_config_get_default_ipa_size(&usual);
    status = ipa_bits(vm) <= usual ? hv_vm_create(NULL)
                                   : hv_create_with_ipa(ipa_bits(vm));
    if (status == HV_DENIED)
        return because(why, "the hypervisor denied access: this binary is "
                            "not signed with the com.apple.security.hypervisor"
                            " entitlement");
    if (status != HV_SUCCESS)
        return because(why, "the hypervisor made no VM (%#x)",
                       (unsigned)status);
    vm->hv_created = true;
    return true;
}

static bool vm_news_new(struct lull_vm *vm, struct why *why)
{
    unsigned i;

    if (pipe(vm->news_fd) != 0) {
        vm->news_fd[0] = vm->news_fd[1] = -1;
        return because(why, "no pipe: %s", strerror(errno));
    }
    for (i = 0; i < 2; i++) {
        fcntl(vm->news_fd[i], F_SETFD, FD_CLOEXEC);
        fcntl(vm->news_fd[i], F_SETFL, O_NONBLOCK);
    }
    vm->loop = lull_loop_new();
    if (vm->loop != NULL)
        vm->news_watch = lull_loop_watch(vm->loop, vm->news_fd[0],
                                         LULL_LOOP_READ, news_ready, vm);
    if (vm->news_watch == NULL)
        return because(why, "no event loop: %s", strerror(errno));
    return true;
}

static bool vm_vcpus_new(struct lull_vm *vm, struct why *why)
{
    unsigned i;

    for (i = 0; i < vm->config.cpus; i++) {
        struct idle_config config = {
            .policy = vm->config.idle,
            .force_exit = vcpu_force_exit,
            .first_sleep = policy_slept,
            .warm = vcpu_warm,
            .opaque = &vm->vcpu[i],
            .backstop_ns = BACKSTOP_NS,
            .fault_early_percent = vm->config.faults.early_percent,
            .fault_late_ns = vm->config.faults.late_us * 1000ULL,
            .fault_refused_rungs = vm->config.faults.refused_rungs,
            .fault_for_ns = vm->config.faults.seconds * 1000000000ULL,
            .rung_retry_ns = vm->config.faults.retry_ms * 1000000ULL,
        };

        vm->vcpu[i].idle = idle_vcpu_new(&config);
        if (vm->vcpu[i].idle == NULL)
            return because(why, "no idle governor for vCPU %u: %s", i,
                           strerror(errno));
    }
    return true;
}

static struct lull_irq spi(struct lull_vm *vm, unsigned number)
{
    return (struct lull_irq){.set = gic_irq_line,
                             .opaque = vm->gic,
                             .line = GIC_SPI_BASE + number,
                             .set_quietly = gic_irq_line_quietly,
                             .wake = gic_irq_wake};
}

static struct lull_irq spi_line(void *vm, unsigned number)
{
    return spi(vm, number);
}

/* Pages of the host's that are not wholly given stay. */
static void memory_give(void *vm, void *at, uint64_t bytes)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t first = ((uintptr_t)at + page - 1) & ~(page - 1);
    uintptr_t end = ((uintptr_t)at + bytes) & ~(page - 1);

    if (end > first)
        host_memory_give((void *)first, end - first);
}

static bool vm_console_new(struct lull_vm *vm, struct why *why)
{
    struct lull_console_config config = {
        .loop = vm->loop, .quit = console_quit, .opaque = vm};

    vm->console = lull_console_new(&config, vm->config.console, why->text,
                                   sizeof(why->text));
    if (vm->console == NULL)
        return false;
    vm->panic_watch = panic_watch_new(lull_console_chardev(vm->console),
                                      vm_guest_panicked, vm);
    if (vm->panic_watch == NULL)
        return because(why, "no memory for the console");
    vm->uart = lull_pl011_new(FDT_UART_GPA, spi(vm, FDT_UART_SPI),
                              panic_watch_chardev(vm->panic_watch));
    return vm->uart != NULL || because(why, "no memory for the console");
}

static bool vm_devices_new(struct lull_vm *vm, struct why *why)
{
    struct gic_config gic = {
        .cpus = vm->config.cpus,
        .mpidr = vm->mpidr,
        .kick = vcpu_kick_irq,
        .opaque = vm,
    };
    struct lull_pl031_config rtc = {.gpa = FDT_RTC_GPA, .loop = vm->loop};

    vm->gic = gic_new(&gic);
    if (vm->gic == NULL)
        return because(why, "no interrupt controller: %s", strerror(errno));
    rtc.irq = spi(vm, FDT_RTC_SPI);
    vm->rtc = lull_pl031_new(&rtc);
    if (vm->rtc == NULL)
        return because(why, "no real-time clock: %s", strerror(errno));
    vm->gpio = lull_pl061_new(&(struct lull_pl061_config){
        FDT_GPIO_GPA, spi(vm, FDT_GPIO_SPI), vm->loop});
    if (vm->gpio == NULL)
        return because(why, "no power key: %s", strerror(errno));
    vm->slots =
        slots_new(&vm->config,
                  &(struct slots_host){.ram = &vm->ram,
                                       .loop = vm->loop,
                                       .memory = {memory_give, vm},
                                       .vsock = &vm->vsock,
                                       .connector_fd = vm->connector_fd,
                                       .net = &vm->net,
                                       .net_connector_fd = vm->net_connector_fd,
                                       .line = spi_line,
                                       .opaque = vm},
                  why);
    return vm->slots != NULL;
}

/* The host slept, while the guest's time stood still; or its clock was set. */
static void clock_ready(void *opaque, unsigned events)
{
    struct lull_vm *vm = opaque;

    if (host_clock_jumped(vm->clock_fd))
        agent_set_time(slots_agent(vm->slots));
}

static bool vm_clock_new(struct lull_vm *vm, struct why *why)
{
    if (slots_agent(vm->slots) == NULL ||
        (vm->clock_fd = host_clock_open()) < 0)
        return true;
    vm->clock_watch = lull_loop_watch(vm->loop, vm->clock_fd, LULL_LOOP_READ,
                                      clock_ready, vm);
    return vm->clock_watch != NULL ||
           because(why, "no watch for the host's clock: %s", strerror(errno));
}

static bool vm_bus_new(struct lull_vm *vm, struct why *why)
{
    const struct lull_mmio *windows[] = {
        gic_distributor(vm->gic),  gic_redistributors(vm->gic),
        lull_pl011_mmio(vm->uart), lull_pl031_mmio(vm->rtc),
        lull_pl061_mmio(vm->gpio),
    };
    unsigned i;

    for (i = 0; i < sizeof(windows) / sizeof(windows[0]); i++)
        if (!bus_add(&vm->bus, windows[i]))
            return because(why, "no place on the bus for %s", windows[i]->name);
    return slots_attach(vm->slots, &vm->bus, why);
}

/* ---- the interface
 * ------------------------------------------------------------ */

bool lull_vm_name_ok(const char *name)
{
    return plain_name(name, strlen(name), LULL_VM_NAME_MAX) &&
           strchr("._-", name[0]) == NULL;
}

static bool config_check(const struct lull_vm_config *config, struct why *why)
{
    if (!lull_vm_name_ok(config->name))
        return because(why,
                       "--name %s: give 1 to %d letters, digits, '.', '_' or "
                       "'-', the first a letter or digit",
                       config->name, LULL_VM_NAME_MAX);
    if (config->cpus < 1 || config->cpus > LULL_CPUS_MAX)
        return because(why, "--cpus %u: give 1 to %d", config->cpus,
                       LULL_CPUS_MAX);
    if (config->memory_bytes < LULL_MEMORY_MIN ||
        config->memory_bytes % MIB != 0)
        return because(why, "--memory: give at least %llu MiB, in whole MiB",
                       LULL_MEMORY_MIN >> 20);
    if (config->gic == LULL_GIC_FRAMEWORK)
        return because(why, "--gic framework: this hypervisor has no "
                            "interrupt controller of its own; use --gic vmm");
    return true;
}

/* The console comes late: it takes the terminal. Threads come last, behind
 * what contains them. */
static bool vm_build(struct lull_vm *vm, struct why *why)
{
    vm_number_cpus(vm);
    ticks_init(&vm->ticks);
    vm->granules_kib = cpu_granules();
    return vm_vsock_new(vm, why) && vm_net_new(vm, why) &&
           vm_memory_new(vm, why) &&
           (vm->config.restore != NULL || vm_load(vm, why)) &&
           vm_hv_new(vm, why) && vm_memory_map(vm, why) &&
           vm_news_new(vm, why) && vm_vcpus_new(vm, why) &&
           vm_devices_new(vm, why) &&
           (vm->control = control_new(vm, why)) != NULL &&
           vm_console_new(vm, why) && vm_bus_new(vm, why) &&
           vm_clock_new(vm, why) && vm_contain(vm, why) &&
           slots_start(vm->slots, why) &&
           (vm->config.restore == NULL || snapshot_load(vm, why));
}

struct lull_vm *lull_vm_new(const struct lull_vm_config *config, char *err,
                            size_t err_bytes)
{
    struct lull_vm *vm = NULL;
    struct why why;

    if (!config_check(config, &why)) {
        snprintf(err, err_bytes, "%s", why.text);
        return NULL;
    }
    vm = calloc(1, sizeof(*vm));
    if (vm == NULL) {
        snprintf(err, err_bytes, "no memory for the VM");
        return NULL;
    }
    vm->config = *config;
    vm->news_fd[0] = vm->news_fd[1] = -1;
    vm->proc_fd = vm->connector_fd = vm->net_connector_fd = -1;
    vm->clock_fd = -1;
    pthread_mutex_init(&vm->lock, NULL);
    pthread_cond_init(&vm->held_changed, NULL);
    if (vm_build(vm, &why))
        return vm;
    snprintf(err, err_bytes, "%s", why.text);
    lull_vm_free(vm);
    return NULL;
}

static void vm_stop(struct lull_vm *vm)
{
    unsigned i;

    faults_stop(vm);
    vm_set_phase(vm, VM_STOP);
    for (i = 0; i < vm->config.cpus; i++)
        vcpu_join(&vm->vcpu[i]);
}

static bool vm_start_vcpus(struct lull_vm *vm, struct why *why)
{
    unsigned i;

    for (i = 0; i < vm->config.cpus; i++)
        if (!vcpu_start(&vm->vcpu[i], why))
            return false;
    return true;
}

/* Held until all of them have their registers: nobody sees a vCPU that is not
 * there yet. The guest's time goes on where it stopped. */
static bool vm_start_restored(struct lull_vm *vm, struct why *why)
{
    vm_set_phase(vm, VM_HOLD);
    if (!vm_start_vcpus(vm, why))
        return false;
    wait_held(vm);
    atomic_store(&vm->vtimer_offset,
                 mach_absolute_time() - vm->restored_counter);
    slots_thaw(vm->slots);
    vm_release(vm);
    agent_set_time(slots_agent(vm->slots));
    vm_news(vm); /* a reset that the guest had asked for */
    return true;
}

enum lull_vm_end lull_vm_run(struct lull_vm *vm)
{
    struct why why;
    bool started;

    vm->started_ns = idle_now_ns();
    faults_init(vm);
    idle_trace_thread(IDLE_TRACE_WHO_LOOP);
    policy_chosen(vm);
    atomic_store(&vm->vtimer_offset, mach_absolute_time());
    started = vm->config.restore != NULL ? vm_start_restored(vm, &why)
                                         : vm_start_vcpus(vm, &why);
    if (!started)
        vm_end(vm, LULL_END_HOST_ERROR, "%s", why.text);
    if (!faults_start(vm, &why))
        vm_end(vm, LULL_END_HOST_ERROR, "%s", why.text);
    lull_loop_run(vm->loop);
    vm_stop(vm);
    control_event(vm->control, "SHUTDOWN",
                  json_pack("{s:b,s:s}", "guest",
                            atomic_load(&vm->end.reason) == LULL_END_POWEROFF,
                            "reason",
                            atomic_load(&vm->end.reason) == LULL_END_POWEROFF
                                ? "guest-shutdown"
                                : "host-qmp-quit"));
    return (enum lull_vm_end)atomic_load(&vm->end.reason);
}

const char *lull_vm_end_text(const struct lull_vm *vm)
{
    return vm->end.text;
}

bool lull_vm_panicked(const struct lull_vm *vm)
{
    return atomic_load((_Atomic bool *)&vm->panicked);
}

static void vm_free_devices(struct lull_vm *vm)
{
    slots_free(vm->slots);
    if (vm->uart != NULL)
        lull_pl011_free(vm->uart);
    if (vm->rtc != NULL)
        lull_pl031_free(vm->rtc);
    lull_pl061_free(vm->gpio);
    if (vm->console != NULL)
        lull_console_free(vm->console);
    panic_watch_free(vm->panic_watch);
    if (vm->gic != NULL)
        gic_free(vm->gic);
}

void lull_vm_free(struct lull_vm *vm)
{
    unsigned i;

    if (vm->control != NULL)
        control_free(vm->control);
    vm_free_devices(vm);
    for (i = 0; i < vm->config.cpus; i++) {
        if (vm->vcpu[i].idle != NULL)
            idle_vcpu_free(vm->vcpu[i].idle);
        if (vm->vcpu[i].load_from != NULL)
            free(vm->vcpu[i].load_from->bytes);
        free(vm->vcpu[i].load_from);
    }
    recording_free(vm);
    if (vm->news_watch != NULL)
        lull_watch_free(vm->news_watch);
    lull_watch_free(vm->clock_watch);
    if (vm->clock_fd >= 0)
        close(vm->clock_fd);
    if (vm->loop != NULL)
        lull_loop_free(vm->loop);
    for (i = 0; i < 2; i++)
        if (vm->news_fd[i] >= 0)
            close(vm->news_fd[i]);
    if (vm->proc_fd >= 0)
        close(vm->proc_fd);
    if (vm->connector_fd >= 0)
        close(vm->connector_fd);
    if (vm->net_connector_fd >= 0)
        close(vm->net_connector_fd);
    vm_memory_unmap(vm);
    if (vm->hv_created)
        hv_vm_destroy();
    if (vm->ram.host != NULL)
        munmap(vm->ram.host, vm->ram.size_bytes);
    pthread_cond_destroy(&vm->held_changed);
    pthread_mutex_destroy(&vm->lock);
    free(vm);
}
