/*
 * Host back ends for a byte channel: standard input and output, a file, a
 * Unix socket, nothing.
 *
 * A guest prints byte by byte, and a key's echo is one byte. So what comes
 * after silence is written at once, by the thread that has it, which wakes
 * nobody but the reader; what follows soon goes into a ring, which the loop's
 * thread writes when an eighth of a millisecond is over. Output that is dense
 * gathers for up to a millisecond: a boot log costs few system calls.
 *
 * A vCPU's thread must not wait for the host, so only a descriptor that never
 * blocks is written at once: a socket's, or a terminal or pipe opened anew.
 * Descriptors that we were given are never made non-blocking: that would
 * change them for the shell that shares them. Where there is no other, the
 * loop's thread asks poll(2) first and writes no more than a pipe takes at
 * once; should another writer fill the pipe in between, it is the one to wait.
 *
 * Lock order: a device's lock, then the console's, which is held over a write
 * at once, so that bytes keep their order. The device is called back without
 * the console's lock.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lull/clock.h"
#include "lull/console.h"
#include "terminal.h"
#include "unix_socket.h"

enum {
    OUT_BYTES = 256 * 1024,  /* what the ring holds */
    OUT_WELCOME = 64 * 1024, /* beyond this, `room` is 0 */
    OUT_DRAINED = 16 * 1024, /* below this, room again */
    OUT_AT_ONCE = 16 * 1024, /* do not wait for the timer */
    OUT_CHUNK = 4096,        /* a pipe that polls writable takes so much */
    OUT_DELAY_NS = 1000000,  /* how long output gathers, at most; */
    OUT_PROMPT_NS = 125000,  /* for a reader who may be waiting, at least */
    OUT_DENSE = 32,          /* bytes in that time that are no conversation */
    FLUSH_CHUNKS = 16,
    DRAIN_PATIENCE_MS = 1000, /* at the end, for a host that takes nothing */
    IN_CHUNK = 4096,
    IN_BYTES = 64 * 1024, /* type-ahead; a pipe is stopped at IN_CHUNK */
    ESCAPE_KEY = 0x01,    /* Ctrl-A */
};

struct lull_console {
    struct lull_chardev chardev;
    struct lull_console_config config;
    pthread_mutex_t lock;
    struct lull_chardev_user user; /* receive is NULL: nobody attached */
    struct lull_console_stats stats;

    /* Under the lock; the loop's thread alone takes from the ring. */
    uint8_t *out;
    size_t out_head, out_len;
    bool flush_coming;  /* the timer is armed, or POLLOUT is watched */
    bool wants_drained; /* `room` said 0 */
    bool in_paused;     /* the device refused bytes, or is about to */
    bool no_reader;     /* a socket without a client: keep the latest */
    bool out_gone;      /* nobody will ever read: throw away */
    bool prompt;        /* somebody may be waiting for what is written */
    bool never_blocks;  /* out_fd does not */
    uint64_t delay_ns;  /* so long output gathers after the last write, */
    uint64_t due_ns;    /* that is, until then */

    /* The loop's thread only; but out_fd is read under the lock by who finds
     * a reader there, so it changes while there is none. */
    int in_fd, out_fd, listen_fd;
    bool own_out;
    bool is_terminal, escaped;
    struct lull_watch *in_watch, *out_watch, *listen_watch;
    struct lull_timer *flush_timer, *deliver_timer;
    uint8_t *in;
    size_t in_len;
    char *path; /* of the socket, to unlink */
};

/* --- output ----------------------------------------------------------- */

/* Returns how much the ring has taken. */
static size_t ring_put(struct lull_console *c, const uint8_t *bytes, size_t len)
{
    size_t tail = (c->out_head + c->out_len) % OUT_BYTES;
    size_t first;

    if (len > OUT_BYTES - c->out_len)
        len = OUT_BYTES - c->out_len;
    first = len < OUT_BYTES - tail ? len : OUT_BYTES - tail;
    memcpy(c->out + tail, bytes, first);
    memcpy(c->out, bytes + first, len - first);
    c->out_len += len;
    return len;
}

