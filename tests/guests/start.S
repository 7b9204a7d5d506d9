/*
 * Where the self-checking guests begin: start of every vCPU, the exception
 * vectors, and enter(), which runs a few instructions at EL0 or EL1 and comes
 * back by whatever exception they raise. bare.h says how they are used.
 */
#include "layout.h"

    .section .text.start, "ax"
    .globl _start
_start:
    /* The image may run again after a reset, in RAM that was used before. */
    adrp    x1, bss_start
    add     x1, x1, :lo12:bss_start
    adrp    x2, bss_end
    add     x2, x2, :lo12:bss_end
1:  cmp     x1, x2
    b.hs    2f
    stp     xzr, xzr, [x1], #16
    b       1b
2:  mov     x0, #0
    /* From PSCI, with the vCPU's number as the context in x0. */
    .globl secondary_start
secondary_start:
    msr     spsel, #1
    adrp    x1, stacks
    add     x1, x1, :lo12:stacks
    add     x2, x0, #1
    add     x1, x1, x2, lsl #STACK_SHIFT
    mov     sp, x1
    adrp    x1, cpus
    add     x1, x1, :lo12:cpus
    mov     x2, #CPU_BYTES
    madd    x1, x0, x2, x1
    msr     tpidr_el1, x1
    adrp    x1, vectors
    add     x1, x1, :lo12:vectors
    msr     vbar_el1, x1
    isb
    bl      start_c
1:  wfi
    b       1b

    .text
    .macro  vector number
    .balign 128
    sub     sp, sp, #FRAME_BYTES
    stp     x0, x1, [sp]
    mov     x0, #\number
    b       trapped
    .endm

    .balign 2048
    .globl  vectors
vectors:
    vector  0
    vector  1
    vector  2
    vector  3
    vector  4
    vector  5
    vector  6
    vector  7
    vector  8
    vector  9
    vector  10
    vector  11
    vector  12
    vector  13
    vector  14
    vector  15

trapped:
    stp     x2, x3, [sp, #16]
    stp     x4, x5, [sp, #32]
    stp     x6, x7, [sp, #48]
    stp     x8, x9, [sp, #64]
    stp     x10, x11, [sp, #80]
    stp     x12, x13, [sp, #96]
    stp     x14, x15, [sp, #112]
    stp     x16, x17, [sp, #128]
    stp     x18, x19, [sp, #144]
    stp     x20, x21, [sp, #160]
    stp     x22, x23, [sp, #176]
    stp     x24, x25, [sp, #192]
    stp     x26, x27, [sp, #208]
    stp     x28, x29, [sp, #224]
    mrs     x1, elr_el1
    stp     x30, x1, [sp, #240]
    mrs     x1, spsr_el1
    mrs     x2, esr_el1
    stp     x1, x2, [sp, #256]
    mrs     x1, far_el1
    stp     x1, x0, [sp, #272]
    mov     x0, sp
    bl      trap_c
    ldp     x1, x2, [sp, #248]
    msr     elr_el1, x1
    msr     spsr_el1, x2
    ldp     x2, x3, [sp, #16]
    ldp     x4, x5, [sp, #32]
    ldp     x6, x7, [sp, #48]
    ldp     x8, x9, [sp, #64]
    ldp     x10, x11, [sp, #80]
    ldp     x12, x13, [sp, #96]
    ldp     x14, x15, [sp, #112]
    ldp     x16, x17, [sp, #128]
    ldp     x18, x19, [sp, #144]
    ldp     x20, x21, [sp, #160]
    ldp     x22, x23, [sp, #176]
    ldp     x24, x25, [sp, #192]
    ldp     x26, x27, [sp, #208]
    ldp     x28, x29, [sp, #224]
    ldr     x30, [sp, #240]
    ldp     x0, x1, [sp], #FRAME_BYTES
    eret

/* void enter(const struct entry *entry, uint64_t *rescue_sp) */
    .globl enter
enter:
    stp     x29, x30, [sp, #-96]!
    stp     x19, x20, [sp, #16]
    stp     x21, x22, [sp, #32]
    stp     x23, x24, [sp, #48]
    stp     x25, x26, [sp, #64]
    stp     x27, x28, [sp, #80]
    mov     x9, sp
    str     x9, [x1]
    ldp     x9, x10, [x0]
    ldp     x11, x30, [x0, #16]
    msr     elr_el1, x9
    msr     spsr_el1, x10
    msr     sp_el0, x11
    ldp     x2, x3, [x0, #48]
    ldp     x0, x1, [x0, #32]
    isb
    eret

/* trap_c returns here from the exception that ended what was entered, at EL1
 * with x0 the stack pointer that enter() stored. */
    .globl enter_done
enter_done:
    mov     sp, x0
    ldp     x19, x20, [sp, #16]
    ldp     x21, x22, [sp, #32]
    ldp     x23, x24, [sp, #48]
    ldp     x25, x26, [sp, #64]
    ldp     x27, x28, [sp, #80]
    ldp     x29, x30, [sp], #96
    ret

/* What entered code returns to when it raised nothing. */
    .globl leave
leave:
    svc     #LEAVE_SVC

    .section .bss.stacks, "aw", %nobits
    .balign 4096
stacks:
    .skip   CPUS_MAX << STACK_SHIFT
