/* The seccomp filter: sandbox_seccomp.c, or sandbox_no_seccomp.c where Lull is
 * built without libseccomp. */
#ifndef LULL_VMM_SANDBOX_CALLS_H
#define LULL_VMM_SANDBOX_CALLS_H

#include <stdbool.h>

#include "sandbox.h"
#include "why.h"

bool sandbox_has_filter(void);
/* For all threads of the process. */
bool sandbox_filter_calls(const struct sandbox_config *config, struct why *why);

#endif
