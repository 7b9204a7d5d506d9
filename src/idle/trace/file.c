/*
 * The trace file's bytes. The library knows no endianness but here: every
 * field is put together byte by byte.
 */
#include "file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t magic[8] = {'L', 'u', 'l', 'l', 'T', 'r', 'c', '\n'};

#define BYTE_ORDER_MARK 0x01020304u

enum {
    AT_ORDER = 8,
    AT_VERSION = 12,
    AT_HEADER_BYTES = 14,
    AT_RECORD_BYTES = 16,
    AT_VCPUS = 18,
    AT_FLAGS = 20,
    AT_BEGIN = 24,
    AT_BORN = 32,
    AT_WALL = 40,
    AT_NAME = 48,
    AT_POLICY = 112,
    AT_LULL = 176,
};

static void put(uint8_t *at, unsigned width, uint64_t value)
{
    for (unsigned i = 0; i < width; i++)
        at[i] = (uint8_t)(value >> 8 * i);
}

static uint64_t get(const uint8_t *at, unsigned width)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < width; i++)
        value |= (uint64_t)at[i] << 8 * i;
    return value;
}

/* Writing. */

void trace_header_bytes(const struct trace_header *header,
                        uint8_t out[TRACE_HEADER_BYTES])
{
    memset(out, 0, TRACE_HEADER_BYTES);
    memcpy(out, magic, sizeof(magic));
    put(out + AT_ORDER, 4, BYTE_ORDER_MARK);
    put(out + AT_VERSION, 2, TRACE_VERSION);
    put(out + AT_HEADER_BYTES, 2, TRACE_HEADER_BYTES);
    put(out + AT_RECORD_BYTES, 2, TRACE_RECORD_BYTES);
    put(out + AT_VCPUS, 2, header->vcpus);
    put(out + AT_BEGIN, 8, header->begin_ns);
    put(out + AT_BORN, 8, header->born_ns);
    put(out + AT_WALL, 8, header->wall_ns);
    memcpy(out + AT_NAME, header->name, strnlen(header->name, 64));
    memcpy(out + AT_POLICY, header->policy, strnlen(header->policy, 64));
    memcpy(out + AT_LULL, header->version, strnlen(header->version, 16));
}

void trace_record_bytes(const struct idle_trace_record *record,
                        uint8_t out[TRACE_RECORD_BYTES])
{
    put(out, 8, record->time_ns);
    put(out + 8, 8, record->value);
    put(out + 16, 2, record->reasons);
    out[18] = record->kind;
    out[19] = record->detail;
    put(out + 20, 2, record->vcpu);
    put(out + 22, 2, record->who);
}

/* Four bits at a time: a table of sixteen, fast enough for what a VM says. */
uint32_t trace_crc(uint32_t crc, const void *bytes, size_t count)
{
    static const uint32_t table[16] = {
        0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4,
        0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
        0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c};
    const uint8_t *at = bytes;

    crc = ~crc;
    for (size_t i = 0; i < count; i++) {
        crc ^= at[i];
        crc = crc >> 4 ^ table[crc & 15];
        crc = crc >> 4 ^ table[crc & 15];
    }
    return ~crc;
}

struct idle_trace_record trace_end(uint64_t time_ns, size_t count, uint32_t crc)
{
    uint8_t time[8];

    put(time, 8, time_ns);
    crc = trace_crc(crc, time, sizeof(time));
    return (struct idle_trace_record){
        .time_ns = time_ns,
        .value = (uint32_t)count | (uint64_t)crc << 32,
        .kind = IDLE_TRACE_END,
    };
}

/* Reading. */

struct reading {
    struct trace *trace;
    char *err;
    size_t err_bytes;
};

static bool wrong(struct reading *r, const char *what)
{
    snprintf(r->err, r->err_bytes, "%s", what);
    return false;
}

/* A field of text: printable ASCII, then zeros. */
static bool read_text(const uint8_t *at, size_t width, char *out)
{
    size_t n = 0;

    while (n < width && at[n] >= ' ' && at[n] < 0x7f) {
        out[n] = (char)at[n];
        n++;
    }
    out[n] = '\0';
    for (; n < width; n++) {
        if (at[n] != 0)
            return false;
    }
    return true;
}

