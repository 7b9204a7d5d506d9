/* Some sources look for mach_error_t under this name. */
#ifndef LULL_MACH_MACH_ERROR_H
#define LULL_MACH_MACH_ERROR_H

#include <mach/error.h>

#endif
