/*
 * Reference counts of the objects that hv_..._create functions return. On
 * Linux only the hypervisor library makes such objects, so the two functions
 * live there.
 */
#ifndef LULL_OS_OBJECT_H
#define LULL_OS_OBJECT_H

#include <os/base.h>

/* Takes one more reference and returns `object`. Any thread. */
OS_EXPORT void *os_retain(void *object);

/*
 * Gives one reference back; the last one frees the object. NULL is allowed.
 * Any thread. A VM or vCPU does not keep a reference to the configuration it
 * was created with, so the caller may release it at once.
 */
OS_EXPORT void os_release(void *object);

#endif
