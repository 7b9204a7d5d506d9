/*
 * The memory-mapped transport, version 2 (virtio 1.2, section 4.2): one
 * window of registers between a driver and a device.
 *
 * The driver negotiates features, describes its queues and says DRIVER_OK.
 * From there on this file is notifications in and interrupts out. A driver
 * that breaks the rules gets DEVICE_NEEDS_RESET and silence until it resets.
 */
#include <stdlib.h>

#include "lull/bits.h"
#include "virtio.h"

enum {
    MAGIC_VALUE = 0x000,
    VERSION = 0x004,
    DEVICE_ID = 0x008,
    VENDOR_ID = 0x00c,
    DEVICE_FEATURES = 0x010,
    DEVICE_FEATURES_SEL = 0x014,
    DRIVER_FEATURES = 0x020,
    DRIVER_FEATURES_SEL = 0x024,
    QUEUE_SEL = 0x030,
    QUEUE_NUM_MAX = 0x034,
    QUEUE_NUM = 0x038,
    QUEUE_READY = 0x044,
    QUEUE_NOTIFY = 0x050,
    INTERRUPT_STATUS = 0x060,
    INTERRUPT_ACK = 0x064,
    STATUS = 0x070,
    QUEUE_DESC_LOW = 0x080,
    QUEUE_DESC_HIGH = 0x084,
    QUEUE_DRIVER_LOW = 0x090,
    QUEUE_DRIVER_HIGH = 0x094,
    QUEUE_DEVICE_LOW = 0x0a0,
    QUEUE_DEVICE_HIGH = 0x0a4,
    SHM_LEN_LOW = 0x0b0,
    SHM_BASE_HIGH = 0x0bc,
    CONFIG_GENERATION = 0x0fc,
    CONFIG = 0x100,

    STATUS_DRIVER_OK = 4,
    STATUS_FEATURES_OK = 8,
    STATUS_NEEDS_RESET = 64,

    INTERRUPT_USED = 1,
    INTERRUPT_CONFIG = 2,
};

void virtio_lock(struct lull_virtio *dev)
{
    pthread_mutex_lock(&dev->lock);
}

static uint64_t take_to_wake(struct lull_virtio *dev)
{
    uint64_t whom = dev->to_wake;

    dev->to_wake = 0;
    return whom;
}

void virtio_unlock(struct lull_virtio *dev)
{
    uint64_t whom = take_to_wake(dev);

    pthread_mutex_unlock(&dev->lock);
    lull_irq_wake(&dev->irq, whom);
}

void virtio_wait(struct lull_virtio *dev, pthread_cond_t *until)
{
    lull_irq_wake(&dev->irq, take_to_wake(dev));
    pthread_cond_wait(until, &dev->lock);
}

static void set_line(struct lull_virtio *dev, bool level)
{
    dev->to_wake |= lull_irq_set_quietly(&dev->irq, level);
}

bool virtio_running(const struct lull_virtio *dev)
{
    return (dev->status & (STATUS_DRIVER_OK | STATUS_NEEDS_RESET)) ==
           STATUS_DRIVER_OK;
}

static void raise_interrupt(struct lull_virtio *dev, uint8_t why)
{
    dev->interrupt_status |= why;
    dev->stats.interrupts++;
    set_line(dev, true);
}

void virtio_break(struct lull_virtio *dev)
{
    dev->stats.broken++;
    dev->status |= STATUS_NEEDS_RESET;
    if (dev->status & STATUS_DRIVER_OK)
        raise_interrupt(dev, INTERRUPT_CONFIG);
}

void virtio_config_changed(struct lull_virtio *dev)
{
    dev->config_generation++;
    if (virtio_running(dev))
        raise_interrupt(dev, INTERRUPT_CONFIG);
}

bool virtio_pop(struct lull_virtio *dev, unsigned queue)
{
    enum virtq_result result;

    if (dev->frozen || !virtio_running(dev))
        return false;
    result = virtq_pop(&dev->queue[queue], &dev->chain);
    if (result == VIRTQ_BROKEN)
        virtio_break(dev);
    dev->stats.chains += result == VIRTQ_CHAIN;
    return result == VIRTQ_CHAIN;
}

void virtio_unpop(struct lull_virtio *dev, unsigned queue)
{
    virtq_unpop(&dev->queue[queue]);
}

