/*
 * Ways into the kernel and back: system calls, the vDSO clock, page faults,
 * pipes between processes, fork and exec, short sleeps.
 */
#include "bench.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { FAULT_PAGES = 256, PAGE = 4096 };

static int ping[2], pong[2];

static uint64_t syscall_step(void)
{
    for (int i = 0; i < 1000; i++)
        bench_sink = (uint64_t)syscall(SYS_getppid);
    return 1000;
}

static uint64_t clock_step(void)
{
    struct timespec ts;

    for (int i = 0; i < 10000; i++)
        clock_gettime(CLOCK_MONOTONIC, &ts);
    bench_sink = (uint64_t)ts.tv_nsec;
    return 10000;
}

static uint64_t fault_step(void)
{
    char *memory = mmap(NULL, FAULT_PAGES * PAGE, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        bench_die("page_fault");
    madvise(memory, FAULT_PAGES * PAGE, MADV_NOHUGEPAGE);
    for (int i = 0; i < FAULT_PAGES; i++)
        memory[i * PAGE] = 1;
    munmap(memory, FAULT_PAGES * PAGE);
    return FAULT_PAGES;
}

static void pipe_prepare(void)
{
    char byte;

    if (pipe(ping) != 0 || pipe(pong) != 0)
        bench_die("pipe");
    pid_t child = fork();
    if (child < 0)
        bench_die("fork");
    if (child > 0) {
        close(ping[0]);
        close(pong[1]);
        return;
    }
    close(ping[1]);
    while (read(ping[0], &byte, 1) == 1 && write(pong[1], &byte, 1) == 1)
        ;
    _exit(0);
}

static uint64_t pipe_step(void)
{
    char byte = 'x';

    for (int i = 0; i < 200; i++) {
        if (write(ping[1], &byte, 1) != 1 || read(pong[0], &byte, 1) != 1)
            bench_die("pipe_pingpong");
    }
    return 200;
}

/* The child is busybox's `true`: small and static, like the shell's own. */
static uint64_t fork_step(void)
{
    int status;
    pid_t child = fork();

    if (child < 0)
        bench_die("fork");
    if (child == 0) {
        execl("/bin/true", "true", (char *)NULL);
        _exit(127);
    }
    if (waitpid(child, &status, 0) != child || status != 0)
        bench_die("fork_exec");
    return 1;
}

static uint64_t sleep_step(void)
{
    struct timespec ts = {.tv_nsec = 1000000};

    nanosleep(&ts, NULL);
    return 1;
}

const struct bench kernel_benches[] = {
    {"syscall", "k/s", 1e3, NULL, syscall_step},
    {"clock_gettime", "k/s", 1e3, NULL, clock_step},
    {"page_fault", "k/s", 1e3, NULL, fault_step},
    {"pipe_pingpong", "krt/s", 1e3, pipe_prepare, pipe_step},
    {"fork_exec", "/s", 1, NULL, fork_step},
    {"sleep1ms", "/s", 1, NULL, sleep_step},
    {0},
};
