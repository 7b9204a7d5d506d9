/*
 * `lullbench agent`: the guest's half of `lull bench idle`. It waits on the
 * console, at no cost, for a line that names something to measure:
 *
 *   late COUNT      sleep COUNT times until a moment 1, 2, 4, 8 ms away, as a
 *                   real-time thread; how late each sleep ended, in ns
 *   kick COUNT      answer COUNT bytes, each with CNTVCT_EL0 as it arrived
 *   net PORT        the same for the bytes of one TCP connection
 *   compute UNITS   a fixed piece of integer work on one thread: ns it took
 *   handoff COUNT   a token COUNT times to a thread on another CPU and back
 *   end
 *
 * Every line of the answer begins with "@bench": `go` when it is ready for
 * bytes, figures, and `done`; or `error` and why.
 */
#define _GNU_SOURCE /* CPU_SET */
#include "bench.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

enum { LINE_BYTES = 128, PER_LINE = 16, COUNT_MAX = 1000000 };

static uint64_t counter(void)
{
    uint64_t value;

    /* The barrier: not before the byte was read. */
    __asm__ volatile("isb\n\tmrs %0, cntvct_el0" : "=r"(value)::"memory");
    return value;
}

static void fail(const char *what)
{
    printf("@bench error %s: %s\n", what, strerror(errno));
}

/* As a real-time task: else the guest's own scheduler is what is measured,
 * and its timers have 50 us of slack. */
static void real_time(int priority)
{
    struct sched_param param = {.sched_priority = priority};

    if (sched_setscheduler(0, priority > 0 ? SCHED_FIFO : SCHED_OTHER,
                           &param) != 0)
        fail("sched_setscheduler");
}

static uint64_t sleep_lateness(uint64_t length_ns)
{
    uint64_t until = bench_now_ns() + length_ns;
    struct timespec ts = {.tv_sec = (time_t)(until / 1000000000u),
                          .tv_nsec = (long)(until % 1000000000u)};

    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == EINTR)
        ;
    return bench_now_ns() - until;
}

static void late(long count)
{
    uint64_t *ns = calloc((size_t)count, sizeof(*ns));
    long i;

    if (ns == NULL) {
        fail("late");
        return;
    }
    real_time(80);
    for (i = 0; i < count; i++)
        ns[i] = sleep_lateness(1000000u << (i & 3));
    real_time(0);
    for (i = 0; i < count; i++) {
        if (i % PER_LINE == 0)
            printf("%s@bench late", i == 0 ? "" : "\n");
        printf(" %llu", (unsigned long long)ns[i]);
    }
    putchar('\n');
    free(ns);
}

static void kick(long count)
{
    char byte;

    puts("@bench go");
    fflush(stdout);
    while (count-- > 0 && read(0, &byte, 1) == 1) {
        printf("@bench k %llu\n", (unsigned long long)counter());
        fflush(stdout);
    }
}

static void compute(long units)
{
    uint64_t a = 0x9e3779b97f4a7c15u, b = 0, start = bench_now_ns();

    while (units-- > 0) {
        for (int i = 0; i < 1000000; i++) {
            a = a * 6364136223846793005u + 1442695040888963407u;
            b ^= a >> 29;
            b += a & 0x400 ? b >> 7 : b << 1;
        }
    }
    bench_sink = b;
    printf("@bench time %llu\n", (unsigned long long)(bench_now_ns() - start));
}

static void pin(int cpu)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(cpu % (int)sysconf(_SC_NPROCESSORS_ONLN), &set);
    sched_setaffinity(0, sizeof(set), &set);
}

/* The other side of the handoff: every byte back, until there are no more. */
static void partner(int in, int out)
{
    char byte;

    pin(1);
    while (read(in, &byte, 1) == 1)
        if (write(out, &byte, 1) != 1)
            break;
    _exit(0);
}

static void handoff(long count)
{
    int there[2], back[2];
    char byte = 'h';
    uint64_t start;
    pid_t child;

    if (pipe(there) != 0 || pipe(back) != 0 || (child = fork()) < 0) {
        fail("handoff");
        return;
    }
    if (child == 0) {
        close(there[1]);
        close(back[0]);
        partner(there[0], back[1]);
    }
    close(there[0]);
    close(back[1]);
    pin(0);
    start = bench_now_ns();
    while (count-- > 0)
        if (write(there[1], &byte, 1) != 1 || read(back[0], &byte, 1) != 1)
            break;
    printf("@bench time %llu\n", (unsigned long long)(bench_now_ns() - start));
    close(there[1]);
    close(back[0]);
    waitpid(child, NULL, 0);
}

static void net(long port)
{
    int fd = agent_listen((unsigned)port), client;
    char byte, text[32];

    if (fd < 0) {
        fail("net");
        return;
    }
    puts("@bench go");
    fflush(stdout);
    client = agent_accept(fd);
    while (client >= 0 && read(client, &byte, 1) == 1) {
        int len = snprintf(text, sizeof(text), "%llu\n",
                           (unsigned long long)counter());

        if (write(client, text, (size_t)len) != len)
            break;
    }
    close(client);
    close(fd);
}

static const struct {
    const char *name;
    void (*run)(long count);
} commands[] = {
    {"late", late},       {"kick", kick}, {"compute", compute},
    {"handoff", handoff}, {"net", net},
};

static void obey(const char *line)
{
    char name[16], rest;
    long count;

    if (sscanf(line, "%15s %ld%c", name, &count, &rest) == 2 && count > 0 &&
        count <= COUNT_MAX) {
        for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
            if (strcmp(name, commands[i].name) != 0)
                continue;
            commands[i].run(count);
            puts("@bench done");
            return;
        }
    }
    puts("@bench error no such command");
}

/* One line without its end, byte by byte: what follows it may not be text. */
static int read_line(char *line)
{
    size_t len = 0;
    char byte;

    while (read(0, &byte, 1) == 1) {
        if (byte == '\n' || byte == '\r') {
            line[len] = '\0';
            return 1;
        }
        if (len < LINE_BYTES - 1)
            line[len++] = byte;
    }
    return 0;
}

int agent_main(void)
{
    char line[LINE_BYTES];
    struct termios raw;

    if (tcgetattr(0, &raw) == 0) {
        cfmakeraw(&raw);
        tcsetattr(0, TCSANOW, &raw);
    }
    mlockall(MCL_CURRENT | MCL_FUTURE);
    puts("@bench ready 1");
    fflush(stdout);
    while (read_line(line) && strcmp(line, "end") != 0) {
        obey(line);
        fflush(stdout);
    }
    return 0;
}
