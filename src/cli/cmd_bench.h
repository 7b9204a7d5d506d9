/*
 * The benchmarks of `lull bench`; argv[0] is "wake" or "idle".
 */
#ifndef LULL_CLI_CMD_BENCH_H
#define LULL_CLI_CMD_BENCH_H

int cmd_bench_wake(int argc, char **argv);
int cmd_bench_idle(int argc, char **argv);

#endif
