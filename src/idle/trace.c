/*
 * The rings of a trace: one memory for two processes, no locks, no waiting.
 *
 * The own ring has one producer and one consumer. `head` is how many records
 * were written, `tail` how many were taken. The producer fills the slot and
 * then stores head with release; the consumer loads head with acquire and so
 * sees the slots before it. The consumer copies the slots and then stores tail
 * with release; the producer loads tail with acquire before it uses a slot
 * again, so that its stores come after the copy. The producer keeps its head,
 * and the tail it saw last, in memory of its own: the line that the consumer
 * writes is read once per turn of the ring, not once per record.
 *
 * The kick ring has many producers. A producer takes a slot's number by
 * compare-and-swap on `reserved`, which counts up and is nobody else's
 * business (it is not in the shared memory); it fills the slot and then stores
 * number + 1 into the slot's `done` with release. The consumer takes slots in
 * order and stops at the first that is not done: its acquire load of `done`
 * pairs with that producer's release, whoever it was. A slot is free again
 * when tail has passed it, and it is the producer's own acquire load of tail
 * that says so, made before its compare-and-swap; relaxed is enough for that,
 * since it publishes nothing. A producer that is taken off its CPU between
 * the two steps holds up the consumer, never another producer, until the ring
 * is full; then kicks are dropped and counted.
 *
 * What the consumer's process writes (tail) is not believed: a tail that makes
 * no sense makes the ring look full, and an index is masked before it is used.
 * Nor does the consumer believe the producer.
 */
#include "trace.h"
#include "word.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

/* 1.5 MiB and 512 KiB a vCPU, of which only what is used takes memory. At a
 * million waits a second the first lasts for 30 ms. */
enum {
    OWN_SLOTS = 1 << 16,
    KICK_SLOTS = 1 << 14,
    SLOTS_AHEAD = 8,
    PAGE = 4096,
    LINE = 128,
};

struct own_ring {
    alignas(LINE) _Atomic uint64_t head; /* producer */
    _Atomic uint64_t dropped;            /* producer */
    alignas(LINE) _Atomic uint64_t tail; /* consumer; clear */
    alignas(PAGE) struct idle_trace_record slot[OWN_SLOTS];
};

struct kick_slot {
    struct idle_trace_record record;
    _Atomic uint64_t done; /* number + 1 once the record is there */
};

struct kick_ring {
    alignas(LINE) _Atomic uint64_t dropped; /* producers */
    alignas(LINE) _Atomic uint64_t tail;    /* consumer; clear */
    alignas(PAGE) struct kick_slot slot[KICK_SLOTS];
};

struct rings {
    struct own_ring own;
    struct kick_ring kicks;
};

_Static_assert(sizeof(struct idle_trace_record) == 24, "the format's");
#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "records are put together for little-endian hosts"
#endif
_Static_assert(sizeof(struct rings) % PAGE == 0, "rings are whole pages");
_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "atomics work across processes");

struct idle_trace_vcpu {
    alignas(LINE) struct rings *rings;
    uint16_t index;
    /* The vCPU's thread; head is read by clear. */
    alignas(LINE) _Atomic uint64_t head;
    uint64_t ident; /* the fields `vcpu` and `who` of its records */
    struct own_ring *own;
    uint64_t tail_seen;
    /* Kickers. */
    alignas(LINE) _Atomic uint64_t reserved;
};

struct idle_trace {
    unsigned vcpus;
    struct idle_trace_vcpu vcpu[];
};

static _Thread_local uint16_t self = IDLE_TRACE_WHO_OTHER;

void idle_trace_thread(unsigned who)
{
    self = (uint16_t)who;
}

static struct rings *rings_of(void *memory, unsigned vcpu)
{
    return (struct rings *)memory + vcpu;
}

size_t idle_trace_bytes(unsigned vcpus)
{
    return sizeof(struct rings) * vcpus;
}

