/*
 * Taking values off the front of a fuzzer's input; zeros when it runs out.
 */
#ifndef LULL_FUZZ_INPUT_H
#define LULL_FUZZ_INPUT_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct fuzz_input {
    const uint8_t *bytes;
    size_t left;
};

static inline uint64_t fuzz_take(struct fuzz_input *in, size_t width)
{
    uint64_t value = 0;
    size_t n = width < in->left ? width : in->left;

    memcpy(&value, in->bytes, n);
    in->bytes += n;
    in->left -= n;
    return value;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
