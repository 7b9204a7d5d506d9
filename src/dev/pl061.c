/*
 * The PL061 GPIO controller.
 *
 * A pressed key is a level that goes up and, a tenth of a second later, down:
 * long enough for the debouncing of any driver, which looks again after some
 * milliseconds.
 */
#include <pthread.h>
#include <stdlib.h>

#include "lull/pl061.h"

enum {
    DATA_END = 0x400, /* below: address bits 9..2 choose the lines */
    GPIODIR = 0x400,
    GPIOIS = 0x404,
    GPIOIBE = 0x408,
    GPIOIEV = 0x40c,
    GPIOIE = 0x410,
    GPIORIS = 0x414,
    GPIOMIS = 0x418,
    GPIOIC = 0x41c,
    GPIOAFSEL = 0x420,
    GPIO_ID_REGISTERS = 0xfe0,
    GPIO_BYTES = 0x1000,
};

#define PRESS_NS 100000000ULL

struct lull_pl061 {
    pthread_mutex_t lock;
    struct lull_mmio mmio;
    struct lull_irq irq;
    struct lull_timer *timer; /* NULL without a loop */
    uint8_t in;               /* what the outside drives */
    uint8_t out, direction;   /* direction 1: an output */
    uint8_t level_sense, both_edges, event, enabled, alternate;
    uint8_t edges; /* seen, and not cleared */
};

/* A line that nobody drives is low. */
static uint8_t data(const struct lull_pl061 *gpio)
{
    return (uint8_t)((gpio->out & gpio->direction) |
                     (gpio->in & ~gpio->direction));
}

/* GPIOIEV 1: high, or rising. */
static uint8_t raw_status(const struct lull_pl061 *gpio)
{
    uint8_t active = (uint8_t) ~(data(gpio) ^ gpio->event);

    return (uint8_t)((gpio->level_sense & active) |
                     (~gpio->level_sense & gpio->edges));
}

static uint8_t masked_status(const struct lull_pl061 *gpio)
{
    return raw_status(gpio) & gpio->enabled;
}

/* The lines were `before`: notice edges, drive the interrupt. */
static void update(struct lull_pl061 *gpio, uint8_t before)
{
    uint8_t now = data(gpio);
    uint8_t changed = now ^ before;

    gpio->edges |= (uint8_t)(changed & (gpio->both_edges |
                                        (uint8_t) ~(now ^ gpio->event)));
    lull_irq_set(&gpio->irq, masked_status(gpio) != 0);
}

static uint32_t read_register(const struct lull_pl061 *gpio, uint64_t offset)
{
    /* PeriphID0-3 and PCellID0-3 */
    static const uint8_t id[8] = {0x61, 0x10, 0x04, 0x00,
                                  0x0d, 0xf0, 0x05, 0xb1};

    if (offset < DATA_END)
        return data(gpio) & (uint32_t)(offset / 4);
    if (offset >= GPIO_ID_REGISTERS)
        return id[(offset - GPIO_ID_REGISTERS) / 4];
    switch (offset) {
    case GPIODIR:
        return gpio->direction;
    case GPIOIS:
        return gpio->level_sense;
    case GPIOIBE:
        return gpio->both_edges;
    case GPIOIEV:
        return gpio->event;
    case GPIOIE:
        return gpio->enabled;
    case GPIORIS:
        return raw_status(gpio);
    case GPIOMIS:
        return masked_status(gpio);
    case GPIOAFSEL:
        return gpio->alternate;
    default:
        return 0;
    }
}

static void write_register(struct lull_pl061 *gpio, uint64_t offset,
                           uint8_t value)
{
    uint8_t before = data(gpio);

    if (offset < DATA_END) {
        uint8_t mask = (uint8_t)(offset / 4);

        gpio->out = (uint8_t)((gpio->out & ~mask) | (value & mask));
        update(gpio, before);
        return;
    }
    switch (offset) {
    case GPIODIR:
        gpio->direction = value;
        break;
    case GPIOIS:
        gpio->level_sense = value;
        break;
    case GPIOIBE:
        gpio->both_edges = value;
        break;
    case GPIOIEV:
        gpio->event = value;
        break;
    case GPIOIE:
        gpio->enabled = value;
        break;
    case GPIOIC:
        gpio->edges &= (uint8_t)~value;
        break;
    case GPIOAFSEL:
        gpio->alternate = value;
        break;
    default:
        return;
    }
    update(gpio, before);
}

