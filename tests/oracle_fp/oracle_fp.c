/*
 * Our FP, SIMD and crypto instructions against an independent implementation:
 * random words of every encoding class are run here and there from the same
 * states, and all registers and flags are compared.
 *
 * usage: oracle_fp [EMULATOR GUEST [words per function [rounds [seed]]]]
 *
 * Words are picked per function of ours, so that rare instructions get as much
 * attention as those with a large part of the encoding space. Exit 77 means
 * that the emulator cannot be run here, or that there is no program for it.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cpu.h"
#include "oracle_case.h"

/* ---- words --------------------------------------------------------------- */

/* The encoding classes: fixed bits, and x for any. */
static const char *const classes[] = {
    "x0011110xx1xxxxx000000xxxxxxxxxx", /* FP and integer */
    "x0011110xx0xxxxxxxxxxxxxxxxxxxxx", /* FP and fixed point */
    "000111100x1xxxxxx10000xxxxxxxxxx", /* one source */
    "0001111011100010x10000xxxxxxxxxx", /* FCVT from half */
    "000111100x1xxxxx001000xxxxxxx000", /* compare */
    "000111100x1xxxxxxxx10000000xxxxx", /* immediate */
    "000111100x1xxxxxxxxx01xxxxxxxxxx", /* conditional compare */
    "000111100x1xxxxxxxxx10xxxxxxxxxx", /* two sources */
    "000111100x1xxxxxxxxx11xxxxxxxxxx", /* select */
    "000111110xxxxxxxxxxxxxxxxxxxxxxx", /* three sources */
    "0100111000101000xxxx10xxxxxxxxxx", /* AES */
    "01011110000xxxxx0xxx00xxxxxxxxxx", /* SHA, three registers */
    "0101111000101000xxxx10xxxxxxxxxx", /* SHA, two registers */
    "01x11110000xxxxx0xxxx1xxxxxxxxxx", /* scalar copy */
    "01x11110xx10000xxxxx10xxxxxxxxxx", /* scalar two-register misc. */
    "01x11110xx11000xxxxx10xxxxxxxxxx", /* scalar pairwise */
    "01x11110xx1xxxxxxxxx00xxxxxxxxxx", /* scalar three different */
    "01x11110xx1xxxxxxxxxx1xxxxxxxxxx", /* scalar three same */
    "01x111110xxxxxxxxxxxx1xxxxxxxxxx", /* scalar shift by immediate */
    "01x11111xxxxxxxxxxxxx0xxxxxxxxxx", /* scalar by element */
    "0x001110000xxxxx0xxx00xxxxxxxxxx", /* table lookup */
    "0x001110xx0xxxxx0xxx10xxxxxxxxxx", /* permute */
    "0x101110000xxxxx0xxxx0xxxxxxxxxx", /* extract */
    "0xx01110000xxxxx0xxxx1xxxxxxxxxx", /* copy */
    "0xx01110100xxxxx100101xxxxxxxxxx", /* dot product */
    "0xx01110xx10000xxxxx10xxxxxxxxxx", /* two-register miscellaneous */
    "0xx01110xx11000xxxxx10xxxxxxxxxx", /* across lanes */
    "0xx01110xx1xxxxxxxxx00xxxxxxxxxx", /* three different */
    "0xx01110xx1xxxxxxxxxx1xxxxxxxxxx", /* three same */
    "0xx0111100000xxxxxxx01xxxxxxxxxx", /* modified immediate */
    "0xx011110xxxxxxxxxxxx1xxxxxxxxxx", /* shift by immediate */
    "0xx01111xxxxxxxxxxxxx0xxxxxxxxxx", /* by element */
};

enum { CLASSES = sizeof(classes) / sizeof(classes[0]) };

