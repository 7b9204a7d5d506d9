/*
 * What a machine's process can still reach by name once it runs: the files a
 * reset reads again, its own /proc for the statistics, the resolver's
 * configuration for the user network, and the directories of its sockets, to
 * take them away at the end. Everything else it needs is open by then.
 */
#include "machine.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>

#include "lull/control.h"
#include "sandbox.h"
#include "slots.h"

enum { RULES_MAX = 16 };

struct rules {
    struct sandbox_rule rule[RULES_MAX];
    size_t count;
    char control[PATH_MAX];
    char sockets[2][PATH_MAX]; /* of consoles */
};

static void add(struct rules *rules, const char *path, unsigned rights)
{
    if (path != NULL)
        rules->rule[rules->count++] = (struct sandbox_rule){path, rights};
}

/* "unix:PATH": the directory of PATH. */
static void add_socket(struct rules *rules, char *dir, const char *console)
{
    static const char prefix[] = "unix:";
    char *slash;

    if (console == NULL || strncmp(console, prefix, sizeof(prefix) - 1) != 0)
        return;
    if ((size_t)snprintf(dir, PATH_MAX, "%s", console + sizeof(prefix) - 1) >=
        PATH_MAX)
        return;
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

bool vm_contain(struct lull_vm *vm, struct why *why)
{
    const struct lull_vm_config *config = &vm->config;
    struct sandbox_config sandbox = {.network = slots_have_net(config),
                                     .io_uring = uses_io_uring(vm)};
    struct rules rules = {.count = 0};

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
    add_socket(&rules, rules.sockets[0], config->console);
    add_socket(&rules, rules.sockets[1], config->virtio_console);
    if (sandbox.network)
        add(&rules, "/etc/resolv.conf", SANDBOX_READ);
    sandbox.rules = rules.rule;
    sandbox.rule_count = rules.count;
    return sandbox_enter(&sandbox, &vm->sandbox, why);
}
