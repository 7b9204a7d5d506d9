/*
 * A guest that means harm: every vCPU programs every device at random, without
 * end, and rings the doorbells. Judged from outside by hostile.py: the machine
 * has to live and to answer.
 *
 * Purely random registers seldom get past a device's first check, so most
 * rounds bring a virtio device up as a driver would and go wrong only then:
 * in a descriptor's address, a length, a chain's next, an index. Addresses come
 * from an arena, from the edges of RAM, from device windows and from anywhere.
 */
#include "bare.h"

enum {
    VIRTIO = 0x0a000000,
    SLOTS = 32,
    SLOT_BYTES = 0x200,
    MAGIC = 0x74726976, /* "virt" */
    QUEUES = 8,         /* of a device, at most */
    RAM_BASE = 0x40000000,
    RAM_BYTES = 128 << 20,
    DESC_NEXT = 1,
    DESC_WRITE = 2,
    DESC_INDIRECT = 4,
};

/* Offsets in a device's window [virtio 1.2, 4.2.2] */
enum {
    REG_MAGIC = 0x000,
    REG_DEVICE_ID = 0x008,
    REG_FEATURES_SEL = 0x024,
    REG_FEATURES = 0x020,
    REG_QUEUE_SEL = 0x030,
    REG_QUEUE_NUM = 0x038,
    REG_QUEUE_READY = 0x044,
    REG_NOTIFY = 0x050,
    REG_ACK = 0x064,
    REG_STATUS = 0x070,
    REG_DESC = 0x080,
    REG_DRIVER = 0x090,
    REG_DEVICE = 0x0a0,
};

struct descriptor {
    uint64_t address;
    uint32_t length;
    uint16_t flags, next;
};

/* ---- chance -------------------------------------------------------------- */

static uint64_t state[CPUS_MAX];

/* xorshift64* */
static uint64_t chance(void)
{
    uint64_t *s = &state[this_cpu()->number];

    *s ^= *s >> 12;
    *s ^= *s << 25;
    *s ^= *s >> 27;
    return *s * 0x2545f4914f6cdd1dull;
}

static uint64_t below(uint64_t limit)
{
    return (chance() >> 16) % limit;
}

static bool one_in(unsigned n)
{
    return below(n) == 0;
}

/* A number as a driver would write it, or next to one, or any. */
static uint64_t number(void)
{
    switch (below(6)) {
    case 0:
        return below(16);
    case 1:
        return 1ull << below(64);
    case 2:
        return (1ull << below(64)) - 1;
    case 3:
        return ~below(16);
    case 4:
        return below(0x10000);
    default:
        return chance();
    }
}

static uint64_t arena_address(void)
{
    return SCRATCH + below(SCRATCH_BYTES);
}

/* Mostly memory of the guest's own, never its code: it has to go on. */
static uint64_t address(void)
{
    switch (below(12)) {
    case 0:
        return RAM_BASE + RAM_BYTES - below(8192);
    case 1:
        return RAM_BASE - below(8192);
    case 2:
        return VIRTIO + below(SLOTS * SLOT_BYTES);
    case 3:
        return ~below(8192);
    case 4:
        return chance();
    default:
        return arena_address();
    }
}

/* A device must not write where this program is. */
static uint32_t length(uint64_t address)
{
    uint64_t arena_end = SCRATCH + SCRATCH_BYTES;

    if (address < SCRATCH && address + 0x100000000ull > RAM_BASE)
        return (uint32_t)below(8193); /* ends below RAM, or just in it */
    if (address < arena_end && one_in(2))
        return (uint32_t)below(arena_end - address);
    return one_in(3) ? (uint32_t)number() : (uint32_t)below(4096);
}

/* ---- virtio -------------------------------------------------------------- */

static uint64_t window(unsigned slot)
{
    return VIRTIO + slot * SLOT_BYTES;
}

static void write_descriptor(volatile struct descriptor *d, unsigned size)
{
    d->address = address();
    d->length = length(d->address);
    d->flags = one_in(8) ? (uint16_t)chance() : (uint16_t)below(4);
    if (one_in(16))
        d->flags |= DESC_INDIRECT;
    d->next = (uint16_t)(one_in(8) ? chance() : below(size));
}

