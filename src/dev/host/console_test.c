/*
 * Consoles over pipes, files, sockets and terminals: nothing is lost, nothing
 * spins, nobody waits for ever, and the terminal is given back.
 */
#include <check.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <pty.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "lull/console.h"

#define KIB 1024UL

static struct lull_loop *loop;
static struct lull_console *console;
static const struct lull_chardev *chardev;
static pthread_t thread;
static int to_guest[2], from_guest[2]; /* pipes */
static char directory[] = "/tmp/lull-console-XXXXXX";

/* The device: takes what `appetite` allows. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint8_t received[64 * KIB];
static size_t received_len, appetite;
static atomic_uint drains, quits;
static atomic_bool peer_there;

static size_t receive(void *opaque, const uint8_t *bytes, size_t len)
{
    pthread_mutex_lock(&lock);
    if (len > appetite)
        len = appetite;
    memcpy(received + received_len, bytes, len);
    received_len += len;
    appetite -= len;
    pthread_mutex_unlock(&lock);
    return len;
}

static void drained(void *opaque)
{
    atomic_fetch_add(&drains, 1);
}

static void quit(void *opaque)
{
    atomic_fetch_add(&quits, 1);
}

static void peer(void *opaque, bool there)
{
    atomic_store(&peer_there, there);
}

static const struct lull_chardev_user user = {receive, drained, NULL, peer};

static void *run(void *opaque)
{
    lull_loop_run(loop);
    return NULL;
}

static void attach(struct lull_console *made)
{
    console = made;
    ck_assert_ptr_nonnull(console);
    chardev = lull_console_chardev(console);
    chardev->attach(chardev->host, &user);
}

static void start(struct lull_console *made)
{
    attach(made);
    pthread_create(&thread, NULL, run, NULL);
}

static void stop(void)
{
    lull_loop_quit(loop);
    pthread_join(thread, NULL);
    lull_console_free(console);
    console = NULL;
}

static atomic_uint_fast64_t handed_ns; /* the time; 0: the host's */

static uint64_t now_ns(void *opaque)
{
    return atomic_load(&handed_ns);
}

static const struct lull_console_config *config(void)
{
    static struct lull_console_config c;

    c = (struct lull_console_config){
        .loop = loop,
        .quit = quit,
        .now_ns = atomic_load(&handed_ns) != 0 ? now_ns : NULL,
    };
    return &c;
}

static void start_pipes(void)
{
    start(lull_console_new_fds(config(), to_guest[0], from_guest[1]));
}

static void start_spec(const char *spec)
{
    char error[200] = "";

    start(lull_console_new(config(), spec, error, sizeof(error)));
}

