/*
 * What is worth knowing whatever the verdict: the binary is not the one that
 * people think, or a variable does not reach whom it is meant for.
 */
#include "doctor.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

__attribute__((format(printf, 2, 3))) static void
note(struct doctor_verdict *verdict, const char *format, ...)
{
    va_list args;

    if (verdict->notes == DOCTOR_LINES_MAX)
        return;
    va_start(args, format);
    vsnprintf(verdict->note[verdict->notes++], sizeof(verdict->note[0]), format,
              args);
    va_end(args);
}

static void note_binary(const struct doctor_observation *seen,
                        struct doctor_verdict *verdict)
{
    if (seen->program_intact == DOCTOR_NO)
        note(verdict,
             "%s was deleted or replaced since this process started: what "
             "runs is the old one, until it is started anew.",
             seen->program);
    else if (seen->program_on_path == DOCTOR_NO && seen->on_path[0] != '\0')
        note(verdict, "What runs is %s; the shell would start %s.",
             seen->program, seen->on_path);
}

/* Read, and overruled: only Lull says what it made of its settings. */
static void note_overruled(const struct doctor_observation *seen,
                           const struct doctor_variable *variable,
                           struct doctor_verdict *verdict)
{
    if (seen->kind == DOCTOR_LULL && variable->process[0] != '\0' &&
        seen->policy_from[0] != '\0' &&
        strcmp(seen->policy_from, variable->name) != 0)
        note(verdict,
             "%s=%s is set in the process but not in force: the idle policy "
             "is %s, from %s.",
             variable->name, variable->process, seen->policy,
             seen->policy_from);
}

static void note_variable(const struct doctor_observation *seen,
                          const struct doctor_variable *variable,
                          struct doctor_verdict *verdict)
{
    if (variable->in_process && variable->read == DOCTOR_NO) {
        note(verdict,
             "%s=%s is set in the process and read by nobody: %s does not "
             "know the name.",
             variable->name, variable->process, seen->program);
        return;
    }
    if (variable->in_process) {
        note_overruled(seen, variable, verdict);
        if (variable->in_shell &&
            strcmp(variable->shell, variable->process) != 0)
            note(verdict, "%s is %s in this shell, but %s in the process.",
                 variable->name, variable->shell, variable->process);
        return;
    }
    if (variable->in_shell)
        note(verdict,
             "%s=%s is set in this shell but not in the process: it was "
             "started without it%s.",
             variable->name, variable->shell,
             variable->read == DOCTOR_NO ? " (and its binary does not know "
                                           "the name)"
                                         : "");
}

void doctor_note(const struct doctor_observation *seen,
                 struct doctor_verdict *verdict)
{
    note_binary(seen, verdict);
    for (unsigned i = 0; seen->environment_seen && i < DOCTOR_VARIABLES; i++)
        if (seen->variable[i].name != NULL)
            note_variable(seen, &seen->variable[i], verdict);
    if (!seen->environment_seen)
        note(verdict, "The process's environment may not be read by this "
                      "user.");
    if (seen->qmp_hint[0] != '\0' && !seen->qmp)
        note(verdict,
             "It has a QMP socket: --qmp %s shows more (one client at a "
             "time).",
             seen->qmp_hint);
    if (strcmp(seen->status, "stopped") == 0)
        note(verdict, "The process is stopped by a signal (SIGSTOP or a "
                      "debugger): SIGCONT lets it go on.");
    if (seen->threads_unseen != 0)
        note(verdict, "%zu more threads were not looked at.",
             seen->threads_unseen);
}
