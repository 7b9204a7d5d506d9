/*
 * Integers in memory with a stated byte order and no alignment rule. Guest
 * structures (virtio, device tree, arm64 Image) are read and written with
 * these, never through a cast pointer.
 */
#ifndef LULL_BYTES_H
#define LULL_BYTES_H

#include <stdint.h>
#include <string.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "Lull's hosts are little-endian"
#endif

#define LULL_BYTES(bits)                                                       \
    static inline uint##bits##_t get_le##bits(const void *p)                   \
    {                                                                          \
        uint##bits##_t v;                                                      \
        memcpy(&v, p, sizeof(v));                                              \
        return v;                                                              \
    }                                                                          \
    static inline void put_le##bits(void *p, uint##bits##_t v)                 \
    {                                                                          \
        memcpy(p, &v, sizeof(v));                                              \
    }                                                                          \
    static inline uint##bits##_t get_be##bits(const void *p)                   \
    {                                                                          \
        return __builtin_bswap##bits(get_le##bits(p));                         \
    }                                                                          \
    static inline void put_be##bits(void *p, uint##bits##_t v)                 \
    {                                                                          \
        put_le##bits(p, __builtin_bswap##bits(v));                             \
    }

LULL_BYTES(16)
LULL_BYTES(32)
LULL_BYTES(64)

#undef LULL_BYTES

#endif
