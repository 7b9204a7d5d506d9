/*
 * `lull trace`: record what the vCPUs of a VM do about their idleness, and
 * read such recordings.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "cmd_trace.h"
#include "lull/vm.h"
#include "trace/export.h"
#include "trace/file.h"

static const char help[] =
    "Usage: lull trace record NAME [--seconds N] [-o FILE]\n"
    "       lull trace show FILE [--vcpu N] [--from S] [--to S]\n"
    "       lull trace stat FILE [--json]\n"
    "       lull trace export FILE [-o FILE.json]\n"
    "\n"
    "Records every wait, wake, kick and idle state of a running VM's vCPUs,\n"
    "and reads such recordings. `lull replay` says what another idle policy\n"
    "would have made of one.\n"
    "\n"
    "  record   into FILE (NAME.trace), until Ctrl-C, the VM's end, or for\n"
    "           --seconds\n"
    "  show     one line a record; --from and --to are seconds since the\n"
    "           recording began\n"
    "  stat     where the time went, what woke the vCPUs, and how late\n"
    "  export   as trace-event JSON, which Perfetto and chrome://tracing\n"
    "           open; without -o to standard output\n";

enum option_id {
    OPT_SECONDS = 256,
    OPT_OUTPUT,
    OPT_VCPU,
    OPT_FROM,
    OPT_TO,
    OPT_JSON,
    OPT_HELP
};

static const struct option options[] = {
    {"seconds", required_argument, NULL, OPT_SECONDS},
    {"output", required_argument, NULL, OPT_OUTPUT},
    {"vcpu", required_argument, NULL, OPT_VCPU},
    {"from", required_argument, NULL, OPT_FROM},
    {"to", required_argument, NULL, OPT_TO},
    {"json", no_argument, NULL, OPT_JSON},
    {"help", no_argument, NULL, OPT_HELP},
    {NULL, 0, NULL, 0},
};

struct arguments {
    double seconds, from, to;
    const char *output;
    uint64_t vcpu; /* UINT64_MAX: all */
    bool json;
    unsigned given; /* options, a bit each from OPT_SECONDS on */
    const char *what, *file;
};

/* ---- show */

static void when(char *out, size_t bytes, uint64_t value, uint64_t now)
{
    if (value == IDLE_NO_DEADLINE)
        snprintf(out, bytes, "no deadline");
    else if (value >= now)
        snprintf(out, bytes, "until +%.3f us", (double)(value - now) / 1e3);
    else
        snprintf(out, bytes, "until -%.3f us", (double)(now - value) / 1e3);
}

static void show_wake(const struct idle_trace_record *r)
{
    char reasons[128];

    trace_reasons_text(r->reasons, reasons, sizeof(reasons));
    printf("%-6s %s", r->kind == IDLE_TRACE_WAKE ? "wake" : "pass",
           trace_wake_name(r->detail));
    if (r->reasons != 0)
        printf(" %s", reasons);
    if (r->detail == IDLE_WAKE_DEADLINE && r->value <= r->time_ns)
        printf(", late %.3f us", (double)(r->time_ns - r->value) / 1e3);
}

static void show_kick(const struct idle_trace_record *r)
{
    static const char *const found[] = {"awake", "asleep: woken",
                                        "in the guest: forced out"};
    char reasons[128], who[32];

    trace_reasons_text(r->reasons, reasons, sizeof(reasons));
    trace_who_text(r->who, who, sizeof(who));
    printf("kick   %s by %s, %s", reasons, who, found[r->detail]);
}

static void show_record(const struct trace *trace,
                        const struct idle_trace_record *r)
{
    uint64_t since = r->time_ns - trace->header.begin_ns;
    char text[128];

    printf("%5" PRIu64 ".%09" PRIu64 "  vcpu %-2u  ", since / 1000000000,
           since % 1000000000, r->vcpu);
    when(text, sizeof(text), r->value, r->time_ns);
    switch (r->kind) {
    case IDLE_TRACE_WAIT:
        printf("wait   %s, %s", r->detail ? "wfi" : "held or off", text);
        break;
    case IDLE_TRACE_STATE:
        printf("state  %s, %s", trace_state_name(r->detail), text);
        break;
    case IDLE_TRACE_WAKE:
    case IDLE_TRACE_PASS:
        show_wake(r);
        break;
    case IDLE_TRACE_KICK:
        show_kick(r);
        break;
    case IDLE_TRACE_POLICY:
        trace_policy_text(r, text, sizeof(text));
        printf("policy %s", text);
        break;
    case IDLE_TRACE_CPU:
        printf("cpu    %.6f s used so far", (double)r->value / 1e9);
        break;
    case IDLE_TRACE_MARGIN:
        printf("margin 2^%u ns: %.3f us", r->detail, (double)r->value / 1e3);
        break;
    default:
        printf("lost   %" PRIu64 " records%s", r->value,
               r->detail == IDLE_TRACE_KICKS ? " of kicks" : "");
        break;
    }
    putchar('\n');
}

/* The vCPU whose next record is the oldest; -1 when all are shown. */
static int oldest(const struct trace *trace, const size_t *next)
{
    int best = -1;

    for (unsigned v = 0; v < trace->header.vcpus; v++) {
        if (next[v] < trace->first[v + 1] &&
            (best < 0 || trace->records[next[v]].time_ns <
                             trace->records[next[best]].time_ns))
            best = (int)v;
    }
    return best;
}

