/*
 * QMP commands, one function each, found by table.
 *
 * A command returns what goes under "return"; one that cannot be done fills
 * in the error instead. Arguments that a command does not have are refused,
 * so that a misspelt one is not silently nothing.
 */
#include "qmp.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "control_server.h"
#include "machine.h"
#include "recording.h"
#include "slots.h"
#include "snapshot.h"

struct refusal {
    const char *class;
    char text[256];
    struct qmp_session *session; /* whose command it is */
};

static json_t *version(void)
{
    int major = 0, minor = 0, micro = 0;

    sscanf(LULL_VERSION, "%d.%d.%d", &major, &minor, &micro);
    /* The key is the protocol's; clients look for it. */
    return json_pack("{s:{s:i,s:i,s:i},s:s}", "qemu", "major", major, "minor",
                     minor, "micro", micro, "package", "lull " LULL_VERSION);
}

json_t *qmp_greeting(void)
{
    return json_pack("{s:{s:o,s:[]}}", "QMP", "version", version(),
                     "capabilities");
}

json_t *qmp_event(const char *event, json_t *data)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return json_pack("{s:{s:I,s:I},s:s,s:O*}", "timestamp", "seconds",
                     (json_int_t)now.tv_sec, "microseconds",
                     (json_int_t)(now.tv_nsec / 1000), "event", event, "data",
                     data);
}

json_t *qmp_error(const json_t *id, const char *class, const char *format, ...)
{
    char text[256];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return json_pack("{s:{s:s,s:s},s:O*}", "error", "class", class, "desc",
                     text, "id", (json_t *)id);
}

/* ---- the commands
 * -------------------------------------------------------------- */

static json_t *nothing(void)
{
    return json_object();
}

static json_t *do_capabilities(struct lull_vm *vm, const json_t *arguments,
                               struct refusal *refusal)
{
    return nothing();
}

static json_t *do_query_status(struct lull_vm *vm, const json_t *arguments,
                               struct refusal *refusal)
{
    bool panicked = atomic_load(&vm->panicked);
    const char *status = vm->paused ? "paused"
                         : panicked ? "guest-panicked"
                                    : "running";

    return json_pack("{s:s,s:b,s:b}", "status", status, "running", !vm->paused,
                     "singlestep", 0);
}

static json_t *do_query_version(struct lull_vm *vm, const json_t *arguments,
                                struct refusal *refusal)
{
    return version();
}

static json_t *do_query_name(struct lull_vm *vm, const json_t *arguments,
                             struct refusal *refusal)
{
    return json_pack("{s:s}", "name", vm->config.name);
}

static json_t *do_query_cpus(struct lull_vm *vm, const json_t *arguments,
                             struct refusal *refusal)
{
    json_t *list = json_array();
    unsigned i;

    for (i = 0; i < vm->config.cpus; i++) {
        char path[32];

        snprintf(path, sizeof(path), "/machine/cpu[%u]", i);
        json_array_append_new(
            list, json_pack("{s:i,s:s,s:I,s:s,s:{s:i}}", "cpu-index", (int)i,
                            "qom-path", path, "thread-id",
                            (json_int_t)atomic_load(&vm->vcpu[i].thread_id),
                            "target", "aarch64", "props", "core-id", (int)i));
    }
    return list;
}

static json_t *do_stop(struct lull_vm *vm, const json_t *arguments,
                       struct refusal *refusal)
{
    snapshot_save_paused(vm);
    vm_pause(vm);
    return nothing();
}

/* The guest must stay as it is while it is saved. */
static bool busy_saving(const struct lull_vm *vm, struct refusal *refusal)
{
    if (vm->save == NULL)
        return false;
    refusal->class = "GenericError";
    snprintf(refusal->text, sizeof(refusal->text),
             "the VM is being saved; try again when that is over");
    return true;
}

static json_t *do_cont(struct lull_vm *vm, const json_t *arguments,
                       struct refusal *refusal)
{
    if (busy_saving(vm, refusal))
        return NULL;
    vm_resume(vm);
    return nothing();
}

static json_t *do_powerdown(struct lull_vm *vm, const json_t *arguments,
                            struct refusal *refusal)
{
    if (vm_power_key(vm))
        return nothing();
    refusal->class = "GenericError";
    snprintf(refusal->text, sizeof(refusal->text),
             "the guest does not listen to its power key; power off from "
             "within the guest, or use quit");
    return NULL;
}

static json_t *do_reset(struct lull_vm *vm, const json_t *arguments,
                        struct refusal *refusal)
{
    if (busy_saving(vm, refusal))
        return NULL;
    vm_reset(vm, false);
    return nothing();
}

