/*
 * The host's clock in ticks of 24 MHz. The guest's counter is this one less an
 * offset, so it is read often: one vDSO call, a multiplication, a division by
 * a constant.
 */
#include <mach/mach_time.h>

#include <time.h>

uint64_t mach_absolute_time(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    /* 24 ticks in 1000 ns. A second is a whole number of ticks, so this is
     * the exact floor; 3e9 fits in 32 bits. */
    return (uint64_t)now.tv_sec * 24000000 + (uint32_t)now.tv_nsec * 3u / 125u;
}

kern_return_t mach_timebase_info(mach_timebase_info_t info)
{
    if (!info)
        return KERN_INVALID_ARGUMENT;
    info->numer = 125;
    info->denom = 3;
    return KERN_SUCCESS;
}
