/*
 * Linux: /proc. Each thread's CPU time, time on the run queue, voluntary
 * context switches and calls of read and write, at both ends of the window;
 * in between, what each thread waits for: /proc shows the system call that a
 * thread sleeps in and its arguments, and among those a timeout.
 *
 * What may not be read (another user's process, a restricted ptrace) stays
 * unknown, and the verdict does without.
 */
#include "doctor.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/futex.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "lull/clock.h"

enum { LOOK_EVERY_MS = 30, FILE_BYTES = 65536 };

struct doctor_watch {
    int64_t pid;
    int memory; /* its address space, -1 if it may not be read */
    uint64_t began_ns;
    struct doctor_thread *before;
    size_t before_count, unseen;
    char *file; /* FILE_BYTES, for whatever is read */
};

static uint64_t now_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

/* ---- files of /proc
 * ----------------------------------------------------------
 */

/* The whole of a file, NUL-terminated, into watch->file; its size, or -1. */
__attribute__((format(printf, 2, 3))) static ssize_t
slurp(struct doctor_watch *watch, const char *format, ...)
{
    char path[96];
    ssize_t size = 0, n = 0;
    va_list args;
    int fd;

    va_start(args, format);
    vsnprintf(path, sizeof(path), format, args);
    va_end(args);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    while (size < FILE_BYTES - 1 &&
           (n = read(fd, watch->file + size, (size_t)(FILE_BYTES - 1 - size))) >
               0)
        size += n;
    close(fd);
    watch->file[size] = '\0';
    return n < 0 ? -1 : size;
}

/* The number behind `key` at the start of a line. */
static uint64_t field(const char *text, const char *key)
{
    size_t len = strlen(key);

    for (; text != NULL; text = strchr(text, '\n')) {
        text += *text == '\n';
        if (strncmp(text, key, len) == 0)
            return strtoull(text + len, NULL, 10);
    }
    return 0;
}

/* ---- accounts
 * ----------------------------------------------------------------
 */

/* Where the kernel keeps no schedstat: clock ticks, and no time in queues. */
static void account_in_ticks(struct doctor_watch *watch,
                             struct doctor_thread *thread)
{
    const char *at;
    unsigned long long user = 0, system = 0;

    if (slurp(watch, "/proc/%" PRId64 "/task/%" PRId64 "/stat", watch->pid,
              thread->id) < 0)
        return;
    at = strrchr(watch->file, ')');
    if (at != NULL && sscanf(at,
                             ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u "
                             "%*u %llu %llu",
                             &user, &system) == 2)
        thread->run_ns =
            (user + system) * (1000000000ULL / (uint64_t)sysconf(_SC_CLK_TCK));
}

static bool account(struct doctor_watch *watch, struct doctor_thread *thread)
{
    ssize_t size = slurp(watch, "/proc/%" PRId64 "/task/%" PRId64 "/status",
                         watch->pid, thread->id);
    const char *name = watch->file + strlen("Name:\t");

    if (size < (ssize_t)strlen("Name:\t"))
        return false;
    snprintf(thread->name, sizeof(thread->name), "%.*s",
             (int)strcspn(name, "\n"), name);
    thread->wakes = field(watch->file, "voluntary_ctxt_switches:");
    if (slurp(watch, "/proc/%" PRId64 "/task/%" PRId64 "/schedstat", watch->pid,
              thread->id) < 0 ||
        sscanf(watch->file, "%" SCNu64 " %" SCNu64, &thread->run_ns,
               &thread->delay_ns) != 2)
        account_in_ticks(watch, thread);
    thread->life_ns = thread->run_ns;
    if (slurp(watch, "/proc/%" PRId64 "/task/%" PRId64 "/io", watch->pid,
              thread->id) > 0) {
        thread->reads = field(watch->file, "syscr:");
        thread->writes = field(watch->file, "syscw:");
        thread->read_bytes = field(watch->file, "rchar:");
    }
    return true;
}

static int by_id(const void *a, const void *b)
{
    const struct doctor_thread *one = a, *two = b;

    return one->id < two->id ? -1 : one->id > two->id;
}