static json_t *do_quit(struct lull_vm *vm, const json_t *arguments,
                       struct refusal *refusal)
{
    vm_end(vm, LULL_END_QUIT, "%s", "");
    return nothing();
}

static json_t *do_stats(struct lull_vm *vm, const json_t *arguments,
                        struct refusal *refusal)
{
    return stats_json(vm);
}

/* {"policy": TEXT}: from now on. Answers what it understood. */
static json_t *do_idle(struct lull_vm *vm, const json_t *arguments,
                       struct refusal *refusal)
{
    const char *text = json_string_value(json_object_get(arguments, "policy"));
    struct idle_policy policy;
    char canonical[64];

    refusal->class = "GenericError";
    if (text == NULL) {
        snprintf(refusal->text, sizeof(refusal->text),
                 "Parameter 'policy' is missing, or no string");
        return NULL;
    }
    if (!idle_policy_parse(text, &policy, refusal->text, sizeof(refusal->text)))
        return NULL;
    policy_set(vm, &policy);
    idle_policy_format(&policy, canonical, sizeof(canonical));
    return json_pack("{s:s}", "policy", canonical);
}

/* {"action": "start" | "stop" | "status"}. A start's answer has the memory of
 * the rings with it; see docs/trace.md. */
static json_t *do_trace(struct lull_vm *vm, const json_t *arguments,
                        struct refusal *refusal)
{
    const char *action =
        json_string_value(json_object_get(arguments, "action"));
    struct qmp_session *session = refusal->session;
    struct why why = {"Parameter 'action' is start, stop or status"};
    json_t *result = NULL;

    if (action != NULL && strcmp(action, "start") == 0 && session->pass_fd < 0)
        result = recording_start(vm, session, &session->pass_fd, &why);
    else if (action != NULL && strcmp(action, "stop") == 0)
        result = recording_stop(vm, session, &why);
    else if (action != NULL && strcmp(action, "status") == 0)
        result = recording_status(vm);
    refusal->class = "GenericError";
    snprintf(refusal->text, sizeof(refusal->text), "%.255s", why.text);
    return result;
}

/* {"action": "start" | "step" | "end"}, the first with a descriptor to write
 * to; see snapshot.h. */
static json_t *do_save(struct lull_vm *vm, const json_t *arguments,
                       struct refusal *refusal)
{
    const char *action =
        json_string_value(json_object_get(arguments, "action"));
    struct qmp_session *session = refusal->session;
    struct why why = {"Parameter 'action' is start, step or end"};
    json_t *result = NULL;

    if (action != NULL && strcmp(action, "start") == 0) {
        if (session->given_fd < 0)
            because(&why, "a descriptor to write to must come with \"start\"");
        else
            result = snapshot_save_start(vm, session, session->given_fd, &why);
        session->given_fd = -1;
    } else if (action != NULL && strcmp(action, "step") == 0) {
        result = snapshot_save_step(vm, session, &why);
    } else if (action != NULL && strcmp(action, "end") == 0) {
        result = snapshot_save_end(vm, session, &why);
    }
    refusal->class = "GenericError";
    snprintf(refusal->text, sizeof(refusal->text), "%.255s", why.text);
    return result;
}

/* {"value": BYTES}: how much memory the guest is to have. */
static json_t *do_balloon(struct lull_vm *vm, const json_t *arguments,
                          struct refusal *refusal)
{
    const json_t *value = json_object_get(arguments, "value");
    json_int_t bytes = json_integer_value(value);

    refusal->class = "GenericError";
    if (!json_is_integer(value) || bytes < 0 ||
        (uint64_t)bytes > vm->config.memory_bytes) {
        snprintf(refusal->text, sizeof(refusal->text),
                 "Parameter 'value' must be a number of bytes, at most the "
                 "machine's %llu",
                 (unsigned long long)vm->config.memory_bytes);
        return NULL;
    }
    if (!lull_virtio_balloon_stats(slots_balloon(vm->slots)).driver) {
        refusal->class = "DeviceNotActive";
        snprintf(refusal->text, sizeof(refusal->text),
                 "the guest has no driver for the balloon; in Linux, `modprobe "
                 "virtio_balloon`");
        return NULL;
    }
    lull_virtio_balloon_set(slots_balloon(vm->slots),
                            vm->config.memory_bytes - (uint64_t)bytes);
    return nothing();
}

static json_t *do_query_balloon(struct lull_vm *vm, const json_t *arguments,
                                struct refusal *refusal)
{
    struct lull_balloon_stats stats =
        lull_virtio_balloon_stats(slots_balloon(vm->slots));

    return json_pack(
        "{s:I}", "actual",
        (json_int_t)(vm->config.memory_bytes - stats.actual_bytes));
}

