/* Numbers that start.S and the C files share. */
#ifndef GUESTS_LAYOUT_H
#define GUESTS_LAYOUT_H

#define CPUS_MAX 8
#define STACK_SHIFT 14
#define FRAME_BYTES 288
#define CPU_BYTES 512
#define LEAVE_SVC 0xfff

#endif
