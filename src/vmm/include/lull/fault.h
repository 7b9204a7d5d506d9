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
};

/* "stray=100,eintr=50". False and one line in err, which lists what is valid,
 * when it is something else; then *faults is untouched. */
bool lull_faults_parse(const char *text, struct lull_faults *faults, char *err,
                       size_t err_bytes);

#endif