struct idle_trace *idle_trace_new(void *memory, unsigned vcpus)
{
    size_t bytes =
        sizeof(struct idle_trace) + vcpus * sizeof(struct idle_trace_vcpu);
    struct idle_trace *trace =
        aligned_alloc(LINE, (bytes + LINE - 1) / LINE * LINE);

    if (!trace)
        return NULL;
    memset(trace, 0, bytes);
    trace->vcpus = vcpus;
    for (unsigned i = 0; i < vcpus; i++) {
        trace->vcpu[i].rings = rings_of(memory, i);
        trace->vcpu[i].own = &trace->vcpu[i].rings->own;
        trace->vcpu[i].index = (uint16_t)i;
        trace->vcpu[i].ident = (uint64_t)i << 32 | (uint64_t)i << 48;
    }
    return trace;
}

void idle_trace_free(struct idle_trace *trace)
{
    free(trace);
}

struct idle_trace_vcpu *trace_vcpu(struct idle_trace *trace, unsigned vcpu)
{
    return &trace->vcpu[vcpu];
}

/* Indices only count up, so a record that is still being written when a
 * recording ends is an ordinary one of the next. The memory may have been
 * zeroed since: head is published anew. */
void idle_trace_clear(struct idle_trace *trace)
{
    for (unsigned i = 0; i < trace->vcpus; i++) {
        struct idle_trace_vcpu *t = &trace->vcpu[i];
        struct own_ring *own = &t->rings->own;
        struct kick_ring *kicks = &t->rings->kicks;
        uint64_t head = atomic_load_explicit(&t->head, memory_order_relaxed);

        atomic_store_explicit(&own->head, head, memory_order_relaxed);
        atomic_store_explicit(&own->tail, head, memory_order_release);
        atomic_store_explicit(
            &kicks->tail,
            atomic_load_explicit(&t->reserved, memory_order_relaxed),
            memory_order_release);
        atomic_store_explicit(&own->dropped, 0, memory_order_relaxed);
        atomic_store_explicit(&kicks->dropped, 0, memory_order_relaxed);
    }
}

/*
 * The producers.
 *
 * The consumer's core has just read the line that a slot is on. Taking it back
 * takes hundreds of cycles, which the store itself would not wait for, but the
 * next read-modify-write of the parking word does. So the line is asked for
 * ahead, a few records before it is written.
 */

/* One producer: no read-modify-write, which would cost more than a record. */
static void count_drop(struct own_ring *ring)
{
    uint64_t dropped =
        atomic_load_explicit(&ring->dropped, memory_order_relaxed);

    atomic_store_explicit(&ring->dropped, dropped + 1, memory_order_relaxed);
}

void trace_own(struct idle_trace_vcpu *t, enum idle_trace_kind kind,
               uint64_t time_ns, uint64_t value, unsigned detail,
               uint32_t reasons)
{
    struct own_ring *ring = t->own;
    uint64_t head = atomic_load_explicit(&t->head, memory_order_relaxed);
    struct idle_trace_record *slot;
    uint64_t last; /* the small fields, as one store */

    if (head - t->tail_seen >= OWN_SLOTS) {
        t->tail_seen = atomic_load_explicit(&ring->tail, memory_order_acquire);
        if (head - t->tail_seen >= OWN_SLOTS) {
            count_drop(ring);
            return;
        }
    }
    last = (uint16_t)reasons | (uint64_t)kind << 16 |
           (uint64_t)(uint8_t)detail << 24 | t->ident;
    __builtin_prefetch(&ring->slot[(head + SLOTS_AHEAD) % OWN_SLOTS], 1);
    slot = &ring->slot[head % OWN_SLOTS];
    slot->time_ns = time_ns;
    slot->value = value;
    memcpy(&slot->reasons, &last, sizeof(last));
    atomic_store_explicit(&t->head, head + 1, memory_order_relaxed);
    atomic_store_explicit(&ring->head, head + 1, memory_order_release);
}

