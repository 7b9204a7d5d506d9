/*
 * The one function that libhypervisor has and Apple's framework has not. Where
 * a program is built against the framework, LULL_HV_WARM is not defined.
 */
#ifndef LULL_HV_WARM_H
#define LULL_HV_WARM_H

#include <Hypervisor/hv_base.h>
#include <Hypervisor/hv_vcpu_types.h>

/*
 * The guest left by WFI and is expected to go on within microseconds: a VMM
 * that waits out the rest of a deadline may have the caches warmed meanwhile.
 * Takes up to some ten microseconds, and nothing where it is of no use: after a
 * short absence, or called again. hv_vcpu_run does it itself where nobody has.
 * Own thread.
 */
OS_EXPORT hv_return_t lull_hv_vcpu_warm(hv_vcpu_t vcpu);

#endif
