/*
 * Names that the user gives to things (a VM, a share, a channel): they become
 * names of files, in the guest or here, and words on command lines.
 */
#ifndef LULL_PLAIN_NAME_H
#define LULL_PLAIN_NAME_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* 1 to `max` of letters, digits, '.', '_' and '-' are in [text, text + len),
 * and nothing else; `text` is a string that may go on. */
static inline bool plain_name(const char *text, size_t len, size_t max)
{
    static const char ok[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrs"
                             "tuvwxyz0123456789._-";

    return len >= 1 && len <= max && strspn(text, ok) >= len;
}

#endif
