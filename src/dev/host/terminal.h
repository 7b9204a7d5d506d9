/*
 * The terminal in raw mode, and back again however the process ends. There is
 * one terminal in a process, so this is state of the process.
 */
#ifndef LULL_DEV_TERMINAL_H
#define LULL_DEV_TERMINAL_H

#include <stdbool.h>

/* Every key as a byte, no echo. False: fd is no terminal, or another job's. */
bool terminal_raw(int fd);
/* Restore, and give back the signals that were taken to be able to. */
void terminal_cooked(void);
/* May this process read the terminal, or would it be stopped for it? */
bool terminal_is_ours(int fd);

#endif
