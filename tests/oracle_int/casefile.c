/*
 * Case files: writing and reading.
 */
#include "casefile.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the names of the numbers ---- */

static uint64_t *number_named(struct oracle_case *c, const char *name)
{
    unsigned i;
    char end;

    if (sscanf(name, "x%u%c", &i, &end) == 1 && i < 31)
        return &c->x[i];
    if (strcmp(name, "sp") == 0)
        return &c->sp;
    if (strcmp(name, "nzcv") == 0)
        return &c->nzcv;
    if (strcmp(name, "fpcr") == 0)
        return &c->fpcr;
    if (strcmp(name, "fpsr") == 0)
        return &c->fpsr;
    if (strcmp(name, "pc") == 0)
        return &c->pc;
    if (strcmp(name, "fault") == 0)
        return &c->fault;
    return NULL;
}

/* ---- writing ---- */

static void write_number(FILE *f, const char *name, uint64_t value,
                         uint64_t otherwise)
{
    if (value != otherwise)
        fprintf(f, "%s %" PRIx64 "\n", name, value);
}

static void write_vector(FILE *f, unsigned i, const uint8_t *v,
                         const uint8_t *otherwise)
{
    if (memcmp(v, otherwise, 16) == 0)
        return;
    fprintf(f, "v%u ", i);
    for (int k = 15; k >= 0; k--)
        fprintf(f, "%02x", v[k]);
    fprintf(f, "\n");
}

static void write_memory(FILE *f, const uint8_t *mem, const uint8_t *otherwise)
{
    for (unsigned i = 0; i < ORACLE_WINDOW_BYTES; i += 16) {
        if (memcmp(mem + i, otherwise + i, 16) == 0)
            continue;
        fprintf(f, "mem %x", ORACLE_WINDOW + i);
        for (unsigned k = 0; k < 16; k++)
            fprintf(f, " %02x", mem[i + k]);
        fprintf(f, "\n");
    }
}

/* What differs from `before`. */
static void write_state(FILE *f, const struct oracle_case *c,
                        const struct oracle_case *before)
{
    char name[8];

    for (unsigned i = 0; i < 31; i++) {
        snprintf(name, sizeof(name), "x%u", i);
        write_number(f, name, c->x[i], before->x[i]);
    }
    write_number(f, "sp", c->sp, before->sp);
    write_number(f, "nzcv", c->nzcv, before->nzcv);
    write_number(f, "fpcr", c->fpcr, before->fpcr);
    write_number(f, "fpsr", c->fpsr, before->fpsr);
    for (unsigned i = 0; i < 32; i++)
        write_vector(f, i, c->v[i], before->v[i]);
    write_memory(f, c->data, before->data);
}

int casefile_write(const char *path, const struct oracle_case *in,
                   const struct oracle_case *out)
{
    static const struct oracle_case zero = {.sp = ORACLE_BORDER};
    FILE *f = fopen(path, "w");

    if (f == NULL)
        return -1;
    for (unsigned i = 0; i < in->words; i++)
        fprintf(f, "word %08x\n", in->word[i]);
    write_state(f, in, &zero);
    fprintf(f, "then\n");
    write_number(f, "pc", out->pc, 0);
    write_number(f, "fault", out->fault, 0);
    write_state(f, out, in);
    return fclose(f);
}

/* ---- reading ---- */

static int read_vector(struct oracle_case *c, const char *name,
                       const char *value)
{
    unsigned i, byte;
    char end;

    if (sscanf(name, "v%u%c", &i, &end) != 1 || i > 31 || strlen(value) != 32)
        return -1;
    for (int k = 15; k >= 0; k--, value += 2) {
        if (sscanf(value, "%2x", &byte) != 1)
            return -1;
        c->v[i][k] = (uint8_t)byte;
    }
    return 0;
}

static int read_memory(struct oracle_case *c, char *rest)
{
    char *end;
    unsigned long at = strtoul(rest, &end, 16);

    for (rest = end;; rest = end, at++) {
        unsigned long byte = strtoul(rest, &end, 16);

        if (end == rest)
            return 0;
        if (at < ORACLE_WINDOW || at >= ORACLE_WINDOW + ORACLE_WINDOW_BYTES ||
            byte > 255)
            return -1;
        c->data[at - ORACLE_WINDOW] = (uint8_t)byte;
    }
}

static int read_line(struct oracle_case *c, char *line)
{
    char name[16], value[64];
    uint64_t *number;
    int length;

    if (sscanf(line, "%15s %n%63s", name, &length, value) != 2)
        return -1;
    if (strcmp(name, "mem") == 0)
        return read_memory(c, line + length);
    if (name[0] == 'v')
        return read_vector(c, name, value);
    if (strcmp(name, "word") == 0) {
        if (c->words == ORACLE_WORDS)
            return -1;
        c->word[c->words++] = (uint32_t)strtoul(value, NULL, 16);
        return 0;
    }
    number = number_named(c, name);
    if (number == NULL)
        return -1;
    *number = strtoull(value, NULL, 16);
    return 0;
}

static int read_lines(FILE *f, const char *path, struct oracle_case *in,
                      struct oracle_case *out)
{
    struct oracle_case *c = in;
    unsigned number = 0;
    char line[256];

    while (fgets(line, sizeof(line), f) != NULL) {
        number++;
        line[strcspn(line, "#\n")] = 0;
        if (line[strspn(line, " \t")] == 0)
            continue;
        if (strcmp(line, "then") == 0 && c == in) {
            *out = *in;
            c = out;
        } else if (read_line(c, line) != 0) {
            fprintf(stderr, "%s:%u: not a line of a case: %s\n", path, number,
                    line);
            return -1;
        }
    }
    if (c == in || in->words == 0) {
        fprintf(stderr, "%s: a case has words, and a line \"then\"\n", path);
        return -1;
    }
    return 0;
}

int casefile_read(const char *path, struct oracle_case *in,
                  struct oracle_case *out)
{
    FILE *f = fopen(path, "r");
    int ret;

    if (f == NULL) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        return -1;
    }
    memset(in, 0, sizeof(*in));
    in->sp = ORACLE_BORDER;
    ret = read_lines(f, path, in, out);
    fclose(f);
    return ret;
}
