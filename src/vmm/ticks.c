/*
 * Ticks to nanoseconds.
 *
 * Dividing first loses a fraction per tick: 41 instead of 41.67 makes every
 * deadline 1.6 % early and costs each guest timer a second wake. So: multiply
 * in 128 bits, divide once, round up.
 *
 * Nothing says that the two clocks count from one moment, so their distance
 * is measured, once: the reading of one between two readings of the other,
 * the tightest of a few, and the later bound of it, so that the error makes
 * wakes some ten nanoseconds late and none early.
 */
#include "ticks.h"

#include <mach/mach_time.h>

#include "lull/idle.h"

enum { MEASUREMENTS = 16 };

typedef unsigned __int128 wide;

static uint64_t scale_up(const struct ticks *ticks, uint64_t count)
{
    wide ns = ((wide)count * ticks->numer + ticks->denom - 1) / ticks->denom;

    return ns > INT64_MAX ? INT64_MAX : (uint64_t)ns;
}

void ticks_init(struct ticks *ticks)
{
    mach_timebase_info_data_t base = {1, 1};
    uint64_t tightest = UINT64_MAX;
    unsigned i;

    mach_timebase_info(&base);
    ticks->numer = base.numer;
    ticks->denom = base.denom;
    for (i = 0; i < MEASUREMENTS; i++) {
        uint64_t before = idle_now_ns();
        uint64_t count = mach_absolute_time();
        uint64_t after = idle_now_ns();

        if (after - before < tightest) {
            tightest = after - before;
            ticks->zero_ns = (int64_t)(after - scale_up(ticks, count));
        }
    }
}

uint64_t ticks_to_ns(const struct ticks *ticks, uint64_t host_ticks)
{
    int64_t ns;

    if (__builtin_add_overflow((int64_t)scale_up(ticks, host_ticks),
                               ticks->zero_ns, &ns))
        return IDLE_NO_DEADLINE - 1;
    return ns < 0 ? 0 : (uint64_t)ns;
}

uint64_t ticks_deadline(const struct ticks *ticks, uint64_t now_ticks,
                        uint64_t offset, uint64_t ctl, uint64_t cval)
{
    uint64_t counter = now_ticks - offset;
    uint64_t fires;

    if ((ctl & 3) != 1) /* ENABLE without IMASK */
        return IDLE_NO_DEADLINE;
    if (cval <= counter)
        return ticks_to_ns(ticks, now_ticks);
    /* Beyond the end of the host's counter: some centuries from now. */
    if (__builtin_add_overflow(now_ticks, cval - counter, &fires))
        return IDLE_NO_DEADLINE;
    return ticks_to_ns(ticks, fires);
}
