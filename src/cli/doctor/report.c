/*
 * The report, for people and as JSON.
 */
#include "doctor.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

static const char *answer(enum doctor_answer value, const char *yes,
                          const char *no)
{
    return value == DOCTOR_YES ? yes : value == DOCTOR_NO ? no : "not known";
}

static const char *or_unknown(const char *text)
{
    return text[0] != '\0' ? text : "not known";
}

static void print_fact(const char *what, const char *value, const char *from)
{
    printf("  %-12s %s", what, or_unknown(value));
    if (value[0] != '\0' && from[0] != '\0')
        printf(" (%s)", from);
    putchar('\n');
}

static void print_variable(const struct doctor_variable *variable)
{
    if (!variable->in_process && !variable->in_shell)
        return;
    printf("  %-12s %s%s in the process, %s%s in this shell; the binary %s\n",
           variable->name, variable->in_process ? "=" : "not set",
           variable->process, variable->in_shell ? "=" : "not set",
           variable->shell,
           answer(variable->read, "knows it", "does not know it"));
}

static void print_process(const struct doctor_observation *seen)
{
    printf("process %" PRId64 "%s%s\n", seen->pid,
           seen->name[0] != '\0' ? ", VM " : "", seen->name);
    print_fact("program", seen->program,
               answer(seen->program_intact, "as on disk",
                      "deleted or replaced since"));
    if (seen->program_on_path == DOCTOR_YES)
        print_fact("on PATH", "the same", "");
    else
        print_fact("on PATH", seen->on_path[0] != '\0' ? seen->on_path : "none",
                   "");
    print_fact("version", seen->version, seen->version_from);
    if (seen->accel[0] != '\0')
        print_fact("accelerator", seen->accel, seen->accel_from);
    if (seen->gic[0] != '\0')
        print_fact("interrupts", seen->gic, seen->gic_from);
    if (seen->policy[0] != '\0')
        print_fact("idle policy", seen->policy, seen->policy_from);
    if (seen->status[0] != '\0')
        print_fact("status", seen->status, "");
    for (unsigned i = 0; seen->environment_seen && i < DOCTOR_VARIABLES; i++)
        if (seen->variable[i].name != NULL)
            print_variable(&seen->variable[i]);
}

static const char *role_of(const struct doctor_thread *thread, char *out,
                           size_t bytes)
{
    if (thread->role == DOCTOR_VCPU)
        snprintf(out, bytes, "vCPU %u, by %s", thread->vcpu, thread->told_by);
    else
        snprintf(out, bytes, "%s", thread->role == DOCTOR_MAIN ? "main" : "-");
    return out;
}

static void print_threads(const struct doctor_observation *seen)
{
    char role[64];

    printf("\nin %.1f s:\n%10s %-16s %8s %8s %10s %12s  %s\n", seen->seconds,
           "THREAD", "NAME", "CPU %", "LOAD %", "WAKE/S", "WAKE/CPU-S", "IS");
    for (size_t i = 0; i < seen->thread_count; i++) {
        const struct doctor_thread *thread = &seen->thread[i];
        double run = (double)thread->run_ns / 1e9;

        printf("%10" PRId64 " %-16s %8.2f %8.2f %10.1f %12.0f  %s\n",
               thread->id, thread->name, 100 * run / seen->seconds,
               doctor_load_percent(seen, thread),
               (double)thread->wakes / seen->seconds,
               run > 0 ? (double)thread->wakes / run : 0,
               role_of(thread, role, sizeof(role)));
    }
}

void doctor_print(const struct doctor_observation *seen,
                  const struct doctor_verdict *verdict)
{
    print_process(seen);
    print_threads(seen);
    printf("\n%s: %s\n", doctor_finding_name(verdict->finding),
           doctor_finding_title(verdict->finding));
    for (unsigned i = 0; i < verdict->evidence_lines; i++)
        printf("  - %s\n", verdict->evidence[i]);
    if (verdict->remedy[0] != '\0')
        printf("  What to do: %s\n", verdict->remedy);
    for (unsigned i = 0; i < verdict->notes; i++)
        printf("%s  Note: %s\n", i == 0 ? "\n" : "", verdict->note[i]);
}

/* ---- JSON
 * --------------------------------------------------------------------
 */

static json_t *text(const char *value)
{
    json_t *string = value[0] == '\0' ? NULL : json_string(value);

    /* Not UTF-8: a path may be anything. */
    return string == NULL ? json_null() : string;
}

static json_t *answer_json(enum doctor_answer value)
{
    return value == DOCTOR_UNKNOWN ? json_null()
                                   : json_boolean(value == DOCTOR_YES);
}

