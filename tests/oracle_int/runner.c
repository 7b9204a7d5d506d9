/*
 * The reference side of the instruction test: an arm64 Linux program that,
 * under qemu-aarch64, runs each case of a file once and writes what came out.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "case.h"

void enter(void);
extern const char page[], page_slot[], page_end[];

static volatile uint64_t fault;

/* A faulting instruction is stepped over, and its registers saved as usual. */
static void on_fault(int sig, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;

    (void)info;
    fault = sig == SIGILL ? 2 : 1;
    if (uc->uc_mcontext.pc != ORACLE_SLOT) {
        fprintf(stderr, "runner: fault at %#llx, outside the slot\n",
                (unsigned long long)uc->uc_mcontext.pc);
        _Exit(1);
    }
    uc->uc_mcontext.pc = ORACLE_SLOT + 4;
}

static void *map(uint64_t at, size_t size)
{
    void *p = mmap((void *)at, size, PROT_READ | PROT_WRITE | PROT_EXEC,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

    if (p != (void *)at) {
        perror("runner: mmap");
        exit(1);
    }
    return p;
}

int main(int argc, char **argv)
{
    struct sigaction action = {.sa_sigaction = on_fault,
                               .sa_flags = SA_SIGINFO | SA_ONSTACK};
    stack_t stack = {.ss_sp = malloc(65536), .ss_size = 65536};
    struct oracle_case *state;
    char *code, *data;
    FILE *in, *out;

    if (argc != 3 || (in = fopen(argv[1], "rb")) == NULL ||
        (out = fopen(argv[2], "wb")) == NULL) {
        fprintf(stderr, "usage: runner CASES RESULTS\n");
        return 1;
    }
    sigaltstack(&stack, NULL);
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGBUS, &action, NULL);
    sigaction(SIGILL, &action, NULL);
    data = map(ORACLE_DATA, ORACLE_DATA_BYTES);
    code = map(ORACLE_CODE, 4096);
    state =
        (struct oracle_case *)((char *)map(ORACLE_STATE - 4096, 16384) + 4096);
    memcpy(code, page, (size_t)(page_end - page));
    for (unsigned i = 0; i < 256; i++)
        code[ORACLE_LITERALS - ORACLE_CODE + i] = (char)oracle_literal(i);
    while (fread(state, sizeof(*state), 1, in) == 1) {
        memcpy(code + (page_slot - page), &state->insn, 4);
        __builtin___clear_cache(code, code + 4096);
        memcpy(data, state->data, ORACLE_DATA_BYTES);
        fault = 0;
        enter();
        state->fault = fault;
        state->pc += ORACLE_CODE;
        memcpy(state->data, data, ORACLE_DATA_BYTES);
        fwrite(state, sizeof(*state), 1, out);
    }
    return fclose(out) != 0;
}
