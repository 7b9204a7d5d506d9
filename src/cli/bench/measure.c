/*
 * The order of things in a run: boot; wait until the policy is what it is
 * going to be; leave the guest alone for `seconds` and read the counters
 * before and after, and nothing in between, for reading them wakes it; then
 * ask the program in the guest (bench/guest/agent.c) for the rest.
 *
 * A kick's latency is one way: the program in the guest says what its counter
 * was when it had the byte, and x-lull-stats says what that is in the host's
 * time. So the answer's way back is no part of it.
 */
#include "measure.h"

#include <math.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "echo.h"
#include "guest.h"
#include "lull/idle.h"
#include "progress.h"
#include "snapshot.h"
#include "watch.h"

/* A guest that runs and does not get there has so long for it. It is no
 * measure of anything: generous, for hosts that are busy. */
enum { LIMIT_S = 180 };

#define SECOND_NS 1000000000ULL

struct session {
    const struct measure_config *config;
    const char *policy;
    struct run *run;
    struct guest guest;
    struct snapshot at;   /* the last one taken */
    struct snapshot then; /* of the last moment */
    bool young;           /* booting or settling: moments are kept */
};

/* ---- waiting
 * ------------------------------------------------------------------- */

static bool ended(struct session *s, enum outcome outcome, const char *reason)
{
    s->run->outcome = outcome;
    snprintf(s->run->reason, sizeof(s->run->reason), "%s", reason);
    return false;
}

static bool guest_gone(struct session *s, const char *doing)
{
    char reason[320];

    snprintf(reason, sizeof(reason), "%s: the guest has ended: %s", doing,
             s->guest.last_error[0] != '\0' ? s->guest.last_error
                                            : "it said nothing");
    return ended(s, OUTCOME_FAILED, reason);
}

static bool look(struct session *s)
{
    char err[256];
    json_t *stats = guest_stats(&s->guest, err, sizeof(err));
    bool read = stats != NULL && snapshot_read(stats, &s->at);

    json_decref(stats);
    return read || ended(s, OUTCOME_FAILED,
                         stats == NULL ? err : "x-lull-stats makes no sense");
}

/* Those with a grace period are watched from the start: when do they begin? */
static bool is_watched(const struct session *s)
{
    return s->young && plan_grace_s(s->policy) > 0;
}

static void note_moment(struct session *s)
{
    const struct snapshot *now = &s->at, *then = &s->then;
    struct run *run = s->run;
    struct moment *more;

    if (!is_watched(s))
        return;
    more = realloc(run->moment, (run->moments + 1) * sizeof(*more));
    if (more == NULL)
        return;
    run->moment = more;
    run->moment[run->moments++] = (struct moment){
        .at_s = now->uptime_ns / 1e9,
        .cpu_percent = then->now_ns > 0 ? snapshot_cpu_percent(then, now) : NAN,
        .wfi_per_s = then->now_ns > 0
                         ? snapshot_rate(then, now, now->wfi - then->wfi)
                         : NAN,
        .sleeps = now->entries[IDLE_STATE_SLICED],
    };
    s->then = *now;
}

/* What a stuck guest does under `park` tells whether it was the policy. */
static void try_park(struct session *s)
{
    char *reason = s->run->reason;
    size_t used = strlen(reason);
    double exits = s->at.exits;
    const char *line;
    uint64_t at, until = idle_now_ns() + SECOND_NS;

    if (!guest_set_policy(&s->guest, "park"))
        return;
    while (guest_line(&s->guest, until, &line, &at) == GUEST_LINE)
        ;
    if (!look(s))
        return;
    s->run->outcome = OUTCOME_STUCK;
    snprintf(reason + used, sizeof(s->run->reason) - used,
             s->at.exits > exits + 100
                 ? "; switched to park, it went on (%.0f exits in a second)"
                 : "; switched to park, it did not go on (%.0f exits)",
             s->at.exits - exits);
}

static bool is_stuck(struct session *s, struct watch *watch)
{
    char err[256];
    json_t *stats = guest_stats(&s->guest, err, sizeof(err));
    bool read = stats != NULL && snapshot_read(stats, &s->at);

    json_decref(stats);
    if (!read) /* not up yet, or ended: that shows by itself */
        return false;
    note_moment(s);
    if (!watch_stuck(watch, &s->at, s->run->reason, sizeof(s->run->reason)))
        return false;
    s->run->outcome = OUTCOME_STUCK;
    try_park(s);
    return true;
}

