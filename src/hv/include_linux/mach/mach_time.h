/*
 * The host's clock in the ticks that the guest's counter counts: 24 MHz, the
 * rate that CNTFRQ_EL0 gives.
 */
#ifndef LULL_MACH_MACH_TIME_H
#define LULL_MACH_MACH_TIME_H

#include <stdint.h>

#include <mach/kern_return.h>
#include <os/base.h>

struct mach_timebase_info {
    uint32_t numer;
    uint32_t denom;
};

typedef struct mach_timebase_info *mach_timebase_info_t;
typedef struct mach_timebase_info mach_timebase_info_data_t;

/*
 * Ticks of 1/24 us since some moment before the process began; stands still
 * while the host sleeps, never goes back. Any thread; async-signal-safe.
 */
OS_EXPORT uint64_t mach_absolute_time(void);

/*
 * The fraction that turns ticks into nanoseconds: ticks * numer / denom, which
 * is 125/3. KERN_INVALID_ARGUMENT for NULL. Any thread.
 */
OS_EXPORT kern_return_t mach_timebase_info(mach_timebase_info_t info);

#endif
