/*
 * The network over a Unix socket: the test is the other side, the guest and
 * the connector.
 */
#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "connector.h"
#include "lull/bytes.h"
#include "lull/stream_net.h"
#include "unix_socket.h"

enum { FRAME = 60 };

static struct lull_loop *loop;
static struct lull_stream_net *stream;
static const struct lull_net *net;
static struct lull_vsock_spec sockets;
static int listener, peer, connector;
static char dir[64], spec[96], error[256];

/* ---- the guest ----------------------------------------------------------- */

static unsigned received, links, wanted;
static bool refuses, up;
static uint8_t last[LULL_FRAME_BYTES_MAX];

static bool guest_receive(void *opaque, const uint8_t *frame, size_t len)
{
    if (refuses) {
        lull_loop_quit(loop);
        return false;
    }
    memcpy(last, frame, len);
    if (++received == wanted)
        lull_loop_quit(loop);
    return true;
}

static void guest_link(void *opaque, bool is_up)
{
    links++;
    up = is_up;
    lull_loop_quit(loop);
}

static const struct lull_net_user guest = {guest_receive, guest_link, NULL};

static void run_until(unsigned frames)
{
    wanted = frames;
    lull_loop_run(loop);
}

/* ---- the other side ------------------------------------------------------ */

static void put(const void *bytes, size_t len)
{
    ck_assert_int_eq(write(peer, bytes, len), (ssize_t)len);
}

static void put_frame(uint8_t what)
{
    uint8_t bytes[4 + FRAME] = {0};

    put_be32(bytes, FRAME);
    memset(bytes + 4, what, FRAME);
    put(bytes, sizeof(bytes));
}

static void get(uint8_t *bytes, size_t len)
{
    ck_assert_int_eq(recv(peer, bytes, len, MSG_WAITALL), (ssize_t)len);
}

