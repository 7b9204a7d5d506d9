/*
 * The state of a part of the machine as bytes: the part lists its fields once,
 * and the same list saves and restores them.
 *
 * Bytes to restore from are nobody's promise. What runs past their end, or is
 * not what a check asks for, sets `bad`, and fields from there on are 0; the
 * caller looks once, at the end.
 */
#ifndef LULL_STATE_H
#define LULL_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct lull_state {
    bool loading;
    bool bad;       /* loading: see above; saving: no memory */
    uint8_t *bytes; /* saving: from malloc, the caller's to free */
    size_t len;
    size_t room; /* saving */
    size_t at;   /* loading: what has been read */
};

static inline bool lull_state_grow(struct lull_state *s, size_t more)
{
    size_t room = s->room == 0 ? 256 : s->room;
    uint8_t *bytes;

    while (room - s->len < more)
        room *= 2;
    if (room == s->room)
        return true;
    bytes = (uint8_t *)realloc(s->bytes, room);
    if (bytes == NULL)
        return false;
    s->bytes = bytes;
    s->room = room;
    return true;
}

/* Bytes as they are. */
static inline void lull_state_raw(struct lull_state *s, void *field, size_t len)
{
    if (!s->loading) {
        s->bad = s->bad || !lull_state_grow(s, len);
        if (!s->bad) {
            memcpy(s->bytes + s->len, field, len);
            s->len += len;
        }
        return;
    }
    s->bad = s->bad || len > s->len - s->at;
    if (s->bad) {
        memset(field, 0, len);
        return;
    }
    memcpy(field, s->bytes + s->at, len);
    s->at += len;
}

/* What must hold of what was read. */
static inline void lull_state_check(struct lull_state *s, bool holds)
{
    if (s->loading && !holds)
        s->bad = true;
}

/* Little-endian, as the hosts are: bytes.h. */
static inline void lull_state_u8(struct lull_state *s, uint8_t *field)
{
    lull_state_raw(s, field, sizeof(*field));
}

static inline void lull_state_u16(struct lull_state *s, uint16_t *field)
{
    lull_state_raw(s, field, sizeof(*field));
}

static inline void lull_state_u32(struct lull_state *s, uint32_t *field)
{
    lull_state_raw(s, field, sizeof(*field));
}

static inline void lull_state_u64(struct lull_state *s, uint64_t *field)
{
    lull_state_raw(s, field, sizeof(*field));
}

static inline void lull_state_bool(struct lull_state *s, bool *field)
{
    uint8_t byte = *field;

    lull_state_u8(s, &byte);
    lull_state_check(s, byte <= 1);
    *field = byte == 1;
}

/* A value that the machine has already: loading, it must be the same. */
static inline void lull_state_same(struct lull_state *s, uint64_t value)
{
    uint64_t saved = value;

    lull_state_u64(s, &saved);
    lull_state_check(s, saved == value);
}

/* Loading: all of it was read, and nothing was wrong. */
static inline bool lull_state_done(const struct lull_state *s)
{
    return !s->bad && (!s->loading || s->at == s->len);
}

#endif
