/*
 * The guest's counter and the host's clock: one time, two units and two zeros.
 *
 * The guest counts ticks of mach_absolute_time less its offset; the governor
 * sleeps until nanoseconds of idle_now_ns.
 */
#ifndef LULL_VMM_TICKS_H
#define LULL_VMM_TICKS_H

#include <stdint.h>

struct ticks {
    uint32_t numer, denom; /* ns = ticks * numer / denom */
    int64_t zero_ns;       /* idle_now_ns when mach_absolute_time was 0 */
};

/* Learn the host's rate and the distance of the two zeros. */
void ticks_init(struct ticks *ticks);

/* The first nanosecond of idle_now_ns at which mach_absolute_time has reached
 * `host_ticks`: rounded up, for a wake that is early is a wake too many.
 * Saturates below IDLE_NO_DEADLINE. */
uint64_t ticks_to_ns(const struct ticks *ticks, uint64_t host_ticks);

/*
 * When the virtual timer of a guest with this offset fires: `ctl` and `cval`
 * are CNTV_CTL_EL0 and CNTV_CVAL_EL0, `now_ticks` is mach_absolute_time.
 * IDLE_NO_DEADLINE when it is off or masked; a moment already past when its
 * condition is met.
 */
uint64_t ticks_deadline(const struct ticks *ticks, uint64_t now_ticks,
                        uint64_t offset, uint64_t ctl, uint64_t cval);

#endif
