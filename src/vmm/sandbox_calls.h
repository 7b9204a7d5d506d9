/* The seccomp filter: sandbox_seccomp.c, or sandbox_no_seccomp.c where Lull is
 * built without libseccomp. */
#ifndef LULL_VMM_SANDBOX_CALLS_H
#define LULL_VMM_SANDBOX_CALLS_H

#include <stdbool.h>

#include "why.h"

bool sandbox_has_filter(void);
/* For all threads of the process. With `network`, Internet sockets too. */
bool sandbox_filter_calls(bool network, struct why *why);

#endif
