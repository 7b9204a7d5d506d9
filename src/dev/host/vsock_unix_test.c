/*
 * The options of --vsock; and the host's sockets with the real loop, the real
 * connector and programs that are the test's.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lull/vsock.h"
#include "unix_socket.h"

static char dir[64];

static void setup(void)
{
    signal(SIGPIPE, SIG_IGN);
    strcpy(dir, "/tmp/vsock_test.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
}

static void teardown(void)
{
    char name[96];
    static const char *const names[] = {"5000", "a", "b"};

    for (size_t i = 0; i < 3; i++) {
        snprintf(name, sizeof(name), "%s/%s", dir, names[i]);
        unlink(name);
    }
    rmdir(dir);
}

/* ---- the option ---------------------------------------------------------- */

static struct lull_vsock_spec spec;
static char error[256];

static bool parses(const char *text)
{
    return lull_vsock_parse(text, &spec, error, sizeof(error));
}

START_TEST(all_there_is_to_say)
{
    ck_assert(parses("3"));
    ck_assert_uint_eq(spec.cid, 3);
    ck_assert(parses("42,to-host=5000:/a,to-guest=22:/b:c,to-host=1:d,dir=e"));
    ck_assert_uint_eq(spec.cid, 42);
    ck_assert_uint_eq(spec.to_host_count, 2);
    ck_assert_uint_eq(spec.to_host[0].port, 5000);
    ck_assert_str_eq(spec.to_host[0].path, "/a");
    ck_assert_str_eq(spec.to_host[1].path, "d");
    ck_assert_uint_eq(spec.to_guest[0].port, 22);
    ck_assert_str_eq(spec.to_guest[0].path, "/b:c");
    ck_assert_str_eq(spec.dir, "e");
}
END_TEST

START_TEST(what_it_cannot_mean)
{
    static const char *const bad[] = {
        "",
        "2",
        "x",
        "-3",
        "3x",
        "4294967295",
        "4294967299",
        "3,",
        "3,to-host",
        "3,to-host=5",
        "3,to-host=5:",
        "3,to-host=:a",
        "3,to-host=x:a",
        "3,to-host=4294967296:a",
        "3,dir=",
        "3,to-guest=1:a,to-guest=1:b",
    };
    char longer[256];

    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        error[0] = '\0';
        ck_assert_msg(!parses(bad[i]), "%s", bad[i]);
        ck_assert_msg(strncmp(error, "--vsock", 7) == 0, "%s", error);
    }
    snprintf(longer, sizeof(longer), "3,to-host=1:%0200d", 0);
    ck_assert(!parses(longer));
    snprintf(longer, sizeof(longer), "3,dir=%0100d", 0);
    ck_assert(!parses(longer));
}
END_TEST

START_TEST(seventeen_are_too_many)
{
    char text[512] = "3";

    for (unsigned i = 0; i < 16; i++)
        sprintf(text + strlen(text), ",to-host=%u:a", i);
    ck_assert(parses(text));
    strcat(text, ",to-host=99:a");
    ck_assert(!parses(text));
}
END_TEST

/* ---- the sockets --------------------------------------------------------- */

static struct lull_loop *loop;
static struct lull_vsock_unix *sockets;
static int connector = -1;
static uint64_t connected_token;
static uint32_t incoming_port;
static int device_fd;

static void on_connected(void *opaque, uint64_t token, int fd)
{
    connected_token = token;
    device_fd = fd;
    lull_loop_quit(loop);
}

static void on_incoming(void *opaque, uint32_t port, int fd)
{
    incoming_port = port;
    device_fd = fd;
    lull_loop_quit(loop);
}

static bool contain_nothing(void *opaque)
{
    return true;
}

static bool contain_fails(void *opaque)
{
    return false;
}

static void quit_loop(void *opaque)
{
    lull_loop_quit(loop);
}

static void open_sockets(const char *format, bool (*contain)(void *))
{
    static const struct lull_vsock_user user = {on_connected, on_incoming,
                                                NULL};
    char text[512];

    snprintf(text, sizeof(text), format, dir, dir);
    ck_assert_msg(parses(text), "%s", error);
    connector = lull_connector_start(&spec, contain, NULL);
    loop = lull_loop_new();
    sockets = lull_vsock_unix_new(loop, &spec, connector, error, sizeof(error));
    ck_assert_msg(sockets != NULL, "%s", error);
    lull_vsock_unix_host(sockets)->attach(lull_vsock_unix_host(sockets)->host,
                                          &user);
    device_fd = -1;
}

static void close_sockets(void)
{
    lull_vsock_unix_free(sockets);
    lull_loop_free(loop);
    if (connector >= 0)
        close(connector);
    connector = -1;
}

