/*
 * A machine from a file. The file is somebody's: it is read when the machine
 * is contained already, apart from its first section, and whatever is wrong
 * with it is a reason and nothing else.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "machine.h"
#include "slots.h"
#include "snapshot.h"

enum { ARGUMENTS_MAX = 256 };

struct lull_snapshot {
    int fd;
    struct snapshot_reader reader;
    json_t *config; /* owns the arguments' text */
    const char *arguments[ARGUMENTS_MAX];
    size_t argument_count;
};

/* ---- its first section -----------------------------------------------------
 */

static bool take_arguments(struct lull_snapshot *snapshot, struct why *why)
{
    const json_t *list = json_object_get(snapshot->config, "arguments");
    const json_t *item;
    size_t i;

    if (!json_is_array(list) || json_array_size(list) > ARGUMENTS_MAX)
        return because(why, "its options make no sense");
    json_array_foreach(list, i, item)
    {
        if (!json_is_string(item))
            return because(why, "its options make no sense");
        snapshot->arguments[snapshot->argument_count++] =
            json_string_value(item);
    }
    return true;
}

/* The contents of a section that is not memory, to be freed. */
static void *read_section(struct snapshot_reader *reader,
                          const struct snapshot_section *section,
                          struct why *why)
{
    void *bytes = malloc(section->len == 0 ? 1 : section->len);

    if (bytes == NULL)
        because(why, "no memory");
    else if (snapshot_read_contents(reader, section, bytes, why))
        return bytes;
    free(bytes);
    return NULL;
}

static bool read_config(struct lull_snapshot *snapshot, struct why *why)
{
    struct snapshot_section section;
    char *text;

    if (!snapshot_read_begin(&snapshot->reader, snapshot->fd, why) ||
        !snapshot_read_head(&snapshot->reader, &section, why))
        return false;
    if (section.type != SNAPSHOT_CONFIG)
        return because(why, "it does not begin with its options");
    text = read_section(&snapshot->reader, &section, why);
    if (text == NULL)
        return false;
    snapshot->config = json_loadb(text, section.len, 0, NULL);
    free(text);
    if (snapshot->config == NULL)
        return because(why, "its options make no sense");
    return take_arguments(snapshot, why);
}

static bool open_file(struct lull_snapshot *snapshot, const char *path,
                      struct why *why)
{
    struct stat status;

    snapshot->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (snapshot->fd < 0)
        return because(why, "%s", strerror(errno));
    if (fstat(snapshot->fd, &status) != 0 || !S_ISREG(status.st_mode))
        return because(why, "not a file");
    return true;
}

struct lull_snapshot *lull_snapshot_open(const char *path, char *err,
                                         size_t err_bytes)
{
    struct lull_snapshot *snapshot = calloc(1, sizeof(*snapshot));
    struct why why = {"no memory"};

    if (snapshot != NULL) {
        snapshot->fd = -1;
        if (open_file(snapshot, path, &why) && read_config(snapshot, &why))
            return snapshot;
    }
    snprintf(err, err_bytes, "%s: %s", path, why.text);
    lull_snapshot_free(snapshot);
    return NULL;
}

void lull_snapshot_free(struct lull_snapshot *snapshot)
{
    if (snapshot == NULL)
        return;
    if (snapshot->fd >= 0)
        close(snapshot->fd);
    json_decref(snapshot->config);
    free(snapshot);
}

size_t lull_snapshot_arguments(const struct lull_snapshot *snapshot,
                               const char *const **arguments)
{
    *arguments = snapshot->arguments;
    return snapshot->argument_count;
}

/* ---- the machine's sections ------------------------------------------------
 */

struct load {
    struct lull_vm *vm;
    struct snapshot_reader *reader;
    struct snapshot_machine have;
    uint64_t vcpus;     /* a bit each, when it was there; */
    uint32_t slots;     /* and so on */
    uint32_t devices;   /* of snapshot_devices */
    uint64_t next_page; /* pages come in order */
    bool machine;
};

/* The first bit that is not set may be set now. */
static bool once(uint64_t *seen, unsigned number)
{
    uint64_t mask = 1ULL << number;
    bool first = (*seen & mask) == 0;

    *seen |= mask;
    return first;
}

static bool load_machine(struct load *load, struct lull_state *state,
                         struct why *why)
{
    struct lull_vm *vm = load->vm;
    struct snapshot_machine saved = {0};

    if (load->machine)
        return because(why, "it describes two machines");
    load->machine = true;
    snapshot_machine_state(&saved, state);
    if (!lull_state_done(state))
        return because(why, "its description of the machine makes no sense");
    if (!snapshot_machine_fits(vm, &saved, &load->have, why))
        return false;
    vm->restored_counter = saved.counter;
    atomic_store(&vm->panicked, saved.panicked);
    atomic_store(&vm->reset_wanted, saved.reset_wanted);
    return true;
}

/* Its own thread has to put it into the registers: later. */
static bool load_vcpu(struct load *load, unsigned number,
                      struct lull_state *state, struct why *why)
{
    struct vcpu *vcpu;

