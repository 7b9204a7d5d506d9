/*
 * The PL011 UART.
 *
 * Transmission takes no time: a byte written to DR is the chardev's at once,
 * and the transmit interrupt is raised as soon as another may follow. When
 * the host does not keep up the chardev says so, TXFF is set and the transmit
 * interrupt waits until it has drained; the vCPU never does.
 *
 * The receive timeout, which on a wire means "nothing more came for 32 bit
 * times", is raised with the first byte: the guest need not wait for us, and
 * the bytes that the host has are in the FIFO already. It falls when the FIFO
 * is empty, or when the guest clears it.
 *
 * Bytes are taken from the host only while the guest listens: with the UART
 * on and a receive interrupt unmasked, or by polling. A driver that starts
 * throws away what is in the FIFO, and that would be the beginning of what was
 * piped into the guest. (Linux unmasks for a moment before it starts, but with
 * the UART off.)
 */
#include <pthread.h>
#include <stdlib.h>

#include "lull/bits.h"
#include "lull/pl011.h"

enum {
    UARTDR = 0x00,
    UARTRSR = 0x04,
    UARTFR = 0x18,
    UARTILPR = 0x20,
    UARTIBRD = 0x24,
    UARTFBRD = 0x28,
    UARTLCR_H = 0x2c,
    UARTCR = 0x30,
    UARTIFLS = 0x34,
    UARTIMSC = 0x38,
    UARTRIS = 0x3c,
    UARTMIS = 0x40,
    UARTICR = 0x44,
    UARTDMACR = 0x48,
    UART_ID_REGISTERS = 0xfe0,
    UART_BYTES = 0x1000,

    FR_CTS = 1 << 0,
    FR_DSR = 1 << 1,
    FR_DCD = 1 << 2,
    FR_RXFE = 1 << 4,
    FR_TXFF = 1 << 5,
    FR_RXFF = 1 << 6,
    FR_TXFE = 1 << 7,

    LCR_H_FEN = 1 << 4,
    CR_UARTEN = 1 << 0,
    CR_LBE = 1 << 7, /* loopback */
    CR_RESET = 0x300,
    IFLS_RESET = 0x12,

    INT_RX = 1 << 4,
    INT_TX = 1 << 5,
    INT_RT = 1 << 6,
    INT_OE = 1 << 10,
    INT_ALL = 0x7ff,

    FIFO_DEPTH = 32,
    /*
     * So many readings of UARTFR in a row, nothing else touched, are a guest
     * that polls for input: a transmitter reads it once or twice a byte.
     */
    POLLING_READS = 16,
};

struct lull_pl011 {
    pthread_mutex_t lock;
    struct lull_mmio mmio;
    struct lull_irq irq;
    const struct lull_chardev *chardev;

    uint32_t lcr_h, cr, ifls, imsc, ris;
    bool cr_written;
    uint32_t stored[4];  /* ILPR, IBRD, FBRD, DMACR: kept, without effect */
    bool level;          /* of the interrupt line */
    bool tx_full;        /* the chardev had no room: it will say when */
    bool rx_refused;     /* the chardev has more: it waits for resume */
    unsigned flag_reads; /* of UARTFR in a row */
    bool polls;          /* the guest receives without interrupts */
    unsigned head, count;
    uint8_t fifo[FIFO_DEPTH];
    struct lull_pl011_stats stats;
};

static void update_irq(struct lull_pl011 *u)
{
    bool level = (u->ris & u->imsc) != 0;

    if (level == u->level)
        return;
    u->level = level;
    lull_irq_set(&u->irq, level);
}

static unsigned rx_depth(const struct lull_pl011 *u)
{
    return u->lcr_h & LCR_H_FEN ? FIFO_DEPTH : 1;
}

/* The filling at which the receive interrupt is raised. */
static unsigned rx_trigger(const struct lull_pl011 *u)
{
    static const uint8_t levels[8] = {4, 8, 16, 24, 28, 28, 28, 28};

    return u->lcr_h & LCR_H_FEN ? levels[bits(u->ifls, 5, 3)] : 1;
}

static bool rx_push(struct lull_pl011 *u, uint8_t byte)
{
    if (u->count >= rx_depth(u))
        return false;
    u->fifo[(u->head + u->count) % FIFO_DEPTH] = byte;
    u->count++;
    u->stats.rx_bytes++;
    u->ris |= INT_RT;
    if (u->count >= rx_trigger(u))
        u->ris |= INT_RX;
    return true;
}

static bool listening(const struct lull_pl011 *u)
{
    /* A guest that never wrote UARTCR counts on firmware to have done it. */
    bool on = (u->cr & CR_UARTEN) != 0 || !u->cr_written;

    return (on && (u->imsc & (INT_RX | INT_RT)) != 0) || u->polls;
}

