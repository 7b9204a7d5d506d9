/*
 * An instruction's function, called.
 */
#include "level1_engine.h"

#include <string.h>

#include "cpu.h"

static struct a64_cpu cpu;

void engine_start(void)
{
}

bool engine_run(uint32_t word, uint32_t fpcr, struct engine_run *runs,
                unsigned count)
{
    a64_fn *fn = a64_fp_decode(word);

    if (fn == NULL)
        return false;
    a64_set_fpcr(&cpu, fpcr);
    a64_fp_enter(&cpu);
    for (unsigned i = 0; i < count; i++) {
        struct engine_run *r = &runs[i];

        memcpy(cpu.v, r->v, sizeof(r->v));
        memcpy(cpu.x, r->x, sizeof(r->x));
        a64_set_nzcv(&cpu, (uint32_t)r->nzcv);
        a64_set_fpsr(&cpu, (uint32_t)r->fpsr);
        fn(&cpu, word);
        memcpy(r->v[0], &cpu.v[0], 16);
        r->x[0] = cpu.x[0];
        r->nzcv = a64_nzcv(&cpu);
        r->fpsr = a64_fpsr(&cpu);
    }
    a64_fp_leave(&cpu);
    return true;
}
