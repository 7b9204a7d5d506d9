/*
 * Virtqueues over memory full of the fuzzer's bytes: every span handed out
 * must lie in guest memory, and no chain is longer than its queue.
 */
#include <stdlib.h>

#include "fuzz_input.h"
#include "queue.h"

enum { RAM_BYTES = 16384, TURNS = 64 };
#define RAM_GPA 0x40000000ULL

static uint8_t memory[RAM_BYTES] __attribute__((aligned(4096)));
static const struct lull_ram ram = {memory, RAM_GPA, RAM_BYTES};
static struct virtq_chain chain;

static void check(const struct virtqueue *queue)
{
    if (chain.out + chain.in > queue->size)
        abort();
    for (unsigned i = 0; i < chain.out + chain.in; i++) {
        const struct virtq_span *span = &chain.span[i];

        if (span->host < memory || span->len == 0 ||
            span->host + span->len > memory + RAM_BYTES)
            abort();
        /* What a device does: it overwrites the rings, too, if told to. */
        if (i >= chain.out)
            memset(span->host, (int)i, span->len < 64 ? span->len : 64);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, size};
    unsigned flags = (unsigned)fuzz_take(&in, 1);
    struct virtqueue queue = {
        .size = (uint16_t)(1U << (flags & 15)),
        .event_idx = flags & 16,
        .indirect = flags & 32,
        .desc_gpa = RAM_GPA + fuzz_take(&in, 2),
        .avail_gpa = RAM_GPA + fuzz_take(&in, 2),
        .used_gpa = RAM_GPA + fuzz_take(&in, 2),
    };

    memset(memory, 0, sizeof(memory));
    memcpy(memory, in.bytes, in.left < RAM_BYTES ? in.left : RAM_BYTES);
    if (!virtq_start(&queue, &ram))
        return 0;
    for (unsigned i = 0; i < TURNS; i++) {
        if (virtq_pop(&queue, &chain) != VIRTQ_CHAIN)
            break;
        check(&queue);
        virtq_push(&queue, chain.head, chain.in);
        virtq_should_interrupt(&queue);
    }
    return 0;
}
