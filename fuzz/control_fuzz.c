/*
 * The control socket: clients that connect, send any bytes in any pieces, read
 * or do not read, and leave. Each answer is a line of JSON, and the server
 * serves on.
 *
 * Sockets are real; the event loop is ours, so that one thread decides what
 * happens when. The VM behind the commands is a fake.
 */
#include <jansson.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "control_server.h"
#include "fuzz_input.h"
#include "lull/control.h"
#include "machine.h"
#include "slots.h"
#include "snapshot.h"

enum { CLIENTS = 3, WATCHES = 8 };

static void check(bool true_so_far)
{
    if (!true_so_far)
        abort();
}

/* ---- the loop: watches that are asked in turn ---- */

struct lull_watch {
    int fd;
    unsigned events;
    void (*ready)(void *opaque, unsigned events);
    void *opaque;
};

static struct lull_watch watches[WATCHES];

struct lull_watch *lull_loop_watch(struct lull_loop *loop, int fd,
                                   unsigned events,
                                   void (*ready)(void *opaque, unsigned events),
                                   void *opaque)
{
    for (int i = 0; i < WATCHES; i++) {
        if (watches[i].ready != NULL)
            continue;
        watches[i] = (struct lull_watch){fd, events, ready, opaque};
        return &watches[i];
    }
    return NULL;
}

void lull_watch_set(struct lull_watch *watch, unsigned events)
{
    check(watch->ready != NULL);
    watch->events = events;
}

void lull_watch_free(struct lull_watch *watch)
{
    check(watch->ready != NULL);
    *watch = (struct lull_watch){0};
}

/* One turn; false when nothing was ready. */
static bool turn(void)
{
    bool any = false;

    for (int i = 0; i < WATCHES; i++) {
        struct lull_watch *w = &watches[i];
        struct pollfd p = {.fd = w->fd};
        unsigned events = 0;

        if (w->ready == NULL)
            continue;
        p.events = (w->events & LULL_LOOP_READ ? POLLIN : 0) |
                   (w->events & LULL_LOOP_WRITE ? POLLOUT : 0);
        if (poll(&p, 1, 0) <= 0)
            continue;
        events |= p.revents & POLLIN ? LULL_LOOP_READ : 0;
        events |= p.revents & POLLOUT ? LULL_LOOP_WRITE : 0;
        events |= p.revents & (POLLHUP | POLLERR) ? LULL_LOOP_HANGUP : 0;
        w->ready(w->opaque, events);
        any = true;
    }
    return any;
}

/* ---- the VM ---- */

static struct lull_vm vm;

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
    control_event(machine->control, "RESET", json_pack("{s:b}", "guest", 0));
}

bool vm_power_key(struct lull_vm *machine)
{
    return machine->paused;
}

void vm_end(struct lull_vm *machine, enum lull_vm_end reason,
            const char *format, ...)
{
    check(reason == LULL_END_QUIT);
}

json_t *snapshot_save_start(struct lull_vm *machine, const void *who, int fd,
                            struct why *why)
{
    close(fd);
    return json_object();
}

json_t *snapshot_save_step(struct lull_vm *machine, const void *who,
                           struct why *why)
{
    because(why, "it is not you who saves this VM");
    return NULL;
}

json_t *snapshot_save_end(struct lull_vm *machine, const void *who,
                          struct why *why)
{
    return snapshot_save_step(machine, who, why);
}

