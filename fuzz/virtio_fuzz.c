/*
 * Whole virtio devices, driven by any sequence of register accesses and of
 * writes to guest memory: no crash, and a device that can always be reset.
 */
#include <stdlib.h>

#include "fuzz_input.h"
#include "lull/virtio.h"

enum { RAM_BYTES = 16384, STATUS = 0x70 };
#define RAM_GPA 0x40000000ULL

static uint8_t memory[RAM_BYTES] __attribute__((aligned(4096)));
static const struct lull_ram ram = {memory, RAM_GPA, RAM_BYTES};

/* A host that takes a little and then has to be asked again. */
static struct lull_chardev_user user;
static size_t room;

static size_t host_write(void *host, const uint8_t *bytes, size_t len)
{
    volatile uint8_t sum = 0;

    for (size_t i = 0; i < len; i++)
        sum = (uint8_t)(sum + bytes[i]);
    room -= len < room ? len : room;
    return len;
}

static size_t host_room(void *host)
{
    return room;
}

static void host_resume(void *host)
{
}

static void host_attach(void *host, const struct lull_chardev_user *attached)
{
    memset(&user, 0, sizeof(user));
    if (attached != NULL)
        user = *attached;
}

static const struct lull_chardev chardev = {host_write, host_room, host_resume,
                                            host_attach, NULL};

static void host_give(void *opaque, void *at, uint64_t bytes)
{
    memset(at, 0, bytes);
}

static struct lull_virtio *device(uint64_t kind)
{
    static const struct lull_memory_host give = {host_give, NULL};
    struct lull_irq nowhere = {0};

    switch (kind % 4) {
    case 0:
        return lull_virtio_rng_new(0, &ram, nowhere);
    case 1:
        return lull_virtio_balloon_new(0, &ram, nowhere, &give);
    case 2:
        return lull_virtio_ports_new(
            0, &ram, nowhere,
            (struct lull_port[]){{"a", &chardev}, {"b", &chardev}}, 2);
    default:
        return lull_virtio_console_new(0, &ram, nowhere, &chardev);
    }
}

static void step(struct lull_virtio *dev, struct fuzz_input *in)
{
    const struct lull_mmio *m = lull_virtio_mmio(dev);
    unsigned what = (unsigned)fuzz_take(in, 1);
    uint64_t offset = fuzz_take(in, 1) * 2;
    uint8_t bytes[8];

    switch (what & 7) {
    case 0: /* guest memory */
        offset = fuzz_take(in, 2) % (RAM_BYTES - 8);
        memcpy(bytes, &(uint64_t){fuzz_take(in, 8)}, 8);
        memcpy(memory + offset, bytes, 8);
        break;
    case 1:
        m->read(m->dev, offset, 1U << (what >> 6));
        break;
    case 2:
        room = fuzz_take(in, 1);
        if (user.drained != NULL)
            user.drained(user.opaque);
        break;
    case 3:
        if (user.peer != NULL)
            user.peer(user.opaque, what >> 7);
        memset(bytes, 'x', sizeof(bytes));
        if (user.receive != NULL &&
            user.receive(user.opaque, bytes, sizeof(bytes)) > sizeof(bytes))
            abort();
        break;
    case 4: /* an address in memory, as a driver would write it */
        m->write(m->dev, offset & ~3ULL, 4, RAM_GPA + fuzz_take(in, 2));
        break;
    case 5: /* a small number: status, queue, feature select */
        m->write(m->dev, offset & ~3ULL, 4, fuzz_take(in, 1));
        break;
    default:
        m->write(m->dev, offset & ~3ULL, 4, fuzz_take(in, 4));
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, size};
    struct lull_virtio *dev = device(fuzz_take(&in, 1));
    const struct lull_mmio *m = lull_virtio_mmio(dev);

    memset(memory, 0, sizeof(memory));
    room = 16;
    while (in.left != 0)
        step(dev, &in);
    m->write(m->dev, STATUS, 4, 0);
    if (m->read(m->dev, STATUS, 4) != 0)
        abort();
    lull_virtio_free(dev);
    return 0;
}
