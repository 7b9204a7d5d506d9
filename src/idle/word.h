/*
 * The parking word: one 32-bit atomic per vCPU that says what it is asked to
 * do and where it is. Everything that can lose a wake-up is in this file.
 *
 *   bits 0..15  reasons (idle.h): set by anyone, cleared by the vCPU's thread
 *   bit  16     CONFIG: a new policy is waiting; ends a sleep, is no reason
 *   bit  30     PARKED: the vCPU sleeps or is about to; who sets a bit wakes it
 *   bit  31     GUEST: the vCPU runs the guest; who sets a bit forces it out
 *
 * PARKED and GUEST are written by the vCPU's thread alone and exclude each
 * other. With neither, the vCPU is awake in its loop and looks at the word
 * before it parks or enters: nobody owes it anything.
 *
 * Why no kick is lost. A kick and a park (or an entry) are read-modify-writes
 * of the same word, and those of one object have one order that every thread
 * agrees on. Kick first: the park reads the word after it and finds the bit.
 * Park first: the kick reads PARKED and wakes. A kick between the park's look
 * and its sleep changes the word, and the sleep compares: it starts only while
 * the word has the value looked at. The value "PARKED, nothing asked" is left
 * and restored by the vCPU's own hand only, so it cannot come back unseen.
 *
 * Why the data is there. Who kicks stores the data first and sets the bit with
 * release; the vCPU reads the word with acquire before it acts on the bit.
 * Every write to the word is a read-modify-write, so a later one continues the
 * release sequence of an earlier one: the vCPU synchronises with *every*
 * kicker before it, also with those that found the bit set already. That is
 * why word_set writes even then. Nothing here needs seq_cst: only one location
 * is ordered against itself, and coherence does that at any order.
 */
#ifndef IDLE_WORD_H
#define IDLE_WORD_H

#include <stdatomic.h>
#include <stdint.h>

#define WORD_CONFIG (1u << 16)
#define WORD_PARKED (1u << 30)
#define WORD_GUEST (1u << 31)
/* All that others set. */
#define WORD_ASKED (WORD_CONFIG | 0xffffu)

typedef _Atomic uint32_t idle_word;

/* Any thread. Release: publishes what the bit is about. Acquire: who finds
 * GUEST and forces the vCPU out sees what it stored before it entered. */
static inline uint32_t word_set(idle_word *word, uint32_t bits)
{
    return atomic_fetch_or_explicit(word, bits, memory_order_acq_rel);
}

/* Acquire: who sees a bit sees what was stored before it. */
static inline uint32_t word_look(idle_word *word)
{
    return atomic_load_explicit(word, memory_order_acquire);
}

/* About to sleep. What it returns is the first look, at the same instant.
 * Release: who sees PARKED sees what to wake. */
static inline uint32_t word_park(idle_word *word)
{
    return WORD_PARKED |
           atomic_fetch_or_explicit(word, WORD_PARKED, memory_order_acq_rel);
}

/* Awake again, whatever the cause; the bits stay. */
static inline uint32_t word_unpark(idle_word *word)
{
    return atomic_fetch_and_explicit(word, ~WORD_PARKED, memory_order_acquire);
}

/* About to run the guest. Release: for those who then force it out. */
static inline uint32_t word_enter(idle_word *word)
{
    return atomic_fetch_or_explicit(word, WORD_GUEST, memory_order_acq_rel);
}

/* Out of the guest, or not in after all: everything asked is taken. Acquire
 * for the data; nothing is published to kickers, so no release of our own is
 * needed, and as a read-modify-write it keeps theirs going. */
static inline uint32_t word_leave(idle_word *word)
{
    return atomic_exchange_explicit(word, 0, memory_order_acquire);
}

/* Take the bits of `mask`; the others latch. */
static inline uint32_t word_take(idle_word *word, uint32_t mask)
{
    return mask & atomic_fetch_and_explicit(word, ~mask, memory_order_acquire);
}

#endif
