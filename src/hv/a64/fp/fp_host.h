/*
 * The host's floating-point unit, as far as the fast paths need it: a rounding
 * mode and sticky flags, in Arm's numbering, for the calling thread. Where
 * FP_HOST_FAST is 0 the host's unit is not used at all and softfloat does
 * everything (A64_FP_SOFT asks for that on any host, and for portable crypto).
 *
 * The unit must follow IEEE 754 with all exceptions masked, subnormals kept
 * and tininess raised at least when the rounded result is subnormal and
 * inexact; whatever else differs between hosts, the fast paths catch.
 */
#ifndef LULL_A64_FP_HOST_H
#define LULL_A64_FP_HOST_H

#include <stdbool.h>
#include <stdint.h>

#include "vector.h"

#if defined(__x86_64__) && !defined(A64_FP_SOFT)
#include "fp_host_x86.h"
#elif defined(__aarch64__) && !defined(A64_FP_SOFT)
#include "fp_host_arm64.h"
#else
#include "fp_host_soft.h"
#endif

#endif
