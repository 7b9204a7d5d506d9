/*
 * `lull doctor`: why a VM is hot. Looks at a process for some seconds, and
 * says what it found: doctor/doctor.h.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli.h"
#include "client.h"
#include "doctor/doctor.h"
#include "lull/vm.h"

static const char help[] =
    "Usage: lull doctor NAME [OPTION...]\n"
    "       lull doctor --pid PID [--qmp SOCKET] [OPTION...]\n"
    "\n"
    "Finds out why a VM is hot: one of Lull's by name, or any QEMU (or Lull)\n"
    "by its process. Says which program really runs, in which environment,\n"
    "what each thread costs, and names the cause with evidence and a remedy.\n"
    "\n"
    "  --pid PID         the process to look at\n"
    "  --qmp SOCKET      ask this QEMU's QMP socket too: which threads are\n"
    "                    vCPUs, and whether their guest is at a WFI\n"
    "  --seconds SECONDS how long to look (3)\n"
    "  --json            one JSON object\n"
    "  --help            this text\n"
    "\n"
    "Exit codes: 0 healthy, 10 a vCPU was never started, 11 the guest is\n"
    "busy, 12 WFI returns at once, 13 timer storm, 14 kick storm, 15 the hot\n"
    "thread is not a vCPU; 1 no verdict: a bad option, no such process.\n";

enum option_id { OPT_PID = 256, OPT_QMP, OPT_SECONDS, OPT_JSON, OPT_HELP };

static const struct option options[] = {
    {"pid", required_argument, NULL, OPT_PID},
    {"qmp", required_argument, NULL, OPT_QMP},
    {"seconds", required_argument, NULL, OPT_SECONDS},
    {"json", no_argument, NULL, OPT_JSON},
    {"help", no_argument, NULL, OPT_HELP},
    {NULL, 0, NULL, 0},
};

struct request {
    const char *name, *qmp;
    int64_t pid;
    double seconds;
    bool json, help;
};

/* A Lull VM's client and its first reading, or neither. */
struct lull_side {
    struct client *client;
    json_t *before;
};

static int64_t pid_of(const json_t *stats)
{
    return json_integer_value(
        json_object_get(json_object_get(stats, "process"), "pid"));
}

static bool open_vm(struct lull_side *lull, const char *name, char *err,
                    size_t err_bytes)
{
    lull->client = client_open(name, err, err_bytes);
    if (lull->client == NULL)
        return false;
    lull->before = client_ask(lull->client, "x-lull-stats", err, err_bytes);
    return lull->before != NULL;
}

static void close_vm(struct lull_side *lull)
{
    json_decref(lull->before);
    if (lull->client != NULL)
        client_close(lull->client);
    *lull = (struct lull_side){0};
}

/* Is that process one of Lull's VMs? */
static void find_vm(struct lull_side *lull, int64_t pid)
{
    char **names = client_names(), err[LULL_ERROR_BYTES];

    for (size_t i = 0; names != NULL && names[i] != NULL; i++) {
        if (open_vm(lull, names[i], err, sizeof(err)) &&
            pid_of(lull->before) == pid)
            break;
        close_vm(lull);
    }
    client_free_names(names);
}

/* ---- looking
 * -----------------------------------------------------------------
 */

static bool finish_lull(struct lull_side *lull, struct doctor_observation *seen,
                        char *err, size_t err_bytes)
{
    json_t *after = client_ask(lull->client, "x-lull-stats", err, err_bytes);
    const char *name = json_string_value(json_object_get(after, "name"));

    if (after == NULL)
        return false;
    snprintf(seen->name, sizeof(seen->name), "%s", name == NULL ? "" : name);
    doctor_count(seen, lull->before, after);
    json_decref(after);
    return true;
}

