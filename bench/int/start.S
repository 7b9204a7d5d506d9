/*
 * Start of the integer benchmark: a raw flat image for the virt machine. One
 * vCPU, MMU off, EL1. Sets up a stack, runs main, powers off through PSCI.
 */
    .section .text.start, "ax"
    .globl _start
_start:
    adrp    x1, stack_top
    add     x1, x1, :lo12:stack_top
    mov     sp, x1
    bl      main
    movz    w0, #0x0008             /* PSCI SYSTEM_OFF */
    movk    w0, #0x8400, lsl #16
    hvc     #0
1:  wfi
    b       1b

    .section .bss.stack, "aw", %nobits
    .balign 16
    .skip   65536
stack_top:
