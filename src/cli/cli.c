/*
 * Options, numbers and messages, the same for every command: an error is one
 * line that names the option and what would be right.
 */
#include "cli.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int cli_fail(const char *command, const char *format, ...)
{
    va_list args;

    fprintf(stderr, "lull %s: ", command);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    return CLI_ERROR;
}

/* The text of the option that getopt stopped at, without its value. */
static int bad_option(const char *command, char **argv, int at, bool missing)
{
    const char *text = argv[at];
    int name = (int)strcspn(text, "=");

    if (missing)
        cli_fail(command, "%s: needs a value; see `lull %s --help`", text,
                 command);
    else if (strchr(text, '=') != NULL)
        cli_fail(command,
                 "%.*s: unknown, or takes no value; see `lull %s --help`", name,
                 text, command);
    else
        cli_fail(command, "%s: no such option; see `lull %s --help`", text,
                 command);
    return '?';
}

int cli_option(const char *command, int argc, char **argv,
               const struct option *options)
{
    int at = optind == 0 ? 1 : optind;
    int option;

    opterr = 0;
    option = getopt_long(argc, argv, ":", options, NULL);
    if (option != '?' && option != ':')
        return option;
    /* getopt permutes: what it stopped at is the one before optind. */
    if (optind > at)
        at = optind - 1;
    return bad_option(command, argv, at, option == ':');
}

int cli_help(const char *text)
{
    fputs(text, stdout);
    return fflush(stdout) == 0 ? CLI_OK : CLI_ERROR;
}

bool cli_number(const char *text, uint64_t low, uint64_t high, uint64_t *value)
{
    char *end;

    if (text[0] < '0' || text[0] > '9')
        return false;
    errno = 0;
    *value = strtoull(text, &end, 10);
    return errno == 0 && *end == '\0' && *value >= low && *value <= high;
}

bool cli_seconds(const char *text, double high, double *value)
{
    char *end;

    if (text[0] < '0' || text[0] > '9')
        return false;
    *value = strtod(text, &end);
    return *end == '\0' && isfinite(*value) && *value <= high;
}

bool cli_size(const char *text, uint64_t *bytes)
{
    static const char units[] = "KMGT";
    unsigned shift = 20;
    char number[24];
    const char *unit;
    size_t digits = strspn(text, "0123456789");
    uint64_t value;

    if (digits == 0 || digits >= sizeof(number))
        return false;
    memcpy(number, text, digits);
    number[digits] = '\0';
    if (!cli_number(number, 0, UINT64_MAX, &value))
        return false;
    if (text[digits] != '\0') {
        unit = strchr(units, text[digits] & ~0x20);
        if (unit == NULL || text[digits + 1] != '\0')
            return false;
        shift = 10 * (unsigned)(unit - units + 1);
    }
    return !__builtin_mul_overflow(value, (uint64_t)1 << shift, bytes);
}

void cli_sleep(double seconds)
{
    struct timespec left = {.tv_sec = (time_t)seconds};

    left.tv_nsec = (long)((seconds - (double)left.tv_sec) * 1e9);
    while (nanosleep(&left, &left) != 0)
        ;
}