void virtio_push(struct lull_virtio *dev, unsigned queue, uint16_t head,
                 uint32_t written)
{
    virtq_push(&dev->queue[queue], head, written);
}

void virtio_interrupt(struct lull_virtio *dev, unsigned queue)
{
    if (dev->queue[queue].started && virtq_should_interrupt(&dev->queue[queue]))
        raise_interrupt(dev, INTERRUPT_USED);
}

static uint64_t offered(const struct lull_virtio *dev)
{
    return dev->type->features | VIRTIO_F_VERSION_1 | VIRTIO_F_EVENT_IDX |
           VIRTIO_F_INDIRECT_DESC;
}

static void stop_queue(struct lull_virtio *dev, unsigned queue)
{
    dev->queue[queue].started = false;
    if (dev->type->stopped != NULL)
        dev->type->stopped(dev, queue);
}

/* Under the lock. */
static void reset(struct lull_virtio *dev)
{
    dev->status = 0;
    dev->interrupt_status = 0;
    dev->features_select = 0;
    dev->driver_features_select = 0;
    dev->queue_select = 0;
    dev->driver_features = 0;
    set_line(dev, false);
    /* To stop one may take time without the lock, in which another vCPU may
     * start it anew: what it was is forgotten before. */
    for (unsigned i = 0; i < dev->queues; i++) {
        dev->queue[i] = (struct virtqueue){.size = dev->type->queue_size};
        stop_queue(dev, i);
    }
}

/* The queue that QueueSel names, or NULL. */
static struct virtqueue *selected(struct lull_virtio *dev)
{
    return dev->queue_select < dev->queues ? &dev->queue[dev->queue_select]
                                           : NULL;
}

static uint32_t half(uint64_t value, uint32_t select)
{
    return select < 2 ? (uint32_t)(value >> (32 * select)) : 0;
}

static uint32_t read_register(struct lull_virtio *dev, unsigned offset)
{
    const struct virtqueue *queue = selected(dev);

    switch (offset) {
    case MAGIC_VALUE:
        return 0x74726976; /* "virt" */
    case VERSION:
        return 2;
    case DEVICE_ID:
        return dev->type->id;
    case VENDOR_ID:
        return 0x4c4c554c; /* "LULL" */
    case DEVICE_FEATURES:
        return half(offered(dev), dev->features_select);
    case QUEUE_NUM_MAX:
        return queue != NULL ? dev->type->queue_size : 0;
    case QUEUE_READY:
        return queue != NULL && queue->started;
    case INTERRUPT_STATUS:
        return dev->interrupt_status;
    case STATUS:
        return dev->status;
    case CONFIG_GENERATION:
        return dev->config_generation;
    default: /* no shared memory: length and base are all ones */
        return offset >= SHM_LEN_LOW && offset <= SHM_BASE_HIGH ? ~0U : 0;
    }
}

/* FEATURES_OK stays clear when the driver asks for what was not offered. */
static void accept_features(struct lull_virtio *dev, uint8_t *status)
{
    if ((dev->driver_features & ~offered(dev)) != 0 ||
        !(dev->driver_features & VIRTIO_F_VERSION_1)) {
        *status &= (uint8_t)~STATUS_FEATURES_OK;
        return;
    }
    for (unsigned i = 0; i < dev->queues; i++) {
        dev->queue[i].event_idx =
            (dev->driver_features & VIRTIO_F_EVENT_IDX) != 0;
        dev->queue[i].indirect =
            (dev->driver_features & VIRTIO_F_INDIRECT_DESC) != 0;
    }
}

static void write_status(struct lull_virtio *dev, uint8_t value)
{
    uint8_t before = dev->status;

    if (value == 0) {
        reset(dev);
        return;
    }
    /* Bits are added, never taken away, and one of them is ours. */
    value = (uint8_t)((value & ~STATUS_NEEDS_RESET) | before);
    if (value & ~before & STATUS_FEATURES_OK)
        accept_features(dev, &value);
    if (!(value & STATUS_FEATURES_OK))
        value &= (uint8_t)~STATUS_DRIVER_OK;
    dev->status = value;
    if (!(value & ~before & STATUS_DRIVER_OK))
        return;
    for (unsigned i = 0; i < dev->queues && virtio_running(dev); i++)
        dev->type->notify(dev, i);
}

