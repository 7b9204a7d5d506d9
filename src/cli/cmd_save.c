/*
 * `lull save`: a running VM into a file.
 *
 * The VM can open no files, so this process opens one, hands it over, and asks
 * for one piece after the other. The file has a name of its own until it is
 * whole and on stable storage; so whatever happens on the way, Ctrl-C and a
 * full disk among it, there is either the whole file or what was there before,
 * and a VM that goes on.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"
#include "client.h"
#include "lull/vm.h"

static const char help[] =
    "Usage: lull save NAME FILE [OPTION...]\n"
    "\n"
    "Writes the VM into FILE, from which `lull run --restore FILE` goes on.\n"
    "The guest stands still meanwhile, and then runs on; so that the disks "
    "stay\n"
    "as they are in FILE, use --stop, or pause the VM and copy them.\n"
    "\n"
    "  --stop    end the VM when FILE is on disk\n"
    "  --json    print what was written as JSON\n"
    "  --help    this text\n";

/* The disks' contents are put on stable storage first: on a slow host that
 * takes time. */
enum { PATIENCE_S = 600 };

enum option_id { OPT_STOP = 256, OPT_JSON, OPT_HELP };

static const struct option options[] = {
    {"stop", no_argument, NULL, OPT_STOP},
    {"json", no_argument, NULL, OPT_JSON},
    {"help", no_argument, NULL, OPT_HELP},
    {NULL, 0, NULL, 0},
};

struct save {
    const char *name, *path;
    bool stop, json, help;
    int fd;
    struct client *client;
    double began_s, ran_s; /* when the guest stood still and ran again */
    json_int_t written, memory;
    bool writes_on; /* the guest runs on, and has disks to write to */
};

/* The temporary name, while there is a file of that name. */
static char temporary[PATH_MAX];

/* At once, whatever the VM is doing: it goes on when the connection closes. */
static void on_interrupt(int number)
{
    if (temporary[0] != '\0')
        unlink(temporary);
    _exit(CLI_SIGNAL + number);
}

static void handle_signals(void (*handler)(int))
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction action = {.sa_handler = handler};

    sigfillset(&action.sa_mask);
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
        sigaction(signals[i], &action, NULL);
}

static double seconds_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* ---- the file --------------------------------------------------------------
 */

/* Readable by its owner alone: a guest's memory has its secrets. */
static bool open_file(struct save *save)
{
    struct stat status;

    if (stat(save->path, &status) == 0 && !S_ISREG(status.st_mode)) {
        cli_fail("save", "%s: exists, and is no file", save->path);
        return false;
    }
    if (strlen(save->path) + sizeof(".XXXXXX") > sizeof(temporary)) {
        cli_fail("save", "%s: the path is too long", save->path);
        return false;
    }
    snprintf(temporary, sizeof(temporary), "%s.XXXXXX", save->path);
    save->fd = mkstemp(temporary);
    if (save->fd < 0) {
        cli_fail("save", "%s: %s", save->path, strerror(errno));
        temporary[0] = '\0';
        return false;
    }
    fcntl(save->fd, F_SETFD, FD_CLOEXEC);
    return true;
}

static void sync_folder(const char *path)
{
    char copy[PATH_MAX];
    int fd;

    snprintf(copy, sizeof(copy), "%s", path);
    fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    fsync(fd); /* not every file system knows this: the file is there */
    close(fd);
}

static bool keep_file(struct save *save)
{
    if (fsync(save->fd) != 0 || rename(temporary, save->path) != 0) {
        cli_fail("save", "%s: %s", save->path, strerror(errno));
        return false;
    }
    temporary[0] = '\0';
    sync_folder(save->path);
    return true;
}

/* ---- the VM ----------------------------------------------------------------
 */

static json_t *ask(struct save *save, const char *action)
{
    char err[LULL_ERROR_BYTES];
    json_t *answer =
        client_ask_with(save->client, "x-lull-save",
                        json_pack("{s:s}", "action", action), err, sizeof(err));

    if (answer == NULL)
        cli_fail("save", "%s", err);
    return answer;
}

static void show_progress(const struct save *save, const json_t *answer)
{
    json_int_t at = json_integer_value(json_object_get(answer, "memory"));

    if (isatty(STDERR_FILENO) && save->memory != 0)
        fprintf(stderr, "\r%s: %d %% ", save->name,
                (int)(100 * at / save->memory));
}

static void hide_progress(void)
{
    if (isatty(STDERR_FILENO))
        fputs("\r\033[K", stderr);
}

