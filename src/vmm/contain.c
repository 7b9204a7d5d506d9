/*
 * What a machine's process can still reach by name once it runs: the files a
 * reset reads again, its own /proc for the statistics, the resolver's
 * configuration for the user network, the directories of its sockets, to
 * take them away at the end, and the folders that are shared with the guest.
 * Everything else it needs is open by then.
 */
#include "machine.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>

#include "lull/control.h"
#include "lull/share.h"
#include "lull/stream_net.h"
#include "sandbox.h"
#include "slots.h"

enum {
    SOCKETS_MAX = 2 + LULL_VM_PORTS_MAX + LULL_VSOCK_RULES_MAX,
    RULES_MAX = 8 + SOCKETS_MAX + LULL_SHARES_MAX,
};

struct rules {
    struct sandbox_rule rule[RULES_MAX];
    size_t count;
    char control[PATH_MAX];
    char sockets[SOCKETS_MAX][PATH_MAX]; /* their directories */
    size_t socket_count;
};

static void add(struct rules *rules, const char *path, unsigned rights)
{
    if (path != NULL)
        rules->rule[rules->count++] = (struct sandbox_rule){path, rights};
}

/* The directory of a socket of ours. */
static void add_socket(struct rules *rules, const char *path)
{
    char *dir = rules->sockets[rules->socket_count];
    char *slash;

    if ((size_t)snprintf(dir, PATH_MAX, "%s", path) >= PATH_MAX)
        return;
    rules->socket_count++;
    slash = strrchr(dir, '/');
    if (slash == NULL)
        strcpy(dir, ".");
    else
        slash[slash == dir] = '\0';
    add(rules, dir, SANDBOX_REMOVE);
}

static bool uses_io_uring(const struct lull_vm *vm)
{
    for (size_t i = 0; i < vm->config.disk_count; i++)
        if (strcmp(slots_disk_io(vm->slots, (unsigned)i).how, "io_uring") == 0)
            return true;
    return false;
}

/* "unix:PATH" */
static void add_console(struct rules *rules, const char *console)
{
    static const char prefix[] = "unix:";

    if (console != NULL && strncmp(console, prefix, sizeof(prefix) - 1) == 0)
        add_socket(rules, console + sizeof(prefix) - 1);
}

/* The connector's own containment: Unix sockets, and no files. */
static bool contain_connector(void *config)
{
    const struct sandbox_config sandbox = {.unix_sockets = true};
    const char *in_force;
    struct why why;

    return ((const struct lull_vm_config *)config)->no_sandbox ||
           sandbox_enter(&sandbox, &in_force, &why);
}

bool vm_vsock_new(struct lull_vm *vm, struct why *why)
{
    if (vm->config.vsock == NULL)
        return true;
    if (!lull_vsock_parse(vm->config.vsock, &vm->vsock, why->text,
                          sizeof(why->text)))
        return false;
    vm->connector_fd =
        lull_connector_start(&vm->vsock, contain_connector, &vm->config);
    return vm->connector_fd >= 0 || errno == 0 ||
           because(why, "--vsock: no process for connections: %s",
                   strerror(errno));
}

/* Which calls come with them is one answer for all: the most that one needs. */
static enum sandbox_shares add_shares(struct rules *rules,
                                      const struct slots *slots)
{
    enum sandbox_shares most = SANDBOX_NO_SHARES;

    for (unsigned i = 0; i < LULL_SHARES_MAX; i++) {
        const struct lull_share *share = slots_share(slots, i);
        bool ro = share != NULL && lull_share_read_only(share);

        if (share == NULL)
            continue;
        add(rules, lull_share_dir(share),
            ro ? (unsigned)SANDBOX_READ
               : (unsigned)(SANDBOX_READ | SANDBOX_WRITE | SANDBOX_MAKE |
                            SANDBOX_REMOVE));
        if (!ro)
            most = SANDBOX_WRITE_SHARES;
        else if (most == SANDBOX_NO_SHARES)
            most = SANDBOX_READ_SHARES;
    }
    return most;
}

bool vm_net_new(struct lull_vm *vm, struct why *why)
{
    if (!slots_have_net(&vm->config) || slots_have_user_net(&vm->config))
        return true;
    if (!lull_stream_net_parse(vm->config.net, &vm->net, why->text,
                               sizeof(why->text)))
        return false;
    vm->net_connector_fd =
        lull_connector_start(&vm->net, contain_connector, &vm->config);
    return vm->net_connector_fd >= 0 ||
           because(why, "--net %s: no process for connections: %s",
                   vm->config.net, strerror(errno));
}

bool vm_contain(struct lull_vm *vm, struct why *why)
{
    const struct lull_vm_config *config = &vm->config;
    struct sandbox_config sandbox = {.network = slots_have_user_net(config),
                                     .io_uring = uses_io_uring(vm)};
    struct rules rules = {.count = 0};
    unsigned i;

    vm->sandbox = "off";
    if (config->no_sandbox)
        return true;
    /* Open for good: a rule holds as long as the kernel remembers the
     * directory it was made for, and of /proc it forgets what is unused. */
    vm->proc_fd = open("/proc/self", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    add(&rules, config->kernel, SANDBOX_READ);
    add(&rules, config->initrd, SANDBOX_READ);
    add(&rules, "/proc/self", SANDBOX_READ);
    if (lull_control_dir(rules.control, sizeof(rules.control)))
        add(&rules, rules.control, SANDBOX_REMOVE);
    add_console(&rules, config->console);
    add_console(&rules, config->virtio_console);
    for (i = 0; i < config->port_count; i++)
        add_console(&rules, strchr(config->ports[i], '=') + 1);
    for (i = 0; i < vm->vsock.to_guest_count; i++)
        add_socket(&rules, vm->vsock.to_guest[i].path);
    if (sandbox.network)
        add(&rules, "/etc/resolv.conf", SANDBOX_READ);
    sandbox.shares = add_shares(&rules, vm->slots);
    sandbox.rules = rules.rule;
    sandbox.rule_count = rules.count;
    return sandbox_enter(&sandbox, &vm->sandbox, why);
}