static int show(const struct trace *trace, const struct arguments *args)
{
    size_t next[TRACE_VCPUS_MAX] = {0};
    int vcpu;

    for (unsigned v = 0; v < trace->header.vcpus; v++)
        next[v] = trace->first[v];
    printf("%s: %u vCPUs, %.3f s, policy %s, recorded by lull %s\n",
           trace->header.name, trace->header.vcpus,
           (double)(trace->end_ns - trace->header.begin_ns) / 1e9,
           trace->header.policy, trace->header.version);
    while ((vcpu = oldest(trace, next)) >= 0) {
        const struct idle_trace_record *r = &trace->records[next[vcpu]++];
        double since = (double)(r->time_ns - trace->header.begin_ns) / 1e9;

        if ((args->vcpu == UINT64_MAX || args->vcpu == r->vcpu) &&
            since >= args->from && since <= args->to)
            show_record(trace, r);
        if (ferror(stdout))
            break;
    }
    return fflush(stdout) == 0 ? CLI_OK : CLI_ERROR;
}

static int show_file(const struct arguments *args)
{
    char err[LULL_ERROR_BYTES];
    struct trace trace;
    int status;

    if (!trace_load(args->file, &trace, err, sizeof(err)))
        return cli_fail("trace", "%s", err);
    if (args->vcpu != UINT64_MAX && args->vcpu >= trace.header.vcpus)
        status = cli_fail("trace", "--vcpu %" PRIu64 ": %s has vCPUs 0 to %u",
                          args->vcpu, args->file, trace.header.vcpus - 1);
    else
        status = show(&trace, args);
    trace_free(&trace);
    return status;
}

/* ---- export */

static int export_file(const struct arguments *args)
{
    char err[LULL_ERROR_BYTES];
    struct trace trace;
    FILE *out = stdout;
    bool ok = false;

    if (!trace_load(args->file, &trace, err, sizeof(err)))
        return cli_fail("trace", "%s", err);
    if (args->output != NULL)
        out = fopen(args->output, "we");
    if (out != NULL) {
        ok = trace_export(&trace, out);
        if (out != stdout && fclose(out) != 0)
            ok = false;
    }
    trace_free(&trace);
    if (!ok)
        return cli_fail("trace", "%s: %s",
                        args->output ? args->output : "standard output",
                        strerror(errno));
    return CLI_OK;
}

/* ---- the command */

static bool read_option(int option, struct arguments *args)
{
    switch (option) {
    case OPT_SECONDS:
        if (cli_seconds(optarg, (double)TRACE_SECONDS_MAX, &args->seconds) &&
            args->seconds >= 0.001)
            return true;
        cli_fail("trace", "--seconds %s: give seconds, 0.001 to %u", optarg,
                 (unsigned)TRACE_SECONDS_MAX);
        return false;
    case OPT_FROM:
    case OPT_TO:
        if (cli_seconds(optarg, 1e9,
                        option == OPT_FROM ? &args->from : &args->to))
            return true;
        cli_fail("trace", "--%s %s: give seconds since the recording began",
                 option == OPT_FROM ? "from" : "to", optarg);
        return false;
    case OPT_VCPU:
        if (cli_number(optarg, 0, TRACE_VCPUS_MAX - 1, &args->vcpu))
            return true;
        cli_fail("trace", "--vcpu %s: give a vCPU's number, 0 to %d", optarg,
                 TRACE_VCPUS_MAX - 1);
        return false;
    case OPT_OUTPUT:
        args->output = optarg;
        return true;
    default:
        args->json = true;
        return true;
    }
}

#define BIT(option) (1u << ((option)-OPT_SECONDS))

static const struct {
    const char *name;
    unsigned options;
} actions[] = {
    {"record", BIT(OPT_SECONDS) | BIT(OPT_OUTPUT)},
    {"show", BIT(OPT_VCPU) | BIT(OPT_FROM) | BIT(OPT_TO)},
    {"stat", BIT(OPT_JSON)},
    {"export", BIT(OPT_OUTPUT)},
};

static int run(const struct arguments *args)
{
    unsigned i = 0, wrong;

    while (i < 4 && strcmp(args->what, actions[i].name) != 0)
        i++;
    if (i == 4)
        return cli_fail("trace", "%s: give record, show, stat or export",
                        args->what);
    wrong = args->given & ~actions[i].options;
    for (unsigned o = 0; wrong != 0; o++, wrong >>= 1) {
        if (wrong & 1)
            return cli_fail("trace", "--%s is no option of `lull trace %s`",
                            options[o].name, args->what);
    }
    switch (i) {
    case 0:
        if (!lull_vm_name_ok(args->file))
            return cli_fail("trace", "%s: this is no name of a VM", args->file);
        return trace_record(args->file, args->output, args->seconds);
    case 1:
        return show_file(args);
    case 2:
        return trace_stat(args->file, args->json);
    default:
        return export_file(args);
    }
}

/* -o, which our options otherwise have no short forms for. */
static void lengthen(int argc, char **argv)
{
    static char output[] = "--output";

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-o") == 0)
            argv[i] = output;
    }
}

int cmd_trace(int argc, char **argv)
{
    struct arguments args = {.vcpu = UINT64_MAX, .to = 1e18};
    int option;

    lengthen(argc, argv);
    while ((option = cli_option("trace", argc, argv, options)) != -1) {
        if (option == '?')
            return CLI_ERROR;
        if (option == OPT_HELP)
            return cli_help(help);
        if (!read_option(option, &args))
            return CLI_ERROR;
        args.given |= BIT(option);
    }
    if (argc - optind < 2)
        return cli_fail("trace", "give what to do and with what: record NAME, "
                                 "or show, stat or export FILE");
    if (argc - optind > 2)
        return cli_fail("trace", "%s: one too many", argv[optind + 2]);
    args.what = argv[optind];
    args.file = argv[optind + 1];
    return run(&args);
}