static bool observe(const struct request *request, struct lull_side *lull,
                    struct client *qmp, struct doctor_observation *seen,
                    char *err, size_t err_bytes)
{
    struct doctor_watch *watch =
        doctor_watch_new(seen, request->pid, err, err_bytes);
    bool done;

    if (watch == NULL)
        return false;
    if (lull->client != NULL)
        seen->kind = DOCTOR_LULL;
    done = (qmp == NULL || doctor_ask(qmp, seen, err, err_bytes)) &&
           doctor_watch_finish(watch, seen, request->seconds, err, err_bytes);
    doctor_watch_free(watch);
    if (!done)
        return false;
    doctor_guess_roles(seen);
    if (lull->client != NULL && !finish_lull(lull, seen, err, err_bytes))
        return false;
    return qmp == NULL || doctor_ask_vcpus(qmp, seen, err, err_bytes);
}

static int report(const struct doctor_observation *seen, bool as_json)
{
    struct doctor_verdict verdict;

    doctor_judge(seen, &verdict);
    if (as_json) {
        json_t *json = doctor_json(seen, &verdict);

        json_dumpf(json, stdout, JSON_INDENT(2));
        putchar('\n');
        json_decref(json);
    } else {
        doctor_print(seen, &verdict);
    }
    return fflush(stdout) == 0 ? doctor_finding_code(verdict.finding)
                               : CLI_ERROR;
}

/* The window of Lull's counters is that of the threads, but for the moments
 * between the readings: it is some seconds long. */
static int look(struct request *request)
{
    static struct doctor_observation seen;
    struct lull_side lull = {0};
    struct client *qmp = NULL;
    char err[LULL_ERROR_BYTES] = "";
    bool ok = true;
    int status;

    if (request->name != NULL) {
        ok = open_vm(&lull, request->name, err, sizeof(err));
        request->pid = pid_of(lull.before);
    } else {
        find_vm(&lull, request->pid);
    }
    if (ok && request->qmp != NULL) {
        qmp = client_open_path(request->qmp, err, sizeof(err));
        ok = qmp != NULL;
    }
    ok = ok && observe(request, &lull, qmp, &seen, err, sizeof(err));
    status = ok ? report(&seen, request->json) : cli_fail("doctor", "%s", err);
    if (qmp != NULL)
        client_close(qmp);
    close_vm(&lull);
    free(seen.thread);
    return status;
}

/* ---- options
 * -----------------------------------------------------------------
 */

static int set(struct request *request, int option, const char *value)
{
    uint64_t pid;

    switch (option) {
    case OPT_PID:
        if (!cli_number(value, 1, INT32_MAX, &pid))
            return cli_fail("doctor", "--pid %s: give a process's number",
                            value);
        request->pid = (int64_t)pid;
        return CLI_OK;
    case OPT_QMP:
        request->qmp = value;
        return CLI_OK;
    case OPT_SECONDS:
        if (!cli_seconds(value, 3600, &request->seconds) ||
            request->seconds < 0.2)
            return cli_fail("doctor", "--seconds %s: give 0.2 to 3600", value);
        return CLI_OK;
    case OPT_JSON:
        request->json = true;
        return CLI_OK;
    case OPT_HELP:
        request->help = true;
        return CLI_OK;
    default:
        return CLI_ERROR;
    }
}

int cmd_doctor(int argc, char **argv)
{
    struct request request = {.seconds = 3};
    int option;

    while ((option = cli_option("doctor", argc, argv, options)) != -1)
        if (set(&request, option, optarg) != CLI_OK)
            return CLI_ERROR;
    if (request.help)
        return cli_help(help);
    if (argc - optind > 1)
        return cli_fail("doctor", "%s: give one name only", argv[optind + 1]);
    if (optind < argc)
        request.name = argv[optind];
    if ((request.name == NULL) == (request.pid == 0))
        return cli_fail("doctor", "give the name of a VM (`lull list` shows "
                                  "them), or --pid PID");
    if (request.name != NULL && request.qmp != NULL)
        return cli_fail("doctor", "--qmp is for --pid: Lull's VMs are asked "
                                  "by themselves");
    return look(&request);
}