static void setup(void)
{
    loop = lull_loop_new();
    ck_assert_int_eq(pipe(to_guest), 0);
    ck_assert_int_eq(pipe(from_guest), 0);
    received_len = 0;
    appetite = sizeof(received);
    atomic_store(&drains, 0);
    atomic_store(&quits, 0);
    atomic_store(&handed_ns, 0);
    snprintf(directory, sizeof(directory), "/tmp/lull-console-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
}

static void teardown(void)
{
    if (console != NULL)
        stop();
    lull_loop_free(loop);
    for (int i = 0; i < 2; i++) {
        close(to_guest[i]);
        close(from_guest[i]);
    }
    rmdir(directory);
}

static size_t say(const char *text)
{
    return chardev->write(chardev->host, (const uint8_t *)text, strlen(text));
}

static size_t heard(void)
{
    size_t len;

    pthread_mutex_lock(&lock);
    len = received_len;
    pthread_mutex_unlock(&lock);
    return len;
}

/* Until a condition holds; a test that waits in vain times out. */
#define AWAIT(condition)                                                       \
    while (!(condition))                                                       \
    usleep(1000)

static void expect_from(int fd, const char *text)
{
    size_t done = 0;
    char got[4 * KIB];

    while (done < strlen(text)) {
        ssize_t n = read(fd, got + done, strlen(text) - done);

        ck_assert_int_gt(n, 0);
        done += (size_t)n;
    }
    ck_assert_mem_eq(got, text, done);
}

/* --- pipes ------------------------------------------------------------ */

START_TEST(both_ways)
{
    start_pipes();
    say("hello");
    expect_from(from_guest[0], "hello");
    ck_assert_int_eq(write(to_guest[1], "\1x abc", 6), 6);
    AWAIT(heard() == 6);
    ck_assert_mem_eq(received, "\1x abc", 6); /* a pipe has no escape key */
    ck_assert_uint_eq(atomic_load(&quits), 0);
}
END_TEST

/* What a pipe holds now, without waiting. */
static void expect_now(int fd, const char *text)
{
    char got[KIB];
    struct pollfd in = {.fd = fd, .events = POLLIN};
    ssize_t n = poll(&in, 1, 0) == 1 ? read(fd, got, sizeof(got)) : 0;

    ck_assert_int_eq(n, (ssize_t)strlen(text));
    ck_assert_mem_eq(got, text, (size_t)n);
}

static void later(uint64_t delay_ns)
{
    atomic_fetch_add(&handed_ns, delay_ns);
}

/* The loop does not run at first, so that what is seen is the writer's own
 * doing. */
START_TEST(the_first_byte_after_quiet_does_not_wait)
{
    atomic_store(&handed_ns, 1);
    attach(lull_console_new_fds(config(), to_guest[0], from_guest[1]));
    say("a");
    expect_now(from_guest[0], "a");
    later(124999);
    say("b");
    expect_now(from_guest[0], "");
    later(5000000);
    say("c"); /* does not overtake */
    expect_now(from_guest[0], "");
    pthread_create(&thread, NULL, run, NULL);
    expect_from(from_guest[0], "bc");
    AWAIT(lull_console_stats(console).out_writes == 2);
    lull_loop_quit(loop);
    pthread_join(thread, NULL);
    say("d"); /* just now something was written */
    expect_now(from_guest[0], "");
    pthread_create(&thread, NULL, run, NULL);
    expect_from(from_guest[0], "d");
    stop();
}
END_TEST

/* A boot log: the more in a piece, the longer until the next. */
START_TEST(dense_output_gathers_longer)
{
    static const char line[] = "a line, as long as a kernel's lines are";
    static const unsigned delays_us[] = {125, 250, 500, 1000, 1000};

    atomic_store(&handed_ns, 1);
    attach(lull_console_new_fds(config(), to_guest[0], from_guest[1]));
    for (unsigned i = 0; i < sizeof(delays_us) / sizeof(delays_us[0]); i++) {
        later(delays_us[i] * 1000UL);
        say(line);
        expect_now(from_guest[0], line);
    }
    later(999999);
    say(line);
    expect_now(from_guest[0], "");
    pthread_create(&thread, NULL, run, NULL);
    expect_from(from_guest[0], line);
    AWAIT(lull_console_stats(console).out_writes == 6);
    lull_loop_quit(loop);
    pthread_join(thread, NULL);
    later(1000000); /* keys again: each halves it */
    for (unsigned us = 500; us >= 125; us /= 2) {
        say("x");
        expect_now(from_guest[0], "x");
        later(us * 1000UL);
    }
    pthread_create(&thread, NULL, run, NULL);
    stop();
}
END_TEST

/* As another program on the same pipe may fill it. */
static size_t fill(int fd)
{
    static const uint8_t zeros[KIB];
    char name[40];
    size_t total = 0;
    int again;

    snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
    again = open(name, O_WRONLY | O_NONBLOCK);
    ck_assert_int_ge(again, 0);
    for (ssize_t n; (n = write(again, zeros, sizeof(zeros))) > 0;)
        total += (size_t)n;
    close(again);
    return total;
}

static void skip(int fd, size_t len)
{
    uint8_t bytes[KIB];

    while (len > 0) {
        ssize_t n = read(fd, bytes, len < KIB ? len : KIB);

        ck_assert_int_gt(n, 0);
        len -= (size_t)n;
    }
}

START_TEST(a_full_pipe_stops_no_writer)
{
    size_t other;

    attach(lull_console_new_fds(config(), to_guest[0], from_guest[1]));
    other = fill(from_guest[1]);
    say("a");
    usleep(2000);
    say("b");
    pthread_create(&thread, NULL, run, NULL);
    usleep(2000);
    say("c");
    skip(from_guest[0], other);
    expect_from(from_guest[0], "abc");
    ck_assert_uint_eq(lull_console_stats(console).lost_bytes, 0);
    stop();
}
END_TEST

START_TEST(bytes_gather_into_few_writes)
{
    struct lull_console_stats stats;

    start_pipes();
    for (unsigned i = 0; i < 400; i++)
        say("0123456789" + i % 10);
    stop(); /* writes the rest */
    start_pipes();
    for (unsigned i = 0; i < 1000; i++)
        say("x");
    AWAIT(lull_console_stats(console).out_writes > 0);
    usleep(20000);
    stats = lull_console_stats(console);
    ck_assert_uint_eq(stats.out_bytes, 1000);
    ck_assert_uint_lt(stats.out_writes, 200);
    ck_assert_uint_eq(stats.lost_bytes, 0);
}
END_TEST

START_TEST(the_rest_is_written_at_the_end)
{
    start_pipes();
    say("last words");
    stop();
    expect_from(from_guest[0], "last words");
}
END_TEST

static void *read_all(void *opaque)
{
    size_t *total = opaque;
    uint8_t bytes[4 * KIB];
    ssize_t n;

    while ((n = read(from_guest[0], bytes, sizeof(bytes))) > 0) {
        for (ssize_t i = 0; i < n; i++)
            ck_assert_uint_eq(bytes[i], (uint8_t)((*total)++ % 251));
    }
    return NULL;
}

/* A guest that looks at `room` loses nothing, whatever the host does. */
START_TEST(a_slow_host_pushes_back_and_gets_everything)
{
    const size_t whole = 600 * KIB;
    size_t total = 0, sent = 0;
    pthread_t reader;

    start_pipes();
    while (chardev->room(chardev->host) > 0) { /* nobody reads */
        uint8_t byte = (uint8_t)(sent % 251);

        sent += chardev->write(chardev->host, &byte, 1);
    }
    ck_assert_uint_ge(sent, 64 * KIB);
    pthread_create(&reader, NULL, read_all, &total);
    while (sent < whole) {
        uint8_t byte = (uint8_t)(sent % 251);

        if (chardev->room(chardev->host) == 0) {
            unsigned before = atomic_load(&drains);

            if (chardev->room(chardev->host) == 0)
                AWAIT(atomic_load(&drains) != before);
            continue;
        }
        sent += chardev->write(chardev->host, &byte, 1);
    }
    stop();
    close(from_guest[1]);
    from_guest[1] = -1;
    pthread_join(reader, NULL);
    ck_assert_uint_eq(total, whole);
    ck_assert_uint_gt(atomic_load(&drains), 0);
}
END_TEST

START_TEST(what_is_not_looked_at_is_bounded)
{
    struct lull_console_stats stats;
    size_t taken = 0;

    start_pipes();
    for (unsigned i = 0; i < 400; i++) {
        uint8_t block[KIB] = {0};

        taken += chardev->write(chardev->host, block, sizeof(block));
    }
    stats = lull_console_stats(console);
    ck_assert_uint_ge(taken, 256 * KIB);
    ck_assert_uint_eq(stats.out_bytes, 400 * KIB);
    ck_assert_uint_eq(stats.lost_bytes, 400 * KIB - taken);
    close(from_guest[0]); /* or the end would wait for its patience */
    from_guest[0] = -1;
}
END_TEST

START_TEST(a_host_that_left_is_forgotten)
{
    start_pipes();
    close(from_guest[0]);
    from_guest[0] = -1;
    say("to nobody");
    AWAIT(lull_console_stats(console).lost_bytes > 0);
    for (unsigned i = 0; i < 1000; i++)
        ck_assert_uint_eq(say("x"), 1);
    ck_assert_uint_gt(chardev->room(chardev->host), 0);
}
END_TEST

START_TEST(a_full_device_is_not_lost_on)
{
    uint8_t sent[10000];

    for (unsigned i = 0; i < sizeof(sent); i++)
        sent[i] = (uint8_t)(i % 253);
    appetite = 7;
    start_pipes();
    ck_assert_int_eq(write(to_guest[1], sent, sizeof(sent)),
                     (ssize_t)sizeof(sent));
    AWAIT(heard() == 7);
    while (heard() < sizeof(sent)) {
        size_t before = heard();

        pthread_mutex_lock(&lock);
        appetite = 1000;
        pthread_mutex_unlock(&lock);
        chardev->resume(chardev->host);
        AWAIT(heard() > before);
    }
    ck_assert_mem_eq(received, sent, sizeof(sent));
}
END_TEST

static long switches;

static void note_switches(void *opaque)
{
    struct rusage usage;

    getrusage(RUSAGE_THREAD, &usage);
    *(long *)opaque = usage.ru_nvcsw + usage.ru_nivcsw +
                      usage.ru_utime.tv_usec / 1000 +
                      usage.ru_stime.tv_usec / 1000;
}

START_TEST(the_end_of_input_does_not_spin)
{
    long before = -1, after = -1;

    start_pipes();
    close(to_guest[1]);
    to_guest[1] = -1;
    usleep(50000);
    lull_loop_post(loop, note_switches, &before);
    usleep(300000);
    lull_loop_post(loop, note_switches, &after);
    stop();
    switches = after - before;
    ck_assert_int_le(switches, 10);
}
END_TEST

START_TEST(dev_null_as_input_does_not_spin)
{
    long before = -1, after = -1;
    int null = open("/dev/null", O_RDONLY);

    start(lull_console_new_fds(config(), null, from_guest[1]));
    usleep(50000);
    lull_loop_post(loop, note_switches, &before);
    usleep(300000);
    lull_loop_post(loop, note_switches, &after);
    stop();
    close(null);
    ck_assert_int_le(after - before, 10);
}
END_TEST

/* Many writers at once, as four vCPUs on one console may be. */
static void *write_many(void *opaque)
{
    for (unsigned i = 0; i < 20000; i++) {
        if (chardev->room(chardev->host) == 0) {
            usleep(100);
            continue;
        }
        chardev->write(chardev->host, (const uint8_t *)"x", 1);
    }
    return NULL;
}

static void *discard_all(void *opaque)
{
    char bytes[4 * KIB];

    while (read(from_guest[0], bytes, sizeof(bytes)) > 0)
        ;
    return NULL;
}

START_TEST(many_writers)
{
    pthread_t writer[4], reader;

    start_pipes();
    pthread_create(&reader, NULL, discard_all, NULL);
    for (unsigned i = 0; i < 4; i++)
        pthread_create(&writer[i], NULL, write_many, NULL);
    for (unsigned i = 0; i < 4; i++)
        pthread_join(writer[i], NULL);
    ck_assert_uint_eq(lull_console_stats(console).lost_bytes, 0);
    stop();
    close(from_guest[1]);
    from_guest[1] = -1;
    pthread_join(reader, NULL);
}
END_TEST

/* --- by name ---------------------------------------------------------- */

START_TEST(a_file)
{
    char path[80], spec[100], got[20];
    int fd;

    snprintf(path, sizeof(path), "%s/log", directory);
    snprintf(spec, sizeof(spec), "file:%s", path);
    fd = open(path, O_WRONLY | O_CREAT, 0600);
    ck_assert_int_eq(write(fd, "old and longer", 14), 14);
    close(fd);
    start_spec(spec);
    say("new");
    stop();
    fd = open(path, O_RDONLY);
    ck_assert_int_eq(read(fd, got, sizeof(got)), 3);
    ck_assert_mem_eq(got, "new", 3);
    close(fd);
    unlink(path);
}
END_TEST

START_TEST(a_full_disk)
{
    start_spec("file:/dev/full");
    say("x");
    AWAIT(lull_console_stats(console).lost_bytes == 1);
    ck_assert_uint_gt(chardev->room(chardev->host), 0);
}
END_TEST

START_TEST(none)
{
    start_spec("none");
    for (unsigned i = 0; i < 100000; i++)
        ck_assert_uint_eq(say("0123456789"), 10);
    ck_assert_uint_gt(chardev->room(chardev->host), 0);
}
END_TEST

START_TEST(nonsense_is_refused_in_one_line)
{
    static const char *specs[] = {"",
                                  "tty",
                                  "file:",
                                  "unix:",
                                  "Stdio",
                                  "file:/none/such",
                                  "unix:/none/such/socket"};
    char long_name[300], error[200];

    for (unsigned i = 0; i < sizeof(specs) / sizeof(specs[0]); i++) {
        error[0] = '\0';
        ck_assert_ptr_null(
            lull_console_new(config(), specs[i], error, sizeof(error)));
        ck_assert_int_gt(strlen(error), 0);
        ck_assert_ptr_null(strchr(error, '\n'));
    }
    memset(long_name, 'x', sizeof(long_name) - 1);
    memcpy(long_name, "unix:/tmp/", 10);
    long_name[sizeof(long_name) - 1] = '\0';
    ck_assert_ptr_null(
        lull_console_new(config(), long_name, error, sizeof(error)));
}
END_TEST

/* --- sockets ---------------------------------------------------------- */

static char socket_path[80], socket_spec[100];

static void start_socket(void)
{
    snprintf(socket_path, sizeof(socket_path), "%s/sock", directory);
    snprintf(socket_spec, sizeof(socket_spec), "unix:%s", socket_path);
    start_spec(socket_spec);
}

static int connect_socket(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    snprintf(address.sun_path, sizeof(address.sun_path), "%s", socket_path);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)),
                     0);
    return fd;
}