static void ring_drop(struct lull_console *c, size_t len)
{
    c->out_len -= len;
    /* From the start again when empty, so that few pages are ever touched. */
    c->out_head = c->out_len == 0 ? 0 : (c->out_head + len) % OUT_BYTES;
}

/* With nobody connected, the latest bytes push out the oldest. */
static void make_room(struct lull_console *c, size_t len)
{
    size_t keep = len < OUT_WELCOME ? OUT_WELCOME - len : 0;

    if (c->out_len > keep) {
        c->stats.lost_bytes += c->out_len - keep;
        ring_drop(c, c->out_len - keep);
    }
}

static uint64_t host_now_ns(void *opaque)
{
    return clock_ns(CLOCK_MONOTONIC);
}

/*
 * So much is written now: how long does what follows gather? The longer, the
 * denser it comes.
 */
static void note_write(struct lull_console *c, uint64_t now_ns, size_t len)
{
    c->stats.out_writes++;
    c->delay_ns = len >= OUT_DENSE ? c->delay_ns * 2 : c->delay_ns / 2;
    if (c->delay_ns < OUT_PROMPT_NS)
        c->delay_ns = OUT_PROMPT_NS;
    if (c->delay_ns > OUT_DELAY_NS)
        c->delay_ns = OUT_DELAY_NS;
    c->due_ns = now_ns + c->delay_ns;
}

/*
 * Write to a host that waits for it, if it takes it: returns how much. Whatever
 * is wrong is found again, and seen to, by the loop's thread.
 */
static size_t write_at_once(struct lull_console *c, const uint8_t *bytes,
                            size_t len, uint64_t now_ns)
{
    ssize_t written;

    if (!c->never_blocks || len > OUT_CHUNK)
        return 0;
    written = write(c->out_fd, bytes, len);
    if (written <= 0)
        return 0;
    note_write(c, now_ns, (size_t)written);
    return (size_t)written;
}

/* For a reader who is there. Returns how much was taken. */
static size_t put_out(struct lull_console *c, const uint8_t *bytes, size_t len)
{
    uint64_t delay_ns = OUT_DELAY_NS;
    size_t written = 0, taken;
    bool much;

    if (!c->flush_coming && c->prompt) {
        uint64_t now_ns = c->config.now_ns(c->config.opaque);

        if (now_ns >= c->due_ns)
            written = write_at_once(c, bytes, len, now_ns);
        delay_ns = now_ns < c->due_ns ? c->due_ns - now_ns : 1;
    }
    if (written == len)
        return len;
    taken = ring_put(c, bytes + written, len - written);
    much = c->out_len >= OUT_AT_ONCE && c->out_len - taken < OUT_AT_ONCE;
    if (!c->flush_coming || much)
        lull_timer_set(c->flush_timer, much ? 1 : delay_ns);
    c->flush_coming = true;
    return written + taken;
}

static size_t console_write(void *host, const uint8_t *bytes, size_t len)
{
    struct lull_console *c = host;
    size_t taken = len;

    pthread_mutex_lock(&c->lock);
    c->stats.out_bytes += len;
    if (c->no_reader) {
        make_room(c, len);
        taken = ring_put(c, bytes, len);
    } else if (!c->out_gone) {
        taken = put_out(c, bytes, len);
    }
    c->stats.lost_bytes += len - taken;
    pthread_mutex_unlock(&c->lock);
    return taken;
}

static size_t console_room(void *host)
{
    struct lull_console *c = host;
    size_t room = OUT_WELCOME;

    pthread_mutex_lock(&c->lock);
    if (!c->out_gone && !c->no_reader) {
        room = c->out_len < OUT_WELCOME ? OUT_WELCOME - c->out_len : 0;
        c->wants_drained |= room == 0;
    }
    pthread_mutex_unlock(&c->lock);
    return room;
}

/* Tell the device who is there; without the lock. */
static void tell_peer(struct lull_console *c)
{
    struct lull_chardev_user user;
    bool there;

    pthread_mutex_lock(&c->lock);
    user = c->user;
    there = !c->no_reader;
    pthread_mutex_unlock(&c->lock);
    if (user.peer != NULL)
        user.peer(user.opaque, there);
}

