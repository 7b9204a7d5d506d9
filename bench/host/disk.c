/*
 * `disk cached|direct FILE SECONDS`: the guest's disk tests on the host itself,
 * with the image that guests get: the most that there is to be had.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../guest/bench.h"

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: disk cached|direct FILE SECONDS\n");
        return 2;
    }
    return file_main(argv[2], strcmp(argv[1], "cached") == 0, atof(argv[3]),
                     argv + 4);
}