/* All threads with their accounts as they stand, by number. NULL: gone. */
static struct doctor_thread *take_accounts(struct doctor_watch *watch,
                                           size_t *count)
{
    struct doctor_thread *threads =
        calloc(DOCTOR_THREADS_MAX, sizeof(*threads));
    char path[64];
    struct dirent *entry;
    DIR *tasks;

    *count = 0;
    watch->unseen = 0;
    snprintf(path, sizeof(path), "/proc/%" PRId64 "/task", watch->pid);
    tasks = threads == NULL ? NULL : opendir(path);
    while (tasks != NULL && (entry = readdir(tasks)) != NULL) {
        struct doctor_thread *thread = &threads[*count];

        if (!isdigit((unsigned char)entry->d_name[0]))
            continue;
        if (*count == DOCTOR_THREADS_MAX) {
            watch->unseen++;
            continue;
        }
        thread->id = strtoll(entry->d_name, NULL, 10);
        if (account(watch, thread))
            (*count)++;
        else
            memset(thread, 0, sizeof(*thread));
    }
    if (tasks != NULL)
        closedir(tasks);
    if (*count == 0) {
        free(threads);
        return NULL;
    }
    qsort(threads, *count, sizeof(*threads), by_id);
    return threads;
}

/* ---- what a thread waits for
 * -------------------------------------------------
 */

struct call {
    long number;
    uint64_t argument[6];
};

/* False: it is running, or we may not know. */
static bool read_call(struct doctor_watch *watch, struct doctor_thread *thread,
                      struct call *call)
{
    if (slurp(watch, "/proc/%" PRId64 "/task/%" PRId64 "/syscall", watch->pid,
              thread->id) <= 0)
        return false;
    return sscanf(watch->file,
                  "%ld %" SCNx64 " %" SCNx64 " %" SCNx64 " %" SCNx64 " %" SCNx64
                  " %" SCNx64,
                  &call->number, &call->argument[0], &call->argument[1],
                  &call->argument[2], &call->argument[3], &call->argument[4],
                  &call->argument[5]) == 7 &&
           call->number >= 0;
}

static bool is_poll(long number)
{
    return
#ifdef SYS_poll
        number == SYS_poll ||
#endif
#ifdef SYS_epoll_wait
        number == SYS_epoll_wait ||
#endif
        number == SYS_ppoll || number == SYS_epoll_pwait;
}

/* The timeout of a call, if it has one: where its timespec is, 0 for none. */
static uint64_t timespec_of(const struct call *call, bool *absolute)
{
    *absolute = false;
    switch (call->number) {
    case SYS_ppoll:
        return call->argument[2];
    case SYS_pselect6:
        return call->argument[4];
    case SYS_clock_nanosleep:
        *absolute = (call->argument[1] & TIMER_ABSTIME) != 0;
        return call->argument[2];
    case SYS_futex:
        /* WAIT_BITSET's is a moment, on CLOCK_REALTIME where it says so. */
        *absolute = (call->argument[1] & FUTEX_CMD_MASK) == FUTEX_WAIT_BITSET;
        return call->argument[3];
    default:
        return 0;
    }
}

static bool ends_soon(const struct doctor_watch *watch, const struct call *call)
{
    bool absolute;
    uint64_t at = timespec_of(call, &absolute), ns, now;
    struct timespec timeout, clock;

    if (at == 0 || pread(watch->memory, &timeout, sizeof(timeout), (off_t)at) !=
                       sizeof(timeout))
        return false;
    ns = (uint64_t)timeout.tv_sec * 1000000000 + (uint64_t)timeout.tv_nsec;
    if (!absolute)
        return ns <= DOCTOR_NEAR_NS;
    clock_gettime(call->number == SYS_futex &&
                          (call->argument[1] & FUTEX_CLOCK_REALTIME) != 0
                      ? CLOCK_REALTIME
                      : CLOCK_MONOTONIC,
                  &clock);
    now = (uint64_t)clock.tv_sec * 1000000000 + (uint64_t)clock.tv_nsec;
    return ns <= now + DOCTOR_NEAR_NS;
}

