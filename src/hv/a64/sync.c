/*
 * Broadcasts: making the other vCPUs drop translations and decoded code, and
 * knowing when they have.
 *
 * Only a vCPU's own thread touches its TLB: another could clear an entry
 * between the compare and the access of a hit, and would not know. So each
 * vCPU keeps a log of what it wants dropped, the others read it, and a DSB
 * waits for them.
 *
 * Words
 *   sync->seq       ticket counter; every wait takes one
 *   sync->all       counts the requests to drop everything (a64_broadcast_all)
 *   seat.head       records in a vCPU's log; seat.reserved, also those begun
 *   cpu->in_guest   1 from a64_guest_enter to a64_guest_leave
 *   cpu->sync_done  highest ticket served completely, out of all code pages
 *   seat.logs_done  the same for the logs only; a DSB serves that much
 *
 * Posting   append to the own log (plain stores, no other thread is told).
 * DSB       publish head (release); ticket = ++seq; FENCE; for every other
 *           vCPU: if in_guest is 0 it needs nothing, else set A64_REQ_SYNC and
 *           wait until in_guest is 0 or logs_done >= ticket.
 * Enter     in_guest = 1; FENCE; if seq is not sync_done, serve.
 * Serve     t = seq (acquire); if all has moved, drop everything; read the
 *           others' logs up to their heads; logs_done = t (release);
 *           sync_done = t (release).
 *
 * Why it works. (1) The two FENCEs are seq_cst, so of a DSB's "seq, then
 * in_guest" and an enter's "in_guest, then seq" at least one reads what the
 * other wrote: a vCPU that the DSB takes to be outside serves the ticket
 * before it runs anything, in this entry or any later one. (2) seq is only
 * changed by read-modify-writes with release, so whoever reads a value >=
 * ticket (acquire) sees what was published before the ticket was taken: a
 * serve that stores logs_done >= ticket has applied the records. (3) logs_done
 * and in_guest = 0 are stores with release, read by the waiter with acquire:
 * all accesses the other vCPU made through dropped entries happened before
 * the DSB ends.
 *
 * Lost records. A log is a ring that nobody waits for. `reserved` moves before
 * a place is written, head after; a reader copies a record and then looks at
 * reserved: had the writer come round to that place, the copy may be torn, and
 * the reader drops everything instead. (A seqlock: release fence
 * between reserved and the record, acquire fence between record and reserved.)
 *
 * No deadlock. A waiting DSB serves the logs meanwhile, so two DSBs answer each
 * other. It does not answer a64_broadcast_all, whose caller wants the vCPU out
 * of its code page; but every DSB ends, and after it comes a poll. Callers of
 * a64_broadcast_all are not in the guest and must hold no lock that a vCPU in
 * the guest takes.
 *
 * A vCPU is freed only after a broadcast that began when nobody could find it
 * any more (a64_sync_detach): by (1) and the above every DSB that knew it is
 * over.
 */
#include "mem.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Linux invalidates up to 512 pages one by one; beyond a ring's length losing
 * count is as good. */
enum { LOG_RECORDS = 256 };

/* What a vCPU number owns, whichever vCPU sits there. */
struct seat {
    _Alignas(64) _Atomic uint64_t logs_done;
    _Atomic uint64_t head, reserved;
    _Atomic uint64_t record[LOG_RECORDS];
};

struct a64_sync {
    _Alignas(64) _Atomic uint64_t seq;
    _Atomic uint64_t all;
    _Atomic unsigned seats; /* highest number used so far, plus 1 */
    pthread_mutex_t lock;   /* one a64_broadcast_all at a time */
    struct seat seat[A64_MAX_CPUS];
};

bool a64_sync_init(struct a64_vm *vm)
{
    vm->sync = aligned_alloc(64, sizeof(*vm->sync));
    if (vm->sync == NULL)
        return false;
    memset(vm->sync, 0, sizeof(*vm->sync));
    pthread_mutex_init(&vm->sync->lock, NULL);
    return true;
}

void a64_sync_free(struct a64_vm *vm)
{
    if (vm->sync == NULL)
        return;
    pthread_mutex_destroy(&vm->sync->lock);
    free(vm->sync);
    vm->sync = NULL;
}

/* ---- logs ---- */

