/*
 * The control socket: its file, its connections, and the frames on them.
 * What the commands do is qmp.c's.
 *
 * A client's bytes are nobody's promise: what is not JSON is answered with an
 * error, a command longer than 64 KiB or a client that does not read its
 * answers is cut off. Nothing here waits for a client.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "control_server.h"
#include "lull/control.h"
#include "lull/passed_fd.h"
#include "machine.h"
#include "qmp.h"
#include "recording.h"
#include "snapshot.h"

enum {
    INPUT_MAX = 64 << 10,
    OUTPUT_MAX = 1 << 20, /* behind on reading by more: gone */
    CLIENTS_MAX = 32,
};

struct client {
    struct control *control;
    struct client *next;
    struct lull_watch *watch;
    int fd;
    struct qmp_session session;
    bool dead; /* to be freed when nobody is in it */
    char *in;
    size_t in_len;
    char *out;
    size_t out_len, out_room;
};

struct control {
    struct lull_vm *vm;
    struct client *clients;
    unsigned client_count;
    struct lull_watch *watch;
    int fd;
    char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
};

/* ---- output
 * ------------------------------------------------------------------ */

/* A send, and with its first byte the descriptor that is to be passed on: at
 * the latest with the answer that it belongs to. */
static ssize_t client_write(struct client *client, char *bytes, size_t len)
{
    int *fd = &client->session.pass_fd;
    union {
        struct cmsghdr header; /* for its alignment */
        char room[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct iovec data = {bytes, len};
    struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1};
    ssize_t n;

    if (*fd >= 0) {
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(&control.header), fd, sizeof(int));
        message.msg_control = control.room;
        message.msg_controllen = sizeof(control.room);
    }
    n = sendmsg(client->fd, &message, MSG_NOSIGNAL);
    if (n > 0 && *fd >= 0) {
        close(*fd);
        *fd = -1;
    }
    return n;
}

/* Write what the client takes now; false when it is gone. */
static bool client_flush(struct client *client)
{
    size_t done = 0;

    while (done < client->out_len) {
        ssize_t n =
            client_write(client, client->out + done, client->out_len - done);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            break;
        if (n <= 0)
            return false;
        done += (size_t)n;
    }
    client->out_len -= done;
    if (done != 0)
        memmove(client->out, client->out + done, client->out_len);
    return true;
}

/* Room for `len` more bytes; false when that is too much. */
static bool client_reserve(struct client *client, size_t len)
{
    size_t room = client->out_room == 0 ? 4096 : client->out_room;
    char *out;

    if (client->out_len + len > OUTPUT_MAX)
        return false;
    while (room < client->out_len + len)
        room *= 2;
    if (room == client->out_room)
        return true;
    out = realloc(client->out, room);
    if (out == NULL)
        return false;
    client->out = out;
    client->out_room = room;
    return true;
}

static void client_send(struct client *client, json_t *message)
{
    char *text = json_dumps(message, JSON_COMPACT);
    size_t len = text == NULL ? 0 : strlen(text);

    json_decref(message);
    if (len == 0 || client->dead || !client_reserve(client, len + 2)) {
        client->dead = true;
    } else {
        memcpy(client->out + client->out_len, text, len);
        memcpy(client->out + client->out_len + len, "\r\n", 2);
        client->out_len += len + 2;
        if (!client_flush(client))
            client->dead = true;
    }
    free(text);
}

void control_event(struct control *control, const char *event, json_t *data)
{
    struct client *client;

    if (control == NULL) {
        json_decref(data);
        return;
    }
    for (client = control->clients; client != NULL; client = client->next)
        if (client->session.negotiated)
            client_send(client, qmp_event(event, data));
    json_decref(data);
}

/* ---- input
 * ------------------------------------------------------------------- */

/* Past what separates messages. */
static void skip_space(struct client *client)
{
    size_t space = 0;

    while (space < client->in_len &&
           strchr(" \t\r\n", client->in[space]) != NULL &&
           client->in[space] != '\0')
        space++;
    client->in_len -= space;
    memmove(client->in, client->in + space, client->in_len);
}

