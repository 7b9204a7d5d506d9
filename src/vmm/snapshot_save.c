/*
 * x-lull-save: a machine into a file, step by step.
 *
 * With "start" every vCPU hands over its registers, and the devices are
 * frozen: from there on nothing changes guest memory, so that what is written
 * of it later belongs to what was written of the rest. Memory goes from where
 * it is to the file, pages of zeros are left out, and there is no second copy
 * of it at any time.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host.h"
#include "machine.h"
#include "slots.h"
#include "snapshot.h"

/* One step: little enough for others on the loop to have their turn. */
#define STEP_SCAN_BYTES (256ULL << 20)
#define STEP_WRITE_BYTES (16ULL << 20)

struct snapshot_save {
    const void *who;
    int fd;
    bool was_paused, ended;
    uint64_t at; /* of memory: before it all is written */
    /* Which pages of a piece of memory were ever touched; without the
     * descriptor, -1, all are taken to be. */
    int touched_fd;
    uint64_t piece_at, piece_end;
    bool touched[HOST_TOUCHED_MAX];
    struct snapshot_writer writer;
};

_Static_assert((int)HOST_TOUCHED_PAGE == SNAPSHOT_PAGE_BYTES,
               "one page of either");

/* ---- everything but memory -------------------------------------------------
 */

static bool put_state(struct snapshot_save *save, enum snapshot_type type,
                      unsigned number, struct lull_state *state,
                      struct why *why)
{
    bool ok = !state->bad ? snapshot_write(&save->writer, type, number,
                                           state->bytes, state->len, why) &&
                                snapshot_write_flush(&save->writer, why)
                          : because(why, "no memory for the snapshot");

    free(state->bytes);
    *state = (struct lull_state){0};
    return ok;
}

static bool put_config(struct lull_vm *vm, struct snapshot_save *save,
                       struct why *why)
{
    json_t *arguments = json_array();
    struct lull_state state = {0};
    json_t *config;
    char *text;

    for (size_t i = 0; i < vm->config.argument_count; i++)
        json_array_append_new(arguments, json_string(vm->config.arguments[i]));
    config = json_pack("{s:s,s:s,s:o}", "version", LULL_VERSION, "name",
                       vm->config.name, "arguments", arguments);
    text = json_dumps(config, JSON_COMPACT);
    json_decref(config);
    if (text == NULL)
        return because(why, "the VM's options cannot be written down: one is "
                            "no UTF-8 text");
    lull_state_raw(&state, text, strlen(text));
    free(text);
    return put_state(save, SNAPSHOT_CONFIG, 0, &state, why);
}

static bool put_machine(struct lull_vm *vm, struct snapshot_save *save,
                        struct why *why)
{
    struct snapshot_machine machine;
    struct lull_state state = {0};

    snapshot_machine_of(vm, &machine);
    snapshot_machine_state(&machine, &state);
    return put_state(save, SNAPSHOT_MACHINE, 0, &state, why);
}

/* The vCPU's thread writes to `state`; it is held, and looks when kicked. */
static void ask_vcpu(struct vcpu *vcpu, struct lull_state *state)
{
    struct lull_vm *vm = vcpu->vm;

    atomic_store_explicit(&vcpu->save_to, state, memory_order_release);
    idle_kick(vcpu->idle, IDLE_WORK);
    pthread_mutex_lock(&vm->lock);
    while (atomic_load_explicit(&vcpu->save_to, memory_order_acquire) != NULL)
        pthread_cond_wait(&vm->held_changed, &vm->lock);
    pthread_mutex_unlock(&vm->lock);
}

static bool put_vcpus(struct lull_vm *vm, struct snapshot_save *save,
                      struct why *why)
{
    for (unsigned i = 0; i < vm->config.cpus; i++) {
        struct lull_state state = {0};

        ask_vcpu(&vm->vcpu[i], &state);
        if (!put_state(save, SNAPSHOT_VCPU, i, &state, why))
            return false;
    }
    return true;
}

static bool put_devices(struct lull_vm *vm, struct snapshot_save *save,
                        struct why *why)
{
    for (size_t i = 0; i < snapshot_device_count; i++) {
        struct lull_state state = {0};

        snapshot_devices[i].state(vm, &state);
        if (!put_state(save, snapshot_devices[i].type, 0, &state, why))
            return false;
    }
    for (unsigned i = 0; i < LULL_VIRTIO_SLOTS; i++) {
        const char *name;
        struct lull_virtio *device = slots_device(vm->slots, i, &name);
        struct lull_state state = {0};

        if (device == NULL)
            continue;
        lull_virtio_state(device, &state);
        if (!put_state(save, SNAPSHOT_VIRTIO, i, &state, why))
            return false;
    }
    return true;
}

static bool put_all_but_memory(struct lull_vm *vm, struct snapshot_save *save,
                               struct why *why)
{
    return slots_saveable(vm->slots, why) && slots_sync(vm->slots, why) &&
           snapshot_write_begin(&save->writer, save->fd, why) &&
           put_config(vm, save, why) && put_machine(vm, save, why) &&
           put_vcpus(vm, save, why) && put_devices(vm, save, why);
}

/* ---- memory ----------------------------------------------------------------
 */

static bool is_zero(const uint8_t *page)
{
    const uint64_t *word = (const uint64_t *)(const void *)page;

    for (unsigned i = 0; i < SNAPSHOT_PAGE_BYTES / 8; i += 8)
        if ((word[i] | word[i + 1] | word[i + 2] | word[i + 3] | word[i + 4] |
             word[i + 5] | word[i + 6] | word[i + 7]) != 0)
            return false;
    return true;
}