static void disconnect(struct lull_console *c);

/* Nobody reads any more: what there is and what comes is thrown away. */
static void lose_output(struct lull_console *c, int error)
{
    if (c->listen_fd >= 0) {
        disconnect(c);
        return;
    }
    if (error != EPIPE && error != EIO)
        fprintf(stderr, "lull: console output lost: %s\n", strerror(error));
    pthread_mutex_lock(&c->lock);
    c->out_gone = true;
    c->stats.lost_bytes += c->out_len;
    ring_drop(c, c->out_len);
    pthread_mutex_unlock(&c->lock);
    lull_watch_free(c->out_watch);
    c->out_watch = NULL;
}

/* One write(2) of the ring's first bytes; -1 and errno, EAGAIN to wait. */
static ssize_t write_chunk(struct lull_console *c, const uint8_t *bytes,
                           size_t len, int wait_ms)
{
    struct pollfd out = {.fd = c->out_fd, .events = POLLOUT};

    if (poll(&out, 1, wait_ms) <= 0) {
        errno = EAGAIN;
        return -1;
    }
    return write(c->out_fd, bytes, len < OUT_CHUNK ? len : OUT_CHUNK);
}

enum progress { WROTE, NOTHING_LEFT, HOST_IS_FULL };

/* Write a piece of what is buffered. */
static enum progress write_some(struct lull_console *c, int wait_ms)
{
    const uint8_t *bytes;
    size_t len;
    ssize_t written;

    pthread_mutex_lock(&c->lock);
    bytes = c->out + c->out_head;
    len = c->out_len < OUT_BYTES - c->out_head ? c->out_len
                                               : OUT_BYTES - c->out_head;
    if (len == 0)
        c->flush_coming = false;
    pthread_mutex_unlock(&c->lock);
    if (len == 0)
        return NOTHING_LEFT;
    /* The ring's front is ours: others only append. */
    written = write_chunk(c, bytes, len, wait_ms);
    if (written < 0 && errno == EINTR)
        return WROTE;
    if (written < 0 && errno == EAGAIN)
        return HOST_IS_FULL;
    if (written < 0) {
        lose_output(c, errno);
        return NOTHING_LEFT;
    }
    pthread_mutex_lock(&c->lock);
    note_write(c, c->config.now_ns(c->config.opaque), (size_t)written);
    ring_drop(c, (size_t)written);
    pthread_mutex_unlock(&c->lock);
    return WROTE;
}

/* Tell a device that waits for room, when there is. */
static void tell_drained(struct lull_console *c)
{
    struct lull_chardev_user user = {0};

    pthread_mutex_lock(&c->lock);
    if (c->wants_drained &&
        (c->out_len < OUT_DRAINED || c->no_reader || c->out_gone)) {
        c->wants_drained = false;
        user = c->user;
    }
    pthread_mutex_unlock(&c->lock);
    if (user.drained != NULL)
        user.drained(user.opaque);
}

/* As much as there is, but let the loop see to others now and then. */
static void flush(void *opaque)
{
    struct lull_console *c = opaque;
    enum progress progress = c->out_fd < 0 ? NOTHING_LEFT : WROTE;

    for (unsigned i = 0; i < FLUSH_CHUNKS && progress == WROTE; i++)
        progress = write_some(c, 0);
    if (c->out_watch != NULL)
        lull_watch_set(c->out_watch,
                       progress == NOTHING_LEFT ? 0 : LULL_LOOP_WRITE);
    tell_drained(c);
}

static void out_ready(void *opaque, unsigned events)
{
    flush(opaque);
}

/* --- input ------------------------------------------------------------ */

static void want_input(struct lull_console *c)
{
    /* A terminal is always read: the escape key must work while the guest
     * does not listen. */
    if (c->in_watch != NULL)
        lull_watch_set(c->in_watch,
                       c->in_len == 0 || c->is_terminal ? LULL_LOOP_READ : 0);
}

/*
 * Hand over what has come. The device may refuse and call `resume` from
 * another thread before its answer is back here; `in_paused` is set first, so
 * that such a resume is not lost.
 */
