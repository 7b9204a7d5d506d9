/*
 * A trace file from anywhere: read, summed up, exported and replayed. The
 * checksum is set right first, or nothing but the checksum would be tried.
 */
#include <stdio.h>
#include <stdlib.h>

#include "fuzz_input.h"
#include "trace/export.h"
#include "trace/replay.h"

/* A replay takes time by how long the recording is, so that is kept short. */
#define LONGEST_NS 2000000000ULL

static void seal(uint8_t *bytes, size_t size)
{
    size_t before = size - TRACE_RECORD_BYTES;
    struct idle_trace_record end;
    uint64_t begin, time;

    memcpy(&begin, bytes + 24, 8);
    memcpy(&time, bytes + before, 8);
    end = trace_end(begin + (time - begin) % LONGEST_NS,
                    (before - TRACE_HEADER_BYTES) / TRACE_RECORD_BYTES, 0);
    memcpy(bytes + before, &end.time_ns, 8);
    end = trace_end(end.time_ns,
                    (before - TRACE_HEADER_BYTES) / TRACE_RECORD_BYTES,
                    trace_crc(0, bytes, before));
    trace_record_bytes(&end, bytes + before);
}

static void use(struct trace *trace)
{
    static FILE *null;
    struct idle_policy policy;
    struct measured sum;
    struct story story;
    struct costs own;
    char err[200];

    if (null == NULL)
        null = fopen("/dev/null", "w");
    if (!story_tell(trace, &story) || !story_sum(&story, &sum) ||
        !trace_export(trace, null))
        abort();
    if (!costs_of(&story, &sum, &own))
        own = costs_default;
    for (const char *const *name = idle_policy_names(); *name; name++) {
        struct replayed r;

        if (!idle_policy_parse(*name, &policy, err, sizeof(err)) ||
            !replay(&story, &policy, &own, &r))
            abort();
        replayed_free(&r);
    }
    measured_free(&sum);
    story_free(&story);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t least = TRACE_HEADER_BYTES + TRACE_RECORD_BYTES;
    uint8_t *bytes = malloc(size + 1);
    struct trace trace;
    char err[200];

    memcpy(bytes, data, size);
    if (size >= least && (size - least) % TRACE_RECORD_BYTES == 0)
        seal(bytes, size);
    if (trace_parse(bytes, size, &trace, err, sizeof(err))) {
        use(&trace);
        trace_free(&trace);
    }
    free(bytes);
    return 0;
}
