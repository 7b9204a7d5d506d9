/*
 * What surrounds the program under test on the reference side. The part from
 * `page` to `page_end` is copied to ORACLE_STUB: it loads every register from
 * the case at ORACLE_STATE, goes to the CLREX before the program (the runner
 * writes that branch at page_go), and saves every register. Branches to the
 * exits are written around the program; an exit leaves its number where the PC
 * will be. It lies on a page of its own, which never changes, so that the
 * emulator has to translate it once.
 *
 * The thread pointer holds X0 while X0 is the way to the state.
 */
    .text
    .balign 8
    .global enter, leave, page, page_end
    .global page_go, exit_end, exit_next, exit_back, exit_far

enter:
    stp     x29, x30, [sp, #-160]!
    stp     x19, x20, [sp, #16]
    stp     x21, x22, [sp, #32]
    stp     x23, x24, [sp, #48]
    stp     x25, x26, [sp, #64]
    stp     x27, x28, [sp, #80]
    stp     d8, d9, [sp, #96]
    stp     d10, d11, [sp, #112]
    stp     d12, d13, [sp, #128]
    stp     d14, d15, [sp, #144]
    adrp    x0, saved
    add     x0, x0, :lo12:saved
    mov     x1, sp
    mrs     x2, tpidr_el0
    adr     x3, leave
    stp     x1, x2, [x0]
    mov     x0, #0x30000000
    str     x3, [x0, #-8]
    ldr     w3, =0x1234567      /* ORACLE_TPIDR */
    str     w3, [x0, #-16]
    mov     x0, #0x20010000     /* ORACLE_STUB */
    br      x0

leave:
    adrp    x0, saved
    add     x0, x0, :lo12:saved
    ldp     x1, x2, [x0]
    mov     sp, x1
    msr     tpidr_el0, x2
    ldp     d14, d15, [sp, #144]
    ldp     d12, d13, [sp, #128]
    ldp     d10, d11, [sp, #112]
    ldp     d8, d9, [sp, #96]
    ldp     x27, x28, [sp, #80]
    ldp     x25, x26, [sp, #64]
    ldp     x23, x24, [sp, #48]
    ldp     x21, x22, [sp, #32]
    ldp     x19, x20, [sp, #16]
    ldp     x29, x30, [sp], #160
    ret

    .balign 8
page:
    mov     x0, #0x30000000
    ldp     x1, x2, [x0, #264]
    msr     fpcr, x1
    msr     fpsr, x2
    ldr     x1, [x0, #256]
    msr     nzcv, x1
    ldr     x1, [x0, #248]
    mov     sp, x1
    ldr     w1, [x0, #-16]
    msr     tpidr_el0, x1
    add     x1, x0, #368
    ld1     {v0.16b-v3.16b}, [x1], #64
    ld1     {v4.16b-v7.16b}, [x1], #64
    ld1     {v8.16b-v11.16b}, [x1], #64
    ld1     {v12.16b-v15.16b}, [x1], #64
    ld1     {v16.16b-v19.16b}, [x1], #64
    ld1     {v20.16b-v23.16b}, [x1], #64
    ld1     {v24.16b-v27.16b}, [x1], #64
    ld1     {v28.16b-v31.16b}, [x1]
    .macro  pairs op
    \op     x2, x3, [x0, #16]
    \op     x4, x5, [x0, #32]
    \op     x6, x7, [x0, #48]
    \op     x8, x9, [x0, #64]
    \op     x10, x11, [x0, #80]
    \op     x12, x13, [x0, #96]
    \op     x14, x15, [x0, #112]
    \op     x16, x17, [x0, #128]
    \op     x18, x19, [x0, #144]
    \op     x20, x21, [x0, #160]
    \op     x22, x23, [x0, #176]
    \op     x24, x25, [x0, #192]
    \op     x26, x27, [x0, #208]
    \op     x28, x29, [x0, #224]
    .endm
    pairs   ldp
    ldr     x30, [x0, #240]
    ldr     x1, [x0, #8]
    ldr     x0, [x0]
page_go:
    nop

    /* Each exit: X0 to the thread pointer, the exit's number to the state. */
    .macro  exit_number n
    msr     tpidr_el0, x0
    mov     x0, #0x30000000
    str     x1, [x0, #8]
    mov     x1, #\n
    b       save
    .endm
exit_end:
    exit_number 0
exit_next:
    exit_number 1
exit_back:
    exit_number 2
exit_far:
    exit_number 3

save:
    str     x1, [x0, #280]
    str     x30, [x0, #240]
    pairs   stp
    mrs     x1, tpidr_el0
    str     x1, [x0]
    mov     x1, sp
    str     x1, [x0, #248]
    mrs     x1, nzcv
    str     x1, [x0, #256]
    mrs     x1, fpcr
    mrs     x2, fpsr
    stp     x1, x2, [x0, #264]
    msr     fpcr, xzr
    add     x1, x0, #368
    st1     {v0.16b-v3.16b}, [x1], #64
    st1     {v4.16b-v7.16b}, [x1], #64
    st1     {v8.16b-v11.16b}, [x1], #64
    st1     {v12.16b-v15.16b}, [x1], #64
    st1     {v16.16b-v19.16b}, [x1], #64
    st1     {v20.16b-v23.16b}, [x1], #64
    st1     {v24.16b-v27.16b}, [x1], #64
    st1     {v28.16b-v31.16b}, [x1]
    ldr     x1, [x0, #-8]
    br      x1
page_end:
    .balign 8
    .data
    .global saved
saved:
    .quad   0, 0
