/*
 * The system calls of a running machine, by libseccomp.
 *
 * The list has what the monitor, its libraries and the C library call once the
 * machine is built, on x86-64 and arm64; a name that an architecture does not
 * have is skipped. Calls whose harm depends on an argument have a rule of
 * their own: memory that can be executed is made before (the compiler's arena),
 * a new task must be a thread, a socket must be of a family in use.
 *
 * open() stays: with Landlock it reaches only what is named; without, a filter
 * could not tell names apart.
 */
#include "sandbox_calls.h"

#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

static const char *const allowed[] = {
    /* files and pipes */
    "close",
    "dup",
    "fallocate",
    "fcntl",
    "fdatasync",
    "flock",
    "fstat",
    "fstatfs",
    "fsync",
    "ftruncate",
    "lseek",
    "lstat",
    "newfstatat",
    "open",
    "openat",
    "pipe",
    "pipe2",
    "pread64",
    "preadv",
    "preadv2",
    "pwrite64",
    "pwritev",
    "pwritev2",
    "read",
    "readlink",
    "readlinkat",
    "readv",
    "stat",
    "statx",
    "sync_file_range",
    "unlink",
    "unlinkat",
    "write",
    "writev",
    /* sockets that exist, or that a rule below let be made */
    "accept",
    "accept4",
    "bind",
    "connect",
    "getpeername",
    "getsockname",
    "getsockopt",
    "listen",
    "recvfrom",
    "recvmmsg",
    "recvmsg",
    "sendmmsg",
    "sendmsg",
    "sendto",
    "setsockopt",
    "shutdown",
    /* waiting */
    "clock_nanosleep",
    "epoll_create1",
    "epoll_ctl",
    "epoll_pwait",
    "epoll_pwait2",
    "epoll_wait",
    "eventfd2",
    "futex",
    "futex_wait",
    "futex_waitv",
    "futex_wake",
    "nanosleep",
    "pause",
    "poll",
    "ppoll",
    "pselect6",
    "restart_syscall",
    "select",
    "timerfd_create",
    "timerfd_gettime",
    "timerfd_settime",
    /* time */
    "clock_getres",
    "clock_gettime",
    "gettimeofday",
    "time",
    "times",
    /* threads */
    "exit",
    "exit_group",
    "get_robust_list",
    "getpid",
    "getrandom",
    "gettid",
    "membarrier",
    "rseq",
    "sched_getaffinity",
    "sched_yield",
    "set_robust_list",
    "set_tid_address",
    /* memory; without PROT_EXEC, below */
    "brk",
    "madvise",
    "memfd_create", /* the rings of a trace */
    "mincore",
    "mremap",
    "munmap",
    /* signals */
    "rt_sigaction",
    "rt_sigpending",
    "rt_sigprocmask",
    "rt_sigreturn",
    "rt_sigsuspend",
    "rt_sigtimedwait",
    "sigaltstack",
    /* what this is and what it used */
    "geteuid",
    "getrusage",
    "getuid",
    "prlimit64",
    "sysinfo",
    "uname",
};

/* For shared folders. Names given to these are held by Landlock alone where
 * they are resolved; chmod by name is not among them, as Landlock does not
 * look at it. */
static const char *const reading[] = {
    "getdents64",
    "openat2",
};

static const char *const writing[] = {
    "fchmod",    "linkat",    "mkdirat", "renameat",
    "renameat2", "symlinkat", "syncfs",  "utimensat",
};

/* Running a program: none of ours does. */
static const char *const deadly[] = {"execve", "execveat"};

/* Terminals, and what libslirp and the event loop ask of descriptors. */
static const unsigned long ioctls[] = {
    FIONBIO, FIONREAD, TCGETS, TCSETS, TCSETSW, TCSETSF, TIOCGWINSZ, TIOCGPGRP,
};

static const int prctls[] = {PR_SET_NAME, PR_GET_NAME, PR_SET_TIMERSLACK,
                             PR_GET_TIMERSLACK, PR_SET_VMA};

static int allow(scmp_filter_ctx filter, const char *name)
{
    int call = seccomp_syscall_resolve_name(name);

    return call == __NR_SCMP_ERROR
               ? 0
               : seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 0);
}

