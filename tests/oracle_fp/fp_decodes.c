/*
 * For decode_check.py: reads instruction words in hexadecimal, prints 1 for
 * each that has a function and 0 for each that has none.
 */
#include <inttypes.h>
#include <stdio.h>

#include "cpu.h"

int main(void)
{
    uint32_t word;

    while (scanf("%" SCNx32, &word) == 1)
        puts(a64_fp_decode(word) ? "1" : "0");
    return 0;
}
