/*
 * The terminal in raw mode, and back again however the process ends: by
 * exit(), by a signal that nobody else handles, or for a while by SIGTSTP.
 *
 * Output processing stays as it was, so that a guest that ends its lines with
 * a bare newline, and our own messages, still start at the left.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include "lull/console.h"
#include "terminal.h"

static struct {
    int fd;
    struct termios found;
    struct termios raw;
    atomic_bool is_raw;
    bool exit_hooked;
} terminal = {.fd = -1};

static const int fatal_signals[] = {SIGHUP,  SIGINT, SIGQUIT, SIGTERM, SIGABRT,
                                    SIGSEGV, SIGBUS, SIGILL,  SIGFPE};
enum { FATAL_SIGNALS = sizeof(fatal_signals) / sizeof(fatal_signals[0]) };

/* tcsetattr from a background job would stop it; with SIGTTOU blocked it is
 * done all the same, and restoring must be. */
static void set_attributes(const struct termios *attributes)
{
    sigset_t ttou, before;

    sigemptyset(&ttou);
    sigaddset(&ttou, SIGTTOU);
    pthread_sigmask(SIG_BLOCK, &ttou, &before);
    tcsetattr(terminal.fd, TCSANOW, attributes);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void lull_console_restore_terminal(void)
{
    int error = errno;

    if (atomic_exchange(&terminal.is_raw, false))
        set_attributes(&terminal.found);
    errno = error;
}

bool terminal_is_ours(int fd)
{
    return isatty(fd) && tcgetpgrp(fd) == getpgrp();
}

/* Back to the default action (SA_RESETHAND), which ends the process. */
static void die_cooked(int signal)
{
    lull_console_restore_terminal();
    raise(signal);
}

static void stop_cooked(int signal)
{
    lull_console_restore_terminal();
    raise(SIGSTOP);
}

static void continue_raw(int signal)
{
    int error = errno;

    if (terminal.fd >= 0 && terminal_is_ours(terminal.fd) &&
        !atomic_exchange(&terminal.is_raw, true))
        set_attributes(&terminal.raw);
    errno = error;
}

/* Take a signal that has its default action; leave one that has a handler. */
static void take_signal(int signal, void (*handler)(int), int flags)
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
    struct sigaction before;

    if (sigaction(signal, NULL, &before) == 0 && before.sa_handler == SIG_DFL)
        sigaction(signal, &action, NULL);
}

static void give_signal(int signal, void (*handler)(int))
{
    struct sigaction now;

    if (sigaction(signal, NULL, &now) == 0 && now.sa_handler == handler) {
        now = (struct sigaction){.sa_handler = SIG_DFL};
        sigaction(signal, &now, NULL);
    }
}

static void take_signals(void)
{
    for (int i = 0; i < FATAL_SIGNALS; i++)
        take_signal(fatal_signals[i], die_cooked,
                    (int)(SA_RESETHAND | SA_NODEFER));
    take_signal(SIGTSTP, stop_cooked, SA_RESTART);
    take_signal(SIGCONT, continue_raw, SA_RESTART);
}

static void give_signals(void)
{
    for (int i = 0; i < FATAL_SIGNALS; i++)
        give_signal(fatal_signals[i], die_cooked);
    give_signal(SIGTSTP, stop_cooked);
    give_signal(SIGCONT, continue_raw);
}

bool terminal_raw(int fd)
{
    if (!terminal_is_ours(fd) || terminal.fd >= 0 ||
        tcgetattr(fd, &terminal.found) != 0)
        return false;
    terminal.raw = terminal.found;
    cfmakeraw(&terminal.raw);
    terminal.raw.c_oflag = terminal.found.c_oflag;
    terminal.fd = fd;
    if (!terminal.exit_hooked)
        terminal.exit_hooked = atexit(lull_console_restore_terminal) == 0;
    take_signals();
    atomic_store(&terminal.is_raw, true);
    set_attributes(&terminal.raw);
    return true;
}

void terminal_cooked(void)
{
    if (terminal.fd < 0)
        return;
    give_signals();
    lull_console_restore_terminal();
    terminal.fd = -1;
}
