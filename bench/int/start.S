/*
 * Start of the integer benchmark: a raw flat image for the virt machine. One
 * vCPU, EL1. Maps the first two GiB onto themselves (devices, then RAM as
 * ordinary cacheable memory: with the MMU off every access would be to Device
 * memory, which no program meets), sets up a stack, runs main, powers off
 * through PSCI.
 */
    .section .text.start, "ax"
    .globl _start
_start:
    adrp    x1, stack_top
    add     x1, x1, :lo12:stack_top
    mov     sp, x1
    adrp    x0, tables
    add     x0, x0, :lo12:tables
    mov     x1, #0x401              /* block, AF; attribute 0: Device */
    str     x1, [x0]
    movz    x1, #0x4000, lsl #16
    movk    x1, #0x705              /* block, AF, inner shareable; normal */
    str     x1, [x0, #8]
    msr     ttbr0_el1, x0
    mov     x1, #0xff00             /* MAIR: 0 Device-nGnRnE, 1 write-back */
    msr     mair_el1, x1
    movz    x1, #0x3519             /* T0SZ 25, write-back, shareable */
    movk    x1, #0x0080, lsl #16    /* no TTBR1 */
    msr     tcr_el1, x1
    tlbi    vmalle1
    dsb     sy
    isb
    mrs     x1, sctlr_el1
    movz    x2, #0x1005             /* I, C, M */
    orr     x1, x1, x2
    msr     sctlr_el1, x1
    isb
    bl      main
    movz    w0, #0x0008             /* PSCI SYSTEM_OFF */
    movk    w0, #0x8400, lsl #16
    hvc     #0
1:  wfi
    b       1b

    .section .bss.tables, "aw", %nobits
    .balign 4096
tables:
    .skip   4096

    .section .bss.stack, "aw", %nobits
    .balign 16
    .skip   65536
stack_top:
