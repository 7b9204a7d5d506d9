/*
 * The runner: `lullbench [-t SECONDS] [NAME...]`, all tests without a name;
 * `lullbench agent`, or `lullbench file DEVICE SECONDS [NAME...]`; or the words
 * of share.c.
 */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

volatile uint64_t bench_sink;

static const struct bench *const groups[] = {cpu_benches, memory_benches,
                                             kernel_benches};

static void run(const struct bench *b, double seconds)
{
    uint64_t budget = (uint64_t)(seconds * 1e9), work = 0, spent;

    if (b->prepare)
        b->prepare();
    b->step(); /* warm: decoded code, mapped pages */
    uint64_t start = bench_now_ns();
    do {
        work += b->step();
        spent = bench_now_ns() - start;
    } while (spent < budget);
    printf("%s %.4g %s\n", b->name,
           (double)work / ((double)spent * 1e-9) / b->scale, b->unit);
    fflush(stdout);
}

static int matches(const struct bench *b, int count, char **names)
{
    if (count == 0)
        return 1;
    for (int i = 0; i < count; i++) {
        if (strcmp(b->name, names[i]) == 0)
            return 1;
    }
    return 0;
}

int main(int argc, char **argv)
{
    double seconds = 1;
    int option, found = 0;

    if (argc == 2 && strcmp(argv[1], "agent") == 0)
        return agent_main();
    if (argc >= 4 && strcmp(argv[1], "file") == 0)
        return file_main(argv[2], 0, atof(argv[3]), argv + 4);
    if ((found = share_main(argc - 1, argv + 1)) >= 0)
        return found;
    found = 0;
    while ((option = getopt(argc, argv, "t:")) != -1) {
        if (option != 't') {
            fprintf(stderr, "usage: lullbench [-t SECONDS] [NAME...]\n");
            return 2;
        }
        seconds = atof(optarg);
    }
    for (size_t g = 0; g < sizeof(groups) / sizeof(groups[0]); g++) {
        for (const struct bench *b = groups[g]; b->name; b++) {
            if (!matches(b, argc - optind, argv + optind))
                continue;
            run(b, seconds);
            found++;
        }
    }
    if (!found) {
        fprintf(stderr, "lullbench: no such test\n");
        return 2;
    }
    return 0;
}