static uint32_t random_word(uint64_t *rng, const char *class)
{
    uint32_t word = (uint32_t)oracle_random(rng);

    for (unsigned i = 0; i < 32; i++) {
        uint32_t bit = 1u << (31 - i);

        if (class[i] != 'x')
            word = class[i] == '1' ? word | bit : word & ~bit;
    }
    /* Registers 29 and 30 hold the other side's own business. */
    if ((word & 31) == 29 || (word & 31) == 30)
        word &= ~16u;
    if ((word >> 5 & 31) == 29 || (word >> 5 & 31) == 30)
        word &= ~(16u << 5);
    return word;
}

struct bucket {
    a64_fn *fn;
    unsigned count;
};

enum { MAX_FUNCTIONS = 4096, TRIES = 60000 };

static struct bucket buckets[MAX_FUNCTIONS];
static unsigned functions;

static struct bucket *bucket_of(a64_fn *fn)
{
    size_t at = ((uintptr_t)fn >> 4) % MAX_FUNCTIONS;

    while (buckets[at].fn && buckets[at].fn != fn)
        at = (at + 1) % MAX_FUNCTIONS;
    if (!buckets[at].fn) {
        buckets[at].fn = fn;
        functions++;
    }
    return &buckets[at];
}

/* Up to `per_function` words for each function there is. */
static uint32_t *pick_words(uint64_t seed, unsigned per_function,
                            uint32_t *count)
{
    uint32_t *words =
        calloc((size_t)MAX_FUNCTIONS * per_function, sizeof(*words));

    if (!words)
        return NULL;
    *count = 0;
    for (unsigned i = 0; i < TRIES * CLASSES; i++) {
        uint32_t word = random_word(&seed, classes[i % CLASSES]);
        a64_fn *fn = a64_fp_decode(word);
        struct bucket *bucket;

        if (!fn)
            continue;
        bucket = bucket_of(fn);
        if (bucket->count < per_function && functions < MAX_FUNCTIONS / 2) {
            bucket->count++;
            words[(*count)++] = word;
        }
    }
    return words;
}

/* ---- our side ------------------------------------------------------------ */

static struct a64_cpu cpu;

static void run_here(struct oracle_state *state, uint32_t word)
{
    memcpy(cpu.v, state->v, sizeof(state->v));
    memcpy(cpu.x, state->x, sizeof(state->x));
    a64_set_nzcv(&cpu, (uint32_t)state->nzcv);
    a64_set_fpcr(&cpu, (uint32_t)state->fpcr);
    a64_set_fpsr(&cpu, (uint32_t)state->fpsr);
    a64_fp_enter(&cpu);
    a64_fp_decode(word)(&cpu, word);
    a64_fp_leave(&cpu);
    memcpy(state->v, cpu.v, sizeof(state->v));
    memcpy(state->x, cpu.x, sizeof(state->x));
    state->fpcr = cpu.fpcr;
    state->fpsr = a64_fpsr(&cpu);
    state->nzcv = a64_nzcv(&cpu);
}

/* ---- comparing ----------------------------------------------------------- */

