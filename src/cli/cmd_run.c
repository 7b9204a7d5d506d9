/*
 * `lull run`: a guest in this terminal, until it powers off.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "known_guest.h"
#include "lull/snapshot.h"
#include "lull/vm.h"

static const char help[] =
    "Usage: lull run --kernel FILE [OPTION...]\n"
    "       lull run GUEST [OPTION...]\n"
    "       lull run --restore FILE [OPTION...]\n"
    "\n"
    "Runs an arm64 guest in this terminal until it powers off. GUEST is one\n"
    "of `lull guest list`; debian and alpine are fetched when they are not\n"
    "there. It gets a disk and a network of its own, with ssh on port 2222 of\n"
    "this machine, unless --disk and --net say otherwise.\n"
    "\n"
    "  --restore FILE    go on from what `lull save` wrote, with the options\n"
    "                    that the VM had; --name, --console, --disk, --net "
    "and\n"
    "                    --idle may be given anew\n"
    "  --kernel FILE     arm64 Image (plain, gzip, zstd, EFI zboot), ELF or\n"
    "                    raw program\n"
    "  --initrd FILE     initial RAM disk\n"
    "  --append TEXT     kernel command line\n"
    "  --cpus N          virtual CPUs, 1 to 64 (1)\n"
    "  --memory SIZE     512M, 1G, or a number of MiB (512M)\n"
    "  --console WHERE   stdio, none, file:PATH or unix:PATH (stdio)\n"
    "  --virtio-console WHERE\n"
    "                    a second console, hvc0 in the guest: the same places\n"
    "                    (no such console)\n"
    "  --port NAME=WHERE a channel that the guest finds as\n"
    "                    /dev/virtio-ports/NAME, up to 8 of them: none,\n"
    "                    file:PATH, unix:PATH, or agent: see lull-run(1)\n"
    "  --disk FILE[,ro][,cache=none|writeback][,aio=io_uring|threads]\n"
    "                    a disk from a raw image; up to 16 of them: vda, vdb, "
    "...\n"
    "                    (cache=writeback)\n"
    "  --share DIR:TAG[,ro]\n"
    "                    a folder for the guest, which mounts it by its tag:\n"
    "                    mount -t virtiofs TAG /mnt; up to 8 of them\n"
    "  --net NET         none, or user, with any number of\n"
    "                    ,forward=tcp:HOST:PORT-GUEST:PORT, or unix:PATH, a\n"
    "                    stream of frames to another program (none; see "
    "lull-run(1))\n"
    "  --vsock CID[,to-host=PORT:PATH][,to-guest=PORT:PATH][,dir=DIR]\n"
    "                    sockets between guest and host without a network: "
    "the\n"
    "                    guest's address, 3 or more, and ports that are Unix\n"
    "                    sockets of this machine (none; see lull-run(1))\n"
    "  --name NAME       what other commands call this VM (vm-PID)\n"
    "  --idle POLICY     what to do while the guest waits: park, halt, "
    "haltpoll,\n"
    "                    pselect, spin, nodeadline, sleep, rate, ladder or\n"
    "                    score, with ,key=value settings (park; see "
    "lull-run(1))\n"
    "  --gic WHO         who keeps the interrupt controller: vmm or framework\n"
    "                    (vmm)\n"
    "  --sandbox WHAT    on, or off: keep the process from files and system\n"
    "                    calls that running does not take (on)\n"
    "  --no-reboot       end when the guest resets or its kernel panics\n"
    "  --help            this text\n"
    "\n"
    "LULL_IDLE in the environment stands for --idle; the option wins. So does\n"
    "HVF_WFI_SLEEP=N, last of all: ladder,us=N, or spin for N = 0.\n"
    "On a terminal, Ctrl-A x ends the VM and Ctrl-A h lists the keys.\n"
    "\n"
    "Exit codes: 0 the guest powered off or was stopped, 130 after Ctrl-C,\n"
    "1 a bad option or file, 3 the guest crashed, or reset with --no-reboot.\n";

/* Settings as stat shows them, those that have a value; their order in the
 * array. */
enum setting {
    KERNEL,
    INITRD,
    APPEND,
    CPUS,
    MEMORY,
    CONSOLE,
    VIRTIO_CONSOLE,
    NET,
    VSOCK,
    IDLE,
    GIC,
    SANDBOX,
    REBOOT,
    SETTINGS
};

enum { ARGUMENTS_MAX = 256 };

