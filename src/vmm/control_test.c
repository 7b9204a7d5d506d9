/*
 * The control socket as a client meets it: greeting, negotiation, commands,
 * errors, events, and clients that misbehave. The VM is a fake that counts;
 * socket, loop and protocol are the real ones.
 */
#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "control_server.h"
#include "lull/control.h"
#include "machine.h"
#include "slots.h"
#include "test_main.h"
#include "recording.h"
#include "snapshot.h"

/* ---- the fake VM
 * ---------------------------------------------------------------- */

static struct lull_vm vm;
static _Atomic unsigned resets, quits;
static char runtime[64], directory[80], path[128];
static pthread_t loop_thread;
static struct why why;

void vm_pause(struct lull_vm *machine)
{
    machine->paused = true;
    control_event(machine->control, "STOP", NULL);
}

void vm_resume(struct lull_vm *machine)
{
    machine->paused = false;
    control_event(machine->control, "RESUME", NULL);
}

void vm_reset(struct lull_vm *machine, bool by_guest)
{
    ck_assert(!by_guest);
    atomic_fetch_add(&resets, 1);
    control_event(machine->control, "RESET", json_pack("{s:b}", "guest", 0));
}

/* A guest that listens once. */
bool vm_power_key(struct lull_vm *machine)
{
    static bool pressed;
    bool first = !pressed;

    pressed = true;
    return first;
}

void vm_end(struct lull_vm *machine, enum lull_vm_end reason,
            const char *format, ...)
{
    ck_assert_int_eq(reason, LULL_END_QUIT);
    atomic_fetch_add(&quits, 1);
}

/* A snapshot of one step, which says what it was given: the size of the file
 * behind the descriptor. */
static const void *saver;

json_t *snapshot_save_start(struct lull_vm *machine, const void *who, int fd,
                            struct why *reason)
{
    struct stat status;

    ck_assert_int_eq(fstat(fd, &status), 0);
    close(fd);
    saver = who;
    machine->save = (struct snapshot_save *)&saver;
    return json_pack("{s:I}", "size", (json_int_t)status.st_size);
}

json_t *snapshot_save_step(struct lull_vm *machine, const void *who,
                           struct why *reason)
{
    if (saver == who)
        return json_pack("{s:b}", "done", 1);
    because(reason, "it is not you who saves this VM");
    return NULL;
}

json_t *snapshot_save_end(struct lull_vm *machine, const void *who,
                          struct why *reason)
{
    machine->save = NULL;
    saver = NULL;
    return json_object();
}

void snapshot_save_gone(struct lull_vm *machine, const void *who)
{
    if (saver == who)
        json_decref(snapshot_save_end(machine, who, NULL));
}

void snapshot_save_paused(struct lull_vm *machine)
{
}

void policy_set(struct lull_vm *machine, const struct idle_policy *policy)
{
    machine->config.idle = *policy;
}

json_t *stats_json(struct lull_vm *machine)
{
    return json_pack("{s:s}", "name", machine->config.name);
}

/* A balloon that arrives at once, in a guest that may have a driver. */
static struct lull_balloon_stats balloon;

static struct {
    bool there;
    unsigned columns, rows;
} console;

bool slots_resize(const struct slots *slots, uint16_t columns, uint16_t rows)
{
    console.columns = columns;
    console.rows = rows;
    return console.there;
}

struct lull_virtio *slots_balloon(const struct slots *slots)
{
    return NULL;
}

struct lull_balloon_stats lull_virtio_balloon_stats(struct lull_virtio *dev)
{
    return balloon;
}

void lull_virtio_balloon_set(struct lull_virtio *dev, uint64_t bytes)
{
    balloon.target_bytes = balloon.actual_bytes = bytes;
}

/* ---- around each test
 * -------------------------------------------------------------- */

static void *run_loop(void *opaque)
{
    lull_loop_run(vm.loop);
    return NULL;
}

static void no_guest(void *opaque)
{
}

