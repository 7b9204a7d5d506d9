/*
 * What our versions of Apple's system headers need from each other: the
 * linkage of exported functions.
 */
#ifndef LULL_OS_BASE_H
#define LULL_OS_BASE_H

#include <os/availability.h>

#ifdef __cplusplus
#define OS_EXPORT extern "C" __attribute__((__visibility__("default")))
#else
#define OS_EXPORT extern __attribute__((__visibility__("default")))
#endif

#endif
