/*
 * Saving a machine into a file, and making one go on from there.
 *
 * Saving is driven by the client that owns the file: it hands over the
 * descriptor with "start", which stops the guest, then asks for one "step"
 * after the other until all memory is written, and says "end". The VM answers
 * others in between, does nothing by itself, and goes on as if nothing had
 * been when the client is gone.
 *
 * All of it on the loop's thread.
 */
#ifndef LULL_VMM_SNAPSHOT_H
#define LULL_VMM_SNAPSHOT_H

#include <jansson.h>

#include "lull/snapshot.h"
#include "lull/state.h"
#include "snapshot_file.h"
#include "why.h"

struct lull_vm;

/* ---- snapshot_save.c -------------------------------------------------------
 */

/* Take fd, stop the guest, write everything but memory. `who` as in
 * recording.h. NULL, here and below: see why, and the guest runs again. */
json_t *snapshot_save_start(struct lull_vm *vm, const void *who, int fd,
                            struct why *why);
/* Write some of the memory. {"done": true} once it was the last of it. */
json_t *snapshot_save_step(struct lull_vm *vm, const void *who,
                           struct why *why);
/* The guest runs again, unless it was paused before. */
json_t *snapshot_save_end(struct lull_vm *vm, const void *who, struct why *why);
/* His connection is gone: if he was saving, that is over. */
void snapshot_save_gone(struct lull_vm *vm, const void *who);
/* Somebody pauses the VM meanwhile: it is to stay so. */
void snapshot_save_paused(struct lull_vm *vm);

/* ---- snapshot_load.c -------------------------------------------------------
 */

/* Into a machine that was made as the snapshot says, and has not run. */
bool snapshot_load(struct lull_vm *vm, struct why *why);

/* ---- snapshot.c: what both have in common ----------------------------------
 */

enum { SNAPSHOT_SLOTS = 32, SNAPSHOT_DISKS = 16 };

/* The machine, as far as it must be the same one when it is restored. */
struct snapshot_machine {
    uint64_t cpus, memory_bytes;
    uint32_t numer, denom; /* of the guest's counter */
    uint64_t counter;      /* the guest's, when it was stopped */
    uint64_t saved_at_ns;  /* the host's wall clock then */
    bool panicked, reset_wanted;
    uint32_t slot[SNAPSHOT_SLOTS]; /* the device's type; 0: none */
    uint32_t disks;
    struct snapshot_disk {
        uint64_t size_bytes;
        uint64_t modified_ns; /* 0: not known */
        bool read_only;
    } disk[SNAPSHOT_DISKS];
};

void snapshot_machine_of(struct lull_vm *vm, struct snapshot_machine *machine);
void snapshot_machine_state(struct snapshot_machine *machine,
                            struct lull_state *state);
/* Can what was saved go on in what there is? */
bool snapshot_machine_fits(const struct lull_vm *vm,
                           const struct snapshot_machine *saved,
                           const struct snapshot_machine *have,
                           struct why *why);

/* The state of one device that is no virtio device. */
struct snapshot_device {
    enum snapshot_type type;
    void (*state)(struct lull_vm *vm, struct lull_state *state);
};
extern const struct snapshot_device snapshot_devices[];
extern const size_t snapshot_device_count;

uint64_t snapshot_wall_ns(void);

#endif
