/*
 * `lull console`: join the console of a VM that has it on a socket, from any
 * terminal, and leave it again; the guest goes on.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

#include "cli.h"
#include "client.h"
#include "lull/vm.h"

static const char help[] =
    "Usage: lull console NAME\n"
    "\n"
    "Joins the console of a VM that runs with --console unix:PATH. On a\n"
    "terminal, Ctrl-A x leaves it and Ctrl-A Ctrl-A types one Ctrl-A; the\n"
    "guest does not notice. One terminal at a time can be there.\n";

enum { CTRL_A = 1 };

/* ---- finding it ---- */

/* "unix:PATH", or one line was printed. */
static bool console_path(const char *name, char *path, size_t path_bytes)
{
    static const char prefix[] = "unix:";
    const size_t skip = sizeof(prefix) - 1;
    char where[4096], err[LULL_ERROR_BYTES];

    if (!client_setting(name, "console", where, sizeof(where), err,
                        sizeof(err))) {
        cli_fail("console", "%s", err);
        return false;
    }
    if (strncmp(where, prefix, skip) == 0 &&
        snprintf(path, path_bytes, "%s", where + skip) < (int)path_bytes)
        return true;
    cli_fail("console",
             "%s: its console is %s; only one on a socket can be joined: "
             "run it with --console unix:PATH",
             name, where);
    return false;
}

static int join(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    if (fd < 0 ||
        connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
        cli_fail("console", "%s: %s", path, strerror(errno));
        if (fd >= 0)
            close(fd);
        return -1;
    }
    return fd;
}

/* ---- the terminal ---- */

static struct termios before;
static bool is_raw;

static void cooked(void)
{
    if (is_raw)
        tcsetattr(STDIN_FILENO, TCSANOW, &before);
    is_raw = false;
}

static void raw(void)
{
    struct termios settings;

    if (!isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, &before) != 0)
        return;
    settings = before;
    cfmakeraw(&settings);
    is_raw = tcsetattr(STDIN_FILENO, TCSANOW, &settings) == 0;
}

static void on_signal(int number)
{
    cooked(); /* tcsetattr may be called here */
    signal(number, SIG_DFL);
    raise(number);
}

/* ---- there and back ---- */

static bool put(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, bytes, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        bytes += n;
        len -= (size_t)n;
    }
    return true;
}

/* Take the escapes out of what was typed. False: leave. */
static bool typed(int fd, const char *bytes, size_t len)
{
    static bool escaped;
    char out[4096];
    size_t n = 0;

    for (size_t i = 0; i < len; i++) {
        if (is_raw && !escaped && bytes[i] == CTRL_A) {
            escaped = true;
            continue;
        }
        if (escaped && (bytes[i] == 'x' || bytes[i] == 'X'))
            return false;
        escaped = false;
        out[n++] = bytes[i];
    }
    return put(fd, out, n);
}

/* One direction, when there is something. False: that side has ended. */
static bool carry(int from, int fd, bool keys)
{
    char bytes[4096];
    ssize_t n = read(from, bytes, sizeof(bytes));

    if (n < 0 && errno == EINTR)
        return true;
    if (n <= 0)
        return false;
    return keys ? typed(fd, bytes, (size_t)n)
                : put(STDOUT_FILENO, bytes, (size_t)n);
}

static void relay(int fd)
{
    struct pollfd ends[] = {{.fd = fd, .events = POLLIN},
                            {.fd = STDIN_FILENO, .events = POLLIN}};

    for (;;) {
        if (poll(ends, 2, -1) < 0 && errno != EINTR)
            return;
        if (ends[0].revents != 0 && !carry(fd, fd, false))
            return;
        if (ends[1].revents == 0 || carry(STDIN_FILENO, fd, true))
            continue;
        if (is_raw)
            return;
        ends[1].fd = -1; /* a script's input has ended: listen on */
    }
}

int cmd_console(int argc, char **argv)
{
    static const struct option options[] = {
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
    int option, fd;

    while ((option = cli_option("console", argc, argv, options)) != -1)
        return option == '?' ? CLI_ERROR : cli_help(help);
    if (optind != argc - 1)
        return cli_fail("console", "give the name of one VM; `lull list` "
                                   "shows those that are running");
    if (!console_path(argv[optind], path, sizeof(path)))
        return CLI_ERROR;
    fd = join(path);
    if (fd < 0)
        return CLI_ERROR;
    signal(SIGTERM, on_signal);
    signal(SIGHUP, on_signal);
    signal(SIGPIPE, SIG_IGN);
    raw();
    if (is_raw)
        fprintf(stderr, "lull: %s: Ctrl-A x leaves\r\n", argv[optind]);
    relay(fd);
    cooked();
    close(fd);
    return CLI_OK;
}
