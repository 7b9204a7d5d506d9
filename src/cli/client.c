/*
 * The client's half of QMP. Calls block, for at most TIMEOUT_S: a VM answers
 * in microseconds, and one that does not is stuck, which is worth an error
 * line rather than a command that hangs.
 */
#include "client.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "lull/control.h"
#include "lull/passed_fd.h"

enum { TIMEOUT_S = 10, ERR_BYTES = 256 };

struct client {
    int fd;
    char name[80];
    char *in; /* what was received and not used yet */
    size_t in_len, in_room;
    int passed_fd; /* received and not taken yet; -1: none */
    int given_fd;  /* to go with the next command; -1: none */
};

static bool failed(char *err, size_t err_bytes, const struct client *client,
                   const char *what)
{
    snprintf(err, err_bytes, "%s: %s", client->name, what);
    return false;
}

/* ---- messages
 * ------------------------------------------------------------------ */

static bool receive_more(struct client *client, char *err, size_t err_bytes)
{
    ssize_t n;

    if (client->in_room - client->in_len < 4096) {
        size_t room = client->in_room * 2 + 16384;
        char *in = realloc(client->in, room);

        if (in == NULL)
            return failed(err, err_bytes, client, "no memory");
        client->in = in;
        client->in_room = room;
    }
    do
        n = recv_passed_fd(client->fd, client->in + client->in_len,
                           client->in_room - client->in_len,
                           &client->passed_fd);
    while (n < 0 && errno == EINTR);
    if (n == 0)
        return failed(err, err_bytes, client, "the VM has ended");
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return failed(err, err_bytes, client, "the VM does not answer");
    if (n < 0)
        return failed(err, err_bytes, client, strerror(errno));
    client->in_len += (size_t)n;
    return true;
}

/* The next message, a line each; the caller releases it. */
static json_t *receive(struct client *client, char *err, size_t err_bytes)
{
    for (;;) {
        char *end = client->in_len == 0
                        ? NULL
                        : memchr(client->in, '\n', client->in_len);
        json_t *message;
        size_t used;

        if (end == NULL) {
            if (!receive_more(client, err, err_bytes))
                return NULL;
            continue;
        }
        used = (size_t)(end + 1 - client->in);
        message = json_loadb(client->in, used, 0, NULL);
        client->in_len -= used;
        memmove(client->in, end + 1, client->in_len);
        if (message == NULL)
            failed(err, err_bytes, client, "the VM's answer makes no sense");
        return message;
    }
}

/* A send, and with its first byte the descriptor that is to go along. */
static ssize_t send_some(struct client *client, const char *text, size_t len)
{
    union {
        struct cmsghdr header; /* for its alignment */
        char room[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct iovec data = {(void *)(uintptr_t)text, len};
    struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1};
    ssize_t n;

    if (client->given_fd >= 0) {
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(&control.header), &client->given_fd, sizeof(int));
        message.msg_control = control.room;
        message.msg_controllen = sizeof(control.room);
    }
    n = sendmsg(client->fd, &message, MSG_NOSIGNAL);
    if (n > 0)
        client->given_fd = -1;
    return n;
}

