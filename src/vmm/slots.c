/*
 * Which virtio device sits where. The place follows from the configuration
 * alone, so that a machine described twice is the same machine twice:
 *
 *   0 entropy, 1 console, 2 network, from 3 on disks in the order given, from
 *   19 on shares, 29 channels, 30 sockets, 31 balloon
 */
#include "slots.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "agent.h"
#include "lull/console.h"
#include "lull/disk_file.h"
#include "lull/plain_name.h"
#include "lull/share.h"
#include "lull/stream_net.h"
#include "lull/user_net.h"

enum {
    RNG = 0,
    CONSOLE = 1,
    NET = 2,
    FIRST_DISK = 3,
    FIRST_SHARE = FIRST_DISK + LULL_DISKS_MAX,
    PORTS = 29,
    VSOCK = 30,
    BALLOON = 31,
};

struct slot {
    struct lull_virtio *device;
    char name[16];
};

struct slots {
    const struct lull_vm_config *config;
    struct slots_host host;
    struct slot slot[LULL_VIRTIO_SLOTS];
    struct lull_console *console;
    struct lull_user_net *net; /* or */
    struct lull_stream_net *stream;
    struct lull_disk_file *disk[LULL_DISKS_MAX];
    struct lull_vsock_unix *sockets;
    struct lull_share *share[LULL_SHARES_MAX];
    struct {
        char name[LULL_PORT_NAME_MAX + 1];
        const char *where;
        struct lull_console *host;
    } port[LULL_PORTS_MAX];
    struct agent *agent; /* at the other end of one of them, or NULL */
};

static bool wants_console(const struct lull_vm_config *config)
{
    return config->virtio_console != NULL;
}

bool slots_have_net(const struct lull_vm_config *config)
{
    return config->net != NULL && strcmp(config->net, "none") != 0;
}

bool slots_have_user_net(const struct lull_vm_config *config)
{
    return slots_have_net(config) && !lull_stream_net_is(config->net);
}

static bool in_use(const struct lull_vm_config *config, unsigned slot)
{
    return slot == RNG || slot == BALLOON ||
           (slot == CONSOLE && wants_console(config)) ||
           (slot == NET && slots_have_net(config)) ||
           (slot == PORTS && config->port_count != 0) ||
           (slot == VSOCK && config->vsock != NULL) ||
           (slot >= FIRST_DISK && slot - FIRST_DISK < config->disk_count) ||
           (slot >= FIRST_SHARE && slot - FIRST_SHARE < config->share_count);
}

unsigned slots_windows(const struct lull_vm_config *config,
                       struct fdt_virtio *windows)
{
    unsigned count = 0;

    for (unsigned i = 0; i < LULL_VIRTIO_SLOTS; i++)
        if (in_use(config, i))
            windows[count++] = (struct fdt_virtio){
                LULL_VIRTIO_GPA(i), LULL_VIRTIO_BYTES, LULL_VIRTIO_SPI(i)};
    return count;
}

static struct lull_irq line(const struct slots *slots, unsigned slot)
{
    return slots->host.line(slots->host.opaque, LULL_VIRTIO_SPI(slot));
}

/* Put what was made into its slot. */
static bool fill(struct slots *slots, unsigned number, const char *name,
                 struct lull_virtio *device, struct why *why)
{
    struct slot *slot = &slots->slot[number];

    if (device == NULL)
        return because(why, "no memory for the devices");
    slot->device = device;
    snprintf(slot->name, sizeof(slot->name), "%s", name);
    return true;
}

static bool add_rng(struct slots *slots, struct why *why)
{
    return fill(slots, RNG, "rng",
                lull_virtio_rng_new(RNG, slots->host.ram, line(slots, RNG)),
                why);
}

static bool add_balloon(struct slots *slots, struct why *why)
{
    return fill(slots, BALLOON, "balloon",
                lull_virtio_balloon_new(BALLOON, slots->host.ram,
                                        line(slots, BALLOON),
                                        &slots->host.memory),
                why);
}

static bool add_console(struct slots *slots, struct why *why)
{
    struct lull_console_config config = {.loop = slots->host.loop};
    const char *where = slots->config->virtio_console;

    if (strcmp(where, "stdio") == 0 &&
        strcmp(slots->config->console, "stdio") == 0)
        return because(why, "--virtio-console stdio: the first console has "
                            "the terminal; add --console none");
    slots->console =
        lull_console_new(&config, where, why->text, sizeof(why->text));
    if (slots->console == NULL ||
        !fill(slots, CONSOLE, "virtio-console",
              lull_virtio_console_new(CONSOLE, slots->host.ram,
                                      line(slots, CONSOLE),
                                      lull_console_chardev(slots->console)),
              why))
        return false;
    slots_follow_terminal(slots);
    return true;
}

