/*
 * `lull bench`: what this host can do, and what an idle guest costs on it.
 * Each benchmark has a file of its own.
 */
#include <string.h>

#include "cli.h"
#include "cmd_bench.h"

static const char help[] =
    "Usage: lull bench wake [OPTION...]\n"
    "       lull bench idle [OPTION...]\n"
    "\n"
    "  wake   what a sleep costs on this host\n"
    "  idle   what an idle guest costs, and how late it is, by idle policy\n"
    "\n"
    "`lull bench wake --help` and `lull bench idle --help` say more.\n";

int cmd_bench(int argc, char **argv)
{
    if (argc >= 2 && strcmp(argv[1], "wake") == 0)
        return cmd_bench_wake(argc - 1, argv + 1);
    if (argc >= 2 && strcmp(argv[1], "idle") == 0)
        return cmd_bench_idle(argc - 1, argv + 1);
    if (argc == 2 && strcmp(argv[1], "--help") == 0)
        return cli_help(help);
    return cli_fail("bench", "give what to measure: wake or idle");
}
