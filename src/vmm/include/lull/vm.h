/*
 * A virtual machine, as the command line sees it: describe it, run it, learn
 * how it ended.
 *
 * One VM per process (the framework's rule). Unless said otherwise a function
 * is called on the thread that created the VM; lull_vm_run lends that thread
 * to the devices until the end.
 */
#ifndef LULL_VM_H
#define LULL_VM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lull/fault.h"
#include "lull/idle.h"
#include "lull/snapshot.h"

enum {
    LULL_CPUS_MAX = 64,
    LULL_VM_NAME_MAX = 64,
    LULL_DISKS_MAX = 16,
    LULL_SHARES_MAX = 8,
    LULL_VM_PORTS_MAX = 8,
    LULL_ERROR_BYTES = 512, /* enough for any line of `err` below */
};

#define LULL_MEMORY_MIN (32ULL << 20)

/* Who keeps the interrupt controller. */
enum lull_gic_mode {
    LULL_GIC_VMM,       /* ours: WFI leaves the framework, we do the wait */
    LULL_GIC_FRAMEWORK, /* Apple's hv_gic, where there is one */
};

/* A setting in force and where it came from, for `lull stat`. */
struct lull_setting {
    const char *name;   /* "idle" */
    const char *value;  /* "park,share=2" */
    const char *source; /* "default", "--idle", "LULL_IDLE", ... */
};

/* Strings stay the caller's for as long as the VM lives. */
struct lull_vm_config {
    const char *name;    /* see lull_vm_name_ok */
    const char *kernel;  /* file: Image, gzip, zboot, ELF or raw; required */
    const char *initrd;  /* file, or NULL */
    const char *append;  /* kernel command line, or NULL */
    const char *console; /* "stdio", "none", "file:PATH", "unix:PATH" */
    const char *virtio_console; /* the same for a second one; NULL: none */
    const char *const *ports;   /* "NAME=none", "=file:PATH", "=unix:PATH" */
    size_t port_count;          /* at most LULL_VM_PORTS_MAX */
    const char *const *disks;   /* "FILE[,ro][,cache=none|writeback]" */
    size_t disk_count;          /* at most LULL_DISKS_MAX */
    const char *const *shares;  /* "DIR:TAG[,ro]" */
    size_t share_count;         /* at most LULL_SHARES_MAX */
    const char *net;            /* "user[,forward=...]"; NULL or "none": no */
    const char *vsock;          /* "CID[,...]", see vsock.h; NULL: none */
    unsigned cpus;              /* 1 .. LULL_CPUS_MAX */
    uint64_t memory_bytes;      /* a multiple of 1 MiB */
    struct idle_policy idle;
    struct lull_faults faults; /* all 0, but for tests */
    enum lull_gic_mode gic;
    bool no_sandbox; /* keep all that the process may do: contain.c */
    bool no_reboot;  /* a guest that resets or panics ends the VM */
    /* Something the user should read now, one line; on the loop's thread.
     * NULL: nobody does. */
    void (*notice)(void *opaque, const char *line);
    void *opaque;
    const struct lull_setting *settings;
    size_t setting_count;
    /* What a snapshot of this VM says it was made from: each an option of
     * `lull run`, "name=value" or "name". */
    const char *const *arguments;
    size_t argument_count;
    /* Go on from here instead of booting the kernel, which is then read at a
     * reset only; the rest of this structure describes the same machine. NULL:
     * boot. The caller's until the VM is freed. */
    struct lull_snapshot *restore;
    bool disks_given; /* by a user who vouches that they are as they were */
};

/* Why a VM ended. */
enum lull_vm_end {
    LULL_END_NONE,       /* it has not */
    LULL_END_POWEROFF,   /* the guest powered itself off */
    LULL_END_QUIT,       /* asked to: control socket, escape key */
    LULL_END_SIGNAL,     /* asked to: lull_vm_interrupt */
    LULL_END_RESET,      /* the guest reset and no_reboot was set */
    LULL_END_CRASH,      /* the guest did what no machine could answer */
    LULL_END_HOST_ERROR, /* the host refused something */
};

struct lull_vm;

/* 1 to 64 of A-Z a-z 0-9 . _ -, the first one a letter or digit. */
bool lull_vm_name_ok(const char *name);

/*
 * Make the machine, load the guest, open the control socket. NULL on failure
 * and one line for the user in err; then nothing is left behind.
 */
struct lull_vm *lull_vm_new(const struct lull_vm_config *config, char *err,
                            size_t err_bytes);

/* Run until the end and say why it came. Once per VM. */
enum lull_vm_end lull_vm_run(struct lull_vm *vm);

/* What there is to say about the end, one line; "" for an ordinary one.
 * After lull_vm_run. */
const char *lull_vm_end_text(const struct lull_vm *vm);

/* The guest's kernel said on the console that it panicked. */
bool lull_vm_panicked(const struct lull_vm *vm);

/* End the VM with LULL_END_SIGNAL. From any thread, or a signal handler. */
void lull_vm_interrupt(struct lull_vm *vm);

/* The terminal has another size: a virtio console on it follows. From any
 * thread, or a signal handler. */
void lull_vm_resized(struct lull_vm *vm);

void lull_vm_free(struct lull_vm *vm);

#endif