static void setup(void)
{
    memset(&vm, 0, sizeof(vm));
    atomic_store(&resets, 0);
    atomic_store(&quits, 0);
    snprintf(runtime, sizeof(runtime), "/tmp/control_test.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(runtime));
    setenv("XDG_RUNTIME_DIR", runtime, 1);
    ck_assert(lull_control_dir(directory, sizeof(directory)));
    ck_assert(lull_control_path("test", path, sizeof(path)));
    vm.config.name = "test";
    vm.config.cpus = 2;
    vm.config.idle = (struct idle_policy){.name = "halt"};
    for (unsigned i = 0; i < 2; i++)
        vm.vcpu[i].idle =
            idle_vcpu_new(&(struct idle_config){.force_exit = no_guest});
    vm.config.memory_bytes = 1 << 30;
    balloon = (struct lull_balloon_stats){.driver = true};
    vm.loop = lull_loop_new();
    vm.control = control_new(&vm, &why);
    ck_assert_msg(vm.control != NULL, "%s", why.text);
    ck_assert_int_eq(pthread_create(&loop_thread, NULL, run_loop, NULL), 0);
}

static void teardown(void)
{
    lull_loop_quit(vm.loop);
    pthread_join(loop_thread, NULL);
    if (vm.control != NULL)
        control_free(vm.control);
    lull_loop_free(vm.loop);
    for (unsigned i = 0; i < 2; i++)
        idle_vcpu_free(vm.vcpu[i].idle);
    recording_free(&vm);
    unlink(path);
    rmdir(directory);
    rmdir(runtime);
}

/* ---- a client
 * ------------------------------------------------------------------------- */

struct session {
    int fd;
    char in[65536];
    size_t len;
};

static void say(struct session *s, const char *text)
{
    size_t len = strlen(text);

    ck_assert_int_eq(send(s->fd, text, len, MSG_NOSIGNAL), (ssize_t)len);
}

/* The next line, parsed; NULL when the VM hung up. */
static json_t *hear(struct session *s)
{
    for (;;) {
        char *end = memchr(s->in, '\n', s->len);
        ssize_t n;

        if (end != NULL) {
            size_t used = (size_t)(end + 1 - s->in);
            json_t *message = json_loadb(s->in, used, 0, NULL);

            ck_assert_ptr_nonnull(message);
            s->len -= used;
            memmove(s->in, end + 1, s->len);
            return message;
        }
        n = recv(s->fd, s->in + s->len, sizeof(s->in) - s->len, 0);
        if (n <= 0)
            return NULL;
        s->len += (size_t)n;
    }
}

static void heard(json_t *message, const char *expected)
{
    json_t *wanted = json_loads(expected, 0, NULL);

    ck_assert_msg(wanted != NULL, "test's own JSON: %s", expected);
    if (!json_equal(message, wanted)) {
        char *text = json_dumps(message, JSON_COMPACT);

        ck_abort_msg("wanted %s, got %s", expected, text);
    }
    json_decref(wanted);
    json_decref(message);
}

static void hears(struct session *s, const char *expected)
{
    heard(hear(s), expected);
}

static void hears_error(struct session *s, const char *class, const char *words)
{
    json_t *message = hear(s);
    json_t *error = json_object_get(message, "error");
    const char *desc = json_string_value(json_object_get(error, "desc"));

    ck_assert_str_eq(json_string_value(json_object_get(error, "class")), class);
    ck_assert_msg(strstr(desc, words) != NULL, "%s", desc);
    json_decref(message);
}

static void hears_event(struct session *s, const char *name)
{
    json_t *message = hear(s);
    json_t *time = json_object_get(message, "timestamp");

    ck_assert_str_eq(json_string_value(json_object_get(message, "event")),
                     name);
    ck_assert(json_is_integer(json_object_get(time, "seconds")));
    ck_assert(json_is_integer(json_object_get(time, "microseconds")));
    json_decref(message);
}

static void connects(struct session *s)
{
    char err[256];
    json_t *greeting;

    memset(s, 0, sizeof(*s));
    s->fd = lull_control_connect("test", err, sizeof(err));
    ck_assert_msg(s->fd >= 0, "%s", err);
    greeting = hear(s);
    ck_assert(json_is_object(json_object_get(
        json_object_get(json_object_get(greeting, "QMP"), "version"), "qemu")));
    json_decref(greeting);
}

static void negotiates(struct session *s)
{
    connects(s);
    say(s, "{\"execute\":\"qmp_capabilities\"}\n");
    hears(s, "{\"return\":{}}");
}

/* ---- the protocol
 * ------------------------------------------------------------------------ */

START_TEST(nothing_before_the_negotiation)
{
    struct session s;

    connects(&s);
    say(&s, "{\"execute\":\"query-status\",\"id\":\"a\"}");
    hears_error(&s, "CommandNotFound", "qmp_capabilities");
    say(&s, "{\"execute\":\"quit\"}");
    hears_error(&s, "CommandNotFound", "qmp_capabilities");
    ck_assert_uint_eq(quits, 0);
    say(&s, "{\"execute\":\"qmp_capabilities\","
            "\"arguments\":{\"enable\":[]}}");
    hears(&s, "{\"return\":{}}");
    say(&s, "{\"execute\":\"query-status\"}");
    hears(&s, "{\"return\":{\"status\":\"running\",\"running\":true,"
              "\"singlestep\":false}}");
    close(s.fd);
}
END_TEST

START_TEST(answers_carry_the_id)
{
    struct session s;

    negotiates(&s);
    say(&s, "{\"execute\":\"query-name\",\"id\":{\"n\":[1,null]}}");
    hears(&s, "{\"return\":{\"name\":\"test\"},\"id\":{\"n\":[1,null]}}");
    say(&s, "{\"execute\":\"no-such\",\"id\":7}");
    hears(&s, "{\"error\":{\"class\":\"CommandNotFound\",\"desc\":"
              "\"The command no-such has not been found\"},\"id\":7}");
    close(s.fd);
}
END_TEST

START_TEST(queries)
{
    struct session s;
    json_t *answer;

    negotiates(&s);
    say(&s, "{\"execute\":\"query-cpus-fast\"}");
    hears(&s,
          "{\"return\":[{\"cpu-index\":0,\"qom-path\":\"/machine/cpu[0]\","
          "\"thread-id\":0,\"target\":\"aarch64\",\"props\":{\"core-id\":0}},"
          "{\"cpu-index\":1,\"qom-path\":\"/machine/cpu[1]\","
          "\"thread-id\":0,\"target\":\"aarch64\",\"props\":"
          "{\"core-id\":1}}]}");
    say(&s, "{\"execute\":\"query-version\"}");
    answer = hear(&s);
    ck_assert(json_is_object(
        json_object_get(json_object_get(answer, "return"), "qemu")));
    json_decref(answer);
    say(&s, "{\"execute\":\"x-lull-stats\"}");
    hears(&s, "{\"return\":{\"name\":\"test\"}}");
    close(s.fd);
}
END_TEST

/* What query-commands lists is there, and what is there is listed. */
START_TEST(commands_are_listed)
{
    static const char *const needed[] = {
        "qmp_capabilities",
        "query-status",
        "query-version",
        "query-cpus-fast",
        "stop",
        "cont",
        "system_powerdown",
        "system_reset",
        "quit",
        "x-lull-stats",
        "x-lull-idle",
        "balloon",
        "query-balloon",
        "x-lull-console-size",
    };
    struct session s;
    const json_t *command;
    json_t *answer;
    size_t i, j, found = 0;

    negotiates(&s);
    say(&s, "{\"execute\":\"query-commands\"}");
    answer = hear(&s);
    json_array_foreach(json_object_get(answer, "return"), i,
                       command) for (j = 0; j < COUNT_OF(needed); j++) found +=
        strcmp(needed[j],
               json_string_value(json_object_get(command, "name"))) == 0;
    ck_assert_uint_eq(found, COUNT_OF(needed));
    json_decref(answer);
    close(s.fd);
}
END_TEST

START_TEST(the_idle_policy_is_changed)
{
    struct session s;

    negotiates(&s);
    say(&s, "{\"execute\":\"x-lull-idle\",\"arguments\":"
            "{\"policy\":\"ladder\"}}");
    hears(&s, "{\"return\":{\"policy\":\"ladder,us=100\"}}");
    ck_assert_str_eq(vm.config.idle.name, "ladder");
    say(&s, "{\"execute\":\"x-lull-idle\",\"arguments\":"
            "{\"policy\":\"fly\"}}");
    hears_error(&s, "GenericError", "valid are park, halt");
    say(&s, "{\"execute\":\"x-lull-idle\",\"arguments\":{\"policy\":1}}");
    hears_error(&s, "GenericError", "'policy'");
    say(&s, "{\"execute\":\"x-lull-idle\"}");
    hears_error(&s, "GenericError", "'policy'");
    say(&s, "{\"execute\":\"x-lull-idle\",\"arguments\":"
            "{\"policy\":\"park\",\"polcy\":1}}");
    hears_error(&s, "GenericError", "'polcy' is unexpected");
    ck_assert_str_eq(vm.config.idle.name, "ladder");
    close(s.fd);
}
END_TEST

#define SAY_SIZE(size)                                                         \
    say(&s,                                                                    \
        "{\"execute\":\"x-lull-console-size\",\"arguments\":{\"size\":" size   \
        "}}")

START_TEST(the_console_has_a_size)
{
    struct session s;

    negotiates(&s);
    SAY_SIZE("\"80x24\"");
    hears_error(&s, "GenericError", "--virtio-console");
    console.there = true;
    SAY_SIZE("\"132x50\"");
    hears(&s, "{\"return\":{}}");
    ck_assert_uint_eq(console.columns, 132);
    ck_assert_uint_eq(console.rows, 50);
    SAY_SIZE("\"80\"");
    hears_error(&s, "GenericError", "80x24");
    SAY_SIZE("\"70000x24\"");
    hears_error(&s, "GenericError", "80x24");
    SAY_SIZE("\"80x24x\"");
    hears_error(&s, "GenericError", "80x24");
    SAY_SIZE("7");
    hears_error(&s, "GenericError", "80x24");
    close(s.fd);
}
END_TEST

START_TEST(the_balloon_is_set)
{
    struct session s;

    negotiates(&s);
    say(&s, "{\"execute\":\"balloon\",\"arguments\":{\"value\":"
            "268435456}}");
    hears(&s, "{\"return\":{}}");
    ck_assert_uint_eq(balloon.target_bytes, 3 << 28);
    say(&s, "{\"execute\":\"query-balloon\"}");
    hears(&s, "{\"return\":{\"actual\":268435456}}");
    say(&s, "{\"execute\":\"balloon\",\"arguments\":{\"value\":"
            "1073741825}}");
    hears_error(&s, "GenericError", "1073741824");
    say(&s, "{\"execute\":\"balloon\",\"arguments\":{\"value\":-1}}");
    hears_error(&s, "GenericError", "'value'");
    balloon.driver = false;
    say(&s, "{\"execute\":\"balloon\",\"arguments\":{\"value\":0}}");
    hears_error(&s, "DeviceNotActive", "modprobe");
    close(s.fd);
}
END_TEST

START_TEST(power_commands_and_their_events)
{
    struct session s, other;

    negotiates(&s);
    negotiates(&other);
    say(&s, "{\"execute\":\"stop\"}");
    hears_event(&s, "STOP");
    hears(&s, "{\"return\":{}}");
    hears_event(&other, "STOP");
    say(&other, "{\"execute\":\"query-status\"}");
    hears(&other, "{\"return\":{\"status\":\"paused\",\"running\":false,"
                  "\"singlestep\":false}}");
    say(&s, "{\"execute\":\"cont\"}{\"execute\":\"system_reset\"}");
    hears_event(&s, "RESUME");
    hears(&s, "{\"return\":{}}");
    hears_event(&s, "RESET");
    hears(&s, "{\"return\":{}}");
    say(&s, "{\"execute\":\"system_powerdown\"}");
    hears(&s, "{\"return\":{}}");
    say(&s, "{\"execute\":\"system_powerdown\"}");
    hears_error(&s, "GenericError", "power key");
    say(&s, "{\"execute\":\"quit\"}");
    hears(&s, "{\"return\":{}}");
    ck_assert_uint_eq(resets, 1);
    ck_assert_uint_eq(quits, 1);
    close(s.fd);
    close(other.fd);
}
END_TEST

START_TEST(a_message_may_come_in_pieces_or_together)
{
    static const char message[] = " {\"execute\":\n\"query-name\"} ";
    struct session s;
    size_t i;

    negotiates(&s);
    for (i = 0; message[i] != '\0'; i++)
        say(&s, (char[]){message[i], '\0'});
    hears(&s, "{\"return\":{\"name\":\"test\"}}");
    say(&s, "{\"execute\":\"query-name\"}{\"execute\":\"query-name\"}\r\n\n"
            "{\"execute\":\"query-name\",\"id\":3}");
    hears(&s, "{\"return\":{\"name\":\"test\"}}");
    hears(&s, "{\"return\":{\"name\":\"test\"}}");
    hears(&s, "{\"return\":{\"name\":\"test\"},\"id\":3}");
    close(s.fd);
}
END_TEST

START_TEST(nonsense_is_answered_and_survived)
{
    static const struct {
        const char *text, *words;
    } nonsense[] = {
        {"{bad}\n", "JSON parse error"},
        {"hello\n", "JSON parse error"},
        {"{\"execute\":\"a\\ud800\"}\n", "JSON parse error"},
        {"[]\n", "\"execute\""},
        {"[{\"execute\":\"quit\"}]\n", "\"execute\""},
        {"{}\n", "\"execute\""},
        {"{\"execute\":3}\n", "\"execute\""},
        {"{\"execute\":\"quit\",\"arguments\":[]}\n", "must be an object"},
        {"{\"execute\":\"quit\",\"arguments\":{\"x\":1}}\n", "unexpected"},
        {"{\"execute\":\"stop\",\"arguments\":{\"enable\":[]}}\n",
         "unexpected"},
    };
    struct session s;
    size_t i;

    negotiates(&s);
    for (i = 0; i < COUNT_OF(nonsense); i++) {
        say(&s, nonsense[i].text);
        hears_error(&s, "GenericError", nonsense[i].words);
    }
    say(&s, "{\"execute\":\"query-name\"}");
    hears(&s, "{\"return\":{\"name\":\"test\"}}");
    ck_assert_uint_eq(quits, 0);
    close(s.fd);
}
END_TEST

/* ---- clients that misbehave
 * ------------------------------------------------------------------ */

START_TEST(an_endless_message_is_cut_off)
{
    struct session s, other;
    char chunk[4096];
    int i;

    negotiates(&other);
    negotiates(&s);
    say(&s, "{\"execute\":\"");
    memset(chunk, 'x', sizeof(chunk));
    for (i = 0; i < 64; i++)
        if (send(s.fd, chunk, sizeof(chunk), MSG_NOSIGNAL) < 0)
            break;
    ck_assert_ptr_null(hear(&s));
    close(s.fd);
    say(&other, "{\"execute\":\"query-name\"}");
    hears(&other, "{\"return\":{\"name\":\"test\"}}");
    close(other.fd);
}
END_TEST

/* It asks and never reads: cut off when too much is waiting for it. */
START_TEST(a_client_that_does_not_read_is_cut_off)
{
    struct session s;
    unsigned long i;

    negotiates(&s);
    for (i = 0; i < 10000000; i++)
        if (send(s.fd, "{\"execute\":\"query-commands\"}\n", 29, MSG_NOSIGNAL) <
            0)
            break;
    ck_assert_uint_lt(i, 10000000);
    close(s.fd);
    negotiates(&s);
    close(s.fd);
}
END_TEST

START_TEST(too_many_clients_are_turned_away)
{
    struct session *s = calloc(40, sizeof(*s));
    char err[256];
    int i;

    for (i = 0; i < 32; i++)
        connects(&s[i]);
    s[32].fd = lull_control_connect("test", err, sizeof(err));
    ck_assert_int_ge(s[32].fd, 0);
    ck_assert_ptr_null(hear(&s[32]));
    for (i = 0; i <= 32; i++)
        close(s[i].fd);
    free(s);
}
END_TEST

START_TEST(clients_come_and_go)
{
    struct session s;
    int i;

    for (i = 0; i < 200; i++) {
        negotiates(&s);
        if (i % 3 == 0)
            say(&s, "{\"execute\":\"stop\"}{\"execute\":\"cont\"}");
        if (i % 3 == 1)
            say(&s, "{\"execute\":");
        close(s.fd);
    }
}
END_TEST

/* ---- the socket's file
 * -------------------------------------------------------------------------- */

START_TEST(the_socket_is_ours_alone)
{
    struct stat st;

    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_uint_eq(st.st_mode & 0777, 0600);
    ck_assert_int_eq(stat(directory, &st), 0);
    ck_assert_uint_eq(st.st_mode & 0777, 0700);
}
END_TEST

START_TEST(a_name_in_use_is_refused)
{
    struct session s;

    ck_assert_ptr_null(control_new(&vm, &why));
    ck_assert_ptr_nonnull(strstr(why.text, "--name test"));
    negotiates(&s); /* and the first one is none the worse */
    close(s.fd);
}
END_TEST

START_TEST(a_stale_socket_is_replaced)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct lull_vm second = {.config = {.name = "stale"}, .loop = vm.loop};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    struct control *control;

    ck_assert(
        lull_control_path("stale", address.sun_path, sizeof(address.sun_path)));
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    close(fd); /* left behind by one that was killed */
    control = control_new(&second, &why);
    ck_assert_msg(control != NULL, "%s", why.text);
    control_free(control);
    ck_assert_int_ne(access(address.sun_path, F_OK), 0);
}
END_TEST

