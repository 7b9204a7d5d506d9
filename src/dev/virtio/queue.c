/*
 * The split virtqueue. Three tables in guest memory: descriptors, the
 * driver's ring of chains to do (available), the device's of chains done
 * (used).
 *
 * The driver runs on other threads. Its index is loaded with acquire before
 * the entries behind it; ours is stored with release after them. Both sides
 * ask the other for silence by a word in shared memory, and each must store
 * its index before it looks at the other's wish: those are the two full
 * fences below.
 */
#include "lull/bits.h"
#include "lull/bytes.h"
#include "queue.h"

enum {
    DESC_BYTES = 16,
    DESC_NEXT = 1,
    DESC_WRITE = 2,
    DESC_INDIRECT = 4,
    AVAIL_NO_INTERRUPT = 1,
    /* Offsets in both rings: flags, index, entries. */
    RING_INDEX = 2,
    RING_ENTRIES = 4,
    USED_BYTES = 8, /* one entry of the used ring: id, len */
};

struct descriptor {
    uint64_t gpa;
    uint32_t len;
    uint16_t flags, next;
};

static uint16_t load_acquire(const uint8_t *at)
{
    return __atomic_load_n((const uint16_t *)(const void *)at,
                           __ATOMIC_ACQUIRE);
}

static void store_release(uint8_t *at, uint16_t value)
{
    __atomic_store_n((uint16_t *)(void *)at, value, __ATOMIC_RELEASE);
}

/* The driver's "interrupt me when you have used this", behind its ring. */
static const uint8_t *used_event(const struct virtqueue *q)
{
    return q->avail + RING_ENTRIES + 2 * (size_t)q->size;
}

/* Ours, "notify me when you have made this available". */
static uint8_t *avail_event(const struct virtqueue *q)
{
    return q->used + RING_ENTRIES + USED_BYTES * (size_t)q->size;
}

static uint8_t *table(const struct lull_ram *ram, uint64_t gpa, uint64_t bytes,
                      uint64_t alignment)
{
    return gpa % alignment == 0 ? lull_ram_at(ram, gpa, bytes) : NULL;
}

bool virtq_start(struct virtqueue *q, const struct lull_ram *ram)
{
    uint64_t size = q->size;

    q->started = false;
    if (size == 0 || size > VIRTQ_SIZE_MAX || !is_pow2(size))
        return false;
    /* Each ring ends in an event word, used or not. */
    q->ram = ram;
    q->desc = table(ram, q->desc_gpa, DESC_BYTES * size, 16);
    q->avail = table(ram, q->avail_gpa, RING_ENTRIES + 2 * size + 2, 2);
    q->used = table(ram, q->used_gpa, RING_ENTRIES + USED_BYTES * size + 2, 4);
    if (q->desc == NULL || q->avail == NULL || q->used == NULL)
        return false;
    q->next_avail = 0;
    q->next_used = 0;
    q->told_used = 0;
    q->started = true;
    return true;
}

static struct descriptor get_descriptor(const uint8_t *at)
{
    uint8_t copy[DESC_BYTES];

    memcpy(copy, at, sizeof(copy));
    /* The compiler must not think that the copy still equals its source, and
     * read that again instead: the driver may have changed it. */
    __asm__ volatile("" : "+m"(copy));
    return (struct descriptor){
        .gpa = get_le64(copy),
        .len = get_le32(copy + 8),
        .flags = get_le16(copy + 12),
        .next = get_le16(copy + 14),
    };
}

/* Spans to read come first. An empty span is nothing, and left out. */
static bool add_span(const struct virtqueue *q, const struct descriptor *d,
                     struct virtq_chain *chain)
{
    bool in = (d->flags & DESC_WRITE) != 0;
    uint8_t *host;

    if (!in && chain->in != 0)
        return false;
    if (d->len == 0)
        return true;
    host = lull_ram_at(q->ram, d->gpa, d->len);
    if (host == NULL)
        return false;
    chain->span[chain->out + chain->in] = (struct virtq_span){host, d->len};
    if (in)
        chain->in++;
    else
        chain->out++;
    return true;
}

/*
 * Follow a chain through a table of `count` descriptors, at most a queue's
 * size of them: a loop is a chain too long. `*indirect` is set when the one
 * descriptor met says that the chain is in a table of its own.
 */
static bool walk(const struct virtqueue *q, const uint8_t *descriptors,
                 unsigned count, uint16_t first, struct virtq_chain *chain,
                 struct descriptor *indirect)
{
    unsigned index = first;

