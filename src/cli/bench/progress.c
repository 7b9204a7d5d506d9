#include "progress.h"

#include <math.h>
#include <stdio.h>
#include <unistd.h>

static void clear_line(void)
{
    if (isatty(STDERR_FILENO))
        fputs("\r\033[K", stderr);
}

static void head(const struct report *report, const struct run *run)
{
    const struct column *column = &report->column[run->column];

    fprintf(stderr, "[%zu/%zu] %s, %u vCPU%s: ", report->runs + 1,
            report->planned, column->policy, column->cpus,
            column->cpus == 1 ? "" : "s");
}

void progress_plan(const struct report *report, double seconds)
{
    fprintf(stderr,
            "%zu runs (%zu policies and numbers of vCPUs, %u each), about %.0f "
            "min; Ctrl-C ends it with a report of what there is\n",
            report->planned, report->columns, report->repeat,
            ceil(seconds / 60));
}

void progress_phase(const struct report *report, const struct run *run,
                    const char *phase)
{
    if (!isatty(STDERR_FILENO))
        return;
    clear_line();
    head(report, run);
    fprintf(stderr, "%s ...", phase);
    fflush(stderr);
}

void progress_done(const struct report *report, const struct run *run)
{
    const double *value = run->value;

    clear_line();
    head(report, run);
    if (run->outcome == OUTCOME_OK)
        fprintf(stderr,
                "boot %.2f s, idle %.2f %% CPU, %.0f wake-ups/s, late %.0f us, "
                "kick %.0f us\n",
                value[METRIC_BOOT_WALL], value[METRIC_IDLE_CPU],
                value[METRIC_WAKEUPS], value[METRIC_LATE_P50],
                value[METRIC_KICK_P50]);
    else
        fprintf(stderr, "%s: %s\n", outcome_name(run->outcome), run->reason);
}

void progress_say(const char *text)
{
    clear_line();
    fprintf(stderr, "%s\n", text);
}