/* What devices read first in a request's header: small numbers. */
static void write_headers(void)
{
    for (unsigned i = 0; i < 64; i++)
        REG64(arena_address() & ~7ull) =
            one_in(2) ? below(16) | below(4096) << 32 : chance();
}

struct ring {
    uint64_t desc, driver, device;
    unsigned size;
};

static struct ring make_ring(void)
{
    struct ring ring = {
        .desc = arena_address() & ~15ull,
        .driver = arena_address() & ~1ull,
        .device = arena_address() & ~3ull,
        .size = 1u << below(9),
    };
    volatile struct descriptor *d =
        (volatile struct descriptor *)(uintptr_t)ring.desc;

    for (unsigned i = 0; i < ring.size && i < 64; i++)
        write_descriptor(&d[i], ring.size);
    return ring;
}

static void set64(uint64_t at, uint64_t value)
{
    mmio_write32(at, (uint32_t)value);
    mmio_write32(at + 4, (uint32_t)(value >> 32));
}

static void set_up_queue(uint64_t device, unsigned queue)
{
    struct ring ring = make_ring();

    mmio_write32(device + REG_QUEUE_SEL, queue);
    mmio_write32(device + REG_QUEUE_READY, 0);
    mmio_write32(device + REG_QUEUE_NUM,
                 one_in(16) ? (uint32_t)number() : ring.size);
    set64(device + REG_DESC, one_in(16) ? address() : ring.desc);
    set64(device + REG_DRIVER, one_in(16) ? address() : ring.driver);
    set64(device + REG_DEVICE, one_in(16) ? address() : ring.device);
    mmio_write32(device + REG_QUEUE_READY, 1);
}

/* Reset, acknowledge, driver, features, ready: or nearly. */
static void bring_up(uint64_t device)
{
    mmio_write32(device + REG_STATUS, 0);
    mmio_write32(device + REG_STATUS, 1);
    mmio_write32(device + REG_STATUS, 3);
    mmio_write32(device + REG_FEATURES_SEL, 0);
    mmio_write32(device + REG_FEATURES, (uint32_t)chance());
    mmio_write32(device + REG_FEATURES_SEL, 1);
    mmio_write32(device + REG_FEATURES, one_in(16) ? 0 : 1);
    mmio_write32(device + REG_STATUS, one_in(16) ? (uint32_t)number() : 11);
    for (unsigned queue = 0; queue < QUEUES; queue++)
        set_up_queue(device, queue);
    mmio_write32(device + REG_STATUS, one_in(16) ? (uint32_t)number() : 15);
}

/* New entries in the available ring, of the queue set up last, wherever its
 * memory is by now; then the doorbell. */
static void offer(uint64_t device)
{
    unsigned queue = (unsigned)below(QUEUES);

    for (unsigned i = 0; i < 8; i++) {
        uint64_t at = arena_address() & ~1ull;

        *(volatile uint16_t *)(uintptr_t)at = (uint16_t)below(64);
    }
    write_headers();
    ASM("dsb sy");
    mmio_write32(device + REG_NOTIFY, one_in(16) ? (uint32_t)number() : queue);
    mmio_write32(device + REG_ACK, (uint32_t)below(4));
}

/* One queue in good order but for its contents, and requests in it. */
static void ask(uint64_t device)
{
    struct ring ring = make_ring();
    unsigned queue = (unsigned)below(one_in(2) ? 2 : QUEUES);
    volatile uint16_t *avail = (volatile uint16_t *)(uintptr_t)ring.driver;

    mmio_write32(device + REG_STATUS, 0);
    mmio_write32(device + REG_STATUS, 3);
    mmio_write32(device + REG_FEATURES_SEL, 1);
    mmio_write32(device + REG_FEATURES, 1);
    mmio_write32(device + REG_STATUS, 11);
    mmio_write32(device + REG_QUEUE_SEL, queue);
    mmio_write32(device + REG_QUEUE_NUM, ring.size);
    set64(device + REG_DESC, ring.desc);
    set64(device + REG_DRIVER, ring.driver);
    set64(device + REG_DEVICE, ring.device);
    mmio_write32(device + REG_QUEUE_READY, 1);
    mmio_write32(device + REG_STATUS, 15);
    write_headers();
    for (unsigned i = 0; i < ring.size && i < 16; i++)
        avail[2 + i] = (uint16_t)(one_in(16) ? chance() : below(ring.size));
    avail[0] = (uint16_t)below(2);
    ASM("dsb sy");
    avail[1] = (uint16_t)(one_in(16) ? chance() : below(ring.size + 1));
    ASM("dsb sy");
    mmio_write32(device + REG_NOTIFY, queue);
}

