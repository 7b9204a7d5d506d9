/*
 * What the commands share: how they report, and what they end with.
 */
#ifndef LULL_CLI_H
#define LULL_CLI_H

#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>

/* Exit codes. */
enum {
    CLI_OK = 0,
    CLI_ERROR = 1,   /* a bad option or file, no such VM, a host's refusal */
    CLI_CRASHED = 3, /* the guest crashed, or reset with --no-reboot */
    /* 10 to 15: the verdicts of doctor, doctor/verdict.c */
    CLI_SIGNAL = 128, /* plus the signal's number: 130 after Ctrl-C */
};

/* One line on standard error, "lull COMMAND: ..."; always CLI_ERROR. */
__attribute__((format(printf, 2, 3))) int cli_fail(const char *command,
                                                   const char *format, ...);

/*
 * getopt_long with our own messages: the next option's value, -1 at the end,
 * or '?' when it was wrong, which has been reported. `options` takes long
 * options only.
 */
int cli_option(const char *command, int argc, char **argv,
               const struct option *options);

/* Print a help text; CLI_OK, or CLI_ERROR when nobody takes it. */
int cli_help(const char *text);

/* A decimal number from `low` to `high` and nothing else. */
bool cli_number(const char *text, uint64_t low, uint64_t high, uint64_t *value);
/* The same in seconds, with a fraction: "0.5". */
bool cli_seconds(const char *text, double high, double *value);
/* A size: "512M", "1G", or a plain number of MiB. */
bool cli_size(const char *text, uint64_t *bytes);

/* Sleep so long, whatever signals are handled meanwhile. */
void cli_sleep(double seconds);

/* The commands: argv[0] is the command's name. */
int cmd_run(int argc, char **argv);
int cmd_stat(int argc, char **argv);
int cmd_doctor(int argc, char **argv);
int cmd_list(int argc, char **argv);
int cmd_top(int argc, char **argv);
int cmd_stop(int argc, char **argv);
int cmd_pause(int argc, char **argv);
int cmd_resume(int argc, char **argv);
int cmd_save(int argc, char **argv);
int cmd_balloon(int argc, char **argv);
int cmd_ssh(int argc, char **argv);
int cmd_console(int argc, char **argv);
int cmd_bench(int argc, char **argv);
int cmd_idle(int argc, char **argv);
int cmd_guest(int argc, char **argv);
int cmd_trace(int argc, char **argv);
int cmd_replay(int argc, char **argv);

#endif
