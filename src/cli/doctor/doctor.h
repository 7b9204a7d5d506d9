/*
 * What `lull doctor` sees of a VM, and what it makes of it.
 *
 * An observation is plain numbers: observe_*.c, qmp.c and counters.c fill it
 * in from the host, from a QMP socket, from Lull's own counters. The verdict
 * is a pure function of it (verdict.c), so that every rule can be tested with
 * handed-in numbers; report.c prints both.
 */
#ifndef LULL_DOCTOR_H
#define LULL_DOCTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct client;

enum {
    DOCTOR_THREADS_MAX = 512,
    DOCTOR_NAME_BYTES = 32,
    DOCTOR_TEXT_BYTES = 256,
    DOCTOR_PATH_BYTES = 1024,
    DOCTOR_LINES_MAX = 12,
};

enum doctor_role { DOCTOR_OTHER, DOCTOR_MAIN, DOCTOR_VCPU };

struct doctor_thread {
    int64_t id;
    char name[DOCTOR_NAME_BYTES];
    enum doctor_role role;
    unsigned vcpu;       /* its number; of a vCPU */
    const char *told_by; /* how we know that it is one */

    uint64_t life_ns; /* CPU time since it began */
    /* In the window: */
    uint64_t run_ns;   /* CPU time */
    uint64_t delay_ns; /* ready to run, and another had the CPU */
    uint64_t wakes;    /* voluntary context switches */
    /* System calls read and write, and the bytes read: an event of QEMU's own
     * is a read of 8 bytes, of an eventfd. */
    uint64_t reads, read_bytes, writes;
    /* Looks at what it waits for: found asleep; and with a timeout of its own
     * of at most DOCTOR_NEAR_NS, told only if `waits_seen`. */
    unsigned asleep, near_timeout;
    bool waits_seen;
    unsigned in_poll; /* of `asleep`: in poll and the like, as no vCPU is */

    /* QMP: where the guest was. */
    unsigned pc_samples, pc_at_wfi;
    uint64_t pc;
    bool at_reset; /* all registers as reset left them */

    /* Lull's counters: in the window, but for the first three. */
    bool counted;
    bool off, ever_on;
    uint64_t wfis; /* that had to wait: others do not leave the guest */
    uint64_t pending, timers, kicks, strays;
    uint64_t gic_accesses; /* to the interrupt controller's registers */
};

/* A timer storm's timeouts are this short and shorter; a 250 Hz tick's are in
 * an eighth of all looks. */
#define DOCTOR_NEAR_NS 500000

enum doctor_kind { DOCTOR_ANY_PROCESS, DOCTOR_QEMU, DOCTOR_LULL };

/* Tri-state: 0 is "not known". */
enum doctor_answer { DOCTOR_UNKNOWN, DOCTOR_YES, DOCTOR_NO };

struct doctor_variable {
    const char *name;
    char process[64], shell[64]; /* values; "" where it is not set */
    bool in_process, in_shell;
    enum doctor_answer read; /* the binary contains its name */
};

enum { DOCTOR_VARIABLES = 2 };

struct doctor_observation {
    enum doctor_kind kind;
    int64_t pid;
    char name[80];                     /* of a Lull VM */
    char program[DOCTOR_PATH_BYTES];   /* what runs */
    enum doctor_answer program_intact; /* NO: deleted or replaced since */
    char on_path[DOCTOR_PATH_BYTES];   /* what PATH has by that name, or "" */
    enum doctor_answer program_on_path;
    char version[96];
    char version_from[32];
    char accel[32], accel_from[32];
    char gic[64], gic_from[32];
    char policy[64], policy_from[32]; /* Lull's */
    char status[32];                  /* "running", "paused"; "" unknown */
    char command_line[2048];
    char qmp_hint[DOCTOR_PATH_BYTES]; /* a QMP socket that was not used */
    unsigned cpus;                    /* as ordered; 0 unknown */
    bool held_at_start;               /* -S */
    struct doctor_variable variable[DOCTOR_VARIABLES];
    bool environment_seen;
    bool faults; /* Lull: --fault makes WFIs return */

    double seconds; /* the window */
    bool qmp;       /* asked */
    struct doctor_thread *thread;
    size_t thread_count;
    size_t threads_unseen; /* beyond DOCTOR_THREADS_MAX */
};

