/*
 * The user network: its options, and a connection from the host that knocks at
 * the door of a guest that is slow.
 */
#include <arpa/inet.h>
#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lull/bytes.h"
#include "lull/user_net.h"

static struct lull_loop *loop;
static char error[256];

static struct lull_user_net *open_net(const char *spec)
{
    error[0] = '\0';
    return lull_user_net_new(loop, spec, error, sizeof(error));
}

static void setup(void)
{
    loop = lull_loop_new();
    ck_assert_ptr_nonnull(loop);
}

static void teardown(void)
{
    lull_loop_free(loop);
}

/* A port that was free a moment ago; the listener stays when `fd` is asked
 * for. */
static unsigned some_port(int *fd)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t len = sizeof(address);
    int s = socket(AF_INET, SOCK_STREAM, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ck_assert_int_eq(bind(s, (struct sockaddr *)&address, len), 0);
    ck_assert_int_eq(listen(s, 1), 0);
    ck_assert_int_eq(getsockname(s, (struct sockaddr *)&address, &len), 0);
    if (fd != NULL)
        *fd = s;
    else
        close(s);
    return ntohs(address.sin_port);
}

START_TEST(what_is_refused)
{
    static const char *const specs[] = {
        "tap",
        "user,mac=1",
        "user,forward=",
        "user,forward=sctp::1-:2",
        "user,forward=tcp::1",
        "user,forward=tcp:1-2",
        "user,forward=tcp::0-:22",
        "user,forward=tcp::70000-:22",
        "user,forward=tcp::2222x-:22",
        "user,forward=tcp:nowhere:2222-:22",
        "user,forward=tcp::2222-10.0.2:22",
    };

    for (size_t i = 0; i < sizeof(specs) / sizeof(specs[0]); i++) {
        ck_assert_msg(open_net(specs[i]) == NULL, "%s", specs[i]);
        ck_assert_msg(strncmp(error, "--net ", 6) == 0, "%s", error);
    }
}
END_TEST

START_TEST(a_port_in_use)
{
    char spec[64];
    int fd;

    snprintf(spec, sizeof(spec), "user,forward=tcp::%u-:22", some_port(&fd));
    ck_assert_ptr_null(open_net(spec));
    ck_assert_msg(strstr(error, "in use") != NULL, "%s", error);
    close(fd);
}
END_TEST

/* ---- a guest by hand -----------------------------------------------------
 */

static unsigned arps, syns, refused;

/* Nobody else is at 10.0.2.15: what was queued for it must follow at once. */
static void answer_arp(void *opaque)
{
    static const uint8_t mac[6] = {0x52, 0x54, 0, 0x12, 0x34, 0x56};
    const struct lull_net *net = opaque;
    uint8_t frame[42] = {
        [12] = 8, [13] = 6, [15] = 1, [16] = 8, [18] = 6, [19] = 4, [21] = 2};

    memset(frame, 0xff, 6);
    memcpy(frame + 6, mac, 6);
    memcpy(frame + 22, mac, 6);
    memcpy(frame + 28, "\x0a\x00\x02\x0f", 4);
    memset(frame + 32, 0xff, 6);
    memcpy(frame + 38, "\x0a\x00\x02\x02", 4);
    net->send(net->host, frame, sizeof(frame));
    net->sent(net->host);
}

/* Refuses the first frame, and takes it when it is asked again. */
static bool guest_receive(void *opaque, const uint8_t *frame, size_t len)
{
    if (refused++ == 0) {
        struct lull_net *net = opaque;

        ck_assert(lull_loop_post(loop, net->resume, net->host));
        return false;
    }
    /* "Who has 10.0.2.15?" */
    if (len >= 42 && frame[12] == 8 && frame[13] == 6 && frame[21] == 1 &&
        memcmp(frame + 38, "\x0a\x00\x02\x0f", 4) == 0) {
        arps++;
        ck_assert(lull_loop_post(loop, answer_arp, opaque));
    }
    /* TCP to port 22 */
    if (len >= 54 && frame[12] == 8 && frame[13] == 0 && frame[23] == 6 &&
        frame[37] == 22) {
        syns++;
        lull_loop_quit(loop);
    }
    return true;
}

