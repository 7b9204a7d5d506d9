/*
 * What was said of the policies, by their authors and by us, and whether the
 * measurement bears it out. A claim is looked at only where its policy was
 * measured; what is needed and is not there makes it "not measured".
 */
#ifndef BENCH_CLAIMS_H
#define BENCH_CLAIMS_H

#include "result.h"

enum verdict { CLAIM_HOLDS, CLAIM_FAILS, CLAIM_UNKNOWN };
const char *verdict_name(enum verdict verdict);

struct claim {
    const char *key; /* of the kind of claim: "idle_cpu" */
    char policy[64];
    unsigned cpus;
    char claimed[160];  /* a sentence */
    char measured[320]; /* beside it */
    enum verdict verdict;
};

enum { CLAIMS_MAX = 256 };

/* All of them for a report, in its columns' order; how many. */
size_t claims_check(const struct report *report,
                    struct claim claims[CLAIMS_MAX]);

#endif
