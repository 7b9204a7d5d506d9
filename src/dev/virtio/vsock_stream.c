/*
 * A stream's host side: reads and writes that never block, the bytes that the
 * host does not take yet, credit in both directions, and which half of it has
 * ended.
 *
 * How a stream ends. The host's program stops sending: we read to the end and
 * tell the guest so. It goes away: the guest is told that nobody receives
 * either, and its bytes are thrown away. The guest stops sending: its bytes
 * are written out, then the host's program reads the end. The guest ends both:
 * it is done with us and hears so at once, and its bytes are still written
 * out.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vsock_stream.h"

/* ---- credit [5.10.6.3] --------------------------------------------------- */

uint32_t vsock_credit(const struct vsock_stream *s)
{
    uint32_t on_its_way = s->sent - s->guest_took;

    return on_its_way < s->guest_buffer ? s->guest_buffer - on_its_way : 0;
}

/* Half a buffer is worth a packet of its own; less rides along with others. */
static void took(struct vsock_stream *s, uint32_t bytes)
{
    s->took += bytes;
    if (s->took - s->told_took >= VSOCK_BUFFER_BYTES / 2)
        s->owes |= VSOCK_OWES_CREDIT;
}

/* ---- what waits ---------------------------------------------------------- */

static void drop_pending(struct vsock_stream *s)
{
    free(s->pending);
    s->pending = NULL;
    s->pending_head = s->pending_len = 0;
}

static bool keep(struct vsock_stream *s, const uint8_t *bytes, size_t len)
{
    uint32_t tail, first;

    if (len > VSOCK_BUFFER_BYTES - s->pending_len)
        return false;
    if (s->pending == NULL)
        s->pending = malloc(VSOCK_BUFFER_BYTES);
    if (s->pending == NULL)
        return false;
    tail = (s->pending_head + s->pending_len) % VSOCK_BUFFER_BYTES;
    first = VSOCK_BUFFER_BYTES - tail;
    if (first > len)
        first = (uint32_t)len;
    memcpy(s->pending + tail, bytes, first);
    memcpy(s->pending, bytes + first, len - first);
    s->pending_len += (uint32_t)len;
    return true;
}

/* All but the first `skip` bytes. */
static bool keep_rest(struct vsock_stream *s, const struct iovec *vector,
                      int count, size_t skip)
{
    for (int i = 0; i < count; i++) {
        const uint8_t *bytes = vector[i].iov_base;
        size_t cut = skip < vector[i].iov_len ? skip : vector[i].iov_len;

        if (cut < vector[i].iov_len &&
            !keep(s, bytes + cut, vector[i].iov_len - cut))
            return false;
        skip -= cut;
    }
    return true;
}

/* ---- to the host --------------------------------------------------------- */

/* Nobody receives: the guest hears so, and what it sent goes nowhere. */
static void lose_receiver(struct vsock_stream *s)
{
    took(s, s->pending_len);
    drop_pending(s);
    if (s->ended & VSOCK_NO_RECEIVE)
        return;
    s->ended |= VSOCK_NO_RECEIVE;
    s->owes |= VSOCK_OWES_SHUTDOWN;
}

/* How many went out; 0 also when nobody receives any more. */
static size_t write_out(struct vsock_stream *s, const struct iovec *vector,
                        int count)
{
    ssize_t written;

    do
        written = writev(s->fd, vector, count);
    while (written < 0 && errno == EINTR);
    if (written >= 0)
        return (size_t)written;
    if (errno != EAGAIN && errno != EWOULDBLOCK)
        lose_receiver(s);
    return 0;
}

bool vsock_stream_take(struct vsock_stream *s, const struct iovec *vector,
                       int count, uint32_t len)
{
    size_t written = 0;

    if (len > VSOCK_BUFFER_BYTES - s->pending_len)
        return false;
    if (s->pending_len == 0 && !(s->ended & VSOCK_NO_RECEIVE))
        written = write_out(s, vector, count);
    took(s, (uint32_t)written);
    if (s->ended & VSOCK_NO_RECEIVE) {
        took(s, len - (uint32_t)written);
        return true;
    }
    return keep_rest(s, vector, count, written);
}