/* Where a damaged message ends, as well as one can tell: its line. */
static void skip_line(struct client *client)
{
    char *end = memchr(client->in, '\n', client->in_len);

    client->in_len =
        end == NULL ? 0 : client->in_len - (size_t)(end + 1 - client->in);
    if (end != NULL)
        memmove(client->in, end + 1, client->in_len);
}

/* Answer the first message in the buffer; false when it is not complete. */
static bool client_message(struct client *client)
{
    json_error_t error;
    json_t *message;

    skip_space(client);
    if (client->in_len == 0)
        return false;
    message =
        json_loadb(client->in, client->in_len, JSON_DISABLE_EOF_CHECK, &error);
    if (message != NULL) {
        client->in_len -= (size_t)error.position;
        memmove(client->in, client->in + error.position, client->in_len);
        client_send(client,
                    qmp_answer(client->control->vm, &client->session, message));
        json_decref(message);
        return true;
    }
    if (json_error_code(&error) == json_error_premature_end_of_input)
        return false;
    client_send(client, qmp_error(NULL, "GenericError", "JSON parse error: %s",
                                  error.text));
    skip_line(client);
    return true;
}

/* A recv, and with it the descriptor that may come along; the last one counts,
 * and what a client sends without need is closed with the connection. */
static ssize_t client_receive(struct client *client)
{
    return recv_passed_fd(client->fd, client->in + client->in_len,
                          INPUT_MAX - client->in_len,
                          &client->session.given_fd);
}

static void client_read(struct client *client)
{
    ssize_t n = client_receive(client);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        client->dead = true;
        return;
    }
    client->in_len += (size_t)n;
    while (!client->dead && client_message(client))
        ;
    if (client->in_len == INPUT_MAX)
        client->dead = true;
}

/* ---- connections
 * ------------------------------------------------------------- */

static void client_free(struct client *client)
{
    recording_gone(client->control->vm, &client->session);
    snapshot_save_gone(client->control->vm, &client->session);
    if (client->session.pass_fd >= 0)
        close(client->session.pass_fd);
    if (client->session.given_fd >= 0)
        close(client->session.given_fd);
    lull_watch_free(client->watch);
    close(client->fd);
    free(client->in);
    free(client->out);
    free(client);
}

static void control_reap(struct control *control)
{
    struct client **at = &control->clients;

    while (*at != NULL) {
        struct client *client = *at;

        if (client->dead) {
            *at = client->next;
            control->client_count--;
            client_free(client);
        } else {
            at = &client->next;
        }
    }
}

static void control_rewatch(struct control *control)
{
    struct client *client;

    for (client = control->clients; client != NULL; client = client->next)
        lull_watch_set(client->watch,
                       LULL_LOOP_READ |
                           (client->out_len != 0 ? LULL_LOOP_WRITE : 0));
}

static void client_ready(void *opaque, unsigned events)
{
    struct client *client = opaque;
    struct control *control = client->control;

    if ((events & LULL_LOOP_WRITE) && !client_flush(client))
        client->dead = true;
    if (events & (LULL_LOOP_READ | LULL_LOOP_HANGUP))
        client_read(client);
    /* A command may have sent events to the others, too. */
    control_reap(control);
    control_rewatch(control);
}

static bool client_new(struct control *control, int fd)
{
    struct client *client = calloc(1, sizeof(*client));

    if (client == NULL)
        return false;
    client->control = control;
    client->fd = fd;
    client->session.pass_fd = -1;
    client->session.given_fd = -1;
    client->in = malloc(INPUT_MAX);
    if (client->in != NULL)
        client->watch = lull_loop_watch(control->vm->loop, fd, LULL_LOOP_READ,
                                        client_ready, client);
    if (client->watch == NULL) {
        free(client->in);
        free(client);
        return false;
    }
    client->next = control->clients;
    control->clients = client;
    control->client_count++;
    client_send(client, qmp_greeting());
    return true;
}

static void control_ready(void *opaque, unsigned events)
{
    struct control *control = opaque;
    int fd = accept(control->fd, NULL, NULL);

    if (fd < 0)
        return;
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    if (control->client_count == CLIENTS_MAX || !client_new(control, fd))
        close(fd);
    control_reap(control);
}