    for (unsigned met = 0; met < q->size; met++) {
        struct descriptor d;

        if (index >= count)
            return false;
        d = get_descriptor(descriptors + DESC_BYTES * (size_t)index);
        if (d.flags & DESC_INDIRECT) {
            if (indirect == NULL || (d.flags & DESC_NEXT) || met != 0)
                return false;
            *indirect = d;
            return true;
        }
        if (!add_span(q, &d, chain))
            return false;
        if (!(d.flags & DESC_NEXT))
            return true;
        index = d.next;
    }
    return false;
}

static bool get_chain(const struct virtqueue *q, struct virtq_chain *chain)
{
    struct descriptor indirect = {0};
    const uint8_t *descriptors;

    if (!walk(q, q->desc, q->size, chain->head, chain, &indirect))
        return false;
    if (!(indirect.flags & DESC_INDIRECT))
        return true;
    if (!q->indirect || indirect.len == 0 || indirect.len % DESC_BYTES != 0)
        return false;
    descriptors = lull_ram_at(q->ram, indirect.gpa, indirect.len);
    return descriptors != NULL &&
           walk(q, descriptors, indirect.len / DESC_BYTES, 0, chain, NULL);
}

/* How many chains are available; more than the ring holds is the driver's
 * mistake. */
static uint16_t available(const struct virtqueue *q)
{
    return (uint16_t)(load_acquire(q->avail + RING_INDEX) - q->next_avail);
}

/* Nothing there: ask to be notified, and look again. */
static uint16_t ask_and_look(const struct virtqueue *q)
{
    if (!q->event_idx) /* then the driver notifies always */
        return 0;
    store_release(avail_event(q), q->next_avail);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return available(q);
}

enum virtq_result virtq_pop(struct virtqueue *q, struct virtq_chain *chain)
{
    uint16_t count;
    size_t slot;

    if (!q->started)
        return VIRTQ_EMPTY;
    count = available(q);
    if (count == 0)
        count = ask_and_look(q);
    if (count == 0)
        return VIRTQ_EMPTY;
    if (count > q->size)
        return VIRTQ_BROKEN;
    slot = q->next_avail & (q->size - 1U);
    chain->head = get_le16(q->avail + RING_ENTRIES + 2 * slot);
    chain->out = 0;
    chain->in = 0;
    if (!get_chain(q, chain))
        return VIRTQ_BROKEN;
    q->next_avail++;
    return VIRTQ_CHAIN;
}

void virtq_unpop(struct virtqueue *q)
{
    q->next_avail--;
}

void virtq_state(struct virtqueue *q, const struct lull_ram *ram,
                 struct lull_state *state)
{
    bool started = q->started;
    uint16_t next_avail = q->next_avail, next_used = q->next_used;
    uint16_t told_used = q->told_used;

    lull_state_u16(state, &q->size);
    lull_state_u64(state, &q->desc_gpa);
    lull_state_u64(state, &q->avail_gpa);
    lull_state_u64(state, &q->used_gpa);
    lull_state_bool(state, &q->event_idx);
    lull_state_bool(state, &q->indirect);
    lull_state_bool(state, &started);
    lull_state_u16(state, &next_avail);
    lull_state_u16(state, &next_used);
    lull_state_u16(state, &told_used);
    if (!state->loading || state->bad || !started)
        return;
    lull_state_check(state, virtq_start(q, ram));
    q->next_avail = next_avail;
    q->next_used = next_used;
    q->told_used = told_used;
}

void virtq_push(struct virtqueue *q, uint16_t head, uint32_t written)
{
    size_t slot = q->next_used & (q->size - 1U);
    uint8_t *entry = q->used + RING_ENTRIES + USED_BYTES * slot;

    put_le32(entry, head);
    put_le32(entry + 4, written);
    q->next_used++;
    store_release(q->used + RING_INDEX, q->next_used);
}

bool virtq_should_interrupt(struct virtqueue *q)
{
    uint16_t pushed = (uint16_t)(q->next_used - q->told_used);
    bool wanted;

    if (pushed == 0)
        return false;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (q->event_idx) {
        /* Was the entry it asked about among those pushed? */
        uint16_t event = load_acquire(used_event(q));

        wanted = (uint16_t)(q->next_used - event - 1) < pushed;
    } else {
        wanted = !(load_acquire(q->avail) & AVAIL_NO_INTERRUPT);
    }
    q->told_used = q->next_used;
    return wanted;
}