/* The next line of the console that begins with one of two words; `other` may
 * be NULL. False: there will be none, and the outcome says why. */
static bool await(struct session *s, const char *doing, const char *begin,
                  const char *other, const char **line, uint64_t *at)
{
    uint64_t patience_ns = is_watched(s) ? SECOND_NS / 2 : SECOND_NS;
    struct watch watch;

    watch_begin(&watch, s->policy, doing, (double)idle_now_ns(), LIMIT_S);
    for (;;) {
        switch (guest_line(&s->guest, idle_now_ns() + patience_ns, line, at)) {
        case GUEST_LINE:
            if (strncmp(*line, begin, strlen(begin)) == 0 ||
                (other != NULL && strncmp(*line, other, strlen(other)) == 0))
                return true;
            break;
        case GUEST_TIMEOUT:
            if (is_stuck(s, &watch))
                return false;
            break;
        case GUEST_ENDED:
            return guest_gone(s, doing);
        case GUEST_INTERRUPTED:
            return ended(s, OUTCOME_CUT, doing);
        }
    }
}

/* Leave the guest alone until then. */
static bool let_be(struct session *s, const char *doing, uint64_t until_ns)
{
    const char *line;
    uint64_t at;

    for (;;) {
        switch (guest_line(&s->guest, until_ns, &line, &at)) {
        case GUEST_LINE:
            break;
        case GUEST_TIMEOUT:
            return true;
        case GUEST_ENDED:
            return guest_gone(s, doing);
        case GUEST_INTERRUPTED:
            return ended(s, OUTCOME_CUT, doing);
        }
    }
}

/* ---- boot, and what it grows into
 * ----------------------------------------------- */

static bool boot(struct session *s)
{
    double *value = s->run->value;
    const char *line;
    uint64_t at;

    if (!await(s, "while booting", "LULL-GUEST-READY", NULL, &line, &at) ||
        !look(s))
        return false;
    value[METRIC_BOOT_WALL] = (double)(at - s->guest.spawned_ns) / 1e9;
    value[METRIC_BOOT_CPU] = s->at.cpu_ns / 1e9;
    if (!await(s, "while starting lullbench", "@bench ready 1", "LULL-RUN-END",
               &line, &at))
        return false;
    if (line[0] == '@')
        return true;
    return ended(s, OUTCOME_FAILED,
                 "this initrd has no `lullbench agent`: fetch the guest again "
                 "(`lull guest fetch debian`) with a cross compiler installed");
}

/* Until the policy has settled, and the guest. */
static bool settle(struct session *s)
{
    double settled_s = plan_settled_s(s->policy);
    double quiet_s = plan_quiet_s(s->policy, s->config->plan->seconds);
    uint64_t until = s->guest.started_ns + (uint64_t)(settled_s * 1e9);
    uint64_t quiet = idle_now_ns() + (uint64_t)(quiet_s * 1e9);

    if (until < quiet)
        until = quiet;
    while (idle_now_ns() < until) {
        uint64_t next = idle_now_ns() + SECOND_NS / 2;

        if (!is_watched(s))
            next = until;
        if (!let_be(s, "before the measurement", next < until ? next : until))
            return false;
        if (is_watched(s) && !look(s))
            return false;
        note_moment(s);
    }
    return true;
}

static bool begin_life(struct session *s)
{
    bool good;

    s->young = true;
    progress_phase(s->config->report, s->run, "booting");
    good = boot(s);
    if (good)
        progress_phase(s->config->report, s->run, "settling");
    good = good && settle(s);
    s->young = false;
    return good;
}

static bool idle(struct session *s)
{
    double *value = s->run->value;
    uint64_t length = (uint64_t)(s->config->plan->seconds * 1e9);
    struct snapshot before;

    if (!look(s))
        return false;
    before = s->at;
    if (!let_be(s, "while idle", idle_now_ns() + length) || !look(s))
        return false;
    value[METRIC_IDLE_CPU] = snapshot_cpu_percent(&before, &s->at);
    value[METRIC_WAKEUPS] =
        snapshot_rate(&before, &s->at, s->at.switches - before.switches);
    value[METRIC_WFI] = snapshot_rate(&before, &s->at, s->at.wfi - before.wfi);
    snapshot_residency(&before, &s->at, s->run->residency);
    for (unsigned i = 0; i < IDLE_LENGTHS; i++)
        s->run->idle_length[i] = s->at.idle_length[i] - before.idle_length[i];
    return true;
}

/* ---- the program in the guest
 * --------------------------------------------------- */