/* An option as it was given: to be set, once all of them are known. */
struct given {
    int option;
    const char *value;
};

struct run {
    struct lull_vm_config config;
    const char *restore; /* a file, or NULL */
    struct given given[ARGUMENTS_MAX];
    size_t given_count;
    /* What makes this machine, for a snapshot: config.arguments. */
    const char *arguments[ARGUMENTS_MAX];
    size_t argument_count;
    struct lull_setting settings[SETTINGS];
    const char *disks[LULL_DISKS_MAX];
    const char *shares[LULL_SHARES_MAX];
    const char *ports[LULL_VM_PORTS_MAX];
    char name[32], policy[64], cpus[16], memory[32];
    struct known_guest guest; /* `lull run GUEST` */
    char append[2048], disk[PATH_MAX];
    bool help;
};

/* ---- options
 * ------------------------------------------------------------------ */

static int bad(const char *format, const char *value)
{
    cli_fail("run", format, value);
    return -1;
}

static int set_idle(struct run *run, const char *text, const char *source)
{
    char err[LULL_ERROR_BYTES];

    if (!idle_policy_parse(text, &run->config.idle, err, sizeof(err))) {
        cli_fail("run", "%s %s: %s", source, text, err);
        return -1;
    }
    run->settings[IDLE].source = source;
    return 0;
}

/* For tests and benchmarks: not in the help, as no user has use for it. */
static int set_faults(struct run *run, const char *text)
{
    char err[LULL_ERROR_BYTES];

    if (lull_faults_parse(text, &run->config.faults, err, sizeof(err)))
        return 0;
    cli_fail("run", "--fault %s: %s", text, err);
    return -1;
}

static int set_gic(struct run *run, const char *value)
{
    if (strcmp(value, "vmm") == 0)
        run->config.gic = LULL_GIC_VMM;
    else if (strcmp(value, "framework") == 0)
        run->config.gic = LULL_GIC_FRAMEWORK;
    else
        return bad("--gic %s: give vmm or framework", value);
    run->settings[GIC].value = value;
    run->settings[GIC].source = "--gic";
    return 0;
}

static int set_sandbox(struct run *run, const char *value)
{
    if (strcmp(value, "on") != 0 && strcmp(value, "off") != 0)
        return bad("--sandbox %s: give on or off", value);
    run->config.no_sandbox = strcmp(value, "off") == 0;
    run->settings[SANDBOX].source = "--sandbox";
    return 0;
}

static int set_cpus(struct run *run, const char *value)
{
    uint64_t cpus;

    if (!cli_number(value, 1, LULL_CPUS_MAX, &cpus))
        return bad("--cpus %s: give 1 to 64", value);
    run->config.cpus = (unsigned)cpus;
    run->settings[CPUS].source = "--cpus";
    return 0;
}

static int set_memory(struct run *run, const char *value)
{
    uint64_t bytes;

    if (!cli_size(value, &bytes))
        return bad("--memory %s: give a size like 512M or 1G", value);
    if (bytes < LULL_MEMORY_MIN || bytes % (1 << 20) != 0)
        return bad("--memory %s: give at least 32M, in whole MiB", value);
    run->config.memory_bytes = bytes;
    run->settings[MEMORY].source = "--memory";
    return 0;
}

static int add_port(struct run *run, const char *value)
{
    if (run->config.port_count == LULL_VM_PORTS_MAX)
        return bad("--port %s: there can be 8 of them", value);
    run->ports[run->config.port_count++] = value;
    return 0;
}

static int add_disk(struct run *run, const char *value)
{
    if (run->config.disk_count == LULL_DISKS_MAX)
        return bad("--disk %s: there can be 16 disks", value);
    run->disks[run->config.disk_count++] = value;
    return 0;
}

static int add_share(struct run *run, const char *value)
{
    if (run->config.share_count == LULL_SHARES_MAX)
        return bad("--share %s: there can be 8 shared folders", value);
    run->shares[run->config.share_count++] = value;
    return 0;
}

enum option_id {
    OPT_KERNEL = 256,
    OPT_INITRD,
    OPT_APPEND,
    OPT_CPUS,
    OPT_MEMORY,
    OPT_CONSOLE,
    OPT_VIRTIO_CONSOLE,
    OPT_PORT,
    OPT_DISK,
    OPT_SHARE,
    OPT_NET,
    OPT_VSOCK,
    OPT_NAME,
    OPT_IDLE,
    OPT_GIC,
    OPT_FAULT,
    OPT_SANDBOX,
    OPT_NO_REBOOT,
    OPT_RESTORE,
    OPT_HELP,
};

