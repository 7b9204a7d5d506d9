/*
 * 16 bytes as a vector, in the compiler's vector extension: lanes are numbered
 * as Arm numbers them, since the hosts are little-endian.
 */
#ifndef LULL_A64_VECTOR_H
#define LULL_A64_VECTOR_H

#include <stdint.h>

typedef uint8_t vu8 __attribute__((vector_size(16)));
typedef uint16_t vu16 __attribute__((vector_size(16)));
typedef uint32_t vu32 __attribute__((vector_size(16)));
typedef uint64_t vu64 __attribute__((vector_size(16)));
typedef int8_t vs8 __attribute__((vector_size(16)));
typedef int16_t vs16 __attribute__((vector_size(16)));
typedef int32_t vs32 __attribute__((vector_size(16)));
typedef int64_t vs64 __attribute__((vector_size(16)));
typedef float vf32 __attribute__((vector_size(16)));
typedef double vf64 __attribute__((vector_size(16)));

#endif