static bool protocol_error(struct session *s, const char *line)
{
    char reason[320];

    snprintf(reason, sizeof(reason), "the guest answers \"%.200s\"", line);
    return ended(s, OUTCOME_FAILED, reason);
}

static bool command(struct session *s, const char *name, unsigned long count)
{
    char text[64];

    snprintf(text, sizeof(text), "%s %lu\n", name, count);
    return guest_type(&s->guest, text) || guest_gone(s, name);
}

/* "@bench WORD NUMBER" */
static bool agent_number(struct session *s, const char *doing, const char *word,
                         double *number, uint64_t *at)
{
    char begin[32], *end;
    const char *line;

    snprintf(begin, sizeof(begin), "@bench %s ", word);
    if (!await(s, doing, begin, "@bench error", &line, at))
        return false;
    if (strncmp(line, begin, strlen(begin)) != 0)
        return protocol_error(s, line);
    *number = strtod(line + strlen(begin), &end);
    return (*end == '\0' && isfinite(*number) && *number >= 0) ||
           protocol_error(s, line);
}

static bool agent_says(struct session *s, const char *doing, const char *what)
{
    const char *line;
    char whole[32];
    uint64_t at;

    snprintf(whole, sizeof(whole), "@bench %s", what);
    if (!await(s, doing, whole, "@bench error", &line, &at))
        return false;
    return strcmp(line, whole) == 0 || protocol_error(s, line);
}

static bool late_line(struct session *s, const char *line)
{
    while (*line == ' ') {
        char *end;
        double ns = strtod(line + 1, &end);

        if (end == line + 1 || ns < 0)
            return protocol_error(s, line);
        if (!samples_add(&s->run->late_ns, ns))
            return ended(s, OUTCOME_FAILED, "no memory");
        line = end;
    }
    return *line == '\0' || protocol_error(s, line);
}

static bool lateness(struct session *s, unsigned long count)
{
    static const char begin[] = "@bench late";
    struct samples *late = &s->run->late_ns;
    double *value = s->run->value;
    struct snapshot before = s->at;
    const char *line;
    uint64_t at;

    if (!command(s, "late", count))
        return false;
    for (;;) {
        if (!await(s, "in the timer test", begin, "@bench", &line, &at))
            return false;
        if (strcmp(line, "@bench done") == 0)
            break;
        if (strncmp(line, begin, sizeof(begin) - 1) != 0)
            return protocol_error(s, line);
        if (late->count >= count || !late_line(s, line + sizeof(begin) - 1))
            return s->run->outcome != OUTCOME_OK ? false
                                                 : protocol_error(s, line);
    }
    if (!look(s))
        return false;
    value[METRIC_LATE_P50] = samples_quantile(late, 0.5) / 1e3;
    value[METRIC_LATE_P90] = samples_quantile(late, 0.9) / 1e3;
    value[METRIC_LATE_P99] = samples_quantile(late, 0.99) / 1e3;
    value[METRIC_HOST_LATE_P50] = snapshot_late_p50(&before, &s->at) / 1e3;
    return true;
}

/* Between two kicks the guest goes idle: 5 to 25 ms, in no rhythm that could
 * fall in with a tick of anybody's, and the same for every run. */
static uint64_t gap_ns(uint32_t *state)
{
    *state = *state * 1664525 + 1013904223;
    return 5000000 + (*state >> 8) % 20000000;
}

static double host_time(const struct snapshot *at, double counter)
{
    return at->counter_zero_ns + counter * (1e9 / at->counter_hz);
}

static bool kicks(struct session *s, unsigned long count)
{
    struct samples *kick = &s->run->kick_ns, echo = {0};
    double *value = s->run->value;
    uint32_t gaps = 1;
    bool good =
        command(s, "kick", count) && agent_says(s, "in the kick test", "go");

    for (unsigned long i = 0; good && i < count; i++) {
        uint64_t sent, at;
        double counter;

        good = let_be(s, "in the kick test", idle_now_ns() + gap_ns(&gaps));
        sent = idle_now_ns();
        good =
            good &&
            (guest_type(&s->guest, "k") || guest_gone(s, "in the kick test")) &&
            agent_number(s, "in the kick test", "k", &counter, &at);
        if (!good)
            break;
        samples_add(kick, fmax(host_time(&s->at, counter) - (double)sent, 0));
        samples_add(&echo, (double)(at - sent));
    }
    good = good && agent_says(s, "in the kick test", "done");
    value[METRIC_KICK_P50] = samples_quantile(kick, 0.5) / 1e3;
    value[METRIC_KICK_P99] = samples_quantile(kick, 0.99) / 1e3;
    value[METRIC_ECHO_P50] = samples_quantile(&echo, 0.5) / 1e3;
    value[METRIC_ECHO_MAX] = samples_quantile(&echo, 1) / 1e3;
    samples_free(&echo);
    return good;
}