static const struct option options[] = {
    {"kernel", required_argument, NULL, OPT_KERNEL},
    {"initrd", required_argument, NULL, OPT_INITRD},
    {"append", required_argument, NULL, OPT_APPEND},
    {"cpus", required_argument, NULL, OPT_CPUS},
    {"memory", required_argument, NULL, OPT_MEMORY},
    {"console", required_argument, NULL, OPT_CONSOLE},
    {"virtio-console", required_argument, NULL, OPT_VIRTIO_CONSOLE},
    {"port", required_argument, NULL, OPT_PORT},
    {"disk", required_argument, NULL, OPT_DISK},
    {"share", required_argument, NULL, OPT_SHARE},
    {"net", required_argument, NULL, OPT_NET},
    {"vsock", required_argument, NULL, OPT_VSOCK},
    {"name", required_argument, NULL, OPT_NAME},
    {"idle", required_argument, NULL, OPT_IDLE},
    {"gic", required_argument, NULL, OPT_GIC},
    {"fault", required_argument, NULL, OPT_FAULT},
    {"sandbox", required_argument, NULL, OPT_SANDBOX},
    {"no-reboot", no_argument, NULL, OPT_NO_REBOOT},
    {"restore", required_argument, NULL, OPT_RESTORE},
    {"help", no_argument, NULL, OPT_HELP},
    {NULL, 0, NULL, 0},
};

static const struct option *option_named(const char *name, size_t len)
{
    for (const struct option *option = options; option->name != NULL; option++)
        if (strlen(option->name) == len &&
            strncmp(option->name, name, len) == 0)
            return option;
    return NULL;
}

/* One that there is. */
static const struct option *option_numbered(int number)
{
    const struct option *option = options;

    while (option->val != number)
        option++;
    return option;
}

/* A snapshot's options are somebody's bytes: those of the machine, no more. */
static bool in_snapshots(int option)
{
    return option != OPT_RESTORE && option != OPT_HELP && option != OPT_FAULT &&
           option != OPT_SANDBOX;
}

/* Where a path begins in an option's value; at its end: there is none. */
static size_t path_in(int option, const char *value)
{
    if (option == OPT_KERNEL || option == OPT_INITRD || option == OPT_DISK ||
        option == OPT_SHARE)
        return 0;
    if (option == OPT_PORT) { /* NAME=WHERE */
        const char *where = strchr(value, '=');

        return where == NULL ? strlen(value)
                             : (size_t)(where + 1 - value) +
                                   path_in(OPT_CONSOLE, where + 1);
    }
    if (strncmp(value, "file:", 5) == 0 || strncmp(value, "unix:", 5) == 0)
        return 5;
    return strlen(value);
}

/*
 * The options that a snapshot takes along, written as they were given but for
 * paths, which must mean the same file from anywhere. What an option that can
 * be given once says last is what counts, so all are kept.
 */
static int note_argument(struct run *run, int option, const char *value)
{
    const char *name = option_numbered(option)->name;
    char folder[PATH_MAX] = "";
    bool relative;
    char *argument;
    size_t at;
    int len;

    if (!in_snapshots(option))
        return 0;
    if (run->argument_count == ARGUMENTS_MAX)
        return bad("--%s: too many options", name);
    if (value == NULL) {
        len = asprintf(&argument, "%s", name);
    } else {
        at = path_in(option, value);
        relative = value[at] != '/' && value[at] != '\0' &&
                   getcwd(folder, sizeof(folder)) != NULL;
        len = asprintf(&argument, "%s=%.*s%s%s%s", name, (int)at, value, folder,
                       relative ? "/" : "", value + at);
    }
    if (len < 0)
        return bad("--%s: no memory", name);
    run->arguments[run->argument_count++] = argument;
    return 0;
}