static bool send_all(struct client *client, const char *text, char *err,
                     size_t err_bytes)
{
    size_t len = strlen(text);

    while (len > 0) {
        ssize_t n = send_some(client, text, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return failed(err, err_bytes, client,
                          errno == EPIPE ? "the VM has ended"
                                         : strerror(errno));
        text += n;
        len -= (size_t)n;
    }
    return true;
}

/* Nothing after the object: a VM that was told to quit may already be gone
 * when its closing brace has arrived. */
static bool send_command(struct client *client, const char *command,
                         json_t *arguments, char *err, size_t err_bytes)
{
    json_t *message =
        json_pack("{s:s,s:o*}", "execute", command, "arguments", arguments);
    char *text = json_dumps(message, JSON_COMPACT);
    bool sent = false;

    json_decref(message);
    if (text == NULL)
        snprintf(err, err_bytes, "no memory");
    else
        sent = send_all(client, text, err, err_bytes);
    free(text);
    return sent;
}

json_t *client_ask(struct client *client, const char *command, char *err,
                   size_t err_bytes)
{
    return client_ask_with(client, command, NULL, err, err_bytes);
}

json_t *client_ask_with(struct client *client, const char *command,
                        json_t *arguments, char *err, size_t err_bytes)
{
    if (!send_command(client, command, arguments, err, err_bytes))
        return NULL;
    for (;;) {
        json_t *message = receive(client, err, err_bytes);
        json_t *result, *error;

        if (message == NULL)
            return NULL;
        result = json_incref(json_object_get(message, "return"));
        error = json_object_get(message, "error");
        if (error != NULL) {
            const char *desc =
                json_string_value(json_object_get(error, "desc"));

            failed(err, err_bytes, client, desc == NULL ? "refused" : desc);
        }
        json_decref(message);
        if (result != NULL || error != NULL)
            return result;
    }
}

/* ---- the connection
 * ------------------------------------------------------------- */

static bool shake_hands(struct client *client, char *err, size_t err_bytes)
{
    json_t *greeting = receive(client, err, err_bytes);
    bool ok = json_object_get(greeting, "QMP") != NULL;
    json_t *answer;

    if (greeting != NULL && !ok)
        failed(err, err_bytes, client, "this is no VM's control socket");
    json_decref(greeting);
    if (!ok)
        return false;
    answer = client_ask(client, "qmp_capabilities", err, err_bytes);
    json_decref(answer);
    return answer != NULL;
}

/* Takes the descriptor; -1: why is in err already. */
static struct client *client_on(int fd, const char *name, double seconds,
                                char *err, size_t err_bytes)
{
    struct timeval timeout = {.tv_sec = (time_t)seconds};
    struct client *client = fd < 0 ? NULL : calloc(1, sizeof(*client));

    if (client == NULL) {
        if (fd >= 0) {
            snprintf(err, err_bytes, "no memory");
            close(fd);
        }
        return NULL;
    }
    client->passed_fd = -1;
    client->given_fd = -1;
    snprintf(client->name, sizeof(client->name), "%s", name);
    client->fd = fd;
    timeout.tv_usec =
        (suseconds_t)((seconds - (double)timeout.tv_sec) * 1000000);
    setsockopt(client->fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
    setsockopt(client->fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
    if (shake_hands(client, err, err_bytes))
        return client;
    client_close(client);
    return NULL;
}

struct client *client_open_for(const char *name, double seconds, char *err,
                               size_t err_bytes)
{
    return client_on(lull_control_connect(name, err, err_bytes), name, seconds,
                     err, err_bytes);
}

struct client *client_open(const char *name, char *err, size_t err_bytes)
{
    return client_open_for(name, TIMEOUT_S, err, err_bytes);
}

static int connect_path(const char *path, char *err, size_t err_bytes)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd;

    if (strlen(path) >= sizeof(address.sun_path)) {
        snprintf(err, err_bytes, "%s: too long for a socket's path", path);
        return -1;
    }
    memcpy(address.sun_path, path, strlen(path) + 1);
    fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (fd >= 0 &&
        connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
        return fd;
    snprintf(err, err_bytes, "%s: %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    return -1;
}

struct client *client_open_path(const char *path, char *err, size_t err_bytes)
{
    return client_on(connect_path(path, err, err_bytes), path, TIMEOUT_S, err,
                     err_bytes);
}

void client_give_fd(struct client *client, int fd)
{
    client->given_fd = fd;
}

int client_take_fd(struct client *client)
{
    int fd = client->passed_fd;

    client->passed_fd = -1;
    return fd;
}

void client_close(struct client *client)
{
    if (client->passed_fd >= 0)
        close(client->passed_fd);
    close(client->fd);
    free(client->in);
    free(client);
}

static double seconds_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

bool client_wait_closed(struct client *client, double seconds)
{
    double end = seconds_now() + seconds;

    for (;;) {
        struct pollfd fd = {.fd = client->fd, .events = POLLIN};
        double left = end - seconds_now();
        char bytes[4096];
        int ready = poll(&fd, 1, left < 0 ? 0 : (int)(left * 1000) + 1);
        ssize_t n;

        if (ready > 0) {
            n = recv(client->fd, bytes, sizeof(bytes), 0);
            if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN))
                return true;
        }
        if (left < 0)
            return false;
    }
}

/* ---- who is there
 * --------------------------------------------------------------- */

static bool answers(const char *name)
{
    char err[ERR_BYTES];
    int fd = lull_control_connect(name, err, sizeof(err));

    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

/* NAME of a file NAME.sock, to be freed; NULL for any other file. */
static char *name_of(const char *file)
{
    size_t len = strlen(file), suffix = strlen(LULL_CONTROL_SUFFIX);

    if (len <= suffix || strcmp(file + len - suffix, LULL_CONTROL_SUFFIX) != 0)
        return NULL;
    return strndup(file, len - suffix);
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static char **names(bool that_answer)
{
    char **found = calloc(1, sizeof(*found));
    char dir[PATH_MAX];
    size_t count = 0;
    struct dirent *file;
    DIR *list = lull_control_dir(dir, sizeof(dir)) ? opendir(dir) : NULL;

    while (found != NULL && list != NULL && (file = readdir(list)) != NULL) {
        char *name = name_of(file->d_name);
        char **more;

        if (name == NULL || (that_answer && !answers(name))) {
            free(name);
            continue;
        }
        more = realloc(found, (count + 2) * sizeof(*found));
        if (more == NULL) {
            free(name);
            break;
        }
        found = more;
        found[count++] = name;
        found[count] = NULL;
    }
    if (list != NULL)
        closedir(list);
    if (count > 1)
        qsort(found, count, sizeof(*found), compare);
    return found;
}

char **client_names(void)
{
    return names(true);
}

char **client_sockets(void)
{
    return names(false);
}

void client_free_names(char **names)
{
    size_t i;

    for (i = 0; names != NULL && names[i] != NULL; i++)
        free(names[i]);
    free(names);
}

bool client_setting(const char *name, const char *setting, char *value,
                    size_t value_bytes, char *err, size_t err_bytes)
{
    struct client *client = client_open(name, err, err_bytes);
    const char *text;
    json_t *stats;
    bool found;

    if (client == NULL)
        return false;
    stats = client_ask(client, "x-lull-stats", err, err_bytes);
    client_close(client);
    if (stats == NULL)
        return false;
    text = json_string_value(json_object_get(
        json_object_get(json_object_get(stats, "settings"), setting), "value"));
    found = text != NULL &&
            snprintf(value, value_bytes, "%s", text) < (int)value_bytes;
    if (!found)
        snprintf(err, err_bytes, "%s: its setting %s cannot be told", name,
                 setting);
    json_decref(stats);
    return found;
}