static void deliver(void *opaque)
{
    struct lull_console *c = opaque;

    for (;;) {
        struct lull_chardev_user user;
        size_t taken;

        pthread_mutex_lock(&c->lock);
        user = c->user;
        if (c->in_len == 0 || c->in_paused || user.receive == NULL) {
            pthread_mutex_unlock(&c->lock);
            break;
        }
        c->in_paused = true;
        pthread_mutex_unlock(&c->lock);

        taken = user.receive(user.opaque, c->in, c->in_len);
        c->in_len -= taken;
        memmove(c->in, c->in + taken, c->in_len);
        if (c->in_len == 0) {
            pthread_mutex_lock(&c->lock);
            c->in_paused = false;
            pthread_mutex_unlock(&c->lock);
        }
    }
    want_input(c);
}

static void console_resume(void *host)
{
    struct lull_console *c = host;

    pthread_mutex_lock(&c->lock);
    if (c->in_paused) {
        c->in_paused = false;
        lull_timer_set(c->deliver_timer, 1);
    }
    pthread_mutex_unlock(&c->lock);
}

static void console_attach(void *host, const struct lull_chardev_user *user)
{
    static const struct lull_chardev_user nobody;
    struct lull_console *c = host;

    pthread_mutex_lock(&c->lock);
    c->user = user != NULL ? *user : nobody;
    c->in_paused = false;
    lull_timer_set(c->deliver_timer, 1);
    pthread_mutex_unlock(&c->lock);
    tell_peer(c);
}

static void take_byte(struct lull_console *c, uint8_t byte)
{
    if (c->in_len < IN_BYTES) {
        c->in[c->in_len++] = byte;
        return;
    }
    pthread_mutex_lock(&c->lock);
    c->stats.lost_bytes++;
    pthread_mutex_unlock(&c->lock);
}

static void say_help(struct lull_console *c)
{
    static const char help[] = "\r\n"
                               "Ctrl-A x       end the virtual machine\r\n"
                               "Ctrl-A h       this help\r\n"
                               "Ctrl-A Ctrl-A  send Ctrl-A to the guest\r\n";

    console_write(c, (const uint8_t *)help, sizeof(help) - 1);
}

/* A key from the terminal, after the escape key or not. */
static void take_key(struct lull_console *c, uint8_t key)
{
    if (!c->escaped) {
        c->escaped = key == ESCAPE_KEY;
        if (!c->escaped)
            take_byte(c, key);
        return;
    }
    c->escaped = false;
    switch (key) {
    case 'x':
    case 'X':
        if (c->config.quit != NULL)
            c->config.quit(c->config.opaque);
        break;
    case 'h':
    case 'H':
    case '?':
        say_help(c);
        break;
    case 'a':
    case ESCAPE_KEY:
        take_byte(c, ESCAPE_KEY);
        break;
    default: /* not ours: the guest gets what was typed */
        take_byte(c, ESCAPE_KEY);
        take_byte(c, key);
        break;
    }
}

static void end_input(struct lull_console *c)
{
    lull_watch_free(c->in_watch);
    c->in_watch = NULL;
}

static void in_ready(void *opaque, unsigned events)
{
    struct lull_console *c = opaque;
    uint8_t bytes[IN_CHUNK];
    ssize_t got = read(c->in_fd, bytes, sizeof(bytes));

    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        if (c->listen_fd >= 0)
            disconnect(c);
        else
            end_input(c);
        return;
    }
    pthread_mutex_lock(&c->lock);
    c->stats.in_bytes += (uint64_t)got;
    pthread_mutex_unlock(&c->lock);
    for (ssize_t i = 0; i < got; i++) {
        if (c->is_terminal)
            take_key(c, bytes[i]);
        else
            take_byte(c, bytes[i]);
    }
    deliver(c);
}

/* --- making ----------------------------------------------------------- */

static struct lull_console *allocate(const struct lull_console_config *config)
{
    struct lull_console *c = calloc(1, sizeof(*c));

