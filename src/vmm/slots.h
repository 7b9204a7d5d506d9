/*
 * The virtio devices of a machine, each in its slot: which there are, their
 * host sides, and what the rest of the machine does to all of them at once.
 */
#ifndef LULL_VMM_SLOTS_H
#define LULL_VMM_SLOTS_H

#include "bus.h"
#include "fdt_build.h"
#include "lull/disk_file.h"
#include "lull/console.h"
#include "lull/irq.h"
#include "lull/loop.h"
#include "lull/ram.h"
#include "lull/virtio.h"
#include "lull/vm.h"
#include "snapshot.h"
#include "why.h"

struct agent;
struct slots;

struct slots_host {
    const struct lull_ram *ram;
    struct lull_loop *loop;
    struct lull_memory_host memory; /* what the guest gives back */
    const struct lull_vsock_spec *vsock;
    int connector_fd; /* of those sockets, or -1; both outlive the slots */
    const struct lull_vsock_spec *net; /* of a network over a Unix socket */
    int net_connector_fd;
    /* The interrupt line of an SPI. */
    struct lull_irq (*line)(void *opaque, unsigned spi);
    void *opaque;
};

/* The windows that will have a device, for the device tree: at most
 * LULL_VIRTIO_SLOTS of them. */
unsigned slots_windows(const struct lull_vm_config *config,
                       struct fdt_virtio *windows);

/* Whether there is a network among them. */
bool slots_have_net(const struct lull_vm_config *config);
/* And whether it is that of this process's own sockets. */
bool slots_have_user_net(const struct lull_vm_config *config);

struct slots *slots_new(const struct lull_vm_config *config,
                        const struct slots_host *host, struct why *why);
/* Begin the threads that devices have, before the vCPUs'. */
bool slots_start(struct slots *slots, struct why *why);
/* When no vCPU and no loop runs; NULL is nothing. */
void slots_free(struct slots *slots);

/* Name the window that the bus had no place for in `why`. */
bool slots_attach(const struct slots *slots, struct bus *bus, struct why *why);
/* When it returns, no device touches guest memory. */
void slots_reset(struct slots *slots);

/* For a snapshot; see virtio.h. The thread rules are those there. */
void slots_freeze(struct slots *slots);
void slots_thaw(struct slots *slots);
/* Whether all that is frozen can be saved. */
bool slots_saveable(const struct slots *slots, struct why *why);
/* What the guest wrote to its disks is on stable storage. */
bool slots_sync(const struct slots *slots, struct why *why);
unsigned slots_writable_disks(const struct slots *slots);
struct snapshot_disk slots_disk(const struct slots *slots, unsigned number);

/* The device of a slot and its name in the statistics, or NULL. */
struct lull_virtio *slots_device(const struct slots *slots, unsigned slot,
                                 const char **name);
/* How the host's side of a disk works. */
struct lull_disk_io slots_disk_io(const struct slots *slots, unsigned number);
/* The virtio console takes the size of the terminal that it is on, if it is
 * on one, or the size that is given. False: there is no such console. */
void slots_follow_terminal(const struct slots *slots);
bool slots_resize(const struct slots *slots, uint16_t columns, uint16_t rows);
/* The channel's name, where its host side is, and what went through it; NULL
 * from the last on. */
const char *slots_port(const struct slots *slots, unsigned number,
                       const char **where, struct lull_console_stats *stats);
/* The guest's agent, if a port is for it, or NULL. */
struct agent *slots_agent(const struct slots *slots);
struct lull_virtio *slots_balloon(const struct slots *slots);
struct lull_virtio *slots_vsock(const struct slots *slots); /* or NULL */
/* Share number 0 to LULL_SHARES_MAX - 1, or NULL. */
const struct lull_share *slots_share(const struct slots *slots,
                                     unsigned number);

#endif