static bool net_kicks(struct session *s, unsigned port, unsigned long count)
{
    struct samples *net = &s->run->net_ns, echo = {0};
    double *value = s->run->value;
    char err[160];
    uint32_t gaps = 1;
    int fd;

    if (!command(s, "net", GUEST_NET_PORT) ||
        !agent_says(s, "in the network test", "go"))
        return false;
    fd = echo_connect(port, err, sizeof(err));
    if (fd < 0)
        return ended(s, OUTCOME_FAILED, err);
    for (unsigned long i = 0; i < count; i++) {
        double counter;
        uint64_t sent;

        if (!let_be(s, "in the kick test", idle_now_ns() + gap_ns(&gaps)))
            break;
        sent = idle_now_ns();
        if (!echo_byte(fd, &counter, err, sizeof(err))) {
            ended(s, OUTCOME_FAILED, err);
            break;
        }
        samples_add(&echo, (double)(idle_now_ns() - sent));
        samples_add(net, fmax(host_time(&s->at, counter) - (double)sent, 0));
    }
    close(fd);
    value[METRIC_NET_P50] = samples_quantile(net, 0.5) / 1e3;
    value[METRIC_NET_P99] = samples_quantile(net, 0.99) / 1e3;
    value[METRIC_NET_ECHO_MAX] = samples_quantile(&echo, 1) / 1e3;
    samples_free(&echo);
    return s->run->outcome == OUTCOME_OK &&
           agent_says(s, "in the network test", "done");
}

static bool timed(struct session *s, const char *name, unsigned long count,
                  double *ns)
{
    uint64_t at;

    return command(s, name, count) && agent_number(s, name, "time", ns, &at) &&
           agent_says(s, name, "done");
}

/* As much of each as a window of `seconds` deserves. */
static unsigned long scaled(double seconds, double a_second, double least,
                            double most)
{
    return (unsigned long)fmin(fmax(seconds * a_second, least), most);
}

static bool ask_guest(struct session *s, unsigned net_port)
{
    const struct report *report = s->config->report;
    double seconds = s->config->plan->seconds, ns;
    unsigned long keys = scaled(seconds, 100.0 / 3, 10, 1000);
    unsigned long units = scaled(seconds, 14, 14, 420);
    unsigned long hands = scaled(seconds, 100, 100, 3000);

    progress_phase(report, s->run, "timers");
    if (!lateness(s, scaled(seconds, 40, 40, 1200)))
        return false;
    progress_phase(report, s->run, "kicks");
    if (!kicks(s, keys))
        return false;
    if (net_port != 0 && !net_kicks(s, net_port, keys))
        return false;
    progress_phase(report, s->run, "work");
    if (!timed(s, "compute", units, &ns))
        return false;
    /* For 400 units, however many were asked for. */
    s->run->value[METRIC_COMPUTE] = ns / 1e9 * 400 / (double)units;
    if (!timed(s, "handoff", hands, &ns))
        return false;
    s->run->value[METRIC_HANDOFF] = ns / 1e3 / (double)hands;
    return true;
}

/* ---- one run
 * -------------------------------------------------------------------- */

void measure_run(const struct measure_config *config, struct run *run)
{
    const struct column *column = &config->report->column[run->column];
    const struct plan *plan = config->plan;
    struct session s = {.config = config, .run = run, .policy = column->policy};
    struct guest_config guest = {
        .kernel = plan->kernel,
        .initrd = plan->initrd,
        .policy = column->policy,
        .cpus = column->cpus,
        .net_port = plan->net ? echo_free_port() : 0,
        .stop_fd = config->stop_fd,
    };
    char err[256];

    if (!guest_start(&s.guest, &guest, run, err, sizeof(err))) {
        ended(&s, OUTCOME_FAILED, err);
        return;
    }
    if (begin_life(&s)) {
        progress_phase(config->report, run, "idling");
        if (idle(&s))
            ask_guest(&s, guest.net_port);
    }
    if (getloadavg(&run->load, 1) != 1)
        run->load = NAN;
    guest_stop(&s.guest);
}