/* Ask for the bytes that were refused, now that the guest would take them. */
static void rx_resume(struct lull_pl011 *u)
{
    if (!u->rx_refused || u->count != 0 || !listening(u))
        return;
    u->rx_refused = false;
    u->chardev->resume(u->chardev->host);
}

static uint8_t rx_pop(struct lull_pl011 *u)
{
    uint8_t byte;

    if (u->count == 0)
        return 0;
    byte = u->fifo[u->head];
    u->head = (u->head + 1) % FIFO_DEPTH;
    u->count--;
    if (u->count < rx_trigger(u))
        u->ris &= ~(uint32_t)INT_RX;
    if (u->count == 0)
        u->ris &= ~(uint32_t)INT_RT;
    update_irq(u);
    rx_resume(u);
    return byte;
}

static void transmit(struct lull_pl011 *u, uint8_t byte)
{
    const struct lull_chardev *chardev = u->chardev;

    u->stats.tx_bytes++;
    if (u->cr & CR_LBE) {
        if (!rx_push(u, byte))
            u->ris |= INT_OE;
    } else {
        if (chardev->write(chardev->host, &byte, 1) == 0)
            u->stats.tx_lost_bytes++;
        u->tx_full = chardev->room(chardev->host) == 0;
    }
    if (u->tx_full)
        u->ris &= ~(uint32_t)INT_TX;
    else
        u->ris |= INT_TX;
    update_irq(u);
}

/* A reading of UARTFR or UARTDR: is it a guest that polls for input? */
static void note_polling(struct lull_pl011 *u, unsigned offset)
{
    if (offset == UARTFR && !u->tx_full)
        u->flag_reads++;
    else
        u->flag_reads = 0;
    if (offset == UARTDR || u->flag_reads == POLLING_READS) {
        u->polls = true;
        rx_resume(u);
    }
}

static uint32_t read_flags(const struct lull_pl011 *u)
{
    uint32_t flags = FR_CTS | FR_DSR | FR_DCD;

    flags |= u->tx_full ? FR_TXFF : FR_TXFE;
    if (u->count == 0)
        flags |= FR_RXFE;
    if (u->count >= rx_depth(u))
        flags |= FR_RXFF;
    return flags;
}

/* PeriphID0-3 (revision 3: FIFOs of 32) and PCellID0-3 */
static const uint8_t id_registers[8] = {0x11, 0x10, 0x34, 0x00,
                                        0x0d, 0xf0, 0x05, 0xb1};

static uint32_t read_register(struct lull_pl011 *u, unsigned offset)
{
    if (offset >= UART_ID_REGISTERS)
        return id_registers[(offset - UART_ID_REGISTERS) / 4];
    switch (offset) {
    case UARTDR:
        return rx_pop(u);
    case UARTFR:
        return read_flags(u);
    case UARTILPR:
        return u->stored[0];
    case UARTIBRD:
        return u->stored[1];
    case UARTFBRD:
        return u->stored[2];
    case UARTDMACR:
        return u->stored[3];
    case UARTLCR_H:
        return u->lcr_h;
    case UARTCR:
        return u->cr;
    case UARTIFLS:
        return u->ifls;
    case UARTIMSC:
        return u->imsc;
    case UARTRIS:
        return u->ris;
    case UARTMIS:
        return u->ris & u->imsc;
    default: /* UARTRSR too: there is no line to have errors */
        return 0;
    }
}

static void write_lcr_h(struct lull_pl011 *u, uint32_t value)
{
    /* Switching the FIFOs on or off empties them. */
    if ((u->lcr_h ^ value) & LCR_H_FEN) {
        u->count = 0;
        u->ris &= ~(uint32_t)(INT_RX | INT_RT);
    }
    u->lcr_h = value & 0xff;
}

static void write_register(struct lull_pl011 *u, unsigned offset,
                           uint32_t value)
{
    switch (offset) {
    case UARTDR:
        transmit(u, (uint8_t)value);
        break;
    case UARTILPR:
        u->stored[0] = value & 0xff;
        break;
    case UARTIBRD:
        u->stored[1] = value & 0xffff;
        break;
    case UARTFBRD:
        u->stored[2] = value & 0x3f;
        break;
    case UARTDMACR:
        u->stored[3] = value & 0x7;
        break;
    case UARTLCR_H:
        write_lcr_h(u, value);
        break;
    case UARTCR:
        u->cr = value & 0xffff;
        u->cr_written = true;
        break;
    case UARTIFLS:
        u->ifls = value & 0x3f;
        break;
    case UARTIMSC:
        u->imsc = value & INT_ALL;
        u->polls = false; /* from here on the mask says it */
        break;
    case UARTICR:
        u->ris &= ~value;
        break;
    default:
        break;
    }
    update_irq(u);
    rx_resume(u);
}

