/*
 * Start of idle4: vCPU 0 comes from the loader, the others from PSCI CPU_ON
 * with their number in x0. MMU off, EL1, 4 KiB of stack each.
 */
    .section .text.start, "ax"
    .globl _start
_start:
    mov     x0, #0
    .globl secondary_start
secondary_start:
    adrp    x1, stacks
    add     x1, x1, :lo12:stacks
    add     x2, x0, #1
    add     x1, x1, x2, lsl #12
    mov     sp, x1
    bl      guest_main
1:  wfi
    b       1b

    .section .bss.stacks, "aw", %nobits
    .balign 4096
stacks:
    .skip   4 * 4096