static bool read_header(struct reading *r, const uint8_t *bytes, size_t count)
{
    struct trace_header *header = &r->trace->header;

    if (count < sizeof(magic) || memcmp(bytes, magic, sizeof(magic)) != 0)
        return wrong(r, "this is no trace of Lull's");
    if (count < TRACE_HEADER_BYTES)
        return wrong(r, "the trace is cut off within its header");
    if (get(bytes + AT_ORDER, 4) != BYTE_ORDER_MARK)
        return wrong(r, "the trace's byte order is not little-endian");
    if (get(bytes + AT_VERSION, 2) != TRACE_VERSION) {
        snprintf(r->err, r->err_bytes,
                 "the trace's format is version %u, this Lull reads version "
                 "%u; use the Lull that recorded it",
                 (unsigned)get(bytes + AT_VERSION, 2), (unsigned)TRACE_VERSION);
        return false;
    }
    header->vcpus = (unsigned)get(bytes + AT_VCPUS, 2);
    header->begin_ns = get(bytes + AT_BEGIN, 8);
    header->born_ns = get(bytes + AT_BORN, 8);
    header->wall_ns = get(bytes + AT_WALL, 8);
    if (get(bytes + AT_HEADER_BYTES, 2) != TRACE_HEADER_BYTES ||
        get(bytes + AT_RECORD_BYTES, 2) != TRACE_RECORD_BYTES ||
        get(bytes + AT_FLAGS, 4) != 0 || header->vcpus < 1 ||
        header->vcpus > TRACE_VCPUS_MAX || header->born_ns > header->begin_ns ||
        !read_text(bytes + AT_NAME, 64, header->name) ||
        !read_text(bytes + AT_POLICY, 64, header->policy) ||
        !read_text(bytes + AT_LULL, 16, header->version))
        return wrong(r, "the trace's header is damaged");
    return true;
}

static struct idle_trace_record read_record(const uint8_t *at)
{
    return (struct idle_trace_record){
        .time_ns = get(at, 8),
        .value = get(at + 8, 8),
        .reasons = (uint16_t)get(at + 16, 2),
        .kind = at[18],
        .detail = at[19],
        .vcpu = (uint16_t)get(at + 20, 2),
        .who = (uint16_t)get(at + 22, 2),
    };
}

/* The last record says how many there are before it, and their checksum. */
static bool read_end(struct reading *r, const uint8_t *bytes, size_t count)
{
    size_t body = count - TRACE_HEADER_BYTES;
    size_t before = body < TRACE_RECORD_BYTES ? 0 : count - TRACE_RECORD_BYTES;
    struct idle_trace_record end, expected;

    if (body < TRACE_RECORD_BYTES || body % TRACE_RECORD_BYTES != 0)
        return wrong(r, "the trace is cut off: its recording did not end, or "
                        "the file is not all there");
    end = read_record(bytes + before);
    if (end.kind != IDLE_TRACE_END)
        return wrong(r, "the trace is cut off: it has no end");
    r->trace->count = body / TRACE_RECORD_BYTES - 1;
    expected =
        trace_end(end.time_ns, r->trace->count, trace_crc(0, bytes, before));
    if (memcmp(&end, &expected, sizeof(end)) != 0)
        return wrong(r, "the trace is damaged: its checksum does not match");
    r->trace->end_ns = end.time_ns;
    if (end.time_ns < r->trace->header.begin_ns ||
        end.time_ns - r->trace->header.begin_ns >
            TRACE_SECONDS_MAX * 1000000000)
        return wrong(r, "the trace is damaged: its times make no sense");
    return true;
}

static bool sound(const struct trace *trace,
                  const struct idle_trace_record *record)
{
    static const uint8_t details[] = {
        [IDLE_TRACE_WAIT] = 2,
        [IDLE_TRACE_STATE] = IDLE_STATES,
        [IDLE_TRACE_WAKE] = IDLE_WAKE_BACKSTOP + 1,
        [IDLE_TRACE_PASS] = IDLE_WAKE_BACKSTOP + 1,
        [IDLE_TRACE_KICK] = IDLE_TRACE_GUEST + 1,
        [IDLE_TRACE_POLICY] = 10,
        [IDLE_TRACE_CPU] = 1,
        [IDLE_TRACE_LOST] = IDLE_TRACE_RINGS,
        [IDLE_TRACE_MARGIN] = IDLE_HIST_BUCKETS,
    };

    return record->kind >= IDLE_TRACE_WAIT && record->kind < IDLE_TRACE_END &&
           record->detail < details[record->kind] &&
           record->vcpu < trace->header.vcpus &&
           record->time_ns >= trace->header.begin_ns &&
           record->time_ns <= trace->end_ns;
}

