/*
 * A guest under measurement: `lull run` as a child, its console as lines, the
 * monitor's own lines as notices, its control socket.
 *
 * One thread. Times are idle_now_ns. The child is in a process group of its
 * own, so that Ctrl-C reaches it only through guest_stop; it does not outlive
 * this process.
 */
#ifndef BENCH_GUEST_H
#define BENCH_GUEST_H

#include <jansson.h>
#include <stdint.h>
#include <sys/types.h>

#include "result.h"

struct client;

struct guest_config {
    const char *kernel, *initrd;
    const char *policy;
    unsigned cpus;
    unsigned net_port; /* of the host, forwarded to the guest's; 0: no net */
    int stop_fd;       /* readable: stop waiting for anything */
};

enum { GUEST_NET_PORT = 7007, GUEST_LINE_BYTES = 4096 };

struct guest_text {
    int fd;
    char bytes[GUEST_LINE_BYTES];
    size_t len, used;
    uint64_t at_ns; /* of the last read */
};

struct guest {
    pid_t pid;
    int in_fd, stop_fd;
    struct guest_text out, err;
    char name[32];
    char last_error[256]; /* the last line of the monitor */
    struct client *client;
    uint64_t spawned_ns;
    uint64_t started_ns; /* the machine's start, once guest_stats was asked */
    struct run *run;     /* where notices go */
};

enum guest_event {
    GUEST_LINE,
    GUEST_TIMEOUT,
    GUEST_ENDED,
    GUEST_INTERRUPTED, /* stop_fd */
};

/* Notices go to *run. False and one line in err; then nothing is running. */
bool guest_start(struct guest *guest, const struct guest_config *config,
                 struct run *run, char *err, size_t err_bytes);

/* The next line of the console, without its end, valid until the next call,
 * and when it came. Waits until `until_ns`. */
enum guest_event guest_line(struct guest *guest, uint64_t until_ns,
                            const char **line, uint64_t *at_ns);

/* Type into the console. False: the guest has ended. */
bool guest_type(struct guest *guest, const char *text);

/* x-lull-stats, to be released; NULL and one line in err. Connects first
 * where that was not done yet. */
json_t *guest_stats(struct guest *guest, char *err, size_t err_bytes);

/* Another idle policy from now on. False: it was not taken. */
bool guest_set_policy(struct guest *guest, const char *policy);

/* End it, whatever state it is in; reap it. */
void guest_stop(struct guest *guest);

#endif
