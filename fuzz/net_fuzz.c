/*
 * The network device: frames of any shape in rings that work, registers
 * written at random, and frames from the host in between. What the host gets
 * is never longer than a segment, and the device can be reset.
 */
#include <stdlib.h>

#include "fuzz_input.h"
#include "lull/bytes.h"
#include "lull/virtio.h"

enum {
    RAM_BYTES = 32768,
    QUEUE = 16,
    RING_BYTES = 0x1000, /* a queue's three tables */
    FREE = 0x2000,       /* from here on: buffers */
    STATUS = 0x70,
    NOTIFY = 0x50,
};
#define RAM_GPA 0x40000000ULL

static uint8_t memory[RAM_BYTES] __attribute__((aligned(4096)));
static const struct lull_ram ram = {memory, RAM_GPA, RAM_BYTES};
static uint16_t available[2];
static struct lull_net_user user;
static void (*posted)(void *opaque);
static void *posted_to;

bool lull_loop_post(struct lull_loop *loop, void (*work)(void *opaque),
                    void *opaque)
{
    posted = work;
    posted_to = opaque;
    return true;
}

static void host_send(void *host, const uint8_t *frame, size_t len)
{
    volatile uint8_t sum = 0;

    if (len == 0 || len > LULL_SEGMENT_BYTES_MAX)
        abort();
    for (size_t i = 0; i < len; i++)
        sum = (uint8_t)(sum + frame[i]);
    /* Answered before it returns, as ARP is. */
    user.receive(user.opaque, frame,
                 len < LULL_FRAME_BYTES_MAX ? len : LULL_FRAME_BYTES_MAX);
}

static void host_nothing(void *host)
{
}

static void host_attach(void *host, const struct lull_net_user *attached)
{
    user = attached != NULL ? *attached : (struct lull_net_user){0};
}

static const struct lull_net net = {host_send,   host_nothing, host_nothing,
                                    host_attach, NULL,         true};

static void set(struct lull_virtio *dev, unsigned offset, uint32_t value)
{
    const struct lull_mmio *m = lull_virtio_mmio(dev);

    m->write(m->dev, offset, 4, value);
}

static void start_queue(struct lull_virtio *dev, unsigned n)
{
    uint32_t at = (uint32_t)RAM_GPA + RING_BYTES * n;

    set(dev, 0x30, n);
    set(dev, 0x38, QUEUE);
    set(dev, 0x80, at);
    set(dev, 0x90, at + 0x400);
    set(dev, 0xa0, at + 0x800);
    set(dev, 0x44, 1);
    available[n] = 0;
}

static void start(struct lull_virtio *dev, unsigned features)
{
    memset(memory, 0, FREE);
    set(dev, STATUS, 0);
    set(dev, STATUS, 3);
    set(dev, 0x24, 0);
    set(dev, 0x20,
        (features & 3) | (features & 4) << 14 | (features & 8) << 8 | 3U << 28);
    set(dev, 0x24, 1);
    set(dev, 0x20, 1);
    set(dev, STATUS, 11);
    start_queue(dev, 0);
    start_queue(dev, 1);
    set(dev, STATUS, 15);
}

static void put_descriptor(struct fuzz_input *in)
{
    unsigned what = (unsigned)fuzz_take(in, 1);
    uint8_t *d = memory + (what >> 7) * RING_BYTES +
                 16 * (fuzz_take(in, 1) % (2 * QUEUE));

    put_le64(d, RAM_GPA + FREE + fuzz_take(in, 2) % (RAM_BYTES - FREE));
    put_le32(d + 8, (uint32_t)fuzz_take(in, 2) & 0x7ff);
    put_le16(d + 12, what & 7);
    put_le16(d + 14, fuzz_take(in, 1) % QUEUE);
}

static void make_available(struct lull_virtio *dev, struct fuzz_input *in,
                           unsigned n)
{
    uint8_t *ring = memory + RING_BYTES * n + 0x400;

    put_le16(ring + 4 + 2 * (available[n] % QUEUE),
             (uint16_t)(fuzz_take(in, 1) % QUEUE));
    put_le16(ring + 2, ++available[n]);
    set(dev, NOTIFY, n);
}

static void turn(void)
{
    void (*work)(void *) = posted;

    posted = NULL;
    if (work != NULL)
        work(posted_to);
}

static void step(struct lull_virtio *dev, struct fuzz_input *in)
{
    static const uint8_t frame[LULL_FRAME_BYTES_MAX] = {1, 2, 3};
    const struct lull_mmio *m = lull_virtio_mmio(dev);
    unsigned what = (unsigned)fuzz_take(in, 1);

    switch (what & 15) {
    case 0:
        start(dev, what >> 4);
        break;
    case 1:
        m->read(m->dev, fuzz_take(in, 1) * 2, 1U << (what >> 6));
        break;
    case 2:
        set(dev, fuzz_take(in, 1) * 2 & ~3U, (uint32_t)fuzz_take(in, 1));
        break;
    case 3:
    case 4: /* headers, and everything else */
        put_le64(memory + fuzz_take(in, 2) % (RAM_BYTES - 8), fuzz_take(in, 8));
        break;
    case 5:
    case 6:
        user.receive(user.opaque, frame, 1 + fuzz_take(in, 2) % sizeof(frame));
        break;
    case 7:
        user.link(user.opaque, what >> 7);
        break;
    case 8:
        turn();
        break;
    case 9:
    case 10:
    case 11:
        put_descriptor(in);
        break;
    default:
        make_available(dev, in, what & 1);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, size};
    struct lull_virtio *dev;

    memset(memory, 0, sizeof(memory));
    posted = NULL;
    dev = lull_virtio_net_new(0, &ram, (struct lull_irq){0}, &net, NULL);
    start(dev, 3);
    while (in.left != 0)
        step(dev, &in);
    turn();
    set(dev, STATUS, 0);
    if (lull_virtio_mmio(dev)->read(dev, STATUS, 4) != 0)
        abort();
    lull_virtio_free(dev);
    return 0;
}
