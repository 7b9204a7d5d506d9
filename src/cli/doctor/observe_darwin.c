/*
 * macOS: not written yet. Threads' names and CPU times are to be had from
 * proc_pidinfo, but not their voluntary context switches, on which the rules
 * stand; so nothing is claimed here, and the command says so.
 */
#include "doctor.h"

#include <stdio.h>

struct doctor_watch *doctor_watch_new(struct doctor_observation *seen,
                                      int64_t pid, char *err, size_t err_bytes)
{
    snprintf(err, err_bytes,
             "not available on this host: macOS does not count a thread's "
             "wake-ups, which the verdicts need; `lull stat` works here");
    return NULL;
}

bool doctor_watch_finish(struct doctor_watch *watch,
                         struct doctor_observation *seen, double seconds,
                         char *err, size_t err_bytes)
{
    return false;
}

void doctor_watch_free(struct doctor_watch *watch)
{
}
