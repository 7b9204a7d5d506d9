/*
 * The I/O thread's event loop: devices' host sides wait here, so that no vCPU
 * thread ever blocks on a host file.
 *
 * One thread runs the loop (lull_loop_run). Watches are added, changed and
 * removed from any thread; callbacks run on the loop's thread. An idle loop
 * sleeps without a timeout: it never wakes unless a descriptor or a post asks.
 */
#ifndef LULL_LOOP_H
#define LULL_LOOP_H

#include <stdbool.h>
#include <stdint.h>

struct lull_loop;
struct lull_watch;
struct lull_timer;

enum { LULL_LOOP_READ = 1, LULL_LOOP_WRITE = 2, LULL_LOOP_HANGUP = 4 };

/* NULL and errno set when the host has no descriptors or memory left. */
struct lull_loop *lull_loop_new(void);
void lull_loop_free(struct lull_loop *loop);

/* Run until lull_loop_quit; both may be called before the other. */
void lull_loop_run(struct lull_loop *loop);
void lull_loop_quit(struct lull_loop *loop);

/*
 * Call `ready(opaque, events)` on the loop's thread while fd is ready for one
 * of `events` (level-triggered; 0 events keeps the watch, asleep). The
 * descriptor stays the caller's. NULL and errno set on failure.
 */
struct lull_watch *lull_loop_watch(struct lull_loop *loop, int fd,
                                   unsigned events,
                                   void (*ready)(void *opaque, unsigned events),
                                   void *opaque);
void lull_watch_set(struct lull_watch *watch, unsigned events);
/* After it returns on the loop's thread, or after lull_loop_run returned, the
 * callback is not called again. */
void lull_watch_free(struct lull_watch *watch);

/*
 * A one-shot timer: `expired(opaque)` on the loop's thread, delay_ns after the
 * last lull_timer_set, which any thread may call and which wakes nobody; 0
 * disarms. An unarmed timer costs nothing. lull_timer_free obeys the rule of
 * lull_watch_free.
 */
struct lull_timer *lull_timer_new(struct lull_loop *loop,
                                  void (*expired)(void *opaque), void *opaque);
void lull_timer_set(struct lull_timer *timer, uint64_t delay_ns);
void lull_timer_free(struct lull_timer *timer);

/* Call `work(opaque)` once, soon, on the loop's thread. False: no memory. */
bool lull_loop_post(struct lull_loop *loop, void (*work)(void *opaque),
                    void *opaque);

#endif