/* "NAME=WHERE"; a guest makes a file's name of the name. */
static bool read_port(struct slots *slots, unsigned number, struct why *why)
{
    const char *text = slots->config->ports[number];
    size_t len = strcspn(text, "=");

    if (!plain_name(text, len, LULL_PORT_NAME_MAX) || text[0] == '.' ||
        text[len] == '\0')
        return because(why,
                       "--port %s: give NAME=WHERE, NAME of up to %d letters, "
                       "digits, '.', '_' or '-', the first no '.'",
                       text, LULL_PORT_NAME_MAX);
    memcpy(slots->port[number].name, text, len);
    slots->port[number].where = text + len + 1;
    for (unsigned i = 0; i < number; i++)
        if (strcmp(slots->port[i].name, slots->port[number].name) == 0)
            return because(why, "--port %s: there is one of that name", text);
    if (strcmp(slots->port[number].where, "stdio") == 0)
        return because(
            why, "--port %s: give none, agent, file:PATH or unix:PATH", text);
    return true;
}

/* The port's other end: ours, for the guest's agent, or a host's. */
static const struct lull_chardev *port_host(struct slots *slots,
                                            unsigned number, struct why *why)
{
    struct lull_console_config config = {.loop = slots->host.loop};
    const char *where = slots->port[number].where;

    if (strcmp(where, "agent") != 0) {
        slots->port[number].host =
            lull_console_new(&config, where, why->text, sizeof(why->text));
        return slots->port[number].host == NULL
                   ? NULL
                   : lull_console_chardev(slots->port[number].host);
    }
    if (slots->agent != NULL) {
        because(why, "--port %s=agent: there is one agent",
                slots->port[number].name);
        return NULL;
    }
    slots->agent = agent_new(slots->host.loop, NULL);
    if (slots->agent != NULL)
        return agent_chardev(slots->agent);
    because(why, "no memory for the agent");
    return NULL;
}

static bool add_ports(struct slots *slots, struct why *why)
{
    struct lull_port ports[LULL_PORTS_MAX];
    unsigned count = (unsigned)slots->config->port_count;

    for (unsigned i = 0; i < count; i++) {
        if (!read_port(slots, i, why))
            return false;
        ports[i].name = slots->port[i].name;
        ports[i].chardev = port_host(slots, i, why);
        if (ports[i].chardev == NULL)
            return false;
    }
    return fill(slots, PORTS, "ports",
                lull_virtio_ports_new(PORTS, slots->host.ram,
                                      line(slots, PORTS), ports, count),
                why);
}

static const struct lull_net *open_net(struct slots *slots, struct why *why)
{
    const struct slots_host *host = &slots->host;

    if (slots_have_user_net(slots->config)) {
        slots->net = lull_user_net_new(host->loop, slots->config->net,
                                       why->text, sizeof(why->text));
        return slots->net != NULL ? lull_user_net_net(slots->net) : NULL;
    }
    slots->stream =
        lull_stream_net_new(host->loop, host->net, host->net_connector_fd,
                            why->text, sizeof(why->text));
    return slots->stream != NULL ? lull_stream_net_net(slots->stream) : NULL;
}

static bool add_net(struct slots *slots, struct why *why)
{
    const struct lull_net *net = open_net(slots, why);

    return net != NULL &&
           fill(slots, NET, "net",
                lull_virtio_net_new(NET, slots->host.ram, line(slots, NET), net,
                                    slots->host.loop),
                why);
}

static unsigned disk_queues(const struct lull_vm_config *config)
{
    return config->cpus < LULL_BLK_QUEUES_MAX ? config->cpus
                                              : LULL_BLK_QUEUES_MAX;
}

static bool add_disk(struct slots *slots, unsigned number, struct why *why)
{
    unsigned slot = FIRST_DISK + number;
    char name[16];

    snprintf(name, sizeof(name), "disk%u", number);
    slots->disk[number] = lull_disk_file_new(slots->config->disks[number],
                                             why->text, sizeof(why->text));
    return slots->disk[number] != NULL &&
           fill(slots, slot, name,
                lull_virtio_blk_new(slot, slots->host.ram, line(slots, slot),
                                    lull_disk_file_disk(slots->disk[number]),
                                    name, disk_queues(slots->config)),
                why);
}

