/*
 * A trace file: how it is written, and read back with nothing in it believed.
 * docs/trace.md is the format's description; this is its only implementation.
 */
#ifndef IDLE_TRACE_FILE_H
#define IDLE_TRACE_FILE_H

#include <lull/idle_trace.h>

enum {
    TRACE_VERSION = 1,
    TRACE_HEADER_BYTES = 192,
    TRACE_RECORD_BYTES = 24,
    TRACE_VCPUS_MAX = 64,
};

/* Nothing longer is written, nor taken for a trace. */
#define TRACE_SECONDS_MAX 86400ULL

struct trace_header {
    unsigned vcpus;
    uint64_t begin_ns; /* idle_now_ns when the recording began */
    uint64_t born_ns;  /* and when the machine started */
    uint64_t wall_ns;  /* begin_ns by the calendar, since 1970 */
    char name[65];     /* the VM's */
    char policy[65];   /* in force at the beginning */
    char version[17];  /* of the Lull that recorded */
};

struct trace {
    struct trace_header header;
    uint64_t end_ns;
    /* By vCPU, and for each by time; those of vCPU i are from first[i] on and
     * before first[i + 1]. Without the END. */
    struct idle_trace_record *records;
    size_t first[TRACE_VCPUS_MAX + 1];
    size_t count;
};

/* ---- writing */

void trace_header_bytes(const struct trace_header *header,
                        uint8_t out[TRACE_HEADER_BYTES]);
void trace_record_bytes(const struct idle_trace_record *record,
                        uint8_t out[TRACE_RECORD_BYTES]);
/* CRC-32 as in ISO 3309; start with 0, go on with the last result. */
uint32_t trace_crc(uint32_t crc, const void *bytes, size_t count);
/* The END after `count` records whose bytes, header included, have `crc`. */
struct idle_trace_record trace_end(uint64_t time_ns, size_t count,
                                   uint32_t crc);

/* ---- reading */

/* False and one line in err when it is no whole, sound trace; then nothing is
 * left behind. `bytes` is not needed afterwards. */
bool trace_parse(const uint8_t *bytes, size_t count, struct trace *trace,
                 char *err, size_t err_bytes);
/* The same from a file; the line in err begins with its path. */
bool trace_load(const char *path, struct trace *trace, char *err,
                size_t err_bytes);
void trace_free(struct trace *trace);

#endif
