/*
 * --share: a folder and a tag become a server.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "host.h"
#include "lull/fail.h"
#include "lull/plain_name.h"
#include "server.h"

enum {
    DESCRIPTORS_WANTED = 1 << 15,
    DESCRIPTORS_KEPT = 128, /* for everything else in the process */
    DESCRIPTORS_MIN = 32,
};

unsigned lull_share_descriptors(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return DESCRIPTORS_MIN;
    if (limit.rlim_cur < DESCRIPTORS_WANTED) {
        struct rlimit more = limit;

        more.rlim_cur = limit.rlim_max < DESCRIPTORS_WANTED
                            ? limit.rlim_max
                            : DESCRIPTORS_WANTED;
        if (setrlimit(RLIMIT_NOFILE, &more) == 0)
            limit = more;
    }
    if (limit.rlim_cur < DESCRIPTORS_KEPT + DESCRIPTORS_MIN)
        return DESCRIPTORS_MIN;
    return limit.rlim_cur < DESCRIPTORS_WANTED
               ? (unsigned)limit.rlim_cur - DESCRIPTORS_KEPT
               : DESCRIPTORS_WANTED - DESCRIPTORS_KEPT;
}

static bool tag_ok(const char *tag)
{
    return plain_name(tag, strlen(tag), LULL_SHARE_TAG_MAX);
}

/* The option is taken off the end, and the tag then: a path may have commas
 * and colons. */
static bool take_apart(struct lull_share *share, const char *spec, char *error,
                       size_t error_bytes)
{
    char *text = share->dir = strdup(spec);
    char *comma, *colon;

    if (text == NULL)
        return fail(error, error_bytes, "--share: no memory");
    comma = strrchr(text, ',');
    if (comma != NULL && strcmp(comma, ",ro") == 0) {
        share->read_only = true;
        *comma = '\0';
    }
    colon = strrchr(text, ':');
    if (colon == NULL || colon == text)
        return fail(error, error_bytes,
                    "--share %s: give a folder and the tag by which the guest "
                    "mounts it, DIR:TAG, such as %s:work",
                    spec, colon == text ? "/home" : text);
    *colon = '\0';
    share->tag = colon + 1;
    return tag_ok(share->tag) ||
           fail(error, error_bytes,
                "--share %s: the tag %s: give 1 to %d letters, digits, '.', "
                "'_' or '-', and behind it nothing but ,ro",
                spec, share->tag, LULL_SHARE_TAG_MAX);
}

/* Whether its contents can be read is found out now, not in the guest. */
static bool open_root(struct lull_share *share, unsigned open_max, char *error,
                      size_t error_bytes)
{
    int fd = fuse_host_root(share->dir);
    int contents;

    if (fd < 0)
        return fail(error, error_bytes, "--share %s: %s%s", share->dir,
                    strerror(errno),
                    errno == ENOTDIR ? "; only folders are shared" : "");
    contents = fuse_host_open(fd, ".", O_RDONLY | O_DIRECTORY, 0);
    if (contents < 0 || !nodes_init(&share->nodes, fd, open_max)) {
        fail(error, error_bytes, "--share %s: %s", share->dir, strerror(errno));
        close(fd);
        return false;
    }
    close(contents);
    return true;
}

struct lull_share *lull_share_new(const char *spec, unsigned descriptors,
                                  char *error, size_t error_bytes)
{
    struct lull_share *share = calloc(1, sizeof(*share));

    if (descriptors < DESCRIPTORS_MIN)
        descriptors = DESCRIPTORS_MIN;
    if (share == NULL) {
        fail(error, error_bytes, "--share: no memory");
        return NULL;
    }
    share->free_handle = HANDLE_NONE;
    share->handles_max =
        descriptors / 2 < HANDLES_MAX ? descriptors / 2 : HANDLES_MAX;
    if (take_apart(share, spec, error, error_bytes) &&
        open_root(share, descriptors / 2, error, error_bytes))
        return share;
    free(share->dir);
    free(share);
    return NULL;
}

void lull_share_free(struct lull_share *share)
{
    if (share == NULL)
        return;
    lull_share_reset(share);
    nodes_free(&share->nodes);
    free(share->handle);
    free(share->dir);
    free(share);
}

const char *lull_share_dir(const struct lull_share *share)
{
    return share->dir;
}

const char *lull_share_tag(const struct lull_share *share)
{
    return share->tag;
}

bool lull_share_read_only(const struct lull_share *share)
{
    return share->read_only;
}