static void look_at_piece(struct snapshot_save *save,
                          const struct lull_ram *ram, uint64_t at)
{
    uint64_t most = (uint64_t)HOST_TOUCHED_MAX * HOST_TOUCHED_PAGE;
    uint64_t len = ram->size_bytes - at > most ? most : ram->size_bytes - at;

    save->piece_at = at;
    save->piece_end = at + len;
    if (save->touched_fd < 0 ||
        !host_touched(save->touched_fd, ram->host + at, len / HOST_TOUCHED_PAGE,
                      save->touched))
        memset(save->touched, true, sizeof(save->touched));
}

/* A page that nobody touched is zero, and stays where it is: nowhere. */
static bool page_is_zero(struct snapshot_save *save, const struct lull_ram *ram,
                         uint64_t at)
{
    if (at < save->piece_at || at >= save->piece_end)
        look_at_piece(save, ram, at);
    return !save->touched[(at - save->piece_at) / HOST_TOUCHED_PAGE] ||
           is_zero(ram->host + at);
}

/* How far pages from `at` on are alike: zeros or not. */
static uint64_t run_end(struct snapshot_save *save, const struct lull_ram *ram,
                        uint64_t at, bool zeros)
{
    uint64_t most = zeros ? STEP_SCAN_BYTES : SNAPSHOT_RAM_BYTES_MAX;
    uint64_t end = ram->size_bytes - at > most ? at + most : ram->size_bytes;

    while (at < end && page_is_zero(save, ram, at) == zeros)
        at += SNAPSHOT_PAGE_BYTES;
    return at;
}

static bool put_memory(struct lull_vm *vm, struct snapshot_save *save,
                       struct why *why)
{
    uint64_t begun = save->at, written = 0;

    while (save->at < vm->ram.size_bytes && written < STEP_WRITE_BYTES &&
           save->at - begun < STEP_SCAN_BYTES) {
        uint64_t first = run_end(save, &vm->ram, save->at, true);
        uint64_t end = run_end(save, &vm->ram, first, false);

        save->at = end;
        if (end != first &&
            !snapshot_write(&save->writer, SNAPSHOT_RAM,
                            (uint32_t)(first / SNAPSHOT_PAGE_BYTES),
                            vm->ram.host + first, end - first, why))
            return false;
        written += end - first;
    }
    return snapshot_write_flush(&save->writer, why);
}

/* ---- the session -----------------------------------------------------------
 */

static void finish(struct lull_vm *vm)
{
    struct snapshot_save *save = vm->save;
    bool resume = !save->was_paused;

    vm->save = NULL;
    close(save->fd);
    if (save->touched_fd >= 0)
        close(save->touched_fd);
    free(save);
    slots_thaw(vm->slots);
    if (resume)
        vm_resume(vm);
    vm_news(vm); /* a reset may have waited for this */
}

static bool is_his(const struct lull_vm *vm, const void *who, struct why *why)
{
    return (vm->save != NULL && vm->save->who == who) ||
           because(why, "it is not you who saves this VM");
}

static json_t *answer(const struct lull_vm *vm)
{
    const struct snapshot_save *save = vm->save;

    return json_pack(
        "{s:b,s:I,s:I,s:I,s:b,s:i}", "done", save->at == vm->ram.size_bytes,
        "memory", (json_int_t)save->at, "memory-total",
        (json_int_t)vm->ram.size_bytes, "written",
        (json_int_t)save->writer.bytes, "runs-on", !save->was_paused,
        "writable-disks", (int)slots_writable_disks(vm->slots));
}

json_t *snapshot_save_start(struct lull_vm *vm, const void *who, int fd,
                            struct why *why)
{
    if (vm->save != NULL) {
        because(why, "this VM is being saved already");
        close(fd);
        return NULL;
    }
    vm->save = calloc(1, sizeof(*vm->save));
    if (vm->save == NULL) {
        because(why, "no memory for the snapshot");
        close(fd);
        return NULL;
    }
    vm->save->who = who;
    vm->save->fd = fd;
    vm->save->was_paused = vm->paused;
    vm->save->touched_fd = host_touched_open();
    vm_pause(vm);
    slots_freeze(vm->slots);
    if (put_all_but_memory(vm, vm->save, why))
        return answer(vm);
    finish(vm);
    return NULL;
}

json_t *snapshot_save_step(struct lull_vm *vm, const void *who, struct why *why)
{
    struct snapshot_save *save = vm->save;
    bool ok;

    if (!is_his(vm, who, why))
        return NULL;
    ok = save->at == vm->ram.size_bytes || put_memory(vm, save, why);
    if (ok && save->at == vm->ram.size_bytes && !save->ended) {
        save->ended = true;
        ok = snapshot_write_end(&save->writer, why);
    }
    if (ok)
        return answer(vm);
    finish(vm);
    return NULL;
}

json_t *snapshot_save_end(struct lull_vm *vm, const void *who, struct why *why)
{
    json_t *result;

    if (!is_his(vm, who, why))
        return NULL;
    result = answer(vm);
    finish(vm);
    return result;
}

void snapshot_save_gone(struct lull_vm *vm, const void *who)
{
    if (vm->save != NULL && vm->save->who == who)
        finish(vm);
}

void snapshot_save_paused(struct lull_vm *vm)
{
    if (vm->save != NULL)
        vm->save->was_paused = true;
}