enum doctor_finding {
    DOCTOR_HEALTHY,
    DOCTOR_NEVER_STARTED,
    DOCTOR_GUEST_BUSY,
    DOCTOR_WFI_RETURNS,
    DOCTOR_TIMER_STORM,
    DOCTOR_KICK_STORM,
    DOCTOR_NOT_A_VCPU,
    DOCTOR_FINDINGS
};

struct doctor_verdict {
    enum doctor_finding finding;
    int64_t thread; /* the one it is about; 0 none */
    char evidence[DOCTOR_LINES_MAX][DOCTOR_TEXT_BYTES];
    unsigned evidence_lines;
    char remedy[2 * DOCTOR_TEXT_BYTES];
    /* What is worth knowing whatever the verdict: binary, environment. */
    char note[DOCTOR_LINES_MAX][2 * DOCTOR_TEXT_BYTES];
    unsigned notes;
};

/* ---- verdict.c: no clock, no host ---------------------------------------- */

void doctor_judge(const struct doctor_observation *seen,
                  struct doctor_verdict *verdict);
/* "wfi-returns"; the code that `lull doctor` ends with; one sentence. */
const char *doctor_finding_name(enum doctor_finding finding);
int doctor_finding_code(enum doctor_finding finding);
const char *doctor_finding_title(enum doctor_finding finding);
/* CPU of a thread in percent of the time in which it could have had one: what
 * it would use on a host that has a CPU to spare. */
double doctor_load_percent(const struct doctor_observation *seen,
                           const struct doctor_thread *thread);

/* ---- notes.c ------------------------------------------------------------- */

/* What binary and environment give away. Also pure. */
void doctor_note(const struct doctor_observation *seen,
                 struct doctor_verdict *verdict);

/* ---- command_line.c ------------------------------------------------------ */

/* QEMU's arguments: accelerator, interrupt controller, vCPUs, -S, QMP sockets.
 * Pure. */
void doctor_read_command_line(struct doctor_observation *seen,
                              const char *const *argv, size_t argc);

/* ---- observe_linux.c, observe_darwin.c ----------------------------------- */

struct doctor_watch;

/*
 * Begin to watch a process: who it is, and its threads' accounts. NULL and one
 * line in err. `watch` holds what is needed until the window's end.
 */
struct doctor_watch *doctor_watch_new(struct doctor_observation *seen,
                                      int64_t pid, char *err, size_t err_bytes);
/* Look on until `seconds` have passed, then fill in the threads. False and one
 * line in err when the process has ended meanwhile. */
bool doctor_watch_finish(struct doctor_watch *watch,
                         struct doctor_observation *seen, double seconds,
                         char *err, size_t err_bytes);
void doctor_watch_free(struct doctor_watch *watch);

/* ---- binary.c ------------------------------------------------------------ */

/* What the binary at `path` says of itself: version, variables it knows. */
void doctor_read_binary(struct doctor_observation *seen, const char *path);
/* The program of that name that the shell's PATH finds; false for none. */
bool doctor_find_on_path(const char *name, char *out, size_t out_bytes);
/* The variables that matter, with their values in our own environment. */
void doctor_variables(struct doctor_observation *seen);

/* ---- qmp.c: a QMP socket ------------------------------------------------- */

/* Before the window: version, status. False and one line in err when there is
 * no sensible answer. */
bool doctor_ask(struct client *client, struct doctor_observation *seen,
                char *err, size_t err_bytes);
/* After it: which threads are vCPUs; and where the guest is, a few looks at
 * each hot one. */
bool doctor_ask_vcpus(struct client *client, struct doctor_observation *seen,
                      char *err, size_t err_bytes);

/* ---- counters.c: a Lull VM ----------------------------------------------- */

struct json_t;

/* x-lull-stats at both ends of the window. */
void doctor_count(struct doctor_observation *seen, const struct json_t *before,
                  const struct json_t *after);

/* ---- roles.c ------------------------------------------------------------- */

/* Tell vCPU threads from others by their names, or, where a QEMU has not
 * named its threads, by their order. Pure. */
void doctor_guess_roles(struct doctor_observation *seen);

/* ---- report.c ------------------------------------------------------------ */

void doctor_print(const struct doctor_observation *seen,
                  const struct doctor_verdict *verdict);
struct json_t *doctor_json(const struct doctor_observation *seen,
                           const struct doctor_verdict *verdict);

#endif
