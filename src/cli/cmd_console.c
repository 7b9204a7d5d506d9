/*
 * `lull console`: join the console of a VM that has it on a socket, or one of
 * its channels, from any terminal, and leave it again; the guest goes on. A
 * virtio console takes the size of the terminal.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

#include "cli.h"
#include "client.h"
#include "lull/vm.h"

static const char help[] =
    "Usage: lull console NAME [PORT]\n"
    "\n"
    "Joins the console of a VM that runs with --console unix:PATH, or else\n"
    "with --virtio-console unix:PATH, which takes the size of this terminal;\n"
    "or the channel that --port PORT=unix:PATH made. On a terminal, Ctrl-A x "
    "leaves it and Ctrl-A Ctrl-A types one Ctrl-A; the\n"
    "guest does not notice. One terminal at a time can be there.\n";

enum { CTRL_A = 1 };

/* ---- finding it ---- */

enum { PATH_BYTES = sizeof(((struct sockaddr_un *)0)->sun_path) };

/* The VM whose virtio console is shown, while one is; NULL: none. */
static const char *sized;

/* Of "unix:PATH"; anything else has none. */
static bool socket_path(const char *where, char path[PATH_BYTES])
{
    static const char prefix[] = "unix:";
    const size_t skip = sizeof(prefix) - 1;

    return strncmp(where, prefix, skip) == 0 &&
           snprintf(path, PATH_BYTES, "%s", where + skip) < PATH_BYTES;
}

/* True, or one line was printed. */
static bool console_path(const char *name, char path[PATH_BYTES])
{
    char where[4096], other[4096], err[LULL_ERROR_BYTES];

    if (!client_setting(name, "console", where, sizeof(where), err,
                        sizeof(err))) {
        cli_fail("console", "%s", err);
        return false;
    }
    if (socket_path(where, path))
        return true;
    if (client_setting(name, "virtio-console", other, sizeof(other), err,
                       sizeof(err)) &&
        socket_path(other, path)) {
        sized = name;
        return true;
    }
    cli_fail("console",
             "%s: its console is %s; only one on a socket can be joined: "
             "run it with --console unix:PATH",
             name, where);
    return false;
}

/* The same for a channel. */
static bool port_path(const char *name, const char *port, char path[PATH_BYTES])
{
    char err[LULL_ERROR_BYTES];
    struct client *client = client_open(name, err, sizeof(err));
    json_t *stats = NULL;
    const char *where;
    bool found;

    if (client != NULL)
        stats = client_ask(client, "x-lull-stats", err, sizeof(err));
    where = json_string_value(json_object_get(
        json_object_get(json_object_get(stats, "ports"), port), "where"));
    found = where != NULL && socket_path(where, path);
    if (stats == NULL)
        cli_fail("console", "%s", err);
    else if (!found)
        cli_fail("console",
                 "%s: no channel %s on a socket: run it with --port "
                 "%s=unix:PATH",
                 name, port, port);
    json_decref(stats);
    if (client != NULL)
        client_close(client);
    return found;
}

/* Tell the VM how large this terminal is. A VM that does not listen is no
 * reason to say anything in the middle of a screen. */
static void tell_size(void)
{
    struct winsize size;
    char text[32], err[LULL_ERROR_BYTES];
    struct client *client;

    if (sized == NULL || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0)
        return;
    client = client_open(sized, err, sizeof(err));
    if (client == NULL)
        return;
    snprintf(text, sizeof(text), "%ux%u", size.ws_col, size.ws_row);
    json_decref(client_ask_with(client, "x-lull-console-size",
                                json_pack("{s:s}", "size", text), err,
                                sizeof(err)));
    client_close(client);
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

static volatile sig_atomic_t resized;

static void on_resize(int number)
{
    resized = 1;
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
        int ready = poll(ends, 2, -1);

        if (ready < 0 && errno != EINTR)
            return;
        if (resized) {
            resized = 0;
            tell_size();
        }
        if (ready < 0)
            continue;
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
    char path[PATH_BYTES];
    int option, fd, count;

    while ((option = cli_option("console", argc, argv, options)) != -1)
        return option == '?' ? CLI_ERROR : cli_help(help);
    count = argc - optind;
    if (count != 1 && count != 2)
        return cli_fail("console", "give the name of one VM, and perhaps of a "
                                   "channel; `lull list` shows those that are "
                                   "running");
    if (count == 1 ? !console_path(argv[optind], path)
                   : !port_path(argv[optind], argv[optind + 1], path))
        return CLI_ERROR;
    fd = join(path);
    if (fd < 0)
        return CLI_ERROR;
    signal(SIGTERM, on_signal);
    signal(SIGHUP, on_signal);
    signal(SIGPIPE, SIG_IGN);
    sigaction(SIGWINCH, &(struct sigaction){.sa_handler = on_resize}, NULL);
    raw();
    tell_size();
    if (is_raw)
        fprintf(stderr, "lull: %s: Ctrl-A x leaves\r\n", argv[optind]);
    relay(fd);
    cooked();
    close(fd);
    return CLI_OK;
}