static uint64_t pl011_read(void *dev, uint64_t offset, unsigned width)
{
    struct lull_pl011 *u = dev;
    uint32_t value;

    if (offset % 4 != 0)
        return 0;
    pthread_mutex_lock(&u->lock);
    note_polling(u, (unsigned)offset);
    value = read_register(u, (unsigned)offset);
    pthread_mutex_unlock(&u->lock);
    return value;
}

static void pl011_write(void *dev, uint64_t offset, unsigned width,
                        uint64_t value)
{
    struct lull_pl011 *u = dev;

    if (offset % 4 != 0)
        return;
    pthread_mutex_lock(&u->lock);
    u->flag_reads = 0;
    write_register(u, (unsigned)offset, (uint32_t)value);
    pthread_mutex_unlock(&u->lock);
}

static size_t receive(void *opaque, const uint8_t *bytes, size_t len)
{
    struct lull_pl011 *u = opaque;
    size_t taken = 0;

    pthread_mutex_lock(&u->lock);
    while (taken < len && listening(u) && rx_push(u, bytes[taken]))
        taken++;
    u->rx_refused = taken < len;
    update_irq(u);
    pthread_mutex_unlock(&u->lock);
    return taken;
}

static void drained(void *opaque)
{
    struct lull_pl011 *u = opaque;

    pthread_mutex_lock(&u->lock);
    if (u->tx_full) {
        u->tx_full = false;
        u->ris |= INT_TX;
        update_irq(u);
    }
    pthread_mutex_unlock(&u->lock);
}

void lull_pl011_reset(struct lull_pl011 *u)
{
    pthread_mutex_lock(&u->lock);
    u->lcr_h = 0;
    u->cr = CR_RESET;
    u->cr_written = false;
    u->ifls = IFLS_RESET;
    u->imsc = 0;
    u->ris = 0;
    u->count = 0;
    u->flag_reads = 0;
    u->polls = false;
    for (unsigned i = 0; i < 4; i++)
        u->stored[i] = 0;
    update_irq(u);
    pthread_mutex_unlock(&u->lock);
}

/* What was said is with the host already, and a new host has room for more.
 * Bytes that it has for the guest are asked for anew. */
void lull_pl011_state(struct lull_pl011 *u, struct lull_state *state)
{
    uint8_t count, head;

    pthread_mutex_lock(&u->lock);
    count = (uint8_t)u->count;
    head = (uint8_t)u->head;
    lull_state_u32(state, &u->lcr_h);
    lull_state_u32(state, &u->cr);
    lull_state_u32(state, &u->ifls);
    lull_state_u32(state, &u->imsc);
    lull_state_u32(state, &u->ris);
    lull_state_raw(state, u->stored, sizeof(u->stored));
    lull_state_bool(state, &u->cr_written);
    lull_state_bool(state, &u->level);
    lull_state_bool(state, &u->polls);
    lull_state_bool(state, &u->tx_full);
    lull_state_u8(state, &count);
    lull_state_u8(state, &head);
    lull_state_raw(state, u->fifo, sizeof(u->fifo));
    lull_state_check(state, count <= FIFO_DEPTH && head < FIFO_DEPTH);
    if (state->loading && !state->bad) {
        u->ifls &= 0x3f;
        u->count = count;
        u->head = head;
        u->flag_reads = 0;
        if (u->tx_full)
            u->ris |= INT_TX;
        u->tx_full = false;
        u->rx_refused = true;
        update_irq(u);
        rx_resume(u);
    }
    pthread_mutex_unlock(&u->lock);
}

struct lull_pl011 *lull_pl011_new(uint64_t gpa, struct lull_irq irq,
                                  const struct lull_chardev *chardev)
{
    struct lull_pl011 *u = calloc(1, sizeof(*u));
    struct lull_chardev_user user = {receive, drained, u, NULL};

    if (u == NULL)
        return NULL;
    pthread_mutex_init(&u->lock, NULL);
    u->mmio = (struct lull_mmio){
        .name = "pl011",
        .gpa = gpa,
        .size_bytes = UART_BYTES,
        .read = pl011_read,
        .write = pl011_write,
        .dev = u,
    };
    u->irq = irq;
    u->chardev = chardev;
    lull_pl011_reset(u);
    chardev->attach(chardev->host, &user);
    return u;
}

void lull_pl011_free(struct lull_pl011 *u)
{
    if (u == NULL)
        return;
    u->chardev->attach(u->chardev->host, NULL);
    pthread_mutex_destroy(&u->lock);
    free(u);
}

const struct lull_mmio *lull_pl011_mmio(const struct lull_pl011 *u)
{
    return &u->mmio;
}

struct lull_pl011_stats lull_pl011_stats(struct lull_pl011 *u)
{
    struct lull_pl011_stats stats;

    pthread_mutex_lock(&u->lock);
    stats = u->stats;
    pthread_mutex_unlock(&u->lock);
    return stats;
}
