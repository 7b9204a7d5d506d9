/*
 * Instructions against qemu-aarch64: random programs of up to sixteen, of
 * every kind that the decoder knows.
 *
 * usage: oracle_int_test RUNNER
 *
 * Both sides start from the same registers, flags, vector registers, FPCR,
 * FPSR and memory; all of them, and how and where the program stopped, have to
 * be equal. A kind that was never run to its end fails the test. A difference
 * is shrunk and written to a file (see shrink.h).
 *
 * ORACLE_CASES sets the number of programs, ORACLE_SEED the seed, ORACLE_GROUP
 * keeps to one group ("memory"; then nothing is said of the other kinds),
 * ORACLE_KEEP is the folder for failing cases (default: the current one).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "program.h"
#include "shrink.h"
#include "sides.h"
#include "words.h"

enum {
    CASES = 200000,
    KEPT = 10, /* differences to shrink and keep, at most */
};

static unsigned long words_run[GROUPS], passed, failed, beyond, faulted;

static unsigned long setting(const char *name, unsigned long otherwise)
{
    const char *text = getenv(name);

    return text == NULL ? otherwise : strtoul(text, NULL, 0);
}

/* Which words surely ran: up to the first branch, or to the fault. */
static void count_words(const struct oracle_case *in,
                        const struct oracle_case *our)
{
    for (unsigned i = 0; i < in->words; i++) {
        uint32_t word = in->word[i];
        int stopped =
            our->fault != ORACLE_ENDED && our->pc == ORACLE_SLOT + 4 * i;
        struct kind *k = kind_of(word);

        if (k != NULL) {
            words_run[k->group]++;
            /* BRK and EL1's registers do no more than fault */
            if (!stopped || k->group == GROUP_SYSTEM ||
                k->group == GROUP_BRANCH)
                k->run++;
        }
        if (stopped || is_branch(word))
            return;
    }
}

static void judge(const struct oracle_case *in, const struct oracle_case *ref)
{
    struct oracle_case our = *in;

    here_run(&our);
    if (is_beyond_promise(ref, &our)) {
        beyond++;
    } else if (outcomes_equal(ref, &our)) {
        passed++;
        faulted += our.fault != ORACLE_ENDED;
        count_words(in, &our);
    } else {
        if (failed++ < KEPT) {
            report_difference(stdout, in, ref, &our);
            shrink_and_keep(in);
        }
    }
}

/* The kinds that are in question, and no others. */
static unsigned chosen_groups(void)
{
    const char *name = getenv("ORACLE_GROUP");

    if (name == NULL)
        return (1u << GROUPS) - 1;
    for (unsigned g = 0; g < GROUPS; g++)
        if (strcmp(name, group_names[g]) == 0)
            return 1u << g;
    fprintf(stderr, "ORACLE_GROUP=%s: no such group; there are", name);
    for (unsigned g = 0; g < GROUPS; g++)
        fprintf(stderr, "%s %s", g ? "," : "", group_names[g]);
    fprintf(stderr, "\n");
    exit(1);
}

static void run_all(unsigned long cases, unsigned groups)
{
    static struct oracle_case in[SIDES_BATCH];
    unsigned next = 0;

    while (cases > 0) {
        uint32_t count = cases < SIDES_BATCH ? (uint32_t)cases : SIDES_BATCH;

        for (uint32_t i = 0; i < count; next++) {
            const struct kind *k = kind_at(next % kinds_count());

            if (k->samples && (groups >> k->group & 1))
                random_program(&in[i++], next % kinds_count(), groups);
        }
        memcpy(reference_cases, in, count * sizeof(in[0]));
        reference_run(count);
        for (uint32_t i = 0; i < count; i++) {
            struct oracle_case ref = reference_cases[i];

            judge(&in[i], &ref);
        }
        cases -= count;
    }
}

/* The table of what was covered; the result is how much was not. */
static unsigned long report_coverage(unsigned groups)
{
    unsigned long missing = 0, excluded = 0, kinds_of[GROUPS] = {0}, least = ~0;
    unsigned char named[A64_OPCODES] = {0};

    for (unsigned i = 0; i < kinds_count(); i++) {
        const struct kind *k = kind_at(i);

        named[k->opcode] = 1;
        kinds_of[k->group]++;
        if (k->excluded) {
            excluded++;
        } else if (groups >> k->group & 1) {
            if (k->run < least)
                least = k->run;
            if (k->run == 0 && missing++ < 20)
                printf("never run: %s, for example %08x\n",
                       opcode_name(k->opcode), k->sample[0]);
        }
    }
    for (unsigned op = 0; op < A64_OPCODES; op++)
        if (!named[op] && opcode_absence(op) == NULL) {
            printf("no word decodes to %s\n", opcode_name(op));
            missing++;
        }
    printf("%-16s %8s %14s\n", "group", "kinds", "instructions");
    for (unsigned g = 0; g < GROUPS; g++)
        printf("%-16s %8lu %14lu\n", group_names[g], kinds_of[g], words_run[g]);
    printf("the kind run least: %lu times; %lu kinds of system instruction are "
           "for EL1's tests\n",
           least, excluded);
    return missing;
}

int main(int argc, char **argv)
{
    unsigned groups = chosen_groups();
    unsigned long missing;
    int status;

    if (argc != 2) {
        fprintf(stderr, "usage: oracle_int_test RUNNER\n");
        return 1;
    }
    kinds_find();
    rng_state = setting("ORACLE_SEED", 1);
    here_set_up();
    status = reference_start(argv[1]);
    if (status != 0)
        return status;
    run_all(setting("ORACLE_CASES", CASES), groups);
    reference_stop();
    here_tear_down();
    missing = report_coverage(groups);
    printf("%lu programs fault on both sides, %lu meet what is not promised\n",
           faulted, beyond);
    printf("%lu passed, %lu failed\n", passed, failed + missing);
    return failed + missing != 0;
}