static bool begin(struct save *save)
{
    json_t *answer;

    save->began_s = seconds_now();
    client_give_fd(save->client, save->fd);
    answer = ask(save, "start");
    if (answer == NULL)
        return false;
    save->memory = json_integer_value(json_object_get(answer, "memory-total"));
    save->writes_on =
        json_is_true(json_object_get(answer, "runs-on")) &&
        json_integer_value(json_object_get(answer, "writable-disks")) > 0;
    json_decref(answer);
    return true;
}

static bool write_memory(struct save *save)
{
    bool done = false;

    while (!done) {
        json_t *answer = ask(save, "step");

        if (answer == NULL)
            return false;
        show_progress(save, answer);
        done = json_is_true(json_object_get(answer, "done"));
        save->written = json_integer_value(json_object_get(answer, "written"));
        json_decref(answer);
    }
    hide_progress();
    return true;
}

static bool let_go(struct save *save)
{
    json_t *answer = ask(save, "end");

    json_decref(answer);
    save->ran_s = seconds_now();
    return answer != NULL;
}

/* Only now that nothing of it can be lost any more. */
static bool end_vm(struct save *save)
{
    char err[LULL_ERROR_BYTES];
    json_t *answer = client_ask(save->client, "quit", err, sizeof(err));

    json_decref(answer);
    save->ran_s = seconds_now();
    if (answer != NULL && client_wait_closed(save->client, 10))
        return true;
    cli_fail("save", "%s is in %s, but the VM does not end: `lull stop` it",
             save->name, save->path);
    return false;
}

static bool save_vm(struct save *save)
{
    if (!begin(save) || !write_memory(save))
        return false;
    if (save->stop)
        return keep_file(save) && end_vm(save);
    return let_go(save) && keep_file(save);
}

/* ---- what to say -----------------------------------------------------------
 */

static int report(const struct save *save)
{
    double stood_s = save->ran_s - save->began_s;
    json_t *json;

    if (save->writes_on && !save->stop)
        fprintf(stderr,
                "lull save: %s runs on and may write to its disks; %s can be "
                "restored with the disks as they were\n",
                save->name, save->path);
    if (!save->json) {
        printf("%s is in %s: %.1f MiB for %lld MiB of memory; it stood still "
               "for %.2f s%s\n",
               save->name, save->path, (double)save->written / (1 << 20),
               (long long)save->memory >> 20, stood_s,
               save->stop ? ", and has ended" : "");
        return fflush(stdout) == 0 ? CLI_OK : CLI_ERROR;
    }
    json = json_pack("{s:s,s:s,s:I,s:I,s:f,s:f,s:b}", "name", save->name,
                     "file", save->path, "bytes", save->written, "memory_bytes",
                     save->memory, "stood_still_seconds", stood_s, "seconds",
                     seconds_now() - save->began_s, "ended", save->stop);
    if (json == NULL)
        return cli_fail("save", "%s: no UTF-8 text", save->path);
    json_dumpf(json, stdout, JSON_INDENT(2));
    json_decref(json);
    putchar('\n');
    return fflush(stdout) == 0 ? CLI_OK : CLI_ERROR;
}

static int parse(struct save *save, int argc, char **argv)
{
    int option;

    while ((option = cli_option("save", argc, argv, options)) != -1) {
        if (option == '?')
            return -1;
        save->stop |= option == OPT_STOP;
        save->json |= option == OPT_JSON;
        save->help |= option == OPT_HELP;
    }
    if (save->help)
        return 0;
    if (optind != argc - 2) {
        cli_fail("save", "give the name of one VM, and a file; `lull list` "
                         "shows the VMs that are running");
        return -1;
    }
    save->name = argv[optind];
    save->path = argv[optind + 1];
    return 0;
}

int cmd_save(int argc, char **argv)
{
    struct save save = {.fd = -1};
    char err[LULL_ERROR_BYTES];
    bool ok;

    if (parse(&save, argc, argv) != 0)
        return CLI_ERROR;
    if (save.help)
        return cli_help(help);
    save.client = client_open_for(save.name, PATIENCE_S, err, sizeof(err));
    if (save.client == NULL)
        return cli_fail("save", "%s", err);
    handle_signals(on_interrupt);
    ok = open_file(&save) && save_vm(&save);
    client_close(save.client);
    if (save.fd >= 0)
        close(save.fd);
    if (temporary[0] != '\0')
        unlink(temporary);
    return ok ? report(&save) : CLI_ERROR;
}