static json_t *fact_json(const char *value, const char *from)
{
    return json_pack("{s:o,s:o}", "value", text(value), "source", text(from));
}

static json_t *thread_json(const struct doctor_observation *seen,
                           const struct doctor_thread *thread)
{
    static const char *const roles[] = {[DOCTOR_OTHER] = "other",
                                        [DOCTOR_MAIN] = "main",
                                        [DOCTOR_VCPU] = "vcpu"};
    json_t *json =
        json_pack("{s:I,s:o,s:s,s:f,s:f,s:f,s:I}", "id", (json_int_t)thread->id,
                  "name", text(thread->name), "role", roles[thread->role],
                  "cpu_percent", (double)thread->run_ns / 1e7 / seen->seconds,
                  "load_percent", doctor_load_percent(seen, thread),
                  "wakeups_per_s", (double)thread->wakes / seen->seconds,
                  "life_cpu_ns", (json_int_t)thread->life_ns);

    if (thread->role == DOCTOR_VCPU) {
        json_object_set_new(json, "vcpu",
                            json_integer((json_int_t)thread->vcpu));
        json_object_set_new(json, "told_by", json_string(thread->told_by));
    }
    if (thread->waits_seen) {
        json_object_set_new(json, "asleep_looks", json_integer(thread->asleep));
        json_object_set_new(json, "near_timeout_looks",
                            json_integer(thread->near_timeout));
    }
    if (thread->pc_samples > 0) {
        json_object_set_new(json, "pc_samples",
                            json_integer(thread->pc_samples));
        json_object_set_new(json, "pc_at_wfi", json_integer(thread->pc_at_wfi));
    }
    return json;
}

static json_t *variables_json(const struct doctor_observation *seen)
{
    json_t *all = json_object();

    for (unsigned i = 0; seen->environment_seen && i < DOCTOR_VARIABLES; i++) {
        const struct doctor_variable *variable = &seen->variable[i];

        if (variable->name == NULL)
            continue;
        json_object_set_new(
            all, variable->name,
            json_pack("{s:o,s:o,s:o}", "process",
                      variable->in_process ? json_string(variable->process)
                                           : json_null(),
                      "shell",
                      variable->in_shell ? json_string(variable->shell)
                                         : json_null(),
                      "known_to_binary", answer_json(variable->read)));
    }
    return all;
}

static json_t *process_json(const struct doctor_observation *seen)
{
    return json_pack(
        "{s:I,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o}", "pid",
        (json_int_t)seen->pid, "vm", text(seen->name), "program",
        text(seen->program), "program_intact",
        answer_json(seen->program_intact), "program_is_on_path",
        answer_json(seen->program_on_path), "on_path", text(seen->on_path),
        "version", fact_json(seen->version, seen->version_from), "accelerator",
        fact_json(seen->accel, seen->accel_from), "interrupt_controller",
        fact_json(seen->gic, seen->gic_from), "idle_policy",
        fact_json(seen->policy, seen->policy_from), "status",
        text(seen->status), "command_line", text(seen->command_line),
        "environment",
        seen->environment_seen ? variables_json(seen) : json_null());
}

static json_t *verdict_json(const struct doctor_verdict *verdict)
{
    json_t *evidence = json_array(), *notes = json_array();

    for (unsigned i = 0; i < verdict->evidence_lines; i++)
        json_array_append_new(evidence, text(verdict->evidence[i]));
    for (unsigned i = 0; i < verdict->notes; i++)
        json_array_append_new(notes, text(verdict->note[i]));
    return json_pack(
        "{s:s,s:i,s:s,s:o,s:o,s:o,s:o}", "name",
        doctor_finding_name(verdict->finding), "exit_code",
        doctor_finding_code(verdict->finding), "title",
        doctor_finding_title(verdict->finding), "thread",
        verdict->thread == 0 ? json_null()
                             : json_integer((json_int_t)verdict->thread),
        "evidence", evidence, "remedy", text(verdict->remedy), "notes", notes);
}

json_t *doctor_json(const struct doctor_observation *seen,
                    const struct doctor_verdict *verdict)
{
    json_t *threads = json_array();

    for (size_t i = 0; i < seen->thread_count; i++)
        json_array_append_new(threads, thread_json(seen, &seen->thread[i]));
    return json_pack("{s:o,s:f,s:o,s:o}", "process", process_json(seen),
                     "seconds", seen->seconds, "threads", threads, "verdict",
                     verdict_json(verdict));
}
