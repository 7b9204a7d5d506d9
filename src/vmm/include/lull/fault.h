/*
 * Faults on request, for tests and benchmarks: `lull run --fault`.
 */
#ifndef LULL_FAULT_H
#define LULL_FAULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All per vCPU; 0 is none. */
struct lull_faults {
    uint32_t wfi_percent;   /* WFIs that end by themselves at once */
    uint32_t stray_hz;      /* wake-ups of the sleeping thread for no reason */
    uint32_t cancel_hz;     /* exits forced without a request */
    uint32_t eintr_hz;      /* signals */
    uint32_t early_percent; /* sleeps that return at once */
    uint32_t late_us;       /* how much later every sleep returns */
    uint32_t
        refused_rungs;     /* ways to sleep, the best first, that do not work */
    uint32_t race_percent; /* timers of a running guest met by a cancel */
    uint32_t stop_hz;      /* vCPU threads stopped wherever they are, 10 ms */
    uint32_t freeze_hz;    /* the whole process stopped, 20 ms */
    uint32_t seconds;      /* how long all of this lasts; 0: for ever */
    uint32_t retry_ms; /* no fault: when to try a better sleep; 0: default */
};

/* "stray=100,eintr=50". False and one line in err, which lists what is valid,
 * when it is something else; then *faults is untouched. */
bool lull_faults_parse(const char *text, struct lull_faults *faults, char *err,
                       size_t err_bytes);

#endif