static uint64_t pl061_read(void *dev, uint64_t offset, unsigned width)
{
    struct lull_pl061 *gpio = dev;
    uint32_t value;

    if (offset % 4 != 0)
        return 0;
    pthread_mutex_lock(&gpio->lock);
    value = read_register(gpio, offset);
    pthread_mutex_unlock(&gpio->lock);
    return value;
}

static void pl061_write(void *dev, uint64_t offset, unsigned width,
                        uint64_t value)
{
    struct lull_pl061 *gpio = dev;

    if (offset % 4 != 0)
        return;
    pthread_mutex_lock(&gpio->lock);
    write_register(gpio, offset, (uint8_t)value);
    pthread_mutex_unlock(&gpio->lock);
}

static void drive(struct lull_pl061 *gpio, uint8_t in)
{
    uint8_t before = data(gpio);

    gpio->in = in;
    update(gpio, before);
}

static void released(void *opaque)
{
    struct lull_pl061 *gpio = opaque;

    pthread_mutex_lock(&gpio->lock);
    drive(gpio, 0);
    pthread_mutex_unlock(&gpio->lock);
}

bool lull_pl061_press(struct lull_pl061 *gpio, unsigned line)
{
    uint8_t bit = (uint8_t)(1U << (line % 8));
    bool listening;

    pthread_mutex_lock(&gpio->lock);
    listening = (gpio->enabled & bit) != 0;
    if (listening) {
        drive(gpio, gpio->in | bit);
        if (gpio->timer != NULL)
            lull_timer_set(gpio->timer, PRESS_NS);
    }
    pthread_mutex_unlock(&gpio->lock);
    return listening;
}

void lull_pl061_reset(struct lull_pl061 *gpio)
{
    pthread_mutex_lock(&gpio->lock);
    gpio->in = 0;
    gpio->out = 0;
    gpio->direction = 0;
    gpio->level_sense = 0;
    gpio->both_edges = 0;
    gpio->event = 0;
    gpio->enabled = 0;
    gpio->alternate = 0;
    gpio->edges = 0;
    lull_irq_set(&gpio->irq, false);
    pthread_mutex_unlock(&gpio->lock);
}

/* A key that was down comes up again a tenth of a second after the load. */
void lull_pl061_state(struct lull_pl061 *gpio, struct lull_state *state)
{
    uint8_t *fields[] = {
        &gpio->in,          &gpio->out,        &gpio->direction,
        &gpio->level_sense, &gpio->both_edges, &gpio->event,
        &gpio->enabled,     &gpio->alternate,  &gpio->edges,
    };

    pthread_mutex_lock(&gpio->lock);
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
        lull_state_u8(state, fields[i]);
    if (state->loading) {
        lull_irq_set(&gpio->irq, masked_status(gpio) != 0);
        if (gpio->in != 0 && gpio->timer != NULL)
            lull_timer_set(gpio->timer, PRESS_NS);
    }
    pthread_mutex_unlock(&gpio->lock);
}

struct lull_pl061 *lull_pl061_new(const struct lull_pl061_config *config)
{
    struct lull_pl061 *gpio = calloc(1, sizeof(*gpio));

    if (gpio == NULL)
        return NULL;
    gpio->irq = config->irq;
    if (config->loop != NULL) {
        gpio->timer = lull_timer_new(config->loop, released, gpio);
        if (gpio->timer == NULL) {
            free(gpio);
            return NULL;
        }
    }
    pthread_mutex_init(&gpio->lock, NULL);
    gpio->mmio = (struct lull_mmio){
        .name = "pl061",
        .gpa = config->gpa,
        .size_bytes = GPIO_BYTES,
        .read = pl061_read,
        .write = pl061_write,
        .dev = gpio,
    };
    lull_pl061_reset(gpio);
    return gpio;
}

void lull_pl061_free(struct lull_pl061 *gpio)
{
    if (gpio == NULL)
        return;
    lull_timer_free(gpio->timer);
    pthread_mutex_destroy(&gpio->lock);
    free(gpio);
}

const struct lull_mmio *lull_pl061_mmio(const struct lull_pl061 *gpio)
{
    return &gpio->mmio;
}