static int allow_list(scmp_filter_ctx filter, const char *const *names,
                      size_t count)
{
    int error = 0;

    for (size_t i = 0; !error && i < count; i++)
        error = allow(filter, names[i]);
    return error;
}

/* Nodes that are pipes and sockets, and no devices. */
static int allow_nodes(scmp_filter_ctx filter)
{
    static const mode_t types[] = {S_IFIFO, S_IFSOCK};
    int error = 0;

    for (size_t i = 0; !error && i < sizeof(types) / sizeof(*types); i++)
        error = seccomp_rule_add(
            filter, SCMP_ACT_ALLOW, SCMP_SYS(mknodat), 1,
            SCMP_A2(SCMP_CMP_MASKED_EQ, S_IFMT, (scmp_datum_t)types[i]));
    return error;
}

static int allow_shares(scmp_filter_ctx filter, enum sandbox_shares shares)
{
    int error = 0;

    if (shares >= SANDBOX_READ_SHARES)
        error = allow_list(filter, reading, sizeof(reading) / sizeof(*reading));
    if (!error && shares >= SANDBOX_WRITE_SHARES)
        error = allow_list(filter, writing, sizeof(writing) / sizeof(*writing));
    if (!error && shares >= SANDBOX_WRITE_SHARES)
        error = allow_nodes(filter);
    return error;
}

static int allow_lists(scmp_filter_ctx filter)
{
    int error = allow_list(filter, allowed, sizeof(allowed) / sizeof(*allowed));

    for (size_t i = 0; !error && i < sizeof(deadly) / sizeof(*deadly); i++)
        error = seccomp_rule_add(filter, SCMP_ACT_KILL_PROCESS,
                                 seccomp_syscall_resolve_name(deadly[i]), 0);
    for (size_t i = 0; !error && i < sizeof(ioctls) / sizeof(*ioctls); i++)
        error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
                                 SCMP_A1(SCMP_CMP_EQ, ioctls[i]));
    for (size_t i = 0; !error && i < sizeof(prctls) / sizeof(*prctls); i++)
        error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prctl), 1,
                                 SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)prctls[i]));
    return error;
}

static int allow_family(scmp_filter_ctx filter, int family)
{
    return seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
                            SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)family));
}

static int allow_sockets(scmp_filter_ctx filter, bool network,
                         bool unix_sockets)
{
    int error = unix_sockets ? allow_family(filter, AF_UNIX) : 0;

    if (!error && network)
        error = allow_family(filter, AF_INET);
    if (!error && network)
        error = allow_family(filter, AF_INET6);
    /* One of datagrams could be connected anew, to whoever listens. */
    if (!error)
        error =
            seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socketpair), 1,
                             SCMP_A1(SCMP_CMP_MASKED_EQ, 0xf, SOCK_STREAM));
    return error;
}

/* clone3 has its flags in memory, where a filter cannot look: with ENOSYS the
 * C library falls back to clone. */
static int allow_threads(scmp_filter_ctx filter)
{
    int error = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS),
                                 seccomp_syscall_resolve_name("clone3"), 0);

    if (!error)
        error = seccomp_rule_add(
            filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
            SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD));
    if (!error)
        error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
                                 SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid()));
    return error;
}

static int allow_memory(scmp_filter_ctx filter)
{
    int error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
                                 SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));

    if (!error)
        error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
                                 SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
    return error;
}

bool sandbox_has_filter(void)
{
    return true;
}

bool sandbox_filter_calls(const struct sandbox_config *config, struct why *why)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    int error = filter == NULL ? -ENOMEM : 0;

    if (!error)
        error = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
    if (!error)
        error = allow_lists(filter);
    if (!error && config->io_uring)
        error = allow(filter, "io_uring_enter");
    if (!error)
        error = allow_sockets(filter, config->network, config->unix_sockets);
    if (!error)
        error = allow_shares(filter, config->shares);
    if (!error)
        error = allow_threads(filter);
    if (!error)
        error = allow_memory(filter);
    if (!error)
        error = seccomp_load(filter);
    if (filter != NULL)
        seccomp_release(filter);
    return error == 0 ||
           because(why, "--sandbox: the seccomp filter: %s", strerror(-error));
}
