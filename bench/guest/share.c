/*
 * Work on a file system, by names:
 *
 *   lullbench share PATH STEPS SEED   random operations on one file, each
 *       compared with what memory says: `share steps=N sum=HEX`, or what
 *       differed and exit code 1
 *   lullbench folder DIR COUNT MIB    as many files of 1 KiB made, looked at,
 *       read, removed; a file of so many MiB written and read: a rate for each
 */
#include "bench.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_MAX = 1 << 20, SMALL = 1024, PIECE = 1 << 20 };

/* ---- random operations --------------------------------------------------- */

static uint8_t model[FILE_MAX], bytes[FILE_MAX];
static size_t model_size;
static uint64_t state;
static const char *path;
static int file;

static uint64_t chance(void)
{
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return (state * 0x2545f4914f6cdd1dull) >> 16;
}

static void differs(const char *what, unsigned step)
{
    printf("share: step %u: %s differs\n", step, what);
    exit(1);
}

static void open_file(int flags)
{
    if (file >= 0)
        close(file);
    file = open(path, O_RDWR | flags, 0644);
    if (file < 0)
        bench_die(path);
}

static size_t some_range(size_t *at)
{
    size_t len = 1 + chance() % (chance() % 4 ? 5000 : 200000);

    *at = chance() % (FILE_MAX - len);
    return len;
}

static void model_write(size_t at, size_t len)
{
    memcpy(model + at, bytes, len);
    if (at + len > model_size)
        model_size = at + len;
}

static void random_bytes(size_t len)
{
    for (size_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)chance();
}

static void do_write(void)
{
    size_t at, len = some_range(&at);

    random_bytes(len);
    if (pwrite(file, bytes, len, (off_t)at) != (ssize_t)len)
        bench_die("pwrite");
    model_write(at, len);
}

static void do_append(void)
{
    size_t len = 1 + chance() % 3000;
    int fd;

    if (model_size + len > FILE_MAX)
        return;
    random_bytes(len);
    fd = open(path, O_WRONLY | O_APPEND);
    if (fd < 0 || write(fd, bytes, len) != (ssize_t)len)
        bench_die("append");
    close(fd);
    model_write(model_size, len);
}

static void do_truncate(void)
{
    size_t size = chance() % FILE_MAX;

    if (chance() % 2 ? ftruncate(file, (off_t)size) != 0
                     : truncate(path, (off_t)size) != 0)
        bench_die("truncate");
    if (size < model_size)
        memset(model + size, 0, model_size - size);
    model_size = size;
}

static void do_read(unsigned step)
{
    size_t at, len = some_range(&at), expected;
    ssize_t n = pread(file, bytes, len, (off_t)at);

    expected = at >= model_size        ? 0
               : model_size - at < len ? model_size - at
                                       : len;
    if (n != (ssize_t)expected || memcmp(bytes, model + at, expected) != 0)
        differs("a read", step);
}

static void do_map(unsigned step)
{
    size_t len = model_size;
    uint8_t *map;

    if (len == 0)
        return;
    map = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (map == MAP_FAILED)
        bench_die("mmap");
    if (memcmp(map, model, len) != 0)
        differs("a map", step);
    for (unsigned i = 0; i < 20; i++) {
        size_t at = chance() % len;

        map[at] = model[at] = (uint8_t)chance();
    }
    if (chance() % 2 && msync(map, len, MS_SYNC) != 0)
        bench_die("msync");
    munmap(map, len);
}

static void do_status(unsigned step)
{
    struct stat status;

    if (stat(path, &status) != 0 || (size_t)status.st_size != model_size)
        differs("the size", step);
}

static void one_step(unsigned step)
{
    switch (chance() % 12) {
    case 0:
    case 1:
    case 2:
    case 3:
        do_write();
        break;
    case 4:
        do_append();
        break;
    case 5:
        do_truncate();
        break;
    case 6:
        do_map(step);
        break;
    case 7:
        open_file(0);
        break;
    case 8:
        if (fsync(file) != 0)
            bench_die("fsync");
        break;
    default:
        do_read(step);
        break;
    }
    do_status(step);
}

static int random_steps(unsigned steps, uint64_t seed)
{
    uint64_t sum = 0xcbf29ce484222325u;

    state = seed | 1;
    file = -1;
    open_file(O_CREAT | O_TRUNC);
    for (unsigned i = 0; i < steps; i++)
        one_step(i);
    close(file);
    for (size_t i = 0; i < model_size; i++)
        sum = (sum ^ model[i]) * 0x100000001b3u;
    printf("share %u steps, %zu bytes, sum %016llx\n", steps, model_size,
           (unsigned long long)sum);
    return 0;
}

/* ---- rates --------------------------------------------------------------- */

static void rate(const char *name, double work, uint64_t start_ns,
                 const char *unit)
{
    printf("%s %.4g %s\n", name,
           work * 1e9 / (double)(bench_now_ns() - start_ns), unit);
    fflush(stdout);
}

static void each(const char *name, unsigned count,
                 void (*what)(const char *file))
{
    uint64_t start = bench_now_ns();
    char each_name[32];

    for (unsigned i = 0; i < count; i++) {
        snprintf(each_name, sizeof(each_name), "bench-%u", i);
        what(each_name);
    }
    rate(name, count, start, "files/s");
}

static void make(const char *name)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0644);

    if (fd < 0 || write(fd, bytes, SMALL) != SMALL || close(fd) != 0)
        bench_die(name);
}

static void look(const char *name)
{
    struct stat status;

    if (lstat(name, &status) != 0)
        bench_die(name);
}

static void take(const char *name)
{
    int fd = open(name, O_RDONLY);

    if (fd < 0 || read(fd, bytes, SMALL) != SMALL || close(fd) != 0)
        bench_die(name);
}

static void drop(const char *name)
{
    if (unlink(name) != 0)
        bench_die(name);
}

static void small_files(unsigned count)
{
    each("files_create", count, make);
    each("files_stat", count, look);
    each("files_read", count, take);
    each("files_unlink", count, drop);
}

static void stream(unsigned mib)
{
    static const char name[] = "bench-stream";
    int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0644);
    uint64_t start = bench_now_ns();

    if (fd < 0)
        bench_die(name);
    for (unsigned i = 0; i < mib; i++)
        if (write(fd, bytes, PIECE) != PIECE)
            bench_die("write");
    rate("stream_write", mib, start, "MiB/s");
    close(fd);
    fd = open(name, O_RDONLY);
    posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    start = bench_now_ns();
    while (read(fd, bytes, PIECE) > 0)
        ;
    rate("stream_read", mib, start, "MiB/s");
    close(fd);
    unlink(name);
}

static int folder(const char *dir, unsigned count, unsigned mib)
{
    if (chdir(dir) != 0)
        bench_die(dir);
    small_files(count);
    stream(mib);
    return 0;
}

int share_main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[0], "share") == 0) {
        path = argv[1];
        return random_steps((unsigned)atoi(argv[2]),
                            strtoull(argv[3], NULL, 0));
    }
    if (argc == 4 && strcmp(argv[0], "folder") == 0)
        return folder(argv[1], (unsigned)atoi(argv[2]),
                      (unsigned)atoi(argv[3]));
    return -1;
}