START_TEST(somebody_knocks)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    struct lull_net_user user = {.receive = guest_receive};
    struct lull_user_net *n;
    struct lull_net net;
    unsigned port = some_port(NULL);
    char spec[64];
    int s = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

    snprintf(spec, sizeof(spec), "user,forward=tcp::%u-:22", port);
    n = open_net(spec);
    ck_assert_msg(n != NULL, "%s", error);
    net = *lull_user_net_net(n);
    user.opaque = &net;
    net.attach(net.host, &user);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons((uint16_t)port);
    connect(s, (struct sockaddr *)&address, sizeof(address));
    arps = syns = refused = 0;
    lull_loop_run(loop);
    ck_assert_uint_eq(arps, 1);
    ck_assert_uint_eq(syns, 1);
    ck_assert_uint_gt(refused, 1);
    close(s);
    lull_user_net_free(n);
}
END_TEST

/* ---- a guest that speaks TCP ----------------------------------------------
 */

enum { SYN = 2, PUSH = 8, ACK = 16 };

static struct {
    const struct lull_net *net;
    uint32_t seq, peer_seq; /* ours and the network's, the next byte */
    uint16_t peer_port;
    uint32_t acked;
} tcp;

static uint32_t sum_words(const uint8_t *at, size_t len, uint32_t sum)
{
    for (size_t i = 0; i < len; i++)
        sum += i % 2 == 0 ? (uint32_t)at[i] << 8 : at[i];
    return sum;
}

static void put_sum(uint8_t *at, uint32_t sum)
{
    while (sum >> 16 != 0)
        sum = (sum & 0xffff) + (sum >> 16);
    put_be16(at, (uint16_t)~sum);
}

/* A segment from 10.0.2.15 port 22 to whoever knocked. */
static void send_segment(uint8_t flags, const char *data)
{
    static const uint8_t ends[] = {10, 0, 2, 15, 10, 0, 2, 2};
    uint8_t frame[128] = {
        [0] = 0x52, 0x55,     10,          0,         2,
        2,          [12] = 8, [14] = 0x45, [22] = 64, [23] = 6};
    size_t len = strlen(data);

    memcpy(frame + 6, "\x52\x54\x00\x12\x34\x56", 6);
    put_be16(frame + 16, (uint16_t)(40 + len));
    memcpy(frame + 26, ends, sizeof(ends));
    put_sum(frame + 24, sum_words(frame + 14, 20, 0));
    put_be16(frame + 34, 22);
    put_be16(frame + 36, tcp.peer_port);
    put_be32(frame + 38, tcp.seq);
    put_be32(frame + 42, tcp.peer_seq);
    frame[46] = 5 << 4;
    frame[47] = flags;
    put_be16(frame + 48, 8192);
    memcpy(frame + 54, data, len);
    put_sum(frame + 50,
            sum_words(frame + 26, 28 + len, (uint32_t)(6 + 20 + len)));
    tcp.net->send(tcp.net->host, frame, 54 + len);
    tcp.seq += (uint32_t)len + (flags & SYN ? 1 : 0);
}

static void greet(void *opaque)
{
    send_segment(SYN | ACK, "");
    tcp.net->sent(tcp.net->host);
}

/* What the network said is acknowledged by the answer, as a guest does it. */
static void answer(void *opaque)
{
    send_segment(ACK | PUSH, "hello\n");
    tcp.net->sent(tcp.net->host);
    lull_loop_quit(loop);
}

static bool tcp_receive(void *opaque, const uint8_t *frame, size_t len)
{
    if (len >= 42 && frame[13] == 6 && frame[21] == 1)
        ck_assert(lull_loop_post(loop, answer_arp, opaque));
    if (len < 54 || frame[13] != 0 || frame[23] != 6)
        return true;
    tcp.peer_port = get_be16(frame + 34);
    if (frame[47] & SYN) {
        tcp.peer_seq = get_be32(frame + 38) + 1;
        ck_assert(lull_loop_post(loop, greet, NULL));
    } else if (get_be16(frame + 16) > 40) {
        tcp.peer_seq += get_be16(frame + 16) - 40U;
        ck_assert(lull_loop_post(loop, answer, NULL));
    }
    tcp.acked = get_be32(frame + 42);
    return true;
}