START_TEST(a_socket_both_ways_and_again)
{
    struct stat st;
    int fd;

    start_socket();
    ck_assert_int_eq(stat(socket_path, &st), 0);
    ck_assert_int_eq(st.st_mode & 0777, 0600);
    say("before anybody came");
    ck_assert(!atomic_load(&peer_there));
    fd = connect_socket();
    AWAIT(atomic_load(&peer_there));
    expect_from(fd, "before anybody came");
    ck_assert_int_eq(write(fd, "in", 2), 2);
    AWAIT(heard() == 2);
    close(fd);
    AWAIT(lull_console_stats(console).in_bytes == 2);
    AWAIT(!atomic_load(&peer_there));
    say("in between");
    fd = connect_socket();
    expect_from(fd, "in between");
    say("now");
    expect_from(fd, "now");
    close(fd);
    stop();
    ck_assert_int_ne(access(socket_path, F_OK), 0);
}
END_TEST

static atomic_bool enough;

static void *write_on(void *opaque)
{
    while (!atomic_load(&enough)) {
        say("x");
        usleep(150); /* the next one is written at once */
    }
    return NULL;
}

/* A client's descriptor is closed while vCPUs write to it. */
START_TEST(clients_come_and_go_under_writers)
{
    pthread_t writer[2];
    char text[4];

    atomic_store(&enough, false);
    start_socket();
    for (unsigned i = 0; i < 2; i++)
        pthread_create(&writer[i], NULL, write_on, NULL);
    for (unsigned i = 0; i < 50; i++) {
        int fd = connect_socket();

        ck_assert_int_gt(read(fd, text, sizeof(text)), 0);
        close(fd);
    }
    atomic_store(&enough, true);
    for (unsigned i = 0; i < 2; i++)
        pthread_join(writer[i], NULL);
}
END_TEST