static void setup(void)
{
    int pair[2];

    signal(SIGPIPE, SIG_IGN);
    loop = lull_loop_new();
    strcpy(dir, "/tmp/lull-stream-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(spec, sizeof(spec), "unix:%s/s", dir);
    ck_assert(lull_stream_net_parse(spec, &sockets, error, sizeof(error)));
    listener = unix_socket_listen(spec + 5, 4);
    ck_assert_int_ge(listener, 0);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    connector = pair[1];
    stream = lull_stream_net_new(loop, &sockets, pair[0], error, sizeof(error));
    ck_assert_msg(stream != NULL, "%s", error);
    net = lull_stream_net_net(stream);
    net->attach(net->host, &guest);
    peer = accept(listener, NULL, NULL);
    ck_assert_int_ge(peer, 0);
    received = links = 0;
    refuses = false;
    up = true;
}

static void teardown(void)
{
    lull_stream_net_free(stream);
    lull_loop_free(loop);
    unlink(spec + 5);
    rmdir(dir);
}

/* ---- the tests ----------------------------------------------------------- */

START_TEST(what_is_refused)
{
    struct lull_vsock_spec other;
    char text[300] = "unix:";

    ck_assert(lull_stream_net_is(spec));
    ck_assert(!lull_stream_net_is("user"));
    ck_assert(!lull_stream_net_parse(text, &other, error, sizeof(error)));
    memset(text + 5, 'x', LULL_VSOCK_PATH_BYTES);
    ck_assert(!lull_stream_net_parse(text, &other, error, sizeof(error)));
    ck_assert(lull_stream_net_parse("unix:/tmp/nobody-is-there", &other, error,
                                    sizeof(error)));
    ck_assert_ptr_null(
        lull_stream_net_new(loop, &other, -1, error, sizeof(error)));
    ck_assert_msg(strstr(error, "/tmp/nobody-is-there: No such") != NULL, "%s",
                  error);
}
END_TEST

/* Three frames in four pieces, cut in a length and in a frame. */
START_TEST(frames_come_in)
{
    uint8_t bytes[3 * (4 + FRAME)] = {0};

    for (unsigned i = 0; i < 3; i++) {
        put_be32(bytes + (size_t)i * (4 + FRAME), FRAME);
        memset(bytes + (size_t)i * (4 + FRAME) + 4, (int)i + 1, FRAME);
    }
    put(bytes, 4 + FRAME + 2);
    run_until(1);
    ck_assert_uint_eq(last[0], 1);
    put(bytes + 4 + FRAME + 2, 20);
    put(bytes + 4 + FRAME + 22, sizeof(bytes) - 4 - FRAME - 22);
    run_until(3);
    ck_assert_uint_eq(last[FRAME - 1], 3);
    ck_assert_uint_eq(links, 0);
}
END_TEST

START_TEST(frames_go_out)
{
    uint8_t frame[LULL_FRAME_BYTES_MAX], bytes[4 + sizeof(frame)];

    memset(frame, 7, sizeof(frame));
    net->send(net->host, frame, FRAME);
    net->send(net->host, frame, sizeof(frame));
    net->sent(net->host);
    get(bytes, 4 + FRAME);
    ck_assert_uint_eq(get_be32(bytes), FRAME);
    get(bytes, sizeof(bytes));
    ck_assert_uint_eq(get_be32(bytes), sizeof(frame));
    ck_assert_mem_eq(bytes + 4, frame, sizeof(frame));
}
END_TEST

/* More than any buffer holds: nobody waits, whole frames are lost. */
START_TEST(a_side_that_does_not_read)
{
    uint8_t frame[1000] = {0}, bytes[4 + sizeof(frame)];
    unsigned got = 0;

    for (unsigned i = 0; i < 4000; i++) {
        net->send(net->host, frame, sizeof(frame));
        net->sent(net->host);
    }
    fcntl(peer, F_SETFL, O_NONBLOCK);
    while (recv(peer, bytes, sizeof(bytes), MSG_WAITALL) ==
           (ssize_t)sizeof(bytes)) {
        ck_assert_uint_eq(get_be32(bytes), sizeof(frame));
        got++;
    }
    ck_assert_uint_gt(got, 10);
    ck_assert_uint_lt(got, 4000);
    put_frame(1); /* and the loop sends what waits, as it turns */
    run_until(1);
    ck_assert_int_gt(recv(peer, bytes, sizeof(bytes), 0), 0);
    ck_assert_uint_eq(links, 0);
}
END_TEST

START_TEST(a_guest_without_buffers)
{
    refuses = true;
    put_frame(1);
    put_frame(2);
    lull_loop_run(loop);
    refuses = false;
    net->resume(net->host);
    if (received < 2)
        run_until(2);
    ck_assert_uint_eq(received, 2);
    ck_assert_uint_eq(last[0], 2);
}
END_TEST

static void asked(void *opaque, unsigned events)
{
    lull_loop_quit(loop);
}

/* The connector is asked, and says what it got. */
static void answer(int fd)
{
    struct lull_watch *watch =
        lull_loop_watch(loop, connector, LULL_LOOP_READ, asked, NULL);
    struct connector_message message;
    int passed;

    lull_loop_run(loop);
    lull_watch_free(watch);
    ck_assert_int_gt(connector_receive(connector, &message, &passed), 0);
    message.connected = fd >= 0;
    ck_assert(connector_send(connector, &message, fd));
}

/* The connector is asked until somebody is there. */
static void come_back(void)
{
    int fd = unix_socket_connect(spec + 5, 1000);

    ck_assert(!up);
    answer(-1);
    answer(fd);
    close(fd);
    lull_loop_run(loop);
    ck_assert(up);
    close(peer);
    peer = accept(listener, NULL, NULL);
    received = 0;
    put_frame(9);
    run_until(1);
    ck_assert_uint_eq(last[0], 9);
    ck_assert_uint_eq(links, 2);
}

START_TEST(the_other_side_goes_and_comes_back)
{
    close(peer);
    lull_loop_run(loop);
    net->send(net->host, last, FRAME); /* lost */
    net->sent(net->host);
    come_back();
}
END_TEST

START_TEST(what_is_no_frame)
{
    uint8_t bytes[4];

    put_be32(bytes, LULL_FRAME_BYTES_MAX + 1);
    put(bytes, sizeof(bytes));
    lull_loop_run(loop);
    come_back();
    put_be32(bytes, 13);
    put(bytes, sizeof(bytes));
    lull_loop_run(loop);
    ck_assert(!up);
}
END_TEST

/* A link that is down then stays down. */
START_TEST(without_a_connector)
{
    close(connector);
    close(peer);
    lull_loop_run(loop);
    ck_assert(!up);
    ck_assert_uint_eq(links, 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("stream-net");
    TCase *tc = tcase_create("stream-net");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, what_is_refused);
    tcase_add_test(tc, frames_come_in);
    tcase_add_test(tc, frames_go_out);
    tcase_add_test(tc, a_side_that_does_not_read);
    tcase_add_test(tc, a_guest_without_buffers);
    tcase_add_test(tc, the_other_side_goes_and_comes_back);
    tcase_add_test(tc, what_is_no_frame);
    tcase_add_test(tc, without_a_connector);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