/* ---- the socket's file
 * ------------------------------------------------------- */

/* Is the directory behind fd nobody else's to write to? */
static bool directory_ours(int fd, const char *dir, struct why *why)
{
    struct stat st;

    if (fstat(fd, &st) == 0 && st.st_uid == geteuid() &&
        (st.st_mode & 022) == 0)
        return true;
    return because(why,
                   "%s: belongs to or is writable by somebody else; set "
                   "XDG_RUNTIME_DIR to a directory of yours",
                   dir);
}

/*
 * The directory, ours alone, opened and locked: between looking whether a
 * socket is stale and replacing it, no second `lull run` may do the same.
 */
static int control_lock(struct why *why)
{
    char dir[PATH_MAX];
    int fd;

    if (!lull_control_dir(dir, sizeof(dir))) {
        because(why, "XDG_RUNTIME_DIR: the path is too long");
        return -1;
    }
    if (mkdir(dir, 0700) != 0 && errno != EEXIST) {
        because(why, "%s: %s; set XDG_RUNTIME_DIR to a directory of yours", dir,
                strerror(errno));
        return -1;
    }
    fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        because(why, "%s: %s", dir, strerror(errno));
        return -1;
    }
    if (directory_ours(fd, dir, why)) {
        if (flock(fd, LOCK_EX) == 0)
            return fd;
        because(why, "%s: %s", dir, strerror(errno));
    }
    close(fd);
    return -1;
}

/* Does somebody answer at the address? */
static bool socket_alive(const struct sockaddr_un *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    bool alive = false;

    if (fd >= 0) {
        alive = connect(fd, (const struct sockaddr *)address,
                        sizeof(*address)) == 0 ||
                (errno != ECONNREFUSED && errno != ENOENT);
        close(fd);
    }
    return alive;
}

static bool control_bind(struct control *control, struct why *why)
{
    const char *name = control->vm->config.name;
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    memcpy(address.sun_path, control->path, sizeof(address.sun_path));
    if (socket_alive(&address))
        return because(why,
                       "--name %s: a VM of this name is running; choose "
                       "another name or `lull stop %s`",
                       name, name);
    unlink(control->path);
    control->fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (control->fd < 0)
        return because(why, "no socket: %s", strerror(errno));
    fcntl(control->fd, F_SETFD, FD_CLOEXEC);
    fcntl(control->fd, F_SETFL, O_NONBLOCK);
    /* The directory is closed to others already; the mode says so again. */
    if (bind(control->fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
        chmod(control->path, 0600) != 0 || listen(control->fd, 8) != 0)
        return because(why, "%s: %s", control->path, strerror(errno));
    return true;
}

static bool control_listen(struct control *control, struct why *why)
{
    int lock = control_lock(why);
    bool ok;

    if (lock < 0)
        return false;
    ok = control_bind(control, why);
    close(lock);
    if (!ok) {
        if (control->fd >= 0)
            close(control->fd);
        control->fd = -1;
        return false;
    }
    control->watch = lull_loop_watch(control->vm->loop, control->fd,
                                     LULL_LOOP_READ, control_ready, control);
    return control->watch != NULL ||
           because(why, "no watch for the control socket: %s", strerror(errno));
}

struct control *control_new(struct lull_vm *vm, struct why *why)
{
    struct control *control = calloc(1, sizeof(*control));

    if (control == NULL) {
        because(why, "no memory for the control socket");
        return NULL;
    }
    control->vm = vm;
    control->fd = -1;
    if (!lull_control_path(vm->config.name, control->path,
                           sizeof(control->path)))
        because(why,
                "--name %s: the path of its control socket is too long; "
                "set a shorter XDG_RUNTIME_DIR",
                vm->config.name);
    else if (control_listen(control, why))
        return control;
    control_free(control);
    return NULL;
}

void control_free(struct control *control)
{
    while (control->clients != NULL) {
        struct client *client = control->clients;

        control->clients = client->next;
        client_free(client);
    }
    if (control->watch != NULL)
        lull_watch_free(control->watch);
    if (control->fd >= 0) {
        close(control->fd);
        unlink(control->path);
    }
    free(control);
}
