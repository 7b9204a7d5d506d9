/*
 * How level1 runs an instruction: by calling its function (level1_direct.c),
 * or in a loop of a guest at EL0 that gets compiled (level1_guest.c).
 */
#ifndef LULL_TESTS_LEVEL1_ENGINE_H
#define LULL_TESTS_LEVEL1_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

enum { ENGINE_BATCH = 4096 };

/* The guest's code knows the offsets. */
struct engine_run {
    uint8_t v[4][16];    /* 0: V0 to V3 before, V0 after */
    uint64_t x[2];       /* 64: X0 and X1 before, X0 after */
    uint64_t fpsr, nzcv; /* 80, 88: before and after */
};

void engine_start(void);
/* Up to ENGINE_BATCH runs of one instruction; false: it is UNDEF. */
bool engine_run(uint32_t word, uint32_t fpcr, struct engine_run *runs,
                unsigned count);

#endif
