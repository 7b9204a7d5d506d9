/*
 * The Scalable Matrix Extension, which our engine does not have.
 */
#ifndef LULL_HV_SME_CONFIG_H
#define LULL_HV_SME_CONFIG_H

#include <Hypervisor/hv_base.h>

/* The largest streaming vector length, in bytes. HV_UNSUPPORTED: no SME. */
OS_EXPORT hv_return_t hv_sme_config_get_max_svl_bytes(size_t *value)
    API_AVAILABLE(macos(15.2));

#endif