static bool add_disks(struct slots *slots, struct why *why)
{
    for (unsigned i = 0; i < slots->config->disk_count; i++)
        if (!add_disk(slots, i, why))
            return false;
    return true;
}

static bool add_vsock(struct slots *slots, struct why *why)
{
    const struct slots_host *host = &slots->host;

    slots->sockets =
        lull_vsock_unix_new(host->loop, host->vsock, host->connector_fd,
                            why->text, sizeof(why->text));
    return slots->sockets != NULL &&
           fill(slots, VSOCK, "vsock",
                lull_virtio_vsock_new(
                    VSOCK, host->ram, line(slots, VSOCK), host->vsock->cid,
                    lull_vsock_unix_host(slots->sockets), host->loop),
                why);
}

static bool tag_is_new(const struct slots *slots, unsigned number,
                       struct why *why)
{
    const char *tag = lull_share_tag(slots->share[number]);

    for (unsigned i = 0; i < number; i++)
        if (strcmp(lull_share_tag(slots->share[i]), tag) == 0)
            return because(why,
                           "--share %s: another share has the tag %s; give "
                           "each its own",
                           slots->config->shares[number], tag);
    return true;
}

static bool add_share(struct slots *slots, unsigned number,
                      unsigned descriptors, struct why *why)
{
    unsigned slot = FIRST_SHARE + number;
    char name[16];

    snprintf(name, sizeof(name), "share%u", number);
    slots->share[number] =
        lull_share_new(slots->config->shares[number], descriptors, why->text,
                       sizeof(why->text));
    return slots->share[number] != NULL && tag_is_new(slots, number, why) &&
           fill(slots, slot, name,
                lull_virtio_fs_new(slot, slots->host.ram, line(slots, slot),
                                   slots->share[number]),
                why);
}

static bool add_shares(struct slots *slots, struct why *why)
{
    unsigned count = (unsigned)slots->config->share_count;

    for (unsigned i = 0; i < count; i++)
        if (!add_share(slots, i, lull_share_descriptors() / count, why))
            return false;
    return true;
}

static bool add_all(struct slots *slots, struct why *why)
{
    return add_rng(slots, why) && add_balloon(slots, why) &&
           (!wants_console(slots->config) || add_console(slots, why)) &&
           (!slots_have_net(slots->config) || add_net(slots, why)) &&
           (slots->config->port_count == 0 || add_ports(slots, why)) &&
           (slots->config->vsock == NULL || add_vsock(slots, why)) &&
           add_disks(slots, why) && add_shares(slots, why);
}

struct slots *slots_new(const struct lull_vm_config *config,
                        const struct slots_host *host, struct why *why)
{
    struct slots *slots = calloc(1, sizeof(*slots));

    if (slots == NULL) {
        because(why, "no memory for the devices");
        return NULL;
    }
    slots->config = config;
    slots->host = *host;
    if (add_all(slots, why))
        return slots;
    slots_free(slots);
    return NULL;
}

bool slots_start(struct slots *slots, struct why *why)
{
    for (unsigned i = 0; i < slots->config->disk_count; i++)
        if (!lull_disk_file_start(slots->disk[i]))
            return because(why, "--disk %s: no thread: %s",
                           slots->config->disks[i], strerror(errno));
    for (unsigned i = 0; i < slots->config->share_count; i++)
        if (!lull_virtio_fs_start(slots->slot[FIRST_SHARE + i].device))
            return because(why, "--share %s: no thread: %s",
                           slots->config->shares[i], strerror(errno));
    return true;
}

/* Devices before the host sides they use. */
void slots_free(struct slots *slots)
{
    if (slots == NULL)
        return;
    for (unsigned i = 0; i < LULL_VIRTIO_SLOTS; i++)
        lull_virtio_free(slots->slot[i].device);
    if (slots->console != NULL)
        lull_console_free(slots->console);
    lull_user_net_free(slots->net);
    lull_stream_net_free(slots->stream);
    lull_vsock_unix_free(slots->sockets);
    for (unsigned i = 0; i < LULL_PORTS_MAX; i++)
        lull_console_free(slots->port[i].host);
    agent_free(slots->agent);
    for (unsigned i = 0; i < LULL_DISKS_MAX; i++)
        lull_disk_file_free(slots->disk[i]);
    for (unsigned i = 0; i < LULL_SHARES_MAX; i++)
        lull_share_free(slots->share[i]);
    free(slots);
}

