/*
 * What a snapshot says of its machine, and which devices have a state.
 */
#include "snapshot.h"

#include <inttypes.h>
#include <mach/mach_time.h>
#include <string.h>

#include "lull/clock.h"
#include "machine.h"
#include "slots.h"

_Static_assert((int)SNAPSHOT_SLOTS == LULL_VIRTIO_SLOTS, "slots in the file");
_Static_assert((int)SNAPSHOT_DISKS == LULL_DISKS_MAX, "disks in the file");

uint64_t snapshot_wall_ns(void)
{
    return clock_ns(CLOCK_REALTIME);
}

void snapshot_machine_of(struct lull_vm *vm, struct snapshot_machine *machine)
{
    const char *name;

    *machine = (struct snapshot_machine){
        .cpus = vm->config.cpus,
        .memory_bytes = vm->config.memory_bytes,
        .numer = vm->ticks.numer,
        .denom = vm->ticks.denom,
        .counter = vm->held_since - atomic_load(&vm->vtimer_offset),
        .saved_at_ns = snapshot_wall_ns(),
        .panicked = atomic_load(&vm->panicked),
        .reset_wanted = atomic_load(&vm->reset_wanted),
        .disks = (uint32_t)vm->config.disk_count,
    };
    for (unsigned i = 0; i < SNAPSHOT_SLOTS; i++) {
        struct lull_virtio *device = slots_device(vm->slots, i, &name);

        machine->slot[i] = device == NULL ? 0 : lull_virtio_type(device);
    }
    for (unsigned i = 0; i < machine->disks; i++)
        machine->disk[i] = slots_disk(vm->slots, i);
}

void snapshot_machine_state(struct snapshot_machine *machine,
                            struct lull_state *state)
{
    lull_state_u64(state, &machine->cpus);
    lull_state_u64(state, &machine->memory_bytes);
    lull_state_u32(state, &machine->numer);
    lull_state_u32(state, &machine->denom);
    lull_state_u64(state, &machine->counter);
    lull_state_u64(state, &machine->saved_at_ns);
    lull_state_bool(state, &machine->panicked);
    lull_state_bool(state, &machine->reset_wanted);
    for (unsigned i = 0; i < SNAPSHOT_SLOTS; i++)
        lull_state_u32(state, &machine->slot[i]);
    lull_state_u32(state, &machine->disks);
    lull_state_check(state, machine->disks <= SNAPSHOT_DISKS);
    for (unsigned i = 0; !state->bad && i < machine->disks; i++) {
        lull_state_u64(state, &machine->disk[i].size_bytes);
        lull_state_u64(state, &machine->disk[i].modified_ns);
        lull_state_bool(state, &machine->disk[i].read_only);
    }
}

/* ---- does it fit? ----------------------------------------------------------
 */

static bool disk_fits(const struct lull_vm *vm, unsigned number,
                      const struct snapshot_disk *saved,
                      const struct snapshot_disk *have, struct why *why)
{
    const char *spec = vm->config.disks[number];

    if (saved->size_bytes != have->size_bytes)
        return because(why,
                       "--disk %s has %" PRIu64 " bytes, the snapshot's disk "
                       "%u had %" PRIu64,
                       spec, have->size_bytes, number, saved->size_bytes);
    if (saved->read_only != have->read_only)
        return because(why, "--disk %s: the snapshot's disk %u was %s", spec,
                       number, saved->read_only ? "read-only" : "writable");
    if (!vm->config.disks_given && saved->modified_ns != 0 &&
        saved->modified_ns != have->modified_ns)
        return because(why,
                       "--disk %s was written to since the snapshot was made, "
                       "and its guest would destroy what is on it; give a "
                       "copy made at that moment with --disk",
                       spec);
    return true;
}

static const char *kind(uint32_t type)
{
    static const char *const kinds[] = {
        [0] = "nothing",   [1] = "a network",         [2] = "a disk",
        [3] = "a console", [4] = "an entropy device", [5] = "a balloon",
        [19] = "a vsock",  [26] = "a shared folder"};

    return type < sizeof(kinds) / sizeof(kinds[0]) && kinds[type] != NULL
               ? kinds[type]
               : "another device";
}

static bool slots_fit(const struct snapshot_machine *saved,
                      const struct snapshot_machine *have, struct why *why)
{
    for (unsigned i = 0; i < SNAPSHOT_SLOTS; i++)
        if (saved->slot[i] != have->slot[i])
            return because(why,
                           "the snapshot has %s in slot %u, this machine %s; "
                           "leave out --disk, --net and the like, or give as "
                           "many as there were",
                           kind(saved->slot[i]), i, kind(have->slot[i]));
    return true;
}

bool snapshot_machine_fits(const struct lull_vm *vm,
                           const struct snapshot_machine *saved,
                           const struct snapshot_machine *have, struct why *why)
{
    if (saved->cpus != have->cpus)
        return because(why,
                       "the snapshot has %" PRIu64 " vCPUs, this machine "
                       "%" PRIu64,
                       saved->cpus, have->cpus);
    if (saved->memory_bytes != have->memory_bytes)
        return because(why,
                       "the snapshot has %" PRIu64 " MiB of memory, this "
                       "machine %" PRIu64,
                       saved->memory_bytes >> 20, have->memory_bytes >> 20);
    if (saved->numer != have->numer || saved->denom != have->denom)
        return because(why, "the guest's counter runs at another rate on this "
                            "host");
    if (!slots_fit(saved, have, why))
        return false;
    if (saved->disks != have->disks)
        return because(why, "the snapshot has %u disks, this machine %u",
                       saved->disks, have->disks);
    for (unsigned i = 0; i < have->disks; i++)
        if (!disk_fits(vm, i, &saved->disk[i], &have->disk[i], why))
            return false;
    return true;
}

/* ---- the devices that every machine has ------------------------------------
 */

static void gic(struct lull_vm *vm, struct lull_state *state)
{
    gic_state(vm->gic, state);
}

static void uart(struct lull_vm *vm, struct lull_state *state)
{
    lull_pl011_state(vm->uart, state);
}

static void rtc(struct lull_vm *vm, struct lull_state *state)
{
    lull_pl031_state(vm->rtc, state);
}

static void gpio(struct lull_vm *vm, struct lull_state *state)
{
    lull_pl061_state(vm->gpio, state);
}

/* The GIC first: a device that is loaded drives its line into it. */
const struct snapshot_device snapshot_devices[] = {
    {SNAPSHOT_GIC, gic},
    {SNAPSHOT_UART, uart},
    {SNAPSHOT_RTC, rtc},
    {SNAPSHOT_GPIO, gpio},
};

const size_t snapshot_device_count =
    sizeof(snapshot_devices) / sizeof(snapshot_devices[0]);
