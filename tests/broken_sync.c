/*
 * To be preloaded: a host whose disk takes writes, and fails to keep them.
 */
#include <errno.h>
#include <unistd.h>

int fdatasync(int fd); /* macOS has it in no header */

int fdatasync(int fd)
{
    errno = EIO;
    return -1;
}