START_TEST(a_directory_open_to_others_is_refused)
{
    struct lull_vm second = {.config = {.name = "second"}, .loop = vm.loop};

    ck_assert_int_eq(chmod(directory, 0777), 0);
    ck_assert_ptr_null(control_new(&second, &why));
    ck_assert_ptr_nonnull(strstr(why.text, directory));
    ck_assert_int_eq(chmod(directory, 0700), 0);
}
END_TEST

START_TEST(paths_that_do_not_fit)
{
    struct lull_vm second = {.config = {.name = "second"}, .loop = vm.loop};
    char longer[200], err[256];

    memset(longer, 'x', sizeof(longer));
    longer[0] = '/';
    longer[sizeof(longer) - 1] = '\0';
    setenv("XDG_RUNTIME_DIR", longer, 1);
    ck_assert_ptr_null(control_new(&second, &why));
    ck_assert_ptr_nonnull(strstr(why.text, "XDG_RUNTIME_DIR"));
    ck_assert_int_eq(lull_control_connect("x", err, sizeof(err)), -1);
    ck_assert_ptr_nonnull(strstr(err, "XDG_RUNTIME_DIR"));
    unsetenv("XDG_RUNTIME_DIR");
    ck_assert(lull_control_dir(longer, sizeof(longer)));
    ck_assert_ptr_nonnull(strstr(longer, "/tmp/lull-"));
    ck_assert(!lull_control_dir(longer, 10));
}
END_TEST

