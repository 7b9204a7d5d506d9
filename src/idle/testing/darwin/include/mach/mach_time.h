/*
 * Tests only: mach time in Apple silicon's ticks of 125/3 ns.
 */
#ifndef TESTING_MACH_TIME_H
#define TESTING_MACH_TIME_H

#include <stdint.h>

typedef struct {
    uint32_t numer, denom;
} mach_timebase_info_data_t;

uint64_t mach_absolute_time(void);
int mach_timebase_info(mach_timebase_info_data_t *info);
int mach_wait_until(uint64_t deadline_ticks);

#endif
