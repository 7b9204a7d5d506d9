/*
 * The layout of a Mach error number: 6 bits of system, 12 of subsystem, 14 of
 * code, from the top.
 */
#ifndef LULL_MACH_ERROR_H
#define LULL_MACH_ERROR_H

#include <mach/kern_return.h>

typedef kern_return_t mach_error_t;

#define err_system(n) ((mach_error_t)(((n)&0x3fu) << 26))
#define err_sub(n) ((mach_error_t)(((n)&0xfffu) << 14))
#define err_local err_system(0x3e)
#define err_get_system(e) (((unsigned)(e) >> 26) & 0x3fu)
#define err_get_sub(e) (((unsigned)(e) >> 14) & 0xfffu)
#define err_get_code(e) ((unsigned)(e)&0x3fffu)

#ifndef ERR_SUCCESS
#define ERR_SUCCESS ((mach_error_t)0)
#endif

#endif