void a64_post(struct a64_cpu *cpu, uint64_t record)
{
    struct seat *seat = &cpu->vm->sync->seat[cpu->id];
    uint64_t end = atomic_load_explicit(&seat->reserved, memory_order_relaxed);
    uint64_t head = atomic_load_explicit(&seat->head, memory_order_relaxed);

    /* The same again before anybody was told: a page's lines, one by one. */
    if (end != head &&
        atomic_load_explicit(&seat->record[(end - 1) % LOG_RECORDS],
                             memory_order_relaxed) == record)
        return;
    atomic_store_explicit(&seat->reserved, end + 1, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
    atomic_store_explicit(&seat->record[end % LOG_RECORDS], record,
                          memory_order_relaxed);
    cpu->tlb_state->posted = true;
}

static void publish(struct seat *seat)
{
    atomic_store_explicit(
        &seat->head,
        atomic_load_explicit(&seat->reserved, memory_order_relaxed),
        memory_order_release);
}

/* Do what the log of `seat` says beyond *cursor. */
static void catch_up(struct a64_cpu *cpu, struct seat *seat, uint64_t *cursor)
{
    uint64_t head = atomic_load_explicit(&seat->head, memory_order_acquire);

    for (; *cursor != head; ++*cursor) {
        uint64_t record = atomic_load_explicit(
            &seat->record[*cursor % LOG_RECORDS], memory_order_relaxed);
        uint64_t reserved;

        atomic_thread_fence(memory_order_acquire);
        reserved = atomic_load_explicit(&seat->reserved, memory_order_relaxed);
        if (reserved - *cursor > LOG_RECORDS) {
            a64_record_apply(cpu, A64_RECORD_ALL);
            *cursor = head;
            return;
        }
        a64_record_apply(cpu, record);
    }
}

/* All other vCPUs' logs; `ticket` was read before. */
static void serve_logs(struct a64_cpu *cpu, uint64_t ticket)
{
    struct a64_sync *sync = cpu->vm->sync;
    unsigned seats = atomic_load_explicit(&sync->seats, memory_order_relaxed);

    for (unsigned i = 0; i < seats; i++) {
        if (i != cpu->id)
            catch_up(cpu, &sync->seat[i], &cpu->tlb_state->cursor[i]);
    }
    cpu->tlb_state->served++;
    atomic_store_explicit(&sync->seat[cpu->id].logs_done, ticket,
                          memory_order_release);
}

void a64_sync_serve(struct a64_cpu *cpu)
{
    struct a64_sync *sync = cpu->vm->sync;
    uint64_t ticket, all;

    atomic_fetch_and_explicit(&cpu->req, ~(uint32_t)A64_REQ_SYNC,
                              memory_order_acquire);
    ticket = atomic_load_explicit(&sync->seq, memory_order_acquire);
    all = atomic_load_explicit(&sync->all, memory_order_relaxed);

    if (all != cpu->tlb_state->all_seen) {
        cpu->tlb_state->all_seen = all;
        a64_tlb_flush(cpu);
        cpu->tlb_state->window.size = 0;
        cpu->excl_host = NULL; /* its memory may go away */
    }
    serve_logs(cpu, ticket);
    atomic_store_explicit(&cpu->sync_done, ticket, memory_order_release);
}

/* ---- waiting ---- */

static void pause_host(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* A vCPU that runs answers within some microseconds; one that does not needs
 * the host CPU that the waiter is using. */
static void back_off(unsigned round)
{
    static const struct timespec nap = {.tv_nsec = 20000};

    if (round < 100)
        pause_host();
    else if (round < 1000)
        sched_yield();
    else
        nanosleep(&nap, NULL);
}

static struct a64_cpu *cpu_at(struct a64_vm *vm, unsigned i)
{
    return atomic_load_explicit(&vm->cpu[i], memory_order_acquire);
}

/* The vCPU at seat i if it is in the guest, unless it is `self`. */
static struct a64_cpu *guest_at(struct a64_vm *vm, unsigned i,
                                const struct a64_cpu *self)
{
    struct a64_cpu *cpu = cpu_at(vm, i);

    if (cpu == NULL || cpu == self ||
        !atomic_load_explicit(&cpu->in_guest, memory_order_acquire))
        return NULL;
    return cpu;
}

/* Take a ticket and ask every other vCPU that is in the guest to serve it. */
static uint64_t ask_all(struct a64_vm *vm, const struct a64_cpu *self,
                        unsigned *seats)
{
    struct a64_sync *sync = vm->sync;
    uint64_t ticket =
        atomic_fetch_add_explicit(&sync->seq, 1, memory_order_acq_rel) + 1;

    atomic_thread_fence(memory_order_seq_cst);
    *seats = atomic_load_explicit(&sync->seats, memory_order_relaxed);
    for (unsigned i = 0; i < *seats; i++) {
        struct a64_cpu *cpu = guest_at(vm, i, self);

        /* Always a read-modify-write: whoever takes the bit then either finds
         * this one, and all before it, or leaves it for the next look. */
        if (cpu != NULL)
            atomic_fetch_or_explicit(&cpu->req, A64_REQ_SYNC,
                                     memory_order_release);
    }
    return ticket;
}

bool a64_dsb(struct a64_cpu *cpu)
{
    struct a64_sync *sync = cpu->vm->sync;
    struct seat *own = &sync->seat[cpu->id];
    bool served = false;
    unsigned seats;
    uint64_t ticket;

    atomic_thread_fence(memory_order_seq_cst);
    if (LULL_LIKELY(!cpu->tlb_state->posted))
        return false;
    cpu->tlb_state->posted = false;
    publish(own);
    ticket = ask_all(cpu->vm, cpu, &seats);
    for (unsigned i = 0; i < seats; i++) {
        const _Atomic uint64_t *done = &sync->seat[i].logs_done;

        for (unsigned round = 0;
             guest_at(cpu->vm, i, cpu) != NULL &&
             atomic_load_explicit(done, memory_order_acquire) < ticket;
             round++) {
            uint64_t seq =
                atomic_load_explicit(&sync->seq, memory_order_acquire);

            /* At first this finds the own ticket; then what others ask. */
            if (seq !=
                atomic_load_explicit(&own->logs_done, memory_order_relaxed)) {
                serve_logs(cpu, seq);
                served = true;
            }
            back_off(round);
        }
    }
    return served;
}

void a64_broadcast_all(struct a64_vm *vm)
{
    struct a64_sync *sync = vm->sync;
    unsigned seats;
    uint64_t ticket;

    pthread_mutex_lock(&sync->lock);
    atomic_fetch_add_explicit(&sync->all, 1, memory_order_relaxed);
    ticket = ask_all(vm, NULL, &seats);
    for (unsigned i = 0; i < seats; i++) {
        for (unsigned round = 0;; round++) {
            struct a64_cpu *cpu = guest_at(vm, i, NULL);

            if (cpu == NULL ||
                atomic_load_explicit(&cpu->sync_done, memory_order_acquire) >=
                    ticket)
                break;
            back_off(round);
        }
    }
    pthread_mutex_unlock(&sync->lock);
}

/* ---- coming and going ---- */

void a64_guest_enter(struct a64_cpu *cpu)
{
    atomic_store_explicit(&cpu->in_guest, 1, memory_order_relaxed);
    atomic_thread_fence(memory_order_seq_cst);
    if (atomic_load_explicit(&cpu->vm->sync->seq, memory_order_acquire) !=
        atomic_load_explicit(&cpu->sync_done, memory_order_relaxed))
        a64_sync_serve(cpu);
}

void a64_guest_leave(struct a64_cpu *cpu)
{
    atomic_store_explicit(&cpu->in_guest, 0, memory_order_release);
}

void a64_sync_attach(struct a64_cpu *cpu)
{
    struct a64_sync *sync = cpu->vm->sync;
    unsigned seats = atomic_load_explicit(&sync->seats, memory_order_relaxed);

    while (seats <= cpu->id && !atomic_compare_exchange_weak_explicit(
                                   &sync->seats, &seats, cpu->id + 1,
                                   memory_order_relaxed, memory_order_relaxed))
        ;
    for (unsigned i = 0; i < A64_MAX_CPUS; i++)
        cpu->tlb_state->cursor[i] =
            atomic_load_explicit(&sync->seat[i].head, memory_order_acquire);
    cpu->tlb_state->all_seen =
        atomic_load_explicit(&sync->all, memory_order_relaxed);
}

void a64_sync_detach(struct a64_cpu *cpu)
{
    struct a64_cpu *expected = cpu;

    atomic_compare_exchange_strong(&cpu->vm->cpu[cpu->id], &expected, NULL);
    a64_broadcast_all(cpu->vm);
}
