/*
 * What a QEMU was asked for: its arguments. Options may be written with one
 * dash or two, values as "NAME,key=value,..." .
 */
#include "doctor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The value of `key` in "a,b=c,...": its length, 0 for none. */
static size_t value_of(const char *text, const char *key, const char **value)
{
    size_t len = strlen(key);

    for (;;) {
        if (strncmp(text, key, len) == 0 && text[len] == '=') {
            *value = text + len + 1;
            return strcspn(*value, ",");
        }
        text += strcspn(text, ",");
        if (*text == '\0')
            return 0;
        text++;
    }
}

static void copy(char *to, size_t bytes, const char *from, size_t len)
{
    snprintf(to, bytes, "%.*s", (int)len, from);
}

static void set_accel(struct doctor_observation *seen, const char *value,
                      size_t len)
{
    /* "kvm:tcg": the first that works; we cannot tell which did. */
    copy(seen->accel, sizeof(seen->accel), value, len);
    snprintf(seen->accel_from, sizeof(seen->accel_from), "command line");
}

static void read_machine(struct doctor_observation *seen, const char *text)
{
    const char *value;
    size_t len;

    len = value_of(text, "accel", &value);
    if (len != 0)
        set_accel(seen, value, len);
    len = value_of(text, "gic-version", &value);
    if (len != 0) {
        snprintf(seen->gic, sizeof(seen->gic), "GICv%.*s", (int)len, value);
        snprintf(seen->gic_from, sizeof(seen->gic_from), "command line");
    }
    len = value_of(text, "kernel-irqchip", &value);
    if (len != 0) {
        size_t used = strlen(seen->gic);

        snprintf(seen->gic + used, sizeof(seen->gic) - used,
                 "%skernel-irqchip=%.*s", used != 0 ? ", " : "", (int)len,
                 value);
        snprintf(seen->gic_from, sizeof(seen->gic_from), "command line");
    }
}

static void read_smp(struct doctor_observation *seen, const char *text)
{
    const char *value;
    unsigned long cpus = strtoul(text, NULL, 10);

    if (value_of(text, "cpus", &value) != 0)
        cpus = strtoul(value, NULL, 10);
    if (cpus > 0 && cpus <= DOCTOR_THREADS_MAX)
        seen->cpus = (unsigned)cpus;
}

/* "unix:PATH,server=on,...": a socket that we could be told to use. */
static void read_qmp(struct doctor_observation *seen, const char *text)
{
    if (strncmp(text, "unix:", 5) == 0)
        copy(seen->qmp_hint, sizeof(seen->qmp_hint), text + 5,
             strcspn(text + 5, ","));
}

static const struct {
    const char *name;
    void (*read)(struct doctor_observation *seen, const char *value);
} options[] = {
    {"machine", read_machine}, {"M", read_machine},      {"smp", read_smp},
    {"qmp", read_qmp},         {"qmp-pretty", read_qmp},
};

static void read_option(struct doctor_observation *seen, const char *name,
                        const char *value)
{
    if (strcmp(name, "S") == 0)
        seen->held_at_start = true;
    else if (strcmp(name, "enable-kvm") == 0)
        set_accel(seen, "kvm", 3);
    else if (value != NULL && strcmp(name, "accel") == 0)
        set_accel(seen, value, strcspn(value, ","));
    for (size_t i = 0; value != NULL && i < sizeof(options) / sizeof(*options);
         i++)
        if (strcmp(name, options[i].name) == 0)
            options[i].read(seen, value);
}

static void defaults(struct doctor_observation *seen)
{
    seen->cpus = 1;
    snprintf(seen->accel, sizeof(seen->accel), "tcg");
    snprintf(seen->accel_from, sizeof(seen->accel_from), "QEMU's default");
    snprintf(seen->gic, sizeof(seen->gic), "the machine's default");
    snprintf(seen->gic_from, sizeof(seen->gic_from), "QEMU's default");
}

static void keep(struct doctor_observation *seen, const char *const *argv,
                 size_t argc)
{
    size_t used = 0;

    seen->command_line[0] = '\0';
    for (size_t i = 0; i < argc && used < sizeof(seen->command_line); i++)
        used += (size_t)snprintf(seen->command_line + used,
                                 sizeof(seen->command_line) - used, "%s%s",
                                 i != 0 ? " " : "", argv[i]);
}

void doctor_read_command_line(struct doctor_observation *seen,
                              const char *const *argv, size_t argc)
{
    keep(seen, argv, argc);
    if (seen->kind != DOCTOR_QEMU)
        return;
    defaults(seen);
    seen->gic[0] = '\0';
    for (size_t i = 1; i < argc; i++) {
        const char *name = argv[i];

        if (name[0] != '-')
            continue;
        name += name[1] == '-' ? 2 : 1;
        read_option(seen, name, i + 1 < argc ? argv[i + 1] : NULL);
    }
    if (seen->gic[0] == '\0')
        snprintf(seen->gic, sizeof(seen->gic), "the machine's default");
}