    if (c == NULL)
        return NULL;
    c->config = *config;
    if (c->config.now_ns == NULL)
        c->config.now_ns = host_now_ns;
    c->in_fd = c->out_fd = c->listen_fd = -1;
    pthread_mutex_init(&c->lock, NULL);
    c->chardev = (struct lull_chardev){.write = console_write,
                                       .room = console_room,
                                       .resume = console_resume,
                                       .attach = console_attach,
                                       .host = c};
    c->out = malloc(OUT_BYTES);
    c->in = malloc(IN_BYTES);
    c->flush_timer = lull_timer_new(config->loop, flush, c);
    c->deliver_timer = lull_timer_new(config->loop, deliver, c);
    if (c->out == NULL || c->in == NULL || c->flush_timer == NULL ||
        c->deliver_timer == NULL) {
        lull_console_free(c);
        return NULL;
    }
    signal(SIGPIPE, SIG_IGN);
    return c;
}

/*
 * Watch the descriptors. A regular file takes what it is given; a pipe or a
 * terminal may have to be waited for.
 */
static bool watch_fds(struct lull_console *c)
{
    if (c->in_fd >= 0) {
        c->in_watch = lull_loop_watch(c->config.loop, c->in_fd, LULL_LOOP_READ,
                                      in_ready, c);
        if (c->in_watch == NULL)
            return false;
    }
    if (c->out_fd >= 0) {
        c->out_watch =
            lull_loop_watch(c->config.loop, c->out_fd, 0, out_ready, c);
        if (c->out_watch == NULL)
            return false;
    }
    return true;
}

static bool is_a(int fd, mode_t type)
{
    struct stat st;

    return fstat(fd, &st) == 0 && (st.st_mode & S_IFMT) == type;
}

/*
 * A terminal's write can block although poll said yes, and so can a pipe's that
 * others write to. Opened anew, it is a description of our own that may be
 * non-blocking. A pipe has a name for that on Linux only.
 */
