/*
 * The kept cases: each file is run here and must end as it says; where the
 * reference can be run, the reference must too.
 *
 * usage: replay_test [--runner RUNNER] CASE...
 */
#include <stdio.h>
#include <string.h>

#include "casefile.h"
#include "sides.h"

static int agrees(const char *path, const char *side,
                  const struct oracle_case *in, const struct oracle_case *want,
                  const struct oracle_case *got)
{
    if (outcomes_equal(want, got))
        return 1;
    printf("%s: %s differs from the file, which is called reference here\n",
           path, side);
    report_difference(stdout, in, want, got);
    return 0;
}

int main(int argc, char **argv)
{
    unsigned passed = 0, failed = 0;
    int i = 1, reference = 0;

    if (argc > 2 && strcmp(argv[1], "--runner") == 0) {
        reference = reference_start(argv[2]) == 0;
        i = 3;
    }
    here_set_up();
    for (; i < argc; i++) {
        struct oracle_case in, want, got;
        int ok;

        if (casefile_read(argv[i], &in, &want) != 0)
            return 1;
        got = in;
        here_run(&got);
        ok = agrees(argv[i], "the engine", &in, &want, &got);
        if (reference) {
            got = reference_one(&in);
            ok &= agrees(argv[i], "qemu-aarch64", &in, &want, &got);
        }
        passed += ok;
        failed += !ok;
    }
    if (reference)
        reference_stop();
    here_tear_down();
    printf("%u passed, %u failed\n", passed, failed);
    return failed != 0 || passed == 0;
}
