/*
 * Each test is a child that contains itself and then tries what a guest that
 * has taken over the monitor would try.
 */
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test_main.h"

/* In the next child. */
static bool unix_sockets;
static enum sandbox_shares shares_in_child = SANDBOX_NO_SHARES;
static char dir[64], named[96], other[96];

static void write_file(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT, 0600);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, "text", 4), 4);
    close(fd);
}

static void setup(void)
{
    unix_sockets = false;
    strcpy(dir, "/tmp/sandbox_test.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(named, sizeof(named), "%s/named", dir);
    snprintf(other, sizeof(other), "%s/other", dir);
    write_file(named);
    write_file(other);
}

static void teardown(void)
{
    unlink(named);
    unlink(other);
    rmdir(dir);
}

/* What is in force in a child; NULL: it could not even be contained. */
static const char *contain(const struct sandbox_rule *rules, size_t count,
                           bool network)
{
    struct sandbox_config config = {.rules = rules,
                                    .rule_count = count,
                                    .network = network,
                                    .unix_sockets = unix_sockets,
                                    .shares = shares_in_child};
    const char *in_force;
    struct why why;

    if (sandbox_enter(&config, &in_force, &why))
        return in_force;
    fprintf(stderr, "%s\n", why.text);
    return NULL;
}

enum { GOOD = 0, BAD = 1, NOT_HERE = 2 };

/* Run `body` in a child that has `needs` in force, and give its exit code, or
 * minus the signal that ended it. A host without it shows nothing. */
static int in_child(const char *needs, const struct sandbox_rule *rules,
                    size_t count, bool network, int (*body)(void))
{
    pid_t pid = fork();
    int status;

    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        const char *in_force = contain(rules, count, network);

        if (in_force == NULL)
            _exit(BAD);
        if (strstr(in_force, needs) == NULL)
            _exit(NOT_HERE);
        _exit(body());
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static bool opens(const char *path, int flags)
{
    int fd = open(path, flags, 0600);

    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

#define EXPECT(condition)                                                      \
    do {                                                                       \
        if (!(condition)) {                                                    \
            fprintf(stderr, "line %d: %s\n", __LINE__, #condition);            \
            return BAD;                                                        \
        }                                                                      \
    } while (0)

/* ---- names ---- */

static int only_named_files(void)
{
    EXPECT(opens(named, O_RDONLY));
    EXPECT(!opens(named, O_RDWR) && errno == EACCES);
    EXPECT(!opens(named, O_WRONLY | O_TRUNC));
    EXPECT(!opens(other, O_RDONLY) && errno == EACCES);
    EXPECT(!opens("/etc/passwd", O_RDONLY));
    EXPECT(!opens("/proc/self/mem", O_RDWR));
    EXPECT(unlink(named) != 0);
    return GOOD;
}

START_TEST(opens_what_is_named_and_nothing_else)
{
    struct sandbox_rule rules[] = {{named, SANDBOX_READ},
                                   {"/does/not/exist", SANDBOX_READ}};
    int code = in_child("landlock", rules, 2, false, only_named_files);

    ck_assert(code == GOOD || code == NOT_HERE);
}
END_TEST

static int writes_and_removes(void)
{
    char made[128];

    snprintf(made, sizeof(made), "%s/made", dir);
    EXPECT(opens(named, O_RDWR));
    EXPECT(!opens(other, O_RDWR));
    EXPECT(!opens(made, O_WRONLY | O_CREAT));
    EXPECT(unlink(other) == 0);
    return GOOD;
}

START_TEST(each_right_is_its_own)
{
    struct sandbox_rule rules[] = {{named, SANDBOX_READ | SANDBOX_WRITE},
                                   {dir, SANDBOX_REMOVE}};
    int code = in_child("landlock", rules, 2, false, writes_and_removes);

    ck_assert(code == GOOD || code == NOT_HERE);
}
END_TEST

static int whole_tree(void)
{
    char made[128], file[160];

    snprintf(made, sizeof(made), "%s/made", dir);
    snprintf(file, sizeof(file), "%s/file", made);
    EXPECT(mkdir(made, 0700) != 0); /* the filter has no mkdir */
    EXPECT(opens(named, O_RDWR) && opens(other, O_RDWR));
    EXPECT(opens(dir, O_RDONLY | O_DIRECTORY));
    EXPECT(!opens("/tmp", O_RDONLY | O_DIRECTORY));
    return GOOD;
}

START_TEST(a_directory_means_what_is_below)
{
    struct sandbox_rule rules[] = {
        {dir, SANDBOX_READ | SANDBOX_WRITE | SANDBOX_MAKE | SANDBOX_REMOVE}};
    int code = in_child("landlock", rules, 1, false, whole_tree);

    ck_assert(code == GOOD || code == NOT_HERE);
}
END_TEST

/* With Landlock, so that a call that fails was not only left out. */
static int reads_shares(void)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY);
    struct stat status;

    EXPECT(fd >= 0 && fstat(fd, &status) == 0);
    EXPECT(fchmod(fd, 0700) != 0 && errno == EPERM);
    EXPECT(mkdirat(fd, "made", 0700) != 0 && errno == EPERM);
    EXPECT(symlinkat("x", fd, "made") != 0 && errno == EPERM);
    return GOOD;
}

static int writes_shares(void)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY);
    int up = open("/tmp", O_PATH | O_DIRECTORY);

    EXPECT(fd >= 0 && up >= 0);
    EXPECT(mkdirat(fd, "made", 0700) == 0);
    EXPECT(renameat(fd, "made", fd, "moved") == 0);
    EXPECT(renameat(fd, "moved", up, "lull-moved") != 0);
    EXPECT(unlinkat(fd, "moved", AT_REMOVEDIR) == 0);
    EXPECT(mkdirat(up, "lull-made", 0700) != 0 && errno == EACCES);
    EXPECT(linkat(fd, "named", up, "lull-link", 0) != 0);
    EXPECT(chmod(named, 0777) != 0 && errno == EPERM);
    EXPECT(mknodat(fd, "dev", S_IFCHR | 0600, 0x103) != 0 && errno == EPERM);
    EXPECT(mknodat(fd, "pipe", S_IFIFO | 0600, 0) == 0);
    EXPECT(unlinkat(fd, "pipe", 0) == 0);
    return GOOD;
}

