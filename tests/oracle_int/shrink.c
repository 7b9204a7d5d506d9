/*
 * Shrinking by trial: each simplification is kept when the sides still differ.
 */
#include "shrink.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "casefile.h"
#include "program.h"
#include "sides.h"

/* Never jump to where nothing is, or to the code around the program. */
static int may_run(const struct oracle_case *c, unsigned at)
{
    uint64_t to;

    if (!word_is_fair(c->word[at]))
        return 0;
    if (!is_branch(c->word[at]))
        return 1;
    to = branch_target(c, at);
    return to == ORACLE_BACK || to == ORACLE_FAR ||
           (to % 4 == 0 && to > ORACLE_SLOT + 4 * at &&
            to <= ORACLE_SLOT + 4 * c->words + 4);
}

/* Whether the two sides of the failure ended alike: so they must in a smaller
 * case, or it is another failure. */
static int ended_alike;

static int still_fails(const struct oracle_case *c, int first)
{
    struct oracle_case ref, our = *c;

    for (unsigned i = 0; i < c->words; i++)
        if (!may_run(c, i))
            return 0;
    here_run(&our);
    ref = reference_one(c);
    if (first)
        ended_alike = ref.fault == our.fault;
    return (ref.fault == our.fault) == ended_alike &&
           !is_beyond_promise(&ref, &our) && !outcomes_equal(&ref, &our);
}

static int try(struct oracle_case *c, const struct oracle_case *simpler)
{
    if (memcmp(c, simpler, sizeof(*c)) == 0 || !still_fails(simpler, 0))
        return 0;
    *c = *simpler;
    return 1;
}

static int drop_words(struct oracle_case *c)
{
    int changed = 0;

    for (unsigned i = 0; i < c->words && c->words > 1;) {
        struct oracle_case s = *c;

        memmove(&s.word[i], &s.word[i + 1], 4 * (s.words - i - 1));
        s.word[--s.words] = 0;
        if (try(c, &s))
            changed = 1;
        else
            i++;
    }
    return changed;
}

/* Bits of the words to zero, from the top of the immediates down; only where
 * the word stays of its kind, so that the failure stays the same one. */
static int simplify_words(struct oracle_case *c)
{
    int changed = 0;

    for (unsigned i = 0; i < c->words; i++)
        for (int bit = 28; bit >= 0; bit--) {
            struct oracle_case s = *c;

            s.word[i] &= ~(1u << bit);
            if (kind_of(s.word[i]) != kind_of(c->word[i]) ||
                is_branch(s.word[i]))
                continue;
            changed |= try(c, &s);
        }
    return changed;
}

/* A number to 0, else bits of it to 0. */
static int simplify_number(struct oracle_case *c, void *field)
{
    size_t at = (size_t)((char *)field - (char *)c);
    struct oracle_case s = *c;
    int changed = 0;
    uint64_t value;

    memcpy(&value, field, 8);
    if (value == 0)
        return 0;
    memset((char *)&s + at, 0, 8);
    if (try(c, &s))
        return 1;
    for (int bit = 63; bit >= 0; bit--) {
        memcpy(&value, (char *)c + at, 8);
        if (!(value >> bit & 1))
            continue;
        value &= ~(1ULL << bit);
        s = *c;
        memcpy((char *)&s + at, &value, 8);
        changed |= try(c, &s);
    }
    return changed;
}

/* Memory to zero: all, halves, and so on down to bytes. */
static int clear_memory(struct oracle_case *c)
{
    int changed = 0;

    for (unsigned piece = ORACLE_WINDOW_BYTES; piece > 0; piece /= 2)
        for (unsigned at = 0; at < ORACLE_WINDOW_BYTES; at += piece) {
            struct oracle_case s = *c;

            memset(s.data + at, 0, piece);
            changed |= try(c, &s);
        }
    return changed;
}

void shrink(struct oracle_case *c)
{
    int changed = still_fails(c, 1);

    while (changed) {
        changed = drop_words(c);
        changed |= clear_memory(c);
        for (unsigned i = 0; i < 31; i++)
            changed |= simplify_number(c, &c->x[i]);
        for (unsigned i = 0; i < 32; i++) {
            changed |= simplify_number(c, c->v[i]);
            changed |= simplify_number(c, c->v[i] + 8);
        }
        changed |= simplify_number(c, &c->nzcv);
        changed |= simplify_number(c, &c->fpcr);
        changed |= simplify_number(c, &c->fpsr);
        changed |= simplify_words(c);
    }
}

void shrink_and_keep(const struct oracle_case *failing)
{
    struct oracle_case c = *failing, ref, our;
    const char *folder = getenv("ORACLE_KEEP");
    char path[512];

    if (!still_fails(&c, 1)) {
        printf("  it does not fail alone\n");
        return;
    }
    shrink(&c);
    ref = reference_one(&c);
    our = c;
    here_run(&our);
    printf("shrunk to %u words; ", c.words);
    report_difference(stdout, &c, &ref, &our);
    snprintf(path, sizeof(path), "%s/%08x.case", folder ? folder : ".",
             c.word[c.words - 1]);
    if (casefile_write(path, &c, &ref) == 0)
        printf("kept in %s\n", path);
    else
        perror(path);
}