/* The next answer and the descriptor that came with it, or -1. */
static int hears_memory(struct session *s, size_t *bytes)
{
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct iovec data = {s->in, sizeof(s->in)};
    struct msghdr message = {.msg_iov = &data,
                             .msg_iovlen = 1,
                             .msg_control = control.room,
                             .msg_controllen = sizeof(control.room)};
    ssize_t n = recvmsg(s->fd, &message, 0);
    json_t *said, *answer;
    int fd = -1;

    ck_assert_int_gt(n, 0);
    s->len = (size_t)n;
    said = hear(s);
    answer = json_object_get(said, "return");
    ck_assert(json_is_true(json_object_get(answer, "recording")));
    ck_assert_str_eq(json_string_value(json_object_get(answer, "policy")),
                     "halt");
    *bytes = (size_t)json_integer_value(json_object_get(answer, "bytes"));
    json_decref(said);
    if (message.msg_controllen != 0)
        memcpy(&fd, CMSG_DATA(&control.header), sizeof(fd));
    return fd;
}

#define TRACE(action)                                                          \
    "{\"execute\":\"x-lull-trace\",\"arguments\":{\"action\":\"" action "\"}}"

START_TEST(a_trace_is_one_clients_at_a_time)
{
    struct idle_trace_record record;
    struct session one, two;
    size_t bytes;
    void *rings;
    int fd;

    negotiates(&one);
    negotiates(&two);
    say(&one, "{\"execute\":\"x-lull-trace\"}");
    hears_error(&one, "GenericError", "start, stop or status");
    say(&one, TRACE("stop"));
    hears_error(&one, "GenericError", "not you");
    say(&one, TRACE("start"));
    fd = hears_memory(&one, &bytes);
    ck_assert_int_ge(fd, 0);
    ck_assert_uint_eq(bytes, idle_trace_bytes(2));
    ck_assert_int_ne(ftruncate(fd, 4096), 0);
    rings = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    ck_assert_ptr_ne(rings, MAP_FAILED);
    idle_pending(vm.vcpu[1].idle);
    ck_assert_int_eq(idle_trace_take(rings, 1, IDLE_TRACE_OWN, &record, 1), 1);
    ck_assert_uint_eq(record.kind, IDLE_TRACE_PASS);

    say(&two, TRACE("start"));
    hears_error(&two, "GenericError", "already");
    say(&two, TRACE("stop"));
    hears_error(&two, "GenericError", "not you");
    close(one.fd);
    close(fd);
    /* Whoever hangs up gives it back; the VM has noticed when it lets us. */
    for (json_t *answer = NULL; answer == NULL;) {
        json_t *message;

        say(&two, TRACE("status"));
        message = hear(&two);
        answer = json_object_get(message, "return");
        ck_assert_ptr_nonnull(answer);
        if (json_is_true(json_object_get(answer, "recording")))
            answer = NULL;
        json_decref(message);
    }
    idle_pending(vm.vcpu[1].idle);
    ck_assert_int_eq(idle_trace_take(rings, 1, IDLE_TRACE_OWN, &record, 1), 0);
    say(&two, TRACE("start"));
    fd = hears_memory(&two, &bytes);
    ck_assert_int_ge(fd, 0);
    idle_pending(vm.vcpu[1].idle);
    ck_assert_int_eq(idle_trace_take(rings, 1, IDLE_TRACE_OWN, &record, 1), 1);
    munmap(rings, bytes);
    close(fd);
    close(two.fd);
}
END_TEST

START_TEST(nobody_there_is_said)
{
    char err[256];

    ck_assert_int_eq(lull_control_connect("nobody", err, sizeof(err)), -1);
    ck_assert_ptr_nonnull(strstr(err, "no VM named nobody"));
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        nothing_before_the_negotiation,
        answers_carry_the_id,
        queries,
        commands_are_listed,
        the_idle_policy_is_changed,
        the_console_has_a_size,
        the_balloon_is_set,
        power_commands_and_their_events,
        a_message_may_come_in_pieces_or_together,
        nonsense_is_answered_and_survived,
        an_endless_message_is_cut_off,
        a_client_that_does_not_read_is_cut_off,
        too_many_clients_are_turned_away,
        clients_come_and_go,
        the_socket_is_ours_alone,
        a_name_in_use_is_refused,
        a_stale_socket_is_replaced,
        a_directory_open_to_others_is_refused,
        paths_that_do_not_fit,
        a_trace_is_one_clients_at_a_time,
        nobody_there_is_said,
    };

    return test_main_with("control", tests, COUNT_OF(tests), setup, teardown);
}