static int open_again(int fd)
{
    char name[256];

    if (isatty(fd)) {
        if (ttyname_r(fd, name, sizeof(name)) != 0)
            return -1;
    } else if (is_a(fd, S_IFIFO)) {
        snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
    } else {
        return -1;
    }
    return open(name, O_WRONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
}

/* Who reads a file comes for it later, or looks now and then. */
static bool has_reader(int fd)
{
    return isatty(fd) || is_a(fd, S_IFIFO) || is_a(fd, S_IFSOCK);
}

struct lull_console *
lull_console_new_fds(const struct lull_console_config *config, int in_fd,
                     int out_fd)
{
    struct lull_console *c = allocate(config);
    int again;

    if (c == NULL)
        return NULL;
    c->in_fd = in_fd;
    c->out_fd = out_fd;
    /* A job in the background would be stopped for reading. */
    if (in_fd >= 0 && isatty(in_fd)) {
        c->is_terminal = terminal_raw(in_fd);
        if (!c->is_terminal)
            c->in_fd = -1;
    }
    again = out_fd >= 0 ? open_again(out_fd) : -1;
    if (again >= 0) {
        c->out_fd = again;
        c->own_out = c->never_blocks = true;
    }
    c->out_gone = out_fd < 0;
    c->prompt = has_reader(out_fd);
    if (!watch_fds(c)) {
        lull_console_free(c);
        return NULL;
    }
    return c;
}

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

static struct lull_console *new_stdio(const struct lull_console_config *config)
{
    return lull_console_new_fds(config,
                                is_open(STDIN_FILENO) ? STDIN_FILENO : -1,
                                is_open(STDOUT_FILENO) ? STDOUT_FILENO : -1);
}

static struct lull_console *new_file(const struct lull_console_config *config,
                                     const char *path)
{
    struct lull_console *c;
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    if (fd < 0)
        return NULL;
    c = lull_console_new_fds(config, -1, fd);
    if (c == NULL || c->own_out) /* it was opened again */
        close(fd);
    else
        c->own_out = true;
    return c;
}

/* --- a socket --------------------------------------------------------- */

/* The client went away; the next one is told what comes from here on. */
static void disconnect(struct lull_console *c)
{
    lull_watch_free(c->in_watch);
    lull_watch_free(c->out_watch);
    c->in_watch = c->out_watch = NULL;
    pthread_mutex_lock(&c->lock);
    c->no_reader = true;
    c->flush_coming = false;
    pthread_mutex_unlock(&c->lock);
    close(c->in_fd);
    c->in_fd = c->out_fd = -1;
    tell_drained(c);
    tell_peer(c);
}

static void client_ready(void *opaque, unsigned events)
{
    struct lull_console *c = opaque;
    int fd = accept(c->listen_fd, NULL, NULL);

    if (fd < 0)
        return;
    if (c->in_fd >= 0) { /* one at a time */
        close(fd);
        return;
    }
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    c->in_fd = c->out_fd = fd;
    if (!watch_fds(c)) {
        disconnect(c);
        return;
    }
    pthread_mutex_lock(&c->lock);
    c->no_reader = false;
    c->flush_coming = true;
    pthread_mutex_unlock(&c->lock);
    tell_peer(c);
    want_input(c);
    flush(c);
}

static struct lull_console *new_socket(const struct lull_console_config *config,
                                       const char *path)
{
    struct lull_console *c = allocate(config);

    if (c == NULL)
        return NULL;
    c->no_reader = c->prompt = c->never_blocks = true;
    c->listen_fd = unix_socket_listen(path, 1);
    if (c->listen_fd >= 0) {
        c->path = strdup(path);
        c->listen_watch = lull_loop_watch(config->loop, c->listen_fd,
                                          LULL_LOOP_READ, client_ready, c);
    }
    if (c->path == NULL || c->listen_watch == NULL) {
        int error = errno;

        lull_console_free(c);
        errno = error;
        return NULL;
    }
    return c;
}

/* --- the door --------------------------------------------------------- */

static const char *after(const char *spec, const char *prefix)
{
    size_t len = strlen(prefix);

    return strncmp(spec, prefix, len) == 0 && spec[len] != '\0' ? spec + len
                                                                : NULL;
}

struct lull_console *lull_console_new(const struct lull_console_config *config,
                                      const char *spec, char *error,
                                      size_t error_bytes)
{
    struct lull_console *c = NULL;
    const char *path;

    errno = 0;
    if (strcmp(spec, "stdio") == 0) {
        c = new_stdio(config);
    } else if (strcmp(spec, "none") == 0) {
        c = lull_console_new_fds(config, -1, -1);
    } else if ((path = after(spec, "file:")) != NULL) {
        c = new_file(config, path);
    } else if ((path = after(spec, "unix:")) != NULL) {
        c = new_socket(config, path);
    } else {
        snprintf(error, error_bytes,
                 "console '%s': not stdio, none, file:PATH or unix:PATH", spec);
        return NULL;
    }
    if (c == NULL)
        snprintf(error, error_bytes, "console '%s': %s", spec,
                 strerror(errno != 0 ? errno : ENOMEM));
    return c;
}

void lull_console_free(struct lull_console *c)
{
    if (c == NULL)
        return;
    while (c->out_fd >= 0 && c->out != NULL && !c->out_gone &&
           write_some(c, DRAIN_PATIENCE_MS) == WROTE)
        ;
    if (c->is_terminal)
        terminal_cooked();
    lull_watch_free(c->in_watch);
    lull_watch_free(c->out_watch);
    lull_watch_free(c->listen_watch);
    lull_timer_free(c->flush_timer);
    lull_timer_free(c->deliver_timer);
    if (c->listen_fd >= 0) {
        if (c->in_fd >= 0)
            close(c->in_fd);
        close(c->listen_fd);
    }
    if (c->path != NULL)
        unlink(c->path);
    if (c->own_out)
        close(c->out_fd);
    pthread_mutex_destroy(&c->lock);
    free(c->path);
    free(c->out);
    free(c->in);
    free(c);
}

const struct lull_chardev *lull_console_chardev(const struct lull_console *c)
{
    return &c->chardev;
}

struct lull_console_stats lull_console_stats(struct lull_console *c)
{
    struct lull_console_stats stats;

    pthread_mutex_lock(&c->lock);
    stats = c->stats;
    pthread_mutex_unlock(&c->lock);
    return stats;
}