/* One pass of a merge sort by time; equal ones keep their order. */
static void merge(const struct idle_trace_record *from,
                  struct idle_trace_record *to, size_t count, size_t run)
{
    for (size_t start = 0; start < count; start += 2 * run) {
        size_t left = start, right = start + run, out = start;
        size_t middle = right < count ? right : count;
        size_t end = right + run < count ? right + run : count;

        right = middle;
        while (left < middle || right < end) {
            bool first =
                right == end ||
                (left < middle && from[left].time_ns <= from[right].time_ns);

            to[out++] = first ? from[left++] : from[right++];
        }
    }
}

static void sort(struct idle_trace_record *records,
                 struct idle_trace_record *room, size_t count)
{
    for (size_t run = 1; run < count; run *= 2) {
        merge(records, room, count, run);
        memcpy(records, room, count * sizeof(*records));
    }
}

/* Into the order of struct trace. */
static bool read_records(struct reading *r, const uint8_t *bytes)
{
    struct trace *trace = r->trace;
    size_t next[TRACE_VCPUS_MAX];
    struct idle_trace_record *room =
        calloc(trace->count + 1, sizeof(*trace->records));

    trace->records = calloc(trace->count + 1, sizeof(*trace->records));
    if (trace->records == NULL || room == NULL) {
        free(room);
        return wrong(r, "no memory for the trace");
    }
    memset(trace->first, 0, sizeof(trace->first));
    for (size_t i = 0; i < trace->count; i++) {
        room[i] = read_record(bytes + i * TRACE_RECORD_BYTES);
        if (!sound(trace, &room[i])) {
            free(room);
            return wrong(r, "the trace is damaged: a record makes no sense");
        }
        trace->first[room[i].vcpu + 1]++;
    }
    for (unsigned v = 0; v < TRACE_VCPUS_MAX; v++) {
        trace->first[v + 1] += trace->first[v];
        next[v] = trace->first[v];
    }
    for (size_t i = 0; i < trace->count; i++)
        trace->records[next[room[i].vcpu]++] = room[i];
    for (unsigned v = 0; v < trace->header.vcpus; v++)
        sort(trace->records + trace->first[v], room,
             trace->first[v + 1] - trace->first[v]);
    free(room);
    return true;
}

bool trace_parse(const uint8_t *bytes, size_t count, struct trace *trace,
                 char *err, size_t err_bytes)
{
    struct reading r = {trace, err, err_bytes};

    memset(trace, 0, sizeof(*trace));
    if (read_header(&r, bytes, count) && read_end(&r, bytes, count) &&
        read_records(&r, bytes + TRACE_HEADER_BYTES))
        return true;
    trace_free(trace);
    return false;
}

/* All of a file; NULL and errno. It may be a pipe, so its size is unknown. */
static uint8_t *read_all(FILE *file, size_t *count)
{
    size_t room = 1 << 16;
    uint8_t *bytes = malloc(room);

    *count = 0;
    while (bytes != NULL) {
        uint8_t *more;

        *count += fread(bytes + *count, 1, room - *count, file);
        if (*count < room)
            break;
        room *= 2;
        more = realloc(bytes, room);
        if (more == NULL)
            free(bytes);
        bytes = more;
    }
    if (bytes != NULL && ferror(file)) {
        free(bytes);
        bytes = NULL;
    }
    return bytes;
}

bool trace_load(const char *path, struct trace *trace, char *err,
                size_t err_bytes)
{
    FILE *file = fopen(path, "rbe");
    uint8_t *bytes = NULL;
    char what[160];
    size_t count;
    bool ok;

    if (file != NULL) {
        bytes = read_all(file, &count);
        fclose(file);
    }
    if (bytes == NULL) {
        snprintf(err, err_bytes, "%s: %s", path, strerror(errno));
        return false;
    }
    ok = trace_parse(bytes, count, trace, what, sizeof(what));
    free(bytes);
    if (!ok)
        snprintf(err, err_bytes, "%s: %s", path, what);
    return ok;
}

void trace_free(struct trace *trace)
{
    free(trace->records);
    trace->records = NULL;
    trace->count = 0;
}
