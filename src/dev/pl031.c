/*
 * The PL031 real-time clock.
 *
 * The counter is the host's wall clock plus what the guest loaded. Nothing
 * ticks: the counter is worked out when it is read, and a host timer is armed
 * only while an alarm lies ahead and its interrupt is unmasked.
 */
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "lull/pl031.h"

enum {
    RTCDR = 0x00,
    RTCMR = 0x04,
    RTCLR = 0x08,
    RTCCR = 0x0c,
    RTCIMSC = 0x10,
    RTCRIS = 0x14,
    RTCMIS = 0x18,
    RTCICR = 0x1c,
    RTC_ID_REGISTERS = 0xfe0,
    RTC_BYTES = 0x1000,
};

#define SECOND_NS 1000000000ULL
#define NEVER UINT64_MAX

struct lull_pl031 {
    pthread_mutex_t lock;
    struct lull_mmio mmio;
    struct lull_pl031_config config;
    struct lull_timer *timer; /* NULL without a loop */
    uint32_t offset;          /* counter - host seconds, modulo 2^32 */
    uint32_t match, load;
    bool unmasked, raised;
    uint64_t alarm_ns; /* when the counter reaches `match`, or NEVER */
};

static uint64_t host_now_ns(void *opaque)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * SECOND_NS + (uint64_t)now.tv_nsec;
}

static uint64_t now_ns(const struct lull_pl031 *rtc)
{
    return rtc->config.now_ns(rtc->config.opaque);
}

static uint32_t counter(const struct lull_pl031 *rtc, uint64_t now)
{
    return (uint32_t)(now / SECOND_NS) + rtc->offset;
}

/* The counter or the match changed: when will they be equal? A match that has
 * just been passed lies 2^32 seconds ahead. */
static void set_alarm(struct lull_pl031 *rtc)
{
    uint64_t now = now_ns(rtc);
    uint32_t ahead = rtc->match - counter(rtc, now);

    rtc->alarm_ns = ahead == 0 ? now : (now / SECOND_NS + ahead) * SECOND_NS;
}

/* Notice an alarm that is due, drive the line, have the next one announced. */
static void update(struct lull_pl031 *rtc)
{
    uint64_t now = now_ns(rtc);
    uint64_t delay_ns = 0;

    if (rtc->alarm_ns <= now) {
        rtc->alarm_ns = NEVER;
        rtc->raised = true;
    }
    lull_irq_set(&rtc->config.irq, rtc->raised && rtc->unmasked);
    if (rtc->timer == NULL)
        return;
    if (rtc->unmasked && !rtc->raised && rtc->alarm_ns != NEVER)
        delay_ns = rtc->alarm_ns - now;
    lull_timer_set(rtc->timer, delay_ns);
}

static void alarm_due(void *opaque)
{
    struct lull_pl031 *rtc = opaque;

    pthread_mutex_lock(&rtc->lock);
    update(rtc);
    pthread_mutex_unlock(&rtc->lock);
}

static uint32_t read_register(struct lull_pl031 *rtc, uint64_t offset)
{
    /* PeriphID0-3 and PCellID0-3 */
    static const uint8_t id[8] = {0x31, 0x10, 0x04, 0x00,
                                  0x0d, 0xf0, 0x05, 0xb1};

    if (offset >= RTC_ID_REGISTERS)
        return id[(offset - RTC_ID_REGISTERS) / 4];
    switch (offset) {
    case RTCDR:
        return counter(rtc, now_ns(rtc));
    case RTCMR:
        return rtc->match;
    case RTCLR:
        return rtc->load;
    case RTCCR: /* it runs, and cannot be stopped */
        return 1;
    case RTCIMSC:
        return rtc->unmasked;
    case RTCRIS:
        update(rtc);
        return rtc->raised;
    case RTCMIS:
        update(rtc);
        return rtc->raised && rtc->unmasked;
    default:
        return 0;
    }
}

static uint64_t pl031_read(void *dev, uint64_t offset, unsigned width)
{
    struct lull_pl031 *rtc = dev;
    uint32_t value;

    if (offset % 4 != 0)
        return 0;
    pthread_mutex_lock(&rtc->lock);
    value = read_register(rtc, offset);
    pthread_mutex_unlock(&rtc->lock);
    return value;
}

static void write_register(struct lull_pl031 *rtc, uint64_t offset,
                           uint32_t value)
{
    switch (offset) {
    case RTCMR:
        rtc->match = value;
        set_alarm(rtc);
        break;
    case RTCLR:
        rtc->load = value;
        rtc->offset += value - counter(rtc, now_ns(rtc));
        set_alarm(rtc);
        break;
    case RTCIMSC:
        rtc->unmasked = value & 1;
        break;
    case RTCICR:
        rtc->raised = rtc->raised && !(value & 1);
        break;
    default:
        return;
    }
    update(rtc);
}

static void pl031_write(void *dev, uint64_t offset, unsigned width,
                        uint64_t value)
{
    struct lull_pl031 *rtc = dev;

    if (offset % 4 != 0)
        return;
    pthread_mutex_lock(&rtc->lock);
    write_register(rtc, offset, (uint32_t)value);
    pthread_mutex_unlock(&rtc->lock);
}

/* The time of day survives, as if a battery kept it. */
void lull_pl031_reset(struct lull_pl031 *rtc)
{
    pthread_mutex_lock(&rtc->lock);
    rtc->match = 0;
    rtc->load = 0;
    rtc->unmasked = false;
    rtc->raised = false;
    rtc->alarm_ns = NEVER;
    update(rtc);
    pthread_mutex_unlock(&rtc->lock);
}

/* The counter follows the host's clock, so that a guest that was away for a
 * day finds a day more in it. */
void lull_pl031_state(struct lull_pl031 *rtc, struct lull_state *state)
{
    pthread_mutex_lock(&rtc->lock);
    lull_state_u32(state, &rtc->offset);
    lull_state_u32(state, &rtc->match);
    lull_state_u32(state, &rtc->load);
    lull_state_bool(state, &rtc->unmasked);
    lull_state_bool(state, &rtc->raised);
    lull_state_u64(state, &rtc->alarm_ns);
    if (state->loading)
        update(rtc);
    pthread_mutex_unlock(&rtc->lock);
}

struct lull_pl031 *lull_pl031_new(const struct lull_pl031_config *config)
{
    struct lull_pl031 *rtc = calloc(1, sizeof(*rtc));

    if (rtc == NULL)
        return NULL;
    rtc->config = *config;
    if (rtc->config.now_ns == NULL)
        rtc->config.now_ns = host_now_ns;
    if (config->loop != NULL) {
        rtc->timer = lull_timer_new(config->loop, alarm_due, rtc);
        if (rtc->timer == NULL) {
            free(rtc);
            return NULL;
        }
    }
    pthread_mutex_init(&rtc->lock, NULL);
    rtc->mmio = (struct lull_mmio){
        .name = "pl031",
        .gpa = config->gpa,
        .size_bytes = RTC_BYTES,
        .read = pl031_read,
        .write = pl031_write,
        .dev = rtc,
    };
    lull_pl031_reset(rtc);
    return rtc;
}

void lull_pl031_free(struct lull_pl031 *rtc)
{
    if (rtc == NULL)
        return;
    lull_timer_free(rtc->timer);
    pthread_mutex_destroy(&rtc->lock);
    free(rtc);
}

const struct lull_mmio *lull_pl031_mmio(const struct lull_pl031 *rtc)
{
    return &rtc->mmio;
}