/* 0, or -1 and the error was reported. */
static int set_option(struct run *run, int option, const char *value)
{
    struct lull_vm_config *config = &run->config;

    if (note_argument(run, option, value) != 0)
        return -1;
    switch (option) {
    case OPT_KERNEL:
        config->kernel = value;
        return 0;
    case OPT_INITRD:
        config->initrd = value;
        return 0;
    case OPT_APPEND:
        config->append = value;
        return 0;
    case OPT_CPUS:
        return set_cpus(run, value);
    case OPT_MEMORY:
        return set_memory(run, value);
    case OPT_CONSOLE:
        config->console = value;
        run->settings[CONSOLE].source = "--console";
        return 0;
    case OPT_VIRTIO_CONSOLE:
        config->virtio_console = value;
        run->settings[VIRTIO_CONSOLE] =
            (struct lull_setting){"virtio-console", value, "--virtio-console"};
        return 0;
    case OPT_PORT:
        return add_port(run, value);
    case OPT_DISK:
        return add_disk(run, value);
    case OPT_SHARE:
        return add_share(run, value);
    case OPT_NET:
        config->net = value;
        run->settings[NET] = (struct lull_setting){"net", value, "--net"};
        return 0;
    case OPT_VSOCK:
        config->vsock = value;
        run->settings[VSOCK] = (struct lull_setting){"vsock", value, "--vsock"};
        return 0;
    case OPT_NAME:
        config->name = value;
        return 0;
    case OPT_IDLE:
        return set_idle(run, value, "--idle");
    case OPT_FAULT:
        return set_faults(run, value);
    case OPT_GIC:
        return set_gic(run, value);
    case OPT_SANDBOX:
        return set_sandbox(run, value);
    case OPT_NO_REBOOT:
        config->no_reboot = true;
        run->settings[REBOOT] =
            (struct lull_setting){"reboot", "no", "--no-reboot"};
        return 0;
    case OPT_RESTORE: /* taken before */
        return 0;
    default:
        return -1;
    }
}

static void defaults(struct run *run)
{
    static const struct lull_setting settings[SETTINGS] = {
        [KERNEL] = {"kernel", NULL, "--kernel"},
        [INITRD] = {"initrd", NULL, "--initrd"},
        [APPEND] = {"append", NULL, "--append"},
        [CPUS] = {"cpus", NULL, "default"},
        [MEMORY] = {"memory", NULL, "default"},
        [CONSOLE] = {"console", NULL, "default"},
        [VIRTIO_CONSOLE] = {"virtio-console", NULL, "default"},
        [NET] = {"net", "none", "default"},
        [VSOCK] = {"vsock", NULL, "default"},
        [IDLE] = {"idle", NULL, "default"},
        [GIC] = {"gic", "vmm", "default"},
        [SANDBOX] = {"sandbox", "on", "default"},
        [REBOOT] = {"reboot", "yes", "default"},
    };

    memcpy(run->settings, settings, sizeof(settings));
    snprintf(run->name, sizeof(run->name), "vm-%ld", (long)getpid());
    run->config = (struct lull_vm_config){
        .name = run->name,
        .console = "stdio",
        .disks = run->disks,
        .ports = run->ports,
        .arguments = run->arguments,
        .shares = run->shares,
        .cpus = 1,
        .memory_bytes = 512ULL << 20,
        .gic = LULL_GIC_VMM,
        .settings = run->settings,
        .setting_count = SETTINGS,
    };
}

/* The values as stat will print them, once all options are known. */
static void settle(struct run *run)
{
    idle_policy_format(&run->config.idle, run->policy, sizeof(run->policy));
    snprintf(run->cpus, sizeof(run->cpus), "%u", run->config.cpus);
    snprintf(run->memory, sizeof(run->memory), "%lluM",
             (unsigned long long)(run->config.memory_bytes >> 20));
    run->config.argument_count = run->argument_count;
    run->settings[KERNEL].value = run->config.kernel;
    run->settings[INITRD].value = run->config.initrd;
    run->settings[APPEND].value = run->config.append;
    run->settings[IDLE].value = run->policy;
    run->settings[CPUS].value = run->cpus;
    run->settings[MEMORY].value = run->memory;
    run->settings[CONSOLE].value = run->config.console;
}

/* HVF_WFI_SLEEP=N, as it stands in the profiles of those who needed it. */
static int set_wfi_sleep(struct run *run, const char *value)
{
    char policy[32];
    uint64_t us;

    if (!cli_number(value, 0, 1000000, &us)) {
        cli_fail("run",
                 "HVF_WFI_SLEEP %s: give microseconds, 1 to 1000000 (the "
                 "policy ladder,us=N), or 0 (the policy spin)",
                 value);
        return -1;
    }
    snprintf(policy, sizeof(policy), "ladder,us=%u", (unsigned)us);
    return set_idle(run, us == 0 ? "spin" : policy, "HVF_WFI_SLEEP");
}

