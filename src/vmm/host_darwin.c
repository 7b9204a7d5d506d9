/*
 * macOS: Mach keeps the accounts. It does not count a thread's voluntary
 * context switches; the process's are in getrusage.
 */
#include "host.h"

#include <mach-o/dyld.h>
#include <fcntl.h>
#include <mach/mach.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

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

/* The name exists for the moment between two calls. The size of such an object
 * can be set once. */
int host_shared_memory(size_t bytes)
{
    char name[32];
    int fd;

    snprintf(name, sizeof(name), "/lull-%08x-%08x", arc4random(), arc4random());
    fd = shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
    if (fd < 0)
        return -1;
    shm_unlink(name);
    if (ftruncate(fd, (off_t)bytes) == 0)
        return fd;
    close(fd);
    return -1;
}

void host_forget_memory(int fd, size_t bytes)
{
}

/* MADV_FREE: taken when the host needs memory, so that the figure for resident
 * memory does not fall at once. Not run by us on a Mac. */
void host_memory_give(void *pages, uint64_t bytes)
{
    (void)madvise(pages, bytes, MADV_FREE);
}

int host_clock_open(void)
{
    return -1;
}

bool host_clock_jumped(int fd)
{
    return false;
}

int host_touched_open(void)
{
    return -1;
}

bool host_touched(int fd, const void *at, size_t pages, bool *touched)
{
    return false;
}
