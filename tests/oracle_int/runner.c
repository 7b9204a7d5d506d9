/*
 * The reference side of the instruction test: an arm64 Linux program that,
 * under qemu-aarch64, runs programs of a few instructions.
 *
 * The file named by the argument is an array of cases, shared with the host.
 * A count on standard input (32 bits) says how many at its start to run; each
 * is replaced by its outcome, and one byte on standard output says done.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <ucontext.h>
#include <unistd.h>

#include "case.h"

void enter(void);
extern const char page[], page_go[], page_end[];
extern const char exit_end[], exit_next[], exit_back[], exit_far[];

static volatile uint64_t fault, fault_pc;
static uint64_t end_pc;

/* What faults ends the program, with its registers saved as usual. The thread
 * pointer may be the program's here: nothing that uses it can be called. */
static void on_fault(int sig, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;

    (void)info;
    fault = sig == SIGILL    ? ORACLE_UNDEFINED
            : sig == SIGTRAP ? ORACLE_BREAK
                             : ORACLE_ABORT;
    fault_pc = uc->uc_mcontext.pc;
    if (fault_pc < ORACLE_SLOT || fault_pc >= end_pc)
        _exit(3);
    uc->uc_mcontext.pc = end_pc;
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

static struct oracle_case *map_cases(const char *path)
{
    int fd = open(path, O_RDWR);
    struct stat st;
    void *p;

    if (fd < 0 || fstat(fd, &st) != 0) {
        perror(path);
        exit(1);
    }
    p = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
             0);
    if (p == MAP_FAILED) {
        perror(path);
        exit(1);
    }
    return p;
}

/* Where a label of stub.S is when copied. */
static uint64_t in_stub(const char *label)
{
    return ORACLE_STUB + (uint64_t)(label - page);
}

static void put_branch(uint64_t at, uint64_t to)
{
    uint32_t insn = 0x14000000 | ((uint32_t)((to - at) >> 2) & 0x3ffffff);

    memcpy((void *)at, &insn, 4);
}

static void run_case(struct oracle_case *c)
{
    struct oracle_case *state = (struct oracle_case *)ORACLE_STATE;
    uint64_t exits[4];

    memcpy(state, c, sizeof(*c));
    end_pc = ORACLE_SLOT + 4 * c->words;
    exits[0] = end_pc;
    exits[1] = end_pc + 4;
    exits[2] = ORACLE_BACK;
    exits[3] = ORACLE_FAR;
    memcpy((void *)ORACLE_SLOT, c->word, 4 * c->words);
    put_branch(exits[0], in_stub(exit_end));
    put_branch(exits[1], in_stub(exit_next));
    __builtin___clear_cache((char *)ORACLE_SLOT, (char *)end_pc + 8);
    memcpy((void *)ORACLE_WINDOW, c->data, ORACLE_WINDOW_BYTES);
    memset((char *)ORACLE_DATA + ORACLE_DATA_BYTES - ORACLE_TAIL_BYTES, 0xff,
           ORACLE_TAIL_BYTES);
    fault = ORACLE_ENDED;
    enter();
    state->fault = fault;
    state->pc = fault == ORACLE_ENDED ? exits[state->pc & 3] : fault_pc;
    memcpy(c, state, sizeof(*c) - ORACLE_WINDOW_BYTES);
    memcpy(c->data, (void *)ORACLE_WINDOW, ORACLE_WINDOW_BYTES);
}

int main(int argc, char **argv)
{
    struct sigaction action = {.sa_sigaction = on_fault,
                               .sa_flags = SA_SIGINFO | SA_ONSTACK};
    stack_t stack = {.ss_sp = malloc(65536), .ss_size = 65536};
    const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGTRAP};
    const uint32_t clrex = 0xd5033f5f;
    struct oracle_case *cases;
    uint32_t count;

    if (argc != 2) {
        fprintf(stderr, "usage: runner CASES\n");
        return 1;
    }
    cases = map_cases(argv[1]);
    sigaltstack(&stack, NULL);
    for (unsigned i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
        sigaction(signals[i], &action, NULL);
    map(ORACLE_DATA, ORACLE_DATA_BYTES);
    map(ORACLE_CODE, ORACLE_CODE_BYTES);
    map(ORACLE_STATE - 4096, 16384);
    map(ORACLE_STUB, 4096);
    memcpy((void *)ORACLE_STUB, page, (size_t)(page_end - page));
    put_branch(in_stub(page_go), ORACLE_SLOT - 4);
    memcpy((void *)(ORACLE_SLOT - 4), &clrex, 4);
    put_branch(ORACLE_BACK, in_stub(exit_back));
    put_branch(ORACLE_FAR, in_stub(exit_far));
    for (unsigned i = 0; i < 256; i++)
        ((char *)ORACLE_LITERALS)[i] = (char)oracle_literal(i);
    while (read(0, &count, sizeof(count)) == sizeof(count)) {
        for (uint32_t i = 0; i < count; i++)
            run_case(&cases[i]);
        if (write(1, "", 1) != 1)
            return 1;
    }
    return 0;
}