    if (number >= load->vm->config.cpus || !once(&load->vcpus, number))
        return because(why, "it has a vCPU too many");
    vcpu = &load->vm->vcpu[number];
    vcpu->load_from = malloc(sizeof(*vcpu->load_from));
    if (vcpu->load_from == NULL)
        return because(why, "no memory");
    *vcpu->load_from = *state;
    state->bytes = NULL; /* vm.c frees them */
    return true;
}

static bool load_slot(struct load *load, unsigned number,
                      struct lull_state *state, struct why *why)
{
    const char *name = NULL;
    struct lull_virtio *device = NULL;
    uint64_t seen = load->slots;

    if (number < LULL_VIRTIO_SLOTS)
        device = slots_device(load->vm->slots, number, &name);
    if (device == NULL || !once(&seen, number))
        return because(why, "it has a device too many");
    load->slots = (uint32_t)seen;
    lull_virtio_state(device, state);
    return lull_state_done(state) ||
           because(why,
                   "the state of %s (slot %u) makes no sense, or is that "
                   "of another version's device",
                   name, number);
}

static bool load_device(struct load *load, unsigned index,
                        struct lull_state *state, struct why *why)
{
    uint64_t seen = load->devices;

    if (!once(&seen, index))
        return because(why, "it has a device too many");
    load->devices = (uint32_t)seen;
    snapshot_devices[index].state(load->vm, state);
    return lull_state_done(state) ||
           because(why, "the state of device %u makes no sense", index);
}

static bool load_memory(struct load *load,
                        const struct snapshot_section *section, struct why *why)
{
    const struct lull_ram *ram = &load->vm->ram;
    uint64_t at = (uint64_t)section->number * SNAPSHOT_PAGE_BYTES;

    if (section->len == 0 || section->len % SNAPSHOT_PAGE_BYTES != 0 ||
        section->number < load->next_page || at > ram->size_bytes ||
        section->len > ram->size_bytes - at)
        return because(why, "it has memory where there is none");
    load->next_page = section->number + section->len / SNAPSHOT_PAGE_BYTES;
    return snapshot_read_contents(load->reader, section, ram->host + at, why);
}

static bool load_state(struct load *load,
                       const struct snapshot_section *section,
                       struct lull_state *state, struct why *why)
{
    if (section->type == SNAPSHOT_MACHINE)
        return load_machine(load, state, why);
    if (!load->machine)
        return because(why, "it does not say what machine it is of");
    if (section->type == SNAPSHOT_VCPU)
        return load_vcpu(load, section->number, state, why);
    if (section->type == SNAPSHOT_VIRTIO)
        return load_slot(load, section->number, state, why);
    for (size_t i = 0; i < snapshot_device_count; i++)
        if (section->type == snapshot_devices[i].type)
            return load_device(load, (unsigned)i, state, why);
    return because(why,
                   "it has a section of a kind (%u) that this program "
                   "does not know",
                   (unsigned)section->type);
}

static bool load_section(struct load *load,
                         const struct snapshot_section *section,
                         struct why *why)
{
    struct lull_state state = {.loading = true, .len = section->len};
    bool ok;

    if (section->type == SNAPSHOT_RAM)
        return load->machine ? load_memory(load, section, why)
                             : because(why, "it begins with memory");
    state.bytes = read_section(load->reader, section, why);
    if (state.bytes == NULL)
        return false;
    ok = load_state(load, section, &state, why);
    free(state.bytes);
    return ok;
}

/* Is everything there that the machine has? */
static bool complete(const struct load *load, struct why *why)
{
    const char *name;

    if (!load->machine)
        return because(why, "it does not say what machine it is of");
    for (unsigned i = 0; i < load->vm->config.cpus; i++)
        if (!(load->vcpus >> i & 1))
            return because(why, "vCPU %u is missing", i);
    for (unsigned i = 0; i < snapshot_device_count; i++)
        if (!(load->devices >> i & 1))
            return because(why, "device %u is missing", i);
    for (unsigned i = 0; i < LULL_VIRTIO_SLOTS; i++)
        if (slots_device(load->vm->slots, i, &name) != NULL &&
            !(load->slots >> i & 1))
            return because(why, "the state of %s (slot %u) is missing", name,
                           i);
    return true;
}

static bool load_sections(struct load *load, struct why *why)
{
    struct snapshot_section section;

    for (;;) {
        if (!snapshot_read_head(load->reader, &section, why))
            return false;
        if (section.type == SNAPSHOT_END)
            return complete(load, why);
        if (!load_section(load, &section, why))
            return false;
    }
}

/* The devices wait, frozen, until the guest runs. */
bool snapshot_load(struct lull_vm *vm, struct why *why)
{
    struct lull_snapshot *snapshot = vm->config.restore;
    struct load load = {.vm = vm, .reader = &snapshot->reader};
    struct why reason;

    snapshot_machine_of(vm, &load.have);
    slots_freeze(vm->slots);
    if (load_sections(&load, &reason))
        return true;
    return because(why, "--restore: %.*s", LULL_ERROR_BYTES - 16, reason.text);
}
