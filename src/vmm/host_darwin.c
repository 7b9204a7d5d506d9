/*
 * macOS: Mach keeps the accounts. It does not count a thread's voluntary
 * context switches; the process's are in getrusage.
 */
#include "host.h"

#include <mach-o/dyld.h>
#include <mach/mach.h>
#include <stdio.h>

void host_thread_name(const char *what, unsigned index)
{
    char name[32];

    snprintf(name, sizeof(name), "%s-%u", what, index);
    pthread_setname_np(name);
}

int64_t host_thread_id(void)
{
    uint64_t id = 0;

    pthread_threadid_np(NULL, &id);
    return (int64_t)id;
}

static uint64_t to_ns(time_value_t time)
{
    return (uint64_t)time.seconds * 1000000000 +
           (uint64_t)time.microseconds * 1000;
}

uint64_t host_thread_cpu_ns(pthread_t thread)
{
    thread_basic_info_data_t info;
    mach_msg_type_number_t size = THREAD_BASIC_INFO_COUNT;

    if (thread_info(pthread_mach_thread_np(thread), THREAD_BASIC_INFO,
                    (thread_info_t)&info, &size) != KERN_SUCCESS)
        return 0;
    return to_ns(info.user_time) + to_ns(info.system_time);
}

bool host_thread_switches(int64_t thread_id, uint64_t *voluntary)
{
    return false;
}

uint64_t host_resident_bytes(void)
{
    mach_task_basic_info_data_t info;
    mach_msg_type_number_t size = MACH_TASK_BASIC_INFO_COUNT;

    if (task_info(mach_task_self(), MACH_TASK_BASIC_INFO, (task_info_t)&info,
                  &size) != KERN_SUCCESS)
        return 0;
    return info.resident_size;
}

void host_program(char *out, size_t out_bytes)
{
    uint32_t size = (uint32_t)out_bytes;

    if (_NSGetExecutablePath(out, &size) != 0)
        out[0] = '\0';
}