/* A second wake of the guest for an acknowledgement is none. */
START_TEST(an_answer_is_acknowledged_at_once)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    struct lull_net_user user = {.receive = tcp_receive};
    struct lull_user_net *n;
    struct lull_net net;
    unsigned port = some_port(NULL);
    char spec[64], text[8] = "";
    int s = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

    snprintf(spec, sizeof(spec), "user,forward=tcp::%u-:22", port);
    n = open_net(spec);
    ck_assert_msg(n != NULL, "%s", error);
    net = *lull_user_net_net(n);
    user.opaque = &net;
    net.attach(net.host, &user);
    memset(&tcp, 0, sizeof(tcp));
    tcp.net = &net;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons((uint16_t)port);
    connect(s, (struct sockaddr *)&address, sizeof(address));
    ck_assert_int_eq(send(s, "?", 1, 0), 1);
    lull_loop_run(loop);
    ck_assert_int_eq(recv(s, text, sizeof(text), 0), 6);
    ck_assert_uint_eq(tcp.acked, tcp.seq);
    close(s);
    lull_user_net_free(n);
}
END_TEST

/* ---- a guest that speaks UDP ----------------------------------------------
 */

static uint8_t datagram[128];
static size_t datagram_len;

/* The same back: ends are swapped, so that the sums stay what they were. */
static void return_datagram(void *opaque)
{
    const struct lull_net *net = opaque;
    uint8_t frame[sizeof(datagram)];

    memcpy(frame, datagram, datagram_len);
    memcpy(frame, datagram + 6, 6);
    memcpy(frame + 6, datagram, 6);
    memcpy(frame + 26, datagram + 30, 4);
    memcpy(frame + 30, datagram + 26, 4);
    memcpy(frame + 34, datagram + 36, 2);
    memcpy(frame + 36, datagram + 34, 2);
    net->send(net->host, frame, datagram_len);
    net->sent(net->host);
    lull_loop_quit(loop);
}

static bool udp_receive(void *opaque, const uint8_t *frame, size_t len)
{
    if (len >= 42 && frame[13] == 6 && frame[21] == 1)
        ck_assert(lull_loop_post(loop, answer_arp, opaque));
    if (len >= 42 && len <= sizeof(datagram) && frame[13] == 0 &&
        frame[23] == 17 && get_be16(frame + 36) == 7) {
        memcpy(datagram, frame, len);
        datagram_len = len;
        ck_assert(lull_loop_post(loop, return_datagram, opaque));
    }
    return true;
}

START_TEST(a_datagram_goes_there_and_back)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    struct lull_net_user user = {.receive = udp_receive};
    struct lull_user_net *n;
    struct lull_net net;
    unsigned port = some_port(NULL);
    char spec[64], text[16] = "";
    int s = socket(AF_INET, SOCK_DGRAM, 0);

    snprintf(spec, sizeof(spec), "user,forward=udp::%u-:7", port);
    n = open_net(spec);
    ck_assert_msg(n != NULL, "%s", error);
    net = *lull_user_net_net(n);
    user.opaque = &net;
    net.attach(net.host, &user);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons((uint16_t)port);
    connect(s, (struct sockaddr *)&address, sizeof(address));
    ck_assert_int_eq(send(s, "datagram", 8, 0), 8);
    lull_loop_run(loop);
    ck_assert_int_eq(recv(s, text, sizeof(text), 0), 8);
    ck_assert_str_eq(text, "datagram");
    close(s);
    lull_user_net_free(n);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("user-net");
    TCase *tc = tcase_create("user-net");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, what_is_refused);
    tcase_add_test(tc, a_port_in_use);
    tcase_add_test(tc, somebody_knocks);
    tcase_add_test(tc, an_answer_is_acknowledged_at_once);
    tcase_add_test(tc, a_datagram_goes_there_and_back);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