static void print_difference(uint32_t word, const struct oracle_state *start,
                             const struct oracle_state *ours,
                             const struct oracle_state *theirs)
{
    unsigned n = word >> 5 & 31, m = word >> 16 & 31, a = word >> 10 & 31;
    unsigned d = word & 31;

    printf("%08" PRIx32 ": fpcr %08" PRIx64 " fpsr %08" PRIx64 "\n", word,
           start->fpcr, start->fpsr);
    printf("  v%u %016" PRIx64 ":%016" PRIx64 " v%u %016" PRIx64 ":%016" PRIx64
           "\n  v%u %016" PRIx64 ":%016" PRIx64 " old v%u %016" PRIx64
           ":%016" PRIx64 " x%u %016" PRIx64 "\n",
           n, start->v[n][1], start->v[n][0], m, start->v[m][1], start->v[m][0],
           a, start->v[a][1], start->v[a][0], d, start->v[d][1], start->v[d][0],
           n, start->x[n]);
    for (unsigned i = 0; i < 32; i++) {
        if (ours->v[i][0] != theirs->v[i][0] ||
            ours->v[i][1] != theirs->v[i][1])
            printf("  v%u is %016" PRIx64 ":%016" PRIx64
                   ", should be %016" PRIx64 ":%016" PRIx64 "\n",
                   i, ours->v[i][1], ours->v[i][0], theirs->v[i][1],
                   theirs->v[i][0]);
        if (ours->x[i] != theirs->x[i])
            printf("  x%u is %016" PRIx64 ", should be %016" PRIx64 "\n", i,
                   ours->x[i], theirs->x[i]);
    }
    if (ours->fpsr != theirs->fpsr)
        printf("  fpsr is %08" PRIx64 ", should be %08" PRIx64 "\n", ours->fpsr,
               theirs->fpsr);
    if (ours->nzcv != theirs->nzcv)
        printf("  nzcv is %08" PRIx64 ", should be %08" PRIx64 "\n", ours->nzcv,
               theirs->nzcv);
}

/* ---- the other side ------------------------------------------------------ */

static pid_t start_guest(char *const argv[], FILE **to, FILE **from)
{
    int down[2], up[2];
    pid_t pid;

    if (pipe(down) || pipe(up))
        return -1;
    pid = fork();
    if (pid == 0) {
        dup2(down[0], 0);
        dup2(up[1], 1);
        for (int i = 0; i < 2; i++) {
            close(down[i]);
            close(up[i]);
        }
        execvp(argv[0], argv);
        _exit(errno == ENOENT ? 77 : 126);
    }
    close(down[0]);
    close(up[1]);
    *to = fdopen(down[1], "w");
    *from = fdopen(up[0], "r");
    return pid;
}

static int finish(pid_t pid, unsigned failures)
{
    int status;

    if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status)) {
        fprintf(stderr, "the emulator died\n");
        return 1;
    }
    if (WEXITSTATUS(status) == 77)
        printf("skipped: the emulator is not installed\n");
    return WEXITSTATUS(status) ? WEXITSTATUS(status) : failures != 0;
}

int main(int argc, char *argv[])
{
    unsigned per_function = argc > 3 ? (unsigned)atoi(argv[3]) : 4;
    struct oracle_request request = {
        .rounds = argc > 4 ? (uint32_t)atoi(argv[4]) : 60,
        .seed = argc > 5 ? strtoull(argv[5], NULL, 0) : 1,
    };
    struct oracle_state start, ours, theirs;
    unsigned failures = 0;
    uint32_t *words;
    FILE *to, *from;
    pid_t pid;

    if (argc < 3) {
        printf("skipped: no cross compiler made the reference program\n");
        return 77;
    }
    signal(SIGPIPE, SIG_IGN);
    words = pick_words(request.seed, per_function, &request.words);
    pid = start_guest((char *[]){argv[1], argv[2], NULL}, &to, &from);
    if (!words || pid < 0 || !to || !from)
        return 1;
    fwrite(&request, sizeof(request), 1, to);
    fwrite(words, sizeof(*words), request.words, to);
    fclose(to);
    for (uint32_t i = 0; i < request.words; i++) {
        for (uint32_t round = 0; round < request.rounds; round++) {
            if (fread(&theirs, sizeof(theirs), 1, from) != 1)
                return finish(pid, 1);
            oracle_start(&start, request.seed, words[i], round);
            ours = start;
            run_here(&ours, words[i]);
            if (memcmp(&ours, &theirs, sizeof(ours)) != 0 && failures++ < 20)
                print_difference(words[i], &start, &ours, &theirs);
        }
    }
    printf("%u functions, %" PRIu32 " words, %" PRIu32
           " cases, %u differences\n",
           functions, request.words, request.words * request.rounds, failures);
    free(words);
    fclose(from);
    return finish(pid, failures);
}