/* A slot's number, or UINT64_MAX when there is none. */
static uint64_t reserve(struct idle_trace_vcpu *t, struct kick_ring *ring)
{
    uint64_t number = atomic_load_explicit(&t->reserved, memory_order_relaxed);

    do {
        uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_acquire);

        if (number - tail >= KICK_SLOTS) {
            atomic_fetch_add_explicit(&ring->dropped, 1, memory_order_relaxed);
            return UINT64_MAX;
        }
    } while (!atomic_compare_exchange_weak_explicit(
        &t->reserved, &number, number + 1, memory_order_relaxed,
        memory_order_relaxed));
    return number;
}

void trace_kick(struct idle_trace_vcpu *t, uint64_t time_ns, uint32_t reason,
                uint32_t word)
{
    struct kick_ring *ring = &t->rings->kicks;
    uint64_t number = reserve(t, ring);
    struct kick_slot *slot = &ring->slot[number % KICK_SLOTS];

    if (number == UINT64_MAX)
        return;
    slot->record = (struct idle_trace_record){
        .time_ns = time_ns,
        .reasons = (uint16_t)reason,
        .kind = IDLE_TRACE_KICK,
        .detail = word & WORD_PARKED  ? IDLE_TRACE_PARKED
                  : word & WORD_GUEST ? IDLE_TRACE_GUEST
                                      : IDLE_TRACE_AWAKE,
        .vcpu = t->index,
        .who = self,
    };
    atomic_store_explicit(&slot->done, number + 1, memory_order_release);
}

void trace_policy(struct idle_trace_vcpu *t, uint64_t time_ns,
                  const struct idle_policy *policy)
{
    const char *const *names = idle_policy_names();
    unsigned place = 0;

    while (names[place] && strcmp(names[place], policy->name) != 0)
        place++;
    trace_own(t, IDLE_TRACE_POLICY, time_ns,
              policy->share_permille | (uint64_t)policy->sleep_us << 32, place,
              policy->poll);
}

/* The consumer. */

static ptrdiff_t take_own(struct own_ring *ring, struct idle_trace_record *out,
                          size_t room)
{
    uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_acquire);
    uint64_t n = head - tail;

    if (n > OWN_SLOTS)
        return -1;
    if (n > room)
        n = room;
    for (uint64_t i = 0; i < n; i++)
        out[i] = ring->slot[(tail + i) % OWN_SLOTS];
    atomic_store_explicit(&ring->tail, tail + n, memory_order_release);
    return (ptrdiff_t)n;
}

static ptrdiff_t take_kicks(struct kick_ring *ring,
                            struct idle_trace_record *out, size_t room)
{
    uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    size_t n = 0;

    while (n < room && n < KICK_SLOTS) {
        struct kick_slot *slot = &ring->slot[tail % KICK_SLOTS];

        if (atomic_load_explicit(&slot->done, memory_order_acquire) != tail + 1)
            break;
        out[n++] = slot->record;
        tail++;
    }
    atomic_store_explicit(&ring->tail, tail, memory_order_release);
    return (ptrdiff_t)n;
}

ptrdiff_t idle_trace_take(void *memory, unsigned vcpu, unsigned ring,
                          struct idle_trace_record *out, size_t room)
{
    struct rings *rings = rings_of(memory, vcpu);

    return ring == IDLE_TRACE_OWN ? take_own(&rings->own, out, room)
                                  : take_kicks(&rings->kicks, out, room);
}

uint64_t idle_trace_dropped(const void *memory, unsigned vcpu, unsigned ring)
{
    const struct rings *rings = (const struct rings *)memory + vcpu;

    return atomic_load_explicit(ring == IDLE_TRACE_OWN ? &rings->own.dropped
                                                       : &rings->kicks.dropped,
                                memory_order_relaxed);
}