/* Once all is out that the guest had to say. */
static void pass_end_on(struct vsock_stream *s)
{
    if (s->pending_len != 0 || s->fd < 0)
        return;
    if (s->state == VSOCK_LINGERING) {
        vsock_stream_close(s);
        s->state = VSOCK_GONE;
    } else if (s->guest_ended & VSOCK_NO_SEND && !s->write_shut) {
        s->write_shut = true;
        shutdown(s->fd, SHUT_WR);
    }
}

void vsock_stream_flush(struct vsock_stream *s)
{
    while (s->pending_len != 0) {
        uint32_t first = VSOCK_BUFFER_BYTES - s->pending_head;
        struct iovec vector[] = {
            {s->pending + s->pending_head,
             first < s->pending_len ? first : s->pending_len},
            {s->pending, first < s->pending_len ? s->pending_len - first : 0}};
        uint32_t written = (uint32_t)write_out(s, vector, 2);

        if (written == 0)
            break;
        took(s, written);
        s->pending_head = (s->pending_head + written) % VSOCK_BUFFER_BYTES;
        s->pending_len -= written;
    }
    if (s->pending_len == 0)
        drop_pending(s);
    pass_end_on(s);
}

/* ---- from the host ------------------------------------------------------- */

static void end_sending(struct vsock_stream *s)
{
    if (s->ended & VSOCK_NO_SEND)
        return;
    s->ended |= VSOCK_NO_SEND;
    s->owes |= VSOCK_OWES_SHUTDOWN;
}

uint32_t vsock_stream_read(struct vsock_stream *s, const struct iovec *vector,
                           int count)
{
    ssize_t got;

    do
        got = readv(s->fd, vector, count);
    while (got < 0 && errno == EINTR);
    if (got > 0) {
        s->sent += (uint32_t)got;
        return (uint32_t)got;
    }
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return 0;
    end_sending(s);
    if (got < 0)
        lose_receiver(s);
    return 0;
}

void vsock_stream_hangup(struct vsock_stream *s)
{
    end_sending(s);
    lose_receiver(s);
}

/* ---- the end ------------------------------------------------------------- */

void vsock_stream_shutdown(struct vsock_stream *s, uint32_t flags)
{
    s->guest_ended |= (uint8_t)(flags & VSOCK_NEITHER);
    if (s->guest_ended == VSOCK_NEITHER) {
        s->owes = VSOCK_OWES_RESET;
        return;
    }
    /* What is on its way to the guest is not wanted any more. */
    if (s->guest_ended & VSOCK_NO_RECEIVE)
        shutdown(s->fd, SHUT_RD);
    pass_end_on(s);
}

void vsock_stream_forgotten(struct vsock_stream *s)
{
    s->owes = 0;
    if (s->pending_len == 0) {
        vsock_stream_close(s);
        s->state = VSOCK_GONE;
        return;
    }
    s->state = VSOCK_LINGERING;
}

void vsock_stream_close(struct vsock_stream *s)
{
    lull_watch_free(s->watch);
    s->watch = NULL;
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
    drop_pending(s);
}

void vsock_stream_watch(struct vsock_stream *s)
{
    unsigned events = 0;

    if (s->watch == NULL)
        return;
    if (s->pending_len != 0)
        events |= LULL_LOOP_WRITE;
    if (s->state == VSOCK_UP && s->ended & VSOCK_NO_SEND &&
        !(s->ended & VSOCK_NO_RECEIVE))
        events |= LULL_LOOP_HANGUP;
    if (s->state == VSOCK_UP && !(s->ended & VSOCK_NO_SEND) &&
        !(s->guest_ended & VSOCK_NO_RECEIVE) && !s->starved &&
        vsock_credit(s) != 0)
        events |= LULL_LOOP_READ;
    lull_watch_set(s->watch, events);
}
