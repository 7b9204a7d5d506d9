/*
 * lull: one command, and the first word says which.
 */
#include <stdio.h>
#include <string.h>

#include "cli.h"

static const struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary;
} commands[] = {
    {"run", cmd_run, "run a guest in this terminal"},
    {"list", cmd_list, "show the VMs that are running"},
    {"stat", cmd_stat, "show what a VM does and what it costs"},
    {"top", cmd_top, "show all VMs and their vCPUs, live"},
    {"doctor", cmd_doctor, "find out why a VM is hot, Lull's or QEMU's"},
    {"ssh", cmd_ssh, "log in to a guest, or run a command there"},
    {"console", cmd_console, "join the console of a VM in the background"},
    {"pause", cmd_pause, "stop a guest's time"},
    {"resume", cmd_resume, "let it go on"},
    {"save", cmd_save, "write a VM into a file, to go on from later"},
    {"idle", cmd_idle, "change what a VM does while its guest waits"},
    {"balloon", cmd_balloon, "how much memory a guest has; give it less"},
    {"stop", cmd_stop, "end a VM"},
    {"bench", cmd_bench, "measure this host, and idle guests on it"},
    {"trace", cmd_trace, "record and read what a VM does while idle"},
    {"replay", cmd_replay, "run a recording under other idle policies"},
    {"guest", cmd_guest, "fetch and list guests to run"},
};

enum { COMMANDS = sizeof(commands) / sizeof(commands[0]) };

static int usage(FILE *to)
{
    size_t i;

    fputs("Usage: lull COMMAND [OPTION...]\n"
          "\n"
          "Runs arm64 Linux guests that cost nothing while they are idle.\n"
          "\n",
          to);
    for (i = 0; i < COMMANDS; i++)
        fprintf(to, "  %-8s %s\n", commands[i].name, commands[i].summary);
    fputs("\n"
          "`lull COMMAND --help` says more; `lull --version` prints the "
          "version.\n",
          to);
    return fflush(to) == 0 && to == stdout ? CLI_OK : CLI_ERROR;
}

static const struct command *command_named(const char *name)
{
    size_t i;

    for (i = 0; i < COMMANDS; i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

static int help(int argc, char **argv)
{
    const struct command *command;
    char option[] = "--help";
    char *help_argv[] = {argv[0], option, NULL};

    if (argc == 0)
        return usage(stdout);
    command = command_named(argv[0]);
    if (command == NULL) {
        fprintf(stderr, "lull: %s: no such command; see `lull --help`\n",
                argv[0]);
        return CLI_ERROR;
    }
    return command->run(2, help_argv);
}

int main(int argc, char **argv)
{
    const struct command *command;

    if (argc < 2)
        return usage(stderr);
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0)
        return help(argc - 2, argv + 2);
    if (strcmp(argv[1], "--version") == 0)
        return cli_help("lull " LULL_VERSION "\n");
    command = command_named(argv[1]);
    if (command == NULL) {
        fprintf(stderr, "lull: %s: no such command; see `lull --help`\n",
                argv[1]);
        return CLI_ERROR;
    }
    return command->run(argc - 1, argv + 1);
}