static bool connect_port(uint32_t port, uint64_t token)
{
    const struct lull_vsock_host *host = lull_vsock_unix_host(sockets);

    return host->connect(host->host, port, token);
}

/* The device's end and the program's belong together, and do not block. */
static void check_joined(int program)
{
    char byte = 0;

    ck_assert_int_ge(device_fd, 0);
    ck_assert(fcntl(device_fd, F_GETFL) & O_NONBLOCK);
    ck_assert_int_eq(write(device_fd, "x", 1), 1);
    ck_assert_int_eq(read(program, &byte, 1), 1);
    ck_assert_int_eq(byte, 'x');
    close(device_fd);
}

START_TEST(programs_connect_to_us)
{
    char path[96];
    struct stat status;
    int program;

    open_sockets("3,to-guest=22:%s/a,to-guest=23:%s/b", contain_nothing);
    ck_assert_int_eq(connector, -1); /* there is nothing to connect to */
    snprintf(path, sizeof(path), "%s/b", dir);
    ck_assert_int_eq(stat(path, &status), 0);
    ck_assert_uint_eq(status.st_mode & 0777, 0600);
    program = unix_socket_connect(path, 1000);
    ck_assert_int_ge(program, 0);
    lull_loop_run(loop);
    ck_assert_uint_eq(incoming_port, 23);
    fcntl(program, F_SETFL, 0);
    check_joined(program);
    close(program);
    close_sockets();
    ck_assert_int_ne(stat(path, &status), 0);
}
END_TEST

START_TEST(we_connect_to_programs)
{
    char path[96];
    int listener, program;

    open_sockets("3,to-host=9:%s/a,dir=%s", contain_nothing);
    snprintf(path, sizeof(path), "%s/a", dir);
    listener = unix_socket_listen(path, 1);
    ck_assert(connect_port(9, 77));
    lull_loop_run(loop);
    ck_assert_uint_eq(connected_token, 77);
    program = accept(listener, NULL, NULL);
    check_joined(program);
    close(program);
    close(listener);

    ck_assert(connect_port(9, 78)); /* nobody listens any more */
    lull_loop_run(loop);
    ck_assert_uint_eq(connected_token, 78);
    ck_assert_int_eq(device_fd, -1);

    snprintf(path, sizeof(path), "%s/5000", dir);
    listener = unix_socket_listen(path, 1);
    ck_assert(connect_port(5000, 79));
    lull_loop_run(loop);
    program = accept(listener, NULL, NULL);
    check_joined(program);
    close(program);
    close(listener);
    close_sockets();
}
END_TEST

START_TEST(nothing_for_that_port)
{
    open_sockets("3,to-host=9:%s/a", contain_nothing);
    ck_assert(!connect_port(10, 1));
    close_sockets();
}
END_TEST

/* It was refused its containment, or was killed: the machine goes on. */
START_TEST(a_connector_that_ended)
{
    open_sockets("3,to-host=9:%s/a,to-guest=22:%s/b", contain_fails);
    while (connect_port(9, 1)) {
        struct lull_timer *timer = lull_timer_new(loop, quit_loop, NULL);

        lull_timer_set(timer, 1000000);
        lull_loop_run(loop);
        lull_timer_free(timer);
    }
    close_sockets();
}
END_TEST

START_TEST(a_name_that_is_taken)
{
    char path[96], text[128];
    int listener;

    snprintf(path, sizeof(path), "%s/a", dir);
    listener = unix_socket_listen(path, 1);
    ck_assert_int_ge(listener, 0);
    snprintf(text, sizeof(text), "3,to-guest=1:%s", path);
    ck_assert(parses(text));
    loop = lull_loop_new();
    ck_assert_ptr_null(
        lull_vsock_unix_new(loop, &spec, -1, error, sizeof(error)));
    ck_assert_ptr_nonnull(strstr(error, path));
    ck_assert_int_eq(access(path, F_OK), 0); /* not ours to take away */
    close(listener);
    sockets = lull_vsock_unix_new(loop, &spec, -1, error, sizeof(error));
    ck_assert_ptr_nonnull(sockets); /* its owner has gone */
    close_sockets();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("vsock-unix");
    TCase *tc = tcase_create("vsock-unix");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, all_there_is_to_say);
    tcase_add_test(tc, what_it_cannot_mean);
    tcase_add_test(tc, seventeen_are_too_many);
    tcase_add_test(tc, programs_connect_to_us);
    tcase_add_test(tc, we_connect_to_programs);
    tcase_add_test(tc, nothing_for_that_port);
    tcase_add_test(tc, a_connector_that_ended);
    tcase_add_test(tc, a_name_that_is_taken);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
