#include "guest.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli.h"
#include "client.h"
#include "host.h"
#include "lull/idle.h"
#include "pipe.h"
#include "self.h"

enum { STOP_MS = 3000, KILL_POLL_US = 5000 };

/* ---- starting
 * ------------------------------------------------------------------ */

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* Three pipes: the child's ends first. False: none are open. */
static bool make_pipes(int child[3], int ours[3])
{
    for (int i = 0; i < 3; i++)
        child[i] = ours[i] = -1;
    for (int i = 0; i < 3; i++) {
        int ends[2];

        if (!pipe_open(ends, false))
            break;
        child[i] = ends[i == 0 ? 0 : 1];
        ours[i] = ends[i == 0 ? 1 : 0];
        if (i == 2)
            return true;
    }
    for (int i = 0; i < 3; i++) {
        close_fd(&child[i]);
        close_fd(&ours[i]);
    }
    return false;
}

/* In the child, after fork: become `lull run`. */
static void become(const char *program, char **argv, const int child[3],
                   pid_t parent)
{
    sigset_t none;

    setpgid(0, 0);
    for (int i = 0; i < 3; i++)
        dup2(child[i], i);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    if (host_die_with_parent(parent))
        execv(program, argv);
    fprintf(stderr, "lull: cannot start %s: %s\n", program, strerror(errno));
    _exit(CLI_ERROR);
}

enum { ARGS_MAX = 32 };

struct command {
    char *argv[ARGS_MAX];
    char cpus[16], net[96];
};

static void fill_command(struct command *command, struct guest *guest,
                         const struct guest_config *config)
{
    const char *words[ARGS_MAX] = {
        "lull",        "run",
        "--name",      guest->name,
        "--kernel",    config->kernel,
        "--initrd",    config->initrd,
        "--append",    "console=ttyAMA0 quiet lull.run=lullbench,agent",
        "--idle",      config->policy,
        "--cpus",      command->cpus,
        "--console",   "stdio",
        "--no-reboot",
    };
    size_t count = 0;

    while (words[count] != NULL)
        count++;
    snprintf(command->cpus, sizeof(command->cpus), "%u", config->cpus);
    snprintf(command->net, sizeof(command->net),
             "user,forward=tcp:127.0.0.1:%u-:%d", config->net_port,
             GUEST_NET_PORT);
    if (config->net_port != 0) {
        words[count++] = "--net";
        words[count++] = command->net;
    }
    /* execv takes them without const, and changes nothing. */
    memcpy(command->argv, words, sizeof(words));
}

bool guest_start(struct guest *guest, const struct guest_config *config,
                 struct run *run, char *err, size_t err_bytes)
{
    static unsigned number;
    struct command command;
    char program[PATH_MAX];
    pid_t parent = getpid();
    int child[3], ours[3];

    *guest = (struct guest){.stop_fd = config->stop_fd, .run = run};
    snprintf(guest->name, sizeof(guest->name), "bench-%ld-%u", (long)parent,
             number++);
    fill_command(&command, guest, config);
    if (!self_path(program, sizeof(program)) || !make_pipes(child, ours)) {
        snprintf(err, err_bytes, "cannot start a guest: %s", strerror(errno));
        return false;
    }
    guest->spawned_ns = idle_now_ns();
    guest->pid = fork();
    if (guest->pid == 0)
        become(program, command.argv, child, parent);
    for (int i = 0; i < 3; i++)
        close_fd(&child[i]);
    if (guest->pid < 0) {
        snprintf(err, err_bytes, "no new process: %s", strerror(errno));
        for (int i = 0; i < 3; i++)
            close_fd(&ours[i]);
        return false;
    }
    guest->in_fd = ours[0];
    guest->out.fd = ours[1];
    guest->err.fd = ours[2];
    return true;
}

/* ---- the console, and the monitor's lines
 * ---------------------------------------- */

/* Take the next line out of what was read; NULL when there is none whole. A
 * line longer than the buffer is cut there: its writer is a guest. */
static const char *next_line(struct guest_text *text)
{
    char *end;

    memmove(text->bytes, text->bytes + text->used, text->len - text->used);
    text->len -= text->used;
    text->used = 0;
    end = text->len == 0 ? NULL : memchr(text->bytes, '\n', text->len);
    if (end == NULL && text->len < sizeof(text->bytes) - 1)
        return NULL;
    if (end == NULL)
        end = text->bytes + text->len++;
    text->used = (size_t)(end + 1 - text->bytes);
    *end = '\0';
    for (char *c = text->bytes; c < end; c++)
        if (*c == '\r' || *c == '\0')
            *c = ' ';
    while (end > text->bytes && end[-1] == ' ')
        *--end = '\0';
    return text->bytes;
}

static bool read_more(struct guest_text *text, uint64_t at_ns)
{
    ssize_t n = read(text->fd, text->bytes + text->len,
                     sizeof(text->bytes) - 1 - text->len);

    if (n < 0 && errno == EINTR)
        return true;
    if (n <= 0) {
        close_fd(&text->fd);
        return false;
    }
    text->len += (size_t)n;
    text->at_ns = at_ns;
    return true;
}

