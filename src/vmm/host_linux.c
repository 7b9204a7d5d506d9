/*
 * Linux: thread CPU clocks, and /proc for what has no call.
 */
#include "host.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

void host_thread_name(const char *what, unsigned index)
{
    char name[16];

    snprintf(name, sizeof(name), "%s-%u", what, index);
    pthread_setname_np(pthread_self(), name);
}

int64_t host_thread_id(void)
{
    return gettid();
}

uint64_t host_thread_cpu_ns(pthread_t thread)
{
    struct timespec time;
    clockid_t clock;

    if (pthread_getcpuclockid(thread, &clock) != 0 ||
        clock_gettime(clock, &time) != 0)
        return 0;
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

bool host_thread_switches(int64_t thread_id, uint64_t *voluntary)
{
    char line[128], path[64];
    bool found = false;
    FILE *status;

    snprintf(path, sizeof(path), "/proc/self/task/%" PRId64 "/status",
             thread_id);
    status = fopen(path, "re");
    if (status == NULL)
        return false;
    while (!found && fgets(line, sizeof(line), status) != NULL)
        found =
            sscanf(line, "voluntary_ctxt_switches: %" SCNu64, voluntary) == 1;
    fclose(status);
    return found;
}

uint64_t host_resident_bytes(void)
{
    uint64_t total, resident = 0;
    FILE *statm = fopen("/proc/self/statm", "re");

    if (statm == NULL)
        return 0;
    if (fscanf(statm, "%" SCNu64 " %" SCNu64, &total, &resident) != 2)
        resident = 0;
    fclose(statm);
    return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

void host_program(char *out, size_t out_bytes)
{
    ssize_t len = readlink("/proc/self/exe", out, out_bytes - 1);

    out[len < 0 ? 0 : len] = '\0';
}

int host_shared_memory(size_t bytes)
{
    int fd = memfd_create("lull-trace", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    if (fd < 0)
        return -1;
    if (ftruncate(fd, (off_t)bytes) == 0 &&
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0)
        return fd;
    close(fd);
    return -1;
}

void host_forget_memory(int fd, size_t bytes)
{
    /* On failure the memory stays used until the VM ends; nothing is wrong. */
    if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
                  (off_t)bytes) != 0)
        return;
}

void host_memory_give(void *pages, uint64_t bytes)
{
    (void)madvise(pages, bytes, MADV_DONTNEED);
}

/* An entry of 64 bits a page; bits 63 and 62 say that it is in memory, or was
 * swapped out. */
int host_touched_open(void)
{
    if (sysconf(_SC_PAGESIZE) != HOST_TOUCHED_PAGE)
        return -1;
    return open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
}

bool host_touched(int fd, const void *at, size_t pages, bool *touched)
{
    uint64_t entry[HOST_TOUCHED_MAX];
    size_t bytes = pages * sizeof(entry[0]);
    off_t offset =
        (off_t)((uintptr_t)at / HOST_TOUCHED_PAGE * sizeof(entry[0]));

    if (pages > HOST_TOUCHED_MAX ||
        pread(fd, entry, bytes, offset) != (ssize_t)bytes)
        return false;
    for (size_t i = 0; i < pages; i++)
        touched[i] = entry[i] >> 62 != 0;
    return true;
}

/*
 * A timer that never fires (before 2255), and is cancelled when the clock it
 * stands on is set; waking up from sleep sets it.
 */
static bool clock_arm(int fd)
{
    const struct itimerspec never = {.it_value = {.tv_sec = 9000000000}};

    return timerfd_settime(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET,
                           &never, NULL) == 0;
}

int host_clock_open(void)
{
    int fd = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);

    if (fd >= 0 && !clock_arm(fd)) {
        close(fd);
        return -1;
    }
    return fd;
}

bool host_clock_jumped(int fd)
{
    uint64_t expired;
    bool jumped = read(fd, &expired, sizeof(expired)) < 0 && errno == ECANCELED;

    return clock_arm(fd) && jumped;
}