static void registers(uint64_t device)
{
    uint64_t at = device + below(SLOT_BYTES);

    switch (below(4)) {
    case 0:
        mmio_read8(at);
        break;
    case 1:
        mmio_read32(at & ~3ull);
        break;
    case 2:
        mmio_write8(at, (uint8_t)number());
        break;
    default:
        mmio_write32(at & ~3ull, (uint32_t)number());
    }
}

static void virtio_round(void)
{
    uint64_t device = window((unsigned)below(SLOTS));

    if (mmio_read32(device + REG_MAGIC) != MAGIC ||
        mmio_read32(device + REG_DEVICE_ID) == 0)
        return;
    switch (below(8)) {
    case 0:
        bring_up(device);
        break;
    case 1:
    case 2:
        offer(device);
        break;
    case 3:
        registers(device);
        break;
    default:
        ask(device);
    }
}

/* ---- the rest of the board ----------------------------------------------- */

static void board_round(void)
{
    static const uint64_t bases[][2] = {
        {GICD, 0x10000},      {GICR(0), 0x20000 * CPUS_MAX},
        {0x09000000, 0x1000}, {0x09010000, 0x1000},
        {0x09030000, 0x1000},
    };
    unsigned which = (unsigned)below(COUNT_OF(bases));
    uint64_t at = bases[which][0] + below(bases[which][1]);

    switch (below(4)) {
    case 0:
        mmio_read32(at & ~3ull);
        break;
    case 1:
        mmio_write8(at, (uint8_t)number());
        break;
    case 2:
        mmio_read64(at & ~7ull);
        break;
    default:
        mmio_write32(at & ~3ull, (uint32_t)number());
    }
}

static void interface_round(void)
{
    switch (below(8)) {
    case 0:
        WRITE(ICC_SGI1R, chance());
        break;
    case 1:
        WRITE(ICC_EOIR1, number());
        break;
    case 2:
        WRITE(ICC_DIR, number());
        break;
    case 3:
        WRITE(ICC_CTLR, number());
        break;
    case 4:
        WRITE(ICC_PMR, number());
        break;
    case 5:
        WRITE("cntv_cval_el0", number());
        break;
    case 6:
        WRITE("cntv_ctl_el0", below(4));
        break;
    default:
        (void)READ(ICC_IAR1);
    }
}

/* No call that ends the machine or takes a vCPU from the others. */
static void firmware_round(void)
{
    uint64_t function = (one_in(2) ? 0x84000000 : 0xc4000000) | below(32);

    switch (function & 0xff) {
    case 1:
    case 2:
    case 8:
    case 9:
    case 18:
        return;
    default:
        if (function == PSCI_CPU_ON)
            return;
        hvc(one_in(8) ? number() | 1u << 30 : function, number(), number(),
            number());
    }
}

/* A slot without a device, a call that is none: on with the next one. */
static void skip(struct trap *trap)
{
    trap->elr += 4;
}

static void rounds(uint64_t cpu)
{
    this_cpu()->sync = skip;
    state[cpu] = READ("cntvct_el0") * 2 + 1;
    for (;;) {
        if (!one_in(4))
            virtio_round();
        else if (one_in(8))
            firmware_round();
        else if (one_in(3))
            interface_round();
        else
            board_round();
    }
}

void guest_main(void)
{
    print("hostile\n");
    gic_start();
    for (unsigned cpu = 1; cpu < cpu_count(); cpu++)
        start_cpu(cpu, rounds);
    rounds(0);
}