/* "lull: NAME: TEXT", or an error of `lull run`. */
static void take_notice(struct guest *guest, const char *line, uint64_t at_ns)
{
    struct run *run = guest->run;
    size_t name = strlen(guest->name);

    snprintf(guest->last_error, sizeof(guest->last_error), "%s", line);
    if (strncmp(line, "lull: ", 6) != 0 ||
        strncmp(line + 6, guest->name, name) != 0 ||
        strncmp(line + 6 + name, ": ", 2) != 0)
        return;
    if (run->notices == NOTICES_MAX)
        return;
    run->notice[run->notices].at_s = (double)at_ns / 1e9;
    snprintf(run->notice[run->notices].text, sizeof(run->notice[0].text), "%s",
             line + 6 + name + 2);
    run->notices++;
}

static void read_notices(struct guest *guest, uint64_t at_ns)
{
    const char *line;

    read_more(&guest->err, at_ns);
    while ((line = next_line(&guest->err)) != NULL)
        take_notice(guest, line, at_ns);
}

static int left_ms(uint64_t until_ns)
{
    uint64_t now = idle_now_ns();
    uint64_t ms = until_ns > now ? (until_ns - now + 999999) / 1000000 : 0;

    return ms > 60000 ? 60000 : (int)ms;
}

enum guest_event guest_line(struct guest *guest, uint64_t until_ns,
                            const char **line, uint64_t *at_ns)
{
    for (;;) {
        struct pollfd fds[] = {
            {.fd = guest->stop_fd, .events = POLLIN},
            {.fd = guest->err.fd, .events = POLLIN},
            {.fd = guest->out.fd, .events = POLLIN},
        };
        uint64_t now;
        int ready;

        *line = next_line(&guest->out);
        *at_ns = guest->out.at_ns;
        if (*line != NULL)
            return GUEST_LINE;
        if (guest->out.fd < 0)
            return GUEST_ENDED;
        ready = poll(fds, 3, left_ms(until_ns));
        now = idle_now_ns();
        if (ready == 0 && now >= until_ns)
            return GUEST_TIMEOUT;
        if (ready <= 0)
            continue;
        if (fds[0].revents != 0)
            return GUEST_INTERRUPTED;
        if (fds[1].revents != 0)
            read_notices(guest, now);
        if (fds[2].revents != 0)
            read_more(&guest->out, now);
    }
}

bool guest_type(struct guest *guest, const char *text)
{
    size_t len = strlen(text);

    while (len > 0) {
        ssize_t n = write(guest->in_fd, text, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        text += n;
        len -= (size_t)n;
    }
    return true;
}

/* ---- the control socket
 * ----------------------------------------------------------- */

static bool connected(struct guest *guest, char *err, size_t err_bytes)
{
    if (guest->client == NULL)
        guest->client = client_open(guest->name, err, err_bytes);
    return guest->client != NULL;
}

json_t *guest_stats(struct guest *guest, char *err, size_t err_bytes)
{
    json_t *stats;

    if (!connected(guest, err, err_bytes))
        return NULL;
    stats = client_ask(guest->client, "x-lull-stats", err, err_bytes);
    if (stats != NULL && guest->started_ns == 0)
        guest->started_ns =
            (uint64_t)(json_integer_value(json_object_get(stats, "now_ns")) -
                       json_integer_value(json_object_get(stats, "uptime_ns")));
    return stats;
}

bool guest_set_policy(struct guest *guest, const char *policy)
{
    char err[256];
    json_t *answer;

    if (!connected(guest, err, sizeof(err)))
        return false;
    answer =
        client_ask_with(guest->client, "x-lull-idle",
                        json_pack("{s:s}", "policy", policy), err, sizeof(err));
    json_decref(answer);
    return answer != NULL;
}

/* ---- the end
 * ---------------------------------------------------------------------- */

static bool reaped(pid_t pid, int for_ms)
{
    for (int us = 0;; us += KILL_POLL_US) {
        pid_t ended = waitpid(pid, NULL, WNOHANG);

        if (ended == pid || (ended < 0 && errno == ECHILD))
            return true;
        if (us / 1000 >= for_ms)
            return false;
        usleep(KILL_POLL_US);
    }
}

/* Notices by the machine's clock rather than by the host's. */
static void settle_notices(struct guest *guest)
{
    struct run *run = guest->run;
    uint64_t zero = guest->started_ns;

    if (zero == 0)
        zero = guest->spawned_ns;
    for (size_t i = 0; i < run->notices; i++)
        run->notice[i].at_s -= (double)zero / 1e9;
}

void guest_stop(struct guest *guest)
{
    if (guest->client != NULL)
        client_close(guest->client);
    guest->client = NULL;
    kill(guest->pid, SIGTERM);
    if (!reaped(guest->pid, STOP_MS)) {
        kill(guest->pid, SIGKILL);
        waitpid(guest->pid, NULL, 0);
    }
    close_fd(&guest->in_fd);
    close_fd(&guest->out.fd);
    close_fd(&guest->err.fd);
    settle_notices(guest);
}