void snapshot_save_gone(struct lull_vm *machine, const void *who)
{
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

/* A VM that always has a balloon. */
static uint64_t balloon_bytes;

bool slots_resize(const struct slots *slots, uint16_t columns, uint16_t rows)
{
    return columns > rows;
}

struct lull_virtio *slots_balloon(const struct slots *slots)
{
    return (struct lull_virtio *)&balloon_bytes;
}

struct lull_balloon_stats lull_virtio_balloon_stats(struct lull_virtio *dev)
{
    return (struct lull_balloon_stats){.driver = true,
                                       .target_bytes = balloon_bytes,
                                       .actual_bytes = balloon_bytes};
}

void lull_virtio_balloon_set(struct lull_virtio *dev, uint64_t bytes)
{
    balloon_bytes = bytes;
}

/* ---- clients ---- */

static struct client {
    int fd; /* 0: none */
    char line[1 << 20];
    size_t len;
} clients[CLIENTS];
static struct sockaddr_un address = {.sun_family = AF_UNIX};

static void leave(struct client *c)
{
    if (c->fd != 0)
        close(c->fd);
    c->fd = 0;
    c->len = 0;
}

static void arrive(struct client *c)
{
    leave(c);
    c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    check(c->fd > 0);
    /* The listener's queue is short, and those who left stand in it. */
    while (connect(c->fd, (struct sockaddr *)&address, sizeof(address)) != 0)
        check(turn());
}

static void check_lines(struct client *c)
{
    char *end;

    while ((end = memchr(c->line, '\n', c->len)) != NULL) {
        size_t line = (size_t)(end + 1 - c->line);
        json_t *message = json_loadb(c->line, line, 0, NULL);

        check(json_is_object(message));
        json_decref(message);
        c->len -= line;
        memmove(c->line, end + 1, c->len);
    }
    check(c->len < sizeof(c->line));
}

static void hear(struct client *c)
{
    ssize_t n;

    while (c->fd != 0) {
        n = recv(c->fd, c->line + c->len, sizeof(c->line) - c->len, 0);
        if (n == 0)
            leave(c);
        if (n <= 0)
            return;
        c->len += (size_t)n;
        check_lines(c);
    }
}

static void say(struct client *c, const void *bytes, size_t len)
{
    if (c->fd != 0 && send(c->fd, bytes, len, MSG_NOSIGNAL) < 0)
        hear(c); /* cut off: what it still got must be whole */
}

/* ---- one input ---- */

static void say_some(struct client *c, struct fuzz_input *in, size_t want)
{
    size_t len = want < in->left ? want : in->left;

    say(c, in->bytes, len);
    in->bytes += len;
    in->left -= len;
}

static void step(struct fuzz_input *in)
{
    static const char hello[] = "{\"execute\":\"qmp_capabilities\"}";
    unsigned what = (unsigned)fuzz_take(in, 1);
    struct client *c = &clients[(what >> 6) % CLIENTS];

    switch (what & 7) {
    case 0:
        arrive(c);
        break;
    case 1:
        say(c, hello, sizeof(hello) - 1);
        break;
    case 2:
        leave(c);
        break;
    case 3:
        hear(c);
        break;
    case 4:
        turn();
        break;
    case 5: /* a long one */
        say_some(c, in, fuzz_take(in, 2));
        break;
    default:
        say_some(c, in, fuzz_take(in, 1));
        turn();
        break;
    }
}

static void remove_folder(void)
{
    char path[256];

    if (vm.control != NULL)
        control_free(vm.control);
    lull_control_dir(path, sizeof(path));
    rmdir(path);
    rmdir(getenv("XDG_RUNTIME_DIR"));
}

static void set_up(void)
{
    static char folder[] = "/tmp/control_fuzz.XXXXXX";
    struct why why;

    check(mkdtemp(folder) != NULL);
    setenv("XDG_RUNTIME_DIR", folder, 1);
    vm.config.name = "fuzz";
    vm.config.cpus = 2;
    check(
        lull_control_path("fuzz", address.sun_path, sizeof(address.sun_path)));
    vm.control = control_new(&vm, &why);
    check(vm.control != NULL);
    atexit(remove_folder);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, size};

    if (vm.control == NULL)
        set_up();
    arrive(&clients[0]);
    while (in.left != 0)
        step(&in);
    while (turn())
        for (int i = 0; i < CLIENTS; i++)
            hear(&clients[i]);
    for (int i = 0; i < CLIENTS; i++)
        leave(&clients[i]);
    while (turn())
        ;
    vm.paused = false;
    /* Nobody is there any more: only the listener's own watch is left. */
    for (int i = 1; i < WATCHES; i++)
        check(watches[i].ready == NULL);
    return 0;
}