static void write_ready(struct lull_virtio *dev, bool ready)
{
    struct virtqueue *queue = selected(dev);

    if (queue == NULL || !(dev->status & STATUS_FEATURES_OK))
        return;
    if (!ready)
        stop_queue(dev, dev->queue_select);
    else if (!queue->started && !virtq_start(queue, dev->ram))
        virtio_break(dev);
}

/* What describes a queue, only while the queue is not in use. */
static void write_queue(struct lull_virtio *dev, unsigned offset,
                        uint32_t value)
{
    struct virtqueue *queue = selected(dev);

    if (queue == NULL || queue->started)
        return;
    switch (offset) {
    case QUEUE_NUM: /* checked when the queue starts */
        queue->size = value <= dev->type->queue_size ? (uint16_t)value : 0;
        break;
    case QUEUE_DESC_LOW:
        queue->desc_gpa = deposit(queue->desc_gpa, 31, 0, value);
        break;
    case QUEUE_DESC_HIGH:
        queue->desc_gpa = deposit(queue->desc_gpa, 63, 32, value);
        break;
    case QUEUE_DRIVER_LOW:
        queue->avail_gpa = deposit(queue->avail_gpa, 31, 0, value);
        break;
    case QUEUE_DRIVER_HIGH:
        queue->avail_gpa = deposit(queue->avail_gpa, 63, 32, value);
        break;
    case QUEUE_DEVICE_LOW:
        queue->used_gpa = deposit(queue->used_gpa, 31, 0, value);
        break;
    case QUEUE_DEVICE_HIGH:
        queue->used_gpa = deposit(queue->used_gpa, 63, 32, value);
        break;
    default:
        break;
    }
}

static void write_features(struct lull_virtio *dev, uint32_t value)
{
    unsigned select = dev->driver_features_select;

    if (select < 2 && !(dev->status & STATUS_FEATURES_OK))
        dev->driver_features =
            deposit(dev->driver_features, 32 * select + 31, 32 * select, value);
}

static void write_register(struct lull_virtio *dev, unsigned offset,
                           uint32_t value)
{
    switch (offset) {
    case DEVICE_FEATURES_SEL:
        dev->features_select = value;
        break;
    case DRIVER_FEATURES:
        write_features(dev, value);
        break;
    case DRIVER_FEATURES_SEL:
        dev->driver_features_select = value;
        break;
    case QUEUE_SEL:
        dev->queue_select = value;
        break;
    case QUEUE_READY:
        write_ready(dev, value & 1);
        break;
    case QUEUE_NOTIFY:
        dev->stats.notifies++;
        if (value < dev->queues && virtio_running(dev))
            dev->type->notify(dev, value);
        break;
    case INTERRUPT_ACK:
        dev->interrupt_status &= (uint8_t)~value;
        if (dev->interrupt_status == 0)
            set_line(dev, false);
        break;
    case STATUS:
        write_status(dev, (uint8_t)value);
        break;
    default:
        write_queue(dev, offset, value);
        break;
    }
}

static uint64_t virtio_read(void *opaque, uint64_t offset, unsigned width)
{
    struct lull_virtio *dev = opaque;
    uint32_t value = 0;

    if (offset % width != 0 || width > 4)
        return 0;
    virtio_lock(dev);
    if (offset < CONFIG) {
        if (width == 4)
            value = read_register(dev, (unsigned)offset);
    } else if (dev->type->config_read != NULL) {
        value = dev->type->config_read(dev, (unsigned)offset - CONFIG, width);
    }
    virtio_unlock(dev);
    return value;
}

static void virtio_write(void *opaque, uint64_t offset, unsigned width,
                         uint64_t value)
{
    struct lull_virtio *dev = opaque;

    if (offset % width != 0 || width > 4)
        return;
    virtio_lock(dev);
    if (offset < CONFIG) {
        if (width == 4)
            write_register(dev, (unsigned)offset, (uint32_t)value);
    } else if (dev->type->config_write != NULL) {
        dev->type->config_write(dev, (unsigned)offset - CONFIG, width,
                                (uint32_t)value);
    }
    virtio_unlock(dev);
}

