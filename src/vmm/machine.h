/*
 * The machine's own view of itself: what vm.c, vcpu.c, exit.c, stats.c and
 * control.c share.
 *
 * Threads: one per vCPU, and the loop's (the one that called lull_vm_run),
 * which owns everything that is not a vCPU. Each field below says who writes.
 */
#ifndef LULL_VMM_MACHINE_H
#define LULL_VMM_MACHINE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <Hypervisor/Hypervisor.h>

#include "boot.h"
#include "bus.h"
#include "fault.h"
#include "gic.h"
#include "lull/chardev.h"
#include "lull/console.h"
#include "lull/idle.h"
#include "lull/idle_trace.h"
#include "lull/loop.h"
#include "lull/pl011.h"
#include "lull/pl031.h"
#include "lull/pl061.h"
#include "lull/ram.h"
#include "lull/state.h"
#include "lull/virtio.h"
#include "lull/vm.h"
#include "psci.h"
#include "ticks.h"
#include "why.h"

#define MACHINE_RAM_GPA 0x40000000ULL

/* Private peripheral interrupt of the EL1 virtual timer. */
enum { MACHINE_VTIMER_PPI = 27 };

/* Counted per vCPU: exits by class, and what the machine did about some. The
 * names are those of the JSON. */
#define VCPU_COUNTERS(COUNTER)                                                 \
    COUNTER(canceled)                                                          \
    COUNTER(vtimer)                                                            \
    COUNTER(wfi)                                                               \
    COUNTER(wfe)                                                               \
    COUNTER(hvc)                                                               \
    COUNTER(smc)                                                               \
    COUNTER(gic_sysreg)                                                        \
    COUNTER(sysreg)                                                            \
    COUNTER(mmio_read)                                                         \
    COUNTER(mmio_write)                                                        \
    COUNTER(unmapped)                                                          \
    COUNTER(other)

/* Written by the vCPU's thread only, read by anyone. */
struct vcpu_counters {
#define COUNTER(name) _Atomic uint64_t name;
    VCPU_COUNTERS(COUNTER)
#undef COUNTER
    _Atomic uint64_t undefined_sysregs;
    _Atomic uint32_t last_undefined; /* its encoding */
    _Atomic uint64_t timer_raised;   /* PPI 27 went up */
};

/* One writer: a load and a store, not a locked instruction. */
static inline void count(_Atomic uint64_t *counter)
{
#ifndef LULL_NO_COUNTERS /* off to measure what it costs: bench/trace-cost */
    uint64_t now = atomic_load_explicit(counter, memory_order_relaxed);

    atomic_store_explicit(counter, now + 1, memory_order_relaxed);
#endif
}

static inline uint64_t counted(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit((_Atomic uint64_t *)counter,
                                memory_order_relaxed);
}

struct lull_vm;

struct vcpu {
    /* set before the thread starts */
    struct lull_vm *vm;
    unsigned index;
    uint64_t mpidr;
    struct idle_vcpu *idle;
    pthread_t thread;
    bool started;

    /* off -> on pending by any thread, with entry and context published
     * first; the rest by the own thread, and by a reset while it is held */
    _Atomic enum psci_power power;
    uint64_t entry, context;

    /* the framework's vCPU, while there is one; own thread */
    hv_vcpu_t hv;
    const hv_vcpu_exit_t *exit;
    bool hv_exists;
    _Atomic uint32_t hv_id; /* the same, for whoever forces it out */

    /* own thread */
    bool waiting;           /* in WFI: nothing to run until an interrupt */
    uint64_t wait_ticks;    /* WFIT: counter value that ends the wait */
    bool timer_line;        /* PPI 27 is up and the vtimer masked */
    uint64_t offset_in_use; /* vtimer offset the framework was told */

    /* While held, the loop wants the vCPU's state here: set by the loop
     * (release), NULL again by the own thread when it is there (release). */
    struct lull_state *_Atomic save_to;
    /* What to begin with; set before the thread starts. */
    struct lull_state *load_from;

    /* In WFI, when the guest's timer ends it (IDLE_NO_DEADLINE: it does not);
     * 0 elsewhere. Own thread writes, relaxed; stat reads. */
    _Atomic uint64_t wfi_deadline_ns;

    _Atomic int64_t thread_id; /* the host's number for it, 0 unknown */
    struct vcpu_counters counters;
};

/* What every vCPU thread is to do; written under vm->lock. */
enum vm_phase { VM_RUN, VM_HOLD, VM_STOP };

struct vm_end {
    _Atomic int reason; /* enum lull_vm_end; the first one counts */
    char text[256];     /* by whoever set the reason */
};

struct control;
struct panic_watch;
struct snapshot_save;
struct slots;

struct lull_vm {
    struct lull_vm_config config;
    struct lull_ram ram;
    struct ticks ticks;
    uint64_t started_ns; /* idle_now_ns at lull_vm_run */
    unsigned granules_kib;
    bool hv_created;
    bool ram_mapped;
    const char *sandbox; /* what contains the process, for stat */
    int proc_fd;         /* see contain.c */
    struct lull_vsock_spec vsock;
    struct lull_vsock_spec net; /* of --net unix:PATH */
    int net_connector_fd;
    int connector_fd; /* to who connects for us: contain.c; or -1 */

    uint64_t mpidr[LULL_CPUS_MAX];
    struct vcpu vcpu[LULL_CPUS_MAX];
    struct psci_machine psci;

    struct gic *gic;
    struct bus bus;
    struct lull_loop *loop;
    struct lull_console *console;
    struct panic_watch *panic_watch; /* between UART and console */
    struct lull_pl011 *uart;
    struct lull_pl031 *rtc;
    struct lull_pl061 *gpio; /* the power key is on it */
    struct slots *slots;     /* the virtio devices */
    struct control *control;

