/*
 * Does the test find faults, and make them small? Mutants of the engine, each
 * a bit of a word taken wrongly, must be noticed by random programs, shrunk to
 * one instruction with hardly a register that is not zero, and kept as a file
 * that fails with the mutant and passes without.
 *
 * usage: shrink_test RUNNER
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "casefile.h"
#include "program.h"
#include "shrink.h"
#include "sides.h"
#include "words.h"

static const struct {
    const char *name;
    struct mutant mutant;
    unsigned bits; /* set in registers and memory: at most, when shrunk */
    int memory;    /* bytes of memory that are not zero: at most */
} mutants[] = {
    {"ADCS forgets the flags", {0xffe0fc00, 0xba000000, 1u << 29}, 2, 0},
    {"LSR for ASR", {0xffe0fc00, 0x9ac02800, 3u << 10}, 3, 0},
    {"CSINC for CSINV", {0xffe00c00, 0xda800000, 1u << 30 | 1u << 10}, 2, 0},
    {"LDRSB extends to W", {0xffe00c00, 0x38800000, 1u << 22}, 14, 1},
    {"STP takes another register", {0xffc00000, 0xa9000000, 1u << 10}, 14, 1},
    {"FMSUB for FMADD", {0xffe08000, 0x1f400000, 1u << 15}, 40, 0},
    {"UMAX for SMAX", {0xbf20fc00, 0x0e206400, 1u << 29}, 4, 0},
};

enum { TRIES = 400, MUTANTS = sizeof(mutants) / sizeof(mutants[0]) };

static int differs(const struct oracle_case *c)
{
    struct oracle_case our = *c, ref = reference_one(c);

    here_run(&our);
    return !is_beyond_promise(&ref, &our) && !outcomes_equal(&ref, &our);
}

/* A program that meets the mutant: a random one, one of whose words is made
 * the mutant's kind. */
static int find(struct oracle_case *c)
{
    struct kind *k = kind_of(mutant.value);

    for (unsigned i = 0; i < kinds_count(); i++)
        if (kind_at(i) == k)
            for (unsigned tries = 0; tries < TRIES; tries++) {
                random_program(c, i, (1u << GROUPS) - 1);
                if (differs(c))
                    return 1;
            }
    return 0;
}

static unsigned bits_in(const void *bytes, size_t size)
{
    const uint8_t *b = bytes;
    unsigned bits = 0;

    for (size_t i = 0; i < size; i++)
        bits += (unsigned)__builtin_popcount(b[i]);
    return bits;
}

/* Kept, read again, run with the mutant and without. */
static int replays(const struct oracle_case *c)
{
    char path[] = "/tmp/lull-case-XXXXXX";
    struct oracle_case in, want, ref = reference_one(c), sick, well;
    const struct mutant wrong = mutant;
    int fd = mkstemp(path), ok;

    if (fd < 0)
        return 0;
    close(fd);
    ok = casefile_write(path, c, &ref) == 0 &&
         casefile_read(path, &in, &want) == 0;
    unlink(path);
    if (!ok)
        return 0;
    sick = well = in;
    here_run(&sick);
    memset(&mutant, 0, sizeof(mutant));
    here_run(&well);
    mutant = wrong;
    return !outcomes_equal(&want, &sick) && outcomes_equal(&want, &well);
}

static int check(unsigned i)
{
    struct oracle_case c;
    unsigned words, bits, memory = 0;

    mutant = mutants[i].mutant;
    if (!find(&c)) {
        printf("%s: not noticed\n", mutants[i].name);
        return 0;
    }
    words = c.words;
    shrink(&c);
    bits = bits_in(c.x, sizeof(c.x)) + bits_in(c.v, sizeof(c.v)) +
           bits_in(&c.nzcv, 8) + bits_in(&c.fpcr, 8) + bits_in(&c.fpsr, 8);
    for (unsigned k = 0; k < ORACLE_WINDOW_BYTES; k++)
        memory += c.data[k] != 0;
    printf("%s: %u words shrunk to %u, %08x; %u bits of registers, %u bytes of "
           "memory\n",
           mutants[i].name, words, c.words, c.word[0], bits, memory);
    return c.words == 1 && bits <= mutants[i].bits &&
           (int)memory <= mutants[i].memory && replays(&c);
}

int main(int argc, char **argv)
{
    unsigned passed = 0;
    int status;

    if (argc != 2) {
        fprintf(stderr, "usage: shrink_test RUNNER\n");
        return 1;
    }
    kinds_find();
    rng_state = 1;
    here_set_up();
    status = reference_start(argv[1]);
    if (status != 0)
        return status;
    for (unsigned i = 0; i < MUTANTS; i++)
        passed += check(i) != 0;
    reference_stop();
    here_tear_down();
    printf("%u passed, %u failed\n", passed, MUTANTS - passed);
    return passed != MUTANTS;
}