static json_t *do_query_commands(struct lull_vm *vm, const json_t *arguments,
                                 struct refusal *refusal);

/* From `lull console`: the terminal that shows the virtio console. */
static json_t *do_console_size(struct lull_vm *vm, const json_t *arguments,
                               struct refusal *refusal)
{
    const char *size = json_string_value(json_object_get(arguments, "size"));
    unsigned columns, rows;
    int end = 0;

    refusal->class = "GenericError";
    if (size == NULL || sscanf(size, "%5ux%5u%n", &columns, &rows, &end) != 2 ||
        size[end] != '\0' || columns > UINT16_MAX || rows > UINT16_MAX)
        snprintf(refusal->text, sizeof(refusal->text),
                 "Parameter 'size' must be columns and rows, as 80x24");
    else if (!slots_resize(vm->slots, (uint16_t)columns, (uint16_t)rows))
        snprintf(refusal->text, sizeof(refusal->text),
                 "the machine has no --virtio-console");
    else
        return nothing();
    return NULL;
}

static const struct command {
    const char *name;
    json_t *(*run)(struct lull_vm *vm, const json_t *arguments,
                   struct refusal *refusal);
    const char *argument; /* the one it has, or NULL */
} commands[] = {
    {"qmp_capabilities", do_capabilities, "enable"},
    {"query-status", do_query_status, NULL},
    {"query-version", do_query_version, NULL},
    {"query-commands", do_query_commands, NULL},
    {"query-name", do_query_name, NULL},
    {"query-cpus-fast", do_query_cpus, NULL},
    {"stop", do_stop, NULL},
    {"cont", do_cont, NULL},
    {"system_powerdown", do_powerdown, NULL},
    {"system_reset", do_reset, NULL},
    {"quit", do_quit, NULL},
    {"balloon", do_balloon, "value"},
    {"query-balloon", do_query_balloon, NULL},
    {"x-lull-stats", do_stats, NULL},
    {"x-lull-idle", do_idle, "policy"},
    {"x-lull-trace", do_trace, "action"},
    {"x-lull-save", do_save, "action"},
    {"x-lull-console-size", do_console_size, "size"},
};

enum { COMMANDS = sizeof(commands) / sizeof(commands[0]) };

static json_t *do_query_commands(struct lull_vm *vm, const json_t *arguments,
                                 struct refusal *refusal)
{
    json_t *list = json_array();
    size_t i;

    for (i = 0; i < COMMANDS; i++)
        json_array_append_new(list,
                              json_pack("{s:s}", "name", commands[i].name));
    return list;
}

/* ---- messages
 * ------------------------------------------------------------------ */

static const struct command *command_named(const char *name)
{
    size_t i;

    for (i = 0; i < COMMANDS; i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

static json_t *run(struct lull_vm *vm, struct qmp_session *session,
                   const struct command *command, const json_t *arguments,
                   const json_t *id)
{
    struct refusal refusal = {.session = session};
    json_t *result = command->run(vm, arguments, &refusal);

    if (result == NULL)
        return qmp_error(id, refusal.class, "%s", refusal.text);
    return json_pack("{s:o,s:O*}", "return", result, "id", (json_t *)id);
}

/* qmp_capabilities may list those it enables; we offer none. */
static const char *unknown_argument(const struct command *command,
                                    const json_t *arguments)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)arguments, key, value)
    {
        if (command->argument == NULL || strcmp(key, command->argument) != 0)
            return key;
    }
    return NULL;
}

json_t *qmp_answer(struct lull_vm *vm, struct qmp_session *session,
                   const json_t *message)
{
    const json_t *id = json_object_get(message, "id");
    const json_t *arguments = json_object_get(message, "arguments");
    const char *name = json_string_value(json_object_get(message, "execute"));
    const struct command *command;
    const char *unknown;

    if (name == NULL)
        return qmp_error(id, "GenericError",
                         "a command is an object with a string \"execute\"");
    command = command_named(name);
    if (!session->negotiated &&
        (command == NULL || command->run != do_capabilities))
        return qmp_error(id, "CommandNotFound",
                         "Expecting capabilities negotiation with "
                         "'qmp_capabilities'");
    if (command == NULL)
        return qmp_error(id, "CommandNotFound",
                         "The command %.100s has not been found", name);
    if (arguments != NULL && !json_is_object(arguments))
        return qmp_error(id, "GenericError", "\"arguments\" must be an object");
    unknown = unknown_argument(command, arguments);
    if (unknown != NULL)
        return qmp_error(id, "GenericError", "Parameter '%.100s' is unexpected",
                         unknown);
    session->negotiated = true;
    return run(vm, session, command, arguments, id);
}