START_TEST(the_latest_is_kept_for_who_comes)
{
    char text[9];
    int fd;

    start_socket();
    for (unsigned i = 0; i < 20000; i++) {
        snprintf(text, sizeof(text), "%08u", i);
        ck_assert_uint_eq(say(text), 8);
    }
    ck_assert_uint_gt(chardev->room(chardev->host), 0);
    fd = connect_socket();
    /* 64 KiB of the end: the last 8192 numbers */
    for (unsigned i = 20000 - 8192; i < 20000; i++) {
        snprintf(text, sizeof(text), "%08u", i);
        expect_from(fd, text);
    }
    close(fd);
}
END_TEST

START_TEST(one_client_at_a_time)
{
    int first, second;
    char byte;

    start_socket();
    first = connect_socket();
    say("1");
    expect_from(first, "1");
    second = connect_socket();
    ck_assert_int_eq(read(second, &byte, 1), 0);
    say("2");
    expect_from(first, "2");
    close(first);
    close(second);
}
END_TEST

START_TEST(a_stale_socket_is_replaced_and_a_live_one_is_not)
{
    char error[200] = "";
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    snprintf(address.sun_path, sizeof(address.sun_path), "%s/sock", directory);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    close(fd); /* the file stays */
    start_socket();
    ck_assert_ptr_null(
        lull_console_new(config(), socket_spec, error, sizeof(error)));
    ck_assert_ptr_nonnull(strstr(error, "in use"));
    fd = connect_socket();
    say("x");
    expect_from(fd, "x");
    close(fd);
}
END_TEST

