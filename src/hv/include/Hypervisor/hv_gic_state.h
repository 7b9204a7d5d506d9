/*
 * The state of the framework's interrupt controller, to be saved. As there is
 * no such controller (see hv_gic.h), there is no such object either.
 */
#ifndef LULL_HV_GIC_STATE_H
#define LULL_HV_GIC_STATE_H

#include <Hypervisor/hv_gic_types.h>

/* The state now, while no vCPU runs, to be given to os_release. NULL: no
 * controller, which is always so. Any thread. */
OS_EXPORT hv_gic_state_t hv_gic_state_create(void) API_AVAILABLE(macos(15.0));

/* The number of bytes hv_gic_state_get_data writes. HV_BAD_ARGUMENT: not a
 * state. */
OS_EXPORT hv_return_t hv_gic_state_get_size(hv_gic_state_t state,
                                            size_t *gic_state_size)
    API_AVAILABLE(macos(15.0));

/* The bytes for hv_gic_set_state. HV_BAD_ARGUMENT: not a state. */
OS_EXPORT hv_return_t hv_gic_state_get_data(hv_gic_state_t state,
                                            void *gic_state_data)
    API_AVAILABLE(macos(15.0));

#endif
