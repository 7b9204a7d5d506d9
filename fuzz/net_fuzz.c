/*
 * The network device: frames of any shape in rings that work, registers
 * written at random, and frames from the host in between. What the host gets
 * is never longer than a segment, and the device can be reset.
 */
#include <stdlib.h>

#include "fuzz_driver.h"

enum { RAM_BYTES = 32768 };

static uint8_t memory[RAM_BYTES] __attribute__((aligned(4096)));
static const struct lull_ram ram = {memory, 0x40000000, RAM_BYTES};
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

static void start(struct fuzz_driver *driver, unsigned features)
{
    fuzz_start(driver,
               (features & 3) | (features & 4) << 14 | (features & 8) << 8);
}

static void turn(void)
{
    void (*work)(void *) = posted;

    posted = NULL;
    if (work != NULL)
        work(posted_to);
}

static void step(struct fuzz_driver *driver, struct fuzz_input *in)
{
    static const uint8_t frame[LULL_FRAME_BYTES_MAX] = {1, 2, 3};
    unsigned what = (unsigned)fuzz_take(in, 1);

    switch (what & 15) {
    case 0:
        start(driver, what >> 4);
        break;
    case 1:
        fuzz_read_register(driver, in, 1U << (what >> 6));
        break;
    case 2:
        fuzz_write_register(driver, in);
        break;
    case 3:
    case 4: /* headers, and everything else */
        fuzz_write_memory(driver, in);
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
        what = (unsigned)fuzz_take(in, 1);
        fuzz_take_descriptor(driver, in, what >> 7, what & 7);
        break;
    default:
        fuzz_make_available(driver, what & 1,
                            (unsigned)fuzz_take(in, 1) % FUZZ_QUEUE);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, size};
    struct fuzz_driver driver = {
        .ram = &ram, .queues = 2, .table_bytes = 0x1000};

    memset(memory, 0, sizeof(memory));
    posted = NULL;
    driver.dev = lull_virtio_net_new(0, &ram, (struct lull_irq){0}, &net, NULL);
    start(&driver, 3);
    while (in.left != 0)
        step(&driver, &in);
    turn();
    if (!fuzz_reset(&driver))
        abort();
    lull_virtio_free(driver.dev);
    return 0;
}
