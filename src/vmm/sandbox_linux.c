/*
 * Linux: Landlock for names, seccomp for system calls.
 *
 * Landlock (Documentation/userspace-api/landlock.rst) grew by versions; each
 * right is asked for where the kernel knows it. The numbers below are that
 * document's, since Debian 12's header is older than the kernels it meets.
 *
 * The filter lists what is allowed. A call that is not fails with EPERM, which
 * every caller has to cope with anyway; only an attempt to run a program ends
 * the process, as no honest path leads there.
 */
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox_calls.h"

/* ---- Landlock ---------------------------------------------------------------
 */

enum {
    FS_WRITE_FILE = 1 << 1,
    FS_READ_FILE = 1 << 2,
    FS_READ_DIR = 1 << 3,
    FS_REMOVE_DIR = 1 << 4,
    FS_REMOVE_FILE = 1 << 5,
    FS_MAKE_DIR = 1 << 7,
    FS_MAKE_REG = 1 << 8,
    FS_MAKE_SOCK = 1 << 9,
    FS_MAKE_FIFO = 1 << 10,
    FS_MAKE_SYM = 1 << 12,
    FS_REFER = 1 << 13,
    FS_TRUNCATE = 1 << 14,
    FS_V1 = (1 << 13) - 1,
    NET_TCP = 3,      /* bind and connect */
    SCOPE_OUTSIDE = 3 /* abstract sockets and signals */
};

struct ruleset {
    uint64_t fs, net, scoped;
};

/* What is forbidden unless a rule allows it, as far as the kernel goes; the
 * result is how much of the structure that kernel knows. */
static size_t ruleset_for(int version, bool network, struct ruleset *set)
{
    set->fs = FS_V1 | (version >= 2 ? FS_REFER : 0) |
              (version >= 3 ? FS_TRUNCATE : 0);
    set->net = version >= 4 && !network ? NET_TCP : 0;
    set->scoped = version >= 6 ? SCOPE_OUTSIDE : 0;
    return version >= 6 ? 24 : version >= 4 ? 16 : 8;
}

static uint64_t fs_rights(unsigned rights, bool directory)
{
    uint64_t fs = 0;

    if (rights & SANDBOX_READ)
        fs |= FS_READ_FILE | (directory ? FS_READ_DIR : 0);
    if (rights & SANDBOX_WRITE)
        fs |= FS_WRITE_FILE | FS_TRUNCATE;
    if (directory && rights & SANDBOX_REMOVE)
        fs |= FS_REMOVE_FILE | FS_REMOVE_DIR;
    if (directory && rights & SANDBOX_MAKE)
        fs |= FS_MAKE_DIR | FS_MAKE_REG | FS_MAKE_SOCK | FS_MAKE_FIFO |
              FS_MAKE_SYM | FS_REFER;
    return fs;
}

static bool add_rule(int set_fd, uint64_t known,
                     const struct sandbox_rule *rule, struct why *why)
{
    struct landlock_path_beneath_attr beneath = {
        .parent_fd = open(rule->path, O_PATH | O_CLOEXEC)};
    struct stat status;
    bool ok = true;

    if (beneath.parent_fd < 0)
        return true; /* nothing of that name */
    if (fstat(beneath.parent_fd, &status) == 0)
        beneath.allowed_access =
            known & fs_rights(rule->rights, S_ISDIR(status.st_mode));
    if (beneath.allowed_access != 0)
        ok = syscall(SYS_landlock_add_rule, set_fd, LANDLOCK_RULE_PATH_BENEATH,
                     &beneath, 0) == 0;
    if (!ok)
        because(why, "--sandbox: %s: %s", rule->path, strerror(errno));
    close(beneath.parent_fd);
    return ok;
}

/* The ruleset's version in the kernel; 0: no Landlock, or switched off. */
static int landlock_version(void)
{
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0,
                           LANDLOCK_CREATE_RULESET_VERSION);

    return version > 0 ? (int)version : 0;
}

static bool enter_landlock(const struct sandbox_config *config, int version,
                           struct why *why)
{
    struct ruleset set;
    size_t bytes = ruleset_for(version, config->network, &set);
    int fd = (int)syscall(SYS_landlock_create_ruleset, &set, bytes, 0);
    bool ok = true;

    if (fd < 0)
        return because(why, "--sandbox: no Landlock ruleset: %s",
                       strerror(errno));
    for (size_t i = 0; ok && i < config->rule_count; i++)
        ok = add_rule(fd, set.fs, &config->rules[i], why);
    if (ok && syscall(SYS_landlock_restrict_self, fd, 0) != 0)
        ok = because(why, "--sandbox: Landlock: %s", strerror(errno));
    close(fd);
    return ok;
}

/* ---- all of it --------------------------------------------------------------
 */

/* A sanitizer's runtime reads /proc and stops threads with calls of its own,
 * at times of its own. */
static bool can_be_contained(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return false;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
    return false;
#else
    return true;
#endif
#else
    return true;
#endif
}

bool sandbox_enter(const struct sandbox_config *config, const char **in_force,
                   struct why *why)
{
    int version = landlock_version();

    *in_force = "none";
    if (!can_be_contained())
        return true;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return because(why, "--sandbox: no_new_privs: %s", strerror(errno));
    if (version > 0 && !enter_landlock(config, version, why))
        return false;
    if (!sandbox_filter_calls(config, why))
        return false;
    if (sandbox_has_filter())
        *in_force = version > 0 ? "landlock,seccomp" : "seccomp";
    else if (version > 0)
        *in_force = "landlock";
    return true;
}
