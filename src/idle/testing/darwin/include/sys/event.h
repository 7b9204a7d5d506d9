/*
 * Tests only: the part of macOS's <sys/event.h> that park_darwin.c uses, for
 * kevent.c beside it to imitate. Names and values are that system's.
 */
#ifndef TESTING_SYS_EVENT_H
#define TESTING_SYS_EVENT_H

#include <stdint.h>
#include <time.h>

#define EVFILT_TIMER (-7)
#define EVFILT_USER (-10)

#define EV_ADD 0x0001
#define EV_ONESHOT 0x0010
#define EV_CLEAR 0x0020
#define EV_ERROR 0x4000

#define NOTE_TRIGGER 0x01000000

#define NOTE_ABSOLUTE 0x00000008
#define NOTE_LEEWAY 0x00000010
#define NOTE_CRITICAL 0x00000020
#define NOTE_MACHTIME 0x00000100

struct kevent64_s {
    uint64_t ident;
    int16_t filter;
    uint16_t flags;
    uint32_t fflags;
    int64_t data;
    uint64_t udata;
    uint64_t ext[2];
};

#define EV_SET64(event, id, filt, fl, ffl, dat, ud, ext0, ext1)                \
    (*(event) = (struct kevent64_s){                                           \
         (id), (filt), (fl), (ffl), (dat), (ud), {(ext0), (ext1)}})

int kqueue(void);
int kevent64(int kq, const struct kevent64_s *changes, int n_changes,
             struct kevent64_s *events, int n_events, unsigned int flags,
             const struct timespec *timeout);

#endif