static const char *environment(const char *name)
{
    const char *value = getenv(name);

    return value != NULL && value[0] != '\0' ? value : NULL;
}

/* The policy: the option, else the environment, else the first there is. */
static int settle_idle(struct run *run)
{
    const char *policy = environment("LULL_IDLE");
    const char *wfi_sleep = environment("HVF_WFI_SLEEP");

    if (strcmp(run->settings[IDLE].source, "default") != 0)
        return 0;
    if (policy != NULL)
        return set_idle(run, policy, "LULL_IDLE");
    if (wfi_sleep != NULL)
        return set_wfi_sleep(run, wfi_sleep);
    return set_idle(run, idle_policy_names()[0], "default");
}

/* The guest's command line, then what the user adds to it. */
static int guest_append(struct run *run)
{
    const char *own = run->config.append;
    int len =
        snprintf(run->append, sizeof(run->append), "%s%s%s%s",
                 run->guest.append, run->guest.reference ? " lull.ssh" : "",
                 own != NULL ? " " : "", own != NULL ? own : "");

    if (len >= (int)sizeof(run->append))
        return bad("--append %s: too long", own);
    run->config.append = run->append;
    return 0;
}

/* What a guest by name comes with; options win. */
static int take_guest(struct run *run, const char *name)
{
    static const char ssh_port[] = "user,forward=tcp:127.0.0.1:2222-:22";
    struct lull_vm_config *config = &run->config;

    if (config->kernel != NULL)
        return bad("%s: give a guest or --kernel, not both", name);
    if (!known_guest_find(name, &run->guest) || guest_append(run) != 0)
        return -1;
    if (set_option(run, OPT_KERNEL, run->guest.kernel) != 0 ||
        set_option(run, OPT_APPEND, run->append) != 0)
        return -1;
    run->settings[KERNEL].source = run->settings[APPEND].source = name;
    if (config->initrd == NULL) {
        if (set_option(run, OPT_INITRD, run->guest.initrd) != 0)
            return -1;
        run->settings[INITRD].source = name;
    }
    if (config->name == run->name && set_option(run, OPT_NAME, name) != 0)
        return -1;
    if (config->net == NULL) {
        if (set_option(run, OPT_NET, ssh_port) != 0)
            return -1;
        run->settings[NET].source = name;
    }
    if (config->disk_count != 0)
        return 0;
    if (!known_guest_disk(name, run->disk, sizeof(run->disk)))
        return -1;
    return set_option(run, OPT_DISK, run->disk);
}

/* ---- going on from a snapshot ----------------------------------------------
 */

static bool was_given(const struct run *run, int option)
{
    for (size_t i = 0; i < run->given_count; i++)
        if (run->given[i].option == option)
            return true;
    return false;
}

/* One option of the snapshot's, unless the user has another wish. */
static int set_saved(struct run *run, const char *argument)
{
    size_t len = strcspn(argument, "=");
    const struct option *option = option_named(argument, len);
    const char *value = argument[len] == '=' ? argument + len + 1 : NULL;

    if (option == NULL || !in_snapshots(option->val) ||
        (option->has_arg == required_argument) != (value != NULL)) {
        cli_fail("run",
                 "--restore %s: it was saved with --%.*s, which this program "
                 "does not know",
                 run->restore, (int)len, argument);
        return -1;
    }
    return was_given(run, option->val) ? 0
                                       : set_option(run, option->val, value);
}

/* What makes the machine cannot be another one than it was. */
static int check_given(const struct run *run, bool guest)
{
    static const int fixed[] = {OPT_KERNEL, OPT_INITRD, OPT_APPEND,
                                OPT_CPUS,   OPT_MEMORY, OPT_GIC};

    if (guest)
        return bad("%s: the snapshot has its guest; give a name or --restore, "
                   "not both",
                   "--restore");
    for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
        if (was_given(run, fixed[i]))
            return bad("--restore: the snapshot has its own --%s: leave it out",
                       option_numbered(fixed[i])->name);
    return 0;
}

static int take_snapshot(struct run *run, bool guest)
{
    struct lull_vm_config *config = &run->config;
    const char *const *arguments;
    char err[LULL_ERROR_BYTES];
    size_t count;

    if (check_given(run, guest) != 0)
        return -1;
    config->restore = lull_snapshot_open(run->restore, err, sizeof(err));
    if (config->restore == NULL)
        return bad("--restore %s", err);
    config->disks_given = was_given(run, OPT_DISK);
    count = lull_snapshot_arguments(config->restore, &arguments);
    for (size_t i = 0; i < count; i++)
        if (set_saved(run, arguments[i]) != 0)
            return -1;
    for (size_t i = 0; i < SETTINGS; i++)
        if (strcmp(run->settings[i].source, "default") != 0)
            run->settings[i].source = "--restore";
    return 0;
}

