/*
 * What a QMP socket tells: version, status, which threads are vCPUs, and where
 * their guest is. The last by the monitor's own commands, the only ones that
 * show registers and memory: a register named PC, and the word before it. WFI
 * is one word, and a vCPU that has executed it stands behind it.
 */
#include "doctor.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../client.h"

#define WFI 0xd503207fu
/* Looks at each hot vCPU, this far apart, so that they see different moments;
 * and what counts as hot: percent of a core. */
enum { LOOKS = 20, LOOK_EVERY_MS = 15, LOOK_AT_PERCENT = 5 };

static void ask_version(struct doctor_observation *seen, json_t *answer)
{
    json_t *qemu = json_object_get(answer, "qemu");
    const char *package = json_string_value(json_object_get(answer, "package"));

    snprintf(seen->version, sizeof(seen->version),
             "%" JSON_INTEGER_FORMAT ".%" JSON_INTEGER_FORMAT
             ".%" JSON_INTEGER_FORMAT "%s%.60s%s",
             json_integer_value(json_object_get(qemu, "major")),
             json_integer_value(json_object_get(qemu, "minor")),
             json_integer_value(json_object_get(qemu, "micro")),
             package != NULL && package[0] != '\0' ? " (" : "",
             package != NULL ? package : "",
             package != NULL && package[0] != '\0' ? ")" : "");
    snprintf(seen->version_from, sizeof(seen->version_from), "QMP");
}

/* The effective interrupt controller; a machine that has no such property
 * answers with an error, which is no harm. */
static void ask_gic(struct client *client, struct doctor_observation *seen)
{
    char err[DOCTOR_TEXT_BYTES];
    json_t *answer = client_ask_with(
        client, "qom-get",
        json_pack("{s:s,s:s}", "path", "/machine", "property", "gic-version"),
        err, sizeof(err));
    const char *version = json_string_value(answer);

    if (version != NULL) {
        snprintf(seen->gic, sizeof(seen->gic), "GICv%s", version);
        snprintf(seen->gic_from, sizeof(seen->gic_from), "QMP");
    }
    json_decref(answer);
}

static void ask_kvm(struct client *client, struct doctor_observation *seen)
{
    char err[DOCTOR_TEXT_BYTES];
    json_t *answer = client_ask(client, "query-kvm", err, sizeof(err));

    if (json_is_true(json_object_get(answer, "enabled"))) {
        snprintf(seen->accel, sizeof(seen->accel), "kvm");
        snprintf(seen->accel_from, sizeof(seen->accel_from), "QMP");
    }
    json_decref(answer);
}

bool doctor_ask(struct client *client, struct doctor_observation *seen,
                char *err, size_t err_bytes)
{
    json_t *answer = client_ask(client, "query-version", err, err_bytes);
    const char *status;

    if (answer == NULL)
        return false;
    ask_version(seen, answer);
    json_decref(answer);
    answer = client_ask(client, "query-status", err, err_bytes);
    if (answer == NULL)
        return false;
    status = json_string_value(json_object_get(answer, "status"));
    snprintf(seen->status, sizeof(seen->status), "%s",
             status == NULL ? "" : status);
    seen->held_at_start |= strcmp(seen->status, "prelaunch") == 0;
    json_decref(answer);
    ask_gic(client, seen);
    ask_kvm(client, seen);
    seen->qmp = true;
    return true;
}

/* ---- where the guest is
 * ------------------------------------------------------
 */

/* A monitor command on a vCPU; the text is the caller's to free. */
static char *monitor(struct client *client, unsigned vcpu, const char *command)
{
    char err[DOCTOR_TEXT_BYTES], *text;
    json_t *answer = client_ask_with(
        client, "human-monitor-command",
        json_pack("{s:s,s:i}", "command-line", command, "cpu-index", (int)vcpu),
        err, sizeof(err));
    const char *said = json_string_value(answer);

    text = said == NULL ? NULL : strdup(said);
    json_decref(answer);
    return text;
}

static bool register_named(const char *text, const char *name, uint64_t *value)
{
    const char *at = strstr(text, name);
    char *end;

    if (at == NULL)
        return false;
    at += strlen(name);
    *value = strtoull(at, &end, 16);
    return end != at;
}

/* Off since reset: nothing has ever been loaded. */
static bool is_at_reset(const char *registers, uint64_t pc)
{
    uint64_t sp = 1, link = 1;

    return pc == 0 && register_named(registers, "X30=", &link) && link == 0 &&
           register_named(registers, "SP=", &sp) && sp == 0;
}

static bool word_at(struct client *client, unsigned vcpu, uint64_t address,
                    uint32_t *word)
{
    char command[48], *text;
    const char *at;

    snprintf(command, sizeof(command), "x/1xw 0x%" PRIx64, address);
    text = monitor(client, vcpu, command);
    at = text == NULL ? NULL : strstr(text, ": 0x");
    if (at != NULL)
        *word = (uint32_t)strtoul(at + 2, NULL, 16);
    free(text);
    return at != NULL;
}

static void look(struct client *client, struct doctor_thread *thread)
{
    char *registers = monitor(client, thread->vcpu, "info registers");
    uint32_t word = 0;
    uint64_t pc;

    if (registers != NULL && register_named(registers, "PC=", &pc)) {
        thread->pc_samples++;
        thread->pc = pc;
        thread->at_reset = is_at_reset(registers, pc);
        if ((pc >= 4 && word_at(client, thread->vcpu, pc - 4, &word) &&
             word == WFI) ||
            (word_at(client, thread->vcpu, pc, &word) && word == WFI))
            thread->pc_at_wfi++;
    }
    free(registers);
}

static void pause_ms(long ms)
{
    struct timespec left = {.tv_nsec = ms * 1000000};

    nanosleep(&left, NULL);
}

static void look_at_vcpus(struct client *client,
                          struct doctor_observation *seen)
{
    for (unsigned round = 0; round < LOOKS; round++) {
        for (size_t i = 0; i < seen->thread_count; i++) {
            struct doctor_thread *thread = &seen->thread[i];

            if (thread->role != DOCTOR_VCPU)
                continue;
            if (round == 0 ||
                doctor_load_percent(seen, thread) >= LOOK_AT_PERCENT)
                look(client, thread);
        }
        pause_ms(LOOK_EVERY_MS);
    }
}

static void mark_vcpu(struct doctor_observation *seen, int64_t id,
                      unsigned vcpu)
{
    for (size_t i = 0; i < seen->thread_count; i++) {
        struct doctor_thread *thread = &seen->thread[i];

        if (thread->id != id)
            continue;
        thread->role = DOCTOR_VCPU;
        thread->vcpu = vcpu;
        thread->told_by = "QMP";
    }
}

bool doctor_ask_vcpus(struct client *client, struct doctor_observation *seen,
                      char *err, size_t err_bytes)
{
    json_t *list = client_ask(client, "query-cpus-fast", err, err_bytes), *cpu;
    size_t i;

    if (list == NULL)
        return false;
    for (i = 0; i < seen->thread_count; i++)
        if (seen->thread[i].role == DOCTOR_VCPU)
            seen->thread[i].role = DOCTOR_OTHER;
    json_array_foreach(list, i, cpu) mark_vcpu(
        seen, json_integer_value(json_object_get(cpu, "thread-id")),
        (unsigned)json_integer_value(json_object_get(cpu, "cpu-index")));
    json_decref(list);
    look_at_vcpus(client, seen);
    return true;
}