bool slots_attach(const struct slots *slots, struct bus *bus, struct why *why)
{
    for (unsigned i = 0; i < LULL_VIRTIO_SLOTS; i++) {
        const struct slot *slot = &slots->slot[i];

        if (slot->device != NULL &&
            !bus_add(bus, lull_virtio_mmio(slot->device)))
            return because(why, "no place on the bus for %s", slot->name);
    }
    return true;
}

void slots_reset(struct slots *slots)
{
    for (unsigned i = 0; i < LULL_VIRTIO_SLOTS; i++)
        if (slots->slot[i].device != NULL)
            lull_virtio_reset(slots->slot[i].device);
}

void slots_freeze(struct slots *slots)
{
    for (unsigned i = 0; i < LULL_VIRTIO_SLOTS; i++)
        if (slots->slot[i].device != NULL)
            lull_virtio_freeze(slots->slot[i].device);
}

void slots_thaw(struct slots *slots)
{
    for (unsigned i = 0; i < LULL_VIRTIO_SLOTS; i++)
        if (slots->slot[i].device != NULL)
            lull_virtio_thaw(slots->slot[i].device);
}

bool slots_saveable(const struct slots *slots, struct why *why)
{
    for (unsigned i = 0; i < LULL_VIRTIO_SLOTS; i++) {
        const struct slot *slot = &slots->slot[i];
        const char *reason =
            slot->device == NULL ? NULL : lull_virtio_unsaveable(slot->device);

        if (reason != NULL)
            return because(why, "%s: %s", slot->name, reason);
    }
    return true;
}

bool slots_sync(const struct slots *slots, struct why *why)
{
    for (unsigned i = 0; i < slots->config->disk_count; i++) {
        int error = lull_disk_file_sync(slots->disk[i]);

        if (error != 0)
            return because(why, "--disk %s: %s", slots->config->disks[i],
                           strerror(error));
    }
    return true;
}

unsigned slots_writable_disks(const struct slots *slots)
{
    unsigned count = 0;

    for (unsigned i = 0; i < slots->config->disk_count; i++)
        count += !lull_disk_file_disk(slots->disk[i])->read_only;
    return count;
}

struct snapshot_disk slots_disk(const struct slots *slots, unsigned number)
{
    const struct lull_disk_file *file = slots->disk[number];
    const struct lull_disk *disk = lull_disk_file_disk(file);

    return (struct snapshot_disk){
        .size_bytes = disk->size_bytes,
        .modified_ns = lull_disk_file_modified_ns(file),
        .read_only = disk->read_only,
    };
}

struct lull_virtio *slots_device(const struct slots *slots, unsigned slot,
                                 const char **name)
{
    *name = slots->slot[slot].name;
    return slots->slot[slot].device;
}

struct lull_disk_io slots_disk_io(const struct slots *slots, unsigned number)
{
    return lull_disk_file_io(slots->disk[number]);
}

struct agent *slots_agent(const struct slots *slots)
{
    return slots->agent;
}

struct lull_virtio *slots_balloon(const struct slots *slots)
{
    return slots->slot[BALLOON].device;
}

struct lull_virtio *slots_vsock(const struct slots *slots)
{
    return slots->slot[VSOCK].device;
}

const struct lull_share *slots_share(const struct slots *slots, unsigned number)
{
    return slots->share[number];
}

bool slots_resize(const struct slots *slots, uint16_t columns, uint16_t rows)
{
    struct lull_virtio *console = slots->slot[CONSOLE].device;

    if (console != NULL)
        lull_virtio_console_resize(console, columns, rows);
    return console != NULL;
}

void slots_follow_terminal(const struct slots *slots)
{
    struct winsize size;

    if (wants_console(slots->config) &&
        strcmp(slots->config->virtio_console, "stdio") == 0 &&
        ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0)
        slots_resize(slots, size.ws_col, size.ws_row);
}

const char *slots_port(const struct slots *slots, unsigned number,
                       const char **where, struct lull_console_stats *stats)
{
    if (number >= slots->config->port_count)
        return NULL;
    *where = slots->port[number].where;
    *stats = (struct lull_console_stats){0};
    if (slots->port[number].host != NULL)
        *stats = lull_console_stats(slots->port[number].host);
    return slots->port[number].name;
}
