/*
 * Result codes and guest memory permissions.
 */
#ifndef LULL_ARM64_HV_KERN_TYPES_H
#define LULL_ARM64_HV_KERN_TYPES_H

#include <stdint.h>

#include <mach/error.h>
#include <os/base.h>

/* 0, or a Mach error of the local system, subsystem 0xba5; negative. */
typedef mach_error_t hv_return_t;

#define HV_RETURN_CODE_(code) ((int)(0xfae94000u | (code)))

enum {
    HV_SUCCESS = 0,
    HV_ERROR = HV_RETURN_CODE_(0x1),
    HV_BUSY = HV_RETURN_CODE_(0x2),
    HV_BAD_ARGUMENT = HV_RETURN_CODE_(0x3),
    HV_ILLEGAL_GUEST_STATE = HV_RETURN_CODE_(0x4),
    HV_NO_RESOURCES = HV_RETURN_CODE_(0x5),
    HV_NO_DEVICE = HV_RETURN_CODE_(0x6),
    HV_DENIED = HV_RETURN_CODE_(0x7),
    HV_EXISTS = HV_RETURN_CODE_(0x8), /* our library never returns it */
    HV_UNSUPPORTED = HV_RETURN_CODE_(0xf)
};

#undef HV_RETURN_CODE_

/* A guest physical (intermediate physical) address. */
typedef uint64_t hv_ipa_t;

/* What the guest may do with a page: the union of the bits below. */
typedef uint64_t hv_memory_flags_t;

enum {
    HV_MEMORY_READ = 1 << 0,
    HV_MEMORY_WRITE = 1 << 1,
    HV_MEMORY_EXEC = 1 << 2
};

#endif
