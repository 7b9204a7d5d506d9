/* The result type of Mach calls; only its zero is of use here. */
#ifndef LULL_MACH_KERN_RETURN_H
#define LULL_MACH_KERN_RETURN_H

typedef int kern_return_t;

#ifndef KERN_SUCCESS
#define KERN_SUCCESS 0
#define KERN_INVALID_ARGUMENT 4
#endif

#endif
