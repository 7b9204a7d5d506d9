/*
 * `lullbench file DEVICE SECONDS [NAME...]`: what a disk does for a program in
 * the guest, past the guest's page cache: 4 KiB at random, read and written,
 * one request at a time and sixteen at once, and 256 KiB in sequence.
 *
 * One at a time is pread and pwrite. Sixteen at once is the kernel's AIO: what
 * has been answered is asked for again in one call. Each line ends with the
 * figure's `name value unit`, as those of the other tests. What the device had
 * on it is overwritten.
 *
 * bench/host/disk.c does the same on the host, through the page cache or not.
 */
#define _GNU_SOURCE /* O_DIRECT */
#include "bench.h"

#include <fcntl.h>
#include <linux/aio_abi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { SMALL = 4096, LARGE = 256 << 10, DEPTH = 16 };

static int disk;
static uint64_t disk_bytes;
static uint8_t *buffer; /* DEPTH small ones, or a large one */
static uint64_t chance_state = 88172645463325252;

/* xorshift64 */
static uint64_t chance(void)
{
    chance_state ^= chance_state << 13;
    chance_state ^= chance_state >> 7;
    chance_state ^= chance_state << 17;
    return chance_state;
}

static uint64_t somewhere(void)
{
    return chance() % (disk_bytes / SMALL) * SMALL;
}

static void transfer(int write_it, size_t bytes, uint64_t at)
{
    ssize_t n = write_it ? pwrite(disk, buffer, bytes, (off_t)at)
                         : pread(disk, buffer, bytes, (off_t)at);

    if (n != (ssize_t)bytes)
        bench_die("file: a transfer");
}

static void report(const char *name, double units, const char *unit,
                   uint64_t started_ns)
{
    double seconds = (double)(bench_now_ns() - started_ns) * 1e-9;

    printf("%s %.4g %s\n", name, units / seconds, unit);
    fflush(stdout);
    fdatasync(disk); /* the next figure is not to pay for it */
}

static void one_at_a_time(const char *name, int write_it, uint64_t budget_ns)
{
    uint64_t start = bench_now_ns(), count = 0;

    while (bench_now_ns() - start < budget_ns) {
        transfer(write_it, SMALL, somewhere());
        count++;
    }
    report(name, (double)count, "io/s", start);
}

static void in_sequence(const char *name, int write_it, uint64_t budget_ns)
{
    uint64_t start = bench_now_ns(), done = 0, last = disk_bytes - LARGE;

    for (uint64_t at = 0; bench_now_ns() - start < budget_ns; at += LARGE) {
        if (at > last)
            at = 0;
        transfer(write_it, LARGE, at);
        done += LARGE;
    }
    report(name, (double)done * 1e-6, "MB/s", start);
}

static void submit(aio_context_t context, struct iocb **list, long count)
{
    while (count > 0) {
        long n = syscall(SYS_io_submit, context, count, list);

        if (n <= 0)
            bench_die("file: io_submit");
        list += n;
        count -= n;
    }
}

/* Wait for one at least; how many came. */
static long reap(aio_context_t context, struct io_event *events)
{
    long n = syscall(SYS_io_getevents, context, 1, DEPTH, events, NULL);

    if (n <= 0)
        bench_die("file: io_getevents");
    for (long i = 0; i < n; i++)
        if (events[i].res != SMALL)
            bench_die("file: a transfer");
    return n;
}

static void many_at_once(const char *name, int write_it, uint64_t budget_ns)
{
    static struct iocb request[DEPTH];
    struct io_event events[DEPTH];
    struct iocb *list[DEPTH];
    aio_context_t context = 0;
    uint64_t start, count = 0;
    long way = DEPTH;

    if (syscall(SYS_io_setup, DEPTH, &context) != 0)
        bench_die("file: io_setup");
    for (int i = 0; i < DEPTH; i++) {
        request[i] = (struct iocb){
            .aio_lio_opcode = write_it ? IOCB_CMD_PWRITE : IOCB_CMD_PREAD,
            .aio_fildes = (uint32_t)disk,
            .aio_buf = (uintptr_t)(buffer + (size_t)i * SMALL),
            .aio_nbytes = SMALL,
            .aio_offset = (int64_t)somewhere(),
        };
        list[i] = &request[i];
    }
    start = bench_now_ns();
    submit(context, list, DEPTH);
    while (way != 0) {
        long n = reap(context, events);

        count += (uint64_t)n;
        way -= n;
        if (bench_now_ns() - start >= budget_ns)
            continue;
        for (long i = 0; i < n; i++) {
            list[i] = (struct iocb *)(uintptr_t)events[i].obj;
            list[i]->aio_offset = (int64_t)somewhere();
        }
        submit(context, list, n);
        way += n;
    }
    report(name, (double)count, "io/s", start);
    syscall(SYS_io_destroy, context);
}

static void open_device(const char *path, int flags)
{
    off_t size;

    disk = open(path, O_RDWR | flags);
    if (disk < 0)
        bench_die(path);
    size = lseek(disk, 0, SEEK_END);
    if (size < LARGE || posix_memalign((void **)&buffer, SMALL, LARGE) != 0)
        bench_die(path);
    disk_bytes = (uint64_t)size;
    for (int i = 0; i < LARGE; i++)
        buffer[i] = (uint8_t)chance();
}

static const struct figure {
    const char *name;
    void (*measure)(const char *name, int write_it, uint64_t budget_ns);
    int write_it;
} figures[] = {
    {"read4k_d1", one_at_a_time, 0}, {"write4k_d1", one_at_a_time, 1},
    {"read4k_d16", many_at_once, 0}, {"write4k_d16", many_at_once, 1},
    {"read_seq", in_sequence, 0},    {"write_seq", in_sequence, 1},
};

int file_main(const char *device, int cached, double seconds, char **names)
{
    uint64_t budget_ns = (uint64_t)(seconds * 1e9);

    open_device(device, cached ? 0 : O_DIRECT);
    for (size_t i = 0; i < sizeof(figures) / sizeof(figures[0]); i++) {
        const struct figure *f = &figures[i];
        int wanted = *names == NULL;

        for (char **name = names; *name != NULL; name++)
            wanted |= strcmp(*name, f->name) == 0;
        if (wanted)
            f->measure(f->name, f->write_it, budget_ns);
    }
    return 0;
}
