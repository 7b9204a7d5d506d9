/*
 * The AArch64 side, run by an independent implementation: executes each word
 * it is sent from each starting state, and sends back where it ended.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "oracle_case.h"

/*
 * run(state, code): loads everything, jumps to code, stores everything. The
 * word may use any general register but 29 and 30.
 */
void run(struct oracle_state *state, void *code);
__asm__(".text\n"
        ".global run\n"
        "run:\n"
        "    stp x29, x30, [sp, #-176]!\n"
        "    stp x19, x20, [sp, #16]\n"
        "    stp x21, x22, [sp, #32]\n"
        "    stp x23, x24, [sp, #48]\n"
        "    stp x25, x26, [sp, #64]\n"
        "    stp x27, x28, [sp, #80]\n"
        "    stp d8, d9, [sp, #96]\n"
        "    stp d10, d11, [sp, #112]\n"
        "    stp d12, d13, [sp, #128]\n"
        "    stp d14, d15, [sp, #144]\n"
        "    str x0, [sp, #160]\n"
        "    mov x29, x1\n"
        "    mov x30, x0\n"
        "    ldp q0, q1, [x30]\n"
        "    ldp q2, q3, [x30, #32]\n"
        "    ldp q4, q5, [x30, #64]\n"
        "    ldp q6, q7, [x30, #96]\n"
        "    ldp q8, q9, [x30, #128]\n"
        "    ldp q10, q11, [x30, #160]\n"
        "    ldp q12, q13, [x30, #192]\n"
        "    ldp q14, q15, [x30, #224]\n"
        "    ldp q16, q17, [x30, #256]\n"
        "    ldp q18, q19, [x30, #288]\n"
        "    ldp q20, q21, [x30, #320]\n"
        "    ldp q22, q23, [x30, #352]\n"
        "    ldp q24, q25, [x30, #384]\n"
        "    ldp q26, q27, [x30, #416]\n"
        "    ldp q28, q29, [x30, #448]\n"
        "    ldp q30, q31, [x30, #480]\n"
        "    add x30, x30, #512\n"
        "    ldp x0, x1, [x30, #256]\n"
        "    msr fpcr, x0\n"
        "    msr fpsr, x1\n"
        "    ldr x0, [x30, #272]\n"
        "    msr nzcv, x0\n"
        "    ldp x0, x1, [x30]\n"
        "    ldp x2, x3, [x30, #16]\n"
        "    ldp x4, x5, [x30, #32]\n"
        "    ldp x6, x7, [x30, #48]\n"
        "    ldp x8, x9, [x30, #64]\n"
        "    ldp x10, x11, [x30, #80]\n"
        "    ldp x12, x13, [x30, #96]\n"
        "    ldp x14, x15, [x30, #112]\n"
        "    ldp x16, x17, [x30, #128]\n"
        "    ldp x18, x19, [x30, #144]\n"
        "    ldp x20, x21, [x30, #160]\n"
        "    ldp x22, x23, [x30, #176]\n"
        "    ldp x24, x25, [x30, #192]\n"
        "    ldp x26, x27, [x30, #208]\n"
        "    ldr x28, [x30, #224]\n"
        "    blr x29\n"
        "    ldr x30, [sp, #160]\n"
        "    stp q0, q1, [x30]\n"
        "    stp q2, q3, [x30, #32]\n"
        "    stp q4, q5, [x30, #64]\n"
        "    stp q6, q7, [x30, #96]\n"
        "    stp q8, q9, [x30, #128]\n"
        "    stp q10, q11, [x30, #160]\n"
        "    stp q12, q13, [x30, #192]\n"
        "    stp q14, q15, [x30, #224]\n"
        "    stp q16, q17, [x30, #256]\n"
        "    stp q18, q19, [x30, #288]\n"
        "    stp q20, q21, [x30, #320]\n"
        "    stp q22, q23, [x30, #352]\n"
        "    stp q24, q25, [x30, #384]\n"
        "    stp q26, q27, [x30, #416]\n"
        "    stp q28, q29, [x30, #448]\n"
        "    stp q30, q31, [x30, #480]\n"
        "    add x30, x30, #512\n"
        "    stp x0, x1, [x30]\n"
        "    stp x2, x3, [x30, #16]\n"
        "    stp x4, x5, [x30, #32]\n"
        "    stp x6, x7, [x30, #48]\n"
        "    stp x8, x9, [x30, #64]\n"
        "    stp x10, x11, [x30, #80]\n"
        "    stp x12, x13, [x30, #96]\n"
        "    stp x14, x15, [x30, #112]\n"
        "    stp x16, x17, [x30, #128]\n"
        "    stp x18, x19, [x30, #144]\n"
        "    stp x20, x21, [x30, #160]\n"
        "    stp x22, x23, [x30, #176]\n"
        "    stp x24, x25, [x30, #192]\n"
        "    stp x26, x27, [x30, #208]\n"
        "    str x28, [x30, #224]\n"
        "    mrs x0, fpcr\n"
        "    mrs x1, fpsr\n"
        "    mrs x2, nzcv\n"
        "    stp x0, x1, [x30, #256]\n"
        "    str x2, [x30, #272]\n"
        "    msr fpcr, xzr\n"
        "    ldp x19, x20, [sp, #16]\n"
        "    ldp x21, x22, [sp, #32]\n"
        "    ldp x23, x24, [sp, #48]\n"
        "    ldp x25, x26, [sp, #64]\n"
        "    ldp x27, x28, [sp, #80]\n"
        "    ldp d8, d9, [sp, #96]\n"
        "    ldp d10, d11, [sp, #112]\n"
        "    ldp d12, d13, [sp, #128]\n"
        "    ldp d14, d15, [sp, #144]\n"
        "    ldp x29, x30, [sp], #176\n"
        "    ret\n");

int main(void)
{
    struct oracle_request request;
    struct oracle_state state;
    uint32_t *words, *code;
    size_t size;

    if (fread(&request, sizeof(request), 1, stdin) != 1)
        return 1;
    words = calloc(request.words, sizeof(*words));
    if (!words ||
        fread(words, sizeof(*words), request.words, stdin) != request.words)
        return 1;
    size = request.words * 2 * sizeof(*code);
    code = mmap(NULL, size, PROT_READ | PROT_WRITE | PROT_EXEC,
                MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (code == MAP_FAILED)
        return 1;
    for (uint32_t i = 0; i < request.words; i++) {
        code[2 * i] = words[i];
        code[2 * i + 1] = 0xd65f03c0; /* ret */
    }
    __builtin___clear_cache((char *)code, (char *)code + size);
    for (uint32_t i = 0; i < request.words; i++) {
        for (uint32_t round = 0; round < request.rounds; round++) {
            oracle_start(&state, request.seed, words[i], round);
            run(&state, code + 2 * i);
            if (fwrite(&state, sizeof(state), 1, stdout) != 1)
                return 1;
        }
    }
    return fflush(stdout) != 0;
}