/* --- the terminal ----------------------------------------------------- */

enum ending { BY_KEY, BY_FREE, BY_EXIT, BY_ABORT, BY_SIGNAL };

static void quit_loop(void *opaque)
{
    lull_loop_quit(loop);
}

static void end_now(void *opaque)
{
    enum ending ending = *(enum ending *)opaque;

    if (ending == BY_EXIT)
        exit(7);
    if (ending == BY_ABORT)
        abort();
    if (ending == BY_FREE)
        lull_loop_quit(loop);
}

/* What has the console on its terminal, and ends as told. */
static void be_the_monitor(enum ending ending)
{
    struct lull_console_config c = {.quit = quit_loop};
    struct rlimit no_core = {0, 0};

    setrlimit(RLIMIT_CORE, &no_core);
    /* Check's own handlers are none of the monitor's. */
    for (int i = 1; i < 32; i++)
        signal(i, SIG_DFL);
    appetite = sizeof(received);
    loop = lull_loop_new();
    c.loop = loop;
    console = lull_console_new_fds(&c, 0, 1);
    chardev = lull_console_chardev(console);
    chardev->attach(chardev->host, &user);
    if (ending == BY_EXIT || ending == BY_ABORT || ending == BY_FREE)
        lull_loop_post(loop, end_now, &ending);
    lull_loop_run(loop);
    lull_console_free(console);
    _exit(heard() == 4 && memcmp(received, "q\1\1w", 4) == 0 ? 5 : 6);
}

static bool is_raw(int fd)
{
    struct termios t;

    return tcgetattr(fd, &t) == 0 && !(t.c_lflag & (ECHO | ICANON | ISIG));
}

/* The shell of the story: the leader of the terminal's session. It sees the
 * terminal after the monitor is gone, before the session ends. */
static int be_the_shell(enum ending ending, int signal)
{
    struct termios before, after;
    pid_t monitor;
    int status;

    tcgetattr(0, &before);
    monitor = fork();
    if (monitor == 0)
        be_the_monitor(ending);
    if (ending == BY_SIGNAL) {
        AWAIT(is_raw(0));
        kill(monitor, signal);
    }
    waitpid(monitor, &status, 0);
    tcgetattr(0, &after);
    if (is_raw(0) || before.c_lflag != after.c_lflag ||
        before.c_iflag != after.c_iflag || before.c_oflag != after.c_oflag)
        return 100;
    return WIFSIGNALED(status) ? WTERMSIG(status) : 64 + WEXITSTATUS(status);
}

static int live_and_die(enum ending ending, int signal, const char *keys)
{
    int master, status;
    pid_t shell = forkpty(&master, NULL, NULL, NULL);
    char bytes[4 * KIB];

    if (shell == 0) {
        alarm(30);
        _exit(be_the_shell(ending, signal));
    }
    if (keys != NULL) {
        AWAIT(is_raw(master));
        ck_assert_int_eq(write(master, keys, strlen(keys)),
                         (ssize_t)strlen(keys));
    }
    while (read(master, bytes, sizeof(bytes)) > 0)
        ; /* until the session is over */
    waitpid(shell, &status, 0);
    close(master);
    ck_assert(WIFEXITED(status));
    return WEXITSTATUS(status);
}

START_TEST(the_escape_key)
{
    /* what the guest gets: q, an escaped Ctrl-A, one typed twice over, w */
    ck_assert_int_eq(live_and_die(BY_KEY, 0,
                                  "q\1\1"
                                  "\1a"
                                  "w\1h\1x"),
                     64 + 5);
}
END_TEST

static const struct {
    enum ending ending;
    int signal, status;
} endings[] = {{BY_FREE, 0, 64 + 6},         {BY_EXIT, 0, 64 + 7},
               {BY_ABORT, 0, SIGABRT},       {BY_SIGNAL, SIGTERM, SIGTERM},
               {BY_SIGNAL, SIGINT, SIGINT},  {BY_SIGNAL, SIGHUP, SIGHUP},
               {BY_SIGNAL, SIGQUIT, SIGQUIT}};

