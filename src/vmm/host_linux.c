/*
 * Linux: thread CPU clocks, and /proc for what has no call.
 */
#include "host.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
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
