/*
 * Tests only: the little of <mach/mach.h> that park_darwin.c uses.
 */
#ifndef TESTING_MACH_H
#define TESTING_MACH_H

#include <stdint.h>

#define KERN_SUCCESS 0
#define THREAD_BASIC_INFO 3
#define THREAD_BASIC_INFO_COUNT (sizeof(thread_basic_info_data_t) / 4)

typedef int *thread_info_t;
typedef uint32_t mach_msg_type_number_t;

typedef struct {
    int seconds, microseconds;
} time_value_t;

typedef struct {
    time_value_t user_time, system_time;
} thread_basic_info_data_t;

int thread_info(uint32_t thread, int flavor, thread_info_t info,
                mach_msg_type_number_t *count);

#endif
