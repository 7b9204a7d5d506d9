/*
 * Why something could not be done: one line for the user, naming the option
 * or file, what is wrong with it and what to do.
 */
#ifndef LULL_VMM_WHY_H
#define LULL_VMM_WHY_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

struct why {
    char text[512];
};

/* Write the reason; always false, so that a check can return it. */
__attribute__((format(printf, 2, 3))) static inline bool
because(struct why *why, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(why->text, sizeof(why->text), format, args);
    va_end(args);
    return false;
}

#endif