static void look(struct doctor_watch *watch, struct doctor_thread *thread)
{
    struct call call;

    if (!read_call(watch, thread, &call))
        return;
    thread->asleep++;
    thread->in_poll += is_poll(call.number);
    if (watch->memory < 0)
        return;
    thread->waits_seen = true;
    thread->near_timeout += ends_soon(watch, &call);
}

static void look_until(struct doctor_watch *watch, uint64_t end_ns)
{
    struct timespec pause = {.tv_nsec = LOOK_EVERY_MS * 1000000L};

    for (;;) {
        uint64_t now = now_ns();

        if (now >= end_ns)
            return;
        for (size_t i = 0; i < watch->before_count; i++)
            look(watch, &watch->before[i]);
        if (end_ns - now < (uint64_t)pause.tv_nsec)
            pause.tv_nsec = (long)(end_ns - now);
        nanosleep(&pause, NULL);
    }
}

/* ---- who it is
 * ---------------------------------------------------------------
 */

/* The file that /proc's link points to is still the one that runs. */
static enum doctor_answer same_file(const char *one, const char *two)
{
    struct stat a, b;

    if (stat(one, &a) != 0)
        return DOCTOR_UNKNOWN;
    if (stat(two, &b) != 0)
        return DOCTOR_NO;
    return a.st_dev == b.st_dev && a.st_ino == b.st_ino ? DOCTOR_YES
                                                        : DOCTOR_NO;
}

static void read_program(struct doctor_watch *watch,
                         struct doctor_observation *seen)
{
    static const char deleted[] = " (deleted)";
    const char *name;
    char link[64], *mark;
    ssize_t len;

    snprintf(link, sizeof(link), "/proc/%" PRId64 "/exe", watch->pid);
    len = readlink(link, seen->program, sizeof(seen->program) - 1);
    if (len < 0) {
        /* Another user's: then only its name is to be had. */
        if (slurp(watch, "/proc/%" PRId64 "/comm", watch->pid) > 0)
            snprintf(seen->program, sizeof(seen->program), "%.*s",
                     (int)strcspn(watch->file, "\n"), watch->file);
        return;
    }
    seen->program[len] = '\0';
    mark = len > (ssize_t)strlen(deleted)
               ? seen->program + len - strlen(deleted)
               : NULL;
    seen->program_intact = same_file(link, seen->program);
    if (mark != NULL && strcmp(mark, deleted) == 0 &&
        seen->program_intact == DOCTOR_NO)
        *mark = '\0';
    doctor_read_binary(seen, link);
    name = strrchr(seen->program, '/');
    name = name == NULL ? seen->program : name + 1;
    if (doctor_find_on_path(name, seen->on_path, sizeof(seen->on_path)))
        seen->program_on_path = same_file(link, seen->on_path);
    else
        seen->program_on_path = DOCTOR_NO;
}

static void read_arguments(struct doctor_watch *watch,
                           struct doctor_observation *seen)
{
    ssize_t size = slurp(watch, "/proc/%" PRId64 "/cmdline", watch->pid);
    const char *argv[512];
    size_t argc = 0;

    for (ssize_t at = 0; at < size && argc < sizeof(argv) / sizeof(argv[0]);) {
        argv[argc++] = watch->file + at;
        at += (ssize_t)strlen(watch->file + at) + 1;
    }
    doctor_read_command_line(seen, argv, argc);
}

/* As it was when the program was started; what it changes itself is not
 * seen, but neither QEMU nor Lull changes what we ask for. */
static void read_environment(struct doctor_watch *watch,
                             struct doctor_observation *seen)
{
    ssize_t size = slurp(watch, "/proc/%" PRId64 "/environ", watch->pid);