/* ---- all of it -------------------------------------------------------------
 */

/* Noted first: a snapshot's options come before the user's. */
static int note_given(struct run *run, int option, const char *value)
{
    if (option == OPT_RESTORE)
        run->restore = value;
    if (option == OPT_HELP)
        run->help = true;
    if (run->given_count == ARGUMENTS_MAX)
        return bad("%s: too many options", "--");
    run->given[run->given_count++] = (struct given){option, value};
    return 0;
}

static int set_given(struct run *run)
{
    for (size_t i = 0; i < run->given_count; i++)
        if (set_option(run, run->given[i].option, run->given[i].value) != 0)
            return -1;
    return 0;
}

static int parse(struct run *run, int argc, char **argv)
{
    int option;

    defaults(run);
    while ((option = cli_option("run", argc, argv, options)) != -1)
        if (option == '?' || note_given(run, option, optarg) != 0)
            return -1;
    if (run->help)
        return 0;
    if (optind < argc - 1)
        return bad("%s: not an option; see `lull run --help`", argv[optind]);
    if (run->restore != NULL && take_snapshot(run, optind < argc) != 0)
        return -1;
    if (set_given(run) != 0)
        return -1;
    if (optind < argc && take_guest(run, argv[optind]) != 0)
        return -1;
    if (run->config.kernel == NULL)
        return bad("%s: missing; give the file to boot, or the name of a "
                   "guest, such as debian",
                   "--kernel");
    if (settle_idle(run) != 0)
        return -1;
    settle(run);
    return 0;
}

/* ---- running
 * ------------------------------------------------------------------- */

static struct lull_vm *running;
static volatile sig_atomic_t signal_seen;

static void on_signal(int number)
{
    signal_seen = number;
    lull_vm_interrupt(running);
}

static void on_resize(int number)
{
    lull_vm_resized(running);
}

static void catch_signals(void (*handler)(int))
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
    size_t i;

    sigemptyset(&action.sa_mask);
    for (i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
        sigaction(signals[i], &action, NULL);
}

/* The terminal may be raw: then a line needs its own carriage return. */
static void show(const char *line)
{
    fprintf(stderr, "lull: %s%s\n", line, isatty(2) ? "\r" : "");
}

static void on_notice(void *opaque, const char *line)
{
    show(line);
}

static int exit_code(enum lull_vm_end end, bool panicked)
{
    switch (end) {
    case LULL_END_POWEROFF:
        return CLI_OK;
    case LULL_END_QUIT:
        return panicked ? CLI_CRASHED : CLI_OK;
    case LULL_END_SIGNAL:
        return CLI_SIGNAL + signal_seen;
    case LULL_END_RESET:
    case LULL_END_CRASH:
        return CLI_CRASHED;
    case LULL_END_NONE:
    case LULL_END_HOST_ERROR:
        break;
    }
    return CLI_ERROR;
}

static int run_vm(const struct run *run)
{
    char text[LULL_ERROR_BYTES];
    enum lull_vm_end end;
    bool panicked;

    running = lull_vm_new(&run->config, text, sizeof(text));
    if (running == NULL)
        return cli_fail("run", "%s", text);
    catch_signals(on_signal);
    sigaction(
        SIGWINCH,
        &(struct sigaction){.sa_handler = on_resize, .sa_flags = SA_RESTART},
        NULL);
    end = lull_vm_run(running);
    panicked = lull_vm_panicked(running);
    snprintf(text, sizeof(text), "%s", lull_vm_end_text(running));
    /* From here on there is nothing left to interrupt, and little to wait
     * for; the terminal is still to be given back. */
    catch_signals(SIG_IGN);
    signal(SIGWINCH, SIG_IGN);
    lull_vm_free(running);
    if (text[0] != '\0')
        fprintf(stderr, "lull: %s: %s\n", run->config.name, text);
    return exit_code(end, panicked);
}

int cmd_run(int argc, char **argv)
{
    static struct run run;

    if (parse(&run, argc, argv) != 0)
        return CLI_ERROR;
    if (run.help)
        return cli_help(help);
    run.config.notice = on_notice;
    return run_vm(&run);
}
