/*
 * What every Hypervisor header shares: result codes, linkage, the version of
 * the API that is declared, and the form of its enumerations.
 *
 * Enumerations have the width that their type says (16 or 32 bits), in every
 * language and compiler, because bindings depend on it: the type is an integer
 * and its names are constants of an unnamed enumeration.
 *
 * "Own thread" in these headers is the thread that called hv_vcpu_create for
 * the vCPU. A call from any other thread, or for a vCPU that does not exist,
 * gives HV_BAD_ARGUMENT, and HV_NO_DEVICE where the process has no VM. A NULL
 * where a result or an object is expected gives HV_BAD_ARGUMENT everywhere.
 */
#ifndef LULL_HV_BASE_H
#define LULL_HV_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <arm64/hv/hv_kern_types.h>
#include <mach/error.h>
#include <os/availability.h>
#include <os/base.h>
#include <os/object.h>

/*
 * The macOS version, times 10000, whose additions are declared at most. What
 * 27.0 adds was read from a version of its SDK that may still change; define
 * this as 260000 to keep it out of sight.
 */
#ifndef HV_API_VERSION
#define HV_API_VERSION 270000
#endif

#ifdef __cplusplus
#define HV_STATIC_ASSERT_(condition, why) static_assert(condition, why)
#else
#define HV_STATIC_ASSERT_(condition, why) _Static_assert(condition, why)
#endif

HV_STATIC_ASSERT_(sizeof(hv_return_t) == 4, "results are 32 bits");
HV_STATIC_ASSERT_((int)HV_DENIED == -85377017, "results are negative ints");

#endif
