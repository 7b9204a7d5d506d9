/*
 * Listening for a panic. Only lines that begin as the kernel's own do count,
 * with or without a time stamp: "Kernel panic - not syncing" in the middle of
 * a line is somebody talking about one. A program in the guest can print such
 * a line all the same; it fools its own VM's owner and nobody else.
 */
#include "panic.h"

#include <stdlib.h>
#include <string.h>

/* The words wanted, behind a time stamp, fit well within this. */
enum { LINE_BYTES = 96 };

struct panic_watch {
    struct lull_chardev chardev;
    const struct lull_chardev *host;
    void (*panicked)(void *opaque, bool dead);
    void *opaque;
    char line[LINE_BYTES + 1]; /* the beginning of the line being written */
    size_t len;
};

/* Past "[   12.345678] " if it is there. */
static const char *skip_stamp(const char *line)
{
    const char *end;

    if (line[0] != '[')
        return line;
    end = line + 1 + strspn(line + 1, " 0123456789.");
    return end[0] == ']' && end[1] == ' ' ? end + 2 : line;
}

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

static void line_done(struct panic_watch *watch)
{
    const char *text;

    watch->line[watch->len] = '\0';
    watch->len = 0;
    text = skip_stamp(watch->line);
    if (begins(text, "Kernel panic - not syncing"))
        watch->panicked(watch->opaque, false);
    else if (begins(text, "---[ end Kernel panic - not syncing"))
        watch->panicked(watch->opaque, true);
}

static size_t watch_write(void *opaque, const uint8_t *bytes, size_t len)
{
    struct panic_watch *watch = opaque;
    size_t taken = watch->host->write(watch->host->host, bytes, len), i;

    /* Also what the host did not take was said. */
    for (i = 0; i < len; i++) {
        if (bytes[i] == '\n')
            line_done(watch);
        else if (bytes[i] != '\r' && watch->len < LINE_BYTES)
            watch->line[watch->len++] = (char)bytes[i];
    }
    return taken;
}

static size_t watch_room(void *opaque)
{
    struct panic_watch *watch = opaque;

    return watch->host->room(watch->host->host);
}

static void watch_resume(void *opaque)
{
    struct panic_watch *watch = opaque;

    watch->host->resume(watch->host->host);
}

static void watch_attach(void *opaque, const struct lull_chardev_user *user)
{
    struct panic_watch *watch = opaque;

    watch->host->attach(watch->host->host, user);
}

struct panic_watch *panic_watch_new(const struct lull_chardev *host,
                                    void (*panicked)(void *opaque, bool dead),
                                    void *opaque)
{
    struct panic_watch *watch = calloc(1, sizeof(*watch));

    if (watch == NULL)
        return NULL;
    watch->chardev = (struct lull_chardev){watch_write, watch_room,
                                           watch_resume, watch_attach, watch};
    watch->host = host;
    watch->panicked = panicked;
    watch->opaque = opaque;
    return watch;
}

void panic_watch_free(struct panic_watch *watch)
{
    free(watch);
}

const struct lull_chardev *panic_watch_chardev(const struct panic_watch *watch)
{
    return &watch->chardev;
}
