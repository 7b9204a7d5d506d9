/*
 * Availability annotations, for sources written for macOS. Our library has
 * every function whatever the version asked for, so the annotations vanish
 * and a run-time check is always true.
 */
#ifndef LULL_OS_AVAILABILITY_H
#define LULL_OS_AVAILABILITY_H

#ifndef API_AVAILABLE
#define API_AVAILABLE(...)
#endif
#ifndef API_UNAVAILABLE
#define API_UNAVAILABLE(...)
#endif
#ifndef API_DEPRECATED
#define API_DEPRECATED(...)
#endif
#ifndef API_DEPRECATED_WITH_REPLACEMENT
#define API_DEPRECATED_WITH_REPLACEMENT(...)
#endif
#ifndef __OSX_AVAILABLE
#define __OSX_AVAILABLE(...)
#endif

/* clang has __builtin_available everywhere, and off macOS it is true. */
#if !defined(__clang__) && !defined(__builtin_available)
#define __builtin_available(...) 1
#endif

#endif