START_TEST(the_terminal_is_given_back)
{
    ck_assert_int_eq(live_and_die(endings[_i].ending, endings[_i].signal, NULL),
                     endings[_i].status);
}
END_TEST

/* Stopped, the shell has its terminal; continued, the guest. */
static int stop_and_continue(void)
{
    pid_t monitor = fork();
    int status, result = 0;

    if (monitor == 0)
        be_the_monitor(BY_KEY);
    AWAIT(is_raw(0));
    kill(monitor, SIGTSTP);
    waitpid(monitor, &status, WUNTRACED);
    if (!WIFSTOPPED(status) || is_raw(0))
        result = 1;
    kill(monitor, SIGCONT);
    AWAIT(is_raw(0));
    kill(monitor, SIGTERM);
    waitpid(monitor, &status, 0);
    return result + (is_raw(0) ? 2 : 0);
}

START_TEST(the_terminal_is_lent_while_stopped)
{
    int master, status;
    pid_t shell = forkpty(&master, NULL, NULL, NULL);
    char bytes[100];

    if (shell == 0) {
        alarm(30);
        _exit(stop_and_continue());
    }
    while (read(master, bytes, sizeof(bytes)) > 0)
        ;
    waitpid(shell, &status, 0);
    close(master);
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), 0);
}
END_TEST

/* A job in the background leaves the terminal alone. */
static int in_the_background(void)
{
    pid_t monitor = fork();
    int status;

    if (monitor == 0) {
        enum ending ending = BY_FREE;

        setpgid(0, 0);
        be_the_monitor(ending);
    }
    waitpid(monitor, &status, WUNTRACED);
    return WIFEXITED(status) && !is_raw(0) ? WEXITSTATUS(status) : 1;
}

START_TEST(a_background_job_is_not_stopped)
{
    int master, status;
    pid_t shell = forkpty(&master, NULL, NULL, NULL);
    char bytes[100];

    if (shell == 0) {
        alarm(30);
        _exit(in_the_background());
    }
    while (read(master, bytes, sizeof(bytes)) > 0)
        ;
    waitpid(shell, &status, 0);
    close(master);
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), 6);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("console");
    TCase *tc = tcase_create("console");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, both_ways);
    tcase_add_test(tc, the_first_byte_after_quiet_does_not_wait);
    tcase_add_test(tc, dense_output_gathers_longer);
    tcase_add_test(tc, a_full_pipe_stops_no_writer);
    tcase_add_test(tc, bytes_gather_into_few_writes);
    tcase_add_test(tc, the_rest_is_written_at_the_end);
    tcase_add_test(tc, a_slow_host_pushes_back_and_gets_everything);
    tcase_add_test(tc, what_is_not_looked_at_is_bounded);
    tcase_add_test(tc, a_host_that_left_is_forgotten);
    tcase_add_test(tc, a_full_device_is_not_lost_on);
    tcase_add_test(tc, the_end_of_input_does_not_spin);
    tcase_add_test(tc, dev_null_as_input_does_not_spin);
    tcase_add_test(tc, many_writers);
    tcase_add_test(tc, a_file);
    tcase_add_test(tc, a_full_disk);
    tcase_add_test(tc, none);
    tcase_add_test(tc, nonsense_is_refused_in_one_line);
    tcase_add_test(tc, a_socket_both_ways_and_again);
    tcase_add_test(tc, clients_come_and_go_under_writers);
    tcase_add_test(tc, the_latest_is_kept_for_who_comes);
    tcase_add_test(tc, one_client_at_a_time);
    tcase_add_test(tc, a_stale_socket_is_replaced_and_a_live_one_is_not);
    suite_add_tcase(suite, tc);

    tc = tcase_create("terminal");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, the_escape_key);
    tcase_add_loop_test(tc, the_terminal_is_given_back, 0,
                        sizeof(endings) / sizeof(endings[0]));
    tcase_add_test(tc, the_terminal_is_lent_while_stopped);
    tcase_add_test(tc, a_background_job_is_not_stopped);
    suite_add_tcase(suite, tc);

    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
