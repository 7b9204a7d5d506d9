/*
 * `lull trace record`: take the records out of a running VM's rings and into
 * a file.
 *
 * The VM hands over the memory that its vCPUs write to; everything else is
 * done here. So the VM is disturbed by nothing but two commands, at the
 * beginning and at the end, and it is this process that opens the file.
 *
 * How the file ends does not depend on how the recording does: the VM may go
 * away, Ctrl-C may come; what was taken until then is a whole trace.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"
#include "client.h"
#include "cmd_trace.h"
#include "lull/clock.h"
#include "lull/vm.h"
#include "trace/file.h"

/* Rings hold 65536 records. Draining follows what comes: shorter pauses while
 * there is much, longer ones while there is little. */
enum { TAKE = 8192, SHORTEST_NS = 1000000, LONGEST_NS = 50000000 };

/* A minute for the last drain, on a host however busy. */
#define LONGEST_RECORDING_NS ((TRACE_SECONDS_MAX - 60) * 1000000000)

struct recording {
    struct client *client;
    struct trace_header header;
    void *rings;
    size_t ring_bytes;
    uint64_t lost[TRACE_VCPUS_MAX][IDLE_TRACE_RINGS];
    FILE *file;
    const char *path;
    uint32_t crc;
    size_t count, losses;
    uint64_t last_ns; /* of any record so far */
    bool vm_gone;
    struct idle_trace_record taken[TAKE];
};

static volatile sig_atomic_t interrupted;

static void on_interrupt(int number)
{
    interrupted = 1;
}

/* ---- the file */

static bool put(struct recording *r, const void *bytes, size_t count)
{
    r->crc = trace_crc(r->crc, bytes, count);
    return fwrite(bytes, 1, count, r->file) == count;
}

static bool put_record(struct recording *r,
                       const struct idle_trace_record *record)
{
    uint8_t bytes[TRACE_RECORD_BYTES];

    trace_record_bytes(record, bytes);
    if (record->kind != IDLE_TRACE_END)
        r->count++;
    if (record->time_ns > r->last_ns)
        r->last_ns = record->time_ns;
    return put(r, bytes, sizeof(bytes));
}

