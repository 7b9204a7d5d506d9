/*
 * A pause for loops that watch memory: gives the core's other thread, or its
 * power budget, a moment.
 */
#ifndef IDLE_RELAX_H
#define IDLE_RELAX_H

#if defined(__x86_64__) || defined(__i386__)
#define cpu_relax() __builtin_ia32_pause()
#elif defined(__aarch64__)
/* `yield` is a no-op on most cores; `isb` waits for some tens of cycles. */
#define cpu_relax() __asm__ volatile("isb" ::: "memory")
#else
#define cpu_relax() __asm__ volatile("" ::: "memory")
#endif

#endif
