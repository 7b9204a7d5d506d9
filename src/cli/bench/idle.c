/*
 * Signals: Ctrl-C, SIGTERM and SIGHUP write a byte into a pipe that every wait
 * watches. The run under way is given up, its guest ended, and the reports
 * are written of what there is.
 */
#include "idle.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"
#include "host.h"
#include "measure.h"
#include "pipe.h"
#include "progress.h"
#include "report.h"

static int stop_pipe[2];
static volatile sig_atomic_t stop_signal;

static void on_signal(int number)
{
    int saved = errno;
    ssize_t done;

    stop_signal = number;
    done = write(stop_pipe[1], "", 1); /* full: somebody wrote already */
    (void)done;
    errno = saved;
}

static bool catch_signals(void)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};

    if (!pipe_open(stop_pipe, true))
        return false;
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
        sigaction(signals[i], &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    return true;
}

static void describe(struct report *report, const struct plan *plan)
{
    time_t now = time(NULL);
    struct tm tm;

    snprintf(report->version, sizeof(report->version), "%s", LULL_VERSION);
    host_describe(report->host, sizeof(report->host));
    snprintf(report->guest, sizeof(report->guest), "%s, %s", plan->kernel,
             plan->initrd);
    if (localtime_r(&now, &tm) != NULL)
        strftime(report->started, sizeof(report->started), "%Y-%m-%d %H:%M",
                 &tm);
}

static double expected_s(const struct plan *plan)
{
    double sum = 0;

    for (size_t i = 0; i < plan->policies; i++)
        sum += plan_run_s(plan->policy[i], plan->seconds);
    return sum * (double)plan->cpu_counts * plan->repeat;
}

/* False: no memory. */
static bool run_all(const struct plan *plan, struct report *report)
{
    struct measure_config config = {
        .plan = plan, .report = report, .stop_fd = stop_pipe[0]};

    progress_plan(report, expected_s(plan));
    for (size_t n = 0; n < report->planned && stop_signal == 0; n++) {
        unsigned round;
        size_t column = plan_column(report, n, &round);
        struct run run;

        run_init(&run, column, round);
        measure_run(&config, &run);
        progress_done(report, &run);
        if (!report_add(report, &run))
            return false;
    }
    return true;
}

/* ---- where reports go
 * ------------------------------------------------------------ */

typedef bool report_writer(const struct report *report, FILE *to);

/* Written beside it and renamed: a report is there whole or not at all. */
static bool write_file(const struct report *report, const char *path,
                       report_writer *writer)
{
    size_t bytes = strlen(path) + 8;
    char *beside = malloc(bytes);
    FILE *to = NULL;
    int fd = -1, error;
    bool written = false;

    if (beside != NULL) {
        snprintf(beside, bytes, "%s.XXXXXX", path);
        fd = mkstemp(beside);
    }
    if (fd >= 0) {
        mode_t mask = umask(0);

        umask(mask);
        fchmod(fd, 0666 & ~mask);
        to = fdopen(fd, "w");
    }
    if (to != NULL) {
        written = writer(report, to);
        written = fclose(to) == 0 && written && rename(beside, path) == 0;
    }
    error = errno;
    if (fd >= 0 && !written)
        unlink(beside);
    free(beside);
    if (!written)
        cli_fail("bench", "%s: %s", path, strerror(error));
    return written;
}

static bool is_stdout(const char *path)
{
    return path != NULL && strcmp(path, "-") == 0;
}

/* The table is for people; where JSON takes standard output, it stays away. */
static bool write_reports(const struct bench_idle_config *config,
                          const struct report *report)
{
    bool written = is_stdout(config->json) ? report_json(report, stdout)
                                           : report_table(report, stdout);

    if (!written)
        cli_fail("bench", "standard output: %s", strerror(errno));
    if (config->json != NULL && !is_stdout(config->json))
        written &= write_file(report, config->json, report_json);
    if (config->html != NULL)
        written &= write_file(report, config->html, report_html);
    return written;
}

/* Before minutes are spent on what cannot be written: is there a folder? */
static bool writable(const char *path)
{
    const char *slash = path == NULL ? NULL : strrchr(path, '/');
    char *folder;
    bool good;

    if (path == NULL || is_stdout(path))
        return true;
    folder = slash == NULL
                 ? strdup(".")
                 : strndup(path, slash == path ? 1 : (size_t)(slash - path));
    good = folder != NULL && access(folder, W_OK | X_OK) == 0;
    if (!good)
        cli_fail("bench", "%s: %s", path, strerror(errno));
    free(folder);
    return good;
}

static size_t failures(const struct report *report)
{
    size_t count = 0;

    for (size_t i = 0; i < report->runs; i++)
        count += report->run[i].outcome == OUTCOME_FAILED;
    return count;
}

int bench_idle(const struct bench_idle_config *config)
{
    struct report report = {0};
    bool good;

    if (!writable(config->json) || !writable(config->html))
        return CLI_ERROR;
    if (!catch_signals())
        return cli_fail("bench", "no pipe: %s", strerror(errno));
    if (!plan_columns(&config->plan, &report))
        return cli_fail("bench", "no memory");
    describe(&report, &config->plan);
    good = run_all(&config->plan, &report);
    if (!good)
        cli_fail("bench", "no memory; what follows is what there is");
    good &= write_reports(config, &report);
    if (failures(&report) > 0)
        good = false;
    report_free(&report);
    if (stop_signal != 0)
        return CLI_SIGNAL + stop_signal;
    return good ? CLI_OK : CLI_ERROR;
}
