/*
 * Linux: the kernel has a link to it.
 */
#include "self.h"

#include <unistd.h>

bool self_path(char *out, size_t out_bytes)
{
    ssize_t length = readlink("/proc/self/exe", out, out_bytes - 1);

    if (length <= 0)
        return false;
    out[length] = '\0';
    return true;
}
