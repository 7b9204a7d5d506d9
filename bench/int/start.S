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
    adrp    x1, bss_start
    add     x1, x1, :lo12:bss_start
    adrp    x2, bss_end
    add     x2, x2, :lo12:bss_end
1:  cmp     x1, x2
    b.hs    2f
    str     xzr, [x1], #8
    b       1b
2:  bl      main
    movz    w0, #0x0008             /* PSCI SYSTEM_OFF */
    movk    w0, #0x8400, lsl #16
    hvc     #0
3:  wfi
    b       3b
