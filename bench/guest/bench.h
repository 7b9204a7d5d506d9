/*
 * lullbench: programs that run inside the guest and measure it. Each prints
 * one line, `name value unit`. A test is a function that does a fixed small
 * amount of work and says how many units that was; the runner repeats it until
 * a second has passed and divides.
 */
#ifndef BENCH_H
#define BENCH_H

#include <stdint.h>

struct bench {
    const char *name;
    const char *unit;
    double scale;          /* units in one `unit`: 1e3 for k/s */
    void (*prepare)(void); /* not timed; may be NULL */
    uint64_t (*step)(void);
};

/* Results end up here, so that no compiler can drop the work. */
extern volatile uint64_t bench_sink;

uint64_t bench_now_ns(void);
void bench_die(const char *what);

/* agent.c: obey the console until it says `end`. */
int agent_main(void);
/* file.c: the disk at `device`, so long for each figure; all of them, or those
 * named. */
int file_main(const char *device, int cached, double seconds, char **names);
/* agent_net.c: bring up eth0 and listen; -1 and errno. Then one connection. */
int agent_listen(unsigned port);
int agent_accept(int fd);

/* share.c: work on a file system, if the arguments ask for it; -1: they do
 * not. */
int share_main(int argc, char **argv);

extern const struct bench cpu_benches[], memory_benches[], kernel_benches[];

#endif