    seen->environment_seen = size >= 0;
    for (ssize_t at = 0; at < size;) {
        const char *entry = watch->file + at;
        size_t len = strcspn(entry, "=");

        for (unsigned i = 0; i < DOCTOR_VARIABLES; i++) {
            struct doctor_variable *variable = &seen->variable[i];

            if (entry[len] != '=' || strlen(variable->name) != len ||
                strncmp(entry, variable->name, len) != 0)
                continue;
            variable->in_process = true;
            snprintf(variable->process, sizeof(variable->process), "%s",
                     entry + len + 1);
        }
        at += (ssize_t)strlen(entry) + 1;
    }
}

static void read_state(struct doctor_watch *watch,
                       struct doctor_observation *seen)
{
    const char *state;

    if (slurp(watch, "/proc/%" PRId64 "/status", watch->pid) <= 0)
        return;
    state = strstr(watch->file, "\nState:\t");
    if (state != NULL && (state[8] == 'T' || state[8] == 't'))
        snprintf(seen->status, sizeof(seen->status), "stopped");
}

/* ---- the window
 * --------------------------------------------------------------
 */

struct doctor_watch *doctor_watch_new(struct doctor_observation *seen,
                                      int64_t pid, char *err, size_t err_bytes)
{
    struct doctor_watch *watch = calloc(1, sizeof(*watch));
    char path[64];

    if (watch != NULL)
        watch->file = malloc(FILE_BYTES);
    if (watch == NULL || watch->file == NULL) {
        free(watch);
        snprintf(err, err_bytes, "no memory");
        return NULL;
    }
    watch->pid = seen->pid = pid;
    snprintf(path, sizeof(path), "/proc/%" PRId64 "/mem", pid);
    watch->memory = open(path, O_RDONLY | O_CLOEXEC);
    watch->began_ns = now_ns();
    watch->before = take_accounts(watch, &watch->before_count);
    if (watch->before == NULL) {
        snprintf(err, err_bytes, "no process %" PRId64 " is running", pid);
        doctor_watch_free(watch);
        return NULL;
    }
    doctor_variables(seen);
    read_program(watch, seen);
    read_arguments(watch, seen);
    read_environment(watch, seen);
    read_state(watch, seen);
    return watch;
}

static const struct doctor_thread *
account_before(const struct doctor_watch *watch,
               const struct doctor_thread *thread)
{
    return bsearch(thread, watch->before, watch->before_count,
                   sizeof(*watch->before), by_id);
}

/* From what was counted so far to what was counted in the window. */
static void subtract(struct doctor_thread *thread,
                     const struct doctor_thread *before)
{
    thread->run_ns -= before->run_ns;
    thread->delay_ns -= before->delay_ns;
    thread->wakes -= before->wakes;
    thread->reads -= before->reads;
    thread->read_bytes -= before->read_bytes;
    thread->writes -= before->writes;
    thread->asleep = before->asleep;
    thread->near_timeout = before->near_timeout;
    thread->waits_seen = before->waits_seen;
    thread->in_poll = before->in_poll;
}

bool doctor_watch_finish(struct doctor_watch *watch,
                         struct doctor_observation *seen, double seconds,
                         char *err, size_t err_bytes)
{
    look_until(watch, watch->began_ns + (uint64_t)(seconds * 1e9));
    seen->thread = take_accounts(watch, &seen->thread_count);
    seen->threads_unseen = watch->unseen;
    seen->seconds = (double)(now_ns() - watch->began_ns) / 1e9;
    if (seen->thread == NULL) {
        snprintf(err, err_bytes, "process %" PRId64 " has ended", watch->pid);
        return false;
    }
    for (size_t i = 0; i < seen->thread_count; i++) {
        struct doctor_thread *thread = &seen->thread[i];
        const struct doctor_thread *before = account_before(watch, thread);

        if (before != NULL)
            subtract(thread, before);
        if (thread->id == watch->pid)
            thread->role = DOCTOR_MAIN;
    }
    return true;
}

void doctor_watch_free(struct doctor_watch *watch)
{
    if (watch == NULL)
        return;
    if (watch->memory >= 0)
        close(watch->memory);
    free(watch->before);
    free(watch->file);
    free(watch);
}