void virtio_init(struct lull_virtio *dev, const struct virtio_type *type,
                 unsigned slot, const struct lull_ram *ram, struct lull_irq irq)
{
    dev->type = type;
    if (type->queues != 0)
        dev->queues = type->queues;
    dev->irq = irq;
    dev->ram = ram;
    pthread_mutex_init(&dev->lock, NULL);
    dev->mmio = (struct lull_mmio){
        .name = type->name,
        .gpa = LULL_VIRTIO_GPA(slot),
        .size_bytes = LULL_VIRTIO_BYTES,
        .read = virtio_read,
        .write = virtio_write,
        .dev = dev,
    };
    reset(dev);
}

void lull_virtio_free(struct lull_virtio *dev)
{
    if (dev == NULL)
        return;
    if (dev->type->destroy != NULL)
        dev->type->destroy(dev);
    pthread_mutex_destroy(&dev->lock);
    free(dev);
}

void lull_virtio_reset(struct lull_virtio *dev)
{
    virtio_lock(dev);
    reset(dev);
    virtio_unlock(dev);
}

/* ---- saving and loading --------------------------------------------------
 */

void lull_virtio_freeze(struct lull_virtio *dev)
{
    virtio_lock(dev);
    dev->frozen = true;
    if (dev->type->freeze != NULL)
        dev->type->freeze(dev);
    virtio_unlock(dev);
}

void lull_virtio_thaw(struct lull_virtio *dev)
{
    virtio_lock(dev);
    dev->frozen = false;
    for (unsigned i = 0; i < dev->queues && virtio_running(dev); i++)
        dev->type->notify(dev, i);
    virtio_unlock(dev);
}

const char *lull_virtio_unsaveable(struct lull_virtio *dev)
{
    const char *why = NULL;

    if (dev->type->state == NULL)
        return "a device of this kind cannot be saved";
    virtio_lock(dev);
    if (dev->type->unsaveable != NULL)
        why = dev->type->unsaveable(dev);
    virtio_unlock(dev);
    return why;
}

/* What a driver could not have done is refused; of the rest, which is its own
 * affair, nothing can harm us. */
static void check_loaded(const struct lull_virtio *dev,
                         struct lull_state *state)
{
    bool agreed = (dev->status & STATUS_FEATURES_OK) != 0;

    lull_state_check(state, agreed || !(dev->status & STATUS_DRIVER_OK));
    lull_state_check(state,
                     !agreed || (dev->driver_features & ~offered(dev)) == 0);
    for (unsigned i = 0; i < dev->queues; i++) {
        const struct virtqueue *queue = &dev->queue[i];

        lull_state_check(state, queue->size <= dev->type->queue_size);
        lull_state_check(state, agreed || !queue->started);
    }
}

void virtio_stateless(struct lull_virtio *dev, struct lull_state *state)
{
}

void lull_virtio_state(struct lull_virtio *dev, struct lull_state *state)
{
    virtio_lock(dev);
    lull_state_same(state, dev->type->id);
    lull_state_same(state, dev->queues);
    lull_state_u8(state, &dev->status);
    lull_state_u8(state, &dev->interrupt_status);
    lull_state_u32(state, &dev->config_generation);
    lull_state_u32(state, &dev->features_select);
    lull_state_u32(state, &dev->driver_features_select);
    lull_state_u32(state, &dev->queue_select);
    lull_state_u64(state, &dev->driver_features);
    for (unsigned i = 0; i < dev->queues; i++)
        virtq_state(&dev->queue[i], dev->ram, state);
    check_loaded(dev, state);
    if (dev->type->state == NULL)
        state->bad = true;
    else
        dev->type->state(dev, state);
    if (state->loading && !state->bad)
        set_line(dev, dev->interrupt_status != 0);
    virtio_unlock(dev);
}

uint32_t lull_virtio_type(const struct lull_virtio *dev)
{
    return dev->type->id;
}

const struct lull_mmio *lull_virtio_mmio(const struct lull_virtio *dev)
{
    return &dev->mmio;
}

struct lull_virtio_stats lull_virtio_stats(struct lull_virtio *dev)
{
    struct lull_virtio_stats stats;

    virtio_lock(dev);
    stats = dev->stats;
    virtio_unlock(dev);
    return stats;
}