static bool open_file(struct recording *r)
{
    uint8_t bytes[TRACE_HEADER_BYTES];
    int fd = open(r->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    r->file = fd < 0 ? NULL : fdopen(fd, "wb");
    if (r->file == NULL)
        return false;
    trace_header_bytes(&r->header, bytes);
    return put(r, bytes, sizeof(bytes)) && fflush(r->file) == 0;
}

/* ---- the rings */

/* A record that was under way when the recording began may be older than it;
 * one that names another vCPU is not its own. */
static bool mine(const struct recording *r, unsigned vcpu,
                 const struct idle_trace_record *record)
{
    return record->time_ns >= r->header.begin_ns && record->vcpu == vcpu &&
           record->kind >= IDLE_TRACE_WAIT && record->kind <= IDLE_TRACE_POLICY;
}

static bool note_lost(struct recording *r, unsigned vcpu, unsigned ring)
{
    uint64_t lost = idle_trace_dropped(r->rings, vcpu, ring);
    struct idle_trace_record record = {
        .time_ns = idle_now_ns(),
        .value = lost - r->lost[vcpu][ring],
        .kind = IDLE_TRACE_LOST,
        .detail = (uint8_t)ring,
        .vcpu = (uint16_t)vcpu,
    };

    if (lost == r->lost[vcpu][ring])
        return true;
    r->losses += record.value;
    r->lost[vcpu][ring] = lost;
    return put_record(r, &record);
}

/* What one ring holds; the number of records, or -1 with errno. */
static ptrdiff_t drain_ring(struct recording *r, unsigned vcpu, unsigned ring)
{
    ptrdiff_t n, all = 0;

    do {
        n = idle_trace_take(r->rings, vcpu, ring, r->taken, TAKE);
        if (n < 0) {
            errno = EPROTO;
            return -1;
        }
        for (ptrdiff_t i = 0; i < n; i++) {
            if (mine(r, vcpu, &r->taken[i]) && !put_record(r, &r->taken[i]))
                return -1;
        }
        all += n;
    } while (n == TAKE && all < 1 << 20);
    return note_lost(r, vcpu, ring) ? all : -1;
}

/* All rings once; the most that one held, or -1. */
static ptrdiff_t drain(struct recording *r)
{
    ptrdiff_t most = 0;

    for (unsigned v = 0; v < r->header.vcpus; v++) {
        for (unsigned ring = 0; ring < IDLE_TRACE_RINGS; ring++) {
            ptrdiff_t n = drain_ring(r, v, ring);

            if (n < 0)
                return -1;
            most = n > most ? n : most;
        }
    }
    return most;
}

/* ---- the VM */

static bool read_text(const json_t *answer, const char *key, char *out,
                      size_t bytes)
{
    const char *text = json_string_value(json_object_get(answer, key));

    if (text == NULL)
        return false;
    snprintf(out, bytes, "%s", text);
    return true;
}

static bool read_answer(struct recording *r, const json_t *answer)
{
    struct trace_header *header = &r->header;
    size_t vcpus = json_array_size(json_object_get(answer, "cpu_ns"));

    header->vcpus = (unsigned)vcpus;
    header->begin_ns =
        (uint64_t)json_integer_value(json_object_get(answer, "now_ns"));
    header->born_ns =
        (uint64_t)json_integer_value(json_object_get(answer, "started_ns"));
    header->wall_ns = clock_ns(CLOCK_REALTIME);
    r->ring_bytes =
        (size_t)json_integer_value(json_object_get(answer, "bytes"));
    return vcpus >= 1 && vcpus <= TRACE_VCPUS_MAX &&
           header->born_ns <= header->begin_ns &&
           r->ring_bytes == idle_trace_bytes(header->vcpus) &&
           read_text(answer, "name", header->name, sizeof(header->name)) &&
           read_text(answer, "policy", header->policy,
                     sizeof(header->policy)) &&
           read_text(answer, "version", header->version,
                     sizeof(header->version));
}

static bool map_rings(struct recording *r)
{
    int fd = client_take_fd(r->client);
    struct stat st;
    void *rings = MAP_FAILED;

    if (fd < 0)
        return false;
    if (fstat(fd, &st) == 0 && (uint64_t)st.st_size >= r->ring_bytes)
        rings = mmap(NULL, r->ring_bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
                     fd, 0);
    close(fd);
    r->rings = rings == MAP_FAILED ? NULL : rings;
    return r->rings != NULL;
}

static bool put_cpu_times(struct recording *r, const json_t *answer)
{
    const json_t *times = json_object_get(answer, "cpu_ns");
    struct idle_trace_record record = {
        .time_ns =
            (uint64_t)json_integer_value(json_object_get(answer, "now_ns")),
        .kind = IDLE_TRACE_CPU,
    };

    for (unsigned i = 0; i < r->header.vcpus; i++) {
        record.vcpu = (uint16_t)i;
        record.value = (uint64_t)json_integer_value(json_array_get(times, i));
        if (!put_record(r, &record))
            return false;
    }
    return true;
}

static bool put_margins(struct recording *r, const json_t *answer)
{
    const json_t *all = json_object_get(answer, "margin_ns");
    struct idle_trace_record record = {.time_ns = r->header.begin_ns,
                                       .kind = IDLE_TRACE_MARGIN};

    for (unsigned i = 0; i < r->header.vcpus; i++) {
        const json_t *list = json_array_get(all, i);
        size_t count = json_array_size(list);

        record.vcpu = (uint16_t)i;
        for (unsigned j = 0; j < IDLE_HIST_BUCKETS && j < count; j++) {
            record.detail = (uint8_t)j;
            record.value =
                (uint64_t)json_integer_value(json_array_get(list, j));
            if (!put_record(r, &record))
                return false;
        }
    }
    return true;
}

/* "start" or "stop"; NULL and one line in err. */
static json_t *tell(struct recording *r, const char *action, char *err,
                    size_t err_bytes)
{
    return client_ask_with(r->client, "x-lull-trace",
                           json_pack("{s:s}", "action", action), err,
                           err_bytes);
}

/* ---- recording */

static void pause_for(uint64_t ns)
{
    struct timespec left = {.tv_nsec = (long)ns};

    nanosleep(&left, NULL);
}

/* Until the time, Ctrl-C, or the VM's end. False: errno says what failed. */
static bool follow(struct recording *r, uint64_t until)
{
    uint64_t pause = SHORTEST_NS; /* a storm fills a ring in a few */

    while (!interrupted && !r->vm_gone && idle_now_ns() < until) {
        ptrdiff_t most = drain(r);
        uint64_t left, now;

        if (most < 0)
            return false;
        if (most > 16384)
            pause = SHORTEST_NS;
        else if (most > 4096)
            pause = pause / 2 > SHORTEST_NS ? pause / 2 : SHORTEST_NS;
        else if (pause < LONGEST_NS)
            pause = pause * 2 < LONGEST_NS ? pause * 2 : LONGEST_NS;
        now = idle_now_ns();
        left = until > now ? until - now : 0;
        pause_for(left < pause ? left : pause);
        r->vm_gone = client_wait_closed(r->client, 0);
    }
    return true;
}

/* The rest, and the end. */
static bool finish(struct recording *r)
{
    char err[LULL_ERROR_BYTES];
    json_t *answer = NULL;
    struct idle_trace_record end;
    bool ok = true;

    if (!r->vm_gone)
        answer = tell(r, "stop", err, sizeof(err));
    if (drain(r) < 0)
        return false;
    if (answer != NULL)
        ok = put_cpu_times(r, answer);
    json_decref(answer);
    end = trace_end(idle_now_ns(), r->count, r->crc);
    if (end.time_ns < r->last_ns)
        end.time_ns = r->last_ns;
    return ok && put_record(r, &end);
}

static int record(struct recording *r, const json_t *answer, uint64_t length)
{
    bool ok;

    if (!read_answer(r, answer) || !map_rings(r))
        return cli_fail("trace",
                        "%s: its answer makes no sense; is it "
                        "another version of Lull?",
                        r->header.name);
    if (length == 0 || length > LONGEST_RECORDING_NS)
        length = LONGEST_RECORDING_NS;
    ok = open_file(r) && put_cpu_times(r, answer) && put_margins(r, answer) &&
         follow(r, r->header.begin_ns + length) && finish(r);
    if (r->file != NULL && fclose(r->file) != 0)
        ok = false;
    if (!ok)
        return cli_fail("trace", "%s: %s", r->path, strerror(errno));
    fprintf(stderr, "lull trace: %zu records in %s", r->count, r->path);
    if (r->losses != 0)
        fprintf(stderr, ", %zu more were lost", r->losses);
    fputs(r->vm_gone ? "; the VM has ended\n" : "\n", stderr);
    return CLI_OK;
}

int trace_record(const char *name, const char *path, double seconds)
{
    struct recording *r = calloc(1, sizeof(*r));
    char err[LULL_ERROR_BYTES], default_path[LULL_VM_NAME_MAX + 8];
    struct sigaction action = {.sa_handler = on_interrupt};
    int status = CLI_ERROR;
    json_t *answer;

    if (r == NULL)
        return cli_fail("trace", "no memory");
    snprintf(default_path, sizeof(default_path), "%s.trace", name);
    r->path = path != NULL ? path : default_path;
    r->client = client_open(name, err, sizeof(err));
    if (r->client == NULL) {
        free(r);
        return cli_fail("trace", "%s", err);
    }
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    answer = tell(r, "start", err, sizeof(err));
    if (answer == NULL)
        cli_fail("trace", "%s", err);
    else
        status = record(r, answer, (uint64_t)(seconds * 1e9));
    json_decref(answer);
    if (r->rings != NULL)
        munmap(r->rings, r->ring_bytes);
    client_close(r->client);
    free(r);
    return status == CLI_OK && interrupted && seconds > 0 ? CLI_SIGNAL + SIGINT
                                                          : status;
}