START_TEST(shares_have_their_calls)
{
    struct sandbox_rule read = {dir, SANDBOX_READ};
    struct sandbox_rule all = {dir, SANDBOX_READ | SANDBOX_WRITE |
                                        SANDBOX_MAKE | SANDBOX_REMOVE};
    int code;

    shares_in_child = SANDBOX_READ_SHARES;
    code = in_child("landlock,seccomp", &read, 1, false, reads_shares);
    ck_assert(code == GOOD || code == NOT_HERE);
    shares_in_child = SANDBOX_WRITE_SHARES;
    code = in_child("landlock,seccomp", &all, 1, false, writes_shares);
    shares_in_child = SANDBOX_NO_SHARES;
    ck_assert(code == GOOD || code == NOT_HERE);
}
END_TEST

/* ---- calls ---- */

static int execs(void)
{
    execl("/bin/true", "true", (char *)NULL);
    return BAD;
}

START_TEST(running_a_program_is_the_end)
{
    int code = in_child("seccomp", NULL, 0, false, execs);

    ck_assert(code == -SIGSYS || code == NOT_HERE);
}
END_TEST

static int forks(void)
{
    EXPECT(fork() == -1);
    return GOOD;
}

START_TEST(no_new_process)
{
    int code = in_child("seccomp", NULL, 0, false, forks);

    ck_assert(code == GOOD || code == NOT_HERE);
}
END_TEST

static int maps_code(void)
{
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    EXPECT(page != MAP_FAILED);
    EXPECT(mprotect(page, 4096, PROT_READ | PROT_EXEC) != 0);
    EXPECT(mprotect(page, 4096, PROT_READ) == 0);
    EXPECT(mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS,
                -1, 0) == MAP_FAILED);
    return GOOD;
}

START_TEST(no_new_code)
{
    int code = in_child("seccomp", NULL, 0, false, maps_code);

    ck_assert(code == GOOD || code == NOT_HERE);
}
END_TEST

static int no_sockets(void)
{
    int pair[2];

    EXPECT(socket(AF_UNIX, SOCK_STREAM, 0) < 0);
    EXPECT(socket(AF_INET, SOCK_STREAM, 0) < 0);
    EXPECT(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    EXPECT(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) != 0);
    return GOOD;
}

static int unix_sockets_alone(void)
{
    EXPECT(socket(AF_UNIX, SOCK_STREAM, 0) >= 0);
    EXPECT(socket(AF_INET, SOCK_STREAM, 0) < 0);
    EXPECT(socket(AF_NETLINK, SOCK_RAW, 0) < 0);
    return GOOD;
}

static int internet_sockets(void)
{
    EXPECT(socket(AF_INET, SOCK_STREAM, 0) >= 0);
    EXPECT(socket(AF_UNIX, SOCK_STREAM, 0) < 0);
    EXPECT(socket(AF_PACKET, SOCK_RAW, 0) < 0);
    return GOOD;
}

START_TEST(sockets_as_they_are_asked_for)
{
    int without = in_child("seccomp", NULL, 0, false, no_sockets);
    int with = in_child("seccomp", NULL, 0, true, internet_sockets);
    int local;

    unix_sockets = true;
    local = in_child("seccomp", NULL, 0, false, unix_sockets_alone);
    ck_assert(without == GOOD || without == NOT_HERE);
    ck_assert(with == GOOD || with == NOT_HERE);
    ck_assert(local == GOOD || local == NOT_HERE);
}
END_TEST

static int signals_its_parent(void)
{
    EXPECT(kill(getppid(), 0) != 0);
    return GOOD;
}

START_TEST(no_signals_to_others)
{
    int code = in_child("seccomp", NULL, 0, false, signals_its_parent);

    ck_assert(code == GOOD || code == NOT_HERE);
}
END_TEST

/* ---- threads ---- */

static void *tries_in_thread(void *opaque)
{
    *(bool *)opaque =
        !opens(other, O_RDONLY) && socket(AF_INET, SOCK_STREAM, 0) < 0;
    return NULL;
}

static int threads(void)
{
    pthread_t thread;
    bool held = false;

    EXPECT(pthread_create(&thread, NULL, tries_in_thread, &held) == 0);
    EXPECT(pthread_join(thread, NULL) == 0);
    EXPECT(held);
    return GOOD;
}

START_TEST(threads_begin_and_are_held_too)
{
    int code = in_child("landlock,seccomp", NULL, 0, false, threads);

    ck_assert(code == GOOD || code == NOT_HERE);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        opens_what_is_named_and_nothing_else,
        each_right_is_its_own,
        a_directory_means_what_is_below,
        shares_have_their_calls,
        running_a_program_is_the_end,
        no_new_process,
        no_new_code,
        sockets_as_they_are_asked_for,
        no_signals_to_others,
        threads_begin_and_are_held_too,
    };

    return test_main_with("sandbox", tests, COUNT_OF(tests), setup, teardown);
}