    /* Bytes wake the loop: an end, a reset or a panic was noted. Written
     * from anywhere, signal handlers included. */
    int news_fd[2];
    struct lull_watch *news_watch;

    pthread_mutex_t lock;
    pthread_cond_t held_changed;
    unsigned held; /* vCPUs that saw VM_HOLD; under lock */
    _Atomic int phase;
    _Atomic uint64_t vtimer_offset; /* one for all vCPUs; loop, while held */
    uint64_t held_since;            /* mach ticks at the pause in force; loop */
    bool paused;                    /* loop */
    struct snapshot_save *save;     /* while somebody saves; loop */
    uint64_t restored_counter;      /* the guest's, of config.restore */
    uint64_t resets;                /* loop */
    _Atomic bool reset_wanted, panic_seen, panicked, resized;
    struct {
        _Atomic bool slept;              /* news for the loop */
        bool told_chosen, told_sleeping; /* loop */
        bool switched;                   /* since the start; loop */
    } idle;
    struct {
        pthread_t thread;
        bool started; /* loop */
        pthread_t racer;
        bool racing; /* loop: there is that thread */
        _Atomic bool stop;
        uint64_t end_ns;                /* when the faults are over */
        uint64_t random[LULL_CPUS_MAX]; /* each vCPU's own */
        /* When a running guest's timer fires; by the vCPU's thread. */
        _Atomic uint64_t fires_ns[LULL_CPUS_MAX];
        _Atomic uint64_t wfis, strays, cancels, signals, races, stops, freezes;
    } fault;
    struct {
        struct idle_trace *rings; /* NULL until somebody records */
        void *memory;
        int fd;
        bool recording;
        const void *who; /* has the memory; NULL: nobody */
    } trace;             /* loop */
    /* Of the host's clock, where there is an agent to be told; -1: none. */
    int clock_fd;
    struct lull_watch *clock_watch;
    struct vm_end end;
};

/* ---- vm.c ------------------------------------------------------------------
 */

/* Note why the VM ends, the first time, and wake the loop. Any thread. The
 * text may be NULL. */
__attribute__((format(printf, 3, 4))) void
vm_end(struct lull_vm *vm, enum lull_vm_end reason, const char *format, ...);
/* Wake the loop: there is something new to look at. Any thread. */
void vm_news(struct lull_vm *vm);
/* The guest asked for a reset. Any thread; the caller's vCPU goes off. */
void vm_guest_reset(struct lull_vm *vm);

/* On the loop's thread. Pausing twice, or resuming a running VM, is nothing. */
void vm_pause(struct lull_vm *vm);
void vm_resume(struct lull_vm *vm);
void vm_reset(struct lull_vm *vm, bool by_guest);
/* Press the power key. False: the guest does not listen to it. */
bool vm_power_key(struct lull_vm *vm);

/* ---- contain.c -------------------------------------------------------------
 */

/* Read --vsock, and make the process that connects to its sockets, while
 * there is no guest memory to share with it. */
bool vm_vsock_new(struct lull_vm *vm, struct why *why);
/* The same for a network over a Unix socket. */
bool vm_net_new(struct lull_vm *vm, struct why *why);
/* Give up what running does not take. Before there is a second thread. */
bool vm_contain(struct lull_vm *vm, struct why *why);

/* ---- policy.c --------------------------------------------------------------
 */

/* On the loop's thread. */
void policy_set(struct lull_vm *vm, const struct idle_policy *policy);
/* At the start: what the policy has to say. */
void policy_chosen(struct lull_vm *vm);
void policy_news(struct lull_vm *vm);
/* The idle governor's first_sleep. */
void policy_slept(void *vcpu);

/* ---- vcpu.c ----------------------------------------------------------------
 */

bool vcpu_start(struct vcpu *vcpu, struct why *why);
/* Called with VM_STOP set. */
void vcpu_join(struct vcpu *vcpu);
/* The idle governor's force_exit and warm, and the GIC's kick. */
void vcpu_force_exit(void *vcpu);
void vcpu_warm(void *vcpu);
void vcpu_kick_irq(void *vm, unsigned cpu);

/* The framework's vCPU anew, as after power-on. False: it refused, and the VM
 * ends. Own thread. */
bool vcpu_make(struct vcpu *vcpu);

/* A register; anything the framework refuses ends the VM. Own thread. */
uint64_t vcpu_reg(struct vcpu *vcpu, hv_reg_t reg);
void vcpu_set_reg(struct vcpu *vcpu, hv_reg_t reg, uint64_t value);
uint64_t vcpu_sys_reg(struct vcpu *vcpu, hv_sys_reg_t reg);
void vcpu_set_sys_reg(struct vcpu *vcpu, hv_sys_reg_t reg, uint64_t value);
/* The guest's counter now. */
uint64_t vcpu_counter(const struct vcpu *vcpu);
/* Wait, as WFI does, before running on; until the counter reaches `ticks` at
 * the latest (UINT64_MAX: no limit). */
void vcpu_wait_for_interrupt(struct vcpu *vcpu, uint64_t ticks);

/* ---- vcpu_state.c ----------------------------------------------------------
 */

/* On the own thread, held. */
void vcpu_save(struct vcpu *vcpu, struct lull_state *state);
/* On the own thread, before the first run. False: bytes that cannot be, or
 * another processor's. */
bool vcpu_load(struct vcpu *vcpu, struct lull_state *state);

/* ---- exit.c ----------------------------------------------------------------
 */

/* Answer the exit in vcpu->exit. */
void exit_handle(struct vcpu *vcpu);

#endif
